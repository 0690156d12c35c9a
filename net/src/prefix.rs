//! IP prefixes (CIDR). Host bits are always zero: a prefix that is not in canonical form cannot be written.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IPv4 prefix with its host bits zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Prefix {
    bits: u32,
    len: u8,
}

/// An IPv6 prefix with its host bits zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6Prefix {
    bits: u128,
    len: u8,
}

/// An IPv4 or IPv6 prefix. All IPv4 prefixes order before all IPv6 ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// IPv4.
    V4(Ipv4Prefix),
    /// IPv6.
    V6(Ipv6Prefix),
}

impl Ipv4Prefix {
    /// `0.0.0.0/0`.
    pub const DEFAULT: Ipv4Prefix = Ipv4Prefix { bits: 0, len: 0 };

    /// `None` if `len` is over 32. Host bits of `addr` are cleared.
    pub const fn new(addr: Ipv4Addr, len: u8) -> Option<Ipv4Prefix> {
        if len > 32 {
            return None;
        }
        Some(Ipv4Prefix { bits: addr.to_bits() & mask32(len), len })
    }

    /// The network address.
    pub const fn addr(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.bits)
    }

    /// The network address as an integer.
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// Prefix length in bits, 0 to 32.
    #[expect(clippy::len_without_is_empty, reason = "a prefix length is not a size")]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// Whether `addr` is inside.
    pub const fn contains(self, addr: Ipv4Addr) -> bool {
        addr.to_bits() & mask32(self.len) == self.bits
    }

    /// Whether `other` is this prefix or a more specific one.
    pub const fn covers(self, other: Ipv4Prefix) -> bool {
        self.len <= other.len && other.bits & mask32(self.len) == self.bits
    }
}

impl Ipv6Prefix {
    /// `::/0`.
    pub const DEFAULT: Ipv6Prefix = Ipv6Prefix { bits: 0, len: 0 };

    /// `None` if `len` is over 128. Host bits of `addr` are cleared.
    pub const fn new(addr: Ipv6Addr, len: u8) -> Option<Ipv6Prefix> {
        if len > 128 {
            return None;
        }
        Some(Ipv6Prefix { bits: addr.to_bits() & mask128(len), len })
    }

    /// The network address.
    pub const fn addr(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.bits)
    }

    /// The network address as an integer.
    pub const fn bits(self) -> u128 {
        self.bits
    }

    /// Prefix length in bits, 0 to 128.
    #[expect(clippy::len_without_is_empty, reason = "a prefix length is not a size")]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// Whether `addr` is inside.
    pub const fn contains(self, addr: Ipv6Addr) -> bool {
        addr.to_bits() & mask128(self.len) == self.bits
    }

    /// Whether `other` is this prefix or a more specific one.
    pub const fn covers(self, other: Ipv6Prefix) -> bool {
        self.len <= other.len && other.bits & mask128(self.len) == self.bits
    }
}

impl Prefix {
    /// `None` if `len` is over the family's address length. Host bits of `addr` are cleared.
    pub fn new(addr: IpAddr, len: u8) -> Option<Prefix> {
        match addr {
            IpAddr::V4(addr) => Ipv4Prefix::new(addr, len).map(Prefix::V4),
            IpAddr::V6(addr) => Ipv6Prefix::new(addr, len).map(Prefix::V6),
        }
    }

    /// The network address.
    pub fn addr(self) -> IpAddr {
        match self {
            Prefix::V4(prefix) => IpAddr::V4(prefix.addr()),
            Prefix::V6(prefix) => IpAddr::V6(prefix.addr()),
        }
    }

    /// Prefix length in bits.
    #[expect(clippy::len_without_is_empty, reason = "a prefix length is not a size")]
    pub const fn len(self) -> u8 {
        match self {
            Prefix::V4(prefix) => prefix.len(),
            Prefix::V6(prefix) => prefix.len(),
        }
    }

