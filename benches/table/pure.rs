//! Pure work, without any server: from what listings show to what is decided, on one core.

use super::{
    LARGE, Size, median,
    town::{self, Spot},
};
use anyhow::{Context, Result, ensure};
use cs_powerdns::{
    desired::{OwnerIndex, Settings as Wishes},
    inventory::Known,
    model::{
        Account, AccountId, Claim, Dnssec, Domain, DomainId, Entry, NetworkId, NetworkKind, Nic, NicId,
        OwnerKey, OwnerName, Owners, Row, SerialKind, SoaContent, Ttl, Vm, VmId, VmState, Zone, ZoneKind,
        Zones,
    },
    plan::{self, Decision, Losses, Mode, NameState},
    reconcile::{Audit, World},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

const SIZES: [usize; 3] = [1000, 10_000, 100_000];
/// Names whose rows are read together.
const LOAD: usize = 500;
const TTL: Ttl = Ttl(60);

/// What each step took, in the order of [`STEPS`].
type Times = [Duration; STEPS.len()];

const STEPS: [&str; 6] = [
    "claims of each VM of a listing",
    "who wants each name",
    "first decision on each name",
    "verdicts, decision where all stands",
    "the same listing again",
    "audit of what stands",
];
/// Claims, ranking, verdicts and decisions: what the aim is about.
const OF_THE_AIM: [usize; 3] = [0, 1, 3];

pub fn measure(size: &Size) -> Result<()> {
    println!("pure work on one core, medians of {} rounds, in us a record", size.rounds);
    let sizes = SIZES.map(|vms| vms.min(size.vms(LARGE)));
    let mut columns: Vec<(usize, usize, Times)> = Vec::new();
    for vms in sizes {
        let mut records = 0;
        let mut rounds: Vec<Times> = Vec::new();
        for _ in 0..size.rounds {
            let (found, times) = pass(vms)?;
            records = found;
            rounds.push(times);
        }
        let times = std::array::from_fn(|step| {
            median(&mut rounds.iter().map(|times| times[step]).collect::<Vec<_>>())
        });
        columns.push((vms, records, times));
    }
    let line = |what: &str, values: &mut dyn Iterator<Item = String>| {
        println!("{what:<44}{}", values.map(|value| format!("{value:>12}")).collect::<Vec<_>>().concat());
    };
    line("VMs", &mut columns.iter().map(|(vms, ..)| vms.to_string()));
    line("records", &mut columns.iter().map(|(_, records, _)| records.to_string()));
    let each = |time: Duration, records: usize| {
        let nanos = time.as_nanos() / records.max(1) as u128;
        format!("{}.{:03}", nanos / 1000, nanos % 1000)
    };
    for (step, what) in STEPS.iter().enumerate() {
        line(&format!("  {what}"), &mut columns.iter().map(|(_, records, t)| each(t[step], *records)));
    }
    let sum = |times: &Times| OF_THE_AIM.iter().map(|step| times[*step]).sum::<Duration>();
    let what = "claims, ranking, verdicts, decisions";
    line(what, &mut columns.iter().map(|(_, records, times)| each(sum(times), *records)));
    let all = columns.iter().map(|(_, _, times)| super::shown(sum(times)));
    line("  altogether; aim under 1 s, flat a record", &mut all.into_iter());
    Ok(())
}

/// All steps over a world of so many VMs; how many records it has.
fn pass(vms: usize) -> Result<(usize, Times)> {
    let mut times = Times::default();
    let mut note = |step: usize, begun: Instant| times[step] += begun.elapsed();
    let cloud: Vec<Vm> = (0..vms).map(vm).collect();
    let mut world = World::new(Wishes { common_zone: Some(name("cloud.example")?), ..Wishes::default() });
    world.owners = OwnerIndex::new(&owners());
    world.zones = Arc::new(zones(vms)?);

    let listing = world.begin_read();
    world.begin_listing(true);
    let begun = Instant::now();
    for vm in cloud.iter().cloned() {
        world.apply(vm, listing, true, false);
    }
    note(0, begun);

    let mut names: Vec<OwnerName> = world.inventory.iter().flat_map(Known::names).collect();
    names.sort_unstable_by(|a, b| (a.is_arpa(), a).cmp(&(b.is_arpa(), b)));
    names.dedup();
    let mut stand = Stand::default();
    let settings = settings();
    let claims_of = |load: &[OwnerName]| load.iter().map(|name| world.claims_at(name)).collect::<Vec<_>>();
    for load in names.chunks(LOAD) {
        let begun = Instant::now();
        let claims = claims_of(load);
        note(1, begun);
        let read: Vec<At<'_>> = load.iter().map(|name| stand.at(name)).collect();
        let begun = Instant::now();
        let decisions = stand.decide(&world, &settings, load, &claims, &read);
        note(2, begun);
        for (name, decision) in load.iter().zip(decisions) {
            stand.write(name, decision);
        }
    }
    for load in names.chunks(LOAD) {
        let claims = claims_of(load);
        let read: Vec<At<'_>> = load.iter().map(|name| stand.at(name)).collect();
        let begun = Instant::now();
        let decisions = stand.decide(&world, &settings, load, &claims, &read);
        note(3, begun);
        ensure!(decisions.iter().all(|one| one.is_empty() && one.is_plain()), "all stands as it should");
    }

    let listing = world.begin_read();
    world.begin_listing(false);
    let begun = Instant::now();
    for vm in cloud.iter().cloned() {
        let applied = world.apply(vm, listing, true, false);
        ensure!(applied.touched.is_empty(), "nothing has changed");
    }
    note(4, begun);
    let mut audit = Audit::new(settings.owner.clone(), TTL);
    let begun = Instant::now();
    for name in &names {
        let (rows, entries) = stand.at(name);
        for (entry, row) in entries.iter().zip(rows) {
            ensure!(audit.take(&mut world, entry, Some(row)).is_none(), "{name} stands");
        }
    }
    let found = audit.end(&mut world, listing);
    note(5, begun);
    ensure!(found.marks.is_empty() && found.waiting.is_empty(), "an audit marks nothing");
    Ok((usize::try_from(stand.last)?, times))
}

/// The rows and entries of a name.
type At<'a> = (&'a [Row], &'a [Entry]);

/// What stands in the database: each row with its entry, by name.
#[derive(Default)]
struct Stand {
    names: HashMap<OwnerName, (Vec<Row>, Vec<Entry>)>,
    last: u64,
}

impl Stand {
    fn at(&self, name: &OwnerName) -> At<'_> {
        self.names.get(name).map_or((&[], &[]), |(rows, entries)| (rows, entries))
    }

    fn decide(
        &self,
        world: &World,
        settings: &plan::Settings,
        names: &[OwnerName],
        claims: &[Vec<Claim>],
        read: &[At<'_>],
    ) -> Vec<Decision> {
        let approved = HashSet::new();
        let decide = |((name, claims), (rows, entries)): ((&OwnerName, &Vec<Claim>), &At<'_>)| {
            let state = NameState {
                name,
                zone: Ok(world.zones.enclosing(name.as_str()).expect("the town has all zones")),
                rows,
                entries,
                claims,
                zones: &world.zones,
                stray: &|_| None,
                standing: &|entry, claimed| if claimed { world.living(entry) } else { world.standing(entry) },
                forbidden: &|entry, zone| world.forbidden(entry, zone),
                stands: &|target, address| self.at(target).0.iter().any(|row| row.content == *address),
                zone_gone: &|entry| world.zone_gone(entry),
                approved: &approved,
            };
            plan::decide(&state, settings, Losses::Allow)
        };
        names.iter().zip(claims).zip(read).map(decide).collect()
    }

    /// As a COMMIT would leave it.
    fn write(&mut self, name: &OwnerName, decision: Decision) {
        let (rows, entries) = self.names.entry(name.clone()).or_default();
        for (row, put) in decision.inserts.into_iter().zip(decision.puts) {
            self.last += 1;
            entries.push(Entry { record: self.last, ..put.entry });
            rows.push(Row {
                id: self.last,
                zone: row.zone,
                name: name.clone(),
                rtype: row.rtype,
                content: row.content,
                ttl: Some(row.ttl),
                disabled: false,
                auth: Some(true),
                ordername: None,
            });
        }
    }
}

fn settings() -> plan::Settings {
    plan::Settings {
        owner: "default".into(),
        ttl: TTL,
        mode: Mode::Sync,
        recreate: true,
        max_loss_percent: 30,
    }
}

fn name(text: &str) -> Result<OwnerName> {
    OwnerName::parse(text).with_context(|| text.to_owned())
}

/// Ids as they are: without any order.
fn id(kind: u64, at: usize) -> u128 {
    let mixed = (kind << 40 | at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u128::from(mixed.rotate_left(29)) << 64 | u128::from(mixed)
}

fn domain(at: usize) -> DomainId {
    DomainId::from_u128(id(1, at))
}

fn vm(at: usize) -> Vm {
    let Spot { owner, grouped, v4, v6 } = town::spot(at);
    let nic = Nic {
        id: NicId::from_u128(id(3, at)),
        network: NetworkId::from_u128(id(4, owner)),
        kind: NetworkKind::Isolated,
        is_default: true,
        device: 0,
        v4: Some(v4),
        v6: Some(v6),
        ips: Box::default(),
    };
    let own = owner / (town::ACCOUNTS / town::DOMAINS);
    Vm {
        id: VmId::from_u128(id(2, at)),
        name: format!("vm-{at}").into(),
        state: VmState::Live,
        owner: OwnerKey::Account(domain(own), format!("account{owner}").into()),
        created: 1_700_000_000 + i64::try_from(at).unwrap_or_default(),
        group: grouped.then(|| "www".into()),
        nics: [nic].into(),
        flaws: Box::default(),
    }
}

fn owners() -> Owners {
    let domains = (0..town::DOMAINS).map(|at| Domain {
        id: domain(at),
        parent: None,
        path: format!("ROOT/d{at}").into(),
        level: 1,
        network_domain: Some(format!("d{at}.example.org").into()),
    });
    let accounts = (0..town::ACCOUNTS).map(|at| Account {
        id: AccountId::from_u128(id(5, at)),
        name: format!("account{at}").into(),
        domain: domain(at / (town::ACCOUNTS / town::DOMAINS)),
        network_domain: None,
    });
    Owners { accounts: accounts.collect(), domains: domains.collect(), projects: Vec::new() }
}

fn zones(vms: usize) -> Result<Zones> {
    let zone = |(at, text): (usize, String)| {
        Ok(Zone {
            id: u32::try_from(at)? + 1,
            name: name(&text)?,
            kind: ZoneKind::Native,
            presigned: false,
            dnssec: Dnssec::Unsigned,
            bad_nsec3param: false,
            soa: Some(SoaContent::parse("ns1.example.org host.example.org 1 2 3 4 5")?),
            serial_kind: SerialKind::Default,
            last_serial: None,
        })
    };
    let zones = town::zone_names(vms).enumerate().map(zone).collect::<Result<Vec<_>>>()?;
    Ok(Zones::new(zones, HashMap::new()))
}
