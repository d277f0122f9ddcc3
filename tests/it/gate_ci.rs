//! What CI systems read of a gate: JUnit, Markdown, code quality, annotations.

use serde_json::{Value, json};

use crate::gate::{gate, place};

#[test]
fn ci_systems_read_what_they_know() {
    let place = place(20);
    let outputs = [
        "--junit",
        "gate.xml",
        "--junit-examples",
        "--markdown",
        "gate.md",
        "--code-quality",
        "quality.json",
    ];
    let done = gate(&place, &outputs);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(!done.stdout.contains("::error"), "{}", done.stdout);
    let junit = place.read("gate.xml");
    for part in [
        r#"<testsuites name="tunebench gate" tests="22" failures="1" errors="0">"#,
        r#"<testsuite name="local/lexical" tests="2" failures="1" errors="0" skipped="0">"#,
        r#"<testcase name="coverage" classname="gate.local/lexical">"#,
        r#"<failure type="failed" message="accuracy 90.0 % → 80.0 %"#,
        r#"<testcase name="0000000000000015" classname="rows.local/lexical">"#,
        r#"<skipped type="regressed" message="gold label card, answered refund"/>"#,
    ] {
        assert!(junit.contains(part), "{part}\n{junit}");
    }
    let markdown = place.read("gate.md");
    assert!(markdown.starts_with("<!-- tunebench:gate -->\n### Gate failed: 1 of 2 checks\n"), "{markdown}");
    assert!(markdown.contains("| `local/lexical` | `baseline` | **failed** | accuracy 90.0 %"), "{markdown}");
    assert!(markdown.contains("20 rows, 20 shown"), "{markdown}");
    assert!(markdown.contains("| `0000000000000015` | `card` | `refund` | `local/lexical` |"), "{markdown}");
    let quality: Value = serde_json::from_str(&place.read("quality.json")).unwrap();
    assert_eq!(quality.as_array().unwrap().len(), 1);
    assert_eq!(quality[0]["severity"], "critical");
    assert_eq!(quality[0]["location"], json!({ "path": "tunebench.toml", "lines": { "begin": 1 } }));

    let done = gate(&place, &["--json"]);
    let value: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&value["outcome"], &value["exit_code"]), (&json!("failed"), &json!(1)));
    assert_eq!(value["checks"][1]["check"], "baseline");
    assert_eq!(value["regressed"].as_array().unwrap().len(), 20);
}

#[test]
fn on_github_there_are_annotations_and_a_summary() {
    let place = place(20);
    place.write("summary.md", "# Before\n");
    let mut command = place.command(&["gate"]);
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", place.path("summary.md"));
    let done = place.outcome(&mut command);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let annotations: Vec<_> = done.stdout.lines().filter(|line| line.starts_with("::")).collect();
    let start = "::error file=tunebench.toml,title=tunebench gate failed%3A baseline::local/lexical: accuracy 90.0 %25";
    assert!(matches!(annotations[..], [line] if line.starts_with(start)), "{annotations:?}");
    let summary = place.read("summary.md");
    assert!(summary.starts_with("# Before\n<!-- tunebench:gate -->\n### Gate failed"), "{summary}");
    let mut command = place.command(&["gate", "--json"]);
    command.env("GITHUB_ACTIONS", "true").env_remove("GITHUB_STEP_SUMMARY");
    let done = place.outcome(&mut command);
    assert!(serde_json::from_str::<Value>(&done.stdout).is_ok() && done.stderr.starts_with("::error "));
}
