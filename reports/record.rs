//! The stored record: what became of each row, four outcomes and no fifth.
//!
//! Rows are kept in columns, see [`Predictions`]; texts and raw answers live elsewhere.

use std::num::NonZeroU32;
use std::sync::Arc;

use tunebench_data::{ExampleId, LabelId, LabelSet, Latency};

use crate::words::words;
use crate::{Clusters, Manifest, Predictions, Slices};

words! {
    /// What became of a row.
    Outcome {
        /// The answer names the gold label.
        Correct = "correct",
        /// The answer names another label of the set.
        Incorrect = "incorrect",
        /// There is an answer, but it names no label: it counts against the model.
        Invalid = "invalid",
        /// No answer was obtained: it counts neither for nor against the model, but lowers its coverage.
        Unanswered = "unanswered",
    }
}

words! {
    /// Why an answer names no label.
    InvalidKind {
        /// The answer holds no text.
        Empty = "empty",
        /// The text names none of the labels.
        NoLabel = "no_label",
        /// The text names several labels, or one that could be several.
        Ambiguous = "ambiguous",
        /// The answer was cut off before a label could be read.
        Truncated = "truncated",
        /// The model declined to answer.
        Refused = "refused",
        /// A content filter held the answer back.
        Filtered = "filtered",
    }
}

words! {
    /// Why no answer was obtained.
    UnansweredKind {
        /// The provider could not be reached, or the connection broke.
        Network = "network",
        /// The provider did not answer in time.
        Timeout = "timeout",
        /// A rate limit or a quota at the provider, or its credit, was used up.
        Quota = "quota",
        /// The run's own spending cap was reached.
        Budget = "budget",
        /// The user interrupted the run while the request was under way.
        Cancelled = "cancelled",
        /// The provider would not take this request, for example because the text is too long.
        Rejected = "rejected",
        /// The provider failed.
        Provider = "provider",
        /// The run ended before the row's turn came.
        NotAsked = "not_asked",
    }
}

/// What was obtained for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// A label of the set.
    Label(LabelId),
    /// An answer that names no label.
    Invalid(InvalidKind),
    /// No answer.
    Unanswered(UnansweredKind),
}

impl Answer {
    /// The label that was answered.
    pub fn label(self) -> Option<LabelId> {
        match self {
            Self::Label(label) => Some(label),
            Self::Invalid(_) | Self::Unanswered(_) => None,
        }
    }

    /// Whether there is an answer that nobody could read, rather than one that the model refused or that was cut off.
    pub fn is_unreadable(self) -> bool {
        matches!(self, Self::Invalid(InvalidKind::NoLabel | InvalidKind::Ambiguous))
    }
}

/// A probability, 0 to 1, as the provider gave it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Probability(NonZeroU32);

impl Probability {
    /// `None` unless the value lies within 0 to 1.
    pub fn new(value: f32) -> Option<Self> {
        // Adding zero turns -0.0 into 0.0, which would not survive being written and read. The bits of what is left rise with
        // the value and end far below the highest number, so that an optional probability takes four bytes.
        (0.0..=1.0).contains(&value).then(|| Self(NonZeroU32::MIN.saturating_add((value + 0.0).to_bits())))
    }

    /// The value, 0 to 1.
    pub fn get(self) -> f32 {
        f32::from_bits(self.0.get() - 1)
    }

    /// A number for it, 0 for none.
    pub(crate) fn code(of: Option<Self>) -> u32 {
        of.map_or(0, |of| of.0.get())
    }

    /// What [`Self::code`] stands for.
    pub(crate) fn from_code(code: u32) -> Option<Self> {
        NonZeroU32::new(code).map(Self)
    }
}

/// What a model made of one row; [`Predictions`] holds many of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The row.
    pub id: ExampleId,
    /// Its gold label.
    pub gold: LabelId,
    /// What was obtained.
    pub answer: Answer,
    /// The probability of the answer, where the provider gives one.
    pub probability: Option<Probability>,
    /// The probability of the gold label, where the provider gives those of all labels.
    pub gold_probability: Option<Probability>,
    /// How long the answer took, where that was measured.
    pub latency: Option<Latency>,
}

