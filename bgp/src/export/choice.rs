//! Which of a prefix's paths a group is sent, where that is not simply the best one.
//!
//! A member gets the first so many paths, in the order of the decision, of those that it may have: policy, communities
//! and rules of the group count, and what came from itself or leads to itself is not for it. So what one member gets
//! differs from what the others get only by what makes up for its own paths, which goes out in messages for it alone.

use super::segment::{Builder, Known, NOWHERE};
use super::{ExportRules, ExportTerms};
use crate::rib::{Best, PrefixId, SourceId};
use crate::wire::{Family, Nlri};
use net::Prefix;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU8;

/// How many paths of a prefix a neighbour is sent that takes several (RFC 7911).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AddPathSend {
    /// All that it may have.
    All,
    /// The best ones of those that it may have.
    Best(NonZeroU8),
}

/// What the members of a group are sent of a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Choice {
    /// The best path, or nothing.
    Best,
    /// The best of the paths that they may have (RFC 7947 §2.3.1).
    BestAllowed,
    /// So many paths, each with an identifier (RFC 7911).
    Several(usize),
}

impl Choice {
    /// Most paths of a prefix.
    pub(super) const fn limit(self) -> usize {
        match self {
            Choice::Best | Choice::BestAllowed => 1,
            Choice::Several(limit) => limit,
        }
    }
}

impl ExportTerms {
    pub(super) fn choice(&self, family: Family) -> Choice {
        let ExportRules { add_path_send, route_server_client, hide_paths, .. } = self.rules;
        if self.encode.add_path.contains(&family) {
            Choice::Several(match add_path_send {
                Some(AddPathSend::All) => usize::MAX,
                Some(AddPathSend::Best(count)) => usize::from(count.get()),
                None => 1,
            })
        } else if route_server_client && !hide_paths {
            Choice::BestAllowed
        } else {
            Choice::Best
        }
    }
}

/// A path that may go to the group.
#[derive(Clone, Copy)]
struct Allowed {
    place: u32,
    nlri: Nlri,
    source: SourceId,
    next_hop: IpAddr,
}

/// The choice for one segment.
pub(super) struct Choices<'a> {
    choice: Choice,
    members: &'a BTreeMap<SourceId, Option<IpAddr>>,
    by_address: FxHashMap<IpAddr, SourceId>,
    /// Bundles for one member only. Looked up, never iterated over.
    only: FxHashMap<(u32, SourceId), u32>,
}

impl<'a> Choices<'a> {
    pub(super) fn new(choice: Choice, members: &'a BTreeMap<SourceId, Option<IpAddr>>) -> Choices<'a> {
        let by_address = members.iter().filter_map(|(member, address)| Some(((*address)?, *member))).collect();
        Choices { choice, members, by_address, only: FxHashMap::default() }
    }

    /// Puts the paths of a prefix into their bundles; `false` if there are none.
    pub(super) fn put(&mut self, builder: &mut Builder<'_>, known: &mut Known, id: PrefixId, prefix: Prefix) -> bool {
        let (table, ranks) = (builder.table, builder.ranks);
        let several = matches!(self.choice, Choice::Several(_));
        let mut path_ids = table.sent_path_ids(id);
        let mut allow = |builder: &mut Builder<'_>, path: Best| {
            let place = builder.place_of(known, &path, prefix);
            let next_hop = builder.bundles.get(place as usize).filter(|_| place != NOWHERE)?.next_hop.address();
            let path_id = if several { path_ids.of(path.source, path.path_id) } else { 0 };
            Some(Allowed { place, nlri: Nlri { path_id, prefix }, source: path.source, next_hop })
        };
        let limit = self.choice.limit();
        if limit == usize::MAX {
            // All of them, whoever gets them.
            let mut any = false;
            for path in table.eligible(id, &ranks) {
                if let Some(Allowed { place, nlri, .. }) = allow(builder, path) {
                    any |= builder.put(place, id, nlri);
                }
            }
            return any;
        }
        let mut ranking = table.ranking(id, &ranks);
        let mut allowed: SmallVec<[Allowed; 4]> = SmallVec::new();
        while allowed.len() < limit
            && let Some(path) = ranking.next()
        {
            allowed.extend(allow(builder, path));
        }
        let main = allowed.len();
        for Allowed { place, nlri, .. } in &allowed {
            builder.put(*place, id, *nlri);
        }
        // Who misses one of these gets a later one instead.
        let mut short: SmallVec<[SourceId; 4]> = SmallVec::new();
        for Allowed { source, next_hop, .. } in &allowed {
            let source = self.members.contains_key(source).then_some(*source);
            for member in source.into_iter().chain(self.by_address.get(next_hop).copied()) {
                if !short.contains(&member) {
                    short.push(member);
                }
            }
        }
        for member in short {
            let address = self.members.get(&member).copied().flatten();
            let may = |path: &Allowed| path.source != member && Some(path.next_hop) != address;
            let mut missing = main - allowed.iter().take(main).filter(|path| may(path)).count();
            let mut next = main;
            while missing > 0 {
                if next == allowed.len() {
                    let Some(path) = ranking.next() else { break };
                    allowed.extend(allow(builder, path));
                    continue;
                }
                let Some(path) = allowed.get(next).copied() else { break };
                next += 1;
                if may(&path) {
                    missing -= 1;
                    let known = self.only.get(&(path.place, member)).copied();
                    let place = known.unwrap_or_else(|| builder.add_for(path.place, member));
                    self.only.insert((path.place, member), place);
                    builder.put(place, id, path.nlri);
                }
            }
        }
        main > 0
    }
}
