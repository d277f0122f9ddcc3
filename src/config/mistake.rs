//! Mistakes in a configuration file, shown at their line.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use tunebench_providers::SettingError;

use crate::gate::GateSettingError;
use crate::suggest::did_you_mean;

/// The text of a configuration file.
#[derive(Debug, Clone)]
pub struct Document {
    path: PathBuf,
    text: String,
}

/// A step on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Into a table.
    Key(&'a str),
    /// Into a list, from 0.
    Item(usize),
}

/// A mistake in a configuration file, with the line it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    path: PathBuf,
    message: String,
    /// Line from 1, its text, and the marked columns of it, from 0.
    place: Option<(usize, String, Range<usize>)>,
    hint: Option<String>,
}

impl ConfigError {
    pub(crate) fn new(path: &Path, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into(), place: None, hint: None }
    }

    /// The same, with a cure.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line it stands in, from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|(line, ..)| *line)
    }

    /// What to do about it.
    pub fn cure(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl Document {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs_err::read_to_string(path).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let error =
                ConfigError::new(path, if missing { "no such file".into() } else { error.to_string() });
            let hint = "write one for your data with `tunebench init DATA`, or name it with `--config FILE`";
            if missing { error.hint(hint) } else { error }
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// A file that is not there and says nothing.
    pub(crate) fn empty(path: &Path) -> Self {
        Self { path: path.to_owned(), text: String::new() }
    }

    /// The folder of the file, where the relative paths in it start.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the text as `T`.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|error| {
            let message = error.message().trim_end();
            // Serde calls the types of Rust by their names.
            let message = match message.split_once("expected a nonzero") {
                Some((found, _)) => format!("{found}expected a whole number, at least 1"),
                None => message.to_owned(),
            };
            let mut mistake = ConfigError::new(&self.path, message);
            mistake.place = error.span().map(|span| self.place(span));
            mistake.hint = meant(error.message());
            let one_model =
                mistake.place.as_ref().is_some_and(|(_, line, _)| line.trim_start().starts_with("[model]"));
            if one_model {
                mistake.hint = Some("write `[[model]]`, in double brackets: there can be several".to_owned());
            }
            mistake
        })
    }

    /// A mistake in the value at the end of `steps`, or in the nearest thing before it that is there.
    pub fn error(&self, steps: &[Step], message: impl Into<String>) -> ConfigError {
        let mut error = ConfigError::new(&self.path, message);
        error.place = self.span(steps).map(|span| self.place(span));
        error
    }

    /// A mistake that a provider found in its own settings.
    pub(crate) fn setting(&self, steps: &[Step], error: &SettingError) -> ConfigError {
        let mut mistake = self.error(steps, &error.message);
        let wrong = error.setting.as_deref().unwrap_or_default();
        mistake.hint = did_you_mean(wrong, error.expected.iter().map(String::as_str));
        mistake
    }

    /// A mistake in `[gate]`.
    pub(crate) fn gate(&self, mistake: &GateSettingError) -> ConfigError {
        let keys = mistake.keys.iter().map(|key| Step::Key(key));
        let steps: Vec<_> = [Step::Key("gate")].into_iter().chain(keys).collect();
        let mut error = self.error(&steps, &mistake.message);
        error.hint.clone_from(&mistake.hint);
        error
    }

    fn span(&self, steps: &[Step]) -> Option<Range<usize>> {
        let table = DeTable::parse(&self.text).ok()?;
        let Step::Key(key) = steps.first()? else { return None };
        let mut value = table.get_ref().get(*key)?;
        for step in &steps[1..] {
            let next = match (step, value.get_ref()) {
                (Step::Key(key), DeValue::Table(table)) => table.get(*key),
                (Step::Item(i), DeValue::Array(list)) => list.get(*i),
                _ => None,
            };
            match next {
                Some(next) => value = next,
                None => break,
            }
        }
        Some(value.span())
    }

    fn place(&self, span: Range<usize>) -> (usize, String, Range<usize>) {
        let start = span.start.min(self.text.len());
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let columns = |range: Range<usize>| self.text.get(range).unwrap_or_default().chars().count();
        let from = columns(line_start..start);
        let end = span.end.min(line_start + line.len()).max(start);
        let width = columns(start..end).max(1);
        (before.matches('\n').count() + 1, line.to_owned(), from..from + width)
    }
}

/// For serde's `unknown field …, expected one of …`: the expected name that is nearest.
fn meant(message: &str) -> Option<String> {
    let mut names = message.split('`').skip(1).step_by(2);
    let wrong = names.next()?;
    did_you_mean(wrong, names)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, message, place, .. } = self;
        let Some((line, text, columns)) = place else {
            return write!(f, "{}: {message}", path.display());
        };
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{}, line {line}: {message}", path.display())?;
        writeln!(f, "  {margin} |")?;
        writeln!(f, "  {number} | {}", text.replace('\t', " "))?;
        write!(f, "  {margin} | {}{}", " ".repeat(columns.start), "^".repeat(columns.len()))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Config;
    use super::*;

    fn document(text: &str) -> Document {
        Document { path: "tunebench.toml".into(), text: text.into() }
    }

    fn mistake(text: &str) -> (String, Option<String>) {
        let error = document(text).parse::<Config>().unwrap_err();
        (error.to_string(), error.hint)
    }

    #[test]
    fn an_unknown_key_is_shown_with_the_one_that_was_meant() {
        let (message, hint) = mistake("[data]\ntest = \"t.csv\"\ntrian = \"x.csv\"\n");
        assert!(message.contains("line 3: unknown field `trian`"), "{message}");
        assert!(message.ends_with("  3 | trian = \"x.csv\"\n    | ^^^^^"), "{message}");
        assert_eq!(hint.as_deref(), Some("did you mean `train`?"));
    }

    #[test]
    fn a_model_in_single_brackets_is_told_of_the_double_ones() {
        let (message, hint) = mistake("[data]\ntest = \"t.csv\"\n[model]\nbase = \"local/majority\"\n");
        assert!(message.contains("line 3"), "{message}");
        assert!(hint.unwrap().contains("[[model]]"));
    }

    #[test]
    fn a_wrong_type_is_shown_where_it_stands() {
        let (message, hint) = mistake("[data]\ntest = 3\n");
        assert!(message.contains("line 2: invalid type: integer `3`, expected"), "{message}");
        assert_eq!(hint, None);
    }

    #[test]
    fn a_place_is_found_through_lists_and_tables() {
        let text = "[[model]]\nbase = \"a/b\"\n\n[[model]]\nbase = \"ä/c\"\ntune = { epohcs = 3 }\n";
        let at = |steps: &[Step]| document(text).error(steps, "x").place.unwrap();
        let base = [Step::Key("model"), Step::Item(1), Step::Key("base")];
        assert_eq!(at(&base), (5, "base = \"ä/c\"".into(), 7..12));
        let tune = [Step::Key("model"), Step::Item(1), Step::Key("tune"), Step::Key("epohcs")];
        assert_eq!(at(&tune), (6, "tune = { epohcs = 3 }".into(), 18..19));
        let absent = [Step::Key("model"), Step::Item(0), Step::Key("tune")];
        assert_eq!(at(&absent).0, 1);
    }

    proptest! {
        #[test]
        fn hostile_text_gives_a_message(text in "([\\[\\]={}\"'.\n\t#,]|data|model|test|\\PC)*") {
            if let Err(error) = document(&text).parse::<Config>() {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
