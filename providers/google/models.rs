//! What each model takes and gives: the one place for their quirks.
//!
//! From Google's pages on models, thinking and tuning and from the official Python package `google-genai` 3.4.0, as of
//! 2026-11-22. What is wrong or missing here can be corrected by a setting (`thinking`, `logprobs`). Dates and prices are
//! not here but in the [catalog](crate::catalog).

use serde_json::{Value, json};

use super::declared::Surface;
use crate::catalog::{Catalog, KnownModel};

/// How much a model thinks before it answers. What it thinks is billed, and uses up the cap of the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Thinking {
    /// It is left at the model's own default.
    Unsaid,
    /// So many tokens at most; 0 is off.
    Budget(u32),
    /// `MINIMAL`, `LOW`, `MEDIUM` or `HIGH`.
    Level(&'static str),
}

/// The levels there are, and the room that an answer's cap has to leave for each.
pub(super) const LEVELS: [(&str, u32); 4] =
    [("MINIMAL", 512), ("LOW", 2_000), ("MEDIUM", 8_000), ("HIGH", 24_000)];

impl Thinking {
    /// The field of a request; never budget and level together.
    pub(super) fn config(&self) -> Option<Value> {
        match self {
            Self::Unsaid => None,
            Self::Budget(tokens) => Some(json!({"thinkingBudget": tokens})),
            Self::Level(level) => Some(json!({"thinkingLevel": level})),
        }
    }

    fn room(&self) -> u32 {
        match self {
            Self::Unsaid => 0,
            Self::Budget(tokens) => *tokens,
            // Even the lowest level promises no end.
            Self::Level(level) => {
                LEVELS.iter().find(|(name, _)| name == level).map_or(8_000, |(_, room)| *room)
            }
        }
    }
}

/// What is known of a family of models.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Traits {
    /// Ids that begin so are meant; the longest such beginning decides.
    prefix: &'static str,
    /// The least that it can be told to think.
    thinking: Thinking,
    /// Whether log-probabilities are refused by the Developer API, and by Vertex AI.
    refuses_logprobs: [bool; 2],
    /// The largest adapter that a job can train; `None` if it can't be tuned.
    largest_adapter: Option<u64>,
    /// Set if it thinks though nothing is said of it.
    thinks_unasked: bool,
}

const PLAIN: Traits = Traits {
    prefix: "",
    thinking: Thinking::Unsaid,
    refuses_logprobs: [false, false],
    largest_adapter: None,
    thinks_unasked: false,
};

/// Later models, and those of which nothing is known yet: the newest refuse `MINIMAL`, and all take `LOW`.
const LOW: Traits = Traits { thinking: Thinking::Level("LOW"), ..PLAIN };
const MINIMAL: Traits = Traits { thinking: Thinking::Level("MINIMAL"), ..PLAIN };
/// A tuned model whose base is not known: it takes either a budget or a level, and so is told nothing.
const TUNED: Traits = Traits { thinks_unasked: true, ..PLAIN };

#[rustfmt::skip]
const TABLE: &[Traits] = &[
    Traits { prefix: "gemini-", ..LOW },
    Traits { prefix: "gemini-2.0-flash", ..PLAIN },
    Traits { prefix: "gemini-2.5-flash", thinking: Thinking::Budget(0), refuses_logprobs: [true, false], largest_adapter: Some(16), ..PLAIN },
    // Off unless a budget turns it on.
    Traits { prefix: "gemini-2.5-flash-lite", refuses_logprobs: [true, false], largest_adapter: Some(16), ..PLAIN },
    Traits { prefix: "gemini-2.5-pro", thinking: Thinking::Budget(128), refuses_logprobs: [true, false], largest_adapter: Some(8), ..PLAIN },
    Traits { prefix: "gemini-3.1-flash-lite", largest_adapter: Some(16), ..MINIMAL },
    Traits { prefix: "gemini-3.5-flash-lite", largest_adapter: Some(16), ..MINIMAL },
    Traits { prefix: "gemini-3.5-flash", refuses_logprobs: [false, true], largest_adapter: Some(16), ..MINIMAL },
    Traits { prefix: "gemini-3.6-flash", ..MINIMAL },
];

