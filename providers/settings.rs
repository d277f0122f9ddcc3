//! Settings under `[providers.NAME]`: values of the right form, and mistakes that say what would be right.

use reqwest::Url;
use serde_json::Value;

use crate::SettingError;

/// A setting that must be something else.
pub(crate) fn wrong(name: &str, wanted: &str) -> SettingError {
    SettingError::at(name, format!("`{name}` must be {wanted}"))
}

/// A setting that is none.
pub(crate) fn unknown(name: &str, known: &[&str]) -> SettingError {
    SettingError::at(name, format!("there is no setting `{name}` here; there are `{}`", known.join("`, `")))
}

pub(crate) fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, SettingError> {
    value.as_str().map(str::trim).ok_or_else(|| wrong(name, "a text"))
}

pub(crate) fn switch(name: &str, value: &Value) -> Result<bool, SettingError> {
    value.as_bool().ok_or_else(|| wrong(name, "true or false"))
}

/// The time for one answer.
pub(crate) fn seconds(name: &str, value: &Value) -> Result<u64, SettingError> {
    let seconds = value.as_u64().filter(|seconds| (1..=3_600).contains(seconds));
    seconds.ok_or_else(|| wrong(name, "a whole number of seconds from 1 to 3600"))
}

pub(crate) fn choice<T: Copy>(name: &str, value: &Value, choices: &[(&str, T)]) -> Result<T, SettingError> {
    let chosen = value.as_str().and_then(|text| choices.iter().find(|(choice, _)| *choice == text));
    let quoted =
        || choices.iter().map(|(choice, _)| format!("\"{choice}\"")).collect::<Vec<_>>().join(" or ");
    chosen.map(|(_, value)| *value).ok_or_else(|| wrong(name, &quoted()))
}

/// An address with a slash at its end, below which paths can be put.
pub(crate) fn base_url(name: &str, text: &str, example: &str) -> Result<Url, SettingError> {
    let mut url = Url::parse(text).map_err(|error| {
        SettingError::at(name, format!("`{name}` is no URL ({error}); write one like {example}"))
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong(name, "a URL that begins with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        // It stands in messages and reports, where no secret may be.
        return Err(wrong(name, "a URL without user name, password and query: it is no place for a key"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    url.set_fragment(None);
    Ok(url)
}

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

/// Whether a text is spelt like the name of a variable, and not like a key. Some keys are spelt like names, but long and
/// with digits among small letters.
fn is_variable_name(text: &str) -> bool {
    let spelt = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let mixed =
        text.contains(|c: char| c.is_ascii_lowercase()) && text.contains(|c: char| c.is_ascii_digit());
    spelt && !text.starts_with(|c: char| c.is_ascii_digit()) && !(mixed && text.len() >= 20)
}
