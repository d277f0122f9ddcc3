//! What stands under `[providers.NAME]`, and the environment variables that OpenAI's own clients read.

use reqwest::Url;
use serde_json::{Map, Value};

use super::declared::{APIS, Api, HEADERS, KeyHeader, ROLES, SETTINGS, TOKEN_FIELDS, TokenField};
use super::hosts::{BatchHost, Host, TuningHost};
use crate::http::is_loopback;
use crate::setting::variable_name;
use crate::settings::{Withheld, base_url, check_encrypted, chosen, trimmed};
use crate::{SettingError, Setup, timeouts};

/// Where OpenAI answers.
const OFFICIAL: &str = "https://api.openai.com/v1";

/// The settings of one provider, checked.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Ends in a slash.
    pub(super) base_url: Url,
    /// Whether this is OpenAI itself, whose models and dates are known.
    pub(super) official: bool,
    /// The known host that this is.
    pub(super) host: Option<Host>,
    /// A variable that the address needs and that is not set.
    pub(super) missing: Option<String>,
    /// The variable that holds the key; `None` where no key is wanted.
    pub(super) key_variable: Option<String>,
    /// Whether the address is of a file of the project: then so must be the key.
    pub(super) from_file: bool,
    /// The variable that names the address.
    of_variable: String,
    /// Whether another machine may be reached in the clear.
    pub(super) allow_http: bool,
    pub(super) header: KeyHeader,
    pub(super) organization: Option<String>,
    pub(super) project: Option<String>,
    pub(super) api: Api,
    /// `None`: what the base URL suggests.
    pub(super) fine_tuning: Option<bool>,
    /// `None`: what is known of the host.
    pub(super) batch: Option<bool>,
    pub(super) check_models: bool,
    pub(super) schema: bool,
    pub(super) logprobs: Option<bool>,
    pub(super) temperature: Option<bool>,
    pub(super) stop: Option<bool>,
    pub(super) store: Option<bool>,
    pub(super) max_tokens_field: Option<TokenField>,
    pub(super) reasoning_effort: Option<String>,
    pub(super) system_role: &'static str,
    /// Members that each question has besides.
    pub(super) extra_body: Map<String, Value>,
    pub(super) timeout_seconds: u64,
}

/// The variable that names the address where no setting does.
const BASE_URL: &str = "OPENAI_BASE_URL";

impl Settings {
    /// Reads the settings, over those of a known host. For OpenAI itself, `OPENAI_BASE_URL` stands in where there is no
    /// `base_url`.
    pub(super) fn read(setup: &Setup, host: Option<&Host>) -> Result<Self, SettingError> {
        setup.check(&SETTINGS)?;
        let mut settings = match host {
            Some(host) => Self::of_host(host, setup)?,
            None => Self::of_environment(setup)?,
        };
        for (name, value) in &setup.settings {
            settings.set(name, value)?;
        }
        if settings.header == KeyHeader::ApiKey && !setup.settings.contains_key("check_models") {
            // Azure's deployments have names of their own, which its list of models does not hold.
            settings.check_models = false;
        }
        settings.check_key_is_named(setup)?;
        let configured = setup.settings.contains_key("base_url") || host.is_some();
        let address = if configured { "base_url" } else { BASE_URL };
        check_encrypted(address, &settings.base_url, settings.allow_http)?;
        if let Some(variable) = &settings.key_variable
            && setup.variable(variable).is_none()
        {
            variable_name("api_key_env", variable)?;
        }
        if settings.key_variable.as_deref() != Some("OPENAI_API_KEY") {
            // The key is of another account, so these names mean nothing there.
            (settings.organization, settings.project) = (None, None);
        }
        Ok(settings)
    }

    fn of_environment(setup: &Setup) -> Result<Self, SettingError> {
        let mut settings = Self::official();
        if let Some(url) = setup.variable(BASE_URL) {
            settings.set_base_url(BASE_URL, &url)?;
        }
        settings.from_file = !setup.settings.contains_key("base_url") && setup.is_stand_in(BASE_URL);
        settings.organization = setup.variable("OPENAI_ORG_ID");
        settings.project = setup.variable("OPENAI_PROJECT_ID");
        Ok(settings)
    }

