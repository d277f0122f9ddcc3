use std::path::Path;

use proptest::prelude::*;
use tunebench_data::ExampleId;

use super::sample::{HOSTILE, filled, of_skills};
use super::*;
use crate::testing::{any_predictions, changed, predictions, run};
use crate::{Answer, RowDetails, Run};

/// The tags of a page that are well-formed: opened and closed in order.
fn assert_nested(page: &str) {
    const VOID: [&str; 5] = ["!doctype", "meta", "link", "input", "wbr"];
    let content = |page: &str, tag: &str, end: &str| match page.split_once(&format!("<{tag}>")) {
        Some((before, rest)) => format!("{before}{}", rest.split_once(&format!("</{end}>")).unwrap().1),
        None => page.to_owned(),
    };
    let page = content(&content(page, "style", "style"), "script", "script");
    let page = content(&page, "script type=\"application/json\" id=\"data\"", "script");
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let tag = tag.split_once('>').expect("every tag ends").0;
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "closed in order"),
            None if VOID.contains(&name) || tag.ends_with('/') => {}
            None => open.push(name.to_owned()),
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
    let mut ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "each id stands once");
}

#[test]
fn a_page_is_small_however_many_rows_there_are_and_however_long_they_are() {
    let size = |labels, count| render(&filled(&of_skills(labels, count, &[62, 82]))).len();
    assert!(size(77, 5_000) < 3 << 20, "{} bytes", size(77, 5_000));
    let (some, many) = (size(10, 8_000), size(10, 20_000));
    assert!(many < some * 11 / 10, "{some} bytes became {many}");
    // Even where all texts are as large as texts can be, and nothing but marks.
    let run = of_skills(77, 5_000, &[62, 82]);
    let mut report = filled(&run);
    report.texts.values_mut().for_each(|text| *text = "\u{202e}<".repeat(50_000));
    let page = render(&report);
    assert!(page.len() < 5 << 20, "{} bytes", page.len());
    assert_nested(&page);
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let run = of_skills(12, 600, &[62, 82, 70]);
    assert_eq!(render(&filled(&run)), render(&filled(&run)));
}

#[test]
fn says_what_came_out_before_anything_else() {
    let head = |skills: &[u64]| {
        let run = of_skills(5, 900, skills);
        let page = render(&Report::new(&run));
        assert_nested(&page);
        page.split("<h1").nth(1).unwrap().split_once('>').unwrap().1.split("</h1>").next().unwrap().to_owned()
    };
    assert!(head(&[60, 85]).starts_with("The tuned model is better than its base: +"));
    assert!(head(&[85, 60]).starts_with("The tuned model is worse than its base: -"));
    let several = head(&[70, 85, 60]);
    assert!(
        several.starts_with("openai/ft:gpt-4.1-mini-2025-04-14:acme::B1xYz42 can replace openai/gpt-4.1"),
        "{several}"
    );
    assert!(head(&[70]).ends_with("% of the answers are right."));
}

#[test]
fn figures_are_those_of_the_other_formats() {
    let run = of_skills(5, 400, &[60, 85]);
    let report = Report::new(&run);
    let page = render(&report);
    for model in &report.figures.models {
        let scores = model.scores.as_ref().unwrap();
        assert!(page.contains(&crate::render::percent(scores.accuracy.unwrap())));
        assert!(page.contains(&crate::render::percent(scores.macro_average.f1.unwrap())));
    }
    let comparison = &report.figures.comparisons[0];
    assert!(
        page.contains(&format!("{} won, {} lost", comparison.paired.only_tuned, comparison.paired.only_base))
    );
    assert!(page.contains(&crate::render::points(comparison.difference.unwrap())));
}

#[test]
fn sections_without_anything_to_show_are_left_out() {
    let page = render(&Report::new(&run(&["a", "b"], vec![("m", None, predictions("aabb", "abab"))])));
    for absent in ["differences", "probabilities", "cost", "training"] {
        assert!(!page.contains(&format!("id=\"{absent}\"")), "{absent}");
    }
    assert!(page.contains("those with a wrong answer first"));
    let page = render(&filled(&of_skills(3, 300, &[60, 85])));
    for id in [
        "models",
        "differences",
        "confusion",
        "labels",
        "probabilities",
        "cost",
        "training",
        "rows",
        "manifest",
    ] {
        assert!(
            page.contains(&format!("<a href=\"#{id}\">")) && page.contains(&format!("<h2 id=\"{id}\">")),
            "{id}"
        );
    }
}

