//! After a connect nothing of ours on a switch is changed or deleted until we know the network around it again.
//!
//! A switch is settled when none of its ports is Unknown; ports that its own rules know as links stay Unknown until the
//! link is seen or given up (`topology`'s limit). Until the first time that all connected switches are settled, none is released: a
//! rule here may lead to a host behind a switch that has not come back yet.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Those of them that have a port of which we do not know what it is, and still have time.
    unsettled: BTreeSet<DatapathId>,
    /// Those of them that still have time, in the order in which it runs out.
    deadlines: BTreeSet<(Time, DatapathId)>,
    /// What had been put off of ways round links when the switch last changed, or the fabric had settled: [`crate::path::Paths::put_off`].
    put_off: BTreeMap<DatapathId, u64>,
    /// Something of all this is not what it was at the last look.
    changed: bool,
    /// When the whole fabric is taken as settled at the latest; set by the first switch.
    start_deadline: Option<Time>,
    started: bool,
}

impl Settling {
    pub(super) fn new() -> Settling {
        Settling {
            held: BTreeMap::new(),
            unsettled: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            put_off: BTreeMap::new(),
            changed: true,
            start_deadline: None,
            started: false,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        if self.held.is_empty() {
            return None;
        }
        let held = self.deadlines.first().map(|&(at, _)| (at, "held switch"));
        let start = self.start_deadline.filter(|_| !self.started).map(|at| (at, "fabric start"));
        [held, start].into_iter().flatten().min()
    }

    /// Whether the whole fabric was settled once, and is.
    pub(super) fn is_over(&self) -> bool {
        self.started && self.held.is_empty()
    }

    pub(super) fn held_count(&self) -> usize {
        self.held.len()
    }

    /// Something that a release hangs on may be different.
    pub(super) fn look_again(&mut self) {
        self.changed |= !self.held.is_empty();
    }

    pub(super) fn forget(&mut self, datapath_id: DatapathId) {
        if let Some(until) = self.held.remove(&datapath_id) {
            self.deadlines.remove(&(until, datapath_id));
            self.unsettled.remove(&datapath_id);
            self.put_off.remove(&datapath_id);
            self.changed = true;
        }
    }

    fn hold(&mut self, datapath_id: DatapathId, until: Time) {
        self.forget(datapath_id);
        self.held.insert(datapath_id, until);
        self.deadlines.insert((until, datapath_id));
        self.changed = true;
    }

    /// Whether a switch that is held may still wait.
    fn has_time(&self, datapath_id: DatapathId) -> bool {
        self.held.get(&datapath_id).is_some_and(|&until| self.deadlines.contains(&(until, datapath_id)))
    }

    /// Whether there is something to decide. A switch whose time is over counts as settled.
    fn is_due(&mut self, now: Time) -> bool {
        while let Some(&(until, datapath_id)) = self.deadlines.first()
            && until <= now
        {
            self.deadlines.pop_first();
            self.unsettled.remove(&datapath_id);
            self.changed = true;
        }
        let start = !self.started && self.start_deadline.is_some_and(|deadline| deadline <= now);
        std::mem::take(&mut self.changed) || start
    }
}

impl Core {
    /// A switch has been read back: take what its rules tell, and let discovery begin.
    pub(super) fn read_back(&mut self, datapath_id: DatapathId, rules: usize, groups: usize, now: Time) {
        let Some(&id) = self.by_datapath.get(&datapath_id) else { return };
        let Some(ports) = self.go_live(id) else { return };
        let mut recovered = Recovered::default();
        for app in &self.apps {
            app.recover(datapath_id, &mut self.reconciler.installed_of(datapath_id, app.owner()), &mut recovered);
        }
        // Who has not said what it is by now is told nothing that it might not know.
        let is_plain = self.description(datapath_id).is_none_or(|description| !description.is_software());
        self.discovery.handle_switch_up(datapath_id, ports, now);
        self.discovery.set_plain_openflow(datapath_id, is_plain);
        for port in recovered.links {
            self.discovery.handle_expected_link(port, now);
        }
        for (mac, port) in recovered.hosts {
            self.discovery.handle_expected_host(HostSighting { port, mac, address: None }, now);
        }
        if rules + groups > 0 {
            self.settling.hold(datapath_id, now + HOLD_LIMIT);
            self.ports_changed(datapath_id);
        }
        if self.settling.start_deadline.is_none() {
            self.settling.start_deadline = Some(now + START_LIMIT);
            self.settling.changed = true;
        }
        let took = self.connections.get(&id).map_or(Duration::ZERO, |connection| now.since(connection.opened));
        self.events.push_back(super::CoreEvent::SwitchConnected { datapath_id, connection: id, rules, took });
    }

    /// Release the switches that may be changed.
    pub(super) fn settle(&mut self, now: Time) {
        if !self.settling.is_due(now) {
            return;
        }
        if !self.settling.started {
            let overdue = self.settling.start_deadline.is_some_and(|deadline| deadline <= now);
            if !overdue && !self.settling.unsettled.is_empty() {
                self.reconciler.hold_flood(true);
                return;
            }
            if self.settling.start_deadline.is_none() || (self.settling.held.is_empty() && !overdue) {
                // Nobody with rules of ours has come yet, or is still here.
                self.reconciler.hold_flood(false);
                return;
            }
            self.settling.started = true;
            let (put_off, _) = self.paths.put_off();
            self.settling.put_off = self.settling.held.keys().map(|id| (*id, put_off)).collect();
        }
        // What is not stated yet would be deleted.
        let is_stated = |id: &DatapathId| !self.apps.iter().any(|app| app.is_stating(*id));
        let settled = self.settling.held.keys().copied().filter(|id| !self.settling.unsettled.contains(id));
        // So would rules of ways round links that have not been looked for since; not for ever, as links may come all the time.
        let (_, looked) = self.paths.put_off();
        let has_ways = |id: &DatapathId| {
            self.settling.put_off.get(id).is_none_or(|put_off| *put_off <= looked) || !self.settling.has_time(*id)
        };
        let released: Vec<DatapathId> = settled.filter(is_stated).filter(has_ways).collect();
        for datapath_id in released {
            self.settling.forget(datapath_id);
            self.reconciler.release(datapath_id);
        }
        self.reconciler.hold_flood(!self.settling.held.is_empty());
    }

    /// The ports of a switch are not what they were.
    pub(super) fn ports_changed(&mut self, datapath_id: DatapathId) {
        if !self.settling.held.contains_key(&datapath_id) {
            return;
        }
        let settled = self.discovery.network().switches.get(&datapath_id).is_none_or(topology::Switch::is_settled);
        self.settling.put_off.insert(datapath_id, self.paths.put_off().0);
        let has_time = self.settling.has_time(datapath_id);
        let changed = match has_time && !settled {
            true => self.settling.unsettled.insert(datapath_id),
            false => self.settling.unsettled.remove(&datapath_id),
        };
        self.settling.changed |= changed;
    }
}
