//! Money, exactly.

use std::fmt;

/// An amount in billionths of a US dollar.
///
/// An integer, so that a million small sums add up without drift; 18 billion dollars fit, and more saturates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Cost(u64);

const DOLLAR: u64 = 1_000_000_000;

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many billionths of a dollar.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The amount in billionths of a dollar.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// An amount as users write it; `None` if it is negative, no number, or too large.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let nanos = (dollars * DOLLAR as f64).round();
        (0.0..u64::MAX as f64).contains(&nanos).then_some(Self(nanos as u64))
    }

    /// The amount in dollars, for reports in figures.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / DOLLAR as f64
    }

    /// The sum, or the largest amount there is.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::ZERO, Self::plus)
    }
}

/// Dollars with cents from one dollar up, with four decimals from a cent, and two digits that count below.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.0 {
            0 => return f.write_str("$0"),
            DOLLAR.. => 2,
            10_000_000.. => 4,
            // As many as the second digit needs: nine digits stand behind the point.
            small => (10 - small.ilog10()).min(9),
        };
        let unit = 10u64.pow(9 - decimals);
        let rounded = (self.0.saturating_add(unit / 2)) / unit;
        let per_dollar = DOLLAR / unit;
        write!(f, "${}.{:0width$}", rounded / per_dollar, rounded % per_dollar, width = decimals as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_with_the_digits_that_count() {
        let shown = |nanos| Cost::from_nanos(nanos).to_string();
        assert_eq!(shown(0), "$0");
        assert_eq!(shown(1), "$0.000000001");
        assert_eq!(shown(12), "$0.000000012");
        assert_eq!(shown(12_345), "$0.000012");
        assert_eq!(shown(1_234_567), "$0.0012");
        assert_eq!(shown(9_999_999), "$0.0100");
        assert_eq!(shown(12_345_678), "$0.0123");
        assert_eq!(shown(999_999_999), "$1.0000");
        assert_eq!(shown(1_234_567_890), "$1.23");
        assert_eq!(shown(1_234_567_890_123), "$1234.57");
    }

    #[test]
    fn dollars_come_in_and_out() {
        assert_eq!(Cost::from_dollars(0.1), Some(Cost::from_nanos(100_000_000)));
        for wrong in [-0.1, f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(Cost::from_dollars(wrong), None);
        }
    }
}
