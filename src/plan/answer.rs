//! The answer of `explain` in a line or a few: which step said no, and what to do about it.

use super::remedy::zone_remedy;
use crate::{
    desired::shown,
    model::{NameStory, OwnerName, Rejection, Step, Unwritable, VmId, VmStory, counted},
};
use std::collections::BTreeSet;

/// So many claims of one name are told of.
const ANSWERED: usize = 5;

/// What a VM cannot have, and what to do about it.
pub fn refusal(rejection: &Rejection) -> Step {
    let Rejection { kind, name, pending, reason, detail } = rejection;
    let state = if *pending { "pending" } else { "rejected" };
    let remedy = match remedy(reason) {
        "" => String::new(),
        text => format!(" -> {text}"),
    };
    Step::new(format!("{kind} {name}"), format!("{state}, {reason}: {detail}{remedy}"))
}

fn remedy(reason: &str) -> &'static str {
    match reason {
        "no zone" => "create that zone in PowerDNS, or correct the network domain; no event is needed then",
        "not in DNS_ZONES" => zone_remedy(&Unwritable::NotAllowed),
        "bad name" => "give the VM a name that is a host name",
        "bad group name" => "give the group a shorter name",
        "name too long" => "give the VM or its network domain a shorter name",
        "no suffix" => "give its account or its domain a network domain, or set DNS_COMMON_ZONE",
        "bad network domain" | "arpa" => "correct the network domain in CloudStack",
        "no address" => "see why CloudStack shows none for it",
        "not in DNS_ADDRESSES" => "add the network to DNS_ADDRESSES, if it is to be published",
        "inside a longer zone" => "create the record in that zone, or take the zone away",
        "zone kind" | "presigned" => zone_remedy(&Unwritable::Presigned),
        "nsec3 iterations" | "nsec3 parameters" => zone_remedy(&Unwritable::Nsec3Param),
        "bad SOA" => zone_remedy(&Unwritable::Soa),
        _ => "",
    }
}

/// Why a VM that bears a name's first label does not want the name.
pub fn called_so(vm: &VmStory) -> String {
    let names: Vec<&str> =
        vm.wants.iter().filter(|want| want.step != "ptr").map(|want| want.says.as_str()).collect();
    if !names.is_empty() {
        return format!("VM {} is called so, and wants other names: {}", vm.id, names.join(", "));
    }
    let last = if vm.cannot.is_empty() { vm.steps.last().map(|step| step.says.as_str()) } else { None };
    let why = last.map_or_else(String::new, |says| format!(": {says}"));
    format!("VM {} is called so, and wants no name{why}", vm.id)
}

/// That a group bears the name: at these names its members stand.
pub fn group_called_so(typed: &str, names: &BTreeSet<OwnerName>) -> String {
    let list: Vec<&str> = names.iter().take(ANSWERED).map(OwnerName::as_str).collect();
    let more = names.len().saturating_sub(list.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("a group is called {}: its name is {}{more}", shown(typed), list.join(", "))
}

/// The answer for a reverse name that a classless delegation has made an alias.
pub fn alias_in_short(name: &OwnerName, target: &OwnerName) -> String {
    format!("{name} is an alias: its CNAME leads to {target}, where the PTR stands (RFC 2317)")
}

/// The answer for one name in a line or a few. `had`: a VM has the address of which this is the reverse name.
pub fn in_short(
    name: &OwnerName,
    story: &NameStory,
    refused: &[(VmId, Rejection)],
    had: bool,
) -> Vec<String> {
    let mut lines: Vec<String> =
        story.claims.iter().take(ANSWERED).map(|claim| format!("{name} is {claim}")).collect();
    if let Some(more @ 1..) = story.claims_total.checked_sub(ANSWERED) {
        lines.push(format!("{name}: and {}", counted(more, "more claim")));
    }
    if lines.is_empty() {
        let refused = refused.iter().take(ANSWERED);
        lines.extend(
            refused.map(|(vm, rejection)| {
                format!("{name} has no record for VM {vm}: {}", refusal(rejection).says)
            }),
        );
    }
    if lines.is_empty() {
        let stands =
            story.rows.iter().find(|row| matches!(row.rtype.as_str(), "A" | "AAAA" | "PTR" | "CNAME"));
        lines.push(match (stands, story.history.first()) {
            (Some(row), _) => format!("{name} is wanted by no VM; what stands there: {row}"),
            (None, Some(past)) => format!("{name} has no record any more: {past}"),
            (None, None) if had && name.is_arpa() && story.zone.is_none() => format!(
                "{name} has no record: no reverse zone of this database encloses it -> create one, and the PTR follows"
            ),
            (None, None) => {
                format!("{name} has no record: no VM wants this name, and nothing has ended here within 7 days")
            }
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ClaimStory, Kind, PastStory, RecordStory};

    fn name(text: &str) -> OwnerName {
        OwnerName::parse(text).unwrap()
    }

    #[test]
    fn the_first_step_that_says_no_is_the_answer() {
        let vm = VmId::from_u128(1);
        let (web, reverse) = (name("web.corp.org"), name("1.2.0.192.in-addr.arpa"));
        let rejection = Rejection {
            kind: Kind::Name,
            name: "web.corp.org".into(),
            pending: true,
            reason: "no zone",
            detail: "there is none".into(),
        };
        let row = RecordStory {
            rtype: "A".into(),
            content: "192.0.2.9".into(),
            ttl: None,
            says: "not ours".into(),
        };
        let past = PastStory { at: "then".into(), why: "its VM is gone".into(), ..PastStory::default() };
        let mut story = NameStory { history: vec![past], rows: vec![row], ..NameStory::default() };
        let claims = |count| vec![ClaimStory { state: "waiting".into(), ..ClaimStory::default() }; count];
        (story.claims, story.claims_total) = (claims(6), 1006);
        let lines = in_short(&web, &story, &[(vm, rejection.clone())], false);
        assert_eq!(lines.len(), 6);
        assert!(lines[0].starts_with("web.corp.org is waiting: "), "{lines:?}");
        assert_eq!(lines[5], "web.corp.org: and 1001 more claims");
        (story.claims, story.claims_total) = (Vec::new(), 0);
        let short = |story: &NameStory, refused: &[(VmId, Rejection)], name: &OwnerName, had| {
            in_short(name, story, refused, had).join("|")
        };
        let told = short(&story, &[(vm, rejection)], &web, false);
        assert!(told.contains(": pending, no zone: there is none -> create that zone"), "{told}");
        assert!(short(&story, &[], &web, false).ends_with("what stands there: A 192.0.2.9: not ours"));
        story.rows.clear();
        assert!(short(&story, &[], &web, false).contains("has no record any more: then UTC"));
        story.history.clear();
        assert!(short(&story, &[], &web, true).contains("no VM wants this name"));
        assert!(short(&story, &[], &reverse, false).contains("no VM wants this name"));
        assert!(short(&story, &[], &reverse, true).contains("no reverse zone"));
    }
}
