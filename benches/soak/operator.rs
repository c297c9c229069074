//! Operators at work, in SQL and with PowerDNS's API.

use crate::{
    Dice,
    book::Book,
    town::{COMMON, Town},
};
use anyhow::{Result, ensure};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use testbed::{Lab, World};
use tokio::{sync::Mutex, time::sleep};

/// What an operator's addresses begin with; no VM's do.
const HIS: &str = "198.51.100";

pub async fn work(lab: Arc<Lab>, book: Arc<Mutex<Book>>, over: Arc<AtomicBool>, seed: u64) -> Result<()> {
    let (mut dice, pets) = (Dice(seed ^ 1), Town::pets(lab.world()));
    while !over.load(Ordering::SeqCst) {
        sleep(Duration::from_millis(200 + dice.below(1000) as u64)).await;
        let mut book = book.lock().await;
        match dice.below(6) {
            0 | 1 => edit(&mut book, lab.world(), &mut dice).await?,
            2 => undo(&mut book, &mut dice).await?,
            3 => delete(&mut book, lab.world(), &pets, &mut dice).await?,
            4 => replace(&mut book, &lab, &pets, &mut dice, 60).await?,
            _ => replace(&mut book, &lab, &pets, &mut dice, 240).await?,
        }
    }
    Ok(())
}

fn one(ids: &[String], dice: &mut Dice) -> String {
    ids[dice.below(ids.len())].clone()
}

/// The name of a VM in the common zone.
fn name(world: &World, id: &str) -> Option<String> {
    let vm = world.vm(id)?;
    Some(format!("{}.{COMMON}", vm.name))
}

/// Another address in place, where one of ours stands.
async fn edit(book: &mut Book, world: &World, dice: &mut Dice) -> Result<()> {
    let Some(name) = name(world, &one(&world.vms(), dice)) else { return Ok(()) };
    // More would be left of nothing in the end.
    if book.names().contains(name.as_str()) || book.edits.len() > 60 {
        return Ok(());
    }
    let sql =
        format!("SELECT id, content, ttl FROM records WHERE name = '{name}' AND type = 'A' AND disabled = 0");
    let rows: Vec<(i64, String, i64)> = book.query(&sql).await?;
    let [(id, old, ttl)] = rows.as_slice() else { return Ok(()) };
    let new = format!("{HIS}.{}", 110 + dice.below(100));
    let sql =
        format!("UPDATE records SET content = '{new}' WHERE id = {id} AND content = '{old}' AND ttl = {ttl}");
    if book.run(&sql).await? == 1 {
        book.edits.insert(name, ("A".into(), new, *ttl));
        book.note("edited in place");
    }
    Ok(())
}

/// What was edited goes, and whatever stands beside it.
async fn undo(book: &mut Book, dice: &mut Dice) -> Result<()> {
    if book.edits.is_empty() {
        return Ok(());
    }
    let at = dice.below(book.edits.len());
    let name = book.edits.keys().nth(at).cloned().expect("there are so many");
    book.run(&format!("DELETE FROM records WHERE name = '{name}' AND type IN ('A', 'AAAA')")).await?;
    book.edits.remove(&name);
    book.note("edits taken back");
    Ok(())
}

async fn delete(book: &mut Book, world: &World, pets: &[String], dice: &mut Dice) -> Result<()> {
    let Some(name) = name(world, &one(pets, dice)) else { return Ok(()) };
    if !book.names().contains(name.as_str())
        && book.run(&format!("DELETE FROM records WHERE name = '{name}' AND type = 'A'")).await? > 0
    {
        book.note("deleted");
    }
    Ok(())
}

/// The same rows again by PowerDNS's API, under other ids; with another TTL that is an edit.
async fn replace(book: &mut Book, lab: &Lab, pets: &[String], dice: &mut Dice, ttl: i64) -> Result<()> {
    let Some(name) = name(lab.world(), &one(pets, dice)) else { return Ok(()) };
    if book.names().contains(name.as_str()) {
        return Ok(());
    }
    let sql = format!("SELECT content FROM records WHERE name = '{name}' AND type = 'A' AND disabled = 0");
    let rows: Vec<String> = book.query(&sql).await?;
    let [content] = rows.as_slice() else { return Ok(()) };
    let records = json!([{ "content": content, "disabled": false }]);
    let set = json!({ "name": format!("{name}."), "type": "A", "changetype": "REPLACE", "ttl": ttl, "records": records });
    let dns = lab.dns().await;
    let url = format!("{}/api/v1/servers/localhost/zones/{COMMON}.", dns.api_url());
    for _ in 0..5 {
        let request = reqwest::Client::new().patch(&url).header("X-API-Key", &dns.api_key);
        let request = request.timeout(Duration::from_secs(30)).json(&json!({ "rrsets": [set] }));
        // Its connection to the database may be one that a restart has ended.
        if request.send().await?.status().is_success() {
            if ttl == 60 {
                book.note("replaced by the same");
            } else {
                book.edits.insert(name, ("A".into(), content.clone(), ttl));
                book.note("re-timed");
            }
            return Ok(());
        }
        sleep(Duration::from_millis(300)).await;
    }
    ensure!(false, "PowerDNS's API takes no change of {name}:\n{}", dns.log());
    Ok(())
}
