//! The difference between two models by the figure that decides, whichever test belongs to it. A difference is a gain: of costs
//! too, more is better here.

use crate::differences::Differences;
use crate::power::rows_to_decide;
use crate::studentised::Studentised;
use crate::{ALPHA, Interval};

/// What clusters of rows say of the difference between two models, the second minus the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Contrast {
    /// Of two shares of the same rows, by the score test.
    Shares(Differences),
    /// Of two other figures, by the t-test over clusters.
    Figures(Studentised),
}

impl Contrast {
    /// The difference; none without rows.
    pub fn mean(&self) -> Option<f64> {
        match self {
            Self::Shares(of) => of.mean(),
            Self::Figures(of) => Some(of.difference).filter(|mean| mean.is_finite()),
        }
    }

    /// The clusters that are compared.
    pub fn clusters(&self) -> u64 {
        match self {
            Self::Shares(of) => of.clusters(),
            Self::Figures(of) => of.clusters,
        }
    }

    /// How many times the clusters raise the variance of the difference; none where nobody knows what it would be without.
    pub fn design_effect(&self) -> Option<f64> {
        match self {
            Self::Shares(of) => Some(of.design_effect()),
            Self::Figures(_) => None,
        }
    }

    /// What the test is called.
    pub fn test(&self) -> &'static str {
        match self {
            Self::Shares(_) => "score test",
            Self::Figures(_) => "t-test over clusters",
        }
    }

    /// How many standard deviations the difference lies above a supposed one of `delta`.
    pub fn score(&self, delta: f64) -> f64 {
        match self {
            Self::Shares(of) => of.score(delta),
            Self::Figures(of) => of.score(delta),
        }
    }

    /// The one-sided p-value of a gain: how likely such rows are if there is none.
    pub fn gain_p(&self) -> f64 {
        match self {
            Self::Shares(of) => of.gain_p(),
            Self::Figures(of) => of.gain_p(),
        }
    }

    /// The one-sided p-value of a loss of more than `margin`: how likely such rows are if the loss is the margin.
    pub fn loss_p(&self, margin: f64) -> f64 {
        match self {
            Self::Shares(of) => of.loss_p(margin),
            Self::Figures(of) => of.loss_p(margin),
        }
    }

    /// The one-sided p-value of non-inferiority: how likely such rows are if the loss is `margin` or more.
    pub fn non_inferiority_p(&self, margin: f64) -> f64 {
        match self {
            Self::Shares(of) => of.non_inferiority_p(margin),
            Self::Figures(of) => of.non_inferiority_p(margin),
        }
    }

    /// The differences that the test does not reject at a level between 0 and 1; none without rows.
    pub fn interval(&self, level: f64) -> Option<Interval> {
        match self {
            Self::Shares(of) => of.interval(level),
            Self::Figures(of) => of.interval(level),
        }
    }

    /// The smallest difference that so many clusters prove with a chance of [`POWER`](crate::POWER).
    pub fn smallest_difference(&self) -> Option<f64> {
        match self {
            Self::Shares(of) => of.smallest_difference(),
            Self::Figures(of) => of.smallest_difference(ALPHA),
        }
    }

    fn rows(&self) -> f64 {
        match self {
            Self::Shares(of) => of.rows(),
            Self::Figures(of) => of.rows,
        }
    }

    /// How many rows would decide; see [`rows_to_decide`].
    pub fn rows_to_decide(&self, margin: f64, alpha: f64) -> Option<u64> {
        rows_to_decide(self.score(-margin), self.rows(), alpha)
    }
}
