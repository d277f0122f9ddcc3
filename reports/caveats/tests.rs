//! What is said of which run.

use crate::testing::{changed, in_groups, predictions, run};
use crate::{Answer, Figures, InvalidKind, Predictions, Probability, Run};

fn said(gold: &str, models: Vec<(&str, Option<&str>, &str)>, complete: bool) -> Vec<String> {
    let models = models.into_iter().map(|(m, base, answers)| (m, base, predictions(gold, answers))).collect();
    let mut run = run(&["a", "b", "c"], models);
    run.manifest.complete = complete;
    run.manifest.min_coverage = 0.9;
    about(&run)
}

fn about(run: &Run) -> Vec<String> {
    Figures::of(run).doubts.iter().map(|d| format!("{} {d}", d.name())).collect()
}

#[test]
fn nothing_to_say_of_a_sound_run() {
    let gold = "abc".repeat(40);
    assert_eq!(said(&gold, vec![("m", None, &gold)], true), Vec::<String>::new());
}

#[test]
fn says_what_is_wrong_with_the_data_and_the_models() {
    assert_eq!(
        said("ababababab", vec![("m", None, "ab?b!bab??"), ("t", Some("x"), "ababababab")], false),
        [
            "run_cut_short The run was cut short.",
            "few_rows Only 10 test rows: an accuracy near 50 % is known to ±26 points.",
            "missing_labels 1 of 3 labels have no test row: c.",
            "unanswered m: 3 of 10 rows have no answer, mostly because the network failed; too many for a score.",
            "many_invalid m: 1 of 7 answers are invalid, mostly without a label.",
            "base_missing t was tuned from x, which is not in this run.",
        ]
    );
}

#[test]
fn shards_that_are_missing_are_named_instead_of_a_run_to_be_repeated() {
    let mut run = sound(&[("m", None, "")]);
    run.manifest.complete = false;
    run.manifest.missing_shards = ["2/8", "5/8"].map(|shard| shard.parse().unwrap()).into();
    assert_eq!(about(&run), ["shards_missing Not all test rows are here; shards are missing: 2/8, 5/8."]);
    assert!(Figures::of(&run).doubts[0].advice().contains("`tunebench merge`"));
}

#[test]
fn a_pair_can_be_incomplete_though_each_model_is_complete() {
    let gold = "abc".repeat(34);
    let base = format!("{}{}", "?".repeat(8), &gold[8..]);
    let tuned = format!("{}{}", &gold[..94], "?".repeat(8));
    let doubts = said(&gold, vec![("m", None, &base), ("t", Some("m"), &tuned)], true);
    assert_eq!(
        doubts.last().unwrap(),
        "pair_incomplete m and t both answered only 86 of 102 rows: too few for a verdict."
    );
}

/// A run of sound models with 120 rows; the answers of the first three rows are given, all others are right.
fn sound(models: &[(&str, Option<&str>, &str)]) -> Run {
    let gold = "abc".repeat(40);
    let rows = |answers: &str| predictions(&gold, &format!("{answers}{}", &gold[answers.len()..]));
    run(
        &["a", "b", "c"],
        models.iter().map(|(model, base, answers)| (*model, *base, rows(answers))).collect(),
    )
}

#[test]
fn test_rows_in_the_training_data_matter_once_something_was_learned() {
    let mut base = sound(&[("m", None, "")]);
    base.manifest.overlap = Some(7);
    assert_eq!(about(&base), [""; 0]);
    let mut tuned = sound(&[("m", None, ""), ("t", Some("m"), "")]);
    tuned.manifest.overlap = Some(7);
    assert_eq!(about(&tuned), ["overlap 7 of 120 test rows have a text that is also in the training data."]);
    tuned.manifest.overlap = Some(0);
    assert_eq!(about(&tuned), [""; 0]);
}

#[test]
fn other_versions_than_the_one_that_was_asked_for_are_named() {
    let answered = |asked: &str, versions: &[(&str, u64)]| {
        let mut run = sound(&[("p/m", None, "")]);
        run.manifest.models[0].asked = Some(asked.to_owned());
        run.manifest.models[0].answered_by =
            versions.iter().map(|(version, rows)| (version.to_string(), *rows)).collect();
        about(&run).pop().unwrap_or_default()
    };
    for same in ["m-1", "org/m-1"] {
        assert_eq!(answered(same, &[("m-1", 120)]), "");
    }
    assert_eq!(
        answered("projects/1/endpoints/77", &[("m-1", 120)]),
        "",
        "an endpoint has no version in its name"
    );
    assert_eq!(answered("m", &[]), "");
    assert_eq!(answered("m", &[("m-1", 120)]), "answered_by_other p/m: m was asked for, and m-1 answered.");
    let two = answered("m", &[("m-1", 20), ("m-2", 100)]);
    assert_eq!(two, "version_changed p/m: 2 versions answered: m-2 (100), m-1 (20).");
}

