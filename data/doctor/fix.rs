//! Cleaned copies of the files, and what was done to them.
//!
//! Done is what needs no judgement: hidden characters go, labels that differ only by case, white space or Unicode form
//! become one, and from the training data go rows that can't be read, rows that stand in the test or validation data
//! too (letter for letter or in their normal form), texts that have several labels, and repetitions. From validation and
//! test data nothing is removed: a test that its own tool has made easier is none. Near duplicates, personal data and
//! the rest are left to people.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use super::characters::is_hidden;
use super::{Check, Files, Role};
use crate::answer::fold;
use crate::records::Records;
use crate::similar::normal_form;
use crate::{DataError, Row, Source};

/// What was done to a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The file.
    pub file: Role,
    /// Where the row begins in the original, from 1.
    pub line: u64,
    /// Whether it is gone or only changed.
    pub action: Action,
    /// The finding that this cures.
    pub check: Check,
    /// Why, and what it was.
    pub reason: String,
}

/// What can be done to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is not in the copy.
    Removed,
    /// It has another text or label there.
    Changed,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

/// A row as it is to be.
#[derive(Debug, Default)]
struct Fate {
    removed: bool,
    text: Option<String>,
    label: Option<String>,
}

/// What is to be done to the files.
#[derive(Debug)]
pub struct Treatment {
    /// All changes, file by file, in the order of the rows.
    pub changes: Vec<Change>,
    fates: [HashMap<u64, Fate>; 3],
}

impl Treatment {
    /// Reads the files and decides on their rows; writes nothing.
    ///
    /// A file in which rows run together because of a broken quote is an error: what belongs to which row is not known.
    pub fn new(files: &Files<'_>) -> Result<Self, DataError> {
        let mut treatment = Self { changes: Vec::new(), fates: Default::default() };
        let spelling = spellings(files)?;
        let mut elsewhere = HashMap::<String, (Role, u64)>::new();
        // Training data last: it is measured against the others.
        for role in [Role::Test, Role::Validation, Role::Train] {
            let Some(source) = files.get(role) else { continue };
            let rows = treatment.clean(role, source, &spelling)?;
            if role == Role::Train {
                treatment.thin(&rows, &elsewhere);
            } else {
                for row in rows {
                    elsewhere.entry(normal_form(&row.text)).or_insert((role, row.line));
                }
            }
        }
        let Self { mut changes, fates } = treatment;
        // What else was done to a row that is gone is of no interest.
        let removed = |change: &Change| fates[change.file as usize][&change.line].removed;
        changes.retain(|change| change.action == Action::Removed || !removed(change));
        changes.sort_by_key(|change| (change.file, change.line));
        Ok(Self { changes, fates })
    }

    /// Takes hidden characters out of texts, and gives labels their usual spelling. Returns the readable rows.
    fn clean(
        &mut self,
        role: Role,
        source: &Source,
        spelling: &HashMap<String, String>,
    ) -> Result<Vec<Row>, DataError> {
        let mut rows = Vec::new();
        let mut broken = Vec::new();
        source.each_row(|row| match row {
            Ok(mut row) => {
                self.strip(role, &mut row);
                if let Some(usual) = spelling.get(&row.label) {
                    self.change(
                        role,
                        row.line,
                        Check::LabelVariants,
                        format!("the label `{}` became `{usual}`", row.label),
                    );
                    self.fate(role, row.line).label = Some(usual.clone());
                    row.label.clone_from(usual);
                }
                rows.push(row);
            }
            Err(fault) if fault.reason.swallowed().is_some() => broken.push(fault),
            Err(fault) if role == Role::Train => {
                self.remove(fault.line, Check::BadRows, fault.reason.to_string());
            }
            Err(_) => {}
        })?;
        if broken.is_empty() {
            Ok(rows)
        } else {
            Err(DataError::Rows { path: source.path.clone(), faults: broken })
        }
    }

