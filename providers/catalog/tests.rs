//! The file holds together, and the rules by which an id finds its entry.

use std::collections::HashSet;

use jiff::civil::date;

use super::*;

fn find(host: &str, model: &str) -> Option<&'static KnownModel> {
    Catalog::built_in().find(host, model)
}

#[test]
fn the_longest_id_that_fits_wins_and_siblings_are_unknown() {
    for (host, model, id) in [
        ("openai", "gpt-4.1", "gpt-4.1-2025-04-14"),
        ("openai", "gpt-4.1-2025-04-14", "gpt-4.1-2025-04-14"),
        ("openai", "gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("openai", "ft:gpt-4.1-mini-2025-04-14:acme:x:Ab1:ckpt-step-9", "ft:gpt-4.1-mini-2025-04-14"),
        ("openai", "decisions/gpt-6-luna", "decisions/gpt-6-luna"),
        ("vertex", "gemini-2.5-flash@001", "gemini-2.5-flash"),
        ("groq", "openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("fireworks", "gpt-oss-20b", "accounts/fireworks/models/gpt-oss-20b"),
        ("local", "lexical", "*"),
    ] {
        assert_eq!(find(host, model).map(|known| known.id.as_str()), Some(id), "{host}/{model}");
    }
    for (host, model) in
        [("openai", "gpt-4.1-micro"), ("acme", "gpt-4.1"), ("openai", ""), ("openai", "gpt-4.")]
    {
        assert_eq!(find(host, model), None, "{host}/{model}");
    }
}

#[test]
fn an_id_or_alias_stands_once_at_a_host() {
    let mut seen = HashSet::new();
    for model in Catalog::built_in().iter() {
        for name in model.names() {
            assert!(seen.insert((model.host.as_str(), name)), "{}/{name} stands twice", model.host);
        }
    }
}

/// The day on which the file was made: what is found wrong later is no mistake of it.
const MADE: Date = date(2026, 11, 28);

#[test]
fn a_model_without_a_price_is_found() {
    for model in Catalog::built_in().iter() {
        let name = format!("{}/{}", model.host, model.id);
        let said = model.prices.is_complete() || model.unpriced || model.is_retired(MADE);
        assert!(said, "{name} has no price; find one, or say `unpriced = true`");
        assert!(!(model.unpriced && model.prices.is_complete()), "{name} is not unpriced");
        if let Some((from, later)) = &model.later {
            assert!(*from > MADE && later.is_complete(), "{name}");
        }
    }
}

#[test]
fn every_entry_says_who_said_so_and_when() {
    let File { sources, hosts } = toml::from_str(BUILT_IN).unwrap();
    let mut used = HashSet::new();
    for (host, models) in &hosts {
        for (id, entry) in models {
            assert!(!entry.source.is_empty() && entry.date.is_none(), "{host}/{id}");
            for source in &entry.source {
                assert!(
                    sources.contains_key(source),
                    "{host}/{id} names the source `{source}`, which is not there"
                );
                used.insert(source.as_str());
            }
        }
    }
    let unused: Vec<_> = sources.keys().filter(|name| !used.contains(name.as_str())).collect();
    assert!(unused.is_empty(), "no entry is from {unused:?}");
}

#[test]
fn a_replacement_is_a_model_that_is_still_there() {
    for model in Catalog::built_in().iter() {
        let Some(replacement) = &model.replacement else { continue };
        // What only a bill or a note of the host names is not an entry of its own.
        let Some(successor) = find(&model.host, replacement) else { continue };
        assert!(!successor.is_retired(MADE), "{}/{} → {replacement}", model.host, model.id);
    }
}

#[test]
fn what_is_old_is_told() {
    let stale: Vec<_> = Catalog::built_in().iter().filter(|model| model.is_stale(MADE, 90)).collect();
    assert!(stale.iter().any(|model| model.id == "gpt-4o-2024-08-06"), "its training price is of 2025");
    assert!(!stale.iter().any(|model| model.id == "gpt-6-luna"));
    // `tunebench models --unconfirmed` lists them for today: a test that fails by the calendar would stop old versions.
    let later = date(2027, 6, 1);
    assert!(Catalog::built_in().iter().all(|model| model.is_stale(later, 90)));
}

#[test]
fn users_change_what_they_name_and_add_what_is_missing() {
    let own = "[\"openai/gpt-4.1\"]\nretires = \"2028-01-01\"\ninput = 9\n[\"acme/m-1\"]\ninput = 1\noutput = 2\nbatch = 0.5";
    let own = toml::from_str(own).unwrap();
    let catalog = Catalog::built_in().with_own(&own).unwrap();
    let changed = catalog.find("openai", "gpt-4.1-2025-04-14").unwrap();
    assert_eq!(
        (changed.retires, changed.prices.input, changed.prices.output),
        (Some(date(2028, 1, 1)), Some(9.0), Some(8.0))
    );
    assert!(changed.own && changed.tunable && changed.replacement.is_some());
    assert_eq!(catalog.find("acme", "m-1-2026-01-01").unwrap().prices.batch, Some(0.5));
    let wrong = toml::from_str("[gpt]\ninput = 1").unwrap();
    assert_eq!(Catalog::built_in().with_own(&wrong), Err(BadKey("gpt".into())));
}
