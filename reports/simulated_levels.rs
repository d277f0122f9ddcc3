//! What intervals, verdicts and numbers of rows promise, held against many made-up test sets with a known truth.

use crate::random::{Alias, Random};
use crate::{
    ALPHA, CONFIDENCE, Comparison, Costs, Differences, Evaluation, Interval, Metric, POWER, Paired, Rules,
    Verdict, non_inferiority_p, tango, wilson,
};

/// Draws test sets from a population of cells with known shares.
struct World {
    shares: Vec<f64>,
    cells: Alias,
    random: Random,
}

impl World {
    fn new(shares: &[f64], seed: u64) -> Self {
        Self { shares: shares.to_vec(), cells: Alias::new(shares), random: Random::new(seed, 0) }
    }

    /// The rows of each cell in a test set.
    fn counts(&mut self, rows: u32) -> Vec<u32> {
        let mut counts = vec![0; self.shares.len()];
        for _ in 0..rows {
            counts[self.cells.pick(self.random.next()) as usize] += 1;
        }
        counts
    }

    /// The share of so many test sets that something holds for.
    fn share(&mut self, times: u32, rows: u32, mut holds: impl FnMut(&[u32]) -> bool) -> f64 {
        let held = (0..times).filter(|_| holds(&self.counts(rows))).count();
        held as f64 / f64::from(times)
    }
}

/// A world of two models, by the shares of rows that only the base and only the tuned model gets right.
fn pair_world(lost: f64, won: f64, seed: u64) -> World {
    World::new(&[0.6 * (1.0 - lost - won), lost, won, 0.4 * (1.0 - lost - won)], seed)
}

fn paired(counts: &[u32]) -> Paired {
    let [both_correct, only_base, only_tuned, both_wrong] = [0, 1, 2, 3].map(|i| u64::from(counts[i]));
    Paired { both_correct, only_base, only_tuned, both_wrong, left_out: 0 }
}

fn covers(interval: Option<Interval>, truth: f64) -> bool {
    interval.is_some_and(|interval| interval.low <= truth && truth <= interval.high)
}

#[test]
fn wilson_covers_a_share() {
    for (i, share) in [0.6, 0.8, 0.9, 0.97].into_iter().enumerate() {
        for rows in [100, 400] {
            let mut world = World::new(&[share, 1.0 - share], 100 + i as u64);
            let covered = world
                .share(4000, rows, |counts| covers(wilson(counts[0].into(), rows.into(), CONFIDENCE), share));
            assert!((0.93..=0.97).contains(&covered), "{share} of {rows}: {covered}");
        }
    }
}

#[test]
fn tango_covers_a_difference() {
    for (i, (lost, won)) in [(0.1, 0.1), (0.05, 0.15), (0.02, 0.3), (0.2, 0.25), (0.03, 0.05), (0.15, 0.05)]
        .into_iter()
        .enumerate()
    {
        for rows in [50, 150, 600] {
            let mut world = pair_world(lost, won, 200 + i as u64);
            let covered =
                world.share(4000, rows, |counts| covers(tango(&paired(counts), CONFIDENCE), won - lost));
            assert!((0.93..=0.97).contains(&covered), "{lost} and {won} of {rows}: {covered}");
        }
    }
}

#[test]
fn equal_models_are_seldom_called_better_or_worse() {
    for (i, each) in [0.02, 0.1, 0.2].into_iter().enumerate() {
        let mut world = pair_world(each, each, 400 + i as u64);
        let wrong = world.share(4000, 300, |counts| {
            let paired = paired(counts);
            Differences::from(&paired).p() <= ALPHA
        });
        // The score test keeps its level only nearly, and chance adds half a per cent.
        assert!(wrong <= ALPHA + 0.009, "{each}: {wrong}");
    }
}

#[test]
fn a_loss_of_the_margin_is_seldom_called_no_worse() {
    for (i, (won, rows)) in [(0.02, 400), (0.1, 400), (0.05, 2000)].into_iter().enumerate() {
        let margin = 0.05;
        let mut world = pair_world(won + margin, won, 500 + i as u64);
        let wrong =
            world.share(8000, rows, |counts| non_inferiority_p(&paired(counts), margin) <= ALPHA / 2.0);
        // The score test keeps its level only nearly, and chance adds half a per cent.
        assert!(wrong <= ALPHA / 2.0 + 0.006, "{won}: {wrong}");
    }
}

#[test]
fn of_several_equal_models_hardly_any_is_called_better_or_worse() {
    let mut world = World::new(&[0.8, 0.2], 600);
    let mut evaluation = |model: &str| {
        let answers: String =
            (0..150).map(|_| ["a", "b"][world.cells.pick(world.random.next()) as usize]).collect();
        let predictions = crate::testing::predictions(&"a".repeat(150), &answers);
        Evaluation { model: model.to_owned(), tuned_from: None, predictions, clusters: None, slices: None }
    };
    let rules = Rules { margin: Some(0.03), ..Rules::default() };
    let (times, mut wrong) = (1000, 0);
    for _ in 0..times {
        let base = evaluation("base");
        let mut comparisons: Vec<_> = ["a", "b", "c", "d"]
            .iter()
            .map(|name| Comparison::of(&base, &evaluation(name), &rules))
            .collect();
        Comparison::adjust(&mut comparisons);
        let found = |c: &Comparison| matches!(c.verdict, Verdict::Better | Verdict::Worse);
        wrong += u32::from(comparisons.iter().any(found));
    }
    assert!(f64::from(wrong) <= ALPHA * f64::from(times), "{wrong} of {times}");
}

