//! The bootstrap: how far a score would move if the test rows were drawn anew.
//!
//! Efron (1979), "Bootstrap methods: another look at the jackknife". As many rows as there are get drawn from them with
//! replacement, the score is computed from those, and so on ten thousand times. The interval lies between the percentiles of
//! the results (Efron and Tibshirani 1993, chapter 13). Two models are compared on the same drawn rows, which keeps what
//! they have in common out of their difference.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tunebench_data::LabelId;

use crate::random::Random;
use crate::resample::Stratum;
use crate::{CONFIDENCE, Confusion, Interval, RowPair, Tally};

/// How often the rows are drawn anew, unless told otherwise.
pub const DRAWS: u32 = 10_000;

/// The draws that share a stream of random numbers. Threads take whole blocks, so their number changes nothing.
const BLOCK: u32 = 250;

/// Rows that are alike for every score: the same gold label, and the same answers of `M` models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<const M: usize> {
    /// The gold label.
    pub gold: LabelId,
    /// The answer of each model; none where it is invalid.
    pub answers: [Option<LabelId>; M],
    /// How many such rows there are.
    pub rows: u32,
}

impl Cell<1> {
    /// The answered rows of one model.
    pub fn of(confusion: &Confusion) -> Vec<Self> {
        let golds = (0..confusion.labels()).map(|i| LabelId(i as u32));
        let invalid = golds.map(|gold| (gold, None, confusion.invalid(gold)));
        let valid = confusion.cells().map(|(gold, answer, rows)| (gold, Some(answer), rows));
        valid
            .chain(invalid)
            .map(|(gold, answer, rows)| Self { gold, answers: [answer], rows: rows as u32 })
            .collect()
    }
}

impl Cell<2> {
    /// The rows that both models answered, base first.
    ///
    /// Where the two disagree about the gold label of a row, that of the base is taken.
    pub fn of_pairs<'a>(pairs: impl Iterator<Item = RowPair<'a>>) -> Vec<Self> {
        let one = |[base, tuned]: [&crate::Prediction; 2]| Self {
            gold: base.gold,
            answers: [base, tuned].map(|row| row.answer.label()),
            rows: 1,
        };
        let mut cells: Vec<_> = pairs.filter_map(|pair| pair.answered()).map(one).collect();
        cells.sort_unstable_by_key(Self::kind);
        cells.dedup_by(|next, cell| {
            let same = next.kind() == cell.kind();
            cell.rows += u32::from(same);
            same
        });
        cells
    }
}

impl<const M: usize> Cell<M> {
    fn kind(&self) -> (LabelId, [Option<LabelId>; M]) {
        (self.gold, self.answers)
    }
}

/// How rows are drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// How often; [`DRAWS`] unless there is a reason.
    pub draws: u32,
    /// The seed: the same one gives the same intervals on every machine, with any number of threads.
    pub seed: u64,
    /// Whether each gold label keeps its number of rows, rather than only the whole.
    pub stratified: bool,
}

impl Bootstrap {
    /// The percentile intervals, at the level of [`CONFIDENCE`], of `F` figures; `figures` computes them from the counts of
    /// the `M` models in one draw, whose slices have `labels` entries.
    ///
    /// Percentiles are interpolated between draws as numpy does it (definition 7 of Hyndman and Fan 1996). A draw in
    /// which a figure is undefined is left out of its interval. None when it is undefined in more than half of the
    /// draws, or without any rows.
    ///
    /// # Panics
    /// If a cell speaks of a label beyond `labels`, or the cells have 2^32 rows or more.
    pub fn intervals<const M: usize, const F: usize>(
        &self,
        cells: &[Cell<M>],
        labels: usize,
        figures: impl Fn(&[Tally; M]) -> [Option<f64>; F] + Sync,
    ) -> [Option<Interval>; F] {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        self.intervals_with(threads, cells, labels, figures)
    }

    fn intervals_with<const M: usize, const F: usize>(
        &self,
        threads: usize,
        cells: &[Cell<M>],
        labels: usize,
        figures: impl Fn(&[Tally; M]) -> [Option<f64>; F] + Sync,
    ) -> [Option<Interval>; F] {
        let layout = Layout::new(cells, labels);
        let strata = layout.strata(self.stratified);
        let blocks = if strata.is_empty() { 0 } else { self.draws.div_ceil(BLOCK) };
        let next = AtomicU32::new(0);
        let work = || {
            let mut results = [const { Vec::new() }; F];
            let mut counts = Counts::new(&layout);
            loop {
                let block = next.fetch_add(1, Ordering::Relaxed);
                if block >= blocks {
                    return results;
                }
                let mut random = Random::new(self.seed, block.into());
                for _ in block * BLOCK..((block + 1) * BLOCK).min(self.draws) {
                    for (range, stratum) in &strata {
                        stratum.draw(&mut random, &mut counts.cells[range.clone()]);
                    }
                    layout.add_up(&mut counts);
                    for (results, figure) in results.iter_mut().zip(figures(&counts.tallies())) {
                        results.extend(figure);
                    }
                }
            }
        };
        let mut results = thread::scope(|scope| {
            // Where the system gives no more threads, those that there are do the work.
            let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads.min(blocks as usize)).map_while(spawn).collect();
            let mut results = work();
            for other in others {
                let theirs = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                results.iter_mut().zip(theirs).for_each(|(ours, theirs)| ours.extend(theirs));
            }
            results
        });
        results.each_mut().map(|results| percentiles(results, self.draws))
    }
}

