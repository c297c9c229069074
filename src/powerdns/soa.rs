//! Serials: each changed zone's moves once a transaction, in the order of zone ids.

use super::{
    DbError, WriteError,
    decode::Cells,
    session::Session,
    sql::{LIST, pieces, text, tuples},
    zones,
};
use crate::model::{Serial, SerialTime, SoaContent, Zone, ZoneId, ZoneName, Zones};
use std::collections::{BTreeSet, HashMap};

/// Whether rows made for `then` would still be right in `now`.
fn same(then: &Zone, now: &Zone) -> bool {
    then.name == now.name
        && then.kind == now.kind
        && then.presigned == now.presigned
        && then.bad_nsec3param == now.bad_nsec3param
        && then.dnssec == now.dnssec
}

/// The zones as they are now, which must still be what the plan knew: a zone that has been signed since
/// needs other order names.
async fn current(session: &mut Session, ids: &[ZoneId], known: &Zones) -> Result<Vec<Zone>, WriteError> {
    let mut out = Vec::with_capacity(ids.len());
    for ids in ids.chunks(LIST) {
        let mut now: HashMap<ZoneId, Zone> =
            zones::read(session, Some(ids)).await?.into_iter().map(|zone| (zone.id, zone)).collect();
        for id in ids {
            let then = known.with_id(*id);
            match (then, now.remove(id)) {
                (Some(then), Some(now)) if same(then, &now) => out.push(now),
                (Some(then), Some(_)) => return Err(WriteError::Zones(format!("{} was altered", then.name))),
                (Some(then), None) => return Err(WriteError::Zones(format!("{} is gone", then.name))),
                (None, _) => return Err(WriteError::Zones(format!("zone id {id} is unknown"))),
            }
        }
    }
    Ok(out)
}

/// The time by the database's clock and in its local days, as PowerDNS's own serials have it.
async fn now(session: &mut Session) -> Result<SerialTime, DbError> {
    const WHAT: &str = "reading the time";
    const WEEK: u32 = SerialTime::WEEK;
    let sql = format!(
        "SELECT CAST(DATE_FORMAT(NOW(), '%Y%m%d') AS SIGNED), \
         CAST(DATE_FORMAT(FROM_UNIXTIME(UNIX_TIMESTAMP() DIV {WEEK} * {WEEK}), '%Y%m%d') AS SIGNED), \
         UNIX_TIMESTAMP()"
    );
    let rows = session.rows(WHAT, &sql, vec![]).await?;
    let read = rows.first().and_then(|row| {
        let mut cells = Cells::of(row);
        Some(SerialTime { today: cells.number()?, week_day: cells.number()?, seconds: cells.number()? })
    });
    read.ok_or(DbError::Answer { what: WHAT, lacks: "the time" })
}

/// Moves the serials of the zones that have changed, and of those that are `lowered` still, and remembers
/// them.
pub(super) async fn bump(
    session: &mut Session,
    changed: &[ZoneId],
    lowered: &[ZoneId],
    known: &Zones,
) -> Result<Vec<(ZoneId, Serial)>, WriteError> {
    let ids: BTreeSet<ZoneId> = changed.iter().chain(lowered).copied().collect();
    let ids: Vec<ZoneId> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(vec![]);
    }
    let zones = current(session, &ids, known).await?;
    let time = now(session).await?;
    let mut locked = Vec::with_capacity(zones.len());
    for zone in &zones {
        locked.push(lock(session, zone).await?);
    }
    // Only now: whoever else moves a serial holds its SOA until his own is remembered.
    let mut floors: HashMap<ZoneName, Serial> = HashMap::new();
    for zones in zones.chunks(LIST) {
        let names: Vec<ZoneName> = zones.iter().map(|zone| zone.name.clone()).collect();
        floors.extend(zones::floors(session, &names).await?);
    }
    let (mut moved_zones, mut serials) = (Vec::with_capacity(zones.len()), Vec::with_capacity(zones.len()));
    for (zone, (id, soa)) in zones.into_iter().zip(locked) {
        let floor = floors.get(&zone.name).copied();
        if !changed.contains(&zone.id) && floor.is_none_or(|floor| !floor.is_after(soa.serial())) {
            continue;
        }
        let moved = soa.moved(zone.serial_kind, time, floor);
        let sql = "UPDATE records SET content = ? WHERE id = ? AND CAST(content AS BINARY) = ?";
        let values = vec![text(moved.as_str()), id.into(), text(soa.as_str())];
        if session.run("moving a serial", sql, values).await? != 1 {
            return Err(WriteError::Conflict(format!("the SOA of {} has been edited", zone.name)));
        }
        serials.push((zone.id, moved.serial()));
        moved_zones.push(zone);
    }
    remember(session, &moved_zones, &serials).await?;
    Ok(serials)
}

/// The zone's SOA row, locked. By zone, name and type, never by a remembered id: every API edit makes it
/// anew. Of several the one with the highest id: PowerDNS answers with what it reads last.
async fn lock(session: &mut Session, zone: &Zone) -> Result<(u64, SoaContent), WriteError> {
    let sql = "SELECT id, content FROM records WHERE name = ? AND type = 'SOA' AND domain_id = ? \
               AND disabled = 0 FOR UPDATE";
    let values = vec![text(zone.name.as_str()), zone.id.into()];
    let rows = session.rows("locking a SOA", sql, values).await?;
    let found = rows.iter().filter_map(|row| {
        let mut cells = Cells::of(row);
        Some((cells.unsigned()?, cells.text()?.into_owned()))
    });
    let Some((id, content)) = found.max_by_key(|(id, _)| *id) else {
        return Err(WriteError::Conflict(format!("the SOA of {} has been replaced", zone.name)));
    };
    let soa = SoaContent::parse(&content)
        .map_err(|error| WriteError::Zones(format!("the SOA of {}: {error}", zone.name)))?;
    Ok((id, soa))
}

async fn remember(
    session: &mut Session,
    zones: &[Zone],
    serials: &[(ZoneId, Serial)],
) -> Result<(), WriteError> {
    let both: Vec<_> = zones.iter().zip(serials).collect();
    for piece in pieces(&both) {
        let mut values = Vec::with_capacity(piece.len() * 3);
        for (zone, (_, serial)) in piece {
            values.extend([zone.id.into(), text(zone.name.as_str()), serial.0.into()]);
        }
        let list = tuples(piece.len(), 3).replace(')', ",UTC_TIMESTAMP(6))");
        let sql = format!(
            "INSERT INTO cs_powerdns_zone (zone_id, name, serial, serial_at) VALUES {list} ON DUPLICATE KEY \
             UPDATE name = VALUES(name), serial = VALUES(serial), serial_at = VALUES(serial_at)"
        );
        session.run("remembering serials", &sql, values).await?;
    }
    Ok(())
}