    fn of_host(host: &Host, setup: &Setup) -> Result<Self, SettingError> {
        let mut settings = Self::official();
        settings.official = false;
        if !setup.settings.contains_key("base_url") {
            let from_file = host.variables().find(|name| setup.is_stand_in(name));
            settings.from_file = from_file.is_some();
            settings.of_variable = from_file.unwrap_or_default().to_owned();
            match host.address(|name| setup.variable(name)) {
                Err(missing) => settings.missing = Some(missing),
                Ok(url) => {
                    let set = settings.set_base_url("base_url", &url);
                    let usable = set.and_then(|()| check_encrypted("base_url", &settings.base_url, false));
                    // What a variable spoils is no business of those who ask other hosts.
                    match (usable, host.variables().next()) {
                        (Err(_), Some(variable)) => {
                            settings = Self { missing: Some(variable.into()), ..Self::official() }
                        }
                        (usable, _) => usable?,
                    }
                    settings.official = false;
                }
            }
        }
        let set = host.keys.iter().find(|name| setup.variable(name).is_some());
        let usual = host.keys.first().filter(|_| !host.key_optional);
        settings.key_variable = set.or(usual).cloned();
        for (name, value) in &host.settings {
            settings.set(name, value)?;
        }
        settings.host = Some(host.clone());
        Ok(settings)
    }

    /// The key of one host's customers is not for another server unless the user says so.
    fn check_key_is_named(&self, setup: &Setup) -> Result<(), SettingError> {
        let set = |name| setup.settings.contains_key(name);
        if !set("base_url") || set("api_key_env") || self.official || is_loopback(&self.base_url) {
            return Ok(());
        }
        let Some(variable) = &self.key_variable else { return Ok(()) };
        let host = self.base_url.host_str().unwrap_or_default();
        let message = format!(
            "name the variable that holds the key for {host}, or \"none\": without it, this server would get the one \
             in {variable}"
        );
        Err(SettingError::at("api_key_env", message))
    }

    /// The key, or why it stays here, or neither.
    pub(super) fn key(&self, setup: &Setup) -> Result<Option<String>, Withheld> {
        let Some(variable) = &self.key_variable else { return Ok(None) };
        if !self.from_file {
            return Ok(setup.variable(variable));
        }
        match (setup.stand_in(variable), setup.variable(variable)) {
            (None, Some(_)) => Err(Withheld { address: self.of_variable.clone(), secret: variable.clone() }),
            (key, _) => Ok(key),
        }
    }

    /// Those of OpenAI itself.
    pub(super) fn official() -> Self {
        Self {
            base_url: base_url("base_url", OFFICIAL, OFFICIAL).expect("the address is fixed"),
            official: true,
            host: None,
            missing: None,
            key_variable: Some("OPENAI_API_KEY".into()),
            from_file: false,
            of_variable: BASE_URL.to_owned(),
            allow_http: false,
            header: KeyHeader::Authorization,
            organization: None,
            project: None,
            api: Api::Chat,
            fine_tuning: None,
            batch: None,
            check_models: true,
            schema: true,
            logprobs: None,
            temperature: None,
            stop: None,
            store: None,
            max_tokens_field: None,
            reasoning_effort: None,
            system_role: "system",
            extra_body: Map::new(),
            timeout_seconds: timeouts::ANSWER.as_secs(),
        }
    }

    /// Takes a value of the type that is declared.
    fn set(&mut self, name: &str, value: &Value) -> Result<(), SettingError> {
        let (text, switch) = (trimmed(value), value.as_bool());
        match name {
            "base_url" => self.set_base_url(name, text)?,
            "allow_http" => self.allow_http = switch.unwrap_or(self.allow_http),
            "api_key_env" => self.key_variable = (!matches!(text, "" | "none")).then(|| text.to_owned()),
            "header" => self.header = chosen(value, &HEADERS).unwrap_or(self.header),
            "api" => self.api = chosen(value, &APIS).unwrap_or(self.api),
            "fine_tuning" => self.fine_tuning = switch,
            "batch" => self.batch = switch,
            "check_models" => self.check_models = switch.unwrap_or(self.check_models),
            "schema" => self.schema = switch.unwrap_or(self.schema),
            "logprobs" => self.logprobs = switch,
            "temperature" => self.temperature = switch,
            "stop" => self.stop = switch,
            "store" => self.store = switch,
            "max_tokens_field" => self.max_tokens_field = chosen(value, &TOKEN_FIELDS),
            "reasoning_effort" => self.reasoning_effort = Some(text.to_owned()),
            "system_role" => self.system_role = chosen(value, &ROLES).unwrap_or(self.system_role),
            "extra_body" => self.extra_body = extra_body(name, value)?,
            "timeout_seconds" => self.timeout_seconds = value.as_u64().unwrap_or(self.timeout_seconds),
            _ => return Err(SettingError::at(name, format!("unknown setting `{name}`"))),
        }
        Ok(())
    }

