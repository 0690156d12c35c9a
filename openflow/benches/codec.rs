//! Decode and encode against floors in the same run: the same octets with their length checked, and copied once; and a walk over
//! every length in them, down to fields and actions, that keeps nothing.
//!
//! Prints nanoseconds per message, GB/s, and the ratio to the copy. The ratio is what can be compared between machines. An argument
//! leaves the messages that have it in their names.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use net::{MacAddr, PortNo};
use openflow::nicira::{ConnectionTracking, CtFlags, CtZone, Nat, NatFlags, NatRange, NiciraAction, Subfield};
use openflow::{
    Action, BufferId, FlowMod, FlowModFlags, FlowStats, FlowStatsEntries, FlowStatsEntry, GroupId, Instruction, Match,
    Message, MultipartReply, MultipartReplyBody, OxmFieldOwned, OxmKind, PacketIn, PacketInReason, PacketOut, TableId,
    frame_length,
};

/// Octets that go through each round, about: small messages are repeated more often than large ones. A round is short against the
/// time slices of a busy machine, so that most rounds are not interrupted, and their median says nothing of those that are.
const OCTETS: usize = 200_000;
const ROUNDS: usize = 501;
/// A message holds 65,535 octets; entries are added while there is room for one more.
const FULL: usize = 65_300;

fn main() {
    let messages = [
        ("packet_in, 98 octets", packet_in()),
        ("packet_out, 98 octets", packet_out()),
        ("flow_mod, L2", flow_mod(Match::new().with_in_port(PortNo(3)).with_eth_src(mac(1)), vec![apply_output()])),
        ("flow_mod, Nicira", flow_mod(five_tuple(1), vec![apply_nicira(1)])),
        ("flow_stats, 64 KiB", flow_stats(|number| vec![apply_output_group(number)])),
        ("flow_stats, Nicira", flow_stats(|number| vec![apply_nicira(number)])),
    ];
    println!(
        "sizes: Message {}, Instruction {}, Action {}",
        size_of::<Message>(),
        size_of::<Instruction>(),
        size_of::<Action>()
    );
    println!("{:<22} {:>9} {:>7} {:>9} {:>7}   (medians of {ROUNDS} rounds)", "", "ns", "GB/s", "floor ns", "ratio");
    // Cargo's own arguments start with a dash.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, message) in &messages {
        if wanted.iter().all(|part| name.contains(part.as_str())) {
            measure(name, message);
        }
    }
}

fn measure(name: &str, message: &Message) {
    let mut frame = BytesMut::new();
    message.encode(7, &mut frame).expect("it fits");
    let frame = frame.freeze();
    let calls = (OCTETS / (frame.len() + 500)).max(1);
    let mut out = BytesMut::with_capacity(1 << 17);
    let floor = median(calls, &mut || {
        let length = frame_length(black_box(&frame)).ok().flatten().unwrap_or_default();
        out.clear();
        out.put_slice(&frame[..length]);
        black_box(&out);
    });
    let walked = median(calls, &mut || {
        black_box(walk(black_box(&frame)));
    });
    let decode = median(calls, &mut || {
        // By reference: where the message goes afterwards is not decoding.
        black_box(&Message::decode(black_box(&frame)));
    });
    let mut out = BytesMut::with_capacity(1 << 17);
    let encode = median(calls, &mut || {
        out.clear();
        black_box(black_box(message).encode(7, &mut out).ok());
    });
    let mut rows = vec![("walk", walked), ("decode", decode), ("encode", encode)];
    if let Ok(Some(_)) = FlowStatsEntries::of(&frame) {
        let one_at_a_time = median(calls, &mut || {
            for entry in entries(&frame) {
                black_box(&entry.to_stats());
            }
        });
        let glanced = median(calls, &mut || {
            for entry in entries(&frame) {
                black_box((entry.cookie, entry.packet_count, &entry.match_()));
            }
        });
        rows.extend([("decode, one at a time", one_at_a_time), ("matches and counters", glanced)]);
    }
    for (what, time) in rows {
        let rate = frame.len() as f64 / time;
        println!("{name:<22} {time:>9.1} {rate:>7.2} {floor:>9.1} {:>7.1}   {what}", time / floor);
    }
}

fn entries(frame: &Bytes) -> impl Iterator<Item = FlowStatsEntry<'_>> {
    FlowStatsEntries::of(black_box(frame)).ok().flatten().into_iter().flatten().flatten()
}

/// How many fields, instructions and actions there are, by their lengths alone.
fn walk(frame: &[u8]) -> Option<usize> {
    match frame.get(1)? {
        10 => match_and_rest(frame.get(24..)?).map(|(fields, _)| fields),
        13 => elements(frame.get(24..24 + usize::from(length_at(frame, 16)?))?, 2, 8, &mut |_| Some(1)),
        14 => flow(frame.get(48..)?),
        _ => elements(frame.get(16..)?, 0, 56, &mut |entry| flow(entry.get(48..)?)),
    }
}

/// A match and the instructions behind it.
fn flow(octets: &[u8]) -> Option<usize> {
    let (fields, instructions) = match_and_rest(octets)?;
    let actions = elements(instructions, 2, 8, &mut |instruction| match instruction {
        [0, 3 | 4, ..] => elements(instruction.get(8..)?, 2, 8, &mut |_| Some(1)),
        _ => Some(1),
    })?;
    Some(fields + actions)
}

