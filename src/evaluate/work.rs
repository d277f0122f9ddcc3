//! The evaluation under way: rows are drawn by one or more lanes, answers come back in any order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::OnceCell;
use tunebench_data::{Example, ExampleId, LabelId, Message, TestSet};
use tunebench_providers::{Completion, CompletionRequest, ModelInfo, Retry, Usage};
use tunebench_reports::{Answer, Latency, Outcome, Prediction, UnansweredKind};

use super::ask::{Failure, ask};
use super::breaker::Breaker;
use super::rows::{Drawn, Row, Rows};
use super::{Answers, Candidate, EvaluateError, Halt, Means, Tally, outcome};

/// How often the observer is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// After how many rows that need no request the requests under way get their turn.
const YIELD_EVERY: u64 = 256;
/// How many invalid answers are kept to be shown, and how much of each.
const SAMPLES: usize = 3;
const SAMPLE_CHARS: usize = 120;

pub(super) struct Work {
    candidate: Candidate,
    /// The model's own name, shared by all requests.
    model: Arc<str>,
    means: Means,
    rows: Mutex<Rows>,
    found: Mutex<Answers>,
    /// When the observer was last told.
    told: Mutex<Instant>,
    breaker: Breaker,
    /// What the provider knows of the model; asked for before the first request, and not at all without one.
    info: OnceCell<Option<ModelInfo>>,
    observe: Box<dyn Fn(&Tally) + Send + Sync>,
}

impl Work {
    pub(super) fn new(
        candidate: Candidate,
        test: &TestSet,
        means: Means,
        observe: Box<dyn Fn(&Tally) + Send + Sync>,
    ) -> Result<Self, EvaluateError> {
        let answers = Answers {
            predictions: vec![unanswered(ExampleId(0), LabelId(0), UnansweredKind::NotAsked); test.len()],
            tally: Tally { total: test.len(), ..Tally::default() },
            info: None,
            answered_by: Default::default(),
            usage: Usage::default(),
            notes: Default::default(),
            invalid_samples: Vec::new(),
            failures: None,
            halted_by: None,
        };
        Ok(Self {
            rows: Mutex::new(Rows::new(test.examples()?)),
            found: Mutex::new(answers),
            told: Mutex::new(Instant::now()),
            breaker: Breaker::default(),
            info: OnceCell::new(),
            model: candidate.name.model().into(),
            candidate,
            means,
            observe,
        })
    }

    /// Answers rows until there are none, `in_flight` at once.
    pub(super) async fn lane(&self, in_flight: usize) {
        // So many that each take one row after the other: a future for each row would be made and moved for each.
        let total = lock(&self.found).tally.total;
        let askers = (0..in_flight.min(total)).map(|_| async {
            while let Some(row) = self.next_unknown().await {
                self.answer(row).await;
            }
        });
        askers.collect::<FuturesUnordered<_>>().for_each(|()| std::future::ready(())).await;
    }

    /// The next row that has to be asked about; those that the ledger knows are dealt with on the way, also when no
    /// more can be asked.
    async fn next_unknown(&self) -> Option<Box<Row>> {
        for done in 1u64.. {
            if self.means.cancel.requested() {
                return None;
            }
            let mut turn = done % YIELD_EVERY == 0;
            match self.draw() {
                Drawn::End => return None,
                Drawn::Later => turn = true,
                Drawn::Row(mut row) => match row.known.take() {
                    Some(known) => self.record_completion(&row, known.completion, known.latency, true),
                    None if lock(&self.found).halted_by.is_some() => self.not_asked(&row),
                    None => return Some(row),
                },
            }
            if turn {
                // Others may have an answer to take, or the user may want the end.
                tokio::task::yield_now().await;
            }
        }
        None
    }

    fn draw(&self) -> Drawn {
        let mut rows = lock(&self.rows);
        match &self.means.book {
            Some(book) => rows.draw_known(book, |example| self.turns(&example.text)),
            None => rows.draw(),
        }
    }

    /// What the request about a text says after the task.
    fn turns(&self, text: &str) -> Vec<Message> {
        let shots = self.candidate.shots.before(text);
        self.candidate.prompt.turns(shots.iter().map(|(text, label)| (text.as_str(), *label)), text)
    }

    fn request(&self, example: &Example) -> CompletionRequest {
        let Candidate { prompt, parameters, shots, label_counts, .. } = &self.candidate;
        CompletionRequest::new(self.model.clone(), prompt.clone(), example.text.as_str())
            .shots(shots.before(&example.text))
            .parameters(parameters.clone())
            .label_counts(label_counts.clone())
    }

