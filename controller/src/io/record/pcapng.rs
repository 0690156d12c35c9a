//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng) and the TCP packets inside them, as far as a recording needs them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use net::packet::{IpProtocol, Ipv4Header, Ipv6Header, TcpFlags, TcpHeader};
use serde_json::json;

use crate::flow::BundleUse;

/// `LINKTYPE_RAW`: the packet begins with its IPv4 or IPv6 header.
const LINK_RAW: u16 = 101;
/// Payload of one packet at most: an IPv4 packet's length has 16 bits.
pub(crate) const SEGMENT_OCTETS: usize = 32 * 1024;
/// Blocks from 0x80000000 on are for local use (§11.1): tools that don't know ours pass over it. It holds a time: the core's timer turn.
pub(crate) const TIMER_BLOCK: u32 = 0x8054_4c01;
/// The same for the controller's own end: the core was told to finish.
pub(crate) const FINISH_BLOCK: u32 = 0x8054_4c02;
/// What our comment in the section header begins with.
const COMMENT: &str = "trunkline ";

/// By the numbers that stand in a recording; one without was made without bundles.
const BUNDLES: [BundleUse; 3] = [BundleUse::Never, BundleUse::Auto, BundleUse::Atomic];

/// What a replay has to know of the run that was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RunFacts {
    pub(crate) seed: u64,
    pub(crate) probe_key: [u8; 32],
    /// The wall clock at the core's time zero, since 1970.
    pub(crate) began: Duration,
    pub(crate) probe_interval: Duration,
    pub(crate) host_timeout: Duration,
    /// None in recordings of programs that had no audits.
    pub(crate) audit_interval: Duration,
    pub(crate) bundles: BundleUse,
    pub(crate) role: u32,
    pub(crate) generation_id: u64,
}

impl RunFacts {
    pub(crate) fn to_comment(self) -> String {
        let key: String = self.probe_key.iter().map(|octet| format!("{octet:02x}")).collect();
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let facts = json!({
            "seed": self.seed,
            "probe_key": key,
            "began_ns": nanos(self.began),
            "probe_interval_ns": nanos(self.probe_interval),
            "host_timeout_ns": nanos(self.host_timeout),
            "audit_interval_ns": nanos(self.audit_interval),
            "bundles": BUNDLES.iter().position(|bundles| *bundles == self.bundles),
            "role": self.role,
            "generation_id": self.generation_id,
        });
        format!("{COMMENT}{facts}")
    }

    /// The other way; `None` if it is not ours.
    pub(crate) fn from_comment(comment: &str) -> Option<RunFacts> {
        let value: serde_json::Value = serde_json::from_str(comment.strip_prefix(COMMENT)?).ok()?;
        let hex = value.get("probe_key")?.as_str()?;
        let mut probe_key = [0; 32];
        if hex.len() != probe_key.len() * 2 || !hex.is_ascii() {
            return None;
        }
        for (octet, at) in probe_key.iter_mut().zip((0..).step_by(2)) {
            *octet = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
        }
        let bundles = value.get("bundles").and_then(serde_json::Value::as_u64);
        let bundles = bundles.and_then(|at| BUNDLES.get(usize::try_from(at).ok()?)).copied();
        let duration = |name: &str| value.get(name)?.as_u64().map(Duration::from_nanos);
        Some(RunFacts {
            seed: value.get("seed")?.as_u64()?,
            probe_key,
            began: duration("began_ns")?,
            probe_interval: duration("probe_interval_ns")?,
            host_timeout: duration("host_timeout_ns")?,
            audit_interval: duration("audit_interval_ns").unwrap_or_default(),
            bundles: bundles.unwrap_or(BundleUse::Never),
            role: u32::try_from(value.get("role")?.as_u64()?).ok()?,
            generation_id: value.get("generation_id")?.as_u64()?,
        })
    }
}

/// The two ends of a recorded connection, of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Endpoints {
    pub(crate) controller: SocketAddr,
    pub(crate) switch: SocketAddr,
}

/// The messages of a run of whole messages; what cannot be cut is the last piece.
pub(crate) fn messages(mut octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if octets.is_empty() {
            return None;
        }
        let length = openflow::frame_length(octets).ok().flatten().unwrap_or(octets.len()).min(octets.len());
        let (message, rest) = octets.split_at(length);
        octets = rest;
        Some(message)
    })
}

/// A block: type, length, body, length again.
fn block(block_type: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&block_type.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    pad(out, start);
    let length = (out.len() - start + 4) as u32;
    out.extend_from_slice(&length.to_le_bytes());
    if let Some(field) = out.get_mut(start + 4..start + 8) {
        field.copy_from_slice(&length.to_le_bytes());
    }
}

fn pad(out: &mut Vec<u8>, start: usize) {
    let padded = start + (out.len() - start).next_multiple_of(4);
    out.resize(padded, 0);
}

fn option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&(value.len() as u16).to_le_bytes());
    let start = out.len();
    out.extend_from_slice(value);
    pad(out, start);
}

/// The first block of a file (§4.1), with a comment.
pub(super) fn section_header(comment: &str, out: &mut Vec<u8>) {
    block(0x0a0d_0d0a, out, |out| {
        out.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(&(-1_i64).to_le_bytes());
        option(1, comment.as_bytes(), out);
        option(4, concat!("trunkline ", env!("CARGO_PKG_VERSION")).as_bytes(), out);
        option(0, &[], out);
    });
}

