use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::*;
use crate::Run;
use crate::render::text::clean;
use crate::testing::{predictions, run};

fn page(run: &Run) -> String {
    String::from_utf8(Markdown::default().render(&Report::new(run))).unwrap()
}

/// What a reader of the page sees: its tables, cell by cell, the code outside tables, and the tags of its HTML.
#[derive(Debug, Default)]
struct Seen {
    tables: Vec<Vec<Vec<String>>>,
    code: Vec<String>,
    tags: Vec<String>,
    links: usize,
}

impl Seen {
    fn of(page: &str) -> Self {
        let (mut seen, mut cell, mut code) = (Self::default(), None::<String>, None::<String>);
        for event in Parser::new_ext(page, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            match event {
                Event::Start(Tag::Table(_)) => seen.tables.push(Vec::new()),
                Event::Start(Tag::TableHead | Tag::TableRow) => {
                    seen.tables.last_mut().unwrap().push(Vec::new());
                }
                Event::Start(Tag::TableCell) => cell = Some(String::new()),
                Event::End(TagEnd::TableCell) => {
                    seen.tables.last_mut().unwrap().last_mut().unwrap().push(cell.take().unwrap());
                }
                Event::Start(Tag::Link { .. } | Tag::Image { .. }) => seen.links += 1,
                Event::InlineHtml(tag) if &*tag == "<code>" => code = Some(String::new()),
                Event::InlineHtml(tag) if &*tag == "</code>" => seen.code.extend(code.take()),
                Event::InlineHtml(tag) => seen.tags.push(tag.to_string()),
                Event::Html(block) => seen.tags.push(block.to_string()),
                Event::Text(text) | Event::Code(text) if cell.is_some() => {
                    cell.as_mut().unwrap().push_str(&text);
                }
                Event::Code(text) => seen.code.push(text.to_string()),
                Event::Text(text) => code.iter_mut().for_each(|code| code.push_str(&text)),
                _ => {}
            }
        }
        seen
    }
}

#[test]
fn the_verdict_is_the_first_line_and_the_rest_can_be_opened() {
    let gold = "abc".repeat(40);
    let (base, tuned) = ("aba".repeat(40), gold.clone());
    let run = run(
        &["a", "b", "c"],
        vec![("m", None, predictions(&gold, &base)), ("t", Some("m"), predictions(&gold, &tuned))],
    );
    let page = page(&run);
    let (headline, rest) = page.split_once("\n\n").unwrap();
    assert_eq!(headline, "## The tuned model is better than its base: +33.3 points.");
    assert!(rest.starts_with("**Better**: `t` against `m`: accuracy 66.7 % → 100.0 %, "), "{page}");
    let seen = Seen::of(&page);
    assert_eq!(seen.tables[0][0][..3], ["model", "answered", "accuracy (95 %)"]);
    assert_eq!(seen.tables[0][2][..2], ["└ t", "120/120"]);
    assert_eq!(seen.tables[1][3], ["c", "40", "– → 100.0", "0.0 → 100.0", "0.0 → 100.0"]);
    assert_eq!(seen.tables[2][1], ["c", "a", "40", "100.0"]);
    assert_eq!(page.matches("<details>").count(), 3);
}

#[test]
fn each_verdict_is_a_paragraph_and_lost_rows_can_be_opened() {
    let gold = "abc".repeat(40);
    let (base, tuned) = ("aba".repeat(40), format!("cb{}", &gold[2..]));
    let run = run(
        &["a", "b", "c"],
        vec![
            ("m", None, predictions(&gold, &base)),
            ("t", Some("m"), predictions(&gold, &tuned)),
            ("u", Some("m"), predictions(&gold, &base)),
        ],
    );
    let page = page(&run);
    let (mut begins, mut paragraphs, mut headings) = (false, 0, 0);
    for event in Parser::new_ext(&page, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Strong) if begins => paragraphs += 1,
            Event::Start(Tag::Heading { .. }) => headings += 1,
            _ => {}
        }
        begins = matches!(event, Event::Start(Tag::Paragraph));
    }
    assert_eq!(paragraphs, 2, "{page}");
    assert!(headings >= 2, "{page}");
    assert!(
        page.contains("<summary>Lost: 1 row that <code>m</code> gets right and <code>t</code> does not"),
        "{page}"
    );
    assert!(!page.contains("and <code>u</code> does not"), "{page}");
}

#[test]
fn a_marker_is_a_first_line_that_cannot_end_early() {
    let run = run(&["a"], vec![]);
    let marked = Markdown { marker: Some("tunebench:gate --><b>".to_owned()) };
    let text = String::from_utf8(marked.render(&Report::new(&run))).unwrap();
    assert_eq!(text.lines().next(), Some("<!-- tunebench:gateb -->"));
    assert_eq!(text, String::from_utf8(marked.render(&Report::new(&run))).unwrap());
}

#[test]
fn any_run_fits_into_a_comment() {
    let names: Vec<_> = (0..300).map(|i| format!("{}{i}", "模型|".repeat(40))).collect();
    let rows = predictions(&"abc".repeat(50), &"bca".repeat(50));
    let models: Vec<_> = (0..15).map(|i| format!("{}{i}", "*".repeat(200))).collect();
    let models = models.iter().map(|name| (name.as_str(), None, rows.clone())).collect();
    let page = page(&run(&names, models));
    assert!(page.chars().count() < 65_536, "{}", page.chars().count());
    assert!(page.contains("more sections have no room here"), "{}", &page[page.len() - 1000..]);
}

proptest! {
    // Each case computes ten thousand draws.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_names_stay_in_their_cells(
        model in "[|`\\\\<>&@#*_\\[\\]()!~ \\n\\r\\t\u{202e}a-c:/.-]{1,24}|\\PC{1,24}",
        label in "[|`\\\\<>&@#*_$ \\na-c-]{1,16}|\\PC{1,16}|https?://[a-z.]{1,9}|www\\.[a-z.]{1,9}|</code>|<!--|-->",
    ) {
        prop_assume!(tunebench_data::LabelSet::new(vec![label.clone(), "zz".to_owned()]).is_ok());
        let run = run(
            &[label.as_str(), "zz"],
            vec![
                (model.as_str(), None, predictions("aabb", "abba")),
                ("tuned", Some(model.as_str()), predictions("aabb", "aabb")),
            ],
        );
        let page = page(&run);
        let seen = Seen::of(&page);
        let (model, label) = (clean(&model), clean(&label));
        prop_assert_eq!(seen.tables.len(), 3, "{}", page);
        prop_assert_eq!(&seen.tables[0][1][0], &model, "{}", page);
        prop_assert_eq!(seen.tables[0].iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5]);
        prop_assert_eq!(&seen.tables[1][1][0], &label);
        prop_assert_eq!(&seen.tables[2][1][0], &label);
        prop_assert_eq!(&seen.code[..2], &["tuned".to_owned(), model]);
        prop_assert_eq!(seen.links, 0);
        let ours = ["<details>", "<summary>", "</details>", "<sub>", "</sub>"];
        prop_assert!(seen.tags.iter().all(|tag| ours.iter().any(|ours| tag.starts_with(ours))), "{:?}", seen.tags);
        prop_assert_eq!(page.matches("</details>").count(), 3);
    }
}
