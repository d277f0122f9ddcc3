//! In which form a tuned model was taught to answer, as far as its training file is here.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use super::ModelVariant;
use crate::error::Error;
use crate::evaluate::EvalTarget;
use crate::ledger::Ledger;

/// An answer as the model was taught it, where it is asked for another form.
pub(super) fn other_form(
    subject: &ModelVariant,
    candidate: &EvalTarget,
    ledger: &Ledger,
    training_folder: &Path,
) -> Result<Option<String>, Error> {
    let jobs = ledger.jobs()?;
    let mut jobs = jobs.iter().filter(|job| job.order.provider == subject.model.provider());
    let Some(job) = jobs.find(|job| job.tuned_model.as_deref() == Some(subject.model.model())) else {
        return Ok(None);
    };
    let file = training_folder.join(format!("{}.jsonl", job.order.mark.0));
    let Some(taught) = first_answer(&file) else { return Ok(None) };
    let prompt = &candidate.prompt;
    let asked_for = prompt.labels().iter().any(|(label, _)| prompt.answer(label) == taught);
    Ok((!asked_for).then_some(taught))
}

/// What the last message of a training file's first row says. A file that is gone, or is not of messages, tells nothing.
fn first_answer(file: &Path) -> Option<String> {
    let mut line = String::new();
    BufReader::new(fs_err::File::open(file).ok()?).read_line(&mut line).ok()?;
    let row: Value = serde_json::from_str(&line).ok()?;
    let last = |list: &str| row.get(list)?.as_array()?.last().cloned();
    let said = match last("messages") {
        Some(message) => message.get("content").cloned(),
        None => last("contents")?.pointer("/parts/0/text").cloned(),
    };
    Some(said?.as_str()?.to_owned())
}
