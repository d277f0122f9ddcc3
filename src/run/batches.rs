//! Models that are asked in batches, before they are put to the test: all of them at once, each in its own batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tunebench_providers::ProviderError;

use super::{Batching, ModelVariant, Session};
use crate::batch::{BatchClient, BatchEvent, BatchSettings, Left, Outcome};
use crate::budget::{Cost, Price};
use crate::error::Error;
use crate::evaluate::{AbortReason, AnswerCache, Answers, EvalTarget, LABELLING, ModelClient, NotAnswered};
use crate::ledger::{BatchRecord, NewBatch, Recorder, Target};
use crate::plan::{Texts, texts};
use crate::rendered::shows_texts_only;

/// How many rows a batch has where nobody says otherwise: a file of some megabytes, of which a day is time enough for
/// every provider.
const USUAL_ROWS: usize = 10_000;

/// What the batches of a command have brought, by the names that reports give the models.
#[derive(Debug, Default)]
pub struct Batched {
    by_name: BTreeMap<String, OfModel>,
    /// Batches that were made with another prompt or other settings than those of now.
    pub of_other_settings: Vec<String>,
}

#[derive(Debug)]
struct OfModel {
    scope: String,
    not_answered: Arc<NotAnswered>,
    rest: Outcome,
}

impl Batched {
    /// Whether a model was asked in batches at all.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Batches that go on, by model.
    pub fn left(&self) -> impl Iterator<Item = (&str, &[Left])> {
        let left = self.by_name.iter().map(|(name, of)| (name.as_str(), of.rest.left.as_slice()));
        left.filter(|(_, left)| !left.is_empty())
    }

    /// Whether there are rows that no batch has room for yet.
    pub fn has_rest(&self) -> bool {
        self.by_name.values().any(|of| of.rest.rest)
    }

    /// What ended the asking of a model before its time.
    pub fn aborts(&self) -> impl Iterator<Item = (&str, &AbortReason)> {
        self.by_name.iter().filter_map(|(name, of)| Some((name.as_str(), of.rest.aborted_by.as_ref()?)))
    }

    /// What rows failed of, by model, in words.
    pub fn failures(&self) -> impl Iterator<Item = (&str, String)> {
        self.by_name.iter().filter_map(|(name, of)| {
            let (rows, first) = of.rest.failures.as_ref()?;
            let rows = if *rows == 1 {
                "1 row failed".to_owned()
            } else {
                format!("{rows} rows failed, the first one")
            };
            Some((name.as_str(), format!("{rows}: {first}")))
        })
    }

    /// What the first row that failed was told.
    pub fn first_error(&self) -> Option<ProviderError> {
        self.by_name.values().find_map(|of| of.rest.failures.as_ref()).map(|(_, first)| first.clone())
    }

    /// What it has cost.
    pub fn spent(&self) -> Cost {
        self.by_name.values().map(|of| of.rest.spent).sum()
    }

    pub(crate) fn not_answered(&self, name: &str) -> Option<Arc<NotAnswered>> {
        self.by_name.get(name).map(|of| of.not_answered.clone())
    }

    /// Adds what is known of the batches of a model to what an evaluation has found.
    pub(crate) fn add_to(&self, name: &str, answers: &mut Answers) {
        let Some(OfModel { rest, .. }) = self.by_name.get(name) else { return };
        answers.tally.spent = answers.tally.spent.plus(rest.spent);
        answers.failures = answers.failures.take().or_else(|| rest.failures.clone());
        answers.aborted_by = answers.aborted_by.take().or_else(|| rest.aborted_by.clone());
        answers.in_batches += rest.left.iter().map(|left| left.rows as usize).sum::<usize>();
    }
}

/// A model on its way, with all that is its own.
struct Prepared {
    name: String,
    client: ModelClient,
    cache: AnswerCache,
    price: Option<Price>,
    order: NewBatch,
}

