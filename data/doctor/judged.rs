//! The rows of all files, for a classifier to judge their labels, and what came of it.

use std::collections::{BTreeMap, HashMap};

use super::Files;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, count, excerpt, percent};
use super::label_errors::{Judgement, Probabilities, Prune, judge};
use super::labels::FEW;
use crate::answer::fold;
use crate::split::folds;
use crate::{DataError, LabelId, LabelSet, Row};

/// Folds of the cross-validation.
const FOLDS: usize = 5;
/// The folds depend on the rows alone.
const SEED: u64 = 0;

/// Rows that can be judged, with folds for cross-validation.
///
/// Labels with fewer than ten rows, or with no row in some fold, take no part: too little is known of them.
#[derive(Debug, Clone)]
pub struct LabelledRows {
    rows: Vec<(Role, Row)>,
    labels: Vec<LabelId>,
    folds: Vec<usize>,
    set: LabelSet,
}

impl LabelledRows {
    /// Reads all files, leaving out bad rows. None if there are no two labels to tell apart.
    pub fn read(files: &Files<'_>) -> Result<Option<Self>, DataError> {
        let (mut roles, mut rows) = (Vec::new(), Vec::new());
        for role in Role::ALL {
            let Some(source) = files.get(role) else { continue };
            source.each_row(|row| {
                if let Ok(row) = row {
                    roles.push(role);
                    rows.push(row);
                }
            })?;
        }
        let folds = folds(&rows, FOLDS, SEED);
        let label_of = known(&rows, &folds);
        let mut names: Vec<String> = label_of.values().cloned().collect();
        names.sort_unstable();
        names.dedup();
        if names.len() < 2 {
            return Ok(None);
        }
        let set = LabelSet::new(names).expect("labels of rows are sound, and each is there once");
        let mut kept = Self { rows: Vec::new(), labels: Vec::new(), folds: Vec::new(), set };
        for ((role, row), fold) in roles.into_iter().zip(rows).zip(folds) {
            if let Some(label) = label_of.get(&row.label).and_then(|name| kept.set.get(name)) {
                kept.rows.push((role, row));
                kept.labels.push(label);
                kept.folds.push(fold);
            }
        }
        Ok(Some(kept))
    }

    /// The texts.
    pub fn texts(&self) -> Vec<&str> {
        self.rows.iter().map(|(_, row)| row.text.as_str()).collect()
    }

    /// The label of each text.
    pub fn labels(&self) -> &[LabelId] {
        &self.labels
    }

    /// The fold of each text, from 0: near duplicates and rows of a group are in the same one.
    pub fn folds(&self) -> &[usize] {
        &self.folds
    }

    /// What the labels are of.
    pub fn label_set(&self) -> &LabelSet {
        &self.set
    }

    /// Judges the rows by their out-of-fold probabilities, an n × k matrix row by row.
    ///
    /// Errors are those that both ways of pruning find. On data with planted errors that gave the most true ones among
    /// those found, at a small price in how many are found.
    ///
    /// # Panics
    /// If the matrix has another shape.
    pub fn judge(self, probabilities: &[f32]) -> JudgedRows {
        let probabilities = Probabilities::new(probabilities, self.set.len());
        let judgements = judge(&self.labels, probabilities, Prune::Both);
        JudgedRows { rows: self.rows, set: self.set, judgements }
    }
}

/// The name of each label that takes part; labels that fold alike have the same one.
fn known(rows: &[Row], folds: &[usize]) -> HashMap<String, String> {
    let mut labels = BTreeMap::<&str, [u64; FOLDS]>::new();
    for (row, &fold) in rows.iter().zip(folds) {
        labels.entry(&row.label).or_default()[fold] += 1;
    }
    let mut alike = BTreeMap::<String, Vec<(&str, [u64; FOLDS])>>::new();
    for (label, counts) in labels {
        alike.entry(fold(label)).or_default().push((label, counts));
    }
    let mut known = HashMap::new();
    for variants in alike.into_values() {
        let of_fold = |fold: usize| variants.iter().map(|(_, counts)| counts[fold]).sum::<u64>();
        if (0..FOLDS).all(|fold| of_fold(fold) > 0) && (0..FOLDS).map(of_fold).sum::<u64>() >= FEW {
            let often = variants.iter().max_by_key(|(_, counts)| counts.iter().sum::<u64>());
            let name = often.map_or("", |(name, _)| name);
            known.extend(variants.iter().map(|(label, _)| ((*label).to_owned(), name.to_owned())));
        }
    }
    known
}

/// Rows whose labels were judged.
#[derive(Debug, Clone)]
pub struct JudgedRows {
    rows: Vec<(Role, Row)>,
    set: LabelSet,
    judgements: Vec<Judgement>,
}

