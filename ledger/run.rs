//! Runs: their names, which of them are alive, and what the dead ones left open.
//!
//! A run holds a lock on a file of its own beside the ledger for as long as it lives. The system takes the lock away
//! when the process ends, however it ends, and no number that could be given to another process plays a part in it.
//! The lock is held before the run is in the ledger, so a run whose file is free or gone has ended.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use super::ContentKey;
use super::error::{At, LedgerError};
use super::store::{Target, now};

/// How a run is called: the second it began in (UTC) and four letters that tell it from others of that second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub(super) String);

impl RunId {
    fn new(started: i64) -> Self {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let second = jiff::Timestamp::from_microsecond(started).unwrap_or_default();
        let random = RandomState::new().build_hasher().finish();
        let letters = (0..4).map(|at| char::from(LETTERS[(random >> (5 * at)) as usize % LETTERS.len()]));
        Self(format!("{}-{}", second.strftime("%Y%m%dT%H%M%SZ"), letters.collect::<String>()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Under way, or dead and not yet noticed.
    Running,
    /// Came to its end and said so.
    Ended,
    /// Was killed, or left without a word.
    Died,
}

/// What a run did. For one that died, up to a few hundred requests may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Totals {
    /// Intents written.
    pub asked: u64,
    /// Answers kept.
    pub answered: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// A run, as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its name.
    pub id: RunId,
    /// The command that made it.
    pub command: String,
    /// The version of the program.
    pub tool_version: String,
    /// When it began, in microseconds since 1970.
    pub started: i64,
    /// When it ended.
    pub ended: Option<i64>,
    /// How it stands.
    pub state: RunState,
    /// What it did.
    pub totals: Totals,
}

/// Requests that were under way when their run ended: they may have been paid for without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanedRequests {
    /// The run.
    pub run: RunId,
    /// Who was asked.
    pub target: Target,
    /// How many requests.
    pub requests: u64,
}

/// Proof that a run is alive.
#[derive(Debug)]
pub(super) struct Alive {
    path: PathBuf,
    _lock: File,
}

impl Drop for Alive {
    fn drop(&mut self) {
        // What stays behind is taken away by the next run; a missing file means the same as a free one.
        let _ = fs_err::remove_file(&self.path);
    }
}

fn lock_path(ledger: &Path, id: &str) -> PathBuf {
    let mut name = OsString::from(ledger.as_os_str());
    name.push(format!("-run-{id}"));
    name.into()
}

/// Writes a new run into the ledger.
pub(super) fn begin(
    connection: &mut Connection,
    path: &Path,
    command: &str,
    tool_version: &str,
) -> Result<(RunId, i64, Alive), LedgerError> {
    let started = now();
    let (id, alive) = loop {
        let id = RunId::new(started);
        let lock = lock_path(path, &id.0);
        match File::create_new(&lock) {
            Ok(file) => {
                file.lock().at(path)?;
                break (id, Alive { path: lock, _lock: file });
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(LedgerError::io(path, &error)),
        }
    };
    let insert =
        "INSERT INTO runs (id, command, tool_version, started, state) VALUES (?, ?, ?, ?, 'running')";
    connection.execute(insert, params![id.0, command, tool_version, started]).at(path)?;
    Ok((id, connection.last_insert_rowid(), alive))
}

/// Intents without an answer of the runs that no one holds, by run and target.
pub(super) fn unresolved(connection: &Connection, path: &Path) -> Result<Vec<OrphanedRequests>, LedgerError> {
    let mut doubts = Vec::new();
    for (number, _) in dead(connection, path)? {
        doubts.extend(open_intents(connection, number).at(path)?);
    }
    Ok(doubts)
}

/// Declares dead runs dead, and turns what they left open into doubts, which stay on record. Tells the new ones.
pub(super) fn mark_dead(
    connection: &mut Connection,
    path: &Path,
) -> Result<Vec<OrphanedRequests>, LedgerError> {
    if dead(connection, path)?.is_empty() {
        return Ok(Vec::new());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at(path)?;
    let mut doubts = Vec::new();
    let dead = dead(&transaction, path)?;
    for (number, _) in &dead {
        doubts.extend(open_intents(&transaction, *number).at(path)?);
        close_intents(&transaction, *number).at(path)?;
        transaction.execute("UPDATE runs SET state = 'died' WHERE number = ?", [number]).at(path)?;
    }
    transaction.commit().at(path)?;
    for (_, id) in dead {
        let _ = fs_err::remove_file(lock_path(path, &id));
    }
    Ok(doubts)
}

fn dead(connection: &Connection, path: &Path) -> Result<Vec<(i64, String)>, LedgerError> {
    let mut query = connection.prepare("SELECT number, id FROM runs WHERE state = 'running'").at(path)?;
    let rows = query.query_map((), |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).at(path)?;
    let mut dead = Vec::new();
    for row in rows {
        let (number, id) = row.at(path)?;
        if !is_alive(path, &id).at(path)? {
            dead.push((number, id));
        }
    }
    Ok(dead)
}

/// Whether a run still holds its lock.
pub(super) fn is_alive(path: &Path, id: &str) -> std::io::Result<bool> {
    match File::open(lock_path(path, id)) {
        Ok(file) => Ok(matches!(file.try_lock(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// An intent is done with once its key has an answer that is fresh enough, whoever wrote it.
pub(super) const UNANSWERED: &str = "NOT EXISTS
    (SELECT 1 FROM answers WHERE answers.key = intents.key AND answers.asked >= intents.floor)";

/// Whether another run that is alive has sent this request and waits for an answer that counts.
pub(super) fn is_asking(
    connection: &Connection,
    path: &Path,
    run: i64,
    key: &ContentKey,
    floor: i64,
) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT id FROM intents JOIN runs ON number = run
        WHERE key = ? AND run <> ? AND floor >= ? AND {UNANSWERED}"
    );
    let mut query = connection.prepare_cached(&sql)?;
    let mut ids = query.query_map(params![key.as_bytes(), run, floor], |row| row.get::<_, String>(0))?;
    // Whether it lives is not to be known where its lock can't be looked at: then it is asked again.
    ids.try_fold(false, |alive, id| Ok(alive || is_alive(path, &id?).unwrap_or(false)))
}

pub(super) fn open_intents(connection: &Connection, run: i64) -> rusqlite::Result<Vec<OrphanedRequests>> {
    let sql = format!(
        "SELECT runs.id, provider, base_url, model, requests FROM
            (SELECT run, target, count(*) AS requests FROM intents WHERE run = ?1 AND {UNANSWERED}
                GROUP BY target) AS open
        JOIN runs ON runs.number = open.run JOIN targets ON targets.id = open.target"
    );
    let mut query = connection.prepare(&sql)?;
    let rows = query.query_map([run], |row| {
        let target = Target { provider: row.get(1)?, base_url: row.get(2)?, model: row.get(3)? };
        Ok(OrphanedRequests {
            run: RunId(row.get(0)?),
            target,
            requests: row.get::<_, i64>(4)?.cast_unsigned(),
        })
    })?;
    rows.collect()
}

pub(super) fn close_intents(transaction: &Connection, run: i64) -> rusqlite::Result<()> {
    let insert = format!(
        "INSERT OR IGNORE INTO doubts
        SELECT run, target, count(*) FROM intents WHERE run = ?1 AND {UNANSWERED} GROUP BY target"
    );
    transaction.execute(&insert, [run])?;
    transaction.execute("DELETE FROM intents WHERE run = ?", [run])?;
    Ok(())
}

/// All runs, the newest first.
pub(super) fn list(connection: &Connection, path: &Path) -> Result<Vec<RunRecord>, LedgerError> {
    let sql = "SELECT id, command, tool_version, started, ended, state, asked, answered, failed
        FROM runs ORDER BY started DESC, number DESC";
    let mut query = connection.prepare(sql).at(path)?;
    let rows = query.query_map((), |row| {
        let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let state = match row.get::<_, String>(5)?.as_str() {
            "running" => RunState::Running,
            "ended" => RunState::Ended,
            _ => RunState::Died,
        };
        Ok(RunRecord {
            id: RunId(row.get(0)?),
            command: row.get(1)?,
            tool_version: row.get(2)?,
            started: row.get(3)?,
            ended: row.get(4)?,
            state,
            totals: Totals { asked: count(6)?, answered: count(7)?, failed: count(8)? },
        })
    });
    rows.and_then(Iterator::collect).at(path)
}
