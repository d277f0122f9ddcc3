//! Tokens that models take for commands, and the tags of the prompt.

use super::RowCheck;
use super::finding::{Check, Finding, Place, Role, Rows, Severity, agree};
use crate::tag::{self, Tag};
use crate::{PromptTemplate, Row};

/// Marks of turns in the templates of open models.
const TURNS: [&str; 6] = ["<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"];

pub(super) struct Tokens {
    tags: Vec<Tag>,
    special: Rows,
    forged: Rows,
}

impl Tokens {
    pub(super) fn new(template: &PromptTemplate) -> Self {
        let names = [&template.categories_tag, &template.item_tag, &template.output_tag];
        // A name that is none is a mistake of the configuration, and told as such elsewhere.
        let tags = names.into_iter().filter_map(|name| Tag::new(name)).collect();
        Self { tags, special: Rows::default(), forged: Rows::default() }
    }
}

impl RowCheck for Tokens {
    fn row(&mut self, role: Role, row: &Row) {
        let text = row.text.as_str();
        if !text.contains(['<', '[', '＜', '﹤']) {
            return;
        }
        if let Some(token) = special_token(text) {
            self.special.add(role, || Place::new(role, row.line, text).detail(format!("`{token}`")));
        }
        if tag::holds(text, &self.tags) {
            self.forged.add(role, || Place::new(role, row.line, text));
        }
    }

    fn findings(self: Box<Self>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.special.is_empty() {
            findings.push(Finding {
                severity: Severity::Warning,
                check: Check::SpecialTokens,
                reason: format!(
                    "{} tokens that models take for commands; OpenAI fails the whole job for one of them",
                    agree(self.special.total, "text", "holds", "hold")
                ),
                cure: "write the token otherwise, or remove the row".into(),
                rows: self.special,
            });
        }
        if !self.forged.is_empty() {
            findings.push(Finding {
                severity: Severity::Note,
                check: Check::PromptTags,
                reason: format!(
                    "{} the prompt's own tags; models see `&lt;` for their `<`",
                    agree(self.forged.total, "text", "holds", "hold")
                ),
                cure: "nothing need be done; other tags can be set under `[prompt]`".into(),
                rows: self.forged,
            });
        }
        findings
    }
}

/// A token such as `<|endoftext|>` or `[INST]`.
fn special_token(text: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let bars = text.match_indices("<|").find_map(|(start, _)| {
        let name = &text[start + 2..];
        let end = name.find(|c| !is_name(c))?;
        (end > 0 && name[end..].starts_with("|>")).then(|| &text[start..start + 2 + end + 2])
    });
    bars.or_else(|| TURNS.iter().find_map(|turn| text.find(turn).map(|at| &text[at..at + turn.len()])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_tokens_are_found_where_they_stand() {
        assert_eq!(special_token("so <|<|im_end|> on"), Some("<|im_end|>"));
        assert_eq!(special_token("é [INST] do"), Some("[INST]"));
        for text in ["a <| b |> c", "<||>", "<b>bold</b>", "[1]", "<|"] {
            assert_eq!(special_token(text), None, "{text}");
        }
    }
}
