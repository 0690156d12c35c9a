//! The stateful switch: messages and frames in, messages and frames out, on the five verbs.

use crate::message::Message;
use crate::port::Port;
use bytes::Bytes;
use net::{DatapathId, PortNo, Time};
use std::collections::VecDeque;

/// What a switch is made from.
#[derive(Clone, Debug)]
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
        SwitchConfig { datapath_id, n_tables: 254, max_flows: 1_000_000, seed: 0, name: String::new() }
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

/// A software OpenFlow 1.3 switch. Sits behind a [`crate::Message`] codec or channel; never fails on any message or frame.
#[derive(Debug)]
pub struct Switch {
    config: SwitchConfig,
    transmits: VecDeque<SwitchTransmit>,
}

impl Switch {
    /// A switch without ports and flows.
    pub fn new(config: SwitchConfig, now: Time) -> Switch {
        let _ = now;
        Switch { config, transmits: VecDeque::new() }
    }

    /// Adds a port, or replaces the one with this number. Emits a PORT_STATUS.
    pub fn add_port(&mut self, port: Port, now: Time) {
        let _ = (port, now);
    }

    /// Removes a port. Emits a PORT_STATUS.
    pub fn remove_port(&mut self, port_no: PortNo, now: Time) {
        let _ = (port_no, now);
    }

    /// The link of a port comes up or goes down. Emits a PORT_STATUS if that is news.
    pub fn set_port_up(&mut self, port_no: PortNo, up: bool, now: Time) {
        let _ = (port_no, up, now);
    }

    /// The controller's connection is new: role, asynchronous configuration and miss_send_len are as they are at first.
    pub fn handle_connected(&mut self, now: Time) {
        let _ = now;
    }

    /// The controller's connection is gone. Asynchronous messages are dropped until the next one.
    pub fn handle_disconnected(&mut self, now: Time) {
        let _ = now;
    }

    /// A message from the controller.
    pub fn handle_message(&mut self, xid: u32, message: &Message, now: Time) {
        let _ = (xid, message, now);
    }

    /// A frame from the wire.
    pub fn handle_packet(&mut self, in_port: PortNo, frame: Bytes, now: Time) {
        let _ = (in_port, frame, now);
    }

    /// Flows whose time has come go.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The next message or frame to send.
    pub fn poll_transmit(&mut self) -> Option<SwitchTransmit> {
        self.transmits.pop_front()
    }

    /// When the next flow may time out.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        None
    }

    /// Its datapath id.
    pub fn datapath_id(&self) -> DatapathId {
        self.config.datapath_id
    }

    /// Flow entries in all tables.
    pub fn flow_count(&self) -> usize {
        0
    }
}
