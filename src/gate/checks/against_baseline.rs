//! A model held against the baseline on the rows of both: the one check that is a test.

use tunebench_reports::render::{self, p_value_at, value};
use tunebench_reports::{ALPHA, Metric, Paired, Scenarios, fewest_clusters};

use super::{AGAIN, Checked, Checks, Facts, Outcome, Test};

pub(super) fn baseline(facts: &Facts, checks: &Checks, models: usize) -> Checked {
    // Each model has such a test, and the smallest p-value of them is multiplied by their number.
    let fewest = fewest_clusters(checks.alpha / models as f64);
    let compared = facts.paired.filter(|paired| {
        paired.coverage().is_some_and(|coverage| coverage > 0.0 && coverage >= checks.min_coverage)
    });
    let Some((paired, scenarios)) = compared.zip(facts.scenarios.as_ref()) else {
        let evidence = "too few rows were answered both here and in the baseline".to_owned();
        return Checked::new(facts, "baseline", Outcome::Incomplete, evidence);
    };
    let (margin, alpha) = (checks.margin, checks.alpha);
    let (alarm, proof) = (scenarios.loss_p(margin), scenarios.non_inferiority_p(margin));
    let answered = &scenarios.answered;
    let (proven, lost) = (answered.non_inferiority_p(margin) <= alpha, answered.loss_p(margin) <= alpha);
    let (outcome, p) = match checks.test {
        Test::NonInferiority if proof <= alpha => (Outcome::Passed, proof),
        // The answered rows decide, but those without an answer could turn it.
        Test::NonInferiority if proven => (Outcome::Incomplete, proof),
        _ if lost && alarm > alpha => (Outcome::Incomplete, alarm),
        Test::NonInferiority => (Outcome::Inconclusive, proof),
        // If even losing every row proved nothing, that nothing is proven means nothing.
        _ if answered.clusters() < fewest => (Outcome::Inconclusive, alarm),
        _ => (Outcome::Passed, alarm),
    };
    let mut evidence = paired_evidence(facts, &paired, scenarios, checks, p);
    if outcome == Outcome::Incomplete {
        evidence.push_str(&format!("; the {} missing answers could turn it: {}", scenarios.missing, AGAIN));
    }
    let mut checked = Checked::new(facts, "baseline", outcome, evidence);
    checked.p = Some(alarm);
    if outcome == Outcome::Inconclusive {
        checked.rows_to_decide = match checks.test {
            Test::NonInferiority => answered.rows_to_decide(margin, alpha),
            _ => Some(fewest),
        };
    }
    checked
}

fn paired_evidence(facts: &Facts, paired: &Paired, scenarios: &Scenarios, checks: &Checks, p: f64) -> String {
    let (metric, test) = (&facts.metric, scenarios.answered.test());
    let values = scenarios.values.map_or_else(
        || "undefined".to_owned(),
        |[before, after]| format!("{} → {}", value(metric, before), value(metric, after)),
    );
    let (lost, won) = (paired.only_base, paired.only_tuned);
    let margin = render::margin(metric, checks.margin);
    let asked = match (checks.test, checks.margin > 0.0) {
        (Test::NonInferiority, _) => format!("a loss of {margin} or more must be ruled out ({test})"),
        (_, true) => format!("no proven loss of more than {margin} ({test})"),
        (_, false) => format!("no proven loss ({test})"),
    };
    let clusters = match scenarios.answered.clusters() {
        clusters if clusters < paired.compared() && *metric == Metric::Accuracy => {
            format!(" in {clusters} clusters")
        }
        _ => String::new(),
    };
    let mut said = format!(
        "{} {values} over {} rows{clusters}, {lost} lost and {won} won; {asked} at level {}: {}",
        metric.words(),
        paired.compared(),
        checks.alpha,
        p_value_at(p, checks.alpha)
    );
    if let Some(least) = scenarios.answered.smallest_difference()
        // The formula is about this level, and about any loss.
        && (checks.test, checks.margin, checks.alpha) == (Test::Regression, 0.0, ALPHA / 2.0)
        && metric.is_share()
    {
        said.push_str(&format!("; a loss of {} points would be seen 4 times out of 5", points(least)));
    }
    said
}

fn points(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}
