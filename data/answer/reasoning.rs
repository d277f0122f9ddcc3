//! Reasoning that stands in an answer: what a model says to itself is never its answer.
//!
//! The spellings are those of chat templates and reasoning parsers in use: DeepSeek, Qwen and most others (`<think>`),
//! Magistral (`[THINK]`), Kimi (`◁think▷`), Cohere (`<|START_THINKING|>`), Seed (`<seed:think>`), OpenThinker
//! (`<|begin_of_thought|>`), gpt-oss (channels), MedGemma (`<unused94>`), Apertus (`<|inner_prefix|>`), Granite 3.2 (a
//! sentence), and tags that prompts ask for (`<reasoning>`).

use aho_corasick::AhoCorasick;
use memchr::memmem::Finder;

use crate::LabelSet;
use crate::tag::Tag;

/// How a block of reasoning begins and ends.
#[derive(Debug, Clone)]
enum Marks {
    /// A tag; `native` to models, which may begin inside it, so that what stands before its end is reasoning always.
    Tag { tag: Tag, native: bool },
    /// Fixed texts, native to models.
    Fixed { open: Box<Finder<'static>>, close: Box<Finder<'static>> },
}

const NATIVE_TAGS: [&str; 5] = ["think", "thinking", "thought", "thoughts", "longcat_think"];
const ASKED_TAGS: [&str; 8] =
    ["reasoning", "reflection", "analysis", "scratchpad", "rationale", "explanation", "reason", "cot"];
const FIXED: [(&str, &str); 10] = [
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),
    ("<|channel>thought", "<channel|>"),
    ("<unused94>", "<unused95>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("Here is my thought process:", "Here is my response:"),
];
/// gpt-oss where the server drops special tokens: `analysis…assistantfinal…`.
const BARE_CHANNELS: (&str, &str) = ("analysis", "assistantfinal");

/// A block of reasoning that does not end: there is no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfinished;

/// Takes reasoning out of answers.
#[derive(Debug, Clone)]
pub(super) struct Reasoning {
    marks: Vec<Marks>,
    /// Finds what every mark has in it, whatever its spelling: most answers have none.
    any: AhoCorasick,
}

impl Reasoning {
    /// Knows all marks but those that the task itself uses: its output tag, and what stands in a label.
    pub(super) fn new(output: Option<&Tag>, labels: &LabelSet) -> Self {
        let own = |tag: &Tag| output.is_some_and(|output| output.is_same(tag));
        let tag = |native| move |name: &&str| Some(Marks::Tag { tag: Tag::new(name)?, native });
        let tags = NATIVE_TAGS.iter().filter_map(tag(true)).chain(ASKED_TAGS.iter().filter_map(tag(false)));
        let tags = tags.filter(|marks| match marks {
            Marks::Tag { tag, .. } => {
                !own(tag) && !labels.names().iter().any(|name| tag.find(name, 0).is_some())
            }
            Marks::Fixed { .. } => true,
        });
        let fixed = FIXED.iter().filter(|(open, close)| {
            !labels.names().iter().any(|name| name.contains(open) || name.contains(close))
        });
        let fixed = fixed.map(|&(open, close)| Marks::Fixed { open: finder(open), close: finder(close) });
        let marks: Vec<_> = tags.chain(fixed).collect();
        let mut any = AhoCorasick::builder();
        let any = any
            .ascii_case_insensitive(true)
            .build(marks.iter().flat_map(Marks::in_any))
            .expect("a few short words can be looked for");
        Self { marks, any }
    }

    /// What an answer says aside from its reasoning.
    pub(super) fn strip(&self, answer: &str) -> Result<String, Unfinished> {
        let mut said = answer.to_owned();
        if let Some(rest) = after_bare_channels(answer) {
            said = rest.to_owned();
        }
        if !self.any.is_match(&said) {
            return Ok(said);
        }
        for marks in &self.marks {
            marks.strip(&mut said)?;
        }
        Ok(said)
    }
}

