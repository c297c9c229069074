//! What the program takes, against what others take for the same work on the same servers in the same run.
//!
//!     cargo bench --workspace --bench table -- [--vms N] [--rounds N] [--events N] [TOPIC ...]
//!
//! Topics: `fill` (first fill, resync without change, memory), `events`, `burst`, `rename`, `start`, `slow`,
//! `idle`, `octodns`; all of them where none is named. Each compares two things in turn, round by round, and
//! prints medians: machines are noisy, ratios less so. The controller is a process of its own on a private
//! MariaDB (buffer pool of 1 GB, a log flush a commit), the simulator answers a page of 500 in 5 ms, and all
//! share the machine. Pure work and what `--bench zone`, `first_fill` and `retime` measure stand apart.

mod bare;
mod burst;
mod events;
mod fill;
mod idle;
mod octodns;
mod process;
mod rename;
mod slow;
mod start;
mod town;

use anyhow::{Context, Result, bail};
use std::time::Duration;

/// What to measure.
struct Size {
    vms: usize,
    rounds: usize,
    events: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    const TOPICS: [&str; 8] = ["fill", "events", "burst", "rename", "start", "slow", "idle", "octodns"];
    let mut size = Size { vms: 100_000, rounds: 3, events: 1000 };
    let mut topics = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let place = match argument.as_str() {
            "--vms" => &mut size.vms,
            "--rounds" => &mut size.rounds,
            "--events" => &mut size.events,
            topic if TOPICS.contains(&topic) => {
                topics.push(argument);
                continue;
            }
            // What cargo adds.
            "--bench" => continue,
            _ => bail!("{argument}: topics are {}", TOPICS.join(", ")),
        };
        let value = arguments.next().with_context(|| format!("{argument} without a number"))?;
        *place = value.parse().with_context(|| format!("{argument} {value}"))?;
    }
    println!("{}\n", process::machine());
    for topic in TOPICS {
        if !topics.is_empty() && !topics.iter().any(|wanted| wanted == topic) {
            continue;
        }
        match topic {
            "fill" => fill::measure(&size).await?,
            "events" => events::measure(&size).await?,
            "burst" => burst::measure().await?,
            "rename" => rename::measure(&size).await?,
            "start" => start::measure(&size).await?,
            "slow" => slow::measure().await?,
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
