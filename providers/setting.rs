//! The settings of a kind of provider, declared once: what its parser takes, what the JSON schema and the docs say of
//! them, and which name was meant by a wrong one, all come from here.

use serde_json::{Map, Value};

use crate::SettingError;

/// The longest time that can be given to one answer.
const LONGEST_SECONDS: u64 = 3_600;

/// A setting under `[providers.NAME]`.
///
/// ```
/// # use tunebench_providers::Setting;
/// const SETTINGS: &[Setting] = &[
///     Setting::text("region", "where models are asked").default("eu"),
///     Setting::switch("verbose", "whether it says more").unseen(),
/// ];
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Setting {
    /// The key in the configuration.
    pub name: &'static str,
    /// What it can be.
    pub value: SettingType,
    /// What it is for, as a fragment in lower case.
    pub about: &'static str,
    /// What holds where it is not set.
    pub default: Option<&'static str>,
    /// Whether answers can depend on it: then answers under other values are other answers.
    pub shapes_answers: bool,
}

/// What a setting can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum SettingType {
    /// Any text.
    Text,
    /// `true` or `false`.
    Switch,
    /// A whole number from 1.
    Count,
    /// A whole number of seconds, for one answer.
    Seconds,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A table.
    Table,
    /// Whatever its provider takes, in words.
    Other(&'static str),
}

impl Setting {
    /// Any text.
    pub const fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, SettingType::Text, about)
    }

    /// `true` or `false`.
    pub const fn switch(name: &'static str, about: &'static str) -> Self {
        Self::new(name, SettingType::Switch, about)
    }

    /// A whole number from 1.
    pub const fn count(name: &'static str, about: &'static str) -> Self {
        Self::new(name, SettingType::Count, about)
    }

    /// A time for one answer, in whole seconds from 1 to 3600.
    pub const fn seconds(name: &'static str, about: &'static str) -> Self {
        Self::new(name, SettingType::Seconds, about)
    }

    /// One of a few words.
    pub const fn choice(name: &'static str, choices: &'static [&'static str], about: &'static str) -> Self {
        Self::new(name, SettingType::Choice(choices), about)
    }

    /// A setting of another type.
    pub const fn new(name: &'static str, value: SettingType, about: &'static str) -> Self {
        Self { name, value, about, default: None, shapes_answers: true }
    }

    /// The same, with what holds where it is not set.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The same, as one that no answer can tell.
    #[must_use]
    pub const fn unseen(mut self) -> Self {
        self.shapes_answers = false;
        self
    }

    /// What it can be, what it is for and what holds where it is not set, in one sentence.
    pub fn description(&self) -> String {
        let values = match self.value {
            SettingType::Text | SettingType::Switch | SettingType::Count | SettingType::Seconds => {
                String::new()
            }
            _ => format!("{}: ", self.value.words()),
        };
        let default = self.default.map(|default| format!("; by default {default}")).unwrap_or_default();
        format!("{values}{}{default}", self.about)
    }

    /// Refuses a value of another type.
    pub fn check(&self, value: &Value) -> Result<(), SettingError> {
        let number = || value.as_u64().unwrap_or_default();
        let fits = match self.value {
            SettingType::Text => value.is_string(),
            SettingType::Switch => value.is_boolean(),
            SettingType::Count => number() > 0,
            SettingType::Seconds => (1..=LONGEST_SECONDS).contains(&number()),
            SettingType::Choice(choices) => value.as_str().is_some_and(|text| choices.contains(&text)),
            SettingType::Texts => value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string)),
            SettingType::Table => value.is_object(),
            SettingType::Other(_) => true,
        };
        if fits { Ok(()) } else { Err(self.wrong()) }
    }

    /// The error of a value that can't be.
    pub(crate) fn wrong(&self) -> SettingError {
        SettingError::at(self.name, format!("`{}` must be {}", self.name, self.value.words()))
    }
}

impl SettingType {
    /// What a value must be, in words.
    pub fn words(self) -> String {
        match self {
            Self::Text => "a string".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Count => "a whole number, at least 1".to_owned(),
            Self::Seconds => format!("a whole number of seconds from 1 to {LONGEST_SECONDS}"),
            Self::Choice(choices) => {
                let quoted: Vec<_> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
                match quoted.split_last() {
                    Some((last, others @ [_, ..])) => format!("{} or {last}", others.join(", ")),
                    _ => quoted.concat(),
                }
            }
            Self::Texts => "a list of strings".to_owned(),
            Self::Table => "a table".to_owned(),
            Self::Other(words) => words.to_owned(),
        }
    }
}

