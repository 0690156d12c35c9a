//! An emulated switch that costs next to nothing: it scans headers, answers what a controller asks with few octets, and counts the rest.
//!
//! It shares the machine with the controller that it measures, so it decodes nothing: one look at each header, and into packet-outs as far as
//! it takes to tell an answer from a link probe.

use bytes::{Bytes, BytesMut};
use net::{DatapathId, MacAddr, PortNo};
use openflow::{
    AggregateStats, Capabilities, ConfigFlags, ErrorCode, ErrorMessage, FeaturesReply, GroupFeatures, HEADER_LEN,
    Hello, Message, MessageType, MeterFeatures, MultipartReply, MultipartReplyBody, MultipartType, Port, SwitchConfig,
    SwitchDesc, VERSION, frame_length,
};

/// Ethertype of LLDP: a packet-out with such a frame is a probe and no answer.
const LLDP: [u8; 2] = [0x88, 0xcc];
/// Ethertype of ARP.
const ARP: [u8; 2] = [0x08, 0x06];
/// Where the length of the actions stands in a packet-out (OpenFlow 1.3.5 §7.3.7), and where the actions begin.
const PACKET_OUT_ACTIONS_LEN: usize = 16;
const PACKET_OUT_ACTIONS: usize = 24;
/// The ONF's experimenter id, and its bundle control message: a request's type is even, its answer's is one more.
const ONF: [u8; 4] = [0x4f, 0x4e, 0x46, 0];
const ONF_BUNDLE_CONTROL: [u8; 4] = [0, 0, 8, 0xfc];
/// Ports that fit in one reply: more would need parts, and nobody measures with more.
pub(super) const PORTS_MAX: u32 = 1_000;

/// A switch as the controller sees it.
pub(super) struct Switch {
    datapath_id: DatapathId,
    ports: u32,
    /// What the controller was told who this is, and has said something after it: it has been let in.
    features_sent: bool,
}

/// What was heard in one piece of input.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Heard {
    /// Packet-outs that are no probes.
    pub(super) answers: u64,
    /// FLOW_MODs.
    pub(super) flow_mods: u64,
    /// Everything that came, whole messages.
    pub(super) messages: u64,
    /// The controller has gone on after FEATURES_REPLY.
    pub(super) admitted: bool,
}

impl Switch {
    /// A switch with ports 1 to `ports`, all up.
    pub(super) fn new(datapath_id: DatapathId, ports: u32) -> Switch {
        Switch { datapath_id, ports: ports.min(PORTS_MAX), features_sent: false }
    }

    /// What a switch says first.
    pub(super) fn hello() -> Vec<u8> {
        let mut out = BytesMut::new();
        put(&mut out, 1, &Message::Hello(Hello::new()));
        out.to_vec()
    }

    /// Reads whole messages from the start of `input`, puts the replies into `out`, and says how many octets were read.
    /// `learn` gets the address of each host that an answer is about.
    pub(super) fn scan(
        &mut self,
        input: &[u8],
        out: &mut BytesMut,
        heard: &mut Heard,
        mut learn: impl FnMut(&[u8]),
    ) -> Result<usize, String> {
        let mut at = 0;
        while let Some(length) = frame_length(&input[at..]).map_err(|error| error.to_string())? {
            let Some(frame) = input[at..].get(..length) else { break };
            at += length;
            heard.messages += 1;
            heard.admitted |= self.features_sent;
            match MessageType(frame[1]) {
                MessageType::PACKET_OUT => {
                    let frame = packet(frame);
                    if frame.get(12..14) != Some(&LLDP) {
                        heard.answers += 1;
                        if let Some(address) = about(frame) {
                            learn(address);
                        }
                    }
                }
                MessageType::FLOW_MOD => heard.flow_mods += 1,
                _ => self.reply(frame, out)?,
            }
        }
        Ok(at)
    }

