//! Bundles on OpenFlow 1.3 (ONF extension 230, OpenFlow 1.4 §6.8): messages that are checked when they are added and done together when
//! the bundle is committed, in order, all or none.

use super::flow_mods::ReadyFlowMod;
use super::groups::check_group_mod;
use super::switch::{Switch, encoded, offending, start};
use crate::bundle::{BundleAdd, BundleControl, BundleControlType, BundleFlags};
use crate::error::ErrorCode;
use crate::group::GroupMod;
use crate::message::Message;
use crate::packet::PacketOut;
use crate::port::PortMod;
use bytes::Bytes;
use net::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// Bundles that are open at once; one more gets OFPBFC_OUT_OF_BUNDLES. A bound on memory.
pub const MAX_BUNDLES: usize = 64;
/// Messages in all bundles of a connection; more get OFPBFC_MSG_TOO_MANY. A bound on memory, and room for all flows of a large table.
pub const MAX_BUNDLE_MESSAGES: usize = 262_144;
/// Octets of those messages, and of what the packet-outs of a bundle come to before they are sent; a message for which there is no room gets
/// OFPBFC_MSG_TOO_MANY, a packet-out whose frames there is no room for fails as one that goes too far.
pub const MAX_BUNDLE_OCTETS: usize = 64 << 20;
/// A bundle that nobody has touched for so long gets OFPBFC_TIMEOUT and is gone. Open vSwitch's default.
pub const BUNDLE_LIFETIME: Duration = Duration::from_secs(10);

/// The bundles of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Bundles {
    bundles: BTreeMap<u32, Bundle>,
}

#[derive(Clone, Debug)]
struct Bundle {
    flags: BundleFlags,
    closed: bool,
    used: Time,
    /// What made it: its number and its start, for an error.
    request: (u32, Bytes),
    entries: Vec<Entry>,
    /// Of its messages, on the wire.
    octets: usize,
}

/// A message, and what an error about it brings back.
#[derive(Clone, Debug)]
struct Entry {
    xid: u32,
    data: Bytes,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Flow(Box<ReadyFlowMod>),
    Group(GroupMod),
    Port(PortMod),
    Packet(PacketOut),
}

impl Bundles {
    /// When the next one may be gone.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.bundles.values().map(|bundle| bundle.used + BUNDLE_LIFETIME).min()
    }

    /// Whether a message of so many octets is one too many.
    fn are_full(&self, len: usize) -> bool {
        let held = |measure: fn(&Bundle) -> usize| self.bundles.values().map(measure).sum::<usize>();
        held(|bundle| bundle.entries.len()) >= MAX_BUNDLE_MESSAGES
            || held(|bundle| bundle.octets).saturating_add(len) > MAX_BUNDLE_OCTETS
    }

    /// The bundle with this number for a change of it; one that can't be changed so is discarded.
    fn changeable(&mut self, id: u32, flags: BundleFlags) -> Result<&mut Bundle, ErrorCode> {
        let fault = match self.bundles.get(&id) {
            None => return Err(ErrorCode::BUNDLE_BAD_ID),
            Some(bundle) if bundle.closed => Some(ErrorCode::BUNDLE_BUNDLE_CLOSED),
            Some(bundle) if bundle.flags != flags => Some(ErrorCode::BUNDLE_BAD_FLAGS),
            Some(_) => None,
        };
        if let Some(code) = fault {
            self.bundles.remove(&id);
            return Err(code);
        }
        self.bundles.get_mut(&id).ok_or(ErrorCode::BUNDLE_BAD_ID)
    }

    fn open(&mut self, id: u32, flags: BundleFlags, request: (u32, Bytes), now: Time) -> Result<(), ErrorCode> {
        if self.bundles.len() >= MAX_BUNDLES {
            return Err(ErrorCode::BUNDLE_OUT_OF_BUNDLES);
        }
        self.bundles.insert(id, Bundle { flags, closed: false, used: now, request, entries: Vec::new(), octets: 0 });
        Ok(())
    }
}

impl Switch {
    pub(super) fn bundle_control(&mut self, xid: u32, control: &BundleControl, now: Time) -> Result<(), ErrorCode> {
        let BundleControl { bundle_id, control_type, flags, .. } = control;
        let reply = match *control_type {
            BundleControlType::OPEN_REQUEST => {
                // A bundle that is open already is discarded: that is how Open vSwitch reads "already exists".
                if self.bundles.bundles.remove(bundle_id).is_some() {
                    return Err(ErrorCode::BUNDLE_BAD_ID);
                }
                let request = (xid, offending(xid, &Message::BundleControl(control.clone())));
                self.bundles.open(*bundle_id, *flags, request, now)?;
                BundleControlType::OPEN_REPLY
            }
            BundleControlType::CLOSE_REQUEST => {
                let bundle = self.bundles.changeable(*bundle_id, *flags)?;
                (bundle.closed, bundle.used) = (true, now);
                BundleControlType::CLOSE_REPLY
            }
            BundleControlType::COMMIT_REQUEST => {
                let bundle = self.bundles.bundles.remove(bundle_id).ok_or(ErrorCode::BUNDLE_BAD_ID)?;
                if bundle.flags != *flags {
                    return Err(ErrorCode::BUNDLE_BAD_FLAGS);
                }
                self.commit(bundle, now)?;
                BundleControlType::COMMIT_REPLY
            }
            BundleControlType::DISCARD_REQUEST => {
                self.bundles.bundles.remove(bundle_id).ok_or(ErrorCode::BUNDLE_BAD_ID)?;
                BundleControlType::DISCARD_REPLY
            }
            other if other.is_reply() && other.name().is_some() => return Err(ErrorCode::BUNDLE_BAD_TYPE),
            // What Open vSwitch doesn't know it answers with a reply of type zero.
            _ => BundleControlType::OPEN_REQUEST,
        };
        let reply = BundleControl::new(*bundle_id, reply, BundleFlags::NONE);
        self.reply(xid, Message::BundleControl(reply));
        Ok(())
    }

