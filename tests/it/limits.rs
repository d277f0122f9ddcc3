//! Refusals and failures on the way: what they cost, what they end, and what is said of them.

use std::collections::BTreeMap;

use serde_json::json;
use tunebench_fakes::openai::{Failing, Fault, Hint};

use crate::openai::Project;

const BASE: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n";
const CHAT: &str = "/chat/completions";

/// So many test rows, each with a text of its own.
fn rows(rows: usize) -> Project {
    let project = Project::new(BASE);
    let rows: String = (0..rows).map(|row| format!("my card number {row},card\n")).collect();
    project.place.write("test.csv", format!("text,label\n{rows}"));
    project
}

fn outcomes(project: &Project) -> BTreeMap<String, usize> {
    let mut outcomes = BTreeMap::new();
    let file = &project.place.csv("results/summary.csv")[0]["file"];
    for row in project.place.csv(&format!("results/predictions/{file}.csv")) {
        let answered = if row["outcome"] == "unanswered" { "unanswered" } else { "answered" };
        *outcomes.entry(answered.to_owned()).or_default() += 1;
    }
    outcomes
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

#[test]
fn one_refusal_keeps_no_other_row_waiting() {
    let project = rows(60);
    project.fake.fail(Failing::new(Fault::RateLimited(Hint::Seconds(1.0))).on(CHAT).times(1));
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!((outcomes(&project), project.asked()), (counts([("answered", 60)]), 61));
    // The row that was refused is asked last, long after the others.
    let recorded = project.fake.recorded();
    let asked: Vec<_> = recorded.iter().filter(|exchange| exchange.path.ends_with(CHAT)).collect();
    let refused = asked.iter().find(|exchange| exchange.status == 429).unwrap();
    assert_eq!(asked.last().unwrap().request["messages"], refused.request["messages"]);
}

#[test]
fn a_wait_for_all_is_said_without_a_terminal() {
    let project = rows(60);
    project.fake.fail(Failing::new(Fault::RateLimited(Hint::Seconds(4.0))).on(CHAT).times(10));
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(outcomes(&project), counts([("answered", 60)]));
    assert!(
        done.stderr.contains(": the provider refuses requests (429, 10 so far); trying again in "),
        "{}",
        done.stderr
    );
    let quiet = rows(60);
    quiet.fake.fail(Failing::new(Fault::RateLimited(Hint::Seconds(3.0))).on(CHAT).times(10));
    let done = quiet.tunebench(&["eval", "--quiet"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_row_that_can_never_fit_fails_alone_and_at_once() {
    let words = "Request too large for gpt-4.1-mini on tokens per min (TPM): Limit 30000, Requested 40000.";
    let error = json!({"error": {"message": words, "type": "tokens", "code": "rate_limit_exceeded"}});
    for fault in [Fault::Answer(429, error), Fault::Status(413), Fault::Html(413)] {
        let project = rows(60);
        project.fake.fail(Failing::new(fault).on(CHAT).every(4));
        let done = project.tunebench(&["eval"]);
        assert_eq!(outcomes(&project), counts([("answered", 45), ("unanswered", 15)]), "{}", done.stderr);
        assert_eq!((done.code, project.asked()), (Some(3), 60), "{}", done.stderr);
        assert!(!done.stderr.contains("ended early"), "{}", done.stderr);
    }
}

#[test]
fn a_refusal_of_a_row_ends_the_run_only_if_it_recurs() {
    let flagged = json!({"error": {"message": "your input was flagged", "code": 403}});
    for (status, body) in [(403, flagged.clone()), (404, json!({"error": {"message": "no place for this"}}))]
    {
        let project = rows(60);
        project.fake.fail(Failing::new(Fault::Answer(status, body)).on(CHAT).every(3));
        let done = project.tunebench(&["eval"]);
        assert_eq!(outcomes(&project), counts([("answered", 40), ("unanswered", 20)]), "{}", done.stderr);
        assert!(!done.stderr.contains("ended early"), "{}", done.stderr);
    }
    let project = rows(60);
    project.fake.fail(Failing::new(Fault::Answer(403, flagged)).on(CHAT));
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(3));
    assert!(done.stderr.contains("ended early: refused: your input was flagged"), "{}", done.stderr);
    assert!(project.asked() < 30, "{}", project.asked());
}

#[test]
fn a_server_that_fails_half_of_the_time_answers_every_row() {
    let project = rows(60);
    project.fake.fail(Failing::new(Fault::Status(500)).on(CHAT).every(2));
    let done = project.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(outcomes(&project), counts([("answered", 60)]));
}

#[test]
fn a_server_that_hardly_ever_answers_ends_the_run_with_the_reason() {
    let project = rows(400);
    // Each time another failure, so that it is no failure of the rows.
    for (every, status) in [(2, 500), (2, 502), (2, 503)] {
        project.fake.fail(Failing::new(Fault::Status(status)).on(CHAT).every(every));
    }
    project.fake.fail(Failing::new(Fault::Html(504)).on(CHAT).every(2));
    let done = project.tunebench(&["eval", "--concurrency", "64"]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("ended early: the provider fails too often: "), "{}", done.stderr);
    assert!(done.stderr.contains("hint: run the same command again later"), "{}", done.stderr);
    assert_eq!(outcomes(&project).values().sum::<usize>(), 400);
}