    /// Whether `addr` is of this family and inside.
    pub const fn contains(self, addr: IpAddr) -> bool {
        match (self, addr) {
            (Prefix::V4(prefix), IpAddr::V4(addr)) => prefix.contains(addr),
            (Prefix::V6(prefix), IpAddr::V6(addr)) => prefix.contains(addr),
            _ => false,
        }
    }

    /// Whether `other` is of the same family and is this prefix or a more specific one.
    pub const fn covers(self, other: Prefix) -> bool {
        match (self, other) {
            (Prefix::V4(prefix), Prefix::V4(other)) => prefix.covers(other),
            (Prefix::V6(prefix), Prefix::V6(other)) => prefix.covers(other),
            _ => false,
        }
    }
}

const fn mask32(len: u8) -> u32 {
    if len == 0 { 0 } else { u32::MAX << (32 - len as u32) }
}

const fn mask128(len: u8) -> u128 {
    if len == 0 { 0 } else { u128::MAX << (128 - len as u32) }
}

impl From<Ipv4Prefix> for Prefix {
    fn from(prefix: Ipv4Prefix) -> Prefix {
        Prefix::V4(prefix)
    }
}

impl From<Ipv6Prefix> for Prefix {
    fn from(prefix: Ipv6Prefix) -> Prefix {
        Prefix::V6(prefix)
    }
}

/// A text that is not a prefix, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParsePrefixError {
    /// No `address/length`.
    Form,
    /// The address does not parse.
    Address,
    /// The length is not a number, or over the family's address length.
    Length,
    /// Bits are set beyond the length; the canonical prefix is given.
    HostBits(Prefix),
}

impl fmt::Display for ParsePrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParsePrefixError::Form => f.write_str("not a prefix: expected address/length, such as 192.0.2.0/24"),
            ParsePrefixError::Address => f.write_str("not a prefix: the part before the slash is not an IP address"),
            ParsePrefixError::Length => f.write_str("not a prefix: length outside 0 to 32 (IPv4) or 0 to 128 (IPv6)"),
            ParsePrefixError::HostBits(prefix) => {
                write!(f, "bits are set beyond the prefix length: did you mean {prefix}?")
            }
        }
    }
}

impl std::error::Error for ParsePrefixError {}

impl FromStr for Prefix {
    type Err = ParsePrefixError;

    /// `address/length` with no host bits set.
    fn from_str(text: &str) -> Result<Prefix, ParsePrefixError> {
        let (addr, len) = text.split_once('/').ok_or(ParsePrefixError::Form)?;
        let addr: IpAddr = addr.parse().map_err(|_| ParsePrefixError::Address)?;
        if len.is_empty() || len.len() > 3 || !len.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParsePrefixError::Length);
        }
        let len = len.parse().map_err(|_| ParsePrefixError::Length)?;
        let prefix = Prefix::new(addr, len).ok_or(ParsePrefixError::Length)?;
        if prefix.addr() == addr { Ok(prefix) } else { Err(ParsePrefixError::HostBits(prefix)) }
    }
}

macro_rules! text {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.addr(), self.len())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
text!(Ipv4Prefix Ipv6Prefix Prefix);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_parse_as_they_print() {
        for text in ["0.0.0.0/0", "192.0.2.0/24", "192.0.2.1/32", "::/0", "2001:db8::/32", "2001:db8::1/128"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn host_bits_are_refused_with_a_suggestion() {
        let error = "10.0.0.1/8".parse::<Prefix>().unwrap_err();
        assert_eq!(error.to_string(), "bits are set beyond the prefix length: did you mean 10.0.0.0/8?");
    }

    #[test]
    fn bad_texts_are_refused() {
        for bad in ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "::/129", "10.0.0/8", "10.0.0.0/-1"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn covering_goes_by_bits_and_length() {
        let wide = Ipv4Prefix::new(Ipv4Addr::new(10, 0, 0, 0), 8).unwrap();
        let narrow = Ipv4Prefix::new(Ipv4Addr::new(10, 1, 0, 0), 16).unwrap();
        assert!(wide.covers(narrow) && !narrow.covers(wide) && Ipv4Prefix::DEFAULT.covers(wide));
    }
}
