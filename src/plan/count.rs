//! What an evaluation would have to ask: the rows without an answer that counts, and how long they are.

use tunebench_data::{Fields, Item, Message, Prompt, TestSet};
use tunebench_providers::CompletionRequest;

use super::tokens::{Learned, Length};
use crate::error::Error;
use crate::evaluate::{EvalTarget, EvaluateError, RequestKeys, output_cap};
use crate::ledger::{Floor, Ledger, LedgerError};

/// Rows looked up in the ledger at once.
const CHUNK: usize = 256;

/// The requests of one model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    /// Rows to be asked about, each as often as it is to be.
    pub(crate) requests: u64,
    /// Answers that are there.
    pub(super) cached: u64,
    /// Of all messages that are to be sent.
    pub(super) length: Length,
    /// Their tokens, where the model's vocabulary is here.
    pub(super) tokens: Option<u64>,
    /// What the answers that are there say, also those that do not count any more.
    pub(super) learned: Learned,
}

/// Texts that a model is to be asked about, with other columns of their rows, in one pass.
pub(crate) type Texts<'a> = Box<dyn Iterator<Item = Result<(String, Fields), Error>> + 'a>;

/// The texts of a test set.
pub(crate) fn texts(test: &TestSet) -> Result<Texts<'_>, Error> {
    let examples = test.examples().map_err(EvaluateError::from)?;
    Ok(Box::new(examples.map(|example| {
        let example = example.map_err(EvaluateError::from)?;
        Ok((example.text, example.fields))
    })))
}

/// Counts what is to be asked, row by row; `named` gives the name of each repeat, and `data` tells apart whose answers are
/// wanted fresh.
pub(crate) fn count<'t>(
    candidate: &EvalTarget,
    data: &str,
    texts: impl Fn() -> Result<Texts<'t>, Error>,
    ledger: Option<&Ledger>,
    named: impl Fn(u32) -> String,
    repeats: u32,
    fresh: bool,
) -> Result<Counted, Error> {
    let mut counter = Counter::new(candidate);
    for repeat in 0..repeats {
        let names = RequestKeys::of(&named(repeat), candidate, data, repeat);
        let floor = match ledger {
            Some(ledger) if fresh => ledger.freshened(names.scope())?,
            Some(ledger) => ledger.floor(names.scope())?,
            None => Floor::default(),
        };
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut texts = texts()?;
        loop {
            chunk.clear();
            for text in texts.by_ref().take(CHUNK) {
                let (text, fields) = text?;
                chunk.push(turns(candidate, Item { text: &text, fields: Some(&fields) }));
            }
            if chunk.is_empty() {
                break;
            }
            counter.look(&chunk, &names, floor, ledger)?;
        }
    }
    Ok(counter.finish())
}

/// What the request about an item says after the task.
fn turns(candidate: &EvalTarget, item: Item<'_>) -> Vec<Message> {
    let shots = candidate.shots.before(item.text);
    candidate.prompt.turns(shots.items(), item)
}

struct Counter<'a> {
    candidate: &'a EvalTarget,
    counted: Counted,
    task: Length,
    /// The tokens of the task, and of what comes with every request.
    task_tokens: Option<u64>,
}

impl<'a> Counter<'a> {
    fn new(candidate: &'a EvalTarget) -> Self {
        let messages = candidate.prompt.render("");
        let common = candidate.prompt.task();
        let task =
            common.iter().map(|message| Length::of(&message.content)).fold(Length::default(), Length::plus);
        let tokens = |messages| candidate.provider.count_tokens(candidate.name.model(), messages);
        let rest = tokens(&messages[common.len()..]);
        let task_tokens = tokens(&messages).zip(rest).map(|(all, rest)| all.saturating_sub(rest));
        let counted = Counted { tokens: task_tokens.map(|_| 0), ..Counted::default() };
        Self { candidate, counted, task, task_tokens }
    }

    fn look(
        &mut self,
        rows: &[Vec<Message>],
        names: &RequestKeys,
        floor: Floor,
        ledger: Option<&Ledger>,
    ) -> Result<(), LedgerError> {
        let asked: Vec<_> = rows.iter().map(|turns| names.asked(turns)).collect();
        let keys: Vec<_> = asked.iter().map(|asked| asked.key).collect();
        let answers = match ledger {
            // Answers that are too old to count still tell how long answers are.
            Some(ledger) => ledger.lookup(&keys, Floor::default())?,
            None => vec![None; rows.len()],
        };
        for ((turns, asked), answer) in rows.iter().zip(asked).zip(answers) {
            if let Some(answer) = &answer {
                self.counted.learned.learn(asked.bytes, answer);
            }
            match answer.is_some_and(|answer| floor.admits(&answer)) {
                true => self.counted.cached += 1,
                false => self.ask(turns),
            }
        }
        Ok(())
    }

    fn ask(&mut self, turns: &[Message]) {
        self.counted.requests += 1;
        turns.iter().for_each(|turn| self.counted.length.add(&turn.content));
        let EvalTarget { provider, name, .. } = self.candidate;
        let tokens = self.task_tokens.zip(provider.count_tokens(name.model(), turns));
        self.counted.tokens = self.counted.tokens.zip(tokens).map(|(sum, (task, turns))| sum + task + turns);
    }

    fn finish(self) -> Counted {
        let Self { mut counted, task, .. } = self;
        counted.length = counted.length.plus(task.times(counted.requests));
        counted
    }
}

/// The most tokens that an answer of a model may have, and the length of its usual answer.
pub(super) fn answer(candidate: &EvalTarget) -> (u64, Length) {
    let request = CompletionRequest::new(candidate.name.model().into(), candidate.prompt.clone(), "")
        .parameters(candidate.parameters.clone());
    let cap = output_cap(candidate, &request);
    (cap, usual_answer(&candidate.prompt))
}

/// The answer that names the label whose name is the longest but for half of them.
fn usual_answer(prompt: &Prompt) -> Length {
    let mut answers: Vec<_> = prompt.labels().iter().map(|(label, _)| prompt.answer(label)).collect();
    answers.sort_by_key(String::len);
    answers.get(answers.len() / 2).map(|answer| Length::of(answer)).unwrap_or_default()
}
