//! Models whose answers cannot be read, each with some of its answers: these come before any verdict.

use super::super::amounts::counted;
use super::super::unreadable::models;
use super::markup::{Markup, name, text};
use crate::Report;

/// A part for each such model; empty where there is none.
pub(super) fn section(report: &Report) -> Markup {
    let mut html = Markup::default();
    html.each(models(report), |html, one| {
        html.add(
            "<article class=\"verdict unread\"><p class=\"pair\"><strong class=\"tag open\">Not measured</strong> <span>{}</span></p>\
             <p>{} of {} name no label",
            &[
                &name(one.model),
                &super::super::thousands(one.unreadable),
                &counted(one.answered, "answer", "answers"),
            ],
        );
        if !one.examples.is_empty() {
            html.add(", for example:</p><ul class=\"said\">", &[]);
            html.each(&one.examples, |html, answer| {
                html.add("<li>{}</li>", &[&text(answer, 1000)]);
            });
            html.add("</ul><p>", &[]);
        } else {
            html.add(". ", &[]);
        }
        html.add("{}</p></article>", &[&one.cure]);
    });
    html
}
