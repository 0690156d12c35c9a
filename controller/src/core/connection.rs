//! A switch's connection from its first octet to its end: handshake, the check for a double, description, live.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use net::{DatapathId, PortId, PortNo, Time};
use openflow::{
    Channel, ChannelConfig, ChannelEvent, CloseReason, ConfigFlags, ErrorCode, ErrorMessage, FeaturesReply, Message,
    MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody, Port, PortReason, PortStatus,
    SwitchConfig,
};
use topology::PortInfo;

use super::{AllowedDatapathIds, Core, CoreEvent};

/// How long the live connection has to answer an echo when another switch claims its datapath id.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// How long a switch has to tell its ports and its rules. 100,000 rules take Open vSwitch some seconds; a switch that answers echoes alone
/// would keep its datapath id and its place for ever.
const DESCRIPTION_LIMIT: Duration = Duration::from_secs(60);
/// Ports per switch that are taken in; more are refused, because a peer that never ends its list must not fill the memory.
const PORTS_MAX: usize = 65_536;

/// A transport connection, numbered by the driver. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a connection ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseCause {
    /// The transport ended, or failed.
    Transport,
    /// The channel gave up: handshake, liveness, framing.
    Channel(CloseReason),
    /// A live switch has this datapath id already.
    DuplicateDatapathId(DatapathId),
    /// Another connection took this one's place, because it did not answer any more.
    Replaced,
    /// It has not told its ports and rules in time.
    DescriptionTimeout,
    /// Only main connections are used.
    AuxiliaryConnection,
    /// More rules were reported than a switch can hold.
    ReadBack,
    /// The peer's certificate is not that of the switch it says it is.
    NotItsCertificate(DatapathId),
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseCause::Transport => f.write_str("the connection ended"),
            CloseCause::Channel(reason) => write!(f, "{reason}"),
            CloseCause::DuplicateDatapathId(id) => write!(f, "a live switch has datapath id {id} already"),
            CloseCause::Replaced => f.write_str("silent, and another connection has the same datapath id"),
            CloseCause::DescriptionTimeout => f.write_str("ports and rules were not told in time"),
            CloseCause::ReadBack => f.write_str("more rules were reported than a switch can hold"),
            CloseCause::NotItsCertificate(id) => write!(f, "the certificate is not that of datapath id {id}"),
            CloseCause::AuxiliaryConnection => f.write_str("auxiliary connections are not used"),
        }
    }
}

pub(super) struct Connection {
    pub(super) channel: Channel,
    pub(super) stage: Stage,
    /// Its place in the core's order of deadlines.
    pub(super) deadline: Option<Time>,
    /// Whom the peer may say it is.
    datapath_ids: AllowedDatapathIds,
}

pub(super) enum Stage {
    /// HELLO and FEATURES are under way.
    Handshake,
    /// Another connection has this datapath id: it is being probed.
    Waiting { datapath_id: DatapathId, incumbent: ConnectionId },
    /// Ports are being described; then the rules are read back.
    Describing { datapath_id: DatapathId, ports: BTreeMap<PortNo, Port>, deadline: Time },
    /// In the network.
    Live { datapath_id: DatapathId },
    /// Output is being flushed; nothing is read any more.
    Closing,
}

impl Connection {
    pub(super) fn new(config: ChannelConfig, datapath_ids: AllowedDatapathIds, now: Time) -> Connection {
        Connection { channel: Channel::controller(config, now), stage: Stage::Handshake, deadline: None, datapath_ids }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let description = match self.stage {
            Stage::Describing { deadline, .. } => Some((deadline, "description")),
            _ => None,
        };
        [self.channel.poll_timeout(), description].into_iter().flatten().min()
    }
}

impl Core {
    /// Take what a connection's channel has to say.
    pub(super) fn drain_channel(&mut self, id: ConnectionId, now: Time) {
        while let Some(connection) = self.connections.get_mut(&id) {
            let Some(event) = connection.channel.poll_event() else { break };
            self.channel_event(id, event, now);
        }
        if self.connections.get(&id).is_some_and(|connection| connection.channel.queued_len() > 0) {
            self.ready.insert(id);
        }
    }

