//! What the text says, and that what is written of it is true.

use super::*;
use crate::observe::ZoneLine;
use crate::{
    model::{Kind, OwnerName},
    observe::Standing,
};
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// Reads the text as Prometheus does, strictly: HELP, TYPE, then the family's samples.
fn parse(text: &str) -> (HashMap<String, f64>, BTreeMap<String, String>) {
    let (mut samples, mut families) = (HashMap::new(), BTreeMap::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (family, help) = line.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap();
        assert!(family.starts_with("cs_powerdns_") && help.ends_with('.'), "{line}");
        let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {family} ")).unwrap();
        assert_eq!(kind == "counter", family.ends_with("_total"), "{family} {kind}");
        assert!(families.insert(family.to_owned(), kind.to_owned()).is_none(), "{family} twice");
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (name, value) = sample.rsplit_once(' ').unwrap();
            let of = name.split('{').next().unwrap();
            let suffix = of.strip_prefix(family).unwrap();
            assert!(suffix.is_empty() || kind == "histogram", "{sample} in {family}");
            assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} twice");
        }
    }
    (samples, families)
}

fn board() -> Board {
    Board::new(Instant::now())
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let metrics = Metrics::default();
    metrics.api.micros.of("listAccounts").add(1_500_000);
    metrics.api.ended("listAccounts", Some("timeout"));
    metrics.sql.deleted.add(3);
    metrics.passes.resync_millis.set(1007);
    metrics.passes.latency.note(Duration::from_millis(40));
    metrics.passes.dirty_names_since.set_ago(Some(Duration::from_secs(100)));
    let board = board();
    let standing = Standing::new(None, Kind::Name, &Outcome::OnHold, String::new());
    board.set_name(OwnerName::parse("a.example.org").unwrap(), vec![standing]);
    board.set_records([("a\"b\\c".to_owned(), 7)].into());
    let server = WebServer::new("http://pdns:8081".into());
    server.flushes.add(2);
    metrics.web.set(vec![server.into()]).unwrap();
    let (samples, _) = parse(&render(&metrics, &board, true));
    for (name, value) in [
        ("api_request_seconds_total{command=\"listAccounts\"}", 1.5),
        ("api_requests_total{command=\"listAccounts\",result=\"timeout\"}", 1.0),
        ("rows_written_total{change=\"delete\"}", 3.0),
        ("resync_duration_seconds", 1.007),
        ("claims_not_served{state=\"on hold\"}", 1.0),
        ("claims_not_served{state=\"blocked\"}", 0.0),
        ("zone_claims_not_served{zone=\"no zone\",state=\"on hold\"}", 1.0),
        ("zone_records{zone=\"a\\\"b\\\\c\"}", 7.0),
        ("event_commit_seconds_bucket{le=\"0.025\"}", 0.0),
        ("event_commit_seconds_bucket{le=\"0.05\"}", 1.0),
        ("event_commit_seconds_bucket{le=\"+Inf\"}", 1.0),
        ("event_commit_seconds_sum", 0.04),
        ("event_commit_seconds_count", 1.0),
        ("pdns_flushes_total{server=\"http://pdns:8081\"}", 2.0),
        ("pdns_up{server=\"http://pdns:8081\"}", 1.0),
        ("ready", 1.0),
        ("lease_role{role=\"starting\"}", 1.0),
        ("lease_role{role=\"holder\"}", 0.0),
    ] {
        assert!((samples[&format!("cs_powerdns_{name}")] - value).abs() < 1e-9, "{name}");
    }
    let age = samples["cs_powerdns_oldest_dirty_seconds{queue=\"names\"}"];
    assert!((100.0..110.0).contains(&age), "{age}");
}

#[test]
fn every_state_of_a_claim_has_its_number() {
    let outcomes = [
        Outcome::Waiting { holder: None },
        Outcome::Blocked { by: String::new() },
        Outcome::Refused(crate::model::Barrier::NoZone),
        Outcome::Satisfied,
        Outcome::Released { how: "" },
        Outcome::OnHold,
        Outcome::Held,
        Outcome::Retired(crate::model::Barrier::NoZone),
        Outcome::Frozen,
        Outcome::Unconfirmed,
        Outcome::Overflow,
        Outcome::Mode,
    ];
    assert_eq!(outcomes.map(|outcome| outcome.word()), Outcome::WORDS);
}

