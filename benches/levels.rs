//! How often the test that decides errs, and how often intervals hold the truth: the tables of `docs/statistics.md`. `--write` puts
//! them there.
//!
//! Test sets are drawn from a population whose truth is known: labels even or skewed, rows by themselves or in groups that share
//! their outcome with a given chance, answers asked several times, some of them missing.

#![expect(clippy::print_stdout, reason = "its tables are for the documentation")]

use std::fmt::Write;
use std::sync::Arc;

use tunebench_data::{ExampleId, LabelId, LabelSet};
use tunebench_reports::{
    Answer, Clustering, Comparison, Costs, Evaluation, Figures, Looks, Manifest, Metric, Prediction,
    Predictions, Rules, Run, UnansweredKind, Verdict, mcnemar_exact, mcnemar_mid_p,
};

/// Test sets for each line of a table.
const TIMES: u32 = 2000;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next() * f64::from(bound)) as u32
    }
}

/// How test sets are made.
#[derive(Clone, Copy)]
struct World {
    groups: u32,
    size: u32,
    /// The chance that a row has the outcome of its group.
    alike: f64,
    labels: u32,
    skewed: bool,
    /// The shares of rows that only the base and only the tuned model get right, and that both do.
    lost: f64,
    won: f64,
    both: f64,
    missing: f64,
    repeats: u32,
}

const ROWS: World = World {
    groups: 300,
    size: 1,
    alike: 0.0,
    labels: 2,
    skewed: false,
    lost: 0.1,
    won: 0.1,
    both: 0.7,
    missing: 0.0,
    repeats: 1,
};

impl World {
    /// The gold label and whether base and tuned model are right: what is drawn for a row, or for its group.
    fn outcome(&self, random: &mut Random) -> (u32, [bool; 2]) {
        let gold = if self.skewed {
            // The k-th label has about 1/k of the rows of the first.
            let share = random.next() * f64::from(self.labels).ln_1p();
            (share.exp() - 1.0) as u32
        } else {
            random.below(self.labels)
        };
        let share = random.next();
        let right = [
            share < self.both + self.lost,
            share < self.both || (self.both + self.lost..self.both + self.lost + self.won).contains(&share),
        ];
        (gold.min(self.labels - 1), right)
    }

    /// Base and tuned model with their repeats, of one test set.
    fn draw(&self, random: &mut Random) -> Run {
        let mut clustering = Clustering::new(self.size > 1);
        let mut rows = vec![Predictions::default(); 2 * self.repeats as usize];
        for group in 0..self.groups {
            let common = self.outcome(random);
            for row in 0..self.size {
                let id = ExampleId(u64::from(group * self.size + row));
                let (gold, right) = if random.next() < self.alike { common } else { self.outcome(random) };
                clustering.push((self.size > 1).then(|| group.to_string()).as_deref(), &id.0.to_string());
                for (at, rows) in rows.iter_mut().enumerate() {
                    // A repeat differs from the first answer in one row of five.
                    let redrawn = at >= 2 && random.next() < 0.2;
                    let right = if redrawn { self.outcome(random).1 } else { right };
                    let wrong = (gold + 1 + random.below((self.labels - 1).min(3))) % self.labels;
                    let label = if right[at % 2] { gold } else { wrong };
                    let answer = match random.next() < self.missing {
                        true => Answer::Unanswered(UnansweredKind::Network),
                        false => Answer::Label(LabelId(label)),
                    };
                    rows.push(Prediction {
                        id,
                        gold: LabelId(gold),
                        answer,
                        probability: None,
                        gold_probability: None,
                        latency: None,
                    });
                }
            }
        }
        let clusters = clustering.finish().map(Arc::new);
        let evaluations = rows.into_iter().enumerate().map(|(at, predictions)| Evaluation {
            model: format!("{}#{}", ["base", "tuned"][at % 2], at / 2),
            tuned_from: None,
            predictions,
            clusters: clusters.clone(),
            slices: None,
        });
        Run { manifest: manifest(self.labels), evaluations: evaluations.collect() }
    }

    fn compare(&self, run: &Run, rules: &Rules) -> Comparison {
        let side = |at: usize| run.evaluations.iter().skip(at).step_by(2).collect::<Vec<_>>();
        Comparison::of_repeats(&side(0), &side(1), rules)
    }