fn match_and_rest(octets: &[u8]) -> Option<(usize, &[u8])> {
    let length = usize::from(length_at(octets, 2)?);
    let (mut fields, mut count) = (octets.get(4..length)?, 0);
    while let [_, _, _, length, rest @ ..] = fields {
        fields = rest.get(usize::from(*length)..)?;
        count += 1;
    }
    Some((count, octets.get(length.next_multiple_of(8)..)?))
}

/// Elements that say their lengths at `at`, none shorter than `least`.
fn elements(mut list: &[u8], at: usize, least: usize, each: &mut dyn FnMut(&[u8]) -> Option<usize>) -> Option<usize> {
    let mut count = 0;
    while !list.is_empty() {
        let (element, rest) = list.split_at_checked(usize::from(length_at(list, at)?).max(least))?;
        count += each(element)?;
        list = rest;
    }
    Some(count)
}

fn length_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..).and_then(|rest| rest.first_chunk()).map(|length| u16::from_be_bytes(*length))
}

/// Nanoseconds per call, the median over the rounds.
fn median(calls: usize, call: &mut dyn FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..calls {
                call();
            }
            start.elapsed().as_nanos() as f64 / calls as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

fn packet_in() -> Message {
    Message::PacketIn(PacketIn {
        buffer_id: BufferId::NO_BUFFER,
        total_len: 98,
        reason: PacketInReason::ACTION,
        table_id: TableId(0),
        cookie: 0x5401_0000_0000_0001,
        match_: Match::new().with_in_port(PortNo(3)),
        data: Bytes::from(vec![0x5a; 98]),
    })
}

fn packet_out() -> Message {
    Message::PacketOut(PacketOut {
        buffer_id: BufferId::NO_BUFFER,
        in_port: PortNo(3),
        actions: vec![Action::output(PortNo(7))],
        data: Bytes::from(vec![0x5a; 98]),
    })
}

fn flow_mod(match_: Match, instructions: Vec<Instruction>) -> Message {
    Message::FlowMod(FlowMod { instructions, ..FlowMod::add(TableId(0), 100, match_) })
}

fn apply_output() -> Instruction {
    Instruction::ApplyActions(vec![Action::output(PortNo(7))])
}

fn five_tuple(number: u32) -> Match {
    Match::new()
        .with_in_port(PortNo(1 + number % 48))
        .with_eth_type(0x0800)
        .with_ip_proto(6)
        .with_ipv4_src((0x0a00_0000 + number).into())
        .with_ipv4_dst((0x0a80_0000 + number).into())
        .with_tcp_dst(443)
}

/// What a switch is programmed with without extensions: set a field, decrement, output or group.
fn apply_output_group(number: u32) -> Instruction {
    let last = if number.is_multiple_of(2) { Action::output(PortNo(7)) } else { Action::Group(GroupId(number)) };
    Instruction::ApplyActions(vec![Action::SetField(OxmFieldOwned::eth_dst(mac(9))), Action::DecNwTtl, last])
}

fn apply_nicira(number: u32) -> Instruction {
    let register = |kind, offset, bits| Subfield { kind, offset, bits };
    let nat = NiciraAction::Nat(Box::new(Nat {
        flags: NatFlags::SRC,
        range: NatRange::Ipv4 { min: [192, 0, 2, 1].into(), max: None, ports: None },
    }));
    let ct = NiciraAction::Ct(Box::new(ConnectionTracking {
        flags: CtFlags::COMMIT,
        zone: CtZone::Immediate(7),
        table_id: Some(TableId(4)),
        alg: 0,
        actions: vec![Action::Nicira(nat)],
    }));
    let actions = [
        NiciraAction::RegLoad { destination: register(OxmKind::NXM_REG0, 0, 32), value: number.into() },
        NiciraAction::RegMove {
            source: register(OxmKind::NXM_REG0, 0, 16),
            destination: register(OxmKind::NXM_REG1, 16, 16),
        },
        ct,
        NiciraAction::ResubmitTable { in_port: PortNo::IN_PORT, table_id: TableId(5), with_ct: false },
    ];
    Instruction::ApplyActions(actions.into_iter().map(Action::Nicira).collect())
}

/// A part of a reply that is as long as a message can be.
fn flow_stats(instructions: impl Fn(u32) -> Vec<Instruction>) -> Message {
    let mut flows = Vec::new();
    loop {
        let number = flows.len() as u32;
        flows.push(FlowStats {
            table_id: TableId(0),
            duration_sec: 100,
            duration_nsec: 5,
            priority: 100,
            idle_timeout: 0,
            hard_timeout: 0,
            flags: FlowModFlags::NONE,
            cookie: 0x5401_0000_0000_0001,
            packet_count: 1_000_000,
            byte_count: 64_000_000,
            match_: five_tuple(number),
            instructions: instructions(number),
        });
        let reply = MultipartReply { more: true, body: MultipartReplyBody::Flow(flows) };
        let message = Message::MultipartReply(reply);
        let mut out = BytesMut::new();
        message.encode(7, &mut out).expect("there was room for one more");
        if out.len() > FULL {
            return message;
        }
        let Message::MultipartReply(MultipartReply { body: MultipartReplyBody::Flow(back), .. }) = message else {
            unreachable!("it was made above")
        };
        flows = back;
    }
}
