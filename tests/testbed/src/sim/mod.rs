//! A CloudStack management server, as far as a DNS controller can see one.
//!
//! What it obeys (each rule is one of the real server's, and each has been a bug somewhere):
//! - signatures, version 1 and 3, are computed anew; a wrong or expired one is 401; with
//!   [`World::set_enforce`] version 3 is compulsory and may expire in 15 minutes at most;
//! - `page` and `pagesize` come together (431), at most [`World::set_max_page`] rows (431); without them
//!   silently the first so many; order is creation, by offset, so a removal shifts the rest;
//! - without `listall=true` an administrator lists only what is his own;
//! - VMs of projects are not listed without `projectid`; `projectid=-1` lists them *only* before 4.14, all
//!   since; `id=` finds them always, **`ids=` does not**: it follows the rule for listings;
//! - an id that never was is 431, one that was expunged is 200 and empty until [`World::purge_vm`]; one dead
//!   id fails a call with `ids`; `id` and `ids` exclude each other;
//! - `details=nics` alone drops the group, `details=min` drops NICs as well;
//! - Destroyed and Expunging are visible to administrators, expunged rows to nobody;
//! - past the end there is only a count, and nothing at all where nothing matches.
//!
//! # The control endpoint
//!
//! `POST /control/CALL` with a JSON object, unsigned, for shell demos. `silent: true` publishes no event.
//! Answers `{"ok":true}`, with `id` where something was made, or 400 and `{"error":"..."}`.
//!
//! | call | members |
//! |---|---|
//! | `add_domain` | name, parent?, networkdomain? |
//! | `set_domain` | id, networkdomain? (absent clears) |
//! | `add_account` | domain, name, networkdomain?, id? |
//! | `set_account` | id, networkdomain? (absent clears) |
//! | `add_project` | domain, name |
//! | `create_vm` | name, owner (account or project id), group?, v4?, v6?, network?, state?, created?, id? |
//! | `rename` | id, name |
//! | `set_group` | id, group? (absent leaves) |
//! | `set_address` | id, v4?, v6? (absent takes it away) |
//! | `set_state` | id, state |
//! | `destroy`, `recover`, `expunge`, `purge` | id |
//! | `move` | id, owner |
//! | `patch` | id, patch (an object laid over the VM's JSON) |
//! | `fail` | status, times?, command? |
//! | `heal` | |
//! | `publish` | key?, value (text of any message) |
//! | `world` | answers the names and ids of all |

mod accounts;
mod api;
mod control;
mod entities;
mod events;
mod fault;
mod json;
mod listener;
mod reply;
mod server;
mod sign;
mod state;
mod vms;
mod world;
mod world_vms;

pub use entities::{Nic, Owner, Vm, VmSpec};
pub use events::{Event, Generation, Sink};
pub use fault::{Body, Fault, Gate};
pub use server::Simulator;
pub use state::{NetworkKind, Scope};
pub use world::World;
