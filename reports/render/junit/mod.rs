//! JUnit XML.

mod document;

pub use document::{Case, Document, Reason, Status, Suite};
