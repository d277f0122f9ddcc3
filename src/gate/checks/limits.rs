//! Figures held against the limits that are set for them.

use std::collections::BTreeSet;

use tunebench_data::{percent_beside, percent_limit};
use tunebench_reports::{Interval, rows_for_interval, rows_for_share};

use super::{AGAIN, Bound, By, Checked, Checks, Facts, Figure, Incompleteness, Outcome};

pub(super) fn unmeasured(facts: &Facts, check: impl Into<String>) -> Checked {
    let few = || "too few rows were answered to say anything".to_owned();
    let evidence = facts.lack.as_ref().map_or_else(few, |lack| format!("not judged: {}", lack.what));
    Checked::new(facts, check, Outcome::Incomplete, evidence)
}

pub(super) fn coverage(facts: &Facts, checks: &Checks) -> Checked {
    let (answered, rows) = (facts.counts.answered(), facts.counts.rows());
    let mut evidence =
        format!("{answered} of {rows} rows answered, at least {}", percent_limit(checks.min_coverage));
    if let Some(Incompleteness { what, hint }) = &facts.lack {
        evidence.push_str(&format!("; {what}; {hint}"));
    }
    let enough = facts.lack.is_none() && facts.counts.covers(checks.min_coverage);
    let outcome = if enough { Outcome::Passed } else { Outcome::Incomplete };
    Checked::new(facts, "coverage", outcome, evidence)
}

pub(super) fn at_least(facts: &Facts, check: String, figure: &Figure, limit: f64, by: By) -> Checked {
    let Some(value) = figure.value else {
        return Checked::new(facts, check, Outcome::Incomplete, "undefined: it has no rows".to_owned());
    };
    let interval = figure.interval;
    let range = interval.map_or_else(String::new, |interval| {
        format!(
            " (95 % CI {} to {})",
            percent_beside(interval.low, limit),
            percent_beside(interval.high, limit)
        )
    });
    let by_what = match by {
        By::Estimate => "by the estimate",
        By::LowerBound => "by the lower bound",
    };
    let evidence =
        format!("{}{range}, at least {} {by_what}", percent_beside(value, limit), percent_limit(limit));
    let side = |(value, interval): Bound| side(value, interval, limit, by);
    let answered = side((figure.value, interval));
    let [worst, best] = figure.worst_and_best.map_or([answered; 2], |bounds| bounds.map(side));
    let outcome = match answered {
        _ if worst == Some(true) => Outcome::Passed,
        _ if best == Some(false) => Outcome::Failed,
        Some(_) => Outcome::Incomplete,
        None => Outcome::Inconclusive,
    };
    let turned = if outcome == Outcome::Incomplete { could_turn(facts) } else { String::new() };
    let mut checked = Checked::new(facts, check, outcome, evidence + &turned);
    if outcome == Outcome::Inconclusive {
        let needed = match figure.is_share {
            true => rows_for_share(value, limit),
            false => interval.and_then(|interval| rows_for_interval(figure.rows, value, interval, limit)),
        };
        let needed = needed.filter(|rows| *rows < 1e12);
        checked.rows_to_decide = needed.map(|rows| (rows.ceil() as u64).max(figure.rows + 1));
    }
    checked
}

/// Whether a figure reaches its limit; none where that is open.
fn side(value: Option<f64>, interval: Option<Interval>, limit: f64, by: By) -> Option<bool> {
    match (by, interval) {
        (By::Estimate, _) => value.map(|value| value >= limit),
        (By::LowerBound, Some(interval)) if interval.low >= limit => Some(true),
        (By::LowerBound, Some(interval)) if interval.high < limit => Some(false),
        (By::LowerBound, _) => None,
    }
}

fn could_turn(facts: &Facts) -> String {
    format!("; the {} missing answers could turn it: {AGAIN}", facts.counts.unanswered)
}

pub(super) fn at_most(
    facts: &Facts,
    check: &str,
    value: Option<f64>,
    limit: f64,
    said: impl Fn(f64) -> String,
) -> Checked {
    match value {
        None => Checked::new(facts, check, Outcome::Incomplete, "it is not known".to_owned()),
        Some(value) => {
            let outcome = if value <= limit { Outcome::Passed } else { Outcome::Failed };
            Checked::new(facts, check, outcome, said(value))
        }
    }
}

/// The share of invalid answers. A missing one could be invalid as well.
pub(super) fn invalid(facts: &Facts, limit: f64) -> Checked {
    let (answered, counts) = (facts.counts.answered(), facts.counts);
    let share = (answered > 0).then(|| counts.invalid as f64 / answered as f64);
    let said = |share: f64| {
        let invalid = counts.invalid;
        format!(
            "{} ({invalid} of {answered} answers), at most {}",
            percent_beside(share, limit),
            percent_limit(limit)
        )
    };
    let mut checked = at_most(facts, "invalid", share, limit, said);
    let most = |invalid: u64| limit * counts.rows() as f64 >= invalid as f64;
    let open = most(counts.invalid) && !most(counts.invalid + counts.unanswered);
    if open && checked.outcome != Outcome::Incomplete {
        checked.outcome = Outcome::Incomplete;
        checked.evidence.push_str(&could_turn(facts));
    }
    checked
}

pub(super) fn version(facts: &Facts) -> Checked {
    let list = |versions: &BTreeSet<String>| versions.iter().cloned().collect::<Vec<_>>().join(", ");
    let (here, there) = (&facts.versions, &facts.baseline_versions);
    if here.is_empty() || there.is_empty() {
        let evidence = "the model version that answered is not known".to_owned();
        return Checked::new(facts, "version", Outcome::Incomplete, evidence);
    }
    let outcome = if here == there { Outcome::Passed } else { Outcome::Failed };
    let evidence = format!("{} answered; in the baseline {}", list(here), list(there));
    Checked::new(facts, "version", outcome, evidence)
}
