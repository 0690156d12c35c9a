//! What probing costs: a network of 10,000 links on virtual time, every probe handed back at its far end, and the processor time of it.
//!
//! Beside it the floor in the same run: the same number of probes made and checked, with nothing kept. What a controller adds (packet-out, packet-in,
//! two system calls) is not in it. Prints probes per second of virtual time, nanoseconds per probe, the part of one core that this is, and what the budget makes of
//! the interval.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use topology::probe::{Probe, ProbeKey, ProbeWay};
use topology::{Discovery, DiscoveryConfig, PortInfo};

const SWITCHES: u64 = 100;
const LINKS_EACH: u32 = 100;
/// Virtual seconds that are measured, after as many in which links are found.
const SECONDS: u64 = 20;

fn main() {
    println!(
        "{:<12} {:>8} {:>10} {:>9} {:>9} {:>8} {:>10} {:>10}",
        "budget", "links", "probes/s", "ns", "floor ns", "core %", "interval", "detection"
    );
    for budget in [4_000, 20_000, 100_000] {
        measure(budget);
    }
}

fn measure(budget: u32) {
    let config = DiscoveryConfig { probe_budget_per_second: budget, ..DiscoveryConfig::default() };
    let mut now = Time::from_secs(1_000);
    let mut discovery = Discovery::new(config, [3; 32], 42, now);
    for switch in 0..SWITCHES {
        discovery.handle_switch_up(DatapathId(switch), ports(), now);
        discovery.handle_round_trip(DatapathId(switch), Duration::from_micros(200), now);
    }
    let mut arriving: Vec<(PortId, Bytes)> = Vec::new();
    now = run(&mut discovery, now, &mut arriving);
    let before = *discovery.counters();
    let start = Instant::now();
    run(&mut discovery, now, &mut arriving);
    let took = start.elapsed();
    let probes = discovery.counters().probes_received - before.probes_received;
    let (pace, links) = (discovery.probe_pace(), discovery.network().bidirectional_links().count());
    assert_eq!(discovery.counters().links_down, 0, "a link was lost");
    println!(
        "{budget:<12} {links:>8} {:>10} {:>9} {:>9} {:>8.2} {:>8.2} s {:>8.2} s",
        probes / SECONDS,
        took.as_nanos() as u64 / probes.max(1),
        floor(probes).as_nanos() as u64 / probes.max(1),
        100.0 * took.as_secs_f64() / SECONDS as f64,
        pace.link_interval.as_secs_f64(),
        pace.detection.as_secs_f64(),
    );
}

/// Lets time pass; a probe arrives a millisecond after it left.
fn run(discovery: &mut Discovery, start: Time, arriving: &mut Vec<(PortId, Bytes)>) -> Time {
    let end = start + Duration::from_secs(SECONDS);
    let mut now = start;
    while now < end {
        for (port, frame) in arriving.drain(..) {
            discovery.handle_frame(port, &frame, now);
        }
        discovery.handle_timeout(now);
        while let Some(switch) = discovery.poll_inquiry() {
            discovery.handle_answered(switch, now);
        }
        while let Some(transmit) = discovery.poll_transmit() {
            arriving.push((far_end(transmit.port), transmit.frame));
        }
        while discovery.poll_event().is_some() {}
        now = now + Duration::from_millis(1);
    }
    now
}

fn floor(probes: u64) -> Duration {
    let mut key = ProbeKey::new([3; 32], 1);
    let mut sum = BTreeMap::new();
    let start = Instant::now();
    for number in 0..probes {
        let port = PortId::new(DatapathId(number % SWITCHES), PortNo(1));
        let probe = Probe { port, nonce: key.next_nonce(), sent_at: Time::ZERO, way: ProbeWay::NearestBridge };
        let frame = probe.encode(MacAddr::ZERO, &key);
        let parsed = Probe::parse(black_box(&frame), &key).expect("it is ours");
        *sum.entry(parsed.port).or_insert(0u64) += 1;
    }
    black_box(sum);
    start.elapsed()
}

/// Each switch has links to the next one in a ring: the first half of its ports, into the second half of the other's.
fn far_end(port: PortId) -> PortId {
    let PortId { datapath_id: DatapathId(switch), port_no: PortNo(number) } = port;
    let (far, number) = match number.checked_sub(LINKS_EACH) {
        None | Some(0) => ((switch + 1) % SWITCHES, number + LINKS_EACH),
        Some(number) => ((switch + SWITCHES - 1) % SWITCHES, number),
    };
    PortId::new(DatapathId(far), PortNo(number))
}

fn ports() -> Vec<PortInfo> {
    let port = |number: u32| PortInfo {
        port_no: PortNo(number),
        hw_addr: MacAddr::from_u64(0x0200_0000_0000 + u64::from(number)),
        name: format!("p{number}"),
        up: true,
        live: true,
        curr_speed_kbps: 10_000_000,
    };
    (1..=2 * LINKS_EACH).map(port).collect()
}
