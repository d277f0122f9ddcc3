//! Several machines share an evaluation, and put it together again.

use tunebench_fakes::openai::FakeOpenAi;

use crate::openai::Project;
use crate::support::{Outcome, Place, without_times};

const MODELS: &str = "[[model]]\nbase = \"local/majority\"\n[[model]]\nbase = \"local/lexical\"\ntune = {}\n";

fn done(outcome: Outcome) -> Outcome {
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    outcome
}

/// Sixty rows, evaluated whole in `whole`, and in three parts in `part1` to `part3`.
fn shared() -> Place {
    let place = Place::with_models(MODELS);
    let rows: String = (0..60)
        .map(|i| {
            format!(
                "{} {i},{}\n",
                ["my card", "the rate", "a refund"][i % 3],
                ["card", "rate", "refund"][i % 3]
            )
        })
        .collect();
    place.write("test.csv", format!("text,label\n{rows}"));
    done(place.tunebench(&["run", "--results", "whole", "--no-doctor"]));
    for part in 1..=3 {
        let (shard, results) = (format!("{part}/3"), format!("part{part}"));
        done(place.tunebench(&["eval", "--shard", &shard, "--results", &results]));
    }
    place
}

#[test]
fn the_joined_shards_are_the_whole() {
    let place = shared();
    let part = done(place.tunebench(&["report", "--results", "part2"]));
    assert!(part.stdout.contains("This is only shard 2/3"), "{}", part.stdout);
    done(place.tunebench(&["merge", "part3", "part1", "part2", "--results", "joined"]));
    let figures = |folder: &str| {
        let files = without_times(place.files(folder)).into_iter();
        let files = files.map(|(name, lines)| (name.trim_start_matches(folder).to_owned(), lines));
        let mut files: Vec<_> =
            files.filter(|(name, _)| name.ends_with(".csv") && !name.contains("losses")).collect();
        // The rows are the same, in another order.
        let of_rows = |name: &str| name.contains("predictions/") || name.ends_with("texts.csv");
        files.iter_mut().filter(|(name, _)| of_rows(name)).for_each(|(_, rows)| rows.sort());
        files
    };
    assert_eq!(figures("joined"), figures("whole"));
    let manifest: serde_json::Value = serde_json::from_str(&place.read("joined/manifest.json")).unwrap();
    assert_eq!((&manifest["complete"], &manifest["shard"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(manifest["data"][1]["rows"], 60);
    let gate = place.tunebench(&["gate", "--results", "joined", "--min-accuracy", "0.1", "--test", "off"]);
    assert_eq!(gate.code, Some(0), "{}{}", gate.stdout, gate.stderr);
}

#[test]
fn rows_of_one_text_stay_one_cluster_when_shards_are_joined() {
    let place = Place::with_models(MODELS);
    let rows: String = (0..60).map(|i| format!("my card {},card\n", i % 20)).collect();
    place.write("test.csv", format!("text,label\nthe rate,rate\na refund,refund\n{rows}"));
    done(place.tunebench(&["tune"]));
    for part in 1..=3 {
        let (shard, results) = (format!("{part}/3"), format!("part{part}"));
        done(place.tunebench(&["eval", "--shard", &shard, "--results", &results]));
    }
    done(place.tunebench(&["merge", "part1", "part2", "part3", "--results", "joined"]));
    let summary: serde_json::Value = serde_json::from_str(&place.read("joined/summary.json")).unwrap();
    assert_eq!(
        (&summary["comparisons"][0]["n"], &summary["comparisons"][0]["clusters"]),
        (&62.into(), &22.into())
    );
}

#[test]
fn a_machine_takes_the_part_that_its_scheduler_names() {
    let place = shared();
    let eval = |results: &str, variables: &[(&str, &str)], shard: &str| {
        let mut command = place.command(&["eval", "--shard", shard, "--results", results]);
        for name in ["CI_NODE_INDEX", "CI_NODE_TOTAL", "JOB_COMPLETION_INDEX"] {
            command.env_remove(name);
        }
        place.outcome(command.envs(variables.iter().copied()))
    };
    let third = done(eval("auto3", &[("CI_NODE_INDEX", "3"), ("CI_NODE_TOTAL", "3")], "auto"));
    let said = "shard 3/3, from CI_NODE_INDEX=3, CI_NODE_TOTAL=3 (GitLab)";
    assert!(third.stderr.contains(said), "{}", third.stderr);
    done(eval("auto2", &[("JOB_COMPLETION_INDEX", "1")], "auto/3"));
    for (auto, by_hand) in [("auto2", "part2"), ("auto3", "part3")] {
        let ids = |folder| {
            let rows = place.csv(&format!("{folder}/predictions/local-lexical.csv"));
            rows.into_iter().map(|row| row["id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids(auto), ids(by_hand));
    }
    for (variables, message) in [
        (&[][..], "no scheduler has given this machine its number"),
        (
            &[("JOB_COMPLETION_INDEX", "1")],
            "Kubernetes sets JOB_COMPLETION_INDEX, but no variable for the total",
        ),
    ] {
        let refused = eval("none", variables, "auto");
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(
            refused.stderr.contains(message) && refused.stderr.contains("--shard 2/8"),
            "{}",
            refused.stderr
        );
        assert!(!place.path("none").exists());
    }
}

#[test]
fn a_part_is_never_taken_for_the_whole() {
    let place = shared();
    let gate = place.tunebench(&["gate", "--results", "part1", "--min-accuracy", "0.1", "--test", "off"]);
    assert_eq!(gate.code, Some(3), "{}{}", gate.stdout, gate.stderr);
    let two = place.tunebench(&["merge", "part1", "part3", "--results", "joined"]);
    assert_eq!(two.code, Some(3), "{}", two.stderr);
    assert!(two.stderr.contains("shards are missing: 2/3"), "{}", two.stderr);
    assert!(two.stdout.contains("shards are missing: 2/3"), "{}", two.stdout);
    assert!(!two.stdout.contains("cut short"), "{}", two.stdout);
    let junit = place.tunebench(&["report", "--results", "joined", "--format", "junit"]);
    let said = "<error type=\"incomplete\" message=\"Not all test rows are here; shards are missing: 2/3.\">";
    assert!(junit.stdout.contains(said) && junit.stdout.contains("errors=\"1\""), "{}", junit.stdout);
    let gate = place.tunebench(&["gate", "--results", "joined", "--min-accuracy", "0.1", "--test", "off"]);
    assert_eq!(gate.code, Some(3), "{}{}", gate.stdout, gate.stderr);
    for (parts, said) in [
        (["part1", "part1"], "shard 1/3 is in `part1` and in `part1`"),
        (["part1", "whole"], "`whole` is not a shard"),
        (["part1", "nowhere"], "nowhere"),
    ] {
        let refused = place.tunebench(&["merge", parts[0], parts[1], "--results", "joined"]);
        assert_eq!(refused.code, Some(2), "{parts:?}");
        assert!(refused.stderr.contains(said), "{parts:?}: {}", refused.stderr);
    }
    place.write("test.csv", place.read("test.csv") + "one more card,card\n");
    done(place.tunebench(&["eval", "--shard", "2/3", "--results", "part2"]));
    let other = place.tunebench(&["merge", "part1", "part2", "part3", "--results", "joined"]);
    assert!(other.stderr.contains("`part1` and `part2` differ in their data"), "{}", other.stderr);
    let bad = place.tunebench(&["eval", "--shard", "4/3"]);
    assert_eq!(bad.code, Some(2));
    assert!(bad.stderr.contains("expected PART/OF such as 2/8"), "{}", bad.stderr);
}

#[test]
fn what_is_not_there_is_named() {
    let done = Place::new().tunebench(&["merge", "nope"]);
    let expected = "\
error: there is no file or folder `nope`
hint: name results folders of shards, or ledgers such as `.tunebench/ledger.sqlite`
";
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), expected));
}

#[test]
fn a_part_of_the_baselines_rows_is_incomplete_and_no_other_data() {
    let place = shared();
    done(place.tunebench(&["gate", "--update-baseline", "--results", "whole"]));
    place.tunebench(&["merge", "part1", "part3", "--results", "joined"]);
    for (results, said) in [
        ("part1", "this is only shard 1/3; join all with `tunebench merge`"),
        ("joined", "shards are missing: 2/3; evaluate them with `tunebench eval --shard`, and join all"),
    ] {
        let gate = place.tunebench(&["gate", "--results", results, "--min-accuracy", "0.1"]);
        assert_eq!(gate.code, Some(3), "{}{}", gate.stdout, gate.stderr);
        assert!(gate.stdout.contains(said), "{}", gate.stdout);
        assert!(gate.stdout.contains("incomplete   baseline: not judged: "), "{}", gate.stdout);
        assert!(!gate.stdout.contains("too few rows"), "{}", gate.stdout);
        let update = place.tunebench(&["gate", "--update-baseline", "--results", results]);
        assert_eq!(update.code, Some(3));
        assert!(update.stderr.contains("`tunebench merge`"), "{}", update.stderr);
    }
    let rows = place.read("test.csv") + "one more card,card\n";
    place.write("test.csv", rows);
    done(place.tunebench(&["eval", "--results", "more", "--shard", "1/1"]));
    let other = place.tunebench(&["gate", "--results", "more"]);
    assert_eq!(other.code, Some(2), "{}", other.stdout);
    assert!(other.stderr.contains("other data"), "{}", other.stderr);
}

#[test]
fn the_ledgers_of_shards_make_one_that_pays_for_nothing_more() {
    let project =
        Project::at(FakeOpenAi::start().unwrap(), "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n");
    for shard in ["1/2", "2/2"] {
        let state = format!("state{}", &shard[..1]);
        done(project.tunebench(&["eval", "--shard", shard, "--state", &state, "--results", &state]));
    }
    assert_eq!(project.asked(), 6);
    let (one, two) = ("state1/ledger.sqlite", "state2/ledger.sqlite");
    done(project.tunebench(&["merge", one, two]));
    let whole = done(project.tunebench(&["eval"]));
    assert!(whole.stderr.contains("6 of them from the ledger"), "{}", whole.stderr);
    assert_eq!(project.asked(), 6);
}
