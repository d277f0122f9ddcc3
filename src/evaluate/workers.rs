//! The evaluation under way: rows are drawn by one or more workers, answers come back in any order.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tunebench_data::{Columns, Example, ExampleId, LabelId, TestSet};
use tunebench_providers::{Completion, Usage};
use tunebench_reports::{Answer, Outcome, Prediction, Predictions, RowDetails, UnansweredKind, bounded};

use super::ask::Answered;
use super::model_client::{ModelClient, Unanswered};
use super::rows::{NextRow, Row, Rows};
use super::{Answers, EvalContext, EvalProgress, EvalTarget, EvaluateError, Keep, KeptRows, outcome};
use crate::budget::Cost;

/// How often the observer is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// After how many rows that need no request the requests under way get their turn.
const YIELD_EVERY: u64 = 256;
/// How many invalid answers are kept to be shown, and how much of each.
const SAMPLES: usize = 3;
const SAMPLE_CHARS: usize = 120;

pub(super) struct EvaluationRun {
    client: ModelClient,
    rows: Mutex<Rows>,
    /// Held by the one that draws rows: while many that are known are dealt with, the requests under way wait for no others.
    drawing: tokio::sync::Mutex<()>,
    found: Mutex<Answers>,
    /// When the observer was last told.
    told: Mutex<Instant>,
    /// What the command had spent before, with other models.
    before: Cost,
    observe: Box<dyn Fn(&EvalProgress) + Send + Sync>,
    /// Whether texts may be kept.
    texts: bool,
    /// The column of the groups, which has its place among the figures.
    group: Option<String>,
}

impl EvaluationRun {
    pub(super) fn new(
        candidate: EvalTarget,
        test: &TestSet,
        context: EvalContext,
        keep: &Keep,
        observe: Box<dyn Fn(&EvalProgress) + Send + Sync>,
    ) -> Result<Self, EvaluateError> {
        // A prompt has what it shows; without such a wish, predictions get all there is.
        let columns = match &test.source().fields {
            Columns::None if keep.texts => Columns::All,
            shown => shown.clone(),
        };
        let answers = Answers {
            predictions: Predictions::not_asked(test.len()),
            tally: EvalProgress { total: test.len(), ..EvalProgress::default() },
            info: None,
            answered_by: Default::default(),
            usage: Usage::default(),
            notes: Default::default(),
            invalid_samples: Vec::new(),
            in_batches: 0,
            failures: None,
            aborted_by: None,
            kept: KeptRows::new(&keep.folder, test.len())?,
            not_kept: None,
        };
        let known = context.route.cache().and_then(|cache| cache.known_rows.clone());
        Ok(Self {
            rows: Mutex::new(Rows::new(test.carrying(columns).examples()?, known)),
            drawing: tokio::sync::Mutex::default(),
            found: Mutex::new(answers),
            told: Mutex::new(Instant::now()),
            before: context.budget.so_far().cost,
            client: ModelClient::new(candidate, context),
            observe,
            texts: keep.texts,
            group: test.source().group.clone(),
        })
    }

    /// Answers rows until there are none, `in_flight` at once.
    pub(super) async fn worker(&self, in_flight: usize) {
        // So many that each take one row after the other: a future for each row would be made and moved for each.
        let total = lock(&self.found).tally.total;
        let workers = (0..in_flight.min(total)).map(|_| async {
            while let Some(row) = self.next_unknown().await {
                self.answer(row).await;
            }
        });
        workers.collect::<FuturesUnordered<_>>().for_each(|()| std::future::ready(())).await;
    }

    /// The next row that has to be asked about; those that the ledger knows are dealt with on the way, also when no
    /// more can be asked.
    async fn next_unknown(&self) -> Option<Box<Row>> {
        let _drawing = self.drawing.lock().await;
        for done in 1u64.. {
            if self.client.context.cancel.requested() || lock(&self.found).not_kept.is_some() {
                return None;
            }
            let mut turn = done % YIELD_EVERY == 0;
            match self.draw() {
                NextRow::End => return None,
                NextRow::Later => turn = true,
                NextRow::Row(mut row) => match row.known.take() {
                    Some(known) => self.record_answer(&row, known.into()),
                    None if self.client.aborted().is_some() => self.not_asked(&row),
                    None => match self.client.not_now(row.asked) {
                        Some(kind) => self.without_answer(&row, kind),
                        None => return Some(row),
                    },
                },
            }
            if turn {
                // Others may have an answer to take, or the user may want the end.
                tokio::task::yield_now().await;
            }
        }
        None
    }

