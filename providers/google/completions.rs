//! `generateContent`: what is asked, and what the answer says.
//!
//! Pure translation, both ways. Shapes of the discovery document of `aiplatform` v1 (2026-11-06) and of the official
//! Python package `google-genai` 3.4.0; both APIs read and write the same. Of an answer, nearly everything may be
//! missing although the status is 200.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tunebench_data::{LabelSet, Message, Role, SCHEMA_MEMBER};

use super::declared::SchemaField;
use super::json::{count, list, text};
use super::models::Thinking;
use crate::logprobs::{self, Token};
use crate::{AnswerMode, Completion, CompletionRequest, FinishReason, Usage};

/// The kinds of harm that the safety filters look for.
const HARMS: [&str; 4] = [
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
];

/// How to speak to one model: the table, corrected by what the user set and by what the model refused.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dialect {
    pub(super) thinking: Thinking,
    /// Tokens that the cap leaves for thinking.
    pub(super) room: u32,
    pub(super) logprobs: bool,
    /// The field for a schema; `None` where none is to be sent.
    pub(super) schema: Option<SchemaField>,
    /// Whether to send a stop sequence.
    pub(super) stop: bool,
    /// The threshold of the safety filters, where the user set one.
    pub(super) safety: Option<&'static str>,
}

/// The body of `:generateContent`.
///
/// No sampling knob is sent unless the user set a temperature: newer models ignore them, and later ones will refuse.
pub(super) fn request(request: &CompletionRequest, dialect: &Dialect) -> Value {
    let mut config = Map::new();
    config.insert("maxOutputTokens".into(), output_cap(request, dialect).into());
    if let Some(temperature) = request.parameters.temperature {
        config.insert("temperature".into(), temperature.into());
    }
    if let Some(thinking) = dialect.thinking.config() {
        config.insert("thinkingConfig".into(), thinking);
    }
    if dialect.logprobs && request.parameters.probabilities {
        config.insert("responseLogprobs".into(), true.into());
    }
    match (request.parameters.answer, dialect.schema) {
        (AnswerMode::Schema, Some(field)) => {
            let (name, schema) = label_schema(request.prompt.labels(), field);
            config.insert("responseMimeType".into(), "application/json".into());
            config.insert(name.into(), schema);
        }
        _ => {
            if let Some(stop) = request.prompt.stop().filter(|_| dialect.stop) {
                config.insert("stopSequences".into(), json!([stop]));
            }
        }
    }
    let mut body = json!(Conversation::of(request.messages()));
    body["generationConfig"] = config.into();
    if let Some(threshold) = dialect.safety {
        let settings = HARMS.map(|category| json!({"category": category, "threshold": threshold}));
        body["safetySettings"] = settings.to_vec().into();
    }
    body
}

/// Messages as Google has them, in requests and in training files. The order of the members is fixed, so that equal
/// training data is equal to the byte.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conversation {
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content>,
    contents: Vec<Content>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Content {
    /// `user` or `model`; there is no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: [Part; 1],
}

#[derive(Debug, PartialEq, Serialize)]
struct Part {
    text: String,
}

impl Conversation {
    pub(super) fn of(messages: Vec<Message>) -> Self {
        let mut conversation =
            Self { system_instruction: None, contents: Vec::with_capacity(messages.len()) };
        let of = |role, text| Content { role, parts: [Part { text }] };
        for Message { role, content } in messages {
            match role {
                // There is one place for what the system says.
                Role::System => match &mut conversation.system_instruction {
                    Some(before) => {
                        before.parts[0].text.push_str("\n\n");
                        before.parts[0].text.push_str(&content);
                    }
                    none => *none = Some(of(None, content)),
                },
                Role::User => conversation.contents.push(of(Some("user"), content)),
                Role::Assistant => conversation.contents.push(of(Some("model"), content)),
            }
        }
        conversation
    }
}

/// What confines an answer to the label set, and the field for it. The answer is the JSON object that the prompt asks for.
fn label_schema(labels: &LabelSet, field: SchemaField) -> (&'static str, Value) {
    let (name, object, string) = match field {
        SchemaField::Own => ("responseSchema", "OBJECT", "STRING"),
        SchemaField::Json => ("responseJsonSchema", "object", "string"),
    };
    let label = json!({"type": string, "enum": labels.names()});
    (name, json!({"type": object, "properties": {SCHEMA_MEMBER: label}, "required": [SCHEMA_MEMBER]}))
}

/// The user's cap, or enough for the longest answer and for what is thought before it: the cap counts both.
pub(super) fn output_cap(request: &CompletionRequest, dialect: &Dialect) -> u32 {
    let enough = || request.answer_tokens().saturating_add(dialect.room);
    request.parameters.max_output_tokens.unwrap_or_else(enough)
}

