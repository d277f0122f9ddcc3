//! `tunebench predict`.

#[cfg(feature = "parquet")]
mod parquet;
mod read;
mod write;

#[cfg(feature = "parquet")]
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tunebench_data::{Cells, Fields, Format, LabelSet};
use tunebench_providers::ProviderError;
use tunebench_reports::Answer;

use super::args::{BatchArgs, ConsentArgs, dollars};
use super::batches::left_running;
use super::consent::{self, Terms};
use super::doctor::count;
use super::output::Printer;
use super::progress::Progress;
use crate::budget::{Caps, Cost};
use crate::error::Error;
use crate::evaluate::{AbortReason, PredictedLabel};
use crate::exit;
use crate::plan;
use crate::run::{Batched, Batching, Session, Spending};
use read::{Texts, is_file};
use write::{Added, Sink, Writer};

/// What `predict` is told.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The model, as PROVIDER/MODEL, or as the report names it
    model: String,

    /// The texts: CSV, TSV, JSONL, or one a line (.txt); - for stdin
    #[arg(default_value = "-")]
    file: PathBuf,

    /// Ask the model that was tuned from MODEL
    #[arg(long)]
    tuned: bool,

    /// Leave a text without a label where the model's probability is lower than this
    #[arg(long, value_name = "P", value_parser = share)]
    min_probability: Option<f32>,

    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How to write; by default what the extension of --output says, else as the texts are written
    #[arg(long)]
    format: Option<OutputFormat>,

    /// How the texts are written, where no extension says it; stdin has one text a line by default
    #[arg(long, value_name = "FORMAT")]
    input_format: Option<InputFormat>,

    /// The column of the texts, instead of the configuration's
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,

    /// What the names of the added columns begin with
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,

    /// Requests in flight at once
    #[arg(long, value_name = "N", env = "TUNEBENCH_CONCURRENCY")]
    pub(crate) concurrency: Option<NonZeroUsize>,

    /// The most to spend, in dollars; at the cap the command ends as incomplete
    #[arg(long, value_name = "USD", value_parser = dollars)]
    max_cost: Option<Cost>,

    /// The most requests to send
    #[arg(long, value_name = "N")]
    max_requests: Option<u64>,

    /// Ask in batches where the provider offers that: within a day, mostly at half the price; needs a file
    #[arg(long)]
    batch: bool,

    #[command(flatten)]
    batches: BatchArgs,

    #[command(flatten)]
    pub(crate) consent: ConsentArgs,
}

/// How labelled texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    /// Comma-separated values
    Csv,
    /// Tab-separated values
    Tsv,
    /// One JSON object a line
    Jsonl,
    /// Apache Parquet; of a Parquet file, all columns as they are
    #[cfg(feature = "parquet")]
    Parquet,
}

/// How texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// Comma-separated values with a header
    Csv,
    /// Tab-separated values with a header
    Tsv,
    /// One JSON object a line
    Jsonl,
    /// One JSON array of objects
    Json,
    /// fastText's lines, `__label__x text`
    #[value(name = "fasttext")]
    FastText,
    /// One text a line
    Lines,
    /// Apache Parquet
    #[cfg(feature = "parquet")]
    Parquet,
}

impl From<InputFormat> for Format {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Csv => Self::Csv,
            InputFormat::Tsv => Self::Tsv,
            InputFormat::Jsonl => Self::Jsonl,
            InputFormat::Json => Self::Json,
            InputFormat::FastText => Self::FastText,
            InputFormat::Lines => Self::Lines,
            #[cfg(feature = "parquet")]
            InputFormat::Parquet => Self::Parquet,
        }
    }
}

fn share(text: &str) -> Result<f32, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a number from 0 to 1".to_owned())
}

impl PredictArgs {
    /// What may be spent. Nobody knows what a stream will cost: without agreement it is capped at what may be spent unasked.
    pub(crate) fn spending(&self, unasked: Cost) -> Spending {
        let max_cost = match self.consent.yes || is_file(&self.file) {
            true => self.max_cost,
            false => Some(self.max_cost.map_or(unasked, |cap| cap.min(unasked))),
        };
        let caps = Caps { max_cost, max_requests: self.max_requests };
        let batching = Batching { on: self.batch, ..Batching::default() };
        self.batches.with(Spending { caps, batching, ..Spending::default() })
    }

    #[cfg(feature = "parquet")]
    fn is_for_terminal(&self) -> bool {
        self.output.is_none() && std::io::stdout().is_terminal()
    }

