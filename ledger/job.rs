//! Fine-tuning jobs, recorded before they are made, so that none is ever lost or made twice.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde_json::Value;
use tunebench_providers::{Hyperparameters, Job, JobId, JobMark, JobStatus};

/// A job that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Our name for it.
    pub mark: JobMark,
    /// The name of the provider.
    pub provider: String,
    /// Where it is reached, without user name and password; empty for its usual place.
    pub base_url: String,
    /// The base model, by the provider's own id.
    pub base: String,
    /// As the user wrote them.
    pub hyperparameters: Hyperparameters,
    /// The seed.
    pub seed: u64,
    /// The SHA-256 of the training file, in hexadecimal digits.
    pub training_sha256: String,
}

/// The ledger's own number for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobNumber(i64);

/// A job that the ledger knows of. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// The ledger's number for it.
    pub number: JobNumber,
    /// What was ordered.
    pub order: NewJob,
    /// When it was recorded, before it was made.
    pub recorded: i64,
    /// The provider's name for it; none where no answer to the order was seen.
    pub id: Option<JobId>,
    /// Where it stood when the provider was last asked.
    pub status: Option<JobStatus>,
    /// The tuned model.
    pub tuned_model: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When the provider was last asked.
    pub updated: Option<i64>,
    /// When it was first seen to have ended.
    pub ended: Option<i64>,
}

pub(super) fn plan(connection: &mut Connection, job: &NewJob, now: i64) -> rusqlite::Result<JobNumber> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let open = "SELECT number FROM jobs WHERE mark = ? AND provider = ? AND base_url = ? AND job_id IS NULL";
    let open = transaction
        .query_row(open, params![job.mark.0, job.provider, job.base_url], |row| row.get(0))
        .optional()?;
    let number = match open {
        Some(number) => number,
        None => {
            let insert = "INSERT INTO jobs
                (mark, provider, base_url, base, hyperparameters, seed, training_sha256, recorded)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
            transaction.execute(
                insert,
                params![
                    job.mark.0,
                    job.provider,
                    job.base_url,
                    job.base,
                    Value::Object(job.hyperparameters.clone()).to_string(),
                    job.seed.cast_signed(),
                    job.training_sha256,
                    now
                ],
            )?;
            transaction.last_insert_rowid()
        }
    };
    transaction.commit()?;
    Ok(JobNumber(number))
}

pub(super) fn update(
    connection: &Connection,
    number: JobNumber,
    job: &Job,
    now: i64,
) -> rusqlite::Result<()> {
    let sql = "UPDATE jobs SET job_id = ?, status = ?, tuned_model = ?, error = ?, updated = ?,
        ended = CASE WHEN ? THEN coalesce(ended, ?5) END WHERE number = ?";
    let ended = job.status.is_final();
    connection.execute(
        sql,
        params![job.id.0, status_word(&job.status), job.tuned_model, job.error, now, ended, number.0],
    )?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, number: JobNumber) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM jobs WHERE number = ? AND job_id IS NULL", [number.0])?;
    Ok(())
}

pub(super) fn forget_model(connection: &Connection, provider: &str, model: &str) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM jobs WHERE provider = ? AND tuned_model = ?", [provider, model])
}

pub(super) fn list(connection: &Connection, mark: Option<&str>) -> rusqlite::Result<Vec<JobRecord>> {
    let sql =
        "SELECT number, mark, provider, base_url, base, hyperparameters, seed, training_sha256, recorded,
        job_id, status, tuned_model, error, updated, ended
        FROM jobs WHERE ?1 IS NULL OR mark = ?1 ORDER BY recorded DESC, number DESC";
    connection.prepare(sql)?.query_map([mark], read)?.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    let hyperparameters = serde_json::from_str(&row.get::<_, String>(5)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(error))
    })?;
    let order = NewJob {
        mark: JobMark(row.get(1)?),
        provider: row.get(2)?,
        base_url: row.get(3)?,
        base: row.get(4)?,
        hyperparameters,
        seed: row.get::<_, i64>(6)?.cast_unsigned(),
        training_sha256: row.get(7)?,
    };
    Ok(JobRecord {
        number: JobNumber(row.get(0)?),
        order,
        recorded: row.get(8)?,
        id: row.get::<_, Option<_>>(9)?.map(JobId),
        status: row.get::<_, Option<String>>(10)?.map(|word| status(&word)),
        tuned_model: row.get(11)?,
        error: row.get(12)?,
        updated: row.get(13)?,
        ended: row.get(14)?,
    })
}

/// One plain word, or JSON for what is not one of ours.
fn status_word(status: &JobStatus) -> String {
    match serde_json::to_value(status) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn status(word: &str) -> JobStatus {
    serde_json::from_str(word)
        .or_else(|_| serde_json::from_value(Value::from(word)))
        .unwrap_or_else(|_| JobStatus::Other(word.to_owned()))
}
