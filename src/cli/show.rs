//! `tunebench show`: one row, with what each model was sent and what it answered.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use tabled::builder::Builder;
use tunebench_data::{Fields, Item};
use tunebench_providers::Registry;
use tunebench_reports::render::clean;
use tunebench_reports::{Answer, PromptMessage, Run};

use super::args::Global;
use super::output::Printer;
use super::providers::plain;
use crate::error::Error;
use crate::exit;
use crate::project::{Overrides, Project};
use crate::results::Results;
use crate::show::{Answered, Row, Wanted, answers, find, sent};

/// How much of a text is shown where several rows are listed.
const BEGINNING: usize = 80;

/// Which row is wanted.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The row: its id, the line of the test file where it begins, or a piece of its text
    row: String,

    /// Show only these models
    #[arg(short, long = "model", value_name = "MODEL")]
    models: Vec<String>,

    /// The folder with the results
    #[arg(long, value_name = "DIR", env = "TUNEBENCH_RESULTS", default_value = "results")]
    results: PathBuf,

    /// Print the row as JSON
    #[arg(long)]
    json: bool,
}

/// Shows the row, or lists the rows that may be meant.
pub(super) fn show(
    args: &ShowArgs,
    global: &Global,
    registry: &Registry,
    printer: Printer,
) -> Result<u8, Error> {
    let results = Results::open(&args.results)?;
    let run = results.read()?;
    if let Some(unknown) =
        args.models.iter().find(|name| run.manifest.models.iter().all(|m| m.model != **name))
    {
        let models: Vec<_> = run.manifest.models.iter().map(|record| record.model.as_str()).collect();
        return Err(Error::Model {
            message: format!("`{unknown}` is not in these results"),
            hint: Some(format!("name one of {}", models.join(", "))),
        });
    }
    let wanted = Wanted::from(args.row.as_str());
    let found = find(&wanted, &run, &results, &global.config)?;
    if let Some(reason) = &found.without_texts {
        printer.note(&format!("rows are shown without their texts: {reason}"));
    }
    let [row] = &found.rows[..] else { return several(&found.rows, found.total, args, printer) };
    let mut answers = answers(row.id, &run, &results)?;
    answers.retain(|answer| args.models.is_empty() || args.models.contains(&answer.record.model));

    let project = Project::open(&global.config, Overrides::default(), registry, &global.state);
    let prompts = answers.iter().map(|answer| prompt(answer, row, project.as_ref()));
    let prompts: Vec<Prompt> = prompts.collect::<Result<_, Error>>()?;
    if args.json {
        printer.data(&format!("{:#}", as_json(row, &run, &answers, &prompts)))?;
    } else {
        printer.data(&in_words(row, &run, &answers, &prompts))?;
    }
    Ok(exit::DONE)
}

/// What a model was sent, or why that is not known.
type Prompt = Result<Vec<PromptMessage>, String>;

fn prompt(answer: &Answered<'_>, row: &Row, project: Result<&Project, &Error>) -> Result<Prompt, Error> {
    let Some(text) = &row.text else { return Ok(Err("the text of the row is not known".to_owned())) };
    let project = match project {
        Ok(project) => project,
        Err(error) => return Ok(Err(error.to_string().lines().next().unwrap_or_default().to_owned())),
    };
    let fields = Fields::of(row.fields.iter().cloned());
    Ok(sent(project, answer.record, row.id, Item { text, fields: Some(&fields) })?.map_err(str::to_owned))
}

/// No row, or more than one.
fn several(rows: &[Row], total: usize, args: &ShowArgs, printer: Printer) -> Result<u8, Error> {
    if rows.is_empty() {
        return Err(Error::Output {
            message: format!("no test row has the id, the line or the text `{}`", clean(&args.row)),
            hint: format!("ids and lines are in {}", args.results.join("predictions").display()),
        });
    }
    if args.json {
        let row = |row: &Row| json!({ "id": row.id, "line": row.line, "text": row.text });
        printer.data(&format!(
            "{:#}",
            json!({ "total": total, "rows": rows.iter().map(row).collect::<Value>() })
        ))?;
        return Ok(exit::DONE);
    }
    let mut table = Builder::new();
    table.push_record(["LINE", "ID", "TEXT"]);
    for row in rows {
        let text = one_line(row.text.as_deref().unwrap_or_default());
        table.push_record([row.line.to_string(), row.id.to_string(), text]);
    }
    printer.data(&plain(table))?;
    let more = if total > rows.len() {
        format!(", of which these are the first {}", rows.len())
    } else {
        String::new()
    };
    printer.hint(&format!("{total} rows hold this text{more}; name one by its line or id"));
    Ok(exit::DONE)
}

/// The beginning of a text, on one line.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = words.chars().take(BEGINNING).collect();
    if short.len() < words.len() {
        short.push('…');
    }
    clean(&short)
}

