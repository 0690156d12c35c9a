//! A switch's connection from its first octet to its end: handshake, the check for a double, description, live.
//!
//! A main connection makes the switch; auxiliary ones belong to it and end with it ([`super::auxiliary`]). A switch at which this
//! controller is slave stands by ([`super::role`]).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use net::{DatapathId, PortId, PortNo, Time};
use openflow::{
    Channel, ChannelConfig, ChannelEvent, CloseReason, ConfigFlags, ControllerRole, ErrorCode, ErrorMessage,
    FeaturesReply, Message, MultipartReply, MultipartReplyBody, MultipartRequest, MultipartRequestBody, PacketInRef,
    Port, PortLinkState, PortReason, PortStatus, RequestFailure, SwitchConfig, SwitchDesc,
};
use topology::PortInfo;

use super::{AllowedDatapathIds, Core, CoreEvent, CountingFailure, CountingNumber, Malformed};

/// How long the live connection has to answer an echo when another switch claims its datapath id.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// How long a switch has to tell its ports and its rules. 100,000 rules take Open vSwitch some seconds; a switch that answers echoes alone
/// would keep its datapath id and its place for ever.
const DESCRIPTION_LIMIT: Duration = Duration::from_secs(60);
/// How long a switch has to answer the question for its port counters. A slower one is asked again after its answer, or this.
const PORT_STATS_LIMIT: Duration = Duration::from_secs(30);
/// How long the switches have to do what they were told before this controller goes.
pub const FINISH_LIMIT: Duration = Duration::from_millis(500);
/// Output that may wait for one switch: eight times what packet-outs may take up ([`openflow::channel::HIGH_WATERMARK`]), and several
/// windows of the reconciler's rules. More closes the connection.
const OUTPUT_MAX: usize = 8 << 20;
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
    /// An auxiliary connection has come before the switch's main connection, or there are too many of them.
    AuxiliaryConnection,
    /// A live auxiliary connection of this switch has this number already.
    DuplicateAuxiliary {
        /// The switch.
        datapath_id: DatapathId,
        /// The number of the connection.
        auxiliary_id: u8,
    },
    /// The main connection that this one belonged to has ended.
    MainConnectionEnded,
    /// The switch has another master now: it is no longer ours to change. Its connection stays.
    Demoted,
    /// The switch refused to tell its ports.
    DescriptionRefused,
    /// More rules and groups were reported, or larger ones, than this controller puts on a switch.
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
            CloseCause::ReadBack => f.write_str(
                "the rules and groups that it reported are not believed: more than 1,000,000, or what takes more than 64 MiB",
            ),
            CloseCause::NotItsCertificate(id) => write!(f, "the certificate is not that of datapath id {id}"),
            CloseCause::AuxiliaryConnection => f.write_str(
                "an auxiliary connection needs the switch's main connection first, and there may be 16 of them",
            ),
            CloseCause::DuplicateAuxiliary { datapath_id, auxiliary_id } => {
                write!(f, "a live connection is auxiliary connection {auxiliary_id} of {datapath_id} already")
            }
            CloseCause::MainConnectionEnded => f.write_str("the switch's main connection has ended"),
            CloseCause::Demoted => f.write_str("another controller is master now"),
            CloseCause::DescriptionRefused => f.write_str("the switch did not tell its ports"),
        }
    }
}

/// Who a connection says it is: a switch, and which of its connections. One connection at a time holds a claim.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Claim {
    pub(super) datapath_id: DatapathId,
    /// 0 for the main connection.
    pub(super) auxiliary_id: u8,
}

/// What a switch says about itself (OpenFlow 1.3.5 §7.3.5.1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SwitchDescription {
    /// Who made it.
    pub manufacturer: String,
    /// The hardware.
    pub hardware: String,
    /// The software.
    pub software: String,
    /// The serial number.
    pub serial_number: String,
    /// The datapath, for people.
    pub datapath: String,
}

