//! The labels of the files beside each other: variants, labels that were never learned, rare ones, imbalance.

use std::collections::{BTreeMap, BTreeSet};

use super::census::{Census, Count};
use super::finding::{Check, Finding, Place, Role, Rows, Severity, count};
use crate::LabelSet;
use crate::answer::fold;

/// Below so many training rows, a label is learned by chance, and below so many test rows, its scores are chance.
pub(super) const FEW: u64 = 10;
/// How many times the rows of the rarest label the most frequent one may have.
const IMBALANCE: u64 = 20;

/// All findings about labels. `fixed` are the labels that the user has set.
pub(super) fn check(census: &Census, fixed: Option<&LabelSet>) -> Vec<Finding> {
    let unknown = match fixed {
        Some(fixed) => outside(census, fixed),
        None => unlearned(census),
    };
    let numeric = if fixed.is_none() { numeric(census) } else { None };
    variants(census)
        .into_iter()
        .chain(unknown)
        .chain(numeric)
        .chain(rare(census))
        .chain(imbalance(census))
        .collect()
}

/// Labels that are all bare numbers: what they mean is known to nobody who reads the prompt.
fn numeric(census: &Census) -> Option<Finding> {
    let labels: Vec<&str> = census.all().map(|(label, _)| label).collect();
    let number = |label: &&str| label.parse::<i64>().is_ok();
    if labels.is_empty() || !labels.iter().all(number) {
        return None;
    }
    let mut rows = Rows::default();
    for (label, counts) in census.all() {
        for (role, of_role) in Role::ALL.into_iter().zip(counts).filter(|(_, of_role)| of_role.rows > 0) {
            rows.add_many(role, of_role.rows, || place(role, label, *of_role));
        }
    }
    let named: Vec<String> = labels.iter().map(|label| shown(label)).collect();
    Some(Finding {
        severity: Severity::Warning,
        check: Check::NumericLabels,
        reason: format!("the labels are bare numbers: {}", listed(&named)),
        cure: format!(
            "give them names under `[data]`, as `label_names = {{ {} = \"…\" }}`; an untuned model cannot know what a number \
             means",
            labels[0]
        ),
        rows,
    })
}

/// Labels that fold alike: no answer could tell them apart, but letter for letter.
fn variants(census: &Census) -> Option<Finding> {
    let mut folded = BTreeMap::<String, Vec<&str>>::new();
    for (label, _) in census.all() {
        folded.entry(fold(label)).or_default().push(label);
    }
    let groups: Vec<Vec<&str>> = folded.into_values().filter(|names| names.len() > 1).collect();
    let mut rows = Rows::default();
    for (label, counts) in census.all().filter(|(label, _)| groups.iter().any(|group| group.contains(label)))
    {
        for (role, of_role) in Role::ALL.into_iter().zip(counts).filter(|(_, of_role)| of_role.rows > 0) {
            rows.add_many(role, of_role.rows, || place(role, label, *of_role));
        }
    }
    let named: Vec<_> = groups
        .iter()
        .map(|group| group.iter().map(|label| shown(label)).collect::<Vec<_>>().join(" and "))
        .collect();
    (!groups.is_empty()).then(|| Finding {
        severity: Severity::Error,
        check: Check::LabelVariants,
        reason: format!("labels differ only by case, white space or Unicode form: {}", listed(&named)),
        cure: "write each label in one way; `--fix` takes the most frequent".into(),
        rows,
    })
}

/// Labels of the test and validation files that the training file does not have.
fn unlearned(census: &Census) -> Option<Finding> {
    if census.rows(Role::Train) == 0 {
        return None;
    }
    let learned: BTreeSet<&str> = census.labels(Role::Train).map(|(label, _)| label).collect();
    unknown(census, &[Role::Validation, Role::Test], |label| learned.contains(label)).map(|(names, rows)| {
        Finding {
            severity: Severity::Error,
            check: Check::UnknownLabels,
            reason: format!("the training data does not have {}", listed(&names)),
            cure: "add training rows with these labels, take out the rows that have them, or set `labels`"
                .into(),
            rows,
        }
    })
}

/// Labels that are not among those that the user has set.
fn outside(census: &Census, fixed: &LabelSet) -> Option<Finding> {
    unknown(census, &Role::ALL, |label| fixed.get(label).is_some()).map(|(names, rows)| Finding {
        severity: Severity::Error,
        check: Check::UnknownLabels,
        reason: format!("`labels` does not have {}", listed(&names)),
        cure: "add them to `labels` in the configuration, or correct the rows".into(),
        rows,
    })
}

fn unknown(census: &Census, roles: &[Role], is_known: impl Fn(&str) -> bool) -> Option<(Vec<String>, Rows)> {
    let (mut names, mut rows) = (BTreeSet::new(), Rows::default());
    for &role in roles {
        for (label, of_role) in census.labels(role).filter(|(label, _)| !is_known(label)) {
            names.insert(shown(label));
            rows.add_many(role, of_role.rows, || place(role, label, of_role));
        }
    }
    (!rows.is_empty()).then(|| (names.into_iter().collect(), rows))
}

/// Labels with few training rows, and such with few or no test rows.
fn rare(census: &Census) -> Vec<Finding> {
    let few = |role: Role| {
        let all = census.all().map(move |(label, counts)| (label, counts[role as usize]));
        let mut rows = Rows::default();
        let mut labels = 0;
        // A label that training does not have at all is another finding.
        let fewest = if role == Role::Train { 1 } else { 0 };
        for (label, count) in all.filter(|(_, count)| (fewest..FEW).contains(&count.rows)) {
            labels += 1;
            rows.add_many(role, count.rows, || place(role, label, count));
        }
        let are = if labels == 1 { "is" } else { "are" };
        let reason =
            format!("there {are} {} with fewer than {FEW} {} rows", count(labels, "label"), role.word());
        (labels > 0 && census.rows(role) > 0).then_some((reason, rows))
    };
    let train = few(Role::Train).map(|(reason, rows)| Finding {
        severity: Severity::Warning,
        check: Check::RareLabels,
        reason,
        cure: "add rows, or join the label with another: a model learns little from so few".into(),
        rows,
    });
    let test = few(Role::Test).map(|(reason, rows)| Finding {
        severity: Severity::Note,
        check: Check::RareLabels,
        reason,
        cure: "add test rows: the scores of such a label say little, and macro-averages hang on them".into(),
        rows,
    });
    train.into_iter().chain(test).collect()
}

fn imbalance(census: &Census) -> Option<Finding> {
    let most = census.labels(Role::Train).max_by_key(|(_, count)| count.rows)?;
    let least = census.labels(Role::Train).min_by_key(|(_, count)| count.rows)?;
    let times = most.1.rows / least.1.rows.max(1);
    let mut rows = Rows::default();
    for (label, count) in [most, least] {
        rows.add_many(Role::Train, count.rows, || place(Role::Train, label, count));
    }
    (times >= IMBALANCE).then(|| Finding {
        severity: Severity::Note,
        check: Check::Imbalance,
        reason: format!("{} has {times} times the training rows of {}", shown(most.0), shown(least.0)),
        cure: "add rows of the rare labels if they matter as much, and look at macro-F1 rather than accuracy"
            .into(),
        rows,
    })
}

/// The first row of a label, with the label and how many rows it has.
fn place(role: Role, label: &str, of_label: Count) -> Place {
    Place::bare(role, of_label.line).detail(format!("{}, {}", shown(label), count(of_label.rows, "row")))
}

fn shown(label: &str) -> String {
    format!("`{}`", super::finding::excerpt(label))
}

/// The first names, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
