//! The main job, one pass at a time: VMs come, change and go, and DNS answers accordingly.

use super::support::{answers, example, once, sync, vm};
use testbed::{Lab, VmSpec};

#[tokio::test]
async fn a_vm_gets_its_name_its_reverse_name_and_its_groups_name() {
    let lab = Lab::new("name_ptr_group").await;
    example(&lab).await;
    lab.world().create_vm(VmSpec {
        v6: Some("2001:db8::10".into()),
        group: Some("www".into()),
        ..vm("Web-01", "192.0.2.10")
    });
    lab.world().create_vm(VmSpec { group: Some("w-w w".into()), ..vm("web-02", "192.0.2.11") });
    sync(&lab, &[]).await;
    answers(&lab, "web-01.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "web-01.domain.com", "AAAA", &["2001:db8::10"]).await;
    answers(&lab, "www-edd2ab05.domain.com", "A", &["192.0.2.10", "192.0.2.11"]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["web-01.domain.com."]).await;
    let reverse = "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    answers(&lab, reverse, "PTR", &["web-01.domain.com."]).await;
}

#[tokio::test]
async fn a_second_pass_over_the_same_state_writes_nothing() {
    let mut lab = Lab::new("second_pass").await;
    example(&lab).await;
    for at in 1..=20 {
        let group = (at % 3 == 0).then(|| "www".to_owned());
        lab.world().create_vm(VmSpec { group, ..vm(&format!("vm{at}"), &format!("192.0.2.{at}")) });
    }
    sync(&lab, &[]).await;
    let serials =
        (lab.db.serial("domain.com").await.unwrap(), lab.db.serial("2.0.192.in-addr.arpa").await.unwrap());
    lab.forget_writes().await;
    sync(&lab, &[]).await;
    let writes = lab.writes(&["cs_powerdns_owner"]).await;
    assert_eq!(writes, Vec::<String>::new(), "a pass over the same state wrote");
    let now =
        (lab.db.serial("domain.com").await.unwrap(), lab.db.serial("2.0.192.in-addr.arpa").await.unwrap());
    assert_eq!(now, serials, "a serial moved");
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!(plan.code, 0, "nothing is left to do:\n{}{}", plan.stdout, plan.stderr);
}
