//! A table through a speaker without sockets, beside the floors: what touching the same octets and keys costs at least.
//!
//! `cargo bench -p trunkline-bgp` (add words to run only the rows that contain one of them).

// Time is what it measures.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use bgp::policy::Policy;
use bgp::session::{ConnectMode, SessionConfig};
use bgp::speaker::{ConnectionId, NeighborConfig, Speaker, SpeakerConfig, Transmit};
use bgp::wire::{
    AsPath, Asn, Community, EncodeContext, Family, HEADER_LENGTH, Message, NextHop, Nlri, Origin, PathAttributes,
    RouterId, frame_length, pack_announcements,
};
use bytes::BytesMut;
use net::{Prefix, Time};
use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

/// Out of the caches.
const ROUTES: u32 = 200_000;
/// As in a full table.
const ROUTES_PER_SET: usize = 5;
const ROUNDS: usize = 7;
/// What a connection reads at one time.
const READ: usize = 64 * 1024;

fn main() {
    // Cargo's own arguments start with a dash.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let first = updates(0);
    let second = updates(1);
    println!("{ROUTES} routes, {} octets; medians of {ROUNDS} rounds", first.len());
    let rows: [(&str, &dyn Fn() -> u128); 8] = [
        ("floor: copy the octets", &|| {
            let start = Instant::now();
            black_box(first.to_vec());
            start.elapsed().as_nanos()
        }),
        ("floor: walk attributes and NLRI", &|| {
            let start = Instant::now();
            black_box(walk(&first, |_, _| ()));
            start.elapsed().as_nanos()
        }),
        ("floor: hash map, new keys", &|| {
            let start = Instant::now();
            let mut map = HashMap::new();
            walk(&first, |key, number| {
                map.insert(key, number);
            });
            let took = start.elapsed().as_nanos();
            black_box(map);
            took
        }),
        ("receive", &|| receive(&mut Bench::new(0), &first)),
        ("receive the same again", &|| {
            let mut bench = Bench::new(0);
            receive(&mut bench, &first);
            receive(&mut bench, &first)
        }),
        ("receive with other attributes", &|| {
            let mut bench = Bench::new(0);
            receive(&mut bench, &first);
            receive(&mut bench, &second)
        }),
        ("receive and send to 1", &|| receive(&mut Bench::new(1), &first)),
        ("receive and send to 50", &|| receive(&mut Bench::new(50), &first)),
    ];
    if wanted.is_empty() || wanted.iter().any(|part| "one message".contains(part.as_str())) {
        longest_message();
    }
    for (name, row) in rows {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            let mut rounds: Vec<u128> = (0..ROUNDS).map(|_| row()).collect();
            rounds.sort_unstable();
            println!("{name:<34} {:>7.1} ns a route", rounds[ROUNDS / 2] as f64 / f64::from(ROUTES));
        }
    }
}

/// One turn of a speaker that has got a message of 65,535 octets: the time until another neighbour has its turn.
fn longest_message() {
    let mut octets = BytesMut::new();
    octets.extend_from_slice(&[0xff; 16]);
    let attributes = [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfc, 0, 0x40, 3, 4, 192, 0, 2, 1];
    let routes = (65_535 - 23 - attributes.len()) / 4;
    octets.extend_from_slice(&((23 + attributes.len() + 4 * routes) as u16).to_be_bytes());
    octets.extend_from_slice(&[2, 0, 0, 0, attributes.len() as u8]);
    octets.extend_from_slice(&attributes);
    for number in 0..routes as u32 {
        octets.extend_from_slice(&[24]);
        octets.extend_from_slice(
            &(0x0b00_0000_u32 + number.wrapping_mul(0x9e37_79b1) % 0x00d0_0000 * 0x100).to_be_bytes()[..3],
        );
    }
    let mut rounds: Vec<(u128, u128)> = (0..ROUNDS)
        .map(|_| {
            let mut bench = Bench::new(0);
            let start = Instant::now();
            bench.speaker.handle_octets(bench.sender, &octets, Time::ZERO);
            let first = start.elapsed().as_micros();
            bench.settle();
            (first, start.elapsed().as_micros())
        })
        .collect();
    rounds.sort_unstable();
    let (first, all) = rounds[ROUNDS / 2];
    println!("one message of {routes} routes: first turn {first} us, all of it {all} us");
}

/// One sender and receivers.
struct Bench {
    speaker: Speaker,
    sender: ConnectionId,
}

