//! The tables as committed, and what operators do to them.

use super::text::{content, name};
use crate::model::{
    Content, Entry, HeldSet, OwnerName, RecordId, RecordType, Row, Serial, SoaContent, Ttl, Zone, ZoneId,
    ZoneName, Zones,
};
use std::{collections::BTreeMap, time::Duration};

/// The ledger's primary key.
pub type Key = (OwnerName, RecordType, Content, ZoneId);

/// What a transaction can have to itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    Row(RecordId),
    Entry(Key),
    Owner,
}

/// How long a serial that we wrote is remembered.
const REMEMBERED: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone)]
pub struct State {
    pub zones: BTreeMap<ZoneId, ZoneName>,
    pub rows: BTreeMap<RecordId, Row>,
    pub entries: BTreeMap<Key, Entry>,
    /// The serials that we wrote last.
    pub wrote: BTreeMap<ZoneId, (ZoneName, Serial, Duration)>,
    /// Of the budget, and since when.
    pub used: (f64, Duration),
    pub approvals: BTreeMap<HeldSet, Duration>,
    pub bound: Option<String>,
    pub epoch: u64,
    next_zone: ZoneId,
}

pub fn key(entry: &Entry) -> Key {
    (entry.name.clone(), entry.rtype.clone(), entry.content.clone(), entry.zone)
}

fn soa(zone: &ZoneName, serial: u32) -> Content {
    Content::Raw(format!("ns1.{zone} hostmaster.{zone} {serial} 10800 3600 604800 3600").into())
}

/// What operators edit: not the SOA and not what rectify makes.
fn is_record(row: &Row) -> bool {
    !matches!(row.rtype, RecordType::Soa | RecordType::Ent)
}

impl State {
    pub fn new() -> Self {
        let mut state = Self {
            zones: BTreeMap::new(),
            rows: BTreeMap::new(),
            entries: BTreeMap::new(),
            wrote: BTreeMap::new(),
            used: (0.0, Duration::ZERO),
            approvals: BTreeMap::new(),
            bound: None,
            epoch: 0,
            next_zone: 1,
        };
        let mut next = 0;
        for apex in ["a.org", "c.org", "0.192.in-addr.arpa"] {
            state.make_zone(&name(apex), &mut next);
        }
        state
    }

    pub fn row(&self, id: RecordId, at: &OwnerName, rtype: RecordType, content: Content, ttl: u32) -> Row {
        Row {
            id,
            zone: self.enclosing(at.as_str()).unwrap_or(0),
            name: at.clone(),
            rtype,
            content,
            ttl: Some(Ttl(ttl)),
            disabled: false,
            auth: Some(true),
            ordername: None,
        }
    }

    fn make_zone(&mut self, apex: &ZoneName, next: &mut RecordId) {
        if self.zone_named(apex.as_str()).is_none() {
            self.zones.insert(self.next_zone, apex.clone());
            self.next_zone += 1;
            let soa = soa(apex, 1);
            self.insert(apex, RecordType::Soa, soa, 3600, next);
        }
    }

    fn insert(
        &mut self,
        at: &OwnerName,
        rtype: RecordType,
        what: Content,
        ttl: u32,
        next: &mut RecordId,
    ) -> RecordId {
        *next += 1;
        let row = self.row(*next, at, rtype, what, ttl);
        self.rows.insert(*next, row);
        *next
    }

    pub fn zone_named(&self, apex: &str) -> Option<ZoneId> {
        self.zones.iter().find(|(_, zone)| zone.as_str() == apex).map(|(id, _)| *id)
    }

    /// The longest zone above a name.
    pub fn enclosing(&self, at: &str) -> Option<ZoneId> {
        let within = self.zones.iter().filter(|(_, zone)| name(at).is_within(zone.as_str()));
        within.max_by_key(|(_, zone)| zone.as_str().len()).map(|(id, _)| *id)
    }

    pub fn soa(&self, zone: ZoneId) -> Option<(RecordId, SoaContent)> {
        let row = self.rows.values().find(|row| row.zone == zone && row.rtype == RecordType::Soa)?;
        Some((row.id, SoaContent::parse(&row.content.to_string()).unwrap()))
    }

    pub fn serial(&self, zone: ZoneId) -> Option<Serial> {
        self.soa(zone).map(|(_, soa)| soa.serial())
    }

    /// The serial that we wrote last, while it is remembered.
    pub fn floor(&self, apex: &ZoneName, now: Duration) -> Option<Serial> {
        let of = self.wrote.values().filter(|(zone, _, at)| zone == apex && now < *at + REMEMBERED);
        of.map(|(_, serial, _)| *serial).reduce(|a, b| if b.is_after(a) { b } else { a })
    }

    pub fn used(&self, now: Duration) -> f64 {
        self.used.0 * (1.0 - now.saturating_sub(self.used.1).as_secs_f64() / 3600.0).max(0.0)
    }

