//! `[prompt]`: the default prompt or messages of the user's own, and further prompts by name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use tunebench_data::{
    AnswerForm, Columns, LabelSet, Message, MessageTemplates, Prompt as Rendering, PromptError,
    PromptTemplate, Role,
};

/// The prompt of all models that choose no other, and those others, each under its name: `[prompt.NAME]`.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Prompt {
    /// The prompt of models that choose none.
    #[cfg_attr(test, schemars(flatten))]
    pub own: PromptSettings,
    /// Prompts that models choose by name.
    #[cfg_attr(test, schemars(flatten))]
    pub named: BTreeMap<String, PromptSettings>,
}

/// One prompt: the default one, with what is set here, or messages.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PromptSettings {
    /// What the model is told to do.
    pub instruction: Option<String>,
    /// The tag around the list of labels.
    pub categories_tag: Option<String>,
    /// The tag around the text.
    pub item_tag: Option<String>,
    /// The tag around the answer.
    pub output_tag: Option<String>,
    /// The form of the answer; where not set, that of `[evaluation]`.
    #[cfg_attr(test, schemars(with = "Option<super::schema::AnswerForm>"))]
    pub answer: Option<AnswerForm>,
    /// The messages themselves, instead of the default prompt.
    pub messages: Option<Vec<MessageSettings>>,
    /// Whether texts go into messages as they are, even where they hold a tag that stands in a message.
    pub verbatim: Option<bool>,
}

/// A message, inline or in a file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MessageSettings {
    /// Who says it.
    #[cfg_attr(test, schemars(with = "super::schema::Role"))]
    pub role: Role,
    /// A template of what is said: `{{ text }}`, `{{ labels | join(", ") }}`.
    pub content: Option<String>,
    /// The file that holds it, to the last byte.
    pub file: Option<PathBuf>,
}

/// The settings of a prompt by their names.
const SETTINGS: [&str; 7] =
    ["instruction", "categories_tag", "item_tag", "output_tag", "answer", "messages", "verbatim"];

/// Why there is no prompt: the setting at fault, where it is one, and what is wrong.
pub(crate) type PromptSettingError = (Option<&'static str>, String);

impl Prompt {
    /// All prompts, the one without a name first.
    pub fn all(&self) -> impl Iterator<Item = (Option<&str>, &PromptSettings)> {
        let named = self.named.iter().map(|(name, settings)| (Some(name.as_str()), settings));
        std::iter::once((None, &self.own)).chain(named)
    }
}

impl PromptSettings {
    /// The whole template of the default prompt.
    pub fn template(&self) -> PromptTemplate {
        let mut template = PromptTemplate::default();
        let parts = [
            (&mut template.instruction, &self.instruction),
            (&mut template.categories_tag, &self.categories_tag),
            (&mut template.item_tag, &self.item_tag),
            (&mut template.output_tag, &self.output_tag),
        ];
        for (part, set) in parts {
            if let Some(set) = set {
                part.clone_from(set);
            }
        }
        template
    }

    /// The columns that it shows, besides the text.
    pub(crate) fn columns(&self, folder: &Path) -> Result<Columns, PromptSettingError> {
        match self.messages(AnswerForm::Plain, BTreeMap::new(), folder)? {
            Some(messages) => messages.columns().map_err(mistake),
            None => Ok(Columns::None),
        }
    }

    /// The prompt for these labels. `form` is the form of the answer where none is set here; files are in `folder`.
    pub(crate) fn fitted(
        &self,
        labels: LabelSet,
        form: AnswerForm,
        descriptions: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Rendering, PromptSettingError> {
        let form = self.answer.clone().unwrap_or(form);
        let prompt = match self.messages(form.clone(), descriptions.clone(), folder)? {
            Some(messages) => Rendering::of_messages(messages, labels),
            None => Rendering::with_form(self.template(), labels, form)
                .and_then(|prompt| prompt.with_descriptions(descriptions.clone())),
        };
        prompt.map_err(mistake)
    }

    fn messages(
        &self,
        form: AnswerForm,
        descriptions: BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Option<MessageTemplates>, PromptSettingError> {
        let Some(messages) = &self.messages else {
            return match self.verbatim {
                None => Ok(None),
                Some(_) => {
                    Err((Some("verbatim"), "`verbatim` is about `messages`, and there are none".to_owned()))
                }
            };
        };
        let of_default = [
            ("instruction", &self.instruction),
            ("categories_tag", &self.categories_tag),
            ("item_tag", &self.item_tag),
        ];
        if let Some((name, _)) = of_default.into_iter().find(|(_, set)| set.is_some()) {
            return Err((
                Some(name),
                format!("`{name}` belongs to the default prompt, which `messages` replace"),
            ));
        }
        let messages = messages.iter().enumerate().map(|(index, message)| message.read(index + 1, folder));
        let mut templates = MessageTemplates::new(messages.collect::<Result<_, _>>()?, form);
        if let Some(tag) = &self.output_tag {
            templates.output_tag.clone_from(tag);
        }
        templates.descriptions = descriptions;
        templates.verbatim = self.verbatim.unwrap_or_default();
        Ok(Some(templates))
    }
}

impl MessageSettings {
    fn read(&self, number: usize, folder: &Path) -> Result<Message, PromptSettingError> {
        let wrong = |message: String| (Some("messages"), message);
        let content = match (&self.content, &self.file) {
            (Some(content), None) => content.clone(),
            (None, Some(file)) => fs_err::read_to_string(folder.join(file))
                .map_err(|error| wrong(format!("message {number}: {error}")))?,
            _ => return Err(wrong(format!("message {number} needs either `content` or `file`"))),
        };
        Ok(Message { role: self.role, content })
    }
}

fn mistake(error: PromptError) -> PromptSettingError {
    let setting = match error {
        PromptError::BadMessage { .. } | PromptError::NoText => Some("messages"),
        PromptError::BadPattern(_) | PromptError::Unreadable { .. } => Some("answer"),
        _ => None,
    };
    (setting, error.to_string())
}

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = Prompt;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Prompt, A::Error> {
                let mut prompt = Prompt::default();
                while let Some(key) = map.next_key::<String>()? {
                    let own = &mut prompt.own;
                    match key.as_str() {
                        "instruction" => own.instruction = Some(map.next_value()?),
                        "categories_tag" => own.categories_tag = Some(map.next_value()?),
                        "item_tag" => own.item_tag = Some(map.next_value()?),
                        "output_tag" => own.output_tag = Some(map.next_value()?),
                        "answer" => own.answer = Some(map.next_value()?),
                        "messages" => own.messages = Some(map.next_value()?),
                        "verbatim" => own.verbatim = Some(map.next_value()?),
                        name => match map.next_value()? {
                            Named::Prompt(settings) => _ = prompt.named.insert(name.to_owned(), *settings),
                            // Not a prompt of that name, then: a setting with a wrong one.
                            Named::Other => return Err(A::Error::unknown_field(name, &SETTINGS)),
                        },
                    }
                }
                Ok(prompt)
            }
        }

        deserializer.deserialize_map(Table)
    }
}

/// What stands under a name that is not a setting.
enum Named {
    Prompt(Box<PromptSettings>),
    Other,
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named, A::Error> {
                let settings = PromptSettings::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Named::Prompt(Box::new(settings)))
            }

            fn visit_str<E>(self, _: &str) -> Result<Named, E> {
                Ok(Named::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Named, E> {
                Ok(Named::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Named, E> {
                Ok(Named::Other)
            }
        }

        deserializer.deserialize_any(Any)
    }
}
