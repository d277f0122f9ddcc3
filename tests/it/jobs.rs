//! `tunebench jobs`: what was trained can be listed, followed and deleted.

use crate::support::{Place, repository};

#[test]
fn a_job_is_listed_followed_and_deleted_with_its_model() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\ntune = { epochs = 3 }\n");
    let none = place.tunebench(&["jobs", "list"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    let model = place.tunebench(&["tune"]).stdout.trim().to_owned();

    let list = place.tunebench(&["jobs", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    let job = &list[0]["job"];
    assert_eq!((&job["status"], &job["hyperparameters"]["epochs"]), (&"succeeded".into(), &3.into()));
    let job = format!("local/{}", job["id"].as_str().unwrap());
    assert_eq!(place.tunebench(&["jobs", "watch", &job]).stdout.trim(), model);

    assert_eq!(place.tunebench(&["jobs", "delete", "--yes", &model]).code, Some(0));
    assert_eq!(place.tunebench(&["jobs", "list"]).stdout, "");
    let gone = place.tunebench(&["jobs", "watch", &job]);
    assert_eq!(gone.code, Some(2));
    assert!(
        gone.stderr.contains(&format!("error: {job}: there is no model or job `ftjob-")),
        "{}",
        gone.stderr
    );
    // What was deleted can be made again, and is the same.
    assert_eq!(place.tunebench(&["tune"]).stdout.trim(), model);

    // A job that has ended can't be ended; and its name tells which model is to be deleted.
    let ended = place.tunebench(&["jobs", "cancel", &job]);
    assert_eq!((ended.code, ended.stderr), (Some(0), format!("{job} has ended already: succeeded\n")));
    let deleted = place.tunebench(&["jobs", "delete", "--yes", &job]);
    assert_eq!((deleted.code, deleted.stderr), (Some(0), format!("deleted {model}\n")));
    assert_eq!(place.tunebench(&["jobs", "list"]).stdout, "");
    let again = place.tunebench(&["jobs", "delete", "--yes", &job]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
}

#[test]
fn a_job_that_was_left_behind_is_trained_again() {
    let place = Place::with_models("[[model]]\nbase = \"local/lexical\"\ntune = {}\n");
    let model = place.tunebench(&["tune"]).stdout;
    // As if the program had been killed while it trained.
    let jobs = place.files(".tunebench/local/jobs");
    let (name, content) = jobs.iter().find(|(name, _)| name.ends_with(".json")).unwrap();
    let abandoned = String::from_utf8(content.clone()).unwrap().replace("\"succeeded\"", "\"running\"");
    place.write(name, abandoned);
    let list = place.tunebench(&["jobs", "list"]).stdout;
    assert!(list.contains("failed") && list.contains("the program that trained it ended"), "{list}");
    let again = place.tunebench(&["tune"]);
    assert!(again.stderr.contains("epoch"), "{}", again.stderr);
    assert_eq!(again.stdout, model);
}

#[test]
fn a_job_that_is_done_here_does_not_go_on_elsewhere() {
    let sample = |name: &str| repository().join("data/samples/banking10").join(name).display().to_string();
    let place =
        Place::with_models("[tuning]\ntimeout_minutes = 0\n[[model]]\nbase = \"local/lexical\"\ntune = {}\n");
    let done = place.tunebench(&["tune", "--train", &sample("train.tsv"), "--test", &sample("test.tsv")]);
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("ended with this program before it was done\n"), "{}", done.stderr);
    let hint = "hint: it trains in this program only; the same command begins it again\n";
    assert!(done.stderr.ends_with(hint), "{}", done.stderr);
}
