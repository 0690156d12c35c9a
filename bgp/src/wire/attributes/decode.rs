//! Reading path attributes: each has its own errors, and each error the outcome that RFC 7606 §7 (or the attribute's
//! own RFC) gives it. The attributes are read to the end whatever happens; order does not matter.

use bytes::Bytes;
use net::{DecodeError, DecodeErrorKind};

use super::super::community::without_duplicates;
use super::super::reader::Reader;
use super::super::{
    Afi, AsPath, Asn, AttributeError, Community, DecodeContext, ExtendedCommunity, Family, Fault, LargeCommunity,
    MalformedFamily, MpNextHop, MpNlri, MpReach, MpUnreach, Outcome, PeerKind, RouterId, Safi, SegmentKind,
};
use super::as_numbers::{merge_paths, parse_aggregator, parse_as_path, parse_as4_path};
use super::structure::{check_aigp, check_prefix_sid, check_tunnel_encapsulation};
use super::{Aggregator, AttributeFlags, AttributeType, Origin, PartialBits, PathAttributes, RawAttribute};

/// Most attribute errors kept of one message. A hostile message can hold thousands of duplicates; further errors are
/// kept only if they are worse than all before.
const ERROR_LIMIT: usize = 64;

/// The attributes of one UPDATE as far as they could be read.
#[derive(Default)]
pub(in crate::wire) struct Collected {
    pub(in crate::wire) attributes: PathAttributes,
    pub(in crate::wire) mp_reach: Option<MpReach>,
    pub(in crate::wire) mp_unreach: Option<MpUnreach>,
    pub(in crate::wire) errors: Vec<AttributeError>,
    /// ORIGIN and AS_PATH are there and well-formed.
    has_origin: bool,
    has_as_path: bool,
    as4_path: Option<As4Path>,
    as4_aggregator: Option<Aggregator>,
    seen: Seen,
}

/// An AS4_PATH, and the attribute as it came.
struct As4Path {
    path: AsPath,
    offset: usize,
    octets: Bytes,
}

/// Which types have stood in the message, well-formed or not.
#[derive(Default)]
pub(in crate::wire) struct Seen([u128; 2]);

impl Seen {
    /// `false` if it was there already.
    fn insert(&mut self, kind: AttributeType) -> bool {
        let [low, high] = &mut self.0;
        let word = if kind.0 < 128 { low } else { high };
        let bit = 1 << (kind.0 % 128);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    pub(in crate::wire) fn contains(&self, kind: AttributeType) -> bool {
        let [low, high] = self.0;
        (if kind.0 < 128 { low } else { high }) & 1 << (kind.0 % 128) != 0
    }

    /// Anything but MP_UNREACH_NLRI.
    fn more_than_unreach(&self) -> bool {
        let [low, high] = self.0;
        low & !(1 << AttributeType::MP_UNREACH_NLRI.0) != 0 || high != 0
    }
}

/// One attribute, its header read.
struct Attribute<'a> {
    flags: AttributeFlags,
    kind: AttributeType,
    /// From the flags to the end of the value.
    octets: &'a [u8],
    offset: usize,
    value: Reader<'a>,
}

/// What is wrong with an attribute, before it is put on record.
pub(super) struct Wrong {
    at: DecodeError,
    outcome: Outcome,
    fault: Fault,
}

impl Wrong {
    const fn new(at: DecodeError, outcome: Outcome, fault: Fault) -> Wrong {
        Wrong { at, outcome, fault }
    }

    const fn withdraw(at: DecodeError, fault: Fault) -> Wrong {
        Wrong::new(at, Outcome::TreatAsWithdraw, fault)
    }

    pub(super) const fn discard(at: DecodeError, fault: Fault) -> Wrong {
        Wrong::new(at, Outcome::AttributeDiscard, fault)
    }

    const fn reset(at: DecodeError, fault: Fault) -> Wrong {
        Wrong::new(at, Outcome::SessionReset, fault)
    }
}

