//! Start and take-over.

use super::{
    LARGE, Size, lone,
    process::{end, listen, run, sync, until},
    shown,
    town::{self, SETTINGS},
};
use anyhow::Result;
use std::time::{Duration, Instant};
use testbed::watchdog::free_port;
use tokio::time::sleep;

pub async fn measure(size: &Size) -> Result<()> {
    let server = town::server()?;
    let (mut lab, vms) = town::lab(&server, "start", size.vms(LARGE)).await?;
    sync(&lab.env_with(SETTINGS)).await?;
    let start = Instant::now();
    let first = run(&lab.env_with(SETTINGS)).await?;
    lone("from start to ready", &shown(start.elapsed()), "-");
    end(first).await?;

    let holder = listen(&mut lab, SETTINGS).await?;
    let mut env = lab.env_with(SETTINGS);
    env.insert("HTTP_LISTEN".into(), format!("127.0.0.1:{}", free_port()));
    env.insert("KAFKA_CONFIG".into(), "fetch.wait.max.ms=5".into());
    let standby = run(&env).await?;
    // It has listed everything by then, and its events come.
    sleep(Duration::from_secs(15)).await;
    let start = Instant::now();
    holder.kill()?;
    lab.world().rename_vm(&vms[0], "after");
    let sql = "SELECT COUNT(*) FROM records WHERE name = 'after.cloud.example'";
    until(&standby, &lab, sql, 2, Duration::from_millis(5)).await?;
    lone("kill -9 to the first change", &shown(start.elapsed()), "LEASE_TTL (15 s) and 1 s");
    end(standby).await
}
