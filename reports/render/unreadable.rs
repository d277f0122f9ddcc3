//! What to show where so many answers of a model name no label that there is no verdict: some of them, and the likely cure.

use crate::{Caveat, Report};

/// How many answers are shown of each model.
pub const EXAMPLES: usize = 3;

/// The characters that are shown of an answer.
const SHOWN: usize = 200;

/// A model whose answers cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable<'a> {
    /// The model.
    pub(super) model: &'a str,
    /// Its answers that name no label.
    pub(super) unreadable: u64,
    /// All its answers.
    pub(super) answered: u64,
    /// The beginnings of some of them, as they came.
    pub(super) examples: Vec<String>,
    /// What most likely helps.
    pub(super) cure: &'static str,
}

/// The models of a report whose answers cannot be read, in the order of the doubts.
pub(super) fn models<'a>(report: &'a Report) -> Vec<Unreadable<'a>> {
    let doubts = report.figures.doubts.iter();
    doubts
        .filter_map(|doubt| match doubt {
            Caveat::Unreadable { model, unreadable, answered } => {
                let all = report.unreadable_answers.get(model).map_or(&[][..], Vec::as_slice);
                let examples = all.iter().take(EXAMPLES).map(|answer| beginning(answer)).collect();
                let cure = cure(all, report.run.labels().names());
                Some(Unreadable { model, unreadable: *unreadable, answered: *answered, examples, cure })
            }
            _ => None,
        })
        .collect()
}

/// An answer on one line, cut where it is long.
fn beginning(answer: &str) -> String {
    let line = answer.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

/// What the answers look like, and what helps against that.
fn cure(answers: &[String], labels: &[String]) -> &'static str {
    let most = |test: &dyn Fn(&str) -> bool| {
        !answers.is_empty() && 2 * answers.iter().filter(|answer| test(answer)).count() > answers.len()
    };
    let names_one = |answer: &str| {
        let answer = answer.to_lowercase();
        labels.iter().any(|label| answer.contains(&label.to_lowercase()))
    };
    let is_short = |answer: &str| answer.split_whitespace().count() <= 4 && answer.chars().count() <= 60;
    if most(&|answer| answer.contains(['{', '[']) && answer.contains('"')) {
        "The answers look like JSON: set `answer = \"schema\"`, so that the prompt, the examples and the answers agree on it."
    } else if most(&|answer| !is_short(answer) && names_one(answer)) {
        "The answers are sentences about a label: let the instruction ask for the label alone, or set `answer = \"schema\"`, \
         which limits answers to the labels."
    } else if most(&is_short) {
        "The answers are other words than the labels: map them with `[data.aliases]` if they mean the same, or set \
         `answer = \"schema\"`, which limits answers to the labels. A model that was tuned elsewhere needs the prompt that it was taught."
    } else {
        "The instruction should ask for the label alone, or `answer = \"schema\"` should limit answers to the labels. A model that was \
         tuned elsewhere needs the prompt that it was taught."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cure_of(answers: &[&str]) -> &'static str {
        let answers: Vec<_> = answers.iter().map(ToString::to_string).collect();
        cure(&answers, &["refund".to_owned(), "card arrival".to_owned()])
    }

    #[test]
    fn the_cure_goes_by_what_most_answers_look_like() {
        assert!(
            cure_of(&["The customer most likely wants a Refund here."; 3])
                .contains("sentences about a label")
        );
        assert!(cure_of(&["0", "1", "billing"]).contains("[data.aliases]"));
        assert!(cure_of(&["{\"intent\": \"x\"}", "{\"intent\": 3, \"a\": \"b\"}"]).contains("JSON"));
        assert!(cure_of(&["I am sorry, but I can not help you with that, friend."]).contains("label alone"));
        assert!(cure_of(&[]).contains("label alone"));
    }

    #[test]
    fn an_answer_is_shown_on_one_line_and_cut() {
        assert_eq!(beginning("a\n\n  b\tc "), "a b c");
        assert_eq!(beginning(&"ä".repeat(300)).chars().count(), SHOWN + 2);
    }
}
