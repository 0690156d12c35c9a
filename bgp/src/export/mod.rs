//! Export: peers that are sent the same octets form an update group, which reads the export log and encodes once for
//! all of them.
//!
//! ```text
//!  export log ──► segment (UPDATEs packed by attribute set, one shared buffer) ──► each member at that place in the log
//! ```
//!
//! A member is a cursor and a bit per prefix that it holds: its Adj-RIB-Out. It is asked for octets only when its
//! connection has room; one that is slow has no queue, its cursor stays where it is, and when it reads on it finds each
//! changed prefix once. Split horizon is a skip: a member leaves out the messages with its own routes. Withdrawals go
//! only to who holds the prefix.
//!
//! Groups that are sent more than the best path, or another one than the best, read a second log, of changes that leave
//! the best path alone; `choice` says what they get. It is written only while there are such groups.

mod choice;
mod held;
mod in_place;
mod pack;
mod rules;
mod segment;
mod take;

pub use choice::AddPathSend;
pub use rules::{ExportRules, NextHopRule, PrivateAsRule};

#[cfg(test)]
mod tests;

use crate::policy::Policy;
use crate::rib::{Best, Cursor, PrefixId, Ranks, Rib, SourceId, SourceKind, Table, family_index};
use crate::wire::{Asn, EncodeContext, Family, NextHop, PathAttributes, RefreshSubtype, RouterId};
use bytes::Bytes;
use choice::Choice;
use held::Held;
use net::Prefix;
use segment::{SEGMENT_OCTETS, SEGMENT_RECORDS, Segment, Stretch};
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use take::Taker;

/// Everything that what a peer is sent depends on: peers with equal terms share a group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExportTerms {
    /// [`SourceKind::External`] or [`SourceKind::Internal`].
    pub kind: SourceKind,
    /// What routes are put through on their way out, bound to the session ([`Policy::bind`]).
    pub policy: Policy,
    /// They are sent a default route of ours, put through this, whatever the tables have; the export policy is not asked
    /// about it.
    pub default_originate: Option<Policy>,
    /// The AS to prepend toward external peers.
    pub local_asn: Asn,
    /// Our next hop for IPv4 routes. Without one no IPv4 route that needs it is sent.
    pub next_hop_v4: Option<Ipv4Addr>,
    /// Our next hop for IPv6 routes. Without one no IPv6 route that needs it is sent.
    pub next_hop_v6: Option<Ipv6Addr>,
    /// The peers' AS, where a rule depends on it (AS override, ONLY_TO_CUSTOMER never): otherwise `None`, so that peers
    /// of different ASes share a group.
    pub peer_asn: Option<Asn>,
    /// Our cluster id (RFC 4456 §7).
    pub cluster_id: RouterId,
    /// What the operator wants of the routes.
    pub rules: ExportRules,
    /// LOCAL_PREF toward internal peers of routes that have none.
    pub default_local_pref: u32,
    /// How to encode.
    pub encode: EncodeContext,
}

/// Segments that a group keeps for members that come by later. One that falls further behind encodes for itself.
const SEGMENTS_KEPT: usize = 4;

/// Segments of best paths that a member is sent in a row before it is its other paths' turn: changes without an end must
/// not keep them back for ever.
const BEST_FIRST: u8 = 16;

/// What one member is sent next.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Outgoing {
    /// Whole messages, in order.
    pub octets: SmallVec<[Bytes; 2]>,
    /// How many messages.
    pub messages: u64,
    /// Routes announced in them.
    pub announced: u64,
    /// Routes withdrawn in them.
    pub withdrawn: u64,
    /// How many log records were looked at for it, where nobody had done that before: more where all of many paths
    /// were.
    pub looked_at: u64,
    /// The next message would have passed the limit of this family: nothing more is handed out.
    pub over: Option<Family>,
}

/// A route as a member is sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Advertised {
    /// The prefix.
    pub prefix: Prefix,
    /// The identifier that it is sent under (RFC 7911); 0 without one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub path_id: u32,
    /// Its attributes.
    pub attributes: PathAttributes,
    /// Its next hop.
    pub next_hop: NextHop,
}

#[cfg(feature = "serde")]
fn is_zero(path_id: &u32) -> bool {
    *path_id == 0
}

/// Part of an Adj-RIB-Out, in prefix order.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AdvertisedPage {
    /// Possibly none, although more follow.
    pub routes: Vec<Advertised>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Prefix>,
}

