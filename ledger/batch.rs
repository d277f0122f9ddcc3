//! Batches, recorded before they are sent, so that none is ever lost or paid for twice.
//!
//! A batch goes from *intended* (its rows are claimed; a file may have been uploaded) over *submitted* (the provider has
//! given it a name) to *ended* (its answers are kept) or *dropped* (it was never made). As long as it is in one of the first
//! two states its rows are asked by no other road.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use sha2::{Digest, Sha256};
use tunebench_data::hex;
use tunebench_providers::{BatchId, BatchMark, FileId};

use super::answer::FIND;
use super::error::{At, LedgerError};
use super::store::{Floor, Target};
use super::{ContentKey, run, writer};

/// The ledger's own number for a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchNumber(i64);

/// Where a batch stands, as far as this machine is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BatchState {
    /// Its rows are claimed, and no answer to an order for it was seen.
    Intended,
    /// The provider has it.
    Submitted,
    /// What it brought is kept.
    Ended,
    /// It was never made.
    Dropped,
}

impl BatchState {
    /// In one word, as the ledger has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Submitted => "submitted",
            Self::Ended => "ended",
            Self::Dropped => "dropped",
        }
    }

    /// Whether its rows are still claimed.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Intended | Self::Submitted)
    }

    fn read(word: &str) -> Self {
        match word {
            "intended" => Self::Intended,
            "submitted" => Self::Submitted,
            "ended" => Self::Ended,
            _ => Self::Dropped,
        }
    }
}

/// A batch that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBatch {
    /// Which evaluation it is part of: 32 hexadecimal digits.
    pub scope: String,
    /// Who is asked.
    pub target: Target,
    /// How reports name the model.
    pub subject: String,
    /// What tells apart whose answers are wanted fresh: the fingerprint of a file.
    pub data: String,
    /// Which of several answers to equal requests is meant.
    pub repeat: u32,
    /// From when on answers count.
    pub floor: Floor,
}

/// A batch that the ledger knows of. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRecord {
    /// The ledger's number for it.
    pub number: BatchNumber,
    /// What was ordered.
    pub order: NewBatch,
    /// Our name for it.
    pub mark: BatchMark,
    /// Rows in it.
    pub rows: u64,
    /// The most tokens that were supposed to be sent and answered when it was made.
    pub tokens: (u64, u64),
    /// When it was recorded, before anything was sent.
    pub recorded: i64,
    /// Where it stands.
    pub state: BatchState,
    /// The uploaded file of its requests.
    pub file: Option<FileId>,
    /// The provider's name for it.
    pub id: Option<BatchId>,
    /// Its state in the provider's words, when it was last looked at.
    pub said: Option<String>,
    /// When that was.
    pub updated: Option<i64>,
    /// Rows that it answered.
    pub answered: u64,
    /// Rows that failed in it, or that it did not try.
    pub failed: u64,
    /// Why it failed.
    pub error: Option<String>,
}

const COLUMNS: &str =
    "batches.number, scope, part, subject, data, repeat, floor, rows, input, output, recorded, state,
    file, batch_id, said, updated, answered, failed, error, provider, base_url, model";
const OPEN: &str = "state IN ('intended', 'submitted')";

/// Claims the requests of a batch, as far as they are not answered, nor under way by any road, and records the batch. Of no
/// batch whose rows are all taken is anything kept. `taken` tells of each key whether it is part of the batch.
pub(super) fn claim(
    connection: &mut Connection,
    path: &Path,
    order: &NewBatch,
    keys: &[ContentKey],
    now: i64,
) -> Result<(Option<BatchNumber>, Vec<bool>), LedgerError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at(path)?;
    let mut taken = Vec::with_capacity(keys.len());
    for key in keys {
        let answered =
            transaction.prepare_cached(FIND).at(path)?.exists(params![key.0, order.floor.0]).at(path)?;
        let asked = answered
            || in_batch(&transaction, key).at(path)?
            || run::is_asking(&transaction, path, 0, key, order.floor.0).at(path)?;
        taken.push(!asked);
    }
    let ours: Vec<_> = keys.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(key, _)| *key).collect();
    if ours.is_empty() {
        return Ok((None, taken));
    }
    let number = insert(&transaction, order, &part(&order.scope, &ours), now).at(path)?;
    claim_rows(&transaction, number, &ours).at(path)?;
    transaction.commit().at(path)?;
    Ok((Some(number), taken))
}

/// Takes over a batch that another machine made; of these keys nobody knows which are in it, so all are claimed.
pub(super) fn adopt(
    connection: &mut Connection,
    order: &NewBatch,
    mark: &BatchMark,
    keys: &[ContentKey],
    now: i64,
) -> rusqlite::Result<BatchNumber> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = insert(&transaction, order, &mark.part, now)?;
    claim_rows(&transaction, number, keys)?;
    transaction.commit()?;
    Ok(number)
}

fn insert(connection: &Connection, order: &NewBatch, part: &str, now: i64) -> rusqlite::Result<BatchNumber> {
    let target = writer::target_id(connection, &order.target)?;
    let insert = "INSERT INTO batches
        (scope, part, target, subject, data, repeat, floor, rows, input, output, recorded, state)
        VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, 'intended')";
    let floor = order.floor.0;
    let NewBatch { scope, subject, data, repeat, .. } = order;
    connection.execute(insert, params![scope, part, target, subject, data, repeat, floor, now])?;
    Ok(BatchNumber(connection.last_insert_rowid()))
}

