//! The flags of `gate` that say what is asked for, as `[gate]` in the configuration does.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::gate::Settings;
use crate::gate::checks::{By, Test};

/// What a command line asks for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What is asked for (before what the configuration says)")]
pub(super) struct LimitArgs {
    /// The committed file with the answers to compare with [default: tunebench.baseline]
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// A model to check; may be given several times [default: all that no other one was tuned from, and not `local/majority` beside others]
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,

    /// The least accuracy, as a share
    #[arg(long, value_name = "SHARE")]
    min_accuracy: Option<f64>,

    /// The least macro-F1
    #[arg(long, value_name = "SHARE")]
    min_macro_f1: Option<f64>,

    /// The least recall of a label; may be given several times
    #[arg(long, value_name = "LABEL=SHARE", value_parser = recall)]
    min_recall: Vec<(String, f64)>,

    /// By what these three are held against their limits
    #[arg(long, alias = "by", value_name = "WHAT")]
    judge_by: Option<By>,

    /// The largest share of invalid answers
    #[arg(long, value_name = "SHARE")]
    max_invalid: Option<f64>,

    /// The least share of the rows that must be answered [default: that of the evaluation]
    #[arg(long, value_name = "SHARE")]
    min_coverage: Option<f64>,

    /// The most that the answers may cost, in dollars
    #[arg(long, value_name = "USD")]
    max_cost: Option<f64>,

    /// The longest time for 95 % of the answers
    #[arg(long, value_name = "MS")]
    max_p95_ms: Option<f64>,

    /// How the model is compared with the baseline
    #[arg(long, value_name = "TEST")]
    test: Option<Test>,

    /// The loss that is allowed, by accuracy or what `evaluation.primary` says, as a share; `non-inferiority` needs one
    #[arg(long, value_name = "SHARE")]
    margin: Option<f64>,

    /// The level of the tests: how often, at most, noise alone may raise an alarm [default: 0.025]
    #[arg(long, value_name = "SHARE")]
    alpha: Option<f64>,

    /// Hold the test against the baseline however often one looks while rows are added: it needs more rows for it
    #[arg(long, num_args = 0, default_missing_value = "true")]
    any_time: Option<bool>,

    /// The least accuracy on a part of the rows, by a column of `data.slices`, `length` or `script`; may be given several times
    #[arg(long, value_name = "COLUMN=VALUE=SHARE", value_parser = slice)]
    min_slice: Vec<(String, f64)>,

    /// Ask that the model version that answered is the baseline's
    #[arg(long, num_args = 0, default_missing_value = "true")]
    same_version: Option<bool>,
}

fn recall(text: &str) -> Result<(String, f64), String> {
    let parts =
        text.rsplit_once('=').and_then(|(label, share)| Some((label.to_owned(), share.parse().ok()?)));
    parts.ok_or_else(|| "a label and a share, such as refund=0.9".to_owned())
}

fn slice(text: &str) -> Result<(String, f64), String> {
    let parts = text.rsplit_once('=').filter(|(slice, _)| slice.contains('='));
    let parts = parts.and_then(|(slice, share)| Some((slice.to_owned(), share.parse().ok()?)));
    parts.ok_or_else(|| "a column, its value and a share, such as channel=phone=0.9".to_owned())
}

impl From<LimitArgs> for Settings {
    fn from(args: LimitArgs) -> Self {
        let LimitArgs {
            baseline,
            models,
            min_accuracy,
            min_macro_f1,
            min_recall,
            judge_by,
            max_invalid,
            min_coverage,
            max_cost,
            max_p95_ms,
            test,
            margin,
            alpha,
            any_time,
            min_slice,
            same_version,
        } = args;
        Self {
            baseline,
            models,
            min_accuracy,
            min_macro_f1,
            min_recall,
            judge_by,
            max_invalid,
            min_coverage,
            max_cost,
            max_p95_ms,
            test,
            margin,
            alpha,
            any_time,
            min_slice,
            same_version,
        }
    }
}

impl ValueEnum for By {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Estimate, Self::LowerBound]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Estimate => PossibleValue::new("estimate").help("The figure itself"),
            Self::LowerBound => PossibleValue::new("lower_bound")
                .help("The low end of its 95 % interval: the limit must be proven"),
        })
    }
}

impl ValueEnum for Test {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Regression, Self::NonInferiority, Self::Off]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Regression => {
                PossibleValue::new("regression").help("Fails when a loss of more than the margin is proven")
            }
            Self::NonInferiority => PossibleValue::new("non-inferiority")
                .help("Passes when a loss of the margin or more is ruled out"),
            Self::Off => PossibleValue::new("off").help("Not at all"),
        })
    }
}
