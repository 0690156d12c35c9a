//! Patterns of communities of all three kinds, and sets of them.

use super::number::digits;
use super::{ParseError, PolicySession};
use crate::wire::{Community, ExtendedCommunity, LargeCommunity, PathAttributes};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// One number of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Field {
    /// Any number.
    Any,
    /// These, both ends among them.
    Between(u32, u32),
    /// The neighbour's AS number.
    NeighborAs,
    /// Our AS number.
    LocalAs,
}

impl Field {
    const fn exactly(number: u32) -> Field {
        Field::Between(number, number)
    }

    const fn matches(self, number: u32) -> bool {
        match self {
            Field::Any => true,
            Field::Between(first, last) => first <= number && number <= last,
            // Not bound to a session: nobody's number.
            Field::NeighborAs | Field::LocalAs => false,
        }
    }

    const fn value(self) -> Option<u32> {
        match self {
            Field::Between(first, last) if first == last => Some(first),
            _ => None,
        }
    }

    const fn is_one_number(self) -> bool {
        matches!(self, Field::NeighborAs | Field::LocalAs) || self.value().is_some()
    }

    const fn bound(self, session: &PolicySession) -> Field {
        match self {
            Field::NeighborAs => Field::exactly(session.neighbor_asn.0),
            Field::LocalAs => Field::exactly(session.local_asn.0),
            other => other,
        }
    }

    fn parse(text: &str, max: u32) -> Result<Field, ParseError> {
        let number = |text: &str| {
            let number: u32 = digits(text)?;
            if number > max {
                return Err(ParseError::new(format!("{number} is over {max}")));
            }
            Ok(number)
        };
        match text {
            "*" => Ok(Field::Any),
            "neighbor-as" => Ok(Field::NeighborAs),
            "local-as" => Ok(Field::LocalAs),
            _ => match text.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(ParseError::new(format!("{first}-{last} holds no number")));
                    }
                    Ok(Field::Between(first, last))
                }
                None => number(text).map(Field::exactly),
            },
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Any => f.write_str("*"),
            Field::Between(first, last) if first == last => first.fmt(f),
            Field::Between(first, last) => write!(f, "{first}-{last}"),
            Field::NeighborAs => f.write_str("neighbor-as"),
            Field::LocalAs => f.write_str("local-as"),
        }
    }
}

/// The first part of a route target or route origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Administrator {
    /// An AS number in either form; [`Field::Any`] is also any address.
    As(Field),
    Address(Ipv4Addr),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Form {
    Standard([Field; 2]),
    Large([Field; 3]),
    /// Route target (2) or route origin (3), RFC 4360 §4 and §5, RFC 5668.
    Extended {
        subtype: u8,
        administrator: Administrator,
        local: Field,
    },
    /// The first so many hex digits of an extended community.
    Octets {
        value: u64,
        digits: u32,
    },
}

/// Communities of one kind, by number. Written:
///
/// - `65001:100` a standard one (RFC 1997); also by name: `no-export`, `no-advertise`, `no-export-subconfed`, `no-peer`,
///   `blackhole`, `graceful-shutdown`, `llgr-stale`, `no-llgr`
/// - `65001:1:2` a large one (RFC 8092)
/// - `rt:65001:100`, `rt:192.0.2.1:100` a route target, `ro:…` a route origin (RFC 4360 §4, §5; RFC 5668)
/// - `ext:0002fde900000064` any extended one, as 16 hex digits; `ext:4300*` those that begin so
///
/// A number may be `*` (any), a range `100-199`, `neighbor-as` or `local-as` (the AS numbers of the session).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommunityPattern(Form);

/// A community of any kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AnyCommunity {
    /// RFC 1997.
    Standard(Community),
    /// RFC 4360.
    Extended(ExtendedCommunity),
    /// RFC 8092.
    Large(LargeCommunity),
}

const ROUTE_TARGET: u8 = 2;
const ROUTE_ORIGIN: u8 = 3;
/// Type octets by form of the administrator: two-octet AS (RFC 4360 §3.1), IPv4 address (§3.2), four-octet AS (RFC 5668).
const TWO_OCTET_AS: u8 = 0;
const IPV4_ADDRESS: u8 = 1;
const FOUR_OCTET_AS: u8 = 2;