    async fn answer(&self, row: Box<Row>) {
        if let Err(halt) = self.know_model().await {
            lock(&self.found).halted_by.get_or_insert(halt);
        }
        if lock(&self.found).halted_by.is_some() {
            return self.not_asked(&row);
        }
        let request = self.request(&row.example);
        let failed = |kind| unanswered(row.example.id, row.example.label, kind);
        match ask(&self.candidate, &self.means, row.example.id.0, &request, row.asked).await {
            Ok((completion, latency)) => {
                self.breaker.answered();
                self.record_completion(&row, completion, latency, false);
            }
            Err(Failure::Provider(error)) => {
                if self.breaker.failed(&error) {
                    lock(&self.found).halted_by.get_or_insert_with(|| Halt::Provider(error.clone()));
                }
                self.record(&row, failed(outcome::of_error(&error)));
                let failures = &mut lock(&self.found).failures;
                failures.get_or_insert((0, error)).0 += 1;
            }
            Err(Failure::Halted(halt)) => {
                let kind = match halt {
                    Halt::Budget(_) => UnansweredKind::Budget,
                    Halt::Provider(_) | Halt::Ledger(_) => UnansweredKind::NotAsked,
                };
                lock(&self.found).halted_by.get_or_insert(halt);
                self.record(&row, failed(kind));
            }
            Err(Failure::Cancelled) => self.record(&row, failed(UnansweredKind::NotAsked)),
        }
    }

    /// A model that does not exist, or a missing key, is told before the first row is paid for.
    async fn know_model(&self) -> Result<(), Halt> {
        let ask = || async {
            match self.candidate.provider.model_info(self.candidate.name.model()).await {
                Ok(info) => Ok(Some(info)),
                Err(error) if error.retry == Retry::Never => Err(Halt::Provider(error)),
                // A provider that is not reached for this may be for the rows, with repeats.
                Err(_) => Ok(None),
            }
        };
        self.info.get_or_try_init(ask).await.map(|_| ())
    }

    fn record_completion(&self, row: &Row, completion: Completion, latency: Latency, known: bool) {
        let Candidate { prompt, parameters, .. } = &self.candidate;
        let answer = outcome::of_completion(prompt, parameters.answer, &completion);
        let probability = outcome::probability(answer, &completion);
        let (id, gold) = (row.example.id, row.example.label);
        lock(&self.found).note(answer, completion, known);
        self.record(row, Prediction { id, gold, answer, probability, latency: Some(latency) });
    }

    fn not_asked(&self, row: &Row) {
        self.record(row, unanswered(row.example.id, row.example.label, UnansweredKind::NotAsked));
    }

    fn record(&self, row: &Row, prediction: Prediction) {
        let mut found = lock(&self.found);
        if let Some(slot) = found.predictions.get_mut(row.index) {
            *slot = prediction;
        }
        if prediction.answer == Answer::Unanswered(UnansweredKind::NotAsked) {
            return;
        }
        found.tally.count(prediction.outcome());
        let mut told = lock(&self.told);
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            found.tally.spent = self.means.budget.so_far().cost;
            (self.observe)(&found.tally);
        }
    }

    /// What was found, once all lanes have ended. Rows that were not handed out are read for their ids.
    pub(super) fn finish(self, test: &TestSet) -> Result<Answers, EvaluateError> {
        let mut rows = self.rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut answers = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let read = match rows.read_whole()? {
            Some(read) => read,
            None => rows.each(|Row { index, example, .. }| match answers.predictions.get_mut(index) {
                Some(slot) if slot.answer == Answer::Unanswered(UnansweredKind::NotAsked) => {
                    *slot = unanswered(example.id, example.label, UnansweredKind::NotAsked);
                }
                _ => {}
            })?,
        };
        if read != test.len() {
            return Err(EvaluateError::Changed(test.source().path.display().to_string()));
        }
        answers.info = self.info.into_inner().flatten();
        answers.tally.spent = self.means.budget.so_far().cost;
        (self.observe)(&answers.tally);
        Ok(answers)
    }
}

impl Answers {
    fn note(&mut self, answer: Answer, completion: Completion, known: bool) {
        if let Some(version) = completion.model_version {
            match self.answered_by.get_mut(&version) {
                Some(count) => *count += 1,
                None => _ = self.answered_by.insert(version, 1),
            }
        }
        if let Some(usage) = completion.usage {
            self.usage.input += usage.input;
            self.usage.output += usage.output;
        }
        self.tally.known += usize::from(known);
        self.notes.extend(completion.note);
        let text = completion.text.trim();
        let samples = &mut self.invalid_samples;
        if matches!(answer, Answer::Invalid(_)) && samples.len() < SAMPLES && !text.is_empty() {
            samples.push(text.chars().take(SAMPLE_CHARS).collect());
        }
    }
}

impl Tally {
    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Correct => &mut self.correct,
            Outcome::Incorrect => &mut self.incorrect,
            Outcome::Invalid => &mut self.invalid,
            Outcome::Unanswered => &mut self.unanswered,
        } += 1;
    }
}

fn unanswered(id: ExampleId, gold: LabelId, kind: UnansweredKind) -> Prediction {
    Prediction { id, gold, answer: Answer::Unanswered(kind), probability: None, latency: None }
}

/// A lane that panicked elsewhere leaves what it had written whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
