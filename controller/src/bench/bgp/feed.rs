//! What a sender says: messages that are encoded before anything is measured, and what a receiver has to know afterwards.
//!
//! The encoder is not that of the `bgp` crate: who is measured does not check itself.

use std::net::Ipv4Addr;
use std::ops::Range;

use super::table::{Attributes, Family, Group, Route};

/// Longest message (RFC 4271 §4.1).
const MESSAGE_LIMIT: usize = 4_096;
/// Octets of a message's header.
const HEADER: usize = 19;
/// Octets of an IPv6 next hop.
const V6_NEXT_HOP: usize = 16;

/// Who sends, and which way round the routes come to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sender {
    pub(super) asn: u32,
    pub(super) address: Ipv4Addr,
}

/// How a group's route is worded by one sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wording {
    /// Times that the sender stands in front of the path.
    pub(super) prepends: usize,
}

/// Whole messages one after the other, and where the groups in them end.
#[derive(Clone, Debug, Default)]
pub(super) struct Feed {
    pub(super) octets: Vec<u8>,
    pub(super) marks: Vec<Mark>,
    /// Routes announced or withdrawn.
    pub(super) changes: u64,
}

/// A group whose messages end at `end`: its prefixes then have attributes of hash `hash`, 0 if they are withdrawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub(super) end: usize,
    pub(super) routes: Range<usize>,
    pub(super) hash: u32,
}

impl Feed {
    /// Announces the prefixes of a group.
    pub(super) fn announce(
        &mut self,
        family: Family,
        sender: Sender,
        group: &Group,
        routes: &[Route],
        wording: Wording,
    ) {
        let attributes = encoded(&group.attributes, family, sender, wording);
        let of_group = group.first..group.first + group.count;
        let mut rest = routes.get(of_group.clone()).unwrap_or_default();
        while !rest.is_empty() {
            let start = self.octets.len();
            self.octets.extend([0xff; 16]);
            self.octets.extend([0, 0, 2, 0, 0, 0, 0]);
            // MP_REACH_NLRI comes first (RFC 7606 §5.1); its length is known when its prefixes are in.
            if family == Family::V6 {
                self.octets.extend([0x90, 14, 0, 0, 0, 2, 1, V6_NEXT_HOP as u8]);
                self.octets.extend(v6_next_hop(sender));
                self.octets.push(0);
                let room = MESSAGE_LIMIT - attributes.len();
                rest = self.put_prefixes(rest, start + room);
                let length = self.octets.len() - start - HEADER - 8;
                self.put_length(start + HEADER + 6, length);
                self.octets.extend_from_slice(&attributes);
                self.put_length(start + HEADER + 2, self.octets.len() - start - HEADER - 4);
            } else {
                self.octets.extend_from_slice(&attributes);
                self.put_length(start + HEADER + 2, attributes.len());
                rest = self.put_prefixes(rest, start + MESSAGE_LIMIT);
            }
            self.put_length(start + 16, self.octets.len() - start);
        }
        let hash = AttributeHash::of(&group.attributes, sender, wording);
        self.changes += group.count as u64;
        self.marks.push(Mark { end: self.octets.len(), routes: of_group, hash });
    }

    /// Withdraws one prefix, which is number `index` of the table.
    pub(super) fn withdraw(&mut self, route: Route, index: usize) {
        let start = self.octets.len();
        self.octets.extend([0xff; 16]);
        self.octets.extend([0, 0, 2, 0, 0]);
        self.put_prefixes(&[route], start + MESSAGE_LIMIT);
        self.put_length(start + HEADER, self.octets.len() - start - HEADER - 2);
        self.octets.extend([0, 0]);
        self.put_length(start + 16, self.octets.len() - start);
        self.changes += 1;
        self.marks.push(Mark { end: self.octets.len(), routes: index..index + 1, hash: 0 });
    }

