//! Interned attribute sets: routes with the same attributes and next hop share one copy and one small id.

use super::decision::AttributeRank;
use super::holding::FREE_OCTETS;
use super::id_index::{IdIndex, SeededHash};
use crate::wire::{AttributeType, Community, NextHop, PathAttributes, PathView, attributes_of};
use bytes::{Buf, BufMut, BytesMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

/// A set of path attributes with the next hop of the routes that carry it: what interning compares.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RouteAttributes {
    /// All attributes but MP_REACH_NLRI and MP_UNREACH_NLRI.
    #[cfg_attr(feature = "serde", serde(serialize_with = "shared"))]
    pub attributes: Arc<PathAttributes>,
    /// NEXT_HOP, or the one in MP_REACH_NLRI.
    pub next_hop: NextHop,
}

#[cfg(feature = "serde")]
fn shared<S: serde::Serializer>(attributes: &Arc<PathAttributes>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&**attributes, serializer)
}

/// An interned attribute set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct AttributeId(pub(super) u32);

/// One set as it is kept: a quarter of what its fields would take, and few ask for more than the rank.
#[derive(Debug)]
enum Stored {
    /// The next hop, then the attributes as on the wire with four-octet AS numbers.
    Octets(Box<[u8]>),
    /// One that would not come back from there: an attribute is longer than its length field can say.
    Whole(Arc<RouteAttributes>),
    /// The slot is free.
    Nothing,
}

#[derive(Debug)]
struct Slot {
    stored: Stored,
    hash: u32,
    references: u32,
    rank: AttributeRank,
}

/// The longest encoding in which no attribute can have outgrown its length field.
const OCTETS_LIMIT: usize = u16::MAX as usize;

/// Counted references: a set leaves with the last path that carries it.
#[derive(Debug)]
pub(crate) struct AttributeTable {
    index: IdIndex,
    slots: Vec<Slot>,
    free: Vec<AttributeId>,
    default_local_pref: u32,
    hash: SeededHash,
    /// The encoding of the set that is being looked for.
    wanted: BytesMut,
}

impl AttributeTable {
    pub(crate) fn new(seed: u64, default_local_pref: u32) -> AttributeTable {
        AttributeTable {
            index: IdIndex::new(),
            slots: Vec::new(),
            free: Vec::new(),
            default_local_pref,
            hash: SeededHash::new(seed),
            wanted: BytesMut::new(),
        }
    }

    /// What a missing LOCAL_PREF counts as in sets that come from here on; [`AttributeTable::rank_again`] is for those
    /// that are here.
    pub(super) const fn set_default_local_pref(&mut self, default_local_pref: u32) {
        self.default_local_pref = default_local_pref;
    }

    /// How many places for sets there are, free ones among them.
    pub(super) const fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Brings the ranks of these sets up to date with the default for LOCAL_PREF.
    pub(super) fn rank_again(&mut self, slots: Range<usize>) {
        for slot in self.slots.get_mut(slots).unwrap_or_default() {
            let has_local_pref = match &slot.stored {
                Stored::Octets(octets) => decode_next_hop(octets).is_some_and(|(_, block)| {
                    attributes_of(block).any(|attribute| attribute.kind == AttributeType::LOCAL_PREF)
                }),
                Stored::Whole(route) => route.attributes.local_pref.is_some(),
                Stored::Nothing => continue,
            };
            if !has_local_pref {
                slot.rank.local_pref = self.default_local_pref;
            }
        }
    }

    /// [`AttributeTable::intern`] of a path in place.
    pub(crate) fn intern_in_place(&mut self, path: &PathView<'_>, next_hop: NextHop) -> AttributeId {
        self.wanted.clear();
        encode_next_hop(next_hop, path.next_hop, &mut self.wanted);
        self.wanted.put_slice(path.block);
        let hash = self.hash.octets(&self.wanted);
        let (slots, wanted) = (&self.slots, &self.wanted);
        let found = self.index.find(hash, |id| {
            slots.get(id as usize).is_some_and(|slot| {
                slot.hash == hash && matches!(&slot.stored, Stored::Octets(octets) if **octets == **wanted)
            })
        });
        if let Some(id) = found.map(AttributeId) {
            self.retain(id);
            return id;
        }
        debug_assert!(self.wanted.len() <= OCTETS_LIMIT, "no longer than the message that it came in");
        let rank = rank_in_place(path, self.default_local_pref);
        debug_assert_eq!(
            rank,
            rank_of(&decode(&self.wanted).attributes, self.default_local_pref),
            "the same either way"
        );
        let stored = Stored::Octets(Box::from(&*self.wanted));
        self.add(Slot { stored, hash, references: 1, rank })
    }

