//! `ofp_match`: a sequence of OXM fields, held as the octets of its TLVs (OpenFlow 1.3.5 §7.2.3).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use net::{DecodeError, DecodeErrorKind, MacAddr, PortNo};
use smallvec::SmallVec;

use crate::oxm::{self, OxmField, OxmFieldOwned, OxmKind};
use crate::wire::{self, Block, Reader};

/// Octets of OXM TLVs that a [`Match`] holds without an allocation. The match of a packet-in with every pipeline field
/// (in_port 8, in_phy_port 8, metadata 12, tunnel_id 12) is 40 octets; in_port, eth_type, ip_proto, both IPv4 addresses and both
/// TCP ports are 47. A longer match is on the heap.
pub const INLINE_MATCH_LEN: usize = 64;

/// `OFPMT_OXM`: the only match type that OpenFlow 1.3 has (§7.2.3.1).
const MATCH_TYPE_OXM: u16 = 1;

/// A match: the validated OXM TLVs in the order in which they came (OpenFlow 1.3.5 §7.2.3, `ofp_match`).
///
/// Every TLV inside is whole and has a length that fits its field. Equality is that of the octets: compare
/// [`Match::canonical`] forms to compare meanings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Match {
    tlvs: SmallVec<[u8; INLINE_MATCH_LEN]>,
}

impl Match {
    /// A match that every packet fits.
    pub fn new() -> Match {
        Match::default()
    }

    /// Whether there is no field in it.
    pub fn is_empty(&self) -> bool {
        self.tlvs.is_empty()
    }

    /// The octets of the TLVs, as they stand on the wire.
    pub fn as_tlvs(&self) -> &[u8] {
        &self.tlvs
    }

    /// Whether the match is too long for its inline storage.
    pub fn is_on_heap(&self) -> bool {
        self.tlvs.spilled()
    }

