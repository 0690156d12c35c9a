//! FLOW_MOD and PACKET_OUT written from parts that are not a [`Message`](crate::Message): for who sends many. Octet for octet what [`Message::encode`](crate::Message::encode) writes.

use bytes::{BufMut, Bytes, BytesMut};
use net::{DecodeError, PortNo};

use crate::action::Action;
use crate::bundle::{BundleFlags, EXP_TYPE_BUNDLE_ADD_MESSAGE};
use crate::flow::{FlowModCommand, FlowModFlags};
use crate::flow_match::Match;
use crate::framing::{MAX_FRAME_LEN, VERSION};
use crate::identifier::{BufferId, GroupId, TableId};
use crate::instruction::Instruction;
use crate::message::{MessageType, TooLong};
use crate::oxm::EXPERIMENTER_ONF;
use crate::wire::Reader;

/// `ofp_flow_mod` up to its match, header included (OpenFlow 1.3.5 §7.3.4.1).
const FLOW_MOD_FIXED: usize = 48;
/// `ofp_packet_out` up to its actions, header included (§7.3.7).
const PACKET_OUT_FIXED: usize = 24;

/// Appends a match with its padding and the instructions behind it, as they stand in a FLOW_MOD and in the description of a flow
/// (OpenFlow 1.3.5 §7.2.3, §7.2.4): for who keeps them as octets. What no FLOW_MOD has room for leaves `out` as it was: a match in its
/// canonical form may be longer than the one that was read.
pub fn write_flow_body(match_: &Match, instructions: &[Instruction], out: &mut BytesMut) -> Result<(), TooLong> {
    let start = out.len();
    match_.encode(out);
    Instruction::encode_list(instructions, out);
    // Longer inner lengths than 16 bits can say are in a longer whole.
    let length = FLOW_MOD_FIXED + (out.len() - start);
    if length > MAX_FRAME_LEN {
        out.truncate(start);
        return Err(TooLong { length });
    }
    Ok(())
}

/// Reads what [`write_flow_body`] writes. Offsets in errors are into these octets.
pub fn read_flow_body(octets: &Bytes) -> Result<(Match, Vec<Instruction>), DecodeError> {
    let mut reader = Reader::new(octets);
    let match_ = Match::parse(&mut reader)?;
    Ok((match_, Instruction::parse_list(reader)?))
}

/// A FLOW_MOD but for its match and instructions (OpenFlow 1.3.5 §7.3.4.1); for a deletion any port and any group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowModHead {
    /// What to do.
    pub command: FlowModCommand,
    /// Which table.
    pub table_id: TableId,
    /// Higher goes first.
    pub priority: u16,
    /// The controller's own number for the flow.
    pub cookie: u64,
    /// Of a deletion: bits of the cookie that a flow must have as they are here. Of an addition 0.
    pub cookie_mask: u64,
    /// Seconds without a packet until the flow goes; 0 for never.
    pub idle_timeout: u16,
    /// Flags.
    pub flags: FlowModFlags,
}

impl FlowModHead {
    /// Appends the whole message. `body` is what [`write_flow_body`] writes; a deletion needs no
    /// instructions. A message that is too long for its header leaves `out` as it was.
    pub fn write(&self, xid: u32, body: &[u8], out: &mut BytesMut) -> Result<(), TooLong> {
        let length = FLOW_MOD_FIXED + body.len();
        let mut fixed = [0; FLOW_MOD_FIXED];
        fixed[..8].copy_from_slice(&header(MessageType::FLOW_MOD, length, xid)?);
        fixed[8..16].copy_from_slice(&self.cookie.to_be_bytes());
        fixed[16..24].copy_from_slice(&self.cookie_mask.to_be_bytes());
        fixed[24] = self.table_id.0;
        fixed[25] = self.command.0;
        fixed[26..28].copy_from_slice(&self.idle_timeout.to_be_bytes());
        // 28..30: no hard timeout.
        fixed[30..32].copy_from_slice(&self.priority.to_be_bytes());
        fixed[32..36].copy_from_slice(&BufferId::NO_BUFFER.0.to_be_bytes());
        fixed[36..40].copy_from_slice(&PortNo::ANY.0.to_be_bytes());
        fixed[40..44].copy_from_slice(&GroupId::ANY.0.to_be_bytes());
        fixed[44..46].copy_from_slice(&self.flags.0.to_be_bytes());
        out.reserve(length);
        out.put_slice(&fixed);
        out.put_slice(body);
        Ok(())
    }
}

/// Octets that a message in a bundle has in front of it: header, experimenter and its type, bundle, padding and flags (ONF extension 230,
/// `onf_bundle_add_msg`).
pub const BUNDLE_ADD_HEAD: usize = 24;

