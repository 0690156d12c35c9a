//! The stateful switch: messages and frames in, messages and frames out, on the five verbs.

use super::bundles::Bundles;
use super::check;
use super::groups::{Groups, check_shape};
use super::learning::Learning;
use super::mac_table::MacTable;
use super::meters::Meters;
use super::packet::Packet;
use super::pipeline::{self, Fragments, Step, ToController, Trace, View};
use super::ports::Ports;
use super::tables::{FlowFilter, Tables};
use super::tunnel_options::TunnelOptions;
use crate::configuration::{Capabilities, ConfigFlags, FeaturesReply, SwitchConfig as ConfigMessage};
use crate::error::{ErrorCode, ErrorMessage};
use crate::flow::FlowRemovedReason;
use crate::flow_match::Match;
use crate::group::{GroupMod, GroupModCommand};
use crate::identifier::BufferId;
use crate::message::{Message, MessageType};
use crate::meter::{MeterMod, MeterModCommand};
use crate::packet::{PacketIn, PacketInReason, PacketOut};
use crate::port::{Port, PortConfig, PortMod, PortReason, PortStatus};
use crate::queue::QueueGetConfigReply;
use crate::role::{AsyncConfig, ControllerRole, RoleMessage};
use bytes::{Bytes, BytesMut};
use net::{DatapathId, MacAddr, PortNo, Time};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

/// Flows per table when nobody says otherwise, as Open vSwitch announces.
pub const MAX_FLOWS: u32 = 1_000_000;

/// Octets of a message at fault that an error brings back (OpenFlow 1.3.5 §7.5.4: at least 64).
const ERROR_DATA_LEN: usize = 64;

/// What a switch is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchConfig {
    /// Its datapath id.
    pub datapath_id: DatapathId,
    /// Flow tables, 1 to 254.
    pub n_tables: u8,
    /// Flows per table; one more gets OFPFMFC_TABLE_FULL.
    pub max_flows: u32,
    /// Seeds the choice of buckets in select groups.
    pub seed: u64,
    /// The description's `dp_desc`.
    pub name: String,
}

impl SwitchConfig {
    /// A switch as Open vSwitch makes it: 254 tables of a million flows.
    pub fn new(datapath_id: DatapathId) -> SwitchConfig {
        SwitchConfig { datapath_id, n_tables: 254, max_flows: MAX_FLOWS, seed: 0, name: String::new() }
    }
}

/// What leaves a switch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SwitchTransmit {
    /// A message for the controller: an answer with the xid of its question, or an asynchronous one with xid 0.
    ToController {
        /// The transaction id.
        xid: u32,
        /// The message.
        message: Message,
    },
    /// A frame for the wire (also [`PortNo::LOCAL`], if that port is up).
    ToPort {
        /// By which port.
        port_no: PortNo,
        /// The frame.
        frame: Bytes,
    },
}

/// What a switch has counted beside its flows, groups, meters and ports. Every counter only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SwitchCounters {
    /// Packets dropped because they went too deep or caused too many actions.
    pub overruns: u64,
    /// Packet-ins that nobody wanted or nobody was there to get.
    pub packet_ins_suppressed: u64,
    /// Errors sent.
    pub errors: u64,
}

/// A software OpenFlow 1.3 switch. Sits behind a channel or a codec; no message and no frame makes it fail.
#[derive(Clone, Debug)]
pub struct Switch {
    pub(super) config: SwitchConfig,
    pub(super) tables: Tables,
    pub(super) groups: Groups,
    pub(super) meters: Meters,
    pub(super) ports: Ports,
    addresses: MacTable,
    /// Behind an `Arc` because packets under way take it along.
    pub(super) options: Arc<TunnelOptions>,
    pub(super) learning: Learning,
    pub(super) bundles: Bundles,
    settings: ConfigMessage,
    role: ControllerRole,
    /// Of the last request for master or slave; outlives the connection.
    generation_id: Option<u64>,
    wanted: AsyncConfig,
    connected: bool,
    counters: SwitchCounters,
    pub(super) transmits: VecDeque<SwitchTransmit>,
}

