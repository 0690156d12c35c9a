//! Lengths that lie: the messages that made other controllers loop for ever or read past an element, one test each. An element of
//! length zero (or less than its own header) has to be refused, not read again and again.
//!
//! Those that were published of Ryu (CVE-2024-28732, CVE-2024-34483 to CVE-2024-34489) are named by where they were reported. That
//! decoding is linear in the octets is shown by what it allocates: twice the octets, no more than twice the memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use net::DecodeErrorKind;
use openflow::{ErrorCode, Message, error_code};

mod nicira;

/// Counts the allocations of this thread and their octets.
struct Counting;

thread_local! {
    static COSTS: Cell<Costs> = const { Cell::new(Costs { allocations: 0, allocated: 0 }) };
}

#[derive(Clone, Copy, Debug)]
struct Costs {
    allocations: usize,
    allocated: usize,
}

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COSTS.with(|costs| {
            let Costs { allocations, allocated } = costs.get();
            costs.set(Costs { allocations: allocations + 1, allocated: allocated + layout.size() });
        });
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What decoding a frame allocates, growth of lists included.
#[track_caller]
fn decoding_costs(frame: &Bytes) -> Costs {
    let before = COSTS.with(Cell::get);
    let message = Message::decode(frame);
    let after = COSTS.with(Cell::get);
    message.expect("it is well-formed");
    Costs { allocations: after.allocations - before.allocations, allocated: after.allocated - before.allocated }
}

/// A packet-out with these actions.
fn packet_out(actions: &[u8]) -> Bytes {
    let length = (actions.len() as u16).to_be_bytes();
    frame(13, &[&[0xff; 8], &length, &[0; 6], actions])
}

/// The same, and the actions have to fit.
#[track_caller]
fn widest_packet_out(actions: &[u8]) -> Bytes {
    assert!(actions.len() + 24 <= 65_535, "{}", actions.len());
    packet_out(actions)
}

fn frame(message_type: u8, body: &[&[u8]]) -> Bytes {
    let body = body.concat();
    let mut frame = vec![4, message_type];
    frame.extend_from_slice(&(body.len() as u16 + 8).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1]);
    frame.extend_from_slice(&body);
    Bytes::from(frame)
}

