//! What the values of each column are like, over the first rows of a file: which columns can hold texts, and which labels.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::error::{DataError, Reason, RowError};
use crate::format::Format;
use crate::json::{self, Object};
use crate::table::{TableSource, View};

/// How many rows are looked at for the meaning of columns.
const ROWS: usize = 20_000;
/// More different values than this are no label set.
const LABELS: usize = 1000;
/// A longer name is no label.
const LABEL_CHARS: f64 = 60.0;

/// Usual names of text columns, the surest first.
pub(super) const TEXT_NAMES: [&str; 14] = [
    "text",
    "message",
    "utterance",
    "sentence",
    "content",
    "query",
    "question",
    "body",
    "comment",
    "review",
    "description",
    "input",
    "prompt",
    "title",
];
/// Usual names of label columns, the surest first.
pub(super) const LABEL_NAMES: [&str; 12] = [
    "label",
    "category",
    "class",
    "intent",
    "target",
    "topic",
    "tag",
    "sentiment",
    "labels",
    "output",
    "gold",
    "type",
];
/// Columns with few values that are no labels.
pub(super) const OTHER_NAMES: [&str; 6] = ["split", "lang", "language", "source", "date", "id"];

/// What the values of a column are like.
pub(super) struct Stats {
    pub(super) name: String,
    /// Values that are not blank.
    filled: usize,
    chars: usize,
    with_space: usize,
    numbers: usize,
    /// Different values, up to one more than a label set may have, and how many more of them were new then.
    pub(super) values: HashSet<String>,
    more: usize,
}

impl Stats {
    fn new(name: &str) -> Self {
        let (filled, chars, with_space, numbers, values, more) = Default::default();
        Self { name: name.to_owned(), filled, chars, with_space, numbers, values, more }
    }

    fn see(&mut self, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        self.filled += 1;
        self.chars += value.chars().count();
        self.with_space += usize::from(value.contains(char::is_whitespace));
        self.numbers += usize::from(value.parse::<f64>().is_ok());
        if self.values.len() <= LABELS {
            self.values.insert(value.to_owned());
        } else {
            self.more += usize::from(!self.values.contains(value));
        }
    }

    fn mean_chars(&self) -> f64 {
        self.chars as f64 / self.filled.max(1) as f64
    }

    /// How much like the column of the texts it is: long, different, in words.
    pub(super) fn as_text(&self, rows: usize) -> f64 {
        if self.filled * 2 < rows || self.numbers * 10 > self.filled * 9 {
            return 0.0;
        }
        let different = (self.values.len() + self.more) as f64 / self.filled.max(1) as f64;
        let words = 0.1 + self.with_space as f64 / self.filled.max(1) as f64;
        let named = if rank(&TEXT_NAMES, &self.name).is_some() { 4.0 } else { 1.0 };
        self.mean_chars() * different * words * named
    }

    /// Whether it has few short values that stand in many rows.
    pub(super) fn may_be_label(&self, rows: usize) -> bool {
        let different = self.values.len();
        (2..=LABELS).contains(&different)
            && self.filled * 10 >= rows * 9
            && different * 2 <= self.filled.max(4)
            && self.mean_chars() <= LABEL_CHARS
    }

    /// How much less like the column of the labels than others it is.
    pub(super) fn unlike_label(&self) -> (usize, bool, bool, usize) {
        let name = rank(&LABEL_NAMES, &self.name).unwrap_or(usize::MAX);
        let other = rank(&OTHER_NAMES, &self.name).is_some();
        (name, other, self.numbers == self.filled, self.values.len())
    }
}

pub(super) fn rank(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|known| name.eq_ignore_ascii_case(known))
}

pub(super) struct Census {
    pub(super) format: Format,
    pub(super) columns: Vec<Stats>,
    pub(super) rows: usize,
    pub(super) bad_rows: usize,
    /// The worst of them.
    pub(super) fault: Option<RowError>,
}

impl Census {
    fn see(&mut self, name: &str, value: &str) {
        let known = self.columns.iter().position(|column| column.name == name);
        let at = known.unwrap_or_else(|| {
            self.columns.push(Stats::new(name));
            self.columns.len() - 1
        });
        self.columns[at].see(value);
    }

    fn see_object(&mut self, object: &Object<'_>) {
        for (name, value) in object.iter() {
            self.see_value(name, value);
            // One level down, as far as there are names.
            for (inner, value) in Object::parse(value.get()).unwrap_or_default().iter() {
                self.see_value(&format!("{name}.{inner}"), value);
            }
        }
        // Where a tool that is known has them.
        for name in [json::TEXT, json::LABEL].into_iter().filter(|name| object.get(name).is_none()) {
            if let Ok(value) = json::locate(object, name) {
                self.see_value(name, value);
            }
        }
    }

    /// Sees a string, a number or a list of one; other lists and objects are neither texts nor labels.
    fn see_value(&mut self, name: &str, value: &RawValue) {
        if value.get() != "null"
            && let Ok(value) = json::from_value(name, value)
        {
            self.see(name, &value);
        }
    }
}

pub(super) fn census(source: &TableSource) -> Result<Census, DataError> {
    let mut table = source.open()?;
    let columns: Vec<Stats> = table.columns().iter().map(|name| Stats::new(name)).collect();
    let mut census = Census { format: table.format(), columns, rows: 0, bad_rows: 0, fault: None };
    while census.rows < ROWS {
        let Some((line, view)) = table.read()? else { break };
        match view {
            Ok(view) if view.is_rejected() => {}
            Ok(View::Fields(fields)) => {
                census.rows += 1;
                for (at, column) in census.columns.iter_mut().enumerate() {
                    column.see(fields.get(at).unwrap_or_default());
                }
            }
            Ok(View::Object(object)) => {
                census.rows += 1;
                census.see_object(&object);
            }
            Err(reason) => {
                let fault = RowError { line, reason };
                census.bad_rows += 1;
                // Of equals the first.
                if census.fault.as_ref().is_none_or(|known| weight(known) < weight(&fault)) {
                    census.fault = Some(fault);
                }
            }
        }
    }
    Ok(census)
}

/// How much a fault says of the file: broken quotes come before all else.
fn weight(fault: &RowError) -> u64 {
    match fault.reason {
        Reason::Quote(quote) => quote.lines(),
        _ => 0,
    }
}
