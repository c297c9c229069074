//! A secondary that nobody here wrote has each change of a MASTER zone as soon as PowerDNS's NOTIFY.

use super::{
    rules_support::{REVERSE, put, sql, tenant},
    support::{LIMIT, sync},
};
use testbed::{Lab, PowerDns, PowerDnsOptions, Secondary, SecondaryOptions, poll, watchdog::free_port};

const ZONES: [&str; 2] = ["corp.org", REVERSE];

/// A primary that looks for changed serials every second, and a port for the secondary that it tells.
async fn primary(lab: &Lab) -> (PowerDns, u16) {
    for zone in ZONES {
        lab.db.zone_of(zone, "MASTER", 7).await.expect("a zone");
    }
    let port = free_port();
    let extra = [
        "xfr-cycle-interval=1".into(),
        "allow-axfr-ips=127.0.0.0/8".into(),
        format!("also-notify=127.0.0.1:{port}"),
        // The name servers of these zones have no addresses to look for.
        "only-notify=".into(),
        "prevent-self-notification=no".into(),
    ];
    let options = PowerDnsOptions { primary: true, extra: extra.into(), ..Default::default() };
    (PowerDns::start(&lab.db, &options).await.expect("PowerDNS starts"), port)
}

async fn secondary(primary: &PowerDns, port: u16, validate: bool) -> Secondary {
    let zones = ZONES.map(Into::into).into();
    let options = SecondaryOptions { port, primary: primary.dns_port, zones, validate };
    let secondary = Secondary::start(&options).await.expect("the secondary starts");
    for zone in ZONES {
        poll(&format!("the secondary has {zone}"), LIMIT, async || {
            let found = secondary.dig(zone, "SOA").map_err(|error| error.to_string())?;
            if found.is_empty() { Err(secondary.log()) } else { Ok(()) }
        })
        .await;
    }
    secondary
}

/// Waits until the secondary answers exactly this.
async fn has(secondary: &Secondary, name: &str, kind: &str, expected: &[&str]) {
    poll(&format!("the secondary's {name} {kind} is {expected:?}"), LIMIT, async || {
        let found = secondary.dig(name, kind).map_err(|error| error.to_string())?;
        if found == expected { Ok(()) } else { Err(format!("{found:?}\n{}", secondary.log())) }
    })
    .await;
}

/// The suffix of the VMs: with empty non-terminals between it and the zone.
const DEEP: &str = "a.b.corp.org";
const PARENTS: (&str, &str) = ("DNS_PARENT_ZONES", "true");

/// What a secondary has after VMs came, changed and went.
async fn follows(lab: &Lab, account: &str, secondary: &Secondary) {
    let name = format!("web.{DEEP}");
    let target = format!("{name}.");
    let web = put(lab, account, "web", "192.0.2.1");
    sync(lab, &[PARENTS]).await;
    has(secondary, &name, "A", &["192.0.2.1"]).await;
    has(secondary, "1.2.0.192.in-addr.arpa", "PTR", &[&target]).await;
    lab.world().set_address(&web, Some("192.0.2.2"), None);
    sync(lab, &[PARENTS]).await;
    has(secondary, &name, "A", &["192.0.2.2"]).await;
    has(secondary, "1.2.0.192.in-addr.arpa", "PTR", &[]).await;
    has(secondary, "2.2.0.192.in-addr.arpa", "PTR", &[&target]).await;
    sync(lab, &[PARENTS, ("DNS_RECORD_TTL", "61")]).await;
    poll("the secondary has the new TTL", LIMIT, async || {
        let text = secondary.dig_dnssec(&name, "A").map_err(|error| error.to_string())?;
        if text.contains("\t61\tIN\tA\t") { Ok(()) } else { Err(text) }
    })
    .await;
    lab.world().destroy_vm(&web);
    sync(lab, &[PARENTS]).await;
    has(secondary, &name, "A", &[]).await;
    has(secondary, "2.2.0.192.in-addr.arpa", "PTR", &[]).await;
}

