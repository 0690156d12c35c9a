//! A cursor over octets whose every step can fail with offset and field. Internal to the packet headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{DecodeError, MacAddr};

/// Reads forward; never past the end.
pub(super) struct Reader<'a> {
    octets: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Reader<'a> {
        Reader { octets, offset: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.octets.get(self.offset..).unwrap_or_default()
    }

    pub(super) fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let rest = self.rest();
        let taken = rest.get(..count).ok_or(DecodeError::truncated(self.offset, field, count, rest.len()))?;
        self.offset += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let rest = self.rest();
        let taken = *rest.first_chunk::<N>().ok_or(DecodeError::truncated(self.offset, field, N, rest.len()))?;
        self.offset += N;
        Ok(taken)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[octet]| octet)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn mac(&mut self, field: &'static str) -> Result<MacAddr, DecodeError> {
        self.array(field).map(MacAddr)
    }

    pub(super) fn ipv4(&mut self, field: &'static str) -> Result<Ipv4Addr, DecodeError> {
        self.array(field).map(|octets: [u8; 4]| Ipv4Addr::from(octets))
    }

    pub(super) fn ipv6(&mut self, field: &'static str) -> Result<Ipv6Addr, DecodeError> {
        self.array(field).map(|octets: [u8; 16]| Ipv6Addr::from(octets))
    }
}
