//! A figure that is not known exactly: what to expect, and between what it lies.

use std::iter::Sum;
use std::ops::Add;

use crate::budget::Cost;

/// An estimate with its bounds. They are no confidence limits: nothing that is known speaks for a figure outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range<T> {
    /// The least.
    pub low: T,
    /// What to expect.
    pub expected: T,
    /// The most.
    pub high: T,
}

impl<T: Copy> Range<T> {
    /// A figure that is known.
    pub fn exactly(value: T) -> Self {
        Self { low: value, expected: value, high: value }
    }

    /// The same of another figure that grows with this one.
    pub fn map<U>(self, f: impl Fn(T) -> U) -> Range<U> {
        Range { low: f(self.low), expected: f(self.expected), high: f(self.high) }
    }

    /// What two estimates make together; both may be at their bounds at once.
    pub fn with<U: Copy, V>(self, other: Range<U>, f: impl Fn(T, U) -> V) -> Range<V> {
        Range {
            low: f(self.low, other.low),
            expected: f(self.expected, other.expected),
            high: f(self.high, other.high),
        }
    }
}

impl Add for Range<u64> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }
}

impl Sum for Range<u64> {
    fn sum<I: Iterator<Item = Self>>(ranges: I) -> Self {
        ranges.fold(Self::default(), Self::add)
    }
}

impl Sum for Range<Cost> {
    fn sum<I: Iterator<Item = Self>>(ranges: I) -> Self {
        ranges.fold(Self::default(), |sum, range| sum.with(range, Cost::plus))
    }
}
