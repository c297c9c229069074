//! A listing at a second a page, of a cloud that never stands still.

use super::{
    lone,
    process::{FAILED_RESYNCS, GOOD_RESYNCS, LIMIT, end, metric, run, sync},
    shown,
    town::{self, SETTINGS},
};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use testbed::VmSpec;
use tokio::time::sleep;

const VMS: usize = 20_000;
const RESYNCS: u64 = 3;

pub async fn measure() -> Result<()> {
    let server = town::server()?;
    let (lab, vms) = town::lab(&server, "slow", VMS).await?;
    sync(&lab.env_with(SETTINGS)).await?;
    lab.sim.set_latency(Duration::from_secs(1));
    let account = lab.world().add_account(&lab.world().root(), "churn", None);
    let mut number = 0;
    lab.sim.before_every_page(move |world, _| {
        for _ in 0..3 {
            world.create_vm(VmSpec::new(&format!("new-{number}"), &account).v4("10.255.0.1"));
            world.destroy_vm(&vms[number]);
            world.expunge_vm(&vms[number]);
            number += 1;
        }
    });
    let settings = [SETTINGS, &[("RESYNC_INTERVAL", "1s"), ("RESYNC_MIN_INTERVAL", "1s")]].concat();
    let process = run(&lab.env_with(&settings)).await?;
    let start = Instant::now();
    while metric(&process, GOOD_RESYNCS).await? < RESYNCS {
        ensure!(start.elapsed() < LIMIT, "resyncs do not end:\n{}", process.output());
        sleep(Duration::from_millis(200)).await;
    }
    let failures = metric(&process, FAILED_RESYNCS).await?;
    end(process).await?;
    println!("{VMS} VMs at a second a page of 500, 6 of them come or go at each page");
    lone("a resync", &shown(start.elapsed() / u32::try_from(RESYNCS)?), "-");
    lone("  of them failed", &failures.to_string(), "0");
    Ok(())
}
