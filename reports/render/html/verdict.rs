//! The head of the page: what came out, in words first.

use super::super::amounts::counted;
use super::super::{
    Decision, caveats, chances, level_number, p_value, percent, points, price, thousands, units, unreadable,
};
use super::markup::{Markup, name};
use super::words::points_interval;
use super::{candidates, unreadable as unreadable_models};
use crate::{Comparison, Metric, ModelFigures, Report, Verdict};

/// A headline of more characters is set smaller.
const LONG: usize = 90;

/// The title and the verdicts.
pub(super) fn header(report: &Report, decision: &Decision) -> Markup {
    let figures = &report.figures;
    let rows = figures.models.iter().map(|model| model.counts().rows()).max().unwrap_or(0);
    let mut html = Markup::of(
        "<header><p class=\"kicker\"><span>Evaluation report</span> <span>{}</span> <span>{}</span> <span>{}</span></p>",
        &[
            &report.run.manifest.started.get(..10).unwrap_or_default(),
            &counted(rows, "test row", "test rows"),
            &counted(report.run.labels().len() as u64, "label", "labels"),
        ],
    );
    let long = decision.headline.chars().count() > LONG;
    html.add(
        "<h1{}>{}</h1>",
        &[&Markup::of(if long { " class=\"long\"" } else { "" }, &[]), &decision.headline],
    );
    if figures.comparisons.is_empty() {
        html.each(figures.models.iter().filter(|_| figures.models.len() == 1), alone);
    }
    html.add("{}", &[&unreadable_models::section(report)]);
    match &decision.candidates[..] {
        [_, _, ..] => {
            html.add("{}", &[&candidates::table(report, decision)]);
        }
        _ => {
            html.each(&figures.comparisons, comparison);
        }
    }
    if !figures.doubts.is_empty() {
        let reasons = counted(figures.doubts.len() as u64, "reason", "reasons");
        html.add(
            "<p class=\"careful\"><a href=\"#doubts\">{} to be careful</a> with these figures.</p>",
            &[&reasons],
        );
    }
    html.add("</header>", &[]);
    html
}

/// One model, with nothing to compare it with.
fn alone(html: &mut Markup, model: &ModelFigures) {
    let counts = model.counts();
    html.add(
        "<p class=\"lede\">{} answered {} of {} correctly",
        &[&name(&model.model), &thousands(counts.correct), &counted(counts.answered(), "row", "rows")],
    );
    if let Some(interval) = model.scores.as_ref().and_then(|scores| scores.accuracy_interval) {
        html.add(
            ": its accuracy lies between {} and {} (95 % interval)",
            &[&percent(interval.low), &percent(interval.high)],
        );
    }
    html.add(".</p>", &[]);
}

/// Every figure of a comparison.
pub(super) fn comparison(html: &mut Markup, comparison: &Comparison) {
    html.add("<article class=\"verdict\">{}", &[&pair(comparison)]);
    let paired = comparison.paired;
    let metric = &comparison.metric;
    match (comparison.values, comparison.difference) {
        (Some([base, tuned]), Some(difference)) => {
            html.add(
                "<dl class=\"keys\"><div><dt>{}</dt><dd>{} <span aria-label=\"to\">→</span> {}</dd></div>",
                &[&capitalised(&metric.words()), &units::value(metric, base), &units::value(metric, tuned)],
            );
            html.add("<div><dt>Difference</dt><dd>{}</dd>", &[&units::change(metric, difference)]);
            if let (Some(interval), Some(confidence)) =
                (comparison.difference_interval, comparison.confidence)
            {
                html.add(
                    "<dd class=\"more\">{} % interval {}</dd>",
                    &[&level_number(confidence).to_string(), &units::interval(metric, interval)],
                );
            }
            html.add(
                "</div><div><dt>Rows</dt><dd>{} won, {} lost</dd><dd class=\"more\">of {} that both answered</dd></div>",
                &[&thousands(paired.only_tuned), &thousands(paired.only_base), &thousands(paired.compared())],
            );
            html.add("{}</dl>", &[&tests(comparison)]);
        }
        _ => {
            html.add("<p>{}</p>", &[&missing(comparison)]);
        }
    }
    html.add("{}</article>", &[&outlook(comparison)]);
}

