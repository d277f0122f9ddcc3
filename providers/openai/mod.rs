//! OpenAI, and every server that speaks its language.
//!
//! * API reference: <https://developers.openai.com/api/reference> (state of July 2026, newer fields from the official
//!   Python package 3.54.0 of November 2026)
//! * Errors: <https://developers.openai.com/api/docs/guides/error-codes>
//! * Rate limits: <https://developers.openai.com/api/docs/guides/rate-limits>
//! * Fine-tuning: <https://developers.openai.com/api/docs/guides/supervised-fine-tuning>
//! * What ends when: <https://developers.openai.com/api/docs/deprecations> (entries up to 2026-11-05)
//!
//! A model id goes to Chat Completions; with the prefix `responses/` to Responses, with `decisions/` to Decisions.

mod answers;
mod batches;
mod completions;
mod connection;
mod dashscope;
mod decisions;
mod declared;
mod errors;
mod fine_tuning;
pub(crate) mod hosts;
mod info;
mod jobs;
mod limits;
mod limits_in_errors;
mod loss_curve;
mod marks;
mod models;
mod responses;
mod settings;
#[cfg(all(test, feature = "contract"))]
mod tests;
mod together;
#[cfg(feature = "tiktoken")]
mod tokens;
mod training_file;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use self::connection::Connection;
use self::dashscope::DashScope;
use self::declared::Api;
use self::errors::About;
use self::fine_tuning::Tuning;
use self::hosts::Host;
use self::models::{Dialect, Droppable};
use self::settings::Settings;
use self::together::Together;
use crate::catalog::Catalog;
use crate::{
    AnswerMode, Batch, Cause, Completion, CompletionRequest, Deployments, FineTuning, Kind, ModelInfo,
    Provider, ProviderError, ProviderInfo, Retry, Scope, SettingError, Setup, async_trait, setting,
};

/// OpenAI itself, and any server that speaks its language.
pub(crate) fn kind() -> Kind {
    Kind::new("openai", |setup| Ok(Arc::new(OpenAiProvider::new(setup)?))).settings(declared::SETTINGS)
}

/// A host that is known by name.
pub(crate) fn kind_of_host(host: &'static Host) -> Kind {
    Kind::new(&host.name, |setup| Ok(Arc::new(OpenAiProvider::at_host(host, setup)?)))
        .settings(declared::of_host())
}

/// OpenAI, or a server that speaks its language.
pub struct OpenAiProvider {
    connection: Arc<Connection>,
    answer_settings: String,
    tuning: Option<Tuning>,
    /// Fine-tuning in Alibaba's own way.
    dashscope: Option<DashScope>,
    /// Fine-tuning in Together's, with deployments.
    together: Option<Together>,
    /// What models refused, so that it is not sent to them again.
    refused: Mutex<HashMap<Arc<str>, BTreeSet<Droppable>>>,
    /// Models that reason in their answers, where a stop sequence would end them too soon.
    reasoning: Mutex<BTreeSet<Arc<str>>>,
}

/// Why an answer brought no completion.
enum Failure {
    Error(ProviderError),
    /// The model does not take a parameter without which the request asks the same.
    Refused(Box<(Droppable, String, ProviderError)>),
}

/// Hosts that are known by name and whose entry nobody has confirmed since a day.
pub fn unconfirmed_hosts(since: jiff::civil::Date) -> impl Iterator<Item = &'static str> {
    let old = Host::all().iter().filter(move |(_, host)| host.is_older_than(since));
    old.map(|(name, _)| name.as_str())
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Error(error)
    }
}

impl OpenAiProvider {
    /// Reads the settings, all of them optional; `docs/providers.md` lists them.
    pub fn new(setup: &Setup) -> Result<Self, SettingError> {
        Self::with(Settings::read(setup, None)?, setup)
    }

    /// One of the hosts that are known by name; what the user sets goes before what is known.
    pub(crate) fn at_host(host: &Host, setup: &Setup) -> Result<Self, SettingError> {
        Self::with(Settings::read(setup, Some(host))?, setup)
    }

    fn with(settings: Settings, setup: &Setup) -> Result<Self, SettingError> {
        let answer_settings = setting::shaping(&setup.settings, &declared::SETTINGS);
        let tunes = settings.tunes();
        let dashscope = settings.tunes_as("dashscope").then(|| DashScope::new(&settings, setup));
        let together = settings.tunes_as("together").then(|| Together::new(&settings, setup));
        let connection = Arc::new(Connection::new(settings, setup));
        let own_way = dashscope.is_some() || together.is_some();
        let tuning = (tunes && !own_way).then(|| Tuning::new(jobs_at(&connection, setup)));
        let (refused, reasoning) = Default::default();
        Ok(Self { connection, answer_settings, tuning, dashscope, together, refused, reasoning })
    }

