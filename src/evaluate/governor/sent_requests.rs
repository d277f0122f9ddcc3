//! What became of the last requests, in the order in which they left.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::estimate::Estimate;
use super::windows::Loads;

/// A request that was let go.
#[derive(Debug, Clone, Copy)]
pub(super) struct SentRequest {
    /// Its number: later ones have higher numbers.
    pub(super) number: u64,
    pub(super) at: Instant,
    pub(super) estimate: Estimate,
    pub(super) tokens: u64,
    pub(super) before: Before,
}

/// What had been sent before a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Before {
    pub(super) requests: Loads,
    pub(super) tokens: Loads,
}

/// How many requests are remembered, at most.
const MOST: usize = 1024;

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Pending,
    Answered,
    Refused(Before),
    /// It failed in another way, which says nothing of limits.
    Unknown,
}

/// The last requests. When several were refused that left one after the other, with none between them that was
/// answered, that is no accident: a limit is reached. A lone refusal among answers is.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    first: u64,
    last: VecDeque<Outcome>,
}

impl Outcomes {
    /// One more leaves; gives its number.
    pub(super) fn depart(&mut self) -> u64 {
        while self.last.len() >= MOST {
            self.last.pop_front();
            self.first += 1;
        }
        self.last.push_back(Outcome::Pending);
        self.next() - 1
    }

    /// The number of the next one.
    pub(super) fn next(&self) -> u64 {
        self.first + self.last.len() as u64
    }

    pub(super) fn answered(&mut self, number: u64) {
        self.set(number, Outcome::Answered);
    }

    pub(super) fn unknown(&mut self, number: u64) {
        self.set(number, Outcome::Unknown);
    }

    /// One was refused: how many were in a row, up to `most`, and what had been sent before the first of them.
    pub(super) fn refused(&mut self, number: u64, before: Before, most: usize) -> (usize, Before) {
        self.set(number, Outcome::Refused(before));
        let Some(at) = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok()) else {
            return (1, before);
        };
        let (mut in_a_row, mut first) = (1, before);
        for outcome in self.last.iter().take(at).rev() {
            match outcome {
                Outcome::Refused(before) if in_a_row < most => {
                    in_a_row += 1;
                    first = *before;
                }
                Outcome::Unknown => {}
                _ => break,
            }
        }
        for outcome in self.last.iter().skip(at + 1) {
            match outcome {
                Outcome::Refused(_) if in_a_row < most => in_a_row += 1,
                Outcome::Unknown => {}
                _ => break,
            }
        }
        (in_a_row, first)
    }

    fn set(&mut self, number: u64, outcome: Outcome) {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(slot) = at.and_then(|at| self.last.get_mut(at)) {
            *slot = outcome;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_a_row_are_counted_whatever_the_order_in_which_they_come_back() {
        let mut outcomes = Outcomes::default();
        let numbers: Vec<_> = (0..8).map(|_| outcomes.depart()).collect();
        let before = |n: u64| {
            let requests = Loads { sent: [n; 3], taken: [n; 3] };
            Before { requests, ..Before::default() }
        };
        outcomes.answered(numbers[0]);
        assert_eq!(outcomes.refused(numbers[4], before(4), 5), (1, before(4)));
        assert_eq!(outcomes.refused(numbers[2], before(2), 5), (1, before(2)));
        // The third closes the gap.
        assert_eq!(outcomes.refused(numbers[3], before(3), 5), (3, before(2)));
        outcomes.unknown(numbers[5]);
        assert_eq!(outcomes.refused(numbers[6], before(6), 5), (4, before(2)));
        outcomes.answered(numbers[7]);
        assert_eq!(outcomes.refused(numbers[1], before(1), 5), (5, before(1)));
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut outcomes = Outcomes::default();
        for _ in 0..3 * MOST {
            outcomes.depart();
        }
        assert_eq!(outcomes.next(), 3 * MOST as u64);
        assert_eq!(outcomes.last.len(), MOST);
        assert_eq!(outcomes.refused(1, Before::default(), 5), (1, Before::default()));
    }
}
