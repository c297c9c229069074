//! What one owner name should look like after a settle, written from design 3 to 5 and from nothing else:
//! slow, obvious, and without a word of the planner's.

use super::{
    super::{Losses, Mode, Standing, bed::Bed},
    picture::Picture,
    verdicts::{End, Line, Verdict, claim_of, home, is_claimed, lines, lives, standing, zone_of},
};
use crate::model::{
    AccountId, Barrier, Claim, Content, Entry, Kind, OwnerName, RecordType, Row, Ttl, ZoneId,
};

/// What should stand after a settle.
pub fn expect(bed: &Bed) -> Picture {
    let mut after = bed.clone();
    for forward in [true, false] {
        // A holder that ends up with nothing at the name holds nothing: then the next one is served in the
        // same transaction, and nobody who had the name before.
        let mut held = holders(bed, forward);
        let mut had = Vec::new();
        loop {
            let served = serve_order(bed, forward, &held);
            let next = settle(bed, &after, forward, &served);
            had.push(served);
            held = holders(&next, forward);
            if had.contains(&serve_order(bed, forward, &held)) {
                after = next;
                break;
            }
        }
    }
    Picture::of(&after)
}

fn is_claims_column(claim: &Claim, forward: bool) -> bool {
    (claim.kind != Kind::Ptr) == forward
}

/// Whether an entry makes its VM the holder: it does not if it ends here and now with nothing to show.
fn gives_the_name(bed: &Bed, line: &Line) -> bool {
    match line.verdict {
        Verdict::NoZone => false,
        Verdict::Deleted => claim_of(bed, &line.entry).is_some(),
        _ => true,
    }
}

fn holders(bed: &Bed, forward: bool) -> Vec<Entry> {
    let lines = lines(bed, forward).into_iter();
    lines.filter(|line| gives_the_name(bed, line)).map(|line| line.entry).collect()
}

/// Design 4: who has the name, as indexes of the bed's claims.
fn serve_order(bed: &Bed, forward: bool, standing: &[Entry]) -> Vec<usize> {
    let mut claims: Vec<(usize, &Claim)> =
        bed.claims.iter().enumerate().filter(|(_, claim)| is_claims_column(claim, forward)).collect();
    claims.sort_by_key(|(_, claim)| (claim.created, claim.vm));
    let groups: Vec<_> = claims.iter().filter(|(_, claim)| claim.kind == Kind::Group).collect();
    if !groups.is_empty() {
        let holds = |claim: &Claim| {
            standing.iter().any(|entry| entry.kind == Kind::Group && entry.account == claim.account)
        };
        let first = groups.iter().find(|(_, claim)| holds(claim)).unwrap_or(&groups[0]);
        let mut members: Vec<usize> =
            groups.iter().filter(|(_, claim)| claim.account == first.1.account).map(|(at, _)| *at).collect();
        members.sort_unstable();
        return members;
    }
    let holds = |claim: &Claim| standing.iter().any(|entry| (entry.vm, entry.kind) == (claim.vm, claim.kind));
    for (shared, holder) in [(true, true), (true, false), (false, true), (false, false)] {
        let found = claims.iter().find(|(_, claim)| claim.shared == shared && holds(claim) == holder);
        if let Some((at, _)) = found {
            return vec![*at];
        }
    }
    vec![]
}

/// What a claim wants to stand: its addresses, or the first forward name at which its address stands.
fn contents(bed: &Bed, claim: &Claim) -> Vec<(RecordType, Content)> {
    if claim.kind == Kind::Ptr {
        let confirmed = |target: &&OwnerName| {
            bed.stands.iter().any(|(name, at)| name == *target && claim.addresses[0] == *at)
        };
        let target = claim.targets.iter().find(confirmed);
        return target.map(|target| (RecordType::Ptr, Content::Name(target.clone()))).into_iter().collect();
    }
    let content = |ip: &std::net::IpAddr| {
        (if ip.is_ipv4() { RecordType::A } else { RecordType::Aaaa }, Content::from(*ip))
    };
    claim.addresses.iter().map(content).collect()
}