/// Refuses settings that are not declared, and values of another type than is declared.
pub(crate) fn check(settings: &Map<String, Value>, declared: &[Setting]) -> Result<(), SettingError> {
    for (name, value) in settings {
        let setting = declared.iter().find(|setting| setting.name == name);
        let known = || declared.iter().map(|setting| setting.name);
        setting.ok_or_else(|| SettingError::unknown("setting", name, known()))?.check(value)?;
    }
    Ok(())
}

/// The settings that shape answers, in a form that is equal for equal ones; empty where none is set.
#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
pub(crate) fn shaping(settings: &Map<String, Value>, declared: &[Setting]) -> String {
    let shapes = |name: &str| declared.iter().any(|setting| setting.name == name && setting.shapes_answers);
    let mut shaping = settings.clone();
    shaping.retain(|name, _| shapes(name));
    if shaping.is_empty() { String::new() } else { Value::Object(shaping).to_string() }
}

#[cfg(any(feature = "anthropic", feature = "command", feature = "google", feature = "openai"))]
/// Refuses what is no name of an environment variable, and may be the key itself.
pub(crate) fn variable_name(name: &str, text: &str) -> Result<(), SettingError> {
    if is_variable_name(text) {
        return Ok(());
    }
    // Without the place and the text: this may be a key, which must not be shown.
    let message = format!(
        "`{name}` must be the name of an environment variable, such as MY_API_KEY, and not the key itself"
    );
    Err(SettingError::new(message))
}

#[cfg(any(feature = "anthropic", feature = "command", feature = "google", feature = "openai"))]
/// Whether a text is spelt like the name of a variable, and not like a key. Some keys are spelt like names, but long and
/// with digits among small letters.
fn is_variable_name(text: &str) -> bool {
    let spelt = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let mixed =
        text.contains(|c: char| c.is_ascii_lowercase()) && text.contains(|c: char| c.is_ascii_digit());
    spelt && !text.starts_with(|c: char| c.is_ascii_digit()) && !(mixed && text.len() >= 20)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DECLARED: [Setting; 7] = [
        Setting::text("text", "a"),
        Setting::switch("switch", "a"),
        Setting::count("count", "a"),
        Setting::seconds("seconds", "a").unseen(),
        Setting::choice("choice", &["one", "two"], "a"),
        Setting::new("texts", SettingType::Texts, "a"),
        Setting::new("table", SettingType::Table, "a"),
    ];

    fn checked(name: &str, value: Value) -> Result<(), SettingError> {
        check(&Map::from_iter([(name.to_owned(), value)]), &DECLARED)
    }

    #[test]
    fn a_value_has_the_type_that_is_declared() {
        for (name, right, wrong) in [
            ("text", json!("x"), json!(1)),
            ("switch", json!(false), json!("yes")),
            ("count", json!(1), json!(0)),
            ("seconds", json!(3600), json!(3601)),
            ("choice", json!("two"), json!("three")),
            ("texts", json!(["x"]), json!(["x", 1])),
            ("table", json!({}), json!([])),
        ] {
            assert_eq!(checked(name, right), Ok(()));
            let error = checked(name, wrong).unwrap_err();
            assert_eq!(error.setting.as_deref(), Some(name));
            assert!(error.message.contains(&format!("`{name}` must be ")), "{error}");
        }
    }

    #[test]
    fn an_unknown_setting_comes_with_those_that_there_are() {
        let error = checked("txet", json!("x")).unwrap_err();
        assert_eq!(error.setting.as_deref(), Some("txet"));
        assert_eq!(error.expected, DECLARED.map(|setting| setting.name));
    }

    #[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
    #[test]
    fn what_no_answer_can_tell_makes_no_other_answers() {
        let settings = |value: Value| shaping(value.as_object().unwrap(), &DECLARED);
        assert_eq!(settings(json!({"seconds": 3})), "");
        assert_eq!(settings(json!({"seconds": 3, "text": "x"})), r#"{"text":"x"}"#);
    }
}