impl Session<'_> {
    /// Whether a model is asked in batches: where that is wanted, and its provider offers it.
    pub(crate) fn in_batches(&self, subject: &ModelVariant, candidate: &EvalTarget) -> bool {
        let configured = subject.batch.unwrap_or(self.project.config.evaluation.batch);
        (self.spending.batching.on || configured) && offers_batches(candidate)
    }

    /// The models that batches were asked for by a flag, and whose providers have none: they are asked live.
    pub fn without_batches(&self, subjects: &[ModelVariant]) -> Result<Vec<String>, Error> {
        let mut without = Vec::new();
        for subject in subjects.iter().filter(|_| self.spending.batching.on) {
            let candidate = subject.candidate(self.project)?;
            if !candidate.in_process() && !offers_batches(&candidate) {
                without.push(subject.name(0));
            }
        }
        Ok(without)
    }

    /// Asks the models that are to be asked in batches about the test rows.
    pub async fn ask_in_batches(&self, subjects: &[ModelVariant]) -> Result<Batched, Error> {
        let repeats = self.spending.repeats.max(1);
        let test = &self.project.test;
        let candidates = self.candidates(subjects)?;
        let wanted =
            candidates.into_iter().filter(|(subject, candidate)| self.in_batches(subject, candidate));
        let wanted: Vec<_> = wanted
            .flat_map(|(subject, candidate)| {
                (0..repeats).map(move |repeat| (subject, candidate.clone(), repeat))
            })
            .collect();
        self.run_batches(wanted, test.sha256(), self.spending.fresh, &|| texts(test)).await
    }

    /// Asks a model about texts in batches, if it is to be asked in this way. `items` gives them, as often as it is asked.
    pub async fn ask_texts_in_batches<'t>(
        &self,
        subject: &ModelVariant,
        items: &dyn Fn() -> Result<Texts<'t>, Error>,
    ) -> Result<Batched, Error> {
        let (_, candidate) = self.candidates(std::slice::from_ref(subject))?.remove(0);
        shows_texts_only(&candidate)?;
        let wanted = self.in_batches(subject, &candidate).then_some((subject, candidate, 0));
        self.run_batches(wanted.into_iter().collect(), LABELLING, false, items).await
    }

    /// Comes back to all batches of the project that are under way, whatever command made them, and to those of the test rows
    /// that another machine has made.
    pub async fn come_back_to_batches(&self) -> Result<Batched, Error> {
        let (subjects, _) = self.subjects().await?;
        let test = self.project.test.sha256();
        let mut wanted = Vec::new();
        for subject in subjects {
            let candidate = subject.candidate(self.project)?;
            if offers_batches(&candidate) && candidate.provider.info().access.is_granted() {
                wanted.push((subject, 0, test.to_owned()));
            }
        }
        let open = self.known_answers()?.map(|ledger| ledger.batches(true)).transpose()?.unwrap_or_default();
        for BatchRecord { order, .. } in open {
            let NewBatch { subject: name, data, repeat, .. } = order;
            if !wanted.iter().any(|(known, at, of)| known.name(0) == name && *at == repeat && *of == data) {
                wanted.push((self.chosen(&name, false).await?, repeat, data));
            }
        }
        let (mut all, mut scopes) = (Batched::default(), BTreeSet::new());
        for (subject, repeat, data) in wanted {
            let candidate = subject.candidate(self.project)?;
            let items = || match data == test {
                true => texts(&self.project.test),
                false => Ok(Box::new(std::iter::empty()) as Texts<'_>),
            };
            let one = self.run_batches(vec![(&subject, candidate, repeat)], &data, false, &items).await?;
            scopes.extend(one.by_name.values().map(|of| of.scope.clone()));
            all.by_name.extend(one.by_name);
        }
        all.by_name.retain(|_, of| of.rest.met > 0);
        let watched: BTreeSet<_> =
            all.left().flat_map(|(_, left)| left).filter_map(|left| left.id.clone()).collect();
        let open = self.known_answers()?.map(|ledger| ledger.batches(true)).transpose()?.unwrap_or_default();
        let strange = open.into_iter().filter(|record| !scopes.contains(&record.order.scope));
        let names = strange.filter_map(|record| record.id.filter(|id| !watched.contains(id)));
        all.of_other_settings = names.map(|id| id.0).collect();
        Ok(all)
    }

    async fn run_batches<'t>(
        &self,
        wanted: Vec<(&ModelVariant, EvalTarget, u32)>,
        data: &str,
        fresh: bool,
        items: &dyn Fn() -> Result<Texts<'t>, Error>,
    ) -> Result<Batched, Error> {
        if wanted.is_empty() {
            return Ok(Batched::default());
        }
        let recorder = self.ledger()?.begin("batch", env!("CARGO_PKG_VERSION"))?;
        recorder.found_in_doubt().iter().for_each(|doubt| self.listener.in_doubt(doubt));
        let mut prepared = Vec::new();
        for (subject, candidate, repeat) in wanted {
            prepared.push(self.prepare(subject, candidate, repeat, data, fresh, &recorder).await?);
        }
        let settings = self.batch_settings();
        let runs = prepared.iter().map(|Prepared { name, client, cache, price, order }| {
            let (recorder, settings) = (&recorder, &settings);
            async move {
                let tell = |event: BatchEvent| self.listener.batch(name, &event);
                let (price, order) = (price.as_ref(), order.clone());
                let batches =
                    BatchClient { model: client, cache, recorder, price, order, settings, tell: &tell };
                Ok::<_, Error>((name.clone(), batches.order.scope.clone(), batches.run(items).await?))
            }
        });
        let mut by_name = BTreeMap::new();
        for done in join_all(runs).await {
            let (name, scope, mut rest) = done?;
            let not_answered = Arc::new(std::mem::take(&mut rest.not_answered));
            by_name.insert(name, OfModel { scope, not_answered, rest });
        }
        drop(prepared);
        recorder.finish().await?;
        Ok(Batched { by_name, of_other_settings: Vec::new() })
    }

    async fn prepare(
        &self,
        subject: &ModelVariant,
        candidate: EvalTarget,
        repeat: u32,
        data: &str,
        fresh: bool,
        recorder: &Recorder,
    ) -> Result<Prepared, Error> {
        let name = subject.name(repeat);
        let cache =
            AnswerCache::open(&name, self.ledger()?, recorder, &candidate, data, repeat, fresh).await?;
        let order = NewBatch {
            scope: cache.names.scope().short(),
            target: Target {
                provider: candidate.name.provider().to_owned(),
                base_url: candidate.provider.info().base_url,
                model: candidate.name.model().to_owned(),
            },
            subject: subject.name(0),
            data: data.to_owned(),
            repeat,
            floor: cache.recorder.floor(),
        };
        let price = candidate.price.as_ref().map(Price::in_batch);
        let client = ModelClient::new(candidate.clone(), self.context(&candidate, Some(cache.clone())));
        Ok(Prepared { name, client, cache, price, order })
    }

    fn batch_settings(&self) -> BatchSettings {
        let own = &self.project.config.batch;
        let Batching { no_wait, keep_files, only_come_back, .. } = self.spending.batching;
        BatchSettings {
            rows: own.rows.map_or(USUAL_ROWS, usize::from),
            queued_tokens: own.queued_tokens,
            poll: own.poll_seconds.map(Duration::from_secs_f64),
            keep_files: keep_files || own.keep_files,
            submit: !only_come_back,
            wait: !no_wait,
        }
    }
}

/// Whether a model can be asked in batches.
pub(crate) fn offers_batches(candidate: &EvalTarget) -> bool {
    // What must be deployed answers from there alone.
    let batches = candidate.provider.batches().filter(|_| !candidate.must_be_deployed());
    batches.is_some_and(|batches| batches.limits(candidate.name.model()).is_some())
}
