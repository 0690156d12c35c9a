//! From the tree to policies: `bgp.sets`, `bgp.policies`, and the lists of policies of the neighbours.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use bgp::policy::rule::{Adjust, Label, NextHopChange, PrependAs, Test};
use bgp::policy::{
    Action, AsPathPattern, AsnRange, AsnSet, Change, CommunityPattern, CommunitySet, Condition, Link, Note,
    NumberRange, Policy, PolicyDefinition, PrefixPattern, PrefixSet, Shared, Statement,
};
use bgp::rib::SourceKind;
use bgp::wire::{Family, Origin, Role};
use net::Prefix;

use super::schema::{ACTIONS, FAMILIES, NEIGHBOR_ROLES, ORIGINS, SOURCES};
use super::tree::{Content, Node};
use super::walk::{Field, Fields, Walk, shorten};
use super::words;

/// The sets and policies of the file.
#[derive(Default)]
pub(super) struct Policies {
    sets: Sets,
    pub(super) policies: BTreeMap<String, Arc<PolicyDefinition>>,
}

/// A named set: its items, and the form in which they are asked, made once.
type Named<T, S> = BTreeMap<String, (Vec<T>, S)>;

#[derive(Default)]
struct Sets {
    prefixes: Named<PrefixPattern, Shared<PrefixSet>>,
    as_paths: Named<AsPathPattern, Shared<Vec<AsPathPattern>>>,
    asns: Named<AsnRange, Shared<AsnSet>>,
    communities: Named<CommunityPattern, Shared<CommunitySet>>,
    neighbors: Named<PrefixPattern, Shared<PrefixSet>>,
    /// The names of `bgp.groups`.
    groups: Vec<String>,
}

/// Reads `sets` and `policies` of the section `bgp`.
pub(super) fn policies(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Policies {
    let mut read = Policies::default();
    if let Some(section) = walk.read(fields, "sets", Walk::section) {
        read.sets = Sets {
            prefixes: named(walk, &section, "prefixes", prefix_pattern, prefix_set, |name| name == "neighbor"),
            as_paths: named(walk, &section, "as_paths", |text| text.parse(), Shared::new, |_| false),
            asns: named(walk, &section, "asns", |text| text.parse(), asn_set, |_| false),
            communities: named(
                walk,
                &section,
                "communities",
                |text| text.parse(),
                community_set,
                |name| name.parse::<CommunityPattern>().is_ok(),
            ),
            neighbors: named(walk, &section, "neighbors", address, prefix_set, |_| false),
            groups: Vec::new(),
        };
    }
    read.sets.groups = group_names(fields);
    let entries = walk.read(fields, "policies", Walk::named).unwrap_or_default();
    for (name, field) in entries {
        if matches!(name, "accept" | "reject") {
            walk.refuse(field.node.mark, &field.path, format!("`{name}` is a policy that is always there"));
            continue;
        }
        let definition = policy(walk, &read.sets, name, &field);
        read.policies.insert(name.to_owned(), Arc::new(definition));
    }
    read
}

/// The names of groups, without a word about those that are none: whoever reads the groups says that.
fn group_names(fields: &Fields<'_>) -> Vec<String> {
    let Some(field) = fields.get("groups") else { return Vec::new() };
    let Content::Sequence(groups) = &field.node.content else { return Vec::new() };
    let name = |group: &Node| {
        let Content::Mapping(pairs) = &group.content else { return None };
        let mut texts = pairs.iter().filter_map(|(key, value)| match (&key.content, &value.content) {
            (Content::Scalar { text: key, .. }, Content::Scalar { text, .. }) => Some((key, text)),
            _ => None,
        });
        texts.find(|(key, _)| *key == "name").map(|(_, text)| text.clone())
    };
    groups.iter().filter_map(name).collect()
}

fn named<T: Clone, S, E: Display>(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
    make: impl Fn(Vec<T>) -> S,
    taken: impl Fn(&str) -> bool,
) -> Named<T, S> {
    let mut sets = BTreeMap::new();
    for (name, field) in walk.read(fields, key, Walk::named).unwrap_or_default() {
        if taken(name) {
            walk.refuse(
                field.node.mark,
                &field.path,
                format!("`{name}` means something else already: take another name"),
            );
        }
        let mut items = Vec::new();
        for item in walk.one_or_more(&field).unwrap_or_default() {
            items.extend(walk.parsed(&item, "a value", |text| parse(text).map_err(|error| error.to_string())));
        }
        sets.insert(name.to_owned(), (items.clone(), make(items)));
    }
    sets
}

fn prefix_pattern(text: &str) -> Result<PrefixPattern, bgp::policy::ParseError> {
    text.parse()
}

fn prefix_set(patterns: Vec<PrefixPattern>) -> Shared<PrefixSet> {
    Shared::new(PrefixSet::new(patterns))
}

fn asn_set(ranges: Vec<AsnRange>) -> Shared<AsnSet> {
    Shared::new(AsnSet::new(ranges))
}

fn community_set(patterns: Vec<CommunityPattern>) -> Shared<CommunitySet> {
    Shared::new(CommunitySet::new(patterns))
}

/// An address or a prefix of addresses.
fn address(text: &str) -> Result<PrefixPattern, String> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        let length = if address.is_ipv4() { 32 } else { 128 };
        return Prefix::new(address, length).map(PrefixPattern::exact).ok_or_else(|| text.to_owned());
    }
    text.parse::<Prefix>().map(PrefixPattern::exact).map_err(|error| format!("`{}`: {error}", shorten(text)))
}

