//! The actions that Open vSwitch has beside OpenFlow 1.3 (ovs-actions(7)).
//!
//! Connection tracking isn't there: `ct` is refused before it gets here, `ct_clear` has nothing to clear. `sample` has no collectors.

use super::Overrun;
use super::hash::hash;
use super::run::{Control, Run, THE_CONTROLLER};
use crate::identifier::TableId;
use crate::nicira::{BundleAlgorithm, BundlePorts, ControllerProperty, Multipath, MultipathAlgorithm, NiciraAction};
use crate::oxm::OxmKind;
use crate::packet::PacketInReason;
use crate::switch::field;
use crate::switch::flow_key::mix;
use crate::switch::headers::{NSH, UnsupportedPacketType};
use crate::switch::packet::{InvalidTtl, Packet};
use crate::switch::tunnel_options::to_number;
use net::PortNo;

const TCP_FIN: u128 = 0x01;
const TCP_RST: u128 = 0x04;

impl<'a> Run<'a> {
    pub(super) fn extension(&mut self, packet: &mut Packet, action: &'a NiciraAction, in_bucket: bool) -> Control {
        match action {
            NiciraAction::Resubmit { in_port } => self.resubmit(packet, *in_port, TableId::ALL),
            NiciraAction::ResubmitTable { in_port, table_id, with_ct: false } => {
                self.resubmit(packet, *in_port, *table_id);
            }
            // Of a packet that isn't tracked there is no first packet to look up by.
            NiciraAction::ResubmitTable { with_ct: true, .. } => {}
            NiciraAction::SetTunnel(id) => packet.set_field(OxmKind::TUNNEL_ID, u128::from(*id), u128::MAX),
            NiciraAction::SetTunnel64(id) => packet.set_field(OxmKind::TUNNEL_ID, u128::from(*id), u128::MAX),
            NiciraAction::RegMove { source, destination } => packet.move_bits(*source, *destination),
            NiciraAction::RegLoad { destination, value } => packet.set_subfield(*destination, u128::from(*value)),
            NiciraAction::RegLoad2(field) => {
                packet.set_field_of(field.as_field());
            }
            NiciraAction::Multipath(multipath) => {
                let link =
                    link(multipath, hash(packet.key(), multipath.fields, self.view.seed ^ u64::from(multipath.basis)));
                packet.set_subfield(multipath.destination, u128::from(link));
            }
            NiciraAction::Bundle(bundle) => self.bundle(packet, bundle, in_bucket),
            NiciraAction::OutputReg { source, max_len } | NiciraAction::OutputReg2 { source, max_len } => {
                if let Some(port) = port_of(to_number(&packet.read(*source))) {
                    self.output(packet, port, *max_len, in_bucket);
                }
            }
            NiciraAction::OutputTrunc { port, max_len } => self.output_truncated(packet, *port, *max_len),
            NiciraAction::Learn(learn) => self.learn(packet, learn),
            NiciraAction::Exit => self.exit = true,
            NiciraAction::DecTtlCntIds(controllers) => return self.dec_nw_ttl(packet, controllers),
            NiciraAction::FinTimeout { idle_timeout, hard_timeout } => {
                if let (Some(flow), true) = (self.origin.flow, self.tcp_flags & (TCP_FIN | TCP_RST) != 0) {
                    self.trace.fin_timeouts.push((flow, *idle_timeout, *hard_timeout));
                }
            }
            NiciraAction::Controller { max_len, controller_id, reason } => {
                self.controller(packet, *controller_id, *reason, *max_len);
            }
            NiciraAction::Controller2(properties) => self.controller_with(packet, properties),
            NiciraAction::WriteMetadata { metadata, mask } => packet.write_metadata(*metadata, *mask),
            NiciraAction::StackPush(source) => {
                self.push(packet.read(*source), source.bits);
            }
            NiciraAction::StackPop(destination) => {
                // From an empty stack nothing is taken.
                if let Some(value) = self.pop() {
                    packet.write_bits(*destination, &value);
                }
            }
            NiciraAction::DecNshTtl if !packet.is_nsh() => return Control::Leave,
            NiciraAction::DecNshTtl => {
                if let Err(InvalidTtl) = packet.dec_nsh_ttl() {
                    self.punt(packet, PacketInReason::INVALID_TTL, u16::MAX);
                    return Control::Leave;
                }
            }
            NiciraAction::DeleteField(kind) => packet.delete_field(*kind),
            NiciraAction::Clone(actions) => self.fork(packet, actions),
            NiciraAction::CheckPktLarger { length, destination } => {
                packet.commit();
                return Control::Branch(*destination, packet.octets().len() > usize::from(*length));
            }
            NiciraAction::Encap(encap) => {
                let done = match encap.packet_type {
                    NSH => packet.encap_nsh(&encap.properties),
                    _ => packet.encap_ethernet(),
                };
                if let Err(UnsupportedPacketType) = done {
                    self.stop(Overrun::PacketType);
                    return Control::Leave;
                }
            }
            NiciraAction::Decap { .. } => match packet.decap() {
                Ok(true) => {
                    self.come_around(packet);
                    self.turn.idle = true;
                }
                Ok(false) => {}
                Err(UnsupportedPacketType) => {
                    self.stop(Overrun::PacketType);
                    return Control::Leave;
                }
            },
            // Done by lookups, or nothing that can be seen, or refused before it gets here.
            NiciraAction::Conjunction { .. }
            | NiciraAction::Note(_)
            | NiciraAction::Sample(_)
            | NiciraAction::CtClear
            | NiciraAction::PopQueue
            | NiciraAction::SetQueue(_)
            | NiciraAction::DecTtl
            | NiciraAction::PushMpls(_)
            | NiciraAction::PopMpls(_)
            | NiciraAction::SetMplsTtl(_)
            | NiciraAction::DecMplsTtl
            | NiciraAction::SetMplsLabel(_)
            | NiciraAction::SetMplsTc(_)
            | NiciraAction::Ct(_)
            | NiciraAction::Nat(_)
            | NiciraAction::Group(_) => {}
        }
        Control::Next
    }

