//! The BGP decoder under any negotiated context: it never panics, and what it takes without complaint it can write and read again.
#![no_main]

use std::collections::BTreeSet;

use bgp::wire::{DecodeContext, EXTENDED_MESSAGE_LIMIT, EncodeContext, Family, MESSAGE_LIMIT, Message, PeerKind};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    // The last octet chooses the context, so that whole messages are good seeds.
    let Some((&choice, frame)) = octets.split_last() else { return };
    let four_octet_as = choice & 1 != 0;
    let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    let add_path: BTreeSet<Family> = if choice & 2 != 0 { families.into() } else { BTreeSet::new() };
    let message_limit = if choice & 4 != 0 { EXTENDED_MESSAGE_LIMIT } else { MESSAGE_LIMIT };
    let peer_kind = [PeerKind::Unknown, PeerKind::External, PeerKind::Internal][usize::from(choice >> 3) % 3];
    let decode = DecodeContext {
        four_octet_as,
        add_path: add_path.clone(),
        message_limit,
        peer_kind,
        ..DecodeContext::default()
    };
    let encode = EncodeContext { four_octet_as, add_path, message_limit };
    match Message::decode(frame, &decode) {
        Ok(decoded) if decoded.errors.is_empty() => {
            let mut encoded = BytesMut::new();
            if decoded.message.encode(&encode, &mut encoded).is_ok() {
                let again = Message::decode(&encoded, &decode).expect("what was written can be read");
                assert_eq!(again.message, decoded.message, "what was written reads differently");
                assert!(again.errors.is_empty(), "what was written has errors: {:?}", again.errors);
            }
        }
        Ok(decoded) => assert!(decoded.outcome().is_some(), "errors without an outcome"),
        Err(error) => drop(error.notification()),
    }
});
