//! The software switch, fed with messages, packets, port changes and time: no message and no frame makes it fail, and what it says is OpenFlow.
#![no_main]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use net::{DatapathId, MacAddr, PortNo, Time};
use openflow::switch::{Switch, SwitchConfig, SwitchTransmit};
use openflow::{Message, port::Port};
use trunkline_fuzz::steps;

/// More answers than this to one step is a loop.
const MAX_TRANSMITS: usize = 100_000;

fuzz_target!(|octets: &[u8]| {
    let mut now = Time::ZERO;
    let mut switch = Switch::new(SwitchConfig { n_tables: 4, max_flows: 64, ..SwitchConfig::new(DatapathId(1)) }, now);
    for number in 1..=4 {
        switch.add_port(Port::new(PortNo(number), MacAddr([2, 0, 0, 0, 0, number as u8]), "port"), now);
    }
    for step in steps(octets) {
        match step.kind % 4 {
            0 | 1 => {
                if let Ok((xid, message)) = Message::decode(&Bytes::copy_from_slice(step.octets)) {
                    switch.handle_message(xid, &message, now);
                }
            }
            2 => switch.handle_packet(PortNo(u32::from(step.kind >> 2) % 6), Bytes::copy_from_slice(step.octets), now),
            _ => {
                now = now + Duration::from_millis(u64::from(step.kind) * 50);
                switch.set_port_up(PortNo(u32::from(step.kind >> 2) % 6), step.kind & 0x80 != 0, now);
                switch.handle_timeout(now);
            }
        }
        let mut transmits = 0;
        while let Some(transmit) = switch.poll_transmit() {
            transmits += 1;
            assert!(transmits < MAX_TRANSMITS, "one step makes the switch send without end");
            if let SwitchTransmit::ToController { xid, message } = transmit {
                let mut encoded = BytesMut::new();
                if message.encode(xid, &mut encoded).is_ok() {
                    Message::decode(&encoded.freeze()).expect("what the switch says can be read");
                }
            }
        }
        switch.handle_timeout(now);
        assert!(switch.poll_timeout().is_none_or(|(deadline, _)| deadline > now), "a deadline stays due");
    }
});