    fn resubmit(&mut self, packet: &mut Packet, in_port: PortNo, table_id: TableId) {
        let in_port = if in_port == PortNo::IN_PORT { packet.key().in_port() } else { in_port };
        let table_id = if table_id == TableId::ALL { self.origin.table_id } else { table_id };
        self.table(packet, in_port, table_id);
    }

    fn bundle(&mut self, packet: &mut Packet, bundle: &BundlePorts, in_bucket: bool) {
        if !self.charge(bundle.members.len()) {
            return;
        }
        let ports = self.view.ports;
        let live = |port: PortNo| match port {
            PortNo::IN_PORT | PortNo::TABLE | PortNo::NORMAL | PortNo::FLOOD | PortNo::ALL | PortNo::ANY => true,
            PortNo::CONTROLLER => false,
            port => ports.is_live(port),
        };
        let mut members = bundle.members.iter().copied().enumerate().filter(|(_, port)| live(*port));
        let chosen = match bundle.algorithm {
            BundleAlgorithm::HRW => {
                let flow = hash(packet.key(), bundle.fields, self.view.seed ^ u64::from(bundle.basis));
                members.max_by_key(|(index, _)| mix(flow ^ mix(*index as u64)))
            }
            _ => members.next(),
        };
        let port = chosen.map_or(PortNo::ANY, |(_, port)| port);
        match bundle.destination {
            Some(destination) => packet.set_subfield(destination, u128::from(port.0 & 0xffff)),
            None => self.output(packet, port, 0, in_bucket),
        }
    }

    /// The start of the packet leaves by one port; for several ports at once, and for the ingress port, Open vSwitch does nothing.
    fn output_truncated(&mut self, packet: &mut Packet, port: PortNo, max_len: u32) {
        let several = matches!(
            port,
            PortNo::TABLE | PortNo::NORMAL | PortNo::FLOOD | PortNo::ALL | PortNo::CONTROLLER | PortNo::ANY
        );
        let in_port = packet.key().in_port();
        if several || port == in_port {
            return;
        }
        if port != PortNo::IN_PORT && self.view.ports.get(port).is_none() {
            return;
        }
        self.cut = packet.seen_len().saturating_sub(max_len as usize);
        self.emit(packet, if port == PortNo::IN_PORT { in_port } else { port });
    }

    fn controller_with(&mut self, packet: &mut Packet, properties: &[ControllerProperty]) {
        let (mut max_len, mut controller_id, mut reason) = (u16::MAX, THE_CONTROLLER, PacketInReason::ACTION);
        for property in properties {
            match property {
                ControllerProperty::MaxLen(len) => max_len = *len,
                ControllerProperty::ControllerId(id) => controller_id = *id,
                ControllerProperty::Reason(other) => reason = *other,
                // A packet that waits for the controller waits for ever: there is no resumption here.
                ControllerProperty::Pause => self.exit = true,
                ControllerProperty::Userdata(_)
                | ControllerProperty::MeterId(_)
                | ControllerProperty::Unknown { .. } => {}
            }
        }
        self.controller(packet, controller_id, reason, max_len);
    }

    fn controller(&mut self, packet: &mut Packet, controller_id: u16, reason: PacketInReason, max_len: u16) {
        if controller_id == THE_CONTROLLER {
            self.punt_for(packet, reason, max_len, true);
        }
    }
}

/// A port number in a register, which has 16 bits as in OpenFlow 1.0. Nothing for a larger one.
fn port_of(value: u128) -> Option<PortNo> {
    let place = field::place(OxmKind::NXM_OF_IN_PORT)?;
    u16::try_from(value).ok().map(|port| PortNo(place.stored(u128::from(port)) as u32))
}

/// The link that a hash chooses. Which one isn't Open vSwitch's choice, whose hash is another; how they are spread is.
fn link(multipath: &Multipath, hash: u64) -> u16 {
    let links = u64::from(multipath.max_link) + 1;
    let weight = |link: u64| mix(hash ^ mix(link));
    let chosen = match multipath.algorithm {
        MultipathAlgorithm::MODULO_N => hash % links,
        MultipathAlgorithm::HASH_THRESHOLD => ((u128::from(hash) * u128::from(links)) >> 64) as u64,
        // Highest random weight; of many links, as Open vSwitch does, the first of a series of hashes that is one.
        MultipathAlgorithm::HRW if links <= MAX_WEIGHED_LINKS => {
            (0..links).max_by_key(|link| weight(*link)).unwrap_or(0)
        }
        _ => {
            let modulo = links.next_power_of_two();
            let mut tries = (0..MAX_TRIES).map(|attempt| weight(attempt) % modulo);
            tries.find(|link| *link < links).unwrap_or(hash % links)
        }
    };
    chosen as u16
}

/// Links that are weighed against each other one by one, as in Open vSwitch.
const MAX_WEIGHED_LINKS: u64 = 64;
/// Hashes that are tried; more than half of them are a link each.
const MAX_TRIES: u64 = 64;
