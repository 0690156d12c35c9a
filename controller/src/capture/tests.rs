//! Captures made here, in every order that a network can deliver them, and real ones.

use std::path::Path;

use proptest::prelude::*;

use super::*;

const SWITCH: &str = "192.0.2.7:41000";
const CONTROLLER: &str = "192.0.2.1:6653";

/// Messages of these lengths, each full of its number.
fn stream(lengths: &[u16]) -> (Vec<u8>, Vec<Bytes>) {
    let mut all = Vec::new();
    let mut messages = Vec::new();
    for (number, length) in (0_u8..).zip(lengths) {
        let length = (*length).max(8);
        let mut message = vec![number; usize::from(length)];
        message[..4].copy_from_slice(&[4, 2, (length >> 8) as u8, length as u8]);
        all.extend_from_slice(&message);
        messages.push(Bytes::from(message));
    }
    (all, messages)
}

/// Gives segments to one direction: what comes out, gaps as `None`.
fn reassemble(start: u32, syn: bool, segments: &[(usize, &[u8])]) -> Vec<Option<Bytes>> {
    let mut direction = Direction::default();
    if syn {
        direction.begin(start.wrapping_sub(1));
    }
    let mut pieces = VecDeque::new();
    for (offset, payload) in segments {
        let segment = Segment {
            source: SWITCH.parse().unwrap(),
            target: CONTROLLER.parse().unwrap(),
            sequence: start.wrapping_add(*offset as u32),
            flags: TcpFlags::ACK,
            payload,
        };
        direction.take(&segment, &mut pieces);
    }
    direction.finish(&mut pieces);
    let message = |piece| match piece {
        Piece::Message(octets) => Some(octets),
        Piece::Gap(_) => None,
    };
    pieces.into_iter().map(message).collect()
}

proptest! {
    /// Whatever the cuts, the order and the repeats, and wherever the numbers wrap: the same messages.
    #[test]
    fn messages_do_not_depend_on_how_packets_come(
        lengths in prop::collection::vec(8_u16..300, 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        start in prop_oneof![any::<u32>(), (u32::MAX - 2_000)..=u32::MAX],
    ) {
        let (all, messages) = stream(&lengths);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(all.len())).chain([0, all.len()]).collect();
        at.sort_unstable();
        let mut segments: Vec<(usize, &[u8])> = at.windows(2).map(|pair| (pair[0], &all[pair[0]..pair[1]])).collect();
        let last = segments.len() - 1;
        for pair in order.chunks(2) {
            if let [a, b] = pair {
                let count = segments.len();
                segments.swap(a.index(count), b.index(count));
            }
        }
        // Once more, as TCP does when an answer is late.
        segments.push(segments[last]);
        let found: Vec<Bytes> = reassemble(start, true, &segments).into_iter().flatten().collect();
        prop_assert_eq!(found, messages);
    }

    #[test]
    fn no_octets_panic_the_reader(mut octets in prop::collection::vec(any::<u8>(), 0..400), magic in 0..4) {
        let magics: [&[u8]; 4] = [&[0xd4, 0xc3, 0xb2, 0xa1], &[0xa1, 0xb2, 0x3c, 0x4d], &[0x0a, 0x0d, 0x0d, 0x0a], &[]];
        octets.splice(0..0, magics[magic as usize].iter().copied());
        let _ = Capture::read(&octets);
    }
}

#[test]
fn what_is_missing_is_a_gap_and_reading_goes_on_behind_it() {
    let (all, messages) = stream(&[20, 30, 40, 50]);
    let segments = [(0, &all[..20]), (50, &all[50..90]), (90, &all[90..])];
    let found = reassemble(7, true, &segments);
    assert_eq!(found, [Some(messages[0].clone()), None, Some(messages[2].clone()), Some(messages[3].clone())]);
    // Without a beginning, from the first packet that begins with a message.
    let found = reassemble(7, false, &[(10, &all[10..20]), (20, &all[20..90])]);
    assert_eq!(found, [None, Some(messages[1].clone()), Some(messages[2].clone())]);
}

#[test]
fn a_length_that_is_impossible_ends_the_stream_with_its_header() {
    let octets = [4, 0, 0, 8, 0, 0, 0, 1, 4, 0, 0, 3, 0, 0, 0, 2, 9, 9, 9];
    let found = reassemble(0, true, &[(0, &octets)]);
    assert_eq!(found, [Some(Bytes::copy_from_slice(&octets[..8])), Some(Bytes::copy_from_slice(&octets[8..16]))]);
}

/// Third-party captures; their folder is named by `TRUNKLINE_VECTORS`.
#[test]
fn real_captures_are_read_to_their_end() {
    let Some(vectors) = std::env::var_os("TRUNKLINE_VECTORS") else {
        eprintln!("SKIPPED: TRUNKLINE_VECTORS names no folder of captures");
        return;
    };
    let folder = Path::new(&vectors).join("openflow/pcap");
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if !file.extension().is_some_and(|kind| kind == "pcap" || kind == "pcapng") {
            continue;
        }
        let octets = std::fs::read(&file).unwrap();
        assert!(is_capture(&octets), "{}", file.display());
        let capture = Capture::read(&octets);
        assert_eq!(capture.error, None, "{}", file.display());
        let messages = capture.entries.iter().filter(|entry| matches!(entry.event, Event::Message { .. })).count();
        eprintln!("{}: {} connections, {messages} messages", file.display(), capture.connections.len());
        assert!(messages > 0, "{}", file.display());
        read += 1;
    }
    assert!(read >= 6, "{read} captures");
}
