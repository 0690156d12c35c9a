//! An event costs what it touches: by what is stated and sent because of it, the same whatever else there is in the network. Nothing here looks at a clock.

use std::time::Duration;

use controller::config::Config;
use controller::core::FabricSettings;
use emulator::{CutKind, FabricSpec, HostIndex, LinkIndex};
use net::DatapathId;
use tests::{Simulator, SimulatorOptions};

/// A ring where things happen, and beside it a line of so many switches, each with a host, where nothing does.
fn fabric(others: u64) -> FabricSpec {
    let mut spec = FabricSpec::ring_with_chord(4, 6);
    for n in 0..others {
        let id = DatapathId(0x1000 + n);
        spec.add_switch(id, &format!("other{n}"));
        spec.add_host(id);
        if n > 0 {
            spec.add_link(DatapathId(0x1000 + n - 1), id);
        }
    }
    spec
}

fn settings(spec: &FabricSpec, description: &str, flows: &str) -> FabricSettings {
    let id = spec.switches[0].datapath_id;
    let text = format!(
        "switches: {{ s0: {{ datapath_id: \"{id}\", ports: {{ 1: {{ name: up, description: {description} }} }} }} }}\n{flows}"
    );
    FabricSettings::from(&Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

/// What was stated and sent because of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cost {
    event: &'static str,
    stated: u64,
    mods: u64,
}

fn costs(others: u64) -> Vec<Cost> {
    let spec = fabric(others);
    let mut simulator = Simulator::new(&spec, SimulatorOptions { seed: 7, ..SimulatorOptions::default() });
    simulator.converge();
    let mut costs = Vec::new();
    let mut measure = |simulator: &mut Simulator, event, happens: &mut dyn FnMut(&mut Simulator)| {
        let before = simulator.core().reconciler().counters();
        happens(simulator);
        simulator.run_for(Duration::from_secs(4));
        let after = simulator.core().reconciler().counters();
        costs.push(Cost { event, stated: after.stated - before.stated, mods: after.mods() - before.mods() });
    };
    let host = HostIndex(5);
    let target = spec.next_port(spec.switches[2].datapath_id);
    let id = spec.switches[1].datapath_id;
    measure(&mut simulator, "a port has another description", &mut |simulator| {
        simulator.configure(settings(&spec, "upstream", ""));
    });
    measure(&mut simulator, "a host is forgotten", &mut |simulator| {
        let now = simulator.now();
        simulator.fabric.set_host_up(host, false, now);
    });
    measure(&mut simulator, "a host is learned", &mut |simulator| {
        let now = simulator.now();
        simulator.fabric.set_host_up(host, true, now);
        simulator.run_for(Duration::from_secs(3));
        let now = simulator.now();
        simulator.fabric.announce(host, now);
    });
    measure(&mut simulator, "a host moves", &mut |simulator| {
        let now = simulator.now();
        assert!(simulator.fabric.move_host(host, target, now));
        simulator.run_for(Duration::from_secs(3));
        let now = simulator.now();
        simulator.fabric.announce(host, now);
    });
    measure(&mut simulator, "a link fails", &mut |simulator| {
        let now = simulator.now();
        simulator.fabric.cut_link(LinkIndex(0), CutKind::PortDown, now);
    });
    measure(&mut simulator, "a link is back", &mut |simulator| {
        let now = simulator.now();
        simulator.fabric.mend_link(LinkIndex(0), now);
    });
    measure(&mut simulator, "a rule of the operator's", &mut |simulator| {
        let flows = "flows: { s0: [\"priority=5,udp,tp_dst=5000,actions=drop\"] }\n";
        simulator.configure(settings(&spec, "upstream", flows));
    });
    measure(&mut simulator, "a switch is connected again", &mut |simulator| {
        simulator.break_connection(id, Duration::from_secs(1));
    });
    costs
}

#[test]
fn an_event_states_and_sends_as_much_whatever_switches_there_are_that_it_has_nothing_to_do_with() {
    let few = costs(2);
    for cost in &few {
        println!("{:<34} {:>4} stated, {:>3} sent", cost.event, cost.stated, cost.mods);
    }
    assert_eq!(few[0].mods, 0, "a description is nobody's rule");
    assert!(few[1..7].iter().all(|cost| cost.stated > 0 && cost.mods > 0), "{few:?}");
    assert_eq!(costs(40), few);
}
