//! A PowerDNS server on one test's database, and real questions to it.
//!
//! The installed one, or the one that tests/powerdns.sh has unpacked into the folder that
//! CS_POWERDNS_TEST_POWERDNS names.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::database::PdnsDb;
use crate::watchdog::{Guarded, TempDir, free_port, program};

/// Settings of a server.
#[derive(Clone, Debug, Default)]
pub struct PowerDnsOptions {
    /// PowerDNS's own cache times, instead of none at all (an answer is then what the table says now).
    pub default_caches: bool,
    /// `primary=yes`: NOTIFY for zones of type MASTER.
    pub primary: bool,
    /// More lines of pdns.conf.
    pub extra: Vec<String>,
}

/// A running server.
pub struct PowerDns {
    process: Guarded,
    folder: TempDir,
    /// DNS over UDP and TCP at 127.0.0.1.
    pub dns_port: u16,
    /// The HTTP API at 127.0.0.1.
    pub api_port: u16,
    /// Its key.
    pub api_key: String,
}

impl PowerDns {
    /// Starts a server on `database` and waits until it answers.
    pub async fn start(database: &PdnsDb, options: &PowerDnsOptions) -> Result<Self> {
        match Self::launch(database, options).await {
            Ok(server) => Ok(server),
            // Somebody else may have taken a port in between.
            Err(_) => Self::launch(database, options).await,
        }
    }

    async fn launch(database: &PdnsDb, options: &PowerDnsOptions) -> Result<Self> {
        let folder = TempDir::new("pdns")?;
        let (dns_port, api_port) = (free_port(), free_port());
        let api_key = "testbed-key".to_owned();
        let conf = configuration(database, options, folder.path(), dns_port, api_port, &api_key);
        std::fs::write(folder.path().join("pdns.conf"), conf)?;
        let server = powerdns_program("pdns_server")?.display().to_string();
        let config = format!("--config-dir={}", folder.path().display());
        let mut process = Guarded::start(
            folder.path(),
            "pdns_server",
            &[&server, &config, "--daemon=no", "--guardian=no", "--disable-syslog=yes", "--write-pid=no"],
            None,
        )?;
        let end = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", api_port)).await.is_err()
            || tokio::net::TcpStream::connect(("127.0.0.1", dns_port)).await.is_err()
        {
            if process.exited().is_some() || Instant::now() > end {
                bail!("pdns_server did not start: {}", process.output());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, folder, dns_port, api_port, api_key })
    }

    /// `http://127.0.0.1:PORT`, as PDNS_API_URL wants it.
    pub fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    /// Where pdns.conf lies.
    pub fn config_dir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Runs pdnsutil on the same configuration: standard output, or an error with all it said.
    pub fn pdnsutil(&self, arguments: &[&str]) -> Result<String> {
        self.tool("pdnsutil", arguments)
    }

    /// Runs pdns_control on the same configuration.
    pub fn pdns_control(&self, arguments: &[&str]) -> Result<String> {
        self.tool("pdns_control", arguments)
    }

    fn tool(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let config = format!("--config-dir={}", self.folder.path().display());
        let done = Command::new(powerdns_program(name)?).arg(config).args(arguments).output()?;
        let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{name} {arguments:?}: {stdout}{stderr}");
        Ok(stdout)
    }

    /// The answer to a question, sorted; empty for no data and no such name.
    pub fn dig(&self, name: &str, kind: &str) -> Result<Vec<String>> {
        Ok(self.ask(name, kind)?.into_iter().map(|(_, content)| content).collect())
    }

    /// The TTLs of an answer.
    pub fn dig_ttl(&self, name: &str, kind: &str) -> Result<Vec<u32>> {
        Ok(self.ask(name, kind)?.into_iter().map(|(ttl, _)| ttl).collect())
    }