/// The same to everybody who asks.
fn same_answer(row: &Row, rtype: &RecordType, content: &Content) -> bool {
    let target = |content: &Content| content.to_string().trim_end_matches('.').to_lowercase();
    row.rtype == *rtype
        && match rtype {
            RecordType::Ptr => target(&row.content) == target(content),
            _ => {
                row.content == *content
                    || (row.content.address().is_some() && row.content.address() == content.address())
            }
        }
}

/// One column settled with these claims served: the name afterwards.
fn settle(bed: &Bed, so_far: &Bed, forward: bool, served: &[usize]) -> Bed {
    let (home, serving) = (home(bed), serving(bed, served));
    let mut lines = lines(bed, forward);
    // Nobody takes a row over beside an old holder that must stand.
    choose_ends(bed, &mut lines, served, true);
    if serving.iter().any(|claim| has_rival(&lines, claim, home)) {
        choose_ends(bed, &mut lines, served, false);
    }
    let mut after = so_far.clone();
    delete(bed, &lines, &mut after);
    let Some(home) = home else { return after };
    for claim in &serving {
        add(bed, &lines, home, claim, &mut after);
    }
    let group = serving.iter().find(|claim| claim.kind == Kind::Group).map(|claim| claim.account);
    retime(bed, &lines, home, forward, group, &mut after);
    // The database gives ids.
    let mut next = bed.last_id().max(so_far.last_id());
    for row in after.rows.iter_mut().filter(|row| row.id == 0) {
        next += 1;
        row.id = next;
        let entry = after.entries.iter_mut().find(|entry| {
            entry.record == 0
                && (entry.zone, &entry.rtype, &entry.content) == (row.zone, &row.rtype, &row.content)
        });
        entry.unwrap().record = next;
    }
    after
}

/// What becomes of our entries, where these claims are served; `takes`: a row may go over from one claim to
/// another of equal content.
fn choose_ends(bed: &Bed, lines: &mut [Line], served: &[usize], takes: bool) {
    let home = home(bed);
    let claims = serving(bed, served);
    let wants = |claim: &Claim, entry: &Entry| {
        contents(bed, claim).contains(&(entry.rtype.clone(), entry.content.clone()))
    };
    for line in lines.iter_mut() {
        let entry = &line.entry;
        let stance = standing(bed, entry);
        let gone = matches!(stance, Standing::Gone { .. });
        let here = line.zone == home;
        let ended = !lives(bed, line);
        line.end = match line.verdict {
            Verdict::NoZone if bed.zone_gone => End::Ends,
            Verdict::NoZone => End::Stays,
            Verdict::Deleted if !ended && (entry.on_hold || !bed.settings.recreate) => End::Stays,
            Verdict::Deleted => End::Ends,
            _ if line.hands_off && ended => End::Ends,
            _ if line.hands_off || stance == Standing::Keep => End::Stays,
            _ => {
                // What an operator did to a group's TTL is nothing to a name.
                let fits = |claim: &Claim| line.verdict == Verdict::Intact || claim.kind == Kind::Group;
                let able = |claim: &Claim| here && home.is_some() && wants(claim, entry) && fits(claim);
                let mut able = served.iter().filter(|at| able(&bed.claims[**at]));
                let own = able.clone().find(|at| line.is_of(&bed.claims[**at]));
                match own.or(able.next().filter(|_| takes)) {
                    Some(at) => End::Serves(*at),
                    None if may_go(bed, line, gone, &claims) => End::Goes,
                    None => End::Stays,
                }
            }
        };
    }
    // What stays may keep others from being replaced.
    loop {
        let stays = |line: &Line| line.end == End::Goes && !may_be_lost(bed, lines, line, &claims);
        let stays: Vec<bool> = lines.iter().map(stays).collect();
        for (line, _) in lines.iter_mut().zip(&stays).filter(|(_, stays)| **stays) {
            line.end = End::Stays;
        }
        if !stays.contains(&true) {
            return;
        }
    }
}

