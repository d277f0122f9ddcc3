//! Gemini, by Google's two APIs: the Developer API (`gemini/…`), and Vertex AI, now called Gemini Enterprise Agent
//! Platform (`vertex/…`).
//!
//! * Developer API: <https://ai.google.dev/api>
//! * Vertex AI: <https://cloud.google.com/vertex-ai/generative-ai/docs>, discovery document of `aiplatform` v1 of 2026-11-06
//! * Both as the official Python package `google-genai` 3.4.0 of November 2026 speaks them
//!
//! Both answer in the same language. Only Vertex AI tunes: since May 2025 the Developer API has no base for it.

mod batches;
mod completions;
mod connection;
mod credentials;
mod declared;
mod errors;
mod fine_tuning;
mod job_request;
mod jobs;
mod json;
mod limits;
mod models;
mod names;
mod settings;
mod storage;
#[cfg(all(test, feature = "contract"))]
mod tests;
mod training_file;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use self::completions::Dialect;
use self::connection::Connection;
use self::declared::Surface;
use self::errors::ErrorBody;
use self::fine_tuning::Tuning;
use self::json::list;
use self::models::Traits;
use self::names::{Location, Resource, Target};
use self::settings::Settings;
use crate::http::Answer;
use crate::{
    AnswerMode, Batch, Cause, Completion, CompletionRequest, FineTuning, Kind, ModelInfo, Provider,
    ProviderError, ProviderInfo, Retry, SettingError, Setup, Usage, async_trait, setting,
};

/// How soon to ask a new model again that does not answer yet. Some need minutes.
const WARM_UP: Duration = Duration::from_secs(45);

/// Google's two services.
pub(crate) fn kinds() -> [Kind; 2] {
    let declared = |kind: Kind, surface| kind.settings(declared::settings(surface));
    let gemini = Kind::new(Surface::Developer.host(), |setup| Ok(Arc::new(GoogleProvider::gemini(setup)?)));
    let vertex = Kind::new(Surface::Vertex.host(), |setup| Ok(Arc::new(GoogleProvider::vertex(setup)?)));
    [declared(gemini, Surface::Developer), declared(vertex, Surface::Vertex)]
}

/// Gemini, by one of Google's two APIs.
pub struct GoogleProvider {
    connection: Arc<Connection>,
    answer_settings: String,
    tuning: Option<Tuning>,
    /// The bases of tuned models, by their endpoints; `None` where none was found.
    bases: tokio::sync::Mutex<HashMap<Arc<str>, Option<String>>>,
    /// Models that refused to give log-probabilities.
    without_logprobs: Mutex<HashSet<Arc<str>>>,
    /// Where models are that may be asked in batches.
    batch_places: Mutex<Vec<Location>>,
}

/// What an answer with status 200 brought.
struct Answered {
    completion: Completion,
    /// Whether the same question may bring more.
    again: bool,
}

impl GoogleProvider {
    /// The Gemini Developer API. All settings are optional; `docs/providers.md` lists them.
    pub fn gemini(setup: &Setup) -> Result<Self, SettingError> {
        Self::new(Surface::Developer, setup)
    }

    /// Vertex AI, now called Gemini Enterprise Agent Platform. All settings are optional; `docs/providers.md` lists them.
    pub fn vertex(setup: &Setup) -> Result<Self, SettingError> {
        Self::new(Surface::Vertex, setup)
    }

    fn new(surface: Surface, setup: &Setup) -> Result<Self, SettingError> {
        let settings = Settings::read(surface, setup)?;
        let connection = Arc::new(Connection::new(settings, setup));
        let tuning = (surface == Surface::Vertex).then(|| Tuning::new(connection.clone()));
        let (bases, without_logprobs, batch_places) = Default::default();
        let answer_settings = setting::shaping(&setup.settings, &declared::settings(surface));
        Ok(Self { connection, answer_settings, tuning, bases, without_logprobs, batch_places })
    }

    fn target(&self, model: &str) -> Result<Target, ProviderError> {
        Target::read(self.connection.settings.surface, model)
    }

    /// How to speak to a model whose base is `base`; `None` where that is not known.
    fn dialect(&self, model: &str, target: &Target, base: Option<&str>) -> Dialect {
        let settings = &self.connection.settings;
        let traits = Traits::of(base);
        let thinking = settings.thinking.as_ref().unwrap_or(traits.thinking()).clone();
        let refused = self.without_logprobs.lock().unwrap_or_else(PoisonError::into_inner).contains(model);
        let tuned = target.base().is_none();
        Dialect {
            room: traits.room(&thinking),
            thinking,
            logprobs: !refused && settings.logprobs.unwrap_or(traits.gives_logprobs(settings.surface)),
            // Google lists lower quality under a schema as a known issue of tuned models.
            schema: (settings.schema && (!tuned || settings.tuned_schema)).then_some(settings.schema_field),
            stop: settings.stop,
            safety: settings.safety,
        }
    }

