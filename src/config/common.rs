//! What can be set of every provider, whatever its kind.

use std::time::Duration;

use serde_json::{Map, Value};
use tunebench_providers::{Setting, SettingError};

pub(crate) const KIND: Setting =
    Setting::text("kind", "the kind of provider, of which there can be several").default("the name itself");
const REQUESTS_PER_MINUTE: Setting = Setting::count("requests_per_minute", "the limit to keep to");
const TOKENS_PER_MINUTE: Setting = Setting::count("tokens_per_minute", "the limit to keep to");
const WINDOW_SECONDS: Setting = Setting::count(
    "window_seconds",
    "over which these are counted: 10 for a provider that allows 600 a minute as 100 in 10 s",
)
.default("60");
/// All of them.
pub(crate) const COMMON: [Setting; 4] = [KIND, REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, WINDOW_SECONDS];

/// What is told of a limit is for a minute, so that a window is one or a part of one.
const LONGEST_WINDOW: Duration = Duration::from_secs(60);

/// Their values for one provider.
pub(crate) struct Common {
    pub(crate) kind: Option<String>,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    /// Over which these are counted, where the provider does not count over a minute.
    pub(crate) window: Option<Duration>,
}

impl Common {
    /// Takes them out of what is set of a provider; the rest is its own.
    pub(crate) fn take(settings: &mut Map<String, Value>) -> Result<Self, SettingError> {
        for setting in COMMON {
            settings.get(setting.name).map_or(Ok(()), |value| setting.check(value))?;
        }
        let mut take = |setting: &Setting| settings.remove(setting.name);
        let kind = take(&KIND).and_then(|kind| kind.as_str().map(str::to_owned));
        let mut number = |setting: &Setting| take(setting).as_ref().and_then(Value::as_u64);
        let (requests_per_minute, tokens_per_minute) =
            (number(&REQUESTS_PER_MINUTE), number(&TOKENS_PER_MINUTE));
        let window = number(&WINDOW_SECONDS).map(Duration::from_secs);
        if window.is_some_and(|window| window > LONGEST_WINDOW) {
            let message = format!("`{}` must be at most {}", WINDOW_SECONDS.name, LONGEST_WINDOW.as_secs());
            return Err(SettingError::at(WINDOW_SECONDS.name, message));
        }
        Ok(Self { kind, requests_per_minute, tokens_per_minute, window })
    }
}
