//! Labelled text: loading and checking it, and the prompt of a classification task.
//!
//! No async, no network. A row of data starts its way here: [`Source`] names a file, [`Source::load`] and
//! [`Source::check`] make a [`Dataset`] or a [`TestSet`] of it, and [`Prompt`] turns each [`Example`] into messages
//! for a model and the model's answer into a label. [`doctor`] says what is wrong with the files, and [`split`] makes
//! several of one.

mod answer;
mod binary;
mod copies;
mod dataset;
pub mod doctor;
mod encoding;
mod error;
mod example;
mod fields;
mod format;
mod hashed;
mod hex;
mod hostile;
mod input;
mod json;
mod labels;
mod latency;
mod overlap;
#[cfg(feature = "parquet")]
mod parquet;
mod percent;
mod prompt;
mod record_ends;
mod records;
mod rows;
mod sample;
mod several;
mod shard;
mod similar;
mod sniff;
mod source;
pub mod split;
mod table;
mod tag;
mod text_columns;
mod tokens;
mod unpack;
#[cfg(feature = "xlsx")]
mod xlsx;

pub use answer::{Aliases, AnswerError, SCHEMA_MEMBER};
pub use binary::BinaryKind;
pub use dataset::{Dataset, Examples, TestSet};
pub use error::{DataError, HeaderFault, QuoteFault, QuoteLines, Reason, RowError};
pub use example::{BadExampleId, Example, ExampleId};
pub use fields::{Columns, Fields};
pub use format::Format;
pub use hex::hex;
pub use hostile::is_hostile;
pub use json::without_nonfinite;
pub use labels::{LabelId, LabelSet, LabelSetError};
pub use latency::Latency;
pub use overlap::overlap;
pub use percent::{percent, percent_beside, percent_limit, percent_number};
pub use prompt::{AnswerForm, Item, Message, MessageTemplates, Prompt, PromptError, PromptTemplate, Role};
pub use rows::{Row, Rows};
pub use sample::stratified;
pub use shard::{BadShard, Shard};
pub use sniff::{SniffError, Sniffed, sniff};
pub use source::Source;
pub use table::{Cells, Column, Table, TableRow, TableSource};
pub use text_columns::{NoTextColumn, TextColumns};
pub use tokens::{TextLength, cautious_tokens, expected_tokens, most_tokens};

#[cfg(test)]
mod tests;
