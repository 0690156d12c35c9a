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

mod in_place;
mod pack;
mod rules;
mod segment;

pub use rules::{ExportRules, NextHopRule, PrivateAsRule};

#[cfg(test)]
mod tests;

use crate::policy::Policy;
use crate::rib::{Cursor, PrefixId, PrefixSet, Rib, SourceId, SourceKind, SourceRank, Table, family_index};
use crate::wire::{Asn, EncodeContext, Family, NextHop, PathAttributes, RefreshSubtype, RouterId};
use bytes::{Bytes, BytesMut};
use net::Prefix;
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

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

/// Log records that one segment covers. About 32 KiB of UPDATEs at five prefixes per attribute set: large enough that
/// per-segment work doesn't show, small enough that nobody waits long for its turn.
const SEGMENT_RECORDS: usize = 2048;

/// Segments that a group keeps for members that come by later. One that falls further behind encodes for itself.
const SEGMENTS_KEPT: usize = 4;

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
}

/// A route as a member is sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Advertised {
    /// The prefix.
    pub prefix: Prefix,
    /// Its attributes.
    pub attributes: PathAttributes,
    /// Its next hop.
    pub next_hop: NextHop,
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
    kept: [VecDeque<Segment>; 2],
    counters: GroupCounters,
}

/// A member between two groups, with what it holds.
#[derive(Debug)]
pub struct Moving(Member);

#[derive(Debug)]
struct Member {
    enhanced_refresh: bool,
    outs: [Option<AdjRibOut>; 2],
}

#[derive(Debug)]
struct AdjRibOut {
    cursor: Cursor,
    held: PrefixSet,
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

/// UPDATEs for a stretch of the log.
#[derive(Debug)]
struct Segment {
    from: Cursor,
    to: Cursor,
    octets: Bytes,
    messages: Vec<Message>,
    /// Announced prefixes, in the order of the messages.
    ids: Vec<PrefixId>,
    withdrawn: Vec<PrefixId>,
    /// All of `withdrawn`, encoded when first needed.
    withdrawals: Option<(Bytes, usize)>,
}

#[derive(Debug)]
struct Message {
    source: SourceId,
    octets: Range<usize>,
    ids: Range<usize>,
}

impl UpdateGroup {
    /// A group without members.
    pub fn new(terms: ExportTerms) -> UpdateGroup {
        UpdateGroup { terms, members: BTreeMap::new(), kept: Default::default(), counters: GroupCounters::default() }
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
        rib: &Rib,
    ) {
        let mut outs = [None, None];
        for family in families {
            if let (Some(index), Some(table)) = (family_index(family), rib.table(family))
                && let Some(out) = outs.get_mut(index)
            {
                let end_of_rib = Some(table.log_end());
                let held = PrefixSet::default();
                *out = Some(AdjRibOut { cursor: Cursor::START, held, end_of_rib, refresh: Refresh::Idle });
            }
        }
        self.members.insert(member, Member { enhanced_refresh, outs });
    }

    /// A session is over.
    pub fn leave(&mut self, member: SourceId, rib: &mut Rib) {
        let Some(member) = self.members.remove(&member) else { return };
        for (family, out) in Rib::FAMILIES.into_iter().zip(member.outs) {
            if let (Some(out), Some(table)) = (out, rib.table_mut(family)) {
                out.held.iter().for_each(|id| table.unpin(id));
            }
            self.drop_segments(family, rib);
        }
    }

    /// Takes a member out without a word to it: another group with other terms takes it over.
    pub fn hand_over(&mut self, member: SourceId, rib: &mut Rib) -> Option<Moving> {
        let moving = self.members.remove(&member)?;
        for family in Rib::FAMILIES {
            self.drop_segments(family, rib);
        }
        Some(Moving(moving))
    }

    /// Takes over a member of another group. It is sent all routes again under this group's terms, and withdrawals of
    /// what it holds and is to have no more.
    pub fn take_over(&mut self, member: SourceId, Moving(mut moving): Moving) {
        moving.outs.iter_mut().flatten().for_each(|out| out.cursor = Cursor::START);
        self.members.insert(member, moving);
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

    /// What `member` is sent next, about one segment of one family; `None` if it is up to date.
    pub fn poll_transmit(&mut self, member: SourceId, rib: &mut Rib) -> Option<Outgoing> {
        for family in Rib::FAMILIES {
            loop {
                let table = rib.table_mut(family)?;
                let Some(out) = self.out_mut(member, family) else { break };
                let up_to_date = out.cursor == table.log_end();
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
                    return Some(Outgoing {
                        octets: SmallVec::from_iter([octets]),
                        messages: 1,
                        ..Outgoing::default()
                    });
                }
                if up_to_date {
                    break;
                }
                let Some((table, sources)) = rib.table_and_sources(family) else { break };
                let outgoing = self.advance(member, family, table, sources);
                self.drop_segments(family, rib);
                match outgoing {
                    Some(outgoing) if outgoing.messages > 0 => return Some(outgoing),
                    _ => {}
                }
            }
        }
        None
    }

    /// Whether [`UpdateGroup::poll_transmit`] may have something for `member`.
    pub fn is_behind(&self, member: SourceId, rib: &Rib) -> bool {
        Rib::FAMILIES.into_iter().any(|family| {
            let out = self.out(member, family);
            let end = rib.table(family).map(Table::log_end);
            out.is_some_and(|out| out.end_of_rib.is_some() || out.refresh != Refresh::Idle || Some(out.cursor) != end)
        })
    }

