//! A secondary that nobody here wrote: Knot DNS, which transfers zones from a primary and hears of changes
//! by NOTIFY alone (the zones of the testbed refresh every three hours).

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::powerdns::{ask, run_dig};
use crate::watchdog::{Guarded, TempDir, program};

/// What a secondary transfers, and from where.
#[derive(Clone, Debug)]
pub struct SecondaryOptions {
    /// Where it listens, at 127.0.0.1: the primary's `also-notify` names it.
    pub port: u16,
    /// The primary's DNS port, at 127.0.0.1.
    pub primary: u16,
    /// The zones.
    pub zones: Vec<String>,
    /// Accept a zone only if every signature and the whole chain of denials in it is right.
    pub validate: bool,
}

/// A running secondary.
pub struct Secondary {
    process: Guarded,
    // Goes after the process.
    _folder: TempDir,
    port: u16,
}

impl Secondary {
    /// Starts it, and waits until it answers.
    pub async fn start(options: &SecondaryOptions) -> Result<Self> {
        let folder = TempDir::new("knot")?;
        let conf = folder.path().join("knot.conf");
        std::fs::write(&conf, configuration(options, &folder.path().display().to_string()))?;
        let (knotd, conf) = (program("knotd")?.display().to_string(), conf.display().to_string());
        let mut process = Guarded::start(folder.path(), "knotd", &[&knotd, "--config", &conf], None)?;
        let end = Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(("127.0.0.1", options.port)).await.is_err() {
            if process.exited().is_some() || Instant::now() > end {
                bail!("knotd did not start: {}", process.output());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { process, _folder: folder, port: options.port })
    }

    /// The answer to a question, sorted; empty for no data and no such name.
    pub fn dig(&self, name: &str, kind: &str) -> Result<Vec<String>> {
        Ok(ask(self.port, name, kind)?.into_iter().map(|(_, content)| content).collect())
    }

    /// All that dig prints about a question with DNSSEC asked for.
    pub fn dig_dnssec(&self, name: &str, kind: &str) -> Result<String> {
        run_dig(self.port, &["+dnssec"], name, kind)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.output()
    }
}

fn configuration(options: &SecondaryOptions, folder: &str) -> String {
    let SecondaryOptions { port, primary, zones, validate } = options;
    let validate = if *validate { "on" } else { "off" };
    let zones: Vec<String> = zones.iter().map(|zone| format!("  - domain: {zone}\n")).collect();
    let zones = zones.concat();
    format!(
        "server:\n  rundir: {folder}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  \
         background-workers: 2\n\
         log:\n  - target: stdout\n    any: info\n\
         database:\n  storage: {folder}\n  timer-db-max-size: 1M\n\
         remote:\n  - id: primary\n    address: 127.0.0.1@{primary}\n\
         acl:\n  - id: primary\n    address: 127.0.0.1\n    action: notify\n\
         template:\n  - id: default\n    storage: {folder}\n    zonefile-load: none\n    zonefile-sync: -1\n    \
         journal-content: none\n    master: primary\n    acl: primary\n    dnssec-validation: {validate}\n\
         zone:\n{zones}\n"
    )
}
