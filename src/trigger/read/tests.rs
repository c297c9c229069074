//! Every sample of fixtures/events, expected by what facts: cloudstack 1 and 2 say of it, and messages that
//! nobody should send.

use super::*;
use crate::model::{
    AccountId, DomainId, IpId, NetworkId, NicId, ProjectId,
    fuzz::{self, damaged, text},
};
use proptest::prelude::*;

const VM: &str = "0b6f3c1e-6a51-4d0e-9a44-5f6f0b8e1a01";
const IMPORTED: &str = "4fad7052-ae95-4142-9e88-9dad4fc25e05";

fn vm(id: &str) -> Reading {
    Reading::Marks(vec![Mark::Vm { id: id.parse().unwrap(), said_gone: false }])
}

fn gone(id: &str) -> Reading {
    Reading::Marks(vec![Mark::Vm { id: id.parse().unwrap(), said_gone: true }])
}

fn account(said_gone: bool) -> Reading {
    let id: AccountId = "edd2ab05-98ba-4b65-b94f-14ec595e37a3".parse().unwrap();
    Reading::Marks(vec![Mark::Account { id, said_gone }])
}

fn domain(n: u8, said_gone: bool) -> Reading {
    let id: DomainId = format!("e5e50000-0000-4000-8000-00000000000{n}").parse().unwrap();
    Reading::Marks(vec![Mark::Domain { id, said_gone }])
}

fn nic() -> Reading {
    let id: NicId = "a1a10000-0000-4000-8000-000000000001".parse().unwrap();
    Reading::Marks(vec![Mark::Nic(id)])
}

fn ip(start: &str) -> Reading {
    let id: IpId = format!("{start}-0000-4000-8000-000000000001").parse().unwrap();
    Reading::Marks(vec![Mark::Ip(id)])
}

fn network() -> Reading {
    let id: NetworkId = "b2b20000-0000-4000-8000-000000000001".parse().unwrap();
    Reading::Marks(vec![Mark::Network(id)])
}

fn expected(file: &str) -> Option<Reading> {
    let poison = |why| Some(Reading::Poison(why));
    Some(match file {
        "action-account-delete-completed.ge417.json" => account(true),
        "action-account-disable-completed.ge417.json"
        | "action-account-lock-completed.ge417.json"
        | "action-account-update-completed.le416.json"
        | "asyncjob-account-update-succeeded.ge416.json" => account(false),
        "action-domain-delete-completed.ge417.json" => domain(3, true),
        "action-domain-update-completed.ge417.json" => domain(2, false),
        "action-project-delete-completed.ge417.json" => {
            let id: ProjectId = "f6f60000-0000-4000-8000-000000000001".parse().unwrap();
            Reading::Marks(vec![Mark::Project { id, said_gone: true }])
        }
        "action-external-dhcp-ipfetch.ge417.json" => vm("50be8163-bfa6-4253-8f99-aebe50d36f06"),
        "action-net-ipassign-scheduled-updateVmNicIp.json"
        | "action-nic-secondaryip-assign-created.json"
        | "action-nic-secondaryip-configure-completed.json" => nic(),
        "action-nic-secondaryip-unassign-completed.json"
        | "asyncjob-removeIpFromNic-succeeded.ge416.json" => ip("55550000"),
        "action-staticnat-disable-completed.json" => ip("44440000"),
        "action-network-update-completed.ge417.json"
        | "resourcestate-network-no-status.json"
        | "usage-network-update.json" => network(),
        "action-nic-create-completed.ge417.json"
        | "action-nic-create-completed.le416.json"
        | "action-nic-delete-completed.json"
        | "action-nic-update-defaultnic-completed.json"
        | "action-noise-vm-snapshot-create.ge417.json"
        | "action-staticnat-enable-completed.ge417.json"
        | "action-vm-create-completed.ge417.json"
        | "action-vm-create-completed.le416.json"
        | "action-vm-create-created.le416.json"
        | "action-vm-create-scheduled.le416.json"
        | "action-vm-create-started.le416.json"
        | "action-vm-destroy-FAILED-still-completed.ge417.json"
        | "action-vm-move-completed.ge417.json"
        | "action-vm-recover-completed.ge417.json"
        | "action-vm-start-outofband.ge417.json"
        | "action-vm-update-completed.ge417.json"
        | "asyncjob-addIpToNic-succeeded.ge416.json"
        | "asyncjob-vm-create-inprogress.ge416.json"
        | "asyncjob-vm-create-succeeded.ge416.json"
        | "asyncjob-vm-create-succeeded.le415.json"
        | "asyncjob-vm-start-failed.ge416.json"
        | "asyncjob-vm-start-failed.le415.json"
        | "asyncjob-vm-start-succeeded.ge416.json"
        | "asyncjob-vm-start-succeeded.le415.json"
        | "resourcestate-vm-post-running.json"
        | "resourcestate-vm-post-stopped.json"
        | "resourcestate-vm-pre-starting.json"
        | "usage-network-offering-assign.json"
        | "usage-vm-create.json"
        | "usage-vm-destroy.json"
        | "usage-vm-start.json" => vm(VM),
        "action-vm-create-completed-project.ge417.json" => vm("2d8b5e30-8c73-4f20-9c66-7b8b2da03c03"),
        "action-vm-import-completed.ge417.json" | "resourcestate-vm-post-error.json" => vm(IMPORTED),
        "asyncjob-updateVmNicIp-succeeded.ge416.json" => vm("1c7a4d2f-7b62-4e1f-8b55-6a7a1c9f2b02"),
        // A router: only a look-up can tell that it is no user's VM.
        "resourcestate-noise-router-vm.json" => vm("deadbeef-0000-4000-8000-000000000001"),
        "action-vm-destroy-completed.ge417.json"
        | "action-vm-destroy-completed.le416.json"
        | "action-vm-expunge-completed.ge417.json"
        | "asyncjob-vm-destroy-succeeded.ge416.json"
        | "asyncjob-vm-destroy-succeeded.le415.json"
        | "resourcestate-vm-post-destroyed-precommit.json"
        | "resourcestate-vm-post-expunging.json" => gone(VM),
        "action-vm-unmanage-completed.ge417.json" => gone(IMPORTED),
        "action-vm-expunge-background-no-uuid.json" => Reading::Marks(vec![Mark::Resync]),
        "action-noise-user-login.json"
        | "alert-sync.json"
        | "resourcestate-noise-volume.json"
        | "resourcestate-vm-noise-running-running.json"
        | "usage-net-ip6-assign-no-id.json" => Reading::Irrelevant,
        "bad-empty.txt" => return poison("empty"),
        "bad-not-object.txt" | "bad-null-literal.txt" => return poison("not an object"),
        "bad-truncated.txt" => return poison("truncated"),
        _ => return None,
    })
}

fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/events");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut samples: Vec<(String, Vec<u8>)> = files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    samples.sort();
    samples
}

#[test]
fn every_sample_gives_the_marks_that_the_facts_say() {
    let samples = samples();
    assert!(samples.len() >= 72, "{}", samples.len());
    for (file, payload) in samples {
        let Some(expected) = expected(&file) else { panic!("no expectation for {file}") };
        assert_eq!(marks(None, Some(&payload)), expected, "{file}");
        assert_eq!(marks(Some(b""), Some(&payload)), expected, "{file} with an empty key");
    }
}

fn read(json: &str) -> Reading {
    marks(None, Some(json.as_bytes()))
}

#[test]
fn record_key_stands_in_where_a_vm_event_carries_no_id() {
    let json = r#"{"event":"VM.EXPUNGE","status":"Completed","description":"Successfully completed"}"#;
    assert_eq!(marks(Some(VM.as_bytes()), Some(json.as_bytes())), gone(VM));
    assert_eq!(marks(Some(b"not an id"), Some(json.as_bytes())), Reading::Marks(vec![Mark::Resync]));
    let user = r#"{"event":"USER.UPDATE","status":"Completed"}"#;
    assert_eq!(marks(Some(VM.as_bytes()), Some(user.as_bytes())), Reading::Irrelevant);
}

#[test]
fn failed_jobs_and_actions_never_say_that_something_is_gone() {
    let job = |status: &str| {
        read(&format!(
            r#"{{"commandEventType":"VM.EXPUNGE","jobId":"j","status":"{status}","instanceType":"VirtualMachine","instanceUuid":"{VM}"}}"#
        ))
    };
    assert_eq!(job("SUCCEEDED"), gone(VM));
    for status in ["FAILED", "CANCELLED", "IN_PROGRESS"] {
        assert_eq!(job(status), vm(VM));
    }
    let delete = |words: &str| {
        read(&format!(
            r#"{{"event":"ACCOUNT.DELETE","status":"Completed","description":"{words}","entity":"Account","entityuuid":"edd2ab05-98ba-4b65-b94f-14ec595e37a3"}}"#
        ))
    };
    assert_eq!(delete("Successfully completed deleting account"), account(true));
    assert_eq!(delete("Error while deleting account"), account(false));
}

