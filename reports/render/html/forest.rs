//! The forest plot: each comparison's difference of accuracy with its interval, all on one scale.

use super::super::{p_value, units, verdict_words};
use super::markup::{Markup, name};
use super::strip::{self, Guide};
use super::verdict;
use crate::{Comparison, Figures, Verdict};

/// The plot; empty where nothing was compared.
pub(super) fn section(figures: &Figures) -> Markup {
    let shown: Vec<_> = figures
        .comparisons
        .iter()
        .filter_map(|comparison| Some((comparison, comparison.difference?)))
        .collect();
    let mut html = Markup::default();
    if shown.is_empty() {
        return html;
    }
    let allowed = figures.comparisons.iter().filter_map(|c| c.non_inferiority).map(|test| test.margin).next();
    let mut guides = vec![Guide { at: 0.0, class: "zero" }];
    // All comparisons of a run are by one figure.
    let metric = &shown[0].0.metric;
    guides.extend(allowed.map(|margin| Guide { at: metric.gain(-margin), class: "margin" }));
    let ends = shown.iter().flat_map(|(comparison, difference)| {
        let ends =
            comparison.difference_interval.map_or([*difference; 2], |interval| [interval.low, interval.high]);
        ends.into_iter().chain([*difference])
    });
    let scale = strip::scale(ends.chain(guides.iter().map(|guide| guide.at)));

    html.add(
        "<p>Difference of {} on the same rows{}: {} of the solid line the first model of a pair is ahead, {} of it the second. Lines are the intervals of the tests that decide.",
        &[
            &metric.words(),
            &if metric.is_share() { ", in percentage points" } else { "" },
            &if metric.is_share() { "right" } else { "left" },
            &if metric.is_share() { "left" } else { "right" },
        ],
    );
    if let Some(allowed) = allowed {
        html.add(
            " The dashed line is the loss that would still count as no worse, {}.",
            &[&units::margin(metric, allowed)],
        );
    }
    html.add("</p><table class=\"forest\"><thead class=\"unseen\"><tr><th scope=\"col\">Chart</th><th scope=\"col\">Difference</th></tr></thead>", &[]);
    html.each(&shown, |html, (comparison, difference)| row(html, comparison, *difference, &scale, &guides));
    let unit = if metric.is_share() { 100.0 } else { 1.0 };
    let digits = scale.decimals(unit);
    let axis = strip::axis(&scale, &guides, |tick| match tick * unit {
        0.0 => "0".to_owned(),
        tick => format!("{tick:+.digits$}"),
    });
    html.add(
        "<tfoot aria-hidden=\"true\"><tr><td class=\"chart\">{}</td><td></td></tr></tfoot></table>",
        &[&axis],
    );
    if figures.comparisons.len() > 1 {
        // What the head of the page had no room for.
        html.add("<details class=\"each\"><summary>All figures of each comparison</summary>", &[]);
        html.each(&figures.comparisons, verdict::comparison);
        html.add("</details>", &[]);
    }
    html
}

fn row(
    html: &mut Markup,
    comparison: &Comparison,
    difference: f64,
    scale: &super::scale::Scale,
    guides: &[Guide],
) {
    let class = match comparison.verdict {
        Verdict::Better | Verdict::NoWorse => "tuned",
        Verdict::Worse => "wrong",
        Verdict::NotProven | Verdict::Incomplete | Verdict::Unreadable => "base",
    };
    html.add(
        "<tbody><tr><th scope=\"rowgroup\" colspan=\"2\">{} <span class=\"against\">against {}</span></th></tr>",
        &[&name(&comparison.tuned), &name(&comparison.base)],
    );
    let strip = strip::interval(scale, difference, comparison.difference_interval, class, guides);
    html.add(
        "<tr><td class=\"chart\">{}</td><td class=\"num\"><strong>{}</strong>",
        &[&strip, &units::change(&comparison.metric, difference)],
    );
    if let Some(interval) = comparison.difference_interval {
        html.add("<small>{}</small>", &[&units::interval(&comparison.metric, interval)]);
    }
    let p = comparison.holm_p.map(p_value);
    html.add(
        "<small>{}{}{}</small></td></tr></tbody>",
        &[&verdict_words(comparison.verdict), &if p.is_some() { ", " } else { "" }, &p.unwrap_or_default()],
    );
}
