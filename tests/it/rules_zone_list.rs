//! DNS_ZONES: which zones may be written, and for whose VMs.

use super::{
    bench::Bench,
    rules_support::{REVERSE, dump, no_such_name, put, says, settled, sql, zones},
    support::{LIMIT, answers, sync},
};
use testbed::{Lab, poll};

/// ROOT/acme, ROOT/acme/lab and ROOT/acme2.
fn places(lab: &Lab) -> [String; 3] {
    let world = lab.world();
    let acme = world.add_domain("acme", &world.root(), None);
    [acme.clone(), world.add_domain("lab", &acme, None), world.add_domain("acme2", &world.root(), None)]
}

/// An account in each of them, with the network domain given.
fn tenants(lab: &Lab, domains: [&str; 3]) -> [String; 3] {
    let places = places(lab);
    [0, 1, 2].map(|at| lab.world().add_account(&places[at], "ops", Some(domains[at])))
}

#[tokio::test]
async fn an_item_allows_a_zone_and_the_zones_below_it_and_nothing_else() {
    let mut lab = Lab::new("zone_list").await;
    let [a, b, c] = tenants(&lab, ["corp.org", "sub.corp.org", "notcorp.org"]);
    zones(&lab, &["corp.org", "sub.corp.org", "notcorp.org", REVERSE]).await;
    put(&lab, &a, "web", "192.0.2.1");
    put(&lab, &b, "web", "192.0.2.2");
    put(&lab, &c, "web", "192.0.2.3");
    let list = [("DNS_ZONES", "Corp.org.")];
    sync(&lab, &list).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, "web.sub.corp.org", "A", &["192.0.2.2"]).await;
    no_such_name(&lab, "web.notcorp.org").await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.corp.org."]).await;
    says(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["web.sub.corp.org."]).await;
    no_such_name(&lab, "3.2.0.192.in-addr.arpa").await;
    settled(&mut lab, &list).await;
}

