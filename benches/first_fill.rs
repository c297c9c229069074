//! How long an operator's own edit waits while a cloud of many VMs is written for the first time.
//!
//!     cargo bench --workspace --bench first_fill -- --vms 10000
//!
//! One PATCH after the other goes to the PowerDNS API, in three zones that the fill writes at the same time:
//! a tenant's, the common zone that has all VMs, and the largest reverse zone. The API reads the whole zone
//! at every PATCH (it rectifies it), so its time grows with the zone whoever else writes: what the fill adds
//! is the difference to the same PATCHes afterwards. How long anybody waited for a row that another one had
//! locked, the server counts itself.

use anyhow::{Context, Result, ensure};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use testbed::{Controller, Lab, MariaDb, MariaDbOptions, PowerDns, PowerDnsOptions, VmSpec};
use tokio::{task::JoinHandle, time::sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cs-powerdns");
const LIMIT: Duration = Duration::from_secs(1800);
const TENANTS: usize = 40;
const COMMON: &str = "cloud.example";
const REVERSE: &str = "10.in-addr.arpa";
/// The zones that are edited, each with a record of the operator's type in it.
const EDITED: [(&str, &str); 3] = [("d0.example.org", "A"), (COMMON, "A"), (REVERSE, "PTR")];
/// Between two PATCHes to one zone.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> Result<()> {
    let vms = vms()?;
    let options = MariaDbOptions {
        buffer_pool: "1G".into(),
        general_log: false,
        extra: vec!["--innodb-log-file-size=512M".into()],
        ..MariaDbOptions::default()
    };
    let server = MariaDb::new(options)?;
    let lab = Lab::on(server.mysql(), "first_fill").await?;
    lab.sim.set_latency(Duration::from_millis(5));
    fill(&lab, vms).await?;
    let options = PowerDnsOptions { default_caches: true, ..PowerDnsOptions::default() };
    let dns = Arc::new(PowerDns::start(&lab.db, &options).await?);

    let before = edits(&dns, Duration::from_secs(3)).await?;
    let over = Arc::new(AtomicBool::new(false));
    let editors = EDITED.map(|(zone, kind)| edit(dns.clone(), zone, kind, over.clone()));
    let settings = [
        ("DNS_COMMON_ZONE", COMMON),
        ("DNS_ADD_TO_COMMON_ZONE", "true"),
        ("DNS_ZONES", "example.org,cloud.example"),
    ];
    let start = Instant::now();
    let mut process = Controller::start(PROGRAM, &["sync"], &lab.env_with(&settings))?;
    let code = process.wait_exit(LIMIT).await?;
    let took = start.elapsed();
    over.store(true, Ordering::Relaxed);
    ensure!(code == 0, "sync ended with {code}:\n{}", process.output());
    let during = all(editors).await?;
    let waits = waits(&lab).await?;
    let after = edits(&dns, Duration::from_secs(60)).await?;

    let rows: Vec<u64> = lab.db.query("SELECT COUNT(*) FROM cs_powerdns_ledger").await?;
    println!("{vms} VMs, {} records in {:.1} s beside the edits\n", rows[0], took.as_secs_f64());
    for (at, (zone, _)) in EDITED.iter().enumerate() {
        println!("PATCH to {zone}\n  before {}\n  during {}\n  after  {}", before[at], during[at], after[at]);
    }
    println!("waits for row locks, of anybody: {waits}");
    // Why it refused edits.
    for line in
        dns.log().lines().filter(|line| line.contains("Backend error") || line.contains("HTTP ISE")).take(10)
    {
        println!("{line}");
    }
    Ok(())
}

/// What the server has counted since its start, all of its connections together.
async fn waits(lab: &Lab) -> Result<String> {
    let count = async |what: &str| {
        let sql = format!(
            "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Innodb_row_lock_{what}'"
        );
        let value: Vec<String> = lab.db.query(&sql).await?;
        value.into_iter().next().with_context(|| format!("Innodb_row_lock_{what} is not told"))
    };
    let (number, sum, longest) = (count("waits").await?, count("time").await?, count("time_max").await?);
    Ok(format!("{number}, {sum} ms in sum, at most {longest} ms"))
}

