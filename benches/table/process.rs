//! The controller as a process, and what it has used.

use anyhow::{Result, ensure};
use std::{
    collections::HashMap,
    fs,
    sync::OnceLock,
    time::{Duration, Instant},
};
use testbed::{Controller, Lab};
use tokio::time::sleep;

/// What is measured, where it is another build than this tree's.
pub static PROGRAM: OnceLock<String> = OnceLock::new();

fn program() -> &'static str {
    PROGRAM.get().map_or(env!("CARGO_BIN_EXE_cs-powerdns"), String::as_str)
}

/// Longest wait for anything.
pub const LIMIT: Duration = Duration::from_secs(1800);

/// What a process has used so far.
#[derive(Clone, Copy, Default)]
pub struct Used {
    /// Of all cores.
    pub cpu: Duration,
    /// The most memory that was resident, in kB.
    pub peak: u64,
    /// The memory that is resident, in kB.
    pub resident: u64,
}

/// None once the process has ended.
pub fn usage(pid: u32) -> Option<Used> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let memory = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the program's name, which may have anything in it; in ticks of 10 ms on every Linux.
    let mut ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (ticks.next()?.parse().ok()?, ticks.next()?.parse().ok()?);
    let cpu = Duration::from_millis(10 * (user + system));
    Some(Used { cpu, peak: memory("VmHWM:")?, resident: memory("VmRSS:")? })
}

/// `sync`, which must end well: how long it took, and what it used.
pub async fn sync(env: &HashMap<String, String>) -> Result<(Duration, Used)> {
    let start = Instant::now();
    let mut process = Controller::start(program(), &["sync"], env)?;
    let (pid, mut used) = (process.pid()?, Used::default());
    let code = loop {
        // The last look may miss what the last 5 ms added.
        used = usage(pid).unwrap_or(used);
        if let Some(code) = process.exit_code() {
            break code;
        }
        ensure!(start.elapsed() < LIMIT, "sync does not end:\n{}", process.output());
        sleep(Duration::from_millis(5)).await;
    };
    ensure!(code == 0, "sync ended with {code}:\n{}", process.output());
    Ok((start.elapsed(), used))
}

/// `run`, once it is ready.
pub async fn run(env: &HashMap<String, String>) -> Result<Controller> {
    let mut process = Controller::start(program(), &["run"], env)?;
    process.wait_ready(LIMIT).await?;
    Ok(process)
}

/// `run` on the lab's events, once it is ready and has its partitions: what happens before, a resync brings.
pub async fn listen(lab: &mut Lab, settings: &[(&str, &str)]) -> Result<Controller> {
    lab.kafka();
    let mut env = lab.env_with(settings);
    // The mock broker answers a fetch at the end of its wait, whatever has come meanwhile.
    env.entry("KAFKA_CONFIG".into()).or_insert("fetch.wait.max.ms=5".into());
    let process = run(&env).await?;
    let start = Instant::now();
    while metric(&process, "cs_powerdns_trigger_partitions").await? < 3 {
        ensure!(start.elapsed() < LIMIT, "no partitions: {}", process.output());
        sleep(Duration::from_millis(50)).await;
    }
    Ok(process)
}

/// Ends a `run`, which must end well.
pub async fn end(mut process: Controller) -> Result<()> {
    process.sigterm()?;
    let code = process.wait_exit(LIMIT).await?;
    ensure!(code == 0, "run ended with {code}:\n{}", process.output());
    Ok(())
}

/// Resyncs that ended well.
pub const GOOD_RESYNCS: &str = r#"cs_powerdns_passes_total{pass="resync",result="success"}"#;
/// Resyncs that failed.
pub const FAILED_RESYNCS: &str = r#"cs_powerdns_passes_total{pass="resync",result="failure"}"#;

/// A metric, in whole numbers, by its name with labels.
pub async fn metric(process: &Controller, name: &str) -> Result<u64> {
    let sample = sample(process, name).await?;
    Ok(sample.and_then(|value| value.parse().ok()).unwrap_or(0))
}

/// A metric that may have a fraction.
pub async fn gauge(process: &Controller, name: &str) -> Result<f64> {
    let sample = sample(process, name).await?;
    Ok(sample.and_then(|value| value.parse().ok()).unwrap_or(0.0))
}

async fn sample(process: &Controller, name: &str) -> Result<Option<String>> {
    let text = process.get("/metrics").await?.1;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.map(str::to_owned))
}

/// Waits until a counting query finds so many, asking so often.
pub async fn until(process: &Controller, lab: &Lab, sql: &str, wanted: u64, every: Duration) -> Result<()> {
    let start = Instant::now();
    while lab.db.query::<u64>(sql).await? != [wanted] {
        ensure!(start.elapsed() < LIMIT, "waiting for {sql}:\n{}", process.output());
        sleep(every).await;
    }
    Ok(())
}

/// How large this machine is, and how busy others keep it.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([' ', '\t', ':']).to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{cores} cores ({}), memory {}, load before {}",
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/loadavg").split(' ').next().unwrap_or_default()
    )
}
