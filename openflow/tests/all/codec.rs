//! Properties of the codec: what is encoded decodes to itself, and no octets make it panic.

use bytes::{Bytes, BytesMut};
use openflow::{
    Action, BufferId, DecodeReport, FixedText, FlowStats, FlowStatsEntries, MAX_FRAME_LEN, Match, Message,
    MultipartReply, MultipartReplyBody, OxmKind, PacketInRef, PacketOut, SwitchDesc, decode_for_display, error_for,
    frame_length, oxm,
};
use proptest::prelude::*;

use crate::strategies;

fn encode(xid: u32, message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).unwrap();
    out.freeze()
}

/// Flows that are read one at a time are those of the whole message, up to the same error.
fn read_one_at_a_time(frame: &Bytes) {
    let Ok(Some(entries)) = FlowStatsEntries::of(frame) else { return };
    let (xid, more) = (entries.xid(), entries.more());
    let one_at_a_time: Result<Vec<FlowStats>, _> = entries
        .map(|entry| {
            let entry = entry?;
            let stats = entry.to_stats()?;
            assert_eq!((&entry.match_()?, &entry.instructions()?), (&stats.match_, &stats.instructions));
            Ok(stats)
        })
        .collect();
    let message = one_at_a_time
        .map(|flows| MultipartReply { more, body: MultipartReplyBody::Flow(flows) })
        .map(Message::MultipartReply);
    assert_eq!(message.map(|message| (xid, message)), Message::decode(frame));
}

/// Everything that reads a frame, on any octets.
fn exercise(frame: &Bytes) {
    let _ = frame_length(frame);
    read_one_at_a_time(frame);
    let packet_in = match Message::decode(frame) {
        Ok((_, Message::PacketIn(packet_in))) => Some(packet_in),
        _ => None,
    };
    assert_eq!(PacketInRef::read(frame), packet_in.as_ref().map(PacketInRef::from), "in place and copied");
    match decode_for_display(frame) {
        Ok(DecodeReport { xid, message, problems, .. }) => {
            let _ = (format!("{message:?}"), problems.iter().map(ToString::to_string).collect::<Vec<_>>());
            #[cfg(feature = "serde")]
            serde_json::to_string(&message).unwrap();
            // What was normalised (padding, reserved bits) stays as it is now.
            let mut out = BytesMut::new();
            if message.encode(xid, &mut out).is_ok() {
                let again = Message::decode(&out.freeze()).map(|(_, message)| message);
                assert_eq!(again.as_ref(), Ok(&message));
            }
        }
        Err(error) => {
            assert!(error.offset <= frame.len(), "{error}");
            let answer = error_for(&error, frame);
            assert!(answer.code().name().is_some(), "{error}: {answer:?}");
        }
    }
}

fn packet_out(actions: Vec<Action>) -> Message {
    Message::PacketOut(PacketOut {
        buffer_id: BufferId::NO_BUFFER,
        in_port: net::PortNo::CONTROLLER,
        actions,
        data: Bytes::new(),
    })
}

