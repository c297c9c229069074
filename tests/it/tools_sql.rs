//! Poweradmin in SQL mode on the real servers: it writes any column under the same record id, inserts
//! without order names, and deletes by id (facts: powerdns 8).

use super::{
    bench::{Bench, Case, KEPT, case, create},
    support::example,
};
use testbed::Lab;

/// What Poweradmin's record editor saves: all columns at once.
async fn save(lab: &Lab, name: &str, kind: &str, set: &str) {
    // In MariaDB an assignment sees those before it; ours change one column and put the rest as it is.
    let rest = "name = name, type = type, content = content, ttl = ttl, prio = prio, disabled = disabled";
    let sql = format!("UPDATE records SET {rest}, {set} WHERE name = '{name}' AND type = '{kind}'");
    lab.db.exec(&sql).await.expect("Poweradmin saves");
}

async fn insert(lab: &Lab, name: &str, content: &str, ttl: u32) {
    let sql = format!(
        "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled) \
         SELECT id, '{name}', 'A', '{content}', {ttl}, 0, 0 FROM domains WHERE name = 'domain.com'"
    );
    lab.db.exec(&sql).await.expect("Poweradmin inserts");
}

#[tokio::test]
async fn what_poweradmin_saves_at_a_vms_name_stays_and_what_it_leaves_alone_follows_the_vm() {
    let lab = Lab::new("sql_names").await;
    example(&lab).await;
    create(
        &lab,
        &[
            "content", "ttl", "name", "type", "off", "null", "prio", "same", "back", "ttlback", "gone",
            "sibling", "twin", "twinttl", "dual+", "alias",
        ],
    );
    let mut bench = Bench::start(lab, &[]).await;
    let lab = &bench.lab;
    save(lab, "content.domain.com", "A", "content = '198.51.100.1'").await;
    save(lab, "ttl.domain.com", "A", "ttl = 300").await;
    save(lab, "name.domain.com", "A", "name = 'moved.domain.com'").await;
    save(lab, "type.domain.com", "A", "type = 'TXT', content = '\"words\"'").await;
    save(lab, "off.domain.com", "A", "disabled = 1").await;
    save(lab, "null.domain.com", "A", "disabled = NULL").await;
    save(lab, "prio.domain.com", "A", "prio = 10").await;
    save(lab, "same.domain.com", "A", "ttl = 60").await;
    save(lab, "back.domain.com", "A", "content = '198.51.100.9'").await;
    save(lab, "back.domain.com", "A", "content = '192.0.2.9'").await;
    save(lab, "ttlback.domain.com", "A", "ttl = 300").await;
    save(lab, "ttlback.domain.com", "A", "ttl = 60").await;
    lab.db.exec("DELETE FROM records WHERE name = 'gone.domain.com'").await.unwrap();
    insert(lab, "sibling.domain.com", "198.51.100.12", 60).await;
    insert(lab, "twin.domain.com", "192.0.2.13", 60).await;
    insert(lab, "twinttl.domain.com", "192.0.2.14", 30).await;
    save(lab, "dual.domain.com", "AAAA", "content = '2001:db8::ffff'").await;
    save(lab, "alias.domain.com", "A", "type = 'CNAME', content = 'elsewhere.example.org'").await;
    let cases: &[Case] = &[
        case("content.domain.com", "same id, content", "name released: it was edited in place", KEPT),
        // The address stands at no forward name any more: the reverse name keeps what it has until the VM
        // has another address, which stands nowhere either.
        case("1.2.0.192.in-addr.arpa", "same id", "ptr unconfirmed", ["=", "", ""]),
        case("101.2.0.192.in-addr.arpa", "", "", ["", "", ""]),
        case("ttl.domain.com", "same id, ttl", "name released: its TTL was changed", KEPT),
        case("2.2.0.192.in-addr.arpa", "same id", "", ["=", "", ""]),
        case("name.domain.com", "same id, name", "name released: it was edited in place", KEPT),
        case("moved.domain.com", "", "", KEPT),
        case("type.domain.com", "same id, type, content", "name released: it was edited in place", KEPT),
        case("off.domain.com", "same id, disabled", "name released: it was disabled", KEPT),
        case("null.domain.com", "same id, disabled", "name released: it was disabled", KEPT),
        case("prio.domain.com", "same id", "", ["=", "A 192.0.2.107 60", ""]),
        case("same.domain.com", "same id", "", ["=", "A 192.0.2.108 60", ""]),
        case("108.2.0.192.in-addr.arpa", "", "", ["", "PTR same.domain.com 60", ""]),
        case("back.domain.com", "same id", "", ["=", "A 192.0.2.109 60", ""]),
        case("ttlback.domain.com", "same id", "", ["=", "A 192.0.2.110 60", ""]),
        case("gone.domain.com", "gone", "", ["A 192.0.2.11 60", "A 192.0.2.111 60", ""]),
        case(
            "sibling.domain.com",
            "same id; +A",
            "",
            ["=", "A 192.0.2.112 60; A 198.51.100.12 60", "A 198.51.100.12 60"],
        ),
        // The second row of equal content is foreign: nobody knows that it was meant for this VM.
        case(
            "twin.domain.com",
            "same id; +A",
            "",
            ["=", "A 192.0.2.113 60; A 192.0.2.13 60", "A 192.0.2.13 60"],
        ),
        case(
            "twinttl.domain.com",
            "same id; +A",
            "",
            ["=", "A 192.0.2.114 30; A 192.0.2.14 30", "A 192.0.2.14 30"],
        ),
        // One edited family releases the claim, and with it the other.
        case("dual.domain.com", "same id; same id, content", "name released: it was edited in place", KEPT),
        case("alias.domain.com", "same id, type, content", "name released: it was edited in place", KEPT),
    ];
    bench.check(cases).await;
}