/// The values of a condition: written out, or from sets. What was written comes with it.
struct Values<T, S> {
    items: Vec<T>,
    /// The set, if it is the only value.
    set: Option<S>,
    text: String,
}

impl<T, S> Values<T, S> {
    fn into_set(self, make: impl FnOnce(Vec<T>) -> S) -> S {
        self.set.unwrap_or_else(|| make(self.items))
    }
}

fn values<T: Clone, S: Clone, E: Display>(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    kind: &'static str,
    sets: &Named<T, S>,
    parse: impl Fn(&str) -> Result<T, E>,
    is_name: impl Fn(&str) -> bool,
) -> Option<Values<T, S>> {
    let fields = walk.one_or_more(field)?;
    let (mut items, mut found, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    for field in &fields {
        let value = walk.parsed(field, "a value", |text| {
            texts.push(text.to_owned());
            if !is_name(text) {
                return parse(text).map(|item| (vec![item], None)).map_err(|error| error.to_string());
            }
            match sets.get(text) {
                Some((items, set)) => Ok((items.clone(), Some(set.clone()))),
                None => Err(unknown(text, &format!("set `{}` in bgp.sets.{kind}", shorten(text)), sets.keys())),
            }
        });
        if let Some((more, set)) = value {
            items.extend(more);
            found.push(set);
        }
    }
    let set = match found.as_mut_slice() {
        [only] => only.take(),
        _ => None,
    };
    Some(Values { items, set, text: texts.join(", ") })
}

/// That there is no such thing, and what may have been meant.
fn unknown<'a>(text: &str, what: &str, known: impl Iterator<Item = &'a String> + Clone) -> String {
    const LISTED: usize = 10;
    let names: Vec<&str> = known.clone().map(String::as_str).collect();
    match words::nearest(text, names.iter().copied()) {
        Some(near) => format!("there is no {what}: did you mean `{near}`?"),
        None if names.is_empty() => format!("there is no {what}"),
        None => {
            let more = if names.len() > LISTED { ", …" } else { "" };
            let names: Vec<&str> = names.into_iter().take(LISTED).collect();
            format!("there is no {what}: known are {}{more}", names.join(", "))
        }
    }
}

/// A name begins with a letter, and no value in the small languages is one word of name characters.
fn is_name(text: &str) -> bool {
    words::is_name(text)
}

fn is_set_of_communities(text: &str) -> bool {
    is_name(text) && text.parse::<CommunityPattern>().is_err()
}

fn policy(walk: &mut Walk<'_>, sets: &Sets, name: &str, field: &Field<'_>) -> PolicyDefinition {
    let mut statements: Vec<Statement> = Vec::new();
    let mut decided = None;
    for (index, item) in walk.items(field).unwrap_or_default().into_iter().enumerate() {
        let Some(fields) = walk.section(&item) else { continue };
        if let Some(last) = decided {
            let message = format!("no route gets here: statement {last} matches every route that does");
            walk.warn(item.node.mark, &item.path, message);
            decided = None;
        }
        let statement = statement(walk, sets, name, index + 1, item.node.mark.line, &fields);
        if fields.get("match").is_none() && fields.get("unless").is_none() && statement.action != Action::Next {
            decided = Some(index + 1);
        }
        statements.push(statement);
    }
    PolicyDefinition { name: Arc::from(name), statements }
}

