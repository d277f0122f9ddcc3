//! Joining two ledgers, as when parts of an evaluation were run on several machines.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::answer::{AnswerRow, COLUMNS, insert_or_replace_where};
use super::error::{At, LedgerError};
use super::{ContentKey, run, schema, store::Target, writer};

/// How many answers one commit takes in: what a crash can undo, and how far the log grows.
const GROUP: usize = 8192;

/// What was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Merged {
    /// Answers that were not here, or were too old.
    pub answers: u64,
    /// Runs that were not here.
    pub runs: u64,
    /// Jobs that were not here.
    pub jobs: u64,
    /// Batches that were not here, or have ended meanwhile.
    pub batches: u64,
}

/// The numbers that runs and targets of the other ledger have here.
struct Numbers {
    runs: HashMap<i64, i64>,
    targets: HashMap<i64, i64>,
}

pub(super) fn merge(here: &mut Connection, path: &Path, other: &Path) -> Result<Merged, LedgerError> {
    let mut there = schema::open_as_is(other)?;
    // One state of the other ledger, though someone may be writing to it.
    let there = there.transaction().at(other)?;
    let mut merged = Merged::default();

    let transaction = here.transaction_with_behavior(TransactionBehavior::Immediate).at(path)?;
    let numbers = names(&transaction, path, &there, other, &mut merged)?;
    counts(&transaction, path, &there, other, &numbers)?;
    merged.batches = batches(&transaction, path, &there, other, &numbers)?;
    transaction.commit().at(path)?;

    let sql = format!("SELECT {COLUMNS}, key, target, run FROM answers ORDER BY rowid");
    let mut query = there.prepare(&sql).at(other)?;
    let mut rows = query.query(()).at(other)?;
    let mut more = true;
    while more {
        let transaction = here.transaction_with_behavior(TransactionBehavior::Immediate).at(path)?;
        for _ in 0..GROUP {
            let Some(row) = rows.next().at(other)? else {
                more = false;
                break;
            };
            merged.answers += answer(&transaction, path, row, other, &numbers)?;
        }
        transaction.commit().at(path)?;
    }
    Ok(merged)
}

/// Targets, runs, floors and jobs: few, in one transaction.
fn names(
    here: &Transaction<'_>,
    path: &Path,
    there: &Connection,
    other: &Path,
    merged: &mut Merged,
) -> Result<Numbers, LedgerError> {
    let mut numbers = Numbers { runs: HashMap::new(), targets: HashMap::new() };
    each(there, other, "SELECT id, provider, base_url, model FROM targets", |row| {
        let target = Target {
            provider: row.get(1).at(other)?,
            base_url: row.get(2).at(other)?,
            model: row.get(3).at(other)?,
        };
        numbers.targets.insert(row.get(0).at(other)?, writer::target_id(here, &target).at(path)?);
        Ok(())
    })?;
    // A run that is under way there is none that goes on here.
    let runs = "SELECT number, id, command, tool_version, started, ended,
        CASE state WHEN 'running' THEN 'died' ELSE state END, asked, answered, failed FROM runs ORDER BY number";
    merged.runs = each(there, other, runs, |row| {
        let insert = "INSERT OR IGNORE INTO runs
            (id, command, tool_version, started, ended, state, asked, answered, failed)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let added = copy(here, path, insert, row, other, 1..10)?;
        let id: String = row.get(1).at(other)?;
        let number =
            here.query_row("SELECT number FROM runs WHERE id = ?", [id], |row| row.get(0)).at(path)?;
        numbers.runs.insert(row.get(0).at(other)?, number);
        Ok(added)
    })?
    .into_iter()
    .sum();
    each(there, other, "SELECT scope, floor, open FROM floors", |row| {
        let insert = "INSERT INTO floors VALUES (?, ?, ?) ON CONFLICT DO UPDATE
            SET floor = excluded.floor, open = excluded.open WHERE excluded.floor > floor";
        copy(here, path, insert, row, other, 0..3)
    })?;
    let columns =
        "mark, provider, base_url, base, hyperparameters, seed, training_sha256, recorded, job_id, status,
        tuned_model, error, updated, ended";
    merged.jobs = each(there, other, &format!("SELECT {columns} FROM jobs ORDER BY number"), |row| {
        // A job that was never made has no name to know it by: its mark and its time are as good.
        let insert = format!(
            "INSERT OR IGNORE INTO jobs ({columns}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14
            WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE mark = ?1 AND recorded = ?8)"
        );
        copy(here, path, &insert, row, other, 0..14)
    })?
    .into_iter()
    .sum();
    Ok(numbers)
}

