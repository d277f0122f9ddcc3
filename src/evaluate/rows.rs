//! The rows of an evaluation on their way from the file to a lane, with what is known of them already.

use std::collections::VecDeque;

use tunebench_data::{Example, Examples};
use tunebench_providers::CompletionRequest;

use super::EvaluateError;
use super::book::{Asked, Book};
use crate::ledger::{ContentKey, StoredAnswer};

/// Rows looked up in the ledger at once.
const CHUNK: usize = 256;

/// A row that has not been dealt with.
pub(super) struct Row {
    pub(super) index: usize,
    pub(super) example: Example,
    /// Its name in the ledger, and its size.
    pub(super) asked: Option<Asked>,
    /// What the ledger has for it.
    pub(super) known: Option<StoredAnswer>,
}

/// Where the rows come from.
pub(super) struct Rows {
    examples: Examples,
    next: usize,
    ready: VecDeque<Row>,
    pub(super) error: Option<EvaluateError>,
}

impl Rows {
    pub(super) fn new(examples: Examples) -> Self {
        Self { examples, next: 0, ready: VecDeque::new(), error: None }
    }

    /// How many rows were read.
    pub(super) fn read(&self) -> usize {
        self.next
    }

    /// The next row, without a look into the ledger.
    pub(super) fn draw(&mut self) -> Option<Row> {
        if let Some(row) = self.ready.pop_front() {
            return Some(row);
        }
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

    /// The next row, with its key and what the ledger has under it.
    pub(super) fn draw_known(
        &mut self,
        book: &Book,
        request: impl Fn(&Example) -> CompletionRequest,
    ) -> Option<Row> {
        if self.ready.is_empty() {
            let mut rows: Vec<Row> = std::iter::from_fn(|| self.draw()).take(CHUNK).collect();
            let mut keys: Vec<ContentKey> = Vec::with_capacity(rows.len());
            for row in &mut rows {
                let asked = book.asked(&request(&row.example));
                keys.push(asked.key);
                row.asked = Some(asked);
            }
            match book.lookup(&keys) {
                Ok(known) => {
                    for (row, known) in rows.iter_mut().zip(known) {
                        row.known = known;
                    }
                    self.ready = rows.into();
                }
                Err(error) => {
                    self.error = Some(error.into());
                    return None;
                }
            }
        }
        self.ready.pop_front()
    }
}
