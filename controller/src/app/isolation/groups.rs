//! The groups that are kept apart, who is in them, and the rules that follow from that alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use net::packet::{NetworkLayer, Packet};
use net::{DatapathId, MacAddr, PortId, Prefix, PrefixMap};
use openflow::FlowMod;
use openflow::syntax::parse_flow;
use topology::{Host, Network};

use crate::app::static_rules::{OperatorRules, RuleList, StaticRule};
use crate::flow::Owner;
use crate::flow::pipeline::{FORWARD, ISOLATE_ADDRESS, ISOLATE_PORT, ISOLATE_SOURCE, ISOLATE_TO, isolate};
use crate::verify::Membership;

/// Groups of all sets together: each has a bit of the metadata, which has 64 (OpenFlow 1.3.5 §7.2.3.7).
pub const GROUPS_MAX: usize = 64;

/// Members of all groups together: hosts, prefixes and ports. Each host and prefix is some rules on every switch.
pub const MEMBERS_MAX: usize = 4_096;

/// One group of a set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IsolatedGroup {
    /// The set's name: its groups never reach each other.
    pub set: String,
    /// The group's name.
    pub name: String,
    /// The line of the configuration file, from 1.
    pub line: u32,
    /// Whoever is behind these ports.
    pub ports: BTreeSet<PortId>,
    /// Hosts by MAC address, wherever they are.
    pub macs: BTreeSet<MacAddr>,
    /// Hosts by IP address, wherever they are.
    pub addresses: BTreeSet<Prefix>,
}

impl IsolatedGroup {
    /// How many are named in it.
    pub fn members(&self) -> usize {
        self.ports.len() + self.macs.len() + self.addresses.len()
    }
}

/// All groups. The default keeps nobody apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Isolation {
    groups: Vec<IsolatedGroup>,
    ports: BTreeMap<PortId, Membership>,
    macs: BTreeMap<MacAddr, Membership>,
    addresses: BTreeMap<Prefix, Membership>,
    /// The same, to look addresses up in.
    around: Arc<PrefixMap<Membership>>,
    rules: OperatorRules,
}

impl Default for Isolation {
    fn default() -> Isolation {
        Isolation::new(Vec::new())
    }
}

impl Isolation {
    /// These groups, [`GROUPS_MAX`] at most: what is more has no bit, and is left out.
    pub fn new(mut groups: Vec<IsolatedGroup>) -> Isolation {
        groups.truncate(GROUPS_MAX);
        let (mut ports, mut macs, mut addresses) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (n, group) in groups.iter().enumerate() {
            let others = groups.iter().enumerate().filter(|(m, other)| *m != n && other.set == group.set);
            let membership = Membership { of: 1 << n, never: others.fold(0, |bits, (m, _)| bits | 1 << m) };
            group.ports.iter().for_each(|port| join(&mut ports, *port, membership));
            group.macs.iter().for_each(|mac| join(&mut macs, *mac, membership));
            group.addresses.iter().for_each(|prefix| join(&mut addresses, *prefix, membership));
        }
        // What is in a prefix is in those around it: the widest first, so that the next one around has what is around that.
        let mut by_length: Vec<(&Prefix, &mut Membership)> = addresses.iter_mut().collect();
        by_length.sort_by_key(|(prefix, _)| prefix.len());
        let mut around = PrefixMap::default();
        for (prefix, of) in by_length {
            let outer = around.longest_match(*prefix).map_or_else(Membership::default, |(_, outer)| *outer);
            *of = of.and(outer);
            around.insert(*prefix, *of);
        }
        let around = Arc::new(around);
        let mut isolation = Isolation { groups, ports, macs, addresses, around, rules: OperatorRules::default() };
        isolation.rules = isolation.compile();
        isolation
    }

    /// Whether nobody is kept apart.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups, each at the place of its bit.
    pub fn groups(&self) -> &[IsolatedGroup] {
        &self.groups
    }

    /// The rules that follow from the configuration alone, for every switch, with the line of the group that each comes from.
    pub fn rules(&self) -> &OperatorRules {
        &self.rules
    }

