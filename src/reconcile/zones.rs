//! What is read of the zones.

use super::{
    deep::Whole,
    engine::{AGAIN, Engine, ZONES_EVERY},
    servers::{Api, Tables},
    tally::Cause,
    tasks::ReadZones,
};
use crate::{
    desired::ZoneList,
    metrics::chain,
    model::{Zone, ZoneId, Zones},
    observe::{Pass, ZoneLine},
    powerdns::DbError,
    queue::Moment,
};
use std::sync::Arc;
use tokio::time;

/// The zones, as they are shown.
fn zone_lines(zones: &Zones, list: &ZoneList) -> Vec<ZoneLine> {
    let line = |zone: &Zone| ZoneLine {
        id: zone.id,
        name: zone.name.clone(),
        kind: zone.kind.word(),
        signed: zone.dnssec.word(),
        shut: zone
            .unwritable()
            .map(|why| why.to_string())
            .or_else(|| (!list.allows_anyone(&zone.name)).then(|| "DNS_ZONES does not list it".to_owned())),
    };
    zones.iter().map(line).collect()
}

impl<A: Api, T: Tables> Engine<A, T> {
    pub(super) fn take_zones_answer(&mut self, answer: Result<ReadZones, DbError>) {
        // A resync reads zones too, as a part of its own pass, and tells its errors by its own note.
        let own_pass = std::mem::take(&mut self.tasks.zones);
        let result = match answer {
            Ok(read) => {
                // The database answers again.
                self.settle_due = Moment::default();
                self.zones_trouble.over();
                self.take_zones(read);
                Ok(())
            }
            Err(error) => {
                let text = chain(&error);
                self.zones_trouble.tell(&text, "cannot read the zones: tries again");
                self.zones_due = self.now().plus(AGAIN);
                Err(text)
            }
        };
        if own_pass {
            self.ended(Pass::Zones, result);
        }
    }

    pub(super) fn take_zones(&mut self, (zones, deep): ReadZones) {
        self.zones_due = self.now().plus(ZONES_EVERY);
        self.take_deep(deep);
        let mut moved = Vec::new();
        for zone in zones.iter() {
            let Some(serial) = zone.soa.as_ref().map(crate::model::SoaContent::serial) else { continue };
            // What we wrote after this reading began is not what it could have seen.
            if self.serials.get(&zone.id).is_some_and(|(_, wrote)| *wrote >= self.zones_begun) {
                continue;
            }
            let lower = zone.last_serial.is_some_and(|last| last.is_after(serial));
            if lower && zone.unwritable().is_none() && self.world.settings.zones.allows_anyone(&zone.name) {
                self.lowered.insert(zone.id);
            }
            let known = self.serials.insert(zone.id, (serial, Moment::default()));
            if known.is_some_and(|(known, _)| known != serial) {
                moved.push(zone.name.clone());
            }
        }
        if zones.differ_in_place(&self.world.zones) {
            self.board.set_zones(zone_lines(&zones, &self.world.settings.zones));
            self.world.zones = Arc::new(zones);
            self.recompute_all(Cause::Zones);
        } else {
            self.world.zones = Arc::new(zones);
        }
        if self.audited {
            for zone in moved {
                tracing::debug!(%zone, "a serial that is not ours: looks at the zone's names");
                for name in self.world.inventory.names_within(zone.as_str()) {
                    self.mark_for(&name, Cause::Rows);
                }
            }
        }
    }

    pub(super) fn take_deep(&mut self, names: Vec<(ZoneId, Whole)>) {
        let now = time::Instant::now();
        for (zone, names) in names {
            self.settler.deep.replace(zone, names, now);
        }
    }
}
