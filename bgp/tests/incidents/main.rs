//! Input that broke real BGP daemons, and what has to come of it: octets in, outcome out, the session's state, and a second
//! neighbour that notices nothing. By incident:
//!
//! | incident | tests |
//! |---|---|
//! | 2009 SuproNet, OpenBGPD 999438e95: AS_PATH over 128 and over 255 numbers | `rows`: 2009 SuproNet…; `forward`: `an_as_in_front_of_a_full_segment…`; `speakers`: `a_policy_that_prepends…` |
//! | 2009: AS4_PATH with confederation segments | `rows`: 2009: AS4_PATH… |
//! | 2010 RIPE/Duke: unknown transitive attribute of 3 KB | `rows`: 2010…; `forward`: `an_unknown_transitive_attribute…` |
//! | 2012, 2016, 2018: empty segment, AS 0 | `rows`: 2012…, 2016… |
//! | CVE-2016-4049: MRT entries over 64 KB | `files`: `a_table_leaves_out…`, `records_that_say_more…` |
//! | CVE-2022-40302, -40318, -43681: OPENs that end too early | `opens`: `opens_that_end_too_early…`, `whoever_sends_such_an_open…` |
//! | 2023 grave flaws, CVE-2023-40457, -38802, -4481, -38283: attributes 21, 23, 25, 28 and unknown ones | `rows`: 2023 grave flaws…, CVE-2023-38802, -38283; `speakers`: `attributes_of_every_length…` |
//! | CVE-2023-46752: MP_REACH_NLRI past its end; a policy that prepends to no AS_PATH | `rows`: CVE-2023-46752…; `speakers`: `a_policy_that_prepends…` |
//! | CVE-2023-46753: only an unknown attribute, with graceful restart | `rows`: CVE-2023-46753…; `speakers`: `with_graceful_restart…` |
//! | CVE-2023-47235, -47234: like End-of-RIB; MP_UNREACH_NLRI and routes | `rows`: CVE-2023-47235…, CVE-2023-47234… |
//! | CVE-2023-38406, BIRD 3d96db91a, CVE-2026-37457: FlowSpec of length 0, chains of operators | `rows`: CVE-2023-38406…, FlowSpec… |
//! | CVE-2024-27913, -31950, -44070, FRR 44f3385741: tunnel encapsulation | `rows`: CVE-2024-44070…, tunnel encapsulation… |
//! | CVE-2024-31948, 2025-05 Junos and Arista: Prefix-SID | `rows`: 2025-05…, CVE-2024-31948…, Prefix-SID… |
//! | 2025-10 IXPs: ONLY_TO_CUSTOMER mangled | `rows`: 2025-10…; `forward`: `an_unknown_transitive_attribute…` |
//! | FRR e7bc47b501, f96201e104, 7a110595c5: short communities and AIGP, filters of a refresh | `rows`: FRR…, AIGP… |
//! | FRR b685ab5e1b, b5280177cb, 02a5da440b: capabilities | `opens`: `malformed_capabilities…`, `a_malformed_capability_is_one_that_was_not_said` |
//! | CVE-2026-41643, FRR 4446353561: order and duplicates | `rows`: CVE-2026-41643, …twice; `forward`: `attributes_may_stand_in_any_order…` |
//! | CVE-2026-30405, -37462, -37461, GoBGP 7b3e5553, ca7383f4: lengths below an element's | `rows`: CVE-2026-30405…, CVE-2026-37462…, CVE-2026-37461…, GoBGP… |
//! | CVE-2026-49943, OpenBGPD d76d10659: AS_PATH of thousands of numbers | `rows`: CVE-2026-49943… |
//! | Junos CVE-2023-44186: a long path toward a two-octet neighbour | `forward`: `a_path_that_does_not_fit…`; `speakers`: `a_path_that_grows_too_long…` |
//! | OpenBGPD 1b9fbc9d8: withdrawals at the limit of a message | `forward`: `withdrawals_of_every_number…` |
//! | GoBGP b015c355, a550fe7b, bc77597d, OpenBGPD 4d3f2ec28, 0378ad62: lengths in MRT. RTR and BMP are not spoken here | `files`: `records_that_say_more…` |
//!
//! Where the outcome differs from what the reports ask for, the row says why.

mod files;
mod forward;
mod opens;
mod rows;
mod speakers;

use bgp::session::SessionConfig;
use bgp::wire::{
    Asn, AttributeType, DecodeContext, EncodeContext, Fault, Message, MessageError, Outcome, PeerKind, RouterId, Update,
};
use bytes::BytesMut;

/// ORIGIN IGP, AS_PATH 65002, NEXT_HOP 192.0.2.2.
const MANDATORY: &str = "40010100 400206 0201 0000fdea 400304 c0000202";
/// 203.0.113.0/24.
const ROUTE: &str = "18 cb0071";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0xff; 16];
    octets.extend_from_slice(&u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    octets.push(kind);
    octets.extend_from_slice(body);
    octets
}

fn update(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend_from_slice(&u16::try_from(attributes.len()).unwrap().to_be_bytes());
    body.extend_from_slice(attributes);
    body.extend_from_slice(nlri);
    message(2, &body)
}

/// `extra` behind the mandatory attributes, announcing one route.
fn with(extra: &str) -> Vec<u8> {
    update(&hex(&format!("{MANDATORY} {extra}")), &hex(ROUTE))
}

fn external() -> DecodeContext {
    DecodeContext {
        peer_kind: PeerKind::External,
        discard: [AttributeType::PREFIX_SID].into(),
        ..DecodeContext::default()
    }
}

fn two_octet() -> DecodeContext {
    DecodeContext { four_octet_as: false, ..external() }
}

/// The outcome, or the fault that resets the session.
type Expected = Result<Option<Outcome>, Fault>;

fn outcome(octets: &[u8], context: &DecodeContext) -> Expected {
    match Message::decode(octets, context) {
        Ok(decoded) => Ok(decoded.outcome()),
        Err(MessageError { fault, .. }) => Err(fault),
    }
}

const WITHDRAW: Expected = Ok(Some(Outcome::TreatAsWithdraw));
const DISCARD: Expected = Ok(Some(Outcome::AttributeDiscard));
const FINE: Expected = Ok(None);

fn decoded_update(octets: &[u8], context: &DecodeContext) -> Update {
    match Message::decode(octets, context).unwrap().message {
        Message::Update(update) => update,
        other => panic!("{other:?}"),
    }
}

/// The OPEN and KEEPALIVE of a neighbour in AS `asn`.
fn greeting(asn: u32) -> BytesMut {
    let config = SessionConfig::new(Asn(asn), RouterId::from_u32(asn), Asn(65001));
    let mut octets = BytesMut::new();
    for message in [Message::Open(config.open()), Message::Keepalive] {
        message.encode(&EncodeContext::default(), &mut octets).unwrap();
    }
    octets
}
