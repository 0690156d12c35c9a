//! The applications. Each states which rules it wants; none ever sends a flow-mod.
//!
//! An application holds configuration and caches only: all facts live in the [`View`]. [`apps`] lists them in pipeline order;
//! reading that list is reading the product.

pub mod forwarding;
pub mod isolation;
pub mod static_rules;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use net::packet::Packet;
use net::{DatapathId, PortId, PortNo, Time};
use openflow::{Action, GroupId, TableId, write_packet_out};
use topology::{Change, Network};

use self::isolation::Isolation;
use self::static_rules::OperatorRules;
use crate::flow::{Group, Key, Meter, Owner, Reconciler, Rule, RuleId};
use crate::path::{PathChanges, Paths};

/// All applications, in pipeline order. `seed` keys their hash maps.
pub fn apps(seed: u64, rules: &Arc<OperatorRules>, isolation: &Arc<Isolation>) -> Vec<Box<dyn App>> {
    vec![
        Box::new(static_rules::StaticRules::new(rules.clone())),
        // What keeps hosts apart is stated before what leads to them.
        Box::new(isolation::KeepApart::new(isolation.clone())),
        Box::new(forwarding::Forwarding::new(seed)),
    ]
}

/// Rules that an application states in one slice: with what the reconciler does for them, a part of the millisecond that a turn may take.
pub const SLICE_CHANGES: usize = 256;

/// The facts, as they stand when an event is handled.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Switches, ports, links and hosts.
    pub network: &'a Network,
    /// Next hops and flood tree over that network.
    pub paths: &'a Paths,
    /// How long a silent host is remembered.
    pub host_timeout: Duration,
    /// Who must not reach whom.
    pub isolation: &'a Isolation,
    /// Whether broadcast probes are sent, so that they have to be brought here.
    pub broadcast_probes: bool,
    /// Whether DHCP is looked at, so that copies of it have to be brought here.
    pub watches_dhcp: bool,
}

impl<'a> View<'a> {
    /// A switch and every other one that has a path to it: no other one has rules towards it.
    pub fn reaching(&self, to: DatapathId) -> impl Iterator<Item = DatapathId> + use<'a> {
        std::iter::once(to).chain(self.paths.reaching(to).map(|(at, _)| at))
    }
}

/// The action that brings a frame here, whole: Open vSwitch buffers nothing.
fn to_controller() -> Action {
    Action::Output { port: PortNo::CONTROLLER, max_len: openflow::CONTROLLER_NO_BUFFER }
}

/// Something that an application may want to answer.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// The network has changed; the view already shows it.
    Change(&'a Change),
    /// Paths have changed; the view already shows it.
    Paths(&'a PathChanges),
    /// A frame that a switch has sent to the controller, after discovery and host learning have seen it.
    PacketIn {
        /// Where it entered the fabric.
        port: PortId,
        /// The table whose rule sent it.
        table: TableId,
        /// The whole frame.
        frame: &'a [u8],
        /// The frame as read.
        packet: &'a Packet<'a>,
        /// When it came.
        now: Time,
    },
    /// The configuration has changed; the view already shows it.
    Configured(&'a Configured),
}

/// What applications take from another configuration.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The operator's rules.
    pub rules: Arc<OperatorRules>,
    /// Who must not reach whom. The same in memory is taken for unchanged.
    pub isolation: Arc<Isolation>,
    /// [`View::host_timeout`] is not what it was.
    pub host_timeout_changed: bool,
}

/// A consumer of events that states rules.
pub trait App {
    /// Whose rules these are.
    fn owner(&self) -> Owner;

    /// Change the rules that the event touches, and nothing else.
    fn handle(&mut self, event: Event<'_>, view: &View<'_>, effects: &mut Effects<'_>);

    /// The full recompute for one switch: pure, reads no cache. Equals what [`App::handle`] has stated so far.
    fn rules(&self, datapath_id: DatapathId, view: &View<'_>, rules: &mut RuleSet<'_>);

    /// What this application's rules on a switch tell about the network, when the switch is read back after a restart.
    fn recover(&self, datapath_id: DatapathId, installed: &mut dyn Iterator<Item = RuleId>, recovered: &mut Recovered);

    /// Whether [`App::handle`] has left something to [`App::advance`], for it was too much for one turn.
    fn has_more(&self) -> bool {
        false
    }

    /// Whether some of that is about rules of this switch that are on it already, perhaps: none of ours there is deleted until it is stated.
    fn is_stating(&self, _: DatapathId) -> bool {
        false
    }

    /// State a part of it, at most about [`SLICE_CHANGES`] rules.
    fn advance(&mut self, _: &View<'_>, _: &mut Effects<'_>) {}
}

/// What read-back rules tell of the network that the last run knew.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Ports that led to another switch.
    pub links: Vec<PortId>,
    /// Hosts and the edge ports where they were.
    pub hosts: Vec<(net::MacAddr, PortId)>,
}

/// How an application acts: rules and groups by key, and packet-outs.
pub struct Effects<'a> {
    reconciler: &'a mut Reconciler,
    packet_outs: &'a mut PacketOuts,
}

