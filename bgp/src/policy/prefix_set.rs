//! Prefix sets with length ranges.
//!
//! A prefix is in the set if a pattern covers it and its length is in the pattern's range. The patterns are cut into
//! stretches of addresses that don't overlap, each with the lengths that any pattern above it allows: one binary search
//! and one bit say whether a prefix is in a set of any size. That works because a pattern that is longer than the
//! prefix never allows the prefix's length.

use super::ParseError;
use super::number::bounds_of;
use crate::wire::Family;
use net::Prefix;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A prefix and the lengths that prefixes inside it may have. Written `10.0.0.0/8` (itself), `10.0.0.0/8 le 24` (itself
/// and what is in it, up to /24), `10.0.0.0/8 ge 16` (what is in it from /16 on), `10.0.0.0/8 ge 16 le 24`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PrefixPattern {
    prefix: Prefix,
    min: u8,
    max: u8,
}

impl PrefixPattern {
    /// `prefix` itself.
    pub const fn exact(prefix: Prefix) -> PrefixPattern {
        PrefixPattern { prefix, min: prefix.len(), max: prefix.len() }
    }

    /// Prefixes in `prefix` with a length from `min` to `max`; `None` unless length of `prefix` ≤ `min` ≤ `max` ≤ bits
    /// of an address.
    pub const fn new(prefix: Prefix, min: u8, max: u8) -> Option<PrefixPattern> {
        if prefix.len() <= min && min <= max && max <= address_bits(prefix) {
            Some(PrefixPattern { prefix, min, max })
        } else {
            None
        }
    }

    /// The prefix that it starts with.
    pub const fn prefix(self) -> Prefix {
        self.prefix
    }

    /// Whether `prefix` is meant.
    pub const fn matches(self, prefix: Prefix) -> bool {
        self.min <= prefix.len() && prefix.len() <= self.max && self.prefix.covers(prefix)
    }
}

const fn address_bits(prefix: Prefix) -> u8 {
    match prefix {
        Prefix::V4(_) => 32,
        Prefix::V6(_) => 128,
    }
}

impl fmt::Display for PrefixPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, bits) = (self.prefix.len(), address_bits(self.prefix));
        self.prefix.fmt(f)?;
        match (self.min, self.max) {
            (min, max) if min == length && max == length => Ok(()),
            (min, max) if min == length => write!(f, " le {max}"),
            (min, max) if max == bits => write!(f, " ge {min}"),
            (min, max) => write!(f, " ge {min} le {max}"),
        }
    }
}

impl FromStr for PrefixPattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<PrefixPattern, ParseError> {
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default();
        let prefix: Prefix = first.parse().map_err(|error| ParseError::new(format!("`{first}`: {error}")))?;
        let bounds: Vec<&str> = words.collect();
        if bounds.is_empty() {
            return Ok(PrefixPattern::exact(prefix));
        }
        let bits = address_bits(prefix);
        let (min, max) = bounds_of(&bounds)?;
        let (min, max) = (min.unwrap_or(prefix.len().into()), max.unwrap_or(bits.into()));
        let pattern = u8::try_from(min).ok().zip(u8::try_from(max).ok());
        pattern.and_then(|(min, max)| PrefixPattern::new(prefix, min, max)).ok_or_else(|| {
            let length = prefix.len();
            ParseError::new(format!("`{text}` holds no prefix: {length} ≤ {min} ≤ {max} ≤ {bits} does not hold"))
        })
    }
}

/// Prefix lengths, 0 to 128.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
struct Lengths([u64; 3]);

impl Lengths {
    fn between(min: u8, max: u8) -> Lengths {
        let mut lengths = Lengths::default();
        for length in min..=max {
            if let Some(word) = lengths.0.get_mut(usize::from(length / 64)) {
                *word |= 1 << (length % 64);
            }
        }
        lengths
    }

    fn or(self, other: Lengths) -> Lengths {
        let (Lengths([a, b, c]), Lengths([d, e, f])) = (self, other);
        Lengths([a | d, b | e, c | f])
    }

    fn contains(self, length: u8) -> bool {
        self.0.get(usize::from(length / 64)).is_some_and(|word| word >> (length % 64) & 1 == 1)
    }

    fn is_empty(self) -> bool {
        self.0 == [0; 3]
    }
}

