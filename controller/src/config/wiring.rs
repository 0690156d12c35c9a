//! `fabric`: how links and hosts are found, and which of them should be there.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use net::{MacAddr, PortId};
use topology::{DhcpServer, DiscoveryConfig, ExpectedLink, MAX_ADDRESSES_PER_HOST, MAX_HOSTS, StaticHost};

use super::isolate::{port, port_of};
use super::types::{FabricConfig, SwitchConfig};
use super::walk::{Field, Fields, Walk};
use crate::core::Wiring;

/// Links that may be expected: three times those of the largest network that is planned for. Each is looked for at every tick.
pub(super) const EXPECTED_LINKS_MAX: usize = 65_536;

/// Prefixes on link: each is looked at for an IP packet of a host that is not known.
const SUBNETS_MAX: usize = 256;

/// DHCP servers: one for each rack of the largest network that is planned for.
const DHCP_SERVERS_MAX: usize = 1_024;

/// `fabric`.
pub(super) fn fabric(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
) -> FabricConfig {
    let FabricConfig { discovery: defaults, .. } = FabricConfig::default();
    let damped = walk.read(fields, "damping", Walk::boolean).unwrap_or(true);
    let discovery = DiscoveryConfig {
        probe_interval: walk.read(fields, "probe_interval", Walk::duration).unwrap_or(defaults.probe_interval),
        probe_misses: walk.read(fields, "probe_misses", Walk::integer).unwrap_or(defaults.probe_misses),
        probe_budget_per_second: walk
            .read(fields, "probe_budget_per_second", Walk::integer)
            .unwrap_or(defaults.probe_budget_per_second),
        broadcast_probes: walk.read(fields, "broadcast_probes", Walk::boolean).unwrap_or(defaults.broadcast_probes),
        flap_half_life: if damped { defaults.flap_half_life } else { Duration::ZERO },
        protect_host_ports: walk
            .read(fields, "protect_host_ports", Walk::boolean)
            .unwrap_or(defaults.protect_host_ports),
        max_link_latency: walk.read(fields, "max_link_latency", Walk::duration).unwrap_or(defaults.max_link_latency),
        host_timeout: walk.read(fields, "host_timeout", Walk::duration).unwrap_or(defaults.host_timeout),
        max_hosts_per_port: walk
            .read(fields, "host_limit_per_port", |walk, field| walk.integer::<u32>(field))
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(defaults.max_hosts_per_port),
        move_confirmation: walk.read(fields, "move_confirmation", Walk::duration).unwrap_or(defaults.move_confirmation),
        ..defaults
    };
    let links = walk.read(fields, "expected_links", |walk, field| expected_links(walk, field, switches));
    let expected_links = links.unwrap_or_default();
    let hosts = walk.read(fields, "static_hosts", |walk, field| {
        static_hosts(walk, field, switches, &expected_links, discovery.max_hosts_per_port)
    });
    let wiring = Wiring {
        expected_links,
        expected_links_only: walk.read(fields, "expected_links_only", Walk::boolean).unwrap_or(false),
        static_hosts: hosts.unwrap_or_default(),
        ..Wiring::default()
    };
    let subnets = walk.read(fields, "subnets", |walk, field| at_most(walk, field, SUBNETS_MAX, Walk::prefix));
    let servers = walk.read(fields, "dhcp_servers", |walk, field| {
        at_most(walk, field, DHCP_SERVERS_MAX, |walk, field| dhcp_server(walk, field, switches, &wiring.static_hosts))
    });
    let wiring = Wiring { subnets: subnets.unwrap_or_default(), dhcp_servers: servers.unwrap_or_default(), ..wiring };
    FabricConfig { discovery, wiring: Arc::new(wiring) }
}

/// `expected_links`: each a pair of ports, each port once.
fn expected_links(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
) -> Option<Vec<ExpectedLink>> {
    let mut links = Vec::new();
    let mut lines: HashMap<PortId, usize> = HashMap::new();
    for item in walk.items(field)? {
        let line = item.node.mark.line;
        let link = walk.parsed(&item, "a link such as s1/3 - s2/uplink", |text| {
            ends_of(text, switches, &mut lines, line).map(|ends| ExpectedLink { ends })
        });
        links.extend(link);
    }
    if links.len() > EXPECTED_LINKS_MAX {
        let message = format!("{} links: {EXPECTED_LINKS_MAX} at most are looked for", links.len());
        walk.refuse(field.node.mark, &field.path, message);
    }
    Some(links)
}

/// `SWITCH/PORT - SWITCH/PORT`, the lower port first. `lines` has the ports of the links before, with the line of each.
pub(super) fn ends_of(
    text: &str,
    switches: &BTreeMap<String, SwitchConfig>,
    lines: &mut HashMap<PortId, usize>,
    line: usize,
) -> Result<[PortId; 2], String> {
    let Some((one, other)) = text.split_once(" - ") else {
        return Err(format!("`{text}`: not SWITCH/PORT - SWITCH/PORT, as in s1/3 - s2/uplink"));
    };
    let mut ends = [port_of(one.trim(), switches)?, port_of(other.trim(), switches)?];
    if ends[0] == ends[1] {
        return Err(format!("`{text}`: both ends are the same port"));
    }
    for (end, written) in ends.iter().zip([one, other]) {
        if let Some(first) = lines.get(end) {
            return Err(format!("`{}` stands in the link of line {first} too", written.trim()));
        }
    }
    ends.sort_unstable();
    lines.extend(ends.map(|end| (end, line)));
    Ok(ends)
}

