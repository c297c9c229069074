//! One call: signed, limited, timed, bounded in size, tried again where that may help.

use super::{ApiError, Client, answer, sign, time};
use backon::{ExponentialBuilder, Retryable};
use secrecy::ExposeSecret;
use std::{
    error::Error as _,
    sync::atomic::Ordering,
    time::{Duration, Instant, SystemTime},
};

/// Longest answer read: 500 VMs of 64 KiB each, far above what a page holds, still bounded.
const MAX_ANSWER: usize = 32 << 20;
/// Longest query sent by GET: servers and proxies accept 8 KiB of request line; beyond, a POST form.
const MAX_GET: usize = 4000;
/// `expires` lies this far ahead: a server that enforces it allows up to 15 minutes (facts: cloudstack 3.1).
const VALID: i64 = 600;
/// Tries of one call, the first included. With three, even time-outs end within three times the time-out.
const TRIES: usize = 3;
/// The longest wait that a throttling server can ask of one try.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The parameters of a call, beside those that every call has. Names lower-case.
pub(super) type Params = Vec<(&'static str, String)>;

impl Client {
    /// Calls a command and reads its answer, trying again after transient errors, also where the answer
    /// is one that cannot be read.
    pub(super) async fn call<T>(
        &self,
        command: &'static str,
        params: &Params,
        read: fn(&[u8]) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(2))
            .with_max_times(TRIES - 1)
            .with_jitter();
        (|| async {
            let started = Instant::now();
            let result = self.attempt(command, params).await.and_then(|bytes| read(&bytes));
            let api = &self.shared.metrics.api;
            api.micros.of(command).add_since(started);
            api.last_end.set(u64::try_from(now()).unwrap_or(0));
            api.ended(command, result.as_ref().err().map(ApiError::word));
            result
        })
        .retry(backoff)
        .when(ApiError::is_transient)
        .adjust(|err, wait| match (err, wait) {
            (ApiError::Throttled { after: Some(after), .. }, Some(wait)) => {
                Some(wait.max(*after).min(MAX_WAIT))
            }
            (_, wait) => wait,
        })
        .notify(|err, wait| tracing::debug!(command, error = %err, ?wait, "API call failed, trying again"))
        .await
    }

    async fn attempt(&self, command: &'static str, params: &Params) -> Result<Vec<u8>, ApiError> {
        let shared = &self.shared;
        let _permit = shared.limit.acquire().await.expect("the limit is never closed");
        let expires = time::write(now() + VALID);
        let query = sign::signed_query(command, params, &shared.api_key, &shared.secret_key, &expires);
        let request = if query.len() <= MAX_GET {
            shared.http.get(format!("{}?{query}", shared.endpoint))
        } else {
            let form = "application/x-www-form-urlencoded";
            shared.http.post(&shared.endpoint).header("content-type", form).body(query)
        };
        let mut answer = request.send().await.map_err(|err| transport(command, err))?;
        let status = answer.status().as_u16();
        if let Some(date) = answer.headers().get("date").and_then(|date| time::read_http(date.to_str().ok()?))
        {
            shared.clock_ahead.store(date - now(), Ordering::Relaxed);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|err| transport(command, err))? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                let what = format!("it is longer than {} MiB", MAX_ANSWER >> 20);
                return Err(ApiError::BadBody { command, what });
            }
            bytes.extend_from_slice(&chunk);
        }
        shared.metrics.api.last_answer.set(u64::try_from(now()).unwrap_or(0));
        let secrets = [shared.secret_key.expose_secret(), shared.api_key.expose_secret()];
        answer::check(command, status, &bytes, &secrets)?;
        Ok(bytes)
    }
}

/// Seconds since 1970 by this machine's clock.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Sorts the client's errors; the URL goes, as it carries key and signature.
fn transport(command: &'static str, err: reqwest::Error) -> ApiError {
    let source = err.without_url();
    if source.is_timeout() {
        return ApiError::Timeout { command, source };
    }
    if !source.is_connect() {
        return ApiError::Broken { command, source };
    }
    let mut cause = source.source();
    while let Some(err) = cause {
        let text = err.to_string().to_ascii_lowercase();
        if ["certificate", "ssl", "tls"].iter().any(|word| text.contains(word)) {
            return ApiError::Tls { command, source };
        }
        cause = err.source();
    }
    ApiError::Connect { command, source }
}
