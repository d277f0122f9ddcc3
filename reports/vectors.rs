//! Comparison with the reference libraries, on the vectors of `testdata/`; see `testdata/make_vectors.py`.

use serde::Deserialize;
use tunebench_data::{ExampleId, LabelId};

use crate::differences::DifferencesOf;
use crate::jackknife::Sample;
use crate::testing::in_groups;
use crate::{
    Answer, CONFIDENCE, Confusion, Evaluation, InvalidKind, LabelCounts, Paired, PrecisionRecallF1,
    Prediction, Predictions, Scores, UnansweredKind, holm, mcnemar_exact, mcnemar_mid_p, non_inferiority_p,
    normal_quantile, smallest_difference, tango, wilson,
};

#[derive(Deserialize)]
struct Vectors<T> {
    cases: Vec<T>,
}

pub(crate) fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Vec<T> {
    serde_json::from_str::<Vectors<T>>(text).unwrap().cases
}

/// Rows of label numbers; of the answers -1 is invalid, and -2 is none.
pub(crate) fn rows_of(gold: &[u32], answers: &[i64]) -> Predictions {
    let row = |(i, (&gold, &answer)): (usize, (&u32, &i64))| Prediction {
        id: ExampleId(i as u64),
        gold: LabelId(gold),
        answer: match answer {
            -1 => Answer::Invalid(InvalidKind::Empty),
            -2 => Answer::Unanswered(UnansweredKind::Quota),
            label => Answer::Label(LabelId(u32::try_from(label).unwrap())),
        },
        probability: None,
        gold_probability: None,
        latency: None,
    };
    gold.iter().zip(answers).enumerate().map(row).collect()
}

#[derive(Deserialize)]
struct MetricsCase {
    name: String,
    labels: usize,
    gold: Vec<u32>,
    answers: Vec<i64>,
    accuracy: Option<f64>,
    #[serde(rename = "macro")]
    macro_average: [Option<f64>; 3],
    weighted: [Option<f64>; 3],
    micro: [Option<f64>; 3],
    balanced_accuracy: Option<f64>,
    cohen_kappa: Option<f64>,
    matthews_correlation: Option<f64>,
    classes: Vec<ClassCase>,
}

/// Precision, recall, F1, support.
#[derive(Deserialize)]
struct ClassCase(Option<f64>, Option<f64>, Option<f64>, u64);

#[track_caller]
fn same(what: &str, name: &str, ours: Option<f64>, theirs: Option<f64>) {
    let close = match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-9,
        (None, None) => true,
        _ => false,
    };
    assert!(close, "{name}: {what} is {ours:?}, expected {theirs:?}");
}

#[track_caller]
fn same_triple(what: &str, name: &str, ours: PrecisionRecallF1, [precision, recall, f1]: [Option<f64>; 3]) {
    same(&format!("{what} precision"), name, ours.precision, precision);
    same(&format!("{what} recall"), name, ours.recall, recall);
    same(&format!("{what} F1"), name, ours.f1, f1);
}

