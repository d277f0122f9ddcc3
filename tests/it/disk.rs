//! A disk that is full, or not to be written on: what was paid for stays, and the error says where.
#![cfg(unix)]

use std::process::Command;

use tunebench_fakes::openai::FakeOpenAi;

use crate::openai::Project;

const MODEL: &str = "[[model]]\nbase = \"openai/gpt-4.1-mini-2025-04-14\"\n";

#[test]
fn a_full_disk_ends_the_run_and_loses_nothing() {
    let project = Project::at(FakeOpenAi::start().unwrap(), MODEL);
    let rows: String = (0..3000).map(|i| format!("my card number {i} is lost,card\n")).collect();
    project.place.write("test.csv", format!("text,label\n{rows}"));
    let eval = project.place.command(&["eval", "--yes"]);
    // The shell's limit on the size of a file stands for a disk that has no more room.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 256; exec \"$@\"", "sh"]);
    limited.arg(eval.get_program()).args(eval.get_args()).current_dir(project.place.path(""));
    limited.env("OPENAI_API_KEY", "sk-any");
    let full = project.place.outcome(&mut limited);
    assert_eq!(full.code, Some(3), "{}", full.stderr);
    assert!(full.stderr.contains("ledger"), "{}", full.stderr);
    let paid = project.asked();
    assert!(paid < 3000);

    let mut again = project.place.command(&["eval", "--yes"]);
    let done = project.place.outcome(again.env("OPENAI_API_KEY", "sk-any"));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    // Only what was in flight, or waited for the commit that failed, is asked again.
    assert!(project.asked() <= 3000 + 32, "{paid} before, {} in all", project.asked());
}

#[test]
fn a_place_that_cannot_be_written_is_named_before_anything_is_sent() {
    let project = Project::at(FakeOpenAi::start().unwrap(), MODEL);
    project.place.write("file", "not a folder");
    for (flag, exit) in [("--results", 2), ("--state", 2)] {
        let mut eval = project.place.command(&["eval", flag, "file/below"]);
        let refused = project.place.outcome(eval.env("OPENAI_API_KEY", "sk-any"));
        assert_eq!(refused.code, Some(exit), "{flag}: {}", refused.stderr);
        assert!(refused.stderr.contains("file/below"), "{flag}: {}", refused.stderr);
    }
    assert_eq!(project.asked(), 0);
}
