//! From status and bytes to an answer or an error; pure (facts: cloudstack 3.2).

use super::{ApiError, error::Refusal, wire::Field};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use std::{fmt, marker::PhantomData, time::Duration};

/// Longest text of the server that an error shows, in characters.
const TEXT: usize = 200;
/// How much of it is looked at: keys are struck out before it is cut, or the cut would leave a part of one.
/// Far more than would be shown if all of it were keys, each of which becomes three stars.
const LOOKED_AT: usize = 64 << 10;

/// `{"<command lower-case>response": {…}}`: the key, and what it holds.
struct Envelope<T> {
    key: String,
    body: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Envelope<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Outer<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Outer<T> {
            type Value = Envelope<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one response")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some(key) = map.next_key::<String>()? else {
                    return Err(serde::de::Error::custom("no response inside"));
                };
                let body = map.next_value()?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Envelope { key, body })
            }
        }
        deserializer.deserialize_map(Outer(PhantomData))
    }
}

#[derive(Deserialize, Default)]
struct Failure<'a> {
    #[serde(borrow, default)]
    errorcode: Field<'a>,
    #[serde(borrow, default)]
    errortext: Field<'a>,
}

/// Reads the response of this command out of a good answer's bytes.
pub(super) fn response<'de, T: Deserialize<'de>>(
    command: &'static str,
    bytes: &'de [u8],
) -> Result<T, ApiError> {
    let bad = |what: String| ApiError::BadBody { command, what };
    let envelope: Envelope<T> = serde_json::from_slice(bytes).map_err(|err| {
        // serde's own words may quote the answer, which may hold a password.
        bad(format!("{:?} error at line {}, column {}", err.classify(), err.line(), err.column()))
    })?;
    // A 200 that answers another question must never pass for an empty listing.
    let key = envelope.key;
    let stem = key.len().checked_sub("response".len()).and_then(|at| key.get(..at));
    match stem {
        Some(stem) if stem.eq_ignore_ascii_case(command) => Ok(envelope.body),
        _ => Err(bad("it is the response to another command".to_owned())),
    }
}

/// Whether the bytes are the answer of a server that did what was asked; otherwise the error that they
/// are. `secrets` are struck out of the server's words.
pub(super) fn check(
    command: &'static str,
    status: u16,
    bytes: &[u8],
    secrets: &[&str],
) -> Result<(), ApiError> {
    let html = bytes.trim_ascii_start().first() == Some(&b'<');
    if html && (status == 200 || status >= 500) {
        return Err(ApiError::Unavailable { command, status });
    }
    if status == 200 && !mentions_error(bytes) {
        return Ok(());
    }
    let failure = serde_json::from_slice::<Envelope<Failure<'_>>>(bytes).map(|e| e.body).unwrap_or_default();
    let code = failure.errorcode.text().and_then(|code| code.parse::<u16>().ok());
    if status == 200 && code.is_none() {
        return Ok(());
    }
    let words = failure.errortext.text().unwrap_or_default();
    let text = bounded(words, secrets);
    // CloudStack's HTTP status equals its errorcode; where a proxy has changed one, the body knows better.
    let status = code.unwrap_or(status);
    Err(match status {
        401 | 432 if words.contains("not available for user") => ApiError::NotAllowed { command, text },
        401 => ApiError::Unauthorized { command, text },
        429 => ApiError::Throttled { command, after: retry_after(words), text },
        431 => ApiError::Param { command, refusal: Refusal::read(words), text },
        502..=504 => ApiError::Unavailable { command, status },
        530 => ApiError::Internal { command, text },
        531 => ApiError::Permission { command, text },
        _ => ApiError::Status { command, status, text },
    })
}

/// Whether an answer of status 200 could be an error all the same: the words stand at its beginning, so
/// that no large page is parsed twice.
fn mentions_error(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(512)];
    head.windows(11).any(|window| window == b"\"errorcode\"")
}

