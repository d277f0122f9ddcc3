//! One row of a run: found by its id, its line or a piece of its text, with what each model made of it.

use std::path::Path;

use tunebench_data::{Columns, Example, ExampleId, Item, TestSet};
use tunebench_providers::ModelRef;
use tunebench_reports::{ModelRecord, Prediction, PromptMessage, RowDetails, Run};

use crate::error::Error;
use crate::evaluate::EvaluateError;
use crate::project::Project;
use crate::rendered::{prompt_sha256, rendered};
use crate::results::{Results, ResultsError};
use crate::texts;
use crate::variants::ModelVariant;

/// How many rows are listed where several are meant.
const LISTED: usize = 20;

/// How a row is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// By its identity.
    Id(ExampleId),
    /// By the line of the test file where it begins; where none begins there, it is a piece of text.
    Line(u64, String),
    /// By a piece of its text, in upper or lower case.
    Text(String),
}

impl From<&str> for Wanted {
    fn from(query: &str) -> Self {
        let query = query.trim();
        match (query.parse(), query.parse()) {
            (_, Ok(line)) if query.len() < 16 => Self::Line(line, query.to_lowercase()),
            (Ok(id), _) => Self::Id(id),
            _ => Self::Text(query.to_lowercase()),
        }
    }
}

/// A row that was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Its identity.
    pub(crate) id: ExampleId,
    /// The line of the test file where it begins; 0 where it is not known.
    pub(crate) line: u64,
    /// Its text, where the test file is at hand.
    pub(crate) text: Option<String>,
    /// Its own columns.
    pub(crate) fields: Vec<(String, String)>,
}

impl From<Example> for Row {
    fn from(example: Example) -> Self {
        let fields = example.fields.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { id: example.id, line: example.line, text: Some(example.text), fields }
    }
}

/// The rows that may be meant.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The first of them.
    pub(crate) rows: Vec<Row>,
    /// How many there are.
    pub(crate) total: usize,
    /// Why there are no texts.
    pub(crate) without_texts: Option<String>,
}

impl Found {
    fn add(&mut self, row: impl FnOnce() -> Row) {
        self.total += 1;
        if self.rows.len() < LISTED {
            self.rows.push(row());
        }
    }
}

/// Finds rows in the test file of a run; where that is not at hand, among the predictions.
pub(crate) fn find(wanted: &Wanted, run: &Run, results: &Results, config: &Path) -> Result<Found, Error> {
    match texts::test_set(run, config) {
        Ok(test) => in_file(wanted, &test.carrying(Columns::All)),
        Err(reason) => {
            let mut found = in_results(wanted, run, results)?;
            found.without_texts = Some(reason);
            Ok(found)
        }
    }
}

fn in_file(wanted: &Wanted, test: &TestSet) -> Result<Found, Error> {
    let (mut found, mut by_text) = (Found::default(), Found::default());
    for example in test.examples().map_err(EvaluateError::from)? {
        let example = example.map_err(EvaluateError::from)?;
        match wanted {
            Wanted::Id(id) if example.id == *id => found.add(|| example.into()),
            Wanted::Line(line, _) if example.line == *line => found.add(|| example.into()),
            Wanted::Line(_, piece) | Wanted::Text(piece) if example.text.to_lowercase().contains(piece) => {
                by_text.add(|| example.into());
            }
            _ => {}
        }
    }
    Ok(if found.total > 0 { found } else { by_text })
}

fn in_results(wanted: &Wanted, run: &Run, results: &Results) -> Result<Found, Error> {
    let mut found = Found::default();
    let Some(model) = run.manifest.models.first() else { return Ok(found) };
    let mut details = results.details(model)?;
    while let Some((id, row)) = details.next_row().map_err(ResultsError::from)? {
        let meant = match wanted {
            Wanted::Id(wanted) => id == *wanted,
            Wanted::Line(line, _) => row.line == *line,
            Wanted::Text(_) => false,
        };
        if meant {
            found.add(|| Row { id, line: row.line, text: None, fields: row.fields });
        }
    }
    Ok(found)
}

