//! The fabric with rules programmed by hand.

mod common;

use common::{World, flood_rules, flow, next_ports, outputs, static_rules, to_group};
use emulator::{CutKind, FabricEvent, FabricSpec, FabricStats, HostIndex, LinkIndex, ProbeKind, ProbeLoss};
use net::{DatapathId, PortId, PortNo, Time};
use openflow::{Action, Bucket, GroupId, GroupMod, GroupModCommand, GroupType, Match, Message, PortReason};
use std::collections::BTreeMap;
use std::time::Duration;

const H1: HostIndex = HostIndex(0);
const H2: HostIndex = HostIndex(1);

fn programmed(seed: u64, spec: &FabricSpec) -> World {
    let mut world = World::connected(seed, spec);
    world.send_all(static_rules(spec));
    let errors: Vec<_> = world.messages.iter().filter(|(_, message)| matches!(message, Message::Error(_))).collect();
    assert!(errors.is_empty(), "{errors:?}");
    world
}

fn fate(world: &mut World, kind: ProbeKind, source: HostIndex, target: HostIndex) -> FabricEvent {
    world.events.clear();
    let wanted = world.fabric.send_probe_of(kind, source, target, world.now);
    world.run(Duration::from_secs(4));
    let of_probe = |event: &&FabricEvent| match event {
        FabricEvent::ProbeDelivered { id, .. } | FabricEvent::ProbeLost { id, .. } => *id == wanted,
        _ => false,
    };
    world.events.iter().find(of_probe).expect("a probe has a fate after its deadline").clone()
}

fn is_delivered(world: &mut World, kind: ProbeKind, source: HostIndex, target: HostIndex) -> bool {
    matches!(fate(world, kind, source, target), FabricEvent::ProbeDelivered { .. })
}

#[test]
fn a_static_fat_tree_forwards_pings_between_all_hosts() {
    let spec = FabricSpec::fat_tree(4);
    let mut world = programmed(1, &spec);
    assert_eq!(world.ping_all(), []);
    let stats = world.fabric.stats();
    assert_eq!((stats.probes_sent, stats.probes_delivered), (240, 240));
    assert_eq!((stats.probes_duplicated, stats.looped_frames, stats.frames_overflowed, stats.frames_cut), (0, 0, 0, 0));
    for kind in [ProbeKind::EchoV6, ProbeKind::Datagram { source_port: 7 }, ProbeKind::DatagramV6 { source_port: 7 }] {
        assert!(is_delivered(&mut world, kind, H1, HostIndex(15)), "{kind:?}");
    }
}

#[test]
fn latency_is_the_sum_of_the_links() {
    let spec = FabricSpec::linear(3);
    let mut world = programmed(1, &spec);
    assert!(is_delivered(&mut world, ProbeKind::Echo, H1, HostIndex(2)));
    let FabricEvent::ProbeDelivered { latency, .. } = fate(&mut world, ProbeKind::Echo, H1, HostIndex(2)) else {
        panic!("delivered")
    };
    assert_eq!(latency, Duration::from_micros(2 * 4 * 20), "four cables there and four back");
}

#[test]
fn without_rules_nothing_arrives() {
    let spec = FabricSpec { probe_deadline: Duration::from_millis(3_500), ..FabricSpec::linear(2) };
    let mut world = World::connected(1, &spec);
    let FabricEvent::ProbeLost { reason, .. } = fate(&mut world, ProbeKind::Echo, H1, H2) else { panic!("lost") };
    assert_eq!(reason, ProbeLoss::Unresolved);
}