impl<'a> Effects<'a> {
    /// Effects on `reconciler`; packet-outs are collected.
    pub fn new(reconciler: &'a mut Reconciler, packet_outs: &'a mut PacketOuts) -> Effects<'a> {
        Effects { reconciler, packet_outs }
    }

    /// State that `key`'s rule on a switch is `rule`, which says the same key, or that there is none.
    pub fn set_rule(&mut self, datapath_id: DatapathId, key: Key, rule: Option<&Rule>) {
        self.reconciler.set_rule(datapath_id, key, rule);
    }

    /// State that the rule of `rule`'s key on a switch is none, for a key that says the identity ([`Key::IDENTITY_KINDS`]).
    pub fn remove_rule(&mut self, datapath_id: DatapathId, rule: &Rule) {
        self.reconciler.remove_rule(datapath_id, rule);
    }

    /// State that `key`'s group on a switch is `group`, or that there is none.
    pub fn set_group(&mut self, datapath_id: DatapathId, key: Key, group: Option<Group>) {
        self.reconciler.set_group(datapath_id, key, group);
    }

    /// The number of `key`'s group on a switch.
    pub fn group_id(&mut self, datapath_id: DatapathId, key: Key) -> GroupId {
        self.reconciler.group_id(datapath_id, key)
    }

    /// The same for `rule`, which points to it: where it is installed already, so is the group, under the number to which it points.
    pub fn group_id_at(&mut self, datapath_id: DatapathId, key: Key, rule: &Rule) -> GroupId {
        self.reconciler.group_id_at(datapath_id, key, rule)
    }

    /// State that `key`'s meter on a switch is `meter`, or that there is none.
    pub fn set_meter(&mut self, datapath_id: DatapathId, key: Key, meter: Option<Meter>) {
        self.reconciler.set_meter(datapath_id, key, meter);
    }

    /// A full statement for one switch, from [`App::rules`].
    pub fn apply(&mut self, datapath_id: DatapathId, stated: Stated) {
        let Stated { rules, groups, meters } = stated;
        for (key, meter) in meters {
            self.set_meter(datapath_id, key, Some(meter));
        }
        for (key, group) in groups {
            self.set_group(datapath_id, key, Some(group));
        }
        for (key, rule) in rules {
            self.set_rule(datapath_id, key, Some(&rule));
        }
    }

    /// Send a frame out of a switch at once; nobody waits for it and nobody repeats it.
    pub fn packet_out(&mut self, datapath_id: DatapathId, in_port: PortNo, actions: &[Action], frame: &[u8]) {
        self.packet_outs.push(datapath_id, in_port, actions, frame);
    }

    /// A frame to all is not sent on, for its sender sends too many; with a number, that is to be told, and so many were dropped without a word.
    pub fn flood_dropped(&mut self, from: PortId, tell: Option<u64>) {
        self.packet_outs.floods_dropped += 1;
        self.packet_outs.floods_told.extend(tell.map(|untold| (from, untold)));
    }

    /// A rule set whose group numbers come from the same place as these effects'.
    pub fn rule_set(&mut self, datapath_id: DatapathId) -> RuleSet<'_> {
        RuleSet { datapath_id, reconciler: self.reconciler, stated: Stated::default() }
    }
}

