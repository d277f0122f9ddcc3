//! How a plan comes about: each model of the project in turn, then what is learned from one about the others.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tunebench_data::Fields;
use tunebench_providers::{Access, ModelRef};

use super::count::{Answered, Counted, Texts, answer, count, texts};
use super::time::Throughput;
use super::tokens::{self, Learned};
use super::{Basis, BatchRoad, Deployment, Plan, Range, Requests, Step, Training, Work};
use crate::budget::{Cost, Price};
use crate::deploy::DeploySettings;
use crate::error::Error;
use crate::evaluate::{EvalTarget, LABELLING};
use crate::ledger::Ledger;
use crate::project::{ModelConfig, Project};
use crate::rendered::{shows_texts_only, sketched};
use crate::spending::Spending;
use crate::tune::{Tuning, TuningState};
use crate::variants::{Configured, ModelVariant};

/// A step of which everything is known but what others teach about it.
struct Draft<'a> {
    /// The base: what is learned from a model is good for all that come from the same.
    family: ModelRef,
    name: String,
    price_key: String,
    candidate: EvalTarget,
    task: Task<'a>,
    /// Whether it is asked in batches, where the configuration says so for it alone.
    batch: Option<bool>,
}

enum Task<'a> {
    Evaluate { counted: Counted, to_be_tuned: bool },
    Train { tuning: Box<Tuning<'a>>, standing: TuningState },
}

impl Plan {
    /// Plans a whole run: tuning, and the evaluation of base and tuned models.
    ///
    /// Nobody is asked, and nothing is written.
    pub async fn of(project: &Project, spending: &Spending, ledger: Option<&Ledger>) -> Result<Self, Error> {
        let folder = project.training_folder();
        let maker = Maker { project, spending, ledger };
        let mut drafts = Vec::<Draft<'_>>::new();
        for variant in project.variants() {
            let entry = match variant {
                Configured::Known(variant) => {
                    drafts.push(maker.asked(*variant)?);
                    continue;
                }
                Configured::ToBeTuned(_, entry) => entry,
            };
            let Some(tuning) = project.tuning(entry, &folder) else { continue };
            let standing = tuning.standing(ledger).await.map_err(|error| Error::tune(&entry.base, error))?;
            let tuned = match &standing {
                TuningState::Done(tuned) => maker.asked(ModelVariant::tuned(entry, tuned.model.clone()))?,
                TuningState::New | TuningState::UnderWay(_) => maker.to_be_tuned(entry, &tuning)?,
            };
            drafts.push(maker.trained(entry, tuning, standing)?);
            drafts.push(tuned);
        }
        Ok(maker.plan(drafts))
    }

    /// Plans the evaluation of these models on the project's test data.
    pub fn of_models(
        project: &Project,
        spending: &Spending,
        ledger: Option<&Ledger>,
        subjects: &[ModelVariant],
    ) -> Result<Self, Error> {
        let maker = Maker { project, spending, ledger };
        let drafts = subjects.iter().map(|subject| maker.asked(subject.clone())).collect::<Result<_, _>>()?;
        Ok(maker.plan(drafts))
    }

    /// Plans the labelling of texts, which are read once.
    pub fn of_texts(
        project: &Project,
        spending: &Spending,
        ledger: Option<&Ledger>,
        subject: &ModelVariant,
        texts: impl Iterator<Item = Result<String, Error>>,
    ) -> Result<Self, Error> {
        let maker = Maker { project, spending, ledger };
        let candidate = subject.candidate(project)?;
        shows_texts_only(&candidate)?;
        let texts = RefCell::new(texts);
        let read = || {
            Ok(Box::new(std::iter::from_fn(|| {
                Some(texts.borrow_mut().next()?.map(|text| (text, Fields::default())))
            })) as Texts<'_>)
        };
        let counted = match candidate.in_process() {
            true => Counted::default(),
            false => {
                let answered = Answered { ledger, known_rows: None, fresh: false };
                count(&candidate, LABELLING, read, answered, |_| subject.name(0), 1)?
            }
        };
        Ok(maker.plan(vec![Draft::asked(subject.clone(), candidate, counted)]))
    }
}

impl Draft<'_> {
    /// A model that is there, and is asked.
    fn asked(subject: ModelVariant, candidate: EvalTarget, counted: Counted) -> Self {
        let (name, price_key) = (subject.name(0), subject.model.to_string());
        let batch = subject.batch;
        let family = subject.tuned_from.unwrap_or(subject.model);
        let task = Task::Evaluate { counted, to_be_tuned: false };
        Self { family, name, price_key, candidate, task, batch }
    }
}

