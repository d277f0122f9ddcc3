//! Everything that can end a command, its exit code and its cure.

use std::io;
use std::path::PathBuf;

use tunebench_data::DataError;
use tunebench_providers::{Cause, ModelRef, ProviderError};

use crate::budget::BudgetError;
use crate::compare::CompareError;
use crate::config::{ConfigError, Document, Step};
use crate::deploy::DeployError;
use crate::evaluate::EvaluateError;
use crate::exit;
use crate::gate::GateError;
use crate::ledger::LedgerError;
use crate::merge::MergeError;
use crate::providers::Providers;
use crate::results::ResultsError;
use crate::tune::TuneError;

/// Why a command could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A data file is wrong.
    #[error("{error}")]
    Data {
        /// What is wrong with it.
        error: DataError,
        /// Where the configuration names it.
        named: Option<String>,
    },
    /// Several data files hold bad rows.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    BadRows(Vec<DataError>),
    /// The training data can't be used to tune a model.
    #[error("`{}` can't be used to tune {base}: {message}", .path.display())]
    Training {
        /// The training file.
        path: PathBuf,
        /// The base model.
        base: ModelRef,
        /// What is wrong, and where.
        message: String,
    },
    /// A text stands in the training and in the validation data.
    #[error("`{}`, line {here}: the same text is in line {there} of the training data", .path.display())]
    Overlap {
        /// The validation file.
        path: PathBuf,
        /// Its line there.
        here: u64,
        /// Its line in the training file.
        there: u64,
    },
    /// A copy would take the place of what it is a copy of.
    #[error("`{}` is one of the files that are read; it is never overwritten", .0.display())]
    Overwrite(PathBuf),
    /// The data would make a result meaningless.
    #[error("{0}")]
    Unfit(String),
    /// Nobody was there to agree that money is spent.
    #[error("{0}; this needs confirmation, but there is no terminal")]
    Unasked(String),
    /// Nobody was there to agree that something is deleted.
    #[error("deleting {0} needs confirmation, but there is no terminal")]
    Undeleted(String),
    /// The user did not agree.
    #[error("nothing was done, and nothing spent")]
    Declined,
    /// A model on the command line is none.
    #[error("{message}")]
    Model {
        /// What is wrong with it.
        message: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// A provider refused or failed.
    #[error("{model}: {error}")]
    Provider {
        /// Which model was asked for.
        model: ModelRef,
        /// What happened.
        error: Box<ProviderError>,
    },
    /// Several keys, logins or models are not there.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    NotReady(Vec<Error>),
    /// Fine-tuning brought no model.
    #[error("tuning {base}: {error}")]
    Tune {
        /// The base model.
        base: ModelRef,
        /// What happened.
        error: Box<TuneError>,
    },
    /// A model could not be deployed, or still is.
    #[error("{model}: deployment {error}")]
    Deploy {
        /// The model.
        model: ModelRef,
        /// What happened.
        error: Box<DeployError>,
    },
    /// The test file changed while it was read, or the ledger can't be read.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The ledger can't be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A cap is set that can't be kept.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The results folder can't be used.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// Two models can't be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// `--shard auto` finds no part for this machine.
    #[error("--shard auto: {0}")]
    Shard(String),
    /// Shards can't be joined.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The gate can't judge.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A report can't go where it shall go.
    #[error("{message}")]
    Output {
        /// What is wrong with the place.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// The system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Whoever read the output has gone away.
    #[error("the output was closed")]
    OutputClosed,
}

impl Error {
    /// A data file that the configuration names under `key`.
    pub(crate) fn data(error: DataError, document: &Document, key: &str) -> Self {
        // A file that the command line names is an absolute path, and no business of the configuration.
        let from_here = matches!(&error, DataError::Io { path, .. } | DataError::UnknownFormat(path) if path.is_relative());
        let named =
            from_here.then(|| document.error(&[Step::Key("data"), Step::Key(key)], "").line()).flatten();
        Self::Data { error, named: named.map(|line| format!("{}, line {line}", document.path().display())) }
    }

    /// A provider that refused or failed when asked for `model`.
    pub(crate) fn provider(model: &ModelRef, error: ProviderError) -> Self {
        Self::Provider { model: model.clone(), error: Box::new(error) }
    }

    /// Fine-tuning of `base` that brought no model.
    pub(crate) fn tune(base: &ModelRef, error: TuneError) -> Self {
        Self::Tune { base: base.clone(), error: Box::new(error) }
    }

    /// A deployment of `model` that failed, or is still there.
    pub(crate) fn deploy(model: &ModelRef, error: DeployError) -> Self {
        match error {
            DeployError::Budget(error) => Self::Budget(error),
            DeployError::Ledger(error) => Self::Ledger(error),
            error => Self::Deploy { model: model.clone(), error: Box::new(error) },
        }
    }

    /// A model whose provider this program does not have.
    pub(crate) fn unknown_provider(model: &ModelRef, providers: &Providers) -> Self {
        let hint = Some(providers.suggestion(model.provider()));
        Self::Model { message: format!("unknown provider `{}` in `{model}`", model.provider()), hint }
    }

    /// The exit code of a program that ends with this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Data { .. } | Self::BadRows(_) | Self::Model { .. } => exit::USAGE,
            Self::Training { .. } | Self::Overlap { .. } => exit::USAGE,
            Self::Overwrite(_) | Self::Unfit(_) | Self::Unasked(_) | Self::Undeleted(_) | Self::Shard(_) => {
                exit::USAGE
            }
            Self::Declined => exit::INCOMPLETE,
            Self::Ledger(error) | Self::Evaluate(EvaluateError::Ledger(error)) => of_ledger(error),
            Self::Evaluate(EvaluateError::Kept(_)) => exit::INCOMPLETE,
            Self::Evaluate(_) | Self::Results(_) | Self::Compare(_) | Self::Merge(_) | Self::Io(_) => {
                exit::USAGE
            }
            Self::Budget(_) | Self::Output { .. } => exit::USAGE,
            Self::Gate(error) => error.exit_code(),
            Self::Tune { error, .. } => match &**error {
                TuneError::Setting(_) | TuneError::File(_) => exit::USAGE,
                TuneError::Budget(BudgetError::UnknownTrainingPrice { .. }) => exit::USAGE,
                TuneError::Budget(_) => exit::INCOMPLETE,
                TuneError::Ledger(error) => of_ledger(error),
                TuneError::Provider(error) if error.cause == Cause::NotFound => exit::USAGE,
                TuneError::Provider(_) | TuneError::Ended(_) => exit::INCOMPLETE,
                TuneError::TimedOut(_) | TuneError::Interrupted(_) | TuneError::Cancelled => exit::INCOMPLETE,
                TuneError::Stopped(_) => exit::INCOMPLETE,
            },
            Self::Deploy { .. } => exit::INCOMPLETE,
            Self::Provider { error, .. } if error.cause == Cause::NotFound => exit::USAGE,
            Self::Provider { .. } => exit::INCOMPLETE,
            // What is wrong in the command stays wrong, whatever else may pass.
            Self::NotReady(errors) => errors.iter().map(Self::exit_code).min().unwrap_or(exit::INCOMPLETE),
            Self::OutputClosed => exit::DONE,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.cure().map(str::to_owned),
            Self::Data { named, .. } => named.as_ref().map(|place| format!("the file is named in {place}")),
            Self::Overlap { .. } => Some("take the row out of one of the two files".to_owned()),
            Self::Overwrite(_) => Some("name another folder".to_owned()),
            Self::Unfit(_) => {
                Some("`tunebench doctor` shows more, and `--no-doctor` runs all the same".to_owned())
            }
            Self::Unasked(_) => Some("confirm with `--yes`; `tunebench plan` shows more, and `[budget] ask_above` sets from when to ask".to_owned()),
            Self::Shard(_) => Some(
                "name the part, as in `--shard 2/8`, or set TUNEBENCH_SHARD_INDEX (from 0) and TUNEBENCH_SHARD_TOTAL"
                    .to_owned(),
            ),
            Self::Undeleted(_) => Some("confirm with `--yes`".to_owned()),
            Self::Model { hint, .. } => hint.clone(),
            Self::Provider { error, .. } => error.hint.clone(),
            Self::NotReady(errors) => {
                let mut hints: Vec<_> = errors.iter().filter_map(Self::hint).collect();
                hints.dedup();
                Some(hints.join("; "))
            }
            Self::Tune { error, .. } => match &**error {
                TuneError::Provider(error) => error.hint.clone(),
                TuneError::Ledger(error) => error.hint().map(str::to_owned),
                TuneError::TimedOut(_) | TuneError::Interrupted(_) | TuneError::Cancelled => {
                    Some("the job goes on; run the same command again to resume it".to_owned())
                }
                TuneError::Stopped(_) => {
                    Some("it trains in this program only; the same command begins it again".to_owned())
                }
                TuneError::Budget(BudgetError::CostReached { .. }) => Some(
                    "what training costs is an estimate from the length of the data; raise `--max-cost`, \
                     or tune on fewer rows or epochs"
                        .to_owned(),
                ),
                TuneError::Setting(_) | TuneError::File(_) | TuneError::Ended(_) | TuneError::Budget(_) => {
                    None
                }
            },
            Self::Deploy { error, .. } => error.hint(),
            Self::Results(error) => error.hint(),
            Self::Compare(error) => error.hint(),
            Self::Gate(error) => error.hint(),
            Self::Output { hint, .. } => Some(hint.clone()),
            Self::Ledger(error) | Self::Evaluate(EvaluateError::Ledger(error)) => {
                error.hint().map(str::to_owned)
            }
            Self::Evaluate(EvaluateError::Kept(_)) => Some(
                "make room where the results go, and run the same command again: answers that were paid for are in the ledger"
                    .to_owned(),
            ),
            Self::Merge(MergeError::Whole(_)) => {
                Some("evaluate parts with `tunebench eval --shard 1/2 --results DIR`".to_owned())
            }
            Self::Merge(_) => None,
            Self::BadRows(_)
            | Self::Training { .. }
            | Self::Evaluate(_)
            | Self::Budget(_)
            | Self::Declined
            | Self::Io(_)
            | Self::OutputClosed => None,
        }
    }
}

/// What stands in the way of the ledger may pass, such as a full disk; a file that is no ledger stays none.
fn of_ledger(error: &LedgerError) -> u8 {
    if error.may_pass() { exit::INCOMPLETE } else { exit::USAGE }
}
