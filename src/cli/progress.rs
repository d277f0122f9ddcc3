//! How the work goes on: bars on a terminal, a few plain lines elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tunebench_providers::{BatchEnd, BatchId, JobEvent, ModelRef, ProviderError, TrainingProgress};

use super::doctor::count;
use super::output::Printer;
use crate::batch::{BatchEvent, Fetched};
use crate::budget::Cost;
use crate::deploy::DeployEvent;
use crate::evaluate::{AbortReason, Answers, EvalProgress};
use crate::ledger::OrphanedRequests;
use crate::run::Listener;
use crate::tune::{TuneEvent, TunedModel};

/// How often a plain line is printed.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows the work on stderr.
pub(crate) struct Progress {
    printer: Printer,
    bars: bool,
    current: Mutex<Option<Current>>,
    all: Mutex<All>,
}

/// The models to ask, and how many were.
#[derive(Debug, Clone, Copy, Default)]
struct All {
    models: usize,
    done: usize,
}

/// What is being worked on.
struct Current {
    title: String,
    bar: ProgressBar,
    started: Instant,
    /// When what the time left is told of began.
    stage_started: Instant,
    printed: Instant,
    /// When a reason to wait was last printed.
    waiting_printed: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(printer: Printer) -> Self {
        let bars = !printer.is_quiet() && console_is_terminal();
        Self { printer, bars, current: Mutex::new(None), all: Mutex::default() }
    }

    /// Does something with the work of this title, which begins if it is another than before.
    fn with<T>(&self, title: &str, work: impl FnOnce(&mut Current) -> T) -> T {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let known = current.as_ref().is_some_and(|known| known.title == title);
        if !known {
            *current = Some(self.begin(title));
        }
        work(current.as_mut().expect("it was put there just now"))
    }

