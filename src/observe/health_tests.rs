use super::*;
use crate::{model::HeldSet, observe::Held};

const SETTINGS: HealthSettings = HealthSettings {
    api_timeout: Duration::from_secs(60),
    resync_interval: Duration::from_secs(600),
    lease_ttl: Duration::from_secs(15),
};

/// What can happen.
enum Did {
    Begin,
    Well(Pass),
    Badly(Pass),
    Be(Role),
}
use Did::{Badly, Be, Begin, Well};

/// What happened at which second.
type Events<'a> = &'a [(u64, Did)];

fn pulse(start: Instant, events: Events<'_>) -> Pulse {
    let mut pulse = Pulse::new(start);
    for (second, did) in events {
        let at = start + Duration::from_secs(*second);
        match did {
            Begin => pulse.begin(at),
            Well(pass) => pulse.end(*pass, at, Ok(())),
            Badly(pass) => pulse.end(*pass, at, Err("refused".into())),
            Be(role) => pulse.set_role(role.clone(), at),
        }
    }
    pulse
}

#[test]
fn health_is_that_attempts_end_or_pages_arrive() {
    let start = Instant::now();
    let standby = || Be(Role::Standby { holder: None });
    let holder = || Be(Role::Holder { epoch: 1 });
    let table: &[(&str, Events<'_>, Option<u64>, u64, bool)] = &[
        ("just started", &[], None, 180, true),
        ("a start that hangs", &[], None, 181, false),
        ("a start whose pages come", &[], Some(60), 600, true),
        ("a start whose pages came", &[], Some(181), 600, false),
        ("idle between two readings", &[(1, Begin), (2, Well(Pass::Zones))], None, 182, true),
        ("nothing begins any more", &[(1, Begin), (2, Well(Pass::Zones))], None, 183, false),
        ("a standby that reads the lease", &[(2, Well(Pass::Zones)), (999, standby())], None, 1000, true),
        ("a holder that only renews", &[(2, Well(Pass::Zones)), (999, holder())], None, 1000, false),
        ("a pass in time", &[(1, Begin), (2, Well(Pass::Resync)), (1000, Begin)], None, 1180, true),
        ("a pass that hangs", &[(1, Begin), (2, Well(Pass::Resync)), (1000, Begin)], None, 1181, false),
        ("one fails while one hangs", &[(1, Begin), (2, Begin), (90, Badly(Pass::Look))], None, 270, true),
        ("one hangs for long", &[(1, Begin), (2, Begin), (90, Badly(Pass::Look))], None, 271, false),
        ("failures end attempts", &[(1, Begin), (900, Badly(Pass::Resync))], None, 1000, true),
    ];
    for (what, events, page, second, ok) in table {
        let now = start + Duration::from_secs(*second);
        let verdict = alive(&pulse(start, events), page.map(Duration::from_secs), &SETTINGS, now);
        assert_eq!(verdict.ok, *ok, "{what}: {verdict:?}");
    }
}

#[test]
fn ready_is_that_passes_succeed_or_that_a_holder_lives() {
    let start = Instant::now();
    let holder = || Be(Role::Holder { epoch: 3 });
    let standby = |holder: Option<&str>| Be(Role::Standby { holder: holder.map(str::to_owned) });
    let table: &[(&str, Events<'_>, u64, bool, &str)] = &[
        ("starting", &[], 1, false, "starting"),
        ("a pass without a role", &[(1, Well(Pass::Resync))], 2, false, "starting"),
        ("a holder before its first pass", &[(1, holder())], 2, false, "no resync has ended well yet"),
        (
            "a first pass that failed",
            &[(1, holder()), (2, Badly(Pass::Resync))],
            3,
            false,
            "no resync has ended well yet: refused",
        ),
        (
            "a look is no first pass",
            &[(1, holder()), (2, Well(Pass::Look))],
            3,
            false,
            "no resync has ended well yet",
        ),
        ("a holder at work", &[(1, holder()), (2, Well(Pass::Resync))], 9000, true, "passes succeed"),
        (
            "a holder that has but listed",
            &[(1, Well(Pass::Resync)), (2, holder())],
            3,
            false,
            "no resync has ended well yet",
        ),
        (
            "failing, but not for long",
            &[(1, holder()), (2, Well(Pass::Resync)), (10, Badly(Pass::Resync)), (1200, Badly(Pass::Resync))],
            1210,
            true,
            "passes succeed",
        ),
        (
            "failing for too long",
            &[(1, holder()), (2, Well(Pass::Resync)), (10, Badly(Pass::Resync)), (1200, Badly(Pass::Resync))],
            1211,
            false,
            "resync has failed for 1201 s: refused",
        ),
        (
            "settling fails for ever while looks succeed",
            &[(1, holder()), (2, Well(Pass::Resync)), (10, Badly(Pass::Settle)), (1300, Well(Pass::Look))],
            1301,
            false,
            "settle has failed for 1291 s: refused",
        ),
        (
            "mended",
            &[
                (1, holder()),
                (2, Badly(Pass::Settle)),
                (9000, Well(Pass::Settle)),
                (9001, Well(Pass::Resync)),
            ],
            9002,
            true,
            "passes succeed",
        ),
        ("a standby that sees nobody", &[(1, standby(None))], 2, false, "no living holder is seen"),
        ("a standby", &[(1, standby(Some("a")))], 31, true, "the holder a lives"),
        (
            "a standby that went blind",
            &[(1, standby(Some("a")))],
            32,
            false,
            "the lease was last read 31 s ago",
        ),
    ];
    for (what, events, second, ok, why) in table {
        let now = start + Duration::from_secs(*second);
        let verdict = ready(&pulse(start, events), &SETTINGS, now);
        assert_eq!((verdict.ok, verdict.why.as_str()), (*ok, *why), "{what}");
    }
}

#[test]
fn short_resync_intervals_still_leave_thirty_seconds() {
    let start = Instant::now();
    let settings = HealthSettings { resync_interval: Duration::from_secs(1), ..SETTINGS };
    let role = Be(Role::Holder { epoch: 1 });
    let pulse = pulse(start, &[(1, role), (2, Well(Pass::Resync)), (10, Badly(Pass::Resync))]);
    assert!(ready(&pulse, &settings, start + Duration::from_secs(40)).ok);
    assert!(!ready(&pulse, &settings, start + Duration::from_secs(41)).ok);
}

#[test]
fn the_body_says_the_role_and_what_is_held() {
    let start = Instant::now();
    let mut pulse = pulse(start, &[(1, Be(Role::Holder { epoch: 3 })), (2, Well(Pass::Resync))]);
    pulse.held = Held { sets: vec![(HeldSet::new(0x1a2b_3c4d).unwrap(), 31)] };
    let verdict = ready(&pulse, &SETTINGS, start);
    assert_eq!(
        body("ready", &verdict, &pulse),
        "ready: passes succeed\nrole: holder, epoch 3\nheld: 31 records, set 1a2b3c4d\n"
    );
}
