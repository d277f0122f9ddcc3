//! How far a score would move if the test rows were others: what it becomes without one cluster, for each of them.
//!
//! The jackknife of Tukey (1958) over clusters, as in Efron and Stein (1981), "The jackknife estimate of variance". It needs
//! no random numbers, costs about as much as there are different rows or clusters, and covers macro-F1 where the percentiles of a
//! bootstrap do not: with few rows for each label those lie too low by the bootstrap's own bias. Coverage is simulated in
//! `docs/statistics.md`.

use std::collections::BTreeMap;

use tunebench_data::LabelId;

use crate::intervals::wilson_with;
use crate::student::student_quantile;
use crate::{Answer, CONFIDENCE, Clusters, Evaluation, Interval, LabelCounts, Prediction, pairs};

/// With fewer clusters than this in which a model is wrong, their spread is hardly known.
pub(crate) const FEW_ERRING: u64 = 10;

/// With fewer clusters for each label than this, no interval of an average over labels covers what it promises.
const CLUSTERS_FOR_LABEL: f64 = 2.5;

/// An answer of one of the models to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    gold: u32,
    /// Behind the last label where it names none.
    answer: u32,
    model: u32,
}

/// The answered rows of `M` models, cluster by cluster.
#[derive(Debug)]
pub(crate) struct Sample<const M: usize> {
    entries: Vec<Entry>,
    /// Where each cluster ends among the entries, and how many there are just like it.
    clusters: Vec<(u32, u32)>,
    tallies: [Counts; M],
}

impl Sample<1> {
    /// The answered rows of one model.
    pub(crate) fn of(evaluation: &Evaluation, labels: usize) -> Self {
        let clusters = evaluation.clusters.as_deref().filter(|clusters| clusters.are_not_rows());
        let rows = evaluation.predictions.iter().enumerate().filter(|(_, row)| row.is_answered());
        let entries = rows.map(|(at, row)| (cluster(clusters, at), [entry(&row, 0, labels)]));
        match clusters {
            Some(_) => {
                Self::of_clusters(entries.map(|(cluster, [entry])| (cluster, entry)).collect(), labels)
            }
            None => Self::of_rows(entries.map(|(_, entries)| entries), labels),
        }
    }
}

impl Sample<2> {
    /// The rows that both models answered, over all their repeats, by the clusters of the base's rows or else of the tuned model's.
    ///
    /// Where the two disagree about the gold label of a row, that of the base is taken.
    pub(crate) fn of_pairs(base: &[&Evaluation], tuned: &[&Evaluation], labels: usize) -> Self {
        let own = base[0].clusters.as_deref().is_some_and(Clusters::are_not_rows);
        let clusters = if own { &base[0].clusters } else { &tuned[0].clusters }.as_deref();
        let clusters = clusters.filter(|clusters| clusters.are_not_rows());
        let answered = pairs(&base[0].predictions, &tuned[0].predictions)
            .filter_map(|pair| Some((pair.places[usize::from(!own)]?, pair.answered()?)));
        let entries = answered.map(|(at, [b, t])| {
            (at, [entry(&b, 0, labels), Entry { gold: b.gold.0, ..entry(&t, 1, labels) }])
        });
        if clusters.is_none() && base.len() + tuned.len() == 2 {
            return Self::of_rows(entries.map(|(_, entries)| entries), labels);
        }
        let mut all: Vec<(u32, Entry)> = entries
            .flat_map(|(at, entries)| {
                entries.map(|entry| (clusters.map_or(at as u32, |c| cluster(Some(c), at)), entry))
            })
            .collect();
        for (model, repeats) in [base, tuned].into_iter().enumerate() {
            for repeat in &repeats[1..] {
                let answered = pairs(&repeats[0].predictions, &repeat.predictions);
                all.extend(answered.filter_map(|pair| {
                    let (at, [_, row]) = (pair.places[0]?, pair.answered()?);
                    let cluster = clusters.map_or(at as u32, |clusters| cluster(Some(clusters), at));
                    Some((cluster, entry(&row, model as u32, labels)))
                }));
            }
        }
        Self::of_clusters(all, labels)
    }

    /// How many clusters tell the models apart.
    fn telling(&self) -> u64 {
        self.count(|entries| {
            let right =
                |model| entries.iter().filter(|entry| entry.model == model && entry.is_right()).count();
            right(0) != right(1)
        })
    }

    /// How many clusters the models answered differently, as far as answers with `label` go, or any answers.
    pub(crate) fn answered_apart(&self, label: Option<u32>) -> u64 {
        self.count(|entries| {
            let of = |model: u32| {
                let own = entries.iter().filter(move |entry| entry.model == model);
                let own = own.filter(|entry| label.is_none_or(|label| entry.answer == label));
                let mut own: Vec<_> = own.map(|entry| (entry.gold, entry.answer)).collect();
                own.sort_unstable();
                own
            };
            of(0) != of(1)
        })
    }

    /// How many clusters either model answered with the label somewhere.
    pub(crate) fn answered_with(&self, label: u32) -> u64 {
        self.count(|entries| entries.iter().any(|entry| entry.answer == label))
    }

