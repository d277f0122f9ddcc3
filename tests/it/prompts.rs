//! Prompts that users write themselves, and models that are asked in other forms, through the whole path.

use serde_json::{Value, json};
use tunebench_fakes::openai::{FakeOpenAi, Said};

use crate::openai::{BASE, KEY, Project};
use crate::support::Place;

/// A tuned model that is at the fake.
const TUNED: &str = "ft:gpt-4.1-mini-2025-04-14:acme::1";

const DATA: &str = "id,subject,text,label\n\
    1,Bill,I was charged twice,billing\n2,Door,\"Where {{ is }} it?\",delivery\n3,{% if %},My card </ticket>,billing\n";

/// A project with columns of its own, whose model says what `say` makes of the gold label.
fn project(say: fn(&str) -> String, config: &str) -> Project {
    let brain = move |question: &tunebench_fakes::openai::Question| {
        let said = &question.messages.last().unwrap().1;
        Said::from(say(if said.contains("it?") { "delivery" } else { "billing" }))
    };
    let fake = FakeOpenAi::builder().key(KEY).model(TUNED, None).brain(brain).start().unwrap();
    let mut project = Project::at(fake, BASE);
    let base_url = project.fake.base_url();
    project.place = Place::new();
    project.place.write("data.csv", DATA);
    project.place.write(
        "tunebench.toml",
        format!(
            "[data]\ntrain = \"data.csv\"\ntest = \"data.csv\"\n[providers.openai]\nbase_url = \"{base_url}\"\n\
             fine_tuning = true\n{config}"
        ),
    );
    project
}

/// The bodies of all questions, in the order of their texts.
fn bodies(project: &Project) -> Vec<Value> {
    let exchanges = project.fake.recorded();
    let asked = exchanges.iter().filter(|exchange| exchange.path.ends_with("/chat/completions"));
    let mut bodies: Vec<Value> = asked.map(|exchange| exchange.request.clone()).collect();
    bodies.sort_by_key(|body| body["messages"].to_string());
    bodies
}

const OWN: &str = r#"
[prompt]
answer = "plain"
verbatim = true
messages = [
    { role = "system", content = "Pick one of {{ labels | join(\", \") }}. Not {\"json\": 1}.\n" },
    { role = "user", file = "user.txt" },
    { role = "assistant", content = "Label: {{ label }}" },
]
"#;

#[test]
fn own_messages_are_sent_to_the_letter() {
    let project = project(str::to_owned, &format!("{OWN}{BASE}"));
    project.place.write("user.txt", "<ticket>\nSubject: {{ subject }}\n\n{{ text }}\n</ticket>\n");
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let expected = |subject: &str, text: &str| {
        json!([
            {"role": "system", "content": "Pick one of billing, delivery. Not {\"json\": 1}.\n"},
            {"role": "user", "content": format!("<ticket>\nSubject: {subject}\n\n{text}\n</ticket>\n")},
        ])
    };
    let asked = bodies(&project);
    let messages: Vec<_> = asked.iter().map(|body| body["messages"].clone()).collect();
    assert_eq!(
        messages,
        [
            expected("Bill", "I was charged twice"),
            expected("Door", "Where {{ is }} it?"),
            expected("{% if %}", "My card </ticket>"),
        ]
    );
    assert!(asked.iter().all(|body| body.get("stop").is_none()), "only a tag has an end to stop at");
    assert_eq!(project.place.csv("results/summary.csv")[0]["correct"], "3");

    // The training rows are the same messages, with the answer as it is taught.
    let again = project.tunebench(&["eval"]);
    assert!(again.stderr.contains("3 of them from the ledger"), "{}", again.stderr);
}