/// Whether the mode and the budget let a row go.
fn may_be_lost(bed: &Bed, lines: &[Line], line: &Line, claims: &[&Claim]) -> bool {
    let home = home(bed);
    // Upsert-only: nothing goes but what a row of the same VM replaces, or what must go for another VM's
    // name once its holder is proved gone. Nothing replaces it, invisible or not, while its claim waits.
    let replaced = |claim: &Claim| {
        let wanted = contents(bed, claim).into_iter().filter(|(rtype, _)| *rtype == line.entry.rtype);
        let comes = |(rtype, what)| home.map(|home| comes(bed, lines, home, claim, &rtype, &what));
        wanted.map(comes).any(|coming| matches!(coming, Some(Comes::Ours | Comes::Theirs)))
    };
    let successor = claims.iter().any(|claim| line.is_of(claim) && replaced(claim));
    let gone = matches!(standing(bed, &line.entry), Standing::Gone { .. });
    let fellow = |claim: &Claim| {
        (claim.kind, line.entry.kind) == (Kind::Group, Kind::Group) && claim.account == line.entry.account
    };
    let makes_way = gone && claims.iter().any(|claim| !fellow(claim));
    let allowed = match bed.settings.mode {
        Mode::Sync => true,
        Mode::UpsertOnly => successor || makes_way,
        Mode::CreateOnly => false,
    };
    let announced = matches!(
        standing(bed, &line.entry),
        Standing::Living { announced: true } | Standing::Gone { announced: true }
    );
    // What answers nothing is no loss.
    let hidden = home.is_some() && line.zone != home;
    allowed && (bed.losses == Losses::Allow || announced || hidden)
}

fn serving<'a>(bed: &'a Bed, served: &[usize]) -> Vec<&'a Claim> {
    if home(bed).is_some() { served.iter().map(|at| &bed.claims[*at]).collect() } else { vec![] }
}

/// Whether an entry of somebody else has to stand where the claim would be written.
fn has_rival(lines: &[Line], claim: &Claim, home: Option<ZoneId>) -> bool {
    lines.iter().any(|line| {
        let fellow = line.entry.kind == Kind::Group
            && claim.kind == Kind::Group
            && line.entry.account == claim.account;
        line.end == End::Stays
            && line.verdict != Verdict::Deleted
            && line.zone == home
            && home.is_some()
            && !line.is_of(claim)
            && !fellow
    })
}

/// What goes, what ends, and how the entries that stay should read.
fn delete(bed: &Bed, lines: &[Line], after: &mut Bed) {
    for line in lines {
        if line.end == End::Goes {
            let id = line.row.as_ref().unwrap().id;
            after.rows.retain(|row| row.id != id);
        }
        let at = after.entries.iter().position(|entry| *entry == line.entry).unwrap();
        if matches!(line.end, End::Goes | End::Ends) {
            after.entries.remove(at);
            continue;
        }
        let entry = &mut after.entries[at];
        if let End::Serves(at) = line.end {
            let claim = &bed.claims[at];
            (entry.vm, entry.kind, entry.account) = (claim.vm, claim.kind, claim.account);
        }
        if let (true, Some(row)) = (line.is_ours_to_write(), &line.row) {
            entry.record = row.id;
            if home(bed).is_some() {
                entry.zone = row.zone;
            }
        }
        let edited = lines.iter().any(|other| {
            (other.entry.vm, other.entry.kind, other.zone) == (line.entry.vm, line.entry.kind, line.zone)
                && other.verdict == Verdict::Edited
        });
        entry.on_hold |= line.verdict == Verdict::Deleted && !edited && !bed.settings.recreate;
    }
}

/// What becomes of a content that a claim with the name wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// It stands by an entry, or it may not be written.
    Nothing,
    /// An operator's row stands for it.
    Theirs,
    /// It is written.
    Ours,
}

