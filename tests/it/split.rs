//! `tunebench split`: one file into parts.

use crate::support::Place;

/// Sixty rows of three labels, and a near duplicate of the first.
fn place() -> Place {
    let place = Place::new();
    let texts = (0..60)
        .map(|i| format!("{i}\tcase {} of {}\t{}\n", i * i * 7919, i * 104_729, ["a", "b", "c"][i % 3]));
    place.write("all.tsv", format!("id\ttext\tlabel\n{}", texts.collect::<String>()));
    place
}

#[test]
fn every_row_is_in_one_part_and_the_split_can_be_made_again() {
    let place = place();
    let split = |out: &str| place.tunebench(&["split", "all.tsv", "--out", out]);
    let done = split("one");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let parts = ["train", "validation", "test"].map(|part| place.read(&format!("one/{part}.tsv")));
    let mut rows: Vec<&str> = parts
        .iter()
        .flat_map(|part| {
            let body = part.strip_prefix("id\ttext\tlabel\n").unwrap();
            body.lines().collect::<Vec<_>>()
        })
        .collect();
    rows.sort_by_key(|row| row.split('\t').next().unwrap().parse::<u32>().unwrap());
    assert_eq!(rows, place.read("all.tsv").lines().skip(1).collect::<Vec<_>>());
    split("two");
    let names = |folder: &str| place.files(folder).into_values().collect::<Vec<_>>();
    assert_eq!(names("one"), names("two"));
}

#[test]
fn exact_shares_and_what_came_out() {
    let place = place();
    let done = place.tunebench(&[
        "split",
        "all.tsv",
        "--into",
        "train=0.75,test=0.25",
        "--out",
        "parts",
        "--exact",
        "--seed",
        "7",
    ]);
    let expected = "\
PART   ROWS  SHARE   ASKED   LABELS  FILE
train  45    75.0 %  75.0 %  3       parts/train.tsv
test   15    25.0 %  25.0 %  3       parts/test.tsv

no two rows belong to one group
";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), expected, ""));
}

#[test]
fn groups_stay_together_and_json_tells_the_counts() {
    let place = Place::new();
    let rows: String = (0..40)
        .map(|i| format!("{{\"text\":\"t{}\",\"kind\":{},\"who\":{}}}\n", i * 7919, i % 2, i / 4))
        .collect();
    place.write("all.jsonl", rows);
    let done = place.tunebench(&[
        "split",
        "all.jsonl",
        "--into",
        "a=0.5,b=0.5",
        "--out",
        "parts",
        "--group",
        "who",
        "--label",
        "kind",
        "--json",
    ]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let said: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((said["clusters"].as_u64(), said["largest_cluster"].as_u64()), (Some(10), Some(4)));
    let groups = |part: &str| {
        let rows = place.read(&format!("parts/{part}.jsonl"));
        rows.lines()
            .map(|row| row.rsplit(':').next().unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert!(groups("a").is_disjoint(&groups("b")));
    assert_eq!(groups("a").len() + groups("b").len(), 10);
    assert_eq!(said["parts"][0]["rows"].as_u64(), Some(groups("a").len() as u64 * 4));
}

#[test]
fn what_cannot_be_split_says_why() {
    let place = place();
    let failed = |args: &[&str]| {
        let done = place.tunebench(&[&["split", "all.tsv"], args].concat());
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
        done.stderr
    };
    assert!(
        failed(&["--into", "train=0.8,test=0.3", "--out", "x"])
            .contains("the shares add up to 1.1, not to 1")
    );
    assert!(failed(&["--into", "all=0.8,test=0.2", "--out", "."]).contains("is never overwritten"));
    assert!(
        failed(&["--out", "x", "--group", "who"])
            .contains("no column `who`; the columns are `id`, `text`, `label`")
    );
    place.write("all.tsv", "id\ttext\tlabel\n1\t\ta\n");
    assert!(failed(&["--out", "x"]).contains("line 2: the text is empty"));
}

#[test]
fn a_label_without_a_row_in_a_part_is_told() {
    let place = Place::new();
    place.write("all.csv", "text,label\none,a\ntwo,b\nthree,c\n");
    let done = place.tunebench(&["split", "all.csv", "--into", "train=0.9,test=0.1", "--out", "parts"]);
    assert_eq!(done.code, Some(0));
    assert!(done.stderr.contains("labels have no row in"), "{}", done.stderr);
    assert!(done.stderr.contains("hint: `--exact`"), "{}", done.stderr);
}
