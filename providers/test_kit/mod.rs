//! For authors of providers: what every provider must keep to, as a test, and fake services.

pub mod anthropic;
#[cfg(feature = "local")]
mod encoder;
mod fake;
pub mod google;
#[cfg(feature = "local")]
pub mod hub;
pub mod openai;

pub use crate::contract::{Contract, Finding, Report, Verdict};
#[cfg(feature = "local")]
pub use encoder::write_encoder;
