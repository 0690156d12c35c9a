//! A whole message on one line.

use std::fmt::{self, Display, Formatter};

use super::flow::flow_removed_reason;
use super::multipart::TypeName;
use super::text::{Escaped, Flags, MAX_LINE_LEN, Octets, Parts, write_limited};
use crate::configuration::{Capabilities, ExperimenterMessage, FeaturesReply, SwitchConfig, TableMod};
use crate::error::{ErrorMessage, ErrorType};
use crate::flow::FlowRemovedReason;
use crate::framing::{HEADER_LEN, VERSION};
use crate::hello::{Hello, HelloElement};
use crate::identifier::TableId;
use crate::message::{Message, MessageType};
use crate::packet::PacketInReason;
use crate::port::PortReason;
use crate::role::{AsyncConfig, ControllerRole, RoleMessage};

/// A message with the number in its header, as `ovs-ofctl ofp-print` shows it: `OFPT_BARRIER_REQUEST (OF1.3) (xid=0x7):`.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The number.
    pub xid: u32,
    /// The message.
    pub message: &'a Message,
}

impl Display for Line<'_> {
    /// At most [`MAX_LINE_LEN`] octets, and nothing in them that is no printable character.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (version, head) = (version(self.message), Head(self.message));
        write_limited(f, MAX_LINE_LEN, format_args!("{head}{version} (xid={:#x}):{}", self.xid, Body(self.message)))
    }
}

impl Display for Message {
    /// The type's name and what the message says: at most [`MAX_LINE_LEN`] octets, and nothing in them that is no printable
    /// character.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let body = Body(self).to_string();
        let colon = if body.is_empty() { "" } else { ":" };
        write_limited(f, MAX_LINE_LEN, format_args!("{}{colon}{body}", Head(self)))
    }
}

/// Only a HELLO can be of another version.
fn version(message: &Message) -> Version {
    Version(match message {
        Message::Hello(hello) => hello.version,
        _ => VERSION,
    })
}

struct Version(u8);

impl Display for Version {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => Ok(()),
            minor @ 2..=6 => write!(f, " (OF1.{})", minor - 1),
            other => write!(f, " (OF {other:#04x})"),
        }
    }
}

struct Head<'a>(&'a Message);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::MultipartRequest(request) => write!(f, "{} request", TypeName(request.body.multipart_type())),
            Message::MultipartReply(reply) => write!(f, "{} reply", TypeName(reply.body.multipart_type())),
            Message::Unknown { message_type, .. } => write!(f, "OFPT_{}", message_type.0),
            Message::BundleControl(_) => f.write_str("ONFT_BUNDLE_CONTROL"),
            Message::BundleAdd(_) => f.write_str("ONFT_BUNDLE_ADD_MESSAGE"),
            Message::PacketIn2(_) => f.write_str("NXT_PACKET_IN2"),
            Message::Resume(_) => f.write_str("NXT_RESUME"),
            Message::TlvTableMod(_) => f.write_str("NXT_TLV_TABLE_MOD"),
            Message::TlvTableRequest => f.write_str("NXT_TLV_TABLE_REQUEST"),
            Message::TlvTableReply(_) => f.write_str("NXT_TLV_TABLE_REPLY"),
            other => write!(f, "{}", other.message_type()),
        }
    }
}

/// What stands behind the colon, with a space before it; nothing for a message that says nothing more.
struct Body<'a>(&'a Message);

impl Display for Body<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Hello(hello) => write!(f, " {hello}"),
            Message::Error(error) => write!(f, " {error}"),
            Message::EchoRequest(data) | Message::EchoReply(data) => write!(f, " {} bytes of payload", data.len()),
            Message::Experimenter(message) => write!(f, " {message}"),
            Message::BundleControl(control) => write!(f, " {control}"),
            Message::BundleAdd(add) => write!(f, " {add}"),
            Message::PacketIn2(packet_in) | Message::Resume(packet_in) => write!(f, " {packet_in}"),
            Message::TlvTableMod(table_mod) => write!(f, " {table_mod}"),
            Message::TlvTableReply(reply) => write!(f, " {reply}"),
            Message::FeaturesReply(features) => write!(f, " {features}"),
            Message::GetConfigReply(config) | Message::SetConfig(config) => write!(f, " {config}"),
            Message::PacketIn(packet_in) => write!(f, " {packet_in}"),
            Message::FlowRemoved(flow_removed) => write!(f, " {flow_removed}"),
            Message::PortStatus(status) => write!(f, " {status}"),
            Message::PacketOut(packet_out) => write!(f, " {packet_out}"),
            Message::FlowMod(flow_mod) => write!(f, " {flow_mod}"),
            Message::GroupMod(group_mod) => write!(f, " {group_mod}"),
            Message::PortMod(port_mod) => write!(f, " {port_mod}"),
            Message::TableMod(table_mod) => write!(f, " {table_mod}"),
            Message::MultipartRequest(request) => request.fmt(f),
            Message::MultipartReply(reply) => reply.fmt(f),
            Message::QueueGetConfigRequest(request) => write!(f, " {request}"),
            Message::QueueGetConfigReply(reply) => write!(f, " {reply}"),
            Message::RoleRequest(role) | Message::RoleReply(role) => write!(f, " {role}"),
            Message::GetAsyncReply(config) | Message::SetAsync(config) => write!(f, " {config}"),
            Message::MeterMod(meter_mod) => write!(f, " {meter_mod}"),
            Message::Unknown { body, .. } => write!(f, " {} octets {}", body.len(), Octets(body)),
            Message::FeaturesRequest
            | Message::TlvTableRequest
            | Message::GetConfigRequest
            | Message::BarrierRequest
            | Message::BarrierReply
            | Message::GetAsyncRequest => Ok(()),
            other => write!(f, " {other:?}"),
        }
    }
}

