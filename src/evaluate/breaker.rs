//! Ends a run early when every row fails for the same reason.

use std::sync::{Mutex, PoisonError};

use tunebench_providers::{Cause, ProviderError, Retry, Scope};

/// Watches how rows end, in whatever order they do.
///
/// It trips at once on a failure that reaches beyond its row and will not pass (a bad key, no credit, no such model);
/// when every one of the first rows fails in the same way; and when many in a row do. A row that is too large says
/// nothing of others.
#[derive(Debug)]
pub struct Breaker {
    first: u32,
    in_a_row: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answered: bool,
    /// The last failure, in a form that leaves out what differs from row to row, and how often it came.
    same: Option<(Cause, String, u32)>,
    tripped: Option<ProviderError>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new(10, 25)
    }
}

impl Breaker {
    /// Trips when all of the `first` rows fail in the same way, or later so many `in_a_row`.
    pub fn new(first: u32, in_a_row: u32) -> Self {
        Self { first: first.max(1), in_a_row: in_a_row.max(1), state: Mutex::default() }
    }

    /// A row was answered.
    pub fn answered(&self) {
        self.with_state(|state| {
            state.answered = true;
            state.same = None;
        });
    }

    /// A row has failed for good. True if the run is to end.
    pub fn failed(&self, error: &ProviderError) -> bool {
        if error.cause == Cause::TooLarge {
            return false;
        }
        self.with_state(|state| {
            let key = without_figures(&error.message);
            let times = match state.same.take() {
                Some((cause, message, times)) if cause == error.cause && message == key => times + 1,
                _ => 1,
            };
            state.same = Some((error.cause, key, times));
            let bound = if state.answered { self.in_a_row } else { self.first.min(self.in_a_row) };
            let lasting = error.scope > Scope::Request && error.retry == Retry::Never;
            if lasting || times >= bound {
                state.tripped.get_or_insert_with(|| error.clone());
            }
            state.tripped.is_some()
        })
    }

    /// Why the run is to end, if it is.
    pub fn tripped(&self) -> Option<ProviderError> {
        self.with_state(|state| state.tripped.clone())
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The same failure differs from row to row in its times and counts.
fn without_figures(message: &str) -> String {
    let mut plain = String::with_capacity(message.len());
    for c in message.chars() {
        match c {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(message: &str) -> ProviderError {
        ProviderError::new(Cause::Server, message)
    }

    #[test]
    fn the_first_rows_failing_alike_end_the_run() {
        let breaker = Breaker::new(3, 10);
        assert!(!breaker.failed(&server("down for 10 s")));
        assert!(!breaker.failed(&server("down for 9 s")));
        assert_eq!(breaker.tripped(), None);
        assert!(breaker.failed(&server("down for 8 s")));
        assert_eq!(breaker.tripped(), Some(server("down for 8 s")));
    }

    #[test]
    fn different_failures_or_an_answer_do_not() {
        let breaker = Breaker::new(3, 5);
        for message in ["a", "a", "b", "b", "a", "a"] {
            assert!(!breaker.failed(&server(message)));
        }
        breaker.answered();
        for _ in 0..4 {
            assert!(!breaker.failed(&server("a")));
        }
        breaker.answered();
        for _ in 0..4 {
            assert!(!breaker.failed(&server("a")));
        }
        assert!(breaker.failed(&server("a")));
    }

    #[test]
    fn no_credit_ends_it_at_once_and_a_bad_row_does_not() {
        let breaker = Breaker::default();
        breaker.answered();
        assert!(!breaker.failed(&ProviderError::new(Cause::Invalid, "no such field")));
        for _ in 0..100 {
            assert!(!breaker.failed(&ProviderError::new(Cause::TooLarge, "too long")));
        }
        for row in 0..24 {
            let flagged = ProviderError::new(Cause::Access, format!("input {row} was flagged"));
            assert!(!breaker.failed(&flagged.scope(Scope::Request)));
        }
        breaker.answered();
        assert!(breaker.failed(&ProviderError::new(Cause::Quota, "no credit")));
        assert_eq!(breaker.tripped().unwrap().cause, Cause::Quota);
        assert!(breaker.failed(&server("other")));
        assert_eq!(breaker.tripped().unwrap().cause, Cause::Quota);
    }
}
