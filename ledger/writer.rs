//! The one thread of a run that writes: everything that waits when a commit begins goes into it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::answer::{AnswerRow, FIND, insert_or_replace_where};
use super::batch;
use super::error::{At, LedgerError};
use super::run::{self, Totals};
use super::store::now;
use super::{ContentKey, OrphanedRequests, StoredAnswer};

/// The most that one commit takes; more waits in the channel.
const GROUP: usize = 1024;
/// A commit of fewer is worth a short wait for more.
const SMALL: usize = 8;
/// How long that is: the most by which a request is delayed so that a commit is shared. After the first part it is looked
/// whether enough has come: where answers come at once, all requests would stand still together.
const WAIT: [Duration; 2] = [Duration::from_micros(250), Duration::from_micros(750)];
/// After how many changes the totals of a run that is under way are written down.
const TOTALS_EVERY: u64 = 512;

pub(super) type Ack<T> = oneshot::Sender<Result<T, LedgerError>>;

/// What the writer is told.
pub(super) enum Op {
    /// A request is about to be sent; unless `anyway`, only if [`Found::Nothing`] of it is found.
    Intend { slot: u32, target: i64, floor: i64, key: ContentKey, anyway: bool, ack: Ack<Found> },
    /// Somebody wants to know what there is of a request by now.
    Find { floor: i64, key: ContentKey, ack: Ack<Found> },
    /// An answer has come.
    Answer { target: i64, floor: i64, key: ContentKey, answer: Box<AnswerRow> },
    /// A request has failed.
    Fail { slot: u32, target: i64, cause: String, retryable: bool },
    /// A request was not sent after all.
    Withdraw { slot: u32 },
    /// Who is to be asked.
    Target { target: super::Target, ack: Ack<i64> },
    /// Says when everything before it is kept.
    Flush { ack: Ack<()> },
    /// The run is at its end.
    Finish { ack: Ack<(Totals, Vec<OrphanedRequests>)> },
}

/// What there is of a request that is about to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    Nothing,
    /// Its answer, which has come since it was looked up last; none where that is not what was written.
    Answer(Option<Box<StoredAnswer>>),
    /// Another run has sent it, and waits for the answer.
    UnderWay,
    /// It is in a batch that is under way.
    InBatch,
}

/// What the writer leaves for those who find it gone.
#[derive(Debug, Default)]
pub(super) struct WriterStatus {
    pub(super) error: OnceLock<LedgerError>,
    /// Makes the writer end as if the process had been killed.
    #[cfg(test)]
    pub(super) killed: std::sync::atomic::AtomicBool,
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) path: std::path::PathBuf,
    pub(super) run: i64,
    pub(super) status: Arc<WriterStatus>,
    pub(super) totals: Totals,
    pub(super) written: Totals,
    /// Whether other runs write to this ledger too.
    pub(super) others: OtherWriters,
}

impl Writer {
    pub(super) fn run(mut self, mut ops: mpsc::Receiver<Op>) {
        let mut group = Vec::with_capacity(64);
        let mut batcher = CommitBatcher::default();
        while ops.blocking_recv_many(&mut group, GROUP) > 0 {
            if batcher.wait_for_more(group.len()) {
                let before = group.len();
                for part in WAIT {
                    std::thread::sleep(part);
                    while group.len() < GROUP
                        && let Ok(op) = ops.try_recv()
                    {
                        group.push(op);
                    }
                    if group.len() >= SMALL {
                        break;
                    }
                }
                batcher.gained(group.len() - before);
            }
            #[cfg(test)]
            if self.status.killed.load(std::sync::atomic::Ordering::SeqCst) {
                return;
            }
            match self.commit(&mut group) {
                Ok(done) => {
                    let finished = done.iter().any(|done| matches!(done, Done::Finish(..)));
                    done.into_iter().for_each(Done::tell);
                    if finished {
                        return;
                    }
                }
                Err(error) => {
                    // Known before the channel closes, which is what those wait for whose acknowledgement is dropped.
                    let _ = self.status.error.set(error);
                    return;
                }
            }
        }
    }

