//! Anything that can happen to a fabric, in any order: it never panics, forgets no frame and no probe, and its counters add up.

use crate::common::{World, static_rules};
use emulator::{CutKind, FabricSpec, HostIndex, LinkIndex, ProbeKind};
use net::{DatapathId, PortId, PortNo};
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Cut(usize, bool),
    Mend(usize),
    HostUp(usize, bool),
    Move(usize, u64, u32),
    Announce(usize),
    Probe(usize, usize, u8),
    Disconnect(u64),
    Reconnect,
    Garbage(u64, Vec<u8>),
    Frame(usize, Vec<u8>),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let octets = || proptest::collection::vec(any::<u8>(), 0..80);
    prop_oneof![
        (0usize..7, any::<bool>()).prop_map(|(link, silent)| Step::Cut(link, silent)),
        (0usize..7).prop_map(Step::Mend),
        (0usize..5, any::<bool>()).prop_map(|(host, up)| Step::HostUp(host, up)),
        (0usize..5, 0u64..6, 1u32..12).prop_map(|(host, switch, port)| Step::Move(host, switch, port)),
        (0usize..5).prop_map(Step::Announce),
        (0usize..5, 0usize..5, 0u8..4).prop_map(|(source, target, kind)| Step::Probe(source, target, kind)),
        (0u64..6).prop_map(Step::Disconnect),
        Just(Step::Reconnect),
        (0u64..6, octets()).prop_map(|(switch, octets)| Step::Garbage(switch, octets)),
        (0usize..5, octets()).prop_map(|(host, octets)| Step::Frame(host, octets)),
        (0u64..5_000_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_happens_the_books_balance(seed: u64, steps in proptest::collection::vec(step(), 1..40)) {
        let spec = FabricSpec::ring_with_chord(4, 4);
        let mut world = World::connected(seed, &spec);
        world.send_all(static_rules(&spec));
        for step in steps {
            let now = world.now;
            match step {
                Step::Cut(link, true) => world.fabric.cut_link(LinkIndex(link), CutKind::Silent, now),
                Step::Cut(link, false) => world.fabric.cut_link(LinkIndex(link), CutKind::PortDown, now),
                Step::Mend(link) => world.fabric.mend_link(LinkIndex(link), now),
                Step::HostUp(host, up) => world.fabric.set_host_up(HostIndex(host), up, now),
                Step::Move(host, switch, port) => {
                    world.fabric.move_host(HostIndex(host), PortId::new(DatapathId(switch), PortNo(port)), now);
                }
                Step::Announce(host) => world.fabric.announce(HostIndex(host), now),
                Step::Probe(source, target, kind) => {
                    let kind = [
                        ProbeKind::Echo,
                        ProbeKind::EchoV6,
                        ProbeKind::Datagram { source_port: 1 },
                        ProbeKind::DatagramV6 { source_port: 1 },
                    ][usize::from(kind)];
                    world.fabric.send_probe_of(kind, HostIndex(source), HostIndex(target), now);
                }
                Step::Disconnect(switch) => {
                    world.channels.remove(&DatapathId(switch));
                    world.fabric.disconnect(DatapathId(switch), now);
                }
                Step::Reconnect => world.connect_all(),
                Step::Garbage(switch, octets) => world.fabric.handle_bytes(DatapathId(switch), &octets, now),
                Step::Frame(host, octets) => world.fabric.send_frame(HostIndex(host), octets.into(), now),
                Step::Wait(micros) => world.run(Duration::from_micros(micros)),
            }
            world.exchange();
        }
        world.run(Duration::from_secs(5));
        let stats = world.fabric.stats();
        prop_assert_eq!((world.fabric.frames_in_flight(), world.fabric.probes_under_way()), (0, 0));
        prop_assert_eq!(stats.probes_sent, stats.probes_delivered + stats.probes_lost);
        prop_assert_eq!(stats.frames_overflowed, 0);
    }
}
