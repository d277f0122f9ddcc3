//! The checks of the gate and how they are judged: figures in, outcomes with their evidence out.
//!
//! Two kinds of checks need statistics. Some *alarm*: they fail when something bad is proven, so each can fail by chance, and
//! Holm's adjustment over all of them keeps the chance of even one false alarm within alpha. Others ask for a *proof* before
//! they pass. All of those must pass, so a gate that should not pass does so by chance at most as often as each alone
//! (the intersection-union test, Berger 1982, "Multiparameter hypothesis testing and acceptance sampling"): they need no
//! adjustment.

mod against_baseline;
mod limits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tunebench_reports::render::p_value_at;
use tunebench_reports::{Counts, Interval, Metric, Paired, Scenarios, holm};

use against_baseline::baseline;
use limits::{at_least, at_most, coverage, invalid, unmeasured, version};

use crate::exit;

/// How to go on where rows have no answer yet.
pub(super) const AGAIN: &str = "run `tunebench eval` again; what was answered is not asked again";

/// How the names of the checks of a label's recall begin.
const RECALL: &str = "recall:";
/// And of those of a part of the rows.
const SLICE: &str = "slice:";

/// By what a figure is held against its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The figure itself.
    #[default]
    Estimate,
    /// The low end of its 95 % interval: the limit must be proven.
    LowerBound,
}

/// How a model is compared with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// Fails when a loss of more than the margin is proven.
    #[default]
    Regression,
    /// Passes when a loss of the margin or more is ruled out.
    NonInferiority,
    /// Not at all.
    Off,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checks {
    /// The least accuracy, 0 to 1.
    pub min_accuracy: Option<f64>,
    /// The least macro-F1, 0 to 1.
    pub min_macro_f1: Option<f64>,
    /// The least recall of labels, 0 to 1.
    pub min_recall: BTreeMap<String, f64>,
    /// The least accuracy of parts of the rows, 0 to 1, by column and value: `channel=phone`.
    pub min_slice: BTreeMap<String, f64>,
    /// By what the four above are judged.
    pub by: By,
    /// The largest share of invalid answers among all answers, 0 to 1.
    pub max_invalid: Option<f64>,
    /// The share of the rows that must be answered, 0 to 1.
    pub min_coverage: f64,
    /// The most that the answers may cost, in dollars.
    pub max_cost: Option<f64>,
    /// The longest time, in milliseconds, for 95 % of the answers.
    pub max_p95_ms: Option<f64>,
    /// The comparison with the baseline.
    pub test: Test,
    /// The loss of accuracy that is allowed, 0 to 1.
    pub margin: f64,
    /// The level of the tests, between 0 and 1, one-sided.
    pub alpha: f64,
    /// Whether the test holds however often one looks while rows are added.
    pub any_time: bool,
    /// Whether the model version must be the baseline's.
    pub same_version: bool,
}

/// A figure and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figure {
    /// Its value; none where it is undefined.
    pub value: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<Interval>,
    /// The rows behind it.
    pub rows: u64,
    /// Whether it is a share of these rows, and the interval Wilson's.
    pub is_share: bool,
    /// The same if every missing answer were wrong, and if every one were right; none where none is missing.
    pub worst_and_best: Option<[Bound; 2]>,
}

/// What a figure would be, with its 95 % interval.
pub type Bound = (Option<f64>, Option<Interval>);

/// What keeps results from being whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompleteness {
    /// Why there may be more rows.
    pub what: String,
    /// How to go on.
    pub hint: &'static str,
}

/// What is known of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// The model reference.
    pub model: String,
    /// The figure that the comparison with the baseline goes by.
    pub metric: Metric,
    /// What keeps the rows from being all there are.
    pub lack: Option<Incompleteness>,
    /// How the rows came out.
    pub counts: Counts,
    /// Accuracy.
    pub accuracy: Figure,
    /// Macro-F1.
    pub macro_f1: Figure,
    /// Recall by label.
    pub recall: BTreeMap<String, Figure>,
    /// Accuracy by the parts of the rows that a limit is set for.
    pub slices: BTreeMap<String, Figure>,
    /// What the answers cost in dollars, where prices are known.
    pub cost: Option<f64>,
    /// Within how many milliseconds 95 % of the answers came, where it was measured.
    pub p95_ms: Option<f64>,
    /// The model versions that answered.
    pub versions: BTreeSet<String>,
    /// The rows of the baseline, as the base, and of the model; none where no comparison is asked for.
    pub paired: Option<Paired>,
    /// The same rows, by their clusters and with all repeats of the model: what the test goes by.
    pub scenarios: Option<Scenarios>,
    /// The model versions that answered when the baseline was written.
    pub baseline_versions: BTreeSet<String>,
}

/// How a check or a gate came out; the later in this order, the more it weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What is asked for holds.
    Passed,
    /// The rows are too few to decide.
    Inconclusive,
    /// Something was not measured, or not to its end.
    Incomplete,
    /// What is asked for does not hold. No further row would turn this into something else, so it comes before all others.
    Failed,
}

