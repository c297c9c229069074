//! The client: what a connection to one API endpoint is made of.

use super::{ApiError, answer, call::Params, version::Reach, wire::Field};
use crate::metrics::Metrics;
use secrecy::SecretString;
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// CloudStack's default for the largest page (`default.page.size`, facts: cloudstack 3.3).
const PAGE_SIZE: usize = 500;
/// Calls in flight at a time: a management server answers each in a thread of its own, and other clients
/// use it too.
const IN_FLIGHT: usize = 4;

/// Where the API is and who we are there.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The API's whole URL, `https://host/client/api`.
    pub endpoint: String,
    /// The user's API key.
    pub api_key: SecretString,
    /// The user's secret key.
    pub secret_key: SecretString,
    /// PEM certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Time-out of one request, its answer included.
    pub timeout: Duration,
}

/// A client of one API endpoint. Clones share connections, limits and what was learned of the server.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) shared: Arc<Shared>,
}

/// What the clones of a client share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) http: reqwest::Client,
    pub(super) endpoint: String,
    pub(super) api_key: SecretString,
    pub(super) secret_key: SecretString,
    pub(super) limit: Semaphore,
    pub(super) metrics: Arc<Metrics>,
    page_size: AtomicUsize,
    /// The server is known to list everything with `projectid=-1`. Never unlearned: servers are upgraded.
    everything: AtomicBool,
    /// By how many seconds the server's clock is ahead of ours, by the `Date` of its last answer;
    /// the lowest number where none had one.
    pub(super) clock_ahead: AtomicI64,
}

impl Client {
    /// Sets up a client; sends nothing.
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Result<Self, ApiError> {
        check_endpoint(&settings.endpoint)?;
        let mut builder = reqwest::Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout.min(Duration::from_secs(10)))
            // A redirect would carry key and signature to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cs-powerdns/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca_file {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        let http = builder.build().map_err(|source| ApiError::Setup { source })?;
        let shared = Shared {
            http,
            endpoint: settings.endpoint.clone(),
            api_key: settings.api_key.clone(),
            secret_key: settings.secret_key.clone(),
            limit: Semaphore::new(IN_FLIGHT),
            metrics,
            page_size: AtomicUsize::new(PAGE_SIZE),
            everything: AtomicBool::new(false),
            clock_ahead: AtomicI64::new(i64::MIN),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The server's version, `4.20.3.0`; none where the role may not ask or the answer does not say.
    pub async fn version(&self) -> Result<Option<String>, ApiError> {
        let answer = self.call("listCapabilities", &Params::new(), read_version).await;
        let version = match answer {
            Ok(version) => version,
            Err(ApiError::NotAllowed { .. } | ApiError::Permission { .. }) => None,
            Err(err) => return Err(err),
        };
        if Reach::of(version.as_deref()) == Reach::Everything {
            self.shared.everything.store(true, Ordering::Relaxed);
        }
        Ok(version)
    }

    /// How far a listing with `projectid=-1` reaches on this server; asked until the answer is "everything".
    pub(super) async fn reach(&self) -> Result<Reach, ApiError> {
        if !self.shared.everything.load(Ordering::Relaxed) {
            let version = self.version().await?;
            return Ok(Reach::of(version.as_deref()));
        }
        Ok(Reach::Everything)
    }

    /// The page size to ask for.
    pub(super) fn page_size(&self) -> usize {
        self.shared.page_size.load(Ordering::Relaxed)
    }

    /// Takes over the page size that an error names. Whether it is smaller than the one that was asked
    /// for, so that asking again makes sense.
    pub(super) fn adapt(&self, err: &ApiError, asked: usize) -> bool {
        let Some(allowed) = err.allowed_page_size().filter(|allowed| *allowed < asked) else { return false };
        if self.shared.page_size.fetch_min(allowed, Ordering::Relaxed) > allowed {
            tracing::info!(page_size = allowed, "the API allows smaller pages only");
        }
        true
    }
}

fn check_endpoint(endpoint: &str) -> Result<(), ApiError> {
    let wrong = |why| Err(ApiError::Endpoint { why });
    let Ok(url) = reqwest::Url::parse(endpoint) else { return wrong("it is no URL") };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return wrong("it is no http or https URL");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("it has a query or a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("it has a user name or password inside");
    }
    Ok(())
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, ApiError> {
    let pem = std::fs::read(path).map_err(|source| ApiError::CaFile { path: path.to_owned(), source })?;
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(ApiError::CaFormat { path: path.to_owned() }),
    }
}

fn read_version(bytes: &[u8]) -> Result<Option<String>, ApiError> {
    #[derive(Deserialize)]
    struct Capabilities<'a> {
        #[serde(borrow, default)]
        capability: Capability<'a>,
    }
    #[derive(Deserialize, Default)]
    struct Capability<'a> {
        #[serde(borrow, default)]
        cloudstackversion: Field<'a>,
    }
    let body: Capabilities<'_> = answer::response("listCapabilities", bytes)?;
    Ok(body.capability.cloudstackversion.text().map(|version| answer::bounded(version, &[])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_sample_reads() {
        let sample = include_bytes!("../../fixtures/cloudstack/listCapabilities.json");
        assert_eq!(read_version(sample).unwrap().as_deref(), Some("4.20.3.0"));
        let none = br#"{"listcapabilitiesresponse":{"capability":{"cloudstackversion":null}}}"#;
        assert_eq!(read_version(none).unwrap(), None);
    }

    #[test]
    fn endpoints_that_cannot_be_signed_for_are_refused() {
        for wrong in [
            "",
            "host/client/api",
            "ftp://host/client/api",
            "https://host/client/api?x=1",
            "https://user:pass@host/client/api",
        ] {
            assert!(check_endpoint(wrong).is_err(), "{wrong}");
        }
        assert!(check_endpoint("https://host/client/api").is_ok());
    }
}
