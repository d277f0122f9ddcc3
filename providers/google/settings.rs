//! What stands under `[providers.NAME]`, and the environment variables that Google's own clients read.

use reqwest::Url;
use serde_json::Value;

use super::declared::{self, SCHEMA_FIELDS, SchemaField, Surface, THRESHOLDS};
use super::models::{LEVELS, TUNING_REGIONS, Thinking};
use super::names::Location;
use crate::http::is_loopback;
use crate::setting::variable_name;
use crate::settings::{Withheld, base_url, check_encrypted, chosen, trimmed, wrong};
use crate::{SettingError, Setup, timeouts};

/// Where the Developer API answers. `v1beta`: the schemas of `v1` lack system instruction, schema and thinking.
const DEVELOPER: &str = "https://generativelanguage.googleapis.com/v1beta";
/// For examples in messages; the real host depends on the location.
const VERTEX: &str = "https://aiplatform.googleapis.com/v1";
const STORAGE: &str = "https://storage.googleapis.com";
/// The variable that names a key file or a login file.
const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
/// In a base URL, what stands for the location.
const LOCATION: &str = "{location}";

/// The settings of one provider, checked.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) surface: Surface,
    /// With version, ends in a slash; `{location}` in it stands for the location. `None`: the host of each location.
    pub(super) base_url: Option<String>,
    pub(super) storage_url: Url,
    /// The variable that holds the key (Developer API), or a ready access token (Vertex AI).
    pub(super) key_variable: Option<String>,
    /// Whether the address is of a file of the project: then so must be what says who asks.
    pub(super) from_file: bool,
    /// Whether another machine may be reached in the clear.
    pub(super) allow_http: bool,
    /// A key file or a login file, as Google's tools write them.
    pub(super) credentials: Option<String>,
    pub(super) quota_project: Option<String>,
    pub(super) project: Option<String>,
    /// Where untuned models are asked.
    pub(super) location: Location,
    /// Where jobs run. Where tuned models answer is written in their names.
    pub(super) tuning_location: Location,
    pub(super) bucket: Option<String>,
    /// `None`: the least that the model can be told to.
    pub(super) thinking: Option<Thinking>,
    pub(super) schema: bool,
    pub(super) schema_field: SchemaField,
    pub(super) tuned_schema: bool,
    pub(super) logprobs: Option<bool>,
    pub(super) stop: bool,
    pub(super) safety: Option<&'static str>,
    pub(super) check_models: bool,
    pub(super) timeout_seconds: u64,
}

impl Settings {
    /// Reads the settings; the variables of Google's own clients stand in where there is none.
    pub(super) fn read(surface: Surface, setup: &Setup) -> Result<Self, SettingError> {
        setup.check(&declared::settings(surface))?;
        let mut settings = Self::usual(surface);
        settings.read_variables(setup)?;
        for (name, value) in &setup.settings {
            settings.set(name, value)?;
        }
        settings.check_addresses(setup)?;
        if let Some(variable) = &settings.key_variable
            && setup.variable(variable).is_none()
        {
            variable_name(
                if surface == Surface::Vertex { "access_token_env" } else { "api_key_env" },
                variable,
            )?;
        }
        if !setup.settings.contains_key("tuning_location") {
            settings.tuning_location = settings.usual_tuning_location();
        }
        Ok(settings)
    }

    /// Who asks is not for another server unless the user says so, nor to be read on the way.
    fn check_addresses(&self, setup: &Setup) -> Result<(), SettingError> {
        let set = |name| setup.settings.contains_key(name);
        let (named, hint) = match self.surface {
            Surface::Developer => (set("api_key_env"), "api_key_env"),
            Surface::Vertex => (set("access_token_env") || set("credentials"), "access_token_env"),
        };
        let base = if set("base_url") { "base_url" } else { self.address_variable() };
        for (name, url) in [(base, self.base_of(&self.location)), ("storage_url", self.storage_url.clone())] {
            check_encrypted(name, &url, self.allow_http)?;
            let host = url.host_str().unwrap_or_default();
            if set(name) && !named && !is_loopback(&url) && !host.ends_with(".googleapis.com") {
                let message = format!(
                    "name what {host} gets to know you by: without it, it would get what is for Google"
                );
                return Err(SettingError::at(hint, message));
            }
        }
        Ok(())
    }

