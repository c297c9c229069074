//! Whatever tenants write into names, groups, network domains and addresses: what is claimed lies in zones
//! that they may write, under their own label, and what is rejected is told in few harmless words.

use super::*;
use crate::model::{fuzz::text, *};
use proptest::{collection::vec, option, prelude::*};
use std::{collections::HashMap, net::IpAddr};

const ZONES: [&str; 8] = [
    "evil.org",
    "bank.org",
    "sub.bank.org",
    "common.org",
    "org",
    "2.0.192.in-addr.arpa",
    "127.in-addr.arpa",
    "ip6.arpa",
];

/// The zones that DNS_ZONES leaves to ROOT/evil.
const LIST: &str = "evil.org@ROOT/evil,bank.org@ROOT/bank,common.org,2.0.192.in-addr.arpa,ip6.arpa";

fn may_write(zone: &str) -> bool {
    matches!(zone, "evil.org" | "common.org" | "2.0.192.in-addr.arpa" | "ip6.arpa")
}

fn network_domain() -> impl Strategy<Value = String> {
    let written = || prop::sample::select(&ZONES[..]);
    prop_oneof![
        3 => written().prop_map(str::to_owned),
        1 => written().prop_map(str::to_uppercase),
        1 => (written(), text()).prop_map(|(zone, text)| format!("{zone}{text}")),
        1 => (text(), written()).prop_map(|(text, zone)| format!("{text}.{zone}")),
        2 => text(),
    ]
}

fn address() -> impl Strategy<Value = IpAddr> {
    let hostile =
        ["0.0.0.0", "127.0.0.1", "::1", "::", "ff02::1", "255.255.255.255", "::ffff:127.0.0.1", "fe80::1"];
    prop_oneof![
        any::<IpAddr>(),
        (0..=255_u8).prop_map(|last| IpAddr::from([192, 0, 2, last])),
        prop::sample::select(hostile.to_vec()).prop_map(|text| text.parse().unwrap()),
    ]
}

prop_compose! {
    fn vm()(
        name in text(),
        group in option::of(text()),
        addresses in vec(address(), 0..5),
        flaws in vec(text(), 0..10),
        project: bool,
        shared: bool,
    ) -> Vm {
        let nic = |(device, address): (u32, &IpAddr)| Nic {
            id: NicId::from_u128(device.into()),
            network: NetworkId::from_u128(1),
            kind: if shared { NetworkKind::Shared } else { NetworkKind::Isolated },
            is_default: device == 0,
            device,
            v4: if let IpAddr::V4(v4) = address { Some(*v4) } else { None },
            v6: if let IpAddr::V6(v6) = address { Some(*v6) } else { None },
            ips: [].into(),
        };
        let domain = DomainId::from_u128(2);
        Vm {
            id: VmId::from_u128(1),
            name: name.into(),
            state: VmState::Live,
            owner: if project {
                OwnerKey::Project(domain, ProjectId::from_u128(0x0bad_cafe << 96))
            } else {
                OwnerKey::Account(domain, "evil".into())
            },
            created: 5,
            group: group.map(Into::into),
            nics: (0..).zip(&addresses).map(nic).collect(),
            flaws: flaws.into_iter().map(Into::into).collect(),
        }
    }
}

fn owners(account: Option<String>, domain: Option<String>, path: &str) -> OwnerIndex {
    OwnerIndex::new(&Owners {
        accounts: vec![Account {
            id: AccountId::from_u128(0xedd2_ab05 << 96),
            name: "evil".into(),
            domain: DomainId::from_u128(2),
            network_domain: account.map(Into::into),
        }],
        domains: vec![Domain {
            id: DomainId::from_u128(2),
            parent: None,
            path: path.into(),
            level: 1,
            network_domain: domain.map(Into::into),
        }],
        projects: vec![Project {
            id: ProjectId::from_u128(0x0bad_cafe << 96),
            domain: DomainId::from_u128(2),
        }],
    })
}