#[tokio::test]
async fn what_poweradmin_saves_at_groups_and_reverse_names_stays_and_other_members_go_on() {
    let lab = Lab::new("sql_groups").await;
    example(&lab).await;
    create(
        &lab,
        &[
            "c1/content",
            "c2/content",
            "t1/ttl",
            "t2/ttl",
            "d1/off",
            "d2/off",
            "g1/gone",
            "g2/gone",
            "w1/written",
            "w2/written",
            "s1/sibling",
            "pcontent",
            "pttl",
            "poff",
            "pcase",
            "pdot",
            "pgone",
            "psame",
        ],
    );
    let mut bench = Bench::start(lab, &[]).await;
    let lab = &bench.lab;
    let member = async |group: &str, content: &str, set: &str| {
        let name = format!("{group}-edd2ab05.domain.com");
        save(lab, &format!("{name}' AND content = '{content}"), "A", set).await;
    };
    member("content", "192.0.2.1", "content = '198.51.100.1'").await;
    member("ttl", "192.0.2.3", "ttl = 30").await;
    member("off", "192.0.2.5", "disabled = 1").await;
    lab.db
        .exec("DELETE FROM records WHERE name = 'gone-edd2ab05.domain.com' AND content = '192.0.2.7'")
        .await
        .unwrap();
    member("written", "192.0.2.9", "content = '192.0.2.10'").await;
    insert(lab, "sibling-edd2ab05.domain.com", "198.51.100.11", 60).await;
    let reverse = async |last: u8, set: &str| {
        save(lab, &format!("{last}.2.0.192.in-addr.arpa"), "PTR", set).await;
    };
    reverse(12, "content = 'mail.example.org'").await;
    reverse(13, "ttl = 300").await;
    reverse(14, "disabled = 1").await;
    reverse(15, "content = 'PCase.domain.com'").await;
    reverse(16, "content = 'pdot.domain.com.'").await;
    lab.db.exec("DELETE FROM records WHERE name = '17.2.0.192.in-addr.arpa'").await.unwrap();
    reverse(18, "ttl = 60").await;
    let edited = "group released: it was edited in place";
    let cases: &[Case] = &[
        case(
            "content-edd2ab05.domain.com",
            "same id, content; same id",
            edited,
            ["=", "A 192.0.2.102 60; A 198.51.100.1 60", "A 198.51.100.1 60"],
        ),
        // The other member follows to the operator's TTL, and so does what replaces both.
        case(
            "ttl-edd2ab05.domain.com",
            "same id, ttl; same id",
            "",
            ["A 192.0.2.3 30; A 192.0.2.4 30", "A 192.0.2.103 30; A 192.0.2.104 30", ""],
        ),
        case(
            "off-edd2ab05.domain.com",
            "same id, disabled; same id",
            "group released: it was disabled",
            ["=", "A 192.0.2.106 60; A 192.0.2.5 60 disabled", "A 192.0.2.5 60 disabled"],
        ),
        case(
            "gone-edd2ab05.domain.com",
            "gone; same id",
            "",
            ["A 192.0.2.7 60; A 192.0.2.8 60", "A 192.0.2.107 60; A 192.0.2.108 60", ""],
        ),
        case(
            "written-edd2ab05.domain.com",
            "same id, content; same id",
            edited,
            ["=", "A 192.0.2.10 60; A 192.0.2.110 60", "A 192.0.2.10 60"],
        ),
        case(
            "sibling-edd2ab05.domain.com",
            "same id; +A",
            "",
            ["=", "A 192.0.2.111 60; A 198.51.100.11 60", "A 198.51.100.11 60"],
        ),
        case("12.2.0.192.in-addr.arpa", "same id, content", "ptr released: it was edited in place", KEPT),
        case("13.2.0.192.in-addr.arpa", "same id, ttl", "ptr released: its TTL was changed", KEPT),
        case("14.2.0.192.in-addr.arpa", "same id, disabled", "ptr released: it was disabled", KEPT),
        case("15.2.0.192.in-addr.arpa", "same id, content", "ptr released: it was edited in place", KEPT),
        case("16.2.0.192.in-addr.arpa", "same id, content", "ptr released: it was edited in place", KEPT),
        case("17.2.0.192.in-addr.arpa", "gone", "", ["PTR pgone.domain.com 60", "", ""]),
        case("18.2.0.192.in-addr.arpa", "same id", "", ["=", "", ""]),
        // The new addresses' reverse names are other claims.
        case("112.2.0.192.in-addr.arpa", "", "", ["", "PTR pcontent.domain.com 60", ""]),
    ];
    bench.check(cases).await;
}
