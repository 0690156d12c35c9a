//! An UPDATE read in place: the usual message, without a value for each of its fields.
//!
//! Invariant: where [`UpdateView::parse`] answers, [`Update::parse`](super::Update) finds nothing wrong with the message
//! and the same routes in it. It answers where everything stands as careful senders put it. Everything else is left to
//! the whole decoder: errors above all, so that what RFC 7606 asks for has one place.

use std::net::{IpAddr, Ipv4Addr};

use net::Prefix;

use super::super::community::FEW;
use super::super::header::HEADER_LENGTH;
use super::super::nlri::padded;
use super::super::reader::Reader;
use super::super::{
    AttributeFlags, AttributeType, DecodeContext, Family, MpNextHop, NextHop, Nlri, PathView, PeerKind,
};

/// The routes of one UPDATE, in the message's own octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpdateView<'a> {
    /// Withdrawn Routes: IPv4 unicast.
    pub(crate) withdrawn: NlriView<'a>,
    /// NLRI: IPv4 unicast.
    pub(crate) nlri: NlriView<'a>,
    /// MP_UNREACH_NLRI.
    pub(crate) unreach: Option<NlriView<'a>>,
    /// MP_REACH_NLRI and its next hop.
    pub(crate) reach: Option<(NextHop, NlriView<'a>)>,
    /// The path of what is announced; there if anything is.
    pub(crate) path: Option<PathView<'a>>,
}

/// NLRI of one family, known to be well-formed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NlriView<'a> {
    pub(crate) family: Family,
    octets: &'a [u8],
    add_path: bool,
}

impl<'a> UpdateView<'a> {
    /// Reads a whole message, which ends where its header says. The path attributes are written to `block` as
    /// [`PathAttributes::encode_block`](super::super::PathAttributes) would. `None`: the whole decoder has to look at it.
    pub(crate) fn parse(frame: &'a [u8], context: &DecodeContext, block: &'a mut Vec<u8>) -> Option<UpdateView<'a>> {
        if !context.four_octet_as {
            return None;
        }
        let (withdrawn, rest) = cut(frame.get(HEADER_LENGTH..)?)?;
        let (attributes, nlri) = cut(rest)?;
        let withdrawn = NlriView::parse(withdrawn, Family::IPV4_UNICAST, context)?;
        let nlri = NlriView::parse(nlri, Family::IPV4_UNICAST, context)?;
        block.clear();
        let mut walk = Walk { context, block, path: PathView::default(), reach: None, unreach: None };
        walk.attributes(attributes)?;
        let Walk { reach, unreach, mut path, .. } = walk;
        let announces = !nlri.is_empty() || reach.is_some();
        if announces {
            let complete = path.has_origin && path.has_as_path;
            // RFC 4271 §5.1.5.
            let internal = context.peer_kind == PeerKind::Internal;
            if !complete || (internal && path.local_pref.is_none()) {
                return None;
            }
        } else if !block.is_empty() || (withdrawn.is_empty() && unreach.is_none()) {
            // Attributes without routes, or an End-of-RIB marker.
            return None;
        }
        if !nlri.is_empty() {
            let next_hop = path.next_hop?;
            if next_hop.is_unspecified() || next_hop.is_multicast() || next_hop.is_broadcast() {
                return None;
            }
        }
        path.block = block;
        Some(UpdateView { withdrawn, nlri, unreach, reach, path: announces.then_some(path) })
    }

    /// So many of its routes after the first `from`, in the order in which they are applied; and where the next part
    /// begins, if there is one.
    pub(crate) fn part(&self, from: usize, limit: usize) -> (UpdateView<'a>, Option<usize>) {
        let (mut skip, mut left, mut more) = (from, limit, false);
        let mut cut = |mut view: NlriView<'a>| {
            skip -= view.pass(skip);
            let start = view.octets;
            left -= view.pass(left);
            more |= !view.is_empty();
            NlriView { octets: start.get(..start.len() - view.octets.len()).unwrap_or_default(), ..view }
        };
        let withdrawn = cut(self.withdrawn);
        let nlri = cut(self.nlri);
        let unreach = self.unreach.map(&mut cut);
        let reach = self.reach.map(|(next_hop, nlri)| (next_hop, cut(nlri))).filter(|(_, nlri)| !nlri.is_empty());
        (UpdateView { withdrawn, nlri, unreach, reach, path: self.path }, more.then_some(from + limit))
    }

    /// The families that it has routes of.
    pub(crate) fn families(&self) -> impl Iterator<Item = Family> {
        let classic = !self.withdrawn.is_empty() || !self.nlri.is_empty();
        let reach = self.reach.map(|(_, nlri)| nlri.family);
        let unreach = self.unreach.map(|nlri| nlri.family);
        classic.then_some(Family::IPV4_UNICAST).into_iter().chain(unreach).chain(reach)
    }
}

