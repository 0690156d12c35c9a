//! Frames to test with, put together octet by octet and checked by their checksums.

use bytes::Bytes;

pub(super) const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
pub(super) const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

pub(super) fn ethernet(dst: [u8; 6], src: [u8; 6], tag: Option<u16>, eth_type: u16, payload: &[u8]) -> Bytes {
    let mut frame = [dst, src].concat();
    if let Some(tci) = tag {
        frame.extend([0x81, 0x00]);
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(eth_type.to_be_bytes());
    frame.extend(payload);
    frame.into()
}

fn sum(octets: &[u8]) -> u32 {
    octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub(super) fn ipv4(proto: u8, ttl: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 0, 0, 1, 0, 0, ttl, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    header[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    header[6..8].copy_from_slice(&fragment.to_be_bytes());
    let checksum = fold(sum(&header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header.extend(payload);
    header
}

pub(super) fn ipv6(next_header: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0, 0, 0, next_header, hop_limit];
    header[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    header.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    header.extend(payload);
    header
}

/// Where the transport checksum stands in its header.
pub(super) fn checksum_offset(proto: u8) -> usize {
    match proto {
        6 => 16,
        17 => 6,
        _ => 2,
    }
}

/// The transport checksum of an IP packet, computed anew; zero if the packet's own is right.
pub(super) fn transport_checksum(ip: &[u8]) -> u16 {
    let (addresses, payload, proto) = match ip[0] >> 4 {
        4 => (&ip[12..20], &ip[20..usize::from(u16::from_be_bytes([ip[2], ip[3]]))], ip[9]),
        _ => (&ip[8..40], &ip[40..40 + usize::from(u16::from_be_bytes([ip[4], ip[5]]))], ip[6]),
    };
    let pseudo = if proto == 1 { 0 } else { sum(addresses) + u32::from(proto) + payload.len() as u32 };
    fold(pseudo + sum(payload))
}

pub(super) fn header_checksum(ip: &[u8]) -> u16 {
    fold(sum(&ip[..20]))
}

fn with_checksum(mut ip: Vec<u8>, header_len: usize, proto: u8) -> Vec<u8> {
    let checksum = transport_checksum(&ip).to_be_bytes();
    let at = header_len + checksum_offset(proto);
    ip[at..at + 2].copy_from_slice(&checksum);
    ip
}

pub(super) fn segment(proto: u8, source: u16, target: u16) -> Vec<u8> {
    let mut segment = [source.to_be_bytes(), target.to_be_bytes()].concat();
    match proto {
        6 => segment.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0]),
        _ => segment.extend([0, 0, 0, 0]),
    }
    segment.extend(b"payload of odd length");
    let length = segment.len() as u16;
    if proto == 17 {
        segment[4..6].copy_from_slice(&length.to_be_bytes());
    }
    segment
}

/// A whole TCP or UDP packet over IPv4.
pub(super) fn transport4(proto: u8, ttl: u8, source: u16, target: u16) -> Vec<u8> {
    with_checksum(ipv4(proto, ttl, 0, &segment(proto, source, target)), 20, proto)
}

/// A whole TCP or UDP packet over IPv6.
pub(super) fn transport6(proto: u8, source: u16, target: u16) -> Vec<u8> {
    with_checksum(ipv6(proto, 64, &segment(proto, source, target)), 40, proto)
}

/// A neighbour solicitation with its option.
pub(super) fn solicitation() -> Vec<u8> {
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    message.extend([1, 1]);
    message.extend(A);
    with_checksum(ipv6(58, 255, &message), 40, 58)
}

pub(super) fn echo4() -> Vec<u8> {
    with_checksum(ipv4(1, 64, 0, &[8, 0, 0, 0, 0, 1, 0, 1, b'h', b'i', b'!']), 20, 1)
}

pub(super) fn udp(source: u16, target: u16) -> Bytes {
    ethernet(B, A, None, 0x0800, &transport4(17, 64, source, target))
}
