//! What an evaluation would have to ask: the rows without an answer that counts, and how long they are.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tunebench_data::{Fields, Item, Message, Prompt, TestSet};
use tunebench_providers::CompletionRequest;

use super::tokens::{Learned, Length};
use crate::error::Error;
use crate::evaluate::{EvalTarget, EvaluateError, KnownRows, RequestKeys, RowSet, output_cap};
use crate::ledger::{ContentKey, Floor, KeyFilter, Ledger, LedgerError};

/// Rows looked up in the ledger at once.
const CHUNK: usize = 256;
/// So many answers are looked at. They teach what answers are like; of further rows the filter alone says whether there is an
/// answer, which is wrong for one new row in some ten thousand.
const LOOKED_AT: u64 = 20_000;

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

/// What has been answered already, and who is told which rows that may be.
#[derive(Clone, Copy)]
pub(crate) struct Answered<'a> {
    /// None where there is no ledger yet, or the model has yet to be made.
    pub(crate) ledger: Option<&'a Ledger>,
    /// None where the texts are no test set.
    pub(crate) known_rows: Option<&'a KnownRows>,
    /// Whether all is to be asked anew.
    pub(crate) fresh: bool,
}

/// Counts what is to be asked, row by row; `named` gives the name of each repeat, and `data` tells apart whose answers are
/// wanted fresh.
pub(crate) fn count<'t>(
    candidate: &EvalTarget,
    data: &str,
    texts: impl Fn() -> Result<Texts<'t>, Error>,
    answered: Answered<'_>,
    named: impl Fn(u32) -> String,
    repeats: u32,
) -> Result<Counted, Error> {
    let mut counter = Counter::new(candidate);
    for repeat in 0..repeats {
        let names = RequestKeys::of(&named(repeat), candidate, data, repeat);
        let mut known =
            answered.ledger.map(|ledger| Known::of(ledger, &names, answered.fresh)).transpose()?;
        let look = |chunk: Chunk| {
            let items = chunk.iter().map(|(text, fields)| Item { text, fields: Some(fields) });
            let turns = items.map(|item| turns(candidate, item));
            counter.look(turns, &names, known.as_mut())
        };
        beside_the_reading(texts()?, look)?;
        if let (Some(Known { filter, rows, .. }), Some(known_rows)) = (known, answered.known_rows) {
            known_rows.put(names.scope(), &filter, rows);
        }
    }
    Ok(counter.finish())
}

type Chunk = Vec<(String, Fields)>;

/// Looks at rows, chunk by chunk, on a thread of its own: to read rows takes as long as to look at them.
fn beside_the_reading(
    mut texts: Texts<'_>,
    mut look: impl FnMut(Chunk) -> Result<(), LedgerError> + Send,
) -> Result<(), Error> {
    std::thread::scope(|scope| {
        let (chunks, received) = sync_channel::<Chunk>(2);
        let looking = scope.spawn(move || received.into_iter().try_for_each(&mut look));
        let mut read = || loop {
            let chunk = texts.by_ref().take(CHUNK).collect::<Result<Chunk, _>>()?;
            // Nobody receives any more where a look has failed.
            if chunk.is_empty() || chunks.send(chunk).is_err() {
                return Ok::<_, Error>(());
            }
        };
        let read = read();
        drop(chunks);
        looking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        read
    })
}

/// What the ledger knows of the rows of one evaluation.
struct Known<'a> {
    ledger: &'a Ledger,
    floor: Floor,
    filter: Arc<KeyFilter>,
    /// The rows that it may know.
    rows: RowSet,
    /// How many rows have been seen.
    seen: usize,
}

impl<'a> Known<'a> {
    fn of(ledger: &'a Ledger, names: &RequestKeys, fresh: bool) -> Result<Self, LedgerError> {
        let scope = names.scope();
        let floor = if fresh { ledger.freshened(scope)? } else { ledger.floor(scope)? };
        Ok(Self { ledger, floor, filter: ledger.key_filter()?, rows: RowSet::default(), seen: 0 })
    }

    /// Whether the ledger may know the next row.
    fn may_know_next(&mut self, key: &ContentKey) -> bool {
        let may_know = self.filter.may_hold(key);
        if may_know {
            self.rows.insert(self.seen);
        }
        self.seen += 1;
        may_know
    }

    /// Whether nothing more is learned from a look at an answer.
    fn is_enough(&self, looked_at: u64) -> bool {
        self.floor == Floor::default() && looked_at >= LOOKED_AT
    }
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
        rows: impl Iterator<Item = Vec<Message>>,
        names: &RequestKeys,
        mut known: Option<&mut Known<'_>>,
    ) -> Result<(), LedgerError> {
        let mut doubtful = Vec::new();
        for turns in rows {
            let asked = names.asked(&turns);
            let may_be_known = known.as_deref_mut().is_some_and(|known| known.may_know_next(&asked.key));
            match &known {
                Some(known) if may_be_known && known.is_enough(self.counted.cached) => {
                    self.counted.cached += 1;
                }
                _ if may_be_known => doubtful.push((turns, asked)),
                _ => self.ask(&turns),
            }
        }
        let Some(known) = known.filter(|_| !doubtful.is_empty()) else { return Ok(()) };
        let keys: Vec<_> = doubtful.iter().map(|(_, asked)| asked.key).collect();
        // Answers that are too old to count still tell how long answers are.
        let answers = known.ledger.lookup(&keys, Floor::default())?;
        for ((turns, asked), answer) in doubtful.iter().zip(answers) {
            if let Some(answer) = &answer {
                self.counted.learned.learn(asked.bytes, answer);
            }
            match answer.is_some_and(|answer| known.floor.admits(&answer)) {
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
