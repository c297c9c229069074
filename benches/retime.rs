//! A change of the TTL of very many rows, and what events wait behind it.
//!
//!     cargo bench --workspace --bench retime -- --rows 100000
//!
//! Fills one zone with a record a VM, then serves with another `DNS_RECORD_TTL`. While the TTLs are set,
//! one VM after the other comes, and DNS is asked for its name until it answers; the same again when all is
//! set, which is what an event takes on this machine. Rows keep their ids: the bench ends with an error if
//! one is another row than before.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use testbed::{Controller, Lab, MariaDb, MariaDbOptions, PowerDns, VmSpec};
use tokio::time::sleep;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cs-powerdns");
const LIMIT: Duration = Duration::from_secs(1800);
const ZONE: &str = "example.org";
/// Between the answer to one VM's name and the next VM.
const PAUSE: Duration = Duration::from_millis(300);
/// How many VMs come when all TTLs are set.
const CONTROLS: usize = 20;

#[tokio::main]
async fn main() -> Result<()> {
    let rows = rows()?;
    let options = MariaDbOptions {
        buffer_pool: "1G".into(),
        general_log: false,
        extra: vec!["--innodb-log-file-size=512M".into()],
        ..MariaDbOptions::default()
    };
    let server = MariaDb::new(options)?;
    let mut lab = Lab::on(server.mysql(), "retime").await?;
    lab.db.zone(ZONE).await?;
    let world = lab.world();
    let account = world.add_account(&world.root(), "ops", Some(ZONE));
    for at in 0..rows {
        let address = format!("10.{}.{}.{}", at >> 16, at >> 8 & 255, at & 255);
        world.create_vm(VmSpec::new(&format!("vm-{at}"), &account).v4(&address));
    }
    let mut process = Controller::start(PROGRAM, &["sync"], &lab.env_with(SETTINGS))?;
    ensure!(process.wait_exit(LIMIT).await? == 0, "sync ended badly:\n{}", process.output());
    let before = identities(&lab).await?;

    lab.kafka();
    let mut env = lab.env_with(SETTINGS);
    env.insert("DNS_RECORD_TTL".into(), "90".into());
    // The mock broker answers a fetch at the end of its wait, whatever has come meanwhile.
    env.insert("KAFKA_CONFIG".into(), "fetch.wait.max.ms=5".into());
    let mut process = Controller::start(PROGRAM, &["run"], &env)?;
    while of_old_ttl(&lab).await? == rows {
        sleep(Duration::from_millis(5)).await;
    }
    let start = Instant::now();
    // What happens before the partitions are there, the next resync brings.
    while !process.get("/metrics").await?.1.lines().any(|line| line.ends_with("trigger_partitions 3")) {
        ensure!(start.elapsed() < LIMIT, "no partitions: {}", process.output());
        sleep(Duration::from_millis(20)).await;
    }
    let waiting = of_old_ttl(&lab).await?;
    ensure!(waiting > 0, "all TTLs were set before there were partitions: take more --rows");
    println!("{rows} rows, of which {waiting} wait for their TTL when the first VM comes\n");

    let dns = lab.dns().await;
    let (mut beside, mut at) = (Vec::new(), 0);
    while of_old_ttl(&lab).await? > 0 {
        beside.push(event(&lab, dns, &account, at).await?);
        at += 1;
    }
    println!("all set {:.1} s after the first, beside {at} VMs that came", start.elapsed().as_secs_f64());
    let mut after = Vec::new();
    for at in at..at + CONTROLS {
        after.push(event(&lab, dns, &account, at).await?);
    }
    show("event to DNS, TTLs being set", &mut beside);
    show("event to DNS, all TTLs set", &mut after);

    ensure!(identities(&lab).await? == before, "rows are not the same rows with another TTL");
    println!("\n{rows} rows have another TTL, and their ids and contents as before");
    process.sigterm()?;
    ensure!(process.wait_exit(LIMIT).await? == 0, "run ended badly:\n{}", process.output());
    Ok(())
}

const SETTINGS: &[(&str, &str)] =
    &[("DNS_ZONES", ZONE), ("DNS_MAX_LOSS_PERCENT", "0"), ("RESYNC_INTERVAL", "1d")];

fn rows() -> Result<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rows").skip(1);
    arguments.next().map_or(Ok(100_000), |value| value.parse().with_context(|| format!("--rows {value}")))
}

/// A VM comes: how long until DNS has its name.
async fn event(lab: &Lab, dns: &PowerDns, account: &str, at: usize) -> Result<Duration> {
    sleep(PAUSE).await;
    let (name, address) = (format!("late-{at}"), format!("10.200.{}.{}", at / 250, at % 250 + 1));
    let start = Instant::now();
    lab.world().create_vm(VmSpec::new(&name, account).v4(&address));
    while dns.dig(&format!("{name}.{ZONE}"), "A")? != [address.as_str()] {
        ensure!(start.elapsed() < LIMIT, "{name} is never answered");
        sleep(Duration::from_millis(10)).await;
    }
    Ok(start.elapsed())
}

fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| {
        let last = times.len().saturating_sub(1);
        times.get(last * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    println!(
        "{what:<30} {:4} VMs: p50 {:7.1} ms, p99 {:7.1} ms, at most {:7.1} ms",
        times.len(),
        at(50),
        at(99),
        at(100)
    );
}

/// How many rows have the TTL of the fill still.
async fn of_old_ttl(lab: &Lab) -> Result<usize> {
    let sql = "SELECT COUNT(*) FROM records WHERE type = 'A' AND ttl = 60";
    lab.db.query::<usize>(sql).await?.first().copied().context("a count")
}

/// How many rows the fill has written, and a digest of all that must stay of them.
async fn identities(lab: &Lab) -> Result<(u64, u64)> {
    let sql = "SELECT COUNT(*), CAST(BIT_XOR(CRC32(CONCAT_WS(' ', id, domain_id, name, type, content, disabled)) * id) \
               AS UNSIGNED) FROM records WHERE type = 'A' AND name LIKE 'vm-%'";
    lab.db.query::<(u64, u64)>(sql).await?.first().copied().context("a digest")
}
