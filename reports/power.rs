//! What so many rows can prove, and how many rows a proof takes.
//!
//! Connor (1987), "Sample size for testing differences in proportions for the paired-sample design", for McNemar's test
//! at the level of [`ALPHA`]. Both answers go by the *discordance*, the share of rows that just one of the models gets right, and
//! hold if the rows to come are like those that there are. They are about McNemar's asymptotic test; the exact one, which
//! verdicts go by, needs some per cent more rows, the fewer the more.

use serde::Serialize;

use crate::confusion::ratio;
use crate::tango::variance;
use crate::{ALPHA, Paired, normal_quantile};

/// The chance with which a difference that is really there is to be found.
pub const POWER: f64 = 0.8;

/// What the rows of a comparison can prove.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Power {
    /// The smallest difference of accuracy, above 0, that so many rows prove with a chance of [`POWER`].
    pub smallest_difference: f64,
    /// How many rows would decide, with a chance of [`POWER`], what these have left open: which model is better, or of a
    /// worse one whether its loss is within the margin. None where nothing is open, or where no number of rows would
    /// decide it.
    pub rows_to_decide: Option<u64>,
}

impl Power {
    /// None where the rows are too few to prove anything.
    pub(crate) fn of(paired: &Paired) -> Option<Self> {
        let smallest_difference = smallest_difference(paired.compared(), discordance(paired)?)?;
        Some(Self { smallest_difference, rows_to_decide: None })
    }

    /// How many rows would decide: prove a difference, or that it is smaller than the margin, whichever takes fewer.
    pub(crate) fn rows_to_decide(paired: &Paired, margin: Option<f64>) -> Option<u64> {
        let (difference, discordance) = (paired.difference()?, discordance(paired)?);
        let rows = |margin| rows_needed(difference, discordance, margin);
        let needed = [rows(0.0), margin.and_then(rows)].into_iter().flatten().min()?;
        // What these rows have left open takes more of them.
        Some(needed.max(paired.compared() + 1))
    }

    /// How many rows would decide whether a loss is within the margin, in whatever way.
    pub(crate) fn rows_to_place_loss(paired: &Paired, margin: f64) -> Option<u64> {
        let (difference, discordance) = (paired.difference()?, discordance(paired)?);
        let needed = rows_apart(difference, discordance, margin, (difference + margin).abs())?;
        Some(needed.max(paired.compared() + 1))
    }
}

/// The share of the rows that tells the models apart.
fn discordance(paired: &Paired) -> Option<f64> {
    ratio(paired.discordant(), paired.compared())
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

/// The rows that prove, with a chance of [`POWER`], that a `difference` of accuracy, -1 to 1, is one; or with a `margin`
/// above 0, that it is not so low as minus the margin. A share of `discordance` of the rows tells the models apart.
///
/// With a margin as in Nam (1997), "Establishing equivalence of two treatments and sample size requirements in matched-pairs
/// design", of which Connor's formula is the case without. None where no number of rows proves it: without a difference, with
/// a difference at or below minus the margin, and where the two shares contradict each other.
pub fn rows_needed(difference: f64, discordance: f64, margin: f64) -> Option<u64> {
    let distance = if margin > 0.0 { difference + margin } else { difference.abs() };
    rows_apart(difference, discordance, margin, distance)
}

/// The same, for a `difference` that lies at a `distance` from what is supposed.
fn rows_apart(difference: f64, discordance: f64, margin: f64, distance: f64) -> Option<u64> {
    let (a, b) = quantiles()?;
    // A hair of rounding is no contradiction.
    if !(distance > 0.0 && discordance <= 1.0 && difference.abs() <= discordance + 1e-12) {
        return None;
    }
    let (won, lost) = ((discordance + difference) / 2.0, (discordance - difference) / 2.0);
    let supposed = variance(1.0, won.max(0.0), lost.max(0.0), -margin.max(0.0));
    let real = (discordance - difference * difference).max(0.0);
    let root = (a * supposed.sqrt() + b * real.sqrt()) / distance;
    Some((root * root).ceil() as u64).filter(|&rows| rows < u64::MAX)
}

/// The normal quantiles of the level, two-sided, and of the power.
fn quantiles() -> Option<(f64, f64)> {
    Some((-normal_quantile(ALPHA / 2.0)?, normal_quantile(POWER)?))
}
