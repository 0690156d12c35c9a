//! What a switch that has just connected is asked besides its rules and groups: its meters, and what it can hold.
//!
//! Nothing waits for the answers. A switch answers in order, so that they are there before the last of its rules has been read back; one that is slow
//! is sent what is desired all the same.

use std::sync::Arc;

use net::DatapathId;
use openflow::{MultipartReply, MultipartReplyBody, MultipartRequestBody};

use super::read_back::READ_BACK_OCTETS;
use super::{FlowEvent, Reconciler, Session, SwitchEntry};
use crate::flow::features::{Gathered, Gathering, SwitchFeatures};

/// Meters that one switch may tell when it connects: as many as Open vSwitch has. A switch that tells more is dropped.
const METERS_MAX: usize = 262_144;

impl SwitchEntry {
    /// An error with this number: true if it answers a question that nothing waits for. Who refuses it has none of it, or holds everything.
    pub(super) fn is_asked_besides(&mut self, xid: u32) -> bool {
        if self.meters_asked == Some(xid) {
            self.meters_asked = None;
            return true;
        }
        self.gathering.as_mut().is_some_and(|gathering| gathering.refused(xid))
    }
}

impl Reconciler {
    /// Ask for meters, and for what the switch can hold. Meters come first: they are few.
    pub(super) fn ask_besides(&mut self, datapath_id: DatapathId) {
        let entry = self.entry(datapath_id);
        let [meters, of_groups, of_meters] = [entry.xid(), entry.xid(), entry.xid()];
        (entry.meters_asked, entry.meters_told, entry.meters_octets) = (Some(meters), false, 0);
        entry.gathering = Some(Box::new(Gathering::new([of_groups, of_meters])));
        self.request(datapath_id, meters, MultipartRequestBody::MeterConfig(openflow::MeterId::ALL));
        self.request(datapath_id, of_groups, MultipartRequestBody::GroupFeatures);
        self.request(datapath_id, of_meters, MultipartRequestBody::MeterFeatures);
    }

    /// Ask what its tables can hold, once a connection. Not every switch bears the question: the answer is long.
    pub fn ask_tables(&mut self, datapath_id: DatapathId) {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return };
        let xid = entry.next_xid;
        if !entry.gathering.as_mut().is_some_and(|gathering| gathering.begin_tables(xid)) {
            return;
        }
        super::take_xid(&mut entry.next_xid);
        self.request(datapath_id, xid, MultipartRequestBody::TableFeatures(Vec::new()));
    }

    /// A part of an answer. True if it was an answer to one of these questions.
    pub(super) fn told_besides(&mut self, datapath_id: DatapathId, xid: u32, reply: &MultipartReply) -> bool {
        let Some(entry) = self.switches.get_mut(&datapath_id) else { return false };
        if entry.meters_asked == Some(xid) {
            if let MultipartReplyBody::MeterConfig(meters) = &reply.body {
                let room = METERS_MAX.saturating_sub(entry.flows.meters_known());
                for meter in meters.iter().take(room) {
                    entry.meters_octets += entry.flows.read_meter(meter, &self.settings).1;
                }
                if meters.len() > room || entry.meters_octets > READ_BACK_OCTETS {
                    return self.told_too_much(datapath_id);
                }
            }
            if !reply.more {
                (entry.meters_asked, entry.meters_told) = (None, true);
                self.list(datapath_id, [true, false]);
            }
            return true;
        }
        let Some(gathering) = &mut entry.gathering else { return false };
        match gathering.handle(xid, reply, &mut self.table_kinds) {
            Gathered::Other => return false,
            Gathered::Part => {}
            Gathered::Known(features) => {
                entry.flows.set_features(features);
                self.features_told += 1;
                self.list(datapath_id, [true; 2]);
            }
            Gathered::TooMuch => return self.told_too_much(datapath_id),
        }
        true
    }

    /// Nothing of what it says is believed any more.
    pub(super) fn told_too_much(&mut self, datapath_id: DatapathId) -> bool {
        if let Some(entry) = self.switches.get_mut(&datapath_id) {
            entry.session = Session::Down;
            (entry.gathering, entry.meters_asked) = (None, None);
            entry.flows.clear_installed();
        }
        self.events.push_back(FlowEvent::TooMuch { datapath_id });
        true
    }

    /// How often a switch has told something of what it can hold.
    pub fn features_told(&self) -> u64 {
        self.features_told
    }

    /// What a switch says it can hold, if it is connected and has said so.
    pub fn features(&self, datapath_id: DatapathId) -> Option<&Arc<SwitchFeatures>> {
        self.switches.get(&datapath_id)?.flows.features()
    }

    /// The same of all of them.
    pub fn all_features(&self) -> impl Iterator<Item = (DatapathId, &Arc<SwitchFeatures>)> {
        self.switches.iter().filter_map(|(id, entry)| Some((*id, entry.flows.features()?)))
    }
}