    fn begin(&self, title: &str) -> Current {
        let target = if self.bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let template = "{prefix}  {wide_bar} {pos}/{len}  {msg}";
        let style = ProgressStyle::with_template(template).expect("the template is fixed");
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style.progress_chars("━╸─"));
        bar.set_prefix(title.to_owned());
        let now = Instant::now();
        let (started, stage_started, printed) = (now, now, now);
        Current { title: title.to_owned(), bar, started, stage_started, printed, waiting_printed: None }
    }

    /// Ends the bar, and returns how long the work took.
    pub(super) fn end(&self, title: &str) -> Duration {
        let took = self.with(title, |current| {
            current.bar.finish_and_clear();
            current.started.elapsed()
        });
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        took
    }

    /// Prints a line above the bar, if there is one.
    pub(crate) fn say(&self, text: &str) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(current) => current.bar.suspend(|| self.printer.note(text)),
            None => self.printer.note(text),
        }
    }

    /// So many texts of perhaps unknown many have been labelled, for so much money.
    pub(super) fn labelling(&self, title: &str, done: usize, total: Option<usize>, cost: Cost) {
        let line = self.with(title, |current| {
            let rate = done as f64 / current.started.elapsed().as_secs_f64().max(1e-3);
            let all = total.unwrap_or(done) as u64;
            current.bar.set_length(all);
            current.bar.set_position(done as u64);
            let left = total.map(|_| format!(", {}", left(current, done as u64, all))).unwrap_or_default();
            let cost = if cost == Cost::ZERO { String::new() } else { format!(", {cost}") };
            let message = format!("{rate:.0} texts/s{left}{cost}");
            current.bar.set_message(message.clone());
            is_due(current, false).then(|| format!("{title}: {done} texts, {message}"))
        });
        if let Some(line) = line.filter(|_| !self.bars) {
            self.say(&line);
        }
    }

    /// So many bytes of a file are here.
    #[cfg(feature = "hub")]
    pub(super) fn fetching(&self, file: &str, done: u64, size: u64) {
        let title = format!("fetching {file}");
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let line = self.with(&title, |current| {
            current.bar.set_length(size.div_ceil(1_000_000));
            current.bar.set_position(done / 1_000_000);
            let rate = megabytes(done) / current.started.elapsed().as_secs_f64().max(1e-3);
            current.bar.set_message(format!("MB, {rate:.1} MB/s, {}", left(current, done, size)));
            let told = format!("{title}: {:.1} of {:.1} MB", megabytes(done), megabytes(size));
            is_due(current, done == size).then_some(told)
        });
        if let Some(line) = line.filter(|_| !self.bars || done == size) {
            self.say(&line);
        }
    }

    /// What a batch has brought, and what about it is odd.
    fn fetched(&self, title: &str, id: &BatchId, end: BatchEnd, fetched: &Fetched) {
        let ended = match end {
            BatchEnd::Completed => "is done",
            BatchEnd::Failed => "failed",
            BatchEnd::Expired => "ran out of time",
            BatchEnd::Cancelled => "was cancelled",
            _ => "ended",
        };
        let parts =
            [(fetched.failed, "failed"), (fetched.not_run, "not tried"), (fetched.missing, "not mentioned")];
        let parts = parts.into_iter().filter(|(rows, _)| *rows > 0);
        let parts: String = parts.map(|(rows, what)| format!(", {rows} {what}")).collect();
        let answered = count(fetched.answered as usize, "row");
        self.say(&format!("{title}: batch {} {ended}: {answered} answered{parts}", id.0));
        let odd = [
            (fetched.unreadable, "that can't be read"),
            (fetched.unknown, "about rows that are not in it"),
            (fetched.repeated, "about rows that had been answered"),
        ];
        for (lines, what) in odd.into_iter().filter(|(lines, _)| *lines > 0) {
            self.printer.warn(&format!(
                "batch {}: {} {what}, passed over",
                id.0,
                count(lines as usize, "line")
            ));
        }
    }

    fn job_event(&self, base: &ModelRef, event: JobEvent) {
        let title = format!("tuning {base}");
        match event.progress {
            Some(TrainingProgress { step, total_steps: Some(total), train_loss }) if self.bars => {
                self.with(&title, |current| {
                    if step < current.bar.position() {
                        // Another stage of the same job, whose steps take another time.
                        current.stage_started = Instant::now();
                    }
                    current.bar.set_length(total);
                    current.bar.set_position(step);
                    let loss = train_loss.map(|loss| format!("loss {loss:.4}, "));
                    current.bar.set_message(format!(
                        "{}{}",
                        loss.unwrap_or_default(),
                        left(current, step, total)
                    ));
                });
            }
            // Steps can be many: without a terminal, only now and then.
            Some(TrainingProgress { step, total_steps: Some(total), .. }) => {
                let due = self.with(&title, |current| is_due(current, step == total));
                if due {
                    self.say(&format!("{title}: {}", event.message));
                }
            }
            _ => self.say(&format!("{title}: {}", event.message)),
        }
    }
}

impl Listener for Progress {
    fn tuning(&self, base: &ModelRef, event: TuneEvent) {
        let title = format!("tuning {base}");
        match event {
            TuneEvent::Found(job) if job.status.is_final() => {}
            TuneEvent::Found(job) => self.say(&format!("{title}: resuming job {}", job.id.0)),
            TuneEvent::Created(job) => {
                // The clock starts now, not at the first step.
                self.with(&title, |_| ());
                self.say(&format!("{title}: job {}", job.id.0));
            }
            TuneEvent::Job(event) => self.job_event(base, event),
            TuneEvent::Estimate(cost) => self.say(&format!("{title}: the provider expects {cost}")),
            TuneEvent::Warning(text) => self.printer.warn(&format!("{base}: {text}")),
            TuneEvent::Unreachable(error) => self.say(&format!("{title}: {error}; asking again")),
        }
    }

    fn tuned(&self, base: &ModelRef, tuned: &TunedModel) {
        let took = self.end(&format!("tuning {base}"));
        self.printer.note(&format!("tuned {base}: {} ({})", tuned.model, seconds(took)));
    }

