//! How often a command reads the data: as often as it needs to, and no more.
#![cfg(target_os = "linux")]

use std::mem::MaybeUninit;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init, remove_watch};

use crate::openai::Project;

/// How often a file is opened while `work` is done, and what comes of that.
fn opens<T>(path: &Path, work: impl FnOnce() -> T) -> (u32, T) {
    let events = init(CreateFlags::CLOEXEC).unwrap();
    let watch = add_watch(&events, path, WatchFlags::OPEN | WatchFlags::CLOSE_NOWRITE).unwrap();
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let mut buffer = [const { MaybeUninit::uninit() }; 4096];
            let (mut reader, mut opens) = (Reader::new(&events, &mut buffer), 0);
            loop {
                let event = reader.next().unwrap().events();
                opens += u32::from(event.contains(ReadFlags::OPEN));
                // The last event, once nothing is watched any more.
                if event.contains(ReadFlags::IGNORED) {
                    return opens;
                }
            }
        });
        let done = work();
        remove_watch(&events, watch).unwrap();
        (counting.join().unwrap(), done)
    })
}

#[test]
fn an_evaluation_reads_the_test_file_seven_times_and_three_times_for_each_further_model() {
    let model = |name: &str| format!("[[model]]\nbase = \"openai/{name}\"\n");
    let count = |models: &[&str]| {
        let project = Project::new(&models.iter().copied().map(model).collect::<String>());
        let test = project.place.path("test.csv");
        let (opens, done) = opens(&test, || project.tunebench(&["eval", "--yes"]));
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        opens
    };
    let one = count(&["gpt-4.1-mini-2025-04-14"]);
    let two = count(&["gpt-4.1-mini-2025-04-14", "gpt-4o-mini-2024-07-18"]);
    // For each model to plan, to ask, and to write the rows down; for all of them to check the file, to take the labels, and
    // to find what rows belong together. Two that open it at one moment can count as one: so these are the most.
    assert!((1..=7).contains(&one) && (1..=10).contains(&two), "{one} for one model, {two} for two");
}