/// How often a group encoded and how often it could share.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GroupCounters {
    /// Segments encoded.
    pub segments_encoded: u64,
    /// Segments sent that had been encoded for another member.
    pub segments_shared: u64,
    /// Routes left out because their attributes fit in no message that the peers accept.
    pub routes_too_long: u64,
    /// How often the policy was asked about an attribute set.
    pub policy_evaluations: u64,
}

/// An update group.
#[derive(Debug)]
pub struct UpdateGroup {
    terms: ExportTerms,
    members: BTreeMap<SourceId, Member>,
    /// The same members with their addresses; without one where that is ours too.
    addresses: BTreeMap<SourceId, Option<IpAddr>>,
    /// How often a member came for whom older segments are no good.
    arrivals: u64,
    kept: [VecDeque<Segment>; 2],
    counters: GroupCounters,
}

/// A member between two groups, with what it holds.
#[derive(Debug)]
pub struct Moving(Member);

#[derive(Debug)]
struct Member {
    enhanced_refresh: bool,
    /// Segments that were built before so many arrivals know nothing of what it holds, or that it is here.
    since: u64,
    outs: [Option<AdjRibOut>; 2],
    /// The family that is looked at first, in the order of [`Rib::FAMILIES`]: one that never ends holds no other up.
    first: usize,
}

#[derive(Debug)]
struct AdjRibOut {
    /// In the export log.
    cursor: Cursor,
    /// In the log of changes beside the best paths, if the group reads that.
    further: Cursor,
    /// Segments since the last one of that log.
    in_a_row: u8,
    held: Held,
    /// End-of-RIB is due once the cursor gets here.
    end_of_rib: Option<Cursor>,
    refresh: Refresh,
}

/// Where a refresh with a beginning and an end (RFC 7313) is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refresh {
    /// There is none.
    Idle,
    /// BoRR is due.
    Asked,
    /// EoRR is due once the member is up to date: a route that changed meanwhile must be announced before the end, or
    /// the peer drops it.
    Running,
}

impl UpdateGroup {
    /// A group without members.
    pub fn new(terms: ExportTerms) -> UpdateGroup {
        UpdateGroup {
            terms,
            members: BTreeMap::new(),
            addresses: BTreeMap::new(),
            arrivals: 0,
            kept: Default::default(),
            counters: GroupCounters::default(),
        }
    }

    /// The terms it was made with.
    pub const fn terms(&self) -> &ExportTerms {
        &self.terms
    }

    /// No members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Counters.
    pub const fn counters(&self) -> GroupCounters {
        self.counters
    }

    /// A session came up: it gets the whole of `families`, each with End-of-RIB behind it. `enhanced_refresh`: both
    /// sides know where a refresh begins and ends (RFC 7313).
    pub fn join(
        &mut self,
        member: SourceId,
        families: impl IntoIterator<Item = Family>,
        enhanced_refresh: bool,
        rib: &mut Rib,
    ) {
        let mut outs = [None, None];
        for family in families {
            if let (Some(index), Some(table)) = (family_index(family), rib.table(family))
                && let Some(out) = outs.get_mut(index)
            {
                *out = Some(AdjRibOut {
                    cursor: Cursor::START,
                    further: Cursor::START,
                    in_a_row: 0,
                    held: Held::new(self.terms.encode.add_path.contains(&family)),
                    end_of_rib: Some(table.log_end()),
                    refresh: Refresh::Idle,
                });
            }
        }
        self.add(member, Member { enhanced_refresh, since: 0, outs, first: 0 }, rib);
    }

    /// A session is over.
    pub fn leave(&mut self, member: SourceId, rib: &mut Rib) {
        let Some(Moving(member)) = self.hand_over(member, rib) else { return };
        for (family, out) in Rib::FAMILIES.into_iter().zip(member.outs) {
            if let (Some(out), Some(table)) = (out, rib.table_mut(family)) {
                out.held.release(table);
            }
        }
    }

    /// Takes a member out without a word to it: another group with other terms takes it over.
    pub fn hand_over(&mut self, member: SourceId, rib: &mut Rib) -> Option<Moving> {
        let moving = self.members.remove(&member)?;
        self.addresses.remove(&member);
        for (family, out) in Rib::FAMILIES.into_iter().zip(&moving.outs) {
            if let (Some(_), Some(table), true) = (out, rib.table_mut(family), self.reads_further(family)) {
                table.remove_further_reader();
            }
            self.drop_segments(family, rib);
        }
        Some(Moving(moving))
    }

