//! Answers in the forms that models give them, through the whole path: what they say counts, not how.

use tunebench_fakes::openai::{FakeOpenAi, Question, Said};

use crate::openai::{BASE, KEY, Project};

/// A project whose only model always knows the label, and says it in its own way.
fn saying(say: impl Fn(&Question, &str) -> String + Send + Sync + 'static) -> Project {
    let brain = move |question: &Question| {
        let (item, label) = (question.item(), |word| question.item().contains(word));
        let gold = if label("rate") {
            "rate"
        } else if label("card") {
            "card"
        } else {
            "refund"
        };
        assert!(!item.is_empty());
        Said::from(say(question, gold))
    };
    Project::at(FakeOpenAi::builder().key(KEY).brain(brain).start().unwrap(), BASE)
}

fn figures(project: &Project) -> (String, String) {
    let summary = project.place.csv("results/summary.csv").remove(0);
    (summary["correct"].clone(), summary["invalid"].clone())
}

#[test]
fn decoration_is_not_quality() {
    const FORMS: [&str; 6] = [
        "**{}**",
        "Label: {}.",
        "<output>\"{}\"</output>",
        "`{}`",
        "```json\n{\"label\": \"{}\"}\n```",
        "Here:\n{\"label\": \"{}\"}",
    ];
    let project = saying(|question, gold| FORMS[question.item().len() % FORMS.len()].replace("{}", gold));
    let done = project.tunebench(&["eval"]);
    assert_eq!((done.code, figures(&project)), (Some(0), ("6".into(), "0".into())), "{}", done.stderr);
}

#[test]
fn reasoning_is_never_the_answer() {
    let project = saying(|question, gold| match question.item().len() % 2 {
        0 => format!("<think>First idea: <output>other</output>. No.</think>\n<output>{gold}</output>"),
        _ => format!("<think>I must reply inside <output></output>.</think>\n\n{gold}"),
    });
    // The fake stops at our stop sequence, which the model writes while it reasons.
    let done = project.tunebench(&["eval"]);
    assert_eq!((done.code, figures(&project)), (Some(0), ("6".into(), "0".into())), "{}", done.stderr);
    assert_eq!(done.stderr.matches("asked again without it").count(), 1, "{}", done.stderr);
    let asked = project.asked();
    assert!((7..=12).contains(&asked), "{asked}");

    // What was asked again is kept as the answer.
    let again = project.tunebench(&["eval"]);
    assert_eq!((again.code, project.asked()), (Some(0), asked), "{}", again.stderr);
    assert_eq!(figures(&project), ("6".into(), "0".into()));
}

#[test]
fn what_is_cut_off_while_reasoning_is_truncated() {
    let project = saying(|_, gold| format!("<think>It is <output>{gold}"));
    let done = project.tunebench(&["eval"]);
    assert_eq!(figures(&project), ("0".into(), "6".into()), "{}", done.stderr);
    let file = project.place.csv("results/summary.csv").remove(0)["file"].clone();
    let predictions = project.place.csv(&format!("results/predictions/{file}.csv"));
    assert!(predictions.iter().all(|row| row["detail"] == "truncated"), "{predictions:?}");
    // Without a stop sequence nothing is left to learn; rows that are asked after that was found are asked once.
    assert!((7..=12).contains(&project.asked()), "{}", project.asked());
}

#[test]
fn two_labels_are_none() {
    let project = saying(|_, _| "<output>card</output> or <output>rate</output>".replace("output", "answer"));
    project.tunebench(&["eval"]);
    assert_eq!(figures(&project), ("0".into(), "6".into()));
}
