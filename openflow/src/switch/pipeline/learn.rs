//! `learn`: a flow made from a packet (ovs-actions(7), learn).

use super::LearnedFlow;
use super::run::Run;
use crate::action::{Action, CONTROLLER_NO_BUFFER};
use crate::flow::FlowModFlags;
use crate::identifier::TableId;
use crate::nicira::{Learn, LearnDestination, LearnFlags, LearnSource, NiciraAction, Subfield};
use crate::oxm::{OxmFieldOwned, OxmKind};
use crate::switch::check::MAX_PORTS;
use crate::switch::field;
use crate::switch::flow_match::{FlowMatch, Known};
use crate::switch::packet::Packet;
use crate::switch::tunnel_options::{TunnelOptions, from_octets, to_number};
use net::PortNo;
use std::collections::{BTreeMap, BTreeSet};

impl Run<'_> {
    pub(super) fn learn(&mut self, packet: &mut Packet, learn: &Learn) {
        if !self.charge(learn.specs.len()) {
            return;
        }
        let flow = flow(learn, packet, self.view.options);
        // What a packet-out learns, it learns after all of its actions, and there Open vSwitch doesn't look at the limit.
        let has_room = match learn.limit {
            _ if self.in_packet_out && self.turn.number == 0 => true,
            Some(limit) if limit.limit > 0 => {
                self.is_there(&flow) || self.flows_with_cookie(learn) < limit.limit as usize
            }
            _ => true,
        };
        if has_room {
            self.remember(&flow);
            self.trace.learned.push(flow);
        }
        if let Some(result) = learn.limit.and_then(|limit| limit.result) {
            packet.set_subfield(result, u128::from(has_room));
        }
    }

    fn is_there(&self, flow: &LearnedFlow) -> bool {
        self.view.tables.find(flow.table_id, &flow.flow_match, flow.priority).is_some()
            || self.learning.made.contains(&name(flow))
    }

    /// What counts against the limit: flows with the cookie in the table, those that this packet has just made included. A table is counted
    /// once for a packet.
    fn flows_with_cookie(&mut self, learn: &Learn) -> usize {
        let tables = self.view.tables;
        let there = self.learning.there.entry(learn.table_id).or_insert_with(|| {
            let mut there = BTreeMap::new();
            for flow in tables.iter_table(learn.table_id) {
                *there.entry(flow.cookie).or_default() += 1;
            }
            there
        });
        let new = self.learning.new.get(&(learn.table_id, learn.cookie)).copied().unwrap_or(0);
        there.get(&learn.cookie).copied().unwrap_or(0) + new
    }

    fn remember(&mut self, flow: &LearnedFlow) {
        let is_new = self.view.tables.find(flow.table_id, &flow.flow_match, flow.priority).is_none();
        if self.learning.made.insert(name(flow)) && is_new {
            *self.learning.new.entry((flow.table_id, flow.cookie)).or_default() += 1;
        }
    }
}

/// What a packet has learned so far, for the limits of what it learns next.
#[derive(Default)]
pub(super) struct Learning {
    /// Flows of a table by cookie, before the packet.
    there: BTreeMap<TableId, BTreeMap<u64, usize>>,
    /// Flows that the packet has made, by table and cookie.
    new: BTreeMap<(TableId, u64), usize>,
    made: BTreeSet<(TableId, u16, FlowMatch)>,
}

fn name(flow: &LearnedFlow) -> (TableId, u16, FlowMatch) {
    (flow.table_id, flow.priority, flow.flow_match.clone())
}

fn flow(learn: &Learn, packet: &Packet, options: &TunnelOptions) -> LearnedFlow {
    let mut known = Known::default();
    let mut actions = Vec::new();
    if learn.fin_idle_timeout != 0 || learn.fin_hard_timeout != 0 {
        actions.push(Action::Nicira(NiciraAction::FinTimeout {
            idle_timeout: learn.fin_idle_timeout,
            hard_timeout: learn.fin_hard_timeout,
        }));
    }
    for spec in &learn.specs {
        let value = match &spec.source {
            LearnSource::Field(source) => packet.read(*source),
            LearnSource::Immediate { value, .. } => from_octets(value),
        };
        match spec.destination {
            LearnDestination::Match(destination) => known.constrain(destination, &value, options),
            LearnDestination::Load(destination) => actions.extend(load(destination, to_number(&value))),
            LearnDestination::Output => actions.extend(output(to_number(&value))),
        }
    }
    let flags = learn.flags.contains(LearnFlags::SEND_FLOW_REM);
    LearnedFlow {
        table_id: learn.table_id,
        priority: learn.priority,
        match_: known.to_match(options),
        flow_match: known.flow_match(),
        actions: if options.is_empty() { actions } else { options.kept_actions(actions) },
        cookie: learn.cookie,
        idle_timeout: learn.idle_timeout,
        hard_timeout: learn.hard_timeout,
        flags: if flags { FlowModFlags::SEND_FLOW_REM } else { FlowModFlags::NONE },
    }
}

/// What sets these bits: a set-field if they are all that the field has, else a load.
fn load(destination: Subfield, value: u128) -> Option<Action> {
    let bits = value & field::ones(destination.bits);
    match u64::try_from(bits) {
        Ok(value) if destination.bits <= 64 => Some(Action::Nicira(NiciraAction::RegLoad { destination, value })),
        _ => {
            let octets = destination.kind.value_len()?;
            let shift = u32::from(destination.offset).min(127);
            let of = |number: u128| number.to_be_bytes().get(16 - octets.min(16)..).map(<[u8]>::to_vec);
            let (value, mask) = (of(bits << shift)?, of(field::ones(destination.bits) << shift)?);
            OxmFieldOwned::new(destination.kind, &value, Some(&mask)).map(NiciraAction::RegLoad2).map(Action::Nicira)
        }
    }
}

/// Output to a port of 16 bits that can have frames; nothing for another one.
fn output(value: u128) -> Option<Action> {
    let place = field::place(OxmKind::NXM_OF_IN_PORT)?;
    let port = PortNo(place.stored(u128::from(u16::try_from(value).ok()?)) as u32);
    let possible = port.0 < MAX_PORTS || matches!(port, PortNo::IN_PORT | PortNo::FLOOD | PortNo::LOCAL | PortNo::ALL);
    possible.then_some(Action::Output { port, max_len: CONTROLLER_NO_BUFFER })
}
