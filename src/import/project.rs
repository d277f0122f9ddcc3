//! The configuration of an imported project.

use tunebench_data::{AnswerForm, MessageTemplates, Role};

use crate::config::quoted;

/// The loss of accuracy that a replacement may have, until its owner says otherwise.
const MARGIN: f64 = 0.02;

/// A tuned model that is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Old {
    provider: String,
    tuned: String,
    base: String,
}

impl Old {
    /// The model of an id, and the base that the id names; `base` goes before it.
    pub(crate) fn new(tuned: &str, base: Option<&str>) -> Result<Self, String> {
        let (provider, tuned) = match tuned.split_once('/').filter(|_| !tuned.starts_with("ft:")) {
            Some((provider, model)) => (provider, model),
            None => ("openai", tuned),
        };
        let base = base.map(|base| base.strip_prefix(&format!("{provider}/")).unwrap_or(base));
        let named = tuned.strip_prefix("ft:").and_then(|rest| rest.split(':').next());
        let base = base.or(named.filter(|base| !base.is_empty()));
        let base = base.ok_or_else(|| format!("`{tuned}` does not name the model that it was tuned from"))?;
        Ok(Self { provider: provider.to_owned(), tuned: tuned.to_owned(), base: base.to_owned() })
    }

    /// The model as a reference.
    pub(crate) fn reference(&self) -> String {
        format!("{}/{}", self.provider, self.tuned)
    }
}

/// The word for a role in a configuration.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// `tunebench.toml`, with what was understood.
pub(super) fn configuration(prompt: &MessageTemplates, train: &str, test: &str, old: Option<&Old>) -> String {
    let mut lines = vec![
        "# Made by `tunebench import`. What each setting means: `tunebench init` writes all of them, with comments.".to_owned(),
        String::new(),
        "[data]".to_owned(),
        format!("train = {}", quoted(train)),
        format!("test = {}", quoted(test)),
        String::new(),
        "# The messages of the file that was imported, word by word: base and tuned models are asked with them.".to_owned(),
        "[prompt]".to_owned(),
        format!("answer = {}", answer(&prompt.answer)),
    ];
    if prompt.answer == AnswerForm::Tag {
        lines.push(format!("output_tag = {}", quoted(&prompt.output_tag)));
    }
    if prompt.verbatim {
        lines.push("# Some texts hold tags that stand in the messages, and were taught so.".to_owned());
        lines.push("verbatim = true".to_owned());
    }
    for message in &prompt.messages {
        lines.extend([
            String::new(),
            "[[prompt.messages]]".to_owned(),
            format!("role = {}", quoted(role(message.role))),
            format!("content = {}", quoted(&message.content)),
        ]);
    }
    lines.push(String::new());
    lines.extend(models(old));
    lines.join("\n") + "\n"
}

fn answer(form: &AnswerForm) -> String {
    match form {
        AnswerForm::Json(member) => format!("{{ json = {} }}", quoted(member)),
        AnswerForm::Pattern(pattern) => format!("{{ pattern = {} }}", quoted(pattern)),
        AnswerForm::Plain => quoted("plain"),
        AnswerForm::Schema => quoted("schema"),
        _ => quoted("tag"),
    }
}

/// The models: the old one with its base, and what could replace it.
fn models(old: Option<&Old>) -> Vec<String> {
    let local = [
        "# A small linear classifier, tuned here: it costs nothing.",
        "[[model]]",
        "base = \"local/lexical\"",
        "tune = {}",
    ];
    let local = local.map(str::to_owned);
    let Some(old) = old else { return local.to_vec() };
    let replaced = [
        "[evaluation]".to_owned(),
        "# All others get a verdict against this model: no worse, if they lose less than the margin."
            .to_owned(),
        format!("against = {}", quoted(&old.reference())),
        format!("margin = {MARGIN}"),
        String::new(),
        "# What you have today: the base, and the model that was tuned from it.".to_owned(),
        "[[model]]".to_owned(),
        format!("base = {}", quoted(&format!("{}/{}", old.provider, old.base))),
        format!("tuned = {}", quoted(&old.tuned)),
        String::new(),
        "# What could replace it; take out what you do not want. docs/replace.md goes through it.".to_owned(),
        "[[model]]".to_owned(),
        "base = \"openai/gpt-6-luna\"".to_owned(),
        "shots = { k = 10, select = \"nearest\" }".to_owned(),
        String::new(),
        "# [[model]]".to_owned(),
        "# base = \"vertex/gemini-3.5-flash\"".to_owned(),
        "# tune = {}".to_owned(),
        String::new(),
    ];
    replaced.into_iter().chain(local).collect()
}
