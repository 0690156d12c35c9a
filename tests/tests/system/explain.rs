//! What is explained before and after is what happens: traces of packets between hosts, and plans of another configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use controller::config::Config;
use controller::core::FabricSettings;
use controller::flow::Copying;
use controller::plan::{self, FabricPlan, Sign};
use controller::trace::{Happening, SwitchModel, To, Walk, packet};
use emulator::FabricSpec;
use net::{DatapathId, PortId};
use openflow::syntax;
use tests::{Simulator, SimulatorOptions};
use topology::Host;

fn ring() -> Simulator {
    let options = SimulatorOptions { seed: 11, ..SimulatorOptions::default() };
    let mut simulator = Simulator::new(&FabricSpec::ring_with_chord(4, 6), options);
    simulator.converge();
    simulator
}

fn settings(text: &str) -> FabricSettings {
    FabricSettings::from(&Config::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

fn model(simulator: &Simulator, at: DatapathId) -> SwitchModel {
    let mut copying = Copying::new(at);
    while !simulator.core().reconciler().copy_picture(&mut copying) {}
    SwitchModel::of_picture(simulator.core().network(), &copying.finish())
}

/// An echo request from one host to another, followed to its end.
fn walked(simulator: &Simulator, from: &Host, to: &Host) -> Walk {
    let address = |host: &Host| host.addresses.iter().find(std::net::IpAddr::is_ipv4).unwrap();
    let flow = format!("icmp,icmp_type=8,nw_src={},nw_dst={}", address(from), address(to));
    let flow = packet::with_addresses(
        packet::parse_flow(&flow, &syntax::Names::default()).unwrap(),
        Some(from.mac),
        Some(to.mac),
    );
    let frame = packet::frame(from.port.port_no, &flow).unwrap();
    let mut walk = Walk::new(simulator.core().network().clone().into(), from.port, frame);
    while let Some(at) = walk.needs() {
        walk.supply(at, model(simulator, at));
    }
    walk
}

/// The edge ports where it leaves.
fn leaves(walk: &Walk) -> BTreeSet<PortId> {
    let edge = |row: &controller::trace::Row| match row.what {
        Happening::Leaves(port_no, To::Edge(_), _) => Some(PortId::new(row.at.datapath_id, port_no)),
        _ => None,
    };
    walk.rows().iter().filter_map(edge).collect()
}

fn hosts(simulator: &Simulator) -> Vec<Host> {
    simulator.core().network().hosts.values().cloned().collect()
}

#[test]
fn a_trace_of_an_echo_between_any_two_hosts_ends_at_the_other_one_and_nowhere_else() {
    let simulator = ring();
    let hosts = hosts(&simulator);
    for from in &hosts {
        for to in hosts.iter().filter(|to| to.mac != from.mac) {
            let walk = walked(&simulator, from, to);
            assert!(walk.is_same(), "everything is installed");
            assert_eq!(leaves(&walk), BTreeSet::from([to.port]), "{} to {}", from.mac, to.mac);
            let ends = |row: &&controller::trace::Row| {
                matches!(row.what, Happening::Dropped(_) | Happening::Loop(_) | Happening::Stops(_))
            };
            assert_eq!(walk.rows().iter().find(ends), None);
        }
    }
}

#[test]
fn a_trace_through_a_rule_that_drops_ends_there_and_names_it() {
    let mut simulator = ring();
    simulator.configure(settings("flows: { all: [\"priority=7,icmp,actions=drop\"] }"));
    simulator.run_for(Duration::from_secs(1));
    let hosts = hosts(&simulator);
    let walk = walked(&simulator, &hosts[0], &hosts[1]);
    assert_eq!(leaves(&walk), BTreeSet::new());
    let last = walk.rows().iter().rev().map(|row| &row.what).take(2).collect::<Vec<_>>();
    let [Happening::Dropped(why), Happening::Table(_, Some(met))] = last[..] else { panic!("{last:?}") };
    assert_eq!((why.as_str(), met.text.as_str()), ("the rule drops it", "table=0,priority=7,icmp,actions=drop"));
}

fn planned(simulator: &Simulator, old: &FabricSettings, new: &FabricSettings) -> FabricPlan {
    plan::compute(simulator.core().network(), old, new, &std::collections::BTreeMap::new(), &|at| at.to_string())
}

#[test]
fn a_plan_is_what_is_sent_afterwards_no_more_and_no_less() {
    let mut simulator = ring();
    let old = settings("");
    let text = "flows:\n  all:\n    - priority=7,icmp,actions=drop\n    - table=150,priority=1,actions=drop\n";
    let new = settings(text);
    assert!(planned(&simulator, &old, &old).switches.is_empty());
    let plan = planned(&simulator, &old, &new);
    assert_eq!((plan.switches.len(), plan.switches_known), (4, 4));
    for switch in &plan.switches {
        let told: Vec<(Sign, &str, Option<u32>)> =
            switch.lines.iter().map(|line| (line.sign, line.text.as_str(), line.line)).collect();
        let expected = [
            (Sign::Added, "table=0,priority=7,icmp,actions=drop", Some(3)),
            (Sign::Added, "table=150,priority=1,actions=drop", Some(4)),
        ];
        assert_eq!(told, expected);
        assert_eq!(switch.rules[0] + 2, switch.rules[1]);
    }
    let before = simulator.core().reconciler().counters().flow_mods;
    simulator.configure(new.clone());
    simulator.run_for(Duration::from_secs(1));
    let lines: usize = plan.switches.iter().map(|switch| switch.lines.len()).sum();
    assert_eq!(simulator.core().reconciler().counters().flow_mods, [before[0] + lines as u64, before[1]]);
    for switch in &plan.switches {
        let installed: BTreeSet<_> = simulator
            .core()
            .reconciler()
            .installed(switch.datapath_id)
            .map(|(id, _)| (id.table, id.priority))
            .collect();
        for line in &switch.lines {
            let flow = syntax::parse_flow(&line.text).unwrap();
            assert!(installed.contains(&(flow.table_id, flow.priority)), "{}", line.text);
        }
        assert_eq!(simulator.core().reconciler().installed(switch.datapath_id).count(), switch.rules[1]);
    }
    // The way back is the same in the other direction: one goes, one does something else.
    let other = settings("flows:\n  all:\n\n    - priority=7,icmp,actions=goto_table:1\n");
    let plan = planned(&simulator, &new, &other);
    let signs: Vec<(Sign, Option<u32>)> = plan.switches[0].lines.iter().map(|line| (line.sign, line.line)).collect();
    assert_eq!(signs, [(Sign::Changed, Some(4)), (Sign::Removed, Some(4))], "lines of the new file, of the old one");
    assert_eq!(plan.switches[0].lines[0].was.as_deref(), Some("table=0,priority=7,icmp,actions=drop"));
}

#[test]
fn a_plan_tells_which_hosts_lose_each_other_and_for_which_packets() {
    let simulator = ring();
    let hosts = hosts(&simulator).len();
    let pairs = hosts * (hosts - 1);
    let old = settings("");
    let web = settings("flows: { all: [\"priority=7,tcp,tp_dst=80,actions=drop\"] }");
    let plan = planned(&simulator, &old, &web).reachability;
    assert_eq!((plan.pairs, plan.looked_at, plan.lost, plan.gained), (pairs, pairs, pairs, 0));
    assert!(plan.losses.iter().all(|pair| pair.packet == "tcp,tp_dst=80"), "{:?}", plan.losses);
    let back = planned(&simulator, &web, &old).reachability;
    assert_eq!((back.lost, back.gained), (0, pairs));
    let harmless = settings("flows: { all: [\"priority=7,tcp,tp_dst=80,actions=goto_table:1\"] }");
    let plan = planned(&simulator, &old, &harmless).reachability;
    assert_eq!((plan.looked_at, plan.lost, plan.gained), (pairs, 0, 0));
}

#[test]
fn a_plan_of_another_host_timeout_names_the_key() {
    let simulator = ring();
    let plan = planned(&simulator, &settings(""), &settings("fabric: { host_timeout: 77s }"));
    let lines: Vec<_> = plan.switches.iter().flat_map(|switch| &switch.lines).collect();
    assert!(!lines.is_empty());
    for line in lines {
        assert_eq!((line.sign, line.key), (Sign::Changed, Some("fabric.host_timeout")), "{}", line.text);
        assert!(line.text.contains("idle_timeout=77"), "{}", line.text);
    }
}
