//! What the doctor finds, and what to do about it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Which of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What models are tuned on.
    Train,
    /// What a provider may measure the loss on.
    Validation,
    /// What models are measured on.
    Test,
}

impl Role {
    /// All, in the order in which they are read.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// What its rows and its data are called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// How bad it is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A result would mean nothing, or there would be none.
    Error,
    /// A result may be wrong, or something may be sent that should not be.
    Warning,
    /// Good to know.
    Note,
}

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Check {
    /// Files without a row that can be used.
    EmptyFiles,
    /// Rows that a quote in the wrong place has run together.
    BrokenQuotes,
    /// Rows that can't be read, or hold no text or no label.
    BadRows,
    /// Rows with several labels in one cell.
    SeveralLabels,
    /// Labels outside the label set.
    UnknownLabels,
    /// Labels that differ only by case, white space or Unicode form.
    LabelVariants,
    /// What a provider would refuse, or cut off.
    ProviderLimits,
    /// Test rows that stand in the training data, too.
    Leaks,
    /// Test rows that nearly stand in the training data.
    NearLeaks,
    /// Rows that say the same as training rows in other words.
    LeaksInMeaning,
    /// Groups with rows in the training data and in another file.
    SharedGroups,
    /// The same text with different labels.
    ConflictingLabels,
    /// Rows whose label is likely wrong.
    LabelErrors,
    /// Rows that stand twice.
    Duplicates,
    /// Rows that nearly stand twice.
    NearDuplicates,
    /// Training rows that say the same in other words.
    DuplicatesInMeaning,
    /// Labels that are bare numbers.
    NumericLabels,
    /// Rows that an annotator has rejected.
    RejectedRows,
    /// Labels with few rows.
    RareLabels,
    /// Labels with far more rows than others.
    Imbalance,
    /// Rows in the order of their labels.
    SortedRows,
    /// Texts without words.
    NoWords,
    /// Texts that are very long.
    LongTexts,
    /// Control characters and others that no reader sees.
    HiddenCharacters,
    /// Characters that were lost or garbled on the way.
    GarbledCharacters,
    /// Texts with tokens that models take for commands.
    SpecialTokens,
    /// Texts with the tags of the prompt.
    PromptTags,
    /// What may be personal data.
    PersonalData,
    /// What may be a password or key.
    Secrets,
    /// Files in different scripts.
    Scripts,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Serde writes a unit variant by its name.
        self.serialize(f)
    }
}

/// One kind of thing that was found, with the rows where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Its kind.
    pub check: Check,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub cure: String,
    /// Where.
    pub rows: Rows,
}

/// The rows of a finding: how many there are, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// How many.
    pub total: u64,
    /// How many in each file that has any.
    pub files: BTreeMap<Role, u64>,
    /// The first ones, at most [`Rows::LISTED`].
    pub listed: Vec<Place>,
    /// How many are in none of those places.
    pub not_listed: u64,
}

impl Rows {
    /// How many places of a finding are listed: more than anyone reads, and little enough to keep in memory.
    pub const LISTED: usize = 1000;

    /// Counts a row, and lists it if there is room.
    pub(crate) fn add(&mut self, file: Role, place: impl FnOnce() -> Place) {
        self.add_many(file, 1, place);
    }

    /// Counts several rows that are listed as one.
    pub(crate) fn add_many(&mut self, file: Role, rows: u64, place: impl FnOnce() -> Place) {
        self.total += rows;
        *self.files.entry(file).or_default() += rows;
        if self.listed.len() < Self::LISTED {
            self.listed.push(place());
        } else {
            self.not_listed += rows;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

/// A row, and what is to be seen there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file.
    pub file: Role,
    /// The line in which the row begins, from 1; 0 where there is no such row.
    pub line: u64,
    /// The beginning of the text, safe to be printed; nothing where the text should not be shown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What is wrong with this row in particular.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Characters of a text that are shown.
const SHOWN: usize = 70;

impl Place {
    /// A row with its text.
    pub(crate) fn new(file: Role, line: u64, text: &str) -> Self {
        Self { file, line, text: excerpt(text), detail: String::new() }
    }

    /// A row whose text is not shown.
    pub(crate) fn bare(file: Role, line: u64) -> Self {
        Self { file, line, text: String::new(), detail: String::new() }
    }

    /// The same, with what is wrong there.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// The beginning of a text; what can't be seen, or could do something to a terminal, is escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.trim().chars();
    for c in rest.by_ref().take(SHOWN) {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

/// `1 row`, `2 rows`.
pub(crate) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A count with the verb that goes with it: `1 row stands`, `2 rows stand`.
pub(crate) fn agree(n: u64, what: &str, one: &str, many: &str) -> String {
    format!("{} {}", count(n, what), if n == 1 { one } else { many })
}

/// So many percent of all.
pub(crate) fn percent(part: u64, all: u64) -> String {
    crate::percent(part as f64 / all.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_does_nothing() {
        assert_eq!(
            excerpt(" it's \"so\"\n\u{1b}[31m\u{202e} \u{e9} "),
            "it's \"so\"\\n\\u{1b}[31m\\u{202e} \u{e9}"
        );
        assert_eq!(excerpt(&"x".repeat(100)), "x".repeat(70) + "…");
    }

    #[test]
    fn kinds_are_named_in_words() {
        assert_eq!(Check::NearLeaks.to_string(), "near-leaks");
    }
}
