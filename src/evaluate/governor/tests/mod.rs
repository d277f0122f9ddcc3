//! The governor against a simulated provider, on a simulated clock.

mod queue;
mod refusals;
pub(super) mod simulation;
mod windows;

use super::{Estimate, Governor, Limits};

/// Limits of a minute over unknown windows.
fn limits(requests_per_minute: Option<u64>, tokens_per_minute: Option<u64>, concurrency: usize) -> Limits {
    Limits { requests_per_minute, tokens_per_minute, window: None, concurrency }
}