    /// As many as fit before `end`; returns the others.
    fn put_prefixes<'r>(&mut self, routes: &'r [Route], end: usize) -> &'r [Route] {
        for (number, route) in routes.iter().enumerate() {
            let count = usize::from(route.length.div_ceil(8));
            if self.octets.len() + 1 + count > end {
                return routes.get(number..).unwrap_or_default();
            }
            self.octets.push(route.length);
            self.octets.extend_from_slice(&route.bits.to_be_bytes()[..count]);
        }
        &[]
    }

    fn put_length(&mut self, at: usize, length: usize) {
        self.octets[at..at + 2].copy_from_slice(&(length as u16).to_be_bytes());
    }
}

/// The path attributes, in ascending order; without MP_REACH_NLRI.
fn encoded(attributes: &Attributes, family: Family, sender: Sender, wording: Wording) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let mut put = |flags: u8, kind: u8, value: &[u8]| {
        if value.len() > 255 {
            out.extend([flags | 0x10, kind]);
            out.extend((value.len() as u16).to_be_bytes());
        } else {
            out.extend([flags, kind, value.len() as u8]);
        }
        out.extend_from_slice(value);
    };
    put(0x40, 1, &[attributes.origin]);
    let path = path(attributes, sender, wording);
    let mut value = vec![2, path.len() as u8];
    value.extend(path.iter().flat_map(|asn| asn.to_be_bytes()));
    put(0x40, 2, &value);
    if family == Family::V4 {
        put(0x40, 3, &v4_next_hop(sender));
    }
    if let Some(med) = attributes.med {
        put(0x80, 4, &med.to_be_bytes());
    }
    if attributes.atomic_aggregate {
        put(0x40, 6, &[]);
    }
    if let Some((asn, router)) = attributes.aggregator {
        put(0xc0, 7, &[asn.to_be_bytes(), router.octets()].concat());
    }
    if !attributes.communities.is_empty() {
        let value: Vec<u8> = attributes.communities.iter().flat_map(|community| community.to_be_bytes()).collect();
        put(0xc0, 8, &value);
    }
    if !attributes.large_communities.is_empty() {
        let parts = attributes.large_communities.iter().flatten();
        put(0xc0, 32, &parts.flat_map(|part| part.to_be_bytes()).collect::<Vec<u8>>());
    }
    out
}

fn path(attributes: &Attributes, sender: Sender, wording: Wording) -> Vec<u32> {
    let front = std::iter::repeat_n(sender.asn, wording.prepends);
    front.chain(attributes.path.iter().copied()).collect()
}

/// An address made of the sender's, which as a loopback address no next hop may be (FRR and GoBGP refuse it).
fn v4_next_hop(sender: Sender) -> [u8; 4] {
    let [_, rest @ ..] = sender.address.octets();
    let [a, b, c] = rest;
    [10, a, b, c]
}

/// A global address made of the sender's.
fn v6_next_hop(sender: Sender) -> [u8; V6_NEXT_HOP] {
    let mut address = [0x26, 0x20, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    address[12..].copy_from_slice(&sender.address.octets());
    address
}

/// What an attribute set comes to, the same in whatever order its parts stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct AttributeHash {
    path: u64,
    unordered: u64,
}

impl AttributeHash {
    /// What a receiver has to see when the daemon in between has put its own AS in front, which does not count.
    fn of(attributes: &Attributes, sender: Sender, wording: Wording) -> u32 {
        let mut hash = AttributeHash::default();
        hash.origin(attributes.origin);
        path(attributes, sender, wording).iter().for_each(|asn| hash.hop(*asn));
        if attributes.atomic_aggregate {
            hash.atomic_aggregate();
        }
        if let Some((asn, router)) = attributes.aggregator {
            hash.aggregator(asn, router.to_bits());
        }
        attributes.communities.iter().for_each(|community| hash.community(*community));
        attributes.large_communities.iter().for_each(|[global, one, two]| hash.large_community(*global, *one, *two));
        hash.finish()
    }

