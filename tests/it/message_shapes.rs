//! Every shape of message that either generation of CloudStack sends for a change ends right in DNS,
//! without the help of a resync.

use super::support::{ACCOUNT, EVENTS_ONLY, answers, example, serve_events, vm};
use std::time::Duration;
use testbed::{Fault, Generation, Lab, VmSpec};

const GROUP: &str = "edd2ab05.domain.com";

async fn lab_with_kafka(test: &str) -> Lab {
    let mut lab = Lab::new(test).await;
    lab.kafka();
    lab
}

/// Create, rename, address, group, destroy, recover, expunge.
async fn a_vm_is_followed_through_its_life(generation: Generation) {
    let lab = lab_with_kafka("life").await;
    example(&lab).await;
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    let world = lab.world().generation(generation);
    let id = world.create_vm(VmSpec { group: Some("www".into()), ..vm("web", "192.0.2.10") });
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, &format!("www-{GROUP}"), "A", &["192.0.2.10"]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["web.domain.com."]).await;
    world.rename_vm(&id, "Web2");
    answers(&lab, "web2.domain.com", "A", &["192.0.2.10"]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    // These messages name nothing but the interface.
    world.set_address(&id, Some("192.0.2.11"), Some("2001:db8::11"));
    answers(&lab, "web2.domain.com", "A", &["192.0.2.11"]).await;
    answers(&lab, "web2.domain.com", "AAAA", &["2001:db8::11"]).await;
    answers(&lab, "11.2.0.192.in-addr.arpa", "PTR", &["web2.domain.com."]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &[]).await;
    world.set_group(&id, Some("data base"));
    answers(&lab, &format!("database-{GROUP}"), "A", &["192.0.2.11"]).await;
    answers(&lab, &format!("www-{GROUP}"), "A", &[]).await;
    world.destroy_vm(&id);
    answers(&lab, "web2.domain.com", "A", &[]).await;
    answers(&lab, "web2.domain.com", "AAAA", &[]).await;
    answers(&lab, "11.2.0.192.in-addr.arpa", "PTR", &[]).await;
    world.recover_vm(&id);
    answers(&lab, "web2.domain.com", "A", &["192.0.2.11"]).await;
    world.expunge_vm(&id);
    answers(&lab, "web2.domain.com", "A", &[]).await;
    answers(&lab, &format!("database-{GROUP}"), "A", &[]).await;
    drop(controller);
}

/// Network domains of account and domain, a move, and the end of an account with all its VMs.
async fn owners_are_followed(generation: Generation) {
    let lab = lab_with_kafka("owners").await;
    let domain = example(&lab).await;
    for zone in ["corp.example", "else.example"] {
        lab.db.zone(zone).await.expect("a zone");
    }
    let controller = serve_events(&lab, &EVENTS_ONLY).await;
    let world = lab.world().generation(generation);
    let id = world.create_vm(vm("web", "192.0.2.10"));
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    world.set_account_network_domain(ACCOUNT, Some("corp.example"));
    answers(&lab, "web.corp.example", "A", &["192.0.2.10"]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    world.set_account_network_domain(ACCOUNT, None);
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    world.set_domain_network_domain(&domain, Some("corp.example"));
    answers(&lab, "web.corp.example", "A", &["192.0.2.10"]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["web.corp.example."]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    let other = world.add_account(&domain, "others", Some("else.example"));
    world.move_vm(&id, &other);
    answers(&lab, "web.else.example", "A", &["192.0.2.10"]).await;
    answers(&lab, "web.corp.example", "A", &[]).await;
    world.create_vm(VmSpec { owner: other.clone(), ..vm("second", "192.0.2.20") });
    answers(&lab, "second.else.example", "A", &["192.0.2.20"]).await;
    world.create_vm(vm("stays", "192.0.2.30"));
    answers(&lab, "stays.corp.example", "A", &["192.0.2.30"]).await;
    world.delete_account(&other);
    for name in ["web.else.example", "second.else.example"] {
        answers(&lab, name, "A", &[]).await;
    }
    answers(&lab, "stays.corp.example", "A", &["192.0.2.30"]).await;
    drop(controller);
}

#[tokio::test]
async fn a_vm_that_moves_to_an_owner_not_known_yet_takes_its_names_along() {
    let lab = lab_with_kafka("owner_late").await;
    let domain = example(&lab).await;
    lab.db.zone("else.example").await.unwrap();
    // What nobody announced is held: a move is announced, whenever its owner becomes known.
    let settings = [EVENTS_ONLY[0], EVENTS_ONLY[1], ("DNS_MAX_LOSS_PERCENT", "0")];
    let controller = serve_events(&lab, &settings).await;
    let id = lab.world().create_vm(vm("web", "192.0.2.10"));
    answers(&lab, "web.domain.com", "A", &["192.0.2.10"]).await;
    lab.sim.fail_next_of("listAccounts", 1, Fault::Late(Duration::from_secs(2)));
    let other = lab.world().add_account(&domain, "others", Some("else.example"));
    lab.world().move_vm(&id, &other);
    answers(&lab, "web.else.example", "A", &["192.0.2.10"]).await;
    answers(&lab, "web.domain.com", "A", &[]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["web.else.example."]).await;
    drop(controller);
}

#[tokio::test]
async fn vms_whose_owner_is_gone_before_them_lose_their_names_once_they_are_gone() {
    let lab = lab_with_kafka("owner_gone_first").await;
    let domain = example(&lab).await;
    lab.db.zone("else.example").await.unwrap();
    let other = lab.world().add_account(&domain, "others", Some("else.example"));
    let settings = [EVENTS_ONLY[0], EVENTS_ONLY[1], ("DNS_MAX_LOSS_PERCENT", "0")];
    let controller = serve_events(&lab, &settings).await;
    lab.world().create_vm(VmSpec { owner: other.clone(), ..vm("web", "192.0.2.10") });
    answers(&lab, "web.else.example", "A", &["192.0.2.10"]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &["web.else.example."]).await;
    lab.sim.fail_next_of("listVirtualMachines", 1, Fault::Late(Duration::from_secs(2)));
    lab.world().delete_account(&other);
    answers(&lab, "web.else.example", "A", &[]).await;
    answers(&lab, "10.2.0.192.in-addr.arpa", "PTR", &[]).await;
    drop(controller);
}

#[tokio::test]
async fn old_messages_about_a_vm_end_right_in_dns() {
    a_vm_is_followed_through_its_life(Generation::Old).await;
}

#[tokio::test]
async fn new_messages_about_a_vm_end_right_in_dns() {
    a_vm_is_followed_through_its_life(Generation::New).await;
}

#[tokio::test]
async fn old_messages_about_owners_end_right_in_dns() {
    owners_are_followed(Generation::Old).await;
}

#[tokio::test]
async fn new_messages_about_owners_end_right_in_dns() {
    owners_are_followed(Generation::New).await;
}
