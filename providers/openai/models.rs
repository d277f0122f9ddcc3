//! What each model takes and gives: the one place for their quirks.
//!
//! From OpenAI's model pages (<https://developers.openai.com/api/docs/models>) as of 2026-11-22, and from what others
//! verified against the live service. What is wrong or missing here costs one refused request: the parameter is then
//! dropped. Dates and prices are not here but in the [catalog](crate::catalog).

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::declared::TokenField;
use super::hosts::Thinking;
use super::settings::Settings;
use crate::catalog::{Catalog, KnownModel};

/// How the catalog calls OpenAI itself.
const HOST: &str = "openai";

/// What is known of a family of models.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quirks {
    /// Ids that begin so are meant; the longest such beginning decides.
    prefix: &'static str,
    /// Sampling temperature is taken with the effort below.
    temperature: bool,
    /// The effort to ask for, so that no hidden reasoning is paid for; `None`: the field is not taken.
    effort: Option<&'static str>,
    /// Log-probabilities are given with the effort below.
    logprobs: bool,
    /// Stop sequences are taken.
    stop: bool,
    /// It thinks before it answers even so, and needs room for it in the output cap.
    thinks: bool,
}

/// Takes all that a classic chat model takes.
const CLASSIC: Quirks =
    Quirks { prefix: "", temperature: true, effort: None, logprobs: true, stop: true, thinks: false };

/// Takes little and thinks long: what an unknown model is taken for.
const REASONING: Quirks =
    Quirks { temperature: false, effort: Some("low"), logprobs: false, stop: false, thinks: true, ..CLASSIC };

/// Can be told not to think, and is a classic model then.
const THINKS_IF_ASKED: Quirks = Quirks { effort: Some("none"), logprobs: false, ..CLASSIC };

#[rustfmt::skip]
const TABLE: &[Quirks] = &[
    Quirks { prefix: "gpt-4.1", ..CLASSIC },
    Quirks { prefix: "gpt-4o", ..CLASSIC },
    Quirks { prefix: "gpt-4", ..CLASSIC },
    Quirks { prefix: "gpt-3.5-turbo", ..CLASSIC },
    Quirks { prefix: "babbage-002", ..CLASSIC },
    Quirks { prefix: "davinci-002", ..CLASSIC },
    Quirks { prefix: "gpt-5", effort: Some("minimal"), ..REASONING },
    Quirks { prefix: "gpt-5.1", ..THINKS_IF_ASKED },
    Quirks { prefix: "gpt-5.2", logprobs: true, ..THINKS_IF_ASKED },
    Quirks { prefix: "gpt-5.4", logprobs: true, ..THINKS_IF_ASKED },
    Quirks { prefix: "gpt-5.5", ..THINKS_IF_ASKED },
    Quirks { prefix: "gpt-5.6", ..THINKS_IF_ASKED },
    Quirks { prefix: "gpt-6-luna", ..THINKS_IF_ASKED },
    Quirks { prefix: "gpt-6-sol", ..THINKS_IF_ASKED },
    Quirks { prefix: "gpt-6.1-terra", ..THINKS_IF_ASKED },
];

/// Models that a user would choose from, with a few words on those that are not plain.
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("gpt-4.1-2025-04-14", ""),
    ("gpt-4.1-mini-2025-04-14", ""),
    ("gpt-4o-2024-08-06", ""),
    ("gpt-4o-mini-2024-07-18", ""),
    ("decisions/gpt-6-luna", "made for classification: a probability for each of up to 255 labels"),
    ("gpt-6-luna", "small and cheap"),
    ("responses/gpt-6-luna", "the same, through the Responses API"),
];

/// The base of a tuned model's id (`ft:BASE:ORG:SUFFIX:ID`, checkpoints included), or the id itself.
pub(super) fn base_of(model: &str) -> &str {
    match model.strip_prefix("ft:") {
        Some(rest) => rest.split(':').next().unwrap_or(rest),
        None => model,
    }
}