    fn output_format(&self, texts: Option<Format>) -> Result<OutputFormat, Error> {
        if let Some(format) = self.format {
            #[cfg(feature = "parquet")]
            if format == OutputFormat::Parquet && self.is_for_terminal() {
                return Err(Error::Output {
                    message: "Parquet can't be shown in a terminal".to_owned(),
                    hint: "name a file with `--output FILE`".to_owned(),
                });
            }
            return Ok(format);
        }
        match self.output.as_deref().map_or(texts, Format::of_name) {
            Some(Format::Csv | Format::Lines | Format::FastText) => Ok(OutputFormat::Csv),
            Some(Format::Tsv) => Ok(OutputFormat::Tsv),
            #[cfg(feature = "parquet")]
            Some(Format::Parquet) if !self.is_for_terminal() => Ok(OutputFormat::Parquet),
            #[cfg(not(feature = "parquet"))]
            Some(Format::Parquet) if self.output.is_some() => Err(Error::Output {
                message: "this build can't write Parquet".to_owned(),
                hint: "install with `--features parquet`, or write `--format jsonl`".to_owned(),
            }),
            Some(Format::Jsonl | Format::Json | Format::Parquet | Format::Xlsx) => Ok(OutputFormat::Jsonl),
            _ => Err(Error::Output {
                message: "the name of the output does not show its format".to_owned(),
                hint: "set it with `--format csv`, `tsv` or `jsonl`".to_owned(),
            }),
        }
    }
}

