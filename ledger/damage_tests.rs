//! A damaged file or log is noticed, and costs no more than what was damaged.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::tests::{Lab, answer, key, texts};
use super::{Floor, Ledger};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_damaged_file_is_noticed_or_harmless(at in any::<prop::sample::Index>(), flip in 1u8.., cut in prop::bool::weighted(0.2)) {
        let lab = Lab::new();
        answer(&lab.path, 0..60, "x", Floor::default());
        let whole = fs_err::read(&lab.path).unwrap();
        let at = at.index(whole.len());
        let mut bytes = whole.clone();
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        fs_err::write(&lab.path, &bytes).unwrap();
        let keys: Vec<_> = (0..60).map(key).collect();
        match Ledger::open(&lab.path) {
            Err(_) => {}
            Ok(ledger) => {
                if let Ok(answers) = ledger.lookup(&keys, Floor::default()) {
                    for (row, answer) in answers.into_iter().enumerate() {
                        let expected = format!("x {row}");
                        prop_assert!(answer.is_none_or(|answer| answer.completion.text == expected));
                    }
                }
                let _ = (ledger.stats(), ledger.runs(), ledger.jobs(), ledger.unresolved());
            }
        }
        prop_assert!(fs_err::read(&lab.path).unwrap() == bytes, "reading has changed the file");
    }

    #[test]
    fn a_damaged_log_costs_its_end_at_most(at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<bool>()) {
        let (lab, copy) = (Lab::new(), Lab::new());
        let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
        answer(&lab.path, 0..20, "x", Floor::default());
        let reader = lab.open();
        answer(&lab.path, 20..40, "x", Floor::default());
        // The reader keeps the log from being put in its place.
        let mut bytes = fs_err::read(log(&lab.path)).unwrap();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        fs_err::copy(&lab.path, &copy.path).unwrap();
        drop(reader);
        fs_err::write(log(&copy.path), &bytes).unwrap();
        let ledger = copy.open();
        let found = texts(&ledger, 0..40, Floor::default());
        for (row, text) in found.iter().enumerate() {
            let expected = format!("x {row}");
            prop_assert!(text.as_ref().is_none_or(|text| *text == expected));
            prop_assert!(text.is_some() || row >= 20);
        }
        let kept = found.iter().take_while(|text| text.is_some()).count();
        prop_assert!(found[kept..].iter().all(Option::is_none), "what is lost is the end");
    }
}
