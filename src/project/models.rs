//! The models of a configuration, as they stand under `[[model]]`.

use tunebench_data::Dataset;
use tunebench_providers::{BadModelRef, ModelRef, TuningSpec};

use crate::config::{Config, ConfigError, Document, Step};
use crate::providers::{Providers, environment};
use crate::shots::{Shots, ShotsSpec};
use crate::suggest::did_you_mean;

/// A `[[model]]` of the configuration.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// The base model.
    pub base: ModelRef,
    /// What to tune it with, if it is to be tuned.
    pub tune: Option<TuningSpec>,
    /// A model that was tuned from it elsewhere, given by its id.
    pub tuned: Option<ModelRef>,
    /// Solved examples to show it, and how the examples are chosen.
    pub shots: Option<(ShotsSpec, Shots)>,
    /// The name of its prompt, where it has one of its own.
    pub prompt: Option<String>,
    /// The name of the prompt of what was tuned from it.
    pub tuned_prompt: Option<String>,
    /// Whether it and what was tuned from it are asked in batches, where it says so itself.
    pub batch: Option<bool>,
    /// The position of the entry that this is a further training of, with another seed.
    pub seed_of: Option<usize>,
}

/// The key beside the hyperparameters that says how many models to train, each with a seed of its own.
const SEEDS: &str = "seeds";

/// More trainings than this are a mistake.
const MOST_SEEDS: u64 = 20;

fn seeds(tune: &serde_json::Map<String, serde_json::Value>) -> Result<u64, String> {
    let Some(seeds) = tune.get(SEEDS) else { return Ok(1) };
    let number = seeds.as_u64().filter(|seeds| (1..=MOST_SEEDS).contains(seeds));
    number.ok_or_else(|| format!("`{SEEDS}` is {seeds}, not a whole number from 1 to {MOST_SEEDS}"))
}

/// The models of a configuration, whose data has not been read yet.
pub(crate) fn entries(
    config: &Config,
    document: &Document,
    providers: &Providers,
) -> Result<Vec<ModelConfig>, ConfigError> {
    let mut entries: Vec<ModelConfig> = Vec::new();
    for (i, model) in config.models.iter().enumerate() {
        let at = |key| [Step::Key("model"), Step::Item(i), Step::Key(key)];
        let base: ModelRef = model
            .base
            .parse()
            .map_err(|error: BadModelRef| document.error(&at("base"), error.to_string()))?;
        let slot = providers.get(&base).ok_or_else(|| {
            let message = format!("unknown provider `{}`", base.provider());
            document.error(&at("base"), message).hint(providers.suggestion(base.provider()))
        })?;
        if model.tune.is_some() && slot.provider.fine_tuning().is_none() {
            let message = format!("the provider `{}` does not offer fine-tuning", base.provider());
            return Err(document.error(&at("tune"), message).hint(providers.that_tune()));
        }
        let own = model.tune.clone().map(|mut own| {
            let sound = seeds(&own);
            own.remove(SEEDS);
            sound.map(|_| own)
        });
        let own = own.transpose().map_err(|message| document.error(&at("tune"), message))?;
        let tune = own.map(|own| TuningSpec::new(base.model(), own, config.seed));
        if config.models[..i].contains(model) {
            return Err(document.error(&at("base"), format!("duplicate model `{base}`")));
        }
        let tuned = model.tuned.as_ref().map(|id| ModelRef::new(base.provider(), id));
        let tuned = tuned.transpose().map_err(|error| document.error(&at("tuned"), error.to_string()))?;
        for (key, name) in [("prompt", &model.prompt), ("tuned_prompt", &model.tuned_prompt)] {
            if let Some(name) = name.as_ref().filter(|name| !config.prompt.named.contains_key(*name)) {
                let error = document.error(&at(key), format!("there is no prompt `{name}`"));
                let meant = did_you_mean(name, config.prompt.named.keys().map(String::as_str));
                return Err(error.hint(meant.unwrap_or_else(|| format!("write it under `[prompt.{name}]`"))));
            }
        }
        let prompt = model.prompt.clone();
        let tuned_prompt = model.tuned_prompt.clone().or_else(|| prompt.clone());
        let batch = model.batch;
        entries.push(ModelConfig {
            base,
            tune,
            tuned,
            shots: None,
            prompt,
            tuned_prompt,
            batch,
            seed_of: None,
        });
    }
    // Behind all others, so that these keep the positions of the configuration.
    for first in 0..config.models.len() {
        let seeds = config.models[first].tune.as_ref().map_or(1, |tune| seeds(tune).unwrap_or(1));
        if seeds > 1 && config.evaluation.any_time {
            let place = [Step::Key("evaluation"), Step::Key("any_time")];
            let error =
                document.error(&place, "there is no anytime-valid test over several seeds (`any_time`)");
            return Err(error.hint("leave it out, or train one model of each: `seeds = 1`"));
        }
        for further in 1..seeds {
            let mut entry = entries[first].clone();
            if let Some(spec) = &mut entry.tune {
                spec.seed += further;
            }
            entries.push(ModelConfig { tuned: None, shots: None, seed_of: Some(first), ..entry });
        }
    }
    Ok(entries)
}

/// Gets ready what the models need of the training data: something to be tuned with, examples to show.
pub(super) fn take_from_train(
    models: &mut [ModelConfig],
    config: &Config,
    document: &Document,
    train: Option<&Dataset>,
) -> Result<(), ConfigError> {
    let at = |i, key| [Step::Key("model"), Step::Item(i), Step::Key(key)];
    let environment = environment(document)?;
    let tuned = models.iter().position(|model| model.tune.is_some());
    if let (None, Some(i)) = (train, tuned) {
        return Err(document.error(&at(i, "tune"), "there is no training data to tune with"));
    }
    for (i, (entry, model)) in models.iter_mut().zip(&config.models).enumerate() {
        let Some(spec) = &model.shots else { continue };
        let shots = match train {
            Some(train) => Shots::new(spec, train, config.seed, &environment),
            None => Err("there is no training data to take examples from".to_owned()),
        };
        let shots = shots.map_err(|message| document.error(&at(i, "shots"), message))?;
        entry.shots = Some((spec.clone(), shots));
    }
    Ok(())
}
