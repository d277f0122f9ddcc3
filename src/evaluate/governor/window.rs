//! What was sent within the last window.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// In how many grains a window is kept. It bounds the memory, whatever the rate, to some kilobytes.
const GRAINS: u32 = 512;

/// A sliding sum over time.
///
/// An amount is forgotten `length` after the start of its grain, thus at most one grain (1/512 of the length) early.
#[derive(Debug)]
pub(super) struct Window {
    length: Duration,
    grain: Duration,
    origin: Instant,
    /// Amounts by grain, oldest first.
    grains: VecDeque<(u64, u64)>,
    sum: u64,
}

impl Window {
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        let grain = (length / GRAINS).max(Duration::from_micros(1));
        Self { length, grain, origin: now, grains: VecDeque::new(), sum: 0 }
    }

    /// What was sent in the window that ends now.
    pub(super) fn sum(&mut self, now: Instant) -> u64 {
        while let Some(&(index, amount)) = self.grains.front() {
            if self.end_of(index) > now {
                break;
            }
            self.sum -= amount;
            self.grains.pop_front();
        }
        self.sum
    }

    /// When the oldest amount will be forgotten.
    pub(super) fn forgets_at(&self) -> Option<Instant> {
        self.grains.front().map(|(index, _)| self.end_of(*index))
    }

    pub(super) fn add(&mut self, now: Instant, amount: u64) {
        let index = self.index(now);
        self.sum += amount;
        match self.grains.back_mut() {
            Some((last, sum)) if *last >= index => *sum += amount,
            _ => self.grains.push_back((index, amount)),
        }
    }

    /// Puts right what was added at `then`, if it is not yet forgotten.
    pub(super) fn correct(&mut self, then: Instant, was: u64, is: u64) {
        let index = self.index(then);
        if let Ok(at) = self.grains.binary_search_by_key(&index, |grain| grain.0) {
            let amount = &mut self.grains[at].1;
            let right = (*amount + is).saturating_sub(was);
            self.sum = self.sum - *amount + right;
            *amount = right;
        }
    }

    /// When `amount` more fits under `limit`; `None` if it does now.
    ///
    /// An empty window takes any amount: what is more than the whole limit must go some time or be refused elsewhere.
    pub(super) fn fits_at(&mut self, now: Instant, amount: u64, limit: u64) -> Option<Instant> {
        let sum = self.sum(now);
        if sum == 0 || sum + amount <= limit {
            return None;
        }
        let mut left = sum;
        for &(index, amount_then) in &self.grains {
            left -= amount_then;
            if left == 0 || left + amount <= limit {
                return Some(self.end_of(index));
            }
        }
        None
    }

    fn index(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.origin)) / nanos(self.grain)
    }

    fn end_of(&self, index: u64) -> Instant {
        self.origin + Duration::from_nanos(index * nanos(self.grain)) + self.length
    }
}

/// Whole nanoseconds; 584 years fit.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against the plain list of everything that was sent.
        #[test]
        fn the_sum_is_that_of_the_window_but_for_a_grain(
            steps in prop::collection::vec((0u64..4_000_000, 1u64..500), 1..200),
        ) {
            let start = Instant::now();
            let length = Duration::from_secs(1);
            let mut window = Window::new(length, start);
            let (mut now, mut sent) = (start, Vec::new());
            for (micros, amount) in steps {
                now += Duration::from_micros(micros % 40_000);
                window.add(now, amount);
                sent.push((now, amount));
                let within = |span: Duration| -> u64 {
                    sent.iter().filter(|(at, _)| now - *at < span).map(|(_, amount)| amount).sum()
                };
                let sum = window.sum(now);
                prop_assert!(sum <= within(length));
                prop_assert!(sum >= within(length - window.grain));
            }
        }

        #[test]
        fn what_fits_later_fits_then(
            amounts in prop::collection::vec(1u64..100, 1..50), more in 1u64..100, limit in 100u64..1000,
        ) {
            let start = Instant::now();
            let mut window = Window::new(Duration::from_secs(60), start);
            let mut now = start;
            for amount in amounts {
                now += Duration::from_millis(300);
                window.add(now, amount);
            }
            if let Some(later) = window.fits_at(now, more, limit) {
                prop_assert!(later > now);
                prop_assert_eq!(window.fits_at(later, more, limit), None);
            } else {
                prop_assert!(window.sum(now) + more <= limit);
            }
        }
    }

    #[test]
    fn a_correction_counts_where_it_was_sent() {
        let start = Instant::now();
        let mut window = Window::new(Duration::from_secs(60), start);
        window.add(start, 100);
        let later = start + Duration::from_secs(30);
        window.add(later, 10);
        window.correct(start, 100, 140);
        assert_eq!(window.sum(later), 150);
        let after = start + Duration::from_secs(61);
        assert_eq!(window.sum(after), 10);
        window.correct(start, 140, 1);
        assert_eq!(window.sum(after), 10);
    }
}
