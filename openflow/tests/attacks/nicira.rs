//! The same lies inside of Nicira's actions, which have lists and lengths of their own.

use bytes::Bytes;
use net::DecodeErrorKind;
use openflow::nicira::{MAX_ACTION_DEPTH, NiciraAction};
use openflow::{Action, ErrorCode, Message, error_code};

use super::{decoding_costs, packet_out, refused, widest_packet_out};

/// A Nicira action with a length that fits its body, unless `length` says otherwise.
fn action(subtype: u8, length: Option<u16>, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = length.unwrap_or(10 + body.len() as u16);
    [&[0xff, 0xff][..], &length.to_be_bytes(), &[0, 0, 0x23, 0x20, 0, subtype], &body].concat()
}

/// The last problem of a decode error: its field and the code that answers it.
#[track_caller]
fn error(actions: &[u8]) -> (&'static str, ErrorCode) {
    let error = Message::decode(&packet_out(actions)).expect_err("it has to be refused");
    (error.field, error_code(&error))
}

#[track_caller]
fn decoded(actions: &[u8]) -> Vec<Action> {
    let (_, Message::PacketOut(packet_out)) = Message::decode(&packet_out(actions)).expect("it is well-formed") else {
        panic!("it is a packet-out")
    };
    packet_out.actions
}

/// Subtypes and the octets that an action of each has at least.
const LENGTHS: [(u8, u16, bool); 45] = [
    (1, 16, true),
    (2, 16, true),
    (4, 16, true),
    (5, 16, true),
    (6, 24, false),
    (7, 24, true),
    (8, 16, false),
    (9, 24, true),
    (10, 32, true),
    (12, 32, false),
    (13, 32, false),
    (14, 16, true),
    (15, 24, true),
    (16, 32, false),
    (17, 16, true),
    (18, 16, true),
    (19, 16, true),
    (20, 16, true),
    (21, 16, false),
    (22, 32, true),
    (23, 16, true),
    (24, 16, true),
    (25, 16, true),
    (26, 16, true),
    (27, 24, true),
    (28, 24, true),
    (29, 24, true),
    (30, 16, true),
    (31, 16, true),
    (32, 24, true),
    (33, 16, false),
    (34, 16, true),
    (35, 24, false),
    (36, 16, false),
    (37, 16, false),
    (38, 32, true),
    (39, 16, true),
    (40, 16, true),
    (41, 32, true),
    (42, 16, false),
    (44, 16, true),
    (45, 40, false),
    (46, 16, false),
    (49, 24, true),
    (50, 24, true),
];

#[test]
fn an_action_shorter_than_its_subtype_is_refused() {
    for (subtype, least, fixed) in LENGTHS {
        for length in (8..least).step_by(8) {
            let short = action(subtype, Some(length), &[&vec![0; usize::from(length).saturating_sub(10)]]);
            let (field, code) = error(&short[..usize::from(length)]);
            assert!(field.starts_with("action."), "{subtype}: {field}");
            assert_eq!(code, ErrorCode::ACTION_BAD_LEN, "{subtype} of {length}: {field}");
        }
        if fixed {
            let long = action(subtype, None, &[&vec![0; usize::from(least) - 2]]);
            assert_eq!(error(&long), ("action.nicira.len", ErrorCode::ACTION_BAD_LEN), "{subtype}");
        }
    }
}

#[test]
fn an_action_whose_length_lies_is_refused() {
    for (subtype, least, _) in LENGTHS {
        for lie in [0, 1, 7, 9, least + 1, least - 1, least + 8, 0x7ff8, 0xffff] {
            let lies = action(subtype, Some(lie), &[&vec![0; usize::from(least) - 10]]);
            refused(&packet_out(&lies), "action.len", ErrorCode::ACTION_BAD_LEN);
        }
    }
}

#[test]
fn a_list_in_clone_or_ct_obeys_the_same_rules() {
    let clone = |inner: &[u8]| action(42, None, &[&[0; 6], inner]);
    let ct = |inner: &[u8]| action(35, None, &[&[0; 14], inner]);
    for lie in super::LIES {
        let inner = [&[0, 0][..], &lie.to_be_bytes(), &[0, 0, 0, 1]].concat();
        for outer in [clone(&inner), ct(&inner), clone(&ct(&inner)), ct(&clone(&clone(&inner)))] {
            refused(&packet_out(&outer), "action.len", ErrorCode::ACTION_BAD_LEN);
        }
    }
    // An action that is longer than the one it stands in, and shorter than the message.
    let nested = [clone(&[0, 17, 0, 16, 0, 0, 0, 0]), vec![0; 8]].concat();
    refused(&packet_out(&nested), "action.len", ErrorCode::ACTION_BAD_LEN);
}

