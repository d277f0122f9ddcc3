//! What probabilities are worth: the reliability curve, the risk-coverage curve, and thresholds.

use super::super::{coefficient, or_undefined, percent, percent_number, thousands};
use super::markup::{Markup, name};
use super::plot::{self, Axis, Plot};
use super::words::share_interval;
use crate::{Calibration, Figures};

/// The charts of all models with probabilities; empty where none has any.
pub(super) fn section(figures: &Figures) -> Markup {
    let with: Vec<_> =
        figures.models.iter().filter_map(|m| Some((&*m.model, m.calibration.as_ref()?))).collect();
    let mut html = Markup::default();
    if with.is_empty() {
        return html;
    }
    html.add(
        "<p>All figures are about one event: that the answer is right, held against the probability that the model gave its answer. \
         On the diagonal, probabilities are true. Answering only what the model is sure of lowers the errors: the second curve says how much.</p>",
        &[],
    );
    html.each(with, |html, (model, calibration)| {
        html.add(
            "<h3>{}</h3><p class=\"note\">Expected calibration error {} (15 bins of equal width), without what chance adds {}{}, Brier score {}, log loss {}{}, over {} rows.</p>",
            &[
                &name(model),
                &percent(calibration.expected_calibration_error),
                &percent(calibration.debiased_calibration_error),
                &calibration.debiased_calibration_error_interval.map_or_else(String::new, |interval| {
                    format!(" ({} %)", share_interval(interval))
                }),
                &coefficient(calibration.brier),
                &coefficient(calibration.log_loss),
                &calibration.multiclass_log_loss.map_or_else(String::new, |loss| {
                    format!(", log loss over all labels {}", coefficient(loss))
                }),
                &thousands(calibration.rows),
            ],
        );
        html.add("<div class=\"plots\"><figure>{}<figcaption>Reliability; a larger dot means more rows</figcaption></figure>", &[&reliability(model, calibration)]);
        html.add("<figure>{}<figcaption>Errors among the answers that the model is surest of</figcaption></figure></div>", &[&risk(model, calibration)]);
        html.add("{}", &[&tables(calibration)]);
    });
    html
}

fn reliability(model: &str, calibration: &Calibration) -> Markup {
    let alternative = format!("Reliability curve of {model}; its figures are in the table below.");
    let format = |tick: f64| format!("{:.0}", tick * 100.0);
    let x = Axis { title: "probability, %", scale: plot::share_across(), format: &format };
    let y = Axis { title: "right, %", scale: plot::share_upwards(1.0), format: &format };
    let mut plot = Plot::new(&alternative, &x, &y);
    plot.line("ideal", [(0.0, 0.0), (1.0, 1.0)]);
    plot.line("tuned", calibration.bins.iter().map(|bin| (bin.confidence, bin.accuracy)));
    let most = calibration.bins.iter().map(|bin| bin.rows).max().unwrap_or(1) as f64;
    for bin in &calibration.bins {
        let says = format!(
            "probability {}–{}: {} of {} rows right",
            percent_number(bin.low),
            percent(bin.high),
            percent(bin.accuracy),
            thousands(bin.rows)
        );
        // The area of a dot stands for the rows.
        let radius = 2.5 + 7.0 * (bin.rows as f64 / most).sqrt();
        plot.dot("tuned", (bin.confidence, bin.accuracy), radius, &says);
    }
    plot.finish()
}

fn risk(model: &str, calibration: &Calibration) -> Markup {
    let points = &calibration.risk_coverage;
    let all = points.last().map_or(0.0, |point| point.risk);
    let alternative = format!(
        "Risk-coverage curve of {model}: {} of the answers are wrong when all rows are answered.",
        percent(all)
    );
    let most = points.iter().map(|point| point.risk).fold(0.01, f64::max);
    let y_scale = plot::share_upwards((most * 1.1).min(1.0));
    let digits = y_scale.decimals(100.0);
    let across = |tick: f64| format!("{:.0}", tick * 100.0);
    let upwards = |tick: f64| format!("{:.digits$}", tick * 100.0);
    let x = Axis { title: "rows answered, %", scale: plot::share_across(), format: &across };
    let y = Axis { title: "wrong, %", scale: y_scale, format: &upwards };
    let mut plot = Plot::new(&alternative, &x, &y);
    plot.line("tuned", points.iter().map(|point| (point.coverage, point.risk)));
    if let Some(last) = points.last() {
        plot.dot(
            "tuned",
            (last.coverage, last.risk),
            4.0,
            &format!("all rows: {} wrong", percent(last.risk)),
        );
    }
    plot.finish()
}

/// What the curves show, in figures.
fn tables(calibration: &Calibration) -> Markup {
    let mut html = Markup::of(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Thresholds\"><table><caption>What to accept for a wanted precision</caption><thead><tr><th scope=\"col\">Precision</th>\
         <th scope=\"col\" class=\"num\">From probability</th><th scope=\"col\" class=\"num\">Rows accepted</th>\
         <th scope=\"col\" class=\"num\">On rows that did not choose it: accepted</th><th scope=\"col\" class=\"num\">right</th></tr></thead><tbody>",
        &[],
    );
    html.each(&calibration.thresholds, |html, point| {
        html.add("<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>", &[
            &percent(point.precision),
            &point.threshold.map_or("not reached".to_owned(), |threshold| format!("{threshold:.4}")),
            &percent(point.coverage),
            &percent(point.held_out.coverage),
            &or_undefined(point.held_out.precision, |precision| {
                let interval = point.held_out.interval.map_or_else(String::new, share_interval);
                format!("{} ({interval} %)", percent(precision))
            }),
        ]);
    });
    html.add(
        "</tbody></table></div><details><summary>The figures of the reliability curve</summary><div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Reliability\"><table><thead><tr><th scope=\"col\">Probability</th>\
         <th scope=\"col\" class=\"num\">Rows</th><th scope=\"col\" class=\"num\">Mean probability</th><th scope=\"col\" class=\"num\">Right</th></tr></thead><tbody>",
        &[],
    );
    html.each(&calibration.bins, |html, bin| {
        html.add("<tr><th scope=\"row\">{}–{}</th><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>", &[
            &percent_number(bin.low),
            &percent(bin.high),
            &thousands(bin.rows),
            &percent(bin.confidence),
            &percent(bin.accuracy),
        ]);
    });
    html.add("</tbody></table></div></details>", &[]);
    html
}
