//! The incremental form: all changes that one transaction makes to one zone, at once.

use super::{
    Below, Decided, Footing, Place, children_of,
    full::counts,
    place::{Cut, place_ent, place_row},
};
use crate::model::{Content, Dnssec, NewRow, OwnerName, RecordId, RecordType, Reorder, Row, Ttl, Zone};
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
};

/// What one transaction does to one zone, and what was read for it.
#[derive(Debug, Clone, Default)]
pub struct Change<'a> {
    /// The rows, empty non-terminals among them, of all touched names and of [`ancestors_to_read`], as
    /// they were before. Rows of other zones and names do no harm.
    pub rows: Vec<&'a Row>,
    /// The rows that the transaction deletes, by id; each is among `rows`.
    pub removed: BTreeSet<RecordId>,
    /// The records that it inserts; their `auth` and `ordername` are filled in here.
    pub added: Vec<NewRow>,
    /// Rows that stay and get the `auth` and `ordername` that they should have, whoever wrote them, as do the
    /// empty non-terminals above them: by id; each is among `rows`, and enabled.
    pub adopted: BTreeSet<RecordId>,
}

/// What the transaction must write in addition, everything sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rectified {
    /// [`Change::added`] with `auth` and `ordername`.
    pub inserts: Vec<NewRow>,
    /// Empty non-terminals to insert.
    pub ents_in: Vec<NewRow>,
    /// Empty non-terminals to delete.
    pub ents_out: Vec<Reorder>,
    /// Empty non-terminals, and adopted rows, with another `auth` or `ordername`.
    pub reorders: Vec<Reorder>,
    /// The names of which [`Below::Unknown`] left something undecided: reading what is below them and
    /// asking again may remove what would be left over.
    pub wants_children: Vec<OwnerName>,
}

/// The names to read beside the touched ones: their ancestors below the apex. Sorted, without the
/// touched names themselves.
pub fn ancestors_to_read<'a>(
    zone: &Zone,
    touched: impl IntoIterator<Item = &'a OwnerName>,
) -> Vec<OwnerName> {
    let touched: BTreeSet<&OwnerName> = touched.into_iter().collect();
    let mut missing: BTreeSet<&str> =
        touched.iter().flat_map(|name| name.ancestors_below(zone.name.as_str())).collect();
    for name in touched {
        missing.remove(name.as_str());
    }
    missing.into_iter().filter_map(|name| OwnerName::stored(name).ok()).collect()
}

