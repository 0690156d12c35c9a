//! Messages of connections to records: what a speaker's driver sees are octets as they come, what a file holds are
//! messages, each with the session's terms (RFC 6396 §4.4, RFC 8050 §4.2).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Buf, Bytes, BytesMut};

use super::{Bgp4mpMessage, Body, Ends, Record, SessionState, StateChange, Timestamp};
use crate::wire::{
    Asn, Capability, DecodeContext, EXTENDED_MESSAGE_LIMIT, HEADER_LENGTH, Message, MessageType, frame_length,
};

/// The two ends of a connection, as our speaker knows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordedEnds {
    /// The neighbour's address.
    pub neighbor: IpAddr,
    /// Ours on the connection, if it is known.
    pub local: Option<IpAddr>,
    /// The neighbour's AS; 0 while nobody knows.
    pub neighbor_asn: Asn,
    /// Ours toward it.
    pub local_asn: Asn,
    /// We have said that we take several paths of a prefix (RFC 7911).
    pub add_path_receive: bool,
    /// What the established session has agreed on, where this is its connection.
    pub terms: Option<RecordedTerms>,
}

/// How an established session's messages are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordedTerms {
    /// AS numbers have four octets.
    pub four_octet_as: bool,
    /// Routes have path identifiers.
    pub add_path: bool,
}

/// Cuts what comes on many connections into messages and makes a record of each.
#[derive(Debug, Default)]
pub struct Recording {
    connections: BTreeMap<u64, Connection>,
}

/// One connection on the way to its next whole message: at most a message waits.
#[derive(Debug, Default)]
struct Connection {
    pending: BytesMut,
    /// Its OPEN said that AS numbers have four octets.
    four_octet_as: bool,
    /// It sends several paths of a prefix and we take them.
    add_path: bool,
    /// Octets that are no BGP came: nothing more can be cut.
    lost: bool,
    /// Its beginning was not recorded: nobody has seen yet where a message starts.
    joined: bool,
    /// So it was once: where messages start may have been taken wrongly.
    began_within: bool,
}

impl Recording {
    /// Octets that a neighbour has sent; a record for each whole message. After octets that are no BGP nothing more
    /// comes of this connection. One whose session is established when its first octets come is joined at the next
    /// message that begins, once the one behind that has begun too.
    pub fn handle_octets(&mut self, connection: u64, ends: &RecordedEnds, octets: &[u8], at: Timestamp) -> Vec<Record> {
        let joined = ends.terms.is_some();
        let state = self.connections.entry(connection).or_insert_with(|| Connection {
            joined,
            began_within: joined,
            ..Connection::default()
        });
        if state.lost {
            return Vec::new();
        }
        if let Some(terms) = ends.terms {
            (state.four_octet_as, state.add_path) = (terms.four_octet_as, terms.add_path);
        }
        state.pending.extend_from_slice(octets);
        if state.joined && !state.find_message() {
            return Vec::new();
        }
        let mut records = Vec::new();
        loop {
            match frame_length(&state.pending, EXTENDED_MESSAGE_LIMIT) {
                Ok(Some(length)) => {
                    let message = state.pending.split_to(length).freeze();
                    state.learn(&message, ends);
                    records.push(state.record(message, ends, at));
                }
                Ok(None) => break,
                // What two heads in a row promised was an attribute's after all.
                Err(_) if state.began_within => {
                    state.pending.advance(1);
                    state.joined = true;
                    if !state.find_message() {
                        break;
                    }
                }
                Err(_) => {
                    (state.lost, state.pending) = (true, BytesMut::new());
                    break;
                }
            }
        }
        records
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    /// A session came up or went down.
    pub fn state_change(ends: &RecordedEnds, up: bool, at: Timestamp) -> Record {
        let (old, new) = if up {
            (SessionState::OPEN_CONFIRM, SessionState::ESTABLISHED)
        } else {
            (SessionState::ESTABLISHED, SessionState::IDLE)
        };
        Record { time: at, body: Body::StateChange(StateChange { ends: ends.written(true), old, new }) }
    }
}

impl Connection {
    /// Lets go of what is in front of the first message; `false` if none has begun for certain. One that another one
    /// follows: what looks like the head of a message may stand inside an attribute.
    fn find_message(&mut self) -> bool {
        let mut at = 0;
        loop {
            let Some(head) = self.pending.get(at..at + HEADER_LENGTH) else {
                self.pending.advance(at.min(self.pending.len()));
                return false;
            };
            if let Some(length) = length_in(head) {
                let next = at + usize::from(length);
                let Some(follower) = self.pending.get(next..next + HEADER_LENGTH) else {
                    // It has still to come.
                    self.pending.advance(at);
                    return false;
                };
                if length_in(follower).is_some() {
                    self.pending.advance(at);
                    self.joined = false;
                    return true;
                }
            }
            at += 1;
        }
    }

