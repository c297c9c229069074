//! The network domain of an account with many VMs changes.

use super::{
    Size, line, lone, percentile,
    process::{LIMIT, end, listen, sync, until},
    shown, town,
};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use testbed::{Lab, VmSpec};
use tokio::time::sleep;

/// VMs of the account.
const MOST: usize = 10_000;

pub async fn measure(size: &Size) -> Result<()> {
    let vms = size.vms(MOST).min(MOST);
    let server = town::server()?;
    let mut lab = Lab::on(server.mysql(), "rename").await?;
    lab.sim.set_latency(Duration::from_millis(5));
    for zone in ["old.test", "new.test", "other.test", "10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"] {
        lab.db.zone(zone).await?;
    }
    let world = lab.world();
    let large = world.add_account(&world.root(), "large", Some("old.test"));
    let small = world.add_account(&world.root(), "small", Some("other.test"));
    for at in 0..vms {
        let spec = VmSpec::new(&format!("vm-{at}"), &large)
            .v4(&format!("10.0.{}.{}", at / 250, at % 250 + 1))
            .v6(&format!("2001:db8:0:{:x}::{:x}", at / 250, at % 250 + 1));
        world.create_vm(spec);
    }
    let others: Vec<String> = (0..250)
        .map(|at| {
            let spec = VmSpec::new(&format!("vm-{at}"), &small);
            world.create_vm(spec.v4(&format!("10.1.0.{}", at + 1)))
        })
        .collect();
    println!("an account with {vms} VMs gets another network domain");
    let (first, _) = sync(&lab.env()).await?;
    // No event says which names an account loses by it: with the usual bound they are held for an operator.
    let settings = [("RESYNC_INTERVAL", "1h"), ("DNS_MAX_LOSS_PERCENT", "100")];
    let process = listen(&mut lab, &settings).await?;
    sleep(Duration::from_secs(2)).await;

    let start = Instant::now();
    lab.world().set_account_network_domain(&large, Some("new.test"));
    let mut live = Vec::new();
    let moved = "SELECT COUNT(*) FROM records WHERE type = 'A' AND domain_id = \
                 (SELECT id FROM domains WHERE name = 'new.test')";
    let left = "SELECT COUNT(*) FROM records WHERE type = 'A' AND domain_id = \
                (SELECT id FROM domains WHERE name = 'old.test')";
    let mut others = others.iter().enumerate();
    let took = loop {
        ensure!(start.elapsed() < LIMIT, "the names do not move:\n{}", process.output());
        let done =
            lab.db.query::<u64>(moved).await? == [vms as u64] && lab.db.query::<u64>(left).await? == [0];
        if done {
            break start.elapsed();
        }
        if let Some((at, vm)) = others.next() {
            let start = Instant::now();
            lab.world().rename_vm(vm, &format!("live-{at}"));
            let sql = format!("SELECT COUNT(*) FROM records WHERE name = 'live-{at}.other.test'");
            until(&process, &lab, &sql, 1, Duration::from_millis(2)).await?;
            live.push(start.elapsed());
        }
        sleep(Duration::from_millis(50)).await;
    };
    end(process).await?;
    line("all its names move", took, "first fill of the same VMs", first, "2.5");
    let events = live.len();
    lone(&format!("  p99 of {events} events meanwhile"), &shown(percentile(&mut live, 99)), "under 500 ms");
    Ok(())
}
