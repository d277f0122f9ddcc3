//! A training file as Vertex reads it: minutes after the job was created.

use serde_json::{Value, json};

use crate::fake::Memory;

/// The most tokens of an example; what is longer is cut.
const MOST_TOKENS: u64 = 131_072;

/// What a file comes to.
pub(super) struct Rows {
    pub(super) memory: Memory,
    pub(super) rows: u64,
    input: Vec<u64>,
    output: Vec<u64>,
    turns: Vec<u64>,
    truncated: Vec<String>,
    dropped: Vec<String>,
}

/// Reads a file; the message of the job's error where it can't be.
pub(super) fn read(bytes: Option<&[u8]>) -> Result<Rows, String> {
    let bytes = bytes.ok_or("The dataset does not exist, or the service agent may not read it.")?;
    let text = std::str::from_utf8(bytes).map_err(|_| "The dataset is not UTF-8.")?;
    let (memory, input, output, turns, truncated, dropped) = Default::default();
    let mut rows = Rows { memory, rows: 0, input, output, turns, truncated, dropped };
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let row: Value = serde_json::from_str(line)
            .map_err(|error| format!("Failed to parse row {number} of the dataset as JSON: {error}"))?;
        rows.add(number, &row)?;
    }
    if rows.rows == 0 {
        return Err("The dataset holds no valid examples.".to_owned());
    }
    Ok(rows)
}

impl Rows {
    fn add(&mut self, number: usize, row: &Value) -> Result<(), String> {
        let wrong = |what: &str| format!("Row {number} of the dataset is invalid: {what}");
        let known = ["systemInstruction", "contents", "tools", "generationConfig", "labels"];
        let mut names = row.as_object().ok_or_else(|| wrong("no object"))?.keys();
        if let Some(name) = names.find(|name| !known.contains(&name.as_str())) {
            return Err(wrong(&format!("unknown field \"{name}\"")));
        }
        let contents = row["contents"].as_array().filter(|contents| !contents.is_empty());
        let contents = contents.ok_or_else(|| wrong("contents is missing"))?;
        let text = |content: &Value| -> Option<String> {
            content["parts"].as_array()?.iter().map(|part| part["text"].as_str()).collect()
        };
        let (mut item, mut answer, mut tokens) = (String::new(), None, 0);
        for (at, content) in contents.iter().enumerate() {
            let said = text(content).ok_or_else(|| wrong("a part without text"))?;
            tokens += said.len().div_ceil(4) as u64;
            match content["role"].as_str() {
                Some("user") => item = said,
                Some("model") if at + 1 == contents.len() => answer = Some(said),
                Some("model") => {}
                role => return Err(wrong(&format!("the role {role:?} is neither user nor model"))),
            }
        }
        let answer = answer.ok_or_else(|| wrong("the last turn must be of the model"))?;
        if answer.trim().is_empty() {
            self.dropped.push(format!("Example {number} was dropped: the answer of the model is empty."));
            return Ok(());
        }
        tokens += text(&row["systemInstruction"]).unwrap_or_default().len().div_ceil(4) as u64;
        if tokens > MOST_TOKENS {
            self.truncated.push(number.to_string());
        }
        let output = answer.len().div_ceil(4) as u64;
        self.input.push(tokens.min(MOST_TOKENS).saturating_sub(output));
        self.output.push(output);
        self.turns.push(contents.len() as u64);
        self.memory.learn(&item, &answer);
        self.rows += 1;
        Ok(())
    }

    /// `supervisedTuningDataStats` of so many epochs.
    pub(super) fn stats(&self, epochs: u64) -> Value {
        let tokens: u64 = self.input.iter().chain(&self.output).sum();
        let mut stats = json!({
            "tuningDatasetExampleCount": self.rows.to_string(), "tuningStepCount": self.steps(epochs).to_string(),
            "totalBillableTokenCount": (tokens * epochs).to_string(),
            "userInputTokenDistribution": distribution(&self.input),
            "userOutputTokenDistribution": distribution(&self.output),
            "userMessagePerExampleDistribution": distribution(&self.turns),
        });
        if !self.truncated.is_empty() {
            stats["totalTruncatedExampleCount"] = self.truncated.len().to_string().into();
            stats["truncatedExampleIndices"] = self.truncated.clone().into();
        }
        if !self.dropped.is_empty() {
            stats["droppedExampleReasons"] = self.dropped.clone().into();
        }
        stats
    }

    /// Steps of so many epochs, at eight examples a step.
    pub(super) fn steps(&self, epochs: u64) -> u64 {
        self.rows.div_ceil(8) * epochs
    }
}

fn distribution(values: &[u64]) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let sum: u64 = sorted.iter().sum();
    let at = |share: f64| {
        sorted.get((share * (sorted.len() - 1) as f64) as usize).copied().unwrap_or_default() as f64
    };
    json!({"sum": sum.to_string(), "billableSum": sum.to_string(), "min": at(0.0), "max": at(1.0), "median": at(0.5),
        "p5": at(0.05), "p95": at(0.95), "mean": sum as f64 / sorted.len() as f64})
}
