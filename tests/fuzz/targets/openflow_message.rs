//! The OpenFlow decoder: it never panics, and what it has read it can write and read again.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use net::DecodeError;
use openflow::{
    FlowStats, FlowStatsEntries, Message, MultipartReply, MultipartReplyBody, PacketInRef, decode_for_display,
};

fuzz_target!(|octets: &[u8]| {
    let frame = Bytes::copy_from_slice(octets);
    let decoded = Message::decode(&frame);
    let packet_in = match &decoded {
        Ok((_, Message::PacketIn(packet_in))) => Some(PacketInRef::from(packet_in)),
        _ => None,
    };
    assert_eq!(PacketInRef::read(&frame), packet_in, "in place it reads differently");
    one_flow_at_a_time(&frame, &decoded);
    let _ = decode_for_display(octets);
    let Ok((xid, message)) = decoded else { return };
    let mut encoded = BytesMut::new();
    // What came in one message may not fit into one when it is written in full; that is an error, not a panic.
    if message.encode(xid, &mut encoded).is_ok() {
        let again = Message::decode(&encoded.freeze());
        assert_eq!(again.as_ref(), Ok(&(xid, message)), "what was written reads differently");
    }
});

/// Flows read where they stand are those of the whole message, up to the same error.
fn one_flow_at_a_time(frame: &Bytes, decoded: &Result<(u32, Message), DecodeError>) {
    let Ok(Some(entries)) = FlowStatsEntries::of(frame) else { return };
    let (xid, more) = (entries.xid(), entries.more());
    let alone: Result<Vec<FlowStats>, _> = entries.map(|entry| entry?.to_stats()).collect();
    let message =
        alone.map(|flows| Message::MultipartReply(MultipartReply { more, body: MultipartReplyBody::Flow(flows) }));
    assert_eq!(&message.map(|message| (xid, message)), decoded, "one at a time it reads differently");
}
