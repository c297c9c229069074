//! Serials: each changed zone's moves once a transaction, in the order of zone ids.

use super::{
    DbError, WriteError,
    decode::Cells,
    session::Session,
    sql::{LIST, Statement, text, tuples},
    zones,
};
use crate::model::{Serial, SerialTime, SoaContent, Zone, ZoneId, Zones};
use mysql_async::{Row, Value};
use std::collections::{BTreeSet, HashMap};

/// Whether rows made for `then` would still be right in `now`.
fn same(then: &Zone, now: &Zone) -> bool {
    then.name == now.name
        && then.kind == now.kind
        && then.presigned == now.presigned
        && then.bad_nsec3param == now.bad_nsec3param
        && then.dnssec == now.dnssec
}

/// The zone as it is now, which must still be what the plan knew: one that has been signed since needs other
/// order names.
fn current(then: &Zone, now: Option<Zone>) -> Result<Zone, WriteError> {
    match now {
        Some(now) if same(then, &now) => Ok(now),
        Some(_) => Err(WriteError::Zones(format!("{} was altered", then.name))),
        None => Err(WriteError::Zones(format!("{} is gone", then.name))),
    }
}

/// The time by the database's clock and in its local days, as PowerDNS's own serials have it.
fn ask_time() -> Statement {
    const WEEK: u32 = SerialTime::WEEK;
    let sql = format!(
        "SELECT CAST(DATE_FORMAT(NOW(), '%Y%m%d') AS SIGNED), \
         CAST(DATE_FORMAT(FROM_UNIXTIME(UNIX_TIMESTAMP() DIV {WEEK} * {WEEK}), '%Y%m%d') AS SIGNED), \
         UNIX_TIMESTAMP()"
    );
    Statement::new(TIME, &sql, &[])
}

const TIME: &str = "reading the time";

fn time(rows: &[Row]) -> Result<SerialTime, DbError> {
    let read = rows.first().and_then(|row| {
        let mut cells = Cells::of(row);
        Some(SerialTime { today: cells.number()?, week_day: cells.number()?, seconds: cells.number()? })
    });
    read.ok_or(DbError::Answer { what: TIME, lacks: "the time" })
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
    let mut serials = Vec::with_capacity(ids.len());
    for ids in ids.chunks(LIST) {
        serials.extend(bump_some(session, ids, changed, known).await?);
    }
    Ok(serials)
}

async fn bump_some(
    session: &mut Session,
    ids: &[ZoneId],
    changed: &[ZoneId],
    known: &Zones,
) -> Result<Vec<(ZoneId, Serial)>, WriteError> {
    let mut then = Vec::with_capacity(ids.len());
    for id in ids {
        let zone = known.with_id(*id);
        then.push(zone.ok_or_else(|| WriteError::Zones(format!("zone id {id} is unknown")))?);
    }
    let mut asked: Vec<Statement> = then.iter().map(|zone| lock(zone)).collect();
    asked.extend(zones::ask(Some(ids)));
    // Only once they are locked: whoever else moves a serial holds its SOA until his own is remembered.
    asked.push(zones::ask_floors(then.iter().map(|zone| &zone.name)));
    asked.push(ask_time());
    let mut answers = session.all(asked).await?;
    let mut rest = answers.split_off(then.len());
    let time = time(&rest.pop().unwrap_or_default())?;
    let floors = zones::floors(&rest.pop().unwrap_or_default());
    let mut now: HashMap<ZoneId, Zone> = zones::read(&rest).into_iter().map(|zone| (zone.id, zone)).collect();

    let mut serials = Vec::with_capacity(ids.len());
    let mut remembered = Vec::with_capacity(3 * ids.len());
    for (then, soas) in then.into_iter().zip(&answers) {
        let zone = current(then, now.remove(&then.id))?;
        let (id, soa) = locked(&zone, soas)?;
        let floor = floors.get(&zone.name).copied();
        if !changed.contains(&zone.id) && floor.is_none_or(|floor| !floor.is_after(soa.serial())) {
            continue;
        }
        let moved = soa.moved(zone.serial_kind, time, floor);
        let sql =
            "UPDATE records SET content = CAST(? AS BINARY) WHERE id = ? AND CAST(content AS BINARY) = ?";
        let values = [octets(moved.as_str()), id.into(), octets(soa.as_str())];
        session.later([Statement::new("moving a serial", sql, &values).finds(1, "SOA rows")]);
        remembered.extend([zone.id.into(), text(zone.name.as_str()), moved.serial().0.into()]);
        serials.push((zone.id, moved.serial()));
    }
    if !serials.is_empty() {
        let list = tuples(serials.len(), 3).replace(')', ",UTC_TIMESTAMP(6))");
        let sql = format!(
            "INSERT INTO cs_powerdns_zone (zone_id, name, serial, serial_at) VALUES {list} ON DUPLICATE KEY \
             UPDATE name = VALUES(name), serial = VALUES(serial), serial_at = VALUES(serial_at)"
        );
        session.later([Statement::new("remembering serials", &sql, &remembered)]);
    }
    Ok(serials)
}

/// A character for each octet, for [`octets`]: in whatever character set an operator has written the rest of a
/// SOA, it stays as it is.
fn characters(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

fn octets(characters: &str) -> Value {
    Value::Bytes(characters.chars().filter_map(|c| u8::try_from(c).ok()).collect())
}

/// Locks the zone's SOA row. By zone, name and type, never by a remembered id: every API edit makes it anew.
fn lock(zone: &Zone) -> Statement {
    let sql = "SELECT id, content FROM records WHERE name = ? AND type = 'SOA' AND domain_id = ? \
               AND disabled = 0 FOR UPDATE";
    Statement::new("locking a SOA", sql, &[text(zone.name.as_str()), zone.id.into()])
}

/// Of several the one with the highest id: PowerDNS answers with what it reads last.
fn locked(zone: &Zone, rows: &[Row]) -> Result<(u64, SoaContent), WriteError> {
    let found = rows.iter().filter_map(|row| {
        let mut cells = Cells::of(row);
        Some((cells.unsigned()?, characters(cells.octets()?)))
    });
    let Some((id, content)) = found.max_by_key(|(id, _)| *id) else {
        return Err(WriteError::Conflict(format!("the SOA of {} has been replaced", zone.name)));
    };
    let soa = SoaContent::parse(&content)
        .map_err(|error| WriteError::Zones(format!("the SOA of {}: {error}", zone.name)))?;
    Ok((id, soa))
}
