//! The lines of a batch: a request as it is sent, and what comes back for it.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::errors::ErrorBody;
use crate::text::flat;

/// A line of an output or error file, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) custom_id: Option<String>,
    #[serde(borrow)]
    response: Option<Response<'a>>,
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Response<'a> {
    status_code: Option<u16>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

/// What a line says of its row.
pub(super) enum Said<'a> {
    /// An answer with this status and body, as if it had been asked for live.
    Answer(u16, &'a RawValue),
    /// The row failed in the batch itself.
    Failed(ErrorBody),
    /// The batch ended before the row was tried.
    NotRun(String),
    /// Neither answer nor error.
    Nothing,
}

impl<'a> Line<'a> {
    pub(super) fn read(line: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| format!("malformed line: {error}"))
    }

    pub(super) fn said(&self) -> Said<'a> {
        if let Some(Response { status_code, body: Some(body) }) = &self.response {
            return Said::Answer(status_code.unwrap_or(200), body);
        }
        let Some(error) = self.error.as_ref().filter(|error| !error.is_null()) else { return Said::Nothing };
        let body = ErrorBody::of_value(error)
            .unwrap_or_else(|| ErrorBody { message: flat(&error.to_string()), ..ErrorBody::default() });
        match body.code.as_deref() {
            Some("batch_expired" | "batch_cancelled") => Said::NotRun(body.message),
            _ => Said::Failed(body),
        }
    }
}

/// The beginning of a row's line, up to its body.
pub(super) fn head(key: &str, endpoint: Option<&str>) -> String {
    // A key has nothing that JSON would have to escape.
    match endpoint {
        Some(endpoint) => format!(r#"{{"custom_id":"{key}","method":"POST","url":"{endpoint}","body":"#),
        None => format!(r#"{{"custom_id":"{key}","body":"#),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_failure_is_told_from_an_answer() {
        let said = |line: &str| match Line::read(line.as_bytes()).unwrap().said() {
            Said::Answer(status, body) => format!("{status} {body}"),
            Said::Failed(body) => format!("failed {}", body.message),
            Said::NotRun(why) => format!("not run {why}"),
            Said::Nothing => "nothing".to_owned(),
        };
        for (line, expected) in [
            (
                r#"{"custom_id":"a","response":{"status_code":200,"body":{"x":1}},"error":null}"#,
                "200 {\"x\":1}",
            ),
            (r#"{"custom_id":"a","response":{"status_code":400,"body":{"error":{}}}}"#, "400 {\"error\":{}}"),
            (
                r#"{"custom_id":"a","response":null,"error":{"code":"batch_expired","message":"Too late."}}"#,
                "not run Too late",
            ),
            (r#"{"custom_id":"a","error":{"code":"x","message":"No."}}"#, "failed No"),
            (r#"{"custom_id":"a","response":null,"error":null}"#, "nothing"),
            (r#"{"custom_id":"a","error":7}"#, "failed 7"),
        ] {
            assert_eq!(said(line), expected);
        }
        assert!(Line::read(b"{\"custom_id\":\"a\",\"resp").is_err());
    }

    proptest! {
        #[test]
        fn no_line_panics(line in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Line::read(&line).map(|line| matches!(line.said(), Said::Nothing));
        }
    }
}