impl Prediction {
    /// What became of the row.
    pub fn outcome(&self) -> Outcome {
        match self.answer {
            Answer::Label(label) if label == self.gold => Outcome::Correct,
            Answer::Label(_) => Outcome::Incorrect,
            Answer::Invalid(_) => Outcome::Invalid,
            Answer::Unanswered(_) => Outcome::Unanswered,
        }
    }

    /// Whether an answer was obtained, be it a valid one or not.
    pub fn is_answered(&self) -> bool {
        !matches!(self.answer, Answer::Unanswered(_))
    }
}

/// All rows of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The model reference, for example `local/lexical`.
    pub model: String,
    /// The reference of the base model, when this is a fine-tuned one.
    pub tuned_from: Option<String>,
    /// One for each row of the test data, answered or not; each id stands once.
    pub predictions: Predictions,
    /// Which of these rows belong together, in the same order; none where each row is a cluster of its own. Models asked about
    /// the same rows share them.
    pub clusters: Option<Arc<Clusters>>,
    /// Which value each of these rows has of some properties, in the same order; none where nobody knows.
    pub slices: Option<Arc<Slices>>,
}

/// What a run left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// How the run was made.
    pub manifest: Manifest,
    /// The models in the order of the report, each with its rows.
    pub evaluations: Vec<Evaluation>,
}

impl Run {
    /// The labels that all evaluations speak of.
    pub fn labels(&self) -> &LabelSet {
        &self.manifest.labels
    }

    /// A model's evaluations over all its repeats, itself first.
    pub fn repeats_of<'a>(&'a self, first: &'a Evaluation) -> Vec<&'a Evaluation> {
        let is_repeat = |other: &&Evaluation| {
            let record = self.manifest.model(&other.model);
            record.is_some_and(|record| record.repeat_of.as_ref() == Some(&first.model))
        };
        std::iter::once(first).chain(self.evaluations.iter().filter(is_repeat)).collect()
    }

    /// The models that were trained in the same way with different seeds, `first` at the front.
    pub fn seeds_of<'a>(&'a self, first: &'a Evaluation) -> Vec<&'a Evaluation> {
        let is_seed = |other: &&Evaluation| {
            let record = self.manifest.model(&other.model);
            record.is_some_and(|record| record.seed_of.as_ref() == Some(&first.model))
        };
        std::iter::once(first).chain(self.evaluations.iter().filter(is_seed)).collect()
    }

    /// Whether a model is only a further answer to the rows, or a further training, of another one.
    pub(crate) fn is_further(&self, model: &str) -> bool {
        self.manifest
            .model(model)
            .is_some_and(|record| record.repeat_of.is_some() || record.seed_of.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(answer: Answer) -> Prediction {
        Prediction {
            id: ExampleId(1),
            gold: LabelId(3),
            answer,
            probability: None,
            gold_probability: None,
            latency: None,
        }
    }

    #[test]
    fn each_answer_has_one_outcome() {
        for (answer, outcome) in [
            (Answer::Label(LabelId(3)), Outcome::Correct),
            (Answer::Label(LabelId(0)), Outcome::Incorrect),
            (Answer::Invalid(InvalidKind::Refused), Outcome::Invalid),
            (Answer::Unanswered(UnansweredKind::Budget), Outcome::Unanswered),
        ] {
            assert_eq!(prediction(answer).outcome(), outcome);
            assert_eq!(prediction(answer).is_answered(), outcome != Outcome::Unanswered);
        }
    }

    #[test]
    fn names_are_the_same_in_every_format_and_read_back() {
        for kind in InvalidKind::ALL {
            assert_eq!(InvalidKind::from_name(kind.name()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        for kind in UnansweredKind::ALL {
            assert_eq!(UnansweredKind::from_name(kind.name()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.name()), Some(*outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
        assert_eq!(Outcome::from_name("Correct"), None);
    }

    #[test]
    fn only_probabilities_are_probabilities() {
        for bad in [f32::NAN, f32::INFINITY, -0.1, 1.000_1] {
            assert_eq!(Probability::new(bad), None);
        }
        assert!(Probability::new(-0.0).is_some_and(|p| p.get().is_sign_positive()));
    }
}
