//! How figures are written on the page, beyond what all formats for people have in common.

use super::super::{percent_number, points_number};
use crate::Interval;

/// An interval of a share, as per cent.
pub(super) fn share_interval(interval: Interval) -> String {
    format!("{}–{}", percent_number(interval.low), percent_number(interval.high))
}

/// An interval of a difference of shares, in points.
pub(super) fn points_interval(interval: Interval) -> String {
    format!("{} to {}", points_number(interval.low), points_number(interval.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(points_interval(Interval { low: -0.01, high: 0.052 }), "-1.0 to +5.2");
    }
}