    /// The variable that names the address where no setting does.
    fn address_variable(&self) -> &'static str {
        match self.surface {
            Surface::Developer => "GOOGLE_GEMINI_BASE_URL",
            Surface::Vertex => "GOOGLE_VERTEX_BASE_URL",
        }
    }

    /// The key or the token, or why it stays here, or neither.
    pub(super) fn secret(&self, setup: &Setup) -> Result<Option<String>, Withheld> {
        let variable = self.key_variable.as_deref().unwrap_or_default();
        if !self.from_file {
            return Ok(setup.variable(variable));
        }
        let withheld = |secret: &str| Withheld {
            address: self.address_variable().to_owned(),
            secret: secret.to_owned(),
        };
        match (setup.stand_in(variable), setup.variable(variable), self.surface) {
            (Some(secret), ..) => Ok(Some(secret)),
            (None, Some(_), _) => Err(withheld(variable)),
            (None, None, Surface::Developer) => Ok(None),
            // A login is no more of this file than a key of the environment.
            (None, None, Surface::Vertex) if setup.is_stand_in(CREDENTIALS) => Ok(None),
            (None, None, Surface::Vertex) => Err(withheld("your login")),
        }
    }

    /// Those without a line in the configuration or the environment.
    pub(super) fn usual(surface: Surface) -> Self {
        let location = |name| Location::new(name).expect("the name is fixed");
        Self {
            surface,
            base_url: None,
            storage_url: base_url("storage_url", STORAGE, STORAGE).expect("the address is fixed"),
            key_variable: None,
            from_file: false,
            allow_http: false,
            credentials: None,
            quota_project: None,
            project: None,
            location: location("global"),
            tuning_location: location(TUNING_REGIONS[0]),
            bucket: None,
            thinking: None,
            schema: true,
            schema_field: SchemaField::Own,
            tuned_schema: false,
            logprobs: None,
            stop: true,
            safety: None,
            check_models: true,
            timeout_seconds: timeouts::ANSWER.as_secs(),
        }
    }

    fn read_variables(&mut self, setup: &Setup) -> Result<(), SettingError> {
        let url = self.address_variable();
        self.from_file = !setup.settings.contains_key("base_url") && setup.is_stand_in(url);
        if let Some(text) = setup.variable(url) {
            self.set_base_url(url, &text)?;
        }
        if self.surface == Surface::Developer {
            let names = ["GOOGLE_API_KEY", "GEMINI_API_KEY"];
            let set = names.iter().find(|name| setup.variable(name).is_some());
            self.key_variable = Some((*set.unwrap_or(&"GEMINI_API_KEY")).to_owned());
            return Ok(());
        }
        self.key_variable = Some("GOOGLE_OAUTH_ACCESS_TOKEN".into());
        self.credentials = setup.variable(CREDENTIALS);
        self.quota_project = setup.variable("GOOGLE_CLOUD_QUOTA_PROJECT");
        self.project = setup.variable("GOOGLE_CLOUD_PROJECT").or_else(|| setup.variable("GCLOUD_PROJECT"));
        if let Some(name) = setup.variable("GOOGLE_CLOUD_LOCATION") {
            self.location = location("GOOGLE_CLOUD_LOCATION", &name)?;
        }
        Ok(())
    }

    /// The region of the untuned models, or around it, where jobs run; else the first that has them.
    fn usual_tuning_location(&self) -> Location {
        match self.location.name() {
            "eu" => Location::new(TUNING_REGIONS[1]).unwrap_or(self.location.clone()),
            _ if self.location.is_region() => self.location.clone(),
            _ => self.tuning_location.clone(),
        }
    }

    /// Takes an address with or without the version, as Google's own clients take it without.
    fn set_base_url(&mut self, name: &str, text: &str) -> Result<(), SettingError> {
        let example = if self.surface == Surface::Vertex { VERTEX } else { DEVELOPER };
        let (_, version) = example.rsplit_once('/').unwrap_or_default();
        let url = base_url(name, &text.replace(LOCATION, self.location.name()), example)?;
        let last = url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let versioned =
            last.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let text = text.trim_end_matches('/');
        self.base_url = Some(if versioned { text.to_owned() } else { format!("{text}/{version}") });
        Ok(())
    }

    /// Takes a value of the type that is declared.
    fn set(&mut self, name: &str, value: &Value) -> Result<(), SettingError> {
        let (text, switch) = (trimmed(value), value.as_bool());
        let given = Some(text.to_owned()).filter(|text| !text.is_empty());
        match name {
            "base_url" => self.set_base_url(name, text)?,
            "storage_url" => self.storage_url = base_url(name, text, STORAGE)?,
            "allow_http" => self.allow_http = switch.unwrap_or(self.allow_http),
            "api_key_env" | "access_token_env" => self.key_variable = given,
            "credentials" => self.credentials = given,
            "quota_project" => self.quota_project = given,
            "project" => self.project = Some(project(name, text)?),
            "location" => self.location = location(name, text)?,
            "tuning_location" => {
                self.tuning_location = location(name, text)?;
                if !self.tuning_location.is_region() {
                    return Err(wrong(name, "a region such as \"us-central1\": jobs run nowhere else"));
                }
            }
            "bucket" => self.bucket = Some(bucket(name, text)?),
            "thinking" => self.thinking = Some(thinking(name, value)?),
            "schema" => self.schema = switch.unwrap_or(self.schema),
            "schema_field" => self.schema_field = chosen(value, &SCHEMA_FIELDS).unwrap_or(self.schema_field),
            "tuned_schema" => self.tuned_schema = switch.unwrap_or(self.tuned_schema),
            "logprobs" => self.logprobs = switch,
            "stop" => self.stop = switch.unwrap_or(self.stop),
            "safety" => self.safety = chosen(value, &THRESHOLDS),
            "check_models" => self.check_models = switch.unwrap_or(self.check_models),
            "timeout_seconds" => self.timeout_seconds = value.as_u64().unwrap_or(self.timeout_seconds),
            _ => return Err(SettingError::at(name, format!("unknown setting `{name}`"))),
        }
        Ok(())
    }

    /// Below which paths are put: the user's address, or that of the location.
    pub(super) fn base_of(&self, location: &Location) -> Url {
        let address = match (&self.base_url, self.surface) {
            (Some(url), _) => url.replace(LOCATION, location.name()),
            (None, Surface::Developer) => DEVELOPER.to_owned(),
            (None, Surface::Vertex) => format!("https://{}/v1", location.host()),
        };
        base_url("base_url", &address, DEVELOPER).expect("a location holds only what a host's name may")
    }
}