#[test]
fn what_costs_nothing_has_no_column_of_zeros() {
    let mut run =
        run(&["a", "b"], vec![("m", None, predictions("ab", "ab")), ("n", None, predictions("ab", "aa"))]);
    let usage = |cost| Some(crate::TokenUsage { input_tokens: 0, output_tokens: 0, cost_usd: Some(cost) });
    run.manifest.models.iter_mut().for_each(|record| record.usage = usage(0.0));
    let page = render(&Report::new(&run));
    assert!(!page.contains("id=\"cost\"") && !page.contains("Cost <small>per 1,000"));
    run.manifest.models[0].usage = usage(2.0);
    let page = render(&Report::new(&run));
    assert!(page.contains("id=\"cost\"") && page.contains("Cost <small>per 1,000"));
    assert!(page.contains("$0.00") && !page.contains(">0, 0<"), "tokens that nobody counted are none");
}

#[test]
fn a_run_without_models_rows_or_scores_is_no_crash() {
    assert_nested(&render(&Report::new(&run(&["a", "b"], vec![]))));
    let none = crate::Predictions::default;
    assert_nested(&render(&Report::new(&run(&["a"], vec![("m", None, none()), ("t", Some("m"), none())]))));
    let unanswered =
        run(&["a"], vec![("m", None, predictions("aa", "??")), ("t", Some("m"), predictions("aa", "aa"))]);
    let page = render(&Report::new(&unanswered));
    assert!(page.contains("Too few rows were answered for a verdict."));
    assert!(page.contains("to be careful</a>"));
}

/// The data that a page holds for its script.
fn data(page: &str) -> serde_json::Value {
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    serde_json::from_str(data).unwrap()
}

#[test]
fn few_rows_are_in_the_page_itself() {
    let run = of_skills(10, 400, &[62, 82]);
    let page = render(&filled(&run));
    let data = data(&page);
    assert!(page.contains("All 400 rows"));
    assert_eq!(data["about"]["beside"], serde_json::Value::Null);
    assert_eq!(data["rows"].as_array().unwrap().len(), 400);
    // What the index says of a row is what the predictions say.
    for (i, base) in run.evaluations[0].predictions.iter().enumerate() {
        assert_eq!(data["rows"][i][0], base.id.to_string());
        assert_eq!(data["index"]["gold"][i], base.gold.0);
        let answer = &data["index"]["answers"][0][i];
        match base.answer {
            Answer::Label(label) => assert_eq!(*answer, label.0),
            _ => assert!(answer.as_u64().unwrap() >= 10),
        }
    }
    let tuned = run.evaluations[1].predictions.iter();
    let worse = run.evaluations[0].predictions.iter().zip(tuned).filter(|(base, tuned)| {
        base.outcome() == crate::Outcome::Correct
            && tuned.is_answered()
            && tuned.outcome() != crate::Outcome::Correct
    });
    let kinds = data["index"]["kind"].as_array().unwrap();
    assert_eq!(kinds.iter().filter(|kind| **kind == 0).count(), worse.count());
}

/// Files in memory.
#[derive(Default)]
struct Kept(std::collections::BTreeMap<String, String>);

impl RowFiles for Kept {
    fn folder(&self) -> String {
        "report-rows".to_owned()
    }

    fn put(
        &mut self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        write(&mut bytes)?;
        self.0.insert(name.to_owned(), String::from_utf8(bytes).unwrap());
        Ok(())
    }
}

