//! What is acknowledged survives `kill -9`: this test binary starts itself again as a child and kills it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures::StreamExt;
use tunebench_providers::Completion;

use super::tests::{key, latency, runtime, target};
use super::{Floor, Ledger};

const CHILD: &str = "TUNEBENCH_TEST_LEDGER_CHILD";
const ROWS: u32 = 2000;
const IN_FLIGHT: usize = 64;

fn child(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1", concat!(module_path!(), "::the_child")].map(
            |argument| {
                // The name of a test has no crate in it.
                argument
                    .split_once("::")
                    .filter(|_| argument.contains("::"))
                    .map_or(argument, |(_, name)| name)
            },
        ))
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// An evaluation in small: each row that has no answer is asked for. Says what it sends (`>`) and, after the next
/// acknowledgement of its slot, what is kept (`=`).
#[test]
fn the_child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let ledger = Ledger::open(Path::new(&path)).unwrap();
    let say = |word: &str, row: u32| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{word} {row}").unwrap();
        out.flush().unwrap();
    };
    runtime().block_on(async {
        let run = ledger.begin("eval", "0.1.0").unwrap();
        let doubts = run.found_in_doubt().iter().map(|doubt| doubt.requests).sum::<u64>();
        say("?", u32::try_from(doubts).unwrap());
        let keys: Vec<_> = (0..ROWS).map(key).collect();
        let found = ledger.lookup(&keys, Floor::default()).unwrap();
        let missing = (0..ROWS).filter(|row| found[*row as usize].is_none());
        let recorder = run.of_model(&target("gpt"), Floor::default()).await.unwrap();
        futures::stream::iter(missing)
            .for_each_concurrent(IN_FLIGHT, |row| {
                let recorder = &recorder;
                async move {
                    let intent = recorder.claim_anyway(key(row)).await.unwrap();
                    say(">", row);
                    // The others get their turn, as they would while the network is waited for.
                    tokio::task::yield_now().await;
                    let completion = Completion::new(format!("x {row}"));
                    intent.answered(&completion, latency()).await.unwrap();
                }
            })
            .await;
        run.flush().await.unwrap();
        say("=", ROWS);
        run.finish().await.unwrap();
    });
}

#[test]
fn kill_at_any_moment_loses_only_what_was_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut sent = vec![0u32; ROWS as usize];
    let (mut kills, mut in_doubt, mut before) = (0u32, 0, 0);
    loop {
        let mut child = child(&path);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A moment of its own for each child: after so many requests.
        let limit = (kills * 37 + 11) % 150;
        let (mut requests, mut complete) = (0, false);
        let mut lines = lines.map_while(Result::ok);
        let mut killed = false;
        for line in &mut lines {
            let Some((word, number)) = line.rsplit_once(' ') else { continue };
            let Ok(number) = number.parse::<u32>() else { continue };
            // The first line of the child follows the name of the test.
            match word.chars().last() {
                Some('?') => {
                    assert!(number as usize <= IN_FLIGHT, "{number} in doubt after one kill");
                    in_doubt += number;
                }
                Some('>') => {
                    sent[number as usize] += 1;
                    requests += 1;
                    if requests == limit && !killed {
                        child.kill().unwrap();
                        killed = true;
                    }
                }
                Some('=') => complete = true,
                _ => {}
            }
        }
        child.wait().unwrap();
        let ledger = Ledger::open(&path).unwrap();
        let keys: Vec<_> = (0..ROWS).map(key).collect();
        let found = ledger.lookup(&keys, Floor::default()).unwrap();
        let kept = found.iter().flatten().count();
        for (row, answer) in found.iter().enumerate() {
            assert!(answer.as_ref().is_none_or(|answer| answer.completion.text == format!("x {row}")));
        }
        assert!(kept >= before, "an answer was lost");
        assert!(requests as usize <= kept - before + IN_FLIGHT, "{requests} sent, {} kept", kept - before);
        before = kept;
        if complete && !killed {
            break;
        }
        kills += 1;
        assert!(kills < 500, "no end in sight");
    }
    assert_eq!(before, ROWS as usize);
    assert!(kills >= 10, "{kills} kills");
    let twice: u32 = sent.iter().map(|count| count - 1).sum();
    assert!(twice <= in_doubt, "{twice} were sent more than once, {in_doubt} were said to be in doubt");
}

#[test]
fn two_processes_share_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    // Neither finds a file: both make one, and one of them keeps it.
    let children = [child(&path), child(&path)];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
    }
    let ledger = Ledger::open(&path).unwrap();
    let stats = ledger.stats().unwrap();
    assert_eq!((stats.models[0].answers, stats.models[0].in_doubt), (u64::from(ROWS), 0));
    assert_eq!(ledger.runs().unwrap().len(), 2);
}
