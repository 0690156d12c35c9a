//! What an audit finds: rules and groups on a switch that are not what the controller has put there, and what is done about them.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use net::{DatapathId, Time};
use openflow::{GroupId, Match, MeterId, TableId};

use super::body::FlowBody;
use super::reconciler::RefusedStep;
use super::rule::Key;

/// Time between two audits of a switch, unless the configuration says something else.
pub const AUDIT_INTERVAL: Duration = Duration::from_secs(300);
/// Differences that a report tells one by one; the others are counted. Whoever changes more by hand than that knows what it was.
pub const DRIFT_KEPT: usize = 1_000;

/// What the reconciler does on a switch besides what is stated. By default it audits nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlowSettings {
    /// What bundles are used for.
    pub bundles: super::BundleUse,
    /// Time between two audits of a switch; none at all if it is zero.
    pub audit_interval: Duration,
    /// Rules, groups and meters that somebody else has put on a switch are removed; else they are let be.
    pub remove_foreign: bool,
    /// Rules that audits pass over, and that are let be if somebody else has put them there.
    pub exceptions: Arc<[FlowException]>,
}

impl FlowSettings {
    /// Whether groups and meters of somebody else are removed. Not where rules are excepted: a switch that loses a group or a meter drops the rules that
    /// point to it (OpenFlow 1.3.5 §6.5), those that were to be let be among them.
    pub fn removes_foreign_numbers(&self) -> bool {
        self.remove_foreign && self.exceptions.is_empty()
    }
}

impl Default for FlowSettings {
    fn default() -> FlowSettings {
        FlowSettings {
            bundles: super::BundleUse::default(),
            audit_interval: Duration::ZERO,
            remove_foreign: false,
            exceptions: Arc::new([]),
        }
    }
}

/// Rules that are nobody's business: those that fit all that is said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FlowException {
    /// Cookies, as the switch has them.
    pub cookies: Option<RangeInclusive<u64>>,
    /// The table.
    pub table: Option<TableId>,
    /// The priority.
    pub priority: Option<u16>,
    /// Fields that the rule matches in the same way, in canonical form; it may match more.
    pub match_: Match,
}

impl FlowException {
    fn covers(&self, table: TableId, priority: u16, cookie: u64, match_: &Match) -> bool {
        self.cookies.as_ref().is_none_or(|cookies| cookies.contains(&cookie))
            && self.table.is_none_or(|wanted| wanted == table)
            && self.priority.is_none_or(|wanted| wanted == priority)
            && self.match_.fields().all(|field| match_.get(field.kind).is_some_and(|other| other == field))
    }
}

/// Whether one of these covers a rule.
pub(super) fn is_excepted(
    exceptions: &[FlowException],
    table: TableId,
    priority: u16,
    cookie: u64,
    match_: impl FnOnce() -> Match,
) -> bool {
    if exceptions.is_empty() {
        return false;
    }
    let match_ = match_();
    exceptions.iter().any(|exception| exception.covers(table, priority, cookie, &match_))
}

/// How a switch differs from what the controller has put there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(usize)]
pub enum DriftKind {
    /// There is something that should not be.
    Added,
    /// It does something else.
    Changed,
    /// It is gone.
    Removed,
}

impl DriftKind {
    /// All of them with their names, in the order of their numbers.
    pub const NAMES: [(DriftKind, &'static str); 3] =
        [(DriftKind::Added, "added"), (DriftKind::Changed, "changed"), (DriftKind::Removed, "removed")];

    /// As commands print it.
    pub fn name(self) -> &'static str {
        DriftKind::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// What is other than it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DriftedEntry {
    /// A rule.
    Rule {
        /// Its table.
        table: TableId,
        /// Its priority.
        priority: u16,
        /// The cookie that the switch has, or had.
        cookie: u64,
        /// What the controller has put there, or what was found if that is nothing.
        body: FlowBody,
        /// What was found in its place.
        found: Option<FlowBody>,
    },
    /// A group.
    Group(GroupId),
    /// A meter.
    Meter(MeterId),
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drift {
    /// In which way.
    pub kind: DriftKind,
    /// Whose it is; `None` if nobody wants it.
    pub key: Option<Key>,
    /// What it is.
    pub entry: DriftedEntry,
    /// It is put right; else it is let be.
    pub repaired: bool,
}

impl Drift {
    /// In ovs-ofctl's words.
    pub fn words(&self) -> String {
        match &self.entry {
            DriftedEntry::Rule { table, priority, body, found, .. } => {
                let was = super::switch::flow_words(*table, *priority, body);
                match found {
                    Some(found) => {
                        let now = super::switch::flow_words(*table, *priority, found);
                        let actions = now.split_once("actions=").map_or("", |(_, actions)| actions);
                        format!("flow {was}; found actions={actions}")
                    }
                    None => format!("flow {was}"),
                }
            }
            DriftedEntry::Group(id) => format!("group {}", id.0),
            DriftedEntry::Meter(id) => format!("meter {}", id.0),
        }
    }

    /// The table of a rule.
    pub fn table(&self) -> Option<TableId> {
        match self.entry {
            DriftedEntry::Rule { table, .. } => Some(table),
            DriftedEntry::Group(_) | DriftedEntry::Meter(_) => None,
        }
    }
}

/// Rules of somebody else that have the table, priority and match of a stated one: a switch has room for one of them (OpenFlow 1.3.5 §6.4).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TakenOver {
    /// How many there are.
    pub count: usize,
    /// The first [`TAKEN_OVER_TOLD`] of them: what is found there.
    pub first: Vec<RefusedStep>,
}

/// Rules of others in the place of stated ones that are told one by one. Whoever has put more there knows what they are.
pub const TAKEN_OVER_TOLD: usize = 8;

/// What an audit of one switch has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditReport {
    /// The switch.
    pub datapath_id: DatapathId,
    /// When it began.
    pub began: Time,
    /// When it was done.
    pub ended: Time,
    /// Why it was not done to its end, if it was not.
    pub cut_short: Option<&'static str>,
    /// Rules of ours that were looked at.
    pub rules: usize,
    /// Groups of ours that were looked at.
    pub groups: usize,
    /// Meters of ours that were looked at.
    pub meters: usize,
    /// Rules of others.
    pub foreign: usize,
    /// Of these, those that were counted and not looked at: too many in one table with the same cookie.
    pub foreign_unread: usize,
    /// Groups of others.
    pub foreign_groups: usize,
    /// Meters of others.
    pub foreign_meters: usize,
    /// Rules that are passed over.
    pub excepted: usize,
    /// Differences by [`DriftKind`].
    pub counts: [usize; DriftKind::NAMES.len()],
    /// The first [`DRIFT_KEPT`] of them.
    pub drift: Vec<Drift>,
}

impl AuditReport {
    pub(crate) fn new(datapath_id: DatapathId, began: Time) -> AuditReport {
        AuditReport {
            datapath_id,
            began,
            ended: began,
            cut_short: None,
            rules: 0,
            groups: 0,
            meters: 0,
            foreign: 0,
            foreign_unread: 0,
            foreign_groups: 0,
            foreign_meters: 0,
            excepted: 0,
            counts: [0; DriftKind::NAMES.len()],
            drift: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, drift: Drift) {
        self.counts[drift.kind as usize] += 1;
        if self.drift.len() < DRIFT_KEPT {
            self.drift.push(drift);
        }
    }
}
