//! One look: what the figures mean for whoever has to choose a model, in one sentence, and the candidates in the order in
//! which to consider them. Every format for people begins with it.

use std::cmp::Ordering;

use serde::Serialize;

use super::amounts::{counted, dollars};
use super::text::clean;
use super::{percent, units, unreadable, verdict_phrase};
use crate::{Comparison, Figures, Interval, Metric, Report, Verdict};

/// The characters of a cause that a headline has room for.
const LONGEST_CAUSE: usize = 160;

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// One or two short sentences.
    pub headline: String,
    /// The models that could be taken, the one to consider first at the front.
    pub candidates: Vec<Candidate>,
}

/// A model that could take the place of another.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Candidate {
    /// Its reference.
    pub model: String,
    /// The model whose place it could take.
    pub against: String,
    /// The verdict, in words.
    pub verdict: String,
    /// What the verdict is about: its accuracy, or whatever figure decides, minus that of the other.
    pub difference: Option<f64>,
    /// The interval of that difference.
    pub difference_interval: Option<Interval>,
    /// Its own accuracy over the rows that both answered.
    pub accuracy: Option<f64>,
    /// What a thousand of its answers cost in dollars, where that is known.
    pub cost_per_thousand: Option<f64>,
    /// The same of the other model.
    pub cost_per_thousand_against: Option<f64>,
    /// The median time of an answer in milliseconds, where that was measured.
    pub median_ms: Option<f64>,
    /// The comparison that it comes from, in the order of the figures.
    #[serde(skip)]
    pub comparison: usize,
}

impl Decision {
    /// Says what came out of a run.
    pub fn of(report: &Report) -> Self {
        let figures = &report.figures;
        let old = old_model(report);
        let mut chosen: Vec<usize> = (0..figures.comparisons.len())
            .filter(|&i| old.is_none_or(|old| figures.comparisons[i].base == old))
            .collect();
        chosen.sort_by(|&a, &b| order(figures, &figures.comparisons[a], &figures.comparisons[b]));
        let candidates = chosen.iter().map(|&i| candidate(figures, i)).collect();
        Self { headline: headline(report, old, &chosen), candidates }
    }
}

/// The one model whose place all candidates could take: that which the user named, or else the only base.
fn old_model<'a>(report: &'a Report) -> Option<&'a str> {
    let comparisons = &report.figures.comparisons;
    let named = report.run.manifest.against.as_deref();
    if let Some(named) = named.filter(|named| comparisons.iter().any(|one| one.base == **named)) {
        return Some(named);
    }
    let first = comparisons.first()?.base.as_str();
    comparisons.iter().all(|one| one.base == first).then_some(first)
}

fn candidate(figures: &Figures, i: usize) -> Candidate {
    let comparison = &figures.comparisons[i];
    let cost = |model: &str| figures.model(model)?.cost_per_thousand();
    Candidate {
        model: comparison.tuned.clone(),
        against: comparison.base.clone(),
        verdict: verdict_phrase(comparison),
        difference: comparison.difference,
        difference_interval: comparison.difference_interval,
        accuracy: accuracy(figures, comparison),
        cost_per_thousand: cost(&comparison.tuned),
        cost_per_thousand_against: cost(&comparison.base),
        median_ms: figures.model(&comparison.tuned).and_then(|model| Some(model.latency?.median_ms)),
        comparison: i,
    }
}

/// The accuracy of the candidate, where another figure decides over all rows that it answered.
fn accuracy(figures: &Figures, comparison: &Comparison) -> Option<f64> {
    match comparison.metric {
        Metric::Accuracy => comparison.values.map(|[_, tuned]| tuned),
        _ => figures.model(&comparison.tuned)?.scores.as_ref()?.accuracy,
    }
}

/// A difference of the figure that decides; which figure that is, where it is not accuracy.
fn change(comparison: &Comparison, difference: f64) -> String {
    let change = units::change(&comparison.metric, difference);
    match comparison.metric {
        Metric::Accuracy => change,
        _ => clean(&format!("{change} of {}", comparison.metric.words())),
    }
}

