//! The parts of the rows on which models do worst, in words.

use super::{level_number, p_value, thousands, units};
use crate::{Figures, SliceComparison, SliceFigures, SliceVerdict};

/// So many are told of where nothing is proven, and at most so many where it is.
const FEW: usize = 3;
const MOST: usize = 8;

/// The properties that are known of every text.
const OF_TEXTS: [&str; 2] = ["length", "script"];

/// A part of the rows, and two models on it.
pub(super) type Worst<'a> = (&'a SliceFigures, &'a SliceComparison);

/// Those that are proven to be worse, else the worst few of the properties that somebody asked for; the worst first.
pub(super) fn worst(figures: &Figures) -> Vec<Worst<'_>> {
    let all = figures.slices.iter().flat_map(|slice| slice.comparisons.iter().map(move |one| (slice, one)));
    let mut losing: Vec<_> = all.filter(|(_, one)| one.loss > 0.0).collect();
    losing.sort_by(|a, b| b.1.loss.total_cmp(&a.1.loss));
    let proven = losing.iter().filter(|(_, one)| one.verdict == SliceVerdict::Worse).count();
    if proven == 0 {
        losing.retain(|(slice, _)| !OF_TEXTS.contains(&slice.property.as_str()));
    }
    losing.truncate(if proven > 0 { proven.min(MOST) } else { FEW });
    losing
}

/// What to say of them: a title, and a line for each. None where there are none.
pub(super) fn words(figures: &Figures, worst: &[Worst]) -> Option<(String, Vec<String>)> {
    if worst.is_empty() {
        return None;
    }
    let compared: usize = figures.slices.iter().map(|slice| slice.comparisons.len()).sum();
    let title = format!("Parts of the rows on which a model does worse: {} of {compared}", worst.len());
    Some((title, worst.iter().map(|(slice, one)| line(figures, slice, one)).collect()))
}

fn line(figures: &Figures, slice: &SliceFigures, one: &SliceComparison) -> String {
    let of_pair = figures.comparisons.iter().find(|pair| pair.base == one.base && pair.tuned == one.tuned);
    let metric = of_pair.map(|pair| pair.metric.clone()).unwrap_or_default();
    let [base, tuned] = one.values.map(|value| units::value(&metric, value));
    let interval = one.difference_interval.map_or_else(String::new, |interval| {
        format!(" ({} % CI {})", level_number(one.confidence), units::interval(&metric, interval))
    });
    let verdict = match one.verdict {
        SliceVerdict::Worse => "worse",
        SliceVerdict::Better => "better",
        SliceVerdict::NotProven => "not proven",
    };
    format!(
        "{} = {}, {} rows: {} of {} against {}: {base} → {tuned}, {}{interval}; {verdict}, {} by Holm over all parts",
        slice.property,
        slice.value,
        thousands(slice.rows),
        metric.words(),
        one.tuned,
        one.base,
        units::change(&metric, one.difference),
        p_value(one.holm_p)
    )
}