const EMPTY_MATCH: &[u8] = &[0, 1, 0, 4, 0, 0, 0, 0];
/// An instruction with length 16 that has room for one action.
const APPLY: &[u8] = &[0, 4, 0, 16, 0, 0, 0, 0];
const FLOW_MOD: &[u8] = &[0; 40];
const GROUP_MOD: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 1];
const BUCKET_REST: &[u8] = &[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
const FLOW_STATS_REST: &[u8] = &[0; 46];

const fn multipart(multipart_type: u8) -> [u8; 8] {
    [0, multipart_type, 0, 0, 0, 0, 0, 0]
}

#[track_caller]
fn refused(frame: &Bytes, field: &str, code: ErrorCode) {
    let error = Message::decode(frame).expect_err("it has to be refused");
    assert_eq!((error.field, error_code(&error)), (field, code), "{error}");
    assert!(matches!(error.kind, DecodeErrorKind::BadLength { .. } | DecodeErrorKind::Truncated { .. }), "{error}");
}

/// The lengths that give no progress or go past the parent.
const LIES: [u16; 6] = [0, 1, 3, 7, 1000, 0xffff];

/// Of Ryu: faucetsdn/ryu issue 189, actions in an instruction.
#[test]
fn an_action_without_length_is_refused() {
    for lie in LIES {
        let action = [&[0, 0][..], &lie.to_be_bytes(), &[0, 0, 0, 1]].concat();
        let packet_out = frame(13, &[&[0xff; 8], &[0, 8], &[0; 6], &action]);
        refused(&packet_out, "action.len", ErrorCode::ACTION_BAD_LEN);
        let flow_mod = frame(14, &[FLOW_MOD, EMPTY_MATCH, APPLY, &action]);
        refused(&flow_mod, "action.len", ErrorCode::ACTION_BAD_LEN);
    }
}

#[test]
fn an_unknown_or_experimenter_action_without_length_is_refused() {
    for action_type in [[0xff, 0xff], [0x12, 0x34]] {
        for lie in LIES {
            let action = [&action_type[..], &lie.to_be_bytes(), &[0, 0, 0, 1]].concat();
            let packet_out = frame(13, &[&[0xff; 8], &[0, 8], &[0; 6], &action]);
            refused(&packet_out, "action.len", ErrorCode::ACTION_BAD_LEN);
        }
    }
}

/// Of Ryu: faucetsdn/ryu issue 188, instructions in a flow-mod.
#[test]
fn an_instruction_without_length_is_refused() {
    for lie in LIES {
        let instruction = [&[0, 5][..], &lie.to_be_bytes(), &[0; 4]].concat();
        let flow_mod = frame(14, &[FLOW_MOD, EMPTY_MATCH, &instruction]);
        refused(&flow_mod, "instruction.len", ErrorCode::INSTRUCTION_BAD_LEN);
    }
}

/// Of Ryu: faucetsdn/ryu issue 193, buckets in a group description.
#[test]
fn a_bucket_without_length_is_refused() {
    for lie in LIES {
        let bucket = [&lie.to_be_bytes()[..], BUCKET_REST].concat();
        refused(&frame(15, &[GROUP_MOD, &bucket]), "bucket.len", ErrorCode::REQUEST_BAD_LEN);
        // The same in a group description.
        let entry = [&[0, 24, 0, 0, 0, 0, 0, 1][..], &bucket].concat();
        refused(&frame(19, &[&multipart(7), &entry]), "bucket.len", ErrorCode::REQUEST_BAD_LEN);
    }
}

/// Of Ryu: faucetsdn/ryu issue 194, actions in a bucket.
#[test]
fn an_action_in_a_bucket_without_length_is_refused() {
    for lie in LIES {
        let action = [&[0, 25][..], &lie.to_be_bytes(), &[0x80, 0, 8, 6]].concat();
        let bucket = [&[0, 24][..], BUCKET_REST, &action].concat();
        refused(&frame(15, &[GROUP_MOD, &bucket]), "action.len", ErrorCode::ACTION_BAD_LEN);
        let entry = [&[0, 32, 0, 0, 0, 0, 0, 1][..], &bucket].concat();
        refused(&frame(19, &[&multipart(7), &entry]), "action.len", ErrorCode::ACTION_BAD_LEN);
    }
}

/// Of Ryu: faucetsdn/ryu issue 191, entries of a multipart reply.
#[test]
fn a_group_description_without_length_is_refused() {
    for lie in [0, 1] {
        let entry = [0, lie, 0, 0, 0, 0, 0, 1];
        refused(&frame(19, &[&multipart(7), &entry]), "group_desc.length", ErrorCode::REQUEST_BAD_LEN);
    }
    refused(&frame(19, &[&multipart(7), &[0, 2, 0, 0]]), "group_desc.type", ErrorCode::REQUEST_BAD_LEN);
}

/// Of Ryu: faucetsdn/ryu issue 191, entries of a multipart reply.
#[test]
fn flow_stats_without_length_are_refused() {
    for (lie, field) in [(0, "flow_stats.length"), (1, "flow_stats.length"), (2, "flow_stats.table_id")] {
        let entry = [&[0, lie][..], FLOW_STATS_REST, EMPTY_MATCH].concat();
        refused(&frame(19, &[&multipart(1), &entry]), field, ErrorCode::REQUEST_BAD_LEN);
    }
    let entry = [&[0xff, 0xff][..], FLOW_STATS_REST, EMPTY_MATCH].concat();
    refused(&frame(19, &[&multipart(1), &entry]), "flow_stats.length", ErrorCode::REQUEST_BAD_LEN);
}

/// Of Ryu: faucetsdn/ryu issue 192, instructions in a flow's statistics.
#[test]
fn flow_stats_whose_match_or_instruction_has_no_length_are_refused() {
    let entry = [&[0, 56][..], FLOW_STATS_REST, &[0, 1, 0, 0, 0, 0, 0, 0]].concat();
    refused(&frame(19, &[&multipart(1), &entry]), "match.length", ErrorCode::MATCH_BAD_LEN);
    let entry = [&[0, 64][..], FLOW_STATS_REST, EMPTY_MATCH, &[0, 4, 0, 0, 0, 0, 0, 0]].concat();
    refused(&frame(19, &[&multipart(1), &entry]), "instruction.len", ErrorCode::INSTRUCTION_BAD_LEN);
}

/// Of Ryu: CVE-2024-28732, a match without length.
#[test]
fn a_match_longer_than_its_parent_is_refused() {
    for length in [0u16, 3, 1000, 0xffff] {
        let match_ = [&[0, 1][..], &length.to_be_bytes(), &[0; 4]].concat();
        refused(&frame(14, &[FLOW_MOD, &match_]), "match.length", ErrorCode::MATCH_BAD_LEN);
    }
}

#[test]
fn a_field_longer_than_its_match_is_refused() {
    let cut = [0, 1, 0, 8, 0x80, 0, 0, 4];
    refused(&frame(14, &[FLOW_MOD, &cut]), "oxm.value", ErrorCode::MATCH_BAD_LEN);
    let wrong = [0, 1, 0, 11, 0x80, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 0];
    refused(&frame(14, &[FLOW_MOD, &wrong]), "oxm.length", ErrorCode::MATCH_BAD_LEN);
}

/// Of Ryu: faucetsdn/ryu issue 118, queues in a queue configuration.
#[test]
fn a_queue_without_length_is_refused() {
    for lie in [0u16, 1, 8, 15, 1000] {
        let queue = [&[0, 0, 0, 1, 0, 0, 0, 2][..], &lie.to_be_bytes(), &[0; 6]].concat();
        let error = Message::decode(&frame(23, &[&[0; 8], &queue])).unwrap_err();
        assert!(error.field.starts_with("queue."), "{error}");
        assert_eq!(error_code(&error), ErrorCode::REQUEST_BAD_LEN);
    }
}

/// Of Ryu: faucetsdn/ryu issue 190, properties of a queue.
#[test]
fn a_queue_property_without_length_is_refused() {
    for lie in LIES {
        for property in [0, 1, 0x77] {
            let property = [&[0, property][..], &lie.to_be_bytes(), &[0; 12]].concat();
            let queue = [&[0, 0, 0, 1, 0, 0, 0, 2, 0, 32][..], &[0; 6], &property].concat();
            let message = frame(23, &[&[0; 8], &queue]);
            refused(&message, "queue_property.len", ErrorCode::REQUEST_BAD_LEN);
        }
    }
}

#[test]
fn table_features_without_length_are_refused() {
    for lie in LIES {
        let table = [&lie.to_be_bytes()[..], &[0; 62]].concat();
        for message_type in [18, 19] {
            let message = frame(message_type, &[&multipart(12), &table]);
            refused(&message, "table_features.length", ErrorCode::TABLE_FEATURES_BAD_LEN);
        }
    }
}

#[test]
fn a_table_feature_property_without_length_is_refused() {
    for lie in [0u16, 1, 3, 1000, 0xffff] {
        for property_type in [0u8, 2, 4, 8, 0x55] {
            let property = [&[0, property_type][..], &lie.to_be_bytes(), &[0; 4]].concat();
            let table = [&[0, 72][..], &[0; 62], &property].concat();
            let message = frame(19, &[&multipart(12), &table]);
            refused(&message, "table_feature_property.length", ErrorCode::TABLE_FEATURES_BAD_LEN);
        }
    }
}

#[test]
fn an_instruction_id_in_table_features_without_length_is_refused() {
    for lie in [0, 1, 3, 0xff] {
        let property = [0, 0, 0, 8, 0, 1, 0, lie];
        let table = [&[0, 72][..], &[0; 62], &property].concat();
        let message = frame(19, &[&multipart(12), &table]);
        refused(&message, "table_feature_property.id.len", ErrorCode::TABLE_FEATURES_BAD_LEN);
    }
}

#[test]
fn a_meter_band_without_length_is_refused() {
    for lie in LIES {
        for band_type in [1, 2, 0x55] {
            let band = [&[0, band_type][..], &lie.to_be_bytes(), &[0; 12]].concat();
            let message = frame(29, &[&[0, 0, 0, 1, 0, 0, 0, 1], &band]);
            refused(&message, "meter_band.len", ErrorCode::REQUEST_BAD_LEN);
        }
    }
}

/// Of Ryu: faucetsdn/ryu issue 191, entries of a multipart reply.
#[test]
fn meter_and_group_statistics_without_length_are_refused() {
    for lie in [0u16, 1, 0xffff] {
        let group = [&lie.to_be_bytes()[..], &[0; 38]].concat();
        refused(&frame(19, &[&multipart(6), &group]), "group_stats.length", ErrorCode::REQUEST_BAD_LEN);
        let meter = [&[0, 0, 0, 1][..], &lie.to_be_bytes(), &[0; 34]].concat();
        refused(&frame(19, &[&multipart(9), &meter]), "meter_stats.len", ErrorCode::REQUEST_BAD_LEN);
        let config = [&lie.to_be_bytes()[..], &[0; 6]].concat();
        refused(&frame(19, &[&multipart(10), &config]), "meter_config.length", ErrorCode::REQUEST_BAD_LEN);
    }
}

/// Of Ryu: faucetsdn/ryu issue 195, elements of a HELLO.
#[test]
fn a_hello_element_without_length_is_refused() {
    for lie in [0, 1, 3, 0xff] {
        refused(&frame(0, &[&[0, 1, 0, lie]]), "hello.element.length", ErrorCode::REQUEST_BAD_LEN);
    }
}

#[test]
fn actions_longer_than_the_packet_out_are_refused() {
    let packet_out = frame(13, &[&[0xff; 8], &[0xff, 0xff], &[0; 6], &[0; 8]]);
    refused(&packet_out, "packet_out.actions_len", ErrorCode::REQUEST_BAD_LEN);
}

#[test]
fn a_multipart_that_ends_inside_an_entry_is_refused() {
    for multipart_type in [0, 2, 3, 4, 5, 8, 11, 13] {
        let message = frame(19, &[&multipart(multipart_type), &[0; 7]]);
        let error = Message::decode(&message).unwrap_err();
        assert_eq!(error_code(&error), ErrorCode::REQUEST_BAD_LEN, "{error}");
    }
}

#[test]
fn a_header_that_lies_about_its_length_is_refused() {
    for length in [0u16, 7, 9, 0xffff] {
        let octets = [&[4, 20][..], &length.to_be_bytes(), &[0, 0, 0, 1]].concat();
        assert!(Message::decode(&Bytes::from(octets)).is_err(), "{length}");
    }
}

/// A 64 KiB message of nothing but the smallest elements costs no more than its length: no recursion, no quadratic work.
#[test]
fn the_largest_messages_decode_in_linear_work() {
    let actions = [0, 17, 0, 8, 0, 0, 0, 0].repeat(8_186);
    let length = (actions.len() as u16).to_be_bytes();
    let packet_out = frame(13, &[&[0xff; 8], &length, &[0; 6], &actions]);
    let Ok((_, Message::PacketOut(packet_out))) = Message::decode(&packet_out) else { panic!("it is well-formed") };
    assert_eq!(packet_out.actions.len(), 8_186);
    let hello = frame(0, &[&[0, 9, 0, 4, 0, 0, 0, 0].repeat(8_190)]);
    assert!(Message::decode(&hello).is_ok());
}

/// The smallest element of every list, as often as a message holds it.
#[test]
fn twice_the_elements_cost_no_more_than_twice_the_memory() {
    let entry_of_instructions = |count: usize| {
        let length = (56 + 8 * count) as u16;
        [&length.to_be_bytes()[..], FLOW_STATS_REST, EMPTY_MATCH, &[0, 5, 0, 8, 0, 0, 0, 0].repeat(count)].concat()
    };
    let bucket = [&[0, 16][..], BUCKET_REST].concat();
    let table_of_properties = |count: usize| {
        let length = (64 + 8 * count) as u16;
        [&length.to_be_bytes()[..], &[0; 62], &[0, 8, 0, 4, 0, 0, 0, 0].repeat(count)].concat()
    };
    let instruction_ids = |count: usize| {
        let property = [&[0, 0][..], &((4 + 4 * count) as u16).to_be_bytes(), &[0, 1, 0, 4].repeat(count)].concat();
        let padding = vec![0; property.len().wrapping_neg() % 8];
        let length = (64 + property.len() + padding.len()) as u16;
        [&length.to_be_bytes()[..], &[0; 62], &property, &padding].concat()
    };
    let queue_properties = |count: usize| {
        let property = [0, 0x77, 0, 8, 0, 0, 0, 0].repeat(count);
        [&[0, 0, 0, 1, 0, 0, 0, 2][..], &((16 + property.len()) as u16).to_be_bytes(), &[0; 6], &property].concat()
    };
    let multipart_of = |number: u8, body: Vec<u8>| frame(19, &[&multipart(number), &body]);
    type Build<'a> = Box<dyn Fn(usize) -> Bytes + 'a>;
    let messages: Vec<(&str, usize, Build<'_>)> = vec![
        ("hello", 8_000, Box::new(|count| frame(0, &[&[0, 9, 0, 4, 0, 0, 0, 0].repeat(count)]))),
        ("packet-out", 8_000, Box::new(|count| packet_out(&[0, 17, 0, 8, 0, 0, 0, 0].repeat(count)))),
        ("instructions", 8_000, Box::new(|count| multipart_of(1, entry_of_instructions(count)))),
        ("flow stats", 1_100, Box::new(|count| multipart_of(1, entry_of_instructions(0).repeat(count)))),
        ("group-mod", 4_000, Box::new(|count| frame(15, &[GROUP_MOD, &bucket.repeat(count)]))),
        ("group descriptions", 8_000, Box::new(|count| multipart_of(7, [0, 8, 0, 0, 0, 0, 0, 1].repeat(count)))),
        ("group statistics", 1_600, Box::new(|count| multipart_of(6, [&[0, 40][..], &[0; 38]].concat().repeat(count)))),
        (
            "meter-mod",
            4_000,
            Box::new(|count| {
                frame(29, &[&[0, 0, 0, 1, 0, 0, 0, 1], &[&[0, 1, 0, 16][..], &[0; 12]].concat().repeat(count)])
            }),
        ),
        ("table features", 1_000, Box::new(|count| multipart_of(12, table_of_properties(0).repeat(count)))),
        ("table feature properties", 8_000, Box::new(|count| multipart_of(12, table_of_properties(count)))),
        ("instruction ids", 16_000, Box::new(|count| multipart_of(12, instruction_ids(count)))),
        ("queues", 4_000, Box::new(|count| frame(23, &[&[0; 8], &queue_properties(0).repeat(count)]))),
        ("queue properties", 8_000, Box::new(|count| frame(23, &[&[0; 8], &queue_properties(count)]))),
        (
            "fields",
            6_000,
            Box::new(|count| {
                let fields = [0x80, 0, 0x0a, 2, 8, 0].repeat(count);
                let length = (4 + fields.len()) as u16;
                let padding = vec![0; (4 + fields.len()).wrapping_neg() % 8];
                frame(14, &[FLOW_MOD, &[0, 1], &length.to_be_bytes(), &fields, &padding])
            }),
        ),
    ];
    for (name, most, message) in &messages {
        let (half, whole) = (message(most / 2), message(*most));
        let (one, two) = (decoding_costs(&half), decoding_costs(&whole));
        assert!(whole.len() > 30_000, "{name}: {}", whole.len());
        assert!(two.allocated <= 2 * one.allocated + 4_096, "{name}: {one:?} {two:?}");
        assert!(two.allocations <= 2 * one.allocations + 32, "{name}: {one:?} {two:?}");
        // Octets in memory for each octet of the message, what growing lists gave back included.
        assert!(two.allocated <= 40 * whole.len(), "{name}: {two:?} of {}", whole.len());
    }
}
