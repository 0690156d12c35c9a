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
            (SessionEvent::Established(negotiated), _) => self.session_up(address, negotiated, now),
            (SessionEvent::Closed(reason), _) => self.session_down(address, reason, now),
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
        let kind = match negotiated.peer_kind {
            PeerKind::Internal | PeerKind::Confederation => SourceKind::Internal,
            PeerKind::External | PeerKind::Unknown => SourceKind::External,
        };
        let real_asn =
            self.config.confederation.as_ref().map_or(self.config.asn, |confederation| confederation.identifier);
        let new = Source {
            kind,
            confederation,
            client: config.reflector_client,
            asn: negotiated.peer_asn,
            router_id: negotiated.peer_router_id,
            address: Some(address),
            local_address,
            import: config.import,
            enforce_first_as: config.enforce_first_as,
            rules: config.import_rules(),
        };
        let terms = ExportTerms {
            kind,
            policy: config.export,
            local_asn: negotiated.local_asn,
            peer_asn: Some(negotiated.peer_asn).filter(|_| config.as_override),
            cluster_id: self.config.cluster_id.unwrap_or(self.config.router_id),
            next_hop_v4: config.ipv4_next_hop(local_address),
            next_hop_v6: config.ipv6_next_hop(local_address),
            rules: config.export_rules(real_asn, confederation, &negotiated),
            default_local_pref: self.config.default_local_pref,
            encode: negotiated.encode.clone(),
        };
        let source = match neighbor.retained.as_ref().map(|retained| retained.source) {
            Some(source) => {
                self.rib.resume_source(source, new);
                self.resume_routes(address, &negotiated, now);
                source
            }
            None => self.rib.add_source(new),
        };
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let group = self.groups.entry(terms.clone()).or_insert_with(|| UpdateGroup::new(terms.clone()));
        group.join(source, negotiated.families.iter().copied(), negotiated.enhanced_route_refresh, &self.rib);
        let (ends_of_rib, told) = (BTreeSet::new(), BTreeSet::new());
        neighbor.session =
            Some(Established { source, connection: id, negotiated, local_address, terms, ends_of_rib, told });
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
        if let Some(Established { source, terms, negotiated, .. }) = session {
            if let Some(group) = self.groups.get_mut(&terms) {
                group.leave(source, &mut self.rib);
                if group.is_empty() {
                    let counters = group.counters();
                    self.segments.0 += counters.segments_encoded;
                    self.segments.1 += counters.segments_shared;
                    self.groups.remove(&terms);
                }
            }
            self.release_routes(address, source, &reason, &negotiated, now);
        }
        self.tell(Event::Down { neighbor: address, reason: text, was_up });
    }
}
