//! AS_PATH, AS4_PATH, AGGREGATOR and AS4_AGGREGATOR: two-octet and four-octet numbers (RFC 6793).

use net::{DecodeError, DecodeErrorKind};

use super::super::as_path::push_segment;
use super::super::reader::Reader;
use super::super::{AsPath, Asn, Fault, RouterId, SEGMENT_LIMIT, SegmentKind};
use super::Aggregator;
use super::decode::Wrong;

/// Segments of `width`-octet numbers, as four-octet ones. Malformed: unknown segment type, empty segment, a segment
/// that overruns (RFC 7606 §7.2).
pub(super) fn parse_as_path(value: &mut Reader<'_>, width: usize, field: &'static str) -> Result<AsPath, DecodeError> {
    let mut octets = Vec::with_capacity(value.remaining() * 4 / width);
    while !value.is_empty() {
        let kind = parse_segment_kind(value, field)?;
        let count = value.u8(field)?;
        if count == 0 {
            return Err(DecodeError::new(value.offset() - 1, field, DecodeErrorKind::BadLength { length: 0 }));
        }
        octets.extend_from_slice(&[kind as u8, count]);
        let mut numbers = value.cut(usize::from(count) * width, field)?;
        while !numbers.is_empty() {
            let number = if width == 4 { numbers.u32(field)? } else { numbers.u16(field)?.into() };
            octets.extend_from_slice(&number.to_be_bytes());
        }
    }
    Ok(AsPath::from_checked(octets))
}

fn parse_segment_kind(value: &mut Reader<'_>, field: &'static str) -> Result<SegmentKind, DecodeError> {
    let at = value.offset();
    let number = value.u8(field)?;
    let unknown = DecodeError::new(at, field, DecodeErrorKind::BadType { value: number.into() });
    SegmentKind::from_u8(number).ok_or(unknown)
}

/// RFC 6793 §6: malformed AS4_PATH is discarded, confederation segments are taken out of it.
pub(super) fn parse_as4_path(mut value: Reader<'_>, field: &'static str) -> Result<AsPath, Wrong> {
    let start = value.offset();
    let length = value.remaining();
    let path = parse_as_path(&mut value, 4, field).map_err(|at| Wrong::discard(at, Fault::OptionalAttribute))?;
    if path.is_empty() {
        let at = DecodeError::new(start, field, DecodeErrorKind::BadLength { length });
        return Err(Wrong::discard(at, Fault::AttributeLength));
    }
    let without = path.without_confederation();
    if without.is_empty() || without.contains(Asn::ZERO) {
        let at = DecodeError::new(start, field, DecodeErrorKind::BadType { value: 3 });
        return Err(Wrong::discard(at, Fault::OptionalAttribute));
    }
    Ok(without)
}

/// RFC 7606 §7.7, RFC 6793 §6.
pub(super) fn parse_aggregator(
    mut value: Reader<'_>,
    four_octet_as: bool,
    field: &'static str,
) -> Result<Aggregator, Wrong> {
    let (offset, length) = (value.offset(), value.remaining());
    let discard = |at| Wrong::discard(at, Fault::AttributeLength);
    if length != if four_octet_as { 8 } else { 6 } {
        return Err(discard(DecodeError::new(offset, field, DecodeErrorKind::BadLength { length })));
    }
    let number = if four_octet_as { value.u32(field) } else { value.u16(field).map(u32::from) }.map_err(discard)?;
    Ok(Aggregator { asn: Asn(number), router_id: RouterId(value.ipv4(field).map_err(discard)?) })
}

/// RFC 6793 §4.2.3: the leading part of AS_PATH that AS4_PATH does not cover, then AS4_PATH. If AS4_PATH is longer, a
/// speaker on the way has shortened the path and AS4_PATH does not count.
pub(super) fn merge_paths(as_path: &AsPath, as4_path: &AsPath) -> AsPath {
    let Some(mut uncovered) = as_path.length().checked_sub(as4_path.length()) else {
        return as_path.clone();
    };
    let mut octets = Vec::with_capacity(as_path.as_octets().len());
    for segment in as_path.segments() {
        match segment.kind {
            // Leading, or next to what was taken: the loop ends at the first segment that is not.
            SegmentKind::AsConfedSequence | SegmentKind::AsConfedSet => {
                push_segment(&mut octets, segment.kind, segment.asns());
            }
            SegmentKind::AsSet if uncovered > 0 => {
                push_segment(&mut octets, segment.kind, segment.asns());
                uncovered -= 1;
            }
            SegmentKind::AsSequence if uncovered > 0 => {
                let taken = uncovered.min(segment.asn_count());
                push_segment(&mut octets, segment.kind, segment.asns().take(taken));
                uncovered -= taken;
                if taken < segment.asn_count() {
                    break;
                }
            }
            SegmentKind::AsSet | SegmentKind::AsSequence => break,
        }
    }
    append_joined(octets, as4_path)
}

