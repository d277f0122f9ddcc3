//! How many tokens a text will be: counted by the model's own vocabulary where that is here, learned from answers that
//! the ledger holds, or else supposed from the length.

use std::time::Duration;

use serde::Serialize;
pub(super) use tunebench_data::TextLength as Length;
use tunebench_providers::Usage;

use super::Range;
use crate::ledger::StoredAnswer;

/// Where a number of tokens comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Counted with the vocabulary of the model.
    Vocabulary,
    /// From the bytes to a token in earlier answers of the model, its base or what was tuned from it.
    Answers,
    /// From the bytes to a token that are usual for the script.
    Length,
}

/// What a provider adds to the text that was counted, such as a schema, as a share of it.
const UNCOUNTED: f64 = 0.05;

/// The tokens that are usual for so much text.
fn usual(length: Length) -> Range<u64> {
    let [low, expected, high] = length.tokens();
    Range { low, expected, high }
}

/// What earlier answers say.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Learned {
    answers: u64,
    bytes: u64,
    used: Usage,
    /// The least and the most bytes to a token sent, and tokens answered.
    bytes_per_token: Option<(f64, f64)>,
    answered: Option<(u64, u64)>,
    /// Answers whose time was measured, and how long these took together.
    timed: u64,
    waited: Duration,
}

impl Learned {
    /// Learns from the answer to a request of so many bytes.
    pub(super) fn learn(&mut self, bytes: usize, answer: &StoredAnswer) {
        let Some(usage) = answer.completion.usage.filter(|usage| usage.input > 0) else { return };
        let ratio = bytes as f64 / usage.input as f64;
        let latency = answer.latency.map(|latency| Duration::from_micros(latency.as_micros().into()));
        self.take(&Self {
            answers: 1,
            bytes: bytes as u64,
            used: usage,
            bytes_per_token: Some((ratio, ratio)),
            answered: Some((usage.output, usage.output)),
            timed: u64::from(latency.is_some()),
            waited: latency.unwrap_or_default(),
        });
    }

    /// Takes in what was learned elsewhere.
    pub(super) fn take(&mut self, other: &Self) {
        self.answers += other.answers;
        self.bytes += other.bytes;
        self.used.input += other.used.input;
        self.used.output += other.used.output;
        self.timed += other.timed;
        self.waited += other.waited;
        let outer = |(a, b): (f64, f64), (c, d): (f64, f64)| (a.min(c), b.max(d));
        self.bytes_per_token = either(self.bytes_per_token, other.bytes_per_token, outer);
        self.answered = either(self.answered, other.answered, |(a, b), (c, d)| (a.min(c), b.max(d)));
    }

    /// How long an answer takes, in the mean.
    pub(super) fn latency(&self) -> Option<Duration> {
        (self.timed > 0).then(|| self.waited.div_f64(self.timed as f64))
    }

    fn tokens(&self, bytes: u64) -> Option<Range<u64>> {
        let ((least, most), bytes) = (self.bytes_per_token?, bytes as f64);
        let mean = self.bytes as f64 / self.used.input as f64;
        let tokens = |per_token: f64| (bytes / per_token).round() as u64;
        Some(Range { low: tokens(most), expected: tokens(mean), high: tokens(least) })
    }

    /// The tokens that so many answers will take.
    pub(super) fn output(&self, answers: u64) -> Option<Range<u64>> {
        let (least, most) = self.answered?;
        let mean = self.used.output as f64 / self.answers as f64;
        Some(Range {
            low: least.saturating_mul(answers),
            expected: (mean * answers as f64).round() as u64,
            high: most.saturating_mul(answers),
        })
    }
}

fn either<T>(a: Option<T>, b: Option<T>, both: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(both(a, b)),
        (a, b) => a.or(b),
    }
}

/// The tokens of a text that is to be sent, from the best that is known.
pub(super) fn input(length: Length, counted: Option<u64>, learned: &Learned) -> (Range<u64>, Basis) {
    if let Some(tokens) = counted {
        let high = tokens + (tokens as f64 * UNCOUNTED).ceil() as u64;
        return (Range { low: tokens, expected: tokens, high }, Basis::Vocabulary);
    }
    match learned.tokens(length.bytes()) {
        Some(tokens) => (tokens, Basis::Answers),
        None => (usual(length), Basis::Length),
    }
}

/// The tokens of so many answers as long as this one, of which none can have more than the cap.
pub(super) fn output(answers: u64, length: Length, cap: u64, learned: &Learned) -> Range<u64> {
    learned.output(answers).unwrap_or_else(|| {
        let Range { low, expected, .. } = usual(length);
        // What a model thinks before it answers, and says beside the label, is not known; the cap is.
        let each = Range { low: low.min(cap), expected: expected.min(cap), high: cap };
        each.map(|tokens| tokens.saturating_mul(answers))
    })
}

#[cfg(test)]
mod tests {
    use tunebench_providers::Completion;
    use tunebench_reports::Latency;

    use super::*;

    fn answer(input: u64, output: u64, latency: Duration) -> StoredAnswer {
        let completion = Completion::new("<output>a</output>").usage(Usage::new(input, output));
        StoredAnswer { completion, latency: Some(Latency::from(latency)), asked: 1 }
    }

    #[test]
    fn the_usual_length_goes_by_the_script() {
        let expected = |text: &str| usual(Length::of(text));
        assert_eq!(expected(&"word ".repeat(80)), Range { low: 80, expected: 100, high: 134 });
        assert_eq!(expected("人人生而自由"), Range { low: 5, expected: 6, high: 9 });
        assert_eq!(expected("свобода"), Range { low: 2, expected: 4, high: 7 });
        let both = Length::of("word").plus(Length::of("人"));
        assert_eq!((Length::of("word人"), both.times(3).bytes()), (both, 21));
    }

    #[test]
    fn earlier_answers_correct_the_ratio_and_bound_it() {
        let mut learned = Learned::default();
        let length = Length::of(&"x".repeat(1000));
        assert_eq!(input(length, None, &learned).1, Basis::Length);
        learned.learn(400, &answer(100, 4, Duration::from_millis(300)));
        learned.learn(300, &answer(100, 6, Duration::from_millis(500)));
        let (tokens, basis) = input(length, None, &learned);
        assert_eq!((tokens, basis), (Range { low: 250, expected: 286, high: 333 }, Basis::Answers));
        assert_eq!(learned.output(10), Some(Range { low: 40, expected: 50, high: 60 }));
        assert_eq!(learned.latency(), Some(Duration::from_millis(400)));
        // A server that counts nothing teaches nothing.
        learned.learn(400, &answer(0, 4, Duration::ZERO));
        assert_eq!(learned.answers, 2);
    }

    #[test]
    fn a_vocabulary_knows_best() {
        let mut learned = Learned::default();
        learned.learn(400, &answer(100, 4, Duration::ZERO));
        let (tokens, basis) = input(Length::of("any"), Some(200), &learned);
        assert_eq!((tokens, basis), (Range { low: 200, expected: 200, high: 210 }, Basis::Vocabulary));
    }

    #[test]
    fn an_answer_is_as_long_as_its_label_or_as_its_cap() {
        let unknown = output(10, Length::of("<output>card</output>"), 128, &Learned::default());
        assert_eq!(unknown, Range { low: 50, expected: 60, high: 1280 });
        let capped = output(1, Length::of("<output>card</output>"), 2, &Learned::default());
        assert_eq!(capped, Range::exactly(2));
    }
}
