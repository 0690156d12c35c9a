//! Groups of hosts and ports that must never reach each other.
//!
//! A frame is looked at where it enters and wherever it comes to: its port, its source and its address say which groups its sender must not reach, as bits
//! in the metadata; then its destination says whether it is in one of them. Frames to all of such senders come to the controller, which sends them out
//! of the ports where they may go; frames to nobody known end, for nobody knows behind which ports they would arrive.
//!
//! What follows from the configuration alone is stated in slices, as the operator's rules are. Hosts behind a port that is a group's are members while
//! they are there: their rules follow them.

mod groups;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use net::{DatapathId, MacAddr};
use topology::Change;

use super::static_rules::{StaticRule, Stating};
use super::{App, Effects, Event, Recovered, RuleSet, SLICE_CHANGES, View};
use crate::flow::{Owner, RuleId};

pub use groups::{GROUPS_MAX, IsolatedGroup, Isolation, MEMBERS_MAX};

/// The application.
#[derive(Debug, Default)]
pub struct KeepApart {
    isolation: Arc<Isolation>,
    stating: Stating,
    /// What every switch has because of a host behind a group's port.
    hosts: BTreeMap<MacAddr, Vec<StaticRule>>,
    /// Hosts that have to be looked at again, for the next slices.
    restating: BTreeSet<MacAddr>,
}

impl KeepApart {
    /// For no switch yet.
    pub fn new(isolation: Arc<Isolation>) -> KeepApart {
        let stating = Stating::new(isolation.rules());
        KeepApart { isolation, stating, ..KeepApart::default() }
    }

    fn wanted(&self, mac: MacAddr, view: &View<'_>) -> Vec<StaticRule> {
        let port = view.network.hosts.get(&mac).map(|host| host.port);
        port.map(|port| self.isolation.rules_of_host(mac, port)).unwrap_or_default()
    }

    /// State what is other than before for a host, on every switch.
    fn restate(&mut self, mac: MacAddr, view: &View<'_>, effects: &mut Effects<'_>) {
        let new = self.wanted(mac, view);
        let old = self.hosts.remove(&mac).unwrap_or_default();
        if new == old {
            if !new.is_empty() {
                self.hosts.insert(mac, new);
            }
            return;
        }
        for &at in view.network.switches.keys() {
            new.iter().for_each(|rule| effects.set_rule(at, rule.rule.key, Some(&rule.rule)));
            let gone = old.iter().filter(|old| !new.iter().any(|new| new.rule.key == old.rule.key));
            gone.for_each(|rule| effects.remove_rule(at, &rule.rule));
        }
        if !new.is_empty() {
            self.hosts.insert(mac, new);
        }
    }
}

impl App for KeepApart {
    fn owner(&self) -> Owner {
        Owner::Isolation
    }

    fn handle(&mut self, event: Event<'_>, view: &View<'_>, effects: &mut Effects<'_>) {
        match event {
            Event::Change(Change::SwitchUp(at)) if view.network.switches.contains_key(at) => {
                self.stating.switch_up(*at);
                for rule in self.hosts.values().flatten() {
                    effects.set_rule(*at, rule.rule.key, Some(&rule.rule));
                }
            }
            Event::Change(Change::SwitchGone(at)) => self.stating.switch_gone(*at),
            Event::Change(Change::HostLearned(mac) | Change::HostMoved { mac, .. }) => {
                self.restate(*mac, view, effects);
            }
            Event::Change(Change::HostForgotten { host, .. }) => self.restate(host.mac, view, effects),
            Event::Configured(configured) if !Arc::ptr_eq(&self.isolation, &configured.isolation) => {
                self.isolation = configured.isolation.clone();
                self.stating.configured(self.isolation.rules());
                let behind = self.isolation.ports().flat_map(|(port, _)| view.network.hosts.on_port(port));
                self.restating.extend(behind.map(|host| host.mac).chain(self.hosts.keys().copied()));
            }
            _ => {}
        }
    }

    fn has_more(&self) -> bool {
        self.stating.has_more() || !self.restating.is_empty()
    }

    fn is_stating(&self, at: DatapathId) -> bool {
        self.stating.is_stating(at) || !self.restating.is_empty()
    }

    fn advance(&mut self, view: &View<'_>, effects: &mut Effects<'_>) {
        self.stating.advance(effects);
        let mut budget = SLICE_CHANGES;
        while budget > 0
            && let Some(mac) = self.restating.pop_first()
        {
            self.restate(mac, view, effects);
            budget = budget.saturating_sub(view.network.switches.len().max(1));
        }
    }

    fn rules(&self, at: DatapathId, view: &View<'_>, rules: &mut RuleSet<'_>) {
        if !view.network.switches.contains_key(&at) {
            return;
        }
        self.isolation.rules().of(at).rules().iter().for_each(|rule| rules.rule(rule.rule.clone()));
        for host in self.isolation.ports().flat_map(|(port, _)| view.network.hosts.on_port(port)) {
            let of_host = self.isolation.rules_of_host(host.mac, host.port);
            of_host.into_iter().for_each(|rule| rules.rule(rule.rule));
        }
    }

    /// Who is in which group is in the configuration, and where hosts are the forwarding rules say.
    fn recover(&self, _: DatapathId, _: &mut dyn Iterator<Item = RuleId>, _: &mut Recovered) {}
}
