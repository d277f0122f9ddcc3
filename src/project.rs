//! A checked project: configuration, data and providers fit together, and nothing has been sent yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tunebench_data::{Columns, DataError, Dataset, LabelSet, Prompt, Shard, Source, TestSet};
use tunebench_providers::{
    Access, BadModelRef, Batch, ModelRef, Provider, Registry, SettingError, TuningSpec,
};
use tunebench_reports::{Metric, MetricError};

use tunebench_providers::catalog::Catalog;

use crate::budget::{Price, PriceTable};
use crate::config::{Config, ConfigError, Document, Evaluation, Step, nearest};
use crate::error::Error;
use crate::evaluate::Candidate;
use crate::evaluate::governor::Limits;
use crate::providers::Providers;
use crate::shots::{Shots, ShotsSpec};
use crate::tune::{Pace, Tuning};

/// What a command line sets instead of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The training file; relative to the working directory.
    pub train: Option<PathBuf>,
    /// The test file; relative to the working directory.
    pub test: Option<PathBuf>,
    /// Requests in flight at once.
    pub concurrency: Option<std::num::NonZeroUsize>,
    /// The part of the test rows to take.
    pub shard: Option<Shard>,
}

/// A checked project.
pub struct Project {
    /// As it was configured, overrides included.
    pub config: Config,
    /// What is learned from, where there is such data.
    pub train: Option<Dataset>,
    /// The path of that data.
    pub train_path: Option<PathBuf>,
    /// How that is read.
    pub train_source: Option<Source>,
    /// What a provider may measure the loss on while it trains.
    pub validation: Option<Dataset>,
    /// What is measured on.
    pub test: TestSet,
    /// Which part of the test data that is, where it is one.
    pub shard: Option<Shard>,
    /// The prompt for all models that choose no other.
    pub prompt: Arc<Prompt>,
    /// The prompts that models choose by name.
    pub named_prompts: BTreeMap<String, Arc<Prompt>>,
    /// The models, in the order of the configuration.
    pub models: Vec<Entry>,
    providers: Providers,
    prices: PriceTable,
    catalog: Catalog,
    label_counts: Arc<[u64]>,
    state_dir: PathBuf,
}

