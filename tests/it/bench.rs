//! A bench for operators' tools: a controller that resyncs every second, what a tool does to our rows, and
//! what becomes of them at the next passes, after the VM's change of address, and after its end.

use super::support::{ACCOUNT, LIMIT, RESYNCS, metric, serve};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _, time::Duration};
use testbed::{Controller, Lab, Row, VmSpec, poll};

/// What a name looks like at the next passes, after the VM's change, and after its end: rows as
/// `A 192.0.2.1 60`, sorted; `=` is what the tool has left.
pub type Stages = [&'static str; 3];

/// Nothing of it is ever touched.
pub const KEPT: Stages = ["=", "=", "="];

/// One owner name that a tool has worked on.
pub struct Case {
    pub name: &'static str,
    /// What the tool did to the rows: measured, not believed.
    pub does: &'static str,
    /// How its claims stand then, as /status says; empty if nothing is to be said.
    pub stands: &'static str,
    pub stages: Stages,
}

pub fn case(name: &'static str, does: &'static str, stands: &'static str, stages: Stages) -> Case {
    Case { name, does, stands, stages }
}

pub struct Bench {
    pub lab: Lab,
    pub controller: Controller,
    /// Their ids, in order: the n-th has 192.0.2.n.
    vms: Vec<String>,
    before: BTreeMap<i64, Row>,
}

impl Bench {
    /// Lets the controller serve what the lab holds, and halts it until [`Bench::check`], so that what a tool
    /// does is not repaired before it is measured.
    pub async fn start(lab: Lab, more: &[(&str, &str)]) -> Self {
        let quick = [("RESYNC_INTERVAL", "1s"), ("DNS_MAX_LOSS_PERCENT", "100"), ("LEASE_TTL", "60s")];
        let env: Vec<(&str, &str)> = quick.iter().chain(more).copied().collect();
        let controller = serve(&lab, &env).await;
        let vms = lab.world().vms();
        let mut bench = Self { lab, controller, vms, before: BTreeMap::new() };
        bench.resyncs(2.0).await;
        bench.controller.signal("STOP").expect("it halts");
        bench.before = bench.all_rows().await;
        bench
    }

    async fn all_rows(&self) -> BTreeMap<i64, Row> {
        let zones: Vec<String> = self.lab.db.query("SELECT name FROM domains").await.expect("zones");
        let mut rows = BTreeMap::new();
        for zone in zones {
            let of_zone = self.lab.db.rows_of_zone(&zone).await.expect("rows");
            rows.extend(of_zone.into_iter().map(|row| (row.id, row)));
        }
        rows
    }

    /// Waits until two resyncs have begun after this moment, and all that they found is done: the first one
    /// to end may have begun before, and losses are weighed once the second one's names are settled.
    pub async fn settle(&self) {
        self.resyncs(4.0).await;
    }

    /// Waits until so many resyncs have ended after this moment, and nothing is left to do.
    async fn resyncs(&self, count: f64) {
        let read = async || metric(&self.controller, RESYNCS).await;
        let mut from = None;
        poll("resyncs begin and end, and nothing is left to do", LIMIT * 2, async || {
            let now = read().await?;
            let from = *from.get_or_insert(now);
            if now < from + count {
                return Err(format!("{} resyncs since then\n{}", now - from, self.controller.output()));
            }
            let status = self.status().await?;
            let dirty = &status["dirty_names"];
            if dirty == 0 {
                Ok(())
            } else {
                Err(format!("{dirty} dirty names; {}", self.controller.output()))
            }
        })
        .await;
    }

    pub async fn status(&self) -> Result<Value, String> {
        let (_, body) = self.controller.get("/status").await.map_err(|error| format!("{error:#}"))?;
        serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
    }

    /// How the claims at a name stand that are not served, `kind: state: detail`, each once.
    pub async fn stands(&self, name: &str) -> String {
        let status = self.status().await.expect("a status");
        let names = status["names"].as_array().expect("names").iter();
        let claims = names.filter(|item| item["name"] == name).filter_map(|item| item["claims"].as_array());
        let word = |claim: &Value, key: &str| claim[key].as_str().unwrap_or_default().to_owned();
        let mut lines: Vec<String> = claims
            .flatten()
            .map(|claim| {
                let (kind, state, detail) =
                    (word(claim, "kind"), word(claim, "state"), word(claim, "detail"));
                if detail.is_empty() {
                    format!("{kind} {state}")
                } else {
                    format!("{kind} {state}: {detail}")
                }
            })
            .collect();
        lines.sort();
        lines.dedup();
        lines.join("; ")
    }

    /// What was done to the rows of a name since the last look.
    async fn effect(&self, name: &str) -> String {
        let now = self.all_rows().await;
        let old = self.before.values().filter(|row| row.name == name && row.kind.is_some());
        let at_name: Vec<&Row> = now.values().filter(|row| row.name == name && row.kind.is_some()).collect();
        let mut known = Vec::new();
        let mut words = Vec::new();
        for row in old {
            let by_id = now.get(&row.id);
            let equal = |other: &&&Row| other.kind == row.kind && other.content == row.content;
            let found = by_id.or_else(|| {
                at_name.iter().find(|other| equal(other) && !self.before.contains_key(&other.id)).copied()
            });
            let Some(found) = found else {
                words.push("gone".to_owned());
                continue;
            };
            known.push(found.id);
            let mut word = if found.id == row.id { "same id" } else { "new id" }.to_owned();
            for (column, differs) in [
                ("name", found.name != row.name),
                ("type", found.kind != row.kind),
                ("content", found.content != row.content),
                ("ttl", found.ttl != row.ttl),
                ("disabled", found.disabled != row.disabled),
            ] {
                if differs {
                    let _ = write!(word, ", {column}");
                }
            }
            words.push(word);
        }
        let come =
            at_name.iter().filter(|row| !known.contains(&row.id) && !self.before.contains_key(&row.id));
        words.extend(come.map(|row| format!("+{}", row.kind.as_deref().unwrap_or_default())));
        words.join("; ")
    }

    /// Checks each name after the tool, then through the VMs' lives to their end.
    pub async fn check(&mut self, cases: &[Case]) {
        let mut wrong = String::new();
        let mut left: BTreeMap<&str, String> = BTreeMap::new();
        for case in cases {
            let does = self.effect(case.name).await;
            if does != case.does {
                let _ = writeln!(wrong, "{}: the tool does `{does}`, not `{}`", case.name, case.does);
            }
            left.insert(case.name, rows(&self.lab, case.name).await);
        }
        self.controller.signal("CONT").expect("it goes on");
        self.settle().await;
        for case in cases {
            let stands = self.stands(case.name).await;
            if stands != case.stands {
                let _ = writeln!(wrong, "{}: stands as `{stands}`, not `{}`", case.name, case.stands);
            }
        }
        self.compare("at the next passes", 0, cases, &left, &mut wrong).await;
        self.is_quiet(&mut wrong).await;
        for (at, id) in self.vms.iter().enumerate() {
            let now = self.lab.world().vm(id).expect("a VM").nics[0].clone();
            let v4 = now.v4.map(|_| format!("192.0.2.{}", at + 101));
            let v6 = now.v6.map(|_| format!("2001:db8::{}", at + 101));
            self.lab.world().set_address(id, v4.as_deref(), v6.as_deref());
        }
        self.settle().await;
        self.compare("after the VM's change", 1, cases, &left, &mut wrong).await;
        for id in &self.vms {
            self.lab.world().destroy_vm(id);
        }
        self.settle().await;
        self.compare("after the VM's end", 2, cases, &left, &mut wrong).await;
        self.is_quiet(&mut wrong).await;
        let entries: Vec<String> =
            self.lab.db.query("SELECT name FROM cs_powerdns_ledger").await.expect("entries");
        if !entries.is_empty() {
            let _ = writeln!(wrong, "entries without a VM: {entries:?}");
        }
        assert!(wrong.is_empty(), "\n{wrong}{}", self.controller.output());
    }

    async fn compare(
        &self,
        when: &str,
        stage: usize,
        cases: &[Case],
        left: &BTreeMap<&str, String>,
        wrong: &mut String,
    ) {
        let dns = self.lab.dns().await;
        for Case { name, stages, .. } in cases {
            let expected = if stages[stage] == "=" { left[name].as_str() } else { stages[stage] };
            let found = rows(&self.lab, name).await;
            if found != expected {
                let _ = writeln!(wrong, "{name} {when}: `{found}`, not `{expected}`");
            }
            for kind in ["A", "AAAA", "PTR"] {
                let told = dns.dig(name, kind).expect("an answer");
                let said: Vec<String> = told.iter().map(|text| text.trim_end_matches('.').into()).collect();
                let served = served(&self.lab, name, kind).await;
                if said != served {
                    let _ = writeln!(wrong, "{name} {kind} {when}: {said:?} is answered, {served:?} stands");
                }
            }
        }
    }

    /// Resyncs go on, and nothing is written but the lease.
    async fn is_quiet(&mut self, wrong: &mut String) {
        self.lab.forget_writes().await;
        self.resyncs(2.0).await;
        let writes = self.lab.writes(&["cs_powerdns_owner"]).await;
        if !writes.is_empty() {
            let _ = writeln!(wrong, "resyncs of the same state write: {writes:#?}");
        }
    }
}

/// The rows of a name, empty non-terminals left out: `A 192.0.2.1 60`, `disabled` at the end of those that are.
pub async fn rows(lab: &Lab, name: &str) -> String {
    let rows = lab.db.rows(name).await.expect("rows");
    let rows = rows.iter().filter_map(|row| {
        let (kind, content) = (row.kind.as_deref()?, row.content.as_deref().unwrap_or_default());
        let ttl = row.ttl.map_or_else(|| "null".to_owned(), |ttl| ttl.to_string());
        Some(format!("{kind} {content} {ttl}{}", if row.disabled { " disabled" } else { "" }))
    });
    rows.collect::<Vec<_>>().join("; ")
}

/// What PowerDNS ought to answer: each enabled content once, unless an alias stands there.
async fn served(lab: &Lab, name: &str, kind: &str) -> Vec<String> {
    let rows = lab.db.rows(name).await.expect("rows");
    let enabled = || rows.iter().filter(|row| !row.disabled);
    if enabled().any(|row| row.kind.as_deref() == Some("CNAME")) {
        return vec![];
    }
    let of_kind = enabled().filter(|row| row.kind.as_deref() == Some(kind));
    let mut contents: Vec<String> = of_kind
        .filter_map(|row| row.content.as_deref())
        .map(|text| text.trim_end_matches('.'))
        .map(|text| text.parse::<std::net::IpAddr>().map_or_else(|_| text.into(), |ip| ip.to_string()))
        .collect();
    contents.sort();
    contents.dedup();
    contents
}

/// One VM a name, of the example's account: the n-th has 192.0.2.n. `name/group` puts it into a group,
/// `name+` gives it 2001:db8::n too.
pub fn create(lab: &Lab, names: &[&str]) {
    for (at, text) in names.iter().enumerate() {
        let (name, group) = text.split_once('/').map_or((*text, None), |(name, group)| (name, Some(group)));
        let v6 = name.ends_with('+').then(|| format!("2001:db8::{}", at + 1));
        let spec = VmSpec::new(name.trim_end_matches('+'), ACCOUNT).v4(&format!("192.0.2.{}", at + 1));
        lab.world().create_vm(VmSpec { group: group.map(Into::into), v6, ..spec });
    }
}

/// PowerDNS's API.
pub struct Api<'a> {
    lab: &'a Lab,
}

