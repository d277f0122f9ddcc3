//! Labelled text: loading and checking it, and the prompt of a classification task.
//!
//! No async, no network: a row of data starts its way here.

mod example;
mod labels;

pub use example::{BadExampleId, Example, ExampleId};
pub use labels::{LabelId, LabelSet, LabelSetError};
