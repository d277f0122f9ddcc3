//! What a fine-tuning job would be billed for.

use tunebench_providers::Epochs;

use super::Range;
use super::tokens::{Basis, Learned, Length, input};
use crate::tune::Tuning;

/// How often a provider that does not say goes over the data, as far as anybody can suppose.
const USUAL_EPOCHS: u64 = 3;

/// The tokens of a fine-tuning job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Training {
    /// How often the job goes over the data.
    pub epochs: Epochs,
    /// Of the whole training data, once.
    pub tokens: Range<u64>,
    /// Where that number comes from.
    pub basis: Basis,
}

impl Training {
    /// What is billed: the tokens of all epochs.
    pub fn billed(&self) -> Range<u64> {
        self.tokens.map(|tokens| tokens.saturating_mul(self.epochs.number()))
    }

    /// Estimates the job of a tuning, before any answer is known.
    pub(crate) fn of(tuning: &Tuning<'_>) -> Self {
        Self::knowing(tuning, &Learned::default())
    }

    pub(super) fn knowing(tuning: &Tuning<'_>, learned: &Learned) -> Self {
        let Tuning { provider, host, spec, train, prompt, .. } = tuning;
        let rows = train.examples.len();
        let (mut length, mut tokens) = (Length::default(), Some(0u64));
        for example in &train.examples {
            let messages = prompt.render_training(example, example.label);
            messages.iter().for_each(|message| length.add(&message.content));
            let counted = host.count_tokens(&spec.base, &messages);
            tokens = tokens.zip(counted).map(|(sum, tokens)| sum + tokens);
        }
        let (tokens, basis) = input(length, tokens, learned);
        let epochs = provider.epochs(spec, rows).unwrap_or(Epochs::Expected(USUAL_EPOCHS));
        Self { epochs, tokens, basis }
    }
}
