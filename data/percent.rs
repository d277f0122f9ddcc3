//! How a share is shown, everywhere the same.

/// More digits than these tell nobody anything.
const MOST_DIGITS: usize = 8;

/// A share as per cent with one decimal, without the sign. What is short of 0 or 100 never reads as if it were that.
pub fn percent_number(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    match text.as_str() {
        "100.0" if share < 1.0 => ">99.9".to_owned(),
        "0.0" if share > 0.0 => "<0.1".to_owned(),
        _ => text,
    }
}

/// A share as per cent.
pub fn percent(share: f64) -> String {
    format!("{} %", percent_number(share))
}

/// A share as per cent, with as many digits as tell on which side of a limit it lies.
pub fn percent_beside(share: f64, limit: f64) -> String {
    let is_told = |shown: &String| {
        // In whole numbers, of which 95.5 and 0.955 make the same.
        let shown = shown.parse().map_or(f64::NAN, |shown: f64| (shown * 1e8).round());
        [limit, 0.0, 1.0]
            .iter()
            .all(|mark| shown.partial_cmp(&(mark * 1e10).round()) == share.partial_cmp(mark))
    };
    let shown = (1..=MOST_DIGITS).map(|digits| format!("{:.digits$}", share * 100.0)).find(is_told);
    // Nearer than that is the limit itself.
    format!("{} %", shown.unwrap_or_else(|| limit_number(share)))
}

/// A limit as per cent, as it was set, with at least one decimal.
pub fn percent_limit(limit: f64) -> String {
    format!("{} %", limit_number(limit))
}

fn limit_number(limit: f64) -> String {
    // What is set as 0.029 is 2.9, not the nearest number to it.
    let exact = (limit * 1e10).round() / 1e8;
    let short = format!("{exact:.1}");
    if short.parse() == Ok(exact) { short } else { exact.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_short_of_the_whole_is_not_the_whole() {
        assert_eq!(
            [1.0, 0.9996, 0.5, 0.0004, 0.0].map(percent),
            ["100.0 %", ">99.9 %", "50.0 %", "<0.1 %", "0.0 %"]
        );
    }

    #[test]
    fn a_share_never_reads_as_the_limit_that_it_misses() {
        for (share, limit, shown, of) in [
            (0.9996, 1.0, "99.96 %", "100.0 %"),
            (0.954_96, 0.955, "95.496 %", "95.5 %"),
            (0.955, 0.955, "95.5 %", "95.5 %"),
            (0.1 + 0.2, 0.3, "30.0 %", "30.0 %"),
            (0.9, 0.8555, "90.0 %", "85.55 %"),
            (0.000_04, 0.0, "0.004 %", "0.0 %"),
        ] {
            assert_eq!(
                (percent_beside(share, limit), percent_limit(limit)),
                (shown.to_owned(), of.to_owned())
            );
        }
    }

    proptest! {
        #[test]
        fn the_side_of_the_limit_is_told(share in 0.0..=1.0_f64, limit in 0_u32..=1000) {
            let limit = f64::from(limit) / 1000.0;
            let number = |text: String| text.trim_end_matches(" %").parse::<f64>().unwrap();
            let (shown, of) = (number(percent_beside(share, limit)), number(percent_limit(limit)));
            prop_assert!(shown.partial_cmp(&of) == share.partial_cmp(&limit) || (share - limit).abs() < 1e-9);
        }
    }
}
