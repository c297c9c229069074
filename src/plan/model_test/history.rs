//! Histories of one owner name: worlds that change, operators who edit, in lines of text that a failing
//! case prints.
//!
//! ```text
//! world; claim 1 name .1 age=1; vm 2 gone     from now on this is claimed, and so VMs stand
//! readdress 1 .2 ::1                          the VM's claims want these addresses now
//! set hold                                    from now on losses are held; also `set` with any fact
//! insert A .9 ttl=30 disabled                 an operator's rows, by whatever tool
//! delete 0                                    the row at this place, counted round
//! update 0 A .9                               in place, under the same id; also ttl=30, disabled, away
//! replace A .1 .9 ttl=60                      PowerDNS API: the RRset again, under new ids
//! restore                                     a dump of the rows as they were two settles ago
//! rezone keep                                 the zone deleted and made anew, with rows or `empty`
//! ```

use super::super::{
    Losses, Mode,
    bed::{Bed, address, content, name, vm},
};
use crate::model::{RecordType, Row, Ttl};
use proptest::prelude::*;
use std::collections::HashSet;

/// What happens between two settles, a line each.
pub type Step = Vec<String>;

pub fn any_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

const V4: [&str; 4] = [".1", ".2", ".3", ".4"];
const V6: [&str; 2] = ["::1", "::2"];
const STANDINGS: [&str; 4] = ["gone", "quietly-gone", "announced", "frozen"];

/// `A .1` or `AAAA ::1`.
fn any_address() -> impl Strategy<Value = String> {
    prop_oneof![any_of(&V4).prop_map(|v4| format!("A {v4}")), any_of(&V6).prop_map(|v6| format!("AAAA {v6}"))]
}

fn addresses() -> impl Strategy<Value = String> {
    (prop::sample::subsequence(&V4[..3], 0..3), prop::sample::subsequence(&V6[..], 0..2))
        .prop_map(|(v4, v6)| [v4, v6].concat().join(" "))
        .prop_filter("a VM without addresses claims nothing", |addresses| !addresses.is_empty())
}

/// Claims in the order of age, and how VMs stand. Those that are frozen or gone claim nothing.
fn world(claim: impl Strategy<Value = (u32, &'static str, String)>) -> impl Strategy<Value = String> {
    let standings = prop::collection::vec((1..5_u32, any_of(&STANDINGS)), 0..3);
    (prop::collection::vec(claim, 0..5), standings).prop_map(|(mut claims, standings)| {
        // The older the VM, the higher its number: ages and ids disagree. VMs 1 and 2 are of one age. VM 4 is
        // of an account of its own.
        claims.sort_by_key(|claim| (10 - claim.0.max(2), claim.0));
        let mut seen = HashSet::new();
        claims.retain(|(vm, kind, _)| {
            seen.insert((*vm, *kind)) && !standings.iter().any(|(of, how)| of == vm && *how != "announced")
        });
        let claims = claims.into_iter().map(|(vm, kind, what)| {
            format!("; claim {vm} {kind} {what} age={} account={}", 10 - vm.max(2), vm / 4)
        });
        let vms = standings.iter().map(|(vm, how)| format!("; vm {vm} {how}"));
        format!("world{}", claims.chain(vms).collect::<String>())
    })
}

fn forward_world() -> impl Strategy<Value = String> {
    world((1..5_u32, any_of(&["name", "name", "group", "group"]), addresses()))
}

/// One VM's addresses change, all else stays.
fn readdress() -> impl Strategy<Value = String> {
    (1..5_u32, addresses()).prop_map(|(vm, addresses)| format!("readdress {vm} {addresses}"))
}

fn reverse_world() -> impl Strategy<Value = String> {
    let to =
        any_of(&["to=a.domain.com", "to=a.domain.com,b.domain.com", "to=b.domain.com", "to=c.domain.com"]);
    let what = (to, any_of(&["", " shared"])).prop_map(|(to, shared)| format!(".1 {to}{shared}"));
    world((1..5_u32, any_of(&["ptr"]), what))
}

fn any_row(what: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (what, any_of(&["", "", " ttl=30", " ttl=300"]), any_of(&["", "", "", " disabled"]))
        .prop_map(|(what, ttl, disabled)| format!("{what}{ttl}{disabled}"))
}

fn edit(
    what: impl Strategy<Value = String> + Clone + 'static,
    rrset: BoxedStrategy<String>,
) -> BoxedStrategy<String> {
    let changed = prop_oneof![
        3 => what.clone(),
        3 => any_of(&["ttl=30", "ttl=300", "ttl=60", "ttl=null"]).prop_map(str::to_owned),
        2 => any_of(&["disabled", "enabled", "away"]).prop_map(str::to_owned),
    ];
    prop_oneof![
        3 => any_row(what).prop_map(|row| format!("insert {row}")),
        2 => (0..4_u32).prop_map(|at| format!("delete {at}")),
        4 => (0..4_u32, changed).prop_map(|(at, how)| format!("update {at} {how}")),
        3 => (rrset, any_of(&["", " ttl=30"])).prop_map(|(rrset, ttl)| format!("replace {rrset}{ttl}")),
        1 => any_of(&["restore", "rezone keep", "rezone empty"]).prop_map(str::to_owned),
    ]
    .boxed()
}

fn setting() -> impl Strategy<Value = String> {
    any_of(&[
        "hold",
        "allow",
        "allow",
        "mode upsert-only",
        "mode upsert-only",
        "mode create-only",
        "mode sync",
        "mode sync",
        "recreate false",
        "recreate true",
        "ttl 120",
        "ttl 60",
        "zone 2",
        "zone 2 gone",
        "barrier delegation",
        "barrier none",
        "forbidden",
        "forbidden none",
        "anothers A .3",
        "anothers PTR b.domain.com",
    ])
    .prop_map(|fact| format!("set {fact}"))
}

fn history(
    world: BoxedStrategy<String>,
    edit: BoxedStrategy<String>,
    more: BoxedStrategy<String>,
) -> impl Strategy<Value = Vec<Step>> {
    let line = prop_oneof![6 => world.clone(), 6 => edit, 3 => more.clone()];
    let first = (prop::collection::vec(more, 0..3), world).prop_map(|(mut lines, world)| {
        lines.push(world);
        lines
    });
    (first, prop::collection::vec(prop::collection::vec(line, 1..4), 0..6)).prop_map(|(first, mut steps)| {
        steps.insert(0, first);
        steps
    })
}

/// Histories of www.domain.com.
pub fn forward() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![8 => any_address(), 1 => Just("CNAME web.example.org".to_owned())];
    let rrset = prop_oneof![
        prop::sample::subsequence(&V4[..], 0..3).prop_map(|v4| format!("A {}", v4.join(" "))),
        prop::sample::subsequence(&V6[..], 0..3).prop_map(|v6| format!("AAAA {}", v6.join(" "))),
    ];
    let line = prop_oneof![3 => edit(what.boxed(), rrset.boxed()), 2 => readdress()];
    history(forward_world().boxed(), line.boxed(), setting().boxed())
}

