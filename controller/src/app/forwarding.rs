//! One flat Ethernet network: hosts are learned at edge ports, every switch gets a rule per known host towards it, everything
//! else floods along a tree.
//!
//! On the host's own switch the rule puts the frame out of the port; on every other switch that can reach it, it points to the
//! group of (this switch, destination switch), whose buckets are the equal-cost next hops: a path change is one group-mod, however
//! many hosts are behind it. ARP requests and neighbour solicitations for known hosts are answered here.

mod answer;
mod build;
mod floods;

use std::collections::{BTreeMap, BTreeSet};

use net::{DatapathId, MacAddr, PortId};
use topology::{Change, Host, SeededMap};

use super::{App, Effects, Event, Recovered, RuleSet, SLICE_CHANGES, View};
use crate::flow::pipeline::{CLASSIFY, STATIC, classify};
use crate::flow::{Owner, RuleId};
use crate::path::PathChanges;
use crate::path::bypass::Step;
use floods::Floods;

/// The application. It remembers to which switches it has led the others, and nothing of hosts: where they are is in the network, where
/// they were is in the change.
#[derive(Debug, Default)]
pub struct Forwarding {
    /// Switches with hosts: each of the others that reaches one has the group that leads there.
    destinations: SeededMap<DatapathId, ()>,
    /// Switches whose hosts' rules have to be stated again, and the hosts of the one before them: for the next slices.
    restating: BTreeSet<DatapathId>,
    hosts: Vec<MacAddr>,
    /// What members of isolated groups send to all.
    floods: Floods,
    /// Whether switches have the rules that bring DHCP here.
    watches_dhcp: bool,
    /// Which rules are stated for the way round a port's link, and for which label: what takes its place is stated by what is there then.
    bypasses: BTreeMap<PortId, (u16, Vec<Step>)>,
    /// As the switches have been told.
    has_labels: bool,
}

impl Forwarding {
    /// Knows no host yet. `seed` keys the hash maps.
    pub fn new(seed: u64) -> Forwarding {
        Forwarding { destinations: SeededMap::with_seed(seed), ..Forwarding::default() }
    }

