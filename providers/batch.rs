//! The batch side of a provider: a file of requests that is answered as one job, within a day and mostly at a lower price.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Completion, CompletionRequest, FileId, ProviderError};

/// A batch at the provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchId(pub String);

/// Our own name for a batch, which the provider keeps with it, so that it is found again before a second one is paid for.
///
/// Both parts are 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BatchMark {
    /// The evaluation: equal for all batches of the same model, prompt, parameters and data.
    pub scope: String,
    /// The requests in it.
    pub part: String,
}

impl BatchMark {
    /// A mark of these two parts.
    pub fn new(scope: impl Into<String>, part: impl Into<String>) -> Self {
        Self { scope: scope.into(), part: part.into() }
    }

    /// Reads what [`Display`](fmt::Display) wrote, wherever in a text it stands: `tunebench-SCOPE-PART`.
    pub fn read(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("tunebench-")?;
        let (scope, rest) = rest.split_once('-')?;
        let part = rest.get(..32)?;
        let is_hex = |text: &str| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex(scope) && is_hex(part)).then(|| Self::new(scope, part))
    }
}

impl fmt::Display for BatchMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tunebench-{}-{}", self.scope, self.part)
    }
}

/// How large a batch may be, and how often to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchLimits {
    /// The most rows of one batch.
    pub rows: usize,
    /// The most bytes of its file.
    pub bytes: u64,
    /// Tokens sent that may wait at once, of all batches of a model, where that is known.
    pub queued_tokens: Option<u64>,
    /// Within which time the provider means to answer.
    pub window: Duration,
    /// The shortest time between two looks at it.
    pub poll_interval: Duration,
    /// Whether the provider keeps our mark with a batch. Where it does not, a batch of which only the order is known to have
    /// been sent is told by its size and its time, until its answers show whose it is.
    pub keeps_mark: bool,
}

impl BatchLimits {
    /// So many rows and bytes, answered within a day, looked at no more often than every 15 seconds.
    pub const fn new(rows: usize, bytes: u64) -> Self {
        let (window, poll_interval) = (Duration::from_secs(24 * 3_600), Duration::from_secs(15));
        Self { rows, bytes, queued_tokens: None, window, poll_interval, keeps_mark: true }
    }

    /// The same, where a batch carries no mark of ours.
    #[must_use]
    pub const fn without_mark(mut self) -> Self {
        self.keeps_mark = false;
        self
    }

    /// The same, looked at no more often than this.
    #[must_use]
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// The same, answered within this time.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }
}

/// How a batch ended. None of these says that there are no answers: all are to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchEnd {
    /// Every row was tried.
    Completed,
    /// Refused as a whole, or broken down.
    Failed,
    /// Its time was up before every row was tried.
    Expired,
    /// Ended by request.
    Cancelled,
}

/// Where a batch stands. Whatever a provider says that is not known to be an end is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchStatus {
    /// Waiting, running, being cancelled, or in a state that is not known here.
    Running,
    /// Nothing will change any more.
    Ended(BatchEnd),
}

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub struct BatchCounts {
    /// Rows in it.
    pub total: u64,
    /// Rows that are answered.
    pub answered: u64,
    /// Rows that failed.
    pub failed: u64,
}

impl BatchCounts {
    /// So many rows, of which so many are answered and so many failed.
    pub const fn new(total: u64, answered: u64, failed: u64) -> Self {
        Self { total, answered, failed }
    }
}

/// A batch, as the provider reports it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BatchJob {
    /// The provider's name for it.
    pub id: BatchId,
    /// Ours, where it was made by us.
    pub mark: Option<BatchMark>,
    /// Where it stands.
    pub status: BatchStatus,
    /// The same in the provider's words.
    pub said: String,
    /// How far it is, where the provider tells.
    pub counts: Option<BatchCounts>,
    /// When it was made, in seconds since 1970.
    pub created: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether it was refused only because too much waits already: the same batch may be made again later.
    pub queue_full: bool,
    /// Whether answers are still to be made available although it has ended.
    pub results_pending: bool,
    /// The file of its requests.
    pub input: Option<FileId>,
    /// The files of its answers and of its failures, in this order.
    pub results: Vec<FileId>,
}

impl BatchJob {
    /// A batch of which only name and state are known.
    pub fn new(id: BatchId, status: BatchStatus, said: impl Into<String>) -> Self {
        let (mark, counts, created, error, queue_full, results_pending, input, results) = Default::default();
        let said = said.into();
        Self { id, mark, status, said, counts, created, error, queue_full, results_pending, input, results }
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<BatchEnd> {
        match self.status {
            BatchStatus::Running => None,
            BatchStatus::Ended(end) => Some(end),
        }
    }
}

/// The order for a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchOrder {
    /// The model, by the provider's own id.
    pub model: String,
    /// The requests, uploaded.
    pub file: FileId,
    /// Our name for it.
    pub mark: BatchMark,
    /// The requests on this machine, one a line, for a provider that takes them along with the order; none where an order
    /// is repeated because the provider's queue was full.
    pub rows: Option<PathBuf>,
}

