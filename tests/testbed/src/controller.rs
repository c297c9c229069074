//! The program under test, as a process.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::process::Stdio;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::Client;

use crate::watchdog::{Guarded, TempDir};

/// A controller that runs. It is killed when it is dropped, or when the test's process ends.
pub struct Controller {
    process: Guarded,
    // After the process: it writes into the folder.
    _folder: TempDir,
    listen: Option<String>,
}

impl Controller {
    /// Starts `program` (a test passes `env!("CARGO_BIN_EXE_cs-powerdns")`) with this environment, PATH
    /// and nothing else.
    pub fn start(program: &str, arguments: &[&str], environment: &HashMap<String, String>) -> Result<Self> {
        let folder = TempDir::new("controller")?;
        let mut command = vec![program];
        command.extend(arguments);
        let process = Guarded::start(folder.path(), "controller", &command, Some(environment))?;
        Ok(Self { process, _folder: folder, listen: environment.get("HTTP_LISTEN").cloned() })
    }

    /// Waits until `/readyz` is 200.
    pub async fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        let mut last = String::from("no answer yet");
        loop {
            match self.get("/readyz").await {
                Ok((200, _)) => return Ok(()),
                Ok((status, body)) => last = format!("{status} {body}"),
                Err(error) => last = format!("{error:#} (before: {last})"),
            }
            if let Some(code) = self.exit_code() {
                bail!("the controller ended with {code}: {}", self.output());
            }
            if Instant::now() > end {
                bail!("not ready within {limit:?}: {last}\n{}", self.output());
            }
            last.truncate(2000);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Asks the controller's HTTP: status and body.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        // One client for all: making one reads the system's certificates. It keeps no connection, as those are
        // of the runtime that has made them.
        static CLIENT: LazyLock<Client> =
            LazyLock::new(|| Client::builder().pool_max_idle_per_host(0).build().expect("a client"));
        let listen = self.listen.as_ref().context("HTTP_LISTEN is not in the environment")?;
        let answer = CLIENT.get(format!("http://{listen}{path}")).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Asks it to end.
    pub fn sigterm(&self) -> Result<()> {
        self.process.signal("TERM")
    }

    /// Ends it at once.
    pub fn kill(&self) -> Result<()> {
        self.process.signal("KILL")
    }

    /// Any signal by name: STOP, CONT.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.process.signal(name)
    }

    /// Its process id.
    pub fn pid(&self) -> Result<u32> {
        self.process.pid()
    }

    /// The exit code, once it has ended; 128 + signal after a signal.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.process.exited().and_then(|status| status.code())
    }

    /// Waits for its end.
    pub async fn wait_exit(&mut self, limit: Duration) -> Result<i32> {
        let end = Instant::now() + limit;
        loop {
            if let Some(code) = self.exit_code() {
                return Ok(code);
            }
            if Instant::now() > end {
                bail!("still running after {limit:?}: {}", self.output());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Standard output and standard error so far.
    pub fn output(&self) -> String {
        self.process.output()
    }
}

/// What a verb said.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A verb that runs. It is killed when it is dropped.
pub struct Verb {
    child: tokio::process::Child,
    what: String,
}

impl Verb {
    /// Starts `program` with this environment, PATH and nothing else.
    pub fn start<S: BuildHasher>(
        program: &str,
        arguments: &[&str],
        environment: &HashMap<String, String, S>,
    ) -> Result<Self> {
        let what = format!("{program} {arguments:?}");
        let child = tokio::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        Ok(Self { child, what })
    }

    /// Its process id, until it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end, at most two minutes.
    pub async fn end(self) -> Result<Output> {
        let done = tokio::time::timeout(Duration::from_secs(120), self.child.wait_with_output())
            .await
            .with_context(|| format!("{} did not end", self.what))??;
        Ok(Output {
            code: done.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }
}

/// Runs a verb to its end, at most two minutes.
pub async fn run_once<S: BuildHasher>(
    program: &str,
    arguments: &[&str],
    environment: &HashMap<String, String, S>,
) -> Result<Output> {
    Verb::start(program, arguments, environment)?.end().await
}
