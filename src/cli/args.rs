//! The command line.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use tunebench_providers::ModelRef;

use super::doctor::DoctorArgs;
use super::plan::PlanArgs;
use super::report::FormatArgs;
use super::shard::ShardArg;
use super::split::SplitArgs;
use crate::budget::{Caps, Cost};
use crate::config::Config;
use crate::run::{Batching, Spending};

/// Fine-tune a text classifier at any provider, and prove from paired data that it is better than the model it
/// replaces.
#[derive(Debug, Parser)]
#[command(name = "tunebench", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The project's configuration
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "TUNEBENCH_CONFIG",
        default_value = Config::USUAL_NAME
    )]
    pub(crate) config: PathBuf,

    /// Where the ledger, training files and local models are kept
    #[arg(
        long = "state-dir",
        alias = "state",
        global = true,
        value_name = "DIR",
        env = "TUNEBENCH_STATE",
        default_value = ".tunebench"
    )]
    pub(crate) state: PathBuf,

    /// Print results and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented tunebench.toml for a data file
    ///
    /// Finds the columns of texts and labels by their content. What it writes needs no key; where there is one file,
    /// `tunebench split` makes the test data of it.
    Init(super::init::InitArgs),
    /// Make a project of the file that a model was tuned on
    ///
    /// What all its rows have in common becomes the prompt, word by word; the rest is text and label. So the model is
    /// asked exactly as it was trained. What does not fit is listed with its line. Sends nothing and needs no key.
    Import(super::import::ImportArgs),
    /// Check the data before any money is spent
    ///
    /// Finds bad rows, duplicates, leaks between training and test data, contradictory, rare and unknown labels, hidden
    /// characters, special tokens, personal data and keys, and what a provider would refuse. Sends nothing. Exit code 2
    /// means that there are errors.
    Doctor(DoctorArgs),
    /// Split a file into train, validation and test, without leaks
    ///
    /// Rows of a group, equal texts and near duplicates stay together. A row stays in its part when rows are added, if
    /// they have nothing to do with it.
    Split(SplitArgs),
    /// Show what a run would ask, train, cost and prove, before anything is sent
    ///
    /// Sends nothing and needs no key. Answers in the ledger are not counted: they are not paid for again.
    Plan(PlanArgs),
    /// Tune, evaluate and report: base against fine-tuned models, in one go
    ///
    /// A model that was tuned before from the same data and settings is not tuned again. What the run will cost is shown
    /// first, and asked about if it is more than `[budget] ask_above`. Exit code 3 means that some model could not be
    /// measured to its end.
    Run {
        #[command(flatten)]
        data: DataArgs,
        /// Skip the check of the data, and use it whatever is wrong with it
        #[arg(long)]
        no_doctor: bool,
        #[command(flatten)]
        consent: ConsentArgs,
        #[command(flatten)]
        spending: SpendingArgs,
        #[command(flatten)]
        batches: BatchArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Fine-tune the models that the configuration wants tuned
    ///
    /// Resumes a job that is already running, and returns at once if the model exists.
    Tune {
        #[command(flatten)]
        data: DataArgs,
        /// Only write the training data in the provider's own format, needing no key: into this folder, or of a
        /// single model into this file, if the name ends in .jsonl
        #[arg(long, value_name = "PATH")]
        export_only: Option<PathBuf>,
        /// The most to spend, in dollars; a job that may cost more by its estimate is not made
        #[arg(long, value_name = "USD", value_parser = dollars)]
        max_cost: Option<Cost>,
        #[command(flatten)]
        consent: ConsentArgs,
        /// Print the tuned models as JSON
        #[arg(long)]
        json: bool,
    },
    /// Evaluate base models and those tuned from them, without tuning
    Eval {
        /// Models to evaluate, as PROVIDER/MODEL; those of the configuration if none is given
        models: Vec<ModelRef>,
        /// Only this part of the test rows, such as 2/8: the same rows on every machine
        ///
        /// `auto` takes index and total from the variables of GitLab, Cloud Run, Slurm, CircleCI or Buildkite, or from
        /// TUNEBENCH_SHARD_INDEX (from 0) and TUNEBENCH_SHARD_TOTAL. Kubernetes and AWS Batch give no total: `auto/8`.
        #[arg(long, value_name = "PART/OF")]
        shard: Option<ShardArg>,
        #[command(flatten)]
        data: DataArgs,
        #[command(flatten)]
        consent: ConsentArgs,
        #[command(flatten)]
        spending: SpendingArgs,
        #[command(flatten)]
        batches: BatchArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Join the shards of an evaluation, or ledgers
    ///
    /// All shards must be of the same data, prompt and models. Exit code 3 means that some are missing or incomplete.
    Merge(super::merge::MergeArgs),
    /// Report again on what has been evaluated
    ///
    /// Reads the predictions in the results folder, computes all figures from them, writes the other files anew and
    /// prints the tables, or what `--format` asks for. Needs no configuration and no provider.
    Report {
        /// Report on this run instead, by its id in `tunebench runs`; or on a file of promptfoo (JSON), inspect_ai (JSON
        /// log) or lm-eval (samples), for which nothing is written
        #[arg(value_name = "RUN|FILE")]
        file: Option<PathBuf>,

        /// Compare the run with this earlier one, by its id in `tunebench runs`: what changed for each model, and in
        /// which rows; the page is `against.html` in the results folder
        #[arg(long, value_name = "RUN")]
        against: Option<String>,

        #[command(flatten)]
        predictions: super::report::PredictionsArgs,

        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show one test row: its text, what each model was sent, and what it answered
    ///
    /// Where several rows hold the piece of text, they are listed.
    Show(super::show::ShowArgs),
    /// List the runs that the results folder keeps, or delete earlier ones
    ///
    /// The latest run lies in the results folder itself, earlier ones below `runs/`. `report RUN` shows one, and `compare`
    /// takes RUN or RUN:MODEL.
    Runs(super::runs::RunsArgs),
    /// Compare two models that were measured, row by row
    ///
    /// Exit code 0 means that they were compared, and with --non-inferior that B is no worse than A; 1 that B is worse by
    /// more than the margin; 4 that the rows prove neither. 3 means that too few rows were answered by both, and 2 that the
    /// two can't be compared, such as for different rows or gold labels.
    Compare(super::compare::CompareArgs),
    /// Label new texts with a base, tuned or few-shot model
    ///
    /// All columns are kept, and prediction, probability, outcome and detail are added. Answers go through the same limits
    /// and the same ledger as those of an evaluation. Exit code 3 means that some texts have no answer, or that the
    /// command was ended early: the same command resumes it.
    Predict(super::predict::PredictArgs),
    /// Check what was measured against limits and a committed baseline; for CI
    ///
    /// Reads a results folder, and needs no key and no provider. Exit code 0 means that every check passed; 1 that one
    /// failed, with the evidence; 2 that the configuration is wrong, or the baseline missing or of other data; 3 that
    /// something was not measured, or not to its end; 4 that the rows are too few to decide, with how many would do.
    Gate(Box<super::gate::GateArgs>),
    /// List, watch, cancel and delete fine-tuning jobs and their models
    Jobs {
        #[command(subcommand)]
        command: JobsCommand,
    },
    /// List, watch, fetch and cancel batches: files of rows that a provider answers within a day
    ///
    /// `eval --batch`, `run --batch` and `predict --batch` make them, and resume them by themselves.
    Batches {
        #[command(subcommand)]
        command: BatchesCommand,
    },
    /// List and stop deployments: tuned models that some providers answer from a machine billed by the minute
    ///
    /// `run`, `eval` and `predict` start them, ask, and stop them again, whatever happens meanwhile. What may still run
    /// after a program was killed is reported by the next command.
    Deployments {
        #[command(subcommand)]
        command: DeploymentsCommand,
    },
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages
    #[command(hide = true)]
    Man {
        /// The folder for them
        folder: PathBuf,
    },
    /// List known models, with their prices, dates and replacements
    ///
    /// What is known comes with the program, each entry with its source and the day on which it was last confirmed.
    /// `[known_models."PROVIDER/MODEL"]` in tunebench.toml changes or adds an entry.
    Models(super::models::ModelsArgs),
    /// Find the models that files name, and those that retire
    ///
    /// Looks through code, settings, notebooks and `.env` files for ids of models, and says where each is used, when it
    /// retires and what its maker names instead. Leaves out what `.gitignore` does, and lines with `tunebench: ignore`.
    /// Exit code 1 means that one retires within `--within`, or has retired.
    Scan(super::scan::ScanArgs),
    /// Show which providers there are, what each can do, and whether its key is set
    #[command(args_conflicts_with_subcommands = true)]
    Providers {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<ProvidersCommand>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// Show what can be set of a provider, under `[providers.NAME]` in the configuration
    Settings {
        /// The provider, as a model reference names it before the slash
        name: String,
    },
    /// Put a provider through the contract that all providers keep to
    ///
    /// For authors of providers. Sends some fifty requests and, where the provider tunes, trains on 36 rows and deletes the
    /// model again. Exit code 1 means that a rule is broken.
    Check {
        /// The provider, as a model reference names it before the slash
        name: String,
        /// One of its models; by default the first that it can tune, or else the first
        #[arg(long)]
        model: Option<String>,
        /// Confirm that a provider with a key is asked, which may cost money
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List the jobs of all providers whose key is set
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Follow a job to its end, and print the tuned model
    Watch {
        /// The job, as PROVIDER/JOB, or as JOB alone
        job: String,
    },
    /// Show what a job was asked for, how it went, and the checkpoints that can be evaluated
    Show {
        /// The job, as PROVIDER/JOB, or as JOB alone
        job: String,
    },
    /// Ask for the end of a job
    Cancel {
        /// The job, as PROVIDER/JOB, or as JOB alone
        job: String,
    },
    /// Delete a tuned model and the files of its job
    ///
    /// Shows what goes, and asks. Its record is removed: `tune` then trains again.
    Delete {
        /// The model, as PROVIDER/MODEL, or its job, as PROVIDER/JOB or JOB alone
        #[arg(value_name = "MODEL|JOB")]
        name: String,
        /// Delete without asking; needed without a terminal
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BatchesCommand {
    /// List the batches of this project, with the state of those under way
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Wait for the batches under way, and keep their answers; Ctrl-C leaves them running
    Watch {
        /// Leave the files of batches at the provider
        #[arg(long)]
        keep: bool,
    },
    /// Keep the answers of the batches that have ended, without waiting for the others
    Fetch {
        /// Leave the files of batches at the provider
        #[arg(long)]
        keep: bool,
    },
    /// Ask for the end of a batch; what it has answered is paid for, and `batches fetch` keeps it
    Cancel {
        /// The batch, as the list names it, with or without PROVIDER/ before it
        batch: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeploymentsCommand {
    /// List what is deployed, by the ledger and by the providers whose keys are set
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop deployments of this project that nothing uses, and wait until they are gone
    ///
    /// Exit code 3 means that something may still run. For the last step of a job in CI, whatever came before.
    #[command(visible_alias = "cleanup")]
    Stop {
        /// Only these, in use or not, as the list names them
        names: Vec<String>,
        /// Also what tunebench has deployed on other machines
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
}

/// The user's consent, given in advance.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConsentArgs {
    /// Spend without asking; needed in CI and wherever there is no terminal, above `[budget] ask_above`
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// What to learn from and measure on.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DataArgs {
    /// Training data, instead of the configuration's
    #[arg(long, value_name = "FILE")]
    pub(crate) train: Option<PathBuf>,

    /// Test data, instead of the configuration's
    #[arg(long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
}

/// What may be spent, and what is asked anew.
#[derive(Debug, Args)]
pub(crate) struct SpendingArgs {
    /// Requests in flight at once, for each model
    #[arg(long, value_name = "N", env = "TUNEBENCH_CONCURRENCY")]
    pub(crate) concurrency: Option<NonZeroUsize>,

    /// The most to spend, in dollars; at the cap the run ends as incomplete
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) max_cost: Option<Cost>,

    /// The most requests to send
    #[arg(long, value_name = "N")]
    pub(crate) max_requests: Option<u64>,

    /// Ask again for answers that are in the ledger already
    #[arg(long = "refresh", alias = "fresh")]
    pub(crate) fresh: bool,

    /// Ask in batches where the provider offers that: within a day, mostly at half the price, the same in all else
    #[arg(long)]
    pub(crate) batch: bool,

    /// Ask about every row so many times; the answers are reported apart
    #[arg(long, value_name = "K", default_value = "1")]
    pub(crate) repeat: NonZeroU32,
}

impl SpendingArgs {
    pub(crate) fn spending(&self) -> Spending {
        let caps = Caps { max_cost: self.max_cost, max_requests: self.max_requests };
        let batching = Batching { on: self.batch, ..Batching::default() };
        Spending { caps, fresh: self.fresh, repeats: self.repeat.get(), batching }
    }
}

/// What becomes of batches once they are handed in.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct BatchArgs {
    /// Submit batches and exit; the same command resumes them
    #[arg(long)]
    pub(crate) no_wait: bool,

    /// Leave the files of batches at the provider
    #[arg(long)]
    pub(crate) keep: bool,
}

impl BatchArgs {
    /// The same, with what else was said of batches.
    pub(crate) fn with(self, spending: Spending) -> Spending {
        let batching = Batching { no_wait: self.no_wait, keep_files: self.keep, ..spending.batching };
        Spending { batching, ..spending }
    }
}

pub(super) fn dollars(text: &str) -> Result<Cost, String> {
    let cost = text.parse().ok().and_then(Cost::from_dollars);
    cost.ok_or_else(|| "an amount in dollars, such as 2.50".to_owned())
}

/// Where results go.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// The folder for results
    #[arg(long, value_name = "DIR", env = "TUNEBENCH_RESULTS", default_value = "results")]
    pub(crate) results: PathBuf,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        super::Cli::command().debug_assert();
    }
}
