//! One PowerDNS web server: the two requests of its API that a change needs (facts: powerdns 3 and 4).

use super::flush::{Call, Told, What};
use crate::{metrics::WebServer, model::ZoneName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{RequestBuilder, StatusCode, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The longest wait for one answer, connecting included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// So much of an answer is read, so that its connection can serve again; all settings are 20 KiB.
const ANSWER: usize = 64 << 10;
/// What may stand in a query as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where PowerDNS's web servers are.
#[derive(Debug, Clone)]
pub struct WebSettings {
    /// Their URLs, without the API's path.
    pub urls: Vec<String>,
    /// The key that they share.
    pub key: SecretString,
    /// PEM certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why a web server was not told. The sources name neither key nor header.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The HTTP client.
    #[error("cannot set up the client of PowerDNS's web servers")]
    Setup(#[source] reqwest::Error),
    /// The CA file cannot be read.
    #[error("cannot read the CA file {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The CA file holds no certificates.
    #[error("the CA file {} holds no PEM certificates", .0.display())]
    CaFormat(PathBuf),
    /// The key.
    #[error("PDNS_API_KEY has characters that no HTTP header may have")]
    Key,
    /// No answer.
    #[error("it does not answer")]
    Unreached(#[source] reqwest::Error),
    /// Something before PowerDNS, or PowerDNS in trouble.
    #[error("it answers {0}")]
    Away(StatusCode),
    /// 401 or 403.
    #[error("it answers {0}: is PDNS_API_KEY its api-key, and this machine in its webserver-allow-from?")]
    Denied(StatusCode),
    /// Any other answer that is none of success.
    #[error("it answers {status} to {request}: {}", remedy(*status))]
    Refused {
        /// The answer.
        status: StatusCode,
        /// The request in words.
        request: String,
    },
}

fn remedy(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "is it an authoritative PowerDNS with api=yes, and does it serve that zone?",
        500..=599 => "its log says why",
        _ => "is it an authoritative PowerDNS?",
    }
}

impl WebError {
    /// Whether the request is still to be done.
    pub(super) fn told(&self) -> Told {
        match self {
            Self::Refused { .. } => Told::Refused,
            _ => Told::Unreached,
        }
    }
}

/// One server.
#[derive(Debug)]
pub(super) struct Web {
    http: reqwest::Client,
    key: HeaderValue,
    pub(super) counts: Arc<WebServer>,
}

impl Web {
    /// Sends nothing.
    pub(super) fn new(url: &str, key: &SecretString, ca_file: Option<&Path>) -> Result<Self, WebError> {
        let http = reqwest::Client::builder()
            .tls_certs_merge(ca_file.map(certificates).transpose()?.unwrap_or_default())
            .timeout(TIMEOUT)
            // A redirect would carry the key to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cs-powerdns/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(WebError::Setup)?;
        let mut key = HeaderValue::from_str(key.expose_secret()).map_err(|_| WebError::Key)?;
        key.set_sensitive(true);
        let counts = Arc::new(WebServer::new(url.trim_end_matches('/').to_owned()));
        Ok(Self { http, key, counts })
    }

    /// Does one request.
    pub(super) async fn put(&self, call: &Call) -> Result<(), WebError> {
        let counts = match call.what {
            What::Notify => &self.counts.notifies,
            What::Name(_) | What::Zone => &self.counts.flushes,
        };
        counts.inc();
        let result = self.send(call).await;
        if result.is_err() {
            self.counts.errors.inc();
        }
        result
    }

    async fn send(&self, call: &Call) -> Result<(), WebError> {
        let url = format!("{}/api/v1/servers/localhost/{}", self.counts.url, path(call));
        self.answer(self.http.put(url), || words(call)).await.map(drop)
    }

    /// Asks for what stands below `/api/v1/servers/localhost`; of the answer's beginning no more than is
    /// good for a list of settings.
    pub(super) async fn get(&self, path: &str) -> Result<Vec<u8>, WebError> {
        let url = format!("{}/api/v1/servers/localhost{path}", self.counts.url);
        self.answer(self.http.get(url), || format!("a request for {path}")).await
    }

    async fn answer(&self, request: RequestBuilder, words: impl Fn() -> String) -> Result<Vec<u8>, WebError> {
        let request = request.header("X-API-Key", self.key.clone());
        let unreached = |error: reqwest::Error| WebError::Unreached(error.without_url());
        let mut answer = request.send().await.map_err(unreached)?;
        let status = answer.status();
        let mut read = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreached)? {
            read.extend_from_slice(&chunk);
            if read.len() > ANSWER {
                break;
            }
        }
        match status.as_u16() {
            200..=299 => Ok(read),
            401 | 403 => Err(WebError::Denied(status)),
            429 | 502..=504 => Err(WebError::Away(status)),
            _ => Err(WebError::Refused { status, request: words() }),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, WebError> {
    let pem = std::fs::read(path).map_err(|source| WebError::CaFile { path: path.to_owned(), source })?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(WebError::CaFormat(path.to_owned())),
    }
}

fn words(call: &Call) -> String {
    match &call.what {
        What::Name(name) => format!("flushing {name}"),
        What::Zone => format!("flushing zone {}", call.zone),
        What::Notify => format!("notifying of zone {}", call.zone),
    }
}

/// The request's path, and its query: names end in a dot here, else the API refuses them.
fn path(call: &Call) -> String {
    let flush = |name| format!("cache/flush?domain={}.", utf8_percent_encode(name, QUERY));
    match &call.what {
        What::Name(name) => flush(name.as_str()),
        What::Zone => flush(call.zone.as_str()),
        What::Notify => format!("zones/{}/notify", zone_id(&call.zone)),
    }
}

/// A zone's id in the API: its name with a final dot, and `=XX` for what is no letter, digit, dot or hyphen.
/// Percent signs would not do: a server may take them apart before it looks for slashes.
pub(super) fn zone_id(zone: &ZoneName) -> String {
    let mut id = String::with_capacity(zone.as_str().len() + 1);
    for byte in zone.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            id.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(id, "={byte:02X}");
        }
    }
    id.push('.');
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_s_id_is_powerdns_s() {
        for (name, id) in [
            ("example.org", "example.org."),
            ("0/26.2.0.192.in-addr.arpa", "0=2F26.2.0.192.in-addr.arpa."),
            ("_tcp.example.org", "=5Ftcp.example.org."),
        ] {
            assert_eq!(zone_id(&ZoneName::stored(name).unwrap()), id);
        }
    }
}
