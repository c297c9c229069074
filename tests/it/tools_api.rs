//! PowerDNS's own API on the real server: every REPLACE inserts the whole RRset anew, also one that changes
//! nothing (facts: powerdns 8).

use super::{
    bench::{Api, Bench, Case, KEPT, case, create},
    support::example,
};
use serde_json::json;
use testbed::Lab;

const ZONE: &str = "domain.com";
const REVERSE: &str = "2.0.192.in-addr.arpa";

#[tokio::test]
async fn what_the_api_replaces_at_a_vms_name_stays_and_what_it_leaves_alone_follows_the_vm() {
    let lab = Lab::new("api_names").await;
    example(&lab).await;
    create(
        &lab,
        &[
            "same",
            "other",
            "ttl",
            "sibling",
            "delete",
            "off",
            "alias",
            "comment",
            "commented",
            "dualother+",
            "dualdelete+",
            "dualsame+",
            "serial",
            "back",
            "swap+",
        ],
    );
    let mut bench = Bench::start(lab, &[]).await;
    let lab = &bench.lab;
    let api = Api::of(lab);
    let replace = async |label: &str, ttl: u32, contents: &[&str]| {
        api.replace(ZONE, &format!("{label}.{ZONE}"), "A", ttl, contents).await;
    };
    replace("same", 60, &["192.0.2.1"]).await;
    replace("other", 60, &["198.51.100.2"]).await;
    replace("ttl", 300, &["192.0.2.3"]).await;
    replace("sibling", 60, &["192.0.2.4", "198.51.100.4"]).await;
    api.patch(ZONE, "delete.domain.com", "A", "DELETE", json!({})).await;
    let off = json!({ "ttl": 60, "records": [{ "content": "192.0.2.6", "disabled": true }] });
    api.patch(ZONE, "off.domain.com", "A", "REPLACE", off).await;
    api.patch(ZONE, "alias.domain.com", "A", "DELETE", json!({})).await;
    api.replace(ZONE, "alias.domain.com", "CNAME", 60, &["elsewhere.example.org."]).await;
    let comments = json!({ "comments": [{ "content": "ours", "account": "ops" }] });
    api.patch(ZONE, "comment.domain.com", "A", "REPLACE", comments.clone()).await;
    let mut both = json!({ "ttl": 60, "records": [{ "content": "192.0.2.9", "disabled": false }] });
    both["comments"] = comments["comments"].clone();
    api.patch(ZONE, "commented.domain.com", "A", "REPLACE", both).await;
    replace("dualother", 60, &["198.51.100.10"]).await;
    api.patch(ZONE, "dualdelete.domain.com", "A", "DELETE", json!({})).await;
    replace("dualsame", 60, &["192.0.2.12"]).await;
    api.replace(ZONE, ZONE, "TXT", 60, &["\"the serial moves\""]).await;
    replace("back", 60, &["198.51.100.14"]).await;
    replace("back", 60, &["192.0.2.14"]).await;
    // Deleted, while the other family stands beside a foreign row.
    api.patch(ZONE, "swap.domain.com", "A", "DELETE", json!({})).await;
    api.replace(ZONE, "swap.domain.com", "AAAA", 60, &["2001:db8::15", "2001:db8::ffff"]).await;
    let replaced = "name released: it was replaced";
    let cases: &[Case] = &[
        case("same.domain.com", "new id", "", ["=", "A 192.0.2.101 60", ""]),
        case("other.domain.com", "gone; +A", replaced, KEPT),
        case("ttl.domain.com", "new id, ttl", "name released: its TTL was changed", KEPT),
        case(
            "sibling.domain.com",
            "new id; +A",
            "",
            ["=", "A 192.0.2.104 60; A 198.51.100.4 60", "A 198.51.100.4 60"],
        ),
        case("delete.domain.com", "gone", "", ["A 192.0.2.5 60", "A 192.0.2.105 60", ""]),
        case("off.domain.com", "new id, disabled", "name released: it was disabled", KEPT),
        case("alias.domain.com", "gone; +CNAME", "name blocked: foreign: CNAME elsewhere.example.org", KEPT),
        case("comment.domain.com", "same id", "", ["=", "A 192.0.2.108 60", ""]),
        case("commented.domain.com", "new id", "", ["=", "A 192.0.2.109 60", ""]),
        case("dualother.domain.com", "gone; same id; +A", replaced, KEPT),
        case(
            "dualdelete.domain.com",
            "gone; same id",
            "",
            ["A 192.0.2.11 60; AAAA 2001:db8::11 60", "A 192.0.2.111 60; AAAA 2001:db8::111 60", ""],
        ),
        case(
            "dualsame.domain.com",
            "new id; same id",
            "",
            ["=", "A 192.0.2.112 60; AAAA 2001:db8::112 60", ""],
        ),
        case("serial.domain.com", "same id", "", ["=", "A 192.0.2.113 60", ""]),
        case("back.domain.com", "new id", "", ["=", "A 192.0.2.114 60", ""]),
        // An operator's AAAA stands at the name by now: no A is added, while our own AAAA follows.
        case(
            "swap.domain.com",
            "gone; new id; +AAAA",
            "name blocked: foreign: AAAA 2001:db8::ffff",
            ["=", "AAAA 2001:db8::115 60; AAAA 2001:db8::ffff 60", "AAAA 2001:db8::ffff 60"],
        ),
    ];
    bench.check(cases).await;
    let comments: Vec<String> = bench.lab.db.query("SELECT name FROM comments ORDER BY name").await.unwrap();
    assert_eq!(comments, ["comment.domain.com", "commented.domain.com"], "comments are nobody's but theirs");
}