impl Display for Hello {
    /// `version bitmap: 0x04`: every version that the sender speaks.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("version bitmap: ")?;
        let mut parts = Parts::new(f, ", ");
        let bitmaps = self.elements.iter().filter_map(|element| match element {
            HelloElement::VersionBitmap(words) => Some(words),
            HelloElement::Unknown { .. } => None,
        });
        let mut said = false;
        for words in bitmaps {
            said = true;
            for (index, word) in words.iter().enumerate() {
                for bit in (0..32).filter(|bit| word >> bit & 1 != 0) {
                    parts.put(format_args!("{:#04x}", 32 * index + bit))?;
                }
            }
        }
        // Without a bitmap it speaks every version up to that of its header.
        if !said {
            (1..=self.version).try_for_each(|version| parts.put(format_args!("{version:#04x}")))?;
        }
        for element in &self.elements {
            if let HelloElement::Unknown { element_type, body } = element {
                write!(parts.f, " element({},{})", element_type.0, Octets(body))?;
            }
        }
        Ok(())
    }
}

impl Display for ErrorMessage {
    /// The code's name, then the text of a HELLO_FAILED or the message at fault: its type, number and length.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())?;
        if self.data.is_empty() {
            return Ok(());
        }
        match (self.error_type, self.data.first_chunk::<HEADER_LEN>()) {
            (ErrorType::HELLO_FAILED, _) => write!(f, " {}", Escaped(&self.data)),
            (ErrorType::EXPERIMENTER, _) => write!(f, " {} octets {}", self.data.len(), Octets(&self.data)),
            (_, Some([version, message_type, length_high, length_low, xid @ ..])) => {
                let length = u16::from_be_bytes([*length_high, *length_low]);
                let xid = u32::from_be_bytes(*xid);
                write!(f, " for {}{} (xid={xid:#x})", TypeOf(MessageType(*message_type)), Version(*version))?;
                write!(f, " of {length} octets")
            }
            (_, None) => write!(f, " {} octets {}", self.data.len(), Octets(&self.data)),
        }
    }
}

struct TypeOf(MessageType);

impl Display for TypeOf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "OFPT_{}", self.0.0),
        }
    }
}

impl Display for ExperimenterMessage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ExperimenterMessage { experimenter, exp_type, body } = self;
        write!(f, "experimenter={experimenter:#x} exp_type={exp_type} {} octets {}", body.len(), Octets(body))
    }
}

impl Display for FeaturesReply {
    /// As `ovs-ofctl show` prints it, on one line.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "dpid:{:016x} n_tables:{}, n_buffers:{}", self.datapath_id.0, self.n_tables, self.n_buffers)?;
        if self.auxiliary_id != 0 {
            write!(f, ", auxiliary_id:{}", self.auxiliary_id)?;
        }
        let names = [
            (Capabilities::FLOW_STATS.0, "FLOW_STATS"),
            (Capabilities::TABLE_STATS.0, "TABLE_STATS"),
            (Capabilities::PORT_STATS.0, "PORT_STATS"),
            (Capabilities::GROUP_STATS.0, "GROUP_STATS"),
            (Capabilities::IP_REASM.0, "IP_REASM"),
            (Capabilities::QUEUE_STATS.0, "QUEUE_STATS"),
            (Capabilities::PORT_BLOCKED.0, "PORT_BLOCKED"),
        ];
        write!(f, " capabilities: {}", Flags { bits: self.capabilities.0, names: &names, none: "0" })
    }
}

impl Display for SwitchConfig {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.flags.0 {
            0 => f.write_str("frags=normal")?,
            1 => f.write_str("frags=drop")?,
            2 => f.write_str("frags=reassemble")?,
            other => write!(f, "frags={other:#x}")?,
        }
        write!(f, " miss_send_len={}", self.miss_send_len)
    }
}

