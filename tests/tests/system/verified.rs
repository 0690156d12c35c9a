//! A link that comes while the network runs is used when the verifier has looked at what it would change, and not if packets would go wrong by it.

use std::collections::BTreeSet;
use std::time::Duration;

use controller::config::Config;
use controller::core::{CoreEvent, FabricSettings, LinkQuestion};
use controller::verdict::{Question, made_worse, refused_links};
use emulator::{CutKind, FabricEvent, FabricSpec, HostIndex, LinkIndex};
use net::{PortId, Time};
use tests::{Simulator, SimulatorOptions};

/// Between the first switch and the last one.
const LAST_LINK: LinkIndex = LinkIndex(4);

/// Five switches in a ring, each with a host, and a link between the first one and the third.
fn ring() -> FabricSpec {
    FabricSpec::ring_with_chord(5, 5)
}

/// What is for the host of the fifth switch goes from the first one to the second and on to the third. With the last link the third one may send it to the
/// first.
fn settings(spec: &FabricSpec, has_rules: bool) -> FabricSettings {
    let mut text = "flows:\n  all: [\"priority=9,udp,tp_dst=9,actions=drop\"]\n".to_owned();
    let mut names = "switches:\n".to_owned();
    for (switch, link) in spec.switches.iter().zip(&spec.links).take(2).filter(|_| has_rules) {
        let (name, id) = (&switch.name, switch.datapath_id);
        let out = if link.a.datapath_id == id { link.a } else { link.b };
        let mac = spec.hosts[4].mac;
        text.push_str(&format!("  {name}: [\"priority=50000,dl_dst={mac},actions=output:{}\"]\n", out.port_no));
        names.push_str(&format!("  {name}: {{ datapath_id: \"{id}\" }}\n"));
    }
    if has_rules {
        text.push_str(&names);
    }
    FabricSettings::from(&Config::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}")))
}

fn verifier(asked: &LinkQuestion) -> Option<BTreeSet<PortId>> {
    let always = || true;
    let refused = refused_links(&Question::from(asked), |old, new| made_worse(old, new, &always), &always);
    Some(refused.iter().flat_map(|refused| refused.ends).collect())
}

fn nobody(_: &LinkQuestion) -> Option<BTreeSet<PortId>> {
    None
}

/// The ring without its last link, settled long ago.
fn without_the_last_link(has_rules: bool) -> Simulator {
    let spec = ring();
    let mut simulator = Simulator::new(&spec, SimulatorOptions { seed: 5, ..SimulatorOptions::default() });
    simulator.verifier = Some(verifier);
    simulator.converge();
    simulator.run_for(Duration::from_secs(40));
    cut(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(2));
    simulator.configure(settings(&spec, has_rules));
    simulator.run_for(Duration::from_secs(2));
    simulator
}

fn cut(simulator: &mut Simulator, link: LinkIndex) {
    let now = simulator.now();
    simulator.fabric.cut_link(link, CutKind::PortDown, now);
}

fn mend(simulator: &mut Simulator, link: LinkIndex) {
    let now = simulator.now();
    simulator.fabric.mend_link(link, now);
}

fn questions(simulator: &Simulator) -> usize {
    simulator.core_events.iter().filter(|(_, event)| matches!(event, CoreEvent::LinksWait(_))).count()
}

/// Ends of links over which nothing leads.
fn withheld(simulator: &Simulator) -> Vec<PortId> {
    simulator.core().paths().weights().withheld().iter().copied().collect()
}

fn ends(link: LinkIndex) -> Vec<PortId> {
    let link = &ring().links[link.0];
    let mut ends = vec![link.a, link.b];
    ends.sort_unstable();
    ends
}

/// A probe from each host to each other one; how many are lost.
fn lost(simulator: &mut Simulator) -> usize {
    let before = simulator.fabric_events.len();
    for source in 0..5 {
        for target in (0..5).filter(|target| *target != source) {
            let now = simulator.now();
            simulator.fabric.send_probe(HostIndex(source), HostIndex(target), now);
            simulator.run_for(Duration::from_micros(200));
        }
    }
    simulator.run_for(Duration::from_secs(4));
    simulator.fabric_events[before..].iter().filter(|(_, event)| matches!(event, FabricEvent::ProbeLost { .. })).count()
}

