//! What can go wrong with the ledger, with the path and the cure.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::ContentKey;

/// Why the ledger cannot be used.
///
/// It can be cloned, because a failed commit is told to everyone who waits for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file is something else.
    #[error("`{}` is not a ledger", .0.display())]
    Foreign(PathBuf),
    /// The file cannot be read as what it should be.
    #[error("the ledger `{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// A later version of the program wrote the file.
    #[error("the ledger `{}` has version {found}, but this program knows only versions up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The last version known here.
        known: u32,
    },
    /// An earlier version of the program wrote the file, and it is not to be changed here.
    #[error("the ledger `{}` has the old version {found}", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Another process does not let go of the file.
    #[error("the ledger `{}` is locked by another process", .0.display())]
    Busy(PathBuf),
    /// There is no room for more.
    #[error("no space left for the ledger `{}`", .0.display())]
    Full(PathBuf),
    /// The file or its folder cannot be written.
    #[error("the ledger `{}` cannot be written: file or folder is read-only", .0.display())]
    ReadOnly(PathBuf),
    /// The system refused something else.
    #[error("the ledger `{}` cannot be used: {detail}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// In the system's words.
        detail: String,
    },
    /// The writer has ended; nothing more can be kept in this run.
    #[error("the ledger `{}` was closed before everything was written", .0.display())]
    Closed(PathBuf),
}

impl LedgerError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Foreign(_) => {
                Some("name another file for the ledger, or move this one away; it was left as it is")
            }
            Self::Damaged { .. } => {
                Some("put back a copy, or move the file away to begin a new ledger; it was left as it is")
            }
            Self::Newer { .. } => {
                Some("use a newer version of tunebench, or another ledger; it was left as it is")
            }
            Self::Older { .. } => Some("open it once as the ledger of a command, which brings it up to date"),
            Self::Busy(_) => Some("wait for the other process, or end it, and run the same command again"),
            Self::Full(_) => {
                Some("free some space and run the same command again; what was kept is not asked again")
            }
            Self::ReadOnly(_) => Some("make file and folder writable, or name another file for the ledger"),
            Self::Failed { .. } => Some(
                "see whether the disk is full or fails, and run the same command again; what was kept is not asked again",
            ),
            Self::Closed(_) => None,
        }
    }

    /// Whether the same command may well succeed later, with the file as it is.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Full(_) | Self::Failed { .. } | Self::Closed(_))
    }

    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::NotADatabase => Self::Foreign(path),
                ErrorCode::DatabaseCorrupt => Self::Damaged { path, detail: error.to_string() },
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy(path),
                ErrorCode::DiskFull => Self::Full(path),
                ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly(path),
                _ => Self::Failed { path, detail: error.to_string() },
            },
            // The engine accepted the file, yet a column is missing or holds what was never written.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..) => Self::Damaged { path, detail: error.to_string() },
            _ => Self::Failed { path, detail: error.to_string() },
        }
    }

    /// The answer under this key was changed by another program, or by the disk.
    pub(super) fn altered(path: &Path, key: &ContentKey) -> Self {
        let detail = format!("the answer {key} is not what was written");
        Self::Damaged { path: path.to_owned(), detail }
    }

    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Failed { path, detail: error.to_string() },
        }
    }
}

/// Adds the path to what the engine reports.
pub(super) trait At<T> {
    fn at(self, path: &Path) -> Result<T, LedgerError>;
}

impl<T> At<T> for rusqlite::Result<T> {
    fn at(self, path: &Path) -> Result<T, LedgerError> {
        self.map_err(|error| LedgerError::sqlite(path, &error))
    }
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, LedgerError> {
        self.map_err(|error| LedgerError::io(path, &error))
    }
}
