//! Towns for random histories: a forward zone and two reverse zones, the VMs whose names lie in them, and
//! an operator who puts names above, below and beside theirs. Few labels, so that names meet.

use testbed::{Lab, VmSpec};

/// Random numbers that are the same for the same seed (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % end as u64).expect("it is below a usize")
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

pub struct Town {
    forward: String,
    v4: String,
    v6: String,
    /// Its number is in all its addresses.
    nth: usize,
    /// One account whose names lie right below the apex, one whose names lie deeper.
    accounts: [String; 2],
    vms: Vec<String>,
    /// What the operator has put there, by the rows' ids; delegations come and go whole.
    foreign: Vec<Vec<i64>>,
    count: usize,
}

impl Town {
    pub async fn found(lab: &Lab, mode: &str, nth: usize) -> Self {
        let forward = format!("{mode}.test");
        // Apexes of two depths in both reverse trees.
        let v4 = if nth.is_multiple_of(2) {
            format!("{}.in-addr.arpa", nth + 10)
        } else {
            format!("0.{}.in-addr.arpa", nth + 10)
        };
        let v6 = format!("{}{nth}.8.b.d.0.1.0.0.2.ip6.arpa", if nth.is_multiple_of(2) { "" } else { "0.0." });
        for zone in [&forward, &v4, &v6] {
            lab.db.zone(zone).await.expect("a zone");
        }
        let world = lab.world();
        let domain = world.add_domain(mode, &world.root(), None);
        let shallow = world.add_account(&domain, &format!("{mode}-shallow"), Some(&forward));
        let deep = world.add_account(&domain, &format!("{mode}-deep"), Some(&format!("a.b.{forward}")));
        let accounts = [shallow, deep];
        Self { forward, v4, v6, nth, accounts, vms: vec![], foreign: vec![], count: 0 }
    }

    pub fn zones(&self) -> [String; 3] {
        [self.forward.clone(), self.v4.clone(), self.v6.clone()]
    }

    /// An address that meets others, on the way up to the apex.
    fn v4(&self, dice: &mut Dice) -> String {
        let nth = self.nth + 10;
        format!("{nth}.0.{}.{}", dice.one(&["0", "7"]), dice.below(5) + 1)
    }

    fn v6(&self, dice: &mut Dice) -> String {
        let (net, host) = (dice.one(&["", "1:"]), dice.one(&["", "2:", "f0:"]));
        format!("2001:db8:{}000:{net}:{host}{}", self.nth, dice.below(4) + 1)
    }

    /// Something happens to a VM; what it was.
    pub fn cloud(&mut self, lab: &Lab, dice: &mut Dice) -> String {
        let world = lab.world();
        let name = format!("v{}", dice.below(6));
        let turn = dice.below(10);
        if self.vms.is_empty() || turn < 3 {
            let account = &self.accounts[dice.below(2)];
            let v6 = (dice.below(2) == 0).then(|| self.v6(dice));
            let group = (dice.below(4) == 0).then(|| "www".to_owned());
            let v4 = Some(self.v4(dice)).filter(|_| v6.is_none() || dice.below(4) > 0);
            let said = format!("{} VM {name} {v4:?} {v6:?} {group:?} comes", self.forward);
            self.vms.push(world.create_vm(VmSpec { v4, v6, group, ..VmSpec::new(&name, account) }));
            return said;
        }
        let at = dice.below(self.vms.len());
        let vm = self.vms[at].clone();
        let old = world.vm(&vm).expect("a VM").name.clone();
        let what = match turn {
            3 | 4 => {
                world.rename_vm(&vm, &name);
                format!("becomes {name}")
            }
            5 => {
                let (v4, v6) = (self.v4(dice), self.v6(dice));
                world.set_address(&vm, Some(&v4), Some(&v6));
                format!("gets {v4} {v6}")
            }
            6 => {
                world.set_group(&vm, dice.one(&[&None, &Some("www"), &Some("db")]).as_deref());
                "changes its group".into()
            }
            _ => {
                world.destroy_vm(&vm);
                self.vms.swap_remove(at);
                "goes".into()
            }
        };
        format!("{} VM {old} {what}", self.forward)
    }