    /// Writes a group, and returns what may be told now that it is kept.
    fn commit(&mut self, group: &mut Vec<Op>) -> Result<Vec<Done>, LedgerError> {
        let mut done = Vec::with_capacity(group.len());
        let mut totals = self.totals;
        // Not a `Transaction`, which would have its words parsed for each commit. After an error the connection is
        // closed, and that undoes what it had begun.
        self.control("BEGIN IMMEDIATE")?;
        self.others.look(&self.connection).at(&self.path)?;
        self.write(&mut totals, group, &mut done).at(&self.path)?;
        if changes(&totals) - changes(&self.written) >= TOTALS_EVERY {
            write_totals(&self.connection, self.run, &totals).at(&self.path)?;
            self.written = totals;
        }
        self.control("COMMIT")?;
        self.totals = totals;
        Ok(done)
    }

    fn write(&self, totals: &mut Totals, group: &mut Vec<Op>, done: &mut Vec<Done>) -> rusqlite::Result<()> {
        let (transaction, run) = (&self.connection, self.run);
        let mut intend: CachedStatement<'_> = transaction.prepare_cached(INTEND)?;
        let mut answered = transaction.prepare_cached(ANSWER)?;
        for op in group.drain(..) {
            match op {
                Op::Intend { slot, target, floor, key, anyway, ack } => {
                    let found = if anyway { Found::Nothing } else { self.find(&key, floor)? };
                    if found == Found::Nothing {
                        intend.execute(params![run, slot, target, floor, key.0])?;
                        totals.asked += 1;
                    }
                    done.push(Done::Found(ack, found));
                }
                Op::Find { floor, key, ack } => done.push(Done::Found(ack, self.find(&key, floor)?)),
                Op::Answer { target, floor, key, answer } => {
                    answer.bind(&mut answered, &key, target, run)?;
                    answered.raw_bind_parameter(17, floor)?;
                    answered.raw_execute()?;
                    totals.answered += 1;
                }
                Op::Fail { slot, target, cause, retryable } => {
                    transaction.prepare_cached(FAIL)?.execute(params![
                        run,
                        target,
                        cause,
                        retryable,
                        now()
                    ])?;
                    transaction.prepare_cached(WITHDRAW)?.execute(params![run, slot])?;
                    totals.failed += 1;
                }
                Op::Withdraw { slot } => {
                    transaction.prepare_cached(WITHDRAW)?.execute(params![run, slot])?;
                    totals.asked = totals.asked.saturating_sub(1);
                }
                Op::Target { target, ack } => done.push(Done::Target(ack, target_id(transaction, &target)?)),
                Op::Flush { ack } => done.push(Done::Plain(ack)),
                Op::Finish { ack } => {
                    let doubts = run::open_intents(transaction, run)?;
                    run::close_intents(transaction, run)?;
                    write_totals(transaction, run, totals)?;
                    let end = "UPDATE runs SET state = 'ended', ended = ? WHERE number = ?";
                    transaction.execute(end, params![now(), run])?;
                    done.push(Done::Finish(ack, *totals, doubts));
                }
            }
        }
        Ok(())
    }

    /// What there is of a request. Rows are looked up long before their turn, and equal ones at the same time.
    fn find(&self, key: &ContentKey, floor: i64) -> rusqlite::Result<Found> {
        let answer = self.connection.prepare_cached(FIND)?.query_row(params![key.0, floor], |row| {
            Ok(AnswerRow::read(row, key)?.and_then(AnswerRow::unpack).map(Box::new))
        });
        Ok(match answer.optional()? {
            Some(answer) => Found::Answer(answer),
            None if self.others.batches && batch::in_batch(&self.connection, key)? => Found::InBatch,
            None if self.others.is_there
                && run::is_asking(&self.connection, &self.path, self.run, key, floor)? =>
            {
                Found::UnderWay
            }
            None => Found::Nothing,
        })
    }

    fn control(&self, word: &str) -> Result<(), LedgerError> {
        let done = self.connection.prepare_cached(word).and_then(|mut word| word.execute(()));
        done.map(drop).at(&self.path)
    }
}

/// Whether others write to the ledger. What they are asking has to be looked for among all requests under way, which a
/// run that is alone is spared.
#[derive(Debug, Default)]
pub(super) struct OtherWriters {
    is_there: bool,
    /// Whether batches are under way.
    batches: bool,
    /// Changes with every commit of another connection.
    version: i64,
}

impl OtherWriters {
    /// From the runs that are there when this one begins.
    pub(super) fn of(connection: &Connection, run: i64) -> rusqlite::Result<Self> {
        let sql = "SELECT EXISTS (SELECT 1 FROM runs WHERE state = 'running' AND number <> ?)";
        let is_there = connection.query_row(sql, [run], |row| row.get(0))?;
        let batches = batch::are_open(connection)?;
        let mut others = Self { is_there, batches, version: 0 };
        others.version = others.version(connection)?;
        Ok(others)
    }

