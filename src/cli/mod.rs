//! The program: reads the command line, does the work, says how it went.

mod against;
mod args;
mod batches;
mod compare;
mod consent;
mod deployments;
mod doctor;
mod eval;
mod gate;
mod import;
mod init;
mod jobs;
mod limit_args;
mod manual;
mod merge;
mod models;
mod output;
mod plan;
mod plan_prompt;
mod predict;
mod progress;
mod providers;
#[cfg(feature = "hub")]
mod pull;
mod report;
mod runs;
mod scan;
mod shard;
mod show;
mod signals;
mod split;
mod tune;
mod words;

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tunebench_providers::Registry;
use tunebench_providers::catalog::Catalog;

use crate::budget::Caps;
use crate::cancel::Cancel;
use crate::config::Config;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::project::{Overrides, Project, ledger_path};
use crate::providers::Providers;
use crate::run::{Session, Spending};
use args::{Cli, Command, ConsentArgs, DataArgs, Global, ProvidersCommand};
use consent::Terms;
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
    if works_at_providers(&cli.command) {
        warn_of_orphans(global, printer);
    }
    match cli.command {
        Command::Init(args) => init::init(&args, global, printer),
        Command::Import(args) => import::import(&args, global, printer),
        Command::Completions { shell } => manual::completions(shell, printer),
        Command::Man { folder } => manual::pages(&folder),
        Command::Doctor(args) => doctor::doctor(args, global, registry, printer),
        Command::Split(args) => split::split(args, global, printer),
        Command::Plan(args) => {
            let project = open(args.data.clone(), args.spending.concurrency)?;
            let plan = runtime.block_on(plan_of(&project, &args.spending.spending()))?;
            plan::plan(&plan, &args, printer)
        }
        Command::Run { data, no_doctor, consent, spending, batches, output } => {
            let project = open(data.clone(), spending.concurrency)?;
            if !no_doctor {
                let overrides =
                    Overrides { train: data.train, test: data.test, concurrency: None, shard: None };
                doctor::before_run(&global.config, overrides, printer)?;
            }
            let spending = batches.with(spending.spending());
            let plan = runtime.block_on(plan_of(&project, &spending))?;
            consent::ask(&plan, &terms(&project, &spending, consent), printer)?;
            let session = session(&project, spending, printer);
            runtime.block_on(async {
                session.check_ready(&plan).await?;
                eval::run(&session, &output, printer).await
            })
        }
        Command::Tune { data, export_only: Some(folder), .. } => {
            tune::export(&open(data, None)?, &folder, printer)
        }
        Command::Tune { data, export_only: None, max_cost, consent, json } => {
            let project = open(data, None)?;
            let caps = Caps { max_cost, max_requests: None };
            let spending = Spending { caps, ..Spending::default() };
            let plan = runtime.block_on(plan_of(&project, &spending))?.of_training();
            consent::ask(&plan, &terms(&project, &spending, consent), printer)?;
            let session = session(&project, spending, printer);
            runtime.block_on(async {
                session.check_ready(&plan).await?;
                tune::tune(&session, json, printer).await
            })
        }
        Command::Eval { models, shard, data, consent, spending, batches, output } => {
            let (train, test, concurrency) = (data.train, data.test, spending.concurrency);
            let shard = shard.map(|shard| shard.resolve(|name| std::env::var(name).ok())).transpose()?;
            let shard = shard.map(|(shard, found)| {
                found.iter().for_each(|found| printer.note(found));
                shard
            });
            let overrides = Overrides { train, test, concurrency, shard };
            let project = Project::open(&global.config, overrides, registry, &global.state)?;
            let spending = batches.with(spending.spending());
            let terms = terms(&project, &spending, consent);
            let session = session(&project, spending, printer);
            runtime.block_on(eval::eval(&session, models, &terms, &output, printer))
        }
        Command::Report { file, against: Some(earlier), predictions: _, output } => {
            let folder =
                file.map_or_else(|| Ok(output.results.clone()), |run| report::folder_of(&run, &output))?;
            against::against(&folder, &earlier, &global.config, &output, printer)
        }
        Command::Report { file: Some(file), against: None, predictions, output } => {
            report::named(&file, &global.config, &predictions, &output, printer)
        }
        Command::Report { file: None, against: None, predictions, output } => {
            report::report(&output.results, &global.config, &predictions, &output, printer)
        }
        Command::Runs(args) => runs::runs(&args, printer),
        Command::Predict(args) => {
            let project = open(DataArgs::default(), args.concurrency)?;
            let progress = Arc::new(Progress::new(printer));
            let spending = args.spending(project.config.budget.unasked());
            let terms = terms(&project, &spending, args.consent);
            let session = Session::new(&project, cancel(&progress), progress.clone(), spending);
            runtime.block_on(predict::predict(&args, &session, &terms, &progress, printer))
        }
        Command::Merge(args) => merge::merge(&args, global, printer),
        Command::Show(args) => show::show(&args, global, registry, printer),
        Command::Compare(args) => compare::compare(&args, &global.config, printer),
        Command::Gate(args) => gate::gate(*args, &global.config, printer),
        Command::Jobs { command } => {
            let progress = Arc::new(Progress::new(printer));
            let ledger = existing(&ledger_path(&global.state))?;
            runtime.block_on(jobs::jobs(
                command,
                &configured()?,
                ledger.as_ref(),
                &cancel(&progress),
                progress.as_ref(),
                printer,
            ))
        }
        Command::Batches { command } => {
            let project = open(DataArgs::default(), None)?;
            let ledger = existing(&project.ledger_path())?;
            runtime.block_on(batches::batches(command, &project, ledger.as_ref(), printer))
        }
        Command::Deployments { command } => {
            let ledger = existing(&ledger_path(&global.state))?;
            let poll = poll_of_deployments(global);
            runtime.block_on(deployments::deployments(
                command,
                &configured()?,
                ledger.as_ref(),
                poll,
                printer,
            ))
        }
        Command::Models(models::ModelsArgs {
            command: Some(models::ModelsCommand::Pull { name }), ..
        }) => fetch(&runtime, name.as_deref(), &global.config, printer),
        Command::Models(args) => {
            models::models(&args, &known_models(global)?, crate::project::today(), printer)
        }
        Command::Scan(args) => scan::scan(&args, &known_models(global)?, crate::project::today(), printer),
        Command::Providers { command: Some(ProvidersCommand::Check { name, model, yes }), .. } => {
            runtime.block_on(providers::check(&configured()?, &name, model, yes, printer))
        }
        Command::Providers { command: Some(ProvidersCommand::Settings { name }), .. } => {
            providers::settings(&configured()?, &name, printer)
        }
        Command::Providers { json, command: None } => {
            runtime.block_on(providers::providers(&configured()?, json, printer))
        }
    }
}

