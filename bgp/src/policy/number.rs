//! Ranges of numbers and sets of AS numbers, as policies match them.

use super::ParseError;
use crate::wire::Asn;
use std::fmt;
use std::str::FromStr;

/// A range of numbers, both ends in it. Written `100`, `ge 100`, `le 200` or `ge 100 le 200`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NumberRange {
    /// The least.
    pub min: u32,
    /// The greatest.
    pub max: u32,
}

impl NumberRange {
    /// Whether `number` is in it.
    pub const fn contains(self, number: u32) -> bool {
        self.min <= number && number <= self.max
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "{min}"),
            (0, max) => write!(f, "le {max}"),
            (min, u32::MAX) => write!(f, "ge {min}"),
            (min, max) => write!(f, "ge {min} le {max}"),
        }
    }
}

impl FromStr for NumberRange {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<NumberRange, ParseError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (min, max) = match words.as_slice() {
            [number] => {
                let number = digits(number)?;
                (Some(number), Some(number))
            }
            bounds => bounds_of(bounds)?,
        };
        let range = NumberRange { min: min.unwrap_or(0), max: max.unwrap_or(u32::MAX) };
        if range.min > range.max {
            return Err(ParseError::new(format!("`{text}` holds no number: {} is over {}", range.min, range.max)));
        }
        Ok(range)
    }
}

/// `ge N`, `le N` or both, as (least, greatest).
pub(super) fn bounds_of(words: &[&str]) -> Result<(Option<u32>, Option<u32>), ParseError> {
    match words {
        ["ge", min] => Ok((Some(digits(min)?), None)),
        ["le", max] => Ok((None, Some(digits(max)?))),
        ["ge", min, "le", max] | ["le", max, "ge", min] => Ok((Some(digits(min)?), Some(digits(max)?))),
        _ => Err(ParseError::new(format!("`{}` is not a range: write ge N, le N or ge N le M", words.join(" ")))),
    }
}

/// A plain decimal number.
pub(super) fn digits<T: FromStr>(text: &str) -> Result<T, ParseError> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| text.parse().ok()).flatten();
    number.ok_or_else(|| ParseError::new(format!("`{text}` is not a number in range")))
}

/// AS numbers next to each other. Written `65001` or `64512-65534`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AsnRange {
    /// The first.
    pub first: Asn,
    /// The last, not below the first.
    pub last: Asn,
}

impl fmt::Display for AsnRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

impl FromStr for AsnRange {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<AsnRange, ParseError> {
        let asn = |text: &str| text.parse::<Asn>().map_err(|error| ParseError::new(format!("`{text}`: {error}")));
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (asn(first.trim())?, asn(last.trim())?),
            None => (asn(text)?, asn(text)?),
        };
        if first > last {
            return Err(ParseError::new(format!("`{text}` holds no AS number: {first} is over {last}")));
        }
        Ok(AsnRange { first, last })
    }
}

/// A set of AS numbers: sorted ranges that neither overlap nor touch.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct AsnSet(Vec<(u32, u32)>);

impl AsnSet {
    /// All AS numbers in any of the ranges.
    pub fn new(ranges: impl IntoIterator<Item = AsnRange>) -> AsnSet {
        AsnSet(normal(ranges.into_iter().map(|range| (range.first.0, range.last.0)).collect()))
    }

    /// Whether `asn` is in it.
    pub fn contains(&self, asn: Asn) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= asn.0);
        after.checked_sub(1).and_then(|index| self.0.get(index)).is_some_and(|(_, last)| asn.0 <= *last)
    }
}

/// The same numbers in sorted ranges that neither overlap nor touch.
pub(super) fn normal(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => out.push((first, last)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_parse_as_they_print() {
        for text in ["100", "ge 100", "le 200", "ge 100 le 200"] {
            assert_eq!(text.parse::<NumberRange>().unwrap().to_string(), text);
        }
        for bad in ["", "ge", "ge -1", "+1", "ge 5 le 4", "100 200", "4294967296", ">= 5"] {
            assert!(bad.parse::<NumberRange>().is_err(), "{bad}");
        }
        for text in ["65001", "64512-65534"] {
            assert_eq!(text.parse::<AsnRange>().unwrap().to_string(), text);
        }
        assert!("2-1".parse::<AsnRange>().is_err());
    }

    #[test]
    fn a_set_holds_what_is_in_any_of_its_ranges() {
        let set = AsnSet::new(["10-20", "15-30", "31", "5", "4294967295"].map(|text| text.parse().unwrap()));
        assert_eq!(set.0, [(5, 5), (10, 31), (u32::MAX, u32::MAX)]);
        for (asn, inside) in [(4, false), (5, true), (9, false), (31, true), (32, false), (u32::MAX, true)] {
            assert_eq!(set.contains(Asn(asn)), inside, "{asn}");
        }
    }
}
