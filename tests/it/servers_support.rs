//! What the tests of servers that die, go and come share: whether the tables are sound, and what the process
//! takes.

use testbed::{Controller, Lab};

/// Each entry of the ledger has its row, each row of the types that are ours and not among `foreign` has its
/// entry, and nothing stands twice.
pub async fn sound(lab: &Lab, foreign: &[&str], when: &str) {
    let twice = "SELECT CONCAT_WS(' ', name, type, content) FROM records \
                 GROUP BY domain_id, name, type, content HAVING COUNT(*) > 1";
    let without_row = "SELECT CONCAT_WS(' ', l.name, l.type, l.content) FROM cs_powerdns_ledger l LEFT JOIN records r \
                       ON r.id = l.record_id AND r.domain_id = l.zone_id AND r.name = l.name AND r.type = l.type \
                       AND r.content = l.content AND r.ttl = l.ttl AND r.disabled = 0 WHERE r.id IS NULL";
    let without_entry = format!(
        "SELECT CONCAT_WS(' ', r.name, r.type, r.content) FROM records r LEFT JOIN cs_powerdns_ledger l \
         ON l.record_id = r.id WHERE r.type IN ('A', 'AAAA', 'PTR') AND l.record_id IS NULL AND r.name NOT IN ('{}')",
        foreign.join("', '")
    );
    for (what, sql) in [
        ("stand twice", twice),
        ("are entries without their row", without_row),
        ("are rows without their entry", &without_entry),
    ] {
        let found: Vec<String> = lab.db.query(sql).await.expect("the database answers");
        assert_eq!(found, Vec::<String>::new(), "{when}, these {what}");
    }
}

/// Resident memory in MiB.
pub fn memory(controller: &Controller) -> u64 {
    let pid = controller.pid().expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("resident memory");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") / 1024
}

/// How many warnings the log has.
pub fn warnings(controller: &Controller) -> usize {
    controller.output().lines().filter(|line| line.contains(" WARN ")).count()
}
