//! One flat Ethernet network: hosts are learned at edge ports, every switch gets a rule per known host towards it, everything
//! else floods along a tree.
//!
//! On the host's own switch the rule puts the frame out of the port; on every other switch that can reach it, it points to the
//! group of (this switch, destination switch), whose buckets are the equal-cost next hops: a path change is one group-mod, however
//! many hosts are behind it. ARP requests and neighbour solicitations for known hosts are answered here.

mod answer;
mod build;

use net::{DatapathId, MacAddr, PortId};
use topology::{Change, Host, SeededMap};

use super::{App, Effects, Event, Recovered, RuleSet, View};
use crate::flow::pipeline::{CLASSIFY, classify};
use crate::flow::{Owner, RuleId};
use crate::path::PathChanges;

/// The application. Its only state is an index of the network's hosts by switch.
#[derive(Debug, Default)]
pub struct Forwarding {
    hosts: SeededMap<DatapathId, SeededMap<MacAddr, ()>>,
    places: SeededMap<MacAddr, PortId>,
    seed: u64,
}

impl Forwarding {
    /// Knows no host yet. `seed` keys the hash maps.
    pub fn new(seed: u64) -> Forwarding {
        Forwarding { hosts: SeededMap::with_seed(seed), places: SeededMap::with_seed(seed), seed }
    }

    fn switch_up(&mut self, at: DatapathId, view: &View<'_>, effects: &mut Effects<'_>) {
        let mut rules = effects.rule_set(at);
        state_own(at, view, &mut rules);
        // From the index: a switch that comes up should not cost a look at every host there is.
        for destination in view.reaching(at) {
            let Some(hosts) = self.hosts.get(&destination) else { continue };
            for mac in hosts.keys() {
                if let Some(&port) = self.places.get(mac) {
                    state_host(at, *mac, port, view, &mut rules);
                }
            }
        }
        let (rules, groups) = rules.into_parts();
        effects.apply(at, rules, groups);
    }

    /// A port came, went, or changed its state: what it may do with frames follows from its state alone.
    fn port_changed(&mut self, port: PortId, view: &View<'_>, effects: &mut Effects<'_>) {
        let at = port.datapath_id;
        effects.set_rule(at, build::link_key(port), build::link_rule(port, view).as_ref());
        if view.network.switches.contains_key(&at) {
            effects.set_group(at, build::flood_key(), build::flood_group(at, view));
        }
        let group_id = effects.group_id(at, build::flood_key());
        effects.set_rule(at, build::flood_in_key(port), build::flood_in_rule(port, group_id, view).as_ref());
    }

    fn restate_flood(&mut self, at: DatapathId, view: &View<'_>, effects: &mut Effects<'_>) {
        let Some(switch) = view.network.switches.get(&at) else { return };
        effects.set_group(at, build::flood_key(), build::flood_group(at, view));
        let group_id = effects.group_id(at, build::flood_key());
        for &port_no in switch.ports.keys() {
            let port = PortId::new(at, port_no);
            effects.set_rule(at, build::flood_in_key(port), build::flood_in_rule(port, group_id, view).as_ref());
        }
    }

    fn host_placed(&mut self, host: &Host, view: &View<'_>, effects: &mut Effects<'_>) {
        let at = host.port.datapath_id;
        let old = self.places.insert(host.mac, host.port);
        if let Some(old) = old
            && old != host.port
        {
            effects.remove_rule(old.datapath_id, &build::no_host_in_rule(host.mac, old));
            self.unindex(host.mac, old.datapath_id, view, effects);
        }
        let rule = build::host_in_rule(host.mac, host.port, view);
        effects.set_rule(at, rule.key, Some(&rule));
        let seed = self.seed;
        let hosts = self.hosts.or_insert_with(at, || SeededMap::with_seed(seed));
        let was_empty = hosts.is_empty();
        hosts.insert(host.mac, ());
        for switch in view.reaching(at) {
            if was_empty && switch != at {
                effects.set_group(switch, build::path_key(at), build::path_group(switch, at, view));
            }
            self.state_host_out(switch, host.mac, host.port, view, effects);
        }
        if let Some(old) = old
            && old.datapath_id != at
        {
            // Whoever reaches the old place alone has no way to the new one.
            for switch in view.reaching(old.datapath_id).filter(|&switch| view.paths.distance(switch, at).is_none()) {
                effects.remove_rule(switch, &build::no_host_out_rule(host.mac));
            }
        }
    }

    fn host_forgotten(&mut self, mac: MacAddr, view: &View<'_>, effects: &mut Effects<'_>) {
        let Some(port) = self.places.remove(&mac) else { return };
        effects.remove_rule(port.datapath_id, &build::no_host_in_rule(mac, port));
        let no_rule = build::no_host_out_rule(mac);
        for switch in view.reaching(port.datapath_id) {
            effects.remove_rule(switch, &no_rule);
        }
        self.unindex(mac, port.datapath_id, view, effects);
    }

