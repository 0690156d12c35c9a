//! AS_PATH (RFC 4271 §4.3, RFC 5065, RFC 6793): held in its four-octet wire form, which is compact, compares and hashes
//! as bytes, and re-encodes by a copy.
//!
//! Invariant: a sequence of whole segments, each of a known kind with 1 to 255 AS numbers.

use std::fmt;

use super::Asn;

/// Most AS numbers that one segment holds: its count is one octet.
pub const SEGMENT_LIMIT: usize = 255;

/// An AS_PATH. Displays as `65001 65002 {65003 65004}`; confederation segments as `(…)` and `[…]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AsPath {
    octets: Box<[u8]>,
}

/// What a path segment means (RFC 4271 §4.3, RFC 5065 §3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[repr(u8)]
pub enum SegmentKind {
    /// AS_SET: unordered.
    AsSet = 1,
    /// AS_SEQUENCE: ordered.
    AsSequence = 2,
    /// AS_CONFED_SEQUENCE: ordered, member autonomous systems of the local confederation.
    AsConfedSequence = 3,
    /// AS_CONFED_SET: unordered, member autonomous systems of the local confederation.
    AsConfedSet = 4,
}

impl SegmentKind {
    /// From the wire.
    pub const fn from_u8(value: u8) -> Option<SegmentKind> {
        match value {
            1 => Some(SegmentKind::AsSet),
            2 => Some(SegmentKind::AsSequence),
            3 => Some(SegmentKind::AsConfedSequence),
            4 => Some(SegmentKind::AsConfedSet),
            _ => None,
        }
    }

    /// AS_CONFED_SEQUENCE or AS_CONFED_SET.
    pub const fn is_confederation(self) -> bool {
        matches!(self, SegmentKind::AsConfedSequence | SegmentKind::AsConfedSet)
    }
}

/// One path segment, borrowed from its path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What it means.
    pub kind: SegmentKind,
    /// Four octets each.
    octets: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The AS numbers, nearest first.
    pub fn asns(&self) -> impl DoubleEndedIterator<Item = Asn> + ExactSizeIterator + Clone + use<'a> {
        let (numbers, _) = self.octets.as_chunks::<4>();
        numbers.iter().map(|octets| Asn(u32::from_be_bytes(*octets)))
    }

    /// How many AS numbers it holds: 1 to 255.
    pub const fn asn_count(&self) -> usize {
        self.octets.len() / 4
    }
}

impl AsPath {
    /// The path of a route that its own AS originates, as internal peers see it.
    pub fn empty() -> AsPath {
        AsPath::default()
    }

    /// One AS_SEQUENCE (several of them past 255 numbers), nearest AS first.
    pub fn sequence(asns: &[Asn]) -> AsPath {
        AsPath::from_segments([(SegmentKind::AsSequence, asns)])
    }