#[test]
fn a_link_by_which_nothing_goes_wrong_is_used_once_the_verifier_has_said_so() {
    let mut simulator = without_the_last_link(false);
    mend(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(questions(&simulator), 1);
    assert_eq!(withheld(&simulator), []);
    let [a, b] = [ring().links[4].a, ring().links[4].b].map(|end| end.datapath_id);
    assert_eq!(simulator.core().paths().distance(a, b), Some(1));
    assert_eq!(lost(&mut simulator), 0);
    simulator.assert_desired_is_recomputed();
    simulator.assert_installed_is_desired();
}

#[test]
fn a_link_by_which_packets_would_go_wrong_is_not_used_until_another_one_is_lost() {
    let mut simulator = without_the_last_link(true);
    assert_eq!(lost(&mut simulator), 0);
    mend(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(5));
    assert_eq!(withheld(&simulator), ends(LAST_LINK));
    assert_eq!(lost(&mut simulator), 0, "packets go as before");
    simulator.assert_desired_is_recomputed();
    simulator.assert_installed_is_desired();

    // Better a link by which some packets go wrong than none at all.
    cut(&mut simulator, LinkIndex(2));
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(withheld(&simulator), []);
    let used = |(_, event): &(_, CoreEvent)| matches!(event, CoreEvent::LinksUsed(used) if *used == ends(LAST_LINK));
    assert!(simulator.core_events.iter().any(used));
    simulator.assert_desired_is_recomputed();
    simulator.assert_installed_is_desired();
}

#[test]
fn another_configuration_is_asked_about_and_a_link_that_goes_again_is_forgotten() {
    let mut simulator = without_the_last_link(true);
    mend(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(withheld(&simulator), ends(LAST_LINK));
    let before = questions(&simulator);
    simulator.configure(settings(&ring(), false));
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(questions(&simulator), before + 1);
    assert_eq!(withheld(&simulator), [], "without the rules nothing goes wrong");
    assert_eq!(lost(&mut simulator), 0);

    simulator = without_the_last_link(true);
    mend(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(2));
    cut(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(withheld(&simulator), []);
    let used = |(_, event): &(_, CoreEvent)| matches!(event, CoreEvent::LinksUsed(_));
    assert!(!simulator.core_events.iter().any(used), "nothing was lost that carried anything");
    assert_eq!(lost(&mut simulator), 0);
}

#[test]
fn without_any_rule_nobody_is_told_that_packets_go_wrong() {
    let mut simulator = without_the_last_link(true);
    mend(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(withheld(&simulator), ends(LAST_LINK));
    simulator.configure(FabricSettings::from(&Config::parse("").expect("a configuration")));
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(withheld(&simulator), []);
    assert!(!simulator.core_events.iter().any(|(_, event)| matches!(event, CoreEvent::LinksUsed(_))));
    simulator.assert_installed_is_desired();
}

#[test]
fn without_an_answer_a_link_is_used_after_a_second_and_where_nothing_else_leads_at_once() {
    let mut simulator = without_the_last_link(false);
    simulator.verifier = Some(nobody);
    mend(&mut simulator, LAST_LINK);
    let waits = |simulator: &mut Simulator| withheld(simulator).is_empty();
    assert!(simulator.run_while(Duration::from_secs(5), waits), "it is withheld");
    simulator.run_for(Duration::from_millis(950));
    assert_eq!(withheld(&simulator), ends(LAST_LINK));
    simulator.run_for(Duration::from_millis(100));
    assert_eq!(withheld(&simulator), []);
    assert_eq!(lost(&mut simulator), 0);

    // Two links down: the ring is in two parts, and what joins them again mends something.
    cut(&mut simulator, LinkIndex(2));
    cut(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(2));
    let before = questions(&simulator);
    mend(&mut simulator, LAST_LINK);
    simulator.run_for(Duration::from_secs(2));
    assert_eq!((questions(&simulator), withheld(&simulator)), (before, Vec::new()));
    assert_eq!(lost(&mut simulator), 0);
}

#[test]
fn of_two_links_that_go_wrong_together_one_is_used() {
    let mut simulator = without_the_last_link(true);
    let chord = LinkIndex(5);
    cut(&mut simulator, chord);
    simulator.run_for(Duration::from_secs(2));
    simulator.verifier = Some(nobody);
    mend(&mut simulator, LAST_LINK);
    mend(&mut simulator, chord);
    let fewer = |simulator: &mut Simulator| withheld(simulator).len() < 4;
    assert!(simulator.run_while(Duration::from_secs(5), fewer), "both are withheld");
    simulator.run_for(Duration::from_millis(200));
    let asked = simulator.core_events.iter().rev().find_map(|(_, event)| match event {
        CoreEvent::LinksWait(asked) => Some(asked.clone()),
        _ => None,
    });
    let asked = asked.expect("a question");
    assert_eq!(asked.weights.withheld().len(), 4);
    assert_eq!(verifier(&asked), Some(ends(chord).into_iter().collect()));

    // An answer to an older question counts for nothing.
    let core = simulator.core.as_mut().expect("it lives");
    core.handle_links_verified(asked.number - 1, &BTreeSet::new(), Time::ZERO);
    assert_eq!(withheld(&simulator).len(), 4);
    let (now, refused) = (simulator.now(), ends(chord));
    let core = simulator.core.as_mut().expect("it lives");
    core.handle_links_verified(asked.number, &refused.iter().copied().collect(), now);
    assert_eq!(withheld(&simulator), refused);
    simulator.run_for(Duration::from_secs(2));
    assert_eq!(withheld(&simulator), refused, "nobody has answered otherwise");
}
