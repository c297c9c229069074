//! The cloud: domains, accounts, and VMs of which one changes at a time.

use crate::Dice;
use anyhow::Result;
use std::collections::{HashMap, VecDeque};
use testbed::{Lab, VmSpec, World};

/// The zone that all VMs are in, besides their own.
pub const COMMON: &str = "cloud.test";
/// Zones that names may be written to, and those below.
pub const ALLOWED: &str = "soak.test,cloud.test";
/// Both reverse zones.
pub const REVERSE: [&str; 2] = ["10.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"];

const DOMAINS: usize = 10;
/// Of each domain; the first one has a network domain of its own.
const ACCOUNTS: usize = 4;
/// One VM in so many is changed by operators only.
const PETS: usize = 10;
/// Labels of which the common zone has a row that is not ours.
pub const TAKEN: usize = 10;

/// A VM that lives, and the number that is in its addresses, which no other one has.
struct Living {
    id: String,
    address: usize,
}

pub struct Town {
    dice: Dice,
    accounts: Vec<String>,
    /// Of each account, by its id.
    pub suffixes: HashMap<String, String>,
    pub zones: Vec<String>,
    vms: Vec<Living>,
    /// Destroyed, not expunged.
    gone: Vec<Living>,
    addresses: VecDeque<usize>,
    named: usize,
    /// How many live, but for those that only operators touch: as many at the end as at the start.
    target: usize,
    /// Changes so far.
    pub changes: usize,
}

impl Town {
    pub async fn found(lab: &Lab, vms: usize, seed: u64) -> Result<Self> {
        let world = lab.world();
        let (mut accounts, mut suffixes) = (Vec::new(), HashMap::new());
        let mut zones: Vec<String> = [COMMON].iter().chain(&REVERSE).map(|zone| (*zone).to_owned()).collect();
        for nth in 0..DOMAINS {
            let (shared, own) = (format!("d{nth}.soak.test"), format!("a{nth}.soak.test"));
            let domain = world.add_domain(&format!("d{nth}"), &world.root(), Some(&shared));
            for at in 0..ACCOUNTS {
                let own = (at == 0).then_some(own.as_str());
                let id = world.add_account(&domain, &format!("account{at}"), own);
                suffixes.insert(id.clone(), own.unwrap_or(&shared).to_owned());
                accounts.push(id);
            }
            zones.extend([shared, own]);
        }
        for zone in &zones {
            lab.db.zone(zone).await?;
        }
        let addresses = (0..vms * 3).collect();
        let dice = Dice(seed);
        let (vms_now, gone, named, target) = (Vec::new(), Vec::new(), 0, vms - vms / PETS);
        let mut town = Self {
            dice,
            accounts,
            suffixes,
            zones,
            vms: vms_now,
            gone,
            addresses,
            named,
            target,
            changes: 0,
        };
        for at in 0..vms {
            // Whose names nobody else wants.
            let name = if at < vms / PETS { format!("pet{at}") } else { town.name() };
            town.create(world, &name);
        }
        town.vms.drain(..vms / PETS);
        Ok(town)
    }

    /// Those that only operators touch, in order of creation.
    pub fn pets(world: &World) -> Vec<String> {
        let mut ids = world.vms();
        ids.truncate(ids.len() / PETS);
        ids
    }

    fn address(&mut self) -> usize {
        self.addresses.pop_front().expect("there are three times as many as VMs")
    }

    fn name(&mut self) -> String {
        self.named += 1;
        match self.dice.below(40) {
            0 | 1 => format!("twin{}", self.dice.below(20)),
            2 => format!("taken{}", self.dice.below(TAKEN)),
            _ => format!("vm{}", self.named),
        }
    }

    fn group(&mut self) -> Option<&'static str> {
        [None, None, Some("www"), Some("db")][self.dice.below(4)]
    }

    fn account(&mut self) -> String {
        let at = self.dice.below(self.accounts.len());
        self.accounts[at].clone()
    }

    fn create(&mut self, world: &World, name: &str) {
        let (address, account) = (self.address(), self.account());
        let spec = VmSpec { group: self.group().map(str::to_owned), ..VmSpec::new(name, &account) };
        let id = world.create_vm(spec.v4(&v4(address)).v6(&v6(address)));
        self.vms.push(Living { id, address });
    }

    /// One change; some of them no event tells, of some each event comes twice.
    pub fn change(&mut self, world: &World) {
        self.changes += 1;
        let world = match self.dice.below(30) {
            0 => world.silent(),
            1 => world.copies(2),
            _ => world.clone(),
        };
        let at = self.dice.below(self.vms.len());
        let id = self.vms[at].id.clone();
        match self.dice.below(20) {
            0..3 => {
                let gone = self.vms.swap_remove(at);
                world.destroy_vm(&gone.id);
                self.gone.push(gone);
                while self.vms.len() < self.target {
                    let name = self.name();
                    self.create(&world, &name);
                }
                // Or there would be more of them all the time.
                while self.gone.len() > 50 {
                    self.end(&world);
                }
            }
            3..6 => self.end(&world),
            6..10 => world.rename_vm(&id, &self.name()),
            10..14 => {
                let fresh = self.address();
                self.addresses.push_back(std::mem::replace(&mut self.vms[at].address, fresh));
                let v6 = (!fresh.is_multiple_of(5)).then(|| v6(fresh));
                world.set_address(&id, Some(&v4(fresh)), v6.as_deref());
            }
            14..17 => world.set_group(&id, self.group()),
            17 => world.move_vm(&id, &self.account()),
            18 => world.set_state(&id, "Stopped"),
            _ => world.set_state(&id, "Running"),
        }
    }

    /// What was destroyed comes back, or is expunged.
    fn end(&mut self, world: &World) {
        if self.gone.is_empty() {
            return;
        }
        let at = self.dice.below(self.gone.len());
        let gone = self.gone.swap_remove(at);
        if self.dice.below(5) == 0 {
            world.recover_vm(&gone.id);
            self.vms.push(gone);
        } else {
            world.expunge_vm(&gone.id);
            self.addresses.push_back(gone.address);
        }
    }
}

fn v4(number: usize) -> String {
    format!("10.{}.{}.{}", number / 62_500, number / 250 % 250, number % 250 + 1)
}

fn v6(number: usize) -> String {
    format!("2001:db8::{number:x}:1")
}
