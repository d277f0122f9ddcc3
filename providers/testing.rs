//! A small task, for the tests of providers.

use std::sync::Arc;

use tunebench_data::{Example, ExampleId, LabelId, LabelSet, Prompt, PromptTemplate};

use crate::{AnswerMode, CompletionRequest, Parameters};

pub(crate) fn prompt() -> Arc<Prompt> {
    let labels = ["card arrival", "exchange rate", "refund"].map(str::to_owned).to_vec();
    Arc::new(Prompt::new(PromptTemplate::default(), LabelSet::new(labels).unwrap()).unwrap())
}

pub(crate) fn ask(model: &str, text: &str) -> CompletionRequest {
    CompletionRequest::new(model.into(), prompt(), text)
}

pub(crate) fn with(model: &str, text: &str, answer: AnswerMode) -> CompletionRequest {
    ask(model, text).parameters(Arc::new(Parameters { answer, ..Parameters::default() }))
}

/// Texts whose words are not those of their labels, so that only a model that learned from them knows.
pub(crate) fn examples() -> Vec<Example> {
    let texts = ["where is the plastic", "how many dollars for euros", "give my money back"];
    let rows = (0..12).map(|row| {
        let label = row % texts.len();
        let text = format!("{} {row}", texts[label]);
        Example::new(ExampleId::of(&text, "", 0), text, LabelId(label as u32))
    });
    rows.collect()
}
