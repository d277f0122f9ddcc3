//! `tunebench init`, and what else helps at the beginning: completions and man pages.

use crate::support::{Place, repository};

/// Sixty cases with unusual columns.
fn cases(delimiter: char) -> String {
    let head = ["case", "kind", "what was said", "language"].join(&delimiter.to_string());
    let rows = (0..60).map(|i| {
        let kind = ["billing", "outage", "praise"][i % 3];
        let said = format!(
            "{} and so on, case {} of {}",
            ["the invoice is wrong", "nothing works", "well done"][i % 3],
            i * 7919,
            i * i
        );
        let row = [i.to_string(), kind.to_owned(), format!("\"{said}\""), ["en", "de"][i % 2].to_owned()];
        row.join(&delimiter.to_string()) + "\n"
    });
    format!("{head}\n{}", rows.collect::<String>())
}

#[test]
fn one_file_is_split_and_runs_at_once() {
    let place = Place::new();
    place.write("cases.csv", cases(','));
    let done = place.tunebench(&["init", "cases.csv"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(0), "wrote tunebench.toml, .env.example, .gitignore\n"),
        "{}",
        done.stderr
    );
    let expected = "\
cases.csv: texts in `what was said`, labels in `kind` (3 labels in 60 rows)
if these are the wrong columns: --text COLUMN --label COLUMN --force
next:
  tunebench split cases.csv --into train=0.8,test=0.2 --out split
  tunebench run
";
    assert_eq!(done.stderr, expected);
    let split = place.tunebench(&["split", "cases.csv", "--into", "train=0.8,test=0.2", "--out", "split"]);
    assert_eq!(split.code, Some(0), "{}", split.stderr);
    let run = place.tunebench(&["run"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
}

#[test]
fn what_is_written_is_the_repositorys_own_with_other_values() {
    let place = Place::new();
    place.write("data/my-train.dat", cases('\t').replace('"', ""));
    place.write("data/my-test.dat", cases('\t').replace('"', ""));
    place.write("data/my-dev.dat", cases('\t').replace('"', ""));
    let done = place.tunebench(&["init", "data/my-train.dat", "--quiet"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let (own, written) =
        (std::fs::read_to_string(repository().join("tunebench.toml")).unwrap(), place.read("tunebench.toml"));
    let changed: Vec<_> =
        written.lines().zip(own.lines()).filter(|(new, old)| new != old).map(|(new, _)| new).collect();
    let expected = [
        "#:schema .tunebench/tunebench.schema.json",
        "train = \"data/my-train.dat\"",
        "test = \"data/my-test.dat\"",
        "validation = \"data/my-dev.dat\" # held-out rows on which a provider may measure the loss while it trains",
        "text = \"what was said\"     # the column of the texts",
        "label = \"kind\"             # the column of the labels",
        "# instruction = \"A customer of a bank asks a question. Classify it by the customer's intent.\"",
    ];
    assert_eq!(changed, expected);
    assert_eq!(written.lines().count(), own.lines().count());
    let schema = std::fs::read_to_string(repository().join("docs/tunebench.schema.json")).unwrap();
    assert_eq!(place.read(".tunebench/tunebench.schema.json"), schema);
    assert!(place.read(".env.example").contains("# OPENAI_API_KEY="));
}

#[test]
fn train_and_test_are_found_and_run() {
    let place = Place::with_models("");
    std::fs::remove_file(place.path("tunebench.toml")).unwrap();
    assert_eq!(place.tunebench(&["init"]).code, Some(0));
    let run = place.tunebench(&["run"]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
}

#[test]
fn rows_that_ran_together_are_not_passed_over() {
    let place = Place::new();
    // The quotes are needed: each text holds a comma. One is never closed, but for the next that opens.
    place.write("broken.csv", cases(',').replace("of 2500\"", "of 2500"));
    let done = place.tunebench(&["init", "broken.csv"]);
    let expected = "warning: broken.csv, line 52: lines 52–53 ran together: a quote that begins on line 52 ends on \
                    line 53; if quotes are plain characters in this file, set `quotes = false`";
    assert!(done.stderr.contains(expected), "{}", done.stderr);

    let inches: String = (0..60).map(|i| format!("screen number {i}\t{}\n", ["a", "b"][i % 2])).collect();
    let inches = inches.replace("screen number 44", "\"44 inches are not closed");
    place.write("inches.tsv", format!("text\tlabel\n{inches}"));
    let done = place.tunebench(&["init", "inches.tsv", "--force"]);
    let expected = "warning: inches.tsv, line 46: lines 46–61 ran together: a quote that begins on line 46 is never \
                    closed; if quotes are plain characters in this file, set `quotes = false`; this is set";
    assert!(done.stderr.contains(expected), "{}", done.stderr);
    assert!(done.stderr.contains("(2 labels in 60 rows)"), "{}", done.stderr);
    assert!(place.read("tunebench.toml").contains("\nquotes = false"));
}

#[test]
fn a_configuration_elsewhere_finds_the_data() {
    let place = Place::with_models("");
    place.write("project/keep", "");
    let config = ["--config", "project/bench.toml"];
    let done = place.tunebench(&[&["init", "train.csv"], &config[..]].concat());
    assert!(done.stderr.ends_with("next:\n  tunebench run --config project/bench.toml\n"), "{}", done.stderr);
    let run = place.tunebench(&[&["run"], &config[..]].concat());
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
}

#[test]
fn nothing_is_written_over_and_nothing_is_written_in_vain() {
    let place = Place::with_models("");
    let refused = |args: &[&str]| {
        let done = place.tunebench(&[&["init"], args].concat());
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{}", done.stderr);
        done.stderr
    };
    let said = refused(&["train.csv"]);
    assert!(said.contains("`tunebench.toml` is there already") && said.contains("--force"), "{said}");
    place.write("project/.env.example", "mine");
    place.write("project/.gitignore", "mine");
    let kept = place.tunebench(&["init", "train.csv", "--config", "project/a.toml"]);
    assert_eq!((kept.code, kept.stdout.as_str()), (Some(0), "wrote project/a.toml\n"), "{}", kept.stderr);
    assert!(kept.stderr.starts_with("project/.env.example exists already, and is left as it is\n"));
    assert!(place.path("project/a.toml").exists());
    let forced = place.tunebench(&["init", "train.csv", "--config", "project/a.toml", "--force"]);
    assert_eq!((forced.code, place.read("project/.env.example").as_str()), (Some(0), "mine"));
    assert_eq!(place.read("project/.gitignore"), "mine");
    assert_eq!(place.tunebench(&["init", "train.csv", "--force"]).code, Some(0));

    place.write("numbers.csv", "a,b\n1,2\n3,4\n");
    let config = ["--config", "new.toml", "--force"];
    let refused = |args: &[&str]| refused(&[args, &config[..]].concat());
    assert!(
        refused(&["numbers.csv"])
            .contains("hint: name the columns with `--text COLUMN` and `--label COLUMN`")
    );
    assert!(refused(&["train.csv", "--label", "kind"]).contains("the columns are `text`, `label`"));
    assert!(refused(&["missing.csv"]).contains("cannot read `missing.csv`"));
    assert!(!place.path("new.toml").exists());
}

#[test]
fn hostile_bytes_end_with_a_word() {
    let place = Place::new();
    let hostile: [&[u8]; 7] = [
        b"",
        b"\0\0\0\0",
        b"\xFF\xFE\x00",
        b"\xEF\xBB\xBF",
        b"a,b\n\"\n\n\"\"\"",
        b"{\"a\":\"\\ud800\"}\n{",
        b"\t\t\n\r\r\r,,,",
    ];
    for bytes in hostile {
        for name in ["a.csv", "a.tsv", "a.jsonl", "a"] {
            place.write(name, bytes);
            let done = place.tunebench(&["init", name]);
            assert_eq!(done.code, Some(2), "{name} {bytes:?}: {done:?}");
            assert!(done.stderr.starts_with("error: ") && !done.stderr.contains("panicked"), "{done:?}");
        }
    }
    assert!(!place.path("tunebench.toml").exists());
}

#[test]
fn shells_complete_every_command() {
    let place = Place::new();
    for (shell, sign) in [
        ("bash", "complete -F _tunebench"),
        ("zsh", "#compdef tunebench"),
        ("fish", "complete -c tunebench"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let done = place.tunebench(&["completions", shell]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(done.stdout.contains(sign) && done.stdout.contains("min-probability"), "{shell}");
    }
    assert_eq!(place.tunebench(&["completions", "tcsh"]).code, Some(2));
}

#[test]
fn there_is_a_page_for_every_command() {
    let place = Place::new();
    let done = place.tunebench(&["man", "pages"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{}", done.stderr);
    let pages = place.files("pages");
    for page in ["tunebench.1", "tunebench-run.1", "tunebench-predict.1", "tunebench-jobs-list.1"] {
        let page =
            pages.get(&format!("pages/{page}")).unwrap_or_else(|| panic!("no {page}: {:?}", pages.keys()));
        assert!(String::from_utf8_lossy(page).contains(".SH NAME"));
    }
    assert!(!pages.contains_key("pages/tunebench-man.1"), "hidden");
}

#[test]
fn a_path_with_a_space_is_one_word_for_the_shell() {
    let place = Place::new();
    place.write("my cases/it's.csv", cases(','));
    let done = place.tunebench(&["init", "my cases/it's.csv"]);
    assert!(done.stderr.contains(r"tunebench split 'my cases/it'\''s.csv' --into"), "{}", done.stderr);
    assert_eq!(place.read(".gitignore"), ".env\n.tunebench/\n");
}
