//! The ledger as one evaluation uses it.

use std::sync::Arc;

use tunebench_data::Message;
use tunebench_providers::{AnswerMode, ProviderInfo};

use super::EvalTarget;
use super::known_rows::RowSet;
use crate::ledger::{
    ContentKey, Floor, Identity, KeyFilter, KeyPrefix, Ledger, LedgerError, ModelRecorder, Recorder, Scope,
    StoredAnswer, Target,
};

/// A request as the ledger and the limits see it; what is needed for that is rendered once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestKey {
    /// Its name in the ledger.
    pub(crate) key: ContentKey,
    /// How long its messages are.
    pub(crate) bytes: usize,
}

/// An item, the key of its request, and what the ledger has under it.
pub(crate) struct LookedUp<T> {
    pub(crate) item: T,
    pub(crate) asked: RequestKey,
    pub(crate) known: Option<StoredAnswer>,
}

/// The names of an evaluation's requests in the ledger.
#[derive(Clone)]
pub(crate) struct RequestKeys {
    /// With the task, which begins every request; so many bytes long.
    prefix: KeyPrefix,
    task_bytes: usize,
    scope: Scope,
    /// Which of several answers to equal requests is meant.
    repeat: u32,
}

impl RequestKeys {
    /// `name` tells apart what asks the same model differently: with solved examples, or once more. `data` tells apart
    /// whose answers are wanted fresh: the fingerprint of a file.
    pub(crate) fn of(name: &str, candidate: &EvalTarget, data: &str, repeat: u32) -> Self {
        let ProviderInfo { base_url, mut answer_settings, .. } = candidate.provider.info();
        if candidate.prompt.stop().is_none() && candidate.parameters.answer == AnswerMode::Tag {
            // The same messages with a stop sequence are another request.
            answer_settings.push_str(" without a stop sequence");
        }
        let identity = Identity {
            provider: candidate.name.provider(),
            base_url: &base_url,
            model: candidate.name.model(),
            parameters: &*candidate.parameters,
            answer: &answer_settings,
        };
        let task = candidate.prompt.task();
        let prefix = KeyPrefix::new(&identity).expect("parameters are plain data").with_messages(task);
        let task_bytes = task.iter().map(|message| message.content.len()).sum();
        let scope = prefix.scope(&[name.as_bytes(), data.as_bytes()]);
        Self { prefix, task_bytes, scope, repeat }
    }

    /// The name of these rows, as far as fresh answers go.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The key of a request (of its model, parameters and messages), and its size; `turns` is what follows the task.
    pub(crate) fn asked(&self, turns: &[Message]) -> RequestKey {
        let bytes = turns.iter().map(|message| message.content.len()).sum::<usize>();
        RequestKey { key: self.prefix.key(turns, self.repeat), bytes: self.task_bytes + bytes }
    }
}

/// Knows the keys of an evaluation's rows, finds their answers, and keeps new ones.
#[derive(Clone)]
pub struct AnswerCache {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) recorder: ModelRecorder,
    /// How the user names the model.
    pub(super) model: Arc<str>,
    pub(crate) names: RequestKeys,
    pub(crate) filter: Arc<KeyFilter>,
    /// The rows that the ledger may know, where that has been found out.
    pub(crate) known_rows: Option<Arc<RowSet>>,
}

impl AnswerCache {
    /// Opens it for one model. With `fresh`, answers that are there already do not count.
    ///
    /// `name` tells apart what asks the same model differently, `data` whose answers are wanted fresh.
    pub async fn open(
        name: &str,
        ledger: &Arc<Ledger>,
        recorder: &Recorder,
        candidate: &EvalTarget,
        data: &str,
        repeat: u32,
        fresh: bool,
    ) -> Result<Self, LedgerError> {
        let names = RequestKeys::of(name, candidate, data, repeat);
        let floor: Floor = if fresh { ledger.freshen(&names.scope)? } else { ledger.floor(&names.scope)? };
        let target = Target {
            provider: candidate.name.provider().to_owned(),
            base_url: candidate.provider.info().base_url,
            model: candidate.name.model().to_owned(),
        };
        let recorder = recorder.of_model(&target, floor).await?;
        let filter = ledger.key_filter()?;
        let (ledger, model) = (ledger.clone(), candidate.name.to_string().into());
        Ok(Self { ledger, recorder, model, names, filter, known_rows: None })
    }

    /// See [`RequestKeys::asked`].
    pub(crate) fn asked(&self, turns: &[Message]) -> RequestKey {
        self.names.asked(turns)
    }

    /// Whether the ledger perhaps had an answer when this was opened; where not, only another process may have
    /// added one since.
    pub(super) fn may_know(&self, key: &ContentKey) -> bool {
        self.filter.may_hold(key)
    }

    /// What the ledger has for each item; `turns` is what an item's request says after the task.
    pub(crate) fn look_up<T>(
        &self,
        items: Vec<T>,
        turns: impl Fn(&T) -> Vec<Message>,
    ) -> Result<Vec<LookedUp<T>>, LedgerError> {
        let asked: Vec<_> = items.iter().map(|item| self.asked(&turns(item))).collect();
        let keys: Vec<_> = asked.iter().map(|asked| asked.key).collect();
        let known = self.ledger.lookup(&keys, self.recorder.floor())?;
        let all = items.into_iter().zip(asked).zip(known);
        Ok(all.map(|((item, asked), known)| LookedUp { item, asked, known }).collect())
    }

    /// All rows have their answers: what was to be fresh is.
    pub fn settle(&self) -> Result<(), LedgerError> {
        self.ledger.settle(&self.names.scope)
    }
}

#[cfg(all(test, feature = "openai"))]
mod tests {
    use serde_json::json;
    use tunebench_data::{LabelId, LabelSet, Prompt, PromptTemplate};
    use tunebench_providers::{Parameters, Registry, Setup};

    use super::*;
    use crate::evaluate::governor::Limits;
    use crate::shots::Shots;

    /// Answers that were paid for stay known: this key is from a ledger of the first version that had one.
    #[test]
    fn keys_never_change_between_versions() {
        let settings =
            json!({"base_url": "http://127.0.0.1:8801/v1", "api_key_env": "none", "check_models": false});
        let setup = Setup::new("x", settings.as_object().cloned().unwrap(), ".");
        let labels = LabelSet::new(["billing", "delivery", "technical"].map(str::to_owned).to_vec()).unwrap();
        let template =
            PromptTemplate { instruction: "Classify the message.".into(), ..PromptTemplate::default() };
        let candidate = EvalTarget {
            name: "x/m".parse().unwrap(),
            provider: Registry::builtin().create("openai", &setup).unwrap().unwrap(),
            prompt: Arc::new(Prompt::new(template, labels).unwrap()),
            parameters: Arc::new(Parameters::default()),
            shots: Shots::None,
            label_counts: Default::default(),
            concurrency: 1,
            price: None,
            deployed: Default::default(),
            limits: Limits {
                requests_per_minute: None,
                tokens_per_minute: None,
                window: None,
                concurrency: 1,
            },
        };
        let names = RequestKeys::of("x/m", &candidate, "", 0);
        let none = None::<(&str, LabelId)>;
        let key = |text: &str| names.asked(&candidate.prompt.turns(none, text)).key.to_string();
        assert_eq!(
            key("Package 100 has still not come to my door"),
            "cd618ea4b609f9323ee2212cd40e2af543df80b44b8b6d1ff21be6f02a2dd267"
        );
    }
}
