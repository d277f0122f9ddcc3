//! The marked parts of an answer: what stands inside a tag or a box.

use super::introduction::is_negated_by;
use crate::tag::Tag;

/// Tags that models are used to answer in, whatever the prompt asks for.
const USUAL: [&str; 6] = ["answer", "final_answer", "label", "category", "classification", "result"];

/// What stands inside output tags, `None` in place of what is taken back (`not <output>x</output>`); no list where there
/// is no such tag.
///
/// A missing closing tag (often eaten by a stop sequence) or opening tag (perhaps the end of the prompt) is forgiven.
pub(super) fn outputs<'a>(output: &Tag, said: &'a str) -> Option<Vec<Option<&'a str>>> {
    let mut contents = Vec::new();
    let mut opened: Option<(usize, bool)> = None;
    let (mut from, mut any) = (0, false);
    let content = |start, end, negated: bool| (!negated).then(|| &said[start..end]);
    while let Some(tag) = output.find(said, from) {
        match opened.take() {
            Some((start, negated)) => contents.push(content(start, tag.start, negated)),
            None if tag.closing && !any => contents.push(content(0, tag.start, false)),
            None => {}
        }
        if !tag.closing {
            opened = Some((tag.end, is_negated_by(&said[from..tag.start])));
        }
        (from, any) = (tag.end, true);
    }
    if let Some((start, negated)) = opened {
        contents.push(content(start, said.len(), negated));
    }
    any.then_some(contents)
}

/// The same for other tags that are used for answers, and for LaTeX boxes.
pub(super) fn contents(said: &str) -> Option<Vec<Option<&str>>> {
    let tags = USUAL.iter().filter_map(|name| Tag::new(name));
    let contents: Vec<_> = tags.filter_map(|tag| outputs(&tag, said)).flatten().chain(boxes(said)).collect();
    (!contents.is_empty()).then_some(contents)
}

/// What stands in `\boxed{…}`.
fn boxes(said: &str) -> Vec<Option<&str>> {
    const OPEN: &str = "\\boxed{";
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(start) = said[from..].find(OPEN).map(|at| from + at) {
        let inside = &said[start + OPEN.len()..];
        let mut depth = 1u32;
        let end = inside.bytes().position(|byte| {
            depth = match byte {
                b'{' => depth + 1,
                b'}' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        let Some(end) = end else { break };
        found.push((!is_negated_by(&said[from..start])).then(|| &inside[..end]));
        from = start + OPEN.len() + end;
    }
    found
}
