//! The texts that are to be labelled, read while others are being asked about.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use futures::Stream;
use futures::stream;
use tokio::sync::mpsc;
use tunebench_data::{Column, DataError, Fault, Table, TableFormat, TableRow, TableSource};

use crate::cli::output::Printer;
use crate::config::Data;
use crate::error::Error;

/// How many rows at most wait to be asked about.
const WAITING: usize = 1024;
/// How many are taken at once, if there are so many.
const CHUNK: usize = 256;

/// Where the texts are.
pub(super) struct Texts {
    source: TableSource,
    column: String,
    stdin: bool,
}

/// A row, and the text in it.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) row: TableRow,
}

impl Texts {
    /// A file, or stdin for `-`, read as the configuration reads its files where nothing else is said.
    pub(super) fn new(
        file: &Path,
        format: Option<TableFormat>,
        column: Option<&str>,
        data: &Data,
    ) -> Result<Self, Error> {
        let stdin = file == Path::new("-");
        let told = format.or_else(|| TableFormat::of(file));
        let format = match told.or_else(|| data.format.filter(|_| !stdin).map(Into::into)) {
            Some(format) => format,
            None if stdin => TableFormat::Lines,
            None => {
                return Err(Error::Output {
                    message: format!("the name of `{}` does not tell its format", file.display()),
                    hint: "set it with `--input-format csv`, `tsv`, `jsonl` or `lines`".to_owned(),
                });
            }
        };
        let path = if stdin { PathBuf::from("stdin") } else { file.to_owned() };
        let source = TableSource {
            encoding: data.encoding.clone(),
            quotes: data.quotes,
            ..TableSource::new(path, format)
        };
        let column = match format {
            TableFormat::Lines => "text",
            _ => column.unwrap_or(&data.text),
        };
        Ok(Self { source, column: column.to_owned(), stdin })
    }

    pub(super) fn format(&self) -> TableFormat {
        self.source.format
    }

    /// Reads a file once before anything is sent: how many rows it has, or which of them are bad. What can be read only
    /// once is not checked.
    pub(super) fn check(&self) -> Result<Option<usize>, Error> {
        if self.stdin || !is_file(&self.source.path) {
            return Ok(None);
        }
        let mut table = self.source.open().map_err(bad)?;
        let column = table.column(&self.column).map_err(bad)?;
        let (mut rows, mut faults) = (0, Vec::new());
        while let Some(row) = table.next_row().map_err(bad)? {
            match row.and_then(|row| row.text(&column)) {
                Ok(_) => rows += 1,
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            return Ok(Some(rows));
        }
        Err(bad(DataError::Rows { path: self.source.path.clone(), faults }))
    }

    /// The texts of a file that was checked, as far as there is something to ask about them.
    pub(super) fn all(&self) -> Result<impl Iterator<Item = Result<String, Error>>, Error> {
        let mut table = self.source.open().map_err(bad)?;
        let column = table.column(&self.column).map_err(bad)?;
        let path = self.source.path.clone();
        let next = move || {
            let row = table.next_row().transpose()?;
            let text = row.map_err(bad).and_then(|row| {
                let fault = |fault| bad(DataError::Rows { path: path.clone(), faults: vec![fault] });
                row.and_then(|row| row.text(&column)).map_err(fault)
            });
            Some(text)
        };
        let is_blank = |text: &Result<String, Error>| text.as_ref().is_ok_and(|text| text.trim().is_empty());
        Ok(std::iter::from_fn(next).filter(move |text| !is_blank(text)))
    }

    /// Begins to read.
    pub(super) fn read(&self, printer: Printer) -> Result<Reading, Error> {
        let table = if self.stdin {
            let stdin = std::io::stdin();
            if stdin.is_terminal() && self.source.format == TableFormat::Lines {
                // Whoever sees nothing happen does not know that it is their turn.
                printer.note("reading texts from the terminal, one a line; Ctrl-D ends them");
            }
            self.source.read(Box::new(stdin))
        } else {
            self.source.open()
        };
        let table = table.map_err(bad)?;
        let column = table.column(&self.column).map_err(bad)?;
        let columns = table.columns().to_vec();
        let (path, failed) = (self.source.path.clone(), Arc::new(OnceLock::new()));
        let (rows, received) = mpsc::channel(WAITING);
        let told = failed.clone();
        // A thread of its own, and nobody waits for it: a pipe may never end.
        std::thread::spawn(move || {
            if let Err(error) = send(table, &column, &path, &rows) {
                let _ = told.set(error);
            }
            // In this order: whoever sees the end of the rows can see what ended them.
            drop(told);
            drop(rows);
        });
        Ok(Reading { columns, received: Some(received), failed })
    }

    /// A row that can't be written as it is.
    pub(super) fn fault(&self, fault: Fault) -> Error {
        bad(DataError::Rows { path: self.source.path.clone(), faults: vec![fault] })
    }
}

/// Whether a path is a file, which can be read twice, and no stream.
pub(super) fn is_file(path: &Path) -> bool {
    path != Path::new("-") && path.metadata().is_ok_and(|found| found.is_file())
}

/// Reads up to the first bad row.
fn send(mut table: Table, column: &Column, path: &Path, rows: &mpsc::Sender<Text>) -> Result<(), DataError> {
    let bad = |fault| DataError::Rows { path: path.to_owned(), faults: vec![fault] };
    while let Some(row) = table.next_row()? {
        let row = row.map_err(bad)?;
        let text = row.text(column).map_err(bad)?;
        if rows.blocking_send(Text { text, row }).is_err() {
            break;
        }
    }
    Ok(())
}

/// Rows on their way from the file.
pub(super) struct Reading {
    columns: Vec<String>,
    received: Option<mpsc::Receiver<Text>>,
    failed: Arc<OnceLock<DataError>>,
}

impl Reading {
    /// The names of the columns; none for JSONL.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, as many at once as are there.
    pub(super) fn chunks(&mut self) -> impl Stream<Item = Vec<Text>> + 'static {
        stream::unfold(self.received.take(), |received| async move {
            let mut received = received?;
            let mut chunk = Vec::new();
            match received.recv_many(&mut chunk, CHUNK).await {
                0 => None,
                _ => Some((chunk, Some(received))),
            }
        })
    }

    /// What ended the reading before the end of the file.
    pub(super) fn ended_well(self) -> Result<(), Error> {
        match Arc::try_unwrap(self.failed).map(OnceLock::into_inner) {
            Ok(Some(error)) => Err(bad(error)),
            // A thread that still holds it still reads, and has found nothing wrong.
            Ok(None) | Err(_) => Ok(()),
        }
    }
}

fn bad(error: DataError) -> Error {
    Error::Data { error, named: None }
}