    /// The octets that a set is kept as: its next hop, and its attributes as [`PathAttributes::encode_block`] writes
    /// them. `None`: it is not kept as octets.
    pub(crate) fn octets(&self, id: AttributeId) -> Option<(NextHop, &[u8])> {
        match &self.slots.get(id.index())?.stored {
            Stored::Octets(octets) => decode_next_hop(octets),
            Stored::Whole(_) | Stored::Nothing => None,
        }
    }

    /// The next hop of routes with this set.
    pub(crate) fn next_hop(&self, id: AttributeId) -> Option<IpAddr> {
        match self.octets(id) {
            Some((next_hop, _)) => Some(next_hop.address()),
            None => self.get(id).map(|route| route.next_hop.address()),
        }
    }

    /// The id of `route`, with one reference that the caller owns.
    pub(crate) fn intern(&mut self, route: RouteAttributes) -> AttributeId {
        self.wanted.clear();
        encode(&route, &mut self.wanted);
        let hash = self.hash.octets(&self.wanted);
        let (slots, wanted) = (&self.slots, &self.wanted);
        let found = self.index.find(hash, |id| {
            slots.get(id as usize).is_some_and(|slot| {
                slot.hash == hash
                    && match &slot.stored {
                        Stored::Octets(octets) => **octets == **wanted,
                        Stored::Whole(whole) => **whole == route,
                        Stored::Nothing => false,
                    }
            })
        });
        if let Some(id) = found.map(AttributeId) {
            self.retain(id);
            return id;
        }
        let rank = rank_of(&route.attributes, self.default_local_pref);
        let stored = if self.wanted.len() <= OCTETS_LIMIT {
            debug_assert_eq!(decode(&self.wanted), route, "comes back as it was");
            Stored::Octets(Box::from(&*self.wanted))
        } else {
            Stored::Whole(Arc::new(route))
        };
        self.add(Slot { stored, hash, references: 1, rank })
    }

    fn add(&mut self, slot: Slot) -> AttributeId {
        let hash = slot.hash;
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.slots.get_mut(id.index()) {
                    *place = slot;
                }
                id
            }
            None => {
                let id = AttributeId(self.slots.len() as u32);
                self.slots.push(slot);
                id
            }
        };
        self.index.insert(hash, id.0, hash_of(&self.slots));
        id
    }

    pub(crate) fn retain(&mut self, id: AttributeId) {
        if let Some(slot) = self.slots.get_mut(id.index()) {
            slot.references += 1;
        }
    }

    pub(crate) fn release(&mut self, id: AttributeId) {
        let Some(slot) = self.slots.get_mut(id.index()) else { return };
        slot.references = slot.references.saturating_sub(1);
        if slot.references == 0 && !matches!(slot.stored, Stored::Nothing) {
            slot.stored = Stored::Nothing;
            let hash = slot.hash;
            self.index.remove(hash, id.0, hash_of(&self.slots));
            self.free.push(id);
        }
    }

    /// The set with this id, put together anew.
    pub(crate) fn get(&self, id: AttributeId) -> Option<Arc<RouteAttributes>> {
        match &self.slots.get(id.index())?.stored {
            Stored::Octets(octets) => Some(Arc::new(decode(octets))),
            Stored::Whole(route) => Some(Arc::clone(route)),
            Stored::Nothing => None,
        }
    }

    pub(crate) fn rank(&self, id: AttributeId) -> Option<&AttributeRank> {
        self.slots.get(id.index()).map(|slot| &slot.rank)
    }

    /// How much longer than [`FREE_OCTETS`] a set is.
    pub(super) fn octets_beyond_free(&self, id: AttributeId) -> u64 {
        let length = match self.slots.get(id.index()).map(|slot| &slot.stored) {
            Some(Stored::Octets(octets)) => octets.len(),
            Some(Stored::Whole(_)) => OCTETS_LIMIT,
            Some(Stored::Nothing) | None => 0,
        };
        length.saturating_sub(FREE_OCTETS) as u64
    }

    /// Number of different sets.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }
}

