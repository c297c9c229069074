//! The world's proofs, without servers.

use super::{audit::Audit, world::World};
use crate::{
    desired::{self, OwnerIndex},
    model::{
        Account, AccountId, Content, Domain, DomainId, Entry, Kind, NetworkId, NetworkKind, Nic, NicId,
        OwnerKey, OwnerName, Owners, ReadSeq, RecordType, Row, Ttl, Vm, VmId, VmState, Zone, ZoneId, Zones,
    },
    plan::Standing,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

const DOMAIN: DomainId = DomainId::from_u128(1);

fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

fn zone(id: ZoneId, apex: &str) -> Zone {
    Zone::sample(id, &name(apex))
}

fn owners(suffix: &str) -> OwnerIndex {
    OwnerIndex::new(&Owners {
        accounts: vec![Account {
            id: AccountId::from_u128(7),
            name: "ops".into(),
            domain: DOMAIN,
            network_domain: Some(suffix.into()),
        }],
        domains: vec![Domain {
            id: DOMAIN,
            parent: None,
            path: "ROOT".into(),
            level: 0,
            network_domain: None,
        }],
        projects: vec![],
    })
}

fn world() -> World {
    let mut world = World::new(desired::Settings::default());
    world.owners = owners("a.org");
    world.zones = Arc::new(Zones::new([zone(1, "a.org"), zone(2, "2.0.192.in-addr.arpa")], HashMap::new()));
    world
}

fn vm(id: u128, label: &str, v4: Option<&str>) -> Vm {
    Vm {
        id: VmId::from_u128(id),
        name: label.into(),
        state: VmState::Live,
        owner: OwnerKey::Account(DOMAIN, "ops".into()),
        created: 1,
        group: None,
        nics: Box::new([Nic {
            id: NicId::from_u128(id),
            network: NetworkId::from_u128(1),
            kind: NetworkKind::Shared,
            is_default: true,
            device: 0,
            v4: v4.map(|text| text.parse().unwrap()),
            v6: None,
            ips: Box::new([]),
        }]),
        flaws: Box::new([]),
    }
}

fn entry(id: u128, owner: &str, rtype: RecordType, content: Content, kind: Kind) -> Entry {
    Entry {
        zone: if kind == Kind::Ptr { 2 } else { 1 },
        name: name(owner),
        rtype,
        content,
        ttl: Ttl(60),
        record: 9,
        owner: "default".into(),
        vm: VmId::from_u128(id),
        account: AccountId::from_u128(7),
        kind,
        held: None,
        on_hold: false,
    }
}

fn address(id: u128, owner: &str, v4: &str) -> Entry {
    entry(id, owner, RecordType::A, Content::V4(v4.parse().unwrap()), Kind::Name)
}

fn row(entry: &Entry) -> Row {
    Row {
        id: entry.record,
        zone: entry.zone,
        name: entry.name.clone(),
        rtype: entry.rtype.clone(),
        content: entry.content.clone(),
        ttl: Some(entry.ttl),
        disabled: false,
        auth: Some(true),
        ordername: None,
    }
}

#[test]
fn an_audit_of_an_unchanged_world_marks_nothing() {
    let mut world = world();
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
    let entries = [
        address(1, "web.a.org", "192.0.2.1"),
        entry(1, "1.2.0.192.in-addr.arpa", RecordType::Ptr, Content::Name(name("web.a.org")), Kind::Ptr),
    ];
    let mut audit = Audit::new("default".into(), Ttl(60));
    for entry in &entries {
        assert_eq!(audit.take(&mut world, entry, Some(&row(entry))), None, "{}", entry.name);
    }
    assert_eq!(audit.end(&mut world, ReadSeq(1)).marks, vec![]);
}

#[test]
fn an_audit_marks_what_differs() {
    let good = address(1, "web.a.org", "192.0.2.1");
    let ptr =
        entry(1, "1.2.0.192.in-addr.arpa", RecordType::Ptr, Content::Name(name("web.a.org")), Kind::Ptr);
    let edited = Row { content: Content::V4("192.0.2.9".parse().unwrap()), ..row(&good) };
    let disabled = Row { disabled: true, ..row(&good) };
    // Where a PTR points hangs on what stands at the forward name.
    let both = ["1.2.0.192.in-addr.arpa", "web.a.org"].map(name);
    for (case, entries, expected) in [
        ("nothing was written", vec![], &both[..]),
        ("the row has gone", vec![(good.clone(), None), (ptr.clone(), Some(row(&ptr)))], &both),
        ("the row was edited", vec![(good.clone(), Some(edited)), (ptr.clone(), Some(row(&ptr)))], &both),
        ("the row was disabled", vec![(good.clone(), Some(disabled)), (ptr.clone(), Some(row(&ptr)))], &both),
        ("the reverse name is missing", vec![(good.clone(), Some(row(&good)))], &both[..1]),
        (
            "another VM's entry stands",
            {
                let other = Entry { vm: VmId::from_u128(2), ..good.clone() };
                vec![(other.clone(), Some(row(&other)))]
            },
            &both,
        ),
    ] {
        let mut world = world();
        world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
        let mut audit = Audit::new("default".into(), Ttl(60));
        let mut marks: Vec<OwnerName> = Vec::new();
        for (entry, row) in &entries {
            if audit.take(&mut world, entry, row.as_ref()).is_some() {
                marks.push(entry.name.clone());
            }
        }
        marks.extend(audit.end(&mut world, ReadSeq(1)).marks);
        marks.sort();
        marks.dedup();
        assert_eq!(marks, expected, "{case}");
    }
}

#[test]
fn a_vm_that_only_the_ledger_knows_is_kept_until_two_listings_and_look_ups_lack_it() {
    let mut world = world();
    let entry = address(5, "old.a.org", "192.0.2.5");
    let audit = |world: &mut World, listing| {
        let mut audit = Audit::new("default".into(), Ttl(60));
        audit.take(world, &entry, Some(&row(&entry)));
        audit.end(world, ReadSeq(listing));
    };
    audit(&mut world, 1);
    assert_eq!(world.standing(&entry), Standing::Keep);
    assert_eq!(world.open_proofs(), 1);
    let id = VmId::from_u128(5);
    assert!(!world.lacked_twice(id, ReadSeq(1), |_, _| true), "the same listing proves nothing twice");
    assert!(!world.lacked_twice(id, ReadSeq(2), |_, _| false), "too close to the first");
    assert!(world.lacked_twice(id, ReadSeq(3), |_, _| true));
    assert_eq!(world.bury(id, ReadSeq(3), false).touched, [name("old.a.org")]);
    assert_eq!(world.standing(&entry), Standing::Gone { announced: false });
}

#[test]
fn a_vm_without_addresses_keeps_what_it_has_until_two_listings_say_so() {
    let mut world = world();
    let entry = address(1, "web.a.org", "192.0.2.1");
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
    world.apply(vm(1, "web", None), ReadSeq(2), false, true);
    assert_eq!(world.standing(&entry), Standing::Keep, "an event does not count");
    world.apply(vm(1, "web", None), ReadSeq(3), true, false);
    assert_eq!(world.standing(&entry), Standing::Keep);
    world.apply(vm(1, "web", None), ReadSeq(4), true, false);
    assert!(matches!(world.standing(&entry), Standing::Living { .. }));
}

#[test]
fn a_vm_whose_owner_no_listing_has_keeps_what_it_has() {
    let mut world = world();
    let entry = address(1, "web.a.org", "192.0.2.1");
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
    world.owners = OwnerIndex::new(&Owners::default());
    assert_eq!(world.standing(&entry), Standing::Keep);
    world.recompute(VmId::from_u128(1));
    assert!(world.claims_at(&entry.name).is_empty());
    // It is given to somebody who is not listed yet either; when he is, the old name is looked at again.
    let theirs = |key: &str| OwnerKey::Account(DOMAIN, key.into());
    let moved = Vm { owner: theirs("new"), ..vm(1, "web", Some("192.0.2.1")) };
    world.apply(moved, ReadSeq(2), false, true);
    let account = Account {
        id: AccountId::from_u128(8),
        name: "new".into(),
        domain: DOMAIN,
        network_domain: Some("b.org".into()),
    };
    let domain = Domain { id: DOMAIN, parent: None, path: "ROOT".into(), level: 0, network_domain: None };
    world.owners =
        OwnerIndex::new(&Owners { accounts: vec![account], domains: vec![domain], projects: vec![] });
    world.zones = Arc::new(Zones::new([zone(1, "a.org"), zone(3, "b.org")], HashMap::new()));
    let touched = world.recompute(VmId::from_u128(1)).touched;
    assert!(touched.contains(&entry.name), "{touched:?}");
    assert_eq!(world.standing(&entry), Standing::Living { announced: true });
}

#[test]
fn a_misspelt_network_domain_takes_nobody_off_the_net() {
    let mut world = world();
    let entry = address(1, "web.a.org", "192.0.2.1");
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
    world.owners = owners("misspelt.org");
    world.recompute(VmId::from_u128(1));
    assert_eq!(world.standing(&entry), Standing::Keep, "its successor waits for a zone");
    let zones = [zone(1, "a.org"), zone(3, "misspelt.org")];
    world.zones = Arc::new(Zones::new(zones, HashMap::new()));
    world.recompute(VmId::from_u128(1));
    assert!(matches!(world.standing(&entry), Standing::Living { .. }), "its successor can be served");
}

#[test]
fn a_network_domain_that_is_no_name_takes_nobody_off_the_net() {
    let grouped = || Vm { group: Some("www".into()), ..vm(1, "web", Some("192.0.2.1")) };
    let group = Entry { kind: Kind::Group, ..address(1, "www-00000000.a.org", "192.0.2.1") };
    let entries = [address(1, "web.a.org", "192.0.2.1"), group];
    // With the common zone beside it as well: what stands there is no successor.
    let common = desired::Settings { common_zone: Some(name("common.org")), ..desired::Settings::default() };
    for settings in [desired::Settings::default(), common] {
        for text in ["a..org", "a.org/", "-a.org", "a_.org", "2.0.192.in-addr.arpa", &"a".repeat(300)] {
            let mut world = world();
            world.settings = settings.clone();
            let zones = [zone(1, "a.org"), zone(2, "2.0.192.in-addr.arpa"), zone(3, "common.org")];
            world.zones = Arc::new(Zones::new(zones, HashMap::new()));
            world.apply(grouped(), ReadSeq(1), true, false);
            world.owners = owners(text);
            world.recompute(VmId::from_u128(1));
            for entry in &entries {
                assert_eq!(world.standing(entry), Standing::Keep, "{} beside {text}", entry.name);
            }
            // Another name is not what the text has spoilt, and neither is no network domain at all.
            let renamed = Vm { name: "other".into(), ..grouped() };
            world.apply(renamed, ReadSeq(2), false, true);
            assert_eq!(world.standing(&entries[0]), Standing::Living { announced: true });
            world.owners = owners(" ");
            world.recompute(VmId::from_u128(1));
            assert!(matches!(world.standing(&entries[1]), Standing::Living { .. }));
        }
    }
}

#[test]
fn a_vm_that_thaws_has_all_its_names_settled_also_those_that_are_the_same() {
    let mut world = world();
    let owner = std::mem::replace(&mut world.owners, OwnerIndex::new(&Owners::default()));
    let id = VmId::from_u128(1);
    world.owners = owner.clone();
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
    world.owners = OwnerIndex::new(&Owners::default());
    assert!(world.recompute(id).ownerless, "it has just lost its owner");
    assert!(!world.recompute(id).ownerless, "that is no news");
    world.apply(vm(1, "web", Some("192.0.2.2")), ReadSeq(2), false, true);
    world.settled(&name("web.a.org"));
    world.owners = owner;
    let touched = world.recompute(id).touched;
    assert!(touched.contains(&name("web.a.org")), "its address has changed meanwhile: {touched:?}");
    let entry = address(1, "web.a.org", "192.0.2.1");
    assert_eq!(world.standing(&entry), Standing::Living { announced: true });
    assert_eq!(world.recompute(id).touched, [], "once");
}

#[test]
fn names_that_are_kept_are_settled_at_once_when_the_vm_goes() {
    let id = VmId::from_u128(1);
    let entry = address(1, "web.a.org", "192.0.2.1");
    let audit = |world: &mut World| {
        let mut audit = Audit::new("default".into(), Ttl(60));
        audit.take(world, &entry, Some(&row(&entry)));
        audit.end(world, ReadSeq(1));
    };
    for restart in [false, true] {
        for keeps in ["misspelt", "blank", "frozen"] {
            let mut world = world();
            if !restart {
                world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
            }
            match keeps {
                "misspelt" => world.owners = owners("misspelt.org"),
                "frozen" => world.owners = OwnerIndex::new(&Owners::default()),
                _ => {}
            }
            world.recompute(id);
            let seen = vm(1, "web", (keeps != "blank").then_some("192.0.2.1"));
            world.apply(seen.clone(), ReadSeq(2), restart, false);
            if restart {
                audit(&mut world);
            }
            assert_eq!(world.standing(&entry), Standing::Keep, "{keeps}, {restart}");
            let touched = world.bury(id, ReadSeq(3), true).touched;
            assert!(touched.contains(&entry.name), "{keeps}, after a restart: {restart}: {touched:?}");
        }
    }
}

#[test]
fn a_change_that_a_trigger_named_is_announced_until_its_names_are_settled() {
    let mut world = world();
    let entry = address(1, "web.a.org", "192.0.2.1");
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
    assert_eq!(world.standing(&entry), Standing::Living { announced: false });
    world.apply(vm(1, "newer", Some("192.0.2.1")), ReadSeq(2), false, true);
    assert_eq!(world.standing(&entry), Standing::Living { announced: true });
    world.settled(&entry.name);
    assert_eq!(world.standing(&entry), Standing::Living { announced: false });
}

#[test]
fn an_event_whose_change_a_listing_has_absorbed_still_announces_it() {
    let mut world = world();
    let entry = address(1, "web.a.org", "192.0.2.1");
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
    world.begin_listing(false);
    world.apply(vm(1, "newer", Some("192.0.2.1")), ReadSeq(2), true, false);
    assert_eq!(world.standing(&entry), Standing::Living { announced: false });
    let touched = world.apply(vm(1, "newer", Some("192.0.2.1")), ReadSeq(3), false, true).touched;
    assert!(touched.contains(&entry.name) && touched.contains(&name("newer.a.org")), "{touched:?}");
    assert_eq!(world.standing(&entry), Standing::Living { announced: true });
}

#[test]
fn an_older_read_brings_no_vm_back() {
    let mut world = world();
    let id = VmId::from_u128(1);
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(1), true, false);
    world.bury(id, ReadSeq(3), true);
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(2), true, false);
    assert!(world.inventory.get(id).is_none());
    world.apply(vm(1, "web", Some("192.0.2.1")), ReadSeq(4), true, false);
    assert!(world.inventory.get(id).is_some());
    world.prune(&HashSet::default(), ReadSeq(4));
}