    /// The response code: `NOERROR`, `NXDOMAIN`, `REFUSED`, `SERVFAIL`.
    pub fn dig_status(&self, name: &str, kind: &str) -> Result<String> {
        let text = self.run_dig(&["+noall", "+comments"], name, kind)?;
        let status = text.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
        Ok(status.with_context(|| format!("dig said {text}"))?.to_owned())
    }

    fn ask(&self, name: &str, kind: &str) -> Result<Vec<(u32, String)>> {
        ask(self.dns_port, name, kind)
    }

    fn run_dig(&self, how: &[&str], name: &str, kind: &str) -> Result<String> {
        run_dig(self.dns_port, how, name, kind)
    }
}

/// Where `pdns_server`, `pdnsutil` or `pdns_control` lies.
pub fn powerdns_program(name: &str) -> Result<PathBuf> {
    let Some(folder) = unpacked() else { return program(name) };
    let file = folder.join("bin").join(name);
    ensure!(file.is_file(), "no {}, which tests/powerdns.sh makes", file.display());
    Ok(file)
}

fn unpacked() -> Option<PathBuf> {
    std::env::var_os("CS_POWERDNS_TEST_POWERDNS").map(PathBuf::from)
}

/// TTL and content of each record of the answer that a server at 127.0.0.1 gives, sorted by content.
pub(crate) fn ask(port: u16, name: &str, kind: &str) -> Result<Vec<(u32, String)>> {
    let text = run_dig(port, &["+noall", "+answer"], name, kind)?;
    let mut answers = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with(';') && !line.is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.get(3).is_some_and(|found| found.eq_ignore_ascii_case(kind)) {
            answers.push((fields[1].parse()?, fields[4..].join(" ")));
        }
    }
    answers.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(answers)
}

/// What dig prints about a server at 127.0.0.1.
pub(crate) fn run_dig(port: u16, how: &[&str], name: &str, kind: &str) -> Result<String> {
    let port = port.to_string();
    let done = Command::new(program("dig")?)
        .args(["@127.0.0.1", "-r", "-p", &port, "+norecurse", "+time=2", "+tries=3"])
        .args(how)
        .args(["-q", name, "-t", kind])
        .output()?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.status.success(), "dig {name} {kind}: {text}");
    Ok(text)
}

fn configuration(
    database: &PdnsDb,
    options: &PowerDnsOptions,
    dir: &Path,
    dns_port: u16,
    api_port: u16,
    api_key: &str,
) -> String {
    let mut lines = vec![
        "launch=gmysql".into(),
        "gmysql-host=127.0.0.1".into(),
        format!("gmysql-port={}", database.mysql.port),
        format!("gmysql-dbname={}", database.name),
        format!("gmysql-user={}", database.pdns_user),
        format!("gmysql-password={}", database.password),
        "gmysql-dnssec=yes".into(),
        "local-address=127.0.0.1".into(),
        format!("local-port={dns_port}"),
        "webserver=yes".into(),
        "webserver-address=127.0.0.1".into(),
        "webserver-allow-from=127.0.0.1".into(),
        format!("webserver-port={api_port}"),
        "api=yes".into(),
        format!("api-key={api_key}"),
        format!("socket-dir={}", dir.display()),
        "receiver-threads=1".into(),
        "distributor-threads=1".into(),
        // The server would ask the Internet for its own security status.
        "security-poll-suffix=".into(),
        "loglevel=5".into(),
    ];
    if !options.default_caches {
        let caches = [
            "cache-ttl",
            "query-cache-ttl",
            "negquery-cache-ttl",
            "zone-cache-refresh-interval",
            "dnssec-key-cache-ttl",
            "zone-metadata-cache-ttl",
        ];
        lines.extend(caches.map(|name| format!("{name}=0")));
    }
    if options.primary {
        lines.push("primary=yes".into());
    }
    if let Some(folder) = unpacked() {
        lines.push(format!("module-dir={}", folder.join("modules").display()));
    }
    lines.extend(options.extra.iter().cloned());
    lines.join("\n") + "\n"
}
