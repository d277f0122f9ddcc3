//! Models in the files of a project, and what is known of them.

use serde_json::Value;

use crate::support::Place;

/// A folder as an application has it.
fn application() -> Place {
    let place = Place::new();
    place.write("app/ask.py", "client.create(\n    model=\"gpt-4o-2024-05-13\",\n)\no1 = o3 + 1\n");
    place.write("app/old.py", "MODEL = \"gpt-4\"  # tunebench: ignore\n");
    place.write("app/list.py", "# tunebench: ignore file\nMODEL = \"gpt-4\"\n");
    place.write("config.yaml", "classifier:\n  model: ft:gpt-4.1-mini-2025-04-14:acme:support:Ab12Cd34\n");
    place.write("README.md", "We use gpt-4o and claude-3-opus-20240229.\n");
    place.write(".gitignore", "build/\n.env\n");
    place.write("build/made.py", "model=\"gpt-3.5-turbo\"\n");
    place.write(".env", "AZURE_MODEL=azure/gpt-4o\n");
    place.write(
        "try.ipynb",
        r#"{"cells": [{"cell_type": "markdown", "source": "gpt-4"}, {"cell_type": "code", "source": ["a = 1\n", "model = 'claude-sonnet-4-5'\n"], "outputs": ["model = 'gpt-4'"]}]}"#,
    );
    place.write("logo.png", b"\x89PNG\0model=\"gpt-4\"");
    place
}

#[test]
fn a_scan_finds_what_is_used_and_when_it_ends() {
    let place = application();
    let done = place.tunebench(&["scan", ".", "--json"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let found: Value = serde_json::from_str(&done.stdout).unwrap();
    let hits: Vec<_> = found["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| {
            let file = hit["file"].as_str().unwrap().trim_start_matches("./").to_owned();
            (file, hit["line"].as_u64().unwrap(), hit["model"].as_str().unwrap(), hit["retires"].as_str())
        })
        .collect();
    let expected = [
        (".env", 1, "azure/gpt-4o", Some("2027-04-14")),
        ("app/ask.py", 2, "openai/gpt-4o-2024-05-13", Some("2026-10-23")),
        ("config.yaml", 2, "openai/ft:gpt-4.1-mini-2025-04-14:acme:support:Ab12Cd34", Some("2027-01-14")),
        ("try.ipynb", 2, "anthropic/claude-sonnet-4-5", Some("2026-11-30")),
    ];
    let expected: Vec<_> =
        expected.map(|(file, line, model, day)| (file.to_owned(), line, model, day)).into();
    assert_eq!(hits, expected);
    assert!(found["mentions"].as_u64().unwrap() >= 4, "{found}");
    let table = place.tunebench(&["scan"]);
    assert!(table.stdout.contains("try.ipynb:cell 2:2"), "{}", table.stdout);
    let fine = place.tunebench(&["scan", ".env", "--within", "0d"]);
    assert_eq!(fine.code, Some(0), "{}", fine.stderr);
    let missing = place.tunebench(&["scan", "no-such"]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
}

#[test]
fn a_project_to_find_the_successor_with_is_written_and_opens() {
    let place = application();
    let done = place.tunebench(&["scan", "--write", "tunebench.toml"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let config = place.read("tunebench.toml");
    assert!(config.contains("tuned = \"ft:gpt-4.1-mini-2025-04-14:acme:support:Ab12Cd34\""), "{config}");
    let data = Place::with_models("");
    for file in ["train.csv", "test.csv"] {
        place.write(file, data.read(file));
    }
    let plan = place.tunebench(&["plan"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    let again = place.tunebench(&["scan", "--write", "tunebench.toml"]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
}

#[test]
fn known_models_are_listed_and_changed() {
    let place = Place::with_models(
        "[known_models.\"openai/gpt-6-luna\"]\nretires = \"2027-02-01\"\n[[model]]\nbase = \"openai/gpt-6-luna\"\n",
    );
    let listed = place.tunebench(&["models", "--provider", "openai", "--retiring", "2027-03-01", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let day =
        |id: &str| listed.as_array().unwrap().iter().find(|model| model["model"] == id)?["retires"].as_str();
    assert_eq!(day("openai/gpt-6-luna"), Some("2027-02-01"));
    assert_eq!(day("openai/gpt-4.1-2025-04-14"), Some("2027-01-14"));
    assert_eq!(day("openai/gpt-5.1-2025-11-13"), None);
    let plan = place.tunebench(&["plan"]);
    assert!(plan.stdout.contains("openai/gpt-6-luna on 2027-02-01"), "{}", plan.stdout);
    let old = place.tunebench(&["models", "--unconfirmed"]);
    assert!(old.stdout.contains("openai/gpt-4o-2024-08-06"), "its training price is of 2025: {}", old.stdout);
    let wrong = place.tunebench(&["models", "--provider", "opnai"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}
