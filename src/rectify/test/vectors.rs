//! The whole-zone form against what PowerDNS 4.7.3 and 5.1.4 left in their databases.

use super::table::{Table, nsec3, zone};
use crate::model::{Dnssec, RecordType};
use std::{fs, path::Path};

/// The zone with the file's records as naive SQL would write them, and the file's lines.
fn read(text: &str) -> (Table, Vec<String>) {
    let mut lines = text.lines();
    let head = lines.next().unwrap();
    let field = |key: &str| {
        let word = head.split_whitespace().find_map(|word| word.strip_prefix(key)).unwrap();
        word.strip_prefix('=').unwrap().to_owned()
    };
    let salt: Vec<u8> = match field("salt").as_str() {
        "-" => vec![],
        hex => {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }
    };
    let mode = field("mode");
    let dnssec = match mode.as_str() {
        "unsigned" => Dnssec::Unsigned,
        "nsec" => Dnssec::Nsec,
        mode => {
            nsec3(field("iter").parse().unwrap(), &salt, mode.contains("optout"), mode.contains("narrow"))
        }
    };
    let mut table = Table::new(zone(&field("zone"), dnssec));
    let mut expected: Vec<String> = lines.map(str::to_owned).collect();
    expected.sort();
    for line in &expected {
        let [owner, rtype, _, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if rtype != "(ENT)" {
            table.put(owner, RecordType::read(Some(rtype)));
        }
    }
    (table, expected)
}

#[test]
fn the_whole_zone_comes_out_as_rectify_zone_left_it_in_all_28_measured_zones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/powerdns-vectors");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ext| ext != "tsv") {
            continue;
        }
        let (mut table, expected) = read(&fs::read_to_string(&path).unwrap());
        table.rectify();
        assert_eq!(table.picture(), expected, "{}", path.display());
        table.rectify();
        assert_eq!(table.picture(), expected, "{} twice", path.display());
        files += 1;
    }
    assert_eq!(files, 28);
}
