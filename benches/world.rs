//! The whole program on a cloud of many VMs: first fill, resync, events.
//!
//!     cargo bench --workspace --bench world -- --vms 10000
//!
//! Runs the program as a process, against a MariaDB of its own and the simulator, which share the
//! machine with it. Times of a shared machine are noisy: compare ratios, and medians of several runs.
//! A resync over an unchanged world must write nothing; the bench ends with an error if it does.

use anyhow::{Context, Result, ensure};
use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};
use testbed::{Controller, Lab, MariaDb, MariaDbOptions, VmSpec, World};
use tokio::time::sleep;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cs-powerdns");
/// Longest wait for one pass or one event.
const LIMIT: Duration = Duration::from_secs(1800);

const DOMAINS: usize = 40;
const ACCOUNTS: usize = 200;
/// One VM in so many is in its account's group.
const GROUPED: usize = 5;
/// Addresses used of each IPv4 network, which is a reverse zone.
const NETWORK: usize = 250;

/// What to measure.
struct Size {
    vms: usize,
    events: usize,
    burst: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let size = size()?;
    let options = MariaDbOptions {
        buffer_pool: "1G".into(),
        general_log: false,
        extra: vec!["--innodb-log-file-size=512M".into()],
        ..MariaDbOptions::default()
    };
    let server = MariaDb::new(options)?;
    let mut lab = Lab::on(server.mysql(), "world").await?;
    lab.sim.set_latency(Duration::from_millis(5));
    zones(&lab, size.vms).await?;
    let vms = cloud(lab.world(), size.vms);
    println!("{}", machine());
    println!("{} VMs, {DOMAINS} domains, {ACCOUNTS} accounts, 1 VM in {GROUPED} in a group", size.vms);
    println!("API pages of 500 in 5 ms; MariaDB with a buffer pool of 1 GB, a log flush a commit\n");

    let empty = count(&lab, "records").await?;
    let fill = pass(&lab.env_with(SETTINGS)).await?;
    let rows = count(&lab, "records").await? - empty;
    println!("first fill   {fill}   {rows} rows, {:.0} rows/s", per_second(rows, fill.time));

    let before = serials(&lab).await?;
    lab.db.mysql.set_general_log(true).await?;
    lab.forget_writes().await;
    let resync = pass(&lab.env_with(SETTINGS)).await?;
    let writes = lab.writes(&["cs_powerdns_owner"]).await;
    lab.db.mysql.set_general_log(false).await?;
    ensure!(writes.is_empty(), "a resync over an unchanged world wrote: {writes:#?}");
    ensure!(serials(&lab).await? == before, "a resync over an unchanged world moved a serial");
    let entries = count(&lab, "cs_powerdns_ledger").await?;
    println!("resync       {resync}   {entries} entries, nothing written");

    serve(&mut lab, &vms, &size).await
}

/// `--vms N`, `--events N` (measured one by one) and `--burst N` (all at once).
fn size() -> Result<Size> {
    let mut size = Size { vms: 10_000, events: 30, burst: 1000 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let place = match argument.as_str() {
            "--vms" => &mut size.vms,
            "--events" => &mut size.events,
            "--burst" => &mut size.burst,
            // What cargo adds.
            _ => continue,
        };
        let value = arguments.next().with_context(|| format!("{argument} without a number"))?;
        *place = value.parse().with_context(|| format!("{argument} {value}"))?;
    }
    size.burst = size.burst.min(size.vms);
    size.events = size.events.min(size.vms);
    Ok(size)
}

const SETTINGS: &[(&str, &str)] =
    &[("DNS_COMMON_ZONE", "cloud.example"), ("DNS_ADD_TO_COMMON_ZONE", "true"), ("DNS_ZONES", ZONES)];
const ZONES: &str = "example.org,cloud.example";

async fn zones(lab: &Lab, vms: usize) -> Result<()> {
    for domain in 0..DOMAINS {
        lab.db.zone(&format!("d{domain}.example.org")).await?;
    }
    for network in 0..vms.div_ceil(NETWORK) {
        lab.db.zone(&format!("{}.{}.10.in-addr.arpa", network % 256, network / 256)).await?;
    }
    lab.db.zone("cloud.example").await?;
    lab.db.zone("8.b.d.0.1.0.0.2.ip6.arpa").await?;
    Ok(())
}

/// Fills the cloud; the ids of its VMs.
fn cloud(world: &World, vms: usize) -> Vec<String> {
    let owners: Vec<String> = (0..DOMAINS)
        .flat_map(|nth| {
            let domain =
                world.add_domain(&format!("d{nth}"), &world.root(), Some(&format!("d{nth}.example.org")));
            let account = move |at| world.add_account(&domain, &format!("account{at}"), None);
            (0..ACCOUNTS / DOMAINS).map(account).collect::<Vec<_>>()
        })
        .collect();
    let spec = |at: usize| {
        let (network, host) = (at / NETWORK, at % NETWORK + 1);
        let spec = VmSpec::new(&format!("vm-{at}"), &owners[at % ACCOUNTS])
            .v4(&format!("10.{}.{}.{host}", network / 256, network % 256))
            .v6(&format!("2001:db8:0:{network:x}::{host:x}"));
        // By round, not by number: the owners repeat every 200.
        if (at / ACCOUNTS).is_multiple_of(GROUPED) { spec.group("www") } else { spec }
    };
    (0..vms).map(|at| world.create_vm(spec(at))).collect()
}

