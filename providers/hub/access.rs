//! Where the hub is, and the token that goes there.

use reqwest::Url;
use secrecy::SecretString;

use crate::http::is_loopback;
use crate::{Cause, ProviderError, Setup};

const USUAL_ENDPOINT: &str = "https://huggingface.co";
const ENDPOINT: &str = "HF_ENDPOINT";
const TOKEN: &str = "HF_TOKEN";

/// An address and what opens it.
#[derive(Debug)]
pub(super) struct HubAccess {
    pub(super) endpoint: Url,
    pub(super) token: Option<SecretString>,
}

impl HubAccess {
    /// By the variables HF_ENDPOINT and HF_TOKEN. A file of the project cannot send a token from elsewhere to an address of
    /// its own, and none goes over a network in the clear.
    pub(super) fn new(setup: &Setup) -> Result<Self, ProviderError> {
        let token = match (setup.is_stand_in(ENDPOINT), setup.stand_in(TOKEN), setup.variable(TOKEN)) {
            (true, None, Some(_)) => return Err(withheld()),
            (true, token, _) | (false, _, token) => token,
        };
        Self::of(setup.variable(ENDPOINT).as_deref().unwrap_or(USUAL_ENDPOINT), token)
    }

    fn of(endpoint: &str, token: Option<String>) -> Result<Self, ProviderError> {
        let url = endpoint.parse().ok();
        let url = url.filter(|url: &Url| url.host().is_some() && matches!(url.scheme(), "http" | "https"));
        let endpoint = url.ok_or_else(|| {
            let message = format!("{ENDPOINT} is `{endpoint}`; expected an address such as {USUAL_ENDPOINT}");
            ProviderError::new(Cause::Invalid, message)
        })?;
        if token.is_some() && endpoint.scheme() == "http" && !is_loopback(&endpoint) {
            let host = endpoint.host_str().unwrap_or_default();
            let message = format!("{ENDPOINT} is plain http://: {TOKEN} could be read on its way to {host}");
            return Err(ProviderError::new(Cause::Access, message)
                .hint(format!("use https://, or leave {TOKEN} out: what is public is fetched without it")));
        }
        Ok(Self { endpoint, token: token.map(Into::into) })
    }
}

fn withheld() -> ProviderError {
    let message = format!("{ENDPOINT} of `.env` does not get {TOKEN}, which is not of the same file");
    ProviderError::new(Cause::Access, message).hint(format!(
        "put a token for this address into the same `.env`, or set {ENDPOINT} in the environment instead"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_an_address_and_not_in_the_clear() {
        let token = || Some("hf_secret".to_owned());
        for (endpoint, token) in [
            (USUAL_ENDPOINT, token()),
            ("https://mirror.example/hub", token()),
            ("http://127.0.0.1:1", token()),
            ("http://mirror.example", None),
        ] {
            let found = HubAccess::of(endpoint, token.clone()).unwrap();
            assert!(found.endpoint.as_str().starts_with(endpoint));
            assert_eq!(found.token.is_some(), token.is_some());
            assert!(!format!("{found:?}").contains("hf_secret"));
        }
        let clear = HubAccess::of("http://mirror.example", token()).unwrap_err();
        assert!(clear.message.contains("plain http://") && clear.message.contains("mirror.example"));
        for endpoint in ["mirror", "ftp://mirror.example", "https://", ""] {
            let wrong = HubAccess::of(endpoint, None).unwrap_err();
            assert!(wrong.message.contains("expected an address"), "{endpoint}");
        }
    }
}