/// Between which of the results the middle [`CONFIDENCE`] of them lies.
fn percentiles(results: &mut [f64], draws: u32) -> Option<Interval> {
    if results.is_empty() || results.len() < draws as usize / 2 {
        return None;
    }
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some(Interval { low: quantile(results, tail), high: quantile(results, 1.0 - tail) })
}

/// Below which value this share of the results lies. Puts them into another order.
fn quantile(results: &mut [f64], share: f64) -> f64 {
    let place = share * (results.len() - 1) as f64;
    let (_, &mut low, above) = results.select_nth_unstable_by(place.floor() as usize, f64::total_cmp);
    let next = above.iter().copied().min_by(f64::total_cmp);
    low + (next.unwrap_or(low) - low) * place.fract()
}

/// The figures of the rows as they are.
pub(crate) fn observed<const M: usize, R>(
    cells: &[Cell<M>],
    labels: usize,
    figures: impl FnOnce(&[Tally; M]) -> R,
) -> R {
    let layout = Layout::new(cells, labels);
    let mut counts = Counts::new(&layout);
    counts.cells.copy_from_slice(&layout.rows);
    layout.add_up(&mut counts);
    figures(&counts.tallies())
}

/// Where the rows of each cell are counted.
struct Layout<const M: usize> {
    labels: usize,
    /// The rows of each cell; cells are sorted by gold label.
    rows: Vec<u32>,
    /// The answers of each cell as positions, an invalid one behind the last label.
    answers: Vec<[usize; M]>,
    /// The gold labels and the cells of each.
    golds: Vec<(usize, Range<usize>)>,
}

impl<const M: usize> Layout<M> {
    fn new(cells: &[Cell<M>], labels: usize) -> Self {
        let mut sorted: Vec<_> = cells.iter().filter(|cell| cell.rows > 0).collect();
        sorted.sort_by_key(|cell| cell.kind());
        let mut golds = Vec::new();
        for cells in sorted.chunk_by(|a, b| a.gold == b.gold) {
            let start = golds.last().map_or(0, |(_, range): &(_, Range<usize>)| range.end);
            golds.push((cells[0].gold.index(), start..start + cells.len()));
        }
        let position = |answer: Option<LabelId>| answer.map_or(labels, LabelId::index);
        Self {
            labels,
            rows: sorted.iter().map(|cell| cell.rows).collect(),
            answers: sorted.iter().map(|cell| cell.answers.map(position)).collect(),
            golds,
        }
    }

    fn strata(&self, stratified: bool) -> Vec<(Range<usize>, Stratum)> {
        let whole = 0..self.rows.len();
        let ranges = if stratified {
            self.golds.iter().map(|(_, range)| range.clone()).collect()
        } else {
            vec![whole]
        };
        let ranges = ranges.into_iter().filter(|range| !range.is_empty());
        ranges.map(|range| (range.clone(), Stratum::new(&self.rows[range]))).collect()
    }

    /// From the counts of the cells to those of the labels.
    fn add_up(&self, counts: &mut Counts<M>) {
        counts.support.fill(0);
        counts.predicted.iter_mut().chain(&mut counts.true_positives).for_each(|counts| counts.fill(0));
        for (gold, range) in &self.golds {
            let drawn = &counts.cells[range.clone()];
            counts.support[*gold] = drawn.iter().sum();
            for (answers, &rows) in self.answers[range.clone()].iter().zip(drawn) {
                for (model, &answer) in answers.iter().enumerate() {
                    counts.predicted[model][answer] += rows;
                    if answer == *gold {
                        counts.true_positives[model][*gold] += rows;
                    }
                }
            }
        }
    }
}

/// The counts of one draw.
struct Counts<const M: usize> {
    cells: Vec<u32>,
    support: Vec<u32>,
    /// With the invalid answers behind the last label.
    predicted: [Vec<u32>; M],
    true_positives: [Vec<u32>; M],
}

impl<const M: usize> Counts<M> {
    fn new(layout: &Layout<M>) -> Self {
        let labels = layout.labels;
        Self {
            cells: vec![0; layout.rows.len()],
            support: vec![0; labels],
            predicted: [(); M].map(|()| vec![0; labels + 1]),
            true_positives: [(); M].map(|()| vec![0; labels]),
        }
    }

