//! Classless reverse delegations (RFC 2317): the PTR stands where the reverse name's CNAME leads.

use super::{
    rules_support::{REVERSE, dump, no_such_name, put, says, settled, sql, tenant, zones},
    support::sync,
};
use testbed::Lab;

const ONE: &str = "1.2.0.192.in-addr.arpa";
const RANGE: &str = "0-63.2.0.192.in-addr.arpa";
const ALIASED: &str = "1.0-63.2.0.192.in-addr.arpa";

/// The reverse zone delegates a range, and its name for .1 is an alias into it (RFC 2317).
async fn classless(lab: &Lab) {
    zones(lab, &["corp.org", REVERSE, RANGE]).await;
    lab.db.insert(REVERSE, RANGE, "NS", "ns1.testbed.invalid", 3600).await.expect("a delegation");
    lab.db.insert(REVERSE, ONE, "CNAME", ALIASED, 3600).await.expect("an alias");
    lab.dns().await.pdnsutil(&["rectify-zone", REVERSE]).expect("rectify-zone works");
}

#[tokio::test]
async fn behind_a_classless_delegation_the_ptr_stands_at_the_aliases_target() {
    let mut lab = Lab::new("rfc2317").await;
    let account = tenant(&lab, None, Some("corp.org"));
    classless(&lab).await;
    let web = put(&lab, &account, "web", "192.0.2.1");
    put(&lab, &account, "two", "192.0.2.2");
    sync(&lab, &[]).await;
    says(&lab, ALIASED, "PTR", &["web.corp.org."]).await;
    assert_eq!(lab.db.contents(ONE, "PTR").await.unwrap(), Vec::<String>::new(), "PTR rows beside the CNAME");
    let followed = lab.dns().await.dig(ONE, "PTR").unwrap();
    assert_eq!(followed, ["web.corp.org."], "dig {ONE} PTR follows the alias");
    says(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["two.corp.org."]).await;
    settled(&mut lab, &[]).await;
    lab.world().rename_vm(&web, "new");
    sync(&lab, &[]).await;
    says(&lab, ALIASED, "PTR", &["new.corp.org."]).await;
    lab.world().destroy_vm(&web);
    sync(&lab, &[]).await;
    no_such_name(&lab, ALIASED).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn the_ptr_returns_when_the_alias_goes() {
    let mut lab = Lab::new("rfc2317_back").await;
    let account = tenant(&lab, None, Some("corp.org"));
    classless(&lab).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    says(&lab, ALIASED, "PTR", &["web.corp.org."]).await;
    sql(&lab, &format!("DELETE FROM records WHERE name = '{ONE}' AND type = 'CNAME'")).await;
    sync(&lab, &[]).await;
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
    no_such_name(&lab, ALIASED).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_ptr_moves_to_the_target_when_an_alias_takes_its_name() {
    let mut lab = Lab::new("rfc2317_comes").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE, RANGE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
    // As the PowerDNS API would: the RRset goes, the alias comes.
    sql(&lab, &format!("DELETE FROM records WHERE name = '{ONE}'")).await;
    lab.db.insert(REVERSE, ONE, "CNAME", ALIASED, 3600).await.unwrap();
    sync(&lab, &[]).await;
    says(&lab, ALIASED, "PTR", &["web.corp.org."]).await;
    assert_eq!(lab.db.contents(ONE, "PTR").await.unwrap(), Vec::<String>::new(), "PTR rows beside the CNAME");
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn an_alias_that_leads_where_nothing_may_be_written_leaves_the_reverse_name_to_the_operator() {
    let mut lab = Lab::new("rfc2317_elsewhere").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    lab.db.zone_of(RANGE, "SLAVE", 7).await.unwrap();
    lab.db.insert(REVERSE, ONE, "CNAME", ALIASED, 3600).await.unwrap();
    lab.db.insert(REVERSE, "2.2.0.192.in-addr.arpa", "CNAME", "two.elsewhere.net", 3600).await.unwrap();
    put(&lab, &account, "web", "192.0.2.1");
    put(&lab, &account, "two", "192.0.2.2");
    sync(&lab, &[]).await;
    let ptrs = dump(&lab).await.into_iter().filter(|row| row.kind.as_deref() == Some("PTR")).count();
    assert_eq!(ptrs, 0, "PTR rows, beside a CNAME or at a target that is not ours to write");
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn an_alias_into_a_forward_zone_is_followed_too() {
    let mut lab = Lab::new("rfc2317_forward").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    lab.db.insert(REVERSE, ONE, "CNAME", "1.rev.corp.org", 3600).await.unwrap();
    let web = put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    says(&lab, "1.rev.corp.org", "PTR", &["web.corp.org."]).await;
    settled(&mut lab, &[]).await;
    lab.world().destroy_vm(&web);
    sync(&lab, &[]).await;
    no_such_name(&lab, "1.rev.corp.org").await;
    no_such_name(&lab, "rev.corp.org").await;
}
