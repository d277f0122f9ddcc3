//! What models are sent: the prompts of a run, rendered once, and the exact one of a row.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tunebench_data::{Columns, ExampleId, Item, hex};
use tunebench_providers::ModelRef;
use tunebench_reports::{ModelRecord, PromptMessage};

use super::ModelVariant;
use crate::error::Error;
use crate::evaluate::{EvalTarget, EvaluateError};
use crate::project::Project;
use crate::rendered::{messages, rendered, sketched};

/// The prompts of these models, each once by its [fingerprint](ModelRecord::prompt_sha256).
pub(super) fn prompts<'a>(
    models: impl IntoIterator<Item = &'a (&'a ModelVariant, EvalTarget)>,
) -> BTreeMap<String, Vec<PromptMessage>> {
    let prompt = |(subject, candidate): &(&ModelVariant, EvalTarget)| {
        Some((prompt_sha256(subject, candidate), sketched(candidate)?))
    };
    models.into_iter().filter_map(prompt).collect()
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

/// See [`ModelRecord::prompt_sha256`].
pub(super) fn prompt_sha256(subject: &ModelVariant, candidate: &EvalTarget) -> String {
    // Of examples that are chosen for each text, the rule is what is common.
    let rule = subject.shots.as_ref().map(|(spec, _)| spec.to_string());
    let common = serde_json::to_vec(&(messages(candidate, "".into()), rule, candidate.parameters.answer));
    let digest = Sha256::digest(common.expect("messages are plain data"));
    hex(&digest[..])
}