fn comes(
    bed: &Bed,
    lines: &[Line],
    home: ZoneId,
    claim: &Claim,
    rtype: &RecordType,
    content: &Content,
) -> Comes {
    let ours: Vec<u64> = lines
        .iter()
        .filter(|line| line.end != End::Ends)
        .filter_map(|line| line.row.as_ref())
        .map(|row| row.id)
        .collect();
    let foreign: Vec<&Row> =
        bed.rows.iter().filter(|row| row.zone == home && !ours.contains(&row.id)).collect();
    let mine = || lines.iter().filter(|line| line.is_of(claim) && line.zone == Some(home));
    // Nobody is written beside an old holder that must stand.
    if mine().any(|line| line.hands_off) || has_rival(lines, claim, Some(home)) {
        return Comes::Nothing;
    }
    let kept = lines.iter().any(|line| {
        line.zone == Some(home)
            && matches!(line.end, End::Stays | End::Serves(_))
            && (&line.entry.rtype, &line.entry.content) == (rtype, content)
    });
    if kept {
        return Comes::Nothing;
    }
    if foreign.iter().any(|row| !row.disabled && same_answer(row, rtype, content)) {
        return Comes::Theirs;
    }
    let same_type = || mine().filter(|line| line.entry.rtype == *rtype && line.is_ours_to_write());
    let replaces = same_type().any(|line| line.end == End::Goes);
    let must_stand = !replaces && same_type().any(|line| line.end == End::Stays);
    let exists = bed.rows.iter().any(|row| row.zone == home && row.rtype == *rtype);
    let wanted = contents(bed, claim);
    let blocked = foreign.iter().any(|row| match (&row.rtype, claim.kind) {
        (RecordType::Cname, _) => true,
        (RecordType::A | RecordType::Aaaa, Kind::Name) | (RecordType::Ptr, Kind::Ptr) => {
            row.disabled || !wanted.iter().any(|(rtype, content)| same_answer(row, rtype, content))
        }
        _ => false,
    });
    // A disabled row suppresses what it says, be it added or put in another row's place.
    let suppressed = foreign.iter().any(|row| row.disabled && same_answer(row, rtype, content));
    let anothers = bed.entries.iter().any(|entry| {
        *entry.owner != *"default"
            && (&entry.rtype, &entry.content) == (rtype, content)
            && zone_of(bed, entry) == Some(home)
    });
    let create_only = bed.settings.mode == Mode::CreateOnly && exists;
    if must_stand || create_only || (blocked && !replaces) || suppressed || anothers {
        return Comes::Nothing;
    }
    Comes::Ours
}

/// What a claim that has the name gets.
fn add(bed: &Bed, lines: &[Line], home: ZoneId, claim: &Claim, after: &mut Bed) {
    for (rtype, content) in &contents(bed, claim) {
        let added =
            after.rows.iter().any(|row| row.id == 0 && (&row.rtype, &row.content) == (rtype, content));
        if added || comes(bed, lines, home, claim, rtype, content) != Comes::Ours {
            continue;
        }
        let ttl = bed.settings.ttl;
        let row = Row {
            id: 0,
            zone: home,
            name: bed.name.clone(),
            rtype: rtype.clone(),
            content: content.clone(),
            ttl: Some(ttl),
            disabled: false,
            auth: Some(true),
            ordername: None,
        };
        after.rows.push(row);
        after.entries.push(Entry {
            zone: home,
            name: bed.name.clone(),
            rtype: rtype.clone(),
            content: content.clone(),
            ttl,
            record: 0,
            owner: "default".into(),
            vm: claim.vm,
            account: claim.account,
            kind: claim.kind,
            held: None,
            on_hold: false,
        });
    }
}