/// What an answer says.
pub(super) fn completion(answer: &Value, request: &CompletionRequest) -> Completion {
    let candidate = answer.pointer("/candidates/0").unwrap_or(&Value::Null);
    let said: String = list(candidate, "/content/parts")
        .iter()
        .filter(|part| part.get("thought").and_then(Value::as_bool) != Some(true))
        .filter_map(|part| text(part, "/text"))
        .collect();
    let blocked =
        text(answer, "/promptFeedback/blockReason").filter(|reason| *reason != "BLOCK_REASON_UNSPECIFIED");
    let finish = match blocked {
        Some(_) => FinishReason::ContentFilter,
        None => finish(candidate),
    };
    let mut completion = Completion::new(said).finish(finish);
    completion.usage = usage(answer);
    completion.model_version = text(answer, "/modelVersion").map(str::to_owned);
    completion.label_probability = probability(candidate, &completion.text, request);
    completion.note = note(answer, &completion);
    completion
}

/// Why the model stopped. What is not known is kept in the server's words.
fn finish(candidate: &Value) -> FinishReason {
    match text(candidate, "/finishReason") {
        None | Some("STOP" | "FINISH_REASON_UNSPECIFIED") => FinishReason::Stop,
        Some("MAX_TOKENS") => FinishReason::Length,
        Some(
            "SAFETY"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "MODEL_ARMOR"
            | "RECITATION"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION",
        ) => FinishReason::ContentFilter,
        Some(other) => FinishReason::Other(match text(candidate, "/finishMessage") {
            Some(message) => crate::text::one_line(&format!("{other}: {message}")),
            None => other.to_owned(),
        }),
    }
}

/// Whether the same question may bring more: an empty answer without a reason, or one that is said to repeat a known
/// text. Worth one more try.
pub(super) fn is_worth_another_try(answer: &Value, completion: &Completion) -> bool {
    let recited = text(answer, "/candidates/0/finishReason") == Some("RECITATION");
    recited || completion.text.trim().is_empty() && completion.finish == FinishReason::Stop
}

/// Tokens used; what is thought is billed as output. A count that is left out is zero.
fn usage(answer: &Value) -> Option<Usage> {
    let usage = answer.get("usageMetadata").filter(|usage| usage.is_object())?;
    let tokens = |name: &str| usage.get(name).and_then(count).unwrap_or(0);
    let sent = tokens("promptTokenCount").saturating_add(tokens("toolUsePromptTokenCount"));
    let answered = tokens("candidatesTokenCount").saturating_add(tokens("thoughtsTokenCount"));
    Some(Usage::new(sent, answered).cached(tokens("cachedContentTokenCount")))
}

/// The probability of the label that the text names, where log-probabilities came along.
fn probability(candidate: &Value, said: &str, request: &CompletionRequest) -> Option<f32> {
    let chosen = list(candidate, "/logprobsResult/chosenCandidates");
    let token = |token: &'_ Value| {
        let logprob = token.get("logProbability")?.as_f64()?;
        Some((token.get("token")?.as_str()?.as_bytes().to_vec(), logprob))
    };
    let tokens = chosen.iter().map(token).collect::<Option<Vec<_>>>()?;
    let tokens: Vec<_> =
        tokens.into_iter().map(|(bytes, logprob)| Token { bytes: bytes.into(), logprob }).collect();
    logprobs::of_answer(said, &tokens, request)
}

