//! `tunebench import`: a project of the file that a model was tuned on.

use serde_json::{Value, json};
use tunebench_fakes::openai::{Exchange, FakeOpenAi};

use crate::openai::KEY;
use crate::support::Place;

const KINDS: [(&str, &str); 3] = [
    ("billing", "The bill of month"),
    ("delivery", "Parcel number"),
    ("technical", "The app stops with code"),
];

/// A training file of so many rows, in the form that `row` gives them.
fn training_file(rows: std::ops::Range<usize>, row: impl Fn(&str, &str) -> Value) -> String {
    let line = |number: usize| {
        let (label, text) = KINDS[number % KINDS.len()];
        // No two rows are alike, or they would have to stay together.
        let own = format!("{:x}", (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        format!("{}\n", row(&format!("{text} {own}, \"so\" <b>{{{{ it }}}}</b> is"), label))
    };
    rows.map(line).collect()
}

/// As an application asks: an instruction with braces in it, a template around the text, JSON as the answer.
fn chat(text: &str, label: &str) -> Value {
    json!({ "messages": [
        { "role": "system", "content": "Sort the message into {billing} or others.\nAnswer as {\"kind\": …} {{ so }} {% raw %}" },
        { "role": "user", "content": format!("Message:\n{text}\n\nKind?") },
        { "role": "assistant", "content": json!({ "kind": label }).to_string() },
    ] })
}

#[test]
fn the_training_file_of_an_imported_project_is_the_one_that_was_imported() {
    let place = Place::new();
    let (train, test) = (training_file(0..500, chat), training_file(500..560, chat));
    place.write("old.jsonl", &train);
    place.write("new.jsonl", &test);
    let done = place.tunebench(&[
        "import",
        "old.jsonl",
        "--test",
        "new.jsonl",
        "--tuned",
        "ft:gpt-4.1-mini-2025-04-14:acme::Ab12Cd34",
    ]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("500 rows with 3 labels"), "{}", done.stdout);
    let config = place.read("tunebench.toml");
    assert!(config.contains("against = \"openai/ft:gpt-4.1-mini-2025-04-14:acme::Ab12Cd34\""), "{config}");
    assert!(config.contains("base = \"openai/gpt-4.1-mini-2025-04-14\""), "{config}");
    place.write(
        "export.toml",
        config[..config.find("[evaluation]").unwrap()].to_owned()
            + "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntune = {}\n",
    );
    let done = place.tunebench(&["tune", "--export-only", "out", "--config", "export.toml"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let exported = place.files("out").into_values().next().unwrap();
    let rows =
        |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    assert_eq!(rows(&String::from_utf8(exported).unwrap()), rows(&train));
}

#[test]
fn what_does_not_fit_is_listed_with_its_line() {
    let place = Place::new();
    let mut file = training_file(0..60, chat);
    file += "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":\"hello\"}]}\nno JSON\n";
    place.write("old.jsonl", file);
    let done = place.tunebench(&["import", "old.jsonl"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("2 rows of `old.jsonl` left out"), "{}", done.stderr);
    assert!(done.stderr.contains("line 61: ") && done.stderr.contains("line 62: "), "{}", done.stderr);
    // A fifth is set apart.
    assert_eq!(
        place.read("data/train.jsonl").lines().count() + place.read("data/test.jsonl").lines().count(),
        60
    );
    let run = place.tunebench(&["run"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let again = place.tunebench(&["import", "old.jsonl"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
}

#[test]
fn gemini_and_the_old_pairs_are_understood() {
    let gemini = |text: &str, label: &str| {
        json!({ "systemInstruction": { "role": "system", "parts": [{ "text": "Sort." }] }, "contents": [
            { "role": "user", "parts": [{ "text": text }] }, { "role": "model", "parts": [{ "text": label }] } ] })
    };
    let pair = |text: &str, label: &str| json!({ "prompt": format!("{text}\n\n###\n\n"), "completion": format!(" {label}") });
    for (file, said) in [(training_file(0..60, gemini), "system: Sort."), (training_file(0..60, pair), "###")]
    {
        let place = Place::new();
        place.write("old.jsonl", file);
        let done = place.tunebench(&["import", "old.jsonl"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(
            done.stdout.contains(said) && done.stdout.contains("60 rows with 3 labels"),
            "{}",
            done.stdout
        );
        assert_eq!(place.tunebench(&["run"]).code, Some(0));
    }
}

#[test]
fn the_old_model_is_asked_with_the_messages_of_its_file_byte_by_byte() {
    let fake = FakeOpenAi::builder().key(KEY).record(true).start().unwrap();
    let place = Place::new();
    let (train, test) = (training_file(0..60, chat), training_file(500..1000, chat));
    place.write("old.jsonl", &train);
    place.write("new.jsonl", &test);
    assert_eq!(place.tunebench(&["import", "old.jsonl", "--test", "new.jsonl"]).code, Some(0));
    let config = place.read("tunebench.toml");
    let models = format!(
        "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n[providers.openai]\nbase_url = \"{}\"\n",
        fake.base_url()
    );
    place.write("tunebench.toml", config[..config.find("[[model]]").unwrap()].to_owned() + &models);
    let done = place.outcome(place.command(&["eval", "--yes"]).env("OPENAI_API_KEY", KEY));
    assert!(done.stderr.contains("500 rows"), "{}{}", done.stdout, done.stderr);
    let sent = |exchange: Exchange| -> Option<String> { Some(exchange.request.get("messages")?.to_string()) };
    let mut asked: Vec<String> = fake.recorded().into_iter().filter_map(sent).collect();
    let taught = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        row["messages"].as_array_mut().unwrap().pop();
        row["messages"].to_string()
    };
    let mut expected: Vec<String> = test.lines().map(taught).collect();
    asked.sort_unstable();
    expected.sort_unstable();
    assert_eq!(asked, expected);
}

const PROMPTFOO: &str = r#"# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json
description: Tickets
prompts:
  - file://prompt.json
providers:
  - openai:chat:ft:gpt-4.1-mini-2025-04-14:acme::Ab12Cd34
  - id: google:gemini-3.5-flash
    config: { temperature: 0 }
  - file://own_provider.py
defaultTest:
  vars: { channel: mail }
  assert:
    - type: latency
      threshold: 4000
tests:
  - vars: { ticket: 'The bill of May is "wrong" {{ so }}' }
    assert: [{ type: equals, value: billing }]
  - vars: { ticket: Parcel 7 is late, channel: phone, gold: delivery }
    assert: [{ type: icontains, value: '{{gold}}' }]
  - vars: { ticket: no assertion }
  - file://more.csv
"#;

#[test]
fn a_promptfoo_configuration_is_a_project() {
    let fake = FakeOpenAi::builder().key(KEY).record(true).start().unwrap();
    let place = Place::new();
    place.write("promptfooconfig.yaml", PROMPTFOO);
    place.write(
        "prompt.json",
        r#"[{"role": "system", "content": "Sort.\nChannel: {{channel}}"}, {"role": "user", "content": "Ticket: {{ ticket }}!"}]"#,
    );
    place.write(
        "more.csv",
        "ticket,__expected\n\"The app, it stops\",technical\nWhere is it?,contains: delivery\n",
    );
    let done = place.tunebench(&["import", "promptfooconfig.yaml"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("4 rows with 3 labels"), "{}", done.stdout);
    assert!(done.stderr.contains("line 3: it has no assertion"), "{}", done.stderr);
    assert!(done.stderr.contains("`file://own_provider.py`"), "{}", done.stderr);
    let config = place.read("tunebench.toml");
    assert!(config.contains("tuned = \"ft:gpt-4.1-mini-2025-04-14:acme::Ab12Cd34\""), "{config}");
    assert!(config.contains("base = \"gemini/gemini-3.5-flash\""), "{config}");
    let models = format!(
        "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n[providers.openai]\nbase_url = \"{}\"\n",
        fake.base_url()
    );
    place.write("tunebench.toml", config[..config.find("[[model]]").unwrap()].to_owned() + &models);
    let done = place.outcome(place.command(&["eval", "--yes"]).env("OPENAI_API_KEY", KEY));
    assert!(done.stderr.contains("4 rows"), "{}{}", done.stdout, done.stderr);
    let mut sent: Vec<String> = fake
        .recorded()
        .into_iter()
        .filter_map(|exchange| {
            let messages = exchange.request.get("messages")?;
            Some(format!("{} | {}", messages[0]["content"].as_str()?, messages[1]["content"].as_str()?))
        })
        .collect();
    sent.sort_unstable();
    assert_eq!(
        sent,
        [
            "Sort.\nChannel: mail | Ticket: The app, it stops!",
            "Sort.\nChannel: mail | Ticket: The bill of May is \"wrong\" {{ so }}!",
            "Sort.\nChannel: mail | Ticket: Where is it?!",
            "Sort.\nChannel: phone | Ticket: Parcel 7 is late!",
        ]
    );
}

#[test]
fn an_exported_hosted_eval_is_a_project() {
    let place = Place::new();
    place.write(
        "promptfooconfig.yaml",
        "prompts:\n  - raw: 'Label: {{item.input}}'\nproviders: [openai:responses:gpt-6-luna]\n\
         defaultTest: { assert: [{ type: equals, value: '{{ item.label }}' }] }\ntests: file://rows.jsonl\n",
    );
    let row = |n: usize| {
        let (label, text) = KINDS[n % 3];
        json!({ "vars": { "item": { "input": format!("{text} {n}"), "label": label, "id": n } } }).to_string()
    };
    place.write("rows.jsonl", (0..30).map(row).collect::<Vec<_>>().join("\n"));
    let done = place.tunebench(&["import", "promptfooconfig.yaml"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("30 rows with 3 labels"), "{}", done.stdout);
    assert!(done.stdout.contains("Label: {{ text }}"), "{}", done.stdout);
    let config = place.read("tunebench.toml");
    assert!(config.contains("base = \"openai/gpt-6-luna\"") && !config.contains("train ="), "{config}");
    let first: Value = serde_json::from_str(place.read("data/test.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["text"], &first["label"], &first["id"]),
        (&json!("The bill of month 0"), &json!("billing"), &json!("0"))
    );
    let plan = place.tunebench(&["plan"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
}

#[test]
fn what_a_promptfoo_project_cannot_be_says_why() {
    let place = Place::new();
    for (config, why) in [
        ("prompts: [a, b]\ntests: [{vars: {a: b}}]\n", "2 prompts"),
        ("prompts: ['{{a}}']\ntests: [{vars: {a: b}}]\n", "no assertion"),
        ("prompts: ['{{a}}']\ntests: tests.py\n", "tests.py"),
        ("prompts: [file://prompt.py]\ntests: [{vars: {a: b}}]\n", "prompt.py"),
        (
            "prompts: ['nothing']\ntests: [{vars: {a: b}, assert: [{type: equals, value: c}]}]\n",
            "no message holds the text",
        ),
        ("prompts: ['{{a}}'\n", "promptfoo"),
        ("data: 1\n", "neither `prompts` nor `tests`"),
    ] {
        place.write("c.yaml", config);
        let done = place.tunebench(&["import", "c.yaml"]);
        assert_eq!(done.code, Some(2), "{config}");
        assert!(done.stderr.contains(why), "{config}: {}", done.stderr);
    }
}
