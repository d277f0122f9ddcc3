//! One request of a run: it is claimed before it is sent, and its answer or failure recorded after it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tunebench_data::Latency;
use tunebench_providers::{Completion, ProviderError, Retry};

use super::answer::AnswerRow;
use super::error::LedgerError;
use super::recorder::{Shared, tell};
use super::store::{Floor, now};
use super::writer::{Found, Op};
use super::{ContentKey, StoredAnswer};

/// Records what one model is asked in one run, and what comes of it. Clones share the run.
#[derive(Debug, Clone)]
pub struct ModelRecorder {
    pub(super) ops: mpsc::Sender<Op>,
    pub(super) shared: Arc<Shared>,
    pub(super) target: i64,
    pub(super) floor: Floor,
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

    /// Claims a request without looking whether an answer is there or somebody else asks for it: what the caller has waited
    /// for in vain is then asked once more.
    pub async fn claim_anyway(&self, key: ContentKey) -> Result<Intent, LedgerError> {
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
    /// [`Recorder::flush`](super::Recorder::flush) tells whether it is kept.
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
    /// Its outcome is with the ledger.
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
    /// [`Recorder::flush`](super::Recorder::flush) or [`Recorder::finish`](super::Recorder::finish) tell whether the last ones are.
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
