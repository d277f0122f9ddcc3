//! The messages that a classifier sends, field by field. What it has no use for is [`Kind::Any`].

use super::shape::Kind::{Any, Enum, Flag, List, Long, Message as Of, Named, Number, Text, Texts, Whole};
use super::shape::Known::{Both, Developer, Vertex};
use super::shape::Message;

pub(super) static GENERATE_CONTENT: Message = Message(&[
    ("model", Text, Developer),
    ("contents", List(&Of(&CONTENT)), Both),
    ("systemInstruction", Of(&CONTENT), Both),
    ("generationConfig", Of(&GENERATION_CONFIG), Both),
    ("safetySettings", List(&Of(&SAFETY_SETTING)), Both),
    ("labels", Texts, Both),
    ("cachedContent", Text, Both),
    ("continuationToken", Text, Both),
    ("serviceTier", Enum(&["unspecified", "flex", "standard", "priority"]), Developer),
    ("store", Flag, Developer),
    ("tools", List(&Any), Both),
    ("toolConfig", Any, Both),
    ("modelArmorConfig", Any, Vertex),
    ("outputConfig", Any, Vertex),
]);

pub(super) static COUNT_TOKENS: Message = Message(&[
    ("model", Text, Both),
    ("contents", List(&Of(&CONTENT)), Both),
    ("generateContentRequest", Of(&GENERATE_CONTENT), Developer),
    ("systemInstruction", Of(&CONTENT), Vertex),
    ("generationConfig", Of(&GENERATION_CONFIG), Vertex),
    ("instances", List(&Any), Vertex),
    ("tools", List(&Any), Vertex),
]);

static CONTENT: Message = Message(&[("role", Text, Both), ("parts", List(&Of(&PART)), Both)]);

static PART: Message = Message(&[
    ("text", Text, Both),
    ("thought", Flag, Both),
    ("thoughtSignature", Text, Both),
    ("inlineData", Any, Both),
    ("fileData", Any, Both),
    ("functionCall", Any, Both),
    ("functionResponse", Any, Both),
    ("executableCode", Any, Both),
    ("codeExecutionResult", Any, Both),
    ("videoMetadata", Any, Both),
    ("partMetadata", Any, Developer),
    ("audioTranscription", Any, Vertex),
    ("mediaResolution", Any, Vertex),
    ("speechMetadata", Any, Vertex),
]);

pub(super) static GENERATION_CONFIG: Message = Message(&[
    ("temperature", Number, Both),
    ("topP", Number, Both),
    ("topK", Number, Both),
    ("candidateCount", Whole, Both),
    ("maxOutputTokens", Whole, Both),
    ("stopSequences", List(&Text), Both),
    ("seed", Whole, Both),
    ("responseMimeType", Text, Both),
    ("responseSchema", Of(&SCHEMA), Both),
    ("responseJsonSchema", Any, Both),
    ("responseFormat", List(&Of(&RESPONSE_FORMAT)), Vertex),
    ("responseLogprobs", Flag, Both),
    ("logprobs", Whole, Both),
    ("presencePenalty", Number, Both),
    ("frequencyPenalty", Number, Both),
    ("thinkingConfig", Of(&THINKING_CONFIG), Both),
    ("responseModalities", List(&Any), Both),
    ("mediaResolution", Any, Both),
    ("speechConfig", Any, Both),
    ("imageConfig", Any, Both),
    ("enableEnhancedCivicAnswers", Flag, Developer),
    ("audioTimestamp", Flag, Vertex),
    ("audioTranscriptionConfig", Any, Vertex),
    ("enableAffectiveDialog", Flag, Vertex),
    ("routingConfig", Any, Vertex),
    ("translationConfig", Any, Vertex),
]);

pub(super) static THINKING_CONFIG: Message = Message(&[
    ("includeThoughts", Flag, Both),
    ("thinkingBudget", Whole, Both),
    (
        "thinkingLevel",
        Enum(&["THINKING_LEVEL_UNSPECIFIED", "LOW", "MEDIUM", "HIGH", "MINIMAL", "XHIGH"]),
        Both,
    ),
]);

static RESPONSE_FORMAT: Message = Message(&[
    ("text", Of(&TEXT_FORMAT), Vertex),
    ("audio", Any, Vertex),
    ("image", Any, Vertex),
    ("video", Any, Vertex),
]);

static TEXT_FORMAT: Message = Message(&[
    ("mimeType", Enum(&["MIME_TYPE_UNSPECIFIED", "APPLICATION_JSON", "TEXT_PLAIN"]), Vertex),
    ("schema", Any, Vertex),
]);

