//! How limits are told: in headers, with times of day, and in the refusal.

use super::Reply;
use crate::fake::{Windows, now, timestamp, whole_seconds};

/// Charges a request: the headers to answer with, and the refusal if it is over a limit.
pub(super) fn charge(
    windows: &mut Windows,
    model: &str,
    tokens: u64,
) -> (Vec<(&'static str, String)>, Option<Reply>) {
    let charged = windows.charge(model, tokens);
    let names = [
        (
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ),
        (
            "anthropic-ratelimit-input-tokens-limit",
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ),
    ];
    let (mut headers, mut refusal) = (Vec::new(), None);
    for ((limit, remaining, reset), used) in names.into_iter().zip(charged) {
        let Some(used) = used else { continue };
        headers.push((limit, used.limit.to_string()));
        headers.push((remaining, used.limit.saturating_sub(used.used + used.wanted).to_string()));
        headers.push((reset, timestamp(now() + whole_seconds(windows.length()))));
        if used.is_over() && refusal.is_none() {
            let message = "This request would exceed your organization's rate limit.";
            let reply = Reply::anthropic(429, "rate_limit_error", message);
            refusal = Some(reply.with("retry-after", whole_seconds(used.fits_in).to_string()));
        }
    }
    (headers, refusal)
}
