//! Integration tests on real servers: one binary, a module a topic.

mod bad_api;
mod bad_events;
mod down;
mod grants;
mod http;
mod lease;
mod main_job;
mod message_shapes;
mod powerdns_room;
mod secrets;
mod serving;
mod strangers;
mod support;
mod zone_changes;
