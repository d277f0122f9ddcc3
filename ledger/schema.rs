//! Opening the file: is it a ledger, is it ours, is it of this version? Only then may anything write to it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::{At, LedgerError};

/// Marks the file as a ledger, in SQLite's own header (`tbnL`).
const APPLICATION_ID: u32 = 0x7462_6e4c;
/// How much log there may be before it goes to its place, in bytes.
const LOG: u32 = 64 << 20;
/// Step n brings version n to version n + 1.
const STEPS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("cached_tokens.sql"),
    include_str!("batches.sql"),
    include_str!("deployments.sql"),
];
/// How long to wait for another process. Its commits take milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Where SQLite keeps magic, version and application id.
const HEADER: usize = 72;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Opens a ledger, makes one where there is no file, brings an old one up to date.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    open_with(path, STEPS)
}

/// Opens a ledger of this version that is only to be read.
pub(super) fn open_as_is(path: &Path) -> Result<Connection, LedgerError> {
    let mut connection = existing(path, STEPS)?;
    let found = version(&connection, path)?;
    if found < STEPS.len() as u32 {
        return Err(LedgerError::Older { path: path.to_owned(), found });
    }
    check(&mut connection, path, STEPS)?;
    Ok(connection)
}

pub(super) fn open_with(path: &Path, steps: &[&str]) -> Result<Connection, LedgerError> {
    if !path.try_exists().at(path)? {
        create(path, steps)?;
    }
    let mut connection = existing(path, steps)?;
    migrate(&mut connection, path, steps)?;
    check(&mut connection, path, steps)?;
    prepared(connection, path)
}

/// Opens a ledger once more that is open already, and has been looked at.
pub(super) fn open_again(path: &Path) -> Result<Connection, LedgerError> {
    prepared(existing(path, STEPS)?, path)
}

fn prepared(connection: Connection, path: &Path) -> Result<Connection, LedgerError> {
    // From here on it is ours, and what the log holds may go to its place when the file is closed.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).at(path)?;
    // In WAL mode this waits for the disk at checkpoints only: see the module's header.
    connection.pragma_update(None, "synchronous", "NORMAL").at(path)?;
    // A checkpoint waits for the disk, and writes each page once however often the log holds it: rare ones cost a fifth
    // less than the usual ones of 4 MB.
    let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).at(path)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG / page.max(512)).at(path)?;
    connection.pragma_update(None, "cache_size", -2 * 1024).at(path)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Makes the file under another name first: it is there whole or not at all, and never in the place of another.
fn create(path: &Path, steps: &[&str]) -> Result<(), LedgerError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder).at(path)?;
    let draft = tempfile::NamedTempFile::new_in(folder).at(path)?;
    let mut connection = Connection::open(draft.path()).at(path)?;
    // Nobody can see the draft, so no step of it need be safe from a crash: it waits for the disk once, when it is whole.
    connection.pragma_update(None, "synchronous", "OFF").at(path)?;
    connection.pragma_update(None, "journal_mode", "MEMORY").at(path)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID).at(path)?;
    migrate(&mut connection, path, steps)?;
    connection.pragma_update(None, "journal_mode", "WAL").at(path)?;
    connection.close().map_err(|(_, error)| LedgerError::sqlite(path, &error))?;
    draft.as_file().sync_all().at(path)?;
    match draft.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // Another process was quicker.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(LedgerError::io(path, &error.error)),
    }
}

/// Opens a file that says it is a ledger, so that no byte of it or of its log changes yet.
fn existing(path: &Path, steps: &[&str]) -> Result<Connection, LedgerError> {
    let mut header = [0; HEADER];
    File::open(path).and_then(|mut file| file.read_exact(&mut header)).map_err(|error| {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => LedgerError::Foreign(path.to_owned()),
            _ => LedgerError::io(path, &error),
        }
    })?;
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if !header.starts_with(MAGIC) || word(68) != APPLICATION_ID {
        return Err(LedgerError::Foreign(path.to_owned()));
    }
    newer(path, word(60), steps)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).at(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).at(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).at(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).at(path)?;
    connection.busy_timeout(PATIENCE).at(path)?;
    // The log may hold a later version than the file itself.
    newer(path, version(&connection, path)?, steps)?;
    Ok(connection)
}

fn version(connection: &Connection, path: &Path) -> Result<u32, LedgerError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).at(path)
}

fn newer(path: &Path, found: u32, steps: &[&str]) -> Result<(), LedgerError> {
    let known = steps.len() as u32;
    if found > known { Err(LedgerError::Newer { path: path.to_owned(), found, known }) } else { Ok(()) }
}

/// All missing steps in one transaction: a crash leaves the old version or the new one.
fn migrate(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), LedgerError> {
    if version(connection, path)? as usize == steps.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at(path)?;
    // Another process may have been here in between.
    let found = version(&transaction, path)?;
    newer(path, found, steps)?;
    for step in &steps[found as usize..] {
        transaction.execute_batch(step).at(path)?;
    }
    transaction.pragma_update(None, "user_version", steps.len() as u32).at(path)?;
    transaction.commit().at(path)
}

