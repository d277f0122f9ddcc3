//! Charts of one dimension that stand in the cells of a table: intervals and bars.
//!
//! Places along a strip are per cent of its width, so that it fits any cell; the figures stand beside it as text, and
//! so a strip is hidden from readers that cannot see. Each mark carries the figure that it stands for in `data-at`, so that
//! a test in a browser can hold its pixels against the axis.

use super::markup::{At, Figure, Markup};
use super::scale::Scale;
use crate::Interval;

/// A scale over the width of a strip, with room at both ends for the sign of a point.
pub(super) fn scale(values: impl IntoIterator<Item = f64>) -> Scale {
    Scale::around(values, 2.0, 98.0)
}

/// An upright line through a strip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guide {
    pub(super) at: f64,
    /// Its class, which says how it looks.
    pub(super) class: &'static str,
}

/// A point with its interval.
pub(super) fn interval(
    scale: &Scale,
    point: f64,
    interval: Option<Interval>,
    class: &'static str,
    guides: &[Guide],
) -> Markup {
    let mut svg = Markup::of("<svg class=\"strip\" height=\"18\" aria-hidden=\"true\">", &[]);
    svg.each(guides, |svg, guide| {
        let at = At(scale.at(guide.at));
        svg.add(
            "<line class=\"{}\" data-at=\"{}\" x1=\"{}%\" x2=\"{}%\" y1=\"0\" y2=\"100%\"/>",
            &[&guide.class, &Figure(guide.at), &at, &at],
        );
    });
    if let Some(Interval { low, high }) = interval {
        svg.add(
            "<line class=\"whisker {}\" data-low=\"{}\" data-high=\"{}\" x1=\"{}%\" x2=\"{}%\" y1=\"9\" y2=\"9\"/>",
            &[&class, &Figure(low), &Figure(high), &At(scale.at(low)), &At(scale.at(high))],
        );
    }
    svg.add(
        "<circle class=\"{}\" data-at=\"{}\" cx=\"{}%\" cy=\"9\" r=\"4.5\"/></svg>",
        &[&class, &Figure(point), &At(scale.at(point))],
    );
    svg
}

/// Where the ticks of a scale stand, for the foot of a column of strips.
pub(super) fn axis(scale: &Scale, guides: &[Guide], format: impl Fn(f64) -> String) -> Markup {
    let mut svg = Markup::of("<svg class=\"strip\" height=\"26\" aria-hidden=\"true\">", &[]);
    svg.each(guides, |svg, guide| {
        let at = At(scale.at(guide.at));
        svg.add(
            "<line class=\"{}\" data-at=\"{}\" x1=\"{}%\" x2=\"{}%\" y1=\"0\" y2=\"6\"/>",
            &[&guide.class, &Figure(guide.at), &at, &at],
        );
    });
    svg.each(scale.ticks(), |svg, tick| {
        let at = At(scale.at(tick));
        svg.add(
            "<line class=\"tick\" data-at=\"{}\" x1=\"{}%\" x2=\"{}%\" y1=\"0\" y2=\"5\"/>",
            &[&Figure(tick), &at, &at],
        );
        let anchor = match at.0 {
            at if at < 10.0 => "start",
            at if at > 90.0 => "end",
            _ => "middle",
        };
        svg.add("<text x=\"{}%\" y=\"20\" text-anchor=\"{}\">{}</text>", &[&at, &anchor, &format(tick)]);
    });
    svg.add("</svg>", &[]);
    svg
}

/// A bar from 0 to a share, with its interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bar {
    pub(super) share: Option<f64>,
    pub(super) interval: Option<Interval>,
    pub(super) class: &'static str,
}

/// Bars below each other, from 0 to 1.
pub(super) fn bars(bars: &[Bar]) -> Markup {
    let mut svg =
        Markup::of("<svg class=\"bars\" height=\"{}\" aria-hidden=\"true\">", &[&(bars.len() * 13)]);
    for (i, bar) in bars.iter().enumerate() {
        let (top, middle) = (i * 13 + 2, At(i as f64 * 13.0 + 6.5));
        if let Some(share) = bar.share {
            let width = At(share * 100.0);
            svg.add(
                "<rect class=\"{}\" data-at=\"{}\" y=\"{}\" width=\"{}%\" height=\"9\"/>",
                &[&bar.class, &Figure(share), &top, &width],
            );
        }
        if let Some(Interval { low, high }) = bar.interval {
            let (from, to) = (At(low * 100.0), At(high * 100.0));
            svg.add(
                "<line data-low=\"{}\" data-high=\"{}\" x1=\"{}%\" x2=\"{}%\" y1=\"{}\" y2=\"{}\"/>",
                &[&Figure(low), &Figure(high), &from, &to, &middle, &middle],
            );
        }
    }
    svg.add("</svg>", &[]);
    svg
}
