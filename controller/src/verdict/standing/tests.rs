//! What is kept from look to look against what is made from nothing, and hosts that stand for others against all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use proptest::prelude::*;
use topology::{Link, Network, PortState, Switch};

use super::*;
use crate::config::Config;
use crate::path::{Metric, Weights};
use crate::verdict::edge;
use crate::verify::VerifiedRule;

const SWITCHES: u64 = 4;

fn at(switch: u64, port: u32) -> PortId {
    PortId::new(DatapathId(switch), PortNo(port))
}

/// A ring: port 2 leads to port 1 of the next switch, 3 and 4 are edges.
fn ring() -> Network {
    let mut network = Network::new(1);
    for id in 1..=SWITCHES {
        let ports = (1..=4).map(|n| (PortNo(n), edge(PortNo(n)))).collect();
        network.switches.insert(DatapathId(id), Switch { connected: true, ports, ..Switch::default() });
    }
    (1..=SWITCHES).for_each(|id| set_link(&mut network, id, true));
    network
}

/// The link from a switch to the next one.
fn set_link(network: &mut Network, id: u64, is_there: bool) {
    let (a, b) = (at(id, 2), at(id % SWITCHES + 1, 1));
    for (source, target) in [(a, b), (b, a)] {
        match is_there {
            true => drop(network.links.insert(source, Link { source, target, since: Time::ZERO })),
            false => drop(network.links.remove(&source)),
        }
        let switch = network.switches.get_mut(&source.datapath_id);
        if let Some(port) = switch.and_then(|switch| switch.ports.get_mut(&source.port_no)) {
            port.info.up = is_there;
            port.state = if is_there { PortState::Link } else { PortState::Unknown };
        }
    }
}

fn mac(n: u64) -> MacAddr {
    MacAddr::from_u64(0x0200_0000_0000 + n)
}

const RULES: [&str; 12] = [
    "priority=7,udp,actions=output:2",
    "priority=9,udp,in_port=1,actions=in_port",
    "priority=9,tcp,in_port=3,actions=output:40",
    "priority=5,tcp,tp_dst=23,actions=drop",
    "priority=6,dl_dst=02:00:00:00:00:01,actions=output:1",
    "priority=4,dl_dst=02:00:00:00:00:02,udp,actions=output:3",
    "priority=8,in_port=3,ip,nw_dst=10.0.0.0/8,actions=output:2",
    "priority=3,icmp,actions=group:1",
    "priority=11,in_port=2,udp,actions=goto_table:1",
    "priority=2,tcp,tp_dst=80,actions=mod_dl_dst:02:00:00:00:00:03,output:2",
    "priority=12,udp,in_port=1,dl_dst=02:00:00:00:00:1e,actions=in_port",
    "priority=12,udp,in_port=2,dl_dst=02:00:00:00:00:1e,actions=in_port",
];

const ISOLATE: &str =
    "isolate:\n  plant: { groups: { a: { ports: [s1/3] }, b: { ports: [s2/4], hosts: [\"02:00:00:00:00:03\"] } } }\n";

