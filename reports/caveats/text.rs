//! What the doubts say, and what to do about them.

use std::fmt;

use super::Caveat;
use crate::{InvalidKind, UnansweredKind};

/// How many names are listed before the rest is only counted.
const LISTED: usize = 5;

/// The first of the names, and how many more there are.
fn listed(names: &[String]) -> String {
    let first = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Each pair as one name.
fn joined(pairs: &[(String, String)]) -> Vec<String> {
    pairs.iter().map(|(one, other)| format!("{one} and {other}")).collect()
}

impl Caveat {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::ShardsMissing { .. } => {
                "Evaluate the missing ones with `tunebench eval --shard`, and join all with `tunebench merge`."
            }
            Self::Shard { .. } => "Join all shards with `tunebench merge`.",
            Self::RunCutShort { .. } => "Run the same command again: it goes on where it stopped.",
            Self::FewRows { .. } => "Add test rows; differences smaller than this margin are hard to prove.",
            Self::MissingLabels { .. } => {
                "Add test rows with these labels; without them nothing is known about them."
            }
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
            Self::Overlap { .. } => "Take these rows out of the training data or out of the test data.",
            Self::VersionChanged { .. } => {
                "Evaluate again with `--refresh` by the name of one fixed version, if the provider has one."
            }
            Self::AnsweredByOther { .. } => {
                "Name a fixed version, so that the same command measures the same model another time."
            }
            Self::PromptsDiffer { .. } => "Read these verdicts as ones about model and prompt together.",
            Self::NoRanking { .. } => {
                "Do not rank the models of such a pair by these figures; more test rows may separate them."
            }
            Self::FewProbabilities { .. } => {
                "Look at the rows without one: an invalid answer has no probability, nor has one of a model that gives none."
            }
            Self::FewGroups { .. } => {
                "Add test rows of other groups; more rows of the same groups add little."
            }
            Self::OtherLabels { .. } => {
                "Add test rows with these labels; without them it is unknown how well the model recognises them."
            }
            Self::Unreadable { .. } => {
                "Read what was answered: `tunebench show` lists it beside the prompt. Most often the prompt should ask for the label \
                 alone, `answer = \"schema\"` should limit answers to the labels, or the model needs the prompt that it was taught."
            }
            Self::MissingCouldTurn { .. } => {
                "Run the same command again: only the rows without an answer are asked again."
            }
            Self::BaseMissing { .. } => "Evaluate the base model too; without it nothing can be compared.",
        }
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunCutShort { cause: None } => write!(f, "The run was cut short."),
            Self::RunCutShort { cause: Some(cause) } => {
                write!(f, "The run was cut short: {}.", cause.trim_end_matches('.'))
            }
            Self::ShardsMissing { missing } => {
                let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
                write!(f, "Not all test rows are here; shards are missing: {}.", listed(&names))
            }
            Self::Shard { shard } => write!(f, "This is only shard {shard} of the test rows."),
            Self::FewRows { rows, margin } => {
                write!(
                    f,
                    "Only {rows} test rows: an accuracy near 50 % is known to ±{:.0} points.",
                    margin * 100.0
                )
            }
            Self::MissingLabels { names, of } => {
                write!(f, "{} of {of} labels have no test row: {}.", names.len(), listed(names))
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
            Self::Overlap { rows, of } => {
                write!(f, "{rows} of {of} test rows have a text that is also in the training data.")
            }
            Self::VersionChanged { model, versions } => {
                let versions: Vec<_> =
                    versions.iter().map(|(version, rows)| format!("{version} ({rows})")).collect();
                write!(f, "{model}: {} versions answered: {}.", versions.len(), listed(&versions))
            }
            Self::AnsweredByOther { model, asked, version } => {
                write!(f, "{model}: {asked} was asked for, and {version} answered.")
            }
            Self::PromptsDiffer { pairs } => {
                write!(f, "Compared models were not given the same prompt: {}.", listed(&joined(pairs)))
            }
            Self::NoRanking { pairs } => {
                write!(f, "The accuracies differ, but not provably: {}.", listed(&joined(pairs)))
            }
            Self::FewProbabilities { model, with, answered } => {
                write!(
                    f,
                    "{model}: only {with} of {answered} answers carry a probability: too few for figures about them."
                )
            }
            Self::FewGroups { groups } => {
                write!(
                    f,
                    "The test rows are of only {groups} groups: intervals that allow for groups are rough."
                )
            }
            Self::OtherLabels { model, answers, names } => write!(
                f,
                "{model}: {answers} answers are labels that no test row has: {}. They are wrong, and take no part in macro averages.",
                listed(names)
            ),
            Self::Unreadable { model, unreadable, answered } => write!(
                f,
                "{model}: {unreadable} of {answered} answers name no label. What was measured is the form of the answers, so there is no verdict."
            ),
            Self::MissingCouldTurn { base, tuned, missing } => write!(
                f,
                "{tuned} and {base}: the {missing} missing answers could turn the verdict of the answered rows, so it is withheld."
            ),
            Self::BaseMissing { base, tuned } => {
                write!(f, "{tuned} was tuned from {base}, which is not in this run.")
            }
        }
    }
}
