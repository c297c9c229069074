//! Names that lie two or more labels below an apex: the few that decide whether a name of ours that loses
//! its last record becomes an empty non-terminal. In the reverse trees only those with a label that no
//! address has; the others are asked for one by one (`rectify::children_of`).

use super::servers::Reads;
use crate::{
    model::{OwnerName, RecordId, Zone, ZoneId},
    powerdns::{DbError, DeepNames},
    rectify::is_enumerated,
};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    iter::from_fn,
    ops::Bound,
    time::Duration,
};
use tokio::time::Instant;

/// Rows commit in another order than they take their ids: those of this last while are read again, but no
/// more than so many. What a larger or longer transaction hides from us the next resync shows.
const UNSETTLED: Duration = Duration::from_secs(60);
const OVERLAP: RecordId = 1000;

/// By zone. A name that has gone may linger here: whoever asks reads the rows.
///
/// A zone is read whole at the start, and then once in a resync interval; between, what is new is read before
/// it matters. The whole reading shows what no row id tells: rows that somebody has renamed in place by SQL,
/// restored under their old ids, or committed a minute late.
#[derive(Debug, Default)]
pub struct Deep(HashMap<ZoneId, Known>);

/// What a reading of a whole zone showed, made ready by whoever read it: a million names take a second, in
/// which the engine serves events.
#[derive(Debug, Clone)]
pub struct Whole {
    names: BTreeSet<String>,
    upto: RecordId,
}

impl From<&DeepNames> for Whole {
    fn from(read: &DeepNames) -> Self {
        let names = read.names.iter().map(|name| reversed(name.as_str())).collect();
        Self { names, upto: read.upto }
    }
}

#[derive(Debug)]
struct Known {
    /// The labels in reverse order, so that what is below a name is one range.
    names: BTreeSet<String>,
    /// When the zone was last read whole.
    whole: Instant,
    /// The zone's highest row id at the last reading.
    upto: RecordId,
    /// One that was the highest at least [`UNSETTLED`] ago.
    settled: RecordId,
    /// The one that will be settled next, and since when it waits.
    settling: (Instant, RecordId),
}

impl Known {
    fn new(upto: RecordId, now: Instant) -> Self {
        Self { names: BTreeSet::new(), whole: now, upto, settled: 0, settling: (now, upto) }
    }

    fn read_upto(&mut self, upto: RecordId) {
        self.upto = upto;
        // A reading of the whole zone may be older than what was read meanwhile.
        self.settled = self.settled.min(upto);
        self.settling.1 = self.settling.1.min(upto);
    }

    /// Rows up to this id need not be read again.
    fn since(&mut self, now: Instant) -> RecordId {
        if now.duration_since(self.settling.0) >= UNSETTLED {
            self.settled = self.settling.1;
            self.settling = (now, self.upto);
        }
        self.settled.max(self.upto.saturating_sub(OVERLAP))
    }
}

impl Deep {
    /// Takes what a reading of the whole zone showed. What has been written since it began comes at the next
    /// [`Deep::catch_up`].
    pub fn replace(&mut self, zone: ZoneId, read: Whole, now: Instant) {
        let known = self.0.entry(zone).or_insert_with(|| Known::new(read.upto, now));
        known.whole = now;
        known.names = read.names;
        known.read_upto(read.upto);
    }

    /// Learns of the rows that have come to zones since the last reading: what an operator puts below a name of
    /// ours must count when that goes, not only after the next resync. Costs what has come, not what the zones
    /// have.
    pub async fn catch_up(&mut self, reader: &impl Reads, zones: &[&Zone]) -> Result<(), DbError> {
        if zones.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let mut asked = Vec::with_capacity(zones.len());
        for zone in zones {
            asked.push((*zone, self.0.get_mut(&zone.id).map(|known| known.since(now))));
        }
        for (zone, read) in zones.iter().zip(reader.deep_names(&asked).await?) {
            let known = self.0.entry(zone.id).or_insert_with(|| Known::new(read.upto, now));
            known.names.extend(Whole::from(&read).names);
            known.read_upto(read.upto);
        }
        Ok(())
    }

    /// The zones that were read whole less than `age` ago.
    pub fn fresh(&self, age: Duration, now: Instant) -> HashSet<ZoneId> {
        let fresh = self.0.iter().filter(|(_, known)| now.duration_since(known.whole) < age);
        fresh.map(|(zone, _)| *zone).collect()
    }

    /// The zones that were read.
    pub fn zones(&self) -> HashSet<ZoneId> {
        self.0.keys().copied().collect()
    }

