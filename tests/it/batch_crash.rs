//! `kill -9` and Ctrl-C at every step of the road that batches take, at every service: never two paid batches, nothing lost.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use tunebench_fakes::openai::{BatchScript, Failing, Fault};

use crate::batch_services::{ANTHROPIC, Call, GEMINI, OPENAI, Project, Service, TOGETHER, VERTEX};

const ROWS: usize = 12;
const ARGS: [&str; 3] = ["eval", "--yes", "--batch"];
const LONG: Fault = Fault::Stall(Duration::from_secs(3_600));

fn command(project: &Project) -> Command {
    let mut command = project.command(&ARGS);
    command.stdout(Stdio::null());
    command
}

/// The steps, as a service meets them: which call, and what becomes of it when the program is killed.
fn steps(service: &Service) -> Vec<(Call, Fault, bool)> {
    let Service { list, live, upload, create, look, results, clean_up, .. } = *service;
    let mut steps = Vec::new();
    for call in [list, live].into_iter().chain(upload).chain([create, look, results, clean_up]) {
        // The work is done, and its answer never comes.
        steps.push((call, LONG, true));
    }
    // Refused for now, and killed while it waits to try again: the work is not done.
    for call in upload.into_iter().chain([create, look, results]) {
        steps.push((call, Fault::Status(503), false));
    }
    // The connection is gone, and killed while it searches.
    steps.push((create, Fault::Reset, true));
    steps
}

fn whoever_is_killed_at_any_step_pays_once_and_loses_nothing(service: &'static Service) {
    for (call, fault, after_work) in steps(service) {
        let project = service.project(ROWS, "");
        let failing = Failing::new(fault.clone()).on(call.0);
        project.fail(if after_work { failing.after_work() } else { failing });
        let mut child = command(&project).stderr(Stdio::null()).spawn().unwrap();
        let told = format!("{} {} {fault:?}", service.name, call.0);
        // One batch is looked at twice before the step is over: the fake counts a call when it begins.
        while project.met(call) < 1 {
            assert!(child.try_wait().unwrap().is_none(), "{told}: it ended before it was killed");
            std::thread::yield_now();
        }
        // The call has begun; what it does is done when the fake has counted its end.
        while fault == Fault::Reset && !project.stats().statuses.contains_key(&0) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        project.heal();

        let mut code = None;
        for _ in 0..3 {
            let done = project.place.outcome(&mut command(&project));
            code = done.code;
            if code == Some(0) {
                break;
            }
            // Only what is unanswered may be left to the next command.
            assert_eq!(code, Some(3), "{told}: {}", done.stderr);
        }
        assert_eq!((code, project.outcomes()), (Some(0), [ROWS, 0]), "{told}");
        let asked = project.met(service.live) + project.batch_rows();
        // The one live row may have been under way when the program was killed.
        let live = u64::from(call == service.live);
        assert!(asked <= ROWS as u64 + live, "{told}: {asked} rows were paid for");
        assert!(project.stats().duplicates <= live, "{told}: paid twice");
        assert_eq!(project.left_behind(), Vec::<String>::new(), "{told}: files stay behind");
    }
}

#[test]
fn whoever_is_killed_at_openai_pays_once_and_loses_nothing() {
    whoever_is_killed_at_any_step_pays_once_and_loses_nothing(&OPENAI);
}

#[test]
fn whoever_is_killed_at_together_pays_once_and_loses_nothing() {
    whoever_is_killed_at_any_step_pays_once_and_loses_nothing(&TOGETHER);
}

#[test]
fn whoever_is_killed_at_anthropic_pays_once_and_loses_nothing() {
    whoever_is_killed_at_any_step_pays_once_and_loses_nothing(&ANTHROPIC);
}

#[test]
fn whoever_is_killed_at_gemini_pays_once_and_loses_nothing() {
    whoever_is_killed_at_any_step_pays_once_and_loses_nothing(&GEMINI);
}

#[test]
fn whoever_is_killed_at_vertex_pays_once_and_loses_nothing() {
    whoever_is_killed_at_any_step_pays_once_and_loses_nothing(&VERTEX);
}

#[test]
fn ctrl_c_leaves_the_batch_running_and_says_how_to_come_back() {
    let project = OPENAI.project(ROWS, "");
    let mut script = BatchScript::default();
    script.looks = 1_000_000;
    project.script(script);
    let mut child = command(&project).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(stderr.any(|line| line.contains("handed in")));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<_> = stderr.collect();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("11 rows in 1 batch go on")), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("the same command resumes them")), "{rest:?}");
    assert!(!project.place.path("results/summary.csv").exists());
}