#[test]
fn zones_beyond_the_largest_are_summed_up() {
    let board = board();
    board.set_records((1..=300).map(|at| (format!("z{at}.org"), at)).chain([(String::new(), 5)]).collect());
    let (samples, _) = parse(&render(&Metrics::default(), &board, false));
    let of = |zone: &str| samples.get(&format!("cs_powerdns_zone_records{{zone=\"{zone}\"}}")).copied();
    assert_eq!((of("z300.org"), of("z101.org"), of("z100.org")), (Some(300.0), Some(101.0), None));
    assert_eq!((of("other zones"), of("no zone")), (Some(5050.0), Some(5.0)));
}

#[test]
fn a_hundred_thousand_names_in_a_thousand_zones_make_a_short_text() {
    let board = board();
    let zone = |at: u32| OwnerName::parse(&format!("z{}.org", at % 1000)).unwrap();
    board.set_zones((0..1000).map(|at| ZoneLine::plain(at, zone(at))).collect());
    for at in 0..100_000_u32 {
        let name = OwnerName::parse(&format!("vm{at}.{}", zone(at))).unwrap();
        let outcome = Outcome::Waiting { holder: None };
        board.set_name(name, vec![Standing::new(None, Kind::Name, &outcome, String::new())]);
    }
    let begun = Instant::now();
    let text = render(&Metrics::default(), &board, true);
    println!("{} octets in {:?}", text.len(), begun.elapsed());
    assert!(text.len() < 50_000, "{}", text.len());
    let (samples, _) = parse(&text);
    assert!((samples["cs_powerdns_claims_not_served{state=\"waiting\"}"] - 100_000.0).abs() < 0.5);
    let zones = samples.keys().filter(|name| name.starts_with("cs_powerdns_zone_claims_not_served"));
    assert_eq!(zones.count(), 201, "200 zones and the others");
}

/// Every name of a metric that the text has.
fn names_in(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c)).filter(|word| word.starts_with("cs_powerdns_"));
    words.map(str::to_owned).collect()
}

#[test]
fn the_list_of_metrics_is_the_list_of_metrics() {
    let (_, families) = parse(&render(&Metrics::default(), &board(), true));
    let list = include_str!("../../deploy/metrics.md");
    let mut listed = BTreeMap::new();
    for line in list.lines().filter_map(|line| line.strip_prefix("| `cs_powerdns_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = cells[0].split(['{', '`']).next().unwrap();
        assert!(cells.len() == 4 && cells[2].len() > 10, "{line}");
        assert!(listed.insert(format!("cs_powerdns_{name}"), cells[1].to_owned()).is_none(), "{name} twice");
    }
    assert_eq!(listed, families, "deploy/metrics.md (left) and /metrics (right)");
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let (_, families) = parse(&render(&Metrics::default(), &board(), true));
    for (file, text) in [
        ("alerts.yml", include_str!("../../deploy/alerts.yml")),
        ("alerts_test.yml", include_str!("../../deploy/alerts_test.yml")),
        ("dashboard.json", include_str!("../../deploy/dashboard.json")),
    ] {
        let names = names_in(text);
        assert!(names.len() > 10, "{file} has {names:?}");
        for name in names {
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let is_histogram = |name| families.get(name).is_some_and(|kind: &String| kind == "histogram");
            let known = families.contains_key(&name) || of_histogram.is_some_and(is_histogram);
            assert!(known, "deploy/{file} names {name}, which is no metric");
        }
    }
}

/// Families that no panel has, on purpose: settings, what only alerts compare with, and what another panel says.
const NOT_ON_THE_DASHBOARD: [&str; 6] = [
    "cs_powerdns_held_sets",
    "cs_powerdns_left_behind_total",
    "cs_powerdns_resync_interval_seconds",
    "cs_powerdns_trigger_enabled",
    "cs_powerdns_trigger_lag_timestamp_seconds",
    "cs_powerdns_trigger_last_message_timestamp_seconds",
];

#[test]
fn the_dashboard_has_every_metric() {
    let (_, families) = parse(&render(&Metrics::default(), &board(), true));
    let shown = names_in(include_str!("../../deploy/dashboard.json"));
    let on_a_panel =
        |family: &str| shown.iter().any(|name| name == family || name.starts_with(&format!("{family}_")));
    let missing: BTreeSet<&str> =
        families.keys().map(String::as_str).filter(|family| !on_a_panel(family)).collect();
    let meant = BTreeSet::from(NOT_ON_THE_DASHBOARD);
    assert_eq!(
        missing, meant,
        "metrics that deploy/dashboard.json lacks (left), and those that it may lack (right)"
    );
}
