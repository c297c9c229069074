//! Promise 5 on the real servers: what is held keeps its hash, and goes when an operator approves it.

use super::{
    losses_support::LIST,
    support::{
        LIMIT, RESYNCS, answers, example, metric, metric_reaches, once, readiness, serve, serve_events, sync,
        vm,
    },
};
use serde_json::Value;
use testbed::{Controller, Fault, Lab, Output, VmSpec, poll, sim::Gate};

/// So many VMs, vm1 and on, of one address each and no reverse zone for it. Returns their ids.
fn create(lab: &Lab, count: usize) -> Vec<String> {
    let address = |at: usize| format!("198.{}.{}.{}", 51 + at / 60_000, at / 250, at % 250 + 1);
    (1..=count).map(|at| lab.world().create_vm(vm(&format!("vm{at}"), &address(at)))).collect()
}

/// Gone, and nothing says so but that they are listed no longer.
fn vanish(lab: &Lab, ids: &[String]) {
    let world = lab.world().silent();
    for id in ids {
        world.destroy_vm(id);
        world.expunge_vm(id);
    }
}

/// Renamed from vm1 to other1 and so on, and nothing says so.
fn rename(lab: &Lab, ids: &[String], first: usize, to: &str) {
    for (at, id) in ids.iter().enumerate() {
        lab.world().silent().rename_vm(id, &format!("{to}{}", at + first));
    }
}

/// How many A rows there are whose name begins like this.
async fn count(lab: &Lab, prefix: &str) -> usize {
    let rows = lab.db.rows_of_zone("domain.com").await.expect("rows");
    rows.iter().filter(|row| row.kind.as_deref() == Some("A") && row.name.starts_with(prefix)).count()
}

async fn counts(lab: &Lab, prefix: &str, expected: usize) {
    poll(&format!("{expected} A records begin with {prefix}"), LIMIT, async || {
        let found = count(lab, prefix).await;
        if found == expected { Ok(()) } else { Err(format!("{found} do")) }
    })
    .await;
}

/// The held sets that stand in the ledger, as 8 digits and in the order of size.
async fn stored(lab: &Lab) -> Vec<(String, u64)> {
    let sql = "SELECT LOWER(LPAD(HEX(held_hash), 8, '0')), COUNT(*) FROM cs_powerdns_ledger \
               WHERE held_hash <> 0 GROUP BY held_hash ORDER BY COUNT(*) DESC";
    lab.db.query(sql).await.expect("the ledger")
}

/// What was drawn on the loss budget, ever since.
async fn drawn(lab: &Lab) -> f64 {
    lab.db.query("SELECT COALESCE(SUM(used), 0e0) FROM cs_powerdns_budget").await.expect("the budget")[0]
}

fn ended(output: &Output, code: i32) {
    assert_eq!(output.code, code, "{}\n{}", output.stdout, output.stderr);
}

/// The hashes in the lines that say what is held, which are a contract.
fn hashes(output: &Output, records: u64) -> Vec<String> {
    let begin = format!("held: {records} records; to let them through: cs-powerdns approve ");
    output.stdout.lines().filter_map(|line| Some(line.strip_prefix(&begin)?.to_owned())).collect()
}

fn hash(output: &Output, records: u64) -> String {
    let hashes = hashes(output, records);
    assert_eq!(hashes.len(), 1, "one line about {records} records: {}\n{}", output.stdout, output.stderr);
    hashes[0].clone()
}

/// `sync`, which must end with so many records held in one set. Returns its hash.
async fn held(lab: &Lab, records: u64) -> String {
    let output = once(lab, &["sync"], &[]).await;
    ended(&output, 3);
    hash(&output, records)
}

async fn status(controller: &Controller) -> Result<Value, String> {
    let (_, body) = controller.get("/status").await.map_err(|error| format!("{error:#}"))?;
    serde_json::from_str(&body).map_err(|error| error.to_string())
}