/// The names to read before [`rectify`] so that it knows what is below the names that the change
/// empties, and below those that thereby lose their last child: their direct children where these can
/// be enumerated, and what the caller `knows` of below them besides. Empty for a change that only inserts.
/// Sorted.
pub fn children_to_read(
    zone: &Zone,
    change: &Change<'_>,
    knows: impl Fn(&OwnerName, &Decided<'_>) -> Vec<OwnerName>,
) -> Vec<OwnerName> {
    // Answering "nothing" to everything walks every chain to its end: what is asked on the way is all
    // that any other answers could make it ask.
    let asked = RefCell::new(BTreeSet::new());
    rectify(zone, change, |name, decided| {
        let children = children_of(name).unwrap_or_default().into_iter().chain(knows(name, decided));
        asked.borrow_mut().extend(children.filter(|child| !decided.contains(child.as_str())));
        Below::No
    });
    asked.into_inner().into_iter().collect()
}

/// What `rectify-zone` would make of the change. `below` answers, for names that would be without
/// records afterwards, whether anything else is below them ([`Below::of_rows`]).
///
/// Limit: where `below` does not know, an existing empty non-terminal keeps `auth` and, under opt-out,
/// its hash although all that is left below it may be insecure delegations. Resolvers get the same
/// answers; only the next `rectify-zone` would change the row.
pub fn rectify(
    zone: &Zone,
    change: &Change<'_>,
    below: impl Fn(&OwnerName, &Decided<'_>) -> Below,
) -> Rectified {
    let nodes = nodes(zone, change);
    let index: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
    let decided = Decided::new(zone.id, &index);
    let mut result = Rectified::default();
    // What each name inherits from those of its children that are decided and stay.
    let mut inherited: HashMap<&str, Footing> = HashMap::new();
    for node in &nodes {
        let cut = cut_of(zone, node, |name| index.get(name).is_some_and(|at| nodes[*at].is_delegated()));
        let footing = if node.has_records() {
            result.ents_out.extend(node.ents.iter().map(|row| as_it_stands(row)));
            result.inserts.extend(node.added.iter().map(|row| placed(zone, node, row, cut)));
            let adopted = node.kept.iter().filter(|row| change.adopted.contains(&row.id));
            result.reorders.extend(adopted.filter_map(|row| replaced(zone, node, row, cut)));
            Some(node.footing(cut))
        } else if parent_in(zone, &node.name).is_some() {
            let children = inherited.get(node.name.as_str()).copied();
            let known = children.is_some_and(|footing| is_final(zone, cut, footing));
            let answer = if known { Below::No } else { below(&node.name, &decided) };
            if answer == Below::Unknown {
                result.wants_children.push(node.name.clone());
            }
            let footing = node.remaining(children, answer).map(|footing| certain(zone, cut, footing));
            settle(zone, node, footing, &mut result);
            footing
        } else {
            None
        };
        if let (Some(footing), Some(parent)) = (footing, parent_in(zone, &node.name)) {
            let above = inherited.entry(parent).or_default();
            *above = above.or(footing);
        }
    }
    result.sort();
    result
}

impl Rectified {
    fn sort(&mut self) {
        let key = |row: &NewRow| (row.name.clone(), row.rtype.clone(), row.content.clone());
        self.inserts.sort_by_cached_key(key);
        self.ents_in.sort_by_cached_key(key);
        self.ents_out.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        self.reorders.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        self.wants_children.sort_unstable();
    }
}

/// A name that the change decides, as it will be.
struct Node<'a> {
    name: OwnerName,
    /// Enabled records that stay.
    kept: Vec<&'a Row>,
    added: Vec<&'a NewRow>,
    /// Enabled empty non-terminals, which have yet to be judged.
    ents: Vec<&'a Row>,
}

impl Node<'_> {
    fn has_records(&self) -> bool {
        !(self.kept.is_empty() && self.added.is_empty())
    }

    fn is_delegated(&self) -> bool {
        self.kept.iter().any(|row| row.rtype == RecordType::Ns)
    }

    /// What its records give to the names above.
    fn footing(&self, cut: Cut) -> Footing {
        match cut {
            Cut::Clear => Footing::FIRM,
            Cut::At => Footing {
                auth: false,
                hashed: !self.added.is_empty() || self.kept.iter().any(|row| row.rtype != RecordType::Ns),
            },
            Cut::Below => Footing::default(),
        }
    }

    /// What an empty non-terminal here stands on; none if nothing is below it.
    fn remaining(&self, children: Option<Footing>, answer: Below) -> Option<Footing> {
        let more = match answer {
            Below::No => return children,
            Below::Yes(footing) => footing,
            Below::Unknown => self.ents.first().map_or(Footing::FIRM, |ent| Footing {
                auth: ent.auth == Some(true),
                hashed: ent.ordername.is_some(),
            }),
        };
        Some(children.unwrap_or_default().or(more))
    }
}

/// The touched names and their ancestors below the apex, deepest first, so that what becomes of a name
/// is known before its parent is asked.
fn nodes<'a>(zone: &Zone, change: &'a Change<'_>) -> Vec<Node<'a>> {
    let (removed, kept): (Vec<&Row>, Vec<&Row>) = (change.rows.iter().copied())
        .filter(|row| row.zone == zone.id)
        .partition(|row| change.removed.contains(&row.id));
    let added = || change.added.iter().filter(|row| row.zone == zone.id);
    let adopted = kept.iter().filter(|row| change.adopted.contains(&row.id));
    let before = removed.iter().chain(adopted).map(|row| &row.name);
    let touched: BTreeSet<&OwnerName> = before.chain(added().map(|row| &row.name)).collect();
    let mut names = ancestors_to_read(zone, touched.iter().copied());
    names.extend(touched.into_iter().cloned());
    names.sort_by_cached_key(|name| (std::cmp::Reverse(name.depth()), name.clone()));
    let mut nodes: Vec<Node<'a>> = (names.into_iter())
        .map(|name| Node { name, kept: Vec::new(), added: Vec::new(), ents: Vec::new() })
        .collect();
    let index: HashMap<OwnerName, usize> =
        nodes.iter().enumerate().map(|(at, node)| (node.name.clone(), at)).collect();
    for row in kept {
        match index.get(&row.name) {
            Some(at) if counts(row) => nodes[*at].kept.push(row),
            Some(at) if !row.disabled => nodes[*at].ents.push(row),
            _ => {}
        }
    }
    for row in added() {
        nodes[index[&row.name]].added.push(row);
    }
    nodes
}

