//! Differences of figures that are no means over rows: macro-F1, and the precision of a label.

use tunebench_data::LabelId;

use crate::jackknife::Sample;
use crate::missing;
use crate::scenarios::Scenarios;
use crate::studentised::Studentised;
use crate::{Answer, Contrast, Evaluation, InvalidKind, LabelCounts, Metric, Prediction, Predictions};

/// What is supposed of the rows of a model.
type Change<'a> = &'a dyn Fn(&Predictions) -> Predictions;

/// What follows from the answers of both models over all repeats, and from what could have been in their place.
pub(crate) fn scenarios(base: &[&Evaluation], tuned: &[&Evaluation], metric: &Metric) -> Scenarios {
    let models = [base, tuned];
    let all = || models.into_iter().flatten().flat_map(|repeat| &repeat.predictions);
    let ids = all().flat_map(|row| row.answer.label().into_iter().chain([row.gold]));
    let of_metric = match metric {
        Metric::Precision(label) => Some(label.id),
        _ => None,
    };
    // Labels beyond these occur nowhere.
    let labels = ids.chain(of_metric).map(|label| label.index() + 1).max().unwrap_or_default();
    let (answered, values) = contrast(base, tuned, metric, labels);
    let supposing = |rows: [Change; 2]| {
        let changed = |repeats: &[&Evaluation], rows: Change| {
            let change =
                |one: &&Evaluation| Evaluation { predictions: rows(&one.predictions), ..(*one).clone() };
            repeats.iter().map(change).collect::<Vec<_>>()
        };
        let (base, tuned) = (changed(base, rows[0]), changed(tuned, rows[1]));
        let [base, tuned] = [&base, &tuned].map(|repeats| repeats.iter().collect::<Vec<_>>());
        contrast(&base, &tuned, metric, labels).0
    };
    let as_they_are = |rows: &Predictions| rows.clone();
    let read = |rows: &Predictions| rows.iter().map(if_read).collect();
    let [best, worst] = [true, false].map(|right| {
        move |rows: &Predictions| match of_metric {
            Some(label) => rows.iter().map(|row| for_precision(row, label, right)).collect(),
            None if right => missing::right(rows, labels),
            None => missing::wrong(rows, labels),
        }
    });
    let missing = all().filter(|row| !row.is_answered()).count() as u64;
    let unreadable = models.map(|repeats| {
        repeats.iter().flat_map(|repeat| &repeat.predictions).any(|row| row.answer.is_unreadable())
    });
    Scenarios {
        answered,
        values,
        worst_and_best: (missing > 0).then(|| [supposing([&best, &worst]), supposing([&worst, &best])]),
        read: [
            unreadable[0].then(|| supposing([&read, &as_they_are])),
            unreadable[1].then(|| supposing([&as_they_are, &read])),
        ],
        missing,
    }
}

fn if_read(row: Prediction) -> Prediction {
    if row.answer.is_unreadable() { Prediction { answer: Answer::Label(row.gold), ..row } } else { row }
}

/// A missing answer as it would do most for the precision of a label, or most against it.
fn for_precision(row: Prediction, label: LabelId, well: bool) -> Prediction {
    match row.is_answered() {
        true => row,
        false if (row.gold == label) == well => Prediction { answer: Answer::Label(label), ..row },
        false => Prediction { answer: Answer::Invalid(InvalidKind::Empty), ..row },
    }
}

/// The difference, and the figures of both models; none where one of them is undefined.
fn contrast(
    base: &[&Evaluation],
    tuned: &[&Evaluation],
    metric: &Metric,
    labels: usize,
) -> (Contrast, Option<[f64; 2]>) {
    let sample = Sample::of_pairs(base, tuned, labels);
    let figure = |tally: &LabelCounts| match metric {
        Metric::Precision(label) => tally.precision(label.id),
        _ => tally.macro_f1(),
    };
    let values = sample.observed(|[base, tuned]| Some([figure(base)?, figure(tuned)?]));
    let rows = sample.rows();
    let Some([b, t]) = values else {
        return (Contrast::Figures(Studentised::unknown(f64::NAN, rows, 1.0)), None);
    };
    let [estimate] = sample.estimates(|[base, tuned]| [figure(base).zip(figure(tuned)).map(|(b, t)| t - b)]);
    let (telling, effective_rows) = match metric {
        Metric::Precision(label) => {
            (sample.answered_apart(Some(label.id.0)), Some(sample.answered_with(label.id.0) as f64))
        }
        _ => (sample.answered_apart(None), sample.rows_over_labels()),
    };
    let of = match estimate.zip(effective_rows) {
        Some((estimate, effective_rows)) => Studentised {
            difference: t - b,
            variance: estimate.variance,
            degrees: (estimate.clusters - 1) as f64,
            clusters: estimate.clusters,
            telling,
            rows,
            effective_rows,
            scale: 1.0,
        },
        None => Studentised::unknown(t - b, rows, 1.0),
    };
    (Contrast::Figures(of), values)
}
