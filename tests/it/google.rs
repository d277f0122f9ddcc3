//! The whole path at Google, against a fake that speaks its languages: log in, upload, tune, evaluate, pay once.

use std::process::Command;

use tunebench_fakes::google::{Failing, FakeGoogle, Fault};

use crate::support::{Outcome, Place};

const KEY: &str = "AIza-test-5e3c9a7b1d";

/// A project whose models are at the fake; who asks at Vertex AI is logged in with `gcloud`.
struct Project {
    place: Place,
    fake: FakeGoogle,
}

impl Project {
    fn new(models: &str) -> Self {
        Self::at(FakeGoogle::builder().api_key(KEY).start().unwrap(), models)
    }

    fn at(fake: FakeGoogle, models: &str) -> Self {
        let place = Place::with_models(&format!(
            "[tuning]\npoll_seconds = 0.01\n[providers.gemini]\nbase_url = \"{}\"\n[providers.vertex]\nbase_url = \"{}\"\n\
             storage_url = \"{}\"\nbucket = \"gs://fake-bucket\"\n{models}",
            fake.gemini_url(),
            fake.vertex_url(),
            fake.storage_url(),
        ));
        place.write(
            "home/.config/gcloud/application_default_credentials.json",
            fake.authorized_user().to_string(),
        );
        Self { place, fake }
    }

    /// The program without a key and without a login.
    fn stranger(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        // Nobody listens there: this machine is none of Google's.
        command.env("HOME", self.place.path("nowhere")).env("GCE_METADATA_HOST", "127.0.0.1:1");
        command
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.stranger(args);
        command
            .env("HOME", self.place.path("home"))
            .env("GEMINI_API_KEY", KEY)
            .env_remove("GCE_METADATA_HOST");
        command
    }

    fn tunebench(&self, args: &[&str]) -> Outcome {
        self.place.outcome(&mut self.command(args))
    }

    /// How often the fake was asked for answers.
    fn asked(&self) -> usize {
        self.fake.recorded().iter().filter(|exchange| exchange.path.ends_with(":generateContent")).count()
    }
}

const TUNED: &str =
    "[[model]]\nbase = \"vertex/gemini-3.5-flash\"\ntune = { epoch_count = 3, adapter_size = 4 }\n";
const GEMINI: &str = "[[model]]\nbase = \"gemini/gemini-3.5-flash-lite\"\n";
const VERTEX: &str = "[[model]]\nbase = \"vertex/gemini-3.5-flash-lite\"\n";

