//! The Internet checksum (RFC 1071) and the pseudo-headers of IPv4 (RFC 768) and IPv6 (RFC 8200 §8.1).

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::BytesMut;

use super::IpProtocol;

/// The one's complement sum over parts, each of which starts at an even octet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checksum {
    sum: u64,
}

impl Checksum {
    /// Over nothing yet.
    pub const fn new() -> Checksum {
        Checksum { sum: 0 }
    }

    /// Adds `octets`. A part of odd length is filled up with a zero octet, so it has to be the last one.
    pub fn add(&mut self, octets: &[u8]) {
        let (pairs, odd) = octets.as_chunks::<2>();
        self.sum += pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>();
        if let [last] = odd {
            self.sum += u64::from(*last) << 8;
        }
    }

    /// Adds the IPv4 pseudo-header of an upper-layer packet of `length` octets.
    pub fn add_ipv4_pseudo_header(
        &mut self,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: IpProtocol,
        length: usize,
    ) {
        self.add(&source.octets());
        self.add(&destination.octets());
        self.sum += u64::from(protocol.0) + length as u64;
    }

    /// Adds the IPv6 pseudo-header of an upper-layer packet of `length` octets.
    pub fn add_ipv6_pseudo_header(
        &mut self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        protocol: IpProtocol,
        length: usize,
    ) {
        self.add(&source.octets());
        self.add(&destination.octets());
        self.sum += u64::from(protocol.0) + length as u64;
    }

    /// The checksum. Over octets that hold their own right checksum it is zero.
    pub const fn finish(self) -> u16 {
        let mut sum = self.sum;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// The checksum over one run of octets.
pub fn internet_checksum(octets: &[u8]) -> u16 {
    let mut sum = Checksum::new();
    sum.add(octets);
    sum.finish()
}

/// Writes `checksum` at `offset` of the header that starts at `start`.
pub(super) fn patch(out: &mut BytesMut, start: usize, offset: usize, checksum: u16) {
    if let Some(field) = out.get_mut(start + offset..start + offset + 2) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}
