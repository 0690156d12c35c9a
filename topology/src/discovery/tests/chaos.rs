//! Random events in random order: the invariants hold after each, and the stream of changes tells all that changed.

use proptest::prelude::*;

use super::*;

const SWITCHES: u64 = 3;
const PORTS: u32 = 3;

#[derive(Clone, Debug)]
enum Event {
    SwitchUp(u64, Vec<bool>),
    SwitchDown(u64),
    Port(PortId, bool),
    PortRemoved(PortId),
    ExpectedLink(PortId),
    Host(u64, PortId, Option<u8>),
    ExpectedHost(u64, PortId),
    HostIdle(u64, PortId),
    Rewire(PortId, PortId),
    /// A wire that carries one direction only.
    OneWay(PortId, PortId),
    Cut(PortId),
    /// The port is at a switch of others, or no more.
    Cloud(PortId, bool),
    RoundTrip(u64, u64),
    /// An earlier probe, by its place among the last ones, comes in here again.
    Replay(usize, PortId),
    Forge(PortId, PortId),
    Garbage(PortId, Vec<u8>),
    /// LLDP of somebody else, by its number and its time to live.
    Neighbor(PortId, u8, u16),
    /// The switch answers nothing from now on, or does again.
    Mute(u64, bool),
    /// Time passes; probes arrive, except every nth.
    Run(u64, usize),
    /// Time passes and nobody calls.
    Sleep(u64),
}

fn any_port() -> impl Strategy<Value = PortId> {
    (0..SWITCHES, 1..=PORTS).prop_map(|(datapath_id, port_no)| id(datapath_id, port_no))
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..SWITCHES, prop::collection::vec(any::<bool>(), 0..=PORTS as usize)).prop_map(|(s, up)| Event::SwitchUp(s, up)),
        1 => (0..SWITCHES).prop_map(Event::SwitchDown),
        3 => (any_port(), any::<bool>()).prop_map(|(port, up)| Event::Port(port, up)),
        1 => any_port().prop_map(Event::PortRemoved),
        1 => any_port().prop_map(Event::ExpectedLink),
        4 => (0..4u64, any_port(), prop::option::of(0..4u8)).prop_map(|(host, port, ip)| Event::Host(host, port, ip)),
        1 => (0..4u64, any_port()).prop_map(|(host, port)| Event::ExpectedHost(host, port)),
        1 => (0..4u64, any_port()).prop_map(|(host, port)| Event::HostIdle(host, port)),
        4 => (any_port(), any_port()).prop_map(|(a, b)| Event::Rewire(a, b)),
        2 => (any_port(), any_port()).prop_map(|(a, b)| Event::OneWay(a, b)),
        1 => any_port().prop_map(Event::Cut),
        2 => (any_port(), any::<bool>()).prop_map(|(port, there)| Event::Cloud(port, there)),
        1 => (0..SWITCHES, 0..5_000u64).prop_map(|(switch, micros)| Event::RoundTrip(switch, micros)),
        2 => (0..20usize, any_port()).prop_map(|(probe, port)| Event::Replay(probe, port)),
        1 => (any_port(), any_port()).prop_map(|(a, b)| Event::Forge(a, b)),
        1 => (any_port(), prop::collection::vec(any::<u8>(), 0..80)).prop_map(|(port, octets)| Event::Garbage(port, octets)),
        3 => (any_port(), 0..12u8, prop_oneof![Just(0), 1..9u16])
            .prop_map(|(port, number, ttl)| Event::Neighbor(port, number, ttl)),
        2 => (0..SWITCHES, any::<bool>()).prop_map(|(switch, mute)| Event::Mute(switch, mute)),
        6 => (1..3_000u64, 2..10usize).prop_map(|(millis, lose)| Event::Run(millis, lose)),
        1 => (1..200_000u64).prop_map(Event::Sleep),
    ]
}

struct Chaos {
    lab: Lab,
    probes: VecDeque<Bytes>,
    /// The network as the changes alone tell it, but for its hosts.
    told: Network,
    hosts: BTreeMap<MacAddr, Host>,
}