/// Whether a command is of those among which one that was killed may have left a deployment.
fn works_at_providers(command: &Command) -> bool {
    use Command::{Batches, Eval, Jobs, Plan, Predict, Run, Tune};
    matches!(
        command,
        Batches { .. } | Eval { .. } | Jobs { .. } | Plan(_) | Predict(_) | Run { .. } | Tune { .. }
    )
}

/// Tells of deployments that may still run. A ledger that can't be read is told of by the command itself.
fn warn_of_orphans(global: &Global, printer: Printer) {
    if let Ok(Some(ledger)) = existing(&ledger_path(&global.state)) {
        deployments::warn_of_orphans(&ledger, printer);
    }
}

fn open(
    global: &Global,
    data: DataArgs,
    concurrency: Option<NonZeroUsize>,
    registry: &Registry,
) -> Result<Project, Error> {
    let overrides = Overrides { train: data.train, test: data.test, concurrency, shard: None };
    Project::open(&global.config, overrides, registry, &global.state)
}

/// How often a deployment is looked at, where the configuration says so.
fn poll_of_deployments(global: &Global) -> Option<std::time::Duration> {
    let (config, _) = Config::read(&global.config).ok()?;
    config.deployments.poll_seconds.map(std::time::Duration::from_secs_f64)
}

/// On what terms a command may spend.
fn terms(project: &Project, spending: &Spending, consent: ConsentArgs) -> Terms {
    Terms { caps: spending.caps, yes: consent.yes, unasked: project.config.budget.unasked() }
}

#[cfg(feature = "hub")]
fn fetch(
    runtime: &tokio::runtime::Runtime,
    name: Option<&str>,
    config: &Path,
    printer: Printer,
) -> Result<u8, Error> {
    runtime.block_on(pull::pull(name, config, printer))
}

#[cfg(not(feature = "hub"))]
fn fetch(_: &tokio::runtime::Runtime, _: Option<&str>, _: &Path, _: Printer) -> Result<u8, Error> {
    Err(Error::Model {
        message: "this program was built without what fetches encoders".to_owned(),
        hint: Some("build it with the feature `hub`, or name the folder of an encoder".to_owned()),
    })
}

/// What is known of models, with what the configuration adds, where there is one.
fn known_models(global: &Global) -> Result<Catalog, Error> {
    if !global.config.exists() {
        return Ok(Catalog::built_in().clone());
    }
    let (config, document) = Config::read(&global.config)?;
    Ok(config.catalog(&document)?)
}

/// What a run of the project would do, as far as the ledger has not done it.
async fn plan_of(project: &Project, spending: &Spending) -> Result<Plan, Error> {
    let ledger = existing(&project.ledger_path())?;
    Plan::of(project, spending, ledger.as_ref()).await
}

/// The ledger, where there is one: whoever only looks makes none.
fn existing(path: &Path) -> Result<Option<Ledger>, Error> {
    Ok(path.exists().then(|| Ledger::open(path)).transpose()?)
}

fn session(project: &Project, spending: Spending, printer: Printer) -> Session<'_> {
    let progress = Arc::new(Progress::new(printer));
    Session::new(project, cancel(&progress), progress, spending)
}

fn cancel(progress: &Arc<Progress>) -> Cancel {
    let (cancel, progress) = (Cancel::default(), progress.clone());
    signals::end_on_signals(cancel.clone(), move |meaning| progress.say(meaning));
    cancel
}
