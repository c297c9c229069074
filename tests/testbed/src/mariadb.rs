//! A private MariaDB on a loopback port.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::{Opts, OptsBuilder, Pool, prelude::Queryable};

use crate::database::PdnsDb;
use crate::watchdog::{Guarded, TempDir, free_port, program};

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct MariaDbOptions {
    /// `innodb_flush_log_at_trx_commit`: 1 as in production, 0 for a fast fill.
    pub flush_log: u8,
    /// `innodb_buffer_pool_size`, as the server reads it.
    pub buffer_pool: String,
    /// Whether statements are logged into `mysql.general_log` from the start; what counts writes needs it.
    pub general_log: bool,
    /// More command line options.
    pub extra: Vec<String>,
    /// All that its process sees of the environment, besides PATH; empty: what the test sees.
    pub environment: HashMap<String, String>,
}

impl Default for MariaDbOptions {
    fn default() -> Self {
        Self {
            flush_log: 1,
            buffer_pool: "256M".into(),
            general_log: true,
            extra: Vec::new(),
            environment: HashMap::new(),
        }
    }
}

/// A server at 127.0.0.1 where root needs no password: ours, or the one that the run has brought.
#[derive(Clone, Copy, Debug)]
pub struct MySql {
    /// TCP port.
    pub port: u16,
}

impl MySql {
    /// Connections of root, bound to the calling runtime.
    pub fn admin(self, database: Option<&str>) -> Pool {
        let opts = OptsBuilder::from_opts(Opts::default())
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false)
            .db_name(database);
        Pool::new(opts)
    }

    /// Makes a database with the PowerDNS schema, and a user with all rights on it.
    pub async fn create(self, name: &str) -> Result<PdnsDb> {
        PdnsDb::create(self, name).await
    }

    /// Switches the general log, for all connections.
    pub async fn set_general_log(self, on: bool) -> Result<()> {
        let pool = self.admin(None);
        pool.get_conn().await?.query_drop(format!("SET GLOBAL general_log = {}", u8::from(on))).await?;
        Ok(pool.disconnect().await?)
    }
}

/// A server of our own.
pub struct MariaDb {
    // Before the folder: fields drop in order, and the server must be gone first.
    process: Option<Guarded>,
    _folder: Option<TempDir>,
    dir: PathBuf,
    options: MariaDbOptions,
    mysql: MySql,
}

impl MariaDb {
    /// Starts a server in a folder that goes with it.
    pub fn new(options: MariaDbOptions) -> Result<Self> {
        let folder = TempDir::new("mariadb")?;
        let dir = folder.path().to_owned();
        Self::start(&dir, options).map(|server| Self { _folder: Some(folder), ..server })
    }

    /// Starts a server with its data in `dir`, which is made ready where it is empty.
    pub fn start(dir: &Path, options: MariaDbOptions) -> Result<Self> {
        let data = dir.join("data");
        if !data.exists() {
            install(dir, &data)?;
        }
        let mysql = MySql { port: free_port() };
        let mut server = Self { process: None, _folder: None, dir: dir.to_owned(), options, mysql };
        // Somebody else may have taken the port in between.
        if server.launch().is_err() {
            server.mysql = MySql { port: free_port() };
            server.launch()?;
        }
        Ok(server)
    }

    /// How to reach it.
    pub fn mysql(&self) -> MySql {
        self.mysql
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.mysql.port
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("socket")
    }

    /// The server's process, to stop, continue or kill it.
    pub fn process(&self) -> Option<&Guarded> {
        self.process.as_ref()
    }

    /// Kills the server. Its data stay.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts the server again, on the same port and data.
    pub fn launch(&mut self) -> Result<()> {
        std::fs::create_dir_all(self.dir.join("tmp"))?;
        let init = self.dir.join("init.sql");
        std::fs::write(
            &init,
            "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';\n\
             GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n",
        )?;
        let mut arguments = vec![
            program("mariadbd")?.display().to_string(),
            "--no-defaults".into(),
            "--bind-address=127.0.0.1".into(),
            "--skip-name-resolve".into(),
            "--max-connections=500".into(),
            "--innodb-doublewrite=0".into(),
            "--log-output=TABLE".into(),
            format!("--user={}", user()?),
            format!("--datadir={}", self.dir.join("data").display()),
            // A server that starts deletes the temporary tables of all that share the folder.
            format!("--tmpdir={}", self.dir.join("tmp").display()),
            format!("--socket={}", self.socket().display()),
            format!("--pid-file={}", self.dir.join("mysqld.pid").display()),
            format!("--port={}", self.mysql.port),
            format!("--init-file={}", init.display()),
            format!("--innodb-flush-log-at-trx-commit={}", self.options.flush_log),
            format!("--innodb-buffer-pool-size={}", self.options.buffer_pool),
            format!("--general-log={}", u8::from(self.options.general_log)),
        ];
        arguments.extend(self.options.extra.iter().cloned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ready = self.dir.join("mysqld.pid");
        let _ = std::fs::remove_file(&ready);
        let environment = Some(&self.options.environment).filter(|environment| !environment.is_empty());
        let mut process = Guarded::start(&self.dir, "mariadbd", &arguments, environment)?;
        wait_for_handshake(self.mysql.port, &ready, &mut process)?;
        self.process = Some(process);
        Ok(())
    }
}

/// MariaDB speaks first, and does not listen before it can serve. The pid file says that it is ours.
fn wait_for_handshake(port: u16, ready: &Path, process: &mut Guarded) -> Result<()> {
    use std::io::Read;
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if ready.exists()
            && let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port))
            && stream.read_exact(&mut [0; 5]).is_ok()
        {
            return Ok(());
        }
        if process.exited().is_some() || Instant::now() > end {
            bail!("mariadbd did not start: {}", process.output());
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

pub(crate) fn install(dir: &Path, data: &Path) -> Result<()> {
    std::fs::create_dir_all(dir.join("tmp"))?;
    let done = Command::new(program("mariadb-install-db")?)
        .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--tmpdir={}", dir.join("tmp").display()))
        .arg(format!("--user={}", user()?))
        .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"])
        // Otherwise it refuses on a machine that cannot look up its own name.
        .arg("--force")
        .output()
        .context("mariadb-install-db")?;
    let said = [done.stdout, done.stderr].concat();
    ensure!(done.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&said));
    Ok(())
}

pub(crate) fn user() -> Result<String> {
    let done = Command::new("id").arg("-un").output().context("id -un")?;
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}
