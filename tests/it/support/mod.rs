//! A folder of its own for each test, and the program run in it with a clean environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A working directory, gone when the test ends.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with a small task: twelve training rows, six test rows, and a configuration with these models.
    pub(crate) fn with_models(models: &str) -> Self {
        let place = Self::new();
        place.write("train.csv", SMALL_TRAIN);
        place.write("test.csv", SMALL_TEST);
        place.write(
            "tunebench.toml",
            format!("[data]\ntrain = \"train.csv\"\ntest = \"test.csv\"\n\n{models}"),
        );
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A file to be read from its start.
    pub(crate) fn open(&self, name: &str) -> std::fs::File {
        std::fs::File::open(self.path(name)).unwrap()
    }

    /// The rows of a CSV file, each by column name.
    pub(crate) fn csv(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        let content = self.read(name);
        let mut reader = csv::Reader::from_reader(content.as_bytes());
        reader.deserialize().map(Result::unwrap).collect()
    }

    /// The names and contents of all files below a folder.
    pub(crate) fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.folder.path()).unwrap().display().to_string();
                    files.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// The program, ready to be started here.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tunebench"));
        command.args(args).current_dir(&self.folder).stdin(Stdio::null());
        // What the developer has set must not decide over a test.
        let set = std::env::vars().map(|(name, _)| name);
        let ours = |name: &String| {
            ["TUNEBENCH_", "GOOGLE_", "GCLOUD_", "GCE_", "CLOUDSDK_", "HF_"]
                .iter()
                .any(|start| name.starts_with(start))
                || name.ends_with("_API_KEY")
                || name == "CI"
        };
        for name in set.filter(ours) {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn tunebench(&self, args: &[&str]) -> Outcome {
        self.outcome(&mut self.command(args))
    }

    /// Runs a command to its end.
    pub(crate) fn outcome(&self, command: &mut Command) -> Outcome {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap().replace(self.folder.path().to_str().unwrap(), "[FOLDER]")
        };
        Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Of each file of results the lines, without times: nothing else may differ from run to run. Pages and Markdown tell
/// times within their text; they are made of the same figures, and are left out. So are the files of earlier runs.
pub(crate) fn without_times(files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<String>> {
    let timeless = |name: &str, content: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8(content).unwrap();
        // What one run paid is not paid again by the next.
        let of_one_run = ["started", "finished", "paid_usd"];
        let is_time = |name: &str| name.ends_with("_ms") || of_one_run.contains(&name);
        if !name.ends_with(".csv") {
            let lines = text.lines().filter(|line| !line.split('"').nth(1).is_some_and(is_time));
            return lines.map(str::to_owned).collect();
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        let without = |row: &csv::StringRecord| {
            let cells = row.iter().zip(&rows[0]).filter(|(_, column)| !is_time(column));
            cells.map(|(cell, _)| format!("{cell:?}")).collect::<Vec<_>>().join(",")
        };
        rows.iter().map(without).collect()
    };
    let told_in_text = |name: &String| name.ends_with(".html") || name.ends_with(".md");
    let is_earlier = |name: &String| name.contains("/runs/");
    let files = files.into_iter().filter(|(name, _)| !told_in_text(name) && !is_earlier(name));
    files.map(|(name, content)| (name.clone(), timeless(&name, content))).collect()
}

/// The folder of this repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const SMALL_TRAIN: &str = "text,label
where is my new card,card
my card has not come,card
when will the card arrive,card
i ordered a card last week,card
what is the exchange rate,rate
is the rate for euros good,rate
how do you set the rate,rate
which rate do i get for dollars,rate
i want my money back,refund
please give me a refund,refund
return my payment to me,refund
can this purchase be returned,refund
";

const SMALL_TEST: &str = "text,label
is my card on its way,card
the card is not here,card
tell me the rate for pounds,rate
do i get a better rate,rate
i want a refund,refund
may i have my money back,refund
";
