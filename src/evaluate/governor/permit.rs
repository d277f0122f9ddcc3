//! The right to send one request.

use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{RateLimits, Usage};

use super::Governor;
use super::state::Departure;

/// The right to send one request, from [`Governor::admit`] until its end is reported.
///
/// One that is dropped instead (the request was given up) counts as sent, and says nothing of the provider.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as a request sent"]
pub struct Permit<'a> {
    governor: &'a Governor,
    departure: Departure,
    reported: bool,
}

impl<'a> Permit<'a> {
    pub(super) fn new(governor: &'a Governor, departure: Departure) -> Self {
        Self { governor, departure, reported: false }
    }

    /// An answer came. Whatever its headers say, it is a success.
    pub fn succeeded(mut self, usage: Option<Usage>, limits: Option<RateLimits>) {
        self.reported = true;
        let departure = self.departure;
        self.governor.update(|state| state.succeeded(Instant::now(), &departure, usage, limits));
    }

    /// The provider refused it as too many requests or tokens for now, and may have said when to come again.
    ///
    /// All requests of this governor then pause, and its limits step down, once for each burst of refusals.
    pub fn rate_limited(mut self, after: Option<Duration>, limits: Option<RateLimits>) {
        self.reported = true;
        let departure = self.departure;
        self.governor.update(|state| state.rate_limited(Instant::now(), &departure, after, limits));
    }

    /// It failed in another way, which says nothing of the limits; it counts against them all the same.
    pub fn failed(mut self, limits: Option<RateLimits>) {
        self.reported = true;
        self.governor.update(|state| state.failed(Instant::now(), limits));
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.reported {
            self.governor.update(super::state::State::abandoned);
        }
    }
}
