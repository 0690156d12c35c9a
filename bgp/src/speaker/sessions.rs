//! What the sessions say, and what becomes of it in the tables and the update groups.

use super::status::Reason;
use super::{Established, Event, Speaker};
use crate::rib::{Source, SourceKind};
use crate::session::{CloseReason, Event as SessionEvent, Negotiated};
use crate::wire::PeerKind;
use net::Time;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// What the decision takes a neighbour for. One in another member AS of our confederation counts as internal (RFC 5065
/// §5.3).
pub(super) const fn source_kind(peer: PeerKind) -> SourceKind {
    match peer {
        PeerKind::Internal | PeerKind::Confederation => SourceKind::Internal,
        PeerKind::External | PeerKind::Unknown => SourceKind::External,
    }
}

impl Speaker {
    pub(super) fn handle_session_event(&mut self, address: IpAddr, event: SessionEvent, now: Time) {
        let source = self.neighbors.get(&address).and_then(|neighbor| Some(neighbor.session.as_ref()?.source));
        match (event, source) {
            (SessionEvent::Established(negotiated), _) => self.session_up(address, negotiated, now),
            (SessionEvent::Closed(reason), _) => self.session_down(address, reason, now),
            // A limit has ended the session: the rest of what it said is no more of use, and would be over the limit too.
            (SessionEvent::Route(_), Some(_)) if self.is_held(address) => {}
            (SessionEvent::Route(update), Some(source)) => {
                self.rib.handle_routes(source, &update, now);
                self.check_receive_limit(address, update.family, now);
            }
            (SessionEvent::EndOfRib(family), Some(_)) => {
                let session = self.neighbors.get_mut(&address).and_then(|neighbor| neighbor.session.as_mut());
                if let Some(session) = session {
                    session.ends_of_rib.insert(family);
                }
                self.finish_resume(address, family);
                self.deferral_end_of_rib(address);
                self.end_deferral(now);
            }
            (SessionEvent::RefreshRequested(family), Some(source)) => {
                let session = self.neighbors.get(&address).and_then(|neighbor| neighbor.session.as_ref());
                if let Some(group) = session.and_then(|session| self.groups.get_mut(session.group)) {
                    group.handle_refresh(source, family);
                }
            }
            (SessionEvent::RefreshBegin(family), Some(source)) => self.rib.handle_refresh_begin(source, family),
            (SessionEvent::RefreshEnd(family), Some(source)) => self.rib.handle_refresh_end(source, family),
            (SessionEvent::FamilyDisabled(family), Some(source)) => self.rib.handle_family_down(source, family),
            (SessionEvent::Malformed(errors), _) => {
                if let Some(neighbor) = self.neighbors.get_mut(&address) {
                    neighbor.last_malformed.clone_from(&errors);
                }
                self.tell(Event::Malformed { neighbor: address, errors });
            }
            // Nothing of a session that is not up.
            (
                SessionEvent::Route(_)
                | SessionEvent::EndOfRib(_)
                | SessionEvent::RefreshRequested(_)
                | SessionEvent::RefreshBegin(_)
                | SessionEvent::RefreshEnd(_)
                | SessionEvent::FamilyDisabled(_),
                None,
            ) => {}
        }
    }

    fn session_up(&mut self, address: IpAddr, negotiated: Arc<Negotiated>, now: Time) {
        let Some(neighbor) = self.neighbors.get(&address) else { return };
        let inner = neighbor.peer.connection();
        let Some(id) = inner.and_then(|inner| neighbor.connections.get(&inner).copied()) else { return };
        let local_address = self.connections.get(&id).and_then(|connection| connection.local);
        let config = &neighbor.config;
        let (_, confederation) = config.local_asn(&self.config, negotiated.peer_asn);
        let kind = source_kind(negotiated.peer_kind);
        let policy_session = config.policy_session(&self.config, address, negotiated.peer_asn);
        let new = Source {
            kind,
            confederation,
            client: config.reflector_client,
            asn: negotiated.peer_asn,
            router_id: negotiated.peer_router_id,
            address: Some(address),
            local_address,
            import: config.import.bind(&policy_session),
            enforce_first_as: config.enforce_first_as,
            rules: config.import_rules(),
        };
        let terms = config.export_terms(&self.config, &policy_session, &negotiated, local_address);
        let source = match neighbor.retained.as_ref().map(|retained| retained.source) {
            Some(source) if self.rib.resume_source(source, new.clone()) => {
                self.resume_routes(address, &negotiated, now);
                source
            }
            // Somebody else has come in its place.
            Some(_) => {
                self.forget_retained(address);
                self.rib.add_source(new)
            }
            None => self.rib.add_source(new),
        };
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let (group_id, group) = self.groups.with_terms(&terms);
        group.join(source, negotiated.families.iter().copied(), negotiated.enhanced_route_refresh, &mut self.rib);
        neighbor.policy_session = Some(policy_session);
        neighbor.session = Some(Established {
            source,
            connection: id,
            negotiated: Arc::clone(&negotiated),
            local_address,
            group: group_id,
            ends_of_rib: BTreeSet::new(),
            next_advertisement: None,
            held_back: false,
            told: BTreeSet::new(),
            told_octets: false,
        });
        self.deferral_session_up(address, negotiated.graceful_restart.as_ref());
        self.end_deferral(now);
        self.tell(Event::Up { neighbor: address, kind });
    }

    fn session_down(&mut self, address: IpAddr, reason: CloseReason, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let session = neighbor.session.take();
        let was_up = session.is_some();
        let mut text = Reason(&reason).to_string();
        if let (CloseReason::AdminStop, Some(held)) = (&reason, &neighbor.held) {
            text.clone_from(&held.reason);
        }
        if was_up {
            neighbor.last_reset = Some(text.clone());
        }
        neighbor.last_error = Some(text.clone());
        if let Some(Established { source, group: group_id, negotiated, .. }) = session {
            if let Some(group) = self.groups.get_mut(group_id) {
                group.leave(source, &mut self.rib);
            }
            self.drop_group_if_empty(group_id);
            self.release_routes(address, source, &reason, &negotiated, now);
        }
        self.tell(Event::Down { neighbor: address, reason: text, was_up });
    }
}
