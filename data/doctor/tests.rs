//! Defects that were planted, and files that anyone could send.

use std::io::Write;

use proptest::prelude::*;

use super::*;

fn file(extension: &str, bytes: &[u8]) -> (Source, tempfile::NamedTempFile) {
    let mut file = tempfile::Builder::new().suffix(&format!(".{extension}")).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    (Source::new(file.path()), file)
}

/// What is found in a training and a test file with these rows, as kind, severity and lines.
fn found(train: &str, test: &str) -> Vec<(Check, Severity, Vec<u64>)> {
    let (train, _train) = file("csv", format!("text,label\n{train}").as_bytes());
    let (test, _test) = file("csv", format!("text,label\n{test}").as_bytes());
    let template = PromptTemplate::default();
    let files =
        Files { train: Some(&train), validation: None, test: Some(&test), labels: None, template: &template };
    let lines = |finding: &Finding| finding.rows.listed.iter().map(|place| place.line).collect();
    let findings = examine(&files).unwrap().findings;
    findings.iter().map(|finding| (finding.check, finding.severity, lines(finding))).collect()
}

/// So many rows without a fault, of two labels in turn.
fn fine(from: usize, rows: usize) -> String {
    let words = |i: usize| format!("{:x}", xxhash_rust::xxh3::xxh3_64(&(from + i).to_le_bytes()));
    let text = |i: usize| format!("the {} of {} case", words(10_000 + i), words(20_000 + i));
    (0..rows).map(|i| format!("{},{}\n", text(i), ["a", "b"][i % 2])).collect()
}

fn planted(train: &str, test: &str) -> Vec<(Check, Severity, Vec<u64>)> {
    // The planted rows come first, so that their lines are easy to tell.
    found(&format!("{train}{}", fine(0, 40)), &format!("{test}{}", fine(500, 40)))
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(planted("", ""), []);
}

#[test]
fn each_planted_defect_is_found_where_it_is() {
    use Check::*;
    use Severity::{Error, Note, Warning};
    let long = format!("{},a\n", "a long text ".repeat(1000));
    let rare: String = (0..9).map(|i| format!("rare{i} rare{i}{i},r\n")).collect();
    let many: String = (0..10).map(|i| format!("often{i} often{i}{i},r\n")).collect();
    for (train, test, expected) in [
        ("x\n,a\nsome text,\n", "", (BadRows, Error, vec![2, 3, 4])),
        ("\"one\" thing,a\n", "", (BadRows, Error, vec![2])),
        ("x\n\"one thing,a\nanother,a\n\"more,b\n", "", (BrokenQuotes, Error, vec![3])),
        ("", "what is this,z\n", (UnknownLabels, Error, vec![2])),
        ("one thing,A\n", "", (LabelVariants, Error, vec![2, 3, 2])),
        ("where is it?,a\n", "where is it?,a\n", (Leaks, Error, vec![2])),
        ("where is it?,a\n", "\"Where, is IT\",a\n", (Leaks, Error, vec![2])),
        (
            "i would like to know where my new card is and when it will be here at last,a\n",
            "i would like to know where my old card is and when it will be here at last,a\n",
            (NearLeaks, Warning, vec![2]),
        ),
        ("so so,a\nso so,b\n", "", (ConflictingLabels, Warning, vec![3])),
        ("so so,a\nso so,a\n", "", (Duplicates, Warning, vec![3])),
        ("so so,a\nSo. So.,a\n", "", (Duplicates, Note, vec![3])),
        (
            "i would like to know where my new card is and when it will be here at last,a\ni would like to know where my old card is and when it will be here at last,b\n",
            "",
            (NearDuplicates, Note, vec![3]),
        ),
        (&rare, &many, (RareLabels, Warning, vec![2])),
        (&many, &rare, (RareLabels, Note, vec![2])),
        ("12.50,a\n", "?!,b\n", (NoWords, Warning, vec![2, 2])),
        (&long, "", (LongTexts, Note, vec![2])),
        ("be\u{7}ll here,a\n", "\u{202e}nrut now,b\n", (HiddenCharacters, Warning, vec![2, 2])),
        ("cafÃ© is closed,a\n", "", (GarbledCharacters, Warning, vec![2])),
        ("so <|endoftext|> on,a\n", "", (SpecialTokens, Warning, vec![2])),
        ("say </ITEM> now,a\n", "", (PromptTags, Note, vec![2])),
        ("write to ann@example.org,a\n", "", (PersonalData, Warning, vec![2])),
        ("use ghp_0123456789abcdefghijABCDEFGHIJ012345 now,a\n", "", (Secrets, Warning, vec![2])),
        ("", "где моя карта,a\n", (Scripts, Warning, vec![2])),
    ] {
        let findings = planted(train, test);
        assert!(findings.contains(&expected), "{expected:?} is not among {findings:?}");
    }
}

#[test]
fn a_file_without_rows_is_an_error() {
    let kinds: Vec<_> =
        found("", &fine(0, 40)).into_iter().map(|(check, severity, _)| (check, severity)).collect();
    assert_eq!(kinds, [(Check::EmptyFiles, Severity::Error)]);
}

