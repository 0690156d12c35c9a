//! Encoding a stretch of the log: each attribute set goes through policy and onto the wire once.

use super::in_place::{InPlace, export_in_place};
use super::{ExportTerms, GroupCounters, Message, SEGMENT_RECORDS, Segment, rules};
use crate::policy::{Evaluation, PolicyVerdict};
use crate::rib::{AttributeId, Best, Cursor, PrefixId, Rib, RouteAttributes, SourceId, SourceRank, Table};
use crate::wire::{Family, NextHop, Nlri, encode_for, pack_block};
use bytes::BytesMut;
use net::Prefix;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Routes with the same attributes from the same source.
struct Bundle {
    /// Where in the bundles' octets its attributes are.
    block: Range<usize>,
    next_hop: NextHop,
    source: SourceId,
    /// How many routes.
    count: usize,
}

/// The bundle of routes that go nowhere.
const NOWHERE: u32 = u32::MAX;

/// What becomes of routes with one attribute set from one source.
enum Judged {
    /// All of them are in this bundle.
    Alike(u32),
    /// It depends on the prefix: for each answer of the policy a bundle.
    ByPrefix(Box<ByPrefix>),
}

struct ByPrefix {
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

struct Builder<'a> {
    terms: &'a ExportTerms,
    family: Family,
    table: &'a Table,
    sources: &'a [Option<SourceRank>],
    counters: &'a mut GroupCounters,
    bundles: Vec<Bundle>,
    /// The bundles' attributes, one after the other.
    blocks: BytesMut,
}

impl Builder<'_> {
    fn judge(&mut self, attributes: AttributeId, source: SourceId) -> Judged {
        self.counters.policy_evaluations += 1;
        let Some(from) = rules::From::of(source, self.sources) else { return Judged::Alike(NOWHERE) };
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
        self.bundles.push(Bundle { block: start..self.blocks.len(), next_hop, source, count: 0 });
        self.bundles.len() as u32 - 1
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
        let from = rules::From::of(Rib::LOCAL, self.sources)?;
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
        let Some(from) = rules::From::of(source, self.sources) else { return NOWHERE };
        let place = self.finish(from, source, &by_prefix.route, verdict);
        by_prefix.places.push((verdict.clone(), place));
        place
    }
}

pub(super) fn build(
    terms: &ExportTerms,
    family: Family,
    from: Cursor,
    (table, sources): (&Table, &[Option<SourceRank>]),
    counters: &mut GroupCounters,
) -> Segment {
    let mut records = Vec::new();
    let to = table.read_log(from, SEGMENT_RECORDS, &mut records);
    let (bundles, blocks) = (Vec::new(), BytesMut::new());
    let mut builder = Builder { terms, family, table, sources, counters, bundles, blocks };
    // Looked up, never iterated over. Neighbouring records are often alike.
    let mut judged: HashMap<(AttributeId, SourceId), Judged, rustc_hash::FxBuildHasher> = HashMap::default();
    let mut last = None;
    let mut withdrawn = Vec::new();
    // For each record that is announced its bundle.
    let mut placed: Vec<(u32, PrefixId, Prefix)> = Vec::with_capacity(records.len());
    for id in records {
        if let Some(prefix) = table.prefix(id).filter(|prefix| prefix.len() == 0)
            && let Some(place) = builder.default_route(prefix)
        {
            if let Some(bundle) = builder.bundles.get_mut(place as usize) {
                bundle.count += 1;
                placed.push((place, id, prefix));
            } else if table.is_pinned(id) {
                withdrawn.push(id);
            }
            continue;
        }
        let told = table.prefix(id).filter(|prefix| !table.is_suppressed(*prefix));
        let place = table.best(id).zip(told).and_then(|(Best { source, attributes, .. }, prefix)| {
            let key = (attributes, source);
            let place = match last {
                Some((known, place)) if known == key => place,
                _ => {
                    let judged = judged.entry(key).or_insert_with(|| builder.judge(attributes, source));
                    if let Judged::Alike(place) = judged {
                        last = Some((key, *place));
                    }
                    builder.place(judged, source, prefix)
                }
            };
            Some((builder.bundles.get_mut(place as usize)?, place, prefix))
        });
        match place {
            Some((bundle, place, prefix)) => {
                bundle.count += 1;
                placed.push((place, id, prefix));
            }
            None if table.is_pinned(id) => withdrawn.push(id),
            None => {}
        }
    }
    let Builder { bundles, blocks, .. } = builder;
    let (nlri, sorted) = by_bundle(&bundles, &placed);
    let mut octets = BytesMut::with_capacity(blocks.len() + placed.len() * 5 + bundles.len() * 23);
    let (mut messages, mut ids) = (Vec::with_capacity(bundles.len()), Vec::with_capacity(placed.len()));
    let mut start = 0;
    for Bundle { block, next_hop, source, count } in bundles {
        let routes = start..start + count;
        start = routes.end;
        let first = ids.len();
        let (block, nlri) = (blocks.get(block).unwrap_or_default(), nlri.get(routes.clone()).unwrap_or_default());
        let packed = pack_block(family, block, next_hop, nlri, &terms.encode, &mut octets, |octets, part| {
            messages.push(Message { source, octets, ids: first + part.start..first + part.end });
        });
        let of_bundle = sorted.get(routes).unwrap_or_default();
        match packed {
            Ok(()) => ids.extend_from_slice(of_bundle),
            // A peer that cannot be told of the route must not keep the one before it.
            Err(_) => {
                messages.retain(|message| message.ids.start < first);
                counters.routes_too_long += of_bundle.len() as u64;
                withdrawn.extend(of_bundle.iter().copied().filter(|id| table.is_pinned(*id)));
            }
        }
    }
    Segment { from, to, octets: octets.freeze(), messages, ids, withdrawn, withdrawals: None }
}

/// The routes bundle by bundle, in each in the order in which they came.
fn by_bundle(bundles: &[Bundle], placed: &[(u32, PrefixId, Prefix)]) -> (Vec<Nlri>, Vec<PrefixId>) {
    let mut next = Vec::with_capacity(bundles.len());
    let mut end = 0;
    for bundle in bundles {
        next.push(end);
        end += bundle.count;
    }
    let Some((_, id, prefix)) = placed.first().copied() else { return Default::default() };
    let (mut nlri, mut ids) = (vec![Nlri::new(prefix); placed.len()], vec![id; placed.len()]);
    for (place, id, prefix) in placed {
        let Some(next) = next.get_mut(*place as usize) else { continue };
        if let (Some(nlri), Some(place)) = (nlri.get_mut(*next), ids.get_mut(*next)) {
            (*nlri, *place) = (Nlri::new(*prefix), *id);
        }
        *next += 1;
    }
    (nlri, ids)
}
