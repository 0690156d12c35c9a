//! The parts of a policy, as they are written.

use super::community::{self, AnyCommunity};
use super::number::digits;
use super::{
    AsPathPattern, AsnSet, CommunityPattern, CommunitySet, Modified, Note, NumberRange, ParseError, PolicySession,
    PrefixSet, Shared,
};
use crate::rib::SourceKind;
use crate::wire::{Asn, AttributeType, Family, NextHop, Origin, PathAttributes, Role};
use net::Prefix;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// A named policy: statements in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyDefinition {
    /// What neighbours call it by.
    pub name: Arc<str>,
    /// From the first to the last; after the last comes the next policy.
    pub statements: Vec<Statement>,
}

/// One statement: it matches if all of `matches` and none of `unless` hold; then the changes are made, and then comes
/// what `action` says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Statement {
    /// Where it stands.
    pub label: Note<Label>,
    /// All of these have to hold.
    pub matches: Vec<Test>,
    /// None of these may hold.
    pub unless: Vec<Test>,
    /// What is changed; later statements see it.
    pub changes: Vec<Change>,
    /// What comes then.
    pub action: Action,
}

/// Where a statement stands, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Label {
    /// The policy's name.
    pub policy: String,
    /// The statement's place in it, from 1.
    pub statement: usize,
    /// The statement's name, if it has one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub name: Option<String>,
    /// The line of the configuration file; 0 if there is none.
    pub line: usize,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} statement {}", self.policy, self.statement)?;
        match &self.name {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// What happens to a route that a statement matches.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Action {
    /// It passes.
    Accept,
    /// It does not.
    Reject,
    /// The next statement looks at it.
    #[default]
    Next,
    /// The next policy looks at it.
    NextPolicy,
}

impl Action {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Action::Accept => "accept",
            Action::Reject => "reject",
            Action::Next => "next",
            Action::NextPolicy => "next-policy",
        }
    }
}

/// A condition and how it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Test {
    /// The condition.
    pub condition: Condition,
    /// In the words of who wrote it.
    pub text: Note<Arc<str>>,
}

/// Something that holds for a route or not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Condition {
    /// The prefix is in the set. The only condition that looks at the prefix.
    Prefix(Shared<PrefixSet>),
    /// The route is of this family.
    Family(Family),
    /// AS_PATH matches one of these.
    AsPath(Shared<Vec<AsPathPattern>>),
    /// AS_PATH is so long, as the decision process counts.
    AsPathLength(NumberRange),
    /// The last AS of AS_PATH, which originated the route, is one of these. Does not hold if there is none or it is in
    /// an AS_SET.
    OriginAs(Shared<AsnSet>),
    /// The first AS of AS_PATH is one of these.
    NeighborAs(Shared<AsnSet>),
    /// The route has one of these communities.
    Communities(Shared<CommunitySet>),
    /// The route has, for each of these, a community that it means.
    AllCommunities(Vec<CommunityPattern>),
    /// The next hop that the route came with is in one of the prefixes, or is the neighbour's address.
    NextHop {
        /// The prefixes.
        inside: Shared<PrefixSet>,
        /// The neighbour's address will do, too.
        or_neighbor: bool,
        /// That address, once bound to a session.
        neighbor: Option<IpAddr>,
    },
    /// The session's neighbour has an address in one of the prefixes.
    Neighbor(Shared<PrefixSet>),
    /// The session's neighbour is in one of these groups, directly or through the group of its group.
    Group(Vec<Arc<str>>),
    /// The session's neighbour has one of these roles toward us.
    Role(Vec<Role>),
    /// MULTI_EXIT_DISC is there and in the range; `None`: it is not there.
    Med(Option<NumberRange>),
    /// LOCAL_PREF, the configured default if it is not there, is in the range.
    LocalPref(NumberRange),
    /// ORIGIN is one of these.
    Origin(Vec<Origin>),
    /// The route came from one of these.
    Source(Vec<SourceKind>),
}

/// What a condition may look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) family: Family,
    pub(super) source: SourceKind,
    pub(super) attributes: &'a PathAttributes,
    pub(super) next_hop: NextHop,
    pub(super) default_local_pref: u32,
}

