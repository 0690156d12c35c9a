//! A controller without a runtime: the project's channel over a blocking Unix socket, one question at a time.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use net::Time;
use openflow::{
    Channel, ChannelConfig, ChannelEvent, ConfigFlags, ErrorCode, FlowMod, GroupId, GroupMod, GroupModCommand,
    GroupType, Match, Message, MeterFlags, MeterId, MeterMod, MeterModCommand, MultipartReplyBody, MultipartRequest,
    MultipartRequestBody, PacketIn, SwitchConfig, TableId, frame_length,
};

use crate::report::Fail;
use crate::wait;

/// The longest time that an answer may take: a dump of tens of thousands of flows takes less than one second.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// How long one read waits before the time is looked at.
const READ_TICK: Duration = Duration::from_millis(20);

/// Pause when the switch neither takes nor gives octets.
const STALL: Duration = Duration::from_micros(200);

/// One connection to a switch.
pub struct Client {
    stream: UnixStream,
    channel: Channel,
    started: Instant,
    pending: BytesMut,
    waiting: Bytes,
    messages: VecDeque<(u32, Message)>,
    /// What the switch has said by itself, but for packet-ins: of ports and of flows that are gone.
    pub news: Vec<Message>,
}

impl Client {
    /// Connects to a bridge of the Open vSwitch of this sandbox, and asks for every packet-in as a whole.
    pub fn connect(bridge: &str) -> Result<Client, Fail> {
        let path = format!("/run/openvswitch/{bridge}.mgmt");
        let stream = wait::until(Duration::from_secs(5), || {
            UnixStream::connect(&path).map_err(|error| format!("{path}: {error}"))
        })?;
        let config = ChannelConfig { echo_interval: Duration::from_secs(600), ..ChannelConfig::default() };
        let mut client = Client {
            stream,
            channel: Channel::controller(config, Time::ZERO),
            started: Instant::now(),
            pending: BytesMut::new(),
            waiting: Bytes::new(),
            messages: VecDeque::new(),
            news: Vec::new(),
        };
        client.until(|client| client.channel.is_up().then_some(()))?;
        client.send(&Message::SetConfig(whole_packets()));
        client.barrier()?;
        Ok(client)
    }

    /// Says something; it leaves with the next question at the latest.
    pub fn send(&mut self, message: &Message) -> u32 {
        self.channel.send(message)
    }

    /// Waits until everything said so far is done; what came meanwhile, answers and packet-ins alike.
    pub fn barrier(&mut self) -> Result<Vec<(u32, Message)>, Fail> {
        let xid = self.channel.send(&Message::BarrierRequest);
        self.until(|client| {
            client.messages.iter().any(|(at, message)| *at == xid && *message == Message::BarrierReply).then_some(())
        })?;
        self.messages.retain(|(at, _)| *at != xid);
        Ok(self.messages.drain(..).collect())
    }

    /// Says these one after the other and gives the error that each of them got, and the packet-ins that came.
    pub fn apply(&mut self, messages: &[Message]) -> Result<(Vec<Option<ErrorCode>>, Vec<PacketIn>), Fail> {
        let xids: Vec<u32> = messages.iter().map(|message| self.send(message)).collect();
        let mut errors = vec![None; messages.len()];
        let mut packet_ins = Vec::new();
        for (xid, message) in self.barrier()? {
            match message {
                Message::Error(error) => {
                    if let Some(index) = xids.iter().position(|at| *at == xid) {
                        errors[index] = Some(error.code());
                    }
                }
                Message::PacketIn(packet_in) => packet_ins.push(packet_in),
                Message::FlowRemoved(_) | Message::PortStatus(_) => self.news.push(message),
                _ => {}
            }
        }
        Ok((errors, packet_ins))
    }

    /// Packet-ins that come within `limit`, until there are `count`.
    pub fn packet_ins(&mut self, count: usize, limit: Duration) -> Result<Vec<PacketIn>, Fail> {
        let start = Instant::now();
        let there = |client: &Client| {
            client.messages.iter().filter(|(_, message)| matches!(message, Message::PacketIn(_))).count()
        };
        while there(self) < count && start.elapsed() < limit {
            self.exchange()?;
        }
        let mut packet_ins = Vec::new();
        self.messages.retain(|(_, message)| match message {
            Message::PacketIn(packet_in) => {
                packet_ins.push(packet_in.clone());
                false
            }
            Message::FlowRemoved(_) | Message::PortStatus(_) => {
                self.news.push(message.clone());
                false
            }
            _ => true,
        });
        Ok(packet_ins)
    }

