//! LLDP frames: what is read is written as the same octets, up to what the Ethernet header makes canonical.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use topology::lldp::LldpFrame;

fuzz_target!(|octets: &[u8]| {
    let Ok(frame) = LldpFrame::parse(octets) else { return };
    for meaning in frame.lldpdu.organizational() {
        match meaning {
            Ok(meaning) => assert!(meaning.to_tlv().is_ok(), "{meaning} cannot be written"),
            Err(error) => assert!(error.offset <= octets.len(), "{error} lies outside"),
        }
    }
    let mut encoded = BytesMut::new();
    if frame.encode(&mut encoded).is_ok() {
        assert_eq!(LldpFrame::parse(&encoded), Ok(frame), "what was written reads differently");
    }
});