    fn tallies(&self) -> [Tally<'_>; M] {
        let labels = self.support.len();
        std::array::from_fn(|model| Tally {
            support: &self.support,
            predicted: &self.predicted[model][..labels],
            true_positives: &self.true_positives[model],
            invalid: self.predicted[model][labels],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::predictions;
    use crate::{normal_quantile, pairs};

    const BOOTSTRAP: Bootstrap = Bootstrap { draws: 2000, seed: 3, stratified: false };

    fn model(gold: &str, answers: &str) -> Vec<Cell<1>> {
        Cell::of(&Confusion::of(&predictions(gold, answers), 3))
    }

    fn accuracy(tallies: &[Tally; 1]) -> [Option<f64>; 1] {
        [tallies[0].accuracy()]
    }

    #[test]
    fn the_number_of_threads_changes_nothing_and_the_seed_does() {
        let cells = model(&"aabbcc".repeat(30), &"abbb!c".repeat(30));
        let scores =
            |[tally]: &[Tally; 1]| [tally.macro_f1(), tally.cohen_kappa(), tally.matthews_correlation()];
        let one = BOOTSTRAP.intervals_with(1, &cells, 3, scores);
        for threads in [2, 3, 100] {
            assert_eq!(BOOTSTRAP.intervals_with(threads, &cells, 3, scores), one);
        }
        let other = Bootstrap { seed: 4, ..BOOTSTRAP };
        assert_ne!(other.intervals(&cells, 3, scores), one);
        // What was computed once is computed for ever.
        let [Some(macro_f1), ..] = one else { panic!("{one:?}") };
        assert_eq!((macro_f1.low, macro_f1.high), (0.6410665754430916, 0.7745084811823475));
    }

    #[test]
    fn of_an_accuracy_it_is_about_the_textbook_interval() {
        let cells = model(&"a".repeat(1000), &("a".repeat(700) + &"b".repeat(300)));
        let [Some(interval)] = BOOTSTRAP.intervals(&cells, 3, accuracy) else { panic!("none") };
        let half = normal_quantile(0.975).unwrap() * (0.7f64 * 0.3 / 1000.0).sqrt();
        assert!((interval.low - (0.7 - half)).abs() < 0.003, "{interval:?}");
        assert!((interval.high - (0.7 + half)).abs() < 0.003, "{interval:?}");
    }

    #[test]
    fn strata_keep_their_rows() {
        let cells = model("aaaaaabbbb", "aaaaaabbbb");
        let supports = |tallies: &[Tally; 1]| [0, 1, 2].map(|label| Some(tallies[0].support[label].into()));
        let stratified = Bootstrap { stratified: true, ..BOOTSTRAP };
        let same = |value| Some(Interval { low: value, high: value });
        assert_eq!(stratified.intervals(&cells, 3, supports), [same(6.0), same(4.0), same(0.0)]);
        let [Some(free), _, last] = BOOTSTRAP.intervals(&cells, 3, supports) else { panic!("none") };
        assert_eq!((free.low, free.high, last), (3.0, 9.0, same(0.0)));
    }

    #[test]
    fn two_models_are_drawn_together() {
        let (base, tuned) = (predictions("aabbccaa", "abbbccb!"), predictions("aabbccaa", "aabbcc?a"));
        let cells = Cell::of_pairs(pairs(&base, &tuned));
        assert_eq!(cells.iter().map(|cell| cell.rows).collect::<Vec<_>>(), [1, 1, 1, 2, 2]);
        let figures = |[base, tuned]: &[Tally; 2]| {
            let difference = tuned.accuracy().zip(base.accuracy()).map(|(tuned, base)| tuned - base);
            [difference, tuned.accuracy()]
        };
        let [Some(difference), Some(accuracy)] = BOOTSTRAP.intervals(&cells, 3, figures) else {
            panic!("none")
        };
        assert_eq!((accuracy.low, accuracy.high), (1.0, 1.0));
        assert!(difference.low >= 0.0 && difference.high > 0.4, "{difference:?}");
    }

    #[test]
    fn what_is_undefined_has_no_interval() {
        assert_eq!(BOOTSTRAP.intervals(&[], 3, accuracy), [None]);
        let never = Bootstrap { draws: 0, ..BOOTSTRAP };
        assert_eq!(never.intervals(&model("ab", "ab"), 3, accuracy), [None]);
        // With two rows, every other draw has one gold label only.
        let kappa = |tallies: &[Tally; 1]| [tallies[0].cohen_kappa(), None];
        assert_eq!(BOOTSTRAP.intervals(&model("a", "a"), 3, kappa), [None, None]);
        assert!(BOOTSTRAP.intervals(&model("aaabbb", "aaabbb"), 3, kappa)[0].is_some());
    }

    #[test]
    fn percentiles_are_those_of_numpy() {
        let mut results: Vec<_> = (1..=11).rev().map(|i| f64::from(i * i)).collect();
        // numpy.quantile([1, 4, 9, ..., 121], [0.025, 0.975])
        let Interval { low, high } = percentiles(&mut results, 11).unwrap();
        assert!((low - 1.75).abs() < 1e-12 && (high - 115.75).abs() < 1e-12, "{low} {high}");
        assert_eq!(percentiles(&mut results, 30), None);
    }
}