/// What is stated for one switch, by key.
#[derive(Debug, Default)]
pub struct Stated {
    /// Rules.
    pub rules: BTreeMap<Key, Rule>,
    /// Groups.
    pub groups: BTreeMap<Key, Group>,
    /// Meters.
    pub meters: BTreeMap<Key, Meter>,
}

/// All rules, groups and meters of one switch.
pub struct RuleSet<'a> {
    datapath_id: DatapathId,
    reconciler: &'a mut Reconciler,
    stated: Stated,
}

impl RuleSet<'_> {
    /// One rule.
    pub fn rule(&mut self, rule: Rule) {
        self.stated.rules.insert(rule.key, rule);
    }

    /// One group.
    pub fn group(&mut self, group: Group) {
        self.stated.groups.insert(group.key, group);
    }

    /// One meter.
    pub fn meter(&mut self, meter: Meter) {
        self.stated.meters.insert(meter.key, meter);
    }

    /// The number of `key`'s group on this switch.
    pub fn group_id(&mut self, key: Key) -> GroupId {
        self.reconciler.group_id(self.datapath_id, key)
    }

    /// The same for `rule`, which points to it: where it is installed already, so is the group, under the number to which it points.
    pub fn group_id_at(&mut self, key: Key, rule: &Rule) -> GroupId {
        self.reconciler.group_id_at(self.datapath_id, key, rule)
    }

    /// Everything that was stated.
    pub fn into_parts(self) -> Stated {
        self.stated
    }
}

/// Packet-outs on their way to the channels: whole messages that have no number yet, and whose they are.
#[derive(Debug, Default)]
pub struct PacketOuts {
    frames: BytesMut,
    runs: Vec<PacketOutRun>,
    /// Frames to all that were not sent on since the core last looked, and what is to be told of that.
    pub(crate) floods_dropped: u64,
    pub(crate) floods_told: Vec<(PortId, u64)>,
}

/// Packet-outs for one switch, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketOutRun {
    pub(crate) datapath_id: DatapathId,
    pub(crate) octets: usize,
    pub(crate) messages: u64,
}

/// Octets that the buffer of packet-outs keeps for the next turn.
const PACKET_OUTS_KEPT: usize = 64 * 1024;

impl PacketOuts {
    /// One more. A frame that is too long for a message is dropped: no switch sends one.
    pub fn push(&mut self, datapath_id: DatapathId, in_port: PortNo, actions: &[Action], frame: &[u8]) {
        let start = self.frames.len();
        if write_packet_out(0, in_port, actions, frame, &mut self.frames).is_err() {
            return;
        }
        let octets = self.frames.len() - start;
        match self.runs.last_mut() {
            Some(run) if run.datapath_id == datapath_id => {
                run.octets += octets;
                run.messages += 1;
            }
            _ => self.runs.push(PacketOutRun { datapath_id, octets, messages: 1 }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Each run with its octets; nothing is left.
    pub(crate) fn drain(&mut self, mut send: impl FnMut(PacketOutRun, &[u8])) {
        let mut rest: &[u8] = &self.frames;
        for run in self.runs.drain(..) {
            let (frames, after) = rest.split_at_checked(run.octets).unwrap_or((rest, &[]));
            send(run, frames);
            rest = after;
        }
        if self.frames.capacity() > PACKET_OUTS_KEPT {
            self.frames = BytesMut::new();
        }
        self.frames.clear();
    }
}