impl AttributeType {
    /// Whether the partial bit is kept with the attribute's own field.
    pub(in crate::wire) const fn can_be_partial(self) -> bool {
        PartialBits::mask(self) != 0
    }

    /// The flags that an attribute must have, of those whose values are looked at (RFC 7606 §3 c).
    pub(in crate::wire) const fn required_flags(self) -> Option<AttributeFlags> {
        required_flags(self)
    }
}

const fn required_flags(kind: AttributeType) -> Option<AttributeFlags> {
    match kind {
        AttributeType::ORIGIN
        | AttributeType::AS_PATH
        | AttributeType::NEXT_HOP
        | AttributeType::LOCAL_PREF
        | AttributeType::ATOMIC_AGGREGATE => Some(AttributeFlags::WELL_KNOWN),
        AttributeType::MULTI_EXIT_DISC
        | AttributeType::ORIGINATOR_ID
        | AttributeType::CLUSTER_LIST
        | AttributeType::MP_REACH_NLRI
        | AttributeType::MP_UNREACH_NLRI
        | AttributeType::AIGP => Some(AttributeFlags::OPTIONAL),
        AttributeType::AGGREGATOR
        | AttributeType::COMMUNITIES
        | AttributeType::EXTENDED_COMMUNITIES
        | AttributeType::AS4_PATH
        | AttributeType::AS4_AGGREGATOR
        | AttributeType::TUNNEL_ENCAPSULATION
        | AttributeType::IPV6_EXTENDED_COMMUNITIES
        | AttributeType::LARGE_COMMUNITY
        | AttributeType::ONLY_TO_CUSTOMER
        | AttributeType::PREFIX_SID => Some(AttributeFlags::OPTIONAL_TRANSITIVE),
        _ => None,
    }
}

/// The field that an error in an attribute is reported for.
const fn field(kind: AttributeType) -> &'static str {
    match kind {
        AttributeType::ORIGIN => "path_attributes.origin",
        AttributeType::AS_PATH => "path_attributes.as_path",
        AttributeType::NEXT_HOP => "path_attributes.next_hop",
        AttributeType::MULTI_EXIT_DISC => "path_attributes.multi_exit_disc",
        AttributeType::LOCAL_PREF => "path_attributes.local_pref",
        AttributeType::ATOMIC_AGGREGATE => "path_attributes.atomic_aggregate",
        AttributeType::AGGREGATOR => "path_attributes.aggregator",
        AttributeType::COMMUNITIES => "path_attributes.communities",
        AttributeType::ORIGINATOR_ID => "path_attributes.originator_id",
        AttributeType::CLUSTER_LIST => "path_attributes.cluster_list",
        AttributeType::MP_REACH_NLRI => "path_attributes.mp_reach_nlri",
        AttributeType::MP_UNREACH_NLRI => "path_attributes.mp_unreach_nlri",
        AttributeType::EXTENDED_COMMUNITIES => "path_attributes.extended_communities",
        AttributeType::AS4_PATH => "path_attributes.as4_path",
        AttributeType::AS4_AGGREGATOR => "path_attributes.as4_aggregator",
        AttributeType::TUNNEL_ENCAPSULATION => "path_attributes.tunnel_encapsulation",
        AttributeType::IPV6_EXTENDED_COMMUNITIES => "path_attributes.ipv6_extended_communities",
        AttributeType::AIGP => "path_attributes.aigp",
        AttributeType::LARGE_COMMUNITY => "path_attributes.large_community",
        AttributeType::ONLY_TO_CUSTOMER => "path_attributes.only_to_customer",
        AttributeType::PREFIX_SID => "path_attributes.prefix_sid",
        _ => "path_attributes.attribute",
    }
}

