//! The predictions of all models in one Parquet file: a row for each model and example, with the columns of
//! `predictions/MODEL.csv` and in front of them the model.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use ::csv::{Reader, StringRecord};
use ::parquet::basic::Type as PhysicalType;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use ::parquet::errors::Result;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::types::{Type, TypePtr};
use tunebench_reports::Manifest;

use crate::parquet::{GROUP_ROWS, bytes, number_field, properties, text_field, write_column};

/// The columns that hold whole numbers, and those that hold other numbers; all else is text, as users' own columns are.
const WHOLE_NUMBERS: [&str; 4] = ["cluster", "line", "input_tokens", "output_tokens"];
const NUMBERS: [&str; 4] = ["probability", "gold_probability", "latency_ms", "cost_usd"];

/// Writes what is in the results folder.
pub(super) fn write(folder: &Path, manifest: &Manifest, out: impl Write + Send) -> Result<()> {
    let open = |file: &str| -> Result<Reader<File>> {
        let path = folder.join("predictions").join(format!("{file}.csv"));
        Ok(Reader::from_reader(fs_err::File::open(path)?.into_file()))
    };
    let mut names = vec!["model".to_owned()];
    for record in &manifest.models {
        for name in open(&record.file)?.headers().map_err(std::io::Error::from)? {
            // A model may lack a column that another has.
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    let mut columns: Vec<Column> = names.iter().map(|name| Column::of(name)).collect();
    let fields =
        names.iter().zip(&columns).map(|(name, column)| column.field(name)).collect::<Result<_>>()?;
    let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
    let mut file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties().build()))?;
    let mut waiting = 0;
    for record in &manifest.models {
        let mut rows = open(&record.file)?;
        let header = rows.headers().map_err(std::io::Error::from)?.clone();
        let places: Vec<Option<usize>> =
            names.iter().map(|name| header.iter().position(|found| found == name)).collect();
        let mut row = StringRecord::new();
        while rows.read_record(&mut row).map_err(std::io::Error::from)? {
            columns[0].push(&record.model);
            for (column, place) in columns.iter_mut().zip(&places).skip(1) {
                column.push(place.and_then(|place| row.get(place)).unwrap_or_default());
            }
            waiting += 1;
            if waiting == GROUP_ROWS {
                write_group(&mut file, &mut columns)?;
                waiting = 0;
            }
        }
    }
    write_group(&mut file, &mut columns)?;
    file.close().map(|_| ())
}

fn write_group(file: &mut SerializedFileWriter<impl Write + Send>, columns: &mut [Column]) -> Result<()> {
    let mut group = file.next_row_group()?;
    columns.iter_mut().try_for_each(|column| column.write(&mut group))?;
    group.close().map(|_| ())
}

/// The cells of a column that wait to be written; an empty one is missing.
enum Column {
    Text(Vec<Option<ByteArray>>),
    Whole(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
}

impl Column {
    fn of(name: &str) -> Self {
        match name {
            name if WHOLE_NUMBERS.contains(&name) => Self::Whole(Vec::new()),
            name if NUMBERS.contains(&name) => Self::Number(Vec::new()),
            _ => Self::Text(Vec::new()),
        }
    }

    fn field(&self, name: &str) -> Result<TypePtr> {
        match self {
            Self::Text(_) => text_field(name),
            Self::Whole(_) => number_field(name, PhysicalType::INT64),
            Self::Number(_) => number_field(name, PhysicalType::DOUBLE),
        }
    }

    fn push(&mut self, cell: &str) {
        match self {
            Self::Text(cells) => {
                cells.push(Some(cell).filter(|cell| !cell.is_empty()).map(|c| bytes(c.to_owned())))
            }
            Self::Whole(cells) => cells.push(cell.parse().ok()),
            Self::Number(cells) => cells.push(cell.parse().ok()),
        }
    }

    fn write(&mut self, group: &mut SerializedRowGroupWriter<'_, impl Write + Send>) -> Result<()> {
        match self {
            Self::Text(cells) => write_column::<ByteArrayType>(group, &std::mem::take(cells)),
            Self::Whole(cells) => write_column::<Int64Type>(group, &std::mem::take(cells)),
            Self::Number(cells) => write_column::<DoubleType>(group, &std::mem::take(cells)),
        }
    }
}
