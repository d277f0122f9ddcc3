//! How likely it is that a model is better, beside the test and never instead of it.
//!
//! Before the rows: Jeffreys' prior (1946) for the four ways in which a row can come out for two models, Dirichlet(½, ½, ½, ½).
//! After them the share of wins among the rows that tell the models apart is Beta(won + ½, lost + ½), and the share of such rows is
//! Beta(won + lost + 1, rest + 1), independently of it. Clusters count for as many rows as would by themselves have their variance.
//! Of figures that are no shares of rows: the t-distribution around the difference that was found, all differences being alike
//! before.

use serde::Serialize;

use crate::Contrast;
use crate::beta::{beta_cdf, student_tail};
use crate::differences::Differences;
use crate::studentised::Studentised;

/// The intervals of Simpson's rule.
const STEPS: u32 = 400;

/// How likely it is, after the rows that both answered, that the second model is better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Chances {
    /// That it is better by the figure that decides.
    pub better: f64,
    /// That its loss is below the margin, where one is set; a gain is no loss.
    pub within_margin: Option<f64>,
}

impl Chances {
    /// None without rows, or where nobody knows the variance.
    pub(crate) fn of(contrast: &Contrast, margin: Option<f64>) -> Option<Self> {
        let found = match contrast {
            Contrast::Shares(of) => Self::of_shares(of, margin),
            Contrast::Bets(of) => Self::of_shares(&of.shares, margin),
            Contrast::Figures(of) => Self::of_figures(of, margin),
        }?;
        // No rows make anything certain, however few digits are left.
        let open = |chance: f64| chance.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
        Some(Self { better: open(found.better), within_margin: found.within_margin.map(open) })
    }

    fn of_shares(of: &Differences, margin: Option<f64>) -> Option<Self> {
        of.mean()?;
        let effect = of.design_effect();
        let [won, lost, rest] = of.sides().map(|rows| rows / effect);
        // That the share of wins is above a share.
        let wins_above = |share: f64| beta_cdf(1.0 - share, lost + 0.5, won + 0.5);
        let within = |margin: f64| {
            mean_over_beta(won + lost + 1.0, rest + 1.0, |apart| {
                wins_above(((1.0 - margin / apart) / 2.0).max(0.0))
            })
        };
        Some(Self { better: wins_above(0.5), within_margin: margin.map(within) })
    }

    fn of_figures(of: &Studentised, margin: Option<f64>) -> Option<Self> {
        let above = |delta: f64| student_tail(-of.score(delta), of.degrees);
        of.variance
            .is_finite()
            .then(|| Self { better: above(0.0), within_margin: margin.map(|margin| above(-margin)) })
    }
}

/// The mean of a function of a Beta(a, b) variable, neither parameter below 1, by Simpson's rule within ten standard deviations.
fn mean_over_beta(a: f64, b: f64, of: impl Fn(f64) -> f64) -> f64 {
    let mean = a / (a + b);
    let deviation = (mean * (1.0 - mean) / (a + b + 1.0)).sqrt();
    let (low, high) = ((mean - 10.0 * deviation).max(1e-12), (mean + 10.0 * deviation).min(1.0 - 1e-12));
    let log_density = |x: f64| (a - 1.0) * libm::log(x) + (b - 1.0) * libm::log1p(-x);
    let mode = if a + b > 2.0 { ((a - 1.0) / (a + b - 2.0)).clamp(low, high) } else { mean };
    let most = log_density(mode);
    let (mut sum, mut weights) = (0.0, 0.0);
    for step in 0..=STEPS {
        let x = low + (high - low) * f64::from(step) / f64::from(STEPS);
        let simpson = match step {
            0 | STEPS => 1.0,
            odd if odd % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let weight = simpson * libm::exp(log_density(x) - most);
        sum += weight * of(x);
        weights += weight;
    }
    sum / weights
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::Paired;
    use crate::differences::DifferencesOf;
    use crate::vectors::read;

    #[derive(Deserialize)]
    struct Case {
        n: u64,
        won: u64,
        lost: u64,
        effect: f64,
        margin: f64,
        better: f64,
        within: f64,
    }

    #[test]
    fn agrees_with_scipy() {
        let cases = read::<Case>(include_str!("testdata/posterior.json"));
        assert!(cases.len() > 30);
        for case in cases {
            let paired = Paired {
                both_correct: case.n - case.won - case.lost,
                only_base: case.lost,
                only_tuned: case.won,
                ..Paired::default()
            };
            let of = Differences::from(&paired).inflated(case.effect);
            let found = Chances::of(&Contrast::Shares(of), Some(case.margin)).unwrap();
            let name = format!("{} {} of {}, {}", case.won, case.lost, case.n, case.effect);
            assert!((found.better - case.better).abs() < 1e-9, "{name}: {}", found.better);
            let within = found.within_margin.unwrap();
            assert!((within - case.within).abs() < 2e-3, "{name}: {within}, expected {}", case.within);
        }
    }

    #[test]
    fn rows_that_stand_twice_make_nobody_surer() {
        let of = |times: usize| {
            let mut of = DifferencesOf::new(Some(40));
            for row in (0..40).flat_map(|row| std::iter::repeat_n(row, times)) {
                of.add(
                    row,
                    if row < 9 {
                        1.0
                    } else if row < 12 {
                        -1.0
                    } else {
                        0.0
                    },
                );
            }
            Chances::of(&Contrast::Shares(of.finish()), Some(0.05)).unwrap()
        };
        let (once, twice) = (of(1), of(2));
        assert!((once.better - twice.better).abs() < 1e-9 && once.better > 0.9);
        assert!((once.within_margin.unwrap() - twice.within_margin.unwrap()).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn a_wider_margin_is_likelier_and_sides_can_be_changed(
            rest in 1u64..500, lost in 0u64..60, won in 0u64..60, margin in 0.001f64..0.5,
        ) {
            let of = |lost, won, margin| {
                let paired = Paired { both_correct: rest, only_base: lost, only_tuned: won, ..Paired::default() };
                Chances::of(&Contrast::Shares(Differences::from(&paired)), Some(margin)).unwrap()
            };
            let (found, other) = (of(lost, won, margin), of(won, lost, margin));
            prop_assert!((found.better + other.better - 1.0).abs() < 1e-9);
            let within = found.within_margin.unwrap();
            prop_assert!(found.better <= within + 1e-9 && within <= of(lost, won, 2.0 * margin).within_margin.unwrap() + 1e-9);
        }
    }
}
