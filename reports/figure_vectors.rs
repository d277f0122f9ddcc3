//! Figures other than accuracy, held against the vectors of `testdata/figures.json`; see `testdata/make_vectors.py`.

use serde::Deserialize;

use crate::testing::{in_groups, labels};
use crate::vectors::{read, rows_of};
use crate::{CONFIDENCE, Contrast, Costs, Evaluation, Looks, Metric, Scenarios};

#[derive(Deserialize)]
struct Case {
    figure: String,
    gold: Vec<u32>,
    base: Vec<i64>,
    tuned: Vec<i64>,
    clusters: Vec<usize>,
    values: [f64; 2],
    difference: f64,
    variance: f64,
    tail: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
}

/// The costs of `make_vectors.py`.
const COSTS: &str = r#"{"invalid": 3, "of": {"a": {"c": 4}, "b": {"a": 2}, "c": {"b": 7}}}"#;

#[test]
fn figures_agree_with_the_reference_libraries() {
    let cases = read::<Case>(include_str!("testdata/figures.json"));
    assert!(cases.len() > 60);
    let (labels, costs) = (labels(&["a", "b", "c"]), serde_json::from_str::<Costs>(COSTS).unwrap());
    for (i, case) in cases.into_iter().enumerate() {
        let metric = Metric::named(&case.figure, Some(&costs), &labels).unwrap();
        let clusters = in_groups(case.clusters.iter().map(ToString::to_string));
        let model = |answers: &[i64]| Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: rows_of(&case.gold, answers),
            clusters: clusters.clone(),
            slices: None,
        };
        let (base, tuned) = (model(&case.base), model(&case.tuned));
        let found = Scenarios::of(&[&base], &[&tuned], &metric, Looks::Once);
        let name = format!("{i}, {}", case.figure);
        let close = |what: &str, ours: f64, theirs: f64| {
            assert!((ours - theirs).abs() <= 1e-9, "{name}: {what} is {ours}, expected {theirs}");
        };
        let Contrast::Figures(of) = found.answered else { panic!("{name}: another test") };
        let values = found.values.unwrap();
        close("base", values[0], case.values[0]);
        close("tuned", values[1], case.values[1]);
        close("difference", of.difference, case.difference);
        if of.variance.is_finite() {
            close("variance", of.variance, case.variance);
        }
        // With few telling clusters no test may claim more than their signs can.
        if let (Some(low), Some(high), true) = (case.low, case.high, of.telling > 12) {
            let interval = of.interval(CONFIDENCE).unwrap();
            close("low end", interval.low, low);
            close("high end", interval.high, high);
            let tail = of.gain_p().min(of.loss_p(0.0));
            close("tail", tail, case.tail.unwrap_or(tail).max(0.5f64.powf(of.telling as f64)));
        }
    }
}
