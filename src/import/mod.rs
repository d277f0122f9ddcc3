//! A project made of what is there: of a file that a model was tuned on, or of a promptfoo configuration. Its prompt, its
//! rows, its labels, the form of its answers.

mod affixes;
mod conversation;
mod project;
mod promptfoo;
mod recover;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::Error;
use crate::whole_file::WholeFile;
use conversation::Conversation;
use recover::{Item, Recovered};

pub use project::Old;

/// What was understood of a file.
pub struct Import {
    path: PathBuf,
    recovered: Recovered,
    /// Rows that are no conversation at all.
    unread: Vec<(u64, String)>,
    /// Of a promptfoo configuration, whose rows are there to test with.
    providers: Option<Providers>,
}

/// The providers of a promptfoo configuration.
pub struct Providers {
    /// Models, as references.
    pub models: Vec<String>,
    /// Those that are not known here.
    pub unknown: Vec<String>,
}

impl Import {
    /// Reads a training file or a promptfoo configuration.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unusable = |reason: String| Error::Output {
            message: format!("`{}` can't be imported as a promptfoo configuration: {reason}", path.display()),
            hint: "expected one prompt, and tests with `equals` or `icontains`".to_owned(),
        };
        if let Some(read) = promptfoo::read(path).map_err(unusable)? {
            let promptfoo::Configuration { recovered, models, unknown } = read;
            let providers = Some(Providers { models, unknown });
            return Ok(Self { path: path.to_owned(), recovered, unread: Vec::new(), providers });
        }
        Self::read_conversations(path)
    }

    fn read_conversations(path: &Path) -> Result<Self, Error> {
        let text = fs_err::read_to_string(path)?;
        let (mut rows, mut unread) = (Vec::<Conversation>::new(), Vec::new());
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        for (line, number) in lines {
            match conversation::read(number, line.trim_start_matches('\u{feff}')) {
                Ok(row) => rows.push(row),
                Err(problem) => unread.push((number, problem)),
            }
        }
        let unusable = |reason: String| {
            Error::Output {
            message: format!("`{}` is not a training file: {reason}", path.display()),
            hint: "expected JSON Lines with `messages`, `contents`, or `prompt` and `completion`, or a promptfoo configuration"
                .to_owned(),
        }
        };
        let first = unread
            .first()
            .map_or("it has no rows".to_owned(), |(line, problem)| format!("line {line}: {problem}"));
        let recovered = recover::recover(&rows).ok_or_else(|| unusable(first))?;
        Ok(Self { path: path.to_owned(), recovered, unread, providers: None })
    }

    /// Rows that the project has.
    pub fn rows(&self) -> usize {
        self.recovered.items.len()
    }

    /// The labels, with how many rows have each.
    pub fn labels(&self) -> BTreeMap<&str, usize> {
        let mut labels = BTreeMap::new();
        self.recovered.items.iter().for_each(|item| *labels.entry(item.label.as_str()).or_default() += 1);
        labels
    }

    /// The rows that the project does not have: their lines, and why.
    pub fn left_out(&self) -> Vec<(u64, &str)> {
        let all = self.unread.iter().chain(&self.recovered.odd);
        let mut all: Vec<_> = all.map(|(line, reason)| (*line, reason.as_str())).collect();
        all.sort_unstable();
        all
    }

    /// The messages of the prompt, each with its role.
    pub fn messages(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.recovered
            .prompt
            .messages
            .iter()
            .map(|message| (project::role(message.role), message.content.as_str()))
    }

    /// Whether another file was made with the same prompt.
    pub fn is_like(&self, other: &Self) -> bool {
        self.recovered.prompt.messages == other.recovered.prompt.messages
    }

    /// The file that was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the rows as JSON Lines with `text` and `label`.
    pub fn write_rows(&self, path: &Path) -> Result<(), Error> {
        let rows = |out: &mut dyn Write| -> io::Result<()> {
            for Item { text, label, fields, .. } in &self.recovered.items {
                let mut row = json!({ "text": text, "label": label });
                fields.iter().for_each(|(name, value)| row[name] = value.as_str().into());
                writeln!(out, "{row}")?;
            }
            Ok(())
        };
        WholeFile::create(path)?.write(rows)?;
        Ok(())
    }

    /// The providers of a promptfoo configuration; none of a training file.
    pub fn providers(&self) -> Option<&Providers> {
        self.providers.as_ref()
    }

    /// The configuration of a project of these rows.
    pub fn configuration(&self, train: Option<&str>, test: &str, old: Option<&Old>) -> String {
        let listed = self.providers.as_ref().map(|providers| providers.models.as_slice());
        project::configuration(&self.recovered.prompt, train, test, old, listed.unwrap_or_default())
    }
}
