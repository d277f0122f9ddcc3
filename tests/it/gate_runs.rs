//! The gate after real runs of embedded models: costs, versions, models that are tuned anew.

use serde_json::{Value, json};

use crate::gate::gate;
use crate::support::Place;

const LOCAL: &str = "[[model]]\nbase = \"local/majority\"\n[[model]]\nbase = \"local/lexical\"\ntune = {}\n";

/// A project whose models are computed here, evaluated.
fn local_project() -> Place {
    let place = Place::with_models(LOCAL);
    let done = place.tunebench(&["run", "--no-doctor"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    place
}

#[test]
fn what_is_computed_here_costs_nothing_and_has_a_version() {
    let place = local_project();
    let updated = place.tunebench(&["gate", "--update-baseline"]);
    assert_eq!(updated.code, Some(0), "{}", updated.stderr);
    let done = gate(&place, &["--max-cost", "0", "--same-version"]);
    assert!(done.stdout.contains("passed       cost: $0.0000, at most $0"), "{}", done.stdout);
    assert!(done.stdout.contains("passed       version: lexical-ft-"), "{}", done.stdout);
    let manifest: Value = serde_json::from_str(&place.read("results/manifest.json")).unwrap();
    assert_eq!(manifest["models"][0]["usage"]["cost_usd"], 0.0);
    assert_eq!(manifest["models"][0]["answered_by"], json!({ "majority": 6 }));
}

#[test]
fn a_model_that_is_tuned_anew_is_compared_with_the_one_before() {
    let place = local_project();
    assert_eq!(place.tunebench(&["gate", "--update-baseline"]).code, Some(0));
    let baseline = place.read("tunebench.baseline");
    assert!(baseline.contains("\ntuned_from \"local/lexical\"\n"), "{baseline}");
    let before = baseline.split("\nmodel \"").nth(1).unwrap().split('"').next().unwrap();
    let text = place.read("tunebench.toml").replace("tune = {}", "tune = { l2 = 5 }");
    place.write("tunebench.toml", text);
    assert_eq!(place.tunebench(&["run", "--no-doctor"]).code, Some(0));
    let done = gate(&place, &[]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let said = format!(" is compared with {before} of the baseline.");
    assert!(done.stdout.contains(&said), "{}", done.stdout);
    let new = done.stdout.split(&said).next().unwrap().rsplit(' ').next().unwrap();
    assert_ne!(new, before);
    let named =
        gate(&place, &["--model", new, "--model", "local/majority", "--test", "off", "--max-invalid", "0"]);
    assert!(named.code == Some(0) && named.stdout.contains("\n local/majority\n"), "{}", named.stdout);
    let named = gate(&place, &["--model", new]);
    assert!(named.code == Some(0) && named.stdout.contains(&said), "{}{}", named.stdout, named.stderr);
    // Another model than the one before has another version.
    assert_eq!(gate(&place, &["--same-version"]).code, Some(1));
}

#[test]
fn the_floor_is_judged_where_it_is_named_or_alone() {
    let place = local_project();
    let limits = ["--test", "off", "--min-accuracy", "0.9"];
    let done = gate(&place, &limits);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    assert!(!done.stdout.contains("local/majority"), "{}", done.stdout);
    let named = gate(&place, &[&limits[..], &["--model", "local/majority"]].concat());
    assert_eq!(named.code, Some(1), "{}", named.stdout);
    place.write(
        "tunebench.toml",
        place.read("tunebench.toml").split("[[model]]\nbase = \"local/lexical").next().unwrap(),
    );
    assert_eq!(place.tunebench(&["eval"]).code, Some(0));
    assert_eq!(gate(&place, &limits).code, Some(1));
}