fn location(name: &str, text: &str) -> Result<Location, SettingError> {
    Location::new(text).ok_or_else(|| wrong(name, "a location such as \"us-central1\", \"eu\" or \"global\""))
}

/// An id or a number; either goes into paths.
fn project(name: &str, text: &str) -> Result<String, SettingError> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:_".contains(&b));
    if plain && !text.is_empty() { Ok(text.to_owned()) } else { Err(wrong(name, "the id of a project")) }
}

/// A bucket, with or without `gs://`.
fn bucket(name: &str, text: &str) -> Result<String, SettingError> {
    let bare = text.trim_start_matches("gs://").trim_end_matches('/');
    let plain = bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
    if plain && bare.len() >= 3 {
        Ok(bare.to_owned())
    } else {
        Err(wrong(name, "the name of a bucket of Cloud Storage, such as \"gs://my-bucket\""))
    }
}

fn thinking(name: &str, value: &Value) -> Result<Thinking, SettingError> {
    let level = value.as_str().map(|text| LEVELS.iter().find(|(level, _)| level.eq_ignore_ascii_case(text)));
    match (level, value.as_u64().and_then(|tokens| u32::try_from(tokens).ok()), value.as_str()) {
        (Some(Some((level, _))), ..) => Ok(Thinking::Level(level)),
        (_, Some(budget), _) => Ok(Thinking::Budget(budget)),
        (.., Some("default")) => Ok(Thinking::Unsaid),
        _ => Err(wrong(
            name,
            "\"minimal\", \"low\", \"medium\", \"high\", a number of tokens (for 2.5 models), or \"default\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(surface: Surface, settings: Value) -> Result<Settings, SettingError> {
        Settings::read(surface, &Setup::new("google", settings.as_object().cloned().unwrap(), "."))
    }

    #[test]
    fn mistakes_are_named() {
        for (surface, settings, name) in [
            (Surface::Vertex, json!({"projekt": "p"}), "projekt"),
            (Surface::Vertex, json!({"api_key_env": "KEY"}), "api_key_env"),
            (Surface::Developer, json!({"project": "p"}), "project"),
            (Surface::Vertex, json!({"project": "a/b"}), "project"),
            (Surface::Vertex, json!({"location": "https://x"}), "location"),
            (Surface::Vertex, json!({"tuning_location": "global"}), "tuning_location"),
            (Surface::Vertex, json!({"bucket": "gs://My Bucket"}), "bucket"),
            (Surface::Vertex, json!({"bucket": "gs://bucket/folder"}), "bucket"),
            (Surface::Developer, json!({"thinking": "none"}), "thinking"),
            (Surface::Developer, json!({"thinking": -1}), "thinking"),
            (Surface::Developer, json!({"safety": "OFF!"}), "safety"),
            (Surface::Developer, json!({"schema_field": "responseFormat"}), "schema_field"),
            (Surface::Vertex, json!({"base_url": "https://host/v1?key=secret"}), "base_url"),
            (Surface::Developer, json!({"timeout_seconds": 0}), "timeout_seconds"),
            (Surface::Developer, json!({"base_url": "https://host/v1beta"}), "api_key_env"),
            (Surface::Vertex, json!({"storage_url": "https://host"}), "access_token_env"),
            (Surface::Developer, json!({"base_url": "http://host/v1beta", "api_key_env": "KEY"}), "base_url"),
        ] {
            let error = read(surface, settings.clone()).unwrap_err();
            assert_eq!(error.setting.as_deref(), Some(name), "{settings}");
            assert!(!error.message.contains("secret"), "{error}");
        }
        let key = read(Surface::Developer, json!({"api_key_env": "AIzaSyA-0123456789"})).unwrap_err();
        assert!(key.setting.is_none() && !key.message.contains("AIza"), "{key}");
    }

    #[test]
    fn an_address_of_a_file_gets_a_key_of_the_same_file_or_none() {
        let secret = |surface, settings: Value, variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let setup = Setup::new("google", settings.as_object().cloned().unwrap(), ".");
            let setup = setup.variables(variables.collect());
            Settings::read(surface, &setup).unwrap().secret(&setup)
        };
        let gemini = ("GOOGLE_GEMINI_BASE_URL", "https://gateway.example/v1beta");
        let vertex = ("GOOGLE_VERTEX_BASE_URL", "https://gateway.example/v1");
        let key = Ok(Some("AIza-of-the-file".to_owned()));
        assert_eq!(
            secret(Surface::Developer, json!({}), &[gemini, ("GEMINI_API_KEY", "AIza-of-the-file")]),
            key
        );
        // PATH stands for a key that the environment holds.
        let elsewhere = secret(Surface::Developer, json!({"api_key_env": "PATH"}), &[gemini]);
        assert_eq!(elsewhere.unwrap_err().secret, "PATH");
        assert_eq!(secret(Surface::Vertex, json!({}), &[vertex]).unwrap_err().secret, "your login");
        assert_eq!(secret(Surface::Vertex, json!({}), &[vertex, (CREDENTIALS, "file.json")]), Ok(None));
        assert_eq!(secret(Surface::Vertex, json!({}), &[]), Ok(None));
    }

    #[test]
    fn jobs_run_in_a_region_near_the_models() {
        for (settings, tuning) in [
            (json!({"location": "europe-west4"}), "europe-west4"),
            (json!({"location": "eu"}), "europe-west4"),
            (json!({"location": "us"}), "us-central1"),
            (json!({"location": "global"}), "us-central1"),
            (json!({"location": "global", "tuning_location": "europe-west4"}), "europe-west4"),
        ] {
            assert_eq!(read(Surface::Vertex, settings).unwrap().tuning_location.name(), tuning);
        }
    }

    #[test]
    fn addresses_have_their_version() {
        let vertex = read(Surface::Vertex, json!({"location": "eu"})).unwrap();
        assert_eq!(vertex.base_of(&vertex.location).as_str(), "https://aiplatform.eu.rep.googleapis.com/v1/");
        let tuning = vertex.base_of(&vertex.tuning_location);
        assert_eq!(tuning.as_str(), "https://europe-west4-aiplatform.googleapis.com/v1/");
        for (text, address) in [
            ("http://127.0.0.1:1/{location}", "http://127.0.0.1:1/us-central1/v1/"),
            ("http://{location}.localhost/v1beta1/", "http://us-central1.localhost/v1beta1/"),
        ] {
            let own = read(Surface::Vertex, json!({"base_url": text})).unwrap();
            assert_eq!(own.base_of(&own.tuning_location).as_str(), address);
        }
        let developer = read(Surface::Developer, json!({})).unwrap();
        let url = developer.base_of(&developer.location);
        assert_eq!(url.as_str(), "https://generativelanguage.googleapis.com/v1beta/");
    }

    #[test]
    fn thinking_is_a_level_or_a_number_or_left_alone() {
        let thinking =
            |value: Value| read(Surface::Vertex, json!({"thinking": value})).unwrap().thinking.unwrap();
        assert_eq!(thinking(json!("low")), Thinking::Level("LOW"));
        assert_eq!(thinking(json!(0)), Thinking::Budget(0));
        assert_eq!(thinking(json!("default")), Thinking::Unsaid);
        assert_eq!(
            read(Surface::Vertex, json!({"bucket": "gs://my-bucket/"})).unwrap().bucket.unwrap(),
            "my-bucket"
        );
    }
}
