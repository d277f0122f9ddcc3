//! Answers in the forms in which models give them, each with its right reading; and a fuzz of these forms.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// Of `testdata/answers.jsonl`.
const LABELS: [&str; 4] = ["billing", "card_arrival", "lost or stolen card", "top-up failed"];

fn parser(names: &[&str]) -> (AnswerParser, LabelSet) {
    let labels = LabelSet::new(names.iter().map(ToString::to_string).collect()).unwrap();
    (AnswerParser::new(Tag::new("output"), &labels), labels)
}

fn parse(answer: &str, names: &[&str]) -> Result<String, AnswerError> {
    let (parser, labels) = parser(names);
    parser.parse(answer, &labels).map(|id| labels.name(id).to_owned())
}

/// An answer that was seen, and what it says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    answer: String,
    label: Option<String>,
    invalid: Option<String>,
    seen: String,
}

#[test]
fn answers_in_the_wild_are_read_as_what_they_say() {
    let file = include_str!("../testdata/answers.jsonl");
    let rows: Vec<Seen> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() >= 150);
    let mut wrong = Vec::new();
    for Seen { answer, label, invalid, seen } in rows {
        let right = label.ok_or(invalid.unwrap_or_default());
        let read = parse(&answer, &LABELS).map_err(|error| match error {
            AnswerError::Empty => "empty".to_owned(),
            AnswerError::NoLabel => "no_label".to_owned(),
            AnswerError::Ambiguous => "ambiguous".to_owned(),
            AnswerError::Unfinished => "unfinished".to_owned(),
        });
        if read != right {
            wrong.push(format!("{seen}: {answer:?} is {right:?}, and was read as {read:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn labels_that_look_decorated_are_read_exactly() {
    let names = [
        "refund",
        "\"refund\"",
        "**refund**",
        "refund.",
        "1",
        "2",
        "-1",
        "- 2x",
        "_x_",
        "x",
        "Label: x",
        "{}",
    ];
    for name in names {
        for answer in
            [name.to_owned(), format!("<output>{name}</output>"), format!("<output>\n{name}\n</output>")]
        {
            assert_eq!(parse(&answer, &names).as_deref(), Ok(name), "{answer}");
        }
    }
    // One layer off, and it is one of them.
    assert_eq!(parse("**\"refund\"**", &names).as_deref(), Ok("\"refund\""));
    assert_eq!(parse("Category: refund.", &names).as_deref(), Ok("refund."));
    // Two of them may be meant.
    assert_eq!(parse("Refund.", &names), Err(AnswerError::Ambiguous));
}

#[test]
fn numbers_are_labels_or_the_numbers_of_items() {
    use AnswerError::*;
    let names = ["1", "2", "3"];
    for (answer, read) in [
        ("2", Ok("2")),
        ("2.", Ok("2")),
        ("{\"label\": 2}", Ok("2")),
        ("Rating: 2", Ok("2")),
        ("Points: 2", Err(NoLabel)),
        ("1. 2", Err(Ambiguous)),
        ("-1", Err(NoLabel)),
        ("- 1", Err(NoLabel)),
        ("2.5", Err(NoLabel)),
        ("1/2", Err(NoLabel)),
        ("12", Err(NoLabel)),
    ] {
        assert_eq!(parse(answer, &names), read.map(str::to_owned), "{answer}");
    }
    // A sign is not a list mark.
    assert_eq!(parse("- 1", &["-1", "1"]), Err(NoLabel));
    assert_eq!(parse("1. no", &["no", "yes"]).as_deref(), Ok("no"));
}

#[test]
fn what_is_taken_off_may_not_be_another_label() {
    use AnswerError::*;
    let names = ["answer", "question", "text"];
    assert_eq!(parse("Answer: question", &names), Err(Ambiguous));
    assert_eq!(parse("```text\nquestion\n```", &names), Err(Ambiguous));
    assert_eq!(parse("answer", &names).as_deref(), Ok("answer"));
    // A label that was taken off is not the answer.
    assert_eq!(parse("Answer: something", &names), Err(NoLabel));
}

#[test]
fn labels_that_fold_alike_are_never_guessed() {
    let names = ["US", "us", "a-b", "a b"];
    assert_eq!(parse("US", &names).as_deref(), Ok("US"));
    assert_eq!(parse("Us", &names), Err(AnswerError::Ambiguous));
    assert_eq!(parse("a_b", &names), Err(AnswerError::Ambiguous));
    assert_eq!(parse("A-B", &names).as_deref(), Ok("a-b"));
}

#[test]
fn aliases_are_labels_by_other_names() {
    let (parser, labels) = parser(&["billing", "card"]);
    let parser = parser.aliases(&[("0".to_owned(), LabelId(0)), ("Money".to_owned(), LabelId(0))]);
    for (answer, read) in [
        ("0", Ok(LabelId(0))),
        ("<output>money</output>", Ok(LabelId(0))),
        ("{\"label\": 0}", Ok(LabelId(0))),
        ("**Money**.", Ok(LabelId(0))),
        ("billing (money)", Err(AnswerError::NoLabel)),
        ("1", Err(AnswerError::NoLabel)),
    ] {
        assert_eq!(parser.parse(answer, &labels), read, "{answer}");
    }
}

#[test]
fn a_complete_answer_is_known() {
    let (parser, _) = parser(&["refund"]);
    for (answer, closed) in [
        ("so: <output>refund</output> and so on", true),
        ("refund</output>", true),
        ("{\"label\": \"refund\"}", true),
        ("```json\n{\"label\": \"refund\"}", true),
        ("<think><output>refund</output></think>ref", false),
        ("<output>refund", false),
        ("{\"label\": \"ref", false),
        ("refund", false),
    ] {
        assert_eq!(parser.is_closed(answer), closed, "{answer}");
    }
}

/// What models put around a label.
fn around() -> impl Strategy<Value = String> {
    let part = "\\*\\*|\\*|_|`|```\n|```json\n|\"|'|\\$|\\\\boxed\\{|\\\\text\\{|\\}|\\{|<output>|</output>|<b>|</b>|Label: |\
        Category:|ANSWER: |\\. |\\.|- |1\\. |# |\n|\\{\"label\": \"|\"\\}|<think>|</think>|\\(|\\)|\\[|\\]|not |and |the |&lt;|\\\\| |1|-|\\PC";
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever stands around a label, no other label is read.
    #[test]
    fn never_another_label(label in 0usize..8, before in around(), after in around()) {
        let names = ["billing", "card_arrival", "refund.", "1", "-1", "Not billing", "a b", "\"x\""];
        // A label may be hidden in what stands around, or be made by it.
        let alone = [format!("{before}{after}"), before.clone(), after.clone()];
        let fold_all = |text: &str| fold_separators(text).replace([' ', '_', '-'], "");
        let others = names.iter().enumerate().filter(|(other, name)| {
            let said = fold_all(&format!("{before}{}{after}", names[label]));
            *other != label && alone.iter().all(|text| !fold_all(text).contains(&fold_all(name)))
                && !said.contains(&fold_all(name))
        });
        let others: Vec<_> = others.map(|(_, name)| *name).collect();
        if let Ok(read) = parse(&format!("{before}{}{after}", names[label]), &names) {
            prop_assert!(!others.contains(&read.as_str()), "{read}");
        }
    }

    /// Of two labels neither is read, unless one is the reasoning's.
    #[test]
    fn never_one_of_two(before in "[*_`\"(\\[ ]{0,3}", between in "[,;/ ]{1,3}| and | or |\n", after in "[*_`\") .]{0,3}") {
        let said = format!("{before}billing{between}card_arrival{after}");
        prop_assert!(parse(&said, &LABELS).is_err(), "{said}");
        let tags = format!("{before}<output>billing</output>{between}<output>card_arrival</output>{after}");
        prop_assert!(parse(&tags, &LABELS).is_err(), "{tags}");
    }

    #[test]
    fn hostile_bytes_are_no_panic(answer in "(</?output>|</?think>|[<>/ {}\\[\\]\"'*_`\\\\#.:-]|boxed|label|refund|\\PC){0,48}") {
        if let Ok(name) = parse(&answer, &["refund", "exchange"]) {
            let plain = fold_separators(&unescaped(&answer).unwrap_or_else(|| answer.clone()));
            prop_assert!(plain.contains(&name) || fold(&answer).contains(&name));
        }
    }

    #[test]
    fn every_label_is_read_back(name in "[^\\pC\\s<>]([^\\pC<>]*[^\\pC\\s<>])?") {
        prop_assert_eq!(parse(&format!("<output>{name}</output>"), &[&name]), Ok(name.clone()));
        prop_assert_eq!(parse(&name, &[&name]), Ok(name));
    }

    #[test]
    fn what_is_forgiven_is_forgiven_everywhere(
        label in 0usize..4, form in prop::sample::select(&[
            "**{}**", "`{}`", "\"{}\"", "{}.", "Label: {}", "**Category:** {}", "```\n{}\n```", "<output>{}", "{}</output>",
            "{\"label\": \"{}\"}", "- {}", "1. {}", "\\boxed{{}}", "<think>no</think>{}", "Prose.\n\nANSWER: {}", "<b>{}</b>",
        ][..]), inner in prop::sample::select(&["{}", "**{}**", "\"{}\"", "{}."][..]),
    ) {
        let name = LABELS[label];
        let answer = form.replace("{}", &inner.replace("{}", name));
        // A quotation mark inside a JSON string would end it, and two full stops are an ellipsis.
        if form.starts_with('{') && inner.contains('"') || form.ends_with('.') && inner.ends_with('.') {
            return Ok(());
        }
        prop_assert_eq!(parse(&answer, &LABELS), Ok(name.to_owned()), "{}", answer);
    }
}
