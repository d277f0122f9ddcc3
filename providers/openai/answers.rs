//! What an answer comes to: a completion, something to know about its model, or an error.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::declared::Api;
use super::errors::{About, ErrorBody};
use super::models::Droppable;
use super::{Failure, OpenAiProvider, completions, decisions, limits, lock, responses};
use crate::http::Answer;
use crate::{Cause, Completion, CompletionRequest, FinishReason, ProviderError, Retry, Scope};

impl OpenAiProvider {
    /// What an answer comes to; `body` is what was asked.
    pub(super) fn of_answer(
        &self,
        api: Api,
        answer: &Answer,
        body: &[u8],
        request: &CompletionRequest,
    ) -> Result<Completion, Failure> {
        let (_, model) = self.route(&request.model);
        let about = About { model: Some(model), key_variable: None };
        if !(200..300).contains(&answer.status) {
            return self.refusal(answer, body, about).map_err(|failure| match failure {
                // What has just been deployed is not known everywhere at once.
                Failure::Error(error) if request.served_as.is_some() && error.cause == Cause::NotFound => {
                    let after = Some(std::time::Duration::from_secs(2));
                    Failure::Error(error.scope(Scope::Request).retry(Retry::Later { after }))
                }
                other => other,
            });
        }
        // A gateway may answer 200 although the server behind it did not. In Responses the member belongs to the answer.
        let masked = || Err(self.connection.error(answer, about).into());
        let completion = match api {
            Api::Chat => match self.read(answer)? {
                completions::Answer { error: Some(_), .. } => return masked(),
                said => {
                    let thought = said.has_thought();
                    completions::completion(said, request)
                        .map(|completion| self.thoughts(completion, thought, request))
                }
            },
            Api::Responses => responses::completion(&self.read(answer)?, request),
            Api::Decisions => match self.read(answer)? {
                Value::Object(said) if said.get("error").is_some_and(|error| !error.is_null()) => {
                    return masked();
                }
                said => decisions::completion(&said, request),
            },
        };
        // Most servers send none, and to look for each of the nine costs more than to see that.
        let limited = answer.headers.keys().any(|name| name.as_str().starts_with("x-ratelimit-"));
        let limits = if limited { limits::rate_limits(&answer.headers) } else { None };
        match completion {
            Ok(mut completion) => {
                completion.rate_limits = limits;
                // Where a model stands changes from one deployment to the next, and is no version of it.
                if completion.model_version.is_some()
                    && completion.model_version.as_deref() == request.served_as.as_deref()
                {
                    completion.model_version = Some(request.model.to_string());
                }
                Ok(completion)
            }
            Err(mut error) => {
                error.request_id = answer.request_id().map(str::to_owned);
                error.rate_limits = limits.map(Box::new);
                Err(self.connection.redacted(error).into())
            }
        }
    }

    fn read<'a, T: Deserialize<'a>>(&self, answer: &'a Answer) -> Result<T, ProviderError> {
        answer.json().map_err(|error| self.connection.redacted(error))
    }

    /// What a status other than 2xx means: an outcome of this text, a parameter to drop, or an error.
    fn refusal(&self, answer: &Answer, body: &[u8], about: About<'_>) -> Result<Completion, Failure> {
        let said = ErrorBody::read(&answer.body).unwrap_or_default();
        if answer.status == 400 && said.is_content_filter() {
            return Ok(Completion::new("").finish(FinishReason::ContentFilter));
        }
        let error = self.connection.error(answer, about);
        match refused_parameter(answer.status, &said, body) {
            Some((parameter, name)) => Err(Failure::Refused(Box::new((parameter, name, error)))),
            None if speaks_of_roles(&said.message) => {
                let hint = "the model's chat template takes no system message: set `system_role = \"user\"` for this \
                            provider, which puts the task into the user's turn";
                Err(error.hint(hint).into())
            }
            None if said.param.as_deref().is_some_and(|param| param.starts_with("response_format")) => {
                Err(error.hint("the model takes no schema for answers: set `answer = \"tag\"`").into())
            }
            None => Err(error.into()),
        }
    }

    /// Says so if a model thought though it was told not to.
    fn thoughts(&self, completion: Completion, thought: bool, request: &CompletionRequest) -> Completion {
        if !thought || self.dialect(&request.model).thinks {
            return completion;
        }
        completion.note(format!(
            "`{}` thinks before it answers, which is billed; `reasoning_effort` in the provider's settings may switch it off",
            request.model
        ))
    }

    /// Notes what an answer shows of its model: where our own stop sequence ended it within the model's reasoning, it is asked for again,
    /// without one.
    pub(super) fn learn(
        &self,
        completion: Completion,
        stops: bool,
        request: &CompletionRequest,
    ) -> Completion {
        if stops && completions::ends_in_reasoning(&completion, request) {
            lock(&self.reasoning).insert(request.model.clone());
            return completion.ask_again();
        }
        if completion.note.is_none() && lock(&self.reasoning).contains(&request.model) {
            return completion.note(format!(
                "`{}` reasons in its answers, and the stop sequence ended some of them there: asked again without it \
                 (`stop = false` for this provider sends none from the start)",
                request.model
            ));
        }
        completion
    }
}

/// Whether a server complains of the roles, as chat templates without a system role do: "System role not supported",
/// "Conversation roles must alternate user/assistant/user/assistant/...".
fn speaks_of_roles(message: &str) -> bool {
    let message = message.to_lowercase();
    let refused = ["not support", "unsupported", "not allowed", "must alternate", "only support", "unknown"];
    (message.contains("system role") || message.contains("roles must") || message.contains("role 'system'"))
        && refused.iter().any(|words| message.contains(words))
}

/// The parameter that a refusal is about, if the request can do without it, and its name there.
///
/// OpenAI names it in `param`; other servers name it in words only, and then it must be one that was sent.
fn refused_parameter(status: u16, said: &ErrorBody, body: &[u8]) -> Option<(Droppable, String)> {
    if !matches!(status, 400 | 422) {
        return None;
    }
    let by_code = matches!(
        said.code.as_deref(),
        Some("unsupported_parameter" | "unsupported_value" | "unknown_parameter")
    );
    if let Some(param) = said.param.as_deref().filter(|_| by_code) {
        return Droppable::named(param).map(|parameter| (parameter, param.to_owned()));
    }
    let message = said.message.to_lowercase();
    let refused = [
        "unsupported",
        "not supported",
        "not support",
        "unrecognized",
        "unknown",
        "unexpected",
        "not permitted",
        "mandatory",
    ];
    if !by_code && !refused.iter().any(|word| message.contains(word)) {
        return None;
    }
    let words: Vec<_> = message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let sent: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let sent = sent.keys().find(|key| words.contains(&key.as_str()) && Droppable::named(key).is_some())?;
    Some((Droppable::named(sent)?, sent.clone()))
}
