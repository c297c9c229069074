//! Promises 4 and 5 on the real servers: absence is proved, and mass loss is held.

use super::support::{LIMIT, answers, example, once, sync, vm};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use testbed::{
    Fault, Lab, Output, World, poll,
    sim::{Body, Scope},
};

const LIST: &str = "listVirtualMachines";

/// So many VMs, vm1 and on, of one address each and no reverse zone for it. Returns their ids.
fn create(lab: &Lab, count: usize) -> Vec<String> {
    (1..=count).map(|at| lab.world().create_vm(vm(&format!("vm{at}"), &format!("198.51.100.{at}")))).collect()
}

/// Gone, and nothing says so but that they are listed no longer.
fn vanish(lab: &Lab, ids: &[String]) {
    expunge(lab.world(), ids);
}

fn expunge(world: &World, ids: &[String]) {
    let world = world.silent();
    for id in ids {
        world.destroy_vm(id);
        world.expunge_vm(id);
    }
}

/// How many A rows there are.
async fn count(lab: &Lab) -> usize {
    let rows = lab.db.rows_of_zone("domain.com").await.expect("rows");
    rows.iter().filter(|row| row.kind.as_deref() == Some("A")).count()
}

fn ended(output: &Output, code: i32) {
    assert_eq!(output.code, code, "{}\n{}", output.stdout, output.stderr);
}

#[tokio::test]
async fn a_vm_that_paging_has_shifted_out_of_sight_stays() {
    let lab = Lab::new("paging").await;
    example(&lab).await;
    lab.world().set_max_page(5);
    let ids = create(&lab, 20);
    sync(&lab, &[]).await;
    // The first VM goes before the third page is read: vm11 slips onto the second one. When the listing is
    // read once more, five others go before its second page: vm7 to vm11 slip onto the first one.
    let moved = Arc::new(AtomicBool::new(false));
    let (first, more, flag) = (ids[0].clone(), ids[1..6].to_vec(), moved.clone());
    lab.sim.before_page(LIST, 3, move |world| {
        expunge(world, &[first]);
        flag.store(true, Ordering::SeqCst);
    });
    lab.sim.set_latency(Duration::from_millis(150));
    let again = async {
        poll("the listing has moved", LIMIT, async || {
            if moved.load(Ordering::SeqCst) { Ok(()) } else { Err("not yet".into()) }
        })
        .await;
        lab.sim.before_page(LIST, 2, move |world| expunge(world, &more));
    };
    let (output, ()) = tokio::join!(once(&lab, &["sync"], &[("DNS_MAX_LOSS_PERCENT", "100")]), again);
    lab.sim.heal();
    ended(&output, 0);
    for at in 7..=20 {
        let name = format!("vm{at}.domain.com");
        assert_eq!(lab.db.contents(&name, "A").await.unwrap().len(), 1, "{name}\n{}", output.stderr);
    }
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    assert_eq!(count(&lab).await, 14);
}

/// The places, among the requests for VMs, of those that list instead of asking by id.
fn listings(lab: &Lab) -> Vec<usize> {
    let asks = |name: &String| name.eq_ignore_ascii_case("id") || name.eq_ignore_ascii_case("ids");
    let requests = lab.sim.log().into_iter().filter(|(command, _)| command.eq_ignore_ascii_case(LIST));
    let lists = requests.map(|(_, given)| !given.keys().any(asks));
    lists.enumerate().filter_map(|(at, lists)| lists.then_some(at)).collect()
}

#[tokio::test]
async fn an_expunged_vm_that_nobody_announced_goes_after_two_listings_and_a_look() {
    let lab = Lab::new("expunged").await;
    example(&lab).await;
    let ids = create(&lab, 3);
    sync(&lab, &[]).await;
    lab.sim.clear_log();
    ended(&once(&lab, &["plan"], &[]).await, 0);
    let whole = listings(&lab).len();
    vanish(&lab, &ids[..1]);
    lab.world().purge_vm(&ids[0]);
    lab.sim.clear_log();
    ended(&once(&lab, &["plan"], &[]).await, 2);
    let places = listings(&lab);
    assert!(places.len() >= 2 * whole, "{places:?} is no second listing of {whole} requests");
    // One listing and its looks work, and nothing does after them: absence is not proved.
    lab.sim.fail_after(Some(LIST), places[whole], 10_000, Fault::Status(401, Body::Empty));
    ended(&once(&lab, &["sync"], &[]).await, 1);
    lab.sim.heal();
    assert_eq!(count(&lab).await, 3, "one listing proves nothing");
    sync(&lab, &[]).await;
    answers(&lab, "vm1.domain.com", "A", &[]).await;
    assert_eq!(count(&lab).await, 2);
}

