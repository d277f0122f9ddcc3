//! What a model's probabilities are worth: whether they are true, and what leaving its doubtful answers to others gains.

mod cross_fit;
mod debiased;
mod keyed;

use serde::Serialize;

use crate::confusion::ratio;
use crate::intervals::{CONFIDENCE, wilson};
use crate::{Answer, Clusters, Interval, Outcome, Prediction, Predictions, Probability};

pub use cross_fit::HeldOut;
use cross_fit::held_out;
use keyed::KeyedRows;

/// How many bins of equal width the reliability curve has, as in Guo et al. (2017).
pub const CALIBRATION_BINS: usize = 15;

/// The share of the answered rows that must carry a probability for there to be any figures.
pub(crate) const MIN_SHARE: f64 = 0.98;

/// The most points that a risk-coverage curve is shown with.
const POINTS: usize = 200;

/// The bits of the highest probability.
const ONE: u32 = 1f32.to_bits();

/// The precisions for which thresholds are looked for.
const PRECISIONS: [f64; 3] = [0.9, 0.95, 0.99];

/// How good the probabilities are that a model gives to its answers.
///
/// Most providers give the probability of the answered label alone, so all figures but the multi-class log loss are those of one
/// event: "the answer is right" (top-label calibration).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Calibration {
    /// The rows that were answered with a label and a probability.
    pub rows: u64,
    /// The mean squared difference of probability and outcome, 0 (best) to 1. Brier (1950), in the form for one event:
    /// scikit-learn's `brier_score_loss`.
    pub brier: f64,
    /// The mean negative natural logarithm of the probability of what happened, from 0 (best). Probabilities are clipped
    /// to within 2⁻⁵² of 0 and 1, as in scikit-learn's `log_loss`: so no row costs more than about 36.
    pub log_loss: f64,
    /// The same over all labels: the mean negative natural logarithm of the probability that the gold label had, clipped likewise;
    /// scikit-learn's `log_loss` of a matrix of probabilities. None unless 98 % of the answered rows tell it.
    pub multiclass_log_loss: Option<f64>,
    /// The mean distance of confidence and accuracy over the bins, weighted by their rows, 0 (best) to 1: Naeini, Cooper
    /// and Hauskrecht (2015), with [`CALIBRATION_BINS`] bins of equal width.
    pub expected_calibration_error: f64,
    /// The same without what chance adds to it, 0 (best) to 1: Kumar, Liang and Ma (2019).
    pub debiased_calibration_error: f64,
    /// Its 95 % interval, by leaving out each cluster once.
    pub debiased_calibration_error_interval: Option<Interval>,
    /// The bins of the reliability curve, from low to high; those without rows are left out, as in scikit-learn's
    /// `calibration_curve`.
    pub bins: Vec<CalibrationBin>,
    /// What share of the rows can be answered at which rate of error (El-Yaniv and Wiener 2010): most confident first, all
    /// rows last. Rows of equal probability are accepted together. Of longer curves 200 points.
    pub risk_coverage: Vec<RiskPoint>,
    /// The area under the whole risk-coverage curve, 0 (best) to 1: the mean, over all rows, of the risk at that row's
    /// probability as the threshold (Geifman, Uziel and El-Yaniv 2019).
    pub area_under_risk_coverage: f64,
    /// For precisions that one may want: which answers to accept.
    pub thresholds: Vec<ThresholdPoint>,
}

/// The rows whose probability lies above `low` and up to `high`; the first bin holds 0 as well.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CalibrationBin {
    /// The lower end, not included.
    pub low: f64,
    /// The upper end, included.
    pub high: f64,
    /// How many rows; at least one.
    pub rows: u64,
    /// Their mean probability.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
}

/// What comes of accepting the answers from a probability on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RiskPoint {
    /// The accepted share of the rows.
    pub coverage: f64,
    /// The wrong share of the accepted rows.
    pub risk: f64,
    /// The lowest accepted probability.
    pub threshold: f64,
}

/// The lowest probability from which on the answers have a wanted precision.
///
/// It is chosen and measured on the same rows, and so a little too good to be true; `held_out` says what it is worth on others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ThresholdPoint {
    /// The wanted share of right answers among the accepted ones.
    pub precision: f64,
    /// The lowest accepted probability; none where no threshold gives this precision.
    pub threshold: Option<f64>,
    /// The accepted share of the rows; 0 without a threshold.
    pub coverage: f64,
    /// The Wilson interval of the precision that is reached, at the level of [`CONFIDENCE`](crate::CONFIDENCE).
    pub interval: Option<Interval>,
    /// What thresholds for this precision come to on rows that had no part in choosing them.
    pub held_out: HeldOut,
}

