//! DNS_PARENT_ZONES and the empty non-terminals that deeper names bring, in unsigned and in signed zones.

use super::{
    rules_support::{
        REVERSE, empty_non_terminals, no_row, no_such_name, put, rectified, says, settled, status, tenant,
        zones,
    },
    support::{EVENTS_ONLY, answers, serve_events, sync},
};
use testbed::Lab;

const PARENTS: [(&str, &str); 1] = [("DNS_PARENT_ZONES", "true")];

#[tokio::test]
async fn the_longest_zone_above_a_suffix_counts_only_with_dns_parent_zones() {
    let mut lab = Lab::new("parents").await;
    let account = tenant(&lab, None, Some("a.b.corp.org"));
    zones(&lab, &["org", "corp.org"]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    no_such_name(&lab, "web.a.b.corp.org").await;
    sync(&lab, &PARENTS).await;
    says(&lab, "web.a.b.corp.org", "A", &["192.0.2.1"]).await;
    let zone = lab.db.rows("web.a.b.corp.org").await.unwrap()[0].domain_id;
    let named: Vec<String> =
        lab.db.query(&format!("SELECT name FROM domains WHERE id = {zone}")).await.unwrap();
    assert_eq!(named, ["corp.org"], "the zone of the row");
    settled(&mut lab, &PARENTS).await;
}

#[tokio::test]
async fn names_between_ours_and_the_apex_answer_nodata_while_something_is_below_them() {
    let lab = Lab::new("ents").await;
    let account = tenant(&lab, None, Some("a.b.corp.org"));
    zones(&lab, &["corp.org"]).await;
    let one = put(&lab, &account, "one", "192.0.2.1");
    let two = put(&lab, &account, "two", "192.0.2.2");
    sync(&lab, &PARENTS).await;
    assert_eq!(empty_non_terminals(&lab, "corp.org").await, ["a.b.corp.org", "b.corp.org"]);
    for name in ["a.b.corp.org", "b.corp.org"] {
        assert_eq!(status(&lab, name).await, "NOERROR", "{name} has something below it: NODATA");
    }
    rectified(&lab, "corp.org").await;

    lab.world().destroy_vm(&one);
    sync(&lab, &PARENTS).await;
    no_such_name(&lab, "one.a.b.corp.org").await;
    assert_eq!(status(&lab, "a.b.corp.org").await, "NOERROR", "two.a.b.corp.org is still below it");
    rectified(&lab, "corp.org").await;

    lab.world().destroy_vm(&two);
    sync(&lab, &PARENTS).await;
    for name in ["two.a.b.corp.org", "a.b.corp.org", "b.corp.org"] {
        no_such_name(&lab, name).await;
    }
    rectified(&lab, "corp.org").await;
}

#[tokio::test]
async fn a_foreign_name_below_ours_keeps_its_empty_non_terminals() {
    let lab = Lab::new("foreign_below").await;
    let account = tenant(&lab, None, Some("b.corp.org"));
    zones(&lab, &["corp.org"]).await;
    // The operator's name lies below the VM's.
    lab.db.insert("corp.org", "x.y.web.b.corp.org", "TXT", "\"foreign\"", 60).await.unwrap();
    lab.dns().await.pdnsutil(&["rectify-zone", "corp.org"]).unwrap();
    let web = put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &PARENTS).await;
    assert_eq!(empty_non_terminals(&lab, "corp.org").await, ["b.corp.org", "y.web.b.corp.org"]);
    rectified(&lab, "corp.org").await;
    lab.world().destroy_vm(&web);
    sync(&lab, &PARENTS).await;
    no_row(&lab, "web.b.corp.org").await;
    assert_eq!(status(&lab, "web.b.corp.org").await, "NOERROR", "x.y.web.b.corp.org is still below it");
    says(&lab, "x.y.web.b.corp.org", "TXT", &["\"foreign\""]).await;
    rectified(&lab, "corp.org").await;
}

#[tokio::test]
async fn a_name_that_an_operator_puts_below_ours_meanwhile_keeps_its_empty_non_terminal() {
    let mut lab = Lab::new("meanwhile_below").await;
    lab.kafka();
    let account = tenant(&lab, None, Some("corp.org"));
    let both = ["corp.org", "192.in-addr.arpa"];
    zones(&lab, &both).await;
    let keep = [("DNS_PARENT_ZONES", "true"), EVENTS_ONLY[0], EVENTS_ONLY[1]];
    let controller = serve_events(&lab, &keep).await;
    let web = put(&lab, &account, "web", "192.0.2.1");
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.corp.org."]).await;
    // Nothing has read the zones since the start, and no serial tells.
    let below = [("corp.org", "x.web.corp.org"), ("192.in-addr.arpa", "customer-7.2.0.192.in-addr.arpa")];
    for (zone, name) in below {
        lab.db.insert(zone, name, "TXT", "\"foreign\"", 60).await.expect("a row");
    }
    for zone in both {
        lab.dns().await.pdnsutil(&["rectify-zone", zone]).expect("rectify-zone works");
    }
    lab.world().destroy_vm(&web);
    for (name, kind) in [("web.corp.org", "A"), ("1.2.0.192.in-addr.arpa", "PTR")] {
        answers(&lab, name, kind, &[]).await;
    }
    assert_eq!(empty_non_terminals(&lab, "corp.org").await, ["web.corp.org"]);
    assert_eq!(status(&lab, "web.corp.org").await, "NOERROR", "x.web.corp.org is below it");
    for zone in both {
        rectified(&lab, zone).await;
    }
    drop(controller);
}