    /// Takes over a member of another group. It is sent all routes again under this group's terms, and withdrawals of
    /// what it holds and is to have no more.
    pub fn take_over(&mut self, member: SourceId, Moving(mut moving): Moving, rib: &mut Rib) {
        // What was encoded for others does not say that routes are gone which they never had.
        self.arrivals += 1;
        moving.since = self.arrivals;
        self.add(member, moving, rib);
    }

    fn add(&mut self, member: SourceId, mut coming: Member, rib: &mut Rib) {
        for (family, out) in Rib::FAMILIES.into_iter().zip(&mut coming.outs) {
            let (Some(out), Some(table)) = (out, rib.table_mut(family)) else { continue };
            out.cursor = Cursor::START;
            if self.reads_further(family) {
                table.add_further_reader();
                // What it will find in the export log are all paths as they are then.
                out.further = table.further_end();
                // Nor is there in it what makes up for this member's own paths.
                self.arrivals += 1;
                coming.since = self.arrivals;
            }
        }
        let address = rib.source(member).and_then(|source| source.address);
        self.addresses.insert(member, address.filter(|address| !self.is_ours(*address)));
        self.members.insert(member, coming);
    }

    /// A next hop that we put in: it leads to us, also where a neighbour shares our address.
    fn is_ours(&self, next_hop: IpAddr) -> bool {
        match next_hop {
            IpAddr::V4(address) => self.terms.next_hop_v4 == Some(address),
            IpAddr::V6(address) => self.terms.next_hop_v6 == Some(address),
        }
    }

    fn reads_further(&self, family: Family) -> bool {
        self.terms.choice(family) != Choice::Best
    }

    /// A member wants a family again (RFC 2918 §4).
    pub fn handle_refresh(&mut self, member: SourceId, family: Family) {
        let enhanced = self.members.get(&member).is_some_and(|member| member.enhanced_refresh);
        if let Some(out) = self.out_mut(member, family) {
            out.cursor = Cursor::START;
            // Before End-of-RIB it is the first time anyway.
            if enhanced && out.end_of_rib.is_none() {
                out.refresh = Refresh::Asked;
            }
        }
    }

    /// What `member` is sent next, about one segment of one family, which may come to nothing; `None` if it is up to
    /// date.
    pub fn poll_transmit(&mut self, member: SourceId, rib: &mut Rib) -> Option<Outgoing> {
        self.poll_transmit_within(member, |_| None, rib)
    }

    /// The same, up to the message before the one after which the member would hold more routes of a family than
    /// `limit` says.
    pub fn poll_transmit_within(
        &mut self,
        member: SourceId,
        limit: impl Fn(Family) -> Option<usize>,
        rib: &mut Rib,
    ) -> Option<Outgoing> {
        let first = self.members.get(&member)?.first;
        for family in Rib::FAMILIES.into_iter().cycle().skip(first).take(Rib::FAMILIES.len()) {
            let reads_further = self.reads_further(family);
            let table = rib.table(family)?;
            let (log_end, further_end) = (table.log_end(), table.further_end());
            let Some(out) = self.out_mut(member, family) else { continue };
            let up_to_date = out.cursor == log_end && (!reads_further || out.further == further_end);
            let mark = if out.end_of_rib.is_some_and(|end| out.cursor >= end) {
                out.end_of_rib = None;
                Some(pack::end_of_rib(family))
            } else if out.refresh == Refresh::Asked {
                out.refresh = Refresh::Running;
                Some(pack::refresh(family, RefreshSubtype::BEGIN))
            } else if out.refresh == Refresh::Running && up_to_date {
                out.refresh = Refresh::Idle;
                Some(pack::refresh(family, RefreshSubtype::END))
            } else {
                None
            };
            if let Some(octets) = mark {
                return Some(Outgoing { octets: SmallVec::from_iter([octets]), messages: 1, ..Outgoing::default() });
            }
            if up_to_date {
                continue;
            }
            let waits = reads_further && out.further != further_end;
            let further = waits && (out.cursor == log_end || out.in_a_row >= BEST_FIRST);
            out.in_a_row = if further { 0 } else { out.in_a_row.saturating_add(1) };
            if let Some(member) = self.members.get_mut(&member) {
                member.first = family_index(family).map_or(0, |index| (index + 1) % Rib::FAMILIES.len());
            }
            let (table, ranks) = rib.table_and_ranks(family)?;
            let outgoing = self.advance(member, (family, further), limit(family), table, ranks);
            self.drop_segments(family, rib);
            return outgoing;
        }
        None
    }