    /// The base of a model; of a tuned one it is looked up once, since it decides how to turn thinking down.
    async fn base_of(&self, target: &Target) -> Result<Option<String>, ProviderError> {
        let (Target::Endpoint(endpoint), Some(tuning)) = (target, &self.tuning) else {
            return Ok(target.base().map(str::to_owned));
        };
        let name: Arc<str> = endpoint.to_string().into();
        let mut bases = self.bases.lock().await;
        if let Some(base) = bases.get(&name) {
            return Ok(base.clone());
        }
        let found = match tuning.job_of(endpoint).await {
            Ok(job) => {
                job.and_then(|job| jobs::job(&job)).map(|job| job.base).filter(|base| !base.is_empty())
            }
            // Whoever may ask a model need not be allowed to see its project's jobs.
            Err(error) if error.retry == Retry::Never => None,
            Err(error) => return Err(error),
        };
        bases.insert(name, found.clone());
        Ok(found)
    }

    async fn ask(
        &self,
        target: &Target,
        request: &CompletionRequest,
        dialect: &Dialect,
    ) -> Result<Answered, (ProviderError, Option<ErrorBody>)> {
        let plain = |error| (error, None);
        let (location, path) = self.connection.place(target).map_err(plain)?;
        let url = self.connection.url(location, &path, Some("generateContent"));
        let body = completions::request(request, dialect);
        let answer = self.connection.ask(url, &body).await.map_err(plain)?;
        if !(200..300).contains(&answer.status) {
            return Err((self.refusal(&answer, target, &request.model).await, ErrorBody::read(&answer.body)));
        }
        let value: Value = answer.json().map_err(|error| plain(self.connection.redacted(error)))?;
        if !value.is_object() {
            return Err(plain(
                answer.broken(format!("the answer is not a JSON object: {}", answer.excerpt())),
            ));
        }
        let mut completion = completions::completion(&value, request);
        completion.note = routed(target, &completion).or(completion.note);
        let again = completions::is_worth_another_try(&value, &completion);
        Ok(Answered { completion, again })
    }

    /// What a status other than 2xx means. A new tuned model is there some minutes before it answers.
    async fn refusal(&self, answer: &Answer, target: &Target, model: &str) -> ProviderError {
        let error = self.connection.error(answer, self.about(target, model));
        let Target::Endpoint(endpoint) = target else { return error };
        if error.cause == Cause::NotFound && matches!(self.has_model(endpoint, model).await, Ok(true)) {
            let message = format!("`{endpoint}` is there, but does not answer yet: {}", error.message);
            return ProviderError::new(Cause::Server, message).retry(Retry::Later { after: Some(WARM_UP) });
        }
        error
    }

    fn about<'a>(&'a self, target: &'a Target, model: &'a str) -> errors::About<'a> {
        let location = match target {
            Target::Developer(_) => None,
            Target::Publisher { .. } => Some(self.connection.settings.location.name()),
            Target::Named(resource) | Target::Endpoint(resource) => Some(resource.location.name()),
        };
        self.connection.about(Some(model), location)
    }

    /// Whether an endpoint has a model on it.
    async fn has_model(&self, endpoint: &Resource, model: &str) -> Result<bool, ProviderError> {
        let about = self.connection.about(Some(model), Some(endpoint.location.name()));
        let found: Value =
            self.connection.get(self.connection.url_of(endpoint, None), about).await?.json()?;
        Ok(!list(&found, "/deployedModels").is_empty())
    }

    /// Asks whether a model exists, and is served where it will be asked.
    async fn look_up(&self, target: &Target, model: &str) -> Result<(), ProviderError> {
        let about = self.about(target, model);
        let (location, path) = self.connection.place(target)?;
        match target {
            Target::Developer(_) => {
                self.connection.get(self.connection.url(location, &path, None), about).await.map(|_| ())
            }
            Target::Endpoint(endpoint) => match self.has_model(endpoint, model).await? {
                true => Ok(()),
                false => {
                    Err(ProviderError::new(Cause::NotFound, format!("no model is deployed on `{model}`")))
                }
            },
            // Counting tokens costs nothing, and goes the way that questions go: place, project, rights and name are
            // looked at. A model's page is found without any of them.
            Target::Publisher { .. } | Target::Named(_) => {
                let url = self.connection.url(location, &path, Some("countTokens"));
                let body = json!({"contents": [{"role": "user", "parts": [{"text": "?"}]}]});
                self.connection.post(url, &body, about).await.map(|_| ())
            }
        }
    }
}

