//! Tells the service manager that the process is at work, what it does, and that it lives: sd_notify(3), for
//! systemd's `Type=notify` and `WatchdogSec=`, and for podman.
//!
//! The crate sd-notify (0.5) takes an abstract socket's name for a path, and blocks where nobody reads.

use super::{Observed, Pulse, Verdict, alive, health::role_text, ready};
use crate::model::counted;
use std::{
    ffi::OsString,
    fmt::Write as _,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often the status is looked at; the watchdog is fed at least three times in its time.
const TICK: Duration = Duration::from_secs(2);
/// The longest status: a line that `systemctl status` shows.
const STATUS: usize = 300;

/// Where the service manager listens, and how soon it wants the next sign of life.
#[derive(Debug, Clone)]
pub struct ServiceManager {
    address: SocketAddr,
    watchdog: Option<Duration>,
}

/// Why the service manager cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// A kind of socket that is not spoken here.
    #[error(
        "NOTIFY_SOCKET=`{}` is neither a path nor an abstract name: the service manager hears nothing",
        .0.escape_debug()
    )]
    Address(String),
    /// A path or a name that is too long.
    #[error("NOTIFY_SOCKET cannot be used: the service manager hears nothing")]
    Socket(#[source] io::Error),
}

impl ServiceManager {
    /// From `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`; none where nobody wants to be told. `pid`:
    /// this process; a watchdog may be meant for another one.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<OsString>,
        pid: u32,
    ) -> Result<Option<Self>, NotifyError> {
        let Some(socket) = variable("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
            return Ok(None);
        };
        let address = match socket.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(&socket),
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => return Err(NotifyError::Address(socket.to_string_lossy().into_owned())),
        };
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let ours = variable("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(pid.into());
        let watchdog = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        Ok(Some(Self { address: address.map_err(NotifyError::Socket)?, watchdog }))
    }

    fn tick(&self) -> Duration {
        self.watchdog.map_or(TICK, |within| TICK.min(within / 3))
    }

    /// Waits for nobody: a service manager that does not read stops no pass.
    fn send(&self, text: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(text.as_bytes(), &self.address).map(drop)
    }
}

/// Tells it until `cancel`, and that the end has come.
///
/// Ready means here that the process is at work: it listens and tries. A start that waited for CloudStack, the
/// database or the lease would time out where they are away, and a restart brings none of them back. What it
/// waits for is in the status. The watchdog is fed while /healthz would say 200.
pub async fn notify(manager: ServiceManager, observed: Arc<Observed>, cancel: CancellationToken) {
    let (mut begun, mut shown) = (false, String::new());
    while !cancel.is_cancelled() {
        let (pulse, now) = (observed.board.pulse(), Instant::now());
        let status = status(&pulse, &ready(&pulse, &observed.settings, now));
        let mut text = String::new();
        if !begun {
            text.push_str("READY=1\n");
        }
        if status != shown {
            let _ = writeln!(text, "STATUS={status}");
        }
        if manager.watchdog.is_some() && alive(&pulse, observed.request_age(), &observed.settings, now).ok {
            text.push_str("WATCHDOG=1\n");
        }
        if !text.is_empty() {
            match manager.send(&text) {
                Ok(()) => (begun, shown) = (true, status),
                Err(error) => tracing::debug!(%error, "the service manager was not told: tries again"),
            }
        }
        tokio::select! { () = cancel.cancelled() => {}, () = tokio::time::sleep(manager.tick()) => {} }
    }
    if let Err(error) = manager.send("STOPPING=1\nSTATUS=ends\n") {
        tracing::debug!(%error, "the service manager was not told of the end");
    }
}

/// The role, whether it is ready and why, and what is held, in a line.
fn status(pulse: &Pulse, ready: &Verdict) -> String {
    let not = if ready.ok { "" } else { "not " };
    let mut text = format!("{}; {not}ready: {}", role_text(&pulse.role), ready.why);
    if pulse.held.records() > 0 {
        let _ = write!(text, "; held: {}", counted(pulse.held.records(), "record"));
    }
    // A line is a statement of the protocol: what a server has said must not make one.
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(STATUS).collect()
}

#[cfg(test)]
#[path = "notify_tests.rs"]
mod tests;
