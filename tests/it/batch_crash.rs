//! `kill -9` and Ctrl-C at every step of the road that batches take: never two paid batches, nothing lost.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use tunebench_fakes::openai::{BatchScript, Failing, FakeOpenAi, Fault};

use crate::batches::{outcomes, with};
use crate::openai::{KEY, Project};

const ROWS: usize = 12;
const ARGS: [&str; 3] = ["eval", "--yes", "--batch"];
const LONG: Fault = Fault::Stall(Duration::from_secs(3_600));

fn command(project: &Project) -> Command {
    let mut command = project.place.command(&ARGS);
    command.env("OPENAI_API_KEY", KEY).stdout(Stdio::null());
    command
}

/// The steps, as the provider meets them: which call, and what becomes of it when the program is killed.
fn steps() -> Vec<(&'static str, Fault, bool)> {
    let mut steps = Vec::new();
    for call in [
        "GET /v1/batches",
        "POST /v1/chat/completions",
        "POST /v1/files",
        "POST /v1/batches",
        "GET /v1/batches/batch",
        "/content",
        "DELETE /v1/files",
    ] {
        // The work is done, and its answer never comes.
        steps.push((call, LONG, true));
    }
    // Refused for now, and killed while it waits to try again: the work is not done.
    for call in ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch", "/content"] {
        steps.push((call, Fault::Status(503), false));
    }
    // The connection is gone, and killed while it searches.
    steps.push(("POST /v1/batches", Fault::Reset, true));
    steps
}

/// How often a call has come.
fn met(project: &Project, call: &str) -> u64 {
    let counted = match call {
        "GET /v1/batches/batch" => "GET /v1/batches/{id}".to_owned(),
        "/content" => "GET /v1/files/{id}/content".to_owned(),
        "DELETE /v1/files" => "DELETE /v1/files/{id}".to_owned(),
        other => other.to_owned(),
    };
    project.fake.stats().count(&counted)
}

#[test]
fn whoever_is_killed_at_any_step_pays_once_and_loses_nothing() {
    for (call, fault, after_work) in steps() {
        let project = with(FakeOpenAi::builder().key(KEY).start().unwrap(), ROWS, "");
        let failing = Failing::new(fault.clone()).on(call);
        project.fake.fail(if after_work { failing.after_work() } else { failing });
        let mut child = command(&project).stderr(Stdio::null()).spawn().unwrap();
        // One batch is looked at twice before the step is over: the fake counts a call when it begins.
        while met(&project, call) < 1 {
            assert!(child.try_wait().unwrap().is_none(), "{call}: it ended before it was killed");
            std::thread::yield_now();
        }
        // The call has begun; what it does is done when the fake has counted its end.
        while fault == Fault::Reset && !project.fake.stats().statuses.contains_key(&0) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        project.fake.heal();

        let mut code = None;
        for _ in 0..3 {
            let done = project.place.outcome(&mut command(&project));
            code = done.code;
            if code == Some(0) {
                break;
            }
            // Only what is unanswered may be left to the next command.
            assert_eq!(code, Some(3), "{call} {fault:?}: {}", done.stderr);
        }
        assert_eq!((code, outcomes(&project)), (Some(0), [ROWS, 0]), "{call} {fault:?}");
        let asked = project.asked() + project.fake.batch_rows();
        // The one live row may have been under way when the program was killed.
        let live = u64::from(call == "POST /v1/chat/completions");
        assert!(asked <= ROWS as u64 + live, "{call} {fault:?}: {asked} rows were paid for");
        assert!(project.fake.stats().duplicates <= live, "{call} {fault:?}: paid twice");
        assert_eq!(project.fake.files(), Vec::<String>::new(), "{call} {fault:?}: files stay behind");
    }
}

#[test]
fn ctrl_c_leaves_the_batch_running_and_says_how_to_come_back() {
    let project = with(FakeOpenAi::builder().key(KEY).start().unwrap(), ROWS, "");
    let mut script = BatchScript::default();
    script.looks = 1_000_000;
    project.fake.script_batches(script);
    let mut child = command(&project).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(stderr.any(|line| line.contains("handed in")));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<_> = stderr.collect();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("11 rows in 1 batch go on")), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("the same command comes back")), "{rest:?}");
    assert!(!project.place.path("results/summary.csv").exists());
    let id = project.fake.batches()[0].clone();
    let cancelled = project.tunebench(&["batches", "cancel", &format!("openai/{id}")]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.stderr);
}
