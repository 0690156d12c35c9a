//! Another configuration for the running process: what counts at once, what costs a session, and what counts from the next start on.
//!
//! Whoever asks (SIGHUP, `trunkline reload` and `apply`, the watch on the file) asks the main thread, where [`crate::apply`] remembers what was taken
//! on. The whole file is checked first; one with an error changes nothing, and neither does one whose rules would go wrong in the network as it is
//! (`verified`). BGP comes next, for it may still refuse; the fabric takes what it is given.

mod counted;
mod kept;
pub(crate) mod verified;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bgp::speaker::{Reconfigured, Speaker};
use net::{DatapathId, PortId, Time};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use topology::Network;

use crate::app::static_rules::RuleDifference;
use crate::config::{self, BgpConfig, Checked, Config, HttpConfig, LoadError, OpenflowConfig, TlsConfig};
use crate::core::FabricSettings;
use crate::flow::SwitchFeatures;
use crate::history::Source;
use crate::plan::FabricPlan;
use crate::service::{Controller, speaker_config};

pub use counted::Counted;
pub(crate) use counted::Refused;
pub(crate) use kept::Kept;

/// Requests that wait for the main thread: one is answered before the next is looked at.
pub const REQUESTS_WAITING: usize = 4;

/// Somebody wants another configuration to count, or to know what it would do.
#[derive(Debug)]
pub enum ReloadRequest {
    /// Do it.
    Change {
        /// What is to be done.
        wish: Wish,
        /// Who waits for the answer.
        answer: oneshot::Sender<Result<Outcome, Refusal>>,
    },
    /// Say what it would do.
    Plan {
        /// The configuration.
        source: Source,
        /// Who waits for the answer.
        answer: oneshot::Sender<Result<Plan, Refusal>>,
    },
}

/// What somebody wants of the configuration that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wish {
    /// This one is to count; without it, the process's own file is read again.
    Reload(Option<Source>),
    /// This one is to count; with a time, until that is over unless it is confirmed.
    Apply(Source, Option<Duration>),
    /// The one that waits to be confirmed is to stay; with a number, only if it is that one.
    Confirm(Option<u64>),
    /// The one before is to count again, or the one with this number.
    Rollback(Option<u64>),
}

/// Where requests go.
pub type ReloadSender = mpsc::Sender<ReloadRequest>;

/// What a reload has done.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Outcome {
    /// What is different and counts now.
    pub changed: Vec<Changed>,
    /// Keys that are different and count from the next start on.
    pub restart: Vec<&'static str>,
    /// What is odd about the file.
    pub warnings: Vec<String>,
    /// Its number in the history of configurations.
    pub number: u64,
    /// Seconds until the one before counts again, unless it is confirmed.
    pub confirm_within: Option<u64>,
}

/// One thing that is different.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Changed {
    /// Its key path, or whose settings.
    pub what: String,
    /// A session was reset for it.
    pub session_reset: bool,
}

impl Changed {
    fn hot(what: impl Into<String>) -> Changed {
        Changed { what: what.into(), session_reset: false }
    }
}

/// Why a reload has changed nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The file is wrong, or cannot be read: a line for each problem.
    File(String),
    /// The process cannot do it.
    Process(String),
}

/// The configurations of the running process.
#[derive(Debug)]
pub struct Reloader {
    /// What the process was started with.
    started: Config,
    /// What counts now.
    current: Config,
    file: Option<PathBuf>,
    /// What of the current one is looked at whenever the network changes.
    looked_at: watch::Sender<verified::LookedAt>,
    counted: Arc<Counted>,
    kept: Arc<Kept>,
}

impl Reloader {
    /// For a process that was started with this configuration, read from this file. What is refused is counted.
    pub fn new(started: Config, file: Option<PathBuf>, counted: Arc<Counted>) -> Reloader {
        let looked_at = watch::Sender::new(verified::LookedAt::from(&started));
        Reloader { current: started.clone(), started, file, looked_at, counted, kept: Arc::default() }
    }

    /// What of the configuration is to be looked at whenever the network changes.
    pub(crate) fn verified(&self) -> watch::Receiver<verified::LookedAt> {
        self.looked_at.subscribe()
    }

    /// What the verifier keeps from one look to the next.
    pub(crate) fn kept(&self) -> Arc<Kept> {
        self.kept.clone()
    }

