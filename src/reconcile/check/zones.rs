//! Every zone that VMs want: there, missing, or not to be written, and how it stands.

use super::wanted::{InZone, Wanted};
use crate::{
    desired::Settings,
    metrics::chain,
    model::{Dnssec, Finding, OwnerName, Zone, ZoneId, ZoneKind, ZoneName, Zones, counted},
    powerdns::{Database, DbError, ZoneFacts},
};
use std::collections::{BTreeMap, HashMap, HashSet};

const TOPIC: &str = "zones";
/// So many lines of one sort are told in full.
const MOST: usize = 100;
/// PowerDNS's default for `max-ent-entries`: a zone that needs more loses all of them (facts: powerdns 2).
const MAX_ENTS: u64 = 100_000;

/// What to look at.
pub struct Looking<'a> {
    /// The operator's choices.
    pub settings: &'a Settings,
    /// All zones.
    pub zones: &'a Zones,
    /// What VMs want of them, where that is known.
    pub wanted: Option<&'a Wanted>,
    /// PowerDNS's own bound of empty non-terminals, where it told.
    pub max_ents: Option<u64>,
}

/// Looks at all zones that VMs want, and at those that the operator names.
pub async fn check(database: &Database, all: &Looking<'_>, framework: &[String]) -> Vec<Finding> {
    match look(database, all, framework).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::error(TOPIC, chain(&error), "look at the database server")],
    }
}

async fn look(database: &Database, all: &Looking<'_>, framework: &[String]) -> Result<Vec<Finding>, DbError> {
    let (zones, nothing) = (all.zones, Wanted::default());
    let wanted = all.wanted.unwrap_or(&nothing);
    let ids: Vec<ZoneId> =
        wanted.zones.keys().filter_map(|name| zones.named(name.as_str())).map(|zone| zone.id).collect();
    let facts = if ids.is_empty() { HashMap::new() } else { database.zone_facts(&ids).await? };
    let missing = all.missing();
    let names: Vec<OwnerName> = missing.keys().cloned().collect();
    let half = if names.is_empty() { vec![] } else { database.domains_named(&names).await? };

    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (name, in_zone) in &wanted.zones {
        let Some(zone) = zones.named(name.as_str()) else { continue };
        let facts = facts.get(&zone.id).cloned().unwrap_or_default();
        let flaws = all.flaws(zone, in_zone, &facts);
        if flaws.is_empty() {
            good.push(Finding::ok(
                TOPIC,
                format!("{}: VMs want {} there", described(zone), counted(in_zone.names.len(), "name")),
            ));
        } else {
            bad.extend(flaws);
        }
    }
    bad.extend(missing.iter().map(|(name, count)| all.lacking(name, *count, half.contains(name))));
    bad.extend(wanted.barred.iter().map(|((zone, why), count)| all.barred(zone, why, *count)));
    let framework = framework.iter().filter_map(|name| OwnerName::parse(name).ok());
    bad.extend(framework.filter(|name| wanted.zones.contains_key(name)).map(|name| shared(&name)));
    let mut findings = capped(good);
    findings.extend(capped(bad));
    if findings.is_empty() && all.wanted.is_some() {
        findings.push(Finding::ok(TOPIC, "no VM wants a name"));
    }
    findings.extend(names_without(wanted));
    Ok(findings)
}

/// Lines of one sort, at most so many.
fn capped(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    if let Some(more) = findings.len().checked_sub(MOST + 1)
        && let Some(Finding { level, remedy, .. }) = findings.get(MOST).cloned()
    {
        findings.truncate(MOST);
        findings.push(Finding {
            level,
            topic: TOPIC,
            what: format!("and {} more such lines", more + 1),
            remedy,
        });
    }
    findings
}

