//! The whole controller without servers: two real engines, with a lease between them, against a model of
//! the API and one of the tables, on one thread and a clock of their own. A history is a list of lines, and
//! the same history is the same to the last statement:
//!
//! ```text
//! vm 1 web one .1,::1 www shared    VM 1 from now on: name, account, addresses, group, network
//! destroy 1                         the API shows it as Destroyed; recover 1
//! expunge 1                         the API knows it no more; vanish: none of them
//! unseen 1                          the API does not show it for a while, although it lives
//! account one b.org                 its network domain; `-`; `hidden` and `listed`: whether it is listed
//! tell 1                            an event names VM 1; tell-gone 1, tell-account one, resync, assigned
//! insert web.a.org A .9 disabled    an operator, in SQL
//! delete 3, update 3 ttl=30         the row at that place, counted round; also `.9`, disabled, away
//! replace 3                         its RRset by the API of PowerDNS: the same, or `.9`, under new ids
//! zone b.org, unzone b.org          a zone comes, or goes with its rows
//! serial a.org -3                   somebody overwrites the serial
//! approve                           whatever is held may go
//! take-over                         the other controller gets the lease; `untold`: the first does not know
//! crash                             the one that has the lease dies, at once, and starts anew
//! wait 12                           seconds pass
//! at write 3: ...                   at the third statement of a transaction from now: any of these lines,
//!                                   or `fails`, `refused`, `slow 7`; also at ask, hear (the API's requests
//!                                   and answers), read, got (those of the tables), commit, done (its answer)
//! ```
//!
//! [`promises`] are checked at each COMMIT; once nothing happens any more, the tables must be as [`naive`]
//! says, and stay so without another COMMIT.
//!
//! Not simulated: what HTTP and SQL make of all this (`cloudstack`, `powerdns`), the renewal of the lease
//! ([`super::hold`]: here it comes and goes by itself), signed zones, one-shot verbs.

mod cloud;
mod histories;
mod naive;
mod promises;
mod scene;
mod server;
mod stage;
mod tables;
mod text;
mod transaction;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use scene::Happened;
use stage::Stage;
use std::time::Duration;
use tokio::time::sleep;

/// Histories where the environment does not say: some seconds.
const HISTORIES: u64 = 150;
const SEED: u64 = 20_261_123;

/// After each of a history's lines.
const BEAT: Duration = Duration::from_millis(10);
/// Once nothing happens any more, a resync, a failed one's backoff and the rest after a slow one fit into so
/// many rounds in a row.
const ROUND: Duration = Duration::from_secs(30);
const AT_REST: u32 = 8;
const PATIENCE: u32 = 60;

/// Plays a history to its end. Returns what happened, statement by statement, and what was wrong.
fn play(history: &[String]) -> (Vec<String>, Result<Happened, String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let stage = Stage::open();
        let ended = act_out(&stage, history).await;
        let mut scene = stage.lock();
        (std::mem::take(&mut scene.trace), ended.map(|()| scene.happened))
    })
}

async fn act_out(stage: &Stage, history: &[String]) -> Result<(), String> {
    for line in history {
        match line.strip_prefix("wait ") {
            Some(seconds) => sleep(Duration::from_secs(seconds.parse().unwrap())).await,
            None => stage.act(line),
        }
        sleep(BEAT).await;
        stage.lock().sound()?;
    }
    stage.lock().calm();
    let (mut at_rest, mut commits) = (0, 0);
    for _ in 0..PATIENCE {
        stage.act("approve");
        sleep(ROUND).await;
        stage.lock().sound()?;
        let so_far = stage.lock().happened.commits;
        at_rest = if so_far == commits { at_rest + 1 } else { 0 };
        commits = so_far;
        if at_rest == AT_REST {
            let complaints = naive::complaints(&stage.lock());
            return if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) };
        }
    }
    Err("promise 1: passes over the same state write for ever".to_owned())
}

/// The history of a seed.
fn history(seed: u64) -> Vec<String> {
    let rng = [seed.to_le_bytes(), [0; 8], [0; 8], [0; 8]].concat();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &rng);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    histories::histories().new_tree(&mut runner).unwrap().current()
}

/// What a complaint says, without whom it is about.
fn kind(why: &str) -> String {
    let plain = |word: &&str| !word.contains(|c: char| c.is_ascii_digit() || matches!(c, '.' | '"' | '{'));
    why.split_whitespace().filter(plain).take(5).collect()
}

/// What is left of a failing history when no line can be spared.
fn shortest(mut history: Vec<String>, why: &str) -> Vec<String> {
    let mut size = history.len() / 2;
    while size > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < history.len() {
            let upto = (at + size).min(history.len());
            let less = [&history[..at], &history[upto..]].concat();
            if play(&less).1.is_err_and(|other| kind(&other) == kind(why)) {
                (history, shorter) = (less, true);
            } else {
                at += size;
            }
        }
        // A line may be one that only what came after it needed.
        size = if shorter && size == 1 { 1 } else { size / 2 };
    }
    history
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `CS_POWERDNS_TEST_HISTORY=FILE` plays those of a file instead, and prints what happens.
#[test]
fn histories_that_once_broke_a_promise_keep_it() {
    let file = std::env::var("CS_POWERDNS_TEST_HISTORY");
    let text = match &file {
        Ok(file) => std::fs::read_to_string(file).unwrap(),
        Err(_) => include_str!("../../../fixtures/histories.txt").to_owned(),
    };
    for paragraph in text.split("\n\n") {
        let lines = paragraph.lines().filter(|line| !line.starts_with('#'));
        let (trace, ended) = play(&lines.map(str::to_owned).collect::<Vec<_>>());
        if file.is_ok() {
            println!("{}\n", trace.join("\n"));
        }
        if let Err(why) = ended {
            panic!("{paragraph}\n{why}");
        }
    }
}

#[test]
fn no_history_breaks_a_promise() {
    let count = number("CS_POWERDNS_TEST_HISTORIES").unwrap_or(HISTORIES);
    let first = number("CS_POWERDNS_TEST_SEED").unwrap_or(SEED);
    let mut all = Happened::default();
    for seed in first..first + count {
        match play(&history(seed)).1 {
            Ok(happened) => all.add(&happened),
            Err(why) => {
                let history = shortest(history(seed), &why);
                let (trace, again) = play(&history);
                panic!(
                    "seed {seed}: {why}\n\nthe last of what happened in the shortest history:\n{}\n\n{}\n\n\
                     the shortest history:\n{}",
                    trace[trace.len().saturating_sub(150)..].join("\n"),
                    again.err().unwrap_or_default(),
                    history.join("\n")
                );
            }
        }
    }
    // What never happens proves nothing.
    let Happened { commits, conflicts, fenced, failed, lost, held, .. } = all;
    let least = [commits, conflicts, fenced, failed, lost, held].into_iter().min();
    assert!(count < HISTORIES || least > Some(0), "{all:?}");
    println!("{count} histories: {all:?}");
}

#[test]
fn the_same_history_is_the_same_to_the_last_statement() {
    for seed in SEED..SEED + 5 {
        let history = history(seed);
        let (first, second) = (play(&history).0, play(&history).0);
        let differs = first.iter().zip(&second).find(|(one, other)| one != other);
        assert_eq!((differs, first.len()), (None, second.len()), "seed {seed}");
    }
}
