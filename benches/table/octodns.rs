//! octoDNS, which keeps zones equal to files by way of the PowerDNS API, on the same records.

use super::{
    Size, line, median,
    process::sync,
    town::{self, SETTINGS},
};
use anyhow::{Context, Result, ensure};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    time::{Duration, Instant},
};
use testbed::{Lab, PdnsDb, PowerDns, PowerDnsOptions, watchdog::TempDir};
use tokio::process::Command;

/// About 100 000 records.
const VMS: usize = 15_000;
const ROUNDS: usize = 3;

pub async fn measure(size: &Size) -> Result<()> {
    let vms = VMS.min(size.vms);
    let folder = TempDir::new("octodns")?;
    install(folder.path()).await?;
    let server = town::server()?;
    let (lab, ids) = town::lab(&server, "octodns", vms).await?;
    sync(&lab.env_with(SETTINGS)).await?;
    // octoDNS works on a copy, so that both have the same to do.
    let copy = server.mysql().create("copy").await?;
    for table in ["domains", "records"] {
        copy.exec(&format!("INSERT INTO {table} SELECT * FROM `{}`.{table}", lab.db.name)).await?;
    }
    let dns = PowerDns::start(&copy, &PowerDnsOptions::default()).await?;
    let zones = files(&lab.db, folder.path(), &dns).await?;
    println!("{vms} VMs in {zones} zones, against octoDNS and the PowerDNS API");
    for (what, changes) in [("sync, no change", false), ("sync, 1 % changed", true)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            if changes {
                change(&lab, &ids, round);
            }
            ours.push(sync(&lab.env_with(SETTINGS)).await?.0);
            files(&lab.db, folder.path(), &dns).await?;
            theirs.push(octodns(folder.path()).await?);
            ensure!(
                differences(&copy, &lab.db.name).await? == 0,
                "octoDNS has not written what the files say"
            );
        }
        line(what, median(&mut ours), "octodns-sync", median(&mut theirs), "1/50 = 0.02");
    }
    Ok(())
}

async fn install(folder: &Path) -> Result<()> {
    let done = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"])
        .arg(folder.join("packages"))
        .args(["octodns", "octodns-powerdns"])
        .output()
        .await?;
    ensure!(done.status.success(), "pip: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// One VM in a hundred gets another IPv6 address, without an event.
fn change(lab: &Lab, ids: &[String], round: usize) {
    let world = lab.world().silent();
    for (at, id) in ids.iter().enumerate().filter(|(at, _)| at % 100 == round) {
        let (network, host) = (at / 250, at % 250 + 1);
        let v4 = format!("10.{}.{}.{host}", network / 256, network % 256);
        world.set_address(id, Some(&v4), Some(&format!("2001:db8:ff:{network:x}::{host:x}")));
    }
}

/// How many of our records a copy lacks.
async fn differences(copy: &PdnsDb, ours: &str) -> Result<u64> {
    let sql = format!(
        "SELECT COUNT(*) FROM `{ours}`.records r LEFT JOIN records c ON c.domain_id = r.domain_id AND c.name = r.name \
         AND c.type = r.type AND c.content = r.content WHERE r.type IN ('A', 'AAAA', 'PTR') AND c.id IS NULL"
    );
    let found: Vec<u64> = copy.query(&sql).await?;
    found.first().copied().context("a count")
}

/// octoDNS's configuration, and a file a zone.
async fn files(db: &PdnsDb, folder: &Path, dns: &PowerDns) -> Result<usize> {
    let sql = "SELECT d.name, r.name, r.type, r.content FROM records r JOIN domains d ON d.id = r.domain_id \
               WHERE r.type IN ('A', 'AAAA', 'PTR') ORDER BY d.name, r.name, r.type, r.content";
    let rows: Vec<(String, String, String, String)> = db.query(sql).await?;
    let mut zones: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<String>>>> = BTreeMap::new();
    for (zone, name, rtype, content) in rows {
        let label = name.strip_suffix(&zone).context("a name in its zone")?.trim_end_matches('.').to_owned();
        let content = if rtype == "PTR" { format!("{content}.") } else { content };
        let values = zones.entry(zone).or_default().entry(label).or_default().entry(rtype).or_default();
        values.push(content);
    }
    fs::create_dir_all(folder.join("zones"))?;
    let port = dns.api_url().rsplit_once(':').context("a port")?.1.to_owned();
    let mut config = format!(
        "providers:\n  config:\n    class: octodns.provider.yaml.YamlProvider\n    directory: {}\n    \
         default_ttl: 60\n    enforce_order: false\n  pdns:\n    class: octodns_powerdns.PowerDnsProvider\n    \
         host: 127.0.0.1\n    port: {port}\n    api_key: {}\nzones:\n",
        folder.join("zones").display(),
        dns.api_key
    );
    for (zone, names) in &zones {
        writeln!(config, "  {zone}.:\n    sources: [config]\n    targets: [pdns]")?;
        let mut text = String::from("---\n");
        for (name, types) in names {
            writeln!(text, "'{name}':")?;
            for (rtype, values) in types {
                writeln!(text, "- type: {rtype}\n  ttl: 60\n  values:")?;
                for value in values {
                    writeln!(text, "  - '{value}'")?;
                }
            }
        }
        fs::write(folder.join("zones").join(format!("{zone}.yaml")), text)?;
    }
    fs::write(folder.join("config.yaml"), config)?;
    Ok(zones.len())
}

async fn octodns(folder: &Path) -> Result<Duration> {
    let start = Instant::now();
    let done = Command::new("python3")
        .args(["-c", "from octodns.cmds.sync import main; main()", "--doit", "--quiet", "--config-file"])
        .arg(folder.join("config.yaml"))
        .env("PYTHONPATH", folder.join("packages"))
        .output()
        .await?;
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "octodns-sync: {out}{err}");
    Ok(start.elapsed())
}
