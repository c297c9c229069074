//! Processes and folders that cannot outlive their owner, however it ends.
//!
//! A static is never dropped by the test harness, and a killed process drops nothing. So each child
//! runs below a small shell whose standard input is a pipe from the owner: when the pipe ends, because
//! the owner let go of it or is no more, the shell kills the child. Folders have a janitor likewise.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Background jobs of a shell ignore SIGINT, so an interrupt at the terminal ends nothing by half: the
/// pipe decides. The killer kills at once: what these servers hold is thrown away. `exec` in the
/// killer's trap-free subshell keeps the pid that `wait` knows. Who is killed leaves no core behind.
const GUARD: &str = r#"ulimit -c 0; exec 3<&0 </dev/null
pidfile=$1; shift
"$@" 3<&- & pid=$!
echo $pid >"$pidfile.new"; mv "$pidfile.new" "$pidfile"
( cat <&3 >/dev/null; kill -9 $pid 2>/dev/null ) & killer=$!
exec 3<&-
wait $pid; code=$?
kill $killer 2>/dev/null
exit $code"#;

/// Tries for 20 s: a server that is just being killed may still write.
const JANITOR: &str = r#"trap '' INT TERM HUP
cat >/dev/null; i=0
while [ -e "$1" ] && [ $i -lt 100 ]; do rm -rf "$1" 2>/dev/null; [ -e "$1" ] && sleep 0.2; i=$((i+1)); done"#;

/// A child below a watchdog.
pub struct Guarded {
    shell: Child,
    pid_file: PathBuf,
    /// Where the child's standard output goes.
    pub stdout: PathBuf,
    /// Where the child's standard error goes.
    pub stderr: PathBuf,
}

impl Guarded {
    /// Starts `command` with its output in `dir/NAME.out` and `dir/NAME.err`. `environment`, where given,
    /// is all that the child sees, besides PATH.
    pub fn start(
        dir: &Path,
        name: &str,
        command: &[&str],
        environment: Option<&HashMap<String, String>>,
    ) -> Result<Self> {
        let pid_file = dir.join(format!("{name}.pid"));
        let (stdout, stderr) = (dir.join(format!("{name}.out")), dir.join(format!("{name}.err")));
        let _ = std::fs::remove_file(&pid_file);
        let open = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("opening {}", path.display()))
        };
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "watchdog"]).arg(&pid_file).args(command).stdin(Stdio::piped());
        shell.stdout(open(&stdout)?).stderr(open(&stderr)?);
        if let Some(environment) = environment {
            shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(environment);
        }
        let shell = shell.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { shell, pid_file, stdout, stderr })
    }

    /// The process id of the child itself, not of its watchdog.
    pub fn pid(&self) -> Result<u32> {
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            if let Ok(text) = std::fs::read_to_string(&self.pid_file) {
                return text.trim().parse().context("pid file");
            }
            if Instant::now() > end {
                bail!("no pid in {}", self.pid_file.display());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by name (`TERM`, `KILL`, `STOP`, `CONT`) to the child.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid()?.to_string();
        let done = Command::new("kill").args([&format!("-{name}"), &pid]).status()?;
        anyhow::ensure!(done.success(), "kill -{name} {pid} failed");
        Ok(())
    }

    /// The exit status, as a shell gives it (128 + signal), once the child has ended.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().ok().flatten()
    }

    /// Both outputs as they are now.
    pub fn output(&self) -> String {
        let read = |path: &Path| std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned());
        format!("{}{}", read(&self.stdout).unwrap_or_default(), read(&self.stderr).unwrap_or_default())
    }

    /// Kills the child and waits for its end.
    pub fn end(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}

/// A folder that goes when its owner does.
pub struct TempDir {
    path: PathBuf,
    janitor: Child,
}

impl TempDir {
    /// Makes a folder below the system's temporary one.
    pub fn new(label: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("testbed-{label}-{}-{number}", std::process::id()));
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { path, janitor })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

/// A loopback port that nobody listens on, TCP and UDP, from below the range that outgoing connections
/// draw from, so that none of those takes it before its server is up. Drawn at random: processes that
/// start servers side by side would meet on the way up from any common place. None is given out twice by
/// one process.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let chance = RandomState::new().build_hasher().finish() % 16_000;
        let port = 16_000 + u16::try_from(chance).unwrap_or_default();
        let free =
            TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free && GIVEN.lock().expect("no holder panics").insert(port) {
            return port;
        }
    }
}

/// Where a program lies, or what to install.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = ["/usr/sbin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(beside)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not installed; {}", crate::APT_LINE))
}
