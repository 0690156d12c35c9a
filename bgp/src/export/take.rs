//! What of a segment goes to one member, and what it holds afterwards. Withdrawals go first: who has a limit is never
//! over it for a moment only.

use super::held::{Held, HeldPaths};
use super::segment::Segment;
use super::{AdjRibOut, Outgoing, pack};
use crate::rib::{PrefixId, PrefixSet, SourceId, Table};
use crate::wire::{EncodeContext, Family, Nlri};
use bytes::{Bytes, BytesMut};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use std::net::IpAddr;
use std::ops::Range;

/// Who it is that takes, and how much it may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    pub(super) member: SourceId,
    pub(super) address: Option<IpAddr>,
    /// Most routes; a message that passes it is not taken, and none after it.
    pub(super) limit: Option<usize>,
}

impl Taker {
    /// Whether a message is for it: not with its own routes, not with routes that lead to itself (RFC 4271 §5.1.3), and
    /// not what makes up for those to somebody else.
    fn takes(&self, message: &super::segment::Message) -> bool {
        !self.is_kept_from(message) && (message.only == SourceId::NONE || message.only == self.member)
    }

    fn is_kept_from(&self, message: &super::segment::Message) -> bool {
        message.source == self.member || self.address == Some(message.next_hop)
    }
}

pub(super) fn take(
    segment: &mut Segment,
    taker: Taker,
    out: &mut AdjRibOut,
    table: &mut Table,
    context: &EncodeContext,
    family: Family,
) -> Outgoing {
    let outgoing = match &mut out.held {
        Held::Prefixes(held) => take_routes(segment, taker, held, table, context, family),
        Held::Paths(held) => take_paths(segment, taker, held, table, context, family),
    };
    if outgoing.over.is_none() {
        if segment.further {
            out.further = segment.to;
        } else {
            out.cursor = segment.to;
        }
    }
    outgoing
}

/// One route of each prefix at most.
fn take_routes(
    segment: &mut Segment,
    taker: Taker,
    held: &mut PrefixSet,
    table: &mut Table,
    context: &EncodeContext,
    family: Family,
) -> Outgoing {
    let mut outgoing = Outgoing::default();
    let mut gone: Vec<PrefixId> = Vec::new();
    let mut others: FxHashSet<PrefixId> = FxHashSet::default();
    for message in &segment.messages {
        if message.only == SourceId::NONE && taker.is_kept_from(message) {
            let ids = segment.ids.get(message.ids.clone()).unwrap_or_default();
            gone.extend(ids.iter().copied().filter(|id| held.contains(*id)));
        } else if message.only == taker.member {
            others.extend(segment.ids.get(message.ids.clone()).unwrap_or_default());
        }
    }
    // It gets another path in the place of the one that it must not have.
    gone.retain(|id| !others.contains(id));
    let own = gone.len();
    gone.extend(segment.withdrawn.iter().copied().filter(|id| held.contains(*id)));
    if !gone.is_empty() {
        let encode = |ids: &[PrefixId]| {
            let nlri: Vec<Nlri> = ids.iter().filter_map(|id| table.prefix(*id)).map(Nlri::new).collect();
            encoded(&nlri, context, family)
        };
        let (octets, messages) = if own == 0 && gone.len() == segment.withdrawn.len() {
            segment.withdrawals.get_or_insert_with(|| encode(&gone)).clone()
        } else {
            encode(&gone)
        };
        outgoing.withdraw(octets, messages, gone.len());
        for id in gone {
            held.remove(id);
            table.unpin(id);
        }
    }

    // Octets of neighbouring messages go out as one piece.
    let mut piece = 0..0;
    for message in segment.messages.iter().filter(|message| taker.takes(message)) {
        let ids = segment.ids.get(message.ids.clone()).unwrap_or_default();
        if let Some(limit) = taker.limit
            && held.len() + ids.iter().filter(|id| !held.contains(**id)).count() > limit
        {
            outgoing.over = Some(family);
            break;
        }
        outgoing.announce(&segment.octets, &mut piece, message.octets.clone(), ids.len());
        for id in ids {
            if held.insert(*id) {
                table.pin(*id);
            }
        }
    }
    outgoing.push(&segment.octets, piece);
    outgoing
}

/// Several paths of a prefix: it is to hold those of this segment, and no others of the prefixes that are in it.
fn take_paths(
    segment: &mut Segment,
    taker: Taker,
    held: &mut HeldPaths,
    table: &mut Table,
    context: &EncodeContext,
    family: Family,
) -> Outgoing {
    let mut outgoing = Outgoing::default();
    let mut wanted: FxHashMap<PrefixId, SmallVec<[u32; 4]>> = FxHashMap::default();
    let paths = |ids: Range<usize>| {
        let path_ids = segment.path_ids.get(ids.clone()).unwrap_or_default();
        segment.ids.get(ids).unwrap_or_default().iter().copied().zip(path_ids.iter().copied())
    };
    for message in segment.messages.iter().filter(|message| taker.takes(message)) {
        for (id, path_id) in paths(message.ids.clone()) {
            wanted.entry(id).or_default().push(path_id);
        }
    }
    let (mut gone, mut nlri): (Vec<(PrefixId, u32)>, Vec<Nlri>) = Default::default();
    for id in &segment.withdrawn {
        let stays = wanted.get(id).map(|paths| paths.as_slice()).unwrap_or_default();
        for path_id in held.of(*id).iter().filter(|path_id| !stays.contains(path_id)) {
            if let Some(prefix) = table.prefix(*id) {
                gone.push((*id, *path_id));
                nlri.push(Nlri { path_id: *path_id, prefix });
            }
        }
    }
    if !gone.is_empty() {
        let (octets, messages) = encoded(&nlri, context, family);
        outgoing.withdraw(octets, messages, gone.len());
        gone.iter().for_each(|(id, path_id)| held.remove(*id, *path_id, table));
    }
    let mut piece = 0..0;
    let mut count = held.len();
    for message in segment.messages.iter().filter(|message| taker.takes(message)) {
        count += paths(message.ids.clone()).filter(|(id, path_id)| !held.contains(*id, *path_id)).count();
        if taker.limit.is_some_and(|limit| count > limit) {
            outgoing.over = Some(family);
            break;
        }
        outgoing.announce(&segment.octets, &mut piece, message.octets.clone(), message.ids.len());
        paths(message.ids.clone()).for_each(|(id, path_id)| held.insert(id, path_id, table));
    }
    outgoing.push(&segment.octets, piece);
    outgoing
}

fn encoded(nlri: &[Nlri], context: &EncodeContext, family: Family) -> (Bytes, usize) {
    let mut octets = BytesMut::new();
    let messages = pack::withdraw(context, family, nlri, &mut octets);
    (octets.freeze(), messages)
}

impl Outgoing {
    fn withdraw(&mut self, octets: Bytes, messages: usize, routes: usize) {
        self.octets.push(octets);
        self.messages += messages as u64;
        self.withdrawn += routes as u64;
    }

    fn announce(&mut self, all: &Bytes, piece: &mut Range<usize>, octets: Range<usize>, routes: usize) {
        if piece.end != octets.start {
            self.push(all, std::mem::replace(piece, octets.start..octets.start));
        }
        piece.end = octets.end;
        self.messages += 1;
        self.announced += routes as u64;
    }

    fn push(&mut self, octets: &Bytes, piece: Range<usize>) {
        if !piece.is_empty() {
            self.octets.push(octets.slice(piece));
        }
    }
}
