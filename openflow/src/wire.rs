//! Reading and writing octets: a reader that knows where it is, and the padding rules. Everything here is private to the codec.
//!
//! A length field always cuts a [`Reader`] of its own out of its parent first, so a wrong length can never read past it.

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind, MacAddr};
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};
use nom::{IResult, Parser};

/// A part of a frame that is still to be read.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub fn new(frame: &'a Bytes) -> Reader<'a> {
        Reader { frame, rest: frame, offset: 0 }
    }

    /// Octets from the start of the message to the next octet to read.
    pub fn offset(&self) -> usize {
        self.offset
    }

    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left, without reading it.
    pub fn as_slice(&self) -> &'a [u8] {
        self.rest
    }

    pub fn error(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.offset, field, kind)
    }

    fn apply<T>(
        &mut self,
        field: &'static str,
        octets: usize,
        mut parser: impl Parser<&'a [u8], Output = T, Error = ()>,
    ) -> Result<T, DecodeError> {
        let parsed: IResult<&'a [u8], T, ()> = parser.parse(self.rest);
        match parsed {
            Ok((rest, value)) => {
                self.offset += self.rest.len() - rest.len();
                self.rest = rest;
                Ok(value)
            }
            Err(_) => Err(DecodeError::truncated(self.offset, field, octets, self.rest.len())),
        }
    }

    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.apply(field, 1, be_u8)
    }

    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.apply(field, 2, be_u16)
    }

    #[inline]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.apply(field, 4, be_u32)
    }

    #[inline]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.apply(field, 8, be_u64)
    }

    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let octets = self.apply(field, N, take(N))?;
        let mut array = [0; N];
        for (to, from) in array.iter_mut().zip(octets) {
            *to = *from;
        }
        Ok(array)
    }

    pub fn mac(&mut self, field: &'static str) -> Result<MacAddr, DecodeError> {
        self.array(field).map(MacAddr)
    }

    /// Reads over padding, whatever is in it.
    pub fn skip(&mut self, octets: usize, field: &'static str) -> Result<(), DecodeError> {
        self.apply(field, octets, take(octets)).map(|_| ())
    }

    /// Reads over reserved octets that have to be zero: all that is left.
    pub fn zeros(&mut self, field: &'static str) -> Result<(), DecodeError> {
        let fine = self.rest.iter().all(|octet| *octet == 0);
        let error = self.error(field, DecodeErrorKind::BadPattern);
        self.skip(self.rest.len(), field)?;
        if fine { Ok(()) } else { Err(error) }
    }

    /// Cuts the next `octets` out as a reader of their own.
    pub fn take(&mut self, octets: usize, field: &'static str) -> Result<Reader<'a>, DecodeError> {
        let offset = self.offset;
        let rest = self.apply(field, octets, take(octets))?;
        Ok(Reader { frame: self.frame, rest, offset })
    }

    /// The next `octets` as a slice of the frame.
    pub fn bytes(&mut self, octets: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        self.take(octets, field).map(Reader::into_bytes)
    }

    /// All that is left, as a slice of the frame.
    pub fn into_bytes(self) -> Bytes {
        self.frame.slice_ref(self.rest)
    }

    /// Cuts out the body of an element whose length field counts a header that has been read already. `length` is checked
    /// against the header (so that there is progress) and against the parent.
    pub fn body(&mut self, length: u16, header: usize, field: &'static str) -> Result<Reader<'a>, DecodeError> {
        let length = usize::from(length);
        let Some(body) = length.checked_sub(header) else {
            return Err(DecodeError::new(self.offset, field, DecodeErrorKind::BadLength { length }));
        };
        self.take(body, field)
    }

    /// Fails unless everything has been read.
    pub fn finish(&self, field: &'static str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(self.error(field, DecodeErrorKind::TrailingOctets { count })),
        }
    }
}

/// Octets of padding from `length` to the next multiple of 8.
pub(crate) const fn padding(length: usize) -> usize {
    length.wrapping_neg() % 8
}

pub(crate) fn put_zeros(out: &mut BytesMut, octets: usize) {
    out.put_bytes(0, octets);
}

/// Writes into the 16-bit field at `start + field` how many octets there are from `start`.
///
/// A length that doesn't fit in 16 bits is written wrapped; the message as a whole is then refused, because it is longer still.
pub(crate) fn patch_length(out: &mut BytesMut, start: usize, field: usize) {
    let length = out.len() - start;
    put_length(out, start + field, length);
}

/// Writes a 16-bit length at `at`, where two octets have been reserved.
pub(crate) fn put_length(out: &mut BytesMut, at: usize, length: usize) {
    if let Some(slot) = out.get_mut(at..at + 2) {
        slot.copy_from_slice(&(length as u16).to_be_bytes());
    }
}

/// Zeros up to a multiple of 8 octets from `start`.
pub(crate) fn pad_from(out: &mut BytesMut, start: usize) {
    let count = padding(out.len() - start);
    put_zeros(out, count);
}

/// A text in an array of `size` octets, with NULs behind it as far as there is room. A text that fills the array has none: some
/// switches send such, and what was read is written as it was.
pub(crate) fn put_text(out: &mut BytesMut, text: &[u8], size: usize) {
    let kept = text.get(..size).unwrap_or(text);
    out.put_slice(kept);
    put_zeros(out, size - kept.len());
}