#[test]
fn metrics_agree_with_scikit_learn() {
    let cases = read::<MetricsCase>(include_str!("testdata/metrics.json"));
    assert!(cases.len() > 100);
    for case in cases {
        let rows = rows_of(&case.gold, &case.answers);
        let scores = Scores::of(&Confusion::of(&rows, case.labels));
        let name = case.name.as_str();
        same("accuracy", name, scores.accuracy, case.accuracy);
        same_triple("macro", name, scores.macro_average, case.macro_average);
        same_triple("micro", name, scores.micro_average, case.micro);
        same_triple("weighted", name, scores.weighted_average, case.weighted);
        same("balanced accuracy", name, scores.balanced_accuracy, case.balanced_accuracy);
        same("kappa", name, scores.cohen_kappa, case.cohen_kappa);
        same("Matthews correlation", name, scores.matthews_correlation, case.matthews_correlation);
        assert_eq!(scores.classes.len(), case.classes.len());
        for (i, (class, ClassCase(precision, recall, f1, support))) in
            scores.classes.iter().zip(case.classes).enumerate()
        {
            same_triple(&format!("label {i}"), name, class.scores, [precision, recall, f1]);
            assert_eq!(class.support, support, "{name}: label {i}");
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IntervalCase {
    #[serde(default)]
    successes: u64,
    #[serde(default)]
    trials: u64,
    #[serde(default)]
    level: f64,
    #[serde(default)]
    low: f64,
    #[serde(default)]
    high: f64,
    p: Option<f64>,
    quantile: Option<f64>,
}

#[test]
fn intervals_agree_with_statsmodels_and_scipy() {
    let cases = read::<IntervalCase>(include_str!("testdata/intervals.json"));
    let mut quantiles = 0;
    for case in &cases {
        if let (Some(p), Some(quantile)) = (case.p, case.quantile) {
            quantiles += 1;
            let ours = normal_quantile(p).unwrap();
            assert!(
                (ours - quantile).abs() <= 1e-13 * quantile.abs().max(1e-3),
                "{p}: {ours}, expected {quantile}"
            );
        } else {
            let ours = wilson(case.successes, case.trials, case.level).unwrap();
            let off = (ours.low - case.low).abs().max((ours.high - case.high).abs());
            assert!(off <= 1e-12, "{} of {}: {ours:?}", case.successes, case.trials);
        }
    }
    assert!(quantiles > 60 && cases.len() - quantiles > 150);
}

#[derive(Deserialize)]
struct McNemarCase {
    b: u64,
    c: u64,
    p: f64,
    statsmodels: f64,
    mid_p: f64,
}

#[test]
fn mcnemar_agrees_with_statsmodels_and_with_sixty_digits() {
    let cases = read::<McNemarCase>(include_str!("testdata/mcnemar.json"));
    assert!(cases.len() > 60);
    assert!(cases.iter().any(|case| case.p < 1e-280));
    for McNemarCase { b, c, p, statsmodels, mid_p } in cases {
        let ours = mcnemar_exact(b, c);
        assert!((ours - p).abs() <= 1e-11 * p, "{b}, {c}: {ours}, expected {p}");
        assert!(
            (ours - statsmodels).abs() <= 1e-9 * statsmodels,
            "{b}, {c}: {ours}, statsmodels {statsmodels}"
        );
        let ours = mcnemar_mid_p(b, c);
        // scipy's point probabilities lose digits as the rows grow.
        assert!((ours - mid_p).abs() <= 1e-9 * mid_p, "{b}, {c}: {ours}, scipy {mid_p}");
    }
    // The example of Cavo et al. (2012) in Fagerland, Lydersen and Laake (2013).
    assert_eq!(format!("{:.6} {:.6}", mcnemar_exact(6, 16), mcnemar_mid_p(6, 16)), "0.052479 0.034690");
}

#[derive(Deserialize)]
struct TangoCase {
    n: u64,
    lost: u64,
    won: u64,
    level: f64,
    low: f64,
    high: f64,
    margin: f64,
    p: f64,
}

fn rows(n: u64, lost: u64, won: u64) -> Paired {
    Paired { both_correct: n - lost - won, only_base: lost, only_tuned: won, ..Paired::default() }
}

#[test]
fn tango_agrees_with_a_likelihood_maximised_numerically() {
    let cases = read::<TangoCase>(include_str!("testdata/tango.json"));
    assert!(cases.len() > 50);
    for TangoCase { n, lost, won, level, low, high, margin, p } in cases {
        let paired = rows(n, lost, won);
        let ours = tango(&paired, level).unwrap();
        let off = (ours.low - low).abs().max((ours.high - high).abs());
        assert!(off <= 1e-13, "{lost} and {won} of {n}: {ours:?}, expected {low} to {high}");
        let ours = non_inferiority_p(&paired, margin);
        assert!((ours - p).abs() <= 1e-9 * p.max(1e-200), "{lost} and {won} of {n}: {ours}, expected {p}");
    }
}

#[test]
fn tango_gives_the_published_examples() {
    // Fagerland, Lydersen and Laake (2014): Bentur et al. (2009), Cavo et al. (2012).
    for (n, lost, won, published) in [(21, 7, 1, "-0.517 to -0.026"), (161, 16, 6, "-0.124 to -0.005")] {
        let interval = tango(&rows(n, lost, won), CONFIDENCE).unwrap();
        assert_eq!(format!("{:.3} to {:.3}", interval.low, interval.high), published);
    }
}

#[derive(Deserialize)]
struct PowerCase {
    rows: u64,
    discordance: f64,
    difference: f64,
}

#[test]
fn power_agrees_with_an_equation_solved_numerically() {
    for PowerCase { rows, discordance, difference } in read(include_str!("testdata/power.json")) {
        let ours = smallest_difference(rows, discordance).unwrap();
        assert!((ours - difference).abs() < 1e-11, "{rows}, {discordance}: {ours}, not {difference}");
    }
}

#[derive(Deserialize)]
struct DifferencesCase {
    name: String,
    clusters: Vec<usize>,
    differences: Vec<f64>,
    scores: Vec<(f64, f64)>,
    p: f64,
    low: f64,
    high: f64,
    rows_to_decide: Option<f64>,
}

#[test]
fn the_cluster_score_test_agrees_with_its_definition_evaluated_numerically() {
    let cases = read::<DifferencesCase>(include_str!("testdata/differences.json"));
    assert!(cases.len() > 30);
    for case in cases {
        let mut of = DifferencesOf::new(Some(case.clusters.iter().max().map_or(0, |last| *last as u64 + 1)));
        case.clusters.iter().zip(&case.differences).for_each(|(cluster, value)| of.add(*cluster, *value));
        let (ours, name) = (of.finish(), &case.name);
        for (delta, score) in case.scores {
            let off = (ours.score(delta) - score).abs();
            assert!(off <= 1e-9 * score.abs().max(1.0), "{name}, {delta}: {} for {score}", ours.score(delta));
        }
        assert!((ours.p() - case.p).abs() <= 1e-9, "{name}: {} for {}", ours.p(), case.p);
        let interval = ours.interval(CONFIDENCE).unwrap();
        let off = (interval.low - case.low).abs().max((interval.high - case.high).abs());
        assert!(off <= 1e-9, "{name}: {interval:?} for {} to {}", case.low, case.high);
        match (ours.rows_to_decide(0.0, 0.025), case.rows_to_decide) {
            (None, None) => {}
            (Some(ours), Some(theirs)) => {
                assert!((ours as f64 - theirs).abs() <= 1.0 + 1e-6 * theirs, "{name}: {ours}, {theirs}")
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[derive(Deserialize)]
struct JackknifeCase {
    name: String,
    clusters: Vec<usize>,
    gold: Vec<u32>,
    answers: Vec<i64>,
    value: f64,
    variance: f64,
}

#[test]
fn macro_f1_without_each_cluster_agrees_with_scikit_learn() {
    let cases = read::<JackknifeCase>(include_str!("testdata/jackknife.json"));
    assert!(cases.len() > 10);
    for case in cases {
        let predictions = rows_of(&case.gold, &case.answers);
        let clusters = in_groups(case.clusters.iter().map(ToString::to_string));
        let evaluation =
            Evaluation { model: "m".to_owned(), tuned_from: None, predictions, clusters, slices: None };
        let [ours] = Sample::of(&evaluation, 8).estimates(|[tally]: &[LabelCounts; 1]| [tally.macro_f1()]);
        let (ours, name) = (ours.unwrap(), &case.name);
        assert!((ours.value - case.value).abs() < 1e-12, "{name}: {} for {}", ours.value, case.value);
        assert!(
            (ours.variance - case.variance).abs() < 1e-12,
            "{name}: {} for {}",
            ours.variance,
            case.variance
        );
    }
}

#[derive(Deserialize)]
struct HolmCase {
    p: Vec<f64>,
    holm: Vec<f64>,
}

#[test]
fn holm_agrees_with_statsmodels() {
    for case in read::<HolmCase>(include_str!("testdata/holm.json")) {
        for (ours, theirs) in holm(&case.p).into_iter().zip(case.holm) {
            assert!((ours - theirs).abs() <= 1e-15, "{ours}, expected {theirs} for {:?}", case.p);
        }
    }
}
