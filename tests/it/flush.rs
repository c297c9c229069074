//! `PDNS_API_URL`: PowerDNS with its own caches answers what is committed, secondaries hear of it, and a web
//! server in trouble troubles nobody.

use super::{
    flush_support::{FakeWeb, HalfOpen, KEY, Secondary, closed},
    support::{
        ACCOUNT, EVENTS_ONLY, LIMIT, answers, example, metric, metric_reaches, once, readiness, serve_events,
        sync, vm,
    },
};
use std::time::{Duration, Instant};
use testbed::{Controller, Lab, PowerDns, PowerDnsOptions, VmSpec, poll};

/// A server with PowerDNS's own cache times: 20 s for what there is, 60 s for what there is not. It sends
/// NOTIFY when it is asked to and not by itself: for that it would have to be `primary`.
async fn caching(lab: &Lab, more: &[&str]) -> PowerDns {
    let own = ["secondary=yes".to_owned(), format!("api-key={KEY}")];
    let extra = more.iter().map(ToString::to_string).chain(own).collect();
    let options = PowerDnsOptions { default_caches: true, primary: false, extra };
    PowerDns::start(&lab.db, &options).await.expect("PowerDNS starts")
}

/// What it answers now, asked twice: the second answer comes from the cache.
fn asked(dns: &PowerDns, name: &str, kind: &str) -> Vec<String> {
    let first = dns.dig(name, kind).expect("PowerDNS answers");
    assert_eq!(dns.dig(name, kind).expect("PowerDNS answers"), first, "{name} {kind}, asked again");
    first
}

async fn row_stands(lab: &Lab, name: &str, kind: &str, stands: bool) {
    poll(&format!("{name} {kind} is in the table: {stands}"), LIMIT, async || {
        let rows = lab.db.contents(name, kind).await.map_err(|error| error.to_string())?;
        if rows.is_empty() == stands { Err(format!("it has {rows:?}")) } else { Ok(()) }
    })
    .await;
}

/// A sample that has the server as its label.
fn of(name: &str, url: &str) -> String {
    format!("cs_powerdns_pdns_{name}{{server=\"{url}\"}}")
}

fn web(url: &str) -> [(&str, &str); 2] {
    [("PDNS_API_URL", url), ("PDNS_API_KEY", KEY)]
}

async fn serve_with(lab: &Lab, url: &str) -> Controller {
    serve_events(lab, &[EVENTS_ONLY, web(url)].concat()).await
}

#[tokio::test]
async fn what_a_verb_has_written_is_answered_when_it_ends() {
    let lab = Lab::new("flush_sync").await;
    example(&lab).await;
    let dns = caching(&lab, &[]).await;
    let url = dns.api_url();
    let names =
        [("web.domain.com", "A"), ("www-edd2ab05.domain.com", "A"), ("1.2.0.192.in-addr.arpa", "PTR")];
    for (name, kind) in names {
        assert_eq!(asked(&dns, name, kind), [""; 0], "{name} {kind} before it exists");
    }
    let id = lab.world().create_vm(VmSpec { group: Some("www".into()), ..vm("web", "192.0.2.1") });
    sync(&lab, &web(&url)).await;
    let now = |names: [(&str, &str); 3]| names.map(|(name, kind)| asked(&dns, name, kind).join(" "));
    assert_eq!(now(names), ["192.0.2.1", "192.0.2.1", "web.domain.com."], "after `sync`");
    lab.world().set_address(&id, Some("192.0.2.9"), None);
    sync(&lab, &web(&url)).await;
    assert_eq!(now(names), ["192.0.2.9", "192.0.2.9", ""], "after the address has changed");
    let purged = once(&lab, &["purge"], &web(&url)).await;
    assert_eq!(purged.code, 0, "{}", purged.stderr);
    assert_eq!(now(names), ["", "", ""], "after `purge`");
}

