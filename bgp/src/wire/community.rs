//! Communities: standard (RFC 1997), extended (RFC 4360) and large (RFC 8092).

use std::collections::BTreeSet;
use std::fmt;

/// A standard community (RFC 1997). Displays as `65001:100`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// RFC 8326: the session is about to go down, prefer other paths.
    pub const GRACEFUL_SHUTDOWN: Community = Community(0xffff_0000);
    /// RFC 9494: stale path kept by long-lived graceful restart.
    pub const LLGR_STALE: Community = Community(0xffff_0006);
    /// RFC 9494: not to be kept by long-lived graceful restart.
    pub const NO_LLGR: Community = Community(0xffff_0007);
    /// RFC 7999: drop the traffic.
    pub const BLACKHOLE: Community = Community(0xffff_029a);
    /// RFC 1997: not outside the confederation.
    pub const NO_EXPORT: Community = Community(0xffff_ff01);
    /// RFC 1997: to no other peer.
    pub const NO_ADVERTISE: Community = Community(0xffff_ff02);
    /// RFC 1997: not to external peers, confederation members included.
    pub const NO_EXPORT_SUBCONFED: Community = Community(0xffff_ff03);
    /// RFC 3765: not to bilateral peers.
    pub const NO_PEER: Community = Community(0xffff_ff04);

    /// `high:low`.
    pub const fn new(high: u16, low: u16) -> Community {
        Community((high as u32) << 16 | low as u32)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff)
    }
}

/// An extended community (RFC 4360): type, sub-type and value as they came. Displays as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

impl ExtendedCommunity {
    /// The T bit of the type octet is clear: goes to other autonomous systems (RFC 4360 §2).
    pub const fn is_transitive(self) -> bool {
        let [kind, ..] = self.0;
        kind & 0x40 == 0
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A large community (RFC 8092). Displays as `65536:1:2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// Global Administrator.
    pub global: u32,
    /// Local Data Part 1.
    pub local1: u32,
    /// Local Data Part 2.
    pub local2: u32,
}

impl LargeCommunity {
    /// From its twelve octets.
    pub(super) const fn from_octets(octets: [u8; 12]) -> LargeCommunity {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = octets;
        LargeCommunity {
            global: u32::from_be_bytes([a, b, c, d]),
            local1: u32::from_be_bytes([e, f, g, h]),
            local2: u32::from_be_bytes([i, j, k, l]),
        }
    }
}

/// So many are compared one by one with all before them; more are sorted into a set. Routes have a handful.
pub(super) const FEW: usize = 16;

/// The large communities without those that have stood before: RFC 8092 §3 has duplicates removed by who receives them
/// and never sent. The order stays.
pub(super) fn without_duplicates(communities: impl Iterator<Item = LargeCommunity>) -> Vec<LargeCommunity> {
    let mut kept: Vec<LargeCommunity> = Vec::new();
    let mut seen = BTreeSet::new();
    for community in communities {
        let fresh = if kept.len() < FEW {
            !kept.contains(&community)
        } else {
            if seen.is_empty() {
                seen.extend(kept.iter().copied());
            }
            seen.insert(community)
        };
        if fresh {
            kept.push(community);
        }
    }
    kept
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

/// Debug and JSON have these as their usual text.
macro_rules! text {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
text!(Community ExtendedCommunity LargeCommunity);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_large_communities_the_first_stays_where_it_stood_however_many_there_are() {
        let community = |local1| LargeCommunity { global: 65001, local1, local2: 7 };
        for count in [0, 1, 3, 15, 16, 17, 40, 5000] {
            let distinct: Vec<LargeCommunity> = (0..count).rev().map(community).collect();
            let twice = distinct.iter().flat_map(|community| [*community, *community]).chain(distinct.iter().copied());
            assert_eq!(without_duplicates(twice), distinct, "{count}");
        }
    }
}