/// Models that a user would choose from, with a few words on those that are not plain.
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("gemini-3.5-flash-lite", "small and cheap"),
    ("gemini-3.5-flash", ""),
    ("gemini-3.1-flash-lite", ""),
    ("gemini-3.8-flash", "the newest of its kind"),
];

/// Regions in which jobs for 3.x models run; those for 2.5 are in more.
pub(super) const TUNING_REGIONS: [&str; 2] = ["us-central1", "europe-west4"];

impl Traits {
    /// What is known of a model; of a tuned one, by its base, `None` where that is not known.
    pub(super) fn of(base: Option<&str>) -> &'static Self {
        let Some(model) = base else { return &TUNED };
        let fits = TABLE.iter().filter(|traits| {
            // `gemini-3.5-flash` is not the beginning of `gemini-3.5-flashy`.
            let rest = model.strip_prefix(traits.prefix);
            rest.is_some_and(|rest| {
                rest.is_empty() || traits.prefix.ends_with('-') || rest.starts_with(['-', '@'])
            })
        });
        fits.max_by_key(|traits| traits.prefix.len()).unwrap_or(&PLAIN)
    }

    pub(super) fn thinking(&self) -> &Thinking {
        &self.thinking
    }

    /// Tokens that an answer's cap has to leave for what is thought before it.
    pub(super) fn room(&self, thinking: &Thinking) -> u32 {
        if self.thinks_unasked && *thinking == Thinking::Unsaid { 8_000 } else { thinking.room() }
    }

    pub(super) fn gives_logprobs(&self, surface: Surface) -> bool {
        !self.refuses_logprobs[surface as usize]
    }

    pub(super) fn largest_adapter(&self) -> Option<u64> {
        self.largest_adapter
    }
}

/// What the catalog says of a model.
pub(super) fn known(surface: Surface, model: &str) -> Option<&'static KnownModel> {
    Catalog::built_in().find(surface.host(), model.split('@').next().unwrap_or(model))
}

/// The day on which a model stops to answer, as announced or as others say.
pub(super) fn shutdown_date(surface: Surface, model: &str) -> Option<String> {
    Some(known(surface, model)?.retires?.to_string())
}

/// All bases that can be tuned.
pub(super) fn tunable() -> Vec<&'static str> {
    let vertex = Catalog::built_in().iter().filter(|known| known.host == Surface::Vertex.host());
    vertex.filter(|known| known.tunable).map(|known| known.id.as_str()).collect()
}