    /// The share of test sets, in per cent, of which something holds.
    fn share(&self, margin: Option<f64>, holds: impl Fn(&Comparison) -> bool) -> f64 {
        self.share_by(&Rules { margin, ..Rules::default() }, TIMES, holds)
    }

    fn share_by(&self, rules: &Rules, times: u32, holds: impl Fn(&Comparison) -> bool) -> f64 {
        let mut random = Random(7);
        let held = (0..times).filter(|_| holds(&self.compare(&self.draw(&mut random), rules))).count();
        100.0 * held as f64 / f64::from(times)
    }
}

fn manifest(labels: u32) -> Manifest {
    let text = r#"{"format_version": 1, "tool_version": "1", "started": "", "complete": true, "min_coverage": 0.9,
        "seed": 1, "data": [], "labels": ["a"], "models": []}"#;
    let manifest = Manifest::from_json(text.as_bytes()).expect("a manifest");
    let names = (0..labels).map(|label| label.to_string()).collect();
    Manifest { labels: LabelSet::new(names).expect("labels"), ..manifest }
}

fn different(comparison: &Comparison) -> bool {
    matches!(comparison.verdict, Verdict::Better | Verdict::Worse)
}

fn main() {
    let tables = [
        ("rows", one_row_one_answer()),
        ("clusters", clusters()),
        ("figures", figures()),
        ("looks", looks()),
        ("macro_f1", macro_f1()),
    ];
    if std::env::args().any(|argument| argument == "--write") {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/statistics.md");
        let mut page = std::fs::read_to_string(path).expect("the page");
        for (name, table) in &tables {
            let (start, end) = (format!("<!-- levels: {name} -->\n\n"), "\n<!-- end -->");
            let from = page.find(&start).expect("the place of the table") + start.len();
            let to = from + page[from..].find(end).expect("the end of the table");
            page.replace_range(from..to, table);
        }
        std::fs::write(path, page).expect("the page can be written");
    } else {
        tables.iter().for_each(|(_, table)| println!("{table}"));
    }
}

/// Other figures than accuracy, of equal models and of one that is better.
fn figures() -> String {
    let mut table = String::new();
    writeln!(table, "| figure | rows | labels | clusters | right | false verdicts | interval covers | a gain of 10 points of accuracy found |")
        .expect("a text takes any line");
    writeln!(table, "|---|---|---|---|---|---|---|---|").expect("a text takes any line");
    for (figure, groups, size, labels, skewed, both) in [
        ("macro_f1", 60, 1, 2, false, 0.7),
        ("macro_f1", 300, 1, 10, true, 0.7),
        ("macro_f1", 400, 1, 77, false, 0.8),
        ("macro_f1", 3000, 1, 77, true, 0.8),
        ("macro_f1", 40, 10, 5, false, 0.7),
        ("precision:0", 100, 1, 2, true, 0.7),
        ("precision:0", 300, 1, 10, true, 0.7),
        ("precision:0", 40, 10, 5, false, 0.7),
        ("recall:0", 300, 1, 10, true, 0.7),
        ("recall:0", 60, 20, 10, true, 0.7),
        ("cost", 60, 1, 3, false, 0.7),
        ("cost", 300, 1, 10, true, 0.7),
        ("cost", 40, 10, 5, false, 0.7),
    ] {
        let alike = if size > 1 { 0.7 } else { 0.0 };
        let world = World { groups, size, labels, skewed, both, alike, ..ROWS };
        let costs =
            Costs { of: [("0".to_owned(), [("1".to_owned(), 5.0)].into())].into(), ..Costs::default() };
        let metric = Metric::named(figure, Some(&costs), &manifest(labels).labels).expect("a figure");
        let rules = || Rules { metric: metric.clone(), ..Rules::default() };
        let wrong = world.share_by(&rules(), TIMES / 4, different);
        let covers = world.share_by(&rules(), TIMES / 4, |c| {
            c.difference_interval.is_some_and(|i| i.low <= 0.0 && 0.0 <= i.high)
        });
        let apart = World { won: 0.2, both: both - 0.1, ..world };
        let found = apart.share_by(&rules(), TIMES / 4, |c| c.verdict == Verdict::Better);
        writeln!(
            table,
            "| {figure} | {} | {labels}{} | {groups} | {:.0} % | {wrong:.1} | {covers:.1} | {found:.0} |",
            groups * size,
            if skewed { ", skewed" } else { "" },
            100.0 * (both + world.lost),
        )
        .expect("a text takes any line");
    }
    table
}

