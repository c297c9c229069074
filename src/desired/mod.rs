//! What VMs want: from a VM, its owner, the zones and the operator's settings to claims, and to
//! rejections with their reasons (design 3); and who comes first where several want one name (design 4).
//!
//! Refuses: to know what stands in the database. Delegations, aliases and operators' rows are found out
//! where rows are read. It never errs: what a tenant has mistyped becomes a rejection of that VM.
//!
//! Invariant: equal inputs give equal wishes in equal order. No text of a rejection is longer than a few
//! hundred characters or has a control character in it.

mod address;
mod owners;
mod place;
mod rank;
mod settings;
mod steps;
mod suffix;
mod text;
mod wish;
mod zone_list;

#[cfg(test)]
mod property_test;
#[cfg(test)]
mod wish_test;

pub use owners::{FrozenWhy, Owner, OwnerIndex};
pub use rank::{GROUP_CAP, Holding, Ranking, Served, rank_forward, rank_ptr};
pub use settings::{Nics, Settings, Stopped};
pub use steps::steps;
pub use text::shown;
pub use wish::{Verdict, wish, wish_at};
pub use zone_list::ZoneList;
