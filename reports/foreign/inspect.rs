//! inspect_ai's log in JSON (`inspect eval … --log-format json`); written by version 0.3.
//!
//! The gold label is a sample's `target`, the judgement is the value that its scorer gave: `C` or 1, `I` or 0. With
//! multiple choice, letters stand for the choices, and the choices are the labels. Documented at
//! <https://inspect.aisi.org.uk/eval-logs.html>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::normalize::{Origin, Row, Rows, Said, scalar};
use super::{Foreign, ForeignError, Tool};
use crate::{InvalidKind, Latency, UnansweredKind};

/// Scorers of answers in free text.
const FREE_TEXT: [&str; 3] = ["model_graded_qa", "model_graded_fact", "f1"];

#[derive(Deserialize)]
struct Log {
    status: String,
    eval: Eval,
    results: Option<Results>,
    samples: Option<Vec<Sample>>,
}

#[derive(Deserialize)]
struct Eval {
    created: Option<String>,
    model: String,
    #[serde(default)]
    packages: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    scores: Vec<ScoreName>,
    headline: Option<Headline>,
}

#[derive(Deserialize)]
struct ScoreName {
    name: String,
}

#[derive(Deserialize)]
struct Headline {
    score: String,
}

#[derive(Deserialize)]
struct Sample {
    id: Value,
    #[serde(default = "first")]
    epoch: u64,
    input: Value,
    choices: Option<Vec<String>>,
    target: Value,
    scores: Option<BTreeMap<String, Score>>,
    error: Option<IgnoredAny>,
    output: Option<ModelOutput>,
}

fn first() -> u64 {
    1
}

#[derive(Deserialize)]
struct Score {
    value: Value,
    answer: Option<String>,
}

#[derive(Deserialize)]
struct ModelOutput {
    #[serde(default)]
    completion: String,
    #[serde(default)]
    choices: Vec<Choice>,
    time: Option<f64>,
}