#[tokio::test]
async fn reverse_names_bring_and_take_their_empty_non_terminals() {
    let lab = Lab::new("reverse_ents").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", "192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"]).await;
    let web = lab.world().create_vm(testbed::VmSpec::new("web", &account).v4("192.0.2.1").v6("2001:db8::1"));
    sync(&lab, &[]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.corp.org."]).await;
    assert_eq!(
        empty_non_terminals(&lab, "192.in-addr.arpa").await,
        ["0.192.in-addr.arpa", "2.0.192.in-addr.arpa"]
    );
    assert_eq!(empty_non_terminals(&lab, "8.b.d.0.1.0.0.2.ip6.arpa").await.len(), 23);
    assert_eq!(status(&lab, REVERSE).await, "NOERROR", "NODATA, so that QNAME minimisation goes on");
    for zone in ["192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"] {
        rectified(&lab, zone).await;
    }
    lab.world().destroy_vm(&web);
    sync(&lab, &[]).await;
    for zone in ["192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"] {
        assert_eq!(empty_non_terminals(&lab, zone).await, Vec::<String>::new(), "of {zone}");
        rectified(&lab, zone).await;
    }
}

/// VMs come, change and go in signed zones: rectify-zone would never change a row.
async fn stays_rectified(test: &str, secure: &[&[&str]]) {
    let lab = Lab::new(test).await;
    let account = tenant(&lab, None, Some("a.b.corp.org"));
    let both = ["corp.org", "192.in-addr.arpa"];
    zones(&lab, &both).await;
    lab.db.insert("corp.org", "www.corp.org", "A", "198.51.100.1", 60).await.expect("a row");
    lab.db.insert("corp.org", "cut.corp.org", "NS", "ns.elsewhere.org", 60).await.expect("a row");
    lab.db.insert("corp.org", "deep.x.cut2.corp.org", "NS", "ns.elsewhere.org", 60).await.expect("a row");
    let dns = lab.dns().await;
    for zone in both {
        dns.pdnsutil(&["secure-zone", zone]).expect("secure-zone works");
        for how in secure {
            let mut arguments = how.to_vec();
            arguments.insert(1, zone);
            dns.pdnsutil(&arguments).expect("pdnsutil works");
        }
        dns.pdnsutil(&["rectify-zone", zone]).expect("rectify-zone works");
    }
    let web = lab.world().create_vm(testbed::VmSpec::new("web", &account).v4("192.0.2.1").group("www"));
    put(&lab, &account, "two", "192.0.2.2");
    sync(&lab, &PARENTS).await;
    says(&lab, "web.a.b.corp.org", "A", &["192.0.2.1"]).await;
    assert!(!dns.dig("corp.org", "DNSKEY").expect("PowerDNS answers").is_empty(), "corp.org is signed");
    for zone in both {
        rectified(&lab, zone).await;
    }
    lab.world().rename_vm(&web, "cut2");
    sync(&lab, &PARENTS).await;
    says(&lab, "cut2.a.b.corp.org", "A", &["192.0.2.1"]).await;
    for zone in both {
        rectified(&lab, zone).await;
    }
    for vm in lab.world().vms() {
        lab.world().destroy_vm(&vm);
    }
    sync(&lab, &PARENTS).await;
    no_such_name(&lab, "a.b.corp.org").await;
    no_such_name(&lab, "1.2.0.192.in-addr.arpa").await;
    for zone in both {
        rectified(&lab, zone).await;
    }
}

#[tokio::test]
async fn a_zone_signed_with_nsec_stays_as_rectify_zone_would_make_it() {
    stays_rectified("nsec", &[]).await;
}

#[tokio::test]
async fn a_zone_signed_with_nsec3_stays_as_rectify_zone_would_make_it() {
    stays_rectified("nsec3", &[&["set-nsec3", "1 0 5 ab12"]]).await;
}

#[tokio::test]
async fn a_zone_signed_with_nsec3_and_opt_out_stays_as_rectify_zone_would_make_it() {
    stays_rectified("nsec3_opt_out", &[&["set-nsec3", "1 1 0 -"]]).await;
}

#[tokio::test]
async fn a_zone_signed_with_narrow_nsec3_stays_as_rectify_zone_would_make_it() {
    stays_rectified("nsec3_narrow", &[&["set-nsec3", "1 0 0 -", "narrow"]]).await;
}
