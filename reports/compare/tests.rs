use proptest::prelude::*;

use super::*;
use crate::testing::{any_predictions, predictions};
use crate::{Confusion, Scores, pairs};

fn compare_by(gold: &str, base: &str, tuned: &str, rules: Rules) -> Comparison {
    let evaluation = |model: &str, answers| Evaluation {
        model: model.to_owned(),
        tuned_from: None,
        predictions: predictions(gold, answers),
        clusters: None,
        slices: None,
    };
    Comparison::of(&evaluation("base", base), &evaluation("tuned", tuned), &rules)
}

fn compare(gold: &str, base: &str, tuned: &str, min_coverage: f64) -> Comparison {
    compare_by(gold, base, tuned, Rules { min_coverage, ..Rules::default() })
}

/// Rows of which the base alone got `lost` right, and the tuned model alone `won`.
fn discordant(rows: usize, lost: usize, won: usize, margin: Option<f64>) -> Comparison {
    let both = "a".repeat(rows - lost - won);
    let base = format!("{both}{}{}", "a".repeat(lost), "b".repeat(won));
    let tuned = format!("{both}{}{}", "b".repeat(lost), "a".repeat(won));
    compare_by(&"a".repeat(rows), &base, &tuned, Rules { margin, ..Rules::default() })
}

#[test]
fn counts_only_what_both_answered() {
    let comparison = compare("aaaaaaa", "aab!?ab", "abab??a", 0.5);
    let expected = Paired { both_correct: 1, only_base: 1, only_tuned: 2, both_wrong: 1, left_out: 2 };
    assert_eq!(comparison.paired, expected);
    assert_eq!(comparison.difference, Some(0.2));
    assert_eq!(comparison.mcnemar_p, Some(1.0));
    assert_eq!(comparison.verdict, Verdict::NotProven);
}

#[test]
fn six_rows_are_the_fewest_that_prove_anything() {
    assert_eq!(compare("aaaaa", "bbbbb", "aaaaa", 1.0).verdict, Verdict::NotProven);
    assert_eq!(compare("aaaaaa", "bbbbbb", "aaaaaa", 1.0).verdict, Verdict::Better);
    assert_eq!(compare("aaaaaa", "aaaaaa", "!!bbbb", 1.0).verdict, Verdict::Worse);
}

#[test]
fn below_the_limit_nothing_is_said() {
    // Each answered 90 %, both together only 80 %.
    let comparison = compare("aaaaaaaaaa", "?bbbbbbbbb", "aaaaaaaaa?", 0.9);
    assert_eq!(comparison.verdict, Verdict::Incomplete);
    assert_eq!((comparison.difference, comparison.mcnemar_p), (None, None));
    assert_eq!(compare("", "", "", 0.0).verdict, Verdict::Incomplete);
    assert_eq!(compare("a", "?", "a", 0.0).verdict, Verdict::Incomplete);
}

#[test]
fn a_margin_can_prove_what_no_difference_can() {
    assert_eq!(discordant(1000, 8, 5, None).verdict, Verdict::NotProven);
    let within = discordant(1000, 8, 5, Some(0.02));
    assert_eq!(within.verdict, Verdict::NoWorse);
    assert!(within.difference_interval.unwrap().low > -0.02);
    assert_eq!(within.power.unwrap().rows_to_decide, None);
    // Too narrow a margin proves nothing, and a difference comes first.
    assert_eq!(discordant(1000, 8, 5, Some(0.01)).verdict, Verdict::NotProven);
    let worse = discordant(1000, 20, 5, Some(0.05));
    assert!(worse.non_inferiority.unwrap().proven);
    assert_eq!(worse.verdict, Verdict::Worse);
    assert_eq!(discordant(1000, 5, 20, Some(0.05)).verdict, Verdict::Better);
}

#[test]
fn of_a_worse_model_it_may_be_open_whether_it_is_within_the_margin() {
    for (margin, open) in [(0.05, false), (0.15, true), (0.25, true), (0.6, false)] {
        let worse = discordant(60, 14, 2, Some(margin));
        assert_eq!(worse.verdict, Verdict::Worse);
        assert_eq!(worse.undecided_margin(), open.then_some(margin));
        assert!(worse.power.unwrap().rows_to_decide.is_none_or(|rows| rows > 60 && open), "{margin}");
    }
}

#[test]
fn what_one_question_decides_several_may_leave_open() {
    let (clear, narrow) = (discordant(200, 1, 30, Some(0.05)), discordant(200, 1, 9, Some(0.01)));
    assert_eq!((clear.verdict, narrow.verdict), (Verdict::Better, Verdict::Better));
    assert_eq!(narrow.power.unwrap().rows_to_decide, None);
    let incomplete = compare("a", "?", "a", 0.0);
    let mut three = [narrow.clone(), incomplete, discordant(200, 9, 9, Some(0.01))];
    Comparison::adjust(&mut three);
    // Two questions, since the incomplete one is none.
    assert_eq!(three[0].holm_p, narrow.p.map(|p| 2.0 * p));
    assert_eq!(three[0].confidence, Some(0.975));
    assert_eq!(three[1].holm_p, None);
    assert_eq!(three[2].holm_p, Some(1.0));
    let mut five = vec![narrow.clone(); 5];
    Comparison::adjust(&mut five);
    assert!(five.iter().all(|c| c.holm_p.unwrap() > ALPHA && c.verdict != Verdict::Better));
    // Once more as if each were alone.
    five.iter_mut().for_each(|one| Comparison::adjust(std::slice::from_mut(one)));
    assert_eq!(five[0], narrow);
}