    pub fn read_zones(&self, now: Duration) -> Zones {
        let zone = |(id, apex): (&ZoneId, &ZoneName)| Zone {
            soa: self.soa(*id).map(|(_, soa)| soa),
            last_serial: self.floor(apex, now),
            ..Zone::sample(*id, apex)
        };
        let former = self.wrote.iter().map(|(id, (apex, ..))| (*id, apex.clone()));
        Zones::new(self.zones.iter().filter(|(id, _)| self.soa(**id).is_some()).map(zone), former)
    }

    /// What an operator does, by whatever tool; false where he has to wait for a lock.
    pub fn edit(&mut self, words: &[&str], next: &mut RecordId, locked: impl Fn(Lock) -> bool) -> bool {
        let nth = |word: &str| -> Option<RecordId> {
            let rows: Vec<&Row> = self.rows.values().filter(|row| is_record(row)).collect();
            let at = word.parse::<usize>().unwrap().checked_rem(rows.len())?;
            Some(rows[at].id)
        };
        let mut with =
            |state: &mut Self, ids: &[RecordId], work: &mut dyn FnMut(&mut Self, &mut RecordId)| {
                let free = !ids.iter().any(|id| locked(Lock::Row(*id)));
                if free {
                    work(state, next);
                }
                free
            };
        match words[0] {
            "insert" => with(self, &[], &mut |state, next| {
                let at = name(words[1]);
                if state.enclosing(at.as_str()).is_none() {
                    return;
                }
                let rtype = RecordType::read(Some(words[2]));
                let what = content(&rtype, words[3]);
                let id = state.insert(&at, rtype, what, 60, next);
                state.alter(id, &words[4..]);
            }),
            "delete" => {
                let Some(id) = nth(words[1]) else { return true };
                with(self, &[id], &mut |state, _| _ = state.rows.remove(&id))
            }
            "update" => {
                let Some(id) = nth(words[1]) else { return true };
                with(self, &[id], &mut |state, _| state.alter(id, &words[2..]))
            }
            // The API of PowerDNS: the RRset goes and comes back under new ids, and the serial moves.
            "replace" => {
                let Some(id) = nth(words[1]) else { return true };
                let old = self.rows[&id].clone();
                let rrset: Vec<Row> = (self.rows.values())
                    .filter(|row| (row.zone, &row.name, &row.rtype) == (old.zone, &old.name, &old.rtype))
                    .cloned()
                    .collect();
                let soa = self.soa(old.zone).map(|(id, _)| id);
                let ids: Vec<RecordId> = rrset.iter().map(|row| row.id).chain(soa).collect();
                with(self, &ids, &mut |state, next| {
                    state.rows.retain(|id, _| !rrset.iter().any(|row| row.id == *id));
                    let kept = if words.len() > 2 { &rrset[..1] } else { &rrset[..] };
                    for row in kept {
                        *next += 1;
                        state.rows.insert(*next, Row { id: *next, ..row.clone() });
                        state.alter(*next, &words[2..]);
                    }
                    state.set_serial(old.zone, 1);
                })
            }
            "serial" => {
                let Some((zone, (soa, _))) =
                    self.zone_named(words[1]).and_then(|zone| Some((zone, self.soa(zone)?)))
                else {
                    return true;
                };
                with(self, &[soa], &mut |state, _| state.set_serial(zone, words[2].parse().unwrap()))
            }
            "zone" => with(self, &[], &mut |state, next| state.make_zone(&name(words[1]), next)),
            "unzone" => {
                let Some(zone) = self.zone_named(words[1]) else { return true };
                let ids: Vec<RecordId> =
                    self.rows.values().filter(|row| row.zone == zone).map(|row| row.id).collect();
                with(self, &ids, &mut |state, _| {
                    state.rows.retain(|_, row| row.zone != zone);
                    state.zones.remove(&zone);
                })
            }
            other => panic!("nobody does {other}"),
        }
    }

    fn alter(&mut self, id: RecordId, how: &[&str]) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        for word in how {
            match *word {
                "disabled" => row.disabled = true,
                "away" => row.name = name(&format!("away.{}", self.zones[&row.zone])),
                word => match word.strip_prefix("ttl=") {
                    Some(ttl) => row.ttl = Some(Ttl(ttl.parse().unwrap())),
                    None if row.rtype.is_address() => row.content = content(&row.rtype, word),
                    None => row.content = Content::read(&row.rtype, &format!("x{word}.org")),
                },
            }
        }
    }

    fn set_serial(&mut self, zone: ZoneId, by: i64) {
        let (Some((id, soa_row)), Some(apex)) = (self.soa(zone), self.zones.get(&zone)) else { return };
        let serial = u32::try_from((i64::from(soa_row.serial().0) + by).max(1)).unwrap();
        let content = soa(apex, serial);
        self.rows.get_mut(&id).unwrap().content = content;
    }
}
