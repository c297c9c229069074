//! A cloud of many VMs: dual-stack, one in five in its account's group, 200 accounts in 40 domains, all of them
//! in the common zone too; a reverse zone for each /24 and one for all of 2001:db8::/32.

use anyhow::{Context, Result};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use testbed::{Lab, MariaDb, MariaDbOptions, PdnsDb, VmSpec, World};

pub const DOMAINS: usize = 40;
pub const ACCOUNTS: usize = 200;
/// One VM in so many is in its account's group.
const GROUPED: usize = 5;
/// Addresses used of each IPv4 network.
const NETWORK: usize = 250;

/// The controller's settings for it.
pub const SETTINGS: &[(&str, &str)] = &[
    ("DNS_COMMON_ZONE", "cloud.example"),
    ("DNS_ADD_TO_COMMON_ZONE", "true"),
    ("DNS_ZONES", "example.org,cloud.example,10.in-addr.arpa,8.b.d.0.1.0.0.2.ip6.arpa"),
];

/// Where the VM of a number lives.
pub struct Spot {
    /// Which account's it is.
    pub owner: usize,
    /// It is in its account's group.
    pub grouped: bool,
    /// Its addresses.
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
}

/// Where the VM of this number lives.
pub fn spot(at: usize) -> Spot {
    let (network, host) = (at / NETWORK, at % NETWORK + 1);
    let part = |number: usize| u8::try_from(number % 256).unwrap_or_default();
    let word = |number: usize| u16::try_from(number).unwrap_or_default();
    Spot {
        owner: at % ACCOUNTS,
        // By round, not by number: the owners repeat every 200.
        grouped: (at / ACCOUNTS).is_multiple_of(GROUPED),
        v4: Ipv4Addr::new(10, part(network / 256), part(network), part(host)),
        v6: Ipv6Addr::new(0x2001, 0xdb8, 0, word(network), 0, 0, 0, word(host)),
    }
}

/// The names of its zones for so many VMs.
pub fn zone_names(vms: usize) -> impl Iterator<Item = String> {
    let domains = (0..DOMAINS).map(|domain| format!("d{domain}.example.org"));
    let networks = (0..vms.div_ceil(NETWORK))
        .map(|network| format!("{}.{}.10.in-addr.arpa", network % 256, network / 256));
    let wide = ["cloud.example", "8.b.d.0.1.0.0.2.ip6.arpa"].map(str::to_owned);
    domains.chain(networks).chain(wide)
}

/// A MariaDB for it.
pub fn server() -> Result<MariaDb> {
    MariaDb::new(MariaDbOptions {
        buffer_pool: "1G".into(),
        general_log: false,
        extra: vec!["--innodb-log-file-size=512M".into()],
        ..MariaDbOptions::default()
    })
}

/// A lab with the town in it, and its VMs.
pub async fn lab(server: &MariaDb, topic: &str, vms: usize) -> Result<(Lab, Vec<String>)> {
    let lab = Lab::on(server.mysql(), topic).await?;
    lab.sim.set_latency(Duration::from_millis(5));
    zones(&lab.db, vms).await?;
    let vms = cloud(lab.world(), vms);
    Ok((lab, vms))
}

/// Its zones; their ids are the same in every new database.
pub async fn zones(db: &PdnsDb, vms: usize) -> Result<()> {
    for name in zone_names(vms) {
        db.zone(&name).await?;
    }
    Ok(())
}

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
        let Spot { owner, grouped, v4, v6 } = spot(at);
        let spec = VmSpec::new(&format!("vm-{at}"), &owners[owner]).v4(&v4.to_string()).v6(&v6.to_string());
        if grouped { spec.group("www") } else { spec }
    };
    (0..vms).map(|at| world.create_vm(spec(at))).collect()
}

/// A number that a query counts.
pub async fn count(db: &PdnsDb, table: &str) -> Result<u64> {
    let found: Vec<u64> = db.query(&format!("SELECT COUNT(*) FROM {table}")).await?;
    found.first().copied().context("a count")
}
