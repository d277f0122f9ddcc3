//! What two models answered, row by row and over all repeats, and what would follow if answers that are missing or could not
//! be read were right or wrong.

use tunebench_data::ExampleId;

use crate::anytime::BetsOf;
use crate::differences::DifferencesOf;
use crate::studentised::MeansOf;
use crate::words::words;
use crate::{
    Answer, Clusters, Contrast, Evaluation, Interval, Metric, Paired, Prediction, Predictions,
    UnansweredKind, Verdict, over_labels, pairs,
};

/// What is supposed of answers that are not there or name no label.
#[derive(Debug, Clone, Copy)]
struct Suppose {
    /// Of a missing answer: whether it would have been right; none leaves it out.
    missing: Option<bool>,
    /// Whether an answer that names no label would have been right, had it been read.
    unreadable: bool,
}

/// As the answers are.
const AS_THEY_ARE: Suppose = Suppose { missing: None, unreadable: false };

impl Suppose {
    fn missing(right: bool) -> Self {
        Self { missing: Some(right), unreadable: false }
    }

    /// What a row adds to the figure.
    fn value(self, metric: &Metric, row: &Prediction) -> Option<f64> {
        match row.answer {
            Answer::Unanswered(_) => metric.of_row_if(row, self.missing?),
            answer if self.unreadable && answer.is_unreadable() => metric.of_row_if(row, true),
            _ => metric.of_row(row),
        }
    }
}

/// Whether the run ended before all rows had their turn, so that there is no score.
pub(crate) fn is_cut_short(predictions: &Predictions) -> bool {
    let ended =
        |kind| matches!(kind, UnansweredKind::NotAsked | UnansweredKind::Budget | UnansweredKind::Cancelled);
    predictions.iter().any(|row| matches!(row.answer, Answer::Unanswered(kind) if ended(kind)))
}

/// The answers that name no label, and all answers, over the repeats of a model.
pub(crate) fn unreadable(repeats: &[&Evaluation]) -> (u64, u64) {
    let rows = || repeats.iter().flat_map(|repeat| &repeat.predictions);
    let count = |of: &dyn Fn(&Prediction) -> bool| rows().filter(|row| of(row)).count() as u64;
    (count(&|row| row.answer.is_unreadable()), count(&Prediction::is_answered))
}

/// With fewer unreadable answers than this, they are accidents and not a form that nobody reads.
const FEW_UNREADABLE: u64 = 3;

/// Whether so many answers name no label, a share of `limit` or more, that their form was measured rather than the model.
pub fn is_unreadable_form(unreadable: u64, answered: u64, limit: f64) -> bool {
    unreadable >= FEW_UNREADABLE && unreadable as f64 >= limit * answered as f64
}

words! {
    /// How often the rows may be looked at.
    Looks {
        /// Once: the number of the rows was settled before.
        Once = "once",
        /// Again and again, while rows are added; see [`Bets`](crate::Bets).
        AnyTime = "any_time",
    }
}

/// What follows from the answers, and from what could have been in their place.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenarios {
    /// From the rows that both answered.
    pub answered: Contrast,
    /// The figures over these rows, base first: means over the repeats. None where one of them is undefined.
    pub values: Option<[f64; 2]>,
    /// If every missing answer spoke against the second model, and if every one spoke for it; none where none is missing.
    pub worst_and_best: Option<[Contrast; 2]>,
    /// If the answers of the first or the second model that name no label had been right; none where it has none.
    pub read: [Option<Contrast>; 2],
    /// The answers that are missing, of both models together, on the rows that both have.
    pub missing: u64,
}

impl Scenarios {
    /// From all repeats of both models, the first ones first.
    ///
    /// # Panics
    /// If one of them has no evaluation.
    pub fn of(base: &[&Evaluation], tuned: &[&Evaluation], metric: &Metric, looks: Looks) -> Self {
        match metric {
            Metric::MacroF1 | Metric::Precision(_) => over_labels::scenarios(base, tuned, metric),
            Metric::Accuracy | Metric::Recall(_) | Metric::Cost(_) => {
                Self::row_by_row(base, tuned, metric, looks)
            }
        }
    }