    /// The fields in their order.
    pub fn fields(&self) -> Fields<'_> {
        Fields { rest: &self.tlvs }
    }

    /// The first field of this kind.
    pub fn get(&self, kind: OxmKind) -> Option<OxmField<'_>> {
        self.fields().find(|field| field.kind == kind)
    }

    /// The first field of this kind or of another kind that is the same field ([`OxmKind::canonical`]).
    pub fn find(&self, kind: OxmKind) -> Option<OxmField<'_>> {
        self.fields().find(|field| field.kind.canonical() == kind.canonical())
    }

    /// The same meaning in one form: each field under its usual number, OpenFlow 1.3's first and sorted by number, bits outside the mask
    /// zero, a mask that covers the whole field dropped, a field whose mask covers nothing dropped. `xreg0` and `xxreg0` are written as the
    /// registers of 32 bits that they are made of, and a `vlan_tci` that is one of a tagged packet as `vlan_vid` and `vlan_pcp`: so Open
    /// vSwitch reports them.
    #[must_use]
    pub fn canonical(&self) -> Match {
        if self.fields().any(|field| field.kind.first_register().is_some() || tag_parts(&field).is_some()) {
            return self.decomposed().canonical();
        }
        let mut fields: SmallVec<[OxmField<'_>; 16]> = self.fields().collect();
        fields.sort_by_key(|field| field.kind.order());
        let mut tlvs = SmallVec::new();
        for field in fields {
            match (field.kind, field.mask) {
                (_, Some(mask)) if mask.iter().all(|octet| *octet == 0) => {}
                (kind, Some(mask)) if !field.is_exact() => {
                    let value: SmallVec<[u8; 16]> =
                        field.value.iter().zip(mask).map(|(value, mask)| value & mask).collect();
                    oxm::put_tlv(&mut tlvs, kind.canonical(), &value, Some(mask));
                }
                (OxmKind::NXM_OF_IN_PORT, _) => {
                    let port = field.to_u64().unwrap_or_default() as u16;
                    oxm::put_tlv(&mut tlvs, OxmKind::IN_PORT, &port_from_10(port).0.to_be_bytes(), None);
                }
                (OxmKind::NXM_OF_IP_TOS, _) => {
                    let tos = field.to_u64().unwrap_or_default() as u8;
                    oxm::put_tlv(&mut tlvs, OxmKind::IP_DSCP, &[tos >> 2], None);
                }
                (kind, _) => oxm::put_tlv(&mut tlvs, kind.canonical(), field.value, None),
            }
        }
        Match { tlvs }
    }

    /// With the parts in the place of what is made of them, as far as parts can say the same.
    fn decomposed(&self) -> Match {
        let mut tlvs = SmallVec::new();
        for field in self.fields() {
            if let Some(first) = field.kind.first_register() {
                let mut masks = field.mask.map(|mask| mask.chunks_exact(4));
                for (number, word) in (first..).zip(field.value.chunks_exact(4)) {
                    let mask = masks.as_mut().and_then(Iterator::next);
                    oxm::put_tlv(&mut tlvs, OxmKind::nxm_1(number), word, mask);
                }
            } else if let Some((vid, mask, pcp)) = tag_parts(&field) {
                oxm::put_tlv(&mut tlvs, OxmKind::VLAN_VID, &vid.to_be_bytes(), Some(&mask.to_be_bytes()));
                if let Some(pcp) = pcp {
                    oxm::put_tlv(&mut tlvs, OxmKind::VLAN_PCP, &[pcp], None);
                }
            } else {
                oxm::put_tlv(&mut tlvs, field.kind, field.value, field.mask);
            }
        }
        Match { tlvs }
    }

    /// With this field, in the place of one that is the same field, or else where it belongs: after what it may need.
    #[must_use]
    pub fn with(self, field: &OxmFieldOwned) -> Match {
        let OxmField { kind, value, mask } = field.as_field();
        self.with_value(kind, value, mask)
    }

    /// The lengths have to be those of the field.
    fn with_value(mut self, kind: OxmKind, value: &[u8], mask: Option<&[u8]>) -> Match {
        let mut tlv: SmallVec<[u8; 64]> = SmallVec::new();
        oxm::put_tlv(&mut tlv, kind, value, mask);
        let (at, replaced) = self.place(kind);
        self.tlvs.drain(at..at + replaced);
        self.tlvs.insert_from_slice(at, &tlv);
        self
    }

    /// Where a field of this kind belongs, and how many octets of one that is there already it replaces.
    fn place(&self, kind: OxmKind) -> (usize, usize) {
        let mut at = 0;
        let mut rest: &[u8] = &self.tlvs;
        while let Some((tlv, field, after)) = oxm::split_tlv(rest) {
            if field.kind.canonical() == kind.canonical() {
                return (at, tlv.len());
            }
            if field.kind.order() > kind.order() {
                return (at, 0);
            }
            at += tlv.len();
            rest = after;
        }
        (at, 0)
    }

    /// Inlined, as is what reads a whole message with a match: it is made where it stays and not copied from one result to the next.
    #[inline(always)]
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Match, DecodeError> {
        Match::parse_tlvs(&Match::cut(reader)?)
    }

    /// Reads over a match, whatever is in it.
    pub(crate) fn skip(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        Match::cut(reader).map(drop)
    }

    /// Cuts the TLVs of a match out and reads over its padding.
    #[inline(always)]
    fn cut<'a>(reader: &mut Reader<'a>) -> Result<Reader<'a>, DecodeError> {
        let start = reader.offset();
        let match_type = reader.u16("match.type")?;
        if match_type != MATCH_TYPE_OXM {
            return Err(DecodeError::new(
                start,
                "match.type",
                DecodeErrorKind::BadType { value: u32::from(match_type) },
            ));
        }
        let length = reader.u16("match.length")?;
        let fields = reader.body(length, 4, "match.length")?;
        reader.skip(wire::padding(usize::from(length)), "match.pad")?;
        Ok(fields)
    }

    /// TLVs without a header before them.
    #[inline(always)]
    pub(crate) fn parse_tlvs(fields: &Reader<'_>) -> Result<Match, DecodeError> {
        let (octets, base) = (fields.as_slice(), fields.offset());
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            at += oxm::first_tlv(rest, base + at)?;
        }
        Ok(Match { tlvs: held(octets, fields.to_frame_end()) })
    }

    pub(crate) fn encode(&self, out: &mut BytesMut) {
        // A longer one than 16 bits can say is in a message that is too long: whoever writes the whole of it finds that.
        let length = self.tlvs.len() + 4;
        Block::<4>::new().u16(MATCH_TYPE_OXM).u16(length as u16).put(out);
        out.put_slice(&self.tlvs);
        wire::put_zeros(out, wire::padding(length));
    }
}

