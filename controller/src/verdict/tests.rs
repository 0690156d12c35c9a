//! Configurations in small networks: what is refused, and what is said of it.

use net::Time;
use topology::Link;

use super::*;

/// Three switches in a row, each with edge ports 3, 4 and 5; ports 1 and 2 lead to the ones before and after.
fn network() -> Arc<Network> {
    let mut network = Network::new(1);
    for id in 1..=3 {
        let state = |n: u32| if n < 3 { PortState::Link } else { PortState::Edge };
        let exists = |n: &u32| !(id == 1 && *n == 1 || id == 3 && *n == 2);
        let ports = (1..=5_u32).filter(exists).map(|n| (PortNo(n), Port { state: state(n), ..edge(PortNo(n)) }));
        network
            .switches
            .insert(DatapathId(id), Switch { connected: true, ports: ports.collect(), ..Switch::default() });
    }
    for id in 1..3 {
        let (a, b) = (PortId::new(DatapathId(id), PortNo(2)), PortId::new(DatapathId(id + 1), PortNo(1)));
        for (source, target) in [(a, b), (b, a)] {
            network.links.insert(source, Link { source, target, since: Time::ZERO });
        }
    }
    Arc::new(network)
}

const SWITCHES: &str = "switches:\n  s1: { datapath_id: \"0x1\", ports: { 3: { name: camera } } }\n  s2: { datapath_id: \"0x2\" }\n  s3: { datapath_id: \"0x3\" }\n";

fn config(rest: &str) -> Config {
    Config::parse(&format!("{SWITCHES}{rest}")).unwrap_or_else(|problems| panic!("{problems}"))
}

fn verdict(rest: &str) -> Verdict {
    check_configuration(&Question::new(&config(rest), network()))
}

const ISOLATE: &str = "isolate:\n  plant: { groups: { cameras: { ports: [s1/camera] }, office: { ports: [s2/4], hosts: [10.1.0.0/16, \"02:00:00:00:00:09\", \"2001:db8::/48\"] } } }\n";

#[test]
fn what_the_controller_does_by_itself_is_safe() {
    let verdict = verdict("");
    assert_eq!((verdict.wrong, verdict.not_proven), (Vec::new(), Vec::new()));
    assert_eq!(verdict.switches, 3);
}

#[test]
fn groups_are_kept_apart_by_the_rules_that_follow_from_them() {
    let verdict = verdict(ISOLATE);
    assert_eq!((verdict.wrong, verdict.not_proven), (Vec::new(), Vec::new()));
}

#[test]
fn a_rule_that_takes_packets_from_one_group_to_another_is_told_with_its_line() {
    let verdict = verdict(&format!(
        "{ISOLATE}flows:\n  s1:\n    - priority=7,in_port=3,tcp,actions=output:2\n  s2:\n    - priority=9,in_port=1,tcp,actions=output:4\n"
    ));
    let [finding] = &verdict.wrong[..] else { panic!("{verdict:?}") };
    assert_eq!(finding.kind, "isolation");
    assert_eq!(finding.enters, Some(PortId::new(DatapathId(1), PortNo(3))));
    let lines: Vec<_> = finding.rules.iter().filter_map(|rule| rule.line).collect();
    assert_eq!(lines, [9, 11]);
    assert!(finding.what.contains("plant.office"), "{finding:?}");
    assert!(finding.packet.as_deref().is_some_and(|packet| packet.starts_with("in_port=3,")), "{finding:?}");
}

