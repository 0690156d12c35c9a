//! Packets through networks made by hand.

use net::Time;
use openflow::{Bucket, ErrorCode, GroupId, GroupType, syntax};
use topology::{Link, Port, PortInfo, PortState, Switch};

use super::*;
use crate::flow::{
    Again, Cause, Copying, EntryState, FlowBody, Key, Owner, Picture, PicturedGroup, PicturedRule, Refusal,
};

fn port(switch: u64, port: u32) -> PortId {
    PortId::new(DatapathId(switch), PortNo(port))
}

/// Switches 1 to `switches` with ports 1 to 4, links in both directions.
fn network(switches: u64, links: &[(PortId, PortId)]) -> Arc<Network> {
    let mut network = Network::new(1);
    for number in 1..=switches {
        let ports = (1..=4).map(|port_no| {
            let name = format!("s{number}-{port_no}");
            let hw_addr = MacAddr([2, 0, 0, 0, 0, 2]);
            let info = PortInfo { port_no: PortNo(port_no), hw_addr, name, up: true, live: true, curr_speed_kbps: 0 };
            (PortNo(port_no), Port { info, state: PortState::Edge, lldp_neighbor: None })
        });
        network
            .switches
            .insert(DatapathId(number), Switch { connected: true, ports: ports.collect(), ..Switch::default() });
    }
    for (a, b) in links {
        for (source, target) in [(*a, *b), (*b, *a)] {
            network.links.insert(source, Link { source, target, since: Time::ZERO });
        }
    }
    Arc::new(network)
}

fn rule(text: &str, state: EntryState) -> PicturedRule {
    let flow = syntax::parse_flow(text).unwrap();
    PicturedRule {
        key: Some(Key { owner: Owner::StaticRules, kind: 1, a: 1, b: 0 }),
        cookie: 0x5402_0000_0000_0001,
        table: flow.table_id,
        priority: flow.priority,
        idle_timeout: 0,
        body: FlowBody::new(&flow.match_.canonical(), &flow.instructions).unwrap(),
        state,
        refusal: None,
        other: None,
    }
}

fn installed(texts: &[&str]) -> Vec<PicturedRule> {
    texts.iter().map(|text| rule(text, EntryState::Installed)).collect()
}

/// Follows a packet that comes in at port 3 of switch 1.
fn walked(network: &Arc<Network>, pictures: Vec<Picture>, flow: &str) -> Walk {
    let octets = packet::frame(PortNo(3), &packet::parse_flow(flow, &syntax::Names::default()).unwrap()).unwrap();
    let mut walk = Walk::new(network.clone(), port(1, 3), octets);
    while let Some(id) = walk.needs() {
        let unknown = Copying::new(id).finish();
        let picture = pictures.iter().find(|picture| picture.datapath_id == id).unwrap_or(&unknown);
        walk.supply(id, SwitchModel::of_picture(network, picture));
    }
    walk
}

fn picture(id: u64, rules: Vec<PicturedRule>) -> Picture {
    Picture { live: true, rules, ..Copying::new(DatapathId(id)).finish() }
}

/// Where the packet leaves the network, and on which side.
fn leaves(walk: &Walk) -> Vec<(PortId, &'static str)> {
    let edge = |row: &Row| match row.what {
        Happening::Leaves(port_no, To::Edge(_), _) => {
            Some((PortId::new(row.at.datapath_id, port_no), row.sides.name()))
        }
        _ => None,
    };
    walk.rows().iter().filter_map(edge).collect()
}

fn why(walk: &Walk) -> Vec<String> {
    let dropped = |row: &Row| match &row.what {
        Happening::Dropped(why) => Some(why.clone()),
        _ => None,
    };
    walk.rows().iter().filter_map(dropped).collect()
}

