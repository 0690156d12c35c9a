//! TABLE_DUMP_V2 (RFC 6396 §4.3, RFC 8050 §4.1): a table of peers, then a record per prefix with the routes of all
//! peers.

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind, Prefix};

use super::record::{MrtEncodeError, put_address, put_count, put_counted, take_address};
use crate::wire::reader::Reader;
use crate::wire::{Afi, Asn, Family, RouterId, Safi};

/// PEER_INDEX_TABLE (RFC 6396 §4.3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerIndexTable {
    /// Who wrote the file.
    pub collector: RouterId,
    /// Which table, where there are several: usually empty. Octets, since nothing says that they are UTF-8.
    pub view: Bytes,
    /// The peers; entries count from 0.
    pub peers: Vec<Peer>,
}

/// One peer of a [`PeerIndexTable`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its identifier.
    pub router_id: RouterId,
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: Asn,
    /// Its AS is written in four octets; has to be so where it does not fit in two.
    pub four_octet_as: bool,
    /// The bits of Peer Type that mean nothing today, in place.
    pub reserved: u8,
}

/// Peer Type: the address has sixteen octets, the AS has four.
const PEER_IPV6: u8 = 0x01;
const PEER_AS4: u8 = 0x02;

/// A prefix and its routes (RFC 6396 §4.3.2 to §4.3.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rib {
    /// Counts records of a file.
    pub sequence: u32,
    /// What the routes are to.
    pub nlri: RibNlri,
    /// An _ADDPATH subtype: each entry has a path identifier (RFC 8050).
    pub add_path: bool,
    /// The routes.
    pub entries: Vec<RibEntry>,
}

/// What the routes of a [`Rib`] are to, and thereby its subtype.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RibNlri {
    /// RIB_IPV4_UNICAST, RIB_IPV6_UNICAST.
    Unicast(Prefix),
    /// RIB_IPV4_MULTICAST, RIB_IPV6_MULTICAST.
    Multicast(Prefix),
    /// RIB_GENERIC: any family, one NLRI, as it stands in an UPDATE.
    Generic {
        /// Its family.
        family: Family,
        /// Its octets: a length in bits, and as many octets as hold them.
        octets: Bytes,
    },
}

/// One peer's route (RFC 6396 §4.3.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RibEntry {
    /// The peer's place in the [`PeerIndexTable`].
    pub peer: u16,
    /// When the route was last changed: seconds since 1970.
    pub originated: u32,
    /// RFC 7911; 0 where the record has none.
    pub path_id: u32,
    /// Path attributes; AS numbers in them have four octets, MP_REACH_NLRI has the next hop alone. See
    /// [`super::attributes()`].
    pub attributes: Bytes,
}

impl PeerIndexTable {
    pub(super) const SUBTYPE: u16 = 1;

    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<PeerIndexTable, DecodeError> {
        let collector = RouterId(reader.ipv4("peer_index_table.collector")?);
        let length = usize::from(reader.u16("peer_index_table.view_length")?);
        let view = Bytes::copy_from_slice(reader.take(length, "peer_index_table.view")?);
        let count = reader.u16("peer_index_table.peer_count")?;
        let peers = (0..count).map(|_| Peer::parse(reader)).collect::<Result<Vec<Peer>, DecodeError>>()?;
        Ok(PeerIndexTable { collector, view, peers })
    }

    pub(super) fn put(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        out.put_slice(&self.collector.0.octets());
        put_counted(out, &self.view, "peer_index_table.view")?;
        put_count(out, self.peers.len(), "peer_index_table.peers")?;
        self.peers.iter().try_for_each(|peer| peer.put(out))
    }
}

impl Peer {
    fn parse(reader: &mut Reader<'_>) -> Result<Peer, DecodeError> {
        let kind = reader.u8("peer.type")?;
        let router_id = RouterId(reader.ipv4("peer.bgp_identifier")?);
        let address = take_address(reader, kind & PEER_IPV6 != 0, "peer.address")?;
        let four_octet_as = kind & PEER_AS4 != 0;
        let asn = if four_octet_as { Asn(reader.u32("peer.as")?) } else { Asn(reader.u16("peer.as")?.into()) };
        Ok(Peer { router_id, address, asn, four_octet_as, reserved: kind & !(PEER_IPV6 | PEER_AS4) })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        let ipv6 = if self.address.is_ipv6() { PEER_IPV6 } else { 0 };
        let as4 = if self.four_octet_as { PEER_AS4 } else { 0 };
        out.put_u8(ipv6 | as4 | self.reserved & !(PEER_IPV6 | PEER_AS4));
        out.put_slice(&self.router_id.0.octets());
        put_address(out, self.address);
        if self.four_octet_as {
            out.put_u32(self.asn.0);
        } else {
            put_count(out, usize::try_from(self.asn.0).unwrap_or(usize::MAX), "peer.as")?;
        }
        Ok(())
    }
}

