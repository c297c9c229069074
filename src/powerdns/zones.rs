//! Zones: everything with an enabled SOA at its apex, and how its rows must look.

use super::{
    DbError,
    decode::Cells,
    schema,
    session::Session,
    sql::{Statement, marks, text},
};
use crate::model::{
    Dnssec, OwnerName, Serial, SerialKind, SoaContent, Zone, ZoneId, ZoneKind, ZoneName, Zones,
};
use mysql_async::{Row, Value};
use std::collections::{HashMap, HashSet};

/// How long the serial that we wrote last is remembered, in seconds (design 8).
const REMEMBERED: i64 = 3600;

/// Metadata of one zone, as far as it matters.
#[derive(Debug, Default)]
struct Metadata {
    presigned: bool,
    nsec3param: Option<String>,
    narrow: bool,
    soa_edit_api: Option<String>,
    soa_edit: Option<String>,
}

impl Metadata {
    fn note(&mut self, kind: &str, content: &str) {
        match kind.to_ascii_uppercase().as_str() {
            "PRESIGNED" => self.presigned |= content == "1",
            "NSEC3PARAM" if !content.is_empty() => self.nsec3param = Some(content.to_owned()),
            "NSEC3NARROW" => self.narrow = content == "1",
            "SOA-EDIT-API" => self.soa_edit_api = Some(content.to_owned()),
            "SOA-EDIT" => self.soa_edit = Some(content.to_owned()),
            _ => {}
        }
    }

    /// What order names the zone's rows carry; an error where the parameters cannot be read.
    fn dnssec(&self, signed: bool) -> Result<Dnssec, ()> {
        match &self.nsec3param {
            _ if !signed => Ok(Dnssec::Unsigned),
            None => Ok(Dnssec::Nsec),
            Some(text) => nsec3(text, self.narrow).ok_or(()),
        }
    }
}

/// `algorithm flags iterations salt`, the salt in hexadecimal or `-` (RFC 5155, 4.3).
fn nsec3(text: &str, narrow: bool) -> Option<Dnssec> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [algorithm, flags, iterations, salt] = fields.as_slice() else { return None };
    if algorithm.parse() != Ok(1_u8) {
        return None;
    }
    let salt = if *salt == "-" { "" } else { *salt };
    if salt.len() % 2 != 0 || !salt.is_ascii() {
        return None;
    }
    let salt = (0..salt.len() / 2).map(|at| u8::from_str_radix(&salt[at * 2..at * 2 + 2], 16).ok());
    Some(Dnssec::Nsec3 {
        iterations: iterations.parse().ok()?,
        salt: salt.collect::<Option<_>>()?,
        opt_out: flags.parse::<u8>().ok()? != 0,
        narrow,
    })
}

/// Restricts a statement to some zones, or not at all.
fn among(column: &str, ids: Option<&[ZoneId]>) -> (String, Vec<Value>) {
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else { return (String::new(), vec![]) };
    let values = ids.iter().map(|id| Value::from(*id)).collect();
    (format!(" AND {column} IN ({})", marks(ids.len())), values)
}

/// Asks for the zones with these ids, or all. Keys and metadata are read after the zones, so that a zone that
/// is being signed is seen at its latest.
pub(super) fn ask(ids: Option<&[ZoneId]>) -> [Statement; 3] {
    // The join goes from the few zones to (name, type): by type alone there is no index.
    let (and, values) = among("d.id", ids);
    let sql = format!(
        "SELECT d.id, d.name, d.type, r.id, r.content FROM domains d STRAIGHT_JOIN records r \
         ON r.name = d.name AND r.type = 'SOA' WHERE r.domain_id = d.id AND r.disabled = 0{and}"
    );
    let soas = Statement::new("reading zones", &sql, &values);

    let (and, values) = among("domain_id", ids);
    let sql = format!("SELECT DISTINCT domain_id FROM cryptokeys WHERE active = 1{and}");
    let keys = Statement::new("reading which zones are signed", &sql, &values);

    // Kinds beside ids would multiply the ranges until the server reads all of the table instead.
    let condition = (and.strip_prefix(" AND "))
        .unwrap_or("kind IN ('PRESIGNED','NSEC3PARAM','NSEC3NARROW','SOA-EDIT-API','SOA-EDIT')");
    let sql = format!("SELECT domain_id, kind, content FROM domainmetadata WHERE {condition}");
    [soas, keys, Statement::new("reading zone metadata", &sql, &values)]
}

