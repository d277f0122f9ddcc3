//! Reports in every format: where they go, and that all of them say the same.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Place, repository};

const BASE_AND_TUNED: &str = "[[model]]\nbase = \"local/lexical\"\ntune = {}\n";
const FORMATS: [&str; 6] = ["terminal", "markdown", "html", "json", "csv", "junit"];

fn print(place: &Place, format: &str) -> String {
    let done = place.tunebench(&["report", "--format", format]);
    assert_eq!(done.code, Some(0), "{format}: {}", done.stderr);
    done.stdout
}

#[test]
fn a_report_goes_where_it_is_wanted_in_the_format_that_is_wanted() {
    let place = Place::with_models(BASE_AND_TUNED);
    let run = place.tunebench(&["run", "--output", "test.csv/junit.xml"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let run = place.tunebench(&["run", "--output", "junit.xml"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{}", run.stderr);
    assert!(
        run.stderr.contains("report: junit.xml") && run.stderr.contains("results: results"),
        "{}",
        run.stderr
    );
    assert_eq!(place.read("junit.xml"), print(&place, "junit"));
    assert_eq!(place.read("results/report.md"), print(&place, "markdown"));
    assert_eq!(place.read("results/summary.json"), print(&place, "json"));
    assert_eq!(print(&place, "json"), place.tunebench(&["report", "--json"]).stdout);
    assert_eq!(print(&place, "csv"), place.tunebench(&["report", "--format", "csv", "--output", "-"]).stdout);
    assert_eq!(print(&place, "terminal"), place.tunebench(&["report"]).stdout);
    for format in FORMATS {
        place.write("old.txt", "old");
        let done = place.tunebench(&["report", "--format", format, "-o", "old.txt"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert!(print(&place, format).starts_with(place.read("old.txt").trim_end()), "{format}");
    }
}

#[test]
fn a_bad_place_fails_before_the_first_model_is_tuned() {
    let place = Place::with_models(BASE_AND_TUNED);
    std::fs::create_dir(place.path("results.md")).unwrap();
    for (output, said) in [
        ("test.csv/report.md", "test.csv/report.md"),
        ("results.md", "it is a folder"),
        ("x.doc", "--format"),
    ] {
        let done = place.tunebench(&["run", "--output", output]);
        assert_eq!(done.code, Some(2));
        assert!(done.stderr.contains(said) && !done.stderr.contains("ftjob-"), "{}", done.stderr);
    }
    let unknown = place.tunebench(&["run", "--format", "docx"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("junit"), "{}", unknown.stderr);
}

#[cfg(unix)]
#[test]
fn a_report_can_go_into_what_is_no_file() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\n");
    let done = place.tunebench(&["eval", "--format", "junit", "--output", "/dev/null"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

/// The shipped project, measured, without what differs from machine to machine and from day to day.
fn sample_run() -> Place {
    let place = Place::new();
    let config = repository().join("tunebench.toml");
    let done = place.tunebench(&["run", "--quiet", "--config", config.to_str().unwrap()]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let mut manifest: Value = serde_json::from_str(&place.read("results/manifest.json")).unwrap();
    manifest["started"] = "2026-01-01T00:00:00Z".into();
    manifest["finished"] = "2026-01-01T00:00:05Z".into();
    for file in manifest["data"].as_array_mut().unwrap() {
        let path = file["path"].as_str().unwrap().replace('\\', "/");
        let inside = path.find("data/samples").unwrap();
        file["path"] = path[inside..].into();
    }
    place.write("results/manifest.json", manifest.to_string());
    for (name, content) in place.files("results/predictions") {
        let mut reader = csv::Reader::from_reader(&content[..]);
        let headers = reader.headers().unwrap().clone();
        let latency = headers.iter().position(|name| name == "latency_ms").unwrap();
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&headers).unwrap();
        for row in reader.records().map(Result::unwrap) {
            let timeless = row.iter().enumerate().map(|(i, cell)| if i == latency { "" } else { cell });
            writer.write_record(timeless).unwrap();
        }
        place.write(&name, writer.into_inner().unwrap());
    }
    place
}

/// `UPDATE_EXAMPLES=1 cargo test --test it reports` writes them anew.
#[test]
fn the_shipped_examples_are_reports_of_the_shipped_project() {
    let place = sample_run();
    let examples = repository().join("reports/examples");
    for (format, name) in [
        ("terminal", "terminal.txt"),
        ("markdown", "report.md"),
        ("html", "report.html"),
        ("json", "summary.json"),
        ("csv", "table.csv"),
        ("junit", "junit.xml"),
    ] {
        let done = place.tunebench(&["report", "--format", format, "--output", name]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let (made, path) = (place.read(name), examples.join(name));
        if std::env::var_os("UPDATE_EXAMPLES").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let shipped = std::fs::read_to_string(&path).unwrap();
        assert!(shipped == made, "{name} is not what is made now; UPDATE_EXAMPLES=1 writes it anew:\n{made}");
    }
    every_format_says_the_same(&place);
}

fn every_format_says_the_same(place: &Place) {
    let json: Value = serde_json::from_str(&print(place, "json")).unwrap();
    let [text, markdown, junit] = ["terminal", "markdown", "junit"].map(|format| print(place, format));
    let table = print(place, "csv");
    let table =
        csv::Reader::from_reader(table.as_bytes()).deserialize().map(Result::unwrap).collect::<Vec<_>>();
    let summary = place.csv("results/summary.csv");
    let comparisons = place.csv("results/comparisons.csv");
    // To the last digit.
    let exact = |figure: &Value, cell: &str, what: &str| {
        assert_eq!(figure.as_f64(), cell.parse().ok(), "{what} is {cell:?} and {figure}");
    };
    for (i, model) in json["models"].as_array().unwrap().iter().enumerate() {
        let (scores, row): (_, &BTreeMap<String, String>) = (&model["scores"], &table[i]);
        let interval = &scores["accuracy_interval"];
        for (figure, column, spreadsheet) in [
            (&scores["accuracy"], "accuracy", "accuracy"),
            (&interval["low"], "accuracy_low", "accuracy low"),
            (&interval["high"], "accuracy_high", "accuracy high"),
            (&scores["macro_average"]["f1"], "macro_f1", "macro F1"),
            (&scores["cohen_kappa"], "cohen_kappa", "kappa"),
            (&scores["matthews_correlation"], "matthews_correlation", "MCC"),
            (&model["intervals"]["macro_f1"]["low"], "macro_f1_low", ""),
            (&model["intervals"]["cohen_kappa"]["high"], "cohen_kappa_high", ""),
        ] {
            exact(figure, &summary[i][column], column);
            if !spreadsheet.is_empty() {
                exact(figure, &row[spreadsheet], spreadsheet);
            }
        }
        assert!(junit.contains(&format!("name=\"accuracy\" value=\"{}\"", scores["accuracy"])));
        let people = format!("{:.1} %", scores["accuracy"].as_f64().unwrap() * 100.0);
        let limits =
            ["low", "high"].map(|end| format!("{:.1}", interval[end].as_f64().unwrap() * 100.0)).join("–");
        assert!(text.contains(&format!("{people}  ")) && text.contains(&limits), "{people} {limits}");
        assert!(markdown.contains(&format!("| {people} {limits} |")), "{people} {limits}");
    }
    for (i, pair) in json["comparisons"].as_array().unwrap().iter().enumerate() {
        let row = table.iter().find(|row| row["model"] == pair["tuned"].as_str().unwrap()).unwrap();
        let interval = &pair["difference_interval"];
        for (figure, column, spreadsheet) in [
            (&pair["difference"], "difference", "difference"),
            (&interval["low"], "difference_low", "difference low"),
            (&interval["high"], "difference_high", "difference high"),
            (&pair["holm_p"], "holm_p", "p (Holm)"),
            (&pair["mcnemar_p"], "mcnemar_p", ""),
            (&pair["mcnemar_mid_p"], "mcnemar_mid_p", ""),
            (&pair["macro_f1"]["difference"], "macro_f1_difference", ""),
            (&pair["macro_f1"]["interval"]["low"], "macro_f1_low", ""),
        ] {
            exact(figure, &comparisons[i][column], column);
            if !spreadsheet.is_empty() {
                exact(figure, &row[spreadsheet], spreadsheet);
            }
            if ["difference", "difference_low", "difference_high", "mcnemar_p", "holm_p"].contains(&column) {
                let value = &comparisons[i][column];
                assert!(junit.contains(&format!("name=\"{column}\" value=\"{value}\"")), "{column} {value}");
            }
        }
        let ends = ["low", "high"].map(|end| format!("{:+.1}", interval[end].as_f64().unwrap() * 100.0));
        let said = format!(
            "{:+.1} points (95 % CI {} to {})",
            pair["difference"].as_f64().unwrap() * 100.0,
            ends[0],
            ends[1]
        );
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            words.contains(&said)
                && markdown.contains(&said.replace('+', "&#43;")) | markdown.contains(&said),
            "{said}"
        );
    }
}

#[test]
fn the_page_is_named_last_and_a_pipe_has_the_columns_that_are_set() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\n");
    let done = place.outcome(place.command(&["eval"]).env("COLUMNS", "50"));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines[lines.len() - 2..], ["results: results", "page: results/report.html"]);
    let table = lines.iter().take_while(|line| !line.starts_with("page")).filter(|line| line.contains("  "));
    assert!(table.clone().all(|line| line.chars().count() <= 50), "{}", done.stdout);
}