    /// The file that is read again.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The text that is meant: this one, or that of the process's own file as it is now.
    ///
    /// # Errors
    /// There is no file, or it cannot be read.
    pub fn source(&self, given: Option<Source>) -> Result<Source, Refusal> {
        let source = self.read(given);
        source.inspect_err(|refusal| match refusal {
            Refusal::File(_) => self.counted.refused(Refused::File),
            Refusal::Process(_) => self.counted.refused(Refused::Process),
        })
    }

    fn read(&self, given: Option<Source>) -> Result<Source, Refusal> {
        match (given, &self.file) {
            (Some(source), _) => Ok(source),
            (None, None) => Err(Refusal::Process("the process was started without a file".to_owned())),
            (None, Some(file)) => {
                let text = std::fs::File::open(file).and_then(config::read_text);
                let read = |error| Refusal::File(LoadError::Read { file: file.clone(), error }.to_string());
                Ok(Source { name: file.display().to_string(), text: text.map_err(read)?.into() })
            }
        }
    }

    /// The configuration that a text is, with what the command line says besides. Relative paths in it start at the folder of the process's own file.
    fn checked(&self, source: &Source, add: impl FnOnce(&mut Config)) -> Result<Checked, Refusal> {
        let folder = self.file.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
        let lines = |problems: config::Problems| problems.lines(&source.name).collect::<Vec<_>>().join("\n");
        let mut checked = config::check(&source.text, Some(folder.unwrap_or(Path::new("."))))
            .map_err(|problems| Refusal::File(lines(problems)))?;
        add(&mut checked.config);
        Ok(checked)
    }

    /// Takes on this configuration. `add` is what the command line says besides. On the `is_way_back` to what has counted before, rules that go wrong are warned of and never refused.
    ///
    /// # Errors
    /// Nothing has changed; but if the fabric thread has ended, the BGP speaker has taken its part on.
    pub async fn take_on(
        &mut self,
        source: &Source,
        is_way_back: bool,
        controller: &Controller,
        add: impl FnOnce(&mut Config),
    ) -> Result<Outcome, Refusal> {
        let counted = self.counted.clone();
        let count = |why: Refused| {
            let counted = &counted;
            move |_: &Refusal| counted.refused(why)
        };
        let Checked { config: mut new, warnings } = self.checked(source, add).inspect_err(count(Refused::File))?;
        // The same rules in memory are no other ones.
        let difference = self.current.flows.difference(&new.flows);
        match self.current.flows == new.flows {
            true => new.flows = self.current.flows.clone(),
            false => Arc::make_mut(&mut new.flows).share(&self.current.flows),
        }
        let isolation = self.current.isolate.rules().difference(new.isolate.rules());
        if self.current.isolate == new.isolate {
            new.isolate = self.current.isolate.clone();
        }
        let snapshot = controller.snapshot();
        let now = verified::Now::from(&*snapshot);
        let differs = reservations_differ(&self.current, &new);
        let (weights, requests, names) = (now.weights(&new), new.reservations.clone(), new.switch_names());
        let no_path = tokio::task::spawn_blocking(move || {
            let name = |id| names.switch(id).map_or_else(|| id.to_string(), |named| named.name.clone());
            if differs {
                crate::reservations::refused(&snapshot.network, &weights, &requests, &name)
            } else {
                Vec::new()
            }
        });
        let not_well = verified::reload(&self.current, &new, is_way_back, now, self.kept()).await;
        let not_well = not_well.inspect_err(count(Refused::Verify))?;
        let mut changed = match (controller.bgp(), &new.bgp, &self.current.bgp) {
            (Some(speaker), Some(bgp), Some(before)) => {
                let done = speaker.reload(bgp).await.map_err(Refusal::File).inspect_err(count(Refused::File))?;
                let mut changed = of_bgp(&done);
                changed.extend(besides_the_speaker(before, bgp));
                changed
            }
            _ => Vec::new(),
        };
        changed.extend(of_names(&self.current, &new));
        let taken = controller.configure(FabricSettings::from(&new)).await.map_err(Refusal::Process);
        let taken = taken.inspect_err(count(Refused::Process))?;
        controller.configure_ovsdb(&new.ovsdb);
        changed.extend(of_fabric(&taken, difference, isolation));
        let restart = restart_keys(&self.started, &new);
        self.looked_at.send_replace(verified::LookedAt::from(&new));
        self.current = new;
        let no_path = no_path.await.map_err(|error| Refusal::Process(format!("reservations: {error}")))?;
        let warnings = warnings.0.iter().map(ToString::to_string).chain(not_well).chain(no_path).collect();
        Ok(Outcome { changed, restart, warnings, ..Outcome::default() })
    }