    fn set_base_url(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
        self.base_url = base_url(name, text, OFFICIAL)?;
        let host = self.base_url.host_str().unwrap_or_default();
        if host == "api.anthropic.com" {
            // What it has for OpenAI's clients ignores schemas without a word.
            let message = "models of Anthropic are written anthropic/MODEL, with nothing to set but ANTHROPIC_API_KEY; \
                           what its address offers to OpenAI's clients ignores schemas";
            return Err(SettingError::at(name, message));
        }
        self.official = host == "api.openai.com" || host.ends_with(".api.openai.com");
        Ok(())
    }

    /// How files of requests are taken: at OpenAI and hosts that are known for it, and elsewhere where the user says so.
    pub(super) fn takes_batches(&self) -> Option<BatchHost> {
        let known = self.host.as_ref().and_then(|host| host.batch);
        let known = known.or(self.official.then_some(BatchHost::OPENAI));
        match self.batch {
            Some(true) => known.or(Some(BatchHost::OPENAI)),
            Some(false) => None,
            None => known,
        }
    }

    /// Whether jobs are started in a host's own way.
    pub(super) fn tunes_as(&self, way: &str) -> bool {
        self.tuning().is_some_and(|own| own.way == way && self.fine_tuning.unwrap_or(own.unasked))
    }

    /// How the host tunes, where that is known.
    pub(super) fn tuning(&self) -> Option<&TuningHost> {
        self.host.as_ref()?.tuning.as_ref()
    }

    /// The same account at another address of its host.
    pub(super) fn move_to(&mut self, url: &str) -> Result<(), SettingError> {
        self.set_base_url("base_url", url)?;
        self.official = false;
        Ok(())
    }

    /// Whether jobs can be started: at OpenAI itself, and elsewhere only where the user says so.
    pub(super) fn tunes(&self) -> bool {
        self.fine_tuning.unwrap_or(self.official)
    }
}