#[test]
fn states_before_a_transition_never_say_that_a_vm_is_gone() {
    let json = format!(
        r#"{{"resource":"VirtualMachine","id":"{VM}","old-state":"Stopped","new-state":"Destroyed","status":"preStateTransitionEvent"}}"#
    );
    assert_eq!(read(&json), vm(VM));
}

#[test]
fn an_instance_is_trusted_only_where_its_type_says_vm() {
    let json = format!(
        r#"{{"commandEventType":"NIC.SECONDARY.IP.UNASSIGN","jobId":"j","status":"SUCCEEDED","instanceType":"IpAddress","instanceUuid":"{VM}"}}"#
    );
    assert_eq!(read(&json), Reading::Irrelevant);
}

#[test]
fn volume_events_do_not_mark_the_vm_that_they_name() {
    let json = format!(r#"{{"event":"VOLUME.ATTACH","status":"Completed","VirtualMachine":"{VM}"}}"#);
    assert_eq!(read(&json), Reading::Irrelevant);
}

#[test]
fn values_of_wrong_types_are_as_good_as_absent() {
    let json = format!(
        r#"{{"event":"VM.START","status":"Completed","VirtualMachine":{{"a":[1]}},"Nic":7,"entity":null,
        "description":["x"],"jobResult":[[]],"cmdInfo":"{{","entityuuid":true,"id":1.5,"Network":"{VM}"}}"#
    );
    assert_eq!(read(&json), Reading::Marks(vec![Mark::Resync]));
    let deep = format!(r#"{{"event":"VM.START","status":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(read(&deep), Reading::Poison(_) | Reading::Irrelevant));
}

#[test]
fn oversized_and_binary_messages_are_poison() {
    let long = format!(r#"{{"event":"{}"}}"#, "x".repeat(MAX_MESSAGE));
    assert_eq!(read(&long), Reading::Poison("longer than 1 MiB"));
    assert_eq!(marks(None, Some(b"{\"event\":\"\xff\"}")), Reading::Poison("not UTF-8"));
    assert_eq!(marks(None, None), Reading::Poison("empty"));
    assert_eq!(read("  "), Reading::Poison("not an object"));
    assert_eq!(read("{}{}"), Reading::Poison("not JSON"));
    assert_eq!(read("{}"), Reading::Irrelevant);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(key in any::<Option<Vec<u8>>>(), payload in any::<Vec<u8>>()) {
        let _ = marks(key.as_deref(), Some(&payload));
    }

    #[test]
    fn no_damage_to_a_sample_makes_the_reader_panic(
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let samples = samples();
        let (_, mut payload) = samples[pick.index(samples.len())].clone();
        if !payload.is_empty() {
            let at = at.index(payload.len());
            if cut { payload.truncate(at) } else { payload[at] = byte }
        }
        let _ = marks(None, Some(&payload));
    }
}

/// Hyphens stand where they must: an id of a mark is text of the message or of its key.
fn says(text: &[u8], id: &impl ToString) -> bool {
    String::from_utf8_lossy(text).to_ascii_lowercase().contains(&id.to_string())
}

proptest! {
    #[test]
    fn a_damaged_event_names_few_things_and_none_that_it_does_not_name(
        payload in damaged(fuzz::samples("events")),
        key in prop::option::of(text()),
    ) {
        let key = key.map(String::into_bytes);
        let Reading::Marks(marks) = marks(key.as_deref(), Some(&payload)) else { return Ok(()) };
        prop_assert!((1..=5).contains(&marks.len()), "{marks:?}");
        // An escape may hide an id from this look, not from the reader.
        if payload.contains(&b'\\') {
            return Ok(());
        }
        for mark in marks {
            let named = |id: &dyn Fn(&[u8]) -> bool| id(&payload) || key.as_deref().is_some_and(id);
            prop_assert!(match mark {
                Mark::Vm { id, .. } => named(&|text| says(text, &id)),
                Mark::Nic(id) => named(&|text| says(text, &id)),
                Mark::Network(id) => named(&|text| says(text, &id)),
                Mark::Ip(id) => named(&|text| says(text, &id)),
                Mark::Account { id, .. } => named(&|text| says(text, &id)),
                Mark::Domain { id, .. } => named(&|text| says(text, &id)),
                Mark::Project { id, .. } => named(&|text| says(text, &id)),
                Mark::Resync => true,
            }, "{mark:?}");
        }
    }
}