#[test]
fn actions_nest_as_deep_as_is_allowed_and_no_deeper() {
    let nest = |depth: usize| (0..depth).fold(Vec::new(), |inner, _| action(42, None, &[&[0; 6], &inner]));
    let mut actions = decoded(&nest(usize::from(MAX_ACTION_DEPTH)));
    let mut depth = 0;
    while let Some(Action::Nicira(NiciraAction::Clone(inner))) = actions.pop() {
        depth += 1;
        actions = inner;
    }
    assert_eq!(depth, MAX_ACTION_DEPTH);
    assert_eq!(error(&nest(usize::from(MAX_ACTION_DEPTH) + 1)), ("action.depth", ErrorCode::ACTION_TOO_MANY));
    // As deep as a message has room for.
    assert_eq!(error(&nest(4_090)), ("action.depth", ErrorCode::ACTION_TOO_MANY));
}

#[test]
fn learn_specs_that_run_out_of_their_action_are_refused() {
    // A spec that copies a field, one that matches an immediate value of 1,023 bits, one that outputs.
    for header in [0x0010u16, 0x23ff, 0x1010, 0x2810] {
        for left in [0, 2, 4] {
            let spec = [&header.to_be_bytes()[..], &vec![0; left]].concat();
            // The action starts with 8 octets of header, 24 of its own and the spec.
            let padded = vec![0; (8 - (spec.len() % 8)) % 8];
            let learn = action(16, None, &[&[0; 22], &padded_specs(padded.len()), &spec]);
            let (field, code) = error(&learn);
            assert!(field.starts_with("action."), "{field}");
            assert_eq!(code, ErrorCode::ACTION_BAD_LEN, "{header:#x} with {left}: {field}");
        }
    }
}

/// Specs of 4 octets (an immediate value of no bits, which is no terminator) that fill up to a multiple of 8.
fn padded_specs(octets: usize) -> Vec<u8> {
    // 0x3000 would be an output of an immediate value, which is refused; 0x2000 with a destination has 8 octets.
    match octets {
        0 => Vec::new(),
        // A spec of 14 octets: register 0 to register 0, 16 bits.
        6 => REGISTER_SPEC.to_vec(),
        // Two, three of them leave 4 and 2.
        4 => REGISTER_SPEC.repeat(2),
        _ => REGISTER_SPEC.repeat(3),
    }
}

/// `NXM_NX_REG0[0..15]=NXM_NX_REG0[0..15]`.
const REGISTER_SPEC: &[u8] = &[0, 16, 0, 1, 0, 4, 0, 0, 0, 1, 0, 4, 0, 0];

#[test]
fn counts_that_promise_more_than_there_is_are_refused() {
    for count in [1u16, 5, 0x7fff, 0xffff] {
        let ids = action(21, None, &[&count.to_be_bytes(), &[0; 4]]);
        let field = "action.dec_ttl_cnt_ids.n_controllers";
        refused(&packet_out(&ids), field, ErrorCode::ACTION_BAD_LEN);
        let bundle = action(12, None, &[&[0; 6], &[0, 0, 0, 2], &count.to_be_bytes(), &[0; 10]]);
        refused(&packet_out(&bundle), "action.bundle.n_slaves", ErrorCode::ACTION_BAD_LEN);
    }
    // 5 need 10 octets, and there are 8.
    let ids = action(21, None, &[&[0, 5], &[0; 4], &[0; 8]]);
    refused(&packet_out(&ids), "action.dec_ttl_cnt_ids.n_controllers", ErrorCode::ACTION_BAD_LEN);
}

#[test]
fn nat_ranges_that_are_not_there_or_contradict_each_other_are_refused() {
    for present in 1u8..64 {
        let nat = action(36, None, &[&[0; 4], &[0, present]]);
        let (_, code) = error(&nat);
        assert_eq!(code, ErrorCode::ACTION_BAD_ARGUMENT, "{present:#x}");
    }
    // One octet less than an IPv6 range with ports needs.
    let nat = action(36, None, &[&[0; 4], &[0, 0x3c], &[1; 32]]);
    assert_eq!(error(&nat), ("action.nat.proto_min", ErrorCode::ACTION_BAD_ARGUMENT));
}

