//! Why a name has, or has not, a record: what `explain` says, as a value that reads as text and becomes JSON.
//!
//! Every text in it has been made fit for an operator's eyes: what tenants chose has no control characters.

use super::{VmId, counted};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, str::FromStr};

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A VM by its UUID.
    Vm(VmId),
    /// An address, in any spelling.
    Address(IpAddr),
    /// A DNS name, or a VM's bare display name.
    Text(Box<str>),
}

/// Text that nothing can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "neither a DNS name, nor a VM's name or UUID, nor an address: it has 1 to 255 characters, none of them a control"
)]
pub struct SubjectError;

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let text = text.trim();
        if text.is_empty() || text.len() > 255 || text.chars().any(char::is_control) {
            return Err(SubjectError);
        }
        if let Ok(vm) = text.parse() {
            return Ok(Self::Vm(vm));
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        Ok(Self::Text(text.into()))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vm(vm) => vm.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// One step of a decision: what was looked at, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was looked at, a word or two.
    pub step: String,
    /// What it says.
    pub says: String,
}

impl Step {
    /// A step.
    pub fn new(step: impl Into<String>, says: impl Into<String>) -> Self {
        Self { step: step.into(), says: says.into() }
    }
}

/// A VM, and how its wishes come about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmStory {
    /// Its UUID.
    pub id: String,
    /// Its name as it was typed, if it is known.
    pub name: Option<String>,
    /// From its state to its suffixes.
    pub steps: Vec<Step>,
    /// What it wants: kind and name.
    pub wants: Vec<Step>,
    /// What it cannot have: kind and name, and why.
    pub cannot: Vec<Step>,
}

/// How a claim, or an entry without a claim, stands at a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimStory {
    /// The VM.
    pub vm: String,
    /// name, group or ptr.
    pub kind: String,
    /// A word of few values, as /status has it.
    pub state: String,
    /// The particulars.
    pub detail: String,
    /// What to do about it; empty where there is nothing to do.
    pub remedy: String,
}

/// A row or an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordStory {
    /// The type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// The content.
    pub content: String,
    /// The TTL.
    pub ttl: Option<u32>,
    /// An entry: for whom, and the verdict; a row: whose it is.
    pub says: String,
}

/// An entry that has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastStory {
    /// When, UTC.
    pub at: String,
    /// The type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// The content.
    pub content: String,
    /// The VM whose claim it served.
    pub vm: String,
    /// Why it ended.
    pub why: String,
}

/// An owner name, and everything that has been decided about it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameStory {
    /// The name.
    pub name: String,
    /// The zone that answers for it, if one does.
    pub zone: Option<String>,
    /// Why that zone, and why nothing may be written there if nothing may.
    pub zone_says: String,
    /// Who wants it, in the order of rank, and who has entries without wanting it.
    pub claims: Vec<ClaimStory>,
    /// How many there are, also where not all are told.
    pub claims_total: usize,
    /// The ledger's entries, with the verdict of each.
    pub ledger: Vec<RecordStory>,
    /// How many there are, also where not all are told.
    pub ledger_total: usize,
    /// The rows that stand, of every type and zone.
    pub rows: Vec<RecordStory>,
    /// How many there are, also where not all are told.
    pub rows_total: usize,
    /// What has ended here within 7 days, latest first.
    pub history: Vec<PastStory>,
    /// What PowerDNS should answer now.
    pub dns: Vec<String>,
    /// What the next pass would change.
    pub next: Vec<String>,
}

/// The whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// 1: the form of the JSON.
    pub version: u32,
    /// Whose records were looked at.
    pub owner_id: String,
    /// What was asked, as it was understood.
    pub question: String,
    /// The answer in short, a line for each name or finding, with what to do.
    pub answer: Vec<String>,
    /// The VMs that have to do with it.
    pub vms: Vec<VmStory>,
    /// How many there are, also where not all are told.
    pub vms_total: usize,
    /// The names that have to do with it.
    pub names: Vec<NameStory>,
    /// How many there are, also where not all are told.
    pub names_total: usize,
}

/// How wide the first column is.
const WIDE: usize = 10;