impl Rib {
    pub(super) const fn is_subtype(subtype: u16) -> bool {
        matches!(subtype, 2..=6 | 8..=12)
    }

    pub(super) const fn subtype(&self) -> u16 {
        let plain = match &self.nlri {
            RibNlri::Unicast(Prefix::V4(_)) => 2,
            RibNlri::Multicast(Prefix::V4(_)) => 3,
            RibNlri::Unicast(Prefix::V6(_)) => 4,
            RibNlri::Multicast(Prefix::V6(_)) => 5,
            RibNlri::Generic { .. } => 6,
        };
        if self.add_path { plain + 6 } else { plain }
    }

    pub(super) fn parse(subtype: u16, reader: &mut Reader<'_>) -> Result<Rib, DecodeError> {
        let add_path = subtype >= 8;
        let plain = if add_path { subtype - 6 } else { subtype };
        let sequence = reader.u32("rib.sequence")?;
        let nlri = match plain {
            2 => RibNlri::Unicast(take_prefix(reader, false)?),
            3 => RibNlri::Multicast(take_prefix(reader, false)?),
            4 => RibNlri::Unicast(take_prefix(reader, true)?),
            5 => RibNlri::Multicast(take_prefix(reader, true)?),
            _ => {
                let afi = Afi(reader.u16("rib.afi")?);
                let family = Family { afi, safi: Safi(reader.u8("rib.safi")?) };
                let nlri = *reader;
                let bits = reader.u8("rib.nlri_length")?;
                let size = usize::from(bits.div_ceil(8));
                reader.take(size, "rib.nlri")?;
                let octets = Bytes::copy_from_slice(nlri.rest().get(..1 + size).unwrap_or_default());
                RibNlri::Generic { family, octets }
            }
        };
        let count = reader.u16("rib.entry_count")?;
        let entry = |_| RibEntry::parse(reader, add_path);
        let entries = (0..count).map(entry).collect::<Result<Vec<RibEntry>, DecodeError>>()?;
        Ok(Rib { sequence, nlri, add_path, entries })
    }

    pub(super) fn put(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        out.put_u32(self.sequence);
        match &self.nlri {
            RibNlri::Unicast(prefix) | RibNlri::Multicast(prefix) => put_prefix(out, *prefix),
            RibNlri::Generic { family, octets } => {
                let whole = octets.first().is_some_and(|bits| usize::from(bits.div_ceil(8)) + 1 == octets.len());
                if !whole {
                    return Err(MrtEncodeError::TooLong { field: "rib.nlri", length: octets.len() });
                }
                out.put_u16(family.afi.0);
                out.put_u8(family.safi.0);
                out.put_slice(octets);
            }
        }
        put_count(out, self.entries.len(), "rib.entries")?;
        self.entries.iter().try_for_each(|entry| entry.put(self.add_path, out))
    }
}

impl RibEntry {
    fn parse(reader: &mut Reader<'_>, add_path: bool) -> Result<RibEntry, DecodeError> {
        let peer = reader.u16("rib_entry.peer_index")?;
        let originated = reader.u32("rib_entry.originated")?;
        let path_id = if add_path { reader.u32("rib_entry.path_identifier")? } else { 0 };
        let length = usize::from(reader.u16("rib_entry.attribute_length")?);
        let attributes = Bytes::copy_from_slice(reader.take(length, "rib_entry.attributes")?);
        Ok(RibEntry { peer, originated, path_id, attributes })
    }

    fn put(&self, add_path: bool, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        out.put_u16(self.peer);
        out.put_u32(self.originated);
        if add_path {
            out.put_u32(self.path_id);
        }
        put_counted(out, &self.attributes, "rib_entry.attributes")
    }
}

fn take_prefix(reader: &mut Reader<'_>, ipv6: bool) -> Result<Prefix, DecodeError> {
    let at = reader.offset();
    let length = reader.u8("rib.prefix_length")?;
    let wrong = DecodeError::new(at, "rib.prefix_length", DecodeErrorKind::BadLength { length: length.into() });
    if length > if ipv6 { 128 } else { 32 } {
        return Err(wrong);
    }
    let octets = reader.take(usize::from(length.div_ceil(8)), "rib.prefix")?;
    let mut address = [0; 16];
    address.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
    let [a, b, c, d, ..] = address;
    let address = if ipv6 { IpAddr::from(address) } else { IpAddr::from([a, b, c, d]) };
    // Bits past the length mean nothing (RFC 4271 §4.3).
    Prefix::new(address, length).ok_or(wrong)
}

fn put_prefix(out: &mut BytesMut, prefix: Prefix) {
    out.put_u8(prefix.len());
    let count = usize::from(prefix.len().div_ceil(8));
    match prefix.addr() {
        IpAddr::V4(address) => out.put_slice(address.octets().get(..count).unwrap_or_default()),
        IpAddr::V6(address) => out.put_slice(address.octets().get(..count).unwrap_or_default()),
    }
}
