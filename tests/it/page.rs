//! The rows of the page: all of them, in the page or beside it, with what each model said; and two runs side by side.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::openai::Project;
use crate::support::Place;

const LOCAL: &str = "[[model]]\nbase = \"local/lexical\"\n[[model]]\nbase = \"local/majority\"\n";

/// The data that a page holds for its script.
fn data(page: &str) -> Value {
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(data).unwrap()
}

/// What a file beside the page calls its function with, after the key.
fn content(file: &str) -> (String, Value) {
    let inner = file.trim_end().strip_prefix("tunebenchRows(").unwrap().strip_suffix(");").unwrap();
    let array: Value = serde_json::from_str(&format!("[{inner}]")).unwrap();
    (array[0].as_str().unwrap().to_owned(), array[2].clone())
}

#[test]
fn every_row_is_in_the_page_with_its_columns_and_raw_answers() {
    let project = Project::new(
        "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n[[model]]\nbase = \"local/lexical\"\n",
    );
    project.place.write(
        "test.csv",
        "text,label,ticket\ngive my money back,refund,T-1\nmy card is lost </script>,card,T-2\n",
    );
    let done = project.tunebench(&["eval", "--yes"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let page = data(&project.place.read("results/report.html"));
    assert_eq!(page["about"]["columns"], serde_json::json!(["ticket"]));
    let rows = page["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[1][1], &rows[1][2], &rows[1][3][0]),
        (&3.into(), &"my card is lost </script>".into(), &"T-2".into())
    );
    assert_eq!((&rows[0][1], &rows[0][2]), (&2.into(), &"give my money back".into()));
    let raw = rows[0][4][0][0].as_str().unwrap();
    assert!(raw.contains("<output>"), "the raw answer is {raw:?}");
    assert!(rows[0][4][0][2].as_u64().unwrap() > 0, "tokens were counted");
    let sha = page["about"]["prompt_of"][0].as_str().unwrap();
    assert!(page["about"]["prompts"][sha][1]["content"].as_str().unwrap().contains("{text}"));
    assert!(!project.place.path("results/report-rows").exists(), "few rows need no file beside the page");
}

#[test]
fn without_texts_the_page_says_so_and_has_none() {
    let place = Place::with_models(&format!("[evaluation]\ntexts = false\n{LOCAL}"));
    assert_eq!(place.tunebench(&["eval"]).code, Some(0));
    assert_eq!(place.tunebench(&["report"]).code, Some(0));
    let page = place.read("results/report.html");
    assert!(page.contains("These results hold no texts") && !place.path("results/texts.csv").exists());
    assert!(data(&page)["rows"].as_array().unwrap().iter().all(|row| row[2].is_null()));
}

/// A project with so many test rows that they do not fit into the page.
fn many() -> Place {
    let place = Place::with_models(LOCAL);
    let rows: String = (0..4000)
        .map(|i| {
            format!("{},{}\n", format!("where is my card number {i} ").repeat(8), ["card", "refund"][i % 2])
        })
        .collect();
    place.write("test.csv", format!("text,label\n{rows}"));
    place
}

#[test]
fn many_rows_lie_beside_the_page_and_go_where_their_run_goes() {
    let place = many();
    let done = place.tunebench(&["eval"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let page = place.read("results/report.html");
    assert!(page.contains("All 4,000 rows are in the folder report-rows"));
    let own = data(&page);
    assert_eq!(own["about"]["beside"], "report-rows");
    let (key, index) = content(&place.read("results/report-rows/index.js"));
    assert_eq!(
        (key.as_str(), index["gold"].as_array().unwrap().len()),
        (own["about"]["key"].as_str().unwrap(), 4000)
    );
    let files = place.files("results/report-rows");
    let rows: usize = (0..files.len() - 1)
        .map(|part| {
            content(&place.read(&format!("results/report-rows/{part}.js"))).1.as_array().unwrap().len()
        })
        .sum();
    assert_eq!(rows, 4000);
    // Each text is that of its row, as the test file has it.
    let texts: BTreeMap<_, _> = place
        .csv("results/texts.csv")
        .into_iter()
        .map(|row| (row["id"].clone(), row["text"].clone()))
        .collect();
    let part = content(&place.read("results/report-rows/0.js")).1;
    for (row, line) in part.as_array().unwrap().iter().zip(place.read("test.csv").lines().skip(1)) {
        let text = row[2].as_str().unwrap();
        assert_eq!(
            (text, text),
            (texts[row[0].as_str().unwrap()].as_str(), line.rsplit_once(',').unwrap().0)
        );
    }

    // They are made again from the folder alone.
    let data = place.read("test.csv");
    std::fs::remove_file(place.path("test.csv")).unwrap();
    std::fs::remove_dir_all(place.path("results/report-rows")).unwrap();
    assert_eq!(place.tunebench(&["report"]).code, Some(0));
    assert_eq!(place.files("results/report-rows"), files);
    assert_eq!(place.read("results/report.html"), page);

    // The next run has its own; the rows of this one go with it.
    place.write("test.csv", data.lines().take(50).collect::<Vec<_>>().join("\n"));
    assert_eq!(place.tunebench(&["eval"]).code, Some(0));
    assert!(!place.path("results/report-rows").exists());
    let runs: Value = serde_json::from_str(&place.tunebench(&["runs", "--json"]).stdout).unwrap();
    let kept = format!("results/runs/{}", runs[1]["id"].as_str().unwrap());
    assert_eq!(
        place.files(&format!("{kept}/report-rows")).into_values().collect::<Vec<_>>(),
        files.into_values().collect::<Vec<_>>()
    );
    assert_eq!(place.read(&format!("{kept}/report.html")), page);
}

#[test]
fn a_run_stands_beside_an_earlier_one() {
    let place = Place::with_models(LOCAL);
    assert_eq!(place.tunebench(&["eval"]).code, Some(0));
    let alone = place.tunebench(&["report", "--against", "20200101"]);
    assert_eq!(alone.code, Some(2));
    assert!(alone.stderr.contains("there is no run `20200101`"), "{}", alone.stderr);
    place.write(
        "results/manifest.json",
        place.read("results/manifest.json").replacen("\"started\": \"20", "\"started\": \"19", 1),
    );
    // The lexical model learns the other way round.
    place.write(
        "train.csv",
        "text,label\nwhere is my card,refund\ni want my money back,card\nwhat is the rate,rate\n",
    );
    assert_eq!(place.tunebench(&["eval", "local/lexical"]).code, Some(0));
    let runs: Value = serde_json::from_str(&place.tunebench(&["runs", "--json"]).stdout).unwrap();
    let earlier = runs[1]["id"].as_str().unwrap();
    let done = place.tunebench(&["report", "--against", earlier]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains(&format!("{earlier}:local/lexical")), "{}", done.stdout);
    assert!(
        done.stderr.contains(&format!("in one of the runs only: {earlier}:local/majority")),
        "{}",
        done.stderr
    );
    let page = place.read("results/against.html");
    let data = data(&page);
    assert_eq!(
        data["about"]["models"],
        serde_json::json!([format!("{earlier}:local/lexical"), "local/lexical"])
    );
    assert!(page.contains(&format!("as it was in run {earlier}")));
    assert!(place.path("results/report.html").exists(), "the page of the run itself stays");
    let itself = place.tunebench(&["report", "--against", runs[0]["id"].as_str().unwrap()]);
    assert!(itself.code == Some(2) && itself.stderr.contains("be compared with itself"), "{}", itself.stderr);
}

#[test]
fn answers_that_nobody_reads_are_shown_instead_of_a_verdict() {
    let project = Project::new(
        "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n[[model]]\nbase = \"local/lexical\"\n[evaluation]\nagainst = \"local/lexical\"\n",
    );
    assert_eq!(project.tunebench(&["eval", "--yes"]).code, Some(0));
    // As if the model had said something else.
    let file = "results/predictions/openai-gpt-4.1-mini-2025-04-14.csv";
    let mut reader = csv::Reader::from_reader(project.place.open(file));
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).unwrap();
    for row in reader.records().map(Result::unwrap) {
        let cell = |(i, cell): (usize, &str)| match i {
            i if i == at("prediction") || i == at("probability") => String::new(),
            i if i == at("outcome") => "invalid".to_owned(),
            i if i == at("detail") => "no_label".to_owned(),
            i if i == at("answer") => "I would say that it is about money, my friend.".to_owned(),
            _ => cell.to_owned(),
        };
        writer.write_record(row.iter().enumerate().map(cell)).unwrap();
    }
    project.place.write(file, writer.into_inner().unwrap());
    for format in ["terminal", "markdown", "html", "json"] {
        let done = project.tunebench(&["report", "--format", format]);
        let said = done.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("name no label") && said.contains("about money, my friend"),
            "{format}: {}",
            done.stdout
        );
        assert!(said.contains("ask for the label alone"), "{format}: {}", done.stdout);
    }
}
