//! The main job: tune what is to be tuned, put every model to the test, gather what they answered.

mod batches;
mod deployed;
mod listener;
mod predict;
mod ready;
mod record;
mod row_facts;
mod taught;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tunebench_data::{ExampleId, LabelId, overlap};
use tunebench_providers::ModelRef;
use tunebench_reports::{DataFile, Evaluation, MANIFEST_VERSION, Manifest, Run, slugs};

use crate::budget::Budget;
use crate::cancel::Cancel;
use crate::error::Error;
use crate::evaluate::governor::Governor;
use crate::evaluate::retry::{Retries, RetryPolicy};
use crate::evaluate::{
    AnswerCache, Answers, Deployed, EvalContext, EvalProgress, EvalTarget, EvaluateError, Keep, KeptRows,
    Route, evaluate,
};
use crate::ledger::{Ledger, Recorder};
use crate::plan::{Plan, Training};
use crate::project::Project;
use crate::rendered::prompts;
use crate::tune::{TuneContext, TunedModel, Tuning};
use crate::variants::Configured;

pub use crate::spending::{Batching, Spending};
pub use crate::variants::ModelVariant;
pub use batches::Batched;
use deployed::Up;
pub use listener::Listener;
pub use predict::Labelling;
use record::record;
use row_facts::RowFacts;

/// How often to look whether the work waits, and from when on a wait is told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LONG_WAIT: Duration = Duration::from_secs(2);

/// The work on one project.
pub struct Session<'a> {
    project: &'a Project,
    cancel: Cancel,
    listener: Arc<dyn Listener>,
    spending: Spending,
    budget: Arc<Budget>,
    policy: RetryPolicy,
    /// Those of tuning; each evaluation has its own.
    retries: Retries,
    /// One for each model, whatever asks it: limits that were found for the base hold for it with examples as well.
    governors: RefCell<BTreeMap<String, Arc<Governor>>>,
    ledger: OnceCell<Arc<Ledger>>,
}

impl<'a> Session<'a> {
    /// Work that can be ended by `cancel` and is told to `listener`.
    pub fn new(
        project: &'a Project,
        cancel: Cancel,
        listener: Arc<dyn Listener>,
        spending: Spending,
    ) -> Self {
        let mut policy = RetryPolicy::default();
        if let Some(seconds) = project.config.evaluation.timeout_seconds {
            policy.timeout = Duration::from_secs(seconds.get().into());
        }
        let retries = Retries::new(policy, project.config.seed);
        let budget = Arc::new(Budget::new(spending.caps));
        let (governors, ledger) = Default::default();
        Self { project, cancel, listener, spending, budget, policy, retries, governors, ledger }
    }

    /// What asking a model takes. Without a `cache`, it is computed here.
    fn context(&self, candidate: &EvalTarget, cache: Option<AnswerCache>) -> EvalContext {
        let governor = || {
            let mut governors = self.governors.borrow_mut();
            let governor = governors.entry(candidate.name.to_string());
            governor.or_insert_with(|| Arc::new(Governor::new(candidate.limits))).clone()
        };
        let limited = candidate.limits.requests_per_minute.is_some();
        let route = match cache {
            Some(cache) => Route::Metered { governor: governor(), cache: Box::new(cache) },
            None => Route::Local { governor: limited.then(governor) },
        };
        let retries = Arc::new(Retries::new(self.policy, self.project.config.seed));
        let (budget, cancel) = (self.budget.clone(), self.cancel.clone());
        EvalContext { route, retries, budget, cancel, asked_in_batches: None }
    }

