//! Finds ids of models in files of any kind, and says which of them retire.

mod files;
mod recognise;
mod successor;

use std::path::{Path, PathBuf};

use tunebench_providers::catalog::{Catalog, KnownModel};

pub use files::{Scanned, Skipped, scan};
pub use successor::project;

/// How likely it is that a program asks the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// It is only spoken of: prose, comments, lists.
    Mention,
    /// A text that is nothing but the id.
    Likely,
    /// A value of something that is called a model, or an id that nobody writes by accident.
    Sure,
}

/// An id of a model at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; of a notebook, within its cell.
    pub line: usize,
    /// The cell of a notebook, from 1.
    pub cell: Option<usize>,
    /// Who serves it, as far as that is told.
    pub host: String,
    /// The id.
    pub id: String,
    /// How likely it is used there.
    pub confidence: Confidence,
}

impl Hit {
    /// What is known of the model. Where its base is known alone, what is known of that.
    pub fn known<'a>(&self, catalog: &'a Catalog) -> Option<&'a KnownModel> {
        let id = self.id.to_ascii_lowercase();
        // Azure writes no full stop.
        let id = id.replace("gpt-35-", "gpt-3.5-");
        let own = catalog.find(&self.host, &self.id).or_else(|| catalog.find(&self.host, &id));
        own.or_else(|| catalog.find(&self.host, base_of(&id)?))
    }

    /// Whether it was tuned: its successor has to be tuned as well, or to be as good untuned.
    pub fn is_tuned(&self) -> bool {
        self.id.starts_with("ft:") || self.id.contains("/endpoints/") || self.id.contains(".ft-")
    }

    /// The place, as `file:line`; a file's name may hold anything, and is shown without what moves a terminal.
    pub fn place(&self) -> String {
        let cell = self.cell.map_or_else(String::new, |cell| format!(":cell {cell}"));
        let path: String = self
            .path
            .display()
            .to_string()
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        format!("{path}{cell}:{}", self.line)
    }
}

/// The base of a tuned model's id.
fn base_of(id: &str) -> Option<&str> {
    id.strip_prefix("ft:")?.split(':').next()
}

/// How likely a program asks a model that is named in this line, between these columns.
fn confidence(line: &str, found: &recognise::Found<'_>, prose: bool) -> Confidence {
    let (before, after) = (&line[..found.start], &line[found.end..]);
    let trimmed = line.trim_start();
    let is_comment =
        ["#", "//", "/*", "*", "--", "<!--", ";", "%"].iter().any(|mark| trimmed.starts_with(mark));
    if prose || is_comment {
        return Confidence::Mention;
    }
    let quote = before.chars().next_back().filter(|c| "\"'`".contains(*c));
    let is_quoted = quote.is_some() && after.chars().next() == quote;
    let beside = before.trim_end_matches(['"', '\'', '`', ' ', '[', '\\', '=', ':', '(']);
    let assigned = beside.len() < before.trim_end_matches(['"', '\'', '`', '\\']).len() || is_quoted;
    let key: String =
        beside.chars().rev().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect();
    let key: String = key.chars().rev().collect::<String>().to_ascii_lowercase();
    let names_a_model = ["model", "engine", "deployment"].iter().any(|word| key.contains(word));
    // `o1` is a variable more often than a model.
    let short = found.id.len() < 4;
    if short && !(names_a_model && assigned || found.host_is_named) {
        return Confidence::Mention;
    }
    let dated = found.id.bytes().filter(u8::is_ascii_digit).count() >= 8;
    let tuned = found.id.starts_with("ft:") || found.id.contains("/endpoints/");
    if tuned || names_a_model && assigned || dated && is_quoted {
        return Confidence::Sure;
    }
    let whole_value = after.trim().is_empty() && before.trim_end().ends_with(['=', ':']);
    if is_quoted || whole_value { Confidence::Likely } else { Confidence::Mention }
}

/// Whether a file speaks of models rather than asks them.
fn is_prose(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let parts = |name: &str| path.components().any(|part| part.as_os_str() == name);
    matches!(
        extension.as_str(),
        "md" | "rst" | "txt" | "adoc" | "tex" | "html" | "snap" | "lock" | "csv" | "tsv"
    ) || parts("cassettes")
        || path.file_name().is_some_and(|name| name == "package-lock.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<Confidence> {
        recognise::ids(line).next().map(|found| confidence(line, &found, false))
    }

    #[test]
    fn what_is_used_is_told_from_what_is_spoken_of() {
        use Confidence::{Likely, Mention, Sure};
        for (line, confidence) in [
            ("client.create(model=\"gpt-4o\", x)", Sure),
            ("  \"model\": \"gpt-4o\",", Sure),
            ("OPENAI_MODEL=gpt-4o", Sure),
            ("model: o1", Sure),
            ("    --model gpt-4o-mini", Mention),
            ("engine = 'gpt-4-0613'", Sure),
            ("x = \"gpt-4o\"", Likely),
            ("pick(\"gpt-4o-2024-08-06\")", Sure),
            ("NAME: gpt-4o", Likely),
            ("answers from gpt-4o are good", Mention),
            ("# model = \"gpt-4o\"", Mention),
            ("o1 = o3 + 1", Mention),
            ("f(\"o1\")", Mention),
            ("tuned = ft:gpt-4o-mini-2024-07-18:acme::Ab1", Sure),
        ] {
            assert_eq!(of(line), Some(confidence), "{line}");
        }
    }

    #[test]
    fn a_tuned_model_goes_with_its_base() {
        let hit = |host: &str, id: &str| Hit {
            path: "a".into(),
            line: 1,
            cell: None,
            host: host.into(),
            id: id.into(),
            confidence: Confidence::Sure,
        };
        let catalog = Catalog::built_in();
        let day = |hit: Hit| hit.known(catalog).and_then(|known| known.retires).map(|day| day.to_string());
        for (host, id, retires) in [
            ("openai", "ft:gpt-4.1-mini-2025-04-14:acme::Ab1", Some("2027-01-14")),
            ("openai", "ft:gpt-5.1-2025-11-13:acme::Ab1", Some("2027-04-01")),
            ("openai", "gpt-35-turbo", Some("2026-10-23")),
            ("openai", "GPT-4o-mini", Some("2027-01-14")),
            ("azure", "gpt-4o", Some("2027-04-14")),
            ("openai", "gpt-6-luna", None),
        ] {
            assert_eq!(day(hit(host, id)).as_deref(), retires, "{host}/{id}");
        }
    }
}