fn finder(mark: &'static str) -> Box<Finder<'static>> {
    Box::new(Finder::new(mark))
}

fn after_bare_channels(answer: &str) -> Option<&str> {
    let (open, close) = BARE_CHANNELS;
    let end = answer.trim_start().starts_with(open).then(|| answer.rfind(close))??;
    Some(&answer[end + close.len()..])
}

impl Marks {
    fn strip(&self, said: &mut String) -> Result<(), Unfinished> {
        while let Some((start, end, closing)) = self.first(said) {
            if closing {
                // It began before the answer did.
                said.drain(..end);
                continue;
            }
            let mut from = end;
            let close = loop {
                match self.next(said, from) {
                    None => return Err(Unfinished),
                    Some((_, end, true)) => break end,
                    // Opened again, or spoken of.
                    Some((_, end, false)) => from = end,
                }
            };
            said.drain(if self.is_native() { 0 } else { start }..close);
        }
        Ok(())
    }

    /// What stands in any such mark, in some case.
    fn in_any(&self) -> impl Iterator<Item = &[u8]> {
        let parts = match self {
            Self::Tag { tag, .. } => [Some(tag.name().as_bytes()), None],
            Self::Fixed { open, close } => [Some(open.needle()), Some(close.needle())],
        };
        parts.into_iter().flatten()
    }

    fn is_native(&self) -> bool {
        !matches!(self, Self::Tag { native: false, .. })
    }

    fn first(&self, text: &str) -> Option<(usize, usize, bool)> {
        self.next(text, 0)
    }

    /// The next mark: where it stands, and whether it ends a block.
    fn next(&self, text: &str, from: usize) -> Option<(usize, usize, bool)> {
        match self {
            Self::Tag { tag, .. } => {
                tag.find(text, from).map(|found| (found.start, found.end, found.closing))
            }
            Self::Fixed { open, close } => {
                let find = |mark: &Finder<'_>, closing| {
                    let start = from + mark.find(&text.as_bytes()[from..])?;
                    Some((start, start + mark.needle().len(), closing))
                };
                find(open, false).into_iter().chain(find(close, true)).min()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strip(answer: &str) -> Result<String, Unfinished> {
        let labels = LabelSet::new(vec!["refund".into(), "[THINK] twice".into()]).unwrap();
        Reasoning::new(Tag::new("cot").as_ref(), &labels).strip(answer)
    }

    #[test]
    fn what_is_left_is_the_answer() {
        for (answer, left) in [
            ("refund", "refund"),
            ("<think>a</think>\n\nrefund", "\n\nrefund"),
            ("a, not b</think>refund", "refund"),
            ("refund <think>no</think>", ""),
            ("<think>a</think>b<think>c</think>d", "d"),
            ("<Thinking>I write <thinking> here</thinking>x", "x"),
            ("x<reasoning>since y</reasoning>", "x"),
            ("since y</reasoning>x", "x"),
            ("◁think▷a◁/think▷x", "x"),
            (
                "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>x<|return|>",
                "x<|return|>",
            ),
            ("analysisWe need a label.assistantfinalx", "x"),
            // The task's own tag, and what stands in a label, are no marks.
            ("<cot>x</cot>", "<cot>x</cot>"),
            ("[THINK] twice", "[THINK] twice"),
        ] {
            assert_eq!(strip(answer).as_deref(), Ok(left), "{answer}");
        }
    }

    #[test]
    fn without_an_end_there_is_no_answer() {
        for answer in
            ["<think>refund", "<think>a</think><think>", "x<reasoning>y", "<|START_THINKING|>refund"]
        {
            assert_eq!(strip(answer), Err(Unfinished), "{answer}");
        }
    }

    proptest! {
        #[test]
        fn no_mark_is_missed_by_the_quick_look(answer in "(</? ?[tT]hink(ing)? ?>|<REASON>|</cot>|\\[/?THINK\\]|◁think▷|\\PC){0,12}") {
            let labels = LabelSet::new(vec!["refund".into()]).unwrap();
            let reasoning = Reasoning::new(None, &labels);
            if !reasoning.any.is_match(&answer) {
                prop_assert!(reasoning.marks.iter().all(|marks| marks.first(&answer).is_none()), "{}", answer);
            }
        }

        #[test]
        fn only_ever_takes_away(answer in "(</?think>|<reasoning>|</reasoning>|◁think▷|◁/think▷|\\PC){0,24}") {
            if let Ok(left) = strip(&answer) {
                prop_assert!(left.len() <= answer.len());
                prop_assert_eq!(strip(&left), Ok(left.clone()));
            }
        }
    }
}