/// The verdict, and who is compared with whom.
fn pair(comparison: &Comparison) -> Markup {
    Markup::of(
        "<p class=\"pair\">{} <span>{}</span> <span class=\"against\">against {}</span></p>",
        &[&candidates::tag(comparison), &name(&comparison.tuned), &name(&comparison.base)],
    )
}

/// Why there are no figures.
fn missing(comparison: &Comparison) -> String {
    if comparison.verdict == Verdict::Unreadable {
        return unreadable(comparison);
    }
    let compared = comparison.paired.compared();
    let rows = compared + comparison.paired.left_out;
    format!("Only {} of {} rows were answered by both.", thousands(compared), thousands(rows))
}

/// With a large first letter.
fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The p-value that the verdict goes by.
fn tests(comparison: &Comparison) -> Markup {
    let mut html = Markup::default();
    let (Some(alone), Some(holm)) = (comparison.p, comparison.holm_p) else {
        return html;
    };
    html.add("<div><dt>{}</dt><dd>{}</dd>", &[&capitalised(comparison.test), &p_value(holm)]);
    if holm != alone {
        html.add("<dd class=\"more\">Holm-adjusted; alone {}</dd>", &[&p_value(alone)]);
    } else if comparison.has_clusters() {
        html.add("<dd class=\"more\">over {}</dd>", &[&counted(comparison.clusters, "cluster", "clusters")]);
    } else if let Some(exact) = comparison.mcnemar_p {
        html.add("<dd class=\"more\">exact McNemar {}</dd>", &[&p_value(exact)]);
    }
    html.add("</div>", &[]);
    if let Some(metric) = comparison.macro_f1.filter(|_| comparison.metric != Metric::MacroF1) {
        html.add(
            "<div><dt>Macro F1</dt><dd>{} <span aria-label=\"to\">→</span> {}</dd>",
            &[&percent(metric.base), &percent(metric.tuned)],
        );
        html.add(
            "<dd class=\"more\">{}{}</dd></div>",
            &[
                &points(metric.difference),
                &metric
                    .interval
                    .map_or_else(String::new, |interval| format!(", {}", points_interval(interval))),
            ],
        );
    }
    html
}

/// What the verdict means for the reader, and what would decide an open one.
fn outlook(comparison: &Comparison) -> Markup {
    let mut html = Markup::default();
    if let Some(test) = comparison.non_inferiority {
        let margin = units::margin(&comparison.metric, test.margin);
        let text = if test.proven {
            format!("A loss of {margin} or more is ruled out ({}, one-sided).", p_value(test.holm_p))
        } else {
            format!("A loss of {margin} or more is not ruled out ({}, one-sided).", p_value(test.holm_p))
        };
        html.add("<p>{}</p>", &[&text]);
    }
    for text in [chances(comparison), price(comparison)].into_iter().flatten() {
        html.add("<p>{}</p>", &[&text]);
    }
    for caveat in caveats(comparison) {
        html.add("<p><strong>But:</strong> {}.</p>", &[&caveat]);
    }
    let Some(power) = comparison.power else { return html };
    if let (Some(margin), Some(rows)) = (comparison.undecided_margin(), power.rows_to_decide) {
        html.add(
            "<p>About <strong>{}</strong> would decide whether the loss is within {}.</p>",
            &[&counted(rows, "row", "rows"), &units::margin(&comparison.metric, margin)],
        );
    }
    if comparison.verdict == Verdict::NotProven {
        html.add(
            "<p>These rows would prove a difference of {} or more with a chance of 80 %.",
            &[&units::size(&comparison.metric, power.smallest_difference)],
        );
        if let Some(rows) = power.rows_to_decide {
            html.add(
                " About <strong>{}</strong>, drawn anew, would decide. Adding to these and looking again is no proof.",
                &[&counted(rows, "row", "rows")],
            );
        }
        html.add("</p>", &[]);
    }
    html
}
