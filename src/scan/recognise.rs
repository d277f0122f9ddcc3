//! Which words of a text are ids of models, and of whom.
//!
//! Texts are cut into words first, and a pattern has to match a whole word: most of what only looks like an id falls out
//! at that.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// What may stand before an id and says who serves it: as it is written, and how the host is called here.
const PREFIXES: &[(&str, &str)] = &[
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("google", "gemini"),
    ("gemini", "gemini"),
    ("vertex_ai", "vertex"),
    ("vertex", "vertex"),
    ("azure", "azure"),
    ("azure_ai", "azure"),
    ("bedrock", "bedrock"),
    ("bedrock_converse", "bedrock"),
    ("mistral", "mistral"),
    ("mistralai", "mistral"),
    ("cohere", "cohere"),
    ("cohere_chat", "cohere"),
    ("xai", "xai"),
    ("x-ai", "xai"),
    ("deepseek", "deepseek"),
    ("groq", "groq"),
    ("together_ai", "together"),
    ("together", "together"),
    ("fireworks_ai", "fireworks"),
    ("fireworks", "fireworks"),
    ("openrouter", "openrouter"),
    ("moonshot", "moonshot"),
    ("zai", "zai"),
    ("dashscope", "dashscope"),
    ("ollama", "ollama"),
    ("models", ""),
];

/// The ids of each host, as whole words.
#[rustfmt::skip]
const PATTERNS: &[(&str, &str)] = &[
    ("openai", r"gpt-(3\.5|35|4|4o|4\.1|4\.5|5|5\.[0-9]|6|6\.[0-9])(-[a-z0-9]+)*"),
    ("openai", r"o[134](-(mini|pro|preview|deep-research))*(-[0-9]{4}-[0-9]{2}-[0-9]{2})?"),
    ("openai", r"chatgpt-[a-z0-9.-]+-latest"),
    ("openai", r"(text-|code-)?(davinci|babbage|curie|ada|cushman)-00[0-9]"),
    ("openai", r"ft:(gpt|o[134]|davinci|babbage)[a-z0-9.-]*:[^:]*:[^:]*:[A-Za-z0-9]+(:ckpt-step-[0-9]+)?"),
    ("openai", r"(ada|babbage|curie|davinci):ft-[a-z0-9-]+(:[a-z0-9-]+)?-[0-9]{4}(-[0-9]{2}){5}"),
    ("azure", r"gpt-[0-9a-z.-]+\.ft-[0-9a-f]{16,}(-[a-z0-9-]+)?"),
    ("anthropic", r"claude-(instant-)?(v)?[0-9](\.[0-9])?(-(opus|sonnet|haiku))?(-[0-9]{8}|-latest|@[0-9]{8}|@default)?"),
    ("anthropic", r"claude-[0-9][.-][0-9]-(opus|sonnet|haiku)(-v2)?(-[0-9]{8}|-latest|@[0-9]{8}|@default)?"),
    ("anthropic", r"claude-(opus|sonnet|haiku|fable|mythos)-([0-9]([.-][0-9])?|latest)(-[0-9]{8}|@[0-9]{8}|@default|-preview)?|claude-mythos-preview"),
    ("gemini", r"gemini-[0-9](\.[0-9])?-(pro|flash-lite|flash|nano|argon|hydrogen)(-[a-z0-9-]+)?(@[0-9]{3})?|gemini-(pro|flash|flash-lite)-latest|gemini-pro(-vision)?"),
    ("gemini", r"(text|chat|code|codechat)-(bison|unicorn)(-32k)?(@[0-9]{3})?"),
    ("gemini", r"tunedModels/[a-z0-9-]+"),
    ("vertex", r"projects/[^/]+/locations/[a-z0-9-]+/(endpoints|models|tuningJobs)/[0-9]+(@[0-9a-z-]+)?"),
    ("bedrock", r"((us|eu|apac|jp|au|ca|in|us-gov|global)\.)?(amazon\.(nova|titan)|anthropic\.claude|meta\.llama|mistral\.(mistral|mixtral|ministral|magistral)|cohere\.command|ai21\.(j2|jamba)|deepseek\.(r|v)|openai\.gpt|qwen\.qwen)[a-z0-9.@-]*[0-9][a-z0-9.-]*(:[0-9]+)?(:[0-9]+k)?"),
    ("mistral", r"(open-)?(mistral|mixtral|ministral|magistral|codestral|pixtral|devstral|voxtral)-([0-9]+x)?([0-9]|tiny|small|medium|large|nemo|latest|saba)[a-z0-9.-]*"),
    ("mistral", r"ft:(open-)?(mistral|mixtral|ministral|codestral)[a-z0-9-]*:[0-9a-f]{8}:[0-9]{8}:[A-Za-z0-9-]+(:[0-9a-f]{8})?"),
    ("cohere", r"command-(r|r-plus|a|a-plus|r7b)-[0-9]{2}-[0-9]{4}"),
    ("xai", r"grok-([0-9][a-z0-9.-]*|(code|build)-[a-z0-9.-]+|latest)"),
    ("deepseek", r"deepseek-(chat|reasoner|coder|flash|v[0-9])[a-z0-9.-]*"),
    ("moonshot", r"(kimi-(k[0-9]|latest)|moonshot-v1)[a-z0-9.-]*"),
    ("zai", r"glm-[0-9][a-z0-9.-]*"),
    ("dashscope", r"(qwen|qwq|qvq)([0-9](\.[0-9])?)?-(max|plus|turbo|flash|long)[a-z0-9.-]*"),
    ("together", r"(meta-llama|meta-models|qwen|mistralai|deepseek-ai|zai-org|moonshotai)/[a-z0-9._-]*[0-9][a-z0-9._-]*|google/gemma-[a-z0-9._-]+|openai/gpt-oss-[a-z0-9._-]+"),
    ("fireworks", r"accounts/[a-z0-9-]+/(models|deployedModels|deployments)/[a-z0-9-]+"),
];

