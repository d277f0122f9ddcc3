//! The embedded provider: no key, no network, no download, and it really learns.
//!
//! `local/lexical` compares texts with label names and needs no training; fine-tuning it trains a linear
//! classifier over n-grams. `local/encoder:FOLDER` compares them by meaning; fine-tuning it trains a classifier over its
//! vectors, or all of it. `local/majority` is the floor that every model must beat. None is a language model, and reports
//! say so.

mod calibration;
mod classifier;
mod completions;
mod encoder;
mod features;
mod fine_tuning;
mod lexical;
mod model_file;
mod models;
mod nearest;
mod ngrams;
mod numeric;
mod out_of_fold;
#[cfg(test)]
mod planted;
mod softmax;
mod store;
mod trainer;
mod tuned_model;

use std::sync::Arc;

use crate::{
    Completion, CompletionRequest, Execution, FineTuning, Kind, ModelInfo, Provider, ProviderError,
    ProviderInfo, SettingError, Setup, async_trait,
};

pub use classifier::{Classifier, MAX_LABELS, Scratch, TrainError};
pub use encoder::{Encoder, EncoderError, NearestInMeaning, nearest_in_meaning, out_of_fold_in_meaning};
pub use features::MAX_NGRAMS;
pub use model_file::ModelFileError;
pub use nearest::{Nearest, NearestScratch};
pub use ngrams::MAX_CHARACTERS;
pub use out_of_fold::out_of_fold;
pub use softmax::{EpochReport, Hyperparameters};
pub use tuned_model::TunedModel;

/// The embedded provider, which has no settings.
pub(crate) fn kind() -> Kind {
    Kind::new("local", |setup| Ok(Arc::new(LocalProvider::new(setup)?))).settings([])
}

/// The embedded provider.
pub struct LocalProvider {
    models: Arc<models::Models>,
    jobs: fine_tuning::Jobs,
}

impl LocalProvider {
    /// A provider that keeps jobs and models below [`Setup::state_dir`]. It has no settings of its own.
    pub fn new(setup: &Setup) -> Result<Self, SettingError> {
        setup.check(&[])?;
        let store = store::Store::new(&setup.state_dir);
        let cache = crate::hub::Cache::by(|name| setup.variable(name));
        let models = Arc::new(models::Models::new(store.clone(), cache));
        Ok(Self { models: models.clone(), jobs: fine_tuning::Jobs::new(store, models) })
    }
}

#[async_trait]
impl Provider for LocalProvider {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, ProviderError> {
        completions::complete(&self.models, request).await
    }

    async fn model_info(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        self.models.info(model)
    }

    fn info(&self) -> ProviderInfo {
        ProviderInfo::default().execution(Execution::InProcess).models(models::bases())
    }

    fn fine_tuning(&self) -> Option<&dyn FineTuning> {
        Some(&self.jobs)
    }

    fn batch_size(&self, model: &str) -> usize {
        if model.starts_with("encoder") { encoder::BATCH_SIZE } else { 1 }
    }
}
