//! Fake services over loopback, for the tests of all crates and for official clients in other languages: real HTTP, real
//! limits, wrong on demand. `fake` is what they have in common.

pub mod anthropic;
mod encoder;
mod fake;
pub mod google;
pub mod hub;
pub mod openai;

pub use encoder::write_encoder;
