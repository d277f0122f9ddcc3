//! The history of results: every run is kept, can be listed, named and deleted, and reported on again from anywhere.

use serde_json::Value;
use tunebench_fakes::openai::{Failing, Fault};

use crate::openai::Project;
use crate::support::Place;

const BASE: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n";
const BOTH: &str = "[[model]]\nbase = \"local/lexical\"\n[[model]]\nbase = \"local/majority\"\n";

/// The ids of the runs, the newest first.
fn ids(place: &Place) -> Vec<String> {
    let listed = place.tunebench(&["runs", "--json"]);
    let runs: Value = serde_json::from_str(&listed.stdout).unwrap();
    runs.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_run_is_kept_and_can_be_named() {
    let place = Place::with_models(BOTH);
    assert_eq!(place.tunebench(&["runs"]).stdout, "");
    assert_eq!(place.tunebench(&["eval"]).code, Some(0));
    let first = place.files("results");
    // To evaluate one model is not the end of the report on the other.
    let one = place.tunebench(&["eval", "local/majority"]);
    assert_eq!(one.code, Some(0), "{}", one.stderr);
    let runs = ids(&place);
    assert_eq!(runs.len(), 2);
    assert!(one.stderr.contains(&format!("kept as {0}: `tunebench report {0}`", runs[1])), "{}", one.stderr);
    let kept = place.files(&format!("results/runs/{}", runs[1]));
    assert_eq!(kept.into_values().collect::<Vec<_>>(), first.into_values().collect::<Vec<_>>());

    let listed = place.tunebench(&["runs"]).stdout;
    assert!(listed.contains("latest") && listed.contains(&runs[1]), "{listed}");
    assert_eq!(listed.matches("local/majority").count(), 2, "{listed}");
    let old = place.tunebench(&["report", &runs[1], "--json"]);
    assert_eq!(old.code, Some(0), "{}", old.stderr);
    let old: Value = serde_json::from_str(&old.stdout).unwrap();
    assert_eq!(old["models"].as_array().unwrap().len(), 2);

    // A model now against another one then, and against itself then.
    let lexical = format!("{}:local/lexical", runs[1]);
    let compared = place.tunebench(&["compare", "local/majority", &lexical]);
    assert_eq!(compared.code, Some(0), "{}", compared.stderr);
    let then = format!("{}:local/majority", runs[1]);
    let same = place.tunebench(&["compare", &then, "local/majority"]);
    assert_eq!(same.code, Some(0), "{}", same.stderr);
    assert!(same.stdout.contains(&then), "{}", same.stdout);
}

#[test]
fn earlier_runs_are_deleted_only_with_agreement_and_the_latest_never() {
    let place = Place::with_models("[[model]]\nbase = \"local/majority\"\n");
    for _ in 0..4 {
        assert_eq!(place.tunebench(&["eval"]).code, Some(0));
    }
    let runs = ids(&place);
    assert_eq!(runs.len(), 4);
    let refused = place.tunebench(&["runs", "prune", "--keep", "1"]);
    assert_eq!((refused.code, ids(&place).len()), (Some(2), 4), "{}", refused.stderr);
    assert!(refused.stderr.contains(&runs[3]) && refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert_eq!(place.tunebench(&["runs", "prune", &runs[1], "--yes"]).code, Some(0));
    assert_eq!(ids(&place), [&runs[0], &runs[2], &runs[3]].map(String::clone));
    assert_eq!(place.tunebench(&["runs", "prune", "--keep", "0", "--yes"]).code, Some(0));
    assert_eq!(ids(&place), [runs[0].clone()]);
    let unknown = place.tunebench(&["runs", "prune", "20200101-000000", "--yes"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("there is no run `20200101-000000`"), "{}", unknown.stderr);
}

#[test]
fn a_run_that_ended_early_says_why_and_hides_no_whole_one() {
    let project = Project::new(BASE);
    assert_eq!(project.tunebench(&["eval"]).code, Some(0));
    project.fake.fail(Failing::new(Fault::Billing).on("/chat/completions"));
    let cut_short = project.tunebench(&["eval", "--fresh", "--json"]);
    assert_eq!(cut_short.code, Some(3), "{}", cut_short.stderr);
    assert!(cut_short.stderr.contains("the previous run is kept as "), "{}", cut_short.stderr);
    let cause = "openai/gpt-4.1-mini-2025-04-14: no credit left or a spend limit reached";
    let json: Value = serde_json::from_str(&cut_short.stdout).unwrap();
    let manifest: Value = serde_json::from_str(&project.place.read("results/manifest.json")).unwrap();
    for told in [&json, &manifest] {
        assert!(told["ended_by"].as_str().unwrap().starts_with(cause), "{told}");
    }
    let page = project.place.read("results/report.html");
    assert!(page.contains(">The run ended early: openai/gpt-4.1-mini"), "{}", &page[..2000]);
    assert!(project.place.read("results/report.md").contains("no credit left"));
    let runs = project.place.tunebench(&["runs"]).stdout;
    assert!(runs.contains("latest, incomplete"), "{runs}");
}

#[test]
fn what_a_run_paid_is_told_apart_from_what_earlier_runs_paid() {
    let project = Project::new(BASE);
    let paid = |done: &str| -> (f64, f64) {
        let json: Value = serde_json::from_str(done).unwrap();
        let model = &json["models"][0];
        (model["usage"]["cost_usd"].as_f64().unwrap(), model["paid_usd"].as_f64().unwrap())
    };
    let part =
        paid(&project.tunebench(&["eval", "--max-requests", "4", "--concurrency", "1", "--json"]).stdout);
    assert_eq!(part.0, part.1);
    let rest = paid(&project.tunebench(&["eval", "--json"]).stdout);
    assert!(rest.1 > 0.0 && (part.1 + rest.1 - rest.0).abs() < 1e-9, "{part:?} {rest:?}");
    let nothing = paid(&project.tunebench(&["eval", "--json"]).stdout);
    assert_eq!(nothing, (rest.0, 0.0));
    assert!(project.place.read("results/report.html").contains("of it by this run"));
}

#[test]
fn a_report_is_the_same_wherever_and_whenever_it_is_made() {
    let place = Place::with_models(BOTH);
    place.tunebench(&["eval"]);
    place.tunebench(&["eval"]);
    let page = place.read("results/report.html");
    assert!(page.contains("i want a refund"), "rows are listed with their texts");
    // From elsewhere, with another configuration, and without the data.
    place.write(
        "elsewhere/tunebench.toml",
        "[data]\ntest = \"none.csv\"\ntext = \"other\"\n[[model]]\nbase = \"local/majority\"\n",
    );
    std::fs::remove_file(place.path("test.csv")).unwrap();
    let mut command = place.command(&["report", "--results", "../results"]);
    let again = place.outcome(command.current_dir(place.path("elsewhere")));
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(place.read("results/report.html"), page);

    // Of a run whose texts were never kept, the page stays, and what is missing is told.
    std::fs::remove_file(place.path("results/texts.csv")).unwrap();
    let without = place.tunebench(&["report"]);
    assert_eq!(without.code, Some(0), "{}", without.stderr);
    assert!(without.stderr.contains("the page is left as it was"), "{}", without.stderr);
    assert_eq!(place.read("results/report.html"), page);
}

#[test]
fn the_page_shows_how_a_model_did_from_run_to_run() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\n");
    place.tunebench(&["eval"]);
    assert!(!place.read("results/report.html").contains("Earlier runs"), "there is none yet");
    // The same second may see several runs: the first is made older.
    let manifest = place.read("results/manifest.json");
    let older = manifest.replacen("\"started\": \"20", "\"started\": \"19", 1);
    place.write("results/manifest.json", older);
    place.tunebench(&["eval"]);
    let page = place.read("results/report.html");
    assert!(page.contains("Earlier runs") && page.contains("over 2 runs: from "), "no chart");
    // Other rows are another story.
    place.write("test.csv", "text,label\nis my card on its way,card\n");
    place.tunebench(&["eval"]);
    assert!(!place.read("results/report.html").contains("Earlier runs"));
}

#[test]
fn a_results_folder_of_an_older_version_is_read_and_kept() {
    let place = Place::with_models("[[model]]\nbase = \"local/majority\"\n");
    place.tunebench(&["eval"]);
    let manifest: Value = serde_json::from_str(&place.read("results/manifest.json")).unwrap();
    let mut older = manifest;
    older["models"][0].as_object_mut().unwrap().retain(|name, _| name != "rows" && name != "paid_usd");
    older["started"] = "2026-01-02T03:04:05Z".into();
    place.write("results/manifest.json", older.to_string());
    std::fs::remove_file(place.path("results/texts.csv")).unwrap();
    assert_eq!(place.tunebench(&["report"]).code, Some(0));
    assert_eq!(place.tunebench(&["eval"]).code, Some(0));
    assert_eq!(ids(&place)[1], "20260102-030405");
    let listed = place.tunebench(&["runs"]).stdout;
    assert!(listed.contains("20260102-030405"), "{listed}");
}