    /// What taking on this configuration would do, to be worked out elsewhere: it may take seconds.
    ///
    /// # Errors
    /// It would be refused.
    pub fn plan(&self, source: &Source, add: impl FnOnce(&mut Config)) -> Result<Planning, Refusal> {
        let Checked { config: new, warnings } = self.checked(source, add)?;
        let warnings = warnings.0.iter().map(ToString::to_string).collect();
        Ok(Planning { kept: self.kept(), ..Planning::new(&self.started, &self.current, &new, warnings) })
    }
}

/// A plan that is still to be worked out: what counts now, and what would.
#[derive(Debug)]
pub struct Planning {
    started: Config,
    current: Config,
    new: Config,
    warnings: Vec<String>,
    kept: Arc<Kept>,
    /// Ends of links over which nothing leads.
    withheld: BTreeSet<PortId>,
}

/// What another configuration would do.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Plan {
    /// What would be told of taking it on.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it would do to the switches and means for hosts.
    #[serde(flatten)]
    pub fabric: FabricPlan,
}

impl Planning {
    /// From what the process was started with and what counts to a new configuration.
    pub fn new(started: &Config, current: &Config, new: &Config, warnings: Vec<String>) -> Planning {
        let [started, current, new] = [started, current, new].map(Config::clone);
        Planning { started, current, new, warnings, kept: Arc::default(), withheld: BTreeSet::new() }
    }

    /// The same in a network where nothing leads over the links with these ends.
    pub(crate) fn withholding(self, withheld: BTreeSet<PortId>) -> Planning {
        Planning { withheld, ..self }
    }

    /// What the verifier would say of it in this network, and whether it would be refused.
    pub(crate) fn verified(&self, now: &verified::Now) -> Vec<String> {
        verified::would(&self.current, &self.new, now, &self.kept)
    }

    /// Works it out: pure, and for a thread of its own.
    ///
    /// # Errors
    /// The BGP speaker would refuse it.
    pub fn work_out(
        self,
        network: &Network,
        features: &BTreeMap<DatapathId, Arc<SwitchFeatures>>,
        name: &dyn Fn(DatapathId) -> String,
    ) -> Result<Plan, Refusal> {
        let Planning { started, mut current, mut new, warnings, withheld, .. } = self;
        let mut changed = match (&current.bgp, &new.bgp) {
            (Some(before), Some(bgp)) => {
                let mut changed = of_bgp(&speaker_would(before, bgp).map_err(Refusal::File)?);
                changed.extend(besides_the_speaker(before, bgp));
                changed
            }
            _ => Vec::new(),
        };
        changed.extend(of_names(&current, &new));
        for config in [&mut current, &mut new].into_iter().filter(|_| !withheld.is_empty()) {
            config.weights = Arc::new(config.weights.withholding(withheld.clone()));
        }
        let (old, other) = (FabricSettings::from(&current), FabricSettings::from(&new));
        let difference = old.rules.difference(&other.rules);
        let taken = old.changed_keys(&other, old.rules == other.rules, old.isolation == other.isolation);
        let isolation = current.isolate.rules().difference(new.isolate.rules());
        changed.extend(of_fabric(&taken, difference, isolation));
        let restart = restart_keys(&started, &new);
        let mut warnings = warnings;
        if reservations_differ(&current, &new) {
            let requests = &new.reservations;
            warnings.extend(crate::reservations::refused(network, &new.weights, requests, name));
        }
        let fabric = crate::plan::compute(network, &old, &other, features, name);
        Ok(Plan { outcome: Outcome { changed, restart, warnings, ..Outcome::default() }, fabric })
    }
}

/// Whether reservations may be answered otherwise.
fn reservations_differ(old: &Config, new: &Config) -> bool {
    old.reservations != new.reservations || old.weights != new.weights
}

/// What the BGP speaker would do: asked of one that has the same configuration and no sessions.
fn speaker_would(before: &BgpConfig, new: &BgpConfig) -> Result<Vec<Reconfigured>, String> {
    let wrong = |error: bgp::speaker::NeighborError| format!("bgp: {error}");
    let mut speaker = Speaker::new(speaker_config(before, 0), Time::ZERO).map_err(wrong)?;
    speaker.reconfigure(speaker_config(new, 0), Time::ZERO).map_err(wrong)
}