/// A `[[model]]` of the configuration.
#[derive(Debug, Clone)]
pub struct Entry {
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

/// The date in UTC, in which dates and prices are counted.
pub(crate) fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// The database of everything that was paid for, in the folder of what is kept.
pub fn ledger_path(state_dir: &Path) -> PathBuf {
    state_dir.join("ledger.sqlite")
}

impl Project {
    /// Reads and checks everything: the configuration at `path`, the data it names, the providers it uses.
    pub fn open(
        path: &Path,
        overrides: Overrides,
        registry: &Registry,
        state_dir: &Path,
    ) -> Result<Self, Error> {
        let (mut config, document) = Config::read(path)?;
        if let Some(concurrency) = overrides.concurrency {
            config.evaluation.concurrency = concurrency;
        }
        let providers = Providers::open(&config.providers, &document, registry, state_dir)?;
        let mut models = entries(&config, &document, &providers)?;
        let catalog = config.catalog(&document)?;
        let prices = PriceTable::of(&catalog).and_then(|known| known.with_own(&config.prices));
        let prices = prices.map_err(|error| document.error(&[Step::Key("prices")], error.to_string()))?;

        let folder = document.folder();
        let train_path = match (overrides.train, &config.data.train) {
            (Some(path), _) => Some(std::path::absolute(path)?),
            (None, Some(path)) => Some(path.clone()),
            (None, None) => None,
        };
        let test_path = match overrides.test {
            Some(path) => std::path::absolute(path)?,
            None => config.data.test.clone(),
        };
        let fixed = config.data.labels.clone().map(LabelSet::new).transpose();
        let fixed = fixed
            .map_err(|error| document.error(&[Step::Key("data"), Step::Key("labels")], error.to_string()))?;
        let columns = columns(&config, &document)?;
        let source = |path: &PathBuf| {
            let mut source = config.data.source(folder, path);
            source.fields = columns.clone();
            source
        };
        let test_source = source(&test_path);
        let validation_source = config.data.validation.as_ref().map(source);
        let train = train_path.as_ref().map(|path| source(path).load(fixed.as_ref())).transpose();
        let train = train.map_err(|error| {
            let later = [Some(&test_source), validation_source.as_ref()];
            all_bad_rows(error, &document, "train", &later, fixed.as_ref())
        })?;
        let labels = train.as_ref().map(|train| train.labels.clone()).or(fixed);
        let bad_test =
            |error, labels| all_bad_rows(error, &document, "test", &[validation_source.as_ref()], labels);
        let labels = match labels {
            Some(labels) => labels,
            // Nothing is trained here: the labels are those of the test data.
            None => test_source.load(None).map_err(|error| bad_test(error, None))?.labels,
        };
        // The gate runs when everything has been paid for: too late to learn that it can't judge.
        let metric = metric(&config.evaluation, &document, &labels)?;
        let gate = config.gate.check_together().and_then(|()| config.gate.check_labels(&labels));
        let gate = gate.and_then(|()| config.gate.check_margin(&metric));
        gate.map_err(|mistake| document.gate(&mistake))?;
        let test = test_source.check(&labels).map_err(|error| bad_test(error, Some(&labels)))?;
        let test = match config.evaluation.sample {
            Some(size) => {
                test.sample(size.get(), config.seed).map_err(|error| Error::data(error, &document, "test"))?
            }
            None => test,
        };
        let test = match overrides.shard {
            Some(shard) => {
                let part = test.shard(shard).map_err(|error| Error::data(error, &document, "test"))?;
                part.ok_or_else(|| Error::Model {
                    message: format!("no test row is in shard {shard}"),
                    hint: Some("take fewer shards".to_owned()),
                })?
            }
            None => test,
        };
        if !config.data.slices.is_empty() {
            let sliced = test.carrying(Columns::Named(config.data.slices.clone()));
            let place = [Step::Key("data"), Step::Key("slices")];
            let first = sliced.examples().and_then(|mut rows| rows.next().transpose());
            first.map_err(|error| document.error(&place, error.to_string()))?;
            if let Some(name) =
                config.data.slices.iter().find(|name| ["length", "script"].contains(&name.as_str()))
            {
                let error =
                    document.error(&place, format!("`{name}` is what the {name} of the text is called"));
                return Err(error.hint("give the column another name").into());
            }
        }
        let validation = match (&config.data.validation, validation_source) {
            (Some(path), Some(source)) => {
                let set = source.load(Some(&labels));
                let set = set.map_err(|error| Error::data(error, &document, "validation"))?;
                disjoint(train.as_ref(), &set, path)?;
                Some(set)
            }
            _ => None,
        };
        let (prompt, named_prompts) = prompts(&config, &document, &labels)?;
        let label_counts = train.as_ref().map(count_labels).unwrap_or_default();

        let tuned = models.iter().position(|model| model.tune.is_some());
        if let (None, Some(i)) = (&train, tuned) {
            let place = [Step::Key("model"), Step::Item(i), Step::Key("tune")];
            return Err(document.error(&place, "there is no training data to tune with").into());
        }
        for (i, (entry, model)) in models.iter_mut().zip(&config.models).enumerate() {
            let Some(spec) = &model.shots else { continue };
            let shots = match &train {
                Some(train) => Shots::new(spec, train, config.seed),
                None => Err("there is no training data to take examples from".to_owned()),
            };
            let place = [Step::Key("model"), Step::Item(i), Step::Key("shots")];
            entry.shots = Some((spec.clone(), shots.map_err(|message| document.error(&place, message))?));
        }
        if let Some(name) = &config.evaluation.against {
            let known = models.iter().flat_map(|entry| [Some(&entry.base), entry.tuned.as_ref()]).flatten();
            if known.map(ToString::to_string).all(|model| model != *name) {
                let place = [Step::Key("evaluation"), Step::Key("against")];
                let error =
                    document.error(&place, format!("`{name}` is no base or tuned model of this project"));
                return Err(error.hint("name it as it stands under `[[model]]`, with its provider").into());
            }
        }
        let project = Self {
            train,
            train_source: train_path.as_ref().map(source),
            train_path,
            validation,
            test,
            shard: overrides.shard,
            prompt,
            named_prompts,
            models,
            providers,
            prices,
            catalog,
            label_counts,
            state_dir: state_dir.to_owned(),
            config,
        };
        project.check_tunings(&document)?;
        Ok(project)
    }

