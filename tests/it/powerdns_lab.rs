//! What the tests of the PowerDNS room share: a database of PowerDNS's own schema, read and written without
//! a controller.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use cs_powerdns::{
    metrics::Metrics,
    model::{
        AccountId, Batch, Content, Entry, EntryPut, Kind, NewRow, OwnedRow, OwnerName, RecordType, Seen, Ttl,
        VmId, Zones,
    },
    powerdns::{Acquire, Database, Lease, NameRows, Settings, TlsMode, WriteError, Writer},
};
use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use std::{net::Ipv4Addr, sync::Arc, time::Duration};

const SCHEMA: &str = "/usr/share/pdns-backend-mysql/schema/schema.mysql.sql";

pub fn port() -> u16 {
    testbed::shared().port
}

pub struct Lab {
    pub name: String,
    pub root: Conn,
    pub db: Database,
    pub metrics: Arc<Metrics>,
}

pub fn options(database: Option<&str>) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port())
        .user(Some("root"))
        .db_name(database)
        .prefer_socket(false)
}

pub fn settings(name: &str, owner: &str) -> Settings {
    Settings {
        host: "127.0.0.1".into(),
        port: port(),
        database: name.into(),
        user: "root".into(),
        password: String::new().into(),
        tls: TlsMode::Preferred,
        ca_file: None,
        owner: owner.into(),
        lease_ttl: Duration::from_secs(15),
    }
}

impl Lab {
    /// A database with zone 1 `example.org` (serial 7) and zone 2 `2.0.192.in-addr.arpa`, without our tables.
    pub async fn bare(test: &str) -> Self {
        let name = format!("room_{test}");
        let mut root = Conn::new(options(None)).await.unwrap();
        root.query_drop(format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        root.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
        root.query_drop(format!("USE {name}")).await.unwrap();
        for statement in std::fs::read_to_string(SCHEMA).unwrap().split(';') {
            if !statement.trim().is_empty() {
                root.query_drop(statement).await.unwrap();
            }
        }
        root.query_drop(
            "INSERT INTO domains (id, name, type) VALUES (1, 'example.org', 'NATIVE'),
             (2, '2.0.192.in-addr.arpa', 'MASTER')",
        )
        .await
        .unwrap();
        root.query_drop(
            "INSERT INTO records (domain_id, name, type, content, ttl) VALUES
             (1, 'example.org', 'SOA', 'ns.example.org host.example.org 7 1 2 3 4', 60),
             (2, '2.0.192.in-addr.arpa', 'SOA', 'ns.example.org host.example.org 7 1 2 3 4', 60)",
        )
        .await
        .unwrap();
        let metrics = Arc::new(Metrics::default());
        let db = Database::new(&settings(&name, "mine"), Arc::clone(&metrics)).unwrap();
        Self { name, root, db, metrics }
    }

    pub async fn with_tables(test: &str) -> Self {
        let lab = Self::bare(test).await;
        lab.db.ensure_tables().await.unwrap();
        lab
    }

    pub async fn sql(&mut self, sql: &str) {
        self.root.query_drop(sql).await.unwrap();
    }

    pub async fn one<T: mysql_async::prelude::FromValue + Send + 'static>(&mut self, sql: &str) -> T {
        self.root.query_first::<Option<T>, _>(sql).await.unwrap().flatten().unwrap()
    }

    pub async fn lease(&self) -> Lease {
        held(self.db.acquire("host:1").await.unwrap())
    }

    pub async fn names(&self, names: &[&str]) -> NameRows {
        let names: Vec<OwnerName> = names.iter().map(|text| name(text)).collect();
        self.db.reader().names(&names).await.unwrap()
    }

    pub async fn zones(&self) -> Zones {
        self.db.reader().zones().await.unwrap()
    }

    /// The batch that publishes A records at a name as it stands now.
    pub async fn publish(&self, at: &str, addresses: &[u8]) -> Batch {
        let mut batch = Batch::default();
        for last in addresses {
            let content = Content::V4(Ipv4Addr::new(192, 0, 2, *last));
            batch.inserts.push(NewRow {
                zone: 1,
                name: name(at),
                rtype: RecordType::A,
                content: content.clone(),
                ttl: Ttl(60),
                auth: true,
                ordername: None,
            });
            batch.puts.push(EntryPut { entry: entry(at, content) });
        }
        batch.seen = vec![self.seen(at).await];
        batch
    }

    pub async fn seen(&self, at: &str) -> Seen {
        seen(&self.names(&[at]).await, at)
    }

    pub async fn commit(&self, writer: &Writer, batch: &Batch) -> Result<Vec<u64>, WriteError> {
        writer.commit(batch, &self.zones().await).await.map(|done| done.ids)
    }
}

pub fn held(acquire: Acquire) -> Lease {
    match acquire {
        Acquire::Held(lease) => lease,
        busy @ Acquire::Busy { .. } => panic!("{busy:?}"),
    }
}

pub fn name(text: &str) -> OwnerName {
    OwnerName::parse(text).unwrap()
}

pub fn entry(at: &str, content: Content) -> Entry {
    Entry {
        zone: 1,
        name: name(at),
        rtype: RecordType::A,
        content,
        ttl: Ttl(60),
        record: 0,
        owner: "mine".into(),
        vm: VmId::from_u128(1),
        account: AccountId::from_u128(2),
        kind: Kind::Name,
        held: None,
        on_hold: false,
    }
}

pub fn seen(rows: &NameRows, at: &str) -> Seen {
    Seen { name: name(at), rows: rows.rows_at(at).to_vec(), entries: rows.entries_at(at).to_vec() }
}

pub fn owned(rows: &NameRows, at: &str) -> Vec<(OwnedRow, Entry)> {
    let prove = |entry: &Entry| {
        let row = rows.rows_at(at).iter().find_map(|row| OwnedRow::prove(entry, row))?;
        Some((row, entry.clone()))
    };
    rows.entries_at(at).iter().filter_map(prove).collect()
}
