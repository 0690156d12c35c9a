//! MRT files: no octets make the reader fail otherwise than by an error, and what it takes it can write and read again.
#![no_main]

use bgp::mrt::{Body, Record, Records, attributes};
use bgp::wire::Message;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let mut records = Records::default();
    // In two pieces: a record's beginning has to wait for its end.
    let (first, second) = octets.split_at(octets.len() / 2);
    for piece in [first, second] {
        records.push(piece);
        for record in records.by_ref().flatten() {
            let mut encoded = BytesMut::new();
            record.encode(&mut encoded).expect("what was read can be written");
            assert_eq!(Record::decode(&encoded).as_ref(), Ok(&record), "what was written reads differently");
            match &record.body {
                Body::Rib(rib) => rib.entries.iter().for_each(|entry| drop(attributes(&entry.attributes, true))),
                Body::TableDump(dump) => drop(attributes(&dump.attributes, false)),
                Body::Message(message) => drop(Message::decode(&message.octets, &message.context())),
                _ => {}
            }
        }
    }
    let _ = records.finish();
});
