//! The same work without any thought: what the servers alone take for it.

use anyhow::{Context, Result, bail, ensure};
use mysql_async::{Conn, Params, Value, prelude::Queryable};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    metadata::MetadataTopic,
};
use serde::de::IgnoredAny;
use std::{
    collections::HashMap,
    process::Stdio,
    time::{Duration, Instant},
};
use testbed::{Lab, PdnsDb, broker};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

const ROWS: usize = 1000;

/// A row of `records` with its line of the ledger: VM, account, kind.
pub struct Line {
    columns: [Value; 7],
    entry: Option<[Value; 3]>,
}

/// What a first fill has written, in its order.
pub async fn lines(db: &PdnsDb) -> Result<Vec<Line>> {
    let sql = "SELECT r.domain_id, r.name, r.type, r.content, r.ttl, r.ordername, r.auth, l.vm, l.account, l.kind \
               FROM records r LEFT JOIN cs_powerdns_ledger l ON l.owner_id = 'default' AND l.record_id = r.id \
               WHERE r.type IS NULL OR r.type NOT IN ('SOA', 'NS') ORDER BY r.id";
    let rows: Vec<mysql_async::Row> = db.query(sql).await?;
    let line = |row: mysql_async::Row| {
        let mut cells = row.unwrap().into_iter();
        let columns = std::array::from_fn(|_| cells.next().unwrap_or(Value::NULL));
        let entry: [Value; 3] = std::array::from_fn(|_| cells.next().unwrap_or(Value::NULL));
        Line { columns, entry: (entry[0] != Value::NULL).then_some(entry) }
    };
    Ok(rows.into_iter().map(line).collect())
}

/// Writes the lines: 1000 rows a transaction, their ids read back by name, the ledger's rows with them.
pub async fn fill(db: &PdnsDb, lines: &[Line]) -> Result<Duration> {
    let mut connection = db.admin.get_conn().await?;
    let start = Instant::now();
    for lines in lines.chunks(ROWS) {
        write(&mut connection, lines).await?;
    }
    Ok(start.elapsed())
}

async fn write(connection: &mut Conn, lines: &[Line]) -> Result<()> {
    connection.query_drop("START TRANSACTION").await?;
    let sql = format!(
        "INSERT INTO records (domain_id, name, type, content, ttl, ordername, auth, prio, disabled) VALUES {}",
        vec!["(?,?,?,?,?,?,?,0,0)"; lines.len()].join(",")
    );
    let values = lines.iter().flat_map(|line| line.columns.iter().cloned()).collect();
    connection.exec_drop(sql, Params::Positional(values)).await?;

    let mut names: Vec<Vec<u8>> = lines.iter().map(|line| plain(&line.columns[1])).collect();
    names.sort_unstable();
    names.dedup();
    let mut ids: HashMap<Vec<u8>, Value> = HashMap::with_capacity(lines.len());
    for names in names.chunks(500) {
        let list = vec!["?"; names.len()].join(",");
        let sql = format!("SELECT id, domain_id, name, type, content FROM records WHERE name IN ({list})");
        let values = names.iter().cloned().map(Value::Bytes).collect();
        for row in connection.exec::<mysql_async::Row, _, _>(sql, Params::Positional(values)).await? {
            let cells = row.unwrap();
            ids.insert(key(&cells[1..]), cells[0].clone());
        }
    }

    let entries: Vec<&Line> = lines.iter().filter(|line| line.entry.is_some()).collect();
    let mut values = Vec::with_capacity(entries.len() * 9);
    for line in &entries {
        values.push(ids.get(&key(&line.columns[..4])).context("the row's id")?.clone());
        values.extend(line.columns[..5].iter().cloned());
        values.extend(line.entry.iter().flatten().cloned());
    }
    if !entries.is_empty() {
        let sql = format!(
            "INSERT INTO cs_powerdns_ledger (record_id, zone_id, name, type, content, ttl, vm, account, kind, \
             owner_id, created_at, updated_at) VALUES {}",
            vec!["(?,?,?,?,?,?,?,?,?,'default',UTC_TIMESTAMP(),UTC_TIMESTAMP())"; entries.len()].join(",")
        );
        connection.exec_drop(sql, Params::Positional(values)).await?;
    }
    connection.query_drop("COMMIT").await?;
    Ok(())
}