/// Puts a whole message into a bundle: `message` is [`BUNDLE_ADD_HEAD`] octets for what is written here, and the message, which has the same
/// number. One that is too long for the header around it leaves these octets as they are.
pub fn write_bundle_add_head(xid: u32, bundle_id: u32, flags: BundleFlags, message: &mut [u8]) -> Result<(), TooLong> {
    let length = message.len();
    let head = header(MessageType::EXPERIMENTER, length, xid)?;
    let Some((fixed, _)) = message.split_first_chunk_mut::<BUNDLE_ADD_HEAD>() else { return Err(TooLong { length }) };
    fixed[..8].copy_from_slice(&head);
    fixed[8..12].copy_from_slice(&EXPERIMENTER_ONF.to_be_bytes());
    fixed[12..16].copy_from_slice(&EXP_TYPE_BUNDLE_ADD_MESSAGE.to_be_bytes());
    fixed[16..20].copy_from_slice(&bundle_id.to_be_bytes());
    fixed[20..22].copy_from_slice(&[0; 2]);
    fixed[22..24].copy_from_slice(&flags.0.to_be_bytes());
    Ok(())
}

/// Appends a PACKET_OUT that carries its whole frame (OpenFlow 1.3.5 §7.3.7). One that is too long for its header leaves `out` as it was.
pub fn write_packet_out(
    xid: u32,
    in_port: PortNo,
    actions: &[Action],
    frame: &[u8],
    out: &mut BytesMut,
) -> Result<(), TooLong> {
    let start = out.len();
    out.reserve(PACKET_OUT_FIXED + 16 * actions.len() + frame.len());
    out.put_slice(&[0; PACKET_OUT_FIXED]);
    Action::encode_list(actions, out);
    let actions_len = out.len() - start - PACKET_OUT_FIXED;
    out.put_slice(frame);
    let head = match header(MessageType::PACKET_OUT, out.len() - start, xid) {
        Ok(head) => head,
        Err(error) => {
            out.truncate(start);
            return Err(error);
        }
    };
    if let Some(fixed) = out.get_mut(start..start + PACKET_OUT_FIXED) {
        fixed[..8].copy_from_slice(&head);
        fixed[8..12].copy_from_slice(&BufferId::NO_BUFFER.0.to_be_bytes());
        fixed[12..16].copy_from_slice(&in_port.0.to_be_bytes());
        fixed[16..18].copy_from_slice(&(actions_len as u16).to_be_bytes());
    }
    Ok(())
}

