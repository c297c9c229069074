//! What a server's version means for listing the VMs of projects.

/// Which VMs a listing with `projectid=-1` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of them, those of projects included: from 4.14 on (facts: cloudstack 3.4).
    Everything,
    /// Those of projects only: up to 4.13, and wherever the version is not known. Two listings merged by
    /// id are right on every version.
    ProjectsApart,
}

impl Reach {
    /// What a version does.
    pub(super) fn of(version: Option<&str>) -> Self {
        if at_least(version, 14) == Some(true) { Self::Everything } else { Self::ProjectsApart }
    }
}

/// Whether a `cloudstackversion` is 4.`minor` or later; none where it is unknown. The scheme dropped its
/// leading 4 (24.0.0 follows 4.23, facts: cloudstack 7), so a first number of 5 or more is new.
pub(super) fn at_least(version: Option<&str>, minor: u32) -> Option<bool> {
    let mut numbers = version?.split('.').map(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u32>().ok()
    });
    match (numbers.next().flatten()?, numbers.next().flatten()) {
        (5.., _) => Some(true),
        (4, known) => Some(known? >= minor),
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_tell_whether_one_listing_is_enough() {
        for version in ["4.14.0.0", "4.20.3.0", "4.22.0.0-SNAPSHOT", "24.0.0", "24.0.0-SNAPSHOT", "5.0"] {
            assert_eq!(Reach::of(Some(version)), Reach::Everything, "{version}");
        }
        for version in ["4.13.1.0", "4.9", "4", "3.0.2", "", "unknown", "v4.20"] {
            assert_eq!(Reach::of(Some(version)), Reach::ProjectsApart, "{version}");
        }
        assert_eq!(Reach::of(None), Reach::ProjectsApart);
        assert_eq!(at_least(Some("4.22.1"), 23), Some(false));
        assert_eq!(at_least(Some("24.0.0"), 23), Some(true));
        for unknown in [None, Some("4"), Some("unknown")] {
            assert_eq!(at_least(unknown, 23), None, "{unknown:?}");
        }
    }
}