#[tokio::test]
async fn an_item_with_a_path_allows_the_zone_to_that_subtree_of_domains_alone() {
    let mut lab = Lab::new("zone_path").await;
    let [a, b, c] = tenants(&lab, ["corp.org", "corp.org", "corp.org"]);
    zones(&lab, &["corp.org", "free.org", REVERSE]).await;
    put(&lab, &a, "one", "192.0.2.1");
    put(&lab, &b, "two", "192.0.2.2");
    // The evil tenant is older than nobody: its name is free, and still not its to take.
    put(&lab, &c, "three", "192.0.2.3");
    let list = [("DNS_ZONES", "corp.org@ROOT/acme,free.org")];
    sync(&lab, &list).await;
    says(&lab, "one.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, "two.corp.org", "A", &["192.0.2.2"]).await;
    no_such_name(&lab, "three.corp.org").await;
    no_such_name(&lab, "3.2.0.192.in-addr.arpa").await;
    lab.world().set_account_network_domain(&c, Some("free.org"));
    sync(&lab, &list).await;
    says(&lab, "three.free.org", "A", &["192.0.2.3"]).await;
    settled(&mut lab, &list).await;
}

#[tokio::test]
async fn another_tenants_zone_as_network_domain_gets_a_tenant_nothing() {
    let lab = Lab::new("evil_tenant").await;
    let [bank, _, evil] = tenants(&lab, ["bank.org", "none.org", "evil.org"]);
    zones(&lab, &["bank.org", "evil.org"]).await;
    let list = [("DNS_ZONES", "bank.org@acme,evil.org@ROOT/acme2")];
    put(&lab, &evil, "www", "198.51.100.66");
    sync(&lab, &list).await;
    says(&lab, "www.evil.org", "A", &["198.51.100.66"]).await;
    // First come: nobody holds www.bank.org yet.
    lab.world().set_account_network_domain(&evil, Some("bank.org"));
    sync(&lab, &list).await;
    no_such_name(&lab, "www.bank.org").await;
    put(&lab, &bank, "www", "192.0.2.1");
    sync(&lab, &list).await;
    says(&lab, "www.bank.org", "A", &["192.0.2.1"]).await;
}

#[tokio::test]
async fn reverse_zones_are_limited_only_if_one_is_listed() {
    let lab = Lab::new("reverse_list").await;
    let [a, _, _] = tenants(&lab, ["corp.org", "none.org", "none.org"]);
    zones(&lab, &["corp.org", REVERSE, "100.51.198.in-addr.arpa"]).await;
    put(&lab, &a, "one", "192.0.2.1");
    put(&lab, &a, "two", "198.51.100.2");
    sync(&lab, &[("DNS_ZONES", "corp.org,2.0.192.in-addr.arpa")]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["one.corp.org."]).await;
    no_such_name(&lab, "2.100.51.198.in-addr.arpa").await;
    sync(&lab, &[("DNS_ZONES", "corp.org")]).await;
    says(&lab, "2.100.51.198.in-addr.arpa", "PTR", &["two.corp.org."]).await;
}

#[tokio::test]
async fn a_list_of_reverse_zones_alone_allows_no_forward_zone() {
    let lab = Lab::new("reverse_only").await;
    let [a, _, _] = tenants(&lab, ["corp.org", "none.org", "none.org"]);
    zones(&lab, &["corp.org", REVERSE]).await;
    put(&lab, &a, "one", "192.0.2.1");
    let before = dump(&lab).await;
    sync(&lab, &[("DNS_ZONES", REVERSE)]).await;
    assert_eq!(dump(&lab).await, before, "rows where no forward zone is allowed");
}

/// Whatever way of writing a tenant finds for the zone of another one, or for what lies in it, the other's
/// names stand as they did, by the same rows, and the zone gets nothing.
#[tokio::test]
async fn no_way_of_writing_a_network_domain_leads_into_another_tenants_zone() {
    let lab = Lab::new("evil_spelling").await;
    let world = lab.world();
    let [acme, _, acme2] = places(&lab);
    let bank = world.add_account(&acme, "ops", Some("bank.org"));
    let evil = world.add_account(&acme2, "ops", Some("evil.org"));
    zones(&lab, &["bank.org", "sub.bank.org", "evil.org", REVERSE]).await;
    // The one who reaches out has the older VM of each name.
    let vm = put(&lab, &evil, "www", "192.0.2.66");
    put(&lab, &evil, "new", "192.0.2.67");
    world.set_group(&vm, Some("www"));
    put(&lab, &bank, "www", "192.0.2.1");
    for reverse in ["", ",2.0.192.in-addr.arpa", ",2.0.192.in-addr.arpa@acme,2.0.192.in-addr.arpa@acme2"] {
        let list = format!("bank.org@acme,evil.org@ROOT/acme2{reverse}");
        let settings = [
            ("DNS_ZONES", list.as_str()),
            ("DNS_PARENT_ZONES", "true"),
            // Names of evil.org come and go.
            ("DNS_MAX_LOSS_PERCENT", "100"),
        ];
        world.set_account_network_domain(&evil, Some("evil.org"));
        sync(&lab, &settings).await;
        says(&lab, "www.evil.org", "A", &["192.0.2.66"]).await;
        let rows = async || {
            let mut rows = lab.db.rows_of_zone("bank.org").await.expect("the rows");
            rows.extend(lab.db.rows_of_zone("sub.bank.org").await.expect("the rows"));
            rows
        };
        let before = rows().await;
        for domain in ["bank.org", "BANK.org", "bank.org.", "sub.bank.org", "x.bank.org", "www.bank.org"] {
            world.set_account_network_domain(&evil, Some(domain));
            sync(&lab, &settings).await;
            assert_eq!(rows().await, before, "rows of bank.org and sub.bank.org, for {domain} and {list}");
            says(&lab, "www.bank.org", "A", &["192.0.2.1"]).await;
            says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["www.bank.org."]).await;
            let reverse = lab.db.contents("67.2.0.192.in-addr.arpa", "PTR").await.expect("the rows");
            assert!(!reverse.concat().ends_with("bank.org"), "PTR of another tenant's address: {reverse:?}");
        }
        // The same by the network domain of the account's CloudStack domain.
        world.set_account_network_domain(&evil, None);
        world.set_domain_network_domain(&acme2, Some("bank.org"));
        sync(&lab, &settings).await;
        assert_eq!(rows().await, before, "rows of bank.org and sub.bank.org, for a domain's, and {list}");
        world.set_domain_network_domain(&acme2, None);
    }
}

#[tokio::test]
async fn a_zone_below_an_allowed_one_is_allowed_to_the_same_vms() {
    let lab = Lab::new("zone_below").await;
    let [a, b, c] = tenants(&lab, ["x.corp.org", "y.x.corp.org", "x.corp.org"]);
    zones(&lab, &["corp.org", "x.corp.org", "y.x.corp.org"]).await;
    put(&lab, &a, "one", "192.0.2.1");
    put(&lab, &b, "two", "192.0.2.2");
    put(&lab, &c, "three", "192.0.2.3");
    sync(&lab, &[("DNS_ZONES", "corp.org@ROOT/acme")]).await;
    says(&lab, "one.x.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, "two.y.x.corp.org", "A", &["192.0.2.2"]).await;
    no_such_name(&lab, "three.x.corp.org").await;
}

#[tokio::test]
async fn a_reverse_zone_with_a_path_is_that_subtrees_alone() {
    let lab = Lab::new("reverse_path").await;
    let [a, b, c] = tenants(&lab, ["corp.org", "corp.org", "corp.org"]);
    zones(&lab, &["corp.org", REVERSE]).await;
    put(&lab, &a, "one", "192.0.2.1");
    put(&lab, &b, "two", "192.0.2.2");
    put(&lab, &c, "three", "192.0.2.3");
    let list = [("DNS_ZONES", "corp.org,192.in-addr.arpa@acme")];
    sync(&lab, &list).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["one.corp.org."]).await;
    says(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["two.corp.org."]).await;
    says(&lab, "three.corp.org", "A", &["192.0.2.3"]).await;
    no_such_name(&lab, "3.2.0.192.in-addr.arpa").await;
}

