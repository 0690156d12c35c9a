//! Random policies, and a reading of them that shares nothing with the compiled form: lists instead of sets, trees
//! instead of tables, every condition asked for every route.

use super::super::as_path::tests::{any_path, expression, naive as path_matches};
use super::super::community::{self, CommunityPattern};
use super::super::rule::{Adjust, Change, Label, NextHopChange, PrependAs, Test};
use super::super::{
    Action, AsnRange, AsnSet, CommunitySet, Condition, Link, Modified, Note, NumberRange, PolicyDefinition,
    PolicyRoute, PolicySession, PolicyVerdict, PrefixPattern, PrefixSet, Shared, Statement,
};
use crate::rib::SourceKind;
use crate::wire::{Asn, Community, Family, LargeCommunity, NextHop, Origin, PathAttributes, Role};
use net::Prefix;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(super) struct Policy(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    matches: Vec<Asked>,
    unless: Vec<Asked>,
    changes: Vec<Change>,
    action: Action,
}

/// A condition as it was before it was made fast.
#[derive(Clone, Debug)]
enum Asked {
    Prefix(Vec<PrefixPattern>),
    AsPath(Vec<String>),
    AsPathLength(NumberRange),
    OriginAs(Vec<AsnRange>),
    NeighborAs(Vec<AsnRange>),
    Communities(Vec<CommunityPattern>),
    AllCommunities(Vec<CommunityPattern>),
    NextHop(Vec<PrefixPattern>, bool),
    Neighbor(Vec<PrefixPattern>),
    Group(Arc<str>),
    Role(Role),
    Med(Option<NumberRange>),
    LocalPref(NumberRange),
    Origin(Origin),
    Source(SourceKind),
    Family(Family),
}

impl Asked {
    fn condition(&self) -> Condition {
        let prefixes = |patterns: &[PrefixPattern]| Shared::new(PrefixSet::new(patterns.iter().copied()));
        let asns = |ranges: &[AsnRange]| Shared::new(AsnSet::new(ranges.iter().copied()));
        match self {
            Asked::Prefix(patterns) => Condition::Prefix(prefixes(patterns)),
            Asked::AsPath(texts) => {
                Condition::AsPath(Shared::new(texts.iter().map(|text| text.parse().unwrap()).collect()))
            }
            Asked::AsPathLength(range) => Condition::AsPathLength(*range),
            Asked::OriginAs(ranges) => Condition::OriginAs(asns(ranges)),
            Asked::NeighborAs(ranges) => Condition::NeighborAs(asns(ranges)),
            Asked::Communities(patterns) => {
                Condition::Communities(Shared::new(CommunitySet::new(patterns.iter().copied())))
            }
            Asked::AllCommunities(patterns) => Condition::AllCommunities(patterns.clone()),
            Asked::NextHop(patterns, or_neighbor) => {
                Condition::NextHop { inside: prefixes(patterns), or_neighbor: *or_neighbor, neighbor: None }
            }
            Asked::Neighbor(patterns) => Condition::Neighbor(prefixes(patterns)),
            Asked::Group(group) => Condition::Group(vec![Arc::clone(group)]),
            Asked::Role(role) => Condition::Role(vec![*role]),
            Asked::Med(range) => Condition::Med(*range),
            Asked::LocalPref(range) => Condition::LocalPref(*range),
            Asked::Origin(origin) => Condition::Origin(vec![*origin]),
            Asked::Source(source) => Condition::Source(vec![*source]),
            Asked::Family(family) => Condition::Family(*family),
        }
    }