    fn switch_up(&mut self, at: DatapathId, view: &View<'_>, effects: &mut Effects<'_>) {
        self.has_labels = view.paths.weights().bypasses;
        let mut rules = effects.rule_set(at);
        state_own(at, view, &mut rules);
        // By destination: a switch that comes up should not cost a look at every host there is.
        for destination in view.reaching(at) {
            for host in view.network.hosts.on_switch(destination) {
                state_host(at, host.mac, host.port, view, &mut rules);
            }
        }
        let stated = rules.into_parts();
        effects.apply(at, stated);
        self.watches_dhcp = view.watches_dhcp;
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

    /// Which two of the ports on a segment of others' switches are a link may be otherwise.
    fn segments_changed(&mut self, view: &View<'_>, effects: &mut Effects<'_>) {
        for port in view.network.crossing_links() {
            effects.set_rule(port.datapath_id, build::link_key(port), build::link_rule(port, view).as_ref());
        }
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
        let rule = build::host_in_rule(host.mac, host.port, view);
        effects.set_rule(at, rule.key, Some(&rule));
        let is_first = self.destinations.insert(at, ()).is_none();
        for switch in view.reaching(at) {
            if is_first && switch != at {
                // Before the group has a number: it may have had one before a restart.
                effects.group_id_at(switch, build::path_key(at), &build::no_host_out_rule(host.mac));
                effects.set_group(switch, build::path_key(at), build::path_group(switch, at, view));
            }
            self.state_host_out(switch, host.mac, host.port, view, effects);
        }
    }

    /// A host is not at this port any more: what was stated because of that goes, unless it holds for where the host is now as well.
    fn host_left(&mut self, mac: MacAddr, old: PortId, view: &View<'_>, effects: &mut Effects<'_>) {
        let now = view.network.hosts.get(&mac).map(|host| host.port);
        if now == Some(old) {
            return;
        }
        let at = old.datapath_id;
        effects.remove_rule(at, &build::no_host_in_rule(mac, old));
        if now.is_none_or(|now| now.datapath_id != at) {
            let no_rule = build::no_host_out_rule(mac);
            let lost =
                |&switch: &DatapathId| now.is_none_or(|now| view.paths.distance(switch, now.datapath_id).is_none());
            for switch in view.reaching(at).filter(lost) {
                effects.remove_rule(switch, &no_rule);
            }
        }
        // The last host on a switch takes the groups that lead there with it.
        if !view.network.hosts.any_on_switch(at) && self.destinations.remove(&at).is_some() {
            for switch in view.reaching(at).filter(|&switch| switch != at) {
                effects.set_group(switch, build::path_key(at), None);
            }
        }
    }

    fn state_host_out(&self, at: DatapathId, mac: MacAddr, port: PortId, view: &View<'_>, effects: &mut Effects<'_>) {
        // On the host's own switch no group is asked for.
        let group_id = match at == port.datapath_id {
            true => openflow::GroupId::ANY,
            false => effects.group_id_at(at, build::path_key(port.datapath_id), &build::no_host_out_rule(mac)),
        };
        match build::host_out_rule(at, mac, port, group_id, view) {
            Some(rule) => effects.set_rule(at, rule.key, Some(&rule)),
            None => effects.remove_rule(at, &build::no_host_out_rule(mac)),
        }
    }

    fn paths_changed(&mut self, changes: &PathChanges, view: &View<'_>, effects: &mut Effects<'_>) {
        for (&destination, switches) in &changes.hops {
            if !view.network.hosts.any_on_switch(destination) {
                continue;
            }
            // A switch that is gone has no rules to state.
            for &at in switches.iter().filter(|at| view.network.switches.contains_key(at)) {
                for host in view.network.hosts.on_switch(destination).take(1) {
                    effects.group_id_at(at, build::path_key(destination), &build::no_host_out_rule(host.mac));
                }
                effects.set_group(at, build::path_key(destination), build::path_group(at, destination, view));
                for host in view.network.hosts.on_switch(destination) {
                    self.state_host_out(at, host.mac, host.port, view, effects);
                }
            }
        }
        for &at in &changes.flood {
            self.restate_flood(at, view, effects);
        }
        self.bypasses_changed(&changes.bypasses, view, effects);
    }

    fn bypasses_changed(&mut self, ports: &[PortId], view: &View<'_>, effects: &mut Effects<'_>) {
        for port in ports {
            let Some((label, steps)) = self.bypasses.remove(port) else { continue };
            for step in steps {
                if let Some(rule) = build::bypass_rule(label, &step, view) {
                    effects.remove_rule(step.at, &rule);
                }
            }
        }
        for &port in ports {
            if let Some(bypass) = view.paths.bypass(port) {
                for step in &bypass.steps {
                    if let Some(rule) = build::bypass_rule(bypass.label, step, view) {
                        effects.set_rule(step.at, rule.key, Some(&rule));
                    }
                }
                self.bypasses.insert(port, (bypass.label, bypass.steps.clone()));
            }
        }
        // Ports of one switch stand together.
        for ports in ports.chunk_by(|a, b| a.datapath_id == b.datapath_id) {
            self.restate_groups(ports, view, effects);
        }
    }

    /// Groups of one switch whose only next hop is one of these ports of it, ascending.
    fn restate_groups(&self, ports: &[PortId], view: &View<'_>, effects: &mut Effects<'_>) {
        let Some(at) = ports.first().map(|port| port.datapath_id) else { return };
        for &destination in self.destinations.keys() {
            let Some(hop) = view.paths.hop(at, destination) else { continue };
            if matches!(*hop.ports, [port_no] if ports.binary_search(&PortId::new(at, port_no)).is_ok()) {
                effects.set_group(at, build::path_key(destination), build::path_group(at, destination, view));
            }
        }
    }
}

/// What a switch holds whatever hosts there are.
fn state_own(at: DatapathId, view: &View<'_>, rules: &mut RuleSet<'_>) {
    let Some(switch) = view.network.switches.get(&at) else { return };
    build::fixed_rules().into_iter().for_each(|rule| rules.rule(rule));
    build::dhcp_rules().filter(|_| view.watches_dhcp).for_each(|rule| rules.rule(rule));
    build::no_label_rule(view).into_iter().for_each(|rule| rules.rule(rule));
    for (_, bypass) in view.paths.bypasses_through(at) {
        let steps = bypass.steps.iter().filter(|step| step.at == at);
        steps.filter_map(|step| build::bypass_rule(bypass.label, step, view)).for_each(|rule| rules.rule(rule));
    }
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
    let group_id = rules.group_id_at(build::path_key(destination), &build::no_host_out_rule(mac));
    if let Some(rule) = build::host_out_rule(at, mac, port, group_id, view) {
        rules.rule(rule);
    }
}

impl App for Forwarding {
    fn owner(&self) -> Owner {
        Owner::Forwarding
    }

