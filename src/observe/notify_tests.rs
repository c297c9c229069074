use super::*;
use crate::{
    model::HeldSet,
    observe::{Board, HealthSettings, Held, Pass, Role},
};
use std::path::PathBuf;
use tokio::{sync::mpsc, task::JoinHandle};

const LIMIT: Duration = Duration::from_secs(30);
/// Long enough for ten ticks of the tests' watchdogs, short enough to wait for.
const SILENCE: Duration = Duration::from_millis(300);

/// A service manager's end of the socket.
struct Manager {
    socket: tokio::net::UnixDatagram,
    path: Option<PathBuf>,
}

impl Manager {
    fn at(address: &SocketAddr, path: Option<PathBuf>) -> Self {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket: tokio::net::UnixDatagram::from_std(socket).unwrap(), path }
    }

    fn by_path(name: &str) -> (Self, OsString) {
        let path = std::env::temp_dir().join(format!("cs-powerdns-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let address = SocketAddr::from_pathname(&path).unwrap();
        let variable = path.clone().into_os_string();
        (Self::at(&address, Some(path)), variable)
    }

    fn by_name(name: &str) -> (Self, OsString) {
        let name = format!("cs-powerdns-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        (Self::at(&address, None), format!("@{name}").into())
    }

    async fn next(&self) -> Option<String> {
        let mut bytes = [0; 4096];
        let length = tokio::time::timeout(SILENCE, self.socket.recv(&mut bytes)).await.ok()?.unwrap();
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    /// Reads until a message has all of these lines.
    async fn until(&self, lines: &[&str]) -> String {
        let (end, mut last) = (Instant::now() + LIMIT, None);
        while Instant::now() < end {
            let Some(text) = self.next().await else { continue };
            if lines.iter().all(|line| text.lines().any(|found| found == *line)) {
                return text;
            }
            last = Some(text);
        }
        panic!("no message with {lines:?}; the last one was {last:?}");
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.path.as_ref().map(std::fs::remove_file);
    }
}

/// Variables as systemd sets them.
fn variables(socket: &OsString, watchdog: Option<Duration>) -> ServiceManager {
    let usec = watchdog.map(|within| within.as_micros().to_string().into());
    let variable = |name: &str| match name {
        "NOTIFY_SOCKET" => Some(socket.clone()),
        "WATCHDOG_USEC" => usec.clone(),
        "WATCHDOG_PID" => Some("7".into()),
        _ => None,
    };
    ServiceManager::from_variables(variable, 7).unwrap().unwrap()
}

/// A controller that has just started and calls silence of three times `patience` dead.
fn begin(manager: ServiceManager, patience: Duration) -> (Arc<Observed>, CancellationToken, JoinHandle<()>) {
    let now = Instant::now();
    let settings = HealthSettings { api_timeout: patience, resync_interval: LIMIT, lease_ttl: LIMIT };
    let observed = Arc::new(Observed {
        board: Arc::new(Board::new(now)),
        metrics: Arc::default(),
        settings,
        started: now,
        questions: mpsc::channel(1).0,
    });
    let cancel = CancellationToken::new();
    let task = tokio::spawn(notify(manager, Arc::clone(&observed), cancel.clone()));
    (observed, cancel, task)
}

#[tokio::test]
async fn it_is_ready_at_once_says_what_it_does_and_that_it_ends() {
    for (manager, socket) in [Manager::by_path("notify"), Manager::by_name("notify")] {
        let (observed, cancel, task) = begin(variables(&socket, None), LIMIT);
        let first = manager.until(&["READY=1", "STATUS=starting; not ready: starting"]).await;
        assert!(!first.contains("WATCHDOG"), "nobody asked for it: {first}");
        observed.board.set_role(Role::Holder { epoch: 3 }, Instant::now());
        observed.board.note_pass(Pass::Resync, Instant::now(), Ok(()));
        let second = manager.until(&["STATUS=holder, epoch 3; ready: passes succeed"]).await;
        assert!(!second.contains("READY"), "it is told once: {second}");
        cancel.cancel();
        manager.until(&["STOPPING=1"]).await;
        task.await.unwrap();
    }
}

#[tokio::test]
async fn the_watchdog_is_fed_while_health_is_good_and_not_longer() {
    let (manager, socket) = Manager::by_name("watchdog");
    let watchdog = Some(Duration::from_millis(90));
    let (observed, cancel, task) = begin(variables(&socket, watchdog), Duration::from_millis(200));
    manager.until(&["READY=1", "WATCHDOG=1"]).await;
    manager.until(&["WATCHDOG=1"]).await;
    // The start is under way, and nothing ends.
    let end = Instant::now() + LIMIT;
    while manager.next().await.is_some() {
        assert!(Instant::now() < end, "a watchdog that is fed whatever happens");
    }
    observed.board.note_pass(Pass::Zones, Instant::now(), Err("down".into()));
    manager.until(&["WATCHDOG=1"]).await;
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_service_manager_that_comes_late_or_goes_stops_nothing_and_is_told_the_rest() {
    let (manager, socket) = Manager::by_path("late");
    drop(manager);
    let (_, cancel, task) = begin(variables(&socket, Some(Duration::from_millis(60))), LIMIT);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!task.is_finished(), "it goes on");
    let (manager, _) = Manager::by_path("late");
    manager.until(&["READY=1"]).await;
    drop(manager);
    cancel.cancel();
    task.await.unwrap();
}

#[test]
fn whoever_wants_to_be_told_nothing_is_told_nothing() {
    let manager = |pairs: &[(&str, &str)], pid| {
        let pairs: Vec<(String, OsString)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let find = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
        ServiceManager::from_variables(find, pid)
    };
    let watchdog = |pairs: &[(&str, &str)], pid| manager(pairs, pid).unwrap().unwrap().watchdog;
    assert!(manager(&[("WATCHDOG_USEC", "1000")], 7).unwrap().is_none());
    assert!(manager(&[("NOTIFY_SOCKET", "")], 7).unwrap().is_none());
    let minute = [("NOTIFY_SOCKET", "/run/n"), ("WATCHDOG_USEC", "60000000"), ("WATCHDOG_PID", "7")];
    assert_eq!(watchdog(&minute, 7), Some(Duration::from_secs(60)));
    assert_eq!(watchdog(&minute, 8), None, "another process is meant");
    assert_eq!(watchdog(&minute[..2], 8), Some(Duration::from_secs(60)));
    assert_eq!(watchdog(&minute[..1], 7), None);
    assert_eq!(watchdog(&[minute[0], ("WATCHDOG_USEC", "0")], 7), None);
    assert_eq!(watchdog(&[minute[0], ("WATCHDOG_USEC", "soon")], 7), None);
    let error = manager(&[("NOTIFY_SOCKET", "vsock:2:9\n")], 7).unwrap_err().to_string();
    assert!(error.contains(r"`vsock:2:9\n` is neither a path nor an abstract name"), "{error}");
    let long = format!("/{}", "a".repeat(200));
    assert!(manager(&[("NOTIFY_SOCKET", &long)], 7).is_err());
}

#[test]
fn the_status_is_one_line_however_a_server_puts_it() {
    let now = Instant::now();
    let mut pulse = Pulse::new(now);
    pulse.role = Role::Standby { holder: Some("a/1/2".into()) };
    pulse.held = Held { sets: vec![("0a1b2c3d".parse::<HeldSet>().unwrap(), 12)] };
    let verdict = Verdict { ok: false, why: "it said\nREADY=1\u{1b}[2J".into() };
    assert_eq!(
        status(&pulse, &verdict),
        "standby of a/1/2; not ready: it said READY=1 [2J; held: 12 records"
    );
    let verdict = Verdict { ok: true, why: "ä".repeat(1000) };
    assert_eq!(status(&pulse, &verdict).chars().count(), STATUS);
}
