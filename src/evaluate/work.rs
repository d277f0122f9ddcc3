//! The evaluation under way: rows are drawn from the file by one or more lanes, answers come back in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, stream};
use tunebench_data::{Example, ExampleId, Examples, LabelId, TestSet};
use tunebench_providers::{Cause, Completion, CompletionRequest, ProviderError, Retry, Scope};
use tunebench_reports::{Answer, Latency, Outcome, Prediction, UnansweredKind};

use super::{Answers, Candidate, EvaluateError, Tally, outcome};
use crate::cancel::Cancel;

/// How often the observer is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How many invalid answers are kept to be shown, and how much of each.
const SAMPLES: usize = 3;
const SAMPLE_CHARS: usize = 120;

pub(super) struct Work {
    candidate: Candidate,
    cancel: Cancel,
    source: Mutex<Source>,
    found: Mutex<Found>,
    observe: Box<dyn Fn(&Tally) + Send + Sync>,
}

/// Where the rows come from.
struct Source {
    examples: Examples,
    next: usize,
    /// Set when no more rows are to be handed out.
    ended: bool,
    error: Option<EvaluateError>,
}

/// What is known so far.
struct Found {
    answers: Answers,
    tally: Tally,
    told: Instant,
}

impl Work {
    pub(super) fn new(
        candidate: Candidate,
        test: &TestSet,
        cancel: Cancel,
        observe: Box<dyn Fn(&Tally) + Send + Sync>,
    ) -> Result<Self, EvaluateError> {
        let answers = Answers {
            predictions: vec![not_asked(ExampleId(0), LabelId(0)); test.len()],
            answered_by: BTreeMap::new(),
            notes: BTreeSet::new(),
            invalid_samples: Vec::new(),
            failures: None,
            stopped_by: None,
        };
        let tally = Tally { total: test.len(), ..Tally::default() };
        let source = Source { examples: test.examples()?, next: 0, ended: false, error: None };
        let (source, found) =
            (Mutex::new(source), Mutex::new(Found { answers, tally, told: Instant::now() }));
        Ok(Self { candidate, cancel, source, found, observe })
    }

    /// Answers rows until there are none, `in_flight` at once.
    pub(super) async fn lane(&self, in_flight: usize) {
        stream::iter(std::iter::from_fn(|| self.next_row()))
            .map(|(index, example)| self.answer(index, example))
            .buffer_unordered(in_flight)
            .for_each(|()| std::future::ready(()))
            .await;
    }

    fn next_row(&self) -> Option<(usize, Example)> {
        let mut source = lock(&self.source);
        if source.ended || self.cancel.requested() {
            return None;
        }
        source.draw()
    }

    fn request(&self, text: String) -> CompletionRequest {
        let Candidate { model, prompt, parameters, label_counts, .. } = &self.candidate;
        CompletionRequest::new(model.clone(), prompt.clone(), text)
            .parameters(parameters.clone())
            .label_counts(label_counts.clone())
    }

    async fn answer(&self, index: usize, example: Example) {
        let mut prediction = not_asked(example.id, example.label);
        if let Some(limiter) = &self.candidate.limiter {
            tokio::select! {
                () = limiter.ready() => {}
                () = self.cancel.wait() => return self.record(index, prediction, None),
            }
        }
        let request = self.request(example.text);
        let asked = Instant::now();
        // A provider that panics has failed this row, not the run.
        let completion = AssertUnwindSafe(self.candidate.provider.complete(&request)).catch_unwind().await;
        let completion = completion.unwrap_or_else(|_| {
            Err(ProviderError::new(Cause::Server, "the provider panicked").retry(Retry::Never))
        });
        match &completion {
            Ok(completion) => {
                prediction.answer = outcome::of_completion(
                    &self.candidate.prompt,
                    self.candidate.parameters.answer,
                    completion,
                );
                prediction.probability = outcome::probability(prediction.answer, completion);
                prediction.latency = Some(Latency::from(asked.elapsed()));
            }
            Err(error) => prediction.answer = Answer::Unanswered(outcome::of_error(error)),
        }
        self.record(index, prediction, Some(completion));
    }

    fn record(
        &self,
        index: usize,
        prediction: Prediction,
        completion: Option<Result<Completion, ProviderError>>,
    ) {
        let mut found = lock(&self.found);
        if let Some(slot) = found.answers.predictions.get_mut(index) {
            *slot = prediction;
        }
        match completion {
            None => return,
            Some(Ok(completion)) => found.note_answer(prediction.answer, completion),
            Some(Err(error)) => {
                if error.scope > Scope::Request && error.retry == Retry::Never {
                    lock(&self.source).ended = true;
                    found.answers.stopped_by.get_or_insert_with(|| error.clone());
                }
                let failures = found.answers.failures.get_or_insert((0, error));
                failures.0 += 1;
            }
        }
        found.tally.count(prediction.outcome());
        if found.told.elapsed() >= TELL_EVERY {
            found.told = Instant::now();
            (self.observe)(&found.tally);
        }
    }

    /// What was found, once all lanes have ended. Rows that were not handed out are read for their ids.
    pub(super) fn finish(self, test: &TestSet) -> Result<Answers, EvaluateError> {
        let mut source = self.source.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Found { mut answers, tally, .. } =
            self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        while let Some((index, example)) = source.draw() {
            if let Some(slot) = answers.predictions.get_mut(index) {
                *slot = not_asked(example.id, example.label);
            }
        }
        if let Some(error) = source.error {
            return Err(error);
        }
        if source.next != test.len() {
            return Err(EvaluateError::Changed(test.source().path.display().to_string()));
        }
        (self.observe)(&tally);
        Ok(answers)
    }
}

impl Source {
    fn draw(&mut self) -> Option<(usize, Example)> {
        if self.error.is_some() {
            return None;
        }
        match self.examples.next()? {
            Ok(example) => {
                self.next += 1;
                Some((self.next - 1, example))
            }
            Err(error) => {
                self.error = Some(error.into());
                None
            }
        }
    }
}

impl Found {
    fn note_answer(&mut self, answer: Answer, completion: Completion) {
        if let Some(version) = completion.model_version {
            *self.answers.answered_by.entry(version).or_default() += 1;
        }
        self.answers.notes.extend(completion.note);
        let samples = &mut self.answers.invalid_samples;
        if matches!(answer, Answer::Invalid(_))
            && samples.len() < SAMPLES
            && !completion.text.trim().is_empty()
        {
            samples.push(completion.text.trim().chars().take(SAMPLE_CHARS).collect());
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

fn not_asked(id: ExampleId, gold: LabelId) -> Prediction {
    let answer = Answer::Unanswered(UnansweredKind::NotAsked);
    Prediction { id, gold, answer, probability: None, latency: None }
}

/// A lane that panicked elsewhere leaves what it had written whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
