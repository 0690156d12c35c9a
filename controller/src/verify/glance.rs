//! The quick look: whether anything can be wrong with packets of a class, without telling them apart.
//!
//! At each switch all that some packet of the class may meet is followed, taken together. What one packet meets is part of that, so that where
//! nothing is wrong with all of it, nothing is wrong with any packet. Where something may be wrong the long look decides.

use std::collections::HashMap;

use net::{DatapathId, PortId, PortNo};
use smallvec::SmallVec;

use super::fields::Ternary;
use super::index::At;
use super::members::{End, Members};
use super::{Effect, Verifier, WAY_MAX, written};

/// How closely the rules of a table are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Care {
    /// By what they do taken together.
    Rough,
    /// One by one.
    Close,
    /// Only those that match all packets, at some port or at all, besides those of destinations.
    Plain,
}

/// A look at one class.
pub(super) struct Glance<'v> {
    verifier: &'v Verifier,
    class: &'v Ternary,
    care: Care,
    /// Ends of links that packets have come to: whether they are still on the way.
    seen: HashMap<PortId, bool>,
    /// How many are.
    way: usize,
    /// Groups that these packets must not reach, and those that their headers may name as destination.
    never: u64,
    named: u64,
}

impl<'v> Glance<'v> {
    pub(super) fn new(verifier: &'v Verifier, class: &'v Ternary, care: Care) -> Glance<'v> {
        Glance { verifier, class, care, seen: HashMap::new(), way: 0, never: 0, named: 0 }
    }

    /// Whether nothing is wrong with what comes in at a switch. At an edge nothing has to be known of a packet.
    pub(super) fn enters(&mut self, datapath_id: DatapathId, at: At, is_edge: bool) -> bool {
        let mut visited = SmallVec::new();
        self.table(datapath_id, at, State { table: 0, metadata: 0, sent: is_edge }, &mut visited)
    }

    /// Whether nothing is wrong with what comes to a switch, from an edge or from another switch that may send it there.
    pub(super) fn comes_to(&mut self, datapath_id: DatapathId, in_port: Option<PortNo>) -> bool {
        let verifier = self.verifier;
        if let Some(in_port) = in_port {
            let at = PortId::new(datapath_id, in_port);
            let from_edge = !verifier.edges.contains(&at) || self.enters(datapath_id, At::Port(in_port), true);
            return from_edge && self.comes_over_links(datapath_id, Some(in_port));
        }
        let from_edges = !verifier.edge_switches.contains_key(&datapath_id) || self.enters(datapath_id, At::Any, true);
        from_edges && self.comes_over_links(datapath_id, None)
    }

    fn comes_over_links(&mut self, datapath_id: DatapathId, in_port: Option<PortNo>) -> bool {
        let links = self.verifier.link_ports.get(&datapath_id).into_iter().flatten();
        let mut links = links.filter(|(port, _)| in_port.is_none_or(|in_port| in_port == *port));
        links.all(|&(port, from)| !self.may_send(from) || self.arrives(PortId::new(datapath_id, port)))
    }

    /// Whether the switch at the other end may send such packets over a link, wherever they come in there.
    fn may_send(&self, from: PortId) -> bool {
        let mut states: SmallVec<[State; 8]> = SmallVec::from_slice(&[State { table: 0, metadata: 0, sent: false }]);
        let mut done = 0;
        while let Some(&state) = states.get(done) {
            done += 1;
            let Some(rules) = self.verifier.table(from.datapath_id, state.table) else { continue };
            let mut sends = false;
            let meet = |effect: Option<&'v Effect>| {
                let Some(effect) = effect else { return };
                let back = effect.outputs.contains(&PortNo::IN_PORT);
                sends |= effect.unknown || back || effect.outputs.contains(&from.port_no);
                if let Some(next) = effect.goto.filter(|next| *next > state.table) {
                    let metadata = written(state.metadata, effect.metadata);
                    let next = State { table: next, metadata, sent: false };
                    if !states.contains(&next) {
                        states.push(next);
                    }
                }
            };
            match self.care {
                Care::Rough => rules.roughly(At::Any, self.class, state.metadata, meet),
                Care::Close | Care::Plain => rules.closely(At::Any, self.class, state.metadata, meet),
            }
            if sends {
                return true;
            }
        }
        false
    }

    /// Whether members of groups reach none that they must not.
    pub(super) fn keeps_apart(&mut self, members: &Members) -> bool {
        let source = members.may(self.class, End::Source);
        self.named = members.may(self.class, End::Destination);
        let mut starts: Vec<(u64, DatapathId, At)> = members
            .ports()
            .filter(|(port, _)| self.verifier.edges.contains(port))
            .map(|(port, membership)| (membership.never | source, port.datapath_id, At::Port(port.port_no)))
            .collect();
        if source != 0 {
            starts.extend(self.verifier.edge_switches.keys().map(|&at| (source, at, At::Any)));
        }
        starts.sort_unstable();
        for (never, datapath_id, at) in starts {
            if never != self.never {
                self.seen.clear();
                self.never = never;
            }
            if !self.enters(datapath_id, at, true) {
                return false;
            }
        }
        true
    }

    fn table(&mut self, datapath_id: DatapathId, at: At, state: State, visited: &mut SmallVec<[State; 8]>) -> bool {
        if visited.contains(&state) {
            return true;
        }
        visited.push(state);
        let mut met: SmallVec<[Option<&'v Effect>; 8]> = SmallVec::new();
        let verifier = self.verifier;
        if let Some(rules) = verifier.table(datapath_id, state.table) {
            let meet = |effect: Option<&'v Effect>| met.push(effect);
            match self.care {
                Care::Rough => rules.roughly(at, self.class, state.metadata, meet),
                Care::Close | Care::Plain => rules.closely(at, self.class, state.metadata, meet),
            }
        } else {
            met.push(None);
        }
        met.into_iter().all(|effect| {
            let Some(effect) = effect else { return state.sent };
            if effect.unknown || !effect.outputs.iter().all(|out| self.leaves(datapath_id, at, *out)) {
                return false;
            }
            match effect.goto {
                Some(next) if next > state.table => {
                    let sent = state.sent || effect.outputs.iter().any(|out| at != At::Port(*out));
                    let metadata = written(state.metadata, effect.metadata);
                    self.table(datapath_id, at, State { table: next, metadata, sent }, visited)
                }
                _ => true,
            }
        })
    }

    fn leaves(&mut self, datapath_id: DatapathId, at: At, out: PortNo) -> bool {
        let port_no = match (out, at) {
            (PortNo::IN_PORT, At::Port(port)) => port,
            (PortNo::IN_PORT, At::Any) => return false,
            (out, _) => out,
        };
        let is_back = at == At::Port(out);
        let out = PortId::new(datapath_id, port_no);
        if let Some(&next) = self.verifier.links.get(&out) {
            // OpenFlow 1.3.5 §5.1: a packet is never sent back by a plain output to where it came from.
            return is_back || self.arrives(next);
        }
        // One edge port may stand for another here, so that this is asked even of the one where the packet came from.
        let reached = self.verifier.members.reached(out, self.named);
        self.verifier.edges.contains(&out) && reached & self.never == 0
    }

    fn arrives(&mut self, at: PortId) -> bool {
        if let Some(on_way) = self.seen.get(&at) {
            return !on_way;
        }
        if self.way >= WAY_MAX {
            return false;
        }
        self.seen.insert(at, true);
        self.way += 1;
        let clean = self.enters(at.datapath_id, At::Port(at.port_no), false);
        self.way -= 1;
        self.seen.insert(at, false);
        clean
    }
}

/// Where a packet is in a switch's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State {
    pub(super) table: u8,
    pub(super) metadata: u64,
    /// It has left already, or need not.
    pub(super) sent: bool,
}
