//! Decisions: what to change at one owner name, and which transaction carries it.
//!
//! [`decide`] is the pivot of the program: `run`, `sync` and `plan` share it, so that what is shown is
//! what would be done. Its way: column (what is known) → fate (of our entries) → note → serve (claims) →
//! ttl. Refuses: I/O, and knowledge of more than one name. Invariant: a decision
//! changes only rows for which it holds an [`OwnedRow`](crate::model::OwnedRow), the ledger's proof.

mod adopt;
mod answer;
mod batch;
mod budget;
mod column;
mod decide;
mod explain;
mod fate;
mod foreign;
mod held;
mod legacy;
mod note;
mod purge;
mod refusals;
mod release;
mod remedy;
mod render;
mod serve;
mod state;
mod takeover;
mod ttl;

#[cfg(test)]
mod adopt_test;
#[cfg(test)]
mod bed;
#[cfg(test)]
mod contend_test;
#[cfg(test)]
mod decide_test;
#[cfg(test)]
mod losses_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod property_test;
#[cfg(test)]
mod scope_test;
#[cfg(test)]
mod share_test;
#[cfg(test)]
mod verdict_table_test;

pub use adopt::{Adoption, Fortune, Take, Told, adopt};
pub use answer::{alias_in_short, called_so, group_called_so, in_short, refusal};
pub use batch::{MAX_ROWS, assemble, changes};
pub use budget::Budget;
pub use decide::decide;
pub use explain::{explain, visible};
pub use held::{HeldLoss, LossDigest, hash_of};
pub use legacy::{Fate, Legacy};
pub use purge::{Purge, PurgeState, purge};
pub use refusals::{Cause, Refusal, Refusals, Refused};
pub use release::release;
pub use remedy::tell_claims;
pub use render::{Before, Counts, Line, Plan, Sign, held_line};
pub use state::{Decision, Insert, Losses, Mode, NameState, Settings, Standing};
