//! What one test needs: a database and a cloud of its own, on the servers of the run.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use tokio::sync::OnceCell;

use crate::broker::broker;
use crate::database::PdnsDb;
use crate::mariadb::{MariaDb, MariaDbOptions, MySql};
use crate::powerdns::{PowerDns, PowerDnsOptions};
use crate::sim::{Simulator, World};
use crate::watchdog::free_port;

/// The run's MariaDB: the one that TESTBED_MYSQL_PORT names, else one that this process starts, and that
/// ends with it.
///
/// # Panics
/// When it cannot be started; the message says what to install.
pub fn shared() -> MySql {
    static SERVER: OnceLock<(MySql, Option<MariaDb>)> = OnceLock::new();
    let start = || {
        if let Some(port) = std::env::var("TESTBED_MYSQL_PORT").ok().and_then(|port| port.parse().ok()) {
            return (MySql { port }, None);
        }
        let server = MariaDb::new(MariaDbOptions::default()).expect("MariaDB starts");
        (server.mysql(), Some(server))
    };
    SERVER.get_or_init(start).0
}

/// One test's surroundings.
pub struct Lab {
    /// Its database.
    pub db: PdnsDb,
    /// Its cloud.
    pub sim: Simulator,
    /// Its Kafka topic, once [`Lab::kafka`] has made it.
    pub topic: String,
    http_port: u16,
    kafka: bool,
    mark: String,
    dns: OnceCell<PowerDns>,
}

impl Lab {
    /// A database and a simulator for the test of that name, on the run's MariaDB.
    ///
    /// # Panics
    /// When a server does not start.
    pub async fn new(test: &str) -> Self {
        Self::on(shared(), test).await.expect("the servers work")
    }

    /// The same on a MariaDB of the test's own.
    pub async fn on(mysql: MySql, test: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let words: String = test.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let words: String = words.to_lowercase().chars().take(40).collect();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{count}_{words}", std::process::id());
        let db = mysql.create(&name).await?;
        let mark = db.now().await?;
        Ok(Self {
            db,
            sim: Simulator::start()?,
            topic: format!("topic-{name}"),
            http_port: free_port(),
            kafka: false,
            mark,
            dns: OnceCell::new(),
        })
    }

    /// The cloud, to change it.
    pub fn world(&self) -> &World {
        self.sim.world()
    }

    /// From now on the cloud's events go to a topic of this test (of three partitions), and [`Lab::env`]
    /// names it.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn kafka(&mut self) {
        if !self.kafka {
            broker().create_topic(&self.topic, 3).expect("the mock makes topics");
            self.sim.world().publish_to(broker().sink(&self.topic));
            self.kafka = true;
        }
    }

    /// The test's PowerDNS server, started at the first call.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn dns(&self) -> &PowerDns {
        let start = async || PowerDns::start(&self.db, &PowerDnsOptions::default()).await;
        self.dns.get_or_try_init(start).await.expect("PowerDNS starts")
    }

    /// The same with settings of the test's own, where it is the first to ask.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn dns_with(&self, options: &PowerDnsOptions) -> &PowerDns {
        let start = async || PowerDns::start(&self.db, options).await;
        self.dns.get_or_try_init(start).await.expect("PowerDNS starts")
    }

    /// The environment of a controller: everything that is required, and an HTTP port. What the DNS is to
    /// look like is left to the test.
    pub fn env(&self) -> HashMap<String, String> {
        let mut env: HashMap<String, String> = [
            ("CS_ENDPOINT", self.sim.endpoint()),
            ("CS_API_KEY", self.sim.api_key.clone()),
            ("CS_SECRET_KEY", self.sim.secret_key.clone()),
            ("MYSQL_PDNS_HOST", "127.0.0.1".into()),
            ("MYSQL_PDNS_PORT", self.db.mysql.port.to_string()),
            ("MYSQL_PDNS_NAME", self.db.name.clone()),
            ("MYSQL_PDNS_USER", self.db.user.clone()),
            ("MYSQL_PDNS_PASSWORD", self.db.password.clone()),
            ("HTTP_LISTEN", format!("127.0.0.1:{}", self.http_port)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if self.kafka {
            env.insert("KAFKA_BOOTSTRAP".into(), broker().bootstrap().into());
            env.insert("KAFKA_TOPIC".into(), self.topic.clone());
            env.insert("KAFKA_GROUP".into(), format!("group-{}", self.db.name));
        }
        env
    }

    /// [`Lab::env`] with further settings.
    pub fn env_with(&self, more: &[(&str, &str)]) -> HashMap<String, String> {
        let mut env = self.env();
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        env
    }

    /// The INSERT, UPDATE and DELETE statements of the controller's user since the last
    /// [`Lab::forget_writes`], without those that contain one of `except`.
    ///
    /// # Panics
    /// When the database cannot be asked.
    pub async fn writes(&self, except: &[&str]) -> Vec<String> {
        self.db.writes_since(&self.mark, except).await.expect("the general log can be read")
    }

    /// How many there were.
    pub async fn writes_by_user(&self, except: &[&str]) -> usize {
        self.writes(except).await.len()
    }

    /// Counts writes from now on.
    ///
    /// # Panics
    /// When the database cannot be asked.
    pub async fn forget_writes(&mut self) {
        self.mark = self.db.now().await.expect("the database answers");
    }
}