/// What one run of the program took.
struct Taken {
    time: Duration,
    used: Used,
}

/// What a process has used so far.
#[derive(Clone, Copy, Default)]
struct Used {
    /// Of all cores, in hundredths of a second: of what is here, the least noisy on a shared machine.
    cpu: u64,
    /// The most memory that was resident, in kB.
    memory: u64,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8.2} s   {}", self.time.as_secs_f64(), self.used)
    }
}

impl std::fmt::Display for Used {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cpu, memory } = self;
        write!(f, "cpu {:4}.{:02} s   peak {:4} MB", cpu / 100, cpu % 100, memory / 1024)
    }
}

/// `sync`, which must end well.
async fn pass(env: &HashMap<String, String>) -> Result<Taken> {
    let start = Instant::now();
    let mut process = Controller::start(PROGRAM, &["sync"], env)?;
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
    Ok(Taken { time: start.elapsed(), used })
}

/// `run`: how long until the row of an event stands, one event at a time and many at once.
async fn serve(lab: &mut Lab, vms: &[String], size: &Size) -> Result<()> {
    lab.kafka();
    let start = Instant::now();
    // The mock broker answers a fetch at the end of its wait, whatever has come meanwhile.
    let mut env = lab.env_with(SETTINGS);
    env.insert("KAFKA_CONFIG".into(), "fetch.wait.max.ms=5".into());
    let mut process = Controller::start(PROGRAM, &["run"], &env)?;
    process.wait_ready(LIMIT).await?;
    println!("ready        {:8.2} s after the start of `run`", start.elapsed().as_secs_f64());
    // What happens before the partitions are there, the next resync brings.
    while !process.get("/metrics").await?.1.lines().any(|line| line.ends_with("trigger_partitions 3")) {
        ensure!(start.elapsed() < LIMIT, "no partitions: {}", process.output());
        sleep(Duration::from_millis(50)).await;
    }
    let mut times = Vec::new();
    for (at, vm) in vms.iter().take(size.events).enumerate() {
        sleep(Duration::from_millis(200)).await;
        let start = Instant::now();
        lab.world().rename_vm(vm, &format!("one-{at}"));
        let name = format!("one-{at}.cloud.example");
        let sql = format!("SELECT COUNT(*) FROM records WHERE name = '{name}'");
        until(&process, lab, &sql, 2).await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    if let (Some(median), Some(most)) = (times.get(times.len() / 2), times.last()) {
        println!("one event    {median:8.0?} median, {most:.0?} at most, of {}", times.len());
    }
    let start = Instant::now();
    for (at, vm) in vms.iter().rev().take(size.burst).enumerate() {
        lab.world().rename_vm(vm, &format!("many-{at}"));
    }
    let sql = "SELECT COUNT(*) FROM records WHERE type = 'PTR' AND content LIKE 'many-%'";
    until(&process, lab, sql, 2 * u64::try_from(size.burst)?).await?;
    println!("{} events  {:8.2} s until all stand", size.burst, start.elapsed().as_secs_f64());
    println!("`run` in all              {}", usage(process.pid()?).unwrap_or_default());
    process.sigterm()?;
    let code = process.wait_exit(LIMIT).await?;
    ensure!(code == 0, "run ended with {code}:\n{}", process.output());
    Ok(())
}

/// Waits until a counting query finds so many.
async fn until(process: &Controller, lab: &Lab, sql: &str, wanted: u64) -> Result<()> {
    let start = Instant::now();
    while lab.db.query::<u64>(sql).await? != [wanted] {
        ensure!(start.elapsed() < Duration::from_secs(120), "waiting for {sql}:\n{}", process.output());
        sleep(Duration::from_millis(if wanted > 10 { 100 } else { 2 })).await;
    }
    Ok(())
}

/// None once the process has ended.
fn usage(pid: u32) -> Option<Used> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let memory = line.split_whitespace().next()?.parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the program's name, which may have anything in it; in ticks of 10 ms on every Linux.
    let mut ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (ticks.next()?.parse().ok()?, ticks.next()?.parse().ok()?);
    Some(Used { cpu: user + system, memory })
}

async fn count(lab: &Lab, table: &str) -> Result<u64> {
    let found: Vec<u64> = lab.db.query(&format!("SELECT COUNT(*) FROM {table}")).await?;
    found.first().copied().context("a count")
}

async fn serials(lab: &Lab) -> Result<Vec<(u32, String)>> {
    lab.db.query("SELECT domain_id, content FROM records WHERE type = 'SOA' ORDER BY id").await
}

#[allow(clippy::cast_precision_loss)]
fn per_second(rows: u64, time: Duration) -> f64 {
    rows as f64 / time.as_secs_f64()
}

/// How large this machine is, and how busy others keep it.
fn machine() -> String {
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