fn described(zone: &Zone) -> String {
    let kind = match zone.kind {
        ZoneKind::Native => "NATIVE",
        ZoneKind::Primary => "MASTER",
        ZoneKind::Secondary => "SLAVE",
        ZoneKind::Producer => "PRODUCER",
        ZoneKind::Consumer => "CONSUMER",
    };
    let signed = match &zone.dnssec {
        Dnssec::Unsigned => "unsigned".to_owned(),
        Dnssec::Nsec => "NSEC".to_owned(),
        Dnssec::Nsec3 { iterations, salt, opt_out, narrow } => {
            let mut text = format!("NSEC3 of {iterations} iterations");
            for (is, word) in [(!salt.is_empty(), "a salt"), (*opt_out, "opt-out"), (*narrow, "narrow")] {
                if is {
                    text.push_str(", ");
                    text.push_str(word);
                }
            }
            text
        }
    };
    let serial = zone
        .soa
        .as_ref()
        .map_or(String::new(), |soa| format!(", serial {} ({:?})", soa.serial(), zone.serial_kind));
    format!("{} ({kind}, {signed}{serial})", zone.name)
}

impl Looking<'_> {
    /// Zones that the operator himself names are his to create; the others' names are tenants' choice.
    fn is_stated(&self, zone: &ZoneName) -> bool {
        self.settings.common_zone.as_ref() == Some(zone)
            || self.settings.zones.items().any(|(listed, _)| listed == zone)
    }

    /// Suffixes without a zone: those that VMs want, and those that the operator names.
    fn missing(&self) -> BTreeMap<OwnerName, u64> {
        let mut missing = self.wanted.map(|wanted| wanted.missing.clone()).unwrap_or_default();
        let listed = self.settings.zones.items().map(|(zone, _)| zone);
        // An item stands for the zones below it, too; and a suffix may lie below its zone.
        let below = |zone: &ZoneName| self.zones.iter().any(|one| one.name.is_within(zone.as_str()));
        let above =
            |zone: &ZoneName| self.settings.parent_zones && self.zones.enclosing(zone.as_str()).is_some();
        for zone in listed.chain(&self.settings.common_zone).filter(|zone| !below(zone) && !above(zone)) {
            missing.entry(zone.clone()).or_default();
        }
        missing
    }

    fn lacking(&self, zone: &OwnerName, names: u64, half: bool) -> Finding {
        let waits = match names {
            0 => "DNS_ZONES or DNS_COMMON_ZONE names it".to_owned(),
            1 => "1 name waits for it".to_owned(),
            names => format!("{names} names wait for it"),
        };
        let (what, remedy) = if half {
            (
                format!("{zone} has no enabled SOA, so PowerDNS does not serve it: {waits}"),
                "give it one".to_owned(),
            )
        } else {
            (format!("there is no zone {zone}: {waits}"), create(zone))
        };
        if self.is_stated(zone) {
            Finding::error(TOPIC, what, remedy)
        } else {
            Finding::warning(TOPIC, what, remedy)
        }
    }

    fn barred(&self, zone: &ZoneName, why: &str, names: u64) -> Finding {
        let what = format!("{zone}: {why}; {} cannot be there", counted(names, "name"));
        let broken = self.zones.named(zone.as_str()).is_some_and(|zone| zone.unwritable().is_some());
        // What the operator fences off is as he wants it.
        if broken && self.settings.zones.allows_anyone(zone) {
            Finding::error(TOPIC, what, "mend the zone, or take the network domain away in CloudStack")
        } else {
            Finding::warning(TOPIC, what, "if it is to have them, list it in DNS_ZONES; else leave it")
        }
    }

    /// What is to be said of a zone that may be written.
    fn flaws(&self, zone: &Zone, in_zone: &InZone, facts: &ZoneFacts) -> Vec<Finding> {
        let name = &zone.name;
        let mut flaws = Vec::new();
        if let Dnssec::Nsec3 { iterations: 1.., .. } = zone.dnssec {
            flaws.push(Finding::warning(
                TOPIC,
                format!(
                    "{}: resolvers treat NSEC3 with iterations as insecure or fail (RFC 9276)",
                    described(zone)
                ),
                format!("pdnsutil set-nsec3 {name} '1 0 0 -', then pdnsutil rectify-zone {name}"),
            ));
        }
        let (bound, ents) = (self.max_ents.unwrap_or(MAX_ENTS), facts.ents.max(in_zone.ents(name)));
        if ents > bound / 5 * 4 {
            let what = format!(
                "{name} has or needs {ents} empty non-terminals, and PowerDNS's max-ent-entries is {bound}"
            );
            let remedy = "raise max-ent-entries in pdns.conf, or delegate deeper zones: at its next rectify (each \
                          edit by its API is one) PowerDNS deletes them all";
            flaws.push(if ents > bound {
                Finding::error(TOPIC, what, remedy)
            } else {
                Finding::warning(TOPIC, what, remedy)
            });
        }
        flaws.extend(hidden(name, in_zone, &facts.delegations, true));
        flaws.extend(hidden(name, in_zone, &facts.dnames, false));
        flaws
    }
}