    /// From segments in order; segments over 255 numbers are split, empty ones left out.
    pub fn from_segments<'a>(segments: impl IntoIterator<Item = (SegmentKind, &'a [Asn])>) -> AsPath {
        let mut octets = Vec::new();
        for (kind, asns) in segments {
            for part in asns.chunks(SEGMENT_LIMIT) {
                push_segment(&mut octets, kind, part.iter().copied());
            }
        }
        AsPath { octets: octets.into_boxed_slice() }
    }

    /// From octets that the decoder has checked for the invariant.
    pub(super) fn from_checked(octets: Vec<u8>) -> AsPath {
        AsPath { octets: octets.into_boxed_slice() }
    }

    /// The four-octet wire form.
    pub fn as_octets(&self) -> &[u8] {
        &self.octets
    }

    /// No segment at all.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The segments in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> + Clone {
        self.view().segments()
    }

    /// The path in place.
    pub(crate) fn view(&self) -> AsPathView<'_> {
        AsPathView(&self.octets)
    }

    /// All AS numbers in order, whatever the segment.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + Clone + '_ {
        self.segments().flat_map(|segment| segment.asns())
    }

    /// Length for the decision process: an AS_SET counts as one, confederation segments as none (RFC 4271 §9.1.2.2,
    /// RFC 5065 §5.3).
    pub fn length(&self) -> usize {
        self.view().length()
    }

    /// AS numbers in all segments together.
    pub fn asn_count(&self) -> usize {
        self.segments().map(|segment| segment.asn_count()).sum()
    }

    /// Whether `asn` is anywhere in the path: the loop check of RFC 4271 §9.1.2.
    pub fn contains(&self, asn: Asn) -> bool {
        self.asns().any(|other| other == asn)
    }

    /// How many times `asn` is in the path.
    pub fn count(&self, asn: Asn) -> usize {
        self.view().count(asn)
    }

    /// The leftmost AS if the path begins with an AS_SEQUENCE: the neighbouring AS of MED comparison (RFC 4271 §9.1.2.2
    /// c). Confederation segments in front of it are skipped.
    pub fn neighbor(&self) -> Option<Asn> {
        self.view().neighbor()
    }

    /// The very first AS number if the first segment is an AS_SEQUENCE.
    pub fn first(&self) -> Option<Asn> {
        self.view().first()
    }

    /// The rightmost AS if the path ends with an AS_SEQUENCE.
    pub fn origin(&self) -> Option<Asn> {
        let segment = self.segments().last()?;
        if segment.kind == SegmentKind::AsSequence { segment.asns().next_back() } else { None }
    }

    /// The path with `asn` in front, `times` times, as a route leaves an AS (RFC 4271 §5.1.2). A leading AS_SEQUENCE is
    /// filled up to 255 numbers, then a new segment is opened.
    #[must_use]
    pub fn prepend(&self, asn: Asn, times: usize) -> AsPath {
        self.prepend_as(SegmentKind::AsSequence, asn, times)
    }

    /// [`AsPath::prepend`] with an AS_CONFED_SEQUENCE, as a route leaves a member AS (RFC 5065 §5.2).
    #[must_use]
    pub fn prepend_confederation(&self, asn: Asn, times: usize) -> AsPath {
        self.prepend_as(SegmentKind::AsConfedSequence, asn, times)
    }

    fn prepend_as(&self, kind: SegmentKind, asn: Asn, times: usize) -> AsPath {
        let mut front: Vec<Asn> = std::iter::repeat_n(asn, times).collect();
        let mut segments = Segments { rest: &self.octets };
        let mut rest = segments.rest;
        let first = segments.next();
        if let Some(segment) = first.filter(|segment| segment.kind == kind && segment.asn_count() < SEGMENT_LIMIT) {
            front.extend(segment.asns());
            rest = segments.rest;
        }
        let mut octets = Vec::with_capacity(self.octets.len() + 4 * times + 2);
        // The partly filled segment comes first, so that the next prepend has room again.
        let (head, full) = front.split_at(front.len() % SEGMENT_LIMIT);
        if !head.is_empty() {
            push_segment(&mut octets, kind, head.iter().copied());
        }
        for part in full.chunks(SEGMENT_LIMIT) {
            push_segment(&mut octets, kind, part.iter().copied());
        }
        octets.extend_from_slice(rest);
        AsPath { octets: octets.into_boxed_slice() }
    }

    /// The path without its confederation segments, as it leaves the confederation (RFC 5065 §4.1).
    #[must_use]
    pub fn without_confederation(&self) -> AsPath {
        let mut octets = Vec::with_capacity(self.octets.len());
        for segment in self.segments().filter(|segment| !segment.kind.is_confederation()) {
            push_segment(&mut octets, segment.kind, segment.asns());
        }
        AsPath { octets: octets.into_boxed_slice() }
    }
}

/// A path in its four-octet wire form, wherever that stands: what is asked of paths that nobody keeps.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct AsPathView<'a>(&'a [u8]);

impl<'a> AsPathView<'a> {
    /// `octets` as they came from a neighbour whose AS numbers have four octets; `None` unless they are whole segments
    /// of known kinds, each with at least one AS number.
    pub(super) fn parse(octets: &'a [u8]) -> Option<AsPathView<'a>> {
        let mut rest = octets;
        while let Some((&[kind, count], numbers)) = rest.split_first_chunk::<2>() {
            if count == 0 || SegmentKind::from_u8(kind).is_none() {
                return None;
            }
            rest = numbers.get(usize::from(count) * 4..)?;
        }
        rest.is_empty().then_some(AsPathView(octets))
    }

    pub(crate) fn segments(self) -> impl Iterator<Item = Segment<'a>> + Clone {
        Segments { rest: self.0 }
    }

    /// See [`AsPath::length`].
    pub(crate) fn length(self) -> usize {
        self.segments()
            .map(|segment| match segment.kind {
                SegmentKind::AsSequence => segment.asn_count(),
                SegmentKind::AsSet => 1,
                SegmentKind::AsConfedSequence | SegmentKind::AsConfedSet => 0,
            })
            .sum()
    }

    /// See [`AsPath::count`].
    pub(crate) fn count(self, asn: Asn) -> usize {
        self.segments().flat_map(|segment| segment.asns()).filter(|other| *other == asn).count()
    }