    /// How to put a model to the test.
    pub fn candidate(&self, model: &ModelRef) -> Result<Candidate, Error> {
        let slot =
            self.providers.get(model).ok_or_else(|| Error::unknown_provider(model, &self.providers))?;
        let concurrency = self.config.evaluation.concurrency.get();
        let limits = Limits {
            requests_per_minute: slot.requests_per_minute,
            tokens_per_minute: slot.tokens_per_minute,
            window: slot.window,
            concurrency,
        };
        Ok(Candidate {
            name: model.clone(),
            provider: slot.provider.clone(),
            prompt: self.prompt.clone(),
            parameters: Arc::new(self.config.evaluation.parameters(self.prompt.form())),
            shots: Shots::None,
            label_counts: self.label_counts.clone(),
            concurrency,
            price: self.price(slot.provider.as_ref(), model),
            limits,
        })
    }

    /// The providers that offer batches and whose keys are set, by name.
    pub(crate) fn batch_providers(&self) -> impl Iterator<Item = (String, &dyn Batch)> {
        let ready = |provider: &dyn Provider| matches!(provider.access(), Access::Open | Access::Ready);
        let offered = self.providers.iter().filter(move |(_, provider)| ready(*provider));
        offered.filter_map(|(name, provider)| Some((name.to_owned(), provider.batches()?)))
    }

    /// A prompt by its name; the common one where there is none.
    pub fn prompt_named(&self, name: Option<&str>) -> &Arc<Prompt> {
        name.and_then(|name| self.named_prompts.get(name)).unwrap_or(&self.prompt)
    }

    /// How many requests and tokens a minute the configuration allows a model.
    pub(crate) fn limits(&self, model: &ModelRef) -> (Option<u64>, Option<u64>) {
        let slot = self.providers.get(model);
        slot.map(|slot| (slot.requests_per_minute, slot.tokens_per_minute)).unwrap_or_default()
    }

    /// The day on which a model stops answering (`YYYY-MM-DD`): as the configuration has it, else as its provider knows.
    pub(crate) fn retires(&self, provider: &dyn Provider, model: &ModelRef) -> Option<String> {
        let own = self.catalog.find(model.provider(), model.model()).filter(|known| known.own);
        let own = own.and_then(|known| known.retires).map(|day| day.to_string());
        own.or_else(|| provider.shutdown_date(model.model()))
    }

    /// What a model costs today. A provider of the user's own has the prices that the user gives, and no others.
    fn price(&self, provider: &dyn Provider, model: &ModelRef) -> Option<Price> {
        let today = today();
        let billed = format!("{}/{}", model.provider(), provider.price_name(model.model()));
        let price = self.prices.find(&model.to_string(), today).or_else(|| self.prices.find(&billed, today));
        price.cloned()
    }

    /// How to tune a model of the configuration; `None` if it is not to be tuned.
    pub fn tuning<'a>(&'a self, entry: &'a Entry, folder: &'a Path) -> Option<Tuning<'a>> {
        let provider = &self.providers.get(&entry.base)?.provider;
        Some(Tuning {
            provider: provider.fine_tuning()?,
            host: provider.as_ref(),
            base_url: provider.base_url(),
            in_process: provider.in_process(),
            base: &entry.base,
            spec: entry.tune.as_ref()?,
            train: self.train.as_ref()?,
            validation: self.validation.as_ref(),
            prompt: self.prompt_named(entry.tuned_prompt.as_deref()),
            folder,
            pace: Pace {
                interval: self.config.tuning.poll_seconds.map(Duration::from_secs_f64),
                timeout: self
                    .config
                    .tuning
                    .timeout_minutes
                    .map(|minutes| Duration::from_secs_f64(60.0 * minutes)),
            },
            price: self.price(provider.as_ref(), &entry.base),
        })
    }

    /// The database of everything that was paid for.
    pub fn ledger_path(&self) -> PathBuf {
        ledger_path(&self.state_dir)
    }

    /// Where training files are kept.
    pub fn training_folder(&self) -> PathBuf {
        self.state_dir.join("training")
    }

    /// What the prompts are made from, as the manifest records it.
    pub fn describe_prompts(&self) -> serde_json::Value {
        let mut described = self.prompt.description();
        if let (false, Some(members)) = (self.named_prompts.is_empty(), described.as_object_mut()) {
            let named = self.named_prompts.iter().map(|(name, prompt)| (name.clone(), prompt.description()));
            members.insert("named".to_owned(), serde_json::Value::Object(named.collect()));
        }
        described
    }

    /// Hyperparameters and data are wrong before the first job, or not at all.
    fn check_tunings(&self, document: &Document) -> Result<(), Error> {
        let Some(train) = &self.train else { return Ok(()) };
        let folder = self.training_folder();
        for (i, entry) in self.models.iter().enumerate() {
            let Some(tuning) = self.tuning(entry, &folder) else { continue };
            if let Err(error) = tuning.provider.check(tuning.spec, &train.examples, tuning.prompt) {
                if let Some(mistake) = missetting(document, i, &error) {
                    return Err(mistake.into());
                }
                let path = self.train_path.clone().unwrap_or_default();
                return Err(Error::Training { path, base: entry.base.clone(), message: error.message });
            }
        }
        Ok(())
    }
}

