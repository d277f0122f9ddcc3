//! For authors of providers: what every provider must keep to, as a test.

mod contract;
mod fake;
pub mod google;
pub mod openai;
mod tuning;

pub use contract::{Contract, Finding, Report, Verdict};
