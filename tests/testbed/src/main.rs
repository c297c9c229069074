//! Holds the servers of a test run or of the demo, and ends them with itself.

mod demo;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use testbed::{Broker, MariaDb, MariaDbOptions};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(about = "Real servers for the tests and the demo of cs-powerdns")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start the servers, print their environment, end at the end of standard input or at a signal
    Up(Up),
    /// Start the servers, run a command in their environment, end with its exit code
    Run {
        #[command(flatten)]
        up: Up,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Serve the simulator alone, with a few VMs, until a signal: for deploy/compose.yaml
    Cloud {
        /// The IPv4 address and port to serve at
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// Where events go: host:port of a Kafka broker
        #[arg(long)]
        kafka: Option<String>,
    },
}

#[derive(Args)]
struct Up {
    /// Also a database with zones, PowerDNS, and a simulator with a few VMs
    #[arg(long, conflicts_with = "empty")]
    demo: bool,
    /// The same without VMs
    #[arg(long)]
    empty: bool,
    /// Also this zone (repeatable; with --demo or --empty)
    #[arg(long)]
    zone: Vec<String>,
    /// Write the environment to this file instead of standard output
    #[arg(long)]
    env_file: Option<PathBuf>,
    /// MariaDB's buffer pool
    #[arg(long, default_value = "256M")]
    buffer_pool: String,
    /// Do not log statements, which tests that count them need
    #[arg(long)]
    no_general_log: bool,
}

/// All that runs. Dropping it ends it.
struct Running {
    env: BTreeMap<String, String>,
    demo: Option<demo::Demo>,
    _mariadb: MariaDb,
    _broker: Broker,
}

async fn start(up: &Up) -> Result<Running> {
    let options = MariaDbOptions {
        buffer_pool: up.buffer_pool.clone(),
        general_log: !up.no_general_log,
        ..MariaDbOptions::default()
    };
    let mariadb = MariaDb::new(options)?;
    let broker = Broker::start()?;
    let mut env = BTreeMap::from([
        ("TESTBED_MYSQL_PORT".to_owned(), mariadb.port().to_string()),
        ("TESTBED_MYSQL_SOCKET".to_owned(), mariadb.socket().display().to_string()),
        ("TESTBED_KAFKA".to_owned(), broker.bootstrap().to_owned()),
    ]);
    let mut demo = None;
    if up.demo || up.empty {
        let started = demo::Demo::start(mariadb.mysql(), &broker, &up.zone, up.demo).await?;
        env.extend(started.env());
        demo = Some(started);
    }
    Ok(Running { env, demo, _mariadb: mariadb, _broker: broker })
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

async fn hold(up: &Up) -> Result<ExitCode> {
    let running = start(up).await?;
    let exports: Vec<String> = running.env.iter().map(|(k, v)| format!("export {k}={}", quoted(v))).collect();
    if let Some(file) = &up.env_file {
        // Whoever waits for the file finds it whole.
        let part = file.with_extension("part");
        std::fs::write(&part, exports.join("\n") + "\n")?;
        std::fs::rename(&part, file)?;
    } else {
        println!("{}", exports.join("; "));
        std::io::stdout().flush()?;
    }
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let end_of_input = async {
        let (mut input, mut rest) = (tokio::io::stdin(), [0_u8; 256]);
        while input.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    };
    tokio::select! {
        () = end_of_input => {}
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    running.end().await;
    Ok(ExitCode::SUCCESS)
}

async fn run(up: &Up, command: &[String]) -> Result<ExitCode> {
    let running = start(up).await?;
    let (program, arguments) = command.split_first().context("a command")?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .envs(&running.env)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let code = tokio::select! {
        status = child.wait() => status?.code().unwrap_or(1),
        _ = term.recv() => 143,
        _ = int.recv() => 130,
    };
    drop(child);
    running.end().await;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

async fn cloud(listen: SocketAddr, kafka: Option<&str>) -> Result<ExitCode> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let sim = demo::cloud(listen, kafka)?;
    println!("CS_ENDPOINT={} CS_API_KEY={} CS_SECRET_KEY={}", sim.endpoint(), sim.api_key, sim.secret_key);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(ExitCode::SUCCESS)
}

impl Running {
    async fn end(mut self) {
        if let Some(demo) = self.demo.take() {
            demo.end().await;
        }
    }
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(async {
        match &cli.verb {
            Verb::Up(up) => hold(up).await,
            Verb::Run { up, command } => run(up, command).await,
            Verb::Cloud { listen, kafka } => cloud(*listen, kafka.as_deref()).await,
        }
    });
    // A read of standard input cannot be taken back.
    runtime.shutdown_background();
    code
}