/// A mistake in a setting of the model with this number, if it is one and not a mistake in the data.
pub(crate) fn missetting(document: &Document, model: usize, error: &SettingError) -> Option<ConfigError> {
    let at = |key| [Step::Key("model"), Step::Item(model), Step::Key(key)];
    let place = match error.setting.as_deref()? {
        // The base is not one of the hyperparameters, but is set beside them.
        "base" => at("base").to_vec(),
        setting => [at("tune").as_slice(), &[Step::Key(setting)]].concat(),
    };
    Some(document.setting(&place, error))
}

/// The error of a file; of bad rows, with those of the files that would be read after it. Where the labels are not known,
/// no row of these is bad for its label.
fn all_bad_rows(
    error: DataError,
    document: &Document,
    key: &str,
    later: &[Option<&Source>],
    labels: Option<&LabelSet>,
) -> Error {
    let are_rows = |error: &DataError| matches!(error, DataError::Rows { .. });
    let check = |source: &&Source| match labels {
        Some(labels) => source.check(labels).err(),
        None => source.load(None).err(),
    };
    let later = later.iter().flatten().filter(|_| are_rows(&error));
    let others: Vec<_> = later.filter_map(check).filter(are_rows).collect();
    if others.is_empty() {
        Error::data(error, document, key)
    } else {
        Error::BadRows(std::iter::once(error).chain(others).collect())
    }
}

/// The columns that any of the prompts shows.
fn columns(config: &Config, document: &Document) -> Result<Columns, ConfigError> {
    let mut all = BTreeSet::new();
    for (name, settings) in config.prompt.all() {
        match settings.columns(document.folder()).map_err(|mistake| misprompt(document, name, mistake))? {
            Columns::Named(columns) => all.extend(columns),
            Columns::All => return Ok(Columns::All),
            _ => {}
        }
    }
    Ok(if all.is_empty() { Columns::None } else { Columns::Named(all.into_iter().collect()) })
}

/// The common prompt, and those with names.
type Prompts = (Arc<Prompt>, BTreeMap<String, Arc<Prompt>>);

fn prompts(config: &Config, document: &Document, labels: &LabelSet) -> Result<Prompts, ConfigError> {
    let (mut common, mut named) = (None, BTreeMap::new());
    for (name, settings) in config.prompt.all() {
        let form = config.evaluation.form();
        let prompt = settings.fitted(labels.clone(), form, &config.labels, document.folder());
        let prompt = prompt.map_err(|mistake| misprompt(document, name, mistake))?;
        let prompt = prompt
            .with_aliases(&config.data.aliases)
            .map_err(|error| document.error(&[Step::Key("data"), Step::Key("aliases")], error.to_string()))?;
        match name {
            Some(name) => _ = named.insert(name.to_owned(), Arc::new(prompt)),
            None => common = Some(Arc::new(prompt)),
        }
    }
    Ok((common.expect("the prompt without a name is among them"), named))
}

/// A mistake in a prompt, at its setting.
fn misprompt(
    document: &Document,
    name: Option<&str>,
    (setting, message): (Option<&str>, String),
) -> ConfigError {
    let steps: Vec<Step<'_>> = [Some("prompt"), name, setting].into_iter().flatten().map(Step::Key).collect();
    document.error(&steps, message)
}

