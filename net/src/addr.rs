//! Identifiers: MAC addresses, VLAN ids, datapath ids and port numbers.

use std::fmt;
use std::str::FromStr;

/// An IEEE 802 MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
    /// `00:00:00:00:00:00`: not a station's address.
    pub const ZERO: MacAddr = MacAddr([0; 6]);
    /// IEEE 802.1AB nearest bridge, the usual destination of LLDP: `01:80:c2:00:00:0e`.
    pub const LLDP_NEAREST_BRIDGE: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x0e]);

    /// Multicast or broadcast: the group bit is set (IEEE 802 §8.2).
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// All ones.
    pub fn is_broadcast(self) -> bool {
        self == MacAddr::BROADCAST
    }

    /// An address that a station can have as its own: not a group address, not zero.
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != MacAddr::ZERO
    }

    /// `01:80:c2:00:00:0x`: link-local group addresses that a bridge must not forward (IEEE 802.1Q table 8-1).
    pub const fn is_link_local(self) -> bool {
        let [a, b, c, d, e, f] = self.0;
        a == 0x01 && b == 0x80 && c == 0xc2 && d == 0 && e == 0 && f < 0x10
    }

    /// The address as the low 48 bits of an integer.
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }

    /// From the low 48 bits of an integer.
    pub const fn from_u64(value: u64) -> MacAddr {
        let [_, _, a, b, c, d, e, f] = value.to_be_bytes();
        MacAddr([a, b, c, d, e, f])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not the identifier it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseAddrError {
    what: &'static str,
}

impl fmt::Display for ParseAddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}", self.what)
    }
}

impl std::error::Error for ParseAddrError {}

impl FromStr for MacAddr {
    type Err = ParseAddrError;

    /// Six two-digit hex octets with `:` or `-` between them.
    fn from_str(text: &str) -> Result<MacAddr, ParseAddrError> {
        let error = ParseAddrError { what: "a MAC address such as 02:00:00:00:00:01" };
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().ok_or(error.clone())?;
            if part.len() != 2 {
                return Err(error);
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| error.clone())?;
        }
        if parts.next().is_some() {
            return Err(error);
        }
        Ok(MacAddr(octets))
    }
}

/// An IEEE 802.1Q VLAN id: 1 to 4094. 0 (priority tag) and 4095 (reserved) cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct VlanId(u16);

impl VlanId {
    /// `None` outside 1 to 4094.
    pub const fn new(id: u16) -> Option<VlanId> {
        if id >= 1 && id <= 4094 { Some(VlanId(id)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An OpenFlow datapath id (OpenFlow 1.3.5 §7.3.1). Displays as 16 hex digits, as Open vSwitch prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DatapathId(pub u64);

impl fmt::Display for DatapathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for DatapathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DatapathId {
    type Err = ParseAddrError;

    /// `0x` and hex digits, or 16 hex digits, or 8 octets with `:` between them.
    fn from_str(text: &str) -> Result<DatapathId, ParseAddrError> {
        let error = ParseAddrError { what: "a datapath id such as 0x1 or 0000000000000001" };
        let digits = match text.strip_prefix("0x") {
            Some(digits) => digits.to_owned(),
            None if text.contains(':') => text.replace(':', ""),
            None => text.to_owned(),
        };
        let exact = !text.starts_with("0x");
        if digits.is_empty() || digits.len() > 16 || (exact && digits.len() != 16) || digits.starts_with('+') {
            return Err(error);
        }
        u64::from_str_radix(&digits, 16).map(DatapathId).map_err(|_| error)
    }
}

/// An OpenFlow port number (OpenFlow 1.3.5 §7.2.1, `ofp_port_no`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct PortNo(pub u32);

impl PortNo {
    /// Highest number of a physical or logical switch port.
    pub const MAX: PortNo = PortNo(0xffff_ff00);
    /// Out of the port that the packet came in by.
    pub const IN_PORT: PortNo = PortNo(0xffff_fff8);
    /// Through the flow tables again; packet-outs only.
    pub const TABLE: PortNo = PortNo(0xffff_fff9);
    /// The switch's own non-OpenFlow pipeline.
    pub const NORMAL: PortNo = PortNo(0xffff_fffa);
    /// The switch's own flooding.
    pub const FLOOD: PortNo = PortNo(0xffff_fffb);
    /// Every port but the ingress port.
    pub const ALL: PortNo = PortNo(0xffff_fffc);
    /// To the controller.
    pub const CONTROLLER: PortNo = PortNo(0xffff_fffd);
    /// The switch's own network stack.
    pub const LOCAL: PortNo = PortNo(0xffff_fffe);
    /// Wildcard in requests and deletions; never an output.
    pub const ANY: PortNo = PortNo(0xffff_ffff);

    /// A port that a cable can be plugged into: 1 to [`PortNo::MAX`].
    pub const fn is_physical(self) -> bool {
        self.0 >= 1 && self.0 <= PortNo::MAX.0
    }
}

impl fmt::Display for PortNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            PortNo::IN_PORT => f.write_str("IN_PORT"),
            PortNo::TABLE => f.write_str("TABLE"),
            PortNo::NORMAL => f.write_str("NORMAL"),
            PortNo::FLOOD => f.write_str("FLOOD"),
            PortNo::ALL => f.write_str("ALL"),
            PortNo::CONTROLLER => f.write_str("CONTROLLER"),
            PortNo::LOCAL => f.write_str("LOCAL"),
            PortNo::ANY => f.write_str("ANY"),
            PortNo(number) => number.fmt(f),
        }
    }
}

impl fmt::Debug for PortNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One port of one switch. Displays as `0000000000000001:3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PortId {
    /// The switch.
    pub datapath_id: DatapathId,
    /// The port on it.
    pub port_no: PortNo,
}

impl PortId {
    /// Port `port_no` of switch `datapath_id`.
    pub const fn new(datapath_id: DatapathId, port_no: PortNo) -> PortId {
        PortId { datapath_id, port_no }
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.datapath_id, self.port_no)
    }
}

impl fmt::Debug for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// JSON has these as their usual text.
#[cfg(feature = "serde")]
mod json {
    use super::{DatapathId, MacAddr};
    use serde::{Serialize, Serializer};

    impl Serialize for MacAddr {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl Serialize for DatapathId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_addresses_parse_as_they_print() {
        let mac: MacAddr = "02:00:5e:10:00:0a".parse().unwrap();
        assert_eq!(mac.to_string(), "02:00:5e:10:00:0a");
        assert_eq!(MacAddr::from_u64(mac.to_u64()), mac);
        for bad in ["", "02:00:5e:10:00", "02:00:5e:10:00:0a:0b", "2:0:5e:10:0:a", "02:00:5e:10:00:0g"] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn datapath_ids_parse_in_the_forms_that_switches_print() {
        for text in ["0x1", "0000000000000001", "00:00:00:00:00:00:00:01"] {
            assert_eq!(text.parse::<DatapathId>().unwrap(), DatapathId(1), "{text}");
        }
        for bad in ["", "1", "0x", "0x11112222333344445", "0x+1"] {
            assert!(bad.parse::<DatapathId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn vlan_ids_are_1_to_4094() {
        assert_eq!(VlanId::new(0), None);
        assert_eq!(VlanId::new(4095), None);
        assert_eq!(VlanId::new(4094).map(VlanId::get), Some(4094));
    }
}