impl BatchOrder {
    /// Orders the answers of a model to an uploaded file.
    pub fn new(model: impl Into<String>, file: FileId, mark: BatchMark) -> Self {
        Self { model: model.into(), file, mark, rows: None }
    }

    /// The same, with the file on this machine.
    #[must_use]
    pub fn rows(mut self, path: impl Into<PathBuf>) -> Self {
        self.rows = Some(path.into());
        self
    }
}

/// How far the answers of a batch have been read: in which of its files, and how many bytes of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ResultsPosition {
    /// The number of the file, from 0.
    pub file: usize,
    /// Bytes of it that have been dealt with.
    pub offset: u64,
}

/// What became of one row of a batch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RowOutcome {
    /// It was answered.
    Answered(Box<Completion>),
    /// It was tried in vain.
    Failed(ProviderError),
    /// It was not tried, because the batch ended before; in the provider's words.
    NotRun(String),
    /// The line can't be read; what is wrong with it.
    Unreadable(String),
}

/// One line of what a batch has brought.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RowResult {
    /// The name of the row, as it was given to [`Batch::write_row`]; none where the line does not tell.
    pub key: Option<String>,
    /// What became of it.
    pub outcome: RowOutcome,
}

impl RowResult {
    /// What became of the row of this name.
    pub fn new(key: Option<String>, outcome: RowOutcome) -> Self {
        Self { key, outcome }
    }
}

/// The lines of what a batch has brought, one after the other, in any order, and perhaps some twice.
#[async_trait]
pub trait BatchResults: Send {
    /// The next line; none at the end. After an error, [`Batch::results`] goes on at [`position`](Self::position).
    async fn next(&mut self) -> Result<Option<RowResult>, ProviderError>;

    /// Behind the last line that was given.
    fn position(&self) -> ResultsPosition;
}

/// What only a provider with batches can do; reached through [`Provider::batches`](crate::Provider::batches).
///
/// A provider translates, makes one call and classifies the outcome. Splitting, waiting, retrying and remembering are done
/// once, outside.
#[async_trait]
pub trait Batch: Send + Sync {
    /// How large a batch for this model may be; none where the model can't be asked in one.
    fn limits(&self, model: &str) -> Option<BatchLimits>;

    /// Writes a request as a line of the file, with its line feed. It asks what [`complete`](crate::Provider::complete)
    /// would ask. `key` has lower-case letters and digits only, at most 60, and names the row in the results.
    fn write_row(
        &self,
        key: &str,
        request: &CompletionRequest,
        out: &mut Vec<u8>,
    ) -> Result<(), ProviderError>;

    /// A file that was uploaded under this mark before, where that can be found out.
    async fn find_file(&self, _mark: &BatchMark) -> Result<Option<FileId>, ProviderError> {
        Ok(None)
    }

    /// Hands over a file of rows. A provider that takes them along with the order sends nothing, and gives any name.
    async fn upload(&self, file: &Path, mark: &BatchMark) -> Result<FileId, ProviderError>;

    /// Makes a batch. One attempt: a provider need not notice that it is asked twice. An error that
    /// [`may_be_billed`](ProviderError::may_be_billed) leaves open whether there is a batch now.
    async fn create(&self, order: &BatchOrder) -> Result<BatchJob, ProviderError>;

    /// The batches of ours that were made no earlier than `since` (in seconds since 1970), the newest first; where batches
    /// carry no mark ([`BatchLimits::keeps_mark`]), all of them.
    async fn list(&self, since: i64) -> Result<Vec<BatchJob>, ProviderError>;

    /// A batch as it stands now.
    async fn batch(&self, id: &BatchId) -> Result<BatchJob, ProviderError>;

    /// What a batch that has ended has brought, from a position on; `request` is one of its requests, with any text.
    async fn results<'a>(
        &'a self,
        job: &BatchJob,
        request: &'a CompletionRequest,
        from: ResultsPosition,
    ) -> Result<Box<dyn BatchResults + 'a>, ProviderError>;

    /// Asks for the end of a batch; how it ended is told by [`batch`](Self::batch).
    async fn cancel(&self, id: &BatchId) -> Result<(), ProviderError>;

    /// Removes the files of a batch whose answers are safe. What is gone already is no error.
    async fn clean_up(&self, job: &BatchJob) -> Result<(), ProviderError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_from_any_name_that_holds_it() {
        let mark = BatchMark::new("0123456789abcdef".repeat(2), "f".repeat(32));
        for text in [mark.to_string(), format!("x/{mark}.jsonl")] {
            assert_eq!(BatchMark::read(&text), Some(mark.clone()), "{text}");
        }
        for text in ["", "tunebench-", "tunebench-a-b", "tunebench-é-ééééééééééééééééé"] {
            assert_eq!(BatchMark::read(text), None, "{text}");
        }
    }
}