    /// Of a figure that is a mean over rows.
    fn row_by_row(base: &[&Evaluation], tuned: &[&Evaluation], metric: &Metric, looks: Looks) -> Self {
        let sides = [base, tuned].map(Side::of);
        let clusters = sides.iter().find_map(|side| side.first.clusters.as_deref());
        let clusters = clusters.filter(|clusters| clusters.are_not_rows());
        let missing = sides.iter().map(|side| side.missing(metric)).sum::<u64>();
        let has_unreadable = [base, tuned].map(|repeats| unreadable(repeats).0 > 0);

        let new = || Sums::new(metric, looks, clusters.map(Clusters::count));
        let read = Suppose { unreadable: true, ..AS_THEY_ARE };
        let mut answered = new();
        let mut supposed = Vec::new();
        if missing > 0 {
            supposed.push(([Suppose::missing(true), Suppose::missing(false)], new()));
            supposed.push(([Suppose::missing(false), Suppose::missing(true)], new()));
        }
        let after_missing = supposed.len();
        if has_unreadable[0] {
            supposed.push(([read, AS_THEY_ARE], new()));
        }
        if has_unreadable[1] {
            supposed.push(([AS_THEY_ARE, read], new()));
        }
        let (mut sums, mut rows) = ([0.0; 2], 0.0);
        for pair in pairs(&sides[0].first.predictions, &sides[1].first.predictions) {
            let (Some(b), Some(t)) = (pair.base, pair.tuned) else { continue };
            // Where clusters are rows their numbers do not matter.
            let own = sides[0].first.clusters.as_deref().is_some_and(Clusters::are_not_rows);
            let at = pair.places[usize::from(!own)];
            let cluster = clusters.zip(at).and_then(|(clusters, at)| clusters.of(at)).unwrap_or_default();
            let mean = |suppose: [Suppose; 2]| {
                Some([
                    sides[0].mean(pair.id, b, metric, suppose[0])?,
                    sides[1].mean(pair.id, t, metric, suppose[1])?,
                ])
            };
            if let Some([base, tuned]) = mean([AS_THEY_ARE; 2]) {
                rows += 1.0;
                sums = [sums[0] + base, sums[1] + tuned];
                answered.add(cluster, tuned - base);
            }
            for (suppose, of) in &mut supposed {
                if let Some([base, tuned]) = mean(*suppose) {
                    of.add(cluster, tuned - base);
                }
            }
        }
        let mut supposed = supposed.into_iter().map(|(_, of)| of.finish());
        let mut next = |there: bool| if there { supposed.next() } else { None };
        let (worst, best) = (next(after_missing > 0), next(after_missing > 0));
        Self {
            answered: answered.finish(),
            values: (rows > 0.0).then(|| sums.map(|sum| metric.gain(sum / rows))),
            worst_and_best: worst.zip(best).map(|(worst, best)| [worst, best]),
            read: [next(has_unreadable[0]), next(has_unreadable[1])],
            missing,
        }
    }
}

/// The differences of rows on their way to the test that belongs to them.
enum Sums {
    Shares(DifferencesOf),
    Bets(BetsOf),
    Means(MeansOf),
}

impl Sums {
    /// `clusters` is how many there are; none where each row is one.
    fn new(metric: &Metric, looks: Looks, clusters: Option<u64>) -> Self {
        match (metric, looks) {
            (Metric::Cost(costs), _) => Self::Means(MeansOf::new(clusters, costs.most())),
            (_, Looks::AnyTime) => Self::Bets(BetsOf::new(clusters)),
            (_, Looks::Once) => Self::Shares(DifferencesOf::new(clusters)),
        }
    }

    fn add(&mut self, cluster: usize, difference: f64) {
        match self {
            Self::Shares(of) => of.add(cluster, difference),
            Self::Bets(of) => of.add(cluster, difference),
            Self::Means(of) => of.add(cluster, difference),
        }
    }

    fn finish(self) -> Contrast {
        match self {
            Self::Shares(of) => Contrast::Shares(of.finish()),
            Self::Bets(of) => Contrast::Bets(of.finish()),
            Self::Means(of) => Contrast::Figures(of.finish()),
        }
    }
}

