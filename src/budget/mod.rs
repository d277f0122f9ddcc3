//! What a run may spend, kept by reserving before each request and settling after it.

mod cost;
mod prices;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tunebench_providers::Usage;

pub use cost::Cost;
pub use prices::{Price, PriceEntry, PriceError, PriceTable, Rate};

/// The most that a run may do; `None` for no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Caps {
    /// Money.
    pub max_cost: Option<Cost>,
    /// Requests sent, repeats and refused ones included.
    pub max_requests: Option<u64>,
}

/// Why a request may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// It might cost more than is left.
    #[error(
        "the budget of {cap} is reached: {spent} spent, up to {reserved} held back for requests in flight, and this would take up to {needed}"
    )]
    CostReached {
        /// The cap.
        cap: Cost,
        /// Settled so far.
        spent: Cost,
        /// Held back for requests in flight, some of which may come free again.
        reserved: Cost,
        /// What this request may cost.
        needed: Cost,
    },
    /// As many requests as allowed have been sent.
    #[error("the budget of {cap} requests is reached")]
    RequestsReached {
        /// The cap.
        cap: u64,
    },
    /// There is a cap on money, and no knowing what this model costs.
    #[error(
        "a cost cap is set, but the price of `{model}` is not known; give it in tunebench.toml, in dollars for a million tokens:\n[prices.\"{model}\"]\ninput = …\noutput = …"
    )]
    UnknownPrice {
        /// The model, as `provider/model`.
        model: String,
    },
    /// There is no knowing what a machine costs.
    #[error(
        "the price of an hour in which `{model}` is deployed is not known; give it in tunebench.toml, in dollars:\n[prices.\"{model}\"]\nhour = …"
    )]
    UnknownHourlyPrice {
        /// The model, as `provider/model`.
        model: String,
    },
    /// There is a cap on money, and no knowing what training costs.
    #[error(
        "a cost cap is set, but the price of tuning `{model}` is not known; give it in tunebench.toml, in dollars for a million tokens:\n[prices.\"{model}\"]\ninput = …\noutput = …\ntraining = …"
    )]
    UnknownTrainingPrice {
        /// The base model, as `provider/model`.
        model: String,
    },
}

/// What has been spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// The sum of what is settled. Answers without a known price are not in it.
    pub cost: Cost,
    /// The most that requests in flight may cost besides.
    pub reserved: Cost,
    /// Requests sent.
    pub requests: u64,
    /// Settled requests whose price is not known.
    pub unpriced: u64,
}

/// Keeps a run within its caps; see [`Budget::reserve`].
#[derive(Debug)]
pub struct Budget {
    caps: Caps,
    spent: Mutex<Spent>,
    /// Told when what was held back is settled.
    settled: Notify,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub fn new(caps: Caps) -> Self {
        Self { caps, spent: Mutex::default(), settled: Notify::new() }
    }

    /// Checks before a run that every price is known that a cap needs.
    pub fn check(&self, model: &str, price: Option<&Price>) -> Result<(), BudgetError> {
        let known = price.is_some_and(|price| price.of(Usage::default()).is_some());
        if self.caps.max_cost.is_some() && !known {
            return Err(BudgetError::UnknownPrice { model: model.to_owned() });
        }
        Ok(())
    }

