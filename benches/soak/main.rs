//! An hour of everything at once: 2 000 VMs that change all the time, operators at work beside the program,
//! and servers that fail at random, below two instances of which one is killed again and again.
//!
//!     cargo bench --workspace --bench soak -- --minutes 60 --vms 2000
//!
//! Prints what the instance that lives all the time takes of memory and open files, and by how much both grow.
//! Once all is quiet, every record must be what the cloud says ([`judge`]), nothing of an operator's may be
//! touched, and `plan` and `rectify-zone` find nothing to do; otherwise it ends with an error, as it does where
//! memory or open files grow. `--changes N` a second (10), `--seed N` for another run, `--program FILE` for
//! another build of the program.

mod book;
mod gauge;
mod judge;
mod operator;
mod town;
mod trouble;

use anyhow::{Context, Result, bail, ensure};
use book::Book;
use gauge::Gauge;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use testbed::{Controller, Lab, MariaDb, MariaDbOptions, World, run_once, watchdog::free_port};
use tokio::{sync::Mutex, time::sleep};
use town::Town;
use trouble::Trouble;

const LIMIT: Duration = Duration::from_secs(120);
/// The last look follows an event after 30 s, the next resync comes within a minute: until then what was read
/// before may still be written.
const REST: Duration = Duration::from_secs(75);
/// For resyncs that failed before, for what only a second one proves, and for a lease to expire.
const QUIET: Duration = Duration::from_secs(600);

/// Lease and resyncs are shorter than by default, so that an hour has many of them. What no event tells is a
/// large part of what goes here: it is not bounded. What the C library is told, `deploy/cs-powerdns.service` and
/// the image tell it as well.
const SETTINGS: [(&str, &str); 12] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
    ("MALLOC_TRIM_THRESHOLD_", "131072"),
    ("DNS_COMMON_ZONE", town::COMMON),
    ("DNS_ADD_TO_COMMON_ZONE", "true"),
    ("DNS_ZONES", town::ALLOWED),
    ("DNS_MAX_LOSS_PERCENT", "100"),
    ("LEASE_TTL", "6s"),
    ("RESYNC_INTERVAL", "1m"),
    ("RESYNC_MIN_INTERVAL", "10s"),
    ("CS_TIMEOUT", "10s"),
    ("MYSQL_PDNS_TLS", "disabled"),
];

/// Random numbers that are the same for the same seed (splitmix64).
pub struct Dice(u64);

impl Dice {
    /// Below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % end as u64).expect("it is below a usize")
    }
}

struct Size {
    program: &'static str,
    minutes: u32,
    vms: u32,
    changes: u32,
    seed: u32,
}

fn size() -> Result<Size> {
    let mut size = Size {
        program: env!("CARGO_BIN_EXE_cs-powerdns"),
        minutes: 60,
        vms: 2000,
        changes: 10,
        seed: 20_261_123,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let place = match argument.as_str() {
            "--minutes" => &mut size.minutes,
            "--vms" => &mut size.vms,
            "--changes" => &mut size.changes,
            "--seed" => &mut size.seed,
            "--program" => {
                size.program = arguments.next().context("--program without a file")?.leak();
                continue;
            }
            // What cargo adds.
            _ => continue,
        };
        let value = arguments.next().with_context(|| format!("{argument} without a number"))?;
        *place = value.parse().with_context(|| format!("{argument} {value}"))?;
    }
    ensure!(size.vms >= 200 && size.minutes > 0 && size.changes > 0, "at least 200 VMs, a minute, a change");
    Ok(size)
}

