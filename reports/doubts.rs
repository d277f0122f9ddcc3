//! What a reader should know before believing the figures: typed, each with advice.

use std::fmt;

use tunebench_data::LabelId;

use crate::intervals::{CONFIDENCE, wilson};
use crate::{Comparison, InvalidKind, ModelFigures, Run, UnansweredKind, Verdict};

/// With fewer rows than this, an accuracy is hardly known.
const FEW_ROWS: u64 = 100;

/// A larger share of invalid answers than this deserves a look at them.
const MANY_INVALID: f64 = 0.05;

/// How many names are listed before the rest is only counted.
const LISTED: usize = 5;

/// A reason to be careful.
#[derive(Debug, Clone, PartialEq)]
pub enum Doubt {
    /// The run was cut short.
    RunCutShort,
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
    /// The base of a tuned model was not evaluated.
    BaseMissing {
        /// The base.
        base: String,
        /// The tuned model.
        tuned: String,
    },
}

impl Doubt {
    /// The word that stands for the kind of doubt in files.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunCutShort => "run_cut_short",
            Self::FewRows { .. } => "few_rows",
            Self::MissingLabels { .. } => "missing_labels",
            Self::Unanswered { .. } => "unanswered",
            Self::NoRows { .. } => "no_rows",
            Self::ManyInvalid { .. } => "many_invalid",
            Self::PairIncomplete { .. } => "pair_incomplete",
            Self::BaseMissing { .. } => "base_missing",
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::RunCutShort => "Run the same command again: it goes on where it stopped.",
            Self::FewRows { .. } => "Add test rows; differences smaller than this margin are hard to prove.",
            Self::MissingLabels { .. } => "Add test rows of these labels, or nothing is known about them.",
            Self::Unanswered { mostly, .. } => match mostly {
                UnansweredKind::Budget => "Raise the spending cap and run the same command again.",
                UnansweredKind::Quota => "Check credit and rate limits, and run the same command again.",
                UnansweredKind::Rejected => "Look at the rows: the provider would not take them.",
                UnansweredKind::Network
                | UnansweredKind::Timeout
                | UnansweredKind::Cancelled
                | UnansweredKind::Provider
                | UnansweredKind::NotAsked => "Run the same command again: only these rows are asked again.",
            },
            Self::NoRows { .. } => "Check the test data of this run.",
            Self::ManyInvalid { mostly, .. } => match mostly {
                InvalidKind::Truncated => "Raise the limit of tokens for an answer.",
                InvalidKind::Refused | InvalidKind::Filtered => {
                    "Look at the rows: the provider holds these texts to be unsafe."
                }
                InvalidKind::Empty | InvalidKind::NoLabel | InvalidKind::Ambiguous => {
                    "Look at the answers: the prompt may need to be stricter, or answers limited to the labels."
                }
            },
            Self::PairIncomplete { .. } => {
                "Run the same command again, until both have answered the same rows."
            }
            Self::BaseMissing { .. } => "Evaluate the base model too; without it nothing can be compared.",
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunCutShort => write!(f, "The run was cut short."),
            Self::FewRows { rows, margin } => {
                write!(
                    f,
                    "Only {rows} test rows: an accuracy near 50 % is known to ±{:.0} points.",
                    margin * 100.0
                )
            }
            Self::MissingLabels { names, of } => {
                let listed = names[..names.len().min(LISTED)].join(", ");
                write!(f, "{} of {of} labels have no test row: {listed}", names.len())?;
                match names.len().saturating_sub(LISTED) {
                    0 => write!(f, "."),
                    more => write!(f, " and {more} more."),
                }
            }
            Self::Unanswered { model, unanswered, rows, mostly, below_limit } => {
                let cause = match mostly {
                    UnansweredKind::Network => "the network failed",
                    UnansweredKind::Timeout => "the provider took too long",
                    UnansweredKind::Quota => "a quota was used up",
                    UnansweredKind::Budget => "the spending cap was reached",
                    UnansweredKind::Cancelled => "the run was interrupted",
                    UnansweredKind::Rejected => "the provider rejected them",
                    UnansweredKind::Provider => "the provider failed",
                    UnansweredKind::NotAsked => "the run ended before",
                };
                write!(f, "{model}: {unanswered} of {rows} rows have no answer, mostly because {cause}")?;
                f.write_str(if *below_limit { "; too many for a score." } else { "." })
            }
            Self::NoRows { model } => write!(f, "{model} has no rows."),
            Self::ManyInvalid { model, invalid, answered, mostly } => {
                let cause = match mostly {
                    InvalidKind::Empty => "empty",
                    InvalidKind::NoLabel => "without a label",
                    InvalidKind::Ambiguous => "ambiguous",
                    InvalidKind::Truncated => "cut off",
                    InvalidKind::Refused => "refusals",
                    InvalidKind::Filtered => "held back by a filter",
                };
                write!(f, "{model}: {invalid} of {answered} answers are invalid, mostly {cause}.")
            }
            Self::PairIncomplete { base, tuned, compared, rows } => {
                write!(
                    f,
                    "{base} and {tuned} both answered only {compared} of {rows} rows: too few for a verdict."
                )
            }
            Self::BaseMissing { base, tuned } => {
                write!(f, "{tuned} was tuned from {base}, which is not in this run.")
            }
        }
    }
}