/// Names of standard communities (IANA BGP Well-known Communities).
pub const WELL_KNOWN: [(&str, Community); 8] = [
    ("no-export", Community::NO_EXPORT),
    ("no-advertise", Community::NO_ADVERTISE),
    ("no-export-subconfed", Community::NO_EXPORT_SUBCONFED),
    ("no-peer", Community::NO_PEER),
    ("blackhole", Community::BLACKHOLE),
    ("graceful-shutdown", Community::GRACEFUL_SHUTDOWN),
    ("llgr-stale", Community::LLGR_STALE),
    ("no-llgr", Community::NO_LLGR),
];

impl CommunityPattern {
    /// Whether `community` is meant.
    pub fn matches(&self, community: AnyCommunity) -> bool {
        match (self.0, community) {
            (Form::Standard([high, low]), AnyCommunity::Standard(Community(community))) => {
                high.matches(community >> 16) && low.matches(community & 0xffff)
            }
            (Form::Large([a, b, c]), AnyCommunity::Large(LargeCommunity { global, local1, local2 })) => {
                a.matches(global) && b.matches(local1) && c.matches(local2)
            }
            (Form::Octets { value, digits }, AnyCommunity::Extended(ExtendedCommunity(octets))) => {
                // Sixteen digits are all of it.
                digits == 0 || (u64::from_be_bytes(octets) ^ value) >> (64 - 4 * digits) == 0
            }
            (Form::Extended { subtype, administrator, local }, AnyCommunity::Extended(community)) => {
                let [kind, sub, a, b, c, d, e, f] = community.0;
                // The T bit does not change what it is.
                let (administrator_matches, number) = match (kind & 0x3f, administrator) {
                    (TWO_OCTET_AS, Administrator::As(field)) => {
                        (field.matches(u16::from_be_bytes([a, b]).into()), u32::from_be_bytes([c, d, e, f]))
                    }
                    (FOUR_OCTET_AS, Administrator::As(field)) => {
                        (field.matches(u32::from_be_bytes([a, b, c, d])), u16::from_be_bytes([e, f]).into())
                    }
                    (IPV4_ADDRESS, Administrator::As(Field::Any)) => (true, u16::from_be_bytes([e, f]).into()),
                    (IPV4_ADDRESS, Administrator::Address(address)) => {
                        (address == Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, f]).into())
                    }
                    _ => return false,
                };
                sub == subtype && administrator_matches && local.matches(number)
            }
            _ => false,
        }
    }

    /// The community, if the pattern means exactly one; `neighbor-as` and `local-as` only once they are bound.
    pub fn value(&self) -> Option<AnyCommunity> {
        match self.0 {
            Form::Standard([high, low]) => {
                let (high, low) = (u16::try_from(high.value()?).ok()?, u16::try_from(low.value()?).ok()?);
                Some(AnyCommunity::Standard(Community::new(high, low)))
            }
            Form::Large([a, b, c]) => {
                Some(AnyCommunity::Large(LargeCommunity { global: a.value()?, local1: b.value()?, local2: c.value()? }))
            }
            Form::Octets { value, digits: 16 } => Some(AnyCommunity::Extended(ExtendedCommunity(value.to_be_bytes()))),
            Form::Octets { .. } => None,
            Form::Extended { subtype, administrator, local } => {
                let local = local.value()?;
                let (kind, value) = match administrator {
                    Administrator::As(field) => match u16::try_from(field.value()?) {
                        Ok(asn) => (TWO_OCTET_AS, u64::from(asn) << 32 | u64::from(local)),
                        Err(_) => {
                            (FOUR_OCTET_AS, u64::from(field.value()?) << 16 | u64::from(u16::try_from(local).ok()?))
                        }
                    },
                    Administrator::Address(address) => {
                        (IPV4_ADDRESS, u64::from(address.to_bits()) << 16 | u64::from(u16::try_from(local).ok()?))
                    }
                };
                let head = u64::from(kind) << 56 | u64::from(subtype) << 48;
                Some(AnyCommunity::Extended(ExtendedCommunity((head | value).to_be_bytes())))
            }
        }
    }

    /// Whether it means one community on every session: no wildcard, no range.
    pub fn is_one_community(&self) -> bool {
        match self.0 {
            Form::Standard(fields) => fields.iter().all(|field| field.is_one_number()),
            Form::Large(fields) => fields.iter().all(|field| field.is_one_number()),
            Form::Octets { digits, .. } => digits == 16,
            Form::Extended { administrator, local, .. } => {
                local.is_one_number()
                    && match administrator {
                        Administrator::As(field) => field.is_one_number(),
                        Administrator::Address(_) => true,
                    }
            }
        }
    }

    /// With the session's AS numbers in the place of `neighbor-as` and `local-as`.
    #[must_use]
    pub fn bound(self, session: &PolicySession) -> CommunityPattern {
        CommunityPattern(match self.0 {
            Form::Standard(fields) => Form::Standard(fields.map(|field| field.bound(session))),
            Form::Large(fields) => Form::Large(fields.map(|field| field.bound(session))),
            Form::Extended { subtype, administrator: Administrator::As(field), local } => Form::Extended {
                subtype,
                administrator: Administrator::As(field.bound(session)),
                local: local.bound(session),
            },
            Form::Extended { subtype, administrator, local } => {
                Form::Extended { subtype, administrator, local: local.bound(session) }
            }
            form @ Form::Octets { .. } => form,
        })
    }
}

