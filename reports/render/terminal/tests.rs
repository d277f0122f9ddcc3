use tunebench_data::{ExampleId, LabelId};

use super::*;
use crate::render::text::width;
use crate::testing::{assert_recorded, changed, run};
use crate::{Answer, InvalidKind, Prediction, Predictions, Run, UnansweredKind};

/// Rows with answers that are right with a probability of about `skill` per cent; the same at every call.
fn rows(labels: u32, each: u32, skill: u64, seed: u64) -> Predictions {
    (0..labels * each)
        .map(|i| {
            let mut mixed = (u64::from(i) + seed * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20;
            let gold = i % labels;
            let answer = match mixed % 100 {
                hit if hit < skill => Answer::Label(LabelId(gold)),
                97 => Answer::Invalid(InvalidKind::NoLabel),
                _ => Answer::Label(LabelId((gold + 1 + (mixed / 100 % 3) as u32) % labels)),
            };
            Prediction {
                id: ExampleId(i.into()),
                gold: LabelId(gold),
                answer,
                probability: None,
                gold_probability: None,
                latency: None,
            }
        })
        .collect()
}

fn sample(names: &[String], each: u32) -> Run {
    let count = names.len() as u32;
    let mut run = run(
        names,
        vec![
            ("local/lexical", None, rows(count, each, 67, 1)),
            ("local/ft-lexical-5f3a9c", Some("local/lexical"), rows(count, each, 96, 2)),
        ],
    );
    run.manifest.models[0].description = Some("untrained lexical baseline, no language model".to_owned());
    run
}

/// Label names in the ways that tables suffer from.
fn names(count: usize, kind: &str) -> Vec<String> {
    let banking = [
        "activate_my_card",
        "card_arrival",
        "card_payment_fee_charged",
        "cash_withdrawal_charge",
        "declined_card_payment",
        "exchange_rate",
        "pending_transfer",
        "request_refund",
        "top_up_failed",
        "verify_my_identity",
    ];
    (0..count)
        .map(|i| match kind {
            "short" => format!("l{i}"),
            "long" => format!("a_label_with_a_name_that_is_about_sixty_characters_long_{i:04}"),
            "wide" => format!("银行卡到账时间查询与办理进度{i}"),
            _ => {
                format!("{}{}", banking[i % 10], if i < 10 { String::new() } else { format!("_{}", i / 10) })
            }
        })
        .collect()
}

fn show(run: &Run, width: Option<usize>, color: bool) -> String {
    render(&Report::new(run), &Style { width, color, wide: true, labels: true, confusion: true })
}

/// For looking at: `cargo test -p tunebench-reports look -- --ignored --nocapture`, with `LABELS`, `NAMES`,
/// `WIDTH` and `COLOR` in the environment.
#[test]
#[ignore = "prints reports for people to look at"]
#[expect(clippy::print_stdout, reason = "that is its purpose")]
fn look() {
    let variable = |name: &str| std::env::var(name).ok();
    let number = |name: &str| variable(name).and_then(|value| value.parse().ok());
    let labels = number("LABELS").unwrap_or(10);
    let run = sample(&names(labels, variable("NAMES").as_deref().unwrap_or("")), 40);
    print!("{}", show(&run, number("WIDTH"), variable("COLOR").is_some()));
}

#[test]
fn fits_the_terminal_with_any_labels() {
    for count in [1, 2, 10, 15, 16, 77, 150] {
        for kind in ["short", "usual", "long", "wide"] {
            let run = sample(&names(count, kind), 4);
            let report = Report::new(&run);
            for columns in [40, 50, 60, 70, 80, 120] {
                let text = render(
                    &report,
                    &Style { width: Some(columns), color: false, wide: true, labels: true, confusion: true },
                );
                for line in text.lines() {
                    assert!(width(line) <= columns, "{count} {kind} labels at {columns}:\n{line}");
                }
                assert!(text.lines().count() < 160, "{count} {kind} labels: {} lines", text.lines().count());
            }
        }
    }
}

#[test]
fn fits_a_terminal_of_any_width() {
    let run = sample(&names(10, "usual"), 40);
    let report = Report::new(&run);
    for columns in 40..=120 {
        let text = render(
            &report,
            &Style { width: Some(columns), color: false, wide: true, labels: true, confusion: true },
        );
        let wide = text.lines().find(|line| width(line) > columns);
        assert_eq!(wide, None, "at {columns}");
    }
}

#[test]
fn without_colour_there_is_no_escape_and_with_it_the_same_text() {
    for count in [2, 77] {
        let run = sample(&names(count, "usual"), 5);
        let plain = show(&run, Some(80), false);
        assert!(!plain.contains('\u{1b}'));
        let coloured = show(&run, Some(80), true);
        let mut rest = coloured.as_str();
        let mut bare = String::new();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            bare.push_str(before);
            rest = &after[after.find('m').unwrap() + 1..];
        }
        bare.push_str(rest);
        let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(trimmed(&bare), trimmed(&plain));
    }
}

#[test]
fn nothing_is_shortened_where_nobody_looks() {
    let labels = names(77, "long");
    let text = show(&sample(&labels, 3), None, false);
    assert!(labels.iter().all(|name| text.contains(name)));
}

#[test]
fn hostile_names_cannot_steer_the_terminal() {
    let mut run = sample(&["a\u{202e}b".to_owned(), "c".to_owned()], 3);
    for evaluation in &mut run.evaluations {
        evaluation.model.push_str("\u{1b}[2J\n");
    }
    run.manifest.models[0].description = Some("\u{1b}]0;x\u{7}".to_owned());
    let text = show(&run, Some(80), false);
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']));
}

#[test]
fn below_the_limit_it_says_incomplete_and_no_score() {
    let mut run = sample(&names(3, "usual"), 40);
    let rows = &mut run.evaluations[1].predictions;
    let budget = Answer::Unanswered(UnansweredKind::Budget);
    *rows = changed(rows, |at, row| row.answer = if at < 30 { budget } else { row.answer });
    let text = show(&run, Some(80), false);
    assert!(text.contains("90/120          incomplete"), "{text}");
    assert!(text.contains("Incomplete: only 90 of 120 rows were answered by both."), "{text}");
    assert!(text.contains("spending cap was reached"), "{text}");
}

#[test]
fn a_run_without_models_or_rows_is_no_crash() {
    let empty = run(&["a", "b"], vec![]);
    assert!(show(&empty, Some(80), true).contains("0 test rows"));
    let none = Predictions::default;
    let no_rows = run(&["a", "b"], vec![("m", None, none()), ("t", Some("m"), none())]);
    assert!(show(&no_rows, Some(20), true).contains("m has no rows."));
}

#[test]
fn a_width_of_nothing_is_no_crash() {
    for columns in [0, 1, 5, 29, 31] {
        assert!(!show(&sample(&names(3, "usual"), 4), Some(columns), true).is_empty());
    }
}

/// What a report looks like may change, but not unseen.
#[test]
fn looks_like_the_recorded_report() {
    let text = show(&sample(&names(3, "usual"), 40), Some(80), false);
    assert_recorded("testdata/terminal.txt", &text);
}
