//! The rows of an evaluation on their way from the file to a worker, with what is known of them already.
//!
//! Where there is a ledger, the file is read twice: first for the rows that the ledger can't know, which are to be
//! asked, then for the others, which are looked up. A million known rows do not keep the first new one waiting, the
//! less so where the plan has found out already which they are.

use std::collections::VecDeque;
use std::sync::Arc;

use tunebench_data::{DataError, Example, Examples, Message};

use super::EvaluateError;
use super::answer_cache::{AnswerCache, LookedUp, RequestKey};
use super::known_rows::RowSet;
use crate::ledger::StoredAnswer;

/// Rows read, and looked up in the ledger, at once.
const CHUNK: usize = 256;
/// After so many rows others get their turn, however few of them were read for something.
const STRETCH: usize = 64 * CHUNK;

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
    /// The rows that the first reading leaves for the second.
    later: Arc<RowSet>,
    /// Whether those have yet to be found out.
    finds_out: bool,
    error: Option<EvaluateError>,
}

impl Rows {
    /// `known` are the rows that the ledger may know, where that has been found out.
    pub(super) fn new(examples: Examples, known: Option<Arc<RowSet>>) -> Self {
        let finds_out = known.is_none();
        let later = known.unwrap_or_default();
        Self { examples, next: 0, ready: VecDeque::new(), again: false, later, finds_out, error: None }
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
        let Some(rows) = self.read_stretch()? else {
            let more = self.later.len() > 0 && !self.again && self.error.is_none();
            if more {
                self.again = true;
                self.rewind()?;
            }
            return Ok(more);
        };
        if self.again {
            let looked_up = cache.look_up(rows, |row| turns(&row.example))?.into_iter();
            self.ready.extend(looked_up.map(|LookedUp { item, asked, known }| Row {
                asked: Some(asked),
                known,
                ..item
            }));
            return Ok(true);
        }
        for mut row in rows {
            let asked = cache.asked(&turns(&row.example));
            if self.finds_out && cache.may_know(&asked.key) {
                Arc::make_mut(&mut self.later).insert(row.index);
            } else {
                // What has come since for a new row, it is told when its turn comes.
                row.asked = Some(asked);
                self.ready.push_back(row);
            }
        }
        Ok(true)
    }

    /// The next rows that this reading is for, as far as a stretch of the file has any; none at its end.
    fn read_stretch(&mut self) -> Result<Option<Vec<Row>>, DataError> {
        let (mut rows, from) = (Vec::new(), self.next);
        while rows.len() < CHUNK && self.next - from < STRETCH {
            if self.finds_out && !self.again || self.later.contains(self.next) == self.again {
                match self.read() {
                    Some(row) => rows.push(row),
                    None => break,
                }
            } else if self.examples.pass_over()? {
                self.next += 1;
            } else {
                break;
            }
        }
        Ok((self.next > from).then_some(rows))
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
        let whole = self.again || self.later.len() == 0;
        self.error.take().map_or(Ok(whole.then_some(self.next)), Err)
    }
}
