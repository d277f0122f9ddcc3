//! The models that a configuration means: expanded from it in one place for the plan, the run, the labelling and whoever shows
//! what was sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use tunebench_providers::{Job, ModelRef};

use crate::budget::Price;
use crate::error::Error;
use crate::evaluate::EvalTarget;
use crate::project::{ModelConfig, Project};
use crate::shots::{Shots, ShotsSpec};

/// A model to measure, and where it comes from.
#[derive(Debug, Clone)]
pub struct ModelVariant {
    /// How to ask it.
    pub model: ModelRef,
    /// Its base, for a fine-tuned model.
    pub tuned_from: Option<ModelRef>,
    /// The job that made it.
    pub job: Option<Job>,
    /// Solved examples to show it.
    pub shots: Option<(ShotsSpec, Shots)>,
    /// The name of its prompt, where it has one of its own.
    pub prompt: Option<String>,
    /// The name of its base's prompt, where that has one of its own.
    pub base_prompt: Option<String>,
    /// Whether it is asked in batches, where the configuration says so for it alone.
    pub batch: Option<bool>,
    /// The name of the model that was trained in the same way with another seed, where this is a further one.
    pub seed_of: Option<String>,
}

impl ModelVariant {
    /// A model as it is.
    pub fn plain(model: ModelRef) -> Self {
        let (tuned_from, job, shots, prompt, base_prompt, batch, seed_of) = Default::default();
        Self { model, tuned_from, job, shots, prompt, base_prompt, batch, seed_of }
    }

    /// The base of an entry, as it is asked.
    pub(crate) fn base(entry: &ModelConfig) -> Self {
        Self { prompt: entry.prompt.clone(), batch: entry.batch, ..Self::plain(entry.base.clone()) }
    }

    /// What was tuned from the base of an entry.
    pub(crate) fn tuned(entry: &ModelConfig, model: ModelRef) -> Self {
        Self {
            tuned_from: Some(entry.base.clone()),
            prompt: entry.tuned_prompt.clone(),
            base_prompt: entry.prompt.clone(),
            batch: entry.batch,
            ..Self::plain(model)
        }
    }

    /// The base of an entry with solved examples.
    pub(crate) fn shown(entry: &ModelConfig) -> Option<Self> {
        let shots = Some(entry.shots.clone()?);
        let prompt = entry.prompt.clone();
        let (tuned_from, base_prompt) = (Some(entry.base.clone()), prompt.clone());
        let batch = entry.batch;
        Some(Self { tuned_from, shots, prompt, base_prompt, batch, ..Self::plain(entry.base.clone()) })
    }

    /// How to put it to the test: with its own shots, and at the price of its base where that is the rule.
    pub(crate) fn candidate(&self, project: &Project) -> Result<EvalTarget, Error> {
        let mut candidate = project.candidate(&self.model)?;
        if let (None, Some(base)) = (&candidate.price, &self.tuned_from)
            && candidate.provider.info().tuned_at_base_price
        {
            candidate.price = project.candidate(base)?.price;
        }
        if candidate.must_be_deployed() {
            candidate.price = Some(Price::by_the_hour(candidate.price.as_ref()));
        }
        if let Some((_, shots)) = &self.shots {
            candidate.shots = shots.clone();
        }
        if self.prompt.is_some() {
            candidate.prompt = project.prompt_named(self.prompt.as_deref()).clone();
            candidate.parameters = Arc::new(project.config.evaluation.parameters(candidate.prompt.form()));
        }
        Ok(candidate)
    }

    /// How a report names it: with a prompt of its own and its solved examples, and the second and further answers with a
    /// number.
    pub(crate) fn name(&self, repeat: u32) -> String {
        let prompt = suffix(self.prompt.as_deref());
        let shots = self.shots.as_ref().map_or_else(String::new, |(spec, _)| format!("+{spec}"));
        let repeat = if repeat == 0 { String::new() } else { format!("#{}", repeat + 1) };
        format!("{}{prompt}{shots}{repeat}", self.model)
    }

    /// How a report names what it was tuned from.
    pub(crate) fn base_name(&self) -> Option<String> {
        Some(format!("{}{}", self.tuned_from.as_ref()?, suffix(self.base_prompt.as_deref())))
    }
}

/// What tells a model with a prompt of its own from the same model with another.
fn suffix(prompt: Option<&str>) -> String {
    prompt.map_or_else(String::new, |name| format!("+{name}"))
}

/// A model that a configuration means.
pub(crate) enum Configured<'a> {
    /// It is there, and is asked.
    Known(Box<ModelVariant>),
    /// It is made by tuning, by the entry at this position.
    ToBeTuned(usize, &'a ModelConfig),
}

impl Project {
    /// All models that the configuration means, in the order of a report: each base once, with what was tuned from it
    /// elsewhere, itself with solved examples, and what is to be tuned from it.
    pub(crate) fn variants(&self) -> Vec<Configured<'_>> {
        let mut variants = Vec::new();
        let mut names = BTreeSet::new();
        for (at, entry) in self.models.iter().enumerate() {
            let base = Some(ModelVariant::base(entry)).filter(|base| names.insert(base.name(0)));
            let tuned = entry.tuned.as_ref().map(|model| ModelVariant::tuned(entry, model.clone()));
            let known = [base, tuned, ModelVariant::shown(entry)];
            variants.extend(known.into_iter().flatten().map(Box::new).map(Configured::Known));
            variants.extend(entry.tune.is_some().then_some(Configured::ToBeTuned(at, entry)));
        }
        variants
    }

    /// The models that are there without any tuning.
    pub(crate) fn known_variants(&self) -> impl Iterator<Item = ModelVariant> {
        self.variants().into_iter().filter_map(|variant| match variant {
            Configured::Known(variant) => Some(*variant),
            Configured::ToBeTuned(..) => None,
        })
    }

    /// A model that a user names: asked as the configuration asks it, or as it asks what was tuned from the same base,
    /// where that is one way.
    pub(crate) fn named_variant(&self, model: ModelRef, tuned_from: Option<ModelRef>) -> ModelVariant {
        let tuned = |variant: &ModelVariant| variant.model == model && variant.tuned_from.is_some();
        if let Some(known) = self.known_variants().find(|variant| variant.shots.is_none() && tuned(variant)) {
            return known;
        }
        let mut ways = self.models.iter().filter(|entry| Some(&entry.base) == tuned_from.as_ref());
        let first = ways.next().filter(|first| {
            let way = |entry: &ModelConfig| (entry.prompt.clone(), entry.tuned_prompt.clone());
            ways.all(|other| way(other) == way(first))
        });
        match first {
            Some(entry) => ModelVariant::tuned(entry, model),
            None => ModelVariant { tuned_from, ..ModelVariant::plain(model) },
        }
    }
}
