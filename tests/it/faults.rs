//! Faults at every point: the n-th request to the database, to CloudStack or to PowerDNS's web server is
//! cut off, refused, never answered, or loses its answer, or the process dies there, for each n. Afterwards
//! everything is as it is after a pass without a fault, and on the way nothing was half done.
//!
//! A run visits some of the points, another CS_POWERDNS_TEST_SEED others; the COMMITs always.
//! CS_POWERDNS_TEST_POINTS=all visits all of them, with every fault.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use super::{
    faults_town::{Picture, SETTINGS, Town},
    rules_support::dump,
    support::{PROGRAM, quick, sync},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    process::Command,
    sync::{Arc, Mutex},
};
use testbed::{Output, Strike, Verb, Wire, WireFault, wire::status};

/// What renews the lease, at times of its own.
const RENEWAL: &str = "UPDATE cs_powerdns_owner SET expires_at = UTC_TIMESTAMP(6) + INTERVAL";

/// Towns that are swept side by side: a pass waits for most of its time. The second number is for all points.
const TOWNS: [usize; 2] = [3, 8];
/// Every so many requests to the database, and to PowerDNS's web server, one is struck.
const STRIDE: usize = 7;
const SEED: u64 = 20_261_123;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Sql,
    Api,
    Web,
}

/// What happens at the point.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// Something that passes: the pass gets over it.
    Passing(WireFault),
    /// The API refuses the key, once: a pass may end with that.
    Refused(WireFault),
    /// The process dies.
    Dies(WireFault),
    /// The connection stays, and no answer comes: the program's own time-out ends it.
    Silent,
    /// The process stands still until another one has taken the lease and done its pass.
    Overtaken,
}

impl Harm {
    fn fault(self) -> WireFault {
        match self {
            Self::Passing(fault) | Self::Refused(fault) | Self::Dies(fault) => fault,
            Self::Silent | Self::Overtaken => WireFault::Held,
        }
    }
}

/// To the database. The first ones meet each COMMIT.
const SQL: [Harm; 9] = [
    Harm::Passing(WireFault::Cut),
    Harm::Passing(WireFault::Lost),
    Harm::Dies(WireFault::Held),
    Harm::Dies(WireFault::AnswerHeld),
    // In a cluster: another node has committed something else.
    Harm::Passing(WireFault::Refused(1213)),
    Harm::Passing(WireFault::Refused(1205)),
    Harm::Passing(WireFault::Half),
    Harm::Passing(WireFault::Refused(1290)),
    Harm::Passing(WireFault::Refused(1053)),
];

const READ_FAILS: Harm = Harm::Passing(WireFault::Refused(1205));

/// To CloudStack.
const API: [Harm; 9] = [
    Harm::Passing(WireFault::Cut),
    Harm::Silent,
    Harm::Passing(WireFault::Half),
    Harm::Dies(WireFault::Held),
    Harm::Passing(WireFault::Answered(internal_error)),
    Harm::Refused(WireFault::Answered(unauthorized)),
    Harm::Passing(WireFault::Lost),
    Harm::Passing(WireFault::Answered(away)),
    Harm::Dies(WireFault::AnswerHeld),
];

/// To PowerDNS's web server.
const WEB: [Harm; 7] = [
    Harm::Passing(WireFault::Cut),
    Harm::Silent,
    Harm::Dies(WireFault::AnswerHeld),
    Harm::Passing(WireFault::Lost),
    Harm::Passing(WireFault::Answered(away)),
    Harm::Passing(WireFault::Answered(forbidden)),
    Harm::Passing(WireFault::Half),
];

pub fn internal_error(request: &str) -> Vec<u8> {
    refusal(request, 530, "Internal error executing command")
}

pub fn unauthorized(request: &str) -> Vec<u8> {
    refusal(request, 401, "unable to verify user credentials and/or request signature")
}

