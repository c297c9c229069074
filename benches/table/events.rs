//! From an event to its COMMIT, one at a time: idle, and while everything is audited.

use super::{
    LARGE, Size, line, lone, percentile,
    process::{GOOD_RESYNCS, end, listen, metric, sync, until},
    town::{self, SETTINGS},
};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use testbed::{Controller, Lab};
use tokio::time::sleep;

const API: Duration = Duration::from_millis(20);

pub async fn measure(size: &Size) -> Result<()> {
    let server = town::server()?;
    let (mut lab, vms) = town::lab(&server, "events", size.vms(LARGE)).await?;
    sync(&lab.env_with(SETTINGS)).await?;
    lab.db.exec("CREATE TABLE bench (id INT AUTO_INCREMENT PRIMARY KEY)").await?;
    println!("one event at a time, API in 20 ms, {} VMs", size.vms(LARGE));

    lab.sim.set_latency(API);
    let process = listen(&mut lab, &[SETTINGS, &[("RESYNC_INTERVAL", "1h")]].concat()).await?;
    // What the start has left to do.
    sleep(Duration::from_secs(2)).await;
    let trips = metric(&process, "cs_powerdns_sql_round_trips_total").await?;
    let idle = events(&lab, &process, &vms[..size.events.min(vms.len())], "idle").await?;
    let trips = metric(&process, "cs_powerdns_sql_round_trips_total").await? - trips;
    end(process).await?;
    let Taken { mut ours, mut bare } = idle;
    for percent in [50, 99] {
        let (ours, bare) = (percentile(&mut ours, percent), percentile(&mut bare, percent));
        let aim = if percent == 50 { "+ 10 ms" } else { "+ 50 ms" };
        line(&format!("one event, idle, p{percent}"), ours, "one API answer and one COMMIT", bare, aim);
    }
    let each = trips / u64::try_from(size.events.min(vms.len()))?.max(1);
    lone("  SQL round trips an event", &each.to_string(), "at most 12");

    // An audit follows the other; what it reads, it reads beside the events.
    let settings = [SETTINGS, &[("RESYNC_INTERVAL", "1s"), ("RESYNC_MIN_INTERVAL", "1s")]].concat();
    let process = listen(&mut lab, &settings).await?;
    let resyncs = metric(&process, GOOD_RESYNCS).await?;
    let beside = size.events.min(vms.len()) / 4;
    let Taken { mut ours, .. } = events(&lab, &process, &vms[vms.len() - beside..], "audit").await?;
    let resyncs = metric(&process, GOOD_RESYNCS).await? - resyncs;
    end(process).await?;
    for percent in [50, 99] {
        let taken = percentile(&mut ours, percent);
        let aim = if percent == 50 { "-" } else { "under 500 ms" };
        lone(&format!("one event during audits, p{percent}"), &super::shown(taken), aim);
    }
    lone("  resyncs meanwhile", &resyncs.to_string(), "-");
    Ok(())
}

struct Taken {
    ours: Vec<Duration>,
    bare: Vec<Duration>,
}

/// Renames one VM after the other; beside each, what a look-up and a COMMIT take at the same time.
async fn events(lab: &Lab, process: &Controller, vms: &[String], word: &str) -> Result<Taken> {
    let client = reqwest::Client::new();
    let mut taken = Taken { ours: Vec::new(), bare: Vec::new() };
    let mut connection = lab.db.admin.get_conn().await?;
    for (at, vm) in vms.iter().enumerate() {
        lab.sim.clear_log();
        let start = Instant::now();
        lab.world().rename_vm(vm, &format!("{word}-{at}"));
        let sql = format!("SELECT COUNT(*) FROM records WHERE name = '{word}-{at}.cloud.example'");
        until(process, lab, &sql, 2, Duration::from_millis(1)).await?;
        taken.ours.push(start.elapsed());

        let log = lab.sim.log();
        let asked =
            log.iter().find(|(_, parameters)| parameters.keys().any(|key| key == "ids" || key == "id"));
        let (_, parameters) = asked.context("a look-up of the VM")?;
        let start = Instant::now();
        let answer = client.get(lab.sim.endpoint()).query(parameters).send().await?;
        ensure!(answer.status().is_success(), "the simulator refuses what it has answered before");
        answer.bytes().await?;
        mysql_async::prelude::Queryable::query_drop(&mut connection, "INSERT INTO bench VALUES (NULL)")
            .await?;
        taken.bare.push(start.elapsed());
    }
    Ok(taken)
}
