use super::*;
use crate::model::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn vm(id: u8, shape: u8) -> Vm {
    let owner = match shape % 3 {
        0 => OwnerKey::Account(DomainId::from_u128(1), "acme".into()),
        1 => OwnerKey::Account(DomainId::from_u128(2), "acme".into()),
        _ => OwnerKey::Project(DomainId::from_u128(2), ProjectId::from_u128(9)),
    };
    let nic = |n: u8| Nic {
        id: NicId::from_u128(u128::from(id) * 16 + u128::from(n)),
        network: NetworkId::from_u128(u128::from(shape % 2)),
        kind: NetworkKind::Isolated,
        is_default: n == 0,
        device: u32::from(n),
        v4: Some([10, 0, id, n].into()),
        v6: None,
        ips: [IpId::from_u128(u128::from(id) * 16 + u128::from(n))].into(),
    };
    Vm {
        id: VmId::from_u128(u128::from(id)),
        name: format!("vm{shape}").into(),
        state: VmState::Live,
        owner,
        created: 0,
        group: None,
        nics: (0..=shape % 2).map(nic).collect(),
        flaws: [].into(),
    }
}

fn names(shape: u8) -> Vec<OwnerName> {
    [format!("vm{shape}.example.org"), format!("g{}.example.org", shape % 2), "all.example.com".into()]
        .iter()
        .take(usize::from(shape % 4))
        .map(|name| OwnerName::parse(name).unwrap())
        .collect()
}

fn ids<'a>(known: impl IntoIterator<Item = &'a Known>) -> BTreeSet<VmId> {
    known.into_iter().map(|known| known.vm().id).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8, u64),
    Rename(u8, u8),
    Remove(u8, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (id, shape, read) = (0u8..6, 0u8..8, 0u64..20);
    prop_oneof![
        5 => (id.clone(), shape.clone(), read.clone()).prop_map(|(id, shape, read)| Step::Put(id, shape, read)),
        1 => (id.clone(), shape).prop_map(|(id, shape)| Step::Rename(id, shape)),
        2 => (id, read).prop_map(|(id, read)| Step::Remove(id, read)),
    ]
}

/// The naive model: what each id's newest read said, and the newest removal.
#[derive(Default)]
struct Naive {
    vms: BTreeMap<VmId, (Vm, u64, BTreeSet<OwnerName>)>,
    removed: BTreeMap<VmId, u64>,
}

impl Naive {
    fn agree(&self, inventory: &Inventory) {
        assert_eq!(inventory.len(), self.vms.len());
        let with = |test: &dyn Fn(&Vm, &BTreeSet<OwnerName>) -> bool| -> BTreeSet<VmId> {
            self.vms.values().filter(|(vm, _, names)| test(vm, names)).map(|(vm, ..)| vm.id).collect()
        };
        assert_eq!(ids(inventory.iter()), with(&|_, _| true));
        for (id, (vm, read, names)) in &self.vms {
            let known = inventory.get(*id).unwrap();
            assert_eq!((known.vm(), known.read()), (vm, ReadSeq(*read)));
            assert_eq!(known.names().collect::<BTreeSet<_>>(), *names);
            for nic in &vm.nics {
                assert_eq!(inventory.vm_of_nic(nic.id).unwrap().vm().id, *id);
                assert_eq!(inventory.vm_of_ip(nic.ips[0]).unwrap().vm().id, *id);
            }
        }
        for shape in 0..8 {
            for name in names(shape) {
                assert_eq!(ids(inventory.claimants(name.as_str())), with(&|_, names| names.contains(&name)));
            }
        }
        for number in 0..3 {
            let (network, domain) = (NetworkId::from_u128(number), DomainId::from_u128(number));
            let in_network = with(&|vm, _| vm.nics.iter().any(|nic| nic.network == network));
            assert_eq!(ids(inventory.vms_of_network(network)), in_network);
            assert_eq!(ids(inventory.vms_of_domain(domain)), with(&|vm, _| vm.owner.domain() == domain));
            let acme = OwnerKey::Account(domain, "acme".into());
            assert_eq!(ids(inventory.vms_of_account(domain, "acme")), with(&|vm, _| vm.owner == acme));
        }
        let project = ProjectId::from_u128(9);
        let of_project = with(&|vm, _| matches!(vm.owner, OwnerKey::Project(_, own) if own == project));
        assert_eq!(ids(inventory.vms_of_project(project)), of_project);
        let in_example_org: BTreeSet<OwnerName> =
            (self.vms.values().flat_map(|(_, _, names)| names.iter().filter(|n| n.is_within("example.org"))))
                .cloned()
                .collect();
        assert_eq!(inventory.names_within("example.org"), in_example_org.into_iter().collect::<Vec<_>>());
    }
}

