//! `kill -9` in the middle, and two at once: nothing that was paid for is lost, and little is paid for twice.
#![cfg(unix)]

use std::process::Stdio;
use std::time::Duration;

use tunebench_fakes::openai::FakeOpenAi;

use crate::openai::Project;
use crate::support::without_times;

const ROWS: u64 = 2000;
const CONCURRENCY: u64 = 64;

/// How many times to kill; `TUNEBENCH_TEST_KILLS=50` is the bar that the project set itself.
fn kills() -> u64 {
    std::env::var("TUNEBENCH_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(4)
}

#[test]
fn a_killed_run_goes_on_where_it_was() {
    let rows: String = (0..ROWS).map(|i| format!("my card number {i} is lost,card\n")).collect();
    for kill in 0..kills() {
        let fake = FakeOpenAi::builder().latency(Duration::from_millis(10)).start().unwrap();
        let project = Project::at(fake, "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n");
        project.place.write("test.csv", format!("text,label\n{rows}"));
        let args = ["eval", "--yes", "--concurrency", &CONCURRENCY.to_string()];
        let mut command = project.place.command(&args);
        command.env("OPENAI_API_KEY", "sk-any").stdout(Stdio::null()).stderr(Stdio::null());

        // A moment that differs from kill to kill: as soon as so many requests have come.
        let moment = 1 + (kill * 7919 + 3) % (ROWS - 100);
        let mut child = command.spawn().unwrap();
        while project.asked() < moment {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let mut again = project.place.command(&args);
        let done = project.place.outcome(again.env("OPENAI_API_KEY", "sk-any"));
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let predictions = project.place.csv("results/predictions/openai-gpt-4.1-mini-2025-04-14.csv");
        assert_eq!(predictions.iter().filter(|row| row["outcome"] == "correct").count() as u64, ROWS);
        let twice = project.fake.stats().duplicates;
        assert!(twice <= CONCURRENCY, "{twice} requests were sent twice");
        assert_eq!(project.asked(), ROWS + twice);
        let told =
            done.stderr.lines().find_map(|line| line.split("while ").nth(1)?.split(' ').next()?.parse().ok());
        assert!(told.unwrap_or(0) >= twice, "{twice} were sent twice: {}", done.stderr);
    }
}

#[test]
fn the_reports_of_a_killed_run_are_those_of_an_undisturbed_one() {
    let rows: String = (0..300).map(|i| format!("my card number {i} is lost,card\n")).collect();
    let results = [None, Some(100)].map(|moment| {
        let fake = FakeOpenAi::builder().latency(Duration::from_millis(5)).start().unwrap();
        let project = Project::at(fake, "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n");
        project.place.write("test.csv", format!("text,label\n{rows}"));
        let command = || {
            let mut command = project.place.command(&["eval"]);
            command.env("OPENAI_API_KEY", "sk-any").stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        if let Some(moment) = moment {
            let mut child = command().spawn().unwrap();
            while project.asked() < moment {
                assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
                std::thread::yield_now();
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(command().status().unwrap().success());
        without_times(project.place.files("results"))
    });
    let [undisturbed, killed] = results;
    assert!(undisturbed.len() > 4);
    assert_eq!(undisturbed, killed);
}

#[test]
fn two_runs_at_once_ask_for_each_row_once() {
    // Some of the rows are there twice.
    let rows: String = (0..400).map(|i| format!("my card number {} is lost,card\n", i % 320)).collect();
    let fake = FakeOpenAi::builder().latency(Duration::from_millis(20)).start().unwrap();
    let project = Project::at(fake, "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n");
    project.place.write("test.csv", format!("text,label\n{rows}"));
    let runs = ["one", "two"].map(|results| {
        let mut command = project.place.command(&["eval", "--results", results]);
        command.env("OPENAI_API_KEY", "sk-any").stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    });
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    assert_eq!((project.asked(), project.fake.stats().duplicates), (320, 0));
    for results in ["one", "two"] {
        let predictions = format!("{results}/predictions/openai-gpt-4.1-mini-2025-04-14.csv");
        let predictions = project.place.csv(&predictions);
        assert_eq!(predictions.iter().filter(|row| row["outcome"] == "correct").count(), 400);
    }
}
