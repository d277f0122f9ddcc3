//! Labelled data in the forms that other tools write, from the file to the verdict.

use crate::support::Place;

const TASK: &str =
    "[prompt]\ninstruction = \"Sort the message.\"\n[[model]]\nbase = \"local/lexical\"\ntune = {}\n";
const KINDS: [(&str, &str); 3] = [
    ("billing", "The bill of month"),
    ("delivery", "Parcel number"),
    ("technical", "The app stops with code"),
];

/// A folder with training and test data that `row` writes.
fn place(
    data: &str,
    extension: &str,
    head: &str,
    between: &str,
    row: impl Fn(usize, &str, &str) -> String,
) -> Place {
    let place = Place::new();
    for (name, numbers) in [("train", 0..45), ("test", 100..130)] {
        let rows: Vec<String> = numbers
            .map(|number| {
                let (label, text) = KINDS[number % KINDS.len()];
                row(number, &format!("{text} {number} once more"), label)
            })
            .collect();
        place.write(&format!("{name}.{extension}"), format!("{head}{}\n", rows.join(between)));
    }
    let files = format!("[data]\ntrain = \"train.{extension}\"\ntest = \"test.{extension}\"\n{data}");
    place.write("tunebench.toml", format!("{files}{TASK}"));
    place
}