/// What a model made of a row.
#[derive(Debug, Clone)]
pub(crate) struct Answered<'a> {
    /// The model.
    pub(crate) record: &'a ModelRecord,
    /// What its answer counts as.
    pub(crate) prediction: Prediction,
    /// The answer itself, and what it took.
    pub(crate) details: RowDetails,
}

/// What every model made of a row, in the order of the report; models that were not asked about it are left out.
pub(crate) fn answers<'a>(
    id: ExampleId,
    run: &'a Run,
    results: &Results,
) -> Result<Vec<Answered<'a>>, Error> {
    let mut answers = Vec::new();
    for (record, evaluation) in run.manifest.models.iter().zip(&run.evaluations) {
        let Some(prediction) = evaluation.predictions.iter().find(|row| row.id == id) else { continue };
        let mut details = results.details(record)?;
        let mut found = RowDetails::default();
        while let Some((row, details)) = details.next_row().map_err(ResultsError::from)? {
            if row == id {
                found = details;
                break;
            }
        }
        answers.push(Answered { record, prediction, details: found });
    }
    Ok(answers)
}

/// What a model of a run was sent for an item, if the project still asks it in the same way.
///
/// The inner error says why it is not known.
pub(crate) fn sent(
    project: &Project,
    record: &ModelRecord,
    id: ExampleId,
    item: Item<'_>,
) -> Result<Result<Vec<PromptMessage>, &'static str>, Error> {
    let Some(subject) = subject(project, record) else { return Ok(Err("the model is not in the project")) };
    let candidate = subject.candidate(project)?;
    if record.prompt_sha256.as_deref() != Some(prompt_sha256(&subject, &candidate).as_str()) {
        return Ok(Err("the configuration or the training data has changed since"));
    }
    let known = |name: &String| item.fields.is_some_and(|fields| fields.get(name).is_some());
    if let Columns::Named(names) = candidate.prompt.columns()
        && !names.iter().all(known)
    {
        // The columns that make the text, such as these, are not carried under their own names elsewhere.
        let mut examples = project.test.examples().map_err(EvaluateError::from)?.filter_map(Result::ok);
        return Ok(match examples.find(|example| example.id == id) {
            Some(example) => Ok(rendered(&candidate, (&example).into()).unwrap_or_default()),
            None => Err("its prompt shows columns that are not at hand here"),
        });
    }
    Ok(rendered(&candidate, item).ok_or("it is computed on this machine, from the text itself"))
}

/// The model of a record, as the project asks it; without a look at any provider.
fn subject(project: &Project, record: &ModelRecord) -> Option<ModelVariant> {
    let name = record.repeat_of.as_ref().unwrap_or(&record.model);
    if let Some(variant) = project.known_variants().find(|variant| variant.name(0) == *name) {
        return Some(variant);
    }
    let (provider, _) = name.split_once('/')?;
    let subject = ModelVariant::plain(ModelRef::new(provider, record.asked.as_deref()?).ok()?);
    let prompts = project.named_prompts.keys().map(|prompt| Some(prompt.clone()));
    let mut asked = prompts.chain([None]).map(|prompt| ModelVariant { prompt, ..subject.clone() });
    asked.find(|subject| subject.name(0) == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_asked_for_in_three_ways() {
        assert_eq!(Wanted::from(" 12 "), Wanted::Line(12, "12".to_owned()));
        assert_eq!(Wanted::from("00000000000000ff"), Wanted::Id(ExampleId(255)));
        assert_eq!(Wanted::from("1234567890123456"), Wanted::Id(ExampleId(0x1234_5678_9012_3456)));
        assert_eq!(Wanted::from("My Card"), Wanted::Text("my card".to_owned()));
    }
}