impl SwitchDescription {
    /// Whether it is asked what its tables can hold. A switch in software has hundreds of tables that are all alike: there is nothing to learn, and while
    /// Open vSwitch writes 1.2 MB about them its userspace datapath forwards nothing.
    fn tells_tables(&self) -> bool {
        !self.is_software()
    }

    /// Open vSwitch, or an emulated switch that knows the same extensions.
    pub(super) fn is_software(&self) -> bool {
        ["Open vSwitch", "Software switch"].iter().any(|word| self.hardware.contains(word))
    }
}

impl From<&SwitchDesc> for SwitchDescription {
    /// Copies: the texts would keep the octets around them alive.
    fn from(desc: &SwitchDesc) -> SwitchDescription {
        SwitchDescription {
            manufacturer: desc.mfr_desc.to_string(),
            hardware: desc.hw_desc.to_string(),
            software: desc.sw_desc.to_string(),
            serial_number: desc.serial_num.to_string(),
            datapath: desc.dp_desc.to_string(),
        }
    }
}

/// A question that the core itself has asked on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Question {
    Ports,
    Description,
    Role,
    PortStats,
    /// As many as there are numbers may be open.
    Counters(CountingNumber),
}

pub(super) struct Connection {
    pub(super) channel: Channel,
    pub(super) stage: Stage,
    /// Its place in the core's order of deadlines.
    pub(super) deadline: Option<Time>,
    /// When it was taken.
    pub(super) opened: Time,
    /// Whom the peer may say it is.
    datapath_ids: AllowedDatapathIds,
    /// Questions that are open, with their numbers: at most one of a kind.
    questions: Vec<(u32, Question)>,
    /// What this controller is to the switch.
    pub(super) role: ControllerRole,
    description: Option<Box<SwitchDescription>>,
}

pub(super) enum Stage {
    /// HELLO and FEATURES are under way.
    Handshake,
    /// Another connection has this claim: it is being probed.
    Waiting { claim: Claim, incumbent: ConnectionId },
    /// Ports are being described; then the rules are read back.
    Describing { datapath_id: DatapathId, ports: BTreeMap<PortNo, Port>, all_ports: bool, deadline: Time },
    /// In the network.
    Live { datapath_id: DatapathId },
    /// This controller is slave there: the connection is kept, and nothing is changed or learned.
    Standby { datapath_id: DatapathId },
    /// Belongs to the main connection of this switch.
    Auxiliary { claim: Claim },
    /// Output is being flushed; nothing is read any more.
    Closing,
}

impl Stage {
    /// What the connection holds.
    pub(super) fn claim(&self) -> Option<Claim> {
        match *self {
            Stage::Describing { datapath_id, .. } | Stage::Live { datapath_id } | Stage::Standby { datapath_id } => {
                Some(Claim { datapath_id, auxiliary_id: 0 })
            }
            Stage::Auxiliary { claim } => Some(claim),
            Stage::Handshake | Stage::Waiting { .. } | Stage::Closing => None,
        }
    }
}

