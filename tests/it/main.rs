//! Integration tests on real servers: one binary, a module a topic.

mod contention;
mod losses;
mod main_job;
mod ownership;
mod powerdns_room;
mod serving;
mod support;
