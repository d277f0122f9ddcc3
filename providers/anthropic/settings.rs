//! What stands under `[providers.NAME]`, and the environment variables that Anthropic's own clients read.

use reqwest::Url;
use serde_json::Value;

use super::declared::{CACHINGS, Caching, HEADERS, KeyHeader, SETTINGS};
use crate::setting::variable_name;
use crate::settings::{Withheld, base_url, check_encrypted, chosen, trimmed};
use crate::{SettingError, Setup, timeouts};

/// Where Anthropic answers.
const OFFICIAL: &str = "https://api.anthropic.com";
/// The variable that names the address where no setting does.
const BASE_URL: &str = "ANTHROPIC_BASE_URL";
/// The variable that holds the key.
const KEY: &str = "ANTHROPIC_API_KEY";
/// The variable that holds a token, for those who have no key.
const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";

/// The settings of one provider, checked.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Without `/v1`; ends in a slash.
    pub(super) base_url: Url,
    /// The variable that holds the key; `None` where no key is wanted.
    pub(super) key_variable: Option<String>,
    /// Whether the address is of a file of the project: then so must be the key.
    from_file: bool,
    /// `None`: the usual one for the key, and the other one where that is refused.
    pub(super) header: Option<KeyHeader>,
    pub(super) check_models: bool,
    pub(super) schema: bool,
    pub(super) stop: bool,
    pub(super) effort: Option<String>,
    pub(super) caching: Caching,
    allow_http: bool,
    pub(super) timeout_seconds: u64,
}

impl Settings {
    /// Reads the settings. `ANTHROPIC_BASE_URL` stands in where there is no `base_url`.
    pub(super) fn read(setup: &Setup) -> Result<Self, SettingError> {
        setup.check(&SETTINGS)?;
        let mut settings = Self::usual(setup);
        let configured = setup.settings.contains_key("base_url");
        if let Some(url) = setup.variable(BASE_URL).filter(|_| !configured) {
            settings.base_url = root(BASE_URL, &url)?;
            settings.from_file = setup.is_stand_in(BASE_URL);
        }
        for (name, value) in &setup.settings {
            settings.set(name, value)?;
        }
        let official = settings.base_url.host_str() == Some("api.anthropic.com");
        let elsewhere = !official && !crate::http::is_loopback(&settings.base_url);
        if let Some(variable) = &settings.key_variable
            && configured
            && elsewhere
            && !setup.settings.contains_key("api_key_env")
        {
            // The key of Anthropic's customers is not for another server unless the user says so.
            let host = settings.base_url.host_str().unwrap_or_default();
            let message = format!(
                "name the variable that holds the key for {host}, or \"none\": without it, this server would get the one in {variable}"
            );
            return Err(SettingError::at("api_key_env", message));
        }
        let address = if configured { "base_url" } else { BASE_URL };
        check_encrypted(address, &settings.base_url, settings.allow_http)?;
        if let Some(variable) = &settings.key_variable
            && setup.variable(variable).is_none()
        {
            variable_name("api_key_env", variable)?;
        }
        Ok(settings)
    }

    /// What holds where nothing is set.
    fn usual(setup: &Setup) -> Self {
        let has_token_only = setup.variable(KEY).is_none() && setup.variable(TOKEN).is_some();
        Self {
            base_url: root("base_url", OFFICIAL).expect("the address is fixed"),
            key_variable: Some(if has_token_only { TOKEN } else { KEY }.to_owned()),
            from_file: false,
            header: has_token_only.then_some(KeyHeader::Bearer),
            check_models: true,
            schema: true,
            stop: true,
            effort: None,
            caching: Caching::Minutes,
            allow_http: false,
            timeout_seconds: timeouts::ANSWER.as_secs(),
        }
    }

    /// The key, or why it stays here, or neither.
    pub(super) fn key(&self, setup: &Setup) -> Result<Option<String>, Withheld> {
        let Some(variable) = &self.key_variable else { return Ok(None) };
        if !self.from_file {
            return Ok(setup.variable(variable));
        }
        match (setup.stand_in(variable), setup.variable(variable)) {
            (None, Some(_)) => Err(Withheld { address: BASE_URL.to_owned(), secret: variable.clone() }),
            (key, _) => Ok(key),
        }
    }

    /// Takes a value of the type that is declared.
    fn set(&mut self, name: &str, value: &Value) -> Result<(), SettingError> {
        let (text, switch) = (trimmed(value), value.as_bool());
        match name {
            "base_url" => self.base_url = root(name, text)?,
            "allow_http" => self.allow_http = switch.unwrap_or(self.allow_http),
            "api_key_env" => self.key_variable = (!matches!(text, "" | "none")).then(|| text.to_owned()),
            "header" => self.header = chosen(value, &HEADERS),
            "check_models" => self.check_models = switch.unwrap_or(self.check_models),
            "schema" => self.schema = switch.unwrap_or(self.schema),
            "stop" => self.stop = switch.unwrap_or(self.stop),
            "effort" => self.effort = Some(text.to_owned()),
            "prompt_caching" => self.caching = chosen(value, &CACHINGS).unwrap_or(self.caching),
            "timeout_seconds" => self.timeout_seconds = value.as_u64().unwrap_or(self.timeout_seconds),
            _ => return Err(SettingError::at(name, format!("unknown setting `{name}`"))),
        }
        Ok(())
    }
}

/// An address without the `/v1` that other APIs have at their end.
fn root(name: &str, text: &str) -> Result<Url, SettingError> {
    let mut url = base_url(name, text, OFFICIAL)?;
    if let Some(path) = url.path().strip_suffix("v1/") {
        let path = path.to_owned();
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: Value) -> Result<Settings, SettingError> {
        let Value::Object(settings) = settings else { panic!("settings are a table") };
        Settings::read(&Setup::new("anthropic", settings, "."))
    }

    #[test]
    fn mistakes_are_named() {
        for (settings, name) in [
            (json!({"base_urll": "http://x"}), "base_urll"),
            (json!({"base_url": "localhost:8000"}), "base_url"),
            (json!({"base_url": "https://proxy.example"}), "api_key_env"),
            (json!({"base_url": "http://10.0.0.7", "api_key_env": "none"}), "base_url"),
            (json!({"header": "cookie"}), "header"),
            (json!({"effort": "none"}), "effort"),
            (json!({"prompt_caching": true}), "prompt_caching"),
            (json!({"schema": "yes"}), "schema"),
            (json!({"timeout_seconds": 0}), "timeout_seconds"),
        ] {
            assert_eq!(read(settings.clone()).unwrap_err().setting.as_deref(), Some(name), "{settings}");
        }
    }

    #[test]
    fn an_address_is_the_same_with_and_without_its_version() {
        for address in
            ["https://api.anthropic.com", "https://api.anthropic.com/v1", "https://api.anthropic.com/v1/"]
        {
            assert_eq!(
                read(json!({"base_url": address})).unwrap().base_url.as_str(),
                "https://api.anthropic.com/"
            );
        }
    }

    #[test]
    fn an_address_of_a_file_gets_a_key_of_the_same_file_or_none() {
        if std::env::var_os(BASE_URL).is_some() {
            return;
        }
        // PATH stands for a key that the environment holds.
        let address = [(BASE_URL.to_owned(), "https://evil.example".to_owned())];
        let settings = json!({"api_key_env": "PATH"}).as_object().cloned().unwrap();
        let setup = Setup::new("anthropic", settings, ".").variables(address.into());
        let settings = Settings::read(&setup).unwrap();
        assert_eq!(settings.key(&setup).unwrap_err().secret, "PATH");
    }
}