impl Condition {
    /// Whether it looks at the prefix.
    pub const fn looks_at_prefix(&self) -> bool {
        matches!(self, Condition::Prefix(_))
    }

    /// Cheap ones are asked first, the prefix last.
    pub(super) const fn cost(&self) -> u8 {
        match self {
            Condition::Family(_) | Condition::Source(_) | Condition::Origin(_) => 0,
            Condition::Med(_) | Condition::LocalPref(_) => 1,
            Condition::Neighbor(_) | Condition::Group(_) | Condition::Role(_) => 1,
            Condition::OriginAs(_) | Condition::NeighborAs(_) | Condition::NextHop { .. } => 2,
            Condition::AsPathLength(_) => 3,
            Condition::Communities(_) | Condition::AllCommunities(_) => 4,
            Condition::AsPath(_) => 5,
            Condition::Prefix(_) => 6,
        }
    }

    /// Whether it holds for every route of a session, for none, or looks at the route (`None`).
    pub fn on_session(&self, session: &PolicySession) -> Option<bool> {
        match self {
            Condition::Neighbor(set) => Some(session.neighbor.is_some_and(|address| set.contains_address(address))),
            Condition::Group(groups) => Some(session.groups.iter().any(|group| groups.contains(group))),
            Condition::Role(roles) => Some(session.role.is_some_and(|role| roles.contains(&role))),
            _ => None,
        }
    }

    /// With what it needs to know of the session; `None` if that is nothing.
    pub(super) fn bound(&self, session: &PolicySession) -> Option<Condition> {
        match self {
            Condition::Communities(set) => set.bound(session).map(|set| Condition::Communities(Shared::new(set))),
            Condition::AllCommunities(patterns) => {
                let bound: Vec<CommunityPattern> = patterns.iter().map(|pattern| pattern.bound(session)).collect();
                (bound != *patterns).then_some(Condition::AllCommunities(bound))
            }
            Condition::NextHop { inside, or_neighbor: true, neighbor } if *neighbor != session.neighbor => {
                let inside = inside.clone();
                Some(Condition::NextHop { inside, or_neighbor: true, neighbor: session.neighbor })
            }
            _ => None,
        }
    }

    /// Whether it holds for a route, its prefix apart: [`Condition::Prefix`] does not hold here, and what
    /// [`Condition::on_session`] decides does not either.
    pub(super) fn holds(&self, view: &View<'_>) -> bool {
        let attributes = view.attributes;
        match self {
            Condition::Prefix(_) | Condition::Neighbor(_) | Condition::Group(_) | Condition::Role(_) => false,
            Condition::Family(family) => view.family == *family,
            Condition::AsPath(patterns) => patterns.iter().any(|pattern| pattern.matches(&attributes.as_path)),
            Condition::AsPathLength(range) => {
                range.contains(u32::try_from(attributes.as_path.length()).unwrap_or(u32::MAX))
            }
            Condition::OriginAs(set) => attributes.as_path.origin().is_some_and(|asn| set.contains(asn)),
            Condition::NeighborAs(set) => attributes.as_path.neighbor().is_some_and(|asn| set.contains(asn)),
            Condition::Communities(set) => set.matches(attributes),
            Condition::AllCommunities(patterns) => {
                patterns.iter().all(|pattern| community::all(attributes).any(|community| pattern.matches(community)))
            }
            Condition::NextHop { inside, neighbor, .. } => {
                let address = view.next_hop.address().to_canonical();
                neighbor.is_some_and(|neighbor| neighbor.to_canonical() == address) || inside.contains_address(address)
            }
            Condition::Med(range) => match (range, attributes.med) {
                (Some(range), Some(med)) => range.contains(med),
                (range, med) => range.is_none() && med.is_none(),
            },
            Condition::LocalPref(range) => range.contains(attributes.local_pref.unwrap_or(view.default_local_pref)),
            Condition::Origin(origins) => origins.contains(&attributes.origin),
            Condition::Source(sources) => sources.contains(&view.source),
        }
    }

