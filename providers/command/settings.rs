//! What stands under `[providers.NAME]` with `kind = "command"`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::setting::variable_name;
use crate::{Setting, SettingError, SettingType, Setup, timeouts};

pub(super) const SETTINGS: [Setting; 5] = [
    Setting::new("command", SettingType::Texts, "the program and its arguments"),
    Setting::new("env", SettingType::Texts, "variables of the environment that the program gets to see"),
    Setting::new("settings", SettingType::Table, "settings of the program itself"),
    Setting::text(
        "identity",
        "what its answers are kept under, where not command and settings tell programs apart",
    ),
    Setting::seconds("timeout_seconds", "for one answer").default("300").unseen(),
];

/// What a program needs to run at all, and what no secret lies in.
const HARMLESS: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "PWD",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "SYSTEMROOT",
    "USERPROFILE",
];
/// Shorter values can't be told from words.
const SHORTEST_SECRET: usize = 6;

/// Read and checked.
pub(super) struct Settings {
    pub(super) command: Vec<String>,
    /// The variables that the child gets besides, with their values where they are set.
    pub(super) env: BTreeMap<String, Option<String>>,
    /// For the child alone.
    pub(super) own: Map<String, Value>,
    /// What answers are kept under, instead of command and settings.
    identity: Option<String>,
    pub(super) timeout: Duration,
    harmless: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn read(setup: &Setup) -> Result<Self, SettingError> {
        setup.check(&SETTINGS)?;
        let command = texts(setup, "command");
        let mut env = BTreeMap::new();
        for variable in texts(setup, "env") {
            variable_name("env", &variable)?;
            env.insert(variable.clone(), setup.variable(&variable));
        }
        let own = setup.settings.get("settings").and_then(Value::as_object).cloned().unwrap_or_default();
        let identity = setup.text("identity").map(|identity| identity.trim().to_owned());
        let timeout = setup.number("timeout_seconds").map_or(timeouts::PROGRAM_ANSWER, Duration::from_secs);
        if command.is_empty() {
            return Err(SettingError::new(format!(
                "`[providers.{}]` needs `command`: the program and its arguments, such as [\"python3\", \"provider.py\"]",
                setup.name
            )));
        }
        let harmless =
            HARMLESS.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        Ok(Self { command, env, own, identity, timeout, harmless: harmless.collect() })
    }

    /// The first variable that was named and is not set.
    pub(super) fn missing(&self) -> Option<&str> {
        self.env.iter().find(|(_, value)| value.is_none()).map(|(name, _)| name.as_str())
    }

    /// All that the child gets to see.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let named = self.env.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        // What Python prints must reach us at once, and in UTF-8.
        let python = [("PYTHONUNBUFFERED", "1"), ("PYTHONUTF8", "1")];
        let python = python.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.harmless.clone().into_iter().chain(python).chain(named).collect()
    }

    /// The values that were named for it.
    pub(super) fn secrets(&self) -> Vec<String> {
        let values = self.env.values().flatten();
        values.filter(|value| value.len() >= SHORTEST_SECRET).cloned().collect()
    }

    /// What tells answers of this program from those of another.
    pub(super) fn identity(&self) -> String {
        match &self.identity {
            Some(identity) => format!("identity {identity}"),
            None => json!({ "command": self.command, "settings": self.own }).to_string(),
        }
    }
}

/// A setting that is a list of texts.
fn texts(setup: &Setup, name: &str) -> Vec<String> {
    let list = setup.settings.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
