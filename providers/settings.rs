//! Settings under `[providers.NAME]`: values of the right form, and mistakes that say what would be right.

#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
use reqwest::Url;
use serde_json::Value;

use crate::http::is_loopback;
use crate::{Access, Cause, ProviderError, SettingError};

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

#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
pub(crate) fn switch(name: &str, value: &Value) -> Result<bool, SettingError> {
    value.as_bool().ok_or_else(|| wrong(name, "true or false"))
}

/// The time for one answer.
pub(crate) fn seconds(name: &str, value: &Value) -> Result<u64, SettingError> {
    let seconds = value.as_u64().filter(|seconds| (1..=3_600).contains(seconds));
    seconds.ok_or_else(|| wrong(name, "a whole number of seconds from 1 to 3600"))
}

#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
pub(crate) fn choice<T: Copy>(name: &str, value: &Value, choices: &[(&str, T)]) -> Result<T, SettingError> {
    let chosen = value.as_str().and_then(|text| choices.iter().find(|(choice, _)| *choice == text));
    let quoted =
        || choices.iter().map(|(choice, _)| format!("\"{choice}\"")).collect::<Vec<_>>().join(" or ");
    chosen.map(|(_, value)| *value).ok_or_else(|| wrong(name, &quoted()))
}

#[cfg(any(feature = "anthropic", feature = "google", feature = "openai"))]
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

/// Refuses an address to which keys and texts would go in the clear. `allowed` is the user's word that they may.
pub(crate) fn check_encrypted(name: &str, url: &Url, allowed: bool) -> Result<(), SettingError> {
    if url.scheme() == "https" || allowed || is_loopback(url) {
        return Ok(());
    }
    let message = format!(
        "`{name}` is plain http://: the key and all texts could be read on their way to {}; use https://, or set \
         `allow_http = true` for a network that you trust",
        url.host_str().unwrap_or_default()
    );
    Err(SettingError::at(name, message))
}

/// Why a secret stays here: the address to which it would go stands in a file of the project, and the secret does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Withheld {
    /// The variable in that file that names the address.
    pub(crate) address: String,
    /// What is not sent.
    pub(crate) secret: String,
}

impl Withheld {
    /// As far as it concerns access.
    pub(crate) fn access(&self) -> Access {
        Access::Withheld(self.reason())
    }

    /// The failure of every call.
    pub(crate) fn error(&self) -> ProviderError {
        ProviderError::new(Cause::Access, self.reason()).hint(format!(
            "put a key for this address into the same `.env`, or take {} out of it and set `base_url` with the name of the \
             key's variable in the provider's settings",
            self.address
        ))
    }

    fn reason(&self) -> String {
        format!("{} of `.env` does not get {}, which is not of the same file", self.address, self.secret)
    }
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