#[test]
fn compared_models_with_other_prompts_are_named() {
    let mut run = sound(&[("m", None, ""), ("m+5-shot", Some("m"), ""), ("t", Some("m"), "")]);
    for (record, prompt) in run.manifest.models.iter_mut().zip(["1", "2", "1"]) {
        record.prompt_sha256 = Some(prompt.to_owned());
    }
    let expected = "prompts_differ Compared models were not given the same prompt: m and m+5-shot.";
    assert_eq!(about(&run), [expected]);
    run.manifest.models[0].prompt_sha256 = None;
    assert_eq!(about(&run), [""; 0]);
}

#[test]
fn accuracies_that_differ_by_chance_are_no_ranking() {
    let ranking = |models: &[(&str, Option<&str>, &str)]| about(&sound(models)).pop().unwrap_or_default();
    // Compared, and not compared.
    let expected = "no_ranking The accuracies differ, but not provably: t and m, x and m.";
    assert_eq!(ranking(&[("m", None, "bca"), ("t", Some("m"), "ab"), ("x", None, "")]), expected);
    assert_eq!(ranking(&[("m", None, "bca"), ("x", None, "bca")]), "", "the same accuracy");
    assert_eq!(ranking(&[("m", None, "bcabca"), ("x", None, "")]), "", "six of six prove it");
    let mut repeats = sound(&[("m", None, "bca"), ("m#2", None, "")]);
    repeats.manifest.models[1].repeat_of = Some("m".to_owned());
    assert_eq!(about(&repeats), [""; 0]);
}

#[test]
fn some_probabilities_are_not_enough() {
    let mut run = sound(&[("m", None, "")]);
    let all = run.evaluations[0].predictions.clone();
    let told = |but: [usize; 3]| {
        changed(&all, |at, row| row.probability = Probability::new(0.5).filter(|_| !but.contains(&at)))
    };
    run.evaluations[0].predictions = told([117, 118, 119]);
    let expected =
        "few_probabilities m: only 117 of 120 answers carry a probability: too few for figures about them.";
    assert_eq!(about(&run), [expected]);
    run.evaluations[0].predictions = told([117, 118, 118]);
    assert_eq!(about(&run), [""; 0]);
}

#[test]
fn what_one_group_has_alone_proves_nothing() {
    // Six rows are won, and one group has them all.
    let mut run = sound(&[("m", None, "bcabca"), ("t", Some("m"), "")]);
    let mut with = |group: fn(usize) -> usize| {
        let clusters = in_groups((0..120).map(|row| group(row).to_string()));
        for evaluation in &mut run.evaluations {
            evaluation.clusters = clusters.clone();
        }
        about(&run)
    };
    let unproven = "no_ranking The accuracies differ, but not provably: t and m.";
    assert_eq!(with(|row| if row < 6 { 0 } else { row }), [unproven]);
    assert_eq!(with(|row| row), [""; 0]);
}

#[test]
fn few_groups_are_few_though_the_rows_are_many() {
    let mut run = sound(&[("m", None, "bca")]);
    let mut with_groups = |groups: usize| {
        run.evaluations[0].clusters = in_groups((0..120).map(|row| (row % groups).to_string()));
        about(&run)
    };
    let expected =
        "few_groups The test rows are of only 39 groups: intervals that allow for groups are rough.";
    assert_eq!(with_groups(39), [expected]);
    assert_eq!(with_groups(40), [""; 0]);
}

#[test]
fn labels_that_no_row_has_and_answers_that_nobody_reads_are_told_of() {
    let mut run = sound(&[("m", None, "bca")]);
    let rows: Predictions = run.evaluations[0].predictions.iter().filter(|row| row.gold.0 != 2).collect();
    run.evaluations[0].predictions = rows.clone();
    let found = about(&run);
    let stray = found.iter().find(|doubt| doubt.starts_with("other_labels")).unwrap();
    assert!(stray.contains("m: ") && stray.contains("labels that no test row has: c."), "{stray}");
    let invalid = |kind| {
        changed(&rows, |at, row| {
            if at < rows.len() / 8 {
                row.answer = Answer::Invalid(kind);
            }
        })
    };
    run.evaluations[0].predictions = invalid(InvalidKind::NoLabel);
    assert!(about(&run).iter().any(|doubt| doubt.starts_with("unreadable m: ")));
    // What a model refuses, it refuses by itself.
    run.evaluations[0].predictions = invalid(InvalidKind::Refused);
    assert!(!about(&run).iter().any(|doubt| doubt.starts_with("unreadable")));
}
