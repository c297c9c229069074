//! Waiting by asking, never by sleeping through.

use std::time::{Duration, Instant};

/// Asks `check` until it says yes, and panics with its last answer when `limit` has passed.
///
/// # Panics
/// When the time is up: `what` and the last message say why.
pub async fn poll<F>(what: &str, limit: Duration, mut check: F)
where
    F: AsyncFnMut() -> Result<(), String>,
{
    let end = Instant::now() + limit;
    loop {
        let Err(why) = check().await else { return };
        assert!(Instant::now() < end, "{what}: not within {limit:?}: {why}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
