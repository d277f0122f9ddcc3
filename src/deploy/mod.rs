//! Deployments: up before a model is asked, down afterwards, whatever happens in between.
//!
//! The one rule is that no deployment of ours runs on unnoticed. It is in the ledger before it is made, and stays there until
//! it was seen to be gone. Its provider stops it by itself when nobody asks it; an answer that does not confirm that is
//! refused. Whoever comes next, after `kill -9` too, finds it again by its mark.

mod down;
mod up;

use std::fmt;
use std::time::Duration;

use tunebench_providers::{DeploymentMark, ProviderError};

use crate::budget::{BudgetError, Cost};
use crate::ledger::{DeploymentRecord, LedgerError, RunId, now};

#[cfg(feature = "cli")]
pub(crate) use down::gone;
use down::patiently;
pub use down::{down, orphans};
pub use up::{Deployer, Standing};

/// How deployments are followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeploySettings {
    /// The longest time that one may stand.
    pub longest: Duration,
    /// After how long without a request its provider stops it.
    pub idle: Duration,
    /// The time between two looks; where not set, what suits the provider.
    pub poll: Option<Duration>,
}

impl DeploySettings {
    /// The longest time for which one can be billed: as long as it may stand, and, if this program is killed then, until its
    /// provider stops it.
    pub fn longest_billed(&self) -> Duration {
        self.longest + self.idle
    }
}

/// For how long one that was ordered may not show in a list.
pub(crate) const UNSEEN: i64 = 2 * 60 * 1_000_000;

/// What happens to a deployment.
#[derive(Debug, Clone, PartialEq)]
pub enum DeployEvent {
    /// One of an earlier command stands, and is used.
    Found(DeploymentMark),
    /// One was ordered.
    Ordered {
        /// Our name for it.
        mark: DeploymentMark,
        /// On what it stands.
        hardware: String,
        /// For how much.
        per_hour: Cost,
    },
    /// It is in this state, in its provider's words.
    Said(String),
    /// It answers, after so long.
    Ready(Duration),
    /// It is taken down.
    TakingDown,
    /// It is gone.
    Gone(Stood),
    /// The provider was not reached; it will be asked again.
    Unreachable(ProviderError),
}

/// What a deployment came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Stood {
    /// On what it stood.
    pub hardware: String,
    /// Its price.
    pub per_hour: Cost,
    /// How many minutes are billed: those that have begun.
    pub minutes: u64,
    /// What that costs.
    pub cost: Cost,
}

/// How a report says it.
impl fmt::Display for Stood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hardware, per_hour, minutes, cost } = self;
        let unit = if *minutes == 1 { "minute" } else { "minutes" };
        write!(f, "deployed for {minutes} {unit} on {hardware} at {per_hour} an hour: {cost}")
    }
}

impl Stood {
    pub(crate) fn since(record: &DeploymentRecord) -> Self {
        let micros = u64::try_from(now() - record.recorded).unwrap_or_default();
        let (minutes, per_hour) =
            (micros.div_ceil(60_000_000), Cost::from_nanos(record.order.nanos_per_hour));
        let cost = for_time(per_hour, Duration::from_secs(60 * minutes));
        Self { hardware: record.order.hardware.clone(), per_hour, minutes, cost }
    }
}

/// What a machine costs for a time.
pub(crate) fn for_time(per_hour: Cost, time: Duration) -> Cost {
    let nanos = u128::from(per_hour.nanos()).saturating_mul(time.as_millis());
    Cost::from_nanos(u64::try_from(nanos.div_ceil(3_600_000)).unwrap_or(u64::MAX))
}

/// Why a model is not deployed, or still is.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DeployError {
    /// The provider refused or failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// It can't be recorded, and so must not be made.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It may cost more than is left, or nobody knows what it costs.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// Another process uses it.
    #[error("{0} is used by another process (run {1})")]
    InUse(DeploymentMark, RunId),
    /// The user asked for the end.
    #[error("interrupted before it answered")]
    Cancelled,
    /// It came up, and its provider does not say that it stops by itself.
    #[error("its provider does not confirm that it stops by itself when it is idle, so it is not used")]
    NoNet,
    /// It will never answer.
    #[error("it does not answer: {0}")]
    Failed(String),
    /// It could not be taken down, and may be on the bill.
    #[error("{mark} may still run, at {per_hour} an hour: {reason}")]
    StillThere {
        /// Our name for it.
        mark: DeploymentMark,
        /// Its price.
        per_hour: Cost,
        /// Why it is not known to be gone.
        reason: String,
    },
}

impl DeployError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Provider(error) => error.hint.clone(),
            Self::Ledger(error) => error.hint().map(str::to_owned),
            Self::Budget(BudgetError::CostReached { .. }) => {
                Some("shorten `[deployments] max_minutes`, or allow more".to_owned())
            }
            Self::Budget(_) | Self::Cancelled | Self::NoNet | Self::Failed(_) => None,
            Self::InUse(..) => Some("wait for its end; then the same command goes on".to_owned()),
            Self::StillThere { .. } => Some("`tunebench deployments stop` tries again".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_billed_by_time_and_rounded_up() {
        let hour = Cost::from_dollars(3.99).unwrap();
        assert_eq!(for_time(hour, Duration::from_secs(3_600)), hour);
        assert_eq!(for_time(hour, Duration::from_secs(60)), Cost::from_nanos(66_500_000));
        assert_eq!(for_time(Cost::from_nanos(1), Duration::from_millis(1)), Cost::from_nanos(1));
        assert_eq!(for_time(Cost::from_nanos(u64::MAX), Duration::MAX), Cost::from_nanos(u64::MAX));
    }
}