    /// Whether [`UpdateGroup::poll_transmit`] may have something for `member`.
    pub fn is_behind(&self, member: SourceId, rib: &Rib) -> bool {
        Rib::FAMILIES.into_iter().any(|family| {
            let (Some(out), Some(table)) = (self.out(member, family), rib.table(family)) else { return false };
            out.end_of_rib.is_some()
                || out.refresh != Refresh::Idle
                || out.cursor != table.log_end()
                || (self.reads_further(family) && out.further != table.further_end())
        })
    }

    /// Number of routes that `member` holds of ours.
    pub fn advertised(&self, member: SourceId, family: Family) -> usize {
        self.out(member, family).map_or(0, |out| out.held.len())
    }

    /// Whether `member` has been sent `prefix` and not a withdrawal since.
    pub fn holds(&self, member: SourceId, prefix: Prefix, rib: &Rib) -> bool {
        Rib::FAMILIES.into_iter().any(|family| {
            let id = rib.table(family).and_then(|table| table.find(prefix));
            id.zip(self.out(member, family)).is_some_and(|(id, out)| out.held.contains(id))
        })
    }

    /// What `member` holds of ours, in pages as in [`Rib::loc_rib`]: the routes as they are to be sent now; one that
    /// has changed since the member was last sent it shows the change.
    pub fn adj_rib_out(
        &self,
        member: SourceId,
        family: Family,
        after: Option<Prefix>,
        limit: usize,
        rib: &Rib,
    ) -> AdvertisedPage {
        let mut page = AdvertisedPage { routes: Vec::new(), next: None };
        let Some((out, table)) = self.out(member, family).zip(rib.table(family)) else { return page };
        let (ids, next) = table.page(after, limit);
        page.next = next;
        for (prefix, id) in ids.into_iter().filter(|(_, id)| out.held.contains(*id)) {
            self.routes_to(member, (family, table), (prefix, id), rib, &mut page.routes);
        }
        page
    }

    /// What `member` is to hold of one prefix: the definition of what `choice` and `segment` work out for all members
    /// together.
    fn routes_to(
        &self,
        member: SourceId,
        (family, table): (Family, &Table),
        (prefix, id): (Prefix, PrefixId),
        rib: &Rib,
        routes: &mut Vec<Advertised>,
    ) {
        let ranks = rib.ranks();
        let choice = self.terms.choice(family);
        let mut sent = table.sent_path_ids(id);
        let mut path_id = |source, path_id| match choice {
            Choice::Several(_) => sent.of(source, path_id),
            Choice::Best | Choice::BestAllowed => 0,
        };
        if let Some(policy) = self.terms.default_originate.as_ref().filter(|_| prefix.len() == 0) {
            let default = || {
                let route = rules::default_route(family);
                let from = rules::From::of(Rib::LOCAL, ranks.by_source)?;
                let verdict = rules::default_verdict(&self.terms, policy, family, &route, prefix);
                rules::finish(&self.terms, family, from, &route, &verdict)
            };
            routes.extend(default().map(|(attributes, next_hop)| Advertised {
                prefix,
                path_id: path_id(Rib::LOCAL, 0),
                attributes,
                next_hop,
            }));
            return;
        }
        let address = self.addresses.get(&member).copied().flatten();
        let mut goes = |path: Best| {
            let from = rules::From::of(path.source, ranks.by_source)?;
            let route = table.route_attributes(path.attributes)?;
            let (attributes, next_hop) = rules::export(&self.terms, family, from, &route, prefix)?;
            let kept = path.source == member || Some(next_hop.address()) == address;
            let path_id = path_id(path.source, path.path_id);
            (!kept).then_some(Advertised { prefix, path_id, attributes, next_hop })
        };
        let count = if choice == Choice::Best { 1 } else { usize::MAX };
        routes.extend(table.ranking(id, &ranks).take(count).filter_map(&mut goes).take(choice.limit()));
    }

