//! What goes wrong: one thing after the other, at random.

use crate::{Dice, book::Book};
use anyhow::Result;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use testbed::{
    Controller, Lab, MariaDb, Strike, TcpGate, Way, Wire,
    WireFault::{self, Answered, Cut, Half, Lost, Refused},
    broker,
    wire::status,
};
use tokio::{sync::Mutex, task::block_in_place, time::sleep};

/// A server behind a wire, on which requests fail, behind a gate, at which connections do.
pub struct Road {
    name: &'static str,
    gate: TcpGate,
    wire: Wire,
    faults: Vec<WireFault>,
    /// How many requests in a thousand fail.
    chance: usize,
}

pub struct Trouble {
    lab: Arc<Lab>,
    book: Arc<Mutex<Book>>,
    server: MariaDb,
    /// To the database, the API, PowerDNS's web server.
    roads: [Road; 3],
    dice: Dice,
    program: &'static str,
    env: HashMap<String, String>,
    second: Controller,
    /// What there was, and how often.
    pub met: BTreeMap<String, usize>,
}

fn internal_error(_: &str) -> Vec<u8> {
    status(500, "text/html", "<html><body>the server is away</body></html>")
}

impl Trouble {
    /// Lays the roads, and lets `env` lead over them.
    pub async fn roads(lab: &Lab, server: &MariaDb, env: &mut HashMap<String, String>) -> Result<[Road; 3]> {
        let dns = lab.dns().await;
        let sql = Wire::mysql(server.port(), "\0").await?;
        let (api, web) = (Wire::http(lab.sim.port()).await?, Wire::http(dns.api_port).await?);
        let road = |name, wire: Wire, chance, faults| -> Result<Road> {
            Ok(Road { name, gate: TcpGate::before(wire.port)?, wire, faults, chance })
        };
        let refused = [1213, 1205, 1290, 1053].map(Refused);
        let roads = [
            road("database", sql, 25, [&[Cut, Lost, Half][..], &refused].concat())?,
            road("API", api, 250, vec![Cut, Lost, Half, Answered(internal_error)])?,
            road("web server", web, 500, vec![Cut, Lost, Half, Answered(internal_error)])?,
        ];
        let port = |road: &Road| road.gate.port();
        env.extend([
            ("MYSQL_PDNS_PORT".into(), port(&roads[0]).to_string()),
            ("CS_ENDPOINT".into(), format!("http://127.0.0.1:{}/client/api", port(&roads[1]))),
            ("PDNS_API_URL".into(), format!("http://127.0.0.1:{}", port(&roads[2]))),
            ("PDNS_API_KEY".into(), dns.api_key.clone()),
        ]);
        Ok(roads)
    }

    /// `env` is of the second process, which it starts, and kills now and then.
    pub fn begin(
        lab: Arc<Lab>,
        book: Arc<Mutex<Book>>,
        server: MariaDb,
        roads: [Road; 3],
        program: &'static str,
        env: HashMap<String, String>,
        seed: u64,
    ) -> Result<Self> {
        let second = Controller::start(program, &["run"], &env)?;
        let dice = Dice(seed ^ 2);
        Ok(Self { lab, book, server, roads, dice, program, env, second, met: BTreeMap::new() })
    }

    fn note(&mut self, what: String) {
        *self.met.entry(what).or_default() += 1;
    }

    fn seconds(&mut self, from: usize, to: usize) -> Duration {
        Duration::from_millis((from * 1000 + self.dice.below((to - from) * 1000)) as u64)
    }

    /// Waits a while, and lets something happen.
    pub async fn next(&mut self) -> Result<()> {
        let rest = self.seconds(1, 8);
        sleep(rest).await;
        match self.dice.below(10) {
            0..3 => self.strike().await,
            3..6 => self.close().await,
            6 => self.restart().await?,
            7 => {
                self.lab.sim.down();
                let time = self.seconds(1, 10);
                sleep(time).await;
                self.lab.sim.up()?;
                self.note("API down".into());
            }
            8 => {
                broker().with(|cluster| cluster.broker_down(1))??;
                let time = self.seconds(1, 20);
                sleep(time).await;
                broker().with(|cluster| cluster.broker_up(1))??;
                self.note("broker down".into());
            }
            _ => self.kill().await?,
        }
        Ok(())
    }

    /// Requests to a server fail for a while, each with the same chance.
    async fn strike(&mut self) {
        let (at, seed) = (self.dice.below(3), self.dice.below(usize::MAX) as u64);
        let road = &self.roads[at];
        road.wire.arm(Some(Strike::Chance(road.chance, road.faults.clone(), seed)));
        let time = self.seconds(5, 15);
        sleep(time).await;
        let road = &self.roads[at];
        let (name, struck) = (road.name, road.wire.struck().len());
        *self.met.entry(format!("requests to the {name} failed")).or_default() += struck;
        // They remember what they carry.
        for road in &self.roads {
            road.wire.arm(None);
        }
    }

    /// A server is away, or does not answer, or is slow.
    async fn close(&mut self) {
        let at = self.dice.below(3);
        let ways = [Way::Closed, Way::Stuck, Way::Silent, Way::Slow(Duration::from_millis(50))];
        let way = ways[self.dice.below(ways.len())];
        self.roads[at].gate.set(way);
        let time = self.seconds(1, 12);
        sleep(time).await;
        self.roads[at].gate.set(Way::Open);
        self.note(format!("{} {way:?}", self.roads[at].name));
    }

    /// The database dies and starts again.
    async fn restart(&mut self) -> Result<()> {
        let mut book = self.book.lock().await;
        block_in_place(|| {
            self.server.kill();
            self.server.launch()
        })?;
        book.reconnect();
        drop(book);
        self.note("database killed".into());
        Ok(())
    }

    async fn kill(&mut self) -> Result<()> {
        let held = self.second.get("/readyz").await.is_ok_and(|(_, body)| body.contains("role: holder"));
        self.second.kill()?;
        let time = self.seconds(0, 10);
        sleep(time).await;
        self.second = Controller::start(self.program, &["run"], &self.env)?;
        self.note(format!("killed {}", if held { "while it held the lease" } else { "as a standby" }));
        Ok(())
    }

    /// Nothing is wrong any more; the second process, which goes on.
    pub fn end(self) -> (MariaDb, [Road; 3], Controller) {
        (self.server, self.roads, self.second)
    }
}
