//! What the tests about losses share: VMs that come and go, and what is left of their records.

use super::support::{LIMIT, vm};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use testbed::{Lab, Output, World, poll};

/// The command that lists VMs and asks about them by id.
pub const LIST: &str = "listVirtualMachines";

/// No bound on what may go: what keeps records then is proof alone.
pub const UNBOUND: (&str, &str) = ("DNS_MAX_LOSS_PERCENT", "100");

/// Nothing that nobody announced may go.
pub const NOTHING: (&str, &str) = ("DNS_MAX_LOSS_PERCENT", "0");

/// So many VMs, vm1 and on, of one address each and no reverse zone for it. Returns their ids.
pub fn create(lab: &Lab, count: usize) -> Vec<String> {
    (1..=count).map(|at| lab.world().create_vm(vm(&format!("vm{at}"), &format!("198.51.100.{at}")))).collect()
}

/// Gone, and nothing says so but that they are listed no longer.
pub fn vanish(lab: &Lab, ids: &[String]) {
    expunge(lab.world(), ids);
}

/// The same in a hook.
pub fn expunge(world: &World, ids: &[String]) {
    let world = world.silent();
    for id in ids {
        world.destroy_vm(id);
        world.expunge_vm(id);
    }
}

/// Ids, names and contents of the A rows of `domain.com`: equal ones were not written anew.
pub async fn rows(lab: &Lab) -> Vec<(i64, String, String)> {
    let rows = lab.db.rows_of_zone("domain.com").await.expect("rows");
    let addresses = rows.into_iter().filter(|row| row.kind.as_deref() == Some("A"));
    addresses.map(|row| (row.id, row.name, row.content.unwrap_or_default())).collect()
}

/// How many A rows there are.
pub async fn count(lab: &Lab) -> usize {
    rows(lab).await.len()
}

/// Waits until there are so many.
pub async fn counts(lab: &Lab, expected: usize) {
    poll(&format!("{expected} A rows"), LIMIT, async || {
        let found = count(lab).await;
        if found == expected { Ok(()) } else { Err(format!("there are {found}")) }
    })
    .await;
}

/// A verb ended with this code.
pub fn ended(output: &Output, code: i32) {
    assert_eq!(output.code, code, "{}\n{}", output.stdout, output.stderr);
}

/// Counts the listings of VMs from now on, and calls `begin` at the beginning of each with its number.
pub fn watch_listings(lab: &Lab, mut begin: impl FnMut(&World, usize) + Send + 'static) -> Arc<AtomicUsize> {
    let listings = Arc::new(AtomicUsize::new(0));
    let counter = listings.clone();
    lab.sim.before_every_page(move |world, page| {
        if page == 1 {
            begin(world, counter.fetch_add(1, Ordering::SeqCst) + 1);
        }
    });
    listings
}

/// The ids of each look-up since the log began: one list a request.
pub fn looks(lab: &Lab) -> Vec<Vec<String>> {
    let requests = lab.sim.log().into_iter().filter(|(command, _)| command.eq_ignore_ascii_case(LIST));
    let ids = requests.filter_map(|(_, given)| given.get("ids").or_else(|| given.get("id")).cloned());
    ids.map(|ids| ids.split(',').map(str::to_owned).collect()).collect()
}
