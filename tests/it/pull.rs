//! Encoders that are fetched from a hub.

use std::process::Command;

use tunebench_fakes::hub::{Failing, FakeHub, Fault};
use tunebench_fakes::write_encoder;

use super::support::Place;

const WORDS: [&str; 8] = ["my", "card", "is", "late", "rate", "euros", "exchange", "refund"];

/// A folder, and a hub that has `acme/mini`.
fn hub(
    make: impl FnOnce(tunebench_fakes::hub::Builder) -> tunebench_fakes::hub::Builder,
) -> (Place, FakeHub) {
    let place = Place::new();
    write_encoder(&place.path("origin"), &WORDS, 1).unwrap();
    place.write("origin/1_Pooling/config.json", r#"{"pooling_mode_mean_tokens": true}"#);
    place.write("origin/README.md", "not needed");
    let builder = FakeHub::builder().repository("acme/mini", &place.path("origin")).unwrap();
    let hub = make(builder).start().unwrap();
    (place, hub)
}

fn pull(place: &Place, hub: &FakeHub, args: &[&str]) -> Command {
    let mut command = place.command(&[&["models", "pull"], args].concat());
    command.env("HF_ENDPOINT", hub.endpoint()).env("HF_HOME", place.path("home"));
    command
}

/// Where the weights end up, with or without a name for what is not whole.
fn weights(place: &Place) -> Vec<(String, usize)> {
    let files = place.files("home").into_iter();
    files
        .filter(|(name, content)| name.contains("/blobs/") && content.len() > 1000)
        .map(|(name, content)| (name, content.len()))
        .collect()
}

#[test]
fn a_fetched_encoder_is_found_by_its_name() {
    let (place, hub) = hub(|hub| hub);
    let outcome = place.outcome(&mut pull(&place, &hub, &["acme/mini"]));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.starts_with("[FOLDER]/home/hub/models--acme--mini/snapshots/"), "{outcome:?}");
    assert!(outcome.stderr.contains("base = \"local/encoder:acme/mini\""), "{outcome:?}");
    let files = place.files("home");
    assert!(files.keys().any(|name| name.ends_with("/1_Pooling/config.json")));
    assert!(!files.keys().any(|name| name.ends_with("README.md") || name.ends_with(".incomplete")));

    // Nothing of it is fetched again.
    let asked = hub.recorded().len();
    let again = place.outcome(&mut pull(&place, &hub, &["acme/mini"]));
    assert!(again.stderr.contains("there already"), "{again:?}");
    assert_eq!((hub.recorded().len(), again.code), (asked + 1, Some(0)));

    let place_of_work = Place::with_models("[[model]]\nbase = \"local/encoder:acme/mini\"\n");
    let mut run = place_of_work.command(&["run"]);
    let run = place_of_work.outcome(run.env("HF_HOME", place.path("home")));
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn a_fetch_that_broke_off_goes_on_from_there() {
    let (place, hub) = hub(|hub| hub);
    hub.fail(Failing::new(Fault::Status(503)).on("/elsewhere/"));
    let refused = place.outcome(&mut pull(&place, &hub, &["acme/mini"]));
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("503") && refused.stderr.contains("goes on"), "{refused:?}");
    hub.heal();
    // Half of the weights are there from an earlier attempt.
    let listed = place.files("home").into_keys().find(|name| name.ends_with(".incomplete")).unwrap();
    let whole = std::fs::read(place.path("origin/model.safetensors")).unwrap();
    place.write(&listed, &whole[..whole.len() / 2]);
    let outcome = place.outcome(&mut pull(&place, &hub, &["acme/mini"]));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let partial = hub.recorded().into_iter().filter(|exchange| exchange.status == 206).count();
    assert_eq!((partial, weights(&place)[0].1), (1, whole.len()));
}

#[test]
fn what_was_altered_on_the_way_is_not_kept() {
    let (place, hub) = hub(|hub| hub.altered(true));
    let outcome = place.outcome(&mut pull(&place, &hub, &["acme/mini"]));
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    assert!(outcome.stderr.contains("the hub lists"), "{outcome:?}");
    assert_eq!(weights(&place), []);
    assert!(!place.path("home/hub/models--acme--mini/refs").exists());
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let (place, hub) = hub(|hub| hub.token("hf_secret_token"));
    let outcome = place.outcome(&mut pull(&place, &hub, &["acme/mini"]));
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("HF_TOKEN"), "{outcome:?}");
    let wrong = place.outcome(pull(&place, &hub, &["acme/mini"]).env("HF_TOKEN", "hf_other_token"));
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    assert!(
        wrong.stderr.contains("refused HF_TOKEN") && !wrong.stderr.contains("hf_other_token"),
        "{wrong:?}"
    );
    // Where large files come from, the fake refuses whoever brings a token along.
    let outcome = place.outcome(pull(&place, &hub, &["acme/mini"]).env("HF_TOKEN", "hf_secret_token"));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
}

