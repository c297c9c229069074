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
            let database =
                powerdns::Database::new(&config.powerdns_settings(), Arc::new(Metrics::default()))?;
            match database.schema_text().await {
                Ok(text) => text,
                Err(error) => format!(
                    "-- The database could not be asked ({error}); this is for PowerDNS's own schema.\n{}",
                    powerdns::schema_text_default()
                ),
            }
        }
        None => powerdns::schema_text_default(),
    };
    write!(stdout().lock(), "{text}")?;
    Ok(Exit::Done)
}
