//! Which models there are, and which parameters each refuses.

use serde_json::{Value, json};

/// What a model is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Takes temperature, stop sequences and log-probabilities, and no effort.
    Classic,
    /// Takes an effort, and refuses most else unless it is `none`.
    Reasoning,
}

/// Ids, in the order of the list. None has a date: what is tested must not end on one.
pub(super) const BASES: &[&str] = &[
    "gpt-4.1",
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "gpt-5.4-mini",
    "gpt-6-luna",
    "gpt-6-astra",
];

/// Ids of models that are listed still, although they answer no more, and their last day.
pub(super) const RETIRED: &[(&str, &str)] = &[("gpt-3.5-turbo", "2026-10-23")];

/// The only model that decides.
pub(super) const DECIDES: &str = "gpt-6-luna";

pub(super) fn kind(model: &str) -> Kind {
    let base = model.strip_prefix("ft:").unwrap_or(model);
    let reasons = ["gpt-5", "gpt-6", "o1", "o3", "o4"].iter().any(|family| base.starts_with(family));
    if reasons { Kind::Reasoning } else { Kind::Classic }
}

/// The efforts that a reasoning model takes.
pub(super) fn efforts(model: &str) -> &'static [&'static str] {
    match model {
        "gpt-6-astra" => &["low", "medium", "high", "xhigh"],
        _ => &["none", "low", "medium", "high", "xhigh"],
    }
}

/// Whether a job can start from it.
pub(super) fn is_tunable(model: &str) -> bool {
    let snapshots =
        ["gpt-4.1-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"];
    snapshots.contains(&model)
        || model.starts_with("ft:")
        || kind(model) == Kind::Classic && !BASES.contains(&model)
}

pub(super) fn object(id: &str, owner: &str, shutdown_date: Option<&str>) -> Value {
    json!({"id": id, "object": "model", "created": 1_744_000_000, "owned_by": owner, "shutdown_date": shutdown_date})
}
