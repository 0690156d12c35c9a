//! Encoding a stretch of the log: each attribute set goes through policy and onto the wire once.

use super::choice::{Choice, Choices};
use super::in_place::{InPlace, export_in_place};
use super::{ExportTerms, GroupCounters, rules};
use crate::policy::{Evaluation, PolicyVerdict};
use crate::rib::{AttributeId, Best, Cursor, PrefixId, Ranks, Rib, RouteAttributes, SourceId, Table};
use crate::wire::{Family, NextHop, Nlri, encode_for, pack_block};
use bytes::{Bytes, BytesMut};
use net::Prefix;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

/// Log records that one segment covers. About 32 KiB of UPDATEs at five prefixes per attribute set: large enough that
/// per-segment work doesn't show, small enough that nobody waits long for its turn.
pub(super) const SEGMENT_RECORDS: usize = 2048;

/// Octets of UPDATEs after which a segment ends although there are fewer records: where attributes are long, a few
/// routes are many octets, and a member takes the whole of a segment at one time.
pub(super) const SEGMENT_OCTETS: usize = 256 * 1024;

/// UPDATEs for a stretch of a log.
#[derive(Debug)]
pub(super) struct Segment {
    /// Of the log of changes beside the best paths, not of the export log.
    pub(super) further: bool,
    pub(super) from: Cursor,
    pub(super) to: Cursor,
    /// The end of the other log when it was built: what has changed since stands in either of them behind these places.
    pub(super) other_end: Cursor,
    /// How many members had come to the group when it was built: it knows nothing of what later ones hold.
    pub(super) arrivals: u64,
    /// What it has cost to look at it, in log records of prefixes with few paths.
    pub(super) cost: u64,
    pub(super) octets: Bytes,
    pub(super) messages: Vec<Message>,
    /// Announced prefixes, in the order of the messages.
    pub(super) ids: Vec<PrefixId>,
    /// Beside each of them the identifier of its path, where there are several paths of a prefix.
    pub(super) path_ids: Vec<u32>,
    /// Prefixes of which nothing is announced, although somebody may hold it; where there are several paths of a
    /// prefix, all prefixes of the segment.
    pub(super) withdrawn: Vec<PrefixId>,
    /// All of `withdrawn`, encoded when first needed.
    pub(super) withdrawals: Option<(Bytes, usize)>,
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) source: SourceId,
    pub(super) next_hop: IpAddr,
    /// For this member only; [`SourceId::NONE`]: for all.
    pub(super) only: SourceId,
    pub(super) octets: Range<usize>,
    pub(super) ids: Range<usize>,
}

/// Routes with the same attributes from the same source.
pub(super) struct Bundle {
    /// Where in the bundles' octets its attributes are.
    block: Range<usize>,
    pub(super) next_hop: NextHop,
    pub(super) source: SourceId,
    only: SourceId,
    /// How many routes.
    count: usize,
    /// Octets that its last message has still room for, about.
    room: usize,
}

/// The bundle of routes that go nowhere.
pub(super) const NOWHERE: u32 = u32::MAX;

/// What becomes of routes with one attribute set from one source.
pub(super) enum Judged {
    /// All of them are in this bundle.
    Alike(u32),
    /// It depends on the prefix: for each answer of the policy a bundle.
    ByPrefix(Box<ByPrefix>),
}

pub(super) struct ByPrefix {
    route: Arc<RouteAttributes>,
    evaluation: Evaluation,
    places: Vec<(PolicyVerdict, u32)>,
}

/// Whether two answers about one attribute set are the same one.
fn same(one: &PolicyVerdict, other: &PolicyVerdict) -> bool {
    match (one, other) {
        (PolicyVerdict::Modify(one), PolicyVerdict::Modify(other)) => Arc::ptr_eq(one, other),
        _ => one == other,
    }
}

/// Looked up, never iterated over.
pub(super) type Known = FxHashMap<(AttributeId, SourceId), Judged>;

