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
