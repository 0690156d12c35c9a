//! Interned attribute sets: routes with the same attributes and next hop share one copy and one small id.

use super::decision::AttributeRank;
use crate::wire::{Community, NextHop, PathAttributes};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
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
pub(crate) struct AttributeId(u32);

#[derive(Debug)]
struct Slot {
    route: Arc<RouteAttributes>,
    rank: AttributeRank,
    references: u32,
}

/// Counted references: a set leaves with the last path that carries it.
#[derive(Debug)]
pub(crate) struct AttributeTable {
    ids: HashMap<Arc<RouteAttributes>, AttributeId, SeededState>,
    slots: Vec<Option<Slot>>,
    free: Vec<AttributeId>,
    default_local_pref: u32,
}

impl AttributeTable {
    pub(crate) fn new(seed: u64, default_local_pref: u32) -> AttributeTable {
        AttributeTable {
            ids: HashMap::with_hasher(SeededState(seed)),
            slots: Vec::new(),
            free: Vec::new(),
            default_local_pref,
        }
    }

    /// The id of `route`, with one reference that the caller owns.
    pub(crate) fn intern(&mut self, route: RouteAttributes) -> AttributeId {
        if let Some(id) = self.ids.get(&route).copied() {
            self.retain(id);
            return id;
        }
        let rank = rank(&route.attributes, self.default_local_pref);
        let route = Arc::new(route);
        let slot = Slot { route: Arc::clone(&route), rank, references: 1 };
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.slots.get_mut(id.0 as usize) {
                    *place = Some(slot);
                }
                id
            }
            None => {
                let id = AttributeId(self.slots.len() as u32);
                self.slots.push(Some(slot));
                id
            }
        };
        self.ids.insert(route, id);
        id
    }

    pub(crate) fn retain(&mut self, id: AttributeId) {
        if let Some(Some(slot)) = self.slots.get_mut(id.0 as usize) {
            slot.references += 1;
        }
    }

    pub(crate) fn release(&mut self, id: AttributeId) {
        let Some(place) = self.slots.get_mut(id.0 as usize) else { return };
        let Some(slot) = place else { return };
        slot.references -= 1;
        if slot.references == 0 {
            self.ids.remove(&slot.route);
            *place = None;
            self.free.push(id);
        }
    }

    pub(crate) fn get(&self, id: AttributeId) -> Option<&Arc<RouteAttributes>> {
        self.slots.get(id.0 as usize)?.as_ref().map(|slot| &slot.route)
    }

    pub(crate) fn rank(&self, id: AttributeId) -> Option<AttributeRank> {
        self.slots.get(id.0 as usize)?.as_ref().map(|slot| slot.rank)
    }

    /// Number of different sets.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}

fn rank(attributes: &PathAttributes, default_local_pref: u32) -> AttributeRank {
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

/// SipHash under a key from the speaker's seed: repeatable runs, and no neighbour can choose attributes that collide.
#[derive(Clone, Debug)]
struct SeededState(u64);

impl BuildHasher for SeededState {
    type Hasher = Seeded;

    fn build_hasher(&self) -> Seeded {
        #[expect(deprecated, reason = "the only keyed hasher of the standard library")]
        Seeded(std::hash::SipHasher::new_with_keys(self.0, self.0.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15))
    }
}

#[expect(deprecated, reason = "the only keyed hasher of the standard library")]
struct Seeded(std::hash::SipHasher);

impl Hasher for Seeded {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AsPath, Asn, Origin};
    use std::net::Ipv4Addr;

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
}