    fn holds(&self, session: &PolicySession, route: &PolicyRoute, now: &PathAttributes, prefix: Prefix) -> bool {
        let inside = |patterns: &[PrefixPattern], address: IpAddr| {
            patterns.iter().any(|pattern| pattern.prefix().contains(address.to_canonical()))
        };
        let among = |ranges: &[AsnRange], asn: Option<Asn>| {
            asn.is_some_and(|asn| ranges.iter().any(|range| range.first <= asn && asn <= range.last))
        };
        let has = |pattern: &CommunityPattern| {
            let pattern = pattern.bound(session);
            community::all(now).any(|community| pattern.matches(community))
        };
        match self {
            Asked::Prefix(patterns) => patterns.iter().any(|pattern| pattern.matches(prefix)),
            Asked::AsPath(texts) => texts.iter().any(|text| path_matches(text, &now.as_path)),
            Asked::AsPathLength(range) => range.contains(now.as_path.length() as u32),
            Asked::OriginAs(ranges) => among(ranges, now.as_path.origin()),
            Asked::NeighborAs(ranges) => among(ranges, now.as_path.neighbor()),
            Asked::Communities(patterns) => patterns.iter().any(has),
            Asked::AllCommunities(patterns) => patterns.iter().all(has),
            Asked::NextHop(patterns, or_neighbor) => {
                let address = route.next_hop.address();
                inside(patterns, address) || (*or_neighbor && session.neighbor == Some(address))
            }
            Asked::Neighbor(patterns) => session.neighbor.is_some_and(|address| inside(patterns, address)),
            Asked::Group(group) => session.groups.contains(group),
            Asked::Role(role) => session.role == Some(*role),
            Asked::Med(None) => now.med.is_none(),
            Asked::Med(Some(range)) => now.med.is_some_and(|med| range.contains(med)),
            Asked::LocalPref(range) => range.contains(now.local_pref.unwrap_or(session.default_local_pref)),
            Asked::Origin(origin) => now.origin == *origin,
            Asked::Source(source) => route.source == *source,
            Asked::Family(family) => route.family == *family,
        }
    }
}

impl Policy {
    pub(super) fn link(&self) -> Link {
        let tests = |asked: &[Asked]| {
            let test = |asked: &Asked| Test { condition: asked.condition(), text: Note("".into()) };
            asked.iter().map(test).collect()
        };
        let statement = |(index, rule): (usize, &Rule)| Statement {
            label: Note(Label { policy: "p".to_owned(), statement: index, name: None, line: 0 }),
            matches: tests(&rule.matches),
            unless: tests(&rule.unless),
            changes: rule.changes.clone(),
            action: rule.action,
        };
        let statements = self.0.iter().enumerate().map(statement).collect();
        Link::Policy(Arc::new(PolicyDefinition { name: "p".into(), statements }))
    }
}

/// From top to bottom.
pub(super) fn run(chain: &[Policy], session: &PolicySession, route: &PolicyRoute, prefix: Prefix) -> PolicyVerdict {
    let mut now =
        Modified { attributes: Arc::clone(&route.attributes), next_hop: NextHopChange::Usual, sets_med: false };
    let mut changed = false;
    for policy in chain {
        for rule in &policy.0 {
            let holds = |asked: &Asked| asked.holds(session, route, &now.attributes, prefix);
            if !rule.matches.iter().all(holds) || rule.unless.iter().any(holds) {
                continue;
            }
            for change in &rule.changes {
                apply(change, session, &mut now);
                changed = true;
            }
            match rule.action {
                Action::Accept if changed => return PolicyVerdict::Modify(Arc::new(now)),
                Action::Accept => return PolicyVerdict::Accept,
                Action::Reject => return PolicyVerdict::Reject,
                Action::Next => {}
                Action::NextPolicy => break,
            }
        }
    }
    PolicyVerdict::Reject
}