impl Chaos {
    fn apply(&mut self, event: Event) {
        let now = self.lab.now;
        let discovery = &mut self.lab.discovery;
        match event {
            Event::SwitchUp(switch, up) => {
                let ports = up.iter().enumerate().map(|(index, up)| port(index as u32 + 1, *up)).collect();
                discovery.handle_switch_up(DatapathId(switch), ports, now);
            }
            Event::SwitchDown(switch) => discovery.handle_switch_down(DatapathId(switch), now),
            Event::Port(id, up) => discovery.handle_port(id.datapath_id, port(id.port_no.0, up), now),
            Event::PortRemoved(port) => discovery.handle_port_removed(port, now),
            Event::ExpectedLink(port) => discovery.handle_expected_link(port, now),
            Event::Host(host, port, ip) => {
                let address = ip.map(|ip| IpAddr::from([10, 0, 0, ip + 1]));
                discovery.handle_host(HostSighting { port, mac: mac(host), address }, now);
            }
            Event::ExpectedHost(host, port) => {
                discovery.handle_expected_host(HostSighting { port, mac: mac(host), address: None }, now);
            }
            Event::HostIdle(host, port) => discovery.handle_host_idle(port, mac(host), now),
            Event::Rewire(a, b) => {
                self.lab.cut(a);
                self.lab.cut(b);
                self.lab.wire(a, b);
            }
            Event::OneWay(a, b) => {
                self.lab.cut(a);
                self.lab.wires.insert(a, vec![b]);
            }
            Event::Cut(port) => self.lab.cut(port),
            Event::Cloud(port, true) => drop(self.lab.cloud.insert(port)),
            Event::Cloud(port, false) => drop(self.lab.cloud.remove(&port)),
            Event::RoundTrip(switch, micros) => {
                discovery.handle_round_trip(DatapathId(switch), Duration::from_micros(micros), now);
            }
            Event::Replay(index, port) => {
                if let Some(frame) = self.probes.get(index) {
                    discovery.handle_frame(port, frame, now);
                }
            }
            Event::Forge(source, port) => {
                let probe = Probe { port: source, nonce: 7, sent_at: now, way: ProbeWay::NearestBridge };
                discovery.handle_frame(port, &probe.encode(mac(9), &ProbeKey::new([0; 32], 0)), now);
            }
            Event::Garbage(port, octets) => discovery.handle_frame(port, &octets, now),
            Event::Neighbor(port, number, ttl) => {
                discovery.handle_frame(port, &neighbors::frame(&number.to_string(), "n", ttl), now);
            }
            Event::Mute(switch, true) => drop(self.lab.mute.insert(DatapathId(switch))),
            Event::Mute(switch, false) => {
                self.lab.mute.remove(&DatapathId(switch));
                discovery.handle_answered(DatapathId(switch), now);
            }
            Event::Run(millis, lose) => self.run(ms(millis), lose),
            Event::Sleep(millis) => self.lab.now = now + ms(millis),
        }
        self.settle();
    }

    /// Steps of 50 ms, in each of which some frames get lost.
    fn run(&mut self, duration: Duration, lose: usize) {
        let end = self.lab.now + duration;
        let mut counted = 0;
        while self.lab.now < end {
            self.lab.run(ms(50));
            self.probes.extend(self.lab.in_flight.iter().map(|(_, _, frame)| frame.clone()));
            while self.probes.len() > 20 {
                self.probes.pop_front();
            }
            self.lab.in_flight.retain(|_| {
                counted += 1;
                counted % lose != 0
            });
            self.settle();
        }
    }

    /// Takes what the machine has to say, then checks.
    fn settle(&mut self) {
        self.lab.drain();
        for change in std::mem::take(&mut self.lab.changes) {
            self.fold(change);
        }
        let network = self.lab.discovery.network();
        assert_invariants(&self.lab.discovery);
        let (hosts, edges) = (network.hosts.clone(), network.edges.clone());
        let (crossing, latencies) = (network.crossing.clone(), network.latencies.clone());
        let told = Network { hosts, edges, crossing, latencies, ..self.told.clone() };
        assert_eq!(&told, network, "the changes do not tell all that changed");
        for (mac, host) in &mut self.hosts {
            // A sighting alone is no change.
            host.last_seen = network.hosts[mac].last_seen;
        }
        let hosts: Vec<&Host> = network.hosts.values().collect();
        assert_eq!(self.hosts.values().collect::<Vec<_>>(), hosts, "the changes do not tell all that changed");
    }

