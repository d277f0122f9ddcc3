//! The rows worth reading, with search and filter.

use super::super::amounts::counted;
use super::super::thousands;
use super::LISTED;
use super::markup::{Markup, name, text};
use crate::{Answer, DisagreementKind, Disagreements, Report};

/// The bytes of markup that a text may take: the page stays small, however long the texts are.
const LONGEST: usize = 600;

/// The table of rows; empty where there is no row worth reading.
pub(super) fn section(report: &Report) -> Markup {
    let found = Disagreements::of(report.run, &report.figures, LISTED);
    let mut html = Markup::default();
    if found.rows.is_empty() {
        return html;
    }
    html.add("<p>{} The answers to all rows are in the results folder, <code>predictions/</code>, a file for each model.</p>", &[&extent(&found)]);
    if !found.rows.iter().any(|row| report.texts.contains_key(&row.id)) {
        html.add("<p class=\"note\">The texts were not at hand when this page was made; rows are named by their ids.</p>", &[]);
    }
    html.add("{}", &[&controls(&found)]);
    // On a narrow screen each row is a card, whose answers bear the numbers of this list instead of standing in columns.
    html.add("<ol class=\"who\">", &[]);
    html.each(&found.models, |html, &i| {
        html.add("<li>{}</li>", &[&name(&report.figures.models[i].model)]);
    });
    html.add("</ol>", &[]);
    html.add("<div class=\"scroll tall\" role=\"region\" tabindex=\"0\" aria-labelledby=\"rows\"><table class=\"rows\" id=\"listed\"><thead><tr><th scope=\"col\">Text</th><th scope=\"col\">Gold label</th>", &[]);
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
    html.add("</tbody></table></div><p id=\"nothing\" class=\"note\" hidden>No listed row fits.</p>", &[]);
    html
}

/// How many rows are shown of how many, and which.
fn extent(found: &Disagreements) -> String {
    let (shown, total) = (found.rows.len() as u64, found.total());
    if shown == total {
        return match total {
            1 => "There is one such row.".to_owned(),
            _ => format!("All {} such rows are listed.", thousands(total)),
        };
    }
    format!(
        "Shown are {} of {}: of each kind an equal part as far as there are any, regressions first; within a kind in the order of the ids, \
         which are hashes of the content and favour no row.",
        thousands(shown),
        counted(total, "row", "rows")
    )
}

/// What a kind is called here.
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
fn controls(found: &Disagreements) -> Markup {
    let mut html = Markup::of(
        "<form id=\"filter\" class=\"filter\" role=\"search\" hidden><label for=\"search\">Search</label>\
         <input id=\"search\" type=\"search\" placeholder=\"words in text or labels\" autocomplete=\"off\" spellcheck=\"false\" aria-controls=\"listed\">\
         <div class=\"chips\" role=\"group\" aria-label=\"Kind of row\"><button type=\"button\" data-kind=\"\" aria-pressed=\"true\">all <span>{}</span></button>",
        &[&thousands(found.rows.len() as u64)],
    );
    for (kind, total) in DisagreementKind::ALL.iter().zip(found.counts) {
        let shown = found.rows.iter().filter(|row| row.kind == *kind).count() as u64;
        if shown == 0 {
            continue;
        }
        let number = if shown == total {
            thousands(total)
        } else {
            format!("{} of {}", thousands(shown), thousands(total))
        };
        html.add(
            "<button type=\"button\" data-kind=\"{}\" aria-pressed=\"false\">{} <span>{}</span></button>",
            &[&kind.name(), &word(*kind, found.models.len()), &number],
        );
    }
    html.add("</div><output id=\"shown\" for=\"search\"></output></form>", &[]);
    html
}
