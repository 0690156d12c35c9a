//! A cursor over octets that knows where in the message it stands. A field with an inner length cuts a reader of its
//! own, so that no length reads past its parent.

use std::net::{Ipv4Addr, Ipv6Addr};

use net::{DecodeError, DecodeErrorKind};
use nom::IResult;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u128};

#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
    offset: usize,
}

type Step<'a, T> = IResult<&'a [u8], T, ()>;

impl<'a> Reader<'a> {
    /// `octets` stand `offset` octets from the start of the message.
    pub(crate) const fn new(octets: &'a [u8], offset: usize) -> Reader<'a> {
        Reader { octets, offset }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.octets.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// What is left, without moving on.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.octets
    }

    /// An error about what stands here.
    pub(crate) const fn error(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.offset, field, kind)
    }

    fn step<T>(&mut self, field: &'static str, size: usize, parsed: Step<'a, T>) -> Result<T, DecodeError> {
        let (rest, value) = parsed.map_err(|_| DecodeError::truncated(self.offset, field, size, self.octets.len()))?;
        self.octets = rest;
        self.offset += size;
        Ok(value)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.step(field, 1, be_u8(self.octets))
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.step(field, 2, be_u16(self.octets))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.step(field, 4, be_u32(self.octets))
    }

    pub(crate) fn ipv4(&mut self, field: &'static str) -> Result<Ipv4Addr, DecodeError> {
        self.u32(field).map(Ipv4Addr::from_bits)
    }

    pub(crate) fn ipv6(&mut self, field: &'static str) -> Result<Ipv6Addr, DecodeError> {
        self.step(field, 16, be_u128(self.octets)).map(Ipv6Addr::from_bits)
    }

    pub(crate) fn take(&mut self, size: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        self.step(field, size, take(size)(self.octets))
    }

    /// A reader over the next `size` octets, which this reader leaves behind.
    pub(crate) fn cut(&mut self, size: usize, field: &'static str) -> Result<Reader<'a>, DecodeError> {
        let offset = self.offset;
        Ok(Reader::new(self.take(size, field)?, offset))
    }

    /// Everything is used up.
    pub(crate) fn finish(&self, field: &'static str) -> Result<(), DecodeError> {
        match self.octets.len() {
            0 => Ok(()),
            count => Err(self.error(field, DecodeErrorKind::TrailingOctets { count })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_reader_never_reads_past_its_own_end_and_knows_its_place() {
        let mut reader = Reader::new(&[1, 2, 3, 4], 10);
        let mut inner = reader.cut(1, "inner").unwrap();
        assert_eq!(inner.u8("a"), Ok(1));
        assert_eq!(inner.u16("b"), Err(DecodeError::truncated(11, "b", 2, 0)));
        assert_eq!((reader.u16("c"), reader.offset(), reader.remaining()), (Ok(0x0203), 13, 1));
        assert!(reader.cut(2, "d").is_err());
        assert!(reader.finish("e").is_err());
    }
}