/// A field with its two-octet length in front, and what follows it.
fn cut(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

impl<'a> NlriView<'a> {
    fn parse(octets: &'a [u8], family: Family, context: &DecodeContext) -> Option<NlriView<'a>> {
        let bits = family.address_bits()?;
        let add_path = context.add_path.contains(&family);
        let mut rest = octets;
        while !rest.is_empty() {
            if add_path {
                rest = rest.get(4..)?;
            }
            let (length, after) = rest.split_first()?;
            if *length > bits {
                return None;
            }
            rest = after.get(usize::from(length.div_ceil(8))..)?;
        }
        Some(NlriView { family, octets, add_path })
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Goes past so many routes, or to the end; past how many.
    fn pass(&mut self, count: usize) -> usize {
        let head = if self.add_path { 4 } else { 0 };
        let mut passed = 0;
        while passed < count
            && let Some(length) = self.octets.get(head)
        {
            self.octets = self.octets.get(head + 1 + usize::from(length.div_ceil(8))..).unwrap_or_default();
            passed += 1;
        }
        passed
    }
}

impl Iterator for NlriView<'_> {
    type Item = Nlri;

    #[inline]
    fn next(&mut self) -> Option<Nlri> {
        let mut path_id = 0;
        if self.add_path {
            let (id, rest) = self.octets.split_first_chunk::<4>()?;
            (path_id, self.octets) = (u32::from_be_bytes(*id), rest);
        }
        let (length, rest) = self.octets.split_first()?;
        let (address, after) = rest.split_at_checked(usize::from(length.div_ceil(8)))?;
        self.octets = after;
        let prefix = if self.family == Family::IPV4_UNICAST {
            // What follows is in the way of nobody: bits beyond the length don't count (RFC 4271 §4.3).
            let octets = rest.first_chunk::<4>().copied().unwrap_or_else(|| padded(address));
            Prefix::new(IpAddr::V4(octets.into()), *length)
        } else {
            let octets = rest.first_chunk::<16>().copied().unwrap_or_else(|| padded(address));
            Prefix::new(IpAddr::V6(octets.into()), *length)
        };
        prefix.map(|prefix| Nlri { path_id, prefix })
    }
}

/// On the way through the Path Attributes field.
struct Walk<'a, 'b> {
    context: &'b DecodeContext,
    block: &'b mut Vec<u8>,
    path: PathView<'a>,
    reach: Option<(NextHop, NlriView<'a>)>,
    unreach: Option<NlriView<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn attributes(&mut self, mut rest: &'a [u8]) -> Option<()> {
        let mut last = None;
        while !rest.is_empty() {
            let (&[flags, kind, short], mut after) = rest.split_first_chunk::<3>()?;
            let (flags, kind) = (AttributeFlags(flags), AttributeType(kind));
            let mut length = usize::from(short);
            if flags.is_extended_length() {
                let (low, long) = after.split_first()?;
                (length, after) = (length << 8 | usize::from(*low), long);
            }
            let (value, after) = after.split_at_checked(length)?;
            let whole = rest.get(..rest.len() - after.len())?;
            rest = after;
            match kind {
                AttributeType::MP_REACH_NLRI => self.reach(flags, value)?,
                AttributeType::MP_UNREACH_NLRI => self.unreach(flags, value)?,
                // Ascending order, which is how they are kept, has no duplicates either.
                _ if Some(kind) <= last || self.context.discard.contains(&kind) => return None,
                _ => {
                    last = Some(kind);
                    self.attribute(flags, kind, value, whole)?;
                }
            }
        }
        Some(())
    }

    fn attribute(
        &mut self,
        flags: AttributeFlags,
        kind: AttributeType,
        value: &'a [u8],
        whole: &'a [u8],
    ) -> Option<()> {
        if kind == AttributeType::AS4_PATH || kind == AttributeType::AS4_AGGREGATOR {
            return None;
        }
        match kind.required_flags() {
            Some(required) => {
                // The partial bit stays where it means something; bits that mean nothing are for the whole decoder.
                let allowed = if kind.can_be_partial() { AttributeFlags::PARTIAL } else { 0 };
                if flags.0 & !(AttributeFlags::EXTENDED_LENGTH | allowed) != required.0 {
                    return None;
                }
                self.path.read(kind, value, self.context)?;
                let length = value.len();
                if flags.is_extended_length() && length < 256 {
                    self.block.extend([flags.0 & !AttributeFlags::EXTENDED_LENGTH, kind.0, length as u8]);
                    self.block.extend_from_slice(value);
                } else {
                    self.block.extend_from_slice(whole);
                }
            }
            // Data, which is kept as it came.
            None if flags.is_optional() => self.block.extend_from_slice(whole),
            None => return None,
        }
        Some(())
    }

    fn reach(&mut self, flags: AttributeFlags, value: &'a [u8]) -> Option<()> {
        let (family, rest) = family(flags, value)?;
        let (length, rest) = rest.split_first()?;
        let (next_hop, rest) = rest.split_at_checked(usize::from(*length))?;
        let (_reserved, nlri) = rest.split_first()?;
        let extended = self.context.extended_next_hop.contains(&family);
        let MpNextHop::Address(next_hop) = MpNextHop::parse(Reader::new(next_hop, 0), family, extended).ok()? else {
            return None;
        };
        let nlri = NlriView::parse(nlri, family, self.context).filter(|nlri| !nlri.is_empty())?;
        self.reach.replace((next_hop, nlri)).is_none().then_some(())
    }

    fn unreach(&mut self, flags: AttributeFlags, value: &'a [u8]) -> Option<()> {
        let (family, nlri) = family(flags, value)?;
        let nlri = NlriView::parse(nlri, family, self.context).filter(|nlri| !nlri.is_empty())?;
        self.unreach.replace(nlri).is_none().then_some(())
    }
}

/// The family in front of a multiprotocol attribute's value, if it is one whose NLRI is typed.
fn family(flags: AttributeFlags, value: &[u8]) -> Option<(Family, &[u8])> {
    if flags.0 & !AttributeFlags::EXTENDED_LENGTH != AttributeFlags::OPTIONAL.0 {
        return None;
    }
    let (head, rest) = value.split_first_chunk::<3>()?;
    let known = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    let family = known.into_iter().find(|family| {
        let [high, low] = family.afi.0.to_be_bytes();
        *head == [high, low, family.safi.0]
    })?;
    Some((family, rest))
}

impl<'a> PathView<'a> {
    /// The value of an attribute of which the decoder has more to say than that it is data. `None` if it has.
    fn read(&mut self, kind: AttributeType, value: &'a [u8], context: &DecodeContext) -> Option<()> {
        let internal_only = context.peer_kind == PeerKind::Internal;
        let list_of = |size: usize| (!value.is_empty() && value.len().is_multiple_of(size)).then_some(value);
        match kind {
            AttributeType::ORIGIN => {
                let &[origin] = value else { return None };
                (self.origin, self.has_origin) = (origin, true);
                (origin <= 2).then_some(())?;
            }
            AttributeType::AS_PATH => {
                // From another member AS of a confederation it has to begin with one of its segments (RFC 5065 §5).
                if context.peer_kind == PeerKind::Confederation {
                    return None;
                }
                let path = super::super::AsPathView::parse(value)?;
                let mut count = 0;
                for segment in path.segments() {
                    // Confederations have rules of their own (RFC 5065 §5); AS 0 may not be (RFC 7607 §2).
                    if segment.kind.is_confederation() || segment.asns().any(|asn| asn.0 == 0) {
                        return None;
                    }
                    count += segment.asn_count();
                }
                (count <= context.as_path_limit).then_some(())?;
                (self.as_path, self.has_as_path) = (path, true);
            }
            AttributeType::NEXT_HOP => self.next_hop = Some(Ipv4Addr::from_bits(number(value)?)),
            AttributeType::MULTI_EXIT_DISC => self.med = Some(number(value)?),
            // RFC 7606 §7.5, §7.9, §7.10: not from outside.
            AttributeType::LOCAL_PREF if internal_only => self.local_pref = Some(number(value)?),
            AttributeType::ORIGINATOR_ID if internal_only => self.originator_id = Some(number(value)?),
            AttributeType::CLUSTER_LIST if internal_only => self.cluster_list = list_of(4)?,
            AttributeType::ATOMIC_AGGREGATE => value.is_empty().then_some(())?,
            AttributeType::AGGREGATOR => (value.len() == 8 && value.get(..4) != Some(&[0; 4])).then_some(())?,
            AttributeType::COMMUNITIES => self.communities = list_of(4)?,
            AttributeType::EXTENDED_COMMUNITIES => drop(list_of(8)?),
            AttributeType::LARGE_COMMUNITY => {
                let (communities, _) = list_of(12)?.as_chunks::<12>();
                // RFC 8092 §3: duplicates have to be removed. Many are compared elsewhere.
                let mut rest = communities;
                while let [first, others @ ..] = rest {
                    rest = others;
                    if communities.len() > FEW || others.contains(first) {
                        return None;
                    }
                }
            }
            AttributeType::ONLY_TO_CUSTOMER => self.only_to_customer = Some(number(value)?),
            _ => return None,
        }
        Some(())
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}