/// Failed attempts and doubts, by run: those of a run that is here already are here too.
fn counts(
    here: &Transaction<'_>,
    path: &Path,
    there: &Connection,
    other: &Path,
    numbers: &Numbers,
) -> Result<(), LedgerError> {
    each(there, other, "SELECT run, target, cause, retryable, count, first, last FROM attempts", |row| {
        let (run, target) = numbers.of(row, 0, 1, other)?;
        let [retryable, count, first, last] = integers(row, 3, other)?;
        let cause: String = row.get(2).at(other)?;
        let insert = "INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?)";
        here.prepare_cached(insert)
            .and_then(|mut insert| insert.execute(params![run, target, cause, retryable, count, first, last]))
            .at(path)
    })?;
    let doubts = format!(
        "SELECT run, target, requests FROM doubts UNION ALL
        SELECT run, target, count(*) FROM intents WHERE {} GROUP BY run, target",
        run::UNANSWERED
    );
    each(there, other, &doubts, |row| {
        let (run, target) = numbers.of(row, 0, 1, other)?;
        let [requests] = integers(row, 2, other)?;
        let insert = "INSERT OR IGNORE INTO doubts VALUES (?, ?, ?)";
        here.prepare_cached(insert)
            .and_then(|mut insert| insert.execute(params![run, target, requests]))
            .at(path)
    })?;
    Ok(())
}

/// Batches with the rows that they claim: one that goes on is come back to from here as well as from there. Those that were
/// never made are left out.
fn batches(
    here: &Transaction<'_>,
    path: &Path,
    there: &Connection,
    other: &Path,
    numbers: &Numbers,
) -> Result<u64, LedgerError> {
    let columns = "scope, part, subject, data, repeat, floor, rows, input, output, recorded, state, file,
        batch_id, said, updated, answered, failed, error";
    let query =
        format!("SELECT number, target, {columns} FROM batches WHERE state <> 'dropped' ORDER BY number");
    let added = each(there, other, &query, |row| {
        let number: i64 = row.get(0).at(other)?;
        let target: i64 = row.get(1).at(other)?;
        let target = numbers.targets.get(&target).ok_or_else(|| strange(other))?;
        let insert = format!(
            "INSERT INTO batches ({columns}, target)
            SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, {target}
            WHERE NOT EXISTS (SELECT 1 FROM batches WHERE scope = ?1 AND part = ?2 AND recorded = ?10)"
        );
        if copy(here, path, &insert, row, other, 2..20)? > 0 {
            let batch = here.last_insert_rowid();
            claims(here, path, there, other, number, batch)?;
            return Ok(1);
        }
        ended(here, path, row, other)
    })?;
    Ok(added.into_iter().sum())
}

/// The rows that a batch claims there, claimed here.
fn claims(
    here: &Transaction<'_>,
    path: &Path,
    there: &Connection,
    other: &Path,
    number: i64,
    batch: i64,
) -> Result<(), LedgerError> {
    let mut query = there.prepare("SELECT key FROM batch_rows WHERE batch = ?").at(other)?;
    let mut keys = query.query([number]).at(other)?;
    let mut insert =
        here.prepare_cached("INSERT OR IGNORE INTO batch_rows (key, batch) VALUES (?, ?)").at(path)?;
    while let Some(row) = keys.next().at(other)? {
        let key: [u8; 32] = row.get(0).at(other)?;
        insert.execute(params![key, batch]).at(path)?;
    }
    Ok(())
}