impl Collected {
    /// Reads the Path Attributes field to its end.
    pub(in crate::wire) fn parse(mut reader: Reader<'_>, context: &DecodeContext) -> Collected {
        let mut collected = Collected::default();
        while !reader.is_empty() {
            let start = reader.rest();
            match header(&mut reader) {
                Ok(attribute) => collected.attribute(attribute, context),
                // RFC 7606 §4: what is left cannot be an attribute. The field's end stands, and so do the routes.
                Err((at, kind)) => {
                    collected.seen.insert(kind);
                    let multiprotocol = matches!(kind, AttributeType::MP_REACH_NLRI | AttributeType::MP_UNREACH_NLRI);
                    // RFC 7606 §3 j: routes that cannot be read cannot be withdrawn.
                    let wrong = if multiprotocol { Wrong::reset } else { Wrong::withdraw };
                    collected.record(kind, start, wrong(at, Fault::AttributeLength));
                    break;
                }
            }
        }
        collected.merge_four_octet(context);
        collected.attributes.unknown.sort_by_key(|attribute| attribute.kind);
        collected
    }

    /// The path, if it has both ORIGIN and AS_PATH.
    pub(in crate::wire) fn complete(&self) -> bool {
        self.has_origin && self.has_as_path
    }

    /// RFC 7606 §3 d and §5.2: what must be there and is not, and what errors mean where nothing is announced.
    pub(in crate::wire) fn check_presence(&mut self, nlri: bool, at: usize, context: &DecodeContext) {
        if nlri || self.seen.contains(AttributeType::MP_REACH_NLRI) {
            let mandatory = [
                (AttributeType::ORIGIN, true),
                // RFC 8205 §3: BGPsec_PATH stands in its place, on sessions that negotiated it. None of ours do.
                (
                    AttributeType::AS_PATH,
                    context.peer_kind != PeerKind::Unknown || !self.seen.contains(AttributeType::BGPSEC_PATH),
                ),
                (AttributeType::NEXT_HOP, nlri),
                // RFC 4271 §5.1.5: SHALL be included between internal peers.
                (AttributeType::LOCAL_PREF, context.peer_kind == PeerKind::Internal),
            ];
            for (kind, needed) in mandatory {
                if needed && !self.seen.contains(kind) {
                    let at = DecodeError::new(at, field(kind), DecodeErrorKind::Missing);
                    self.record(kind, &[kind.0], Wrong::withdraw(at, Fault::MissingWellKnown));
                }
            }
        } else if self.seen.more_than_unreach() {
            // RFC 7606 §5.2: attributes but no routes; the routes may have been lost to the error.
            for error in &mut self.errors {
                if error.outcome > Outcome::AttributeDiscard {
                    error.outcome = Outcome::SessionReset;
                }
            }
        }
    }

    /// RFC 4271 §6.3: NEXT_HOP has to be an address that a host can have. Only looked at where it is used.
    pub(in crate::wire) fn check_next_hop(&mut self, at: usize) {
        let Some(next_hop) = self.attributes.next_hop else { return };
        if next_hop.is_unspecified() || next_hop.is_multicast() || next_hop.is_broadcast() {
            let kind = AttributeType::NEXT_HOP;
            let value = u64::from(next_hop.to_bits());
            let at = DecodeError::new(at, field(kind), DecodeErrorKind::BadValue { value });
            let [a, b, c, d] = next_hop.octets();
            self.record(kind, &[0x40, 3, 4, a, b, c, d], Wrong::withdraw(at, Fault::InvalidNextHop));
        }
    }

    fn record(&mut self, kind: AttributeType, octets: &[u8], wrong: Wrong) {
        let worst = self.errors.iter().map(|error| error.outcome).max();
        if self.errors.len() < ERROR_LIMIT || worst < Some(wrong.outcome) {
            let Wrong { at, outcome, fault } = wrong;
            self.errors.push(AttributeError { at, kind, outcome, fault, octets: Bytes::copy_from_slice(octets) });
        }
    }

    fn attribute(&mut self, attribute: Attribute<'_>, context: &DecodeContext) {
        if let Err(wrong) = self.checked(&attribute, context) {
            self.record(attribute.kind, attribute.octets, wrong);
        }
    }

