//! The settings that the docs and the examples show are settings that the program takes.

use std::fmt::Write;
use std::path::Path;

use toml::{Table, Value};

use crate::support::{Outcome, Place, repository};

/// A TOML block of a page.
struct Block {
    /// Where it stands, for the message of a failure.
    place: String,
    text: String,
}

/// The blocks of a Markdown page that are marked as TOML.
fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(repository().join(page)).unwrap();
    let (mut blocks, mut open) = (Vec::new(), None::<Block>);
    for (line, number) in text.lines().zip(1..) {
        match (line.trim_end(), &mut open) {
            ("```toml", None) => {
                open = Some(Block { place: format!("{page}, line {number}"), text: String::new() });
            }
            ("```", Some(_)) => blocks.extend(open.take()),
            (line, Some(block)) => writeln!(block.text, "{line}").unwrap(),
            (_, None) => {}
        }
    }
    assert!(open.is_none(), "a block of {page} is not closed");
    blocks
}

/// The names under `[providers]`.
fn providers(config: &Table) -> Vec<String> {
    let providers = config.get("providers").and_then(Value::as_table);
    providers.map(|providers| providers.keys().cloned().collect()).unwrap_or_default()
}

/// A row of the small task as a model is tuned on it.
fn conversation(row: &str) -> String {
    let (text, label) = row.split_once(',').unwrap();
    let turn = |role: &str, content: &str| serde_json::json!({ "role": role, "content": content });
    format!("{}\n", serde_json::json!({ "messages": [turn("user", text), turn("assistant", label)] }))
}

/// A project with everything that the block leaves out, and the data files that it names.
fn project(block: &Block) -> (Place, Table) {
    let parsed: Table = block.text.parse().unwrap_or_else(|error| panic!("{}: {error}", block.place));
    let mut config = block.text.clone();
    if !parsed.contains_key("model") {
        let mut bases: Vec<_> = providers(&parsed).iter().map(|name| format!("{name}/some-model")).collect();
        if bases.is_empty() {
            bases.push("local/majority".to_owned());
        }
        for base in bases {
            write!(config, "\n[[model]]\nbase = \"{base}\"\n").unwrap();
        }
    }
    let place = Place::with_models("");
    match parsed.get("data") {
        None => config.push_str("\n[data]\ntrain = \"train.csv\"\ntest = \"test.csv\"\n"),
        Some(data) => {
            for role in ["train", "test"] {
                let Some(name) = data.get(role).and_then(Value::as_str) else { continue };
                let rows = place.read(&format!("{role}.csv"));
                // No text of the small task has a comma in it.
                let rows = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
                    Some("tsv") => rows.replace(',', "\t"),
                    Some("jsonl") => rows.lines().skip(1).map(conversation).collect(),
                    _ => rows,
                };
                place.write(name, rows);
            }
        }
    }
    place.write("tunebench.toml", config);
    (place, parsed)
}

/// Opening a project checks all of it: settings, providers, hyperparameters, prices, data. No key, no network.
fn opens(place: &Place, config: &str) -> Outcome {
    place.tunebench(&["tune", "--export-only", "out", "--config", config])
}

#[test]
fn every_settings_block_of_the_docs_is_taken() {
    let pages = [
        ("README.md", 1),
        ("docs/gate.md", 1),
        ("docs/plan.md", 1),
        ("docs/providers.md", 10),
        ("docs/replace.md", 1),
        ("docs/tuning.md", 1),
    ];
    for (page, at_least) in pages {
        let blocks = blocks(page);
        assert!(blocks.len() >= at_least, "{page} has {} blocks", blocks.len());
        for block in blocks {
            let (place, parsed) = project(&block);
            let done = opens(&place, "tunebench.toml");
            assert_eq!(done.code, Some(0), "{}: {}", block.place, done.stderr);
            let listed = place.tunebench(&["providers", "--json"]);
            let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
            for name in providers(&parsed) {
                let known = listed.as_array().unwrap().iter();
                let known = known.filter_map(|provider| provider.get("provider")?.as_str());
                assert!(known.into_iter().any(|known| known == name), "{}: {name}", block.place);
            }
        }
    }
}

#[test]
fn a_mistake_in_a_block_would_be_found() {
    for text in [
        "[providers.vllm]\nkind = \"openai\"\nbase_urll = \"http://localhost:8000/v1\"\n",
        "[providers.vllm]\nkind = \"opnai\"\n",
        "[evaluation]\nanswer = \"scheme\"\n",
        "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntune = { epochs = 3 }\n",
        "[prices.\"groq/*\"]\ninput = -1\n",
    ] {
        let (place, _) = project(&Block { place: "here".into(), text: text.into() });
        assert_eq!(opens(&place, "tunebench.toml").code, Some(2), "{text}");
    }
}

