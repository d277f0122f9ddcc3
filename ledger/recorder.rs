//! A run that writes to the ledger: begun and finished once, with a writer of its own; its requests are in `claim`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::claim::ModelRecorder;
use super::error::{At, LedgerError};
use super::run::{self, Alive, OrphanedRequests, RunId, Totals};
use super::store::{Floor, Target};
use super::writer::{Ack, Op, OtherWriters, Writer, WriterStatus};
use super::{ContentKey, schema};

/// What may wait for the writer. Who finds it full waits too, so memory stays bounded.
const QUEUE: usize = 4096;

/// A run that is under way: the only way to add answers to a ledger.
///
/// Dropping it keeps what was recorded so far, but only [`finish`](Self::finish) marks the run as ended.
#[derive(Debug)]
pub struct Recorder {
    id: RunId,
    found_in_doubt: Vec<OrphanedRequests>,
    ops: mpsc::Sender<Op>,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    /// Let go of last, when everything is written.
    _alive: Alive,
}

/// What the recorders of a run's models share with it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) path: PathBuf,
    status: Arc<WriterStatus>,
    slots: Mutex<Slots>,
}

/// Numbers for the requests under way, the smallest possible: the intents then fill few pages.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) free: Vec<u32>,
    next: u32,
    /// The requests of this run that are under way, with how often each is.
    pub(super) keys: HashMap<ContentKey, u32>,
}

impl Slots {
    pub(super) fn take(&mut self, key: ContentKey) -> u32 {
        *self.keys.entry(key).or_default() += 1;
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// A request is under way no more, whatever became of it.
    pub(super) fn leave(&mut self, key: ContentKey) {
        if let Entry::Occupied(mut equal) = self.keys.entry(key) {
            *equal.get_mut() -= 1;
            if *equal.get() == 0 {
                equal.remove();
            }
        }
    }
}

impl Shared {
    pub(super) fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn closed(&self) -> LedgerError {
        self.status.error.get().cloned().unwrap_or_else(|| LedgerError::Closed(self.path.clone()))
    }
}

impl Recorder {
    pub(super) fn begin(path: &Path, command: &str, tool_version: &str) -> Result<Self, LedgerError> {
        let mut connection = schema::open_again(path)?;
        let found_in_doubt = run::mark_dead(&mut connection, path)?;
        let (id, number, alive) = run::begin(&mut connection, path, command, tool_version)?;
        let others = OtherWriters::of(&connection, number).at(path)?;
        let (ops, receiver) = mpsc::channel(QUEUE);
        let status = Arc::new(WriterStatus::default());
        let writer = Writer {
            connection,
            path: path.to_owned(),
            run: number,
            status: status.clone(),
            totals: Totals::default(),
            written: Totals::default(),
            others,
        };
        let builder = std::thread::Builder::new().name("ledger".into());
        let writer = Some(builder.spawn(move || writer.run(receiver)).at(path)?);
        let shared = Arc::new(Shared { path: path.to_owned(), status, slots: Mutex::default() });
        Ok(Self { id, found_in_doubt, ops, shared, writer, _alive: alive })
    }

    /// The name of the run.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Requests of dead runs that may have been paid for without an answer; found by this run, and on record now.
    pub fn found_in_doubt(&self) -> &[OrphanedRequests] {
        &self.found_in_doubt
    }

    /// Prepares to ask a target. Answers that are older than the floor will be replaced.
    pub async fn of_model(&self, target: &Target, floor: Floor) -> Result<ModelRecorder, LedgerError> {
        let target = tell(&self.ops, &self.shared, |ack| Op::Target { target: target.clone(), ack }).await?;
        Ok(ModelRecorder { ops: self.ops.clone(), shared: self.shared.clone(), target, floor })
    }

    /// Returns once everything that was recorded before is kept, or says why it is not.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        tell(&self.ops, &self.shared, |ack| Op::Flush { ack }).await
    }

    /// Ends the run. Also returns which of its requests were given up without knowing what became of them.
    pub async fn finish(mut self) -> Result<(Totals, Vec<OrphanedRequests>), LedgerError> {
        let end = tell(&self.ops, &self.shared, |ack| Op::Finish { ack }).await?;
        // The writer ends with this, and has then closed the file.
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
        Ok(end)
    }

    #[cfg(test)]
    pub(super) fn kill(self) {
        self.shared.status.killed.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The channel closes with its last sender, and then the writer writes what is left and ends.
        let (ops, _) = mpsc::channel(1);
        self.ops = ops;
        // A `ModelRecorder` that outlives its run holds the channel open: to wait for the writer could then take for ever.
        if let Some(writer) = self.writer.take()
            && Arc::strong_count(&self.shared) == 1
        {
            let _ = writer.join();
        }
    }
}

/// Sends an operation to the writer, and waits for its acknowledgement.
pub(super) async fn tell<T>(
    ops: &mpsc::Sender<Op>,
    shared: &Shared,
    op: impl FnOnce(Ack<T>) -> Op,
) -> Result<T, LedgerError> {
    let (ack, answer) = oneshot::channel();
    ops.send(op(ack)).await.map_err(|_| shared.closed())?;
    match answer.await {
        Ok(answer) => answer,
        Err(_) => {
            // Only a writer that ends drops an acknowledgement, and it has said why before it closes the channel.
            ops.closed().await;
            Err(shared.closed())
        }
    }
}