    fn checked(&mut self, attribute: &Attribute<'_>, context: &DecodeContext) -> Result<(), Wrong> {
        let Attribute { flags, kind, offset, value, .. } = *attribute;
        let here = |kind_of_error| DecodeError::new(offset, field(kind), kind_of_error);
        if !self.seen.insert(kind) {
            // RFC 7606 §3 g.
            let duplicate = here(DecodeErrorKind::Duplicate);
            return Err(match kind {
                AttributeType::MP_REACH_NLRI | AttributeType::MP_UNREACH_NLRI => {
                    Wrong::reset(duplicate, Fault::MalformedAttributeList)
                }
                _ => Wrong::discard(duplicate, Fault::DuplicateAttribute),
            });
        }
        if unwanted(kind, context) {
            return Err(Wrong::discard(
                here(DecodeErrorKind::BadType { value: kind.0.into() }),
                Fault::UnwantedAttribute,
            ));
        }
        let Some(required) = required_flags(kind) else {
            if !flags.is_optional() && context.peer_kind != PeerKind::Unknown {
                // RFC 4271 §6.3; nothing in RFC 7606 revises it.
                let at = here(DecodeErrorKind::BadType { value: kind.0.into() });
                return Err(Wrong::reset(at, Fault::UnrecognizedWellKnown));
            }
            self.keep(attribute);
            return Ok(());
        };
        if (flags.0 ^ required.0) & AttributeFlags::OPTIONAL_TRANSITIVE.0 != 0 {
            let at = here(DecodeErrorKind::BadValue { value: flags.0.into() });
            // RFC 7311 §3.3: AIGP with the transitive bit is malformed, and malformed AIGP is discarded.
            let wrong = if kind == AttributeType::AIGP { Wrong::discard } else { Wrong::withdraw };
            // The routes of a multiprotocol attribute are read all the same: they are to be withdrawn.
            if matches!(kind, AttributeType::MP_REACH_NLRI | AttributeType::MP_UNREACH_NLRI) {
                self.value(attribute, value, context)?;
            }
            return Err(wrong(at, Fault::AttributeFlags));
        }
        if flags.is_partial() {
            self.attributes.partial.insert(kind);
        }
        let result = self.value(attribute, value, context);
        if result.is_err() {
            self.attributes.partial.remove(kind);
        }
        result
    }

    fn keep(&mut self, attribute: &Attribute<'_>) {
        let Attribute { flags, kind, value, .. } = *attribute;
        self.attributes.unknown.push(RawAttribute { flags, kind, value: Bytes::copy_from_slice(value.rest()) });
    }