    /// The rows of the first model.
    pub(crate) fn rows(&self) -> f64 {
        self.tallies[0].support.iter().map(|rows| f64::from(*rows)).sum()
    }

    /// How many rows by themselves would tell as much of an average over labels; none where there are too few clusters for one.
    pub(crate) fn rows_over_labels(&self) -> Option<f64> {
        self.has_enough_clusters().then(|| self.effective_rows(true, self.telling()))
    }
}

fn cluster(clusters: Option<&Clusters>, at: usize) -> u32 {
    clusters.and_then(|clusters| clusters.of(at)).unwrap_or(at) as u32
}

fn entry(row: &Prediction, model: u32, labels: usize) -> Entry {
    let answer = match row.answer {
        Answer::Label(LabelId(label)) => label,
        _ => labels as u32,
    };
    Entry { gold: row.gold.0, answer, model }
}

impl Entry {
    fn is_right(self) -> bool {
        self.gold == self.answer
    }
}

impl<const M: usize> Sample<M> {
    /// Each row as a cluster; equal ones are counted.
    fn of_rows(rows: impl Iterator<Item = [Entry; M]>, labels: usize) -> Self {
        let mut counts = BTreeMap::new();
        rows.for_each(|row| *counts.entry(row).or_insert(0u32) += 1);
        let (mut entries, mut clusters) = (Vec::new(), Vec::new());
        for (row, count) in counts {
            entries.extend(row);
            clusters.push((entries.len() as u32, count));
        }
        Self::new(labels, entries, clusters)
    }

    fn of_clusters(mut rows: Vec<(u32, Entry)>, labels: usize) -> Self {
        rows.sort_unstable();
        let mut end = 0;
        let clusters = rows.chunk_by(|a, b| a.0 == b.0).map(|rows| {
            end += rows.len() as u32;
            (end, 1)
        });
        let clusters = clusters.collect();
        Self::new(labels, rows.into_iter().map(|(_, entry)| entry).collect(), clusters)
    }

    fn new(labels: usize, entries: Vec<Entry>, clusters: Vec<(u32, u32)>) -> Self {
        let tallies = std::array::from_fn(|_| Counts::new(labels));
        let mut sample = Self { entries, clusters, tallies };
        let mut tallies = sample.tallies.clone();
        for (entries, times) in sample.each() {
            entries.iter().for_each(|entry| tallies[entry.model as usize].add(*entry, times));
        }
        sample.tallies = tallies;
        sample
    }

    /// The entries of each cluster, and how many there are like it.
    fn each(&self) -> impl Iterator<Item = (&[Entry], u32)> {
        let mut start = 0;
        self.clusters.iter().map(move |(end, times)| {
            let entries = &self.entries[start..*end as usize];
            start = *end as usize;
            (entries, *times)
        })
    }

    fn count(&self, holds: impl Fn(&[Entry]) -> bool) -> u64 {
        self.each().filter(|(entries, _)| holds(entries)).map(|(_, times)| u64::from(times)).sum()
    }

    /// The figures of the rows as they are.
    pub(crate) fn observed<R>(&self, figures: impl FnOnce(&[LabelCounts; M]) -> R) -> R {
        figures(&self.tallies.each_ref().map(Counts::tally))
    }

    /// The figures with their variances; none where a figure is undefined, or with fewer than two clusters.
    pub(crate) fn estimates<const F: usize>(
        &self,
        figures: impl Fn(&[LabelCounts; M]) -> [Option<f64>; F],
    ) -> [Option<Estimate>; F] {
        let clusters = self.count(|_| true);
        let values = self.observed(&figures);
        let mut tallies = self.tallies.clone();
        let (mut sums, mut squares) = ([0.0; F], [0.0; F]);
        for (entries, times) in self.each() {
            entries.iter().for_each(|entry| tallies[entry.model as usize].take(*entry));
            let without = figures(&tallies.each_ref().map(Counts::tally));
            entries.iter().for_each(|entry| tallies[entry.model as usize].add(*entry, 1));
            for (f, pair) in without.iter().zip(&values).enumerate() {
                if let (Some(without), Some(value)) = pair {
                    sums[f] += f64::from(times) * (without - value);
                    squares[f] += f64::from(times) * (without - value).powi(2);
                }
            }
        }
        let count = clusters as f64;
        std::array::from_fn(|f| {
            let spread = (squares[f] - sums[f] * sums[f] / count).max(0.0);
            // Below rounding nothing varies.
            let variance = if spread > 1e-24 { (count - 1.0) / count * spread } else { 0.0 };
            Some(Estimate { value: values[f]?, variance, clusters }).filter(|_| clusters > 1)
        })
    }

