//! A promptfoo configuration as a project: its prompt, its test cases, its providers. OpenAI exports hosted evals in this
//! form too, with the rows in a JSON Lines file beside it.
//!
//! Documented at <https://www.promptfoo.dev/docs/configuration/reference/>.

mod cases;
mod prompt;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tunebench_data::{AnswerForm, LabelSet, Message, MessageTemplates, Prompt, Role};

use super::recover::{Item, Recovered};
use cases::Case;

/// What a configuration holds that a project needs.
pub(super) struct Configuration {
    pub(super) recovered: Recovered,
    /// Models as references, `openai/gpt-6-luna`.
    pub(super) models: Vec<String>,
    /// Providers that have no counterpart here.
    pub(super) unknown: Vec<String>,
}

/// Reads a file if it is a configuration of promptfoo's; `None` where it is something else.
pub(super) fn read(path: &Path) -> Result<Option<Configuration>, String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let is_yaml = matches!(extension, "yaml" | "yml");
    if !is_yaml && extension != "json" {
        return Ok(None);
    }
    let text = fs_err::read_to_string(path).map_err(|error| error.to_string())?;
    // JSON is YAML too.
    let config: Value = match serde_saphyr::from_str(&text) {
        Ok(config) => config,
        Err(error) if is_yaml => return Err(first_line(&error.to_string())),
        Err(_) => return Ok(None),
    };
    if config.get("prompts").or(config.get("tests")).is_none() {
        return if is_yaml { Err("it has neither `prompts` nor `tests`".to_owned()) } else { Ok(None) };
    }
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    configuration(&config, &folder).map(Some)
}

fn configuration(config: &Value, folder: &Path) -> Result<Configuration, String> {
    let messages = prompt::read(config.get("prompts").unwrap_or(&Value::Null), folder)?;
    let (cases, mut odd) = cases::read(config, folder)?;
    let answers: Vec<&str> = cases.iter().map(|case| case.answer.as_str()).collect();
    let member = json_member(&answers);
    let text = text_variable(&messages, &cases)?;
    let mut messages = prompt::with_text(messages, &text);
    let (form, content) = match &member {
        Some(member) => {
            let name = MessageTemplates::literal(&Value::from(member.as_str()).to_string());
            (AnswerForm::Json(member.clone()), format!("{{{name}: {{{{ label | tojson }}}}}}"))
        }
        None => (AnswerForm::Plain, "{{ label }}".to_owned()),
    };
    messages.push(Message { role: Role::Assistant, content });
    let mut items = Vec::with_capacity(cases.len());
    for case in cases {
        match item(case, &text, member.as_deref()) {
            Ok(item) => items.push(item),
            Err(problem) => odd.push(problem),
        }
    }
    let mut prompt = MessageTemplates::new(messages, form);
    prompt.verbatim = !is_harmless(&prompt, &items);
    let (models, unknown) = providers(config.get("providers").or(config.get("targets")));
    Ok(Configuration { recovered: Recovered { prompt, items, odd }, models, unknown })
}

/// A case as a row: one variable is the text, the others are columns.
fn item(case: Case, text: &str, member: Option<&str>) -> Result<Item, (u64, String)> {
    let Case { number, mut variables, answer } = case;
    let said = variables.remove(text).filter(|text| !text.trim().is_empty());
    let said = said.ok_or_else(|| (number, format!("its variable `{text}` is empty or missing")))?;
    let label = match member {
        None => Some(answer),
        Some(member) => object(&answer).and_then(|object| Some(object.get(member)?.as_str()?.to_owned())),
    };
    let is_label =
        |label: &String| !label.is_empty() && label.trim() == label && !label.chars().any(char::is_control);
    let label = label.filter(is_label).ok_or_else(|| (number, "its answer is not a label".to_owned()))?;
    variables.retain(|name, _| name != "text" && name != "label");
    Ok(Item { line: number, text: said, label, fields: variables.into_iter().collect() })
}

/// The variable that is the text: of those that the prompt shows, the one that says most.
fn text_variable(messages: &[Message], cases: &[Case]) -> Result<String, String> {
    let shown = prompt::variables(messages)?;
    let length = |name: &String| {
        cases.iter().filter_map(|case| case.variables.get(name)).map(String::len).sum::<usize>()
    };
    shown
        .into_iter()
        .map(|name| (length(&name), name))
        .filter(|(length, _)| *length > 0)
        .max()
        .map(|(_, name)| name)
        .ok_or_else(|| "its prompt shows no variable of its tests".to_owned())
}

