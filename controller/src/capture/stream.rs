//! From packets to messages: TCP's octets in order, cut into OpenFlow messages.
//!
//! What is missing is waited for as long as what came after it fits in [`PENDING_OCTETS`]; then the stream goes on behind the gap, and
//! looks for a message that begins there.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use net::packet::{EtherType, EthernetHeader, IpProtocol, Ipv4Header, Ipv6Header, TcpFlags, TcpHeader};

/// Octets of one direction that may wait for an earlier packet.
const PENDING_OCTETS: usize = 1 << 20;
/// How far ahead of what is due a sequence number may be, or behind, to be of the same stream.
const WINDOW: u32 = 1 << 30;
/// Versions that OpenFlow messages begin with.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=6;
/// The largest number of a message type in any version (OpenFlow 1.5: `OFPT_CONTROLLER_STATUS`).
const LAST_TYPE: u8 = 35;

/// One TCP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) source: SocketAddr,
    pub(super) target: SocketAddr,
    pub(super) sequence: u32,
    pub(super) flags: TcpFlags,
    pub(super) payload: &'a [u8],
}

/// The TCP packet in a captured one; `None` if it holds none, or a fragment.
pub(super) fn segment(link: u16, octets: &[u8]) -> Option<Segment<'_>> {
    let ip = match link {
        // LINKTYPE_NULL and _LOOP: four octets of address family.
        0 | 108 => octets.get(4..)?,
        // LINKTYPE_ETHERNET
        1 => {
            let (header, rest) = EthernetHeader::parse(octets).ok()?;
            matches!(header.ethertype, EtherType::IPV4 | EtherType::IPV6).then_some(rest)?
        }
        // LINKTYPE_RAW, as it is and as some systems number it; _IPV4, _IPV6.
        12 | 14 | 101 | 228 | 229 => octets,
        // LINKTYPE_LINUX_SLL, _SLL2
        113 => octets.get(16..)?,
        276 => octets.get(20..)?,
        _ => return None,
    };
    let (source, target, protocol, payload): (IpAddr, IpAddr, _, _) = match ip.first()? >> 4 {
        4 => {
            let (header, rest) = Ipv4Header::parse(ip).ok()?;
            if header.more_fragments || header.fragment_offset != 0 {
                return None;
            }
            let payload = rest.get(..usize::from(header.payload_length)).unwrap_or(rest);
            (header.source.into(), header.destination.into(), header.protocol, payload)
        }
        6 => {
            let (header, rest, _) = Ipv6Header::parse(ip).ok()?;
            if header.fragment.is_some() {
                return None;
            }
            let length = usize::from(header.payload_length).checked_sub(header.extensions.len())?;
            (header.source.into(), header.destination.into(), header.protocol, rest.get(..length).unwrap_or(rest))
        }
        _ => return None,
    };
    if protocol != IpProtocol::TCP {
        return None;
    }
    let (tcp, payload) = TcpHeader::parse(payload).ok()?;
    Some(Segment {
        source: SocketAddr::new(source, tcp.source_port),
        target: SocketAddr::new(target, tcp.destination_port),
        sequence: tcp.sequence_number,
        flags: tcp.flags,
        payload,
    })
}

/// What comes out of one direction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// A whole message, or the header of one whose length is impossible: then nothing more comes.
    Message(Bytes),
    /// So many octets are missing, or belong to no message.
    Gap(usize),
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Direction {
    /// The sequence number of the next octet.
    next: Option<u32>,
    /// What came too early: by distance from the first octet that this direction had, so that the numbers' wrap does not matter.
    pending: BTreeMap<u64, Bytes>,
    pending_octets: usize,
    /// Octets of this direction so far.
    offset: u64,
    buffer: BytesMut,
    /// Where a message begins is not known: after a gap, or because the capture began in the middle.
    lost: bool,
    /// The stream is no OpenFlow (any more).
    ended: bool,
    pub(super) closed: bool,
}

impl Direction {
    /// A SYN: the octets begin.
    pub(super) fn begin(&mut self, sequence: u32) {
        *self = Direction { next: Some(sequence.wrapping_add(1)), ..Direction::default() };
    }

