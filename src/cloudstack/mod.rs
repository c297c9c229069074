//! The CloudStack API: signing, HTTP, wire types, listings, look-ups, owners.
//!
//! Refuses: writing to CloudStack, and deciding anything about DNS. It says what the API says, or why it
//! cannot.
//!
//! Invariant: absence is never guessed. A listing is handed out as complete only after every page came and
//! none but the last was short; a look-up says "lacking" only on an empty answer or on the API's own word
//! that the very id that was asked for names nothing. All else is an error. No error and no log line holds
//! a key, a signature or an answer's text beyond the bounded `errortext`.
//!
//! One way through: [`Client`] (`client`) → `listing` or `look` → `page` (paging rules) → `call` (retry,
//! limit) → `sign` → HTTP → `answer` (envelope, errors) → `wire` (values).

mod answer;
mod call;
mod check;
mod client;
mod encode;
mod error;
mod listing;
mod look;
mod owners;
mod page;
mod sign;
mod time;
mod version;
mod wire;
mod wire_vm;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod fuzz_tests;

pub use check::{Checked, Seen};
pub use client::{Client, Settings};
pub use error::{ApiError, Refusal};
pub use listing::VmListing;
pub use look::Looked;
