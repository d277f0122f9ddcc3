//! The commented configuration: the repository's own, with other values.

/// The configuration that the repository itself is tried with. It is what new projects begin with, so that there is
/// only one text to keep true.
const TEMPLATE: &str = include_str!("../../../tunebench.toml");

/// A configuration that is being made.
pub(super) struct Template {
    lines: Vec<String>,
}

impl Template {
    /// With the values of the repository.
    pub(super) fn new() -> Self {
        Self { lines: TEMPLATE.lines().map(str::to_owned).collect() }
    }

    /// Says where the schema is that editors complete the file by.
    pub(super) fn schema(&mut self, path: &str) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.starts_with("#:schema ")) {
            *line = format!("#:schema {path}");
        }
    }

    /// Sets a key, which the template has with a value or as a comment; what is said beside it stays.
    pub(super) fn set(&mut self, section: &str, key: &str, value: &str) {
        let header = format!("[{section}]");
        let start = self.lines.iter().position(|line| *line == header).map_or(0, |at| at + 1);
        let set = format!("{key} = ");
        let line =
            self.lines[start..].iter_mut().find(|line| line.trim_start_matches("# ").starts_with(&set));
        let Some(line) = line else { return };
        // What is said beside keys stands in one column.
        let comment =
            line.char_indices().map(|(at, _)| at).find(|&at| at > 0 && line[at..].starts_with(" # "));
        let (column, comment) = comment.map_or((0, ""), |at| (at, &line[at..]));
        let set = format!("{set}{value}");
        *line = format!("{set:column$}{comment}");
    }

    /// Takes a key away, which then is only a comment.
    pub(super) fn unset(&mut self, section: &str, key: &str) {
        let header = format!("[{section}]");
        let start = self.lines.iter().position(|line| *line == header).map_or(0, |at| at + 1);
        let set = format!("{key} = ");
        if let Some(line) = self.lines[start..].iter_mut().find(|line| line.starts_with(&set)) {
            line.insert_str(0, "# ");
        }
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{Config, quoted};

    #[test]
    fn every_key_that_is_set_is_in_the_template() {
        for (section, key) in [
            ("data", "train"),
            ("data", "validation"),
            ("data", "test"),
            ("data", "text"),
            ("data", "label"),
            ("data", "format"),
            ("data", "encoding"),
            ("data", "quotes"),
            ("data", "header"),
            ("data", "delimiter"),
            ("prompt", "instruction"),
        ] {
            let mut template = Template::new();
            template.set(section, key, "\"here\"");
            let lines: Vec<_> = template.lines.iter().filter(|line| line.contains("\"here\"")).collect();
            assert_eq!(lines.len(), 1, "{key}");
            assert!(lines[0].starts_with(&format!("{key} = \"here\"")), "{key}");
        }
        assert!(TEMPLATE.starts_with("#:schema "));
    }

    #[test]
    fn comments_stay_beside_their_keys() {
        let mut template = Template::new();
        template.set("data", "quotes", "false");
        assert!(
            template.text().contains("quotes = false             # whether double quotes quote fields\n"),
            "{}",
            template.text()
        );
    }

    proptest! {
        #[test]
        fn every_name_survives(name in any::<String>()) {
            let mut template = Template::new();
            template.set("data", "text", &quoted(&name));
            let config: Config = toml::from_str(&template.text()).unwrap();
            prop_assert_eq!(config.data.text.names(), [name]);
        }
    }
}
