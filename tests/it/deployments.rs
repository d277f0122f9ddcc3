//! Models that answer only from a machine that is billed by the minute: whatever happens, none runs on unnoticed.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tunebench_fakes::openai::{DeploymentScript, Failing, FakeOpenAi, Fault};

use crate::support::{Outcome, Place};

const KEY: &str = "tg-test-9f3b";
const BASE: &str = "Qwen/Qwen3.5-0.8B";
const LONG: Fault = Fault::Stall(Duration::from_secs(3_600));
const ENDPOINTS: &str = "POST /together/v2/projects/{id}/endpoints";
const ENDPOINT_GONE: &str = "DELETE /together/v2/projects/{id}/endpoints/{id}";
const DEPLOYMENTS: &str = "POST /together/v2/projects/{id}/endpoints/{id}/deployments";

/// A project with a model at the fake that is tuned, and answers only while it is deployed.
struct Project {
    place: Place,
    fake: FakeOpenAi,
}

impl Project {
    fn new() -> Self {
        Self::of(BASE, "")
    }

    fn of(base: &str, more: &str) -> Self {
        let fake = FakeOpenAi::builder().key(KEY).model(base, None).start().unwrap();
        let url = fake.together_url();
        let place = Place::with_models(&format!(
            "[tuning]\npoll_seconds = 0.01\n[deployments]\npoll_seconds = 0.01\n[providers.together]\n\
             base_url = \"{url}\"\n{more}[[model]]\nbase = \"together/{base}\"\ntune = {{ n_epochs = 2 }}\n"
        ));
        Self { place, fake }
    }