#[derive(Deserialize)]
struct Choice {
    stop_reason: Option<String>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Foreign, ForeignError> {
    let tool = Tool::Inspect;
    let log: Log = serde_json::from_slice(bytes).map_err(|error| ForeignError::Json {
        tool,
        place: String::new(),
        error,
    })?;
    let mut rows = Rows::new(tool);
    let task = |reason: String| ForeignError::Task { tool, reason };
    let Some(samples) = log.samples.filter(|samples| !samples.is_empty()) else {
        return Err(
            rows.record("`samples`".into(), "there are none; the log must be written with its samples")
        );
    };
    let scorer = scorer(log.results.as_ref(), &samples);
    let scorer = scorer.ok_or_else(|| rows.record("`samples`".into(), "no sample has a score"))?;
    if FREE_TEXT.contains(&scorer.as_str()) {
        return Err(task(format!("the scorer `{scorer}` judges free text")));
    }
    let choices = choices(&samples).map_err(task)?;
    rows.allow(choices.as_deref().unwrap_or_default());
    if choices.is_none() {
        rows.answers_are_labels();
    }
    for (at, sample) in samples.into_iter().enumerate() {
        let place = || format!("`samples[{at}]`");
        let model = match sample.epoch {
            0 | 1 => log.eval.model.clone(),
            epoch => format!("{}#{epoch}", log.eval.model),
        };
        let row = row(sample, &scorer).map_err(|reason| task(format!("{}: {reason}", place())))?;
        rows.add(&model, row, place)?;
    }
    rows.finish(Origin {
        version: log.eval.packages.get("inspect_ai").cloned(),
        started: log.eval.created,
        complete: log.status == "success",
    })
}

/// The score that counts: the log's headline, else its first.
fn scorer(results: Option<&Results>, samples: &[Sample]) -> Option<String> {
    let headline = results.and_then(|results| results.headline.as_ref()).map(|headline| &headline.score);
    let first = || results.and_then(|results| results.scores.first()).map(|score| &score.name);
    // A log that was cut short has no results yet.
    let any = || samples.iter().find_map(|sample| sample.scores.as_ref()?.keys().next());
    headline.or_else(first).or_else(any).cloned()
}

/// The choices, where the task is one of multiple choice. All samples must have the same.
fn choices(samples: &[Sample]) -> Result<Option<Vec<String>>, String> {
    let sorted = |sample: &Sample| {
        let mut choices = sample.choices.clone().filter(|choices| !choices.is_empty());
        choices.iter_mut().for_each(|choices| choices.sort_unstable());
        choices
    };
    let first = samples.first().and_then(sorted);
    match samples.iter().position(|sample| sorted(sample) != first) {
        Some(at) => Err(format!("`samples[{at}]` has other choices than the first: questions, not labels")),
        None => Ok(first),
    }
}

fn row(sample: Sample, scorer: &str) -> Result<Row, String> {
    let target = match &sample.target {
        Value::Array(targets) => match &targets[..] {
            [target] => scalar(target),
            several => return Err(format!("it has {} targets", several.len())),
        },
        target => scalar(target),
    };
    let target = target.ok_or("its target is not a string")?;
    let choices = sample.choices.as_deref().filter(|choices| !choices.is_empty());
    let gold = match choices {
        Some(choices) => letter(&target, choices)
            .ok_or_else(|| format!("its target `{}` is not the letter of a choice", target.escape_debug()))?
            .to_owned(),
        None => target,
    };
    let score = sample.scores.as_ref().and_then(|scores| scores.get(scorer));
    let said = match score {
        // With `score_on_error` a failed sample has a score, and yet no answer.
        _ if sample.error.is_some() => Said::Nothing(UnansweredKind::Provider),
        None => Said::Nothing(UnansweredKind::NotAsked),
        // What was `NaN`: the scorer has judged nothing.
        Some(score) if score.value.is_null() => Said::Nothing(UnansweredKind::NotAsked),
        Some(score) if judged(&score.value)? => Said::Right,
        Some(score) => {
            let completion = sample.output.as_ref().map_or("", |output| &output.completion);
            let answer = score.answer.as_deref().filter(|answer| !answer.is_empty()).unwrap_or(completion);
            let named = choices.and_then(|choices| letter(answer, choices)).unwrap_or(answer);
            Said::Wrong(named.to_owned(), sample.output.as_ref().and_then(stopped))
        }
    };
    let seconds = sample.output.as_ref().and_then(|output| output.time).filter(|time| *time > 0.0);
    let latency = seconds.filter(|_| !matches!(said, Said::Nothing(_)));
    Ok(Row {
        text: text(&sample.input),
        gold,
        key: format!("inspect sample {}", sample.id),
        said,
        latency: latency.and_then(|seconds| Latency::from_micros((seconds * 1e6).round() as u32)),
    })
}

/// The choice that a letter stands for; after `Z` inspect_ai counts from 1.
fn letter<'a>(answer: &str, choices: &'a [String]) -> Option<&'a str> {
    let answer = answer.trim();
    let at = match answer.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => usize::from(letter.to_ascii_uppercase() - b'A'),
        _ => answer.parse::<usize>().ok().filter(|number| *number > 0)?.checked_add(25)?,
    };
    choices.get(at).map(String::as_str)
}

/// Whether a value of a score says right; only right and wrong are understood.
fn judged(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(right) => Ok(*right),
        Value::Number(number) if number.as_f64() == Some(1.0) => Ok(true),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(false),
        Value::String(letter) if letter == "C" => Ok(true),
        Value::String(letter) if letter == "I" || letter == "N" => Ok(false),
        other => {
            let shown: String = other.to_string().chars().take(40).collect();
            Err(format!("it is scored {shown}, which is neither right nor wrong"))
        }
    }
}

/// Why an answer is none, where the model's server tells.
fn stopped(output: &ModelOutput) -> Option<InvalidKind> {
    match output.choices.first()?.stop_reason.as_deref()? {
        "max_tokens" | "model_length" => Some(InvalidKind::Truncated),
        "content_filter" => Some(InvalidKind::Filtered),
        _ => None,
    }
}

/// The text of a sample; of a conversation, the only message of the user's.
fn text(input: &Value) -> Option<String> {
    let messages = match input {
        Value::String(text) => return Some(text.clone()),
        other => other.as_array()?,
    };
    let mut user = messages.iter().filter(|message| message["role"] == "user");
    match (user.next(), user.next()) {
        (Some(message), None) => message["content"].as_str().map(str::to_owned),
        _ => None,
    }
}
