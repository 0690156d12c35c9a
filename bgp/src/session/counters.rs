//! What a session has counted since it was made.

use std::collections::BTreeMap;

use super::CloseReason;
use crate::wire::{AttributeError, AttributeType, MessageType, Outcome};

/// Counters of a session; a peer adds those of its sessions up.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionCounters {
    /// Messages received by type.
    pub received: MessageCounts,
    /// Messages sent by type.
    pub sent: MessageCounts,
    /// Times that the session became Established.
    pub established: u64,
    /// Connections that lost a collision (RFC 4271 §6.8).
    pub collisions: u64,
    /// UPDATE errors by attribute and by what was done about them (RFC 7606). Bounded: types times outcomes.
    pub attribute_errors: BTreeMap<(AttributeType, OutcomeKind), u64>,
    /// Routes of families that were not negotiated, or disabled: NLRI fields ignored.
    pub ignored_families: u64,
    /// Why the session ended last.
    pub last_close: Option<CloseReason>,
}

/// [`Outcome`] without its family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum OutcomeKind {
    /// The attribute was dropped.
    AttributeDiscard,
    /// The message's routes were withdrawn.
    TreatAsWithdraw,
    /// A family was disabled.
    DisableFamily,
    /// The session was reset.
    SessionReset,
}

impl From<Outcome> for OutcomeKind {
    fn from(outcome: Outcome) -> OutcomeKind {
        match outcome {
            Outcome::AttributeDiscard => OutcomeKind::AttributeDiscard,
            Outcome::TreatAsWithdraw => OutcomeKind::TreatAsWithdraw,
            Outcome::DisableFamily(_) => OutcomeKind::DisableFamily,
            Outcome::SessionReset => OutcomeKind::SessionReset,
        }
    }
}

/// Messages by type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageCounts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

impl MessageCounts {
    pub(super) fn count(&mut self, kind: MessageType) {
        match kind {
            MessageType::OPEN => self.open += 1,
            MessageType::UPDATE => self.update += 1,
            MessageType::NOTIFICATION => self.notification += 1,
            MessageType::KEEPALIVE => self.keepalive += 1,
            MessageType::ROUTE_REFRESH => self.route_refresh += 1,
            _ => {}
        }
    }

    /// All types together.
    pub const fn total(&self) -> u64 {
        self.open + self.update + self.notification + self.keepalive + self.route_refresh
    }

    fn add(&mut self, other: MessageCounts) {
        self.open += other.open;
        self.update += other.update;
        self.notification += other.notification;
        self.keepalive += other.keepalive;
        self.route_refresh += other.route_refresh;
    }
}

impl SessionCounters {
    pub(super) fn count_errors(&mut self, errors: &[AttributeError]) {
        for error in errors {
            *self.attribute_errors.entry((error.kind, error.outcome.into())).or_default() += 1;
        }
    }

    /// Adds the counters of a session that is no more.
    pub fn add(&mut self, other: SessionCounters) {
        self.received.add(other.received);
        self.sent.add(other.sent);
        self.established += other.established;
        self.collisions += other.collisions;
        self.ignored_families += other.ignored_families;
        for (key, count) in other.attribute_errors {
            *self.attribute_errors.entry(key).or_default() += count;
        }
        self.last_close = other.last_close.or_else(|| self.last_close.take());
    }
}
