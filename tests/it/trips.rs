//! How often one event makes the program ask the database: each round trip is waited for, however near the
//! server is, and an event's record is late by all of them.

use super::support::{ACCOUNT, EVENTS_ONLY, LIMIT, example, serve_events};
use std::time::Duration;
use testbed::{Lab, VmSpec, poll};

/// The round trips since a mark, without those of timers and resyncs: the lease's, the readings of zones, the
/// audit, and what a connection costs that one of them makes.
async fn trips(lab: &Lab, mark: &str) -> Vec<(String, String)> {
    let mut trips = lab.db.round_trips_since(mark).await.expect("the general log");
    let timer = [
        "SET expires_at",
        "FROM cs_powerdns_owner",
        "FROM cs_powerdns_approval",
        "STRAIGHT_JOIN records",
        "FROM cs_powerdns_zone",
        "LEFT JOIN records r",
        "FROM cs_powerdns_history h",
        "SET SESSION",
        "SELECT @@",
    ];
    trips.retain(|(_, text)| text.contains("FOR UPDATE") || !timer.iter().any(|part| text.contains(part)));
    trips
}

/// Waits until an address stands at a name in two zones, or none does, and its reverse name agrees.
async fn stands(lab: &Lab, label: &str, reverse: &str, address: Option<&str>) {
    let name = format!("{label}.domain.com");
    poll(&format!("{name} has {address:?}"), LIMIT, async || {
        let found = lab.db.contents(&format!("{label}.cloud.test"), "A").await.expect("the rows");
        let back = lab.db.contents(reverse, "PTR").await.expect("the rows");
        let wanted = (Vec::from_iter(address), Vec::from_iter(address.map(|_| &*name)));
        if (found.iter().map(String::as_str).collect(), back.iter().map(String::as_str).collect()) == wanted {
            Ok(())
        } else {
            Err(format!("{found:?}, {back:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn an_event_takes_few_round_trips() {
    let mut lab = Lab::new("trips").await;
    lab.kafka();
    example(&lab).await;
    lab.db.zone("cloud.test").await.expect("a zone");
    for at in 1..20 {
        lab.world().silent().create_vm(VmSpec::new(&format!("vm{at}"), ACCOUNT).v4(&format!("192.0.2.{at}")));
    }
    let settings =
        [("DNS_COMMON_ZONE", "cloud.test"), ("DNS_ADD_TO_COMMON_ZONE", "true"), ("LEASE_TTL", "60s")];
    let controller = serve_events(&lab, &[&EVENTS_ONLY[..], &settings].concat()).await;
    stands(&lab, "vm19", "19.2.0.192.in-addr.arpa", Some("192.0.2.19")).await;
    let (mut told, mut over) = (String::new(), Vec::new());
    let (world, old, new) = (lab.world(), "40.2.0.192.in-addr.arpa", "41.2.0.192.in-addr.arpa");
    let mut id = String::new();
    for (what, most, (label, reverse, address)) in [
        ("a VM is created", 6, ("web", old, Some("192.0.2.40"))),
        ("it gets another address", 7, ("web", new, Some("192.0.2.41"))),
        ("it is renamed in two zones", 7, ("shop", new, Some("192.0.2.41"))),
        ("it is destroyed", 7, ("shop", new, None)),
    ] {
        let mark = lab.db.now().await.expect("the clock");
        match what {
            "a VM is created" => id = world.create_vm(VmSpec::new("web", ACCOUNT).v4("192.0.2.40")),
            "it gets another address" => world.set_address(&id, address, None),
            "it is renamed in two zones" => world.rename_vm(&id, label),
            _ => world.destroy_vm(&id),
        }
        stands(&lab, label, reverse, address).await;
        // What comes after the event's last COMMIT is waited for by the next event.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let trips = trips(&lab, &mark).await;
        let texts = trips.iter().map(|(command, text)| format!("{command} {text}\n"));
        let list =
            format!("{what}: {} round trips, at most {most}\n{}\n", trips.len(), texts.collect::<String>());
        told.push_str(&list);
        if trips.len() > most || trips.len() < 2 {
            over.push(list);
        }
    }
    println!("{told}");
    assert!(over.is_empty(), "{}\n{}", over.concat(), controller.output());
}
