//! Integration tests: one binary.

mod powerdns_room;
