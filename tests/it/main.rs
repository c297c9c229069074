//! Integration tests on real servers: one binary, a module a topic.

mod main_job;
mod powerdns_room;
mod serving;
mod support;
