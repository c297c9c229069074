//! What we know about VMs, without rules: every VM as its latest read showed it, the owner names that
//! its claims touch, and the ways to it from an id or a name that an event carries.
//!
//! Refuses: to judge. It counts how often a VM was lacking or without addresses; what that means is
//! decided elsewhere. It makes no claims: the caller hands in the names that a VM's claims touch.
//!
//! Invariants: an older read never overrides a newer one, nor brings back what a newer one removed.
//! Every change returns the owner names that it touched, and putting what is already known touches none.

mod index;
mod known;
mod names;
mod redirect;
mod sighting;
mod store;

#[cfg(test)]
mod model_test;

pub use known::{Difference, Known};
pub use sighting::Sightings;
pub use store::{Change, Inventory};