/// Whether another model answered than the one that was asked: names that are retired are routed to others.
pub(super) fn is_other(asked: &str, answered: &str) -> bool {
    let answered = answered.rsplit('/').next().unwrap_or(answered);
    let asked = asked.split('@').next().unwrap_or(asked);
    // A dated or numbered version of the same model: three digits at least, so that `-lite` is another model.
    let version = |rest: &str| {
        let rest = rest.trim_start_matches(['-', '@']);
        rest.is_empty()
            || rest.starts_with("preview")
            || rest.bytes().take_while(u8::is_ascii_digit).count() >= 2
    };
    !answered.is_empty()
        && !answered.strip_prefix(asked).or_else(|| asked.strip_prefix(answered)).is_some_and(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_is_at_its_minimum() {
        for (model, config) in [
            ("gemini-2.5-flash", json!({"thinkingBudget": 0})),
            ("gemini-2.5-flash-preview-09-2025", json!({"thinkingBudget": 0})),
            ("gemini-2.5-flash-lite", Value::Null),
            ("gemini-2.5-pro", json!({"thinkingBudget": 128})),
            ("gemini-2.0-flash-001", Value::Null),
            ("gemini-3.1-flash-lite", json!({"thinkingLevel": "MINIMAL"})),
            ("gemini-3.5-flash-lite", json!({"thinkingLevel": "MINIMAL"})),
            ("gemini-3.5-flash", json!({"thinkingLevel": "MINIMAL"})),
            ("gemini-3.6-flash", json!({"thinkingLevel": "MINIMAL"})),
            ("gemini-3.7-flash", json!({"thinkingLevel": "LOW"})),
            ("gemini-3.8-flash", json!({"thinkingLevel": "LOW"})),
            ("gemini-3.1-pro-preview", json!({"thinkingLevel": "LOW"})),
            ("gemini-4-ultra", json!({"thinkingLevel": "LOW"})),
            ("gemma-4-27b", Value::Null),
        ] {
            let thinking = Traits::of(Some(model)).thinking();
            assert_eq!(thinking.config().unwrap_or_default(), config, "{model}");
        }
    }

    #[test]
    fn what_may_be_thought_has_room_in_the_cap() {
        let room = |model: Option<&str>| {
            let traits = Traits::of(model);
            traits.room(traits.thinking())
        };
        assert_eq!((room(Some("gemini-2.5-flash")), room(Some("gemini-2.5-pro"))), (0, 128));
        assert!(room(Some("gemini-3.5-flash")) < room(Some("gemini-3.8-flash")));
        assert!(room(None) > 0, "a tuned model of an unknown base may think");
    }

    #[test]
    fn each_prefix_stands_once() {
        for (i, traits) in TABLE.iter().enumerate() {
            assert!(TABLE[..i].iter().all(|other| other.prefix != traits.prefix), "{}", traits.prefix);
        }
        let trained: Vec<_> = TABLE.iter().filter(|traits| traits.largest_adapter.is_some()).collect();
        assert_eq!(trained.len(), tunable().len());
        assert!(trained.iter().all(|traits| tunable().contains(&traits.prefix)), "{trained:?}");
        assert_eq!(Traits::of(Some("gemini-2.5-pro")).largest_adapter(), Some(8));
        assert_eq!(Traits::of(Some("gemini-3.8-flash")).largest_adapter(), None);
        assert!(!Traits::of(Some("gemini-3.5-flash")).gives_logprobs(Surface::Vertex));
    }

    #[test]
    fn dates_are_those_of_the_place_that_is_asked() {
        for (model, developer, vertex) in [
            ("gemini-2.5-flash", Some("2026-12-01"), Some("2026-10-20")),
            ("gemini-2.5-flash@001", Some("2026-12-01"), Some("2026-10-20")),
            ("gemini-3.5-flash", None, Some("2027-05-19")),
            ("gemini-3.6-flash", None, Some("2026-11-19")),
            ("gemini-3.1-flash-lite", Some("2027-05-07"), Some("2027-05-07")),
            ("gemini-2.0-flash-lite", Some("2026-06-01"), Some("2026-06-01")),
            ("gemini-9", None, None),
        ] {
            let said = |surface| shutdown_date(surface, model);
            assert_eq!(said(Surface::Developer).as_deref(), developer, "{model}");
            assert_eq!(said(Surface::Vertex).as_deref(), vertex, "{model}");
        }
        for (model, _) in KNOWN {
            for surface in [Surface::Developer, Surface::Vertex] {
                assert!(known(surface, model).is_some_and(|known| known.prices.is_complete()), "{model}");
            }
        }
    }

    #[test]
    fn another_model_is_told_from_a_version() {
        for (asked, answered, other) in [
            ("gemini-3.5-flash", "gemini-3.5-flash", false),
            ("gemini-3.5-flash", "gemini-3.5-flash-001", false),
            ("gemini-2.5-flash", "gemini-2.5-flash-preview-09-2025", false),
            ("gemini-2.5-flash@001", "gemini-2.5-flash", false),
            ("gemini-3.5-flash", "models/gemini-3.5-flash", false),
            ("gemini-3.5-flash", "gemini-3.5-flash-lite", true),
            ("gemini-2.5-flash", "gemini-3.5-flash-lite", true),
            ("gemini-flash-latest", "gemini-3.8-flash", true),
        ] {
            assert_eq!(is_other(asked, answered), other, "{asked} {answered}");
        }
    }
}