    /// How many rows by themselves would tell as much of an average over rows, or of one over labels: Kish's number (1965) for the
    /// weights that such an average gives to rows, or to whole clusters where few of these tell anything.
    fn effective_rows(&self, over_labels: bool, telling: u64) -> f64 {
        let counts = &self.tallies[0];
        let occurring = counts.support.iter().filter(|rows| **rows > 0).count() as f64;
        let rows: f64 = counts.support.iter().map(|rows| f64::from(*rows)).sum();
        let weight = |gold: u32| match over_labels {
            true => 1.0 / (occurring * f64::from(counts.support[gold as usize])),
            false => 1.0 / rows,
        };
        let clusters = self.count(|_| true) as f64;
        let are_rows = clusters >= rows;
        if !are_rows && telling < FEW_ERRING {
            let of = |entries: &[Entry]| {
                entries.iter().filter(|e| e.model == 0).map(|e| weight(e.gold)).sum::<f64>()
            };
            return 1.0
                / self.each().map(|(entries, times)| f64::from(times) * of(entries).powi(2)).sum::<f64>();
        }
        let squares = counts.support.iter().enumerate().filter(|(_, rows)| **rows > 0);
        1.0 / squares.map(|(gold, rows)| f64::from(*rows) * weight(gold as u32).powi(2)).sum::<f64>()
    }

    /// Whether there are enough clusters for an interval of an average over labels.
    fn has_enough_clusters(&self) -> bool {
        let occurring = self.tallies[0].support.iter().filter(|rows| **rows > 0).count() as f64;
        self.count(|_| true) as f64 >= CLUSTERS_FOR_LABEL * occurring
    }
}

impl Sample<1> {
    /// The interval of a figure of 0 to 1 that is an average over labels.
    pub(crate) fn share_interval(&self, estimate: Estimate) -> Option<Interval> {
        let most = self.effective_rows(true, self.erring());
        self.has_enough_clusters().then(|| estimate.share_interval(most)).flatten()
    }

    /// The interval of a figure of -1 to 1 over all rows.
    pub(crate) fn coefficient_interval(&self, estimate: Estimate) -> Option<Interval> {
        let Estimate { value, variance, clusters } = estimate;
        let share = Estimate { value: (value + 1.0) / 2.0, variance: variance / 4.0, clusters };
        let Interval { low, high } = share.share_interval(self.effective_rows(false, self.erring()))?;
        self.has_enough_clusters().then_some(Interval { low: 2.0 * low - 1.0, high: 2.0 * high - 1.0 })
    }

    /// The clusters in which the model is wrong.
    fn erring(&self) -> u64 {
        self.count(|entries| !entries.iter().all(|entry| entry.is_right()))
    }
}

impl Sample<2> {
    /// The interval of the difference of two averages over labels, -1 to 1.
    pub(crate) fn difference_interval(&self, estimate: Estimate) -> Option<Interval> {
        let t = student_quantile(CONFIDENCE, estimate.clusters - 1)?;
        // As with a difference of shares, that nothing was seen to differ does not mean that nothing can.
        let rows = self.effective_rows(true, self.telling());
        let unseen = t * t / (rows + t * t);
        let half = (t * t * estimate.variance + unseen * unseen).sqrt();
        let (low, high) = ((estimate.value - half).max(-1.0), (estimate.value + half).min(1.0));
        self.has_enough_clusters().then_some(Interval { low, high })
    }
}

/// A figure with its variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) variance: f64,
    pub(crate) clusters: u64,
}

impl Estimate {
    /// Wilson's interval for as many rows as would give a share this variance, but at most so many: Korn and Graubard (1998),
    /// "Confidence intervals for proportions with small expected number of positive counts estimated from survey data".
    fn share_interval(self, most: f64) -> Option<Interval> {
        let share = self.value.clamp(0.0, 1.0);
        let rows = match self.variance > 0.0 {
            true => (share * (1.0 - share) / self.variance).min(most),
            false => most,
        };
        let t = student_quantile(CONFIDENCE, self.clusters.checked_sub(1)?)?;
        // All wrong or all right with a spread is rounding.
        (rows > 0.0).then(|| wilson_with(share, rows, t))
    }
}

/// The counts of one model.
#[derive(Debug, Clone)]
struct Counts {
    support: Vec<u32>,
    /// With the invalid answers behind the last label.
    predicted: Vec<u32>,
    true_positives: Vec<u32>,
}

impl Counts {
    fn new(labels: usize) -> Self {
        Self { support: vec![0; labels], predicted: vec![0; labels + 1], true_positives: vec![0; labels] }
    }

    fn add(&mut self, entry: Entry, times: u32) {
        self.support[entry.gold as usize] += times;
        self.predicted[entry.answer as usize] += times;
        if entry.is_right() {
            self.true_positives[entry.gold as usize] += times;
        }
    }

    fn take(&mut self, entry: Entry) {
        self.support[entry.gold as usize] -= 1;
        self.predicted[entry.answer as usize] -= 1;
        if entry.is_right() {
            self.true_positives[entry.gold as usize] -= 1;
        }
    }

    fn tally(&self) -> LabelCounts<'_> {
        let labels = self.support.len();
        LabelCounts {
            support: &self.support,
            predicted: &self.predicted[..labels],
            true_positives: &self.true_positives,
            invalid: self.predicted[labels],
        }
    }
}
