//! A switch's rules and groups held against what it says it has, while both may change.
//!
//! What is sent, refused or told to be gone after an audit has begun is not judged by it: its slot says so by the audit's number.

use std::collections::BTreeSet;

use openflow::{FlowStats, GroupDesc, GroupId, Match};

use super::SwitchFlows;
use super::buckets::same_buckets;
use crate::flow::audit::{AuditReport, Drift, DriftKind, DriftedEntry, FlowSettings, is_excepted};
use crate::flow::body::FlowBody;
use crate::flow::installed_group::InstalledGroup;
use crate::flow::refusal::Item;
use crate::flow::rule::is_our_cookie;
use crate::flow::slots::{Held, Other, Slot, SlotRef};

/// Groups that an audit has seen, or that were sent meanwhile.
pub(in crate::flow) type SeenGroups = BTreeSet<GroupId>;

impl SwitchFlows {
    /// An audit begins; what is not confirmed yet is not judged.
    pub(in crate::flow) fn begin_audit(&mut self, unconfirmed: &[SlotRef], groups: SeenGroups) {
        self.slots.next_epoch();
        for at in unconfirmed {
            self.slots.see(*at);
        }
        self.seen_groups = Some(groups);
    }

    /// A flow entry that the switch says it has.
    /// `goes`: it has been told to delete it, and may not have done so yet.
    pub(in crate::flow) fn audit_rule(
        &mut self,
        stats: &FlowStats,
        settings: &FlowSettings,
        goes: impl FnOnce(&Match) -> bool,
        report: &mut AuditReport,
    ) {
        let match_ = stats.match_.canonical();
        let Ok(found) = FlowBody::new(&match_, &stats.instructions) else { return };
        let (table, priority, cookie) = (stats.table_id, stats.priority, stats.cookie);
        let (at, ours) = (self.slots.find(table, priority, found.key()), is_our_cookie(cookie));
        let slot = at.and_then(|at| self.slots.get(at));
        let is_stated = slot.is_some_and(|slot| slot.desired || slot.held() != Held::Nothing);
        report.rules += usize::from(ours || is_stated);
        report.foreign += usize::from(!ours && !is_stated);
        if let Some(at) = at {
            // What is not as it was put there is told once.
            if !self.slots.see(at) {
                return;
            }
        }
        let octets = found.octets().of_instructions().to_vec();
        let other = Other { cookie, idle_timeout: stats.idle_timeout, flags: stats.flags, instructions: octets };
        let as_believed = self.slots_agree(at, &other);
        if as_believed || (ours && !is_stated && goes(&match_)) {
            return;
        }
        let sleeps = at.is_some_and(|at| self.refusals.sleeps(&Item::Rule(at)));
        if let Some(at) = at.filter(|at| self.slots.get(*at).is_some_and(Slot::is_unknown)) {
            // Left there by a step that was refused, not by anybody's hand.
            self.slots.hold(at, other);
            self.mark(at, &mut [false; 2]);
            return;
        }
        if is_excepted(&settings.exceptions, table, priority, cookie, || match_) {
            report.excepted += 1;
            return;
        }
        let slot = at.and_then(|at| self.slots.get(at));
        let drift = match slot {
            Some(slot) if slot.held() != Held::Nothing => Drift {
                kind: DriftKind::Changed,
                key: slot.desired.then_some(slot.key),
                entry: DriftedEntry::Rule {
                    table,
                    priority,
                    cookie,
                    body: slot.held_body(),
                    found: Some(found.clone()),
                },
                repaired: !sleeps,
            },
            _ => Drift {
                kind: DriftKind::Added,
                key: slot.filter(|slot| slot.desired).map(|slot| slot.key),
                entry: DriftedEntry::Rule { table, priority, cookie, body: found.clone(), found: None },
                repaired: !sleeps && (ours || settings.remove_foreign || slot.is_some_and(|slot| slot.desired)),
            },
        };
        // A foreign one that is let be is not known: it may stay.
        if drift.repaired || drift.kind == DriftKind::Changed {
            let at = self.slots.place(table, priority, &found.into_match());
            self.slots.hold(at, other);
            self.mark(at, &mut [false; 2]);
        }
        if drift.repaired || drift.kind != DriftKind::Added {
            report.add(drift);
        }
    }