    /// Holds back what a request costs at worst: all tokens that it may need, with the answer as long as its cap.
    ///
    /// As long as no usage is larger than the `worst` given for it, the cost of the run stays within its cap.
    pub fn reserve<'a>(
        &'a self,
        model: &str,
        price: Option<&'a Price>,
        worst: Usage,
    ) -> Result<Reservation<'a>, BudgetError> {
        self.check(model, price)?;
        let whole = price.and_then(|price| price.at_most(worst));
        self.hold(Reservation { budget: self, price, whole, requests: 1, open: true })
    }

    /// Holds back what a batch of so many requests costs at worst, all its tokens together.
    pub fn reserve_batch<'a>(
        &'a self,
        model: &str,
        price: Option<&'a Price>,
        worst: Usage,
        requests: u64,
    ) -> Result<Reservation<'a>, BudgetError> {
        self.check(model, price)?;
        let whole = price.and_then(|price| price.at_most(worst));
        self.hold(Reservation { budget: self, price, whole, requests, open: true })
    }

    /// Holds back what a batch may cost that an earlier command has paid for: whatever the cap, its answers are fetched.
    pub fn take_over<'a>(&'a self, price: Option<&'a Price>, worst: Usage) -> Reservation<'a> {
        let whole = price.and_then(|price| price.at_most(worst));
        let reservation = Reservation { budget: self, price, whole, requests: 0, open: true };
        let mut spent = self.spent();
        spent.reserved = spent.reserved.plus(reservation.amount());
        drop(spent);
        reservation
    }

    /// The same, but where money is short only because of what is held back for others, waits for what they really cost:
    /// the cap is then used up before the run ends.
    pub async fn reserve_in_turn<'a>(
        &'a self,
        model: &str,
        price: Option<&'a Price>,
        worst: Usage,
    ) -> Result<Reservation<'a>, BudgetError> {
        loop {
            // Asked for before the look, so that nothing is missed between the two.
            let settled = self.settled.notified();
            match self.reserve(model, price, worst) {
                Err(BudgetError::CostReached { cap, spent, reserved, needed })
                    if reserved > Cost::ZERO && spent.plus(needed) <= cap =>
                {
                    settled.await;
                }
                done => return done,
            }
        }
    }

    /// Checks before a run that the price of training is known, if a cap needs it.
    pub fn check_training(&self, model: &str, price: Option<&Price>) -> Result<(), BudgetError> {
        let known = price.is_some_and(|price| price.training.is_some());
        if self.caps.max_cost.is_some() && !known {
            return Err(BudgetError::UnknownTrainingPrice { model: model.to_owned() });
        }
        Ok(())
    }

    /// Holds back what a fine-tuning job is expected to cost: so many tokens, epochs counted.
    ///
    /// Nobody but the provider knows the tokens before: a job may cost somewhat more than was held back.
    pub fn reserve_training<'a>(
        &'a self,
        model: &str,
        price: Option<&'a Price>,
        tokens: u64,
    ) -> Result<Reservation<'a>, BudgetError> {
        self.check_training(model, price)?;
        let whole = price.and_then(|price| price.of_training(tokens));
        self.hold(Reservation { budget: self, price, whole, requests: 0, open: true })
    }

    /// Holds back what the provider itself says that a fine-tuning job will cost.
    pub fn reserve_estimate<'a>(
        &'a self,
        price: Option<&'a Price>,
        cost: Cost,
    ) -> Result<Reservation<'a>, BudgetError> {
        self.hold(Reservation { budget: self, price, whole: Some(cost), requests: 0, open: true })
    }

    /// Holds back what a deployment may cost at most.
    pub fn reserve_deployment(&self, most: Cost) -> Result<Reservation<'_>, BudgetError> {
        self.hold(Reservation { budget: self, price: None, whole: Some(most), requests: 0, open: true })
    }

    /// Holds back what a deployment may cost that is there already, whatever the cap.
    pub fn take_over_deployment(&self, most: Cost) -> Reservation<'_> {
        let mut spent = self.spent();
        spent.reserved = spent.reserved.plus(most);
        drop(spent);
        Reservation { budget: self, price: None, whole: Some(most), requests: 0, open: true }
    }

    fn hold<'a>(&'a self, mut reservation: Reservation<'a>) -> Result<Reservation<'a>, BudgetError> {
        let amount = reservation.amount();
        let mut spent = self.spent();
        let asks = reservation.requests > 0;
        if let Some(cap) =
            self.caps.max_requests.filter(|&cap| asks && spent.requests + reservation.requests > cap)
        {
            reservation.open = false;
            return Err(BudgetError::RequestsReached { cap });
        }
        if let Some(cap) =
            self.caps.max_cost.filter(|&cap| spent.cost.plus(spent.reserved).plus(amount) > cap)
        {
            let Spent { cost, reserved, .. } = *spent;
            reservation.open = false;
            return Err(BudgetError::CostReached { cap, spent: cost, reserved, needed: amount });
        }
        spent.requests += reservation.requests;
        spent.reserved = spent.reserved.plus(amount);
        drop(spent);
        Ok(reservation)
    }

    /// What has been spent so far.
    pub fn so_far(&self) -> Spent {
        *self.spent()
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Money held back for one request or one fine-tuning job.
///
/// One that is dropped is settled in full: a request given up in flight may well be billed.
#[derive(Debug)]
#[must_use = "a reservation that is dropped counts as spent"]
pub struct Reservation<'a> {
    budget: &'a Budget,
    price: Option<&'a Price>,
    /// The most that it may cost, if the price is known.
    whole: Option<Cost>,
    requests: u64,
    open: bool,
}

impl Reservation<'_> {
    /// The request was answered, with this usage; gives its cost, if the price is known.
    pub fn settle(mut self, usage: Usage) -> Option<Cost> {
        let cost = self.price.and_then(|price| price.of(usage));
        self.close(cost, true);
        cost
    }

    /// The job has ended, and is billed for so many tokens, epochs counted.
    pub fn settle_training(mut self, tokens: u64) -> Option<Cost> {
        let cost = self.price.and_then(|price| price.of_training(tokens));
        self.close(cost, true);
        cost
    }

    /// It is billed for so much.
    pub fn settle_cost(mut self, cost: Cost) {
        self.close(Some(cost), true);
    }

    /// The request was sent and will not be billed: it was refused, or the provider failed.
    pub fn unbilled(mut self) {
        self.close(Some(Cost::ZERO), true);
    }

    /// The request was not sent.
    pub fn release(mut self) {
        self.close(Some(Cost::ZERO), false);
    }

    fn amount(&self) -> Cost {
        self.whole.unwrap_or_default()
    }

    fn close(&mut self, cost: Option<Cost>, sent: bool) {
        self.open = false;
        let mut spent = self.budget.spent();
        spent.reserved = spent.reserved.minus(self.amount());
        spent.cost = spent.cost.plus(cost.unwrap_or_default());
        spent.unpriced += u64::from(cost.is_none());
        if !sent {
            spent.requests -= self.requests;
        }
        drop(spent);
        self.budget.settled.notify_waiters();
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.open {
            self.close(self.whole, true);
        }
    }
}

#[cfg(test)]
mod tests;