/// `static_hosts`: each MAC address and each IP address once, at ports that may have hosts.
fn static_hosts(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    links: &[ExpectedLink],
    per_port: usize,
) -> Option<Vec<StaticHost>> {
    let mut hosts = Vec::new();
    let mut macs: HashMap<MacAddr, usize> = HashMap::new();
    let mut owners: HashMap<IpAddr, usize> = HashMap::new();
    let mut counts: HashMap<PortId, usize> = HashMap::new();
    let linked: HashMap<PortId, ()> = links.iter().flat_map(|link| link.ends).map(|end| (end, ())).collect();
    for item in walk.items(field)? {
        let Some(section) = walk.section(&item) else { continue };
        let line = item.node.mark.line;
        let mac = walk.read(&section, "mac", mac_address);
        let port = walk.read(&section, "port", |walk, field| port(walk, field, switches));
        let addresses = walk.read(&section, "addresses", |walk, field| walk.list(field, host_address));
        let addresses = addresses.unwrap_or_default();
        let mut wrong = |key: &str, message: String| walk.refuse(item.node.mark, &section.path_of(key), message);
        if let Some(first) = mac.and_then(|mac| macs.insert(mac, line)) {
            wrong("mac", format!("the host of line {first} has the same"));
        }
        if addresses.len() > MAX_ADDRESSES_PER_HOST {
            wrong("addresses", format!("{} addresses: a host has {MAX_ADDRESSES_PER_HOST} at most", addresses.len()));
        }
        for address in &addresses {
            if let Some(first) = owners.insert(*address, line) {
                wrong("addresses", format!("{address} is the host's of line {first} too"));
            }
        }
        let Some(port) = port else { continue };
        if linked.contains_key(&port) {
            wrong("port", format!("`expected_links` has a link at {port}: there is no host behind it"));
        }
        let count = counts.entry(port).or_default();
        *count += 1;
        if *count == per_port.saturating_add(1) {
            wrong("port", format!("more hosts at {port} than `host_limit_per_port` ({per_port}) lets be there"));
        }
        hosts.extend(mac.map(|mac| StaticHost { port, mac, addresses }));
    }
    if hosts.len() > MAX_HOSTS {
        walk.refuse(field.node.mark, &field.path, format!("{} hosts: {MAX_HOSTS} at most are known", hosts.len()));
    }
    Some(hosts)
}

/// A list of not more than so many values, each once.
fn at_most<'w, T: Clone + Eq + std::hash::Hash>(
    walk: &mut Walk<'w>,
    field: &Field<'_>,
    most: usize,
    reader: impl FnMut(&mut Walk<'w>, &Field<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let values = walk.list(field, reader)?;
    if values.len() > most {
        walk.refuse(field.node.mark, &field.path, format!("{} values: {most} at most", values.len()));
    }
    Some(values)
}

/// One of `dhcp_servers`: a port, or a static host's MAC address, which stands for its port too.
fn dhcp_server(
    walk: &mut Walk<'_>,
    field: &Field<'_>,
    switches: &BTreeMap<String, SwitchConfig>,
    hosts: &[StaticHost],
) -> Option<DhcpServer> {
    walk.parsed(field, "a port such as s1/3, or the MAC address of a static host", |text| {
        let Ok(mac) = text.parse::<MacAddr>() else {
            return port_of(text, switches).map(|port| DhcpServer { port, mac: None });
        };
        let host = hosts.iter().find(|host| host.mac == mac);
        let host =
            host.ok_or_else(|| format!("`{text}`: `static_hosts` has no such host, and so nobody knows its port"))?;
        Ok(DhcpServer { port: host.port, mac: Some(mac) })
    })
}