proptest! {
    #[test]
    fn indexes_agree_with_a_naive_model_in_any_order_of_reads(steps in prop::collection::vec(step(), 1..60)) {
        let mut inventory = Inventory::default();
        let mut naive = Naive::default();
        for step in steps {
            match step {
                Step::Put(id, shape, read) => {
                    let (vm, new): (_, BTreeSet<_>) = (vm(id, shape), names(shape).into_iter().collect());
                    let change = inventory.put(vm.clone(), ReadSeq(read), names(shape));
                    let old = naive.vms.get(&vm.id);
                    let applied = old.is_none_or(|(_, known, _)| read >= *known)
                        && naive.removed.get(&vm.id).is_none_or(|removed| read > *removed);
                    prop_assert_eq!(change.applied, applied);
                    prop_assert_eq!(change.before.is_some(), applied && old.is_some());
                    let mut touched = BTreeSet::new();
                    if applied {
                        if old.is_none_or(|(was, _, had)| *was != vm || *had != new) {
                            touched.clone_from(&new);
                            touched.extend(old.into_iter().flat_map(|(_, _, had)| had.iter().cloned()));
                        }
                        naive.vms.insert(vm.id, (vm, read, new));
                    }
                    prop_assert_eq!(change.touched.len(), touched.len());
                    prop_assert_eq!(change.touched.into_iter().collect::<BTreeSet<_>>(), touched);
                }
                Step::Rename(id, shape) => {
                    let id = VmId::from_u128(u128::from(id));
                    let new: BTreeSet<_> = names(shape).into_iter().collect();
                    let touched: BTreeSet<_> = inventory.rename_claims(id, names(shape), false).into_iter().collect();
                    let expected = naive.vms.get_mut(&id).map(|(_, _, had)| {
                        let old = std::mem::replace(had, new.clone());
                        old.symmetric_difference(&new).cloned().collect()
                    });
                    prop_assert_eq!(touched, expected.unwrap_or_default());
                }
                Step::Remove(id, read) => {
                    let id = VmId::from_u128(u128::from(id));
                    let touched: BTreeSet<_> = inventory.remove(id, ReadSeq(read)).into_iter().collect();
                    let mut expected = BTreeSet::new();
                    if naive.vms.get(&id).is_none_or(|(_, known, _)| read >= *known) {
                        expected = naive.vms.remove(&id).map(|(_, _, names)| names).unwrap_or_default();
                        let removed = naive.removed.entry(id).or_insert(read);
                        *removed = read.max(*removed);
                    }
                    prop_assert_eq!(touched, expected);
                }
            }
            naive.agree(&inventory);
        }
        for id in 0..6 {
            inventory.remove(VmId::from_u128(id), ReadSeq(u64::MAX));
        }
        prop_assert_eq!((inventory.len(), inventory.index_len()), (0, 0));
    }
}

#[test]
fn an_older_read_changes_nothing_and_the_same_state_touches_nothing() {
    let mut inventory = Inventory::default();
    assert_eq!(inventory.put(vm(1, 3), ReadSeq(5), names(3)).touched, {
        let mut names = names(3);
        names.sort();
        names
    });
    assert_eq!(inventory.put(vm(1, 2), ReadSeq(4), names(2)), Change::default());
    let again = inventory.put(vm(1, 3), ReadSeq(6), names(3));
    assert_eq!(again, Change { applied: true, touched: vec![], before: Some(Difference::default()) });
    let mut turned = vm(1, 3);
    turned.nics.reverse();
    assert!(inventory.put(turned, ReadSeq(7), names(3)).touched.is_empty(), "the order of NICs says nothing");
    let before = inventory.put(vm(1, 4), ReadSeq(8), names(4)).before.unwrap();
    assert!(before.name && before.owner && before.address && !before.group && before.is_announcement());
    assert!(inventory.rename_claims(VmId::from_u128(1), names(3), true).len() == 3);
    assert!(inventory.rename_claims(VmId::from_u128(1), names(3), false).is_empty());
}

#[test]
fn a_removed_vm_is_not_brought_back_by_an_older_page() {
    let mut inventory = Inventory::default();
    let id = VmId::from_u128(1);
    inventory.put(vm(1, 1), ReadSeq(3), names(1));
    assert_eq!(inventory.remove(id, ReadSeq(2)), []);
    assert_eq!(inventory.remove(id, ReadSeq(6)), names(1));
    assert!(!inventory.put(vm(1, 1), ReadSeq(5), names(1)).applied);
    inventory.prune_tombstones(ReadSeq(6));
    assert!(!inventory.put(vm(1, 1), ReadSeq(6), names(1)).applied);
    assert!(inventory.put(vm(1, 1), ReadSeq(7), names(1)).applied);
    assert_eq!(inventory.remove(id, ReadSeq(8)), names(1));
    inventory.prune_tombstones(ReadSeq(9));
    assert!(inventory.put(vm(1, 1), ReadSeq(5), names(1)).applied, "nothing older is under way");
}

#[test]
fn absence_counts_listings_since_the_vm_was_last_seen() {
    let mut inventory = Inventory::default();
    let id = VmId::from_u128(1);
    assert_eq!(inventory.note_absent(id, ReadSeq(1)), 0, "unknown");
    inventory.put(vm(1, 1), ReadSeq(3), vec![]);
    assert_eq!(inventory.lacking(ReadSeq(4)), [id]);
    assert_eq!(inventory.lacking(ReadSeq(3)), []);
    let counts: Vec<u8> = [2, 3, 4, 4, 6].map(|listing| inventory.note_absent(id, ReadSeq(listing))).into();
    assert_eq!(counts, [0, 0, 1, 1, 2]);
    assert_eq!(inventory.absence(id).unwrap().first, ReadSeq(4));
    inventory.put(vm(1, 1), ReadSeq(5), vec![]);
    assert_eq!(inventory.absence(id).unwrap().count, 1, "the later listing still lacks it");
    inventory.put(vm(1, 1), ReadSeq(7), vec![]);
    assert_eq!(inventory.absence(id), None);
    let counts: Vec<u8> = [8, 9].map(|listing| inventory.note_blank(id, ReadSeq(listing))).into();
    assert_eq!((counts, inventory.blankness(id).unwrap().count), (vec![1, 2], 2));
    inventory.clear_blank(id);
    assert_eq!(inventory.note_blank(id, ReadSeq(10)), 1);
}