    /// Take a host out of the index; the last one on a switch takes the groups that lead there with it.
    fn unindex(&mut self, mac: MacAddr, at: DatapathId, view: &View<'_>, effects: &mut Effects<'_>) {
        let Some(hosts) = self.hosts.get_mut(&at) else { return };
        hosts.remove(&mac);
        if hosts.is_empty() {
            self.hosts.remove(&at);
            for switch in view.reaching(at).filter(|&switch| switch != at) {
                effects.set_group(switch, build::path_key(at), None);
            }
        }
    }

    fn state_host_out(&self, at: DatapathId, mac: MacAddr, port: PortId, view: &View<'_>, effects: &mut Effects<'_>) {
        // On the host's own switch no group is asked for.
        let group_id = match at == port.datapath_id {
            true => openflow::GroupId::ANY,
            false => effects.group_id(at, build::path_key(port.datapath_id)),
        };
        match build::host_out_rule(at, mac, port, group_id, view) {
            Some(rule) => effects.set_rule(at, rule.key, Some(&rule)),
            None => effects.remove_rule(at, &build::no_host_out_rule(mac)),
        }
    }

    fn paths_changed(&mut self, changes: &PathChanges, view: &View<'_>, effects: &mut Effects<'_>) {
        for (&destination, switches) in &changes.hops {
            let Some(hosts) = self.hosts.get(&destination) else { continue };
            // A switch that is gone has no rules to state.
            for &at in switches.iter().filter(|at| view.network.switches.contains_key(at)) {
                effects.set_group(at, build::path_key(destination), build::path_group(at, destination, view));
                for &mac in hosts.keys() {
                    if let Some(&port) = self.places.get(&mac) {
                        self.state_host_out(at, mac, port, view, effects);
                    }
                }
            }
        }
        for &at in &changes.flood {
            self.restate_flood(at, view, effects);
        }
    }
}

/// What a switch holds whatever hosts there are.
fn state_own(at: DatapathId, view: &View<'_>, rules: &mut RuleSet<'_>) {
    let Some(switch) = view.network.switches.get(&at) else { return };
    build::fixed_rules().into_iter().for_each(|rule| rules.rule(rule));
    if let Some(group) = build::flood_group(at, view) {
        rules.group(group);
    }
    let flood_id = rules.group_id(build::flood_key());
    for &port_no in switch.ports.keys() {
        let port = PortId::new(at, port_no);
        if let Some(rule) = build::link_rule(port, view) {
            rules.rule(rule);
        }
        if let Some(rule) = build::flood_in_rule(port, flood_id, view) {
            rules.rule(rule);
        }
    }
}

/// What a switch holds for a host.
fn state_host(at: DatapathId, mac: MacAddr, port: PortId, view: &View<'_>, rules: &mut RuleSet<'_>) {
    let destination = port.datapath_id;
    if destination == at {
        rules.rule(build::host_in_rule(mac, port, view));
    } else if let Some(group) = build::path_group(at, destination, view) {
        rules.group(group);
    }
    let group_id = rules.group_id(build::path_key(destination));
    if let Some(rule) = build::host_out_rule(at, mac, port, group_id, view) {
        rules.rule(rule);
    }
}

impl App for Forwarding {
    fn owner(&self) -> Owner {
        Owner::Forwarding
    }

    fn handle(&mut self, event: Event<'_>, view: &View<'_>, effects: &mut Effects<'_>) {
        match event {
            Event::Change(change) => match change {
                Change::SwitchUp(at) => self.switch_up(*at, view, effects),
                Change::PortChanged(port) => self.port_changed(*port, view, effects),
                Change::HostLearned(mac) | Change::HostMoved { mac, .. } => {
                    if let Some(host) = view.network.hosts.get(mac) {
                        self.host_placed(host, view, effects);
                    }
                }
                Change::HostForgotten { host, .. }
                    // It may have been learned again within the same batch.
                    if !view.network.hosts.contains_key(&host.mac) => {
                        self.host_forgotten(host.mac, view, effects);
                    }
                // Links act through paths and port states.
                _ => {}
            },
            Event::Paths(changes) => self.paths_changed(changes, view, effects),
            Event::PacketIn { port, frame, packet } => answer::packet_in(port, frame, packet, view, effects),
        }
    }

    fn rules(&self, at: DatapathId, view: &View<'_>, rules: &mut RuleSet<'_>) {
        state_own(at, view, rules);
        for host in view.network.hosts.values() {
            state_host(at, host.mac, host.port, view, rules);
        }
    }

    fn recover(&self, at: DatapathId, rule: &RuleId, recovered: &mut Recovered) {
        if rule.table != CLASSIFY {
            return;
        }
        let Some(port_no) = rule.match_.in_port() else { return };
        match (rule.priority, rule.match_.eth_src()) {
            (classify::LINK, None) => recovered.links.push(PortId::new(at, port_no)),
            (classify::HOST, Some(mac)) => recovered.hosts.push((mac, PortId::new(at, port_no))),
            _ => {}
        }
    }
}