impl Calibration {
    /// None when fewer than 98 % of the answered rows carry a probability, as an invalid answer never does.
    pub(crate) fn of(predictions: &Predictions, clusters: Option<&Clusters>) -> Option<Self> {
        let answered = predictions.iter().filter(|row| row.is_answered()).count();
        if ratio(with_probability(predictions), answered as u64)? < MIN_SHARE {
            return None;
        }
        // Each of these takes four bytes a row while it is computed.
        let multiclass_log_loss = multiclass_log_loss(predictions, answered);
        let keyed = KeyedRows::of(predictions, clusters);
        let held_out = held_out(&keyed, PRECISIONS);
        let (debiased_calibration_error, debiased_calibration_error_interval) =
            debiased::error(keyed.places(), |place| keyed.key(place), |place| keyed.row(place));
        let mut rows: Vec<_> = rows(predictions).collect();
        // Most confident first; equal rows are equal, so that the order of the file does not matter.
        rows.sort_unstable();
        let n = rows.len() as f64;
        let bins = bins(&rows);
        let gaps = bins.iter().map(|bin| bin.rows as f64 * (bin.accuracy - bin.confidence).abs());
        let curve = Curve(&rows);
        let thresholds = PRECISIONS.iter().zip(held_out);
        let thresholds = thresholds.map(|(precision, held_out)| curve.threshold(*precision, held_out));
        Some(Self {
            debiased_calibration_error,
            debiased_calibration_error_interval,
            rows: rows.len() as u64,
            brier: rows.iter().map(|row| (row.probability() - row.outcome()).powi(2)).sum::<f64>() / n,
            log_loss: rows.iter().map(Row::log_loss).sum::<f64>() / n,
            multiclass_log_loss,
            expected_calibration_error: gaps.sum::<f64>() / n,
            risk_coverage: curve.points(),
            area_under_risk_coverage: curve.area(),
            thresholds: thresholds.collect(),
            bins,
        })
    }
}

/// How many rows were answered with a label and a probability.
pub(crate) fn with_probability(predictions: &Predictions) -> u64 {
    rows(predictions).count() as u64
}

fn rows(predictions: &Predictions) -> impl Iterator<Item = Row> {
    predictions.iter().filter_map(|row| Row::of(&row))
}

/// See [`Calibration::multiclass_log_loss`].
fn multiclass_log_loss(predictions: &Predictions, answered: usize) -> Option<f64> {
    let rows = predictions.iter().filter(|row| row.is_answered());
    let mut told: Vec<f32> = rows.filter_map(|row| Some(row.gold_probability?.get())).collect();
    // From the least loss on: equal rows give equal sums, whatever the order of the file.
    told.sort_unstable_by(|a, b| b.total_cmp(a));
    let enough = ratio(told.len() as u64, answered as u64)? >= MIN_SHARE;
    enough.then(|| told.iter().map(|p| surprise((*p).into())).sum::<f64>() / told.len() as f64)
}

/// The negative logarithm of a probability, clipped.
fn surprise(p: f64) -> f64 {
    -libm::log(p.clamp(f64::EPSILON, 1.0 - f64::EPSILON))
}

/// The probability of an answer, and whether it is right, in four bytes: they are in order with falling probabilities, and
/// wrong before right among equal ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row(u32);

impl Row {
    /// None unless the row was answered with a label and a probability.
    fn of(prediction: &Prediction) -> Option<Self> {
        let probability = prediction.probability.filter(|_| matches!(prediction.answer, Answer::Label(_)))?;
        Some(Self::new(probability, prediction.outcome() == Outcome::Correct))
    }

    fn new(probability: Probability, right: bool) -> Self {
        // The bits of numbers from 0 to 1 rise with them and leave the two highest free.
        Self((ONE - probability.get().to_bits()) << 1 | u32::from(right))
    }

    fn is_right(self) -> bool {
        self.0 & 1 == 1
    }

    fn threshold(self) -> f32 {
        f32::from_bits(ONE - (self.0 >> 1))
    }

    fn probability(&self) -> f64 {
        self.threshold().into()
    }

    /// The number of inner edges below the probability.
    fn bin(self) -> usize {
        let above = |i: &usize| (*i as f64 / CALIBRATION_BINS as f64) < self.probability();
        (1..CALIBRATION_BINS).take_while(above).count()
    }