#[test]
fn a_packet_is_followed_over_links_with_the_rules_that_it_meets() {
    let network = network(2, &[(port(1, 1), port(2, 1))]);
    let first =
        ["table=0,priority=0,actions=goto_table:2", "table=2,priority=5,ip,nw_dst=10.0.0.2,actions=dec_ttl,output:1"];
    let pictures =
        vec![picture(1, installed(&first)), picture(2, installed(&["table=0,ip,nw_ttl=63,actions=output:4"]))];
    let walk = walked(&network, pictures, "in_port=3,ip,nw_proto=1,nw_dst=10.0.0.2");
    assert!(walk.is_same());
    assert_eq!(leaves(&walk), [(port(2, 4), "both")]);
    let rules: Vec<&str> = walk
        .rows()
        .iter()
        .filter_map(|row| match &row.what {
            Happening::Table(_, Some(met)) => Some(met.text.as_str()),
            _ => None,
        })
        .collect();
    let expected = [
        "table=0,priority=0,actions=goto_table:2",
        "table=2,priority=5,ip,nw_dst=10.0.0.2,actions=dec_ttl,output:1",
        "table=0,priority=32768,ip,nw_ttl=63,actions=output:4",
    ];
    assert_eq!(rules, expected);
    for text in expected {
        syntax::parse_flow(text).unwrap();
    }
    let hops: Vec<(usize, Option<usize>)> = walk
        .rows()
        .iter()
        .filter(|row| matches!(row.what, Happening::Arrives { .. }))
        .map(|row| (row.hop, row.from))
        .collect();
    assert_eq!(hops, [(1, None), (2, Some(1))]);
}

#[test]
fn where_desired_and_installed_differ_both_are_followed_each_on_its_side() {
    let network = network(2, &[(port(1, 1), port(2, 1))]);
    let mut pending = rule("table=0,ip,actions=output:1", EntryState::Pending);
    let other = syntax::parse_flow("ip,actions=output:2").unwrap();
    pending.other = Some(Box::new(FlowBody::new(&other.match_.canonical(), &other.instructions).unwrap()));
    let pictures = vec![picture(1, vec![pending]), picture(2, installed(&["table=0,actions=output:4"]))];
    let walk = walked(&network, pictures, "in_port=3,ip");
    assert!(!walk.is_same());
    assert_eq!(leaves(&walk), [(port(1, 2), "installed"), (port(2, 4), "desired")]);
    let sides: Vec<&str> = walk.rows().iter().filter(|row| row.hop == 2).map(|row| row.sides.name()).collect();
    assert_eq!(sides, ["desired"; 3], "the other side sends nothing there");
}

#[test]
fn a_refused_rule_is_desired_and_not_installed_and_one_that_leaves_the_other_way_round() {
    let network = network(1, &[]);
    let mut refused = rule("table=0,priority=9,ip,actions=output:1", EntryState::Refused);
    refused.refusal =
        Some(Refusal { cause: Cause::Error(ErrorCode::FLOW_MOD_TABLE_FULL), count: 1, again: Again::Now });
    let leaving = rule("table=0,priority=8,ip,actions=output:2", EntryState::Leaving);
    let walk = walked(&network, vec![picture(1, vec![refused, leaving])], "in_port=3,ip");
    assert_eq!(leaves(&walk), [(port(1, 1), "desired"), (port(1, 2), "installed")]);
}

#[test]
fn a_packet_that_goes_around_is_told_so_and_not_followed_again() {
    let network = network(2, &[(port(1, 1), port(2, 1)), (port(1, 2), port(2, 2))]);
    let around = installed(&["table=0,in_port=3,actions=output:1", "table=0,in_port=2,actions=output:1"]);
    let pictures = vec![picture(1, around), picture(2, installed(&["table=0,in_port=1,actions=output:2"]))];
    let walk = walked(&network, pictures, "in_port=3,ip");
    let loops: Vec<(usize, usize)> = walk
        .rows()
        .iter()
        .filter_map(|row| match row.what {
            Happening::Loop(hop) => Some((row.hop, hop)),
            _ => None,
        })
        .collect();
    assert_eq!(loops, [(4, 2)]);
}

