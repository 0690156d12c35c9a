//! Numbers and identifiers of BGP: open registries are newtypes with named constants, so that unknown numbers survive.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// One IANA registry: a newtype, its named rows, `name()`, and `Display` as the name or the bare number.
macro_rules! registry {
    ($(#[$meta:meta])* $type:ident($repr:ty) {
        $($(#[$row_meta:meta])* $name:ident = $value:literal, $text:literal;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
        pub struct $type(pub $repr);

        impl $type {
            $($(#[$row_meta])* pub const $name: $type = $type($value);)*

            /// The registry's name for the number, if it is one of those named here.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}", self.0),
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}
pub(crate) use registry;

/// An autonomous system number (RFC 6793: four octets).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Asn(pub u32);

impl Asn {
    /// AS 0: reserved, an error wherever it appears on the wire (RFC 7607).
    pub const ZERO: Asn = Asn(0);
    /// AS_TRANS: stands for a number that does not fit in two octets (RFC 6793 §9).
    pub const TRANS: Asn = Asn(23456);

    /// The number in two octets, [`Asn::TRANS`] if it does not fit.
    pub const fn to_two_octets(self) -> u16 {
        if self.0 > 0xffff { 23456 } else { self.0 as u16 }
    }

    /// Whether the number fits in two octets.
    pub const fn is_two_octet(self) -> bool {
        self.0 <= 0xffff
    }

    /// Reserved for private use (RFC 6996): 64512 to 65534 and 4200000000 to 4294967294.
    pub const fn is_private(self) -> bool {
        matches!(self.0, 64512..=65534 | 4_200_000_000..=4_294_967_294)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// A text that is not an AS number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseAsnError;

impl fmt::Display for ParseAsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an AS number: expected 0 to 4294967295, or two 16-bit numbers with a dot between them")
    }
}

impl std::error::Error for ParseAsnError {}

impl FromStr for Asn {
    type Err = ParseAsnError;

    /// `asplain` (`65536`) or `asdot` (`1.0`), RFC 5396.
    fn from_str(text: &str) -> Result<Asn, ParseAsnError> {
        fn digits<T: FromStr>(text: &str) -> Result<T, ParseAsnError> {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(ParseAsnError);
            }
            text.parse().map_err(|_| ParseAsnError)
        }
        match text.split_once('.') {
            None => digits(text).map(Asn),
            Some((high, low)) => {
                let (high, low): (u16, u16) = (digits(high)?, digits(low)?);
                Ok(Asn(u32::from(high) << 16 | u32::from(low)))
            }
        }
    }
}

/// A BGP Identifier (RFC 4271 §4.2, RFC 6286), also the form of ORIGINATOR_ID and of cluster ids (RFC 4456).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct RouterId(pub Ipv4Addr);

impl RouterId {
    /// The identifier as the unsigned integer by which identifiers are compared (RFC 4271 §6.8).
    pub const fn to_u32(self) -> u32 {
        self.0.to_bits()
    }

    /// From the four octets as an integer.
    pub const fn from_u32(value: u32) -> RouterId {
        RouterId(Ipv4Addr::from_bits(value))
    }
}

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

registry! {
    /// An Address Family Identifier (IANA Address Family Numbers).
    Afi(u16) {
        /// IPv4.
        IPV4 = 1, "ipv4";
        /// IPv6.
        IPV6 = 2, "ipv6";
        /// Layer 2 VPN (RFC 4761, RFC 7432).
        L2VPN = 25, "l2vpn";
        /// BGP link state (RFC 9552).
        LINK_STATE = 16388, "link-state";
    }
}

registry! {
    /// A Subsequent Address Family Identifier (RFC 4760 §6).
    Safi(u8) {
        /// Unicast forwarding.
        UNICAST = 1, "unicast";
        /// Multicast reverse-path forwarding.
        MULTICAST = 2, "multicast";
        /// Labelled unicast (RFC 8277).
        LABELED_UNICAST = 4, "labeled-unicast";
        /// EVPN (RFC 7432).
        EVPN = 70, "evpn";
        /// BGP link state (RFC 9552).
        LINK_STATE = 71, "link-state";
        /// MPLS VPN (RFC 4364).
        MPLS_VPN = 128, "vpn";
        /// Route target constraints (RFC 4684).
        ROUTE_TARGET = 132, "route-target";
        /// FlowSpec (RFC 8955).
        FLOWSPEC = 133, "flowspec";
    }
}

/// An address family and its subsequent family (RFC 4760). Displays as `ipv4-unicast`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Family {
    /// Address Family Identifier.
    pub afi: Afi,
    /// Subsequent Address Family Identifier.
    pub safi: Safi,
}

impl Family {
    /// AFI 1, SAFI 1.
    pub const IPV4_UNICAST: Family = Family { afi: Afi::IPV4, safi: Safi::UNICAST };
    /// AFI 2, SAFI 1.
    pub const IPV6_UNICAST: Family = Family { afi: Afi::IPV6, safi: Safi::UNICAST };

    /// Families whose NLRI this crate decodes; the others' NLRI is kept as bytes.
    pub const fn is_typed(self) -> bool {
        matches!((self.afi.0, self.safi.0), (1 | 2, 1))
    }

    /// Bits in an address of this family, if its NLRI is typed.
    pub const fn address_bits(self) -> Option<u8> {
        match (self.afi.0, self.safi.0) {
            (1, 1) => Some(32),
            (2, 1) => Some(128),
            _ => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.afi, self.safi)
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Family {
    type Err = ParseFamilyError;

    /// The typed families by their names: `ipv4-unicast`, `ipv6-unicast`.
    fn from_str(text: &str) -> Result<Family, ParseFamilyError> {
        [Family::IPV4_UNICAST, Family::IPV6_UNICAST]
            .into_iter()
            .find(|family| family.to_string() == text)
            .ok_or(ParseFamilyError)
    }
}

/// A text that is not the name of a family this crate routes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseFamilyError;

impl fmt::Display for ParseFamilyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address family: expected ipv4-unicast or ipv6-unicast")
    }
}

impl std::error::Error for ParseFamilyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_numbers_parse_plain_and_dotted() {
        assert_eq!("65536".parse(), Ok(Asn(65536)));
        assert_eq!("1.0".parse(), Ok(Asn(65536)));
        for bad in ["", "+1", "4294967296", "1.65536", "1.", "1.2.3", "AS1"] {
            assert_eq!(bad.parse::<Asn>(), Err(ParseAsnError), "{bad}");
        }
    }

    #[test]
    fn an_as_number_over_65535_becomes_as_trans_in_two_octets() {
        assert_eq!(Asn(65535).to_two_octets(), 65535);
        assert_eq!(Asn(65536).to_two_octets(), 23456);
    }

    #[test]
    fn families_parse_as_they_print_and_unknown_numbers_survive() {
        assert_eq!("ipv6-unicast".parse(), Ok(Family::IPV6_UNICAST));
        assert_eq!(Family { afi: Afi(999), safi: Safi(7) }.to_string(), "999-7");
    }
}
