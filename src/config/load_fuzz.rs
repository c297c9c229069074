//! Values of any text: a configuration or a list of faults, without panic, and without a secret.

use super::*;
use crate::{config::VARIABLES, model::fuzz::text};
use proptest::prelude::*;

/// What a password would look like; no variable's text is quoted where one may stand.
const SECRET: &str = "PlantedPassword-h7Q";

/// Texts that come near to what variables want, so that more than the first look at them is tried.
fn near() -> impl Strategy<Value = String> {
    let known = [
        "https://host/client/api",
        "http://host:8081",
        "db.example.org",
        "3306",
        "30s",
        "10m",
        "true",
        "verify-identity",
        "a:9092,b:9092",
        "example.org",
        "example.org@ROOT/acme,2.0.192.in-addr.arpa",
        "192.0.2.0/24,2001:db8::/32",
        "127.0.0.1:8053",
        "json",
        "info,cs_powerdns=trace",
    ];
    let known = || prop::sample::select(known.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        3 => known(),
        1 => (known(), text()).prop_map(|(known, text)| format!("{known}{text}")),
        1 => (text(), known()).prop_map(|(text, known)| format!("{text},{known}")),
        1 => text(),
    ]
}

/// A value where a secret may stand, with the secret in it.
fn secret_bearing(name: &str) -> BoxedStrategy<String> {
    let secret = Just(SECRET.to_owned());
    match name {
        "KAFKA_CONFIG" => prop_oneof![
            Just(format!("sasl.password={SECRET}")),
            text().prop_map(|text| format!("sasl.password={SECRET}{text}")),
            text().prop_map(|text| format!("sasl.password={},={SECRET}", text.replace(['=', ','], ""))),
            (text(), text()).prop_map(|(one, other)| format!("{one}={SECRET}{other},x.y=1,{one}={SECRET}")),
            Just(format!("enable.auto.commit={SECRET}")),
        ]
        .boxed(),
        "CS_ENDPOINT" | "PDNS_API_URL" => prop_oneof![
            Just(format!("https://u:{SECRET}@host/client/api")),
            Just(format!("https://host/client/api?apikey={SECRET}")),
            text().prop_map(|text| format!("{text}://u:{SECRET}@{text}/")),
            text().prop_map(|text| format!("https://host/{text}#{SECRET}")),
        ]
        .boxed(),
        "MYSQL_PDNS_HOST" | "KAFKA_BOOTSTRAP" => prop_oneof![
            Just(format!("u:{SECRET}@db:3306")),
            text().prop_map(|text| format!("{SECRET}@{text}"))
        ]
        .boxed(),
        "CS_API_KEY" | "CS_SECRET_KEY" | "MYSQL_PDNS_PASSWORD" | "PDNS_API_KEY" => {
            prop_oneof![secret, text().prop_map(|text| format!("{SECRET}{text}"))].boxed()
        }
        _ => near().boxed(),
    }
}

/// Values for some of the variables; no files, since any path may be named.
fn values() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let each: Vec<_> = VARIABLES
        .iter()
        .filter(|variable| !variable.name.ends_with("_FILE"))
        .map(|variable| {
            let value = prop_oneof![1 => near().boxed(), 2 => secret_bearing(variable.name)];
            prop::option::weighted(0.6, value).prop_map(|value| (variable.name, value))
        })
        .collect();
    each.prop_map(|all| all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

proptest! {
    #[test]
    fn any_values_are_a_configuration_or_faults_without_secrets(values in values()) {
        let given: Given = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let told = match Config::load(&given) {
            Ok(config) => {
                let rooms = (
                    config.cloudstack_settings(),
                    config.powerdns_settings(),
                    config.web_settings(),
                    config.trigger_settings(),
                    config.engine_settings(crate::reconcile::Aim::Plan),
                );
                format!("{config:?} {rooms:?} {:?}", config.warnings)
            }
            Err(faults) => {
                prop_assert!(!faults.0.is_empty());
                for fault in &faults.0 {
                    prop_assert!(!fault.remedy.is_empty() && fault.what.len() < 40_000, "{fault}");
                }
                format!("{faults} {faults:?}")
            }
        };
        prop_assert!(!told.contains("PlantedPassword"), "{told}");
        let _ = Logging::load(&given);
    }
}
