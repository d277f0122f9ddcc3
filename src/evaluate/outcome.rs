//! What an answer, or the lack of one, counts as.

use tunebench_data::{AnswerError, LabelId, Prompt};
use tunebench_providers::{Cause, Completion, FinishReason, ProviderError};
use tunebench_reports::{Answer, InvalidKind, Probability, UnansweredKind};

/// Reads a completion: a label, or the kind of its invalidity.
pub(super) fn of_completion(prompt: &Prompt, completion: &Completion) -> Answer {
    match &completion.finish {
        FinishReason::Refusal => return Answer::Invalid(InvalidKind::Refused),
        FinishReason::ContentFilter => return Answer::Invalid(InvalidKind::Filtered),
        // The beginning of a long label may be another, shorter label.
        FinishReason::Length if !prompt.is_closed(&completion.text) => {
            return Answer::Invalid(InvalidKind::Truncated);
        }
        _ => {}
    }
    match prompt.parse(&completion.text) {
        // What was cut off names no label, and the cut is why.
        Err(_) if completion.finish == FinishReason::Length => Answer::Invalid(InvalidKind::Truncated),
        Ok(label) => Answer::Label(label),
        Err(AnswerError::Empty) => Answer::Invalid(InvalidKind::Empty),
        Err(AnswerError::Ambiguous) => Answer::Invalid(InvalidKind::Ambiguous),
        Err(AnswerError::Unfinished) => Answer::Invalid(InvalidKind::Truncated),
        Err(_) => Answer::Invalid(InvalidKind::NoLabel),
    }
}

/// The probability that the model gives to its own answer.
pub(super) fn probability(answer: Answer, completion: &Completion) -> Option<Probability> {
    let Answer::Label(label) = answer else { return None };
    of_all(label, completion).or_else(|| completion.label_probability.and_then(Probability::new))
}

/// The probability of any label, where the model gives those of all.
pub(super) fn of_all(label: LabelId, completion: &Completion) -> Option<Probability> {
    completion.probabilities.as_ref()?.get(label.index()).copied().and_then(Probability::new)
}

/// Why a row has no answer.
pub(crate) fn of_error(error: &ProviderError) -> UnansweredKind {
    match error.cause {
        Cause::Network => UnansweredKind::Network,
        Cause::RateLimit | Cause::Quota => UnansweredKind::Quota,
        Cause::Access | Cause::NotFound | Cause::Invalid | Cause::TooLarge | Cause::Unsupported => {
            UnansweredKind::Rejected
        }
        _ => UnansweredKind::Provider,
    }
}

#[cfg(test)]
mod tests {
    use tunebench_data::{LabelSet, PromptTemplate};

    use super::*;

    #[test]
    fn each_answer_is_one_thing() {
        let labels = LabelSet::new(vec!["refund".into(), "refund not there".into()]).unwrap();
        let prompt = Prompt::new(PromptTemplate::default(), labels).unwrap();
        let said = |text: &str, finish| of_completion(&prompt, &Completion::new(text).finish(finish));
        let invalid = Answer::Invalid;
        for (text, finish, answer) in [
            ("refund", FinishReason::Stop, Answer::Label(LabelId(0))),
            ("refund", FinishReason::Other("pause".into()), Answer::Label(LabelId(0))),
            ("refund", FinishReason::Length, invalid(InvalidKind::Truncated)),
            ("<output>refund</output> as", FinishReason::Length, Answer::Label(LabelId(0))),
            ("<think><output>refund</output>", FinishReason::Stop, invalid(InvalidKind::Truncated)),
            ("<think><output>refund</output>", FinishReason::Length, invalid(InvalidKind::Truncated)),
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
        let said = |text: &str, finish| of_completion(&prompt, &Completion::new(text).finish(finish));
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