    /// The API that answers a model, and the model's own id.
    fn route<'a>(&self, model: &'a str) -> (Api, &'a str) {
        match model.split_once('/') {
            Some(("responses", model)) => (Api::Responses, model),
            Some(("decisions", model)) => (Api::Decisions, model),
            _ => (self.connection.settings.api, model),
        }
    }

    /// How to speak to a model, as far as it has not refused that.
    fn dialect(&self, model: &str) -> Dialect {
        let mut refused = lock(&self.refused).get(model).cloned().unwrap_or_default();
        if lock(&self.reasoning).contains(model) {
            refused.insert(Droppable::Stop);
        }
        Dialect::new(self.route(model).1, &self.connection.settings).without(&refused)
    }

    fn body(&self, api: Api, request: &CompletionRequest) -> Result<Vec<u8>, ProviderError> {
        let (_, model) = self.route(&request.model);
        // How to speak to it follows from what it is, not from where it stands.
        let model = request.served_as.as_deref().unwrap_or(model);
        let dialect = self.dialect(&request.model);
        if request.parameters.answer == AnswerMode::Schema && !dialect.schema {
            return Err(ProviderError::new(Cause::Unsupported, "this server takes no schema for answers")
                .hint("set `answer = \"tag\"`, or remove `schema = false` from the provider's settings"));
        }
        let body = match api {
            Api::Chat | Api::Responses if !self.connection.settings.extra_body.is_empty() => {
                let body = match api {
                    Api::Responses => Ok(responses::request(request, model, &dialect)),
                    _ => serde_json::to_value(completions::request(request, model, &dialect)),
                };
                body.and_then(|mut body| {
                    let extra = self.connection.settings.extra_body.clone();
                    body.as_object_mut().into_iter().for_each(|body| body.extend(extra.clone()));
                    serde_json::to_vec(&body)
                })
            }
            Api::Chat => serde_json::to_vec(&completions::request(request, model, &dialect)),
            Api::Responses => serde_json::to_vec(&responses::request(request, model, &dialect)),
            Api::Decisions => serde_json::to_vec(&decisions::request(request, model)?),
        };
        body.map_err(|error| {
            ProviderError::new(Cause::Invalid, format!("the request can't be written: {error}"))
        })
    }

    /// Whether an answer to the request would end at our stop sequence. Only Chat Completions knows such a thing.
    fn sends_stop(&self, api: Api, request: &CompletionRequest) -> bool {
        api == Api::Chat && completions::stop(request, &self.dialect(&request.model)).is_some()
    }

    async fn ask(&self, api: Api, body: &[u8], request: &CompletionRequest) -> Result<Completion, Failure> {
        let path: &[&str] = match api {
            Api::Chat => &["chat", "completions"],
            Api::Responses => &["responses"],
            Api::Decisions => &["decisions"],
        };
        let answer =
            self.connection.ask(path, body).await.map_err(|error| self.connection.redacted(error))?;
        self.of_answer(api, &answer, body, request)
    }

    fn remember(&self, model: &Arc<str>, refused: Droppable) {
        lock(&self.refused).entry(model.clone()).or_default().insert(refused);
    }

    /// What the list of models says, at servers that have no page for each.
    async fn in_list(&self, model: &str) -> Result<Option<String>, ProviderError> {
        let answer = self.connection.get(&["models"], &[], About::default()).await;
        let list: Option<Value> = answer.ok().and_then(|answer| answer.json().ok());
        // OpenAI's list stands in `data`; Together's is the answer itself.
        let models = list.as_ref().and_then(|list| list.get("data").unwrap_or(list).as_array());
        let Some(models) = models else {
            // There is no list either: nothing speaks against the model.
            return Ok(None);
        };
        let found = models.iter().find(|entry| entry.get("id").is_some_and(|id| id == model));
        found.map(shutdown_date).ok_or_else(|| {
            let message = format!("the server's list of models does not hold `{model}`");
            ProviderError::new(Cause::NotFound, message).hint(
                "check the name; if the server answers models that it does not list, set `check_models = false`",
            )
        })
    }
}

#[async_trait]
impl Provider for OpenAiProvider {
    /// Makes one call, and a second one only to drop a parameter that the model has just refused.
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, ProviderError> {
        let alone = self.together.as_ref().filter(|_| request.served_as.is_none());
        if let Some(refusal) = alone.and_then(|together| together.refusal(&request.model)) {
            return Err(refusal);
        }
        let (api, _) = self.route(&request.model);
        let stops = self.sends_stop(api, request);
        let body = self.body(api, request)?;
        let (parameter, name, error) = match self.ask(api, &body, request).await {
            Ok(completion) => return Ok(self.learn(completion, stops, request)),
            Err(Failure::Error(error)) => return Err(error),
            Err(Failure::Refused(refused)) => *refused,
        };
        self.remember(&request.model, parameter);
        let healed = self.body(api, request)?;
        if healed == body {
            return Err(error);
        }
        match self.ask(api, &healed, request).await {
            Ok(completion) => {
                let completion =
                    completion.note(format!("`{}` does not take `{name}`: left out", request.model));
                let stops = parameter != Droppable::Stop && stops;
                Ok(self.learn(completion, stops, request))
            }
            Err(Failure::Error(error)) => Err(error),
            Err(Failure::Refused(refused)) => {
                let (parameter, _, error) = *refused;
                // The next request leaves this one out as well, so there are only so many failures of this kind.
                self.remember(&request.model, parameter);
                let after = Some(std::time::Duration::ZERO);
                Err(error.scope(Scope::Request).retry(Retry::Later { after }))
            }
        }
    }