fn statement(
    walk: &mut Walk<'_>,
    sets: &Sets,
    policy: &str,
    number: usize,
    line: usize,
    fields: &Fields<'_>,
) -> Statement {
    let name = walk.read(fields, "name", Walk::text);
    let label = Label { policy: policy.to_owned(), statement: number, name, line };
    let mut tests = |key| match walk.read(fields, key, Walk::section) {
        Some(section) => conditions(walk, sets, &section),
        None => Vec::new(),
    };
    let (matches, unless) = (tests("match"), tests("unless"));
    let changes = match walk.read(fields, "set", Walk::section) {
        Some(section) => changes(walk, sets, &section),
        None => Vec::new(),
    };
    let action = walk.read(fields, "action", Walk::word).map(|word| match ACTIONS.get(word) {
        Some(&"accept") => Action::Accept,
        Some(&"reject") => Action::Reject,
        Some(&"next-policy") => Action::NextPolicy,
        _ => Action::Next,
    });
    Statement { label: Note(label), matches, unless, changes, action: action.unwrap_or_default() }
}

fn conditions(walk: &mut Walk<'_>, sets: &Sets, fields: &Fields<'_>) -> Vec<Test> {
    let mut tests = Vec::new();
    let mut add = |key: &str, text: &str, condition: Condition| {
        tests.push(Test { condition, text: Note(Arc::from(format!("{key}: {text}"))) });
    };
    let prefixes = walk
        .read(fields, "prefix", |walk, field| values(walk, field, "prefixes", &sets.prefixes, prefix_pattern, is_name));
    if let Some(found) = prefixes {
        add("prefix", &found.text.clone(), Condition::Prefix(found.into_set(prefix_set)));
    }
    if let Some(word) = walk.read(fields, "family", Walk::word) {
        let family = if word == 0 { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST };
        add("family", FAMILIES.get(word).copied().unwrap_or_default(), Condition::Family(family));
    }
    let as_paths = walk.read(fields, "as_path", |walk, field| {
        values(walk, field, "as_paths", &sets.as_paths, AsPathPattern::from_str, is_name)
    });
    if let Some(found) = as_paths {
        add("as_path", &found.text.clone(), Condition::AsPath(found.into_set(Shared::new)));
    }
    if let Some(range) = walk.read(fields, "as_path_length", term::<NumberRange>) {
        add("as_path_length", &range.to_string(), Condition::AsPathLength(range));
    }
    for key in ["origin_as", "neighbor_as"] {
        let asns =
            walk.read(fields, key, |walk, field| values(walk, field, "asns", &sets.asns, AsnRange::from_str, is_name));
        if let Some(found) = asns {
            let text = found.text.clone();
            let set = found.into_set(asn_set);
            let condition = if key == "origin_as" { Condition::OriginAs(set) } else { Condition::NeighborAs(set) };
            add(key, &text, condition);
        }
    }
    for key in ["communities", "all_communities"] {
        let found = walk.read(fields, key, |walk, field| communities(walk, sets, field));
        if let Some(found) = found {
            let text = found.text.clone();
            let condition = match key {
                "communities" => Condition::Communities(found.into_set(community_set)),
                _ => Condition::AllCommunities(found.items),
            };
            add(key, &text, condition);
        }
    }
    let mut or_neighbor = false;
    let next_hop = walk.read(fields, "next_hop", |walk, field| {
        values(walk, field, "prefixes", &with_neighbor(&sets.prefixes), address, is_name)
    });
    if let Some(found) = next_hop {
        let text = found.text.clone();
        or_neighbor |= text.split(", ").any(|value| value == "neighbor");
        let inside = found.into_set(prefix_set);
        add("next_hop", &text, Condition::NextHop { inside, or_neighbor, neighbor: None });
    }
    let neighbor = walk
        .read(fields, "neighbor", |walk, field| values(walk, field, "neighbors", &sets.neighbors, address, is_name));
    if let Some(found) = neighbor {
        add("neighbor", &found.text.clone(), Condition::Neighbor(found.into_set(prefix_set)));
    }
    let group = walk.read(fields, "group", |walk, field| groups(walk, sets, field));
    if let Some(names) = group {
        let text = names.join(", ");
        add("group", &text, Condition::Group(names.iter().map(|name| Arc::from(name.as_str())).collect()));
    }
    if let Some(word) = walk.read(fields, "role", Walk::word) {
        let text = NEIGHBOR_ROLES.get(word).copied().unwrap_or_default();
        add("role", text, Condition::Role(vec![Role(word as u8)]));
    }
    if let Some((text, range)) = walk.read(fields, "med", range_or_none) {
        add("med", &text, Condition::Med(range));
    }
    if let Some(range) = walk.read(fields, "local_pref", term::<NumberRange>) {
        add("local_pref", &range.to_string(), Condition::LocalPref(range));
    }
    if let Some((text, origin)) = walk.read(fields, "origin", origin) {
        add("origin", text, Condition::Origin(vec![origin]));
    }
    if let Some(word) = walk.read(fields, "source", Walk::word) {
        let source = match word {
            0 => SourceKind::Local,
            1 => SourceKind::External,
            _ => SourceKind::Internal,
        };
        add("source", SOURCES.get(word).copied().unwrap_or_default(), Condition::Source(vec![source]));
    }
    tests
}

