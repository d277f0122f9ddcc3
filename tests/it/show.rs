//! What a model was sent and what it said, for every row: in the predictions and by `tunebench show`.

use serde_json::Value;
use tunebench_fakes::openai::FakeOpenAi;

use crate::openai::{KEY, Project};

const MODEL: &str =
    "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n[[model]]\nbase = \"local/lexical\"\n";
const TEST: &str = "ticket_id,text,id,label\n\
    T-1,where is my card,a,card\nT-2,\"the rate\nof the euro\",b,rate\nT-3,give my money back,c,refund\nT-4,my card is gone,d,card\n";

fn evaluated() -> Project {
    let fake = FakeOpenAi::builder().key(KEY).record(true).start().unwrap();
    let project = Project::at(fake, MODEL);
    project.place.write("test.csv", TEST);
    let done = project.tunebench(&["eval", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    project
}

#[test]
fn predictions_hold_the_answer_the_line_and_the_own_columns() {
    let project = evaluated();
    let rows = project.place.csv("results/predictions/openai-gpt-4.1-mini-2025-04-14.csv");
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("line"), ["2", "3", "5", "6"]);
    assert_eq!(column("ticket_id"), ["T-1", "T-2", "T-3", "T-4"]);
    assert_eq!(column("own_id"), ["a", "b", "c", "d"], "an own column never takes the place of one of ours");
    assert!(rows.iter().all(|row| row["answer"].contains(row["prediction"].as_str())), "{rows:?}");
    assert!(rows.iter().all(|row| row["input_tokens"].parse::<u64>().is_ok_and(|tokens| tokens > 0)));
    assert!(rows.iter().all(|row| row["cost_usd"].parse::<f64>().is_ok_and(|cost| cost > 0.0)));
    assert_eq!(column("model_version")[0], "gpt-4.1-mini-2025-04-14");
    let local = project.place.csv("results/predictions/local-lexical.csv");
    assert!(local.iter().all(|row| row["answer"] == row["prediction"] && row["model_version"].is_empty()));

    // From the ledger they are the same, and `report` leaves them as they are.
    let first = project.place.read("results/predictions/openai-gpt-4.1-mini-2025-04-14.csv");
    assert_eq!(project.tunebench(&["eval", "--yes"]).code, Some(0));
    assert_eq!(project.tunebench(&["report"]).code, Some(0));
    assert_eq!(project.place.read("results/predictions/openai-gpt-4.1-mini-2025-04-14.csv"), first);
}

#[test]
fn a_row_is_shown_with_the_prompt_that_was_sent() {
    let project = evaluated();
    let shown = project.tunebench(&["show", "5"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    for part in [
        "T-3",
        "give my money back",
        "Sent to openai/gpt-4.1-mini-2025-04-14:",
        "<item>",
        "[system]",
        "MODEL",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {}", shown.stdout);
    }
    let json = |args: &[&str]| -> Value { serde_json::from_str(&project.tunebench(args).stdout).unwrap() };
    let row = json(&["show", "5", "--json"]);
    assert_eq!((&row["text"], &row["columns"]["ticket_id"]), (&"give my money back".into(), &"T-3".into()));
    // What is shown is what was sent, byte by byte.
    let sent = project.fake.recorded();
    let prompt = &row["models"][0]["prompt"];
    assert!(sent.iter().any(|exchange| exchange.request["messages"] == *prompt), "{prompt:#}");
    assert_eq!(row["models"][1]["prompt"], Value::Null, "nothing is sent to what is computed here");

    // By its id, and by a piece of its text; where several rows hold it, they are listed.
    let id = row["id"].as_str().unwrap();
    assert_eq!(json(&["show", id, "--json"]), row);
    assert_eq!(json(&["show", "MONEY back", "--json"]), row);
    let listed = project.tunebench(&["show", "card"]);
    assert!(
        listed.stdout.contains("where is my card") && listed.stdout.contains("my card is gone"),
        "{}",
        listed.stdout
    );
    let none = project.tunebench(&["show", "nothing holds this"]);
    assert_eq!(none.code, Some(2));
    let one = json(&["show", "5", "--json", "--model", "local/lexical"]);
    assert_eq!(one["models"].as_array().unwrap().len(), 1);

    // A prompt that is no longer the same is not shown as if it had been sent.
    let changed = project.place.read("tunebench.toml") + "\n[prompt]\ninstruction = \"Another task.\"\n";
    project.place.write("tunebench.toml", changed);
    let shown = project.tunebench(&["show", "5"]);
    assert!(
        shown.stdout.contains("has changed since") && !shown.stdout.contains("Another task"),
        "{}",
        shown.stdout
    );
}

#[test]
fn texts_stay_out_of_results_where_they_are_not_wanted() {
    let project = Project::new(&format!("[evaluation]\ntexts = false\n{MODEL}"));
    project.place.write("test.csv", TEST);
    assert_eq!(project.tunebench(&["eval", "--yes"]).code, Some(0));
    assert_eq!(project.tunebench(&["report"]).code, Some(0));
    let all: String = project.place.files("results").into_values().map(|file| format!("{file:?}")).collect();
    for text in ["give my money back", "T-3", "ticket_id", "<output>"] {
        assert!(!all.contains(text) || text == "<output>" && !all.contains("<output>card"), "{text}");
    }
    let rows = project.place.csv("results/predictions/local-lexical.csv");
    assert!(rows.iter().all(|row| row["answer"].is_empty() && !row["line"].is_empty()));
}

#[test]
fn the_prompt_stands_in_the_plan_the_manifest_and_the_page() {
    let project = evaluated();
    let plan = project.tunebench(&["plan"]).stdout;
    assert!(plan.contains("prompt for openai/gpt-4.1-mini-2025-04-14") && plan.contains("{text}"), "{plan}");
    let manifest: Value = serde_json::from_str(&project.place.read("results/manifest.json")).unwrap();
    let fingerprint = manifest["models"][0]["prompt_sha256"].as_str().unwrap();
    let messages = manifest["rendered_prompts"][fingerprint].as_array().unwrap();
    assert!(messages[1]["content"].as_str().unwrap().contains("{text}"), "{messages:?}");
    assert!(project.place.read("results/report.html").contains("As it was sent"));
}