static IDS: LazyLock<RegexSet> = LazyLock::new(|| {
    let whole = PATTERNS.iter().map(|(_, pattern)| format!("^(?:{pattern})$"));
    RegexSetBuilder::new(whole).case_insensitive(true).build().expect("the patterns are fixed")
});

/// The beginnings without which no word is an id, so that most files are never cut into words.
static HINTS: LazyLock<Regex> = LazyLock::new(|| {
    let hints = "gpt|o[134]|davinci|babbage|curie|ada-|claude|gemini|gemma|bison|unicorn|tunedModels|projects/|nova|titan\
                 |llama|stral|mixtral|command-|grok|deepseek|kimi|moonshot|glm|qw|qvq|fireworks|ft:|meta-models|gpt-oss";
    RegexBuilder::new(hints).case_insensitive(true).build().expect("the pattern is fixed")
});

/// Whether a text may hold an id at all.
pub(super) fn may_hold_ids(text: &str) -> bool {
    HINTS.is_match(text)
}

/// An id in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// The id, without what says who serves it.
    pub(super) id: &'a str,
    /// Who serves it, as far as the id or what stands before it tells.
    pub(super) host: &'static str,
    /// Set if the text itself names the host.
    pub(super) host_is_named: bool,
    /// Where the word begins, and where it ends.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The ids in a line.
pub(super) fn ids(line: &str) -> impl Iterator<Item = Found<'_>> {
    words(line).filter_map(|(start, word)| {
        let (id, host, host_is_named) = id(word)?;
        Some(Found { id, host, host_is_named, start, end: start + word.len() })
    })
}

/// The longest runs of characters that ids are made of.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._:@/+~-".contains(c);
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + line[rest..].find(is_part)?;
        let end = line[start..].find(|c| !is_part(c)).map_or(line.len(), |at| start + at);
        rest = end;
        let word = line[start..end].trim_end_matches(['.', ':', '-', '/']);
        let cut = word.trim_start_matches(['~', '.', '/', ':']);
        Some((start + word.len() - cut.len(), cut))
    })
}