fn line(f: &mut fmt::Formatter<'_>, word: &str, text: impl fmt::Display) -> fmt::Result {
    write!(f, "\n  {word:WIDE$} {text}")
}

/// A section: its lines below each other, the word before the first alone.
fn section<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    lines: impl IntoIterator<Item = T>,
    none: &str,
) -> fmt::Result {
    let mut word = Some(word);
    for text in lines {
        line(f, word.take().unwrap_or_default(), text)?;
    }
    match word {
        Some(word) if !none.is_empty() => line(f, word, none),
        _ => Ok(()),
    }
}

fn more(f: &mut fmt::Formatter<'_>, total: usize, told: usize) -> fmt::Result {
    if total > told { line(f, "", format_args!("and {} more", total - told)) } else { Ok(()) }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, says } = self;
        write!(f, "{step}{}{says}", if says.is_empty() { "" } else { ": " })
    }
}

impl fmt::Display for VmStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, steps, wants, cannot } = self;
        write!(f, "VM {id}")?;
        if let Some(name) = name {
            write!(f, " ({name})")?;
        }
        for Step { step, says } in steps {
            line(f, step, says)?;
        }
        section(f, "wants", wants, "nothing")?;
        section(f, "cannot", cannot, "")
    }
}

impl fmt::Display for ClaimStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vm, kind, state, detail, remedy } = self;
        write!(f, "{state}: {kind} of VM {vm}")?;
        if !detail.is_empty() {
            write!(f, ", {detail}")?;
        }
        if !remedy.is_empty() {
            write!(f, " -> {remedy}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RecordStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rtype, content, ttl, says } = self;
        write!(f, "{rtype} {content}")?;
        if let Some(ttl) = ttl {
            write!(f, " (TTL {ttl})")?;
        }
        write!(f, ": {says}")
    }
}

impl fmt::Display for PastStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, rtype, content, vm, why } = self;
        write!(f, "{at} UTC: {rtype} {content} of VM {vm}: {why}")
    }
}

impl fmt::Display for NameStory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, zone_says, claims, ledger, rows, history, dns, next, .. } = self;
        write!(f, "{name}")?;
        line(f, "zone", zone_says)?;
        section(f, "claims", claims, "no VM wants this name")?;
        more(f, self.claims_total, claims.len())?;
        section(f, "ledger", ledger, "no entry")?;
        more(f, self.ledger_total, ledger.len())?;
        section(f, "rows", rows, "none")?;
        more(f, self.rows_total, rows.len())?;
        section(f, "history", history, "nothing has ended here within 7 days")?;
        section(f, "DNS now", dns, "no such name (NXDOMAIN)")?;
        section(f, "next pass", next, "changes nothing")
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.answer.join("\n"))?;
        for vm in &self.vms {
            write!(f, "\n\n{vm}")?;
        }
        if self.vms_total > self.vms.len() {
            write!(f, "\n\nand {}", counted(self.vms_total - self.vms.len(), "more VM"))?;
        }
        for name in &self.names {
            write!(f, "\n\n{name}")?;
        }
        if self.names_total > self.names.len() {
            write!(f, "\n\nand {}", counted(self.names_total - self.names.len(), "more name"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_about_is_told_by_its_form() {
        let id = "edd2ab05-98ba-4b65-b94f-14ec595e37a3";
        for (text, read) in [
            ("EDD2AB05-98ba-4b65-b94f-14ec595e37a3", Subject::Vm(id.parse().unwrap())),
            ("192.0.2.1", Subject::Address([192, 0, 2, 1].into())),
            ("::ffff:192.0.2.1", Subject::Address([192, 0, 2, 1].into())),
            ("[2001:DB8:0::1]", Subject::Address("2001:db8::1".parse().unwrap())),
            (" Web.Domain.com. ", Subject::Text("Web.Domain.com.".into())),
            ("my vm", Subject::Text("my vm".into())),
        ] {
            assert_eq!(text.parse(), Ok(read), "{text}");
        }
        for text in ["", "  ", "a\u{1b}[31m", &"a".repeat(256)] {
            assert_eq!(text.parse::<Subject>(), Err(SubjectError), "{text:?}");
        }
    }
}
