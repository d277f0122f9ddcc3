//! The child process: started when it is first needed, spoken to line by line, and started again, a few times, after it
//! has died. Threads do the reading and writing, so that a child that hangs or floods holds up nobody but its own rows.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::protocol::{Answer, Request, malformed};
use crate::{Cause, ProviderError, Retry, Scope, timeouts};

/// The longest line that is read. Longer ones are a flood.
const LONGEST_LINE: u64 = 16 << 20;
/// So many lines of no use in a row are a flood, too; a few are somebody's `print`.
const STRAY_LINES: usize = 1_000;
/// So many deaths without an answer between them, and the child is given up.
pub(super) const DEATHS: u32 = 4;
/// How much of its log is kept.
const LONGEST_LOG: u64 = 16 << 20;
const LAST_WORDS: usize = 8;

/// What is called with the answer, once.
type Reply = Box<dyn FnOnce(Result<Value, ProviderError>) + Send>;
type Pending = HashMap<u64, Reply>;

/// How to start a child.
pub(super) struct Recipe {
    /// Program and arguments.
    pub(super) command: Vec<String>,
    /// Where it runs.
    pub(super) folder: PathBuf,
    /// All of its environment.
    pub(super) variables: BTreeMap<String, String>,
    /// What must not be told on.
    pub(super) secrets: Vec<String>,
    /// Where its stderr goes.
    pub(super) log: PathBuf,
    /// The line that greets each child, without its id.
    pub(super) greeting: Value,
}

impl Recipe {
    fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[redacted]"))
    }
}

/// A child that may or may not be running.
pub(super) struct Child {
    shared: Arc<Shared>,
    next_id: AtomicU64,
}

struct Shared {
    recipe: Recipe,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: Option<Running>,
    /// Counts the children, so that threads of an old one leave the new one alone.
    generation: u64,
    deaths: u32,
    /// How the last one died.
    cause_of_death: String,
}

struct Running {
    process: std::process::Child,
    lines: Sender<Vec<u8>>,
    pending: Pending,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    pub(super) fn new(recipe: Recipe) -> Self {
        let shared = Arc::new(Shared { recipe, state: Mutex::default() });
        Self { shared, next_id: AtomicU64::new(1) }
    }

    /// Sends a request; `reply` is called with the answer, or with what came instead of one.
    pub(super) fn call<P: Serialize>(
        &self,
        method: &str,
        params: &P,
        reply: impl FnOnce(Result<Value, ProviderError>) + Send + 'static,
    ) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let Some(line) = line(id, method, params) else {
            return reply(Err(ProviderError::new(Cause::Invalid, "the request is not JSON")));
        };
        let mut state = self.shared.lock();
        if state.running.is_none()
            && let Err(error) = self.start(&mut state)
        {
            drop(state);
            return reply(Err(error));
        }
        if let Some(running) = &mut state.running {
            running.pending.insert(id, Box::new(reply));
            // Where nobody writes any more, the reader is about to notice the end.
            let _ = running.lines.send(line);
        }
    }

    /// A text without the values that were named for the child.
    pub(super) fn clean(&self, text: &str) -> String {
        self.shared.recipe.clean(text)
    }

    /// Ends a child that does not answer. Whatever else it was asked fails, and may be asked again.
    pub(super) fn give_up(&self, why: &str) {
        let mut state = self.shared.lock();
        if state.running.is_none() {
            return;
        }
        why.clone_into(&mut state.cause_of_death);
        let generation = state.generation;
        drop(state);
        // Not left to the reader: a process that the child has started may hold its output open.
        self.shared.bury(generation, End::Closed);
    }

    fn start(&self, state: &mut State) -> Result<(), ProviderError> {
        let recipe = &self.shared.recipe;
        if state.deaths >= DEATHS {
            let message = format!(
                "the program ended {} times without an answer; {}",
                state.deaths, state.cause_of_death
            );
            return Err(fatal(message).hint(format!("its log is `{}`", recipe.log.display())));
        }
        let (program, arguments) =
            recipe.command.split_first().ok_or_else(|| fatal("there is no command to start".to_owned()))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&recipe.folder)
            .env_clear()
            .envs(&recipe.variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C is for us: the child finishes what is under way.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut process = command.spawn().map_err(|error| {
            fatal(format!("`{program}` can't be started: {error}"))
                .hint("`command` under this provider names the program and its arguments")
        })?;
        let piped = process.stdin.take().zip(process.stdout.take()).zip(process.stderr.take());
        let Some(((stdin, stdout), stderr)) = piped else {
            return Err(fatal("the program has no pipes".to_owned()));
        };
        let last_words = Arc::<Mutex<VecDeque<String>>>::default();
        let (lines, to_write) = channel();
        // Ids of requests begin at 1: the answer to the greeting is not waited for here.
        lines.send(line(0, "hello", &recipe.greeting).unwrap_or_default()).ok();
        state.generation += 1;
        state.cause_of_death.clear();
        state.running =
            Some(Running { process, lines, pending: Pending::new(), last_words: last_words.clone() });
        let (generation, shared) = (state.generation, Arc::downgrade(&self.shared));
        thread::spawn(move || write(stdin, &to_write));
        let (log, secrets) = (recipe.log.clone(), recipe.secrets.clone());
        let listening = thread::spawn(move || listen(stderr, &log, &secrets, &last_words));
        thread::spawn(move || {
            let end = read(stdout, |answer| match shared.upgrade() {
                Some(shared) => shared.answered(generation, answer),
                None => false,
            });
            // A grandchild may hold the pipe open; the log can wait, the rows can't.
            let patience = Instant::now();
            while !listening.is_finished() && patience.elapsed() < Duration::from_millis(200) {
                thread::sleep(Duration::from_millis(5));
            }
            if let Some(shared) = shared.upgrade() {
                shared.bury(generation, end);
            }
        });
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let Some(mut running) = self.shared.lock().running.take() else { return };
        // Its input ends, and with it what it has to do.
        drop(running.lines);
        let started = Instant::now();
        while started.elapsed() < timeouts::PROGRAM_END {
            if !matches!(running.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = running.process.kill();
        let _ = running.process.wait();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an answer to whoever waits for it; false if nobody does.
    fn answered(&self, generation: u64, answer: Answer) -> bool {
        let mut state = self.lock();
        if state.generation != generation {
            return false;
        }
        let reply = state.running.as_mut().and_then(|running| running.pending.remove(&answer.id));
        let known = reply.is_some() || answer.id == 0;
        let result = match (answer.error, answer.result) {
            (Some(failure), _) => Err(failure.clean(|text| self.recipe.clean(text)).into()),
            (None, Some(result)) => Ok(result),
            (None, None) => Err(malformed("an answer has neither `result` nor `error`")),
        };
        if reply.is_some() && result.is_ok() {
            state.deaths = 0;
        }
        drop(state);
        if let Some(reply) = reply {
            reply(result);
        }
        known
    }

    /// The child is done for: whoever waits for it is told.
    fn bury(&self, generation: u64, end: End) {
        let mut state = self.lock();
        if state.generation != generation {
            return;
        }
        let Some(mut running) = state.running.take() else { return };
        let _ = running.process.kill();
        let status = running.process.wait();
        let words = running.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        let words = words.iter().rev().find(|line| !line.trim().is_empty()).cloned().unwrap_or_default();
        let how = match (&end, state.cause_of_death.is_empty()) {
            (_, false) => state.cause_of_death.clone(),
            (End::Flood, _) => "it wrote more than the protocol allows".to_owned(),
            (End::Closed, true) => format!("it {}", ended(status)),
        };
        let said = if words.is_empty() { String::new() } else { format!("; it said: {words}") };
        state.cause_of_death = crate::text::one_line(&self.recipe.clean(&format!("{how}{said}")));
        state.deaths += 1;
        let message = format!("the program ended before it answered: {}", state.cause_of_death);
        drop(state);
        for (_, reply) in running.pending {
            reply(Err(ProviderError::new(Cause::Server, message.clone()).may_be_billed(true)));
        }
    }
}

fn ended(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| format!("is gone ({error})"), |status| format!("ended with {status}"))
}

/// Nothing that is asked here will be answered.
fn fatal(message: String) -> ProviderError {
    ProviderError::new(Cause::Access, message).scope(Scope::Provider).retry(Retry::Never)
}

fn line<P: Serialize>(id: u64, method: &str, params: &P) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(&Request { id, method, params }).ok()?;
    line.push(b'\n');
    Some(line)
}

