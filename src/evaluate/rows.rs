//! The rows of an evaluation on their way from the file to a worker, with what is known of them already.
//!
//! Where there is a ledger, the file is read twice: first for the rows that the ledger can't know, which are to be
//! asked, then for the others, which are looked up. A million known rows do not keep the first new one waiting.

use std::collections::VecDeque;

use tunebench_data::{DataError, Example, Examples, Message};

use super::EvaluateError;
use super::answer_cache::{AnswerCache, RequestKey};
use crate::ledger::{ContentKey, StoredAnswer};

/// Rows read, and looked up in the ledger, at once.
const CHUNK: usize = 256;

/// A row that has not been dealt with.
pub(super) struct Row {
    pub(super) index: usize,
    pub(super) example: Example,
    /// Its name in the ledger, and its size.
    pub(super) asked: Option<RequestKey>,
    /// What the ledger has for it.
    pub(super) known: Option<StoredAnswer>,
}

/// What a look at the file brought.
pub(super) enum NextRow {
    Row(Box<Row>),
    /// Rows whose turn is later; there may be others behind them.
    Later,
    /// Nothing, and there will be nothing more.
    End,
}

/// Where the rows come from.
pub(super) struct Rows {
    examples: Examples,
    next: usize,
    ready: VecDeque<Row>,
    /// Whether this is the second reading.
    again: bool,
    /// How many rows the first reading left for the second.
    put_off: usize,
    error: Option<EvaluateError>,
}

impl Rows {
    pub(super) fn new(examples: Examples) -> Self {
        Self { examples, next: 0, ready: VecDeque::new(), again: false, put_off: 0, error: None }
    }

    /// The next row, without a look into the ledger.
    pub(super) fn draw(&mut self) -> NextRow {
        self.read().map_or(NextRow::End, |row| NextRow::Row(Box::new(row)))
    }

    fn read(&mut self) -> Option<Row> {
        if self.error.is_some() {
            return None;
        }
        match self.examples.next()? {
            Ok(example) => {
                self.next += 1;
                Some(Row { index: self.next - 1, example, asked: None, known: None })
            }
            Err(error) => {
                self.error = Some(error.into());
                None
            }
        }
    }

    /// The next row, with its key and what the ledger has under it. `turns` is what a row's request says after the task.
    pub(super) fn draw_known(
        &mut self,
        cache: &AnswerCache,
        turns: impl Fn(&Example) -> Vec<Message>,
    ) -> NextRow {
        if self.ready.is_empty() {
            match self.look(cache, turns) {
                Ok(true) => {}
                Ok(false) => return NextRow::End,
                Err(error) => {
                    self.error = Some(error);
                    return NextRow::End;
                }
            }
        }
        self.ready.pop_front().map_or(NextRow::Later, |row| NextRow::Row(Box::new(row)))
    }

    /// Reads on, and looks up the rows whose turn it is; `false` when there are no more.
    fn look(
        &mut self,
        cache: &AnswerCache,
        turns: impl Fn(&Example) -> Vec<Message>,
    ) -> Result<bool, EvaluateError> {
        let rows: Vec<Row> = std::iter::from_fn(|| self.read()).take(CHUNK).collect();
        if rows.is_empty() {
            let more = self.put_off > 0 && !self.again && self.error.is_none();
            if more {
                self.again = true;
                self.rewind()?;
            }
            return Ok(more);
        }
        let mut keys: Vec<ContentKey> = Vec::with_capacity(rows.len());
        for mut row in rows {
            let asked = cache.asked(&turns(&row.example));
            if cache.may_know(&asked.key) == self.again {
                keys.push(asked.key);
                row.asked = Some(asked);
                self.ready.push_back(row);
            } else {
                self.put_off += 1;
            }
        }
        // What has come since for a new row, it is told when its turn comes.
        if !self.again {
            return Ok(true);
        }
        for (row, known) in self.ready.iter_mut().zip(cache.lookup(&keys)?) {
            row.known = known;
        }
        Ok(true)
    }

    fn rewind(&mut self) -> Result<(), DataError> {
        self.next = 0;
        self.examples.rewind()
    }

    /// Reads all rows once more, wherever the reading was, and gives the number of them.
    pub(super) fn each(mut self, mut see: impl FnMut(Row)) -> Result<usize, EvaluateError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.rewind()?;
        while let Some(row) = self.read() {
            see(row);
        }
        self.error.map_or(Ok(self.next), Err)
    }

    /// The number of rows, where the last reading came to the end of the file.
    pub(super) fn read_whole(&mut self) -> Result<Option<usize>, EvaluateError> {
        if !self.ready.is_empty() || self.read().is_some() {
            return Ok(None);
        }
        let whole = self.again || self.put_off == 0;
        self.error.take().map_or(Ok(whole.then_some(self.next)), Err)
    }
}
