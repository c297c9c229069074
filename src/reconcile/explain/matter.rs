//! Whom and what a question is about.

use super::super::{
    engine::Engine,
    servers::{Api, Reads, Tables},
};
use crate::{
    inventory::Known,
    model::{Kind, OwnerName, Subject, VmId, address_of, reverse_name},
    plan,
    powerdns::DbError,
};
use std::{collections::BTreeSet, net::IpAddr};

/// What a question is about.
#[derive(Default)]
pub(super) struct Matter {
    pub vms: BTreeSet<VmId>,
    pub names: BTreeSet<OwnerName>,
    /// VMs that only bear the label: told of where nobody wants the name.
    pub namesakes: BTreeSet<VmId>,
    pub findings: Vec<String>,
}

/// Whether a suffix is what was typed behind the first label; nothing typed fits all.
fn ends_so(suffix: &str, typed: &str) -> bool {
    typed.strip_prefix('.').is_none_or(|typed| suffix.eq_ignore_ascii_case(typed))
}

impl<A: Api, T: Tables> Engine<A, T> {
    pub(super) async fn matter(&self, about: &Subject) -> Result<Matter, DbError> {
        let mut matter = Matter::default();
        match about {
            Subject::Vm(id) => self.matter_of_vm(*id, &mut matter).await?,
            Subject::Address(address) => {
                self.matter_of_name(&reverse_name(*address), &mut matter);
                if !self.matter_of_address(*address, &mut matter) {
                    matter.findings.push(format!("no VM has the address {address}"));
                }
            }
            Subject::Text(text) => {
                let name = OwnerName::parse(text).ok();
                let bare = text.strip_suffix('.').unwrap_or(text);
                let label = bare.split('.').next().unwrap_or_default();
                let whole = self.called(bare);
                let claimed =
                    |name: &OwnerName| self.world.inventory.claimants(name.as_str()).next().is_some();
                let claimed = name.as_ref().is_some_and(claimed);
                if let [vm] = whole[..]
                    && !claimed
                {
                    self.matter_of_vm(vm, &mut matter).await?;
                    return Ok(matter);
                }
                if whole.len() > 1 {
                    let count = whole.len();
                    matter.findings.push(format!("{count} VMs are called so: ask by UUID for one of them"));
                    matter.vms.extend(&whole);
                    return Ok(matter);
                }
                if !claimed {
                    let groups = self.groups(label, &bare[label.len()..]);
                    if !groups.is_empty() {
                        matter.findings.push(plan::group_called_so(label, &groups));
                    }
                    // A bare word is rather a group's than a name. Beside a name, groups are only pointed at:
                    // there may be many, and what was asked about is to be told.
                    if bare == label && !groups.is_empty() {
                        matter.names = groups;
                        return Ok(matter);
                    }
                }
                let Some(name) = name else {
                    matter.findings.push("no VM is called so, and it is no DNS name".to_owned());
                    return Ok(matter);
                };
                self.matter_of_name(&name, &mut matter);
                if let Some(address) = address_of(&name)
                    && !self.matter_of_address(address, &mut matter)
                {
                    matter.findings.push(format!("no VM has the address {address}"));
                }
                matter.namesakes.extend(self.called(label));
            }
        }
        Ok(matter)
    }

    /// The VMs of this display name, in any case.
    fn called(&self, typed: &str) -> Vec<VmId> {
        let vms = self.world.inventory.iter().map(Known::vm);
        vms.filter(|vm| vm.name.eq_ignore_ascii_case(typed)).map(|vm| vm.id).collect()
    }

    /// The names of the groups that are called so, in any case, and that end with this.
    fn groups(&self, typed: &str, end: &str) -> BTreeSet<OwnerName> {
        let vms = self.world.inventory.iter().map(Known::vm);
        let members =
            vms.filter(|vm| vm.group.as_ref().is_some_and(|group| group.eq_ignore_ascii_case(typed)));
        let claims = members.flat_map(|vm| self.world.claims_of(vm));
        let groups = claims.filter(|claim| claim.kind == Kind::Group).map(|claim| claim.name);
        let fits = |name: &OwnerName| name.parent().is_some_and(|above| ends_so(above.as_str(), end));
        groups.filter(fits).collect()
    }

    async fn matter_of_vm(&self, id: VmId, matter: &mut Matter) -> Result<(), DbError> {
        matter.vms.insert(id);
        let known = self.world.inventory.get(id);
        for name in known.into_iter().flat_map(Known::names) {
            self.matter_of_name(&name, matter);
        }
        matter.names.extend(self.settler.reader.names_of_vm(id).await?);
        Ok(())
    }

    /// A name, and what it is an alias of.
    fn matter_of_name(&self, name: &OwnerName, matter: &mut Matter) {
        matter.names.extend(self.world.inventory.redirect_of(name.as_str()).cloned());
        matter.names.insert(name.clone());
    }

    /// The VMs with an address, and the forward names that they want with it. Whether there are any.
    fn matter_of_address(&self, address: IpAddr, matter: &mut Matter) -> bool {
        let has = |known: &&Known| {
            let mut nics = known.vm().nics.iter();
            nics.any(|nic| nic.v4.is_some_and(|v4| address == v4) || nic.v6.is_some_and(|v6| address == v6))
        };
        for known in self.world.inventory.iter().filter(has) {
            matter.vms.insert(known.vm().id);
            let claims = self.world.claims_of(known.vm()).into_iter();
            let forward =
                claims.filter(|claim| claim.kind == Kind::Name && claim.addresses.contains(&address));
            matter.names.extend(forward.map(|claim| claim.name));
        }
        !matter.vms.is_empty()
    }
}
