//! The meters of one switch: desired against installed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use net::DatapathId;
use openflow::{Message, MeterBand, MeterConfig, MeterFlags, MeterId, MeterMod, MeterModCommand};

use super::{Op, Planned, Sent, SwitchFlows};
use crate::flow::audit::{AuditReport, Drift, DriftKind, DriftedEntry, FlowSettings};
use crate::flow::picture::{EntryState, PicturedMeter};
use crate::flow::reconciler::FlowCounters;
use crate::flow::refusal::Item;
use crate::flow::rule::{Key, Meter};

/// A meter as a switch has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstalledMeter {
    /// Its flags.
    pub flags: MeterFlags,
    /// Its bands; `None` if nobody knows them, for a refused step has left it.
    pub bands: Option<Vec<MeterBand>>,
}

impl InstalledMeter {
    /// Without what means nothing: a burst where the flags have none (OpenFlow 1.3.5 §7.3.4.4).
    fn new(flags: MeterFlags, bands: &[MeterBand]) -> InstalledMeter {
        let mut bands = bands.to_vec();
        if !flags.contains(MeterFlags::BURST) {
            for band in &mut bands {
                if let MeterBand::Drop { burst_size, .. } | MeterBand::DscpRemark { burst_size, .. } = band {
                    *burst_size = 0;
                }
            }
        }
        InstalledMeter { flags, bands: Some(bands) }
    }

    fn unknown() -> InstalledMeter {
        InstalledMeter { flags: MeterFlags::NONE, bands: None }
    }

    fn is(&self, meter: &Meter) -> bool {
        self.bands.is_some() && *self == InstalledMeter::new(meter.flags, &meter.bands)
    }

    fn octets(&self) -> usize {
        self.bands.as_ref().map_or(0, |bands| size_of_val(&bands[..]))
    }
}

/// Meters of one switch.
#[derive(Debug, Default)]
pub(super) struct Meters {
    pub(super) desired: BTreeMap<MeterId, Meter>,
    /// Numbers that have been stated since the start: whatever has them is ours.
    stated: BTreeSet<MeterId>,
    /// Those of ours.
    pub(super) installed: BTreeMap<MeterId, InstalledMeter>,
    /// Those of others, that are let be.
    foreign: BTreeMap<MeterId, InstalledMeter>,
    pub(super) dirty: BTreeSet<MeterId>,
    /// While an audit looks at them: those that it has seen, and those that were sent meanwhile.
    seen: Option<BTreeSet<MeterId>>,
}

impl SwitchFlows {
    /// State that `key`'s meter is `meter`, or that there is none. Whether there is something to compare now.
    pub(in crate::flow) fn set_meter(&mut self, key: Key, meter: Option<Meter>) -> bool {
        let Some(id) = key.stated_meter() else { return false };
        let meters = &mut self.meters;
        match meter {
            Some(meter) => {
                if meters.desired.get(&id) == Some(&meter) {
                    return false;
                }
                meters.desired.insert(id, meter);
                meters.stated.insert(id);
                // Whoever has made it, it is ours from now on.
                if let Some(found) = meters.foreign.remove(&id) {
                    meters.installed.insert(id, found);
                }
            }
            None if meters.desired.remove(&id).is_none() => return false,
            None => {}
        }
        self.refusals.forget(&Item::Meter(id));
        self.meters.dirty.insert(id);
        true
    }

    /// Nothing is wanted any more.
    pub(super) fn clear_desired_meters(&mut self) {
        self.meters.desired.clear();
    }

    /// Forget what the switch holds.
    pub(super) fn clear_installed_meters(&mut self) {
        let Meters { desired, stated, .. } = std::mem::take(&mut self.meters);
        self.meters = Meters { desired, stated, ..Meters::default() };
    }

    /// Compare all of them again.
    pub(super) fn mark_meters(&mut self) {
        let meters = &mut self.meters;
        meters.dirty.extend(meters.desired.keys().chain(meters.installed.keys()));
    }

    /// A meter found on the switch: whether it is ours, and how many octets are kept of it.
    pub(in crate::flow) fn read_meter(&mut self, config: &MeterConfig, settings: &FlowSettings) -> (bool, usize) {
        let (id, found) = (config.meter_id, InstalledMeter::new(config.flags, &config.bands));
        let octets = found.octets();
        let meters = &mut self.meters;
        let ours = meters.stated.contains(&id);
        if ours || settings.removes_foreign_numbers() {
            meters.installed.insert(id, found);
            meters.dirty.insert(id);
        } else {
            meters.foreign.insert(id, found);
        }
        (ours, octets)
    }

