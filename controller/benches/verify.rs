//! What the verifier takes for a change of one rule: a fabric of 28 leaves and 4 spines, and about as many rules as asked for.
//!
//! Every switch has a rule for each host, the pipeline's own rules, and the operator's: drops by address and port. One change after the other is made and
//! taken back: a host's rule, what an operator writes by address and port (a drop, a deny by prefix and a range of ports, an output to an edge port, another way
//! for one port's traffic), another set of next hops for all hosts of a leaf (what a group change means, as one change of as many rules), and a rule that loses packets. Each change is another rule than those before. The floor beside it makes the same changes and looks
//! at nothing.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use controller::app::static_rules::{OperatorRules, RuleList, StaticRule};
use controller::verdict::{Question, Standing};
use controller::verify::{Effect, Field, Members, Membership, RuleChange, RuleNumber, Ternary, VerifiedRule, Verifier};
use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use openflow::{Action, Instruction, Match, TableId};
use topology::{Link, Network, Port, PortInfo, PortState, Switch};

const LEAVES: u64 = 28;
const SPINES: u64 = 4;
const EDGES: u32 = 48;
const CHANGES: u64 = 10_000;
const IPV4: u64 = 0x0800;
const TCP: u64 = 6;

fn main() {
    println!(
        "{:<46} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "µs per rule change", "rules", "changes", "median", "p99", "longest", "floor"
    );
    for (rules, isolated) in [(1_000, false), (10_000, false), (100_000, false), (100_000, true)] {
        println!(
            "{}",
            if isolated { "Four ports of each leaf in one of two groups:" } else { "Nobody is kept apart:" }
        );
        let mut fabric = Fabric::new(rules, isolated);
        let problems = fabric.verifier.all();
        assert!(problems.is_empty(), "{problems:?}");
        for (name, of) in KINDS {
            fabric.measure(name, of);
        }
        fabric.measure_groups();
        let start = Instant::now();
        let problems = fabric.verifier.all();
        println!(
            "{:<46} {:>8} {:>8} {:>9.0} ms, {} problems",
            "all packets",
            fabric.verifier.len(),
            "",
            start.elapsed().as_secs_f64() * 1e3,
            problems.len()
        );
    }
    measure_configuration();
}

/// A configuration in the same fabric, from nothing and with one line more: a third of it on one leaf.
fn measure_configuration() {
    let switch = |ports: u32| {
        let ports = (1..=ports).map(|n| (PortNo(n), up(n))).collect();
        Switch { connected: true, ports, ..Switch::default() }
    };
    let mut network = Network::new(1);
    for leaf in 0..LEAVES {
        network.switches.insert(self::leaf(leaf), switch(SPINES as u32 + EDGES));
    }
    for spine in 0..SPINES {
        network.switches.insert(self::spine(spine), switch(LEAVES as u32));
        for leaf in 0..LEAVES {
            let ends = [
                PortId::new(self::leaf(leaf), PortNo(1 + spine as u32)),
                PortId::new(self::spine(spine), PortNo(1 + leaf as u32)),
            ];
            for (source, target) in [(ends[0], ends[1]), (ends[1], ends[0])] {
                network.links.insert(source, Link { source, target, since: Time::ZERO });
                let ports = &mut network.switches.get_mut(&source.datapath_id).unwrap().ports;
                ports.get_mut(&source.port_no).unwrap().state = PortState::Link;
            }
        }
    }
    let network = Arc::new(network);
    let rule = |priority: u16, n: u32, proto: u8, does: &[Action], line: u32| {
        let match_ = Match::new().with_eth_type(IPV4 as u16).with_ip_proto(proto).with_ipv4_src(Ipv4Addr::from_bits(n));
        StaticRule::new(TableId(0), priority, &match_, &[Instruction::ApplyActions(does.to_vec())], line).unwrap()
    };
    let rules = 100_000;
    let place = |n: u32| if n.is_multiple_of(3) { leaf(0) } else { leaf(u64::from(n)) };
    let mut lists: BTreeMap<DatapathId, Vec<StaticRule>> = BTreeMap::new();
    for n in 0..rules {
        lists.entry(place(n)).or_default().push(rule(100, n, TCP as u8, &[], n + 1));
    }
    let question = |lists: &BTreeMap<DatapathId, Vec<StaticRule>>, old: Option<&OperatorRules>| {
        let lists = lists.iter().map(|(&at, list)| (at, RuleList::new(list.clone()).unwrap()));
        let mut rules = OperatorRules::new(RuleList::default(), lists.collect());
        old.into_iter().for_each(|old| rules.share(old));
        let (isolation, weights) = (Arc::default(), Arc::default());
        Question { network: network.clone(), rules: Arc::new(rules), isolation, weights }
    };
    let first = question(&lists, None);
    let took = |what: &str, start: Instant| {
        println!("{what:<70} {:>9.1} ms", start.elapsed().as_secs_f64() * 1e3);
    };
    println!("A configuration of {rules} rules:");
    let start = Instant::now();
    let mut standing = Standing::new(&first);
    took("translated from nothing", start);
    let start = Instant::now();
    assert!(standing.look(&|| true).wrong.is_empty());
    took("all packets", start);
    lists.entry(leaf(0)).or_default().push(rule(100, rules, TCP as u8, &[], rules + 1));
    let longer = question(&lists, Some(&first.rules));
    let start = Instant::now();
    assert!(standing.made_worse(&longer, &|| true).wrong.is_empty());
    took("one line more, translated and looked at", start);
    lists.entry(leaf(0)).or_default().push(rule(100, rules, 17, &[Action::output(PortNo(1000))], rules + 2));
    let wrong = question(&lists, Some(&longer.rules));
    let start = Instant::now();
    assert!(!standing.made_worse(&wrong, &|| true).wrong.is_empty());
    took("one that loses packets (it is refused)", start);
    let start = Instant::now();
    standing.follow(&longer);
    took("taken back", start);
}

