//! After COMMIT: the tasks that tell PowerDNS's web servers, one a server, so that none waits for another.
//!
//! Refuses: to make anybody wait, or fail. What is to be told is noted under a lock that is held for no I/O;
//! whatever becomes of it is a line in the log and a number.

use super::{
    flush::{Due, Told},
    trouble::Trouble,
    web::{Web, WebError, WebSettings},
};
use crate::{
    metrics::{Metrics, chain},
    model::{Batch, OwnerName, ZoneId, ZoneKind, Zones},
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::Notify,
    task::{JoinError, JoinSet},
    time::{sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Where changes are noted. Clones are the same.
#[derive(Debug, Clone)]
pub struct Flusher {
    lines: Arc<[Line]>,
    /// Zones of which a change was noted. The first one flushes the zone: a server that does not know it yet,
    /// as it was made by SQL or `pdnsutil`, answers REFUSED for up to 300 s otherwise (facts: powerdns 3), and
    /// an earlier process may have ended before it told of its last change.
    met: Arc<Mutex<HashSet<ZoneId>>>,
}

/// One server, and what it is still to be told.
#[derive(Debug)]
struct Line {
    web: Web,
    due: Mutex<Due>,
    wake: Notify,
}

impl Flusher {
    /// Sets up a client for each server; sends nothing.
    pub fn new(settings: &WebSettings, metrics: &Metrics) -> Result<Self, WebError> {
        let mut urls: Vec<&str> = Vec::new();
        for url in settings.urls.iter().map(|url| url.trim_end_matches('/')) {
            if !urls.contains(&url) {
                urls.push(url);
            }
        }
        let line = |url: &str| {
            let web = Web::new(url, &settings.key, settings.ca_file.as_deref())?;
            Ok(Line { web, due: Mutex::default(), wake: Notify::new() })
        };
        let lines: Arc<[Line]> = urls.into_iter().map(line).collect::<Result<_, WebError>>()?;
        let counts = lines.iter().map(|line| Arc::clone(&line.web.counts)).collect();
        // A second one in one process would count for itself.
        let _ = metrics.web.set(counts);
        Ok(Self { lines, met: Arc::default() })
    }

    /// Notes what a transaction has changed.
    pub(super) fn note(&self, batch: &Batch, zones: &Zones) {
        let mut changed: BTreeMap<ZoneId, Vec<&OwnerName>> = BTreeMap::new();
        for (zone, name) in batch.changed() {
            changed.entry(zone).or_default().push(name);
        }
        for zone in &batch.lowered {
            changed.entry(*zone).or_default();
        }
        if changed.is_empty() {
            return;
        }
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let changed: Vec<_> = (changed.into_iter())
            .filter_map(|(id, names)| Some((zones.with_id(id)?, met.insert(id), names)))
            .collect();
        drop(met);
        for line in self.lines.iter() {
            let (mut due, now) = (line.due(), Instant::now());
            for (zone, first, names) in &changed {
                let notifies = zone.kind == ZoneKind::Primary;
                due.note(&zone.name, *first, notifies, names.iter().copied(), now);
            }
            drop(due);
            line.wake.notify_one();
        }
    }

    /// Starts the tasks.
    pub fn start(&self) -> Flushing {
        let (cancel, mut tasks) = (CancellationToken::new(), JoinSet::new());
        for line in 0..self.lines.len() {
            let (lines, cancel) = (Arc::clone(&self.lines), cancel.clone());
            tasks.spawn(async move { lines[line].serve(&cancel).await });
        }
        Flushing { cancel, tasks }
    }
}

/// The tasks. Dropped, they end at once.
#[derive(Debug)]
pub struct Flushing {
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Flushing {
    /// Waits until a task has ended by itself, which none should; why, if it panicked.
    pub async fn ended(&mut self) -> Option<JoinError> {
        self.tasks.join_next().await.and_then(Result::err)
    }

    /// Tells what waits, without its pace, and ends. What does not get through within `limit` is left.
    pub async fn end(mut self, limit: Duration) {
        self.cancel.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(limit, all).await.is_err() {
            tracing::warn!(
                "a PowerDNS web server was not told of the last changes in time: its caches show them later"
            );
        }
    }
}

impl Line {
    fn due(&self) -> MutexGuard<'_, Due> {
        // Whoever panics in it has changed one zone's pace at most.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, cancel: &CancellationToken) {
        let mut trouble = Trouble::default();
        let mut ends = false;
        loop {
            if !ends && cancel.is_cancelled() {
                ends = true;
                self.due().hurry(Instant::now());
            }
            let (call, next) = {
                let mut due = self.due();
                (due.take(Instant::now()), due.next())
            };
            match (call, next) {
                (Some(call), _) => {
                    let result = self.web.put(&call).await;
                    let told = result.as_ref().err().map_or(Told::Yes, WebError::told);
                    self.due().done(call, told, Instant::now());
                    self.report(&mut trouble, result);
                    if ends && told == Told::Unreached {
                        return;
                    }
                }
                (None, _) if ends => return,
                (None, Some(next)) => {
                    tokio::select! {
                        () = cancel.cancelled() => {}
                        () = self.wake.notified() => {}
                        () = sleep_until(next.into()) => {}
                    }
                }
                (None, None) => {
                    tokio::select! { () = cancel.cancelled() => {}, () = self.wake.notified() => {} }
                }
            }
        }
    }

    /// One line in the log for each change of state, however many requests fail.
    fn report(&self, trouble: &mut Trouble, result: Result<(), WebError>) {
        let (server, now) = (&self.web.counts.url, Instant::now());
        match result {
            Ok(()) => {
                if trouble.well(now) {
                    self.web.counts.set_trouble(None);
                    tracing::info!(%server, "PowerDNS's web server does what it is told again");
                }
            }
            Err(error) => {
                let text = chain(&error);
                self.web.counts.set_trouble(Some(text.clone()));
                if trouble.failed(&error, now) {
                    tracing::warn!(
                        %server,
                        error = %text,
                        "cannot tell PowerDNS's web server of changes: its caches show them up to 78 s later"
                    );
                } else {
                    tracing::debug!(%server, error = %text, "PowerDNS's web server still fails");
                }
            }
        }
    }
}