    /// Whether it holds for the prefix; others than [`Condition::Prefix`] do not look at it.
    pub(super) fn holds_for(&self, prefix: Prefix) -> bool {
        matches!(self, Condition::Prefix(set) if set.contains(prefix))
    }
}

/// A number set, added to or taken from. Written `100`, `+10`, `-10`. It ends at 0 and 4294967295.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Adjust {
    /// This number.
    Set(u32),
    /// So much more.
    Add(u32),
    /// So much less.
    Subtract(u32),
}

impl Adjust {
    const fn apply(self, to: u32) -> u32 {
        match self {
            Adjust::Set(number) => number,
            Adjust::Add(number) => to.saturating_add(number),
            Adjust::Subtract(number) => to.saturating_sub(number),
        }
    }
}

impl fmt::Display for Adjust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Adjust::Set(number) => number.fmt(f),
            Adjust::Add(number) => write!(f, "+{number}"),
            Adjust::Subtract(number) => write!(f, "-{number}"),
        }
    }
}

impl FromStr for Adjust {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Adjust, ParseError> {
        match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(number), _) => digits(number).map(Adjust::Add),
            (_, Some(number)) => digits(number).map(Adjust::Subtract),
            _ => digits(text).map(Adjust::Set),
        }
    }
}

/// What to do about the next hop. An address is used for routes of its own family only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum NextHopChange {
    /// What is usual: as it came on import; on export our own address toward eBGP neighbours, as it came toward iBGP
    /// neighbours.
    #[default]
    Usual,
    /// Our own address on the session.
    Own,
    /// As it came, toward eBGP neighbours too.
    Unchanged,
    /// The neighbour's address.
    Neighbor,
    /// This address.
    Address(IpAddr),
}

impl fmt::Display for NextHopChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextHopChange::Usual => f.write_str("usual"),
            NextHopChange::Own => f.write_str("self"),
            NextHopChange::Unchanged => f.write_str("unchanged"),
            NextHopChange::Neighbor => f.write_str("neighbor"),
            NextHopChange::Address(address) => address.fmt(f),
        }
    }
}

/// Which AS number to put in front of AS_PATH.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum PrependAs {
    /// Ours on the session.
    #[default]
    Own,
    /// The one that stands first; nothing happens if there is none.
    First,
    /// This one.
    Number(Asn),
}

impl fmt::Display for PrependAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrependAs::Own => f.write_str("self"),
            PrependAs::First => f.write_str("first"),
            PrependAs::Number(asn) => asn.fmt(f),
        }
    }
}

/// Most times that one statement prepends: other routers drop routes of some hundred ASes.
pub const PREPEND_LIMIT: u8 = 32;

/// A change of attributes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Change {
    /// LOCAL_PREF; one that is not there is adjusted from the default.
    LocalPref(Adjust),
    /// MULTI_EXIT_DISC; one that is not there is adjusted from 0. `None` takes it away.
    Med(Option<Adjust>),
    /// ORIGIN.
    Origin(Origin),
    /// The next hop.
    NextHop(NextHopChange),
    /// An AS number in front of AS_PATH, so many times. What export prepends comes on top of it.
    Prepend {
        /// Which.
        asn: PrependAs,
        /// How often.
        times: u8,
    },
    /// Communities of all kinds: first those that are meant go, then the others come.
    Communities {
        /// All go.
        clear: bool,
        /// These go.
        remove: Shared<CommunitySet>,
        /// How `remove` was written.
        remove_text: Note<Arc<str>>,
        /// These come, unless they are there. What means no single community on the session is passed over.
        add: Vec<CommunityPattern>,
    },
}

