//! lm-eval's samples (`lm_eval … --log_samples --output_path DIR`), a JSON object for each row; written by version 0.4.13.
//!
//! Of a task with `multiple_choice` the choices are the labels, the answer is the most likely one, and `acc` is the
//! judgement; of one with `generate_until` the target is the label, and `exact_match` is the judgement. Documented at
//! <https://github.com/EleutherAI/lm-evaluation-harness/blob/main/docs/interface.md>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::normalize::{Origin, Row, Rows, Said, scalar, text_among};
use super::{Foreign, ForeignError, Tool};

const TOOL: Tool = Tool::LmEval;

#[derive(Deserialize)]
struct Sample {
    doc_id: Value,
    #[serde(default)]
    doc: Map<String, Value>,
    target: Value,
    arguments: BTreeMap<String, Arguments>,
    filtered_resps: Vec<Value>,
    filter: Option<String>,
    acc: Option<f64>,
    exact_match: Option<f64>,
}

#[derive(Deserialize)]
struct Arguments {
    /// The continuation whose likelihood was asked for, or the settings of the generation.
    arg_1: Option<Value>,
}

/// A record that is no row of a classification, or is not understood.
enum Problem {
    Record(String),
    Task(String),
}

pub(super) fn read(bytes: &[u8], name: &str) -> Result<Foreign, ForeignError> {
    let mut rows = Rows::new(TOOL);
    let mut samples = Vec::new();
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = format!("line {number}: ");
        let sample: Sample =
            serde_json::from_slice(line).map_err(|error| ForeignError::Json { tool: TOOL, place, error })?;
        samples.push((number, sample));
    }
    let filter = |sample: &Sample| sample.filter.clone().unwrap_or_default();
    let filters: Vec<_> = samples.iter().map(|(_, sample)| filter(sample)).collect();
    let several = filters.iter().any(|filter| *filter != filters[0]);
    let mut labels = None;
    for (number, sample) in samples {
        let place = || format!("line {number}");
        // Each filter makes other answers of the same output.
        let model = if several { format!("{name}@{}", filter(&sample)) } else { name.to_owned() };
        let row = row(sample, &mut labels).map_err(|problem| match problem {
            Problem::Record(problem) => rows.record(place(), problem),
            Problem::Task(reason) => {
                ForeignError::Task { tool: TOOL, reason: format!("{}: {reason}", place()) }
            }
        })?;
        rows.add(&model, row, place)?;
    }
    rows.allow(&labels.unwrap_or_default());
    rows.finish(Origin { version: None, started: None, complete: true })
}

/// `labels` are the choices of the rows before; each row must have the same.
fn row(sample: Sample, labels: &mut Option<Vec<String>>) -> Result<Row, Problem> {
    let Some(target) = scalar(&sample.target) else {
        return Err(Problem::Task("its target is not a single text".into()));
    };
    let (gold, said) = match choices(&sample) {
        Some(choices) => {
            let mut sorted = choices.clone();
            sorted.sort_unstable();
            if *labels.get_or_insert_with(|| sorted.clone()) != sorted {
                let reason = "it has other choices than the rows before: questions, not labels";
                return Err(Problem::Task(reason.into()));
            }
            chosen(&sample, &choices, target)?
        }
        None => {
            let right = judged(sample.exact_match, "exact_match")?;
            let said = if right { Said::Right } else { Said::Wrong(generated(&sample)?, None) };
            (target, said)
        }
    };
    Ok(Row {
        text: text_among(&sample.doc, &gold),
        gold,
        key: format!("lm-eval doc {}", sample.doc_id),
        said,
        latency: None,
    })
}

/// The choices of a task with `multiple_choice`, in their order.
fn choices(sample: &Sample) -> Option<Vec<String>> {
    let arguments = (0..sample.arguments.len()).map(|at| sample.arguments.get(&format!("gen_args_{at}")));
    arguments.map(|argument| Some(argument?.arg_1.as_ref()?.as_str()?.trim().to_owned())).collect()
}

/// The gold label and the most likely choice.
fn chosen(sample: &Sample, choices: &[String], target: String) -> Result<(String, Said), Problem> {
    let known = |text: &str| choices.iter().find(|choice| *choice == text.trim());
    // The target is a choice or its number.
    let numbered = || choices.get(target.parse::<usize>().ok()?);
    let Some(gold) = known(&target).or_else(numbered) else {
        return Err(Problem::Record(format!(
            "the target `{}` is none of the choices",
            target.escape_debug()
        )));
    };
    if judged(sample.acc, "acc")? {
        return Ok((gold.clone(), Said::Right));
    }
    let likelihoods = sample.filtered_resps.iter().map(|response| response.get(0)?.as_str()?.parse().ok());
    let likelihoods: Option<Vec<f64>> = likelihoods.collect();
    let Some(likelihoods) = likelihoods.filter(|likelihoods| likelihoods.len() == choices.len()) else {
        return Err(Problem::Record("`filtered_resps` does not hold one likelihood for each choice".into()));
    };
    // Of equal ones the first, as in lm-eval itself.
    let most = likelihoods.iter().enumerate().rev().max_by(|(_, a), (_, b)| a.total_cmp(b));
    let answer = most.map(|(at, _)| choices[at].clone()).unwrap_or_default();
    Ok((gold.clone(), Said::Wrong(answer, None)))
}

/// The generated answer.
fn generated(sample: &Sample) -> Result<String, Problem> {
    match &sample.filtered_resps[..] {
        [answer] if answer.is_string() => Ok(answer.as_str().unwrap_or_default().to_owned()),
        _ => Err(Problem::Task(
            "`filtered_resps` does not hold one answer; add the filter `take_first`".into(),
        )),
    }
}

/// Whether a metric of one row says right.
fn judged(value: Option<f64>, metric: &str) -> Result<bool, Problem> {
    match value {
        Some(1.0) => Ok(true),
        Some(0.0) => Ok(false),
        Some(other) => {
            Err(Problem::Task(format!("its `{metric}` is {other}, which is neither right nor wrong")))
        }
        None => Err(Problem::Task(format!("it has no `{metric}`"))),
    }
}
