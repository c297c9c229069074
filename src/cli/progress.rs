//! How far a one-shot pass has come: a line that moves on a terminal, elsewhere a line of the log now and then.
//! Both go to standard error.

use crate::{metrics::Metrics, model::counted};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    fmt,
    future::Future,
    io::{self, Write, stderr},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, interval};

/// How often the line moves.
const TICK: Duration = Duration::from_millis(100);
/// Most passes end before that: their log has no word of progress.
const FIRST_LINE: Duration = Duration::from_secs(3);
/// Thirty lines for a first fill of 100 000 VMs, which takes five minutes at worst.
const NEXT_LINE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Shows nothing until a pass is watched.
    pub fn new() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Where the log is written, so that its lines and this one do not mix.
    pub fn log(&self) -> Log {
        Log(self.0.clone())
    }

    /// Shows how far a pass has come until it ends. The pass counts into the metrics that it gets.
    pub async fn watch<T, F: Future<Output = T>>(&self, pass: impl FnOnce(Arc<Metrics>) -> F) -> T {
        let metrics = Arc::new(Metrics::default());
        // Draws nothing where standard error is no terminal, or a dumb one.
        self.0.set_draw_target(ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("a valid template");
        self.0.set_style(style);
        self.0.reset_elapsed();
        // A task of its own: a pass that computes gives no time to others of its task.
        let showing = tokio::spawn(show(self.0.clone(), Arc::clone(&metrics)));
        // Boxed: a pass is the largest future that there is.
        let done = Box::pin(pass(metrics)).await;
        showing.abort();
        let _ = showing.await;
        self.0.finish_and_clear();
        done
    }
}

async fn show(bar: ProgressBar, metrics: Arc<Metrics>) {
    let mut tick = interval(TICK);
    let mut line = Instant::now() + FIRST_LINE;
    loop {
        tick.tick().await;
        let stage = Stage::of(&metrics);
        if !bar.is_hidden() {
            bar.set_message(stage.to_string());
            bar.tick();
        } else if Instant::now() >= line {
            line += NEXT_LINE;
            tracing::info!("{stage}");
        }
    }
}

/// What a pass is doing, and how far it is.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// It reads CloudStack, then the ledger.
    Reads { vms: u64, requests: u64 },
    /// It decides names and, unless it plans, writes them.
    Settles { done: u64, total: u64, rows: u64 },
    /// It waits for the listing that proves who is gone.
    Proves { vms: u64 },
}

impl Stage {
    fn of(metrics: &Metrics) -> Self {
        let (passes, sql) = (&metrics.passes, &metrics.sql);
        let (done, vms, waiting) = (passes.settled.get(), passes.vms.get(), passes.dirty_names.get());
        if waiting > 0 {
            let rows = sql.inserted.get() + sql.deleted.get() + sql.retimed.get();
            return Self::Settles { done, total: done + waiting, rows };
        }
        if passes.resync.good.get() > 0 {
            return Self::Proves { vms };
        }
        Self::Reads { vms, requests: metrics.api.requests() }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reads { vms, requests } => {
                let (vms, requests) = (counted(*vms, "VM"), counted(*requests, "request"));
                write!(f, "reads CloudStack and the database: {vms}, {requests} so far")
            }
            Self::Settles { done, total, rows: 0 } => {
                write!(f, "decides: {done} of {}", counted(*total, "name"))
            }
            Self::Settles { done, total, rows } => {
                let (total, rows) = (counted(*total, "name"), counted(*rows, "row"));
                write!(f, "writes: {done} of {total}, {rows} so far")
            }
            Self::Proves { vms } => {
                let vms = counted(*vms, "VM");
                write!(f, "has read {vms}: where one is missing, reads once more after RESYNC_MIN_INTERVAL")
            }
        }
    }
}

/// Standard error, with the line of progress out of the way while something else is written.
pub struct Log(ProgressBar);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_reads_then_settles_then_proves() {
        let metrics = Metrics::default();
        metrics.passes.vms.set(500);
        for _ in 0..4 {
            metrics.api.ended("listVirtualMachines", None);
        }
        let text = || Stage::of(&metrics).to_string();
        assert_eq!(text(), "reads CloudStack and the database: 500 VMs, 4 requests so far");
        metrics.passes.resync.good.inc();
        metrics.passes.settled.add(480);
        metrics.passes.dirty_names.set(520);
        assert_eq!(text(), "decides: 480 of 1000 names");
        metrics.sql.inserted.add(700);
        assert_eq!(text(), "writes: 480 of 1000 names, 700 rows so far");
        metrics.passes.dirty_names.set(0);
        assert_eq!(
            text(),
            "has read 500 VMs: where one is missing, reads once more after RESYNC_MIN_INTERVAL"
        );
    }
}
