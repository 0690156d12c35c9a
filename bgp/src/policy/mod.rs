//! Import and export policy: what a neighbour's routes are put through on their way in, and ours on their way out.
//!
//! A policy is a list of statements ([`rule`]): conditions, changes, and what happens then. Policies in a row become one
//! [`Program`] when they are read, and a program of its own for each kind of session when one comes up
//! ([`Policy::bind`]): what depends on the neighbour is decided there, so that neighbours for whom the same is left
//! share an update group.
//!
//! Evaluation has two stages. [`Policy::evaluate`] looks at everything but the prefix, once per attribute set; what it
//! returns says for each prefix what becomes of the route, at the price of the prefix sets that are left to ask
//! ([`Evaluation::verdict`]). Invariant: the answer is that of a reading from top to bottom ([`trace`] is one, and a
//! property test compares the two).

pub mod as_path;
pub mod community;
pub mod number;
pub mod prefix_set;
mod program;
pub mod rule;
mod shared;
pub mod trace;

#[cfg(test)]
pub(crate) mod tests;

pub use as_path::AsPathPattern;
pub use community::{CommunityPattern, CommunitySet};
pub use number::{AsnRange, AsnSet, NumberRange};
pub use prefix_set::{PrefixPattern, PrefixSet};
pub use program::{Evaluation, Link, PerPrefix, Program};
pub use rule::{Action, Change, Condition, PolicyDefinition, Statement};
pub use shared::{Note, Shared};

use crate::rib::{DEFAULT_LOCAL_PREF, SourceKind};
use crate::wire::{Asn, Family, NextHop, PathAttributes, Role};
use rule::NextHopChange;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// What a neighbour's routes are put through on their way in, or ours on their way out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Policy {
    /// None configured: nothing passes between different ASes (RFC 8212), everything inside one.
    #[default]
    Unset,
    /// Everything passes unchanged.
    Accept,
    /// Nothing passes.
    Reject,
    /// Statements decide. What none of them decides does not pass, also inside one AS.
    Rules(Shared<Program>),
}

/// A policy's answer for one route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PolicyVerdict {
    /// The route passes with its attributes as they are.
    Accept,
    /// The route passes with other attributes. All routes with the same answer share it.
    Modify(Arc<Modified>),
    /// The route does not pass.
    Reject,
    /// There is no policy, and without one nothing passes (RFC 8212 §2).
    NoPolicy,
}

/// What a policy made of a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Modified {
    /// The attributes now.
    pub attributes: Arc<PathAttributes>,
    /// What to do about the next hop.
    pub next_hop: NextHopChange,
    /// MULTI_EXIT_DISC was set here: it goes to other ASes, which a received one does not (RFC 4271 §5.1.4).
    pub sets_med: bool,
}

/// A route without its prefix, as a policy sees it.
#[derive(Clone, Debug)]
pub struct PolicyRoute {
    /// Its family.
    pub family: Family,
    /// Where it came from; on import that is the kind of the session.
    pub source: SourceKind,
    /// Its attributes.
    pub attributes: Arc<PathAttributes>,
    /// Its next hop, as it came.
    pub next_hop: NextHop,
}

/// The session that routes come from or go to: what policies ask about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicySession {
    /// Our AS number on it.
    pub local_asn: Asn,
    /// The neighbour's AS number.
    pub neighbor_asn: Asn,
    /// The neighbour's address.
    pub neighbor: Option<IpAddr>,
    /// The neighbour's group, and those that this one builds on.
    pub groups: Vec<Arc<str>>,
    /// What the neighbour is to us (RFC 9234): [`Role::CUSTOMER`] is a customer of ours.
    pub role: Option<Role>,
    /// LOCAL_PREF of routes that have none.
    pub default_local_pref: u32,
}

impl PolicySession {
    /// A session between these two ASes, of which nothing else is known.
    pub const fn new(local_asn: Asn, neighbor_asn: Asn) -> PolicySession {
        PolicySession {
            local_asn,
            neighbor_asn,
            neighbor: None,
            groups: Vec::new(),
            role: None,
            default_local_pref: DEFAULT_LOCAL_PREF,
        }
    }

    /// What a neighbour is to us when our role is this one (RFC 9234 §4.2, table 2). What the neighbour says of itself
    /// does not count where we have not said what it is to be: it could make itself a customer.
    pub fn neighbor_role(local: Option<Role>) -> Option<Role> {
        let roles = [Role::PROVIDER, Role::CUSTOMER, Role::ROUTE_SERVER, Role::ROUTE_SERVER_CLIENT, Role::PEER];
        roles.into_iter().find(|role| local.is_some_and(|local| local.matches(*role)))
    }
}

impl Policy {
    /// Policies one after the other: each route goes to the next one where the one before says so or ends.
    pub fn chain(links: &[Link]) -> Policy {
        match links {
            [Link::Accept, ..] => Policy::Accept,
            [Link::Reject, ..] => Policy::Reject,
            _ => Policy::Rules(Shared::new(Program::new(links))),
        }
    }

    /// The policy as it is on one session: conditions on the session are decided, its numbers stand where they are
    /// asked for. On a policy that is not bound conditions on the session don't hold.
    #[must_use]
    pub fn bind(&self, session: &PolicySession) -> Policy {
        match self {
            Policy::Rules(program) => match program.bind(session) {
                Some(bound) => Policy::Rules(Shared::new(bound)),
                None => self.clone(),
            },
            simple => simple.clone(),
        }
    }

    /// The first stage: everything but the prefix, for routes that cross a session of this kind. Once per attribute
    /// set; what it returns answers for every prefix.
    pub fn evaluate(&self, session: SourceKind, route: PolicyRoute) -> Evaluation {
        let verdict = match (self, session) {
            (Policy::Accept, _) | (Policy::Unset, SourceKind::Internal | SourceKind::Local) => PolicyVerdict::Accept,
            (Policy::Unset, SourceKind::External) => PolicyVerdict::NoPolicy,
            (Policy::Reject, _) => PolicyVerdict::Reject,
            (Policy::Rules(program), _) => return Program::evaluate(program, route),
        };
        Evaluation::Decided(verdict)
    }
}

impl fmt::Display for Policy {
    /// `accept`, `reject`, or the names of the policies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Policy::Unset => f.write_str("unset"),
            Policy::Accept => f.write_str("accept"),
            Policy::Reject => f.write_str("reject"),
            Policy::Rules(program) => f.write_str(&program.names().join(", ")),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Policy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that is not what it should be, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError(String);

impl ParseError {
    pub(crate) fn new(message: impl Into<String>) -> ParseError {
        ParseError(message.into())
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

/// A text that may be anything, cut to what fits in a message.
fn shorten(text: &str) -> String {
    const QUOTED: usize = 40;
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A text that is not a policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParsePolicyError;

impl fmt::Display for ParsePolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a policy: expected accept or reject")
    }
}

impl std::error::Error for ParsePolicyError {}

impl FromStr for Policy {
    type Err = ParsePolicyError;

    /// `accept` or `reject`: [`Policy::Unset`] is the absence of a text, and statements are no short text.
    fn from_str(text: &str) -> Result<Policy, ParsePolicyError> {
        match text {
            "accept" => Ok(Policy::Accept),
            "reject" => Ok(Policy::Reject),
            _ => Err(ParsePolicyError),
        }
    }
}