/// Stretches of addresses of one family. `starts` ascends from 0; each stretch goes to the next one's start.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Stretches<B> {
    starts: Vec<B>,
    lengths: Vec<Lengths>,
}

impl<B: Copy + Ord> Stretches<B> {
    fn at(&self, address: B) -> Lengths {
        let after = self.starts.partition_point(|start| *start <= address);
        after.checked_sub(1).and_then(|index| self.lengths.get(index)).copied().unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.lengths.iter().all(|lengths| lengths.is_empty())
    }
}

/// A set of prefixes; see the module. Also a set of addresses: those that any of its patterns' prefixes has in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PrefixSet {
    v4: Stretches<u32>,
    v6: Stretches<u128>,
}

impl PrefixSet {
    /// All prefixes that any of the patterns means.
    pub fn new(patterns: impl IntoIterator<Item = PrefixPattern>) -> PrefixSet {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for PrefixPattern { prefix, min, max } in patterns {
            let lengths = Lengths::between(min, max);
            match prefix {
                Prefix::V4(prefix) => {
                    let first = u128::from(prefix.bits());
                    v4.push((first, first | low_bits(32 - prefix.len()), lengths));
                }
                Prefix::V6(prefix) => v6.push((prefix.bits(), prefix.bits() | low_bits(128 - prefix.len()), lengths)),
            }
        }
        let v4 = cut(v4, u128::from(u32::MAX));
        let narrow = |start: &u128| u32::try_from(*start).unwrap_or(u32::MAX);
        PrefixSet {
            v4: Stretches { starts: v4.starts.iter().map(narrow).collect(), lengths: v4.lengths },
            v6: cut(v6, u128::MAX),
        }
    }

    /// Whether `prefix` is in the set.
    pub fn contains(&self, prefix: Prefix) -> bool {
        match prefix {
            Prefix::V4(prefix) => self.v4.at(prefix.bits()).contains(prefix.len()),
            Prefix::V6(prefix) => self.v6.at(prefix.bits()).contains(prefix.len()),
        }
    }

    /// Whether `address` is in any of the prefixes that the patterns start with. An IPv4-mapped address is what it maps.
    pub fn contains_address(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => !self.v4.at(address.to_bits()).is_empty(),
            IpAddr::V6(address) => !self.v6.at(address.to_bits()).is_empty(),
        }
    }

    /// Whether any prefix of `family` is in it.
    pub fn has_family(&self, family: Family) -> bool {
        match family {
            Family::IPV4_UNICAST => !self.v4.is_empty(),
            Family::IPV6_UNICAST => !self.v6.is_empty(),
            _ => false,
        }
    }
}

const fn low_bits(count: u8) -> u128 {
    if count >= 128 { u128::MAX } else { (1 << count) - 1 }
}

/// Cuts (first address, last address, lengths), which are nested or apart, into stretches.
fn cut(mut ranges: Vec<(u128, u128, Lengths)>, end: u128) -> Stretches<u128> {
    // What is outside comes before what is inside.
    ranges.sort_unstable_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
    let mut out = Stretches { starts: vec![0], lengths: vec![Lengths::default()] };
    let mut open: Vec<(u128, Lengths)> = Vec::new();
    let inside = |open: &[(u128, Lengths)]| open.last().map(|(_, lengths)| *lengths).unwrap_or_default();
    let close = |open: &mut Vec<(u128, Lengths)>, out: &mut Stretches<u128>, before: Option<u128>| {
        while let Some((last, _)) = open.pop_if(|(last, _)| before.is_none_or(|before| *last < before)) {
            // Nothing comes after the last address there is.
            if last < end {
                push(out, last + 1, inside(open));
            }
        }
    };
    for (first, last, lengths) in ranges {
        close(&mut open, &mut out, Some(first));
        let lengths = inside(&open).or(lengths);
        push(&mut out, first, lengths);
        open.push((last, lengths));
    }
    close(&mut open, &mut out, None);
    out
}

