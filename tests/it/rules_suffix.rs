//! Under which names a VM's records are put: the account's network domain, else its domain's, and the
//! common zone besides.

use super::{
    rules_support::{REVERSE, dump, no_such_name, put, says, settled, tenant, zones},
    support::sync,
};
use testbed::Lab;

const COMMON: [(&str, &str); 2] = [("DNS_COMMON_ZONE", "common.org"), ("DNS_ADD_TO_COMMON_ZONE", "true")];

#[tokio::test]
async fn the_accounts_network_domain_wins_and_its_domains_is_skipped() {
    let mut lab = Lab::new("account_wins").await;
    let account = tenant(&lab, Some("domain.org"), Some("Account.org"));
    zones(&lab, &["account.org", "domain.org"]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    says(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "web.domain.org").await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn an_account_without_a_network_domain_takes_its_domains_but_not_that_of_the_domain_above() {
    let lab = Lab::new("domain_stands_in").await;
    let world = lab.world();
    zones(&lab, &["parent.org", "child.org"]).await;
    let parent = world.add_domain("parent", &world.root(), Some("parent.org"));
    let named = world.add_domain("named", &parent, Some("child.org"));
    let bare = world.add_domain("bare", &parent, None);
    put(&lab, &world.add_account(&named, "a", Some("")), "one", "192.0.2.1");
    put(&lab, &world.add_account(&bare, "b", None), "two", "192.0.2.2");
    sync(&lab, &[]).await;
    says(&lab, "one.child.org", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "one.parent.org").await;
    no_such_name(&lab, "two.parent.org").await;
}

#[tokio::test]
async fn with_dns_inherit_domain_the_nearest_domain_above_that_has_one_stands_in() {
    let mut lab = Lab::new("inherit").await;
    let world = lab.world();
    zones(&lab, &["parent.org", "child.org"]).await;
    let parent = world.add_domain("parent", &world.root(), Some("parent.org"));
    let named = world.add_domain("named", &parent, Some("child.org"));
    let bare = world.add_domain("bare", &parent, None);
    let deep = world.add_domain("deep", &bare, None);
    put(&lab, &world.add_account(&named, "a", None), "one", "192.0.2.1");
    put(&lab, &world.add_account(&deep, "b", None), "two", "192.0.2.2");
    let inherit = [("DNS_INHERIT_DOMAIN", "true")];
    sync(&lab, &inherit).await;
    says(&lab, "one.child.org", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "one.parent.org").await;
    says(&lab, "two.parent.org", "A", &["192.0.2.2"]).await;
    settled(&mut lab, &inherit).await;
}

#[tokio::test]
async fn the_common_zone_has_every_vm_besides() {
    let mut lab = Lab::new("common").await;
    let world = lab.world();
    zones(&lab, &["account.org", "domain.org", "common.org"]).await;
    let domain = world.add_domain("acme", &world.root(), Some("domain.org"));
    let nameless = world.add_domain("nameless", &world.root(), None);
    put(&lab, &world.add_account(&domain, "a", Some("account.org")), "one", "192.0.2.1");
    put(&lab, &world.add_account(&domain, "b", None), "two", "192.0.2.2");
    put(&lab, &world.add_account(&nameless, "c", None), "three", "192.0.2.3");
    sync(&lab, &COMMON).await;
    says(&lab, "one.account.org", "A", &["192.0.2.1"]).await;
    says(&lab, "one.common.org", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "one.domain.org").await;
    says(&lab, "two.domain.org", "A", &["192.0.2.2"]).await;
    says(&lab, "two.common.org", "A", &["192.0.2.2"]).await;
    says(&lab, "three.common.org", "A", &["192.0.2.3"]).await;
    settled(&mut lab, &COMMON).await;
}

#[tokio::test]
async fn a_common_zone_counts_only_if_dns_add_to_common_zone_says_so() {
    let lab = Lab::new("common_off").await;
    let account = tenant(&lab, Some("domain.org"), None);
    zones(&lab, &["domain.org", "common.org"]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[("DNS_COMMON_ZONE", "common.org")]).await;
    says(&lab, "web.domain.org", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "web.common.org").await;
}

#[tokio::test]
async fn equal_suffixes_are_one_claim() {
    let mut lab = Lab::new("equal_suffixes").await;
    let account = tenant(&lab, None, Some("COMMON.org"));
    zones(&lab, &["common.org", REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &COMMON).await;
    says(&lab, "web.common.org", "A", &["192.0.2.1"]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.common.org."]).await;
    let entries: Vec<u32> =
        lab.db.query("SELECT COUNT(*) FROM cs_powerdns_ledger").await.expect("the ledger");
    assert_eq!(entries, [2], "one entry for the name, one for its reverse name");
    settled(&mut lab, &COMMON).await;
}

#[tokio::test]
async fn without_any_suffix_a_vm_has_no_records_and_others_have_theirs() {
    let lab = Lab::new("no_suffix").await;
    let world = lab.world();
    zones(&lab, &["domain.org", REVERSE]).await;
    let with = world.add_domain("with", &world.root(), Some("domain.org"));
    let without = world.add_domain("without", &world.root(), None);
    put(&lab, &world.add_account(&without, "a", None), "none", "192.0.2.1");
    put(&lab, &world.add_account(&with, "b", None), "some", "192.0.2.2");
    sync(&lab, &[]).await;
    says(&lab, "some.domain.org", "A", &["192.0.2.2"]).await;
    says(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["some.domain.org."]).await;
    no_such_name(&lab, "1.2.0.192.in-addr.arpa").await;
    let named = dump(&lab).await.into_iter().filter(|row| row.name.starts_with("none")).count();
    assert_eq!(named, 0, "rows of a VM without a suffix");
}

#[tokio::test]
async fn a_network_domain_that_changes_moves_the_vm_to_its_new_name() {
    let mut lab = Lab::new("suffix_changes").await;
    let account = tenant(&lab, Some("domain.org"), None);
    zones(&lab, &["domain.org", "account.org", REVERSE]).await;
    put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.domain.org."]).await;
    lab.world().set_account_network_domain(&account, Some("account.org"));
    sync(&lab, &[]).await;
    says(&lab, "web.account.org", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "web.domain.org").await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.account.org."]).await;
    settled(&mut lab, &[]).await;
}