    fn outcome(&self) -> f64 {
        f64::from(u8::from(self.is_right()))
    }

    fn log_loss(&self) -> f64 {
        surprise(if self.is_right() { self.probability() } else { 1.0 - self.probability() })
    }
}

/// The bins with rows.
fn bins(rows: &[Row]) -> Vec<CalibrationBin> {
    let edge = |i: usize| i as f64 / CALIBRATION_BINS as f64;
    let mut sums = [(0u64, 0.0, 0u64); CALIBRATION_BINS];
    for row in rows {
        let (count, confidence, right) = &mut sums[row.bin()];
        *count += 1;
        *confidence += row.probability();
        *right += u64::from(row.is_right());
    }
    let bins = sums.into_iter().enumerate().filter(|(_, (count, ..))| *count > 0);
    let bin = |(i, (rows, confidence, right))| CalibrationBin {
        low: edge(i),
        high: edge(i + 1),
        rows,
        confidence: confidence / rows as f64,
        accuracy: right as f64 / rows as f64,
    };
    bins.map(bin).collect()
}

/// The whole risk-coverage curve of rows in their order: for each probability that occurs, the rows with it or a higher one.
struct Curve<'a>(&'a [Row]);

#[derive(Clone, Copy)]
struct Step {
    threshold: f32,
    accepted: u64,
    right: u64,
}