fn apply(change: &Change, session: &PolicySession, now: &mut Modified) {
    let mut attributes = PathAttributes::clone(&now.attributes);
    let adjusted = |adjust: &Adjust, from: u32| match adjust {
        Adjust::Set(number) => *number,
        Adjust::Add(number) => (u64::from(from) + u64::from(*number)).min(u64::from(u32::MAX)) as u32,
        Adjust::Subtract(number) => (i64::from(from) - i64::from(*number)).max(0) as u32,
    };
    match change {
        Change::LocalPref(adjust) => {
            let before = attributes.local_pref.unwrap_or(session.default_local_pref);
            attributes.local_pref = Some(adjusted(adjust, before));
        }
        Change::Med(adjust) => {
            now.sets_med = true;
            attributes.med = adjust.as_ref().map(|adjust| adjusted(adjust, attributes.med.unwrap_or(0)));
        }
        Change::Origin(origin) => attributes.origin = *origin,
        Change::NextHop(NextHopChange::Neighbor) if session.neighbor.is_some() => {
            now.next_hop = NextHopChange::Address(session.neighbor.unwrap());
        }
        Change::NextHop(next_hop) => now.next_hop = *next_hop,
        Change::Prepend { asn, times } => {
            let asn = match asn {
                PrependAs::Own => Some(session.local_asn),
                PrependAs::First => attributes.as_path.neighbor(),
                PrependAs::Number(asn) => Some(*asn),
            };
            for asn in std::iter::repeat_n(asn, usize::from(*times)).flatten() {
                attributes.as_path = attributes.as_path.prepend(asn, 1);
            }
        }
        Change::Communities { clear, remove, add, .. } => {
            let remove = remove.bound(session).unwrap_or_else(|| CommunitySet::clone(remove));
            let kept: Vec<_> = community::all(&attributes).filter(|one| !*clear && !remove.contains(*one)).collect();
            let added = add.iter().filter_map(|pattern| pattern.bound(session).value());
            let mut all = kept.clone();
            for community in added {
                if !all.contains(&community) {
                    all.push(community);
                }
            }
            attributes.communities.clear();
            attributes.extended_communities.clear();
            attributes.large_communities.clear();
            for one in all {
                match one {
                    community::AnyCommunity::Standard(one) => attributes.communities.push(one),
                    community::AnyCommunity::Extended(one) => attributes.extended_communities.push(one),
                    community::AnyCommunity::Large(one) => attributes.large_communities.push(one),
                }
            }
        }
    }
    now.attributes = Arc::new(attributes);
}

/// Prefixes near each other, of both families.
pub(super) fn prefix() -> impl Strategy<Value = Prefix> {
    (any::<bool>(), 0u32..4, 4u8..8).prop_map(|(v6, bits, len)| {
        let address = if v6 {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(bits) << 120))
        } else {
            IpAddr::V4(Ipv4Addr::from_bits(bits << 24))
        };
        Prefix::new(address, len).unwrap()
    })
}

pub(super) fn family(prefix: Prefix) -> Family {
    match prefix {
        Prefix::V4(_) => Family::IPV4_UNICAST,
        Prefix::V6(_) => Family::IPV6_UNICAST,
    }
}

fn patterns() -> impl Strategy<Value = Vec<PrefixPattern>> {
    let pattern = (prefix(), 0u8..3, 0u8..3).prop_map(|(prefix, more, most)| {
        PrefixPattern::new(prefix, prefix.len() + more, prefix.len() + more + most).unwrap()
    });
    prop::collection::vec(pattern, 0..4)
}

fn range() -> impl Strategy<Value = NumberRange> {
    (0u32..4, 0u32..4).prop_map(|(min, more)| NumberRange { min, max: min + more })
}

fn asn_ranges() -> impl Strategy<Value = Vec<AsnRange>> {
    let range = (1u32..6, 0u32..3).prop_map(|(first, more)| AsnRange { first: Asn(first), last: Asn(first + more) });
    prop::collection::vec(range, 1..3)
}

