//! Ctrl-C and the signals that end a program, halfway: a clean end with what is there.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::support::Place;

#[test]
fn what_was_answered_is_kept_and_the_rest_is_unanswered() {
    for (signal, said) in [("-INT", "Ctrl-C again"), ("-TERM", "SIGTERM"), ("-HUP", "SIGHUP")] {
        ends_in_good_order(signal, said);
    }
}

fn ends_in_good_order(signal: &str, said: &str) {
    let models = "[providers.local]\nrequests_per_minute = 6000\n\
                  [[model]]\nbase = \"local/majority\"\n[[model]]\nbase = \"local/lexical\"\n";
    let place = Place::with_models(models);
    // The first model is over after a moment; the second then takes ten seconds, if nobody stops it.
    let rows: String = (0..1000).map(|i| format!("my card {i},card\n")).collect();
    place.write("test.csv", format!("text,label\n{rows}"));
    let mut child = place.command(&["eval"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(stderr.any(|line| line.starts_with("asked local/majority: 1000 rows")));
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let rest: Vec<_> = stderr.collect();
    assert_eq!(child.wait().unwrap().code(), Some(3), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains(said)), "{rest:?}");

    let rows = place.csv("results/predictions/local-lexical.csv");
    assert_eq!(rows.len(), 1000);
    let unanswered =
        rows.iter().filter(|row| row["outcome"] == "unanswered" && row["detail"] == "not_asked").count();
    let correct = rows.iter().filter(|row| row["outcome"] == "correct").count();
    assert_eq!(unanswered + correct, 1000);
    assert!(unanswered > 0);
    let summary = place.csv("results/summary.csv");
    assert_eq!(summary[0]["accuracy"], "1");
    assert_eq!((summary[1]["accuracy"].as_str(), summary[1]["complete"].as_str()), ("", "false"));
}

/// Under `nohup` a run is to go on when its terminal has gone.
#[cfg(target_os = "linux")]
#[test]
fn a_hang_up_that_is_to_be_ignored_is() {
    let models = "[providers.local]\nrequests_per_minute = 6000\n[[model]]\nbase = \"local/majority\"\n";
    let place = Place::with_models(models);
    let rows: String = (0..200).map(|i| format!("my card {i},card\n")).collect();
    place.write("test.csv", format!("text,label\n{rows}"));
    let script = "trap '' HUP; echo ready; exec \"$0\" eval --concurrency 1";
    let program = place.command(&[]);
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(program.get_program())
        .current_dir(place.path(""))
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(stdout.next().as_deref(), Some("ready"));
    // Sent as long as it runs: none of them may end it.
    while child.try_wait().unwrap().is_none() {
        let _ = Command::new("kill").args(["-HUP", &child.id().to_string()]).stderr(Stdio::null()).status();
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(
        place.csv("results/predictions/local-majority.csv").iter().all(|row| row["outcome"] != "unanswered")
    );
}
