//! The gate: what was measured against what is asked for, and against a committed baseline.
//!
//! [`checks`] judges and knows no files, [`baseline`] is the file that a team commits, [`ci`] is what CI systems read.

pub mod baseline;
pub mod checks;
pub mod ci;
mod facts;
mod matching;
mod settings;

use std::io;
use std::path::PathBuf;

use crate::exit;

pub use facts::{Measured, facts, gated};
pub use matching::matched;
pub use settings::{GateSettingError, Settings};

/// Why the gate can't judge.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// There is no baseline.
    #[error("there is no baseline `{}`", .0.display())]
    Missing(PathBuf),
    /// The baseline can't be read.
    #[error("`{}`: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// The baseline is damaged or of another version.
    #[error("`{}`, {error}", .path.display())]
    Baseline {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        error: baseline::BaselineError,
    },
    /// The baseline has other rows.
    #[error(
        "the baseline is of other data: {common} rows are the same, {only_baseline} only in the baseline, \
         {only_here} only in the results"
    )]
    OtherData {
        /// Rows of both.
        common: u64,
        /// Rows of the baseline only.
        only_baseline: u64,
        /// Rows of the results only.
        only_here: u64,
    },
    /// The baseline says of a row what can't be.
    #[error("the baseline calls row {0} correct with a label that is not the row's gold label")]
    Gold(tunebench_data::ExampleId),
    /// The baseline does not know the model.
    #[error("the baseline has neither {model} nor one model that it clearly replaces; it has {known}")]
    UnknownModel {
        /// The model.
        model: String,
        /// What it knows.
        known: String,
    },
    /// The results do not hold a model.
    #[error("the results have no model `{model}`; they have {known}")]
    NoModel {
        /// The model.
        model: String,
        /// What there is.
        known: String,
        /// Why that may not be all.
        lack: Option<checks::Incompleteness>,
    },
    /// Nothing would be checked.
    #[error("there is nothing to check: no limit is set, and the test against the baseline is off")]
    NoChecks,
    /// A setting makes no sense.
    #[error(transparent)]
    Setting(#[from] GateSettingError),
    /// A baseline of a model that was not measured to the end would let anything pass.
    #[error("no baseline is written: {}", .0.what)]
    Refused(checks::Incompleteness),
}

impl GateError {
    /// The exit code of a gate that ends with this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::NoModel { lack: Some(_), .. } => exit::INCOMPLETE,
            _ => exit::USAGE,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing(_) => "write it with `tunebench gate --update-baseline`, and commit it",
            Self::UnknownModel { .. } => {
                "name the models to judge with `--model` or in `[gate]`; or, if the change is meant, write the baseline anew \
                 with `tunebench gate --update-baseline`"
            }
            Self::Baseline { .. } | Self::Gold(_) | Self::OtherData { .. } => {
                "if the change is meant, write the baseline anew with `tunebench gate --update-baseline`"
            }
            Self::NoChecks => "set a limit in `[gate]`, such as `min_accuracy = 0.9`",
            Self::Refused(lack) => lack.hint,
            Self::Setting(mistake) => return mistake.hint.clone(),
            Self::NoModel { lack, .. } => lack.as_ref()?.hint,
            Self::Unreadable { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
