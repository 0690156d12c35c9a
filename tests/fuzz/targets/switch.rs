//! The software switch, fed with messages, packets, port changes and time: no message and no frame makes it fail, and what it says is OpenFlow.
#![no_main]

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use net::{DatapathId, MacAddr, PortNo, Time};
use openflow::switch::pipeline::MAX_ACTIONS;
use openflow::switch::{MAX_BUNDLE_MESSAGES, MAX_BUNDLE_OCTETS, Switch, SwitchConfig, SwitchTransmit};
use openflow::{Message, port::Port};
use trunkline_fuzz::steps;

/// Flows in all tables of the switch.
const FLOWS: usize = 4 * 64;

/// More answers than this to one step is a loop: each frame and each packet-in is an action of the one packet, and besides them there is what is
/// said of flows that go, and an answer.
const MAX_TRANSMITS: usize = MAX_ACTIONS as usize + FLOWS + 64;

/// The same of a bundle, whose packets come to so many octets with at least a header each.
const MAX_BUNDLE_TRANSMITS: usize = MAX_BUNDLE_OCTETS / 14 + FLOWS + MAX_BUNDLE_MESSAGES;

fuzz_target!(|octets: &[u8]| {
    let mut now = Time::ZERO;
    let mut switch = Switch::new(SwitchConfig { n_tables: 4, max_flows: 64, ..SwitchConfig::new(DatapathId(1)) }, now);
    for number in 1..=4 {
        switch.add_port(Port::new(PortNo(number), MacAddr([2, 0, 0, 0, 0, number as u8]), "port"), now);
    }
    for step in steps(octets) {
        let mut most = MAX_TRANSMITS;
        match step.kind % 4 {
            0 | 1 => {
                if let Ok((xid, message)) = Message::decode(&Bytes::copy_from_slice(step.octets)) {
                    if let Message::BundleControl(_) = message {
                        most = MAX_BUNDLE_TRANSMITS;
                    }
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
            assert!(transmits < most, "one step makes the switch send without end");
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