    /// Who is behind a port by configuration.
    pub fn of_port(&self, port: PortId) -> Membership {
        self.ports.get(&port).copied().unwrap_or_default()
    }

    /// Who has a MAC address.
    pub fn of_mac(&self, mac: MacAddr) -> Membership {
        self.macs.get(&mac).copied().unwrap_or_default()
    }

    /// Who has an IP address.
    pub fn of_address(&self, address: IpAddr) -> Membership {
        self.around.lookup(address).map(|(_, of)| *of).unwrap_or_default()
    }

    /// A host where it is.
    pub fn of_host(&self, host: &Host) -> Membership {
        let so_far = self.of_mac(host.mac).and(self.of_port(host.port));
        if self.addresses.is_empty() {
            return so_far;
        }
        host.addresses.iter().fold(so_far, |of, address| of.and(self.of_address(address)))
    }

    /// Who hears what leaves by a port: those whose port it is, and every host that is there.
    pub fn behind(&self, port: PortId, network: &Network) -> u64 {
        if self.is_empty() {
            return 0;
        }
        network.hosts.on_port(port).fold(self.of_port(port).of, |of, host| of | self.of_host(host).of)
    }

    /// The groups that the sender of a frame must not reach. What the tables know of it: its port, its MAC address, its IP address.
    pub fn never_of(&self, port: PortId, packet: &Packet<'_>) -> u64 {
        if self.is_empty() {
            return 0;
        }
        let by_address = match &packet.network {
            NetworkLayer::Arp(arp) => self.of_address(IpAddr::V4(arp.sender_ip)),
            NetworkLayer::Ipv4(ipv4) => self.of_address(IpAddr::V4(ipv4.source)),
            NetworkLayer::Ipv6(ipv6) => self.of_address(IpAddr::V6(ipv6.source)),
            _ => Membership::default(),
        };
        self.of_port(port).and(self.of_mac(packet.ethernet.source)).and(by_address).never
    }