impl AttributeId {
    /// Of no set.
    pub(super) const NONE: AttributeId = AttributeId(u32::MAX);

    const fn index(self) -> usize {
        self.0 as usize
    }
}

fn hash_of(slots: &[Slot]) -> impl Fn(u32) -> u32 {
    |id| slots.get(id as usize).map_or(0, |slot| slot.hash)
}

/// The next hop is the one among the attributes.
const SAME: u8 = 0;
const IPV4: u8 = 1;
const IPV6: u8 = 2;
const IPV6_WITH_LINK_LOCAL: u8 = 3;

fn encode(route: &RouteAttributes, out: &mut BytesMut) {
    encode_next_hop(route.next_hop, route.attributes.next_hop, out);
    route.attributes.encode_block(out);
}

/// `own`: the attribute NEXT_HOP.
fn encode_next_hop(next_hop: NextHop, own: Option<Ipv4Addr>, out: &mut BytesMut) {
    match next_hop {
        NextHop::V4(address) if own == Some(address) => out.put_u8(SAME),
        NextHop::V4(address) => {
            out.put_u8(IPV4);
            out.put_u32(address.to_bits());
        }
        NextHop::V6 { address, link_local: None } => {
            out.put_u8(IPV6);
            out.put_u128(address.to_bits());
        }
        NextHop::V6 { address, link_local: Some(link_local) } => {
            out.put_u8(IPV6_WITH_LINK_LOCAL);
            out.put_u128(address.to_bits());
            out.put_u128(link_local.to_bits());
        }
    }
}

/// The next hop that [`encode`] wrote, and the attributes behind it.
fn decode_next_hop(octets: &[u8]) -> Option<(NextHop, &[u8])> {
    let (tag, mut rest) = octets.split_first()?;
    let next_hop = match *tag {
        IPV4 => NextHop::V4(Ipv4Addr::from_bits(rest.try_get_u32().ok()?)),
        IPV6 => NextHop::V6 { address: Ipv6Addr::from_bits(rest.try_get_u128().ok()?), link_local: None },
        IPV6_WITH_LINK_LOCAL => {
            let address = Ipv6Addr::from_bits(rest.try_get_u128().ok()?);
            NextHop::V6 { address, link_local: Some(Ipv6Addr::from_bits(rest.try_get_u128().ok()?)) }
        }
        _ => {
            let own = attributes_of(rest).find(|attribute| attribute.kind == AttributeType::NEXT_HOP)?;
            NextHop::V4(<[u8; 4]>::try_from(own.value).ok()?.into())
        }
    };
    Some((next_hop, rest))
}

/// What [`encode`] wrote.
fn decode(octets: &[u8]) -> RouteAttributes {
    let unspecified = (NextHop::V4(Ipv4Addr::UNSPECIFIED), octets.get(1..).unwrap_or_default());
    let (next_hop, block) = decode_next_hop(octets).unwrap_or(unspecified);
    RouteAttributes { attributes: Arc::new(PathAttributes::decode_block(block)), next_hop }
}

fn rank_in_place(path: &PathView<'_>, default_local_pref: u32) -> AttributeRank {
    AttributeRank {
        long_lived_stale: path.communities().any(|community| community == Community::LLGR_STALE),
        local_pref: path.local_pref.unwrap_or(default_local_pref),
        as_path_length: u32::try_from(path.as_path.length()).unwrap_or(u32::MAX),
        origin: path.origin,
        neighbor_as: path.neighbor_as().map(|asn| asn.0),
        med: path.med,
        originator_id: path.originator_id.map(Ipv4Addr::from_bits),
        cluster_list_length: u32::try_from(path.cluster_list.len() / 4).unwrap_or(u32::MAX),
    }
}