    async fn model_info(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        let (api, id) = self.route(model);
        let settings = &self.connection.settings;
        if let Some(together) = &self.together
            && let Some(info) = together.model_info(model).await?
        {
            return Ok(info);
        }
        let mut info = ModelInfo::new(model);
        if settings.check_models {
            let about = About { model: Some(id), key_variable: None };
            info.shutdown_date = match self.connection.get(&["models", id], &[], about).await {
                Ok(answer) => shutdown_date(&answer.json()?),
                // Not every server has such a page: some say so with 404, others with 400 or 405.
                Err(error)
                    if matches!(error.cause, Cause::NotFound | Cause::Invalid) && !settings.official =>
                {
                    self.in_list(id).await?
                }
                Err(error) => return Err(error),
            };
        }
        if settings.official {
            info.shutdown_date = info.shutdown_date.or_else(|| Some(models::shutdown_date(id)?.to_string()));
        }
        if id.starts_with("ft:") {
            info.tuned_from = Some(models::base_of(id).to_owned());
        }
        info.tunable = self.fine_tuning().is_some()
            && api != Api::Decisions
            && (!settings.official || models::is_tunable(id));
        info.probabilities = api == Api::Decisions;
        if api != Api::Decisions && self.dialect(model).thinks {
            info.description = Some("thinks before it answers, which is billed".to_owned());
        }
        Ok(info)
    }

    fn info(&self) -> ProviderInfo {
        self.snapshot()
    }

    fn shutdown_date(&self, model: &str) -> Option<String> {
        let (_, id) = self.route(model);
        let settings = &self.connection.settings;
        let date = match &settings.host {
            Some(host) => Catalog::built_in().find(&host.name, id).and_then(|known| known.retires),
            None => models::shutdown_date(id).filter(|_| settings.official),
        };
        date.map(|date| date.to_string())
    }

    #[cfg(feature = "tiktoken")]
    fn count_tokens(&self, model: &str, messages: &[tunebench_data::Message]) -> Option<u64> {
        // What another server runs has a vocabulary of its own.
        let (_, id) = self.route(model);
        self.connection.settings.official.then(|| tokens::count(id, messages)).flatten()
    }

    fn output_cap(&self, request: &CompletionRequest) -> Option<u32> {
        let (api, _) = self.route(&request.model);
        // Decisions are answered by a choice, not by tokens.
        let dialect = self.dialect(&request.model);
        (api != Api::Decisions).then(|| completions::output_cap(request, &dialect).max(16))
    }

    fn price_name<'a>(&self, model: &'a str) -> &'a str {
        let model = model.strip_prefix("responses/").unwrap_or(model);
        if self.together.is_some() { together::base_of(model) } else { model }
    }

    fn fine_tuning(&self) -> Option<&dyn FineTuning> {
        let dashscope = self.dashscope.as_ref().map(|tuning| tuning as &dyn FineTuning);
        let own = dashscope.or_else(|| self.together.as_ref().map(|tuning| tuning as &dyn FineTuning));
        own.or_else(|| self.tuning.as_ref().map(|tuning| tuning as &dyn FineTuning))
    }

    fn batches(&self) -> Option<&dyn Batch> {
        self.connection.settings.takes_batches().map(|_| self as &dyn Batch)
    }

    fn deployments(&self) -> Option<&dyn Deployments> {
        self.together.as_ref().map(|together| together as &dyn Deployments)
    }
}

/// Where jobs are started: at some hosts not where models answer.
fn jobs_at(answers: &Arc<Connection>, setup: &Setup) -> Arc<Connection> {
    let mut settings = answers.settings.clone();
    let elsewhere = settings.tuning().and_then(|tuning| tuning.base_url.clone());
    match elsewhere.filter(|_| !setup.settings.contains_key("base_url")) {
        Some(url) if settings.move_to(&url).is_ok() => Arc::new(Connection::new(settings, setup)),
        _ => answers.clone(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The day that a model object names, if it does.
fn shutdown_date(model: &Value) -> Option<String> {
    model.get("shutdown_date")?.as_str().filter(|date| !date.is_empty()).map(str::to_owned)
}