fn quirks(model: &str) -> &'static Quirks {
    let base = base_of(model);
    let fits = TABLE.iter().filter(|quirks| {
        // `gpt-5` is not the beginning of `gpt-5.6`, nor `gpt-4` of `gpt-41`.
        let rest = base.strip_prefix(quirks.prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    fits.max_by_key(|quirks| quirks.prefix.len()).unwrap_or(&REASONING)
}

/// What the catalog says of a model; of a tuned one without an entry of its own, what it says of the base.
fn known(model: &str) -> Option<&'static KnownModel> {
    let catalog = Catalog::built_in();
    catalog.find(HOST, model).or_else(|| catalog.find(HOST, base_of(model)))
}

/// The base of a fine-tuning job: one of the bases that OpenAI tunes, or a model tuned from one before.
fn tuning_base(model: &str) -> Option<&'static KnownModel> {
    Catalog::built_in().find(HOST, base_of(model)).filter(|known| known.tunable)
}

/// Whether a job can start from it.
pub(super) fn is_tunable(model: &str) -> bool {
    // What an undated name means can change, and so OpenAI tunes snapshots only.
    tuning_base(model).is_some_and(|known| known.id == base_of(model))
}

/// All bases that can be tuned.
pub(super) fn tunable() -> Vec<&'static str> {
    let models = Catalog::built_in().iter().filter(|known| known.host == HOST && known.tunable);
    models.map(|known| known.id.as_str()).collect()
}

/// The first day on which OpenAI lets nobody create a job with this base, or with any.
pub(super) fn training_closes(base: &str) -> Option<Date> {
    let own = tuning_base(base).and_then(|known| known.tunable_until);
    let last = || {
        Catalog::built_in().iter().filter(|known| known.host == HOST).filter_map(|k| k.tunable_until).max()
    };
    own.or_else(last)
}

/// What OpenAI names as the replacement of a model, through Decisions where it answers there.
pub(super) fn replacement(model: &str) -> Option<String> {
    let named = known(model)?.replacement.as_deref()?;
    let deciding = format!("decisions/{named}");
    Some(if Catalog::built_in().find(HOST, &deciding).is_some() { deciding } else { named.to_owned() })
}

/// The day on which a model stops to answer, where one is announced.
pub(super) fn shutdown_date(model: &str) -> Option<Date> {
    known(model)?.retires
}

/// How to speak to one model: the table, corrected by what the user switched and by what the model refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dialect {
    /// Which field caps a chat answer; none when both were refused.
    pub(super) token_field: Option<TokenField>,
    /// Whether the cap of a Responses answer is taken.
    pub(super) output_cap: bool,
    /// Whether a temperature may be sent where the user gives none.
    pub(super) temperature: bool,
    /// Set once the model refused any temperature.
    pub(super) no_temperature: bool,
    /// The effort to ask for.
    pub(super) effort: Option<String>,
    /// What the host wants to be sent so that no thinking is paid for.
    pub(super) thinking: Map<String, Value>,
    /// Whether to ask for log-probabilities.
    pub(super) logprobs: bool,
    /// Whether answers can be confined to a schema.
    pub(super) schema: bool,
    /// Whether to send a stop sequence.
    pub(super) stop: bool,
    /// Whether to ask that nothing be kept there.
    pub(super) no_store: bool,
    /// What the task's role is called.
    pub(super) system_role: &'static str,
    /// Whether hidden reasoning needs room in the cap.
    pub(super) thinks: bool,
}