    /// Does the work, and says meanwhile why it waits, where it does for more than a moment.
    async fn saying_why_it_waits<T>(&self, context: &EvalContext, work: impl Future<Output = T>) -> T {
        let (governor, retries) = (context.route.governor().cloned(), context.retries.clone());
        let watch = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let limited = governor.as_ref().and_then(|governor| governor.waiting());
                match (limited.filter(|waiting| waiting.left >= LONG_WAIT), retries.waiting()) {
                    (Some(waiting), _) => self.listener.waiting(&waiting.to_string()),
                    (None, Some(waiting)) => self.listener.waiting(&waiting.to_string()),
                    (None, None) => {}
                }
            }
        };
        tokio::select! {
            done = work => done,
            () = watch => unreachable!("it watches without an end"),
        }
    }

    /// Whether and how it asks in batches.
    pub fn batching(&self) -> Batching {
        self.spending.batching
    }

    /// Whether the user wants the end.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.requested()
    }

    /// What is worked on.
    pub fn project(&self) -> &Project {
        self.project
    }

    /// The ledger, opened when it is first needed: what is computed here needs none.
    fn ledger(&self) -> Result<&Arc<Ledger>, Error> {
        if let Some(ledger) = self.ledger.get() {
            return Ok(ledger);
        }
        let path = self.project.ledger_path();
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        let ledger = Arc::new(Ledger::open(path)?);
        Ok(self.ledger.get_or_init(|| ledger))
    }

    fn tune_context(&self, tuning: &Tuning<'_>) -> Result<TuneContext<'_>, Error> {
        let ledger = if tuning.in_process { None } else { Some(self.ledger()?.as_ref()) };
        let most_tokens = |tuning: &Tuning<'_>| Training::of(tuning).billed().high;
        let (retries, cancel, budget) = (&self.retries, &self.cancel, &*self.budget);
        Ok(TuneContext { ledger, retries, cancel, budget, most_tokens })
    }

    /// Tunes every model that the configuration wants tuned, one after the other.
    pub async fn tune(&self) -> Result<Vec<TunedModel>, Error> {
        let folder = self.project.training_folder();
        let mut models = Vec::new();
        for entry in &self.project.models {
            let Some(tuning) = self.project.tuning(entry, &folder) else { continue };
            let observe = |event| self.listener.tuning(&entry.base, event);
            let context = self.tune_context(&tuning)?;
            let tuned = tuning.run(&context, observe).await;
            let tuned = tuned.map_err(|error| Error::tune(&entry.base, error))?;
            self.listener.tuned(&entry.base, &tuned);
            models.push(tuned);
        }
        Ok(models)
    }

    /// All models of the configuration: each base, then what has been tuned from it. Where a tuned model is wanted and
    /// not there, its base is in the second list.
    pub async fn subjects(&self) -> Result<(Vec<ModelVariant>, Vec<ModelRef>), Error> {
        let folder = self.project.training_folder();
        let (mut subjects, mut untuned) = (Vec::<ModelVariant>::new(), Vec::new());
        let mut first_seeds = BTreeMap::new();
        for variant in self.project.variants() {
            let (at, entry) = match variant {
                Configured::Known(variant) => {
                    subjects.push(*variant);
                    continue;
                }
                Configured::ToBeTuned(at, entry) => (at, entry),
            };
            let Some(tuning) = self.project.tuning(entry, &folder) else { continue };
            let found = tuning.find(&self.tune_context(&tuning)?).await;
            match found.map_err(|error| Error::tune(&entry.base, error))? {
                Some(TunedModel { model, job }) => {
                    let subject = ModelVariant { job: Some(job), ..ModelVariant::tuned(entry, model) };
                    let name =
                        first_seeds.entry(entry.seed_of.unwrap_or(at)).or_insert_with(|| subject.name(0));
                    let seed_of = Some(name.clone()).filter(|name| *name != subject.name(0));
                    subjects.push(ModelVariant { seed_of, ..subject });
                }
                None => untuned.push(entry.base.clone()),
            }
        }
        Ok((subjects, untuned))
    }

    /// The given models; one that its provider knows to be tuned is paired with its base.
    pub async fn named(&self, models: Vec<ModelRef>) -> Result<Vec<ModelVariant>, Error> {
        let mut subjects = Vec::<ModelVariant>::new();
        for model in models {
            let info = self.project.candidate(&model)?.provider.model_info(model.model()).await;
            let info = info.map_err(|error| Error::provider(&model, error))?;
            let tuned_from = info.tuned_from.and_then(|base| ModelRef::new(model.provider(), &base).ok());
            if subjects.iter().all(|subject| subject.model != model) {
                subjects.push(self.project.named_variant(model, tuned_from));
            }
        }
        Ok(subjects)
    }

    /// What the evaluation of these models would ask and cost. Makes no ledger where there is none.
    pub fn plan_of(&self, subjects: &[ModelVariant]) -> Result<Plan, Error> {
        let ledger = self.known_answers()?;
        Plan::of_models(self.project, &self.spending, ledger, subjects)
    }

    /// The ledger, where there is one: whoever only looks makes none.
    fn known_answers(&self) -> Result<Option<&Ledger>, Error> {
        let there = self.ledger.get().is_some() || self.project.ledger_path().exists();
        there.then(|| self.ledger().map(Arc::as_ref)).transpose()
    }

    fn tell_of_other_forms(&self, candidates: &[(&ModelVariant, EvalTarget)]) -> Result<(), Error> {
        let Some(ledger) = self.known_answers()? else { return Ok(()) };
        let folder = self.project.training_folder();
        for (subject, candidate) in candidates.iter().filter(|(_, candidate)| !candidate.in_process()) {
            if let Some(taught) = taught::other_form(subject, candidate, ledger, &folder)? {
                let asked = candidate.prompt.answer(LabelId(0));
                self.listener.taught_otherwise(&subject.name(0), &taught, &asked);
            }
        }
        Ok(())
    }

    /// Puts the models to the test; of those that were asked in batches, nothing more is asked. `save` is given the run after each model, so that an accident costs one model, and
    /// what else is known of that model's rows.
    pub async fn evaluate(
        &self,
        subjects: &[ModelVariant],
        keep: &Keep,
        batched: &Batched,
        mut save: impl FnMut(&Run, KeptRows) -> Result<(), Error>,
    ) -> Result<Run, Error> {
        let candidates = self.candidates(subjects)?;
        for (subject, candidate) in candidates.iter().filter(|(_, candidate)| candidate.in_process()) {
            // What can be known for nothing is known before the first model is asked.
            let info = candidate.provider.model_info(subject.model.model()).await;
            info.map_err(|error| Error::provider(&subject.model, error))?;
        }
        self.tell_of_other_forms(&candidates)?;
        let recorder = match candidates.iter().any(|(_, candidate)| !candidate.in_process()) {
            true => Some(self.ledger()?.begin("eval", env!("CARGO_PKG_VERSION"))?),
            false => None,
        };
        recorder.iter().flat_map(Recorder::found_in_doubt).for_each(|doubt| self.listener.in_doubt(doubt));
        let mut run = Run { manifest: self.manifest()?, evaluations: Vec::new() };
        run.manifest.rendered_prompts = prompts(&candidates);
        let repeats = self.spending.repeats.max(1);
        let asked: Vec<_> =
            candidates.iter().flat_map(|c| (0..repeats).map(move |repeat| (c, repeat))).collect();
        // Found out while the models answer; no request waits for it.
        let mut row_facts = RowFacts::find_out(self.project, asked.len() > 1);
        let names: Vec<String> = asked.iter().map(|((subject, _), repeat)| subject.name(*repeat)).collect();
        let (mut whole, last) = (true, asked.len());
        self.listener.begins(last);
        let (mut up, mut still_running) = (None::<Up<'_>>, None::<Error>);
        let all = asked.into_iter().zip(&names).zip(slugs(&names));
        let asking = async {
            for ((((subject, candidate), repeat), name), file) in all {
                if self.cancel.requested() {
                    run.manifest.complete = false;
                    run.manifest.ended_by.get_or_insert_with(interrupted);
                    break;
                }
                let named = |repeat| subject.name(repeat);
                let deployed = self.deployed(&mut up, candidate, named, recorder.as_ref()).await?;
                let candidate = &EvalTarget { deployed, ..candidate.clone() };
                let answers =
                    self.evaluate_model(candidate, name, recorder.as_ref(), repeat, keep, batched).await?;
                let done = repeat + 1 == repeats || self.cancel.requested();
                let stood = match up.take_if(|_| done) {
                    Some(up) => up.take_down().await.map_err(|error| still_running.get_or_insert(error)).ok(),
                    None => None,
                };
                whole &= answers.aborted_by.is_none() && !self.cancel.requested();
                // What came first is the cause of what follows.
                if let Some(abort) = &answers.aborted_by {
                    run.manifest.ended_by.get_or_insert_with(|| format!("{name}: {abort}"));
                } else if self.cancel.requested() {
                    run.manifest.ended_by.get_or_insert_with(interrupted);
                }
                let record = record(subject, repeat, file, candidate, &answers, stood.as_ref());
                let RowFacts { clusters, slices, doubted } = row_facts.get().await?;
                run.manifest.doubted.clone_from(doubted);
                run.evaluations.push(Evaluation {
                    model: name.clone(),
                    tuned_from: record.tuned_from.clone(),
                    predictions: answers.predictions,
                    clusters: clusters.clone(),
                    slices: slices.clone(),
                });
                run.manifest.models.push(record);
                run.manifest.finished = Some(now());
                // An accident from here on leaves a run without the models to come.
                run.manifest.complete = whole && run.evaluations.len() == last;
                save(&run, answers.kept)?;
            }
            Ok::<_, Error>(())
        }
        .await;
        // Whatever ended it, nothing stands longer than it is asked.
        let taken = match up {
            Some(up) => up.take_down().await.map(drop),
            None => Ok(()),
        };
        let finished = match recorder {
            Some(recorder) => recorder.finish().await.map(drop),
            None => Ok(()),
        };
        // What the log holds goes to its place while the report is written; if that fails, it goes there later.
        if let Some(ledger) = self.ledger.get().cloned() {
            drop(tokio::task::spawn_blocking(move || ledger.checkpoint()));
        }
        // What may go on to cost money is worse than any other failure.
        taken.and(still_running.map_or(Ok(()), Err)).and(asking).and(finished.map_err(Error::from))?;
        Ok(run)
    }

    /// The texts of all test rows; none where they are not to be kept.
    pub fn texts(&self) -> Result<impl Iterator<Item = Result<(ExampleId, String), Error>>, Error> {
        let examples = self.project.test.examples().map_err(EvaluateError::from)?;
        let texts = examples.map(|example| {
            let example = example.map_err(EvaluateError::from)?;
            Ok((example.id, example.text))
        });
        Ok(texts.take(if self.project.config.evaluation.texts { usize::MAX } else { 0 }))
    }

    /// The losses of a model's training, where they are known.
    pub fn losses(&self, model: &str, subjects: &[ModelVariant]) -> Option<PathBuf> {
        let subject = subjects.iter().find(|subject| subject.name(0) == model)?;
        let path = Tuning::losses(&self.project.training_folder(), subject.job.as_ref()?.mark.as_ref()?);
        path.exists().then_some(path)
    }

    fn candidates<'s>(
        &self,
        subjects: &'s [ModelVariant],
    ) -> Result<Vec<(&'s ModelVariant, EvalTarget)>, Error> {
        let candidates = subjects.iter().map(|subject| {
            let candidate = subject.candidate(self.project)?;
            if !candidate.in_process() {
                self.budget.check(&subject.model.to_string(), candidate.price.as_ref())?;
            }
            Ok((subject, candidate))
        });
        candidates.collect()
    }

    async fn evaluate_model(
        &self,
        candidate: &EvalTarget,
        name: &str,
        recorder: Option<&Recorder>,
        repeat: u32,
        keep: &Keep,
        batched: &Batched,
    ) -> Result<Answers, Error> {
        let test = &self.project.test;
        let cache = match recorder.filter(|_| !candidate.in_process()) {
            Some(recorder) => {
                let fresh = self.spending.fresh;
                let (ledger, data) = (self.ledger()?, test.sha256());
                let mut cache =
                    AnswerCache::open(name, ledger, recorder, candidate, data, repeat, fresh).await?;
                cache.known_rows = self.project.known_rows.take(cache.names.scope(), &cache.filter);
                Some(cache)
            }
            None => None,
        };
        let mut context = self.context(candidate, cache.clone());
        context.asked_in_batches = batched.not_answered(name);
        let ended = Cancel::default();
        if matches!(candidate.deployed, Deployed::As { .. }) {
            context.cancel = ended.clone();
        }
        let (listener, shown) = (self.listener.clone(), name.to_owned());
        let observe = move |tally: &EvalProgress| listener.evaluating(&shown, tally);
        let answers = evaluate(candidate, test, context.clone(), keep, observe);
        let asking = self.saying_why_it_waits(&context, answers);
        let (answers, too_long) = self.while_it_stands(&candidate.deployed, &ended, asking).await;
        let mut answers = answers?;
        if too_long {
            deployed::cut_short(&mut answers, self.stood_long_enough());
        }
        batched.add_to(name, &mut answers);
        if let (Some(cache), Some(recorder)) = (cache, recorder) {
            // No score is shown that is not kept.
            recorder.flush().await?;
            if answers.predictions.iter().all(|prediction| prediction.is_answered()) {
                cache.settle()?;
            }
        }
        if let Some(error) = answers.not_kept.take() {
            return Err(EvaluateError::Kept(error).into());
        }
        self.listener.evaluated(name, &answers);
        Ok(answers)
    }

    fn manifest(&self) -> Result<Manifest, EvaluateError> {
        let Project { config, train, train_path, test, .. } = self.project;
        let overlap = train.as_ref().map(|train| overlap(train, test)).transpose()?;
        let file = |role: &str, path: &Path, sha256: &str, rows: usize| DataFile {
            role: role.to_owned(),
            path: path.display().to_string(),
            sha256: sha256.to_owned(),
            rows: rows as u64,
        };
        let train = train.as_ref().zip(train_path.as_ref());
        let train = train.map(|(train, path)| file("train", path, &train.sha256, train.examples.len()));
        let data = train.into_iter().chain([file("test", &test.source().path, test.sha256(), test.len())]);
        Ok(Manifest {
            format_version: MANIFEST_VERSION,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            started: now(),
            finished: None,
            complete: true,
            ended_by: None,
            min_coverage: config.evaluation.min_coverage,
            against: config.evaluation.against.clone(),
            overlap,
            doubted: Vec::new(),
            primary: config.evaluation.primary.clone(),
            costs: config.evaluation.cost.clone(),
            any_time: config.evaluation.any_time,
            margin: config.evaluation.margin,
            max_unreadable: config.evaluation.max_unreadable,
            shard: self.project.shard,
            missing_shards: Vec::new(),
            seed: config.seed,
            texts: config.evaluation.texts,
            data: data.collect(),
            labels: test.labels().clone(),
            prompt: self.project.describe_prompts(),
            rendered_prompts: BTreeMap::new(),
            models: Vec::new(),
        })
    }
}

fn interrupted() -> String {
    "interrupted".to_owned()
}

fn now() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Second).map_or_else(|_| String::new(), |time| time.to_string())
}
