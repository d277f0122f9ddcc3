//! The bootstrap: how far a score would move if the test rows were drawn anew.

use tunebench_data::LabelId;

use crate::{Confusion, Interval};

/// How often the rows are drawn anew, unless told otherwise.
pub const DRAWS: u32 = 10_000;

/// Rows that are alike for every score: the same gold label, and the same answers of `M` models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<const M: usize> {
    /// The gold label.
    pub gold: LabelId,
    /// The answer of each model; none where it is invalid.
    pub answers: [Option<LabelId>; M],
    /// How many such rows there are, at least one.
    pub rows: u64,
}

impl Cell<1> {
    /// The answered rows of one model.
    pub fn of(confusion: &Confusion) -> Vec<Self> {
        let valid =
            confusion.cells().map(|(gold, answer, rows)| Self { gold, answers: [Some(answer)], rows });
        let golds = (0..confusion.labels()).map(|i| LabelId(i as u32));
        let invalid = golds
            .map(|gold| Self { gold, answers: [None], rows: confusion.invalid(gold) })
            .filter(|cell| cell.rows > 0);
        valid.chain(invalid).collect()
    }
}

/// The counts of one model in one draw: what all its scores follow from. Each slice has one count for each label.
#[derive(Debug, Clone, Copy)]
pub struct Tally<'a> {
    /// Rows with this gold label.
    pub support: &'a [u32],
    /// Rows that were answered with this label.
    pub predicted: &'a [u32],
    /// Rows with this gold label that were answered with it.
    pub true_positives: &'a [u32],
    /// Rows with an invalid answer.
    pub invalid: u32,
}

impl Tally<'_> {
    /// See [`Scores::macro_average`](crate::Scores::macro_average).
    pub fn macro_f1(&self) -> Option<f64> {
        None
    }

    /// See [`Scores::balanced_accuracy`](crate::Scores::balanced_accuracy).
    pub fn balanced_accuracy(&self) -> Option<f64> {
        None
    }

    /// See [`Scores::cohen_kappa`](crate::Scores::cohen_kappa).
    pub fn cohen_kappa(&self) -> Option<f64> {
        None
    }

    /// See [`Scores::matthews_correlation`](crate::Scores::matthews_correlation).
    pub fn matthews_correlation(&self) -> Option<f64> {
        None
    }
}

/// How rows are drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// How often; [`DRAWS`] unless there is a reason.
    pub draws: u32,
    /// The seed: the same one gives the same intervals on every machine, with any number of threads.
    pub seed: u64,
    /// Whether each gold label keeps its number of rows, rather than the whole only.
    pub stratified: bool,
}

impl Bootstrap {
    /// The percentile intervals, at the level of [`CONFIDENCE`](crate::CONFIDENCE), of `F` figures over cells of `labels`
    /// labels; `figures` computes them from the counts of the `M` models in one draw.
    ///
    /// None for a figure that is undefined in most of the draws; other draws in which it is undefined are left out.
    pub fn intervals<const M: usize, const F: usize>(
        &self,
        _cells: &[Cell<M>],
        _labels: usize,
        _figures: impl Fn(&[Tally; M]) -> [Option<f64>; F] + Sync,
    ) -> [Option<Interval>; F] {
        [None; F]
    }
}