/// The milliseconds of "please retry after [734] ms."
fn retry_after(text: &str) -> Option<Duration> {
    let (_, rest) = text.split_once("retry after [")?;
    let (millis, _) = rest.split_once(']')?;
    millis.trim().parse().ok().map(Duration::from_millis)
}

/// Text of others, fit to be shown: without control characters, of bounded length.
pub(super) fn bounded(text: &str, secrets: &[&str]) -> String {
    let mut text: String = text.chars().filter(|c| !c.is_control()).take(LOOKED_AT).collect();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "***");
    }
    if let Some((end, _)) = text.char_indices().nth(TEXT) {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/fixtures/cloudstack/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn error(status: u16, name: &str) -> ApiError {
        check("listVirtualMachines", status, &fixture(name), &[]).unwrap_err()
    }

    #[test]
    fn every_error_sample_is_told_apart() {
        let denied = error(401, "error-401-api-not-allowed-for-role.json");
        assert!(matches!(denied, ApiError::NotAllowed { .. }) && !denied.is_transient());
        assert!(matches!(error(401, "error-401-bad-signature.json"), ApiError::Unauthorized { .. }));
        let throttled = error(429, "error-429-throttled.json");
        assert!(throttled.is_transient());
        let wait = Some(Duration::from_millis(734));
        assert!(matches!(throttled, ApiError::Throttled { after, .. } if after == wait));
        let missing = error(431, "error-431-page-missing.json");
        assert!(matches!(missing, ApiError::Param { .. }) && !missing.is_no_such_entity());
        assert_eq!(error(431, "error-431-pagesize-too-big.json").allowed_page_size(), Some(500));
        let unknown = error(431, "error-431-unknown-uuid.json");
        assert!(unknown.is_no_such_entity() && unknown.allowed_page_size().is_none());
        assert!(unknown.says_missing("3e9c6f41-9d84-4031-8d77-8c9c3eb14d04"));
        assert!(!unknown.says_missing("0b6f3c1e-6a51-4d0e-9a44-5f6f0b8e1a01"));
        assert!(matches!(error(432, "error-432-unsupported-action.json"), ApiError::NotAllowed { .. }));
        assert!(matches!(error(503, "error-503-proxy.html"), ApiError::Unavailable { status: 503, .. }));
        assert!(matches!(error(200, "error-503-proxy.html"), ApiError::Unavailable { status: 200, .. }));
        assert!(matches!(error(530, "error-530-internal.json"), ApiError::Internal { .. }));
        assert!(matches!(error(531, "error-531-permission.json"), ApiError::Permission { .. }));
        assert!(matches!(error(404, "error-503-proxy.html"), ApiError::Status { status: 404, .. }));
    }

    #[test]
    fn an_error_behind_status_200_is_an_error() {
        assert!(matches!(error(200, "error-530-internal.json"), ApiError::Internal { .. }));
    }

    #[test]
    fn answers_to_another_command_are_no_answers() {
        for body in [&b"{}"[..], b"{\"count\":0}", b"{\"listdomainsresponse\":{}}", b"[]", b"null", b""] {
            let answer = response::<IgnoredAny>("listVirtualMachines", body);
            assert!(matches!(answer, Err(ApiError::BadBody { .. })), "{body:?}");
        }
        assert!(response::<IgnoredAny>("listDomains", b"{\"listdomainsresponse\":{}}").is_ok());
    }

    #[test]
    fn shown_text_is_bounded_and_holds_no_control_character_or_key() {
        let shown = bounded(&format!("a\u{1b}[31m\nKEY {}", "x".repeat(500)), &["KEY"]);
        assert_eq!(shown.chars().count(), 200);
        assert!(shown.starts_with("a[31m*** x"));
        // Keys that become stars bring into sight what stands far behind them.
        let key = "SECRET".repeat(14);
        let shown = bounded(&key.repeat(60), &[&key]);
        assert_eq!(shown.trim_matches('*'), "", "a part of a key at a cut: {shown}");
    }
}
