//! What quality costs: accuracy over the cost of a thousand answers.

use super::super::amounts::dollars;
use super::super::percent;
use super::markup::{Markup, name};
use super::plot::{self, Axis, Plot};
use crate::{Figures, ModelFigures};

/// The chart; empty unless two models at least have both figures, and one of them costs something.
pub(super) fn section<'a>(figures: &'a Figures) -> Markup {
    let known =
        |model: &'a ModelFigures| Some((model, model.cost_per_thousand()?, model.scores.as_ref()?.accuracy?));
    let points: Vec<_> = figures.models.iter().filter_map(known).collect();
    let mut html = Markup::default();
    if points.len() < 2 || points.iter().all(|point| point.1 == 0.0) {
        return html;
    }
    let x_scale = plot::across(points.iter().map(|point| point.1).chain([0.0])).within(0.0, f64::MAX);
    let intervals = points.iter().filter_map(|point| point.0.scores.as_ref()?.accuracy_interval);
    let y_scale = plot::upwards(intervals.flat_map(|i| [i.low, i.high])).within(0.0, 1.0);
    let (x_digits, y_digits) = (x_scale.decimals(1.0), y_scale.decimals(100.0));
    let across = |tick: f64| format!("{tick:.x_digits$}");
    let upwards = |tick: f64| format!("{:.y_digits$}", tick * 100.0);
    let x = Axis { title: "dollars per 1,000 answers", scale: x_scale, format: &across };
    let y = Axis { title: "accuracy, %", scale: y_scale, format: &upwards };
    let mut plot =
        Plot::new("Accuracy over cost; the figures of each model are in the list that follows.", &x, &y);
    for (i, (model, cost, accuracy)) in points.iter().enumerate() {
        let class = if model.tuned_from.is_some() { "tuned" } else { "base" };
        if let Some(interval) = model.scores.as_ref().and_then(|scores| scores.accuracy_interval) {
            plot.line(
                if model.tuned_from.is_some() { "whisker tuned" } else { "whisker base" },
                [(*cost, interval.low), (*cost, interval.high)],
            );
        }
        plot.dot(class, (*cost, *accuracy), 5.0, &model.model);
        plot.word((*cost, *accuracy), &letter(i));
    }
    html.add("<p>Up is better, left is cheaper; lines are 95 % intervals.</p><div class=\"plots\"><figure>{}</figure><ol class=\"letters\">", &[&plot.finish()]);
    for (i, (model, cost, accuracy)) in points.iter().enumerate() {
        html.add(
            "<li><b>{}</b> {}<small>{}, {} per 1,000</small></li>",
            &[&letter(i), &name(&model.model), &percent(*accuracy), &dollars(*cost)],
        );
    }
    html.add("</ol></div>", &[]);
    let unknown: Vec<_> = figures.models.iter().filter(|model| known(model).is_none()).collect();
    if !unknown.is_empty() {
        html.add("<p class=\"note\">Without a known cost or a score:", &[]);
        html.each(unknown, |html, model| {
            html.add(" {}", &[&name(&model.model)]);
        });
        html.add("</p>", &[]);
    }
    html
}

/// A, B, C… and after Z the number.
fn letter(i: usize) -> String {
    match u8::try_from(i) {
        Ok(i) if i < 26 => char::from(b'A' + i).to_string(),
        _ => (i + 1).to_string(),
    }
}