#[test]
fn a_text_that_fills_its_array_keeps_its_last_octet() {
    let text = |size| FixedText::from("x".repeat(size).as_str());
    let desc = SwitchDesc {
        mfr_desc: text(256),
        hw_desc: text(255),
        sw_desc: text(0),
        serial_num: text(32),
        dp_desc: text(256),
    };
    let body = MultipartReplyBody::Desc(desc);
    let frame = encode(7, &Message::MultipartReply(MultipartReply { more: false, body }));
    assert_eq!(frame.get(16 + 3 * 256..16 + 3 * 256 + 32), Some(&[b'x'; 32][..]));
    let (xid, message) = Message::decode(&frame).unwrap();
    assert_eq!(encode(xid, &message), frame);
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(message in strategies::message(), xid: u32) {
        let frame = encode(xid, &message);
        prop_assert!(frame.len() <= MAX_FRAME_LEN);
        prop_assert_eq!(frame_length(&frame), Ok(Some(frame.len())));
        if let Message::PacketIn(packet_in) = &message {
            let read = PacketInRef::read(&frame);
            prop_assert_eq!(read, Some(PacketInRef::from(packet_in)));
            prop_assert_eq!(read.and_then(|read| read.in_port()), packet_in.match_.in_port());
        }
        prop_assert_eq!(Message::decode(&frame), Ok((xid, message)));
    }

    #[test]
    fn every_action_of_nicira_decodes_to_itself(action in strategies::nicira_action()) {
        let message = packet_out(vec![Action::Nicira(action)]);
        let frame = encode(1, &message);
        prop_assert_eq!(Message::decode(&frame), Ok((1, message)));
    }

    /// What is cut off or changed inside of an action is refused, kept as data or another action: nothing is lost that is not
    /// padding, so what comes out is written as it was read.
    #[test]
    fn a_mutated_action_of_nicira_is_refused_or_kept(
        action in strategies::nicira_action(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        words in 0usize..3,
    ) {
        let mut frame = encode(1, &packet_out(vec![Action::Nicira(action)])).to_vec();
        let body = 24 + 8;
        for (at, octet) in changes {
            let at = body + at.index(frame.len() - body);
            frame[at] = octet;
        }
        let length = (frame.len() - 8 * words).max(body);
        frame.truncate(length);
        frame[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        frame[16..18].copy_from_slice(&((length - 24) as u16).to_be_bytes());
        frame[26..28].copy_from_slice(&((length - 24) as u16).to_be_bytes());
        exercise(&Bytes::from(frame));
    }

    #[test]
    fn every_truncation_of_a_message_is_refused(message in strategies::message(), cut: prop::sample::Index) {
        let frame = encode(1, &message);
        let cut = cut.index(frame.len());
        prop_assert!(Message::decode(&frame.slice(..cut)).is_err());
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        exercise(&Bytes::from(octets));
    }

    #[test]
    fn arbitrary_bodies_of_every_type_never_panic(
        message_type in 0u8..32,
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut frame = vec![4, message_type];
        frame.extend_from_slice(&(body.len() as u16 + 8).to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(&body);
        exercise(&Bytes::from(frame));
    }

    #[test]
    fn mutated_messages_never_panic(
        message in strategies::message(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut: Option<prop::sample::Index>,
    ) {
        let mut frame = encode(7, &message).to_vec();
        for (at, octet) in changes {
            let at = at.index(frame.len());
            frame[at] = octet;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()).max(8));
        }
        // The header's length is made right most of the time, so that the body is reached.
        let length = (frame.len() as u16).to_be_bytes();
        frame[2..4].copy_from_slice(&length);
        exercise(&Bytes::from(frame));
    }

    #[test]
    fn a_canonical_match_is_canonical_and_means_the_same_in_any_order(
        match_ in strategies::match_(),
        seed: u64,
    ) {
        let canonical = match_.canonical();
        prop_assert_eq!(&canonical.canonical(), &canonical);
        let mut fields: Vec<_> = match_.fields().map(|field| field.to_owned()).collect();
        // What is made of other fields may meet them.
        fields.retain(|field| field.kind().class != oxm::CLASS_PACKET_REGISTERS && field.kind() != OxmKind::VLAN_TCI);
        fields.retain(|field| !(OxmKind::XXREG0..=OxmKind::XXREG3).contains(&field.kind()));
        fields.sort_by_key(|field| field.kind().same_field());
        fields.dedup_by_key(|field| field.kind().same_field());
        let built = fields.iter().fold(Match::new(), |built, field| built.with(field));
        let sorted: Match = fields.iter().cloned().collect();
        let turn = if fields.is_empty() { 0 } else { seed as usize % fields.len() };
        fields.rotate_left(turn);
        let rotated: Match = fields.iter().cloned().collect();
        prop_assert_eq!(rotated.canonical(), sorted.canonical());
        prop_assert_eq!(&fields.iter().fold(Match::new(), |built, field| built.with(field)), &built);
        prop_assert_eq!(built.canonical(), sorted.canonical());
    }
}