    fn reply(&mut self, frame: &[u8], out: &mut BytesMut) -> Result<(), String> {
        let xid = u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let message_type = MessageType(frame[1]);
        let message = match message_type {
            // The quick ones first: their answer is their own header.
            MessageType::BARRIER_REQUEST => return answer_alike(frame, MessageType::BARRIER_REPLY, out),
            MessageType::ECHO_REQUEST => return answer_alike(frame, MessageType::ECHO_REPLY, out),
            MessageType::ROLE_REQUEST => return answer_alike(frame, MessageType::ROLE_REPLY, out),
            MessageType::HELLO if frame[0] < VERSION => {
                return Err(format!("the controller speaks wire version {} at most, not OpenFlow 1.3", frame[0]));
            }
            MessageType::ERROR => {
                let code: Vec<String> =
                    frame.iter().skip(HEADER_LEN).take(4).map(|octet| format!("{octet:02x}")).collect();
                tracing::debug!(dpid = %self.datapath_id, code = code.concat(), "the controller has sent an error");
                return Ok(());
            }
            MessageType::FEATURES_REQUEST => {
                self.features_sent = true;
                Message::FeaturesReply(FeaturesReply {
                    datapath_id: self.datapath_id,
                    n_tables: 254,
                    capabilities: Capabilities::FLOW_STATS | Capabilities::PORT_STATS | Capabilities::GROUP_STATS,
                    ..FeaturesReply::default()
                })
            }
            MessageType::GET_CONFIG_REQUEST => {
                Message::GetConfigReply(SwitchConfig { flags: ConfigFlags::FRAG_NORMAL, miss_send_len: 128 })
            }
            MessageType::MULTIPART_REQUEST => match self.multipart(frame) {
                Some(body) => Message::MultipartReply(MultipartReply { more: false, body }),
                None => {
                    let data = Bytes::copy_from_slice(&frame[..frame.len().min(64)]);
                    Message::Error(ErrorMessage::new(ErrorCode::REQUEST_BAD_MULTIPART, data))
                }
            },
            MessageType::EXPERIMENTER
                if frame.get(8..12) == Some(&ONF) && frame.get(12..16) == Some(&ONF_BUNDLE_CONTROL) =>
            {
                let mut reply = frame.to_vec();
                if let Some(octet) = reply.get_mut(21) {
                    *octet |= 1;
                }
                out.extend_from_slice(&reply);
                return Ok(());
            }
            // Nothing that wants an answer: HELLO, SET_CONFIG, GROUP_MOD, …
            _ => return Ok(()),
        };
        put(out, xid, &message);
        Ok(())
    }

    fn multipart(&self, frame: &[u8]) -> Option<MultipartReplyBody> {
        let &[high, low] = frame.get(8..10)? else { return None };
        Some(match MultipartType(u16::from_be_bytes([high, low])) {
            MultipartType::DESC => MultipartReplyBody::Desc(SwitchDesc::default()),
            MultipartType::FLOW => MultipartReplyBody::Flow(Vec::new()),
            MultipartType::AGGREGATE => MultipartReplyBody::Aggregate(AggregateStats::default()),
            MultipartType::TABLE => MultipartReplyBody::Table(Vec::new()),
            MultipartType::PORT_STATS => MultipartReplyBody::PortStats(Vec::new()),
            MultipartType::QUEUE => MultipartReplyBody::Queue(Vec::new()),
            MultipartType::GROUP => MultipartReplyBody::Group(Vec::new()),
            MultipartType::GROUP_DESC => MultipartReplyBody::GroupDesc(Vec::new()),
            MultipartType::GROUP_FEATURES => MultipartReplyBody::GroupFeatures(GroupFeatures::default()),
            MultipartType::METER => MultipartReplyBody::Meter(Vec::new()),
            MultipartType::METER_CONFIG => MultipartReplyBody::MeterConfig(Vec::new()),
            MultipartType::METER_FEATURES => MultipartReplyBody::MeterFeatures(MeterFeatures::default()),
            MultipartType::TABLE_FEATURES => MultipartReplyBody::TableFeatures(Vec::new()),
            MultipartType::PORT_DESC => MultipartReplyBody::PortDesc((1..=self.ports).map(|n| self.port(n)).collect()),
            _ => return None,
        })
    }

    fn port(&self, number: u32) -> Port {
        let [.., a, b, c] = self.datapath_id.0.to_be_bytes();
        let [.., high, low] = number.to_be_bytes();
        Port::new(PortNo(number), MacAddr([0x06, a, b, c, high, low]), &format!("port{number}"))
    }
}

/// A whole message into `out`. Replies are short, so they always fit.
fn put(out: &mut BytesMut, xid: u32, message: &Message) {
    let _ = message.encode(xid, out);
}