/// Waits until a running controller shows these sets.
async fn shows(controller: &Controller, sets: &[(&str, u64)]) {
    let mut expected: Vec<Value> =
        sets.iter().map(|(hash, records)| serde_json::json!({"hash": hash, "records": records})).collect();
    expected.sort_by_key(ToString::to_string);
    poll(&format!("/status shows as held {sets:?}"), LIMIT, async || {
        let status = status(controller).await?;
        let mut found = status["held_sets"].as_array().cloned().unwrap_or_default();
        found.sort_by_key(ToString::to_string);
        let counted = metric(controller, "cs_powerdns_held_sets").await?.to_string();
        if found == expected && counted == sets.len().to_string() {
            Ok(())
        } else {
            Err(format!("{counted}: {found:?}\n{}", controller.output()))
        }
    })
    .await;
}

/// An API that is not there.
const NO_API: (&str, &str) = ("CS_ENDPOINT", "http://127.0.0.1:1/client/api");

#[tokio::test]
async fn the_hash_that_plan_shows_is_the_one_that_sync_stores_and_run_shows() {
    let mut lab = Lab::new("same_hash").await;
    example(&lab).await;
    let ids = create(&lab, 40);
    sync(&lab, &[]).await;
    // Of two kinds: a rename shows in the first listing, an absence is proved by the second.
    vanish(&lab, &ids[..15]);
    rename(&lab, &ids[15..21], 16, "other");
    lab.forget_writes().await;
    let plan = once(&lab, &["plan"], &[]).await;
    ended(&plan, 2);
    let shown = hash(&plan, 21);
    let line = format!("! vm1.domain.com 60 A 198.51.0.2  (held, {shown}: its VM is gone; name of VM ");
    assert!(plan.stdout.contains(&line), "no `{line}` in\n{}", plan.stdout);
    let json = once(&lab, &["plan", "--json"], &[]).await;
    ended(&json, 2);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&json["held"], &json["held_hash"]), (&21.into(), &shown.clone().into()));
    assert_eq!(json["held_sets"], serde_json::json!([{"hash": shown, "records": 21}]));
    let of = |change: &&Value| change["action"] == "hold" && change["set"] == shown.as_str();
    assert_eq!(json["changes"].as_array().unwrap().iter().filter(of).count(), 21);
    assert_eq!(lab.writes_by_user(&[]).await, 0, "a plan writes nothing");

    assert_eq!(held(&lab, 21).await, shown, "sync names the set as plan did");
    assert_eq!(stored(&lab).await, [(shown.clone(), 21)]);
    assert_eq!((count(&lab, "vm").await, count(&lab, "other").await), (40, 6), "creates go on");
    let plan = once(&lab, &["plan"], &[]).await;
    ended(&plan, 2);
    assert_eq!(hash(&plan, 21), shown, "a later plan shows the stored set");

    lab.forget_writes().await;
    let serial = lab.db.serial("domain.com").await.unwrap();
    assert_eq!(held(&lab, 21).await, shown, "the set keeps its hash");
    let writes = lab.writes(&["cs_powerdns_owner"]).await;
    assert!(writes.is_empty(), "a second pass over a held world writes: {writes:?}");
    assert_eq!(lab.db.serial("domain.com").await.unwrap(), serial);

    let controller = serve(&lab, &[]).await;
    shows(&controller, &[(&shown, 21)]).await;
    readiness(&controller, 200, &format!("held: 21 records, set {shown}\n")).await;
    let (_, page) = controller.get("/").await.unwrap();
    assert!(page.contains(&format!("cs-powerdns approve {shown}")), "{page}");
    let status = status(&controller).await.unwrap();
    assert_eq!((&status["held"], &status["held_hash"]), (&21.into(), &shown.clone().into()));
    let name = status["names"].as_array().unwrap().iter().find(|name| name["name"] == "vm1.domain.com");
    let claim = &name.expect("a name with held records is listed")["claims"][0];
    assert_eq!(claim["state"], "held");
    assert_eq!(claim["detail"], format!("to let it through: cs-powerdns approve {shown}"));
}

