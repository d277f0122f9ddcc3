//! Test rows that stand in the training data: what a model was trained on says nothing about what it can.

use std::collections::HashSet;

use crate::similar::{normal_form, print};
use crate::{DataError, Dataset, TestSet};

/// How many test rows have a text that stands in the training data as well, but for case, space and punctuation.
///
/// Reads the test file once more, and takes eight bytes for each training row.
pub fn overlap(train: &Dataset, test: &TestSet) -> Result<u64, DataError> {
    let fingerprint = |text: &str| print(&normal_form(text));
    let known: HashSet<u64> = train.examples.iter().map(|example| fingerprint(&example.text)).collect();
    let mut rows = 0;
    for example in test.examples()? {
        rows += u64::from(known.contains(&fingerprint(&example?.text)));
    }
    Ok(rows)
}