impl Bench {
    fn new(receivers: u8) -> Bench {
        let neighbors = (0..=receivers).map(|number| NeighborConfig {
            mode: ConnectMode::Passive,
            import: Policy::Accept,
            export: if number == 0 { Policy::Reject } else { Policy::Accept },
            ..NeighborConfig::new(address(number), asn(number))
        });
        let config =
            SpeakerConfig { neighbors: neighbors.collect(), ..SpeakerConfig::new(Asn(65_000), RouterId::from_u32(1)) };
        let mut speaker = Speaker::new(config, Time::ZERO).expect("neighbours that can be");
        let connections: Vec<ConnectionId> = (0..=receivers)
            .map(|number| {
                let local = SocketAddr::from(([192, 0, 2, 254], 179));
                let remote = SocketAddr::new(address(number), 40_000);
                let id = speaker.handle_accepted(remote, local, Time::ZERO).expect("a neighbour");
                let router_id = RouterId::from_u32(2 + u32::from(number));
                let open = SessionConfig::new(asn(number), router_id, Asn(65_000)).open();
                let mut greeting = BytesMut::new();
                for message in [Message::Open(open), Message::Keepalive] {
                    message.encode(&EncodeContext::default(), &mut greeting).expect("it fits");
                }
                speaker.handle_octets(id, &greeting, Time::ZERO);
                id
            })
            .collect();
        let mut bench = Bench { speaker, sender: connections[0] };
        bench.settle();
        bench
    }

    /// Until nothing is left to do; all that is sent counts as written.
    fn settle(&mut self) {
        loop {
            while let Some(transmit) = self.speaker.poll_transmit() {
                if let Transmit::Send { connection, octets } = transmit {
                    self.speaker.handle_sent(connection, octets.len(), Time::ZERO);
                }
            }
            if !self.speaker.is_busy() {
                return;
            }
            self.speaker.handle_timeout(Time::ZERO);
        }
    }
}

fn receive(bench: &mut Bench, octets: &[u8]) -> u128 {
    let start = Instant::now();
    for read in octets.chunks(READ) {
        bench.speaker.handle_octets(bench.sender, read, Time::ZERO);
        bench.settle();
    }
    let took = start.elapsed().as_nanos();
    assert_eq!(bench.speaker.rib().counts(Family::IPV4_UNICAST).paths, ROUTES as usize, "all of them arrived");
    took
}

fn address(number: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, 1 + number])
}

fn asn(number: u8) -> Asn {
    Asn(64_512 + u32::from(number))
}

/// All over the address space.
fn prefix(number: u32) -> Prefix {
    let bits = 0x0100_0000 + (number.wrapping_mul(0x9e37_79b1) % 0x00d0_0000) * 0x100;
    Prefix::new(IpAddr::V4(Ipv4Addr::from_bits(bits)), 24).expect("a length of 24")
}

fn updates(variant: u32) -> BytesMut {
    let mut octets = BytesMut::new();
    let mut seen = BTreeSet::new();
    let prefixes = (0..).map(prefix).filter(|prefix| seen.insert(*prefix));
    let nlri: Vec<Nlri> = prefixes.take(ROUTES as usize).map(Nlri::new).collect();
    for (set, nlri) in (0..).zip(nlri.chunks(ROUTES_PER_SET)) {
        let tail = [3_356, 1_299 + set % 500, 20_000 + variant, 100_000 + set];
        let path: Vec<Asn> = [asn(0)].into_iter().chain(tail.map(Asn)).collect();
        let next_hop = Ipv4Addr::new(192, 0, 2, 1);
        let attributes = PathAttributes {
            next_hop: Some(next_hop),
            communities: vec![Community(0x0d1c_0000 + set % 900)],
            ..PathAttributes::new(Origin::Igp, AsPath::sequence(&path))
        };
        let (family, next_hop, context) = (Family::IPV4_UNICAST, NextHop::V4(next_hop), EncodeContext::default());
        let nlri = nlri.iter().copied();
        pack_announcements(family, &attributes, next_hop, nlri, &context, &mut octets).expect("it fits");
    }
    octets
}

/// The least that can be done with the messages: each attribute's header and each prefix is looked at.
fn walk(mut octets: &[u8], mut each: impl FnMut(u64, u32)) -> u32 {
    let (mut count, mut sum) = (0, 0_u32);
    while let Ok(Some(length)) = frame_length(octets, 4096) {
        let (frame, rest) = octets.split_at(length);
        octets = rest;
        let attributes = usize::from(u16::from_be_bytes([frame[HEADER_LENGTH + 2], frame[HEADER_LENGTH + 3]]));
        let (mut block, mut nlri) = frame[HEADER_LENGTH + 4..].split_at(attributes);
        while let [_, kind, length, value @ ..] = block {
            sum = sum.wrapping_add(u32::from(*kind));
            block = &value[usize::from(*length)..];
        }
        while let [length, rest @ ..] = nlri {
            let (address, rest) = rest.split_at(usize::from(length.div_ceil(8)));
            let key = address.iter().fold(u64::from(*length), |key, octet| key << 8 | u64::from(*octet));
            each(key, count);
            count += 1;
            nlri = rest;
        }
    }
    count.wrapping_add(black_box(sum))
}
