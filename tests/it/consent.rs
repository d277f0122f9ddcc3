//! What is spent and deleted is agreed to first; and what a command needs is there before the first request is paid for.

use tunebench_fakes::openai::{Failing, Fault};

use crate::openai::Project;

const BASE: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n";
const TUNED: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\ntune = { n_epochs = 3 }\n";
const ALWAYS: &str = "[budget]\nask_above = 0\n";

#[test]
fn every_command_that_spends_says_so_and_wants_agreement() {
    let project = Project::new(&format!("{ALWAYS}{TUNED}"));
    let model = "openai/gpt-4.1-mini-2025-04-14";
    for command in [&["run"][..], &["tune"], &["eval"], &["eval", model], &["predict", model, "test.csv"]] {
        let refused = project.tunebench(command);
        assert_eq!(refused.code, Some(2), "{command:?}: {}", refused.stderr);
        for part in ["plan: ", "this would spend about $", "hint: confirm with `--yes`"] {
            assert!(refused.stderr.contains(part), "{command:?}: {}", refused.stderr);
        }
    }
    assert_eq!((project.asked(), project.fake.jobs().len(), project.fake.files().len()), (0, 0, 0));
    for command in [&["tune", "--yes"][..], &["run", "--yes"], &["predict", model, "test.csv", "--yes"]] {
        let done = project.tunebench(command);
        assert_eq!(done.code, Some(0), "{command:?}: {}", done.stderr);
    }
    // All of that is there by now: there is nothing to agree to.
    for command in [&["run"][..], &["tune"], &["eval"], &["predict", model, "test.csv"]] {
        let again = project.tunebench(command);
        assert_eq!(again.code, Some(0), "{command:?}: {}", again.stderr);
        assert!(!again.stderr.contains("plan: 6"), "{}", again.stderr);
    }
}

#[test]
fn small_amounts_are_only_announced_and_ci_is_never_asked() {
    let project = Project::new(BASE);
    let mut command = project.place.command(&["eval"]);
    let done = project.place.outcome(command.env("OPENAI_API_KEY", crate::openai::KEY).env("CI", "true"));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("plan: 6 requests: about $"), "{}", done.stderr);
    // What nobody knows the price of is never small.
    let unpriced = Project::new("[[model]]\nbase = \"openai/gpt-5-test\"\n");
    let refused = unpriced.tunebench(&["eval"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("at prices that are not known"), "{}", refused.stderr);
}

#[test]
fn a_stream_of_texts_is_capped_where_nobody_has_agreed() {
    let project = Project::new(&format!("[budget]\nask_above = 0.0004\n{BASE}"));
    let label = |more: &[&str]| {
        let arguments = [&["predict", "openai/gpt-4.1-mini-2025-04-14"], more].concat();
        let mut command = project.place.command(&arguments);
        command.env("OPENAI_API_KEY", crate::openai::KEY).stdin(project.place.open("many.txt"));
        project.place.outcome(&mut command)
    };
    let texts: String = (0..40).map(|i| format!("where is my card number {i}\n")).collect();
    project.place.write("many.txt", texts);
    let capped = label(&[]);
    assert_eq!(capped.code, Some(3), "{}", capped.stderr);
    assert!(capped.stderr.contains("budget of $0.0004"), "{}", capped.stderr);
    assert!((1..40).contains(&project.asked()), "{}", project.asked());
    assert_eq!(label(&["--yes"]).code, Some(0));
}

#[test]
fn all_keys_and_models_are_checked_before_the_first_request() {
    let project = Project::new(&format!(
        "{BASE}[[model]]\nbase = \"openai/gpt-4.1-mimi\"\n[[model]]\nbase = \"gemini/gemini-3.5-flash\"\n"
    ));
    let missing = project.tunebench(&["eval", "--yes"]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    for part in ["gpt-4.1-mimi", "GEMINI_API_KEY"] {
        assert!(missing.stderr.contains(part), "{}", missing.stderr);
    }
    assert_eq!(project.asked(), 0);
}

#[test]
fn a_model_that_has_disappeared_is_named_before_the_first_row_and_can_be_trained_anew() {
    let project = Project::new(TUNED);
    let model = project.tunebench(&["tune"]).stdout.trim().to_owned();
    // Deleted by somebody else, such as its provider on the day of its shutdown.
    let elsewhere = project.place.path("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    let done = project.tunebench(&["jobs", "delete", &model, "--yes", "--state", elsewhere]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let gone = project.tunebench(&["eval"]);
    assert_eq!((gone.code, project.asked()), (Some(2), 0), "{}", gone.stderr);
    let cure = format!("`tunebench jobs delete {model}`");
    for part in [model.as_str(), "was tuned by job ftjob-", "is gone", &cure] {
        assert!(gone.stderr.contains(part), "{}", gone.stderr);
    }
    let forgotten = project.tunebench(&["jobs", "delete", &model, "--yes"]);
    assert_eq!(forgotten.code, Some(0), "{}", forgotten.stderr);
    assert!(forgotten.stderr.contains("was deleted earlier"), "{}", forgotten.stderr);
    let anew = project.tunebench(&["tune"]);
    assert_eq!(anew.code, Some(0), "{}", anew.stderr);
    assert_ne!(anew.stdout.trim(), model);
    assert_eq!(project.fake.jobs().len(), 2);
}

#[test]
fn deleting_wants_agreement_and_takes_the_model_off_the_record() {
    let project = Project::new(TUNED);
    let model = project.tunebench(&["tune"]).stdout.trim().to_owned();
    let files = project.fake.files().len();
    let refused = project.tunebench(&["jobs", "delete", &model]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let shown = format!("deleting the model {model} and the file");
    assert!(refused.stderr.contains(&shown) && refused.stderr.contains("--yes"), "{}", refused.stderr);
    assert_eq!(project.fake.files().len(), files);
    // A job goes by its own name as well.
    let job = project.fake.jobs().remove(0);
    let shown = project.tunebench(&["jobs", "show", &job]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown["provider"], &shown["job"]["id"]), (&"openai".into(), &job.as_str().into()));
    assert_eq!(project.tunebench(&["jobs", "delete", &job, "--yes"]).code, Some(0));
    let anew = project.tunebench(&["tune"]);
    assert_eq!((anew.code, project.fake.jobs().len()), (Some(0), 2), "{}", anew.stderr);
    let nobody = project.tunebench(&["jobs", "show", "ftjob-nobody"]);
    assert_eq!(nobody.code, Some(2));
    assert!(nobody.stderr.contains("knows a job `ftjob-nobody`"), "{}", nobody.stderr);
}

#[test]
fn a_bad_key_is_found_before_anything_is_paid() {
    let project = Project::new(TUNED);
    project.fake.fail(Failing::new(Fault::BadKey));
    let refused = project.tunebench(&["run", "--yes"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stderr.contains("the key is refused"), "{}", refused.stderr);
    assert_eq!((project.asked(), project.fake.files().len()), (0, 0));
}
