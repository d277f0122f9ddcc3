//! Labelled texts as Parquet, row group by row group.
//!
//! Where the texts come from a Parquet file, its columns are copied as they are encoded there: they keep their types and every
//! byte, and only the columns of the answer are new. Columns of other files are written as text.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::basic::Type as PhysicalType;
use ::parquet::column::writer::ColumnCloseResult;
use ::parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::{Type, TypePtr};
use tunebench_data::{Cells, TableRow};
use tunebench_reports::{Outcome, UnansweredKind};

use super::write::{Added, Value};
use crate::parquet::{GROUP_ROWS, bytes, number_field, properties, text_field, write_column};

/// Notes of a file that speak of its columns alone, and would not be true of more columns.
const SCHEMA_NOTES: [&str; 1] = ["ARROW:schema"];

/// Writes rows as Parquet.
pub(super) struct ParquetWriter {
    out: Drain,
    file: Option<SerializedFileWriter<Drain>>,
    columns: Columns,
    added: [String; 4],
    answers: Answers,
}

/// The columns that were there.
enum Columns {
    /// Those of a Parquet file, and the group that is being answered.
    Copied { from: SerializedFileReader<File>, chunks: File, group: usize },
    /// Cells as text, column by column; the names are told by the first row where each row has its own.
    Text { names: Option<Vec<String>>, cells: Vec<Vec<Option<ByteArray>>> },
}

/// The columns of the answers of a group.
#[derive(Default)]
struct Answers {
    label: Vec<Option<ByteArray>>,
    probability: Vec<Option<f32>>,
    outcome: Vec<Option<ByteArray>>,
    detail: Vec<Option<ByteArray>>,
    /// Labels, outcomes and details are few: each is in memory once.
    words: HashMap<String, ByteArray>,
}

impl ParquetWriter {
    /// For the rows of a Parquet file, whose columns are copied.
    pub(super) fn beside(path: &Path, added: [String; 4]) -> Result<Self> {
        let chunks = File::open(path)?;
        let from = SerializedFileReader::new(chunks.try_clone()?)?;
        let schema = from.metadata().file_metadata().schema();
        let mut fields = schema.get_fields().to_vec();
        if let Some(taken) = fields.iter().find(|field| added.iter().any(|name| name == field.name())) {
            return Err(ParquetError::General(format!("there is a column `{}` already", taken.name())));
        }
        fields.extend(new_fields(&added)?);
        let notes = from.metadata().file_metadata().key_value_metadata().cloned();
        let notes = notes.map(|notes| {
            notes.into_iter().filter(|note| !SCHEMA_NOTES.contains(&note.key.as_str())).collect()
        });
        let properties = properties().set_key_value_metadata(notes).build();
        let out = Drain::default();
        let schema = Type::group_type_builder(schema.name()).with_fields(fields).build()?;
        let file = SerializedFileWriter::new(out.clone(), Arc::new(schema), Arc::new(properties))?;
        let columns = Columns::Copied { from, chunks, group: 0 };
        Ok(Self { out, file: Some(file), columns, added, answers: Answers::default() })
    }

    /// For rows with these columns; none where each row has its own.
    pub(super) fn of_text(columns: &[String], added: [String; 4]) -> Self {
        let names = (!columns.is_empty()).then(|| columns.to_vec());
        let columns = Columns::Text { names, cells: Vec::new() };
        Self { out: Drain::default(), file: None, columns, added, answers: Answers::default() }
    }

    /// Adds a row, and to `bytes` what of the file is ready.
    pub(super) fn row(&mut self, bytes: &mut Vec<u8>, row: &TableRow, added: &Added<'_>) -> Result<()> {
        self.columns.push(&row.cells, &self.added)?;
        self.answers.push(added.label, added.probability, added.outcome, added.detail);
        self.columns.skip_empty_groups();
        if self.answers.len() == self.columns.group_size() {
            self.end_group()?;
        }
        bytes.append(&mut self.out.taken());
        Ok(())
    }

    /// The end of the file. Rows of a Parquet file that were not reached are not left out, but unanswered.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.columns.skip_empty_groups();
        while let Columns::Copied { from, group, .. } = &self.columns
            && *group < from.num_row_groups()
        {
            let not_asked = UnansweredKind::NotAsked.name();
            while self.answers.len() < self.columns.group_size() {
                self.answers.push(None, None, Outcome::Unanswered.name(), not_asked);
            }
            self.end_group()?;
            self.columns.skip_empty_groups();
        }
        if self.answers.len() > 0 || self.file.is_none() {
            self.end_group()?;
        }
        if let Some(file) = self.file.take() {
            file.close()?;
        }
        Ok(self.out.taken())
    }

    fn end_group(&mut self) -> Result<()> {
        let answers = std::mem::take(&mut self.answers);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.columns.open(&self.out, &self.added)?),
        };
        let mut group = file.next_row_group()?;
        self.columns.write(&mut group)?;
        write_column::<ByteArrayType>(&mut group, &answers.label)?;
        write_column::<FloatType>(&mut group, &answers.probability)?;
        write_column::<ByteArrayType>(&mut group, &answers.outcome)?;
        write_column::<ByteArrayType>(&mut group, &answers.detail)?;
        group.close()?;
        Ok(())
    }
}

