//! Deployments, recorded before they are made, so that none runs on unnoticed.
//!
//! A deployment is *open* from before it is made until it was seen to be gone, whatever became of the program meanwhile.

use std::path::Path;

use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};
use tunebench_providers::{DeploymentId, DeploymentMark};

use super::run::{RunId, is_alive};
use super::store::Target;

/// A deployment that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// Where, and of which model.
    pub target: Target,
    /// On what it is to stand, in words.
    pub hardware: String,
    /// Its price for an hour, in billionths of a dollar.
    pub nanos_per_hour: u64,
    /// Minutes without a request after which its provider stops it.
    pub idle_minutes: u64,
}

/// A deployment that the ledger knows of. Times are microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRecord {
    /// Our name for it.
    pub mark: DeploymentMark,
    /// What was ordered.
    pub order: NewDeployment,
    /// When it was recorded, before it was made.
    pub recorded: i64,
    /// The provider's name for it; none where no answer to the order was seen.
    pub id: Option<DeploymentId>,
    /// When it was seen to be gone; none while it may be there.
    pub ended: Option<i64>,
    /// The run that uses it, or used it last.
    pub run: RunId,
    /// Whether that run goes on, in this process or another.
    pub in_use: bool,
}

const COLUMNS: &str =
    "mark, provider, base_url, model, hardware, nanos_per_hour, idle_minutes, run, recorded,
    deployment_id, ended";

pub(super) fn plan(
    connection: &Connection,
    order: &NewDeployment,
    run: &RunId,
    now: i64,
) -> rusqlite::Result<DeploymentMark> {
    let NewDeployment { target, hardware, nanos_per_hour, idle_minutes } = order;
    // A name of its own for each order, so that no other machine takes this one for its own.
    let mut hash = Sha256::new();
    for part in [run.as_str(), &target.provider, &target.base_url, &target.model, &now.to_string()] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mark = DeploymentMark::new(&hash.finalize()).ok_or(rusqlite::Error::InvalidQuery)?;
    let insert =
        format!("INSERT INTO deployments ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)");
    let price = nanos_per_hour.cast_signed();
    let idle = idle_minutes.cast_signed();
    connection.execute(
        &insert,
        params![
            mark.to_string(),
            target.provider,
            target.base_url,
            target.model,
            hardware,
            price,
            idle,
            run.as_str(),
            now
        ],
    )?;
    Ok(mark)
}

/// From now on it is used by this run.
pub(super) fn hold(connection: &Connection, mark: &DeploymentMark, run: &RunId) -> rusqlite::Result<()> {
    let sql = "UPDATE deployments SET run = ? WHERE mark = ?";
    connection.execute(sql, params![run.as_str(), mark.to_string()]).map(drop)
}

pub(super) fn made(
    connection: &Connection,
    mark: &DeploymentMark,
    id: &DeploymentId,
) -> rusqlite::Result<()> {
    let sql = "UPDATE deployments SET deployment_id = ? WHERE mark = ?";
    connection.execute(sql, params![id.0, mark.to_string()]).map(drop)
}

pub(super) fn end(connection: &Connection, mark: &DeploymentMark, now: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE deployments SET ended = ? WHERE mark = ? AND ended IS NULL";
    connection.execute(sql, params![now, mark.to_string()]).map(drop)
}

/// Those that may be there, the newest first.
pub(super) fn open(connection: &Connection, path: &Path) -> rusqlite::Result<Vec<DeploymentRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM deployments WHERE ended IS NULL ORDER BY recorded DESC");
    connection.prepare(&sql)?.query_map((), |row| read(row, path))?.collect()
}

fn read(row: &Row<'_>, path: &Path) -> rusqlite::Result<DeploymentRecord> {
    let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let name: String = row.get(0)?;
    let mark = DeploymentMark::read(&name).ok_or_else(|| {
        let error = format!("`{name}` is not the mark of a deployment");
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    })?;
    let run: String = row.get(7)?;
    // Whose lock can't be looked at may be alive: nobody may take its deployment away.
    let in_use = is_alive(path, &run).unwrap_or(true);
    Ok(DeploymentRecord {
        mark,
        order: NewDeployment {
            target: Target { provider: row.get(1)?, base_url: row.get(2)?, model: row.get(3)? },
            hardware: row.get(4)?,
            nanos_per_hour: count(5)?,
            idle_minutes: count(6)?,
        },
        recorded: row.get(8)?,
        id: row.get::<_, Option<_>>(9)?.map(DeploymentId),
        ended: row.get(10)?,
        run: RunId(run),
        in_use,
    })
}
