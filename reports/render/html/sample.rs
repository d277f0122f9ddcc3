//! Runs for the tests of the page: made, the same at every call, and as hostile as anyone could make them.

use std::collections::BTreeMap;

use serde_json::json;
use tunebench_data::{ExampleId, LabelId};

use crate::testing::run;
use crate::{
    Answer, InvalidKind, Latency, LossPoint, Prediction, Predictions, Probability, PromptMessage, Report,
    Run, TokenUsage, UnansweredKind,
};

/// Texts that try to break out of wherever they stand.
pub(super) const HOSTILE: [&str; 8] = [
    "<script>document.title = 'broken'</script>",
    "</td></tr></table><img src=x onerror=\"document.title='broken'\">",
    "\"><svg onload=alert(1)> ' onmouseover='alert(1)",
    "]]> --> <!-- <![CDATA[ </script> </style> &lt;b&gt; {{7*7}} {}",
    "pay \u{202e}001$ ton\u{202c} now, \u{2066}left\u{2069} \u{200f}right",
    "nul \0 bell \u{7} escape \u{1b}[31m line\r\nbreak\ttab \u{85}",
    "=HYPERLINK(\"http://example.com\") ｆｕｌｌ ＷＩＤＴＨ 👩\u{200d}🚒 שלום עולם",
    "https://example.com/a/very/long/word/that/has/no/place/to/break/0123456789012345678901234567890123456789012345678901234567890123456789",
];

/// A number that looks random, from two.
fn mixed(i: u64, seed: u64) -> u64 {
    let mixed = (i + seed * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 32)) >> 12
}

/// Rows that are right with a probability of about `skill` per cent.
fn rows(labels: u32, count: u32, skill: u64, seed: u64) -> Predictions {
    let row = |i: u32| {
        let dice = mixed(i.into(), seed);
        // A row that is hard for one model is rather hard for the others too, and so are some labels.
        let luck = (dice % 100 + mixed(i.into(), 77) % 100) / 2 + u64::from(i % labels) % 7;
        let gold = i % labels;
        let answer = match dice / 100 % 400 {
            0 => Answer::Invalid(InvalidKind::NoLabel),
            1 => Answer::Unanswered(UnansweredKind::Timeout),
            _ if luck < skill => Answer::Label(LabelId(gold)),
            other => Answer::Label(LabelId((gold + 1 + (other % 5 * other % 3) as u32 * 4) % labels)),
        };
        let sure = 1.0 - ((luck + dice / 7 % 60) as f32 / 170.0).powi(2);
        Prediction {
            id: ExampleId(mixed(i.into(), 1)),
            gold: LabelId(gold),
            answer,
            probability: matches!(answer, Answer::Label(_)).then(|| Probability::new(sure)).flatten(),
            gold_probability: None,
            latency: Latency::from_micros(180_000 + (dice % 900_000) as u32),
        }
    };
    (0..count).map(row).collect()
}

/// Label names as people write them, each of its own.
fn names(count: usize) -> Vec<String> {
    let first = [
        "card",
        "transfer",
        "top_up",
        "cash_withdrawal",
        "exchange",
        "identity",
        "refund",
        "direct_debit",
        "pin",
        "account",
    ];
    let second = [
        "arrival",
        "not_recognised",
        "fee_charged",
        "pending",
        "declined",
        "limit",
        "delivery_estimate",
        "reverted",
        "wrong_amount",
        "blocked",
        "supported",
        "missing",
        "verification",
        "expired",
        "by_cheque",
    ];
    (0..count)
        .map(|i| format!("{}_{}", first[i % 10], second[i / 10 % 15]) + &"_again".repeat(i / 150))
        .collect()
}

/// A run of models with these skills, the first of which is the base of the others.
pub(super) fn of_skills(labels: usize, count: u32, skills: &[u64]) -> Run {
    let models: Vec<String> = (0..skills.len())
        .map(|i| match i {
            0 => "openai/gpt-4.1-mini-2025-04-14".to_owned(),
            1 => "openai/ft:gpt-4.1-mini-2025-04-14:acme::B1xYz42".to_owned(),
            i => format!("vertex/gemini-3.5-flash-tuned-{i}"),
        })
        .collect();
    let list = skills.iter().enumerate().map(|(i, &skill)| {
        let base = (i > 0).then(|| models[0].as_str());
        (models[i].as_str(), base, rows(labels as u32, count, skill, i as u64 + 2))
    });
    let mut run = run(&names(labels), list.collect());
    run.manifest.margin = Some(0.02);
    run.manifest.prompt = json!({
        "instruction": "A customer of a bank asks a question. Classify it by the customer's intent.",
        "categories_tag": "categories", "item_tag": "item", "output_tag": "output",
    });
    let message =
        |role: &str, content: &str| PromptMessage { role: role.to_owned(), content: content.to_owned() };
    let messages = [
        message("system", "A customer of a bank asks a question. Classify it by the customer's intent."),
        message("user", "<item>{text}</item>"),
    ];
    run.manifest.rendered_prompts = [("0123".to_owned(), messages.to_vec())].into();
    for (i, record) in run.manifest.models.iter_mut().enumerate() {
        record.prompt_sha256 = Some("0123".to_owned());
        let cost_usd = (i != 2).then(|| f64::from(count) * (0.0004 + 0.0003 * i as f64));
        record.usage = Some(TokenUsage { input_tokens: 812_345, output_tokens: 24_680, cost_usd });
    }
    run
}

/// Texts for all wanted rows, and losses for all tuned models.
pub(super) fn filled(run: &Run) -> Report<'_> {
    let report = Report::new(run);
    let wanted = report.wanted_texts(super::LISTED);
    let texts = wanted.iter().enumerate().map(|(i, id)| {
        let plain = format!(
            "I asked for a new card {} days ago and it is still not here. What can I do about it?",
            i + 2
        );
        (*id, HOSTILE.get(i).map_or(plain, ToString::to_string))
    });
    let texts: BTreeMap<_, _> = texts.collect();
    let tuned = run.evaluations.iter().filter(|evaluation| evaluation.tuned_from.is_some());
    let losses = tuned.map(|evaluation| (evaluation.model.clone(), losses())).collect();
    report.with_texts(texts).with_losses(losses)
}

fn losses() -> Vec<LossPoint> {
    let point = |step: u64| {
        let noise = (mixed(step, 5) % 1000) as f64 / 1000.0;
        let train = 0.04 + 2.2 * (-(step as f64) / 60.0).exp() + noise * 0.12;
        let valid = 0.11 + 2.1 * (-(step as f64) / 55.0).exp() + step as f64 * 0.0002;
        LossPoint {
            step,
            train_loss: Some(train),
            valid_loss: step.is_multiple_of(25).then_some(valid),
            ..LossPoint::default()
        }
    };
    (1..=600).map(point).collect()
}
