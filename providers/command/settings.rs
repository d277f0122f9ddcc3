//! What stands under `[providers.NAME]` with `kind = "command"`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::settings::{seconds, text, unknown, variable_name, wrong};
use crate::{SettingError, Setup};

const KNOWN: [&str; 5] = ["command", "env", "settings", "identity", "timeout_seconds"];

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
        let (mut command, mut env, mut own, mut identity) = (Vec::new(), BTreeMap::new(), Map::new(), None);
        let mut timeout = Duration::from_secs(300);
        for (name, value) in &setup.settings {
            match name.as_str() {
                "command" => command = words(name, value)?,
                "env" => {
                    for variable in words(name, value)? {
                        variable_name(name, &variable)?;
                        env.insert(variable.clone(), setup.variable(&variable));
                    }
                }
                "settings" => {
                    own = value
                        .as_object()
                        .ok_or_else(|| wrong(name, "a table of settings for the program"))?
                        .clone();
                }
                "identity" => identity = Some(text(name, value)?.to_owned()),
                "timeout_seconds" => timeout = Duration::from_secs(seconds(name, value)?),
                _ => return Err(unknown(name, &KNOWN)),
            }
        }
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

fn words(name: &str, value: &Value) -> Result<Vec<String>, SettingError> {
    let words =
        value.as_array().map(|words| words.iter().map(|word| word.as_str().map(str::to_owned)).collect());
    let words: Option<Vec<String>> = words.flatten();
    words.ok_or_else(|| wrong(name, "a list of texts"))
}
