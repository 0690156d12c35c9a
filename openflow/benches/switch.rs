//! Lookups in the software switch's tables against a floor in the same run: a plain hash map, looked up with the same fields of the same packets.
//!
//! Prints nanoseconds per lookup, millions of lookups per second, and the ratio to the floor. Three kinds of tables: every flow with one mask;
//! routes, whose prefixes are masks with a priority each, so that a search ends at the first hit; and access lists, whose priorities lie across
//! all masks, so that it seldom ends early.
#![allow(clippy::disallowed_methods)]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use net::{DatapathId, PortNo, Time};
use openflow::switch::{FlowKey, Switch, SwitchConfig, Tables, pipeline};
use openflow::{Action, FlowMod, Instruction, Match, Message, OxmFieldOwned, OxmKind, TableId};

const SIZES: [u32; 3] = [10, 1_000, 100_000];
/// Different packets, in turn.
const PACKETS: usize = 4_096;
const ROUNDS: usize = 201;

/// What identifies a packet's flow here: port, addresses, TCP ports.
type Tuple = (u32, u32, u32, u16, u16);

fn main() {
    println!(
        "{:<14} {:>8} {:>7} {:>9} {:>9} {:>9} {:>7}   (medians of {ROUNDS} rounds)",
        "", "flows", "masks", "ns", "M/s", "floor ns", "ratio"
    );
    for flows in SIZES {
        measure("exact", flows, 1, |number| (1, exact(tuple(number))));
    }
    for flows in SIZES {
        measure("routes", flows, ROUTE_MASKS, |number| {
            let bits = 32 - number % ROUTE_MASKS;
            (bits as u16, prefix(tuple(number).2, bits))
        });
    }
    for flows in SIZES {
        measure("access list", flows, LIST_MASKS, |number| {
            let priority = number.wrapping_mul(40_503) as u16;
            (priority.max(1), entry(tuple(number), number % LIST_MASKS))
        });
    }
}

/// Prefixes of 17 to 32 bits.
const ROUTE_MASKS: u32 = 16;
const LIST_MASKS: u32 = 32;

fn measure(name: &str, flows: u32, masks: u32, flow: impl Fn(u32) -> (u16, Match)) {
    let mut switch = Switch::new(SwitchConfig::new(DatapathId(1)), Time::ZERO);
    let mut floor: HashMap<Tuple, u32, rustc_hash::FxBuildHasher> = HashMap::default();
    for number in 0..flows {
        let (priority, match_) = flow(number);
        let instructions = vec![Instruction::ApplyActions(vec![Action::output(PortNo(2))])];
        let flow_mod = FlowMod { instructions, ..FlowMod::add(TableId(0), priority, match_) };
        switch.handle_message(1, &Message::FlowMod(flow_mod), Time::ZERO);
        floor.insert(tuple(number), number);
    }
    assert!(switch.poll_transmit().is_none(), "all flows are accepted");
    // Every flow is as likely as any other, and the order says nothing about where it is.
    let chosen: Vec<u32> = (0..PACKETS).map(|packet| (packet as u32).wrapping_mul(2_654_435_761) % flows).collect();
    let tuples: Vec<Tuple> = chosen.iter().map(|number| tuple(*number)).collect();
    let keys: Vec<FlowKey> = tuples.iter().map(|tuple| pipeline::fields(PortNo(tuple.0), &frame(*tuple))).collect();
    let tables: &Tables = switch.tables();
    assert!(keys.iter().all(|key| tables.lookup(TableId(0), key).is_some()), "every packet finds a flow");
    let floor_ns = median(&mut || {
        for tuple in &tuples {
            black_box(floor.get(black_box(tuple)));
        }
    });
    let ns = median(&mut || {
        for key in &keys {
            black_box(tables.lookup(TableId(0), black_box(key)));
        }
    });
    let masks = masks.min(flows);
    println!("{name:<14} {flows:>8} {masks:>7} {ns:>9.1} {:>9.2} {floor_ns:>9.1} {:>7.1}", 1000.0 / ns, ns / floor_ns);
}

/// Nanoseconds per packet, the median over the rounds.
fn median(round: &mut dyn FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_nanos() as f64 / PACKETS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// A flow of its own for each number; addresses are spread over all bits.
fn tuple(number: u32) -> Tuple {
    let spread = number.wrapping_mul(2_654_435_761);
    (1 + number % 48, 0x0a00_0000 | (spread >> 8), spread, 1024 + (number % 50_000) as u16, 443)
}

fn exact((in_port, source, target, tcp_src, tcp_dst): Tuple) -> Match {
    tcp(Match::new().with_in_port(PortNo(in_port)), source, target).with_tcp_src(tcp_src).with_tcp_dst(tcp_dst)
}

fn tcp(match_: Match, source: u32, target: u32) -> Match {
    let match_ = match_.with_eth_type(0x0800).with_ip_proto(6);
    match_.with_ipv4_src(source.into()).with_ipv4_dst(target.into())
}

fn prefix(target: u32, bits: u32) -> Match {
    masked(Match::new().with_eth_type(0x0800), OxmKind::IPV4_DST, target, u32::MAX << (32 - bits))
}

fn masked(match_: Match, kind: OxmKind, value: u32, mask: u32) -> Match {
    let field = OxmFieldOwned::new(kind, &(value & mask).to_be_bytes(), Some(&mask.to_be_bytes()));
    match_.with(&field.expect("an address has four octets"))
}

/// One of 32 combinations of what is looked at: two prefix lengths of the source, and with or without the port, the target's network and the TCP
/// ports.
fn entry((in_port, source, target, tcp_src, tcp_dst): Tuple, form: u32) -> Match {
    let mut match_ = Match::new();
    if form & 1 != 0 {
        match_ = match_.with_in_port(PortNo(in_port));
    }
    match_ = match_.with_eth_type(0x0800).with_ip_proto(6);
    match_ = masked(match_, OxmKind::IPV4_SRC, source, if form & 2 != 0 { u32::MAX } else { 0xffff_ff00 });
    if form & 4 != 0 {
        match_ = masked(match_, OxmKind::IPV4_DST, target, 0xffff_0000);
    }
    if form & 8 != 0 {
        match_ = match_.with_tcp_src(tcp_src);
    }
    if form & 16 != 0 {
        match_ = match_.with_tcp_dst(tcp_dst);
    }
    match_
}

fn frame((_, source, target, tcp_src, tcp_dst): Tuple) -> Bytes {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
    frame.extend(source.to_be_bytes());
    frame.extend(target.to_be_bytes());
    frame.extend(tcp_src.to_be_bytes());
    frame.extend(tcp_dst.to_be_bytes());
    frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0]);
    Bytes::from(frame)
}