#[tokio::test]
async fn what_is_desired_again_drops_out_of_its_set_without_any_event() {
    let lab = Lab::new("drops_out").await;
    example(&lab).await;
    let ids = create(&lab, 20);
    sync(&lab, &[]).await;
    rename(&lab, &ids[..15], 1, "other");
    let first = held(&lab, 15).await;
    rename(&lab, &ids[..1], 1, "vm");
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert_eq!(hash(&output, 14), first);
    let second = hash(&output, 1);
    assert_eq!(stored(&lab).await, [(first.clone(), 14), (second.clone(), 1)]);
    ended(&once(&lab, &["approve", &first, &second], &[NO_API]).await, 0);
    sync(&lab, &[]).await;
    answers(&lab, "vm1.domain.com", "A", &["198.51.0.2"]).await;
    assert_eq!((count(&lab, "vm").await, count(&lab, "other").await), (6, 14));
    assert!(drawn(&lab).await < 0.1, "nothing was drawn on the budget");
}

#[tokio::test]
async fn approval_lets_a_set_through_and_draws_nothing_from_the_budget() {
    let lab = Lab::new("approve").await;
    example(&lab).await;
    let unknown = once(&lab, &["approve", "0000ab12"], &[NO_API]).await;
    ended(&unknown, 1);
    assert!(unknown.stderr.contains("nothing was ever written"), "{}", unknown.stderr);
    let ids = create(&lab, 40);
    sync(&lab, &[]).await;
    let nothing = once(&lab, &["approve", "0000ab12"], &[]).await;
    ended(&nothing, 1);
    assert!(nothing.stderr.contains("no held set 0000ab12: nothing is held"), "{}", nothing.stderr);
    vanish(&lab, &ids[..20]);
    let set = held(&lab, 20).await;

    for bad in ["ab12", "0000ab1g", "00000000"] {
        let output = once(&lab, &["approve", bad], &[]).await;
        ended(&output, 1);
        assert!(output.stderr.contains("eight hexadecimal digits"), "{bad}: {}", output.stderr);
    }
    let both = once(&lab, &["approve", &set, "0000ab12"], &[]).await;
    ended(&both, 1);
    let line = format!("held: 20 records; to let them through: cs-powerdns approve {set}");
    assert!(both.stderr.contains(&line), "the error lists what is held: {}", both.stderr);
    ended(&once(&lab, &["sync"], &[]).await, 3);
    assert_eq!(count(&lab, "vm").await, 40, "one unknown hash approves nothing");

    ended(&once(&lab, &["approve", "--dry-run", &set], &[NO_API]).await, 2);
    let approved = once(&lab, &["approve", &set.to_uppercase()], &[NO_API]).await;
    ended(&approved, 0);
    assert!(approved.stdout.contains(&format!("approved: 20 records of held set {set}\n")), "{approved:?}");
    ended(&once(&lab, &["approve", "--dry-run", &set], &[NO_API]).await, 0);
    // Not even a budget of nothing stands in its way.
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "0")]).await;
    assert_eq!(count(&lab, "vm").await, 20);
    assert_eq!((stored(&lab).await, drawn(&lab).await), (vec![], 0.0));
    answers(&lab, "vm1.domain.com", "A", &[]).await;
    answers(&lab, "vm21.domain.com", "A", &["198.51.0.22"]).await;
    // The budget is as it was: 6 of 20 may go.
    vanish(&lab, &ids[20..26]);
    sync(&lab, &[]).await;
    assert_eq!(count(&lab, "vm").await, 14);
}

