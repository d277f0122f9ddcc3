//! What there is to choose from, and how the program explains itself.

use crate::support::Place;

#[test]
fn providers_are_listed() {
    let place = Place::new();
    let table = place.tunebench(&["providers"]);
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""));
    assert!(table.stdout.contains("local") && table.stdout.contains("none needed"), "{}", table.stdout);
    let json = place.tunebench(&["providers", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let local = list.as_array().unwrap().iter().find(|provider| provider["provider"] == "local").unwrap();
    assert_eq!(local["fine_tuning"], true);
    assert!(!place.path(".tunebench").exists(), "listing leaves nothing behind");
}

#[test]
fn what_can_be_set_is_listed_and_a_slip_is_told() {
    let place = Place::new();
    let listed = place.tunebench(&["providers", "settings", "openai"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (Some(0), ""));
    for name in ["base_url ", "max_tokens_field ", "timeout_seconds ", "requests_per_minute "] {
        assert!(
            listed.stdout.contains(&format!("\n{name}")) || listed.stdout.starts_with(name),
            "{}",
            listed.stdout
        );
    }
    assert!(listed.stdout.lines().all(|line| line.chars().count() <= 80), "{}", listed.stdout);
    let unknown = place.tunebench(&["providers", "settings", "opnai"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("did you mean `openai`?"), "{}", unknown.stderr);
    place.write(
        "tunebench.toml",
        "[data]\ntest = \"t.csv\"\n[providers.groq]\nmax_token_field = \"max_tokens\"\n[[model]]\nbase = \"local/lexical\"\n",
    );
    let slip = place.tunebench(&["providers"]);
    assert_eq!(slip.code, Some(2));
    assert!(slip.stderr.contains("line 4: unknown setting `max_token_field`"), "{}", slip.stderr);
    assert!(slip.stderr.contains("did you mean `max_tokens_field`?"), "{}", slip.stderr);
}

#[test]
fn help_names_every_command_and_wrong_usage_is_2() {
    let place = Place::new();
    let help = place.tunebench(&["--help"]);
    assert_eq!(help.code, Some(0));
    for command in ["run", "tune", "eval", "report", "providers"] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command}: {}", help.stdout);
    }
    let wrong = place.tunebench(&["evaluate"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("eval"), "{}", wrong.stderr);
}
