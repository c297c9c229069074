//! octoDNS, which keeps zones equal to files by way of the PowerDNS API, on the same records.

use super::{
    Size, line, median,
    process::sync,
    town::{self, SETTINGS, Spot},
};
use anyhow::{Context, Result, ensure};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::Ipv6Addr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use testbed::{Lab, PdnsDb, PowerDns, PowerDnsOptions, watchdog::TempDir};
use tokio::process::Command;

/// About 100 000 records.
const VMS: usize = 16_000;
const PACKAGES: [&str; 2] = ["octodns==1.22.0", "octodns-powerdns==1.2.0"];

pub async fn measure(size: &Size) -> Result<()> {
    let vms = size.vms(VMS);
    let folder = TempDir::new("octodns")?;
    let program = installed().await?;
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
    let records = town::count(&copy, "records WHERE type IN ('A', 'AAAA', 'PTR')").await?;
    println!("{records} records in {zones} zones, against octoDNS and the PowerDNS API");
    for (what, changes) in [("sync, no change", false), ("sync, 1 % changed", true)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..size.rounds {
            if changes {
                change(&lab, &ids, round);
            }
            ours.push(sync(&lab.env_with(SETTINGS)).await?.0);
            if changes {
                files(&lab.db, folder.path(), &dns).await?;
            }
            theirs.push(octodns(&program, folder.path()).await?);
            ensure!(
                differences(&copy, &lab.db.name).await? == 0,
                "octoDNS has not written what the files say"
            );
        }
        line(what, median(&mut ours), "octodns-sync", median(&mut theirs), "0.02");
    }
    Ok(())
}

/// octoDNS's program, in an environment of its own below `target` that stays from run to run.
async fn installed() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("octodns");
    let run = async |program: &Path, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).output().await?;
        let text = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{} {}: {text}", program.display(), arguments.join(" "));
        Ok(())
    };
    let place = folder.to_str().context("a path in UTF-8")?;
    run(Path::new("python3"), &["-m", "venv", place]).await?;
    let pip = ["install", "--quiet", "--disable-pip-version-check"];
    run(&folder.join("bin/pip"), &[&pip[..], &PACKAGES].concat()).await?;
    Ok(folder.join("bin/octodns-sync"))
}

/// One VM in a hundred gets another IPv6 address, without an event.
fn change(lab: &Lab, ids: &[String], round: usize) {
    let world = lab.world().silent();
    for (at, id) in ids.iter().enumerate().filter(|(at, _)| at % 100 == round) {
        let Spot { v4, v6, .. } = town::spot(at);
        let mut words = v6.segments();
        words[2] = 0xff;
        world.set_address(id, Some(&v4.to_string()), Some(&Ipv6Addr::from(words).to_string()));
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

async fn octodns(program: &Path, folder: &Path) -> Result<Duration> {
    let start = Instant::now();
    let done = Command::new(program)
        .args(["--doit", "--quiet", "--config-file"])
        .arg(folder.join("config.yaml"))
        .output()
        .await?;
    let took = start.elapsed();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "octodns-sync: {out}{err}");
    Ok(took)
}