    fn out(&self, member: SourceId, family: Family) -> Option<&AdjRibOut> {
        self.members.get(&member)?.outs.get(family_index(family)?)?.as_ref()
    }

    fn out_mut(&mut self, member: SourceId, family: Family) -> Option<&mut AdjRibOut> {
        self.members.get_mut(&member)?.outs.get_mut(family_index(family)?)?.as_mut()
    }

    /// Moves `member` one segment on, in the export log or in the one of changes beside the best paths.
    fn advance(
        &mut self,
        member: SourceId,
        (family, further): (Family, bool),
        limit: Option<usize>,
        table: &mut Table,
        ranks: Ranks<'_>,
    ) -> Option<Outgoing> {
        let index = family_index(family)?;
        let out = self.out(member, family)?;
        let (from, end, other) = if further {
            (out.further, table.further_end(), out.cursor)
        } else {
            (out.cursor, table.log_end(), out.further)
        };
        let since = self.members.get(&member)?.since;
        // A short one that others have been given meanwhile is old news: read anew, what changed since stands once.
        let fresh = |segment: &Segment| {
            segment.to == end
                || segment.cost >= SEGMENT_RECORDS as u64 / 2
                || segment.ids.len() + segment.withdrawn.len() >= SEGMENT_RECORDS / 2
                || segment.octets.len() >= SEGMENT_OCTETS / 2
        };
        let kept = self.kept.get_mut(index)?;
        let shared = kept.iter().position(|segment| {
            let known = segment.arrivals >= since && other <= segment.other_end;
            segment.further == further && segment.from == from && known && fresh(segment)
        });
        let taker = Taker { member, address: self.addresses.get(&member).copied().flatten(), limit };
        let out = self.members.get_mut(&member)?.outs.get_mut(index)?.as_mut()?;
        if let Some(segment) = shared.and_then(|position| kept.get_mut(position)) {
            self.counters.segments_shared += 1;
            return Some(take::take(segment, taker, out, table, &self.terms.encode, family));
        }
        self.counters.segments_encoded += 1;
        let stretch = Stretch { family, further, from, arrivals: self.arrivals, members: &self.addresses };
        let mut segment = segment::build(&self.terms, stretch, (table, ranks), &mut self.counters);
        // Worth keeping only if somebody is still to come by. Pinned before anything is let go of: what the segment names
        // must not become another prefix's.
        let wanted = self.members.iter().any(|(other, it)| *other != member && behind(it, index, &segment));
        if wanted {
            segment.ids.iter().chain(&segment.withdrawn).for_each(|id| table.pin(*id));
        }
        let out = self.members.get_mut(&member)?.outs.get_mut(index)?.as_mut()?;
        let mut outgoing = take::take(&mut segment, taker, out, table, &self.terms.encode, family);
        outgoing.looked_at = segment.cost;
        if wanted {
            let kept = self.kept.get_mut(index)?;
            kept.push_back(segment);
            if kept.len() > SEGMENTS_KEPT
                && let Some(oldest) = kept.pop_front()
            {
                release(&oldest, table);
            }
        }
        Some(outgoing)
    }

    /// Drops kept segments that no member will come by any more.
    fn drop_segments(&mut self, family: Family, rib: &mut Rib) {
        let (Some(index), Some(table)) = (family_index(family), rib.table_mut(family)) else { return };
        let Some(kept) = self.kept.get_mut(index) else { return };
        let members = &self.members;
        kept.retain(|segment| {
            let wanted = members.values().any(|member| behind(member, index, segment));
            if !wanted {
                release(segment, table);
            }
            wanted
        });
    }
}

/// Whether the member may still arrive at this segment's place in the log, and use it.
fn behind(member: &Member, family: usize, segment: &Segment) -> bool {
    let Some(out) = member.outs.get(family).and_then(Option::as_ref) else { return false };
    let (at, other) = if segment.further { (out.further, out.cursor) } else { (out.cursor, out.further) };
    // What it has read of the other log must not be newer than the segment: it would be put back.
    member.since <= segment.arrivals && at <= segment.from && other <= segment.other_end
}

fn release(segment: &Segment, table: &mut Table) {
    segment.ids.iter().chain(&segment.withdrawn).for_each(|id| table.unpin(*id));
}

impl Outgoing {
    /// Number of octets.
    pub fn len(&self) -> usize {
        self.octets.iter().map(Bytes::len).sum()
    }

    /// Nothing to send.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}