/// The serial of which PowerDNS has sent a NOTIFY is PowerDNS's to remember.
async fn notified_by_powerdns_alone(lab: &Lab) {
    let ours = lab.db.writes_since("2000-01-01", &[]).await.expect("the general log");
    let domains: Vec<_> = ours.iter().filter(|statement| statement.contains("domains")).collect();
    assert_eq!(domains, Vec::<&String>::new(), "our statements that write `domains`");
    for zone in ZONES {
        let serial = lab.db.serial(zone).await.expect("a serial");
        let query = format!("SELECT notified_serial FROM domains WHERE name = '{zone}'");
        poll(&format!("PowerDNS has notified {zone} {serial}"), LIMIT, async || {
            let found: Vec<Option<u32>> = lab.db.query(&query).await.expect("the zone");
            if found == [Some(serial)] { Ok(()) } else { Err(format!("{found:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_secondary_has_each_change_with_the_next_notify() {
    let lab = Lab::new("secondary").await;
    let account = tenant(&lab, None, Some(DEEP));
    let (primary, port) = primary(&lab).await;
    let secondary = secondary(&primary, port, false).await;
    follows(&lab, &account, &secondary).await;
    notified_by_powerdns_alone(&lab).await;
}

#[tokio::test]
async fn a_secondary_that_validates_accepts_each_change_of_signed_zones() {
    for (test, nsec3) in [("secondary_nsec", None), ("secondary_nsec3", Some("1 0 0 -"))] {
        let lab = Lab::new(test).await;
        let account = tenant(&lab, None, Some(DEEP));
        let (primary, port) = primary(&lab).await;
        for zone in ZONES {
            primary.pdnsutil(&["secure-zone", zone]).expect("secure-zone works");
            if let Some(parameters) = nsec3 {
                primary.pdnsutil(&["set-nsec3", zone, parameters]).expect("set-nsec3 works");
            }
            primary.pdnsutil(&["rectify-zone", zone]).expect("rectify-zone works");
        }
        let secondary = secondary(&primary, port, true).await;
        follows(&lab, &account, &secondary).await;
        put(&lab, &account, "two", "192.0.2.1");
        sync(&lab, &[PARENTS]).await;
        let name = format!("two.{DEEP}");
        has(&secondary, &name, "A", &["192.0.2.1"]).await;
        let signed = secondary.dig_dnssec(&name, "A").expect("the secondary answers");
        assert!(signed.contains("RRSIG\tA "), "{signed}");
        assert!(secondary.log().contains("DNSSEC, validation successful"), "{}", secondary.log());
        notified_by_powerdns_alone(&lab).await;
    }
}

/// A secondary that has seen a serial takes none that is lower: what comes after it would be heard of by
/// nobody, were the serial not repaired.
#[tokio::test]
async fn a_secondary_hears_of_changes_after_an_editor_has_set_the_serial_back() {
    let lab = Lab::new("secondary_lost").await;
    let account = tenant(&lab, None, Some("corp.org"));
    let (primary, port) = primary(&lab).await;
    let secondary = secondary(&primary, port, false).await;
    put(&lab, &account, "one", "192.0.2.1");
    sync(&lab, &[]).await;
    has(&secondary, "one.corp.org", "A", &["192.0.2.1"]).await;
    let ours = lab.db.serial("corp.org").await.unwrap();
    let lower = ours - 5;
    // As a PATCH that has read the serial before our COMMIT leaves it.
    lab.db.insert("corp.org", "his.corp.org", "A", "198.51.100.1", 60).await.unwrap();
    let set = format!("UPDATE records SET content = REPLACE(content, ' {ours} ', ' {lower} ')");
    sql(&lab, &format!("{set} WHERE name = 'corp.org' AND type = 'SOA'")).await;
    sync(&lab, &[]).await;
    has(&secondary, "his.corp.org", "A", &["198.51.100.1"]).await;
    put(&lab, &account, "two", "192.0.2.2");
    sync(&lab, &[]).await;
    has(&secondary, "two.corp.org", "A", &["192.0.2.2"]).await;
}
