//! What a provider that is a program writes, line by line.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tunebench_providers::{AnswerMode, Provider, Registry, Setup};

use super::http::{ask, request};
use super::{Target, seeds};

/// What it says of itself where the input is its answer to what comes after that.
const ABILITIES: [&str; 2] = [
    r#"{"id":1,"result":{"protocol":1,"models":[{"id":"m"}],"fine_tuning":{"hyperparameters":["epochs"]}}}"#,
    r#"{"id":1,"result":{"protocol":1,"batch_size":4}}"#,
];

/// Answers of a program: the first byte says to which request, the rest is what it writes before it ends.
pub(super) const COMMAND: Target = Target {
    name: "command",
    start: || {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        let output = folder.path().join("output");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there are threads");
        let requests = [AnswerMode::Tag, AnswerMode::Schema].map(request);
        Box::new(move |bytes| {
            let (mode, lines) =
                bytes.split_first().map_or((0, bytes), |(mode, rest)| (usize::from(*mode), rest));
            std::fs::write(&output, lines).expect("a temporary file can be written");
            // The greeting, the question after its abilities, and then a request.
            let script = match ABILITIES.get(mode % 3) {
                Some(abilities) => format!("read -r x; read -r x; echo '{abilities}'; read -r x; cat output"),
                None => "read -r x; read -r x; cat output".to_owned(),
            };
            let command = format!("cd '{}'; {script}", folder.path().display());
            let settings = json!({ "command": ["sh", "-c", command], "timeout_seconds": 5 });
            let provider = provider(&settings, folder.path());
            runtime
                .block_on(ask(provider.as_ref(), &requests, mode / 3))
                .replace(&folder.path().display().to_string(), "")
        })
    },
    seeds: || seeds("command", &[]),
    words: &[
        "{\"id\":1,\"result\":{\"protocol\":1}}\n",
        "{\"id\":2,\"result\":{\"text\":\"card\"}}\n",
        "{\"id\":2,\"result\":{\"label\":\"card\",\"probabilities\":[0.5,0.5,0]}}\n",
        "{\"id\":2,\"error\":{\"cause\":\"rate_limit\",\"message\":\"x\",\"retry_after\":1}}\n",
        "\"results\"",
        "\"usage\"",
        "\"status\"",
        "\"models\"",
    ],
};

fn provider(settings: &Value, state: &Path) -> Arc<dyn Provider> {
    let variables = std::env::var("PATH").map(|path| ("PATH".to_owned(), path));
    let setup =
        Setup::new("command", settings.as_object().cloned().expect("it is an object"), state.to_owned())
            .variables(BTreeMap::from_iter(variables));
    Registry::builtin().create("command", &setup).expect("it is built in").expect("the settings are right")
}
