//! What a run would ask, train, cost, take and prove, before the first of it is sent.
//!
//! A plan reads the data and the ledger, and asks nobody. What the ledger has is not paid for again, and so costs nothing
//! here. What is not known is said not to be: a price that is missing is no price of zero.

mod count;
mod make;
mod range;
mod time;
mod tokens;
mod training;

use std::time::Duration;

use jiff::civil::Date;
use tunebench_providers::{Epochs, ModelRef};
use tunebench_reports::{PromptMessage, smallest_difference};

pub(crate) use count::{Answered, Texts, count, texts};
pub use range::Range;
pub use time::{Bound, Time};
pub use tokens::Basis;
pub use training::Training;

use crate::budget::{BudgetError, Caps, Cost, Price};
use crate::deploy::for_time;
use crate::tune::TuningState;

/// The shares of rows that tell two models apart, for which a plan says what can be proven. Which it will be is known
/// only afterwards; a small change to a good model is near the first, another model near the last.
const DISCORDANCES: [f64; 3] = [0.05, 0.1, 0.2];

/// What a run would do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Rows of the test data.
    pub rows: u64,
    /// The day for whose prices it holds.
    pub day: Date,
    /// What is to be done, in its order.
    pub steps: Vec<Step>,
}

/// One model to be asked or tuned.
#[derive(Debug, Clone)]
pub struct Step {
    /// The model that is asked, or the base of one that is not there yet.
    pub model: ModelRef,
    /// How a report names it.
    pub name: String,
    /// What is to be done with it.
    pub work: Work,
    /// Whether it is computed in this process, and so costs nothing.
    pub in_process: bool,
    /// Whether its provider needs no key, and so can send no bill.
    pub keyless: bool,
    /// The key under which a price would be looked for, and be given in the configuration.
    pub price_key: String,
    /// Its price, where that is known.
    pub price: Option<Price>,
    /// What it costs; none where no price is known.
    pub cost: Option<Range<Cost>>,
    /// The same work in batches, where that can be done.
    pub batch: Option<BatchRoad>,
    /// The deployment without which it does not answer.
    pub deployment: Option<Deployment>,
    /// The day on which the model stops answering, where one is announced.
    pub retires: Option<String>,
    /// What it would be sent, with `{text}` where the text of a row stands; nothing where it is trained or computed here.
    pub prompt: Option<Vec<PromptMessage>>,
}

/// What is to be done with a model.
#[derive(Debug, Clone)]
pub enum Work {
    /// It is asked about the rows.
    Evaluate(Requests),
    /// Another is made from it.
    Train {
        /// What it would be billed for; nothing where the job is there.
        training: Training,
        /// Rows to learn from.
        rows: u64,
        /// Where the job stands.
        standing: TuningState,
    },
}

/// A deployment that a step needs, whose minutes are what is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployment {
    /// What an hour costs; none where no price is known.
    pub per_hour: Option<Cost>,
    /// The longest time that it may stand.
    pub longest: Duration,
    /// After how long without a request its provider stops it by itself.
    pub idle: Duration,
}

impl Deployment {
    /// Until a model answers, by the word of its host: up to 20 minutes are usual.
    const RISE: Duration = Duration::from_secs(10 * 60);
    /// Until it is gone.
    const FALL: Duration = Duration::from_secs(2 * 60);

    /// What it costs to ask for so long; where nobody knows how long that is, as if for five minutes.
    pub(crate) fn cost(&self, asking: Option<Duration>) -> Option<Range<Cost>> {
        let per_hour = self.per_hour?;
        let most = self.longest + self.idle;
        let asking = asking.unwrap_or(Duration::from_secs(5 * 60));
        let expected = (Self::RISE + asking + Self::FALL).min(most);
        let least = asking.min(expected);
        let cost = |time| for_time(per_hour, time);
        Some(Range { low: cost(least), expected: cost(expected), high: cost(most) })
    }
}

/// What asking in batches comes to, beside asking live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRoad {
    /// Whether it will be done so: then the cost of the step is this one.
    pub chosen: bool,
    /// What it costs; none where no price is known.
    pub cost: Option<Range<Cost>>,
    /// What it costs live.
    pub live_cost: Option<Range<Cost>>,
    /// Within which time the provider means to answer.
    pub window: Duration,
}