fn up(n: u32) -> Port {
    let (port_no, name) = (PortNo(n), String::new());
    let info = PortInfo { port_no, hw_addr: MacAddr::ZERO, name, up: true, live: true, curr_speed_kbps: 0 };
    Port { info, state: PortState::Edge, lldp_neighbor: None }
}

/// A kind of change: the rule that is added.
type Kind = fn(&Fabric, u64) -> VerifiedRule;

const KINDS: [(&str, Kind); 6] = [
    ("host's rule", Fabric::host_added),
    ("drop", Fabric::drop_added),
    ("deny by prefix and ports", Fabric::deny_added),
    ("output to an edge", Fabric::output_added),
    ("another way for a port", Fabric::way_added),
    (LOSES, Fabric::loss_added),
];
const LOSES: &str = "rule that loses packets";

struct Fabric {
    verifier: Verifier,
    hosts: u64,
    next: u32,
    /// By switch: the number of the rule to its first host.
    first: BTreeMap<DatapathId, u32>,
}

fn leaf(n: u64) -> DatapathId {
    DatapathId(1 + n % LEAVES)
}

fn spine(n: u64) -> DatapathId {
    DatapathId(100 + n % SPINES)
}

/// Ports of a leaf: hosts from 1 on, then one for each spine. Ports of a spine: one for each leaf.
fn uplink(spine: u64) -> PortNo {
    PortNo(EDGES + 1 + (spine % SPINES) as u32)
}

fn mac(host: u64) -> u64 {
    0x0200_0000_0000 + host
}

fn host_port(host: u64) -> PortId {
    PortId::new(leaf(host), PortNo(1 + (host / LEAVES) as u32 % EDGES))
}

