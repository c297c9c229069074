//! Integration tests on real servers: one binary, a module a topic.

mod main_job;
mod powerdns_room;
mod rules_addresses;
mod rules_classless;
mod rules_groups;
mod rules_names;
mod rules_parents;
mod rules_pending;
mod rules_ptr;
mod rules_serial;
mod rules_states;
mod rules_suffix;
mod rules_support;
mod rules_ttl;
mod rules_zone_list;
mod rules_zones;
mod serving;
mod support;
