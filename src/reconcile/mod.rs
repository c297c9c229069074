//! Composition: look, settle, audit, and the holder of the lease.
//!
//! One task owns the inventory and the queues ([`Engine`]); look-ups, listings and the audit's stream
//! are child tasks ([`tasks`]) that hand observations back over a bounded channel. Rules live in the
//! pure rooms; what is left here is the order of things.
//!
//! Invariants: nothing is written before the first complete listing, without the lease, or for another
//! cloud than the bound one. A transaction that has begun is awaited to its end.

mod adopt;
mod ahead;
mod ask;
mod audit;
mod carry;
mod check;
mod complaint;
mod deep;
mod engine;
mod error;
mod explain;
mod handover;
mod held;
mod heritage;
mod holder;
mod journal;
mod looks;
mod losses;
mod marks;
mod notes;
mod outcomes;
mod purge;
mod release;
mod report;
mod resync;
mod servers;
mod settle;
mod show;
#[cfg(test)]
mod simulation;
mod survey;
mod tally;
mod tasks;
mod tenure;
mod turns;
mod verb;
mod work;
mod world;
#[cfg(test)]
mod world_test;
mod zones;

pub use adopt::{AdoptSettings, Adopted};
pub use ask::{ask, first_line};
pub use audit::{Audit, Findings, Flaw, Waiters};
pub use check::{CheckSettings, check};
pub use engine::{Aim, Engine, Parts, Settings};
pub use error::EngineError;
pub use handover::hand_over;
pub use holder::{Tenure, hold};
pub use purge::{PurgeSettings, Purged, purge};
pub use release::{OnHold, release};
pub use report::Report;
pub use survey::Survey;
pub use verb::{VerbError, patiently};
pub use world::{Applied, Orphan, World};