fn mac_address(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<MacAddr> {
    walk.parsed(field, "a MAC address", |text| match text.parse::<MacAddr>() {
        Ok(mac) if mac.is_unicast() => Ok(mac),
        Ok(_) => Err(format!("`{text}` is the address of no host")),
        Err(_) => Err(format!("`{text}`: not a MAC address, as in 02:00:00:00:00:07")),
    })
}

fn host_address(walk: &mut Walk<'_>, field: &Field<'_>) -> Option<IpAddr> {
    let address = walk.address(field)?;
    let limited_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() || limited_broadcast {
        walk.refuse(field.node.mark, &field.path, format!("{address} is the address of no host"));
        return None;
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use net::{DatapathId, PortNo};

    use super::super::Config;
    use super::*;

    const SWITCHES: &str =
        "switches:\n  s1: { datapath_id: \"0x1\", ports: { 3: { name: uplink } } }\n  s2: { datapath_id: \"0x2\" }\n";

    fn parse(fabric: &str) -> Result<FabricConfig, String> {
        let text = format!("{SWITCHES}fabric:\n{fabric}");
        Config::parse(&text).map(|parsed| parsed.fabric).map_err(|problems| problems.to_string())
    }

    #[test]
    fn links_and_hosts_are_named_by_switch_and_port() {
        let fabric = parse(
            "  expected_links: [s1/uplink - s2/1, \"s2:2 - s1:2\"]\n  expected_links_only: true\n  static_hosts:\n  - { mac: 02:00:00:00:00:07, port: s1/9, addresses: [10.0.0.7, \"2001:db8::7\"] }\n",
        )
        .unwrap();
        let port = |switch, number| PortId::new(DatapathId(switch), PortNo(number));
        let ends: Vec<_> = fabric.wiring.expected_links.iter().map(|link| link.ends).collect();
        assert_eq!(ends, [[port(1, 3), port(2, 1)], [port(1, 2), port(2, 2)]]);
        assert!(fabric.wiring.expected_links_only);
        let [host] = &fabric.wiring.static_hosts[..] else { panic!("{fabric:?}") };
        assert_eq!((host.port, host.mac, host.addresses.len()), (port(1, 9), MacAddr([2, 0, 0, 0, 0, 7]), 2));
    }

    #[test]
    fn dhcp_servers_are_ports_or_static_hosts() {
        let fabric = parse(
            "  subnets: [10.0.0.0/24, \"2001:db8::/64\"]\n  dhcp_servers: [s1/uplink, \"02:00:00:00:00:07\"]\n  static_hosts: [{ mac: 02:00:00:00:00:07, port: s2/9 }]\n",
        )
        .unwrap();
        assert_eq!(fabric.wiring.subnets, ["10.0.0.0/24", "2001:db8::/64"].map(|text| text.parse().unwrap()));
        let port = |switch, number| PortId::new(DatapathId(switch), PortNo(number));
        let (any, host) = (DhcpServer { port: port(1, 3), mac: None }, MacAddr([2, 0, 0, 0, 0, 7]));
        assert_eq!(fabric.wiring.dhcp_servers, [any, DhcpServer { port: port(2, 9), mac: Some(host) }]);
        assert!(parse("  {}\n").unwrap().wiring.dhcp_servers.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line_its_key_and_why() {
        for (text, said) in [
            ("  expected_links: [s1/1]\n", "5:20: fabric.expected_links[0]: `s1/1`: not SWITCH/PORT - SWITCH/PORT"),
            ("  expected_links: [s1/1 - s3/1]\n", "`s3`: there is no switch of this name"),
            ("  expected_links: [s1/1 - s1/uplnk]\n", "did you mean `uplink`?"),
            ("  expected_links: [s1/uplink - s1/3]\n", "both ends are the same port"),
            (
                "  expected_links:\n  - s1/1 - s2/1\n  - s2/2 - s1/1\n",
                "7:5: fabric.expected_links[1]: `s1/1` stands in the link of line 6 too",
            ),
            (
                "  static_hosts: [{ mac: 01:00:00:00:00:07, port: s1/9 }]\n",
                "static_hosts[0].mac: `01:00:00:00:00:07` is the address of no host",
            ),
            ("  static_hosts: [{ mac: 02:00:00:00:00:07 }]\n", "static_hosts[0].port: missing"),
            (
                "  static_hosts: [{ mac: 02:00:00:00:00:07, port: s1/9, addresses: [224.0.0.1] }]\n",
                "224.0.0.1 is the address of no host",
            ),
            (
                "  static_hosts:\n  - { mac: 02:00:00:00:00:07, port: s1/9, addresses: [10.0.0.7] }\n  - { mac: 02:00:00:00:00:07, port: s1/8, addresses: [10.0.0.7] }\n",
                "10.0.0.7 is the host's of line 6 too",
            ),
            (
                "  expected_links: [s1/1 - s2/1]\n  static_hosts: [{ mac: 02:00:00:00:00:07, port: s1/1 }]\n",
                "there is no host behind it",
            ),
            (
                "  host_limit_per_port: 1\n  static_hosts:\n  - { mac: 02:00:00:00:00:07, port: s1/9 }\n  - { mac: 02:00:00:00:00:08, port: s1/9 }\n",
                "than `host_limit_per_port` (1)",
            ),
            ("  subnets: [10.0.0.1/24]\n", "5:13: fabric.subnets[0]: `10.0.0.1/24`"),
            ("  subnets: [10.0.0.0/24, 10.0.0.0/24]\n", "stands twice"),
            ("  dhcp_servers: [s3/1]\n", "`s3`: there is no switch of this name"),
            (
                "  dhcp_servers: [\"02:00:00:00:00:07\"]\n",
                "fabric.dhcp_servers[0]: `02:00:00:00:00:07`: `static_hosts` has no such host",
            ),
            ("  probe_misses: 11\n", "fabric.probe_misses: 11 is outside 1 to 10"),
            ("  move_confirmation: 20s\n", "fabric.move_confirmation: 20s is above 10s"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.contains(said), "{text}: {wrong}");
        }
    }
}
