//! The table of models.

use super::super::amounts::{dollars, duration};
use super::super::{UNDEFINED, coefficient, or_undefined, percent, percent_number, thousands};
use super::markup::{Markup, name};
use super::strip;
use super::words::share_interval;
use crate::{Figures, MACRO_DEFINITION, ModelFigures};

/// The table, and what its columns mean.
pub(super) fn section(figures: &Figures) -> Markup {
    let has = |test: fn(&ModelFigures) -> bool| figures.models.iter().any(test);
    // Where every model is known to cost nothing, there is nothing to tell.
    let columns = Columns {
        cost: has(|model| model.usage.is_some_and(|usage| usage.cost_usd != Some(0.0))),
        latency: has(|model| model.latency.is_some()),
    };
    let intervals = figures.models.iter().filter_map(|model| model.scores.as_ref()?.accuracy_interval);
    let scale = strip::scale(intervals.flat_map(|interval| [interval.low, interval.high])).within(0.0, 1.0);

    let mut html = Markup::of(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"models\"><table class=\"models\"><thead><tr>\
         <th scope=\"col\">Model</th><th scope=\"col\" colspan=\"2\">Accuracy <small>95 % interval</small></th>\
         <th scope=\"col\" class=\"num\">Macro F1</th><th scope=\"col\" class=\"num\">Kappa</th>\
         <th scope=\"col\" class=\"num\">Invalid</th><th scope=\"col\" class=\"num\">Answered</th>",
        &[],
    );
    if columns.cost {
        html.add("<th scope=\"col\" class=\"num\">Cost <small>per 1,000</small></th>", &[]);
    }
    if columns.latency {
        html.add("<th scope=\"col\" class=\"num\">Latency <small>median, 95th</small></th>", &[]);
    }
    html.add("</tr></thead><tbody>", &[]);
    html.each(&figures.models, |html, model| row(html, model, figures, &columns, &scale));
    html.add("</tbody>", &[]);
    if scale.ticks().len() > 1 {
        let axis = strip::axis(&scale, &[], |tick| format!("{:.*}", scale.decimals(100.0), tick * 100.0));
        // The last cell of a row has no padding: an axis that stood there would be wider than the charts above it.
        let others = 4 + usize::from(columns.cost) + usize::from(columns.latency);
        html.add(
            "<tfoot aria-hidden=\"true\"><tr><td></td><td></td><td class=\"chart\">{}</td><td colspan=\"{}\"></td></tr></tfoot>",
            &[&axis, &others],
        );
    }
    html.add("</table></div>", &[]);
    html.add("{}{}", &[&groups(figures), &repeats(figures)]);
    html.add(
        "<p class=\"note\">Intervals of accuracy are Wilson’s; those of macro F1 come from leaving out each cluster of rows once (jackknife). \
         An invalid answer names no label and counts as wrong; a row without an answer does not count. {} {} is \
         undefined: nothing to divide by.</p>",
        &[&MACRO_DEFINITION, &UNDEFINED],
    );
    html
}

/// Which columns there are: those that hold something.
struct Columns {
    cost: bool,
    latency: bool,
}

