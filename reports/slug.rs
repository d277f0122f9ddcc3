//! File names for model references, which may hold slashes, colons and worse.

use std::collections::HashSet;

/// The longest file name that is made; room is left for an extension.
const LONGEST: usize = 100;

/// Names that Windows keeps for devices, with any extension.
const RESERVED: &[&str] = &["con", "prn", "aux", "nul"];

/// A file name, without extension, for each model reference, in the same order.
///
/// Each has 1 to 100 characters of `A-Z a-z 0-9 . _ -`, does not begin with a dot or a hyphen, and differs from
/// the others even where capitals do not count, as on Windows and macOS.
pub fn slugs<S: AsRef<str>>(models: &[S]) -> Vec<String> {
    let mut taken = HashSet::with_capacity(models.len());
    models
        .iter()
        .map(|model| {
            let plain = plain(model.as_ref());
            let mut slug = plain.clone();
            let mut number = 2u64;
            while !taken.insert(slug.to_ascii_lowercase()) {
                let suffix = format!("-{number}");
                slug = format!("{}{suffix}", &plain[..plain.len().min(LONGEST - suffix.len())]);
                number += 1;
            }
            slug
        })
        .collect()
}

/// The name that the reference alone asks for.
fn plain(model: &str) -> String {
    let mut slug = String::new();
    for c in model.chars() {
        match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '_' => slug.push(c),
            '.' if !slug.is_empty() => slug.push('.'),
            // Runs of what cannot stand become one hyphen, and none at the beginning.
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() == LONGEST {
            break;
        }
    }
    slug.truncate(slug.trim_end_matches(['-', '.']).len());
    let stem = slug.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let device = RESERVED.contains(&stem.as_str())
        || (stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")));
    if slug.is_empty() || device {
        slug.insert_str(0, "model-");
        slug.truncate(slug.trim_end_matches('-').len().min(LONGEST));
    }
    slug
}

/// Whether file names from elsewhere keep the promises of [`slugs`]; if not, says why.
pub(crate) fn check<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut taken = HashSet::new();
    for name in names {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if name.is_empty() || name.len() > LONGEST || name.starts_with('.') || !name.bytes().all(allowed) {
            return Err(format!("`{}` is not a safe file name", name.escape_debug()));
        }
        if !taken.insert(name.to_ascii_lowercase()) {
            return Err(format!("duplicate file name `{name}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_references_stay_readable() {
        assert_eq!(
            slugs(&["local/lexical", "openai/ft:gpt-4.1-mini-2025-04-14:acme::B1x", "LOCAL/Lexical"]),
            ["local-lexical", "openai-ft-gpt-4.1-mini-2025-04-14-acme-B1x", "LOCAL-Lexical-2"]
        );
    }

    #[test]
    fn odd_references_get_a_name_too() {
        assert_eq!(
            slugs(&["", "..", "../..", "nul", "模型"]),
            ["model", "model-2", "model-3", "model-nul", "model-4"]
        );
        assert_eq!(slugs(&["com1.x"]), ["model-com1.x"]);
    }

    proptest! {
        #[test]
        fn any_references_get_safe_names_that_differ(models in prop::collection::vec("\\PC{0,120}|[aA./-]{0,3}", 0..20)) {
            let slugs = slugs(&models);
            prop_assert_eq!(slugs.len(), models.len());
            prop_assert_eq!(check(slugs.iter().map(String::as_str)), Ok(()));
        }
    }
}
