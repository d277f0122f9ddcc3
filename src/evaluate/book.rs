//! The ledger as one evaluation uses it.

use std::sync::Arc;

use tunebench_data::Message;
use tunebench_providers::CompletionRequest;

use super::Candidate;
use crate::ledger::{
    ContentKey, Floor, Identity, KeyPrefix, Lane, Ledger, LedgerError, Outline, Recorder, Scope,
    StoredAnswer, Target,
};

/// A request as the ledger and the limits see it; what is needed for that is rendered once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Its name in the ledger.
    pub(super) key: ContentKey,
    /// How long its messages are.
    pub(super) bytes: usize,
}

/// Knows the keys of an evaluation's rows, finds their answers, and keeps new ones.
#[derive(Clone)]
pub struct Book {
    ledger: Arc<Ledger>,
    pub(super) lane: Lane,
    /// How the user names the model.
    pub(super) model: Arc<str>,
    /// With the task, which begins every request; so many bytes long.
    prefix: KeyPrefix,
    task_bytes: usize,
    outline: Arc<Outline>,
    scope: Scope,
    /// Which of several answers to equal requests is meant.
    repeat: u32,
}

impl Book {
    /// Opens the pages of one model. With `fresh`, answers that are there already do not count.
    ///
    /// `name` tells apart what asks the same model differently: with solved examples, or once more. `data` tells apart
    /// whose answers are wanted fresh: the fingerprint of a file.
    pub async fn open(
        name: &str,
        ledger: &Arc<Ledger>,
        recorder: &Recorder,
        candidate: &Candidate,
        data: &str,
        repeat: u32,
        fresh: bool,
    ) -> Result<Self, LedgerError> {
        let base_url = candidate.provider.base_url();
        let answer_settings = candidate.provider.answer_settings();
        let identity = Identity {
            provider: candidate.name.provider(),
            base_url: &base_url,
            model: candidate.name.model(),
            parameters: &*candidate.parameters,
            answer: &answer_settings,
        };
        let task =
            CompletionRequest::new(candidate.name.model().into(), candidate.prompt.clone(), "").messages();
        let task = &task[..1];
        let prefix = KeyPrefix::new(&identity).expect("parameters are plain data").with_messages(task);
        let task_bytes = task[0].content.len();
        let scope = prefix.scope(&[name.as_bytes(), data.as_bytes()]);
        let floor: Floor = if fresh { ledger.freshen(&scope)? } else { ledger.floor(&scope)? };
        let (provider, model) = (candidate.name.provider().to_owned(), candidate.name.model().to_owned());
        let lane = recorder.lane(&Target { provider, base_url, model }, floor).await?;
        let outline = Arc::new(ledger.outline()?);
        let (ledger, model) = (ledger.clone(), candidate.name.to_string().into());
        Ok(Self { ledger, lane, model, prefix, task_bytes, outline, scope, repeat })
    }

    /// The key of a request (of its model, parameters and messages), and its size; `turns` is what follows the task.
    pub(super) fn asked(&self, turns: &[Message]) -> Asked {
        let bytes = turns.iter().map(|message| message.content.len()).sum::<usize>();
        Asked { key: self.prefix.key(turns, self.repeat), bytes: self.task_bytes + bytes }
    }

    /// Whether the ledger perhaps had an answer when the book was opened; where not, only another process may have
    /// added one since.
    pub(super) fn may_know(&self, key: &ContentKey) -> bool {
        self.outline.may_hold(key)
    }

    pub(super) fn lookup(&self, keys: &[ContentKey]) -> Result<Vec<Option<StoredAnswer>>, LedgerError> {
        self.ledger.lookup(keys, self.lane.floor())
    }

    /// All rows have their answers: what was to be fresh is.
    pub fn settle(&self) -> Result<(), LedgerError> {
        self.ledger.settle(&self.scope)
    }
}
