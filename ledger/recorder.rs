//! A run as the evaluator sees it: intents before requests, answers after them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};
use tunebench_providers::{Completion, ProviderError, Retry};
use tunebench_reports::Latency;

use super::answer::AnswerRow;
use super::error::{At, LedgerError};
use super::run::{self, Alive, OrphanedRequests, RunId, Totals};
use super::store::{Floor, Target, now};
use super::writer::{Ack, Found, Op, OtherWriters, Writer, WriterStatus};
use super::{ContentKey, StoredAnswer, schema};

/// What may wait for the writer. Who finds it full waits too, so memory stays bounded.
const QUEUE: usize = 4096;

/// A run that is under way: the only way to add answers to a ledger.
///
/// Dropping it keeps what was told so far, but only [`finish`](Self::finish) marks the run as ended.
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

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    fate: Arc<WriterStatus>,
    slots: Mutex<Slots>,
}

/// Numbers for the requests under way, the smallest possible: the intents then fill few pages.
#[derive(Debug, Default)]
struct Slots {
    free: Vec<u32>,
    next: u32,
    /// The requests of this run that are under way, with how often each is.
    keys: HashMap<ContentKey, u32>,
}

impl Slots {
    fn take(&mut self, key: ContentKey) -> u32 {
        *self.keys.entry(key).or_default() += 1;
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// A request is under way no more, whatever became of it.
    fn leave(&mut self, key: ContentKey) {
        if let Entry::Occupied(mut equal) = self.keys.entry(key) {
            *equal.get_mut() -= 1;
            if *equal.get() == 0 {
                equal.remove();
            }
        }
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed(&self) -> LedgerError {
        self.fate.error.get().cloned().unwrap_or_else(|| LedgerError::Closed(self.path.clone()))
    }
}

impl Recorder {
    pub(super) fn begin(path: &Path, command: &str, tool_version: &str) -> Result<Self, LedgerError> {
        let mut connection = schema::open(path)?;
        let found_in_doubt = run::mark_dead(&mut connection, path)?;
        let (id, number, alive) = run::begin(&mut connection, path, command, tool_version)?;
        let company = OtherWriters::of(&connection, number).at(path)?;
        let (ops, receiver) = mpsc::channel(QUEUE);
        let fate = Arc::new(WriterStatus::default());
        let writer = Writer {
            connection,
            path: path.to_owned(),
            run: number,
            fate: fate.clone(),
            totals: Totals::default(),
            written: Totals::default(),
            company,
        };
        let builder = std::thread::Builder::new().name("ledger".into());
        let writer = Some(builder.spawn(move || writer.run(receiver)).at(path)?);
        let shared = Arc::new(Shared { path: path.to_owned(), fate, slots: Mutex::default() });
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

    /// Returns once everything that was told before is kept, or says why it is not.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        tell(&self.ops, &self.shared, |ack| Op::Flush { ack }).await
    }

    /// Ends the run. Also tells which of its requests were given up without knowing what became of them.
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
        self.shared.fate.killed.store(true, std::sync::atomic::Ordering::SeqCst);
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

/// What asks one target in one run. Clones share the run.
#[derive(Debug, Clone)]
pub struct ModelRecorder {
    ops: mpsc::Sender<Op>,
    shared: Arc<Shared>,
    target: i64,
    floor: Floor,
}

impl ModelRecorder {
    /// From when on answers count for this model.
    pub fn floor(&self) -> Floor {
        self.floor
    }

    /// To be awaited before a request is sent. When it returns [`Claim::Open`], the intent is kept, and so is every
    /// answer that was given to the ledger before.
    ///
    /// An error means that nothing more can be kept: then nothing more may be asked.
    pub async fn claim(&self, key: ContentKey) -> Result<Claim, LedgerError> {
        let slot = {
            let mut slots = self.shared.slots();
            if slots.keys.contains_key(&key) {
                return Ok(Claim::UnderWay);
            }
            slots.take(key)
        };
        match self.announce(key, slot, false).await? {
            (intent, Found::Nothing) => Ok(Claim::Open(intent.opened())),
            (intent, found) => {
                intent.needless();
                self.claimed(found, &key)
            }
        }
    }

    /// The same, whoever else may be asking, and whatever there is.
    pub async fn intend(&self, key: ContentKey) -> Result<Intent, LedgerError> {
        let slot = self.shared.slots().take(key);
        let (intent, _) = self.announce(key, slot, true).await?;
        Ok(intent.opened())
    }

    /// What has become of a request that was under way: still [`Claim::UnderWay`], or [`Claim::Answered`], or none.
    pub async fn look(&self, key: ContentKey) -> Result<Option<Claim>, LedgerError> {
        if self.shared.slots().keys.contains_key(&key) {
            return Ok(Some(Claim::UnderWay));
        }
        let floor = self.floor.0;
        match tell(&self.ops, &self.shared, |ack| Op::Find { floor, key, ack }).await? {
            Found::Nothing => Ok(None),
            found => self.claimed(found, &key).map(Some),
        }
    }

    /// Keeps an answer to a request that a batch has asked, at this time; that it was under way is the batch's own record.
    ///
    /// [`Recorder::flush`] tells whether it is kept.
    pub async fn keep(
        &self,
        key: ContentKey,
        completion: &Completion,
        asked: i64,
    ) -> Result<(), LedgerError> {
        let answer = Box::new(AnswerRow::new(completion, None, asked.max(self.floor.0)));
        let op = Op::Answer { target: self.target, floor: self.floor.0, key, answer };
        self.ops.send(op).await.map_err(|_| self.shared.closed())
    }

    async fn announce(
        &self,
        key: ContentKey,
        slot: u32,
        anyway: bool,
    ) -> Result<(Intent, Found), LedgerError> {
        let intent = Intent { recorder: self.clone(), key, slot, asked: 0, state: State::Announced };
        let (target, floor) = (self.target, self.floor.0);
        let op = |ack| Op::Intend { slot, target, floor, key, anyway, ack };
        let found = tell(&self.ops, &self.shared, op).await?;
        Ok((intent, found))
    }

    fn claimed(&self, found: Found, key: &ContentKey) -> Result<Claim, LedgerError> {
        match found {
            Found::Answer(Some(answer)) => Ok(Claim::Answered(answer)),
            Found::Answer(None) => Err(LedgerError::altered(&self.shared.path, key)),
            Found::InBatch => Ok(Claim::InBatch),
            Found::UnderWay | Found::Nothing => Ok(Claim::UnderWay),
        }
    }
}

/// Whether a request may be sent.
#[derive(Debug)]
pub enum Claim {
    /// It may.
    Open(Intent),
    /// It need not: its answer has come since it was looked up, to this run or to another.
    Answered(Box<StoredAnswer>),
    /// Someone else waits for the answer to an equal request, in this run or in another that is alive. What becomes of
    /// it, [`ModelRecorder::look`] tells.
    UnderWay,
    /// It is in a batch that is under way.
    InBatch,
}

/// A request that may be sent now, and whose outcome the ledger is to be told.
///
/// Dropped without that, it stays open, and counts as one that may have been paid for without an answer.
#[derive(Debug)]
#[must_use = "the ledger is to be told what became of the request"]
pub struct Intent {
    recorder: ModelRecorder,
    key: ContentKey,
    slot: u32,
    asked: i64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// On its way to the ledger: nothing can have been sent.
    Announced,
    /// Sent, for all we know.
    Open,
    /// Told.
    Closed,
}

impl Intent {
    fn opened(mut self) -> Self {
        // No clock may make an answer older than the floor that it was asked for.
        self.asked = now().max(self.recorder.floor.0);
        self.state = State::Open;
        self
    }

    /// The writer has not taken it down.
    fn needless(mut self) {
        self.state = State::Closed;
        self.recorder.shared.slots().free.push(self.slot);
    }

    /// The answer has come. Returns once the writer has it: it is kept before the next intent of this run is.
    ///
    /// [`Recorder::flush`] or [`Recorder::finish`] tell whether the last ones are.
    pub async fn answered(mut self, completion: &Completion, latency: Latency) -> Result<(), LedgerError> {
        let answer = Box::new(AnswerRow::new(completion, Some(latency), self.asked));
        let ModelRecorder { target, floor, .. } = self.recorder;
        let op = Op::Answer { target, floor: floor.0, key: self.key, answer };
        self.close(op).await
    }

    /// The attempt has failed. To try again takes another intent.
    pub async fn failed(mut self, error: &ProviderError) -> Result<(), LedgerError> {
        let retryable = error.retry != Retry::Never;
        let op = Op::Fail {
            slot: self.slot,
            target: self.recorder.target,
            cause: error.cause.name().to_owned(),
            retryable,
        };
        self.close(op).await
    }

    /// The request was not sent.
    pub async fn withdraw(mut self) -> Result<(), LedgerError> {
        let op = Op::Withdraw { slot: self.slot };
        self.close(op).await
    }

    async fn close(&mut self, op: Op) -> Result<(), LedgerError> {
        self.recorder.ops.send(op).await.map_err(|_| self.recorder.shared.closed())?;
        self.state = State::Closed;
        // Only now: whoever takes the slot next must be told to the writer after this.
        self.recorder.shared.slots().free.push(self.slot);
        Ok(())
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        self.recorder.shared.slots().leave(self.key);
        // If the queue is full the intent stays open: a request too many in doubt, never one too few.
        if self.state == State::Announced
            && self.recorder.ops.try_send(Op::Withdraw { slot: self.slot }).is_ok()
        {
            self.recorder.shared.slots().free.push(self.slot);
        }
    }
}

async fn tell<T>(
    ops: &mpsc::Sender<Op>,
    shared: &Shared,
    op: impl FnOnce(Ack<T>) -> Op,
) -> Result<T, LedgerError> {
    let (ack, told) = oneshot::channel();
    ops.send(op(ack)).await.map_err(|_| shared.closed())?;
    match told.await {
        Ok(told) => told,
        Err(_) => {
            // Only a writer that ends drops an acknowledgement, and it has said why before it closes the channel.
            ops.closed().await;
            Err(shared.closed())
        }
    }
}
