//! A provider from outside, as a third party would write it: it answers by keywords and can't be tuned.

use std::sync::Arc;

use tunebench_providers::{
    Cause, Completion, CompletionRequest, Kind, ModelInfo, Provider, ProviderError, ProviderInfo, Setting,
    SettingError, Setup, async_trait,
};

const MODEL: &str = "keywords";

/// Names the first label all of whose words stand in the text.
pub struct Acme {
    /// What it says when no label fits.
    otherwise: String,
}

/// The kind of provider that a program registers, with what can be set under `[providers.acme]`.
pub fn kind() -> Kind {
    let create = |setup: &Setup| -> Result<Arc<dyn Provider>, SettingError> {
        Ok(Arc::new(Acme { otherwise: setup.text("otherwise").unwrap_or_default().to_owned() }))
    };
    Kind::new("acme", create).settings([Setting::text("otherwise", "what it says when no label fits")])
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

    fn info(&self) -> ProviderInfo {
        ProviderInfo::default().models([ModelInfo::new(MODEL)])
    }
}
