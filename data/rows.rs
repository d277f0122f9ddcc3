//! Rows of text and label, out of the table that a file is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::Aliases;
use crate::error::{DataError, Reason, RowError};
use crate::fields::{Columns, Fields, SharedNames};
use crate::source::Source;
use crate::table::{Column, Table, View};
use crate::text_columns::TextColumns;

/// One row, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Where the row begins, from 1, the header included.
    pub line: u64,
    /// The text, untouched.
    pub text: String,
    /// The label, without outer white space.
    pub label: String,
    /// The group, without outer white space; never empty.
    pub group: Option<String>,
    /// The other columns that [`Source::fields`] asks for.
    pub fields: Fields,
}

impl Row {
    /// A row without a group and other columns.
    pub fn new(line: u64, text: impl Into<String>, label: impl Into<String>) -> Self {
        Self { line, text: text.into(), label: label.into(), group: None, fields: Fields::default() }
    }
}

/// The rows of a file, read as they are asked for. Bad rows come as faults, and reading goes on behind them.
pub struct Rows {
    table: Table,
    reader: RowReader,
    left_out: u64,
}

impl Rows {
    pub(crate) fn open(source: &Source) -> Result<Self, DataError> {
        let table = source.table().open()?;
        Ok(Self { reader: RowReader::new(source, &table)?, table, left_out: 0 })
    }

    /// The next row. The outer error ends the reading; a fault concerns one row only. Rows that an annotator has rejected
    /// are passed over.
    pub fn next_row(&mut self) -> Result<Option<Result<Row, RowError>>, DataError> {
        loop {
            let Some((line, view)) = self.table.read()? else { return Ok(None) };
            if view.as_ref().is_ok_and(|view| self.reader.left_out(view)) {
                self.left_out += 1;
                continue;
            }
            let row = view.and_then(|view| self.reader.row(line, &view));
            return Ok(Some(row.map_err(|reason| RowError { line, reason })));
        }
    }

    /// Reads past the next row, whatever stands in it; `false` behind the last one.
    pub(crate) fn pass_over(&mut self) -> Result<bool, DataError> {
        loop {
            let Some((_, view)) = self.table.read()? else { return Ok(false) };
            if !view.is_ok_and(|view| self.reader.left_out(&view)) {
                return Ok(true);
            }
        }
    }

    /// How many rows have been passed over because an annotator has rejected or ignored them.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// After the last row: the SHA-256 of the file's bytes.
    pub(crate) fn finish(self) -> Result<String, DataError> {
        self.table.into_hex()
    }
}

/// Makes rows of what stands in a table.
struct RowReader {
    text_columns: TextColumns,
    text: Vec<Column>,
    label: Column,
    group: Option<Column>,
    label_names: BTreeMap<String, String>,
    aliases: Aliases,
    /// Whether a member `answer` is not one of the columns, but what Prodigy writes.
    skips: bool,
    kept: Kept,
}

/// The other columns that a row carries.
enum Kept {
    None,
    /// These, under these names.
    Some(Vec<Column>, Arc<[String]>),
    /// All members of a JSON object but these.
    Others(Vec<String>, SharedNames),
}

impl RowReader {
    fn new(source: &Source, table: &Table) -> Result<Self, DataError> {
        let text =
            source.text.names().iter().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>()?;
        let label = table.column(&source.label)?;
        let own = |name: &str| source.label == name || source.text.names().iter().any(|text| text == name);
        let kept = match &source.fields {
            Columns::None => Kept::None,
            Columns::Named(wanted) => {
                let columns = wanted.iter().map(|name| table.column(name)).collect::<Result<_, _>>()?;
                Kept::Some(columns, wanted.iter().cloned().collect())
            }
            Columns::All if table.columns().is_empty() => {
                let names = source.text.names().iter().chain([&source.label]);
                Kept::Others(names.cloned().collect(), SharedNames::default())
            }
            Columns::All => {
                // Columns without a name, or with that of another, can't be asked for.
                let others = table.columns().iter().filter(|name| !name.is_empty() && !own(name));
                let known = others.filter_map(|name| Some((table.column(name).ok()?, name.clone())));
                let (columns, names): (Vec<_>, Vec<_>) = known.unzip();
                Kept::Some(columns, names.into())
            }
        };
        Ok(Self {
            text_columns: source.text.clone(),
            text,
            label,
            group: source.group.as_deref().map(|name| table.column(name)).transpose()?,
            label_names: source.label_names.clone(),
            aliases: source.aliases.clone(),
            skips: !own("answer"),
            kept,
        })
    }

    fn left_out(&self, view: &View<'_>) -> bool {
        self.skips && view.is_rejected()
    }

    fn row(&mut self, line: u64, view: &View<'_>) -> Result<Row, Reason> {
        let text =
            self.text_columns.join(|at| view.text(&self.text[at]).map(std::borrow::Cow::into_owned))?;
        let label = self.named(view.label(&self.label)?)?;
        let label = self.aliases.get(&label).cloned().unwrap_or(label);
        let group = match &self.group {
            Some(group) => Some(view.cell(group)?.trim().to_owned()).filter(|group| !group.is_empty()),
            None => None,
        };
        if text.trim().is_empty() {
            return Err(Reason::EmptyText);
        } else if label.is_empty() {
            return Err(Reason::EmptyLabel);
        } else if label.chars().any(char::is_control) {
            return Err(Reason::UnprintableLabel(label));
        }
        Ok(Row { line, text, label, group, fields: self.kept.of(view)? })
    }

    /// The label under the name that the settings give it.
    fn named(&self, label: String) -> Result<String, Reason> {
        if self.label_names.is_empty() || label.is_empty() {
            return Ok(label);
        }
        match self.label_names.get(&label) {
            Some(name) => Ok(name.clone()),
            // Some files of a project may have the names already.
            None if self.label_names.values().any(|name| *name == label) => Ok(label),
            None => Err(Reason::NoLabelName(label)),
        }
    }
}

impl Kept {
    fn of(&mut self, view: &View<'_>) -> Result<Fields, Reason> {
        match (self, view) {
            (Self::None, _) => Ok(Fields::default()),
            (Self::Some(columns, names), _) => {
                let values = columns.iter().map(|column| view.cell(column).map(std::borrow::Cow::into_owned));
                Ok(Fields::new(Arc::clone(names), values.collect::<Result<_, _>>()?))
            }
            (Self::Others(own, names), View::Object(object)) => {
                let others = object.iter().filter(|(name, _)| own.iter().all(|own| own != name));
                Ok(names.fields(others.map(|(name, value)| (name, crate::json::spelt(value).into_owned()))))
            }
            (Self::Others(..), View::Fields(_)) => Ok(Fields::default()),
        }
    }
}