struct Maker<'a> {
    project: &'a Project,
    spending: &'a Spending,
    ledger: Option<&'a Ledger>,
}

impl Maker<'_> {
    fn repeats(&self) -> u32 {
        self.spending.repeats.max(1)
    }

    /// Puts together what was found out about each model; what one teaches is good for the others of its family.
    fn plan(&self, drafts: Vec<Draft<'_>>) -> Plan {
        let mut learned = BTreeMap::<ModelRef, Learned>::new();
        for draft in &drafts {
            if let Task::Evaluate { counted, .. } = &draft.task {
                learned.entry(draft.family.clone()).or_default().take(&counted.learned);
            }
        }
        let nothing = Learned::default();
        let steps = drafts.into_iter().map(|draft| {
            let learned = learned.get(&draft.family).unwrap_or(&nothing);
            self.step(draft, learned)
        });
        let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        Plan { rows: self.project.test.len() as u64, day, steps: steps.collect() }
    }

    /// The evaluation of a model that is there.
    fn asked<'b>(&self, subject: ModelVariant) -> Result<Draft<'b>, Error> {
        let candidate = subject.candidate(self.project)?;
        let counted = self.count(&candidate, self.ledger, |repeat| subject.name(repeat))?;
        Ok(Draft::asked(subject, candidate, counted))
    }

    /// The evaluation of a model that has no name yet; it will be asked as its base is.
    fn to_be_tuned<'b>(&self, entry: &ModelConfig, tuning: &Tuning<'_>) -> Result<Draft<'b>, Error> {
        let as_tuned =
            ModelVariant { prompt: entry.tuned_prompt.clone(), ..ModelVariant::plain(entry.base.clone()) };
        let mut candidate = as_tuned.candidate(self.project)?;
        let mut price_key = entry.base.to_string();
        if !candidate.provider.info().tuned_at_base_price {
            let billed = tuning.provider.tuned_price_name(entry.base.model());
            if let Ok(billed) = ModelRef::new(entry.base.provider(), &billed) {
                candidate.price = self.project.candidate(&billed)?.price;
                price_key = billed.to_string();
            }
        }
        let name = format!("{} tuned", entry.base);
        let counted = self.count(&candidate, None, |_| name.clone())?;
        let task = Task::Evaluate { counted, to_be_tuned: true };
        Ok(Draft { family: entry.base.clone(), name, price_key, candidate, task, batch: entry.batch })
    }

    fn trained<'b>(
        &self,
        entry: &ModelConfig,
        tuning: Tuning<'b>,
        standing: TuningState,
    ) -> Result<Draft<'b>, Error> {
        let (name, price_key) = (entry.base.to_string(), entry.base.to_string());
        let candidate = self.project.candidate(&entry.base)?;
        let task = Task::Train { tuning: Box::new(tuning), standing };
        Ok(Draft { family: entry.base.clone(), name, price_key, candidate, task, batch: None })
    }

    fn count(
        &self,
        candidate: &EvalTarget,
        ledger: Option<&Ledger>,
        named: impl Fn(u32) -> String,
    ) -> Result<Counted, Error> {
        let test = &self.project.test;
        if candidate.in_process() {
            // What is computed here is neither kept nor paid for.
            let requests = test.len() as u64 * u64::from(self.repeats());
            return Ok(Counted { requests, ..Counted::default() });
        }
        let known_rows = Some(&self.project.known_rows);
        let answered = Answered { ledger, known_rows, fresh: self.spending.fresh };
        count(candidate, test.sha256(), || texts(test), answered, named, self.repeats())
    }

    fn step(&self, draft: Draft<'_>, learned: &Learned) -> Step {
        let Draft { name, price_key, candidate, task, batch, .. } = draft;
        let (mut road, mut deployment) = (None, None);
        let (in_process, price) = (candidate.in_process(), candidate.price.clone());
        let keyless = candidate.provider.info().access == Access::Open;
        let retires = self.project.retires(candidate.provider.as_ref(), &candidate.name);
        let (work, cost) = match task {
            Task::Evaluate { counted, to_be_tuned } => {
                let requests = self.requests(&candidate, &counted, learned, to_be_tuned);
                deployment = self.deployment(&candidate, to_be_tuned).filter(|_| requests.requests > 0);
                let live = match deployment {
                    Some(deployment) => deployment.cost(requests.time.map(|time| time.takes)),
                    None => cost_of(&requests, price.as_ref()),
                };
                if deployment.is_none() {
                    road = self.batch_road(&candidate, &requests, live, batch);
                }
                let chosen = road.filter(|road| road.chosen);
                (Work::Evaluate(requests), chosen.map_or(live, |road| road.cost))
            }
            Task::Train { tuning, standing } => {
                let training = Training::knowing(&tuning, learned);
                let rows = tuning.train.examples.len() as u64;
                let billed = if standing == TuningState::New { training.billed() } else { Range::default() };
                let cost = match billed.high {
                    0 => Some(Range::default()),
                    _ => price.as_ref().and_then(|price| priced(billed, |tokens| price.of_training(tokens))),
                };
                (Work::Train { training, rows, standing }, cost)
            }
        };
        let cost = if in_process { Some(Range::default()) } else { cost };
        let prompt = matches!(work, Work::Evaluate(_)).then(|| sketched(&candidate)).flatten();
        let model = candidate.name;
        Step {
            model,
            name,
            work,
            in_process,
            keyless,
            price_key,
            price,
            cost,
            batch: road,
            deployment,
            retires,
            prompt,
        }
    }

    /// The deployment that a model needs, or will.
    fn deployment(&self, candidate: &EvalTarget, to_be_tuned: bool) -> Option<Deployment> {
        let offered = candidate.provider.deployments().is_some();
        (offered && (to_be_tuned || candidate.must_be_deployed())).then(|| {
            let DeploySettings { longest, idle, .. } =
                self.project.deploy_settings(candidate.provider.as_ref());
            Deployment { per_hour: candidate.price.as_ref().and_then(|price| price.hour), longest, idle }
        })
    }

    /// What the requests come to in batches, where the provider offers that.
    fn batch_road(
        &self,
        candidate: &EvalTarget,
        requests: &Requests,
        live_cost: Option<Range<Cost>>,
        configured: Option<bool>,
    ) -> Option<BatchRoad> {
        let limits = candidate.provider.batches()?.limits(candidate.name.model())?;
        let price = candidate.price.as_ref().map(Price::in_batch);
        let chosen = self.spending.batching.on || configured.unwrap_or(self.project.config.evaluation.batch);
        let cost = cost_of(requests, price.as_ref());
        Some(BatchRoad { chosen, cost, live_cost, window: limits.window })
    }

    fn requests(
        &self,
        candidate: &EvalTarget,
        counted: &Counted,
        learned: &Learned,
        to_be_tuned: bool,
    ) -> Requests {
        let &Counted { requests, cached, length, tokens, .. } = counted;
        if candidate.in_process() {
            let (input, output, basis, time) = (Range::default(), Range::default(), Basis::Length, None);
            return Requests { requests, cached, input, output, basis, time, to_be_tuned };
        }
        let (cap, usual) = answer(candidate);
        let (input, basis) = tokens::input(length, tokens, learned);
        let output = tokens::output(requests, usual, cap, learned);
        let (requests_per_minute, tokens_per_minute) = self.project.limits(&candidate.name);
        let pace = Throughput {
            requests_per_minute,
            tokens_per_minute,
            latency: learned.latency(),
            concurrency: candidate.concurrency,
        };
        let charged = input.expected.saturating_add(cap.saturating_mul(requests));
        let time = if requests == 0 { None } else { pace.time(requests, charged) };
        Requests { requests, cached, input, output, basis, time, to_be_tuned }
    }
}

/// What answers cost; nothing where none are to be had.
fn cost_of(requests: &Requests, price: Option<&Price>) -> Option<Range<Cost>> {
    if requests.requests == 0 {
        return Some(Range::default());
    }
    let Price { input, output, .. } = price?;
    let (input, output) = ((*input)?, (*output)?);
    Some(requests.input.map(|n| input.of(n)).with(requests.output.map(|n| output.of(n)), Cost::plus))
}

fn priced(tokens: Range<u64>, cost: impl Fn(u64) -> Option<Cost>) -> Option<Range<Cost>> {
    let Range { low, expected, high } = tokens;
    Some(Range { low: cost(low)?, expected: cost(expected)?, high: cost(high)? })
}
