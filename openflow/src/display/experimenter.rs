//! Bundles and Nicira's packet-in with properties in ovs-ofctl's words.

use std::fmt::{self, Display, Formatter};

use super::nicira::{packet_in_reason, write_dotted};
use super::text::{Flags, Octets, Parts};
use crate::bundle::{BundleAdd, BundleControl, BundleFlags, BundleProperty};
use crate::identifier::{BufferId, TableId};
use crate::message::Message;
use crate::packet::PacketInReason;
use crate::packet_in2::{PacketIn2, PacketIn2Property};

fn flags(flags: BundleFlags) -> Flags<'static> {
    const NAMES: [(u32, &str); 2] =
        [(BundleFlags::ATOMIC.0 as u32, "atomic"), (BundleFlags::ORDERED.0 as u32, "ordered")];
    Flags { bits: u32::from(flags.0), names: &NAMES, none: "0" }
}

impl Display for BundleControl {
    /// `bundle_id=0x1 type=OPEN_REQUEST flags=atomic ordered`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "bundle_id={:#x} type=", self.bundle_id)?;
        match self.control_type.name().and_then(|name| name.strip_prefix("OFPBCT_")) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{}", self.control_type.0)?,
        }
        write!(f, " flags={}", flags(self.flags))?;
        write_properties(f, &self.properties)
    }
}

impl Display for BundleAdd {
    /// `bundle_id=0x1 flags=atomic`, then the message inside, whose number is that of the message around it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "bundle_id={:#x} flags={} ", self.bundle_id, flags(self.flags))?;
        match self.message.as_ref() {
            // Nothing can be in it that is no modification; a bundle in a bundle is not taken apart.
            Message::BundleAdd(add) => write!(f, "ONFT_BUNDLE_ADD_MESSAGE: bundle_id={:#x}", add.bundle_id)?,
            message => message.fmt(f)?,
        }
        write_properties(f, &self.properties)
    }
}

fn write_properties(f: &mut Formatter<'_>, properties: &[BundleProperty]) -> fmt::Result {
    for property in properties {
        match property {
            BundleProperty::Experimenter { experimenter, exp_type, body } => {
                write!(f, " experimenter({experimenter:#x},{exp_type},{})", Octets(body))?;
            }
            BundleProperty::Unknown { property_type, body } => {
                write!(f, " property({},{})", property_type.0, Octets(body))?;
            }
        }
    }
    Ok(())
}

impl Display for PacketIn2 {
    /// As a packet-in prints, with the octets that the action carried; what the switch needs to go on is only counted.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (mut table_id, mut cookie, mut reason) = (TableId(0), None, PacketInReason::NO_MATCH);
        let (mut data_len, mut total_len, mut buffer_id) = (0, None, BufferId::NO_BUFFER);
        let (mut metadata, mut userdata, mut continuation) = (None, None, None);
        for property in &self.properties {
            match property {
                PacketIn2Property::Packet(packet) => data_len = packet.len(),
                PacketIn2Property::FullLen(length) => total_len = Some(*length as usize),
                PacketIn2Property::BufferId(buffer) => buffer_id = *buffer,
                PacketIn2Property::TableId(table) => table_id = *table,
                PacketIn2Property::Cookie(number) => cookie = Some(*number),
                PacketIn2Property::Reason(of) => reason = *of,
                PacketIn2Property::Metadata(match_) => metadata = Some(match_),
                PacketIn2Property::Userdata(octets) => userdata = Some(octets),
                PacketIn2Property::Continuation(octets) => continuation = Some(octets.len()),
                PacketIn2Property::Unknown { .. } => {}
            }
        }
        let total_len = total_len.unwrap_or(data_len);
        let mut parts = Parts::new(f, " ");
        parts.put_if(table_id != TableId(0), format_args!("table_id={}", table_id.0))?;
        if let Some(cookie) = cookie.filter(|cookie| *cookie != u64::MAX) {
            parts.put(format_args!("cookie={cookie:#x}"))?;
        }
        parts.put(format_args!("total_len={total_len} "))?;
        if let Some(metadata) = metadata {
            write!(parts.f, "{metadata}")?;
        }
        match packet_in_reason(reason) {
            Some(word) => parts.put(format_args!("(via {word})"))?,
            None => parts.put(format_args!("(via {})", reason.0))?,
        }
        parts.put(format_args!("data_len={data_len}"))?;
        match buffer_id {
            BufferId::NO_BUFFER => {
                parts.put(format_args!("(unbuffered)"))?;
                parts.put_if(total_len != data_len, format_args!("(***total_len != data_len***)"))?;
            }
            BufferId(buffer) => parts.put(format_args!("buffer={buffer:#010x}"))?,
        }
        if let Some(octets) = userdata.filter(|octets| !octets.is_empty()) {
            parts.put(format_args!("userdata="))?;
            write_dotted(parts.f, octets)?;
        }
        if let Some(octets) = continuation {
            parts.put(format_args!("continuation of {octets} octets"))?;
        }
        Ok(())
    }
}
