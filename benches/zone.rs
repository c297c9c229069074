//! One change in a zone of few and of many rows: what it costs must not grow with the zone.
//!
//!     cargo bench --workspace --bench zone -- --rows 1000000
//!
//! For a forward zone without signatures, the same with all names two labels deeper, one signed with NSEC3,
//! and one under ip6.arpa: the time from the event until the rows stand, and how many rows the controller
//! has read for it, the medians of `--changes`, in zones of 100 and of `--rows` rows. Times of a shared
//! machine are noisy: the rows are what tells.

use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use testbed::{Controller, Lab, MariaDb, MariaDbOptions, VmSpec};
use tokio::time::sleep;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cs-powerdns");
const LIMIT: Duration = Duration::from_secs(600);
const SMALL: u64 = 100;

/// A way that a zone can be.
struct Kind {
    title: &'static str,
    /// Its apex is `small.` or `large.` and this; under ip6.arpa `1.` or `2.`.
    apex: &'static str,
    /// What stands between the apex and the names.
    below: &'static str,
    nsec3: bool,
}

const KINDS: [Kind; 4] = [
    Kind { title: "forward, unsigned", apex: "plain.test", below: "", nsec3: false },
    Kind { title: "forward, deep names", apex: "deep.test", below: "a.b.", nsec3: false },
    Kind { title: "forward, NSEC3", apex: "nsec3.test", below: "", nsec3: true },
    Kind { title: "ip6.arpa", apex: "8.b.d.0.1.0.0.2.ip6.arpa", below: "", nsec3: false },
];

impl Kind {
    fn is_reverse(&self) -> bool {
        self.apex.ends_with("arpa")
    }

    fn zone(&self, large: bool) -> String {
        let first = match (self.is_reverse(), large) {
            (true, false) => "1",
            (true, true) => "2",
            (false, false) => "small",
            (false, true) => "large",
        };
        format!("{first}.{}", self.apex)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let (rows, changes) = size()?;
    let options = MariaDbOptions {
        buffer_pool: "2G".into(),
        general_log: false,
        extra: vec!["--innodb-log-file-size=1G".into(), "--userstat=1".into()],
        ..MariaDbOptions::default()
    };
    let server = MariaDb::new(options)?;
    let mut lab = Lab::on(server.mysql(), "zone").await?;
    let begun = Instant::now();
    let mut accounts = Vec::new();
    for kind in &KINDS {
        accounts.push([found(&lab, kind, false, SMALL).await?, found(&lab, kind, true, rows).await?]);
    }
    lab.db.exec("ANALYZE TABLE records").await?;
    println!("zones of {SMALL} and of {rows} rows, filled in {:.0} s\n", begun.elapsed().as_secs_f64());

    lab.kafka();
    let mut env = lab.env_with(&[("DNS_PARENT_ZONES", "true"), ("RESYNC_INTERVAL", "1d")]);
    // The mock broker answers a fetch at the end of its wait, whatever has come meanwhile.
    env.insert("KAFKA_CONFIG".into(), "fetch.wait.max.ms=5".into());
    let mut process = Controller::start(PROGRAM, &["run"], &env)?;
    process.wait_ready(LIMIT).await?;
    while !process.get("/metrics").await?.1.lines().any(|line| line.ends_with("trigger_partitions 3")) {
        ensure!(begun.elapsed() < LIMIT, "no partitions: {}", process.output());
        sleep(Duration::from_millis(50)).await;
    }
    println!(
        "{:<22}{:<9}{:>13}{:>13}{:>8}{:>13}{:>13}",
        "", "", "ms small", "ms large", "ratio", "rows small", "rows large"
    );
    for (kind, accounts) in KINDS.iter().zip(&accounts) {
        measure(&lab, &process, kind, accounts, changes).await?;
    }

    // Zones and serials are read at least once in this time, and nothing else happens.
    let before = rows_read(&lab).await?;
    sleep(Duration::from_secs(35)).await;
    println!("\nrows read in 35 s without a change: {}", rows_read(&lab).await? - before);
    process.sigterm()?;
    ensure!(process.wait_exit(LIMIT).await? == 0, "run ended badly:\n{}", process.output());
    Ok(())
}

/// `--rows N` of the large zones, `--changes N` of each sort.
fn size() -> Result<(u64, usize)> {
    let (mut rows, mut changes) = (1_000_000, 7);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} without a number"));
        match argument.as_str() {
            "--rows" => rows = value()?.parse()?,
            "--changes" => changes = value()?.parse()?,
            // What cargo adds.
            _ => {}
        }
    }
    Ok((rows, changes))
}