/// Whether tables and indexes are those that the steps make. What a user has added to look at the data may stay,
/// unless it acts by itself.
fn check(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), LedgerError> {
    let damaged = |detail: String| LedgerError::Damaged { path: path.to_owned(), detail };
    let model = Connection::open_in_memory().at(path)?;
    steps.iter().try_for_each(|step| model.execute_batch(step)).at(path)?;
    let read = |connection: &Connection| -> Result<Vec<(String, String, Option<String>)>, LedgerError> {
        let mut query =
            connection.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name").at(path)?;
        let rows = query.query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).at(path)?;
        rows.collect::<Result<_, _>>().at(path)
    };
    let found = read(connection)?;
    if let Some((_, name, _)) = read(&model)?.iter().find(|part| !found.contains(part)) {
        return Err(damaged(format!("`{name}` is not as it was made")));
    }
    if let Some((_, name, _)) = found.iter().find(|(kind, ..)| kind == "trigger") {
        return Err(damaged(format!("the trigger `{name}` does not belong there")));
    }
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).at(path)?;
    if mode != "wal" {
        return Err(damaged(format!("its journal mode is `{mode}`, not `wal`")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tunebench_data::Latency;
    use tunebench_providers::{Completion, Usage};

    use crate::answer::AnswerRow;
    use crate::store::Floor;
    use crate::{ContentKey, Ledger};

    fn path() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/ledger.db");
        (folder, path)
    }

    #[test]
    fn an_older_ledger_is_brought_up_to_date_and_a_newer_one_left_alone() {
        let (_folder, path) = path();
        drop(Ledger::open(&path).unwrap());
        let known = STEPS.len() as u32;
        let mut next = STEPS.to_vec();
        next.push("ALTER TABLE answers ADD COLUMN mood TEXT; CREATE TABLE moods (name TEXT) STRICT");
        let connection = open_with(&path, &next).unwrap();
        connection.execute("INSERT INTO moods VALUES ('good')", ()).unwrap();
        assert_eq!(version(&connection, &path).unwrap(), known + 1);
        drop(connection);
        drop(open_with(&path, &next).unwrap());

        let before = fs_err::read(&path).unwrap();
        let error = Ledger::open(&path).unwrap_err();
        assert_eq!(error, LedgerError::Newer { path: path.clone(), found: known + 1, known });
        assert!(error.to_string().contains(&format!("version {}", known + 1)), "{error}");
        assert_eq!(fs_err::read(&path).unwrap(), before);
        assert!(matches!(Ledger::open(&path).unwrap_err().hint(), Some(hint) if hint.contains("newer")));
    }

    #[test]
    fn answers_of_the_first_version_are_read_after_the_steps_to_this_one() {
        let (_folder, path) = path();
        let completion = Completion::new("card").usage(Usage::new(40, 3));
        let (key, packed) = (ContentKey([7; 32]), AnswerRow::new(&completion, Latency::from_micros(9), 1));
        let connection = open_with(&path, &STEPS[..1]).unwrap();
        let insert =
            "INSERT INTO answers (key, target, run, asked, latency, input, output, finish, text, seal)
            VALUES (?, 1, 1, 1, 9, 40, 3, 'stop', 'card', ?)";
        connection.execute(insert, (key.0, packed.seal(&key))).unwrap();
        drop(connection);
        let kept = Ledger::open(&path).unwrap().lookup(&[key], Floor::default()).unwrap();
        assert_eq!(kept[0].as_ref().unwrap().completion, completion);
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let (_folder, path) = path();
        drop(Ledger::open(&path).unwrap());
        let mut steps = STEPS.to_vec();
        steps.push("CREATE TABLE moods (name TEXT); CREATE TABLE runs (x)");
        let error = open_with(&path, &steps);
        assert!(matches!(error, Err(LedgerError::Failed { .. })), "{error:?}");
        drop(Ledger::open(&path).unwrap());
    }

    #[test]
    fn what_is_no_ledger_is_left_as_it_is() {
        let (folder, _) = path();
        let other = folder.path().join("other.db");
        Connection::open(&other)
            .unwrap()
            .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
            .unwrap();
        for (name, content) in [
            ("empty", Vec::new()),
            ("short", b"SQLite format 3\0".to_vec()),
            ("text", b"id,text,label\n".repeat(20)),
            ("other.db", fs_err::read(&other).unwrap()),
        ] {
            let path = folder.path().join(name);
            fs_err::write(&path, &content).unwrap();
            assert_eq!(Ledger::open(&path).unwrap_err(), LedgerError::Foreign(path.clone()), "{name}");
            assert_eq!(fs_err::read(&path).unwrap(), content, "{name}");
        }
        assert!(matches!(Ledger::open(folder.path()), Err(LedgerError::Failed { .. })));
    }

    #[test]
    fn a_ledger_with_other_tables_is_damaged() {
        for (change, part) in [
            ("DROP TABLE jobs", "jobs"),
            ("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM answers; END", "trigger"),
            ("PRAGMA journal_mode = DELETE", "journal mode"),
        ] {
            let (_folder, path) = path();
            drop(Ledger::open(&path).unwrap());
            Connection::open(&path).unwrap().execute_batch(change).unwrap();
            let before = fs_err::read(&path).unwrap();
            let error = Ledger::open(&path).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert_eq!(fs_err::read(&path).unwrap(), before);
        }
    }

    #[test]
    fn a_view_of_the_user_may_stay() {
        let (_folder, path) = path();
        drop(Ledger::open(&path).unwrap());
        Connection::open(&path).unwrap().execute_batch("CREATE VIEW v AS SELECT text FROM answers").unwrap();
        Ledger::open(&path).unwrap();
    }
}