    fn in_doubt(&self, doubt: &OrphanedRequests) {
        let OrphanedRequests { run, target, requests } = doubt;
        self.printer.warn(&format!(
            "run {} ended while {requests} requests to {}/{} were under way: they may be paid for twice",
            run.as_str(),
            target.provider,
            target.model
        ));
    }

    fn taught_otherwise(&self, model: &str, taught: &str, asked: &str) {
        self.printer.warn(&format!(
            "{model} was taught to answer `{taught}` and is asked for `{asked}`: set the form of answer that it was \
             tuned with, or tune it anew"
        ));
    }

    fn begins(&self, models: usize) {
        *self.all.lock().unwrap_or_else(PoisonError::into_inner) = All { models, done: 0 };
    }

    fn evaluating(&self, model: &str, tally: &EvalProgress) {
        let title = format!("asking {model}");
        let (done, total) = (tally.done(), tally.total);
        let all = *self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let line = self.with(&title, |current| {
            let rate = done as f64 / current.started.elapsed().as_secs_f64().max(1e-3);
            // The bar is that of all models.
            current.bar.set_length((all.models.max(1) * total) as u64);
            current.bar.set_position((all.done * total + done) as u64);
            let message =
                format!("{rate:.0} rows/s, {}{}", left(current, done as u64, total as u64), spent(tally));
            let which = match all.models {
                0 | 1 => String::new(),
                models => format!(" (model {} of {models})", all.done + 1),
            };
            current.bar.set_message(format!("{done} of {total} rows{which}, {message}"));
            is_due(current, false).then(|| format!("{title}{which}: {done} of {total} rows, {message}"))
        });
        if let Some(line) = line.filter(|_| !self.bars) {
            self.say(&line);
        }
    }

    fn batch(&self, model: &str, event: &BatchEvent) {
        let title = format!("asking {model} in batches");
        match event {
            BatchEvent::Submitted(id, rows) => {
                self.say(&format!("{title}: batch {} of {} handed in", id.0, count(*rows as usize, "row")));
            }
            BatchEvent::Found(id, rows) => {
                self.say(&format!("{title}: resuming batch {} of {}", id.0, count(*rows as usize, "row")));
            }
            BatchEvent::Progress { total, done, told, said } => {
                let line = self.with(&title, |current| {
                    current.bar.set_length(*total);
                    current.bar.set_position(*done);
                    current.bar.set_message(format!("rows, {said}"));
                    let done = if *told { format!("{done} of {total} rows, ") } else { String::new() };
                    is_due(current, false).then(|| format!("{title}: {done}{said}"))
                });
                if let Some(line) = line.filter(|_| !self.bars) {
                    self.say(&line);
                }
            }
            BatchEvent::Fetched(id, end, fetched) => self.fetched(&title, id, *end, fetched),
            BatchEvent::QueueFull(rows) => self.say(&format!(
                "{title}: the provider's queue is full; a batch of {} is submitted later",
                count(*rows as usize, "row")
            )),
            BatchEvent::Unreachable(error) => self.say(&format!("{title}: {error}; asking again")),
            BatchEvent::Note(note) => self.say(&format!("{title}: {note}")),
        }
    }

    fn deployment(&self, model: &str, event: &DeployEvent) {
        let title = format!("deploying {model}");
        match event {
            DeployEvent::Found(mark) => self.say(&format!("{title}: going on with {mark}")),
            DeployEvent::Ordered { mark, hardware, per_hour } => {
                self.say(&format!("{title}: {mark} on {hardware}, at {per_hour} an hour"));
            }
            DeployEvent::Said(said) => self.say(&format!("{title}: {said}")),
            DeployEvent::Ready(took) => self.say(&format!("{title}: answers after {}", seconds(*took))),
            DeployEvent::TakingDown => self.say(&format!("{title}: taking it down")),
            DeployEvent::Gone(stood) => self.printer.note(&format!("{model}: {stood}; it is gone")),
            DeployEvent::Unreachable(error) => self.say(&format!("{title}: {error}; asking again")),
        }
    }