impl Switch {
    /// A switch without flows, with the one port that every switch of Open vSwitch has: [`PortNo::LOCAL`], down.
    pub fn new(config: SwitchConfig, now: Time) -> Switch {
        let [_, _, a, b, c, d, e, f] = config.datapath_id.0.to_be_bytes();
        let mut local = Port::new(PortNo::LOCAL, MacAddr([(a & 0xf0) | 0x0a, b, c, d, e, f]), &config.name);
        local.config = PortConfig::PORT_DOWN;
        let mut ports = Ports::new();
        ports.insert(local, now);
        ports.set_link(PortNo::LOCAL, false);
        Switch {
            config: SwitchConfig { n_tables: config.n_tables.clamp(1, 254), ..config },
            tables: Tables::new(),
            groups: Groups::new(),
            meters: Meters::new(),
            ports,
            addresses: MacTable::default(),
            options: Arc::default(),
            learning: Learning::default(),
            bundles: Bundles::default(),
            settings: INITIAL_SETTINGS,
            role: ControllerRole::EQUAL,
            generation_id: None,
            wanted: INITIAL_ASYNC,
            connected: true,
            counters: SwitchCounters::default(),
            transmits: VecDeque::new(),
        }
    }

    /// Adds a port, or replaces the one with this number. Emits a PORT_STATUS.
    pub fn add_port(&mut self, port: Port, now: Time) {
        let status = PortStatus { reason: PortReason::ADD, port: port.clone() };
        let replaced = self.ports.insert(port, now);
        let reason = if replaced { PortReason::MODIFY } else { PortReason::ADD };
        self.port_status(PortStatus { reason, ..status });
    }

    /// Removes a port. Emits a PORT_STATUS.
    pub fn remove_port(&mut self, port_no: PortNo, _now: Time) {
        if let Some(record) = self.ports.remove(port_no) {
            self.addresses.forget_port(port_no);
            self.port_status(PortStatus { reason: PortReason::DELETE, port: record.port });
        }
    }

    /// The link of a port comes up or goes down. Emits a PORT_STATUS if that is news.
    pub fn set_port_up(&mut self, port_no: PortNo, up: bool, _now: Time) {
        if self.ports.set_link(port_no, up) {
            self.port_changed(port_no);
        }
    }

    /// The port that every switch has for its own host comes up, as when an administrator brings up the device of a bridge.
    pub fn set_local_up(&mut self, now: Time) {
        if let Some(record) = self.ports.get(PortNo::LOCAL) {
            let config = PortConfig(record.port.config.0 & !PortConfig::PORT_DOWN.0);
            self.ports.configure(PortNo::LOCAL, config);
        }
        self.set_port_up(PortNo::LOCAL, true, now);
    }

    /// The controller's connection is new: role, asynchronous configuration and settings are as they are at first. Flows, groups and
    /// meters are kept.
    pub fn handle_connected(&mut self, _now: Time) {
        self.connected = true;
        self.bundles = Bundles::default();
        self.role = ControllerRole::EQUAL;
        self.wanted = INITIAL_ASYNC;
        self.settings = INITIAL_SETTINGS;
    }

    /// The controller's connection is gone: asynchronous messages are dropped until [`Switch::handle_connected`]. Forwarding goes on.
    pub fn handle_disconnected(&mut self, _now: Time) {
        self.connected = false;
        self.bundles = Bundles::default();
        self.transmits.retain(|transmit| matches!(transmit, SwitchTransmit::ToPort { .. }));
    }

    /// A message from the controller. What is wrong with it is answered by an error; what a switch does not expect gets OFPBRC_BAD_TYPE.
    pub fn handle_message(&mut self, xid: u32, message: &Message, now: Time) {
        if let Err(code) = self.answer(xid, message, now) {
            self.refuse(xid, offending(xid, message), code);
        }
    }

    /// An error that brings back the start of a message.
    pub(super) fn refuse(&mut self, xid: u32, data: Bytes, code: ErrorCode) {
        self.counters.errors += 1;
        self.reply(xid, Message::Error(ErrorMessage::answering(code, data)));
    }

