//! Answers with damage: read as far as they can be, and quoted by no error.

use super::{
    answer, time,
    wire::{self, Listed},
};
use crate::model::{
    Account, Domain, Project, Vm,
    fuzz::{damaged, samples, text},
};
use proptest::prelude::*;

/// What a password in an answer would look like.
const SECRET: &str = "PlantedPassword-h7Q";
const COMMANDS: [&str; 5] =
    ["listVirtualMachines", "listAccounts", "listDomains", "listProjects", "listCapabilities"];

/// The samples, each with a secret as one more member of each object.
fn planted() -> Vec<Vec<u8>> {
    let plant = |bytes: Vec<u8>| match String::from_utf8(bytes) {
        Ok(text) => text.replace("\"name\"", &format!("\"password\": \"{SECRET}\", \"name\"")).into_bytes(),
        Err(error) => error.into_bytes(),
    };
    samples("cloudstack").into_iter().map(plant).collect()
}

/// An error and its causes, as they are shown and as they are debugged.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|error| format!("{error} {error:?}")).collect::<Vec<_>>().join(" ")
}

/// The page, if it is one; whatever it is not is told without the answer's words.
fn page<T: Listed>(bytes: &[u8]) -> Vec<T> {
    match wire::page::<T>(bytes) {
        Ok(page) => {
            assert_eq!(page.good.len() + page.unread.len(), page.len);
            assert!(page.len <= bytes.len(), "more items than bytes");
            page.good
        }
        Err(error) => {
            assert!(!told(&error).contains("Planted"), "{error:?}");
            Vec::new()
        }
    }
}

proptest! {
    #[test]
    fn a_damaged_listing_is_read_without_trust_and_quoted_by_no_error(bytes in damaged(planted())) {
        for vm in page::<Vm>(&bytes) {
            prop_assert!(!vm.name.is_empty() && vm.name.len() <= 3 * bytes.len());
            prop_assert!(vm.flaws.len() <= 8);
            for flaw in &vm.flaws {
                prop_assert!(flaw.chars().count() < 700 && !flaw.contains(char::is_control), "{flaw}");
            }
        }
        page::<Account>(&bytes);
        for domain in page::<Domain>(&bytes) {
            prop_assert!(domain.path.len() <= 3 * bytes.len());
        }
        page::<Project>(&bytes);
    }

    #[test]
    fn a_damaged_error_is_told_in_bounded_words_without_keys(
        bytes in damaged(planted()),
        status in prop_oneof![Just(200), Just(401), Just(431), Just(530), any::<u16>()],
        command in 0..COMMANDS.len(),
        key in "[A-Za-z0-9_-]{20,90}",
        near in text(),
        times in 0..40_usize,
    ) {
        // A server that repeats our key, in words of its own.
        let key = format!("Planted{key}");
        let words = serde_json::Value::String(format!("{near}{}", key.repeat(times))).to_string();
        let body = String::from_utf8_lossy(&bytes).replace("\"errortext\":", &format!("\"errortext\": {words}, \"\":"));
        let secrets = [key.as_str(), SECRET];
        if let Err(error) = answer::check(COMMANDS[command], status, body.as_bytes(), &secrets) {
            let told = told(&error);
            prop_assert!(!told.contains("Planted"), "{told}");
            prop_assert!(told.chars().count() < 4000, "{told}");
            prop_assert!(!error.to_string().contains(char::is_control));
            let _ = (error.is_transient(), error.is_no_such_entity(), error.allowed_page_size(), error.says_missing(&near));
        }
    }

    #[test]
    fn times_of_any_text_are_read_or_not(text in text(), seconds in -62_000_000_000..250_000_000_000_i64) {
        let _ = time::read(&text);
        prop_assert_eq!(time::read(&time::write(seconds)), Some(seconds));
    }
}
