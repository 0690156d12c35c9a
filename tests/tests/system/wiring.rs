//! What should be there and what is: expected links, static hosts, hosts that seem to move, neighbours that are not ours, broadcast probes.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use controller::config::Config;
use controller::core::{CoreConfig, FabricSettings};
use emulator::{CutKind, FabricSpec, HostIndex, LinkIndex};
use net::packet::{Endpoints, build};
use net::{MacAddr, PortId};
use tests::{Simulator, SimulatorOptions};

/// The switches of the emulated fabric by their names, and a `fabric` section.
fn settings(spec: &FabricSpec, fabric: &str) -> FabricSettings {
    let switch = |it: &emulator::SwitchSpec| format!("  {}: {{ datapath_id: \"{}\" }}\n", it.name, it.datapath_id);
    let switches: String = spec.switches.iter().map(switch).collect();
    let text = format!("switches:\n{switches}fabric:\n{fabric}");
    FabricSettings::from(&Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

fn simulator(spec: &FabricSpec, settings: &FabricSettings) -> Simulator {
    let FabricSettings { discovery, wiring, flows, weights, .. } = settings.clone();
    let core = CoreConfig { discovery, wiring, flows, weights, ..CoreConfig::default() };
    let mut simulator = Simulator::new(spec, SimulatorOptions { core, ..SimulatorOptions::default() });
    simulator.converge();
    simulator
}

/// As the file names it.
fn place(spec: &FabricSpec, port: PortId) -> String {
    format!("{}/{}", spec.name(port.datapath_id).unwrap(), port.port_no)
}

fn kinds(simulator: &Simulator) -> Vec<&'static str> {
    simulator.core().conditions(simulator.now()).shown.iter().map(topology::Condition::kind).collect()
}

/// Says that `mac` has `address`, at the port of a host that may be another one.
fn claim(simulator: &mut Simulator, at: HostIndex, mac: MacAddr, address: Ipv4Addr) {
    let now = simulator.now();
    simulator.fabric.send_frame(at, build::arp_request(mac, address, address), now);
}

fn port_of(simulator: &Simulator, mac: MacAddr) -> Option<PortId> {
    simulator.core().network().hosts.get(&mac).map(|host| host.port)
}

#[test]
fn an_expected_link_that_is_missing_is_a_condition_until_it_is_back() {
    let spec = FabricSpec::ring_with_chord(4, 2);
    let links: Vec<String> =
        spec.links.iter().map(|link| format!("\"{} - {}\"", place(&spec, link.a), place(&spec, link.b))).collect();
    let settings = settings(&spec, &format!("  expected_links: [{}]\n  expected_links_only: true\n", links.join(", ")));
    let mut simulator = simulator(&spec, &settings);
    assert_eq!(kinds(&simulator), [""; 0]);
    let now = simulator.now();
    simulator.fabric.cut_link(LinkIndex(1), CutKind::Silent, now);
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(kinds(&simulator), ["link_missing"]);
    let now = simulator.now();
    simulator.fabric.mend_link(LinkIndex(1), now);
    simulator.run_for(Duration::from_secs(5));
    assert_eq!(kinds(&simulator), [""; 0]);
}

#[test]
fn what_is_said_of_a_link_that_leads_elsewhere_is_a_condition_until_the_reload_that_says_it_right() {
    let spec = FabricSpec::ring_with_chord(4, 2);
    let (link, other) = (&spec.links[0], &spec.links[1]);
    let drained =
        |a, b| format!("  {{}}\nlinks:\n- {{ between: \"{} - {}\", drain: true }}\n", place(&spec, a), place(&spec, b));
    let mut simulator = simulator(&spec, &settings(&spec, "  {}\n"));
    simulator.configure(settings(&spec, &drained(link.a, other.b)));
    assert_eq!(kinds(&simulator), ["stated_elsewhere"]);
    simulator.configure(settings(&spec, &drained(link.a, link.b)));
    assert_eq!(kinds(&simulator), [""; 0]);
}

#[test]
fn a_cable_in_the_wrong_port_is_a_condition_and_a_reload_that_says_so_ends_it() {
    let spec = FabricSpec::ring_with_chord(4, 2);
    let (link, other) = (&spec.links[0], &spec.links[1]);
    let swapped = format!("  expected_links: [\"{} - {}\"]\n", place(&spec, link.a), place(&spec, other.b));
    let mut simulator = simulator(&spec, &settings(&spec, &swapped));
    assert_eq!(kinds(&simulator), ["link_elsewhere"]);
    let right = format!("  expected_links: [\"{} - {}\"]\n", place(&spec, link.a), place(&spec, link.b));
    assert_eq!(simulator.configure(settings(&spec, &right)), ["fabric.expected_links"]);
    assert_eq!(kinds(&simulator), [""; 0]);
    let only = format!("{right}  expected_links_only: true\n");
    assert_eq!(simulator.configure(settings(&spec, &only)), ["fabric.expected_links_only"]);
    assert_eq!(kinds(&simulator), ["link_unexpected"; 4]);
}

#[test]
fn a_cable_that_leads_back_to_its_own_switch_is_a_condition() {
    let mut spec = FabricSpec::ring_with_chord(4, 2);
    let at = spec.switches[0].datapath_id;
    spec.add_link(at, at);
    let simulator = simulator(&spec, &settings(&spec, "  damping: true\n"));
    assert_eq!(kinds(&simulator), ["loopback"]);
    simulator.assert_no_loop();
}

#[test]
fn a_foreign_lldp_frame_makes_a_neighbor_of_its_port() {
    let spec = FabricSpec::ring_with_chord(4, 2);
    let mut simulator = simulator(&spec, &settings(&spec, "  damping: true\n"));
    let frame = b"\x01\x80\xc2\x00\x00\x0e\x02\x00\x00\x00\x00\x77\x88\xcc\x02\x07\x04\x02\x00\x00\x00\x00\x77\x04\x05\x05eth0\x06\x02\x02\x58\x0a\x05rack7\x00\x00";
    let now = simulator.now();
    simulator.fabric.send_frame(HostIndex(1), Bytes::from_static(frame), now);
    simulator.run_for(Duration::from_millis(10));
    let neighbors: Vec<(PortId, String)> =
        simulator.core().network().lldp_neighbors().map(|(port, neighbor)| (port, neighbor.to_string())).collect();
    assert_eq!(neighbors, [(spec.hosts[1].port, "rack7 eth0".to_owned())]);
    simulator.run_for(Duration::from_secs(601));
    assert_eq!(simulator.core().network().lldp_neighbors().count(), 0, "its time to live is over");
}

#[test]
fn whoever_uses_the_address_of_a_host_that_answers_is_refused_and_a_host_that_is_silent_has_moved() {
    let spec = FabricSpec::ring_with_chord(4, 3);
    let mut simulator = simulator(&spec, &settings(&spec, "  move_confirmation: 300ms\n"));
    simulator.announce_all();
    simulator.run_for(Duration::from_secs(1));
    let (thief, victim) = (HostIndex(0), &spec.hosts[1]);
    claim(&mut simulator, thief, victim.mac, victim.ipv4);
    simulator.run_for(Duration::from_secs(1));
    assert_eq!(port_of(&simulator, victim.mac), Some(victim.port));
    assert_eq!(simulator.core().discovery_counters().moves_refused, 1);
    assert_eq!(kinds(&simulator), ["host_contested"]);
    simulator.run_for(Duration::from_secs(12));
    assert_eq!(kinds(&simulator), [""; 0], "it is told for a while");
    simulator.assert_installed_is_desired();

    // Nobody answers for this one where it was.
    let (mac, address) = (MacAddr([2, 0, 0, 0, 9, 9]), Ipv4Addr::new(10, 0, 99, 99));
    claim(&mut simulator, HostIndex(0), mac, address);
    simulator.run_for(Duration::from_secs(1));
    assert_eq!(port_of(&simulator, mac), Some(spec.hosts[0].port));
    claim(&mut simulator, HostIndex(2), mac, address);
    simulator.run_for(Duration::from_millis(200));
    assert_eq!(port_of(&simulator, mac), Some(spec.hosts[0].port), "it is still being asked for");
    simulator.run_for(Duration::from_millis(200));
    assert_eq!(port_of(&simulator, mac), Some(spec.hosts[2].port));
    simulator.run_for(Duration::from_secs(1));
    simulator.assert_installed_is_desired();
}

#[test]
fn a_static_host_is_there_unseen_stays_when_silent_and_over_a_restart_and_nobody_takes_its_place() {
    let spec = FabricSpec::ring_with_chord(4, 3);
    let host = &spec.hosts[1];
    let text = format!(
        "  host_timeout: 10s\n  move_confirmation: 0s\n  static_hosts: [{{ mac: \"{}\", port: {}, addresses: [{}] }}]\n",
        host.mac,
        place(&spec, host.port),
        host.ipv4
    );
    let settings = settings(&spec, &text);
    let mut simulator = simulator(&spec, &settings);
    assert_eq!(port_of(&simulator, host.mac), Some(host.port), "nothing was seen of it");
    simulator.assert_installed_is_desired();
    let before = simulator.core().reconciler().counters().flow_mods[0];
    simulator.run_for(Duration::from_secs(200));
    assert_eq!(port_of(&simulator, host.mac), Some(host.port), "it does not age");
    simulator.assert_installed_is_desired();
    let added = simulator.core().reconciler().counters().flow_mods[0] - before;
    assert_eq!(added, 0, "its rule does not go and come back");
    claim(&mut simulator, HostIndex(0), host.mac, host.ipv4);
    claim(&mut simulator, HostIndex(2), spec.hosts[2].mac, host.ipv4);
    simulator.run_for(Duration::from_secs(1));
    assert_eq!(port_of(&simulator, host.mac), Some(host.port));
    assert_eq!(kinds(&simulator), ["host_contested", "address_contested"], "by two machines at two ports");
    let owner = simulator.core().network().host_at(host.ipv4.into()).map(|owner| owner.mac);
    assert_eq!(owner, Some(host.mac), "nobody takes its address");
    simulator.kill_controller();
    simulator.start_controller(Duration::ZERO);
    simulator.converge();
    assert_eq!(port_of(&simulator, host.mac), Some(host.port));
    // Taken out of the file it is a host like any other.
    simulator.configure(FabricSettings { wiring: Default::default(), ..settings });
    simulator.run_for(Duration::from_secs(200));
    assert_eq!(port_of(&simulator, host.mac), None);
    simulator.run_for(Duration::from_secs(1));
    simulator.assert_installed_is_desired();
}

#[test]
fn broadcast_probes_have_a_rule_where_they_are_sent_and_none_elsewhere() {
    let spec = FabricSpec::ring_with_chord(4, 2);
    let mut simulator = simulator(&spec, &settings(&spec, "  damping: true\n"));
    let before = simulator.fabric.flow_count();
    for (text, more) in [("true", 4), ("false", 0)] {
        let taken = simulator.configure(settings(&spec, &format!("  broadcast_probes: {text}\n")));
        assert_eq!(taken, ["fabric.broadcast_probes"]);
        simulator.run_for(Duration::from_secs(5));
        assert_eq!(simulator.fabric.flow_count(), before + more, "one on each of the four switches");
        assert_eq!(simulator.links_known(), spec.links.len());
        simulator.assert_installed_is_desired();
    }
}

#[test]
fn an_address_that_somebody_else_says_stays_with_the_host_that_answers_for_it() {
    let spec = FabricSpec::ring_with_chord(4, 3);
    let mut simulator = simulator(&spec, &settings(&spec, "  move_confirmation: 300ms\n"));
    simulator.announce_all();
    simulator.run_for(Duration::from_secs(1));
    let (victim, thief) = (&spec.hosts[1], &spec.hosts[0]);
    claim(&mut simulator, HostIndex(0), thief.mac, victim.ipv4);
    simulator.run_for(Duration::from_secs(1));
    let owner = simulator.core().network().host_at(victim.ipv4.into()).map(|host| host.mac);
    assert_eq!((owner, kinds(&simulator)), (Some(victim.mac), vec!["address_contested"]));
    // The same machine wants the host's place, too: one attack is told once.
    claim(&mut simulator, HostIndex(0), victim.mac, victim.ipv4);
    simulator.run_for(Duration::from_secs(1));
    assert_eq!(kinds(&simulator), ["host_contested"]);
}

#[test]
fn addresses_come_from_ip_packets_on_link_and_from_stated_dhcp_servers_alone() {
    let spec = FabricSpec::ring_with_chord(4, 4);
    // Nothing has been seen of these yet.
    let macs = [1, 2, 3].map(|last| MacAddr([2, 0, 0, 0, 77, last]));
    let client = macs[0];
    let on_link = "  subnets: [10.0.55.0/24]\n";
    let [near, far] = [Ipv4Addr::new(10, 0, 55, 1), Ipv4Addr::new(10, 0, 66, 1)];
    let mut simulator = simulator(&spec, &settings(&spec, on_link));
    let rules = simulator.fabric.flow_count();
    let send = |simulator: &mut Simulator, at: usize, from: Ipv4Addr, ports: (u16, u16), payload: &[u8]| {
        let (destination_mac, destination) = (MacAddr::BROADCAST, Ipv4Addr::BROADCAST);
        let ends = Endpoints { source_mac: macs[at], destination_mac, source: from, destination };
        let now = simulator.now();
        let heard = simulator.fabric.host_stats(HostIndex(3)).accepted;
        simulator.fabric.send_frame(HostIndex(at), build::udp_ipv4(&ends, ports.0, ports.1, payload).unwrap(), now);
        simulator.run_for(Duration::from_secs(1));
        assert_eq!(simulator.fabric.host_stats(HostIndex(3)).accepted, heard + 1, "it is sent on as ever, once");
    };
    let owner = |simulator: &Simulator, address: Ipv4Addr| {
        simulator.core().network().host_at(address.into()).map(|host| host.mac)
    };
    send(&mut simulator, 0, near, (5_000, 5_001), b"x");
    send(&mut simulator, 1, far, (5_000, 5_001), b"x");
    assert_eq!(owner(&simulator, near), Some(client));
    assert_eq!(owner(&simulator, far), None, "its address is not on link: it may be a router");

    let leased = Ipv4Addr::new(10, 0, 77, 7);
    let acknowledgement = acknowledgement(client, leased);
    send(&mut simulator, 1, far, (67, 68), &acknowledgement);
    assert_eq!((owner(&simulator, leased), kinds(&simulator)), (None, vec![]), "nobody has said who may");
    let text = format!("{on_link}  dhcp_servers: [{}]\n", place(&spec, spec.hosts[1].port));
    assert_eq!(simulator.configure(settings(&spec, &text)), ["fabric.dhcp_servers"]);
    simulator.run_for(Duration::from_secs(1));
    simulator.assert_installed_is_desired();
    send(&mut simulator, 2, far, (67, 68), &acknowledgement);
    assert_eq!((owner(&simulator, leased), kinds(&simulator)), (None, vec!["rogue_dhcp_server"]));
    send(&mut simulator, 1, far, (67, 68), &acknowledgement);
    assert_eq!(owner(&simulator, leased), Some(client));
    // Who renews says so itself: its rule does not keep that from the controller.
    let renewed = Ipv4Addr::new(10, 0, 77, 8);
    let mut request = self::acknowledgement(client, Ipv4Addr::UNSPECIFIED);
    request[0] = 1;
    request[12..16].copy_from_slice(&renewed.octets());
    send(&mut simulator, 0, renewed, (68, 67), &request);
    assert_eq!(owner(&simulator, renewed), Some(client));

    assert_eq!(simulator.configure(settings(&spec, on_link)), ["fabric.dhcp_servers"]);
    simulator.run_for(Duration::from_secs(1));
    assert_eq!(kinds(&simulator), [""; 0]);
    simulator.assert_installed_is_desired();
    assert_eq!(simulator.fabric.flow_count(), rules + macs.len() * (spec.switches.len() + 1), "the copies are over");
}

/// A DHCPACK (RFC 2131 §2, RFC 2132 §9.6).
fn acknowledgement(client: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[..3].copy_from_slice(&[2, 1, 6]);
    message[16..20].copy_from_slice(&address.octets());
    message[28..34].copy_from_slice(&client.0);
    message.extend([99, 130, 83, 99, 53, 1, 5, 255]);
    message
}

#[test]
fn a_link_that_is_slower_than_the_file_allows_is_told_and_carries_on() {
    let mut spec = FabricSpec::ring_with_chord(4, 2);
    spec.links[1].latency = Duration::from_millis(50);
    let mut simulator = simulator(&spec, &settings(&spec, "  max_link_latency: 100ms\n"));
    simulator.run_for(Duration::from_secs(3));
    assert_eq!(kinds(&simulator), [""; 0]);
    let links = simulator.core().network().bidirectional_links().count();
    let changed = simulator.configure(settings(&spec, "  max_link_latency: 20ms\n"));
    assert_eq!(changed, ["fabric.max_link_latency"]);
    simulator.run_for(Duration::from_secs(3));
    assert_eq!(kinds(&simulator), ["late_probes"; 2]);
    assert_eq!(simulator.core().network().bidirectional_links().count(), links);
    simulator.configure(settings(&spec, "  max_link_latency: 0s\n"));
    simulator.run_for(Duration::from_secs(3));
    assert_eq!(kinds(&simulator), [""; 0]);
}
