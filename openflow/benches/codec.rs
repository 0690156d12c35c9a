//! Decode and encode against a floor in the same run: the same octets read (header, length check) and copied once.
//!
//! Prints nanoseconds per message and the ratio to the floor. The ratio is what can be compared between machines.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use net::{MacAddr, PortNo};
use openflow::{
    Action, BufferId, FlowMod, Instruction, Match, Message, PacketIn, PacketInReason, TableId, frame_length,
};

const MESSAGES: u32 = 200_000;
const ROUNDS: u32 = 9;

fn main() {
    let packet_in = Message::PacketIn(PacketIn {
        buffer_id: BufferId::NO_BUFFER,
        total_len: 98,
        reason: PacketInReason::ACTION,
        table_id: TableId(0),
        cookie: 0x5401_0000_0000_0001,
        match_: Match::new().with_in_port(PortNo(3)),
        data: Bytes::from(vec![0x5a; 98]),
    });
    let match_ = Match::new().with_in_port(PortNo(3)).with_eth_src(MacAddr([2, 0, 0, 0, 0, 1]));
    let flow_mod = Message::FlowMod(FlowMod {
        instructions: vec![Instruction::ApplyActions(vec![Action::output(PortNo(7))])],
        ..FlowMod::add(TableId(0), 100, match_)
    });
    println!("{:<22} {:>9} {:>9} {:>7}   (medians of {ROUNDS} rounds of {MESSAGES})", "", "ns", "floor ns", "ratio");
    for (name, message) in [("packet_in, 98 octets", &packet_in), ("flow_mod, L2", &flow_mod)] {
        let mut frame = BytesMut::new();
        message.encode(7, &mut frame).expect("a short message");
        let frame = frame.freeze();
        let mut out = BytesMut::with_capacity(1 << 16);
        let mut copy = || {
            let length = frame_length(black_box(&frame)).ok().flatten().unwrap_or_default();
            out.clear();
            out.put_slice(&frame[..length]);
            black_box(&out);
        };
        let floor = median(&mut copy);
        let decode = median(&mut || {
            black_box(Message::decode(black_box(&frame)).ok());
        });
        let mut out = BytesMut::with_capacity(1 << 16);
        let encode = median(&mut || {
            out.clear();
            black_box(message.encode(7, &mut out).ok());
        });
        for (what, time) in [("decode", decode), ("encode", encode)] {
            println!("{:<22} {time:>9.1} {floor:>9.1} {:>7.1}   {what}", name, time / floor);
        }
    }
}

/// Nanoseconds per call, the median over the rounds.
fn median(call: &mut dyn FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..MESSAGES {
                call();
            }
            start.elapsed().as_nanos() as f64 / f64::from(MESSAGES)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