/// The TLVs of the match that `octets` begin with, each of which fits its field, and what follows the match. `None` where [`Match::parse`]
/// has an error.
#[inline]
pub(crate) fn split_match(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[t0, t1, l0, l1, ..] = octets else { return None };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let (tlvs, rest) = (octets.get(4..length)?, octets.get(length + wire::padding(length)..)?);
    let mut at = 0;
    while let Some(next) = tlvs.get(at..).filter(|next| !next.is_empty()) {
        at += oxm::first_tlv(next, at).ok()?;
    }
    (u16::from_be_bytes([t0, t1]) == MATCH_TYPE_OXM).then_some((tlvs, rest))
}

/// The value of the first field of a kind, if it has so many octets and is matched exactly. The TLVs are valid.
#[inline]
pub(crate) fn octets_of<const N: usize>(tlvs: &[u8], kind: OxmKind) -> Option<[u8; N]> {
    let field = Fields { rest: tlvs }.find(|field| field.kind == kind)?;
    if field.mask.is_some() {
        return None;
    }
    field.value.try_into().ok()
}

/// The TLVs in storage of their own. `behind` starts with them and goes on to the end of the frame: where there is enough of it, a whole
/// block is copied, which is quicker than as many octets as there are. Those beyond the length are never looked at.
#[inline(always)]
fn held(tlvs: &[u8], behind: &[u8]) -> SmallVec<[u8; INLINE_MATCH_LEN]> {
    const HALF: usize = INLINE_MATCH_LEN / 2;
    if tlvs.len() > INLINE_MATCH_LEN {
        return SmallVec::from_slice(tlvs);
    }
    let mut block = [0; INLINE_MATCH_LEN];
    match (behind.first_chunk::<INLINE_MATCH_LEN>(), block.first_chunk_mut::<HALF>(), behind.first_chunk::<HALF>()) {
        (Some(whole), ..) => block = *whole,
        (None, Some(block), Some(half)) if tlvs.len() <= HALF => *block = *half,
        _ => block.iter_mut().zip(tlvs).for_each(|(to, octet)| *to = *octet),
    }
    SmallVec::from_buf_and_len(block, tlvs.len())
}

/// A port number of OpenFlow 1.0 as 1.3 has it: the reserved ones are the last 256 of either (OpenFlow 1.0.0 §5.2.1).
pub(crate) fn port_from_10(port: u16) -> PortNo {
    if port >= 0xff00 { PortNo(0xffff_0000 | u32::from(port)) } else { PortNo(u32::from(port)) }
}

/// `vlan_vid`, its mask and `vlan_pcp`, if this is a `vlan_tci` of a tagged packet that they can say: all or nothing of the priority.
fn tag_parts(field: &OxmField<'_>) -> Option<(u16, u16, Option<u8>)> {
    if field.kind != OxmKind::VLAN_TCI {
        return None;
    }
    let value = u16::from_be_bytes(field.value.try_into().ok()?);
    let mask = field.mask.map_or(Some(u16::MAX), |mask| mask.try_into().ok().map(u16::from_be_bytes))?;
    let tagged = value & mask & oxm::VID_PRESENT != 0;
    let vid = oxm::VID_PRESENT | 0x0fff;
    match mask >> 13 {
        0 if tagged => Some((value & vid, mask & vid, None)),
        7 if tagged => Some((value & vid, mask & vid, Some((value >> 13) as u8))),
        _ => None,
    }
}

/// The fields of a match in their order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = OxmField<'a>;

    fn next(&mut self) -> Option<OxmField<'a>> {
        let (_, field, rest) = oxm::split_tlv(self.rest)?;
        self.rest = rest;
        Some(field)
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields().map(|field| DebugField(field.to_string()))).finish()
    }
}

struct DebugField(String);

