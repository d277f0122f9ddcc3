//! The main job: tune what is to be tuned, put every model to the test, gather what they answered.

mod batches;
mod predict;
mod ready;
mod sent;
mod taught;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tunebench_data::doctor::main_script;
use tunebench_data::{Columns, ExampleId, LabelId, overlap};
use tunebench_providers::{Job, ModelRef, Usage};
use tunebench_reports::{
    Clustering, Clusters, Counts, DataFile, Evaluation, MANIFEST_VERSION, Manifest, ModelRecord, Outcome,
    Run, Slices, Slicing, TokenUsage, length_of, slugs,
};

use crate::batch::BatchEvent;
use crate::budget::{Budget, Caps};
use crate::cancel::Cancel;
use crate::doctor::doubted_lines;
use crate::error::Error;
use crate::evaluate::governor::Governor;
use crate::evaluate::retry::{Retries, RetryPolicy};
use crate::evaluate::{
    Answers, Book, Candidate, EvaluateError, Keep, KeptRows, Means, Route, Tally, evaluate,
};
use crate::ledger::{Doubt, Ledger, Recorder};
use crate::plan::Plan;
use crate::project::{Entry, Project};
use crate::shots::{Shots, ShotsSpec};
use crate::tune::{TuneEvent, TuneMeans, TunedModel, Tuning};

pub use batches::{Batched, Batching};
pub use predict::Labelling;
pub(crate) use predict::{LABELLING, shows_texts_only};
use sent::{prompt_sha256, prompts};
pub(crate) use sent::{sent, sketched};

/// Is told what happens, to show it or to record it. What is told here is never needed for the result.
pub trait Listener: Send + Sync {
    /// A model is being tuned.
    fn tuning(&self, base: &ModelRef, event: TuneEvent) {
        let _ = (base, event);
    }

    /// A model has been tuned, or was found to be.
    fn tuned(&self, base: &ModelRef, tuned: &TunedModel) {
        let _ = (base, tuned);
    }

    /// Requests of an earlier command that was killed may have been paid for without an answer.
    fn in_doubt(&self, doubt: &Doubt) {
        let _ = doubt;
    }

    /// A tuned model is about to be asked for another form of answer than it was taught; both are shown as examples.
    fn taught_otherwise(&self, model: &str, taught: &str, asked: &str) {
        let _ = (model, taught, asked);
    }

    /// So many models are about to be asked, one after the other.
    fn begins(&self, models: usize) {
        let _ = models;
    }

    /// A model is being asked; told some ten times a second.
    fn evaluating(&self, model: &str, tally: &Tally) {
        let _ = (model, tally);
    }

    /// Nothing is asked for now, for this reason; told every second while it lasts.
    fn waiting(&self, reason: &str) {
        let _ = reason;
    }

    /// Something happened to a batch of this model.
    fn batch(&self, model: &str, event: &BatchEvent) {
        let _ = (model, event);
    }

    /// A model has been asked about every row, or as many as could be.
    fn evaluated(&self, model: &str, answers: &Answers) {
        let _ = (model, answers);
    }
}

/// A model to measure, and where it comes from.
#[derive(Debug, Clone)]
pub struct Subject {
    /// How to ask it.
    pub model: ModelRef,
    /// Its base, for a fine-tuned model.
    pub tuned_from: Option<ModelRef>,
    /// The job that made it.
    pub job: Option<Job>,
    /// Solved examples to show it.
    pub shots: Option<(ShotsSpec, Shots)>,
    /// The name of its prompt, where it has one of its own.
    pub prompt: Option<String>,
    /// The name of its base's prompt, where that has one of its own.
    pub base_prompt: Option<String>,
    /// Whether it is asked in batches, where the configuration says so for it alone.
    pub batch: Option<bool>,
    /// The name of the model that was trained in the same way with another seed, where this is a further one.
    pub seed_of: Option<String>,
}

impl Subject {
    /// A model as it is.
    pub fn plain(model: ModelRef) -> Self {
        let (tuned_from, job, shots, prompt, base_prompt, batch, seed_of) = Default::default();
        Self { model, tuned_from, job, shots, prompt, base_prompt, batch, seed_of }
    }

    /// The base of an entry, as it is asked.
    pub(crate) fn base(entry: &Entry) -> Self {
        Self { prompt: entry.prompt.clone(), batch: entry.batch, ..Self::plain(entry.base.clone()) }
    }