/// Histories of 1.2.0.192.in-addr.arpa.
pub fn reverse() -> impl Strategy<Value = Vec<Step>> {
    let targets = ["a.domain.com", "b.domain.com", "B.domain.com.", "x.example.org"];
    let what = prop_oneof![
        8 => prop::sample::select(targets.to_vec()).prop_map(|target| format!("PTR {target}")),
        1 => Just("CNAME 1.0.2.0.192.in-addr.arpa".to_owned()),
        1 => Just("A .9".to_owned()),
    ];
    let rrset =
        prop::sample::subsequence(targets.to_vec(), 0..3).prop_map(|to| format!("PTR {}", to.join(" ")));
    let stands =
        prop::sample::subsequence(vec!["a.domain.com .1", "b.domain.com .1", "a.domain.com .2"], 0..3)
            .prop_map(|stands| format!("set stands {}", stands.join(",")));
    let more = prop_oneof![2 => stands, 1 => setting()];
    history(reverse_world().boxed(), edit(what.boxed(), rrset.boxed()), more.boxed())
}

/// A name with its past.
pub struct Past {
    pub bed: Bed,
    dumps: Vec<Vec<Row>>,
    next: u64,
    zones: u32,
}

impl Past {
    pub fn new(of: &str) -> Self {
        Self { bed: Bed::new(&format!("name {of}")), dumps: vec![], next: 1000, zones: 20 }
    }

    /// A settle begins: dumps are of moments before one.
    pub fn dump(&mut self) {
        self.next = self.next.max(self.bed.last_id());
        self.dumps.push(self.bed.rows.clone());
    }