#[tokio::test]
async fn a_first_fill_is_answered_when_it_ends() {
    let lab = Lab::new("flush_fill").await;
    example(&lab).await;
    let dns = caching(&lab, &[]).await;
    let last = "vm60.domain.com";
    assert_eq!(asked(&dns, last, "A"), [""; 0]);
    for n in 1..=60 {
        lab.world().create_vm(vm(&format!("vm{n}"), &format!("192.0.2.{n}")));
    }
    sync(&lab, &web(&dns.api_url())).await;
    assert_eq!(asked(&dns, last, "A"), ["192.0.2.60"], "one of more names than are flushed one by one");
}

#[tokio::test]
async fn a_zone_that_another_tool_has_made_is_served_with_its_first_record() {
    let lab = Lab::new("flush_new_zone").await;
    example(&lab).await;
    let dns = caching(&lab, &[]).await;
    // It reads its list of zones every 300 s, for the first time soon after its start: until then it asks the
    // table.
    let mut zone = "new.org".to_owned();
    poll("PowerDNS does not know a new zone", LIMIT, async || {
        zone.insert(0, 'a');
        lab.db.zone(&zone).await.map_err(|error| error.to_string())?;
        match dns.dig_status(&format!("web.{zone}"), "A") {
            Ok(status) if status == "REFUSED" => Ok(()),
            other => Err(format!("{zone}: {other:?}")),
        }
    })
    .await;
    lab.world().set_account_network_domain(ACCOUNT, Some(&zone));
    lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &web(&dns.api_url())).await;
    assert_eq!(asked(&dns, &format!("web.{zone}"), "A"), ["192.0.2.1"]);
}

#[tokio::test]
async fn a_name_asked_for_before_it_existed_answers_within_a_second() {
    let mut lab = Lab::new("flush_run").await;
    lab.kafka();
    example(&lab).await;
    let dns = caching(&lab, &[]).await;
    let _controller = serve_with(&lab, &dns.api_url()).await;
    for round in 1..=3 {
        let (name, address) = (format!("vm{round}"), format!("192.0.2.{round}"));
        let owner = format!("{name}.domain.com");
        assert_eq!(asked(&dns, &owner, "A"), [""; 0], "{owner} before it exists");
        let id = lab.world().create_vm(vm(&name, &address));
        for (stands, expected) in [(true, vec![address]), (false, vec![])] {
            row_stands(&lab, &owner, "A", stands).await;
            // A second is what it may take, the rest is for a machine that is busy: by itself it takes 20 s.
            poll(&format!("{owner} A answers {expected:?}"), Duration::from_secs(8), async || {
                let found = dns.dig(&owner, "A").map_err(|error| error.to_string())?;
                if found == expected { Ok(()) } else { Err(format!("it answers {found:?}")) }
            })
            .await;
            asked(&dns, &owner, "A");
            lab.world().destroy_vm(&id);
        }
    }
}

#[tokio::test]
async fn a_secondary_hears_of_a_change_and_is_shown_its_serial() {
    const CLASSLESS: &str = "0/26.2.0.192.in-addr.arpa";
    let lab = Lab::new("flush_notify").await;
    example(&lab).await;
    lab.db.zone(CLASSLESS).await.unwrap();
    lab.db.exec("UPDATE domains SET type = 'Master' WHERE name != '8.b.d.0.1.0.0.2.ip6.arpa'").await.unwrap();
    lab.db
        .insert("2.0.192.in-addr.arpa", "1.2.0.192.in-addr.arpa", "CNAME", &format!("1.{CLASSLESS}"), 60)
        .await
        .unwrap();
    let secondary = Secondary::start().await;
    let also = format!("also-notify={}", secondary.address());
    let dns = caching(&lab, &[&also]).await;
    let zones = ["domain.com", CLASSLESS];
    for zone in zones {
        asked(&dns, zone, "SOA");
    }
    lab.world().create_vm(vm("web", "192.0.2.1"));
    secondary.notified();
    sync(&lab, &[web(&dns.api_url()).as_slice(), &[("RUST_LOG", "debug")]].concat()).await;
    for zone in zones {
        // What a secondary does when it hears of it.
        let serial = lab.db.serial(zone).await.unwrap().to_string();
        let soa = dns.dig(zone, "SOA").unwrap();
        assert_eq!(soa[0].split(' ').nth(2), Some(serial.as_str()), "dig {zone} SOA: {soa:?}");
    }
    let mut heard = Vec::new();
    poll("the secondary hears of both zones", LIMIT, async || {
        heard.extend(secondary.notified());
        if zones.iter().all(|zone| heard.iter().any(|heard| heard == zone)) {
            return Ok(());
        }
        Err(format!("it has heard of {heard:?}\n{}", dns.log()))
    })
    .await;
    assert!(!heard.iter().any(|zone| zone == "2.0.192.in-addr.arpa"), "no change, no NOTIFY: {heard:?}");
}