    pub(super) fn origin(&mut self, origin: u8) {
        self.unordered = self.unordered.wrapping_add(mixed(1 << 56 | u64::from(origin)));
    }

    /// The next AS of the path.
    pub(super) fn hop(&mut self, asn: u32) {
        self.path = mixed(self.path.rotate_left(17) ^ u64::from(asn) ^ 0x5bd1_e995_0000_0000);
    }

    pub(super) fn atomic_aggregate(&mut self) {
        self.unordered = self.unordered.wrapping_add(mixed(2 << 56));
    }

    pub(super) fn aggregator(&mut self, asn: u32, router: u32) {
        self.unordered = self.unordered.wrapping_add(mixed(mixed(3 << 56 | u64::from(asn)) ^ u64::from(router)));
    }

    pub(super) fn community(&mut self, community: u32) {
        self.unordered = self.unordered.wrapping_add(mixed(4 << 56 | u64::from(community)));
    }

    pub(super) fn large_community(&mut self, global: u32, one: u32, two: u32) {
        let tail = u64::from(one) << 32 | u64::from(two);
        self.unordered = self.unordered.wrapping_add(mixed(mixed(5 << 56 | u64::from(global)) ^ tail));
    }

    /// Never 0, which stands for no route.
    pub(super) fn finish(self) -> u32 {
        ((mixed(self.path) ^ self.unordered) >> 32) as u32 | 1
    }
}

/// Spreads a number's bits over 64 (SplitMix64's last step).
pub(super) fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::table::Table;
    use super::*;
    use bgp::wire::{DecodeContext, Message, MpNlri, frame_length};

    #[test]
    fn what_is_sent_is_well_formed_and_holds_each_prefix_once() {
        let sender = Sender { asn: 64_601, address: Ipv4Addr::new(127, 1, 0, 1) };
        for (family, count) in [(Family::V4, 3_000), (Family::V6, 1_000)] {
            let table = Table::new(family, count, 1);
            let mut feed = Feed::default();
            for group in &table.groups {
                feed.announce(family, sender, group, &table.routes, Wording { prepends: 2 });
            }
            let mut rest = feed.octets.as_slice();
            let (mut prefixes, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
            while !rest.is_empty() {
                let length = frame_length(rest, 4_096).unwrap().unwrap();
                let decoded = Message::decode(&rest[..length], &DecodeContext::default()).unwrap();
                assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
                let Message::Update(update) = decoded.message else { panic!("{:?}", decoded.message) };
                prefixes.extend(update.nlri.iter().map(|nlri| nlri.prefix));
                if let Some(MpNlri::Unicast(nlri)) = update.mp_reach.map(|reach| reach.nlri) {
                    prefixes.extend(nlri.iter().map(|nlri| nlri.prefix));
                }
                let path = &update.attributes.unwrap().as_path;
                assert_eq!(path.count(bgp::wire::Asn(64_601)), 2);
                rest = &rest[length..];
                at += length;
                ends.push(at);
            }
            assert_eq!(prefixes.len(), count);
            prefixes.sort_unstable();
            prefixes.dedup();
            assert_eq!((prefixes.len(), feed.changes), (count, count as u64));
            assert!(feed.marks.iter().all(|mark| ends.contains(&mark.end)), "marks stand where messages end");
        }
    }

    #[test]
    fn a_hash_knows_the_order_of_the_path_and_of_nothing_else() {
        let of = |path: &[u32], communities: &[u32]| {
            let mut hash = AttributeHash::default();
            path.iter().for_each(|asn| hash.hop(*asn));
            communities.iter().for_each(|community| hash.community(*community));
            hash.finish()
        };
        assert_eq!(of(&[1, 2], &[3, 4]), of(&[1, 2], &[4, 3]));
        assert_ne!(of(&[1, 2], &[]), of(&[2, 1], &[]));
        assert_ne!(of(&[1, 2], &[3]), of(&[1, 2], &[]));
        assert_ne!(of(&[1], &[2]), of(&[1, 2], &[]));
    }
}