/// What may replace comes first, then what may not be ruled out. Among models that are better, and among those of which
/// nothing is proven, the more accurate one comes first; among those that are no worse, the cheaper one.
fn order(figures: &Figures, a: &Comparison, b: &Comparison) -> Ordering {
    let rank = |comparison: &Comparison| match comparison.verdict {
        Verdict::Better => 0,
        Verdict::NoWorse => 1,
        Verdict::NotProven => 2,
        Verdict::Worse => 3,
        Verdict::Incomplete => 4,
        Verdict::Unreadable => 5,
    };
    let cost = |comparison: &Comparison| match comparison.verdict {
        Verdict::NoWorse => figures.model(&comparison.tuned).and_then(|m| m.cost_per_thousand()),
        _ => None,
    };
    let cheaper = match (cost(a), cost(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    let difference = |comparison: &Comparison| {
        comparison.difference.map_or(f64::NEG_INFINITY, |difference| comparison.metric.gain(difference))
    };
    let by_rank = (rank(a), rests_on_form(a)).cmp(&(rank(b), rests_on_form(b)));
    by_rank.then(cheaper).then(difference(b).total_cmp(&difference(a))).then(a.tuned.cmp(&b.tuned))
}

fn can_replace(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Better | Verdict::NoWorse)
}

/// Whether a model could replace another only because answers could not be read.
fn rests_on_form(comparison: &Comparison) -> bool {
    can_replace(comparison.verdict) && comparison.if_read.is_some_and(|read| !can_replace(read.verdict))
}

fn headline(report: &Report, old: Option<&str>, chosen: &[usize]) -> String {
    let figures = &report.figures;
    if let Some(cause) = &report.run.manifest.ended_by {
        return format!("The run ended early: {}.", clean(&shortened(cause)));
    }
    let comparisons: Vec<_> = chosen.iter().map(|&i| &figures.comparisons[i]).collect();
    match (&comparisons[..], old) {
        ([], _) if figures.models.len() == 1 => {
            match figures.models[0].scores.as_ref().and_then(|scores| scores.accuracy) {
                Some(accuracy) => format!("{} of the answers are right.", percent(accuracy)),
                None => "Too few rows were answered for a score.".to_owned(),
            }
        }
        ([], _) => "No two models were compared.".to_owned(),
        ([only], _) => of_one(report, only),
        (several, Some(old)) => of_several(figures, old, several),
        (several, None) if several.iter().all(|one| is_of_earlier_run(report, one)) => {
            format!("Compared with the earlier run: {}.", tally(several))
        }
        (several, None) => format!("Of {} comparisons: {}.", several.len(), tally(several)),
    }
}

/// Of one pair, whose names follow anyway.
fn of_one(report: &Report, only: &Comparison) -> String {
    let figures = &report.figures;
    let (subject, object) = if is_of_earlier_run(report, only) {
        ("The model", "it was in the earlier run")
    } else if only.is_own_base(figures) {
        ("The tuned model", "its base")
    } else {
        ("The candidate", "the model it is to replace")
    };
    let price = price(figures, only).unwrap_or_default();
    match (only.verdict, only.difference) {
        (Verdict::Better, Some(difference)) => {
            format!("{subject} is better than {object}: {}{price}{}.", change(only, difference), but(only))
        }
        (Verdict::Worse, Some(difference)) => {
            format!("{subject} is worse than {object}: {}{price}{}.", change(only, difference), but(only))
        }
        (Verdict::NoWorse, _) => {
            let margin = only
                .non_inferiority
                .map(|test| format!(" by {} or more", units::margin(&only.metric, test.margin)));
            let margin = margin.unwrap_or_default();
            format!("{subject} is no worse than {object}{margin}{price}{}.", but(only))
        }
        (Verdict::Unreadable, _) => format!("{}.", clean(&unreadable(only))),
        (Verdict::Incomplete, _) => "Too few rows were answered for a verdict.".to_owned(),
        _ => "No difference is proven.".to_owned(),
    }
}

/// Of several candidates for the place of one model; the first of them is the best.
fn of_several(figures: &Figures, old: &str, several: &[&Comparison]) -> String {
    let old = clean(old);
    let all = |verdict| several.iter().all(|one| one.verdict == verdict);
    let fitting: Vec<_> = several.iter().filter(|one| can_replace(one.verdict)).collect();
    let Some(first) = fitting.first() else {
        if all(Verdict::Incomplete) {
            return "Too few rows were answered for a verdict.".to_owned();
        }
        if all(Verdict::Unreadable) {
            return format!("{}.", clean(&unreadable(several[0])));
        }
        let margin = several.iter().find_map(|one| Some((&one.metric, one.non_inferiority?.margin)));
        let margin = margin
            .map(|(metric, margin)| format!(", or to lose less than {}", units::margin(metric, margin)));
        return format!("Nothing here is proven better than {old}{}.", margin.unwrap_or_default());
    };
    let name = clean(&first.tuned);
    let price = price(figures, first).unwrap_or_default();
    let mut text = format!("{name} can replace {old}: {}{price}{}.", gain(first), but(first));
    let cost = |comparison: &Comparison| figures.model(&comparison.tuned)?.cost_per_thousand();
    let cheapest = fitting.iter().filter(|one| cost(one).is_some() && !rests_on_form(one));
    let cheapest =
        cheapest.min_by(|a, b| cost(a).unwrap_or(f64::MAX).total_cmp(&cost(b).unwrap_or(f64::MAX)));
    if let (Some(other), Some(least)) = (cheapest, cheapest.and_then(|one| cost(one)))
        && cost(first).is_some_and(|cost| dollars(cost) != dollars(least))
    {
        text.push_str(&format!(
            " The cheapest that can is {}: {}, at {}.",
            clean(&other.tuned),
            gain(other),
            dollars(least)
        ));
    }
    text
}

/// By how much a model is better, or by how little it is worse at most.
fn gain(comparison: &Comparison) -> String {
    match (comparison.verdict, comparison.difference) {
        (Verdict::Better, Some(difference)) => format!("better, {}", change(comparison, difference)),
        _ => verdict_phrase(comparison),
    }
}

/// What the candidate costs instead of the other; none where a price is not known, or neither costs anything.
fn price(figures: &Figures, comparison: &Comparison) -> Option<String> {
    let cost = |model: &str| figures.model(model)?.cost_per_thousand();
    let (new, old) = (cost(&comparison.tuned)?, cost(&comparison.base)?);
    (new != 0.0 || old != 0.0)
        .then(|| format!(", at {} instead of {} for 1,000 texts", dollars(new), dollars(old)))
}

/// What takes the decision away again, where something does.
fn but(comparison: &Comparison) -> String {
    match comparison.if_read {
        Some(read) => {
            let model = if read.tuned { &comparison.tuned } else { &comparison.base };
            let answers = counted(read.answers, "answer", "answers");
            format!(", but that rests on {answers} of {} that name no label", clean(model))
        }
        None => String::new(),
    }
}

/// Whether a model is compared with itself, as it was in another run.
fn is_of_earlier_run(report: &Report, comparison: &Comparison) -> bool {
    report.run.manifest.model(&comparison.tuned).is_some_and(|record| record.earlier.is_some())
}

/// Several verdicts against several models: how many there are of each.
fn tally(comparisons: &[&Comparison]) -> String {
    let of = |verdict| comparisons.iter().filter(|comparison| comparison.verdict == verdict).count();
    let words = |verdict| match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NoWorse => "no worse",
        Verdict::NotProven => "without a proven difference",
        Verdict::Incomplete => "without enough answers",
        Verdict::Unreadable => "without readable answers",
    };
    let parts: Vec<_> = Verdict::ALL
        .iter()
        .filter(|verdict| of(**verdict) > 0)
        .map(|verdict| format!("{} {}", of(*verdict), words(*verdict)))
        .collect();
    parts.join(", ")
}

