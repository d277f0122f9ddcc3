//! Which models there are, and what each lets be said about thinking.

use serde_json::{Value, json};

/// A model.
pub(super) struct Model {
    pub(super) id: &'static str,
    name: &'static str,
    /// Ways not to think that it takes.
    pub(super) off: &'static [&'static str],
    /// Whether it thinks where nothing is said of that.
    pub(super) thinks: bool,
    pub(super) effort: bool,
    lifecycle: &'static str,
    retires: Option<&'static str>,
}

/// All that can be asked, the newest first, and one that is gone.
pub(super) const MODELS: &[Model] = &[
    Model {
        id: "claude-haiku-5-5",
        name: "Claude Haiku 5.5",
        off: &["disabled"],
        thinks: true,
        effort: true,
        lifecycle: "active",
        retires: None,
    },
    Model {
        id: "claude-sonnet-5-5",
        name: "Claude Sonnet 5.5",
        off: &["between_tools"],
        thinks: true,
        effort: true,
        lifecycle: "active",
        retires: None,
    },
    Model {
        id: "claude-opus-5-5",
        name: "Claude Opus 5.5",
        off: &[],
        thinks: true,
        effort: true,
        lifecycle: "active",
        retires: None,
    },
    Model {
        id: "claude-opus-4-8",
        name: "Claude Opus 4.8",
        off: &["disabled"],
        thinks: false,
        effort: true,
        lifecycle: "active",
        retires: None,
    },
    Model {
        id: "claude-haiku-4-5-20251001",
        name: "Claude Haiku 4.5",
        off: &["disabled"],
        thinks: false,
        effort: false,
        lifecycle: "deprecated",
        retires: Some("2027-10-15T00:00:00Z"),
    },
    // Newer than what any client knows: it takes neither way not to think.
    Model {
        id: "claude-comet-6",
        name: "Claude Comet 6",
        off: &[],
        thinks: true,
        effort: true,
        lifecycle: "active",
        retires: None,
    },
    Model {
        id: "claude-opus-4-1-20250805",
        name: "Claude Opus 4.1",
        off: &[],
        thinks: false,
        effort: false,
        lifecycle: "retired",
        retires: Some("2026-08-05T00:00:00Z"),
    },
];

/// A model that answers.
pub(super) fn find(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id == id && model.lifecycle != "retired")
}

/// The page of a model.
pub(super) fn page(id: &str) -> Option<Value> {
    MODELS.iter().find(|model| model.id == id).map(object)
}

/// The first page of the list, which is all of it.
pub(super) fn list() -> Value {
    let listed: Vec<_> = MODELS.iter().filter(|model| model.lifecycle != "retired").map(object).collect();
    let id = |model: Option<&Value>| model.map(|model| model["id"].clone());
    json!({"data": listed, "has_more": false, "first_id": id(listed.first()), "last_id": id(listed.last())})
}

fn object(model: &Model) -> Value {
    let yes = |supported: bool| json!({ "supported": supported });
    let takes = |kind: &str| yes(model.off.contains(&kind));
    let efforts: Vec<_> =
        ["low", "medium", "high", "xhigh", "max"].map(|name| (name, yes(model.effort))).into();
    let mut effort: serde_json::Map<String, Value> =
        efforts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    effort.insert("supported".to_owned(), model.effort.into());
    json!({
        "type": "model", "id": model.id, "display_name": model.name, "created_at": "2026-10-01T00:00:00Z",
        "max_input_tokens": 200_000, "max_tokens": 64_000, "lifecycle": model.lifecycle,
        "deprecated_at": null, "retires_at": model.retires, "line": "haiku",
        "capabilities": {
            "batch": yes(true), "structured_outputs": yes(true), "citations": yes(true), "code_execution": yes(false),
            "image_input": yes(true), "pdf_input": yes(true),
            "context_management": {"supported": false, "clear_thinking_20251015": null, "clear_tool_uses_20250919": null,
                "compact_20260112": null},
            "effort": effort,
            "thinking": {"supported": true, "types": {
                "adaptive": yes(true), "enabled": yes(false), "disabled": takes("disabled"),
                "between_tools": takes("between_tools"),
            }},
        },
    })
}
