//! A provider from outside, as a third party would write it: it answers by keywords and can't be tuned.

use std::sync::Arc;

use tunebench_providers::{
    Cause, Completion, CompletionRequest, ModelInfo, Provider, ProviderError, SettingError, Setup,
    async_trait,
};

const MODEL: &str = "keywords";

/// Names the first label all of whose words stand in the text.
pub struct Acme {
    /// What it says when no label fits.
    otherwise: String,
}

impl Acme {
    /// Reads `[providers.acme]`; the only setting is `otherwise`.
    pub fn create(setup: &Setup) -> Result<Arc<dyn Provider>, SettingError> {
        let mut otherwise = String::new();
        for (name, value) in &setup.settings {
            match (name.as_str(), value.as_str()) {
                ("otherwise", Some(text)) => text.clone_into(&mut otherwise),
                ("otherwise", None) => return Err(SettingError::at(name, "`otherwise` must be a text")),
                _ => {
                    return Err(SettingError::at(
                        name,
                        format!("unknown setting `{name}`, expected `otherwise`"),
                    ));
                }
            }
        }
        Ok(Arc::new(Self { otherwise }))
    }
}

#[async_trait]
impl Provider for Acme {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, ProviderError> {
        self.model_info(&request.model).await?;
        let text = request.text.to_lowercase();
        let fits = |label: &&String| label.split('_').all(|word| text.contains(word));
        let label = request.prompt.labels().names().iter().find(fits);
        Ok(Completion::new(label.unwrap_or(&self.otherwise)).model_version("keywords-1"))
    }

    async fn model_info(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        match model {
            MODEL => Ok(ModelInfo::new(MODEL).description("keywords, no language model")),
            _ => Err(ProviderError::new(Cause::NotFound, format!("there is no model `{model}`"))),
        }
    }

    fn known_models(&self) -> Vec<ModelInfo> {
        vec![ModelInfo::new(MODEL)]
    }
}