impl fmt::Debug for DebugField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromIterator<OxmFieldOwned> for Match {
    /// In the order given, with duplicates: what a decoder would have read.
    fn from_iter<I: IntoIterator<Item = OxmFieldOwned>>(fields: I) -> Match {
        let mut tlvs = SmallVec::new();
        for field in fields {
            tlvs.extend_from_slice(field.as_tlv());
        }
        Match { tlvs }
    }
}

/// Building: each adds one field, in its place, and replaces one that is already there. Prerequisites are not added.
impl Match {
    /// With `in_port`.
    #[must_use]
    pub fn with_in_port(self, port: PortNo) -> Match {
        self.with_value(OxmKind::IN_PORT, &port.0.to_be_bytes(), None)
    }

    /// With `metadata`.
    #[must_use]
    pub fn with_metadata(self, metadata: u64) -> Match {
        self.with_value(OxmKind::METADATA, &metadata.to_be_bytes(), None)
    }

    /// With `metadata` under a mask.
    #[must_use]
    pub fn with_metadata_masked(self, metadata: u64, mask: u64) -> Match {
        self.with_value(OxmKind::METADATA, &metadata.to_be_bytes(), Some(&mask.to_be_bytes()))
    }

    /// With `tunnel_id`.
    #[must_use]
    pub fn with_tunnel_id(self, id: u64) -> Match {
        self.with_value(OxmKind::TUNNEL_ID, &id.to_be_bytes(), None)
    }

    /// With `eth_dst`.
    #[must_use]
    pub fn with_eth_dst(self, address: MacAddr) -> Match {
        self.with_value(OxmKind::ETH_DST, &address.0, None)
    }

    /// With `eth_dst` under a mask.
    #[must_use]
    pub fn with_eth_dst_masked(self, address: MacAddr, mask: MacAddr) -> Match {
        self.with_value(OxmKind::ETH_DST, &address.0, Some(&mask.0))
    }

    /// With `eth_src`.
    #[must_use]
    pub fn with_eth_src(self, address: MacAddr) -> Match {
        self.with_value(OxmKind::ETH_SRC, &address.0, None)
    }

    /// With `eth_src` under a mask.
    #[must_use]
    pub fn with_eth_src_masked(self, address: MacAddr, mask: MacAddr) -> Match {
        self.with_value(OxmKind::ETH_SRC, &address.0, Some(&mask.0))
    }

    /// With `eth_type`.
    #[must_use]
    pub fn with_eth_type(self, eth_type: u16) -> Match {
        self.with_value(OxmKind::ETH_TYPE, &eth_type.to_be_bytes(), None)
    }

    /// With `vlan_vid`, raw: [`oxm::VID_PRESENT`] has to be in it for packets with a tag.
    #[must_use]
    pub fn with_vlan_vid(self, vid: u16) -> Match {
        self.with_value(OxmKind::VLAN_VID, &vid.to_be_bytes(), None)
    }

    /// With `vlan_vid` under a mask, both raw.
    #[must_use]
    pub fn with_vlan_vid_masked(self, vid: u16, mask: u16) -> Match {
        self.with_value(OxmKind::VLAN_VID, &vid.to_be_bytes(), Some(&mask.to_be_bytes()))
    }

    /// With `vlan_pcp`.
    #[must_use]
    pub fn with_vlan_pcp(self, pcp: u8) -> Match {
        self.with_value(OxmKind::VLAN_PCP, &[pcp], None)
    }

    /// With `ip_dscp`.
    #[must_use]
    pub fn with_ip_dscp(self, dscp: u8) -> Match {
        self.with_value(OxmKind::IP_DSCP, &[dscp], None)
    }

    /// With `ip_proto`.
    #[must_use]
    pub fn with_ip_proto(self, protocol: u8) -> Match {
        self.with_value(OxmKind::IP_PROTO, &[protocol], None)
    }

    /// With `ipv4_src`.
    #[must_use]
    pub fn with_ipv4_src(self, address: Ipv4Addr) -> Match {
        self.with_value(OxmKind::IPV4_SRC, &address.octets(), None)
    }

    /// With `ipv4_src` under a mask.
    #[must_use]
    pub fn with_ipv4_src_masked(self, address: Ipv4Addr, mask: Ipv4Addr) -> Match {
        self.with_value(OxmKind::IPV4_SRC, &address.octets(), Some(&mask.octets()))
    }

