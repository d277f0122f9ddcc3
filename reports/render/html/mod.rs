//! The report as one HTML page that needs no network, no server, and no script to be read.
//!
//! Charts and tables are drawn when the page is made. The one script sorts, filters, copies and shows the rows. A content security
//! policy allows this script and this style sheet, by their hashes, so that even a text that broke out of its cell could not run;
//! the script itself may load scripts that lie beside the page, which is how it gets the rows of a large run, and nothing from a
//! network.
//!
//! A page stays small whatever the run: of rows that would make it larger than a mebibyte it holds [`LISTED`], matrices have at
//! most 150 labels.

mod calibration;
mod candidates;
mod classes;
mod confusion;
mod cost;
mod forest;
mod history;
mod losses;
mod manifest;
mod markup;
mod models;
mod plot;
mod rows;
#[cfg(test)]
mod sample;
mod scale;
mod slices;
mod strip;
#[cfg(test)]
mod tests;
mod unreadable;
mod verdict;
mod words;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use markup::{Markup, name};
use sha2::{Digest, Sha256};

pub use rows::{LISTED, PageRows, RowContent, RowFiles, RowSource};

use super::{Decision, Renderer};
use crate::{Caveat, Report};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = concat!(
    include_str!("script/copy.js"),
    include_str!("script/tables.js"),
    include_str!("script/heat.js"),
    include_str!("script/rows.js")
);

/// The page as a format.
#[derive(Debug, Clone, Copy)]
pub struct Html;

impl Renderer for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn extension(&self) -> &'static str {
        "html"
    }

    fn about(&self) -> &'static str {
        "one page with charts and rows, for browsers and mail"
    }

    fn render(&self, report: &Report) -> Vec<u8> {
        render(report).into_bytes()
    }
}

/// The page. The same report always gives the same bytes.
pub fn render(report: &Report) -> String {
    let decision = Decision::of(report);
    let made;
    let rows = match &report.rows {
        Some(rows) => rows,
        None => {
            made = PageRows::of(report);
            &made
        }
    };
    let mut page = head(&decision);
    let sections = sections(report, rows);
    page.add("{}", &[&verdict::header(report, &decision)]);
    page.add("<nav aria-label=\"Contents\"><ul>", &[]);
    page.each(&sections, |page, section| {
        page.add("<li><a href=\"#{}\">{}</a></li>", &[&section.id, &section.short]);
    });
    page.add("</ul></nav>", &[]);
    page.each(&sections, |page, section| {
        page.add(
            "<section aria-labelledby=\"{}\"><h2 id=\"{}\">{}</h2>{}</section>",
            &[&section.id, &section.id, &section.title, &section.body],
        );
    });
    page.add(
        "</main><footer><p>Made by tunebench {}. This page loads nothing from any network.</p></footer>",
        &[&name(&report.run.manifest.tool_version)],
    );
    page.raw("<script>").raw(SCRIPT).raw("</script>\n</body>\n</html>\n");
    page.into_string()
}

/// A part of the page with a title.
struct Section {
    id: &'static str,
    title: &'static str,
    /// What it is called in the list of contents.
    short: &'static str,
    body: Markup,
}

/// The parts that have something to show, in their order.
fn sections(report: &Report, rows: &PageRows) -> Vec<Section> {
    let figures = &report.figures;
    [
        ("models", "Models", "Models", models::section(figures)),
        ("differences", "Differences", "Differences", forest::section(figures)),
        ("slices", "Parts of the rows", "Parts", slices::section(figures)),
        ("confusion", "Confusions", "Confusions", confusion::section(report)),
        ("labels", "Labels", "Labels", classes::section(report)),
        ("probabilities", "Probabilities", "Probabilities", calibration::section(figures)),
        ("cost", "Cost against quality", "Cost", cost::section(figures)),
        ("history", "Earlier runs", "History", history::section(report)),
        ("training", "Training", "Training", losses::section(report)),
        ("rows", "Rows", "Rows", rows::section(report, rows)),
        ("doubts", "Be careful", "Doubts", doubts(&figures.doubts)),
        ("manifest", "How this was made", "Manifest", manifest::section(&report.run.manifest)),
    ]
    .into_iter()
    .filter(|(_, _, _, body)| !body.is_empty())
    .map(|(id, title, short, body)| Section { id, title, short, body })
    .collect()
}

fn doubts(doubts: &[Caveat]) -> Markup {
    let mut html = Markup::default();
    if doubts.is_empty() {
        return html;
    }
    html.add("<ul class=\"doubts\">", &[]);
    html.each(doubts, |html, doubt| {
        html.add("<li>{} <span>{}</span></li>", &[&markup::text(&doubt.to_string(), 2000), &doubt.advice()]);
    });
    html.add("</ul>", &[]);
    html
}

/// All that comes before the first visible word.
///
/// Of the two policies both have to agree. The first lets the page's own script run, and what this loads; the second lets no script
/// come from elsewhere than from beside the page.
fn head(decision: &Decision) -> Markup {
    let mut page = Markup::of(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}' 'strict-dynamic'; img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"script-src 'sha256-{}' 'self' file:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>",
        &[&digest(STYLE), &digest(SCRIPT), &digest(SCRIPT), &decision.headline],
    );
    page.raw(STYLE).raw("</style>\n</head>\n<body>\n<main>\n");
    page
}

/// The hash by which a content security policy knows a script or a style sheet.
fn digest(content: &str) -> String {
    STANDARD.encode(Sha256::digest(content))
}
