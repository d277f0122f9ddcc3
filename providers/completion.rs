//! What a model is asked, and what it answers.

use std::sync::Arc;

use tunebench_data::Prompt;

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
    /// The text.
    pub text: String,
}

impl CompletionRequest {
    /// Asks a model for the label of a text.
    pub fn new(model: Arc<str>, prompt: Arc<Prompt>, text: impl Into<String>) -> Self {
        Self { model, prompt, label_counts: Arc::default(), text: text.into() }
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
pub struct Usage {
    /// Tokens sent.
    pub input: u64,
    /// Tokens answered, hidden reasoning included.
    pub output: u64,
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
}

impl Completion {
    /// A complete answer of which nothing more is known.
    pub fn new(text: impl Into<String>) -> Self {
        let finish = FinishReason::Stop;
        Self { text: text.into(), finish, usage: None, model_version: None, probabilities: None }
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

    /// The same, with a probability for each label of the request.
    #[must_use]
    pub fn probabilities(mut self, probabilities: Vec<f32>) -> Self {
        self.probabilities = Some(probabilities);
        self
    }
}
