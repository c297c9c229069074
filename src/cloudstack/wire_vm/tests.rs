//! VM answers: the samples, and values of wrong types.

use super::*;
use crate::cloudstack::{
    ApiError,
    wire::{Page, page},
};

fn sample(name: &str) -> Page<Vm> {
    page(&std::fs::read(format!("{}/fixtures/cloudstack/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap())
        .unwrap()
}

fn one(vm: &str) -> Page<Vm> {
    let body = format!(r#"{{"listvirtualmachinesresponse":{{"count":1,"virtualmachine":[{vm}]}}}}"#);
    page(body.as_bytes()).unwrap()
}

const ID: &str = "0b6f3c1e-6a51-4d0e-9a44-5f6f0b8e1a01";
const DOMAIN: &str = "e5e50000-0000-4000-8000-000000000002";

fn with(fields: &str) -> Page<Vm> {
    one(&format!(
        r#"{{"id":"{ID}","name":"a","state":"Running","account":"x","domainid":"{DOMAIN}"{fields}}}"#
    ))
}

#[test]
fn first_page_sample_reads_with_everything_that_dns_needs() {
    let page = sample("listVirtualMachines.page1.json");
    assert_eq!((page.count, page.len, page.unread.len()), (Some(6), 6, 0));
    let vm = &page.good[0];
    assert_eq!((vm.id.to_string().as_str(), &*vm.name, vm.state), (ID, "Web-01", VmState::Live));
    assert_eq!(vm.owner, OwnerKey::Account(DOMAIN.parse().unwrap(), "acme-ops".into()));
    assert_eq!((vm.created, vm.group.as_deref()), (1_772_619_301, Some("www (blue)")));
    assert_eq!((vm.nics.len(), vm.flaws.len()), (2, 0));
    let (first, second) = (&vm.nics[0], &vm.nics[1]);
    assert!(first.is_default && !second.is_default);
    assert_eq!((first.kind, second.kind), (NetworkKind::Isolated, NetworkKind::Shared));
    assert_eq!((first.device, second.device), (0, 1));
    assert_eq!((first.v4, first.v6), (Some("10.1.1.21".parse().unwrap()), None));
    assert_eq!(second.v6, Some("2001:db8:1::21".parse().unwrap()));
    let ips = ["44440000-0000-4000-8000-000000000001", "55550000-0000-4000-8000-000000000001"];
    assert_eq!(*first.ips, ips.map(|ip| ip.parse().unwrap()));
    assert!(page.good.iter().any(|vm| matches!(vm.owner, OwnerKey::Project(..))));
}

#[test]
fn other_samples_read() {
    for (name, count, len) in [
        ("listVirtualMachines.empty.json", None, 0),
        ("listVirtualMachines.count-only.json", Some(6), 0),
        ("listVirtualMachines.page-past-end.json", Some(6), 0),
        ("listVirtualMachines.details-nics-only-no-group.json", Some(1), 1),
        ("listVirtualMachines.user-scope-no-instancename.json", Some(1), 1),
    ] {
        let page = sample(name);
        assert_eq!((page.count, page.len, page.unread.len()), (count, len, 0), "{name}");
        assert!(page.good.iter().all(|vm| vm.group.is_none()), "{name}");
    }
}

#[test]
fn values_of_wrong_types_spoil_only_themselves() {
    let nic = r#"{"id":7,"networkid":{},"type":3,"isdefault":"true","deviceid":4,"ipaddress":"10.0.0.999",
        "ip6address":["::1"],"secondaryip":{"id":1},"publicipid":null,"new":{"deep":[[]]}}"#;
    let page = with(&format!(r#","created":"then","group":[],"nic":[{nic}]"#));
    let vm = &page.good[0];
    assert_eq!((vm.created, vm.group.as_ref()), (i64::MAX, None));
    let nic = &vm.nics[0];
    assert_eq!((nic.device, nic.is_default, nic.v4, nic.v6), (4, true, None, None));
    assert_eq!((nic.id, nic.ips.len()), (NicId::from_u128(0), 0));
    assert_eq!(vm.flaws.len(), 6);
    assert!(vm.flaws.iter().any(|flaw| &**flaw == r#"ipaddress: "10.0.0.999""#));
}

#[test]
fn flaws_are_few_short_and_printable() {
    let nic = format!(r#"{{"ipaddress":"\u001b[31m{}"}}"#, "x".repeat(5000));
    let page = with(&format!(r#","nic":[{}]"#, vec![nic; 20].join(",")));
    let flaws = &page.good[0].flaws;
    assert_eq!(flaws.len(), 8);
    assert!(flaws.iter().all(|flaw| flaw.len() < 120 && !flaw.contains(char::is_control)));
}

#[test]
fn addresses_that_are_not_there_are_no_flaws() {
    let page = with(
        r#","created":"2026-03-04T10:15:01+0000","group":"","nic":[{"id":"a1a10000-0000-4000-8000-000000000001",
        "networkid":"b2b20000-0000-4000-8000-000000000001","ipaddress":"","ip6address":null}]"#,
    );
    let vm = &page.good[0];
    assert_eq!((vm.flaws.len(), vm.group.as_ref(), vm.nics[0].device), (0, None, u32::MAX));
}

#[test]
fn what_cannot_be_read_is_counted_and_leaves_the_rest_alone() {
    let id = ID.parse().ok();
    for (vm, id) in [
        ("null".to_owned(), None),
        ("[1]".to_owned(), None),
        (r#"{"name":"a"}"#.to_owned(), None),
        (r#"{"id":"no"}"#.to_owned(), None),
        (format!(r#"{{"id":"{ID}"}}"#), id),
        (format!(r#"{{"id":"{ID}","name":"a","state":"Running","account":"x"}}"#), id),
        (
            format!(r#"{{"id":"{ID}","name":"a","state":"Running","domainid":"{DOMAIN}","projectid":"?"}}"#),
            id,
        ),
        (
            format!(
                r#"{{"id":"{ID}","name":"a","state":"Running","account":"x","domainid":"{DOMAIN}","nic":{{}}}}"#
            ),
            id,
        ),
        (
            format!(
                r#"{{"id":"{ID}","name":"a","state":"Running","account":"x","domainid":"{DOMAIN}","nic":[1]}}"#
            ),
            id,
        ),
    ] {
        let page = one(&vm);
        assert_eq!((page.len, page.good.len(), &page.unread[..]), (1, 0, &[Unread(id)][..]), "{vm}");
    }
}

#[test]
fn a_field_twice_and_bytes_that_are_no_text_still_give_a_page() {
    assert_eq!(with(r#","name":"b""#).good.len(), 1);
    let mut body =
        br#"{"listvirtualmachinesresponse":{"count":1,"virtualmachine":[{"id":"x","name":""#.to_vec();
    body.extend_from_slice(b"\xff\"}]}}");
    assert_eq!(page::<Vm>(&body).unwrap().unread.len(), 1);
}

#[test]
fn truncated_and_foreign_answers_are_errors() {
    let whole = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/cloudstack/listVirtualMachines.page1.json"
    ));
    let whole = whole.unwrap();
    for cut in [0, 1, 20, 60, whole.len() / 2, whole.len() - 5] {
        assert!(matches!(page::<Vm>(&whole[..cut]), Err(ApiError::BadBody { .. })), "{cut}");
    }
    for body in [
        r#"{"listvirtualmachinesresponse":null}"#,
        r#"{"listvirtualmachinesresponse":{"count":1,"virtualmachine":{}}}"#,
        r#"{"listdomainsresponse":{}}"#,
    ] {
        assert!(page::<Vm>(body.as_bytes()).is_err(), "{body}");
    }
}
