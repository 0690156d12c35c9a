//! Snapshots of a speaker for people and metrics.

use super::sessions::source_kind;
use super::{Neighbor, Speaker};
use crate::export::UpdateGroup;
use crate::policy::Policy;
use crate::rib::{FamilyCounts, Ineligible, Rib, SourceCounts, SourceKind};
use crate::session::{CloseReason, ConnectMode, MessageCounts, OutcomeKind, SessionState};
use crate::wire::{Asn, AttributeError, AttributeType, Family, RouterId};
use net::Time;
use std::fmt;
use std::net::IpAddr;

/// A speaker as it is at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SpeakerStatus {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP identifier.
    pub router_id: RouterId,
    /// When, on the clock that the speaker is given.
    pub now: Time,
    /// One row per family.
    pub tables: Vec<TableStatus>,
    /// In order of address.
    pub neighbors: Vec<NeighborStatus>,
    /// Update groups with members.
    pub update_groups: usize,
    /// Stretches of UPDATEs encoded since the start.
    pub segments_encoded: u64,
    /// Stretches sent that had been encoded for another neighbour.
    pub segments_shared: u64,
    /// It has started and waits for its neighbours' routes before it tells anybody anything (RFC 4724 §4.1).
    pub deferring: bool,
    /// Connections refused because they came from no neighbour's address, or at a time when none was wanted.
    pub connections_refused: u64,
}

/// One family's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct TableStatus {
    /// The family.
    #[cfg_attr(feature = "serde", serde(serialize_with = "text"))]
    pub family: Family,
    /// Its sizes.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub counts: FamilyCounts,
}

/// A neighbour as it is at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NeighborStatus {
    /// Its address.
    pub address: IpAddr,
    /// Its port, for connections that we open.
    pub port: u16,
    /// Its AS.
    pub asn: Asn,
    /// eBGP or iBGP.
    pub kind: SourceKind,
    /// Who connects.
    pub mode: ConnectMode,
    /// It came from a range of dynamic neighbours.
    pub dynamic: bool,
    /// Import policy.
    pub import: Policy,
    /// Export policy.
    pub export: Policy,
    /// Where the session is in the state machine of RFC 4271 §8.
    pub state: SessionState,
    /// Since when it is Established.
    pub uptime_seconds: Option<u64>,
    /// Its BGP identifier.
    pub router_id: Option<RouterId>,
    /// Our address on the session.
    pub local_address: Option<IpAddr>,
    /// Negotiated, in seconds.
    pub hold_time: Option<u16>,
    /// One row per configured family.
    pub families: Vec<NeighborFamilyStatus>,
    /// By type.
    pub messages_received: MessageCounts,
    /// By type.
    pub messages_sent: MessageCounts,
    /// UPDATE errors after which routes counted as withdrawn (RFC 7606).
    pub errors_treated_as_withdraw: u64,
    /// UPDATE errors after which an attribute was discarded (RFC 7606).
    pub errors_attribute_discarded: u64,
    /// UPDATE errors by attribute and by what was done about them (RFC 7606).
    pub attribute_errors: Vec<AttributeErrorCount>,
    /// The errors of its last malformed UPDATE, each with the attribute's octets.
    pub last_malformed: Vec<AttributeError>,
    /// How often its routes were left out, by reason, since the session came up.
    pub left_out: Vec<LeftOutCount>,
    /// Times that the session came up.
    pub established_count: u64,
    /// Connections that lost a collision (RFC 4271 §6.8).
    pub collisions: u64,
    /// Octets handed to the connection and not yet taken by it.
    pub unsent_octets: usize,
    /// There are route changes it has not been sent yet.
    pub behind: bool,
    /// Why the last session that was Established ended.
    pub last_reset: Option<String>,
    /// Why the last session or attempt ended.
    pub last_error: Option<String>,
    /// Why it is kept down, if it is.
    pub held: Option<String>,
    /// Routes of an earlier session are kept for it (RFC 4724).
    pub retained: bool,
}

/// A neighbour's routes of one family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct NeighborFamilyStatus {
    /// The family.
    #[cfg_attr(feature = "serde", serde(serialize_with = "text"))]
    pub family: Family,
    /// Both sides have it.
    pub negotiated: bool,
    /// The neighbour has said that it has sent all it has (RFC 4724 §2).
    pub end_of_rib: bool,
    /// In its Adj-RIB-In.
    pub received: u64,
    /// Of these, eligible for the decision.
    pub accepted: u64,
    /// In its Adj-RIB-Out.
    pub advertised: u64,
    /// Paths that were not taken since the session came up: it had as many of their prefix as a neighbour may have.
    pub paths_refused: u64,
}

/// How often routes were left out for one reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LeftOutCount {
    /// The reason.
    pub reason: Ineligible,
    /// How often.
    pub count: u64,
}

/// How often an attribute was in error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AttributeErrorCount {
    /// The attribute.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub attribute: AttributeType,
    /// What was done about it.
    pub outcome: OutcomeKind,
    /// How often.
    pub count: u64,
}

