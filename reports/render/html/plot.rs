//! Charts of two dimensions: the frame with its axes, and what is drawn into it.

use super::markup::{At, Figure, Markup};
use super::scale::Scale;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 408.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 226.0;

/// An axis: what it shows, and how its ticks are written.
pub(super) struct Axis<'a> {
    pub(super) title: &'a str,
    pub(super) scale: Scale,
    pub(super) format: &'a dyn Fn(f64) -> String,
}

/// A scale along the width, over these values.
pub(super) fn across(values: impl IntoIterator<Item = f64>) -> Scale {
    Scale::around(values, LEFT, RIGHT)
}

/// A scale along the height, over these values.
pub(super) fn upwards(values: impl IntoIterator<Item = f64>) -> Scale {
    Scale::around(values, BOTTOM, TOP)
}

/// The share of something, across.
pub(super) fn share_across() -> Scale {
    Scale::new(0.0, 1.0, LEFT, RIGHT)
}

/// The share of something, from 0 upwards to `most`.
pub(super) fn share_upwards(most: f64) -> Scale {
    Scale::new(0.0, most, BOTTOM, TOP)
}

/// A chart on its way.
pub(super) struct Plot {
    svg: Markup,
    x: Scale,
    y: Scale,
}

impl Plot {
    /// An empty chart. The alternative says what the chart shows, for those who do not see it.
    pub(super) fn new(alternative: &str, x: &Axis<'_>, y: &Axis<'_>) -> Self {
        let mut svg = Markup::of(
            "<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
            &[&At(WIDTH), &At(HEIGHT), &alternative],
        );
        svg.each(y.scale.ticks(), |svg, tick| {
            let at = y.scale.at(tick);
            svg.add(
                "<line class=\"grid\" data-y=\"{}\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                &[&Figure(tick), &At(LEFT), &At(RIGHT), &At(at), &At(at), &At(LEFT - 7.0), &At(at + 4.0), &(y.format)(tick)],
            );
        });
        // Between two runs there is none: what has no name gets no mark.
        let named = x.scale.ticks().into_iter().filter(|tick| !(x.format)(*tick).is_empty());
        svg.each(named, |svg, tick| {
            let at = x.scale.at(tick);
            svg.add(
                "<line class=\"tick\" data-x=\"{}\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                &[&Figure(tick), &At(at), &At(at), &At(BOTTOM), &At(BOTTOM + 5.0), &At(at), &At(BOTTOM + 18.0), &(x.format)(tick)],
            );
        });
        svg.add(
            "<line class=\"tick\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>",
            &[&At(LEFT), &At(RIGHT), &At(BOTTOM), &At(BOTTOM)],
        );
        let (centre, foot) = (At((LEFT + RIGHT) / 2.0), At(HEIGHT - 6.0));
        svg.add(
            "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            &[&centre, &foot, &x.title],
        );
        let middle = At((TOP + BOTTOM) / 2.0);
        svg.add(
            "<text class=\"axis\" transform=\"translate(11 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            &[&middle, &y.title],
        );
        Self { svg, x: x.scale, y: y.scale }
    }

    /// A line through points; where a point is missing, it is drawn on to the next.
    pub(super) fn line(
        &mut self,
        class: &'static str,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> &mut Self {
        let points: Vec<_> = points.into_iter().collect();
        self.svg.add("<polyline class=\"{}\"", &[&class]);
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            self.svg.add(
                " data-first=\"{} {}\" data-last=\"{} {}\"",
                &[&Figure(first.0), &Figure(first.1), &Figure(last.0), &Figure(last.1)],
            );
        }
        self.svg.add(" points=\"", &[]);
        for (i, (x, y)) in points.into_iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            self.svg.add("{}{},{}", &[&gap, &At(self.x.at(x)), &At(self.y.at(y))]);
        }
        self.svg.add("\"/>", &[]);
        self
    }

    /// A dot with what it says when it is pointed at.
    pub(super) fn dot(
        &mut self,
        class: &'static str,
        (x, y): (f64, f64),
        radius: f64,
        says: &str,
    ) -> &mut Self {
        self.svg.add(
            "<circle class=\"{}\" data-x=\"{}\" data-y=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{}\"><title>{}</title></circle>",
            &[&class, &Figure(x), &Figure(y), &At(self.x.at(x)), &At(self.y.at(y)), &At(radius), &says],
        );
        self
    }

    /// A word beside a point, on the side where there is more room.
    pub(super) fn word(&mut self, (x, y): (f64, f64), word: &str) -> &mut Self {
        let at = self.x.at(x);
        let (at, anchor) = if at > RIGHT - 30.0 { (at - 9.0, "end") } else { (at + 9.0, "start") };
        self.svg.add(
            "<text class=\"word\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
            &[&At(at), &At(self.y.at(y) - 6.0), &anchor, &word],
        );
        self
    }

    /// The chart.
    pub(super) fn finish(mut self) -> Markup {
        self.svg.add("</svg>", &[]);
        self.svg
    }
}
