//! A small cloud and the zones that it wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Result;
use testbed::{
    Broker, MySql, PdnsDb, PowerDns, PowerDnsOptions, Simulator, VmSpec, World, broker::Publisher,
};

const TOPIC: &str = "cs-events";
const ZONES: [&str; 4] = ["domain.com", "cloud.example", "10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];

/// The account of the README's example.
const ACCOUNT: &str = "edd2ab05-98ba-4b65-b94f-14ec595e37a3";

/// What runs besides MariaDB and the broker.
pub struct Demo {
    db: PdnsDb,
    dns: PowerDns,
    sim: Simulator,
    kafka: String,
}

impl Demo {
    /// Starts PowerDNS and the simulator; `filled` with VMs.
    pub async fn start(mysql: MySql, broker: &Broker, zones: &[String], filled: bool) -> Result<Self> {
        let db = mysql.create("pdns").await?;
        for zone in ZONES.into_iter().chain(zones.iter().map(String::as_str)) {
            db.zone(zone).await?;
        }
        let dns = PowerDns::start(&db, &PowerDnsOptions::default()).await?;
        let sim = Simulator::start()?;
        broker.create_topic(TOPIC, 3)?;
        found(sim.world(), filled);
        sim.world().publish_to(broker.sink(TOPIC));
        Ok(Self { db, dns, sim, kafka: broker.bootstrap().to_owned() })
    }

    /// The controller's environment, and the ports that a shell wants.
    pub fn env(&self) -> BTreeMap<String, String> {
        [
            ("CS_ENDPOINT", self.sim.endpoint()),
            ("CS_API_KEY", self.sim.api_key.clone()),
            ("CS_SECRET_KEY", self.sim.secret_key.clone()),
            ("MYSQL_PDNS_HOST", "127.0.0.1".into()),
            ("MYSQL_PDNS_PORT", self.db.mysql.port.to_string()),
            ("MYSQL_PDNS_NAME", self.db.name.clone()),
            ("MYSQL_PDNS_USER", self.db.user.clone()),
            ("MYSQL_PDNS_PASSWORD", self.db.password.clone()),
            ("KAFKA_BOOTSTRAP", self.kafka.clone()),
            ("KAFKA_TOPIC", TOPIC.into()),
            ("HTTP_LISTEN", format!("127.0.0.1:{}", testbed::watchdog::free_port())),
            ("PDNS_API_URL", self.dns.api_url()),
            ("PDNS_API_KEY", self.dns.api_key.clone()),
            ("TESTBED_CONTROL", self.sim.control_url()),
            ("TESTBED_DNS_PORT", self.dns.dns_port.to_string()),
            ("TESTBED_PDNS_CONFIG", self.dns.config_dir().display().to_string()),
            ("TESTBED_ACCOUNT", ACCOUNT.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Ends it, connections first.
    pub async fn end(self) {
        drop(self.dns);
        drop(self.sim);
        let _ = self.db.admin.disconnect().await;
    }
}

/// A simulator alone, at an address that others can reach, with its events on their way to a broker.
pub fn cloud(listen: SocketAddr, bootstrap: Option<&str>) -> Result<Simulator> {
    let sim = Simulator::start_at(listen)?;
    found(sim.world(), true);
    if let Some(bootstrap) = bootstrap {
        sim.world().publish_to(Publisher::to(bootstrap)?.sink(TOPIC));
    }
    Ok(sim)
}

/// A domain and its account; `filled` with VMs.
fn found(world: &World, filled: bool) {
    let domain = world.add_domain("acme", &world.root(), Some("domain.com"));
    world.add_account_as(ACCOUNT, &domain, "acme-ops", None);
    if filled {
        let first = VmSpec::new("vm-1", ACCOUNT).group("www").v4("10.1.1.11").v6("2001:db8::11");
        world.create_vm(first);
        world.create_vm(VmSpec::new("vm-2", ACCOUNT).group("www").v4("10.1.1.12"));
        world.create_vm(VmSpec::new("db-1", ACCOUNT).v4("10.1.1.20").v6("2001:db8::20"));
    }
}