impl Connection {
    pub(super) fn new(config: ChannelConfig, datapath_ids: AllowedDatapathIds, now: Time) -> Connection {
        let config = ChannelConfig { max_queued_output: config.max_queued_output.min(OUTPUT_MAX), ..config };
        Connection {
            channel: Channel::controller(config, now),
            stage: Stage::Handshake,
            deadline: None,
            opened: now,
            datapath_ids,
            questions: Vec::new(),
            role: ControllerRole::EQUAL,
            description: None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let description = match self.stage {
            Stage::Describing { deadline, .. } => Some((deadline, "description")),
            _ => None,
        };
        [self.channel.poll_timeout(), description].into_iter().flatten().min()
    }

    pub(super) fn asks(&self, question: Question) -> bool {
        self.questions.iter().any(|(_, open)| *open == question)
    }

    /// Which question has this number. It stays open while parts follow.
    fn question(&mut self, xid: u32, last: bool) -> Option<Question> {
        let at = self.questions.iter().position(|(number, _)| *number == xid)?;
        if last { Some(self.questions.remove(at).1) } else { self.questions.get(at).map(|(_, question)| *question) }
    }

    /// The questions for counters that are open. They are not any more.
    pub(super) fn take_countings(&mut self) -> Vec<CountingNumber> {
        let counting = |question: &mut (u32, Question)| matches!(question.1, Question::Counters(_));
        let taken = self.questions.extract_if(.., counting);
        let number = |(_, question)| match question {
            Question::Counters(number) => Some(number),
            _ => None,
        };
        taken.filter_map(number).collect()
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
            ChannelEvent::Reply { xid, message, last } => self.answered(id, xid, message, last, now),
            ChannelEvent::RequestTimedOut { xid } => self.unanswered(id, xid, None, now),
            ChannelEvent::RequestFailed { xid, failure } => self.unanswered(id, xid, Some(failure), now),
            // The switch side's word; this is the controller's.
            ChannelEvent::Negotiated => {}
            ChannelEvent::Malformed { xid, message_type, error } => {
                *self.counters.malformed.entry(error.kind.name()).or_default() += 1;
                let what = Malformed { xid, message_type, error };
                self.events.push_back(CoreEvent::Malformed { connection: id, what });
            }
            ChannelEvent::InquiryAnswered => {
                if let Some(Stage::Live { datapath_id }) = self.connections.get(&id).map(|connection| &connection.stage)
                {
                    self.discovery.handle_answered(*datapath_id, now);
                }
            }
            ChannelEvent::ProbeAnswered => self.incumbent_answered(id, now),
            ChannelEvent::ProbeTimedOut => self.incumbent_silent(id, now),
            // The last event of a channel.
            ChannelEvent::Closed { reason } => self.drop_connection(id, CloseCause::Channel(reason), now),
        }
    }

    fn channel_up(&mut self, id: ConnectionId, features: &FeaturesReply, now: Time) {
        let claim = Claim { datapath_id: features.datapath_id, auxiliary_id: features.auxiliary_id };
        // Before anything else is believed: neither a probe of the true switch nor a place beside it for somebody else.
        if self.connections.get(&id).is_some_and(|connection| !connection.datapath_ids.contains(claim.datapath_id)) {
            self.counters.certificates_refused += 1;
            self.refuse(id, CloseCause::NotItsCertificate(claim.datapath_id), now);
            return;
        }
        let Some(&incumbent) = self.claims.get(&claim) else {
            self.admit(id, claim, now);
            return;
        };
        // One probe answers for all: another one would put the deadline off, again with every newcomer.
        if self.waiting_for(incumbent).is_empty() {
            self.probe(incumbent, now);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage = Stage::Waiting { claim, incumbent };
            self.waiting.insert(id);
        }
    }

    /// The live connection has answered: everybody who claims the same goes.
    fn incumbent_answered(&mut self, incumbent: ConnectionId, now: Time) {
        for (id, Claim { datapath_id, auxiliary_id }) in self.waiting_for(incumbent) {
            self.counters.duplicates_refused += 1;
            let cause = match auxiliary_id {
                0 => CloseCause::DuplicateDatapathId(datapath_id),
                auxiliary_id => CloseCause::DuplicateAuxiliary { datapath_id, auxiliary_id },
            };
            self.refuse(id, cause, now);
        }
    }

    /// The live connection is dead: who waits takes over.
    fn incumbent_silent(&mut self, incumbent: ConnectionId, now: Time) {
        if !self.waiting_for(incumbent).is_empty() {
            self.refuse(incumbent, CloseCause::Replaced, now);
        }
    }

