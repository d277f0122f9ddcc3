//! What lies in a project: configuration, baseline, ledger, and what one is imported from.

use std::path::Path;

use tunebench::config::Config;
use tunebench::gate::baseline::Baseline;
use tunebench::import::Import;
use tunebench_ledger::{ContentKey, Floor, Ledger};

use super::{Target, files, seeds, told};

/// The committed file of the gate.
pub(super) const BASELINE: Target = Target {
    name: "baseline",
    start: || {
        Box::new(|bytes| {
            told(Baseline::from_bytes(bytes), |baseline| {
                // What is read is written as it was.
                let again = Baseline::from_bytes(baseline.to_text().as_bytes()).expect("it was written here");
                assert_eq!(again.to_text(), baseline.to_text());
                "read".to_owned()
            })
        })
    },
    seeds: || seeds("baseline", &[]),
    words: &["correct", "incorrect", "invalid", "model", "rows", "accuracy"],
};

/// `tunebench.toml`.
pub(super) const CONFIG: Target = Target {
    name: "config",
    start: || {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let path = folder.path().join("tunebench.toml");
        Box::new(move |bytes| {
            let _ = &folder;
            std::fs::write(&path, bytes).expect("a temporary file can be written");
            told(Config::read(&path), |(config, document)| {
                format!("{} {}", config.models.len(), document.folder().exists())
            })
            .replace(&path.display().to_string(), "")
        })
    },
    seeds: || seeds("config", &["tunebench.toml", "examples/replace-a-tuned-model.toml"]),
    words: &[
        "[data]",
        "[[model]]",
        "base = \"local/lexical\"",
        "[evaluation]",
        "primary = \"cost\"",
        "[evaluation.cost]",
        "[gate]",
        "[prompt]",
        "tune = {}",
        "shots = { k = 2 }",
        "[prices.\"a/b\"]",
        "train = \"train.csv\"",
        "test = \"test.csv\"",
    ],
};

/// What a project is imported from: the first byte says whether a configuration of promptfoo's or a training file.
pub(super) const IMPORT: Target = Target {
    name: "import",
    start: || {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        Box::new(move |bytes| {
            let (mode, bytes) = bytes.split_first().map_or((0, bytes), |(mode, rest)| (*mode, rest));
            let name = ["promptfooconfig.yaml", "train.jsonl", "promptfooconfig.json"][usize::from(mode) % 3];
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("a temporary file can be written");
            told(Import::read(&path), |import| {
                let configuration = import.configuration(None, "test.jsonl", None);
                format!("{} {} {}", import.rows(), import.labels().len(), configuration.lines().count())
            })
            .replace(&folder.path().display().to_string(), "")
        })
    },
    seeds: || {
        const CONFIGURATIONS: [&str; 3] = [
            "reports/foreign/testdata/made_with/promptfoo_csv.yaml",
            "reports/foreign/testdata/made_with/promptfoo_pair.yaml",
            "reports/foreign/testdata/made_with/promptfooconfig.yaml",
        ];
        let configurations =
            files(&CONFIGURATIONS).into_iter().map(|bytes| [b"0", bytes.as_slice()].concat());
        seeds("import", &[]).into_iter().chain(configurations).collect()
    },
    words: &[
        "prompts:\n",
        "tests:\n",
        "  - vars:\n",
        "    assert:\n",
        "      - type: equals\n",
        "        value: card\n",
        "{{text}}",
        "providers: [openai:gpt-4.1-mini]\n",
        "- &a ",
        "*a",
        "{\"messages\":[",
        "\"role\":\"user\"",
        "\"content\":",
    ],
};

/// The ledger: a database that anything may have happened to.
pub(super) const LEDGER: Target = Target {
    name: "ledger",
    start: || {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let path = folder.path().join("ledger.sqlite");
        Box::new(move |bytes| {
            clear(folder.path());
            std::fs::write(&path, bytes).expect("a temporary file can be written");
            told(Ledger::open(&path), |ledger| {
                let key = ContentKey::of_name(&"a".repeat(52));
                let known =
                    told(ledger.lookup(key.as_slice(), Floor::default()), |known| known.len().to_string());
                let jobs = told(ledger.jobs(), |jobs| jobs.len().to_string());
                let batches = told(ledger.batches(true), |batches| batches.len().to_string());
                format!("{known}; {jobs}; {batches}")
            })
            .replace(&folder.path().display().to_string(), "")
        })
    },
    seeds: || {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let path = folder.path().join("ledger.sqlite");
        drop(Ledger::open(&path).expect("it is new"));
        let mut all = seeds("ledger", &[]);
        all.extend(std::fs::read(&path));
        all
    },
    words: &["SQLite format 3\0", "CREATE TABLE", "answers", "floor"],
};

fn clear(folder: &Path) {
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let _ = std::fs::remove_file(file.path());
    }
}