    /// The operator changes something by SQL; what it was.
    pub async fn operator(&mut self, lab: &Lab, dice: &mut Dice) -> String {
        self.count += 1;
        if self.foreign.len() > 8 || (!self.foreign.is_empty() && dice.below(3) == 0) {
            let at = dice.below(self.foreign.len());
            let ids: Vec<String> = self.foreign[at].iter().map(ToString::to_string).collect();
            let ids = ids.join(",");
            let what = if dice.below(4) == 0 {
                lab.db.exec(&format!("UPDATE records SET disabled = 1 - disabled WHERE id IN ({ids})")).await
            } else {
                self.foreign.swap_remove(at);
                lab.db.exec(&format!("DELETE FROM records WHERE id IN ({ids})")).await
            };
            what.expect("the operator's statement");
            return format!("{} operator deletes, disables or enables {ids}", self.forward);
        }
        let (zone, name) = match dice.below(4) {
            0 | 1 => (self.forward.clone(), self.forward_name(dice)),
            2 => (self.v4.clone(), self.v4_name(dice)),
            _ => (self.v6.clone(), self.v6_name(dice)),
        };
        let mut ids = Vec::new();
        let mut what = format!("{name} ");
        let mut rows = vec![];
        // At some depth only: a delegation right at our names is another story, told every now and then.
        if name.split('.').count() > zone.split('.').count() && dice.below(4) == 0 {
            rows.push((name.clone(), "NS", format!("ns.{name}")));
            if dice.below(2) == 0 {
                rows.push((name.clone(), "DS", format!("1 13 2 {}", "ab".repeat(32))));
            }
            if dice.below(2) == 0 {
                rows.push((format!("ns.{name}"), "A", "192.0.2.1".into()));
            }
        } else {
            let kind = dice.one(&["TXT", "TXT", "A", "AAAA", "PTR"]);
            let content = match kind {
                "TXT" => format!("\"{}\"", self.count),
                "A" => format!("192.0.2.{}", self.count % 250 + 1),
                "AAAA" => format!("2001:db8:ffff::{:x}", self.count),
                _ => format!("host{}.example.net", self.count),
            };
            rows.push((name.clone(), kind, content));
        }
        for (name, kind, content) in rows {
            ids.push(lab.db.insert(&zone, &name, kind, &content, 60).await.expect("the operator's row"));
            what += kind;
            what += " ";
        }
        self.foreign.push(ids.clone());
        format!("{} operator puts {what} {ids:?}", self.forward)
    }

    /// A name at, above, below or beside those of VMs.
    fn forward_name(&self, dice: &mut Dice) -> String {
        let vm = format!("v{}", dice.below(6));
        let place = dice.one(&["", "a.b."]);
        let apex = &self.forward;
        match dice.below(9) {
            0 => format!("o{}.{place}{apex}", dice.below(3)),
            1 => format!("{vm}.{place}{apex}"),
            2 | 3 => format!("x.{vm}.{place}{apex}"),
            4 => format!("z.y.x.{vm}.{place}{apex}"),
            5 => format!("*.{vm}.{place}{apex}"),
            6 => format!("*.{apex}"),
            7 => format!("{}.{apex}", dice.one(&["b", "a.b", "c.b"])),
            _ => format!("x.e{}.{apex}", dice.below(3)),
        }
    }

    fn v4_name(&self, dice: &mut Dice) -> String {
        let address = self.v4(dice);
        let octets: Vec<&str> = address.split('.').rev().collect();
        reverse_name(dice, &octets, "in-addr.arpa", &self.v4)
    }

    fn v6_name(&self, dice: &mut Dice) -> String {
        let address: std::net::Ipv6Addr = self.v6(dice).parse().expect("an address");
        let hex = format!("{:032x}", u128::from(address));
        let nibbles: Vec<&str> = (0..32).rev().map(|at| &hex[at..=at]).collect();
        reverse_name(dice, &nibbles, "ip6.arpa", &self.v6)
    }
}

/// A whole address, some way up from one, or what no address is called, below either.
fn reverse_name(dice: &mut Dice, labels: &[&str], tree: &str, apex: &str) -> String {
    let free = labels.len() + tree.split('.').count() - apex.split('.').count();
    let up = if dice.below(2) == 0 { 0 } else { dice.below(free) };
    let name = format!("{}.{tree}", labels[up..].join("."));
    match dice.below(6) {
        0 => format!("customer-{}.{name}", dice.below(2)),
        1 => format!("x.customer-0.{name}"),
        2 => format!("{}.0-63.{name}", dice.below(3)),
        3 => format!("{}.{name}", dice.one(&["007", "300", "0-63"])),
        _ => name,
    }
}