impl Curve<'_> {
    /// The steps, which may be as many as the rows: they are counted anew each time.
    fn steps(&self) -> impl Iterator<Item = Step> {
        let (mut accepted, mut right) = (0, 0);
        self.0.chunk_by(|a, b| a.threshold() == b.threshold()).map(move |equal| {
            accepted += equal.len() as u64;
            right += equal.iter().filter(|row| row.is_right()).count() as u64;
            Step { threshold: equal[0].threshold(), accepted, right }
        })
    }

    fn rows(&self) -> u64 {
        self.0.len() as u64
    }

    fn point(&self, step: &Step) -> RiskPoint {
        RiskPoint {
            coverage: step.accepted as f64 / self.rows() as f64,
            risk: (step.accepted - step.right) as f64 / step.accepted as f64,
            threshold: step.threshold.into(),
        }
    }

    /// At most [`POINTS`] of the steps, the last among them, at even distances of coverage.
    fn points(&self) -> Vec<RiskPoint> {
        let (mut shown, all) = (0, self.steps().take(POINTS + 1).count() <= POINTS);
        let share = |step: &Step| {
            let reached = step.accepted * POINTS as u64 / self.rows();
            let new = all || reached > shown;
            shown = reached;
            new
        };
        self.steps().filter(share).map(|step| self.point(&step)).collect()
    }

    fn area(&self) -> f64 {
        let mut before = 0;
        let area = |step: Step| {
            let rows = step.accepted - std::mem::replace(&mut before, step.accepted);
            rows as f64 * self.point(&step).risk
        };
        self.steps().map(area).sum::<f64>() / self.rows() as f64
    }

    /// The last step with such a precision.
    fn lowest(&self, precision: f64) -> Option<Step> {
        self.steps().filter(|step| step.right as f64 / step.accepted as f64 >= precision).last()
    }

    fn threshold(&self, precision: f64, held_out: HeldOut) -> ThresholdPoint {
        let step = self.lowest(precision);
        ThresholdPoint {
            precision,
            threshold: step.map(|step| step.threshold.into()),
            coverage: step.map_or(0.0, |step| self.point(&step).coverage),
            interval: step.and_then(|step| wilson(step.right, step.accepted, CONFIDENCE)),
            held_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tunebench_data::LabelId;

    use super::*;
    use crate::testing::{any_predictions, changed, in_groups, predictions};

    /// A right row for each probability above zero, a wrong one for each below.
    fn of(signed: &[f32]) -> Option<Calibration> {
        let gold = "a".repeat(signed.len());
        let answers: String = signed.iter().map(|p| if p.is_sign_positive() { 'a' } else { 'b' }).collect();
        let rows = predictions(&gold, &answers);
        let rows = changed(&rows, |at, row| row.probability = Probability::new(signed[at].abs()));
        Calibration::of(&rows, None)
    }

    #[test]
    fn sure_and_right_costs_nothing_and_sure_and_wrong_costs_what_the_clip_lets_it() {
        let sure = of(&[1.0, 1.0]).unwrap();
        assert_eq!(
            (sure.brier, sure.expected_calibration_error, sure.area_under_risk_coverage),
            (0.0, 0.0, 0.0)
        );
        assert!(sure.log_loss < 1e-15);
        let wrong = of(&[-1.0]).unwrap();
        assert_eq!((wrong.brier, wrong.expected_calibration_error), (1.0, 1.0));
        assert!((wrong.log_loss - 36.043_653_389_117_15).abs() < 1e-9, "{}", wrong.log_loss);
        assert!(wrong.thresholds.iter().all(|point| point.threshold.is_none() && point.coverage == 0.0));
    }

    #[test]
    fn what_is_held_out_is_judged_by_what_others_chose() {
        let signed: Vec<f32> = (0..400).map(|i| if i % 4 == 3 { -0.6 } else { 0.9 }).collect();
        let points = of(&signed).unwrap().thresholds;
        let sure = points[2].held_out;
        assert_eq!((sure.precision, sure.coverage), (Some(1.0), 0.75));
        assert!(sure.interval.unwrap().low < 1.0);
        // Chance alone: what was chosen promises more than it keeps.
        let noise: Vec<f32> = (0..400u32)
            .map(|i| {
                let hash = i.wrapping_mul(2_654_435_761) >> 8;
                let p = 0.5 + (hash % 1000) as f32 / 2000.0;
                if hash / 1000 % 10 < 7 { p } else { -p }
            })
            .collect();
        let hoped = &of(&noise).unwrap().thresholds[0];
        assert!(hoped.held_out.precision.is_none_or(|kept| kept < hoped.precision), "{hoped:?}");
    }

    #[test]
    fn rows_are_in_order_with_falling_probabilities() {
        let row = |p: f32, right| Row::new(Probability::new(p).unwrap(), right);
        let (least, next) = (f32::from_bits(1), f32::from_bits(ONE - 1));
        let falling = [
            (1.0, false),
            (1.0, true),
            (next, false),
            (0.5, true),
            (least, false),
            (0.0, false),
            (0.0, true),
        ];
        let rows = falling.map(|(p, right)| row(p, right));
        assert!(rows.is_sorted() && rows.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(rows.map(|row| (row.threshold(), row.is_right())), falling);
    }

    #[test]
    fn rows_of_one_cluster_are_judged_together() {
        // Each text stands twice, so that half as many rows tell as much; what is right stays right.
        let signed: Vec<f32> = (0..200).map(|i| if i / 2 % 4 == 3 { -0.6 } else { 0.9 }).collect();
        let rows = changed(&predictions(&"a".repeat(200), &"a".repeat(200)), |at, row| {
            row.probability = Probability::new(signed[at].abs());
            row.answer = Answer::Label(LabelId(u32::from(signed[at].is_sign_negative())));
        });
        let clusters = in_groups((0..200).map(|row| (row / 2).to_string()));
        let (alone, together) =
            (Calibration::of(&rows, None).unwrap(), Calibration::of(&rows, clusters.as_deref()).unwrap());
        assert_eq!((alone.brier, &alone.bins), (together.brier, &together.bins));
        let width =
            |of: &Calibration| of.debiased_calibration_error_interval.map(|i| i.high - i.low).unwrap();
        assert!(width(&together) > 1.3 * width(&alone));
        let held_out = |of: &Calibration| of.thresholds[2].held_out.interval.map(|i| i.high - i.low).unwrap();
        assert!(held_out(&together) > 1.3 * held_out(&alone));
    }

    #[test]
    fn a_bin_ends_with_its_upper_edge() {
        let bins = of(&[0.0, 0.2, 1.0]).unwrap().bins;
        // The nearest to 0.2 that is kept lies a hair above it.
        let edges: Vec<_> = bins.iter().map(|bin| (bin.low, bin.high)).collect();
        assert_eq!(edges, [(0.0, 1.0 / 15.0), (3.0 / 15.0, 4.0 / 15.0), (14.0 / 15.0, 1.0)]);
    }

    #[test]
    fn rows_of_equal_probability_are_accepted_together() {
        let calibration = of(&[0.75, -0.5, 0.5, 0.75, -0.25]).unwrap();
        let point = |coverage, risk, threshold| RiskPoint { coverage, risk, threshold };
        assert_eq!(
            calibration.risk_coverage,
            [point(0.4, 0.0, 0.75), point(0.8, 0.25, 0.5), point(1.0, 0.4, 0.25)]
        );
        assert!((calibration.area_under_risk_coverage - 0.18).abs() < 1e-12);
        let threshold = calibration.thresholds[0];
        assert_eq!((threshold.precision, threshold.threshold, threshold.coverage), (0.9, Some(0.75), 0.4));
        assert_eq!(threshold.interval, wilson(2, 2, CONFIDENCE));
    }

    #[test]
    fn the_threshold_is_the_lowest_that_does() {
        // Wrong at the very top: a higher threshold would only be worse.
        let mut signed = vec![0.9; 19];
        signed.push(-0.95);
        signed.extend([-0.1; 5]);
        let thresholds = of(&signed).unwrap().thresholds;
        let found: Vec<_> = thresholds.iter().map(|point| point.threshold.map(|t| t as f32)).collect();
        assert_eq!(found, [Some(0.9), Some(0.9), None]);
    }

    #[test]
    fn a_few_rows_may_lack_a_probability_and_no_more() {
        let rows = predictions(&"a".repeat(101), &format!("{}!!?", "a".repeat(98)));
        let told = |from: usize| {
            changed(&rows, |at, row| {
                row.probability = Probability::new(0.5).filter(|_| (from..98).contains(&at))
            })
        };
        assert_eq!(Calibration::of(&told(0), None).unwrap().rows, 98);
        assert_eq!(Calibration::of(&told(1), None), None);
        assert_eq!(Calibration::of(&Predictions::default(), None), None);
    }

    #[test]
    fn a_long_curve_keeps_its_shape_in_few_points() {
        let signed: Vec<f32> =
            (1..=5000).map(|i| if i % 7 == 0 { -1.0 } else { 1.0 } * i as f32 / 5000.0).collect();
        let curve = of(&signed).unwrap().risk_coverage;
        assert_eq!(curve.len(), POINTS);
        assert!(curve.windows(2).all(|pair| (pair[1].coverage - pair[0].coverage - 0.005).abs() < 1e-9));
        assert_eq!(curve.last().unwrap().coverage, 1.0);
    }

    proptest! {
        #[test]
        fn figures_stay_within_their_bounds_and_parts_add_up(
            rows in any_predictions(3),
            probabilities in prop::collection::vec((0u8..=20).prop_map(|p| f32::from(p) / 20.0), 60),
        ) {
            let rows = rows.iter().filter(|row| matches!(row.outcome(), Outcome::Correct | Outcome::Incorrect)).collect();
            let rows = changed(&rows, |at, row| row.probability = Probability::new(probabilities[at]));
            let Some(figures) = Calibration::of(&rows, None) else {
                prop_assert!(rows.is_empty());
                return Ok(());
            };
            let n = rows.len() as f64;
            let errors = rows.iter().filter(|row| row.outcome() == Outcome::Incorrect).count() as f64;
            for share in [figures.brier, figures.expected_calibration_error, figures.area_under_risk_coverage] {
                prop_assert!((0.0..=1.0).contains(&share), "{}", share);
            }
            prop_assert!((0.0..36.1).contains(&figures.log_loss));
            prop_assert_eq!(figures.bins.iter().map(|bin| bin.rows).sum::<u64>(), rows.len() as u64);
            let right: f64 = figures.bins.iter().map(|bin| bin.accuracy * bin.rows as f64).sum();
            prop_assert!((right - (n - errors)).abs() < 1e-9);
            prop_assert!(figures.bins.iter().all(|bin| bin.low <= bin.confidence && bin.confidence <= bin.high + 1e-9));
            let last = figures.risk_coverage.last().unwrap();
            prop_assert_eq!((last.coverage, last.risk), (1.0, errors / n));
            prop_assert!(figures.risk_coverage.windows(2).all(|p| p[0].coverage < p[1].coverage && p[0].threshold > p[1].threshold));
            for point in &figures.thresholds {
                let accepted: Vec<_> = rows.iter().filter(|row| point.threshold.is_some_and(|t| f64::from(row.probability.unwrap().get()) >= t)).collect();
                let right = accepted.iter().filter(|row| row.outcome() == Outcome::Correct).count() as f64;
                prop_assert!(accepted.is_empty() || right / accepted.len() as f64 >= point.precision);
                prop_assert_eq!(point.coverage, accepted.len() as f64 / n);
            }
            let turned = rows.iter().rev().collect();
            prop_assert_eq!(Calibration::of(&turned, None), Some(figures));
        }
    }
}