    /// Take the difference out of the dirty ones, as steps: before the rules that point to them, and after those that have.
    pub(super) fn meter_steps(&mut self, additions_only: bool, datapath_id: DatapathId, steps: &mut Vec<Planned>) {
        for id in std::mem::take(&mut self.meters.dirty) {
            let meters = &self.meters;
            let mut push = |step, op| steps.push(Planned { step, datapath_id, op });
            match (meters.desired.get(&id), meters.installed.get(&id)) {
                (Some(desired), Some(installed)) if installed.is(desired) => {
                    self.forget_needless(Item::Meter(id), true);
                }
                (None, None) => self.forget_needless(Item::Meter(id), true),
                _ if self.refusals.sleeps(&Item::Meter(id)) => {}
                (Some(_), Some(_)) | (None, Some(_)) if additions_only => drop(self.meters.dirty.insert(id)),
                (Some(_), _) => {
                    push((0, 0), Op::PutMeter(id));
                    self.foresee(Item::Meter(id));
                }
                (None, Some(_)) => push((3, 1), Op::DeleteMeter(id)),
            }
        }
    }

    /// Write the message for a step, as [`SwitchFlows::perform`] does.
    pub(super) fn perform_meter(
        &mut self,
        op: Op,
        xid: u32,
        counters: &mut FlowCounters,
        out: &mut BytesMut,
    ) -> Option<Sent> {
        let (meter_id, is_put) = match op {
            Op::PutMeter(id) => (id, true),
            Op::DeleteMeter(id) => (id, false),
            _ => return None,
        };
        let existed = self.meters.installed.contains_key(&meter_id);
        let meter_mod = if is_put {
            let Meter { flags, bands, .. } = self.meters.desired.get(&meter_id)?.clone();
            let command = if existed { MeterModCommand::MODIFY } else { MeterModCommand::ADD };
            MeterMod { command, flags, meter_id, bands }
        } else {
            if self.meters.desired.contains_key(&meter_id) || !existed {
                return None;
            }
            MeterMod { command: MeterModCommand::DELETE, flags: MeterFlags::NONE, meter_id, bands: Vec::new() }
        };
        let kept = is_put.then(|| InstalledMeter::new(meter_mod.flags, &meter_mod.bands));
        Message::MeterMod(meter_mod).encode(xid, out).ok()?;
        match kept {
            Some(kept) => drop(self.meters.installed.insert(meter_id, kept)),
            None => drop(self.meters.installed.remove(&meter_id)),
        }
        if let Some(seen) = &mut self.meters.seen {
            seen.insert(meter_id);
        }
        counters.meter_mods[if is_put { usize::from(existed) } else { 2 }] += 1;
        Some(Sent { xid, op, existed, deleted: None, bundled: false })
    }

    /// A step was not done. `there`: what the switch has said of that.
    pub(super) fn meter_not_done(&mut self, id: MeterId, there: bool) {
        match there {
            true => drop(self.meters.installed.insert(id, InstalledMeter::unknown())),
            false => drop(self.meters.installed.remove(&id)),
        }
    }

    /// The key of a meter that is wanted.
    pub(super) fn meter_key(&self, id: MeterId) -> Option<Key> {
        self.meters.desired.get(&id).map(|meter| meter.key)
    }

    /// Meters that should be on the switch.
    pub(in crate::flow) fn desired_meters(&self) -> impl Iterator<Item = (MeterId, &Meter)> {
        self.meters.desired.iter().map(|(&id, meter)| (id, meter))
    }

    /// Meters of ours on the switch.
    pub(in crate::flow) fn installed_meters(&self) -> impl Iterator<Item = (MeterId, &InstalledMeter)> {
        self.meters.installed.iter().map(|(&id, meter)| (id, meter))
    }

    /// Meters on the switch, whoever's they are.
    pub(in crate::flow) fn meters_known(&self) -> usize {
        self.meters.installed.len() + self.meters.foreign.len()
    }