/// The member that all answers have, where they are JSON objects with one text.
fn json_member(answers: &[&str]) -> Option<String> {
    let mut members = answers.iter().map(|answer| {
        let object = object(answer).filter(|object| object.len() == 1)?;
        object.into_iter().next().filter(|(_, value)| value.is_string()).map(|(name, _)| name)
    });
    let first = members.next()??;
    members.all(|member| member.as_ref() == Some(&first)).then_some(first)
}

fn object(text: &str) -> Option<serde_json::Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// Whether no text holds a tag that stands in the prompt: then making such tags harmless changes nothing.
fn is_harmless(prompt: &MessageTemplates, items: &[Item]) -> bool {
    let of = |verbatim| {
        let mut templates = prompt.clone();
        templates.verbatim = verbatim;
        let labels = LabelSet::new(vec!["label".to_owned()]).ok()?;
        Prompt::of_messages(templates, labels).ok()
    };
    let (Some(usual), Some(verbatim)) = (of(false), of(true)) else { return true };
    items.iter().all(|item| usual.render(item.text.as_str()) == verbatim.render(item.text.as_str()))
}

/// The models of a configuration, by our names, and what has none.
fn providers(listed: Option<&Value>) -> (Vec<String>, Vec<String>) {
    let one;
    let listed = match listed {
        Some(Value::Array(several)) => several.as_slice(),
        Some(single) => {
            one = [single.clone()];
            &one
        }
        None => &[],
    };
    let (mut models, mut unknown) = (Vec::new(), Vec::new());
    for provider in listed {
        let id = match provider {
            Value::String(id) => id,
            Value::Object(object) => match object.get("id") {
                Some(id) => id.as_str().unwrap_or_default(),
                // `openai:gpt-4.1: {config: …}`
                None => object.keys().next().map(String::as_str).unwrap_or_default(),
            },
            _ => "",
        };
        match reference(id) {
            Some(model) if !models.contains(&model) => models.push(model),
            Some(_) => {}
            None => unknown.push(if id.is_empty() { provider.to_string() } else { id.to_owned() }),
        }
    }
    (models, unknown)
}

/// `openai:chat:gpt-6-luna` as `openai/gpt-6-luna`.
fn reference(id: &str) -> Option<String> {
    let (host, rest) = id.split_once(':')?;
    let host = match host {
        "google" => "gemini",
        "togetherai" => "together",
        "openai" | "anthropic" | "vertex" | "groq" | "mistral" | "openrouter" | "deepseek" | "xai"
        | "ollama" | "cerebras" | "fireworks" | "together" => host,
        _ => return None,
    };
    let kinds = ["chat:", "responses:", "completion:", "completions:", "messages:"];
    let model = kinds.iter().find_map(|kind| rest.strip_prefix(kind)).unwrap_or(rest);
    (!model.is_empty()).then(|| format!("{host}/{model}"))
}

/// A file that a configuration names, `file://` or not.
fn beside(folder: &Path, name: &str) -> PathBuf {
    folder.join(name.strip_prefix("file://").unwrap_or(name))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_their_names_here() {
        let listed = serde_json::json!([
            "openai:gpt-6-luna", "openai:chat:ft:gpt-4.1-mini-2025-04-14:acme::Ab1",
            { "id": "anthropic:messages:claude-haiku-5-5", "config": { "temperature": 0 } },
            { "google:gemini-3.5-flash": {} }, "xai:grok-4", "togetherai:Qwen/Qwen3.5-9B", "file://own.py", 4
        ]);
        let (models, unknown) = providers(Some(&listed));
        assert_eq!(
            models,
            [
                "openai/gpt-6-luna",
                "openai/ft:gpt-4.1-mini-2025-04-14:acme::Ab1",
                "anthropic/claude-haiku-5-5",
                "gemini/gemini-3.5-flash",
                "xai/grok-4",
                "together/Qwen/Qwen3.5-9B"
            ]
        );
        assert_eq!(unknown, ["file://own.py", "4"]);
    }

    #[test]
    fn an_answer_is_json_only_where_all_are() {
        assert_eq!(json_member(&["{\"kind\":\"a\"}", "{\"kind\": \"b\"}"]).as_deref(), Some("kind"));
        for answers in [&["a", "b"][..], &["{\"kind\":\"a\"}", "b"], &["{\"kind\":1}"], &["{}"], &[]] {
            assert_eq!(json_member(answers), None, "{answers:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn hostile_configurations_end(text in "([\\[\\]{}:,&*a|>'\"#-]|prompts: |tests: |vars: |assert: |\n|  )*|\\PC*") {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("promptfooconfig.yaml");
            fs_err::write(&path, text).unwrap();
            let _ = read(&path);
        }
    }
}