impl<'a> Api<'a> {
    pub fn of(lab: &'a Lab) -> Self {
        Self { lab }
    }

    /// Sends a request and expects success. `path` begins behind `/zones`.
    pub async fn call(&self, method: &str, path: &str, body: &Value) {
        let dns = self.lab.dns().await;
        let url = format!("{}/api/v1/servers/localhost/zones{path}", dns.api_url());
        let request = reqwest::Client::new().request(method.parse().expect("a method"), url);
        let request = request.header("X-API-Key", &dns.api_key).timeout(Duration::from_secs(30));
        let answer = request.json(body).send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{method} {path} {body}: {status} {text}");
    }

    /// Changes one RRset of a zone; `more` is laid over the rest.
    pub async fn patch(&self, zone: &str, name: &str, kind: &str, change: &str, more: Value) {
        let mut rrset = json!({ "name": format!("{name}."), "type": kind, "changetype": change });
        for (key, value) in more.as_object().into_iter().flatten() {
            rrset[key] = value.clone();
        }
        self.call("PATCH", &format!("/{zone}."), &json!({ "rrsets": [rrset] })).await;
    }

    /// REPLACE with these enabled records.
    pub async fn replace(&self, zone: &str, name: &str, kind: &str, ttl: u32, contents: &[&str]) {
        let record = |content: &&str| json!({ "content": content, "disabled": false });
        let records: Vec<Value> = contents.iter().map(record).collect();
        self.patch(zone, name, kind, "REPLACE", json!({ "ttl": ttl, "records": records })).await;
    }
}