/// Zone, name, type and content as one text, whichever way the server has sent them.
fn key(cells: &[Value]) -> Vec<u8> {
    cells.iter().map(plain).collect::<Vec<_>>().join(&0)
}

fn plain(cell: &Value) -> Vec<u8> {
    match cell {
        Value::Bytes(bytes) => bytes.clone(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::UInt(number) => number.to_string().into_bytes(),
        _ => Vec::new(),
    }
}

/// Reads every answer that a pass has just been given once more, one after the other, and then the ledger with
/// its rows as `mariadb --quick` streams it.
pub async fn read(lab: &Lab, program: &str) -> Result<Duration> {
    let log = lab.sim.log();
    let start = Instant::now();
    let client = reqwest::Client::new();
    for (_, parameters) in &log {
        let answer = client.get(lab.sim.endpoint()).query(parameters).send().await?;
        ensure!(answer.status().is_success(), "the simulator refuses what it has answered before");
        answer.bytes().await?;
    }
    let sql = "SELECT l.name, l.type, l.content, l.zone_id, l.ttl, l.record_id, l.owner_id, l.vm, l.account, l.kind, \
               l.held_hash, l.on_hold, r.id, r.domain_id, r.name, r.type, r.content, r.ttl, r.disabled, r.auth, \
               r.ordername FROM cs_powerdns_ledger l IGNORE INDEX (owner_record) \
               LEFT JOIN records r ON r.id = l.record_id WHERE l.owner_id = 'default'";
    let port = lab.db.mysql.port.to_string();
    let done = Command::new(program)
        .args([
            "--no-defaults",
            "--quick",
            "-N",
            "-h127.0.0.1",
            "-P",
            &port,
            "-uroot",
            &lab.db.name,
            "-e",
            sql,
        ])
        .stdout(Stdio::null())
        .status()
        .await?;
    ensure!(done.success(), "{program} has failed");
    Ok(start.elapsed())
}

/// The words that make this program a bare consumer, before broker, topic and number of messages.
pub const CONSUME: &str = "consume";
const DONE: &str = "done";

/// A process that reads messages and looks at nothing but that they are JSON.
pub struct Consumer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Consumer {
    /// Starts it at the topic's end; it counts so many messages at a time.
    pub async fn start(topic: &str, messages: usize) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([CONSUME, broker().bootstrap(), topic, &messages.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        let mut consumer = Self { child, lines };
        consumer.done().await?;
        Ok(consumer)
    }

    /// A signal by its name.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().context("it runs")?.to_string();
        let done = Command::new("kill").args(["-s", name, &pid]).status().await?;
        ensure!(done.success(), "kill -s {name} {pid} has failed");
        Ok(())
    }

    /// Waits until it has read what it counts.
    pub async fn done(&mut self) -> Result<()> {
        let line = self.lines.next_line().await?;
        ensure!(line.as_deref() == Some(DONE), "a consumer says {line:?}");
        Ok(())
    }
}

/// What such a process does, until it is killed.
pub fn consume(arguments: &[String]) -> Result<()> {
    let [bootstrap, topic, messages] = arguments else { bail!("broker, topic and number of messages") };
    let messages: usize = messages.parse()?;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "5")
        .create()?;
    let wait = Duration::from_secs(10);
    let metadata = consumer.fetch_metadata(Some(topic), wait)?;
    let mut from = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), wait)?;
        from.add_partition_offset(topic, partition.id(), Offset::Offset(end))?;
    }
    consumer.assign(&from)?;
    loop {
        println!("{DONE}");
        for _ in 0..messages {
            let message = loop {
                if let Some(message) = consumer.poll(wait) {
                    break message?;
                }
            };
            serde_json::from_slice::<IgnoredAny>(message.payload().unwrap_or_default())?;
        }
    }
}