/// `rules` are bits of [`RULES`] by switch.
fn config(rules: &[u16], bucket: u32, isolated: bool) -> Config {
    let mut text = "switches:\n".to_owned();
    (1..=SWITCHES).for_each(|id| text += &format!("  s{id}: {{ datapath_id: \"{id:#x}\" }}\n"));
    text += &format!("groups:\n  all:\n    - \"group_id=1,type=all,bucket=actions=output:{bucket}\"\n");
    if isolated {
        text += ISOLATE;
    }
    if rules.iter().any(|bits| *bits != 0) {
        text += "flows:\n";
    }
    for (id, bits) in rules.iter().enumerate().filter(|(_, bits)| **bits != 0) {
        text += &format!("  s{}:\n", id + 1);
        let stated = RULES.iter().enumerate().filter(|(n, _)| bits & 1 << n != 0);
        stated.for_each(|(_, rule)| text += &format!("    - \"{rule}\"\n"));
    }
    Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// The rules whatever their numbers are.
fn rules(standing: &Standing) -> BTreeSet<String> {
    let verifier = &standing.translated.verifier;
    let of = |rule: &VerifiedRule| {
        let told = standing.translated.rule(rule.number, &standing.question);
        let rule = VerifiedRule { number: crate::verify::RuleNumber(0), ..rule.clone() };
        format!("{rule:?} {told:?}")
    };
    (0..4_000).filter_map(|n| verifier.rule(crate::verify::RuleNumber(n))).map(of).collect()
}

fn kinds(verdict: &Verdict) -> BTreeSet<&'static str> {
    verdict.wrong.iter().map(|finding| finding.kind).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Rules { switch: usize, rules: u16 },
    Group { bucket: u32 },
    Isolate(bool),
    Link { switch: u64, is_there: bool },
    Host { n: u64, switch: u64, port: u32, is_there: bool },
    Cost { switch: u64, cost: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let few = prop_oneof![3 => 0_u16..2, 4 => (0..RULES.len()).prop_map(|n| 1 << n), 1 => 0_u16..1 << RULES.len()];
    prop_oneof![
        6 => (0..SWITCHES as usize, few).prop_map(|(switch, rules)| Step::Rules { switch, rules }),
        1 => (1_u32..5).prop_map(|bucket| Step::Group { bucket }),
        1 => any::<bool>().prop_map(Step::Isolate),
        3 => (1..=SWITCHES, any::<bool>()).prop_map(|(switch, is_there)| Step::Link { switch, is_there }),
        3 => (1_u64..6, 1..=SWITCHES, 3_u32..5, any::<bool>())
            .prop_map(|(n, switch, port, is_there)| Step::Host { n, switch, port, is_there }),
        1 => (1..=SWITCHES, 1_u32..9).prop_map(|(switch, cost)| Step::Cost { switch, cost }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 12 } else { 128 }))]

    /// A configuration that makes things worse is refused and the old one stays; a network is followed.
    #[test]
    fn what_is_kept_says_the_same_as_what_is_made_from_nothing(steps in prop::collection::vec(step(), 1..14)) {
        let (mut network, mut bits, mut bucket, mut isolated) = (ring(), [0_u16; SWITCHES as usize], 3, false);
        let mut weights = Weights::new(Metric::Cost);
        let ask = |network: &Network, bits: &[u16], bucket, isolated, weights: &Weights| {
            let mut config = config(bits, bucket, isolated);
            config.weights = Arc::new(weights.clone());
            Question::new(&config, Arc::new(network.clone()))
        };
        let mut question = ask(&network, &bits, bucket, isolated, &weights);
        let mut standing = Standing::new(&question);
        for step in steps {
            let before = (bits, bucket, isolated, weights.clone());
            let mut is_configuration = true;
            match step {
                Step::Rules { switch, rules } => bits[switch] = rules,
                Step::Group { bucket: other } => bucket = other,
                Step::Isolate(other) => isolated = other,
                Step::Cost { switch, cost } => weights.links.entry(at(switch, 2)).or_default().cost = Some(cost),
                Step::Link { switch, is_there } => {
                    set_link(&mut network, switch, is_there);
                    is_configuration = false;
                }
                Step::Host { n, switch, port, is_there } => {
                    match is_there {
                        true => network.hosts.add(mac(n), at(switch, port), Time::ZERO),
                        false => network.hosts.retain(|host| host.mac != mac(n)),
                    }
                    is_configuration = false;
                }
            }
            let mut other = ask(&network, &bits, bucket, isolated, &weights);
            if is_configuration {
                // The network in memory is the same, as it is for a reload.
                other.network = question.network.clone();
                let mut rules = (*other.rules).clone();
                rules.share(&question.rules);
                other.rules = Arc::new(rules);
                standing.follow(&question);
                let worse = standing.made_worse(&other, &|| true);
                let from_nothing = crate::verdict::made_worse(&question, &other, &|| true);
                prop_assert_eq!(kinds(&worse), kinds(&from_nothing));
                let [old, new] = [&question, &other].map(crate::verdict::check_configuration);
                prop_assert!(!new.wrong.is_empty() || worse.wrong.is_empty(), "blamed for nothing: {:?}", worse);
                prop_assert!(!old.wrong.is_empty() || kinds(&new) == kinds(&worse), "{:?}\n{:?}", new, worse);
                if !worse.wrong.is_empty() {
                    (bits, bucket, isolated, weights) = before;
                    other = question.clone();
                }
            }
            question = other;
            standing.follow(&question);
            let mut from_nothing = Standing::new(&question);
            prop_assert_eq!(rules(&standing), rules(&from_nothing));
            prop_assert_eq!(kinds(&standing.look(&|| true)), kinds(&from_nothing.look(&|| true)));
        }
    }

    /// Nothing is found with rules for each host that is not found where one host of each switch stands for those that no rule tells apart.
    #[test]
    fn a_host_is_an_instance_of_the_tree_that_leads_to_its_switch(
        bits in prop::collection::vec(prop_oneof![2 => Just(0_u16), 2 => (0..RULES.len()).prop_map(|n| 1 << n), 1 => 0_u16..1 << RULES.len()], 4),
        hosts in prop::collection::btree_map(1_u64..40, (1..=SWITCHES, 3_u32..5), 0..16),
        lost in 0..=SWITCHES,
        isolated in any::<bool>(),
    ) {
        let mut network = ring();
        set_link(&mut network, lost.max(1), lost == 0);
        hosts.iter().for_each(|(&n, &(switch, port))| network.hosts.add(mac(n), at(switch, port), Time::ZERO));
        let question = Question::new(&config(&bits, 3, isolated), Arc::new(network));
        let mut one_for_all = Standing::new(&question);
        let mut translated = Translated::new();
        let all: BTreeSet<MacAddr> = question.network.hosts.values().map(|host| host.mac).collect();
        for change in translated.follow_hosts(None, true, &question, &all).changes {
            translated.verifier.apply(change);
        }
        let mut each = Standing { translated, question: question.clone() };
        prop_assert!(each.len() >= one_for_all.len());
        prop_assert_eq!(kinds(&one_for_all.look(&|| true)), kinds(&each.look(&|| true)));
    }
}