/// The way from h1 to h2 over the ring, with the way round the other side behind it.
#[test]
fn a_fast_failover_group_heals_a_cut_without_the_controller() {
    let spec = FabricSpec::ring_with_chord(4, 2);
    let mut world = programmed(1, &spec);
    let direct = world.fabric.find_link(DatapathId(1), DatapathId(2)).expect("neighbours on the ring");
    for (host, from) in [(&spec.hosts[1], DatapathId(1)), (&spec.hosts[0], DatapathId(2))] {
        let here = |avoid| next_ports(&spec, host.port.datapath_id, avoid)[&from];
        let watching = |port: PortNo| Bucket { watch_port: port, ..Bucket::new(vec![Action::output(port)]) };
        let group = GroupMod {
            command: GroupModCommand::ADD,
            group_type: GroupType::FF,
            group_id: GroupId(1),
            buckets: vec![watching(here(None)), watching(here(Some(direct.0)))],
        };
        world.send(from, &Message::GroupMod(group));
        world.send(from, &flow(20, Match::new().with_eth_dst(host.mac), to_group(1)));
        // Those on the way round must not send it back over the link that is gone.
        for (datapath_id, port_no) in next_ports(&spec, host.port.datapath_id, Some(direct.0)) {
            if datapath_id != from {
                world.send(datapath_id, &flow(20, Match::new().with_eth_dst(host.mac), outputs([port_no])));
            }
        }
    }
    world.exchange();
    assert!(is_delivered(&mut world, ProbeKind::Echo, H1, H2));
    world.fabric.disconnect_all(world.now);
    world.fabric.cut_link(direct, CutKind::PortDown, world.now);
    for _ in 0..10 {
        assert!(is_delivered(&mut world, ProbeKind::Echo, H1, H2), "at once, by the other side of the ring");
    }
    world.fabric.mend_link(direct, world.now);
    assert!(is_delivered(&mut world, ProbeKind::Echo, H2, H1));
    let before = world.fabric.link_stats(direct).frames;
    assert!(is_delivered(&mut world, ProbeKind::Echo, H2, H1));
    assert_eq!(world.fabric.link_stats(direct).frames, before.map(|frames| frames + 1));
}

#[test]
fn a_silent_cut_loses_frames_and_tells_nobody() {
    let spec = FabricSpec::linear(2);
    let mut world = programmed(1, &spec);
    assert!(is_delivered(&mut world, ProbeKind::Echo, H1, H2));
    world.messages.clear();
    let link = LinkIndex(0);
    world.fabric.cut_link(link, CutKind::Silent, world.now);
    let FabricEvent::ProbeLost { reason, .. } = fate(&mut world, ProbeKind::Echo, H1, H2) else { panic!("lost") };
    assert_eq!((reason, world.fabric.link_stats(link).cut), (ProbeLoss::Deadline, [1, 0]));
    assert!(world.messages.is_empty());
    world.fabric.mend_link(link, world.now);
    assert!(is_delivered(&mut world, ProbeKind::Echo, H1, H2));
}

#[test]
fn a_port_down_cut_is_reported_at_both_ends_and_takes_the_frames_under_way() {
    let spec = FabricSpec::linear(2);
    let mut world = programmed(1, &spec);
    assert!(is_delivered(&mut world, ProbeKind::Echo, H1, H2));
    world.messages.clear();
    world.events.clear();
    world.fabric.send_probe(H1, H2, world.now);
    world.run(Duration::from_micros(30));
    assert_eq!(world.fabric.frames_in_flight(), 1);
    world.fabric.cut_link(LinkIndex(0), CutKind::PortDown, world.now);
    world.exchange();
    let down = |(datapath_id, message): &(DatapathId, Message)| match message {
        Message::PortStatus(status) => Some((*datapath_id, status.reason, status.port.is_up())),
        _ => None,
    };
    let reported: Vec<_> = world.messages.iter().filter_map(down).collect();
    let expected = [(DatapathId(1), PortReason::MODIFY, false), (DatapathId(2), PortReason::MODIFY, false)];
    assert_eq!(reported, expected);
    world.run(Duration::from_secs(4));
    assert_eq!(world.fabric.stats().frames_cut, 1);
    assert!(world.events.iter().any(|event| matches!(event, FabricEvent::ProbeLost { .. })));
}