    /// What was tuned from the base of an entry.
    pub(crate) fn tuned(entry: &Entry, model: ModelRef) -> Self {
        Self {
            tuned_from: Some(entry.base.clone()),
            prompt: entry.tuned_prompt.clone(),
            base_prompt: entry.prompt.clone(),
            batch: entry.batch,
            ..Self::plain(model)
        }
    }

    /// The base of an entry with solved examples.
    pub(crate) fn shown(entry: &Entry) -> Option<Self> {
        let shots = Some(entry.shots.clone()?);
        let prompt = entry.prompt.clone();
        let (tuned_from, base_prompt) = (Some(entry.base.clone()), prompt.clone());
        let batch = entry.batch;
        Some(Self { tuned_from, shots, prompt, base_prompt, batch, ..Self::plain(entry.base.clone()) })
    }

    /// How to put it to the test: with its own shots, and at the price of its base where that is the rule.
    pub(crate) fn candidate(&self, project: &Project) -> Result<Candidate, Error> {
        let mut candidate = project.candidate(&self.model)?;
        if let (None, Some(base)) = (&candidate.price, &self.tuned_from)
            && candidate.provider.tuned_at_base_price()
        {
            candidate.price = project.candidate(base)?.price;
        }
        if let Some((_, shots)) = &self.shots {
            candidate.shots = shots.clone();
        }
        if self.prompt.is_some() {
            candidate.prompt = project.prompt_named(self.prompt.as_deref()).clone();
            candidate.parameters = Arc::new(project.config.evaluation.parameters(candidate.prompt.form()));
        }
        Ok(candidate)
    }

    /// How a report names it: with a prompt of its own and its solved examples, and the second and further answers with a
    /// number.
    pub(crate) fn name(&self, repeat: u32) -> String {
        let prompt = suffix(self.prompt.as_deref());
        let shots = self.shots.as_ref().map_or_else(String::new, |(spec, _)| format!("+{spec}"));
        let repeat = if repeat == 0 { String::new() } else { format!("#{}", repeat + 1) };
        format!("{}{prompt}{shots}{repeat}", self.model)
    }

    /// How a report names what it was tuned from.
    pub(crate) fn base_name(&self) -> Option<String> {
        Some(format!("{}{}", self.tuned_from.as_ref()?, suffix(self.base_prompt.as_deref())))
    }
}

/// What tells a model with a prompt of its own from the same model with another.
fn suffix(prompt: Option<&str>) -> String {
    prompt.map_or_else(String::new, |name| format!("+{name}"))
}

/// How often to look whether the work waits, and from when on a wait is told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LONG_WAIT: Duration = Duration::from_secs(2);

/// When even a provider without a time-out of its own is given up.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);

/// What a command may spend, and what it asks anew.
#[derive(Debug, Clone, Default)]
pub struct Spending {
    /// The most that may be spent.
    pub caps: Caps,
    /// Whether answers that are there already do not count.
    pub fresh: bool,
    /// How often each row is asked about; 0 counts as 1.
    pub repeats: u32,
    /// Whether and how it asks in batches.
    pub batching: Batching,
}

