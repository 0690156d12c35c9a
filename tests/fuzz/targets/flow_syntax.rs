//! ovs-ofctl's syntax: no text makes the parser panic, what it reads prints as text that reads the same, and a message in octets that
//! prints as text does so within bounds.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use openflow::Message;
use openflow::display::MAX_LINE_LEN;
use openflow::syntax::{SyntaxError, parse_actions, parse_flow, parse_group, parse_match, parse_meter};

/// A value without what Open vSwitch does not print: that packets are Ethernet frames, and how much of a packet for a port goes to a controller
/// (`enqueue` says another number than the output that it is).
fn printable(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}").replace("packet_type=(0,0x0), ", "").replace(", packet_type=(0,0x0)", "");
    let text = text.replace("packet_type=(0,0x0)", "");
    let mut parts = text.split("max_len: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Reads, prints, reads and prints again.
fn stable<T: PartialEq + std::fmt::Debug + ToString>(
    text: &str,
    read: fn(&str) -> Result<T, SyntaxError>,
) -> Option<T> {
    match read(text) {
        Err(error) => {
            assert!(error.offset <= text.len(), "an error past the end");
            assert!(error.to_string().len() < 1024, "a long error");
            None
        }
        Ok(value) => {
            let printed = value.to_string();
            match read(&printed) {
                Ok(again) if again == value => {}
                Ok(again) => assert_eq!(printable(&again), printable(&value), "{printed}"),
                Err(error) => panic!("{printed}: {error}"),
            }
            Some(value)
        }
    }
}

fuzz_target!(|octets: &[u8]| {
    if let Ok((_, message)) = Message::decode(&Bytes::copy_from_slice(octets)) {
        let line = message.to_string();
        assert!(line.len() < MAX_LINE_LEN + 64 && !line.chars().any(char::is_control), "{line}");
        return;
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Some(flow_mod) = stable(text, parse_flow) {
        // What is too long for a message is an error of the encoder, not a panic.
        let mut out = BytesMut::new();
        if Message::FlowMod(flow_mod.clone()).encode(1, &mut out).is_ok() {
            let decoded = Message::decode(&out.freeze());
            assert_eq!(
                decoded,
                Ok((1, Message::FlowMod(flow_mod))),
                "a flow that was read is encoded as something else"
            );
        }
    }
    let _ = stable(text, parse_group);
    let _ = stable(text, parse_meter);
    let _ = stable(text, parse_match);
    let _ = parse_actions(text);
});
