//! Whether a name may be written, as far as zones decide that.

use super::Settings;
use crate::model::{OwnerName, Zone, Zones};

/// Why a name has no place.
pub(super) struct Refusal {
    pub pending: bool,
    pub reason: &'static str,
    pub detail: String,
}

/// Zones, settings and the VM's domain: what decides about every name of one VM.
pub(super) struct Places<'a> {
    pub zones: &'a Zones,
    pub settings: &'a Settings,
    pub domain_path: &'a str,
}

impl Places<'_> {
    /// Whether a name under a suffix has a place in the suffix's zone.
    pub(super) fn forward(&self, name: &OwnerName, suffix: &OwnerName) -> Result<(), Refusal> {
        let longest = self.zones.enclosing(name.as_str());
        let zone = match longest {
            Some(longest) if longest.name == *suffix => Some(longest),
            _ if self.settings.parent_zones => self.zones.enclosing(suffix.as_str()),
            _ => self.zones.named(suffix.as_str()),
        };
        let Some(zone) = zone else { return Err(self.no_zone(suffix)) };
        match longest {
            Some(longest) if longest.name != zone.name => Err(Refusal {
                pending: false,
                reason: "inside a longer zone",
                detail: format!("a row in {} would be invisible: {} answers", zone.name, longest.name),
            }),
            _ => self.writable(zone),
        }
    }

    /// Whether a reverse name has a place; none where no zone encloses it.
    pub(super) fn reverse(&self, name: &OwnerName) -> Option<Result<(), Refusal>> {
        self.zones.enclosing(name.as_str()).map(|zone| self.writable(zone))
    }

    fn writable(&self, zone: &Zone) -> Result<(), Refusal> {
        match self.settings.unwritable(zone, Some(self.domain_path)) {
            None => Ok(()),
            Some(why) => Err(Refusal {
                pending: false,
                reason: why.word(),
                detail: format!("zone {}: {why}", zone.name),
            }),
        }
    }

    fn no_zone(&self, suffix: &OwnerName) -> Refusal {
        let above = match self.zones.enclosing(suffix.as_str()) {
            _ if self.settings.parent_zones => ", and none above it".to_owned(),
            Some(zone) => format!("; DNS_PARENT_ZONES=true would use {}", zone.name),
            None => String::new(),
        };
        let allowed = self.settings.zones.allows(suffix, Some(self.domain_path));
        let list = if allowed { "" } else { "; nor would DNS_ZONES allow it for this VM" };
        let detail = format!("PowerDNS has no zone {suffix} with an enabled SOA{above}{list}");
        Refusal { pending: true, reason: "no zone", detail }
    }
}
