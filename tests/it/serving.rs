//! `run`: events in, DNS answers out.

use super::support::{LIMIT, answers, example, serve, vm};
use std::time::{Duration, Instant};
use testbed::{Lab, VmSpec};

#[tokio::test]
async fn events_bring_changes_into_dns() {
    let mut lab = Lab::new("events").await;
    lab.kafka();
    example(&lab).await;
    lab.world().silent().create_vm(vm("old", "192.0.2.1"));
    let mut controller = serve(&lab, &[]).await;
    answers(&lab, "old.domain.com", "A", &["192.0.2.1"]).await;
    let id = lab.world().create_vm(VmSpec { group: Some("www".into()), ..vm("new", "192.0.2.2") });
    answers(&lab, "new.domain.com", "A", &["192.0.2.2"]).await;
    answers(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["new.domain.com."]).await;
    lab.world().rename_vm(&id, "newer");
    answers(&lab, "newer.domain.com", "A", &["192.0.2.2"]).await;
    answers(&lab, "new.domain.com", "A", &[]).await;
    answers(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["newer.domain.com."]).await;
    lab.world().set_address(&id, Some("192.0.2.3"), None);
    answers(&lab, "newer.domain.com", "A", &["192.0.2.3"]).await;
    answers(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.3"]).await;
    answers(&lab, "2.2.0.192.in-addr.arpa", "PTR", &[]).await;
    lab.world().destroy_vm(&id);
    answers(&lab, "newer.domain.com", "A", &[]).await;
    answers(&lab, "www-edd2ab05.domain.com", "A", &[]).await;
    lab.world().recover_vm(&id);
    answers(&lab, "newer.domain.com", "A", &["192.0.2.3"]).await;
    let asked = Instant::now();
    controller.sigterm().unwrap();
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 0, "{}", controller.output());
    assert!(asked.elapsed() < Duration::from_secs(10), "the end took {:?}", asked.elapsed());
}