    fn slots_agree(&self, at: Option<SlotRef>, found: &Other) -> bool {
        let Some(slot) = at.and_then(|at| self.slots.get(at)) else { return false };
        match slot.held() {
            Held::AsDesired => slot.as_other() == *found,
            Held::Other(other) => other == found,
            Held::Nothing => false,
        }
    }

    /// A group that the switch says it has.
    pub(in crate::flow) fn audit_group(&mut self, desc: &GroupDesc, settings: &FlowSettings, report: &mut AuditReport) {
        let id = desc.group_id;
        let ours = self.is_ours(id);
        report.groups += usize::from(ours);
        report.foreign_groups += usize::from(!ours);
        if self.seen_groups.as_mut().is_none_or(|seen| !seen.insert(id)) {
            return;
        }
        let found = InstalledGroup::new(desc.group_type, &desc.buckets);
        if !ours && !settings.removes_foreign_numbers() {
            self.foreign_groups.insert(id, found);
            return;
        }
        let sleeps = self.refusals.sleeps(&Item::Group(id));
        let kind = match self.installed_groups.get(&id) {
            Some(held) if *held == found => return,
            Some(held)
                if held.group_type == found.group_type
                    && same_buckets(found.group_type, &held.buckets(), &desc.buckets) =>
            {
                return;
            }
            // Left there by a step that was refused, not by anybody's hand.
            Some(held) if held.is_unknown() && self.refusals.holds(&Item::Group(id)) => None,
            Some(_) => Some(DriftKind::Changed),
            None => Some(DriftKind::Added),
        };
        self.foreign_groups.remove(&id);
        self.installed_groups.insert(id, found);
        self.dirty_groups.insert(id);
        if let Some(kind) = kind {
            self.drifted_group(kind, id, !sleeps, report);
        }
    }

    /// The switch has told all of its groups.
    pub(in crate::flow) fn audit_missing_groups(&mut self, report: &mut AuditReport) {
        let Some(seen) = self.seen_groups.take() else { return };
        self.foreign_groups.retain(|id, _| seen.contains(id));
        let missing: Vec<GroupId> = self.installed_groups.keys().filter(|id| !seen.contains(id)).copied().collect();
        for id in missing {
            self.installed_groups.remove(&id);
            self.dirty_groups.insert(id);
            if !self.desired_groups.contains_key(&id) {
                self.refusals.forget(&Item::Group(id));
            }
            self.drifted_group(DriftKind::Removed, id, true, report);
        }
    }

    fn drifted_group(&self, kind: DriftKind, id: GroupId, repaired: bool, report: &mut AuditReport) {
        let key = self.desired_groups.get(&id).map(|group| group.key);
        report.add(Drift { kind, key, entry: DriftedEntry::Group(id), repaired });
    }

    /// The switch has told all of its rules: those at these places that it has not told are gone. Where the next ones are.
    pub(in crate::flow) fn audit_missing(
        &mut self,
        from: usize,
        piece: usize,
        settings: &FlowSettings,
        report: &mut AuditReport,
    ) -> Option<usize> {
        let to = from.saturating_add(piece);
        let unseen =
            |(at, slot): (SlotRef, &Slot)| (slot.held() != Held::Nothing && !self.slots.is_seen(slot)).then_some(at);
        let missing: Vec<SlotRef> = self.slots.between(from, to).filter_map(unseen).collect();
        for at in missing {
            let Some(slot) = self.slots.get(at) else { continue };
            let (table, priority, cookie, body) = (slot.table, slot.priority, slot.held_cookie(), slot.held_body());
            if is_excepted(&settings.exceptions, table, priority, cookie, || body.match_()) {
                report.excepted += 1;
                continue;
            }
            let key = slot.desired.then_some(slot.key);
            if key.is_none() {
                self.refusals.forget(&Item::Rule(at));
            }
            self.slots.hold_nothing(at);
            self.mark(at, &mut [false; 2]);
            let entry = DriftedEntry::Rule { table, priority, cookie, body, found: None };
            report.add(Drift { kind: DriftKind::Removed, key, entry, repaired: true });
        }
        (to < self.slots.places()).then_some(to)
    }

    /// An audit has ended, to its end or not.
    pub(in crate::flow) fn end_audit(&mut self) {
        self.seen_groups = None;
        self.end_meter_audit();
    }
}