    /// What the neighbour's OPEN says of the messages after it.
    fn learn(&mut self, message: &Bytes, ends: &RecordedEnds) {
        if message.get(18) != Some(&MessageType::OPEN.0) {
            return;
        }
        let Ok(decoded) = Message::decode(message, &DecodeContext::default()) else { return };
        let Message::Open(open) = decoded.message else { return };
        for capability in open.capabilities() {
            match capability {
                Capability::FourOctetAs { .. } => self.four_octet_as = true,
                Capability::AddPath { families } => {
                    self.add_path = ends.add_path_receive && families.iter().any(|family| family.send_receive.sends());
                }
                _ => {}
            }
        }
    }

    fn record(&self, octets: Bytes, ends: &RecordedEnds, at: Timestamp) -> Record {
        let add_path = self.add_path && octets.get(18) == Some(&MessageType::UPDATE.0);
        let ends = ends.written(self.four_octet_as);
        Record { time: at, body: Body::Message(Bgp4mpMessage { ends, sent: false, add_path, octets }) }
    }
}

/// The length of the message that begins with these octets, if one can.
fn length_in(head: &[u8]) -> Option<u16> {
    frame_length(head, EXTENDED_MESSAGE_LIMIT).ok()?;
    head.get(16..18).and_then(|length| length.try_into().ok()).map(u16::from_be_bytes)
}

impl RecordedEnds {
    /// As records have them. AS numbers of two octets only where both fit: the subtype says how paths are written.
    fn written(&self, four_octet_as: bool) -> Ends {
        let unknown = || match self.neighbor {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        // An AS number that does not fit is AS_TRANS in a record of an old session (RFC 6793 §9).
        let short = |asn: Asn| if four_octet_as || asn.0 <= u32::from(u16::MAX) { asn } else { Asn(23456) };
        Ends {
            peer_asn: short(self.neighbor_asn),
            local_asn: short(self.local_asn),
            interface: 0,
            peer: self.neighbor,
            local: self.local.filter(|local| local.is_ipv4() == self.neighbor.is_ipv4()).unwrap_or_else(unknown),
            four_octet_as,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{EncodeContext, Family, Open, RouterId, Update};

    fn ends() -> RecordedEnds {
        RecordedEnds {
            neighbor: "192.0.2.2".parse().unwrap(),
            local: Some("192.0.2.1".parse().unwrap()),
            neighbor_asn: Asn(65002),
            local_asn: Asn(4_200_000_001),
            add_path_receive: true,
            terms: None,
        }
    }

    fn octets(message: &Message) -> BytesMut {
        let mut out = BytesMut::new();
        message.encode(&EncodeContext::default(), &mut out).unwrap();
        out
    }

    fn open(capabilities: Vec<Capability>) -> BytesMut {
        octets(&Message::Open(Open::new(Asn(65002), 90, RouterId([192, 0, 2, 2].into()), capabilities)))
    }

    const AT: Timestamp = Timestamp { seconds: 1_700_000_000, microseconds: Some(5) };

    #[test]
    fn messages_are_cut_however_they_come() {
        let mut stream = open(vec![Capability::FourOctetAs { asn: Asn(65002) }]);
        stream.extend_from_slice(&octets(&Message::Keepalive));
        stream.extend_from_slice(&octets(&Message::Update(Update::new_end_of_rib(Family::IPV6_UNICAST))));
        let mut whole = Recording::default();
        let expected = whole.handle_octets(1, &ends(), &stream, AT);
        assert_eq!(expected.len(), 3);
        let mut apart = Recording::default();
        let seen: Vec<Record> =
            stream.iter().flat_map(|octet| apart.handle_octets(1, &ends(), &[*octet], AT)).collect();
        assert_eq!(seen, expected);
        for record in &expected {
            let mut out = BytesMut::new();
            record.encode(&mut out).unwrap();
            assert_eq!(&Record::decode(&out).unwrap(), record);
            let Body::Message(message) = &record.body else { panic!("{record:?}") };
            assert!(message.ends.four_octet_as && !message.sent && !message.add_path);
        }
    }

    #[test]
    fn a_session_that_stands_is_joined_at_the_next_message_and_read_by_its_terms() {
        let mut stream = BytesMut::new();
        for _ in 0..3 {
            stream.extend_from_slice(&octets(&Message::Update(Update::new_end_of_rib(Family::IPV6_UNICAST))));
        }
        let length = stream.len() / 3;
        for start in 1..=length {
            for four_octet_as in [false, true] {
                let terms = Some(RecordedTerms { four_octet_as, add_path: true });
                let mut recording = Recording::default();
                let ends = RecordedEnds { terms, ..ends() };
                let pieces = stream[start..].chunks(7);
                let records: Vec<Record> =
                    pieces.flat_map(|piece| recording.handle_octets(1, &ends, piece, AT)).collect();
                assert_eq!(records.len(), 2, "from octet {start} on");
                for record in records {
                    let Body::Message(message) = record.body else { panic!("{record:?}") };
                    assert_eq!((message.ends.four_octet_as, message.add_path), (four_octet_as, true));
                    assert_eq!(message.octets, stream[..length]);
                }
            }
        }
    }

    #[test]
    fn what_looks_like_a_message_inside_an_attribute_is_none() {
        let keepalive = octets(&Message::Keepalive);
        // The rest of a message that holds the head of another one, and then messages.
        let mut stream = BytesMut::from([7; 30].as_slice());
        stream.extend_from_slice(&keepalive);
        stream.extend_from_slice(&[7; 30]);
        let start = stream.len();
        for _ in 0..3 {
            stream.extend_from_slice(&octets(&Message::Update(Update::new_end_of_rib(Family::IPV6_UNICAST))));
        }
        let ends = RecordedEnds { terms: Some(RecordedTerms { four_octet_as: true, add_path: false }), ..ends() };
        for size in [1, 7, stream.len()] {
            let mut recording = Recording::default();
            let pieces = stream.chunks(size);
            let records: Vec<Record> = pieces.flat_map(|piece| recording.handle_octets(1, &ends, piece, AT)).collect();
            let said = records.into_iter().map(|record| match record.body {
                Body::Message(message) => message.octets,
                other => panic!("{other:?}"),
            });
            let said: Vec<u8> = said.flatten().collect();
            assert_eq!(said, stream[start..], "in pieces of {size}");
        }
    }

    #[test]
    fn an_old_neighbours_messages_are_of_the_old_subtype() {
        let mut recording = Recording::default();
        let records = recording.handle_octets(1, &ends(), &open(Vec::new()), AT);
        let Some(Body::Message(message)) = records.first().map(|record| &record.body) else { panic!("{records:?}") };
        assert_eq!((message.ends.four_octet_as, message.ends.local_asn), (false, Asn(23456)));
        let mut out = BytesMut::new();
        records.first().unwrap().encode(&mut out).unwrap();
    }

    #[test]
    fn octets_that_are_no_bgp_end_a_connection_and_no_other() {
        let mut recording = Recording::default();
        assert!(recording.handle_octets(1, &ends(), &[0; 40], AT).is_empty());
        assert!(recording.handle_octets(1, &ends(), &octets(&Message::Keepalive), AT).is_empty());
        assert_eq!(recording.handle_octets(2, &ends(), &octets(&Message::Keepalive), AT).len(), 1);
        recording.handle_closed(1);
        assert_eq!(recording.handle_octets(1, &ends(), &octets(&Message::Keepalive), AT).len(), 1);
    }
}
