//! Files as other programs write them; `testdata/make_forms.py` made those that are stored.

use std::path::Path;

use super::*;

fn stored(name: &str) -> Source {
    Source::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/forms").join(name))
}

/// The line, text and label of each row.
fn rows(source: &Source) -> Vec<(u64, String, String)> {
    let set = source.load(None).unwrap_or_else(|error| panic!("{}: {error}", source.path.display()));
    let test = source.check(&set.labels).unwrap();
    let streamed: Vec<_> = test.examples().unwrap().map(Result::unwrap).collect();
    assert_eq!(streamed, set.examples);
    let name = |label| set.labels.name(label).to_owned();
    set.examples.into_iter().map(|row| (row.line, row.text, name(row.label))).collect()
}

fn with(lines: [u64; 4]) -> Vec<(u64, String, String)> {
    let texts =
        ["Where is my card?", "He said \"no\", twice;\nthen left", "Überweisung | 5 €", "The card is late"];
    let labels = ["card", "refund", "refund", "card"];
    let rows = lines.into_iter().zip(texts).zip(labels);
    rows.map(|((line, text), label)| (line, text.to_owned(), label.to_owned())).collect()
}

#[test]
fn one_table_as_many_programs_write_it() {
    for (name, lines) in [
        ("pandas_index.csv", [2, 3, 5, 6]),
        ("semicolon.csv", [2, 3, 5, 6]),
        ("pipe.csv", [2, 3, 5, 6]),
        ("utf16.csv", [2, 3, 5, 6]),
        ("packed.csv.gz", [2, 3, 5, 6]),
        ("packed.csv.zst", [2, 3, 5, 6]),
        ("excel.csv", [3, 4, 6, 7]),
        ("records.json", [2, 7, 12, 17]),
        ("lines.jsonl", [1, 2, 3, 4]),
        ("nan.jsonl", [1, 2, 3, 4]),
        ("frames.jsonl.zst", [1, 2, 3, 4]),
        ("members.jsonl.gz", [1, 2, 3, 4]),
    ] {
        assert_eq!(rows(&stored(name)), with(lines), "{name}");
    }
    let mut bare = stored("no_header.csv");
    bare.header = false;
    (bare.text, bare.label) = ("2".into(), "3".to_owned());
    assert_eq!(rows(&bare), with([1, 2, 4, 5]));
}

#[test]
fn workbooks_and_parquet_are_read_where_they_are_built_in() {
    for (name, kind, built, lines) in [
        ("sheet.xlsx", "an Excel workbook", cfg!(feature = "xlsx"), [2, 3, 4, 5]),
        ("classes.parquet", "a Parquet file", cfg!(feature = "parquet"), [1, 2, 3, 4]),
        ("zstd.parquet", "a Parquet file", cfg!(feature = "parquet"), [1, 2, 3, 4]),
    ] {
        match built {
            true => assert_eq!(rows(&stored(name)), with(lines), "{name}"),
            false => {
                let refused = stored(name).load(None).unwrap_err().to_string();
                assert!(refused.contains(kind) && refused.contains("--features"), "{refused}");
            }
        }
    }
}

#[test]
fn the_fingerprint_is_that_of_the_file_on_disk() {
    use sha2::{Digest, Sha256};
    for name in ["packed.csv.gz", "packed.csv.zst", "frames.jsonl.zst", "utf16.csv", "records.json"] {
        let source = stored(name);
        let digest = Sha256::digest(std::fs::read(&source.path).unwrap());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(source.load(None).unwrap().sha256, hex, "{name}");
    }
}

