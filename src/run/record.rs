//! What a manifest says of a model that was put to the test.

use std::collections::BTreeMap;

use serde_json::Value;
use tunebench_providers::Usage;
use tunebench_reports::{Counts, ModelRecord, Outcome, TokenUsage};

use crate::deploy::Stood;
use crate::evaluate::{Answers, EvalTarget};
use crate::rendered::prompt_sha256;
use crate::variants::ModelVariant;

/// The record of a model and its answers.
pub(super) fn record(
    subject: &ModelVariant,
    repeat: u32,
    file: String,
    candidate: &EvalTarget,
    answers: &Answers,
    stood: Option<&Stood>,
) -> ModelRecord {
    let Usage { input, output, .. } = answers.usage;
    let in_process = candidate.in_process();
    let price = candidate.price.as_ref().and_then(|price| price.of(answers.usage)).map(|cost| cost.dollars());
    // Where the machine is paid for, its minutes are all that is known of a cost.
    let deployed = candidate.must_be_deployed();
    let price = if deployed { stood.map(|stood| stood.cost.dollars()) } else { price };
    // What is computed here costs nothing; that is known, and not a price that is missing.
    let cost_usd = price.or(in_process.then_some(0.0));
    let usage = (in_process || input + output > 0).then_some(TokenUsage {
        input_tokens: input,
        output_tokens: output,
        cost_usd,
    });
    ModelRecord {
        model: subject.name(repeat),
        // Only the first answers are compared: the others tell how steady they are.
        tuned_from: subject.base_name().filter(|_| repeat == 0),
        repeat_of: (repeat > 0).then(|| subject.name(0)),
        earlier: None,
        seed_of: subject.seed_of.clone().filter(|_| repeat == 0),
        file,
        asked: Some(subject.model.model().to_owned()),
        prompt_sha256: Some(prompt_sha256(subject, candidate)),
        description: match &subject.shots {
            Some((spec, _)) => Some(format!("the base, with {} in its prompt", spec.in_words())),
            None => match stood {
                Some(stood) => Some(stood.to_string()),
                None => answers.info.as_ref().and_then(|info| info.description.clone()),
            },
        },
        answered_by: answered_by(subject, in_process, answers),
        usage,
        paid_usd: (in_process || candidate.price.is_some()).then(|| {
            let machine = stood.map(|stood| stood.cost).unwrap_or_default();
            answers.tally.spent.plus(machine).dollars()
        }),
        rows: Some(counts(answers)),
        job_id: subject.job.as_ref().map(|job| job.id.0.clone()),
        hyperparameters: subject.job.as_ref().map_or(Value::Null, |job| job.hyperparameters.clone().into()),
    }
}

fn counts(answers: &Answers) -> Counts {
    let mut counts = Counts::default();
    for prediction in &answers.predictions {
        *match prediction.outcome() {
            Outcome::Correct => &mut counts.correct,
            Outcome::Incorrect => &mut counts.incorrect,
            Outcome::Invalid => &mut counts.invalid,
            Outcome::Unanswered => &mut counts.unanswered,
        } += 1;
    }
    counts
}

/// The model versions that answered. A model that is computed here is no alias of another one: where its provider names no
/// version, its own name is one.
fn answered_by(subject: &ModelVariant, in_process: bool, answers: &Answers) -> BTreeMap<String, u64> {
    let answered = answers.predictions.iter().filter(|prediction| prediction.is_answered()).count() as u64;
    if !in_process || !answers.answered_by.is_empty() || answered == 0 {
        return answers.answered_by.clone();
    }
    BTreeMap::from([(subject.model.model().to_owned(), answered)])
}
