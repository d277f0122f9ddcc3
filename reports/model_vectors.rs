//! Comparison with the reference libraries: the figures of one model beyond its scores.

use serde::Deserialize;

use crate::student::student_quantile;
use crate::testing::{changed, in_groups, predictions};
use crate::vectors::read;
use crate::{Calibration, Clustered, Evaluation, Predictions, Probability};

#[track_caller]
fn same(what: &str, name: &str, ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() <= 1e-9, "{name}: {what} is {ours}, expected {theirs}");
}

/// Rows that are right (1) or wrong (0).
fn rows(right: &[u8]) -> Predictions {
    let answers: String = right.iter().map(|right| if *right == 1 { 'a' } else { 'b' }).collect();
    predictions(&"a".repeat(right.len()), &answers)
}

#[derive(Deserialize)]
struct CalibrationCase {
    name: String,
    probabilities: Vec<f32>,
    right: Vec<u8>,
    brier: f64,
    log_loss: f64,
    bins: Vec<(u64, f64, f64)>,
    expected_calibration_error: f64,
    area_under_risk_coverage: f64,
}

#[test]
fn calibration_agrees_with_scikit_learn() {
    let cases = read::<CalibrationCase>(include_str!("testdata/calibration.json"));
    assert!(cases.len() > 40);
    for case in cases {
        let told = |at: usize| Probability::new(case.probabilities[at]);
        let rows = changed(&rows(&case.right), |at, row| row.probability = told(at));
        let (ours, name) = (Calibration::of(&rows, None).unwrap(), case.name.as_str());
        same("the Brier score", name, ours.brier, case.brier);
        same("the log loss", name, ours.log_loss, case.log_loss);
        let error = ours.expected_calibration_error;
        same("the calibration error", name, error, case.expected_calibration_error);
        same("the area", name, ours.area_under_risk_coverage, case.area_under_risk_coverage);
        assert_eq!(ours.bins.len(), case.bins.len(), "{name}");
        for (bin, (rows, confidence, accuracy)) in ours.bins.iter().zip(case.bins) {
            assert_eq!(bin.rows, rows, "{name}");
            same("a confidence", name, bin.confidence, confidence);
            same("an accuracy", name, bin.accuracy, accuracy);
        }
    }
}

#[derive(Deserialize)]
struct MulticlassCase {
    gold_probabilities: Vec<f32>,
    log_loss: f64,
}

#[test]
fn the_log_loss_over_all_labels_agrees_with_scikit_learn() {
    let cases = read::<MulticlassCase>(include_str!("testdata/multiclass_log_loss.json"));
    assert!(cases.len() > 5);
    for case in cases {
        let rows = changed(&rows(&vec![1; case.gold_probabilities.len()]), |at, row| {
            row.gold_probability = Probability::new(case.gold_probabilities[at]);
            row.probability = row.gold_probability;
        });
        let ours = Calibration::of(&rows, None).unwrap().multiclass_log_loss.unwrap();
        same("the log loss", "all labels", ours, case.log_loss);
        // Where too many rows do not tell, there is none.
        let few = rows.len() / 20 + 1;
        let rows =
            changed(&rows, |at, row| row.gold_probability = row.gold_probability.filter(|_| at >= few));
        assert_eq!(Calibration::of(&rows, None).unwrap().multiclass_log_loss, None);
    }
}

#[derive(Deserialize)]
struct ClusterCase {
    name: String,
    groups: Vec<u32>,
    right: Vec<u8>,
    low: f64,
    high: f64,
    design_effect: f64,
}

#[test]
fn clustered_intervals_agree_with_statsmodels() {
    let cases = read::<ClusterCase>(include_str!("testdata/clusters.json"));
    assert!(cases.len() > 30);
    for case in cases {
        let clusters = in_groups(case.groups.iter().map(ToString::to_string));
        let model = "m".to_owned();
        let evaluation =
            Evaluation { model, tuned_from: None, predictions: rows(&case.right), clusters, slices: None };
        // Where each row is a group, there is nothing to allow for.
        let Some(ours) = Clustered::of(&evaluation) else { continue };
        same("the low end", &case.name, ours.accuracy.low, case.low.max(0.0));
        same("the high end", &case.name, ours.accuracy.high, case.high.min(1.0));
        same("the design effect", &case.name, ours.design_effect, case.design_effect);
    }
}

#[derive(Deserialize)]
struct StudentCase {
    level: f64,
    degrees: u64,
    quantile: f64,
}

#[test]
fn students_quantiles_agree_with_scipy() {
    let cases = read::<StudentCase>(include_str!("testdata/student.json"));
    assert!(cases.len() > 200);
    for StudentCase { level, degrees, quantile } in cases {
        let ours = student_quantile(level, degrees).unwrap();
        let off = (ours - quantile).abs() / quantile;
        assert!(off <= 1e-11, "{level}, {degrees}: {ours}, expected {quantile}, off by {off:e}");
    }
}
