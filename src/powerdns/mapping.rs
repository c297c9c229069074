//! The older service's table `cs_mapping`, which lies in the same database.
//!
//! It was made by hand-written DDL of several versions: `ipaddress` came late, the unique key lets lines
//! without an address be there any number of times, and anybody may have edited it. So it is read as
//! text, whatever its columns are, and every field is doubted.

use super::{Database, DbError, decode::Cells};
use crate::model::{Mapped, Mapping, OwnerName};
use mysql_async::Row;
use std::net::IpAddr;
use tokio::sync::mpsc;

/// How many lines are taken at a time.
const CHUNK: usize = 1000;

/// Reads it; none where there is no such table.
pub(super) async fn read(database: &Database) -> Result<Option<Mapping>, DbError> {
    let statement = |address: &str| {
        format!("SELECT CONVERT(uuid USING latin1), CONVERT(record USING latin1), {address} FROM cs_mapping")
    };
    let with = statement("CONVERT(ipaddress USING latin1)");
    match stream(database, &with).await {
        // The first version had no addresses.
        Err(error) if error.code() == Some(UNKNOWN_COLUMN) => {
            stream(database, &statement("NULL")).await.map(Some)
        }
        Err(error) if error.code() == Some(NO_TABLE) => Ok(None),
        // Denied: the server does not say whether there is one.
        Err(error) if error.code() == Some(DENIED) && !exists(database).await? => Ok(None),
        read => read.map(Some),
    }
}

const UNKNOWN_COLUMN: u16 = 1054;
const NO_TABLE: u16 = 1146;
const DENIED: u16 = 1142;

/// Whether the table is there as far as this user may know.
pub(super) async fn exists(database: &Database) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'cs_mapping'";
    Ok(!database.session().await?.rows("looking for cs_mapping", sql, &[]).await?.is_empty())
}

async fn stream(database: &Database, sql: &str) -> Result<Mapping, DbError> {
    let (out, mut chunks) = mpsc::channel::<Vec<Option<Mapped>>>(4);
    let mut session = database.session().await?;
    let reading = async move {
        let read = |row: &Row| Some(line(&mut Cells::of(row)));
        session.stream("reading cs_mapping", sql, vec![], (CHUNK, &out), read).await
    };
    let mut mapping = Mapping::default();
    let collecting = async {
        while let Some(chunk) = chunks.recv().await {
            for line in chunk {
                match line {
                    Some(line) => _ = mapping.lines.insert(line),
                    None => mapping.unreadable += 1,
                }
            }
        }
    };
    let (read, ()) = tokio::join!(reading, collecting);
    read.map(|()| mapping)
}

fn line(cells: &mut Cells<'_>) -> Option<Mapped> {
    let (vm, name, address) = (cells.text(), cells.text(), cells.text());
    let address = match address.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(text.parse::<IpAddr>().ok()?),
    };
    Some(Mapped { vm: vm?.trim().parse().ok()?, name: OwnerName::parse(name?.trim()).ok()?, address })
}