    /// With `ipv4_dst`.
    #[must_use]
    pub fn with_ipv4_dst(self, address: Ipv4Addr) -> Match {
        self.with_value(OxmKind::IPV4_DST, &address.octets(), None)
    }

    /// With `ipv4_dst` under a mask.
    #[must_use]
    pub fn with_ipv4_dst_masked(self, address: Ipv4Addr, mask: Ipv4Addr) -> Match {
        self.with_value(OxmKind::IPV4_DST, &address.octets(), Some(&mask.octets()))
    }

    /// With `tcp_src`.
    #[must_use]
    pub fn with_tcp_src(self, port: u16) -> Match {
        self.with_value(OxmKind::TCP_SRC, &port.to_be_bytes(), None)
    }

    /// With `tcp_dst`.
    #[must_use]
    pub fn with_tcp_dst(self, port: u16) -> Match {
        self.with_value(OxmKind::TCP_DST, &port.to_be_bytes(), None)
    }

    /// With `udp_src`.
    #[must_use]
    pub fn with_udp_src(self, port: u16) -> Match {
        self.with_value(OxmKind::UDP_SRC, &port.to_be_bytes(), None)
    }

    /// With `udp_dst`.
    #[must_use]
    pub fn with_udp_dst(self, port: u16) -> Match {
        self.with_value(OxmKind::UDP_DST, &port.to_be_bytes(), None)
    }

    /// With `arp_op`.
    #[must_use]
    pub fn with_arp_op(self, operation: u16) -> Match {
        self.with_value(OxmKind::ARP_OP, &operation.to_be_bytes(), None)
    }

    /// With `arp_tpa`.
    #[must_use]
    pub fn with_arp_tpa(self, address: Ipv4Addr) -> Match {
        self.with_value(OxmKind::ARP_TPA, &address.octets(), None)
    }

    /// With `icmpv4_type`.
    #[must_use]
    pub fn with_icmpv4_type(self, icmp_type: u8) -> Match {
        self.with_value(OxmKind::ICMPV4_TYPE, &[icmp_type], None)
    }

    /// With `icmpv6_type`.
    #[must_use]
    pub fn with_icmpv6_type(self, icmp_type: u8) -> Match {
        self.with_value(OxmKind::ICMPV6_TYPE, &[icmp_type], None)
    }

    /// With `ipv6_src`.
    #[must_use]
    pub fn with_ipv6_src(self, address: Ipv6Addr) -> Match {
        self.with_value(OxmKind::IPV6_SRC, &address.octets(), None)
    }

    /// With `ipv6_src` under a mask.
    #[must_use]
    pub fn with_ipv6_src_masked(self, address: Ipv6Addr, mask: Ipv6Addr) -> Match {
        self.with_value(OxmKind::IPV6_SRC, &address.octets(), Some(&mask.octets()))
    }

    /// With `ipv6_dst`.
    #[must_use]
    pub fn with_ipv6_dst(self, address: Ipv6Addr) -> Match {
        self.with_value(OxmKind::IPV6_DST, &address.octets(), None)
    }

    /// With `ipv6_dst` under a mask.
    #[must_use]
    pub fn with_ipv6_dst_masked(self, address: Ipv6Addr, mask: Ipv6Addr) -> Match {
        self.with_value(OxmKind::IPV6_DST, &address.octets(), Some(&mask.octets()))
    }

    /// With `ipv6_nd_target`.
    #[must_use]
    pub fn with_ipv6_nd_target(self, address: Ipv6Addr) -> Match {
        self.with_value(OxmKind::IPV6_ND_TARGET, &address.octets(), None)
    }
}

/// Reading: the value of a field that is matched exactly. A field under a mask is read by [`Match::get`].
impl Match {
    fn octets<const N: usize>(&self, kind: OxmKind) -> Option<[u8; N]> {
        octets_of(&self.tlvs, kind)
    }

    /// `in_port`.
    pub fn in_port(&self) -> Option<PortNo> {
        self.octets(OxmKind::IN_PORT).map(u32::from_be_bytes).map(PortNo)
    }

