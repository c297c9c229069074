//! Zones that come or change beneath a running controller.

use super::support::{EVENTS_ONLY, answers, example, serve, serve_events, vm};
use std::time::{Duration, Instant};
use testbed::{Lab, poll};

#[tokio::test]
async fn a_zone_that_appears_is_filled_without_any_event_and_health_lasts() {
    let lab = Lab::new("zone_appears").await;
    let domain = example(&lab).await;
    let account = lab.world().add_account(&domain, "late", Some("late.example"));
    lab.world().create_vm(testbed::VmSpec { owner: account, ..vm("web", "192.0.2.1") });
    let controller = serve(&lab, &[EVENTS_ONLY[0], EVENTS_ONLY[1], ("CS_TIMEOUT", "1s")]).await;
    lab.db.zone("late.example").await.unwrap();
    // Zones are read every 30 s.
    let dns = lab.dns().await;
    poll("web.late.example A answers 192.0.2.1", Duration::from_secs(60), async || {
        let found = dns.dig("web.late.example", "A").map_err(|error| error.to_string())?;
        if found == ["192.0.2.1"] { Ok(()) } else { Err(format!("it answers {found:?}")) }
    })
    .await;
    // A pass that began and was never noted as ended shows after three times CS_TIMEOUT.
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let (status, body) = controller.get("/healthz").await.unwrap();
        assert_eq!(status, 200, "an idle controller is healthy: {body}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_zone_that_was_signed_meanwhile_gets_its_next_name_at_once_and_signed() {
    let mut lab = Lab::new("signed_meanwhile").await;
    lab.kafka();
    example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    lab.world().create_vm(vm("before", "192.0.2.1"));
    answers(&lab, "before.domain.com", "A", &["192.0.2.1"]).await;
    lab.dns().await.pdnsutil(&["secure-zone", "domain.com"]).unwrap();
    lab.dns().await.pdnsutil(&["set-nsec3", "domain.com", "1 0 0 -"]).unwrap();
    lab.dns().await.pdnsutil(&["rectify-zone", "domain.com"]).unwrap();
    let begun = Instant::now();
    lab.world().create_vm(vm("after", "192.0.2.2"));
    answers(&lab, "after.domain.com", "A", &["192.0.2.2"]).await;
    // Sooner than the zones would have been read by themselves.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}\n{}", begun.elapsed(), controller.output());
    let ours = lab.db.rows("after.domain.com").await.unwrap();
    lab.dns().await.pdnsutil(&["rectify-zone", "domain.com"]).unwrap();
    assert_eq!(ours, lab.db.rows("after.domain.com").await.unwrap(), "rectify-zone changes nothing");
    assert!(ours[0].ordername.as_ref().is_some_and(|name| name.len() == 32), "NSEC3's hash: {ours:?}");
}