/// A batch that is under way here and has ended there has ended: its answers come along.
fn ended(here: &Transaction<'_>, path: &Path, row: &Row<'_>, other: &Path) -> Result<u64, LedgerError> {
    let state: String = row.get(12).at(other)?;
    if state != "ended" {
        return Ok(0);
    }
    let find = "SELECT number FROM batches
        WHERE scope = ?1 AND part = ?2 AND recorded = ?3 AND state IN ('intended', 'submitted')";
    let values: [rusqlite::types::Value; 3] =
        [row.get(2).at(other)?, row.get(3).at(other)?, row.get(11).at(other)?];
    let number: Option<i64> = here.query_row(find, values, |row| row.get(0)).optional().at(path)?;
    let Some(number) = number else { return Ok(0) };
    let [answered, failed] = integers(row, 17, other)?;
    let update = "UPDATE batches SET state = 'ended', answered = ?, failed = ? WHERE number = ?";
    here.execute(update, params![answered, failed, number]).at(path)?;
    here.execute("DELETE FROM batch_rows WHERE batch = ?", [number]).at(path)?;
    Ok(1)
}

/// The answer that is here stays, unless somewhere a floor lies between the two.
const ANSWER: &str = insert_or_replace_where!(
    "EXISTS (SELECT 1 FROM floors WHERE answers.asked < floor AND excluded.asked >= floor)"
);

fn answer(
    here: &Transaction<'_>,
    path: &Path,
    row: &Row<'_>,
    other: &Path,
    numbers: &Numbers,
) -> Result<u64, LedgerError> {
    let key = ContentKey(row.get(13).at(other)?);
    let (run, target) = numbers.of(row, 15, 14, other)?;
    let Some(packed) = AnswerRow::read(row, &key).at(other)? else {
        return Err(LedgerError::altered(other, &key));
    };
    let added = here.prepare_cached(ANSWER).and_then(|mut insert| {
        packed.bind(&mut insert, &key, target, run)?;
        insert.raw_execute()
    });
    Ok(added.at(path)? as u64)
}

impl Numbers {
    fn of(&self, row: &Row<'_>, run: usize, target: usize, other: &Path) -> Result<(i64, i64), LedgerError> {
        let run = self.runs.get(&row.get(run).at(other)?);
        match (run, self.targets.get(&row.get(target).at(other)?)) {
            (Some(run), Some(target)) => Ok((*run, *target)),
            _ => Err(strange(other)),
        }
    }
}

fn strange(other: &Path) -> LedgerError {
    let detail = "a row names a run or a model that is not there".to_owned();
    LedgerError::Damaged { path: other.to_owned(), detail }
}

fn each<T>(
    there: &Connection,
    other: &Path,
    sql: &str,
    mut take: impl FnMut(&Row<'_>) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let mut query = there.prepare(sql).at(other)?;
    let mut rows = query.query(()).at(other)?;
    let mut taken = Vec::new();
    while let Some(row) = rows.next().at(other)? {
        taken.push(take(row)?);
    }
    Ok(taken)
}

/// Inserts columns of a row as they are; tells how many rows that made.
fn copy(
    here: &Transaction<'_>,
    path: &Path,
    insert: &str,
    row: &Row<'_>,
    other: &Path,
    columns: std::ops::Range<usize>,
) -> Result<u64, LedgerError> {
    let values: Result<Vec<rusqlite::types::Value>, _> = columns.map(|column| row.get(column)).collect();
    let values = values.at(other)?;
    let added = here
        .prepare_cached(insert)
        .and_then(|mut insert| insert.execute(rusqlite::params_from_iter(values)))
        .at(path)?;
    Ok(added as u64)
}

fn integers<const N: usize>(row: &Row<'_>, from: usize, other: &Path) -> Result<[i64; N], LedgerError> {
    let mut values = [0; N];
    for (at, value) in values.iter_mut().enumerate() {
        *value = row.get(from + at).at(other)?;
    }
    Ok(values)
}