    /// Asks, and gives all parts of the answer.
    pub fn request(&mut self, body: MultipartRequestBody) -> Result<Vec<MultipartReplyBody>, Fail> {
        let wanted = body.multipart_type();
        let xid = self.send(&Message::MultipartRequest(MultipartRequest::new(body)));
        let mut parts = Vec::new();
        self.until(|client| {
            let mut last = None;
            client.messages.retain(|(at, message)| match message {
                Message::MultipartReply(reply) if *at == xid => {
                    parts.push(reply.body.clone());
                    if !reply.more {
                        last = Some(Ok(()));
                    }
                    false
                }
                Message::Error(error) if *at == xid => {
                    last = Some(Err(error.code()));
                    false
                }
                _ => true,
            });
            last
        })?
        .map_err(|code| format!("{wanted}: {code}"))?;
        Ok(parts)
    }

    /// Removes all flows, groups and meters.
    pub fn clear(&mut self) -> Result<(), Fail> {
        self.apply(&clearing()).map(drop)
    }

    /// Reads and writes until the condition gives something.
    fn until<T>(&mut self, mut condition: impl FnMut(&mut Client) -> Option<T>) -> Result<T, Fail> {
        let start = Instant::now();
        loop {
            if let Some(value) = condition(self) {
                return Ok(value);
            }
            if start.elapsed() > ANSWER_LIMIT {
                return Err(format!("the switch did not answer within {} s", ANSWER_LIMIT.as_secs()));
            }
            self.exchange()?;
        }
    }

    /// Writes what there is, reads what comes. Never only writes: a switch that can't say its answers stops listening.
    fn exchange(&mut self) -> Result<(), Fail> {
        let now = self.now();
        if self.waiting.is_empty()
            && let Some(octets) = self.channel.poll_transmit()
        {
            self.waiting = octets;
        }
        let mut buffer = [0; 65536];
        let mut moved = false;
        if !self.waiting.is_empty() {
            self.stream.set_nonblocking(true).map_err(|error| error.to_string())?;
            match self.stream.write(&self.waiting) {
                Ok(count) => {
                    self.waiting = self.waiting.slice(count..);
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("write: {error}")),
            }
        } else {
            self.stream.set_nonblocking(false).map_err(|error| error.to_string())?;
            self.stream.set_read_timeout(Some(READ_TICK)).map_err(|error| error.to_string())?;
            moved = true;
        }
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err("the switch closed the connection".into()),
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                moved = true;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(format!("read: {error}")),
        }
        if !moved {
            std::thread::sleep(STALL);
        }
        while let Some(length) = frame_length(&self.pending).map_err(|error| error.to_string())? {
            if length > self.pending.len() {
                break;
            }
            let frame = self.pending.split_to(length).freeze();
            self.channel.handle_frame(frame, now);
        }
        while let Some(event) = self.channel.poll_event() {
            match event {
                ChannelEvent::Message { xid, message } => self.messages.push_back((xid, message)),
                ChannelEvent::Malformed { message_type, error, .. } => {
                    return Err(format!("what the switch sent can't be read: {message_type}: {error}"));
                }
                ChannelEvent::Closed { reason } => return Err(format!("the channel closed: {reason}")),
                _ => {}
            }
        }
        Ok(())
    }

    fn now(&self) -> Time {
        Time::ZERO + self.started.elapsed()
    }
}

/// Packet-ins carry whole packets, and come at all on this kind of connection.
pub fn whole_packets() -> SwitchConfig {
    SwitchConfig { flags: ConfigFlags(0), miss_send_len: 0xffff }
}

/// What removes all flows, groups and meters.
pub fn clearing() -> [Message; 3] {
    [
        Message::FlowMod(FlowMod::delete(TableId::ALL, Match::new())),
        Message::GroupMod(GroupMod {
            command: GroupModCommand::DELETE,
            group_type: GroupType::ALL,
            group_id: GroupId::ALL,
            buckets: Vec::new(),
        }),
        Message::MeterMod(MeterMod {
            command: MeterModCommand::DELETE,
            flags: MeterFlags(0),
            meter_id: MeterId::ALL,
            bands: Vec::new(),
        }),
    ]
}
