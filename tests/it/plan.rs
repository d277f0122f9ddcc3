//! `tunebench plan`, and the question before a run spends money.

use serde_json::Value;

use crate::openai::Project;
use crate::support::{Outcome, Place};

const BASE: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n";
const TUNED: &str =
    "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntune = { n_epochs = 3, suffix = \"it\" }\n";
/// A model that costs money and one that does not, with nobody to ask: a plan needs no service.
const MIXED: &str = "[providers.openai]\nrequests_per_minute = 3\n\
    [[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntune = { n_epochs = 3 }\n\
    [[model]]\nbase = \"openai/gpt-nobody-knows\"\n\
    [[model]]\nbase = \"local/lexical\"\ntune = {}\n";

fn json(outcome: &Outcome) -> Value {
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn a_plan_shows_what_a_run_would_do_and_leaves_nothing_behind() {
    let place = Place::with_models(MIXED);
    let plan = place.tunebench(&["plan"]);
    assert_eq!((plan.code, plan.stderr.as_str()), (Some(0), ""));
    #[cfg(not(feature = "tiktoken"))]
    assert_eq!(plan.stdout, include_str!("plan.txt"));
    let json = json(&place.tunebench(&["plan", "--json"]));
    assert_eq!((&json["format_version"], &json["rows"]), (&1.into(), &6.into()));
    let steps: Vec<_> = json["steps"].as_array().unwrap().iter().map(|step| &step["step"]).collect();
    assert_eq!(steps, ["evaluate", "train", "evaluate", "evaluate", "evaluate", "train", "evaluate"]);
    assert_eq!(json["total"]["requests"], 18);
    assert!(json["steps"][3]["cost_usd"].is_null(), "an unknown price is not zero: {json:#}");
    assert_eq!(json["steps"][4]["cost_usd"]["high"], 0.0);
    assert!(!place.path(".tunebench").exists() && !place.path("results").exists());
}

#[test]
fn what_the_ledger_has_costs_nothing() {
    let project = Project::new(TUNED);
    let total = |args: &[&str]| json(&project.tunebench(args))["total"].clone();
    let before = total(&["plan", "--json"]);
    assert_eq!((&before["requests"], &before["jobs"]), (&12.into(), &1.into()));
    assert!(before["cost_usd"]["expected"].as_f64().unwrap() > 0.0);

    assert_eq!(project.tunebench(&["eval"]).code, Some(0));
    let between = json(&project.tunebench(&["plan", "--json"]));
    assert_eq!((&between["total"]["requests"], &between["total"]["jobs"]), (&6.into(), &1.into()));
    assert_eq!(
        (&between["steps"][0]["known"], &between["steps"][0]["cost_usd"]["high"]),
        (&6.into(), &0.0.into())
    );
    #[cfg(not(feature = "tiktoken"))]
    assert_eq!(between["steps"][1]["tokens_from"], "answers", "the base's answers teach: {between:#}");

    assert_eq!(project.tunebench(&["run", "--yes"]).code, Some(0));
    let after = total(&["plan", "--json"]);
    assert_eq!(
        (&after["requests"], &after["jobs"], &after["cost_usd"]["high"]),
        (&0.into(), &0.into(), &0.0.into())
    );
    let asked = project.asked();

    // New rows are counted alone, fresh answers all over again, and a look changes nothing.
    let test = project.place.read("test.csv");
    project.place.write("test.csv", format!("{test}one more card,card\n"));
    assert_eq!(total(&["plan", "--json"])["requests"], 2);
    assert_eq!(total(&["plan", "--json", "--fresh"])["requests"], 14);
    assert_eq!(total(&["plan", "--json"])["requests"], 2);
    assert_eq!(total(&["plan", "--json", "--repeat", "2"])["requests"], 2 + 14);
    assert_eq!(project.asked(), asked);
}

/// What was asked about in vain, or is about to be, is what the plan says: no more and no less.
#[test]
fn a_run_asks_as_often_as_the_plan_says() {
    let project = Project::new(TUNED);
    assert_eq!(project.tunebench(&["eval", "--max-requests", "4"]).code, Some(3));
    let plan = json(&project.tunebench(&["plan", "--json"]));
    let planned = plan["total"]["requests"].as_u64().unwrap();
    let before = project.asked();
    assert_eq!(project.tunebench(&["run", "--yes"]).code, Some(0));
    assert_eq!((planned, project.asked() - before), (8, 8));
    let manifest: Value = serde_json::from_str(&project.place.read("results/manifest.json")).unwrap();
    let used = &manifest["models"][1]["usage"];
    let [low, high] = ["low", "high"].map(|bound| plan["steps"][2]["input_tokens"][bound].as_u64().unwrap());
    let input = used["input_tokens"].as_u64().unwrap();
    assert!((low..=high).contains(&input), "{low} to {high} were expected, and {input} used");
}

#[test]
fn without_a_terminal_money_is_spent_only_with_yes() {
    let project = Project::new(&format!("[budget]\nask_above = 0\n{BASE}"));
    let refused = project.tunebench(&["run"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("plan: 6 requests: about $0.00"), "{}", refused.stderr);
    assert!(refused.stderr.contains("error: this would spend about $0.00"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: confirm with `--yes`"), "{}", refused.stderr);
    assert_eq!(project.fake.stats().total(), 0);

    let agreed = project.tunebench(&["run", "--yes"]);
    assert_eq!((agreed.code, project.asked()), (Some(0), 6), "{}", agreed.stderr);
    let known = project.tunebench(&["run"]);
    assert_eq!((known.code, project.asked()), (Some(0), 6), "{}", known.stderr);
    assert!(known.stderr.contains("plan: nothing has to be paid for"), "{}", known.stderr);

    let free = "[prices.\"openai/gpt-4.1-mini-2025-04-14\"]\ninput = 0\noutput = 0\n";
    let config = project.place.read("tunebench.toml");
    project.place.write("tunebench.toml", format!("{config}{free}"));
    let fresh = project.tunebench(&["run", "--fresh"]);
    assert_eq!((fresh.code, project.asked()), (Some(0), 12), "{}", fresh.stderr);
    assert!(fresh.stderr.contains("plan: 6 requests, at no cost"), "{}", fresh.stderr);
}

#[test]
fn a_price_that_nobody_knows_is_not_taken_for_zero() {
    let project = Project::new("[[model]]\nbase = \"openai/gpt-nobody-knows\"\n");
    let refused = project.tunebench(&["run"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("spend money, at prices that are not known"), "{}", refused.stderr);
    let capped = project.tunebench(&["run", "--yes", "--max-cost", "1"]);
    assert_eq!(capped.code, Some(2), "{}", capped.stderr);
    assert!(capped.stderr.contains("[prices.\"openai/gpt-nobody-knows\"]"), "{}", capped.stderr);
    assert_eq!(project.fake.stats().total(), 0);
}

#[test]
fn a_cap_covers_tuning() {
    let project = Project::new(TUNED);
    let plan = json(&project.tunebench(&["plan", "--json"]));
    let trained = plan["steps"][1]["cost_usd"]["high"].as_f64().unwrap();
    let below = format!("{}", trained * 0.9);
    let capped = project.tunebench(&["tune", "--max-cost", &below]);
    assert_eq!(capped.code, Some(3), "{}", capped.stderr);
    assert!(
        capped.stderr.contains("tuning openai/gpt-4.1-mini-2025-04-14: the budget of"),
        "{}",
        capped.stderr
    );
    assert!(capped.stderr.contains("is an estimate"), "{}", capped.stderr);
    assert_eq!((project.fake.jobs().len(), project.fake.files().len()), (0, 0));
    let warned = project.tunebench(&["run", "--max-cost", &below]);
    assert!(warned.stderr.contains("plan: the cap of"), "{}", warned.stderr);

    let enough = format!("{}", trained * 1.1);
    let tuned = project.tunebench(&["tune", "--max-cost", &enough]);
    assert_eq!((tuned.code, project.fake.jobs().len()), (Some(0), 1), "{}", tuned.stderr);
    // A job that is there costs nothing.
    let again = project.tunebench(&["tune", "--max-cost", "0"]);
    assert_eq!((again.code, &again.stdout), (Some(0), &tuned.stdout), "{}", again.stderr);
}

#[test]
fn a_run_that_trains_here_is_never_asked_about() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\ntune = {}\n");
    let done = place.tunebench(&["run"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("plan: nothing has to be paid for"), "{}", done.stderr);
    let plan = json(&place.tunebench(&["plan", "--json"]));
    assert_eq!(plan["steps"][1]["job"]["standing"], "done");
}
