use std::sync::Arc;

use tunebench_data::{ExampleId, LabelId};
use tunebench_reports::{Answer, CONFIDENCE, Clustering, Evaluation, Looks, Prediction, wilson};

use super::*;

/// Rows of which the baseline alone got `lost` right and the model alone `won`.
fn facts(rows: u64, lost: u64, won: u64) -> Facts {
    let both = (rows - lost - won) / 2;
    let paired = Paired {
        both_correct: both,
        only_base: lost,
        only_tuned: won,
        both_wrong: rows - lost - won - both,
        left_out: 0,
    };
    let correct = both + won;
    let accuracy = correct as f64 / rows as f64;
    let interval = Some(Interval { low: accuracy - 0.1, high: accuracy + 0.1 });
    let figure = Figure { value: Some(accuracy), interval, rows, is_share: true, worst_and_best: None };
    Facts {
        model: "m".to_owned(),
        metric: Metric::Accuracy,
        lack: None,
        counts: Counts { correct, incorrect: rows - correct, ..Counts::default() },
        accuracy: figure,
        macro_f1: figure,
        recall: [("a".to_owned(), figure), ("rare".to_owned(), Figure::default())].into(),
        slices: [("channel=phone".to_owned(), figure)].into(),
        cost: Some(1.0),
        p95_ms: Some(100.0),
        versions: ["v1".to_owned()].into(),
        paired: Some(paired),
        scenarios: Some(Scenarios::from(&paired)),
        baseline_versions: ["v1".to_owned()].into(),
    }
}

fn off() -> Checks {
    Checks { test: Test::Off, alpha: 0.05, ..Checks::default() }
}

fn outcome(facts: &Facts, checks: &Checks) -> Outcome {
    judge(std::slice::from_ref(facts), checks).outcome
}

#[test]
fn what_weighs_more_decides() {
    use Outcome::{Failed, Incomplete, Inconclusive, Passed};
    for (outcomes, whole, code) in [
        (&[][..], Incomplete, 3),
        (&[Passed], Passed, 0),
        (&[Passed, Inconclusive], Inconclusive, 4),
        (&[Inconclusive, Incomplete, Passed], Incomplete, 3),
        (&[Inconclusive, Failed, Passed], Failed, 1),
        (&[Incomplete, Failed, Inconclusive], Failed, 1),
    ] {
        let found = Outcome::of(outcomes.iter().copied());
        assert_eq!((found, found.code()), (whole, code), "{outcomes:?}");
    }
    assert_eq!(judge(&[], &off()).outcome, Incomplete);
}

#[test]
fn each_check_has_its_outcomes() {
    use Outcome::{Failed, Incomplete, Inconclusive, Passed};
    // Accuracy 0.5, by its interval 0.4 to 0.6.
    let facts = facts(100, 0, 0);
    let by = By::LowerBound;
    let recall = |label: &str| [(label.to_owned(), 0.5)].into();
    for (name, checks, expected) in [
        ("nothing but coverage", off(), Passed),
        ("coverage", Checks { min_coverage: 1.0, ..off() }, Passed),
        ("accuracy", Checks { min_accuracy: Some(0.5), ..off() }, Passed),
        ("accuracy missed", Checks { min_accuracy: Some(0.51), ..off() }, Failed),
        ("accuracy proven", Checks { min_accuracy: Some(0.4), by, ..off() }, Passed),
        ("accuracy not proven", Checks { min_accuracy: Some(0.45), by, ..off() }, Inconclusive),
        ("accuracy disproven", Checks { min_accuracy: Some(0.65), by, ..off() }, Failed),
        ("macro-F1", Checks { min_macro_f1: Some(0.5), ..off() }, Passed),
        ("macro-F1 missed", Checks { min_macro_f1: Some(0.6), ..off() }, Failed),
        ("recall", Checks { min_recall: recall("a"), ..off() }, Passed),
        ("recall without rows", Checks { min_recall: recall("rare"), ..off() }, Incomplete),
        ("slice", Checks { min_slice: [("channel=phone".to_owned(), 0.5)].into(), ..off() }, Passed),
        ("slice missed", Checks { min_slice: [("channel=phone".to_owned(), 0.6)].into(), ..off() }, Failed),
        ("invalid", Checks { max_invalid: Some(0.0), ..off() }, Passed),
        ("cost", Checks { max_cost: Some(1.0), ..off() }, Passed),
        ("cost exceeded", Checks { max_cost: Some(0.99), ..off() }, Failed),
        ("latency", Checks { max_p95_ms: Some(100.0), ..off() }, Passed),
        ("latency exceeded", Checks { max_p95_ms: Some(99.0), ..off() }, Failed),
        ("version", Checks { same_version: true, ..off() }, Passed),
    ] {
        assert_eq!(outcome(&facts, &checks), expected, "{name}");
    }
}