impl NeighborStatus {
    /// Routes received and accepted, all families together.
    pub fn routes(&self) -> SourceCounts {
        self.families.iter().fold(SourceCounts::default(), |sum, family| SourceCounts {
            received: sum.received + family.received,
            accepted: sum.accepted + family.accepted,
        })
    }
}

impl Speaker {
    /// Everything to show, as it is now.
    pub fn status(&self, now: Time) -> SpeakerStatus {
        let tables = Rib::FAMILIES.map(|family| TableStatus { family, counts: self.rib.counts(family) });
        let live = self.groups.values().map(UpdateGroup::counters);
        let (encoded, shared) = live.fold(self.segments, |(encoded, shared), counters| {
            (encoded + counters.segments_encoded, shared + counters.segments_shared)
        });
        SpeakerStatus {
            asn: self.config.asn,
            router_id: self.config.router_id,
            now,
            tables: tables.into(),
            neighbors: self
                .neighbors
                .iter()
                .map(|(address, neighbor)| self.neighbor(*address, neighbor, now))
                .collect(),
            update_groups: self.groups.len(),
            segments_encoded: encoded,
            segments_shared: shared,
            deferring: self.deferral.is_some(),
            connections_refused: self.refused,
        }
    }

    fn neighbor(&self, address: IpAddr, neighbor: &Neighbor, now: Time) -> NeighborStatus {
        let Neighbor { config, peer, session, .. } = neighbor;
        let counters = peer.counters();
        let errors = |kind| {
            counters.attribute_errors.iter().filter(|((_, outcome), _)| *outcome == kind).map(|(_, count)| count).sum()
        };
        let up = session.as_ref();
        let group = up.and_then(|session| self.groups.get(session.group));
        let families = config.families.iter().map(|family| {
            let counts = neighbor.source().map(|source| self.rib.source_counts(source, *family)).unwrap_or_default();
            let advertised = up.zip(group).map_or(0, |(session, group)| group.advertised(session.source, *family));
            NeighborFamilyStatus {
                family: *family,
                negotiated: up.is_some_and(|session| session.negotiated.families.contains(family)),
                end_of_rib: up.is_some_and(|session| session.ends_of_rib.contains(family)),
                received: counts.received,
                accepted: counts.accepted,
                advertised: advertised as u64,
                paths_refused: neighbor.source().map_or(0, |source| self.rib.paths_refused(source, *family)),
            }
        });
        let connections = neighbor.connections.values().filter_map(|id| self.connections.get(id));
        NeighborStatus {
            address,
            port: config.port,
            asn: self.neighbor_asn(address),
            kind: group.map_or_else(
                || source_kind(peer.config().peer_kind(self.neighbor_asn(address))),
                |group| group.terms().kind,
            ),
            mode: config.mode,
            dynamic: neighbor.range.is_some(),
            import: config.import.clone(),
            export: config.export.clone(),
            state: peer.state(),
            uptime_seconds: peer.established_since().map(|since| now.since(since).as_secs()),
            router_id: up.map(|session| session.negotiated.peer_router_id),
            local_address: up.and_then(|session| session.local_address),
            hold_time: up.map(|session| session.negotiated.hold_time),
            families: families.collect(),
            messages_received: counters.received,
            messages_sent: counters.sent,
            errors_treated_as_withdraw: errors(OutcomeKind::TreatAsWithdraw),
            errors_attribute_discarded: errors(OutcomeKind::AttributeDiscard),
            attribute_errors: counters
                .attribute_errors
                .iter()
                .map(|((attribute, outcome), count)| AttributeErrorCount {
                    attribute: *attribute,
                    outcome: *outcome,
                    count: *count,
                })
                .collect(),
            last_malformed: neighbor.last_malformed.clone(),
            left_out: neighbor
                .source()
                .map(|source| self.rib.left_out(source))
                .into_iter()
                .flatten()
                .map(|(reason, count)| LeftOutCount { reason, count })
                .collect(),
            established_count: counters.established,
            collisions: counters.collisions,
            unsent_octets: connections.map(|connection| connection.unsent).sum(),
            behind: up.zip(group).is_some_and(|(session, group)| group.is_behind(session.source, &self.rib)),
            last_reset: neighbor.last_reset.clone(),
            last_error: neighbor.last_error.clone(),
            held: neighbor.held.as_ref().map(|held| held.reason.clone()),
            retained: neighbor.retained.is_some(),
        }
    }
}

#[cfg(feature = "serde")]
fn text<S: serde::Serializer>(family: &Family, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(family)
}

/// Why a session ended, in words.
pub(super) struct Reason<'a>(pub(super) &'a CloseReason);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CloseReason::AdminStop => f.write_str("stopped here"),
            CloseReason::Sent(notification) => write!(f, "sent: {notification}"),
            CloseReason::Received(notification) => write!(f, "received: {notification}"),
            CloseReason::ConnectFailed => f.write_str("the connection could not be opened"),
            CloseReason::ConnectionLost => f.write_str("the connection broke"),
            CloseReason::Collision => f.write_str("the other connection with the same neighbour was kept"),
            CloseReason::SendHoldTimerExpired => f.write_str("the neighbour took nothing for too long (RFC 9687)"),
        }
    }
}