/// Names of groups, which stand further down in the file.
fn groups(walk: &mut Walk<'_>, sets: &Sets, field: &Field<'_>) -> Option<Vec<String>> {
    let fields = walk.one_or_more(field)?;
    let mut names = Vec::new();
    for field in &fields {
        names.extend(walk.parsed(field, "a group", |text| {
            if sets.groups.iter().any(|group| group == text) {
                return Ok(text.to_owned());
            }
            Err(unknown(text, &format!("group `{}` in bgp.groups", shorten(text)), sets.groups.iter()))
        }));
    }
    Some(names)
}

/// The sets, and under the name `neighbor` one that holds nothing: the neighbour's address is known on the session only.
fn with_neighbor(sets: &Named<PrefixPattern, Shared<PrefixSet>>) -> Named<PrefixPattern, Shared<PrefixSet>> {
    let mut sets = sets.clone();
    sets.insert("neighbor".to_owned(), (Vec::new(), prefix_set(Vec::new())));
    sets
}

fn communities(
    walk: &mut Walk<'_>,
    sets: &Sets,
    field: &Field<'_>,
) -> Option<Values<CommunityPattern, Shared<CommunitySet>>> {
    values(walk, field, "communities", &sets.communities, CommunityPattern::from_str, is_set_of_communities)
}

