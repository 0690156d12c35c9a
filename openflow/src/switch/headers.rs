//! Headers that `encap` puts in front of a packet and `decap` takes away (ovs-actions(7)).
//!
//! A packet without an Ethernet header keeps one of zeros in its frame, with the type that the packet has: so all that reads and writes frames
//! finds its places. It is taken off where somebody sees the octets.

use super::extract::{
    ETH_HEADER_LEN, ETH_IPV4, ETH_IPV6, ETH_NSH, MAX_LABELS, NSH_MD1, NSH_MD2, VLAN_PRESENT, extract,
};
use super::field::prerequisites_hold;
use super::flow_key::{FlowKey, Slot};
use super::packet::{FRAME_LEN_MAX, Packet};
use crate::nicira::EncapProperty;
use crate::oxm::OxmKind;
use bytes::{BufMut, BytesMut};

/// A packet that has not what an action needs, or would become what Open vSwitch doesn't know: it is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnsupportedPacketType;

/// An Ethernet frame (ovs-fields(7), `packet_type`).
pub(super) const ETHERNET: u32 = 0;
/// A packet that begins with a network service header.
pub(super) const NSH: u32 = bare(ETH_NSH);

/// The packet type of what has no Ethernet header, only its EtherType.
const fn bare(eth_type: u16) -> u32 {
    0x0001_0000 | eth_type as u32
}

// RFC 8300 §2.2, next protocol.
const NEXT_IPV4: u8 = 1;
const NEXT_IPV6: u8 = 2;
const NEXT_ETHERNET: u8 = 3;
const NEXT_NSH: u8 = 4;

/// What a new network service header starts with: as many hops as there can be, path 0, index 255.
const NEW_TTL: u16 = 63;
const NEW_PATH: u32 = 255;
/// Octets that the context of a header of MD type 2 has at most: a length of six bits counts words, two of which are the header's own.
const CONTEXT_MAX: usize = 244;

/// Of the properties of `encap(nsh)`, those of the class of NSH.
const CLASS_NSH: u16 = 4;
const PROPERTY_MD_TYPE: u8 = 1;
const PROPERTY_TLV: u8 = 2;

impl Packet {
    /// What kind of packet it is.
    pub(crate) fn packet_type(&self) -> u32 {
        self.key.get(Slot::PACKET_TYPE) as u32
    }

    fn set_packet_type(&mut self, packet_type: u32) {
        self.key.set(Slot::PACKET_TYPE, u128::from(packet_type));
    }

    /// The packet as it is, without the header that it hasn't.
    fn content(&self) -> &[u8] {
        let skipped = if self.packet_type() == ETHERNET { 0 } else { ETH_HEADER_LEN };
        self.octets().get(skipped..).unwrap_or_default()
    }

    /// `encap(ethernet)`: a header with addresses of zero.
    ///
    /// # Errors
    /// If it has one.
    pub(crate) fn encap_ethernet(&mut self) -> Result<(), UnsupportedPacketType> {
        if self.packet_type() == ETHERNET {
            return Err(UnsupportedPacketType);
        }
        self.show();
        self.set_packet_type(ETHERNET);
        Ok(())
    }

    /// `encap(nsh)`: a network service header (RFC 8300).
    ///
    /// # Errors
    /// If the packet isn't one that such a header can stand before.
    pub(crate) fn encap_nsh(&mut self, properties: &[EncapProperty]) -> Result<(), UnsupportedPacketType> {
        const IPV4: u32 = bare(ETH_IPV4);
        const IPV6: u32 = bare(ETH_IPV6);
        let next = match self.packet_type() {
            ETHERNET => NEXT_ETHERNET,
            IPV4 => NEXT_IPV4,
            IPV6 => NEXT_IPV6,
            NSH => NEXT_NSH,
            _ => return Err(UnsupportedPacketType),
        };
        self.show();
        let before = self.seen_len();
        let (mdtype, context) = context(properties);
        let len = 8 + context.len();
        let content = self.content();
        if ETH_HEADER_LEN + len + content.len() > FRAME_LEN_MAX {
            return Err(UnsupportedPacketType);
        }
        let mut frame = new_frame(ETH_NSH, len + content.len());
        frame.put_u16(NEW_TTL << 6 | (len / 4) as u16);
        frame.put_slice(&[mdtype, next]);
        frame.put_u32(NEW_PATH);
        frame.put_slice(&context);
        frame.put_slice(content);
        self.become_frame(frame, NSH);
        self.grown = self.octets().len() as isize - self.hidden() as isize - before as isize;
        Ok(())
    }