#[tokio::test]
async fn a_vm_that_the_api_shows_as_destroyed_goes_at_the_next_pass() {
    let lab = Lab::new("destroyed").await;
    example(&lab).await;
    let ids = create(&lab, 3);
    sync(&lab, &[]).await;
    lab.world().silent().destroy_vm(&ids[1]);
    // Its own state is its announcement: no budget is needed.
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "0")]).await;
    answers(&lab, "vm2.domain.com", "A", &[]).await;
    assert_eq!(count(&lab).await, 2);
}

#[tokio::test]
async fn a_key_that_has_lost_its_rights_deletes_nothing() {
    let lab = Lab::new("rights").await;
    let domain = example(&lab).await;
    create(&lab, 5);
    let other = lab.world().add_domain("other", &lab.world().root(), None);
    sync(&lab, &[]).await;
    let key = lab.sim.api_key.clone();
    lab.world().set_scope(&key, Scope::Domain(other));
    ended(&once(&lab, &["sync"], &[]).await, 1);
    lab.world().set_scope(&key, Scope::Domain(domain));
    ended(&once(&lab, &["sync"], &[]).await, 1);
    lab.world().set_scope(&key, Scope::Accounts([super::support::ACCOUNT.to_owned()].into()));
    ended(&once(&lab, &["sync"], &[]).await, 1);
    lab.world().set_scope(&key, Scope::Root);
    lab.world().allow(&key, LIST, false);
    ended(&once(&lab, &["sync"], &[]).await, 1);
    assert_eq!(count(&lab).await, 5);
    lab.world().allow(&key, LIST, true);
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 5);
}

#[tokio::test]
async fn listings_that_are_wrong_delete_nothing() {
    let lab = Lab::new("wrong_listings").await;
    example(&lab).await;
    lab.world().set_max_page(5);
    create(&lab, 12);
    sync(&lab, &[]).await;
    for fault in [Fault::EmptyObject, Fault::WrongCount(-7), Fault::ShortPage, Fault::Truncate] {
        // The first listing is wrong; the looks that follow are not.
        lab.sim.fail_next_of(LIST, 1, fault.clone());
        let output = once(&lab, &["sync"], &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
        lab.sim.heal();
        assert!(output.code < 2, "{fault:?}: {}\n{}", output.stdout, output.stderr);
        assert_eq!(count(&lab).await, 12, "{fault:?}");
    }
    // A server that says for ever that there is nothing: the budget holds.
    lab.sim.fail_next_of(LIST, 1000, Fault::EmptyObject);
    let output = once(&lab, &["sync"], &[]).await;
    lab.sim.heal();
    assert_ne!(output.code, 0, "{}\n{}", output.stdout, output.stderr);
    assert_eq!(count(&lab).await, 12);
}

#[tokio::test]
async fn another_cloud_is_refused() {
    let lab = Lab::new("other_cloud").await;
    example(&lab).await;
    create(&lab, 3);
    sync(&lab, &[]).await;
    lab.world().replace_root("11111111-2222-3333-4444-555555555555");
    let output = once(&lab, &["sync"], &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    ended(&output, 1);
    assert!(output.stderr.contains("11111111-2222-3333-4444-555555555555"), "{}", output.stderr);
    assert_eq!(count(&lab).await, 3);
}

#[tokio::test]
async fn more_than_the_budget_is_held_while_creates_and_announced_losses_go_on() {
    let lab = Lab::new("held").await;
    example(&lab).await;
    let ids = create(&lab, 40);
    sync(&lab, &[]).await;
    vanish(&lab, &ids[..20]);
    lab.world().silent().destroy_vm(&ids[39]);
    lab.world().create_vm(vm("new", "198.51.100.99"));
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert!(output.stdout.contains("held: 20 records"), "{}", output.stdout);
    assert_eq!(count(&lab).await, 40, "20 held, 19 living, one new");
    answers(&lab, "vm40.domain.com", "A", &[]).await;
    answers(&lab, "new.domain.com", "A", &["198.51.100.99"]).await;
    answers(&lab, "vm1.domain.com", "A", &["198.51.100.1"]).await;
}

#[tokio::test]
async fn of_a_hundred_thirty_go_and_after_them_nothing_more() {
    let lab = Lab::new("thirty").await;
    example(&lab).await;
    let ids = create(&lab, 100);
    sync(&lab, &[]).await;
    vanish(&lab, &ids[..30]);
    sync(&lab, &[]).await;
    assert_eq!(count(&lab).await, 70);
    vanish(&lab, &ids[30..32]);
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert_eq!(count(&lab).await, 70);
}

#[tokio::test]
async fn of_a_hundred_thirty_one_are_held() {
    let lab = Lab::new("thirty_one").await;
    example(&lab).await;
    let ids = create(&lab, 100);
    sync(&lab, &[]).await;
    vanish(&lab, &ids[..31]);
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert!(output.stdout.contains("held: 31 records"), "{}", output.stdout);
    assert_eq!(count(&lab).await, 100);
}
