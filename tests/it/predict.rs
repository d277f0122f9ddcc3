//! `tunebench predict`: labels for texts that have none.

use std::io::Write;
use std::process::Stdio;

use crate::openai::Project;
use crate::support::{Outcome, Place};

const LOCAL: &str = "[[model]]\nbase = \"local/majority\"\n[[model]]\nbase = \"local/lexical\"\ntune = {}\n";
const OPENAI: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n";
const MODEL: &str = "openai/gpt-4.1-mini-2025-04-14";

/// Runs the program with something on its stdin.
fn piped(place: &Place, args: &[&str], input: &[u8]) -> Outcome {
    let mut command = place.command(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who finds a mistake early reads no further.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn all_columns_are_kept_and_the_answer_is_added() {
    let place = Place::with_models(LOCAL);
    place.write(
        "new.csv",
        "id,text,note\n007,\"where, oh where is my card\",x\n008,  ,\n009,=1+1,\"a \"\"b\"\"\"\n",
    );
    let done = place.tunebench(&["predict", "local/majority", "new.csv"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let expected = "\
id,text,note,prediction,probability,outcome,detail
007,\"where, oh where is my card\",x,card,,labelled,
008,  ,,,,blank,
009,=1+1,\"a \"\"b\"\"\",card,,labelled,
";
    assert_eq!(done.stdout, expected);
    assert!(done.stderr.starts_with("labelled 2 of 3 texts, 1 blank in "), "{}", done.stderr);

    let done = place.tunebench(&["predict", "local/majority", "new.csv", "-o", "out/../out.jsonl"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    let done = place.tunebench(&["predict", "local/majority", "new.csv", "-o", "out.jsonl", "--quiet"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), "", ""));
    assert_eq!(
        place.read("out.jsonl").lines().nth(1).unwrap(),
        r#"{"id":"008","text":"  ","note":"","prediction":null,"probability":null,"outcome":"blank","detail":null}"#
    );
}

#[test]
fn a_pipe_has_one_text_a_line_and_other_formats_are_named() {
    let place = Place::with_models(LOCAL);
    let done = piped(&place, &["predict", "local/majority"], b"my card\r\n\nis it\there\n");
    let expected = "\
text,prediction,probability,outcome,detail
my card,card,,labelled,
,,,blank,
is it\there,card,,labelled,
";
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), expected), "{}", done.stderr);

    let rows =
        b"{\"n\": 1.50, \"said\": \"my \\u0063ard\", \"a\": null}\n\n{\"said\": \"rate\", \"n\": [1, 2]}\n";
    let args = ["predict", "local/majority", "-", "--input-format", "jsonl", "--text", "said"];
    let done = piped(&place, &args, rows);
    let expected = r#"{"n":1.50,"said":"my \u0063ard","a":null,"prediction":"card","probability":null,"outcome":"labelled","detail":null}
{"said":"rate","n":[1, 2],"prediction":"card","probability":null,"outcome":"labelled","detail":null}
"#;
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), expected), "{}", done.stderr);
    let done = piped(&place, &[&args[..], &["--format", "tsv"]].concat(), rows);
    let expected = "\
n\tsaid\ta\tprediction\tprobability\toutcome\tdetail
1.50\tmy card\t\tcard\t\tlabelled\t
[1, 2]\trate\t\tcard\t\tlabelled\t
";
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), expected), "{}", done.stderr);
}

#[test]
fn a_tuned_model_labels_and_abstains_where_it_is_not_sure() {
    let place = Place::with_models(LOCAL);
    place.write("new.txt", "where is my new card\nxyzzy\n");
    let asked = ["predict", "local/lexical", "new.txt", "--tuned"];
    let done = place.tunebench(&asked);
    assert_eq!(done.code, Some(2));
    assert!(
        done.stderr.contains("no model of this project has been tuned from `local/lexical`"),
        "{}",
        done.stderr
    );
    assert_eq!(place.tunebench(&["tune"]).code, Some(0));
    let done = place.tunebench(&[&asked[..], &["--min-probability", "0.6", "-o", "out.csv"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let rows = place.csv("out.csv");
    let (sure, unsure) = (&rows[0], &rows[1]);
    assert_eq!((sure["prediction"].as_str(), sure["outcome"].as_str()), ("card", "labelled"));
    assert_eq!((unsure["prediction"].as_str(), unsure["outcome"].as_str()), ("", "abstained"));
    assert!(unsure["probability"].parse::<f32>().unwrap() < 0.6);
    assert!(done.stderr.starts_with("labelled 1 of 2 texts, 1 abstained in "), "{}", done.stderr);
    // The id that `tune` prints names the same model.
    let tuned = place.tunebench(&["tune", "--json"]);
    let tuned: serde_json::Value = serde_json::from_str(&tuned.stdout).unwrap();
    let named = place.tunebench(&["predict", tuned[0]["model"].as_str().unwrap(), "new.txt"]);
    assert!(
        named.stdout.starts_with(&format!(
            "text,prediction,probability,outcome,detail\nwhere is my new card,card,{},",
            sure["probability"]
        )),
        "{}",
        named.stderr
    );
}

#[test]
fn a_base_that_was_mistyped_is_not_to_be_tuned() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\ntune = {}\n");
    place.write("new.txt", "where is my card\n");
    let done = place.tunebench(&["predict", "local/lexcal", "new.txt", "--tuned"]);
    let expected = "\
error: `local/lexcal` is not a base model of this project
hint: did you mean `local/lexical`?
";
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), expected));
}

