//! The Decisions API: made for classification, with a probability for each label. A model of its own:
//! `decisions/gpt-6-luna`.
//!
//! Pure translation, both ways. In public beta since 2026-10-06; shapes and limits from the types of the official
//! Python package of November 2026. It takes no temperature, output cap, effort or schema: choices confine the answer.

use serde_json::{Value, json};
use tunebench_data::{LabelSet, Role};

use super::completions::said;
use super::responses::{usage, version};
use crate::{Cause, Completion, CompletionRequest, FinishReason, ProviderError, Scope};

/// How many choices a question takes.
const MOST_CHOICES: usize = 255;

/// The body of `POST /decisions`.
///
/// The texts and shots go as messages, the task as the question's instruction, and the labels as its choices, in the
/// order of the label set.
pub(super) fn request(request: &CompletionRequest, model: &str) -> Result<Value, ProviderError> {
    let labels = request.prompt.labels();
    if !(2..=MOST_CHOICES).contains(&labels.len()) {
        let message = format!(
            "a decision is between 2 and {MOST_CHOICES} labels, and there are {}; ask `{model}` or another model \
             without the prefix `decisions/`",
            labels.len()
        );
        return Err(ProviderError::new(Cause::Unsupported, message).scope(Scope::Model));
    }
    // The system message speaks of a list of categories and of tags, which there are none of here.
    let messages = request.messages().into_iter().filter(|message| message.role != Role::System);
    let input: Vec<_> = messages.map(|message| said(message, "system")).collect();
    let choices: Vec<_> = labels.names().iter().map(|name| json!({"value": name})).collect();
    let instructions = request.prompt.template().instruction.trim();
    let question =
        json!({"type": "choice", "name": "label", "instructions": instructions, "choices": choices});
    Ok(json!({"model": model, "input": input, "questions": [question]}))
}

/// What a decision says: the chosen label inside the prompt's output tag, so that it is read like any other answer.
pub(super) fn completion(answer: &Value, request: &CompletionRequest) -> Result<Completion, ProviderError> {
    let Some(decided) = answer.pointer("/answers/0") else {
        return Err(ProviderError::new(Cause::Server, "the answer decides nothing"));
    };
    let prompt = &request.prompt;
    let mut completion = match decided.get("type").and_then(Value::as_str) {
        Some("refusal") => Completion::new("").finish(FinishReason::Refusal),
        Some("choice") | None => {
            let choice = decided.get("choice").and_then(Value::as_str).unwrap_or_default();
            let known = prompt.labels().get(choice);
            let mut completion =
                Completion::new(known.map_or(choice.to_owned(), |label| prompt.answer(label)));
            completion.probabilities = probabilities(decided, prompt.labels());
            completion.label_probability = known
                .zip(completion.probabilities.as_ref())
                .and_then(|(label, all)| all.get(label.index()).copied());
            completion
        }
        Some(other) => Completion::new("").finish(FinishReason::Other(other.to_owned())),
    };
    completion.usage = usage(answer);
    completion.model_version = version(answer);
    Ok(completion)
}

/// One for each label, in the order of the label set; nothing if any is missing or is no probability.
fn probabilities(decided: &Value, labels: &LabelSet) -> Option<Vec<f32>> {
    let mut found = vec![None; labels.len()];
    for item in decided.get("probabilities")?.as_array()? {
        // A value may be a boolean too, which is no label of ours even if it is spelt like one.
        let Some(label) = item.get("value").and_then(Value::as_str).and_then(|name| labels.get(name)) else {
            continue;
        };
        let probability = item.get("probability")?.as_f64()? as f32;
        *found.get_mut(label.index())? = Some(probability).filter(|p| (0.0..=1.0).contains(p));
    }
    let all = found.into_iter().collect::<Option<Vec<f32>>>()?;
    (all.iter().sum::<f32>() <= 1.001).then_some(all)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tunebench_data::{LabelId, Prompt, PromptTemplate};

    use super::super::completions::tests::{any_json, question};
    use super::*;
    use crate::AnswerMode;

    #[test]
    fn labels_are_the_choices() {
        let question = question(AnswerMode::Tag).shots([("Send it back".to_owned(), LabelId(0))].into());
        assert_eq!(
            request(&question, "gpt-6-luna").unwrap(),
            json!({
                "model": "gpt-6-luna",
                "input": [
                    {"role": "user", "content": "<item>\nSend it back\n</item>"},
                    {"role": "assistant", "content": "<output>refund</output>"},
                    {"role": "user", "content": "<item>\nWhere is my money?\n</item>"},
                ],
                "questions": [{
                    "type": "choice", "name": "label",
                    "instructions": "Classify the item into exactly one of the categories.",
                    "choices": [{"value": "refund"}, {"value": "card \"arrival\""}, {"value": "exchange"}],
                }],
            })
        );
    }

    #[test]
    fn too_many_labels_are_said_to_be() {
        let ask = |labels: usize| {
            let labels = LabelSet::new((0..labels).map(|i| format!("l{i}")).collect()).unwrap();
            let prompt = Prompt::new(PromptTemplate::default(), labels).unwrap();
            request(&CompletionRequest::new("gpt-6-luna".into(), Arc::new(prompt), "x"), "gpt-6-luna")
        };
        assert!(ask(2).is_ok() && ask(255).is_ok());
        let error = ask(256).unwrap_err();
        assert_eq!((error.cause, error.scope), (Cause::Unsupported, Scope::Model));
        assert!(error.message.contains("255") && error.message.contains("256"), "{error}");
        assert!(ask(1).is_err());
    }

    #[test]
    fn probabilities_come_in_the_order_of_the_labels() {
        let probability =
            |value: Value, probability: f64| json!({"value": value, "probability": probability});
        let answer = json!({"model": "gpt-6-luna", "answers": [{
            "type": "choice", "choice": "exchange", "confidence": 0.7, "probabilities": [
                probability(json!("exchange"), 0.75), probability(json!(true), 0.0),
                probability(json!("refund"), 0.125), probability(json!("card \"arrival\""), 0.125),
            ],
        }]});
        let completion = completion(&answer, &question(AnswerMode::Tag)).unwrap();
        assert_eq!(completion.text, "<output>exchange</output>");
        assert_eq!(completion.probabilities, Some(vec![0.125, 0.125, 0.75]));
        assert_eq!(completion.label_probability, Some(0.75));
    }

    #[test]
    fn a_refusal_is_no_label() {
        let refused = json!({"answers": [{"type": "refusal", "name": "label"}]});
        let found = completion(&refused, &question(AnswerMode::Tag)).unwrap();
        assert_eq!((found.text.as_str(), found.finish), ("", FinishReason::Refusal));
        let strange = json!({"answers": [{"type": "choice", "choice": "money"}]});
        let found = completion(&strange, &question(AnswerMode::Tag)).unwrap();
        assert_eq!((found.text.as_str(), found.probabilities), ("money", None));
        assert!(completion(&json!({"answers": []}), &question(AnswerMode::Tag)).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_is_a_panic_nor_a_wrong_probability(answer in any_json(), decided in any_json()) {
            for answer in [&answer, &json!({"answers": [&decided]})] {
                if let Ok(completion) = completion(answer, &question(AnswerMode::Tag)) {
                    let all = completion.probabilities.unwrap_or_default();
                    prop_assert!(all.is_empty() || all.len() == 3);
                    prop_assert!(all.iter().all(|p| (0.0..=1.0).contains(p)));
                }
            }
        }
    }
}