/// Makes one fact worse than its limit.
type Spoil<'a> = &'a dyn Fn(&mut Facts);

#[test]
fn what_is_not_measured_is_never_green() {
    let checks = Checks {
        min_accuracy: Some(0.0),
        max_invalid: Some(1.0),
        max_cost: Some(9.0),
        max_p95_ms: Some(900.0),
        test: Test::Regression,
        same_version: true,
        min_coverage: 0.9,
        ..off()
    };
    assert_eq!(outcome(&facts(100, 0, 0), &checks), Outcome::Passed);
    let spoil: [(&str, Spoil); 7] = [
        ("run cut short", &|facts| {
            facts.lack = Some(Incompleteness { what: "cut short".to_owned(), hint: "again" });
        }),
        ("rows unanswered", &|facts| facts.counts.unanswered = 20),
        ("no rows", &|facts| facts.counts = Counts::default()),
        ("price unknown", &|facts| facts.cost = None),
        ("latency unknown", &|facts| facts.p95_ms = None),
        ("version unknown", &|facts| facts.versions.clear()),
        ("few rows in common", &|facts| facts.paired.as_mut().unwrap().left_out = 20),
    ];
    for (name, spoil) in spoil {
        let mut facts = facts(100, 0, 0);
        spoil(&mut facts);
        assert_eq!(outcome(&facts, &checks), Outcome::Incomplete, "{name}");
    }
    let mut other = facts(100, 0, 0);
    other.versions = ["v2".to_owned()].into();
    assert_eq!(outcome(&other, &checks), Outcome::Failed);
}

#[test]
fn the_baseline_by_both_tests() {
    use Outcome::{Failed, Inconclusive, Passed};
    for (rows, lost, won, margin, regression, non_inferiority) in [
        (1000, 0, 0, 0.02, Passed, Passed),
        (1000, 8, 5, 0.02, Passed, Passed),
        (1000, 30, 25, 0.01, Passed, Inconclusive),
        (1000, 60, 5, 0.02, Failed, Failed),
        (100, 1, 0, 0.02, Passed, Inconclusive),
    ] {
        let facts = facts(rows, lost, won);
        for (test, expected) in [(Test::Regression, regression), (Test::NonInferiority, non_inferiority)] {
            let judgement = judge(std::slice::from_ref(&facts), &Checks { test, margin, ..off() });
            assert_eq!(judgement.outcome, expected, "{rows} {lost} {won} {test:?}");
            let last = judgement.checks.last().unwrap();
            let decide = last.rows_to_decide.is_some_and(|needed| needed > rows);
            assert!(!decide || expected == Inconclusive, "{}", last.evidence);
        }
    }
    // Four rows prove no loss at the level of 0.05, whatever they say; five do.
    let test = Checks { test: Test::Regression, ..off() };
    assert_eq!(outcome(&facts(4, 4, 0), &test), Inconclusive);
    assert_eq!(outcome(&facts(4, 0, 0), &test), Inconclusive);
    assert_eq!(outcome(&facts(5, 5, 0), &test), Failed);
    assert_eq!(outcome(&facts(5, 0, 0), &test), Passed);
}

#[test]
fn what_misses_a_limit_never_reads_as_if_it_reached_it() {
    let mut near = facts(10_000, 0, 0);
    (near.accuracy.value, near.counts.invalid) = (Some(0.9996), 4);
    let checks = Checks { min_accuracy: Some(1.0), max_invalid: Some(0.0003), ..off() };
    let judgement = judge(&[near], &checks);
    let evidence = |at: usize| judgement.checks[at].evidence.as_str();
    assert!(
        evidence(1).starts_with("99.96 % (") && evidence(1).contains("at least 100.0 %"),
        "{}",
        evidence(1)
    );
    assert!(
        evidence(2).starts_with("0.04 % (") && evidence(2).ends_with("at most 0.03 %"),
        "{}",
        evidence(2)
    );
}

#[test]
fn a_loss_that_one_test_proves_several_may_not() {
    // p = 0.0354, one-sided.
    let checks = Checks { test: Test::Regression, ..off() };
    let near = facts(500, 11, 4);
    assert_eq!(outcome(&near, &checks), Outcome::Failed);
    let both = judge(&[near, facts(500, 3, 3)], &checks);
    assert_eq!((both.outcome, both.alarms), (Outcome::Passed, 2));
    let evidence = &both.checks[1].evidence;
    assert!(evidence.contains("adjusted for 2 tests (Holm) p = 0.071"), "{evidence}");
}

