//! CloudStack's UUIDs, sixteen bytes each, one type per thing that they name.

use std::{fmt, str::FromStr};

/// Text that is no UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID of the form 8-4-4-4-12 hexadecimal digits")]
pub struct IdError;

/// What each octet is worth as a hexadecimal digit: events and ledgers have ids by the million.
const DIGITS: [u8; 256] = {
    let mut digits = [NONE; 256];
    let mut digit = 0;
    while digit < 16 {
        digits[b"0123456789abcdef"[digit as usize] as usize] = digit;
        digits[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};
const NONE: u8 = 255;

fn parse_uuid(text: &str) -> Result<u128, IdError> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return Err(IdError);
    }
    let (mut high, mut low) = (0_u64, 0_u64);
    for (at, byte) in bytes.iter().enumerate() {
        let half = if at < 18 { &mut high } else { &mut low };
        match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => {}
            (8 | 13 | 18 | 23, _) => return Err(IdError),
            _ => match DIGITS[usize::from(*byte)] {
                NONE => return Err(IdError),
                digit => *half = *half << 4 | u64::from(digit),
            },
        }
    }
    Ok(u128::from(high) << 64 | u128::from(low))
}

fn write_uuid(value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let octets = value.to_be_bytes();
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    let places = (0..36).filter(|at| !matches!(at, 8 | 13 | 18 | 23));
    let mut text = [b'-'; 36];
    for (place, digit) in places.zip(digits) {
        text[place] = b"0123456789abcdef"[usize::from(digit)];
    }
    f.write_str(str::from_utf8(&text).unwrap_or_default())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// The id with this 128-bit value.
            pub const fn from_u128(value: u128) -> Self {
                Self(value)
            }

            /// The 128-bit value.
            pub const fn as_u128(self) -> u128 {
                self.0
            }

            /// The first eight hexadecimal digits, as group names carry them (design 3).
            pub fn first8(self) -> String {
                format!("{:08x}", self.0 >> 96)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_uuid(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(self.0, f)
            }
        }
    };
}

id!(
    /// A virtual machine.
    VmId
);
id!(
    /// An account; for a project's VMs the project's id stands in for it (design 3).
    AccountId
);
id!(
    /// A CloudStack domain (not a DNS domain).
    DomainId
);
id!(
    /// A project.
    ProjectId
);
id!(
    /// A network interface of a VM.
    NicId
);
id!(
    /// A guest network.
    NetworkId
);
id!(
    /// A public or a secondary address, as CloudStack names them (not the address itself).
    IpId
);

impl From<ProjectId> for AccountId {
    fn from(project: ProjectId) -> Self {
        Self(project.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_reads_and_prints_the_same_text_in_lower_case() {
        let id: AccountId = "EDD2AB05-98ba-4b65-b94f-14ec595e37a3".parse().unwrap();
        assert_eq!(id.to_string(), "edd2ab05-98ba-4b65-b94f-14ec595e37a3");
        assert_eq!(id.first8(), "edd2ab05");
    }

    #[test]
    fn text_that_is_no_uuid_is_refused() {
        for text in
            ["", "edd2ab05", "edd2ab05-98ba-4b65-b94f-14ec595e37a", "gdd2ab05-98ba-4b65-b94f-14ec595e37a3"]
        {
            assert_eq!(text.parse::<VmId>(), Err(IdError), "{text}");
        }
    }
}
