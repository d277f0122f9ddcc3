//! `tunebench doctor`: planted defects from outside, and what is done about them.

use std::collections::BTreeMap;

use crate::support::{Outcome, Place, repository};

const TRAIN: &str = "\
id,text,label
1,where is my new card,card
2,my card has not come,card
3,my card has not come,card
4,My card has not come!,card
5,i would like to know what the exchange rate for euros is,rate
6,i would like to know what the exchange rate for euro is,rate
7,how do you set the rate,rate
8,how do you set the rate,refund
9,please give me a refund,Refund
10,return my payment to me,refund
11,,refund
12,ragged
13,be\u{7}ll and whistle \u{1b}[31m,refund
14,write to ann.lee@example.org or +44 20 7946 0958,refund
15,so <|im_end|> says </item> it,card
16,12.50,rate
17,is my card on its way,card
";

const TEST: &str = "\
id,text,label
1,is my card on its way,card
2,I would like to know what the exchange rate for euros was,rate
3,give me my money,refund
4,где моя карта,card
5,what is this,mystery
";

const MODEL: &str = "[[model]]\nbase = \"local/lexical\"\ntune = {}\n";

fn planted() -> Place {
    let place = Place::with_models(MODEL);
    place.write("train.csv", TRAIN);
    place.write("test.csv", TEST);
    place
}

fn doctor(place: &Place, args: &[&str]) -> Outcome {
    place.tunebench(&[&["doctor"], args].concat())
}

#[test]
fn planted_defects_are_told_with_their_rows_and_their_cure() {
    let done = doctor(&planted(), &[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), ""), "{}", done.stdout);
    assert_eq!(done.stdout, include_str!("doctor.txt"));
}

#[test]
fn programs_get_the_same_as_json() {
    let done = doctor(&planted(), &["--json"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), ""));
    assert_eq!(done.stdout, include_str!("doctor.json"));
}

#[test]
fn without_a_configuration_files_can_be_named() {
    let place = planted();
    std::fs::remove_file(place.path("tunebench.toml")).unwrap();
    let done = doctor(&place, &["--train", "train.csv", "--test", "test.csv", "--strict"]);
    let note = "there is no tunebench.toml: texts are read from `text`, labels from `label`\n";
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), note), "{}", done.stdout);
    // What the command line names is told by its whole path.
    let told = done.stdout.replace("[FOLDER]/", "");
    assert_eq!(told, include_str!("doctor.txt"));
    let alone = doctor(&place, &["--train", "train.csv", "--quiet"]);
    assert_eq!((alone.code, alone.stderr.as_str()), (Some(2), ""));
    // A name that was mistyped is no wish to do without.
    let mistyped = doctor(&place, &["--train", "train.csv", "--config", "tunebnech.toml"]);
    assert!(mistyped.stderr.contains("tunebnech.toml: no such file\nhint: write one"), "{}", mistyped.stderr);
    assert!(doctor(&place, &[]).stderr.contains("tunebench init"));
}

#[test]
fn all_rows_are_listed_for_programs() {
    let place = planted();
    place.write("train.csv", format!("{TRAIN}{}", "few\n".repeat(1200)));
    let done = doctor(&place, &["--json"]);
    let found: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let rows = &found["findings"][0]["rows"];
    assert_eq!((&rows["total"], &rows["not_listed"]), (&1202.into(), &202.into()));
    assert_eq!(rows["listed"].as_array().unwrap().len(), 1000);
}

#[test]
fn lines_that_ran_together_come_before_other_bad_rows() {
    let place = planted();
    let rows: String = (0..300).map(|i| format!("{i},a case {i},card\n")).collect();
    let broken = rows.replace("100,a case", "100,\"a case").replace("199,a case", "199,\"a case");
    place.write("train.csv", format!("{TRAIN}{broken}"));
    let done = doctor(&place, &[]);
    let expected = "\
error: 100 lines can't be separated: a quote is misplaced [broken-quotes]
  train, line 119  lines 119–218 ran together: a quote that begins on line 119 ends on line 218
  cure: fix the quote, or set `quotes = false` under `[data]` if quotes are plain characters in this file

error: 2 rows can't be used [bad-rows]
";
    assert!(done.stdout.contains(expected), "{}", done.stdout);
    let fixed = doctor(&place, &["--fix", "clean"]);
    assert_eq!(fixed.code, Some(2));
    assert!(fixed.stderr.contains("line 119: lines 119–218 ran together"), "{}", fixed.stderr);
    assert!(!place.path("clean/train.csv").exists());
}