/// Looks after every fifty rows, up to a thousand, at equal models and at one that is better.
fn looks() -> String {
    let mut table = String::new();
    writeln!(table, "| test | tell apart | ever called better or worse | a gain of 5 points found in the end | times the rows of a single look |")
        .expect("a text takes any line");
    writeln!(table, "|---|---|---|---|---|").expect("a text takes any line");
    for (looks, name) in [(Looks::Once, "score test"), (Looks::AnyTime, "for many looks")] {
        for each in [0.05, 0.1] {
            let rules = Rules { looks, ..Rules::default() };
            let world = World { groups: 1000, lost: each, won: each, both: 0.6, ..ROWS };
            let apart = World { won: each + 0.05, ..world };
            let mut random = Random(11);
            let (mut ever, mut found, mut price) = (0u32, 0u32, 0.0);
            let times = TIMES / 4;
            for _ in 0..times {
                let run = world.draw(&mut random);
                ever += u32::from((50..=1000).step_by(50).any(|rows| {
                    let places: Vec<usize> = (0..rows).collect();
                    let [base, tuned] = [0, 1].map(|model| run.evaluations[model].only(&places));
                    different(&Comparison::of(&base, &tuned, &rules))
                }));
                let comparison = apart.compare(&apart.draw(&mut random), &rules);
                found += u32::from(comparison.verdict == Verdict::Better);
                price += comparison.price.unwrap_or(1.0);
            }
            let of = |count: u32| 100.0 * f64::from(count) / f64::from(times);
            writeln!(
                table,
                "| {name} | {:.0} % | {:.1} | {:.0} | {:.1} |",
                200.0 * each,
                of(ever),
                of(found),
                price / f64::from(times)
            )
            .expect("a text takes any line");
        }
    }
    table
}

/// The test beside those of McNemar, where each cluster is a row.
fn one_row_one_answer() -> String {
    let mut table = String::new();
    writeln!(table,
        "| rows | tell apart | exact McNemar | mid-p | score test | its interval covers | loss of the margin called no worse |"
    ).expect("a text takes any line");
    writeln!(table, "|---|---|---|---|---|---|---|").expect("a text takes any line");
    for (groups, each) in [
        (30, 0.1),
        (30, 0.2),
        (100, 0.05),
        (100, 0.1),
        (300, 0.02),
        (300, 0.1),
        (1000, 0.05),
        (3000, 0.01),
        (3000, 0.1),
    ] {
        let world = World { groups, lost: each, won: each, both: 0.6, ..ROWS };
        let exact = world.share(None, |c| {
            c.mcnemar_p.is_some() && mcnemar_exact(c.paired.only_base, c.paired.only_tuned) <= 0.05
        });
        let mid = world.share(None, |c| mcnemar_mid_p(c.paired.only_base, c.paired.only_tuned) <= 0.05);
        let score = world.share(None, different);
        let apart = World { won: each + 0.05, ..world };
        let covers =
            apart.share(None, |c| c.difference_interval.is_some_and(|i| i.low <= 0.05 && 0.05 <= i.high));
        let margin = World { lost: each + 0.05, ..world };
        let passed = margin.share(Some(0.05), |c| c.non_inferiority.is_some_and(|test| test.proven));
        writeln!(
            table,
            "| {groups} | {:.0} % | {exact:.1} | {mid:.1} | {score:.1} | {covers:.1} | {passed:.1} |",
            200.0 * each
        )
        .expect("a text takes any line");
    }
    table
}