#[test]
fn properties_without_length_are_refused() {
    for property_type in [0, 1, 2, 3, 4, 5, 0x77] {
        for lie in [0u16, 1, 3, 9, 1000, 0xffff] {
            let property = [&[0, property_type][..], &lie.to_be_bytes(), &[0; 4]].concat();
            let (field, code) = error(&action(37, None, &[&[0; 6], &property]));
            assert!(field.starts_with("action_property."), "{field}");
            assert_eq!(code, ErrorCode::TABLE_FEATURES_BAD_LEN);
        }
    }
    for lie in [0, 1, 3, 9, 0xff] {
        let property = [0, 4, 1, lie, 0, 0, 0, 0];
        let (field, code) = error(&action(46, None, &[&[0; 6], &property]));
        assert!(field.starts_with("action.encap.property."), "{field}");
        assert_eq!(code, ErrorCode::ACTION_BAD_LEN);
    }
}

#[test]
fn a_tunnel_option_that_is_longer_than_its_set_field_is_refused() {
    // NXM_NX_TUN_METADATA0 has any length up to 124, and the action ends before.
    for length in [8u8, 124, 255] {
        let set = action(33, None, &[&[0, 1, 40 << 1, length], &[0; 2]]);
        let (field, code) = error(&set);
        assert_eq!((field, code), ("action.set_field", ErrorCode::ACTION_BAD_SET_LEN), "{length}");
    }
}

#[test]
fn reserved_octets_are_refused_where_open_vswitch_refuses_them() {
    let zeros = ErrorCode::NX_REQUEST_MUST_BE_ZERO;
    let cases: [(&str, Vec<u8>, ErrorCode); 9] = [
        ("resubmit_table", action(14, None, &[&[0, 1, 2, 0, 0, 9]]), ErrorCode::ACTION_BAD_ARGUMENT),
        (
            "output_reg",
            action(15, None, &[&[7, 0, 0, 1, 0, 4, 0, 0], &[0, 0, 0, 0, 0, 9]]),
            ErrorCode::ACTION_BAD_ARGUMENT,
        ),
        ("reg_move", action(6, None, &[&[0; 6], &[0, 1, 0, 4, 0, 1, 2, 4], &[9; 8]]), zeros),
        ("stack", action(27, None, &[&[0; 2], &[0, 1, 0, 4, 0, 4], &[9; 6]]), zeros),
        ("write_metadata", action(22, None, &[&[9; 6], &[0; 16]]), zeros),
        ("controller2", action(37, None, &[&[9; 6]]), zeros),
        ("dec_ttl_cnt_ids", action(21, None, &[&[0, 0, 9, 0, 0, 0]]), zeros),
        ("learn", action(16, None, &[&[0; 17], &[9], &[0; 4]]), ErrorCode::ACTION_BAD_ARGUMENT),
        ("learn2", action(45, None, &[&[0; 22], &[0, 0, 0, 0, 0, 0, 0, 9]]), ErrorCode::NX_ACTION_MUST_BE_ZERO),
    ];
    for (name, octets, expected) in cases {
        let error = Message::decode(&packet_out(&octets)).expect_err(name);
        assert_eq!((error.kind, error_code(&error)), (DecodeErrorKind::BadPattern, expected), "{name}: {error}");
    }
}

#[test]
fn what_the_types_cannot_say_stays_data_octet_for_octet() {
    let cases = [
        ("another subtype", action(99, None, &[&[1, 2, 3, 4, 5, 6]])),
        ("a field without a row", action(27, None, &[&[0; 2], &[0x12, 0x34, 0, 4, 0, 4], &[0; 6]])),
        ("a header with a mask", action(27, None, &[&[0; 2], &[0, 1, 1, 8, 0, 4], &[0; 6]])),
        ("a range that is not known", action(36, None, &[&[0; 4], &[1, 0]])),
        ("bits of a spec that are not known", action(16, None, &[&[0; 22], &[0x80, 16], &REGISTER_SPEC[2..], &[0; 2]])),
        ("members of another type", action(12, None, &[&[0; 6], &[0, 0, 0, 9], &[0; 12]])),
        ("a decap with properties", action(47, None, &[&[0; 6], &[0; 8]])),
    ];
    for (name, octets) in cases {
        let actions = decoded(&octets);
        let [Action::Experimenter { experimenter: 0x2320, body }] = &actions[..] else { panic!("{name}: {actions:?}") };
        assert_eq!(body[..], octets[8..], "{name}");
        let report = openflow::decode_for_display(&packet_out(&octets)).unwrap();
        assert!(!report.problems.is_empty(), "{name}");
    }
}