fn zones() -> Zones {
    let made = ZONES.iter().zip(1..).map(|(name, id)| Zone::sample(id, &ZoneName::parse(name).unwrap()));
    Zones::new(made, HashMap::new())
}

proptest! {
    #[test]
    fn a_tenant_s_claims_lie_in_zones_that_he_may_write_and_under_his_own_label(
        vm in vm(),
        account in option::of(network_domain()),
        domain in option::of(network_domain()),
        path in prop::sample::select(&["ROOT/evil", "ROOT/evil/ROOT/bank", "/ROOT/evil/"][..]),
        parent_zones: bool,
        common: bool,
        all_nics: bool,
    ) {
        let settings = Settings {
            zones: ZoneList::parse(LIST).unwrap(),
            parent_zones,
            common_zone: common.then(|| ZoneName::parse("common.org").unwrap()),
            nics: if all_nics { Nics::All } else { Nics::Default },
            ..Settings::default()
        };
        let (zones, owners) = (zones(), owners(account, domain, path));
        let Verdict::Wished { wish, .. } = wish(&vm, &owners, &zones, &settings) else { panic!("no verdict") };
        let mut forward = Vec::new();
        for claim in &wish.claims {
            let zone = zones.enclosing(claim.name.as_str()).unwrap();
            prop_assert!(may_write(zone.name.as_str()), "{} lies in {}", claim.name, zone.name);
            prop_assert_ne!(&claim.name, &zone.name, "an apex");
            prop_assert!(!claim.addresses.is_empty());
            for address in &claim.addresses {
                let canonical = address.to_canonical();
                prop_assert!(!canonical.is_loopback() && !canonical.is_unspecified() && !canonical.is_multicast());
                prop_assert_eq!(canonical, *address, "the text of another family");
                prop_assert!(vm.nics.iter().any(|nic| nic.v4.map(IpAddr::V4) == Some(*address)
                    || nic.v6.map(IpAddr::V6) == Some(*address)));
            }
            match claim.kind {
                Kind::Name => {
                    prop_assert_eq!(claim.name.first_label(), vm.name.to_ascii_lowercase());
                    forward.push(claim.name.clone());
                }
                Kind::Group => {
                    let eight = if matches!(vm.owner, OwnerKey::Project(..)) { "-0badcafe" } else { "-edd2ab05" };
                    let head = claim.name.first_label().strip_suffix(eight);
                    prop_assert!(
                        head.is_some_and(|head| head.bytes().all(|b| b.is_ascii_alphanumeric())),
                        "{}", claim.name
                    );
                }
                Kind::Ptr => {
                    prop_assert_eq!(address_of(&claim.name).into_iter().collect::<Vec<_>>(), claim.addresses.clone());
                    prop_assert_eq!(&claim.targets, &forward);
                }
            }
        }
        let elsewhere = ["evil.org", "www.evil.org", "1.2.0.192.in-addr.arpa"].map(|name| ZoneName::parse(name).unwrap());
        for name in wish.claims.iter().map(|claim| &claim.name).chain(&elsewhere) {
            let Verdict::Wished { wish: part, .. } = wish_at(name, &vm, &owners, &zones, &settings) else {
                panic!("no verdict")
            };
            let at = |wish: &Wish| wish.claims.iter().filter(|claim| claim.name == *name).cloned().collect::<Vec<_>>();
            prop_assert_eq!(at(&part), at(&wish), "asked about {} alone", name);
        }
        prop_assert!(wish.claims.len() <= 4 + 5 && wish.rejections.len() <= 8 + 4 + 16, "{wish:?}");
        for rejection in &wish.rejections {
            let told = format!("{}{}", rejection.name, rejection.detail);
            prop_assert!(told.chars().count() < 700, "{told}");
            prop_assert!(!told.contains(|c: char| c.is_control() || c == '\u{202e}'), "{told:?}");
        }
    }
}
