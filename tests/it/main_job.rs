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

#[tokio::test]
async fn a_plan_shows_what_sync_would_do_and_writes_nothing() {
    let lab = Lab::new("plan").await;
    example(&lab).await;
    lab.world().create_vm(vm("web", "192.0.2.10"));
    lab.db.insert("domain.com", "mail.domain.com", "A", "192.0.2.99", 300).await.unwrap();
    let before = lab.db.rows_of_zone("domain.com").await.unwrap();
    let plan = once(&lab, &["plan", "--unexplained"], &[]).await;
    assert_eq!(plan.code, 2, "changes wait:\n{}{}", plan.stdout, plan.stderr);
    for line in [
        "domain.com:",
        "+ web.domain.com 60 A 192.0.2.10",
        "+ 10.2.0.192.in-addr.arpa 60 PTR web.domain.com",
        "Plan: 2 to add, 0 to change, 0 to delete\n",
        "rows that no VM explains: 1\n  mail.domain.com A 192.0.2.99",
    ] {
        assert!(plan.stdout.contains(line), "{line} is not in\n{}", plan.stdout);
    }
    let json = once(&lab, &["plan", "--json"], &[]).await;
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["summary"]["add"], 2);
    assert_eq!(json["changes"][1]["name"], "web.domain.com");
    assert_eq!(lab.db.rows_of_zone("domain.com").await.unwrap().len(), before.len(), "plan wrote");
    let tables: Vec<String> = lab.db.query("SHOW TABLES LIKE 'cs_powerdns%'").await.unwrap();
    assert_eq!(tables, Vec::<String>::new(), "plan made tables");
    sync(&lab, &[]).await;
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!((plan.code, plan.stdout.trim()), (0, "Plan: nothing to change"));
}
