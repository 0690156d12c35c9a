//! Decoding a packet-in allocates nothing: its match is inline and its data is a slice of the frame.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::{Bytes, BytesMut};
use net::PortNo;
use openflow::{
    Action, BufferId, FlowModFlags, FlowStats, FlowStatsEntries, Instruction, Match, Message, MultipartReply,
    MultipartReplyBody, OxmFieldOwned, OxmKind, PacketIn, PacketInReason, TableId,
};

/// Counts the allocations of this thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
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

fn allocations<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.with(Cell::get);
    let value = work();
    (ALLOCATIONS.with(Cell::get) - before, value)
}

/// The frame as a codec cuts it out of a read buffer, with another message behind it.
fn frame(match_: Match) -> Bytes {
    let packet_in = PacketIn {
        buffer_id: BufferId::NO_BUFFER,
        total_len: 1500,
        reason: PacketInReason::ACTION,
        table_id: TableId(0),
        cookie: 7,
        match_,
        data: Bytes::from(vec![0xab; 1500]),
    };
    let mut stream = BytesMut::new();
    Message::PacketIn(packet_in).encode(1, &mut stream).unwrap();
    let length = stream.len();
    Message::BarrierReply.encode(2, &mut stream).unwrap();
    stream.split_to(length).freeze()
}

#[test]
fn decoding_a_packet_in_allocates_nothing() {
    let every_pipeline_field = Match::new()
        .with_in_port(PortNo(1))
        .with(&OxmFieldOwned::number(OxmKind::IN_PHY_PORT, 1).unwrap())
        .with_metadata(2)
        .with_tunnel_id(3);
    for match_ in [Match::new().with_in_port(PortNo(1)), every_pipeline_field] {
        let frame = frame(match_.clone());
        let (count, decoded) = allocations(|| Message::decode(&frame));
        let Ok((1, Message::PacketIn(packet_in))) = &decoded else { panic!("{decoded:?}") };
        assert_eq!((packet_in.data.len(), &packet_in.match_), (1500, &match_));
        assert_eq!(packet_in.match_.in_port(), Some(PortNo(1)));
        assert_eq!(count, 0);
        let (count, ()) = allocations(|| drop(decoded));
        assert_eq!(count, 0);
    }
}

#[test]
fn a_look_at_matches_and_counters_of_many_flows_allocates_nothing() {
    let flow = |number: u16| FlowStats {
        table_id: TableId(1),
        duration_sec: 100,
        duration_nsec: 5,
        priority: number,
        idle_timeout: 0,
        hard_timeout: 0,
        flags: FlowModFlags::NONE,
        cookie: 7,
        packet_count: u64::from(number),
        byte_count: 64,
        match_: Match::new().with_in_port(PortNo(number.into())).with_eth_type(0x0800),
        instructions: vec![Instruction::ApplyActions(vec![Action::output(PortNo(1))])],
    };
    let flows: Vec<FlowStats> = (0..100).map(flow).collect();
    let reply = MultipartReply { more: true, body: MultipartReplyBody::Flow(flows.clone()) };
    let mut out = BytesMut::new();
    Message::MultipartReply(reply).encode(9, &mut out).unwrap();
    let frame = out.freeze();
    let (count, sum) = allocations(|| {
        let entries = FlowStatsEntries::of(&frame).unwrap().unwrap();
        assert_eq!((entries.xid(), entries.more()), (9, true));
        entries.map(|entry| entry.unwrap()).fold((0, 0), |(packets, ports), entry| {
            (packets + entry.packet_count, ports + entry.match_().unwrap().in_port().unwrap().0)
        })
    });
    assert_eq!((count, sum), (0, (4950, 4950)));
    let owned: Vec<FlowStats> =
        FlowStatsEntries::of(&frame).unwrap().unwrap().map(|entry| entry.unwrap().to_stats().unwrap()).collect();
    assert_eq!(owned, flows);
    let mut stream = BytesMut::new();
    Message::BarrierReply.encode(2, &mut stream).unwrap();
    assert!(FlowStatsEntries::of(&stream.freeze()).unwrap().is_none(), "no flows are in another message");
}

#[test]
fn the_counter_counts() {
    let (count, _) = allocations(|| Box::new(1));
    assert_eq!(count, 1);
}