#[test]
fn rows_that_ran_together_are_counted_by_lines_and_told_first() {
    let bad = "few\n".repeat(15);
    let (train, _train) =
        file("csv", format!("text,label\n{bad}\"one,a\ntwo,b\n\"three,a\n{}", fine(0, 40)).as_bytes());
    let (test, _test) = file("csv", format!("text,label\n{}", fine(500, 40)).as_bytes());
    let template = PromptTemplate::default();
    let files =
        Files { train: Some(&train), validation: None, test: Some(&test), labels: None, template: &template };
    let findings = examine(&files).unwrap().findings;
    let told: Vec<_> = findings.iter().map(|finding| (finding.check, finding.rows.total)).collect();
    assert_eq!(told, [(Check::BrokenQuotes, 3), (Check::BadRows, 15)]);
    assert_eq!(findings[0].reason, "3 lines can't be separated: a quote is misplaced");
    let detail = &findings[0].rows.listed[0].detail;
    assert_eq!(detail, "lines 17–19 ran together: a quote that begins on line 17 ends on line 19");
    // No copy is made, since nobody can tell which rows these were; so the cure promises none.
    assert!(!findings[0].cure.contains("--fix"), "{}", findings[0].cure);
    assert!(FixOptions::new(&files).unwrap_err().to_string().contains("lines 17–19 ran together"));
}

#[test]
fn order_and_imbalance_are_found() {
    let rows = |label: &str, from: usize, n: usize| {
        fine(from, n).replace(",b", ",a").replace(",a", &format!(",{label}"))
    };
    let sorted = format!("{}{}", rows("a", 0, 300), rows("b", 300, 15));
    let kinds: Vec<_> = found(&sorted, &fine(900, 40)).into_iter().map(|(check, ..)| check).collect();
    assert_eq!(kinds, [Check::Imbalance, Check::SortedRows]);
}

#[test]
fn what_is_cured_is_not_found_again() {
    let train = "so so,A\nso so,b\nbe\u{7}ll rings,A\ntwice said,A\ntwice said,a\nwhere is it,b\nfew,a,b\n";
    let (train, _train) = file("csv", format!("text,label\n{train}{}", fine(0, 40)).as_bytes());
    let (test, _test) = file("csv", format!("text,label\nWhere is it?,B\n{}", fine(500, 40)).as_bytes());
    let template = PromptTemplate::default();
    let files =
        Files { train: Some(&train), validation: None, test: Some(&test), labels: None, template: &template };
    let treatment = FixOptions::new(&files).unwrap();
    let said: Vec<_> =
        treatment.changes.iter().map(|change| (change.file, change.line, change.reason.as_str())).collect();
    assert_eq!(
        said,
        [
            (Role::Train, 2, "the same text has 2 labels"),
            (Role::Train, 3, "the same text has 2 labels"),
            (Role::Train, 4, "1 hidden character taken out"),
            (Role::Train, 4, "the label `A` became `a`"),
            (Role::Train, 5, "the label `A` became `a`"),
            (Role::Train, 6, "the same text with the same label is in line 5"),
            (Role::Train, 7, "the same text is in line 2 of test"),
            (Role::Train, 8, "3 fields instead of 2"),
            (Role::Test, 2, "the label `B` became `b`"),
        ]
    );
    let copy = |role, source| {
        let mut bytes = Vec::new();
        treatment.write(role, source, &mut bytes).unwrap();
        file("csv", &bytes)
    };
    let ((train, _train), (test, _test)) = (copy(Role::Train, &train), copy(Role::Test, &test));
    let files = Files { train: Some(&train), test: Some(&test), ..files };
    let findings = examine(&files).unwrap().findings;
    assert_eq!(findings, [], "{findings:#?}");
    assert_eq!(FixOptions::new(&files).unwrap().changes, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn hostile_bytes_are_looked_at_and_cured(
        files in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "text,label\n([a\"\n\r,\u{feff}\u{202e}\u{0}<|>@+0-9-]|item|\\PC|a,b\n)*".prop_map(String::into_bytes),
                "(\\{\"text\":\"(x|\\\\u0000|<\\|im_end\\|>|a@b.cd)*\",\"label\":(\"[aA]\"|1|\\{)\\}\r?\n?)*"
                    .prop_map(String::into_bytes),
            ],
            3,
        ),
        extension in prop::sample::select(vec!["csv", "tsv", "jsonl"]),
    ) {
        let kept: Vec<_> = files.iter().map(|bytes| file(extension, bytes)).collect();
        let template = PromptTemplate::default();
        let files = Files {
            train: Some(&kept[0].0),
            validation: Some(&kept[1].0),
            test: Some(&kept[2].0),
            labels: None,
            template: &template,
        };
        if let Ok(diagnosis) = examine(&files) {
            for finding in &diagnosis.findings {
                prop_assert!(finding.rows.listed.len() <= Rows::LISTED);
                let said = format!("{}{}", finding.reason, finding.cure);
                prop_assert!(!said.contains(char::is_control), "{:?}", said);
                for place in &finding.rows.listed {
                    let shown = format!("{}{}", place.text, place.detail);
                    prop_assert!(!shown.contains(char::is_control), "{:?}", shown);
                }
            }
        }
        if let Ok(treatment) = FixOptions::new(&files) {
            for role in Role::ALL {
                treatment.write(role, files.get(role).unwrap(), &mut Vec::new()).unwrap();
            }
        }
    }
}
