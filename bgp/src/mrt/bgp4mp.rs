//! BGP4MP and BGP4MP_ET (RFC 6396 §4.4, RFC 8050 §4.2): messages and state changes of sessions.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, DecodeErrorKind};

use super::record::{MrtEncodeError, put_address, put_count, take_address};
use crate::wire::reader::Reader;
use crate::wire::{Afi, Asn, DecodeContext, Family, registry};

/// The two ends of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// The peer's AS.
    pub peer_asn: Asn,
    /// The AS of who wrote the file.
    pub local_asn: Asn,
    /// The interface's number; 0 if nobody knows.
    pub interface: u16,
    /// The peer's address.
    pub peer: IpAddr,
    /// The address of who wrote the file, of the same family.
    pub local: IpAddr,
    /// An _AS4 subtype: AS numbers are written in four octets, and are so in the message.
    pub four_octet_as: bool,
}

/// BGP4MP_MESSAGE and its variants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bgp4mpMessage {
    /// Between whom.
    pub ends: Ends,
    /// A _LOCAL subtype: who wrote the file has sent it, and not received it.
    pub sent: bool,
    /// An _ADDPATH subtype: its NLRI have path identifiers (RFC 8050).
    pub add_path: bool,
    /// The whole message, with its marker; nothing but its being there was looked at.
    pub octets: Bytes,
}

/// BGP4MP_STATE_CHANGE and BGP4MP_STATE_CHANGE_AS4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateChange {
    /// Between whom.
    pub ends: Ends,
    /// The state before.
    pub old: SessionState,
    /// The state after.
    pub new: SessionState,
}

registry! {
    /// A session's state as MRT numbers it (RFC 6396 §4.4.1).
    SessionState(u16) {
        /// RFC 4271 §8.2.2.
        IDLE = 1, "Idle";
        /// RFC 4271 §8.2.2.
        CONNECT = 2, "Connect";
        /// RFC 4271 §8.2.2.
        ACTIVE = 3, "Active";
        /// RFC 4271 §8.2.2.
        OPEN_SENT = 4, "OpenSent";
        /// RFC 4271 §8.2.2.
        OPEN_CONFIRM = 5, "OpenConfirm";
        /// RFC 4271 §8.2.2.
        ESTABLISHED = 6, "Established";
    }
}

impl Ends {
    fn parse(reader: &mut Reader<'_>, four_octet_as: bool) -> Result<Ends, DecodeError> {
        let mut asn = |field| {
            if four_octet_as { reader.u32(field).map(Asn) } else { reader.u16(field).map(|asn| Asn(asn.into())) }
        };
        let peer_asn = asn("bgp4mp.peer_as")?;
        let local_asn = asn("bgp4mp.local_as")?;
        let interface = reader.u16("bgp4mp.interface_index")?;
        let at = reader.offset();
        let ipv6 = match Afi(reader.u16("bgp4mp.address_family")?) {
            Afi::IPV4 => false,
            Afi::IPV6 => true,
            Afi(value) => {
                let wrong = DecodeErrorKind::BadValue { value: value.into() };
                return Err(DecodeError::new(at, "bgp4mp.address_family", wrong));
            }
        };
        let peer = take_address(reader, ipv6, "bgp4mp.peer_address")?;
        let local = take_address(reader, ipv6, "bgp4mp.local_address")?;
        Ok(Ends { peer_asn, local_asn, interface, peer, local, four_octet_as })
    }

    fn put(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        if self.peer.is_ipv4() != self.local.is_ipv4() {
            return Err(MrtEncodeError::AddressFamily { field: "bgp4mp.local_address" });
        }
        for asn in [self.peer_asn, self.local_asn] {
            if self.four_octet_as {
                out.put_u32(asn.0);
            } else {
                put_count(out, usize::try_from(asn.0).unwrap_or(usize::MAX), "bgp4mp.as")?;
            }
        }
        out.put_u16(self.interface);
        out.put_u16(if self.peer.is_ipv4() { Afi::IPV4.0 } else { Afi::IPV6.0 });
        put_address(out, self.peer);
        put_address(out, self.local);
        Ok(())
    }
}

impl Bgp4mpMessage {
    pub(super) const fn is_subtype(subtype: u16) -> bool {
        matches!(subtype, 1 | 4 | 6..=11)
    }

    pub(super) const fn subtype(&self) -> u16 {
        match (self.ends.four_octet_as, self.sent, self.add_path) {
            (false, false, false) => 1,
            (true, false, false) => 4,
            (false, true, false) => 6,
            (true, true, false) => 7,
            (false, false, true) => 8,
            (true, false, true) => 9,
            (false, true, true) => 10,
            (true, true, true) => 11,
        }
    }

    /// What decoding the message depends on, as far as the record says it.
    pub fn context(&self) -> DecodeContext {
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        DecodeContext {
            four_octet_as: self.ends.four_octet_as,
            add_path: if self.add_path { BTreeSet::from(families) } else { BTreeSet::new() },
            ..DecodeContext::default()
        }
    }

    pub(super) fn parse(subtype: u16, reader: &mut Reader<'_>) -> Result<Bgp4mpMessage, DecodeError> {
        let ends = Ends::parse(reader, matches!(subtype, 4 | 7 | 9 | 11))?;
        let octets = Bytes::copy_from_slice(reader.take(reader.remaining(), "bgp4mp.message")?);
        Ok(Bgp4mpMessage { ends, sent: matches!(subtype, 6 | 7 | 10 | 11), add_path: subtype >= 8, octets })
    }

    pub(super) fn put(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        self.ends.put(out)?;
        out.put_slice(&self.octets);
        Ok(())
    }
}

impl StateChange {
    pub(super) const fn subtype(&self) -> u16 {
        if self.ends.four_octet_as { 5 } else { 0 }
    }

    pub(super) fn parse(subtype: u16, reader: &mut Reader<'_>) -> Result<StateChange, DecodeError> {
        let ends = Ends::parse(reader, subtype == 5)?;
        let old = SessionState(reader.u16("bgp4mp.old_state")?);
        let new = SessionState(reader.u16("bgp4mp.new_state")?);
        Ok(StateChange { ends, old, new })
    }

    pub(super) fn put(&self, out: &mut BytesMut) -> Result<(), MrtEncodeError> {
        self.ends.put(out)?;
        out.put_u16(self.old.0);
        out.put_u16(self.new.0);
        Ok(())
    }
}
