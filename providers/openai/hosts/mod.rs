//! Hosts that speak OpenAI's language, by name: data, not code. `hosts.toml` says how to add one.

mod tuning;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) use self::tuning::TuningHost;

const FILE: &str = include_str!("hosts.toml");

/// A host as the file has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Host {
    #[serde(skip)]
    pub(super) name: String,
    /// Up to `/chat/completions`; `{NAME}` stands for an environment variable.
    #[serde(default)]
    pub(super) base_url: String,
    /// Variables that may hold the key, the usual one first.
    #[serde(default)]
    pub(super) keys: Vec<String>,
    /// Whether it answers without a key as well.
    #[serde(default)]
    pub(super) key_optional: bool,
    /// How to switch thinking off, by model.
    #[serde(default)]
    pub(super) thinking: Vec<Thinking>,
    /// How it takes files of requests, where it does.
    pub(super) batch: Option<BatchHost>,
    /// How it tunes, where it does.
    pub(super) tuning: Option<TuningHost>,
    /// What is known of its rate limits.
    #[serde(default)]
    pub(super) limits: RateFacts,
    /// Set if the host has closed.
    pub(crate) gone: Option<String>,
    pub(super) source: String,
    pub(super) checked: String,
    /// What else is set, as under `[providers.NAME]`.
    #[serde(flatten)]
    pub(super) settings: Map<String, Value>,
}

/// What is known of a host's rate limits.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateFacts {
    /// The same for every account, and so kept to from the start.
    pub(super) requests_per_minute: Option<u64>,
    /// What else there is to say of them.
    pub(super) note: Option<String>,
}

/// A host's way with files of requests.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchHost {
    /// The most rows of a file.
    pub(super) rows: usize,
    /// The most bytes of a file.
    pub(super) bytes: u64,
    /// The shortest time between two looks at a batch.
    #[serde(default = "usual_poll_seconds")]
    pub(super) poll_seconds: u64,
    /// Whose jobs they are.
    #[serde(default)]
    pub(super) jobs: BatchJobs,
    /// Whether Responses can be asked as well.
    #[serde(default)]
    pub(super) responses: bool,
}

/// Whose way of speaking about files of requests a host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BatchJobs {
    #[default]
    OpenAi,
    Mistral,
    Together,
}

fn usual_poll_seconds() -> u64 {
    15
}

impl BatchHost {
    /// OpenAI's own way: <https://developers.openai.com/api/docs/guides/batch>, read in July 2026.
    pub(super) const OPENAI: Self =
        Self { rows: 50_000, bytes: 200_000_000, poll_seconds: 15, jobs: BatchJobs::OpenAi, responses: true };
}

/// How to keep some models from thinking about a label.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thinking {
    models: String,
    off: Option<Map<String, Value>>,
    least: Option<Map<String, Value>>,
}

impl Thinking {
    /// What to send.
    pub(super) fn fields(&self) -> &Map<String, Value> {
        static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
        self.off.as_ref().or(self.least.as_ref()).unwrap_or(&NONE)
    }

    /// Whether it then thinks all the same.
    pub(super) fn goes_on(&self) -> bool {
        self.off.is_none()
    }
}

impl Host {
    /// Whether nobody has confirmed the entry since a day.
    pub(crate) fn is_older_than(&self, day: jiff::civil::Date) -> bool {
        self.checked.parse::<jiff::civil::Date>().is_ok_and(|checked| checked < day)
    }

    /// All of them, by name.
    pub(crate) fn all() -> &'static BTreeMap<String, Self> {
        static HOSTS: LazyLock<BTreeMap<String, Host>> = LazyLock::new(|| {
            let mut hosts: BTreeMap<String, Host> =
                toml::from_str(FILE).expect("the file is read by the tests");
            hosts.iter_mut().for_each(|(name, host)| host.name.clone_from(name));
            hosts
        });
        &HOSTS
    }

    /// What holds for a model: the entry that says most of its name.
    pub(super) fn thinking(&self, model: &str) -> Option<&Thinking> {
        let fitting = self.thinking.iter().filter(|entry| fits(&entry.models, model));
        fitting.max_by_key(|entry| entry.models.len())
    }

    /// The variables in its address.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.base_url.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
    }

    /// The address with its variables filled in, or the name of one that is not set.
    pub(super) fn address(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut address = String::new();
        let mut rest = self.base_url.as_str();
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            let value = variable(name).ok_or_else(|| name.to_owned())?;
            address.push_str(before);
            address.push_str(value.trim_end_matches('/'));
            rest = after;
        }
        Ok(address + rest)
    }
}

