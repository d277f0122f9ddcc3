//! What so many rows can prove, and how many rows a proof takes.
//!
//! Connor (1987), "Sample size for testing differences in proportions for the paired-sample design", for McNemar's test
//! at the level of [`ALPHA`]. Both answers go by the *discordance*, the share of rows that just one of the models gets right, and
//! hold if the rows to come are like those that there are. They are about McNemar's asymptotic test; the exact one, which
//! verdicts go by, needs some per cent more rows, the fewer the more.

use serde::Serialize;

use crate::{ALPHA, Contrast, Interval, normal_quantile};

/// The chance with which a difference that is really there is to be found.
pub const POWER: f64 = 0.8;

/// What the rows of a comparison can prove.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Power {
    /// The smallest difference of the figure that decides, above 0, that so many rows prove with a chance of [`POWER`].
    pub smallest_difference: f64,
    /// How many rows would decide, with a chance of [`POWER`], what these have left open: which model is better, or of a
    /// worse one whether its loss is within the margin. None where nothing is open, or where no number of rows would
    /// decide it.
    pub rows_to_decide: Option<u64>,
}

impl Power {
    /// None where the rows are too few to prove anything.
    pub(crate) fn of(contrast: &Contrast) -> Option<Self> {
        let smallest_difference = contrast.smallest_difference()?;
        Some(Self { smallest_difference, rows_to_decide: None })
    }
}

/// How many rows would prove, with a chance of [`POWER`], what so many have left open: a difference, or that a loss lies on this side
/// of a margin, at the one-sided level `alpha`. It is meant for rows that are drawn anew, as alike as these.
///
/// `score` is how many standard deviations the difference lies from the one that is supposed. The chance is the mean over what the
/// true difference may be, after these rows and with nothing known before: the predictive power of Spiegelhalter and Freedman
/// (1986), "A predictive approach to selecting the size of a clinical trial". So a difference that was found in a few rows
/// counts for what it is worth. With r times the rows it is Φ((z √r - a) / √(1 + r)), z being the score and a the quantile of the
/// level. None where no number of rows gives the chance.
pub(crate) fn rows_to_decide(score: f64, rows: f64, alpha: f64) -> Option<u64> {
    let (a, b) = (-normal_quantile(alpha)?, normal_quantile(POWER)?);
    let z = score.abs();
    // z √r - a = b √(1 + r), squared, is a quadratic equation for √r.
    let (p, q) = (z * z - b * b, a * a - b * b);
    if z <= b {
        return None;
    }
    let root = (a * z + (a * a * z * z - p * q).max(0.0).sqrt()) / p;
    let needed = (rows * root * root).ceil();
    (needed < 1e12).then_some((needed as u64).max(rows as u64 + 1))
}

/// The smallest difference of accuracy, 0 to 1, that so many rows prove with a chance of [`POWER`], if a share of `discordance`
/// of them, 0 to 1, tells the models apart.
///
/// Where the discordance is too small for any difference to be proven, it is supposed to be just as large as
/// the difference: all such rows fall to one model. None where even a difference of 1 would not be proven.
pub fn smallest_difference(rows: u64, discordance: f64) -> Option<f64> {
    let (n, (a, b)) = (rows as f64, quantiles()?);
    // Connor's equation, solved for the difference d: d sqrt(n) = a sqrt(s) + b sqrt(s - d^2), s being the discordance.
    let rest = n + b * b - a * a;
    let factor = (a * n.sqrt() + b * rest.max(0.0).sqrt()) / (n + b * b);
    (rest >= 0.0 && factor <= 1.0).then(|| factor * factor.max(discordance.clamp(0.0, 1.0).sqrt()))
}

/// How many rows bring the 95 % interval of a share to one side of the limit with a chance of [`POWER`], if the share is what it
/// was found to be.
///
/// Wilson's interval lies beyond the limit just when the score test rejects the limit, so this is the number of rows for the
/// test of one proportion (Fleiss, Levin and Paik 2003, "Statistical methods for rates and proportions", section 2.5): the limit's
/// own variance decides where the bound is, and the share's how often it is reached.
pub fn rows_for_share(share: f64, limit: f64) -> Option<f64> {
    let (a, b) = (normal_quantile(0.975)?, normal_quantile(POWER)?);
    let deviation = |share: f64| (share * (1.0 - share)).sqrt();
    Some(((a * deviation(limit) + b * deviation(share)) / (share - limit)).powi(2))
}

/// How many rows do the same for any other figure, whose interval over so many rows is this: the distance between it and its bound falls as the square root of the rows.
pub fn rows_for_interval(rows: u64, value: f64, interval: Interval, limit: f64) -> Option<f64> {
    let (a, b) = (normal_quantile(0.975)?, normal_quantile(POWER)?);
    let to_bound = if value > limit { value - interval.low } else { interval.high - value };
    let ratio = to_bound / (value - limit) * (a + b) / a;
    Some(rows as f64 * ratio * ratio)
}

/// The fewest clusters that could prove a loss at all at a one-sided level: with one less, losing all of them is still chance.
pub fn fewest_clusters(alpha: f64) -> u64 {
    (1.0 / alpha).log2().ceil() as u64
}

/// The normal quantiles of the level, two-sided, and of the power.
fn quantiles() -> Option<(f64, f64)> {
    Some((-normal_quantile(ALPHA / 2.0)?, normal_quantile(POWER)?))
}