/// Of each list the most that fits: what decoding costs grows with the octets and no faster.
#[test]
fn lists_of_the_smallest_elements_cost_no_more_than_their_octets() {
    let registers = |count: usize| action(16, None, &[&[0; 22], &REGISTER_SPEC.repeat(count * 4)]);
    let ports = |count: usize| {
        let members = vec![0; count * 8];
        action(12, None, &[&[0; 6], &[0, 0, 0, 2], &((count * 4) as u16).to_be_bytes(), &[0; 10], &members])
    };
    let properties = |count: usize| action(37, None, &[&[0; 6], &[0, 4, 0, 4, 0, 0, 0, 0].repeat(count)]);
    let options = |count: usize| action(46, None, &[&[0; 6], &[0, 4, 1, 4, 0, 0, 0, 0].repeat(count)]);
    let clones = |count: usize| action(42, None, &[&[0; 6], &action(42, None, &[&[0; 6]]).repeat(count)]);
    let tracked = |count: usize| action(35, None, &[&[0; 14], &action(36, None, &[&[0; 6]]).repeat(count)]);
    type Build<'a> = &'a dyn Fn(usize) -> Vec<u8>;
    let lists: [(&str, Build<'_>, usize); 6] = [
        ("learn", &registers, 1_100),
        ("bundle", &ports, 8_000),
        ("controller2", &properties, 8_000),
        ("encap", &options, 8_000),
        ("clone", &clones, 4_000),
        ("ct", &tracked, 4_000),
    ];
    for (name, list, most) in lists {
        let (half, whole) = (widest_packet_out(&list(most / 2)), widest_packet_out(&list(most)));
        let (one, two) = (decoding_costs(&half), decoding_costs(&whole));
        assert!(whole.len() > 60_000, "{name}: {}", whole.len());
        assert!(two.allocated <= 2 * one.allocated + 4_096, "{name}: {one:?} {two:?}");
        assert!(two.allocations <= 2 * one.allocations + 32, "{name}: {one:?} {two:?}");
        // Octets in memory for each octet of the message: a bound that a peer can't push up.
        assert!(two.allocated <= 24 * whole.len(), "{name}: {two:?}");
    }
}

/// Actions side by side at the deepest level allowed: every level is walked once.
#[test]
fn depth_and_width_together_cost_no_more_than_their_octets() {
    let deep = |width: usize| {
        let inner = [0, 17, 0, 8, 0, 0, 0, 0].repeat(width);
        (0..MAX_ACTION_DEPTH).fold(inner, |inner, _| action(42, None, &[&[0; 6], &inner]))
    };
    let (half, whole) = (widest_packet_out(&deep(4_000)), widest_packet_out(&deep(8_000)));
    let (one, two) = (decoding_costs(&half), decoding_costs(&whole));
    assert!(two.allocated <= 2 * one.allocated + 4_096 && two.allocations <= one.allocations + 8, "{one:?} {two:?}");
}

/// An action that falls back to data after its list was read doesn't have the list read again by its parents.
#[test]
fn lists_that_are_read_and_then_kept_as_data_are_read_once() {
    // ct with a zone field that nobody knows, one in the other.
    let nest = |depth: usize| {
        (0..depth).fold(Vec::new(), |inner, _| action(35, None, &[&[0, 0], &[0x12, 0x34, 0, 4], &[0; 8], &inner]))
    };
    let (half, whole) = (decoding_costs(&packet_out(&nest(30))), decoding_costs(&packet_out(&nest(60))));
    assert!(whole.allocations <= 2 * half.allocations + 8, "{half:?} {whole:?}");
    let frame: Bytes = packet_out(&nest(60));
    let (_, message) = Message::decode(&frame).unwrap();
    assert!(
        matches!(message, Message::PacketOut(packet_out) if matches!(packet_out.actions[..], [Action::Experimenter { .. }]))
    );
}
