//! An API that fails, lies or hangs: `sync` deletes nothing for it, says what is wrong, and does its
//! work once the fault has ended.

use super::support::{example, once, sync, vm};
use std::time::{Duration, Instant};
use testbed::{Fault, Lab, Output, Row, sim::Body};

/// More than the ten records that may always go.
const VMS: usize = 12;

/// A lab with VMs that have their records.
async fn synced(test: &str) -> Lab {
    let lab = Lab::new(test).await;
    example(&lab).await;
    for at in 1..=VMS {
        lab.world().create_vm(vm(&format!("vm{at}"), &format!("192.0.2.{at}")));
    }
    sync(&lab, &[]).await;
    assert_eq!(records(&lab).await.len(), 2 * VMS, "each VM has an A and a PTR");
    lab
}

async fn records(lab: &Lab) -> Vec<Row> {
    let mut rows = lab.db.rows_of_zone("domain.com").await.expect("rows");
    rows.extend(lab.db.rows_of_zone("2.0.192.in-addr.arpa").await.expect("rows"));
    rows.retain(|row| matches!(row.kind.as_deref(), Some("A" | "PTR")));
    rows
}

async fn sync_under(lab: &Lab, more: &[(&str, &str)]) -> (Output, Duration) {
    let begun = Instant::now();
    (once(lab, &["sync"], more).await, begun.elapsed())
}

fn json(status: u16, text: &str) -> Fault {
    Fault::Status(status, Body::Json(text.into()))
}

#[tokio::test]
async fn faults_that_end_cost_time_and_no_record() {
    let mut lab = synced("passing_faults").await;
    let before = records(&lab).await;
    for (what, fault) in [
        ("an answer that is cut off", Fault::Truncate),
        ("a proxy's 503", Fault::Html503),
        (
            "the rate limit",
            json(429, "The given user has reached his/her account api limit, please retry after [100] ms."),
        ),
        ("an internal error", json(530, "Internal error executing command")),
        ("a count that is too high", Fault::WrongCount(3)),
        ("a short page", Fault::ShortPage),
        ("a reset connection", Fault::Reset),
        ("no answer", Fault::Hang),
    ] {
        // More than the tries of one call, so that a whole pass fails; then some in the middle of the next.
        lab.sim.fail_next_of("listVirtualMachines", 5, fault.clone());
        lab.sim.fail_after(Some("listAccounts"), 1, 2, fault.clone());
        lab.sim.fail_after(Some("listDomains"), 1, 1, fault);
        lab.forget_writes().await;
        let (output, took) = sync_under(&lab, &[("CS_TIMEOUT", "1s")]).await;
        assert_eq!(output.code, 0, "after {what} sync should end well: {}", output.stderr);
        assert!(took < Duration::from_secs(60), "{what}: {took:?}");
        assert_eq!(lab.writes(&["cs_powerdns_owner"]).await, Vec::<String>::new(), "{what} made sync write");
        lab.sim.heal();
    }
    assert_eq!(records(&lab).await, before, "no record has gone, and none has changed");
}

#[tokio::test]
async fn what_nobody_but_an_operator_can_mend_ends_sync_at_once_with_the_reason() {
    let lab = synced("lasting_faults").await;
    let before = records(&lab).await;
    let credentials = "unable to verify user credentials and/or request signature";
    let role = "The given command:listAccounts either does not exist, is not available for user";
    for (command, fault, words) in [
        (None, json(401, credentials), "check CS_API_KEY and CS_SECRET_KEY"),
        (Some("listAccounts"), json(401, role), "allow listAccounts in the role's rules"),
        (Some("listVirtualMachines"), json(431, "Unable to find something"), "listVirtualMachines"),
        (Some("listVirtualMachines"), json(531, "Acct does not have permission"), "denies permission"),
        (Some("listDomains"), Fault::EmptyObject, "listDomains"),
    ] {
        lab.sim.fail_after(command, 0, 1_000_000, fault.clone());
        let (output, took) = sync_under(&lab, &[]).await;
        assert_eq!(output.code, 1, "{fault:?}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(words), "{fault:?}: no `{words}` in {}", output.stderr);
        assert!(output.stderr.contains("error: "), "{}", output.stderr);
        assert!(took < Duration::from_secs(20), "{fault:?} took {took:?}");
        lab.sim.heal();
    }
    assert_eq!(records(&lab).await, before, "no record has gone");
    lab.world().create_vm(vm("later", "192.0.2.99"));
    sync(&lab, &[]).await;
    assert_eq!(lab.db.contents("later.domain.com", "A").await.unwrap(), ["192.0.2.99"]);
}

#[tokio::test]
async fn an_api_that_shows_no_vm_at_all_has_its_losses_held() {
    let lab = synced("nothing_listed").await;
    let before = records(&lab).await;
    lab.sim.fail_after(Some("listVirtualMachines"), 0, 1_000_000, Fault::EmptyObject);
    let (output, _) = sync_under(&lab, &[]).await;
    assert_eq!(output.code, 3, "losses are held: {}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("held: 24 records"), "{}", output.stdout);
    assert_eq!(records(&lab).await, before, "no record has gone");
    lab.sim.heal();
    sync(&lab, &[]).await;
    assert_eq!(records(&lab).await, before, "and none goes once the VMs are back");
}

#[tokio::test]
async fn listings_that_come_empty_are_not_believed() {
    let lab = synced("empty_once").await;
    let before = records(&lab).await;
    // Two listings in a row lack all VMs; looking each of them up shows that they are there.
    for (command, times) in [("listVirtualMachines", 2), ("listAccounts", 1)] {
        lab.sim.fail_next_of(command, times, Fault::EmptyObject);
        let (output, _) = sync_under(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
        assert_eq!(output.code, 0, "{command}: {}{}", output.stdout, output.stderr);
        assert_eq!(records(&lab).await, before, "{times} empty {command} took records away");
        lab.sim.heal();
    }
}

#[tokio::test]
async fn vms_whose_accounts_are_not_listed_keep_their_records() {
    let lab = synced("no_accounts").await;
    let before = records(&lab).await;
    lab.sim.fail_after(Some("listAccounts"), 0, 1_000_000, Fault::EmptyObject);
    let (output, _) = sync_under(&lab, &[("DNS_MAX_LOSS_PERCENT", "100")]).await;
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!(records(&lab).await, before, "frozen VMs keep what they have");
}

#[tokio::test]
async fn a_server_that_allows_smaller_pages_only_is_listed_whole() {
    let lab = Lab::new("small_pages").await;
    example(&lab).await;
    lab.db.zone("100.51.198.in-addr.arpa").await.unwrap();
    lab.world().set_max_page(100);
    for at in 0..230 {
        let net = if at < 115 { "192.0.2" } else { "198.51.100" };
        lab.world().create_vm(vm(&format!("vm{at}"), &format!("{net}.{}", at % 115 + 1)));
    }
    sync(&lab, &[]).await;
    for name in ["vm0.domain.com", "vm99.domain.com", "vm100.domain.com", "vm229.domain.com"] {
        assert_eq!(lab.db.contents(name, "A").await.unwrap().len(), 1, "{name} should have its address");
    }
    let rows = lab.db.rows_of_zone("domain.com").await.unwrap();
    assert_eq!(rows.iter().filter(|row| row.kind.as_deref() == Some("A")).count(), 230);
}