#[test]
fn missing_answers_that_could_turn_it_leave_the_baseline_open() {
    let checks = Checks { margin: 0.02, ..off() };
    let mut facts = facts(1000, 8, 5);
    let mut scenarios = facts.scenarios.clone().unwrap();
    let worst =
        Scenarios::from(&Paired { both_correct: 962, only_base: 28, only_tuned: 10, ..Paired::default() });
    (scenarios.worst_and_best, scenarios.missing) = (Some([worst.answered, scenarios.answered.clone()]), 20);
    facts.scenarios = Some(scenarios);
    let judgement =
        judge(std::slice::from_ref(&facts), &Checks { test: Test::NonInferiority, ..checks.clone() });
    assert_eq!(judgement.outcome, Outcome::Incomplete);
    let evidence = &judgement.checks.last().unwrap().evidence;
    assert!(evidence.contains("the 20 missing answers could turn it"), "{evidence}");
    assert_eq!(outcome(&facts, &Checks { test: Test::Regression, ..checks }), Outcome::Passed);
}

#[test]
fn limits_hold_against_what_missing_answers_could_be() {
    use Outcome::{Failed, Incomplete, Inconclusive, Passed};
    // 90 of 98 answered rows are right, and two are missing.
    let bound = |right: u64, rows: u64| (Some(right as f64 / rows as f64), wilson(right, rows, CONFIDENCE));
    let (value, interval) = bound(90, 98);
    let worst_and_best = Some([bound(90, 100), bound(92, 100)]);
    let figure = Figure { value, interval, rows: 98, is_share: true, worst_and_best };
    let mut facts = facts(98, 0, 0);
    (facts.accuracy, facts.macro_f1) = (figure, figure);
    facts.recall = [("a".to_owned(), figure)].into();
    facts.counts = Counts { correct: 90, incorrect: 7, invalid: 1, unanswered: 2 };
    for (limit, by, expected) in [
        (0.9, By::Estimate, Passed),
        (0.91, By::Estimate, Incomplete),
        (0.919, By::Estimate, Incomplete),
        (0.93, By::Estimate, Failed),
        (0.82, By::LowerBound, Passed),
        (0.84, By::LowerBound, Incomplete),
        (0.9, By::LowerBound, Inconclusive),
        (0.97, By::LowerBound, Failed),
    ] {
        for checks in [
            Checks { min_accuracy: Some(limit), by, ..off() },
            Checks { min_macro_f1: Some(limit), by, ..off() },
            Checks { min_recall: [("a".to_owned(), limit)].into(), by, ..off() },
        ] {
            let judgement = judge(std::slice::from_ref(&facts), &checks);
            let evidence = &judgement.checks[1].evidence;
            assert_eq!(judgement.outcome, expected, "{limit} {by:?}: {evidence}");
            let said = evidence.contains("the 2 missing answers could turn it: run `tunebench eval` again");
            assert_eq!(said, expected == Incomplete, "{evidence}");
        }
    }
    for (limit, expected) in [(0.005, Failed), (0.02, Incomplete), (0.03, Passed)] {
        assert_eq!(outcome(&facts, &Checks { max_invalid: Some(limit), ..off() }), expected, "{limit}");
    }
}

/// SplitMix64: numbers for a simulation, the same everywhere.
struct Random(u64);

impl Random {
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }

    /// A model whose answers differ from the baseline's in a share of the rows; of those it loses a share of `losing`.
    fn model(&mut self, rows: u64, discordance: f64, losing: f64) -> Facts {
        let (mut lost, mut won) = (0, 0);
        for _ in 0..rows {
            if self.share() < discordance {
                if self.share() < losing { lost += 1 } else { won += 1 }
            }
        }
        facts(rows, lost, won)
    }

    /// The same of 40 groups of ten rows: in one of five groups the model gives other answers, all of them better or worse.
    fn in_groups(&mut self, losing: f64) -> Facts {
        let (mut base, mut model) = (Vec::new(), Vec::new());
        let mut clustering = Clustering::new(true);
        for group in 0..40 {
            let (other, loses) = (self.share() < 0.2, self.share() < losing);
            for row in 0..10 {
                let right = if other { [loses, !loses] } else { [self.share() < 0.8; 2] };
                let answer = |right: bool| Answer::Label(LabelId(u32::from(!right)));
                let (id, gold) = (ExampleId(group * 10 + row), LabelId(0));
                let prediction = |right| Prediction {
                    id,
                    gold,
                    answer: answer(right),
                    probability: None,
                    gold_probability: None,
                    latency: None,
                };
                base.push(prediction(right[0]));
                model.push(prediction(right[1]));
                clustering.push(Some(&group.to_string()), "");
            }
        }
        let clusters = clustering.finish().map(Arc::new);
        let of = |predictions: Vec<Prediction>| Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: predictions.into(),
            clusters: clusters.clone(),
            slices: None,
        };
        let (base, model) = (of(base), of(model));
        let paired = Paired::of(&base.predictions, &model.predictions);
        let scenarios = Some(Scenarios::of(&[&base], &[&model], &Metric::Accuracy, Looks::Once));
        Facts { paired: Some(paired), scenarios, ..facts(400, 0, 0) }
    }
}

