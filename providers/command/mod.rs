//! Providers in any language: a child process that speaks lines of JSON.
//!
//! ```toml
//! [providers.mine]
//! kind = "command"
//! command = ["python3", "provider.py"]
//! ```
//!
//! The protocol is in `docs/plugin-protocol.md`. A child that dies, hangs, floods or writes garbage costs its rows an error;
//! it is started again a few times, and never holds up a run. It is given no variable of the environment that was not named
//! for it, but for those that a program needs to run at all.

mod batch;
mod child;
mod fine_tuning;
mod protocol;
mod settings;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::text::one_line;
use crate::timeouts;
use crate::{
    Access, Cause, Completion, CompletionRequest, FineTuning, Kind, ModelInfo, Provider, ProviderError,
    ProviderInfo, Retry, SettingError, Setup, async_trait,
};
use batch::Batches;
use child::{Child, Recipe};
use protocol::{CompleteParams, Hello, HelloParams, Item, Named, Said, Task, VERSION, malformed};
use settings::Settings;

/// Programs, each under a name of its own.
pub(crate) fn kind() -> Kind {
    Kind::new("command", |setup| Ok(Arc::new(CommandProvider::new(setup)?)))
        .settings(settings::SETTINGS)
        .named_only()
}

/// A provider that is a program.
pub struct CommandProvider {
    shared: Arc<Shared>,
}

/// What requests, batches and jobs have in common.
struct Shared {
    settings: Settings,
    child: Child,
    hello: OnceLock<Hello>,
    /// Why it did not say what it can, when it was last asked.
    unavailable: Mutex<Option<String>>,
    batches: Batches,
}

impl CommandProvider {
    /// Reads the settings; the child is started when something is first asked of it.
    pub fn new(setup: &Setup) -> Result<Self, SettingError> {
        let settings = Settings::read(setup)?;
        let state_dir = std::path::absolute(&setup.state_dir).unwrap_or_else(|_| setup.state_dir.clone());
        let greeting = HelloParams {
            protocol: VERSION,
            name: &setup.name,
            settings: &settings.own,
            state_dir: &state_dir.display().to_string(),
        };
        let greeting =
            serde_json::to_value(greeting).map_err(|error| SettingError::new(error.to_string()))?;
        let recipe = Recipe {
            command: settings.command.clone(),
            folder: std::env::current_dir().unwrap_or_default(),
            variables: settings.environment(),
            secrets: settings.secrets(),
            log: state_dir.join("stderr.log"),
            greeting,
        };
        let shared = Shared {
            settings,
            child: Child::new(recipe),
            hello: OnceLock::new(),
            unavailable: Mutex::default(),
            batches: Batches::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Shared {
    /// Sends a request and waits for its answer, for a while.
    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<T, ProviderError> {
        let (sender, receiver) = oneshot::channel();
        // Nobody may be left to hear it.
        self.child.call(method, params, |result| drop(sender.send(result)));
        let timeout = self.settings.timeout;
        let result = match tokio::time::timeout(timeout, receiver).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) => return Err(ProviderError::new(Cause::Server, "the program ended")),
            Err(_) => return Err(self.hangs(method, timeout)),
        };
        read(method, result)
    }

    fn hangs(&self, method: &str, timeout: Duration) -> ProviderError {
        let message = format!("no answer to `{method}` in {} s", timeout.as_secs());
        self.child.give_up(&message);
        ProviderError::new(Cause::Network, message)
            .hint("`timeout_seconds` under this provider sets how long an answer may take")
    }

    /// What the child can do. It is asked once.
    async fn hello(&self) -> Result<&Hello, ProviderError> {
        if let Some(hello) = self.hello.get() {
            return Ok(hello);
        }
        let (sender, receiver) = oneshot::channel();
        self.child.call("abilities", &(), |result| drop(sender.send(result)));
        self.keep(match tokio::time::timeout(timeouts::PROGRAM_START, receiver).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ProviderError::new(Cause::Server, "the program ended")),
            Err(_) => Err(self.hangs("abilities", timeouts::PROGRAM_START)),
        })
    }

    /// The same, for whoever can't wait asynchronously: what a provider can do is asked before a run begins.
    fn hello_now(&self) -> Result<&Hello, ProviderError> {
        if let Some(hello) = self.hello.get() {
            return Ok(hello);
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        self.child.call("abilities", &(), move |result| drop(sender.send(result)));
        let received = receiver.recv_timeout(timeouts::PROGRAM_START);
        self.keep(received.unwrap_or_else(|_| Err(self.hangs("abilities", timeouts::PROGRAM_START))))
    }

    /// Keeps what the child can, or why it does not say so.
    fn keep(&self, result: Result<serde_json::Value, ProviderError>) -> Result<&Hello, ProviderError> {
        let hello = result.and_then(understood);
        let unavailable = hello.as_ref().err().map(|error| error.message.clone());
        *self.unavailable.lock().unwrap_or_else(PoisonError::into_inner) = unavailable;
        hello.map(|hello| self.hello.get_or_init(|| hello))
    }
}