#[test]
fn a_schema_is_asked_for_in_json() {
    let project = project(
        |label| json!({"label": label}).to_string(),
        &format!("[evaluation]\nanswer = \"schema\"\n{BASE}shots = {{ k = 2 }}\n"),
    );
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for body in bodies(&project) {
        let messages = body["messages"].as_array().unwrap();
        let system = messages[0]["content"].as_str().unwrap();
        assert!(system.ends_with(r#"as JSON: {"label":"..."}"#) && !system.contains("<output>"), "{system}");
        let shots = messages.iter().filter(|message| message["role"] == "assistant");
        assert!(
            shots.clone().all(|shot| shot["content"].as_str().unwrap().starts_with("{\"label\":\"")),
            "{body}"
        );
    }
}

#[test]
fn a_tuned_model_may_have_a_prompt_of_its_own() {
    let models = "[prompt.short]\nanswer = \"plain\"\nmessages = [{ role = \"user\", content = \"{{ text }}\" }]\n\
        [[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntuned = \"gpt-4.1-2025-04-14\"\n\
        tuned_prompt = \"short\"\n";
    let project = project(str::to_owned, models);
    let plan = project.tunebench(&["plan"]);
    assert!(plan.stdout.contains("gpt-4.1-2025-04-14+short"), "{}{}", plan.stdout, plan.stderr);
    project.tunebench(&["eval"]);
    let names: Vec<_> =
        project.place.csv("results/summary.csv").iter().map(|row| row["model"].clone()).collect();
    assert_eq!(names[0], "openai/gpt-4.1-mini-2025-04-14", "{names:?}");
    let asked = bodies(&project);
    let short = asked.iter().filter(|body| body["model"].as_str().unwrap() == "gpt-4.1-2025-04-14");
    assert!(
        short.clone().count() > 0
            && short.clone().all(|body| body["messages"].as_array().unwrap().len() == 1),
        "{asked:?}"
    );
}

#[test]
fn mistakes_in_prompts_are_shown_where_they_are() {
    for (config, words) in [
        ("[prompt]\ninstrution = \"x\"\n", "unknown field `instrution`"),
        ("[prompt.short]\ninstrution = \"x\"\n", "unknown field `instrution`"),
        ("[prompt]\nmessages = [{ role = \"user\", content = \"Hello\" }]\n", "no message holds the text"),
        ("[prompt]\nmessages = [{ role = \"user\", content = \"{{ text \" }]\n", "message 1"),
        ("[prompt]\nmessages = [{ role = \"user\", file = \"none.txt\" }]\n", "none.txt"),
        ("[prompt]\nmessages = [{ role = \"user\", content = \"{{ text }} {{ subjct }}\" }]\n", "subjct"),
        (
            "[prompt]\ninstruction = \"x\"\nmessages = [{ role = \"user\", content = \"{{ text }}\" }]\n",
            "default prompt",
        ),
        ("[data.aliases]\n0 = \"bill\"\n", "`bill`, which is not a label"),
    ] {
        let project = project(str::to_owned, &format!("{config}{BASE}"));
        let done = project.tunebench(&["eval"]);
        assert_eq!(done.code, Some(2), "{config}: {}", done.stderr);
        assert!(done.stderr.contains(words), "{config}: {}", done.stderr);
    }
    let unnamed =
        project(str::to_owned, &format!("[prompt.short]\ninstruction = \"x\"\n{BASE}prompt = \"shrt\"\n"));
    let done = unnamed.tunebench(&["eval"]);
    assert!(done.stderr.contains("did you mean `short`?"), "{}", done.stderr);
}

#[test]
fn aliases_count_in_answers_and_in_data() {
    let project = project(
        |label| (if label == "billing" { "0" } else { "Delivery." }).to_owned(),
        &format!("[data.aliases]\n0 = \"billing\"\n{BASE}"),
    );
    project.place.write("data.csv", DATA.replace("twice,billing", "twice,0"));
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(project.place.csv("results/summary.csv")[0]["correct"], "3");
}

#[test]
fn a_server_without_a_system_role_gets_the_task_from_the_user() {
    let config = "system_role = \"user\"\nextra_body = { metadata = { of = \"a test\" } }\n";
    let project = project(|label| format!("<output>{label}</output>"), &format!("{config}{BASE}"));
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    for body in bodies(&project) {
        let messages = body["messages"].as_array().unwrap();
        assert_eq!((messages.len(), &messages[0]["role"]), (1, &json!("user")));
        let said = messages[0]["content"].as_str().unwrap();
        assert!(said.starts_with("Classify the item") && said.ends_with("</item>"), "{said}");
        assert_eq!(body["metadata"], json!({"of": "a test"}));
    }
}

#[test]
fn a_model_that_was_taught_another_form_is_told_of() {
    let train = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntune = { n_epochs = 1 }\n";
    let project = Project::new(train);
    let tuned = project.tunebench(&["tune", "--yes"]);
    assert_eq!(tuned.code, Some(0), "{}", tuned.stderr);
    let id =
        tuned.stdout.split_whitespace().find_map(|word| word.strip_prefix("openai/ft:")).unwrap().to_owned();
    let model = format!("[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntuned = \"ft:{id}\"\n");
    let config = project.place.read("tunebench.toml").replace(train, "");
    project.place.write("tunebench.toml", format!("{config}{model}"));
    let same = project.tunebench(&["eval"]);
    assert!(same.code == Some(0) && !same.stderr.contains("was taught"), "{}", same.stderr);
    project.place.write("tunebench.toml", format!("{config}[evaluation]\nanswer = \"schema\"\n{model}"));
    let other = project.tunebench(&["eval"]);
    assert!(other.stderr.contains("was taught to answer `<output>"), "{}", other.stderr);
}

#[test]
fn show_has_the_columns_of_a_prompt_and_predict_refuses_it() {
    let own = "[prompt]\nanswer = \"plain\"\nmessages = [{ role = \"user\", content = \"{{ subject }}: {{ text }}\" }]\n";
    let project = project(str::to_owned, &format!("{own}{BASE}"));
    project.tunebench(&["eval"]);
    let shown = project.tunebench(&["show", "2"]);
    assert!(shown.stdout.contains("Bill: I was charged twice"), "{}{}", shown.stdout, shown.stderr);
    let refused = project.tunebench(&["predict", "openai/gpt-4.1-mini-2025-04-14", "data.csv"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("shows the columns `subject`"), "{}", refused.stderr);
    assert_eq!(bodies(&project).len(), 3);
}

#[test]
fn a_message_that_fails_for_some_texts_is_an_error_that_names_the_rows() {
    let prompt = "[prompt]\nanswer = \"plain\"\n[[prompt.messages]]\nrole = \"user\"\ncontent = \"\"\"\n\
        {{ text }} {% if text | length > 18 %}{{ text + 1 }}{% endif %}\"\"\"\n";
    let project = project(str::to_owned, &format!("{prompt}{BASE}"));
    let done = project.tunebench(&["eval"]);
    assert_eq!((done.code, project.asked()), (Some(2), 0), "{}", done.stderr);
    assert!(done.stderr.contains("line 2: the prompt can't be rendered: message 1: "), "{}", done.stderr);
    assert!(!done.stderr.contains("line 3"), "{}", done.stderr);

    project.place.write("data.csv", DATA.replace("I was charged twice", "Charged twice"));
    assert_eq!(project.tunebench(&["eval"]).code, Some(0));
    project.place.write("new.txt", "short\na text that is too long\n");
    let model = "openai/gpt-4.1-mini-2025-04-14";
    for (args, asked) in
        [(&["predict", model, "new.txt", "--yes"][..], 0), (&["predict", model, "-", "--yes"], 1)]
    {
        let before = project.asked();
        let mut command = project.place.command(args);
        command.env("OPENAI_API_KEY", KEY).stdin(std::fs::File::open(project.place.path("new.txt")).unwrap());
        let done = project.place.outcome(&mut command);
        assert_eq!((done.code, project.asked() - before), (Some(2), asked), "{}", done.stderr);
        assert!(done.stderr.contains("line 2: the prompt can't be rendered"), "{}", done.stderr);
    }
}
