//! What the settings of servers have in common: addresses, and keys that do not go to the wrong one.

use reqwest::Url;
use serde_json::Value;

use crate::http::is_loopback;
use crate::{Access, Cause, ProviderError, Setting, SettingError};

/// Whether an address of another machine may be plain http.
pub(crate) const ALLOW_HTTP: Setting =
    Setting::switch("allow_http", "whether another machine may be reached by plain `http://`")
        .default("false")
        .unseen();
/// Whether to look a model up.
pub(crate) const CHECK_MODELS: Setting =
    Setting::switch("check_models", "whether to look the model up before the first row is sent")
        .default("true")
        .unseen();
/// How long to wait for an answer.
pub(crate) const TIMEOUT_SECONDS: Setting = Setting::seconds(
    "timeout_seconds",
    "for one answer; `[evaluation] timeout_seconds` counts as well, and is 60",
)
.default("120")
.unseen();

/// The words of choices, for their declaration.
pub(crate) const fn words<T: Copy, const N: usize>(choices: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut i = 0;
    while i < N {
        words[i] = choices[i].0;
        i += 1;
    }
    words
}

/// What a word stands for.
pub(crate) fn chosen<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    choices.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant)
}

/// A setting that must be something else.
pub(crate) fn wrong(name: &str, wanted: &str) -> SettingError {
    SettingError::at(name, format!("`{name}` must be {wanted}"))
}

/// A text without space around it.
pub(crate) fn trimmed(value: &Value) -> &str {
    value.as_str().unwrap_or_default().trim()
}

/// An address with a slash at its end, below which paths can be put.
pub(crate) fn base_url(name: &str, text: &str, example: &str) -> Result<Url, SettingError> {
    let mut url = Url::parse(text).map_err(|error| {
        SettingError::at(name, format!("`{name}` is not a URL ({error}); expected one like {example}"))
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong(name, "a URL that begins with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        // It stands in messages and reports, where no secret may be.
        return Err(wrong(
            name,
            "a URL without user name, password and query; a key belongs in an environment variable",
        ));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_declared_is_the_one_that_holds() {
        assert_eq!(TIMEOUT_SECONDS.default, Some(crate::timeouts::ANSWER.as_secs().to_string().as_str()));
    }
}