fn claim_rows(connection: &Connection, number: BatchNumber, keys: &[ContentKey]) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO batch_rows (key, batch) VALUES (?, ?)")?;
    let mut rows = 0;
    for key in keys {
        rows += insert.execute(params![key.0, number.0])?;
    }
    connection
        .execute("UPDATE batches SET rows = ? WHERE number = ?", params![rows as i64, number.0])
        .map(drop)
}

/// The name of a set of requests, whatever their order.
fn part(scope: &str, keys: &[ContentKey]) -> String {
    let mut sorted: Vec<_> = keys.iter().collect();
    sorted.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(scope);
    sorted.into_iter().for_each(|key| hash.update(key.0));
    hex(&hash.finalize()[..16])
}

/// Whether a request is in a batch that is under way.
pub(super) fn in_batch(connection: &Connection, key: &ContentKey) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM batch_rows WHERE key = ?";
    connection.prepare_cached(sql)?.exists([key.0])
}

/// Whether any batch is under way.
pub(super) fn are_open(connection: &Connection) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM batch_rows LIMIT 1")?.exists(())
}

pub(super) fn keys(connection: &Connection, number: BatchNumber) -> rusqlite::Result<HashSet<ContentKey>> {
    let mut query = connection.prepare("SELECT key FROM batch_rows WHERE batch = ?")?;
    let keys = query.query_map([number.0], |row| Ok(ContentKey(row.get(0)?)))?;
    keys.collect()
}

/// What is learned of a batch on its way; what is none stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct BatchChange<'a> {
    /// The most tokens to be sent and answered.
    pub tokens: Option<(u64, u64)>,
    /// The uploaded file.
    pub file: Option<&'a FileId>,
    /// The provider's name for it; with it, it is submitted.
    pub id: Option<&'a BatchId>,
    /// Its state in the provider's words.
    pub said: Option<&'a str>,
}

pub(super) fn change(
    connection: &Connection,
    number: BatchNumber,
    change: BatchChange<'_>,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = "UPDATE batches SET input = coalesce(?1, input), output = coalesce(?2, output),
        file = coalesce(?3, file), batch_id = coalesce(?4, batch_id), said = coalesce(?5, said),
        state = CASE WHEN ?4 IS NULL THEN state ELSE 'submitted' END, updated = ?6 WHERE number = ?7";
    let BatchChange { tokens, file, id, said } = change;
    let (input, output) = tokens.map(|(input, output)| (input.cast_signed(), output.cast_signed())).unzip();
    let (file, id) = (file.map(|file| &file.0), id.map(|id| &id.0));
    connection.execute(sql, params![input, output, file, id, said, now, number.0])?;
    Ok(())
}

/// The provider would not take it now: it is intended again, and keeps its rows and its file.
pub(super) fn put_back(connection: &Connection, number: BatchNumber) -> rusqlite::Result<()> {
    let sql = "UPDATE batches SET batch_id = NULL, said = NULL, state = 'intended' WHERE number = ?";
    connection.execute(sql, [number.0]).map(drop)
}

/// Ends a batch, in one way or the other, and lets its rows go.
pub(super) fn close(
    connection: &mut Connection,
    number: BatchNumber,
    state: BatchState,
    (answered, failed): (u64, u64),
    error: Option<&str>,
    now: i64,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql =
        "UPDATE batches SET state = ?, answered = ?, failed = ?, error = ?, updated = ? WHERE number = ?";
    let counts = (answered.cast_signed(), failed.cast_signed());
    transaction.execute(sql, params![state.word(), counts.0, counts.1, error, now, number.0])?;
    transaction.execute("DELETE FROM batch_rows WHERE batch = ?", [number.0])?;
    transaction.commit()
}

pub(super) fn list(connection: &Connection, only_open: bool) -> rusqlite::Result<Vec<BatchRecord>> {
    let filter = if only_open { OPEN } else { "1" };
    let sql = format!(
        "SELECT {COLUMNS} FROM batches JOIN targets ON targets.id = target WHERE {filter}
        ORDER BY recorded DESC, batches.number DESC"
    );
    connection.prepare(&sql)?.query_map((), read)?.collect()
}

pub(super) fn get(connection: &Connection, number: BatchNumber) -> rusqlite::Result<Option<BatchRecord>> {
    let sql =
        format!("SELECT {COLUMNS} FROM batches JOIN targets ON targets.id = target WHERE batches.number = ?");
    connection.prepare(&sql)?.query_row([number.0], read).optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<BatchRecord> {
    let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let scope: String = row.get(1)?;
    Ok(BatchRecord {
        number: BatchNumber(row.get(0)?),
        mark: BatchMark::new(scope.clone(), row.get::<_, String>(2)?),
        order: NewBatch {
            scope,
            subject: row.get(3)?,
            data: row.get(4)?,
            repeat: row.get(5)?,
            floor: Floor(row.get(6)?),
            target: Target { provider: row.get(19)?, base_url: row.get(20)?, model: row.get(21)? },
        },
        rows: count(7)?,
        tokens: (count(8)?, count(9)?),
        recorded: row.get(10)?,
        state: BatchState::read(&row.get::<_, String>(11)?),
        file: row.get::<_, Option<_>>(12)?.map(FileId),
        id: row.get::<_, Option<_>>(13)?.map(BatchId),
        said: row.get(14)?,
        updated: row.get(15)?,
        answered: count(16)?,
        failed: count(17)?,
        error: row.get(18)?,
    })
}