#[test]
fn many_rows_lie_beside_the_page_each_once() {
    let run = of_skills(10, 10_100, &[62, 82]);
    let report = filled(&run);
    let mut files = Kept::default();
    let rows = PageRows::collect(&report, &mut Lines::default(), Some(&mut files)).unwrap();
    let page = render(&report.with_rows(rows));
    assert_nested(&page);
    assert!(page.contains("All 10,100 rows are in the folder report-rows"));
    let data = data(&page);
    assert_eq!(data["rows"].as_array().unwrap().len(), LISTED);
    let key = data["about"]["key"].as_str().unwrap();
    let content = |text: &str, part: &str| -> serde_json::Value {
        let inner = text.trim_end().strip_prefix(&format!("tunebenchRows(\"{key}\",{part},")).unwrap();
        serde_json::from_str(inner.strip_suffix(");").unwrap()).unwrap()
    };
    let index = content(&files.0["index.js"], "-1");
    assert_eq!(index["gold"].as_array().unwrap().len(), 10_100);
    let mut ids = Vec::new();
    for part in 0..files.0.len() - 1 {
        let text = &files.0[&format!("{part}.js")];
        assert!(!text.contains(['<', '\u{2028}', '\u{2029}']));
        let rows = content(text, &part.to_string());
        ids.extend(rows.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()));
    }
    let expected: Vec<_> = run.evaluations[0].predictions.iter().map(|row| row.id.to_string()).collect();
    assert_eq!(ids, expected);
}

/// Rows with hostile texts, a column and raw answers.
#[derive(Default)]
struct Lines {
    line: u64,
}

impl RowSource for Lines {
    fn columns(&self) -> Vec<String> {
        vec!["ticket </script>".to_owned()]
    }

    fn row(&mut self, _: ExampleId) -> std::io::Result<RowContent> {
        self.line += 1;
        let text = match self.line as usize % 20 {
            i if i < HOSTILE.len() => HOSTILE[i].to_owned(),
            _ => format!("Where is the card that I asked for {} days ago?", self.line),
        };
        let said = |answer: &str| {
            let answer = Some(answer.to_owned());
            Some(RowDetails {
                answer,
                input_tokens: Some(40),
                output_tokens: Some(3),
                cost_usd: Some(0.00012),
                ..RowDetails::default()
            })
        };
        let answers = vec![
            said("<output>card</output>"),
            said("\u{2028}</script><script>document.title='broken'</script>"),
        ];
        Ok(RowContent {
            line: self.line + 1,
            text: Some(text),
            fields: vec![format!("T-{}", self.line)],
            answers,
        })
    }
}

#[test]
fn the_policy_allows_what_is_on_the_page_and_nothing_else() {
    let page = render(&Report::new(&of_skills(3, 60, &[60, 85])));
    assert_eq!(page.matches("Content-Security-Policy").count(), 2);
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let content =
            page.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next().unwrap();
        assert!(page.contains(&format!("{directive} 'sha256-{}'", digest(content))));
    }
    // The policy would not let it be loaded, but nothing should try.
    for loads in [" src=", " style=", "url(", "@import", " onclick=", "http://", "https://"] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn matrices_of_many_labels_stay_small_and_name_what_they_leave_out() {
    let page = render(&filled(&of_skills(150, 1_500, &[60, 80])));
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
    assert_nested(&page);
    let page = render(&filled(&of_skills(170, 510, &[60, 80])));
    assert!(page.contains("150 of 170 labels with the most wrong rows"));
}

/// All names of a run that come from outside, made hostile.
fn poisoned() -> Run {
    let mut run = of_skills(6, 200, &[60, 85]);
    let name = |i: usize| HOSTILE[i].replace(|c: char| c.is_control(), "").trim().to_owned();
    run.manifest.labels = crate::testing::labels(&(0..6).map(name).collect::<Vec<_>>());
    run.manifest.tool_version = name(0);
    run.manifest.started = HOSTILE[5].to_owned();
    run.manifest.data[0].path = HOSTILE[1].to_owned();
    run.manifest.prompt = serde_json::json!({ "instruction": HOSTILE.join("\n") });
    for i in 0..2 {
        let model = format!("local/{}", HOSTILE[i + 1]);
        run.evaluations[i].model.clone_from(&model);
        run.manifest.models[i].model = model;
        run.manifest.models[i].description = Some(HOSTILE[4].to_owned());
        run.manifest.models[i].hyperparameters = serde_json::json!({ HOSTILE[0]: HOSTILE[2] });
    }
    let base = run.evaluations[0].model.clone();
    run.evaluations[1].tuned_from = Some(base.clone());
    run.manifest.models[1].tuned_from = Some(base);
    run
}