fn write(mut stdin: impl Write, lines: &Receiver<Vec<u8>>) {
    while let Ok(line) = lines.recv() {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// Why nothing more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The output has ended.
    Closed,
    /// There was too much of it.
    Flood,
}

/// Gives every answer to `take`, which says whether it was of use. Lines that are no answers are passed over.
pub(super) fn read(output: impl Read, mut take: impl FnMut(Answer) -> bool) -> End {
    let mut output = BufReader::new(output);
    let (mut line, mut stray) = (Vec::new(), 0);
    loop {
        line.clear();
        let length = (&mut output).take(LONGEST_LINE).read_until(b'\n', &mut line);
        if length.is_err() || line.is_empty() {
            return End::Closed;
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST_LINE {
            return End::Flood;
        }
        let used = serde_json::from_slice::<Answer>(&line).is_ok_and(&mut take);
        stray = if used { 0 } else { stray + 1 };
        if stray > STRAY_LINES {
            return End::Flood;
        }
    }
}

/// Keeps what the child says on stderr: all of it in its log, up to a size, and the last lines for messages.
fn listen(stderr: impl Read, log: &PathBuf, secrets: &[String], last_words: &Mutex<VecDeque<String>>) {
    let mut log = fs_open(log);
    let mut written = 0;
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stderr).take(64 << 10).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            _ => return,
        }
        let mut text = String::from_utf8_lossy(&line).trim_end().to_owned();
        for secret in secrets {
            text = text.replace(secret.as_str(), "[redacted]");
        }
        if let Some(log) = log.as_mut().filter(|_| written < LONGEST_LOG) {
            written += text.len() as u64 + 1;
            let _ = writeln!(log, "{text}");
        }
        let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.push_back(text);
        if words.len() > LAST_WORDS {
            words.pop_front();
        }
    }
}

/// Without a log the child still runs.
fn fs_open(log: &PathBuf) -> Option<std::fs::File> {
    std::fs::create_dir_all(log.parent()?).ok()?;
    std::fs::OpenOptions::new().create(true).append(true).open(log).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_child_writes_the_reading_ends(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = read(&bytes[..], |_| true);
        }

        #[test]
        fn answers_are_found_among_other_lines(stray in "[^\\x00\\n]{0,40}", id in 1u64..100) {
            let output = format!("{stray}\n{{\"id\":{id},\"result\":{{}}}}\n{{\"id\":");
            let mut found = Vec::new();
            prop_assert_eq!(read(output.as_bytes(), |answer| { found.push(answer.id); true }), End::Closed);
            prop_assert_eq!(found, [id]);
        }
    }

    #[test]
    fn a_flood_is_not_read_to_its_end() {
        assert_eq!(read(io::repeat(b'x'), |_| true), End::Flood);
        assert_eq!(read(io::repeat(b'\n'), |_| true), End::Flood);
    }
}