impl Dialect {
    /// How to speak to `model`, as the settings have it.
    pub(super) fn new(model: &str, settings: &Settings) -> Self {
        // What another server runs is not in the table: it gets the fields that all of them know.
        let quirks = if settings.official { *quirks(model) } else { Quirks { logprobs: false, ..CLASSIC } };
        let token_field = settings.max_tokens_field.unwrap_or(match settings.official {
            true => TokenField::MaxCompletionTokens,
            false => TokenField::MaxTokens,
        });
        let effort = settings.reasoning_effort.clone().or_else(|| quirks.effort.map(str::to_owned));
        // Whoever names an effort knows the model.
        let rule = settings.host.as_ref().filter(|_| effort.is_none()).and_then(|host| host.thinking(model));
        Self {
            token_field: Some(token_field),
            output_cap: true,
            temperature: settings.temperature.unwrap_or(quirks.temperature),
            no_temperature: settings.temperature == Some(false),
            thinking: rule.map(|rule| rule.fields().clone()).unwrap_or_default(),
            thinks: quirks.thinks
                || rule.is_some_and(Thinking::goes_on)
                || settings.reasoning_effort.as_deref().is_some_and(|effort| effort != "none"),
            effort,
            logprobs: settings.logprobs.unwrap_or(quirks.logprobs),
            schema: settings.schema,
            stop: settings.stop.unwrap_or(quirks.stop),
            no_store: settings.store.map_or(settings.official, |store| !store),
            system_role: settings.system_role,
        }
    }

    /// The same without the parameters that the model refused.
    pub(super) fn without(mut self, refused: &BTreeSet<Droppable>) -> Self {
        for parameter in refused {
            match parameter {
                Droppable::Temperature => (self.temperature, self.no_temperature) = (false, true),
                Droppable::Effort => {
                    // A model that can't be told not to think needs room for it.
                    self.thinks |= !self.thinking.is_empty();
                    (self.effort, self.thinking) = (None, Map::new());
                }
                Droppable::LogProbs => self.logprobs = false,
                Droppable::Stop => self.stop = false,
                Droppable::Store => self.no_store = false,
                Droppable::OutputCap => self.output_cap = false,
                Droppable::MaxTokens | Droppable::MaxCompletionTokens => {}
            }
        }
        // Refused, the one field usually means that the other is wanted.
        match (refused.contains(&Droppable::MaxTokens), refused.contains(&Droppable::MaxCompletionTokens)) {
            (false, false) => {}
            (true, false) => self.token_field = Some(TokenField::MaxCompletionTokens),
            (false, true) => self.token_field = Some(TokenField::MaxTokens),
            (true, true) => self.token_field = None,
        }
        self
    }
}

/// A parameter without which a request still asks the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Droppable {
    Temperature,
    Effort,
    LogProbs,
    Stop,
    Store,
    OutputCap,
    MaxTokens,
    MaxCompletionTokens,
}

impl Droppable {
    /// By the name that an error gives, in either API: `reasoning_effort`, `reasoning.effort`.
    pub(super) fn named(parameter: &str) -> Option<Self> {
        let root = parameter.split(['.', '[']).next().unwrap_or(parameter);
        Some(match root {
            "temperature" => Self::Temperature,
            "reasoning_effort" | "reasoning" | "thinking" | "chat_template_kwargs" | "enable_thinking" => {
                Self::Effort
            }
            "logprobs" | "top_logprobs" | "include" => Self::LogProbs,
            "stop" => Self::Stop,
            "store" => Self::Store,
            "max_output_tokens" => Self::OutputCap,
            "max_tokens" => Self::MaxTokens,
            "max_completion_tokens" => Self::MaxCompletionTokens,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_decides() {
        for (model, prefix) in [
            ("gpt-4.1-mini-2025-04-14", "gpt-4.1"),
            ("ft:gpt-4.1-mini-2025-04-14:acme::abc", "gpt-4.1"),
            ("gpt-4-0613", "gpt-4"),
            ("gpt-5-mini", "gpt-5"),
            ("gpt-5.4-mini", "gpt-5.4"),
            ("gpt-6-luna", "gpt-6-luna"),
            ("gpt-6-lunar", ""),
            ("gpt-5.7", ""),
            ("", ""),
        ] {
            assert_eq!(quirks(model).prefix, prefix, "{model}");
        }
    }

    #[test]
    fn each_prefix_stands_once() {
        for (i, quirks) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.prefix != quirks.prefix), "{}", quirks.prefix);
        }
    }