#[tokio::test]
async fn servers_in_trouble_delay_nothing_and_are_shown() {
    let mut lab = Lab::new("flush_trouble").await;
    lab.kafka();
    example(&lab).await;
    let good = caching(&lab, &[]).await;
    let other_key = PowerDnsOptions { extra: vec!["api-key=another".into()], ..PowerDnsOptions::default() };
    let denied = PowerDns::start(&lab.db, &other_key).await.expect("PowerDNS starts");
    let (half_open, refuses) = (HalfOpen::start(), FakeWeb::start(500).await);
    let bad = [closed(), half_open.url.clone(), denied.api_url(), refuses.url.clone()];
    let urls = format!("{},{},{}/,{}", bad.join(","), good.api_url(), good.api_url(), bad[0]);
    let controller = serve_with(&lab, &urls).await;
    for n in 1..=4 {
        let began = Instant::now();
        lab.world().create_vm(vm(&format!("vm{n}"), &format!("192.0.2.{n}")));
        row_stands(&lab, &format!("vm{n}.domain.com"), "A", true).await;
        // The half-open one takes 5 s to fail, each time.
        assert!(began.elapsed() < Duration::from_secs(5), "row {n} took {:?}", began.elapsed());
    }
    for url in &bad {
        metric_reaches(&controller, &of("errors_total", url), 1.0).await;
        assert_eq!(metric(&controller, &of("up", url)).await, Ok(0.0), "{url}");
    }
    metric_reaches(&controller, &of("flushes_total", &good.api_url()), 8.0).await;
    assert_eq!(metric(&controller, &of("errors_total", &good.api_url())).await, Ok(0.0));
    assert_eq!(metric(&controller, &of("up", &good.api_url())).await, Ok(1.0));
    // Those that refuse an answer at all are asked once more after 5 s, and it is no news then.
    metric_reaches(&controller, &of("errors_total", &bad[0]), 2.0).await;
    metric_reaches(&controller, &of("errors_total", &bad[3]), 12.0).await;
    let warned = |url: &str| {
        let log = controller.output();
        let lines = log.lines().filter(|line| line.contains("WARN") && line.contains(url));
        lines.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    for url in &bad {
        assert_eq!(warned(url).len(), 1, "warnings of {url}: {:#?}", warned(url));
    }
    assert!(warned(&bad[2])[0].contains("401") && warned(&bad[2])[0].contains("PDNS_API_KEY"));
    assert_eq!(warned(&good.api_url()), [""; 0]);
    readiness(&controller, 200, "holder").await;
    let mut shown = controller.output();
    for path in ["/status", "/metrics", "/", "/readyz"] {
        shown += &controller.get(path).await.unwrap().1;
    }
    assert!(shown.contains("\"pdns_servers\"") && !shown.contains(KEY), "the key is shown");
    assert_eq!(shown.matches(&format!("\"url\":\"{}\"", good.api_url())).count(), 1, "a server listed twice");
}

#[tokio::test]
async fn a_server_that_comes_back_is_told_what_it_missed() {
    let mut lab = Lab::new("flush_back").await;
    lab.kafka();
    example(&lab).await;
    let url = closed();
    let controller = serve_with(&lab, &url).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    metric_reaches(&controller, &of("errors_total", &url), 1.0).await;
    let fake = FakeWeb::start_at(&url, 200).await;
    // The first change of a zone flushes all of it.
    for zone in ["domain.com", "2.0.192.in-addr.arpa"] {
        poll(&format!("{zone} is flushed after all"), LIMIT, async || {
            let times = fake.times(&format!("PUT cache/flush?domain={zone}."));
            if times.is_empty() { Err(format!("it was asked {:?}", fake.asked())) } else { Ok(()) }
        })
        .await;
    }
    metric_reaches(&controller, &of("up", &url), 1.0).await;
    assert!(controller.output().contains("does what it is told again"));
}

#[tokio::test]
async fn a_busy_zone_keeps_its_pace_and_its_last_change_is_told() {
    const NOTIFY: &str = "PUT zones/domain.com./notify";
    let mut lab = Lab::new("flush_pace").await;
    lab.kafka();
    example(&lab).await;
    lab.db.exec("UPDATE domains SET type = 'MASTER' WHERE name = 'domain.com'").await.unwrap();
    let fake = FakeWeb::start(200).await;
    let _controller = serve_with(&lab, &fake.url).await;
    let began = Instant::now();
    let mut n = 0;
    while began.elapsed() < Duration::from_secs(11) {
        n += 1;
        lab.world().create_vm(vm(&format!("vm{n}"), &format!("192.0.2.{}", n % 250 + 1)));
        row_stands(&lab, &format!("vm{n}.domain.com"), "A", true).await;
    }
    let last = Instant::now();
    poll("NOTIFY is sent after the last change, and once more", LIMIT, async || {
        let times = fake.times(NOTIFY);
        let after = times.iter().filter(|at| **at >= last).count();
        if after >= 2 { Ok(()) } else { Err(format!("{times:?}")) }
    })
    .await;
    let zones = ["domain.com", "2.0.192.in-addr.arpa"];
    let flushes = zones.map(|zone| (format!("PUT cache/flush?domain={zone}."), Duration::from_millis(9900)));
    for (request, pace) in flushes.into_iter().chain([(NOTIFY.to_owned(), Duration::from_millis(14_900))]) {
        // One, and the same once more after 5 s: of three, the third is another one.
        let times = fake.times(&request);
        let apart = |by: usize| times.windows(by + 1).map(move |at| at[by] - at[0]).collect::<Vec<_>>();
        let (two, three) = (apart(1), apart(2));
        assert!(two.iter().all(|gap| *gap > Duration::from_millis(4900)), "{n} changes; {request}: {two:?}");
        assert!(three.iter().all(|gap| *gap > pace), "{n} changes; {request} apart: {two:?}");
    }
    let mut singles: Vec<_> =
        fake.asked().into_iter().filter(|(_, what)| what.contains("domain=vm")).collect();
    singles.retain(|(at, _)| *at < began + Duration::from_secs(10));
    assert!(singles.len() <= 40, "20 names, each once more: {singles:?}");
}

#[tokio::test]
async fn what_waits_at_the_end_is_told_before_it() {
    const NOTIFY: &str = "PUT zones/domain.com./notify";
    let mut lab = Lab::new("flush_end").await;
    lab.kafka();
    example(&lab).await;
    lab.db.exec("UPDATE domains SET type = 'MASTER' WHERE name = 'domain.com'").await.unwrap();
    let (fake, half_open) = (FakeWeb::start(200).await, HalfOpen::start());
    let mut controller = serve_with(&lab, &format!("{},{}", fake.url, half_open.url)).await;
    lab.world().create_vm(vm("one", "192.0.2.1"));
    poll("the first NOTIFY is sent", LIMIT, async || {
        if fake.times(NOTIFY).is_empty() { Err(format!("{:?}", fake.asked())) } else { Ok(()) }
    })
    .await;
    lab.world().create_vm(vm("two", "192.0.2.2"));
    row_stands(&lab, "2.2.0.192.in-addr.arpa", "PTR", true).await;
    let (asked, before) = (Instant::now(), fake.times(NOTIFY).len());
    controller.sigterm().unwrap();
    assert_eq!(controller.wait_exit(LIMIT).await.unwrap(), 0, "{}", controller.output());
    assert!(asked.elapsed() < Duration::from_secs(10), "the end took {:?}", asked.elapsed());
    let after = fake.times(NOTIFY).len();
    assert!(after > before, "{before} NOTIFYs before the end, {after} after it: {:?}", fake.asked());
    answers(&lab, "two.domain.com", "A", &["192.0.2.2"]).await;
}
