//! Confusion matrices as heat maps, each with its largest confusions as a table.

mod heat_map;
mod label_order;

use super::super::{percent, percent_number, thousands};
use super::markup::{Markup, name};
use crate::{ModelFigures, Report};

/// More labels than this no page shows legibly.
const MOST_LABELS: usize = 150;

/// How many confusions are listed.
const LISTED: usize = 25;

/// How many matrices are open from the beginning.
const OPEN: usize = 2;

/// The matrices of all models that have more than one answer.
pub(super) fn section(report: &Report) -> Markup {
    let models = report.figures.models.iter().enumerate();
    let models: Vec<_> = models.filter(|(_, model)| is_varied(model)).collect();
    let mut html = Markup::default();
    if models.is_empty() {
        return html;
    }
    let labels = report.run.labels();
    let matrices: Vec<_> = models.iter().map(|(_, model)| &model.confusion).collect();
    let order = label_order::order(&matrices, labels.len(), MOST_LABELS);

    html.add(
        "<p>Gold labels down, answers across, in an order that brings confused labels together{}.",
        &[&if models.len() > 1 { "; the same order for all models" } else { "" }],
    );
    if order.len() < labels.len() {
        html.add(" Shown are the {} of {} labels with the most wrong rows; the whole matrices are in <code>confusion/</code>.", &[&order.len(), &labels.len()]);
    }
    html.add(
        "</p>{}<label class=\"find\" hidden>Find a label <input id=\"find-label\" type=\"search\" list=\"label-names\" autocomplete=\"off\" spellcheck=\"false\"></label>\
         <datalist id=\"label-names\"></datalist>",
        &[&heat_map::legend()],
    );
    let numbers: Vec<_> = order.iter().map(|label| label.index().to_string()).collect();
    let class = if order.len() <= 12 { "pairs" } else { "stack" };
    html.add("<div id=\"matrices\" class=\"{}\" data-order=\"{}\">", &[&class, &numbers.join(",")]);
    for (i, (at, model)) in models.into_iter().enumerate() {
        html.add(
            "<details{}><summary>{}</summary><div class=\"confusion\"><div>{}</div>{}</div></details>",
            &[
                &Markup::of(if i < OPEN { " open" } else { "" }, &[]),
                &name(&model.model),
                &heat_map::draw(at, model, labels, &order),
                &largest(report, at, model),
            ],
        );
    }
    html.add("</div>", &[]);
    html
}

/// A model with one answer to everything, such as a floor, has nothing to show.
pub(super) fn is_varied(model: &ModelFigures) -> bool {
    let mut answers = model.confusion.cells().map(|(_, answer, _)| answer);
    let first = answers.next();
    answers.any(|answer| Some(answer) != first)
}

/// The confusions with the most rows: what the picture shows, for all.
fn largest(report: &Report, at: usize, model: &ModelFigures) -> Markup {
    let labels = report.run.labels();
    let confusion = &model.confusion;
    let mut cells: Vec<_> = confusion
        .cells()
        .filter(|(gold, answer, _)| gold != answer)
        .map(|(gold, answer, rows)| (gold, Some(answer), rows))
        .chain(labels.iter().map(|(gold, _)| (gold, None, confusion.invalid(gold))))
        .filter(|(_, _, rows)| *rows > 0)
        .collect();
    if cells.is_empty() {
        return Markup::of("<p>No answer was wrong.</p>", &[]);
    }
    // Most rows first; of equally many, those of the smaller gold label.
    cells.sort_by_key(|&(gold, answer, rows)| {
        (std::cmp::Reverse(rows), confusion.support(gold), gold, answer)
    });
    let (kinds, wrong) = (cells.len(), cells.iter().map(|cell| cell.2).sum::<u64>());
    cells.truncate(LISTED);
    let listed: u64 = cells.iter().map(|cell| cell.2).sum();

    let mut html = Markup::of(
        "<div class=\"listing\"><div class=\"scroll tall\" role=\"region\" tabindex=\"0\" aria-label=\"Largest confusions\"><table class=\"largest\"><caption>The largest confusions: {} of {} wrong rows{}</caption><thead><tr><th scope=\"col\">Gold label</th><th scope=\"col\">Answer</th>\
         <th scope=\"col\" class=\"num\">Rows</th><th scope=\"col\" class=\"num\">Of the label</th></tr></thead><tbody>",
        &[
            &thousands(listed),
            &thousands(wrong),
            &if kinds > LISTED { format!(", {} kinds", thousands(kinds as u64)) } else { String::new() },
        ],
    );
    html.each(cells, |html, (gold, answer, rows)| {
        html.add("<tr><td>{}</td>", &[&name(labels.name(gold))]);
        match answer {
            Some(answer) => html.add("<td>{}</td>", &[&name(labels.name(answer))]),
            None => html.add("<td><em>invalid</em></td>", &[]),
        };
        let share = rows as f64 / confusion.support(gold) as f64;
        html.add(
            "<td class=\"num\"><button type=\"button\" data-model=\"{}\" data-gold=\"{}\" data-answer=\"{}\">{}</button></td><td class=\"num\">{} %</td></tr>",
            &[
                &at,
                &gold.index(),
                &answer.map(|answer| answer.index().to_string()).unwrap_or_default(),
                &thousands(rows),
                &percent_number(share),
            ],
        );
    });
    html.add("</tbody></table></div></div>", &[]);
    html
}

/// What a cell says when it is pointed at.
fn says(gold: &str, answer: &str, rows: u64, support: u64) -> String {
    format!(
        "{gold} → {answer}: {} of {} rows, {}",
        thousands(rows),
        thousands(support),
        percent(rows as f64 / support as f64)
    )
}
