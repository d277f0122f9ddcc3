//! Trainings with different seeds: how far they lie apart, beside how far the rows let one see.
//!
//! What is asked is whether a way of training makes better models. To the variance of the difference over test sets comes that over
//! seeds, the sample variance of the seeds' differences over their number, with the degrees of freedom of Satterthwaite (1946). What
//! rows and seeds do together is in both, so that the sum is rather too large than too small. With several seeds the t-test over
//! clusters decides, whatever the figure.

use serde::Serialize;

use crate::scenarios::Scenarios;
use crate::studentised::Studentised;
use crate::{Contrast, Metric};

/// How far trainings with different seeds lie apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SeedSpread {
    /// The difference that each seed's model has to the base, by the figure that decides.
    pub differences: Vec<f64>,
    /// The standard error of their mean that comes from the rows.
    pub error_of_rows: f64,
    /// And that which comes from the seeds.
    pub error_of_seeds: f64,
}

/// The variances that both standard errors come from.
pub(crate) struct Variances {
    rows: f64,
    seeds: f64,
}

impl Variances {
    pub(crate) fn of(self, metric: &Metric, gains: &[f64]) -> SeedSpread {
        SeedSpread {
            differences: gains.iter().map(|gain| metric.gain(*gain)).collect(),
            error_of_rows: self.rows.sqrt(),
            error_of_seeds: self.seeds.sqrt(),
        }
    }
}

impl Scenarios {
    /// The same about a way of training of which some models with different seeds, at least two, had these gains.
    pub(crate) fn with_seeds(&self, gains: &[f64]) -> (Self, Option<Variances>) {
        let count = gains.len() as f64;
        if gains.len() < 2 {
            return (self.clone(), None);
        }
        let mean = gains.iter().sum::<f64>() / count;
        let seeds = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (count - 1.0) / count;
        let of = |contrast: &Contrast| Contrast::Figures(contrast.studentised().with_seeds(seeds, count));
        let rows = self.answered.studentised().variance;
        let all = Self {
            answered: of(&self.answered),
            worst_and_best: self.worst_and_best.as_ref().map(|bounds| bounds.each_ref().map(of)),
            read: self.read.each_ref().map(|read| read.as_ref().map(of)),
            ..self.clone()
        };
        (all, Some(Variances { rows, seeds }))
    }
}

impl Studentised {
    /// With the variance of the mean over so many seeds.
    fn with_seeds(self, seeds: f64, count: f64) -> Self {
        let variance = self.variance + seeds;
        if variance <= 0.0 || variance.is_infinite() {
            return self;
        }
        let degrees = variance * variance
            / (self.variance * self.variance / self.degrees + seeds * seeds / (count - 1.0));
        Self { variance, degrees, ..self }
    }
}

#[cfg(test)]
mod tests {
    use crate::random::Random;
    use crate::testing::predictions;
    use crate::{Comparison, Evaluation, Rules, Verdict};

    /// Whether the verdict errs, by all seeds together and by the first alone: trainings with a spread of four points around the
    /// base's own accuracy of 80 %.
    fn errs(random: &mut Random) -> [bool; 2] {
        let mut share = || (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        let gold = "a".repeat(500);
        let mut model = |accuracy: f64| Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: predictions(
                &gold,
                &(0..500).map(|_| if share() < accuracy { 'a' } else { 'b' }).collect::<String>(),
            ),
            clusters: None,
            slices: None,
        };
        let base = model(0.8);
        let seeds: Vec<_> = [0.8 + 0.049, 0.8, 0.8 - 0.049].map(&mut model).into();
        let different = |one: &Comparison| matches!(one.verdict, Verdict::Better | Verdict::Worse);
        let all: Vec<_> = seeds.iter().map(|seed| vec![seed]).collect();
        let of_all = Comparison::of_seeds(&[&base], &all, &Rules::default());
        let spread = of_all.seeds.as_ref().unwrap();
        assert!(spread.differences.len() == 3 && spread.error_of_seeds > 0.0 && spread.error_of_rows > 0.0);
        [different(&of_all), different(&Comparison::of(&base, &seeds[0], &Rules::default()))]
    }

    #[test]
    fn a_lucky_seed_is_no_better_recipe() {
        let (mut random, times) = (Random::new(3, 1), 200);
        let mut wrong = [0; 2];
        for _ in 0..times {
            errs(&mut random).into_iter().zip(&mut wrong).for_each(|(err, count)| *count += u32::from(err));
        }
        assert!(wrong[0] <= times / 20 && wrong[1] > times / 4, "{wrong:?} of {times}");
    }

    #[test]
    fn what_all_seeds_show_is_seen() {
        let gold = "a".repeat(400);
        let model = |right: usize| Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: predictions(&gold, &format!("{}{}", "a".repeat(right), "b".repeat(400 - right))),
            clusters: None,
            slices: None,
        };
        let (base, seeds) = (model(300), [352, 360, 356].map(model));
        let all: Vec<_> = seeds.iter().map(|seed| vec![seed]).collect();
        let found = Comparison::of_seeds(&[&base], &all, &Rules::default());
        assert_eq!(found.verdict, Verdict::Better);
        assert!((found.difference.unwrap() - 0.14).abs() < 1e-12);
        let spread = found.seeds.unwrap();
        // By hand: differences of 13, 15 and 14 points.
        assert!((spread.error_of_seeds - (0.0001f64 / 3.0).sqrt()).abs() < 1e-12, "{spread:?}");
    }
}