#[test]
fn a_host_that_no_rule_tells_apart_brings_nothing_to_look_at() {
    let mut network = ring();
    network.hosts.add(mac(20), at(3, 3), Time::ZERO);
    let config = config(&[1 << 3, 0, 0, 0], 3, false);
    let mut standing = Standing::new(&Question::new(&config, Arc::new(network.clone())));
    for n in 21..60 {
        network.hosts.add(mac(n), at(3, 3 + n as u32 % 2), Time::ZERO);
    }
    let many = Question::new(&config, Arc::new(network.clone()));
    let difference = standing.translated.follow(Some(&standing.question), &many);
    assert_eq!((difference.changes.len(), difference.is_elsewhere), (0, false));
    // One that a rule names stands for itself.
    network.hosts.add(mac(1), at(3, 3), Time::ZERO);
    let named = Question::new(&self::config(&[1 << 3 | 1 << 4, 0, 0, 0], 3, false), Arc::new(network));
    assert!(!standing.translated.follow(Some(&many), &named).changes.is_empty());
}

#[test]
fn a_way_that_another_cost_makes_is_looked_at_before_it_is_taken() {
    // Two switches send packets to a host back to each other, and nobody meets that as long as its ways do not lead over their link.
    let mut network = ring();
    network.hosts.add(mac(30), at(3, 3), Time::ZERO);
    let mut settings = config(&[1 << 11, 1 << 10, 0, 0], 3, false);
    let cost = |of: &[(u64, u32)]| {
        let mut weights = Weights::new(Metric::Cost);
        for &(switch, cost) in of {
            weights.links.entry(at(switch, 2)).or_default().cost = Some(cost);
        }
        Arc::new(weights)
    };
    settings.weights = cost(&[(1, 50), (2, 50)]);
    let network = Arc::new(network);
    let old = Question::new(&settings, network.clone());
    settings.weights = cost(&[(3, 50), (4, 50)]);
    let new = Question::new(&settings, network);
    let mut standing = Standing::new(&old);
    let worse = standing.made_worse(&new, &|| true);
    assert!(worse.wrong.iter().any(|finding| finding.kind == "loop"), "{worse:?}");
    assert!(worse.wrong.iter().flat_map(|finding| &finding.rules).any(|rule| rule.line.is_some()), "{worse:?}");
}