fn answer_alike(frame: &[u8], message_type: MessageType, out: &mut BytesMut) -> Result<(), String> {
    let at = out.len() + 1;
    out.extend_from_slice(frame);
    out[at] = message_type.0;
    Ok(())
}

/// The frame in a packet-out.
fn packet(message: &[u8]) -> &[u8] {
    let Some(&[high, low]) = message.get(PACKET_OUT_ACTIONS_LEN..PACKET_OUT_ACTIONS_LEN + 2) else { return &[] };
    message.get(PACKET_OUT_ACTIONS + usize::from(u16::from_be_bytes([high, low]))..).unwrap_or_default()
}

/// Whom an answer is about: the asker, if it is an ARP reply; the sender, if it is that one's frame on its way.
fn about(frame: &[u8]) -> Option<&[u8]> {
    match (frame.get(12..14)? == ARP, frame.get(20..22)?) {
        (true, [0, 2]) => frame.get(..6),
        // A request that is sent on has no answer yet.
        (true, _) => None,
        (false, _) => frame.get(6..12),
    }
}

#[cfg(test)]
mod tests {
    use net::packet::build;
    use openflow::{Action, BufferId, MultipartRequest, MultipartRequestBody, PacketOut};

    use super::*;

    fn encode(message: &Message) -> Vec<u8> {
        let mut out = BytesMut::new();
        message.encode(7, &mut out).unwrap();
        out.to_vec()
    }

    fn packet_out(frame: Bytes) -> Vec<u8> {
        let actions = vec![Action::output(PortNo(1))];
        encode(&Message::PacketOut(PacketOut {
            buffer_id: BufferId::NO_BUFFER,
            in_port: PortNo::CONTROLLER,
            actions,
            data: frame,
        }))
    }

    #[test]
    fn every_reply_is_a_message_that_our_own_codec_reads() {
        let mut switch = Switch::new(DatapathId(5), 3);
        let requests = [
            Message::FeaturesRequest,
            Message::GetConfigRequest,
            Message::BarrierRequest,
            Message::EchoRequest(Bytes::from_static(b"data")),
            Message::MultipartRequest(MultipartRequest::new(MultipartRequestBody::PortDesc)),
            Message::MultipartRequest(MultipartRequest::new(MultipartRequestBody::GroupDesc)),
        ];
        let input: Vec<u8> = requests.iter().flat_map(encode).collect();
        let (mut out, mut heard) = (BytesMut::new(), Heard::default());
        assert_eq!(switch.scan(&input, &mut out, &mut heard, |_| ()), Ok(input.len()));
        let mut replies = Vec::new();
        while !out.is_empty() {
            let length = frame_length(&out).unwrap().unwrap();
            let (xid, message) = Message::decode(&out.split_to(length).freeze()).unwrap();
            assert_eq!(xid, 7);
            replies.push(message);
        }
        assert_eq!(replies.len(), requests.len());
        let Message::MultipartReply(MultipartReply { body: MultipartReplyBody::PortDesc(ports), .. }) = &replies[4]
        else {
            panic!("{replies:?}");
        };
        assert_eq!(ports.len(), 3);
    }

    #[test]
    fn probes_are_no_answers_and_an_unfinished_message_waits() {
        let mut switch = Switch::new(DatapathId(5), 3);
        let host = MacAddr([2, 0, 0, 0, 0, 9]);
        let reply = build::arp_reply(MacAddr([2, 0, 0, 0, 0, 1]), [10, 0, 0, 1].into(), host, [10, 0, 0, 9].into());
        let mut probe = vec![0; 60];
        probe[12..14].copy_from_slice(&LLDP);
        let mut input = packet_out(probe.into());
        input.extend(packet_out(reply));
        let whole = input.len();
        input.extend(&[4, 13, 0, 90, 0, 0]);
        let (mut out, mut heard, mut learned) = (BytesMut::new(), Heard::default(), Vec::new());
        let read = switch.scan(&input, &mut out, &mut heard, |address| learned.push(address.to_vec()));
        assert_eq!(read, Ok(whole));
        assert_eq!((heard.answers, heard.messages), (1, 2));
        assert_eq!(learned, [host.0.to_vec()]);
    }
}