    /// The value of an attribute whose flags are right.
    fn value(
        &mut self,
        attribute: &Attribute<'_>,
        mut value: Reader<'_>,
        context: &DecodeContext,
    ) -> Result<(), Wrong> {
        let kind = attribute.kind;
        let field = field(kind);
        let length = value.remaining();
        let bad_length = DecodeError::new(value.offset(), field, DecodeErrorKind::BadLength { length });
        let withdraw = |at| Wrong::withdraw(at, Fault::AttributeLength);
        let exactly = |size: usize| if length == size { Ok(()) } else { Err(withdraw(bad_length)) };
        let list_of = |size: usize| {
            // RFC 7606 §4: none of these may be empty.
            if length != 0 && length.is_multiple_of(size) { Ok(()) } else { Err(withdraw(bad_length)) }
        };
        let attributes = &mut self.attributes;
        match kind {
            AttributeType::ORIGIN => {
                exactly(1)?;
                let offset = value.offset();
                let number = value.u8(field).map_err(withdraw)?;
                let bad = DecodeError::new(offset, field, DecodeErrorKind::BadValue { value: number.into() });
                attributes.origin =
                    Origin::from_u8(number).ok_or_else(|| Wrong::withdraw(bad, Fault::InvalidOrigin))?;
                self.has_origin = true;
            }
            AttributeType::AS_PATH => {
                let width = if context.four_octet_as { 4 } else { 2 };
                let path = parse_as_path(&mut value, width, field)
                    .map_err(|at| Wrong::withdraw(at, Fault::MalformedAsPath))?;
                let start = bad_length.offset;
                if is_of_another_confederation(&path, context) {
                    let at = DecodeError::new(start, field, DecodeErrorKind::BadType { value: 3 });
                    return Err(Wrong::withdraw(at, Fault::MalformedAsPath));
                }
                let count = path.asn_count();
                if count > context.as_path_limit {
                    let at = DecodeError::new(start, field, DecodeErrorKind::BadValue { value: count as u64 });
                    return Err(Wrong::withdraw(at, Fault::AsPathTooLong));
                }
                let zero = path.contains(Asn::ZERO);
                attributes.as_path = path;
                self.has_as_path = true;
                if zero {
                    // RFC 7607 §2.
                    let at = DecodeError::new(start, field, DecodeErrorKind::BadValue { value: 0 });
                    return Err(Wrong::withdraw(at, Fault::AsZero));
                }
            }
            AttributeType::NEXT_HOP => {
                exactly(4)?;
                attributes.next_hop = Some(value.ipv4(field).map_err(withdraw)?);
            }
            AttributeType::MULTI_EXIT_DISC => {
                exactly(4)?;
                attributes.med = Some(value.u32(field).map_err(withdraw)?);
            }
            AttributeType::LOCAL_PREF => {
                exactly(4)?;
                attributes.local_pref = Some(value.u32(field).map_err(withdraw)?);
            }
            AttributeType::ATOMIC_AGGREGATE => {
                // RFC 7606 §7.6.
                value.finish(field).map_err(|_| Wrong::discard(bad_length, Fault::AttributeLength))?;
                attributes.atomic_aggregate = true;
            }
            AttributeType::AGGREGATOR => {
                let aggregator = parse_aggregator(value, context.four_octet_as, field)?;
                let keep = aggregator.asn != Asn::ZERO || context.peer_kind == PeerKind::Unknown;
                attributes.aggregator = Some(aggregator).filter(|_| keep);
                if aggregator.asn == Asn::ZERO {
                    // RFC 7607 §2.
                    let at = DecodeError::new(bad_length.offset, field, DecodeErrorKind::BadValue { value: 0 });
                    return Err(Wrong::discard(at, Fault::AsZero));
                }
            }
            AttributeType::COMMUNITIES => {
                list_of(4)?;
                attributes.communities = chunks(value).map(|octets| Community(u32::from_be_bytes(octets))).collect();
            }
            AttributeType::ORIGINATOR_ID => {
                exactly(4)?;
                attributes.originator_id = Some(RouterId(value.ipv4(field).map_err(withdraw)?));
            }
            AttributeType::CLUSTER_LIST => {
                list_of(4)?;
                attributes.cluster_list =
                    chunks(value).map(|octets| RouterId::from_u32(u32::from_be_bytes(octets))).collect();
            }
            AttributeType::MP_REACH_NLRI => self.mp_reach = Some(parse_mp_reach(value, context)?),
            AttributeType::MP_UNREACH_NLRI => self.mp_unreach = Some(parse_mp_unreach(value, context)?),
            AttributeType::EXTENDED_COMMUNITIES => {
                list_of(8)?;
                attributes.extended_communities = chunks(value).map(ExtendedCommunity).collect();
            }
            AttributeType::AS4_PATH => {
                let offset = value.offset();
                let path = parse_as4_path(value, field)?;
                self.as4_path = Some(As4Path { path, offset, octets: Bytes::copy_from_slice(attribute.octets) });
            }
            AttributeType::AS4_AGGREGATOR => {
                let aggregator = parse_aggregator(value, true, field)?;
                if aggregator.asn == Asn::ZERO {
                    // RFC 7607 §2.
                    let at = DecodeError::new(bad_length.offset, field, DecodeErrorKind::BadValue { value: 0 });
                    return Err(Wrong::discard(at, Fault::AsZero));
                }
                self.as4_aggregator = Some(aggregator);
            }
            AttributeType::LARGE_COMMUNITY => {
                list_of(12)?;
                // RFC 8092 §3: duplicates are removed silently.
                attributes.large_communities = without_duplicates(chunks(value).map(LargeCommunity::from_octets));
            }
            AttributeType::ONLY_TO_CUSTOMER => {
                exactly(4)?;
                attributes.only_to_customer = Some(Asn(value.u32(field).map_err(withdraw)?));
            }
            AttributeType::IPV6_EXTENDED_COMMUNITIES => {
                list_of(20)?;
                self.keep(attribute);
            }
            AttributeType::TUNNEL_ENCAPSULATION => {
                // RFC 9012 §13.
                check_tunnel_encapsulation(value, field).map_err(|at| Wrong::withdraw(at, Fault::OptionalAttribute))?;
                self.keep(attribute);
            }
            AttributeType::AIGP => {
                // RFC 7311 §3.3.
                check_aigp(value, field).map_err(|at| Wrong::discard(at, Fault::OptionalAttribute))?;
                self.keep(attribute);
            }
            AttributeType::PREFIX_SID => {
                // RFC 8669 §6.
                check_prefix_sid(value, field).map_err(|at| Wrong::discard(at, Fault::OptionalAttribute))?;
                self.keep(attribute);
            }
            // Not reached: `required_flags` names the same types. Data is what it would be.
            _ => self.keep(attribute),
        }
        Ok(())
    }