fn refusal(request: &str, code: u16, text: &str) -> Vec<u8> {
    let command = request.split("command=").nth(1).unwrap_or_default();
    let command: String = command.chars().take_while(char::is_ascii_alphabetic).collect();
    let inner = format!(r#"{{"uuidList":[],"errorcode":{code},"cserrorcode":9999,"errortext":"{text}"}}"#);
    let body = format!(r#"{{"{}response":{inner}}}"#, command.to_lowercase());
    status(code, "application/json;charset=UTF-8", &body)
}

pub fn away(_: &str) -> Vec<u8> {
    status(500, "text/html", "<html><body>the server is away</body></html>")
}

fn forbidden(_: &str) -> Vec<u8> {
    status(401, "text/plain", "Unauthorized")
}

struct Site {
    town: Town,
    sql: Wire,
    api: Wire,
    web: Wire,
    env: HashMap<String, String>,
    /// How it is after a pass without a fault.
    end: Picture,
}

impl Site {
    async fn found(test: &str) -> Self {
        let town = Town::found(test).await;
        let dns = town.lab.dns().await;
        let sql = Wire::mysql(town.lab.db.mysql.port, RENEWAL).await.unwrap();
        let api = Wire::http(town.lab.sim.port()).await.unwrap();
        let web = Wire::http(dns.api_port).await.unwrap();
        let url = |wire: &Wire| format!("http://127.0.0.1:{}", wire.port);
        let (port, endpoint, server) = (sql.port.to_string(), format!("{}/client/api", url(&api)), url(&web));
        let mut more = SETTINGS.to_vec();
        more.extend([
            ("MYSQL_PDNS_PORT", port.as_str()),
            ("MYSQL_PDNS_TLS", "disabled"),
            ("CS_ENDPOINT", &endpoint),
            ("PDNS_API_URL", &server),
            ("PDNS_API_KEY", &dns.api_key),
            // No renewal within a pass, where nothing keeps it long.
            ("LEASE_TTL", "10s"),
            // What an API that never answers costs.
            ("CS_TIMEOUT", "2s"),
            ("RUST_LOG", "info"),
        ]);
        let env = quick(&town.lab, &more);
        let end = Picture::default();
        let mut site = Self { town, sql, api, web, env, end };
        site.arm(Server::Sql, None);
        let output = site.start().end().await.unwrap();
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
        assert_eq!(site.town.wrongs().await, Vec::<String>::new());
        assert_eq!(site.town.unrectified().await, Vec::<String>::new(), "after a pass without a fault");
        site.end = site.town.picture().await;
        site
    }

    fn wire(&self, server: Server) -> &Wire {
        match server {
            Server::Sql => &self.sql,
            Server::Api => &self.api,
            Server::Web => &self.web,
        }
    }

    fn arm(&self, server: Server, strike: Option<Strike>) {
        for each in [&self.sql, &self.api, &self.web] {
            each.arm(None);
        }
        self.wire(server).arm(strike);
    }

    fn start(&self) -> Verb {
        Verb::start(PROGRAM, &["sync"], &self.env).unwrap()
    }

    /// Does a pass with this fault, and whatever it takes afterwards: what was struck, and what is wrong. None
    /// where the pass had no such point.
    async fn visit(&self, point: &Point) -> Option<(String, Vec<String>)> {
        self.town.restore().await;
        self.arm(point.server, Some(point.strike.clone()));
        let wire = self.wire(point.server);
        let verb = self.start();
        let pid = verb.pid().expect("it has just been started").to_string();
        let mut ended = std::pin::pin!(verb.end());
        let output = tokio::select! {
            output = &mut ended => output.unwrap(),
            () = wire.holds() => {
                if let Harm::Overtaken = point.harm {
                    signal("STOP", &pid);
                    let before = self.overtake().await;
                    signal("CONT", &pid);
                    wire.release();
                    let output = ended.await.unwrap();
                    return Some((wire.struck().concat(), self.overtaken(&output, &before).await));
                }
                if let Harm::Dies(_) = point.harm {
                    signal("KILL", &pid);
                }
                ended.await.unwrap()
            }
        };
        let struck = wire.struck().pop()?;
        let mut wrongs = self.town.wrongs().await;
        if point.thorough {
            wrongs.extend(self.town.unrectified().await);
        }
        wrongs.extend(self.outcome(point.harm, &output).await);
        let recovered = self.town.picture().await;
        wrongs.extend(recovered.differs(&self.end));
        wrongs.extend(self.town.wrongs().await);
        if !wrongs.is_empty() {
            wrongs.push(format!("the pass: {} {}{}", output.code, output.stdout, output.stderr));
        }
        Some((struck, wrongs))
    }

    /// Judges how the pass ended; where it failed, another one has come to a good end when this returns.
    async fn outcome(&self, harm: Harm, output: &Output) -> Vec<String> {
        self.arm(Server::Sql, None);
        let wrong = match (harm, output.code) {
            // It says that it is done: so it must be.
            (Harm::Passing(_) | Harm::Refused(_) | Harm::Silent, 0) => return vec![],
            (Harm::Refused(_), 1) => None,
            (Harm::Dies(_), _) => {
                self.town.expire().await;
                None
            }
            (_, code) => Some(format!("a passing fault should be got over, it ended with {code}")),
        };
        let again = self.start().end().await.unwrap();
        let again =
            (again.code != 0).then(|| format!("the next pass fails: {}{}", again.stdout, again.stderr));
        wrong.into_iter().chain(again).collect()
    }

    /// Another process takes the lease and does its pass, for a cloud in which a VM has gone meanwhile that
    /// the first process is about to publish. The rows then.
    async fn overtake(&self) -> Vec<testbed::Row> {
        self.town.lab.world().silent().set_state(&self.town.fresh, "Destroyed");
        self.town.expire().await;
        sync(&self.town.lab, &SETTINGS).await;
        dump(&self.town.lab).await
    }

    async fn overtaken(&self, output: &Output, before: &[testbed::Row]) -> Vec<String> {
        self.town.lab.world().silent().set_state(&self.town.fresh, "Running");
        let mut wrongs = self.town.wrongs().await;
        // It may find that nothing is left to do before it finds that it may not do it.
        if ![0, 1].contains(&output.code) {
            wrongs.push(format!("it ended with {}", output.code));
        }
        let after = dump(&self.town.lab).await;
        let written = after.iter().filter(|row| !before.contains(row));
        wrongs.extend(written.map(|row| format!("written without a lease: {row:?}")));
        let gone = before.iter().filter(|row| !after.contains(row));
        wrongs.extend(gone.map(|row| format!("taken away without a lease: {row:?}")));
        wrongs
    }
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), pid]).status().unwrap().success());
}

