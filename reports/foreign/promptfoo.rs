//! promptfoo's output (`promptfoo eval -o out.json` or `out.jsonl`); written by version 0.121.
//!
//! The gold label is what an assertion of each test demands: `equals`, `contains`, `icontains` or `starts-with`. That
//! assertion alone judges the answer; others, such as those on cost, do not. Documented at
//! <https://www.promptfoo.dev/docs/configuration/outputs/>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::normalize::{Origin, Row, Rows, Said, scalar, text_among};
use super::{Foreign, ForeignError, Tool};
use crate::{Latency, UnansweredKind};

/// Assertions whose value is the label.
const NAMES_LABEL: [&str; 4] = ["equals", "icontains", "contains", "starts-with"];

#[derive(Deserialize)]
struct Output {
    results: Results,
    metadata: Option<Metadata>,
    #[serde(rename = "runtimeOptions")]
    options: Option<Options>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "promptfooVersion")]
    version: Option<String>,
}

#[derive(Deserialize)]
struct Options {
    repeat: Option<u64>,
}

#[derive(Deserialize)]
struct Results {
    timestamp: Option<String>,
    prompts: Vec<Column>,
    results: Vec<Record>,
}

/// A prompt as it is put to a provider.
#[derive(Deserialize)]
struct Column {
    provider: String,
    label: String,
}

/// A line of promptfoo's JSON Lines: a record that names its own prompt.
#[derive(Deserialize)]
struct Line {
    provider: LineProvider,
    prompt: LinePrompt,
    #[serde(flatten)]
    record: Record,
}

#[derive(Deserialize)]
struct LineProvider {
    id: String,
    label: Option<String>,
}

#[derive(Deserialize)]
struct LinePrompt {
    label: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    test_idx: Option<u64>,
    prompt_idx: Option<usize>,
    vars: Map<String, Value>,
    test_case: TestCase,
    grading_result: Option<Grading>,
    response: Option<Response>,
    latency_ms: Option<f64>,
}

#[derive(Deserialize)]
struct TestCase {
    #[serde(default)]
    assert: Vec<Assertion>,
}

#[derive(Deserialize, PartialEq)]
struct Assertion {
    r#type: String,
    #[serde(default)]
    value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grading {
    #[serde(default)]
    component_results: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    pass: bool,
    assertion: Option<Assertion>,
    metadata: Option<Rendered>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rendered {
    rendered_assertion_value: Option<Value>,
}

#[derive(Deserialize)]
struct Response {
    output: Option<Value>,
    #[serde(default)]
    cached: bool,
}

pub(super) fn read(bytes: &[u8]) -> Result<Foreign, ForeignError> {
    let tool = Tool::Promptfoo;
    let output = match serde_json::from_slice::<Output>(bytes) {
        Ok(output) => output,
        // Only one of the two has an object with all results.
        Err(_) if is_lines(bytes) => lines(bytes)?,
        Err(error) => return Err(ForeignError::Json { tool, place: String::new(), error }),
    };
    let repeats = output.options.and_then(|options| options.repeat).unwrap_or(1).max(1);
    let columns = names(&output.results.prompts);
    let mut rows = Rows::new(tool);
    for (at, record) in output.results.results.into_iter().enumerate() {
        let place = || format!("`results.results[{at}]`");
        let (Some(test), Some(column)) = (record.test_idx, record.prompt_idx) else {
            return Err(rows.record(place(), "there is no `testIdx` or no `promptIdx`"));
        };
        let Some(model) = columns.get(column) else {
            return Err(rows.record(place(), format!("there is no prompt {column}")));
        };
        // The repeats of a test follow one another.
        let model = match test % repeats {
            0 => model.clone(),
            repeat => format!("{model}#{}", repeat + 1),
        };
        let row = row(record, test / repeats).map_err(|problem| match problem {
            Problem::Record(problem) => rows.record(place(), problem),
            Problem::Task(problem) => ForeignError::Task { tool, reason: format!("{}: {problem}", place()) },
        })?;
        rows.add(&model, row, place)?;
    }
    rows.finish(Origin {
        version: output.metadata.and_then(|metadata| metadata.version),
        started: output.results.timestamp,
        complete: true,
    })
}

fn is_lines(bytes: &[u8]) -> bool {
    let first = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    first.is_some_and(|line| serde_json::from_slice::<Line>(line).is_ok())
}

/// `promptfoo eval -o out.jsonl`: one record a line, in the order in which they were done.
fn lines(bytes: &[u8]) -> Result<Output, ForeignError> {
    let (mut prompts, mut results) = (BTreeMap::new(), Vec::new());
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = || format!("line {}: ", at + 1);
        let Line { provider, prompt, record } = serde_json::from_slice(line)
            .map_err(|error| ForeignError::Json { tool: Tool::Promptfoo, place: place(), error })?;
        let name = provider.label.filter(|label| !label.is_empty()).unwrap_or(provider.id);
        let column = Column { provider: name, label: prompt.label };
        prompts.insert(record.prompt_idx.unwrap_or_default(), column);
        results.push(record);
    }
    // A column without a row has nothing to be named.
    let last = prompts.last_key_value().map_or(0, |(at, _)| (*at).min(results.len()));
    let unnamed = || Column { provider: String::new(), label: String::new() };
    let prompts = (0..=last).map(|at| prompts.remove(&at).unwrap_or_else(unnamed)).collect();
    let results = Results { timestamp: None, prompts, results };
    Ok(Output { results, metadata: None, options: None })
}

/// A name for each column: its provider, and where there are several prompts, which of them.
fn names(columns: &[Column]) -> Vec<String> {
    let mut prompts: Vec<&str> = Vec::new();
    for column in columns {
        if !prompts.contains(&column.label.as_str()) {
            prompts.push(&column.label);
        }
    }
    let mut names: Vec<String> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let prompt = prompts.iter().position(|label| *label == column.label).unwrap_or(0) + 1;
        let name = match prompts.len() {
            1 => column.provider.clone(),
            _ => format!("{}@prompt-{prompt}", column.provider),
        };
        // Two providers may differ in their settings only.
        let taken = names.contains(&name);
        names.push(if taken { format!("{name}@column-{}", at + 1) } else { name });
    }
    names
}