impl From<AnyCommunity> for CommunityPattern {
    fn from(community: AnyCommunity) -> CommunityPattern {
        CommunityPattern(match community {
            AnyCommunity::Standard(Community(number)) => {
                Form::Standard([Field::exactly(number >> 16), Field::exactly(number & 0xffff)])
            }
            AnyCommunity::Large(LargeCommunity { global, local1, local2 }) => {
                Form::Large([global, local1, local2].map(Field::exactly))
            }
            AnyCommunity::Extended(ExtendedCommunity(octets)) => {
                Form::Octets { value: u64::from_be_bytes(octets), digits: 16 }
            }
        })
    }
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Standard([high, low]) => {
                let known = WELL_KNOWN.iter().find(|(_, known)| self.value() == Some(AnyCommunity::Standard(*known)));
                match known {
                    Some((name, _)) => f.write_str(name),
                    None => write!(f, "{high}:{low}"),
                }
            }
            Form::Large([a, b, c]) => write!(f, "{a}:{b}:{c}"),
            Form::Extended { subtype, administrator, local } => {
                let name = if subtype == ROUTE_TARGET { "rt" } else { "ro" };
                match administrator {
                    Administrator::As(field) => write!(f, "{name}:{field}:{local}"),
                    Administrator::Address(address) => write!(f, "{name}:{address}:{local}"),
                }
            }
            Form::Octets { value, digits } => {
                let text = format!("{value:016x}");
                let shown = text.get(..digits as usize).unwrap_or(&text);
                write!(f, "ext:{shown}{}", if digits < 16 { "*" } else { "" })
            }
        }
    }
}

impl FromStr for CommunityPattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<CommunityPattern, ParseError> {
        if let Some((_, community)) = WELL_KNOWN.iter().find(|(name, _)| *name == text) {
            return Ok(AnyCommunity::Standard(*community).into());
        }
        let parts: Vec<&str> = text.split(':').collect();
        let wrong = |error: ParseError| ParseError::new(format!("community `{}`: {error}", super::shorten(text)));
        let two_octets = u32::from(u16::MAX);
        let form = match parts.as_slice() {
            ["ext", hex] => octets(hex),
            [name @ ("rt" | "ro"), administrator, local] => {
                let subtype = if *name == "rt" { ROUTE_TARGET } else { ROUTE_ORIGIN };
                extended(subtype, administrator, local)
            }
            [high, low] => Field::parse(high, two_octets)
                .and_then(|high| Ok(Form::Standard([high, Field::parse(low, two_octets)?]))),
            [a, b, c] => {
                [a, b, c].into_iter().map(|part| Field::parse(part, u32::MAX)).collect::<Result<Vec<_>, _>>().map(
                    |fields| match fields.as_slice() {
                        [a, b, c] => Form::Large([*a, *b, *c]),
                        _ => Form::Large([Field::Any; 3]),
                    },
                )
            }
            _ => Err(ParseError::new("expected A:B, A:B:C, rt:A:B, ro:A:B, ext:HEX or a well-known name")),
        };
        form.map(CommunityPattern).map_err(wrong)
    }
}

