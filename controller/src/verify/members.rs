//! Who must not reach whom: groups, each with a bit, and who is in them.

use std::collections::{BTreeMap, HashSet};

use net::PortId;

use super::fields::{Constraints, Field, Ternary};

/// The groups of somebody, and those that it must not reach, a bit for each group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Membership {
    /// Groups that it is in.
    pub of: u64,
    /// Groups whose members it must not reach.
    pub never: u64,
}

impl Membership {
    /// In the groups of both.
    pub fn and(self, other: Membership) -> Membership {
        Membership { of: self.of | other.of, never: self.never | other.never }
    }
}

/// The members of all groups: by the port where a packet enters or leaves, and by what its header says of source and destination.
#[derive(Clone, Debug, Default)]
pub struct Members {
    ports: BTreeMap<PortId, Membership>,
    /// Packets with a member as source, and those with it as destination.
    headers: Vec<(Ternary, Ternary, Membership)>,
    /// Ports that may lead on, to a switch that is not known: whom a header names has not been reached there yet.
    unsure: HashSet<PortId>,
}

/// A header's part in it: groups that must not be reached, or groups that are reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Source,
    Destination,
}

impl Members {
    /// Whoever is behind an edge port is a member.
    pub fn add_port(&mut self, port: PortId, membership: Membership) {
        let so_far = self.ports.entry(port).or_default();
        *so_far = so_far.and(membership);
    }

    /// Whoever sends such packets as `source`, and is sent such packets as `destination`, is a member.
    pub fn add_header(&mut self, source: Ternary, destination: Ternary, membership: Membership) {
        self.headers.push((source, destination, membership));
    }

    /// What leaves by this port may still be stopped: only members that are behind it are reached there.
    pub fn add_unsure(&mut self, port: PortId) {
        self.unsure.insert(port);
    }

    /// The groups that are reached by a packet that leaves by a port and whose header names some.
    pub(super) fn reached(&self, port: PortId, named: u64) -> u64 {
        self.port(port).of | if self.unsure.contains(&port) { 0 } else { named }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.headers.is_empty()
    }

    /// Whether members are told by what headers say.
    pub(super) fn by_header(&self) -> bool {
        !self.headers.is_empty()
    }

    /// Whether a port may lead on.
    pub(super) fn is_unsure(&self, port: PortId) -> bool {
        self.unsure.contains(&port)
    }

    /// Headers that name members as source or as destination.
    pub(super) fn headers(&self) -> impl Iterator<Item = &Ternary> {
        self.headers.iter().flat_map(|(source, destination, _)| [source, destination])
    }

    /// What packets of a class may say of their destination, and the groups that are named so.
    pub(super) fn destinations(&self, class: &Ternary) -> impl Iterator<Item = (&Ternary, u64)> {
        self.rows(End::Destination).filter(move |(header, of)| *of != 0 && class.meets(header))
    }

    pub(super) fn constrain(&self, constraints: &mut Constraints) {
        for (source, destination, _) in &self.headers {
            constraints.add(source);
            constraints.add(destination);
        }
    }

    pub(super) fn ports(&self) -> impl Iterator<Item = (PortId, Membership)> + '_ {
        self.ports.iter().map(|(&port, &membership)| (port, membership))
    }

    pub(super) fn port(&self, port: PortId) -> Membership {
        self.ports.get(&port).copied().unwrap_or_default()
    }

    fn rows(&self, end: End) -> impl Iterator<Item = (&Ternary, u64)> {
        self.headers.iter().map(move |(source, destination, membership)| match end {
            End::Source => (source, membership.never),
            End::Destination => (destination, membership.of),
        })
    }

    /// What all packets of a class say of one end, or the field by which they have to be divided first.
    pub(super) fn header(&self, class: &Ternary, end: End) -> Result<u64, Field> {
        let mut groups = 0;
        for (header, of) in self.rows(end).filter(|(header, _)| class.meets(header)) {
            match class.open_field(header) {
                Some(field) => return Err(field),
                None => groups |= of,
            }
        }
        Ok(groups)
    }

    /// What some packets of a class may say of one end.
    pub(super) fn may(&self, class: &Ternary, end: End) -> u64 {
        self.rows(end).filter(|(header, _)| class.meets(header)).fold(0, |groups, (_, of)| groups | of)
    }
}
