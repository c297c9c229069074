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
    /// `YYYYMMDD01` of the day on which PowerDNS's week began, or one more where that is not ahead.
    WeekDay,
    /// Seconds since 1970 as that day began (UTC), or one more where that is not ahead.
    WeekEpoch,
}

impl SerialKind {
    /// Reads the metadata `SOA-EDIT-API` and `SOA-EDIT`, which count in any case. As the API of PowerDNS
    /// does, which takes a word that it does not know for INCREASE.
    ///
    /// SOA-EDIT and SOA-EDIT-INCREASE store what the output-side SOA-EDIT makes of the serial. That matters
    /// where the latter lifts every lower serial to the week's beginning: one more would be lifted to the
    /// same, and no secondary would hear of the change. INCREMENT-WEEKS adds as much to each: one more will
    /// do.
    pub fn read(api: Option<&str>, edit: Option<&str>) -> Self {
        let upper = |text: Option<&str>| text.map(str::to_ascii_uppercase).unwrap_or_default();
        match (&*upper(api), &*upper(edit)) {
            ("" | "DEFAULT", _) => Self::Default,
            ("EPOCH", _)
            | ("SOA-EDIT" | "SOA-EDIT-INCREASE", "EPOCH")
            | ("SOA-EDIT-INCREASE", "INCEPTION-EPOCH") => Self::Epoch,
            ("SOA-EDIT", "INCEPTION-EPOCH") => Self::WeekEpoch,
            ("SOA-EDIT" | "SOA-EDIT-INCREASE", "INCEPTION-INCREMENT") => Self::WeekDay,
            _ => Self::Increase,
        }
    }
}

/// The time, as serials tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialTime {
    /// The local day as YYYYMMDD.
    pub today: u32,
    /// The local day on which PowerDNS's week began: a multiple of seven days since 1970.
    pub week_day: u32,
    /// Seconds since 1970.
    pub seconds: u32,
}

impl SerialTime {
    /// Seconds in a week.
    pub const WEEK: u32 = 7 * 86400;

    /// What a kind makes of the time; none where it counts on.
    fn tells(self, kind: SerialKind) -> Option<Serial> {
        let first_of = |day: u32| Serial(day.saturating_mul(100).saturating_add(1));
        match kind {
            SerialKind::Default => Some(first_of(self.today)),
            SerialKind::Increase => None,
            SerialKind::Epoch => Some(Serial(self.seconds)),
            SerialKind::WeekDay => Some(first_of(self.week_day)),
            SerialKind::WeekEpoch => Some(Serial(self.seconds - self.seconds % Self::WEEK)),
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

    /// The content with the next serial by `kind` and `time`. `floor` is a serial that we wrote and that a
    /// concurrent editor may have overwritten with a lower one: the result is after it as well.
    #[must_use]
    pub fn moved(&self, kind: SerialKind, time: SerialTime, floor: Option<Serial>) -> Self {
        let old = match floor {
            Some(floor) if floor.is_after(self.serial) => floor,
            _ => self.serial,
        };
        // Ahead as a number, as PowerDNS compares, and for secondaries.
        let ahead = |told: &Serial| told.0 > old.0 && told.is_after(old);
        let serial = time.tells(kind).filter(ahead).unwrap_or_else(|| old.next());
        let (before, after) = self.around_serial();
        Self { text: format!("{before}{serial}{after}").into(), serial }
    }

    /// What stands before the serial, the third field, and behind it.
    fn around_serial(&self) -> (&str, &str) {
        let blank = |c: char| c.is_ascii_whitespace();
        let mut rest: &str = self.text.trim_start_matches(blank);
        for _ in 0..2 {
            rest = rest.trim_start_matches(|c| !blank(c)).trim_start_matches(blank);
        }
        let after = rest.trim_start_matches(|c| !blank(c));
        (&self.text[..self.text.len() - rest.len()], after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soa(serial: u32) -> SoaContent {
        SoaContent::parse(&format!("ns1.example.org hostmaster.example.org {serial} 10800 3600 604800 3600"))
            .unwrap()
    }

    const TIME: SerialTime = SerialTime { today: 20_261_122, week_day: 20_261_119, seconds: 1_795_000_000 };

    fn moved(serial: u32, kind: SerialKind, floor: Option<u32>) -> u32 {
        soa(serial).moved(kind, TIME, floor.map(Serial)).serial().0
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
        assert_eq!(moved(7, SerialKind::WeekDay, None), 2_026_111_901);
        assert_eq!(moved(2_026_111_901, SerialKind::WeekDay, None), 2_026_111_902);
        assert_eq!(moved(7, SerialKind::WeekEpoch, None), 1_794_441_600);
        assert_eq!(moved(1_794_441_600, SerialKind::WeekEpoch, None), 1_794_441_601);
    }

    #[test]
    fn metadata_counts_in_any_case_and_soa_edit_only_where_it_is_asked_for() {
        for (api, edit, kind) in [
            (None, None, SerialKind::Default),
            (None, Some("EPOCH"), SerialKind::Default),
            (Some("default"), Some("INCEPTION-EPOCH"), SerialKind::Default),
            (Some(""), None, SerialKind::Default),
            (Some("nonsense"), None, SerialKind::Increase),
            (Some("Increase"), Some("EPOCH"), SerialKind::Increase),
            (Some("epoch"), Some("INCEPTION-EPOCH"), SerialKind::Epoch),
            (Some("soa-edit"), Some("epoch"), SerialKind::Epoch),
            (Some("SOA-EDIT"), None, SerialKind::Increase),
            (Some("SOA-EDIT-INCREASE"), Some("INCREMENT-WEEKS"), SerialKind::Increase),
            (Some("soa-edit-increase"), Some("inception-increment"), SerialKind::WeekDay),
            (Some("SOA-EDIT"), Some("INCEPTION-EPOCH"), SerialKind::WeekEpoch),
            (Some("SOA-EDIT-INCREASE"), Some("INCEPTION-EPOCH"), SerialKind::Epoch),
        ] {
            assert_eq!(SerialKind::read(api, edit), kind, "{api:?} {edit:?}");
        }
    }

    #[test]
    fn a_time_that_is_not_ahead_by_rfc_1982_is_not_taken() {
        let time = SerialTime { seconds: 3_000_000_000, ..TIME };
        let moved = |serial| soa(serial).moved(SerialKind::Epoch, time, None).serial().0;
        assert_eq!(moved(800_000_000), 800_000_001, "more than half the number space ahead is behind");
        assert_eq!(moved(1_000_000_000), 3_000_000_000);
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
    fn the_rest_of_the_content_keeps_its_spelling() {
        let soa = SoaContent::parse(" NS1.example.\tHost\\.Master.  7 1\t2 3  4 ").unwrap();
        let moved = soa.moved(SerialKind::Increase, TIME, None);
        assert_eq!(moved.as_str(), " NS1.example.\tHost\\.Master.  8 1\t2 3  4 ");
        assert_eq!(SoaContent::parse(moved.as_str()), Ok(moved));
    }

    #[test]
    fn a_soa_has_seven_fields() {
        assert!(SoaContent::parse("ns1 hostmaster 1 2 3 4").is_err());
        assert!(SoaContent::parse("ns1 hostmaster x 2 3 4 5").is_err());
        assert!(SoaContent::parse("ns1 hostmaster 1 2 3 4 5 6").is_err());
    }
}
