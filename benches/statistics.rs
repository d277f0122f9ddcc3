//! All statistics of two models over 100,000 rows with 77 labels, in this process and without any network.

use std::sync::Arc;
use std::time::Instant;

use tunebench_data::{ExampleId, LabelId, LabelSet};
use tunebench_reports::{Answer, Clustering, Clusters, Evaluation, Figures, Manifest, Prediction, Run};

const ROWS: u32 = 100_000;
const LABELS: u32 = 77;

/// A model that is right with a chance of `skill`, and otherwise gives any label: the hardest case for statistics whose cost
/// goes by how many different rows there are. The same at every call.
fn evaluation(model: &str, skill: f64, seed: u64, clusters: Option<&Arc<Clusters>>) -> Evaluation {
    let random = |row: u32, what: u64| {
        let mut mixed = (u64::from(row) * 3 + what + seed * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 32)) as u32
    };
    let predictions = (0..ROWS).map(|row| {
        let gold = LabelId(row % LABELS);
        let right = f64::from(random(row, 0)) < skill * f64::from(u32::MAX);
        let answer = if right { gold } else { LabelId(random(row, 1) % LABELS) };
        let id = ExampleId(row.into());
        Prediction {
            id,
            gold,
            answer: Answer::Label(answer),
            probability: None,
            gold_probability: None,
            latency: None,
        }
    });
    let tuned_from = (model == "tuned").then(|| "base".to_owned());
    let clusters = clusters.cloned();
    Evaluation {
        model: model.to_owned(),
        tuned_from,
        predictions: predictions.collect(),
        clusters,
        slices: None,
    }
}

/// Groups of ten rows.
fn clusters() -> Option<Arc<Clusters>> {
    let mut clustering = Clustering::new(true);
    (0..ROWS).for_each(|row| clustering.push(Some(&(row / 10).to_string()), ""));
    clustering.finish().map(Arc::new)
}

/// Models that differ as a tuned one does from its base, as two good ones do, and as two bad ones; the first also in groups.
pub(crate) fn cases() {
    let groups = clusters();
    for (case, base, tuned, clusters, bar) in [
        ("statistics", 0.68, 0.97, None, "≤ 1"),
        ("statistics, clusters", 0.68, 0.97, groups.as_ref(), "≤ 1"),
        ("", 0.85, 0.9, None, "≤ 1"),
        ("", 0.5, 0.6, None, ""),
    ] {
        let evaluations =
            vec![evaluation("base", base, 1, clusters), evaluation("tuned", tuned, 2, clusters)];
        let run = Run { manifest: manifest(), evaluations };
        let seconds: Vec<_> = (0..3).map(|_| measure(&run)).collect();
        let best = seconds.into_iter().fold(f64::INFINITY, f64::min);
        let groups = if clusters.is_some() { " in groups of 10" } else { "" };
        crate::line(
            case,
            &format!("100,000 rows{groups}, 77 labels, {base} and {tuned} right, s"),
            best,
            bar,
        );
    }
}

fn manifest() -> Manifest {
    let text = r#"{"format_version": 1, "tool_version": "1", "started": "", "complete": true, "min_coverage": 1.0,
        "margin": 0.02, "seed": 1, "data": [], "labels": ["a"], "models": []}"#;
    let manifest = Manifest::from_json(text.as_bytes()).expect("a manifest");
    let labels = LabelSet::new((0..LABELS).map(|label| label.to_string()).collect()).expect("labels");
    Manifest { labels, ..manifest }
}

/// Seconds for all figures of both models and of their comparison.
fn measure(run: &Run) -> f64 {
    let start = Instant::now();
    let figures = Figures::of(run);
    assert!(figures.comparisons[0].macro_f1.is_some_and(|metric| metric.interval.is_some()));
    start.elapsed().as_secs_f64()
}
