//! The owner names of one VM in one allocation.

use crate::model::OwnerName;

/// Names in ascending order, each once, separated by blanks, which no owner name has.
///
/// As shared texts, six names would cost six pointers of 16 bytes and six allocations with a header of
/// 16 and an overhead of about 12: some 260 bytes a VM beside the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names(Box<str>);

impl Names {
    pub(super) fn pack(mut names: Vec<OwnerName>) -> Self {
        names.sort_unstable();
        names.dedup();
        let mut text = String::with_capacity(names.iter().map(|name| name.as_str().len() + 1).sum());
        for name in &names {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(name.as_str());
        }
        Self(text.into())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|name| !name.is_empty())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.iter().any(|own| own == name)
    }

    pub(super) fn owned(&self) -> impl Iterator<Item = OwnerName> {
        self.iter().map(unpack)
    }

    /// Names of either, each once.
    pub(super) fn union(&self, other: &Self) -> Vec<OwnerName> {
        let more = other.iter().filter(|name| !self.has(name)).map(unpack);
        self.owned().chain(more).collect()
    }

    /// Names of exactly one of the two.
    pub(super) fn difference(&self, other: &Self) -> Vec<OwnerName> {
        let gone = self.iter().filter(|name| !other.has(name));
        let new = other.iter().filter(|name| !self.has(name));
        gone.chain(new).map(unpack).collect()
    }
}

fn unpack(text: &str) -> OwnerName {
    OwnerName::stored(text).expect("packed from an owner name")
}