fn term<T: FromStr<Err: Display>>(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<T> {
    walk.parsed(field, "a value", |text| text.parse().map_err(|error: T::Err| error.to_string()))
}

/// A number range, or `none`.
fn range_or_none(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<(String, Option<NumberRange>)> {
    walk.parsed(field, "a number range or none", |text| match text {
        "none" => Ok((text.to_owned(), None)),
        _ => text.parse().map(|range| (text.to_owned(), Some(range))).map_err(|error| format!("{error}")),
    })
}

fn origin(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<(&'static str, Origin)> {
    let word = walk.word(field)?;
    Some((ORIGINS.get(word)?, Origin::from_u8(u8::try_from(word).ok()?)?))
}

fn changes(walk: &mut Walk<'_>, sets: &Sets, fields: &Fields<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    changes.extend(walk.read(fields, "local_pref", term::<Adjust>).map(Change::LocalPref));
    let med = walk.read(fields, "med", |walk, field| {
        walk.parsed(field, "a number or none", |text| match text {
            "none" => Ok(None),
            _ => text.parse().map(Some).map_err(|error: bgp::policy::ParseError| error.to_string()),
        })
    });
    changes.extend(med.map(Change::Med));
    changes.extend(walk.read(fields, "origin", origin).map(|(_, origin)| Change::Origin(origin)));
    changes.extend(walk.read(fields, "next_hop", next_hop).map(Change::NextHop));
    if let Some(section) = walk.read(fields, "prepend", Walk::section) {
        let asn = walk.read(&section, "asn", |walk, field| {
            walk.parsed(field, "self, first or an AS number", |text| match text {
                "self" => Ok(PrependAs::Own),
                "first" => Ok(PrependAs::First),
                _ => text
                    .parse()
                    .map(PrependAs::Number)
                    .map_err(|_| format!("`{}` is not self, first or an AS number", shorten(text))),
            })
        });
        let times = walk.read(&section, "times", Walk::integer);
        changes.extend(times.map(|times| Change::Prepend { asn: asn.unwrap_or_default(), times }));
    }
    if let Some(section) = walk.read(fields, "communities", Walk::section) {
        changes.extend(community_changes(walk, sets, &section));
    }
    changes
}

fn next_hop(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<NextHopChange> {
    walk.parsed(field, "self, unchanged, neighbor or an address", |text| match text {
        "self" => Ok(NextHopChange::Own),
        "unchanged" => Ok(NextHopChange::Unchanged),
        "neighbor" => Ok(NextHopChange::Neighbor),
        _ => match text.parse::<std::net::IpAddr>() {
            Ok(address) if address.is_unspecified() || address.is_multicast() => {
                Err(format!("{address} cannot be a next hop"))
            }
            Ok(address) => Ok(NextHopChange::Address(address)),
            Err(_) => Err(format!("`{}` is not self, unchanged, neighbor or an address", shorten(text))),
        },
    })
}

fn community_changes(walk: &mut Walk<'_>, sets: &Sets, fields: &Fields<'_>) -> Option<Change> {
    let set = fields.get("set");
    if let (Some(field), true) = (&set, fields.get("remove").is_some() || fields.get("add").is_some()) {
        walk.refuse(
            field.node.mark,
            &field.path,
            "`set` takes the place of all: `remove` and `add` cannot stand beside it",
        );
    }
    let mut added = Vec::new();
    for key in ["set", "add"] {
        let Some(found) = walk.read(fields, key, |walk, field| communities(walk, sets, field)) else { continue };
        if let (Some(wild), Some(field)) =
            (found.items.iter().find(|pattern| !pattern.is_one_community()), fields.get(key))
        {
            let message = format!("`{wild}` is not one community, so it cannot be added");
            walk.refuse(field.node.mark, &field.path, message);
        }
        added.extend(found.items);
    }
    let removed = walk.read(fields, "remove", |walk, field| communities(walk, sets, field));
    let remove_text = removed.as_ref().map(|removed| removed.text.clone()).unwrap_or_default();
    if set.is_none() && removed.is_none() && added.is_empty() {
        walk.warn(fields.mark, &fields.path_of("add"), "nothing is changed: give `set`, `remove` or `add`");
        return None;
    }
    Some(Change::Communities {
        clear: set.is_some(),
        remove: removed.map(|removed| removed.into_set(community_set)).unwrap_or_else(|| community_set(Vec::new())),
        remove_text: Note(Arc::from(remove_text)),
        add: added,
    })
}

impl Policies {
    /// The value of `import` or `export`.
    pub(super) fn chain(&self, walk: &mut Walk<'_>, field: &Field<'_>) -> Option<Policy> {
        let items = walk.one_or_more(field)?;
        let mut links: Vec<Link> = Vec::new();
        let mut good = true;
        for item in &items {
            if let Some(Link::Accept | Link::Reject) = links.last() {
                walk.warn(item.node.mark, &item.path, "no route gets here: the policy before decides about all");
            }
            let link = walk.parsed(item, "accept, reject or a policy", |text| self.link(text));
            good &= link.is_some();
            links.extend(link);
        }
        good.then(|| Policy::chain(&links))
    }

    fn link(&self, text: &str) -> Result<Link, String> {
        match text {
            "accept" => Ok(Link::Accept),
            "reject" => Ok(Link::Reject),
            _ => match self.policies.get(text) {
                Some(definition) => Ok(Link::Policy(Arc::clone(definition))),
                None => Err(self.no_policy(text)),
            },
        }
    }

    fn no_policy(&self, text: &str) -> String {
        let known = ["accept", "reject"].into_iter().chain(self.policies.keys().map(String::as_str));
        let what = if self.policies.is_empty() { "" } else { " or a policy of bgp.policies" };
        match words::nearest(text, known) {
            Some(near) => format!("`{}` is not accept or reject{what}: did you mean `{near}`?", shorten(text)),
            None => format!("`{}` is not accept or reject{what}", shorten(text)),
        }
    }
}

/// The configuration of the documentation's example of twenty statements, which benchmarks use: the import policy `twenty`.
pub const TWENTY_STATEMENTS: &str = include_str!("policy/twenty.yaml");

#[cfg(test)]
mod tests;
