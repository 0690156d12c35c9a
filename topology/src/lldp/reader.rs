//! A cursor over a run of octets that knows where the run stands in the LLDPDU. Internal to the LLDP codec.

use bytes::Bytes;
use net::{DecodeError, DecodeErrorKind};

/// Reads forward; never past the end of its run.
pub(super) struct Reader {
    octets: Bytes,
    offset: usize,
}

impl Reader {
    pub(super) fn new(octets: Bytes) -> Reader {
        Reader { octets, offset: 0 }
    }

    /// Octets from the start of the LLDPDU to what is read next.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Octets left.
    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Everything that is left, taken.
    pub(super) fn rest(&mut self) -> Bytes {
        self.offset += self.octets.len();
        std::mem::take(&mut self.octets)
    }

    pub(super) fn take(&mut self, count: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        if count > self.octets.len() {
            return Err(DecodeError::truncated(self.offset, field, count, self.octets.len()));
        }
        self.offset += count;
        Ok(self.octets.split_to(count))
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let Some(array) = self.octets.first_chunk::<N>().copied() else {
            return Err(DecodeError::truncated(self.offset, field, N, self.octets.len()));
        };
        self.take(N, field)?;
        Ok(array)
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

    /// The next TLV: its type, and a reader that is confined to its information string.
    pub(super) fn tlv(&mut self, field: &'static str) -> Result<(u8, Reader), DecodeError> {
        let header = self.u16(field)?;
        let offset = self.offset;
        let value = self.take(usize::from(header & 0x1ff), field)?;
        Ok(((header >> 9) as u8, Reader { octets: value, offset }))
    }

    /// Fails unless exactly `count` octets are left.
    pub(super) fn exactly(&self, count: usize, field: &'static str) -> Result<(), DecodeError> {
        let length = self.octets.len();
        if length == count {
            return Ok(());
        }
        Err(DecodeError::new(self.offset, field, DecodeErrorKind::BadLength { length }))
    }
}