    pub(super) fn bundle_add(&mut self, xid: u32, add: &BundleAdd, now: Time) -> Result<(), ErrorCode> {
        let change = match &*add.message {
            Message::FlowMod(flow_mod) => Change::Flow(Box::new(self.prepare_flow_mod(flow_mod)?)),
            Message::GroupMod(group_mod) => {
                check_group_mod(group_mod)?;
                Change::Group(group_mod.clone())
            }
            Message::PortMod(port_mod) => Change::Port(port_mod.clone()),
            Message::PacketOut(packet_out) => {
                self.check_packet_out(packet_out)?;
                Change::Packet(packet_out.clone())
            }
            _ => return Err(ErrorCode::BUNDLE_MSG_UNSUP),
        };
        let octets = encoded(xid, &Message::BundleAdd(add.clone()));
        let (data, len) = (start(&octets), octets.len());
        if !self.bundles.bundles.contains_key(&add.bundle_id) {
            self.bundles.open(add.bundle_id, add.flags, (xid, data.clone()), now)?;
        }
        let are_full = self.bundles.are_full(len);
        let bundle = self.bundles.changeable(add.bundle_id, add.flags)?;
        if are_full {
            return Err(ErrorCode::BUNDLE_MSG_TOO_MANY);
        }
        bundle.used = now;
        bundle.octets += len;
        bundle.entries.push(Entry { xid, data, change });
        Ok(())
    }

    /// All messages in order. If one fails, its error and then that of the bundle go out, and nothing has happened. A packet-out goes through
    /// the tables in its place among the others, and what it makes the switch learn is learned there.
    fn commit(&mut self, bundle: Bundle, now: Time) -> Result<(), ErrorCode> {
        let before = self.clone_changeable();
        let has_packets = bundle.entries.iter().any(|entry| matches!(entry.change, Change::Packet(_)));
        let meters = has_packets.then(|| self.meters.clone());
        let sent = self.transmits.len();
        let (mut traces, mut room) = (Vec::new(), MAX_BUNDLE_OCTETS);
        for entry in &bundle.entries {
            let done = match &entry.change {
                Change::Flow(ready) => self.do_flow_mod(ready, now),
                Change::Group(group_mod) => self.group_mod(group_mod, now),
                // Open vSwitch can't take a change of a port back.
                Change::Port(_) if bundle.flags.contains(BundleFlags::ATOMIC) => Err(ErrorCode::BUNDLE_MSG_FAILED),
                Change::Port(port_mod) => self.check_port_mod(port_mod),
                Change::Packet(packet_out) => self.translate(packet_out, now).and_then(|mut trace| {
                    room = room.checked_sub(trace.size()).ok_or(ErrorCode::FLOW_MOD_UNKNOWN)?;
                    self.begin(&mut trace, now);
                    traces.push(trace);
                    Ok(())
                }),
            };
            if let Err(code) = done {
                self.transmits.truncate(sent);
                self.restore(before);
                self.meters = meters.unwrap_or_else(|| std::mem::take(&mut self.meters));
                self.refuse(entry.xid, entry.data.clone(), code);
                return Err(ErrorCode::BUNDLE_MSG_FAILED);
            }
        }
        // What can't be taken back is done when nothing can fail any more; what packets come to goes out last.
        for entry in bundle.entries {
            if let Change::Port(port_mod) = entry.change {
                self.port_mod(&port_mod);
            }
        }
        for trace in traces {
            self.apply(trace, now);
        }
        Ok(())
    }

    /// Bundles that nobody has touched for long are gone.
    pub(super) fn expire_bundles(&mut self, now: Time) {
        let expired = |(id, bundle): (&u32, &Bundle)| (bundle.used + BUNDLE_LIFETIME <= now).then_some(*id);
        let ids: Vec<u32> = self.bundles.bundles.iter().filter_map(expired).collect();
        for id in ids {
            if let Some(bundle) = self.bundles.bundles.remove(&id) {
                let (xid, data) = bundle.request;
                self.refuse(xid, data, ErrorCode::BUNDLE_TIMEOUT);
            }
        }
    }
}