#[test]
fn a_budget_ends_it_and_the_same_command_goes_on_and_pays_once() {
    let project = Project::new(OPENAI);
    let texts: Vec<String> = (0..40).map(|i| format!("my card, number {i}\n")).collect();
    project.place.write("new.txt", texts.concat());
    let asked = ["predict", MODEL, "new.txt", "-o", "out.csv", "--max-requests", "15"];
    for (rows, code) in [(15, 3), (30, 3), (40, 0), (40, 0)] {
        let done = project.tunebench(&asked);
        assert_eq!(done.code, Some(code), "{}", done.stderr);
        assert_eq!(done.stderr.contains("warning: ended early, after"), code == 3, "{}", done.stderr);
        let written = project.place.csv("out.csv");
        assert_eq!((written.len(), project.asked()), (rows, rows as u64));
        for (row, text) in written.iter().zip(&texts) {
            assert_eq!((row["text"].as_str(), row["outcome"].as_str()), (text.trim_end(), "labelled"));
        }
    }
}

#[test]
fn equal_texts_are_paid_for_once() {
    let project = Project::new(OPENAI);
    let texts: String = (0..400).map(|i| format!("my card, number {}\n", i % 7)).collect();
    project.place.write("new.txt", texts);
    let done = project.tunebench(&["predict", MODEL, "new.txt"]);
    assert_eq!(
        (done.code, done.stdout.lines().count(), project.asked()),
        (Some(0), 401, 7),
        "{}",
        done.stderr
    );
}

#[test]
fn a_service_that_refuses_leaves_the_old_output() {
    let project = Project::new(OPENAI);
    project.place.write("new.txt", "my card\n");
    project.place.write("out.csv", "precious\n");
    let mut command = project.place.command(&["predict", MODEL, "new.txt", "-o", "out.csv"]);
    let done = project.place.outcome(command.env("OPENAI_API_KEY", "wrong"));
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("hint: "), "{}", done.stderr);
    assert_eq!(project.place.read("out.csv"), "precious\n");
}

#[test]
fn an_answer_without_a_label_is_invalid() {
    let project = Project::new(&format!("{OPENAI}shots = {{ k = 2 }}\n"));
    project.place.write("new.txt", "my card\n");
    let named = format!("{MODEL}+2-shot");
    let done = project.tunebench(&["predict", &named, "new.txt"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(done.stdout.lines().count(), 2);
}

#[test]
fn mistakes_are_told_before_anything_is_sent() {
    let project = Project::new(OPENAI);
    let place = &project.place;
    place.write("new.csv", "words,prediction\nmy card,card\n");
    place.write("bad.csv", b"text\nfine\n\"a\"b\n\xFF\n");
    let failed = |args: &[&str]| {
        let done = project.tunebench(&[&["predict"], args].concat());
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{}", done.stderr);
        done.stderr
    };
    assert!(failed(&[MODEL, "new.csv"]).contains("no column `text`; the columns are `words`, `prediction`"));
    let taken = failed(&[MODEL, "new.csv", "--text", "words"]);
    assert!(
        taken.contains("there is a column `prediction` already") && taken.contains("--prefix"),
        "{taken}"
    );
    assert!(failed(&[MODEL, "bad.csv"]).contains("2 bad rows in `bad.csv`"));
    assert!(failed(&[MODEL, "missing.csv"]).contains("cannot read `missing.csv`"));
    place.write("new.dat", "some words\nand others\n");
    assert!(failed(&[MODEL, "new.dat"]).contains("--input-format"));
    assert!(
        failed(&[MODEL, "new.csv", "--text", "words", "--prefix", "x_", "-o", "new.csv"])
            .contains("never overwritten")
    );
    assert!(
        failed(&["opnai/x", "new.csv", "--text", "words", "--prefix", "x_"])
            .contains("did you mean `openai`?")
    );
    assert!(failed(&[MODEL, "new.csv", "--min-probability", "2"]).contains("a number from 0 to 1"));
    assert_eq!(project.asked(), 0);
}

#[test]
fn a_bad_row_in_a_pipe_ends_it_behind_the_good_ones() {
    let place = Place::with_models(LOCAL);
    let done = piped(&place, &["predict", "local/majority"], b"my card\n\xFF\nrate\n");
    assert_eq!(done.code, Some(2));
    assert_eq!(done.stdout.lines().count(), 2, "{}", done.stdout);
    assert!(done.stderr.contains("bad row in `stdin`\n  line 2: invalid bytes"), "{}", done.stderr);
}

#[test]
fn hostile_bytes_end_with_a_word() {
    let place = Place::with_models(LOCAL);
    let hostile: [&[u8]; 6] = [
        b"",
        b"\0\0\0",
        b"\xFF\xFE\x00",
        b"text\n\"\n\n\"\"\"",
        b"{\"text\":\"\\ud800\"}\n{",
        b"text\ttext\n\r\r\r,,,",
    ];
    for bytes in hostile {
        for format in ["csv", "tsv", "jsonl", "lines"] {
            let done = piped(&place, &["predict", "local/majority", "-", "--input-format", format], bytes);
            assert!(matches!(done.code, Some(0 | 2)), "{format} {bytes:?}: {done:?}");
            assert!(!done.stderr.contains("panicked"), "{format} {bytes:?}: {done:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_the_beginning() {
    use std::io::{BufRead, BufReader};

    let place = Place::with_models(&format!("[providers.local]\nrequests_per_minute = 6000\n{LOCAL}"));
    let mut child = place
        .command(&["predict", "local/majority"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A pipe that stays open: what came through it is answered, and the end does not wait for more.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(stdout.any(|line| line.starts_with("two,")));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("warning: ended early, after 2 texts"), "{stderr}");
    drop(stdin);
}