/// A row whose label was judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgedRow<'a> {
    /// The file it is in.
    pub file: Role,
    /// The row.
    pub row: &'a Row,
    /// The label that is likeliest.
    pub suggested: &'a str,
    /// What is thought of its label.
    pub judgement: Judgement,
}

impl JudgedRow<'_> {
    /// `says A, reads like B (0.93)`, with the probability of the other label.
    fn detail(&self) -> String {
        let (says, like) = (excerpt(&self.row.label), excerpt(self.suggested));
        format!("says `{says}`, reads like `{like}` ({:.2})", self.judgement.probability)
    }
}

impl JudgedRows {
    /// All rows, the likely errors first, and each part by self-confidence.
    pub fn all(&self) -> impl ExactSizeIterator<Item = JudgedRow<'_>> {
        self.judgements.iter().map(|&judgement| {
            let (file, row) = &self.rows[judgement.row];
            JudgedRow { file: *file, row, suggested: self.set.name(judgement.suggested), judgement }
        })
    }

    /// The likely errors, the surest first.
    pub fn likely_errors(&self) -> impl Iterator<Item = JudgedRow<'_>> {
        self.all().take_while(|row| row.judgement.likely_error)
    }

    /// The finding that tells of them.
    pub fn finding(&self) -> Option<Finding> {
        let mut rows = Rows::default();
        for judged in self.likely_errors() {
            let JudgedRow { file, row, .. } = judged;
            rows.add(file, || Place::new(file, row.line, &row.text).detail(judged.detail()));
        }
        (!rows.is_empty()).then(|| Finding {
            severity: Severity::Warning,
            check: Check::LabelErrors,
            reason: format!(
                "{} of {} {} likely labelled wrong ({})",
                rows.total,
                count(self.rows.len() as u64, "row"),
                if rows.total == 1 { "is" } else { "are" },
                percent(rows.total, self.rows.len() as u64)
            ),
            cure:
                "read them, and correct those that are wrong; `--label-errors FILE` lists all, and `--fix` \
                   changes no label on such a guess"
                    .into(),
            rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{PromptTemplate, Source};

    /// The texts of two files, each row with its label.
    fn read(train: &str, test: &str) -> Option<LabelledRows> {
        let file = |rows: &str| {
            let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
            write!(file, "text,label\n{rows}").unwrap();
            file
        };
        let (train, test) = (file(train), file(test));
        let (train, test) = (Source::new(train.path()), Source::new(test.path()));
        let template = PromptTemplate::default();
        let (train, test) = (Some(&train), Some(&test));
        let files = Files { train, validation: None, test, labels: None, template: &template };
        LabelledRows::read(&files).unwrap()
    }

    fn fine(rows: usize, label: &str) -> String {
        let word = |i: usize| format!("{:x}", xxhash_rust::xxh3::xxh3_64(format!("{label}{i}").as_bytes()));
        (0..rows).map(|i| format!("{} {},{label}\n", word(i), word(1000 + i))).collect()
    }

    #[test]
    fn labels_of_which_little_is_known_take_no_part() {
        let rows = [fine(20, "a"), fine(20, "b"), fine(9, "rare"), "so so,c\n".repeat(20)].concat();
        let read = read(&rows, &format!("{}bad\n", fine(3, "A"))).unwrap();
        // Twenty times the same text are in one fold; another case is the same label.
        assert_eq!(read.label_set().names(), ["a", "b"]);
        assert_eq!((read.texts().len(), read.labels().len(), read.folds().len()), (43, 43, 43));
        assert_eq!(read.rows[42].0, Role::Test);
        assert_eq!(read.labels()[42], LabelId(0));
    }

    #[test]
    fn nothing_is_judged_where_nothing_can_be_told_apart() {
        assert!(read(&fine(40, "a"), &fine(9, "b")).is_none());
        assert!(read("", "").is_none());
    }

    #[test]
    fn a_finding_says_what_the_row_reads_like() {
        let read = read(&format!("{}{}", fine(20, "a"), fine(20, "b")), "").unwrap();
        // Each row is sure of its label but the first, which is sure of the other.
        let sure = |(row, label): (usize, &LabelId)| match (row, label) {
            (0, _) => [0.125, 0.875],
            (_, LabelId(0)) => [0.8, 0.2],
            _ => [0.2, 0.8],
        };
        let matrix: Vec<f32> = read.labels().iter().enumerate().flat_map(sure).collect();
        let finding = read.judge(&matrix).finding().unwrap();
        assert_eq!(finding.reason, "1 of 40 rows is likely labelled wrong (2.5 %)");
        let place = &finding.rows.listed[0];
        assert_eq!((place.line, place.detail.as_str()), (2, "says `a`, reads like `b` (0.88)"));
    }
}
