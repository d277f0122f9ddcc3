//! What a reader should know before believing the figures: typed, each with advice.

mod find;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use find::of;

use tunebench_data::Shard;

use crate::{InvalidKind, UnansweredKind};

/// A reason to be careful.
#[derive(Debug, Clone, PartialEq)]
pub enum Caveat {
    /// The run was cut short.
    RunCutShort {
        /// By what, where that is known.
        cause: Option<String>,
    },
    /// The run was joined from parts, and some were not there.
    ShardsMissing {
        /// Which parts.
        missing: Vec<Shard>,
    },
    /// The run covers a part of the test rows.
    Shard {
        /// Which part.
        shard: Shard,
    },
    /// There are too few rows to tell models apart.
    FewRows {
        /// The rows.
        rows: u64,
        /// Half the width of the widest interval that an accuracy can have over so many rows.
        margin: f64,
    },
    /// Labels without any test row.
    MissingLabels {
        /// Their names.
        names: Vec<String>,
        /// How many labels there are.
        of: usize,
    },
    /// Rows without an answer.
    Unanswered {
        /// The model.
        model: String,
        /// Its rows without an answer.
        unanswered: u64,
        /// All its rows.
        rows: u64,
        /// The most frequent reason.
        mostly: UnansweredKind,
        /// Whether so many are missing that the model gets no scores.
        below_limit: bool,
    },
    /// A model without any row.
    NoRows {
        /// The model.
        model: String,
    },
    /// Many answers name no label.
    ManyInvalid {
        /// The model.
        model: String,
        /// Its invalid answers.
        invalid: u64,
        /// All its answers.
        answered: u64,
        /// The most frequent reason.
        mostly: InvalidKind,
    },
    /// Base and tuned model have too few rows in common.
    PairIncomplete {
        /// The base.
        base: String,
        /// The tuned model.
        tuned: String,
        /// The rows that both answered.
        compared: u64,
        /// All rows that either has.
        rows: u64,
    },
    /// Test rows have texts that stand in the training data, and a model learned from that.
    Overlap {
        /// How many.
        rows: u64,
        /// All test rows.
        of: u64,
    },
    /// Several versions of a model answered.
    VersionChanged {
        /// The model.
        model: String,
        /// The versions, as the provider names them, each with the number of its answers; the most frequent first.
        versions: Vec<(String, u64)>,
    },
    /// Another version answered than the one that was asked for.
    AnsweredByOther {
        /// The model.
        model: String,
        /// What was asked for.
        asked: String,
        /// What answered.
        version: String,
    },
    /// Models are compared that were not asked in the same way.
    PromptsDiffer {
        /// Base and tuned model of each such comparison.
        pairs: Vec<(String, String)>,
    },
    /// The order of the accuracies is no ranking: these pairs are not proven to differ.
    NoRanking {
        /// The pairs, the more accurate model first.
        pairs: Vec<(String, String)>,
    },
    /// Some answers carry a probability, but too few for figures about them.
    FewProbabilities {
        /// The model.
        model: String,
        /// Its answers with a probability.
        with: u64,
        /// All its answers.
        answered: u64,
    },
    /// The test rows are of few groups.
    FewGroups {
        /// How many groups.
        groups: u64,
    },
    /// A model answered labels that no test row has: they are wrong answers, and no part of the macro averages.
    OtherLabels {
        /// The model.
        model: String,
        /// Such answers.
        answers: u64,
        /// The labels.
        names: Vec<String>,
    },
    /// So many answers name no label that the form of the answers was measured, and not the model.
    Unreadable {
        /// The model.
        model: String,
        /// Its answers that name no label.
        unreadable: u64,
        /// All its answers.
        answered: u64,
    },
    /// What the answered rows prove is withheld, since the missing answers could turn it.
    MissingCouldTurn {
        /// The base.
        base: String,
        /// The tuned model.
        tuned: String,
        /// The missing answers.
        missing: u64,
    },
    /// The base of a tuned model was not evaluated.
    BaseMissing {
        /// The base.
        base: String,
        /// The tuned model.
        tuned: String,
    },
}

impl Caveat {
    /// The word that stands for the kind of doubt in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunCutShort { .. } => "run_cut_short",
            Self::ShardsMissing { .. } => "shards_missing",
            Self::Shard { .. } => "shard",
            Self::FewRows { .. } => "few_rows",
            Self::MissingLabels { .. } => "missing_labels",
            Self::Unanswered { .. } => "unanswered",
            Self::NoRows { .. } => "no_rows",
            Self::ManyInvalid { .. } => "many_invalid",
            Self::PairIncomplete { .. } => "pair_incomplete",
            Self::Overlap { .. } => "overlap",
            Self::VersionChanged { .. } => "version_changed",
            Self::AnsweredByOther { .. } => "answered_by_other",
            Self::PromptsDiffer { .. } => "prompts_differ",
            Self::NoRanking { .. } => "no_ranking",
            Self::FewProbabilities { .. } => "few_probabilities",
            Self::FewGroups { .. } => "few_groups",
            Self::OtherLabels { .. } => "other_labels",
            Self::Unreadable { .. } => "unreadable",
            Self::MissingCouldTurn { .. } => "missing_could_turn",
            Self::BaseMissing { .. } => "base_missing",
        }
    }
}
