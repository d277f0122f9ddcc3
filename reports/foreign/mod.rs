//! What other tools wrote, read as a run of ours: promptfoo's output in JSON or JSON Lines, inspect_ai's log in JSON, lm-eval's samples.
//!
//! Each reader takes over the judgement of its tool: what that held to be right is right here, so that the accuracy is
//! the one that the tool reported, errors apart: those are no answers here, and lower the coverage. Which tool wrote a
//! file is told by its content. Tasks with one label for each text are read; all else is refused with the reason.

mod inspect;
mod lm_eval;
mod normalize;
mod promptfoo;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::de::IgnoredAny;
use serde_json::Deserializer;
use tunebench_data::ExampleId;

use crate::Run;

/// A tool whose results can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `promptfoo eval -o out.json`.
    Promptfoo,
    /// `inspect eval … --log-format json`.
    Inspect,
    /// `lm_eval … --log_samples --output_path DIR`.
    LmEval,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promptfoo => "promptfoo",
            Self::Inspect => "inspect_ai",
            Self::LmEval => "lm-eval",
        })
    }
}

/// The results of another tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    /// Who wrote them.
    pub tool: Tool,
    /// The rows of each model. A row has the id that it has in a data file of ours, as long as the tool kept its text;
    /// else one that is made from the tool's own.
    pub run: Run,
    /// The texts, as far as the tool kept them.
    pub texts: BTreeMap<ExampleId, String>,
}

/// Why a file is not read as the results of another tool.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// No tool that is known here wrote this.
    #[error(
        "this is neither promptfoo's output in JSON or JSON Lines, nor inspect_ai's log in JSON, nor lm-eval's samples in JSON lines"
    )]
    Unknown {
        /// What it seems to be, and what would do instead.
        hint: Option<&'static str>,
    },
    /// The JSON is broken, or a part of it has another form than the tool gives it.
    #[error("{tool}'s results cannot be read: {place}{error}")]
    Json {
        /// Whose results these seem to be.
        tool: Tool,
        /// Where, if the error itself does not tell: empty, or a place with a colon and a space.
        place: String,
        /// What is wrong; names line and column.
        error: serde_json::Error,
    },
    /// A record lacks what is needed, or holds what makes no sense.
    #[error("{tool}'s results cannot be read: {place}: {problem}")]
    Record {
        /// Whose results these are.
        tool: Tool,
        /// Which record, in the words of the format.
        place: String,
        /// What is missing or wrong.
        problem: String,
    },
    /// This is not a task in which each text has one label out of a closed list.
    #[error("these results of {tool} are not of a classification with one label for each text: {reason}")]
    Task {
        /// Whose results these are.
        tool: Tool,
        /// What tells so.
        reason: String,
    },
}

impl ForeignError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unknown { hint } => *hint,
            Self::Json { .. } | Self::Record { .. } | Self::Task { .. } => None,
        }
    }
}

/// Reads the results of another tool.
///
/// `name` names the model where the format does not: lm-eval's samples hold no name, the folder they lie in does.
pub fn read(bytes: &[u8], name: &str) -> Result<Foreign, ForeignError> {
    // A byte-order mark, as some shells put it in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Python writes `NaN` where a metric has no value; JSON has no such number.
    let clean = std::str::from_utf8(bytes).ok().and_then(tunebench_data::without_nonfinite);
    let bytes = clean.as_deref().map_or(bytes, str::as_bytes);
    match detect(bytes)? {
        Tool::Promptfoo => promptfoo::read(bytes),
        Tool::Inspect => inspect::read(bytes),
        Tool::LmEval => lm_eval::read(bytes, name),
    }
}

/// Tells the tool by the names of the members of the first JSON object.
fn detect(bytes: &[u8]) -> Result<Tool, ForeignError> {
    let unknown = |hint| Err(ForeignError::Unknown { hint });
    if bytes.starts_with(b"PK\x03\x04") {
        return unknown(Some(
            "a log of inspect_ai in its own format can be turned into JSON: `inspect log convert LOG --to json --output-dir DIR`",
        ));
    }
    let mut first = Deserializer::from_slice(bytes).into_iter::<HashMap<String, IgnoredAny>>();
    let members = match first.next() {
        Some(Ok(members)) => members,
        _ => return unknown(None),
    };
    let has = |wanted: &[&str]| wanted.iter().all(|name| members.contains_key(*name));
    if has(&["eval", "status"]) {
        Ok(Tool::Inspect)
    } else if has(&["doc_id", "filtered_resps"]) {
        Ok(Tool::LmEval)
    } else if has(&["results", "config"]) || has(&["testIdx", "promptIdx", "testCase"]) {
        Ok(Tool::Promptfoo)
    } else if has(&["results", "configs"]) || has(&["results", "n-shot"]) || has(&["results", "versions"]) {
        unknown(Some(
            "this is lm-eval's summary; the rows are in `samples_*.jsonl`, which `--log_samples` writes",
        ))
    } else {
        unknown(None)
    }
}
