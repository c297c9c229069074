//! Guides that show what the program prints, or promise what becomes of records: asking, alerts, Cloudflare,
//! CloudStack's own framework.

use super::{
    guide_support::Guide,
    rules_support::{tenant, zones},
    support::{ACCOUNT, answers, example, once, readiness, serve, sync, vm},
};
use testbed::{Lab, VmSpec};

const ZONE: &str = "cloud.example.org";
const REVERSE: &str = "2.0.192.in-addr.arpa";

/// The blocks of code of asking.md that begin with that command: what it prints, a line each.
fn shown(command: &str) -> Vec<String> {
    let text = include_str!("../../deploy/guides/asking.md");
    let begin = format!("    $ {command}\n");
    let (_, block) = text.split_once(&begin).unwrap_or_else(|| panic!("no `{command}`"));
    let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let lines: Vec<String> = lines.map(|line| line.get(4..).unwrap_or_default().to_owned()).collect();
    lines.join("\n").trim_end().lines().map(str::to_owned).collect()
}

/// Without what differs from lab to lab: a VM's or a domain's id, and numbers.
fn bare(line: &str) -> String {
    let words = line.split_inclusive(' ').map(|word| {
        let id = word.len() >= 36 && word.is_char_boundary(36) && word[..36].matches('-').count() == 4;
        if id { format!("ID{}", &word[36..]) } else { word.to_owned() }
    });
    words.collect()
}

fn without_numbers(line: &str) -> String {
    let mut out = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if out.ends_with('0') => {}
            '0'..='9' => out.push('0'),
            c => out.push(c),
        }
    }
    out
}

#[tokio::test]
async fn explain_prints_what_its_guide_shows() {
    let lab = Lab::new("guide_explain").await;
    example(&lab).await;
    lab.world().create_vm(vm("taken", "192.0.2.30"));
    lab.db.insert("domain.com", "taken.domain.com", "A", "203.0.113.9", 300).await.unwrap();
    sync(&lab, &[]).await;
    let output = once(&lab, &["explain", "taken.domain.com"], &[]).await;
    assert!(!output.stderr.contains("not ours: "), "of other names: {}", output.stderr);
    let expected: Vec<String> =
        shown("cs-powerdns explain taken.domain.com").iter().map(|line| bare(line)).collect();
    let found: Vec<String> = output.stdout.trim_end().lines().map(bare).collect();
    assert_eq!(found, expected, "what is printed (left) and deploy/guides/asking.md (right)");
}

#[tokio::test]
async fn check_prints_the_lines_that_its_guide_shows() {
    let lab = Lab::new("guide_check").await;
    lab.db.zone_of("good.org", "MASTER", 7).await.unwrap();
    lab.db.zone_of("slave.org", "SLAVE", 1).await.unwrap();
    let world = lab.world();
    for (at, name) in ["good", "slave", "nozone"].into_iter().enumerate() {
        let account = world.add_account(&world.root(), name, Some(&format!("{name}.org")));
        world.create_vm(VmSpec::new("web", &account).v4(&format!("192.0.2.{}", at + 1)));
    }
    let output = once(&lab, &["check"], &[("RESYNC_INTERVAL", "10m")]).await;
    let lines = shown("cs-powerdns check");
    let [lines @ .., summary] = &lines[..] else { panic!("no lines") };
    assert!(lines.len() > 5 && summary.ends_with(" errors"), "{lines:?}");
    let found: Vec<String> = output.stdout.lines().map(without_numbers).collect();
    for line in lines {
        let line = without_numbers(line);
        assert!(found.contains(&line), "asking.md shows `{line}`, `check` does not:\n{}", output.stdout);
    }
}

#[tokio::test]
async fn a_group_is_an_origin_as_the_guide_for_cloudflare_says() {
    let lab = Lab::new("guide_cloudflare").await;
    zones(&lab, &[ZONE, "example.com"]).await;
    let world = lab.world();
    let domain = world.add_domain("acme", &world.root(), Some(ZONE));
    world.add_account_as(ACCOUNT, &domain, "ops", None);
    let member = |name, v4| world.create_vm(VmSpec::new(name, ACCOUNT).group("www").v4(v4));
    let first = member("web1", "198.51.100.1");
    let second = member("web2", "198.51.100.2");
    member("web3", "192.0.2.3");
    let group = "www-edd2ab05.cloud.example.org";
    let mut guide = Guide::open(&lab, "cloudflare").await;
    let told = guide.runs("cs-powerdns explain web1", 0).await;
    assert!(told.contains(&format!("group: {group}")), "{told}");
    guide.sets("DNS_ADDRESSES");
    guide.shell("cs-powerdns sync", 0).await;
    answers(&lab, group, "A", &["198.51.100.1", "198.51.100.2"]).await;
    // What Cloudflare is told to do: a CNAME, whose target is asked for.
    lab.db.insert("example.com", "www.example.com", "CNAME", group, 300).await.unwrap();
    answers(&lab, "www.example.com", "CNAME", &[&format!("{group}.")]).await;
    answers(&lab, "www.example.com", "A", &["198.51.100.1", "198.51.100.2"]).await;
    assert_eq!(lab.dns().await.dig_ttl(group, "A").unwrap(), [60, 60]);
    world.set_state(&first, "Stopped");
    guide.shell("cs-powerdns sync", 0).await;
    answers(&lab, group, "A", &["198.51.100.1", "198.51.100.2"]).await;
    guide.sets("DNS_STOPPED");
    guide.env.insert("DNS_MAX_LOSS_PERCENT".into(), "100".into());
    guide.shell("cs-powerdns sync", 0).await;
    answers(&lab, group, "A", &["198.51.100.2"]).await;
    answers(&lab, "web1.cloud.example.org", "A", &["198.51.100.1"]).await;
    // A row of the operator's at the group's name is tolerated and never touched.
    lab.db.insert(ZONE, group, "A", "203.0.113.7", 60).await.unwrap();
    guide.shell("cs-powerdns sync", 0).await;
    answers(&lab, group, "A", &["198.51.100.2", "203.0.113.7"]).await;
    world.destroy_vm(&second);
    guide.shell("cs-powerdns sync", 0).await;
    answers(&lab, "www.example.com", "A", &["203.0.113.7"]).await;
    guide.ends();
}