/// The table of `docs/tuning.md` names the hosts that tune, with the hyperparameters that each takes.
#[test]
fn every_host_that_tunes_is_described() {
    let page = std::fs::read_to_string(repository().join("docs/tuning.md")).unwrap();
    let listed = Place::new().tunebench(&["providers", "--json"]).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let mut found = 0;
    for provider in listed.as_array().unwrap() {
        let name = provider["provider"].as_str().unwrap();
        let tunes = provider["facts"]["tuning"].as_str().is_some() || name == "openai";
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        assert_eq!(row.is_some(), tunes || ["local", "vertex"].contains(&name), "{name}");
        let Some(row) = row.filter(|_| tunes) else { continue };
        let text = format!(
            "[providers.{name}]\nfine_tuning = true\n[[model]]\nbase = \"{name}/gpt-4.1-mini-2025-04-14\"\ntune = {{ no_such = 1 }}\n"
        );
        let (place, _) = project(&Block { place: "here".into(), text });
        let said = opens(&place, "tunebench.toml").stderr;
        let (_, names) = said.split_once(", expected ").unwrap_or_else(|| panic!("{name}: {said}"));
        let taken = row.split('|').nth(3).unwrap();
        let names = names.lines().next().unwrap().trim_start_matches("one of ");
        let sorted = |text: &str| {
            let mut names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(sorted(taken), sorted(names), "{name}");
        found += 1;
    }
    assert!(found >= 6, "{found}");
}

#[test]
fn the_examples_open() {
    let mut found = 0;
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let done = opens(&Place::new(), path.to_str().unwrap());
            assert_eq!(done.code, Some(0), "{}: {}", path.display(), done.stderr);
            found += 1;
        }
    }
    assert!(found > 0);
}

/// `docs/replace.md` shows what its commands print.
#[test]
fn the_guide_shows_what_its_commands_print() {
    let rehearsal = blocks("docs/replace.md").remove(0);
    let place = Place::new();
    place.write(
        "rehearsal.toml",
        rehearsal.text.replace("data/samples", repository().join("data/samples").to_str().unwrap()),
    );
    place.write("real.txt", "My card has still not come\nWhy was I charged for taking out cash?\n");
    let sample = |part: &str| repository().join(format!("data/samples/banking10/{part}.tsv"));
    for part in ["train", "test"] {
        // As the file of a model that was tuned elsewhere.
        let rows = std::fs::read_to_string(sample(part)).unwrap();
        let rows = rows.lines().skip(1).map(|row| {
            let (text, label) = row.split_once('\t').unwrap();
            let turn = |role: &str, content: String| serde_json::json!({ "role": role, "content": content });
            let task = "You sort questions of a bank's customers.\nAnswer with one word of our list.";
            let turns = [
                turn("system", task.to_owned()),
                turn("user", format!("Question: {text}")),
                turn("assistant", label.to_owned()),
            ];
            format!("{}\n", serde_json::json!({ "messages": turns }))
        });
        place.write(&format!("{part}.jsonl"), rows.collect::<String>());
    }
    commands_print_what_is_shown("docs/replace.md", &place);
}

/// So does `docs/tutorial.md`.
#[test]
fn the_tutorial_shows_what_its_commands_print() {
    let place = Place::new();
    let rows = std::fs::read(repository().join("data/samples/banking10/train.tsv")).unwrap();
    place.write("questions.tsv", rows);
    commands_print_what_is_shown("docs/tutorial.md", &place);
}

/// Runs the commands of a page one after the other, and looks for what it shows behind each, up to the next one or the end
/// of its block. A line with `…` stands for any number of lines.
fn commands_print_what_is_shown(page: &str, place: &Place) {
    let page = std::fs::read_to_string(repository().join(page)).unwrap();
    for command in page.lines().filter_map(|line| line.trim_start().strip_prefix("$ tunebench ")) {
        let words: Vec<&str> = command.split(' ').collect();
        let done = place.tunebench(&words);
        assert_eq!(done.code, Some(0), "{command}: {}", done.stderr);
        let (_, shown) = page.split_once(&format!("$ tunebench {command}\n")).unwrap();
        let shown = shown.lines().take_while(|line| !line.trim_start().starts_with(['$', '`']));
        let shown = shown.filter(|line| !line.contains(" ── ") && !line.trim().is_empty() && *line != "…");
        let printed = format!("{}{}", done.stdout, done.stderr);
        // Times differ from run to run, and so do the paths of the sample.
        let is_fixed = |line: &&str| {
            !line.contains("samples/banking10") && !line.contains(" in 0.") && !line.contains(" ms")
        };
        for line in shown.filter(is_fixed) {
            let line = line.trim().trim_end_matches('…');
            assert!(printed.contains(line), "{command}: `{line}` is not in\n{printed}");
        }
    }
}

/// Every path in the table of CONTRIBUTING is there, and no room is without a line.
#[test]
fn contributing_knows_the_tree() {
    let page = std::fs::read_to_string(repository().join("CONTRIBUTING.md")).unwrap();
    let (_, table) = page.split_once("## Where do I change").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let is_path = |code: &&str| code.contains('/') && !code.contains(' ');
    let paths: Vec<&str> = table.split('`').skip(1).step_by(2).filter(is_path).collect();
    let missing: Vec<_> = paths.iter().filter(|path| !repository().join(path).exists()).collect();
    assert!(missing.is_empty(), "these are not in the tree: {missing:?}");
    assert!(paths.len() > 50, "{paths:?}");
    let rooms = ["data", "providers", "src"].into_iter().flat_map(|crate_folder| {
        let entries = std::fs::read_dir(repository().join(crate_folder)).unwrap().map(Result::unwrap);
        let folders = entries.filter(|entry| entry.path().join("mod.rs").exists());
        folders.map(move |entry| format!("{crate_folder}/{}/", entry.file_name().display()))
    });
    for room in rooms {
        assert!(paths.iter().any(|path| path.starts_with(&room)), "no line leads to {room}");
    }
}