fn with_repeats(gold: &str, base: &[&str], tuned: &[&str]) -> Comparison {
    let evaluations = |answers: &[&str]| -> Vec<_> {
        let evaluation = |answers: &&str| Evaluation {
            model: "m".to_owned(),
            tuned_from: None,
            predictions: predictions(gold, answers),
            clusters: None,
            slices: None,
        };
        answers.iter().map(evaluation).collect()
    };
    let (base, tuned) = (evaluations(base), evaluations(tuned));
    let rules = Rules { min_coverage: 0.9, margin: Some(0.02), ..Rules::default() };
    Comparison::of_repeats(&base.iter().collect::<Vec<_>>(), &tuned.iter().collect::<Vec<_>>(), &rules)
}

#[test]
fn first_answers_that_were_lucky_prove_nothing_once_all_repeats_count() {
    let (gold, base) = ("a".repeat(80), format!("{}{}", "b".repeat(10), "a".repeat(70)));
    let lucky = "a".repeat(80);
    let usual = format!("{}{}", "b".repeat(12), "a".repeat(68));
    assert_eq!(with_repeats(&gold, &[&base], &[&lucky]).verdict, Verdict::Better);
    let all = with_repeats(&gold, &[base.as_str(); 5], &[&lucky, &usual, &usual, &usual, &usual]);
    assert_eq!((all.verdict, all.repeats), (Verdict::NotProven, [5, 5]));
    assert!((all.difference.unwrap() - (10.0 - 4.0 * 2.0) / 400.0).abs() < 1e-12, "{:?}", all.difference);
    assert_eq!(all.mcnemar_p, None);
}

#[test]
fn a_verdict_that_missing_answers_could_turn_is_withheld() {
    let gold = "a".repeat(400);
    // Two in a hundred rows are missing, and the tuned model wins eight.
    let base = format!("{}{}", "b".repeat(8), "a".repeat(392));
    let tuned = format!("{}{}", "a".repeat(392), "?".repeat(8));
    let open = with_repeats(&gold, &[&base], &[&tuned]);
    assert_eq!((open.verdict, open.withheld, open.missing), (Verdict::NotProven, Some(Verdict::Better), 8));
    assert!(open.difference_interval.unwrap().low <= 0.0);
    assert!(!open.non_inferiority.unwrap().proven);
    // Where nothing could turn it, it stands.
    let clear = format!("{}{}", "b".repeat(60), "a".repeat(340));
    let clear = with_repeats(&gold, &[&clear], &[&tuned]);
    assert_eq!((clear.verdict, clear.withheld), (Verdict::Better, None));
}

#[test]
fn a_run_that_was_cut_short_has_no_verdict() {
    let gold = "a".repeat(200);
    let mut tuned = Evaluation {
        model: "t".to_owned(),
        tuned_from: None,
        predictions: predictions(&gold, &gold),
        clusters: None,
        slices: None,
    };
    let base = Evaluation { predictions: predictions(&gold, &"b".repeat(200)), ..tuned.clone() };
    assert_eq!(Comparison::of(&base, &tuned, &Rules::default()).verdict, Verdict::Better);
    let not_asked = crate::Answer::Unanswered(crate::UnansweredKind::NotAsked);
    tuned.predictions.set(199, crate::Prediction { answer: not_asked, ..tuned.predictions.row(199) });
    assert_eq!(Comparison::of(&base, &tuned, &Rules::default()).verdict, Verdict::Incomplete);
}

#[test]
fn answers_that_could_not_be_read_are_told_of_and_many_of_them_are_no_measurement() {
    let gold = "a".repeat(200);
    // Of the base ten rows are wrong, and nine of them unreadable.
    let base = format!("{}b{}", "!".repeat(9), "a".repeat(190));
    let found = compare(&gold, &base, &gold, 0.9);
    let read = found.if_read.unwrap();
    assert_eq!((found.verdict, read.tuned, read.answers), (Verdict::Better, false, 9));
    assert_eq!(read.verdict, Verdict::NotProven);
    let form = format!("{}{}", "!".repeat(20), "a".repeat(180));
    assert_eq!(compare(&gold, &form, &gold, 0.9).verdict, Verdict::Unreadable);
}

proptest! {
    #[test]
    fn swapping_the_models_mirrors_everything(base in any_predictions(3), tuned in any_predictions(3)) {
        // Some rows of each are the other's as well.
        let tuned = tuned.iter().chain(base.iter().take(20)).collect();
        let [base, tuned] = [base, tuned].map(|predictions| Evaluation {
            model: String::new(),
            tuned_from: None,
            predictions,
            clusters: None, slices: None });
        let rules = Rules { margin: Some(0.1), ..Rules::default() };
        let (there, back) = (Comparison::of(&base, &tuned, &rules), Comparison::of(&tuned, &base, &rules));
        prop_assert_eq!(there.mcnemar_p, back.mcnemar_p);
        prop_assert_eq!(there.difference.map(|d| -d), back.difference.map(|d| d + 0.0));
        prop_assert_eq!(there.verdict == Verdict::Better, back.verdict == Verdict::Worse);
        if let (Some(there), Some(back)) = (there.difference_interval, back.difference_interval) {
            prop_assert!((there.low + back.high).abs() < 1e-15 && (there.high + back.low).abs() < 1e-15);
        }
        if let (Some(there), Some(back)) = (there.macro_f1, back.macro_f1) {
            prop_assert!((there.difference + back.difference).abs() < 1e-15);
        }
        if let Some(metric) = there.macro_f1 {
            let rows = pairs(&base.predictions, &tuned.predictions)
                .filter_map(|pair| pair.answered().map(|[base, _]| base))
                .collect();
            let scores = Scores::of(&Confusion::of(&rows, 3));
            prop_assert!((metric.base - scores.macro_average.f1.unwrap()).abs() < 1e-13);
        }
    }
}