#[test]
fn a_loop_and_a_black_hole_are_told_with_their_lines() {
    let verdict = verdict(concat!(
        "flows:\n  s1:\n    - priority=7,udp,actions=output:2\n  s2:\n    - priority=9,udp,in_port=1,actions=in_port\n",
        "    - priority=9,udp,in_port=3,actions=output:40\n"
    ));
    let kinds: Vec<_> = verdict.wrong.iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&"black hole"), "{verdict:?}");
    let lost = verdict.wrong.iter().find(|finding| finding.kind == "black hole").unwrap();
    assert_eq!(lost.rules[0].line, Some(10));
    assert!(lost.lines()[1].contains("line 10, 0000000000000002: "), "{:?}", lost.lines());
    // There and back: the first switch sends nothing to where it came from.
    assert!(!kinds.contains(&"loop"), "{verdict:?}");
    let verdict = super::check_configuration(&Question::new(
        &config(
            "flows:\n  s1:\n    - priority=7,udp,actions=output:2,in_port\n  s2:\n    - priority=9,udp,in_port=1,actions=in_port\n",
        ),
        network(),
    ));
    assert!(verdict.wrong.iter().any(|finding| finding.kind == "loop"), "{verdict:?}");
}

#[test]
fn what_changes_headers_on_its_way_is_not_proven_and_not_wrong() {
    let verdict =
        verdict("flows:\n  s1:\n    - priority=7,tcp,tp_dst=80,actions=mod_dl_dst:02:00:00:00:00:05,output:2\n");
    assert_eq!(verdict.wrong, []);
    assert!(
        verdict.not_proven.iter().any(|finding| finding.rules.iter().any(|rule| rule.line == Some(7))),
        "{verdict:?}"
    );
    // At the end of its way nobody cares.
    assert_eq!(
        super::check_configuration(&Question::new(
            &config("flows:\n  s1:\n    - priority=7,tcp,actions=drop\n"),
            network()
        ))
        .not_proven,
        []
    );
}

#[test]
fn before_a_switch_is_known_the_ports_of_groups_are_and_of_others_nothing_is_said() {
    let groups =
        "isolate:\n  plant: { groups: { a: { ports: [s1/3] }, b: { ports: [s1/4], hosts: [10.1.0.0/16] } } }\n";
    let bad = config(&format!("{groups}flows:\n  s1:\n    - priority=3,in_port=3,ip,actions=output:4\n"));
    let verdict = check_configuration(&Question::at_start(&bad));
    assert_eq!(verdict.wrong.len(), 1, "{verdict:?}");
    // Port 2 may lead to a switch that drops it.
    let good = config(&format!("{groups}flows:\n  s1:\n    - priority=3,in_port=3,ip,actions=output:2\n"));
    assert_eq!(check_configuration(&Question::at_start(&good)).wrong, []);
    assert_eq!(check_configuration(&Question::at_start(&config(ISOLATE))).wrong, []);
}

#[test]
fn an_old_black_hole_hides_no_new_way_between_groups() {
    let hole = format!("{ISOLATE}flows:\n  s3:\n    - priority=1,in_port=3,actions=output:40\n");
    let old = Question::new(&config(&hole), network());
    let lines = "  s1:\n    - priority=7,in_port=3,tcp,actions=output:2\n  s2:\n    - priority=9,in_port=1,tcp,actions=output:4\n";
    let new = Question::new(&config(&format!("{hole}{lines}")), network());
    let worse = made_worse(&old, &new, &|| true);
    assert_eq!(worse.wrong.iter().map(|finding| finding.kind).collect::<Vec<_>>(), ["isolation"], "{worse:?}");
}

#[test]
fn what_was_wrong_before_is_not_held_against_a_change() {
    let bad = "flows:\n  s2:\n    - priority=9,udp,in_port=3,actions=output:40\n";
    let old = Question::new(&config(bad), network());
    let same = Question::new(&config(&format!("{bad}    - priority=3,tcp,actions=drop\n")), network());
    assert_eq!(made_worse(&old, &same, &|| true).wrong, []);
    let worse = Question::new(&config(&format!("{bad}    - priority=3,tcp,actions=output:41\n")), network());
    assert_eq!(made_worse(&old, &worse, &|| true).wrong.len(), 1);
    // Without the time to look, nothing is refused, and it is said that nothing was looked at.
    let cut_short = made_worse(&old, &worse, &|| false);
    assert_eq!((cut_short.wrong.len(), cut_short.not_proven.len()), (0, 1));
}