    /// The same, with its model trained.
    fn tuned() -> Self {
        let project = Self::new();
        let done = project.tunebench(&["tune", "--yes"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        project
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.place.command(args);
        command.env("TOGETHER_API_KEY", KEY).env_remove("TOGETHER_PROJECT_ID");
        command
    }

    fn tunebench(&self, args: &[&str]) -> Outcome {
        self.place.outcome(&mut self.command(args))
    }

    fn spawned(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn count(&self, call: &str) -> u64 {
        self.fake.stats().count(call)
    }

    fn script(&self, change: impl FnOnce(&mut DeploymentScript)) {
        let mut script = DeploymentScript::default();
        change(&mut script);
        self.fake.script_deployments(script);
    }

    /// Nothing is there, and so nothing costs money.
    fn assert_nothing_is_left(&self, when: &str) {
        assert_eq!(self.fake.running(), Vec::<String>::new(), "{when}: it runs on");
        assert_eq!(self.fake.endpoints(), Vec::<String>::new(), "{when}: a name is left");
    }
}

#[test]
fn run_tunes_deploys_asks_and_takes_down() {
    let project = Project::new();
    let plan = project.tunebench(&["plan"]);
    assert!(plan.stdout.contains("$3.99 for each hour"), "{}", plan.stdout);
    let plan: Value = serde_json::from_str(&project.tunebench(&["plan", "--json"]).stdout).unwrap();
    let deployment = plan["steps"].as_array().unwrap().iter().find_map(|step| step["deployment"].as_object());
    assert_eq!(deployment.unwrap()["max_minutes"], 60);
    let none = project.tunebench(&["run"]);
    assert!(none.code == Some(2) && none.stderr.contains("$3.99"), "{}", none.stderr);

    let done = project.tunebench(&["run", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    project.assert_nothing_is_left("after success");
    assert!(project.fake.bill_cents() > 0);
    for words in ["the provider expects $", "at $3.99 an hour", "answers after", "it is gone"] {
        assert!(done.stderr.contains(words), "{words}: {}", done.stderr);
    }
    let summary = project.place.csv("results/summary.csv");
    assert_eq!((summary.len(), summary[1]["unanswered"].as_str()), (2, "0"), "{summary:?}");
    let manifest: Value = serde_json::from_str(&project.place.read("results/manifest.json")).unwrap();
    let tuned = &manifest["models"][1];
    assert!(
        tuned["description"].as_str().unwrap().starts_with("deployed for 1 minute on 1x H100"),
        "{tuned}"
    );
    assert_eq!(tuned["paid_usd"], 0.0665);

    // Once more: everything is in the ledger, and nothing is deployed for it.
    let asked = project.count(ENDPOINTS);
    let again = project.tunebench(&["run"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(project.count(ENDPOINTS), asked);
}

/// The steps of the road, as the provider meets them: which call, the how many-th of its kind, and what becomes of it when the
/// program is killed.
fn steps() -> Vec<(&'static str, &'static str, u64, Fault, bool)> {
    let look = "GET /together/v2/projects/{id}/endpoints/{id}/deployments/{id}";
    let list = "GET /together/v2/projects/{id}/endpoints";
    vec![
        (
            "GET /together/v2/projects/{id}/configs",
            "GET /together/v2/projects/proj_fake/configs",
            1,
            LONG,
            true,
        ),
        (list, "GET /together/v2/projects/proj_fake/endpoints", 1, LONG, true),
        (ENDPOINTS, "POST /together/v2/projects/proj_fake/endpoints", 1, LONG, true),
        (ENDPOINTS, "POST /together/v2/projects/proj_fake/endpoints", 1, Fault::Status(503), false),
        (ENDPOINTS, "POST /together/v2/projects/proj_fake/endpoints", 1, Fault::Reset, true),
        (DEPLOYMENTS, "POST /together/v2/projects/proj_fake/endpoints/ep", 1, LONG, true),
        (DEPLOYMENTS, "POST /together/v2/projects/proj_fake/endpoints/ep", 2, LONG, true),
        (look, "/deployments/dep", 1, LONG, true),
        (look, "/deployments/dep", 2, LONG, true),
        ("POST /together/v1/chat/completions", "POST /together/v1/chat", 1, LONG, true),
        ("PATCH /together/v2/projects/{id}/endpoints/{id}/deployments/{id}", "PATCH", 1, LONG, true),
        ("DELETE /together/v2/projects/{id}/endpoints/{id}/deployments/{id}", "DELETE", 1, LONG, true),
        (ENDPOINT_GONE, "DELETE", 2, LONG, true),
    ]
}

/// Begins an evaluation that is killed at a step.
fn killed_at(project: &Project, (call, on, at, fault, after_work): &(&str, &str, u64, Fault, bool)) {
    let before = project.count(call);
    let failing = Failing::new(fault.clone()).on(*on).every(*at);
    project.fake.fail(if *after_work { failing.after_work() } else { failing });
    let args = ["eval", "--yes", "--fresh"];
    let mut child = project.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The second of all that are deleted is the first endpoint.
    let at = if *call == ENDPOINT_GONE { 1 } else { *at };
    while project.count(call) < before + at {
        assert!(child.try_wait().unwrap().is_none(), "{call} {at}: it ended before it was killed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    project.fake.heal();
}

#[test]
fn whoever_is_killed_at_any_step_leaves_nothing_that_runs_unnoticed() {
    for step in steps() {
        let when = format!("{} {} {:?}", step.0, step.2, step.3);
        let project = Project::tuned();

        // The next command tells of what may run, and `deployments stop` ends it.
        killed_at(&project, &step);
        let runs = !project.fake.running().is_empty();
        let told = project.tunebench(&["plan"]).stderr;
        assert!(!runs || told.contains("may still run, at $3.99 an hour"), "{when}: {told}");
        let stopped = project.tunebench(&["deployments", "stop"]);
        // What was ordered a moment ago and does not show yet is said to be able to turn up.
        let waits = stopped.stderr.contains("may not be listed yet");
        assert_eq!(stopped.code, Some(if waits { 3 } else { 0 }), "{when}: {}", stopped.stderr);
        project.assert_nothing_is_left(&when);

        // Nobody comes: its provider ends it.
        killed_at(&project, &step);
        project.fake.pass_minutes(31);
        assert_eq!(project.fake.running(), Vec::<String>::new(), "{when}: it runs without an end");

        // The same command comes back to what is there, and leaves nothing.
        killed_at(&project, &step);
        let mut code = None;
        for _ in 0..3 {
            let done = project.tunebench(&["eval", "--yes", "--fresh"]);
            code = done.code;
            project.assert_nothing_is_left(&when);
            if code == Some(0) {
                break;
            }
            assert_eq!(code, Some(3), "{when}: {}", done.stderr);
        }
        assert_eq!(code, Some(0), "{when}");
        assert_eq!(project.place.csv("results/summary.csv")[1]["unanswered"], "0", "{when}");
        let told = project.tunebench(&["plan"]).stderr;
        assert!(!told.contains("may still run"), "{when}: {told}");
    }
}

#[test]
fn what_fails_is_taken_down_and_told() {
    let project = Project::tuned();
    project.script(|script| script.fails = true);
    let failed = project.tunebench(&["eval", "--yes"]);
    assert!(failed.code == Some(3) && failed.stderr.contains("it does not answer"), "{}", failed.stderr);
    project.assert_nothing_is_left("after a failure");

    project.script(|script| script.never_stops = true);
    let refused = project.tunebench(&["eval", "--yes"]);
    assert!(refused.code == Some(3) && refused.stderr.contains("does not confirm"), "{}", refused.stderr);
    project.assert_nothing_is_left("without a net");

    // An answer that is lost makes no second one.
    project.script(|_| {});
    project.fake.fail(Failing::new(Fault::Reset).on("/deployments").every(2).times(1).after_work());
    let before = project.count(ENDPOINTS);
    let done = project.tunebench(&["eval", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(project.count(ENDPOINTS), before + 1);
    project.assert_nothing_is_left("after a lost answer");
}

#[test]
fn a_failing_model_takes_its_machine_down_too() {
    let project = Project::tuned();
    project.fake.fail(Failing::new(Fault::Billing).on("POST /together/v1/chat"));
    let failed = project.tunebench(&["eval", "--yes", "--fresh"]);
    assert_eq!(failed.code, Some(3), "{}", failed.stderr);
    project.assert_nothing_is_left("after an empty account");
}

#[test]
fn no_machine_is_ordered_that_may_cost_too_much_or_nobody_knows_what() {
    let price = "[prices.\"together/Qwen/Qwen3.5-0.8B\"]\ninput = 0.1\noutput = 0.1\nhour = 3.99\n";
    let project = Project::of(BASE, price);
    assert_eq!(project.tunebench(&["tune", "--yes"]).code, Some(0));
    let capped = project.tunebench(&["eval", "--yes", "--max-cost", "5"]);
    assert!(capped.code == Some(3) && capped.stderr.contains("budget of $5.00"), "{}", capped.stderr);
    assert_eq!(project.count(ENDPOINTS), 0);
    let allowed = project.tunebench(&["eval", "--yes", "--max-cost", "6"]);
    assert_eq!(allowed.code, Some(0), "{}", allowed.stderr);

    let unknown = Project::of("Qwen/of-nobody", "");
    assert_eq!(unknown.tunebench(&["tune", "--yes"]).code, Some(0));
    unknown.script(|script| script.unpriced = true);
    let refused = unknown.tunebench(&["eval", "--yes"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("hour = …"), "{}", refused.stderr);
    assert_eq!(unknown.count(ENDPOINTS), 0);
    let config = unknown.place.read("tunebench.toml");
    let price = "[prices.\"together/Qwen/of-nobody\"]\ninput = 1\noutput = 1\nhour = 7.5\n";
    unknown.place.write("tunebench.toml", format!("{config}{price}"));
    let done = unknown.tunebench(&["eval", "--yes"]);
    assert!(done.code == Some(0) && done.stderr.contains("at $7.50 an hour"), "{}", done.stderr);
    unknown.assert_nothing_is_left("at a price of one's own");
}

/// Reads what a program says until it says this.
fn said(lines: &mut impl Iterator<Item = String>, words: &str) {
    assert!(lines.any(|line| line.contains(words)), "it never said `{words}`");
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn ctrl_c_takes_it_down_and_a_second_one_says_what_goes_on() {
    let project = Project::tuned();
    project.script(|script| script.looks = 1_000_000);
    let mut child = project.spawned(&["eval", "--yes"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    said(&mut lines, "on 1x H100");
    interrupt(&child);
    let rest: Vec<_> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("taking it down")), "{rest:?}");
    project.assert_nothing_is_left("after Ctrl-C");

    project.fake.fail(Failing::new(LONG).on("PATCH"));
    let mut child = project.spawned(&["eval", "--yes"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    said(&mut lines, "on 1x H100");
    interrupt(&child);
    said(&mut lines, "taking it down");
    interrupt(&child);
    let rest: Vec<_> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("keeps running, at $3.99 an hour")), "{rest:?}");
    project.fake.heal();
    let told = project.tunebench(&["jobs", "list"]).stderr;
    assert!(told.contains("may still run") && told.contains("tunebench deployments stop"), "{told}");
    assert_eq!(project.tunebench(&["deployments", "cleanup"]).code, Some(0));
    project.assert_nothing_is_left("after two times Ctrl-C and a cleanup");
}

#[test]
fn what_another_process_uses_is_left_to_it() {
    let project = Project::tuned();
    project.script(|script| script.looks = 1_000_000);
    let mut child = project.spawned(&["eval", "--yes"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    said(&mut lines, "on 1x H100");
    // That is said before it is ordered.
    while project.fake.running().is_empty() {
        std::thread::yield_now();
    }
    let other = project.tunebench(&["eval", "--yes"]);
    assert!(other.code == Some(3) && other.stderr.contains("used by another process"), "{}", other.stderr);
    let listed: Value =
        serde_json::from_str(&project.tunebench(&["deployments", "list", "--json"]).stdout).unwrap();
    assert_eq!((&listed[0]["in_use"], &listed[0]["may_cost"]), (&json!(true), &json!(true)), "{listed}");
    // Not without being named.
    assert_eq!(project.tunebench(&["deployments", "stop"]).code, Some(0));
    assert_eq!(project.fake.running().len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let name = listed[0]["name"].as_str().unwrap();
    assert_eq!(project.tunebench(&["deployments", "stop", name]).code, Some(0));
    project.assert_nothing_is_left("after it was named");
    let wrong = project.tunebench(&["deployments", "stop", "tunebench-none"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
}

#[test]
fn what_another_machine_has_left_is_found() {
    let project = Project::tuned();
    killed_at(&project, &steps()[8]);
    std::fs::remove_dir_all(project.place.path(".tunebench")).unwrap();
    let table = project.tunebench(&["deployments", "list"]);
    assert!(table.code == Some(0) && table.stdout.contains("elsewhere"), "{}", table.stdout);
    assert_eq!(project.tunebench(&["deployments", "stop"]).code, Some(0));
    assert_eq!(project.fake.running().len(), 1, "what was ordered elsewhere is not ours to end");
    assert_eq!(project.tunebench(&["deployments", "stop", "--all"]).code, Some(0));
    project.assert_nothing_is_left("on another machine");
    assert!(project.tunebench(&["deployments", "list"]).stderr.contains("nothing is deployed"));
}

#[test]
fn labels_for_new_texts_come_from_a_deployment_too() {
    let project = Project::tuned();
    project.place.write("new.txt", "is my card on its way\ni want a refund\n");
    let args = ["predict", "together/Qwen/Qwen3.5-0.8B", "new.txt", "--tuned", "--yes", "-o", "out.csv"];
    let done = project.tunebench(&args);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(project.place.csv("out.csv").len(), 2);
    project.assert_nothing_is_left("after labelling");
    let asked = project.count(ENDPOINTS);
    std::fs::remove_file(project.place.path("out.csv")).unwrap();
    assert_eq!(project.tunebench(&args).code, Some(0));
    assert_eq!(project.count(ENDPOINTS), asked, "all was in the ledger");
}

#[test]
fn a_job_that_would_cost_too_much_by_the_providers_word_is_not_made() {
    let project = Project::new();
    let dear = json!({"estimation_available": true, "estimated_total_price": 50, "allowed_to_proceed": true});
    project.fake.fail(Failing::new(Fault::Answer(200, dear)).on("estimate-price"));
    let refused = project.tunebench(&["tune", "--yes", "--max-cost", "5"]);
    assert!(refused.code == Some(3) && refused.stderr.contains("$50.00"), "{}", refused.stderr);
    assert!(project.fake.jobs().is_empty());
    project.fake.heal();
    let done = project.tunebench(&["tune", "--yes", "--max-cost", "5"]);
    assert_eq!((done.code, project.fake.jobs().len()), (Some(0), 1), "{}", done.stderr);
}
