//! Feeds mutated bytes to every parser that meets bytes from outside, and fails where one panics or does not come to an end.
//!
//! `cargo run -p tunebench-fuzz -- [TARGET...] [--seconds 30] [--seed 1]` takes the time for each target, two of them at
//! once on two processors and each in a process of its own, as a stack that overflows ends its process. Inputs start from files (`corpus/TARGET/` and others in this repository); one that a parser
//! answers in a way not seen before becomes a start as well. What fails is written to `fuzz/failures/`, cut down, and can be
//! given as a TARGET's only input with `--input FILE`.

mod mutate;
mod session;
mod targets;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Duration;

use session::{Session, input_in_work};
use targets::{TARGETS, Target};

struct Options {
    targets: Vec<&'static Target>,
    seconds: Duration,
    seed: u64,
    input: Option<PathBuf>,
    /// In this process: what each target is started with.
    here: bool,
}

fn options() -> Result<Options, String> {
    let mut options =
        Options { targets: Vec::new(), seconds: Duration::from_secs(30), seed: 1, input: None, here: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} lacks its value"));
        let number = |text: String| text.parse().map_err(|_| format!("`{text}` is not a number"));
        match argument.as_str() {
            "--seconds" => options.seconds = Duration::from_secs(number(value()?)?),
            "--seed" => options.seed = number(value()?)?,
            "--here" => options.here = true,
            "--input" => options.input = Some(value()?.into()),
            name => {
                let known = TARGETS.iter().find(|target| target.name == name);
                options.targets.push(known.ok_or_else(|| {
                    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
                    format!("there is no target `{name}`; there are {}", names.join(", "))
                })?);
            }
        }
    }
    if options.targets.is_empty() {
        options.targets = TARGETS.iter().collect();
    }
    Ok(options)
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what was found is what this program is for")]
fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // A panic is counted, not shown each time while its input is cut down.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(path) = &options.input {
        let bytes = std::fs::read(path).unwrap_or_default();
        for target in &options.targets {
            println!(
                "{}: {}",
                target.name,
                Session::new(target, 0).outcome(&bytes).unwrap_or_else(|panic| panic)
            );
        }
        return ExitCode::SUCCESS;
    }
    if options.here {
        // With the stack of a worker of the program, which is smaller than that of a main thread.
        return std::thread::scope(|scope| {
            scope.spawn(|| in_this_process(&options)).join().unwrap_or(ExitCode::FAILURE)
        });
    }
    let queue = Mutex::new(VecDeque::from(options.targets.clone()));
    let failures = Mutex::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(options.targets.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(target) = next(&queue) {
                    if let Err(reason) = in_its_own_process(target, &options) {
                        eprintln!("{}: {reason}", target.name);
                        *failures.lock().expect("nobody panics with it") += 1;
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panics with it");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what was found is what this program is for")]
fn in_this_process(options: &Options) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for target in &options.targets {
        let (report, failure) = Session::new(target, options.seed).run(options.seconds);
        println!("{report}");
        if let Some(failure) = failure {
            eprintln!("{failure}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn in_its_own_process(target: &Target, options: &Options) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let seconds = options.seconds.as_secs().to_string();
    let seed = options.seed.to_string();
    let status = Command::new(program)
        .args(["--here", target.name, "--seconds", &seconds, "--seed", &seed])
        .status()
        .map_err(|error| error.to_string())?;
    match status.code() {
        Some(0) => Ok(()),
        Some(_) => Err("failed".to_owned()),
        None => Err(format!("{status}\n  input: {}", input_in_work(target.name).display())),
    }
}

fn next(queue: &Mutex<VecDeque<&'static Target>>) -> Option<&'static Target> {
    queue.lock().expect("nobody panics with it").pop_front()
}