impl From<&Config> for FabricSettings {
    fn from(config: &Config) -> FabricSettings {
        FabricSettings {
            discovery: config.fabric.discovery.clone(),
            wiring: config.fabric.wiring.clone(),
            rules: config.flows.clone(),
            flows: config.flow_settings(),
            isolation: config.isolate.clone(),
            weights: config.weights.clone(),
            verifies_links: config.verifies_links(),
            names: Arc::new(config.switch_names()),
            reservations: config.reservations.clone(),
        }
    }
}

impl Outcome {
    /// A line for each thing; one that says so if nothing is different.
    pub fn lines(&self) -> Vec<String> {
        let changed = self.changed.iter().map(|changed| match changed.session_reset {
            true => format!("changed, a session was reset: {}", changed.what),
            false => format!("changed: {}", changed.what),
        });
        let restart = self.restart.iter().map(|key| format!("counts from the next start on: {key}"));
        let mut lines: Vec<String> = changed.chain(restart).collect();
        if lines.is_empty() {
            lines.push("nothing is different".to_owned());
        }
        lines.extend(self.confirm_within.map(|seconds| {
            let number = self.number;
            format!(
                "configuration {number} counts for {seconds} s; then the one before does again, unless `trunkline confirm {number}` comes before that"
            )
        }));
        lines
    }
}

/// What the BGP speaker says that it has done.
pub(crate) fn of_bgp(done: &[Reconfigured]) -> Vec<Changed> {
    let changed = |done: &Reconfigured| Changed {
        what: format!("bgp: {done}"),
        session_reset: matches!(
            done,
            Reconfigured::Reset { .. } | Reconfigured::Removed(_) | Reconfigured::ShutDown(_)
        ),
    };
    done.iter().map(changed).collect()
}

/// What of `bgp` is different and not the speaker's to tell: recordings, ranges without a neighbour, words for people.
pub(crate) fn besides_the_speaker(old: &BgpConfig, new: &BgpConfig) -> Vec<Changed> {
    let names = |bgp: &BgpConfig| -> Vec<Option<String>> {
        let statements = bgp.policies.values().flat_map(|policy| &policy.statements);
        statements.map(|statement| statement.label.0.name.clone()).collect()
    };
    let rows = [
        ("bgp.mrt.updates", old.mrt.updates != new.mrt.updates),
        ("bgp.mrt.rotate", old.mrt.rotate != new.mrt.rotate),
        ("bgp.mrt.tables", old.mrt.tables != new.mrt.tables),
        ("bgp.mrt.interval", old.mrt.interval != new.mrt.interval),
        ("bgp.multipath", old.multipath != new.multipath),
        ("bgp.policies", old.policies != new.policies || names(old) != names(new)),
        ("bgp.ranges", old.ranges != new.ranges),
    ];
    let mut changed: Vec<Changed> =
        rows.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| Changed::hot(key)).collect();
    for neighbor in &new.neighbors {
        let before = old.neighbors.iter().find(|other| other.address == neighbor.address);
        if before.is_some_and(|before| before.description != neighbor.description) {
            changed.push(Changed::hot(format!("bgp.neighbors[{}].description", neighbor.address)));
        }
    }
    changed
}

/// Names, descriptions and databases that are different. What names mean for rules is the rules' difference.
pub(crate) fn of_names(old: &Config, new: &Config) -> Vec<Changed> {
    let mut changed = Vec::new();
    let mut note = |differs: bool, path: String| {
        if differs {
            changed.push(Changed::hot(path));
        }
    };
    for name in old.switches.keys().chain(new.switches.keys().filter(|name| !old.switches.contains_key(*name))) {
        let path = format!("switches.{name}");
        let (Some(old), Some(new)) = (old.switches.get(name), new.switches.get(name)) else {
            note(true, path);
            continue;
        };
        note(old.datapath_id != new.datapath_id, format!("{path}.datapath_id"));
        note(old.description != new.description, format!("{path}.description"));
        note(old.drain != new.drain, format!("{path}.drain"));
        for port in old.ports.keys().chain(new.ports.keys().filter(|port| !old.ports.contains_key(*port))) {
            let (before, after) = (old.ports.get(port), new.ports.get(port));
            let path = format!("{path}.ports.{}", port.0);
            let name = |port: &config::PortConfig| port.name.clone();
            let description = |port: &config::PortConfig| port.description.clone();
            note(before.and_then(name) != after.and_then(name), format!("{path}.name"));
            note(before.and_then(description) != after.and_then(description), format!("{path}.description"));
        }
    }
    for name in old.vlans.keys().chain(new.vlans.keys().filter(|name| !old.vlans.contains_key(*name))) {
        let path = format!("vlans.{name}");
        match (old.vlans.get(name), new.vlans.get(name)) {
            (Some(old), Some(new)) => {
                note(old.id != new.id, format!("{path}.id"));
                note(old.description != new.description, format!("{path}.description"));
            }
            _ => note(true, path),
        }
    }
    note(old.verify != new.verify, "verify".to_owned());
    let (before, after) = (&old.ovsdb, &new.ovsdb);
    note(before.connections != after.connections, "ovsdb.connections".to_owned());
    note(before.bfd.enabled != after.bfd.enabled, "ovsdb.bfd.enabled".to_owned());
    note(before.bfd.min_tx != after.bfd.min_tx, "ovsdb.bfd.min_tx".to_owned());
    note(before.bfd.min_rx != after.bfd.min_rx, "ovsdb.bfd.min_rx".to_owned());
    note(before.bfd.mult != after.bfd.mult, "ovsdb.bfd.mult".to_owned());
    for name in old.isolations.keys().chain(new.isolations.keys().filter(|name| !old.isolations.contains_key(*name))) {
        let description = |config: &Config| config.isolations.get(name).cloned().flatten();
        note(description(old) != description(new), format!("isolate.{name}.description"));
    }
    changed
}