fn vms() -> Result<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--vms").skip(1);
    arguments.next().map_or(Ok(10_000), |value| value.parse().with_context(|| format!("--vms {value}")))
}

/// Zones, tenants and their VMs.
async fn fill(lab: &Lab, vms: usize) -> Result<()> {
    let world = lab.world();
    let mut accounts = Vec::new();
    for tenant in 0..TENANTS {
        let zone = format!("d{tenant}.example.org");
        lab.db.zone(&zone).await?;
        let domain = world.add_domain(&format!("d{tenant}"), &world.root(), Some(&zone));
        accounts.push(world.add_account(&domain, "ops", None));
    }
    for zone in [COMMON, REVERSE] {
        lab.db.zone(zone).await?;
    }
    // As zones have it that were made by the API: its edits move the serial, too.
    let values = "SELECT id, 'SOA-EDIT-API', 'DEFAULT' FROM domains";
    lab.db.exec(&format!("INSERT INTO domainmetadata (domain_id, kind, content) {values}")).await?;
    for at in 0..vms {
        let (network, host) = (at / 250, at % 250 + 1);
        let spec = VmSpec::new(&format!("vm-{at}"), &accounts[at % TENANTS]);
        world.create_vm(spec.v4(&format!("10.{}.{}.{host}", network / 256, network % 256)));
    }
    Ok(())
}

/// The times of many PATCHes, sorted, and what went wrong.
#[derive(Default)]
struct Times {
    times: Vec<Duration>,
    refused: Vec<String>,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |percent: usize| {
            let last = self.times.len().saturating_sub(1);
            self.times.get(last * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        let Self { times, refused } = self;
        write!(f, "{:5} edits: p50 {:7.1} ms, p99 {:7.1} ms", times.len(), at(50), at(99))?;
        write!(f, ", at most {:7.1} ms; refused {}", at(100), refused.len())?;
        refused.first().map_or(Ok(()), |first| write!(f, ", the first: {first}"))
    }
}

/// PATCHes to all three zones at once, for so long.
async fn edits(dns: &Arc<PowerDns>, time: Duration) -> Result<Vec<Times>> {
    let over = Arc::new(AtomicBool::new(false));
    let editors = EDITED.map(|(zone, kind)| edit(dns.clone(), zone, kind, over.clone()));
    sleep(time).await;
    over.store(true, Ordering::Relaxed);
    all(editors).await
}

async fn all(editors: [JoinHandle<Result<Times>>; 3]) -> Result<Vec<Times>> {
    let mut out = Vec::new();
    for editor in editors {
        let mut times = editor.await??;
        times.times.sort_unstable();
        out.push(times);
    }
    Ok(out)
}

/// One PATCH after the other, each to one of ten names, until it is over.
fn edit(
    dns: Arc<PowerDns>,
    zone: &'static str,
    kind: &'static str,
    over: Arc<AtomicBool>,
) -> JoinHandle<Result<Times>> {
    tokio::spawn(async move {
        let client = reqwest::Client::new();
        let url = format!("{}/api/v1/servers/localhost/zones/{zone}.", dns.api_url());
        let mut out = Times::default();
        for at in 0_usize.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let content =
                if kind == "PTR" { format!("op{at}.example.") } else { format!("198.51.100.{}", at % 250) };
            let body = serde_json::json!({ "rrsets": [{
                "name": format!("{}.{zone}.", if kind == "PTR" { format!("{}.255.255", at % 10) } else { format!("op{}", at % 10) }),
                "type": kind, "ttl": 300, "changetype": "REPLACE",
                "records": [{ "content": content, "disabled": false }],
            }]});
            let start = Instant::now();
            let answer = client
                .patch(&url)
                .header("X-API-Key", &dns.api_key)
                .timeout(LIMIT)
                .json(&body)
                .send()
                .await?;
            out.times.push(start.elapsed());
            if !answer.status().is_success() {
                out.refused.push(answer.text().await?);
            }
            sleep(PAUSE).await;
        }
        Ok(out)
    })
}