/// Of all rows the clusters, the values by which they are parted, and those whose gold label is in doubt.
type RowsTogether = (Option<Arc<Clusters>>, Option<Arc<Slices>>, Vec<ExampleId>);

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
        let timeout = project.config.evaluation.timeout_seconds.map(|s| Duration::from_secs(s.get().into()));
        let timeout = timeout.unwrap_or(LONGEST_ANSWER);
        let policy = RetryPolicy { timeout, ..RetryPolicy::default() };
        let retries = Retries::new(policy, project.config.seed);
        let budget = Arc::new(Budget::new(spending.caps));
        let (governors, ledger) = Default::default();
        Self { project, cancel, listener, spending, budget, policy, retries, governors, ledger }
    }

    /// What asking a model takes. Without a `book`, it is computed here.
    fn means(&self, candidate: &Candidate, book: Option<Book>) -> Means {
        let governor = || {
            let mut governors = self.governors.borrow_mut();
            let governor = governors.entry(candidate.name.to_string());
            governor.or_insert_with(|| Arc::new(Governor::new(candidate.limits))).clone()
        };
        let limited = candidate.limits.requests_per_minute.is_some();
        let route = match book {
            Some(book) => Route::Metered { governor: governor(), book: Box::new(book) },
            None => Route::Local { governor: limited.then(governor) },
        };
        let retries = Arc::new(Retries::new(self.policy, self.project.config.seed));
        let (budget, cancel) = (self.budget.clone(), self.cancel.clone());
        Means { route, retries, budget, cancel, asked_in_batches: None }
    }

    /// Does the work, and says meanwhile why it waits, where it does for more than a moment.
    async fn saying_why_it_waits<T>(&self, means: &Means, work: impl Future<Output = T>) -> T {
        let (governor, retries) = (means.route.governor().cloned(), means.retries.clone());
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

    fn tune_means(&self, tuning: &Tuning<'_>) -> Result<TuneMeans<'_>, Error> {
        let ledger = if tuning.in_process { None } else { Some(self.ledger()?.as_ref()) };
        Ok(TuneMeans { ledger, retries: &self.retries, cancel: &self.cancel, budget: &self.budget })
    }

    /// Tunes every model that the configuration wants tuned, one after the other.
    pub async fn tune(&self) -> Result<Vec<TunedModel>, Error> {
        let folder = self.project.training_folder();
        let mut models = Vec::new();
        for entry in &self.project.models {
            let Some(tuning) = self.project.tuning(entry, &folder) else { continue };
            let observe = |event| self.listener.tuning(&entry.base, event);
            let means = self.tune_means(&tuning)?;
            let tuned = tuning.run(&means, observe).await;
            let tuned = tuned.map_err(|error| Error::tune(&entry.base, error))?;
            self.listener.tuned(&entry.base, &tuned);
            models.push(tuned);
        }
        Ok(models)
    }

    /// All models of the configuration: each base, then what has been tuned from it. Where a tuned model is wanted and
    /// not there, its base is in the second list.
    pub async fn subjects(&self) -> Result<(Vec<Subject>, Vec<ModelRef>), Error> {
        let folder = self.project.training_folder();
        let (mut subjects, mut untuned) = (Vec::<Subject>::new(), Vec::new());
        let mut first_seeds = BTreeMap::new();
        for (at, entry) in self.project.models.iter().enumerate() {
            let base = Subject::base(entry);
            if subjects.iter().all(|subject| subject.name(0) != base.name(0)) {
                subjects.push(base);
            }
            subjects.extend(entry.tuned.as_ref().map(|model| Subject::tuned(entry, model.clone())));
            subjects.extend(Subject::shown(entry));
            let Some(tuning) = self.project.tuning(entry, &folder) else { continue };
            let found = tuning.find(&self.tune_means(&tuning)?).await;
            match found.map_err(|error| Error::tune(&entry.base, error))? {
                Some(TunedModel { model, job }) => {
                    let subject = Subject { job: Some(job), ..Subject::tuned(entry, model) };
                    let name =
                        first_seeds.entry(entry.seed_of.unwrap_or(at)).or_insert_with(|| subject.name(0));
                    let seed_of = Some(name.clone()).filter(|name| *name != subject.name(0));
                    subjects.push(Subject { seed_of, ..subject });
                }
                None => untuned.push(entry.base.clone()),
            }
        }
        Ok((subjects, untuned))
    }

    /// The given models; one that its provider knows to be tuned is paired with its base.
    pub async fn named(&self, models: Vec<ModelRef>) -> Result<Vec<Subject>, Error> {
        let mut subjects = Vec::<Subject>::new();
        for model in models {
            let info = self.project.candidate(&model)?.provider.model_info(model.model()).await;
            let info = info.map_err(|error| Error::provider(&model, error))?;
            let tuned_from = info.tuned_from.and_then(|base| ModelRef::new(model.provider(), &base).ok());
            if subjects.iter().all(|subject| subject.model != model) {
                subjects.push(Subject { tuned_from, ..Subject::plain(model) });
            }
        }
        Ok(subjects)
    }

    /// What the evaluation of these models would ask and cost. Makes no ledger where there is none.
    pub fn plan_of(&self, subjects: &[Subject]) -> Result<Plan, Error> {
        let ledger = self.known_answers()?;
        Plan::of_models(self.project, &self.spending, ledger, subjects)
    }

    /// The ledger, where there is one: whoever only looks makes none.
    fn known_answers(&self) -> Result<Option<&Ledger>, Error> {
        let there = self.ledger.get().is_some() || self.project.ledger_path().exists();
        there.then(|| self.ledger().map(Arc::as_ref)).transpose()
    }

    fn tell_of_other_forms(&self, candidates: &[(&Subject, Candidate)]) -> Result<(), Error> {
        let Some(ledger) = self.known_answers()? else { return Ok(()) };
        let folder = self.project.training_folder();
        for (subject, candidate) in
            candidates.iter().filter(|(_, candidate)| !candidate.provider.in_process())
        {
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
        subjects: &[Subject],
        keep: &Keep,
        batched: &Batched,
        mut save: impl FnMut(&Run, KeptRows) -> Result<(), Error>,
    ) -> Result<Run, Error> {
        let candidates = self.candidates(subjects)?;
        for (subject, candidate) in candidates.iter().filter(|(_, candidate)| candidate.provider.in_process())
        {
            // What can be known for nothing is known before the first model is asked.
            let info = candidate.provider.model_info(subject.model.model()).await;
            info.map_err(|error| Error::provider(&subject.model, error))?;
        }
        self.tell_of_other_forms(&candidates)?;
        let recorder = match candidates.iter().any(|(_, candidate)| !candidate.provider.in_process()) {
            true => Some(self.ledger()?.begin("eval", env!("CARGO_PKG_VERSION"))?),
            false => None,
        };
        recorder.iter().flat_map(Recorder::found_in_doubt).for_each(|doubt| self.listener.in_doubt(doubt));
        let (clusters, slices, doubted) = self.rows_together()?;
        let mut run = Run { manifest: Manifest { doubted, ..self.manifest()? }, evaluations: Vec::new() };
        run.manifest.rendered_prompts = prompts(&candidates);
        let repeats = self.spending.repeats.max(1);
        let asked: Vec<_> =
            candidates.iter().flat_map(|c| (0..repeats).map(move |repeat| (c, repeat))).collect();
        let names: Vec<String> = asked.iter().map(|((subject, _), repeat)| subject.name(*repeat)).collect();
        let (mut whole, last) = (true, asked.len());
        self.listener.begins(last);
        for ((((subject, candidate), repeat), name), file) in asked.into_iter().zip(&names).zip(slugs(&names))
        {
            if self.cancel.requested() {
                run.manifest.complete = false;
                run.manifest.ended_by.get_or_insert_with(interrupted);
                break;
            }
            let answers = self.put_to_test(candidate, name, recorder.as_ref(), repeat, keep, batched).await?;
            whole &= answers.halted_by.is_none() && !self.cancel.requested();
            // What came first is the cause of what follows.
            if let Some(halt) = &answers.halted_by {
                run.manifest.ended_by.get_or_insert_with(|| format!("{name}: {halt}"));
            } else if self.cancel.requested() {
                run.manifest.ended_by.get_or_insert_with(interrupted);
            }
            let record = record(subject, repeat, file, candidate, &answers);
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
        if let Some(recorder) = recorder {
            recorder.finish().await?;
        }
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
    pub fn losses(&self, model: &str, subjects: &[Subject]) -> Option<PathBuf> {
        let subject = subjects.iter().find(|subject| subject.name(0) == model)?;
        let path = Tuning::losses(&self.project.training_folder(), subject.job.as_ref()?.mark.as_ref()?);
        path.exists().then_some(path)
    }

    /// Which test rows belong together, none where each is a cluster of its own, by what they are parted, and which of them the
    /// doctor doubts.
    fn rows_together(&self) -> Result<RowsTogether, EvaluateError> {
        let columns = &self.project.config.data.slices;
        let test = match columns.as_slice() {
            [] => self.project.test.clone(),
            named => self.project.test.carrying(Columns::Named(named.to_vec())),
        };
        let mut clustering = Clustering::new(test.source().group.is_some());
        let mut slicing = Slicing::new(columns.iter().map(String::as_str).chain(["length", "script"]));
        let lines = doubted_lines(self.project);
        let mut doubted = Vec::new();
        for row in test.examples()? {
            let row = row?;
            clustering.push(row.group.as_deref(), &row.text);
            doubted.extend(lines.contains(&row.line).then_some(row.id));
            let known = [length_of(&row.text), main_script(&row.text).unwrap_or("none")];
            let own = columns.iter().map(|name| row.fields.get(name).unwrap_or_default());
            slicing.push(own.chain(known));
        }
        Ok((clustering.finish().map(Arc::new), slicing.finish().map(Arc::new), doubted))
    }

    fn candidates<'s>(&self, subjects: &'s [Subject]) -> Result<Vec<(&'s Subject, Candidate)>, Error> {
        let candidates = subjects.iter().map(|subject| {
            let candidate = subject.candidate(self.project)?;
            if !candidate.provider.in_process() {
                self.budget.check(&subject.model.to_string(), candidate.price.as_ref())?;
            }
            Ok((subject, candidate))
        });
        candidates.collect()
    }

    async fn put_to_test(
        &self,
        candidate: &Candidate,
        name: &str,
        recorder: Option<&Recorder>,
        repeat: u32,
        keep: &Keep,
        batched: &Batched,
    ) -> Result<Answers, Error> {
        let test = &self.project.test;
        let book = match recorder.filter(|_| !candidate.provider.in_process()) {
            Some(recorder) => {
                let fresh = self.spending.fresh;
                Some(
                    Book::open(name, self.ledger()?, recorder, candidate, test.sha256(), repeat, fresh)
                        .await?,
                )
            }
            None => None,
        };
        let mut means = self.means(candidate, book.clone());
        means.asked_in_batches = batched.not_answered(name);
        let (listener, shown) = (self.listener.clone(), name.to_owned());
        let observe = move |tally: &Tally| listener.evaluating(&shown, tally);
        let answers = evaluate(candidate, test, means.clone(), keep, observe);
        let mut answers = self.saying_why_it_waits(&means, answers).await?;
        batched.add_to(name, &mut answers);
        if let (Some(book), Some(recorder)) = (book, recorder) {
            // No score is shown that is not kept.
            recorder.flush().await?;
            if answers.predictions.iter().all(|prediction| prediction.is_answered()) {
                book.settle()?;
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

fn record(
    subject: &Subject,
    repeat: u32,
    file: String,
    candidate: &Candidate,
    answers: &Answers,
) -> ModelRecord {
    let Usage { input, output, .. } = answers.usage;
    let in_process = candidate.provider.in_process();
    let price = candidate.price.as_ref().and_then(|price| price.of(answers.usage)).map(|cost| cost.dollars());
    // What is computed here costs nothing; that is known, and not a price that is missing.
    let cost_usd = price.or(in_process.then_some(0.0));
    let usage = (in_process || input + output > 0).then_some(TokenUsage {
        input_tokens: input,
        output_tokens: output,
        cost_usd,
    });
    ModelRecord {
        model: subject.name(repeat),
        // Only the first answers are compared: the others tell how steady they are.
        tuned_from: subject.base_name().filter(|_| repeat == 0),
        repeat_of: (repeat > 0).then(|| subject.name(0)),
        earlier: None,
        seed_of: subject.seed_of.clone().filter(|_| repeat == 0),
        file,
        asked: Some(subject.model.model().to_owned()),
        prompt_sha256: Some(prompt_sha256(subject, candidate)),
        description: match &subject.shots {
            Some((spec, _)) => Some(format!("the base, with {} in its prompt", spec.in_words())),
            None => answers.info.as_ref().and_then(|info| info.description.clone()),
        },
        answered_by: answered_by(subject, in_process, answers),
        usage,
        paid_usd: (in_process || candidate.price.is_some()).then(|| answers.tally.spent.dollars()),
        rows: Some(counts(answers)),
        job_id: subject.job.as_ref().map(|job| job.id.0.clone()),
        hyperparameters: subject.job.as_ref().map_or(Value::Null, |job| job.hyperparameters.clone().into()),
    }
}

fn interrupted() -> String {
    "interrupted".to_owned()
}

fn counts(answers: &Answers) -> Counts {
    let mut counts = Counts::default();
    for prediction in &answers.predictions {
        *match prediction.outcome() {
            Outcome::Correct => &mut counts.correct,
            Outcome::Incorrect => &mut counts.incorrect,
            Outcome::Invalid => &mut counts.invalid,
            Outcome::Unanswered => &mut counts.unanswered,
        } += 1;
    }
    counts
}

/// The model versions that answered. A model that is computed here is no alias of another one: where its provider names no
/// version, its own name is one.
fn answered_by(subject: &Subject, in_process: bool, answers: &Answers) -> BTreeMap<String, u64> {
    let answered = answers.predictions.iter().filter(|prediction| prediction.is_answered()).count() as u64;
    if !in_process || !answers.answered_by.is_empty() || answered == 0 {
        return answers.answered_by.clone();
    }
    BTreeMap::from([(subject.model.model().to_owned(), answered)])
}

fn now() -> String {
    jiff::Timestamp::now().round(jiff::Unit::Second).map_or_else(|_| String::new(), |time| time.to_string())
}
