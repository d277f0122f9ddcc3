//! Batches, from outside: prices, budget, commands and settings. What every service must get right is in `batch_services`.

use tunebench_fakes::openai::{BatchScript, Failing, FakeOpenAi, Fault};

use crate::openai::{BASE, KEY, Project};
use crate::support::Outcome;

const FILE: &str = "results/predictions/openai-gpt-4.1-mini-2025-04-14.csv";

/// A project with so many rows, which is asked in batches and looked after often.
fn project(rows: usize) -> Project {
    with(FakeOpenAi::builder().key(KEY).start().unwrap(), rows, "")
}

fn with(fake: FakeOpenAi, rows: usize, batch: &str) -> Project {
    let project = Project::at(fake, BASE);
    let config = project.place.read("tunebench.toml");
    let config = config.replace("fine_tuning = true\n", "fine_tuning = true\nbatch = true\n");
    project.place.write("tunebench.toml", format!("{config}\n[batch]\npoll_seconds = 0.01\n{batch}"));
    let labels = ["card", "rate", "refund"];
    let rows: String =
        (0..rows).map(|i| format!("is my {} number {i} there,{}\n", labels[i % 3], labels[i % 3])).collect();
    project.place.write("test.csv", format!("text,label\n{rows}"));
    project
}

/// Rows of each outcome.
fn outcomes(project: &Project) -> [usize; 2] {
    let rows = project.place.csv(FILE);
    ["correct", "unanswered"].map(|outcome| rows.iter().filter(|row| row["outcome"] == outcome).count())
}

fn batch(project: &Project) -> Outcome {
    project.tunebench(&["eval", "--yes", "--batch"])
}

#[test]
fn what_a_batch_costs_is_half() {
    let project = project(30);
    let plan = project.tunebench(&["plan", "--batch"]);
    assert!(plan.stdout.contains("in a batch") && plan.stdout.contains("24 h"), "{}", plan.stdout);
    let live = project.tunebench(&["plan", "--json"]).stdout;
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let batched = json(&project.tunebench(&["plan", "--batch", "--json"]).stdout);
    let cost = |plan: &serde_json::Value| plan["total"]["cost_usd"]["expected"].as_f64().unwrap();
    let (live, half) = (cost(&json(&live)), cost(&batched));
    assert!((live / half - 2.0).abs() < 0.01, "{live} {half}");
    assert_eq!(batch(&project).code, Some(0));
    let manifest = json(&project.place.read("results/manifest.json"));
    let model = &manifest["models"][0];
    let (paid, worth) = (model["paid_usd"].as_f64().unwrap(), model["usage"]["cost_usd"].as_f64().unwrap());
    assert!(paid < 0.6 * worth && paid > 0.5 * worth, "{paid} of {worth}");
}

