//! What an answer, or the lack of one, counts as.

use tunebench_data::{AnswerError, Prompt};
use tunebench_providers::{AnswerMode, Cause, Completion, FinishReason, ProviderError};
use tunebench_reports::{Answer, InvalidKind, Probability, UnansweredKind};

/// Reads a completion: a label, or the kind of its invalidity.
pub(super) fn of_completion(prompt: &Prompt, mode: AnswerMode, completion: &Completion) -> Answer {
    match &completion.finish {
        FinishReason::Refusal => return Answer::Invalid(InvalidKind::Refused),
        FinishReason::ContentFilter => return Answer::Invalid(InvalidKind::Filtered),
        // The beginning of a long label may be another, shorter label.
        FinishReason::Length
            if !(prompt.is_closed(&completion.text)
                || mode == AnswerMode::Schema && is_json(&completion.text)) =>
        {
            return Answer::Invalid(InvalidKind::Truncated);
        }
        _ => {}
    }
    let label = match mode {
        AnswerMode::Tag => prompt.parse(&completion.text),
        AnswerMode::Schema => prompt.parse_json(&completion.text),
    };
    match label {
        // What was cut off names no label, and the cut is why.
        Err(_) if completion.finish == FinishReason::Length => Answer::Invalid(InvalidKind::Truncated),
        Ok(label) => Answer::Label(label),
        Err(AnswerError::Empty) => Answer::Invalid(InvalidKind::Empty),
        Err(AnswerError::NoLabel) => Answer::Invalid(InvalidKind::NoLabel),
        Err(AnswerError::Ambiguous) => Answer::Invalid(InvalidKind::Ambiguous),
    }
}

/// Whether an answer is whole JSON. Some models answer in tags though a schema was asked for.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text.trim()).is_ok()
}

/// The probability that the model gives to its own answer.
pub(super) fn probability(answer: Answer, completion: &Completion) -> Option<Probability> {
    let Answer::Label(label) = answer else { return None };
    let of_all = completion.probabilities.as_ref().and_then(|all| all.get(label.index()).copied());
    of_all.or(completion.label_probability).and_then(Probability::new)
}

/// Why a row has no answer.
pub(super) fn of_error(error: &ProviderError) -> UnansweredKind {
    match error.cause {
        Cause::Network => UnansweredKind::Network,
        Cause::RateLimit | Cause::Quota => UnansweredKind::Quota,
        Cause::Access | Cause::NotFound | Cause::Invalid | Cause::Unsupported => UnansweredKind::Rejected,
        _ => UnansweredKind::Provider,
    }
}

#[cfg(test)]
mod tests {
    use tunebench_data::{LabelId, LabelSet, PromptTemplate};

    use super::*;

    #[test]
    fn each_answer_is_one_thing() {
        let labels = LabelSet::new(vec!["refund".into(), "refund not there".into()]).unwrap();
        let prompt = Prompt::new(PromptTemplate::default(), labels).unwrap();
        let said = |text: &str, finish| {
            of_completion(&prompt, AnswerMode::Tag, &Completion::new(text).finish(finish))
        };
        let invalid = Answer::Invalid;
        for (text, finish, answer) in [
            ("refund", FinishReason::Stop, Answer::Label(LabelId(0))),
            ("refund", FinishReason::Other("pause".into()), Answer::Label(LabelId(0))),
            ("refund", FinishReason::Length, invalid(InvalidKind::Truncated)),
            ("<output>refund</output> as", FinishReason::Length, Answer::Label(LabelId(0))),
            ("refund", FinishReason::Refusal, invalid(InvalidKind::Refused)),
            ("refund", FinishReason::ContentFilter, invalid(InvalidKind::Filtered)),
            ("", FinishReason::Stop, invalid(InvalidKind::Empty)),
            ("money", FinishReason::Stop, invalid(InvalidKind::NoLabel)),
        ] {
            assert_eq!(said(text, finish.clone()), answer, "{text:?} {finish:?}");
        }
    }

    #[test]
    fn json_that_was_cut_off_is_truncated() {
        let labels = LabelSet::new(vec!["refund".into(), "card".into()]).unwrap();
        let prompt = Prompt::new(PromptTemplate::default(), labels).unwrap();
        let said = |text: &str, finish| {
            of_completion(&prompt, AnswerMode::Schema, &Completion::new(text).finish(finish))
        };
        assert_eq!(said(r#"{"label":"card"}"#, FinishReason::Length), Answer::Label(LabelId(1)));
        assert_eq!(said(r#"{"label":"ca"#, FinishReason::Length), Answer::Invalid(InvalidKind::Truncated));
        assert_eq!(said(r#"{"label":"ca"#, FinishReason::Stop), Answer::Invalid(InvalidKind::NoLabel));
        assert_eq!(said("<output>card", FinishReason::Length), Answer::Invalid(InvalidKind::Truncated));
        assert_eq!(said("\"card\"", FinishReason::Length), Answer::Label(LabelId(1)));
    }

    #[test]
    fn only_a_label_has_a_probability_and_only_a_true_one() {
        let completion = Completion::new("").probabilities(vec![0.25, f32::NAN]);
        let of = |answer| probability(answer, &completion).map(Probability::get);
        assert_eq!(of(Answer::Label(LabelId(0))), Some(0.25));
        assert_eq!(of(Answer::Label(LabelId(1))), None);
        assert_eq!(of(Answer::Label(LabelId(2))), None);
        assert_eq!(of(Answer::Invalid(InvalidKind::Empty)), None);
    }
}