    fn fold(&mut self, change: Change) {
        let (told, network) = (&mut self.told, self.lab.discovery.network());
        told.generation += 1;
        match change {
            Change::SwitchUp(datapath_id) => told.switches.entry(datapath_id).or_default().connected = true,
            Change::SwitchDown(datapath_id) => told.switches.get_mut(&datapath_id).unwrap().connected = false,
            Change::SwitchGone(datapath_id) => {
                assert!(told.switches.remove(&datapath_id).unwrap().ports.is_empty());
            }
            Change::PortChanged(id) => {
                let ports = &mut told.switches.get_mut(&id.datapath_id).unwrap().ports;
                match network.port(id) {
                    Some(port) => drop(ports.insert(id.port_no, port.clone())),
                    None => drop(ports.remove(&id.port_no)),
                }
            }
            Change::LinkUp(link) => assert_eq!(told.links.insert(link.source, link), None),
            Change::LinkDown { link, .. } => assert_eq!(told.links.remove(&link.source), Some(link)),
            Change::HostLearned(mac) => {
                let host = network.hosts.get(&mac).cloned();
                // It may be gone again by now; then its end is told, too.
                let host = host.unwrap_or(Host {
                    mac,
                    port: id(0, 0),
                    addresses: Default::default(),
                    since: Time::ZERO,
                    last_seen: Time::ZERO,
                });
                assert_eq!(self.hosts.insert(mac, host), None);
            }
            Change::HostMoved { mac, .. } | Change::HostAddressed(mac) | Change::HostFixed(mac) => {
                let host = self.hosts.get_mut(&mac).expect("a host that nobody told of changed");
                if let Some(now) = network.hosts.get(&mac) {
                    *host = now.clone();
                }
            }
            Change::HostForgotten { host, .. } => assert!(self.hosts.remove(&host.mac).is_some()),
        }
    }
}