/// All doubts about a run, those about everything first.
pub(crate) fn of(run: &Run, models: &[ModelFigures], comparisons: &[Comparison]) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if !run.manifest.complete {
        doubts.push(Doubt::RunCutShort);
    }
    let rows = models.iter().map(|model| model.counts().rows()).max().unwrap_or(0);
    if let Some(interval) = wilson(rows / 2, rows, CONFIDENCE).filter(|_| rows < FEW_ROWS) {
        doubts.push(Doubt::FewRows { rows, margin: (interval.high - interval.low) / 2.0 });
    }
    let occurs = |label: LabelId| {
        models.iter().any(|model| model.confusion.support(label) + model.confusion.unanswered(label) > 0)
    };
    let missing: Vec<_> =
        run.labels().iter().filter(|(label, _)| !occurs(*label)).map(|(_, name)| name.to_owned()).collect();
    if !missing.is_empty() && rows > 0 {
        doubts.push(Doubt::MissingLabels { names: missing, of: run.labels().len() });
    }
    for model in models {
        about_model(model, &mut doubts);
    }
    for comparison in comparisons {
        // When one model alone falls short, that has been said already.
        let scored = |name: &str| models.iter().any(|model| model.model == name && model.scores.is_some());
        if comparison.verdict == Verdict::Incomplete && scored(&comparison.base) && scored(&comparison.tuned)
        {
            let compared = comparison.paired.compared();
            doubts.push(Doubt::PairIncomplete {
                base: comparison.base.clone(),
                tuned: comparison.tuned.clone(),
                compared,
                rows: compared + comparison.paired.left_out,
            });
        }
    }
    for model in models {
        if let Some(base) = &model.tuned_from
            && !models.iter().any(|other| other.model == *base)
        {
            doubts.push(Doubt::BaseMissing { base: base.clone(), tuned: model.model.clone() });
        }
    }
    doubts
}

fn about_model(figures: &ModelFigures, doubts: &mut Vec<Doubt>) {
    let (counts, model) = (figures.counts(), figures.model.clone());
    if counts.rows() == 0 {
        doubts.push(Doubt::NoRows { model });
        return;
    }
    // Of equally frequent kinds the first by definition.
    if let Some((mostly, _)) = figures.unanswered.iter().rev().max_by_key(|(_, rows)| **rows) {
        doubts.push(Doubt::Unanswered {
            model: model.clone(),
            unanswered: counts.unanswered,
            rows: counts.rows(),
            mostly: *mostly,
            below_limit: figures.scores.is_none(),
        });
    }
    if let Some((mostly, _)) = figures.invalid.iter().rev().max_by_key(|(_, rows)| **rows)
        && counts.invalid as f64 > MANY_INVALID * counts.answered() as f64
    {
        doubts.push(Doubt::ManyInvalid {
            model,
            invalid: counts.invalid,
            answered: counts.answered(),
            mostly: *mostly,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::Figures;
    use crate::testing::{predictions, run};

    fn said(gold: &str, models: Vec<(&str, Option<&str>, &str)>, complete: bool) -> Vec<String> {
        let models =
            models.into_iter().map(|(m, base, answers)| (m, base, predictions(gold, answers))).collect();
        let mut run = run(&["a", "b", "c"], models);
        run.manifest.complete = complete;
        run.manifest.min_coverage = 0.9;
        Figures::of(&run).doubts.iter().map(|d| format!("{} {d}", d.name())).collect()
    }

    #[test]
    fn nothing_to_say_of_a_sound_run() {
        let gold = "abc".repeat(40);
        assert_eq!(said(&gold, vec![("m", None, &gold)], true), Vec::<String>::new());
    }

    #[test]
    fn says_what_is_wrong_with_the_data_and_the_models() {
        assert_eq!(
            said("ababababab", vec![("m", None, "ab?b!bab??"), ("t", Some("x"), "ababababab")], false),
            [
                "run_cut_short The run was cut short.",
                "few_rows Only 10 test rows: an accuracy near 50 % is known to ±26 points.",
                "missing_labels 1 of 3 labels have no test row: c.",
                "unanswered m: 3 of 10 rows have no answer, mostly because the network failed; too many for a score.",
                "many_invalid m: 1 of 7 answers are invalid, mostly without a label.",
                "base_missing t was tuned from x, which is not in this run.",
            ]
        );
    }

    #[test]
    fn a_pair_can_be_incomplete_though_each_model_is_complete() {
        let gold = "abc".repeat(34);
        let base = format!("{}{}", "?".repeat(8), &gold[8..]);
        let tuned = format!("{}{}", &gold[..94], "?".repeat(8));
        let doubts = said(&gold, vec![("m", None, &base), ("t", Some("m"), &tuned)], true);
        assert_eq!(
            doubts.last().unwrap(),
            "pair_incomplete m and t both answered only 86 of 102 rows: too few for a verdict."
        );
    }
}
