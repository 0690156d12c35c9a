//! Cutting a stream of octets into records: a file of any size in the memory of one record.

use std::fmt;

use bytes::{Buf, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use super::record::{RECORD_HEADER, Record};

/// Longest record, header included, in octets. The longest that a collector writes has the routes of some hundred peers
/// to one prefix and stays below 1 MB; a length beyond this is a file of something else, and must not be waited for.
pub const RECORD_LIMIT: usize = 16 << 20;

/// What is wrong with a file, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordError {
    /// Octets from the start of the file to the record.
    pub record_offset: u64,
    /// What is wrong with the record; its offset counts from the record's start.
    pub error: DecodeError,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record at octet {}: {}", self.record_offset, self.error)
    }
}

impl std::error::Error for RecordError {}

/// Records out of octets as they come.
///
/// ```
/// let mut records = bgp::mrt::Records::default();
/// records.push(&[0, 0, 0, 0, 0, 99, 0, 1, 0, 0, 0, 2, 7]);
/// assert!(records.next().is_none());
/// records.push(&[7]);
/// assert!(records.next().is_some_and(|record| record.is_ok()));
/// assert_eq!(records.finish(), Ok(()));
/// ```
#[derive(Clone, Default, Debug)]
pub struct Records {
    octets: BytesMut,
    offset: u64,
    lost: bool,
}

impl Records {
    /// The next octets of the file.
    pub fn push(&mut self, octets: &[u8]) {
        if !self.lost {
            self.octets.extend_from_slice(octets);
        }
    }

    /// The file is at its end.
    ///
    /// # Errors
    /// It ends in the middle of a record.
    pub fn finish(&self) -> Result<(), RecordError> {
        let available = self.octets.len();
        if available == 0 {
            return Ok(());
        }
        let needed = RECORD_HEADER.max(length(&self.octets).unwrap_or_default());
        let kind = DecodeErrorKind::Truncated { needed, available };
        Err(RecordError { record_offset: self.offset, error: DecodeError::new(0, "record", kind) })
    }
}

/// Octets of the record that `octets` begin with; nothing if its header is not there.
fn length(octets: &[u8]) -> Option<usize> {
    let field = octets.get(8..RECORD_HEADER)?.first_chunk::<4>()?;
    Some(usize::try_from(u32::from_be_bytes(*field)).unwrap_or(usize::MAX).saturating_add(RECORD_HEADER))
}

impl Iterator for Records {
    type Item = Result<Record, RecordError>;

    /// The next record; `None` until more octets have come. A record that is malformed is passed over, since its length
    /// says where the next one starts. After a length that cannot be there is nothing more.
    fn next(&mut self) -> Option<Result<Record, RecordError>> {
        let length = length(&self.octets)?;
        let record_offset = self.offset;
        if length > RECORD_LIMIT {
            (self.lost, self.octets) = (true, BytesMut::new());
            let error = DecodeError::new(8, "header.length", DecodeErrorKind::BadLength { length });
            return Some(Err(RecordError { record_offset, error }));
        }
        let record = Record::decode(self.octets.get(..length)?);
        self.octets.advance(length);
        self.offset += length as u64;
        Some(record.map_err(|error| RecordError { record_offset, error }))
    }
}
