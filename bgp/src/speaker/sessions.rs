//! What the sessions say, and what becomes of it in the tables and the update groups.

use super::status::Reason;
use super::{Established, Event, Speaker};
use crate::export::{ExportTerms, UpdateGroup};
use crate::rib::{Source, SourceKind};
use crate::session::{CloseReason, Event as SessionEvent, Negotiated};
use crate::wire::PeerKind;
use net::Time;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

impl Speaker {
    pub(super) fn handle_session_event(&mut self, address: IpAddr, event: SessionEvent, now: Time) {
        let source = self.neighbors.get(&address).and_then(|neighbor| Some(neighbor.session.as_ref()?.source));
        match (event, source) {
            (SessionEvent::Established(negotiated), _) => self.session_up(address, negotiated),
            (SessionEvent::Closed(reason), _) => self.session_down(address, reason),
            (SessionEvent::Route(update), Some(source)) => self.rib.handle_routes(source, &update, now),
            (SessionEvent::EndOfRib(family), Some(_)) => {
                let session = self.neighbors.get_mut(&address).and_then(|neighbor| neighbor.session.as_mut());
                if let Some(session) = session {
                    session.ends_of_rib.insert(family);
                }
            }
            (SessionEvent::RefreshRequested(family), Some(source)) => {
                let session = self.neighbors.get(&address).and_then(|neighbor| neighbor.session.as_ref());
                if let Some(group) = session.and_then(|session| self.groups.get_mut(&session.terms)) {
                    group.handle_refresh(source, family);
                }
            }
            (SessionEvent::RefreshBegin(family), Some(source)) => self.rib.handle_refresh_begin(source, family),
            (SessionEvent::RefreshEnd(family), Some(source)) => self.rib.handle_refresh_end(source, family),
            (SessionEvent::FamilyDisabled(family), Some(source)) => self.rib.handle_family_down(source, family),
            (SessionEvent::Malformed(errors), _) => self.tell(Event::Malformed { neighbor: address, errors }),
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

    fn session_up(&mut self, address: IpAddr, negotiated: Arc<Negotiated>) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let inner = neighbor.peer.connection();
        let Some(id) = inner.and_then(|inner| neighbor.connections.get(&inner).copied()) else { return };
        let local_address = self.connections.get(&id).and_then(|connection| connection.local);
        let config = &neighbor.config;
        let kind = match negotiated.peer_kind {
            PeerKind::Internal => SourceKind::Internal,
            PeerKind::External | PeerKind::Confederation | PeerKind::Unknown => SourceKind::External,
        };
        let source = self.rib.add_source(Source {
            kind,
            asn: negotiated.peer_asn,
            router_id: negotiated.peer_router_id,
            address: Some(address),
            local_address,
            import: config.import,
            enforce_first_as: config.enforce_first_as,
        });
        let terms = ExportTerms {
            kind,
            policy: config.export,
            local_asn: negotiated.local_asn,
            next_hop_v4: config.ipv4_next_hop(local_address),
            next_hop_v6: config.ipv6_next_hop(local_address),
            next_hop_self: config.next_hop_self,
            default_local_pref: self.config.default_local_pref,
            encode: negotiated.encode.clone(),
        };
        let group = self.groups.entry(terms.clone()).or_insert_with(|| UpdateGroup::new(terms.clone()));
        group.join(source, negotiated.families.iter().copied(), negotiated.enhanced_route_refresh, &self.rib);
        let ends_of_rib = BTreeSet::new();
        neighbor.session = Some(Established { source, connection: id, negotiated, local_address, terms, ends_of_rib });
        self.tell(Event::Up { neighbor: address, kind });
    }

    fn session_down(&mut self, address: IpAddr, reason: CloseReason) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let session = neighbor.session.take();
        let was_up = session.is_some();
        let text = Reason(&reason).to_string();
        if was_up {
            neighbor.last_reset = Some(reason.clone());
        }
        neighbor.last_error = Some(reason);
        if let Some(Established { source, terms, .. }) = session {
            if let Some(group) = self.groups.get_mut(&terms) {
                group.leave(source, &mut self.rib);
                if group.is_empty() {
                    let counters = group.counters();
                    self.segments.0 += counters.segments_encoded;
                    self.segments.1 += counters.segments_shared;
                    self.groups.remove(&terms);
                }
            }
            self.rib.remove_source(source);
        }
        self.tell(Event::Down { neighbor: address, reason: text, was_up });
    }
}
