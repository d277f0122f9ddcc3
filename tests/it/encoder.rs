//! An encoder that is asked and trained in this process: one so small that it takes no time, and has learned nothing.

#[cfg(unix)]
use std::io::Read;
#[cfg(unix)]
use std::process::{Command, Stdio};

use tunebench_fakes::openai::FakeOpenAi;
use tunebench_fakes::write_encoder;

use super::support::{Outcome, Place};

const WORDS: [&str; 32] = [
    "where", "is", "my", "new", "card", "has", "not", "come", "when", "will", "the", "arrive", "i", "a",
    "what", "exchange", "rate", "for", "euros", "good", "how", "do", "you", "set", "want", "money", "back",
    "refund", "##s", "please", "give", "me",
];

/// A project with the base `local/encoder:mini`, and what `tune` says.
fn place(tune: &str) -> Place {
    let place = Place::with_models(&format!("[[model]]\nbase = \"local/encoder:mini\"\n{tune}\n"));
    write_encoder(&place.path("mini"), &WORDS, 1).unwrap();
    place
}

fn run(place: &Place) -> Outcome {
    let outcome = place.tunebench(&["run"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    outcome
}

#[test]
fn base_and_tuned_encoder_are_compared() {
    for (tune, what) in [
        ("tune = {}", "n-grams and a classifier over the vectors of an encoder"),
        (
            "tune = { method = \"full\", epochs = 2, batch_size = 4, learning_rate = 0.001 }",
            "all layers trained",
        ),
    ] {
        let place = place(tune);
        let first = run(&place);
        assert!(first.stdout.contains("local/encoder:mini"), "{first:?}");
        let models = place.csv("results/summary.csv");
        assert_eq!(models.len(), 2, "{models:?}");
        let manifest = place.read("results/manifest.json");
        assert!(manifest.contains(what) && manifest.contains("tuned here in"), "{manifest}");
        // The second run finds the job of the first, and the same answers.
        let predictions = place.files("results/predictions");
        let second = run(&place);
        assert!(!second.stderr.contains("training on"), "{second:?}");
        assert_eq!(
            super::support::without_times(predictions),
            super::support::without_times(place.files("results/predictions"))
        );
    }
}

#[test]
fn the_better_way_is_chosen_on_the_training_data() {
    let place = place("tune = { method = \"auto\", epochs = 1 }");
    let outcome = run(&place);
    assert!(outcome.stderr.contains("of 12 training rows: n-grams"), "{outcome:?}");
    // What goes on meanwhile is told, and is not taken for the training of the model.
    for said in ["trial 1 of 3: both ways learn", "now all layers", "trial 3 of 3: with all layers trained"] {
        assert!(outcome.stderr.contains(said), "{said}: {outcome:?}");
    }
    let jobs = place.tunebench(&["jobs", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&jobs.stdout).unwrap();
    let name = format!("local/{}", list[0]["job"]["id"].as_str().unwrap());
    let job = place.tunebench(&["jobs", "show", &name]);
    let job: serde_json::Value = serde_json::from_str(&job.stdout).unwrap();
    let curve = job["loss_curve"].as_array().unwrap();
    assert!(curve.iter().all(|point| point["train_loss"].is_number()), "{job}");
    let told = job["events"].to_string();
    assert!(told.contains("trial 2 of 3: training all layers in"), "{told}");
    let manifest = place.read("results/manifest.json");
    assert!(manifest.contains("tuned here in"), "{manifest}");
}

#[test]
fn the_doctor_looks_through_an_encoder_where_one_is_named() {
    let place = place("tune = {}");
    // This encoder has learned nothing: to it texts of the same words mean the same.
    std::fs::write(
        place.path("train.tsv"),
        "text\tlabel\n".to_owned()
            + &(0..20)
                .map(|i| format!("{}\tcard\n{}\trate\n", WORDS[i % 28], WORDS[(i + 9) % 28]))
                .collect::<String>()
            + "zzz qqq\tcard\nxxx vvv\tcard\n",
    )
    .unwrap();
    let without = place.tunebench(&["doctor", "--train", "train.tsv"]);
    assert!(!without.stdout.contains("in-meaning"), "{without:?}");
    let with = place.tunebench(&["doctor", "--train", "train.tsv", "--encoder", "mini"]);
    assert!(with.stdout.contains("[duplicates-in-meaning]"), "{with:?}");
    assert!(with.stdout.contains("zzz qqq"), "both are unknown words: {with:?}");
    assert!(with.stderr.contains("went through the encoder"), "{with:?}");
    let json = place.tunebench(&["doctor", "--train", "train.tsv", "--encoder", "mini", "--json"]);
    assert!(json.stdout.contains("\"duplicates-in-meaning\""), "{json:?}");
    let missing = place.tunebench(&["doctor", "--encoder", "mnii"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("there is no encoder `mnii`"), "{missing:?}");
}

#[test]
fn a_tuned_encoder_is_of_no_use_with_another_base() {
    let place = place("tune = {}");
    run(&place);
    write_encoder(&place.path("mini"), &WORDS, 2).unwrap();
    let outcome = place.tunebench(&["run"]);
    assert_ne!(outcome.code, Some(0));
    assert!(outcome.stderr.contains("it was tuned from weights with SHA-256"), "{outcome:?}");
}

#[test]
fn what_is_missing_or_not_supported_is_said_before_anything_is_done() {
    let place = place("tune = {}");
    place.write("mini/config.json", r#"{"model_type": "distilbert"}"#);
    let refused = |says: &str| {
        for command in ["run", "tune", "eval"] {
            let outcome = place.tunebench(&[command]);
            assert!(outcome.stderr.contains(says), "{outcome:?}");
            assert!(!outcome.stderr.contains("job ftjob-"), "{outcome:?}");
            assert_ne!(outcome.code, Some(0), "{outcome:?}");
        }
    };
    refused("model_type is `distilbert`");
    write_encoder(&place.path("mini"), &WORDS, 1).unwrap();
    let weights = std::fs::read(place.path("mini/model.safetensors")).unwrap();
    place.write("mini/model.safetensors", &weights[..weights.len() - 1]);
    refused("cut short or altered");
    place.write("mini/model.safetensors", &weights);
    let config = place.read("mini/config.json").replace("\"vocab_size\":36", "\"vocab_size\":4000000");
    place.write("mini/config.json", config);
    refused("has shape [36, 16], not [4000000, 16]");
    std::fs::remove_file(place.path("mini/model.safetensors")).unwrap();
    refused("it has no model.safetensors");
    std::fs::remove_dir_all(place.path("mini")).unwrap();
    refused("there is no encoder `mini`");
    assert_eq!(place.tunebench(&["tune"]).code, Some(2));
}

#[test]
fn wrong_hyperparameters_name_the_right_ones() {
    for (tune, says) in [
        ("tune = { method = \"lora\" }", "`method` must be"),
        ("tune = { epochs = 3 }", "`epochs` is for `method = \"full\"`"),
        ("tune = { method = \"full\", l2 = 1 }", "`l2` is for `method = \"frozen\"`"),
        ("tune = { method = \"auto\", rank = 1 }", "unknown hyperparameter `rank`"),
    ] {
        let outcome = place(tune).tunebench(&["run"]);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains(says), "{outcome:?}");
    }
}

/// Ctrl-C once an epoch is whole: what it left can be asked.
#[cfg(unix)]
#[test]
fn what_an_interrupted_training_leaves_is_named_and_can_be_asked() {
    let place = place("tune = { method = \"full\", epochs = 1000, batch_size = 1 }");
    let mut child = place.command(&["tune"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let models = place.path(".tunebench/local/models");
    let is_kept = || {
        std::fs::read_dir(&models).is_ok_and(|mut files| {
            files.any(|file| file.unwrap().file_name().to_string_lossy().contains("-epoch-"))
        })
    };
    while !is_kept() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{said}");
    let kept = said.split_whitespace().find(|word| word.starts_with("local/encoder-ft-")).expect(&said);
    let eval = place.tunebench(&["eval", kept.trim_end_matches(['.', ':', ','])]);
    assert_eq!(eval.code, Some(0), "{said}{eval:?}");
}

#[test]
fn an_untrained_encoder_reads_what_labels_mean() {
    let place = place("");
    run(&place);
    let by_name = place.files("results/predictions");
    let config = place.read("tunebench.toml");
    place.write(
        "tunebench.toml",
        format!("{config}\n[labels]\ncard = \"exchange rate for euros\"\nrate = \"my new card\"\n"),
    );
    run(&place);
    assert_ne!(by_name, place.files("results/predictions"));
}

#[test]
fn solved_examples_can_be_chosen_by_meaning() {
    let fake = FakeOpenAi::start().unwrap();
    let place = Place::with_models(&format!(
        "[providers.openai]\nbase_url = \"{}\"\n[prices.\"openai/*\"]\ninput = 0\noutput = 0\n[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\nshots = {{ k = 2, select = \"nearest\", encoder = \"mini\" }}\n",
        fake.base_url()
    ));
    let eval =
        || place.outcome(place.command(&["eval", "--yes"]).env("OPENAI_API_KEY", "sk-test-0123456789"));
    let missing = eval();
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("there is no encoder `mini`"), "{missing:?}");
    write_encoder(&place.path("mini"), &WORDS, 1).unwrap();
    let outcome = eval();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let asked = fake.recorded().into_iter().filter(|exchange| exchange.path.ends_with("/completions"));
    let messages: Vec<_> =
        asked.map(|exchange| exchange.request["messages"].as_array().unwrap().len()).collect();
    // The base alone, and with two solved examples in two turns each.
    assert_eq!(messages, [[2; 6], [6; 6]].concat());
}