/// What a child can, if it speaks our version of the protocol.
fn understood(result: serde_json::Value) -> Result<Hello, ProviderError> {
    let hello: Hello = read("abilities", result)?;
    if hello.protocol != VERSION {
        let message = format!("it speaks version {} of the protocol, not {VERSION}", hello.protocol);
        return Err(ProviderError::new(Cause::Unsupported, message).scope(crate::Scope::Provider));
    }
    Ok(hello)
}

fn read<T: DeserializeOwned>(method: &str, result: serde_json::Value) -> Result<T, ProviderError> {
    serde_json::from_value(result).map_err(|error| malformed(&one_line(&format!("`{method}`: {error}"))))
}

fn info(model: &protocol::Model) -> ModelInfo {
    let mut info = ModelInfo::new(&model.id);
    info.description = model.description.as_deref().map(one_line);
    info.tuned_from.clone_from(&model.tuned_from);
    (info.tunable, info.probabilities) = (model.tunable, model.probabilities);
    info.shutdown_date.clone_from(&model.shutdown_date);
    info
}

#[async_trait]
impl Provider for CommandProvider {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, ProviderError> {
        let hello = self.shared.hello().await?;
        if let Some(size) = hello.batch_size.filter(|&size| size > 1) {
            return batch::complete(&self.shared, request, size).await;
        }
        let params = CompleteParams { task: Task::of(request), item: Item::of(request) };
        let said: Said = self.shared.call("complete", &params).await?;
        said.completion(request)
    }

    async fn model_info(&self, model: &str) -> Result<ModelInfo, ProviderError> {
        let told: protocol::Model =
            self.shared.call("model_info", &Named { model }).await.map_err(|error| {
                // Whatever a program says of a model that it lacks, the message names it.
                match error.cause {
                    Cause::NotFound if !error.message.contains(model) => {
                        let message = format!("there is no model `{model}`: {}", error.message);
                        ProviderError { message, ..error }
                    }
                    _ => error,
                }
            })?;
        Ok(info(&told))
    }

    /// Nothing is started for its sake: models and failures are known once the program was asked for something.
    fn info(&self) -> ProviderInfo {
        let Shared { settings, hello, unavailable, .. } = &*self.shared;
        let unavailable = unavailable.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let access = match (settings.missing(), unavailable) {
            (Some(variable), _) => Access::Missing(variable.to_owned()),
            (None, Some(reason)) => Access::Unavailable(reason),
            (None, None) if settings.env.is_empty() => Access::Open,
            (None, None) => Access::Ready,
        };
        let models = hello.get().into_iter().flat_map(|hello| hello.models.iter().map(info));
        ProviderInfo::default().answer_settings(settings.identity()).access(access).models(models)
    }

    async fn prepare(&self) {
        if self.shared.settings.missing().is_none() {
            // A failure is remembered.
            let _ = self.shared.hello().await;
        }
    }

    fn fine_tuning(&self) -> Option<&dyn FineTuning> {
        // Of a program that does not even start, it is not known: its first call fails with the reason.
        let tunes = self.shared.hello_now().map_or(true, |hello| hello.fine_tuning.is_some());
        tunes.then_some(self)
    }
}

/// Where a file of ours lies, as the child is told.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// An error that says the same to several who wait.
fn shared_error(error: &ProviderError) -> ProviderError {
    let mut copy = error.clone();
    if copy.retry == Retry::Never && copy.scope == crate::Scope::Request {
        // It may be about one of them alone: apart, the others may be answered.
        copy.retry = Retry::Later { after: None };
    }
    copy
}
