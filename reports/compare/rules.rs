//! By what two models are compared, and what a comparison can come to.

use crate::Metric;
use crate::scenarios::Looks;
use crate::words::words;

/// A difference counts as proven when the two-sided p-value is at most this; non-inferiority, which is one-sided, when its
/// p-value is at most half of it.
pub const ALPHA: f64 = 0.05;

words! {
    /// What a comparison says of the tuned model, measured by its base.
    Verdict {
        /// Better by the figure that decides, at the level of [`ALPHA`].
        Better = "better",
        /// Worse by it, at the level of [`ALPHA`].
        Worse = "worse",
        /// No difference is proven, but that the tuned model is worse by the margin or more is ruled out.
        NoWorse = "no_worse",
        /// The rows do not prove a difference; this is no proof that there is none.
        NotProven = "not_proven",
        /// Too few of the rows were answered by both to say anything, or the run was cut short.
        Incomplete = "incomplete",
        /// So many answers of one of them name no label that their form was measured rather than the models.
        Unreadable = "unreadable",
    }
}

/// By what a comparison is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The figure that decides.
    pub metric: Metric,
    /// How often the rows may be looked at; only where the figure [allows for it](Metric::has_looks).
    pub looks: Looks,
    /// The least share, 0 to 1, that the rows answered by both must be of all rows that either has.
    pub min_coverage: f64,
    /// The loss, above 0 and of a share below 1, that would still be "no worse"; none to ask for differences only.
    pub margin: Option<f64>,
    /// The share, 0 to 1, of a model's answers that may name no label: with as many or more there is no verdict; see
    /// [`is_unreadable_form`](crate::is_unreadable_form).
    pub max_unreadable: f64,
}

/// Where nobody says otherwise, the share of unreadable answers from which on there is no verdict.
pub const MAX_UNREADABLE: f64 = 0.1;

impl Default for Rules {
    fn default() -> Self {
        Self {
            metric: Metric::Accuracy,
            looks: Looks::Once,
            min_coverage: 0.0,
            margin: None,
            max_unreadable: MAX_UNREADABLE,
        }
    }
}
