//! The candidates in the order in which to consider them: what the head of a page says of several.

use super::super::amounts::{dollars, duration};
use super::super::{
    Candidate, Decision, UNDEFINED, caveats, level_number, or_undefined, percent, units, verdict_phrase,
};
use super::markup::{Markup, name};
use crate::{Comparison, Metric, Report, Verdict};

/// One row for each candidate.
pub(super) fn table(report: &Report, decision: &Decision) -> Markup {
    let candidates = &decision.candidates;
    let priced = candidates.iter().any(|one| {
        [one.cost_per_thousand, one.cost_per_thousand_against].into_iter().flatten().any(|cost| cost > 0.0)
    });
    let timed = candidates.iter().any(|one| one.median_ms.is_some());
    let one_old = candidates.iter().all(|one| one.against == candidates[0].against);
    let comparisons = &report.figures.comparisons;
    let first = &comparisons[candidates[0].comparison];
    let level = first.confidence.unwrap_or(crate::CONFIDENCE);
    let unit = match &first.metric {
        Metric::Accuracy => "points".to_owned(),
        metric => metric.words(),
    };
    let mut html = Markup::of(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Candidates\"><table class=\"candidates\"><thead><tr><th scope=\"col\">Verdict</th><th scope=\"col\">Model</th>\
         <th scope=\"col\" class=\"num\">Difference <small>{}, {} %</small></th><th scope=\"col\" class=\"num\">Accuracy</th>",
        &[&unit, &level_number(level).to_string()],
    );
    if priced {
        html.add("<th scope=\"col\" class=\"num\">Cost <small>for 1,000</small></th>", &[]);
    }
    if timed {
        html.add("<th scope=\"col\" class=\"num\">Latency <small>median</small></th>", &[]);
    }
    html.add("</tr></thead><tbody>", &[]);
    html.each(candidates, |html, one| {
        let comparison = &comparisons[one.comparison];
        html.add("<tr><td>{}</td><th scope=\"row\">{}", &[&tag(comparison), &name(&one.model)]);
        if !one_old {
            html.add("<small>against {}</small>", &[&name(&one.against)]);
        }
        html.each(caveats(comparison), |html, caveat| {
            html.add("<small><strong>But:</strong> {}.</small>", &[&caveat]);
        });
        html.add("</th>{}", &[&figures(&comparison.metric, one, priced, timed)]);
        html.add("</tr>", &[]);
    });
    html.add("</tbody>", &[]);
    if one_old {
        html.add("{}", &[&old(report, &candidates[0], priced, timed)]);
    }
    html.add("</table></div>", &[]);
    html
}

/// The verdict as a coloured word.
pub(super) fn tag(comparison: &Comparison) -> Markup {
    let class = match comparison.verdict {
        Verdict::Better | Verdict::NoWorse => "good",
        Verdict::Worse => "bad",
        Verdict::NotProven | Verdict::Incomplete | Verdict::Unreadable => "open",
    };
    let mut words = verdict_phrase(comparison);
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Markup::of("<strong class=\"tag {}\">{}</strong>", &[&class, &words])
}

fn figures(metric: &Metric, one: &Candidate, priced: bool, timed: bool) -> Markup {
    let mut html = Markup::of(
        "<td class=\"num key\">{}",
        &[&or_undefined(one.difference, |difference| units::change_number(metric, difference))],
    );
    if let Some(interval) = one.difference_interval {
        html.add("<small>{}</small>", &[&units::interval(metric, interval)]);
    }
    html.add("</td>", &[]);
    rest(&mut html, one.accuracy, priced.then_some(one.cost_per_thousand), timed.then_some(one.median_ms));
    html
}

/// The cells that the candidates and the old model have in common.
fn rest(html: &mut Markup, accuracy: Option<f64>, cost: Option<Option<f64>>, median: Option<Option<f64>>) {
    html.add("<td class=\"num\">{}</td>", &[&or_undefined(accuracy, percent)]);
    if let Some(cost) = cost {
        html.add("<td class=\"num\">{}</td>", &[&cost.map_or_else(|| "unknown".to_owned(), dollars)]);
    }
    if let Some(median) = median {
        html.add("<td class=\"num\">{}</td>", &[&or_undefined(median, duration)]);
    }
}

/// The model whose place they would take.
fn old(report: &Report, one: &Candidate, priced: bool, timed: bool) -> Markup {
    let model = report.figures.model(&one.against);
    let accuracy = model.and_then(|model| model.scores.as_ref()?.accuracy);
    let median = model.and_then(|model| Some(model.latency?.median_ms));
    let mut html = Markup::of(
        "<tfoot><tr><td class=\"against\">compared with</td><th scope=\"row\">{}</th><td class=\"num\">{}</td>",
        &[&name(&one.against), &UNDEFINED],
    );
    rest(&mut html, accuracy, priced.then_some(one.cost_per_thousand_against), timed.then_some(median));
    html.add("</tr></tfoot>", &[]);
    html
}
