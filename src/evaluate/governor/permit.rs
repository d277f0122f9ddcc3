//! The right to send one request.

use std::time::Duration;

use tokio::time::Instant;
use tunebench_providers::{RateLimits, Usage};

use super::Governor;
use super::sent_requests::SentRequest;

/// The right to send one request, from [`Governor::admit`] until its end is reported.
///
/// One that is dropped instead (the request was given up) counts as sent, and says nothing of the provider.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as a request sent"]
pub struct Permit<'a> {
    governor: &'a Governor,
    sent: SentRequest,
    reported: bool,
}

impl<'a> Permit<'a> {
    pub(super) fn new(governor: &'a Governor, sent: SentRequest) -> Self {
        Self { governor, sent, reported: false }
    }

    /// An answer came. Whatever its headers say, it is a success.
    pub fn succeeded(mut self, usage: Option<Usage>, limits: Option<RateLimits>) {
        self.reported = true;
        let sent = self.sent;
        self.governor.update(|state| state.succeeded(Instant::now(), &sent, usage, limits));
    }

    /// The provider refused it as too many requests or tokens for now, and may have said when to come again.
    ///
    /// After several in a row all requests of this governor pause; where they recur at a like load, that is the limit.
    pub fn rate_limited(mut self, after: Option<Duration>, limits: Option<RateLimits>) {
        self.reported = true;
        let sent = self.sent;
        self.governor.update(|state| state.rate_limited(Instant::now(), &sent, after, limits));
    }

    /// It failed in another way, which says nothing of the limits; it counts against them all the same.
    pub fn failed(mut self, limits: Option<RateLimits>) {
        self.reported = true;
        let sent = self.sent;
        self.governor.update(|state| state.failed(Instant::now(), &sent, limits));
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.reported {
            let sent = self.sent;
            self.governor.update(|state| state.abandoned(&sent));
        }
    }
}