#[tokio::test]
async fn a_set_that_only_a_plan_has_shown_can_be_approved_in_advance() {
    let lab = Lab::new("in_advance").await;
    example(&lab).await;
    let ids = create(&lab, 40);
    sync(&lab, &[]).await;
    vanish(&lab, &ids[..20]);
    let plan = once(&lab, &["plan"], &[]).await;
    let set = hash(&plan, 20);
    ended(&once(&lab, &["approve", "--dry-run", &set], &[]).await, 2);
    let approved = once(&lab, &["approve", &set], &[]).await;
    ended(&approved, 0);
    assert!(approved.stdout.contains(&format!("approved: 20 records of held set {set}\n")), "{approved:?}");
    ended(&once(&lab, &["approve", &set], &[]).await, 0);
    let plan = once(&lab, &["plan"], &[]).await;
    ended(&plan, 2);
    assert!(plan.stdout.contains("20 to delete") && !plan.stdout.contains("held"), "{}", plan.stdout);
    sync(&lab, &[]).await;
    assert_eq!((count(&lab, "vm").await, drawn(&lab).await), (20, 0.0));
    // It is through: the same hash lets nothing more through an hour later.
    lab.db.exec("UPDATE cs_powerdns_approval SET at = at - INTERVAL 61 MINUTE").await.unwrap();
    sync(&lab, &[]).await;
    let left: Vec<u64> = lab.db.query("SELECT COUNT(*) FROM cs_powerdns_approval").await.unwrap();
    assert_eq!(left, [0], "an approval without a set is withdrawn after an hour");
}

#[tokio::test]
async fn a_held_replacement_keeps_the_old_row_until_it_is_approved() {
    let lab = Lab::new("replacement").await;
    example(&lab).await;
    let ids: Vec<String> =
        (1..=12).map(|at| lab.world().create_vm(vm(&format!("vm{at}"), &format!("192.0.2.{at}")))).collect();
    sync(&lab, &[]).await;
    for (at, id) in ids.iter().enumerate() {
        lab.world().silent().set_address(id, Some(&format!("192.0.2.{}", at + 101)), None);
    }
    // Each address has its PTR, which goes with it.
    let set = held(&lab, 24).await;
    answers(&lab, "vm1.domain.com", "A", &["192.0.2.1"]).await;
    answers(&lab, "1.2.0.192.in-addr.arpa", "PTR", &["vm1.domain.com."]).await;
    answers(&lab, "101.2.0.192.in-addr.arpa", "PTR", &[]).await;
    ended(&once(&lab, &["approve", &set], &[NO_API]).await, 0);
    sync(&lab, &[]).await;
    answers(&lab, "vm1.domain.com", "A", &["192.0.2.101"]).await;
    answers(&lab, "101.2.0.192.in-addr.arpa", "PTR", &["vm1.domain.com."]).await;
    for at in 1..=12 {
        let old = lab.db.rows(&format!("{at}.2.0.192.in-addr.arpa")).await.unwrap();
        assert_eq!(old, [], "the old address has no PTR any more");
    }
    assert_eq!((count(&lab, "vm").await, drawn(&lab).await), (12, 0.0));
}

