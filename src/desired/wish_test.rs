use super::*;
use crate::model::*;
use std::collections::HashMap;

const ACCOUNT: &str = "edd2ab05-98ba-4b65-b94f-14ec595e37a3";
const PROJECT: &str = "0badcafe-0000-0000-0000-000000000000";

fn domain_id(id: u128) -> DomainId {
    DomainId::from_u128(id)
}

fn owners(account: Option<&str>, domain: Option<&str>, parent: Option<&str>) -> OwnerIndex {
    let text = |text: Option<&str>| text.map(Into::into);
    let one = |id, parent: Option<u128>, path: &str, network_domain| Domain {
        id: domain_id(id),
        parent: parent.map(domain_id),
        path: path.into(),
        level: 0,
        network_domain,
    };
    OwnerIndex::new(&Owners {
        accounts: vec![Account {
            id: ACCOUNT.parse().unwrap(),
            name: "acme".into(),
            domain: domain_id(2),
            network_domain: text(account),
        }],
        domains: vec![one(1, None, "ROOT", text(parent)), one(2, Some(1), "ROOT/acme", text(domain))],
        projects: vec![Project { id: PROJECT.parse().unwrap(), domain: domain_id(2) }],
    })
}

fn zone(id: ZoneId, name: &str) -> Zone {
    Zone::sample(id, &ZoneName::parse(name).unwrap())
}

/// Zones of these names; `!` in front makes one SECONDARY.
fn zones(names: &str) -> Zones {
    let made = names.split_whitespace().zip(1..).map(|(name, id)| match name.strip_prefix('!') {
        Some(name) => Zone { kind: ZoneKind::Secondary, ..zone(id, name) },
        None => zone(id, name),
    });
    Zones::new(made, HashMap::new())
}

fn nic(device: u32, address: &str) -> Nic {
    Nic {
        id: NicId::from_u128(u128::from(device)),
        network: NetworkId::from_u128(1),
        kind: NetworkKind::Isolated,
        is_default: device == 0,
        device,
        v4: address.parse().ok(),
        v6: address.parse().ok(),
        ips: [].into(),
    }
}

fn vm() -> Vm {
    Vm {
        id: VmId::from_u128(1),
        name: "Web".into(),
        state: VmState::Live,
        owner: OwnerKey::Account(domain_id(2), "acme".into()),
        created: 5,
        group: None,
        nics: [nic(0, "192.0.2.1")].into(),
        flaws: [].into(),
    }
}

fn settings() -> Settings {
    Settings { common_zone: None, ..Settings::default() }
}

/// The claims as `kind name`, the rejections as `kind name: reason` with `?` where pending.
fn told(verdict: &Verdict) -> Vec<String> {
    let Verdict::Wished { wish, .. } = verdict else { return vec![format!("{verdict:?}")] };
    let claims = wish.claims.iter().map(|claim| format!("{} {}", claim.kind, claim.name));
    let rejections = wish.rejections.iter().map(|r| {
        let mark = if r.pending { "?" } else { "" };
        format!("{} {}: {}{mark}", r.kind, r.name, r.reason)
    });
    claims.chain(rejections).collect()
}

fn blank(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Wished { blank: true, .. })
}

#[test]
fn a_suffix_comes_from_the_account_else_from_its_domain_and_besides_from_the_common_zone() {
    let common = Settings { common_zone: ZoneName::parse("common.org").ok(), ..Settings::default() };
    let inherit = Settings { inherit_domain: true, ..Settings::default() };
    let all = zones("a.org d.org p.org common.org");
    for (account, domain, parent, settings, expected) in [
        (Some("A.org"), Some("d.org"), None, settings(), vec!["name web.a.org"]),
        (None, Some("d.org"), Some("p.org"), settings(), vec!["name web.d.org"]),
        (Some(""), Some("d.org"), None, settings(), vec!["name web.d.org"]),
        (None, None, Some("p.org"), settings(), vec!["name Web: no suffix"]),
        (None, None, Some("p.org"), inherit, vec!["name web.p.org"]),
        (Some("a.org"), None, None, common.clone(), vec!["name web.a.org", "name web.common.org"]),
        (Some("Common.org"), None, None, common.clone(), vec!["name web.common.org"]),
        (None, None, None, common.clone(), vec!["name web.common.org"]),
        (
            Some("x.org"),
            Some("d.org"),
            None,
            common.clone(),
            vec!["name web.common.org", "name web.x.org: no zone?"],
        ),
        (
            Some("a_.org"),
            Some("d.org"),
            None,
            common,
            vec!["name web.common.org", "name a_.org: bad network domain"],
        ),
        (Some("10.in-addr.arpa"), None, None, settings(), vec!["name 10.in-addr.arpa: arpa"]),
    ] {
        let owners = owners(account, domain, parent);
        assert_eq!(
            told(&wish(&vm(), &owners, &all, &settings)),
            expected,
            "{account:?} {domain:?} {parent:?}"
        );
    }
}