/// One fault at one point.
#[derive(Clone, Debug)]
struct Point {
    server: Server,
    strike: Strike,
    harm: Harm,
    /// Whether `rectify-zone` is asked about what the fault leaves behind.
    thorough: bool,
}

fn all_points() -> bool {
    std::env::var("CS_POWERDNS_TEST_POINTS").is_ok_and(|points| points == "all")
}

/// The points, given what a pass without a fault asks its servers.
fn points(site: &Site) -> Vec<Point> {
    let all = all_points();
    let seed = std::env::var("CS_POWERDNS_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let seed = usize::try_from(seed % 5040).unwrap();
    let mut points = Vec::new();
    let log = site.sql.log();
    let count = |sql: &str| log.iter().filter(|request| request.contains(sql)).count();
    // Whether a transaction stands hangs on these.
    for number in 1..=count("COMMIT") {
        for harm in SQL.into_iter().take(if all { SQL.len() } else { 5 }) {
            let strike = Strike::NthOf("COMMIT", number, harm.fault());
            points.push(Point { server: Server::Sql, strike, harm, thorough: true });
        }
    }
    // What is taken from the queue and cannot be planned, or weighed, must not get lost.
    for read in
        ["FROM cs_powerdns_ledger l FORCE INDEX (PRIMARY) WHERE l.name IN", "FROM cs_powerdns_budget WHERE"]
    {
        for number in 1..=count(read) {
            let (harm, strike) = (READ_FAILS, Strike::NthOf(read, number, READ_FAILS.fault()));
            points.push(Point { server: Server::Sql, strike, harm, thorough: false });
        }
    }
    // The first one takes the lease.
    for number in 2..=count("START TRANSACTION") {
        let strike = Strike::NthOf("START TRANSACTION", number, WireFault::Held);
        points.push(Point { server: Server::Sql, strike, harm: Harm::Overtaken, thorough: false });
    }
    for (server, harms, stride) in
        [(Server::Sql, &SQL[..], STRIDE), (Server::Api, &API, 1), (Server::Web, &WEB, STRIDE)]
    {
        for number in 1..=site.wire(server).log().len() {
            for (nth, harm) in harms.iter().enumerate() {
                let chosen =
                    number % stride == seed % stride && (number / stride + seed) % harms.len() == nth;
                if all || chosen {
                    let strike = Strike::Nth(number, harm.fault());
                    points.push(Point { server, strike, harm: *harm, thorough: false });
                }
            }
        }
    }
    points
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_at_whatever_point_the_end_is_the_same_and_nothing_is_half_done() {
    let first = Site::found("faults_0").await;
    let points = points(&first);
    let (todo, report) =
        (Arc::new(Mutex::new(VecDeque::from(points))), Arc::new(Mutex::new(Report::default())));
    let mut towns = tokio::task::JoinSet::new();
    let mut first = Some(first);
    for nth in 0..TOWNS[usize::from(all_points())] {
        let (first, todo, report) = (first.take(), Arc::clone(&todo), Arc::clone(&report));
        towns.spawn(async move {
            let site = match first {
                Some(site) => site,
                None => Site::found(&format!("faults_{nth}")).await,
            };
            loop {
                let next = todo.lock().unwrap().pop_front();
                let Some(point) = next else { break };
                let visited = site.visit(&point).await;
                report.lock().unwrap().note(&point, visited);
            }
        });
    }
    let mut ended = Vec::new();
    while let Some(town) = towns.join_next().await {
        ended.push(town);
    }
    report.lock().unwrap().judge();
    for town in ended {
        town.unwrap();
    }
}

/// What the points have come to.
#[derive(Default)]
struct Report {
    met: BTreeMap<String, usize>,
    missed: usize,
    wrongs: Vec<String>,
}

impl Report {
    fn note(&mut self, point: &Point, visited: Option<(String, Vec<String>)>) {
        let Some((struck, wrongs)) = visited else {
            self.missed += 1;
            return;
        };
        let met = self.met.entry(format!("{:?}", point.server)).or_default();
        *met += 1;
        if (*met).is_multiple_of(100) {
            println!("{met} {:?}, {} with consequences", point.server, self.wrongs.len());
        }
        if !wrongs.is_empty() {
            self.wrongs.push(format!("{point:?}\nat {struck}\n{}", wrongs.join("\n")));
        }
    }

    fn judge(&self) {
        let met: usize = self.met.values().sum();
        println!("faults met: {:?}, {} in all; {} points were not there", self.met, met, self.missed);
        let wrongs = &self.wrongs;
        let some: Vec<&str> = wrongs.iter().take(5).map(String::as_str).collect();
        assert!(
            wrongs.is_empty(),
            "{} of {met} faults had consequences, as\n{}",
            wrongs.len(),
            some.join("\n\n")
        );
        // Which statements are prepared anew hangs on which connection is free: the last points may be absent.
        assert!(self.missed * 5 < met, "{met} points were met, {} were not there", self.missed);
    }
}
