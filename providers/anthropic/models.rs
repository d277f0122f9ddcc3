//! What is known of Anthropic's models: how to keep each from thinking, and what the catalog says of its dates.
//!
//! From the pages on extended thinking and on what is new in each model, and the types of the official Python package
//! 2.14.0, read in November 2026.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::Value;

use super::declared::Caching;
use super::settings::Settings;
use crate::catalog::{Catalog, KnownModel};

/// The name of the host in the catalog.
const HOST: &str = "anthropic";

/// How a model is kept from thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It does not think unless asked to.
    Unasked,
    /// It is told not to.
    Disabled,
    /// It is told to think between calls of tools only, of which there are none.
    BetweenTools,
    /// It can't be; it is told to think little.
    Always,
}

/// What is known of a family of models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Traits {
    /// Ids that begin so are meant; the longest such beginning decides.
    prefix: &'static str,
    thinking: Thinking,
    /// Whether it takes an effort.
    effort: bool,
    /// Whether answers can be confined to a schema.
    schema: bool,
}

/// What an unknown model is taken for: the newer ones think unless told not to.
const UNKNOWN: Traits = Traits { prefix: "", thinking: Thinking::Disabled, effort: true, schema: true };

#[rustfmt::skip]
const TABLE: &[Traits] = &[
    Traits { prefix: "claude-fable", thinking: Thinking::Always, ..UNKNOWN },
    Traits { prefix: "claude-mythos", thinking: Thinking::Always, ..UNKNOWN },
    Traits { prefix: "claude-opus-5-5", thinking: Thinking::Always, ..UNKNOWN },
    Traits { prefix: "claude-sonnet-5-5", thinking: Thinking::BetweenTools, ..UNKNOWN },
    Traits { prefix: "claude-haiku-5-5", ..UNKNOWN },
    Traits { prefix: "claude-opus-5", ..UNKNOWN },
    Traits { prefix: "claude-sonnet-5", ..UNKNOWN },
    Traits { prefix: "claude-opus-4-8", thinking: Thinking::Unasked, ..UNKNOWN },
    Traits { prefix: "claude-opus-4-7", thinking: Thinking::Unasked, ..UNKNOWN },
    Traits { prefix: "claude-opus-4-6", thinking: Thinking::Unasked, ..UNKNOWN },
    Traits { prefix: "claude-sonnet-4-6", thinking: Thinking::Unasked, ..UNKNOWN },
    Traits { prefix: "claude-opus-4-5", thinking: Thinking::Unasked, ..UNKNOWN },
    Traits { prefix: "claude-sonnet-4-5", thinking: Thinking::Unasked, effort: false, ..UNKNOWN },
    Traits { prefix: "claude-haiku-4-5", thinking: Thinking::Unasked, effort: false, ..UNKNOWN },
    Traits { prefix: "claude-opus-4", thinking: Thinking::Unasked, effort: false, schema: false },
    Traits { prefix: "claude-sonnet-4", thinking: Thinking::Unasked, effort: false, schema: false },
    Traits { prefix: "claude-3", thinking: Thinking::Unasked, effort: false, schema: false },
];

/// Models that a user would choose from.
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("claude-haiku-5-5", "small and cheap"),
    ("claude-sonnet-5-5", ""),
    ("claude-opus-5-5", "thinks before it answers, which is billed"),
];

impl Traits {
    /// What the table says of a model.
    pub(super) fn of(model: &str) -> Self {
        let fits = TABLE.iter().filter(|traits| {
            // `claude-opus-5` is not the beginning of `claude-opus-50`.
            let rest = model.strip_prefix(traits.prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        *fits.max_by_key(|traits| traits.prefix.len()).unwrap_or(&UNKNOWN)
    }

    /// The same, corrected by the capabilities that the service states for the model, as far as it does.
    pub(super) fn stated(self, model: &Value) -> Self {
        let stated = |pointer: &str| model.pointer(pointer)?.as_bool();
        let types = |name: &str| stated(&format!("/capabilities/thinking/types/{name}/supported"));
        let thinking = match (self.thinking, types("disabled"), types("between_tools")) {
            (Thinking::Unasked, ..) => Thinking::Unasked,
            (_, Some(true), _) => Thinking::Disabled,
            (_, _, Some(true)) => Thinking::BetweenTools,
            (_, Some(false), _) => Thinking::Always,
            (known, ..) => known,
        };
        Self {
            thinking,
            effort: stated("/capabilities/effort/low/supported").unwrap_or(self.effort),
            schema: stated("/capabilities/structured_outputs/supported").unwrap_or(self.schema),
            ..self
        }
    }
}

/// A field that a model refused and that a request can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Droppable {
    /// How not to think.
    Thinking,
    /// How much to think.
    Effort,
}

impl Droppable {
    /// The field that a message speaks of.
    pub(super) fn named(message: &str) -> Option<(Self, &'static str)> {
        let message = message.to_ascii_lowercase();
        [(Self::Effort, "effort"), (Self::Thinking, "thinking")]
            .into_iter()
            .find(|(_, name)| message.contains(name))
    }
}

/// How to speak to one model: the table, corrected by what the user set and by what the model refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dialect {
    /// What `thinking.type` is set to, if it is.
    pub(super) thinking: Option<&'static str>,
    /// The effort to ask for.
    pub(super) effort: Option<String>,
    /// Whether hidden reasoning needs room in the cap.
    pub(super) thinks: bool,
    /// Whether answers can be confined to a schema.
    pub(super) schema: bool,
    /// Whether to send a stop sequence.
    pub(super) stop: bool,
    /// How long the fixed part of the prompt is kept.
    pub(super) caching: Caching,
}

impl Dialect {
    /// How to speak to a model.
    pub(super) fn new(traits: Traits, settings: &Settings, refused: &BTreeSet<Droppable>) -> Self {
        let wanted = settings.effort.clone();
        // Whoever names an effort wants the model to think.
        let thinking = match traits.thinking {
            _ if wanted.is_some() || refused.contains(&Droppable::Thinking) => None,
            Thinking::Disabled => Some("disabled"),
            Thinking::BetweenTools => Some("between_tools"),
            Thinking::Unasked | Thinking::Always => None,
        };
        let thinks =
            wanted.is_some() || traits.thinking == Thinking::Always || refused.contains(&Droppable::Thinking);
        let least = (thinks && traits.effort).then(|| "low".to_owned());
        Self {
            thinking,
            effort: wanted.or(least).filter(|_| !refused.contains(&Droppable::Effort)),
            thinks,
            schema: settings.schema && traits.schema,
            stop: settings.stop,
            caching: settings.caching,
        }
    }
}

/// What the catalog says of a model.
pub(super) fn known(model: &str) -> Option<&'static KnownModel> {
    Catalog::built_in().find(HOST, model)
}

