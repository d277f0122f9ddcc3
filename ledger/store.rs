//! The ledger as its readers see it: what is there for a key, what counts, how much it is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::answer::{AnswerRow, FIND, StoredAnswer};
use super::batch::{self, BatchChange, BatchNumber, BatchRecord, BatchState, NewBatch};
use super::deployment;
use super::error::{At, LedgerError};
use super::job::{self, JobNumber, JobRecord, NewJob};
use super::key::{ContentKey, Scope};
use super::key_filter::KeyFilter;
use super::merge::{self, Merged};
use super::recorder::Recorder;
use super::run::{self, OrphanedRequests, RunId, RunRecord};
use super::schema;

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The name of the provider.
    pub provider: String,
    /// Where it is reached, without user name and password; empty for its usual place.
    pub base_url: String,
    /// The model, by the provider's own id.
    pub model: String,
}

/// The time before which answers do not count, in microseconds since 1970. The default lets all count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Floor(pub(super) i64);

impl Floor {
    /// Whether an answer counts.
    pub fn admits(self, answer: &StoredAnswer) -> bool {
        answer.asked >= self.0
    }
}

/// What the ledger holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The size of the file, its log apart.
    pub bytes: u64,
    /// By target, the largest first.
    pub models: Vec<ModelStats>,
}

/// What the ledger holds of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStats {
    /// Who was asked.
    pub target: Target,
    /// Answers kept.
    pub answers: u64,
    /// Tokens sent for them.
    pub input: u64,
    /// Tokens answered.
    pub output: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Requests that may have been paid for without an answer.
    pub in_doubt: u64,
}

/// The database of everything that was paid for. Several processes may have it open at once.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// The filter that was made last.
    filter: Mutex<Option<Arc<KeyFilter>>>,
}

impl Ledger {
    /// Opens the ledger, or makes a new one where there is no file. What is not a ledger of this program is left as
    /// it is.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LedgerError> {
        let path = path.into();
        let connection = schema::open(&path)?;
        // Keys are looked up all over their index: beyond its upper pages, which are few, nothing is met twice.
        connection.pragma_update(None, "cache_size", -2 * 1024).at(&path)?;
        Ok(Self { path, connection: Mutex::new(connection), filter: Mutex::default() })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a run, which alone can add answers. What dead runs left open is put on record and told once, by
    /// [`Recorder::found_in_doubt`].
    pub fn begin(&self, command: &str, tool_version: &str) -> Result<Recorder, LedgerError> {
        Recorder::begin(&self.path, command, tool_version)
    }

