//! Results: of other tools, and of ours as they are read back.

use tunebench_data::LabelSet;
use tunebench_reports::{Manifest, foreign, render::csv::read_predictions};

use super::{Target, seeds, told};

/// Results that other tools wrote.
pub(super) const FOREIGN: Target = Target {
    name: "foreign",
    start: || Box::new(|bytes| told(foreign::read(bytes, "name"), |_| "read".to_owned())),
    seeds: || {
        const FILES: [&str; 8] = [
            "reports/foreign/testdata/inspect.json",
            "reports/foreign/testdata/inspect_choice.json",
            "reports/foreign/testdata/lm_eval_choices.jsonl",
            "reports/foreign/testdata/lm_eval_filters.jsonl",
            "reports/foreign/testdata/lm_eval_index.jsonl",
            "reports/foreign/testdata/promptfoo.json",
            "reports/foreign/testdata/promptfoo_expected.json",
            "reports/foreign/testdata/promptfoo_repeated.json",
        ];
        seeds("foreign", &FILES)
    },
    words: &[
        "\"results\"",
        "\"testIdx\"",
        "\"promptIdx\"",
        "\"samples\"",
        "\"scores\"",
        "\"target\"",
        "\"doc_id\"",
        "\"filtered_resps\"",
        "\"messages\"",
    ],
};

/// `manifest.json`, which may come from another machine.
pub(super) const MANIFEST: Target = Target {
    name: "manifest",
    start: || Box::new(|bytes| told(Manifest::from_json(bytes), |manifest| manifest.metric().name())),
    seeds: || seeds("manifest", &[]),
    words: &[
        "\"labels\"",
        "\"models\"",
        "\"file\"",
        "\"primary\":\"recall:a\"",
        "\"costs\":{\"wrong\":1}",
        "\"min_coverage\"",
        "../",
    ],
};

/// `predictions/MODEL.csv`.
pub(super) const PREDICTIONS: Target = Target {
    name: "predictions",
    start: || {
        let labels =
            LabelSet::new(["card", "rate", "refund"].map(str::to_owned).to_vec()).expect("they are plain");
        Box::new(move |bytes| told(read_predictions(bytes, &labels), |_| "read".to_owned()))
    },
    seeds: || seeds("predictions", &[]),
    words: &[
        "id,label,prediction,outcome",
        "correct",
        "incorrect",
        "invalid",
        "unanswered",
        "card",
        "truncated",
        "network",
    ],
};
