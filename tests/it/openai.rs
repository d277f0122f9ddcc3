//! The whole path at OpenAI, against a fake that speaks its language: tune, evaluate, pay once, stop in time.

use tunebench_fakes::openai::{Failing, FakeOpenAi, Fault};

use crate::support::{Outcome, Place, without_times};

pub(crate) const KEY: &str = "sk-test-5e3c9a7b1d";

/// A project whose models are at the fake.
pub(crate) struct Project {
    pub(crate) place: Place,
    pub(crate) fake: FakeOpenAi,
}

impl Project {
    pub(crate) fn new(models: &str) -> Self {
        Self::at(FakeOpenAi::builder().key(KEY).start().unwrap(), models)
    }

    pub(crate) fn at(fake: FakeOpenAi, models: &str) -> Self {
        let base_url = fake.base_url();
        let place = Place::with_models(&format!(
            "[tuning]\npoll_seconds = 0.01\n[providers.openai]\nbase_url = \"{base_url}\"\nfine_tuning = true\n{models}"
        ));
        Self { place, fake }
    }

    pub(crate) fn tunebench(&self, args: &[&str]) -> Outcome {
        self.place.outcome(self.place.command(args).env("OPENAI_API_KEY", KEY))
    }

    /// How often the fake was asked for answers.
    pub(crate) fn asked(&self) -> u64 {
        self.fake.stats().count("POST /v1/chat/completions")
    }
}

const TUNED: &str =
    "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntune = { n_epochs = 3, suffix = \"it\" }\n";
pub(crate) const BASE: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n";

#[test]
fn run_tunes_evaluates_and_pays_once() {
    let project = Project::new(TUNED);
    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let summary = project.place.csv("results/summary.csv");
    assert_eq!(summary.len(), 2);
    assert!(summary[1]["model"].starts_with("openai/ft:gpt-4.1-mini-2025-04-14:"), "{summary:?}");
    let accuracy = |i: usize| summary[i]["accuracy"].parse::<f64>().unwrap();
    assert!(accuracy(1) >= accuracy(0), "{summary:?}");
    assert_eq!((project.fake.jobs().len(), project.asked()), (1, 12));
    assert!(done.stderr.contains("loss"), "the job's events are shown: {}", done.stderr);
    let losses = project.place.csv(&format!("results/losses/{}.csv", summary[1]["file"]));
    assert!(losses.iter().all(|row| row["train_loss"].parse::<f64>().is_ok()) && !losses.is_empty());

    // Once more, with the service gone and the key as well: everything is in the ledger.
    let results = project.place.files("results");
    let Project { place, fake } = project;
    drop(fake);
    let again = place.tunebench(&["run"]);
    assert_eq!((again.code, &again.stdout), (Some(0), &done.stdout), "{}", again.stderr);
    assert!(again.stderr.contains("6 rows in") && again.stderr.contains("6 of them from the ledger"));
    assert_eq!(without_times(place.files("results")), without_times(results));
}

#[test]
fn the_key_is_nowhere() {
    let project = Project::new(TUNED);
    project.fake.fail(Failing::new(Fault::Status(500)).on("/chat/completions").times(2));
    let done = project.tunebench(&["run", "--yes"]);
    let bad = project
        .place
        .outcome(project.place.command(&["eval", "--fresh"]).env("OPENAI_API_KEY", "sk-wrong-77"));
    assert_eq!(bad.code, Some(3), "{}", bad.stderr);
    for text in [&done.stdout, &done.stderr, &bad.stdout, &bad.stderr] {
        assert!(!text.contains(KEY) && !text.contains("sk-wrong-77"), "{text}");
    }
    for (name, content) in project.place.files("") {
        let holds = |secret: &str| content.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!holds(KEY) && !holds("sk-wrong-77"), "{name}");
    }
}

