//! A checked project: configuration, data and providers fit together, and nothing has been sent yet.

mod checks;
mod files;
mod models;
mod prompts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tunebench_data::{Dataset, Prompt, Shard, Source, TestSet};
use tunebench_providers::catalog::Catalog;
use tunebench_providers::{Batch, ModelRef, Provider, Registry};

use crate::budget::{Price, PriceTable};
use crate::config::{Config, Document, Step};
use crate::deploy::DeploySettings;
use crate::error::Error;
use crate::evaluate::governor::Limits;
use crate::evaluate::{Deployed, EvalTarget, KnownRows};
use crate::providers::Providers;
use crate::shots::Shots;
use crate::tune::{PollSchedule, Tuning};

pub(crate) use checks::missetting;
use files::Files;
pub use models::ModelConfig;
pub(crate) use models::entries;

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
    pub models: Vec<ModelConfig>,
    providers: Providers,
    prices: PriceTable,
    catalog: Catalog,
    label_counts: Arc<[u64]>,
    state_dir: PathBuf,
    /// What a plan finds out about the test rows, for the evaluation after it.
    pub(crate) known_rows: KnownRows,
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
        let mut models = models::entries(&config, &document, &providers)?;
        let catalog = config.catalog(&document)?;
        let prices = PriceTable::of(&catalog).and_then(|known| known.with_own(&config.prices));
        let prices = prices.map_err(|error| document.error(&[Step::Key("prices")], error.to_string()))?;

        let shard = overrides.shard;
        let files = Files::new(&config, &document, &overrides)?;
        let (train, labels) = files.train()?;
        checks::judging(&config, &document, &labels)?;
        let test = files.test(&labels, shard)?;
        let validation = files.validation(train.as_ref(), &labels)?;
        let train_source = files.train_source().cloned();
        let train_path = train_source.as_ref().map(|source| source.path.clone());
        let prompts = prompts::prompts(&config, &document, &labels)?;
        prompts::check_rows(&prompts, &document, train.as_ref().zip(train_path.as_deref()), &test)?;
        let (prompt, named_prompts) = prompts;
        let label_counts = train.as_ref().map(count_labels).unwrap_or_default();
        models::take_from_train(&mut models, &config, &document, train.as_ref())?;
        checks::against(&config, &document, &models)?;
        let project = Self {
            train,
            train_source,
            train_path,
            validation,
            test,
            shard,
            prompt,
            named_prompts,
            models,
            providers,
            prices,
            catalog,
            label_counts,
            state_dir: state_dir.to_owned(),
            known_rows: KnownRows::default(),
            config,
        };
        project.check_tunings(&document)?;
        Ok(project)
    }

    /// How to put a model to the test.
    pub fn candidate(&self, model: &ModelRef) -> Result<EvalTarget, Error> {
        let slot =
            self.providers.get(model).ok_or_else(|| Error::unknown_provider(model, &self.providers))?;
        let concurrency = self.config.evaluation.concurrency.get();
        let limits = Limits {
            requests_per_minute: slot.requests_per_minute,
            tokens_per_minute: slot.tokens_per_minute,
            window: slot.window,
            concurrency,
        };
        Ok(EvalTarget {
            name: model.clone(),
            provider: slot.provider.clone(),
            prompt: self.prompt.clone(),
            parameters: Arc::new(self.config.evaluation.parameters(self.prompt.form())),
            shots: Shots::None,
            label_counts: self.label_counts.clone(),
            concurrency,
            price: self.price(slot.provider.as_ref(), model),
            deployed: Deployed::NotNeeded,
            limits,
        })
    }

    /// The providers that offer batches and whose keys are set, by name.
    pub fn batch_providers(&self) -> impl Iterator<Item = (String, &dyn Batch)> {
        let ready = |provider: &dyn Provider| provider.info().access.is_granted();
        let offered = self.providers.iter().filter(move |(_, provider)| ready(*provider));
        offered.filter_map(|(name, provider)| Some((name.to_owned(), provider.batches()?)))
    }

    /// A prompt by its name; the common one where there is none.
    pub fn prompt_named(&self, name: Option<&str>) -> &Arc<Prompt> {
        name.and_then(|name| self.named_prompts.get(name)).unwrap_or(&self.prompt)
    }

    /// How deployments at a provider are followed.
    pub(crate) fn deploy_settings(&self, provider: &dyn Provider) -> DeploySettings {
        let own = &self.config.deployments;
        let minutes = |number: std::num::NonZeroU32| Duration::from_secs(60 * u64::from(number.get()));
        let shortest = provider.deployments().map_or(Duration::ZERO, |deployed| deployed.shortest_idle());
        DeploySettings {
            longest: minutes(own.max_minutes),
            idle: minutes(own.idle_minutes).max(shortest),
            poll: own.poll_seconds.map(Duration::from_secs_f64),
        }
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
    pub fn tuning<'a>(&'a self, entry: &'a ModelConfig, folder: &'a Path) -> Option<Tuning<'a>> {
        let provider = &self.providers.get(&entry.base)?.provider;
        let info = provider.info();
        Some(Tuning {
            provider: provider.fine_tuning()?,
            host: provider.as_ref(),
            in_process: info.in_process(),
            base_url: info.base_url,
            base: &entry.base,
            spec: entry.tune.as_ref()?,
            train: self.train.as_ref()?,
            validation: self.validation.as_ref(),
            prompt: self.prompt_named(entry.tuned_prompt.as_deref()),
            folder,
            pace: PollSchedule {
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

fn count_labels(train: &Dataset) -> Arc<[u64]> {
    let mut counts = vec![0; train.labels.len()];
    for example in &train.examples {
        counts[example.label.index()] += 1;
    }
    counts.into()
}
