//! Files, good and bad, read from disk.

mod forms;

use std::io::Write;

use proptest::prelude::*;

use super::*;

fn file(extension: &str, bytes: &[u8]) -> (Source, tempfile::NamedTempFile) {
    let mut file = tempfile::Builder::new().suffix(&format!(".{extension}")).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    (Source::new(file.path()), file)
}

fn texts(extension: &str, bytes: &[u8]) -> Vec<(String, String)> {
    let (source, _file) = file(extension, bytes);
    let set = source.load(None).unwrap_or_else(|error| panic!("{error}"));
    let name = |example: &Example| set.labels.name(example.label).to_owned();
    set.examples.iter().map(|example| (example.text.clone(), name(example))).collect()
}

fn faults(extension: &str, bytes: &[u8]) -> Vec<(u64, String)> {
    let (source, _file) = file(extension, bytes);
    match source.load(None) {
        Err(DataError::Rows { faults, .. }) => {
            faults.into_iter().map(|fault| (fault.line, fault.reason.to_string())).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn header(bytes: &[u8]) -> String {
    let (source, _file) = file("csv", bytes);
    match source.load(None) {
        Err(DataError::Header { reason, .. }) => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_set_of_rows_in_every_dress() {
    let rows = [("one, \"two\"\nthree".to_owned(), "b".to_owned()), ("四".to_owned(), "a".to_owned())];
    let csv = "id,label,text\n1,b,\"one, \"\"two\"\"\nthree\"\n2, a ,四\n";
    assert_eq!(texts("csv", csv.as_bytes()), rows);
    assert_eq!(texts("csv", format!("\u{feff}{csv}").as_bytes()), rows);
    assert_eq!(texts("tsv", "text\tlabel\r\n\"one, \"\"two\"\"\nthree\"\tb\r\n\r\n四\ta".as_bytes()), rows);
    let wide: Vec<u8> = format!("\u{feff}{csv}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(texts("csv", &wide), rows);
    let json = "{\"text\":\"one, \\\"two\\\"\\nthree\",\"label\":\"b\",\"more\":[]}\n\n{\"text\":\"四\",\"label\":\" a\"}";
    assert_eq!(texts("jsonl", json.as_bytes()), rows);
}

#[test]
fn labels_are_sorted_and_ids_follow_the_content() {
    let (source, _file) = file("csv", b"text,label\nx,b\ny,a\nx,b\n");
    let (moved, _moved) = file("csv", b"text,label\ny,a\nx,b\nx,b\n");
    let (set, moved) = (source.load(None).unwrap(), moved.load(None).unwrap());
    assert_eq!(set.labels.names(), ["a", "b"]);
    let sorted = |set: &Dataset| {
        let mut ids: Vec<_> = set.examples.iter().map(|example| example.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(sorted(&set), sorted(&moved));
    assert_ne!(set.examples[0].id, set.examples[2].id);
    let streamed: Vec<_> =
        source.check(&set.labels).unwrap().examples().unwrap().map(Result::unwrap).collect();
    assert_eq!(streamed, set.examples);
}

#[test]
fn rows_carry_the_columns_that_are_asked_for() {
    let csv = "id,text,subject,label\n7,a,\"x, y\",l\n8,b,,l\n";
    let json = "{\"id\":7,\"text\":\"a\",\"subject\":\"x, y\",\"label\":\"l\"}\n\
                {\"id\":8,\"text\":\"b\",\"subject\":null,\"label\":\"l\"}\n";
    for (extension, bytes) in [("csv", csv), ("jsonl", json)] {
        let (mut source, _file) = file(extension, bytes.as_bytes());
        let read = |source: &Source| -> Vec<Vec<(String, String)>> {
            let set = source.load(None).unwrap_or_else(|error| panic!("{error}"));
            let streamed: Vec<_> =
                source.check(&set.labels).unwrap().examples().unwrap().map(Result::unwrap).collect();
            assert_eq!(streamed, set.examples);
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            set.examples.iter().map(|example| example.fields.iter().map(own).collect()).collect()
        };
        let row = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(read(&source), [row(&[]), row(&[])]);
        source.fields = Columns::All;
        assert_eq!(
            read(&source),
            [row(&[("id", "7"), ("subject", "x, y")]), row(&[("id", "8"), ("subject", "")])]
        );
        source.fields = Columns::Named(vec!["subject".into(), "label".into()]);
        assert_eq!(
            read(&source),
            [row(&[("subject", "x, y"), ("label", "l")]), row(&[("subject", ""), ("label", "l")])]
        );
        source.fields = Columns::Named(vec!["topic".into()]);
        assert!(source.load(None).unwrap_err().to_string().contains("`topic`"));
    }
}

#[test]
fn groups_are_read_from_every_format() {
    let groups = |extension: &str, bytes: &[u8]| {
        let (mut source, _file) = file(extension, bytes);
        source.group = Some("customer".to_owned());
        let set = source.load(None).unwrap_or_else(|error| panic!("{error}"));
        let streamed: Vec<_> =
            source.check(&set.labels).unwrap().examples().unwrap().map(Result::unwrap).collect();
        assert_eq!(streamed, set.examples);
        set.examples.into_iter().map(|example| example.group).collect::<Vec<_>>()
    };
    let expected = [Some("7".to_owned()), None, Some("ann".to_owned())];
    assert_eq!(groups("csv", b"customer,text,label\n7,x,a\n ,y,a\n ann ,z,b\n"), expected);
    let json = r#"{"text":"x","label":"a","customer":7}
{"text":"y","label":"a","customer":null}
{"text":"z","label":"b","customer":" ann"}"#;
    assert_eq!(groups("jsonl", json.as_bytes()), expected);

    let missing = |extension: &str, bytes: &[u8]| {
        let (mut source, _file) = file(extension, bytes);
        source.group = Some("customer".to_owned());
        source.load(None).unwrap_err().to_string()
    };
    assert!(missing("tsv", b"text\tlabel\nx\ta\n").contains("no column `customer`"));
    let json = b"{\"text\":\"x\",\"label\":\"a\"}";
    assert!(missing("jsonl", json).contains("line 1: no column `customer`; the columns are `text`, `label`"));
}

#[test]
fn a_sample_is_a_part_of_the_rows_in_their_order() {
    let rows: String = (0..90).map(|i| format!("text {i},{}\n", ["a", "b", "b"][i % 3])).collect();
    let (source, _file) = file("csv", format!("text,label\n{rows}same,a\nsame,a\n").as_bytes());
    let labels = source.load(None).unwrap().labels;
    let all = source.check(&labels).unwrap();
    let examples = |set: &TestSet| set.examples().unwrap().map(Result::unwrap).collect::<Vec<_>>();
    let sample = all.clone().sample(31, 1).unwrap();
    let chosen = examples(&sample);
    assert_eq!((sample.len(), chosen.len()), (31, 31));
    let mut whole = examples(&all).into_iter();
    assert!(chosen.iter().all(|example| whole.any(|row| row == *example)), "the order is kept");
    assert_eq!(all.clone().sample(1000, 1).unwrap(), all);
}

#[test]
fn rows_that_stand_in_both_files_are_counted() {
    let (train, _train) = file("csv", b"text,label\nWhere is my card?,a\nmy money,b\n");
    let (test, _test) = file("csv", b"text,label\nwhere is  my card,b\nmy card,a\nmy money,b\nmy money,b\n");
    let train = train.load(None).unwrap();
    assert_eq!(overlap(&train, &test.check(&train.labels).unwrap()).unwrap(), 3);
    assert_eq!(overlap(&train, &test.check(&train.labels).unwrap().sample(1, 1).unwrap()).unwrap(), 1);
}

#[test]
fn all_bad_rows_are_told_together() {
    let csv = b"text,label\nfine,a\nalone\n,b\nx, \n\xFFx,c\n\"two\nlines\",\"a\nb\"\nx,y,z\nlast,a\n";
    assert_eq!(
        faults("csv", csv),
        [
            (3, "1 field instead of 2".to_owned()),
            (4, "the text is empty".to_owned()),
            (5, "the label is empty".to_owned()),
            (6, "invalid bytes; if the file is not UTF-8, set `encoding`".to_owned()),
            (7, "the label `a\\nb` holds a control character".to_owned()),
            (10, "3 fields instead of 2".to_owned()),
        ]
    );
    let json = b"{\"text\":\"x\"}\n[]\n{\"text\":1,\"label\":\"a\"}\n{\"text\":\"x\",\"label\":7}\n{\"text\":\"x\",\"label\":null}\n";
    let lines: Vec<u64> = faults("jsonl", json).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 2, 3, 5]);
}

#[test]
fn rows_that_run_together_are_found() {
    let swallowed = faults("tsv", b"text\tlabel\n\"5 inch\ta\nx\tb\n\"6 inch\tb\ny\ta\n");
    assert_eq!(swallowed.len(), 1);
    let expected = "lines 2–4 ran together: a quote that begins on line 2 ends on line 4; \
                    if quotes are plain characters in this file, set `quotes = false`";
    assert_eq!(swallowed[0], (2, expected.to_owned()));
    let header = header(b"text,\"label\nx,a\ny,b\n");
    assert!(header.starts_with("lines 1–3 ran together: a quote that begins on line 1 is never"), "{header}");
    let (mut source, _file) = file("tsv", b"text\tlabel\n\"5 inch\ta\nx\tb\n");
    source.quotes = false;
    assert_eq!(source.load(None).unwrap().examples[0].text, "\"5 inch");
}

#[test]
fn headers_are_checked() {
    assert_eq!(header(b"Text,label\nx,y\n"), "no column `text`; the columns are `Text`, `label`");
    assert_eq!(header(b"text,label,text\n"), "duplicate column `text`: give one of the two another name");
    assert!(header(b"text,\xFF\n").contains("encoding"));
}

#[test]
fn a_test_label_that_training_never_saw_is_named_with_its_row() {
    let (source, _file) = file("csv", b"text,label\nx,a\ny,c\n");
    let labels = LabelSet::new(vec!["a".into(), "b".into()]).unwrap();
    let message = source.check(&labels).unwrap_err().to_string();
    assert!(message.contains("line 3: the label `c` is not among the labels"), "{message}");
}

#[test]
fn unusable_files_say_why() {
    let message =
        |extension: &str, bytes: &[u8]| file(extension, bytes).0.load(None).unwrap_err().to_string();
    assert!(message("csv", b"").contains("holds no rows"));
    assert!(message("csv", b"text,label\n").contains("holds no rows"));
    assert!(message("dat", b"words,label\nx,y\n").contains("cannot tell the format"));
    assert!(
        Source::new("missing.csv").load(None).unwrap_err().to_string().contains("cannot read `missing.csv`")
    );
}

#[test]
fn a_long_list_of_faults_is_cut_and_counted() {
    let (source, _file) = file("csv", format!("text,label\n{}", "x\n".repeat(100)).as_bytes());
    let message = source.load(None).unwrap_err().to_string();
    assert!(message.starts_with("100 bad rows") && message.ends_with("… and 80 more"), "{message}");
    // What swallows other rows is told first, wherever it stands.
    let (source, _file) = file("csv", format!("text,label\n{}\"y,a\n\"z,b\n", "x\n".repeat(100)).as_bytes());
    let message = source.load(None).unwrap_err().to_string();
    let first = message.lines().nth(1).unwrap();
    assert!(first.starts_with("  line 102: lines 102–103 ran together"), "{message}");
}

#[test]
fn the_samples_are_what_their_notes_say() {
    for (name, train, test, labels) in [("banking10", 1510, 400, 10), ("definitions8", 1600, 400, 8)] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
        let set = Source::new(folder.join("train.tsv")).load(None).unwrap();
        assert_eq!((set.examples.len(), set.labels.len()), (train, labels));
        assert_eq!(Source::new(folder.join("test.tsv")).check(&set.labels).unwrap().len(), test);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(rows in prop::collection::vec(("\\PC*[a-z]\\PC*", "[a-z]{1,3}"), 1..8), tab: bool) {
        let mut writer = csv::WriterBuilder::new().delimiter(if tab { b'\t' } else { b',' }).from_writer(Vec::new());
        writer.write_record(["text", "label"]).unwrap();
        for (text, label) in &rows {
            writer.write_record([text, label]).unwrap();
        }
        prop_assert_eq!(texts(if tab { "tsv" } else { "csv" }, &writer.into_inner().unwrap()), rows);
    }

    #[test]
    fn hostile_bytes_give_rows_or_an_error(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "text,label\n([a\"\n\r,\\t{}:\u{feff}]|text|label)*".prop_map(String::into_bytes),
            "(\\{\"text\":\"x\",\"label\":(\"a\"|1|\\{)\\}\n?)*".prop_map(String::into_bytes),
        ],
        extension in prop::sample::select(vec!["csv", "tsv", "jsonl"]),
    ) {
        let (source, _file) = file(extension, &bytes);
        if let Ok(set) = source.load(None) {
            prop_assert!(!set.examples.is_empty());
            let streamed: Vec<_> = source.check(&set.labels).unwrap().examples().unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(streamed, set.examples);
        }
    }
}
