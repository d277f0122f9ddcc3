//! The program: reads the command line, does the work, says how it went.

mod args;
mod compare;
mod doctor;
mod eval;
mod gate;
mod jobs;
mod output;
mod progress;
mod providers;
mod report;
mod split;
mod tune;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tunebench_providers::Registry;

use crate::cancel::Cancel;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::project::{Overrides, Project, ledger_path};
use crate::providers::Providers;
use crate::run::{Session, Spending};
use args::{Cli, Command, DataArgs, Global};
use output::Printer;
use progress::Progress;

/// Runs the program with the given providers: all that the `main` of a program with further providers has to call.
pub fn main_with(registry: Registry) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to be said if even this can't be printed.
            let _ = error.print();
            return ExitCode::from(error.exit_code().try_into().unwrap_or(crate::exit::USAGE));
        }
    };
    let printer = Printer::new(cli.global.quiet, cli.global.color);
    let code = dispatch(cli, &registry, printer).unwrap_or_else(|error| {
        if !matches!(error, Error::OutputClosed) {
            printer.error(&error);
        }
        error.exit_code()
    });
    ExitCode::from(code)
}

fn dispatch(cli: Cli, registry: &Registry, printer: Printer) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let global = &cli.global;
    let open = |data: DataArgs, concurrency| open(global, data, concurrency, registry);
    let configured = || Providers::at(&global.config, registry, &global.state);
    match cli.command {
        Command::Doctor(args) => doctor::doctor(args, global, registry, printer),
        Command::Split(args) => split::split(args, global, printer),
        Command::Run { data, no_doctor, spending, output } => {
            let project = open(data.clone(), spending.concurrency)?;
            if !no_doctor {
                let overrides = Overrides { train: data.train, test: data.test, concurrency: None };
                doctor::before_run(&global.config, overrides, printer)?;
            }
            let session = session(&project, spending.spending(), printer);
            runtime.block_on(eval::run(&session, &output, printer))
        }
        Command::Tune { data, export_only: Some(folder), json: _ } => {
            tune::export(&open(data, None)?, &folder, printer)
        }
        Command::Tune { data, export_only: None, json } => {
            let project = open(data, None)?;
            let session = session(&project, Spending::default(), printer);
            runtime.block_on(tune::tune(&session, json, printer))
        }
        Command::Eval { models, data, spending, output } => {
            let project = open(data, spending.concurrency)?;
            let session = session(&project, spending.spending(), printer);
            runtime.block_on(eval::eval(&session, models, &output, printer))
        }
        Command::Report { file: Some(file), output } => report::foreign(&file, &output, printer),
        Command::Report { file: None, output } => report::report(&output, printer),
        Command::Compare(args) => compare::compare(&args, &global.config, printer),
        Command::Gate(args) => gate::gate(*args, &global.config, printer),
        Command::Jobs { command } => {
            let progress = Arc::new(Progress::new(printer));
            let ledger = ledger_path(&global.state);
            let ledger = ledger.exists().then(|| Ledger::open(ledger)).transpose()?;
            runtime.block_on(jobs::jobs(
                command,
                &configured()?,
                ledger.as_ref(),
                &cancel(&progress),
                progress.as_ref(),
                printer,
            ))
        }
        Command::Providers { json } => providers::providers(&configured()?, json, printer),
    }
}

fn open(
    global: &Global,
    data: DataArgs,
    concurrency: Option<NonZeroUsize>,
    registry: &Registry,
) -> Result<Project, Error> {
    let overrides = Overrides { train: data.train, test: data.test, concurrency };
    Project::open(&global.config, overrides, registry, &global.state)
}

fn session(project: &Project, spending: Spending, printer: Printer) -> Session<'_> {
    let progress = Arc::new(Progress::new(printer));
    Session::new(project, cancel(&progress), progress, spending)
}

fn cancel(progress: &Arc<Progress>) -> Cancel {
    let (cancel, progress) = (Cancel::default(), progress.clone());
    cancel.on_ctrl_c(move || progress.say("ending in good order; press Ctrl-C again to end at once"));
    cancel
}
