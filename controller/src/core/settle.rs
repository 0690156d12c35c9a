//! After a connect nothing of ours on a switch is changed or deleted until we know the network around it again.
//!
//! A switch is settled when none of its ports is Unknown; ports that its own rules know as links stay Unknown until the
//! link is seen or given up (`topology`'s limit). Until the first time that all connected switches are settled, none is released: a
//! rule here may lead to a host behind a switch that has not come back yet.

use std::collections::BTreeMap;
use std::time::Duration;

use net::{DatapathId, Time};
use topology::HostSighting;

use super::Core;
use crate::app::Recovered;

/// Longest wait for the whole fabric after the first switch has come: Open vSwitch retries after at most 8 s in its first four tries, and a link is given up after 20 s.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Longest time that one switch is held: a port that goes up and down for ever never settles, and a held switch holds up flood ports
/// everywhere. At least [`START_LIMIT`]; longer than the limit of a link that is known from rules.
const HOLD_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Settling {
    /// Read back, found to hold rules of ours, and not released yet: until then at the latest.
    held: BTreeMap<DatapathId, Time>,
    /// When the whole fabric is taken as settled at the latest; set by the first switch.
    start_deadline: Option<Time>,
    started: bool,
}

impl Settling {
    pub(super) fn new() -> Settling {
        Settling { held: BTreeMap::new(), start_deadline: None, started: false }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let held = self.held.values().min().map(|&at| (at, "held switch"))?;
        let start = self.start_deadline.filter(|_| !self.started).map(|at| (at, "fabric start"));
        Some(start.map_or(held, |start| start.min(held)))
    }

    pub(super) fn held_count(&self) -> usize {
        self.held.len()
    }

    pub(super) fn forget(&mut self, datapath_id: DatapathId) {
        self.held.remove(&datapath_id);
    }
}

impl Core {
    /// A switch has been read back: take what its rules tell, and let discovery begin.
    pub(super) fn read_back(&mut self, datapath_id: DatapathId, rules: usize, groups: usize, now: Time) {
        let Some(&id) = self.by_datapath.get(&datapath_id) else { return };
        let Some(ports) = self.go_live(id) else { return };
        let mut recovered = Recovered::default();
        for (rule, installed) in self.reconciler.installed(datapath_id) {
            let owner = crate::flow::owner_of_cookie(installed.cookie);
            if let Some(app) = self.apps.iter().find(|app| Some(app.owner()) == owner) {
                app.recover(datapath_id, rule, &mut recovered);
            }
        }
        self.discovery.handle_switch_up(datapath_id, ports, now);
        for port in recovered.links {
            self.discovery.handle_expected_link(port, now);
        }
        for (mac, port) in recovered.hosts {
            self.discovery.handle_expected_host(HostSighting { port, mac, address: None }, now);
        }
        if rules + groups > 0 {
            self.settling.held.insert(datapath_id, now + HOLD_LIMIT);
        }
        self.settling.start_deadline.get_or_insert(now + START_LIMIT);
        self.events.push_back(super::CoreEvent::SwitchConnected { datapath_id, connection: id, rules });
    }

    /// Release the switches that may be changed.
    pub(super) fn settle(&mut self, now: Time) {
        let held = self.settling.held.iter();
        let unsettled: Vec<DatapathId> =
            held.filter(|&(&id, &until)| until > now && !self.ports_settled(id)).map(|(&id, _)| id).collect();
        if !self.settling.started {
            let overdue = self.settling.start_deadline.is_some_and(|deadline| deadline <= now);
            if !overdue && !unsettled.is_empty() {
                self.reconciler.hold_flood(true);
                return;
            }
            if self.settling.start_deadline.is_none() || (self.settling.held.is_empty() && !overdue) {
                // Nobody with rules of ours has come yet, or is still here.
                self.reconciler.hold_flood(false);
                return;
            }
            self.settling.started = true;
        }
        let released: Vec<DatapathId> =
            self.settling.held.keys().copied().filter(|id| !unsettled.contains(id)).collect();
        for datapath_id in released {
            self.settling.held.remove(&datapath_id);
            self.reconciler.release(datapath_id);
        }
        self.reconciler.hold_flood(!self.settling.held.is_empty());
    }

    fn ports_settled(&self, datapath_id: DatapathId) -> bool {
        self.discovery.network().switches.get(&datapath_id).is_none_or(topology::Switch::is_settled)
    }
}
