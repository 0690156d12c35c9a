//! The controller's side of each switch: connections that come and go, octets in and out.

use super::{Event, Fabric, FabricEvent, Node, arm};
use bytes::Bytes;
use net::{DatapathId, Time};
use openflow::{Channel, ChannelConfig, ChannelEvent, CloseReason, frame_length};

impl Fabric {
    /// A new connection of a switch to its controller: a fresh channel, which at once has a HELLO to send. An older connection is dropped.
    /// The switch's tables are kept.
    pub fn connect(&mut self, datapath_id: DatapathId, now: Time) {
        self.disconnect(datapath_id, now);
        let Some(&index) = self.index.get(&datapath_id) else { return };
        if let Some(node) = self.nodes.get_mut(index) {
            node.channel = Some(Channel::switch(ChannelConfig::default(), now));
        }
        self.after_channel(index);
    }

    /// Every switch connects.
    pub fn connect_all(&mut self, now: Time) {
        let all: Vec<DatapathId> = self.datapath_ids().collect();
        all.into_iter().for_each(|datapath_id| self.connect(datapath_id, now));
    }

    /// The connection of a switch is gone, as when the controller dies: what was still to be sent is lost. The switch goes on forwarding
    /// by its tables.
    pub fn disconnect(&mut self, datapath_id: DatapathId, now: Time) {
        self.advance(now);
        let Some(&index) = self.index.get(&datapath_id) else { return };
        self.talking.remove(&index);
        self.outbox.retain(|(other, _)| *other != datapath_id);
        if let Some(node) = self.nodes.get_mut(index) {
            node.channel = None;
            node.received.clear();
            node.switch.handle_disconnected(now);
        }
    }

    /// Every connection is gone.
    pub fn disconnect_all(&mut self, now: Time) {
        let all: Vec<DatapathId> = self.datapath_ids().collect();
        all.into_iter().for_each(|datapath_id| self.disconnect(datapath_id, now));
    }

    /// Whether a switch has a connection, with or without a finished handshake.
    pub fn is_connected(&self, datapath_id: DatapathId) -> bool {
        self.node(datapath_id).is_some_and(|node| node.channel.is_some())
    }

    pub(super) fn node(&self, datapath_id: DatapathId) -> Option<&Node> {
        self.nodes.get(*self.index.get(&datapath_id)?)
    }

    /// Octets from the controller, cut anywhere. Without a connection they mean nothing.
    pub fn handle_bytes(&mut self, datapath_id: DatapathId, octets: &[u8], now: Time) {
        self.advance(now);
        let Some(&index) = self.index.get(&datapath_id) else { return };
        let Some(node) = self.nodes.get_mut(index) else { return };
        if node.channel.is_none() {
            return;
        }
        node.received.extend_from_slice(octets);
        while let Some(node) = self.nodes.get_mut(index) {
            let Some(channel) = &mut node.channel else { break };
            match frame_length(&node.received) {
                Ok(Some(length)) if node.received.len() >= length => {
                    channel.handle_frame(node.received.split_to(length).freeze(), now);
                }
                Ok(_) => break,
                Err(error) => {
                    node.received.clear();
                    channel.handle_frame_error(error, now);
                }
            }
            self.channel_events(index, now);
        }
        self.after_channel(index);
        self.after_switch(index, now, 0);
    }

    /// Octets for the controller of one switch: the lowest datapath id that has some.
    pub fn poll_transmit(&mut self) -> Option<(DatapathId, Bytes)> {
        if let Some(last_words) = self.outbox.pop_front() {
            return Some(last_words);
        }
        while let Some(index) = self.talking.pop_first() {
            let Some(node) = self.nodes.get_mut(index) else { continue };
            if let Some(octets) = node.channel.as_mut().and_then(Channel::poll_transmit) {
                return Some((node.switch.datapath_id(), octets));
            }
        }
        None
    }

    pub(super) fn channel_events(&mut self, index: usize, now: Time) {
        while let Some(node) = self.nodes.get_mut(index) {
            let Some(event) = node.channel.as_mut().and_then(Channel::poll_event) else { break };
            match event {
                ChannelEvent::Negotiated => node.switch.handle_connected(now),
                ChannelEvent::Message { xid, message } => {
                    node.switch.handle_message(xid, &message, now);
                    self.switch_transmits(index, now, 0);
                }
                ChannelEvent::Closed { reason } => self.closed(index, &reason, now),
                // What is malformed the channel has answered; the others belong to a controller's side.
                _ => {}
            }
        }
    }

    fn closed(&mut self, index: usize, reason: &CloseReason, now: Time) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let datapath_id = node.switch.datapath_id();
        let last_words = node.channel.take().and_then(|mut channel| channel.poll_transmit());
        node.received.clear();
        node.switch.handle_disconnected(now);
        self.outbox.extend(last_words.map(|octets| (datapath_id, octets)));
        self.talking.remove(&index);
        self.events.push_back(FabricEvent::Closed { datapath_id, reason: reason.to_string() });
    }

    /// A channel was touched: it may have octets to send and a new deadline.
    pub(super) fn after_channel(&mut self, index: usize) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let Some(channel) = &node.channel else { return };
        if channel.queued_len() > 0 {
            self.talking.insert(index);
        }
        let deadline = channel.poll_timeout().map(|(at, _)| at);
        arm(&mut self.queue, &mut node.armed[1], deadline, Event::ChannelTimer(index));
    }
}
