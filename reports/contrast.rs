//! The difference between two models by the figure that decides, whichever test belongs to it. A difference is a gain: of costs
//! too, more is better here.

use crate::anytime::Bets;
use crate::differences::Differences;
use crate::power::rows_to_decide;
use crate::studentised::Studentised;
use crate::{ALPHA, Interval};

/// What clusters of rows say of the difference between two models, the second minus the first.
#[derive(Debug, Clone, PartialEq)]
pub enum Contrast {
    /// Of two shares of the same rows, by the score test.
    Shares(Differences),
    /// Of two other figures, by the t-test over clusters.
    Figures(Studentised),
    /// Of two shares of the same rows, by a test that may be looked at again and again.
    Bets(Bets),
}

impl Contrast {
    /// The difference; none without rows.
    pub fn mean(&self) -> Option<f64> {
        match self {
            Self::Shares(of) => of.mean(),
            Self::Bets(of) => of.shares.mean(),
            Self::Figures(of) => Some(of.difference).filter(|mean| mean.is_finite()),
        }
    }

    /// The clusters that are compared.
    pub fn clusters(&self) -> u64 {
        match self {
            Self::Shares(of) => of.clusters(),
            Self::Bets(of) => of.shares.clusters(),
            Self::Figures(of) => of.clusters,
        }
    }

    /// How many times the clusters raise the variance of the difference; none where nobody knows what it would be without.
    pub fn design_effect(&self) -> Option<f64> {
        match self {
            Self::Shares(of) => Some(of.design_effect()),
            Self::Bets(of) => Some(of.shares.design_effect()),
            Self::Figures(_) => None,
        }
    }

    /// The same for the t-test over clusters.
    pub(crate) fn studentised(&self) -> Studentised {
        match self {
            Self::Shares(of) => of.studentised(),
            Self::Bets(of) => of.shares.studentised(),
            Self::Figures(of) => *of,
        }
    }

    /// What the test is called.
    pub fn test(&self) -> &'static str {
        match self {
            Self::Shares(_) => "score test",
            Self::Bets(_) => "test for many looks",
            Self::Figures(_) => "t-test over clusters",
        }
    }

    /// How many standard deviations the difference lies above a supposed one of `delta`.
    pub fn score(&self, delta: f64) -> f64 {
        match self {
            Self::Shares(of) => of.score(delta),
            Self::Bets(of) => of.shares.score(delta),
            Self::Figures(of) => of.score(delta),
        }
    }

    /// The one-sided p-value of a gain: how likely such rows are if there is none.
    pub fn gain_p(&self) -> f64 {
        match self {
            Self::Shares(of) => of.gain_p(),
            Self::Bets(of) => of.gain_p(),
            Self::Figures(of) => of.gain_p(),
        }
    }

    /// The one-sided p-value of a loss of more than `margin`: how likely such rows are if the loss is the margin.
    pub fn loss_p(&self, margin: f64) -> f64 {
        match self {
            Self::Shares(of) => of.loss_p(margin),
            Self::Bets(of) => of.loss_p(margin),
            Self::Figures(of) => of.loss_p(margin),
        }
    }

    /// The one-sided p-value of non-inferiority: how likely such rows are if the loss is `margin` or more.
    pub fn non_inferiority_p(&self, margin: f64) -> f64 {
        match self {
            Self::Shares(of) => of.non_inferiority_p(margin),
            Self::Bets(of) => of.non_inferiority_p(margin),
            Self::Figures(of) => of.non_inferiority_p(margin),
        }
    }

    /// The differences that the test does not reject at a level between 0 and 1; none without rows.
    pub fn interval(&self, level: f64) -> Option<Interval> {
        match self {
            Self::Shares(of) => of.interval(level),
            Self::Bets(of) => of.interval(level),
            Self::Figures(of) => of.interval(level),
        }
    }

    /// The smallest difference that so many clusters prove with a chance of [`POWER`](crate::POWER).
    pub fn smallest_difference(&self) -> Option<f64> {
        match self {
            Self::Shares(of) => of.smallest_difference(),
            Self::Bets(of) => Some(of.shares.smallest_difference()? * of.price(ALPHA / 2.0)?.sqrt())
                .filter(|least| *least < 1.0),
            Self::Figures(of) => of.smallest_difference(ALPHA),
        }
    }

    fn rows(&self) -> f64 {
        match self {
            Self::Shares(of) => of.rows(),
            Self::Bets(of) => of.shares.rows(),
            Self::Figures(of) => of.rows,
        }
    }

    /// How many rows would decide.
    pub fn rows_to_decide(&self, margin: f64, alpha: f64) -> Option<u64> {
        let once = rows_to_decide(self.score(-margin), self.rows(), alpha)?;
        Some((once as f64 * self.price(alpha).unwrap_or(1.0)).ceil() as u64)
    }

    /// How many times the rows of a single look its proofs take; none for a test of a single look.
    pub fn price(&self, alpha: f64) -> Option<f64> {
        match self {
            Self::Bets(of) => of.price(alpha),
            Self::Shares(_) | Self::Figures(_) => None,
        }
    }
}