/// The requests of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// How many are to be sent.
    pub requests: u64,
    /// How many answers are in the ledger.
    pub cached: u64,
    /// Tokens to be sent.
    pub input: Range<u64>,
    /// Tokens to be answered.
    pub output: Range<u64>,
    /// Where the tokens to be sent come from.
    pub basis: Basis,
    /// How long it takes at the limits that are known.
    pub time: Option<Time>,
    /// Whether the model has yet to be tuned.
    pub to_be_tuned: bool,
}

impl Step {
    /// Requests and jobs that would be sent.
    pub fn sends(&self) -> bool {
        !self.in_process
            && match &self.work {
                Work::Evaluate(requests) => requests.requests > 0,
                Work::Train { standing, .. } => *standing == TuningState::New,
            }
    }
}

/// What a plan costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bill {
    /// All that has a known price.
    pub cost: Range<Cost>,
    /// Steps that would be paid for and have none.
    pub unpriced: usize,
}

impl Bill {
    /// Whether nothing has to be paid for.
    pub fn is_free(&self) -> bool {
        self.cost.high == Cost::ZERO && self.unpriced == 0
    }
}

/// What the rows of a plan can prove.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Provable {
    /// The share of rows that tells two models apart, as supposed.
    pub discordance: f64,
    /// The smallest difference of accuracy that is then proven; none where there are too few rows for any.
    pub difference: Option<f64>,
}

impl Plan {
    /// The same without the evaluations.
    #[must_use]
    pub fn of_training(mut self) -> Self {
        self.steps.retain(|step| matches!(step.work, Work::Train { .. }));
        self
    }

    /// What all of it costs.
    pub fn bill(&self) -> Bill {
        let paid = self.steps.iter().filter(|step| step.sends());
        Bill {
            cost: paid.clone().filter_map(|step| step.cost).sum(),
            unpriced: paid.filter(|step| step.cost.is_none() && !step.keyless).count(),
        }
    }

    /// Whether anybody would ask what it costs: it trains, or asks a model elsewhere.
    pub fn may_cost(&self) -> bool {
        self.steps.iter().any(|step| !step.in_process || matches!(step.work, Work::Train { .. }))
    }

    /// Requests to be sent.
    pub fn requests(&self) -> u64 {
        self.evaluations().map(|requests| requests.requests).sum()
    }

    /// The evaluations of models elsewhere.
    pub fn evaluations(&self) -> impl Iterator<Item = &Requests> {
        self.steps.iter().filter(|step| !step.in_process).filter_map(|step| match &step.work {
            Work::Evaluate(requests) => Some(requests),
            Work::Train { .. } => None,
        })
    }

    /// Fine-tuning jobs to be made elsewhere.
    pub fn jobs(&self) -> usize {
        let jobs = self.steps.iter().filter(|step| matches!(step.work, Work::Train { .. }));
        jobs.filter(|step| step.sends()).count()
    }

    /// The day of the oldest price in use, where all say theirs.
    pub fn prices_of(&self) -> Option<Date> {
        let paid = self.steps.iter().filter(|step| step.sends()).filter_map(|step| step.price.as_ref());
        paid.filter_map(|price| price.date).min()
    }

    /// The smallest differences of accuracy that the rows prove with a chance of 80 %.
    pub fn provable(&self) -> [Provable; 3] {
        DISCORDANCES.map(|discordance| Provable {
            discordance,
            difference: smallest_difference(self.rows, discordance),
        })
    }

    /// Finds a price that a cap needs and nobody knows, before anything is paid.
    pub fn check(&self, caps: &Caps) -> Result<(), BudgetError> {
        let missing = self.steps.iter().find(|step| step.sends() && step.cost.is_none());
        match missing.filter(|_| caps.max_cost.is_some()) {
            None => Ok(()),
            Some(Step { work: Work::Train { .. }, price_key, .. }) => {
                Err(BudgetError::UnknownTrainingPrice { model: price_key.clone() })
            }
            Some(Step { deployment: Some(_), price_key, .. }) => {
                Err(BudgetError::UnknownHourlyPrice { model: price_key.clone() })
            }
            Some(Step { price_key, .. }) => Err(BudgetError::UnknownPrice { model: price_key.clone() }),
        }
    }
}

/// Whether a number of epochs is only supposed.
pub fn supposed(epochs: Epochs) -> bool {
    matches!(epochs, Epochs::Expected(_))
}
