//! What so many rows can prove, and how many rows a proof takes.

use serde::Serialize;

/// The chance with which a difference that is really there is to be found.
pub const POWER: f64 = 0.8;

/// What the rows of a comparison can prove.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Power {
    /// The smallest difference of accuracy, above 0, that so many rows prove with a chance of [`POWER`].
    pub smallest_difference: f64,
    /// How many rows would decide, with a chance of [`POWER`], what these have left open; none where the verdict is a
    /// decision, or where no number of rows would lead to one.
    pub rows_to_decide: Option<u64>,
}