impl Fabric {
    fn new(rules: u64, isolated: bool) -> Fabric {
        let mut links = Vec::new();
        for leaf_no in 0..LEAVES {
            for spine_no in 0..SPINES {
                let (low, high) = (
                    PortId::new(leaf(leaf_no), uplink(spine_no)),
                    PortId::new(spine(spine_no), PortNo(1 + leaf_no as u32)),
                );
                links.extend([(low, high), (high, low)]);
            }
        }
        let edges = (0..LEAVES).flat_map(|n| (1..=EDGES).map(move |port| PortId::new(leaf(n), PortNo(port))));
        let mut members = Members::default();
        if isolated {
            // Two ports of each leaf against two others.
            for n in 0..LEAVES {
                for (port, of) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
                    members.add_port(PortId::new(leaf(n), PortNo(port)), Membership { of, never: 3 - of });
                }
            }
        }
        let switches = LEAVES + SPINES;
        let drops = rules / switches / 20;
        let hosts = (rules / switches).saturating_sub(drops + 12);
        let mut fabric =
            Fabric { verifier: Verifier::new(links, edges, members), hosts, next: 0, first: BTreeMap::new() };
        let ids: Vec<DatapathId> = (0..LEAVES).map(leaf).chain((0..SPINES).map(spine)).collect();
        for &at in &ids {
            let everything = Ternary::default();
            let next = |table| Effect { goto: Some(table), ..Effect::default() };
            fabric.put(at, 0, 0, None, everything, (0, 0), next(1));
            fabric.put(at, 0, 65_535, None, everything.with_exact(Field::EthType, 0x88cc), (0, 0), Effect::default());
            let groups = everything.with(Field::EthDst, 0x0180_c200_0000, 0xffff_ffff_fff0);
            fabric.put(at, 1, 59_000, None, groups, (0, 0), Effect::default());
            fabric.put(at, 1, 40_000, None, everything.with_exact(Field::EthType, 0x0806), (0, 0), next(2));
            fabric.put(at, 1, 0, None, everything, (0, 0), next(2));
            for n in 0..drops {
                fabric.put(at, 0, 100, None, by_address(n), (0, 0), Effect::default());
            }
            fabric.first.insert(at, fabric.next);
            for host in 0..hosts {
                let rule = fabric.host_rule(at, host);
                fabric.verifier.apply(RuleChange::Put(Box::new(rule)));
                fabric.next += 1;
            }
            if !isolated {
                continue;
            }
            for port in 1..=4 {
                let written = if port < 3 { 2 } else { 1 };
                let effect = Effect { metadata: (written, u64::MAX), ..next(2) };
                fabric.put(at, 1, 45_000, Some(PortNo(port)), everything, (0, 0), effect);
            }
            for host in (0..hosts).filter(|host| host_port(*host).port_no.0 <= 4) {
                let of = if host_port(host).port_no.0 < 3 { 1 } else { 2 };
                fabric.put(
                    at,
                    2,
                    2_000,
                    None,
                    everything.with_exact(Field::EthDst, mac(host)),
                    (of, of),
                    Effect::default(),
                );
            }
        }
        fabric
    }

    #[allow(clippy::too_many_arguments)]
    fn put(
        &mut self,
        at: DatapathId,
        table: u8,
        priority: u16,
        in_port: Option<PortNo>,
        header: Ternary,
        metadata: (u64, u64),
        effect: Effect,
    ) {
        let number = RuleNumber(self.next);
        self.next += 1;
        let rule = VerifiedRule {
            number,
            datapath_id: at,
            table,
            priority,
            in_port,
            header,
            metadata,
            partial: false,
            effect,
        };
        self.verifier.apply(RuleChange::Put(Box::new(rule)));
    }

    /// The way to a host: its port, up to all spines, or down to its leaf.
    fn host_rule(&self, at: DatapathId, host: u64) -> VerifiedRule {
        let home = host_port(host);
        let outputs = if at == home.datapath_id {
            [home.port_no].into()
        } else if at.0 >= 100 {
            [PortNo(home.datapath_id.0 as u32)].into()
        } else {
            (0..SPINES).map(uplink).collect()
        };
        VerifiedRule {
            number: RuleNumber(self.next),
            datapath_id: at,
            table: 2,
            priority: 1_000,
            in_port: None,
            header: Ternary::default().with_exact(Field::EthDst, mac(host)),
            metadata: (0, 0),
            partial: false,
            effect: Effect { outputs, ..Effect::default() },
        }
    }

    fn host_added(&self, n: u64) -> VerifiedRule {
        // A new host, on the leaf where it is: nothing leads to it from elsewhere yet. At no group's port, where it would need what keeps it apart.
        let host = (self.hosts + n..).find(|host| host_port(*host).port_no.0 > 4).unwrap_or(self.hosts);
        self.host_rule(host_port(host).datapath_id, host)
    }

    fn drop_added(&self, n: u64) -> VerifiedRule {
        VerifiedRule {
            table: 0,
            priority: 100,
            header: by_address(1_000_000 + n),
            effect: Effect::default(),
            ..self.host_rule(leaf(n), n)
        }
    }

    fn output_added(&self, n: u64) -> VerifiedRule {
        let effect = Effect { outputs: [PortNo(5 + (n % 40) as u32)].into(), ..Effect::default() };
        VerifiedRule {
            table: 0,
            priority: 200,
            header: by_address(2_000_000 + n),
            effect,
            ..self.host_rule(leaf(n), n)
        }
    }

    /// A prefix of its own length and place, and a range of eight ports.
    fn deny_added(&self, n: u64) -> VerifiedRule {
        let length = 16 + (n % 9) as u32;
        let header = Ternary::default()
            .with_exact(Field::EthType, IPV4)
            .with_exact(Field::IpProto, TCP)
            .with(Field::Ipv4Dst, (0x0a00 + n % 64) << 16 | (n % 256) << 8, !0 << (32 - length))
            .with(Field::L4Dst, n % 8_000 * 8, 0xfff8);
        VerifiedRule { table: 0, priority: 150, header, effect: Effect::default(), ..self.host_rule(leaf(n), n) }
    }

    /// From one edge port by one spine, to wherever it goes.
    fn way_added(&self, n: u64) -> VerifiedRule {
        let host = n % self.hosts.max(1);
        // At another leaf than the host's: for hosts here it would be a detour that comes back.
        let home = leaf(host + 1 + n % (LEAVES - 1));
        let effect = Effect { outputs: [uplink(n / LEAVES)].into(), ..Effect::default() };
        let header = by_address(3_000_000 + n).with_exact(Field::EthDst, mac(host));
        let in_port = Some(PortNo(5 + (n % 40) as u32));
        VerifiedRule { table: 0, priority: 200, in_port, header, effect, ..self.host_rule(home, host) }
    }

    fn loss_added(&self, n: u64) -> VerifiedRule {
        let host = n % self.hosts.max(1);
        let home = host_port(host).datapath_id;
        // Nothing is at that port.
        let effect = Effect { outputs: [PortNo(200)].into(), ..Effect::default() };
        VerifiedRule { priority: 1_001, effect, ..self.host_rule(home, host) }
    }

    fn measure(&mut self, name: &str, kind: Kind) {
        let (mut added, mut removed, mut floor) = (Vec::new(), Vec::new(), Vec::new());
        let changes = if name == LOSES { CHANGES / 100 } else { CHANGES };
        for n in 0..changes {
            let rule = kind(self, n.wrapping_mul(7_919));
            let number = rule.number;
            let copy = RuleChange::Put(Box::new(rule.clone()));
            let start = Instant::now();
            self.verifier.apply(copy);
            floor.push(start.elapsed().as_secs_f64());
            self.verifier.apply(RuleChange::Remove(number));
            let change = RuleChange::Put(Box::new(rule));
            let start = Instant::now();
            let problems = self.verifier.change(change);
            added.push(start.elapsed().as_secs_f64());
            assert_eq!(problems.is_empty(), name != LOSES, "{problems:?}");
            let start = Instant::now();
            let problems = self.verifier.change(RuleChange::Remove(number));
            removed.push(start.elapsed().as_secs_f64());
            assert!(problems.is_empty(), "{problems:?}");
        }
        for (what, times) in [("added", added), ("removed", removed)] {
            self.print(&format!("{name} {what}"), times, &mut floor);
        }
    }

    /// The rules of a leaf for all hosts of another one lead by one spine less, and by all again.
    fn measure_groups(&mut self) {
        let (mut times, mut floor, mut rules) = (Vec::new(), Vec::new(), 0);
        for n in 0..CHANGES / 100 {
            let (at, to) = (leaf(n), leaf(n / LEAVES + 1 + n));
            if at == to {
                continue;
            }
            let hosts = (0..self.hosts).filter(|host| host_port(*host).datapath_id == to);
            let numbered = hosts.filter_map(|host| {
                let number = RuleNumber(*self.first.get(&at)? + host as u32);
                Some(VerifiedRule { number, ..self.host_rule(at, host) })
            });
            let before: Vec<VerifiedRule> = numbered.collect();
            rules = rules.max(before.len());
            let mut after = before.clone();
            for rule in &mut after {
                rule.effect.outputs.remove(&uplink(n));
            }
            let changes = |rules: &[VerifiedRule]| -> Vec<RuleChange> {
                rules.iter().map(|rule| RuleChange::Put(Box::new(rule.clone()))).collect()
            };
            for rules in [&after, &before] {
                let change = changes(rules);
                let start = Instant::now();
                change.into_iter().for_each(|change| self.verifier.apply(change));
                floor.push(start.elapsed().as_secs_f64());
            }
            for rules in [&after, &before] {
                let change = changes(rules);
                let start = Instant::now();
                let problems = self.verifier.change_all(change);
                times.push(start.elapsed().as_secs_f64());
                assert!(problems.is_empty(), "{problems:?}");
            }
        }
        self.print(&format!("group of up to {rules} rules"), times, &mut floor);
    }

    fn print(&self, name: &str, mut times: Vec<f64>, floor: &mut [f64]) {
        times.sort_by(f64::total_cmp);
        floor.sort_by(f64::total_cmp);
        let at = |times: &[f64], part: f64| {
            times.get((times.len().saturating_sub(1) as f64 * part) as usize).copied().unwrap_or(0.0) * 1e6
        };
        println!(
            "{name:<46} {:>8} {:>8} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            self.verifier.len(),
            times.len(),
            at(&times, 0.5),
            at(&times, 0.99),
            at(&times, 1.0),
            at(floor, 0.5),
        );
    }
}

/// TCP to one address and port: what access lists ask for.
fn by_address(n: u64) -> Ternary {
    let header = Ternary::default().with_exact(Field::EthType, IPV4).with_exact(Field::IpProto, TCP);
    header.with_exact(Field::Ipv4Dst, 0x0a00_0000 + n / 8).with_exact(Field::L4Dst, 1_000 + n % 8)
}
