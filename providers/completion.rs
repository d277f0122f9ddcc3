//! What a model is asked, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tunebench_data::{LabelId, Message, Prompt};

/// In which form a model is to name the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerMode {
    /// As text inside the prompt's output tag, which also ends the answer (a stop sequence).
    #[default]
    Tag,
    /// As JSON that a schema confines to the label set.
    Schema,
}

/// What else shapes an answer; the same for base and tuned model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// The form of the answer.
    pub answer: AnswerMode,
    /// The sampling temperature; where not set, 0 for models that take one.
    pub temperature: Option<f64>,
    /// The most tokens of an answer, hidden reasoning included; where not set, what suits the model.
    pub max_output_tokens: Option<u32>,
    /// Whether to ask for the probability of the label, where the model gives one.
    pub probabilities: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { answer: AnswerMode::Tag, temperature: None, max_output_tokens: None, probabilities: true }
    }
}

/// One text to classify.
///
/// It carries the structured prompt, so that a provider can send rendered messages
/// ([`Prompt::render`]) or look at text and labels itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CompletionRequest {
    /// The model, by the provider's own id: `local/` or `openai/` is not part of it.
    pub model: Arc<str>,
    /// Instruction, label set and tags.
    pub prompt: Arc<Prompt>,
    /// How often each label of the set occurs in the training data; empty without training data.
    pub label_counts: Arc<[u64]>,
    /// Solved examples to show before the text; empty for most models.
    pub shots: Arc<[(String, LabelId)]>,
    /// How the answer is to look.
    pub parameters: Arc<Parameters>,
    /// The text.
    pub text: String,
    /// How the provider names the model where it is deployed, for one that must be.
    pub served_as: Option<Arc<str>>,
    /// Its messages, where they hold more of its row than the text.
    rendered: Option<Arc<[Message]>>,
}

impl CompletionRequest {
    /// Asks a model for the label of a text.
    pub fn new(model: Arc<str>, prompt: Arc<Prompt>, text: impl Into<String>) -> Self {
        let (label_counts, shots, parameters, served_as, rendered) = Default::default();
        Self { model, prompt, label_counts, shots, parameters, text: text.into(), served_as, rendered }
    }

    /// The messages to send: the task, the shots with their answers, the text.
    pub fn messages(&self) -> Vec<Message> {
        if let Some(rendered) = &self.rendered {
            return rendered.to_vec();
        }
        self.prompt
            .render_with_shots(self.shots.iter().map(|(text, label)| (text.as_str(), *label)), &self.text)
    }

    /// Tokens that suffice for the longest label with a few words around it: no tokenizer needs more tokens than there
    /// are bytes.
    pub fn answer_tokens(&self) -> u32 {
        let longest = self.prompt.labels().names().iter().map(String::len).max().unwrap_or_default();
        u32::try_from(longest).unwrap_or(u32::MAX).saturating_add(96)
    }

    /// The same, with messages that were rendered from more than the text, such as other columns of its row.
    #[must_use]
    pub fn rendered(mut self, messages: Vec<Message>) -> Self {
        self.rendered = Some(messages.into());
        self
    }

    /// The same, of a model that is deployed under this name.
    #[must_use]
    pub fn served_as(mut self, name: Option<Arc<str>>) -> Self {
        self.served_as = name;
        self
    }

    /// The same, with solved examples to show first.
    #[must_use]
    pub fn shots(mut self, shots: Arc<[(String, LabelId)]>) -> Self {
        self.shots = shots;
        self
    }

    /// The same, with parameters.
    #[must_use]
    pub fn parameters(mut self, parameters: Arc<Parameters>) -> Self {
        self.parameters = parameters;
        self
    }

    /// The same, with what is known of the training data.
    #[must_use]
    pub fn label_counts(mut self, counts: Arc<[u64]>) -> Self {
        self.label_counts = counts;
        self
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinishReason {
    /// It was done, or met a stop sequence.
    Stop,
    /// The output cap cut it off.
    Length,
    /// It declined to answer.
    Refusal,
    /// A filter removed prompt or answer.
    ContentFilter,
    /// Anything else, in the provider's words.
    Other(String),
}

/// Tokens used, as the provider counts them for its bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens sent, those of the next two counts included.
    pub input: u64,
    /// Tokens answered, hidden reasoning included.
    pub output: u64,
    /// Tokens sent that the provider had in its cache.
    pub cached: u64,
    /// Tokens sent that the provider wrote into its cache, where it bills that.
    pub cache_written: u64,
}

impl Usage {
    /// So many tokens sent and answered, none of them from a cache.
    pub const fn new(input: u64, output: u64) -> Self {
        Self { input, output, cached: 0, cache_written: 0 }
    }

