//! What the older service (bwsw/cs-powerdns-integration) leaves in a database, statement by statement: rows
//! by plain inserts at every start of a VM, group names with the hash of whoever made the call, and its
//! table `cs_mapping`.

use super::support::ACCOUNT;
use testbed::{Lab, VmSpec};

/// The common zone of these tests.
pub const COMMON: &str = "common.org";
/// Who made the calls: group names carry his first eight digits.
pub const CALLER: &str = "ca11e700";

/// A VM as that service saw it.
#[derive(Clone)]
pub struct Old {
    pub id: String,
    pub name: &'static str,
    pub v4: String,
    pub v6: Option<String>,
    pub group: Option<&'static str>,
    /// Whose account the group name was made of.
    pub caller: String,
}

impl Old {
    /// A living VM of the cloud. The call was its owner's own.
    pub fn create(lab: &Lab, name: &'static str, last: u8, group: Option<&'static str>) -> Self {
        let (v4, v6) = (format!("192.0.2.{last}"), Some(format!("2001:db8::{last:x}")));
        let spec = VmSpec {
            v4: Some(v4.clone()),
            v6: v6.clone(),
            group: group.map(str::to_owned),
            ..VmSpec::new(name, ACCOUNT)
        };
        let id = lab.world().silent().create_vm(spec);
        Self { id, name, v4, v6, group, caller: ACCOUNT[..8].to_owned() }
    }
}

/// The table as the service makes it.
pub async fn table(lab: &Lab) {
    let sql = "CREATE TABLE IF NOT EXISTS cs_mapping(uuid CHAR(36), record VARCHAR(255), ipaddress CHAR(39), \
               UNIQUE(uuid, record, ipaddress))";
    lab.db.exec(sql).await.expect("the older service's table");
}

async fn row(lab: &Lab, zone: &str, name: &str, kind: &str, content: &str, ordername: Option<&str>) {
    let ordername = ordername.map_or("NULL".to_owned(), |text| format!("'{text}'"));
    let sql = format!(
        "REPLACE INTO records (name, type, content, ttl, prio, ordername, auth, domain_id) \
         SELECT '{name}', '{kind}', '{content}', 60, 0, {ordername}, 1, id FROM domains WHERE name = '{zone}'"
    );
    lab.db.exec(&sql).await.expect("the older service's row");
}

async fn map(lab: &Lab, vm: &Old, name: &str, address: Option<&str>) {
    let address = address.map_or("NULL".to_owned(), |text| format!("'{text}'"));
    let id = &vm.id;
    let sql = format!(
        "INSERT IGNORE INTO cs_mapping (uuid, record, ipaddress) VALUES ('{id}', '{name}', {address})"
    );
    lab.db.exec(&sql).await.expect("the older service's note");
}

async fn forward(lab: &Lab, vm: &Old, zone: &str) {
    let addresses: Vec<(&str, &String)> =
        std::iter::once(("A", &vm.v4)).chain(vm.v6.iter().map(|v6| ("AAAA", v6))).collect();
    let name = format!("{}.{zone}", vm.name);
    for (kind, address) in &addresses {
        row(lab, zone, &name, kind, address, Some(vm.name)).await;
    }
    map(lab, vm, &name, None).await;
    if let Some(group) = vm.group {
        let name = format!("{group}-{}.{zone}", vm.caller);
        for (kind, address) in &addresses {
            row(lab, zone, &name, kind, address, Some(vm.name)).await;
            map(lab, vm, &name, Some(address)).await;
        }
    }
}

/// What it does when a VM was started; with `created`, when it was created.
pub async fn started(lab: &Lab, vm: &Old, created: bool) {
    let name = format!("{}.domain.com", vm.name);
    lab.db.exec(&format!("DELETE FROM records WHERE name = '{name}'")).await.expect("a delete");
    forward(lab, vm, COMMON).await;
    forward(lab, vm, "domain.com").await;
    if !created {
        return;
    }
    for address in std::iter::once(&vm.v4).chain(vm.v6.as_ref()) {
        let (zone, reverse) = reverse(address);
        row(lab, zone, &reverse, "PTR", &name, None).await;
        map(lab, vm, &reverse, None).await;
    }
}

/// The reverse zone and the reverse name of an address.
pub fn reverse(address: &str) -> (&'static str, String) {
    match address.parse().expect("an address") {
        std::net::IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            ("2.0.192.in-addr.arpa", format!("{d}.{c}.{b}.{a}.in-addr.arpa"))
        }
        std::net::IpAddr::V6(v6) => {
            let nibbles: Vec<String> = v6
                .octets()
                .iter()
                .rev()
                .flat_map(|octet| [octet & 15, octet >> 4])
                .map(|nibble| format!("{nibble:x}"))
                .collect();
            ("8.b.d.0.1.0.0.2.ip6.arpa", format!("{}.ip6.arpa", nibbles.join(".")))
        }
    }
}