    fn answer(&mut self, xid: u32, message: &Message, now: Time) -> Result<(), ErrorCode> {
        match message {
            Message::Hello(_) | Message::Error(_) | Message::EchoReply(_) => {}
            Message::EchoRequest(data) => self.reply(xid, Message::EchoReply(data.clone())),
            Message::FeaturesRequest => self.reply(xid, Message::FeaturesReply(self.features())),
            Message::GetConfigRequest => self.reply(xid, Message::GetConfigReply(self.settings)),
            Message::SetConfig(settings) => self.set_config(settings)?,
            Message::PacketOut(packet_out) => {
                self.not_as_slave()?;
                self.check_packet_out(packet_out)?;
                self.packet_out(packet_out, now)?;
            }
            Message::FlowMod(flow_mod) => {
                self.not_as_slave()?;
                let ready = self.prepare_flow_mod(flow_mod)?;
                self.do_flow_mod(&ready, now)?;
            }
            Message::GroupMod(group_mod) => {
                self.not_as_slave()?;
                self.group_mod(group_mod, now)?;
            }
            Message::MeterMod(meter_mod) => self.meter_mod(meter_mod, now)?,
            Message::PortMod(port_mod) => {
                self.not_as_slave()?;
                self.check_port_mod(port_mod)?;
                self.port_mod(port_mod);
            }
            Message::TableMod(table_mod) => {
                self.not_as_slave()?;
                let table = table_mod.table_id.0;
                if table >= self.config.n_tables && table != 0xff {
                    // Behind all of its tables Open vSwitch has one of its own.
                    let own = self.config.n_tables == check::ALL_TABLES && table == check::ALL_TABLES;
                    return Err(if own { ErrorCode::TABLE_MOD_EPERM } else { ErrorCode::TABLE_MOD_BAD_TABLE });
                }
            }
            Message::BundleControl(control) => {
                self.not_as_slave()?;
                self.bundle_control(xid, control, now)?;
            }
            Message::BundleAdd(add) => {
                self.not_as_slave()?;
                self.bundle_add(xid, add, now)?;
            }
            Message::TlvTableMod(table_mod) => {
                self.not_as_slave()?;
                self.tlv_table_mod(table_mod)?;
            }
            Message::TlvTableRequest => self.reply(xid, Message::TlvTableReply(self.options.reply())),
            Message::MultipartRequest(request) => self.multipart(xid, request, now)?,
            Message::BarrierRequest => self.reply(xid, Message::BarrierReply),
            Message::QueueGetConfigRequest(request) => {
                if request.port != PortNo::ANY && self.ports.get(request.port).is_none() {
                    return Err(ErrorCode::QUEUE_OP_BAD_PORT);
                }
                let reply = QueueGetConfigReply { port: request.port, queues: Vec::new() };
                self.reply(xid, Message::QueueGetConfigReply(reply));
            }
            Message::RoleRequest(request) => {
                let role = self.role_request(request)?;
                self.reply(xid, Message::RoleReply(role));
            }
            Message::GetAsyncRequest => self.reply(xid, Message::GetAsyncReply(self.wanted)),
            Message::SetAsync(wanted) => self.wanted = known_reasons(wanted),
            other if other.message_type() == MessageType::EXPERIMENTER => {
                return Err(ErrorCode::REQUEST_BAD_EXPERIMENTER);
            }
            _ => return Err(ErrorCode::REQUEST_BAD_TYPE),
        }
        Ok(())
    }

    /// A frame from the wire. Dropped if the port isn't there, is down or may not receive.
    pub fn handle_packet(&mut self, in_port: PortNo, frame: Bytes, now: Time) {
        let Some(record) = self.ports.get_mut(in_port) else { return };
        if !record.port.is_up() {
            record.rx_dropped += 1;
            return;
        }
        record.rx_packets += 1;
        record.rx_bytes += frame.len() as u64;
        let packet = Packet::new(in_port, frame);
        let trace = pipeline::run(self.view(now), packet);
        self.apply(trace, now);
    }

    /// What would happen to a frame: the pipeline's trace, with nothing counted and nothing sent.
    pub fn trace(&self, in_port: PortNo, frame: Bytes, now: Time) -> Trace {
        pipeline::run(self.view(now), Packet::new(in_port, frame))
    }