#[tokio::test]
async fn a_set_keeps_its_hash_on_a_busy_controller_and_across_its_restarts() {
    let mut lab = Lab::new("busy").await;
    lab.kafka();
    example(&lab).await;
    let ids = create(&lab, 50);
    sync(&lab, &[]).await;
    rename(&lab, &ids[..25], 1, "other");
    let quickly = [("RESYNC_INTERVAL", "1s"), ("DNS_MAX_LOSS_PERCENT", "0")];
    let mut controller = serve_events(&lab, &quickly).await;
    poll("25 records are held", LIMIT, async || {
        let sets = stored(&lab).await;
        if sets.iter().map(|(_, records)| records).sum::<u64>() == 25 {
            Ok(())
        } else {
            Err(format!("{sets:?}"))
        }
    })
    .await;
    let first = stored(&lab).await[0].0.clone();
    shows(&controller, &[(&first, 25)]).await;

    // The world goes on: what is created comes, what is announced goes.
    let new = lab.world().create_vm(vm("new", "203.0.113.1"));
    lab.world().destroy_vm(&ids[49]);
    answers(&lab, "new.domain.com", "A", &["203.0.113.1"]).await;
    answers(&lab, "vm50.domain.com", "A", &[]).await;
    lab.world().rename_vm(&new, "newer");
    answers(&lab, "newer.domain.com", "A", &["203.0.113.1"]).await;
    answers(&lab, "new.domain.com", "A", &[]).await;
    // One member is desired again, and drops out.
    lab.world().rename_vm(&ids[0], "vm1");
    shows(&controller, &[(&first, 24)]).await;

    controller.kill().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
    let mut controller = serve(&lab, &quickly).await;
    shows(&controller, &[(&first, 24)]).await;
    let line = format!("held: 24 records; to let them through: cs-powerdns approve {first}");
    assert!(controller.output().contains(&line), "the log says it again: {}", controller.output());
    // What is found later is a set of its own.
    vanish(&lab, &ids[40..43]);
    poll("a second set stands in the ledger", LIMIT, async || {
        let sets = stored(&lab).await;
        if sets.len() == 2 { Ok(()) } else { Err(format!("{sets:?}\n{}", controller.output())) }
    })
    .await;
    let sets = stored(&lab).await;
    assert_eq!(((&sets[0].0, sets[0].1), sets[1].1), ((&first, 24), 3), "the first set is as it was");
    let second = sets[1].0.clone();
    controller.sigterm().unwrap();
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 0);
    let controller = serve(&lab, &quickly).await;
    shows(&controller, &[(&first, 24), (&second, 3)]).await;

    ended(&once(&lab, &["approve", &first], &[NO_API]).await, 0);
    counts(&lab, "vm", 25).await;
    shows(&controller, &[(&second, 3)]).await;
    let resyncs = metric(&controller, RESYNCS).await.unwrap();
    metric_reaches(&controller, RESYNCS, resyncs + 2.0).await;
    shows(&controller, &[(&second, 3)]).await;
    assert_eq!(count(&lab, "vm").await, 25, "the approval of one set lets no other through");
    poll("the approval of the set that is through is withdrawn", LIMIT, async || {
        let left: Vec<u64> = lab.db.query("SELECT hash FROM cs_powerdns_approval").await.unwrap();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    ended(&once(&lab, &["approve", &second], &[NO_API]).await, 0);
    counts(&lab, "vm", 22).await;
    shows(&controller, &[]).await;
    assert!(drawn(&lab).await < 0.1, "nothing was drawn on the budget");
    answers(&lab, "vm1.domain.com", "A", &["198.51.0.2"]).await;
}

#[tokio::test]
async fn while_anything_is_held_every_further_loss_is_and_both_sets_go_one_by_one() {
    let lab = Lab::new("beside").await;
    example(&lab).await;
    let ids = create(&lab, 50);
    sync(&lab, &[]).await;
    vanish(&lab, &ids[..20]);
    let first = held(&lab, 20).await;
    // One record alone would fit any budget.
    vanish(&lab, &ids[20..21]);
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert_eq!(hash(&output, 20), first, "the first set is as it was");
    let second = hash(&output, 1);
    assert_ne!(first, second);
    let plan = once(&lab, &["plan"], &[]).await;
    assert_eq!((hash(&plan, 20), hash(&plan, 1)), (first.clone(), second.clone()));
    ended(&once(&lab, &["approve", &second], &[NO_API]).await, 0);
    let output = once(&lab, &["sync"], &[]).await;
    ended(&output, 3);
    assert_eq!((hash(&output, 20), hashes(&output, 1)), (first, vec![]));
    assert_eq!((count(&lab, "vm").await, drawn(&lab).await), (49, 0.0));
    // Once what is held fits the budget, it goes without approval.
    sync(&lab, &[("DNS_MAX_LOSS_PERCENT", "50")]).await;
    assert_eq!(count(&lab, "vm").await, 29);
    assert!(drawn(&lab).await > 19.0);
}

#[tokio::test]
async fn a_crash_in_the_middle_of_an_approved_set_is_made_up_for_at_the_next_start() {
    let lab = Lab::new("crash").await;
    example(&lab).await;
    let ids = create(&lab, 1000);
    sync(&lab, &[]).await;
    vanish(&lab, &ids[..960]);
    let set = held(&lab, 960).await;
    // 960 names are two transactions. Each takes two seconds, so that the second one is under way when the
    // first one has been seen.
    let slow = "CREATE TRIGGER slow BEFORE DELETE ON records FOR EACH ROW DO SLEEP(0.004)";
    lab.db.exec(slow).await.unwrap();
    let mut controller = serve(&lab, &[]).await;
    shows(&controller, &[(&set, 960)]).await;
    ended(&once(&lab, &["approve", &set], &[NO_API]).await, 0);
    poll("some of the approved records are gone", LIMIT, async || {
        if count(&lab, "vm").await < 1000 { Ok(()) } else { Err(controller.output()) }
    })
    .await;
    controller.kill().unwrap();
    controller.wait_exit(LIMIT).await.unwrap();
    let left = u64::try_from(count(&lab, "vm").await).unwrap() - 40;
    assert!(0 < left && left < 960, "{left} of 960 are left: the crash came in the middle");
    assert_eq!(stored(&lab).await, [(set, left)], "what is left is in the set still");
    lab.db.exec("DROP TRIGGER slow").await.unwrap();
    let controller = serve(&lab, &[]).await;
    counts(&lab, "vm", 40).await;
    shows(&controller, &[]).await;
    assert_eq!((stored(&lab).await, drawn(&lab).await), (vec![], 0.0));
}

#[tokio::test]
async fn the_churn_of_one_tenant_never_holds_the_losses_of_another() {
    let mut lab = Lab::new("churn").await;
    lab.kafka();
    let domain = example(&lab).await;
    let other = lab.world().add_account(&domain, "other", None);
    let ids = create(&lab, 60);
    let quiet: Vec<String> = (1..=5)
        .map(|at| {
            let spec =
                VmSpec { v4: Some(format!("203.0.113.{at}")), ..VmSpec::new(&format!("quiet{at}"), &other) };
            lab.world().create_vm(spec)
        })
        .collect();
    let controller = serve_events(&lab, &[("RESYNC_INTERVAL", "1s")]).await;
    counts(&lab, "vm", 60).await;
    counts(&lab, "quiet", 5).await;
    // What a resync finds before its event does is nobody's announcement: one that knows nothing of it is under way.
    let late = Gate::default();
    lab.sim.fail_next_of(LIST, 1, Fault::Stale(late.clone()));
    poll("a listing waits for its answer", LIMIT, async || {
        if lab.sim.has_struck() { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    // Half of the records go, all of them announced.
    for (at, id) in ids.iter().enumerate().take(40) {
        match at % 2 {
            0 => lab.world().destroy_vm(id),
            _ => lab.world().rename_vm(id, &format!("renamed{at}")),
        }
        lab.world().create_vm(vm(&format!("fresh{at}"), &format!("198.51.100.{}", at + 1)));
    }
    counts(&lab, "vm", 20).await;
    counts(&lab, "renamed", 20).await;
    counts(&lab, "fresh", 40).await;
    // From here on resyncs come and see it too.
    vanish(&lab, &quiet[..1]);
    late.open();
    counts(&lab, "quiet", 4).await;
    assert_eq!(stored(&lab).await, [], "nothing was held: {}", controller.output());
    assert_eq!(metric(&controller, "cs_powerdns_held_records").await, Ok(0.0));
    let drawn = drawn(&lab).await;
    assert!((0.9..=1.0).contains(&drawn), "only the one silent loss draws on the budget: {drawn}");
}