fn row(
    html: &mut Markup,
    model: &ModelFigures,
    figures: &Figures,
    columns: &Columns,
    scale: &super::scale::Scale,
) {
    let below = model.tuned_from.as_deref().is_some_and(|base| figures.model(base).is_some());
    html.add(
        "<tr{}><th scope=\"row\">{}",
        &[&if below { Markup::of(" class=\"tuned\"", &[]) } else { Markup::default() }, &name(&model.model)],
    );
    if let Some(description) = &model.description {
        html.add("<small>{}</small>", &[&name(description)]);
    } else if below {
        html.add("<small>fine-tuned</small>", &[]);
    }
    html.add("</th>", &[]);
    let counts = model.counts();
    match &model.scores {
        None => {
            html.add("<td colspan=\"4\"><em>Too few rows were answered for a score.</em></td>", &[]);
        }
        Some(scores) => {
            html.add("<td class=\"num key\">{}", &[&or_undefined(scores.accuracy, percent)]);
            if let Some(interval) = scores.accuracy_interval {
                html.add("<small>{}</small>", &[&share_interval(interval)]);
            }
            html.add("</td><td class=\"chart\">", &[]);
            if let Some(accuracy) = scores.accuracy {
                let class = if below { "tuned" } else { "base" };
                html.add("{}", &[&strip::interval(scale, accuracy, scores.accuracy_interval, class, &[])]);
            }
            html.add("</td><td class=\"num\">{}", &[&or_undefined(scores.macro_average.f1, percent)]);
            if let Some(interval) = model.intervals.and_then(|intervals| intervals.macro_f1) {
                html.add("<small>{}</small>", &[&share_interval(interval)]);
            }
            html.add("</td><td class=\"num\">{}</td>", &[&or_undefined(scores.cohen_kappa, coefficient)]);
        }
    }
    html.add("<td class=\"num\">{}</td>", &[&thousands(counts.invalid)]);
    let coverage = counts
        .coverage()
        .map_or_else(|| UNDEFINED.to_owned(), |share| format!("{} %", percent_number(share)));
    html.add(
        "<td class=\"num\">{}<small>{} of {}</small></td>",
        &[&coverage, &thousands(counts.answered()), &thousands(counts.rows())],
    );
    if columns.cost {
        let total = model.usage.and_then(|usage| usage.cost_usd);
        match (model.cost_per_thousand(), total) {
            (Some(each), Some(total)) => html
                .add("<td class=\"num\">{}<small>{} in all</small></td>", &[&dollars(each), &dollars(total)]),
            _ => html.add("<td class=\"num\">unknown</td>", &[]),
        };
    }
    if columns.latency {
        match model.latency {
            Some(latency) => html.add(
                "<td class=\"num\">{}<small>{}</small></td>",
                &[&duration(latency.median_ms), &duration(latency.p95_ms)],
            ),
            None => html.add("<td class=\"num\">{}</td>", &[&UNDEFINED]),
        };
    }
    html.add("</tr>", &[]);
}

/// What groups of rows do to the intervals.
fn groups(figures: &Figures) -> Markup {
    let mut html = Markup::default();
    html.each(figures.models.iter().filter_map(|model| Some((model, model.clustered?))), |html, (model, clustered)| {
        html.add(
            "<p class=\"note\">{}: with the rows’ {} groups allowed for, the interval of the accuracy is {} % (design effect {}).</p>",
            &[
                &name(&model.model),
                &thousands(clustered.groups),
                &share_interval(clustered.accuracy),
                &format!("{:.2}", clustered.design_effect),
            ],
        );
    });
    html
}

/// How steady models are that were asked more than once.
fn repeats(figures: &Figures) -> Markup {
    let mut html = Markup::default();
    if figures.repeats.is_empty() {
        return html;
    }
    html.add(
        "<h3 id=\"repeats\">Asked more than once</h3><div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-labelledby=\"repeats\"><table><thead><tr><th scope=\"col\">Model</th>\
         <th scope=\"col\" class=\"num\">Times</th><th scope=\"col\" class=\"num\">Same answer each time</th>\
         <th scope=\"col\" class=\"num\">Two times agree</th><th scope=\"col\" class=\"num\">Accuracy, mean ± sd</th>\
         <th scope=\"col\" class=\"num\">Rows now right, now wrong</th></tr></thead><tbody>",
        &[],
    );
    html.each(&figures.repeats, |html, repeats| {
        html.add(
            "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td><td class=\"num\">{} ± {}</td><td class=\"num\">{}</td></tr>",
            &[
                &name(&repeats.model),
                &u64::from(repeats.repeats),
                &percent(repeats.agreement),
                &percent(repeats.pairwise_agreement),
                &percent(repeats.accuracy_mean),
                &percent_number(repeats.accuracy_sd),
                &thousands(repeats.flipping_rows),
            ],
        );
    });
    html.add("</tbody></table></div>", &[]);
    html
}