    /// Takes a packet's octets; what has become whole by them.
    pub(super) fn take(&mut self, segment: &Segment<'_>, out: &mut VecDeque<Piece>) {
        if segment.payload.is_empty() || self.ended {
            return;
        }
        let next = *self.next.get_or_insert_with(|| {
            // The capture began in the middle of the connection.
            self.lost = true;
            segment.sequence
        });
        let ahead = segment.sequence.wrapping_sub(next);
        let (distance, payload) = if ahead < WINDOW {
            (u64::from(ahead), segment.payload)
        } else {
            // Sent once more, with something new at its end perhaps.
            let known = usize::try_from(next.wrapping_sub(segment.sequence)).unwrap_or(usize::MAX);
            match segment.payload.get(known..) {
                Some(new) if !new.is_empty() => (0, new),
                _ => return,
            }
        };
        if distance == 0 {
            self.append(payload);
        } else {
            let at = self.offset + distance;
            let known = self.pending.get(&at).map_or(0, Bytes::len);
            if payload.len() > known {
                self.pending_octets += payload.len() - known;
                self.pending.insert(at, Bytes::copy_from_slice(payload));
            }
        }
        self.drain_pending();
        if self.pending_octets > PENDING_OCTETS {
            self.skip_gap(out);
        }
        self.cut(out);
    }

    /// The end: what waits will not be joined any more.
    pub(super) fn finish(&mut self, out: &mut VecDeque<Piece>) {
        while !self.pending.is_empty() {
            self.skip_gap(out);
            self.cut(out);
        }
        if !self.buffer.is_empty() && !self.ended {
            out.push_back(Piece::Gap(self.buffer.len()));
            self.buffer.clear();
        }
        self.closed = true;
    }

    fn append(&mut self, payload: &[u8]) {
        self.buffer.extend_from_slice(payload);
        self.offset += payload.len() as u64;
        self.next = self.next.map(|next| next.wrapping_add(payload.len() as u32));
    }

    fn drain_pending(&mut self) {
        while let Some(entry) = self.pending.first_entry().filter(|entry| *entry.key() <= self.offset) {
            let at = *entry.key();
            let octets = entry.remove();
            self.pending_octets -= octets.len();
            let known = usize::try_from(self.offset - at).unwrap_or(usize::MAX);
            if let Some(new) = octets.get(known..) {
                self.append(new);
            }
        }
    }

    /// Goes on behind what is missing.
    fn skip_gap(&mut self, out: &mut VecDeque<Piece>) {
        let Some((&at, _)) = self.pending.first_key_value() else { return };
        let missing = at - self.offset;
        out.push_back(Piece::Gap(self.buffer.len() + usize::try_from(missing).unwrap_or(usize::MAX)));
        self.buffer.clear();
        self.offset = at;
        self.next = self.next.map(|next| next.wrapping_add(missing as u32));
        self.lost = true;
        self.drain_pending();
    }

    fn cut(&mut self, out: &mut VecDeque<Piece>) {
        if self.lost {
            self.look_for_a_message(out);
        }
        while !self.lost && !self.ended {
            match openflow::frame_length(&self.buffer) {
                Ok(Some(length)) if length <= self.buffer.len() => {
                    out.push_back(Piece::Message(self.buffer.split_to(length).freeze()));
                }
                Ok(_) => return,
                Err(error) => {
                    out.push_back(Piece::Message(Bytes::copy_from_slice(&error.header)));
                    self.ended = true;
                }
            }
        }
    }

    /// A sender begins a packet with a message more often than not: a packet that begins like one begins with one.
    fn look_for_a_message(&mut self, out: &mut VecDeque<Piece>) {
        if self.buffer.is_empty() {
            return;
        }
        if begins_with_a_header(&self.buffer) {
            self.lost = false;
        } else {
            out.push_back(Piece::Gap(self.buffer.len()));
            self.buffer.advance(self.buffer.len());
        }
    }
}

/// Whether a believable header stands here, or the beginning of one.
fn begins_with_a_header(octets: &[u8]) -> bool {
    let version = octets.first().is_some_and(|version| VERSIONS.contains(version));
    let kind = octets.get(1).is_none_or(|kind| *kind <= LAST_TYPE);
    version && kind && openflow::frame_length(octets).is_ok()
}

/// Whether there is nothing but messages with believable headers here, the last one cut perhaps.
pub(super) fn looks_like_messages(mut octets: &[u8]) -> bool {
    while !octets.is_empty() {
        if !begins_with_a_header(octets) {
            return false;
        }
        let length = openflow::frame_length(octets).ok().flatten().unwrap_or(octets.len());
        octets = octets.get(length..).unwrap_or_default();
    }
    true
}
