//! Three MariaDB nodes that replicate by Galera, on loopback ports.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;

use crate::mariadb::{MySql, install, user};
use crate::watchdog::{Guarded, TempDir, free_port, program};

const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";
/// For a node to join, on a machine that is busy.
const JOIN: Duration = Duration::from_secs(60);

/// A cluster of three nodes, all of which take writes. It goes when it is dropped, or when the test's process
/// ends.
pub struct Galera {
    // Before the folder: fields drop in order, and the servers must be gone first.
    nodes: Vec<Node>,
    _folder: TempDir,
}

struct Node {
    process: Option<Guarded>,
    dir: PathBuf,
    mysql: MySql,
    /// Where it speaks to the others, and where it takes what it has missed: by replay, or whole.
    ports: [u16; 3],
}

impl Galera {
    /// Starts three nodes. All begin with copies of one data folder and one position, so that whoever joins
    /// needs a replay of a few transactions, and no copy of everything over the wire.
    pub async fn start() -> Result<Self> {
        let folder = TempDir::new("galera")?;
        let nodes: Vec<Node> = (0..3).map(|nth| Node::new(folder.path(), nth)).collect();
        install(&nodes[0].dir, &nodes[0].dir.join("data"))?;
        let mut cluster = Self { nodes, _folder: folder };
        cluster.launch_with(0, "gcomm://").await?;
        cluster.nodes[0].shut_down().await?;
        for node in &cluster.nodes[1..] {
            copy(&cluster.nodes[0].dir.join("data"), &node.dir.join("data"))?;
        }
        cluster.launch_with(0, "gcomm://").await?;
        cluster.launch(1).await?;
        cluster.launch(2).await?;
        Ok(cluster)
    }

    /// How to reach a node, 0 to 2.
    pub fn node(&self, nth: usize) -> MySql {
        self.nodes[nth].mysql
    }

    /// Kills a node. Its data stay.
    pub fn kill(&mut self, nth: usize) {
        self.nodes[nth].process = None;
    }

    /// Starts a node, which joins the others and catches up.
    pub async fn launch(&mut self, nth: usize) -> Result<()> {
        let others: Vec<String> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.ports[0])).collect();
        self.launch_with(nth, &format!("gcomm://{}", others.join(","))).await
    }

    async fn launch_with(&mut self, nth: usize, cluster: &str) -> Result<()> {
        let node = &mut self.nodes[nth];
        node.launch(cluster)?;
        node.synced().await
    }

    /// The number that `SHOW STATUS` has for a name at a node.
    pub async fn status(&self, nth: usize, name: &str) -> Result<u64> {
        let value = self.nodes[nth].status(name).await?;
        value.parse().with_context(|| format!("{name} is {value}"))
    }
}

impl Node {
    fn new(folder: &Path, nth: usize) -> Self {
        Self {
            process: None,
            dir: folder.join(nth.to_string()),
            mysql: MySql { port: free_port() },
            ports: [free_port(), free_port(), free_port()],
        }
    }

    fn launch(&mut self, cluster: &str) -> Result<()> {
        ensure!(Path::new(PROVIDER).exists(), "{PROVIDER} is not installed; {}", crate::APT_LINE);
        std::fs::create_dir_all(self.dir.join("tmp"))?;
        // The script that brings a node up to date fails as root.
        let mut name = user()?;
        if name == "root" {
            name = "mysql".into();
            let done = Command::new("chown").args(["-R", &name]).arg(&self.dir).status()?;
            ensure!(done.success(), "chown {name} {}", self.dir.display());
        }
        let [group, replay, whole] = self.ports;
        let provider = format!(
            "gmcast.listen_addr=tcp://127.0.0.1:{group};ist.recv_addr=127.0.0.1:{replay};gcache.size=32M"
        );
        let path = |file: &str| self.dir.join(file).display().to_string();
        let arguments = [
            program("mariadbd")?.display().to_string(),
            "--no-defaults".into(),
            "--bind-address=127.0.0.1".into(),
            "--skip-name-resolve".into(),
            "--innodb-doublewrite=0".into(),
            "--innodb-flush-log-at-trx-commit=0".into(),
            "--innodb-buffer-pool-size=64M".into(),
            "--log-output=TABLE".into(),
            "--general-log=1".into(),
            format!("--user={name}"),
            format!("--datadir={}", path("data")),
            format!("--tmpdir={}", path("tmp")),
            format!("--socket={}", path("socket")),
            format!("--pid-file={}", path("data/mysqld.pid")),
            format!("--port={}", self.mysql.port),
            "--binlog-format=ROW".into(),
            "--innodb-autoinc-lock-mode=2".into(),
            "--wsrep-on=1".into(),
            format!("--wsrep-provider={PROVIDER}"),
            "--wsrep-cluster-name=testbed".into(),
            format!("--wsrep-cluster-address={cluster}"),
            format!("--wsrep-node-address=127.0.0.1:{group}"),
            "--wsrep-sst-method=rsync".into(),
            format!("--wsrep-sst-receive-address=127.0.0.1:{whole}"),
            format!("--wsrep-provider-options={provider}"),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.process = Some(Guarded::start(&self.dir, "mariadbd", &arguments, None)?);
        Ok(())
    }

    /// Waits until it has what the others have.
    async fn synced(&mut self) -> Result<()> {
        let end = Instant::now() + JOIN;
        loop {
            let state = match self.status("wsrep_local_state_comment").await {
                Ok(state) if state == "Synced" => return Ok(()),
                Ok(state) => state,
                Err(error) => format!("{error:#}"),
            };
            let process = self.process.as_mut().context("it was started")?;
            if process.exited().is_some() || Instant::now() > end {
                bail!("the node did not join, {state}: {}", process.output());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn status(&self, name: &str) -> Result<String> {
        let pool = self.mysql.admin(None);
        let found: Option<(String, String)> =
            pool.get_conn().await?.query_first(format!("SHOW STATUS LIKE '{name}'")).await?;
        pool.disconnect().await?;
        Ok(found.with_context(|| format!("no status {name}"))?.1)
    }

    /// Ends it as an administrator would, so that it notes its position.
    async fn shut_down(&mut self) -> Result<()> {
        let process = self.process.as_mut().context("it was started")?;
        process.signal("TERM")?;
        let end = Instant::now() + JOIN;
        while process.exited().is_none() {
            ensure!(Instant::now() < end, "the node does not end: {}", process.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.process = None;
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to.parent().context("a folder has a parent")?)?;
    let done = Command::new("cp").arg("-a").args([from, to]).status()?;
    ensure!(done.success(), "cp {} {}", from.display(), to.display());
    Ok(())
}
