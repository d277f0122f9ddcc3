//! Recall, precision and F1 of each label as bars, base and tuned one above the other.

use tunebench_data::LabelId;

use super::super::{or_undefined, percent_number, thousands};
use super::confusion::is_varied;
use super::markup::{Markup, name};
use super::strip::{self, Bar};
use crate::{ClassScores, Interval, ModelFigures, Report};

/// How many labels all tables of a page have together: some four of them are as many as a page can take.
const ROWS: usize = 300;

/// How many labels each table has at least.
const FEWEST: usize = 20;

/// How many tables are open from the beginning.
const OPEN: usize = 1;

/// A table for each base with what was tuned from it, and one for each model that is in no such pair.
pub(super) fn section(report: &Report) -> Markup {
    let figures = &report.figures;
    let own = figures.comparisons.iter().filter(|comparison| comparison.is_own_base(figures));
    let pairs = own.filter_map(|c| Some(vec![figures.model(&c.base)?, figures.model(&c.tuned)?]));
    let mut tables: Vec<Vec<&ModelFigures>> =
        pairs.filter(|pair| pair.iter().any(|model| model.scores.is_some())).collect();
    let paired = |model: &&ModelFigures| !tables.iter().flatten().any(|other| other.model == model.model);
    let alone = |model: &&ModelFigures| {
        model.repeat_of.is_none() && model.scores.is_some() && is_varied(model) && paired(model)
    };
    let singles: Vec<_> = figures.models.iter().filter(alone).map(|model| vec![model]).collect();
    tables.extend(singles);

    let mut html = Markup::default();
    if tables.is_empty() {
        return html;
    }
    html.add(
        "<p>Thin lines are 95 % intervals (Wilson). Recall: of the rows of the label, how many were found. Precision: of the rows answered with it, how many were right.</p>",
        &[],
    );
    let most = (ROWS / tables.len()).max(FEWEST);
    for (i, models) in tables.iter().enumerate() {
        html.add("<details{}><summary>", &[&Markup::of(if i < OPEN { " open" } else { "" }, &[])]);
        html.add("{}", &[&name(&models[models.len() - 1].model)]);
        if let [base, _] = models[..] {
            html.add(" <span class=\"against\">against {}</span>", &[&name(&base.model)]);
        }
        html.add("</summary>{}</details>", &[&table(report, models, most)]);
    }
    html
}

fn table(report: &Report, models: &[&ModelFigures], most: usize) -> Markup {
    let labels = report.run.labels();
    let last = models[models.len() - 1];
    let order = weakest_first(labels.len(), last, most);
    let mut html = Markup::default();
    html.add("<p class=\"note\">", &[]);
    if models.len() > 1 {
        html.add("<span class=\"key base\"></span> base <span class=\"key tuned\"></span> tuned. ", &[]);
    }
    html.add("Weakest F1{} first", &[&if models.len() > 1 { " of the tuned model" } else { "" }]);
    if order.len() < labels.len() {
        html.add(
            "; the {} of {} labels that are weakest, all are in <code>per_class.csv</code>",
            &[&order.len(), &labels.len()],
        );
    }
    html.add(
        ".</p><div class=\"scroll tall\" role=\"region\" tabindex=\"0\" aria-label=\"{}\"><table class=\"classes\"><thead><tr><th scope=\"col\">Label</th><th scope=\"col\" class=\"num\">Rows</th>\
         <th scope=\"col\">Recall %</th><th scope=\"col\">Precision %</th><th scope=\"col\">F1 %</th></tr></thead><tbody>",
        &[&format!("Labels of {}", last.model)],
    );
    html.each(order, |html, label| {
        let rows = models
            .iter()
            .map(|m| m.confusion.support(label) + m.confusion.unanswered(label))
            .max()
            .unwrap_or(0);
        html.add(
            "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td>",
            &[&name(labels.name(label)), &thousands(rows)],
        );
        let classes: Vec<_> =
            models.iter().map(|model| Some(model.scores.as_ref()?.classes[label.index()])).collect();
        html.add(
            "{}{}{}</tr>",
            &[
                &cell(&classes, |class| (class.scores.recall, class.recall_interval)),
                &cell(&classes, |class| (class.scores.precision, class.precision_interval)),
                &cell(&classes, |class| (class.scores.f1, None)),
            ],
        );
    });
    html.add("</tbody></table></div>", &[]);
    html
}

/// The labels with the lowest F1, lowest first; those of which nothing is known come last.
fn weakest_first(labels: usize, model: &ModelFigures, most: usize) -> Vec<LabelId> {
    let mut all: Vec<_> = (0..labels).map(|i| LabelId(i as u32)).collect();
    let f1 = |label: LabelId| {
        let class = model.scores.as_ref().map(|scores| scores.classes[label.index()]);
        class.and_then(|class| class.scores.f1).unwrap_or(f64::INFINITY)
    };
    all.sort_by(|&a, &b| f1(a).total_cmp(&f1(b)).then(a.cmp(&b)));
    all.truncate(most);
    all
}

/// One figure of a label: a bar for each model, and the numbers beside them.
fn cell(
    classes: &[Option<ClassScores>],
    figure: impl Fn(&ClassScores) -> (Option<f64>, Option<Interval>),
) -> Markup {
    let figures: Vec<_> = classes.iter().map(|class| class.as_ref().map_or((None, None), &figure)).collect();
    let bars: Vec<_> = figures
        .iter()
        .enumerate()
        .map(|(i, &(share, interval))| {
            let class = if i + 1 == figures.len() { "tuned" } else { "base" };
            Bar { share, interval, class }
        })
        .collect();
    let mut html = Markup::of("<td><div class=\"bar\">{}<span>", &[&strip::bars(&bars)]);
    for (i, (share, _)) in figures.iter().enumerate() {
        // Read out, the two would run together.
        let gap = if i > 0 { " " } else { "" };
        html.add("{}<b>{}</b>", &[&gap, &or_undefined(*share, percent_number)]);
    }
    html.add("</span></div></td>", &[]);
    html
}