/// Rows in groups of equal size, of which a share `alike` has the outcome of its group: what base and tuned model make of them.
struct Groups {
    world: World,
    groups: usize,
    size: usize,
    alike: f64,
}

impl Groups {
    fn new(groups: usize, size: usize, alike: f64, [lost, won]: [f64; 2], seed: u64) -> Self {
        Self { world: pair_world(lost, won, seed), groups, size, alike }
    }

    /// Base and tuned model, of one test set.
    fn models(&mut self) -> [Evaluation; 2] {
        let mut names = Vec::new();
        let mut answers = [String::new(), String::new()];
        for group in 0..self.groups {
            let common = self.world.cells.pick(self.world.random.next());
            for _ in 0..self.size {
                let own = self.world.cells.pick(self.world.random.next());
                let share = (self.world.random.next() >> 11) as f64 / (1u64 << 53) as f64;
                let outcome = if share < self.alike { common } else { own };
                answers[0].push(if outcome < 2 { 'a' } else { 'b' });
                answers[1].push(if outcome % 2 == 0 { 'a' } else { 'b' });
                names.push(group.to_string());
            }
        }
        let clusters = crate::testing::in_groups(&names);
        let gold = "a".repeat(names.len());
        answers.map(|answers| Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: crate::testing::predictions(&gold, &answers),
            clusters: clusters.clone(),
            slices: None,
        })
    }

    fn share(&mut self, times: u32, holds: impl Fn(&Comparison) -> bool, margin: Option<f64>) -> f64 {
        let rules = Rules { margin, ..Rules::default() };
        let held = (0..times).filter(|_| {
            let [base, tuned] = self.models();
            holds(&Comparison::of(&base, &tuned, &rules))
        });
        held.count() as f64 / f64::from(times)
    }
}

#[test]
fn equal_models_whose_errors_go_by_group_are_seldom_called_better_or_worse() {
    for (i, (groups, size)) in [(40, 10), (60, 20), (8, 30)].into_iter().enumerate() {
        let found = |c: &Comparison| matches!(c.verdict, Verdict::Better | Verdict::Worse);
        let wrong = Groups::new(groups, size, 0.7, [0.1, 0.1], 900 + i as u64).share(600, found, None);
        assert!(wrong <= 0.07, "{groups} groups of {size}: {wrong}");
        // What they show is seen all the same.
        if groups >= 40 {
            let seen = Groups::new(groups, size, 0.7, [0.02, 0.4], 910 + i as u64).share(200, found, None);
            assert!(seen > 0.9, "{groups} groups of {size}: {seen}");
        }
    }
}

#[test]
fn with_groups_a_loss_of_the_margin_is_seldom_ruled_out() {
    let proven = |c: &Comparison| c.non_inferiority.is_some_and(|test| test.proven);
    let wrong = Groups::new(40, 10, 0.7, [0.1, 0.05], 920).share(800, proven, Some(0.05));
    assert!(wrong <= 0.04, "{wrong}");
}

#[test]
fn so_many_rows_do_decide_with_the_promised_chance() {
    // True differences as they may be, a first look that left them open, and a second one with the rows that it named.
    let (mut decided, mut asked) = (0u32, 0u32);
    for step in 0..40u32 {
        let gain = f64::from(step) * 0.005 - 0.1;
        let mut world = pair_world(0.15 - gain / 2.0, 0.15 + gain / 2.0, 700 + u64::from(step));
        for _ in 0..80 {
            let first = Differences::from(&paired(&world.counts(120)));
            let Some(rows) = first.rows_to_decide(0.0, ALPHA / 2.0).filter(|_| first.p() > ALPHA) else {
                continue;
            };
            if rows > 100_000 {
                continue;
            }
            asked += 1;
            let second = Differences::from(&paired(&world.counts(rows as u32)));
            decided += u32::from(second.p() <= ALPHA);
        }
    }
    let chance = f64::from(decided) / f64::from(asked);
    assert!(asked > 300 && (POWER - 0.08..=POWER + 0.08).contains(&chance), "{chance} of {asked}");
}

#[test]
fn equal_models_are_seldom_called_different_by_other_figures() {
    let labels = crate::testing::labels(&["a", "b", "c"]);
    let costs: Costs = serde_json::from_str(r#"{"of": {"a": {"b": 5}}}"#).unwrap();
    for (i, figure) in ["macro_f1", "precision:a", "cost"].into_iter().enumerate() {
        let metric = Metric::named(figure, Some(&costs), &labels).unwrap();
        let rules = Rules { metric, ..Rules::default() };
        let mut random = Random::new(1000 + i as u64, 0);
        let (mut wrong, times) = (0u32, 300u32);
        for _ in 0..times {
            let mut letters = |of: &dyn Fn(usize, u64) -> u64| -> String {
                (0..120).map(|row| char::from(b'a' + of(row, random.next()) as u8)).collect()
            };
            let gold = letters(&|_, draw| draw % 3);
            let right = gold.as_bytes().to_vec();
            // Right in three of four rows, else any label.
            let mut model = || {
                let answers = letters(&|row, draw| match draw % 4 {
                    0 => draw / 4 % 3,
                    _ => u64::from(right[row] - b'a'),
                });
                let predictions = crate::testing::predictions(&gold, &answers);
                Evaluation {
                    model: "m".to_owned(),
                    tuned_from: None,
                    predictions,
                    clusters: None,
                    slices: None,
                }
            };
            let (base, tuned) = (model(), model());
            let found = Comparison::of(&base, &tuned, &rules);
            wrong += u32::from(matches!(found.verdict, Verdict::Better | Verdict::Worse));
        }
        assert!(f64::from(wrong) <= ALPHA * f64::from(times) + 8.0, "{figure}: {wrong} of {times}");
    }
}
