//! What the verbs that reconcile have in common.

use crate::{config::Config, reconcile::Aim, supervise::Services};

/// The settings of all rooms.
pub fn services(config: &Config, aim: Aim) -> Services {
    Services {
        cloudstack: config.cloudstack_settings(),
        powerdns: config.powerdns_settings(),
        web: config.web_settings(),
        trigger: config.trigger_settings(),
        engine: config.engine_settings(aim),
        http_listen: config.http_listen,
        service_manager: None,
    }
}