static TYPES: &[&str] =
    &["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

/// The subset of OpenAPI; the strings of an enum are strings and nothing else.
pub(super) static SCHEMA: Message = Message(&[
    ("type", Enum(TYPES), Both),
    ("format", Text, Both),
    ("title", Text, Both),
    ("description", Text, Both),
    ("nullable", Flag, Both),
    ("enum", List(&Text), Both),
    ("items", Of(&SCHEMA), Both),
    ("minItems", Long, Both),
    ("maxItems", Long, Both),
    ("properties", Named(&SCHEMA), Both),
    ("required", List(&Text), Both),
    ("propertyOrdering", List(&Text), Both),
    ("minProperties", Long, Both),
    ("maxProperties", Long, Both),
    ("minimum", Number, Both),
    ("maximum", Number, Both),
    ("minLength", Long, Both),
    ("maxLength", Long, Both),
    ("pattern", Text, Both),
    ("example", Any, Both),
    ("default", Any, Both),
    ("anyOf", List(&Of(&SCHEMA)), Both),
    ("additionalProperties", Any, Vertex),
    ("defs", Named(&SCHEMA), Vertex),
    ("ref", Text, Vertex),
]);

static SAFETY_SETTING: Message = Message(&[
    (
        "category",
        Enum(&[
            "HARM_CATEGORY_UNSPECIFIED",
            "HARM_CATEGORY_HATE_SPEECH",
            "HARM_CATEGORY_DANGEROUS_CONTENT",
            "HARM_CATEGORY_HARASSMENT",
            "HARM_CATEGORY_SEXUALLY_EXPLICIT",
            "HARM_CATEGORY_CIVIC_INTEGRITY",
        ]),
        Both,
    ),
    (
        "threshold",
        Enum(&[
            "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
            "BLOCK_LOW_AND_ABOVE",
            "BLOCK_MEDIUM_AND_ABOVE",
            "BLOCK_ONLY_HIGH",
            "BLOCK_NONE",
            "OFF",
        ]),
        Both,
    ),
    ("method", Enum(&["HARM_BLOCK_METHOD_UNSPECIFIED", "SEVERITY", "PROBABILITY"]), Vertex),
]);

pub(super) static TUNING_JOB: Message = Message(&[
    ("baseModel", Text, Vertex),
    ("preTunedModel", Of(&PRE_TUNED_MODEL), Vertex),
    ("supervisedTuningSpec", Of(&SUPERVISED), Vertex),
    ("preferenceOptimizationSpec", Any, Vertex),
    ("tunedModelDisplayName", Text, Vertex),
    ("description", Text, Vertex),
    ("labels", Texts, Vertex),
    ("encryptionSpec", Any, Vertex),
    ("serviceAccount", Text, Vertex),
]);

static PRE_TUNED_MODEL: Message =
    Message(&[("tunedModelName", Text, Vertex), ("checkpointId", Text, Vertex), ("baseModel", Text, Vertex)]);

pub(super) static SUPERVISED: Message = Message(&[
    ("trainingDatasetUri", Text, Vertex),
    ("validationDatasetUri", Text, Vertex),
    ("hyperParameters", Of(&HYPER_PARAMETERS), Vertex),
    ("exportLastCheckpointOnly", Flag, Vertex),
    ("evaluationConfig", Any, Vertex),
]);

/// The wire number of an adapter size is not the size.
pub(super) static HYPER_PARAMETERS: Message = Message(&[
    ("epochCount", Long, Vertex),
    ("learningRateMultiplier", Number, Vertex),
    (
        "adapterSize",
        Enum(&[
            "ADAPTER_SIZE_UNSPECIFIED",
            "ADAPTER_SIZE_ONE",
            "ADAPTER_SIZE_FOUR",
            "ADAPTER_SIZE_EIGHT",
            "ADAPTER_SIZE_SIXTEEN",
            "ADAPTER_SIZE_THIRTY_TWO",
            "ADAPTER_SIZE_TWO",
        ]),
        Vertex,
    ),
]);

pub(super) static BATCH_PREDICTION_JOB: Message = Message(&[
    ("displayName", Text, Vertex),
    ("model", Text, Vertex),
    ("labels", Texts, Vertex),
    ("inputConfig", Of(&BATCH_INPUT), Vertex),
    ("outputConfig", Of(&BATCH_OUTPUT), Vertex),
    ("encryptionSpec", Any, Vertex),
    ("serviceAccount", Text, Vertex),
]);

static BATCH_INPUT: Message = Message(&[
    ("instancesFormat", Text, Vertex),
    ("gcsSource", Of(&GCS_SOURCE), Vertex),
    ("bigquerySource", Any, Vertex),
]);

static GCS_SOURCE: Message = Message(&[("uris", List(&Text), Vertex)]);

static BATCH_OUTPUT: Message = Message(&[
    ("predictionsFormat", Text, Vertex),
    ("gcsDestination", Of(&GCS_DESTINATION), Vertex),
    ("bigqueryDestination", Any, Vertex),
]);

static GCS_DESTINATION: Message = Message(&[("outputUriPrefix", Text, Vertex)]);

pub(super) static UNDEPLOY_MODEL: Message =
    Message(&[("deployedModelId", Text, Vertex), ("trafficSplit", Any, Vertex)]);

pub(super) static EMPTY: Message = Message(&[]);
