//! What a VM's state means for its records.

use super::{
    rules_support::{REVERSE, no_such_name, put, says, settled, tenant, zones},
    support::sync,
};
use testbed::{Lab, VmSpec};

const ONE: &str = "1.2.0.192.in-addr.arpa";

async fn lab_with_zones(test: &str) -> (Lab, String) {
    let lab = Lab::new(test).await;
    let account = tenant(&lab, None, Some("corp.org"));
    zones(&lab, &["corp.org", REVERSE]).await;
    (lab, account)
}

#[tokio::test]
async fn every_state_but_destroyed_expunging_and_error_has_records() {
    let (mut lab, account) = lab_with_zones("states").await;
    let with = [
        "Running",
        "Stopped",
        "Starting",
        "Stopping",
        "Migrating",
        "Restoring",
        "Unknown",
        "Shutdown",
        "NewOne",
    ];
    let without = ["Destroyed", "Expunging", "Error"];
    for (at, state) in with.iter().chain(&without).enumerate() {
        let vm = VmSpec::new(&format!("vm-{state}"), &account).v4(&format!("192.0.2.{at}"));
        lab.world().create_vm(vm.state(state));
    }
    sync(&lab, &[]).await;
    for (at, state) in with.iter().enumerate() {
        says(&lab, &format!("vm-{}.corp.org", state.to_lowercase()), "A", &[&format!("192.0.2.{at}")]).await;
    }
    for state in without {
        no_such_name(&lab, &format!("vm-{}.corp.org", state.to_lowercase())).await;
    }
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn transitional_states_write_nothing_to_a_live_name() {
    let (mut lab, account) = lab_with_zones("transitional").await;
    let vm = put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    for state in ["Migrating", "Stopping", "Stopped", "Starting", "Running"] {
        lab.world().set_state(&vm, state);
        settled(&mut lab, &[]).await;
        says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    }
}

#[tokio::test]
async fn states_without_records_take_what_a_vm_has() {
    let (mut lab, account) = lab_with_zones("states_end").await;
    let states = ["Destroyed", "Expunging", "Error"];
    let vms: Vec<String> =
        (0..3).map(|at| put(&lab, &account, &format!("vm{at}"), &format!("192.0.2.{at}"))).collect();
    let expunged = put(&lab, &account, "expunged", "192.0.2.3");
    sync(&lab, &[]).await;
    for (vm, state) in vms.iter().zip(states) {
        lab.world().set_state(vm, state);
    }
    lab.world().expunge_vm(&expunged);
    sync(&lab, &[]).await;
    for at in 0..4 {
        no_such_name(&lab, &format!("{at}.2.0.192.in-addr.arpa")).await;
        no_such_name(&lab, &if at < 3 { format!("vm{at}.corp.org") } else { "expunged.corp.org".into() })
            .await;
    }
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn dns_stopped_says_what_being_stopped_means() {
    let (mut lab, account) = lab_with_zones("stopped").await;
    let group = format!("www-{}.corp.org", &account[..8]);
    lab.world().create_vm(VmSpec::new("web", &account).v4("192.0.2.1").group("www").state("Stopped"));
    lab.world().create_vm(VmSpec::new("two", &account).v4("192.0.2.2").group("www"));
    for (policy, in_group, named) in [
        ("keep", true, true),
        ("groups", false, true),
        ("remove", false, false),
        ("groups", false, true),
        ("keep", true, true),
    ] {
        let policy = [("DNS_STOPPED", policy)];
        sync(&lab, &policy).await;
        let members: &[&str] = if in_group { &["192.0.2.1", "192.0.2.2"] } else { &["192.0.2.2"] };
        says(&lab, &group, "A", members).await;
        if named {
            says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
            says(&lab, ONE, "PTR", &["web.corp.org."]).await;
        } else {
            no_such_name(&lab, "web.corp.org").await;
            no_such_name(&lab, ONE).await;
        }
        settled(&mut lab, &policy).await;
    }
}

#[tokio::test]
async fn a_recovered_vm_has_its_records_back() {
    let (mut lab, account) = lab_with_zones("recover").await;
    let vm = lab.world().create_vm(VmSpec::new("web", &account).v4("192.0.2.1").group("www"));
    sync(&lab, &[]).await;
    lab.world().destroy_vm(&vm);
    sync(&lab, &[]).await;
    no_such_name(&lab, "web.corp.org").await;
    no_such_name(&lab, &format!("www-{}.corp.org", &account[..8])).await;
    lab.world().recover_vm(&vm);
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, &format!("www-{}.corp.org", &account[..8]), "A", &["192.0.2.1"]).await;
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
    settled(&mut lab, &[]).await;
}

#[tokio::test]
async fn a_recovered_vm_does_not_take_a_name_that_another_holds_by_now() {
    let (mut lab, account) = lab_with_zones("recover_taken").await;
    let old = put(&lab, &account, "web", "192.0.2.1");
    sync(&lab, &[]).await;
    lab.world().destroy_vm(&old);
    let new = put(&lab, &account, "web", "192.0.2.2");
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.2"]).await;
    lab.world().recover_vm(&old);
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.2"]).await;
    no_such_name(&lab, ONE).await;
    settled(&mut lab, &[]).await;
    lab.world().destroy_vm(&new);
    sync(&lab, &[]).await;
    says(&lab, "web.corp.org", "A", &["192.0.2.1"]).await;
    says(&lab, ONE, "PTR", &["web.corp.org."]).await;
    no_such_name(&lab, "2.2.0.192.in-addr.arpa").await;
    settled(&mut lab, &[]).await;
}
