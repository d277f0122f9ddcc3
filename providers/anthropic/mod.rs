//! Anthropic: Claude, by the Messages API.
//!
//! * API reference: <https://docs.claude.com/en/api/messages>, version 2026-10-21
//! * Structured outputs: <https://docs.claude.com/en/docs/build-with-claude/structured-outputs>
//! * Prompt caching: <https://docs.claude.com/en/docs/build-with-claude/prompt-caching>
//! * Message Batches: <https://docs.claude.com/en/docs/build-with-claude/batch-processing>
//! * Errors and rate limits: <https://docs.claude.com/en/api/errors>, <https://docs.claude.com/en/api/rate-limits>
//!
//! The pages were read in August to October 2026, newer fields are from the official Python package 2.14.0 of November.
//! There is no fine-tuning.

mod batches;
mod completions;
mod connection;
mod declared;
mod errors;
mod limits;
mod models;
mod settings;
#[cfg(all(test, feature = "contract"))]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tunebench_data::Message;

use self::connection::Connection;
use self::errors::{About, ErrorBody};
use self::models::{Dialect, Droppable, Traits};
use self::settings::Settings;
use crate::http::Answer;
use crate::{
    AnswerMode, Batch, Cause, Completion, CompletionRequest, Kind, ModelInfo, Provider, ProviderError,
    ProviderInfo, Scope, SettingError, Setup, async_trait, setting,
};

/// Anthropic, and servers that speak its language.
pub(crate) fn kind() -> Kind {
    Kind::new("anthropic", |setup| Ok(Arc::new(AnthropicProvider::new(setup)?))).settings(declared::SETTINGS)
}

/// Claude, at Anthropic or behind a server that speaks its language.
pub struct AnthropicProvider {
    connection: Connection,
    answer_settings: String,
    learned: Mutex<HashMap<Arc<str>, Learned>>,
}

/// What calls have taught about a model.
#[derive(Debug, Default)]
struct Learned {
    /// What the service states of it.
    traits: Option<Traits>,
    /// What it refused, so that it is not sent again.
    refused: BTreeSet<Droppable>,
    /// A hash of all messages but the last of the request before.
    beginning: Option<u64>,
}

/// What came of a request.
enum Asked {
    Answer(Box<Completion>),
    /// The model does not take a field without which the request asks the same.
    Refused(Droppable, &'static str),
}

impl AnthropicProvider {
    /// Reads the settings, all of them optional; `docs/providers.md` lists them.
    pub fn new(setup: &Setup) -> Result<Self, SettingError> {
        let settings = Settings::read(setup)?;
        let answer_settings = setting::shaping(&setup.settings, &declared::SETTINGS);
        Ok(Self { connection: Connection::new(settings, setup), answer_settings, learned: Mutex::default() })
    }

    fn learned(&self) -> MutexGuard<'_, HashMap<Arc<str>, Learned>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How to speak to a model, as far as it has not refused that.
    fn dialect(&self, model: &str) -> Dialect {
        let settings = &self.connection.settings;
        match self.learned().get(model) {
            Some(learned) => {
                Dialect::new(learned.traits.unwrap_or_else(|| Traits::of(model)), settings, &learned.refused)
            }
            None => Dialect::new(Traits::of(model), settings, &BTreeSet::new()),
        }
    }

    /// Whether a request begins as the one before did, shots included.
    fn repeats(&self, model: &Arc<str>, messages: &[Message]) -> bool {
        let beginning = messages.len().checked_sub(2).map(|_| &messages[..messages.len() - 1]);
        let mut hasher = DefaultHasher::new();
        for message in beginning.into_iter().flatten() {
            (message.role, &message.content).hash(&mut hasher);
        }
        let hash = hasher.finish();
        self.learned().entry(model.clone()).or_default().beginning.replace(hash) == Some(hash)
    }

    fn body(&self, request: &CompletionRequest, dialect: &Dialect) -> Result<Vec<u8>, ProviderError> {
        let messages = request.messages();
        let repeats = self.repeats(&request.model, &messages);
        let body = serde_json::to_vec(&completions::request(request, dialect, messages, repeats));
        body.map_err(|error| {
            ProviderError::new(Cause::Invalid, format!("the request can't be written: {error}"))
        })
    }

    async fn ask(&self, request: &CompletionRequest, dialect: &Dialect) -> Result<Asked, ProviderError> {
        let body = self.body(request, dialect)?;
        let answer = self.connection.ask(&["messages"], &body).await?;
        let about = About { model: Some(&request.model), key_variable: None };
        if !(200..300).contains(&answer.status) {
            return match refused(&answer, dialect) {
                Some((field, name)) => Ok(Asked::Refused(field, name)),
                None => Err(self.connection.error(&answer, about)),
            };
        }
        let said: Value = answer.json().map_err(|error| self.connection.redacted(error))?;
        // A proxy may answer 200 although the service behind it did not.
        if said.get("error").is_some_and(|error| !error.is_null()) {
            return Err(self.connection.error(&answer, about));
        }
        let mut completion = self.completion(&said, &request.model).map_err(|mut error| {
            error.request_id = answer.request_id().map(str::to_owned);
            error.may_be_billed(true)
        })?;
        completion.rate_limits = limits::rate_limits(&answer.headers, Timestamp::now());
        Ok(Asked::Answer(Box::new(completion)))
    }

