//! Hosts by name: nothing but a key, and help where a name is wrong.

use tunebench_fakes::openai::FakeOpenAi;

use crate::support::{Outcome, Place};

const KEY: &str = "gsk-it-8842";

/// A project whose Groq is the fake.
fn at_groq(models: &[&str]) -> (Place, FakeOpenAi) {
    let mut fake = FakeOpenAi::builder().key(KEY).record(true);
    for model in models {
        fake = fake.model(*model, None);
    }
    let fake = fake.start().unwrap();
    let mut config = format!("[providers.groq]\nbase_url = \"{}\"\n", fake.base_url());
    models.iter().for_each(|model| config.push_str(&format!("[[model]]\nbase = \"groq/{model}\"\n")));
    (Place::with_models(&config), fake)
}

fn with_key(place: &Place, args: &[&str]) -> Outcome {
    place.outcome(place.command(args).env("GROQ_API_KEY", KEY))
}

fn bodies(fake: &FakeOpenAi) -> Vec<serde_json::Value> {
    let asked = fake.recorded().into_iter().filter(|exchange| exchange.path.ends_with("/chat/completions"));
    asked.map(|exchange| exchange.request).collect()
}

#[test]
fn a_key_is_all_it_takes_and_thinking_is_off_where_it_can_be() {
    let (place, fake) = at_groq(&["qwen/qwen3.8-27b", "openai/gpt-oss-20b", "llama-3.3-70b-versatile"]);
    let done = with_key(&place, &["eval", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let sent = |model: &str| bodies(&fake).into_iter().find(|body| body["model"] == model).unwrap();
    assert_eq!(sent("qwen/qwen3.8-27b")["reasoning_effort"], "none");
    assert_eq!(sent("openai/gpt-oss-20b")["reasoning_effort"], "low");
    assert_eq!(sent("llama-3.3-70b-versatile").get("reasoning_effort"), None);
    let cap = |model: &str| sent(model)["max_completion_tokens"].as_u64().unwrap();
    assert!(cap("openai/gpt-oss-20b") > 1_000 && cap("qwen/qwen3.8-27b") < 1_000);
    // What could not be switched off is said where the figures are.
    let summary = place.read("results/summary.json");
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let described: Vec<_> =
        summary["models"].as_array().unwrap().iter().map(|m| m["description"].as_str()).collect();
    assert_eq!(described, [None, Some("thinks before it answers, which is billed"), None]);
    // Its price is known by its name.
    let capped =
        with_key(&place, &["eval", "groq/openai/gpt-oss-20b", "--fresh", "--yes", "--max-cost", "1"]);
    assert_eq!(capped.code, Some(0), "{}", capped.stderr);
}

#[test]
fn those_with_a_key_come_first() {
    let place = Place::new();
    let json = with_key(&place, &["providers", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let names: Vec<_> =
        list.as_array().unwrap().iter().map(|one| one["provider"].as_str().unwrap()).collect();
    assert_eq!(names[0], "groq");
    assert!(names.len() > 30 && names.contains(&"ollama") && !names.contains(&"github"), "{names:?}");
    let missing = place.tunebench(&["eval", "mistral/mistral-small-latest"]);
    assert_eq!(missing.code, Some(2), "there is no project: {}", missing.stderr);
}

#[test]
fn a_wrong_name_is_answered_with_what_would_be_right() {
    for (base, said) in [
        ("grok/llama", "did you mean `groq`?"),
        ("github/gpt-4o", "GitHub Models ended on 2026-07-30"),
        (
            "our-own-server/m",
            "[providers.our-own-server]\nkind = \"openai\"\nbase_url = \"https://…/v1\"\napi_key_env = \"OUR_OWN_SERVER_API_KEY\"",
        ),
    ] {
        let place = Place::with_models(&format!("[[model]]\nbase = \"{base}\"\n"));
        let done = place.tunebench(&["plan"]);
        assert_eq!(done.code, Some(2), "{}", done.stderr);
        assert!(done.stderr.contains(said), "{base}: {}", done.stderr);
    }
}

#[test]
fn a_configured_server_of_the_same_name_stays_as_it_is() {
    let fake = FakeOpenAi::builder().key(KEY).record(true).model("openai/gpt-oss-20b", None).start().unwrap();
    let place = Place::with_models(&format!(
        "[providers.groq]\nkind = \"openai\"\nbase_url = \"{}\"\napi_key_env = \"GROQ_API_KEY\"\n[[model]]\nbase = \"groq/openai/gpt-oss-20b\"\n",
        fake.base_url()
    ));
    let done = with_key(&place, &["eval", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(bodies(&fake)[0].get("reasoning_effort"), None);
}

#[test]
fn a_spoilt_variable_of_one_host_is_no_business_of_the_others() {
    let place = Place::with_models("[[model]]\nbase = \"local/majority\"\n");
    let done =
        place.outcome(place.command(&["eval", "--yes"]).env("AZURE_OPENAI_ENDPOINT", "not an address"));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn alibaba_tunes_and_its_model_is_deployed_and_deleted() {
    let fake = FakeOpenAi::builder().key(KEY).model("qwen3-14b", None).start().unwrap();
    let place = Place::with_models(&format!(
        "[tuning]\npoll_seconds = 0.01\n[providers.dashscope]\nbase_url = \"{}\"\n[[model]]\nbase = \"dashscope/qwen3-14b\"\ntune = {{ n_epochs = 2 }}\n",
        fake.dashscope_url()
    ));
    let run = |args: &[&str]| place.outcome(place.command(args).env("DASHSCOPE_API_KEY", KEY));
    let done = run(&["run", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let tuned = place.csv("results/summary.csv")[1]["model"].clone();
    let [deployed] = fake.deployments().try_into().unwrap();
    assert_eq!(tuned, format!("dashscope/{deployed}"));
    // On another machine, job and deployment are found again, and no second one is made.
    std::fs::remove_dir_all(place.path(".tunebench")).unwrap();
    let again = run(&["tune", "--yes"]);
    assert_eq!((again.code, fake.jobs().len()), (Some(0), 1), "{}", again.stderr);
    assert_eq!(fake.deployments(), [deployed]);
    let deleted = run(&["jobs", "delete", &tuned, "--yes"]);
    assert_eq!(deleted.code, Some(0), "{}", deleted.stderr);
    assert!(fake.deployments().is_empty() && fake.jobs().is_empty());
    let listed = run(&["providers"]);
    assert!(listed.stdout.contains("fine-tuning of qwen3-14b"), "{}", listed.stdout);
}
