//! A hundred thousand rules, and one more with which packets go round.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use net::{DatapathId, MacAddr, PortId, PortNo, Time};
use openflow::{Action, Instruction, Match, TableId};
use topology::{Link, Port, PortInfo, PortState, Switch};

use super::*;
use crate::app::static_rules::{RuleList, StaticRule};

const RULES: u32 = 100_000;

/// Three switches in a row, each with edge port 3; ports 1 and 2 lead to the ones before and after.
fn network() -> Arc<Network> {
    let mut network = Network::new(1);
    for id in 1..=3 {
        let port = |n: u32| {
            let (port_no, name) = (PortNo(n), String::new());
            let info = PortInfo { port_no, hw_addr: MacAddr::ZERO, name, up: true, live: true, curr_speed_kbps: 0 };
            let state = if n < 3 { PortState::Link } else { PortState::Edge };
            (port_no, Port { info, state, lldp_neighbor: None })
        };
        let exists = |n: &u32| !(id == 1 && *n == 1 || id == 3 && *n == 2);
        let ports = (1..=3_u32).filter(exists).map(port).collect();
        network.switches.insert(DatapathId(id), Switch { connected: true, ports, ..Switch::default() });
    }
    for id in 1..3 {
        let (a, b) = (PortId::new(DatapathId(id), PortNo(2)), PortId::new(DatapathId(id + 1), PortNo(1)));
        for (source, target) in [(a, b), (b, a)] {
            network.links.insert(source, Link { source, target, since: Time::ZERO });
        }
    }
    Arc::new(network)
}

fn rule(priority: u16, match_: &Match, outputs: &[PortNo], line: u32) -> StaticRule {
    let outputs = outputs.iter().map(|port| Action::output(*port)).collect();
    StaticRule::new(TableId(0), priority, match_, &[Instruction::ApplyActions(outputs)], line).unwrap()
}

/// The rules of each switch in a configuration.
fn config(switches: &[Vec<StaticRule>]) -> Config {
    let mut config = Config::parse("").unwrap_or_else(|problems| panic!("{problems}"));
    let lists = switches.iter().enumerate().map(|(n, rules)| {
        let list = RuleList::new(rules.clone()).unwrap_or_else(|_| panic!("a rule stands twice"));
        (DatapathId(n as u64 + 1), list)
    });
    config.flows = Arc::new(OperatorRules::new(RuleList::default(), lists.collect::<BTreeMap<_, _>>()));
    config
}

/// As a reload does: what is the same is the same in memory.
fn shared(mut new: Config, old: &Config) -> Config {
    Arc::make_mut(&mut new.flows).share(&old.flows);
    new
}

#[tokio::test]
async fn a_loop_in_the_last_of_a_hundred_thousand_lines_is_refused_with_a_packet_and_its_rules() {
    let mut switches: Vec<Vec<StaticRule>> = vec![Vec::new(); 3];
    for n in 0..RULES - 1 {
        let match_ = Match::new().with_eth_type(0x0800).with_ip_proto(6).with_ipv4_src(Ipv4Addr::from_bits(n));
        switches[n as usize % 3].push(rule(100, &match_, &[], n + 1));
    }
    // What comes to the first switch goes on to the second one, wherever it comes from.
    let udp = Match::new().with_eth_type(0x0800).with_ip_proto(17);
    switches[0].push(rule(7, &udp, &[PortNo(2), PortNo::IN_PORT], RULES));
    let old = config(&switches);
    let now = Now { network: network(), withheld: BTreeSet::new() };
    let kept = Arc::new(Kept::default());
    let told = reload(&Config::parse("").unwrap(), &old, false, now.clone(), kept.clone()).await;
    assert_eq!(told, Ok(Vec::new()));

    let mut longer = switches.clone();
    longer[1].push(rule(7, &udp.clone().with_in_port(PortNo(1)), &[PortNo::IN_PORT], RULES + 1));
    let new = shared(config(&longer), &old);
    let refused = reload(&old, &new, false, now.clone(), kept.clone()).await;
    let Err(Refusal::File(why)) = refused else { panic!("{refused:?}") };
    for words in ["loop: the packet goes round for ever: in_port=", "line 100000, ", "line 100001, ", "nw_proto=17"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    // A plan says the same; on the way back it is a warning.
    let planned = would(&old, &new, &now, &kept).join("\n");
    assert!(planned.starts_with("verify: this configuration would be refused\n"), "{planned}");
    assert!(planned.contains("line 100001, "), "{planned}");
    let warned = reload(&old, &new, true, now.clone(), kept.clone()).await;
    assert!(warned.is_ok_and(|lines| lines.iter().any(|line| line.contains("line 100001, "))));

    // What is well is taken on: it drops what would go round.
    longer[1].pop();
    longer[1].push(rule(7, &udp.with_in_port(PortNo(1)), &[], RULES + 1));
    let new = shared(config(&longer), &old);
    assert_eq!(reload(&old, &new, false, now, kept).await, Ok(Vec::new()));
}

#[test]
fn what_could_not_be_looked_at_whole_is_refused_and_with_warn_told() {
    let verdict = Verdict { is_unfinished: true, ..Verdict::default() };
    let lines = decided(VerifyMode::Refuse, &verdict, "in the network").unwrap_err().join("\n");
    assert!(lines.contains("could not be looked at whole within ") && lines.contains(" s in the network"), "{lines}");
    assert!(lines.contains("nothing has changed"), "{lines}");
    assert!(decided(VerifyMode::Warn, &verdict, "in the network").is_ok());
}