impl Outcome {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => exit::DONE,
            Self::Failed => exit::FAILED,
            Self::Incomplete => exit::INCOMPLETE,
            Self::Inconclusive => exit::INCONCLUSIVE,
        }
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Of several together: that which weighs most. Nothing at all was not measured.
    pub fn of(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes.into_iter().max().unwrap_or(Self::Incomplete)
    }
}

/// A check that was judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// The model.
    pub model: String,
    /// What was checked, in one word.
    pub check: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was asked for, what was found, and how sure that is: one sentence.
    pub evidence: String,
    /// The p-value of an alarm, before any adjustment.
    pub p: Option<f64>,
    /// The same, adjusted for the number of alarms.
    pub holm_p: Option<f64>,
    /// How many rows would decide what is inconclusive, where any number would.
    pub rows_to_decide: Option<u64>,
}

impl Checked {
    fn new(facts: &Facts, check: impl Into<String>, outcome: Outcome, evidence: String) -> Self {
        let (model, check) = (facts.model.clone(), check.into());
        Self { model, check, outcome, evidence, p: None, holm_p: None, rows_to_decide: None }
    }
}

/// The whole gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// How it came out.
    pub outcome: Outcome,
    /// The checks, model by model.
    pub checks: Vec<Checked>,
    /// How many checks can raise a false alarm, and so were adjusted for.
    pub alarms: usize,
}

/// Judges all checks of all models together.
pub fn judge(models: &[Facts], checks: &Checks) -> Judgement {
    let mut checked: Vec<_> = models.iter().flat_map(|facts| of_model(facts, checks, models.len())).collect();
    let p: Vec<f64> = checked.iter().filter_map(|check| check.p).collect();
    let alarms = p.len();
    let mut adjusted = holm(&p).into_iter();
    for check in checked.iter_mut().filter(|check| check.p.is_some()) {
        check.holm_p = adjusted.next();
        if check.holm_p.is_some_and(|p| p <= checks.alpha) {
            (check.outcome, check.rows_to_decide) = (Outcome::Failed, None);
        }
        if alarms > 1
            && let Some(p) = check.holm_p
        {
            check
                .evidence
                .push_str(&format!("; adjusted for {alarms} tests (Holm) {}", p_value_at(p, checks.alpha)));
        }
    }
    for check in &mut checked {
        if check.outcome == Outcome::Inconclusive {
            check.evidence.push_str(&match check.rows_to_decide {
                Some(rows) if check.check.starts_with(RECALL) => {
                    format!("; about {rows} rows of this label would decide")
                }
                Some(rows) if check.check.starts_with(SLICE) => {
                    format!("; about {rows} rows of this part would decide")
                }
                Some(rows) => format!("; about {rows} rows would decide"),
                None => "; these rows are too few to say how many would decide".to_owned(),
            });
        }
    }
    Judgement { outcome: Outcome::of(checked.iter().map(|check| check.outcome)), checks: checked, alarms }
}

fn of_model(facts: &Facts, checks: &Checks, models: usize) -> Vec<Checked> {
    let mut all = vec![coverage(facts, checks)];
    let measured = all[0].outcome == Outcome::Passed;
    let mut floor = |name: String, figure: &Figure, limit: f64| {
        all.push(if measured {
            at_least(facts, name, figure, limit, checks.by)
        } else {
            unmeasured(facts, name)
        });
    };
    if let Some(limit) = checks.min_accuracy {
        floor("accuracy".to_owned(), &facts.accuracy, limit);
    }
    if let Some(limit) = checks.min_macro_f1 {
        floor("macro_f1".to_owned(), &facts.macro_f1, limit);
    }
    for (label, limit) in &checks.min_recall {
        floor(format!("{RECALL}{label}"), &facts.recall.get(label).copied().unwrap_or_default(), *limit);
    }
    for (slice, limit) in &checks.min_slice {
        floor(format!("{SLICE}{slice}"), &facts.slices.get(slice).copied().unwrap_or_default(), *limit);
    }
    if let Some(limit) = checks.max_invalid {
        all.push(if measured { invalid(facts, limit) } else { unmeasured(facts, "invalid") });
    }
    if let Some(limit) = checks.max_cost {
        let said = |cost: f64| format!("${cost:.4}, at most ${limit}");
        all.push(at_most(facts, "cost", facts.cost, limit, said));
    }
    if let Some(limit) = checks.max_p95_ms {
        let said = |p95: f64| format!("95 % of the answers within {p95:.1} ms, at most {limit} ms");
        all.push(at_most(facts, "latency", facts.p95_ms, limit, said));
    }
    if checks.test != Test::Off {
        all.push(if measured { baseline(facts, checks, models) } else { unmeasured(facts, "baseline") });
    }
    if checks.same_version {
        all.push(version(facts));
    }
    all
}
