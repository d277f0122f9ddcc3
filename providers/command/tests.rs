//! Programs that misbehave cost their rows an error, and nobody else anything.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tunebench_data::{LabelSet, Prompt, PromptTemplate};

use super::CommandProvider;
use crate::{
    Cause, Completion, CompletionRequest, Provider, ProviderError, Retry, Scope, SettingError, Setup,
};

const FAULTY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/command/testdata/faulty.py");

struct Faulty {
    provider: CommandProvider,
    folder: tempfile::TempDir,
}

fn setup(settings: Value, folder: &tempfile::TempDir) -> Setup {
    let Value::Object(settings) = settings else { panic!("settings are an object") };
    let key = ("FAULTY_KEY".to_owned(), "sk-very-secret".to_owned());
    Setup::new("faulty", settings, folder.path()).variables([key].into())
}

fn faulty(more: Value) -> Faulty {
    let folder = tempfile::tempdir().unwrap();
    let mut settings =
        json!({ "command": ["python3", FAULTY], "env": ["FAULTY_KEY"], "timeout_seconds": 60 });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Faulty { provider: CommandProvider::new(&setup(settings, &folder)).unwrap(), folder }
}

fn request(text: &str) -> CompletionRequest {
    let labels = LabelSet::new(vec!["a".into(), "b".into(), "c".into()]).unwrap();
    CompletionRequest::new(
        "m".into(),
        Arc::new(Prompt::new(PromptTemplate::default(), labels).unwrap()),
        text,
    )
}

impl Faulty {
    async fn ask(&self, text: &str) -> Result<Completion, ProviderError> {
        self.provider.complete(&request(text)).await
    }

    async fn said(&self, text: &str) -> String {
        self.ask(text).await.unwrap().text
    }
}

#[tokio::test]
async fn a_label_is_written_as_the_prompt_wants_it() {
    assert_eq!(faulty(json!({})).said("x").await, "<output>b</output>");
}

#[tokio::test]
async fn a_program_that_dies_is_started_again() {
    let faulty = faulty(json!({}));
    for text in ["die", "half"] {
        let error = faulty.ask(text).await.unwrap_err();
        assert_eq!((error.cause, error.scope), (Cause::Server, Scope::Request), "{error}");
        assert!(matches!(error.retry, Retry::Later { .. }) && error.may_be_billed);
        assert_eq!(faulty.said("x").await, "<output>b</output>");
    }
    let error = faulty.ask("die").await.unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.contains("no memory left"), "{error}");
    assert!(!error.contains("sk-very-secret"), "{error}");
    let log = std::fs::read_to_string(faulty.folder.path().join("stderr.log")).unwrap();
    assert!(log.contains("no memory left, key [redacted]"), "{log}");
}

#[tokio::test]
async fn a_program_that_only_dies_is_given_up() {
    let faulty = faulty(json!({}));
    faulty.said("x").await;
    for _ in 0..super::child::DEATHS {
        assert_eq!(faulty.ask("die").await.unwrap_err().scope, Scope::Request);
    }
    let error = faulty.ask("x").await.unwrap_err();
    assert_eq!((error.scope, error.retry), (Scope::Provider, Retry::Never));
    assert!(error.message.contains("ended 4 times without an answer"), "{error}");
}

#[tokio::test]
async fn floods_and_strange_lines_hold_up_nobody() {
    let faulty = faulty(json!({}));
    let flood = faulty.ask("flood").await.unwrap_err();
    assert!(flood.message.contains("more than the protocol allows"), "{flood}");
    assert_eq!(faulty.said("stray").await, "<output>b</output>");
    for (text, message) in [
        ("empty", "neither `text` nor `label`"),
        ("number", "invalid type"),
        ("short", "1 probabilities for 3 labels"),
    ] {
        let error = faulty.ask(text).await.unwrap_err();
        assert_eq!((error.scope, error.retry), (Scope::Request, Retry::Never), "{text}");
        assert!(error.message.contains(message), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_hangs_is_ended() {
    let faulty = faulty(json!({ "timeout_seconds": 1 }));
    let error = faulty.ask("hang").await.unwrap_err();
    assert!(error.message.contains("no answer to `complete` in 1 s"), "{error}");
    assert_eq!(error.cause, Cause::Network);
}

#[tokio::test]
async fn answers_may_come_in_any_order() {
    let faulty = faulty(json!({}));
    let (a, b, c) = tokio::join!(faulty.said("hold a"), faulty.said("hold b"), faulty.said("hold c"));
    assert_eq!([a, b, c], ["a", "b", "c"].map(|name| format!("<output>{name}</output>")));
}

#[tokio::test]
async fn errors_are_of_our_kinds_and_tell_no_secret() {
    let error = faulty(json!({})).ask("busy").await.unwrap_err();
    assert_eq!(error.cause, Cause::RateLimit);
    assert_eq!(error.retry, Retry::Later { after: Some(Duration::from_millis(2_500)) });
    assert_eq!(error.message, "slow down, [redacted]");
}

#[tokio::test]
async fn it_gets_no_variable_that_was_not_named_for_it() {
    let seen = faulty(json!({})).said("environment").await;
    let seen: Vec<_> = seen.split(' ').collect();
    assert!(seen.contains(&"FAULTY_KEY") && seen.contains(&"PATH"));
    // Set by Cargo for this test, and nobody's business.
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok() && !seen.contains(&"CARGO_MANIFEST_DIR"), "{seen:?}");
}

#[tokio::test]
async fn what_is_no_program_is_said_at_once() {
    let faulty = faulty(json!({ "command": ["no-such-program-4f1d"] }));
    let error = faulty.ask("x").await.unwrap_err();
    assert_eq!(error.scope, Scope::Provider);
    assert!(error.message.contains("`no-such-program-4f1d` can't be started"), "{error}");
    let info = faulty.provider.info();
    assert!(info.models.is_empty());
    assert!(matches!(info.access, crate::Access::Unavailable(why) if why.contains("can't be started")));
}

#[test]
fn settings_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let read = |settings: Value| -> SettingError {
        CommandProvider::new(&setup(settings, &folder)).err().expect("a mistake is found")
    };
    for (settings, setting, message) in [
        (json!({}), None, "needs `command`"),
        (json!({ "command": "python3 x.py" }), Some("command"), "a list of strings"),
        (json!({ "command": ["x"], "enw": [] }), Some("enw"), "unknown setting"),
        (json!({ "command": ["x"], "settings": 1 }), Some("settings"), "a table"),
    ] {
        let error = read(settings);
        assert_eq!(error.setting.as_deref(), setting);
        assert!(error.message.contains(message), "{error}");
    }
    let key = read(json!({ "command": ["x"], "env": ["sk-abc-123"] }));
    assert!(key.message.contains("not the key itself") && !key.message.contains("sk-abc"), "{key}");
}

#[test]
fn answers_of_other_programs_are_other_answers() {
    let identity = |settings| faulty(settings).provider.info().answer_settings;
    assert_ne!(identity(json!({})), identity(json!({ "settings": { "url": "x" } })));
    assert_eq!(
        identity(json!({ "identity": "v1", "command": ["a"] })),
        identity(json!({ "identity": "v1", "command": ["b"] }))
    );
}
