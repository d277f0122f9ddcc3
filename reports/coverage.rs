//! What intervals, verdicts and numbers of rows promise, held against many made-up test sets with a known truth.

use tunebench_data::LabelId;

use crate::random::{Alias, Random};
use crate::{
    ALPHA, Bootstrap, CONFIDENCE, Cell, Comparison, Evaluation, Interval, POWER, Paired, Rules, Tally,
    Verdict, mcnemar_exact, non_inferiority_p, rows_needed, tango, wilson,
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

/// Three labels, and two models of which the second is better, with errors that go together.
fn cells() -> Vec<(Cell<2>, f64)> {
    let mut cells = Vec::new();
    for (gold, share) in [(0, 0.5), (1, 0.3), (2, 0.2)] {
        let next = (gold + 1) % 3;
        for (base, tuned, part) in [
            (gold, gold, 0.65),
            (next, gold, 0.15),
            (gold, next, 0.06),
            (next, next, 0.1),
            (next, gold + 2, 0.04),
        ] {
            let answers = [base, tuned].map(|answer| Some(LabelId(answer)).filter(|label| label.0 < 3));
            cells.push((Cell { gold: LabelId(gold), answers, rows: 0 }, share * part));
        }
    }
    cells
}

#[test]
fn the_bootstrap_covers_macro_f1_and_its_difference() {
    let (cells, shares): (Vec<_>, Vec<_>) = cells().into_iter().unzip();
    let with = |counts: &[u32]| -> Vec<_> {
        cells.iter().zip(counts).map(|(cell, &rows)| Cell { rows, ..*cell }).collect()
    };
    let figures = |[base, tuned]: &[Tally; 2]| {
        let difference = tuned.macro_f1().zip(base.macro_f1()).map(|(tuned, base)| tuned - base);
        [
            base.macro_f1(),
            difference,
            tuned.cohen_kappa(),
            tuned.matthews_correlation(),
            tuned.balanced_accuracy(),
        ]
    };
    let population: Vec<_> = shares.iter().map(|share| (share * 1e6).round() as u32).collect();
    let truth = crate::bootstrap::observed(&with(&population), 3, figures);
    for stratified in [false, true] {
        let mut covered = [0.0; 5];
        let (mut world, times) = (World::new(&shares, 300), 600);
        for seed in 0..times {
            let bootstrap = Bootstrap { draws: 500, seed, stratified };
            let intervals = bootstrap.intervals(&with(&world.counts(200)), 3, figures);
            for ((covered, interval), truth) in covered.iter_mut().zip(intervals).zip(truth) {
                *covered += f64::from(u8::from(covers(interval, truth.unwrap()))) / times as f64;
            }
        }
        assert!(covered.iter().all(|share| (0.925..=0.97).contains(share)), "{stratified}: {covered:?}");
    }
}

#[test]
fn equal_models_are_seldom_called_better_or_worse() {
    for (i, each) in [0.02, 0.1, 0.2].into_iter().enumerate() {
        let mut world = pair_world(each, each, 400 + i as u64);
        let wrong = world.share(4000, 300, |counts| {
            let paired = paired(counts);
            mcnemar_exact(paired.only_base, paired.only_tuned) <= ALPHA
        });
        assert!(wrong <= ALPHA, "{each}: {wrong}");
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
        Evaluation { model: model.to_owned(), tuned_from: None, predictions, groups: None }
    };
    let rules = Rules { draws: 0, margin: Some(0.03), ..Rules::default() };
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

#[test]
fn so_many_rows_do_decide_with_the_promised_chance() {
    for (i, (lost, won)) in [(0.05, 0.15), (0.07, 0.12), (0.01, 0.06), (0.2, 0.1)].into_iter().enumerate() {
        let rows = rows_needed(won - lost, won + lost, 0.0).unwrap() as u32;
        let found = pair_world(lost, won, 700 + i as u64).share(2000, rows, |counts| {
            let paired = paired(counts);
            mcnemar_exact(paired.only_base, paired.only_tuned) <= ALPHA
        });
        // The exact test finds a little less than the one that the formula is about.
        assert!((POWER - 0.08..=POWER + 0.03).contains(&found), "{lost} and {won}, {rows} rows: {found}");
    }
    for (i, (lost, won, margin)) in [(0.05, 0.05, 0.02), (0.03, 0.02, 0.03)].into_iter().enumerate() {
        let rows = rows_needed(won - lost, won + lost, margin).unwrap() as u32;
        let found = pair_world(lost, won, 800 + i as u64)
            .share(2000, rows, |counts| non_inferiority_p(&paired(counts), margin) <= ALPHA / 2.0);
        assert!((POWER - 0.05..=POWER + 0.05).contains(&found), "{lost} and {won}, {rows} rows: {found}");
    }
}