impl Change {
    /// With what it needs to know of the session; `None` if that is nothing.
    pub(super) fn bound(&self, session: &PolicySession) -> Option<Change> {
        match self {
            Change::Prepend { asn: PrependAs::Own, times } => {
                Some(Change::Prepend { asn: PrependAs::Number(session.local_asn), times: *times })
            }
            Change::NextHop(NextHopChange::Neighbor) => {
                session.neighbor.map(|address| Change::NextHop(NextHopChange::Address(address)))
            }
            Change::Communities { clear, remove, remove_text, add } => {
                let bound_remove = remove.bound(session);
                let bound_add: Vec<CommunityPattern> = add.iter().map(|pattern| pattern.bound(session)).collect();
                if bound_remove.is_none() && bound_add == *add {
                    return None;
                }
                Some(Change::Communities {
                    clear: *clear,
                    remove: bound_remove.map_or_else(|| remove.clone(), Shared::new),
                    remove_text: remove_text.clone(),
                    add: bound_add,
                })
            }
            _ => None,
        }
    }

    pub(super) fn apply(&self, to: &mut Modified, default_local_pref: u32) {
        match self {
            Change::NextHop(next_hop) => {
                to.next_hop = *next_hop;
                return;
            }
            Change::Med(_) => to.sets_med = true,
            _ => {}
        }
        let attributes = Arc::make_mut(&mut to.attributes);
        match self {
            Change::NextHop(_) => {}
            Change::LocalPref(adjust) => {
                attributes.local_pref = Some(adjust.apply(attributes.local_pref.unwrap_or(default_local_pref)));
            }
            Change::Med(adjust) => attributes.med = adjust.map(|adjust| adjust.apply(attributes.med.unwrap_or(0))),
            Change::Origin(origin) => attributes.origin = *origin,
            Change::Prepend { asn, times } => {
                let asn = match asn {
                    PrependAs::Number(asn) => Some(*asn),
                    PrependAs::First => attributes.as_path.neighbor(),
                    // Not bound to a session.
                    PrependAs::Own => None,
                };
                if let Some(asn) = asn {
                    attributes.as_path = attributes.as_path.prepend(asn, usize::from(*times));
                }
            }
            Change::Communities { clear, remove, add, .. } => {
                let goes = |community| *clear || remove.contains(community);
                attributes.communities.retain(|community| !goes(AnyCommunity::Standard(*community)));
                attributes.extended_communities.retain(|community| !goes(AnyCommunity::Extended(*community)));
                attributes.large_communities.retain(|community| !goes(AnyCommunity::Large(*community)));
                for community in add.iter().filter_map(CommunityPattern::value) {
                    match community {
                        AnyCommunity::Standard(community) => insert(&mut attributes.communities, community),
                        AnyCommunity::Extended(community) => insert(&mut attributes.extended_communities, community),
                        AnyCommunity::Large(community) => insert(&mut attributes.large_communities, community),
                    }
                }
                // An attribute that is gone came with no bit.
                for (gone, kind) in [
                    (attributes.communities.is_empty(), AttributeType::COMMUNITIES),
                    (attributes.extended_communities.is_empty(), AttributeType::EXTENDED_COMMUNITIES),
                    (attributes.large_communities.is_empty(), AttributeType::LARGE_COMMUNITY),
                ] {
                    if gone {
                        attributes.partial.remove(kind);
                    }
                }
            }
        }
    }
}

fn insert<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::LocalPref(adjust) => write!(f, "local_pref {adjust}"),
            Change::Med(Some(adjust)) => write!(f, "med {adjust}"),
            Change::Med(None) => f.write_str("med none"),
            Change::Origin(origin) => write!(f, "origin {}", origin_word(*origin)),
            Change::NextHop(next_hop) => write!(f, "next_hop {next_hop}"),
            Change::Prepend { asn, times } => write!(f, "prepend {asn} x {times}"),
            Change::Communities { clear, remove_text, add, .. } => {
                let mut parts = Vec::new();
                if *clear {
                    parts.push("communities cleared".to_owned());
                }
                if !remove_text.0.is_empty() {
                    parts.push(format!("communities remove {}", remove_text.0));
                }
                if !add.is_empty() {
                    let add: Vec<String> = add.iter().map(ToString::to_string).collect();
                    parts.push(format!("communities add {}", add.join(" ")));
                }
                f.write_str(&parts.join(", "))
            }
        }
    }
}

/// ORIGIN as policies write it.
pub const fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Igp => "igp",
        Origin::Egp => "egp",
        Origin::Incomplete => "incomplete",
    }
}
