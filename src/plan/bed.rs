//! A bed for decisions: one owner name written as a few lines of text, its decision read as a few more.
//!
//! What there is, a fact a line (addresses are `.1`, which is 192.0.2.1, and `::1`, which is 2001:db8::1):
//!
//! ```text
//! name www.domain.com                 the owner name (this one, if none is given)
//! zone 2 sub.domain.com               a zone besides 1 domain.com and 9 2.0.192.in-addr.arpa
//! former 7 domain.com                 the id that a zone had when it was last written
//! claim 1 name .1 ::1 age=5           of VM 1; also account=7, shared, to=a.domain.com,b.domain.com
//! row #10 A .1 ttl=300 disabled       also zone=2, at=other.domain.com, unanswered
//! entry 1 name A .1 #10 ttl=60        also zone=7, hold, held=ab12, owner=other, account=7
//! vm 1 gone                           also quietly-gone, announced, frozen
//! stands a.domain.com .1              an address at a forward name
//! barrier delegation                  also dname, no-zone, secondary: the name may not be written
//! forbidden 2                         rows in this zone may not be touched
//! zone-gone                           missing zones have been missing for two resyncs
//! hold                                losses that nobody announced are held
//! hold ab12                           and entries get this set that have none
//! approved ab12                       this set may go
//! mode upsert-only, recreate false, ttl 120
//! ```

use super::{Decision, Losses, Mode, NameState, Settings, Standing, decide};
use crate::model::{
    AccountId, Barrier, Claim, Content, Entry, HeldSet, Kind, OwnerName, RecordId, RecordType, Row, Ttl,
    Unwritable, VmId, Zone, ZoneId, ZoneKind, Zones,
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write as _,
    net::IpAddr,
};

/// One owner name and all that a decision asks about.
#[derive(Debug, Clone)]
pub struct Bed {
    pub name: OwnerName,
    pub zones: Vec<(ZoneId, OwnerName)>,
    pub former: HashMap<ZoneId, OwnerName>,
    pub claims: Vec<Claim>,
    pub rows: Vec<Row>,
    pub strays: Vec<Row>,
    pub entries: Vec<Entry>,
    pub standings: HashMap<VmId, Standing>,
    pub stands: Vec<(OwnerName, IpAddr)>,
    pub barrier: Option<Barrier>,
    pub forbidden: Vec<ZoneId>,
    pub zone_gone: bool,
    pub losses: Losses,
    pub approved: HashSet<HeldSet>,
    pub settings: Settings,
}

pub fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

pub fn vm(number: u128) -> VmId {
    VmId::from_u128(number)
}

/// A held set's hash without its leading zeros.
fn set(text: &str) -> HeldSet {
    HeldSet::new(u32::from_str_radix(text, 16).unwrap()).unwrap()
}

pub fn address(text: &str) -> Option<IpAddr> {
    let whole = match text.strip_prefix("::") {
        Some(_) => format!("2001:db8{text}"),
        None => format!("192.0.2{text}"),
    };
    whole.parse().ok()
}

pub fn content(rtype: &RecordType, text: &str) -> Content {
    address(text).map_or_else(|| Content::read(rtype, text), Content::from)
}

pub fn short(content: &Content) -> String {
    content.to_string().replace("192.0.2.", ".").replace("2001:db8::", "::")
}

/// A line's words, and its `key=value`s and flags.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn option(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    fn number(&self, key: &str, default: u32) -> u32 {
        self.option(key).map_or(default, |text| text.parse().unwrap())
    }

    fn flag(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    fn id(&self, at: usize) -> RecordId {
        self.0[at].strip_prefix('#').unwrap().parse().unwrap()
    }

    fn vm(&self, at: usize) -> VmId {
        vm(self.0[at].parse().unwrap())
    }
}