    /// Flows whose time has come go, the one that was added first first, as in Open vSwitch; so do bundles that nobody has touched for long.
    pub fn handle_timeout(&mut self, now: Time) {
        let mut expired: Vec<_> = std::iter::from_fn(|| self.tables.pop_expired(now)).collect();
        expired.sort_unstable_by_key(|id| id.age());
        for id in expired {
            let Some(flow) = self.tables.get(id) else { continue };
            let life = std::time::Duration::from_secs(u64::from(flow.hard_timeout));
            let hard = flow.hard_timeout > 0 && flow.modified + life <= now;
            let reason = if hard { FlowRemovedReason::HARD_TIMEOUT } else { FlowRemovedReason::IDLE_TIMEOUT };
            self.remove_flow(id, reason, now);
            self.remove_orphans(now);
        }
        self.expire_bundles(now);
    }

    /// The next message or frame to send.
    pub fn poll_transmit(&mut self) -> Option<SwitchTransmit> {
        self.transmits.pop_front()
    }

    /// When the next flow or bundle may time out.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let flow = self.tables.next_deadline().map(|deadline| (deadline, "flow timeout"));
        let bundle = self.bundles.next_deadline().map(|deadline| (deadline, "bundle timeout"));
        [flow, bundle].into_iter().flatten().min()
    }

    /// Its datapath id.
    pub fn datapath_id(&self) -> DatapathId {
        self.config.datapath_id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Flow entries in all tables.
    pub fn flow_count(&self) -> usize {
        self.tables.total()
    }

    /// Its flow tables.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Its groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Its meters.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Its ports.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Where NORMAL has seen addresses.
    pub fn addresses(&self) -> &MacTable {
        &self.addresses
    }

    /// What it has counted.
    pub fn counters(&self) -> SwitchCounters {
        self.counters
    }

    /// What it answers to a features request.
    pub fn features(&self) -> FeaturesReply {
        FeaturesReply {
            datapath_id: self.config.datapath_id,
            n_buffers: 0,
            n_tables: self.config.n_tables,
            auxiliary_id: 0,
            capabilities: Capabilities::FLOW_STATS
                | Capabilities::TABLE_STATS
                | Capabilities::PORT_STATS
                | Capabilities::GROUP_STATS
                | Capabilities::QUEUE_STATS,
            reserved: 0,
        }
    }

    /// What a packet is run against now.
    pub fn view(&self, now: Time) -> View<'_> {
        View {
            tables: &self.tables,
            groups: &self.groups,
            ports: &self.ports,
            meters: &self.meters,
            addresses: &self.addresses,
            options: &self.options,
            fragments: match self.settings.flags {
                ConfigFlags::FRAG_DROP => Fragments::Drop,
                FRAG_NX_MATCH => Fragments::Match,
                _ => Fragments::Normal,
            },
            seed: self.config.seed,
            now,
        }
    }

    pub(super) fn reply(&mut self, xid: u32, message: Message) {
        self.transmits.push_back(SwitchTransmit::ToController { xid, message });
    }

    /// OpenFlow 1.3.5 §6.3.6: a slave may look but not change.
    pub(super) fn not_as_slave(&self) -> Result<(), ErrorCode> {
        if self.role == ControllerRole::SLAVE { Err(ErrorCode::REQUEST_IS_SLAVE) } else { Ok(()) }
    }

    /// What a bundle may have to take back.
    pub(super) fn clone_changeable(&self) -> Changeable {
        Changeable { tables: self.tables.clone(), groups: self.groups.clone(), learning: self.learning.clone() }
    }

    pub(super) fn restore(&mut self, before: Changeable) {
        (self.tables, self.groups, self.learning) = (before.tables, before.groups, before.learning);
    }

    /// Whether the controller wants an asynchronous message with this reason.
    fn wants(&self, masks: [u32; 2], reason: u8) -> bool {
        let [master, slave] = masks;
        let mask = if self.role == ControllerRole::SLAVE { slave } else { master };
        self.connected && 1u32.checked_shl(u32::from(reason)).is_some_and(|bit| mask & bit != 0)
    }

    fn set_config(&mut self, settings: &ConfigMessage) -> Result<(), ErrorCode> {
        if settings.flags.0 & !ConfigFlags::FRAG_MASK.0 != 0 {
            return Err(ErrorCode::SWITCH_CONFIG_BAD_FLAGS);
        }
        // Reassembly is not there: as Open vSwitch does, fragments are then handled as they were before. A slave changes nothing in that.
        let is_slave = self.role == ControllerRole::SLAVE;
        let flags = match settings.flags {
            ConfigFlags::FRAG_REASM => self.settings.flags,
            _ if is_slave => self.settings.flags,
            flags => flags,
        };
        self.settings = ConfigMessage { flags, miss_send_len: settings.miss_send_len };
        Ok(())
    }

    /// What can be said of a packet-out before it is its turn.
    pub(super) fn check_packet_out(&self, packet_out: &PacketOut) -> Result<(), ErrorCode> {
        let in_port = packet_out.in_port;
        // Which number can't be one of 16 bits is said before the actions are looked at, the rest after.
        if !check::is_port_number(in_port) {
            return Err(ErrorCode::ACTION_BAD_OUT_PORT);
        }
        check::action_list(&packet_out.actions, &self.options)?;
        let reserved = matches!(in_port, PortNo::CONTROLLER | PortNo::LOCAL | PortNo::ANY);
        if in_port.0 >= check::MAX_PORTS && !reserved {
            return Err(ErrorCode::REQUEST_BAD_PORT);
        }
        if packet_out.buffer_id != BufferId::NO_BUFFER {
            return Err(ErrorCode::REQUEST_BUFFER_UNKNOWN);
        }
        let packet = Packet::new(in_port, packet_out.data.clone());
        check::against_packet(&packet_out.actions, packet.key(), &self.options)
    }

    fn packet_out(&mut self, packet_out: &PacketOut, now: Time) -> Result<(), ErrorCode> {
        let trace = self.translate(packet_out, now)?;
        self.apply(trace, now);
        Ok(())
    }

    /// What a packet-out does now, or why it can't be done.
    pub(super) fn translate(&mut self, packet_out: &PacketOut, now: Time) -> Result<Trace, ErrorCode> {
        check::group_references(&packet_out.actions, &self.groups)?;
        let packet = Packet::new(packet_out.in_port, packet_out.data.clone());
        let actions = match self.options.is_empty() {
            true => Cow::Borrowed(&packet_out.actions),
            false => Cow::Owned(self.options.kept_actions(packet_out.actions.clone())),
        };
        let trace = pipeline::run_actions(self.view(now), packet, &actions);
        if trace.overrun.is_some() {
            // Open vSwitch says of a packet that hits a limit of the pipeline what it says of flow-mods that fail without a reason, and
            // counts and learns nothing.
            self.counters.overruns += 1;
            return Err(ErrorCode::FLOW_MOD_UNKNOWN);
        }
        Ok(trace)
    }

    pub(super) fn group_mod(&mut self, group_mod: &GroupMod, now: Time) -> Result<(), ErrorCode> {
        match group_mod.command {
            GroupModCommand::ADD => self.groups.add(group_mod, now),
            GroupModCommand::MODIFY => self.groups.modify(group_mod),
            GroupModCommand::DELETE => {
                for group_id in self.groups.delete(group_mod)? {
                    // OpenFlow 1.3.5 §6.5: flows that use a deleted group go with it.
                    let filter = FlowFilter::using_group(group_id);
                    self.remove_flows(&filter, FlowRemovedReason::GROUP_DELETE, now);
                    self.remove_orphans(now);
                }
                Ok(())
            }
            _ => check_shape(group_mod).and(Err(ErrorCode::GROUP_MOD_BAD_COMMAND)),
        }
    }

    fn meter_mod(&mut self, meter_mod: &MeterMod, now: Time) -> Result<(), ErrorCode> {
        self.not_as_slave()?;
        match meter_mod.command {
            MeterModCommand::ADD => self.meters.add(meter_mod, now),
            MeterModCommand::MODIFY => self.meters.modify(meter_mod, now),
            MeterModCommand::DELETE => {
                for meter_id in self.meters.delete(meter_mod.meter_id) {
                    self.remove_metered_flows(meter_id, now);
                }
                Ok(())
            }
            _ => Err(ErrorCode::METER_MOD_BAD_COMMAND),
        }
    }

    pub(super) fn check_port_mod(&self, port_mod: &PortMod) -> Result<(), ErrorCode> {
        let record = self.ports.get(port_mod.port_no).ok_or(ErrorCode::PORT_MOD_BAD_PORT)?;
        let same = record.port.hw_addr == port_mod.hw_addr;
        if same { Ok(()) } else { Err(ErrorCode::PORT_MOD_BAD_HW_ADDR) }
    }

    pub(super) fn port_mod(&mut self, port_mod: &PortMod) {
        let Some(record) = self.ports.get(port_mod.port_no) else { return };
        let mask = port_mod.mask.0 & PortConfig::KNOWN.0;
        let config = PortConfig((record.port.config.0 & !mask) | (port_mod.config.0 & mask));
        // Whoever changes a port's configuration knows of it, and Open vSwitch tells what comes of it alone.
        if self.ports.configure(port_mod.port_no, config) {
            self.port_changed(port_mod.port_no);
        }
    }

    fn role_request(&mut self, request: &RoleMessage) -> Result<RoleMessage, ErrorCode> {
        match request.role {
            ControllerRole::NOCHANGE => {}
            ControllerRole::EQUAL => self.role = ControllerRole::EQUAL,
            role @ (ControllerRole::MASTER | ControllerRole::SLAVE) => {
                // OpenFlow 1.3.5 §7.3.9: compared as a signed difference, so that the number may wrap around.
                let stale = |last: u64| (request.generation_id.wrapping_sub(last) as i64) < 0;
                if self.generation_id.is_some_and(stale) {
                    return Err(ErrorCode::ROLE_REQUEST_STALE);
                }
                self.generation_id = Some(request.generation_id);
                self.role = role;
            }
            _ => return Err(ErrorCode::ROLE_REQUEST_BAD_ROLE),
        }
        Ok(RoleMessage { role: self.role, generation_id: self.generation_id.unwrap_or(u64::MAX) })
    }

    fn port_changed(&mut self, port_no: PortNo) {
        if let Some(record) = self.ports.get(port_no) {
            self.port_status(PortStatus { reason: PortReason::MODIFY, port: record.port.clone() });
        }
    }

    fn port_status(&mut self, status: PortStatus) {
        if self.wants(self.wanted.port_status_mask, status.reason.0) {
            self.reply(0, Message::PortStatus(status));
        }
    }

    pub(super) fn wants_flow_removed(&self, reason: FlowRemovedReason) -> bool {
        self.wants(self.wanted.flow_removed_mask, reason.0)
    }

    /// Counts what a packet did and sends what came of it.
    pub(super) fn apply(&mut self, mut trace: Trace, now: Time) {
        self.begin(&mut trace, now);
        for step in &trace.steps {
            match *step {
                Step::Table { table_id, flow, len } => {
                    self.tables.count_lookup(table_id, flow.is_some());
                    let Some(id) = flow else { continue };
                    self.tables.change(id, |flow| {
                        flow.packet_count += 1;
                        flow.byte_count += len as u64;
                        flow.used = now;
                    });
                }
                Step::Meter { .. } => {}
                Step::Group { group_id, len } => {
                    if let Some(group) = self.groups.get_mut(group_id) {
                        group.packet_count += 1;
                        group.byte_count += len as u64;
                    }
                }
                Step::Bucket { group_id, bucket, len } => {
                    let group = self.groups.get_mut(group_id);
                    if let Some(state) = group.and_then(|group| group.buckets.get_mut(bucket)) {
                        state.packet_count += 1;
                        state.byte_count += len as u64;
                    }
                }
            }
        }
        self.counters.overruns += u64::from(trace.overrun.is_some());
        for (address, vid, port_no) in trace.addresses {
            self.addresses.learn(address, vid, port_no, now);
        }
        for (id, idle_timeout, hard_timeout) in trace.fin_timeouts {
            self.shorten_timeouts(id, idle_timeout, hard_timeout);
        }
        self.remove_orphans(now);
        for port_no in trace.blocked {
            if let Some(record) = self.ports.get_mut(port_no) {
                record.tx_dropped += 1;
            }
        }
        for output in trace.outputs {
            if let Some(record) = self.ports.get_mut(output.port_no) {
                record.tx_packets += 1;
                record.tx_bytes += output.frame.len() as u64;
            }
            self.transmits.push_back(SwitchTransmit::ToPort { port_no: output.port_no, frame: output.frame });
        }
        for packet in trace.to_controller {
            self.packet_in(packet);
        }
    }

    /// What the packets after this one are to see of it: its meters are charged, and what it learns is learned.
    pub(super) fn begin(&mut self, trace: &mut Trace, now: Time) {
        trace.steps.retain(|step| match *step {
            Step::Meter { meter_id, len, .. } => {
                self.meters.charge(meter_id, len, now);
                false
            }
            _ => true,
        });
        for flow in std::mem::take(&mut trace.learned) {
            self.learn_flow(flow, now);
        }
    }

    fn packet_in(&mut self, packet: ToController) {
        let fits = u16::try_from(packet.frame.len()).ok().filter(|len| usize::from(*len) <= PACKET_IN_DATA_MAX);
        let Some(total_len) = fits.filter(|_| self.wants(self.wanted.packet_in_mask, packet.reason.0)) else {
            self.counters.packet_ins_suppressed += 1;
            return;
        };
        let mut match_ = Match::new().with_in_port(packet.in_port);
        if packet.metadata != 0 {
            match_ = match_.with_metadata(packet.metadata);
        }
        if packet.tunnel_id != 0 {
            match_ = match_.with_tunnel_id(packet.tunnel_id);
        }
        for field in packet.registers.fields() {
            match_ = match_.with(&field.to_owned());
        }
        let message = PacketIn {
            buffer_id: BufferId::NO_BUFFER,
            total_len,
            reason: packet.reason,
            table_id: packet.table_id,
            cookie: packet.cookie,
            match_,
            data: packet.frame,
        };
        self.reply(0, Message::PacketIn(message));
    }
}

