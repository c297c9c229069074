//! What is counted of PowerDNS's web servers.

use super::Counter;
use std::sync::{Mutex, PoisonError};

/// A web server of PowerDNS that is told of changes.
#[derive(Debug)]
pub struct WebServer {
    /// Its URL: a label of as many values as the configuration lists.
    pub url: String,
    /// Flushes of its caches that were sent.
    pub flushes: Counter,
    /// Requests to send a NOTIFY.
    pub notifies: Counter,
    /// Requests of either kind that failed in any way.
    pub errors: Counter,
    trouble: Mutex<Option<String>>,
}

impl WebServer {
    /// One that nothing was sent to yet.
    pub fn new(url: String) -> Self {
        let (flushes, notifies, errors) = Default::default();
        Self { url, flushes, notifies, errors, trouble: Mutex::default() }
    }

    /// Why requests fail now; none where they do not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// See [`WebServer::trouble`].
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}
