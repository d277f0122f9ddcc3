//! How money, time and numbers of things are written for people.

use super::thousands;

/// A number of things, with their name.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// Dollars, with as many decimals as it takes to see something.
pub(super) fn dollars(value: f64) -> String {
    match value {
        v if v != 0.0 && v.abs() < 0.0001 => "< $0.0001".to_owned(),
        v if v != 0.0 && v.abs() < 0.01 => format!("${v:.4}"),
        v if v.abs() < 100.0 => format!("${v:.2}"),
        v => format!("${}", thousands(v.round() as u64)),
    }
}

/// Milliseconds, or seconds where they are many.
pub(super) fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 0.1 => "< 0.1 ms".to_owned(),
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(counted(5_000, "row", "rows"), "5,000 rows");
        assert_eq!(
            [0.0, 0.00002, 0.0023, 0.041, 1.5, 1234.5].map(dollars),
            ["$0.00", "< $0.0001", "$0.0023", "$0.04", "$1.50", "$1,235"]
        );
        assert_eq!([0.01, 1.25, 340.4, 1250.0].map(duration), ["< 0.1 ms", "1.2 ms", "340 ms", "1.2 s"]);
    }
}
