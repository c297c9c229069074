//! One RRset, one TTL (RFC 2181, 5.2).

use super::{
    column::Own,
    fate::Fate,
    serve::Ground,
    state::{Decision, Mode},
};
use crate::{
    ledger::Verdict,
    model::{Entry, EntryPut, OwnedRow, RecordType, Ttl},
};
use std::collections::HashMap;

impl Ground<'_, '_, '_> {
    /// The TTL of the RRset: the lowest of what is not ours to time, else the operator's setting.
    pub fn ttl(&self, rtype: &RecordType) -> Ttl {
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
        self.foreign.ttl(rtype).into_iter().chain(released).min().unwrap_or(self.column.settings.ttl)
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

    /// Rows that stay and whose TTL is not the RRset's: an UPDATE in place.
    pub fn retime(&self, out: &mut Decision) {
        if self.column.settings.mode == Mode::CreateOnly {
            return;
        }
        let mut ttls: HashMap<&RecordType, Ttl> = HashMap::new();
        for own in &self.column.own {
            let Some(owned) = self.timed(own) else { continue };
            let rtype = &own.entry.rtype;
            let ttl = *ttls.entry(rtype).or_insert_with(|| self.ttl(rtype));
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
