//! How batches go, at any of the services: what a test wants to go wrong with them.

/// How batches go.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchScript {
    /// How many looks see a batch that has not ended.
    pub looks: u32,
    /// How it ends: `completed`, `expired`, `cancelled` or `failed`.
    pub end: String,
    /// A state of its own before the end, that no client knows.
    pub odd_state: Option<String>,
    /// How many rows are answered before it ends; all where not set.
    pub answered: Option<usize>,
    /// Each such row, counted from 1, fails with status 400; none for 0.
    pub failing: usize,
    /// How many looks see it ended without its files, though rows were answered.
    pub late_files: u32,
    /// How many batches to come are refused for a full queue.
    pub queue_full: u32,
    /// Whether lines come in reverse order, one of them twice, one about a row that nobody asked for, and one cut.
    pub unkind: bool,
    /// Whether files of results are gone as soon as they are there.
    pub gone: bool,
    /// Why the rows of a batch are refused when they are checked; no row is answered then.
    pub refused: Option<String>,
}

impl Default for BatchScript {
    fn default() -> Self {
        let (odd_state, answered, failing, late_files, queue_full, unkind, gone, refused) =
            Default::default();
        let end = "completed".to_owned();
        Self { looks: 2, end, odd_state, answered, failing, late_files, queue_full, unkind, gone, refused }
    }
}

impl BatchScript {
    /// Ends in this way, with so many rows answered.
    pub fn ending(end: &str, answered: usize) -> Self {
        Self { end: end.to_owned(), answered: Some(answered), ..Self::default() }
    }

    /// Whether a row, counted from 0, is one of those that fail.
    pub(crate) fn fails(&self, row: usize) -> bool {
        self.failing > 0 && (row + 1).is_multiple_of(self.failing)
    }

    /// How many of so many rows are answered before the end.
    pub(crate) fn reached(&self, rows: usize) -> usize {
        let all = if self.end == "failed" { 0 } else { rows };
        self.answered.unwrap_or(all).min(rows)
    }

    /// Puts lines out of order, and odd ones among them, where that is wanted; `name` is the member that names the row.
    pub(crate) fn disarrange(&self, lines: &mut Vec<String>, name: &str) {
        let Some(last) = lines.last().cloned().filter(|_| self.unkind) else { return };
        lines.reverse();
        lines.push(last.clone());
        lines.push(last.replacen(&format!("\"{name}\":\""), &format!("\"{name}\":\"x"), 1));
        lines.push(last.chars().take(40).collect());
    }
}