/// Reads the answers to [`ask`].
pub(super) fn read(answers: &[Vec<Row>]) -> Vec<Zone> {
    let [soas, keys, kinds] = answers else { return Vec::new() };
    let signed: HashSet<ZoneId> = keys.iter().filter_map(|row| Cells::of(row).number()).collect();
    let mut metadata: HashMap<ZoneId, Metadata> = HashMap::new();
    for row in kinds {
        let mut cells = Cells::of(row);
        let (Some(id), Some(kind), content) = (cells.number(), cells.text(), cells.text()) else { continue };
        metadata.entry(id).or_default().note(&kind, content.as_deref().unwrap_or_default());
    }

    let mut zones: HashMap<ZoneId, (u64, Zone)> = HashMap::new();
    for row in soas {
        let mut cells = Cells::of(row);
        let (Some(id), name, kind) = (cells.number(), cells.text(), cells.text()) else { continue };
        let (Some(soa_id), content) = (cells.unsigned(), cells.text()) else { continue };
        // The root zone and other names that are none enclose nothing that we write.
        let Some(name) = name.and_then(|name| OwnerName::stored(&name).ok()) else { continue };
        // Of several SOA rows PowerDNS answers with what it reads last: the highest id.
        if zones.get(&id).is_some_and(|(last, _)| *last >= soa_id) {
            continue;
        }
        let none = Metadata::default();
        let meta = metadata.get(&id).unwrap_or(&none);
        let dnssec = meta.dnssec(signed.contains(&id));
        let zone = Zone {
            id,
            name,
            kind: ZoneKind::read(kind.as_deref().unwrap_or_default()),
            presigned: meta.presigned,
            bad_nsec3param: dnssec.is_err(),
            dnssec: dnssec.unwrap_or(Dnssec::Unsigned),
            soa: content.and_then(|text| SoaContent::parse(&text).ok()),
            serial_kind: SerialKind::read(meta.soa_edit_api.as_deref(), meta.soa_edit.as_deref()),
            last_serial: None,
        };
        zones.insert(id, (soa_id, zone));
    }
    zones.into_values().map(|(_, zone)| zone).collect()
}

/// All zones, with the names that ids had and the serials that we wrote last.
pub(super) async fn all(session: &mut Session) -> Result<Zones, DbError> {
    let mut zones = read(&session.all_long(ask(None).into()).await?);
    let mut former = HashMap::new();
    let mut last: HashMap<ZoneName, Serial> = HashMap::new();
    let sql = "SELECT zone_id, name, serial, TIMESTAMPDIFF(SECOND, serial_at, UTC_TIMESTAMP(6)) \
               FROM cs_powerdns_zone";
    let rows = match session.long_rows("reading the serials that we wrote", sql, &[]).await {
        Err(error) if schema::is_absent(session, &error).await => vec![],
        rows => rows?,
    };
    for row in &rows {
        let mut cells = Cells::of(row);
        let (Some(id), name, serial, age) = (cells.number(), cells.text(), cells.number(), cells.int())
        else {
            continue;
        };
        let Some(name) = name.and_then(|name| OwnerName::stored(&name).ok()) else { continue };
        if let (Some(serial), Some(age)) = (serial, age)
            && age < REMEMBERED
        {
            latest(&mut last, &name, Serial(serial));
        }
        former.insert(id, name);
    }
    for zone in &mut zones {
        zone.last_serial = last.get(&zone.name).copied();
    }
    Ok(Zones::new(zones, former))
}

fn latest(last: &mut HashMap<ZoneName, Serial>, name: &ZoneName, serial: Serial) {
    let known = last.entry(name.clone()).or_insert(serial);
    if serial.is_after(*known) {
        *known = serial;
    }
}

/// Asks for the serials that we wrote within the hour, of some zones.
pub(super) fn ask_floors<'a>(names: impl Iterator<Item = &'a ZoneName>) -> Statement {
    let values: Vec<Value> = names.map(|name| text(name.as_str())).collect();
    let sql = format!(
        "SELECT name, serial FROM cs_powerdns_zone WHERE name IN ({}) \
         AND serial_at > UTC_TIMESTAMP(6) - INTERVAL {REMEMBERED} SECOND",
        marks(values.len())
    );
    Statement::new("reading the serials that we wrote", &sql, &values)
}

/// Reads the answer to [`ask_floors`].
pub(super) fn floors(rows: &[Row]) -> HashMap<ZoneName, Serial> {
    let mut last = HashMap::new();
    for row in rows {
        let mut cells = Cells::of(row);
        let (Some(name), Some(serial)) = (cells.text(), cells.number()) else { continue };
        if let Ok(name) = OwnerName::stored(&name) {
            latest(&mut last, &name, Serial(serial));
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nsec3_parameters_are_read() {
        let Some(Dnssec::Nsec3 { iterations, salt, opt_out, narrow }) = nsec3("1 1 5 ab12", false) else {
            panic!("not read")
        };
        assert_eq!((iterations, &salt[..], opt_out, narrow), (5, &[0xab, 0x12][..], true, false));
        assert!(
            matches!(nsec3("1 0 0 -", true), Some(Dnssec::Nsec3 { salt, narrow: true, .. }) if salt.is_empty())
        );
        for bad in ["", "1 0 0", "2 0 0 -", "1 0 x -", "1 0 0 abc", "1 0 0 zz"] {
            assert_eq!(nsec3(bad, false), None, "{bad}");
        }
    }

    #[test]
    fn an_unsigned_zone_does_not_look_at_its_parameters() {
        let mut metadata = Metadata::default();
        metadata.note("nsec3param", "nonsense");
        assert_eq!(metadata.dnssec(false), Ok(Dnssec::Unsigned));
        assert_eq!(metadata.dnssec(true), Err(()));
    }
}