fn rank_of(attributes: &PathAttributes, default_local_pref: u32) -> AttributeRank {
    AttributeRank {
        long_lived_stale: attributes.communities.contains(&Community::LLGR_STALE),
        local_pref: attributes.local_pref.unwrap_or(default_local_pref),
        as_path_length: u32::try_from(attributes.as_path.length()).unwrap_or(u32::MAX),
        origin: attributes.origin as u8,
        neighbor_as: attributes.as_path.neighbor().map(|asn| asn.0),
        med: attributes.med,
        originator_id: attributes.originator_id.map(|id| id.0),
        cluster_list_length: u32::try_from(attributes.cluster_list.len()).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{
        Aggregator, AsPath, Asn, AttributeFlags, AttributeType, Community, ExtendedCommunity, LargeCommunity, Origin,
        RawAttribute, RouterId,
    };
    use bytes::Bytes;
    use proptest::prelude::*;

    fn route(asn: u32) -> RouteAttributes {
        RouteAttributes {
            attributes: Arc::new(PathAttributes::new(Origin::Igp, AsPath::sequence(&[Asn(asn)]))),
            next_hop: NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
        }
    }

    #[test]
    fn equal_sets_share_an_id_until_the_last_reference_goes() {
        let mut table = AttributeTable::new(7, 100);
        let (first, again, other) = (table.intern(route(1)), table.intern(route(1)), table.intern(route(2)));
        assert_eq!(first, again);
        assert_ne!(first, other);
        assert_eq!(table.rank(first).unwrap().local_pref, 100);
        table.release(first);
        assert_eq!(table.len(), 2);
        table.release(first);
        assert_eq!((table.len(), table.get(first)), (1, None));
        assert_eq!(table.intern(route(3)), first);
    }

    #[test]
    fn a_set_that_no_message_could_carry_is_kept_whole() {
        let mut table = AttributeTable::new(7, 100);
        let mut long = PathAttributes::new(Origin::Igp, AsPath::empty());
        long.communities = vec![Community::new(1, 2); 20_000];
        let long = RouteAttributes { attributes: Arc::new(long), ..route(1) };
        let id = table.intern(long.clone());
        assert_eq!(table.intern(long.clone()), id);
        assert_eq!(table.get(id).as_deref(), Some(&long));
    }

    prop_compose! {
        fn any_route()(
            path in prop::collection::vec(1u32..5, 0..4), numbers in prop::array::uniform5(prop::option::of(0u32..3)),
            list in 0usize..3, flag in any::<bool>(), hop in 0u8..4,
        ) -> RouteAttributes {
            let path: Vec<Asn> = path.into_iter().map(Asn).collect();
            let [med, local_pref, originator, customer, aggregator] = numbers;
            let mut attributes = PathAttributes {
                med, local_pref,
                atomic_aggregate: flag,
                next_hop: flag.then_some(Ipv4Addr::new(192, 0, 2, hop)),
                originator_id: originator.map(RouterId::from_u32),
                only_to_customer: customer.map(Asn),
                aggregator: aggregator.map(|n| Aggregator { asn: Asn(n + 70_000), router_id: RouterId::from_u32(n) }),
                communities: vec![Community::new(1, 2); list],
                cluster_list: vec![RouterId::from_u32(5); list],
                extended_communities: vec![ExtendedCommunity([0, 2, 0, 0, 0, 0, 0, 1]); list],
                large_communities: (0..list as u32).map(|n| LargeCommunity { global: 1, local1: 2, local2: n }).collect(),
                ..PathAttributes::new(Origin::Egp, AsPath::sequence(&path))
            };
            if flag && list > 0 {
                attributes.partial.insert(AttributeType::COMMUNITIES);
                attributes.unknown = vec![RawAttribute {
                    flags: AttributeFlags(0xf0), kind: AttributeType(99), value: Bytes::from_static(&[1, 2]),
                }];
            }
            let address = Ipv6Addr::from_bits(u128::from(hop));
            let next_hop = match hop {
                0 | 1 => NextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
                2 => NextHop::V6 { address, link_local: None },
                _ => NextHop::V6 { address, link_local: Some(Ipv6Addr::LOCALHOST) },
            };
            RouteAttributes { attributes: Arc::new(attributes), next_hop }
        }
    }

    proptest! {
        #[test]
        fn every_set_comes_back_as_it_was_and_different_sets_have_different_ids(
            routes in prop::collection::vec(any_route(), 1..40),
        ) {
            let mut table = AttributeTable::new(7, 100);
            let ids: Vec<AttributeId> = routes.iter().map(|route| table.intern(route.clone())).collect();
            for (route, id) in routes.iter().zip(&ids) {
                prop_assert_eq!(&*table.get(*id).unwrap(), route);
                for (other, other_id) in routes.iter().zip(&ids) {
                    prop_assert_eq!(route == other, id == other_id);
                }
            }
            ids.iter().for_each(|id| table.release(*id));
            prop_assert_eq!(table.len(), 0);
        }
    }
}