#[test]
fn a_bad_key_and_an_empty_account_end_the_run_at_once() {
    let project = Project::new(BASE);
    let none = project.place.tunebench(&["eval"]);
    assert_eq!(none.code, Some(3), "{}", none.stderr);
    assert!(none.stderr.contains("OPENAI_API_KEY"), "{}", none.stderr);
    assert_eq!(project.fake.stats().total(), 0);

    project.fake.fail(Failing::new(Fault::Billing).on("/chat/completions"));
    let billing = project.tunebench(&["eval"]);
    assert_eq!(billing.code, Some(3), "{}", billing.stderr);
    assert!(billing.stderr.contains("ended early"), "{}", billing.stderr);
    let summary = project.place.csv("results/summary.csv");
    assert_eq!((summary[0]["unanswered"].as_str(), summary[0]["accuracy"].as_str()), ("6", ""));
}

#[test]
fn a_lost_answer_to_the_order_makes_no_second_job() {
    let project = Project::new(TUNED);
    project.fake.fail(Failing::new(Fault::Reset).on("POST /v1/fine_tuning/jobs").times(1).after_work());
    let done = project.tunebench(&["tune"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(project.fake.jobs().len(), 1);
    let again = project.tunebench(&["tune"]);
    assert_eq!((again.stdout, project.fake.jobs().len()), (done.stdout, 1));
    // On another machine, with a ledger of its own, the job is found at the provider.
    std::fs::remove_dir_all(project.place.path(".tunebench")).unwrap();
    let elsewhere = project.tunebench(&["tune"]);
    assert_eq!(elsewhere.code, Some(0), "{}", elsewhere.stderr);
    assert_eq!(project.fake.jobs().len(), 1);
}

#[test]
fn a_job_is_remembered_where_its_provider_is_not_asked() {
    let project = Project::new(TUNED);
    let model = project.tunebench(&["tune"]).stdout;
    let (with_key, without) =
        (project.tunebench(&["jobs", "list"]), project.place.tunebench(&["jobs", "list"]));
    assert_eq!((with_key.code, without.code), (Some(0), Some(0)), "{}", without.stderr);
    assert_eq!(with_key.stdout, without.stdout);
    assert!(without.stdout.contains(model.trim()), "{}", without.stdout);
    let json = project.place.tunebench(&["jobs", "list", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["remembered"]["status"], "succeeded");
    assert!(json[0]["remembered"]["last_seen"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn an_organisation_that_may_not_train_is_told_so_and_leaves_no_file_behind() {
    let project = Project::new(TUNED);
    project.fake.fail(Failing::new(Fault::TrainingNotAvailable).on("POST /v1/fine_tuning/jobs"));
    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("hint:"), "{}", done.stderr);
    assert_eq!(project.fake.files().len(), 0);
}

#[test]
fn validation_rows_go_along_and_may_not_be_learned() {
    let project = Project::new(TUNED);
    let config = project.place.read("tunebench.toml");
    project.place.write("tunebench.toml", config.replace("[data]\n", "[data]\nvalidation = \"valid.csv\"\n"));
    project.place.write("valid.csv", "text,label\nnew text,card\nwhat is the exchange rate,rate\n");
    let overlap = project.tunebench(&["tune"]);
    assert_eq!(overlap.code, Some(2));
    assert!(overlap.stderr.contains("valid.csv`, line 3: the same text is in line 6 of the training data"));
    let rows: String = (0..12).map(|i| format!("text number {i},card\n")).collect();
    project.place.write("valid.csv", format!("text,label\n{rows}"));
    let done = project.tunebench(&["tune"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(project.fake.files().len(), 3, "training, validation and results");

    // What a job left is shown, and deleted with its model.
    let model = done.stdout.trim();
    let list = project.tunebench(&["jobs", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let id = format!("openai/{}", list[0]["job"]["id"].as_str().unwrap());
    let shown = project.tunebench(&["jobs", "show", &id]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let checkpoint = format!("openai/{}", shown["checkpoints"][0]["model"].as_str().unwrap());
    let evaluated = project.tunebench(&["eval", &checkpoint, model]);
    assert_eq!(evaluated.code, Some(0), "{}", evaluated.stderr);
    assert_eq!(project.tunebench(&["jobs", "delete", "--yes", model]).code, Some(0));
    assert_eq!(project.fake.files().len(), 0);
}

#[test]
fn a_row_that_would_fail_the_job_is_named_before_anything_is_sent() {
    let project = Project::new(TUNED);
    let train = project.place.read("train.csv") + "see <|fim_suffix|> there,card\n";
    project.place.write("train.csv", train);
    let done = project.tunebench(&["run"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("train.csv` can't be used to tune openai/"), "{}", done.stderr);
    assert!(done.stderr.contains("line 14 holds `<|fim_suffix|>`"), "{}", done.stderr);
    assert_eq!(project.fake.stats().total(), 0);
}

#[test]
fn the_training_file_is_written_without_a_key() {
    let project = Project::new(TUNED);
    let done = project.place.tunebench(&["tune", "--export-only", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let file = project.place.read(done.stdout.trim());
    let rows: Vec<serde_json::Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 12);
    assert_eq!(rows[0]["messages"][2]["role"], "assistant");
    assert_eq!(rows[0]["messages"][2]["content"], "<output>card</output>");
    let named = project.place.tunebench(&["tune", "--export-only", "made/here.jsonl"]);
    assert_eq!((named.code, named.stdout.as_str()), (Some(0), "made/here.jsonl\n"), "{}", named.stderr);
    assert_eq!(project.place.read("made/here.jsonl"), file);
    assert_eq!(project.fake.stats().total(), 0);
}

#[test]
fn both_forms_of_answers_and_all_three_endpoints_work() {
    let models = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n\
                  [[model]]\nbase = \"openai/responses/gpt-4.1-mini-2025-04-14\"\n\
                  [[model]]\nbase = \"openai/decisions/gpt-6-luna\"\n";
    let project = Project::new(models);
    let tags = project.tunebench(&["eval"]);
    assert_eq!(tags.code, Some(0), "{}", tags.stderr);
    let config = project.place.read("tunebench.toml");
    project.place.write("tunebench.toml", format!("{config}\n[evaluation]\nanswer = \"schema\"\n"));
    let schema = project.tunebench(&["eval"]);
    assert_eq!(schema.code, Some(0), "{}", schema.stderr);
    assert_eq!(project.asked(), 12, "another form of answer is another request");
    let rows = project.place.csv("results/predictions/openai-decisions-gpt-6-luna.csv");
    assert!(rows.iter().all(|row| !row["probability"].is_empty()), "{rows:?}");
}

#[test]
fn caps_end_the_run_as_incomplete_and_a_second_command_goes_on() {
    let project = Project::new(BASE);
    let capped = project.tunebench(&["eval", "--max-requests", "4"]);
    assert_eq!(capped.code, Some(3), "{}", capped.stderr);
    assert!(capped.stderr.contains("the budget of 4 requests is reached"), "{}", capped.stderr);
    assert!(capped.stdout.contains("incomplete"), "{}", capped.stdout);
    assert_eq!(project.asked(), 4);
    let cheap = project.tunebench(&["eval", "--max-cost", "0.000001"]);
    assert_eq!(cheap.code, Some(3), "{}", cheap.stderr);
    assert_eq!(project.asked(), 4);
    let rest = project.tunebench(&["eval", "--max-cost", "1"]);
    assert_eq!(rest.code, Some(0), "{}", rest.stderr);
    assert_eq!(project.asked(), 6);

    project.place.write(
        "tunebench.toml",
        project.place.read("tunebench.toml").replace("gpt-4.1-mini-2025-04-14", "gpt-nobody-knows"),
    );
    let unknown = project.tunebench(&["eval", "--max-cost", "1"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("[prices.\"openai/gpt-nobody-knows\"]"), "{}", unknown.stderr);
}

#[test]
fn fresh_answers_and_repeats_are_asked_for_and_nothing_else_is() {
    let project = Project::new(BASE);
    let asked = |args: &[&str]| {
        let before = project.asked();
        let done = project.tunebench(args);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        project.asked() - before
    };
    assert_eq!(asked(&["eval"]), 6);
    assert_eq!(asked(&["eval", "--concurrency", "3"]), 0);
    assert_eq!(asked(&["eval", "--refresh"]), 6);
    assert_eq!(asked(&["eval"]), 0);
    assert_eq!(asked(&["eval", "--repeat", "3"]), 12);
    assert_eq!(project.place.csv("results/summary.csv").len(), 3);
    // Rows in another order are the same rows; another prompt is another request.
    let test = project.place.read("test.csv");
    let (header, rows) = test.split_once('\n').unwrap();
    let reversed: Vec<_> = rows.lines().rev().collect();
    project.place.write("test.csv", format!("{header}\n{}\n", reversed.join("\n")));
    assert_eq!(asked(&["eval"]), 0);
    let config = project.place.read("tunebench.toml");
    project.place.write("tunebench.toml", format!("{config}\n[prompt]\ninstruction = \"Sort these.\"\n"));
    assert_eq!(asked(&["eval"]), 6);
}

#[test]
fn what_fails_in_passing_is_tried_again_and_changes_nothing() {
    let rows: String =
        (0..300).map(|i| format!("where is card number {i},card\ni want refund {i},refund\n")).collect();
    let evaluate = |faults: bool| {
        let project = Project::new(BASE);
        project.place.write("test.csv", format!("text,label\n{rows}"));
        if faults {
            for (fault, every) in
                [(Fault::Status(500), 23), (Fault::Reset, 47), (Fault::Half, 53), (Fault::Html(502), 101)]
            {
                project.fake.fail(Failing::new(fault).on("/chat/completions").every(every));
            }
        }
        let done = project.tunebench(&["eval", "--yes", "--concurrency", "32"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let predictions = project.place.csv("results/predictions/openai-gpt-4.1-mini-2025-04-14.csv");
        let answers = predictions.iter().map(|row| (row["id"].clone(), row["prediction"].clone()));
        (answers.collect::<Vec<_>>(), project.asked())
    };
    let (calm, stormy) = (evaluate(false), evaluate(true));
    assert_eq!(stormy.0, calm.0);
    assert!(stormy.1 > calm.1, "there were faults");
}

#[cfg(unix)]
#[test]
fn an_interrupted_watch_leaves_the_job_and_says_how_to_come_back() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    let project = Project::new(TUNED);
    let config = project.place.read("tunebench.toml").replace("poll_seconds = 0.01", "poll_seconds = 600");
    project.place.write("tunebench.toml", &config);
    let mut command = project.place.command(&["tune"]);
    command.env("OPENAI_API_KEY", KEY).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("job ftjob-") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0);
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{rest}");
    assert!(rest.contains("the job goes on; run the same command again"), "{rest}");

    project.place.write("tunebench.toml", config.replace("poll_seconds = 600", "poll_seconds = 0.01"));
    let done = project.tunebench(&["tune"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(project.fake.jobs().len(), 1);
    assert!(done.stdout.starts_with("openai/ft:"), "{}", done.stdout);
}

#[test]
fn shots_come_from_the_training_data_and_stand_beside_the_base() {
    let models = format!(
        "{BASE}[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\nshots = {{ k = 3 }}\n\
                  [[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\nshots = {{ k = 2, select = \"nearest\" }}\n"
    );
    let project = Project::new(&models);
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let summary = project.place.csv("results/summary.csv");
    let names: Vec<_> =
        summary.iter().map(|row| row["model"].trim_start_matches("openai/gpt-4.1-mini-2025-04-14")).collect();
    assert_eq!(names, ["", "+3-shot", "+2-nearest"]);
    assert_eq!(project.place.csv("results/comparisons.csv").len(), 2);

    let train = project.place.read("train.csv");
    let mut sizes = std::collections::BTreeMap::new();
    for exchange in
        project.fake.recorded().iter().filter(|exchange| exchange.path.ends_with("/chat/completions"))
    {
        let messages = exchange.request["messages"].as_array().unwrap();
        *sizes.entry(messages.len()).or_insert(0) += 1;
        for shot in messages[1..messages.len() - 1].iter().filter(|message| message["role"] == "user") {
            let text = shot["content"]
                .as_str()
                .unwrap()
                .trim_start_matches("<item>\n")
                .trim_end_matches("\n</item>");
            assert!(train.contains(&format!("\n{text},")), "{text}");
        }
    }
    assert_eq!(sizes, [(2, 6), (6, 6), (8, 6)].into());
    // Each is a request of its own, and each is paid for once.
    let again = project.tunebench(&["eval"]);
    assert_eq!((again.code, project.asked()), (Some(0), 18), "{}", again.stderr);
}

#[test]
fn a_setting_that_shapes_answers_is_part_of_the_question() {
    let project = Project::new(BASE);
    assert_eq!(project.tunebench(&["eval"]).code, Some(0));
    let config = project.place.read("tunebench.toml");
    let quicker = config.replace("fine_tuning = true", "fine_tuning = true\ntimeout_seconds = 9");
    project.place.write("tunebench.toml", quicker);
    assert_eq!(project.tunebench(&["eval"]).code, Some(0));
    assert_eq!(project.asked(), 6, "a time-out shapes no answer");
    project
        .place
        .write("tunebench.toml", config.replace("fine_tuning = true", "system_role = \"developer\""));
    assert_eq!(project.tunebench(&["eval"]).code, Some(0));
    assert_eq!(project.asked(), 12);
}

#[test]
fn a_cost_cap_holds_back_what_an_answer_may_cost() {
    let project = Project::new("[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n");
    // Some 450 bytes at 0.4 dollars for a million, and an answer of some 100 tokens at 1.6: about 0.00025 dollars.
    let capped = project.tunebench(&["eval", "--max-cost", "0.0002"]);
    assert_eq!((capped.code, project.asked()), (Some(3), 0), "{}", capped.stderr);
    // Enough for two at once: the others wait for what those really cost.
    let enough = project.tunebench(&["eval", "--max-cost", "0.0006"]);
    assert_eq!((enough.code, project.asked()), (Some(0), 6), "{}", enough.stderr);
}

#[test]
fn each_answer_is_told_with_its_own_cost() {
    let project = Project::new(BASE);
    let done = project.tunebench(&["eval", "--repeat", "2"]);
    let costs: Vec<_> = done.stderr.lines().filter(|line| line.starts_with("asked ")).collect();
    let costs: Vec<_> = costs.iter().filter_map(|line| line.split('$').nth(1)).collect();
    assert!(costs.len() == 2 && costs[0] == costs[1], "{}", done.stderr);
    let again = project.tunebench(&["eval", "--repeat", "2"]);
    assert!(!again.stderr.contains('$'), "{}", again.stderr);
}

#[test]
fn what_never_arrived_costs_nothing() {
    let project = Project::new(BASE);
    let Project { place, fake } = project;
    drop(fake);
    let done = place.outcome(place.command(&["eval", "--max-cost", "1"]).env("OPENAI_API_KEY", KEY));
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    let asked = done.stderr.lines().find(|line| line.starts_with("asked ")).unwrap();
    assert!(!asked.contains('$'), "{}", done.stderr);
}

#[test]
fn every_candidate_has_a_verdict_against_the_model_that_is_to_go() {
    let project = Project::new(
        "[evaluation]\nagainst = \"openai/gpt-4.1-mini-2025-04-14\"\n\
        [[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\nshots = { k = 3 }\n\
        [[model]]\nbase = \"openai/decisions/gpt-6-luna\"\n[[model]]\nbase = \"local/lexical\"\ntune = {}\n",
    );
    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let against = "openai/gpt-4.1-mini-2025-04-14";
    let pairs = project.place.csv("results/comparisons.csv");
    assert_eq!(pairs.iter().filter(|row| row["base"] == against).count(), 4, "{pairs:?}");
    assert_eq!(pairs.len(), 5, "and the tuned local model with its own base: {pairs:?}");
    for model in ["+3-shot", "decisions/gpt-6-luna", "local/lexical", "local/lexical-ft-"] {
        let verdict = |line: &str| line.contains(model) && line.contains(" against ");
        assert!(done.stdout.lines().any(verdict), "{model}: {}", done.stdout);
    }
    let wrong =
        project.place.read("tunebench.toml").replace("against = \"openai/gpt", "against = \"openai/gtp");
    project.place.write("tunebench.toml", wrong);
    let typo = project.tunebench(&["run"]);
    assert_eq!(typo.code, Some(2));
    assert!(typo.stderr.contains("is not a base or tuned model of this project"), "{}", typo.stderr);
}
