//! The configuration of an imported project.

use jiff::civil::Date;
use tunebench_data::{AnswerForm, MessageTemplates, Role};
use tunebench_providers::catalog::{Catalog, KnownModel};

use crate::config::quoted;

/// The loss of accuracy that a replacement may have, until its owner says otherwise.
const MARGIN: f64 = 0.02;

/// A tuned model that is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Old {
    provider: String,
    tuned: String,
    base: String,
}

impl Old {
    /// The model of an id, and the base that the id names; `base` goes before it.
    pub fn new(tuned: &str, base: Option<&str>) -> Result<Self, String> {
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
    pub fn reference(&self) -> String {
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

/// `tunebench.toml`, with what was understood. `listed` are models that stood in what was imported.
pub(super) fn configuration(
    prompt: &MessageTemplates,
    train: Option<&str>,
    test: &str,
    old: Option<&Old>,
    listed: &[String],
) -> String {
    let mut lines = vec![
        "# Made by `tunebench import`. What each setting means: `tunebench init` writes all of them, with comments.".to_owned(),
        String::new(),
        "[data]".to_owned(),
    ];
    lines.extend(train.map(|train| format!("train = {}", quoted(train))));
    lines.extend([
        format!("test = {}", quoted(test)),
        String::new(),
        "# The messages of the file that was imported, word by word: base and tuned models are asked with them.".to_owned(),
        "[prompt]".to_owned(),
        format!("answer = {}", answer(&prompt.answer)),
    ]);
    if prompt.answer == AnswerForm::Tag {
        lines.push(format!("output_tag = {}", quoted(&prompt.output_tag)));
    }
    if prompt.verbatim {
        lines.push(
            "# Some texts contain tags of the messages, and the model was trained on them as they are."
                .to_owned(),
        );
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
    lines.extend(models(train.is_some(), old, listed));
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

/// The models: the old one with its base, what could replace it, and what was listed.
fn models(has_train: bool, old: Option<&Old>, listed: &[String]) -> Vec<String> {
    let mut lines = old.map_or_else(Vec::new, |old| replaced(old, has_train));
    let known = |model: &String| old.is_some_and(|old| *model == old.reference());
    for model in listed.iter().filter(|model| !known(model)) {
        match model.split_once("/ft:") {
            Some((provider, rest)) => {
                let base = rest.split(':').next().unwrap_or_default();
                lines.extend(entry(
                    &format!("{provider}/{base}"),
                    &[format!("tuned = {}", quoted(&format!("ft:{rest}")))],
                ));
            }
            None => lines.extend(entry(model, &[])),
        }
    }
    if has_train {
        lines.push("# A small linear classifier, tuned here: it costs nothing.".to_owned());
        lines.extend(entry("local/lexical", &["tune = {}".to_owned()]));
    } else if lines.is_empty() {
        lines.push("# The models to ask: `tunebench providers` lists where they may be.".to_owned());
        lines.extend(entry("openai/gpt-6-luna", &[]));
    }
    // The last one ends with an empty line that the file does not need.
    lines.pop();
    lines
}

fn entry(base: &str, settings: &[String]) -> Vec<String> {
    let mut lines = vec!["[[model]]".to_owned(), format!("base = {}", quoted(base))];
    lines.extend_from_slice(settings);
    lines.push(String::new());
    lines
}

fn replaced(old: &Old, has_train: bool) -> Vec<String> {
    let mut lines = vec![
        "[evaluation]".to_owned(),
        "# All others get a verdict against this model: no worse, if they lose less than the margin."
            .to_owned(),
        format!("against = {}", quoted(&old.reference())),
        format!("margin = {MARGIN}"),
        String::new(),
        "# What you have today: the base, and the model that was tuned from it.".to_owned(),
    ];
    let base = format!("{}/{}", old.provider, old.base);
    lines.extend(entry(&base, &[format!("tuned = {}", quoted(&old.tuned))]));
    lines.push(
        "# What could replace it; take out what you do not want. docs/replace.md goes through it.".to_owned(),
    );
    let catalog = Catalog::built_in();
    let shots = has_train.then(|| "shots = { k = 10, select = \"nearest\" }".to_owned());
    lines.extend(entry(&successor(catalog, old), shots.as_slice()));
    if let Some(model) = tunable(catalog, jiff::Zoned::now().date()).filter(|_| has_train) {
        let entry = entry(&model, &["tune = {}".to_owned()]);
        lines.extend(entry.into_iter().map(|line| if line.is_empty() { line } else { format!("# {line}") }));
    }
    lines
}

/// What the maker names instead of the old model or its base.
fn successor(catalog: &Catalog, old: &Old) -> String {
    let named = [&old.tuned, &old.base].into_iter().find_map(|model| {
        let known = catalog.find(&old.provider, model)?;
        known.replacement.as_ref().map(|model| format!("{}/{model}", known.host))
    });
    named.unwrap_or_else(|| "openai/gpt-6-luna".to_owned())
}

/// The model of Google's, the one host that still tunes for newcomers, that will be there longest; the cheapest of several.
fn tunable(catalog: &Catalog, today: Date) -> Option<String> {
    let open = catalog.iter().filter(|model| {
        model.host == "vertex"
            && model.tunable
            && !model.is_retired(today)
            && model.tunable_until.is_none_or(|day| day > today)
    });
    let end = |model: &KnownModel| model.retires.unwrap_or(Date::MAX);
    let price = |model: &KnownModel| model.prices.input.unwrap_or(f64::MAX);
    let best = open.max_by(|a, b| end(a).cmp(&end(b)).then(price(b).total_cmp(&price(a))))?;
    Some(format!("{}/{}", best.host, best.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_come_from_the_catalog() {
        let old = Old::new("ft:gpt-4.1-mini-2025-04-14:acme::Ab12", None).unwrap();
        assert_eq!(successor(Catalog::built_in(), &old), "openai/gpt-6-luna");
        let day = Date::constant(2026, 11, 28);
        assert_eq!(tunable(Catalog::built_in(), day).as_deref(), Some("vertex/gemini-3.5-flash-lite"));
        assert_eq!(tunable(Catalog::built_in(), Date::constant(2031, 1, 1)), None);
    }
}