pub(super) struct Builder<'a> {
    terms: &'a ExportTerms,
    family: Family,
    pub(super) table: &'a Table,
    pub(super) ranks: Ranks<'a>,
    counters: &'a mut GroupCounters,
    pub(super) bundles: Vec<Bundle>,
    /// The bundles' attributes, one after the other.
    blocks: BytesMut,
    /// For each route that is announced its bundle.
    placed: Vec<(u32, PrefixId, Nlri)>,
    /// Octets of the messages, about.
    weight: usize,
}

impl Builder<'_> {
    fn judge(&mut self, attributes: AttributeId, source: SourceId) -> Judged {
        self.counters.policy_evaluations += 1;
        let Some(from) = rules::From::of(source, self.ranks.by_source) else { return Judged::Alike(NOWHERE) };
        if let Some((next_hop, block)) = self.table.route_octets(attributes) {
            let start = self.blocks.len();
            match export_in_place(self.terms, self.family, from, next_hop, block, &mut self.blocks) {
                Some(InPlace::Sent(next_hop)) => return Judged::Alike(self.add(start, next_hop, source)),
                Some(InPlace::Refused) => {
                    self.blocks.truncate(start);
                    return Judged::Alike(NOWHERE);
                }
                None => self.blocks.truncate(start),
            }
        }
        let Some(route) = self.table.route_attributes(attributes) else { return Judged::Alike(NOWHERE) };
        match rules::judge(self.terms, self.family, from, &route) {
            None => Judged::Alike(NOWHERE),
            Some(Evaluation::Decided(verdict)) => Judged::Alike(self.finish(from, source, &route, &verdict)),
            Some(evaluation) => Judged::ByPrefix(Box::new(ByPrefix { route, evaluation, places: Vec::new() })),
        }
    }

    fn add(&mut self, start: usize, next_hop: NextHop, source: SourceId) -> u32 {
        let block = start..self.blocks.len();
        self.bundles.push(Bundle { block, next_hop, source, only: SourceId::NONE, count: 0, room: 0 });
        self.bundles.len() as u32 - 1
    }

    /// The same routes as in bundle `place`, for one member only.
    pub(super) fn add_for(&mut self, place: u32, only: SourceId) -> u32 {
        let Some(Bundle { block, next_hop, source, .. }) = self.bundles.get(place as usize) else { return NOWHERE };
        let (block, next_hop, source) = (block.clone(), *next_hop, *source);
        self.bundles.push(Bundle { block, next_hop, source, only, count: 0, room: 0 });
        self.bundles.len() as u32 - 1
    }

    /// Puts a route into a bundle; `false` if that is none.
    pub(super) fn put(&mut self, place: u32, id: PrefixId, nlri: Nlri) -> bool {
        let Some(bundle) = self.bundles.get_mut(place as usize) else { return false };
        bundle.count += 1;
        if bundle.room < NLRI_OCTETS {
            self.weight += bundle.block.len() + HEADER_OCTETS;
            bundle.room = self.terms.encode.message_limit.saturating_sub(bundle.block.len() + HEADER_OCTETS);
        }
        bundle.room = bundle.room.saturating_sub(NLRI_OCTETS);
        self.weight += NLRI_OCTETS;
        self.placed.push((place, id, nlri));
        true
    }

    /// The bundle of a path to `prefix`.
    pub(super) fn place_of(&mut self, known: &mut Known, best: &Best, prefix: Prefix) -> u32 {
        let key = (best.attributes, best.source);
        let judged = known.entry(key).or_insert_with(|| self.judge(best.attributes, best.source));
        self.place(judged, best.source, prefix)
    }

    fn finish(&mut self, from: rules::From, source: SourceId, route: &RouteAttributes, verdict: &PolicyVerdict) -> u32 {
        match rules::finish(self.terms, self.family, from, route, verdict) {
            Some((attributes, next_hop)) => {
                let start = self.blocks.len();
                encode_for(self.family, &attributes, next_hop, &self.terms.encode, &mut self.blocks);
                self.add(start, next_hop, source)
            }
            None => NOWHERE,
        }
    }

    /// Where a default route of ours goes; `None` if the group is to have none.
    fn default_route(&mut self, prefix: Prefix) -> Option<u32> {
        let policy = self.terms.default_originate.clone()?;
        let route = rules::default_route(self.family);
        let from = rules::From::of(Rib::LOCAL, self.ranks.by_source)?;
        let verdict = rules::default_verdict(self.terms, &policy, self.family, &route, prefix);
        Some(self.finish(from, Rib::LOCAL, &route, &verdict))
    }

    fn place(&mut self, judged: &mut Judged, source: SourceId, prefix: Prefix) -> u32 {
        let by_prefix = match judged {
            Judged::Alike(place) => return *place,
            Judged::ByPrefix(by_prefix) => by_prefix,
        };
        let verdict = by_prefix.evaluation.verdict(prefix);
        if let Some((_, place)) = by_prefix.places.iter().find(|(known, _)| same(known, verdict)) {
            return *place;
        }
        let Some(from) = rules::From::of(source, self.ranks.by_source) else { return NOWHERE };
        let place = self.finish(from, source, &by_prefix.route, verdict);
        by_prefix.places.push((verdict.clone(), place));
        place
    }
}