fn create(zone: &OwnerName) -> String {
    format!("create it (pdnsutil create-zone {zone} NAMESERVER), or correct the name")
}

/// Names that a delegation or a DNAME hides.
fn hidden(zone: &ZoneName, in_zone: &InZone, cuts: &[OwnerName], delegation: bool) -> Vec<Finding> {
    if cuts.is_empty() {
        return vec![];
    }
    let at: HashSet<&str> = cuts.iter().map(OwnerName::as_str).collect();
    let mut below: BTreeMap<&str, u64> = BTreeMap::new();
    for name in &in_zone.names {
        // An NS at the apex delegates nothing, a DNAME there covers everything but the apex.
        let own = std::iter::once(name.as_str()).filter(|_| delegation);
        let apex = std::iter::once(zone.as_str()).filter(|_| !delegation && name != zone);
        let above = name.ancestors_below(zone.as_str());
        if let Some(cut) = own.chain(above).chain(apex).find(|name| at.contains(name)) {
            *below.entry(cut).or_default() += 1;
        }
    }
    let told = below.into_iter().map(|(cut, names)| {
        let names = counted(names, "name");
        if delegation {
            let what = format!(
                "{zone}: {names} at or below the delegation of {cut}, where a row would be invisible"
            );
            Finding::warning(TOPIC, what, format!("serve {cut} from this database, or take its NS away"))
        } else {
            let what = format!("{zone}: {names} below the DNAME at {cut}, where a row would be invisible");
            Finding::warning(TOPIC, what, "take the DNAME or the network domain away")
        }
    });
    told.collect()
}

fn shared(zone: &OwnerName) -> Finding {
    Finding::warning(
        TOPIC,
        format!("{zone} is a zone of CloudStack's own DNS framework, too"),
        "let one of the two write it: delete it there (deleteDnsZone), or leave it out of DNS_ZONES",
    )
}

/// Names that no VM has, for other reasons than a zone's.
fn names_without(wanted: &Wanted) -> Vec<Finding> {
    const TOPIC: &str = "names";
    let mut findings = Vec::new();
    for (why, vms) in &wanted.frozen {
        findings.push(Finding::warning(
            TOPIC,
            format!("{}: {why}, so they keep what they have and gain nothing", counted(*vms, "VM")),
            "does the key see all accounts, domains and projects?",
        ));
    }
    for (reason, (names, first)) in &wanted.rejected {
        findings.push(Finding::warning(
            TOPIC,
            format!("{reason}: {}, such as {first}", counted(*names, "name")),
            "/status lists all of them",
        ));
    }
    if let Some(first) = wanted.without_reverse.first() {
        let addresses = wanted.without_reverse.len();
        findings.push(Finding::warning(
            TOPIC,
            format!(
                "{} in no zone, so there is no PTR: such as that of {first}",
                counted(addresses, "reverse name")
            ),
            "create reverse zones (in-addr.arpa, ip6.arpa) where you want PTR records",
        ));
    }
    findings
}
