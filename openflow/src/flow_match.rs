//! `ofp_match`: a sequence of OXM fields, held as the octets of its TLVs (OpenFlow 1.3.5 §7.2.3).

use smallvec::SmallVec;

/// Octets of OXM TLVs that a [`Match`] holds without an allocation. The match of a packet-in with every pipeline field
/// (in_port 8, in_phy_port 8, metadata 12, tunnel_id 12) is 40; an IPv4 five-tuple with addresses and port is 63.
pub const INLINE_MATCH_LEN: usize = 64;

/// A match: the validated OXM TLVs in the order in which they came (OpenFlow 1.3.5 §7.2.3, `ofp_match`).
///
/// Every TLV inside is whole and has a length that fits its field. Equality is that of the octets: compare
/// [`Match::canonical`] forms to compare meanings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Match {
    pub(crate) tlvs: SmallVec<[u8; INLINE_MATCH_LEN]>,
}
