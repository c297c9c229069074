//! One RRset, one TTL (RFC 2181, 5.2).

use super::{
    column::Own,
    fate::Fate,
    serve::Ground,
    state::{Decision, Mode},
};
use crate::{
    ledger::Verdict,
    model::{Content, Entry, EntryPut, Kind, OwnedRow, RecordType, Ttl},
};
use std::collections::HashMap;

impl Ground<'_, '_, '_> {
    /// The TTL of the RRset: the lowest of what is not ours to time, else what an operator gave to members
    /// that go, else his setting.
    pub fn ttl(&self, rtype: &RecordType) -> Ttl {
        let theirs = self.theirs(rtype).or_else(|| self.bequest(rtype).map(|(ttl, _)| ttl));
        theirs.unwrap_or(self.column.settings.ttl)
    }

    /// The lowest TTL of what is not ours to time and stays.
    fn theirs(&self, rtype: &RecordType) -> Option<Ttl> {
        let released = (self.column.own.iter())
            .filter(|own| own.entry.rtype == *rtype && !matches!(own.fate, Fate::Drop(..)))
            .filter_map(|own| match &own.verdict {
                Verdict::Retimed(owned) if own.owns_in(self.zone) => owned.row().ttl,
                Verdict::TtlEdited(row) if row.zone == self.zone.id => row.ttl,
                Verdict::Intact(owned) if own.owns_in(self.zone) && self.timed(own).is_none() => {
                    owned.row().ttl
                }
                _ => None,
            })
            .min();
        self.foreign.ttl(rtype).into_iter().chain(released).min()
    }

    /// Of the group's members that go, the lowest TTL that an operator gave to one, and its entry's. The entry
    /// alone tells it from a TTL of ours.
    fn bequest(&self, rtype: &RecordType) -> Option<(Ttl, Ttl)> {
        let group =
            self.column.serving().map(|(_, want)| want.claim).find(|claim| claim.kind == Kind::Group)?;
        let goes = |own: &&Own<'_, '_>| {
            own.entry.rtype == *rtype && own.is_fellow(group) && matches!(own.fate, Fate::Drop(..))
        };
        let gone = self.column.own.iter().filter(goes).filter_map(|own| match &own.verdict {
            Verdict::Retimed(owned) if own.owns_in(self.zone) => Some((owned.row().ttl?, own.entry.ttl)),
            _ => None,
        });
        gone.min()
    }

    /// The last members of a group to carry an operator's TTL go: another one, new or old, takes it over
    /// together with the entry's TTL, so that it is re-timed as they were.
    pub fn bequeath(&self, out: &mut Decision) {
        for rtype in [RecordType::A, RecordType::Aaaa] {
            let Some((_, ours)) = self.bequest(&rtype).filter(|_| self.theirs(&rtype).is_none()) else {
                continue;
            };
            let Some(heir) = self.heir(&rtype, out) else { continue };
            let put = out.puts.iter_mut().find(|put| put.entry.rtype == rtype && put.entry.content == heir);
            if let Some(put) = put {
                put.entry.ttl = ours;
            } else if let Some(own) =
                self.column.own.iter().find(|own| own.says(&rtype, &heir) && self.timed(own).is_some())
            {
                out.puts.push(EntryPut { entry: Entry { ttl: ours, ..own.entry.clone() } });
            }
        }
    }

    /// Which of the group's rows that come or stay is to carry an operator's TTL on.
    fn heir(&self, rtype: &RecordType, out: &Decision) -> Option<Content> {
        let kind = |own: &Own<'_, '_>| match own.fate {
            Fate::Serve(at) => self.column.wants[at].claim.kind,
            _ => own.entry.kind,
        };
        let stands = |own: &&Own<'_, '_>| {
            own.entry.rtype == *rtype && kind(own) == Kind::Group && self.timed(own).is_some()
        };
        let standing = self.column.own.iter().filter(stands).map(|own| &own.entry.content);
        let added = out.inserts.iter().filter(|row| row.kind == Kind::Group && row.rtype == *rtype);
        standing.chain(added.map(|row| &row.content)).min().cloned()
    }

    /// A row that stays and whose TTL is ours to say.
    fn timed<'o>(&self, own: &'o Own<'_, '_>) -> Option<&'o OwnedRow> {
        let Verdict::Intact(owned) = &own.verdict else { return None };
        let stays = matches!(own.fate, Fate::Serve(_) | Fate::Stay) && owned.row().zone == self.zone.id;
        let ours = stays
            && !own.condition.is_operators()
            && (self.column.state.forbidden)(own.entry, self.zone).is_none();
        ours.then_some(owned)
    }

    /// Everything that stands is ours, as we wrote it, at the TTL that is set: as almost always.
    fn is_timed_well(&self) -> bool {
        let well = |own: &Own<'_, '_>| match &own.verdict {
            Verdict::Intact(owned) => owned.row().ttl == Some(self.column.settings.ttl),
            _ => false,
        };
        self.foreign.is_empty() && self.column.own.iter().all(well)
    }

    /// Rows that stay and whose TTL is not the RRset's: an UPDATE in place.
    pub fn retime(&self, out: &mut Decision) {
        if self.column.settings.mode == Mode::CreateOnly || self.is_timed_well() {
            return;
        }
        let mut ttls: HashMap<&RecordType, Ttl> = HashMap::new();
        for own in &self.column.own {
            let Some(owned) = self.timed(own) else { continue };
            let rtype = &own.entry.rtype;
            // Where nothing of the group is left to carry it on, an operator's TTL ends with those that go.
            let ends = || self.theirs(rtype).unwrap_or(self.column.settings.ttl);
            let ttl = *ttls
                .entry(rtype)
                .or_insert_with(|| self.heir(rtype, out).map_or_else(ends, |_| self.ttl(rtype)));
            if owned.row().ttl == Some(ttl) {
                continue;
            }
            out.retimes.push((owned.clone(), ttl));
            let put = out.puts.iter_mut().find(|put| own.says(&put.entry.rtype, &put.entry.content));
            if let Some(put) = put {
                put.entry.ttl = ttl;
            } else {
                out.puts.push(EntryPut { entry: Entry { ttl, ..own.entry.clone() } });
            }
        }
    }
}