#[test]
fn a_suffix_matches_its_own_zone_or_if_asked_the_longest_above_and_no_longer_one_may_answer() {
    let list = |text: &str| ZoneList::parse(text).unwrap();
    for (suffix, names, parent_zones, allowed, expected) in [
        ("a.org", "a.org org", false, "", "name web.a.org"),
        ("b.a.org", "a.org", false, "", "name web.b.a.org: no zone?"),
        ("b.a.org", "a.org org", true, "", "name web.b.a.org"),
        ("b.a.org", "", true, "", "name web.b.a.org: no zone?"),
        ("a.org", "a.org web.a.org", false, "", "name web.a.org: inside a longer zone"),
        ("a.org", "a.org !web.a.org", true, "", "name web.a.org: inside a longer zone"),
        ("a.org", "!a.org org", true, "", "name web.a.org: zone kind"),
        ("a.org", "a.org", false, "other.org", "name web.a.org: not in DNS_ZONES"),
        ("a.org", "a.org", false, "a.org@ROOT/acme", "name web.a.org"),
        ("a.org", "a.org", false, "a.org@ROOT/acme/lab", "name web.a.org: not in DNS_ZONES"),
        ("b.a.org", "a.org", true, "b.a.org", "name web.b.a.org: not in DNS_ZONES"),
        ("a.org", "org", false, "other.org", "name web.a.org: no zone?"),
    ] {
        let settings = Settings { parent_zones, zones: list(allowed), ..Settings::default() };
        let verdict = wish(&vm(), &owners(Some(suffix), None, None), &zones(names), &settings);
        assert_eq!(told(&verdict), [expected], "{suffix} {names} {parent_zones} {allowed}");
    }
}

#[test]
fn a_group_is_named_after_what_is_safe_of_it_and_after_the_account_or_project() {
    let long = "g".repeat(55);
    for (group, project, stopped, name, expected) in [
        ("www", false, false, "Web", vec!["name web.domain.com", "group www-edd2ab05.domain.com"]),
        ("W w-1_ü", false, false, "Web", vec!["name web.domain.com", "group ww1-edd2ab05.domain.com"]),
        ("www", true, false, "Web", vec!["name web.domain.com", "group www-0badcafe.domain.com"]),
        ("ü-", false, false, "Web", vec!["name web.domain.com"]),
        ("www", false, true, "Web", vec!["name web.domain.com"]),
        ("www", false, false, "w_b\n", vec!["group www-edd2ab05.domain.com", "name w_b?: bad name"]),
        (&long, false, false, "Web", vec!["name web.domain.com", "group LONG: bad group name"]),
    ] {
        let mut vm = Vm { group: Some(group.into()), name: name.into(), ..vm() };
        let mut owners = owners(Some("domain.com"), None, None);
        if project {
            vm.owner = OwnerKey::Project(domain_id(2), PROJECT.parse().unwrap());
            owners = self::owners(Some("not.for.projects"), Some("domain.com"), None);
        }
        if stopped {
            vm.state = VmState::Stopped;
        }
        let settings = Settings { stopped: Stopped::Groups, ..Settings::default() };
        let told = told(&wish(&vm, &owners, &zones("domain.com"), &settings));
        let long = format!("{long}-edd2ab05");
        assert_eq!(
            told,
            expected.iter().map(|line| line.replace("LONG", &long)).collect::<Vec<_>>(),
            "{group}"
        );
    }
}

#[test]
fn a_state_has_records_or_none_or_is_gone() {
    let owners = owners(Some("a.org"), None, None);
    let name = vec!["name web.a.org".to_owned()];
    for (state, stopped, expected) in [
        (VmState::Live, Stopped::Remove, name.clone()),
        (VmState::Stopped, Stopped::Keep, name.clone()),
        (VmState::Stopped, Stopped::Groups, name.clone()),
        (VmState::Stopped, Stopped::Remove, vec![]),
        (VmState::Error, Stopped::Keep, vec![]),
        (VmState::Destroyed, Stopped::Keep, vec!["Gone".to_owned()]),
        (VmState::Expunging, Stopped::Keep, vec!["Gone".to_owned()]),
    ] {
        let verdict = wish(
            &Vm { state, ..vm() },
            &owners,
            &zones("a.org"),
            &Settings { stopped, ..Settings::default() },
        );
        assert_eq!((told(&verdict), blank(&verdict)), (expected, false), "{state:?} {stopped:?}");
    }
}