    fn strip(&mut self, role: Role, row: &mut Row) {
        if !row.text.contains(is_hidden) {
            return;
        }
        let seen: String = row.text.chars().filter(|&c| !is_hidden(c)).collect();
        // Where nothing would be left, there was no text; that is for people to see.
        if seen.trim().is_empty() {
            return;
        }
        let hidden = row.text.chars().filter(|&c| is_hidden(c)).count();
        self.change(
            role,
            row.line,
            Check::HiddenCharacters,
            format!("{} taken out", super::finding::count(hidden as u64, "hidden character")),
        );
        self.fate(role, row.line).text = Some(seen.clone());
        row.text = seen;
    }

    /// Removes what must not, or need not, be learned.
    fn thin(&mut self, rows: &[Row], elsewhere: &HashMap<String, (Role, u64)>) {
        let mut labels = HashMap::<&str, HashSet<&str>>::new();
        for row in rows {
            labels.entry(&row.text).or_default().insert(&row.label);
        }
        let mut first = HashMap::<&str, u64>::new();
        for row in rows {
            if let Some((role, line)) = elsewhere.get(&normal_form(&row.text)) {
                self.remove(row.line, Check::Leaks, format!("the same text is in line {line} of {role}"));
            } else if labels[row.text.as_str()].len() > 1 {
                self.remove(
                    row.line,
                    Check::ConflictingLabels,
                    format!("the same text has {} labels", labels[row.text.as_str()].len()),
                );
            } else if let Some(line) = first.get(row.text.as_str()) {
                self.remove(
                    row.line,
                    Check::Duplicates,
                    format!("the same text with the same label is in line {line}"),
                );
            } else {
                first.insert(&row.text, row.line);
            }
        }
    }

    fn change(&mut self, file: Role, line: u64, check: Check, reason: String) {
        self.changes.push(Change { file, line, action: Action::Changed, check, reason });
    }

    fn remove(&mut self, line: u64, check: Check, reason: String) {
        self.fate(Role::Train, line).removed = true;
        self.changes.push(Change { file: Role::Train, line, action: Action::Removed, check, reason });
    }

    fn fate(&mut self, role: Role, line: u64) -> &mut Fate {
        self.fates[role as usize].entry(line).or_default()
    }

    /// Writes the cleaned copy of a file; rows to which nothing was done keep their bytes.
    pub fn write(&self, role: Role, source: &Source, out: &mut dyn Write) -> io::Result<()> {
        let (layout, mut records) = Records::open(source).map_err(io::Error::other)?;
        let fates = &self.fates[role as usize];
        out.write_all(layout.head())?;
        while let Some(record) = records.next().map_err(io::Error::other)? {
            match fates.get(&record.line) {
                None => out.write_all(&layout.ended(&record.bytes))?,
                Some(fate) if fate.removed => {}
                Some(Fate { text, label, .. }) => {
                    let edited = layout.edited(&record.bytes, text.as_deref(), label.as_deref());
                    out.write_all(&layout.ended(&edited))?;
                }
            }
        }
        Ok(())
    }
}

/// The usual spelling of each label that has another one: that of the configuration, else the most frequent in the
/// training data, and of equals the first in byte order.
fn spellings(files: &Files<'_>) -> Result<HashMap<String, String>, DataError> {
    let mut counts = BTreeMap::<String, u64>::new();
    for role in Role::ALL {
        let Some(source) = files.get(role) else { continue };
        source.each_row(|row| {
            let Ok(row) = row else { return };
            // A spelling of the training data goes before all others.
            *counts.entry(row.label).or_default() += if role == Role::Train { 1 << 32 } else { 1 };
        })?;
    }
    let mut usual = HashMap::<String, (&str, u64)>::new();
    for (label, &count) in &counts {
        let fixed = files.labels.is_some_and(|labels| labels.get(label).is_some());
        let weight = if fixed { u64::MAX } else { count };
        let best = usual.entry(fold(label)).or_insert((label, weight));
        if weight > best.1 {
            *best = (label, weight);
        }
    }
    let variants = counts.keys().filter_map(|label| {
        let (usual, _) = usual[&fold(label)];
        (usual != label).then(|| (label.clone(), usual.to_owned()))
    });
    // Labels that the configuration has set are meant to be told apart.
    Ok(variants.filter(|(label, _)| files.labels.is_none_or(|labels| labels.get(label).is_none())).collect())
}
