//! Reading and writing octets: a reader that knows where it is, and the padding rules. Everything here is private to the codec.
//!
//! A length field always cuts a [`Reader`] of its own out of its parent first, so a wrong length can never read past it.

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind, MacAddr};
use nom::IResult;
use nom::bytes::complete::take;

/// A part of a frame that is still to be read. `rest` is always a part of `frame`.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub fn new(frame: &'a Bytes) -> Reader<'a> {
        Reader { frame, rest: frame }
    }

    /// Octets from the start of the message to the next octet to read.
    #[inline]
    pub fn offset(&self) -> usize {
        self.rest.as_ptr().addr().wrapping_sub(self.frame.as_ptr().addr())
    }

    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left, without reading it.
    #[inline]
    pub fn as_slice(&self) -> &'a [u8] {
        self.rest
    }

    pub fn error(&self, field: &'static str, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(self.offset(), field, kind)
    }

    /// Out of line: what is read is nearly always there.
    #[cold]
    #[inline(never)]
    fn truncated(&self, field: &'static str, octets: usize) -> DecodeError {
        DecodeError::truncated(self.offset(), field, octets, self.rest.len())
    }

    /// The next `octets`, which everything else is read by. Inlined everywhere, as is what reads numbers: a result with an error in it
    /// would go through memory, and come back more slowly than the octets.
    #[inline(always)]
    fn split(&mut self, octets: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let taken: IResult<&'a [u8], &'a [u8], ()> = take(octets)(self.rest);
        match taken {
            Ok((rest, octets)) => {
                self.rest = rest;
                Ok(octets)
            }
            Err(_) => Err(self.truncated(field, octets)),
        }
    }

    #[inline(always)]
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        // They have the length by construction.
        Ok(self.split(N, field)?.try_into().unwrap_or([0; N]))
    }

    #[inline(always)]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_be_bytes)
    }

    #[inline(always)]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    #[inline(always)]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    #[inline(always)]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub fn mac(&mut self, field: &'static str) -> Result<MacAddr, DecodeError> {
        self.array(field).map(MacAddr)
    }

    /// Reads over padding, whatever is in it.
    #[inline(always)]
    pub fn skip(&mut self, octets: usize, field: &'static str) -> Result<(), DecodeError> {
        self.split(octets, field).map(|_| ())
    }

    /// Reads over reserved octets that have to be zero: all that is left.
    pub fn zeros(&mut self, field: &'static str) -> Result<(), DecodeError> {
        let fine = self.rest.iter().all(|octet| *octet == 0);
        let error = self.error(field, DecodeErrorKind::BadPattern);
        self.skip(self.rest.len(), field)?;
        if fine { Ok(()) } else { Err(error) }
    }

    /// Cuts the next `octets` out as a reader of their own.
    #[inline(always)]
    pub fn take(&mut self, octets: usize, field: &'static str) -> Result<Reader<'a>, DecodeError> {
        let rest = self.split(octets, field)?;
        Ok(Reader { frame: self.frame, rest })
    }

    /// The next `octets` as a slice of the frame.
    pub fn bytes(&mut self, octets: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        self.take(octets, field).map(Reader::into_bytes)
    }

    /// What is left with what follows it in the frame.
    #[inline]
    pub fn to_frame_end(&self) -> &'a [u8] {
        self.frame.get(self.offset()..).unwrap_or_default()
    }

    /// Leaves out all that is left.
    pub fn end(&mut self) {
        self.rest = self.rest.get(self.rest.len()..).unwrap_or_default();
    }

    /// All that is left, as a slice of the frame.
    pub fn into_bytes(self) -> Bytes {
        self.frame.slice_ref(self.rest)
    }

    /// Cuts out the body of an element whose length field counts a header that has been read already. `length` is checked
    /// against the header (so that there is progress) and against the parent.
    #[inline(always)]
    pub fn body(&mut self, length: u16, header: usize, field: &'static str) -> Result<Reader<'a>, DecodeError> {
        let length = usize::from(length);
        let Some(body) = length.checked_sub(header) else {
            return Err(self.error(field, DecodeErrorKind::BadLength { length }));
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

/// How many elements a list has whose elements say their length in the 16 bits at `at`, as far as those lengths make sense. What it
/// is good for is reserving: no element is shorter than `least`, so it is bounded by the octets.
#[inline]
pub(crate) fn count_elements(mut list: &[u8], at: usize, least: usize) -> usize {
    let mut count = 0;
    while let Some(length) = list.get(at..).and_then(|rest| rest.first_chunk()) {
        let length = usize::from(u16::from_be_bytes(*length));
        match list.get(length..) {
            Some(rest) if length >= least => list = rest,
            _ => break,
        }
        count += 1;
    }
    count
}

/// Fixed fields put together first, to be appended in one piece.
pub(crate) struct Block<const N: usize> {
    octets: [u8; N],
    at: usize,
}

impl<const N: usize> Block<N> {
    #[inline(always)]
    pub fn new() -> Block<N> {
        Block { octets: [0; N], at: 0 }
    }

    /// Octets beyond the end are a mistake of the caller's, which the tests of every message show.
    #[inline(always)]
    pub fn octets(mut self, octets: &[u8]) -> Block<N> {
        if let Some(slot) = self.octets.get_mut(self.at..self.at + octets.len()) {
            slot.copy_from_slice(octets);
        }
        self.at += octets.len();
        self
    }

    #[inline(always)]
    pub fn u8(self, number: u8) -> Block<N> {
        self.octets(&[number])
    }

    #[inline(always)]
    pub fn u16(self, number: u16) -> Block<N> {
        self.octets(&number.to_be_bytes())
    }

    #[inline(always)]
    pub fn u32(self, number: u32) -> Block<N> {
        self.octets(&number.to_be_bytes())
    }

    #[inline(always)]
    pub fn u64(self, number: u64) -> Block<N> {
        self.octets(&number.to_be_bytes())
    }

    /// Zeros from here.
    #[inline(always)]
    pub fn zeros(mut self, octets: usize) -> Block<N> {
        self.at += octets;
        self
    }

    #[inline(always)]
    pub fn put(self, out: &mut BytesMut) {
        debug_assert_eq!(self.at, N);
        out.put_slice(&self.octets);
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
#[inline]
pub(crate) fn pad_from(out: &mut BytesMut, start: usize) {
    let count = padding(out.len() - start);
    if count != 0 {
        put_zeros(out, count);
    }
}

/// A text in an array of `size` octets, with NULs behind it as far as there is room. A text that fills the array has none: some
/// switches send such, and what was read is written as it was.
pub(crate) fn put_text(out: &mut BytesMut, text: &[u8], size: usize) {
    let kept = text.get(..size).unwrap_or(text);
    out.put_slice(kept);
    put_zeros(out, size - kept.len());
}
