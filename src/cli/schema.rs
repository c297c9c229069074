//! `schema`: the tables to create and the rights to grant.

use super::Exit;
use crate::{
    config::{Config, Faults},
    metrics::{Metrics, chain},
    powerdns,
};
use anyhow::Result;
use std::{
    io::{Write, stdout},
    sync::Arc,
};

/// Prints plain SQL: for the configured database where one is configured and answers, otherwise for
/// PowerDNS's own schema, which it then says.
pub async fn schema(config: &Result<Config, Faults>) -> Result<Exit> {
    let text = match config {
        Ok(config) => {
            let settings = config.powerdns_settings();
            let database = powerdns::Database::new(&settings, Arc::new(Metrics::default()))?;
            match database.schema_text().await {
                Ok(text) => text,
                // Also a user who has no rights yet comes here: they are what is asked for.
                Err(error) => {
                    let why = format!("The database could not be asked: {}", chain(&error));
                    powerdns::schema_text_default(&settings.database, &settings.user, &why)
                }
            }
        }
        Err(faults) => {
            let why = format!("The configuration is not complete, so no database could be asked.\n{faults}");
            powerdns::schema_text_default("pdns", "cs_powerdns", &why)
        }
    };
    write!(stdout().lock(), "{text}")?;
    Ok(Exit::Done)
}