fn header(message_type: MessageType, length: usize, xid: u32) -> Result<[u8; 8], TooLong> {
    if length > MAX_FRAME_LEN {
        return Err(TooLong { length });
    }
    let [a, b] = (length as u16).to_be_bytes();
    let [c, d, e, f] = xid.to_be_bytes();
    Ok([VERSION, message_type.0, a, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use net::MacAddr;

    use super::*;
    use crate::{FlowMod, Message, PacketOut};

    fn encoded(message: &Message) -> BytesMut {
        let mut out = BytesMut::new();
        message.encode(7, &mut out).unwrap();
        out
    }

    fn body(match_: &Match, instructions: &[Instruction]) -> Bytes {
        let mut out = BytesMut::new();
        write_flow_body(match_, instructions, &mut out).unwrap();
        out.freeze()
    }

    fn matches() -> Vec<Match> {
        let mac = MacAddr([2, 0, 0, 0, 0, 9]);
        let long = Match::new().with_in_port(PortNo(3)).with_eth_src(mac).with_eth_dst(mac).with_metadata_masked(5, 7);
        vec![Match::new(), Match::new().with_eth_dst(mac), Match::new().with_in_port(PortNo(3)).with_eth_src(mac), long]
    }

    #[test]
    fn a_written_flow_mod_is_the_encoded_one() {
        let apply = |action| vec![Instruction::ApplyActions(vec![action])];
        let does = [
            vec![Instruction::GotoTable(TableId(1))],
            apply(Action::output(PortNo(7))),
            apply(Action::Group(GroupId(0x5400_0001))),
            apply(Action::PopVlan),
            vec![Instruction::Meter(crate::MeterId(1)), Instruction::GotoTable(TableId(9))],
            Vec::new(),
        ];
        for match_ in matches() {
            for instructions in &does {
                let flow_mod = FlowMod {
                    cookie: 0x5401_0203_0405_0607,
                    idle_timeout: 300,
                    flags: FlowModFlags::SEND_FLOW_REM,
                    instructions: instructions.clone(),
                    ..FlowMod::add(TableId(1), 1_000, match_.clone())
                };
                let head = FlowModHead {
                    command: flow_mod.command,
                    table_id: flow_mod.table_id,
                    priority: flow_mod.priority,
                    cookie: flow_mod.cookie,
                    cookie_mask: 0,
                    idle_timeout: flow_mod.idle_timeout,
                    flags: flow_mod.flags,
                };
                let body = body(&match_, instructions);
                assert_eq!(read_flow_body(&body), Ok((match_.clone(), instructions.clone())));
                let mut out = BytesMut::new();
                head.write(7, &body, &mut out).unwrap();
                assert_eq!(out, encoded(&Message::FlowMod(flow_mod)));
            }
        }
    }

    #[test]
    fn a_written_deletion_is_the_encoded_one() {
        for match_ in matches() {
            let (cookie, cookie_mask) = (0x5400_0000_0000_0000, 0xff00_0000_0000_0000);
            let flow_mod = FlowMod { cookie, cookie_mask, ..FlowMod::delete_strict(TableId(1), 5, match_.clone()) };
            let head = FlowModHead {
                command: FlowModCommand::DELETE_STRICT,
                table_id: TableId(1),
                priority: 5,
                cookie,
                cookie_mask,
                idle_timeout: 0,
                flags: FlowModFlags::NONE,
            };
            let mut out = BytesMut::new();
            head.write(7, &body(&match_, &[]), &mut out).unwrap();
            assert_eq!(out, encoded(&Message::FlowMod(flow_mod)));
        }
    }

    #[test]
    fn a_written_packet_out_is_the_encoded_one() {
        for actions in [vec![], vec![Action::output(PortNo(1))], vec![Action::PopVlan, Action::output(PortNo(2))]] {
            let data = Bytes::from_static(&[0x5a; 61]);
            let mut out = BytesMut::from(&b"before"[..]);
            write_packet_out(7, PortNo::CONTROLLER, &actions, &data, &mut out).unwrap();
            let in_port = PortNo::CONTROLLER;
            let packet_out = PacketOut { buffer_id: BufferId::NO_BUFFER, in_port, actions, data };
            assert_eq!(out[6..], encoded(&Message::PacketOut(packet_out)));
        }
    }

    #[test]
    fn what_is_too_long_leaves_nothing_behind() {
        let mut out = BytesMut::from(&b"before"[..]);
        assert!(write_packet_out(7, PortNo::CONTROLLER, &[], &[0; 65_512], &mut out).is_err());
        assert_eq!(&out[..], b"before");
        assert!(write_packet_out(7, PortNo::CONTROLLER, &[], &[0; 65_511], &mut out).is_ok());
    }

    /// The longest FLOW_MOD is written, and one action more is not.
    #[test]
    fn a_body_that_no_flow_mod_has_room_for_leaves_nothing_behind() {
        // 48 octets before the match, 8 of an empty match, 8 of the instruction, 8 an action.
        let does = |count| [Instruction::ApplyActions(vec![Action::PopVlan; count])];
        let mut out = BytesMut::from(&b"before"[..]);
        let error = write_flow_body(&Match::new(), &does(8_184), &mut out);
        assert_eq!((error, &out[..]), (Err(TooLong { length: 65_536 }), &b"before"[..]));
        assert_eq!(write_flow_body(&Match::new(), &does(8_183), &mut out), Ok(()));
        assert_eq!(out.len(), 6 + 65_528 - 48);
    }

    /// As it may come in a FLOW_REMOVED; each field becomes four in the canonical form.
    #[test]
    fn a_long_match_that_grows_in_its_canonical_form_is_too_long_and_not_another_one() {
        let tlvs: Vec<u8> =
            std::iter::repeat_n([&[0, 1, 0xde, 16][..], &[7; 16][..]].concat(), 3_270).flatten().collect();
        assert_eq!(tlvs.len(), 65_400);
        let mut octets = [&[0, 1][..], &65_404_u16.to_be_bytes(), &tlvs, &[0; 4]].concat();
        octets.truncate(65_404_usize.next_multiple_of(8));
        let (match_, _) = read_flow_body(&Bytes::from(octets)).unwrap();
        assert_eq!(match_.as_tlvs().len(), 65_400);
        let canonical = match_.canonical();
        assert!(canonical.as_tlvs().len() > 65_535, "{}", canonical.as_tlvs().len());
        assert!(write_flow_body(&canonical, &[], &mut BytesMut::new()).is_err());
    }

    #[test]
    fn a_message_is_put_into_a_bundle_as_the_whole_is_encoded() {
        let flow_mod = Message::FlowMod(FlowMod::add(TableId(1), 7, Match::new()));
        let flags = BundleFlags::ATOMIC | BundleFlags::ORDERED;
        let mut expected = BytesMut::new();
        let add = crate::bundle::BundleAdd::new(5, flags, flow_mod.clone());
        Message::BundleAdd(add).encode(9, &mut expected).unwrap();
        let mut out = BytesMut::zeroed(BUNDLE_ADD_HEAD);
        flow_mod.encode(9, &mut out).unwrap();
        assert_eq!(write_bundle_add_head(9, 5, flags, &mut out), Ok(()));
        assert_eq!(out, expected);
        let mut long = vec![1; 65_536];
        assert_eq!(write_bundle_add_head(9, 5, flags, &mut long), Err(TooLong { length: 65_536 }));
        assert_eq!(long, vec![1; 65_536]);
    }

    #[test]
    fn a_body_that_is_cut_short_is_an_error() {
        let whole = body(&matches()[3], &[Instruction::GotoTable(TableId(1))]);
        // Without its instructions it is whole again.
        let match_len = whole.len() - 8;
        for length in (0..whole.len()).filter(|length| *length != match_len) {
            assert!(read_flow_body(&whole.slice(..length)).is_err(), "{length} octets");
        }
    }
}