#[test]
fn hostile_names_and_texts_are_text() {
    let page = render(&filled(&poisoned()));
    assert_nested(&page);
    assert_eq!(page.matches("<script").count(), 2, "the script, and the data that it reads");
    assert!(!page.contains("<img") && !page.contains("<svg onload") && !page.contains("<!--"));
    assert!(!page.contains(['\u{202e}', '\u{200f}', '\0', '\u{1b}', '\r']));
    assert!(page.contains("&lt;script&gt;document.title"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_run_gives_a_page_that_is_well_formed(
        base in any_predictions(4), tuned in any_predictions(4), text in any::<String>(), model in "\\PC{1,30}",
    ) {
        let tuned = base.iter().zip(&tuned).map(|(b, t)| crate::Prediction { answer: t.answer, ..b }).collect();
        let ids: Vec<ExampleId> = base.iter().map(|row| row.id).collect();
        let model = format!("local/{model}");
        let run = run(&["<a>", "b\u{202e}", "c'\"", "&amp;"], vec![(&model, None, base), ("t", Some(&model), tuned)]);
        let report = filled(&run).with_texts(ids.into_iter().map(|id| (id, text.clone())).collect());
        let page = render(&report);
        assert_nested(&page);
        prop_assert_eq!(page, render(&report));
    }
}

/// A page of a hundred thousand rows with its files, and the same page alone.
fn large(folder: &Path) {
    struct Folder<'a>(&'a Path);
    impl RowFiles for Folder<'_> {
        fn folder(&self) -> String {
            "large-rows".to_owned()
        }

        fn put(
            &mut self,
            name: &str,
            write: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
        ) -> std::io::Result<()> {
            let place = self.0.join(self.folder());
            std::fs::create_dir_all(&place)?;
            write(&mut std::io::BufWriter::new(std::fs::File::create(place.join(name))?))
        }
    }
    let run = of_skills(77, 100_000, &[62, 82]);
    let report = filled(&run);
    let rows = PageRows::collect(&report, &mut Lines::default(), Some(&mut Folder(folder))).unwrap();
    let page = render(&report.with_rows(rows));
    std::fs::write(folder.join("large.html"), &page).unwrap();
    std::fs::create_dir_all(folder.join("mailed")).unwrap();
    std::fs::write(folder.join("mailed/large.html"), &page).unwrap();
}

/// Writes pages for the test in a real browser, to the folder that `TUNEBENCH_PAGES` names: see `tests/browser/run`.
#[test]
fn pages_for_a_browser() {
    let Some(folder) = std::env::var_os("TUNEBENCH_PAGES") else { return };
    let folder = Path::new(&folder);
    let write = |name: &str, run: &Run| std::fs::write(folder.join(name), render(&filled(run))).unwrap();
    write("typical.html", &of_skills(77, 5_000, &[62, 82]));
    let small = of_skills(10, 400, &[64, 84]);
    let report = filled(&small);
    let rows = PageRows::collect(&report, &mut Lines::default(), None).unwrap();
    std::fs::write(folder.join("small.html"), render(&report.with_rows(rows))).unwrap();
    write("open.html", &of_skills(3, 120, &[74, 76]));
    write("eight.html", &of_skills(20, 2_000, &[60, 62, 66, 70, 74, 78, 55, 82]));
    write("many.html", &of_skills(150, 5_000, &[60, 80]));
    write("hostile.html", &poisoned());
    let open = of_skills(3, 120, &[74, 76]);
    let past = [0.62, 0.68, 0.71].into_iter().enumerate().map(|(i, accuracy)| {
        let (id, started) = (format!("2026010{i}-1200"), format!("2026-01-0{i}T12:00:00Z"));
        (open.evaluations[1].model.clone(), crate::PastRun { id, started, accuracy })
    });
    std::fs::write(folder.join("history.html"), render(&filled(&open).with_history(past))).unwrap();
    large(folder);
    let mut alone = of_skills(10, 400, &[70]);
    alone.manifest.complete = false;
    let rows = &mut alone.evaluations[0].predictions;
    let refused = Answer::Invalid(crate::InvalidKind::Refused);
    *rows = changed(rows, |at, row| row.answer = if at < 3 { refused } else { row.answer });
    std::fs::write(folder.join("alone.html"), render(&Report::new(&alone))).unwrap();
}