#[test]
fn all_buckets_of_a_select_group_are_followed_and_where_they_meet_it_is_followed_once() {
    // s1 spreads over s2 and s3, both lead to s4.
    let network = network(
        4,
        &[(port(1, 1), port(2, 1)), (port(1, 2), port(3, 1)), (port(2, 2), port(4, 1)), (port(3, 2), port(4, 2))],
    );
    let bucket = |port_no: u32, watch: u32| {
        let output = vec![openflow::Action::output(PortNo(port_no))];
        Bucket { weight: 1, watch_port: PortNo(watch), ..Bucket::new(output) }
    };
    let group = PicturedGroup {
        id: GroupId(7),
        key: None,
        group_type: GroupType::SELECT,
        buckets: vec![bucket(1, 1), bucket(2, 2), bucket(4, 9)],
        state: EntryState::Installed,
        refusal: None,
    };
    let first = Picture { groups: vec![group], ..picture(1, installed(&["table=0,actions=group:7"])) };
    let on = || installed(&["table=0,actions=output:2"]);
    let last = installed(&["table=0,actions=output:4"]);
    let pictures = vec![first, picture(2, on()), picture(3, on()), picture(4, last)];
    let walk = walked(&network, pictures, "in_port=3,ip");
    assert_eq!(leaves(&walk), [(port(4, 4), "both"); 2], "by either port of s4");
    let buckets = walk.rows().iter().filter(|row| matches!(row.what, Happening::Bucket(..))).count();
    assert_eq!(buckets, 2, "the third bucket watches a port that is not there");
}

#[test]
fn a_drop_says_why() {
    let network = network(1, &[]);
    for (rules, expected) in [
        (&["table=0,priority=0,actions=goto_table:1"][..], "no rule of table 1 matches"),
        (&[], "no rule of table 0 matches"),
        (&["table=0,actions=drop"], "the rule drops it"),
        (&["table=0,actions=output:3"], "output:3 is the port that it came in by: only IN_PORT sends it back"),
        (&["table=0,actions=output:9"], "there is no port 9"),
        (&["table=0,actions=group:9"], "there is no group 9"),
    ] {
        let walk = walked(&network, vec![picture(1, installed(rules))], "in_port=3,ip");
        assert_eq!(why(&walk), [expected]);
    }
}

#[test]
fn of_a_switch_that_is_not_connected_the_desired_rules_are_followed_and_it_is_said() {
    let network = network(1, &[]);
    let lost = Picture { live: false, ..picture(1, vec![rule("table=0,actions=output:1", EntryState::Pending)]) };
    let walk = walked(&network, vec![lost], "in_port=3,ip");
    assert_eq!(leaves(&walk), [(port(1, 1), "both")]);
    assert!(walk.rows().iter().any(|row| matches!(&row.what, Happening::Stops(why) if why.contains("not connected"))));
}

#[test]
fn a_walk_over_more_rules_than_there_is_room_for_stops_and_says_so() {
    let network = network(2, &[(port(1, 1), port(2, 1))]);
    let octets = packet::frame(PortNo(3), &packet::parse_flow("ip", &syntax::Names::default()).unwrap()).unwrap();
    let mut walk = Walk::new(network.clone(), port(1, 3), octets);
    let to_the_next = installed(&["table=0,ip,actions=output:1"]);
    let picture = Picture {
        datapath_id: DatapathId(1),
        live: true,
        held: false,
        rules: to_the_next,
        groups: Vec::new(),
        meters: Vec::new(),
        features: None,
    };
    assert_eq!(walk.needs(), Some(DatapathId(1)));
    walk.supply(DatapathId(1), SwitchModel::of_picture(&network, &picture));
    // As if that switch had as many.
    walk.rules = RULES_MAX + 1;
    assert_eq!(walk.needs(), None, "no further switch is asked for");
    let last = walk.rows().last().unwrap();
    let Happening::Stops(why) = &last.what else { panic!("{last:?}") };
    assert!(why.contains("more than 400000 rules"), "{why}");
    assert_eq!((last.at, last.hop), (port(2, 1), 2));
}