    /// `metadata`.
    pub fn metadata(&self) -> Option<u64> {
        self.octets(OxmKind::METADATA).map(u64::from_be_bytes)
    }

    /// `tunnel_id`.
    pub fn tunnel_id(&self) -> Option<u64> {
        self.octets(OxmKind::TUNNEL_ID).map(u64::from_be_bytes)
    }

    /// `eth_dst`.
    pub fn eth_dst(&self) -> Option<MacAddr> {
        self.octets(OxmKind::ETH_DST).map(MacAddr)
    }

    /// `eth_src`.
    pub fn eth_src(&self) -> Option<MacAddr> {
        self.octets(OxmKind::ETH_SRC).map(MacAddr)
    }

    /// `eth_type`.
    pub fn eth_type(&self) -> Option<u16> {
        self.octets(OxmKind::ETH_TYPE).map(u16::from_be_bytes)
    }

    /// `vlan_vid`, raw.
    pub fn vlan_vid(&self) -> Option<u16> {
        self.octets(OxmKind::VLAN_VID).map(u16::from_be_bytes)
    }

    /// `ip_proto`.
    pub fn ip_proto(&self) -> Option<u8> {
        self.octets(OxmKind::IP_PROTO).map(u8::from_be_bytes)
    }

    /// `ipv4_src`.
    pub fn ipv4_src(&self) -> Option<Ipv4Addr> {
        self.octets::<4>(OxmKind::IPV4_SRC).map(Ipv4Addr::from)
    }

    /// `ipv4_dst`.
    pub fn ipv4_dst(&self) -> Option<Ipv4Addr> {
        self.octets::<4>(OxmKind::IPV4_DST).map(Ipv4Addr::from)
    }

    /// `ipv6_src`.
    pub fn ipv6_src(&self) -> Option<Ipv6Addr> {
        self.octets::<16>(OxmKind::IPV6_SRC).map(Ipv6Addr::from)
    }

    /// `ipv6_dst`.
    pub fn ipv6_dst(&self) -> Option<Ipv6Addr> {
        self.octets::<16>(OxmKind::IPV6_DST).map(Ipv6Addr::from)
    }

    /// `icmpv6_type`.
    pub fn icmpv6_type(&self) -> Option<u8> {
        self.octets(OxmKind::ICMPV6_TYPE).map(u8::from_be_bytes)
    }

    /// `arp_op`.
    pub fn arp_op(&self) -> Option<u16> {
        self.octets(OxmKind::ARP_OP).map(u16::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn mac(last: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, last])
    }

    #[test]
    fn builders_keep_the_canonical_order_and_replace() {
        let built =
            Match::new().with_eth_dst(mac(1)).with_in_port(PortNo(3)).with_eth_type(0x0800).with_eth_dst(mac(2));
        let kinds: Vec<OxmKind> = built.fields().map(|field| field.kind).collect();
        assert_eq!(kinds, [OxmKind::IN_PORT, OxmKind::ETH_DST, OxmKind::ETH_TYPE]);
        assert_eq!((built.in_port(), built.eth_dst(), built.eth_type()), (Some(PortNo(3)), Some(mac(2)), Some(0x0800)));
        assert_eq!(built, built.canonical());
    }

    #[test]
    fn a_getter_gives_exact_values_only() {
        let masked = Match::new().with_metadata_masked(5, 0xff).with_eth_src(mac(1));
        assert_eq!((masked.metadata(), masked.eth_src(), masked.eth_dst()), (None, Some(mac(1)), None));
        assert_eq!(masked.get(OxmKind::METADATA).and_then(|field| field.to_u64()), Some(5));
    }

    #[test]
    fn the_canonical_form_drops_what_a_mask_makes_meaningless() {
        let network = Ipv4Addr::new(10, 0, 0, 0);
        let messy = Match::from_iter([
            OxmFieldOwned::new(OxmKind::VLAN_VID, &[0x10, 5], Some(&[0x1f, 0xff])).unwrap(),
            OxmFieldOwned::new(OxmKind::IPV4_DST, &[10, 1, 2, 3], Some(&[255, 0, 0, 0])).unwrap(),
            OxmFieldOwned::new(OxmKind::METADATA, &[1; 8], Some(&[0; 8])).unwrap(),
            OxmFieldOwned::new(OxmKind::IN_PORT, &[0, 0, 0, 1], None).unwrap(),
        ]);
        let clean = Match::new()
            .with_in_port(PortNo(1))
            .with_vlan_vid(0x1005)
            .with_ipv4_dst_masked(network, Ipv4Addr::new(255, 0, 0, 0));
        assert_eq!(messy.canonical(), clean);
    }

