//! Path attributes in place: as octets that [`PathAttributes::encode_block`](super::PathAttributes) would write, and what
//! import, the decision and export ask of them.

use std::net::Ipv4Addr;

use super::super::{AsPathView, Asn, Community};
use super::{AttributeFlags, AttributeType};

/// A path whose attributes stand somewhere, well-formed, and nowhere else.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct PathView<'a> {
    /// All attributes in ascending order, with four-octet AS numbers and the shortest headers.
    pub(crate) block: &'a [u8],
    pub(crate) has_origin: bool,
    pub(crate) has_as_path: bool,
    pub(crate) origin: u8,
    pub(crate) as_path: AsPathView<'a>,
    pub(crate) next_hop: Option<Ipv4Addr>,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) originator_id: Option<u32>,
    pub(crate) cluster_list: &'a [u8],
    pub(crate) communities: &'a [u8],
    pub(crate) only_to_customer: Option<u32>,
}

/// One attribute of a block.
#[derive(Clone, Copy)]
pub(crate) struct AttributeView<'a> {
    pub(crate) flags: AttributeFlags,
    pub(crate) kind: AttributeType,
    pub(crate) value: &'a [u8],
    /// Header and value.
    pub(crate) octets: &'a [u8],
}

impl<'a> PathView<'a> {
    pub(crate) fn communities(&self) -> impl Iterator<Item = Community> + Clone + use<'a> {
        let (chunks, _) = self.communities.as_chunks::<4>();
        chunks.iter().map(|octets| Community(u32::from_be_bytes(*octets)))
    }

    /// Whether this router id is in CLUSTER_LIST.
    pub(crate) fn has_cluster(&self, id: u32) -> bool {
        let (chunks, _) = self.cluster_list.as_chunks::<4>();
        chunks.contains(&id.to_be_bytes())
    }

    pub(crate) fn neighbor_as(&self) -> Option<Asn> {
        self.as_path.neighbor()
    }
}

/// The attributes of a block that [`PathAttributes::encode_block`](super::PathAttributes) wrote, in its order.
pub(crate) fn attributes_of(block: &[u8]) -> impl Iterator<Item = AttributeView<'_>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let (&[flags, kind, short], mut after) = rest.split_first_chunk::<3>()?;
        let flags = AttributeFlags(flags);
        let mut length = usize::from(short);
        if flags.is_extended_length() {
            let (low, long) = after.split_first()?;
            (length, after) = (length << 8 | usize::from(*low), long);
        }
        let (value, after) = after.split_at_checked(length)?;
        let octets = rest.get(..rest.len() - after.len())?;
        rest = after;
        Some(AttributeView { flags, kind: AttributeType(kind), value, octets })
    })
}