fn community_patterns() -> impl Strategy<Value = Vec<CommunityPattern>> {
    let texts =
        vec!["1:1", "1:2", "1:*", "*:2", "0:neighbor-as", "1:1:1", "1:*:neighbor-as", "*:1-2:*", "rt:1:1", "rt:*:*"];
    prop::collection::vec(prop::sample::select(texts), 1..3)
        .prop_map(|texts| texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn asked() -> impl Strategy<Value = Asked> {
    let origin = prop::sample::select(vec![Origin::Igp, Origin::Egp, Origin::Incomplete]);
    let family = prop::sample::select(vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
    let source = prop::sample::select(vec![SourceKind::Local, SourceKind::External, SourceKind::Internal]);
    prop_oneof![
        6 => patterns().prop_map(Asked::Prefix),
        2 => prop::collection::vec(expression(), 1..3).prop_map(Asked::AsPath),
        1 => range().prop_map(Asked::AsPathLength),
        1 => asn_ranges().prop_map(Asked::OriginAs),
        1 => asn_ranges().prop_map(Asked::NeighborAs),
        3 => community_patterns().prop_map(Asked::Communities),
        1 => community_patterns().prop_map(Asked::AllCommunities),
        1 => (patterns(), any::<bool>()).prop_map(|(patterns, own)| Asked::NextHop(patterns, own)),
        1 => patterns().prop_map(Asked::Neighbor),
        1 => prop::sample::select(vec!["a", "b"]).prop_map(|group| Asked::Group(group.into())),
        1 => prop::sample::select(vec![Role::CUSTOMER, Role::PEER]).prop_map(Asked::Role),
        1 => prop::option::of(range()).prop_map(Asked::Med),
        2 => (98u32..103).prop_map(|min| Asked::LocalPref(NumberRange { min, max: 101 })),
        1 => origin.prop_map(Asked::Origin),
        1 => source.prop_map(Asked::Source),
        1 => family.prop_map(Asked::Family),
    ]
}

fn adjust() -> impl Strategy<Value = Adjust> {
    prop_oneof![
        (99u32..103).prop_map(Adjust::Set),
        (0u32..3).prop_map(Adjust::Add),
        (0u32..3).prop_map(Adjust::Subtract)
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let next_hop = prop::sample::select(vec![NextHopChange::Own, NextHopChange::Unchanged, NextHopChange::Neighbor]);
    let asn = prop::sample::select(vec![PrependAs::Own, PrependAs::First, PrependAs::Number(Asn(3))]);
    let communities = (any::<bool>(), community_patterns(), community_patterns());
    prop_oneof![
        adjust().prop_map(Change::LocalPref),
        prop::option::of(adjust()).prop_map(Change::Med),
        Just(Change::Origin(Origin::Egp)),
        next_hop.prop_map(Change::NextHop),
        (asn, 1u8..3).prop_map(|(asn, times)| Change::Prepend { asn, times }),
        communities.prop_map(|(clear, remove, add)| Change::Communities {
            clear,
            remove: Shared::new(CommunitySet::new(remove)),
            remove_text: Note("".into()),
            add: add.into_iter().filter(CommunityPattern::is_one_community).collect(),
        }),
    ]
}

pub(super) fn policies() -> impl Strategy<Value = Vec<Policy>> {
    let action =
        prop::sample::select(vec![Action::Accept, Action::Reject, Action::Next, Action::Next, Action::NextPolicy]);
    let rule = (
        prop::collection::vec(asked(), 0..3),
        prop::collection::vec(asked(), 0..2),
        prop::collection::vec(change(), 0..2),
        action,
    );
    let rule = rule.prop_map(|(matches, unless, changes, action)| Rule { matches, unless, changes, action });
    prop::collection::vec(prop::collection::vec(rule, 0..5).prop_map(Policy), 1..4)
}

pub(super) fn sessions() -> impl Strategy<Value = PolicySession> {
    let group = prop::option::of(prop::sample::select(vec!["a", "b"]));
    let role = prop::option::of(prop::sample::select(vec![Role::CUSTOMER, Role::PEER]));
    (1u32..4, group, role, 0u32..4, any::<bool>()).prop_map(|(asn, group, role, bits, known)| PolicySession {
        neighbor: known.then(|| IpAddr::V4(Ipv4Addr::from_bits(bits << 24))),
        groups: group.map(Arc::from).into_iter().collect(),
        role,
        ..PolicySession::new(Asn(7), Asn(asn))
    })
}

pub(super) fn route() -> impl Strategy<Value = PolicyRoute> {
    let source = prop::sample::select(vec![SourceKind::Local, SourceKind::External, SourceKind::Internal]);
    let family = prop::sample::select(vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
    let communities = prop::collection::vec((0u16..2, 1u16..4).prop_map(|(high, low)| Community::new(high, low)), 0..3);
    let large = prop::collection::vec((1u32..3, 1u32..4), 0..2);
    let numbers = (prop::option::of(0u32..5), prop::option::of(98u32..103), 0u32..4);
    (source, family, any_path(), communities, large, numbers).prop_map(
        |(source, family, as_path, mut communities, large, (med, local_pref, hop))| {
            communities.sort_unstable();
            communities.dedup();
            let large = large.into_iter().map(|(a, b)| LargeCommunity { global: 1, local1: a, local2: b });
            let mut attributes = PathAttributes::new(Origin::Igp, as_path);
            attributes.communities = communities;
            attributes.large_communities = large.collect();
            attributes.large_communities.dedup();
            (attributes.med, attributes.local_pref) = (med, local_pref);
            let next_hop = NextHop::V4(Ipv4Addr::from_bits(hop << 24));
            PolicyRoute { family, source, attributes: Arc::new(attributes), next_hop }
        },
    )
}
