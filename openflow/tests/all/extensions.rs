//! Properties of Open vSwitch's fields and of the messages that are extensions: they are held to what the codec's own tests ask.

use bytes::{Bytes, BytesMut};
use openflow::oxm::{CLASS_EXPERIMENTER, TUNNEL_METADATA_MAX};
use openflow::{Match, Message, OxmFieldOwned, OxmKind, error_for};
use proptest::prelude::*;

use crate::strategies::fields;

fn encode(xid: u32, message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(xid, &mut out).unwrap();
    out.freeze()
}

#[test]
fn every_row_is_found_by_its_names_and_no_two_have_one_name() {
    for kind in OxmKind::KNOWN {
        let (name, header) = (kind.name().unwrap(), kind.header_name().unwrap());
        assert_eq!(OxmKind::from_name(name), Some(*kind), "{name}");
        assert_eq!(OxmKind::from_name(header), Some(*kind), "{header}");
        assert_eq!(OxmKind::from_name(&header.to_lowercase()), Some(*kind), "{header}");
        let by_ovs = OxmKind::from_name(kind.ovs_name().unwrap()).unwrap();
        assert_eq!(by_ovs.same_field(), kind.same_field(), "{name}: {by_ovs}");
        assert_eq!(kind.canonical().canonical(), kind.canonical());
        assert_eq!(kind.canonical().value_len(), kind.value_len(), "{name} has the octets of {}", kind.canonical());
        assert_eq!(kind.canonical().bits(), kind.bits(), "{name}");
    }
    assert_eq!(OxmKind::from_name("tp_dst"), Some(OxmKind::TCP_DST));
    assert_eq!(OxmKind::from_name("dl_src"), Some(OxmKind::ETH_SRC));
    assert_eq!(OxmKind::from_name("nonsense"), None);
}

#[test]
fn the_names_in_load_and_move_are_niciras_where_there_are_some() {
    for (kind, name) in [
        (OxmKind::ETH_SRC, "NXM_OF_ETH_SRC"),
        (OxmKind::TUNNEL_ID, "NXM_NX_TUN_ID"),
        (OxmKind::TCP_FLAGS, "NXM_NX_TCP_FLAGS"),
        (OxmKind::NXM_REG0, "NXM_NX_REG0"),
        (OxmKind::METADATA, "OXM_OF_METADATA"),
        (OxmKind::XREG1, "OXM_OF_PKT_REG1"),
        (OxmKind::IN_PORT, "OXM_OF_IN_PORT"),
        (OxmKind::NXM_OF_IN_PORT, "NXM_OF_IN_PORT"),
    ] {
        assert_eq!(kind.nxm_name(), Some(name));
    }
}

#[test]
fn the_length_of_an_experimenters_field_counts_its_id() {
    let flags = OxmFieldOwned::number(OxmKind::TCP_FLAGS, 0x12).unwrap();
    assert_eq!(flags.as_tlv(), [0xff, 0xff, 0x54, 6, 0x4f, 0x4e, 0x46, 0, 0, 0x12]);
    let decode = |length: u8| {
        let mut frame = encode(
            1,
            &Message::FlowMod(openflow::FlowMod::add(openflow::TableId(0), 1, Match::from_iter([flags.clone()]))),
        );
        let at = frame.windows(2).position(|octets| octets == [0xff, 0x54]).unwrap() + 2;
        let mut octets = frame.split_off(0).to_vec();
        octets[at] = length;
        Message::decode(&Bytes::from(octets))
    };
    assert!(decode(6).is_ok());
    for length in [0, 2, 3, 4, 5, 7, 10] {
        assert_eq!(decode(length).unwrap_err().field, "oxm.length", "{length}");
    }
}

#[test]
fn tunnel_metadata_has_any_length_up_to_its_limit() {
    let kind = OxmKind::tunnel_metadata(63).unwrap();
    assert_eq!((kind, OxmKind::tunnel_metadata(64)), (OxmKind::TUN_METADATA63, None));
    let octets = [7; 125];
    // Open vSwitch leaves leading zeros out: of zero nothing is left.
    for length in [0, 1, 4, TUNNEL_METADATA_MAX] {
        let masked = OxmFieldOwned::new(kind, &octets[..length], Some(&octets[..length])).unwrap();
        let match_ = Match::from_iter([masked]);
        let frame = encode(1, &Message::FlowMod(openflow::FlowMod::add(openflow::TableId(0), 1, match_.clone())));
        let Ok((_, Message::FlowMod(flow_mod))) = Message::decode(&frame) else { panic!("{length}") };
        assert_eq!(flow_mod.match_, match_);
    }
    assert_eq!(OxmFieldOwned::new(kind, &octets, None), None);
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(message in fields::extension(), xid: u32) {
        let frame = encode(xid, &message);
        prop_assert_eq!(Message::decode(&frame), Ok((xid, message)));
    }

    #[test]
    fn mutated_extensions_never_panic(
        message in fields::extension(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut frame = encode(7, &message).to_vec();
        for (at, octet) in changes {
            let at = at.index(frame.len());
            frame[at] = octet;
        }
        let length = (frame.len() as u16).to_be_bytes();
        frame[2..4].copy_from_slice(&length);
        let frame = Bytes::from(frame);
        match Message::decode(&frame) {
            Ok((xid, message)) => {
                let _ = (format!("{message:?}"), message.problems());
                #[cfg(feature = "serde")]
                serde_json::to_string(&message).unwrap();
                prop_assert_eq!(Message::decode(&encode(xid, &message)), Ok((xid, message)));
            }
            Err(error) => {
                prop_assert!(error.offset <= frame.len(), "{}", error);
                prop_assert!(error_for(&error, &frame).name().is_some(), "{}", error);
            }
        }
    }

    #[test]
    fn a_field_under_another_number_means_the_same(field in fields::known_field()) {
        let usual = OxmFieldOwned::new(field.kind().canonical(), field.as_field().value, field.as_field().mask).unwrap();
        let [one, other] = [field.clone(), usual].map(|field| Match::from_iter([field]));
        prop_assert_eq!(one.canonical(), other.canonical());
        prop_assert_eq!(one.find(field.kind().canonical()).map(|found| found.kind), Some(field.kind()));
        prop_assert_eq!(one.clone().with(&other.fields().next().unwrap().to_owned()), other);
    }

    #[test]
    fn fields_stand_behind_what_they_need_however_they_are_given(match_ in fields::known_match()) {
        let built = match_.fields().fold(Match::new(), |built, field| built.with(&field.to_owned()));
        let late = built.problems().into_iter().find(|problem| problem.reason.ends_with("before it"));
        prop_assert_eq!(late, None, "{:?}", built);
        let late = match_.canonical().problems().into_iter().find(|problem| problem.reason.ends_with("before it"));
        prop_assert_eq!(late, None, "{:?}", match_.canonical());
    }

    #[test]
    fn unknown_fields_stay_data(field in 0u8..0x80, experimenter: u32, octets in proptest::collection::vec(any::<u8>(), 0..40)) {
        let kind = OxmKind { class: CLASS_EXPERIMENTER, field, experimenter };
        prop_assume!(kind.name().is_none());
        let match_ = Match::from_iter([OxmFieldOwned::new(kind, &octets, None).unwrap()]);
        let frame = encode(1, &Message::FlowMod(openflow::FlowMod::add(openflow::TableId(0), 1, match_.clone())));
        let Ok((_, Message::FlowMod(flow_mod))) = Message::decode(&frame) else { panic!() };
        prop_assert_eq!(flow_mod.match_, match_);
    }
}