    /// See [`AsPath::neighbor`].
    pub(crate) fn neighbor(self) -> Option<Asn> {
        let segment = self.segments().find(|segment| !segment.kind.is_confederation())?;
        if segment.kind == SegmentKind::AsSequence { segment.asns().next() } else { None }
    }

    /// See [`AsPath::first`].
    pub(crate) fn first(self) -> Option<Asn> {
        let segment = self.segments().next()?;
        if segment.kind == SegmentKind::AsSequence { segment.asns().next() } else { None }
    }
}

/// Appends one segment; the caller has at most 255 numbers.
pub(super) fn push_segment(octets: &mut Vec<u8>, kind: SegmentKind, asns: impl ExactSizeIterator<Item = Asn>) {
    octets.push(kind as u8);
    octets.push(u8::try_from(asns.len()).unwrap_or(u8::MAX));
    for asn in asns.take(SEGMENT_LIMIT) {
        octets.extend_from_slice(&asn.0.to_be_bytes());
    }
}

#[derive(Clone)]
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let (&[kind, count], rest) = self.rest.split_first_chunk::<2>()?;
        let (octets, rest) = rest.split_at_checked(usize::from(count) * 4)?;
        self.rest = rest;
        Some(Segment { kind: SegmentKind::from_u8(kind)?, octets })
    }
}

impl fmt::Display for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.segments().enumerate() {
            let (open, close) = match segment.kind {
                SegmentKind::AsSequence => ("", ""),
                SegmentKind::AsSet => ("{", "}"),
                SegmentKind::AsConfedSequence => ("(", ")"),
                SegmentKind::AsConfedSet => ("[", "]"),
            };
            write!(f, "{}{open}", if index > 0 { " " } else { "" })?;
            for (index, asn) in segment.asns().enumerate() {
                write!(f, "{}{asn}", if index > 0 { " " } else { "" })?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

impl fmt::Debug for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// JSON has a path as a list of segments.
#[cfg(feature = "serde")]
mod json {
    use super::{AsPath, Asn, Segment};
    use serde::ser::{Serialize, SerializeStruct, Serializer};

    impl Serialize for AsPath {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.segments())
        }
    }

    impl Serialize for Segment<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Segment", 2)?;
            fields.serialize_field("type", &self.kind)?;
            fields.serialize_field("asns", &self.asns().collect::<Vec<Asn>>())?;
            fields.end()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(asns: &[u32]) -> AsPath {
        AsPath::sequence(&asns.iter().copied().map(Asn).collect::<Vec<_>>())
    }

    #[test]
    fn prepending_onto_a_full_segment_opens_a_new_one() {
        let full = path(&[7; 255]);
        let longer = full.prepend(Asn(9), 2);
        let counts: Vec<usize> = longer.segments().map(|segment| segment.asn_count()).collect();
        assert_eq!(counts, [2, 255]);
        assert_eq!((longer.length(), longer.first(), longer.origin()), (257, Some(Asn(9)), Some(Asn(7))));
        let third = longer.prepend(Asn(8), 1);
        assert_eq!(third.segments().map(|segment| segment.asn_count()).collect::<Vec<_>>(), [3, 255]);
    }

    #[test]
    fn prepending_many_onto_a_long_segment_keeps_every_number() {
        let long = path(&[7; 250]).prepend(Asn(9), 600);
        assert_eq!((long.length(), long.count(Asn(9)), long.count(Asn(7))), (850, 600, 250));
        assert!(long.segments().all(|segment| segment.asn_count() <= SEGMENT_LIMIT));
    }

    #[test]
    fn length_counts_a_set_once_and_confederation_segments_not_at_all() {
        let path = AsPath::from_segments([
            (SegmentKind::AsConfedSequence, [Asn(64512), Asn(64513)].as_slice()),
            (SegmentKind::AsSequence, [Asn(1), Asn(2)].as_slice()),
            (SegmentKind::AsSet, [Asn(3), Asn(4), Asn(5)].as_slice()),
        ]);
        assert_eq!(path.length(), 3);
        assert_eq!(path.to_string(), "(64512 64513) 1 2 {3 4 5}");
        assert_eq!(path.neighbor(), Some(Asn(1)));
        assert_eq!(path.first(), None);
        assert_eq!(path.origin(), None);
        assert_eq!(path.without_confederation().to_string(), "1 2 {3 4 5}");
    }

    #[test]
    fn prepending_before_a_set_opens_a_sequence() {
        let set = AsPath::from_segments([(SegmentKind::AsSet, [Asn(3)].as_slice())]);
        assert_eq!(set.prepend(Asn(1), 1).to_string(), "1 {3}");
        assert_eq!(AsPath::empty().prepend(Asn(1), 0), AsPath::empty());
    }
}