#[test]
fn a_file_of_the_project_sets_what_the_environment_does_not() {
    let (place, hub) = hub(|hub| hub.token("hf_secret_token"));
    let project = Place::with_models("[[model]]\nbase = \"local/encoder:acme/mini\"\n");
    let home = format!("HF_HOME={}\n", place.path("home").display());
    let pull = |file: &str, token: Option<&str>| {
        project.write(".env", format!("{home}{file}"));
        let mut command = project.command(&["models", "pull", "acme/mini"]);
        command.envs(token.map(|token| ("HF_TOKEN", token)));
        project.outcome(&mut command)
    };
    let offline = pull("HF_HUB_OFFLINE=1\n", None);
    assert!(offline.stderr.contains("HF_HUB_OFFLINE"), "{offline:?}");

    // Whoever wrote the file need not own the token.
    let mirror = format!("HF_ENDPOINT={}\n", hub.endpoint());
    let redirected = pull(&mirror, Some("hf_secret_token"));
    assert_eq!((redirected.code, hub.recorded().len()), (Some(3), 0), "{redirected:?}");
    assert!(redirected.stderr.contains("HF_ENDPOINT of `.env` does not get HF_TOKEN"), "{redirected:?}");
    let both = format!("{mirror}HF_TOKEN=hf_secret_token\n");
    let fetched = pull(&both, Some("hf_of_the_environment"));
    assert_eq!(fetched.code, Some(0), "{fetched:?}");

    // What was fetched into the file's folder is found there.
    for args in [&["run"][..], &["doctor", "--encoder", "acme/mini"]] {
        let outcome = project.tunebench(args);
        assert_eq!(outcome.code, Some(0), "{args:?} {outcome:?}");
    }
    let config = project.read("tunebench.toml");
    let shots = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n\
                 shots = { k = 1, select = \"nearest\", encoder = \"acme/mini\" }\n";
    project.write("tunebench.toml", format!("{config}{shots}"));
    let plan = project.tunebench(&["plan"]);
    assert!(plan.stdout.contains("1-nearest-in-meaning"), "{plan:?}");
}

#[test]
fn nothing_is_fetched_offline_or_in_vain() {
    let (place, hub) = hub(|hub| hub);
    let offline = place.outcome(pull(&place, &hub, &["acme/mini"]).env("HF_HUB_OFFLINE", "1"));
    assert!(offline.stderr.contains("HF_HUB_OFFLINE"), "{offline:?}");
    assert_eq!((offline.code, hub.recorded().len()), (Some(3), 0));
    // What is there can be named all the same.
    let fetched = place.outcome(&mut pull(&place, &hub, &["acme/mini"]));
    let asked = hub.recorded().len();
    let offline = place.outcome(pull(&place, &hub, &["acme/mini"]).env("HF_HUB_OFFLINE", "1"));
    assert_eq!((offline.code, &offline.stdout), (Some(0), &fetched.stdout), "{offline:?}");
    assert_eq!(hub.recorded().len(), asked);
    for (name, says) in [
        ("acme/other", "no public model"),
        ("acme/mini@v9", "no public model"),
        ("../mini", "not a name of the hub"),
    ] {
        let outcome = place.outcome(&mut pull(&place, &hub, &[name]));
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(says), "{outcome:?}");
    }
    let list = place.tunebench(&["models", "pull"]);
    assert!(list.stdout.contains("all-MiniLM-L6-v2") && list.stdout.contains("Apache-2.0"), "{list:?}");
}

#[test]
fn weights_that_would_be_of_no_use_are_not_fetched() {
    let place = Place::new();
    write_encoder(&place.path("origin"), &WORDS, 1).unwrap();
    place.write("origin/config.json", r#"{"model_type": "xlm-roberta"}"#);
    let hub = FakeHub::builder().repository("acme/multi", &place.path("origin")).unwrap().start().unwrap();
    let outcome = place.outcome(&mut pull(&place, &hub, &["acme/multi"]));
    assert!(outcome.stderr.contains("`xlm-roberta`"), "{outcome:?}");
    assert!(hub.recorded().iter().all(|exchange| !exchange.path.contains("safetensors")));
}