#[test]
fn binary_files_are_named_for_what_they_are() {
    for (bytes, said) in [
        (&b"PK\x03\x04rest"[..], "is a ZIP archive; unpack it"),
        (b"%PDF-1.7 ...", "is a PDF document; extract its text"),
        (b"ARROW1\0\0...", "is an Arrow file; save it as Parquet"),
        (b"SQLite format 3\0...", "is an SQLite database"),
    ] {
        let (source, _file) = file("csv", bytes);
        let refused = source.load(None).unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn annotation_tools_have_their_own_ways() {
    let labelled = |extension: &str, bytes: &str| {
        let (source, _file) = file(extension, bytes.as_bytes());
        rows(&source).into_iter().map(|(_, text, label)| (text, label)).collect::<Vec<_>>()
    };
    let expected = [("a b".to_owned(), "x".to_owned()), ("c".to_owned(), "y".to_owned())];
    // doccano.
    let doccano = "{\"id\":1,\"text\":\"a b\",\"label\":[\"x\"],\"Comments\":[]}\n{\"id\":2,\"text\":\"c\",\"label\":[\"y\"]}\n";
    assert_eq!(labelled("jsonl", doccano), expected);
    // fastText.
    assert_eq!(labelled("txt", "__label__x a b\n__label__y c\n"), expected);
    // Prodigy's choices; what was not accepted is left out.
    let prodigy = "{\"text\":\"a b\",\"accept\":[\"x\"],\"answer\":\"accept\",\"_input_hash\":1}\n\
                   {\"text\":\"no\",\"accept\":[\"x\"],\"answer\":\"reject\",\"_input_hash\":2}\n\
                   {\"text\":\"c\",\"accept\":[\"y\"],\"answer\":\"accept\",\"_input_hash\":3}\n";
    assert_eq!(labelled("jsonl", prodigy), expected);
    let (source, _file) = file("jsonl", prodigy.as_bytes());
    assert_eq!(source.load(None).unwrap().left_out, 1);
    // Label Studio's JSON.
    let studio = r#"[{"id":1,"data":{"text":"a b"},"annotations":[{"was_cancelled":true,"result":[]},
        {"result":[{"type":"choices","value":{"choices":["x"]}}]}]},
        {"id":2,"data":{"review":"c"},"annotations":[{"result":[{"value":{"choices":["y"]}}]}]}]"#;
    assert_eq!(labelled("json", studio), expected);
    // Conversations for tuning.
    let chat = r#"{"messages":[{"role":"system","content":"Sort."},{"role":"user","content":"a b"},{"role":"assistant","content":"x"}]}
{"messages":[{"role":"user","content":[{"type":"text","text":"c"}]},{"role":"assistant","content":"y"}]}"#;
    assert_eq!(labelled("jsonl", chat), expected);
    let gemini = r#"{"systemInstruction":{"parts":[{"text":"Sort."}]},"contents":[{"role":"user","parts":[{"text":"a b"}]},{"role":"model","parts":[{"text":"x"}]}]}
{"contents":[{"role":"user","parts":[{"text":"c"}]},{"role":"model","parts":[{"text":"y"}]}]}"#;
    assert_eq!(labelled("jsonl", gemini), expected);
}

#[test]
fn several_labels_in_one_cell_are_no_label() {
    assert_eq!(
        faults("jsonl", b"{\"text\":\"a\",\"label\":[\"x\",\"y\"]}\n{\"text\":\"b\",\"label\":\"x\"}\n"),
        [(1, "several labels in one row: `x`, `y`; a row can have one".to_owned())]
    );
    let studio = "text,label\na,\"{\"\"choices\"\": [\"\"x\"\", \"\"y\"\"]}\"\nb,x\n";
    assert_eq!(faults("csv", studio.as_bytes())[0].0, 2);
    assert_eq!(
        faults("csv", b"text,label\na,x\nb,y\nc,y|x\n"),
        [(4, "several labels in one row: `y`, `x`; a row can have one".to_owned())]
    );
    // Labels that are set are labels, whatever they are made of.
    let (source, _file) = file("csv", b"text,label\na,x\nb,y\nc,y|x\n");
    let names = ["x", "y", "y|x"].map(str::to_owned).to_vec();
    assert!(source.load(Some(&LabelSet::new(names).unwrap())).is_ok());
}

#[test]
fn columns_are_an_obstacle_only_where_they_are_asked_for() {
    let text = |bytes: &[u8]| {
        let (source, _file) = file("csv", bytes);
        source.load(None).map(|set| set.examples[0].text.clone()).map_err(|error| error.to_string())
    };
    assert_eq!(text("\u{feff}label,text,,,\na,b,,,\n".as_bytes()), Ok("b".to_owned()));
    assert_eq!(text(b"label,text,x,x\na,b,1,2\n"), Ok("b".to_owned()));
    assert_eq!(
        faults("csv", b"text,label\na,x\ntext,label\nb,x\n"),
        [(3, "the header is repeated here".to_owned())]
    );
}

#[test]
fn a_text_may_be_made_of_columns_and_lie_deep() {
    let (mut source, _file) = file("csv", b"subject,body,label\nHello,where is it,a\n,only this,b\n");
    source.text = serde_json::from_str("[\"subject\",\"body\"]").unwrap();
    let texts: Vec<_> = rows(&source).into_iter().map(|(_, text, _)| text).collect();
    assert_eq!(texts, ["Hello\n\nwhere is it", "only this"]);
    let (mut source, _file) = file("jsonl", br#"{"data":{"body":"deep"},"meta":[{"label":"a"}]}"#);
    (source.text, source.label) = ("data.body".into(), "meta.0.label".to_owned());
    assert_eq!(rows(&source), [(1, "deep".to_owned(), "a".to_owned())]);
}

#[test]
fn numbered_classes_get_names() {
    let (mut source, _file) = file("csv", b"text,label\na,0\nb,spam\nc,7\n");
    source.label_names =
        [("0", "ham"), ("1", "spam")].map(|(n, name)| (n.to_owned(), name.to_owned())).into();
    let error = source.load(None).unwrap_err().to_string();
    assert!(error.contains("line 4: `label_names` has no name for the label `7`"), "{error}");
    assert!(!error.contains("line 2") && !error.contains("line 3"), "{error}");
}

#[test]
fn what_no_row_has_is_said_once() {
    let (source, _file) =
        file("jsonl", b"{\"body\":\"a\",\"label\":\"x\"}\n{\"body\":\"b\",\"label\":\"x\"}\n");
    let error = source.load(None).unwrap_err().to_string();
    assert!(error.ends_with("line 1: no column `text`; the columns are `body`, `label`"), "{error}");
}