fn extended(subtype: u8, administrator: &str, local: &str) -> Result<Form, ParseError> {
    let two_octets = u32::from(u16::MAX);
    let (administrator, most) = match administrator.parse() {
        Ok(address) => (Administrator::Address(address), two_octets),
        Err(_) => {
            let field = Field::parse(administrator, u32::MAX)?;
            // A four-octet AS leaves two octets for the rest.
            let long = matches!(field, Field::Between(first, _) if first > two_octets);
            (Administrator::As(field), if long { two_octets } else { u32::MAX })
        }
    };
    Ok(Form::Extended { subtype, administrator, local: Field::parse(local, most)? })
}

fn octets(hex: &str) -> Result<Form, ParseError> {
    let (number, open) = match hex.strip_suffix('*') {
        Some(number) => (number, true),
        None => (hex, false),
    };
    let plain = number.len() <= 16 && number.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !plain || (number.len() < 16 && !open) {
        return Err(ParseError::new("ext: is followed by 16 hex digits, or by fewer and `*`"));
    }
    let value = u64::from_str_radix(&format!("{number:0<16}"), 16).unwrap_or_default();
    Ok(Form::Octets { value, digits: number.len() as u32 })
}

/// Communities that any of several patterns means. Single ones are found by binary search.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CommunitySet {
    standard: Vec<Community>,
    large: Vec<LargeCommunity>,
    patterns: Vec<CommunityPattern>,
}

impl CommunitySet {
    /// What any of the patterns means.
    pub fn new(patterns: impl IntoIterator<Item = CommunityPattern>) -> CommunitySet {
        let mut set = CommunitySet::default();
        for pattern in patterns {
            match pattern.value() {
                Some(AnyCommunity::Standard(community)) => set.standard.push(community),
                Some(AnyCommunity::Large(community)) => set.large.push(community),
                Some(AnyCommunity::Extended(_)) | None => set.patterns.push(pattern),
            }
        }
        set.standard.sort_unstable();
        set.standard.dedup();
        set.large.sort_unstable();
        set.large.dedup();
        set.patterns.sort_unstable();
        set.patterns.dedup();
        set
    }

    /// Whether `community` is meant.
    pub fn contains(&self, community: AnyCommunity) -> bool {
        let single = match community {
            AnyCommunity::Standard(community) => self.standard.binary_search(&community).is_ok(),
            AnyCommunity::Large(community) => self.large.binary_search(&community).is_ok(),
            AnyCommunity::Extended(_) => false,
        };
        single || self.patterns.iter().any(|pattern| pattern.matches(community))
    }

    /// Whether the route has any of them.
    pub fn matches(&self, attributes: &PathAttributes) -> bool {
        all(attributes).any(|community| self.contains(community))
    }

    /// With the session's AS numbers in the place of `neighbor-as` and `local-as`; `None` if they don't stand in it.
    pub fn bound(&self, session: &PolicySession) -> Option<CommunitySet> {
        if self.patterns.iter().all(|pattern| pattern.bound(session) == *pattern) {
            return None;
        }
        let standard = self.standard.iter().map(|community| AnyCommunity::Standard(*community).into());
        let large = self.large.iter().map(|community| AnyCommunity::Large(*community).into());
        let patterns = self.patterns.iter().map(|pattern| pattern.bound(session));
        Some(CommunitySet::new(standard.chain(large).chain(patterns)))
    }
}

