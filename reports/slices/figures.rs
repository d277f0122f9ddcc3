//! What each model makes of the parts of the rows, and where one model is worse than another.

use serde::Serialize;

use crate::clustered;
use crate::scenarios::{Scenarios, is_unreadable_form, unreadable};
use crate::words::words;
use crate::{ALPHA, Comparison, Evaluation, Interval, Rules, Run, Slices, holm, holm_levels};

/// With fewer rows than this in it, a slice is not compared: it would only make the others harder to prove.
const FEW_ROWS: usize = 20;

/// A part of the rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SliceFigures {
    /// The property by which rows are parted, for example `language`.
    pub property: String,
    /// Its value.
    pub value: String,
    /// The rows that have it.
    pub rows: u64,
    /// The models, in the order of the report.
    pub models: Vec<SliceModel>,
    /// The comparisons, in the order of the report; those of too few rows are left out.
    pub comparisons: Vec<SliceComparison>,
}

/// A model on a part of the rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SliceModel {
    /// The model reference.
    pub model: String,
    /// The rows that it answered.
    pub answered: u64,
    /// The share of right answers.
    pub accuracy: Option<f64>,
    /// Its 95 % interval, which allows for clusters.
    pub accuracy_interval: Option<Interval>,
}

words! {
    /// What a slice proves, with all slices of the report taken together.
    SliceVerdict {
        /// The tuned model is better there.
        Better = "better",
        /// It is worse there.
        Worse = "worse",
        /// Nothing is proven.
        NotProven = "not_proven",
    }
}

/// Two models on a part of the rows, by the figure that decides.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SliceComparison {
    /// The reference of the base.
    pub base: String,
    /// The reference of the tuned model.
    pub tuned: String,
    /// The clusters of the compared rows.
    pub clusters: u64,
    /// The figures of both.
    pub values: [f64; 2],
    /// That of the tuned model minus that of the base.
    pub difference: f64,
    /// The interval of the test, at the level at which it decides.
    pub difference_interval: Option<Interval>,
    /// That level.
    pub confidence: f64,
    /// The two-sided p-value of a difference. Missing answers count as the worst they could be.
    pub p: f64,
    /// The same, adjusted by Holm's method over all slices and comparisons of the report.
    pub holm_p: f64,
    /// What follows.
    pub verdict: SliceVerdict,
    /// How many standard errors the gain lies below nothing: by this the worst are found.
    #[serde(skip)]
    pub(crate) loss: f64,
}

impl SliceFigures {
    /// One for each value of each property, most rows first within a property.
    pub(crate) fn of(run: &Run, comparisons: &[Comparison], rules: &Rules) -> Vec<Self> {
        let Some(first) = run.evaluations.first() else { return Vec::new() };
        let Some(slices) = first.slices.as_deref() else { return Vec::new() };
        let models: Vec<_> = run.evaluations.iter().filter(|one| !run.is_further(&one.model)).collect();
        let mut found = Vec::new();
        // What a slice proves, in the order of the slices: its place, and that of the comparison.
        let mut scenarios = Vec::new();
        for slice in slices.each() {
            let (property, value) = (slice.property.name.as_str(), slice.value);
            // Mostly all models have the same rows in the same order.
            let same = |other: &Slices| std::ptr::eq(other, slices) || other == slices;
            let places = |evaluation: &Evaluation| match evaluation.slices.as_deref() {
                Some(other) if same(other) => Some(slice.rows().collect()),
                Some(other) => other.rows(property, value),
                None => None,
            };
            let part = |evaluation: &Evaluation| Some(evaluation.only(&places(evaluation)?));
            let accuracy = |evaluation: &Evaluation| match evaluation.slices.as_deref() {
                // A slice may be nearly all rows: they are looked at where they are.
                Some(other) if same(other) => Some(clustered::accuracy_in(evaluation, slice.rows())),
                _ => Some(clustered::accuracy_in(evaluation, places(evaluation)?.into_iter())),
            };
            let of_models = models.iter().filter_map(|evaluation| {
                let (answered, accuracy, accuracy_interval) = accuracy(evaluation)?;
                Some(SliceModel { model: evaluation.model.clone(), answered, accuracy, accuracy_interval })
            });
            let place = found.len();
            found.push(Self {
                property: property.to_owned(),
                value: value.to_owned(),
                rows: slice.count as u64,
                models: of_models.collect(),
                comparisons: Vec::new(),
            });
            if slice.count < FEW_ROWS {
                continue;
            }
            for comparison in comparisons.iter().filter(|comparison| comparison.p.is_some()) {
                let side = |model: &str| {
                    let first = run.evaluations.iter().find(|one| one.model == model)?;
                    let seeds = run.seeds_of(first).into_iter().flat_map(|seed| run.repeats_of(seed));
                    seeds.map(part).collect::<Option<Vec<_>>>()
                };
                let Some((base, tuned)) = side(&comparison.base).zip(side(&comparison.tuned)) else {
                    continue;
                };
                let [base, tuned] = [&base, &tuned].map(|side| side.iter().collect::<Vec<_>>());
                let form = [&base, &tuned].map(|side| unreadable(side));
                if form.iter().any(|(some, all)| is_unreadable_form(*some, *all, rules.max_unreadable)) {
                    continue;
                }
                let of = Scenarios::of(&base, &tuned, &rules.metric, rules.looks);
                if of.values.is_some() {
                    scenarios.push((place, comparison, of));
                }
            }
        }
        let p: Vec<_> = scenarios.iter().map(|(.., of)| of.p()).collect();
        let adjusted = holm(&p).into_iter().zip(holm_levels(&p, ALPHA));
        for (((place, comparison, of), p), (holm_p, level)) in scenarios.into_iter().zip(p).zip(adjusted) {
            found[place].comparisons.extend(SliceComparison::of(comparison, &of, p, holm_p, level));
        }
        found
    }
}