/// Says so where another model has answered than was asked.
fn routed(target: &Target, completion: &Completion) -> Option<String> {
    let asked = target.base().zip(completion.model_version.as_deref());
    let (asked, answered) = asked.filter(|(asked, answered)| models::is_other(asked, answered))?;
    Some(format!(
        "`{asked}` was asked and `{answered}` answered: names are routed to other models when theirs retires"
    ))
}

#[async_trait]
impl Provider for GoogleProvider {
    /// Makes one call. A second one drops log-probabilities that the model has just refused, or asks again where the
    /// answer was empty without a reason.
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, ProviderError> {
        let settings = &self.connection.settings;
        if request.parameters.answer == AnswerMode::Schema && !settings.schema {
            return Err(ProviderError::new(Cause::Unsupported, "schemas are switched off for this provider")
                .hint("set `answer = \"tag\"`, or remove `schema = false` from the provider's settings"));
        }
        let target = self.target(&request.model)?;
        let base = self.base_of(&target).await?;
        let dialect = self.dialect(&request.model, &target, base.as_deref());
        let asks_logprobs = dialect.logprobs && request.parameters.probabilities;
        match self.ask(&target, request, &dialect).await {
            Ok(Answered { completion, again: false }) => Ok(completion),
            Ok(Answered { completion: first, again: true }) => {
                match self.ask(&target, request, &dialect).await {
                    Ok(Answered { mut completion, .. }) => {
                        completion.usage = both(first.usage, completion.usage);
                        Ok(completion)
                    }
                    // The first answer was one, if an empty one.
                    Err(_) => Ok(first),
                }
            }
            Err((error, Some(said)))
                if asks_logprobs && error.cause == Cause::Invalid && said.speaks_of(&["logprob"]) =>
            {
                self.without_logprobs
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(request.model.clone());
                let without = Dialect { logprobs: false, ..dialect };
                let answered = self.ask(&target, request, &without).await.map_err(|(error, _)| error)?;
                let note = format!("`{}` gives no log-probabilities: left out", request.model);
                Ok(answered.completion.note(note))
            }
            Err((error, _)) => Err(error),
        }
    }

    async fn model_info(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        let settings = &self.connection.settings;
        let target = self.target(model)?;
        let mut info = ModelInfo::new(model);
        if settings.check_models {
            self.look_up(&target, model).await?;
        }
        let base = self.base_of(&target).await?;
        let traits = Traits::of(base.as_deref());
        info.shutdown_date = models::shutdown_date(settings.surface, base.as_deref().unwrap_or(model));
        info.tunable = self.tuning.is_some() && target.base().is_some() && traits.largest_adapter().is_some();
        info.tuned_from = base.filter(|_| matches!(target, Target::Endpoint(_)));
        Ok(info)
    }

    fn batches(&self) -> Option<&dyn Batch> {
        Some(self)
    }

    fn info(&self) -> ProviderInfo {
        let surface = self.connection.settings.surface;
        let known = models::KNOWN.iter().map(|(model, description)| {
            let traits = Traits::of(Some(model));
            let mut info = ModelInfo::new(*model);
            info.tunable = surface == Surface::Vertex && traits.largest_adapter().is_some();
            info.shutdown_date = models::shutdown_date(surface, model);
            info.described(description)
        });
        ProviderInfo::default()
            .base_url(self.connection.address())
            .answer_settings(&self.answer_settings)
            .access(self.connection.access())
            .models(known)
            .tuned_at_base_price()
    }

    fn shutdown_date(&self, model: &str) -> Option<String> {
        models::shutdown_date(self.connection.settings.surface, self.price_name(model))
    }

    fn output_cap(&self, request: &CompletionRequest) -> Option<u32> {
        let target = self.target(&request.model).ok()?;
        let known = match &target {
            Target::Endpoint(endpoint) => {
                // Where it is being looked up just now, the base counts as unknown, which holds back more.
                let bases = self.bases.try_lock().ok();
                bases.and_then(|bases| bases.get(endpoint.to_string().as_str()).cloned().flatten())
            }
            _ => target.base().map(str::to_owned),
        };
        let dialect = self.dialect(&request.model, &target, known.as_deref());
        Some(completions::output_cap(request, &dialect))
    }

    fn price_name<'a>(&self, model: &'a str) -> &'a str {
        model.rsplit_once("models/").map_or(model, |(_, name)| name)
    }

    fn fine_tuning(&self) -> Option<&dyn FineTuning> {
        self.tuning.as_ref().map(|tuning| tuning as &dyn FineTuning)
    }
}

/// What two answers used.
fn both(first: Option<Usage>, second: Option<Usage>) -> Option<Usage> {
    match (first, second) {
        (Some(a), Some(b)) => Some(a.plus(b)),
        (one, other) => one.or(other),
    }
}