enum Problem {
    Record(String),
    Task(String),
}

fn row(record: Record, test: u64) -> Result<Row, Problem> {
    let labelling: Vec<_> = record
        .test_case
        .assert
        .iter()
        .filter(|assertion| NAMES_LABEL.contains(&assertion.r#type.as_str()))
        .collect();
    let assertion = match &labelling[..] {
        [assertion] => *assertion,
        [] => {
            let found: Vec<_> = record.test_case.assert.iter().map(|a| format!("`{}`", a.r#type)).collect();
            let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
            let wanted = NAMES_LABEL.map(|name| format!("`{name}`")).join(", ");
            return Err(Problem::Task(format!(
                "no assertion names the label; it takes one of {wanted}, and there is {found}"
            )));
        }
        several => {
            return Err(Problem::Task(format!("{} assertions each name a label", several.len())));
        }
    };
    let judged = record.grading_result.iter().flat_map(|grading| &grading.component_results);
    let judged = judged.into_iter().find(|component| component.assertion.as_ref() == Some(assertion));
    let rendered =
        judged.and_then(|component| component.metadata.as_ref()?.rendered_assertion_value.as_ref());
    let gold = match rendered {
        Some(value) => scalar(value),
        None => fill(&assertion.value, &record.vars)?,
    };
    let Some(gold) = gold else {
        return Err(Problem::Task(format!("the value of `{}` is a list or an object", assertion.r#type)));
    };
    let response = record.response.as_ref();
    let said = match (judged, response.and_then(|response| response.output.as_ref())) {
        (Some(component), _) if component.pass => Said::Right,
        (Some(_), output) => Said::Wrong(output.map(text_of).unwrap_or_default(), None),
        (None, None) => Said::Nothing(UnansweredKind::Provider),
        (None, Some(_)) => {
            return Err(Problem::Record(format!(
                "there is an output, but no judgement of the assertion `{}`",
                assertion.r#type
            )));
        }
    };
    // What came from promptfoo's cache took no time of the model's.
    let cached = response.is_some_and(|response| response.cached);
    let latency = record.latency_ms.filter(|ms| !cached && *ms > 0.0 && !matches!(said, Said::Nothing(_)));
    Ok(Row {
        text: text_among(&record.vars, &gold),
        gold,
        key: format!("promptfoo test {test}"),
        said,
        latency: latency.and_then(|ms| Latency::from_micros((ms * 1000.0).round() as u32)),
    })
}

/// The value of an assertion that was not judged; `{{ name }}` stands for a variable.
fn fill(value: &Value, vars: &Map<String, Value>) -> Result<Option<String>, Problem> {
    let Some(text) = scalar(value) else { return Ok(None) };
    let name = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
    match name.map(|name| vars.get(name)) {
        Some(Some(value)) => Ok(scalar(value)),
        None if !text.contains("{{") => Ok(Some(text)),
        _ => Err(Problem::Record(format!(
            "the record was not judged, and its label `{}` is a template that only promptfoo can fill",
            text.escape_debug()
        ))),
    }
}

fn text_of(output: &Value) -> String {
    scalar(output).unwrap_or_else(|| output.to_string())
}