    /// Whether meters are to be audited: a switch without any is not troubled when none is wanted.
    pub(in crate::flow) fn has_meters(&self) -> bool {
        let Meters { desired, installed, foreign, .. } = &self.meters;
        !(desired.is_empty() && installed.is_empty() && foreign.is_empty())
    }

    /// An audit begins to look at meters; what is not confirmed yet is not judged.
    pub(in crate::flow) fn begin_meter_audit(&mut self, unconfirmed: BTreeSet<MeterId>) {
        self.meters.seen = Some(unconfirmed);
    }

    /// A meter that the switch says it has.
    pub(in crate::flow) fn audit_meter(
        &mut self,
        config: &MeterConfig,
        settings: &FlowSettings,
        report: &mut AuditReport,
    ) {
        let id = config.meter_id;
        let meters = &mut self.meters;
        let ours = meters.stated.contains(&id) || meters.installed.contains_key(&id);
        report.meters += usize::from(ours);
        report.foreign_meters += usize::from(!ours);
        if meters.seen.as_mut().is_none_or(|seen| !seen.insert(id)) {
            return;
        }
        let found = InstalledMeter::new(config.flags, &config.bands);
        if !ours && !settings.removes_foreign_numbers() {
            meters.foreign.insert(id, found);
            return;
        }
        let sleeps = self.refusals.sleeps(&Item::Meter(id));
        let kind = match meters.installed.get(&id) {
            Some(held) if *held == found => return,
            // Left there by a step that was refused, not by anybody's hand.
            Some(held) if held.bands.is_none() => None,
            Some(_) => Some(DriftKind::Changed),
            None => Some(DriftKind::Added),
        };
        meters.foreign.remove(&id);
        meters.installed.insert(id, found);
        meters.dirty.insert(id);
        if let Some(kind) = kind {
            self.drifted_meter(kind, id, !sleeps, report);
        }
    }

    /// The switch has told all of its meters.
    pub(in crate::flow) fn audit_missing_meters(&mut self, report: &mut AuditReport) {
        let meters = &mut self.meters;
        let Some(seen) = meters.seen.take() else { return };
        meters.foreign.retain(|id, _| seen.contains(id));
        let missing: Vec<MeterId> = meters.installed.keys().filter(|id| !seen.contains(id)).copied().collect();
        for id in missing {
            self.meters.installed.remove(&id);
            self.meters.dirty.insert(id);
            if !self.meters.desired.contains_key(&id) {
                self.refusals.forget(&Item::Meter(id));
            }
            self.drifted_meter(DriftKind::Removed, id, true, report);
        }
    }

    /// An audit has ended, to its end or not.
    pub(super) fn end_meter_audit(&mut self) {
        self.meters.seen = None;
    }

    fn drifted_meter(&self, kind: DriftKind, id: MeterId, repaired: bool, report: &mut AuditReport) {
        report.add(Drift { kind, key: self.meter_key(id), entry: DriftedEntry::Meter(id), repaired });
    }

    /// All meters: those that have been sent and not confirmed are in `unconfirmed`.
    pub(in crate::flow) fn picture_meters(&self, unconfirmed: &BTreeSet<MeterId>, pictured: &mut Vec<PicturedMeter>) {
        let meters = &self.meters;
        let ids: BTreeSet<MeterId> = meters.desired.keys().chain(meters.installed.keys()).copied().collect();
        for id in ids {
            let refusal = self.refusals.get(&Item::Meter(id));
            let (key, flags, bands, state) = match (meters.desired.get(&id), meters.installed.get(&id)) {
                (Some(meter), installed) => {
                    let state = match (installed.is_some_and(|held| held.is(meter)), refusal) {
                        (true, _) if unconfirmed.contains(&id) => EntryState::Pending,
                        (true, _) => EntryState::Installed,
                        (false, Some(_)) => EntryState::Refused,
                        (false, None) => EntryState::Pending,
                    };
                    (Some(meter.key), meter.flags, meter.bands.clone(), state)
                }
                (None, Some(held)) => (None, held.flags, held.bands.clone().unwrap_or_default(), EntryState::Leaving),
                (None, None) => continue,
            };
            let refusal = if state == EntryState::Installed { None } else { refusal };
            pictured.push(PicturedMeter { id, key, flags, bands, state, refusal });
        }
    }
}