    /// Number of prefixes that `member` holds of ours.
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
            let route = || {
                if let Some(policy) = self.terms.default_originate.as_ref().filter(|_| prefix.len() == 0) {
                    let route = rules::default_route(family);
                    let from = rules::From::of(Rib::LOCAL, rib.source_ranks())?;
                    let verdict = rules::default_verdict(&self.terms, policy, family, &route, prefix);
                    return rules::finish(&self.terms, family, from, &route, &verdict);
                }
                let best = table.best(id)?;
                let from = rules::From::of(best.source, rib.source_ranks())?;
                rules::export(&self.terms, family, from, &*table.route_attributes(best.attributes)?, prefix)
            };
            page.routes.extend(route().map(|(attributes, next_hop)| Advertised { prefix, attributes, next_hop }));
        }
        page
    }

    fn out(&self, member: SourceId, family: Family) -> Option<&AdjRibOut> {
        self.members.get(&member)?.outs.get(family_index(family)?)?.as_ref()
    }

    fn out_mut(&mut self, member: SourceId, family: Family) -> Option<&mut AdjRibOut> {
        self.members.get_mut(&member)?.outs.get_mut(family_index(family)?)?.as_mut()
    }

    /// Moves `member` one segment on.
    fn advance(
        &mut self,
        member: SourceId,
        family: Family,
        table: &mut Table,
        sources: &[Option<SourceRank>],
    ) -> Option<Outgoing> {
        let index = family_index(family)?;
        let cursor = self.out(member, family)?.cursor;
        // A short one that others have been given meanwhile is old news: read anew, what changed since stands once.
        let end = table.log_end();
        let fresh =
            |segment: &Segment| segment.to == end || segment.ids.len() + segment.withdrawn.len() >= SEGMENT_RECORDS / 2;
        let shared = self.kept.get(index)?.iter().position(|segment| segment.from == cursor && fresh(segment));
        let mut own = None;
        match shared {
            Some(_) => self.counters.segments_shared += 1,
            None => {
                own = Some(segment::build(&self.terms, family, cursor, (table, sources), &mut self.counters));
                self.counters.segments_encoded += 1;
            }
        }
        let kept = self.kept.get_mut(index)?;
        let segment = match (shared, &mut own) {
            (Some(position), _) => kept.get_mut(position)?,
            (None, Some(own)) => own,
            (None, None) => return None,
        };
        let out = self.members.get_mut(&member)?.outs.get_mut(index)?.as_mut()?;
        let outgoing = take(segment, member, out, table, &self.terms.encode, family);
        // Worth keeping only if somebody is still to come by.
        if let Some(segment) = own
            && self.members.iter().any(|(_, other)| behind(other, index, segment.from))
        {
            segment.ids.iter().chain(&segment.withdrawn).for_each(|id| table.pin(*id));
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
            let wanted = members.values().any(|member| behind(member, index, segment.from));
            if !wanted {
                release(segment, table);
            }
            wanted
        });
    }
}

/// Whether the member may still arrive at this place in the log.
fn behind(member: &Member, family: usize, from: Cursor) -> bool {
    member.outs.get(family).and_then(Option::as_ref).is_some_and(|out| out.cursor <= from)
}

fn release(segment: &Segment, table: &mut Table) {
    segment.ids.iter().chain(&segment.withdrawn).for_each(|id| table.unpin(*id));
}

/// What of `segment` goes to one member, and what it holds afterwards.
fn take(
    segment: &mut Segment,
    member: SourceId,
    out: &mut AdjRibOut,
    table: &mut Table,
    context: &EncodeContext,
    family: Family,
) -> Outgoing {
    let mut outgoing = Outgoing::default();
    // Octets of neighbouring messages go out as one piece.
    let mut piece = 0..0;
    let mut gone = Vec::new();
    for message in &segment.messages {
        let ids = segment.ids.get(message.ids.clone()).unwrap_or_default();
        if message.source == member {
            gone.extend(ids.iter().copied().filter(|id| out.held.contains(*id)));
            continue;
        }
        if piece.end != message.octets.start {
            outgoing.push(&segment.octets, piece);
            piece = message.octets.start..message.octets.start;
        }
        piece.end = message.octets.end;
        outgoing.messages += 1;
        outgoing.announced += ids.len() as u64;
        for id in ids {
            if out.held.insert(*id) {
                table.pin(*id);
            }
        }
    }
    outgoing.push(&segment.octets, piece);

    let own = gone.len();
    gone.extend(segment.withdrawn.iter().copied().filter(|id| out.held.contains(*id)));
    if !gone.is_empty() {
        let encode = |ids: &[PrefixId]| {
            let prefixes: Vec<Prefix> = ids.iter().filter_map(|id| table.prefix(*id)).collect();
            let mut octets = BytesMut::new();
            let messages = pack::withdraw(context, family, &prefixes, &mut octets);
            (octets.freeze(), messages)
        };
        let (octets, messages) = if own == 0 && gone.len() == segment.withdrawn.len() {
            segment.withdrawals.get_or_insert_with(|| encode(&gone)).clone()
        } else {
            encode(&gone)
        };
        outgoing.octets.push(octets);
        outgoing.messages += messages as u64;
        outgoing.withdrawn += gone.len() as u64;
        for id in gone {
            out.held.remove(id);
            table.unpin(id);
        }
    }
    out.cursor = segment.to;
    outgoing
}

impl Outgoing {
    fn push(&mut self, octets: &Bytes, piece: Range<usize>) {
        if !piece.is_empty() {
            self.octets.push(octets.slice(piece));
        }
    }

    /// Number of octets.
    pub fn len(&self) -> usize {
        self.octets.iter().map(Bytes::len).sum()
    }

    /// Nothing to send.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}
