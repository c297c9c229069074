//! A listing at a second a page, of a cloud that never stands still.

use super::{
    Size, lone,
    process::{FAILED_RESYNCS, GOOD_RESYNCS, LIMIT, end, gauge, metric, run, sync},
    shown,
    town::{self, SETTINGS},
};
use anyhow::{Result, ensure};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use testbed::Controller;
use tokio::time::sleep;

const VMS: usize = 20_000;
/// So many VMs come at each page, and as many go.
const CHURN: usize = 3;

pub async fn measure(size: &Size) -> Result<()> {
    let server = town::server()?;
    let (lab, vms) = town::lab(&server, "slow", size.vms(VMS)).await?;
    let living = vms.len();
    let settings = [SETTINGS, &[("RESYNC_INTERVAL", "1s"), ("RESYNC_MIN_INTERVAL", "1s")]].concat();
    let env = lab.env_with(&settings);
    sync(&env).await?;
    println!("{living} VMs at a second a page of 500, of which {CHURN} come and {CHURN} go at each page");
    // The next resync waits for four times the last one's time: the first is a fast one.
    let process = run(&env).await?;
    let before = metric(&process, GOOD_RESYNCS).await?;
    let account = lab.world().add_account(&lab.world().root(), "churn", None);
    let turned = Arc::new(AtomicUsize::new(0));
    let turn = Arc::clone(&turned);
    lab.sim.before_every_page(move |world, _| {
        for _ in 0..CHURN {
            let number = turn.fetch_add(1, Ordering::Relaxed);
            world.create_vm(testbed::VmSpec::new(&format!("new-{number}"), &account).v4("10.255.0.1"));
            world.destroy_vm(&vms[number]);
            world.expunge_vm(&vms[number]);
        }
    });
    lab.sim.set_latency(Duration::from_secs(1));
    let start = Instant::now();
    while metric(&process, GOOD_RESYNCS).await? == before {
        ensure!(start.elapsed() < LIMIT, "resyncs do not end:\n{}", process.output());
        sleep(Duration::from_millis(200)).await;
    }
    told("a resync while it serves", process).await?;
    told("the first one of another process", run(&env).await?).await?;

    lab.sim.before_every_page(|_, _| {});
    lab.sim.set_latency(Duration::from_millis(5));
    let (left, came) = (living - turned.load(Ordering::Relaxed), turned.load(Ordering::Relaxed));
    let standing = async |prefix: &str| {
        town::count(&lab.db, &format!("records WHERE type = 'A' AND name LIKE '{prefix}-%.cloud.example'"))
            .await
    };
    let kept = standing("vm").await?;
    ensure!(kept >= left as u64, "{kept} names of {left} living VMs");
    sync(&env).await?;
    let (kept, new) = (standing("vm").await?, standing("new").await?);
    ensure!((kept, new) == (left as u64, came as u64), "{kept} of {left} stayed, {new} of {came} came");
    lone("  living VMs without their name", "0", "0");
    Ok(())
}

async fn told(what: &str, process: Controller) -> Result<()> {
    let took = gauge(&process, "cs_powerdns_resync_duration_seconds").await?;
    let failures = metric(&process, FAILED_RESYNCS).await?;
    end(process).await?;
    lone(what, &shown(Duration::from_secs_f64(took)), "-");
    lone("  that failed before it", &failures.to_string(), "0");
    Ok(())
}