    /// Ports with a group of their own.
    pub fn ports(&self) -> impl Iterator<Item = (PortId, Membership)> + '_ {
        self.ports.iter().map(|(&port, &of)| (port, of))
    }

    /// Hosts by MAC address.
    pub fn macs(&self) -> impl Iterator<Item = (MacAddr, Membership)> + '_ {
        self.macs.iter().map(|(&mac, &of)| (mac, of))
    }

    /// Hosts by IP address; each with the groups of the prefixes around it.
    pub fn addresses(&self) -> impl Iterator<Item = (Prefix, Membership)> + '_ {
        self.addresses.iter().map(|(&prefix, &of)| (prefix, of))
    }

    /// The names of the groups in a set of bits.
    pub fn names(&self, bits: u64) -> Vec<String> {
        let named = self.groups.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
        named.map(|(_, group)| format!("{}.{}", group.set, group.name)).collect()
    }

    /// What the tables know of a host because of the port where it is.
    pub(super) fn rules_of_host(&self, mac: MacAddr, port: PortId) -> Vec<StaticRule> {
        let at = self.of_port(port);
        let mut rules = Vec::new();
        if at == Membership::default() {
            return rules;
        }
        let never = at.and(self.of_mac(mac)).never;
        let (source, to) = (ISOLATE_SOURCE, ISOLATE_TO);
        let priority = isolate::HERE;
        let next = ISOLATE_ADDRESS;
        rules.extend(state(0, &format!("table={source},priority={priority},dl_src={mac}"), &mark(never, never, next)));
        for bit in bits(at.of) {
            let text = format!("table={to},priority={priority},metadata={bit:#x}/{bit:#x},dl_dst={mac}");
            rules.extend(state(0, &text, "drop"));
        }
        rules
    }

    /// The lists of all switches.
    fn compile(&self) -> OperatorRules {
        let (from, source, address, to) = (ISOLATE_PORT, ISOLATE_SOURCE, ISOLATE_ADDRESS, ISOLATE_TO);
        let mut rules = Vec::new();
        let mut say = |line: u32, match_: String, does: &str| rules.extend(state(line, &match_, does));
        if self.is_empty() {
            say(0, format!("table={from},priority=0"), &mark(0, u64::MAX, FORWARD));
            return OperatorRules::new(listed(rules), BTreeMap::new());
        }
        say(0, format!("table={from},priority=0"), &mark(0, u64::MAX, source));
        say(0, format!("table={source},priority=0"), &format!("goto_table:{address}"));
        say(0, format!("table={address},priority=0"), &format!("goto_table:{to}"));
        say(0, format!("table={to},priority={},metadata=0", isolate::NOBODY), &format!("goto_table:{FORWARD}"));
        // The controller sends these on, to the ports where they may go.
        let group_bit = "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00";
        say(0, format!("table={to},priority={},{group_bit}", isolate::TO_ALL), "controller:65535");
        say(0, format!("table={to},priority=0"), &format!("goto_table:{FORWARD}"));
        let named = isolate::NAMED;
        for (mac, of) in &self.macs {
            let line = self.line_of(of.of);
            say(line, format!("table={source},priority={named},dl_src={mac}"), &mark(of.never, of.never, address));
            for bit in bits(of.of) {
                let text = format!("table={to},priority={named},metadata={bit:#x}/{bit:#x},dl_dst={mac}");
                say(line, text, "drop");
            }
        }
        for (prefix, of) in &self.addresses {
            let line = self.line_of(of.of);
            let priority = named + u16::from(prefix.len());
            let kinds: &[(&str, &str, &str)] = match prefix {
                Prefix::V4(_) => &[("ip", "nw_src", "nw_dst"), ("arp", "arp_spa", "arp_tpa")],
                Prefix::V6(_) => &[("ipv6", "ipv6_src", "ipv6_dst")],
            };
            for (kind, sender, target) in kinds {
                // A prefix of length 0 is every packet of its kind.
                let asks = |field: &str| if prefix.len() == 0 { String::new() } else { format!(",{field}={prefix}") };
                let text = format!("table={address},priority={priority},{kind}{}", asks(sender));
                say(line, text, &mark(of.never, of.never, to));
                for bit in bits(of.of) {
                    let asked = asks(target);
                    let text = format!("table={to},priority={priority},metadata={bit:#x}/{bit:#x},{kind}{asked}");
                    say(line, text, "drop");
                }
            }
        }
        let all = listed(rules.clone());
        let mut own: BTreeMap<DatapathId, Vec<StaticRule>> = BTreeMap::new();
        for (port, of) in &self.ports {
            let text = format!("table={from},priority={named},in_port={}", port.port_no.0);
            let rule = state(self.line_of(of.of), &text, &mark(of.never, u64::MAX, source));
            own.entry(port.datapath_id).or_insert_with(|| rules.clone()).extend(rule);
        }
        OperatorRules::new(all, own.into_iter().map(|(at, rules)| (at, listed(rules))).collect())
    }

    /// The line of the first of some groups.
    fn line_of(&self, bits: u64) -> u32 {
        self.groups.get(bits.trailing_zeros() as usize).map_or(0, |group| group.line)
    }
}

fn join<K: Ord>(members: &mut BTreeMap<K, Membership>, member: K, membership: Membership) {
    let so_far = members.entry(member).or_default();
    *so_far = so_far.and(membership);
}

fn bits(of: u64) -> impl Iterator<Item = u64> {
    (0..u64::BITS).map(|n| 1 << n).filter(move |bit| of & bit != 0)
}

/// The actions that write metadata and go on.
fn mark(value: u64, mask: u64, next: openflow::TableId) -> String {
    format!("write_metadata:{value:#x}/{mask:#x},goto_table:{next}")
}

/// A rule of this application from its words. All of them can be read: the tests read every form.
fn state(line: u32, match_: &str, does: &str) -> Option<StaticRule> {
    let FlowMod { table_id, priority, match_, instructions, .. } =
        parse_flow(&format!("{match_},actions={does}")).ok()?;
    StaticRule::owned(Owner::Isolation, table_id, priority, &match_, &instructions, line).ok()
}

fn listed(rules: Vec<StaticRule>) -> RuleList {
    // Each identity stands once: members are kept in maps.
    RuleList::new(rules).unwrap_or_else(|(list, _)| list)
}