/// Groups, repeats and missing answers.
fn clusters() -> String {
    let mut table = String::new();
    writeln!(table,
        "| clusters | rows in each | alike | answers | missing | false verdicts | interval covers | loss of the margin called no worse | a gain of 10 points found |"
    ).expect("a text takes any line");
    writeln!(table, "|---|---|---|---|---|---|---|---|---|").expect("a text takes any line");
    for (groups, size, alike, repeats, missing) in [
        (6, 20, 0.7, 1, 0.0),
        (10, 10, 0.7, 1, 0.0),
        (20, 15, 0.7, 1, 0.0),
        (40, 10, 0.7, 1, 0.0),
        (60, 20, 0.7, 1, 0.0),
        (150, 20, 0.5, 1, 0.0),
        (40, 5, 1.0, 1, 0.0),
        (300, 1, 0.0, 5, 0.0),
        (40, 10, 0.7, 3, 0.0),
        (300, 1, 0.0, 1, 0.01),
        (1000, 1, 0.0, 1, 0.02),
        (60, 20, 0.7, 1, 0.02),
    ] {
        let world = World { groups, size, alike, repeats, missing, ..ROWS };
        let wrong = world.share(None, different);
        let apart = World { won: 0.2, both: 0.6, ..world };
        // A repeat has the same chances as the first answer, so that the truth is the same.
        let covers =
            apart.share(None, |c| c.difference_interval.is_some_and(|i| i.low <= 0.1 && 0.1 <= i.high));
        let found = apart.share(None, |c| c.verdict == Verdict::Better);
        let margin = World { lost: 0.15, both: 0.65, ..world };
        let passed = margin.share(Some(0.05), |c| c.non_inferiority.is_some_and(|test| test.proven));
        writeln!(table,
            "| {groups} | {size} | {alike} | {repeats} | {:.0} % | {wrong:.1} | {covers:.1} | {passed:.1} | {found:.0} |",
            100.0 * missing
        ).expect("a text takes any line");
    }
    table
}

/// The interval of macro-F1, against what a million rows give.
fn macro_f1() -> String {
    let mut table = String::new();
    writeln!(table,
        "| rows | labels | shares | clusters | accuracy | interval covers | true value below it | test sets without one |"
    ).expect("a text takes any line");
    writeln!(table, "|---|---|---|---|---|---|---|---|").expect("a text takes any line");
    for (groups, size, labels, skewed, both) in [
        (30, 1, 2, false, 0.8),
        (100, 1, 2, true, 0.85),
        (60, 1, 5, false, 0.92),
        (100, 1, 10, true, 0.8),
        (300, 1, 10, true, 0.8),
        (400, 1, 40, false, 0.8),
        (200, 1, 77, false, 0.8),
        (400, 1, 77, false, 0.85),
        (400, 1, 77, true, 0.85),
        (3000, 1, 77, false, 0.85),
        (3000, 1, 77, true, 0.85),
        (40, 10, 3, false, 0.8),
        (40, 10, 10, true, 0.8),
        (60, 20, 10, false, 0.85),
        (60, 20, 77, false, 0.85),
    ] {
        let world = World {
            groups,
            size,
            alike: if size > 1 { 0.7 } else { 0.0 },
            labels,
            skewed,
            both,
            lost: 0.05,
            won: 0.05,
            ..ROWS
        };
        let value = |run: &Run| {
            let figures = Figures::of(run);
            let model = &figures.models[0];
            (model.scores.as_ref().and_then(|s| s.macro_average.f1), model.intervals.and_then(|i| i.macro_f1))
        };
        let large = World { groups: 1_000_000, size: 1, alike: 0.0, ..world };
        let mut random = Random(99);
        let truth = value(&large.draw(&mut random)).0.unwrap_or_default();
        let (mut covered, mut below, mut without) = (0u32, 0u32, 0u32);
        let times = TIMES / 2;
        for _ in 0..times {
            match value(&world.draw(&mut random)).1 {
                None => without += 1,
                Some(interval) => {
                    covered += u32::from(interval.low <= truth && truth <= interval.high);
                    below += u32::from(truth < interval.low);
                }
            }
        }
        let of = |count: u32| match times - without {
            0 => "–".to_owned(),
            with => format!("{:.1}", 100.0 * f64::from(count) / f64::from(with)),
        };
        let shares = if skewed { "skewed" } else { "even" };
        writeln!(
            table,
            "| {} | {labels} | {shares} | {groups} | {:.0} % | {} | {} | {:.0} % |",
            groups * size,
            100.0 * (both + 0.05),
            of(covered),
            of(below),
            100.0 * f64::from(without) / f64::from(times)
        )
        .expect("a text takes any line");
    }
    table
}