/// A loss on rows that were learned says nothing.
fn disjoint(train: Option<&Dataset>, validation: &Dataset, path: &Path) -> Result<(), Error> {
    let known: HashMap<&str, u64> =
        train.into_iter().flat_map(|train| &train.examples).map(|e| (e.text.as_str(), e.line)).collect();
    match validation.examples.iter().find_map(|e| Some((e.line, known.get(e.text.as_str())?))) {
        None => Ok(()),
        Some((here, there)) => Err(Error::Overlap { path: path.to_owned(), here, there: *there }),
    }
}

/// The figure that decides, checked before anything is asked.
fn metric(evaluation: &Evaluation, document: &Document, labels: &LabelSet) -> Result<Metric, Error> {
    let costs = evaluation.cost.as_ref();
    // Costs that nothing goes by must be right all the same.
    if let Some(costs) = costs {
        let place = [Step::Key("evaluation"), Step::Key("cost")];
        Metric::named("cost", Some(costs), labels)
            .map_err(|error| document.error(&place, error.to_string()))?;
    }
    let Some(name) = &evaluation.primary else { return Ok(Metric::Accuracy) };
    let place = [Step::Key("evaluation"), Step::Key("primary")];
    let metric = Metric::named(name, costs, labels).map_err(|error| {
        let located = document.error(&place, error.to_string());
        match &error {
            MetricError::NoCosts => located.hint("say it in `[evaluation.cost]`, such as `wrong = 1`"),
            MetricError::Label(label) => match nearest(label, labels.names().iter().map(String::as_str)) {
                Some(near) => located.hint(format!("did you mean `{near}`?")),
                None => located,
            },
            _ => located,
        }
    })?;
    if evaluation.any_time && !metric.has_looks() {
        let place = [Step::Key("evaluation"), Step::Key("any_time")];
        let error = document.error(&place, format!("there is no test of {} for many looks", metric.words()));
        return Err(error.hint("leave it out, or decide by accuracy or by the recall of a label").into());
    }
    Ok(metric)
}

fn count_labels(train: &Dataset) -> Arc<[u64]> {
    let mut counts = vec![0; train.labels.len()];
    for example in &train.examples {
        counts[example.label.index()] += 1;
    }
    counts.into()
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
) -> Result<Vec<Entry>, ConfigError> {
    let mut entries: Vec<Entry> = Vec::new();
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
            return Err(document.error(&at("base"), format!("the model `{base}` stands twice")));
        }
        let tuned = model.tuned.as_ref().map(|id| ModelRef::new(base.provider(), id));
        let tuned = tuned.transpose().map_err(|error| document.error(&at("tuned"), error.to_string()))?;
        for (key, name) in [("prompt", &model.prompt), ("tuned_prompt", &model.tuned_prompt)] {
            if let Some(name) = name.as_ref().filter(|name| !config.prompt.named.contains_key(*name)) {
                let error = document.error(&at(key), format!("there is no prompt `{name}`"));
                let near = nearest(name, config.prompt.named.keys().map(String::as_str));
                return Err(error.hint(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write it under `[prompt.{name}]`"),
                }));
            }
        }
        let prompt = model.prompt.clone();
        let tuned_prompt = model.tuned_prompt.clone().or_else(|| prompt.clone());
        let batch = model.batch;
        entries.push(Entry { base, tune, tuned, shots: None, prompt, tuned_prompt, batch, seed_of: None });
    }
    // Behind all others, so that these keep the positions of the configuration.
    for first in 0..config.models.len() {
        let seeds = config.models[first].tune.as_ref().map_or(1, |tune| seeds(tune).unwrap_or(1));
        if seeds > 1 && config.evaluation.any_time {
            let place = [Step::Key("evaluation"), Step::Key("any_time")];
            let error =
                document.error(&place, "there is no test of several seeds of training for many looks");
            return Err(error.hint("leave it out, or train one model of each: `seeds = 1`"));
        }
        for further in 1..seeds {
            let mut entry = entries[first].clone();
            if let Some(spec) = &mut entry.tune {
                spec.seed += further;
            }
            entries.push(Entry { tuned: None, shots: None, seed_of: Some(first), ..entry });
        }
    }
    Ok(entries)
}
