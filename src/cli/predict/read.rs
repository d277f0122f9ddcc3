//! The texts that are to be labelled, read while others are being asked about.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use futures::Stream;
use futures::stream;
use tokio::sync::mpsc;
use tunebench_data::{
    Column, DataError, Format, Prompt, Reason, RowError, Table, TableRow, TableSource, TextColumns,
};

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
    columns: TextColumns,
    stdin: bool,
}

/// A row, and the text in it.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) row: TableRow,
}

impl Texts {
    /// A file, or stdin for `-`, read as the configuration reads its files where nothing else is said.
    pub(super) fn new(file: &Path, format: Option<Format>, column: Option<&str>, data: &Data) -> Self {
        let stdin = file == Path::new("-");
        // Content tells the rest, but not whether lines of a pipe are texts.
        let lines = Some(Format::Lines);
        let named = Format::of_name(file).filter(|named| Some(*named) == lines);
        let unnamed = if stdin { lines } else { data.format.filter(|_| Format::of_name(file).is_none()) };
        let format = format.or(named).or(unnamed);
        let mut source = TableSource::new(if stdin { Path::new("stdin") } else { file });
        source.format = format;
        source.encoding.clone_from(&data.encoding);
        source.quotes = data.quotes;
        source.delimiter = data.delimiter;
        source.header = data.header;
        let columns = match (format, column) {
            (Some(Format::Lines), _) => "text".into(),
            (_, Some(column)) => column.into(),
            (_, None) => data.text.clone(),
        };
        source.wanted = columns.names().to_vec();
        Self { source, columns, stdin }
    }

    /// How the texts are written, as far as it is known before they are read.
    pub(super) fn format(&self) -> Option<Format> {
        self.source.format.or_else(|| Format::of_name(&self.source.path))
    }

    /// Whether the file is Parquet by its first bytes, whatever its name.
    pub(super) fn is_parquet(&self) -> bool {
        let mut magic = [0; 4];
        let read = std::fs::File::open(&self.source.path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && &magic == b"PAR1"
    }

    /// Where the text of a row stands.
    fn text_columns(&self, table: &Table) -> Result<Vec<Column>, Error> {
        self.columns.names().iter().map(|name| table.column(name).map_err(bad)).collect()
    }

    /// Reads a file once before anything is sent: how many rows it has, or which of them are bad, or can't be shown by
    /// the prompt. What can be read only once is not checked.
    pub(super) fn check(&self, prompt: Option<&Prompt>) -> Result<Option<usize>, Error> {
        if self.stdin || !is_file(&self.source.path) {
            return Ok(None);
        }
        let mut table = self.source.open().map_err(bad)?;
        let columns = self.text_columns(&table)?;
        let (mut rows, mut faults) = (0, Vec::new());
        while let Some(row) = table.next_row().map_err(bad)? {
            let text = row.and_then(|row| {
                let text = self.columns.text(&row, &columns)?;
                prompt.map_or(Ok(()), |prompt| renders(prompt, row.line, &text))
            });
            match text {
                Ok(()) => rows += 1,
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
        let (names, columns) = (self.columns.clone(), self.text_columns(&table)?);
        let path = self.source.path.clone();
        let next = move || {
            let row = table.next_row().transpose()?;
            let text = row.map_err(bad).and_then(|row| {
                let fault = |fault| bad(DataError::Rows { path: path.clone(), faults: vec![fault] });
                row.and_then(|row| names.text(&row, &columns)).map_err(fault)
            });
            Some(text)
        };
        let is_blank = |text: &Result<String, Error>| text.as_ref().is_ok_and(|text| text.trim().is_empty());
        Ok(std::iter::from_fn(next).filter(move |text| !is_blank(text)))
    }

    /// Begins to read.
    pub(super) fn read(&self, prompt: &Arc<Prompt>, printer: Printer) -> Result<Reading, Error> {
        let table = if self.stdin {
            let stdin = std::io::stdin();
            if stdin.is_terminal() && self.source.format == Some(Format::Lines) {
                // Whoever sees nothing happen does not know that it is their turn.
                printer.note("reading texts from the terminal, one a line; Ctrl-D ends them");
            }
            self.source.read(Box::new(stdin))
        } else {
            self.source.open()
        };
        let table = table.map_err(bad)?;
        let (names, text) = (self.columns.clone(), self.text_columns(&table)?);
        let columns = table.columns().to_vec();
        let (path, failed) = (self.source.path.clone(), Arc::new(OnceLock::new()));
        let warn_of_json = self.stdin && self.source.format == Some(Format::Lines);
        let looked = move |text: &str| {
            if warn_of_json
                && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
            {
                printer.warn("stdin looks like JSON Lines, but every line is read as a text");
                printer.hint("`--input-format jsonl` reads the texts in it");
            }
        };
        let (rows, received) = mpsc::channel(WAITING);
        let (told, prompt) = (failed.clone(), prompt.clone());
        // A thread of its own, and nobody waits for it: a pipe may never end.
        std::thread::spawn(move || {
            let place = Place { names, columns: text, path, prompt };
            if let Err(error) = place.send(table, &rows, looked) {
                let _ = told.set(error);
            }
            // In this order: whoever sees the end of the rows can see what ended them.
            drop(told);
            drop(rows);
        });
        Ok(Reading { columns, received: Some(received), failed })
    }

    /// A row that can't be written as it is.
    pub(super) fn fault(&self, fault: RowError) -> Error {
        bad(DataError::Rows { path: self.source.path.clone(), faults: vec![fault] })
    }
}

/// Whether a path is a file, which can be read twice, and no stream.
pub(super) fn is_file(path: &Path) -> bool {
    path != Path::new("-") && path.metadata().is_ok_and(|found| found.is_file())
}

/// Where the text of a row stands, and what it will be shown by.
struct Place {
    names: TextColumns,
    columns: Vec<Column>,
    path: PathBuf,
    prompt: Arc<Prompt>,
}

impl Place {
    /// Reads up to the first bad row; `look` is shown the first text.
    fn send(
        &self,
        mut table: Table,
        rows: &mpsc::Sender<Text>,
        look: impl FnOnce(&str),
    ) -> Result<(), DataError> {
        let bad = |fault| DataError::Rows { path: self.path.clone(), faults: vec![fault] };
        let mut look = Some(look);
        while let Some(row) = table.next_row()? {
            let row = row.map_err(bad)?;
            let text = self.names.text(&row, &self.columns).map_err(bad)?;
            renders(&self.prompt, row.line, &text).map_err(bad)?;
            if let Some(look) = look.take() {
                look(&text);
            }
            if rows.blocking_send(Text { text, row }).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Whether the prompt can show a text; a blank one is never asked about.
fn renders(prompt: &Prompt, line: u64, text: &str) -> Result<(), RowError> {
    if text.trim().is_empty() {
        return Ok(());
    }
    prompt.check(text).map_err(|error| RowError { line, reason: Reason::Prompt(error) })
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
    match error {
        DataError::UnknownFormat(path) => Error::Output {
            message: format!("neither the content nor the name of `{}` shows its format", path.display()),
            hint: "set it with `--input-format csv`, `tsv`, `jsonl` or `lines`".to_owned(),
        },
        error => Error::Data { error, named: None },
    }
}