#[test]
fn as_many_rows_as_are_said_to_decide_do_so_four_times_out_of_five() {
    let mut random = Random(11);
    for (rows, correct, limit) in [
        (100, 90, 0.87),
        (100, 95, 0.9),
        (100, 98, 0.95),
        (100, 99, 0.97),
        (50, 49, 0.9),
        (40, 32, 0.75),
        (30, 18, 0.5),
        (100, 93, 0.95),
        (200, 176, 0.9),
    ] {
        let judged = |rows: u64, correct: u64| {
            let interval = wilson(correct, rows, CONFIDENCE);
            let value = Some(correct as f64 / rows as f64);
            let figure = Figure { value, interval, rows, is_share: true, worst_and_best: None };
            at_least(&facts(rows, 0, 0), "accuracy".to_owned(), &figure, limit, By::LowerBound)
        };
        let open = judged(rows, correct);
        assert_eq!(open.outcome, Outcome::Inconclusive, "{}", open.evidence);
        let (needed, share) = (open.rows_to_decide.unwrap(), correct as f64 / rows as f64);
        let wanted = if share > limit { Outcome::Passed } else { Outcome::Failed };
        let runs = 1000;
        let decided = (0..runs).filter(|_| {
            let correct = (0..needed).filter(|_| random.share() < share).count() as u64;
            judged(needed, correct).outcome == wanted
        });
        let power = decided.count() as f64 / f64::from(runs);
        assert!((0.75..0.86).contains(&power), "{correct} of {rows} against {limit}: {needed} rows, {power}");
    }
}

#[test]
fn the_rows_of_other_figures_follow_the_side_of_the_interval_that_counts() {
    let rows = |limit| {
        let interval = Some(Interval { low: 0.7, high: 0.85 });
        let figure = Figure { value: Some(0.8), interval, rows: 100, is_share: false, worst_and_best: None };
        at_least(&facts(100, 0, 0), "macro_f1".to_owned(), &figure, limit, By::LowerBound).rows_to_decide
    };
    // (0.1 / 0.05 · 2.8016 / 1.96)² and (0.05 / 0.05 · 2.8016 / 1.96)², of 100 rows each.
    assert_eq!((rows(0.75), rows(0.85)), (Some(818), Some(205)));
    assert_eq!(rows(0.8), None);
}

/// How often such models fail.
fn alarms(models: usize, rows: u64, discordance: f64, losing: f64, checks: &Checks) -> f64 {
    let (runs, mut random) = (4000, Random(7));
    let failed = (0..runs).filter(|_| {
        let facts: Vec<_> = (0..models).map(|_| random.model(rows, discordance, losing)).collect();
        judge(&facts, checks).outcome == Outcome::Failed
    });
    failed.count() as f64 / f64::from(runs)
}

#[test]
fn noise_alone_fails_at_most_as_often_as_the_level_says() {
    // Three standard errors of a share of 4000 runs.
    let slack = |alpha: f64| 3.0 * (alpha * (1.0 - alpha) / 4000.0).sqrt();
    for alpha in [0.05, 0.01] {
        for (models, rows, discordance) in [(1, 60, 0.1), (1, 200, 0.2), (1, 400, 0.05), (3, 200, 0.2)] {
            for (test, margin) in [(Test::Regression, 0.0), (Test::NonInferiority, 0.02)] {
                let checks = Checks { test, margin, alpha, ..off() };
                let share = alarms(models, rows, discordance, 0.5, &checks);
                assert!(share <= alpha + slack(alpha), "{share} of {models} {rows} {discordance} {test:?}");
            }
        }
    }
    // Nor does noise that flips groups of ten rows together, forty of them.
    let clustered = |alpha: f64, losing: f64| {
        let (runs, mut random) = (2000, Random(8));
        let checks = Checks { test: Test::Regression, alpha, ..off() };
        let failed =
            (0..runs).filter(|_| judge(&[random.in_groups(losing)], &checks).outcome == Outcome::Failed);
        failed.count() as f64 / f64::from(runs)
    };
    for alpha in [0.05, 0.025] {
        let share = clustered(alpha, 0.5);
        assert!(share <= alpha + 1.5 * slack(alpha), "{share} in groups");
    }
    let found = clustered(0.05, 0.95);
    assert!(found > 0.8, "{found}");
    // And the alarm is no dead one: a loss of 8 points in 400 rows is found.
    let checks = Checks { test: Test::Regression, ..off() };
    assert!(alarms(1, 400, 0.2, 0.7, &checks) > 0.9);
}