/// Members for every question; what makes the question is not among them.
fn extra_body(name: &str, value: &Value) -> Result<Map<String, Value>, SettingError> {
    const OURS: [&str; 5] = ["model", "messages", "input", "stream", "n"];
    let Value::Object(members) = value else {
        let message = format!(
            "`{name}` must be a table, such as {{ chat_template_kwargs = {{ enable_thinking = false }} }}"
        );
        return Err(SettingError::at(name, message));
    };
    match members.keys().find(|member| OURS.contains(&member.as_str())) {
        Some(ours) => {
            Err(SettingError::at(name, format!("`{ours}` is set by tunebench and can't be in `{name}`")))
        }
        None => Ok(members.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: Value) -> Result<Settings, SettingError> {
        let Value::Object(settings) = settings else { panic!("settings are a table") };
        Settings::read(&Setup::new("openai", settings, "."), None)
    }

    #[test]
    fn mistakes_are_named() {
        for (settings, name) in [
            (json!({"base_urll": "http://x"}), "base_urll"),
            (json!({"base_url": "localhost:8000"}), "base_url"),
            (json!({"base_url": "ftp://host/v1"}), "base_url"),
            (json!({"base_url": "https://user:secret@host/v1"}), "base_url"),
            (json!({"base_url": "https://host/v1?key=secret"}), "base_url"),
            (json!({"base_url": "https://api.anthropic.com/v1", "api_key_env": "X"}), "base_url"),
            (json!({"header": "x-api-key"}), "header"),
            (json!({"api": "assistants"}), "api"),
            (json!({"schema": "yes"}), "schema"),
            (json!({"extra_body": 1}), "extra_body"),
            (json!({"extra_body": {"messages": []}}), "extra_body"),
            (json!({"system_role": "tool"}), "system_role"),
            (json!({"max_tokens_field": 3}), "max_tokens_field"),
            (json!({"timeout_seconds": 0}), "timeout_seconds"),
            (json!({"api_key_env": 1}), "api_key_env"),
            (json!({"base_url": "https://api.example/v1"}), "api_key_env"),
            (json!({"base_url": "http://10.0.0.7/v1", "api_key_env": "none"}), "base_url"),
            (json!({"base_url": "http://10.0.0.7/v1", "api_key_env": "none", "allow_http": 1}), "allow_http"),
        ] {
            let error = read(settings.clone()).unwrap_err();
            assert_eq!(error.setting.as_deref(), Some(name), "{settings}");
            assert!(!error.message.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_key_in_place_of_its_variable_is_refused_and_not_shown() {
        for key in
            ["sk-proj-abc", "gsk_9xKq2mTbLw4RzVn8", "1f3a5c7e9b", "Bearer abc", "fw_3ZabcdefGHIJKLmnop"]
        {
            let error = read(json!({"base_url": "https://host/v1", "api_key_env": key})).unwrap_err();
            // A place would be shown with its line, and the key in it.
            assert_eq!(error.setting, None, "{key}");
            assert!(error.message.contains("api_key_env") && !error.message.contains(key), "{error}");
        }
        for name in ["MY_KEY_2", "my_key", "OPENAI_API_KEY_OF_THE_SECOND_TEAM_2026", "_K"] {
            assert!(read(json!({"base_url": "https://host/v1", "api_key_env": name})).is_ok(), "{name}");
        }
        // What is set is a variable, however it is spelt.
        let settings = json!({"api_key_env": "key-of.team-2"}).as_object().cloned().unwrap();
        let set = [("key-of.team-2".to_owned(), "k".to_owned())].into();
        assert!(Settings::read(&Setup::new("openai", settings, ".").variables(set), None).is_ok());
    }

    #[test]
    fn an_address_of_a_file_gets_a_key_of_the_same_file_or_none() {
        let settings = |variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let setup = Setup::new("openai", Default::default(), ".").variables(variables.collect());
            Settings::read(&setup, None).unwrap().key(&setup)
        };
        let (url, elsewhere) =
            ((BASE_URL, "https://gateway.example/v1"), ("OPENAI_API_KEY", "sk-of-the-file"));
        assert_eq!(settings(&[url, elsewhere]), Ok(Some("sk-of-the-file".to_owned())));
        assert_eq!(settings(&[elsewhere]), Ok(Some("sk-of-the-file".to_owned())));
        assert_eq!(settings(&[url]), Ok(None));
        // PATH stands for a key that the environment holds.
        let settings = json!({"api_key_env": "PATH"}).as_object().cloned().unwrap();
        let setup =
            Setup::new("openai", settings, ".").variables([(url.0.to_owned(), url.1.to_owned())].into());
        let withheld = Settings::read(&setup, None).unwrap().key(&setup).unwrap_err();
        assert_eq!((withheld.address.as_str(), withheld.secret.as_str()), (BASE_URL, "PATH"));
    }

    #[test]
    fn other_machines_are_reached_in_the_clear_only_where_that_is_wanted() {
        let lan = |settings: Value| {
            let mut lan = json!({"base_url": "http://10.0.0.7/v1", "api_key_env": "none"});
            lan.as_object_mut().unwrap().extend(settings.as_object().cloned().unwrap());
            read(lan)
        };
        assert!(lan(json!({})).unwrap_err().message.contains("allow_http"));
        assert!(lan(json!({"allow_http": true})).is_ok());
        assert!(lan(json!({"base_url": "http://[::1]:8000/v1"})).is_ok());
    }

    #[test]
    fn other_servers_are_no_openai() {
        let vllm = read(json!({"base_url": "http://localhost:8000/v1/", "api_key_env": "none"})).unwrap();
        assert_eq!(
            (vllm.base_url.as_str(), vllm.official, vllm.tunes()),
            ("http://localhost:8000/v1/", false, false)
        );
        assert_eq!(vllm.key_variable, None);
        let regional = read(json!({"base_url": "https://eu.api.openai.com/v1"})).unwrap();
        assert!(regional.official && regional.tunes());
        let elsewhere = |mut settings: Value| {
            settings["api_key_env"] = "THEIR_KEY".into();
            read(settings).unwrap()
        };
        assert!(!elsewhere(json!({"base_url": "https://api.openai.com.evil.example/v1"})).official);
        assert!(elsewhere(json!({"base_url": "https://tuner.example/v1", "fine_tuning": true})).tunes());
        let azure =
            elsewhere(json!({"base_url": "https://x.openai.azure.com/openai/v1", "header": "api-key"}));
        assert!(!azure.check_models && !azure.official);
    }
}