    /// The answers to these keys, in their order, as far as they are there and count.
    ///
    /// Meant for some hundred keys at once: each is looked up by itself, in the order of the index.
    pub fn lookup(
        &self,
        keys: &[ContentKey],
        floor: Floor,
    ) -> Result<Vec<Option<StoredAnswer>>, LedgerError> {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|&at| keys[at]);
        let mut answers = vec![None; keys.len()];
        let connection = self.connection();
        // One transaction takes the locks once, and sees one state.
        let transaction = connection.unchecked_transaction().at(&self.path)?;
        {
            let mut query = transaction.prepare_cached(FIND).at(&self.path)?;
            for at in order {
                let key = &keys[at];
                let found = query.query_row(params![key.0, floor.0], |row| AnswerRow::read(row, key));
                answers[at] = match found.optional().at(&self.path)? {
                    None => None,
                    Some(packed) => match packed.and_then(AnswerRow::unpack) {
                        Some(answer) => Some(answer),
                        None => return Err(LedgerError::altered(&self.path, key)),
                    },
                };
            }
        }
        transaction.finish().at(&self.path)?;
        Ok(answers)
    }

    /// Which keys may be there now, whether their answers count or not.
    pub fn key_filter(&self) -> Result<Arc<KeyFilter>, LedgerError> {
        let connection = self.connection();
        let newest = KeyFilter::newest_in(&connection).at(&self.path)?;
        let mut last = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(filter) if filter.newest() == newest => Ok(filter.clone()),
            _ => {
                let filter = Arc::new(KeyFilter::read(&connection).at(&self.path)?);
                *last = Some(filter.clone());
                Ok(filter)
            }
        }
    }

    /// From when on answers count for these rows.
    pub fn floor(&self, scope: &Scope) -> Result<Floor, LedgerError> {
        let query = "SELECT floor FROM floors WHERE scope = ?";
        let floor =
            self.connection().query_row(query, [scope.0], |row| row.get(0)).optional().at(&self.path)?;
        Ok(Floor(floor.unwrap_or_default()))
    }

    /// The floor that [`freshen`](Self::freshen) would set, or has set already; changes nothing.
    pub fn freshened(&self, scope: &Scope) -> Result<Floor, LedgerError> {
        let query = "SELECT floor FROM floors WHERE scope = ? AND open = 1";
        let open = self.connection().query_row(query, [scope.0], |row| row.get(0)).optional();
        Ok(Floor(open.at(&self.path)?.unwrap_or(i64::MAX)))
    }

    /// Asks anew for these rows: from now on only answers to come count, for every later run too.
    ///
    /// Until [`settle`](Self::settle) says that all of them have come, this stays the same demand: a run that was
    /// cut short goes on where it was, with or without asking for fresh answers again. Old answers are replaced one
    /// by one.
    pub fn freshen(&self, scope: &Scope) -> Result<Floor, LedgerError> {
        let mut connection = self.connection();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).at(&self.path)?;
        let open = "SELECT floor, open FROM floors WHERE scope = ?";
        let open: Option<(i64, bool)> = transaction
            .query_row(open, [scope.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .at(&self.path)?;
        let floor = match open {
            Some((floor, true)) => floor,
            // No clock may bring back what had been declared old, and no answer may be as young as the floor yet.
            other => {
                other.map_or(0, |(floor, _)| floor).max(newest(&transaction).at(&self.path)?).max(now()) + 1
            }
        };
        let put =
            "INSERT INTO floors VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET floor = excluded.floor, open = 1";
        transaction.execute(put, params![scope.0, floor]).at(&self.path)?;
        transaction.commit().at(&self.path)?;
        Ok(Floor(floor))
    }

    /// All rows have their fresh answers: the next [`freshen`](Self::freshen) is a new demand.
    pub fn settle(&self, scope: &Scope) -> Result<(), LedgerError> {
        let sql = "UPDATE floors SET open = 0 WHERE scope = ? AND open = 1";
        self.connection().execute(sql, [scope.0]).at(&self.path)?;
        Ok(())
    }

    /// Brings what the log holds to its place in the file, unless others are busy with it. Whoever closes the file last would
    /// have to do it, and wait for the disk.
    pub fn checkpoint(&self) -> Result<(), LedgerError> {
        let connection = self.connection();
        connection.busy_timeout(Duration::ZERO).at(&self.path)?;
        let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        connection.busy_timeout(schema::PATIENCE).at(&self.path)?;
        done.at(&self.path)
    }

    /// Requests of dead runs that may have been paid for without an answer, and are not on record yet.
    pub fn unresolved(&self) -> Result<Vec<OrphanedRequests>, LedgerError> {
        run::unresolved(&self.connection(), &self.path)
    }

    /// All runs, the newest first.
    pub fn runs(&self) -> Result<Vec<RunRecord>, LedgerError> {
        run::list(&self.connection(), &self.path)
    }

    /// Records a job before it is made at the provider. One with the same mark that was recorded and never made is
    /// taken up again.
    pub fn plan_job(&self, job: &NewJob) -> Result<JobNumber, LedgerError> {
        job::plan(&mut self.connection(), job, now()).at(&self.path)
    }

    /// Records what the provider says of a job.
    pub fn update_job(&self, number: JobNumber, job: &tunebench_providers::Job) -> Result<(), LedgerError> {
        job::update(&self.connection(), number, job, now()).at(&self.path)
    }

    /// Forgets a job that was recorded but that the provider refused to make. One that was made stays.
    pub fn forget_job(&self, number: JobNumber) -> Result<(), LedgerError> {
        job::forget(&self.connection(), number).at(&self.path)
    }

    /// Takes a model that was deleted off the record, with the jobs that made it; tells how many those were.
    pub fn forget_model(&self, provider: &str, model: &str) -> Result<usize, LedgerError> {
        job::forget_model(&self.connection(), provider, model).at(&self.path)
    }

    /// All jobs, the newest first.
    pub fn jobs(&self) -> Result<Vec<JobRecord>, LedgerError> {
        job::list(&self.connection(), None).at(&self.path)
    }

    /// The jobs with a mark, the newest first.
    pub fn jobs_with_mark(&self, mark: &tunebench_providers::JobMark) -> Result<Vec<JobRecord>, LedgerError> {
        job::list(&self.connection(), Some(&mark.0)).at(&self.path)
    }

    /// Records a batch before anything of it is sent, with those of its requests that are neither answered nor under way by
    /// any road; tells of each key whether it is one of them. None where all are taken.
    pub fn claim_batch(
        &self,
        order: &NewBatch,
        keys: &[ContentKey],
    ) -> Result<(Option<BatchNumber>, Vec<bool>), LedgerError> {
        batch::claim(&mut self.connection(), &self.path, order, keys, now())
    }

    /// Records a batch that was found at the provider and that another machine made: any of these keys may be in it.
    pub fn adopt_batch(
        &self,
        order: &NewBatch,
        mark: &tunebench_providers::BatchMark,
        keys: &[ContentKey],
    ) -> Result<BatchNumber, LedgerError> {
        batch::adopt(&mut self.connection(), order, mark, keys, now()).at(&self.path)
    }

    /// Records what is learned of a batch.
    pub fn change_batch(&self, number: BatchNumber, change: BatchChange<'_>) -> Result<(), LedgerError> {
        batch::change(&self.connection(), number, change, now()).at(&self.path)
    }

    /// The provider had no room for a batch: it is to be made again, of the same file.
    pub fn put_back_batch(&self, number: BatchNumber) -> Result<(), LedgerError> {
        batch::put_back(&self.connection(), number).at(&self.path)
    }

    /// Ends a batch and lets its rows go: so many were answered, and so many were not.
    pub fn close_batch(
        &self,
        number: BatchNumber,
        state: BatchState,
        counts: (u64, u64),
        error: Option<&str>,
    ) -> Result<(), LedgerError> {
        batch::close(&mut self.connection(), number, state, counts, error, now()).at(&self.path)
    }

    /// The requests of a batch that is under way.
    pub fn batch_keys(
        &self,
        number: BatchNumber,
    ) -> Result<std::collections::HashSet<ContentKey>, LedgerError> {
        batch::keys(&self.connection(), number).at(&self.path)
    }

    /// Of each of these requests, whether it is in a batch that is under way.
    pub fn in_batches(&self, keys: &[ContentKey]) -> Result<Vec<bool>, LedgerError> {
        let connection = self.connection();
        keys.iter().map(|key| batch::in_batch(&connection, key).at(&self.path)).collect()
    }

    /// A batch by its number.
    pub fn batch(&self, number: BatchNumber) -> Result<Option<BatchRecord>, LedgerError> {
        batch::get(&self.connection(), number).at(&self.path)
    }

    /// The batches, or only those that are under way, the newest first.
    pub fn batches(&self, only_open: bool) -> Result<Vec<BatchRecord>, LedgerError> {
        batch::list(&self.connection(), only_open).at(&self.path)
    }

    /// Records a deployment before it is made, and gives it a name.
    pub fn plan_deployment(
        &self,
        order: &super::NewDeployment,
        run: &RunId,
    ) -> Result<tunebench_providers::DeploymentMark, LedgerError> {
        deployment::plan(&self.connection(), order, run, now()).at(&self.path)
    }

    /// Records that a run uses a deployment that is there.
    pub fn hold_deployment(
        &self,
        mark: &tunebench_providers::DeploymentMark,
        run: &RunId,
    ) -> Result<(), LedgerError> {
        deployment::hold(&self.connection(), mark, run).at(&self.path)
    }

    /// Records the provider's name for a deployment that was made.
    pub fn made_deployment(
        &self,
        mark: &tunebench_providers::DeploymentMark,
        id: &tunebench_providers::DeploymentId,
    ) -> Result<(), LedgerError> {
        deployment::made(&self.connection(), mark, id).at(&self.path)
    }

    /// Records that a deployment was seen to be gone, or was never made.
    pub fn end_deployment(&self, mark: &tunebench_providers::DeploymentMark) -> Result<(), LedgerError> {
        deployment::end(&self.connection(), mark, now()).at(&self.path)
    }

    /// The deployments that may be there, the newest first.
    pub fn open_deployments(&self) -> Result<Vec<super::DeploymentRecord>, LedgerError> {
        deployment::open(&self.connection(), &self.path).at(&self.path)
    }

    /// Takes in what another ledger holds; that one is left as it is.
    ///
    /// An answer that both have stays as it is here, unless fresh answers were asked for between the two. Merging
    /// again after a crash, or twice, changes nothing more.
    pub fn merge(&self, other: &Path) -> Result<Merged, LedgerError> {
        merge::merge(&mut self.connection(), &self.path, other)
    }

    /// What the ledger holds. Reads all of it.
    pub fn stats(&self) -> Result<Stats, LedgerError> {
        stats(&self.connection()).at(&self.path)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut short was rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the answer that came last was asked for: rows lie in the order in which they came.
fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    let newest = "SELECT asked FROM answers ORDER BY rowid DESC LIMIT 1";
    Ok(connection.query_row(newest, (), |row| row.get(0)).optional()?.unwrap_or(0))
}

fn stats(connection: &Connection) -> rusqlite::Result<Stats> {
    let sql = "SELECT provider, base_url, model,
            coalesce(answers, 0), coalesce(input, 0), coalesce(output, 0),
            (SELECT coalesce(sum(count), 0) FROM attempts WHERE target = targets.id),
            (SELECT coalesce(sum(requests), 0) FROM doubts WHERE target = targets.id)
        FROM targets LEFT JOIN
            (SELECT target, count(*) AS answers, cast(total(input) AS INTEGER) AS input,
                cast(total(output) AS INTEGER) AS output FROM answers GROUP BY target) AS held
            ON held.target = targets.id
        ORDER BY 4 DESC, provider, model, base_url";
    let mut query = connection.prepare(sql)?;
    let models = query.query_map((), |row| {
        let count = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        Ok(ModelStats {
            target: Target { provider: row.get(0)?, base_url: row.get(1)?, model: row.get(2)? },
            answers: count(3)?,
            input: count(4)?,
            output: count(5)?,
            failed: count(6)?,
            in_doubt: count(7)?,
        })
    })?;
    let models = models.collect::<Result<_, _>>()?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(Stats { bytes: (pragma("page_count")? * pragma("page_size")?).cast_unsigned(), models })
}

/// Microseconds since 1970.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|time| i64::try_from(time.as_micros()).ok())
        .unwrap_or(0)
}
