//! How limits are told: in headers, and in the refusal.

use std::time::Duration;

use super::Reply;
use crate::fake::{Windows, whole_seconds};

/// Charges a request: the headers to answer with, and the refusal if it is over a limit.
pub(super) fn charge(
    windows: &mut Windows,
    model: &str,
    tokens: u64,
) -> (Vec<(&'static str, String)>, Option<Reply>) {
    let charged = windows.charge(model, tokens);
    let mut headers = Vec::new();
    let mut refusal = None;
    let names = [
        ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
        ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ];
    let kinds = [("requests", "RPM"), ("tokens", "TPM")];
    for (((limit, remaining, reset), (kind, short)), used) in names.into_iter().zip(kinds).zip(charged) {
        let Some(used) = used else { continue };
        headers.push((limit, used.limit.to_string()));
        headers.push((remaining, used.limit.saturating_sub(used.used + used.wanted).to_string()));
        // All is back when this request, the last one charged, has left the window.
        headers.push((reset, written(windows.length())));
        if used.is_over() && refusal.is_none() {
            let message = format!(
                "Rate limit reached for {model} on {kind} per min ({short}): Limit {}, Used {}, Requested {}. \
                 Please try again in {}.",
                used.limit,
                used.used,
                used.wanted,
                written(used.fits_in)
            );
            let reply = Reply::error(429, kind, "rate_limit_exceeded", "", &message);
            refusal = Some(
                reply
                    .with("retry-after", whole_seconds(used.fits_in).to_string())
                    .with("retry-after-ms", used.fits_in.as_millis().to_string()),
            );
        }
    }
    (headers, refusal)
}

/// A duration as the headers write it: `6m0s`, `14.981s`, `120ms`.
fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let seconds = |millis: u128| {
        if millis.is_multiple_of(1_000) {
            format!("{}s", millis / 1_000)
        } else {
            format!("{}s", millis as f64 / 1e3)
        }
    };
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..60_000 => seconds(millis),
        60_000..3_600_000 => format!("{}m{}", millis / 60_000, seconds(millis % 60_000)),
        _ => format!("{}h{}m{}", millis / 3_600_000, millis / 60_000 % 60, seconds(millis % 60_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_look_like_the_real_ones() {
        for (millis, text) in [
            (6, "6ms"),
            (1_000, "1s"),
            (14_981, "14.981s"),
            (360_000, "6m0s"),
            (86_400, "1m26.4s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(written(Duration::from_millis(millis)), text);
        }
    }
}
