//! Nothing happens.

use super::{
    Size,
    process::{end, listen, sync, usage},
    town::{self, SETTINGS},
};
use anyhow::{Context, Result};
use std::{
    process::Command,
    time::{Duration, Instant},
};
use tokio::time::sleep;

const VMS: usize = 20_000;
const TIME: Duration = Duration::from_secs(60);

pub async fn measure(size: &Size) -> Result<()> {
    let server = town::server()?;
    let (mut lab, vms) = town::lab(&server, "idle", size.vms(VMS)).await?;
    sync(&lab.env_with(SETTINGS)).await?;
    // Brokers answer a fetch when there is something, or after half a second, as they are asked to.
    let settings =
        [("RESYNC_INTERVAL", "1h"), ("RESYNC_MIN_INTERVAL", "1h"), ("KAFKA_CONFIG", "fetch.wait.max.ms=500")];
    let process = listen(&mut lab, &[SETTINGS, &settings].concat()).await?;
    sleep(Duration::from_secs(10)).await;
    let mut other = Command::new("sleep").arg("1h").spawn()?;
    let start = Instant::now();
    let used = |pid: u32| usage(pid).map(|used| used.cpu).context("it runs");
    let (ours, theirs) = (used(process.pid()?)?, used(other.id())?);
    sleep(TIME).await;
    let time = start.elapsed().as_secs_f64();
    let percent = |used: Duration| format!("{:.2} %", used.as_secs_f64() / time * 100.0);
    let (ours, theirs) =
        (used(process.pid()?)?.saturating_sub(ours), used(other.id())?.saturating_sub(theirs));
    other.kill()?;
    other.wait()?;
    end(process).await?;
    let (ours, theirs, vms) = (percent(ours), percent(theirs), vms.len());
    let what = format!("of a core, idle, {vms} VMs");
    println!(
        "{what:<34}{ours:>10}   {:<34}{theirs:>10}   {:>6}   aim under 1 %",
        "a process that sleeps", ""
    );
    Ok(())
}