#[test]
fn a_controller_that_dies_and_comes_back_finds_everything_as_it_was() {
    let spec = FabricSpec::ring_with_chord(4, 4);
    let mut world = programmed(1, &spec);
    assert_eq!(world.ping_all(), []);
    let flows = world.fabric.flow_count();
    world.fabric.disconnect_all(world.now);
    world.channels.clear();
    assert!(world.fabric.datapath_ids().all(|datapath_id| !world.fabric.is_connected(datapath_id)));
    assert_eq!((world.ping_all(), world.fabric.flow_count()), (vec![], flows));
    world.connect_all();
    assert_eq!((world.ping_all(), world.fabric.flow_count()), (vec![], flows));
    world.messages.clear();
    world.send_all(vec![(DatapathId(3), Message::BarrierRequest)]);
    assert_eq!(world.messages, [(DatapathId(3), Message::BarrierReply)]);
}

#[test]
fn a_flood_in_a_ring_is_seen_as_a_loop_and_ends() {
    for spec in [FabricSpec::ring_with_chord(4, 2), FabricSpec::fat_tree(4)] {
        let mut world = World::connected(1, &spec);
        let everywhere =
            |switch: &emulator::SwitchSpec| (switch.datapath_id, flow(1, Match::new(), outputs([PortNo::FLOOD])));
        world.send_all(spec.switches.iter().map(everywhere).collect());
        world.fabric.announce(H1, world.now);
        world.run(Duration::from_secs(1));
        let stats = world.fabric.stats();
        assert!(stats.looped_frames > 0, "{stats:?}");
        assert_eq!(world.fabric.frames_in_flight(), 0, "the storm is over");
    }
}

#[test]
fn a_flood_along_a_tree_reaches_each_other_host_once() {
    let spec = FabricSpec::fat_tree(4);
    let mut world = World::connected(1, &spec);
    world.send_all(flood_rules(&spec));
    world.fabric.announce(H1, world.now);
    world.run(Duration::from_millis(10));
    let received: Vec<u64> = (0..16).map(|host| world.fabric.host_stats(HostIndex(host)).received).collect();
    assert_eq!(received, [vec![0], vec![2; 15]].concat(), "one ARP and one neighbour advertisement each");
}

#[test]
fn a_probe_that_arrives_twice_is_counted_as_a_duplicate() {
    let spec = FabricSpec::linear(2);
    let mut world = programmed(1, &spec);
    let twice = outputs([spec.hosts[1].port.port_no, spec.hosts[1].port.port_no]);
    let to_h2 = Match::new().with_eth_dst(spec.hosts[1].mac).with_eth_type(0x0800);
    world.send_all(vec![(DatapathId(2), flow(30, to_h2, twice))]);
    assert!(is_delivered(&mut world, ProbeKind::Datagram { source_port: 1 }, H1, H2));
    assert_eq!(world.fabric.stats().probes_duplicated, 1);
    assert!(world.events.iter().any(|event| matches!(event, FabricEvent::ProbeDuplicated { .. })));
}

#[test]
fn a_host_that_moves_announces_itself_where_it_is() {
    let spec = FabricSpec::linear(3);
    let mut world = World::connected(1, &spec);
    let to_controller =
        |switch: &emulator::SwitchSpec| (switch.datapath_id, flow(1, Match::new(), outputs([PortNo::CONTROLLER])));
    world.send_all(spec.switches.iter().map(to_controller).collect());
    world.messages.clear();
    let taken = spec.hosts[1].port;
    assert!(!world.fabric.move_host(H1, taken, world.now));
    let free = PortId::new(DatapathId(3), PortNo(9));
    assert!(world.fabric.move_host(H1, free, world.now));
    assert_eq!(world.fabric.host_port(H1), Some(free));
    world.run(Duration::from_millis(1));
    let seen = world.messages.iter().filter_map(|(datapath_id, message)| match message {
        Message::PacketIn(packet_in) => Some((*datapath_id, packet_in.match_.in_port())),
        _ => None,
    });
    assert_eq!(seen.collect::<Vec<_>>(), [(DatapathId(3), Some(PortNo(9))); 2]);
    let statuses = world.messages.iter().filter_map(|(datapath_id, message)| match message {
        Message::PortStatus(status) => Some((datapath_id.0, status.reason, status.port.is_up())),
        _ => None,
    });
    assert_eq!(statuses.collect::<Vec<_>>(), [(1, PortReason::MODIFY, false), (3, PortReason::ADD, true)]);
}

