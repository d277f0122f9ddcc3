//! What ends an evaluation before its last row.

use std::fmt;

use tunebench_providers::ProviderError;

use crate::budget::BudgetError;
use crate::ledger::LedgerError;

/// What ends an evaluation before its last row.
#[derive(Debug, Clone)]
pub enum AbortReason {
    /// A failure that all further rows would share.
    Provider(ProviderError),
    /// The money or the requests that may be spent are used up.
    Budget(BudgetError),
    /// Nothing more can be kept, so nothing more may be asked.
    Ledger(LedgerError),
}

impl AbortReason {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Provider(error) => error.hint.clone(),
            Self::Budget(_) => {
                Some("run the same command again to go on: the cap is for each command, and what was answered is kept".into())
            }
            Self::Ledger(error) => error.hint().map(str::to_owned),
        }
    }
}

impl From<ProviderError> for AbortReason {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => error.fmt(f),
            Self::Budget(error) => error.fmt(f),
            Self::Ledger(error) => error.fmt(f),
        }
    }
}