/// From `start` on these lengths count.
fn push(out: &mut Stretches<u128>, start: u128, lengths: Lengths) {
    if out.starts.last() == Some(&start) {
        out.starts.pop();
        out.lengths.pop();
    }
    if out.lengths.last() != Some(&lengths) {
        out.starts.push(start);
        out.lengths.push(lengths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn set(texts: &[&str]) -> PrefixSet {
        PrefixSet::new(texts.iter().map(|text| text.parse().unwrap()))
    }

    fn contains(set: &PrefixSet, prefix: &str) -> bool {
        set.contains(prefix.parse().unwrap())
    }

    #[test]
    fn patterns_parse_as_they_print() {
        for text in ["10.0.0.0/8", "10.0.0.0/8 le 24", "10.0.0.0/8 ge 16", "10.0.0.0/8 ge 16 le 24", "::/0 le 48"] {
            assert_eq!(text.parse::<PrefixPattern>().unwrap().to_string(), text);
        }
        for bad in ["", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/8 le 7", "10.0.0.0/8 ge 33", "10.0.0.0/8 24", "::/0 le 129"]
        {
            assert!(bad.parse::<PrefixPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_says_which_lengths_are_meant() {
        let set = set(&["10.0.0.0/8 ge 16 le 24", "192.0.2.0/24", "2001:db8::/32 le 48"]);
        for (prefix, inside) in [
            ("10.0.0.0/8", false),
            ("10.1.0.0/16", true),
            ("10.1.2.0/24", true),
            ("10.1.2.0/25", false),
            ("11.0.0.0/16", false),
            ("192.0.2.0/24", true),
            ("192.0.2.0/25", false),
            ("192.0.0.0/16", false),
            ("2001:db8::/32", true),
            ("2001:db8:1::/48", true),
            ("2001:db8:1::/49", false),
            ("::/0", false),
        ] {
            assert_eq!(contains(&set, prefix), inside, "{prefix}");
        }
        assert!(set.contains_address("10.255.255.255".parse().unwrap()));
        assert!(set.contains_address("::ffff:192.0.2.255".parse().unwrap()));
        assert!(!set.contains_address("192.0.3.0".parse().unwrap()));
    }

    #[test]
    fn the_first_and_the_last_address_are_addresses_like_others() {
        let set = set(&["0.0.0.0/0 le 32", "255.255.255.255/32", "::/0", "ffff::/16 le 128"]);
        for (prefix, inside) in [("255.255.255.255/32", true), ("0.0.0.0/0", true), ("::/0", true), ("::/1", false)] {
            assert_eq!(contains(&set, prefix), inside, "{prefix}");
        }
        assert!(contains(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"));
        assert!(!contains(&PrefixSet::new([]), "0.0.0.0/0"));
    }

    /// Prefixes near each other, so that they nest often.
    fn prefix() -> impl Strategy<Value = Prefix> {
        let bits = prop_oneof![0u32..8, Just(255), Just(128)];
        (any::<bool>(), bits.clone(), bits, 0u8..=32).prop_map(|(v6, high, low, len)| {
            let bits = high << 24 | low;
            let address = if v6 {
                IpAddr::V6(Ipv6Addr::from_bits(u128::from(bits) << 96 | u128::from(bits)))
            } else {
                IpAddr::V4(Ipv4Addr::from_bits(bits))
            };
            Prefix::new(address, if v6 && len > 28 { len * 4 } else { len }).unwrap()
        })
    }

    fn pattern() -> impl Strategy<Value = PrefixPattern> {
        (prefix(), 0u8..40, 0u8..40).prop_map(|(prefix, a, b)| {
            let min = prefix.len().saturating_add(a).min(address_bits(prefix));
            PrefixPattern::new(prefix, min, min.saturating_add(b).min(address_bits(prefix))).unwrap()
        })
    }

    proptest! {
        #[test]
        fn a_prefix_is_in_the_set_if_any_pattern_means_it(
            patterns in prop::collection::vec(pattern(), 0..30),
            prefixes in prop::collection::vec(prefix(), 20),
        ) {
            let set = PrefixSet::new(patterns.iter().copied());
            for prefix in prefixes.into_iter().chain(patterns.iter().map(|pattern| pattern.prefix)) {
                prop_assert_eq!(set.contains(prefix), patterns.iter().any(|pattern| pattern.matches(prefix)), "{}", prefix);
                let address = prefix.addr();
                let inside = patterns.iter().any(|pattern| pattern.prefix.contains(address));
                if !matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
                    prop_assert_eq!(set.contains_address(address), inside, "{}", address);
                }
            }
        }
    }
}