#[track_caller]
fn learns(place: &Place) -> String {
    let done = place.tunebench(&["run"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let tuned = place.csv("results/summary.csv").pop().unwrap();
    let rows = place.csv(&format!("results/predictions/{}.csv", tuned["file"]));
    assert!(rows.len() > 10 && rows.iter().all(|row| row["outcome"] == "correct"), "{rows:?}");
    done.stderr
}

#[test]
fn columns_without_a_name_are_no_obstacle() {
    let columns = "text = \"v2\"\nlabel = \"v1\"\n";
    let place = place(columns, "csv", "\u{feff}v1,v2,,,\n", "\n", |_, text, label| {
        format!("{label},\"{text}, £\",,,")
    });
    learns(&place);
    assert_eq!(place.tunebench(&["doctor"]).code, Some(0));
}

#[test]
fn conversations_are_read_as_text_and_label() {
    let place = place("", "jsonl", "", "\n", |_, text, label| {
        format!(
            "{{\"messages\": [{{\"role\": \"system\", \"content\": \"Sort.\"}}, {{\"role\": \"user\", \"content\": \
             \"{text}\"}}, {{\"role\": \"assistant\", \"content\": \"{label}\"}}]}}"
        )
    });
    learns(&place);
}

#[test]
fn rejected_rows_are_left_out_and_counted() {
    let place = place("", "jsonl", "", "\n", |number, text, label| {
        // What was rejected has a wrong label.
        let answer = ["accept", "accept", "accept", "reject", "ignore"][number % 5];
        let label = if answer == "accept" { label } else { KINDS[(number + 1) % 3].0 };
        format!(
            "{{\"text\":\"{text}\",\"label\":\"{label}\",\"answer\":\"{answer}\",\"_task_hash\":{number}}}"
        )
    });
    let told = learns(&place);
    assert!(told.contains("30 rows are left out: `answer` is `reject` or `ignore`"), "{told}");
    let doctor = place.tunebench(&["doctor"]);
    assert!(doctor.stdout.contains("rejected-rows") && doctor.code == Some(0), "{}", doctor.stdout);
}

#[test]
fn one_json_array_is_read() {
    let row = |_: usize, text: &str, label: &str| {
        format!(" {{\n  \"text\": \"{text}\",\n  \"label\": \"{label}\"\n }}")
    };
    let array = place("", "json", "[\n", ",\n", row);
    array.write("test.json", format!("{}]", array.read("test.json")));
    array.write("train.json", format!("{}]", array.read("train.json")));
    learns(&array);
    // Its copies are arrays again.
    let fixed = array.tunebench(&["doctor", "--fix", "clean"]);
    assert_eq!(fixed.code, Some(0), "{}", fixed.stderr);
    let clean: serde_json::Value = serde_json::from_str(&array.read("clean/train.json")).unwrap();
    assert_eq!(clean.as_array().unwrap().len(), 45);
}

#[test]
fn several_labels_in_a_cell_are_named_and_taken_out() {
    for several in ["\"{\"\"choices\"\": [\"\"billing\"\", \"\"technical\"\"]}\"", "billing|technical"] {
        let place =
            place("label = \"sentiment\"\n", "csv", "text,sentiment\n", "\n", |number, text, label| {
                format!("{text},{}", if number % 9 == 4 && number < 100 { several } else { label })
            });
        let done = place.tunebench(&["run"]);
        assert_eq!(done.code, Some(2), "{}", done.stdout);
        let said = "line 6: several labels in one row: `billing`, `technical`; a row can have one";
        assert!(done.stderr.contains("5 bad rows") && done.stderr.contains(said), "{}", done.stderr);
        let doctor = place.tunebench(&["doctor"]).stdout;
        assert!(doctor.contains("5 rows have several labels in one cell [several-labels]"), "{doctor}");
        let fixed = place.tunebench(&["doctor", "--fix", "clean"]);
        assert_eq!(fixed.code, Some(0), "{}{}", fixed.stdout, fixed.stderr);
        assert_eq!(place.read("clean/train.csv").lines().count(), 41);
    }
}

#[test]
fn bare_numbers_are_a_finding_and_names_cure_it() {
    let number = |label: &str| KINDS.iter().position(|(kind, _)| *kind == label).unwrap();
    let row = |_: usize, text: &str, label: &str| format!("{text};{}", number(label));
    let bare = place("", "csv", "text;label\n", "\n", row);
    let doctor = bare.tunebench(&["doctor"]);
    assert!(doctor.stdout.contains("the labels are bare numbers: `0`, `1`, `2`"), "{}", doctor.stdout);
    let named =
        place("label_names = [\"billing\", \"delivery\", \"technical\"]\n", "csv", "text;label\n", "\n", row);
    learns(&named);
    assert!(!named.tunebench(&["doctor"]).stdout.contains("bare numbers"));
    assert_eq!(named.csv("results/predictions/local-lexical.csv")[0]["label"], "delivery");
}

#[test]
fn a_copy_is_never_empty_because_of_an_encoding() {
    let place =
        place("", "csv", "text,label\n", "\n", |_, text, label| format!("{text} für 5 \u{20ac},{label}"));
    let latin =
        |text: String| -> Vec<u8> { text.chars().map(|c| if c == '€' { 0x80 } else { c as u8 }).collect() };
    let bytes = latin(place.read("train.csv"));
    place.write("train.csv", bytes);
    let done = place.tunebench(&["doctor", "--fix", "clean"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("set `encoding = \"windows-1252\"`"), "{}", done.stderr);
    assert!(!place.path("clean/train.csv").exists());
}

#[test]
fn a_log_with_nan_is_read() {
    let place = Place::new();
    let log = include_str!("../../reports/foreign/testdata/inspect.json");
    let at = log.find("\"metrics\"").unwrap();
    place.write("log.json", format!("{}\"spread\": NaN, {}", &log[..at], &log[at..]));
    let done = place.tunebench(&["report", "log.json"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn init_understands_a_file_without_a_header() {
    let place = place("", "txt", "", "\n", |_, text, label| format!("{label}\t{text}"));
    std::fs::remove_file(place.path("tunebench.toml")).unwrap();
    let done = place.tunebench(&["init", "train.txt"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(place.read("tunebench.toml").contains("\nheader = false"));
    let run = place.tunebench(&["run"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}

#[test]
fn columns_without_a_name_come_out_as_they_went_in() {
    let place = place("", "csv", "text,label\n", "\n", |_, text, label| format!("{text},{label}"));
    place.write("new.csv", "text;;;x;x\nThe bill of month 3;a;;b;c\n");
    let done = place.tunebench(&["predict", "local/majority", "new.csv"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.starts_with("text,,,x,x,prediction"), "{}", done.stdout);
    assert!(done.stdout.contains("\nThe bill of month 3,a,,b,c,"), "{}", done.stdout);
}
