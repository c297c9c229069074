//! Each right that the program needs, tried: the server is given a statement to prepare, for which it
//! judges tables, columns and rights, and none is run.

use super::{
    DbError, Settings,
    check::{TOPIC, schema_version},
    decode::Cells,
    schema::{self, Needs, OTHERS, TABLES},
    session::Session,
};
use crate::model::Finding;

const WHAT: &str = "trying what this user may do";

pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    /// Nothing that is needed for reading is missing.
    pub(super) readable: bool,
}

/// What is wrong with one right.
enum Fault {
    Denied,
    NoTable,
    NoColumn,
}

/// A right as it is tried: one column at a time, so that each that is missing is told.
struct Right {
    table: &'static str,
    verb: &'static str,
    column: Option<&'static str>,
}

impl Right {
    fn all(tables: &'static [Needs]) -> Vec<Self> {
        let mut rights = Vec::new();
        for needs in tables {
            let table = needs.table;
            for &(verb, columns) in needs.rights {
                let right = |column| Self { table, verb, column };
                match columns {
                    [] => rights.push(right(None)),
                    columns => rights.extend(columns.iter().map(|column| right(Some(*column)))),
                }
            }
        }
        rights
    }

    /// A statement that needs just this right. It would change nothing if it were run.
    fn statement(&self) -> String {
        let Self { table, verb, column } = self;
        match *verb {
            "INSERT" => format!("INSERT INTO {table} () VALUES ()"),
            // No column is read: that would need another right.
            "UPDATE" => format!("UPDATE {table} SET {} = '' WHERE 1 = 0", column.unwrap_or(key(table))),
            "DELETE" => format!("DELETE FROM {table} WHERE 1 = 0"),
            _ => format!("SELECT {} FROM {table} WHERE 1 = 0", column.unwrap_or("*")),
        }
    }

    fn grant(&self, settings: &Settings) -> String {
        let Self { table, verb, column } = self;
        let column = column.map_or(String::new(), |column| format!(" ({column})"));
        let (database, user) = (settings.database.replace('`', "``"), settings.user.replace('\'', "''"));
        format!("GRANT {verb}{column} ON `{database}`.{table} TO '{user}'@'%'")
    }

    fn words(&self) -> String {
        let column = self.column.map_or(String::new(), |column| format!(".{column}"));
        format!("{} {}{column}", self.verb, self.table)
    }

    async fn fault(&self, session: &mut Session) -> Result<Option<Fault>, DbError> {
        match session.prepare(WHAT, &self.statement()).await {
            Ok(()) => Ok(None),
            Err(DbError::Denied { .. }) => Ok(Some(Fault::Denied)),
            Err(error) if error.code() == Some(1146) => Ok(Some(Fault::NoTable)),
            Err(error) if error.code() == Some(1054) => Ok(Some(Fault::NoColumn)),
            Err(error) => Err(error),
        }
    }
}

/// A column of ours to try an UPDATE on.
fn key(table: &str) -> &'static str {
    match table {
        "cs_powerdns_ledger" | "cs_powerdns_zone" => "name",
        _ => "owner_id",
    }
}

/// Tries every right, on PowerDNS's tables and on ours.
pub(super) async fn check(session: &mut Session, settings: &Settings) -> Result<Checked, DbError> {
    let mut readable = true;
    let mut findings = Vec::new();
    let visible = schema::visible(session).await?;
    let ours = if visible == 0 { vec![] } else { Right::all(&TABLES) };
    let rights: Vec<Right> = Right::all(&OTHERS).into_iter().chain(ours).collect();
    let mut missing: Option<&str> = None;
    for right in &rights {
        let Some(fault) = right.fault(session).await? else { continue };
        readable &= right.verb != "SELECT";
        let Right { table, .. } = right;
        let database = &settings.database;
        findings.push(match fault {
            Fault::Denied => Finding::error(
                TOPIC,
                format!("this user may not {}", right.words()),
                format!("{}: `cs-powerdns schema` prints all that is needed", right.grant(settings)),
            ),
            // Once for the table, not once for each of its rights.
            Fault::NoTable if missing == Some(table) => continue,
            Fault::NoTable => {
                missing = Some(table);
                let remedy = if OTHERS.iter().any(|needs| needs.table == *table) {
                    "is MYSQL_PDNS_NAME PowerDNS's database?"
                } else {
                    "run what `cs-powerdns schema` prints as an administrator"
                };
                Finding::error(TOPIC, format!("the database {database} has no table {table}"), remedy)
            }
            Fault::NoColumn => Finding::error(
                TOPIC,
                format!("the table {table} lacks a column for {}", right.words()),
                "bring PowerDNS's schema up to date: its upgrade notes say how",
            ),
        });
    }
    if findings.is_empty() {
        let count = rights.len();
        findings
            .push(Finding::ok(TOPIC, format!("this user has each of the {count} rights that were tried")));
    }
    if visible == 0 {
        findings.push(creation(session).await?);
    } else if readable {
        let sql = "SELECT MAX(schema_version) FROM cs_powerdns_owner";
        let rows = session.rows("reading the schema version", sql, &[]).await?;
        findings.push(schema_version(rows.first().and_then(|row| Cells::of(row).number())));
    }
    Ok(Checked { findings, readable })
}

/// Whether `run` could make our tables, none of which is to be seen.
async fn creation(session: &mut Session) -> Result<Finding, DbError> {
    match session.prepare(WHAT, "CREATE TABLE cs_powerdns_ledger (name INT)").await {
        Ok(()) => Ok(Finding::ok(
            TOPIC,
            "the tables cs_powerdns_* are not there yet: the first `run` or `sync` makes them",
        )),
        Err(DbError::Denied { .. }) => Ok(Finding::error(
            TOPIC,
            "there are no tables cs_powerdns_* that this user may use, and he may not create them",
            "run what `cs-powerdns schema` prints as an administrator",
        )),
        Err(error) => Err(error),
    }
}
