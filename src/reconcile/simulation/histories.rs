//! Random histories, a line an act: see [`super`].

use proptest::prelude::*;

fn any_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

fn number() -> impl Strategy<Value = u32> {
    1..5_u32
}

/// What becomes of a VM, and which one it is.
fn vm_or_end() -> impl Strategy<Value = (String, u32)> {
    let names = any_of(&["web", "web", "db", "www-00000001"]);
    let place = (any_of(&["one", "one", "two"]), any_of(&[".1", ".2", ".3", ".1,::1", "-"]));
    let rest = (any_of(&["-", "-", "www"]), any_of(&["shared", "isolated"]));
    let vm = (names, place, rest).prop_map(|(name, (account, address), (group, network))| {
        let how = format!("{name} {account} {address} {group} {network}");
        ("vm", how)
    });
    let ends = any_of(&["destroy", "destroy", "recover", "expunge", "expunge", "unseen"]);
    let what = prop_oneof![2 => vm, 1 => ends.prop_map(|end| (end, String::new()))];
    (what, number()).prop_map(|((what, how), vm)| (format!("{what} {vm} {how}").trim_end().to_owned(), vm))
}

/// What happens in the cloud, and what events tell of it.
fn cloud() -> impl Strategy<Value = String> {
    let tell = (any_of(&["tell", "tell", "tell", "tell-gone"]), number());
    let account = (any_of(&["one", "two"]), any_of(&["a.org", "b.org", "-", "hidden", "listed", "listed"]));
    prop_oneof![
        10 => vm_or_end().prop_map(|(act, _)| act),
        6 => tell.prop_map(|(how, vm)| format!("{how} {vm}")),
        2 => account.prop_map(|(account, how)| format!("account {account} {how}")),
        1 => any_of(&["tell-account one", "tell-account two", "resync", "assigned"]).prop_map(str::to_owned),
    ]
}

/// What operators do.
fn operator() -> impl Strategy<Value = String> {
    let at = any_of(&["web.a.org", "web.c.org", "db.b.org", "www-00000001.a.org", "1.2.0.192.in-addr.arpa"]);
    let insert =
        (at, any_of(&[".1", ".9"]), any_of(&["", "", " ttl=30", " disabled"])).prop_map(|(at, what, how)| {
            if at.ends_with("arpa") {
                format!("insert {at} PTR x{what}.org{how}")
            } else {
                format!("insert {at} A {what}{how}")
            }
        });
    let odd = any_of(&[
        "insert web.a.org CNAME x.org",
        "insert web.a.org NS ns.x.org",
        "insert x.web.a.org A .9",
        "insert x.9.2.0.192.in-addr.arpa PTR x.org",
        "zone b.org",
        "zone b.org",
        "zone web.a.org",
        "unzone a.org",
        "unzone b.org",
        "zone a.org",
        "serial a.org -3",
        "serial c.org -1",
        "serial a.org 5",
        "approve",
    ]);
    let place = || 0..12_u32;
    let how = || any_of(&[".1", ".9", "ttl=30", "ttl=60", "disabled", "away"]);
    prop_oneof![
        4 => insert,
        3 => place().prop_map(|at| format!("delete {at}")),
        3 => (place(), how()).prop_map(|(at, how)| format!("update {at} {how}")),
        2 => place().prop_map(|at| format!("replace {at}")),
        1 => (place(), how()).prop_map(|(at, how)| format!("replace {at} {how}")),
        4 => odd.prop_map(str::to_owned),
    ]
}

/// What happens in the middle of what the engine does.
fn trap() -> impl Strategy<Value = String> {
    let points = any_of(&["ask", "hear", "read", "got", "write", "write", "write", "commit", "done"]);
    let how = prop_oneof![
        3 => any_of(&["fails", "fails", "refused", "slow 2", "slow 7", "slow 40"]).prop_map(str::to_owned),
        3 => operator(),
        2 => cloud(),
        1 => any_of(&["crash", "take-over", "take-over untold"]).prop_map(str::to_owned),
    ];
    (points, 0..12_u32, how).prop_map(|(point, nth, how)| format!("at {point} {nth}: {how}"))
}

/// A few lines that belong together.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let one = |line: BoxedStrategy<String>| line.prop_map(|line| vec![line]);
    // Events come before and after what they tell of, once, twice or never.
    let told = (vm_or_end(), 0..8_u32).prop_map(|((act, vm), order)| {
        let tell = || format!("tell {vm}");
        match order {
            0 => vec![tell(), act],
            1 => vec![tell(), tell(), act, "wait 3".to_owned()],
            2 => vec![act],
            _ => vec![act, tell()],
        }
    });
    // An operator between two statements of the transaction that serves a VM.
    let race = (0..8_u32, operator(), vm_or_end()).prop_map(|(nth, edit, (act, vm))| {
        vec![format!("at write {nth}: {edit}"), act, format!("tell {vm}")]
    });
    // A page that is older than a look and arrives after it.
    let overtaken = (0..5_u32, vm_or_end()).prop_map(|(nth, (act, vm))| {
        let slow = [format!("at hear {nth}: slow 7"), "resync".to_owned(), "wait 1".to_owned()];
        [vec!["wait 12".to_owned()], slow.to_vec(), vec![act, format!("tell {vm}"), "wait 12".to_owned()]]
            .concat()
    });
    let missing = (any_of(&["expunge", "unseen"]), number()).prop_map(|(how, vm)| {
        ["wait 12", &format!("{how} {vm}"), "resync", "wait 3"].map(str::to_owned).to_vec()
    });
    let wait = any_of(&["wait 1", "wait 3", "wait 12", "wait 35", "wait 70"]).prop_map(str::to_owned);
    let lease = any_of(&["crash", "take-over", "take-over untold"]).prop_map(str::to_owned);
    prop_oneof![
        10 => told,
        4 => race,
        2 => overtaken,
        2 => missing,
        3 => one(cloud().boxed()),
        6 => one(operator().boxed()),
        8 => one(trap().boxed()),
        5 => one(wait.boxed()),
        1 => one(lease.boxed()),
    ]
}

/// Any histories; some begin with more VMs than may go unannounced, and lose them.
pub fn histories() -> impl Strategy<Value = Vec<String>> {
    let few = || prop::collection::vec(lines(), 1..40).prop_map(|lines| lines.concat());
    let many = (few(), any::<prop::sample::Index>(), any::<bool>()).prop_map(|(mut lines, at, vanish)| {
        let at = at.index(lines.len());
        if vanish {
            lines.insert(at, "vanish".to_owned());
        }
        let fleet = (5..10).map(|vm| format!("vm {vm} v{vm} one .{vm} www isolated"));
        fleet.chain(["wait 12".to_owned()]).chain(lines).collect()
    });
    prop_oneof![3 => few(), 1 => many]
}