impl Columns {
    fn group_size(&self) -> usize {
        match self {
            Self::Copied { from, group, .. } => {
                let rows = from.metadata().row_groups().get(*group).map_or(0, |group| group.num_rows());
                usize::try_from(rows).unwrap_or_default()
            }
            Self::Text { .. } => GROUP_ROWS,
        }
    }

    fn skip_empty_groups(&mut self) {
        if let Self::Copied { from, group, .. } = self {
            let groups = from.metadata().row_groups();
            while groups.get(*group).is_some_and(|group| group.num_rows() == 0) {
                *group += 1;
            }
        }
    }

    fn push(&mut self, row: &Cells, added: &[String; 4]) -> Result<()> {
        let Self::Text { names, cells } = self else { return Ok(()) };
        let members = match row {
            Cells::Members(members) => members,
            Cells::Fields(fields) => {
                // Columns may have no name, or that of another.
                cells.resize_with(fields.len(), Vec::new);
                cells
                    .iter_mut()
                    .zip(fields)
                    .for_each(|(cells, field)| cells.push(Some(bytes(field.clone()))));
                return Ok(());
            }
        };
        if let Some((taken, _)) = members.iter().find(|(name, _)| added.contains(name)) {
            return Err(ParquetError::General(format!("there is a member `{taken}` already")));
        }
        let of_row = || members.iter().map(|(name, _)| name.clone()).collect();
        let names: &Vec<String> = names.get_or_insert_with(of_row);
        if let Some((unknown, _)) = members.iter().find(|(name, _)| !names.contains(name)) {
            return Err(ParquetError::General(format!(
                "the first row has no member `{unknown}`, so there is no column for it; write `--format jsonl`"
            )));
        }
        cells.resize_with(names.len(), Vec::new);
        for (name, cells) in names.iter().zip(cells) {
            let value = members.iter().rev().find(|(of, _)| of == name).map(|(_, value)| value.get());
            let text = value.filter(|value| *value != "null").map(|value| Value::Raw(value).cell());
            cells.push(text.map(bytes));
        }
        Ok(())
    }

    /// The file of columns of text, once they are known.
    fn open(&self, out: &Drain, added: &[String; 4]) -> Result<SerializedFileWriter<Drain>> {
        let Self::Text { names, .. } = self else {
            return Err(ParquetError::General("the file is open already".to_owned()));
        };
        let mut fields: Vec<TypePtr> =
            names.iter().flatten().map(|name| text_field(name)).collect::<Result<_>>()?;
        fields.extend(new_fields(added)?);
        let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
        SerializedFileWriter::new(out.clone(), Arc::new(schema), Arc::new(properties().build()))
    }

    /// Writes the columns of the group, and goes on to the next.
    fn write(&mut self, to: &mut SerializedRowGroupWriter<'_, Drain>) -> Result<()> {
        match self {
            Self::Copied { from, chunks, group } => {
                let metadata = from.metadata().row_group(*group);
                let rows_written = u64::try_from(metadata.num_rows()).unwrap_or_default();
                for column in metadata.columns() {
                    let close = ColumnCloseResult {
                        bytes_written: u64::try_from(column.compressed_size()).unwrap_or_default(),
                        rows_written,
                        metadata: column.clone(),
                        bloom_filter: None,
                        column_index: None,
                        offset_index: None,
                    };
                    to.append_column(chunks, close)?;
                }
                *group += 1;
                Ok(())
            }
            Self::Text { cells, .. } => cells
                .iter_mut()
                .try_for_each(|cells| write_column::<ByteArrayType>(to, &std::mem::take(cells))),
        }
    }
}

impl Answers {
    fn len(&self) -> usize {
        self.outcome.len()
    }

    fn push(&mut self, label: Option<&str>, probability: Option<f32>, outcome: &str, detail: &str) {
        let words = &mut self.words;
        let mut word = |text: &str| match words.get(text) {
            Some(known) => known.clone(),
            None => words.entry(text.to_owned()).or_insert_with(|| bytes(text.to_owned())).clone(),
        };
        self.label.push(label.map(&mut word));
        self.probability.push(probability);
        self.outcome.push(Some(word(outcome)));
        self.detail.push(Some(detail).filter(|detail| !detail.is_empty()).map(word));
    }
}

fn new_fields(added: &[String; 4]) -> Result<Vec<TypePtr>> {
    let [label, probability, outcome, detail] = added;
    let probability = number_field(probability, PhysicalType::FLOAT)?;
    Ok(vec![text_field(label)?, probability, text_field(outcome)?, text_field(detail)?])
}

/// What was written and not taken yet.
#[derive(Clone, Default)]
struct Drain(Arc<Mutex<Vec<u8>>>);

impl Drain {
    fn taken(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Drain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