    fn handle(&mut self, event: Event<'_>, view: &View<'_>, effects: &mut Effects<'_>) {
        if !matches!(event, Event::PacketIn { .. }) {
            self.floods.forget_ways();
        }
        match event {
            Event::Change(change) => match change {
                Change::SwitchUp(at) => self.switch_up(*at, view, effects),
                Change::PortChanged(port) => self.port_changed(*port, view, effects),
                Change::HostLearned(mac) => {
                    if let Some(host) = view.network.hosts.get(mac) {
                        self.host_placed(host, view, effects);
                    }
                }
                Change::HostMoved { mac, from } => {
                    self.host_left(*mac, *from, view, effects);
                    if let Some(host) = view.network.hosts.get(mac) {
                        self.host_placed(host, view, effects);
                    }
                }
                Change::HostFixed(mac) => {
                    if let Some(host) = view.network.hosts.get(mac) {
                        let rule = build::host_in_rule(host.mac, host.port, view);
                        effects.set_rule(host.port.datapath_id, rule.key, Some(&rule));
                    }
                }
                Change::HostForgotten { host, .. } => self.host_left(host.mac, host.port, view, effects),
                Change::LinkUp(_) | Change::LinkDown { .. } => self.segments_changed(view, effects),
                // Links act through paths and port states otherwise.
                Change::SwitchDown(_) | Change::SwitchGone(_) | Change::HostAddressed(_) => {}
            },
            Event::Paths(changes) => self.paths_changed(changes, view, effects),
            // The rules of hosts that come have the new timeout; those of the hosts that there are get it in slices.
            Event::Configured(configured) => {
                let has_labels = view.paths.weights().bypasses;
                if std::mem::replace(&mut self.has_labels, has_labels) != has_labels {
                    let rule = build::no_label_rule(view);
                    for &at in view.network.switches.keys() {
                        effects.set_rule(at, build::no_label_key(), rule.as_ref());
                    }
                }
                if configured.host_timeout_changed {
                    self.restating = view.network.switches.keys().copied().collect();
                    self.hosts.clear();
                }
                let changed = std::mem::replace(&mut self.watches_dhcp, view.watches_dhcp) != view.watches_dhcp;
                for at in view.network.switches.keys().filter(|_| changed) {
                    for rule in build::dhcp_rules() {
                        effects.set_rule(*at, rule.key, Some(&rule).filter(|_| view.watches_dhcp));
                    }
                }
            }
            Event::PacketIn { port, table, frame, packet, now } => {
                let floods = &mut self.floods;
                answer::packet_in(&answer::Question { port, table, frame, packet, now }, floods, view, effects)
            }
        }
    }

    fn rules(&self, at: DatapathId, view: &View<'_>, rules: &mut RuleSet<'_>) {
        state_own(at, view, rules);
        for host in view.network.hosts.values() {
            state_host(at, host.mac, host.port, view, rules);
        }
    }

    fn has_more(&self) -> bool {
        !self.restating.is_empty() || !self.hosts.is_empty()
    }

    fn advance(&mut self, view: &View<'_>, effects: &mut Effects<'_>) {
        for _ in 0..SLICE_CHANGES {
            while self.hosts.is_empty() {
                let Some(at) = self.restating.pop_first() else { return };
                self.hosts = view.network.hosts.on_switch(at).map(|host| host.mac).collect();
            }
            if let Some(host) = self.hosts.pop().and_then(|mac| view.network.hosts.get(&mac)) {
                let rule = build::host_in_rule(host.mac, host.port, view);
                effects.set_rule(host.port.datapath_id, rule.key, Some(&rule));
            }
        }
    }

    fn recover(&self, at: DatapathId, installed: &mut dyn Iterator<Item = RuleId>, recovered: &mut Recovered) {
        // CLASSIFY was the first table before there was STATIC: a controller that was upgraded finds its rules there.
        for rule in installed.filter(|rule| [CLASSIFY, STATIC].contains(&rule.table)) {
            let Some(port_no) = rule.match_.in_port() else { continue };
            match (rule.priority, rule.match_.eth_src()) {
                (classify::LINK, None) => recovered.links.push(PortId::new(at, port_no)),
                (classify::HOST, Some(mac)) => recovered.hosts.push((mac, PortId::new(at, port_no))),
                _ => {}
            }
        }
    }
}