impl Bed {
    /// Reads the facts.
    pub fn new(facts: &str) -> Self {
        let mut bed = Self {
            name: name("www.domain.com"),
            zones: vec![(1, name("domain.com")), (9, name("2.0.192.in-addr.arpa"))],
            former: HashMap::new(),
            claims: vec![],
            rows: vec![],
            strays: vec![],
            entries: vec![],
            standings: HashMap::new(),
            stands: vec![],
            barrier: None,
            forbidden: vec![],
            zone_gone: false,
            losses: Losses::Allow,
            approved: HashSet::new(),
            settings: Settings {
                owner: "default".into(),
                ttl: Ttl(60),
                mode: Mode::Sync,
                recreate: true,
                max_loss_percent: 30,
            },
        };
        facts.lines().for_each(|line| bed.tell(line));
        bed
    }

    /// Reads one more fact.
    pub fn tell(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() {
            self.read(&Words(words));
        }
    }

    fn read(&mut self, words: &Words<'_>) {
        let word = |at: usize| words.0[at];
        match word(0) {
            "name" => self.name = name(word(1)),
            "zone" => self.zones.push((word(1).parse().unwrap(), name(word(2)))),
            "no-zones" => self.zones.clear(),
            "former" => _ = self.former.insert(word(1).parse().unwrap(), name(word(2))),
            "claim" => self.claims.push(self.claim(words)),
            "row" => {
                let row = self.row(words);
                if row.name == self.name { self.rows.push(row) } else { self.strays.push(row) }
            }
            "entry" => self.entries.push(self.entry(words)),
            "vm" => {
                let standing = match word(2) {
                    "gone" => Standing::Gone { announced: true },
                    "quietly-gone" => Standing::Gone { announced: false },
                    "announced" => Standing::Living { announced: true },
                    "frozen" => Standing::Keep,
                    other => panic!("no standing {other}"),
                };
                self.standings.insert(words.vm(1), standing);
            }
            "stands" => self.stands.push((name(word(1)), address(word(2)).unwrap())),
            "barrier" => {
                self.barrier = Some(match word(1) {
                    "delegation" => Barrier::Delegation("domain.com".into()),
                    "dname" => Barrier::Dname("domain.com".into()),
                    "no-zone" => Barrier::NoZone,
                    "secondary" => Barrier::Zone(Unwritable::Kind(ZoneKind::Secondary)),
                    other => panic!("no barrier {other}"),
                });
            }
            "forbidden" => self.forbidden.push(word(1).parse().unwrap()),
            "zone-gone" => self.zone_gone = true,
            "hold" => self.losses = Losses::Hold { set: words.0.get(1).map(|text| set(text)) },
            "approved" => _ = self.approved.insert(set(word(1))),
            "mode" => {
                self.settings.mode = match word(1) {
                    "upsert-only" => Mode::UpsertOnly,
                    "create-only" => Mode::CreateOnly,
                    other => panic!("no mode {other}"),
                };
            }
            "recreate" => self.settings.recreate = word(1) == "true",
            "ttl" => self.settings.ttl = Ttl(word(1).parse().unwrap()),
            other => panic!("no fact {other}"),
        }
    }

    fn claim(&self, words: &Words<'_>) -> Claim {
        let targets = words.option("to").map_or(vec![], |to| to.split(',').map(name).collect());
        Claim {
            vm: words.vm(1),
            kind: Kind::read(words.0[2]).unwrap(),
            name: self.name.clone(),
            addresses: words.0[3..].iter().filter_map(|word| address(word)).collect(),
            targets,
            account: AccountId::from_u128(words.number("account", 7).into()),
            created: words.number("age", words.0[1].parse().unwrap()).into(),
            shared: words.flag("shared"),
        }
    }

    /// The zone that answers for the name.
    pub fn home(&self) -> ZoneId {
        let within = self.zones.iter().filter(|(_, zone)| self.name.is_within(zone.as_str()));
        within.max_by_key(|(_, zone)| zone.as_str().len()).map_or(1, |(id, _)| *id)
    }

    fn row(&self, words: &Words<'_>) -> Row {
        let rtype = RecordType::read(Some(words.0[2]));
        Row {
            id: words.id(1),
            zone: words.number("zone", self.home()),
            name: words.option("at").map_or_else(|| self.name.clone(), name),
            content: content(&rtype, words.0[3]),
            rtype,
            ttl: (words.option("ttl") != Some("null")).then(|| Ttl(words.number("ttl", 60))),
            disabled: words.flag("disabled"),
            auth: Some(!words.flag("unanswered")),
            ordername: None,
        }
    }