/// The parent of a name strictly below the apex; none for the apex and for names outside of the zone.
fn parent_in<'a>(zone: &Zone, name: &'a OwnerName) -> Option<&'a str> {
    let inside = *name != zone.name && name.is_within(zone.name.as_str());
    name.as_str().split_once('.').filter(|_| inside).map(|(_, parent)| parent)
}

fn cut_of(zone: &Zone, node: &Node<'_>, is_delegated: impl Fn(&str) -> bool) -> Cut {
    if node.name.ancestors_below(zone.name.as_str()).any(is_delegated) {
        Cut::Below
    } else if node.is_delegated() && node.name != zone.name {
        Cut::At
    } else {
        Cut::Clear
    }
}

/// Whether nothing else that may be below could change what an empty non-terminal gets.
fn is_final(zone: &Zone, cut: Cut, footing: Footing) -> bool {
    footing.auth || certain(zone, cut, footing) == certain(zone, cut, Footing::FIRM)
}

/// What follows from the mode alone: below a delegation nothing counts; without opt-out every
/// descendant leads to a name that has a hash, be it the delegation above it.
fn certain(zone: &Zone, cut: Cut, footing: Footing) -> Footing {
    match zone.dnssec {
        _ if cut == Cut::Below => Footing::default(),
        Dnssec::Nsec3 { opt_out: false, .. } => Footing::FIRM,
        _ => footing,
    }
}

/// Makes, keeps, corrects or deletes the empty non-terminal of a name without records.
fn settle(zone: &Zone, node: &Node<'_>, footing: Option<Footing>, result: &mut Rectified) {
    let Some(footing) = footing else {
        result.ents_out.extend(node.ents.iter().map(|row| as_it_stands(row)));
        return;
    };
    let place = place_ent(&zone.name, &zone.dnssec, &node.name, footing);
    if node.ents.is_empty() {
        result.ents_in.push(NewRow {
            zone: zone.id,
            name: node.name.clone(),
            rtype: RecordType::Ent,
            content: Content::Raw("".into()),
            ttl: Ttl(0),
            auth: place.auth,
            ordername: place.ordername.clone(),
        });
    }
    let wrong = |row: &&&Row| row.auth != Some(place.auth) || row.ordername != place.ordername;
    result.reorders.extend(node.ents.iter().filter(wrong).map(|row| reorder(row, &place)));
}

/// A record of ours. It stands at no delegation as a rule, but the rules say what to do if it does.
fn placed(zone: &Zone, node: &Node<'_>, row: &NewRow, cut: Cut) -> NewRow {
    let place = place_at(zone, node, &row.rtype, cut);
    NewRow { auth: place.auth, ordername: place.ordername, ..row.clone() }
}

/// A record that was there already, if it has another place than it should.
fn replaced(zone: &Zone, node: &Node<'_>, row: &Row, cut: Cut) -> Option<Reorder> {
    let place = place_at(zone, node, &row.rtype, cut);
    (row.auth != Some(place.auth) || row.ordername != place.ordername).then(|| reorder(row, &place))
}

fn place_at(zone: &Zone, node: &Node<'_>, rtype: &RecordType, cut: Cut) -> Place {
    let signed_cut = node.kept.iter().any(|row| row.rtype == RecordType::Ds);
    let hashed = cut != Cut::Below;
    place_row(&zone.name, &zone.dnssec, &node.name, rtype, cut, signed_cut, hashed)
}

fn reorder(row: &Row, place: &Place) -> Reorder {
    Reorder {
        id: row.id,
        name: row.name.clone(),
        zone: row.zone,
        auth: place.auth,
        ordername: place.ordername.clone(),
    }
}

fn as_it_stands(row: &Row) -> Reorder {
    let place = Place { auth: row.auth == Some(true), ordername: row.ordername.clone() };
    reorder(row, &place)
}
