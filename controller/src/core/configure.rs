//! Another configuration while the core runs, and work that is too long for one turn.
//!
//! A configuration is a difference like any other: applications state what is other than before, the reconciler sends that. What takes long is
//! stated in slices; between two of them everybody else has a turn, and the next one waits until the reconciler has taken the one before.

use std::sync::Arc;
use std::time::Duration;

use net::{Prefix, Time};
use topology::{DhcpServer, DiscoveryConfig, ExpectedLink, StaticHost};

use super::Core;
use crate::app::isolation::Isolation;
use crate::app::static_rules::OperatorRules;
use crate::app::{Configured, Effects, Event, View};
use crate::flow::FlowSettings;
use crate::path::route::NamedRequest;
use crate::path::{Metric, Weights};

/// At least so long between two slices: frames that have come in meanwhile are read before the next one.
const SLICE_PAUSE: Duration = Duration::from_millis(1);

/// What can change while the core runs.
#[derive(Clone, Debug)]
pub struct FabricSettings {
    /// How links and hosts are found and forgotten.
    pub discovery: DiscoveryConfig,
    /// What the operator says of links and hosts.
    pub wiring: Arc<Wiring>,
    /// The operator's rules. The same ones in memory are taken for unchanged.
    pub rules: Arc<OperatorRules>,
    /// Audits, bundles, and what becomes of rules of others.
    pub flows: FlowSettings,
    /// Who must not reach whom. The same in memory is taken for unchanged.
    pub isolation: Arc<Isolation>,
    /// What links cost.
    pub weights: Arc<Weights>,
    /// A link that comes back is used when somebody has said that nothing goes wrong by it.
    pub verifies_links: bool,
    /// What the configuration calls switches. Nothing is done by it.
    pub names: Arc<super::SwitchNames>,
    /// Bandwidth to be set aside. Nothing is done by it here.
    pub reservations: Arc<[NamedRequest]>,
}

/// What the operator says is there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wiring {
    /// Links that should be there; what differs is a condition.
    pub expected_links: Vec<ExpectedLink>,
    /// Any other link is a condition, too.
    pub expected_links_only: bool,
    /// Hosts that are where the operator says, whatever is seen.
    pub static_hosts: Vec<StaticHost>,
    /// What is on link: senders with such an address have it themselves.
    pub subnets: Vec<Prefix>,
    /// Who may answer as a DHCP server. If nobody is, DHCP is not looked at.
    pub dhcp_servers: Vec<DhcpServer>,
}

impl FabricSettings {
    /// The keys of the file that are other in `new`. Whether rules are the same is for the caller to say: to compare them takes its time.
    pub(crate) fn changed_keys(
        &self,
        new: &FabricSettings,
        same_rules: bool,
        same_isolation: bool,
    ) -> Vec<&'static str> {
        let [rules, groups, meters] = if same_rules { [false; 3] } else { self.rules.differs(&new.rules) };
        let (old, other) = (&self.discovery, &new.discovery);
        let (old_weights, weights) = (&self.weights, &new.weights);
        let rows = [
            ("fabric.probe_interval", old.probe_interval != other.probe_interval),
            ("fabric.probe_misses", old.probe_misses != other.probe_misses),
            ("fabric.probe_budget_per_second", old.probe_budget_per_second != other.probe_budget_per_second),
            ("fabric.host_timeout", old.host_timeout != other.host_timeout),
            ("fabric.host_limit_per_port", old.max_hosts_per_port != other.max_hosts_per_port),
            ("fabric.move_confirmation", old.move_confirmation != other.move_confirmation),
            ("fabric.damping", old.flap_half_life != other.flap_half_life),
            ("fabric.protect_host_ports", old.protect_host_ports != other.protect_host_ports),
            ("fabric.max_link_latency", old.max_link_latency != other.max_link_latency),
            ("fabric.broadcast_probes", old.broadcast_probes != other.broadcast_probes),
            ("fabric.expected_links", self.wiring.expected_links != new.wiring.expected_links),
            ("fabric.expected_links_only", self.wiring.expected_links_only != new.wiring.expected_links_only),
            ("fabric.static_hosts", self.wiring.static_hosts != new.wiring.static_hosts),
            ("fabric.subnets", self.wiring.subnets != new.wiring.subnets),
            ("fabric.dhcp_servers", self.wiring.dhcp_servers != new.wiring.dhcp_servers),
            ("links", (&old_weights.links, &old_weights.risk_names) != (&weights.links, &weights.risk_names)),
            ("paths", of_paths(old_weights) != of_paths(weights)),
            ("reservations", self.reservations != new.reservations),
            ("groups", groups),
            ("meters", meters),
            ("flows", !same_rules && (rules || !groups && !meters)),
            ("isolate", !same_isolation),
            ("openflow.bundles", self.flows.bundles != new.flows.bundles),
            ("audit.interval", self.flows.audit_interval != new.flows.audit_interval),
            ("audit.foreign_flows", self.flows.remove_foreign != new.flows.remove_foreign),
            ("audit.exceptions", self.flows.exceptions != new.flows.exceptions),
        ];
        rows.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

/// What `paths` says.
fn of_paths(weights: &Weights) -> (Metric, bool, bool) {
    (weights.metric, weights.measured_latency, weights.bypasses)
}

impl Core {
    /// Take on another configuration; what was different, as keys of the file. Nothing is sent for what is the same. Rules go out in slices from
    /// here on: [`Core::is_stating`] says whether some are left.
    pub fn handle_config(&mut self, settings: FabricSettings, now: Time) -> Vec<&'static str> {
        let FabricSettings { ref rules, ref isolation, .. } = settings;
        let host_timeout_changed = self.config.discovery.host_timeout != settings.discovery.host_timeout;
        let none = self.config.rules.is_empty() && rules.is_empty();
        let same_rules = none || Arc::ptr_eq(&self.config.rules, rules);
        let nobody = self.config.isolation.is_empty() && isolation.is_empty();
        let same_isolation = nobody || Arc::ptr_eq(&self.config.isolation, isolation);
        let before = FabricSettings {
            discovery: self.config.discovery.clone(),
            wiring: self.config.wiring.clone(),
            rules: self.config.rules.clone(),
            flows: self.config.flows.clone(),
            isolation: self.config.isolation.clone(),
            weights: self.config.weights.clone(),
            verifies_links: self.config.verifies_links,
            names: self.config.names.clone(),
            reservations: self.config.reservations.clone(),
        };
        let taken = before.changed_keys(&settings, same_rules, same_isolation);
        let FabricSettings { discovery, wiring, rules, flows, isolation, weights, verifies_links, names, reservations } =
            settings;
        self.config.names = names;
        self.config.reservations = reservations;
        self.config.verifies_links = verifies_links;
        // Which switches are drained is told with the switches.
        let same_weights = self.config.weights == weights;
        if taken.is_empty() && same_weights {
            self.look_at_links_again(now);
            self.turn(now);
            return taken;
        }
        self.config.discovery = discovery;
        self.discovery.handle_config(self.config.discovery.clone());
        self.take_wiring(wiring, now);
        self.config.flows = flows.clone();
        self.reconciler.handle_settings(flows, now);
        if !same_isolation {
            self.config.isolation = isolation;
        }
        self.config.rules = rules.clone();
        if !same_weights {
            self.take_weights(weights);
        }
        let isolation = self.config.isolation.clone();
        self.tell_apps(Event::Configured(&Configured { rules, isolation, host_timeout_changed }));
        self.look_at_links_again(now);
        self.turn(now);
        taken
    }