fn as_json(row: &Row, run: &Run, answers: &[Answered<'_>], prompts: &[Prompt]) -> Value {
    let labels = run.labels();
    let model = |(answer, prompt): (&Answered<'_>, &Prompt)| {
        let Answered { record, prediction, details } = answer;
        let (label, detail) = match prediction.answer {
            Answer::Label(label) => (Some(labels.name(label)), None),
            Answer::Invalid(kind) => (None, Some(kind.name())),
            Answer::Unanswered(kind) => (None, Some(kind.name())),
        };
        json!({
            "model": record.model,
            "outcome": prediction.outcome().name(),
            "prediction": label,
            "detail": detail,
            "probability": prediction.probability.map(|p| p.get()),
            "latency_ms": prediction.latency.map(|latency| f64::from(latency.as_micros()) / 1000.0),
            "input_tokens": details.input_tokens,
            "output_tokens": details.output_tokens,
            "cost_usd": details.cost_usd,
            "model_version": details.model_version,
            "answer": details.answer,
            "prompt": prompt.as_ref().ok(),
        })
    };
    let gold = answers.first().map(|answer| labels.name(answer.prediction.gold));
    let own: serde_json::Map<_, _> =
        row.fields.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    json!({
        "id": row.id, "line": row.line, "label": gold, "text": row.text, "columns": own,
        "models": answers.iter().zip(prompts).map(model).collect::<Value>(),
    })
}

fn in_words(row: &Row, run: &Run, answers: &[Answered<'_>], prompts: &[Prompt]) -> String {
    let labels = run.labels();
    let mut parts = vec![head(row, answers.first().map(|answer| labels.name(answer.prediction.gold)))];
    if let Some(text) = &row.text {
        parts.push(quoted(text));
    }
    if answers.is_empty() {
        parts.push("No model was asked about this row.".to_owned());
    } else {
        parts.push(table(run, answers));
    }
    for answer in answers {
        if let Some(raw) = &answer.details.answer {
            parts.push(format!("{} answered:\n{}", clean(&answer.record.model), quoted(raw)));
        }
    }
    // Models that were sent the same share it.
    let mut shown: Vec<&Prompt> = Vec::new();
    for prompt in prompts {
        if shown.contains(&prompt) {
            continue;
        }
        shown.push(prompt);
        let models = answers.iter().zip(prompts).filter(|(_, other)| *other == prompt);
        let models: Vec<_> = models.map(|(answer, _)| clean(&answer.record.model)).collect();
        let models = models.join(", ");
        match prompt {
            Ok(messages) => {
                let said = |m: &PromptMessage| format!("[{}]\n{}", m.role, quoted(&m.content));
                let messages: Vec<_> = messages.iter().map(said).collect();
                parts.push(format!("Sent to {models}:\n{}", messages.join("\n")));
            }
            Err(reason) => parts.push(format!("What was sent to {models} is not shown: {reason}.")),
        }
    }
    parts.join("\n\n")
}

/// What is known of the row itself.
fn head(row: &Row, gold: Option<&str>) -> String {
    let mut lines = vec![("row", row.id.to_string())];
    if row.line > 0 {
        lines.push(("line", row.line.to_string()));
    }
    lines.extend(gold.map(|gold| ("label", gold.to_owned())));
    lines.extend(row.fields.iter().map(|(name, value)| (name.as_str(), one_line(value))));
    let column = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let lines = lines.iter().map(|(name, value)| format!("{:column$}  {}", clean(name), clean(value)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A line for each model.
fn table(run: &Run, answers: &[Answered<'_>]) -> String {
    let labels = run.labels();
    let mut table = Builder::new();
    table.push_record(["MODEL", "OUTCOME", "ANSWER", "PROBABILITY", "LATENCY", "TOKENS", "COST", "VERSION"]);
    for Answered { record, prediction, details } in answers {
        let said = match prediction.answer {
            Answer::Label(label) => labels.name(label).to_owned(),
            Answer::Invalid(kind) => format!("({})", kind.name()),
            Answer::Unanswered(kind) => format!("({})", kind.name()),
        };
        let tokens = match (details.input_tokens, details.output_tokens) {
            (Some(input), Some(output)) => format!("{input} + {output}"),
            _ => String::new(),
        };
        table.push_record([
            clean(&record.model),
            prediction.outcome().name().to_owned(),
            clean(&said),
            prediction.probability.map(|p| format!("{:.3}", p.get())).unwrap_or_default(),
            prediction
                .latency
                .map(|l| format!("{:.1} ms", f64::from(l.as_micros()) / 1000.0))
                .unwrap_or_default(),
            tokens,
            details.cost_usd.map(|cost| format!("${cost:.6}")).unwrap_or_default(),
            clean(details.model_version.as_deref().unwrap_or_default()),
        ]);
    }
    plain(table)
}

/// A text as it is, set apart from what surrounds it.
fn quoted(text: &str) -> String {
    let line = |line: &str| format!("  │ {}", clean(&line.replace('\t', "    ")));
    text.split('\n').map(|part| line(part.trim_end_matches('\r'))).collect::<Vec<_>>().join("\n")
}