#[tokio::test]
async fn what_the_api_replaces_at_groups_and_reverse_names_stays_and_other_members_go_on() {
    let lab = Lab::new("api_groups").await;
    example(&lab).await;
    create(
        &lab,
        &[
            "s1/same",
            "s2/same",
            "o1/other",
            "o2/other",
            "t1/ttl",
            "t2/ttl",
            "r1/removed",
            "r2/removed",
            "a1/added",
            "d1/deleted",
            "d2/deleted",
            "psame",
            "pother",
            "pttl",
            "pdelete",
            "poff",
            "pbeside",
        ],
    );
    let mut bench = Bench::start(lab, &[]).await;
    let lab = &bench.lab;
    let api = Api::of(lab);
    let replace = async |group: &str, ttl: u32, contents: &[&str]| {
        api.replace(ZONE, &format!("{group}-edd2ab05.{ZONE}"), "A", ttl, contents).await;
    };
    replace("same", 60, &["192.0.2.1", "192.0.2.2"]).await;
    replace("other", 60, &["198.51.100.3", "192.0.2.4"]).await;
    replace("ttl", 300, &["192.0.2.5", "192.0.2.6"]).await;
    replace("removed", 60, &["192.0.2.8"]).await;
    replace("added", 60, &["192.0.2.9", "198.51.100.9"]).await;
    api.patch(ZONE, "deleted-edd2ab05.domain.com", "A", "DELETE", json!({})).await;
    let reverse = async |last: u8, ttl: u32, targets: &[&str]| {
        api.replace(REVERSE, &format!("{last}.{REVERSE}"), "PTR", ttl, targets).await;
    };
    reverse(12, 60, &["psame.domain.com."]).await;
    reverse(13, 60, &["mail.example.org."]).await;
    reverse(14, 300, &["pttl.domain.com."]).await;
    api.patch(REVERSE, "15.2.0.192.in-addr.arpa", "PTR", "DELETE", json!({})).await;
    let off = json!({ "ttl": 60, "records": [{ "content": "poff.domain.com.", "disabled": true }] });
    api.patch(REVERSE, "16.2.0.192.in-addr.arpa", "PTR", "REPLACE", off).await;
    reverse(17, 60, &["pbeside.domain.com.", "mail.example.org."]).await;
    let cases: &[Case] = &[
        case(
            "same-edd2ab05.domain.com",
            "new id; new id",
            "",
            ["=", "A 192.0.2.101 60; A 192.0.2.102 60", ""],
        ),
        case(
            "other-edd2ab05.domain.com",
            "gone; new id; +A",
            "group released: it was replaced",
            ["=", "A 192.0.2.104 60; A 198.51.100.3 60", "A 198.51.100.3 60"],
        ),
        // Also when both are replaced at once.
        case(
            "ttl-edd2ab05.domain.com",
            "new id, ttl; new id, ttl",
            "",
            ["=", "A 192.0.2.105 300; A 192.0.2.106 300", ""],
        ),
        // What is left is ours, so nothing foreign has taken the other's place: it is put back.
        case(
            "removed-edd2ab05.domain.com",
            "gone; new id",
            "",
            ["A 192.0.2.7 60; A 192.0.2.8 60", "A 192.0.2.107 60; A 192.0.2.108 60", ""],
        ),
        case(
            "added-edd2ab05.domain.com",
            "new id; +A",
            "",
            ["=", "A 192.0.2.109 60; A 198.51.100.9 60", "A 198.51.100.9 60"],
        ),
        case(
            "deleted-edd2ab05.domain.com",
            "gone; gone",
            "",
            ["A 192.0.2.10 60; A 192.0.2.11 60", "A 192.0.2.110 60; A 192.0.2.111 60", ""],
        ),
        case("12.2.0.192.in-addr.arpa", "new id", "", ["=", "", ""]),
        case("13.2.0.192.in-addr.arpa", "gone; +PTR", "ptr released: it was replaced", KEPT),
        case("14.2.0.192.in-addr.arpa", "new id, ttl", "ptr released: its TTL was changed", KEPT),
        case("15.2.0.192.in-addr.arpa", "gone", "", ["PTR pdelete.domain.com 60", "", ""]),
        case("16.2.0.192.in-addr.arpa", "new id, disabled", "ptr released: it was disabled", KEPT),
        case(
            "17.2.0.192.in-addr.arpa",
            "new id; +PTR",
            "",
            ["=", "PTR mail.example.org 60", "PTR mail.example.org 60"],
        ),
    ];
    bench.check(cases).await;
}
