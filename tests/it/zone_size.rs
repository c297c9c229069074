//! What one change costs must not grow with its zone: counted in rows that the controller's statements read,
//! which no noise touches. `benches/zone.rs` does the same with a million rows, and takes the time.

use super::{
    rules_support::sql,
    support::{EVENTS_ONLY, LIMIT, serve_events},
};
use std::collections::HashMap;
use testbed::{Controller, Lab, VmSpec, poll};

const SMALL: u64 = 100;
const LARGE: u64 = 10_000;
/// Of each change the cheapest of so many counts: others may fall together with the reading of zones.
const TIMES: usize = 2;

/// A way that a zone can be.
struct Kind {
    /// Its apex is `s.` or `l.` and this; under ip6.arpa `1.` or `2.`.
    apex: &'static str,
    /// What stands between the apex and the names.
    below: &'static str,
    nsec3: bool,
}

const KINDS: [Kind; 4] = [
    Kind { apex: "plain.test", below: "", nsec3: false },
    Kind { apex: "deep.test", below: "a.b.", nsec3: false },
    Kind { apex: "nsec3.test", below: "", nsec3: true },
    Kind { apex: "8.b.d.0.1.0.0.2.ip6.arpa", below: "", nsec3: false },
];

impl Kind {
    fn is_reverse(&self) -> bool {
        self.apex.ends_with("arpa")
    }

    fn zone(&self, large: bool) -> String {
        let first = match (self.is_reverse(), large) {
            (true, false) => "1",
            (true, true) => "2",
            (false, false) => "s",
            (false, true) => "l",
        };
        format!("{first}.{}", self.apex)
    }

    /// The owner name that the VM of this number has in the zone, with its n-th address.
    fn name(&self, large: bool, vm: usize, nth: usize) -> String {
        let zone = self.zone(large);
        if self.is_reverse() {
            format!("{nth:x}.{vm:x}.1.{}{zone}", "0.".repeat(20))
        } else {
            format!("vm{vm}.{}{zone}", self.below)
        }
    }

    /// An address of the VM of this number.
    fn address(&self, large: bool, vm: usize, nth: usize) -> (Option<String>, Option<String>) {
        if self.is_reverse() {
            (None, Some(format!("2001:db8:{}000::1{vm:x}{nth:x}", if large { 2 } else { 1 })))
        } else {
            (Some(format!("203.0.113.{}", 16 * vm + nth)), None)
        }
    }
}

#[tokio::test]
async fn one_change_reads_no_more_rows_in_a_large_zone_than_in_a_small_one() {
    let mut lab = Lab::new("zone_size").await;
    lab.kafka();
    // Counts rows by user; it costs the others of this server next to nothing.
    sql(&lab, "SET GLOBAL userstat = 1").await;
    let mut accounts = Vec::new();
    for kind in &KINDS {
        accounts.push([found(&lab, kind, false).await, found(&lab, kind, true).await]);
    }
    // Rows whose ids are among the latest thousand are read again as long as they may be news.
    let above: u64 = lab.db.query("SELECT MAX(id) + 2000 FROM records").await.unwrap()[0];
    sql(&lab, &format!("ALTER TABLE records AUTO_INCREMENT = {above}")).await;
    sql(
        &lab,
        "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
         SELECT id, name, 'TXT', '\"late\"', 60, 0, 0, 1 FROM domains",
    )
    .await;
    sql(&lab, "ANALYZE TABLE records").await;

    let settings = [("DNS_PARENT_ZONES", "true"), ("KAFKA_CONFIG", "fetch.wait.max.ms=5")];
    let settings: Vec<_> = settings.into_iter().chain(EVENTS_ONLY).collect();
    let controller = serve_events(&lab, &settings).await;
    let mut read: HashMap<(&str, usize, bool), u64> = HashMap::new();
    let mut vms: HashMap<(usize, bool, usize), String> = HashMap::new();
    // In this order, because one VM is looked at no more than once a second.
    for what in ["creating", "changing", "deleting"] {
        for (nth, kind) in KINDS.iter().enumerate() {
            for (vm, large) in (1..=TIMES).flat_map(|vm| [(vm, false), (vm, true)]) {
                let before = rows_read(&lab).await;
                let (v4, v6) = kind.address(large, vm, usize::from(what != "creating"));
                match what {
                    "creating" => {
                        let spec = VmSpec::new(&format!("vm{vm}"), &accounts[nth][usize::from(large)]);
                        let id = lab.world().create_vm(VmSpec { v4, v6, ..spec });
                        vms.insert((nth, large, vm), id);
                    }
                    "changing" => {
                        lab.world().set_address(&vms[&(nth, large, vm)], v4.as_deref(), v6.as_deref());
                    }
                    _ => lab.world().destroy_vm(&vms[&(nth, large, vm)]),
                }
                stands(&lab, &controller, kind, large, vm, what).await;
                let rows = rows_read_at_rest(&lab, &controller).await - before;
                let least = read.entry((what, nth, large)).or_insert(rows);
                *least = rows.min(*least);
            }
        }
    }
    let mut told = Vec::new();
    for ((what, nth, _), large) in read.iter().filter(|((.., large), _)| *large) {
        let small = read[&(*what, *nth, false)];
        assert!(small > 0, "no row was read for {what} a VM: nothing was counted");
        // An address's old and new reverse names go in one transaction (106 rows) or in two (147), as it happens.
        if *large > small * 3 / 2 + 10 {
            told.push(format!("{what} a VM in {}: {small} rows, and {large}", KINDS[*nth].zone(true)));
        }
    }
    assert!(told.is_empty(), "read in zones of {SMALL} and of {LARGE} rows: {told:#?}");
}