#[test]
fn copies_are_cleaned_and_the_files_stay_as_they_are() {
    let place = planted();
    let done = doctor(&place, &["--fix", "clean"]);
    // What is wrong with the test data is left to people.
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert_eq!((place.read("train.csv").as_str(), place.read("test.csv").as_str()), (TRAIN, TEST));
    assert_eq!(place.read("clean/test.csv"), TEST);
    let expected = "\
id,text,label
1,where is my new card,card
2,my card has not come,card
4,My card has not come!,card
5,i would like to know what the exchange rate for euros is,rate
6,i would like to know what the exchange rate for euro is,rate
9,please give me a refund,refund
10,return my payment to me,refund
13,bell and whistle [31m,refund
14,write to ann.lee@example.org or +44 20 7946 0958,refund
15,so <|im_end|> says </item> it,card
16,12.50,rate
";
    assert_eq!(place.read("clean/train.csv"), expected);
    let log = "\
file,line,action,check,reason
train,4,removed,duplicates,the same text with the same label is in line 3
train,8,removed,conflicting-labels,the same text has 2 labels
train,9,removed,conflicting-labels,the same text has 2 labels
train,10,changed,label-variants,the label `Refund` became `refund`
train,12,removed,bad-rows,the text is empty
train,13,removed,bad-rows,2 fields instead of 3
train,14,changed,hidden-characters,2 hidden characters taken out
train,18,removed,leaks,the same text is in line 2 of test
";
    assert_eq!(place.read("clean/changes.csv"), log);
    let summary = "\
train  2 rows removed  [bad-rows]
train  1 row removed   [leaks]
train  2 rows removed  [conflicting-labels]
train  1 row removed   [duplicates]
train  1 row changed   [label-variants]
train  1 row changed   [hidden-characters]
each change: clean/changes.csv

train  11 rows  3 labels  clean/train.csv
";
    assert!(done.stdout.starts_with(summary), "{}", done.stdout);
}

#[test]
fn a_copy_never_takes_the_place_of_the_data() {
    let place = planted();
    for folder in [".", "sub/.."] {
        place.write("sub/x", "");
        let done = doctor(&place, &["--fix", folder]);
        assert_eq!(done.code, Some(2));
        assert!(done.stderr.contains("is never overwritten"), "{}", done.stderr);
        assert!(done.stderr.contains("hint: name another folder"), "{}", done.stderr);
        assert_eq!((place.read("train.csv").as_str(), place.read("test.csv").as_str()), (TRAIN, TEST));
    }
}

#[test]
fn a_run_ends_where_its_result_would_mean_nothing() {
    let place = Place::with_models(MODEL);
    let leak = place.read("test.csv").replace("i want a refund", "please give me a refund");
    place.write("test.csv", leak);
    let done = place.tunebench(&["run"]);
    assert_eq!(done.code, Some(2));
    let expected = "\
error: 1 of 6 test rows (16.7 %) stands in the training data: 1 letter for letter, 0 but for case, white space and punctuation
  test, line 6  as line 11 of train  \"please give me a refund\"
  cure: take them out of the training data; `--fix` does
hint: `tunebench doctor` shows more, and `--no-doctor` runs all the same
";
    assert_eq!((done.stderr.as_str(), done.stdout.as_str()), (expected, ""));
    assert!(!place.path("results").exists());
    let done = place.tunebench(&["run", "--no-doctor"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn a_run_tells_in_one_line_that_there_are_warnings() {
    let place = Place::with_models(MODEL);
    let done = place.tunebench(&["run"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    // Four rows of each label are few.
    assert!(done.stderr.starts_with("the data has 1 warning: see `tunebench doctor`\n"), "{}", done.stderr);
    assert_eq!(doctor(&place, &[]).code, Some(0));
    assert_eq!(doctor(&place, &["--strict"]).code, Some(2));
}

#[test]
fn what_a_provider_would_refuse_is_found_without_its_key() {
    let place = Place::with_models("[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntune = {}\n");
    let rows = place.read("train.csv").replace("my card has not come", "my card <|endoftext|> has not come");
    place.write("train.csv", rows);
    let done = doctor(&place, &["--json"]);
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    let found: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let first = &found["findings"][0];
    assert_eq!(first["check"], "provider-limits");
    let reason = first["reason"].as_str().unwrap();
    let expected = "openai/gpt-4.1-mini-2025-04-14 can't be tuned: line 3 holds `<|endoftext|>`";
    assert!(reason.starts_with(expected), "{reason}");
}

#[test]
fn labels_that_are_likely_wrong_are_told_and_left_as_they_are() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\n");
    let sample = std::fs::read_to_string(repository().join("data/samples/banking10/train.tsv")).unwrap();
    let mut rows: Vec<String> = sample.lines().map(str::to_owned).collect();
    let label = |row: &str| row.rsplit_once('\t').unwrap().1.to_owned();
    // Every fiftieth row gets the label of the row 750 rows further on, by line.
    let mut planted = BTreeMap::new();
    for i in (1..700).step_by(50) {
        let (right, wrong) = (label(&rows[i]), label(&rows[i + 750]));
        if right != wrong {
            rows[i] = format!("{}\t{wrong}", rows[i].rsplit_once('\t').unwrap().0);
            planted.insert(i as u64 + 1, (wrong, right));
        }
    }
    place.write("train.tsv", rows.join("\n") + "\n");
    place.write("test.tsv", std::fs::read(repository().join("data/samples/banking10/test.tsv")).unwrap());
    let args = ["--train", "train.tsv", "--test", "test.tsv"];

    let done = doctor(&place, &[&args[..], &["--json", "--label-errors", "ranking.csv"]].concat());
    let found: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let likely = found["label_errors"].as_array().unwrap();
    let right = |row: &&serde_json::Value| {
        let pair = (&row["label"], &row["suggested"]);
        let of_line = planted.get(&row["line"].as_u64().unwrap()).filter(|_| row["file"] == "train");
        of_line.is_some_and(|(wrong, right)| pair == (&wrong.as_str().into(), &right.as_str().into()))
    };
    let hits = likely.iter().filter(right).count();
    assert!(planted.len() >= 10 && hits * 2 >= planted.len(), "{hits} of {planted:?}");
    let told = found["findings"].as_array().unwrap().iter().find(|found| found["check"] == "label-errors");
    let told = told.unwrap();
    assert_eq!((&told["severity"], &told["rows"]["total"]), (&"warning".into(), &likely.len().into()));
    let listed = told["rows"]["listed"].as_array().unwrap();
    let first = &likely[0];
    let says = format!(
        "says `{}`, reads like `{}` (",
        first["label"].as_str().unwrap(),
        first["suggested"].as_str().unwrap()
    );
    assert!(listed[0]["detail"].as_str().unwrap().starts_with(&says), "{listed:?}");

    let ranking = place.csv("ranking.csv");
    assert_eq!(ranking.len(), 1910);
    let errors = ranking.iter().take_while(|row| row["likely_error"] == "true").count();
    assert_eq!(errors, likely.len());
    assert!(ranking[errors..].iter().all(|row| row["likely_error"] == "false"));
    let lines =
        |rows: &[serde_json::Value]| rows.iter().map(|row| row["line"].to_string()).collect::<Vec<_>>();
    assert!(ranking[..errors].iter().map(|row| &row["line"]).eq(&lines(likely)));

    doctor(&place, &[&args[..], &["--fix", "clean"]].concat());
    assert!(place.read("clean/train.tsv").contains(&rows[1]));
    assert!(!place.read("clean/changes.csv").contains("label-errors"));
}

#[test]
fn a_ranking_without_a_folder_names_the_folder() {
    let done = doctor(&planted(), &["--label-errors", "missing/ranking.csv"]);
    let expected = "\
error: `missing/ranking.csv` can't be written: there is no folder `missing`
hint: name a file in an existing folder
";
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), expected));
}

#[test]
fn a_ranking_never_takes_the_place_of_the_data() {
    let place = planted();
    let done = doctor(&place, &["--label-errors", "train.csv"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("is never overwritten"), "{}", done.stderr);
    assert_eq!(place.read("train.csv"), TRAIN);
}

#[test]
fn the_shipped_samples_are_sound() {
    let config = repository().join("tunebench.toml");
    let done = doctor(&Place::new(), &["--config", config.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{}", done.stdout);
    // The authors' own split of the questions has near duplicates on both sides.
    assert!(done.stdout.contains("18 of 400 test rows (4.5 %) are nearly the same"), "{}", done.stdout);
    // No text is at odds with its label as surely as a planted one, but some are near the border between two.
    assert!(done.stdout.contains("likely labelled wrong"), "{}", done.stdout);
    assert!(done.stdout.ends_with("\n2 warnings, 2 notes; `--json` lists all rows\n"), "{}", done.stdout);
}