#[test]
fn a_vm_whose_owner_is_in_no_listing_is_frozen() {
    let owners = owners(Some("a.org"), None, None);
    for (owner, why) in [
        (OwnerKey::Account(domain_id(2), "Acme".into()), FrozenWhy::Account),
        (OwnerKey::Account(domain_id(3), "acme".into()), FrozenWhy::Account),
        (OwnerKey::Project(domain_id(2), ProjectId::from_u128(3)), FrozenWhy::Project),
        (OwnerKey::Project(domain_id(3), PROJECT.parse().unwrap()), FrozenWhy::Domain),
    ] {
        let vm = Vm { owner, ..vm() };
        assert_eq!(wish(&vm, &owners, &zones("a.org"), &settings()), Verdict::Frozen(why));
        let gone = Vm { state: VmState::Destroyed, ..vm };
        assert_eq!(wish(&gone, &owners, &zones("a.org"), &settings()), Verdict::Gone);
    }
}

#[test]
fn addresses_are_those_of_the_default_nic_that_the_filter_lets_through() {
    let owners = owners(Some("a.org"), None, None);
    let other = |device, address| Nic { is_default: false, ..nic(device, address) };
    for (nics, which, filter, addresses, is_blank, rejected) in [
        (vec![other(1, "10.0.0.1"), nic(0, "10.0.0.2")], Nics::Default, "", "10.0.0.2", false, 0),
        (vec![other(2, "10.0.0.1"), other(1, "10.0.0.2")], Nics::Default, "", "10.0.0.2", false, 0),
        (vec![other(1, "10.0.0.9"), nic(0, "::2")], Nics::All, "", "10.0.0.9 ::2", false, 0),
        (vec![other(1, "10.0.0.1"), nic(0, "10.0.0.1")], Nics::All, "", "10.0.0.1", false, 0),
        (vec![nic(0, "10.0.0.1")], Nics::Default, "192.0.2.0/24 10.0.0.0/8", "10.0.0.1", false, 0),
        (vec![nic(0, "10.0.0.1")], Nics::Default, "192.0.2.0/24", "", false, 1),
        (vec![nic(0, "-"), other(1, "10.0.0.1")], Nics::Default, "", "", true, 1),
        (vec![nic(0, "10.0.0.1"), other(1, "127.0.0.1")], Nics::All, "", "10.0.0.1", false, 1),
        (vec![nic(0, "0.0.0.0")], Nics::Default, "", "", true, 2),
        (vec![nic(0, "255.255.255.255")], Nics::Default, "", "", true, 2),
        (vec![nic(0, "ff02::1")], Nics::Default, "", "", true, 2),
        (vec![nic(0, "169.254.169.254")], Nics::Default, "", "", true, 2),
        (vec![nic(0, "fe80::1")], Nics::Default, "", "", true, 2),
        (vec![nic(0, "::ffff:10.0.0.1")], Nics::Default, "", "", true, 2),
        (vec![], Nics::All, "", "", true, 1),
    ] {
        let settings = Settings {
            nics: which,
            addresses: filter.split_whitespace().map(|net| net.parse().unwrap()).collect(),
            ..settings()
        };
        let vm = Vm { nics: nics.clone().into(), ..vm() };
        let verdict = wish(&vm, &owners, &zones("a.org"), &settings);
        assert_eq!(blank(&verdict), is_blank, "{nics:?}");
        let Verdict::Wished { wish, .. } = verdict else { panic!("{verdict:?}") };
        let published = wish.claims.iter().flat_map(|claim| &claim.addresses).map(ToString::to_string);
        assert_eq!(published.collect::<Vec<_>>().join(" "), addresses, "{nics:?}");
        assert_eq!(wish.rejections.len(), rejected, "{:?}", wish.rejections);
    }
}

