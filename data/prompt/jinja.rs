//! The template language: Jinja without its filters and functions but for a few that can't fail on a text.

use std::collections::BTreeSet;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, filters};

/// What may stand between two braces, in characters: the parser calls itself for each sign of an expression.
const LONGEST_TAG: usize = 4_000;
/// Room for the parser at [`LONGEST_TAG`], in bytes: 16 KiB for each character in an unoptimised build.
const STACK: usize = 64 << 20;

/// Jinja that keeps every line break and knows nothing but what can't fail on a text.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.add_filter("join", filters::join);
    environment.add_filter("length", filters::length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("tojson", tojson);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment
}

/// A text, or a list of texts, as JSON.
fn tojson(value: &Value) -> String {
    use serde_json::Value as Json;
    let json = match (value.as_str(), value.try_iter()) {
        (Some(text), _) => Json::from(text),
        (None, Ok(list)) => list.map(|entry| Json::from(entry.to_string())).collect(),
        (None, Err(_)) => Json::from(value.to_string()),
    };
    json.to_string()
}

pub(super) fn add(environment: &mut Environment<'static>, name: &str, source: &str) -> Result<(), String> {
    let length = longest_tag(source);
    if length > LONGEST_TAG {
        return Err(format!(
            "{{{{ … }}}} or {{% … %}} is {length} characters long; {LONGEST_TAG} are the most"
        ));
    }
    let added = with_a_deep_stack(|| environment.add_template_owned(name.to_owned(), source.to_owned()));
    added.map_err(|error| {
        let line = error.line().map_or_else(String::new, |line| format!(" in line {line}"));
        format!("{}{line}", error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
    })
}

/// Whether a template only puts names in their places, through filters or not.
pub(super) fn is_plain(source: &str) -> bool {
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || ['_', '.'].contains(&c));
    // Filters take literals: what stands in their parentheses is not a name of the row.
    let is_filter = |filter: &str| {
        let (name, arguments) = filter.split_once('(').unwrap_or((filter, "''"));
        is_name(name) && arguments.starts_with(['\'', '"']) && !arguments.contains(['+', '*', '/', '%'])
    };
    let mut in_braces = source.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    let is_simple = |inside: &str| {
        let mut parts = inside.trim_matches('-').split('|').map(str::trim);
        parts.next().is_some_and(is_name) && parts.all(is_filter)
    };
    !source.contains("{%") && in_braces.all(|(inside, _)| is_simple(inside))
}

/// The names that a template takes from outside, with a part: `text`, `item.subject`.
pub(super) fn names(environment: &Environment<'_>, template: &str) -> BTreeSet<String> {
    let template = environment.get_template(template);
    template
        .map(|template| with_a_deep_stack(|| template.undeclared_variables(true)))
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name != "loop" && !name.starts_with("loop."))
        .collect()
}

/// The characters of the longest `{{ … }}` or `{% … %}`.
fn longest_tag(source: &str) -> usize {
    let (mut longest, mut rest) = (0, source);
    while let Some(at) = rest.find('{') {
        let inside = &rest[at + 1..];
        let Some(kind) = inside.chars().next() else { break };
        rest = match kind {
            '#' => inside.split_once("#}").map_or("", |(_, after)| after),
            '{' | '%' => {
                let end = end_of_tag(&inside[1..]);
                longest = longest.max(inside[1..][..end].chars().count());
                &inside[1 + end..]
            }
            _ => inside,
        };
    }
    longest
}

/// Where `}}` or `%}` stands outside of quotes, or the end.
fn end_of_tag(inside: &str) -> usize {
    let (mut quote, mut last) = (None, ' ');
    for (at, character) in inside.char_indices() {
        match (quote, last, character) {
            // A character after a backslash means itself.
            (Some(_), '\\', _) => {
                last = ' ';
                continue;
            }
            (Some(open), _, _) if open == character => quote = None,
            (None, _, '\'' | '"') => quote = Some(character),
            (None, '}' | '%', '}') => return at,
            _ => {}
        }
        last = character;
    }
    inside.len()
}

/// Runs the parser where its depth can't end the program: the stack of a worker thread is too small for what it allows.
fn with_a_deep_stack<T: Send>(parse: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parse);
        let parsed = thread.expect("a thread can be started").join();
        parsed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_expression_is_read_or_refused_on_a_small_stack() {
        let deep = [
            format!("{{{{ {}text }}}}", "-".repeat(3_900)),
            format!("{{{{ {}text{} }}}}", "(".repeat(1_900), ")".repeat(1_900)),
            format!("{{{{ labels{}{} }}}}", "[x".repeat(1_300), "]".repeat(1_300)),
            format!("{{{{ text{} }}}}", ".a".repeat(1_900)),
            format!("{{{{ {}text }}}}", "not ".repeat(900)),
            format!("{}{}", "{% if text %}".repeat(2_000), "{% endif %}".repeat(2_000)),
        ];
        let read = |source: String| {
            let mut environment = environment();
            add(&mut environment, "x", &source).map(|()| names(&environment, "x"))
        };
        for source in deep {
            let small = std::thread::Builder::new().stack_size(256 << 10).spawn(move || read(source));
            let _ = small.unwrap().join().expect("it neither panics nor overflows");
        }
        assert!(
            read(format!("{{{{ {}text }}}}", "-".repeat(4_000))).unwrap_err().contains("4000 are the most")
        );
    }

    #[test]
    fn the_length_of_a_tag_ends_where_the_tag_does() {
        assert_eq!(longest_tag("{ } {{ text }} and a long text without a tag"), 7);
        assert_eq!(longest_tag("{{ '}}' ~ text }}{{ x }}"), "  '}}' ~ text }".len() - 1);
        assert_eq!(longest_tag(r#"{{ "\"}}" ~ text }}"#), r#" "\"}}" ~ text }"#.len());
        assert_eq!(longest_tag("{# {{ a comment #}{% if x %}"), 7);
        assert_eq!(longest_tag("{{ never closed"), 13);
        assert_eq!(longest_tag("{"), 0);
    }
}
