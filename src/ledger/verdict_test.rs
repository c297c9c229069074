//! The verdicts of `fixtures/verdicts.txt`, case by case.

use super::{
    cases,
    verdict::{Verdict, assess},
};
use crate::model::{
    AccountId, Content, Entry, Kind, OwnerName, RecordId, RecordType, Row, Ttl, VmId, Zone, ZoneId, Zones,
};
use std::{collections::HashMap, fmt::Write as _};

fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

fn content(rtype: &RecordType, text: &str) -> Content {
    let long = match text.strip_prefix("::") {
        Some(_) => format!("2001:db8{text}"),
        None if text.starts_with('.') => format!("192.0.2{text}"),
        None => text.to_owned(),
    };
    Content::read(rtype, &long)
}

/// The facts of a case that a verdict depends on. The language is that of `plan::bed`.
struct Facts {
    name: OwnerName,
    zones: Vec<(ZoneId, OwnerName)>,
    former: HashMap<ZoneId, OwnerName>,
    entries: Vec<Entry>,
    rows: Vec<Row>,
}

impl Facts {
    fn new(text: &str) -> Self {
        let mut facts = Self {
            name: name("www.domain.com"),
            zones: vec![(1, name("domain.com")), (9, name("2.0.192.in-addr.arpa"))],
            former: HashMap::new(),
            entries: vec![],
            rows: vec![],
        };
        for line in text.lines() {
            facts.read(&line.split_whitespace().collect::<Vec<_>>());
        }
        facts
    }

    fn read(&mut self, words: &[&str]) {
        let id = |at: usize| -> RecordId { words[at].strip_prefix('#').unwrap().parse().unwrap() };
        let option = |key| words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let number = |key| option(key).and_then(|text: &str| text.parse::<u32>().ok());
        match words[0] {
            "name" => self.name = name(words[1]),
            "no-zones" => self.zones.clear(),
            "zone" => self.zones.push((words[1].parse().unwrap(), name(words[2]))),
            "former" => _ = self.former.insert(words[1].parse().unwrap(), name(words[2])),
            "row" => {
                let rtype = RecordType::read(Some(words[2]));
                self.rows.push(Row {
                    id: id(1),
                    zone: number("zone").unwrap_or_else(|| self.home()),
                    name: option("at").map_or_else(|| self.name.clone(), name),
                    content: content(&rtype, words[3]),
                    rtype,
                    ttl: (option("ttl") != Some("null")).then(|| Ttl(number("ttl").unwrap_or(60))),
                    disabled: words.contains(&"disabled"),
                    auth: Some(true),
                    ordername: None,
                });
            }
            "entry" => {
                let rtype = RecordType::read(Some(words[3]));
                self.entries.push(Entry {
                    zone: number("zone").unwrap_or_else(|| self.home()),
                    name: self.name.clone(),
                    content: content(&rtype, words[4]),
                    rtype,
                    ttl: Ttl(60),
                    record: id(5),
                    owner: option("owner").unwrap_or("default").into(),
                    vm: VmId::from_u128(words[1].parse().unwrap()),
                    account: AccountId::from_u128(7),
                    kind: Kind::read(words[2]).unwrap(),
                    held: None,
                    on_hold: words.contains(&"hold"),
                });
            }
            // What the plan alone asks about.
            "recreate" | "zone-gone" => {}
            other => panic!("no fact {other}"),
        }
    }

    fn home(&self) -> ZoneId {
        let within = self.zones.iter().filter(|(_, zone)| self.name.is_within(zone.as_str()));
        within.max_by_key(|(_, zone)| zone.as_str().len()).map_or(1, |(id, _)| *id)
    }

    fn verdicts(&self) -> String {
        let zones =
            Zones::new(self.zones.iter().map(|(id, name)| Zone::sample(*id, name)), self.former.clone());
        let own: Vec<&Entry> = self.entries.iter().filter(|entry| &*entry.owner == "default").collect();
        let here: Vec<Row> = self.rows.iter().filter(|row| row.name == self.name).cloned().collect();
        let zone_of = |entry: &Entry| zones.of_entry(entry.zone, &entry.name).map(|zone| zone.id);
        let (verdicts, _) = assess(&own, own.iter().map(|entry| zone_of(entry)), &here, |id| {
            self.rows.iter().find(|row| row.id == id)
        });
        verdicts.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Intact(owned) => format!("intact #{}", owned.row().id),
        Verdict::Retimed(owned) => format!("re-timed #{}", owned.row().id),
        Verdict::TtlEdited(_) => "TTL edited".into(),
        Verdict::Disabled(_) => "disabled".into(),
        Verdict::EditedInPlace => "edited in place".into(),
        Verdict::Replaced => "replaced".into(),
        Verdict::Deleted => "deleted by hand".into(),
        Verdict::ZoneGone => "zone gone".into(),
    }
}

#[test]
fn every_case_of_the_table_has_its_verdict() {
    let mut wrong = String::new();
    for case in cases::read() {
        let found = Facts::new(&case.facts).verdicts();
        if found != case.is {
            let _ = writeln!(wrong, "{}: is {found}, not {}", case.says, case.is);
        }
        if !found.starts_with(&case.verdict) {
            let _ =
                writeln!(wrong, "{}: stands under `{}`, the first entry is {found}", case.says, case.verdict);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