/// What the user should know once.
fn note(answer: &Value, completion: &Completion) -> Option<String> {
    if completion.finish == FinishReason::Length && completion.text.trim().is_empty() {
        return Some(
            "an answer was cut off before its first word: what the model thinks counts as output; give it a larger \
             `max_output_tokens` under `[evaluation]`, or set a lower `thinking`"
                .to_owned(),
        );
    }
    let stage = text(answer, "/modelStatus/modelStage")?;
    let ends = matches!(stage, "LEGACY" | "DEPRECATED" | "RETIRED");
    let until =
        text(answer, "/modelStatus/retirementTime").map(|time| format!(", until {time}")).unwrap_or_default();
    ends.then(|| format!("Google calls this model {}{until}", stage.to_lowercase()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tunebench_data::{LabelId, Prompt, PromptTemplate};

    use super::*;
    use crate::Parameters;

    /// A question after one of three labels.
    pub(in super::super) fn question(answer: AnswerMode) -> CompletionRequest {
        let labels = ["refund", "card \"arrival\"", "exchange"].map(str::to_owned).to_vec();
        let prompt = Prompt::new(PromptTemplate::default(), LabelSet::new(labels).unwrap()).unwrap();
        CompletionRequest::new("gemini-3.5-flash".into(), Arc::new(prompt), "Where is my money?")
            .parameters(Arc::new(Parameters { answer, ..Parameters::default() }))
    }

    fn dialect() -> Dialect {
        let (thinking, schema) = (Thinking::Level("MINIMAL"), Some(SchemaField::Own));
        Dialect { thinking, room: 512, logprobs: false, schema, stop: true, safety: None }
    }

    #[test]
    fn a_question_in_tags() {
        let question = question(AnswerMode::Tag).shots([("Send it back".to_owned(), LabelId(0))].into());
        let mut body = request(&question, &dialect());
        let instruction = body["systemInstruction"].take();
        assert!(instruction["parts"][0]["text"].as_str().unwrap().contains("<categories>"));
        assert_eq!(
            body,
            json!({
                "systemInstruction": null,
                "contents": [
                    {"role": "user", "parts": [{"text": "<item>\nSend it back\n</item>"}]},
                    {"role": "model", "parts": [{"text": "<output>refund</output>"}]},
                    {"role": "user", "parts": [{"text": "<item>\nWhere is my money?\n</item>"}]},
                ],
                "generationConfig": {
                    "maxOutputTokens": 622, "thinkingConfig": {"thinkingLevel": "MINIMAL"},
                    "stopSequences": ["</output>"],
                },
            })
        );
    }

    #[test]
    fn a_schema_confines_to_the_labels_and_comes_without_a_stop() {
        let names = json!(["refund", "card \"arrival\"", "exchange"]);
        let config =
            |dialect: Dialect| request(&question(AnswerMode::Schema), &dialect)["generationConfig"].take();
        let own = config(dialect());
        let label = |object: &str, text: &str| json!({"type": object, "properties": {"label": {"type": text, "enum": names}}, "required": ["label"]});
        assert_eq!(own["responseSchema"], label("OBJECT", "STRING"));
        assert_eq!((&own["responseMimeType"], own.get("stopSequences")), (&json!("application/json"), None));
        let other = config(Dialect { schema: Some(SchemaField::Json), ..dialect() });
        assert_eq!(other["responseJsonSchema"], label("object", "string"));
        assert_eq!(other.get("responseSchema"), None);
        let tuned = config(Dialect { schema: None, ..dialect() });
        assert_eq!((tuned.get("responseMimeType"), &tuned["stopSequences"]), (None, &json!(["</output>"])));
    }

    #[test]
    fn all_that_the_system_says_has_one_place() {
        let said = |role, content: &str| Message { role, content: content.to_owned() };
        let messages = vec![said(Role::System, "a"), said(Role::User, "b"), said(Role::System, "c")];
        let conversation = json!(Conversation::of(messages));
        assert_eq!(conversation["systemInstruction"]["parts"], json!([{"text": "a\n\nc"}]));
        assert_eq!(conversation["contents"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_users_own_numbers_win_and_knobs_stay_away_otherwise() {
        let mut question = question(AnswerMode::Tag);
        let plain = request(&question, &Dialect { logprobs: true, safety: Some("OFF"), ..dialect() });
        let config = plain["generationConfig"].as_object().unwrap();
        let names: Vec<_> = config.keys().map(String::as_str).collect();
        assert_eq!(names, ["maxOutputTokens", "responseLogprobs", "stopSequences", "thinkingConfig"]);
        assert_eq!(plain["safetySettings"].as_array().unwrap().len(), 4);
        let own = Parameters {
            temperature: Some(0.5),
            max_output_tokens: Some(7),
            probabilities: false,
            ..Parameters::default()
        };
        question.parameters = Arc::new(own);
        let body =
            request(&question, &Dialect { logprobs: true, thinking: Thinking::Budget(0), ..dialect() });
        assert_eq!(
            body["generationConfig"],
            json!({"maxOutputTokens": 7, "temperature": 0.5, "thinkingConfig": {"thinkingBudget": 0},
                "stopSequences": ["</output>"]})
        );
    }

    fn read(answer: Value) -> Completion {
        completion(&answer, &question(AnswerMode::Tag))
    }

    #[test]
    fn what_is_no_label_is_an_outcome_of_its_own() {
        use FinishReason::*;
        let said = |text: &str| json!({"role": "model", "parts": [{"text": text}]});
        for (answer, text, finish, again) in [
            (
                json!({"candidates": [{"content": said("<output>refund"), "finishReason": "STOP"}]}),
                "<output>refund",
                Stop,
                false,
            ),
            (json!({"candidates": [{"content": said("x")}]}), "x", Stop, false),
            (
                json!({"candidates": [{"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}]}),
                "",
                Length,
                false,
            ),
            (json!({"candidates": [{"finishReason": "STOP"}]}), "", Stop, true),
            (json!({"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}]}), "", Stop, true),
            (json!({}), "", Stop, true),
            (json!({"candidates": []}), "", Stop, true),
            (json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), "", ContentFilter, false),
            (json!({"promptFeedback": {"blockReason": "A_NEW_ONE"}}), "", ContentFilter, false),
            (json!({"candidates": [{"finishReason": "SAFETY"}]}), "", ContentFilter, false),
            (json!({"candidates": [{"finishReason": "SPII"}]}), "", ContentFilter, false),
            (json!({"candidates": [{"finishReason": "RECITATION"}]}), "", ContentFilter, true),
            (
                json!({"candidates": [{"finishReason": "MALFORMED_RESPONSE", "finishMessage": "bad\nJSON"}]}),
                "",
                Other("MALFORMED_RESPONSE: bad JSON".into()),
                false,
            ),
            (
                json!({"candidates": [{"content": {"parts": [
                    {"text": "Let me see", "thought": true}, {"text": "re"}, {"inlineData": {}}, {"text": "fund"},
                ]}}]}),
                "refund",
                Stop,
                false,
            ),
        ] {
            let completion = read(answer.clone());
            assert_eq!((completion.text.as_str(), &completion.finish), (text, &finish), "{answer}");
            assert_eq!(is_worth_another_try(&answer, &completion), again, "{answer}");
        }
        let eaten = read(json!({"candidates": [{"finishReason": "MAX_TOKENS"}]}));
        assert!(eaten.note.unwrap().contains("max_output_tokens"));
    }

    #[test]
    fn the_rest_of_an_answer() {
        let completion = read(json!({
            "modelVersion": "gemini-3.5-flash-lite", "responseId": "x", "modelStatus": {"modelStage": "DEPRECATED"},
            "candidates": [{"content": {"parts": [{"text": "<output>refund"}]}, "logprobsResult": {"chosenCandidates": [
                {"token": "<output>", "logProbability": -1.0, "tokenId": 1}, {"token": "ref", "logProbability": -0.5},
                {"token": "und", "logProbability": -0.5},
            ]}}],
            "usageMetadata": {"promptTokenCount": "40", "cachedContentTokenCount": 30, "candidatesTokenCount": 3, "thoughtsTokenCount": 20},
        }));
        assert_eq!(completion.usage, Some(Usage::new(40, 23).cached(30)));
        assert_eq!(completion.model_version.as_deref(), Some("gemini-3.5-flash-lite"));
        assert_eq!(completion.label_probability, Some((-1.0f64).exp() as f32));
        assert_eq!(completion.note.as_deref(), Some("Google calls this model deprecated"));
        assert_eq!(read(json!({"usageMetadata": {}})).usage, Some(Usage::default()));
        assert_eq!(read(json!({})).usage, None);
    }

    /// JSON of any shape, with the names and values that answers have.
    pub(in super::super) fn any_json() -> impl Strategy<Value = Value> {
        let names = "candidates|content|parts|text|thought|finishReason|finishMessage|promptFeedback|blockReason\
            |logprobsResult|chosenCandidates|token|logProbability|usageMetadata|promptTokenCount|cachedContentTokenCount|thoughtsTokenCount\
            |modelVersion|modelStatus|modelStage|name|state|error|message|tunedModel|model|endpoint|checkpoints|epoch\
            |step|labels|tunebench_mark|baseModel|supervisedTuningSpec|hyperParameters|epochCount|tuningDataStats\
            |supervisedTuningDataStats|droppedExampleReasons|details|@type|violations|quotaId|retryDelay|status";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "refund|STOP|MAX_TOKENS|JOB_STATE_SUCCEEDED|projects/p/locations/us/tuningJobs/1|[0-9]{1,20}|\\PC{0,8}"
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names, inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_is_a_panic_nor_a_wrong_probability(answer in any_json(), first in any_json(), schema: bool) {
            let question = question(if schema { AnswerMode::Schema } else { AnswerMode::Tag });
            for answer in [&answer, &json!({"candidates": [&first]}), &json!({"candidates": [{"content": &first}]})] {
                let completion = completion(answer, &question);
                prop_assert!(completion.label_probability.is_none_or(|p| (0.0..=1.0).contains(&p)));
            }
        }

        #[test]
        fn a_taught_answer_names_its_label(label in 0u32..3, schema: bool) {
            let question = question(if schema { AnswerMode::Schema } else { AnswerMode::Tag });
            let name = question.prompt.labels().name(LabelId(label)).to_owned();
            let text = if schema { json!(name).to_string() } else { question.prompt.answer(LabelId(label)) };
            let tokens: Vec<_> = text.chars().map(|c| json!({"token": c.to_string(), "logProbability": -0.01})).collect();
            let answer = json!({"candidates": [{"content": {"parts": [{"text": text}]}, "logprobsResult": {"chosenCandidates": tokens}}]});
            let completion = completion(&answer, &question);
            let parsed = if schema { question.prompt.parse_json(&text) } else { question.prompt.parse(&text) };
            prop_assert_eq!(parsed, Ok(LabelId(label)));
            prop_assert!(completion.label_probability.is_some());
        }
    }
}
