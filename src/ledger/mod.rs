//! What the ledger's entries are worth: each pass derives the verdict on an entry from the rows as
//! they are now (design 5).
//!
//! Refuses: to remember anything about an edit. Record ids do not last (facts: powerdns 8), and a
//! state that is stored can contradict the rows; a verdict that is derived cannot.

mod verdict;

#[cfg(test)]
pub(crate) mod cases;
#[cfg(test)]
mod verdict_test;

pub use verdict::{Verdict, assess};
