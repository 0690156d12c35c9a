//! The blocks of a pcapng file (draft-ietf-opsawg-pcapng) and the TCP packets inside them, as far as a recording needs them.

use std::net::{IpAddr, SocketAddr};
use std::ops::BitOr;
use std::time::Duration;

use serde_json::json;

/// `LINKTYPE_RAW`: the packet begins with its IPv4 or IPv6 header.
const LINK_RAW: u16 = 101;
/// Payload of one packet at most: an IPv4 packet's length has 16 bits.
pub(crate) const SEGMENT_OCTETS: usize = 32 * 1024;
/// Blocks from 0x80000000 on are for local use (§11.1): tools that don't know ours pass over it. It holds a time: the core's timer turn.
pub(crate) const TIMER_BLOCK: u32 = 0x8054_4c01;
/// What our comment in the section header begins with.
const COMMENT: &str = "trunkline ";

/// What a replay has to know of the run that was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RunFacts {
    pub(crate) seed: u64,
    pub(crate) probe_key: [u8; 32],
    /// The wall clock at the core's time zero, since 1970.
    pub(crate) began: Duration,
}

impl RunFacts {
    pub(crate) fn to_comment(self) -> String {
        let key: String = self.probe_key.iter().map(|octet| format!("{octet:02x}")).collect();
        let began = u64::try_from(self.began.as_nanos()).unwrap_or(u64::MAX);
        format!("{COMMENT}{}", json!({ "seed": self.seed, "probe_key": key, "began_ns": began }))
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
        let began = Duration::from_nanos(value.get("began_ns")?.as_u64()?);
        Some(RunFacts { seed: value.get("seed")?.as_u64()?, probe_key, began })
    }
}

/// The two ends of a recorded connection, of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Endpoints {
    pub(crate) controller: SocketAddr,
    pub(crate) switch: SocketAddr,
}

/// TCP's flags (RFC 9293 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const FIN: Flags = Flags(0x01);
    pub(crate) const SYN: Flags = Flags(0x02);
    pub(crate) const PUSH: Flags = Flags(0x08);
    pub(crate) const ACK: Flags = Flags(0x10);

    pub(crate) fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
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

/// Nanoseconds since 1970, the high half first.
fn time(at: Duration, out: &mut Vec<u8>) {
    let nanos = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
    out.extend_from_slice(&((nanos >> 32) as u32).to_le_bytes());
    out.extend_from_slice(&(nanos as u32).to_le_bytes());
}

/// One packet (§4.3). `to_switch` says which end sends it; `payload` has at most [`SEGMENT_OCTETS`].
#[expect(clippy::too_many_arguments, reason = "the fields of a header, which no type would say more clearly")]
pub(super) fn packet(
    at: Duration,
    endpoints: &Endpoints,
    to_switch: bool,
    sequence: u32,
    acknowledged: u32,
    flags: Flags,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    let (source, target) = match to_switch {
        true => (endpoints.controller, endpoints.switch),
        false => (endpoints.switch, endpoints.controller),
    };
    block(6, out, |out| {
        out.extend_from_slice(&0_u32.to_le_bytes());
        time(at, out);
        let lengths = out.len();
        out.extend_from_slice(&[0; 8]);
        let start = out.len();
        ip_header(source.ip(), target.ip(), TCP_HEADER + payload.len(), out);
        let tcp = out.len();
        out.extend_from_slice(&source.port().to_be_bytes());
        out.extend_from_slice(&target.port().to_be_bytes());
        out.extend_from_slice(&sequence.to_be_bytes());
        let acknowledged = if flags.contains(Flags::ACK) { acknowledged } else { 0 };
        out.extend_from_slice(&acknowledged.to_be_bytes());
        // Data offset in words, flags, window, checksum, urgent pointer.
        out.extend_from_slice(&[(TCP_HEADER as u8 / 4) << 4, flags.0, 0xff, 0xff, 0, 0, 0, 0]);
        out.extend_from_slice(payload);
        let sum = checksum(&out[tcp..], pseudo_header(source.ip(), target.ip(), out.len() - tcp));
        out[tcp + 16..tcp + 18].copy_from_slice(&sum.to_be_bytes());
        let length = ((out.len() - start) as u32).to_le_bytes();
        out[lengths..lengths + 4].copy_from_slice(&length);
        out[lengths + 4..lengths + 8].copy_from_slice(&length);
    });
}

const TCP_HEADER: usize = 20;
const TCP: u8 = 6;

/// IPv4 (RFC 791 §3.1) or IPv6 (RFC 8200 §3).
fn ip_header(source: IpAddr, target: IpAddr, payload: usize, out: &mut Vec<u8>) {
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let start = out.len();
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&((20 + payload) as u16).to_be_bytes());
            // Not fragmented, 64 hops.
            out.extend_from_slice(&[0, 0, 0x40, 0, 64, TCP, 0, 0]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&target.octets());
            let sum = checksum(&out[start..], 0);
            out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
        }
        (source, target) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&(payload as u16).to_be_bytes());
            out.extend_from_slice(&[TCP, 64]);
            out.extend_from_slice(&octets(source));
            out.extend_from_slice(&octets(target));
        }
    }
}

/// What TCP's checksum covers besides its own octets.
fn pseudo_header(source: IpAddr, target: IpAddr, length: usize) -> u32 {
    let sum = |octets: &[u8]| octets.chunks(2).map(word).sum::<u32>();
    let addresses = match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => sum(&source.octets()) + sum(&target.octets()),
        (IpAddr::V6(source), IpAddr::V6(target)) => sum(&source.octets()) + sum(&target.octets()),
        _ => 0,
    };
    addresses + u32::from(TCP) + length as u32
}

fn word(pair: &[u8]) -> u32 {
    match *pair {
        [high, low, ..] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        [] => 0,
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(octets: &[u8], start: u32) -> u16 {
    let mut sum = octets.chunks(2).map(|pair| u64::from(word(pair))).sum::<u64>() + u64::from(start);
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replay_has_to_know_is_read_as_it_was_written() {
        let facts =
            RunFacts { seed: u64::MAX, probe_key: [0xa5; 32], began: Duration::from_nanos(1_700_000_000_123_456_789) };
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
        packet(Duration::from_nanos(7), &endpoints, false, 1, 1, Flags::ACK, &[1, 2, 3], &mut out);
        timer(Duration::from_secs(1), &mut out);
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
        assert_eq!(types, [0x0a0d_0d0a, 1, 6, TIMER_BLOCK, 5]);
    }
}
