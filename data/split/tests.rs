//! What holds for every split.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::similar::similarity;

fn plan(parts: &str, seed: u64, exact: bool) -> Plan {
    Plan { parts: parts.parse().unwrap(), seed, exact }
}

fn file(extension: &str, content: &str) -> (Source, tempfile::NamedTempFile) {
    let mut file = tempfile::Builder::new().suffix(&format!(".{extension}")).tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    (Source::new(file.path()), file)
}

/// The contents of the parts.
fn written(split: &Split) -> Vec<String> {
    let part = |part| {
        let mut bytes = Vec::new();
        split.write(part, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    (0..split.parts().len()).map(part).collect()
}

/// Texts that have nothing in common.
fn word(i: usize) -> String {
    format!("{:x}", xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes()))
}

#[test]
fn rows_keep_their_bytes_their_columns_and_their_header() {
    let rows: Vec<String> =
        (0..200).map(|i| format!("{i},\"{}, {}\",x\r\n", word(i), word(i + 500))).collect();
    let (source, _file) = file("csv", &format!("id,text,label\r\n{}", rows.concat()));
    let split = Split::new(&source, &plan("a=0.5,b=0.5", 1, false)).unwrap();
    let parts = written(&split);
    let bodies: Vec<&str> =
        parts.iter().map(|part| part.strip_prefix("id,text,label\r\n").unwrap()).collect();
    let mut back: Vec<String> =
        bodies.iter().flat_map(|body| body.split_inclusive("\r\n")).map(str::to_owned).collect();
    back.sort_by_key(|row| row.split(',').next().unwrap().parse::<usize>().unwrap());
    assert_eq!(back, rows);
}

#[test]
fn the_last_row_of_a_file_gets_its_line_end() {
    let lines = (0..40).map(|i| format!("{{\"text\":\"{}\",\"label\":\"x\",\"n\":1.0}}", word(i)));
    let (source, _file) = file("jsonl", &lines.collect::<Vec<_>>().join("\n\n"));
    for part in written(&Split::new(&source, &plan("a=0.5,b=0.5", 1, false)).unwrap()) {
        assert!(part.ends_with("}\n") && part.lines().all(|line| line.ends_with("1.0}")), "{part}");
    }
}

#[test]
fn shares_are_met_on_average_and_exactly_where_asked() {
    let rows: String = (0..1500).map(|i| format!("{} {},{}\n", word(i), word(i + 9000), i % 3)).collect();
    let (source, _file) = file("csv", &format!("text,label\n{rows}"));
    for (label, counts) in Split::new(&source, &plan("train=0.8,test=0.2", 3, false)).unwrap().counts() {
        // Four standard deviations of 500 drawn lots.
        assert!(
            (counts[1] as f64 - 100.0).abs() < 4.0 * (500.0f64 * 0.2 * 0.8).sqrt(),
            "{label}: {counts:?}"
        );
    }
    for (label, counts) in Split::new(&source, &plan("train=0.8,test=0.2", 3, true)).unwrap().counts() {
        assert_eq!(counts, &[400, 100], "{label}");
    }
}

/// The least lot of a large cluster is small; that must not send it to the first part.
#[test]
fn large_clusters_fall_anywhere() {
    let row = |i: usize| format!("{},x,{}\n", word(i), i / 50);
    let rows: String = (0..4000).map(row).collect();
    let (mut source, _file) = file("csv", &format!("text,label,group\n{rows}"));
    let share = |source: &Source| {
        let split = Split::new(source, &plan("a=0.5,b=0.5", 5, false)).unwrap();
        split.counts()["x"][0] as f64 / 4000.0
    };
    source.group = Some("group".into());
    assert!((share(&source) - 0.5).abs() < 4.0 * 0.5 / 80f64.sqrt(), "{}", share(&source));
}

/// Rows with few words, so that many are near duplicates, and few groups.
fn rows() -> impl Strategy<Value = Vec<(String, String, String)>> {
    let text = prop::collection::vec(0usize..12, 1..7)
        .prop_map(|words| words.into_iter().map(word).collect::<Vec<_>>().join(" "));
    prop::collection::vec((text, "[abc]", "|[0-9]{1,2}"), 1..60)
}

fn csv(rows: &[(String, String, String)]) -> String {
    let lines: String = rows.iter().map(|(text, label, group)| format!("{text},{label},{group}\n")).collect();
    format!("text,label,group\n{lines}")
}

/// The clusters as texts and groups, each with its part.
fn clusters(source: &Source, plan: &Plan) -> BTreeMap<BTreeSet<(String, Option<String>)>, usize> {
    let split = Split::new(source, plan).unwrap();
    let mut rows = Vec::new();
    source.read_all(None, |row| rows.push(row)).unwrap();
    let part: Vec<usize> = split.rows().map(|(_, part)| part).collect();
    let clusters = clusters::find(&rows, plan.seed).into_iter().map(|cluster| {
        let parts: BTreeSet<usize> = cluster.rows.iter().map(|&row| part[row as usize]).collect();
        assert_eq!(parts.len(), 1, "a cluster was parted");
        let content = cluster.rows.iter().map(|&row| &rows[row as usize]);
        (content.map(|row| (row.text.clone(), row.group.clone())).collect(), *parts.first().unwrap())
    });
    clusters.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_row_is_in_one_part_and_what_belongs_together_stays(rows in rows(), seed: u64, exact: bool) {
        let (mut source, _file) = file("csv", &csv(&rows));
        source.group = Some("group".into());
        let split = Split::new(&source, &plan("train=0.6,validation=0.2,test=0.2", seed, exact)).unwrap();
        let mut back: Vec<String> =
            written(&split).iter().flat_map(|part| part.lines().skip(1)).map(str::to_owned).collect();
        let mut all: Vec<String> = csv(&rows).lines().skip(1).map(str::to_owned).collect();
        back.sort();
        all.sort();
        prop_assert_eq!(back, all);
        let part: Vec<usize> = split.rows().map(|(_, part)| part).collect();
        for i in 0..rows.len() {
            for j in 0..i {
                let group = !rows[i].2.is_empty() && rows[i].2 == rows[j].2;
                // Beyond doubt: at the threshold itself, one pair in 300 is missed.
                let alike = similarity(&rows[i].0, &rows[j].0) >= 0.9;
                prop_assert!(!(group || alike) || part[i] == part[j], "{:?} {:?}", rows[i], rows[j]);
            }
        }
    }

    #[test]
    fn added_rows_move_only_what_they_touch(old in rows(), new in rows(), seed: u64) {
        let (mut before, _before) = file("csv", &csv(&old));
        let (mut after, _after) = file("csv", &csv(&[new, old].concat()));
        before.group = Some("group".into());
        after.group = Some("group".into());
        let plan = plan("train=0.6,test=0.4", seed, false);
        let after = clusters(&after, &plan);
        for (cluster, part) in clusters(&before, &plan) {
            if let Some(&now) = after.get(&cluster) {
                prop_assert_eq!(now, part, "{:?}", cluster);
            }
        }
    }
}
