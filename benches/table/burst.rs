//! A flood of events for few VMs.

use super::{
    bare, line, lone, median,
    process::{LIMIT, end, listen, metric, sync},
    town::{self, SETTINGS},
};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use testbed::broker;
use tokio::time::sleep;

const VMS: usize = 1000;
const EVENTS: usize = 100_000;
const ROUNDS: usize = 3;
const PARTITIONS: i32 = 16;

pub async fn measure() -> Result<()> {
    let server = town::server()?;
    let (mut lab, vms) = town::lab(&server, "burst", VMS).await?;
    sync(&lab.env_with(SETTINGS)).await?;
    println!("{EVENTS} events for {VMS} VMs");
    lab.kafka();
    // The mock broker keeps 5 MB a partition.
    let topic = format!("{}-wide", lab.topic);
    broker().create_topic(&topic, PARTITIONS)?;
    lab.world().publish_to(broker().sink(&topic));
    let settings = [("RESYNC_INTERVAL", "1h"), ("LEASE_TTL", "5m"), ("KAFKA_TOPIC", topic.as_str())];
    let process = listen(&mut lab, &[SETTINGS, &settings].concat()).await?;
    let (mut ours, mut bares) = (Vec::new(), Vec::new());
    let mut most = 0;
    let publisher = broker().publisher();
    let mut bare = bare::Consumer::start(&topic, EVENTS).await?;
    // It has asked for what comes, and waits.
    sleep(Duration::from_secs(1)).await;
    for round in 1..=ROUNDS {
        lab.world().hold_events();
        for vm in &vms {
            lab.world().set_group(vm, Some(&format!("g{round}")));
        }
        let events: Vec<String> = lab.world().take_held().into_iter().map(|event| event.value).collect();
        let before = metric(&process, "cs_powerdns_trigger_messages_total").await?;
        lab.sim.clear_log();
        // Either finds all of them when it wakes: what is compared is reading, not the producer.
        process.signal("STOP")?;
        bare.signal("STOP").await?;
        publisher.publish_all(&topic, events.iter().cycle().take(EVENTS).cloned()).await?;
        process.signal("CONT")?;
        let start = Instant::now();
        while metric(&process, "cs_powerdns_trigger_messages_total").await? < before + EVENTS as u64 {
            ensure!(start.elapsed() < LIMIT, "events are missing:\n{}", process.output());
            sleep(Duration::from_millis(5)).await;
        }
        ours.push(start.elapsed());
        while metric(&process, "cs_powerdns_dirty_vms").await? > 0 {
            ensure!(start.elapsed() < LIMIT, "VMs stay dirty:\n{}", process.output());
            sleep(Duration::from_millis(20)).await;
        }
        most = most.max(lab.sim.log().len());
        let start = Instant::now();
        bare.signal("CONT").await?;
        bare.done().await?;
        bares.push(start.elapsed());
    }
    end(process).await?;
    line("reading them", median(&mut ours), "librdkafka and IgnoredAny", median(&mut bares), "1.25");
    let bound = 3 * VMS.div_ceil(200) + 10;
    lone("  API requests", &most.to_string(), &format!("at most {bound}"));
    Ok(())
}
