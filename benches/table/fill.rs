//! First fill, resync without change, and memory.

use super::{
    LARGE, Size, bare, line, lone, median,
    process::{GOOD_RESYNCS, LIMIT, end, metric, run, sync, usage},
    town::{self, SETTINGS, count},
};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use testbed::{Lab, MariaDb, MySql, PdnsDb, watchdog::program};
use tokio::time::sleep;

pub async fn measure(size: &Size) -> Result<()> {
    let server: MariaDb = town::server()?;
    let (mut lab, _) = town::lab(&server, "fill", size.vms(LARGE)).await?;
    println!("{} VMs, API pages of 500 in 5 ms, medians of {} rounds", size.vms(LARGE), size.rounds);
    let lines = fill(&mut lab, server.mysql(), size).await?;
    resync(&mut lab, size).await?;
    println!("{lines} rows");
    memory(&lab).await
}

/// A database with the town's zones and nothing else.
async fn empty(mysql: MySql, name: &str, vms: usize) -> Result<PdnsDb> {
    let db = mysql.create(name).await?;
    town::zones(&db, vms).await?;
    Ok(db)
}

async fn fill(lab: &mut Lab, mysql: MySql, size: &Size) -> Result<usize> {
    let (mut ours, mut bares) = (Vec::new(), Vec::new());
    let mut lines = Vec::new();
    let mut peak = 0;
    for round in 0..size.rounds {
        let fresh = empty(mysql, &format!("fill{round}"), size.vms(LARGE)).await?;
        let before = std::mem::replace(&mut lab.db, fresh);
        before.exec(&format!("DROP DATABASE `{}`", before.name)).await?;
        let (time, used) = sync(&lab.env_with(SETTINGS)).await?;
        ours.push(time);
        peak = peak.max(used.peak);
        if lines.is_empty() {
            lines = bare::lines(&lab.db).await?;
        }
        let other = empty(mysql, &format!("bare{round}"), size.vms(LARGE)).await?;
        // The ledger as `schema` makes it.
        other
            .exec(&format!("CREATE TABLE cs_powerdns_ledger LIKE `{}`.cs_powerdns_ledger", lab.db.name))
            .await?;
        bares.push(bare::fill(&other, &lines).await?);
        ensure!(count(&other, "records").await? == count(&lab.db, "records").await?, "the same rows");
        other.exec(&format!("DROP DATABASE `{}`", other.name)).await?;
    }
    line("first fill", median(&mut ours), "a bare loop on one connection", median(&mut bares), "1.5");
    lone("  its peak of memory", &format!("{} MB", peak / 1024), "under 300 MB");
    Ok(lines.len())
}

async fn resync(lab: &mut Lab, size: &Size) -> Result<()> {
    let mariadb = program("mariadb")?.display().to_string();
    let (mut ours, mut bares) = (Vec::new(), Vec::new());
    // Once to be warm.
    for round in 0..=size.rounds {
        lab.sim.clear_log();
        let (time, _) = sync(&lab.env_with(SETTINGS)).await?;
        let bare = bare::read(lab, &mariadb).await?;
        if round > 0 {
            ours.push(time);
            bares.push(bare);
        }
    }
    line("resync, no change", median(&mut ours), "HTTP, then mariadb --quick", median(&mut bares), "1.5");
    lab.db.mysql.set_general_log(true).await?;
    lab.forget_writes().await;
    sync(&lab.env_with(SETTINGS)).await?;
    let writes = lab.writes(&["cs_powerdns_owner"]).await;
    lab.db.mysql.set_general_log(false).await?;
    lone("  its writes", &writes.len().to_string(), "0");
    ensure!(writes.is_empty(), "a resync over an unchanged world wrote: {writes:#?}");
    Ok(())
}

async fn memory(lab: &Lab) -> Result<()> {
    const RESYNCS: u64 = 10;
    let settings = [SETTINGS, &[("RESYNC_INTERVAL", "1s"), ("RESYNC_MIN_INTERVAL", "1s")]].concat();
    let process = run(&lab.env_with(&settings)).await?;
    let pid = process.pid()?;
    let start = Instant::now();
    let (mut seen, mut resident) = (0, Vec::new());
    while seen <= RESYNCS {
        ensure!(start.elapsed() < LIMIT, "resyncs do not end:\n{}", process.output());
        let done = metric(&process, GOOD_RESYNCS).await?;
        if done > seen {
            seen = done;
            resident.push(usage(pid).unwrap_or_default());
        }
        sleep(Duration::from_millis(50)).await;
    }
    let mb = |kb: u64| kb / 1024;
    let (first, last) = (resident[0], resident[resident.len() - 1]);
    lone("memory after the first resync", &format!("{} MB", mb(first.resident)), "under 300 MB");
    lone("  after the tenth", &format!("{} MB", mb(last.resident)), "flat");
    lone("  peak of all", &format!("{} MB", mb(last.peak)), "under 300 MB");
    end(process).await
}