/// So much of a cause as fits a headline; the manifest has all of it.
fn shortened(cause: &str) -> String {
    match cause.char_indices().nth(LONGEST_CAUSE) {
        Some((end, _)) => format!("{}…", &cause[..end]),
        None => cause.trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{predictions, run};
    use crate::{Run, TokenUsage};

    const ROWS: usize = 400;

    /// So many right answers, then wrong ones, then unreadable ones.
    fn answers(right: usize, unreadable: usize) -> String {
        let wrong = ROWS - right - unreadable;
        format!("{}{}{}", "a".repeat(right), "!".repeat(unreadable), "b".repeat(wrong))
    }

    /// A run of `old` with 340 right answers and candidates with so many, each with what a thousand texts cost.
    fn candidates(margin: Option<f64>, list: &[(&str, usize, usize, Option<f64>)]) -> Run {
        let gold = "a".repeat(ROWS);
        let rows = |right, unreadable| predictions(&gold, &answers(right, unreadable));
        let mut models = vec![("old", None, rows(340, 0))];
        models
            .extend(list.iter().map(|(name, right, unreadable, _)| (*name, None, rows(*right, *unreadable))));
        let mut run = run(&["a", "b"], models);
        (run.manifest.margin, run.manifest.against) = (margin, Some("old".to_owned()));
        let costs = std::iter::once(Some(0.61)).chain(list.iter().map(|one| one.3));
        for (record, cost) in run.manifest.models.iter_mut().zip(costs) {
            let cost_usd = cost.map(|cost: f64| cost * ROWS as f64 / 1000.0);
            record.usage = Some(TokenUsage { input_tokens: 1, output_tokens: 1, cost_usd });
        }
        run
    }

    fn said(run: &Run) -> (String, Vec<String>) {
        let decision = Decision::of(&Report::new(run));
        (decision.headline, decision.candidates.into_iter().map(|one| one.model).collect())
    }

    #[test]
    fn names_what_can_replace_the_old_model_and_at_what_price() {
        let list = [("worse", 250, 0, Some(0.01)), ("same", 339, 0, Some(0.04)), ("dear", 341, 0, Some(2.0))];
        let (headline, order) = said(&candidates(Some(0.02), &list));
        assert_eq!(
            headline,
            "same can replace old: no worse than 2 points, at $0.04 instead of $0.61 for 1,000 texts."
        );
        assert_eq!(order, ["same", "dear", "worse"]);
    }

    #[test]
    fn a_better_model_comes_first_and_a_cheaper_one_is_named_too() {
        let list = [("same", 340, 0, Some(0.2)), ("better", 390, 0, Some(1.5)), ("unpriced", 339, 0, None)];
        let (headline, order) = said(&candidates(Some(0.02), &list));
        assert_eq!(
            headline,
            "better can replace old: better, +12.5 points, at $1.50 instead of $0.61 for 1,000 texts. \
             The cheapest that can is same: no worse than 2 points, at $0.20."
        );
        assert_eq!(order, ["better", "same", "unpriced"]);
    }

    #[test]
    fn nothing_proven_is_said_to_be_nothing() {
        let list = [("a", 344, 0, None), ("b", 250, 0, None)];
        assert_eq!(said(&candidates(None, &list)).0, "Nothing here is proven better than old.");
        assert_eq!(
            said(&candidates(Some(0.001), &list)).0,
            "Nothing here is proven better than old, or to lose less than 0.1 points."
        );
    }

    #[test]
    fn what_rests_on_unreadable_answers_says_so_and_comes_after_what_does_not() {
        let mut run = candidates(None, &[("clean", 362, 0, None), ("other", 390, 0, None)]);
        let unread = predictions(&"a".repeat(ROWS), &answers(340, 35));
        run.evaluations[0].predictions = unread;
        let (headline, order) = said(&run);
        assert_eq!(headline, "other can replace old: better, +12.5 points.");
        assert_eq!(order, ["other", "clean"]);
        run.evaluations.truncate(2);
        run.manifest.models.truncate(2);
        assert_eq!(
            said(&run).0,
            "The candidate is better than the model it is to replace: +5.5 points, but that rests on 35 answers of old that \
             name no label."
        );
    }

    #[test]
    fn without_one_old_model_verdicts_are_counted() {
        let gold = "a".repeat(ROWS);
        let rows = |right| predictions(&gold, &answers(right, 0));
        let models = vec![
            ("x", None, rows(300)),
            ("xt", Some("x"), rows(390)),
            ("y", None, rows(300)),
            ("yt", Some("y"), rows(200)),
        ];
        let (headline, order) = said(&run(&["a", "b"], models));
        assert_eq!(headline, "Of 2 comparisons: 1 better, 1 worse.");
        assert_eq!(order, ["xt", "yt"]);
    }

    #[test]
    fn an_end_before_time_is_all_that_is_said() {
        let mut run = candidates(None, &[("a", 390, 0, None)]);
        run.manifest.ended_by = Some("the cap of $1 was reached.".to_owned());
        assert_eq!(said(&run).0, "The run ended early: the cap of $1 was reached.");
    }
}
