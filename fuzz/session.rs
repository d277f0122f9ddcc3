//! One target for its time: inputs are made, tried, and kept where they lead somewhere new.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Seek, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::mutate::{cut_down, largest, mutated};
use crate::targets::{Run, Target};

/// Longer than this no input may take, in an unoptimised build beside others.
const LONGEST: Duration = Duration::from_secs(20);
/// How many inputs are kept to start from.
const KEPT: usize = 2_000;

pub(crate) struct Session {
    target: &'static Target,
    run: Run,
    rng: Rng,
}

/// An input that must not be.
pub(crate) struct Failure {
    target: &'static str,
    message: String,
    file: PathBuf,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  input: {}", self.target, self.message, self.file.display())
    }
}

impl Session {
    pub(crate) fn new(target: &'static Target, seed: u64) -> Self {
        Self { target, run: (target.start)(), rng: Rng::with_seed(seed) }
    }

    /// What the parser makes of an input; the error is a panic.
    pub(crate) fn outcome(&mut self, bytes: &[u8]) -> Result<String, String> {
        let run = &mut self.run;
        catch_unwind(AssertUnwindSafe(|| run(bytes))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("panicked: {}", text.unwrap_or_default())
        })
    }

    pub(crate) fn run(mut self, time: Duration) -> (String, Option<Failure>) {
        let mut corpus = (self.target.seeds)();
        corpus.push(Vec::new());
        let largest = largest(&corpus);
        let (mut ways, mut inputs) = (HashSet::new(), 0_u64);
        let (start, watch) = (Instant::now(), Watch::start(self.target.name));
        let seeds = corpus.clone();
        let mut first = seeds.into_iter();
        let mut in_work = InWork::create(self.target.name);
        let failure = loop {
            let bytes = match first.next() {
                Some(seed) => seed,
                None if start.elapsed() >= time => break None,
                None => mutated(&mut self.rng, &corpus, self.target.words, largest),
            };
            inputs += 1;
            in_work.write(&bytes);
            watch.begins(&bytes);
            let outcome = self.outcome(&bytes);
            watch.ends();
            match outcome {
                Ok(outcome) if ways.insert(way(&outcome)) && corpus.len() < KEPT => corpus.push(bytes),
                Ok(_) => {}
                Err(message) => {
                    let least = cut_down(&bytes, 2_000, |bytes| {
                        watch.begins(bytes);
                        let fails = self.outcome(bytes).is_err();
                        watch.ends();
                        fails
                    });
                    break Some(Failure {
                        target: self.target.name,
                        message,
                        file: keep(self.target.name, &least),
                    });
                }
            }
        };
        in_work.remove();
        let report = format!(
            "{:<16} {inputs:>9} inputs, {:>5} ways to answer, {} s",
            self.target.name,
            ways.len(),
            start.elapsed().as_secs()
        );
        (report, failure)
    }
}

/// The kind of an outcome: what is said without the numbers and names in it.
fn way(outcome: &str) -> u64 {
    let mut hash = DefaultHasher::new();
    let mut quoted = false;
    for character in outcome.chars() {
        quoted ^= character == '`';
        if !quoted && !character.is_ascii_digit() {
            character.hash(&mut hash);
        }
    }
    hash.finish()
}

/// The file with the input that a target is at: what is left of it where its process is ended.
pub(crate) fn input_in_work(target: &str) -> PathBuf {
    failures().join(format!("{target}-in-work"))
}

struct InWork {
    path: PathBuf,
    file: File,
}

impl InWork {
    fn create(target: &str) -> Self {
        let path = input_in_work(target);
        let file = std::fs::create_dir_all(failures()).and_then(|()| File::create(&path));
        let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, file }
    }

    fn write(&mut self, bytes: &[u8]) {
        let written = self.file.rewind().and_then(|()| self.file.set_len(0));
        written
            .and_then(|()| self.file.write_all(bytes))
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
    }

    fn remove(self) {
        let _ = std::fs::remove_file(self.path);
    }
}

fn failures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("failures")
}

fn keep(target: &str, bytes: &[u8]) -> PathBuf {
    let mut hash = DefaultHasher::new();
    bytes.hash(&mut hash);
    let file = failures().join(format!("{target}-{:016x}", hash.finish()));
    let _ = std::fs::create_dir_all(failures()).and_then(|()| std::fs::write(&file, bytes));
    file
}

/// Ends the program where an input takes for ever: no thread can be ended from outside.
#[derive(Clone)]
struct Watch(Arc<Mutex<Option<Try>>>);

/// Since when a parser has been at which bytes.
type Try = (Instant, Vec<u8>);

impl Watch {
    #[expect(clippy::print_stderr, reason = "the thread that hangs can't be ended otherwise")]
    fn start(target: &'static str) -> Self {
        let watch = Self(Arc::default());
        let watched = Arc::downgrade(&watch.0);
        std::thread::spawn(move || {
            while let Some(current) = watched.upgrade() {
                let current = current.lock().expect("nobody panics with it").clone();
                if let Some((since, bytes)) = current.filter(|(since, _)| since.elapsed() > LONGEST) {
                    let file = keep(target, &bytes);
                    eprintln!(
                        "{target}: no end after {} s\n  input: {}",
                        since.elapsed().as_secs(),
                        file.display()
                    );
                    std::process::exit(1);
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        watch
    }

    fn begins(&self, bytes: &[u8]) {
        *self.0.lock().expect("nobody panics with it") = Some((Instant::now(), bytes.to_vec()));
    }

    fn ends(&self) {
        *self.0.lock().expect("nobody panics with it") = None;
    }
}