/// What a message takes beside attributes and NLRI, and what an NLRI takes, about: for the budget of octets only.
const HEADER_OCTETS: usize = 23;
const NLRI_OCTETS: usize = 5;

/// A stretch of a log, and the group that it is for.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'a> {
    pub(super) family: Family,
    pub(super) further: bool,
    pub(super) from: Cursor,
    pub(super) arrivals: u64,
    /// The members and their addresses.
    pub(super) members: &'a BTreeMap<SourceId, Option<IpAddr>>,
}

pub(super) fn build(
    terms: &ExportTerms,
    stretch: Stretch<'_>,
    (table, ranks): (&Table, Ranks<'_>),
    counters: &mut GroupCounters,
) -> Segment {
    let Stretch { family, further, from, arrivals, members } = stretch;
    let read = |limit, records: &mut Vec<PrefixId>| {
        if further { table.read_further(from, limit, records) } else { table.read_log(from, limit, records) }
    };
    let other_end = if further { table.log_end() } else { table.further_end() };
    let mut records = Vec::new();
    let mut to = read(SEGMENT_RECORDS, &mut records);
    let (bundles, blocks) = (Vec::new(), BytesMut::new());
    let placed = Vec::with_capacity(records.len());
    let mut builder = Builder { terms, family, table, ranks, counters, bundles, blocks, placed, weight: 0 };
    let mut known = Known::default();
    let choice = terms.choice(family);
    let several = matches!(choice, Choice::Several(_));
    let mut choices = (choice != Choice::Best).then(|| Choices::new(choice, members));
    // Neighbouring records are often alike.
    let mut last = None;
    let mut withdrawn = Vec::new();
    let (mut looked_at, mut cost) = (0, 0);
    for id in &records {
        let id = *id;
        // One record at least: a message may be as long as the budget.
        if builder.weight >= SEGMENT_OCTETS || cost >= SEGMENT_RECORDS {
            break;
        }
        looked_at += 1;
        // Where only the best path is looked at, it is no matter how many there are.
        cost += if choices.is_some() { table.cost(id) } else { 1 };
        let prefix = table.prefix(id);
        let default = prefix.filter(|prefix| prefix.len() == 0);
        let announced = match default.and_then(|prefix| Some((builder.default_route(prefix)?, prefix))) {
            Some((place, prefix)) => {
                let path_id = if several { table.sent_path_ids(id).of(Rib::LOCAL, 0) } else { 0 };
                builder.put(place, id, Nlri { path_id, prefix })
            }
            None => match (prefix.filter(|prefix| !table.is_suppressed(*prefix)), &mut choices) {
                (None, _) => false,
                (Some(prefix), Some(choices)) => choices.put(&mut builder, &mut known, id, prefix),
                (Some(prefix), None) => table.best(id).is_some_and(|best| {
                    let key = (best.attributes, best.source);
                    let place = match last {
                        Some((known, place)) if known == key => place,
                        _ => {
                            let judged = known.entry(key).or_insert_with(|| builder.judge(key.0, key.1));
                            if let Judged::Alike(place) = judged {
                                last = Some((key, *place));
                            }
                            builder.place(judged, best.source, prefix)
                        }
                    };
                    builder.put(place, id, Nlri::new(prefix))
                }),
            },
        };
        if (several || !announced) && (announced || table.is_pinned(id)) {
            withdrawn.push(id);
        }
    }
    if looked_at < records.len() {
        to = read(looked_at, &mut records);
    }
    let Builder { bundles, blocks, placed, counters, weight, .. } = builder;
    let (nlri, sorted) = by_bundle(&bundles, &placed);
    let mut octets = BytesMut::with_capacity(weight);
    let (mut messages, mut ids) = (Vec::with_capacity(bundles.len()), Vec::with_capacity(placed.len()));
    let mut path_ids = Vec::new();
    let mut start = 0;
    for Bundle { block, next_hop, source, only, count, .. } in bundles {
        let routes = start..start + count;
        start = routes.end;
        let first = ids.len();
        let (block, nlri) = (blocks.get(block).unwrap_or_default(), nlri.get(routes.clone()).unwrap_or_default());
        let to = next_hop.address();
        let packed = pack_block(family, block, next_hop, nlri, &terms.encode, &mut octets, |octets, part| {
            let ids = first + part.start..first + part.end;
            messages.push(Message { source, next_hop: to, only, octets, ids });
        });
        let of_bundle = sorted.get(routes).unwrap_or_default();
        match packed {
            Ok(()) => {
                ids.extend_from_slice(of_bundle);
                if several {
                    path_ids.extend(nlri.iter().map(|nlri| nlri.path_id));
                }
            }
            // Nobody else misses what makes up for a path that this member must not have, and it is told so where that
            // path is left out.
            Err(_) if only != SourceId::NONE => {
                messages.retain(|message| message.ids.start < first);
                counters.routes_too_long += of_bundle.len() as u64;
            }
            // A peer that cannot be told of the route must not keep the one before it.
            Err(_) => {
                messages.retain(|message| message.ids.start < first);
                counters.routes_too_long += of_bundle.len() as u64;
                if !several {
                    withdrawn.extend(of_bundle.iter().copied().filter(|id| table.is_pinned(*id)));
                }
            }
        }
    }
    let (cost, octets) = (cost as u64, octets.freeze());
    Segment {
        further,
        from,
        to,
        other_end,
        arrivals,
        cost,
        octets,
        messages,
        ids,
        path_ids,
        withdrawn,
        withdrawals: None,
    }
}

/// The routes bundle by bundle, in each in the order in which they came.
fn by_bundle(bundles: &[Bundle], placed: &[(u32, PrefixId, Nlri)]) -> (Vec<Nlri>, Vec<PrefixId>) {
    let mut next = Vec::with_capacity(bundles.len());
    let mut end = 0;
    for bundle in bundles {
        next.push(end);
        end += bundle.count;
    }
    let Some((_, id, first)) = placed.first().copied() else { return Default::default() };
    let (mut nlri, mut ids) = (vec![first; placed.len()], vec![id; placed.len()]);
    for (place, id, route) in placed {
        let Some(next) = next.get_mut(*place as usize) else { continue };
        if let (Some(nlri), Some(place)) = (nlri.get_mut(*next), ids.get_mut(*next)) {
            (*nlri, *place) = (*route, *id);
        }
        *next += 1;
    }
    (nlri, ids)
}