fn assert_invariants(discovery: &Discovery) {
    let network = discovery.network();
    for host in network.hosts.values() {
        let port = network.port(host.port).expect("a host on a port that is not there");
        assert!(port.info.up && port.state == PortState::Edge, "a host on a port in state {:?}", port.state);
        for address in host.addresses.iter() {
            assert_eq!(network.host_at(address), Some(host));
        }
    }
    let addresses: usize = network.hosts.values().map(|host| host.addresses.len()).sum();
    assert_eq!(network.hosts.address_count(), addresses);
    let mut ends = BTreeSet::new();
    assert!(discovery.moves.pending.keys().all(|mac| network.hosts.contains_key(mac)));
    assert!(discovery.moves.pending.len() + discovery.moves.claims.len() <= crate::MAX_PENDING_MOVES);
    assert!(discovery.moves.contested.keys().all(|mac| network.hosts.contains_key(mac)));
    assert!(discovery.mtus.keys().all(|port| discovery.controls.contains_key(port)));
    let conditions = discovery.conditions(Time::MAX);
    assert_eq!(conditions.counts.values().sum::<usize>(), conditions.shown.len());
    assert!(
        conditions.shown.iter().all(|it| crate::Condition::KINDS.contains(&it.kind()) && !it.to_string().is_empty())
    );
    assert!(network.crossing.iter().chain(network.latencies.keys()).all(|source| network.links.contains_key(source)));
    assert!(discovery.odd_probes.keys().all(|port| discovery.controls.contains_key(port)));
    assert!(discovery.refused.keys().all(|source| discovery.controls.contains_key(source)));
    let switches: BTreeSet<DatapathId> = network.switches.keys().copied().collect();
    assert_eq!(discovery.connected_at.keys().copied().collect::<BTreeSet<_>>(), switches);
    for (source, link) in &network.links {
        assert_eq!(*source, link.source);
        assert!(discovery.links_into[&link.target].contains(source));
        ends.extend([link.source, link.target]);
    }
    assert_eq!(discovery.links_into.values().map(|sources| sources.len()).sum::<usize>(), network.links.len());
    let mut counted = 0;
    for (id, port) in network.ports() {
        assert_eq!(port.state == PortState::Link, ends.remove(&id), "{id} is {:?}", port.state);
        assert!(port.info.up || port.state == PortState::Unknown);
        let neighbors = port.lldp_neighbor.as_ref().map_or(0, |neighbors| neighbors.iter().len());
        assert_eq!((neighbors, port.lldp_neighbor.is_some()), (discovery.controls[&id].neighbors.len(), neighbors > 0));
        counted += neighbors;
        let takes_hosts = port.state == PortState::Edge && network.switches[&id.datapath_id].connected;
        assert_eq!(network.takes_hosts(id), takes_hosts, "{id}");
        let control = &discovery.controls[&id];
        let probed = port.info.up && network.switches[&id.datapath_id].connected;
        assert_eq!((control.class.is_some(), control.next_probe.is_some()), (probed, probed), "{id}");
    }
    assert_eq!(discovery.lldp_neighbors, counted);
    let mut silent: BTreeMap<PortId, usize> = BTreeMap::new();
    for (datapath_id, links) in &discovery.silent {
        assert!(!links.is_empty());
        for source in links {
            let link = network.links[source];
            assert!([link.source, link.target].iter().any(|end| end.datapath_id == *datapath_id));
            *silent.entry(*source).or_default() += 1;
        }
    }
    for (id, control) in &discovery.controls {
        let waits_for = control.doubt.unwrap_or(0);
        assert_eq!(waits_for, silent.remove(id).unwrap_or(0), "{id}");
    }
    assert!(silent.is_empty());
    assert!(ends.is_empty(), "links end at ports that are not there: {ends:?}");
    assert_eq!(discovery.controls.len(), network.ports().count());
    assert_eq!(network.edges.len(), network.ports().filter(|(id, _)| network.takes_hosts(*id)).count());
    assert_eq!(
        discovery.probe_queues.iter().map(BTreeSet::len).sum::<usize>(),
        discovery.controls.values().filter(|c| c.next_probe.is_some()).count()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold_and_the_changes_tell_everything(
        events in prop::collection::vec(any_event(), 1..80), broadcast_probes: bool, protect_host_ports: bool,
        confirms: bool
    ) {
        let move_confirmation = if confirms { ms(300) } else { Duration::ZERO };
        let config = DiscoveryConfig { broadcast_probes, protect_host_ports, move_confirmation, ..DiscoveryConfig::default() };
        let mut chaos = Chaos { lab: Lab::new(config), probes: VecDeque::new(), told: Network::default(), hosts: BTreeMap::new() };
        for event in events {
            chaos.apply(event);
        }
        // Afterwards a quiet network says what the wires say. First every grace is over: a switch that went only at the end of the quiet
        // time would leave ports behind that are rightly held Unknown.
        (0..SWITCHES).for_each(|switch| chaos.apply(Event::Mute(switch, false)));
        chaos.apply(Event::Sleep(SWITCH_GRACE.as_millis() as u64));
        chaos.run(Duration::from_secs(30), usize::MAX);
        let at_cloud = std::mem::take(&mut chaos.lab.cloud);
        let refused = |id: PortId| chaos.lab.discovery.refused.iter().any(|(source, link)| id == *source || id == link.target);
        let network = chaos.lab.discovery.network();
        let carries = |port: PortId| {
            network.port(port).is_some_and(|port| port.info.up) && network.switches[&port.datapath_id].connected
        };
        let real: BTreeSet<PortId> = chaos.lab.wires.iter()
            .flat_map(|(a, far_ends)| far_ends.iter().map(|b| [*a, *b]))
            .filter(|ends| ends.iter().all(|end| carries(*end)))
            .flatten()
            .collect();
        for (id, port) in network.ports().filter(|(id, _)| carries(*id)) {
            let touches_frozen = network.links.get(&id).is_some_and(|link| !carries(link.target))
                || network.links.values().any(|link| link.target == id && !carries(link.source));
            if real.contains(&id) && refused(id) {
                let hosts = network.hosts.count_on_port(id) > 0;
                prop_assert!(port.state == PortState::Link || hosts == (port.state == PortState::Edge), "{}", id);
            } else if !touches_frozen && !at_cloud.contains(&id) && !refused(id) {
                let expected = if real.contains(&id) { PortState::Link } else { PortState::Edge };
                prop_assert_eq!(port.state, expected, "{}", id);
            }
        }
        // And with all switches gone and all hosts with them there is nothing left to wait for.
        for switch in 0..SWITCHES {
            chaos.lab.discovery.handle_switch_down(DatapathId(switch), chaos.lab.now);
        }
        chaos.run(SWITCH_GRACE, usize::MAX);
        chaos.lab.run(ms(1));
        chaos.settle();
        prop_assert_eq!(chaos.lab.discovery.poll_timeout(), None);
        let network = chaos.lab.discovery.network();
        prop_assert!(network.switches.is_empty() && network.links.is_empty() && network.hosts.is_empty());
        prop_assert_eq!(chaos.lab.discovery.schedule.ports(), [0; 3]);
    }
}
