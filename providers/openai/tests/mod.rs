//! The provider against the fake service of the test kit.

mod calls;
mod contract;
mod spec;
mod tuning;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tunebench_data::{Example, ExampleId, LabelId, LabelSet, Prompt, PromptTemplate};

use super::OpenAiProvider;
use crate::test_kit::openai::FakeOpenAi;
use crate::{AnswerMode, CompletionRequest, Parameters, Setup};

/// A key that must turn up nowhere.
const KEY: &str = "sk-test-0123456789abcdef";

/// A provider for the fake, with further settings.
fn provider(fake: &FakeOpenAi, more: Value) -> OpenAiProvider {
    let mut settings =
        json!({"base_url": fake.base_url(), "api_key_env": "TUNEBENCH_FAKE_KEY", "fine_tuning": true});
    let all = settings.as_object_mut().unwrap();
    all.extend(more.as_object().cloned().unwrap_or_default());
    let setup = Setup::new("openai", all.clone(), ".");
    let key = [("TUNEBENCH_FAKE_KEY".to_owned(), KEY.to_owned())];
    OpenAiProvider::new(&setup.variables(BTreeMap::from(key))).unwrap()
}

fn prompt() -> Arc<Prompt> {
    let labels = ["card arrival", "exchange rate", "refund"].map(str::to_owned).to_vec();
    Arc::new(Prompt::new(PromptTemplate::default(), LabelSet::new(labels).unwrap()).unwrap())
}

fn ask(model: &str, text: &str) -> CompletionRequest {
    CompletionRequest::new(model.into(), prompt(), text)
}

fn with(model: &str, text: &str, answer: AnswerMode) -> CompletionRequest {
    ask(model, text).parameters(Arc::new(Parameters { answer, ..Parameters::default() }))
}

/// Texts whose words are not those of their labels, so that only a model that learned from them knows.
fn examples() -> Vec<Example> {
    let texts = ["where is the plastic", "how many dollars for euros", "give my money back"];
    let rows = (0..12).map(|row| {
        let label = row % texts.len();
        let text = format!("{} {row}", texts[label]);
        Example { id: ExampleId::of(&text, "", 0), text, label: LabelId(label as u32), group: None, line: 0 }
    });
    rows.collect()
}