impl From<&Paired> for Scenarios {
    /// From rows of which each is a cluster of its own, with no answer missing and none unreadable.
    fn from(paired: &Paired) -> Self {
        let values = paired.base_accuracy().zip(paired.tuned_accuracy()).map(|(base, tuned)| [base, tuned]);
        let answered = Contrast::Shares(paired.into());
        Self { answered, values, worst_and_best: None, read: [None, None], missing: 0 }
    }
}

impl Scenarios {
    /// The same without what missing answers could be.
    pub fn answered_only(&self) -> Self {
        Self { worst_and_best: None, ..self.clone() }
    }

    /// The same if the unreadable answers of the first (0) or second (1) model had been right; none where it has none.
    pub(crate) fn if_read(&self, model: usize) -> Option<Self> {
        let answered = self.read[model].clone()?;
        Some(Self { answered, worst_and_best: None, ..self.clone() })
    }

    fn worst(&self) -> &Contrast {
        self.worst_and_best.as_ref().map_or(&self.answered, |[worst, _]| worst)
    }

    fn best(&self) -> &Contrast {
        self.worst_and_best.as_ref().map_or(&self.answered, |[_, best]| best)
    }

    /// The two-sided p-value of a difference, whatever the missing answers are.
    pub fn p(&self) -> f64 {
        (2.0 * self.worst().gain_p().min(self.best().loss_p(0.0))).min(1.0)
    }

    /// The one-sided p-value of a loss of more than `margin`, whatever the missing answers are.
    pub fn loss_p(&self, margin: f64) -> f64 {
        self.best().loss_p(margin)
    }

    /// The one-sided p-value of non-inferiority, whatever the missing answers are.
    pub fn non_inferiority_p(&self, margin: f64) -> f64 {
        self.worst().non_inferiority_p(margin)
    }

    /// The differences that are not rejected, whatever the missing answers are: the bounds of Horowitz and Manski (2000).
    pub(crate) fn interval(&self, level: f64) -> Option<Interval> {
        Some(Interval { low: self.worst().interval(level)?.low, high: self.best().interval(level)?.high })
    }

    /// What follows at these levels, two-sided of a difference and one-sided of the margin.
    pub(crate) fn verdict(&self, margin: Option<f64>, difference: f64, within: f64) -> Verdict {
        match margin {
            _ if 2.0 * self.worst().gain_p() <= difference => Verdict::Better,
            _ if 2.0 * self.best().loss_p(0.0) <= difference => Verdict::Worse,
            Some(margin) if self.non_inferiority_p(margin) <= within => Verdict::NoWorse,
            _ => Verdict::NotProven,
        }
    }
}

/// A model with all its repeats.
struct Side<'a> {
    first: &'a Evaluation,
    others: Vec<Repeat<'a>>,
}

/// The rows of a repeat, found by their ids.
struct Repeat<'a> {
    rows: &'a Predictions,
    order: Vec<u32>,
}

impl<'a> Side<'a> {
    fn of(repeats: &[&'a Evaluation]) -> Self {
        let others = repeats[1..].iter().map(|repeat| {
            let rows = &repeat.predictions;
            Repeat { rows, order: rows.by_id() }
        });
        Self { first: repeats[0], others: others.collect() }
    }

    /// The missing answers on which the figure depends.
    fn missing(&self, metric: &Metric) -> u64 {
        let rows = self.others.iter().flat_map(|repeat| repeat.rows).chain(&self.first.predictions);
        let counts = |row: &Prediction| !row.is_answered() && metric.of_row_if(row, true).is_some();
        rows.filter(counts).count() as u64
    }

    /// The mean, over the answers to a row, of what it adds to the figure; none where no answer counts.
    fn mean(&self, id: ExampleId, first: Prediction, metric: &Metric, suppose: Suppose) -> Option<f64> {
        let others = self.others.iter().filter_map(|repeat| repeat.find(id));
        let (mut sum, mut all) = (0.0, 0u32);
        for value in std::iter::once(first).chain(others).filter_map(|row| suppose.value(metric, &row)) {
            sum += value;
            all += 1;
        }
        (all > 0).then(|| sum / f64::from(all))
    }
}

impl Repeat<'_> {
    fn find(&self, id: ExampleId) -> Option<Prediction> {
        let at = self.order.binary_search_by_key(&id, |&row| self.rows.id(row as usize)).ok()?;
        self.rows.get(self.order[at] as usize)
    }
}
