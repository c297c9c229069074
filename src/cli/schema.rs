//! `schema`: the tables to create and the rights to grant.

use super::Exit;
use crate::{config::Config, metrics::Metrics, powerdns};
use anyhow::Result;
use std::{
    io::{Write, stdout},
    sync::Arc,
};

/// Prints plain SQL: for the configured database where one is configured and answers, otherwise for
/// PowerDNS's own schema.
pub async fn schema(config: Option<&Config>) -> Result<Exit> {
    let text = match config {
        Some(config) => {
            let settings = config.powerdns_settings();
            let database = powerdns::Database::new(&settings, Arc::new(Metrics::default()))?;
            match database.schema_text().await {
                Ok(text) => text,
                // Also a user who has no rights yet comes here: they are what is asked for.
                Err(error) => format!(
                    "-- The database could not be asked ({}); this is for PowerDNS's own schema.\n{}",
                    error.to_string().replace('\n', " "),
                    powerdns::schema_text_default(&settings.database, &settings.user)
                ),
            }
        }
        None => powerdns::schema_text_default("pdns", "cs_powerdns"),
    };
    write!(stdout().lock(), "{text}")?;
    Ok(Exit::Done)
}
