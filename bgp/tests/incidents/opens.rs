//! OPENs that end too early, and capabilities that are none.

use super::speakers::Pair;
use super::{ROUTE, hex, message, outcome, update};
use bgp::session::SessionState;
use bgp::speaker::RestartHelp;
use bgp::wire::{DecodeContext, EncodeContext, Fault, Message};
use bytes::BytesMut;

/// Version, AS 65002, hold time and identifier of an OPEN.
const HEAD: &str = "04 fdea 005a 0a000002";

/// What comes after, and ends too early.
const ENDS: [&str; 10] = [
    "01",               // CVE-2022-43681: ends right after the parameters' length
    "02 ff",            // CVE-2022-40302: type 255 and nothing else
    "02 ffff",          // CVE-2022-40318: ends before the extended length
    "ff ff 00",         // half of it
    "ff ff 0004 02",    // parameters past the end
    "ff ff 0003 02 00", // a parameter's header past the end
    "02 02 06",         // a parameter past the end
    "04 02 02 41 04",   // a capability past its parameter
    "03 02 01 41",      // a capability without a length
    "00 00",            // octets after the parameters
];

#[test]
fn opens_that_end_too_early_are_malformed_and_nothing_is_read_past_the_end() {
    for tail in ENDS {
        let octets = message(1, &hex(&format!("{HEAD} {tail}")));
        let error = Message::decode(&octets, &DecodeContext::default()).unwrap_err();
        let notification = error.notification();
        assert_eq!(
            (error.fault, notification.error_code.0, notification.error_subcode),
            (Fault::MalformedOpen, 2, 0),
            "{tail}"
        );
        assert!(error.at.offset <= octets.len(), "{tail}: {error}");
    }
    let short = message(1, &hex("04 fdea 005a 0a0000"));
    assert_eq!(outcome(&short, &DecodeContext::default()), Err(Fault::BadMessageLength));
}

#[test]
fn malformed_capabilities_are_ignored_and_kept() {
    // FQDN whose domain is cut off, role of two octets, ADD-PATH of three, four-octet AS of two, graceful restart of
    // one.
    for capability in ["49 02 0161", "09 02 0000", "45 03 000101", "41 02 0001", "40 01 00", "01 03 000100"] {
        let value = hex(capability);
        let mut body = hex("04 fdea 005a 0a000002");
        body.extend_from_slice(&[2 + u8::try_from(value.len()).unwrap(), 2, u8::try_from(value.len()).unwrap()]);
        body.extend_from_slice(&value);
        let octets = message(1, &body);
        let decoded = Message::decode(&octets, &DecodeContext::default()).unwrap();
        let mut again = BytesMut::new();
        decoded.message.encode(&EncodeContext::default(), &mut again).unwrap();
        assert_eq!(again, octets, "{capability}");
    }
}

#[test]
fn whoever_sends_such_an_open_is_told_so_and_nobody_else_notices() {
    for tail in ENDS {
        let mut pair = Pair::new(|_| ());
        pair.say(&message(1, &hex(&format!("{HEAD} {tail}"))));
        assert_eq!(pair.notifications(), [[2, 0]], "{tail}");
        let hostile = pair.others_are_well(tail);
        assert_eq!(hostile.established_count, 0, "{tail}");
    }
}

/// FRR 02a5da440b, b685ab5e1b, b5280177cb: each of them malformed, on a session that then goes without.
#[test]
fn a_malformed_capability_is_one_that_was_not_said() {
    for capability in [
        "41 02 0001",         // four-octet AS of two octets
        "45 03 000101",       // ADD-PATH of three
        "09 02 0000",         // a role of two
        "40 01 00",           // graceful restart of one
        "46 01 00",           // enhanced refresh with a value
        "06 01 00",           // extended messages with a value
        "49 02 0161",         // a host name without a domain
        "49 04 05616200",     // a host name longer than its capability
        "4b 02 0a61",         // a software version longer than its capability
        "05 05 0001000100",   // an extended next hop of five octets
        "47 06 000101800000", // long-lived graceful restart of six
        "01 03 000100",       // multiprotocol of three
    ] {
        let value = hex(capability);
        let length = u8::try_from(value.len()).unwrap();
        let mut body = hex(HEAD);
        body.extend_from_slice(&[2 + length, 2, length]);
        body.extend_from_slice(&value);
        let mut pair = Pair::new(|neighbor| {
            neighbor.add_path_receive = true;
            neighbor.extended_next_hop = true;
            neighbor.graceful_restart = Some(RestartHelp::default());
        });
        pair.say(&message(1, &body));
        pair.say(&message(4, &[]));
        // AS numbers of two octets, routes without path identifiers.
        pair.say(&update(&hex("40010100 400204 0201 fdea 400304 c0000202"), &hex(ROUTE)));
        let hostile = pair.others_are_well(capability);
        assert_eq!((hostile.state, pair.route_is_taken()), (SessionState::Established, true), "{capability}");
        pair.hang_up();
        assert!(!pair.route_is_taken(), "{capability}: nobody has asked for the routes to be kept");
    }
}