/// A route's communities of all kinds.
pub(super) fn all(attributes: &PathAttributes) -> impl Iterator<Item = AnyCommunity> + '_ {
    let standard = attributes.communities.iter().copied().map(AnyCommunity::Standard);
    let extended = attributes.extended_communities.iter().copied().map(AnyCommunity::Extended);
    let large = attributes.large_communities.iter().copied().map(AnyCommunity::Large);
    standard.chain(extended).chain(large)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::session;
    use proptest::prelude::*;

    fn pattern(text: &str) -> CommunityPattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_parse_as_they_print() {
        for text in [
            "65001:100",
            "65001:*",
            "65001:100-199",
            "blackhole",
            "0:neighbor-as",
            "65001:1:2",
            "*:*:*",
            "local-as:0:neighbor-as",
            "rt:65001:100",
            "ro:192.0.2.1:5",
            "rt:4200000000:7",
            "rt:*:*",
            "ext:0002fde900000064",
            "ext:43*",
            "ext:*",
        ] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern("65535:666"), pattern("blackhole"));
        for bad in
            ["", "65001", "65536:1", "1:2:3:4", "1:4294967296:3", "ext:00", "ext:g", "rt:1", "rt:4200000000:65536"]
        {
            assert!(bad.parse::<CommunityPattern>().is_err(), "{bad}");
        }
        let error = "65001:x".parse::<CommunityPattern>().unwrap_err().to_string();
        assert_eq!(error, "community `65001:x`: `x` is not a number in range");
    }

    #[test]
    fn wildcards_and_ranges_stand_for_numbers_of_their_kind_only() {
        let standard = |high, low| AnyCommunity::Standard(Community::new(high, low));
        let large = |global, local1, local2| AnyCommunity::Large(LargeCommunity { global, local1, local2 });
        for (text, community, expected) in [
            ("65001:*", standard(65001, 7), true),
            ("65001:*", standard(65002, 7), false),
            ("*:100-199", standard(1, 150), true),
            ("*:100-199", standard(1, 200), false),
            ("*:*", large(1, 2, 3), false),
            ("1:*:3", large(1, 2, 3), true),
            ("ext:*", standard(1, 2), false),
        ] {
            assert_eq!(pattern(text).matches(community), expected, "{text} {community:?}");
        }
    }

    #[test]
    fn a_route_target_is_the_same_in_each_of_its_forms() {
        let octets = |text: &str| match pattern(text).value() {
            Some(AnyCommunity::Extended(ExtendedCommunity(octets))) => octets,
            other => panic!("{other:?}"),
        };
        assert_eq!(octets("rt:65001:100"), [0, 2, 0xfd, 0xe9, 0, 0, 0, 100]);
        assert_eq!(octets("rt:192.0.2.1:100"), [1, 2, 192, 0, 2, 1, 0, 100]);
        assert_eq!(octets("ro:4200000000:100"), [2, 3, 0xfa, 0x56, 0xea, 0, 0, 100]);
        let four_octets = AnyCommunity::Extended(ExtendedCommunity([2, 2, 0, 0, 0xfd, 0xe9, 0, 100]));
        assert!(pattern("rt:65001:100").matches(four_octets));
        assert!(!pattern("ro:65001:100").matches(four_octets));
        assert!(pattern("rt:*:100").matches(pattern("rt:192.0.2.1:100").value().unwrap()));
        assert!(pattern("ext:0202*").matches(four_octets) && !pattern("ext:0203*").matches(four_octets));
    }

    #[test]
    fn the_sessions_as_numbers_take_the_places_kept_for_them() {
        let session = session();
        let bound = pattern("local-as:0:neighbor-as").bound(&session);
        assert_eq!(bound.to_string(), format!("{}:0:{}", session.local_asn, session.neighbor_asn));
        assert_eq!(pattern("0:neighbor-as").value(), None);
        // A four-octet AS number does not fit in a standard community.
        let wide = PolicySession { neighbor_asn: crate::wire::Asn(65536), ..session };
        assert_eq!(pattern("0:neighbor-as").bound(&wide).value(), None);
    }

    proptest! {
        #[test]
        fn a_set_holds_what_any_of_its_patterns_means(
            texts in prop::collection::vec("[1-3*]:[1-3*]|[12*]:[12*]:[12*]|rt:[1-2*]:[12*]|[12]:1-2", 0..8),
            numbers in prop::collection::vec((1u16..4, 1u16..4, 1u32..3), 8),
        ) {
            let patterns: Vec<CommunityPattern> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let set = CommunitySet::new(patterns.iter().copied());
            for (a, b, c) in numbers {
                for community in [
                    AnyCommunity::Standard(Community::new(a, b)),
                    AnyCommunity::Large(LargeCommunity { global: a.into(), local1: b.into(), local2: c }),
                    pattern(&format!("rt:{a}:{b}")).value().unwrap(),
                ] {
                    let expected = patterns.iter().any(|pattern| pattern.matches(community));
                    prop_assert_eq!(set.contains(community), expected, "{:?} {:?}", patterns, community);
                    prop_assert!(CommunityPattern::from(community).matches(community));
                }
            }
        }

        #[test]
        fn every_text_is_read_or_refused(text in "[0-9*:a-z.-]{0,24}") {
            if let Ok(pattern) = text.parse::<CommunityPattern>() {
                prop_assert_eq!(pattern.to_string().parse::<CommunityPattern>(), Ok(pattern));
            }
        }
    }
}