    fn waiting(&self, reason: &str) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Current { title, bar, waiting_printed, .. }) = current.as_mut() else { return };
        bar.set_message(reason.to_owned());
        if !self.bars && waiting_printed.is_none_or(|at| at.elapsed() >= PLAIN_EVERY) {
            *waiting_printed = Some(Instant::now());
            self.printer.note(&format!("{title}: {reason}"));
        }
    }

    fn evaluated(&self, model: &str, answers: &Answers) {
        let took = self.end(&format!("asking {model}"));
        self.all.lock().unwrap_or_else(PoisonError::into_inner).done += 1;
        let rows = answers.predictions.len();
        let answered = answers.predictions.iter().filter(|prediction| prediction.is_answered()).count();
        let of = if answered == rows { String::new() } else { format!(" of {rows}") };
        let known = match answers.tally.known {
            0 => String::new(),
            known => format!(", {known} of them from the ledger"),
        };
        self.printer.note(&format!(
            "asked {model}: {answered}{of} rows in {}{known}{}",
            seconds(took),
            spent(&answers.tally)
        ));
        let aborted = answers.aborted_by.as_ref().map(ToString::to_string);
        // What ended the run is told once, below.
        let told = |error: &ProviderError| aborted.as_ref() == Some(&error.to_string());
        if let Some((count, first)) = answers.failures.as_ref().filter(|(_, first)| !told(first)) {
            let rows =
                if *count == 1 { "1 row failed" } else { &format!("{count} rows failed, the first one") };
            self.printer.warn(&format!("{model}: {rows}: {first}"));
        }
        if let Some(abort) = &answers.aborted_by {
            self.printer.warn(&format!("{model}: ended early: {abort}"));
        }
        if answers.in_batches > 0 {
            let rows = count(answers.in_batches, "row");
            self.printer.warn(&format!("{model}: {rows} in batches that are under way were not asked"));
            self.printer
                .hint("`tunebench batches watch` waits for them, and `tunebench batches cancel` ends them");
        }
        let hint = answers.aborted_by.as_ref().and_then(AbortReason::hint);
        let hint = hint.or_else(|| answers.failures.as_ref().and_then(|(_, first)| first.hint.clone()));
        hint.iter().for_each(|hint| self.printer.hint(hint));
        for note in &answers.notes {
            self.printer.note(&format!("  {model}: {}", note.escape_debug()));
        }
        for sample in &answers.invalid_samples {
            self.printer.note(&format!("  an answer that names no label: {}", sample.escape_debug()));
        }
    }
}

/// What asking has cost so far, if anything.
fn spent(tally: &EvalProgress) -> String {
    if tally.spent == Cost::ZERO { String::new() } else { format!(", {}", tally.spent) }
}

fn console_is_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}

/// Whether it is time for a plain line.
fn is_due(current: &mut Current, last: bool) -> bool {
    let due = last || current.printed.elapsed() >= PLAIN_EVERY;
    if due {
        current.printed = Instant::now();
    }
    due
}

/// The time left, as far as the past tells.
fn left(current: &Current, done: u64, total: u64) -> String {
    if done == 0 {
        return "starting".into();
    }
    let each = current.stage_started.elapsed().as_secs_f64() / done as f64;
    let left = Duration::from_secs_f64(each * total.saturating_sub(done) as f64);
    format!("{} left", seconds(left))
}

/// `0.3 s`, `42 s`, `3 min 5 s`, `2 h 10 min`.
pub(super) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        for (millis, text) in [
            (0, "0.0 s"),
            (340, "0.3 s"),
            (9_900, "9.9 s"),
            (42_900, "42 s"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
        ] {
            assert_eq!(seconds(Duration::from_millis(millis)), text);
        }
    }
}