    /// Others, once there, are always there; batches come and go.
    fn look(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let version = self.version(connection)?;
        if version != self.version {
            self.version = version;
            self.is_there = true;
            self.batches = batch::are_open(connection)?;
        }
        Ok(())
    }

    fn version(&self, connection: &Connection) -> rusqlite::Result<i64> {
        connection.prepare_cached("PRAGMA data_version")?.query_row((), |row| row.get(0))
    }
}

/// An acknowledgement that waits for the commit.
enum Done {
    Plain(Ack<()>),
    Found(Ack<Found>, Found),
    Target(Ack<i64>, i64),
    Finish(Ack<(Totals, Vec<OrphanedRequests>)>, Totals, Vec<OrphanedRequests>),
}

impl Done {
    /// Whoever does not listen any more does not need it.
    fn tell(self) {
        match self {
            Self::Plain(ack) => drop(ack.send(Ok(()))),
            Self::Found(ack, found) => drop(ack.send(Ok(found))),
            Self::Target(ack, id) => drop(ack.send(Ok(id))),
            Self::Finish(ack, totals, doubts) => drop(ack.send(Ok((totals, doubts)))),
        }
    }
}

fn changes(totals: &Totals) -> u64 {
    totals.asked + totals.answered + totals.failed
}

const INTEND: &str = "INSERT OR REPLACE INTO intents (run, slot, target, floor, key) VALUES (?, ?, ?, ?, ?)";
/// The first answer to a key is the final one, whoever gives it. Only a floor lets another take its place, once.
const ANSWER: &str = insert_or_replace_where!("answers.asked < ?17");
const FAIL: &str = "INSERT INTO attempts VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5)
    ON CONFLICT DO UPDATE SET count = count + 1, last = excluded.last";
const WITHDRAW: &str = "DELETE FROM intents WHERE run = ? AND slot = ?";

fn write_totals(transaction: &Connection, run: i64, totals: &Totals) -> rusqlite::Result<()> {
    let sql = "UPDATE runs SET asked = ?, answered = ?, failed = ? WHERE number = ?";
    let [asked, answered, failed] = [totals.asked, totals.answered, totals.failed].map(u64::cast_signed);
    transaction.prepare_cached(sql)?.execute(params![asked, answered, failed, run])?;
    Ok(())
}

/// The number of a target, new or not.
pub(super) fn target_id(connection: &Connection, target: &super::Target) -> rusqlite::Result<i64> {
    let values = params![target.provider, target.base_url, target.model];
    connection
        .execute("INSERT OR IGNORE INTO targets (provider, base_url, model) VALUES (?, ?, ?)", values)?;
    let sql = "SELECT id FROM targets WHERE provider = ? AND base_url = ? AND model = ?";
    connection.query_row(sql, values, |row| row.get(0))
}

/// Whether it pays to wait: under load commits are large by themselves, and a lone worker waits only for us.
#[derive(Debug, Default)]
struct CommitBatcher {
    /// What a wait brought lately, as a moving average in sixteenths of an operation.
    gain: usize,
    skipped: u32,
}

impl CommitBatcher {
    fn wait_for_more(&mut self, group: usize) -> bool {
        if group >= SMALL {
            return false;
        }
        // Now and then it is tried again: the load may have changed.
        self.skipped += 1;
        if self.gain < 6 && self.skipped < 32 {
            return false;
        }
        self.skipped = 0;
        true
    }

    fn gained(&mut self, more: usize) {
        self.gain = (self.gain * 3 + more * 16) / 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(batcher: &mut CommitBatcher, group: usize, gain: usize) -> usize {
        (0..320)
            .filter(|_| {
                let wait = batcher.wait_for_more(group);
                if wait {
                    batcher.gained(gain);
                }
                wait
            })
            .count()
    }

    #[test]
    fn waits_where_it_pays() {
        let mut batcher = CommitBatcher::default();
        // A run of one row, or of few, never waits.
        assert!((0..20).all(|_| !batcher.wait_for_more(1)));
        assert!((5..20).contains(&waits(&mut batcher, 1, 0)));
        assert_eq!(waits(&mut batcher, SMALL, 64), 0);
        assert!(waits(&mut batcher, 1, 1) > 200);
        assert!((10..20).contains(&waits(&mut batcher, 2, 0)));
    }
}
