//! The one prompt of a promptfoo configuration: a text, a conversation in JSON, or a file with either. Its templates are
//! Nunjucks, which shares what prompts use of it with Jinja.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tunebench_data::{AnswerForm, Columns, Message, MessageTemplates, Role};

use super::beside;

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

/// The messages of the prompt.
pub(super) fn read(prompts: &Value, folder: &Path) -> Result<Vec<Message>, String> {
    let prompt = match prompts {
        Value::Array(several) => match several.as_slice() {
            [one] => one,
            [] => return Err("it has no prompt".to_owned()),
            more => {
                return Err(format!(
                    "it has {} prompts, and a project of it has one: leave one in `prompts`",
                    more.len()
                ));
            }
        },
        Value::Null => return Err("it has no prompt".to_owned()),
        one => one,
    };
    let text = match prompt {
        Value::String(text) => text,
        Value::Object(object) => {
            let text = object.get("raw").or(object.get("id")).and_then(Value::as_str);
            text.ok_or("its prompt is an object without `raw` or `id`")?
        }
        _ => return Err("its prompt is not a string".to_owned()),
    };
    let file = text.starts_with("file://") || text.ends_with(".txt") || text.ends_with(".json");
    if !file {
        return messages(text);
    }
    let path = beside(folder, text);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if !matches!(extension, "txt" | "json" | "md" | "j2" | "yaml" | "yml") {
        return Err(format!("its prompt `{text}` can't be read as text"));
    }
    let text = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
    if extension == "txt" && text.lines().any(|line| line.trim() == "---") {
        return Err(format!("`{}` holds several prompts, and a project of it has one", path.display()));
    }
    match extension {
        "yaml" | "yml" => {
            let said: Vec<Said> = serde_saphyr::from_str(&text).map_err(|error| {
                format!("`{}`: {}", path.display(), super::first_line(&error.to_string()))
            })?;
            said.into_iter().map(message).collect()
        }
        _ => messages(text.trim_end_matches('\n')),
    }
}

/// A conversation in JSON, or else one message of the user.
fn messages(text: &str) -> Result<Vec<Message>, String> {
    match serde_json::from_str::<Vec<Said>>(text) {
        Ok(said) => said.into_iter().map(message).collect(),
        Err(_) => Ok(vec![Message { role: Role::User, content: text.to_owned() }]),
    }
}

fn message(said: Said) -> Result<Message, String> {
    let role = match said.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => return Err(format!("a message of its prompt has the role `{}`", other.escape_debug())),
    };
    Ok(Message { role, content: said.content })
}

/// The variables that messages show.
pub(super) fn variables(messages: &[Message]) -> Result<Vec<String>, String> {
    let templates = MessageTemplates::new(messages.to_vec(), AnswerForm::Plain);
    let columns = templates.columns().map_err(|error| error.to_string())?;
    let mut names = match columns {
        Columns::Named(names) => names,
        _ => Vec::new(),
    };
    // The text is not among the columns.
    if names.is_empty() || messages.iter().any(|message| with_name(&message.content, "text").is_some()) {
        names.push("text".to_owned());
    }
    Ok(names)
}

/// The same messages, with a variable under the name that the text has here.
pub(super) fn with_text(mut messages: Vec<Message>, variable: &str) -> Vec<Message> {
    for message in &mut messages {
        if let Some(content) = with_name(&message.content, variable) {
            message.content = content;
        }
    }
    messages
}

/// A template in which `{{ name }}` and `{{ item.name }}` have become `{{ text }}`; none where neither stands in it.
fn with_name(template: &str, name: &str) -> Option<String> {
    let (mut out, mut rest, mut found) = (String::new(), template, false);
    while let Some((before, from)) = rest.split_once("{{") {
        let Some((inside, behind)) = from.split_once("}}") else { break };
        let shown = inside.trim_matches('-').trim();
        let shown = shown.strip_prefix("item.").unwrap_or(shown);
        out.push_str(before);
        match shown.split_once('|').map_or((shown, None), |(shown, filters)| (shown.trim(), Some(filters))) {
            (shown, filters) if shown == name => {
                found = true;
                let filters = filters.map_or(String::new(), |filters| format!("| {} ", filters.trim()));
                out.push_str(&format!("{{{{ text {filters}}}}}"));
            }
            _ => out.push_str(&format!("{{{{{inside}}}}}")),
        }
        rest = behind;
    }
    out.push_str(rest);
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_takes_the_name_of_the_text() {
        let named = |template| with_name(template, "ticket");
        assert_eq!(named("Sort: {{ticket}}!").as_deref(), Some("Sort: {{ text }}!"));
        assert_eq!(named("{{ item.ticket }} {{ other }}").as_deref(), Some("{{ text }} {{ other }}"));
        assert_eq!(named("{{ ticket | trim }}").as_deref(), Some("{{ text | trim }}"));
        assert_eq!(named("{{ tickets }} {{ ticket"), None);
    }
}