/// The target of a classless delegation's alias (RFC 2317) is a name like any other: in a zone that is not
/// for this VM, nothing is written.
#[tokio::test]
async fn an_alias_leads_no_tenants_ptr_into_a_zone_that_is_not_for_it() {
    let mut lab = Lab::new("alias_list").await;
    let [a, _, c] = tenants(&lab, ["corp.org", "none.org", "evil.org"]);
    zones(&lab, &["corp.org", "evil.org", REVERSE, "0-63.2.0.192.in-addr.arpa"]).await;
    for (last, target) in
        [(1, "1.0-63.2.0.192.in-addr.arpa"), (2, "2.0-63.2.0.192.in-addr.arpa"), (3, "3.rev.corp.org")]
    {
        lab.db
            .insert(REVERSE, &format!("{last}.2.0.192.in-addr.arpa"), "CNAME", target, 3600)
            .await
            .expect("a row");
    }
    put(&lab, &a, "one", "192.0.2.1");
    put(&lab, &c, "two", "192.0.2.2");
    put(&lab, &c, "three", "192.0.2.3");
    let list = [("DNS_ZONES", "corp.org@acme,evil.org,2.0.192.in-addr.arpa,0-63.2.0.192.in-addr.arpa@acme")];
    // The reverse zone encloses the range's: its item would open that to everybody.
    let limited = [("DNS_ZONES", "corp.org@acme,evil.org,2.0.192.in-addr.arpa@acme")];
    for settings in [limited, list] {
        sync(&lab, &settings).await;
        says(&lab, "two.evil.org", "A", &["192.0.2.2"]).await;
        says(&lab, "1.0-63.2.0.192.in-addr.arpa", "PTR", &["one.corp.org."]).await;
        no_such_name(&lab, "3.rev.corp.org").await;
        if settings == limited {
            no_such_name(&lab, "2.0-63.2.0.192.in-addr.arpa").await;
        }
        settled(&mut lab, &settings).await;
    }
    says(&lab, "2.0-63.2.0.192.in-addr.arpa", "PTR", &["two.evil.org."]).await;
}

#[tokio::test]
async fn a_ptr_that_an_alias_leads_into_a_forbidden_zone_says_so() {
    let lab = Lab::new("alias_said").await;
    let [a, _, c] = tenants(&lab, ["corp.org", "none.org", "evil.org"]);
    zones(&lab, &["corp.org", "evil.org", "no.org", REVERSE]).await;
    lab.db.zone_of("slave.org", "SLAVE", 7).await.expect("a zone");
    for (last, target) in [(1, "1.rev.corp.org"), (2, "2.rev.corp.org"), (3, "3.no.org"), (4, "4.slave.org")]
    {
        let name = format!("{last}.2.0.192.in-addr.arpa");
        lab.db.insert(REVERSE, &name, "CNAME", target, 3600).await.expect("a row");
    }
    put(&lab, &a, "one", "192.0.2.1");
    for (name, last) in [("two", 2), ("three", 3), ("four", 4)] {
        put(&lab, &c, name, &format!("192.0.2.{last}"));
    }
    let list = [("DNS_ZONES", "corp.org@acme,evil.org,slave.org")];
    let bench = Bench::start(lab, &list).await;
    bench.controller.signal("CONT").expect("it goes on");
    says(&bench.lab, "1.rev.corp.org", "PTR", &["one.corp.org."]).await;
    let not_allowed = "DNS_ZONES does not allow this zone for this VM";
    let secondary = "the zone's type is Secondary: its contents come from elsewhere";
    for (last, said) in [
        (1, String::new()),
        (2, format!("ptr refused: an alias of 2.rev.corp.org, and there {not_allowed}")),
        (3, format!("ptr refused: an alias of 3.no.org, and there {not_allowed}")),
        (4, format!("ptr refused: an alias of 4.slave.org, and there {secondary}")),
    ] {
        let name = format!("{last}.2.0.192.in-addr.arpa");
        assert_eq!(bench.stands(&name).await, said, "what /status says of {name}");
    }
    // Not for longer than it is true: the alias goes, and the PTR comes.
    sql(&bench.lab, "DELETE FROM records WHERE name = '2.2.0.192.in-addr.arpa'").await;
    answers(&bench.lab, "2.2.0.192.in-addr.arpa", "PTR", &["two.evil.org."]).await;
    poll("/status says nothing more of it", LIMIT, async || {
        let said = bench.stands("2.2.0.192.in-addr.arpa").await;
        if said.is_empty() { Ok(()) } else { Err(said) }
    })
    .await;
}
