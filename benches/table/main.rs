//! What the program takes, against what others take for the same work on the same servers in the same run.
//!
//!     cargo bench --workspace --bench table -- [--vms N] [--rounds N] [--events N] [--program FILE] [TOPIC ...]
//!
//! Topics: `fill` (first fill, resync without change, memory), `pure` (what needs no server), `events`, `burst`,
//! `rename`, `start`, `slow`, `idle`, `octodns`; all of them where none is named. Without `--vms` each has its
//! own number of VMs; `--program` measures another build of the controller. Each compares two things in turn,
//! round by round, and prints medians: machines are noisy, ratios less so. The controller is a process of its own
//! on a private MariaDB (buffer pool of 1 GB, a log flush a commit), the simulator answers a page of 500 in 5 ms,
//! and all share the machine. What `--bench zone`, `first_fill` and `retime` measure stands apart.

mod bare;
mod burst;
mod events;
mod fill;
mod idle;
mod octodns;
mod process;
mod pure;
mod rename;
mod slow;
mod start;
mod town;

use anyhow::{Context, Result, bail};
use std::time::Duration;

/// What to measure.
struct Size {
    vms: Option<usize>,
    rounds: usize,
    events: usize,
}

impl Size {
    /// How many VMs, where a topic usually has so many.
    fn vms(&self, usual: usize) -> usize {
        self.vms.unwrap_or(usual)
    }
}

/// VMs of a large cloud.
const LARGE: usize = 100_000;

#[tokio::main]
async fn main() -> Result<()> {
    const TOPICS: [&str; 9] =
        ["fill", "pure", "events", "burst", "rename", "start", "slow", "idle", "octodns"];
    if std::env::args().nth(1).as_deref() == Some(bare::CONSUME) {
        return bare::consume(&std::env::args().skip(2).collect::<Vec<_>>());
    }
    let mut size = Size { vms: None, rounds: 3, events: 1000 };
    let mut topics = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let place: &mut dyn FnMut(usize) = match argument.as_str() {
            "--vms" => &mut |vms| size.vms = Some(vms),
            "--rounds" => &mut |rounds| size.rounds = rounds,
            "--events" => &mut |events| size.events = events,
            topic if TOPICS.contains(&topic) => {
                topics.push(argument);
                continue;
            }
            "--program" => {
                let program = arguments.next().context("--program without a file")?;
                process::PROGRAM.get_or_init(|| program);
                continue;
            }
            // What cargo adds.
            "--bench" => continue,
            _ => bail!("{argument}: topics are {}", TOPICS.join(", ")),
        };
        let value = arguments.next().with_context(|| format!("{argument} without a number"))?;
        place(value.parse().with_context(|| format!("{argument} {value}"))?);
    }
    println!("{}\n", process::machine());
    for topic in TOPICS {
        if !topics.is_empty() && !topics.iter().any(|wanted| wanted == topic) {
            continue;
        }
        match topic {
            "fill" => fill::measure(&size).await?,
            "pure" => pure::measure(&size)?,
            "events" => events::measure(&size).await?,
            "burst" => burst::measure().await?,
            "rename" => rename::measure(&size).await?,
            "start" => start::measure(&size).await?,
            "slow" => slow::measure(&size).await?,
            "idle" => idle::measure(&size).await?,
            _ => octodns::measure(&size).await?,
        }
    }
    Ok(())
}

/// One line of the table.
fn line(what: &str, ours: Duration, against: &str, other: Duration, aim: &str) {
    let ratio = ours.as_secs_f64() / other.as_secs_f64();
    println!("{what:<34}{:>10}   {against:<34}{:>10}   {ratio:>6.2}   aim {aim}", shown(ours), shown(other));
}

/// One that is compared with nothing.
fn lone(what: &str, value: &str, aim: &str) {
    println!("{what:<34}{value:>10}   {:<34}{:>10}   {:>6}   aim {aim}", "", "", "");
}

fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

/// The time below which so many in a hundred are.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 50)
}