/// The day on which a model stops to answer, where one is announced.
pub(super) fn shutdown_date(model: &str) -> Option<Date> {
    known(model)?.retires
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Setup;

    fn dialect(model: &str, refused: &[Droppable]) -> Dialect {
        let settings = Settings::read(&Setup::new("anthropic", Default::default(), ".")).unwrap();
        Dialect::new(Traits::of(model), &settings, &refused.iter().copied().collect())
    }

    #[test]
    fn thinking_about_a_label_is_off_or_at_its_least() {
        for (model, thinking, effort) in [
            ("claude-haiku-5-5", Some("disabled"), None),
            ("claude-sonnet-5-5", Some("between_tools"), None),
            ("claude-opus-5-5", None, Some("low")),
            ("claude-fable-5-1", None, Some("low")),
            ("claude-opus-5", Some("disabled"), None),
            ("claude-opus-4-8", None, None),
            ("claude-haiku-4-5-20251001", None, None),
            ("claude-comet-7", Some("disabled"), None),
        ] {
            let dialect = dialect(model, &[]);
            assert_eq!((dialect.thinking, dialect.effort.as_deref()), (thinking, effort), "{model}");
            assert_eq!(dialect.thinks, effort.is_some(), "{model}");
        }
    }

    #[test]
    fn what_is_refused_is_not_sent_again() {
        let healed = dialect("claude-comet-7", &[Droppable::Thinking]);
        assert_eq!((healed.thinking, healed.effort.as_deref(), healed.thinks), (None, Some("low"), true));
        let silent = dialect("claude-comet-7", &[Droppable::Thinking, Droppable::Effort]);
        assert_eq!((silent.thinking, silent.effort), (None, None));
        assert_eq!(
            Droppable::named("thinking.type: disabled is not supported").unwrap().0,
            Droppable::Thinking
        );
        assert_eq!(Droppable::named("output_config.effort: Extra inputs").unwrap().0, Droppable::Effort);
        assert_eq!(Droppable::named("messages: at least one message is required"), None);
    }

    #[test]
    fn what_the_service_states_goes_before_the_table() {
        let thinking = |disabled: bool, between: bool| {
            json!({"capabilities": {"thinking": {"supported": true, "types": {
                "disabled": {"supported": disabled}, "between_tools": {"supported": between}}},
                "structured_outputs": {"supported": false}}})
        };
        let stated = Traits::of("claude-comet-7").stated(&thinking(false, true));
        assert_eq!((stated.thinking, stated.schema), (Thinking::BetweenTools, false));
        assert_eq!(Traits::of("claude-comet-7").stated(&thinking(false, false)).thinking, Thinking::Always);
        assert_eq!(Traits::of("claude-opus-5-5").stated(&thinking(true, true)).thinking, Thinking::Disabled);
        for nothing in [json!({}), json!(null), json!({"capabilities": {"thinking": {"supported": true}}})] {
            assert_eq!(Traits::of("claude-opus-5-5").stated(&nothing), Traits::of("claude-opus-5-5"));
        }
    }

    #[test]
    fn every_model_to_choose_from_has_a_price_and_answers_still() {
        for (model, _) in KNOWN {
            let known = known(model).unwrap();
            assert!(known.prices.is_complete() && known.retires.is_none(), "{model}");
        }
        assert_eq!(shutdown_date("claude-sonnet-4-5").unwrap().to_string(), "2026-11-30");
    }
}
