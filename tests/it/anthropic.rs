//! Claude, by its own API: a key is all it takes; what it declines is an outcome; what its account can't pay ends the run.

use tunebench_fakes::anthropic::{Failing, FakeAnthropic, Fault, Hint, Said};

use crate::support::{Outcome, Place};

const KEY: &str = "sk-ant-it-5521";

/// A project whose Anthropic is the fake.
fn at(fake: &FakeAnthropic, models: &str) -> Place {
    Place::with_models(&format!("[providers.anthropic]\nbase_url = \"{}\"\n{models}", fake.base_url()))
}

fn with_key(place: &Place, args: &[&str]) -> Outcome {
    place.outcome(place.command(args).env("ANTHROPIC_API_KEY", KEY))
}

const HAIKU: &str = "[[model]]\nbase = \"anthropic/claude-haiku-5-5\"\n";

#[test]
fn a_key_is_all_it_takes() {
    let fake = FakeAnthropic::builder().key(KEY).start().unwrap();
    let place = at(&fake, HAIKU);
    let done = with_key(&place, &["run", "--yes", "--max-cost", "1"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let summary = &place.csv("results/summary.csv")[0];
    assert_eq!((summary["n"].as_str(), summary["invalid"].as_str()), ("6", "0"), "{summary:?}");
    assert!(summary["cost_usd"].parse::<f64>().unwrap() > 0.0, "{summary:?}");
    let asked = fake.stats().count("POST /v1/messages");
    let again = place.tunebench(&["eval"]);
    assert_eq!((again.code, fake.stats().count("POST /v1/messages")), (Some(0), asked), "{}", again.stderr);
    for text in [&done.stdout, &done.stderr] {
        assert!(!text.contains(KEY), "{text}");
    }
}

#[test]
fn a_schema_confines_and_what_can_not_be_switched_off_is_said() {
    let fake = FakeAnthropic::builder().key(KEY).start().unwrap();
    let models = "[evaluation]\nanswer = \"schema\"\n[[model]]\nbase = \"anthropic/claude-opus-5-5\"\n";
    let place = at(&fake, models);
    let done = with_key(&place, &["eval", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let asked = fake.recorded().into_iter().find(|exchange| exchange.path == "/v1/messages").unwrap();
    let labels = &asked.request["output_config"]["format"]["schema"]["properties"]["label"]["enum"];
    assert_eq!(labels, &serde_json::json!(["card", "rate", "refund"]));
    let summary: serde_json::Value = serde_json::from_str(&place.read("results/summary.json")).unwrap();
    assert_eq!(summary["models"][0]["description"], "thinks before it answers, which is billed");
}

#[test]
fn what_it_declines_is_invalid_and_counted_by_its_kind() {
    let fake = FakeAnthropic::builder()
        .key(KEY)
        .brain(|question| match question.item().contains("pounds") {
            true => Said { refusal: Some("No.".into()), ..Said::default() },
            false => question.answer(question.guess()).into(),
        })
        .start()
        .unwrap();
    let place = at(&fake, HAIKU);
    let done = with_key(&place, &["eval", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let summary = &place.csv("results/summary.csv")[0];
    assert_eq!((summary["n"].as_str(), summary["invalid"].as_str()), ("6", "1"), "{summary:?}");
    let rows = place.csv(&format!("results/predictions/{}.csv", summary["file"]));
    assert!(rows.iter().any(|row| row.values().any(|cell| cell.contains("refus"))), "{rows:?}");
}

#[test]
fn overload_is_waited_for_and_a_spent_month_is_not() {
    let fake = FakeAnthropic::builder().key(KEY).start().unwrap();
    let place = at(&fake, HAIKU);
    fake.fail(Failing::new(Fault::Status(529)).on("/v1/messages").times(2));
    fake.fail(Failing::new(Fault::RateLimited(Hint::Seconds(0.01))).on("/v1/messages").times(1));
    let done = with_key(&place, &["eval", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    fake.fail(Failing::new(Fault::Billing).on("/v1/messages"));
    let spent = with_key(&place, &["eval", "--fresh", "--yes"]);
    assert_eq!(spent.code, Some(3), "{}", spent.stderr);
    assert!(spent.stderr.contains("spend limit"), "{}", spent.stderr);
}

#[test]
fn nothing_is_tuned_there() {
    let fake = FakeAnthropic::builder().key(KEY).start().unwrap();
    let place = at(&fake, "[[model]]\nbase = \"anthropic/claude-haiku-5-5\"\ntune = {}\n");
    let done = with_key(&place, &["tune", "--yes"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert_eq!(fake.stats().total(), 0);
}

#[test]
fn its_address_for_the_clients_of_others_is_not_used() {
    let place = Place::with_models(
        "[providers.claude]\nkind = \"openai\"\nbase_url = \"https://api.anthropic.com/v1\"\napi_key_env = \"ANTHROPIC_API_KEY\"\n[[model]]\nbase = \"claude/claude-haiku-5-5\"\n",
    );
    let done = with_key(&place, &["plan"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("anthropic/MODEL"), "{}", done.stderr);
}