    #[test]
    fn thinking_about_a_label_is_not_paid_for_where_it_can_be_switched_off() {
        for (model, effort) in [
            ("gpt-6-luna", Some("none")),
            ("gpt-6-sol", Some("none")),
            ("gpt-6.1-terra", Some("none")),
            ("gpt-6.1-sol", Some("low")),
            ("gpt-6-astra", Some("low")),
            ("gpt-5.6-luna", Some("none")),
            ("gpt-5.4-mini", Some("none")),
            ("gpt-5-nano", Some("minimal")),
            ("o3-mini", Some("low")),
            ("gpt-4.1", None),
        ] {
            let dialect = Dialect::new(model, &Settings::official());
            assert_eq!(dialect.effort.as_deref(), effort, "{model}");
            assert_eq!(dialect.thinks, matches!(effort, Some("low" | "minimal")), "{model}");
        }
    }

    #[test]
    fn dates_are_those_of_the_catalog_for_aliases_and_tuned_models_too() {
        let day = |model| shutdown_date(model).map(|day| day.to_string());
        for (model, date) in [
            ("gpt-4.1", Some("2027-01-14")),
            ("gpt-4.1-mini", Some("2027-01-14")),
            ("gpt-4o", Some("2027-01-14")),
            ("gpt-4o-mini", Some("2027-01-14")),
            ("ft:gpt-4o-mini-2024-07-18:acme:x:abc:ckpt-step-90", Some("2027-01-14")),
            ("o1", Some("2026-10-23")),
            ("o3", Some("2026-12-11")),
            ("o3-mini", Some("2026-10-23")),
            ("gpt-4o-2024-05-13", Some("2026-10-23")),
            ("gpt-3.5-turbo-1106", Some("2026-09-28")),
            ("babbage-002", Some("2026-09-28")),
            ("ft:davinci-002:acme::1", Some("2026-09-28")),
            ("gpt-6-luna", None),
        ] {
            assert_eq!(day(model).as_deref(), date, "{model}");
        }
        assert_eq!(tunable().len(), 4);
        assert!(tunable().iter().all(|base| day(base).as_deref() == Some("2027-01-14")));
        assert!(
            is_tunable("ft:gpt-4.1-2025-04-14:org::1") && !is_tunable("gpt-6-luna") && !is_tunable("gpt-4.1")
        );
        let closes = |base| training_closes(base).map(|day| day.to_string());
        assert_eq!(closes("gpt-4.1-2025-04-14"), closes("gpt-6-luna"));
        assert_eq!(replacement("ft:gpt-4o-2024-08-06:acme::1").as_deref(), Some("decisions/gpt-6-luna"));
        assert_eq!(replacement("gpt-3.5-turbo").as_deref(), Some("gpt-5.6-terra"));
    }

    #[test]
    fn every_model_to_choose_from_has_a_price() {
        for (model, _) in KNOWN {
            let billed = model.strip_prefix("responses/").unwrap_or(model);
            assert!(
                Catalog::built_in().find(HOST, billed).is_some_and(|k| k.prices.is_complete()),
                "{model}"
            );
        }
    }

    #[test]
    fn what_is_refused_is_not_asked_for_again() {
        let settings = Settings::official();
        let dialect = Dialect::new("gpt-4.1", &settings);
        assert!(dialect.logprobs && dialect.stop && dialect.temperature);
        let refused = |names: &[&str]| names.iter().map(|name| Droppable::named(name).unwrap()).collect();
        let without = |names: &[&str]| dialect.clone().without(&refused(names));
        assert_eq!(without(&["max_completion_tokens"]).token_field, Some(TokenField::MaxTokens));
        assert_eq!(without(&["max_completion_tokens", "max_tokens"]).token_field, None);
        let fewer = without(&["top_logprobs", "temperature"]);
        assert!(!fewer.logprobs && fewer.no_temperature && fewer.stop);
        assert_eq!(Droppable::named("reasoning.effort"), Some(Droppable::Effort));
        assert_eq!(Droppable::named("messages[0].content"), None);
    }
}
