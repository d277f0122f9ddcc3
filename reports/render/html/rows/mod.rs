//! The rows: a table of those most worth reading, which needs no script, and all of them for the script that takes its place.

mod data;
mod table;

pub use data::{PageRows, RowContent, RowFiles, RowSource};

use super::super::amounts::counted;
use super::super::thousands;
use super::markup::{Markup, name, text};
use crate::{Answer, DisagreementKind, Disagreements, Report};

/// How many rows a page holds of those that lie beside it: the most worth reading, see [`Report::wanted_texts`].
pub const LISTED: usize = 500;

/// How many rows are seen where no script runs.
const STILL: usize = 50;

/// The bytes of markup that a text may take in the table without a script.
const LONGEST: usize = 600;

/// The part of the page; empty where no model has a row.
pub(super) fn section(report: &Report, rows: &PageRows) -> Markup {
    let mut html = Markup::default();
    if rows.total == 0 {
        return html;
    }
    html.add("<p id=\"extent\">{}</p>", &[&extent(report, rows)]);
    if !report.run.manifest.texts {
        html.add("<p class=\"note\">These results hold no texts (<code>texts = false</code>): rows are named by their ids.</p>", &[]);
    } else if !rows.has_texts {
        html.add("<p class=\"note\">The texts were not at hand when this page was made; rows are named by their ids.</p>", &[]);
    }
    html.add("{}{}", &[&controls(), &still(report)]);
    html.raw("<div id=\"browser\" hidden></div>");
    html.add("<script type=\"application/json\" id=\"data\">", &[]);
    html.json(&rows.data);
    html.raw("</script>");
    html
}

/// How many rows there are, and where.
fn extent(report: &Report, rows: &PageRows) -> String {
    let total = thousands(rows.total as u64);
    match &rows.beside {
        Some(folder) => format!(
            "All {total} rows are in the folder {folder}, beside this page. Without it the page shows {}, those most worth reading.",
            counted(rows.within as u64, "row", "rows")
        ),
        None if rows.within < rows.total => format!(
            "Shown are {} of {}, those most worth reading; the answers to all of them are in the results folder, predictions/.",
            thousands(rows.within as u64),
            counted(rows.total as u64, "row", "rows")
        ),
        None if report.figures.models.len() > 1 => {
            format!("All {total} rows, those first on which models disagree.")
        }
        None => format!("All {total} rows, those with a wrong answer first."),
    }
}

/// What a kind of rows is called, where there are so many models.
fn word(kind: DisagreementKind, models: usize) -> &'static str {
    match kind {
        DisagreementKind::Worse => "got worse",
        DisagreementKind::Better => "got better",
        DisagreementKind::Split => "some right",
        DisagreementKind::Wrong if models == 1 => "wrong",
        DisagreementKind::Wrong if models == 2 => "both wrong",
        DisagreementKind::Wrong => "all wrong",
    }
}

/// Search and filter, hidden until the script that serves them runs.
fn controls() -> Markup {
    Markup::of(
        "<form id=\"filter\" class=\"filter\" role=\"search\" hidden>\
         <label class=\"wide\">Search <input id=\"search\" type=\"search\" placeholder=\"words in text, answer or columns\" autocomplete=\"off\" spellcheck=\"false\"></label>\
         <div class=\"chips\" id=\"kinds\" role=\"group\" aria-label=\"Kind of row\"></div>\
         <label>Gold label <select id=\"of-gold\"><option value=\"\">any</option></select></label>\
         <label id=\"part\" hidden>Part <select id=\"of-part\"><option value=\"\">any</option></select></label>\
         <label>Model <select id=\"of-model\"><option value=\"\">any</option></select></label>\
         <label>Outcome <select id=\"of-outcome\"><option value=\"\">any</option><option value=\"right\">right</option>\
         <option value=\"wrong\">wrong label</option><option value=\"invalid\">invalid</option><option value=\"none\">no answer</option></select></label>\
         <label>Answer <select id=\"of-answer\"><option value=\"\">any</option></select></label>\
         <label id=\"chance\" hidden>Probability <input id=\"from\" type=\"number\" min=\"0\" max=\"100\" step=\"any\" placeholder=\"0\" aria-label=\"Probability from, per cent\">\
         – <input id=\"to\" type=\"number\" min=\"0\" max=\"100\" step=\"any\" placeholder=\"100\" aria-label=\"Probability to, per cent\"> %</label>\
         <button type=\"reset\">Clear</button> <button type=\"button\" id=\"copy\">Copy as CSV</button>\
         <output id=\"shown\" aria-live=\"polite\"></output></form>",
        &[],
    )
}

/// The rows that are seen without a script.
fn still(report: &Report) -> Markup {
    let found = Disagreements::of(report.run, &report.figures, STILL);
    let mut html = Markup::of("<div id=\"still\">", &[]);
    if found.rows.is_empty() {
        html.add("<p class=\"note\">Models agree on all rows.</p></div>", &[]);
        return html;
    }
    // On a narrow screen each row is a card, whose answers bear the numbers of this list instead of standing in columns.
    html.add("<ol class=\"who\">", &[]);
    html.each(&found.models, |html, &i| {
        html.add("<li>{}</li>", &[&name(&report.figures.models[i].model)]);
    });
    html.add("</ol>", &[]);
    html.add("<div class=\"scroll tall\" role=\"region\" tabindex=\"0\" aria-labelledby=\"rows\"><table class=\"rows\"><thead><tr><th scope=\"col\">Text</th><th scope=\"col\">Gold label</th>", &[]);
    html.each(&found.models, |html, &i| {
        html.add("<th scope=\"col\">{}</th>", &[&name(&report.figures.models[i].model)]);
    });
    html.add("</tr></thead><tbody>", &[]);
    let labels = report.run.labels();
    html.each(&found.rows, |html, row| {
        html.add("<tr data-kind=\"{}\">", &[&row.kind.name()]);
        match report.texts.get(&row.id) {
            Some(content) => html.add("<td class=\"text\" dir=\"auto\">{}</td>", &[&text(content, LONGEST)]),
            None => html.add("<td class=\"text\"><code>{}</code></td>", &[&row.id.to_string()]),
        };
        html.add("<td>{}</td>", &[&name(labels.name(row.gold))]);
        html.each(&row.answers, |html, answer| {
            match answer {
                Some(Answer::Label(label)) if *label == row.gold => {
                    html.add("<td class=\"yes\">✓ {}</td>", &[&name(labels.name(*label))])
                }
                Some(Answer::Label(label)) => {
                    html.add("<td class=\"no\">✗ {}</td>", &[&name(labels.name(*label))])
                }
                Some(Answer::Invalid(kind)) => html
                    .add("<td class=\"no\">✗ <em>invalid: {}</em></td>", &[&kind.name().replace('_', " ")]),
                Some(Answer::Unanswered(_)) | None => html.add("<td><em>no answer</em></td>", &[]),
            };
        });
        html.add("</tr>", &[]);
    });
    html.add("</tbody></table></div></div>", &[]);
    html
}
