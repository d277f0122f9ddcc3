//! Rows that say the same in other words, by the vectors of an encoder.
//!
//! Training rows are held against those before them, the rows of the other files against all training rows. What is nearly the
//! same by its words is told of without an encoder, and not again.

use super::Files;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, agree, excerpt, percent};
use crate::similar::{THRESHOLD, similarity};
use crate::{DataError, Row};

/// From this cosine on two texts are always said to mean the same: of general encoders for short texts few pairs above it are
/// about different things.
const SAME: f32 = 0.95;
/// Below this they never are.
const LEAST: f32 = 0.80;
/// Between both, they are if they are so much nearer than a training row and its nearest usually are: where all texts are
/// about few things, other words for one are as near as what else there is to say.
const NEARER: f32 = 0.25;

/// The rows of all files, those of the training data first.
#[derive(Debug, Clone)]
pub struct RowsInMeaning {
    rows: Vec<(Role, Row)>,
    train: usize,
}

impl RowsInMeaning {
    /// Reads all files, leaving out bad rows.
    pub fn read(files: &Files<'_>) -> Result<Self, DataError> {
        let mut rows = Vec::new();
        let mut train = 0;
        for role in Role::ALL {
            let Some(source) = files.get(role) else { continue };
            source.each_row(|row| rows.extend(row.ok().map(|row| (role, row))))?;
            if role == Role::Train {
                train = rows.len();
            }
        }
        Ok(Self { rows, train })
    }

    /// The texts.
    pub fn texts(&self) -> Vec<&str> {
        self.rows.iter().map(|(_, row)| row.text.as_str()).collect()
    }

    /// How many of the first texts a text is held against.
    pub fn held_against(&self, row: usize) -> usize {
        row.min(self.train)
    }

    /// From which cosine on two texts are said to mean the same. Given is for each text the nearest with its cosine.
    pub fn threshold(&self, nearest: &[Option<(usize, f32)>]) -> f32 {
        let mut cosines: Vec<f32> = nearest.iter().take(self.train).flatten().map(|found| found.1).collect();
        cosines.sort_unstable_by(f32::total_cmp);
        cosines.get(cosines.len() / 2).map_or(SAME, |usual| (usual + NEARER).clamp(LEAST, SAME))
    }

    /// What to say, given for each text the nearest of those that it is held against and their cosine.
    ///
    /// # Panics
    /// If there are not as many as texts.
    pub fn findings(&self, nearest: &[Option<(usize, f32)>]) -> Vec<Finding> {
        assert_eq!(nearest.len(), self.rows.len(), "one for each text");
        let threshold = self.threshold(nearest);
        let (mut repeated, mut leaked) =
            (Rows::default(), [Rows::default(), Rows::default(), Rows::default()]);
        for ((role, row), found) in self.rows.iter().zip(nearest) {
            let Some((other, cosine)) = found.filter(|(_, cosine)| *cosine >= threshold) else { continue };
            let (_, other) = &self.rows[other];
            if similarity(&row.text, &other.text) >= THRESHOLD {
                continue;
            }
            let label = if row.label == other.label { "" } else { ", which has another label" };
            let detail =
                || format!("like line {}{label} ({cosine:.2}): {}", other.line, excerpt(&other.text));
            let place = || Place::new(*role, row.line, &row.text).detail(detail());
            match role {
                Role::Train => repeated.add(*role, place),
                _ => leaked[*role as usize].add(*role, place),
            }
        }
        let leaks = Role::ALL.into_iter().zip(leaked).filter_map(|(role, rows)| self.leaks(role, rows));
        duplicates(repeated).into_iter().chain(leaks).collect()
    }

    fn leaks(&self, role: Role, rows: Rows) -> Option<Finding> {
        let all = self.rows.iter().filter(|(other, _)| *other == role).count() as u64;
        (!rows.is_empty()).then(|| Finding {
            severity: Severity::Note,
            check: Check::LeaksInMeaning,
            reason: format!(
                "{} of {all} {} rows ({}) {} the same as a row of the training data in other words",
                rows.total,
                role.word(),
                percent(rows.total, all),
                if rows.total == 1 { "says" } else { "say" }
            ),
            cure: "if they are the same case twice, take them out of one of the files".to_owned(),
            rows,
        })
    }
}

fn duplicates(rows: Rows) -> Option<Finding> {
    (!rows.is_empty()).then(|| Finding {
        severity: Severity::Note,
        check: Check::DuplicatesInMeaning,
        reason: format!(
            "{} the same as an earlier one in other words",
            agree(rows.total, "row", "says", "say")
        ),
        cure: "see whether one was made from the other: such rows teach little".to_owned(),
        rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PromptTemplate, Source};

    #[test]
    fn rows_are_told_of_that_say_the_same_in_other_words() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, rows: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("text\tlabel\n{rows}")).unwrap();
            Source::new(path)
        };
        let train =
            file("train.tsv", "where is my card\tcard\nmy card has not come yet\tcard\nsend me money\tpay\n");
        let test = file("test.tsv", "where is my card?\tcard\nthe card did not arrive\tpay\nhello\tcard\n");
        let template = PromptTemplate::default();
        let files = Files {
            train: Some(&train),
            validation: None,
            test: Some(&test),
            labels: None,
            template: &template,
        };
        let rows = RowsInMeaning::read(&files).unwrap();
        assert_eq!(rows.texts().len(), 6);
        assert_eq!((0..6).map(|row| rows.held_against(row)).collect::<Vec<_>>(), [0, 1, 2, 3, 3, 3]);
        let nearest =
            [None, Some((0, 0.96)), Some((1, 0.94)), Some((0, 0.99)), Some((1, 0.97)), Some((2, 0.1))];
        let found = rows.findings(&nearest);
        let told: Vec<_> = found.iter().map(|f| (f.check, f.rows.total, f.reason.as_str())).collect();
        // What is nearly the same by its words is told of elsewhere.
        assert_eq!(
            told,
            [
                (Check::DuplicatesInMeaning, 1, "1 row says the same as an earlier one in other words"),
                (
                    Check::LeaksInMeaning,
                    1,
                    "1 of 3 test rows (33.3 %) says the same as a row of the training data in other words"
                ),
            ]
        );
        assert!(found[1].rows.listed[0].detail.contains("another label"), "{:?}", found[1].rows.listed);

        // Where texts are usually far from each other, less is much.
        let far = [None, Some((0, 0.5)), Some((1, 0.58)), Some((0, 0.99)), Some((1, 0.84)), Some((2, 0.82))];
        assert!((rows.threshold(&far) - 0.83).abs() < 1e-6);
        let found = rows.findings(&far);
        assert_eq!(
            found.iter().map(|f| (f.check, f.rows.total)).collect::<Vec<_>>(),
            [(Check::LeaksInMeaning, 1)]
        );
        assert_eq!(rows.threshold(&[None; 6]), 0.95);
        assert_eq!(rows.threshold(&[Some((0, 0.1)); 6]), 0.80);
    }
}
