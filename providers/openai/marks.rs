//! Our mark in the name of a model, at hosts whose jobs keep no metadata.

use crate::JobMark;

/// What stands before a mark.
const OURS: &str = "tb-";
/// How many hexadecimal digits it has.
const DIGITS: usize = 32;

/// A mark as a suffix or a name: 35 characters, of which every host takes 40.
pub(super) fn named(mark: &JobMark) -> String {
    format!("{OURS}{}", mark.0)
}

/// The mark that a name holds, wherever it stands in it.
pub(super) fn read(name: &str) -> Option<JobMark> {
    let mark = name.get(name.find(OURS)? + OURS.len()..)?.get(..DIGITS)?;
    let digits = mark.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    digits.then(|| JobMark(mark.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mark_is_found_in_any_name() {
        let digits = "0123456789abcdef0123456789abcdef";
        for (name, found) in [
            (named(&JobMark(digits.into())), true),
            (format!("qwen3-14b-tb-{digits}-x1"), true),
            (format!("tb-{}", &digits[1..]), false),
            ("tb-é".repeat(20), false),
            ("mine".to_owned(), false),
        ] {
            assert_eq!(read(&name).is_some_and(|mark| mark.0 == digits), found, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name(name in "\\PC{0,60}|(tb-[0-9a-f]{30,34}é?){0,2}") {
            let _ = read(&name);
        }
    }
}
