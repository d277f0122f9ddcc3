//! The models there are: two untrained ones, and those on disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tunebench_data::Prompt;

use super::classifier::Classifier;
use super::encoder::{self, Batcher, Encoder, Tuned, Untrained};
use super::lexical::Lexical;
use super::store::Store;
use super::tuned_model::{Kind, TunedModel};
use crate::hub::Cache;
use crate::{Cause, ModelInfo, ProviderError};

/// The untrained base of every tuned model.
pub(super) const LEXICAL: &str = "lexical";
/// What stands before the path or the name of an encoder.
pub(super) const ENCODER: &str = "encoder:";
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
    Ngrams(Arc<Classifier>),
    Untrained(Arc<Together<Untrained>>),
    Encoder(Arc<Together<Tuned>>),
}

/// A model that answers several texts at once.
pub(super) struct Together<M> {
    pub(super) model: M,
    pub(super) batcher: Batcher,
}

impl<M> Together<M> {
    fn new(model: M) -> Arc<Self> {
        Arc::new(Self { model, batcher: Batcher::default() })
    }
}

/// A tuned model, by what it is.
#[derive(Clone)]
enum Loaded {
    Ngrams(Arc<Classifier>),
    Encoder(Arc<Together<Tuned>>),
}

/// What was made for the prompt last asked about: a run has one.
type ForPrompt<M> = Mutex<Option<(Arc<Prompt>, String, Arc<M>)>>;

/// Loads models once.
pub(super) struct Models {
    store: Store,
    cache: Cache,
    encoders: Mutex<HashMap<String, Weak<Encoder>>>,
    tuned: Mutex<HashMap<String, Loaded>>,
    lexical: ForPrompt<Lexical>,
    untrained: ForPrompt<Together<Untrained>>,
}

impl Models {
    pub(super) fn new(store: Store, cache: Cache) -> Self {
        let (encoders, tuned, lexical, untrained) = Default::default();
        Self { store, cache, encoders, tuned, lexical, untrained }
    }

    pub(super) fn info(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        if let Some(base) = bases().into_iter().find(|base| base.id == model) {
            return Ok(base);
        }
        if let Some(name) = model.strip_prefix(ENCODER) {
            let size = millions(self.encoder(name)?.as_ref());
            let info = ModelInfo::new(model).tunable();
            return Ok(info.description(format!(
                "untrained: the label whose words are nearest to the text by an encoder of {size} parameters"
            )));
        }
        // Also of one that is in memory: it may have been deleted.
        if !self.store.has_model(model) {
            return Err(unknown(model));
        }
        let took = self.store.training_seconds(model);
        let took = took.map_or_else(String::new, |seconds| format!(", tuned here in {seconds:.0} s"));
        Ok(match self.tuned(model)? {
            Loaded::Ngrams(_) => ModelInfo::new(model)
                .description("linear classifier over words and letter sequences, no language model")
                .tuned_from(LEXICAL),
            Loaded::Encoder(tuned) => {
                let (size, what) = (millions(tuned.model.encoder()), tuned.model.in_words());
                ModelInfo::new(model)
                    .description(format!("{what} of {size} parameters{took}"))
                    .tuned_from(format!("{ENCODER}{}", tuned.model.base()))
            }
        }
        .probabilities())
    }

    pub(super) fn get(&self, model: &str, prompt: &Arc<Prompt>) -> Result<Model, ProviderError> {
        match model {
            MAJORITY => Ok(Model::Majority),
            LEXICAL => {
                let make = || Ok(Arc::new(Lexical::new(prompt.labels().names())));
                for_prompt(&self.lexical, model, prompt, make).map(Model::Lexical)
            }
            _ => match model.strip_prefix(ENCODER) {
                Some(name) => {
                    let described: Vec<_> = prompt
                        .labels()
                        .iter()
                        .map(|(id, name)| (name, prompt.label_description(id)))
                        .collect();
                    let make = || Ok(Together::new(Untrained::new(self.encoder(name)?, &described)));
                    for_prompt(&self.untrained, model, prompt, make).map(Model::Untrained)
                }
                None => Ok(match self.tuned(model)? {
                    Loaded::Ngrams(classifier) => Model::Ngrams(classifier),
                    Loaded::Encoder(tuned) => Model::Encoder(tuned),
                }),
            },
        }
    }

    /// The encoder of a path or a name, read once for all who have it now.
    pub(super) fn encoder(&self, name: &str) -> Result<Arc<Encoder>, ProviderError> {
        let mut known = self.encoders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoder) = known.get(name).and_then(Weak::upgrade) {
            return Ok(encoder);
        }
        let encoder = Arc::new(self.read_encoder(name)?);
        known.insert(name.to_owned(), Arc::downgrade(&encoder));
        Ok(encoder)
    }

    /// The encoder of a path or a name.
    pub(super) fn read_encoder(&self, name: &str) -> Result<Encoder, ProviderError> {
        Encoder::named(name, &self.cache).map_err(encoder::provider_error)
    }

    /// Whether there is such an encoder, as far as its configuration and the header of its weights say.
    pub(super) fn check_encoder(&self, name: &str) -> Result<(), ProviderError> {
        let checked = encoder::folder(name, &self.cache).and_then(|folder| Encoder::check_whole(&folder));
        checked.map_err(encoder::provider_error)
    }

    fn tuned(&self, model: &str) -> Result<Loaded, ProviderError> {
        let mut known = self.tuned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = known.get(model) {
            return Ok(loaded.clone());
        }
        if !self.store.has_model(model) {
            return Err(unknown(model));
        }
        let file = self.store.model(model)?;
        let unusable = |why| self.store.unusable(model, why);
        let encoder = TunedModel::encoder_of(&file).map_err(unusable)?;
        let encoder = encoder.map(|name| self.encoder(&name)).transpose()?;
        let loaded = match TunedModel::from_file(&file, encoder).map_err(unusable)?.0 {
            Kind::Ngrams(classifier) => Loaded::Ngrams(Arc::new(classifier)),
            Kind::Encoder(tuned) => Loaded::Encoder(Together::new(tuned)),
        };
        known.insert(model.to_owned(), loaded.clone());
        Ok(loaded)
    }
}

/// The model for a prompt: the last one, or one that is made now.
fn for_prompt<M>(
    last: &ForPrompt<M>,
    model: &str,
    prompt: &Arc<Prompt>,
    make: impl FnOnce() -> Result<Arc<M>, ProviderError>,
) -> Result<Arc<M>, ProviderError> {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((known, name, made)) if Arc::ptr_eq(known, prompt) && name == model => Ok(made.clone()),
        _ => {
            let made = make()?;
            *last = Some((prompt.clone(), model.to_owned(), made.clone()));
            Ok(made)
        }
    }
}

fn millions(encoder: &Encoder) -> String {
    format!("{:.1} M", encoder.size() as f64 / 1e6)
}

fn unknown(model: &str) -> ProviderError {
    ProviderError::new(Cause::NotFound, format!("there is no local model `{model}`")).hint(format!(
        "the untrained ones are {LEXICAL}, {MAJORITY} and {ENCODER}FOLDER; `tunebench tune` makes others"
    ))
}