impl Display for TableMod {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.table_id {
            TableId::ALL => f.write_str("table_id: ALL_TABLES")?,
            TableId(number) => write!(f, "table_id={number}")?,
        }
        if self.config == 0 { Ok(()) } else { write!(f, ", config={:#x}", self.config) }
    }
}

impl Display for RoleMessage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.role {
            ControllerRole::NOCHANGE => f.write_str("role=nochange")?,
            ControllerRole::EQUAL => f.write_str("role=equal")?,
            ControllerRole::MASTER => f.write_str("role=primary")?,
            ControllerRole::SLAVE => f.write_str("role=secondary")?,
            ControllerRole(other) => write!(f, "role={other}")?,
        }
        if self.generation_id == u64::MAX { Ok(()) } else { write!(f, " generation_id={}", self.generation_id) }
    }
}

impl Display for AsyncConfig {
    /// For each role the reasons of the messages that it gets: `primary: PACKET_IN: no_match invalid_ttl ...`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let AsyncConfig { packet_in_mask, port_status_mask, flow_removed_mask } = self;
        let masks = packet_in_mask.iter().zip(port_status_mask).zip(flow_removed_mask);
        for (name, ((packet_in, port_status), flow_removed)) in ["primary", " secondary"].into_iter().zip(masks) {
            write!(f, "{name}: PACKET_IN:")?;
            write_reasons(f, *packet_in, |bit| super::nicira::packet_in_reason(PacketInReason(bit)))?;
            f.write_str(" PORT_STATUS:")?;
            write_reasons(f, *port_status, |bit| match PortReason(bit) {
                PortReason::ADD => Some("add"),
                PortReason::DELETE => Some("delete"),
                PortReason::MODIFY => Some("modify"),
                _ => None,
            })?;
            f.write_str(" FLOW_REMOVED:")?;
            write_reasons(f, *flow_removed, |bit| flow_removed_reason(FlowRemovedReason(bit)))?;
        }
        Ok(())
    }
}

fn write_reasons(f: &mut Formatter<'_>, mask: u32, name: fn(u8) -> Option<&'static str>) -> fmt::Result {
    if mask == 0 {
        return f.write_str(" (off)");
    }
    for bit in (0..32u8).filter(|bit| mask >> bit & 1 != 0) {
        match name(bit) {
            Some(name) => write!(f, " {name}")?,
            None => write!(f, " {bit}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use net::PortNo;

    use super::*;
    use crate::action::Action;
    use crate::error::ErrorCode;
    use crate::flow::FlowMod;
    use crate::flow_match::Match;
    use crate::instruction::Instruction;

    #[test]
    fn a_flow_mod_prints_on_one_line() {
        let mut flow_mod = FlowMod::add(TableId(1), 10, Match::new().with_eth_type(0x0806));
        flow_mod.instructions = vec![
            Instruction::ApplyActions(vec![Action::output(PortNo(2)), Action::output(PortNo::CONTROLLER)]),
            Instruction::GotoTable(TableId(2)),
        ];
        let message = Message::FlowMod(flow_mod);
        let line = "ADD table:1 priority=10,arp actions=output:2,CONTROLLER:65535,goto_table:2";
        assert_eq!(message.to_string(), format!("OFPT_FLOW_MOD: {line}"));
        let with_xid = Line { xid: 7, message: &message }.to_string();
        assert_eq!(with_xid, format!("OFPT_FLOW_MOD (OF1.3) (xid=0x7): {line}"));
    }

    #[test]
    fn an_error_names_the_message_at_fault() {
        let data = Bytes::from_static(&[4, 14, 0, 80, 0, 0, 0, 9, 1, 2, 3]);
        let error = Message::Error(ErrorMessage::new(ErrorCode::FLOW_MOD_OVERLAP, data));
        let expected = "OFPT_ERROR: OFPFMFC_OVERLAP for OFPT_FLOW_MOD (OF1.3) (xid=0x9) of 80 octets";
        assert_eq!(error.to_string(), expected);
        let text = Bytes::from_static(b"no\x1b[31mway");
        let hello = Message::Error(ErrorMessage::new(ErrorCode::HELLO_INCOMPATIBLE, text));
        assert_eq!(hello.to_string(), "OFPT_ERROR: OFPHFC_INCOMPATIBLE no\\u{1b}[31mway");
    }

    #[test]
    fn a_hello_names_every_version() {
        assert_eq!(Message::Hello(Hello::new()).to_string(), "OFPT_HELLO: version bitmap: 0x04");
        let old = Hello { version: 2, elements: Vec::new(), trailing: Bytes::new() };
        let line = Line { xid: 1, message: &Message::Hello(old) }.to_string();
        assert_eq!(line, "OFPT_HELLO (OF1.1) (xid=0x1): version bitmap: 0x01, 0x02");
    }
}
