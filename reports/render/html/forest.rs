//! The forest plot: each comparison's difference of accuracy with its interval, all on one scale.

use super::super::{margin_words, p_value, points, verdict_words};
use super::markup::{Markup, name};
use super::strip::{self, Guide};
use super::verdict;
use super::words::points_interval;
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
    guides.extend(allowed.map(|margin| Guide { at: -margin, class: "margin" }));
    let ends = shown.iter().flat_map(|(comparison, difference)| {
        let ends =
            comparison.difference_interval.map_or([*difference; 2], |interval| [interval.low, interval.high]);
        ends.into_iter().chain([*difference])
    });
    let scale = strip::scale(ends.chain(guides.iter().map(|guide| guide.at)));

    html.add(
        "<p>Accuracy on the same rows, in percentage points: right of the solid line the first model of a pair is ahead, left of it the second. Lines are 95 % intervals (of the score test, for pairs).",
        &[],
    );
    if let Some(allowed) = allowed {
        html.add(
            " The dashed line is the loss that would still count as no worse, {}.",
            &[&margin_words(allowed)],
        );
    }
    html.add("</p><table class=\"forest\"><thead class=\"unseen\"><tr><th scope=\"col\">Chart</th><th scope=\"col\">Difference</th></tr></thead>", &[]);
    html.each(&shown, |html, (comparison, difference)| row(html, comparison, *difference, &scale, &guides));
    let digits = scale.decimals(100.0);
    let axis = strip::axis(&scale, &guides, |tick| match tick * 100.0 {
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
        &[&strip, &points(difference)],
    );
    if let Some(interval) = comparison.difference_interval {
        html.add("<small>{}</small>", &[&points_interval(interval)]);
    }
    let p = comparison.holm_p.map(p_value);
    html.add(
        "<small>{}{}{}</small></td></tr></tbody>",
        &[&verdict_words(comparison.verdict), &if p.is_some() { ", " } else { "" }, &p.unwrap_or_default()],
    );
}