#[test]
fn a_reverse_name_lies_in_the_longest_reverse_zone_and_points_at_names_never_at_groups() {
    let vm = Vm { group: Some("www".into()), ..vm() };
    let owners = owners(Some("a.org"), None, None);
    let forward = ["name web.a.org", "group www-edd2ab05.a.org"];
    for (reverse, list, expected) in [
        ("", "", None),
        ("192.in-addr.arpa 2.0.192.in-addr.arpa", "", Some("ptr 1.2.0.192.in-addr.arpa")),
        ("1.2.0.192.in-addr.arpa", "", Some("ptr 1.2.0.192.in-addr.arpa")),
        ("192.in-addr.arpa !2.0.192.in-addr.arpa", "", Some("ptr 1.2.0.192.in-addr.arpa: zone kind")),
        ("192.in-addr.arpa", "a.org", Some("ptr 1.2.0.192.in-addr.arpa")),
        ("192.in-addr.arpa", "a.org,10.in-addr.arpa", Some("ptr 1.2.0.192.in-addr.arpa: not in DNS_ZONES")),
    ] {
        let settings = Settings { zones: ZoneList::parse(list).unwrap(), ..Settings::default() };
        let verdict = wish(&vm, &owners, &zones(&format!("a.org {reverse}")), &settings);
        assert_eq!(
            told(&verdict),
            forward.into_iter().chain(expected).collect::<Vec<_>>(),
            "{reverse} {list}"
        );
    }
}

#[test]
fn a_reverse_claim_carries_the_forward_names_in_the_order_of_the_steps() {
    let shared = Nic { kind: NetworkKind::Shared, ..nic(0, "192.0.2.1") };
    let vm = Vm { nics: [shared, nic(1, "192.0.2.9")].into(), group: Some("g".into()), ..vm() };
    let settings =
        Settings { common_zone: ZoneName::parse("common.org").ok(), nics: Nics::All, ..Settings::default() };
    let targets = |names: &str| {
        let Verdict::Wished { wish, .. } =
            wish(&vm, &owners(Some("z.org"), None, None), &zones(names), &settings)
        else {
            panic!()
        };
        let ptrs = wish.claims.into_iter().filter(|claim| claim.kind == Kind::Ptr);
        ptrs.map(|claim| {
            (claim.shared, claim.targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        })
        .collect::<Vec<_>>()
    };
    let both = "web.z.org web.common.org".to_owned();
    assert_eq!(targets("192.in-addr.arpa common.org z.org"), [(true, both.clone()), (false, both)]);
    // A forward name that waits for its zone may still stand elsewhere: its PTR must not go (design 3).
    let none = String::new();
    assert_eq!(targets("192.in-addr.arpa"), [(true, none.clone()), (false, none)]);
}

#[test]
fn a_vm_without_a_usable_name_or_suffix_claims_no_reverse_name() {
    let all = zones("a.org 192.in-addr.arpa");
    let bad = Vm { name: "a b".into(), ..vm() };
    assert_eq!(
        told(&wish(&bad, &owners(Some("a.org"), None, None), &all, &settings())),
        ["name a b: bad name"]
    );
    assert_eq!(told(&wish(&vm(), &owners(None, None, None), &all, &settings())), ["name Web: no suffix"]);
}

#[test]
fn hostile_text_is_bounded_and_harmless_in_every_rejection() {
    let hostile = format!("\u{1b}]0;x\u{7}\n{}", "é\u{202e}".repeat(5000));
    let vm = Vm {
        name: hostile.as_str().into(),
        group: Some("a".repeat(5000).into()),
        flaws: vec![hostile.as_str().into(); 100].into(),
        ..vm()
    };
    let verdict = wish(&vm, &owners(Some(&hostile), None, None), &zones("a.org"), &settings());
    let Verdict::Wished { wish, .. } = verdict else { panic!() };
    assert!(wish.claims.is_empty() && (3..20).contains(&wish.rejections.len()));
    for rejection in wish.rejections {
        let text = format!("{}{}", rejection.name, rejection.detail);
        assert!(text.chars().count() < 500 && !text.contains(|c: char| c.is_control() || c == '\u{202e}'));
    }
}

#[test]
fn a_name_of_more_than_253_characters_is_rejected_and_a_shorter_one_is_served() {
    let suffix = ["a".repeat(61).as_str(); 4].join(".");
    let verdict = |name: &str| {
        let vm = Vm { name: name.into(), ..vm() };
        told(&wish(&vm, &owners(Some(&suffix), None, None), &zones(&suffix), &settings()))
    };
    assert_eq!(verdict("abcde"), [format!("name abcde.{suffix}")]);
    assert!(verdict("abcdef")[0].ends_with("…: name too long"), "{:?}", verdict("abcdef"));
}