    /// RFC 6793 §4.2.3: puts the four-octet numbers that came beside a two-octet path into their places.
    fn merge_four_octet(&mut self, context: &DecodeContext) {
        if context.four_octet_as {
            return;
        }
        let aggregator = self.attributes.aggregator;
        if let Some(aggregator) = aggregator.filter(|_| self.as4_aggregator.is_some()) {
            // A speaker in between has aggregated again: both attributes are of the old path.
            if aggregator.asn != Asn::TRANS {
                return;
            }
            self.attributes.aggregator = self.as4_aggregator;
        }
        if let Some(As4Path { path, offset, octets }) = self.as4_path.take().filter(|_| self.has_as_path) {
            let merged = merge_paths(&self.attributes.as_path, &path);
            let count = merged.asn_count();
            if count > context.as_path_limit {
                // An AS_SET of 255 numbers stands in the place of one: the merged path may be far longer than AS_PATH.
                let kind = AttributeType::AS4_PATH;
                let at = DecodeError::new(offset, field(kind), DecodeErrorKind::BadValue { value: count as u64 });
                self.record(kind, &octets, Wrong::withdraw(at, Fault::AsPathTooLong));
                return;
            }
            self.attributes.as_path = merged;
        }
    }
}

/// One attribute's header, and a reader over its value. On error the type is given as far as it is known.
fn header<'a>(reader: &mut Reader<'a>) -> Result<Attribute<'a>, (DecodeError, AttributeType)> {
    const FIELD: &str = "path_attributes.attribute_length";
    let (start, offset) = (reader.rest(), reader.offset());
    let flags = AttributeFlags(reader.u8("path_attributes.attribute_flags").map_err(|at| (at, AttributeType(0)))?);
    let kind = AttributeType(reader.u8("path_attributes.attribute_type").map_err(|at| (at, AttributeType(0)))?);
    let length = if flags.is_extended_length() { reader.u16(FIELD) } else { reader.u8(FIELD).map(u16::from) };
    let length = usize::from(length.map_err(|at| (at, kind))?);
    let value = reader.cut(length, field(kind)).map_err(|at| (at, kind))?;
    let octets = start.get(..start.len() - reader.remaining()).unwrap_or(start);
    Ok(Attribute { flags, kind, octets, offset, value })
}