/// What the core says that was different, with how many rules that is.
pub(crate) fn of_fabric(taken: &[&'static str], flows: RuleDifference, isolation: RuleDifference) -> Vec<Changed> {
    let counted = |key: &str, difference: RuleDifference| {
        if difference == RuleDifference::default() {
            return Changed::hot(format!("{key}: the same rules in other lines; nothing is sent"));
        }
        let RuleDifference { added, changed, removed } = difference;
        let rules = if added == 1 { "rule" } else { "rules" };
        Changed::hot(format!("{key}: {added} {rules} added, {changed} changed, {removed} removed"))
    };
    let words = |key: &&'static str| match *key {
        "flows" => counted("flows", flows),
        "isolate" => counted("isolate", isolation),
        key => Changed::hot(key),
    };
    taken.iter().map(words).collect()
}

/// Keys that are not what they were at the start and need another one. In full, so that whoever adds a key says here what it needs.
pub(crate) fn restart_keys(started: &Config, new: &Config) -> Vec<&'static str> {
    let Config {
        openflow,
        http: HttpConfig { listen: http_listen, socket },
        fabric: _,
        audit: _,
        switches: _,
        weights: _,
        reservations: _,
        vlans: _,
        flows: _,
        isolate: _,
        isolations: _,
        verify: _,
        history,
        bgp,
        ovsdb: _,
    } = started;
    let OpenflowConfig { listen, plain_from, tls, connect, role, record, bundles: _ } = openflow;
    let tls_differs = |differs: fn(&TlsConfig, &TlsConfig) -> bool| match (tls, &new.openflow.tls) {
        (Some(old), Some(new)) => differs(old, new),
        _ => false,
    };
    let bgp_differs = |differs: fn(&BgpConfig, &BgpConfig) -> bool| match (bgp, &new.bgp) {
        (Some(old), Some(new)) => differs(old, new),
        _ => false,
    };
    let rows = [
        ("openflow.listen", *listen != new.openflow.listen),
        ("openflow.connect", *connect != new.openflow.connect),
        ("openflow.plain_from", *plain_from != new.openflow.plain_from),
        ("openflow.tls", tls.is_some() != new.openflow.tls.is_some()),
        ("openflow.tls.certificate", tls_differs(|old, new| old.certificate != new.certificate)),
        ("openflow.tls.key", tls_differs(|old, new| old.key != new.key)),
        ("openflow.tls.client_ca", tls_differs(|old, new| old.client_ca != new.client_ca)),
        ("openflow.tls.switches", tls_differs(|old, new| old.switches != new.switches)),
        ("openflow.role", *role != new.openflow.role),
        ("openflow.record", *record != new.openflow.record),
        ("http.listen", *http_listen != new.http.listen),
        ("http.socket", *socket != new.http.socket),
        ("history.directory", history.directory != new.history.directory),
        ("history.keep", history.keep != new.history.keep),
        ("bgp", bgp.is_some() != new.bgp.is_some()),
        ("bgp.listen", bgp_differs(|old, new| old.listen != new.listen)),
        ("bgp.selection_deferral", bgp_differs(|old, new| old.selection_deferral != new.selection_deferral)),
    ];
    rows.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}