    /// A connection has given its claim up: the first of those who wait for it takes over, the others go on waiting, for that one.
    fn promote(&mut self, incumbent: ConnectionId, now: Time) {
        let mut waiting = self.waiting_for(incumbent).into_iter();
        let Some((heir, claim)) = waiting.next() else { return };
        self.admit(heir, claim, now);
        let others = waiting.len() > 0;
        for (id, claim) in waiting {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.stage = Stage::Waiting { claim, incumbent: heir };
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

    fn waiting_for(&self, incumbent: ConnectionId) -> Vec<(ConnectionId, Claim)> {
        let waits = |id| match self.connections.get(id)?.stage {
            Stage::Waiting { claim, incumbent: other } if other == incumbent => Some((*id, claim)),
            _ => None,
        };
        self.waiting.iter().filter_map(waits).collect()
    }

    /// The switch is who it says. Its main connection asks for what has to be known before it joins the network.
    fn admit(&mut self, id: ConnectionId, claim: Claim, now: Time) {
        self.waiting.remove(&id);
        if claim.auxiliary_id != 0 {
            return self.admit_auxiliary(id, claim, now);
        }
        self.claims.insert(claim, id);
        self.claim_role(id);
        self.describe(id, claim.datapath_id, now);
        self.ask(id, Question::Description, &request(MultipartRequestBody::Desc), DESCRIPTION_LIMIT);
    }

    /// Ports first; then, if this controller may change the switch, its rules.
    pub(super) fn describe(&mut self, id: ConnectionId, datapath_id: DatapathId, now: Time) {
        self.by_datapath.insert(datapath_id, id);
        if let Some(connection) = self.connections.get_mut(&id) {
            let deadline = now + DESCRIPTION_LIMIT;
            connection.stage = Stage::Describing { datapath_id, ports: BTreeMap::new(), all_ports: false, deadline };
        }
        // Whole packets only: Open vSwitch has no buffers to refer to.
        let config = SwitchConfig { flags: ConfigFlags::FRAG_NORMAL, miss_send_len: openflow::CONTROLLER_NO_BUFFER };
        self.send(id, None, &Message::SetConfig(config));
        self.ask(id, Question::Ports, &request(MultipartRequestBody::PortDesc), DESCRIPTION_LIMIT);
    }

    /// Ask a question whose answer comes back to [`Core::answered`], unless one of the kind is open.
    pub(super) fn ask(&mut self, id: ConnectionId, question: Question, message: &Message, within: Duration) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.asks(question) || matches!(connection.stage, Stage::Closing) {
            return;
        }
        let xid = connection.channel.request(message, within);
        connection.questions.push((xid, question));
        if !connection.channel.is_up() {
            self.overflowed.insert(id);
        }
        self.ready.insert(id);
    }

    /// An answer to a question of ours, or a part of it.
    fn answered(&mut self, id: ConnectionId, xid: u32, message: Message, last: bool, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(question) = connection.question(xid, last) else { return };
        match (question, message) {
            (
                Question::Ports,
                Message::MultipartReply(MultipartReply { body: MultipartReplyBody::PortDesc(list), .. }),
            ) => {
                if let Stage::Describing { ports, all_ports, .. } = &mut connection.stage {
                    for port in list.iter().take(PORTS_MAX.saturating_sub(ports.len())) {
                        ports.insert(port.port_no, port.clone());
                    }
                    *all_ports |= last;
                }
                self.read_back_when_ready(id, now);
            }
            (
                Question::Description,
                Message::MultipartReply(MultipartReply { body: MultipartReplyBody::Desc(desc), .. }),
            ) => {
                let description = Box::new(SwitchDescription::from(&desc));
                let claim = connection.stage.claim();
                let datapath_id = claim.map(|claim| claim.datapath_id).filter(|_| description.tells_tables());
                connection.description = Some(description.clone());
                if let Some(datapath_id) = datapath_id {
                    self.reconciler.ask_tables(datapath_id);
                }
                let Some(connection) = self.connections.get(&id) else { return };
                if let Some(Claim { datapath_id, .. }) = connection.stage.claim() {
                    self.events.push_back(CoreEvent::SwitchDescribed { datapath_id, description });
                }
            }
            (Question::Role, Message::RoleReply(reply)) => self.role_given(id, reply.role, None, now),
            (
                Question::PortStats,
                Message::MultipartReply(MultipartReply { body: MultipartReplyBody::PortStats(mut stats), .. }),
            ) => {
                let Stage::Live { datapath_id } = connection.stage else { return };
                // Each port is a row of metrics: only ports that are there.
                let network = self.discovery.network();
                stats.retain(|stats| network.port(PortId::new(datapath_id, stats.port_no)).is_some());
                self.note_port_stats(datapath_id, &stats, now);
                self.events.push_back(CoreEvent::PortStats { datapath_id, stats });
            }
            (Question::Counters(number), message) => self.counted(number, message, last),
            _ => {}
        }
    }

    /// No answer in time, or none at all.
    fn unanswered(&mut self, id: ConnectionId, xid: u32, failure: Option<RequestFailure>, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if let Some(RequestFailure::Refused(error)) = &failure {
            self.counters.add_error(error.error_type);
        }
        match connection.question(xid, true) {
            Some(Question::Ports) if matches!(connection.stage, Stage::Describing { .. }) => {
                let cause = match failure {
                    None => CloseCause::DescriptionTimeout,
                    Some(_) => CloseCause::DescriptionRefused,
                };
                self.refuse(id, cause, now);
            }
            Some(Question::Role) => self.role_refused(id, failure, now),
            Some(Question::Counters(number)) => {
                self.not_counted(number, failure.map_or(CountingFailure::NoAnswer, CountingFailure::Failed));
            }
            // Nothing hangs on these.
            Some(Question::Ports | Question::Description | Question::PortStats) | None => {}
        }
    }

    /// Once ports and role are known, the rules are read back.
    pub(super) fn read_back_when_ready(&mut self, id: ConnectionId, now: Time) {
        let Some(connection) = self.connections.get(&id) else { return };
        if let Stage::Describing { datapath_id, all_ports: true, .. } = connection.stage
            && !connection.asks(Question::Role)
        {
            let tells_tables = connection.description.as_ref().is_some_and(|description| description.tells_tables());
            self.reconciler.handle_connected(datapath_id, now);
            if tells_tables {
                self.reconciler.ask_tables(datapath_id);
            }
        }
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
    pub(super) fn refuse(&mut self, id: ConnectionId, cause: CloseCause, now: Time) {
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
        let claim = stage.claim();
        if !transport_gone && !matches!(stage, Stage::Closing) {
            if let CloseCause::Channel(CloseReason::Incompatible { version }) = cause {
                *self.counters.versions_refused.entry(version).or_default() += 1;
            }
            self.events.push_back(CoreEvent::Close { connection: id, cause: cause.clone() });
        }
        self.end_countings(id);
        if let Some(claim) = claim {
            self.claims.remove(&claim);
        }
        if let Some(Claim { datapath_id, auxiliary_id: 0 }) = claim {
            self.leave_network(&stage, datapath_id, cause, now);
            self.end_auxiliaries(datapath_id, now);
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
        if claim.is_some() {
            self.promote(id, now);
        }
    }

    /// The switch is no longer ours to change: what a main connection in this stage had brought into the network goes.
    pub(super) fn leave_network(&mut self, stage: &Stage, datapath_id: DatapathId, cause: CloseCause, now: Time) {
        if !matches!(stage, Stage::Describing { .. } | Stage::Live { .. }) {
            return;
        }
        self.by_datapath.remove(&datapath_id);
        self.settling.forget(datapath_id);
        self.reconciler.handle_disconnected(datapath_id, now);
        if matches!(stage, Stage::Live { .. }) {
            self.discovery.handle_switch_down(datapath_id, now);
            self.events.push_back(CoreEvent::SwitchDisconnected { datapath_id, cause });
        } else if !self.discovery.network().switches.contains_key(&datapath_id) {
            // It never was in the network, so nobody will say that it is gone.
            self.reconciler.forget_switch(datapath_id);
        }
    }

    /// A message that is not the channel's own business.
    fn message(&mut self, id: ConnectionId, xid: u32, message: Message, now: Time) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let datapath_id = match &mut connection.stage {
            Stage::Live { datapath_id } => *datapath_id,
            // An unknown datapath gets no service: neither hosts nor links are learned from it.
            Stage::Handshake | Stage::Waiting { .. } | Stage::Closing => return,
            Stage::Standby { .. } => return self.standby_message(&message),
            Stage::Auxiliary { claim } => {
                let datapath_id = claim.datapath_id;
                return self.auxiliary_message(datapath_id, message, now);
            }
            Stage::Describing { datapath_id, ports, .. } => {
                let datapath_id = *datapath_id;
                match &message {
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
        };
        match message {
            Message::PacketIn(packet_in) => self.packet_in(datapath_id, PacketInRef::from(&packet_in), now),
            Message::PortStatus(status) => self.port_status(datapath_id, &status, now),
            Message::FlowRemoved(removed) => self.flow_removed(datapath_id, &removed, now),
            Message::BarrierReply => {
                self.reconciler.handle_barrier_reply(datapath_id, xid, now);
            }
            Message::MultipartReply(reply) => {
                self.reconciler.handle_multipart(datapath_id, xid, &reply, now);
            }
            Message::Error(error) => {
                self.counters.add_error(error.error_type);
                if error.code() == ErrorCode::REQUEST_IS_SLAVE {
                    return self.stand_by(id, CloseCause::Demoted, now);
                }
                self.reconciler.handle_error(datapath_id, xid, &error, now);
            }
            Message::BundleControl(control) => {
                self.reconciler.handle_bundle_reply(datapath_id, xid, &control);
            }
            Message::Experimenter(message) => self.role_status(id, &message, now),
            // Replies to nothing we asked, and requests that only a controller makes.
            _ => {}
        }
    }

    pub(super) fn port_status(&mut self, datapath_id: DatapathId, status: &PortStatus, now: Time) {
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

    pub(super) fn flow_removed(&mut self, datapath_id: DatapathId, removed: &openflow::FlowRemoved, now: Time) {
        let known = self.reconciler.handle_flow_removed(datapath_id, removed);
        let timed_out = removed.reason == openflow::FlowRemovedReason::IDLE_TIMEOUT;
        if known
            && timed_out
            && let (Some(port_no), Some(mac)) = (removed.match_.in_port(), removed.match_.eth_src())
        {
            self.discovery.handle_host_idle(PortId::new(datapath_id, port_no), mac, now);
            // The host's rules go at once: a barrier's answer behind this would have this one put back first.
            self.absorb(now);
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
            let question = request(MultipartRequestBody::PortStats(PortNo::ANY));
            self.ask(id, Question::PortStats, &question, PORT_STATS_LIMIT);
        }
    }

    /// What a connected switch has said about itself, once it has.
    pub fn description(&self, datapath_id: DatapathId) -> Option<&SwitchDescription> {
        let id = self.claims.get(&Claim { datapath_id, auxiliary_id: 0 })?;
        self.connections.get(id)?.description.as_deref()
    }

    /// This controller ends: every switch does what it has been told, then its connection is closed ([`CoreEvent::Close`]), after half a
    /// second at the latest. The rules stay.
    pub fn finish(&mut self, now: Time) {
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in ids {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.channel.finish(now, FINISH_LIMIT);
            }
            self.drain_channel(id, now);
        }
        self.turn(now);
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
        live: port.state.contains(PortLinkState::LIVE),
        curr_speed_kbps: port.curr_speed,
    }
}