/// RFC 5065 §5: confederation segments come from inside of our confederation only, and what comes from another member AS
/// begins with one that names it.
fn is_of_another_confederation(path: &AsPath, context: &DecodeContext) -> bool {
    let mut segments = path.segments();
    match context.peer_kind {
        PeerKind::Unknown => false,
        PeerKind::Confederation => segments.next().is_none_or(|first| first.kind != SegmentKind::AsConfedSequence),
        PeerKind::Internal if context.confederation => false,
        PeerKind::Internal | PeerKind::External => segments.any(|segment| segment.kind.is_confederation()),
    }
}

/// Attributes that this peer has no business to send (RFC 7606 §7.5, §7.9, §7.10; RFC 6793 §4.1), and configured ones.
fn unwanted(kind: AttributeType, context: &DecodeContext) -> bool {
    let by_peer = match kind {
        AttributeType::LOCAL_PREF | AttributeType::ORIGINATOR_ID | AttributeType::CLUSTER_LIST => {
            // RFC 5065 §5.3: members of a confederation do send each other LOCAL_PREF.
            context.peer_kind == PeerKind::External
                || context.peer_kind == PeerKind::Confederation && kind != AttributeType::LOCAL_PREF
        }
        AttributeType::AS4_PATH | AttributeType::AS4_AGGREGATOR => context.four_octet_as,
        _ => false,
    };
    by_peer || context.discard.contains(&kind)
}

fn chunks<const N: usize>(value: Reader<'_>) -> impl Iterator<Item = [u8; N]> {
    let (chunks, _) = value.rest().as_chunks::<N>();
    chunks.iter().copied()
}

/// RFC 7606 §7.11 and §7.12: what cannot be read cannot be withdrawn; the session is reset, or the family disabled
/// where that is configured and the family could be read.
fn unreadable(at: DecodeError, fault: Fault, family: Option<Family>, context: &DecodeContext) -> Wrong {
    match family {
        Some(family) if context.malformed_family == MalformedFamily::Disable => {
            Wrong::new(at, Outcome::DisableFamily(family), fault)
        }
        _ => Wrong::reset(at, fault),
    }
}

fn parse_family(value: &mut Reader<'_>, field: &'static str) -> Result<Family, Wrong> {
    let short = |at| Wrong::reset(at, Fault::AttributeLength);
    let afi = Afi(value.u16(field).map_err(short)?);
    Ok(Family { afi, safi: Safi(value.u8(field).map_err(short)?) })
}

fn parse_mp_reach(mut value: Reader<'_>, context: &DecodeContext) -> Result<MpReach, Wrong> {
    let family = parse_family(&mut value, "mp_reach_nlri.family")?;
    let unreadable = |fault| move |at| unreadable(at, fault, Some(family), context);
    let structure = unreadable(Fault::OptionalAttribute);
    let length = value.u8("mp_reach_nlri.next_hop_length").map_err(structure)?;
    let next_hop = value.cut(usize::from(length), "mp_reach_nlri.next_hop").map_err(structure)?;
    let extended = context.extended_next_hop.contains(&family);
    let next_hop = MpNextHop::parse(next_hop, family, extended).map_err(structure)?;
    value.u8("mp_reach_nlri.reserved").map_err(structure)?;
    let add_path = context.add_path.contains(&family);
    let nlri = MpNlri::parse(&mut value, family, add_path, "mp_reach_nlri.nlri")
        .map_err(unreadable(Fault::InvalidNetworkField))?;
    Ok(MpReach { family, next_hop, nlri })
}

fn parse_mp_unreach(mut value: Reader<'_>, context: &DecodeContext) -> Result<MpUnreach, Wrong> {
    let family = parse_family(&mut value, "mp_unreach_nlri.family")?;
    let add_path = context.add_path.contains(&family);
    let nlri = MpNlri::parse(&mut value, family, add_path, "mp_unreach_nlri.withdrawn_routes")
        .map_err(|at| unreadable(at, Fault::InvalidNetworkField, Some(family), context))?;
    Ok(MpUnreach { family, nlri })
}