#[test]
fn no_wait_hands_in_and_any_later_command_comes_back() {
    let project = project(12);
    let sent = project.tunebench(&["eval", "--yes", "--batch", "--no-wait"]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    assert!(sent.stderr.contains("11 rows in 1 batch go on"), "{}", sent.stderr);
    assert!(!project.place.path("results/summary.csv").exists());
    let list = project.tunebench(&["batches", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(
        (list[0]["ledger"]["rows"].as_u64(), list[0]["ledger"]["state"].as_str()),
        (Some(11), Some("submitted"))
    );
    // Live, the rows of the batch are left to it.
    let live = project.tunebench(&["eval", "--yes"]);
    assert_eq!((live.code, project.asked()), (Some(3), 1), "{}", live.stderr);
    assert!(live.stderr.contains("11 rows in batches that are under way"), "{}", live.stderr);
    let watched = project.tunebench(&["batches", "watch"]);
    assert_eq!(watched.code, Some(0), "{}", watched.stderr);
    let done = project.tunebench(&["eval", "--yes"]);
    assert_eq!((done.code, outcomes(&project)), (Some(0), [12, 0]), "{}", done.stderr);
    assert_eq!((project.asked(), project.fake.batch_rows(), project.fake.batches().len()), (1, 11, 1));
    let none = project.tunebench(&["batches", "fetch"]);
    assert!(none.stderr.contains("no batches are under way"), "{}", none.stderr);
}

#[test]
fn a_full_queue_is_waited_for() {
    let project = with(FakeOpenAi::builder().key(KEY).start().unwrap(), 12, "rows = 4\n");
    let mut script = BatchScript::default();
    script.queue_full = 2;
    project.fake.script_batches(script);
    let done = batch(&project);
    assert_eq!((done.code, outcomes(&project)), (Some(0), [12, 0]), "{}", done.stderr);
    assert!(done.stderr.contains("queue is full"), "{}", done.stderr);
    assert_eq!((project.fake.batches().len(), project.fake.batch_rows()), (5, 11));
}

#[test]
fn no_more_tokens_wait_at_once_than_are_allowed() {
    // A row is some hundred tokens at most: a batch of all of them would be too much.
    let project = with(FakeOpenAi::builder().key(KEY).start().unwrap(), 12, "queued_tokens = 400\n");
    let done = batch(&project);
    assert_eq!((done.code, outcomes(&project)), (Some(0), [12, 0]), "{}", done.stderr);
    let told: Vec<_> = done.stderr.lines().filter(|line| line.contains("batch batch_")).collect();
    let (handed_in, ended): (Vec<&str>, Vec<&str>) = told.iter().partition(|line| line.contains("handed in"));
    assert!(handed_in.len() > 2 && ended.len() == handed_in.len(), "{}", done.stderr);
    // The last one had to wait until others had ended.
    let last = told.iter().rposition(|line| line.contains("handed in")).unwrap();
    assert!(told[..last].iter().any(|line| !line.contains("handed in")), "{}", done.stderr);
    assert_eq!((project.asked(), project.fake.batch_rows()), (1, 11));
}

#[test]
fn a_cap_is_kept_before_anything_is_handed_in() {
    let project = project(30);
    let done = project.tunebench(&["eval", "--yes", "--batch", "--max-cost", "0.0005"]);
    assert_eq!((done.code, project.fake.batches().len()), (Some(3), 0), "{}", done.stderr);
    assert!(done.stderr.contains("the budget of"), "{}", done.stderr);
    assert_eq!(project.fake.files(), Vec::<String>::new());
}

#[test]
fn a_model_that_cannot_be_asked_is_told_before_a_batch_is_made() {
    let project = project(12);
    project.fake.fail(Failing::new(Fault::Status(400)).on("/chat/completions"));
    let done = batch(&project);
    assert_eq!((done.code, project.fake.batches().len()), (Some(3), 0), "{}", done.stderr);
    assert!(project.fake.files().is_empty() && done.stderr.contains("ended early"), "{}", done.stderr);
}

#[test]
fn new_texts_are_labelled_in_batches() {
    let project = project(6);
    let texts: String = (0..20).map(|i| format!("i want a refund {}\n", i % 15)).collect();
    project.place.write("new.txt", texts);
    let args = ["predict", "--yes", "--batch", "openai/gpt-4.1-mini-2025-04-14", "new.txt", "-o", "out.csv"];
    let done = project.tunebench(&args);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let rows = project.place.csv("out.csv");
    assert_eq!(rows.iter().filter(|row| row["prediction"] == "refund").count(), 20);
    assert_eq!((project.asked(), project.fake.batch_rows()), (1, 14));
    let piped = project.tunebench(&["predict", "--batch", "openai/gpt-4.1-mini-2025-04-14"]);
    assert!(piped.code == Some(2) && piped.stderr.contains("needs a file"), "{}", piped.stderr);
}

#[test]
fn a_batch_that_is_cancelled_keeps_what_it_has() {
    let project = project(12);
    let mut script = BatchScript::ending("completed", 4);
    script.looks = 50;
    project.fake.script_batches(script);
    assert_eq!(project.tunebench(&["eval", "--yes", "--batch", "--no-wait"]).code, Some(0));
    let id = project.fake.batches()[0].clone();
    let cancelled = project.tunebench(&["batches", "cancel", &id]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.stderr);
    let wrong = project.tunebench(&["batches", "cancel", "batch_typo"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("batches list"), "{}", wrong.stderr);
    let watched = project.tunebench(&["batches", "watch"]);
    assert!(watched.stderr.contains("was cancelled: 4 rows answered, 7 not tried"), "{}", watched.stderr);
    assert_eq!(project.fake.batch_rows(), 4);
}

#[test]
fn a_merged_ledger_comes_back_to_the_batches_of_another_machine() {
    let project = project(12);
    let there = ["eval", "--yes", "--batch", "--no-wait", "--state", "there"];
    assert_eq!(project.tunebench(&there).code, Some(0));
    let merged = project.tunebench(&["merge", "there/ledger.sqlite"]);
    assert_eq!(merged.code, Some(0), "{}", merged.stderr);
    assert!(merged.stderr.contains("11 rows in 1 batch are still running"), "{}", merged.stderr);
    let live = project.tunebench(&["eval", "--yes"]);
    assert_eq!((live.code, project.asked()), (Some(3), 1), "{}", live.stderr);
    assert_eq!(project.tunebench(&["batches", "watch"]).code, Some(0));
    let done = project.tunebench(&["eval", "--yes"]);
    assert_eq!((done.code, outcomes(&project)), (Some(0), [12, 0]), "{}", done.stderr);
    assert_eq!((project.asked(), project.fake.batch_rows(), project.fake.batches().len()), (1, 11, 1));
}

#[test]
fn a_batch_of_another_prompt_is_told_and_waits_for_it() {
    let project = project(6);
    assert_eq!(project.tunebench(&["eval", "--yes", "--batch", "--no-wait"]).code, Some(0));
    let config = project.place.read("tunebench.toml");
    project.place.write("tunebench.toml", format!("{config}\n[prompt]\ninstruction = \"Sort it.\"\n"));
    let other = project.tunebench(&["batches", "watch"]);
    assert!(other.code == Some(3) && other.stderr.contains("made with another prompt"), "{}", other.stderr);
    project.place.write("tunebench.toml", config);
    let watched = project.tunebench(&["batches", "watch"]);
    assert!(watched.code == Some(0) && watched.stderr.contains("5 rows answered"), "{}", watched.stderr);
}

#[test]
fn other_roads_are_as_good() {
    // Responses, and the configuration instead of the flag.
    let project = project(12);
    let config =
        project.place.read("tunebench.toml").replace("openai/gpt-4.1-mini", "openai/responses/gpt-4.1-mini");
    project.place.write("tunebench.toml", config + "[evaluation]\nbatch = true\n");
    let done = project.tunebench(&["eval", "--yes"]);
    assert_eq!((done.code, project.fake.batch_rows()), (Some(0), 11), "{}", done.stderr);
    // Files stay where that is wanted.
    let keeping = self::project(6);
    assert_eq!(keeping.tunebench(&["eval", "--yes", "--batch", "--keep"]).code, Some(0));
    assert_eq!(keeping.fake.files().len(), 2);
    // Mistral's jobs, by its preset.
    let fake = FakeOpenAi::builder().key(KEY).model("mistral-small-latest", None).start().unwrap();
    let models = format!(
        "[providers.mistral]\nbase_url = \"{}\"\napi_key_env = \"OPENAI_API_KEY\"\n[[model]]\nbase = \"mistral/mistral-small-latest\"\n[batch]\npoll_seconds = 0.01\n",
        fake.base_url()
    );
    let mistral = Project { place: crate::support::Place::with_models(&models), fake };
    let done = mistral.tunebench(&["eval", "--yes", "--batch"]);
    assert_eq!((done.code, mistral.fake.batch_rows()), (Some(0), 5), "{}", done.stderr);
    assert!(mistral.fake.stats().count("POST /v1/batch/jobs") == 1 && mistral.fake.files().is_empty());
}
