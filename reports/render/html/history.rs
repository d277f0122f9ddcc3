//! The accuracy of models over their runs.

use super::super::amounts::counted;
use super::super::percent;
use super::markup::{Markup, name};
use super::plot::{self, Axis, Plot};
use crate::{ModelFigures, PastRun, Report};

/// More runs than this no small chart can show; the newest are shown.
const RUNS: usize = 60;

/// A chart for each model that has a score now and had one before.
pub(super) fn section(report: &Report) -> Markup {
    let mut html = Markup::default();
    html.each(&report.figures.models, |html, model| {
        if let Some(chart) = report.history.get(&model.model).and_then(|past| chart(report, model, past)) {
            html.add("<figure>{}<figcaption>{}</figcaption></figure>", &[&chart, &name(&model.model)]);
        }
    });
    if html.is_empty() {
        return html;
    }
    Markup::of(
        "<p>Each dot is a run on the same test rows; the last one is this run, with its 95 % interval. Prompt and settings may \
         differ from run to run.</p><div class=\"plots\">{}</div>",
        &[&html],
    )
}

fn chart(report: &Report, model: &ModelFigures, past: &[PastRun]) -> Option<Markup> {
    let scores = model.scores.as_ref()?;
    let now = scores.accuracy?;
    let past = past.get(past.len().saturating_sub(RUNS)..)?;
    let first = past.first()?;
    let earlier = past.iter().map(|run| (run.accuracy, run.started.as_str()));
    let all: Vec<_> = earlier.chain([(now, report.run.manifest.started.as_str())]).collect();
    let at = |i: usize| (i + 1) as f64;
    let last = all.len();

    let x_scale = plot::across([1.0, at(last - 1)]).within(1.0, at(last - 1));
    let interval = scores.accuracy_interval;
    let ends = interval.iter().flat_map(|interval| [interval.low, interval.high]);
    let y_scale = plot::upwards(all.iter().map(|(accuracy, _)| *accuracy).chain(ends)).within(0.0, 1.0);
    let y_digits = y_scale.decimals(100.0);
    let across = |tick: f64| if tick.fract() == 0.0 { format!("{tick:.0}") } else { String::new() };
    let upwards = |tick: f64| format!("{:.y_digits$}", tick * 100.0);
    let x = Axis { title: "run", scale: x_scale, format: &across };
    let y = Axis { title: "accuracy, %", scale: y_scale, format: &upwards };
    let alternative = format!(
        "Accuracy of {} over {}: from {} to {}",
        model.model,
        counted(last as u64, "run", "runs"),
        percent(first.accuracy),
        percent(now)
    );
    let mut plot = Plot::new(&alternative, &x, &y);
    plot.line("base", all.iter().enumerate().map(|(i, (accuracy, _))| (at(i), *accuracy)));
    if let Some(interval) = interval {
        plot.line("whisker tuned", [(at(last - 1), interval.low), (at(last - 1), interval.high)]);
    }
    for (i, (accuracy, started)) in all.iter().enumerate() {
        let class = if i + 1 == last { "tuned" } else { "base" };
        plot.dot(class, (at(i), *accuracy), 3.5, &format!("{} on {started}", percent(*accuracy)));
    }
    Some(plot.finish())
}