/// One RRset, one TTL: the lowest of what is not ours to time.
fn retime(bed: &Bed, lines: &[Line], home: ZoneId, forward: bool, group: Option<AccountId>, after: &mut Bed) {
    let ours_to_time: Vec<u64> = lines
        .iter()
        .filter(|line| {
            line.verdict == Verdict::Intact
                && matches!(line.end, End::Stays | End::Serves(_))
                && !line.hands_off
                && !line.zone.is_some_and(|zone| bed.forbidden.contains(&zone))
        })
        .map(|line| line.row.as_ref().unwrap().id)
        .chain([0])
        .collect();
    for rtype in [RecordType::A, RecordType::Aaaa, RecordType::Ptr] {
        if (rtype != RecordType::Ptr) != forward {
            continue;
        }
        let rrset = |row: &&Row| row.zone == home && row.rtype == rtype;
        let others =
            after.rows.iter().filter(rrset).filter(|row| !row.disabled && !ours_to_time.contains(&row.id));
        let theirs = others.filter_map(|row| row.ttl).min();
        // One of the group that are left is re-timed from now on; where none is, an operator's TTL ends with those
        // that go.
        let mine: Vec<Content> = after
            .rows
            .iter()
            .filter(|row| rrset(row) && ours_to_time.contains(&row.id))
            .map(|row| row.content.clone())
            .collect();
        let left = |entry: &Entry| {
            *entry.owner == *"default"
                && (entry.zone, &entry.rtype, entry.kind) == (home, &rtype, Kind::Group)
                && mine.contains(&entry.content)
        };
        let heir = after.entries.iter().filter(|entry| left(entry)).map(|entry| entry.content.clone()).min();
        let bequest = bequest(lines, home, &rtype, group).filter(|_| theirs.is_none() && heir.is_some());
        let ttl = theirs.or(bequest.map(|(ttl, _)| ttl)).unwrap_or(bed.settings.ttl);
        for row in &mut after.rows {
            let mine =
                ours_to_time.contains(&row.id) && (row.id == 0 || bed.settings.mode != Mode::CreateOnly);
            if rrset(&&*row) && mine {
                row.ttl = Some(ttl);
                let entry = after.entries.iter_mut().find(|entry| {
                    *entry.owner == *"default"
                        && (entry.zone, &entry.rtype, &entry.content) == (row.zone, &row.rtype, &row.content)
                });
                entry.unwrap().ttl = ttl;
            }
        }
        if let Some((_, ours)) = bequest {
            let mut entries = after.entries.iter_mut();
            entries.find(|entry| left(entry) && Some(&entry.content) == heir.as_ref()).unwrap().ttl = ours;
        }
    }
}

/// The TTL that an operator gave to members of this account's group that go now, with that of the entry.
fn bequest(lines: &[Line], home: ZoneId, rtype: &RecordType, group: Option<AccountId>) -> Option<(Ttl, Ttl)> {
    lines
        .iter()
        .filter(|line| line.end == End::Goes && line.zone == Some(home) && line.entry.rtype == *rtype)
        .filter(|line| line.verdict == Verdict::Retimed)
        .filter(|line| line.entry.kind == Kind::Group && Some(line.entry.account) == group)
        .filter_map(|line| Some((line.row.as_ref()?.ttl?, line.entry.ttl)))
        .min()
}

/// Whether an intact row that no served claim wants may go at all: design 3 on zones, and PTR.
fn may_go(bed: &Bed, line: &Line, gone: bool, serving: &[&Claim]) -> bool {
    let claimed = is_claimed(bed, line);
    if line.zone.is_some_and(|zone| bed.forbidden.contains(&zone)) {
        return false;
    }
    let Some(home) = home(bed) else {
        // Below a delegation or a DNAME: it goes only for a living VM that is served elsewhere by now.
        return matches!(bed.barrier, Some(Barrier::Delegation(_) | Barrier::Dname(_))) && !claimed && !gone;
    };
    let hidden = line.zone != Some(home);
    // Where no forward name confirms it, an existing PTR stays.
    let unconfirmed = serving.iter().any(|claim| claim.kind == Kind::Ptr && contents(bed, claim).is_empty());
    hidden || !claimed || !unconfirmed
}