impl SliceComparison {
    fn of(comparison: &Comparison, of: &Scenarios, p: f64, holm_p: f64, level: f64) -> Option<Self> {
        let gain = of.answered.mean()?;
        let verdict = match holm_p <= ALPHA {
            true if gain > 0.0 => SliceVerdict::Better,
            true => SliceVerdict::Worse,
            false => SliceVerdict::NotProven,
        };
        Some(Self {
            base: comparison.base.clone(),
            tuned: comparison.tuned.clone(),
            clusters: of.answered.clusters(),
            values: of.values?,
            difference: comparison.metric.gain(gain),
            difference_interval: of.interval(1.0 - level).map(|interval| comparison.turned(interval)),
            confidence: 1.0 - level,
            p,
            holm_p,
            verdict,
            loss: -of.answered.score(0.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Figures;
    use crate::random::Random;
    use crate::slices::Slicing;
    use crate::testing::{predictions, run};

    /// 200 rows of which every second is from the phone; there the tuned model loses so many.
    fn sliced(lost: usize) -> Run {
        let gold = "a".repeat(200);
        let tuned: String =
            (0..200).map(|row| if row % 2 == 1 && row < 2 * lost { 'b' } else { 'a' }).collect();
        let base: String = (0..200).map(|row| if row % 10 == 0 { 'b' } else { 'a' }).collect();
        let mut run = run(
            &["a", "b"],
            vec![("m", None, predictions(&gold, &base)), ("t", Some("m"), predictions(&gold, &tuned))],
        );
        let mut slicing = Slicing::new(["channel", "rare"]);
        for row in 0..200 {
            slicing.push([if row % 2 == 1 { "phone" } else { "web" }, if row < 5 { "yes" } else { "no" }]);
        }
        let slices = slicing.finish().map(Arc::new);
        run.evaluations.iter_mut().for_each(|one| one.slices = slices.clone());
        run
    }

    #[test]
    fn files_tell_of_slices() {
        let run = sliced(20);
        let report = crate::Report::new(&run);
        let csv = String::from_utf8(crate::render::csv::slices(&report)).unwrap();
        let rows: Vec<_> = csv.lines().collect();
        assert!(rows[1].starts_with("channel,phone,100,m,100,1,") && rows[1].ends_with(",,,,,,,"), "{csv}");
        assert!(rows[2].starts_with("channel,phone,100,t,100,0.8,") && rows[2].ends_with(",worse"), "{csv}");
        assert_eq!(rows.len(), 1 + 4 * 2);
        let markdown =
            crate::render::Renderer::render(&crate::render::markdown::Markdown::default(), &report);
        let markdown = String::from_utf8(markdown).unwrap();
        assert!(markdown.contains("### Parts of the rows on which a model does worse: 1 of 3"), "{markdown}");
    }

    #[test]
    fn a_slice_is_called_worse_where_that_survives_the_others() {
        let figures = Figures::of(&sliced(20));
        let found: Vec<_> =
            figures.slices.iter().map(|s| (s.value.as_str(), s.rows, s.comparisons.len())).collect();
        assert_eq!(found, [("phone", 100, 1), ("web", 100, 1), ("no", 195, 1), ("yes", 5, 0)]);
        let phone = &figures.slices[0];
        assert_eq!((phone.models[0].accuracy, phone.models[1].accuracy), (Some(1.0), Some(0.8)));
        let worse = &phone.comparisons[0];
        assert_eq!((worse.verdict, worse.values), (SliceVerdict::Worse, [1.0, 0.8]));
        assert!(worse.holm_p > worse.p && worse.difference_interval.unwrap().high < 0.0);
        assert_eq!(figures.slices[1].comparisons[0].verdict, SliceVerdict::Better);
        // Seven lost rows would be proven alone: p = 0.008, but not as one of three.
        let few = Figures::of(&sliced(7)).slices[0].comparisons[0].clone();
        assert!(few.p < 0.05 && few.verdict == SliceVerdict::Worse || few.holm_p > 0.05);
    }

    #[test]
    fn of_equal_models_hardly_any_slice_is_called_different() {
        let (mut random, times, mut wrong) = (Random::new(9, 1), 200, 0);
        for _ in 0..times {
            let mut draw = |below: u64| random.next() % below;
            let gold = "a".repeat(400);
            let mut answers = || (0..400).map(|_| if draw(5) == 0 { 'b' } else { 'a' }).collect::<String>();
            let (base, tuned) = (predictions(&gold, &answers()), predictions(&gold, &answers()));
            let mut run = run(&["a", "b"], vec![("m", None, base), ("t", Some("m"), tuned)]);
            let mut slicing = Slicing::new(["x", "y", "z"]);
            (0..400).for_each(|_| slicing.push([0; 3].map(|_| ["1", "2", "3", "4", "5"][draw(5) as usize])));
            let slices = slicing.finish().map(Arc::new);
            run.evaluations.iter_mut().for_each(|one| one.slices = slices.clone());
            let figures = Figures::of(&run);
            let different = |one: &SliceComparison| one.verdict != SliceVerdict::NotProven;
            wrong += u32::from(figures.slices.iter().flat_map(|slice| &slice.comparisons).any(different));
        }
        assert!(wrong <= times / 20 + 6, "{wrong} of {times}");
    }
}
