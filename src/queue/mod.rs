//! What has yet to be looked at, settled or listed: dirty sets with deadlines, and the resync's turn.
//!
//! Refuses: a clock and randomness. `now` is passed in as a [`Moment`], and so is a random number for
//! the jitter of a backoff. Nothing here sleeps: `next_due` says when to come again.
//!
//! Invariants: what was marked is handed out until somebody reports it done; the first mark fixes a
//! deadline that later ones never move later; what is marked while it is in work is handed out exactly
//! once more. Of these only [`DirtyVms::collapse`] takes anything back, against a resync.

mod backoff;
mod lane;
mod moment;
mod names;
mod resync;
#[cfg(test)]
mod test;
mod vms;

pub use backoff::backoff;
pub use moment::Moment;
pub use names::{DirtyNames, Priority};
pub use resync::Resync;
pub use vms::{DirtyVms, Urgency};
