//! Which addresses are published: DNS_NICS, DNS_ADDRESSES, and addresses that are none.

use super::{
    rules_support::{REVERSE, no_such_name, put, says, settled, tenant, zones},
    support::sync,
};
use serde_json::json;
use testbed::{Lab, NetworkKind, VmSpec};

const ALL: [(&str, &str); 1] = [("DNS_NICS", "all")];

/// A VM with a NIC in each of two networks.
fn two_nics(lab: &Lab, account: &str) -> String {
    let world = lab.world();
    let network = world.add_network(&world.root(), "second", NetworkKind::Isolated);
    let vm = world.create_vm(VmSpec::new("web", account).v4("192.0.2.1").v6("2001:0DB8:0:0::0001"));
    world.add_nic(&vm, &network, Some("198.51.100.2"), Some("2001:db8::2"));
    vm
}

#[tokio::test]
async fn the_default_nic_alone_is_published_unless_dns_nics_says_all() {
    let mut lab = Lab::new("nics").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE, "100.51.198.in-addr.arpa"]).await;
    two_nics(&lab, &account);
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, "web.corp.org", "AAAA", &["2001:db8::1"]).await;
    no_such_name(&lab, "2.100.51.198.in-addr.arpa").await;
    sync(&lab, &ALL).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1", "198.51.100.2"]).await;
    says(&lab, "web.corp.org", "AAAA", &["2001:db8::1", "2001:db8::2"]).await;
    says(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["web.corp.org."]).await;
    says(&lab, "2.100.51.198.in-addr.arpa", "PTR", &["web.corp.org."]).await;
    settled(&mut lab, &ALL).await;
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    no_such_name(&lab, "2.100.51.198.in-addr.arpa").await;
}

#[tokio::test]
async fn where_no_nic_is_the_default_one_the_lowest_device_counts() {
    let lab = Lab::new("no_default_nic").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org"]).await;
    let vm = put(&lab, &account, "web", "192.0.2.1");
    let nic = |id: u32, device: &str, address: &str| {
        json!({
            "id": format!("aaaa0000-0000-4000-8000-{id:012}"), "deviceid": device, "ipaddress": address,
            "isdefault": false, "networkid": "bbbb0000-0000-4000-8000-000000000001", "type": "Shared",
        })
    };
    let nics = json!([nic(1, "10", "192.0.2.10"), nic(2, "2", "192.0.2.2"), nic(3, "9", "192.0.2.9")]);
    lab.world().patch_vm(&vm, json!({ "nic": nics }));
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.2"]).await;
}

#[tokio::test]
async fn dns_addresses_publishes_only_what_lies_inside() {
    let mut lab = Lab::new("cidr").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE, "100.51.198.in-addr.arpa"]).await;
    two_nics(&lab, &account);
    put(&lab, &account, "outside", "203.0.113.1");
    let inside = [("DNS_NICS", "all"), ("DNS_ADDRESSES", "198.51.100.0/24,2001:db8::2/128")];
    sync(&lab, &inside).await;
    says(&lab, "web.corp.org", "A", &["198.51.100.2"]).await;
    says(&lab, "web.corp.org", "AAAA", &["2001:db8::2"]).await;
    says(&lab, "2.100.51.198.in-addr.arpa", "PTR", &["web.corp.org."]).await;
    no_such_name(&lab, "1.2.0.192.in-addr.arpa").await;
    no_such_name(&lab, "outside.corp.org").await;
    settled(&mut lab, &inside).await;
}

#[tokio::test]
async fn an_address_that_is_none_is_left_out_and_harms_nobody() {
    let mut lab = Lab::new("bad_addresses").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    let bad = ["999.1.1.1", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2", "", "1; DROP"];
    for (at, address) in bad.iter().enumerate() {
        put(&lab, &account, &format!("bad{at}"), address);
    }
    lab.world().create_vm(VmSpec::new("half", &account).v4("192.0.2.300").v6("2001:db8::5"));
    lab.world().create_vm(VmSpec::new("other", &account).v4("192.0.2.6").v6("fe80::%eth0"));
    lab.world().create_vm(VmSpec::new("none", &account));
    put(&lab, &account, "good", "192.0.2.7");
    sync(&lab, &[]).await;
    for at in 0..bad.len() {
        no_such_name(&lab, &format!("bad{at}.corp.org")).await;
    }
    no_such_name(&lab, "none.corp.org").await;
    says(&lab, "half.corp.org", "AAAA", &["2001:db8::5"]).await;
    says(&lab, "half.corp.org", "A", &[]).await;
    says(&lab, "other.corp.org", "A", &["192.0.2.6"]).await;
    says(&lab, "other.corp.org", "AAAA", &[]).await;
    says(&lab, "good.corp.org", "A", &["192.0.2.7"]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_changed_address_moves_name_group_and_reverse_name() {
    let mut lab = Lab::new("address_changes").await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE, "8.b.d.0.1.0.0.2.ip6.arpa"]).await;
    let vm = lab.world().create_vm(VmSpec::new("web", &account).v4("192.0.2.1").group("www"));
    sync(&lab, &[]).await;
    lab.world().set_address(&vm, Some("192.0.2.2"), Some("2001:db8::2"));
    sync(&lab, &[]).await;
    for name in ["web.corp.org", &format!("www-{}.corp.org", &account[..8])] {
        says(&lab, name, "A", &["192.0.2.2"]).await;
        says(&lab, name, "AAAA", &["2001:db8::2"]).await;
    }
    no_such_name(&lab, "1.2.0.192.in-addr.arpa").await;
    says(&lab, "2.2.0.192.in-addr.arpa", "PTR", &["web.corp.org."]).await;
    let six = format!("2.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
    says(&lab, &six, "PTR", &["web.corp.org."]).await;
    lab.world().set_address(&vm, None, Some("2001:db8::2"));
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &[]).await;
    says(&lab, "web.corp.org", "AAAA", &["2001:db8::2"]).await;
    no_such_name(&lab, "2.2.0.192.in-addr.arpa").await;
    settled(&mut lab, &[]).await;
}