    /// The same, with so many of the tokens sent read from the provider's cache.
    #[must_use]
    pub const fn cached(mut self, tokens: u64) -> Self {
        self.cached = tokens;
        self
    }

    /// The same, with so many of the tokens sent written into the provider's cache.
    #[must_use]
    pub const fn cache_written(mut self, tokens: u64) -> Self {
        self.cache_written = tokens;
        self
    }

    /// The sum of two requests.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cached: self.cached.saturating_add(other.cached),
            cache_written: self.cache_written.saturating_add(other.cache_written),
        }
    }
}

/// What a provider says of one of its rate limits, in the headers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Limit {
    /// How much the window allows.
    pub limit: Option<u64>,
    /// How much of it is left.
    pub remaining: Option<u64>,
    /// When all of it will be back.
    pub reset: Option<Duration>,
}

/// What a provider says of its rate limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct RateLimits {
    /// Requests, in each minute.
    pub requests: Limit,
    /// Tokens, in each minute.
    pub tokens: Limit,
}

/// What a model returned.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// The text, as it came.
    pub text: String,
    /// Why it ends.
    pub finish: FinishReason,
    /// Tokens used, where the provider says so.
    pub usage: Option<Usage>,
    /// The model version that really answered, where the provider says so.
    pub model_version: Option<String>,
    /// A probability for each label of the request's label set, in its order, where the model gives them.
    /// They come from the model's scores, never from its own words.
    pub probabilities: Option<Vec<f32>>,
    /// The probability of the label that the text names, where the model gives it for this one alone: from the
    /// log-probabilities of the label's tokens, never from the model's own words.
    pub label_probability: Option<f32>,
    /// What the answer's headers say of rate limits.
    pub rate_limits: Option<RateLimits>,
    /// Something the user should know once, such as a parameter that the model would not take.
    pub note: Option<String>,
    /// Whether this is no answer yet: the provider has learned from it how the model must be asked, and wants the same
    /// request once more. It is paid for all the same.
    pub ask_again: bool,
    /// How long the answer took, where its provider computes several at once, so that the time until it came says nothing
    /// of a single one.
    pub took: Option<Duration>,
}

impl Completion {
    /// A complete answer of which nothing more is known.
    pub fn new(text: impl Into<String>) -> Self {
        let finish = FinishReason::Stop;
        let text = text.into();
        let (usage, model_version, probabilities, label_probability, rate_limits, note) = Default::default();
        let (ask_again, took) = (false, None);
        Self {
            text,
            finish,
            usage,
            model_version,
            probabilities,
            label_probability,
            rate_limits,
            note,
            ask_again,
            took,
        }
    }

    /// The same, with its own share of a time in which others were computed, too.
    #[must_use]
    pub fn took(mut self, took: Duration) -> Self {
        self.took = Some(took);
        self
    }

    /// The same, not as an answer but to be asked for once more.
    #[must_use]
    pub fn ask_again(mut self) -> Self {
        self.ask_again = true;
        self
    }

    /// The same, with what the headers say of rate limits.
    #[must_use]
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.rate_limits = Some(limits);
        self
    }

    /// The same, with something the user should know once.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The same, with another reason to stop.
    #[must_use]
    pub fn finish(mut self, finish: FinishReason) -> Self {
        self.finish = finish;
        self
    }

    /// The same, with the tokens used.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// The same, with the model version that answered.
    #[must_use]
    pub fn model_version(mut self, version: impl Into<String>) -> Self {
        self.model_version = Some(version.into());
        self
    }

    /// The same, with the probability of the label that the text names.
    #[must_use]
    pub fn label_probability(mut self, probability: f32) -> Self {
        self.label_probability = Some(probability);
        self
    }

    /// The same, with a probability for each label of the request.
    #[must_use]
    pub fn probabilities(mut self, probabilities: Vec<f32>) -> Self {
        self.probabilities = Some(probabilities);
        self
    }
}