#[tokio::test]
async fn rows_of_cloudstacks_own_framework_are_taken_as_its_guide_says() {
    let lab = Lab::new("guide_framework").await;
    zones(&lab, &[ZONE, REVERSE]).await;
    let account = tenant(&lab, Some(ZONE), None);
    let id = lab.world().create_vm(VmSpec::new("web1", &account).v4("192.0.2.1"));
    lab.db.insert(ZONE, "web1.cloud.example.org", "A", "192.0.2.1", 3600).await.unwrap();
    lab.db.insert(ZONE, "dead.cloud.example.org", "A", "192.0.2.2", 3600).await.unwrap();
    let mut guide = Guide::open(&lab, "cloudstack-dns").await;
    // Named before its variable is set.
    guide.runs("cs-powerdns check", 0).await;
    guide.sets("DNS_ZONES");
    let plan = guide.runs("cs-powerdns plan", 2).await;
    assert!(plan.contains("1 claim satisfied"), "{plan}");
    guide.runs("cs-powerdns adopt --all --dry-run", 2).await;
    guide.runs("cs-powerdns adopt --all", 0).await;
    let left = guide.runs("cs-powerdns plan --unexplained", 2).await;
    assert!(
        left.contains("dead.cloud.example.org") && !left.contains("  web1.cloud.example.org A"),
        "{left}"
    );
    let controller = guide.serves("cs-powerdns run").await;
    answers(&lab, "web1.cloud.example.org", "A", &["192.0.2.1"]).await;
    testbed::poll("it has our TTL", super::support::LIMIT, async || {
        match lab.dns().await.dig_ttl("web1.cloud.example.org", "A") {
            Ok(ttl) if ttl == [60] => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    lab.world().set_state(&id, "Stopped");
    guide.shell("cs-powerdns plan", 0).await;
    answers(&lab, "dead.cloud.example.org", "A", &["192.0.2.2"]).await;
    answers(&lab, "web1.cloud.example.org", "A", &["192.0.2.1"]).await;
    drop(controller);
    guide.ends();
}

#[tokio::test]
async fn held_records_are_asked_about_and_approved_as_the_guide_to_alerts_says() {
    let lab = Lab::new("guide_alerts").await;
    example(&lab).await;
    zones(&lab, &["common.org"]).await;
    lab.world().create_vm(vm("web", "192.0.2.1"));
    sync(&lab, &[("DNS_COMMON_ZONE", "common.org"), ("DNS_ADD_TO_COMMON_ZONE", "true")]).await;
    // Somebody has changed the configuration.
    let controller = serve(&lab, &[("DNS_MAX_LOSS_PERCENT", "0")]).await;
    readiness(&controller, 200, "held: 1 records, set ").await;
    let mut guide = Guide::open(&lab, "alerts").await;
    guide.env.insert("DNS_MAX_LOSS_PERCENT".into(), "0".into());
    let asks = guide.reads("curl -s http://127.0.0.1:8053/readyz");
    let asks = asks.replace("127.0.0.1:8053", &guide.env["HTTP_LISTEN"]);
    let ready = guide.shell(&asks, 0).await;
    let hash = ready.rsplit("set ").next().unwrap().trim().to_owned();
    guide.runs("cs-powerdns check", 0).await;
    let asks = guide.reads("cs-powerdns explain NAME").replace("NAME", "web.common.org");
    let why = guide.shell(&asks, 0).await;
    assert!(why.contains(&format!("cs-powerdns approve {hash}")), "{why}");
    // Of the table: a key that may not, then what is held.
    guide.runs("cs-powerdns check", 0).await;
    let plan = guide.runs("cs-powerdns plan", 2).await;
    assert!(plan.contains("web.common.org") && plan.contains(&hash), "{plan}");
    answers(&lab, "web.common.org", "A", &["192.0.2.1"]).await;
    for (line, code) in [("cs-powerdns approve --dry-run 5f0c62d1", 2), ("cs-powerdns approve 5f0c62d1", 0)] {
        let line = guide.reads(line).replace("5f0c62d1", &hash);
        guide.shell(&line, code).await;
    }
    answers(&lab, "web.common.org", "A", &[]).await;
    for line in ["check", "plan --unexplained", "check", "check"] {
        guide.runs(&format!("cs-powerdns {line}"), 0).await;
    }
    guide.ends();
}
