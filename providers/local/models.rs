//! The models there are: two untrained ones, and those on disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tunebench_data::Prompt;

use super::classifier::Classifier;
use super::lexical::Lexical;
use super::store::Store;
use crate::{Cause, ModelInfo, ProviderError};

/// The untrained base of every tuned model.
pub(super) const LEXICAL: &str = "lexical";
/// The floor.
pub(super) const MAJORITY: &str = "majority";

/// The models that are always there.
pub(super) fn bases() -> [ModelInfo; 2] {
    [
        ModelInfo::new(LEXICAL)
            .description(
                "untrained: the label whose name shares most words and letter sequences with the text",
            )
            .tunable(),
        ModelInfo::new(MAJORITY)
            .description("untrained: always the most frequent label of the training data"),
    ]
}

/// A model that is ready to answer.
pub(super) enum Model {
    Majority,
    Lexical(Arc<Lexical>),
    Tuned(Arc<Classifier>),
}

/// Loads models once.
pub(super) struct Models {
    store: Store,
    tuned: Mutex<HashMap<String, Arc<Classifier>>>,
    /// For the prompt last asked about: a run has one.
    lexical: Mutex<Option<(Arc<Prompt>, Arc<Lexical>)>>,
}

impl Models {
    pub(super) fn new(store: Store) -> Self {
        Self { store, tuned: Mutex::default(), lexical: Mutex::default() }
    }

    pub(super) fn info(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        if let Some(base) = bases().into_iter().find(|base| base.id == model) {
            return Ok(base);
        }
        if !self.store.has_model(model) {
            return Err(unknown(model));
        }
        Ok(ModelInfo::new(model)
            .description("linear classifier over words and letter sequences, no language model")
            .tuned_from(LEXICAL)
            .probabilities())
    }

    pub(super) fn get(&self, model: &str, prompt: &Arc<Prompt>) -> Result<Model, ProviderError> {
        match model {
            MAJORITY => Ok(Model::Majority),
            LEXICAL => Ok(Model::Lexical(self.lexical(prompt))),
            _ => self.tuned(model).map(Model::Tuned),
        }
    }

    fn lexical(&self, prompt: &Arc<Prompt>) -> Arc<Lexical> {
        let mut cached = self.lexical.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cached {
            Some((known, lexical)) if Arc::ptr_eq(known, prompt) => lexical.clone(),
            _ => {
                let lexical = Arc::new(Lexical::new(prompt.labels().names()));
                *cached = Some((prompt.clone(), lexical.clone()));
                lexical
            }
        }
    }

    fn tuned(&self, model: &str) -> Result<Arc<Classifier>, ProviderError> {
        let mut cached = self.tuned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(classifier) = cached.get(model) {
            return Ok(classifier.clone());
        }
        if !self.store.has_model(model) {
            return Err(unknown(model));
        }
        let classifier = Arc::new(self.store.model(model)?);
        cached.insert(model.to_owned(), classifier.clone());
        Ok(classifier)
    }
}

fn unknown(model: &str) -> ProviderError {
    ProviderError::new(Cause::NotFound, format!("there is no local model `{model}`"))
        .hint(format!("the untrained ones are {LEXICAL} and {MAJORITY}; `tunebench tune` makes others"))
}