/// The interface of all packets (§4.2): raw IP, times in nanoseconds.
pub(super) fn interface(out: &mut Vec<u8>) {
    block(1, out, |out| {
        out.extend_from_slice(&LINK_RAW.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&0_u32.to_le_bytes());
        option(2, b"openflow", out);
        option(9, &[9], out);
        option(0, &[], out);
    });
}

/// How many records are missing from the file (§4.6, `isb_ifdrop`).
pub(super) fn statistics(at: Duration, dropped: u64, out: &mut Vec<u8>) {
    block(5, out, |out| {
        out.extend_from_slice(&0_u32.to_le_bytes());
        time(at, out);
        option(5, &dropped.to_le_bytes(), out);
        option(0, &[], out);
    });
}

/// A turn of the core that a timer caused.
pub(super) fn timer(at: Duration, out: &mut Vec<u8>) {
    block(TIMER_BLOCK, out, |out| time(at, out));
}

/// The core is told that the controller ends.
pub(super) fn finish(at: Duration, out: &mut Vec<u8>) {
    block(FINISH_BLOCK, out, |out| time(at, out));
}

/// Nanoseconds since 1970, the high half first.
fn time(at: Duration, out: &mut Vec<u8>) {
    let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    out.extend_from_slice(&((nanos >> 32) as u32).to_le_bytes());
    out.extend_from_slice(&(nanos as u32).to_le_bytes());
}

/// What a packet of a recording carries besides its addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) to_switch: bool,
    pub(super) sequence: u32,
    pub(super) acknowledged: u32,
    pub(super) flags: TcpFlags,
    /// At most [`SEGMENT_OCTETS`].
    pub(super) payload: &'a [u8],
}

/// One packet (§4.3): an IP header and a TCP header with their checksums.
pub(super) fn packet(at: Duration, endpoints: &Endpoints, segment: &Segment<'_>, out: &mut Vec<u8>) {
    let (source, target) = match segment.to_switch {
        true => (endpoints.controller, endpoints.switch),
        false => (endpoints.switch, endpoints.controller),
    };
    let tcp = TcpHeader {
        source_port: source.port(),
        destination_port: target.port(),
        sequence_number: segment.sequence,
        acknowledgment_number: segment.acknowledged,
        flags: segment.flags,
        window: u16::MAX,
        urgent_pointer: 0,
        options: &[],
    };
    let length = (TCP_HEADER + segment.payload.len()) as u16;
    let mut octets = BytesMut::with_capacity(IPV6_HEADER + TCP_HEADER + segment.payload.len());
    let built = match (source.ip(), target.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => Ipv4Header::new(source, target, IpProtocol::TCP, length)
            .encode(&mut octets)
            .and_then(|()| tcp.encode_ipv4(source, target, segment.payload, &mut octets)),
        (source, target) => {
            let [source, target] = [source, target].map(|ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            });
            Ipv6Header::new(source, target, IpProtocol::TCP, length)
                .encode(&mut octets)
                .and_then(|()| tcp.encode_ipv6(source, target, segment.payload, &mut octets))
        }
    };
    debug_assert!(built.is_ok(), "a segment fits in a packet");
    block(6, out, |out| {
        out.extend_from_slice(&0_u32.to_le_bytes());
        time(at, out);
        let length = (octets.len() as u32).to_le_bytes();
        out.extend_from_slice(&length);
        out.extend_from_slice(&length);
        out.extend_from_slice(&octets);
    });
}

const TCP_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replay_has_to_know_is_read_as_it_was_written() {
        let facts = RunFacts {
            seed: u64::MAX,
            probe_key: [0xa5; 32],
            began: Duration::from_nanos(1_700_000_000_123_456_789),
            probe_interval: Duration::from_millis(300),
            host_timeout: Duration::from_secs(300),
            audit_interval: Duration::from_secs(60),
            bundles: BundleUse::Atomic,
            role: 2,
            generation_id: u64::MAX,
        };
        assert_eq!(RunFacts::from_comment(&facts.to_comment()), Some(facts));
        for other in ["", "trunkline", "trunkline {}", "trunkline {\"seed\":1,\"probe_key\":\"é\",\"began_ns\":1}"] {
            assert_eq!(RunFacts::from_comment(other), None, "{other}");
        }
    }

    #[test]
    fn blocks_are_whole_words_with_their_length_at_both_ends() {
        let mut out = Vec::new();
        section_header("odd", &mut out);
        interface(&mut out);
        let endpoints =
            Endpoints { controller: "[::1]:6653".parse().unwrap(), switch: "[2001:db8::1]:4000".parse().unwrap() };
        let segment =
            Segment { to_switch: false, sequence: 1, acknowledged: 1, flags: TcpFlags::ACK, payload: &[1, 2, 3] };
        packet(Duration::from_nanos(7), &endpoints, &segment, &mut out);
        timer(Duration::from_secs(1), &mut out);
        finish(Duration::from_secs(1), &mut out);
        statistics(Duration::ZERO, 3, &mut out);
        let mut types = Vec::new();
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let length = number(4) as usize;
            assert_eq!((length % 4, number(length - 4) as usize), (0, length));
            types.push(number(0));
            rest = &rest[length..];
        }
        assert_eq!(types, [0x0a0d_0d0a, 1, 6, TIMER_BLOCK, FINISH_BLOCK, 5]);
    }
}