    fn entry(&self, words: &Words<'_>) -> Entry {
        let rtype = RecordType::read(Some(words.0[3]));
        Entry {
            zone: words.number("zone", self.home()),
            name: self.name.clone(),
            content: content(&rtype, words.0[4]),
            rtype,
            ttl: Ttl(words.number("ttl", 60)),
            record: words.id(5),
            owner: words.option("owner").unwrap_or("default").into(),
            vm: words.vm(1),
            account: AccountId::from_u128(words.number("account", 7).into()),
            kind: Kind::read(words.0[2]).unwrap(),
            held: words.option("held").map(set),
            on_hold: words.flag("hold"),
        }
    }

    /// Decides.
    pub fn decide(&self) -> Decision {
        self.with_state(|state| decide(state, &self.settings, self.losses))
    }

    /// Does something with the name as a decision sees it.
    pub fn with_state<T>(&self, work: impl FnOnce(&NameState<'_>) -> T) -> T {
        let zone = |(id, name): &(ZoneId, OwnerName)| Zone::sample(*id, name);
        let zones = Zones::new(self.zones.iter().map(zone), self.former.clone());
        let at = match &self.barrier {
            Some(barrier) => Err(barrier.clone()),
            None => zones.enclosing(self.name.as_str()).ok_or(Barrier::NoZone),
        };
        let state = NameState {
            name: &self.name,
            zone: at,
            rows: &self.rows,
            entries: &self.entries,
            claims: &self.claims,
            zones: &zones,
            stray: &|id| self.rows.iter().chain(&self.strays).find(|row| row.id == id),
            standing: &|entry, _| {
                self.standings.get(&entry.vm).copied().unwrap_or(Standing::Living { announced: false })
            },
            forbidden: &|_, zone| self.forbidden.contains(&zone.id).then_some(Unwritable::NotAllowed),
            stands: &|target, content| {
                self.stands
                    .iter()
                    .any(|(name, address)| name == target && Some(*address) == content.address())
            },
            zone_gone: &|_| self.zone_gone,
            approved: &self.approved,
        };
        work(&state)
    }

    /// The highest record id that was ever given.
    pub fn last_id(&self) -> RecordId {
        let rows = self.rows.iter().chain(&self.strays).map(|row| row.id);
        rows.chain(self.entries.iter().map(|entry| entry.record)).max().unwrap_or(0).max(100)
    }

    /// Makes the decision's changes, as the writer would, and counts for every guard that they hold.
    pub fn apply(&mut self, decision: &Decision) {
        let mut next = self.last_id();
        for (owned, _) in &decision.deletes {
            let at = self.rows.iter().position(|row| row == owned.row()).expect("a row as it was seen");
            self.rows.remove(at);
        }
        for (owned, ttl) in &decision.retimes {
            let row = self.rows.iter_mut().find(|row| *row == owned.row()).expect("a row as it was seen");
            row.ttl = Some(*ttl);
        }
        for insert in &decision.inserts {
            next += 1;
            self.rows.push(Row {
                id: next,
                zone: insert.zone,
                name: self.name.clone(),
                rtype: insert.rtype.clone(),
                content: insert.content.clone(),
                ttl: Some(insert.ttl),
                disabled: false,
                auth: Some(true),
                ordername: None,
            });
        }
        for ending in &decision.endings {
            let at = self.entries.iter().position(|entry| *entry == ending.entry).expect("an entry");
            self.entries.remove(at);
        }
        for put in &decision.puts {
            let mut entry = put.entry.clone();
            if entry.record == 0 {
                let row = self.rows.iter().filter(|row| {
                    (row.zone, &row.rtype, &row.content) == (entry.zone, &entry.rtype, &entry.content)
                        && !row.disabled
                });
                entry.record = row.map(|row| row.id).min().expect("an entry has a row");
            }
            self.entries.retain(|other| key(other) != key(&entry));
            self.entries.push(entry);
        }
    }
}

/// The ledger's primary key.
pub fn key(entry: &Entry) -> (ZoneId, &RecordType, &Content) {
    (entry.zone, &entry.rtype, &entry.content)
}

/// A decision as text. The entry of an inserted row and the end of a deleted row's are not shown.
pub fn text(decision: &Decision) -> String {
    let mut text = String::new();
    let zone = |zone: ZoneId| if matches!(zone, 1 | 9) { String::new() } else { format!(" zone={zone}") };
    for (owned, why) in &decision.deletes {
        let row = owned.row();
        let _ = writeln!(text, "- #{} {} {} ({why})", row.id, row.rtype, short(&row.content));
    }
    for row in &decision.inserts {
        let (place, ttl) = (zone(row.zone), row.ttl.0);
        let what = short(&row.content);
        let _ =
            writeln!(text, "+ {} {what} ttl={ttl}{place} for {} {}", row.rtype, row.vm.as_u128(), row.kind);
    }
    for (owned, ttl) in &decision.retimes {
        let row = owned.row();
        let _ = writeln!(text, "~ #{} {} {} ttl={}", row.id, row.rtype, short(&row.content), ttl.0);
    }
    for put in decision.puts.iter().map(|put| &put.entry).filter(|entry| entry.record != 0) {
        let hold = if put.on_hold { " hold" } else { "" };
        let set = put.held.map_or_else(String::new, |set| format!(" held={:x}", set.number()));
        let (vm, ttl, place) = (put.vm.as_u128(), put.ttl.0, zone(put.zone));
        let (rtype, what) = (&put.rtype, short(&put.content));
        let _ =
            writeln!(text, "= {vm} {} {rtype} {what} #{} ttl={ttl}{place}{hold}{set}", put.kind, put.record);
    }
    for ending in &decision.endings {
        let entry = &ending.entry;
        let with_row = |row: &Row| row.rtype == entry.rtype && row.content == entry.content;
        if !decision.deletes.iter().any(|(owned, _)| with_row(owned.row())) {
            let _ = writeln!(text, "end {} {} ({})", entry.rtype, short(&entry.content), ending.why);
        }
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (what, set) in (decision.held.iter().map(|loss| ("held", loss.set)))
        .chain(decision.carried.iter().map(|set| ("carried", Some(*set))))
    {
        let set = set.map_or_else(String::new, |set| format!(" {:x}", set.number()));
        *counts.entry(format!("{what}{set}")).or_default() += 1;
    }
    let counts = counts.iter().map(|(what, n)| (what.as_str(), *n));
    for (what, n) in
        [("losses", decision.losses)].into_iter().chain(counts).chain([("left behind", decision.left_behind)])
    {
        if n > 0 {
            let _ = writeln!(text, "{what}: {n}");
        }
    }
    for (vm, kind, outcome) in &decision.outcomes {
        use crate::model::Outcome::{Blocked, Refused, Released, Retired, Waiting};
        let more = match outcome {
            Waiting { holder } => holder.map_or(" for nobody".into(), |vm| format!(" for {}", vm.as_u128())),
            Blocked { by } => format!(
                " by {}",
                by.replace("192.0.2.", ".")
                    .replace("2001:db8::", "::")
                    .replace("00000000-0000-0000-0000-00000000000", "")
            ),
            Released { how } => format!(": {how}"),
            Retired(barrier) | Refused(barrier) => format!(": {barrier}"),
            _ => String::new(),
        };
        let _ = writeln!(text, "{} {kind}: {}{more}", vm.as_u128(), outcome.word());
    }
    text
}

/// Checks a table: what the case says, the facts, the decision.
#[track_caller]
pub fn check(cases: &[(&str, &str, &str)]) {
    let trim = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let mut wrong = String::new();
    for (says, facts, expected) in cases {
        let mut bed = Bed::new(facts);
        let decision = bed.decide();
        let (found, expected) = (trim(&text(&decision)), trim(expected));
        if found != expected {
            let _ =
                writeln!(wrong, "{says}:\n  {}\nfound:\n  {}\n", expected.join("\n  "), found.join("\n  "));
        }
        bed.apply(&decision);
        let again = bed.decide();
        if !again.is_empty() {
            let _ = writeln!(wrong, "{says}: decided again:\n{}", text(&again));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