#[test]
fn octets_out_of_step_end_the_connection_with_a_reason() {
    let spec = FabricSpec::linear(2);
    let mut world = World::connected(1, &spec);
    world.fabric.handle_bytes(DatapathId(1), &[4, 0, 0, 3, 0, 0, 0, 0], world.now);
    let last_words = world.fabric.poll_transmit();
    assert!(matches!(&last_words, Some((DatapathId(1), octets)) if octets[1] == 1), "an ERROR: {last_words:?}");
    assert!(matches!(world.fabric.poll_event(), Some(FabricEvent::Closed { datapath_id: DatapathId(1), .. })));
    assert!(!world.fabric.is_connected(DatapathId(1)) && world.fabric.is_connected(DatapathId(2)));
}

#[test]
fn a_controller_that_falls_silent_is_given_up_by_the_switch() {
    let spec = FabricSpec::linear(2);
    let mut world = World::connected(1, &spec);
    world.channels.clear();
    world.run(Duration::from_secs(60));
    let closed = world.events.iter().filter(|event| matches!(event, FabricEvent::Closed { .. })).count();
    assert_eq!(closed, 2);
}

/// Everything that can be seen of a run with cuts, restarts and traffic.
fn trace(seed: u64) -> (Vec<String>, FabricStats, BTreeMap<usize, [u64; 2]>) {
    let spec = FabricSpec { announce: true, ..FabricSpec::fat_tree(4) };
    let mut world = programmed(seed, &spec);
    let mut log = Vec::new();
    while let Some((next, _)) = world.fabric.poll_timeout().filter(|(next, _)| *next < Time::from_millis(200)) {
        log.push(format!("{next:?}"));
        world.now = next;
        world.run(Duration::ZERO);
    }
    for round in 0..6usize {
        let link = LinkIndex((round * 7) % spec.links.len());
        let kind = if round % 2 == 0 { CutKind::PortDown } else { CutKind::Silent };
        for host in 0..16 {
            let kind = ProbeKind::Datagram { source_port: round as u16 };
            world.fabric.send_probe_of(kind, HostIndex(host), HostIndex((host + 5) % 16), world.now);
        }
        world.run(Duration::from_micros(50));
        world.fabric.cut_link(link, kind, world.now);
        world.run(Duration::from_millis(500));
        world.fabric.mend_link(link, world.now);
        log.extend(world.events.drain(..).map(|event| format!("{:?} {event:?}", world.now)));
        log.extend(world.messages.drain(..).map(|(datapath_id, message)| format!("{datapath_id} {message:?}")));
    }
    world.run(Duration::from_secs(5));
    log.extend(world.events.drain(..).map(|event| format!("{event:?}")));
    let links = (0..spec.links.len()).map(|link| (link, world.fabric.link_stats(LinkIndex(link)).frames)).collect();
    (log, world.fabric.stats(), links)
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let (one, two, other) = (trace(7), trace(7), trace(8));
    assert!(one.0.len() > 100);
    assert!(one == two, "the same seed");
    assert!(one.0 != other.0, "another seed");
}

#[test]
fn inputs_that_come_late_find_everything_done_in_order() {
    let spec = FabricSpec::linear(4);
    let run = |steps: u64| {
        let mut world = programmed(3, &spec);
        for _ in 0..3 {
            world.fabric.send_probe(H1, HostIndex(3), world.now);
            for _ in 0..steps {
                world.now = world.now + Duration::from_micros(10_000 / steps);
                world.fabric.handle_timeout(world.now);
            }
        }
        let events: Vec<FabricEvent> = std::iter::from_fn(|| world.fabric.poll_event()).collect();
        (events, world.fabric.stats())
    };
    assert_eq!(run(1), run(1000));
    assert_eq!(run(1).0.len(), 3);
}