    #[test]
    fn the_canonical_form_is_made_of_what_open_vswitch_reports() {
        let field = |kind, value: &[u8], mask: Option<&[u8]>| OxmFieldOwned::new(kind, value, mask).unwrap();
        let number = |kind, value| OxmFieldOwned::number(kind, value).unwrap();
        // Each pair was seen on Open vSwitch 3.1: what was put, and what was read back.
        for (put, read) in [
            (
                field(OxmKind::XREG1, &[0, 0, 0, 0, 0, 0, 0, 2], None),
                vec![number(OxmKind::NXM_REG2, 0), number(OxmKind::NXM_REG3, 2)],
            ),
            (
                field(OxmKind::XREG1, &[0, 0, 0, 0, 0, 0, 0, 2], Some(&[0, 0, 0, 0, 0, 0, 0, 2])),
                vec![field(OxmKind::NXM_REG3, &[0, 0, 0, 2], Some(&[0, 0, 0, 2]))],
            ),
            (
                field(OxmKind::XXREG0, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], None),
                (0..4).map(|n| number(OxmKind::nxm_1(n), if n == 3 { 2 } else { 0 })).collect(),
            ),
            (number(OxmKind::VLAN_TCI, 0x1005), vec![number(OxmKind::VLAN_VID, 0x1005), number(OxmKind::VLAN_PCP, 0)]),
            (
                field(OxmKind::VLAN_TCI, &[0x10, 5], Some(&[0x10, 5])),
                vec![field(OxmKind::VLAN_VID, &[0x10, 5], Some(&[0x10, 5]))],
            ),
            (number(OxmKind::NXM_OF_IN_PORT, 0xfffe), vec![number(OxmKind::IN_PORT, 0xffff_fffe)]),
            (number(OxmKind::NXM_OF_IP_TOS, 0x28), vec![number(OxmKind::IP_DSCP, 10)]),
        ] {
            let canonical = Match::from_iter([put.clone()]).canonical();
            assert_eq!(canonical, read.into_iter().collect(), "{put:?}");
            assert_eq!(canonical.canonical(), canonical);
        }
        let half = Match::from_iter([field(OxmKind::VLAN_TCI, &[0x30, 5], Some(&[0x30, 0xff]))]);
        assert_eq!(half.canonical(), half, "a part of the priority has no other field");
    }

    #[test]
    fn a_match_parses_in_the_order_received_and_counts_its_padding() {
        let octets = Bytes::from_static(&[0, 1, 0, 10, 0x80, 0, 0x0a, 2, 8, 0, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 7]);
        let mut reader = Reader::new(&octets);
        let parsed = Match::parse(&mut reader).unwrap();
        assert_eq!((parsed.eth_type(), reader.remaining()), (Some(0x0800), 1));
    }

    #[test]
    fn the_deprecated_match_type_is_refused() {
        let octets = Bytes::from_static(&[0, 0, 0, 88, 0, 0, 0, 0]);
        let error = Match::parse(&mut Reader::new(&octets)).unwrap_err();
        assert_eq!(error.to_string(), "offset 0: match.type: bad type 0");
    }

    #[test]
    fn an_ipv4_five_tuple_with_a_port_is_held_inline() {
        let tuple = Match::new()
            .with_in_port(PortNo(1))
            .with_eth_type(0x0800)
            .with_ip_proto(6)
            .with_ipv4_src(Ipv4Addr::LOCALHOST)
            .with_ipv4_dst(Ipv4Addr::LOCALHOST)
            .with_tcp_src(1)
            .with_tcp_dst(2);
        assert_eq!((tuple.as_tlvs().len(), tuple.is_on_heap()), (47, false));
    }
}