    pub fn act(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let bed = &mut self.bed;
        let at = |text: &str, rows: &[Row]| text.parse::<usize>().unwrap().checked_rem(rows.len());
        match words[0] {
            "world;" | "world" => {
                bed.claims.clear();
                bed.standings.clear();
                line.split(';').skip(1).for_each(|fact| bed.tell(fact));
            }
            "readdress" => {
                let vm = vm(words[1].parse().unwrap());
                let now: Vec<_> = words[2..].iter().filter_map(|word| address(word)).collect();
                for claim in bed.claims.iter_mut().filter(|claim| claim.vm == vm) {
                    claim.addresses.clone_from(&now);
                }
            }
            "set" => set(bed, &words[1..], &mut self.zones),
            "insert" => {
                self.next += 1;
                bed.tell(&format!("row #{} {}", self.next, &line["insert ".len()..]));
            }
            "delete" => {
                if let Some(at) = at(words[1], &bed.rows) {
                    bed.rows.remove(at);
                }
            }
            "update" => {
                if let Some(at) = at(words[1], &bed.rows) {
                    update(bed, at, &words[2..]);
                }
            }
            "replace" => {
                let rtype = RecordType::read(Some(words[1]));
                let home = bed.home();
                bed.rows.retain(|row| row.rtype != rtype || row.zone != home);
                let ttl = words.iter().find(|word| word.starts_with("ttl=")).copied().unwrap_or_default();
                for what in words[2..].iter().filter(|word| **word != ttl) {
                    self.next += 1;
                    bed.tell(&format!("row #{} {} {what} {ttl}", self.next, words[1]));
                }
            }
            "restore" => {
                let at = self.dumps.len().checked_sub(2);
                let present = |row: &Row, bed: &Bed| bed.zones.iter().any(|zone| zone.0 == row.zone);
                if let Some(at) = at {
                    bed.rows = self.dumps[at].iter().filter(|row| present(row, bed)).cloned().collect();
                    let restored: HashSet<u64> = bed.rows.iter().map(|row| row.id).collect();
                    bed.strays.retain(|row| !restored.contains(&row.id));
                }
            }
            "rezone" => {
                let home = bed.home();
                self.zones += 1;
                let zone = bed.zones.iter_mut().find(|zone| zone.0 == home).unwrap();
                bed.former.insert(home, zone.1.clone());
                zone.0 = self.zones;
                for forbidden in bed.forbidden.iter_mut().filter(|zone| **zone == home) {
                    *forbidden = self.zones;
                }
                let (rows, others): (Vec<Row>, Vec<Row>) =
                    bed.rows.drain(..).partition(|row| row.zone == home);
                bed.rows = others;
                bed.strays.retain(|row| row.zone != home);
                for row in rows.into_iter().filter(|_| words[1] == "keep") {
                    self.next += 1;
                    bed.rows.push(Row { id: self.next, zone: self.zones, ..row });
                }
            }
            other => panic!("nobody does {other}"),
        }
    }
}

fn update(bed: &mut Bed, at: usize, how: &[&str]) {
    let row = &mut bed.rows[at];
    match how {
        ["disabled"] => row.disabled = true,
        ["enabled"] => row.disabled = false,
        ["away"] => {
            let row = bed.rows.remove(at);
            bed.strays.push(Row { name: name("away.domain.com"), ..row });
        }
        [rtype, what] => {
            row.rtype = RecordType::read(Some(rtype));
            row.content = content(&row.rtype, what);
        }
        [ttl] => row.ttl = ttl["ttl=".len()..].parse().ok().map(Ttl),
        _ => panic!("no such update {how:?}"),
    }
}

fn set(bed: &mut Bed, fact: &[&str], zones: &mut u32) {
    let longer = |bed: &Bed| bed.zones.iter().position(|zone| zone.1 == bed.name);
    match fact {
        ["allow"] => bed.losses = Losses::Allow,
        ["mode", "sync"] => bed.settings.mode = Mode::Sync,
        ["barrier", "none"] => bed.barrier = None,
        ["forbidden", "none"] => bed.forbidden.clear(),
        ["forbidden"] => bed.forbidden = vec![bed.home()],
        ["stands", which @ ..] => {
            bed.stands.clear();
            which
                .join(" ")
                .split(',')
                .filter(|one| !one.is_empty())
                .for_each(|one| bed.tell(&format!("stands {one}")));
        }
        // A longer zone, which answers for the name from now on.
        ["zone", "2"] if longer(bed).is_none() => {
            *zones += 1;
            bed.zones.push((*zones, bed.name.clone()));
        }
        ["zone", "2"] => {}
        ["zone", "2", "gone"] => {
            if let Some(at) = longer(bed) {
                let (id, name) = bed.zones.remove(at);
                bed.former.insert(id, name);
                bed.rows.retain(|row| row.zone != id);
                bed.strays.retain(|row| row.zone != id);
            }
        }
        ["anothers", rtype, what] => {
            // Another controller's entry, unless the key is ours.
            let rtype = RecordType::read(Some(rtype));
            let what = content(&rtype, what);
            if !bed.entries.iter().any(|entry| (&entry.rtype, &entry.content) == (&rtype, &what)) {
                bed.tell(&format!("entry 4 name {} {} #7 owner=other", fact[1], fact[2]));
            }
        }
        _ => bed.tell(&fact.join(" ")),
    }
}
