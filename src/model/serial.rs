//! SOA serials: reading, comparing (RFC 1982) and moving them as PowerDNS itself would.

use std::fmt;

/// A zone's serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial(pub u32);

impl Serial {
    /// Serial number arithmetic (RFC 1982, 3.2): whether `self` comes after `other`.
    pub fn is_after(self, other: Self) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 0x8000_0000
    }

    /// The serial after this one; 0 is skipped, since some secondaries read it as "unset".
    #[must_use]
    pub fn next(self) -> Self {
        match self.0.wrapping_add(1) {
            0 => Self(1),
            next => Self(next),
        }
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a zone's serial moves: its `SOA-EDIT-API` metadata, as far as PowerDNS's serial tweaker knows
/// it (facts: powerdns 4). A zone without the metadata moves like DEFAULT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialKind {
    /// `YYYYMMDD01` of the local day, or one more where that is not ahead.
    Default,
    /// One more.
    Increase,
    /// Seconds since 1970, or one more where that is not ahead.
    Epoch,
}

impl SerialKind {
    /// Reads the metadata; SOA-EDIT and SOA-EDIT-INCREASE depend on the output-side SOA-EDIT, which
    /// cannot move what is stored backwards, so one more is right for both.
    pub fn read(text: Option<&str>) -> Self {
        match text.map(str::to_ascii_uppercase).as_deref() {
            Some("INCREASE" | "SOA-EDIT-INCREASE" | "SOA-EDIT") => Self::Increase,
            Some("EPOCH") => Self::Epoch,
            _ => Self::Default,
        }
    }
}

/// A SOA content that has not exactly seven fields, of which the last five are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SOA content needs seven fields: mname rname serial refresh retry expire minimum")]
pub struct SoaError;

/// The content of a SOA row, in its original spelling but for the serial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoaContent {
    text: Box<str>,
    serial: Serial,
}

impl SoaContent {
    /// Reads the column.
    pub fn parse(text: &str) -> Result<Self, SoaError> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [_, _, serial, rest @ ..] = fields.as_slice() else { return Err(SoaError) };
        if rest.len() != 4 || rest.iter().any(|field| field.parse::<u32>().is_err()) {
            return Err(SoaError);
        }
        let serial = serial.parse().map_err(|_| SoaError)?;
        Ok(Self { text: text.into(), serial: Serial(serial) })
    }

    /// The serial.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// The column as it was read.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The content with the next serial by `kind`. `today` is the local day as YYYYMMDD, `now` the
    /// seconds since 1970; `floor` is a serial that we wrote and that a concurrent editor may have
    /// overwritten with a lower one: the result is after it as well.
    #[must_use]
    pub fn moved(&self, kind: SerialKind, today: u32, now: u32, floor: Option<Serial>) -> Self {
        let old = match floor {
            Some(floor) if floor.is_after(self.serial) => floor,
            _ => self.serial,
        };
        let wanted = match kind {
            SerialKind::Default => Serial(today.saturating_mul(100).saturating_add(1)),
            SerialKind::Epoch => Serial(now),
            SerialKind::Increase => old.next(),
        };
        let serial = if wanted.0 > old.0 { wanted } else { old.next() };
        let fields: Vec<&str> = self.text.split_ascii_whitespace().collect();
        let text = serial.to_string();
        let mut fields = fields;
        fields[2] = &text;
        Self { text: fields.join(" ").into(), serial }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soa(serial: u32) -> SoaContent {
        SoaContent::parse(&format!("ns1.example.org hostmaster.example.org {serial} 10800 3600 604800 3600"))
            .unwrap()
    }

    fn moved(serial: u32, kind: SerialKind, floor: Option<u32>) -> u32 {
        soa(serial).moved(kind, 20_261_122, 1_795_000_000, floor.map(Serial)).serial().0
    }

    #[test]
    fn default_takes_the_day_and_rolls_over_into_the_next() {
        assert_eq!(moved(2_020_010_101, SerialKind::Default, None), 2_026_112_201);
        assert_eq!(moved(2_026_112_201, SerialKind::Default, None), 2_026_112_202);
        assert_eq!(moved(2_026_112_299, SerialKind::Default, None), 2_026_112_300);
    }

    #[test]
    fn other_kinds_follow_powerdns() {
        assert_eq!(moved(7, SerialKind::Increase, None), 8);
        assert_eq!(moved(7, SerialKind::Epoch, None), 1_795_000_000);
        assert_eq!(moved(1_795_000_000, SerialKind::Epoch, None), 1_795_000_001);
    }

    #[test]
    fn a_serial_that_was_overwritten_with_a_lower_one_is_passed() {
        assert_eq!(moved(2_026_112_201, SerialKind::Default, Some(2_026_112_250)), 2_026_112_251);
    }

    #[test]
    fn the_end_of_the_number_space_wraps_by_rfc_1982() {
        assert_eq!(moved(u32::MAX, SerialKind::Default, None), 1);
        assert!(Serial(1).is_after(Serial(u32::MAX)));
        assert!(!Serial(u32::MAX).is_after(Serial(1)));
    }

    #[test]
    fn a_soa_has_seven_fields() {
        assert!(SoaContent::parse("ns1 hostmaster 1 2 3 4").is_err());
        assert!(SoaContent::parse("ns1 hostmaster x 2 3 4 5").is_err());
        assert!(SoaContent::parse("ns1 hostmaster 1 2 3 4 5 6").is_err());
    }
}