    /// What an answer of a model says.
    fn completion(&self, said: &Value, model: &str) -> Result<Completion, ProviderError> {
        let completion = completions::completion(said)?;
        if completions::has_thought(said) && !self.dialect(model).thinks {
            let note = format!(
                "`{model}` thinks before it answers, which is billed, although thinking is switched off"
            );
            return Ok(completion.note(note));
        }
        Ok(completion)
    }

    /// What can't be asked of this model.
    fn check(&self, request: &CompletionRequest, dialect: &Dialect) -> Result<(), ProviderError> {
        if request.parameters.answer != AnswerMode::Schema {
            return Ok(());
        }
        let unsupported =
            |message: String| ProviderError::new(Cause::Unsupported, message).scope(Scope::Model);
        if !dialect.schema {
            let message = format!("`{}` takes no schema for answers", request.model);
            return Err(unsupported(message).hint("set `answer = \"tag\"`"));
        }
        match completions::alike(request.prompt.labels()) {
            None => Ok(()),
            Some((one, other)) => {
                let message = format!(
                    "`{one}` and `{other}` differ in case only, and Anthropic does not keep the case of a label in a schema"
                );
                Err(unsupported(message).hint("set `answer = \"tag\"`, or rename one of the labels"))
            }
        }
    }
}

#[async_trait]
impl Provider for AnthropicProvider {
    /// Makes one call, and another one only to drop a field that the model has just refused: two at most.
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, ProviderError> {
        self.check(request, &self.dialect(&request.model))?;
        let mut dropped = None;
        let completion = loop {
            match self.ask(request, &self.dialect(&request.model)).await? {
                Asked::Answer(completion) => break *completion,
                // Once refused it is not sent, and so can't be refused again.
                Asked::Refused(field, name) => {
                    self.learned().entry(request.model.clone()).or_default().refused.insert(field);
                    dropped = Some(name);
                }
            }
        };
        if let Some(name) = dropped {
            return Ok(completion
                .note(format!("`{}` does not take `{name}` as it was sent: left out", request.model)));
        }
        if request.parameters.temperature.is_some() && completion.note.is_none() {
            return Ok(completion.note("Anthropic's models take no temperature: it was left out"));
        }
        Ok(completion)
    }

    async fn model_info(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        let mut info = ModelInfo::new(model);
        if self.connection.settings.check_models {
            let about = About { model: Some(model), key_variable: None };
            let page: Value = self.connection.get(&["models", model], about).await?.json()?;
            let text = |name: &str| page.get(name).and_then(Value::as_str);
            if text("lifecycle") == Some("retired") {
                let message = format!("`{model}` is retired");
                return Err(ProviderError::new(Cause::NotFound, message)
                    .hint("`tunebench models --provider anthropic` lists those that answer"));
            }
            info.shutdown_date = text("retires_at").and_then(|time| time.get(..10)).map(str::to_owned);
            let traits = Traits::of(model).stated(&page);
            self.learned().entry(model.into()).or_default().traits = Some(traits);
        }
        info.shutdown_date =
            info.shutdown_date.or_else(|| models::shutdown_date(model).map(|day| day.to_string()));
        if self.dialect(model).thinks {
            info.description = Some("thinks before it answers, which is billed".to_owned());
        }
        Ok(info)
    }

    fn batches(&self) -> Option<&dyn Batch> {
        Some(self)
    }

    fn info(&self) -> ProviderInfo {
        let known = models::KNOWN.iter().map(|(model, description)| {
            let mut info = ModelInfo::new(*model);
            info.shutdown_date = models::shutdown_date(model).map(|date| date.to_string());
            info.described(description)
        });
        ProviderInfo::default()
            .base_url(self.connection.settings.base_url.as_str())
            .answer_settings(&self.answer_settings)
            .access(self.connection.access())
            .models(known)
    }

    fn shutdown_date(&self, model: &str) -> Option<String> {
        models::shutdown_date(model).map(|date| date.to_string())
    }

    fn output_cap(&self, request: &CompletionRequest) -> Option<u32> {
        Some(completions::output_cap(request, &self.dialect(&request.model)))
    }
}

/// The field that a refusal is about, if it was sent and the request can do without it.
fn refused(answer: &Answer, dialect: &Dialect) -> Option<(Droppable, &'static str)> {
    let said = ErrorBody::read(&answer.body).filter(|_| answer.status == 400)?;
    let (field, name) = Droppable::named(&said.message)?;
    let sent = match field {
        Droppable::Thinking => dialect.thinking.is_some(),
        Droppable::Effort => dialect.effort.is_some(),
    };
    sent.then_some((field, name))
}
