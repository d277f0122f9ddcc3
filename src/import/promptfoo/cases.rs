//! The test cases of a promptfoo configuration: inline, or in JSON Lines, JSON, YAML or CSV files.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{beside, first_line};

/// Assertions whose value is the answer that is wanted.
const NAMES_ANSWER: [&str; 4] = ["equals", "icontains", "contains", "starts-with"];

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    /// Its place in the file or list that it stands in, from 1; its line in JSON Lines and CSV.
    pub(super) number: u64,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) answer: String,
}

/// Cases that could not be used: where they stand, and why.
type Odd = Vec<(u64, String)>;

/// All cases of a configuration.
pub(super) fn read(config: &Value, folder: &Path) -> Result<(Vec<Case>, Odd), String> {
    let all = config.get("defaultTest").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut found = Vec::new();
    match config.get("tests") {
        Some(Value::Array(tests)) => {
            for (number, test) in (1..).zip(tests) {
                match test {
                    Value::String(name) => file(&beside(folder, name), &mut found)?,
                    test => found.push((number, test.clone())),
                }
            }
        }
        Some(Value::String(name)) => file(&beside(folder, name), &mut found)?,
        _ => return Err("it has no `tests`".to_owned()),
    }
    let (mut cases, mut odd) = (Vec::new(), Odd::new());
    for (number, test) in found {
        match case(number, &test, &all) {
            Ok(case) => cases.push(case),
            Err(reason) => odd.push((number, reason)),
        }
    }
    if cases.is_empty() {
        let first =
            odd.first().map_or("it has no tests".to_owned(), |(number, why)| format!("test {number}: {why}"));
        return Err(first);
    }
    Ok((cases, odd))
}

fn file(path: &Path, found: &mut Vec<(u64, Value)>) -> Result<(), String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let within =
        |error: &dyn std::fmt::Display| format!("`{}`: {}", path.display(), first_line(&error.to_string()));
    if !matches!(extension, "jsonl" | "json" | "yaml" | "yml" | "csv") {
        return Err(format!(
            "its tests `{}` are in no form that could be read: JSON Lines, JSON, YAML or CSV",
            path.display()
        ));
    }
    let text = fs_err::read_to_string(path).map_err(|error| error.to_string())?;
    match extension {
        "jsonl" => {
            for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
                found.push((number, serde_json::from_str(line).map_err(|error| within(&error))?));
            }
        }
        "csv" => {
            let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
            let names = reader.headers().map_err(|error| within(&error))?.clone();
            for row in reader.records() {
                let row = row.map_err(|error| within(&error))?;
                let line = row.position().map_or(0, csv::Position::line);
                found.push((line, of_row(&names, &row)));
            }
        }
        _ => {
            let tests: Vec<Value> = serde_saphyr::from_str(&text).map_err(|error| within(&error))?;
            found.extend((1..).zip(tests));
        }
    }
    Ok(())
}

/// A row of a table: columns are variables, but for those that begin with two underscores.
fn of_row(names: &csv::StringRecord, row: &csv::StringRecord) -> Value {
    let (mut variables, mut assertions) = (Map::new(), Vec::new());
    for (name, cell) in names.iter().zip(row) {
        if name == "__expected"
            || name.starts_with("__expected") && name[10..].bytes().all(|b| b.is_ascii_digit())
        {
            let (kind, value) = match cell.split_once(':').filter(|(kind, _)| NAMES_ANSWER.contains(kind)) {
                Some((kind, value)) => (kind, value.trim()),
                None => ("equals", cell),
            };
            assertions.push(serde_json::json!({ "type": kind, "value": value }));
        } else if !name.starts_with("__") {
            variables.insert(name.to_owned(), cell.into());
        }
    }
    serde_json::json!({ "vars": variables, "assert": assertions })
}

fn case(number: u64, test: &Value, all: &Map<String, Value>) -> Result<Case, String> {
    let mut variables = BTreeMap::new();
    for vars in [all.get("vars"), test.get("vars")].into_iter().flatten().filter_map(Value::as_object) {
        for (name, value) in vars {
            match value {
                // `{{ item.input }}` shows a member of it.
                Value::Object(item) if name == "item" => {
                    variables
                        .extend(item.iter().filter_map(|(name, value)| Some((name.clone(), scalar(value)?))));
                }
                value => _ = scalar(value).map(|value| variables.insert(name.clone(), value)),
            }
        }
    }
    let assertions =
        [test.get("assert"), all.get("assert")].into_iter().flatten().filter_map(Value::as_array).flatten();
    let mut wanted = assertions.filter_map(|assertion| {
        let kind = assertion.get("type")?.as_str()?;
        NAMES_ANSWER.contains(&kind).then(|| assertion.get("value")).flatten()
    });
    let value = wanted.next().ok_or("it has no assertion `equals` or `icontains`")?;
    let value = scalar(value).ok_or("the value of its assertion is not a string")?;
    let answer = variable(&value).map_or(Some(&value), |name| variables.get(name));
    let answer = answer
        .ok_or_else(|| format!("its assertion names `{value}`, which is not one of its variables"))?
        .clone();
    Ok(Case { number, variables, answer })
}

/// The name in `{{ name }}` or `{{ item.name }}`, where that is all there is.
fn variable(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    Some(name.strip_prefix("item.").unwrap_or(name))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bit) => Some(bit.to_string()),
        _ => None,
    }
}
