//! What is read of an answer of Chat Completions.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use crate::{Cause, Completion, CompletionRequest, FinishReason, ProviderError, Usage, logprobs};

/// What is read of an answer; most of what comes is passed over. What is missing, or is not of its usual kind, is left
/// out, but an answer without a message in it is none.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Answer<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(default, deserialize_with = "lenient")]
    usage: Option<Used>,
    #[serde(default, deserialize_with = "lenient")]
    model: Option<String>,
    /// Whether it is an error in spite of its status: a gateway may answer 200 although the server behind it did not.
    pub(in super::super) error: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<Reply<'a>>,
    #[serde(default, deserialize_with = "lenient")]
    finish_reason: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    logprobs: Option<Logprobs>,
}

#[derive(Debug, Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    refusal: Option<String>,
    /// What the model said to itself, where the server sets it apart (vLLM, SGLang, DeepSeek); never the answer.
    #[serde(default, deserialize_with = "lenient")]
    reasoning_content: Option<String>,
    /// The same, as Ollama, OpenRouter and newer vLLM name it.
    #[serde(default, deserialize_with = "lenient")]
    reasoning: Option<String>,
}

impl Reply<'_> {
    fn reasons(&self) -> bool {
        [&self.reasoning_content, &self.reasoning].into_iter().flatten().any(|said| !said.trim().is_empty())
    }
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default, deserialize_with = "lenient")]
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Logprobs {
    content: Option<Vec<Token>>,
}

/// A token of an answer, as Chat Completions and Responses have them.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Token {
    token: Option<String>,
    logprob: f64,
    bytes: Option<Vec<u8>>,
}

impl Token {
    fn spelled(&self) -> Option<logprobs::Token<'_>> {
        // A token can end within a character; only its bytes are exact then.
        let bytes = self.bytes.as_deref().or(self.token.as_deref().map(str::as_bytes))?;
        Some(logprobs::Token { bytes: bytes.into(), logprob: self.logprob })
    }
}

#[derive(Debug, Deserialize)]
struct Used {
    prompt_tokens: u64,
    completion_tokens: u64,
    #[serde(default, deserialize_with = "lenient")]
    prompt_tokens_details: Option<SentFrom>,
    #[serde(default, deserialize_with = "lenient")]
    completion_tokens_details: Option<UsedFor>,
}

#[derive(Debug, Deserialize)]
struct SentFrom {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

impl From<Used> for Usage {
    fn from(used: Used) -> Self {
        let (cached, written) = used
            .prompt_tokens_details
            .map_or((None, None), |details| (details.cached_tokens, details.cache_write_tokens));
        Self::new(used.prompt_tokens, used.completion_tokens)
            .cached(cached.unwrap_or(0))
            .cache_written(written.unwrap_or(0))
    }
}

#[derive(Debug, Deserialize)]
struct UsedFor {
    reasoning_tokens: Option<u64>,
}

impl Answer<'_> {
    /// Whether tokens of it were thought and not said.
    pub(in super::super) fn has_thought(&self) -> bool {
        let details = self.usage.as_ref().and_then(|used| used.completion_tokens_details.as_ref());
        details.and_then(|details| details.reasoning_tokens).is_some_and(|tokens| tokens > 0)
    }
}

/// A member that is left out where it is not what it should be.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let member = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(member.get()).ok())
}

/// What a chat answer says. Whatever is missing is left out; an answer without any choice is the server's fault.
pub(in super::super) fn completion(
    answer: Answer<'_>,
    request: &CompletionRequest,
) -> Result<Completion, ProviderError> {
    let Some(choice) = answer.choices.into_iter().flatten().next() else {
        return Err(ProviderError::new(Cause::Server, "the answer holds no choice"));
    };
    let reasons = choice.message.as_ref().is_some_and(Reply::reasons);
    let (words, refusal) = choice.message.map_or((None, None), |said| (said.content, said.refusal));
    let refusal = refusal.filter(|refusal| !refusal.is_empty());
    let mut finish = match (&refusal, choice.finish_reason.as_deref()) {
        (Some(_), _) => FinishReason::Refusal,
        // Some servers give no reason when all is well.
        (None, Some("stop") | None) => FinishReason::Stop,
        (None, Some("length")) => FinishReason::Length,
        (None, Some("content_filter")) => FinishReason::ContentFilter,
        (None, Some(other)) => FinishReason::Other(other.to_owned()),
    };
    let text = refusal.or_else(|| content(words?)).unwrap_or_default();
    if finish == FinishReason::Stop && reasons && text.trim().is_empty() {
        // It ended before the answer began.
        finish = FinishReason::Length;
    }
    let mut completion = Completion::new(text).finish(finish);
    completion.usage = answer.usage.map(Usage::from);
    completion.model_version = answer.model.filter(|model| !model.is_empty());
    if let Some(tokens) = choice.logprobs.and_then(|logprobs| logprobs.content) {
        completion.label_probability = label_probability(&completion.text, &tokens, request);
    }
    Ok(completion)
}

/// Whether an answer ends while the model still reasons, for which a stop sequence may be the reason.
pub(in super::super) fn ends_in_reasoning(completion: &Completion, request: &CompletionRequest) -> bool {
    match completion.finish {
        FinishReason::Stop => request.prompt.ends_in_reasoning(&completion.text),
        FinishReason::Length => completion.text.trim().is_empty(),
        _ => false,
    }
}

/// A content is a text or, at some servers, a list of parts with texts in them.
fn content(content: &RawValue) -> Option<String> {
    let text = serde_json::from_str(content.get());
    text.or_else(|_| {
        let parts: Vec<Part> = serde_json::from_str(content.get())?;
        Ok::<_, serde_json::Error>(parts.into_iter().filter_map(|part| part.text).collect())
    })
    .ok()
}

/// The probability of the label that `text` names, from its tokens, in the order of the answer. `None` if one of them
/// spells nothing.
pub(in super::super) fn label_probability(
    text: &str,
    tokens: &[Token],
    request: &CompletionRequest,
) -> Option<f32> {
    let tokens = tokens.iter().map(Token::spelled).collect::<Option<Vec<_>>>()?;
    logprobs::of_answer(text, &tokens, request)
}
