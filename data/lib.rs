//! Labelled text: loading and checking it, and the prompt of a classification task.
//!
//! No async, no network. A row of data starts its way here: [`Source`] names a file, [`Source::load`] and
//! [`Source::check`] make a [`Dataset`] or a [`TestSet`] of it, and [`Prompt`] turns each [`Example`] into messages
//! for a model and the model's answer into a label. [`doctor`] says what is wrong with the files, and [`split`] makes
//! several of one.

mod answer;
mod dataset;
pub mod doctor;
mod encoding;
mod example;
mod fault;
mod fields;
mod hashed;
mod hostile;
mod labels;
mod overlap;
mod prompt;
mod records;
mod rows;
mod sample;
mod scan;
mod shard;
mod similar;
mod sniff;
mod source;
pub mod split;
mod table;
mod tag;

pub use answer::{Aliases, AnswerError, SCHEMA_MEMBER};
pub use dataset::{Dataset, Examples, TestSet};
pub use example::{BadExampleId, Example, ExampleId};
pub use fault::{DataError, Fault, HeaderFault, QuoteFault, QuoteLines, Reason};
pub use fields::{Columns, Fields};
pub use hostile::is_hostile;
pub use labels::{LabelId, LabelSet, LabelSetError};
pub use overlap::overlap;
pub use prompt::{Message, Prompt, PromptError, PromptTemplate, Role};
pub use rows::{Row, Rows};
pub use sample::stratified;
pub use shard::{BadShard, Shard};
pub use sniff::{SniffError, Sniffed, sniff};
pub use source::{Format, Source};
pub use table::{Cells, Column, Table, TableFormat, TableRow, TableSource};

#[cfg(test)]
mod tests;