    fn draw(&self) -> NextRow {
        let mut rows = lock(&self.rows);
        match self.client.context.route.cache() {
            Some(cache) => rows.draw_known(cache, |example| self.client.turns(example.into())),
            None => rows.draw(),
        }
    }

    async fn answer(&self, row: Box<Row>) {
        match self.client.ask(row.example.id.0, (&row.example).into(), row.asked).await {
            Ok(answered) => self.record_answer(&row, answered),
            Err(Unanswered { kind, error }) => {
                self.without_answer(&row, kind);
                if let Some(error) = error {
                    lock(&self.found).failures.get_or_insert((0, error)).0 += 1;
                }
            }
        }
    }

    fn record_answer(&self, row: &Row, Answered { completion, latency, known }: Answered) {
        let (answer, probability) = self.client.read(&completion);
        let (id, gold) = (row.example.id, row.example.label);
        let gold_probability = outcome::of_all(gold, &completion);
        let mut details = self.of_row(&row.example);
        if let Some(usage) = completion.usage {
            // Where the machine is paid for, no single answer has a price.
            let candidate = &self.client.candidate;
            let price = candidate.price.as_ref().filter(|_| !candidate.must_be_deployed());
            details.cost_usd = price.and_then(|price| price.of(usage)).map(Cost::dollars);
            (details.input_tokens, details.output_tokens) = (Some(usage.input), Some(usage.output));
        }
        details.model_version.clone_from(&completion.model_version);
        details.answer = self.texts.then(|| bounded(&completion.text));
        self.keep(row.index, &details);
        lock(&self.found).note(answer, completion, known);
        self.record(row, Prediction { id, gold, answer, probability, gold_probability, latency });
    }

    /// What is known of a row before it is asked about.
    fn of_row(&self, example: &Example) -> RowDetails {
        let group = self.group.as_deref();
        let own = example.fields.iter().filter(|(name, _)| self.texts && Some(*name) != group);
        let fields = own.map(|(name, value)| (name.to_owned(), bounded(value))).collect();
        RowDetails { line: example.line, fields, ..RowDetails::default() }
    }

    /// The first failure ends the evaluation, once what is under way is in the ledger.
    fn keep(&self, index: usize, details: &RowDetails) {
        let mut found = lock(&self.found);
        if let Err(error) = found.kept.put(index, details) {
            found.not_kept.get_or_insert(error);
        }
    }

    fn not_asked(&self, row: &Row) {
        self.without_answer(row, UnansweredKind::NotAsked);
    }

    fn without_answer(&self, row: &Row, kind: UnansweredKind) {
        self.keep(row.index, &self.of_row(&row.example));
        self.record(row, unanswered(row.example.id, row.example.label, kind));
    }

    fn record(&self, row: &Row, prediction: Prediction) {
        let mut found = lock(&self.found);
        found.predictions.set(row.index, prediction);
        if prediction.answer == Answer::Unanswered(UnansweredKind::NotAsked) {
            return;
        }
        found.tally.count(prediction.outcome());
        let mut told = lock(&self.told);
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            found.tally.spent = self.spent();
            (self.observe)(&found.tally);
        }
    }

    fn spent(&self) -> Cost {
        self.client.context.budget.so_far().cost.minus(self.before)
    }

    /// What was found, once all workers have ended. Rows that were not handed out are read for their ids.
    pub(super) fn finish(self, test: &TestSet) -> Result<Answers, EvaluateError> {
        let spent = self.spent();
        let mut rows = self.rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut answers = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let read = match rows.read_whole()? {
            Some(read) => read,
            None => rows.each(|Row { index, example, .. }| {
                let known = answers.predictions.get(index).map(|row| row.answer);
                if known == Some(Answer::Unanswered(UnansweredKind::NotAsked)) {
                    let not_asked = unanswered(example.id, example.label, UnansweredKind::NotAsked);
                    answers.predictions.set(index, not_asked);
                }
            })?,
        };
        if read != test.len() {
            return Err(EvaluateError::Changed(test.source().path.display().to_string()));
        }
        answers.tally.spent = spent;
        answers.in_batches = self.client.left_to_batches.load(Ordering::Relaxed);
        (answers.info, answers.aborted_by) = self.client.into_parts();
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
            self.usage = self.usage.plus(usage);
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

impl EvalProgress {
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
    Prediction {
        id,
        gold,
        answer: Answer::Unanswered(kind),
        probability: None,
        gold_probability: None,
        latency: None,
    }
}

/// A worker that panicked elsewhere leaves what it had written whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