    pub(super) fn channel_event(&mut self, id: ConnectionId, event: ChannelEvent, now: Time) {
        match event {
            ChannelEvent::Up { features } => self.channel_up(id, &features, now),
            ChannelEvent::Message { xid, message } => self.message(id, xid, message, now),
            // The switch side's word; this is the controller's.
            ChannelEvent::Negotiated => {}
            ChannelEvent::Malformed { xid, message_type, error } => {
                *self.counters.malformed.entry(error.kind.name()).or_default() += 1;
                let what = format!("{message_type} (xid {xid:#x}): {error}");
                self.events.push_back(CoreEvent::Malformed { connection: id, what });
            }
            ChannelEvent::ProbeAnswered => self.incumbent_answered(id, now),
            ChannelEvent::ProbeTimedOut => self.incumbent_silent(id, now),
            // The last event of a channel.
            ChannelEvent::Closed { reason } => self.drop_connection(id, CloseCause::Channel(reason), now),
        }
    }

    fn channel_up(&mut self, id: ConnectionId, features: &FeaturesReply, now: Time) {
        let datapath_id = features.datapath_id;
        // Before anything else is believed: neither a probe of the true switch nor a place beside it for somebody else.
        if self.connections.get(&id).is_some_and(|connection| !connection.datapath_ids.contains(datapath_id)) {
            self.counters.certificates_refused += 1;
            self.refuse(id, CloseCause::NotItsCertificate(datapath_id), now);
            return;
        }
        if features.auxiliary_id != 0 {
            self.refuse(id, CloseCause::AuxiliaryConnection, now);
            return;
        }
        let Some(&incumbent) = self.by_datapath.get(&datapath_id) else {
            self.admit(id, datapath_id, now);
            return;
        };
        // One probe answers for all: another one would put the deadline off, again with every newcomer.
        if self.waiting_for(incumbent).is_empty() {
            self.probe(incumbent, now);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage = Stage::Waiting { datapath_id, incumbent };
            self.waiting.insert(id);
        }
    }

    /// The live connection has answered: everybody who claims its datapath id goes.
    fn incumbent_answered(&mut self, incumbent: ConnectionId, now: Time) {
        for (id, datapath_id) in self.waiting_for(incumbent) {
            self.counters.duplicates_refused += 1;
            self.refuse(id, CloseCause::DuplicateDatapathId(datapath_id), now);
        }
    }

    /// The live connection is dead: who waits takes over.
    fn incumbent_silent(&mut self, incumbent: ConnectionId, now: Time) {
        if !self.waiting_for(incumbent).is_empty() {
            self.refuse(incumbent, CloseCause::Replaced, now);
        }
    }