#[tokio::main]
async fn main() -> Result<()> {
    let Size { program, minutes, vms, changes, seed } = size()?;
    let options = MariaDbOptions {
        buffer_pool: "512M".into(),
        general_log: false,
        extra: vec!["--innodb-log-file-size=256M".into()],
        ..MariaDbOptions::default()
    };
    let server = MariaDb::new(options)?;
    let mut lab = Lab::on(server.mysql(), "soak").await?;
    lab.kafka();
    let town = Town::found(&lab, vms as usize, seed.into()).await?;
    let book = Arc::new(Mutex::new(Book::open(&lab, &town).await?));
    let (direct, mut env) = (lab.env_with(&SETTINGS), lab.env_with(&SETTINGS));
    let roads = Trouble::roads(&lab, &server, &mut env).await?;
    let lab = Arc::new(lab);
    let mut lives = Controller::start(program, &["run"], &env)?;
    lives.wait_ready(LIMIT).await?;
    env.insert("HTTP_LISTEN".into(), format!("127.0.0.1:{}", free_port()));
    let mut trouble = Trouble::begin(lab.clone(), book.clone(), server, roads, program, env, seed.into())?;
    println!("{vms} VMs, {minutes} min, {changes} changes a second, seed {seed}");

    let over = Arc::new(AtomicBool::new(false));
    let churn = churn(lab.world().clone(), town, changes, over.clone());
    let operator = tokio::spawn(operator::work(lab.clone(), book.clone(), over.clone(), seed.into()));
    let troubles = {
        let over = over.clone();
        tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                trouble.next().await?;
            }
            Ok::<_, anyhow::Error>(trouble)
        })
    };
    let (begun, mut gauge) = (Instant::now(), Gauge::of(lives.pid()?));
    while begun.elapsed() < Duration::from_secs(60) * minutes {
        sleep(Duration::from_secs(5)).await;
        ensure!(lives.exit_code().is_none(), "it has ended by itself:\n{}", end_of(&lives));
        ensure!(
            !operator.is_finished() && !troubles.is_finished() && !churn.is_finished(),
            "a part has ended"
        );
        gauge.read();
        lab.sim.clear_log();
    }
    over.store(true, Ordering::SeqCst);
    let town = tokio::task::spawn_blocking(move || churn.join()).await?;
    let town = town.ok().context("the cloud changes without a panic")?;
    operator.await??;
    let trouble = troubles.await??;
    println!("{} changes; operators: {:?}; {:#?}", town.changes, book.lock().await.acts, trouble.met);
    let mut wrongs = gauge.judge();
    // Without them there would be no servers.
    let (_server, _roads, second) = trouble.end();

    let book = book.lock().await;
    wrongs.extend(quiet(lab.world(), &town, &book).await?);
    counts(&lives).await?;
    for mut controller in [lives, second] {
        controller.sigterm()?;
        let code = controller.wait_exit(LIMIT).await?;
        ensure!(code == 0, "it ends with {code}:\n{}", end_of(&controller));
    }
    let unconfirmed = judge::unconfirmed(lab.world(), &town, &book).await?;
    wrongs.extend(plan(program, &direct, &book, &unconfirmed).await?);
    wrongs.extend(judge::unrectified(&lab, &town, &book).await?);
    for wrong in wrongs.iter().take(30) {
        println!("wrong: {wrong}");
    }
    ensure!(wrongs.is_empty(), "{} things are wrong", wrongs.len());
    println!("every record is what the cloud says, every row of an operator as he left it");
    Ok(())
}

/// The cloud changes until it is over.
fn churn(world: World, mut town: Town, changes: u32, over: Arc<AtomicBool>) -> std::thread::JoinHandle<Town> {
    std::thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            town.change(&world);
            std::thread::sleep(Duration::from_secs(1) / changes);
        }
        town
    })
}

/// Waits until nothing is wrong any more; what is then, if it takes too long.
async fn quiet(world: &World, town: &Town, book: &Book) -> Result<Vec<String>> {
    let (begun, mut told, mut right) = (Instant::now(), Instant::now(), None);
    loop {
        let wrongs = judge::complaints(world, town, book).await?;
        if let Some(first) = wrongs.first()
            && told.elapsed() > Duration::from_secs(60)
        {
            println!("{} s later {} things are wrong, as: {first}", begun.elapsed().as_secs(), wrongs.len());
            told = Instant::now();
        }
        let since = if wrongs.is_empty() { *right.get_or_insert_with(Instant::now) } else { Instant::now() };
        right = right.filter(|_| wrongs.is_empty());
        if since.elapsed() > REST || begun.elapsed() > QUIET {
            println!("{} s later {} things are wrong", (since - begun).as_secs(), wrongs.len());
            return Ok(wrongs);
        }
        sleep(Duration::from_secs(2)).await;
    }
}

/// What `plan` would do, and rows that no VM explains, no operator, and no PTR that was left where it was.
async fn plan(
    program: &str,
    env: &HashMap<String, String>,
    book: &Book,
    unconfirmed: &BTreeSet<String>,
) -> Result<Vec<String>> {
    let plan = run_once(program, &["plan", "--unexplained", "--json"], env).await?;
    let Ok(told) = serde_json::from_str::<serde_json::Value>(&plan.stdout) else {
        bail!("plan ended with {}:\n{}{}", plan.code, plan.stdout, plan.stderr);
    };
    let mut wrongs = Vec::new();
    if plan.code != 0 {
        wrongs.push(format!("plan ended with {}: {:#}", plan.code, told["changes"]));
    }
    let mut names = book.names();
    names.extend(unconfirmed.iter().map(String::as_str));
    for rows in ["unexplained", "left_behind"] {
        let rows = told[rows].as_array().context("plan lists rows")?;
        let others = rows.iter().filter(|row| !row["name"].as_str().is_some_and(|name| names.contains(name)));
        wrongs.extend(others.map(|row| format!("no VM and no operator explains {row}")));
    }
    Ok(wrongs)
}

async fn counts(controller: &Controller) -> Result<()> {
    let (_, text) = controller.get("/metrics").await?;
    for name in ["api_requests", "sql_statements", "trigger_marks", "passes", "settle_failures"] {
        let lines = text.lines().filter(|line| line.starts_with(&format!("cs_powerdns_{name}_total")));
        lines.for_each(|line| println!("{line}"));
    }
    Ok(())
}

fn end_of(controller: &Controller) -> String {
    let output = controller.output();
    let lines: Vec<&str> = output.lines().collect();
    lines[lines.len().saturating_sub(100)..].join("\n")
}