/// Labels texts, and writes them with their labels.
pub(super) async fn predict(
    args: &PredictArgs,
    session: &Session<'_>,
    terms: &Terms,
    progress: &Progress,
    printer: Printer,
) -> Result<u8, Error> {
    let data = &session.project().config.data;
    let texts = Texts::new(&args.file, args.input_format.map(Into::into), args.text.as_deref(), data);
    let total = texts.check(None)?;
    let format = args.output_format(texts.format())?;
    if args.batch && total.is_none() {
        return Err(Error::Output {
            message: "`--batch` needs a file: a pipe can't be read again later".to_owned(),
            hint: "write the texts to a file, and name it".to_owned(),
        });
    }
    let mut sink = Sink::open(args.output.as_deref(), &args.file, printer)?;
    let subject = session.chosen(&args.model, args.tuned).await?;
    let prompt = session.project().prompt_named(subject.prompt.as_deref());
    if prompt.may_fail() {
        texts.check(Some(prompt))?;
    }
    // Of what comes from a pipe nobody knows beforehand whether it was asked before.
    let (mut batched, mut asks) = (Batched::default(), true);
    if total.is_some() {
        for model in session.without_batches(std::slice::from_ref(&subject))? {
            printer.warn(&format!("{model} can't be asked in batches, and is asked live"));
        }
        let plan = session.plan_of_texts(&subject, texts.all()?)?;
        asks = plan.requests() > 0;
        consent::ask(&plan, terms, printer)?;
        session.check_ready(&plan).await?;
        let items = || {
            let all = texts.all()?.map(|text| Ok((text?, Fields::default())));
            Ok(Box::new(all) as plan::Texts<'_>)
        };
        batched = session.ask_texts_in_batches(&subject, &items).await?;
        if let Some(code) = left_running(&batched, session, "the same command", printer) {
            return Ok(code);
        }
    } else if !terms.yes && session.is_unpriced(&subject)? {
        return Err(Error::Unasked("this would spend money, at prices that are not known".to_owned()));
    }
    let mut rows = texts.read(prompt, printer)?;
    let parquet = (total.is_some() && texts.is_parquet()).then_some(args.file.as_path());
    let mut writer = Writer::new(format, &args.prefix, rows.columns(), parquet)?;

    let labels = session.project().test.labels();
    let mut counts = Counts::default();
    let title = format!("labelling with {}", subject.model);
    let mut first_error = batched.first_error();
    let see = |done: Vec<(read::Text, PredictedLabel)>, spent| {
        let mut bytes = Vec::new();
        for (text, guess) in done {
            let added = counts.judge(&guess, labels, args.min_probability);
            writer.row(&mut bytes, &text.row, &added).map_err(|fault| texts.fault(fault))?;
            first_error = first_error.take().or(guess.error);
            if let Some(note) = guess.note.filter(|note| counts.notes.insert(note.clone())) {
                progress.say(&format!("  {}: {}", subject.model, note.escape_debug()));
            }
        }
        progress.labelling(&title, counts.rows, total, spent);
        sink.write(&bytes)
    };
    let labelling =
        session.label(&subject, rows.chunks(), |text: &read::Text| &text.text, &batched, asks, see).await;
    let took = progress.end(&title);
    let labelling = labelling?;
    if counts.rows > 0 || !labelling.cut_short {
        sink.write(&writer.finish()?)?;
    }
    sink.close(counts.rows > 0 || !labelling.cut_short)?;
    let cost = if labelling.spent == Cost::ZERO { String::new() } else { format!(", {}", labelling.spent) };
    printer.note(&format!("{} in {}{cost}", counts.in_words(), super::progress::seconds(took)));
    counts.doubts(first_error, args.min_probability, printer);
    if labelling.cut_short {
        let why = labelling.aborted_by.as_ref().map(|abort| format!(": {abort}")).unwrap_or_default();
        printer.warn(&format!("ended early, after {}{why}", count(counts.rows, "text")));
        let again = || "run the same command again: what has been answered is not asked again".to_owned();
        printer.hint(&labelling.aborted_by.as_ref().and_then(AbortReason::hint).unwrap_or_else(again));
    }
    rows.ended_well()?;
    Ok(if labelling.cut_short || counts.unanswered > 0 { exit::INCOMPLETE } else { exit::DONE })
}

/// How many texts came out how.
#[derive(Debug, Default)]
struct Counts {
    rows: usize,
    labelled: usize,
    abstained: usize,
    /// Those among the abstentions for which the model told no probability.
    unsure: usize,
    invalid: usize,
    unanswered: usize,
    blank: usize,
    known: usize,
    notes: std::collections::BTreeSet<String>,
}

impl Counts {
    /// Counts a text, and says what is written beside it.
    fn judge<'l>(
        &mut self,
        guess: &PredictedLabel,
        labels: &'l LabelSet,
        at_least: Option<f32>,
    ) -> Added<'l> {
        self.rows += 1;
        self.known += usize::from(guess.known);
        let probability = guess.probability.map(|probability| probability.get());
        let added = |label, outcome, detail| Added { label, probability, outcome, detail };
        match guess.answer {
            None => {
                self.blank += 1;
                added(None, "blank", "")
            }
            Some(Answer::Label(label)) => {
                let sure = at_least.is_none_or(|least| probability.is_some_and(|p| p >= least));
                if sure {
                    self.labelled += 1;
                    return added(Some(labels.name(label)), "labelled", "");
                }
                self.abstained += 1;
                self.unsure += usize::from(probability.is_none());
                added(None, "abstained", if probability.is_none() { "no_probability" } else { "" })
            }
            Some(Answer::Invalid(kind)) => {
                self.invalid += 1;
                added(None, "invalid", kind.name())
            }
            Some(Answer::Unanswered(kind)) => {
                self.unanswered += 1;
                added(None, "unanswered", kind.name())
            }
        }
    }

    fn in_words(&self) -> String {
        let parts = [
            (self.abstained, "abstained"),
            (self.invalid, "invalid"),
            (self.unanswered, "unanswered"),
            (self.blank, "blank"),
            (self.known, "from the ledger"),
        ];
        let told = parts.into_iter().filter(|(count, _)| *count > 0);
        let told: String = told.map(|(count, what)| format!(", {count} {what}")).collect();
        format!("labelled {} of {}{told},", self.labelled, count(self.rows, "text"))
            .trim_end_matches(',')
            .to_owned()
    }

    fn doubts(&self, first_error: Option<ProviderError>, at_least: Option<f32>, printer: Printer) {
        if let Some(error) = first_error {
            let which = if self.unanswered == 1 { "" } else { ", the first one" };
            printer.warn(&format!("{} failed{which}: {error}", count(self.unanswered, "text")));
            error.hint.iter().for_each(|hint| printer.hint(hint));
        }
        if at_least.is_some() && self.unsure > 0 {
            printer.warn(&format!("the model gave no probability for {}", count(self.unsure, "text")));
            printer.hint("`--min-probability` suits models that give one: see docs/predict.md");
        }
    }
}

/// The names and values of a row, for formats that need both.
fn named<'a>(columns: &'a [String], cells: &'a Cells) -> Vec<(&'a str, write::Value<'a>)> {
    match cells {
        Cells::Fields(fields) => {
            let named = columns.iter().zip(fields);
            named.map(|(name, field)| (name.as_str(), write::Value::Text(field))).collect()
        }
        Cells::Members(members) => {
            members.iter().map(|(name, value)| (name.as_str(), write::Value::Raw(value.get()))).collect()
        }
    }
}