/// A zone with so many rows of somebody else's, as `rectify-zone` leaves it, and an account whose VMs have
/// their names in it; the account's id.
async fn found(lab: &Lab, kind: &Kind, large: bool, rows: u64) -> Result<String> {
    let zone = kind.zone(large);
    let id = lab.db.zone(&zone).await?;
    // Consecutive addresses, as a network has them: the last five nibbles count, the others are 0.
    let (name, rtype, content) = if kind.is_reverse() {
        let nibbles = "CONCAT_WS('.', HEX(seq & 15), HEX(seq >> 4 & 15), HEX(seq >> 8 & 15), HEX(seq >> 12 & 15), HEX(seq >> 16 & 15))";
        (format!("LOWER(CONCAT({nibbles}, '.{}{zone}'))", "0.".repeat(18)), "PTR", "'host.example.net'")
    } else {
        (format!("CONCAT('r', seq, '.{}{zone}')", kind.below), "A", "INET_NTOA(167772160 + seq)")
    };
    let sql = format!(
        "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
         SELECT {id}, {name}, '{rtype}', {content}, 60, 0, 0, 1 FROM seq_1_to_{rows}"
    );
    lab.db.exec(&sql).await?;
    let dns = lab.dns().await;
    if kind.nsec3 {
        dns.pdnsutil(&["secure-zone", &zone])?;
        dns.pdnsutil(&["set-nsec3", &zone, "1 0 0 -"])?;
    }
    dns.pdnsutil(&["rectify-zone", &zone])?;
    let suffix = if kind.is_reverse() {
        let suffix = format!("of{}.test", if large { 2 } else { 1 });
        lab.db.zone(&suffix).await?;
        suffix
    } else {
        format!("{}{zone}", kind.below)
    };
    let world = lab.world();
    Ok(world.add_account(&world.root(), &zone, Some(&suffix)))
}

async fn measure(
    lab: &Lab,
    process: &Controller,
    kind: &Kind,
    accounts: &[String; 2],
    changes: usize,
) -> Result<()> {
    // By what was done, by the zone: time and rows read.
    let mut taken: [[Vec<(Duration, u64)>; 2]; 3] = Default::default();
    for at in 0..changes {
        for (large, account) in accounts.iter().enumerate() {
            let net = large + 1;
            let address = |host: usize| {
                if kind.is_reverse() {
                    (None, Some(format!("2001:db8:{net}000::10:{host:x}")))
                } else {
                    (Some(format!("203.0.113.{host}")), None)
                }
            };
            let (v4, v6) = address(2 * at);
            let spec = VmSpec { v4: v4.clone(), v6: v6.clone(), ..VmSpec::new(&format!("vm{at}"), account) };
            let mut vm = String::new();
            let stands = |host: usize| {
                let zone = kind.zone(large == 1);
                if kind.is_reverse() {
                    format!("name = '{}'", reverse(host, &zone))
                } else {
                    format!("name = 'vm{at}.{}{zone}' AND content = '203.0.113.{host}'", kind.below)
                }
            };
            taken[0][large]
                .push(timed(lab, process, &stands(2 * at), 1, || vm = lab.world().create_vm(spec)).await?);
            let (v4, v6) = address(2 * at + 1);
            let change = || lab.world().set_address(&vm, v4.as_deref(), v6.as_deref());
            taken[1][large].push(timed(lab, process, &stands(2 * at + 1), 1, change).await?);
            let go = || lab.world().destroy_vm(&vm);
            taken[2][large].push(timed(lab, process, &stands(2 * at + 1), 0, go).await?);
        }
    }
    for (what, [small, large]) in ["create", "change", "delete"].iter().zip(&mut taken) {
        let (small, large) = (median(small), median(large));
        let ms = |(time, _): (Duration, u64)| time.as_secs_f64() * 1000.0;
        println!(
            "{:<22}{what:<9}{:>13.1}{:>13.1}{:>8.2}{:>13}{:>13}",
            kind.title,
            ms(small),
            ms(large),
            ms(large) / ms(small),
            small.1,
            large.1
        );
    }
    Ok(())
}

/// The reverse name of the host in the network `::10:0` of a zone, where nobody else is.
fn reverse(host: usize, zone: &str) -> String {
    let hex = format!("{host:04x}");
    let low: String = hex.chars().rev().flat_map(|nibble| [nibble, '.']).collect();
    format!("{low}0.1.{}{zone}", "0.".repeat(17))
}

fn median(taken: &mut [(Duration, u64)]) -> (Duration, u64) {
    let mut rows: Vec<u64> = taken.iter().map(|one| one.1).collect();
    rows.sort_unstable();
    taken.sort_unstable();
    (taken[taken.len() / 2].0, rows[rows.len() / 2])
}

/// How long until so many rows stand, and how many rows the controller read for it.
async fn timed(
    lab: &Lab,
    process: &Controller,
    stands: &str,
    wanted: u64,
    change: impl FnOnce(),
) -> Result<(Duration, u64)> {
    let sql = format!("SELECT COUNT(*) FROM records WHERE {stands} AND type IS NOT NULL");
    // An idle controller, and one VM is looked at no more than once a second.
    sleep(Duration::from_millis(1100)).await;
    let before = rows_read(lab).await?;
    let start = Instant::now();
    change();
    while lab.db.query::<u64>(&sql).await? != [wanted] {
        ensure!(start.elapsed() < LIMIT, "waiting for {sql}:\n{}", process.output());
        sleep(Duration::from_millis(1)).await;
    }
    let time = start.elapsed();
    sleep(Duration::from_millis(50)).await;
    Ok((time, rows_read(lab).await? - before))
}

/// How many rows the controller's statements have read so far.
async fn rows_read(lab: &Lab) -> Result<u64> {
    let sql =
        format!("SELECT ROWS_READ FROM information_schema.USER_STATISTICS WHERE USER = '{}'", lab.db.user);
    let found: Vec<u64> = lab.db.query(&sql).await?;
    Ok(found.first().copied().unwrap_or(0))
}