#[test]
fn run_tunes_evaluates_and_pays_once() {
    let project = Project::new(TUNED);
    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let summary = project.place.csv("results/summary.csv");
    assert_eq!(summary.len(), 2);
    let tuned = &summary[1]["model"];
    assert!(tuned.starts_with("vertex/projects/123456789012/locations/us/endpoints/"), "{summary:?}");
    let accuracy = |i: usize| summary[i]["accuracy"].parse::<f64>().unwrap();
    assert!(accuracy(1) >= accuracy(0), "{summary:?}");
    assert_eq!((project.fake.jobs().len(), project.asked(), project.fake.objects().len()), (1, 12, 1));
    assert!(done.stderr.contains("the data was read: 12 rows"), "{}", done.stderr);
    assert!(done.stderr.contains("checkpoint after epoch 3"), "{}", done.stderr);

    // On another machine, with a ledger of its own, the job is found by its label.
    let model = tuned.clone();
    std::fs::remove_dir_all(project.place.path(".tunebench")).unwrap();
    let elsewhere = project.tunebench(&["tune", "--yes"]);
    assert_eq!((elsewhere.code, elsewhere.stdout.trim()), (Some(0), model.as_str()), "{}", elsewhere.stderr);
    assert_eq!(project.fake.jobs().len(), 1);

    // A checkpoint is a model like any other, and all of it can be deleted.
    let list = project.tunebench(&["jobs", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let job = list.as_array().unwrap().iter().find(|job| job["provider"] == "vertex").unwrap();
    let id = format!("vertex/{}", job["job"]["id"].as_str().unwrap());
    let shown = project.tunebench(&["jobs", "show", &id]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let checkpoint = format!("vertex/{}", shown["checkpoints"][0]["model"].as_str().unwrap());
    let evaluated = project.tunebench(&["eval", &checkpoint, &model]);
    assert_eq!(evaluated.code, Some(0), "{}", evaluated.stderr);
    let deleted = project.tunebench(&["jobs", "delete", "--yes", &model]);
    assert_eq!(deleted.code, Some(0), "{}", deleted.stderr);
    assert!(project.fake.endpoints().is_empty() && project.fake.objects().is_empty());
}

#[test]
fn a_second_run_asks_nobody() {
    let project = Project::new(TUNED);
    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let Project { place, fake } = project;
    drop(fake);
    let again = place.outcome(place.command(&["run"]).env("HOME", place.path("home")));
    assert_eq!((again.code, &again.stdout), (Some(0), &done.stdout), "{}", again.stderr);
    assert!(again.stderr.contains("6 of them from the ledger"), "{}", again.stderr);
}

#[test]
fn secrets_are_nowhere() {
    let project = Project::new(&format!("{TUNED}{GEMINI}"));
    project.fake.fail(Failing::new(Fault::Status(500)).on(":generateContent").times(2));
    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let bad =
        project.place.outcome(project.command(&["eval", "--fresh"]).env("GEMINI_API_KEY", "AIza-wrong-77"));
    assert_eq!(bad.code, Some(3), "{}", bad.stderr);
    assert!(bad.stderr.contains("check the key in GEMINI_API_KEY"), "{}", bad.stderr);
    let secrets = [KEY, "AIza-wrong-77", "ya29.", "1//fake-refresh-token", "upload_id"];
    for text in [&done.stdout, &done.stderr, &bad.stdout, &bad.stderr] {
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    for (name, content) in project.place.files("").into_iter().filter(|(name, _)| !name.starts_with("home")) {
        let holds = |secret: &&str| content.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!secrets.iter().any(holds), "{name}");
    }
}

#[test]
fn a_machine_at_google_needs_no_login() {
    let project = Project::new(VERTEX);
    let mut command = project.stranger(&["eval"]);
    command
        .env("GCE_METADATA_HOST", project.fake.metadata_host())
        .env("GOOGLE_CLOUD_PROJECT", "fake-project");
    let done = project.place.outcome(&mut command);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(project.asked(), 6);
}

#[test]
fn a_login_file_can_be_named_in_the_environment_and_beside_the_configuration() {
    let project = Project::new(VERTEX);
    project.place.write("login.json", project.fake.authorized_user().to_string());
    let login = project.place.path("login.json");
    let named =
        project.place.outcome(project.stranger(&["eval"]).env("GOOGLE_APPLICATION_CREDENTIALS", &login));
    assert_eq!(named.code, Some(0), "{}", named.stderr);
    project.place.write(".env", format!("GOOGLE_APPLICATION_CREDENTIALS={}\n", login.display()));
    let beside = project.place.outcome(&mut project.stranger(&["eval", "--fresh"]));
    assert_eq!(beside.code, Some(0), "{}", beside.stderr);
    assert_eq!(project.asked(), 12);
}

#[test]
fn without_credentials_it_ends_at_once_and_says_how_to_log_in() {
    let project = Project::new(&TUNED.replace("[[model]]", "project = \"fake-project\"\n[[model]]"));
    for args in [&["eval"][..], &["tune", "--yes"]] {
        let done = project.place.outcome(&mut project.stranger(args));
        assert_eq!(done.code, Some(3), "{}", done.stderr);
        assert!(done.stderr.contains("`gcloud auth application-default login`"), "{}", done.stderr);
        assert!(!done.stderr.contains("asking again"), "{}", done.stderr);
    }
    assert_eq!(project.fake.stats().total(), 0);
}

#[test]
fn providers_say_who_is_let_in() {
    let project = Project::new(GEMINI);
    let table =
        project.place.outcome(project.stranger(&["providers"]).env_remove("GCE_METADATA_HOST")).stdout;
    let block = |table: &str, name: &str| {
        let mut blocks = table.split("\n\n").filter(|block| block.starts_with(name));
        blocks.next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(block(&table, "gemini").contains("key missing: set GEMINI_API_KEY"), "{table}");
    assert!(block(&table, "vertex").contains("fine-tuning of gemini-3.5-flash-lite"), "{table}");
    assert!(!block(&table, "gemini").contains("fine-tuning"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let table = project.tunebench(&["providers"]).stdout;
    for name in ["gemini", "vertex"] {
        assert!(block(&table, name).contains("key set"), "{table}");
    }
}

#[test]
fn both_forms_of_answers_work_at_both_apis() {
    let project = Project::new(&format!("{GEMINI}{VERTEX}"));
    let tags = project.tunebench(&["eval"]);
    assert_eq!(tags.code, Some(0), "{}", tags.stderr);
    let config = project.place.read("tunebench.toml");
    project.place.write("tunebench.toml", format!("{config}\n[evaluation]\nanswer = \"schema\"\n"));
    let schema = project.tunebench(&["eval"]);
    assert_eq!(schema.code, Some(0), "{}", schema.stderr);
    assert_eq!(project.asked(), 24, "another form of answer is another request");
    let rows = project.place.csv("results/predictions/gemini-gemini-3.5-flash-lite.csv");
    assert!(rows.iter().all(|row| row["outcome"] != "invalid" && !row["probability"].is_empty()), "{rows:?}");
}

#[test]
fn a_quota_of_the_day_ends_the_run_at_once_and_keeps_what_there_is() {
    let fake = FakeGoogle::builder().api_key(KEY).daily_requests(4).start().unwrap();
    let project = Project::at(fake, GEMINI);
    let done = project.tunebench(&["eval", "--concurrency", "1"]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("today's quota is used up"), "{}", done.stderr);
    assert_eq!(project.asked(), 5, "nothing is tried again");
    let summary = project.place.csv("results/summary.csv");
    assert_eq!((summary[0]["unanswered"].as_str(), summary[0]["accuracy"].as_str()), ("2", ""));
}

#[test]
fn another_model_that_answers_is_told_and_recorded() {
    let fake = FakeGoogle::builder()
        .api_key(KEY)
        .routed("gemini-2.5-flash", "gemini-3.5-flash-lite")
        .start()
        .unwrap();
    let project = Project::at(fake, "[[model]]\nbase = \"gemini/gemini-2.5-flash\"\n");
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let told = "`gemini-2.5-flash` was asked and `gemini-3.5-flash-lite` answered";
    assert!(done.stderr.contains(told), "{}", done.stderr);
    let manifest: serde_json::Value =
        serde_json::from_str(&project.place.read("results/manifest.json")).unwrap();
    assert_eq!(manifest["models"][0]["answered_by"]["gemini-3.5-flash-lite"], 6);
}

#[test]
fn the_developer_api_tunes_nothing_and_says_who_does() {
    let project = Project::new("[[model]]\nbase = \"gemini/gemini-3.5-flash\"\ntune = {}\n");
    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("`gemini` does not offer fine-tuning"), "{}", done.stderr);
    assert!(done.stderr.contains("hint:") && done.stderr.contains("vertex"), "{}", done.stderr);
}

#[test]
fn a_lost_answer_to_the_order_makes_no_second_job() {
    let project = Project::new(TUNED);
    let lost = Failing::new(Fault::Reset).on("POST /aiplatform/us-central1/v1").times(1).after_work();
    project.fake.fail(lost);
    let done = project.tunebench(&["tune", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(project.fake.jobs().len(), 1);
}

#[test]
fn a_tuned_model_costs_what_its_base_does() {
    let project = Project::new(&TUNED.replace("gemini-3.5-flash\"", "gemini-3.5-flash-lite\""));
    let prices = "\n[prices.\"vertex/gemini-3.5-flash-lite\"]\ninput = 0.3\noutput = 2.5\ntraining = 1.5\n";
    let unknown = project.tunebench(&["run", "--yes", "--max-cost", "5"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("the price of tuning `vertex/gemini-3.5-flash-lite` is not known"));
    let config = project.place.read("tunebench.toml") + prices;
    project.place.write("tunebench.toml", config);
    let done = project.tunebench(&["run", "--yes", "--max-cost", "5"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let manifest: serde_json::Value =
        serde_json::from_str(&project.place.read("results/manifest.json")).unwrap();
    let cost = |i: usize| manifest["models"][i]["usage"]["cost_usd"].as_f64();
    assert!(cost(0).is_some_and(|cost| cost > 0.0) && cost(1).is_some_and(|cost| cost > 0.0), "{manifest:#}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_watch_leaves_the_job_and_the_same_command_comes_back() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;

    let project = Project::new(TUNED);
    let config = project.place.read("tunebench.toml").replace("poll_seconds = 0.01", "poll_seconds = 600");
    project.place.write("tunebench.toml", &config);
    let mut command = project.command(&["run", "--yes"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("job projects/") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0);
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{rest}");
    assert!(rest.contains("the job goes on; run the same command again"), "{rest}");

    project.place.write("tunebench.toml", config.replace("poll_seconds = 600", "poll_seconds = 0.01"));
    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("resuming job projects/"), "{}", done.stderr);
    assert_eq!((project.fake.jobs().len(), project.fake.objects().len()), (1, 1));
}
