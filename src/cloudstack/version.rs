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
    /// Reads `cloudstackversion`. The scheme dropped its leading 4 (24.0.0 follows 4.23, facts:
    /// cloudstack 7), so a first number of 5 or more is new.
    pub(super) fn of(version: Option<&str>) -> Self {
        let mut numbers = version.unwrap_or_default().split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse::<u32>().ok()
        });
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(5..), _) | (Some(4), Some(14..)) => Self::Everything,
            _ => Self::ProjectsApart,
        }
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
    }
}
