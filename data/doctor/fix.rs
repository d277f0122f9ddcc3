//! Cleaned copies of the files, and what was done to them.
//!
//! Done is what needs no judgement: hidden characters go, labels that differ only by case, white space or Unicode form
//! become one, and from the training data go rows that can't be read, rows that stand in the test or validation data
//! too (letter for letter or in their normal form), texts that have several labels, and repetitions. From validation and
//! test data nothing is removed: a test that its own tool has made easier is none. Near duplicates, personal data and
//! the rest are left to people.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;

use super::characters::is_hidden;
use super::{Check, Files, Role};
use crate::answer::fold;
use crate::copies::{Copies, Edit};
use crate::similar::normal_form;
use crate::{DataError, LabelSet, Reason, Row, Source, encoding, several};

/// How much of a file tells its encoding.
const LOOKED_AT: u64 = 4 << 20;

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
    /// Whether hidden characters go.
    stripped: bool,
    label: Option<String>,
}

/// What is to be done to the files.
#[derive(Debug)]
pub struct FixOptions {
    /// All changes, file by file, in the order of the rows.
    pub changes: Vec<Change>,
    fates: [HashMap<u64, Fate>; 3],
}

impl FixOptions {
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
                treatment.thin(&rows, &elsewhere, files.labels);
            } else {
                for row in rows {
                    elsewhere.entry(normal_form(&row.text)).or_insert((role, row.line));
                }
            }
        }
        if let Some(source) = files.get(Role::Train) {
            treatment.leaves_something(source)?;
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
        let (mut broken, mut undecodable) = (Vec::new(), Vec::new());
        let mut reasons = BTreeMap::<String, u64>::new();
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
            Err(fault) if fault.reason == Reason::Bytes => undecodable.push(fault.line),
            Err(fault) if role == Role::Train => {
                *reasons.entry(fault.reason.to_string()).or_default() += 1;
                let check = match fault.reason {
                    Reason::SeveralLabels(_) => Check::SeveralLabels,
                    _ => Check::BadRows,
                };
                self.remove(fault.line, check, fault.reason.to_string());
            }
            Err(_) => {}
        })?;
        let path = source.path.clone();
        if !broken.is_empty() {
            return Err(DataError::Rows { path, faults: broken });
        }
        // Rows in another encoding are no bad rows.
        if let Some(&line) = undecodable.first() {
            let suspected = suspected_encoding(&path)?;
            return Err(DataError::Encoding { path, line, rows: undecodable.len(), suspected });
        }
        match reasons.into_iter().max_by_key(|(_, rows)| *rows) {
            Some((reason, _)) if rows.is_empty() => Err(DataError::NothingLeft { path, reason }),
            _ => Ok(rows),
        }
    }

    fn strip(&mut self, role: Role, row: &mut Row) {
        if !row.text.contains(is_hidden) {
            return;
        }
        let seen = without_hidden(&row.text);
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
        self.fate(role, row.line).stripped = true;
        row.text = seen;
    }

    /// Removes what must not, or need not, be learned.
    fn thin(&mut self, rows: &[Row], elsewhere: &HashMap<String, (Role, u64)>, fixed: Option<&LabelSet>) {
        let names: HashSet<&str> = rows.iter().map(|row| row.label.as_str()).collect();
        let mut labels = HashMap::<&str, HashSet<&str>>::new();
        for row in rows {
            labels.entry(&row.text).or_default().insert(&row.label);
        }
        let mut first = HashMap::<&str, u64>::new();
        for row in rows {
            let combined = || several::parts(&row.label, |part| names.contains(part));
            if let Some(parts) =
                combined().filter(|_| fixed.is_none_or(|fixed| fixed.get(&row.label).is_none()))
            {
                self.remove(row.line, Check::SeveralLabels, Reason::SeveralLabels(parts).to_string());
            } else if let Some((role, line)) = elsewhere.get(&normal_form(&row.text)) {
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

    /// An error where all rows of the training data would be removed.
    fn leaves_something(&self, source: &Source) -> Result<(), DataError> {
        let mut left = false;
        source.each_row(|row| {
            let line = row.map_or_else(|fault| fault.line, |row| row.line);
            left |= self.fates[Role::Train as usize].get(&line).is_none_or(|fate| !fate.removed);
        })?;
        let path = source.path.clone();
        match self.changes.iter().find(|change| change.action == Action::Removed) {
            Some(change) if !left => Err(DataError::NothingLeft { path, reason: change.reason.clone() }),
            _ => Ok(()),
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
        let mut copies = Copies::open(source).map_err(io::Error::other)?;
        let fates = &self.fates[role as usize];
        copies.begin(out)?;
        let mut first = true;
        while let Some(line) = copies.next().map_err(io::Error::other)? {
            let fate = fates.get(&line);
            if fate.is_some_and(|fate| fate.removed) {
                continue;
            }
            let edit = fate.map(|fate| Edit {
                text: fate.stripped.then_some(&without_hidden as &dyn Fn(&str) -> String),
                label: fate.label.as_deref(),
            });
            copies.write(edit.as_ref(), std::mem::take(&mut first), out)?;
        }
        copies.end(out)
    }
}

/// The encoding that a file seems to be in.
fn suspected_encoding(path: &Path) -> Result<Option<&'static str>, DataError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(DataError::io(path))?;
    file.take(LOOKED_AT).read_to_end(&mut head).map_err(DataError::io(path))?;
    Ok(encoding::suspect(&head))
}

/// A text without the characters that nobody sees.
fn without_hidden(text: &str) -> String {
    text.chars().filter(|&c| !is_hidden(c)).collect()
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
