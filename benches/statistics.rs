//! All statistics of two models over 100,000 rows with 77 labels, in this process and without any network.

use std::time::Instant;

use tunebench_data::{ExampleId, LabelId};
use tunebench_reports::{
    Answer, Bootstrap, Cell, Comparison, Confusion, DRAWS, Evaluation, Prediction, Rules,
};

const ROWS: u32 = 100_000;
const LABELS: u32 = 77;

/// A model that is right with a chance of `skill`, and otherwise gives any label: the hardest case for statistics whose cost
/// goes by how many different rows there are. The same at every call.
fn evaluation(model: &str, skill: f64, seed: u64) -> Evaluation {
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
        Prediction { id, gold, answer: Answer::Label(answer), probability: None, latency: None }
    });
    Evaluation { model: model.to_owned(), tuned_from: None, predictions: predictions.collect(), groups: None }
}

/// Models that differ as a tuned one does from its base, as two good ones do, and as two bad ones.
pub(crate) fn cases() {
    for (case, base, tuned, bar) in
        [("statistics", 0.68, 0.97, "≤ 1"), ("", 0.85, 0.9, "≤ 1"), ("", 0.5, 0.6, "")]
    {
        let models = [evaluation("base", base, 1), evaluation("tuned", tuned, 2)];
        let seconds: Vec<_> = (0..3).map(|_| measure(&models)).collect();
        let best = seconds.into_iter().fold(f64::INFINITY, f64::min);
        crate::line(case, &format!("100,000 rows, 77 labels, {base} and {tuned} right, s"), best, bar);
    }
}

/// Seconds for the intervals of both models and for all of their comparison.
fn measure(models: &[Evaluation; 2]) -> f64 {
    let start = Instant::now();
    let bootstrap = Bootstrap { draws: DRAWS, seed: 1, stratified: false };
    for model in models {
        let cells = Cell::of(&Confusion::of(&model.predictions, LABELS as usize));
        let intervals = bootstrap.intervals(&cells, LABELS as usize, |[tally]| {
            [tally.macro_f1(), tally.balanced_accuracy(), tally.cohen_kappa(), tally.matthews_correlation()]
        });
        assert!(intervals.iter().all(Option::is_some), "{intervals:?}");
    }
    let [base, tuned] = models;
    let rules = Rules { margin: Some(0.02), ..Rules::default() };
    let comparison = Comparison::of(base, tuned, &rules);
    assert!(comparison.macro_f1.is_some(), "{comparison:?}");
    start.elapsed().as_secs_f64()
}