    fn take_wiring(&mut self, wiring: Arc<Wiring>, now: Time) {
        let before = std::mem::replace(&mut self.config.wiring, wiring);
        let Wiring { expected_links, expected_links_only, static_hosts, subnets: _, dhcp_servers } =
            &*self.config.wiring;
        if before.expected_links != *expected_links || before.expected_links_only != *expected_links_only {
            self.discovery.set_expected_links(expected_links.iter().copied(), *expected_links_only);
        }
        if before.static_hosts != *static_hosts {
            self.discovery.set_static_hosts(static_hosts.clone(), now);
        }
        if before.dhcp_servers != *dhcp_servers {
            self.discovery.set_dhcp_servers(dhcp_servers.iter().copied());
        }
    }

    /// Links cost something else. What follows goes out as with any change of ways: make before break.
    fn take_weights(&mut self, weights: Arc<Weights>) {
        self.config.weights = weights;
        self.discovery.set_stated_links(self.config.weights.stated_links());
        let mut weights = (*self.config.weights).clone();
        weights.go_on_from(self.paths.weights());
        let changes = self.paths.set_weights(weights, self.discovery.network());
        if !changes.is_empty() {
            self.counters.path_updates += 1;
            self.reconciler.take_time();
            self.tell_apps(Event::Paths(&changes));
        }
    }

    /// Whether an application has more to state than it has stated so far.
    pub fn is_stating(&self) -> bool {
        self.apps.iter().any(|app| app.has_more())
    }

    /// The operator's rules, and so the line of the file that each comes from.
    pub fn operator_rules(&self) -> &Arc<OperatorRules> {
        &self.config.rules
    }

    /// Who must not reach whom.
    pub fn isolation(&self) -> &Arc<Isolation> {
        &self.config.isolation
    }

    /// State the next slice, if there is one and its time has come.
    pub(super) fn state_slice(&mut self, now: Time) {
        if !self.is_stating() || self.next_slice > now || !self.may_state() {
            return;
        }
        let view = View {
            network: self.discovery.network(),
            paths: &self.paths,
            host_timeout: self.config.discovery.host_timeout,
            isolation: &self.config.isolation,
            broadcast_probes: self.config.discovery.broadcast_probes,
            watches_dhcp: !self.config.wiring.dhcp_servers.is_empty(),
        };
        let mut effects = Effects::new(&mut self.reconciler, &mut self.packet_outs);
        for app in &mut self.apps {
            app.advance(&view, &mut effects);
        }
        self.slice_plans = self.reconciler.plans();
        // Switches are released when everything is stated.
        self.settling.look_again();
    }

    /// Whether the slice before has been taken into a rollout. Rules that others state meanwhile hold nobody up.
    fn may_state(&self) -> bool {
        self.reconciler.plans() != self.slice_plans || !self.reconciler.has_unplanned()
    }

    /// The turn ends: what is left to state, and what has only come up in it, is due after a pause.
    pub(super) fn put_off_slice(&mut self, now: Time) {
        if self.next_slice <= now && self.is_stating() {
            self.next_slice = now + SLICE_PAUSE;
        }
    }

    /// When the next slice is due. While the reconciler is busy, the answer that it waits for comes first.
    pub(super) fn slice_timeout(&self) -> Option<(Time, &'static str)> {
        (self.is_stating() && self.may_state()).then_some((self.next_slice, "rules to state"))
    }
}