/// A sequence that was cut in two by the merge becomes one again where one segment can hold it.
fn append_joined(mut octets: Vec<u8>, path: &AsPath) -> AsPath {
    let front = AsPath::from_checked(std::mem::take(&mut octets));
    let fronts: Vec<_> = front.segments().collect();
    let backs: Vec<_> = path.segments().collect();
    let joinable = match (fronts.last(), backs.first()) {
        (Some(last), Some(first)) => {
            last.kind == SegmentKind::AsSequence
                && first.kind == SegmentKind::AsSequence
                && last.asn_count() + first.asn_count() <= SEGMENT_LIMIT
        }
        _ => false,
    };
    let (whole, split) = if joinable { (fronts.len() - 1, 1) } else { (fronts.len(), 0) };
    for segment in fronts.iter().take(whole) {
        push_segment(&mut octets, segment.kind, segment.asns());
    }
    if joinable {
        let numbers: Vec<Asn> =
            fronts.iter().skip(whole).chain(backs.iter().take(split)).flat_map(|segment| segment.asns()).collect();
        push_segment(&mut octets, SegmentKind::AsSequence, numbers.into_iter());
    }
    for segment in backs.iter().skip(split) {
        push_segment(&mut octets, segment.kind, segment.asns());
    }
    AsPath::from_checked(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &[(SegmentKind, &[u32])]) -> AsPath {
        let segments: Vec<(SegmentKind, Vec<Asn>)> =
            text.iter().map(|(kind, asns)| (*kind, asns.iter().copied().map(Asn).collect())).collect();
        AsPath::from_segments(segments.iter().map(|(kind, asns)| (*kind, asns.as_slice())))
    }

    const SEQUENCE: SegmentKind = SegmentKind::AsSequence;

    #[test]
    fn the_merge_takes_what_as4_path_does_not_cover_from_the_front() {
        let old = path(&[(SEQUENCE, &[275, 250, 225, 23456, 23456, 200, 175])]);
        let new = path(&[(SEQUENCE, &[100_000, 23456, 200, 175])]);
        assert_eq!(merge_paths(&old, &new).to_string(), "275 250 225 100000 23456 200 175");
        assert_eq!(merge_paths(&old, &new).segments().count(), 1);
    }

    #[test]
    fn a_set_counts_as_one_and_is_taken_whole() {
        let old = path(&[(SEQUENCE, &[1, 2]), (SegmentKind::AsSet, &[3, 4]), (SEQUENCE, &[23456])]);
        let new = path(&[(SEQUENCE, &[70000])]);
        assert_eq!(merge_paths(&old, &new).to_string(), "1 2 {3 4} 70000");
    }

    #[test]
    fn an_as4_path_longer_than_the_path_does_not_count() {
        let old = path(&[(SEQUENCE, &[1, 23456])]);
        let new = path(&[(SEQUENCE, &[5, 6, 70000])]);
        assert_eq!(merge_paths(&old, &new), old);
    }

    #[test]
    fn leading_confederation_segments_stay_in_front() {
        let old = path(&[(SegmentKind::AsConfedSequence, &[64512]), (SEQUENCE, &[1, 23456])]);
        let new = path(&[(SEQUENCE, &[70000])]);
        assert_eq!(merge_paths(&old, &new).to_string(), "(64512) 1 70000");
    }

    #[test]
    fn a_sequence_that_would_grow_past_255_numbers_stays_two() {
        let old = path(&[(SEQUENCE, &[1; 200]), (SEQUENCE, &[23456; 200])]);
        let new = path(&[(SEQUENCE, &[70000; 200])]);
        let merged = merge_paths(&old, &new);
        assert_eq!((merged.segments().count(), merged.length()), (2, 400));
    }
}