/// The id that a word is, and its host.
fn id(word: &str) -> Option<(&str, &'static str, bool)> {
    let mut rest = word;
    let mut named = None;
    loop {
        if let Some(pattern) = IDS.matches(rest).into_iter().next() {
            let host = named.filter(|host: &&str| !host.is_empty()).unwrap_or(PATTERNS[pattern].0);
            return Some((rest, host, named.is_some()));
        }
        let (prefix, after) = rest.split_once(['/', ':'])?;
        let (_, host) = PREFIXES.iter().find(|(name, _)| name.eq_ignore_ascii_case(prefix))?;
        // A gateway named before says less than the host behind it, and `models/` says nothing.
        named = named.filter(|_| host.is_empty()).or(Some(*host));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(line: &str) -> Vec<(&str, &str)> {
        ids(line).map(|found| (found.host, found.id)).collect()
    }

    #[test]
    fn ids_of_all_hosts_are_found_however_they_are_written() {
        for (line, host, id) in [
            ("model=\"gpt-4o-2024-08-06\",", "openai", "gpt-4o-2024-08-06"),
            ("  model: gpt-35-turbo", "openai", "gpt-35-turbo"),
            ("openai/gpt-4.1-mini", "openai", "gpt-4.1-mini"),
            ("openai:gpt-4.1-mini.", "openai", "gpt-4.1-mini"),
            ("openrouter/anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
            (
                "'ft:gpt-4.1-mini-2025-04-14:acme:support:Ab12Cd34'",
                "openai",
                "ft:gpt-4.1-mini-2025-04-14:acme:support:Ab12Cd34",
            ),
            ("claude-3-5-sonnet-20241022", "anthropic", "claude-3-5-sonnet-20241022"),
            ("vertex_ai/gemini-2.5-flash@001", "vertex", "gemini-2.5-flash@001"),
            ("models/gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
            (
                "us.anthropic.claude-sonnet-4-20250514-v1:0",
                "bedrock",
                "us.anthropic.claude-sonnet-4-20250514-v1:0",
            ),
            (
                "projects/p/locations/us-central1/endpoints/123",
                "vertex",
                "projects/p/locations/us-central1/endpoints/123",
            ),
            ("MODEL=mistral-large-2411", "mistral", "mistral-large-2411"),
            ("groq/openai/gpt-oss-20b", "groq", "openai/gpt-oss-20b"),
            ("grok-4-0709", "xai", "grok-4-0709"),
            ("deepseek-chat", "deepseek", "deepseek-chat"),
            ("azure/gpt-4o", "azure", "gpt-4o"),
        ] {
            assert_eq!(found(line), [(host, id)], "{line}");
        }
    }

    #[test]
    fn what_only_looks_like_an_id_is_none() {
        for line in [
            "gpt-engineer gpt-researcher gpt-index gpt-neo-1.3B gpt-j-6b gpt2 gpt4all gpt-tokenizer gpt-3-encoder",
            "claude-code claude-agent-sdk claude-desktop CLAUDE.md claude-flow",
            "gemini-cli gemini-api gemini-sdk Gemini",
            "command-line command-palette command-a command",
            "llama-index llama-cpp-python llama.cpp llama-stack",
            "grok-exporter grok-pattern grok 1.2",
            "sonar-scanner nova-api nova-compute nova-lite",
            "mistral-common mistral-inference mistral-workflow",
            "anthropic.Anthropic openai.chat cohere.client google.cloud",
            "davinci ada curie babbage",
            "ft:3 feet text-embedding-3-small whisper-1",
            "abo1-x foo1 -O3 mygpt-4o gpt-4o_backup",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_can_be_read(line in "\\PC{0,60}", before in "[a-z/:.]{0,8}") {
            for found in ids(&line) {
                prop_assert!(line[found.start..found.end].ends_with(found.id));
            }
            let line = format!("{before} \"gpt-4o\" {line}");
            prop_assert!(may_hold_ids(&line) && ids(&line).any(|found| found.id == "gpt-4o"));
        }
    }
}