    /// Notes a name that got its first record.
    pub fn add(&mut self, zone: &Zone, name: &OwnerName) {
        if !is_enumerated(name) && name.ancestors_below(zone.name.as_str()).next().is_some() {
            // A zone that was never read stays unknown, so that it will be.
            if let Some(known) = self.0.get_mut(&zone.id) {
                known.names.insert(reversed(name.as_str()));
            }
        }
    }

    /// Forgets a name that has lost its last row.
    pub fn remove(&mut self, zone: ZoneId, name: &OwnerName) {
        if let Some(known) = self.0.get_mut(&zone) {
            known.names.remove(&reversed(name.as_str()));
        }
    }

    /// The direct children of a name that are known, or have something known below them.
    pub fn children(&self, zone: ZoneId, name: &OwnerName) -> impl Iterator<Item = OwnerName> {
        let prefix = reversed(name.as_str()) + SEPARATOR;
        let mut from = prefix.clone();
        from_fn(move || {
            let names = &self.0.get(&zone)?.names;
            let next = names.range::<str, _>((Bound::Included(&*from), Bound::Unbounded)).next()?;
            let label = next.strip_prefix(&prefix)?.split(SEPARATOR).next()?;
            let child = format!("{prefix}{label}");
            // Past everything below this child.
            from = format!("{child}{PAST}");
            Some(reversed_back(&child))
        })
        .flatten()
    }
}

/// Sorts before everything that a label can have, so that what is below a name follows it at once.
const SEPARATOR: &str = "\u{1}";
const PAST: &str = "\u{2}";

fn reversed(name: &str) -> String {
    let mut labels: Vec<&str> = name.split('.').collect();
    labels.reverse();
    labels.join(SEPARATOR)
}

fn reversed_back(text: &str) -> Option<OwnerName> {
    let mut labels: Vec<&str> = text.split(SEPARATOR).collect();
    labels.reverse();
    OwnerName::stored(&labels.join(".")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    fn deep(names: &[&str]) -> Deep {
        let mut deep = Deep::default();
        let names = names.iter().map(|text| name(text)).collect();
        deep.replace(1, Whole::from(&DeepNames { names, upto: 1 }), Instant::now());
        deep
    }

    fn children(deep: &Deep, of: &str) -> Vec<String> {
        deep.children(1, &name(of)).map(|name| name.to_string()).collect()
    }

    #[test]
    fn the_children_of_a_name_are_found_once_each_and_its_namesakes_are_not() {
        let mut deep = deep(&[
            "x.web.a.org",
            "x-1.web.a.org",
            "y.x.web.a.org",
            "z.y.x.web.a.org",
            "p.q.web.a.org",
            "x.web2.a.org",
            "x.web-2.a.org",
            "web.b.a.org",
        ]);
        assert_eq!(children(&deep, "web.a.org"), ["q.web.a.org", "x.web.a.org", "x-1.web.a.org"]);
        assert_eq!(children(&deep, "x.web.a.org"), ["y.x.web.a.org"]);
        assert_eq!(children(&deep, "b.a.org"), ["web.b.a.org"]);
        assert_eq!(children(&deep, "eb.a.org"), Vec::<String>::new());
        assert_eq!(deep.children(2, &name("web.a.org")).count(), 0, "another zone");
        deep.remove(1, &name("x-1.web.a.org"));
        assert_eq!(children(&deep, "web.a.org"), ["q.web.a.org", "x.web.a.org"]);
    }

    #[test]
    fn rows_of_the_last_while_are_read_again_but_not_very_many() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut known = Known::new(10_000, start);
        let mut since = |upto, seconds| {
            known.read_upto(upto);
            known.since(at(seconds))
        };
        assert_eq!(since(10_000, 0), 9_000, "some may be under way still");
        assert_eq!(since(10_100, 60), 10_000, "those have had a minute");
        assert_eq!(since(10_200, 119), 10_000);
        assert_eq!(since(10_200, 120), 10_100);
        assert_eq!(since(20_000, 121), 19_000);
        assert_eq!(since(10_050, 122), 10_050, "an older reading of the whole zone begins anew");
    }

    #[test]
    fn a_zone_is_fresh_for_a_while_after_it_was_read_whole() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let whole = || Whole::from(&DeepNames::default());
        let mut deep = Deep::default();
        deep.replace(1, whole(), at(0));
        deep.replace(2, whole(), at(100));
        let mut fresh = |now| {
            let mut zones: Vec<ZoneId> = deep.fresh(Duration::from_secs(300), at(now)).into_iter().collect();
            zones.sort_unstable();
            if now == 301 {
                deep.replace(1, whole(), at(301));
            }
            zones
        };
        assert_eq!(fresh(299), [1, 2]);
        assert_eq!(fresh(301), [2]);
        assert_eq!(fresh(302), [1, 2]);
    }
}
