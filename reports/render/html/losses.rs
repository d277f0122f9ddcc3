//! The loss curves of trainings.

use super::super::amounts::counted;
use super::super::thousands;
use super::markup::{Markup, name};
use super::plot::{self, Axis, Plot};
use crate::{LossPoint, Report};

/// More points than this no chart can show.
const POINTS: usize = 400;

/// A chart for each training whose losses are known.
pub(super) fn section(report: &Report) -> Markup {
    let mut html = Markup::default();
    let models = report
        .figures
        .models
        .iter()
        .filter_map(|model| Some((&*model.model, report.losses.get(&model.model)?)));
    html.each(models, |html, (model, points)| {
        if let Some(chart) = chart(model, points) {
            html.add("<figure>{}<figcaption>{}</figcaption></figure>", &[&chart, &name(model)]);
        }
    });
    if html.is_empty() {
        return html;
    }
    Markup::of(
        "<p><span class=\"key tuned\"></span> loss on the training data <span class=\"key other\"></span> on the validation data. \
         A validation loss that rises again is a sign of training for too long.</p><div class=\"plots\">{}</div>",
        &[&html],
    )
}

fn chart(model: &str, points: &[LossPoint]) -> Option<Markup> {
    let train = thin(points, |point| point.train_loss);
    let valid = thin(points, |point| point.valid_loss);
    let (first, last) = (points.first()?.step, points.last()?.step);
    let end = |curve: &[(f64, f64)]| curve.last().map(|point| format!("{:.4}", point.1));
    let mut alternative = format!("Loss curve of {model} over {}", counted(last, "step", "steps"));
    for (what, curve) in [("training", &train), ("validation", &valid)] {
        if let (Some(start), Some(end)) = (curve.first(), end(curve)) {
            alternative.push_str(&format!("; {what} loss from {:.4} to {end}", start.1));
        }
    }
    let all = || train.iter().chain(&valid);
    all().next()?;
    let x_scale =
        plot::across(all().map(|point| point.0)).within(first.min(last) as f64, last.max(first) as f64);
    let y_scale = plot::upwards(all().map(|point| point.1).chain([0.0])).within(0.0, f64::MAX);
    let y_digits = y_scale.decimals(1.0);
    let across = |tick: f64| if tick.fract() == 0.0 { thousands(tick as u64) } else { String::new() };
    let upwards = |tick: f64| format!("{tick:.y_digits$}");
    let x = Axis { title: "step", scale: x_scale, format: &across };
    let y = Axis { title: "loss", scale: y_scale, format: &upwards };
    let mut plot = Plot::new(&alternative, &x, &y);
    plot.line("tuned", train.iter().copied()).line("other", valid.iter().copied());
    for (class, curve) in [("tuned", &train), ("other", &valid)] {
        if let (Some(&point), Some(end)) = (curve.last(), end(curve)) {
            plot.dot(class, point, 3.5, &format!("{end} at the end"));
        }
    }
    Some(plot.finish())
}

/// The points that are there, evenly thinned; the last one always stays.
fn thin(points: &[LossPoint], figure: impl Fn(&LossPoint) -> Option<f64>) -> Vec<(f64, f64)> {
    let all: Vec<_> = points
        .iter()
        .filter_map(|point| Some((point.step as f64, figure(point).filter(|loss| loss.is_finite())?)))
        .collect();
    let every = all.len().div_ceil(POINTS).max(1);
    let last = all.len().saturating_sub(1);
    all.into_iter().enumerate().filter(|(i, _)| i % every == last % every).map(|(_, point)| point).collect()
}