/// A zone with rows of somebody else's, as `rectify-zone` leaves it, and an account whose VMs have their
/// names in it; the account's id.
async fn found(lab: &Lab, kind: &Kind, large: bool) -> String {
    let (zone, rows) = (kind.zone(large), if large { LARGE } else { SMALL });
    let id = lab.db.zone(&zone).await.expect("a zone");
    let (name, rtype, content) = if kind.is_reverse() {
        // As a network's consecutive addresses.
        let nibbles = "HEX(seq & 15), HEX(seq >> 4 & 15), HEX(seq >> 8 & 15), HEX(seq >> 12 & 15), '2'";
        let rest = format!("{}{zone}", "0.".repeat(18));
        (format!("LOWER(CONCAT_WS('.', {nibbles}, '{rest}'))"), "PTR", "'host.example.net'")
    } else {
        (format!("CONCAT('r', seq, '.{}{zone}')", kind.below), "A", "INET_NTOA(167772160 + seq)")
    };
    let rows = format!(
        "INSERT INTO records (domain_id, name, type, content, ttl, prio, disabled, auth) \
         SELECT {id}, {name}, '{rtype}', {content}, 60, 0, 0, 1 FROM seq_1_to_{rows}"
    );
    sql(lab, &rows).await;
    let dns = lab.dns().await;
    if kind.nsec3 {
        dns.pdnsutil(&["secure-zone", &zone]).expect("pdnsutil works");
        dns.pdnsutil(&["set-nsec3", &zone, "1 0 0 -"]).expect("pdnsutil works");
    }
    dns.pdnsutil(&["rectify-zone", &zone]).expect("pdnsutil works");
    let suffix = if kind.is_reverse() {
        let suffix = format!("of{}.test", u8::from(large));
        lab.db.zone(&suffix).await.expect("a zone");
        suffix
    } else {
        format!("{}{zone}", kind.below)
    };
    lab.world().add_account(&lab.world().root(), &zone, Some(&suffix))
}

/// Waits until the VM's name is in the table as it is to be.
async fn stands(lab: &Lab, controller: &Controller, kind: &Kind, large: bool, vm: usize, what: &str) {
    let nth = usize::from(what != "creating");
    let name = kind.name(large, vm, nth);
    let content = kind.address(large, vm, nth).0;
    let (rtype, content) = if kind.is_reverse() {
        ("PTR", format!("vm{vm}.of{}.test", u8::from(large)))
    } else {
        ("A", content.unwrap_or_default())
    };
    let wanted = if what == "deleting" { vec![] } else { vec![content] };
    poll(&format!("{name} {rtype} is {wanted:?}"), LIMIT, async || {
        let found = lab.db.contents(&name, rtype).await.expect("the rows");
        if found == wanted { Ok(()) } else { Err(format!("it is {found:?}; {}", controller.output())) }
    })
    .await;
}

/// The same once nothing more is read.
async fn rows_read_at_rest(lab: &Lab, controller: &Controller) -> u64 {
    let mut last = (0, 0);
    poll("the controller rests", LIMIT, async || {
        let now = rows_read(lab).await;
        last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
        if last.1 > 1 { Ok(()) } else { Err(controller.output()) }
    })
    .await;
    last.0
}

/// How many rows the controller's statements have read so far.
async fn rows_read(lab: &Lab) -> u64 {
    let user = &lab.db.user;
    let sql = format!("SELECT ROWS_READ FROM information_schema.USER_STATISTICS WHERE USER = '{user}'");
    lab.db.query::<u64>(&sql).await.expect("a count").first().copied().unwrap_or(0)
}
