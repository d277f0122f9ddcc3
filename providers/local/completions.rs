//! Answers of the embedded models.

use std::cell::RefCell;

use tunebench_data::{LabelId, LabelSet};

use super::classifier::Scratch;
use super::lexical::LexicalScratch;
use super::models::{Model, Models};
use crate::{Cause, Completion, CompletionRequest, ProviderError, Scope};

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    static LEXICAL: RefCell<LexicalScratch> = RefCell::default();
}

/// Names a label, or says nothing where the model knows nothing.
pub(super) async fn complete(
    models: &Models,
    request: &CompletionRequest,
) -> Result<Completion, ProviderError> {
    let labels = request.prompt.labels();
    match models.get(&request.model, &request.prompt)? {
        Model::Majority => {
            let most = most_frequent(&request.label_counts).ok_or_else(|| {
                ProviderError::new(
                    Cause::Unsupported,
                    "the majority model needs training data to count labels in",
                )
                .hint("set `train` under `[data]`")
            })?;
            Ok(Completion::new(labels.name(most)))
        }
        Model::Lexical(lexical) => {
            let label = LEXICAL.with_borrow_mut(|scratch| {
                lexical.predict(&request.text, scratch).map(|likeness| labels.name(largest(likeness)))
            });
            Ok(Completion::new(label.unwrap_or_default()))
        }
        Model::Ngrams(classifier) => SCRATCH.with_borrow_mut(|scratch| {
            sure(labels, classifier.labels(), classifier.predict(&request.text, scratch))
        }),
        Model::Untrained(untrained) => {
            let model = &untrained.model;
            let asked = untrained.batcher.ask(&request.text, |texts| model.likeness(texts)).await;
            let (likeness, took) = asked.ok_or_else(broken_off)?;
            Ok(Completion::new(labels.name(largest(&likeness))).took(took))
        }
        Model::Encoder(tuned) => {
            let asked = tuned.batcher.ask(&request.text, |texts| tuned.model.predict(texts)).await;
            let (probabilities, took) = asked.ok_or_else(broken_off)?;
            Ok(sure(labels, tuned.model.labels(), &probabilities)?.took(took))
        }
    }
}

/// The most probable label, and the probability of each.
fn sure(asked: &LabelSet, trained: &LabelSet, probabilities: &[f32]) -> Result<Completion, ProviderError> {
    let probabilities = in_order_of(asked, trained, probabilities)?;
    let best = largest(&probabilities);
    Ok(Completion::new(asked.name(best)).probabilities(probabilities))
}

fn broken_off() -> ProviderError {
    ProviderError::new(Cause::Server, "the computation of other texts failed, and with it that of this one")
}

/// The first of the most frequent labels.
fn most_frequent(counts: &[u64]) -> Option<LabelId> {
    let most = *counts.iter().max()?;
    counts.iter().position(|&count| count == most).map(|i| LabelId(i as u32))
}

/// The label with the largest figure, the first one of equals.
pub(super) fn largest(figures: &[f32]) -> LabelId {
    let mut best = 0;
    for (i, &figure) in figures.iter().enumerate() {
        if figure > figures[best] {
            best = i;
        }
    }
    LabelId(best as u32)
}

/// Probabilities for the labels that are asked for. A model that was trained for other labels can't answer.
fn in_order_of(
    asked: &LabelSet,
    trained: &LabelSet,
    probabilities: &[f32],
) -> Result<Vec<f32>, ProviderError> {
    if trained == asked {
        return Ok(probabilities.to_vec());
    }
    let mut ordered = vec![0.0; asked.len()];
    for ((_, name), &p) in trained.iter().zip(probabilities) {
        let id = asked.get(name).ok_or_else(|| {
            ProviderError::new(
                Cause::Invalid,
                format!("the model was trained with a label `{name}` that this task lacks"),
            )
            .scope(Scope::Model)
            .hint("tune a model on this task's training data")
        })?;
        ordered[id.index()] = p;
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_wins() {
        assert_eq!(most_frequent(&[1, 3, 3]), Some(LabelId(1)));
        assert_eq!(most_frequent(&[]), None);
        assert_eq!(largest(&[0.2, 0.4, 0.4]), LabelId(1));
    }
}
