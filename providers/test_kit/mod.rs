//! For authors of providers: what every provider must keep to, as a test, and fake services.

mod fake;
pub mod google;
pub mod openai;

pub use crate::contract::{Contract, Finding, Report, Verdict};