    /// A connection has given its datapath id up: the first of those who wait for it takes over, the others go on waiting, for that one.
    fn promote(&mut self, incumbent: ConnectionId, now: Time) {
        let mut waiting = self.waiting_for(incumbent).into_iter();
        let Some((heir, datapath_id)) = waiting.next() else { return };
        self.admit(heir, datapath_id, now);
        let others = waiting.len() > 0;
        for (id, datapath_id) in waiting {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.stage = Stage::Waiting { datapath_id, incumbent: heir };
            }
        }
        if others {
            self.probe(heir, now);
        }
    }

    fn probe(&mut self, id: ConnectionId, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.channel.probe(now, PROBE_LIMIT);
        if !connection.channel.is_up() {
            self.overflowed.insert(id);
        }
        self.ready.insert(id);
    }

    fn waiting_for(&self, incumbent: ConnectionId) -> Vec<(ConnectionId, DatapathId)> {
        let waits = |id| match self.connections.get(id)?.stage {
            Stage::Waiting { datapath_id, incumbent: other } if other == incumbent => Some((*id, datapath_id)),
            _ => None,
        };
        self.waiting.iter().filter_map(waits).collect()
    }

    /// The switch is who it says: ask for what has to be known before it joins the network.
    fn admit(&mut self, id: ConnectionId, datapath_id: DatapathId, now: Time) {
        self.by_datapath.insert(datapath_id, id);
        self.waiting.remove(&id);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage =
                Stage::Describing { datapath_id, ports: BTreeMap::new(), deadline: now + DESCRIPTION_LIMIT };
        }
        // Whole packets only: Open vSwitch has no buffers to refer to.
        let config = SwitchConfig { flags: ConfigFlags::FRAG_NORMAL, miss_send_len: openflow::CONTROLLER_NO_BUFFER };
        self.send(id, None, &Message::SetConfig(config));
        self.send(id, None, &request(MultipartRequestBody::PortDesc));
    }

    /// All ports are known and the rules have been read back.
    pub(super) fn go_live(&mut self, id: ConnectionId) -> Option<Vec<PortInfo>> {
        let connection = self.connections.get_mut(&id)?;
        let Stage::Describing { datapath_id, ports, .. } = &mut connection.stage else { return None };
        let infos = ports.values().filter(|port| has_hosts(port.port_no)).map(port_info).collect();
        connection.stage = Stage::Live { datapath_id: *datapath_id };
        Some(infos)
    }

    /// What a switch has told is not believed.
    pub(super) fn close_switch(&mut self, datapath_id: DatapathId, cause: CloseCause, now: Time) {
        if let Some(&id) = self.by_datapath.get(&datapath_id) {
            self.refuse(id, cause, now);
        }
    }

    pub(super) fn end_overdue_description(&mut self, id: ConnectionId, now: Time) {
        let Some(connection) = self.connections.get(&id) else { return };
        if matches!(connection.stage, Stage::Describing { deadline, .. } if deadline <= now) {
            self.refuse(id, CloseCause::DescriptionTimeout, now);
        }
    }

    /// Say why in an OpenFlow error, then close.
    fn refuse(&mut self, id: ConnectionId, cause: CloseCause, now: Time) {
        let error = ErrorMessage::new(ErrorCode::REQUEST_EPERM, Bytes::copy_from_slice(cause.to_string().as_bytes()));
        self.send(id, None, &Message::Error(error));
        self.drop_connection(id, cause, now);
    }

    /// The end of a connection, whoever wants it. The driver flushes and closes; a second call does nothing but forget it.
    pub(super) fn drop_connection(&mut self, id: ConnectionId, cause: CloseCause, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        self.waiting.remove(&id);
        let transport_gone = cause == CloseCause::Transport;
        let stage = std::mem::replace(&mut connection.stage, Stage::Closing);
        let datapath_id = match stage {
            Stage::Describing { datapath_id, .. } | Stage::Live { datapath_id } => Some(datapath_id),
            Stage::Handshake | Stage::Waiting { .. } | Stage::Closing => None,
        };
        if !transport_gone && !matches!(stage, Stage::Closing) {
            self.events.push_back(CoreEvent::Close { connection: id, cause: cause.clone() });
        }
        if let Some(datapath_id) = datapath_id {
            self.by_datapath.remove(&datapath_id);
            self.settling.forget(datapath_id);
            self.reconciler.handle_disconnected(datapath_id, now);
            if matches!(stage, Stage::Live { .. }) {
                self.discovery.handle_switch_down(datapath_id, now);
                self.events.push_back(CoreEvent::SwitchDisconnected { datapath_id, cause });
            }
        }
        if transport_gone {
            if let Some(connection) = self.connections.remove(&id) {
                if let Some(at) = connection.deadline {
                    self.deadlines.remove(&(at, id));
                }
                self.counters.add_channel(connection.channel.counters());
            }
            self.ready.remove(&id);
        } else {
            self.ready.insert(id);
        }
        if datapath_id.is_some() {
            self.promote(id, now);
        }
    }

    /// A message that is not the channel's own business.
    fn message(&mut self, id: ConnectionId, xid: u32, message: Message, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let datapath_id = match &mut connection.stage {
            // An unknown datapath gets no service: neither hosts nor links are learned from it.
            Stage::Handshake | Stage::Waiting { .. } | Stage::Closing => return,
            Stage::Describing { datapath_id, ports, .. } => {
                let datapath_id = *datapath_id;
                match &message {
                    Message::MultipartReply(MultipartReply { more, body: MultipartReplyBody::PortDesc(list) }) => {
                        for port in list.iter().take(PORTS_MAX.saturating_sub(ports.len())) {
                            ports.insert(port.port_no, port.clone());
                        }
                        if !more {
                            self.reconciler.handle_connected(datapath_id);
                        }
                        return;
                    }
                    Message::PortStatus(status) => {
                        if status.reason == PortReason::DELETE {
                            ports.remove(&status.port.port_no);
                        } else if ports.len() < PORTS_MAX {
                            ports.insert(status.port.port_no, status.port.clone());
                        }
                        return;
                    }
                    Message::PacketIn(_) => return,
                    _ => datapath_id,
                }
            }
            Stage::Live { datapath_id } => *datapath_id,
        };
        match message {
            Message::PacketIn(packet_in) => self.packet_in(datapath_id, &packet_in, now),
            Message::PortStatus(status) => self.port_status(datapath_id, &status, now),
            Message::FlowRemoved(removed) => self.flow_removed(datapath_id, &removed, now),
            Message::BarrierReply => {
                self.reconciler.handle_barrier_reply(datapath_id, xid, now);
            }
            Message::MultipartReply(reply) => {
                if !self.reconciler.handle_multipart(datapath_id, xid, &reply)
                    && let MultipartReplyBody::PortStats(mut stats) = reply.body
                {
                    // Each port is a row of metrics: only ports that are there.
                    let network = self.discovery.network();
                    stats.retain(|stats| network.port(PortId::new(datapath_id, stats.port_no)).is_some());
                    self.events.push_back(CoreEvent::PortStats { datapath_id, stats });
                }
            }
            Message::Error(error) => {
                *self.counters.errors_received.entry(error.error_type).or_default() += 1;
                self.reconciler.handle_error(datapath_id, xid, &error, now);
            }
            // Replies to nothing we asked, and requests that only a controller makes.
            _ => {}
        }
    }

    fn port_status(&mut self, datapath_id: DatapathId, status: &PortStatus, now: Time) {
        let port = PortId::new(datapath_id, status.port.port_no);
        if !has_hosts(port.port_no) {
            return;
        }
        if status.reason == PortReason::DELETE {
            self.discovery.handle_port_removed(port, now);
        } else {
            self.discovery.handle_port(datapath_id, port_info(&status.port), now);
        }
    }

    fn flow_removed(&mut self, datapath_id: DatapathId, removed: &openflow::FlowRemoved, now: Time) {
        let known = self.reconciler.handle_flow_removed(datapath_id, removed);
        let timed_out = removed.reason == openflow::FlowRemovedReason::IDLE_TIMEOUT;
        if known
            && timed_out
            && let (Some(port_no), Some(mac)) = (removed.match_.in_port(), removed.match_.eth_src())
        {
            self.discovery.handle_host_idle(PortId::new(datapath_id, port_no), mac, now);
        }
    }

    pub(super) fn request_port_stats(&mut self) {
        let live: Vec<ConnectionId> = self
            .by_datapath
            .values()
            .copied()
            .filter(|id| self.connections.get(id).is_some_and(|c| matches!(c.stage, Stage::Live { .. })))
            .collect();
        for id in live {
            self.send(id, None, &request(MultipartRequestBody::PortStats(PortNo::ANY)));
        }
    }
}

/// Cables, and the switch's own network stack: `ip addr add … dev br0` on Open vSwitch is a host like any other.
fn has_hosts(port_no: PortNo) -> bool {
    port_no.is_physical() || port_no == PortNo::LOCAL
}

fn request(body: MultipartRequestBody) -> Message {
    Message::MultipartRequest(MultipartRequest::new(body))
}

fn port_info(port: &Port) -> PortInfo {
    PortInfo {
        port_no: port.port_no,
        hw_addr: port.hw_addr,
        name: port.name(),
        up: port.is_up(),
        curr_speed_kbps: port.curr_speed,
    }
}
