//! From the checked configuration to each room's own settings.

use super::{Config, Mode, Stopped, Tls, ZoneItem};
use crate::{cloudstack, desired, plan, powerdns, reconcile, trigger};
use secrecy::ExposeSecret;

impl Config {
    /// For the CloudStack client.
    pub fn cloudstack_settings(&self) -> cloudstack::Settings {
        let of = &self.cloudstack;
        cloudstack::Settings {
            endpoint: of.endpoint.to_string(),
            api_key: of.api_key.clone(),
            secret_key: of.secret_key.clone(),
            ca_file: of.ca_file.clone(),
            timeout: of.timeout,
        }
    }

    /// For the database.
    pub fn powerdns_settings(&self) -> powerdns::Settings {
        let of = &self.mysql;
        powerdns::Settings {
            host: of.host.clone(),
            port: of.port,
            database: of.name.clone(),
            user: of.user.clone(),
            password: of.password.clone(),
            tls: match of.tls {
                Tls::Disabled => powerdns::TlsMode::Disabled,
                Tls::Preferred => powerdns::TlsMode::Preferred,
                Tls::Required => powerdns::TlsMode::Required,
                Tls::VerifyCa => powerdns::TlsMode::VerifyCa,
                Tls::VerifyIdentity => powerdns::TlsMode::VerifyIdentity,
            },
            ca_file: of.ca_file.clone(),
            owner: self.owner.clone(),
            lease_ttl: self.lease_ttl,
        }
    }

    /// For PowerDNS's web servers, if there are any.
    pub fn web_settings(&self) -> Option<powerdns::WebSettings> {
        let of = self.pdns_api.as_ref()?;
        let urls = of.urls.iter().map(ToString::to_string).collect();
        Some(powerdns::WebSettings { urls, key: of.key.clone(), ca_file: of.ca_file.clone() })
    }

    /// For the consumer, if there are events at all.
    pub fn trigger_settings(&self) -> Option<trigger::Settings> {
        let of = self.kafka.as_ref()?;
        Some(trigger::Settings {
            bootstrap: of.bootstrap.clone(),
            topic: of.topic.clone(),
            group: of.group.clone(),
            extra: (of.extra.iter())
                .map(|(key, value)| (key.clone(), value.expose_secret().to_owned()))
                .collect(),
        })
    }

    /// For the engine.
    pub fn engine_settings(&self, aim: reconcile::Aim) -> reconcile::Settings {
        let dns = &self.dns;
        reconcile::Settings {
            aim,
            adopt: None,
            desired: desired::Settings {
                common_zone: dns.common_zone.clone(),
                zones: zone_list(&dns.zones),
                parent_zones: dns.parent_zones,
                inherit_domain: dns.inherit_domain,
                nics: if dns.addresses.all_nics { desired::Nics::All } else { desired::Nics::Default },
                addresses: dns.addresses.networks.clone(),
                stopped: match dns.stopped {
                    Stopped::Keep => desired::Stopped::Keep,
                    Stopped::Groups => desired::Stopped::Groups,
                    Stopped::Remove => desired::Stopped::Remove,
                },
            },
            plan: plan::Settings {
                owner: self.owner.clone(),
                ttl: dns.ttl,
                mode: match dns.mode {
                    Mode::Sync => plan::Mode::Sync,
                    Mode::UpsertOnly => plan::Mode::UpsertOnly,
                    Mode::CreateOnly => plan::Mode::CreateOnly,
                },
                recreate: dns.recreate,
                max_loss_percent: dns.max_loss_percent,
            },
            unexplained: false,
            explain: None,
            resync_interval: self.resync_interval,
            resync_min_interval: self.resync_min_interval,
        }
    }
}

fn zone_list(items: &[ZoneItem]) -> desired::ZoneList {
    desired::ZoneList::of(items.iter().map(|item| (item.zone.clone(), item.path.clone())))
}