    /// `decap()`: without its outermost header. Says whether the rest of the packet has to be read.
    ///
    /// # Errors
    /// If that is none that Open vSwitch takes away.
    pub(crate) fn decap(&mut self) -> Result<bool, UnsupportedPacketType> {
        match self.packet_type() {
            ETHERNET if self.key.get(Slot::VLAN_TCI) & u128::from(VLAN_PRESENT) != 0 => Err(UnsupportedPacketType),
            ETHERNET => {
                self.show();
                self.set_packet_type(bare(self.key.eth_type()));
                self.key.set(Slot::ETH_DST, 0);
                self.key.set(Slot::ETH_SRC, 0);
                self.dirty = true;
                Ok(false)
            }
            NSH => {
                let next = match self.key.get(Slot::NSH_NP) as u8 {
                    NEXT_ETHERNET => ETHERNET,
                    NEXT_IPV4 => bare(ETH_IPV4),
                    NEXT_IPV6 => bare(ETH_IPV6),
                    NEXT_NSH => NSH,
                    _ => return Err(UnsupportedPacketType),
                };
                self.show();
                let content = self.content();
                let len = content.get(1).map_or(0, |octet| usize::from(octet & 0x3f) * 4);
                let inner = content.get(len..).unwrap_or_default();
                let mut frame = match next {
                    ETHERNET => BytesMut::with_capacity(inner.len()),
                    packet_type => new_frame(packet_type as u16, inner.len()),
                };
                frame.put_slice(inner);
                self.become_frame(frame, next);
                Ok(true)
            }
            _ => Err(UnsupportedPacketType),
        }
    }

    fn become_frame(&mut self, frame: BytesMut, packet_type: u32) {
        let (mut key, layout) = extract(&frame, self.key.in_port());
        key.keep_pipeline_of(&self.key);
        self.replace_frame(frame);
        (self.key, self.layout, self.stack) = (key, layout, [0; MAX_LABELS]);
        self.set_packet_type(packet_type);
    }
}

/// The start of a frame without an Ethernet header of its own.
fn new_frame(eth_type: u16, len: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(ETH_HEADER_LEN + len);
    frame.put_bytes(0, ETH_HEADER_LEN - 2);
    frame.put_u16(eth_type);
    frame
}

/// The MD type that the properties ask for, and the context that such a header starts with.
fn context(properties: &[EncapProperty]) -> (u8, BytesMut) {
    let (mut mdtype, mut options) = (NSH_MD1, BytesMut::new());
    for property in properties.iter().filter(|property| property.class == CLASS_NSH) {
        match property.property_type {
            PROPERTY_MD_TYPE => mdtype = property.body.first().copied().unwrap_or(NSH_MD1),
            PROPERTY_TLV => {
                let Some([class_high, class_low, option_type, len]) = property.body.first_chunk::<4>().copied() else {
                    continue;
                };
                let value = property.body.get(4..4 + usize::from(len)).unwrap_or_default();
                options.put_slice(&[class_high, class_low, option_type, len]);
                options.put_slice(value);
                options.put_bytes(0, value.len().next_multiple_of(4) - value.len());
            }
            _ => {}
        }
    }
    match mdtype {
        NSH_MD1 => (NSH_MD1, BytesMut::zeroed(16)),
        NSH_MD2 if options.len() <= CONTEXT_MAX => (NSH_MD2, options),
        NSH_MD2 => (NSH_MD2, BytesMut::new()),
        _ => (0, BytesMut::new()),
    }
}

/// Whether a field is one that a packet has only with an Ethernet header.
pub(super) fn is_ethernets(kind: OxmKind) -> bool {
    matches!(
        kind.canonical(),
        OxmKind::ETH_DST | OxmKind::ETH_SRC | OxmKind::ETH_TYPE | OxmKind::VLAN_VID | OxmKind::VLAN_TCI
    )
}

/// Whether a match on the field is one on Ethernet frames, unless it says something else: of all fields of a packet.
pub(super) fn implies_ethernet(kind: OxmKind) -> bool {
    is_ethernets(kind) || !prerequisites_hold(kind, &FlowKey::ZERO, None)
}