/// What a bundle changes.
pub(super) struct Changeable {
    tables: Tables,
    groups: Groups,
    learning: Learning,
}

/// The longest frame that a packet-in has room for beside its header and the match that this switch writes.
const PACKET_IN_DATA_MAX: usize = 65_535 - 768;

/// `OFPC_FRAG_NX_MATCH`: Open vSwitch's fourth way with fragments.
const FRAG_NX_MATCH: ConfigFlags = ConfigFlags(3);

/// Reasons that Open vSwitch knows, of packet-ins, port changes and removed flows; it forgets the others.
fn known_reasons(wanted: &AsyncConfig) -> AsyncConfig {
    AsyncConfig {
        packet_in_mask: wanted.packet_in_mask.map(|mask| mask & 0b111),
        port_status_mask: wanted.port_status_mask.map(|mask| mask & 0b111),
        flow_removed_mask: wanted.flow_removed_mask.map(|mask| mask & 0b11_1111),
    }
}

/// What Open vSwitch answers to a new controller: fragments as they are, table misses cut to 128 octets (moot: a miss is a drop).
const INITIAL_SETTINGS: ConfigMessage = ConfigMessage { flags: ConfigFlags::FRAG_NORMAL, miss_send_len: 128 };

/// OpenFlow 1.3.5 §6.3.5 leaves it to the switch. As Open vSwitch: everything but invalid TTLs for master and equal, port changes alone for a
/// slave.
const INITIAL_ASYNC: AsyncConfig = AsyncConfig {
    packet_in_mask: [(1 << PacketInReason::NO_MATCH.0) | (1 << PacketInReason::ACTION.0), 0],
    port_status_mask: [0b111, 0b111],
    flow_removed_mask: [0b1111, 0],
};

/// The start of the message at fault.
pub(super) fn offending(xid: u32, message: &Message) -> Bytes {
    start(&encoded(xid, message))
}

/// The message as it is on the wire.
pub(super) fn encoded(xid: u32, message: &Message) -> BytesMut {
    let mut octets = BytesMut::new();
    // What is too long to be encoded did not come over the wire: there is nothing to bring back.
    let _ = message.encode(xid, &mut octets);
    octets
}

/// As much of a message as an error brings back, without the rest of its memory.
pub(super) fn start(octets: &[u8]) -> Bytes {
    Bytes::copy_from_slice(octets.get(..ERROR_DATA_LEN).unwrap_or(octets))
}