/// Whether a name is what a pattern means; `*` stands for any characters. Letters of either case are equal.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    // The last part stands at the end, wherever else it was found.
    last.map_or(rest.is_empty(), |part| name.ends_with(part))
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;
    use crate::{Access, Provider, Setup};

    #[test]
    fn every_host_can_be_set_up_and_says_who_said_so() {
        for (name, host) in Host::all() {
            assert!(!host.source.is_empty() && host.checked.parse::<jiff::civil::Date>().is_ok(), "{name}");
            assert!(host.thinking.iter().all(|entry| entry.off.is_some() != entry.least.is_some()), "{name}");
            let way = host.tuning.as_ref().map(|tuning| tuning.way.as_str());
            assert!(matches!(way, None | Some("openai" | "dashscope" | "together")), "{name}");
            if host.gone.is_some() {
                assert!(host.base_url.is_empty() && host.settings.is_empty(), "{name}");
                continue;
            }
            let set = ["AZURE_OPENAI_ENDPOINT", "AWS_REGION", "CLOUDFLARE_ACCOUNT_ID"];
            let variables = set.map(|name| (name.to_owned(), "https://x.example/".to_owned()));
            let setup = Setup::new(name, Map::new(), ".").variables(variables.into());
            let settings =
                Settings::read(&setup, Some(host)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!settings.official && settings.missing.is_none(), "{name}");
            assert!(settings.organization.is_none() && settings.project.is_none(), "{name}");
        }
    }

    #[test]
    fn an_entry_grows_old() {
        let old = |day: &str| super::super::unconfirmed_hosts(day.parse().unwrap()).count();
        assert_eq!(old("2026-11-01"), 0);
        assert_eq!(old("2999-01-01"), Host::all().len());
    }

    #[test]
    fn a_new_host_takes_five_lines() {
        let lines = "[acme]\nbase_url = \"https://api.acme.example/v1\"\nkeys = [\"ACME_API_KEY\"]\nsource = \"s\"\nchecked = \"2026-11-28\"\n";
        let hosts: BTreeMap<String, Host> = toml::from_str(lines).unwrap();
        let key = [("ACME_API_KEY".to_owned(), "k".to_owned())].into();
        let setup = Setup::new("acme", Map::new(), ".").variables(key);
        let settings = Settings::read(&setup, Some(&hosts["acme"])).unwrap();
        assert_eq!(settings.base_url.as_str(), "https://api.acme.example/v1/");
        assert_eq!(settings.key_variable.as_deref(), Some("ACME_API_KEY"));
    }

    #[test]
    fn the_entry_that_says_most_decides() {
        let off = |host: &str, model: &str| {
            let thinking = Host::all()[host].thinking(model)?;
            Some((!thinking.goes_on(), Value::from(thinking.fields().clone()).to_string()))
        };
        let says = |off: bool, fields: &str| Some((off, fields.to_owned()));
        for (host, model, said) in [
            ("deepseek", "deepseek-v4-flash", says(true, r#"{"thinking":{"type":"disabled"}}"#)),
            ("groq", "qwen/qwen3.8-27b", says(true, r#"{"reasoning_effort":"none"}"#)),
            ("groq", "openai/gpt-oss-20b", says(false, r#"{"reasoning_effort":"low"}"#)),
            ("groq", "llama-3.3-70b-versatile", None),
            ("zai", "glm-5.2", says(true, r#"{"thinking":{"type":"disabled"}}"#)),
            ("zai", "glm-5.3", says(false, r#"{"reasoning_effort":"low"}"#)),
            ("vllm", "Qwen/Qwen3-8B", says(true, r#"{"chat_template_kwargs":{"enable_thinking":false}}"#)),
            ("vllm", "Qwen/Qwen3-30B-A3B-Thinking-2507", says(false, "{}")),
            ("xai", "grok-4.20-0309-reasoning", says(false, "{}")),
            ("xai", "grok-4.20-0309-non-reasoning", says(true, "{}")),
            ("openrouter", "openai/gpt-6-luna", says(true, r#"{"reasoning":{"effort":"none"}}"#)),
            ("openrouter", "openai/gpt-oss-20b", says(false, r#"{"reasoning":{"effort":"minimal"}}"#)),
            ("openrouter", "openai/gpt-4.1", None),
        ] {
            assert_eq!(off(host, model), said, "{host}/{model}");
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, is) in [
            ("a*", "a", true),
            ("a*", "ab", true),
            ("a", "ab", false),
            ("*b", "aab", true),
            ("*ab", "abab", true),
            ("a*c*", "abcd", true),
            ("*x*", "abc", false),
            ("A-*", "a-B", true),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn what_the_file_sets_is_declared() {
        for (name, host) in Host::all() {
            let checked = crate::setting::check(&host.settings, &super::super::declared::SETTINGS);
            assert_eq!(checked, Ok(()), "{name}");
        }
    }

    #[test]
    fn an_address_that_is_incomplete_names_the_variable() {
        let setup = Setup::new("cloudflare", Map::new(), ".");
        if setup.variable("CLOUDFLARE_ACCOUNT_ID").is_some() {
            return;
        }
        let provider = super::super::OpenAiProvider::at_host(&Host::all()["cloudflare"], &setup).unwrap();
        assert_eq!(provider.info().access, Access::Missing("CLOUDFLARE_ACCOUNT_ID".into()));
    }

    #[test]
    fn the_key_of_a_host_stays_at_that_host() {
        let settings = serde_json::json!({"base_url": "https://elsewhere.example/v1"});
        let setup = Setup::new("groq", settings.as_object().cloned().unwrap(), ".");
        let error = Settings::read(&setup, Some(&Host::all()["groq"])).unwrap_err();
        assert!(error.message.contains("GROQ_API_KEY"), "{error}");
    }

    #[test]
    fn an_address_of_a_file_gets_a_key_of_the_same_file_or_none() {
        // PATH stands for a key that the environment holds.
        let settings = serde_json::json!({"api_key_env": "PATH"});
        let region = [("AWS_REGION".to_owned(), "evil.example/x".to_owned())].into();
        let setup = Setup::new("bedrock", settings.as_object().cloned().unwrap(), ".").variables(region);
        if std::env::var_os("AWS_REGION").is_none() {
            let settings = Settings::read(&setup, Some(&Host::all()["bedrock"])).unwrap();
            let withheld = settings.key(&setup).unwrap_err();
            assert_eq!((withheld.address.as_str(), withheld.secret.as_str()), ("AWS_REGION", "PATH"));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_panics(pattern in "[aé*]{0,8}", name in "\\PC{0,8}") {
            fits(&pattern, &name);
        }
    }
}
