//! Maximum prefixes, in both directions (RFC 4271 §6.7, RFC 4486), and sessions that are held down.

use super::{Event, Speaker};
use crate::session::Negotiated;
use crate::wire::notification::subcode::cease;
use crate::wire::{ErrorCode, Family, Notification};
use bytes::{BufMut, BytesMut};
use net::Time;
use std::net::IpAddr;
use std::time::Duration;

/// Most routes of one family on one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrefixLimit {
    /// So many are fine.
    pub count: u64,
    /// A word to the owner at this share of `count`, in percent.
    pub warn_percent: u8,
    /// What happens to the session when there are more.
    pub action: LimitAction,
}

/// What happens to a session over its limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitAction {
    /// Nothing but a word to the owner.
    Warn,
    /// It ends with a Cease and stays down until the operator starts it.
    Drop,
    /// It ends with a Cease and starts again after this time.
    Restart(Duration),
}

/// Most octets of attributes that a neighbour's routes may have, beyond the first [`FREE_OCTETS`](crate::rib::FREE_OCTETS)
/// of each route, unless configured: a table of a million routes with 130 octets more than that on each. A whole table of
/// the Internet has some 100 octets a route altogether. Messages of 65,000 octets reach it after two thousand routes.
pub const ATTRIBUTE_OCTETS: u64 = 128 * 1024 * 1024;

/// Why a session is kept down, and until when.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) reason: String,
    pub(super) until: Option<Time>,
    /// The operator wants it so.
    pub(super) by_operator: bool,
}

impl Held {
    /// The operator has shut the neighbour down.
    pub(super) fn shut_down(text: &str) -> Held {
        let reason = if text.is_empty() { "shut down here".to_owned() } else { format!("shut down here: {text}") };
        Held { reason, until: None, by_operator: true }
    }
}

impl Speaker {
    /// After routes came in.
    pub(super) fn check_receive_limit(&mut self, address: IpAddr, family: Family, now: Time) {
        let Some(neighbor) = self.neighbors.get(&address) else { return };
        let Some((limit, session)) = neighbor.config.receive_limits.get(&family).zip(neighbor.session.as_ref()) else {
            return;
        };
        let count = self.rib.source_counts(session.source, family).received;
        self.enforce(address, family, *limit, count, false, now);
    }

    /// After a slice of messages: routes are counted by the prefix limits, and this is what they weigh.
    pub(super) fn check_attribute_octets(&mut self, address: IpAddr, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let Some(session) = &mut neighbor.session else { return };
        let (limit, octets) = (neighbor.config.attribute_octets, self.rib.attribute_octets(session.source));
        if octets <= limit {
            return;
        }
        let told = std::mem::replace(&mut session.told_octets, true);
        let action = neighbor.config.receive_limits.values().next().map(|limit| limit.action);
        if !told {
            self.tell(Event::AttributeLimit { neighbor: address, octets, limit });
        }
        let until = match action {
            Some(LimitAction::Warn) => return,
            Some(LimitAction::Restart(after)) => Some(now + after),
            Some(LimitAction::Drop) | None => None,
        };
        let reason = format!("more than {limit} octets of attributes received");
        let notification = Notification::new(ErrorCode::CEASE, cease::OUT_OF_RESOURCES);
        self.hold(address, Held { reason, until, by_operator: false }, &notification, now);
    }

    /// After a limit has changed.
    pub(super) fn check_limits(&mut self, address: IpAddr, now: Time) {
        self.check_attribute_octets(address, now);
        for family in self.session_families(address, |_| true) {
            self.check_receive_limit(address, family, now);
        }
        self.check_send_limits(address, None, now);
    }

    /// After routes went out. `over`: the next message would pass this family's limit, and was kept back.
    pub(super) fn check_send_limits(&mut self, address: IpAddr, over: Option<Family>, now: Time) {
        let Some(neighbor) = self.neighbors.get(&address).filter(|neighbor| !neighbor.config.send_limits.is_empty())
        else {
            return;
        };
        let Some(session) = &neighbor.session else { return };
        let Some(group) = self.groups.get(session.group) else { return };
        let counts: Vec<_> = neighbor
            .config
            .send_limits
            .iter()
            .map(|(family, limit)| {
                let count = group.advertised(session.source, *family) as u64;
                (*family, *limit, if over == Some(*family) { count.max(limit.count + 1) } else { count })
            })
            .collect();
        for (family, limit, count) in counts {
            self.enforce(address, family, limit, count, true, now);
        }
    }

    fn enforce(&mut self, address: IpAddr, family: Family, limit: PrefixLimit, count: u64, sent: bool, now: Time) {
        let warn_at = limit.count.saturating_mul(limit.warn_percent.into()) / 100;
        let over = count > limit.count;
        if !over && count < warn_at {
            return;
        }
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let Some(session) = &mut neighbor.session else { return };
        // Each word once a session.
        let fresh = session.told.insert((family, sent, over));
        if fresh {
            self.tell(Event::PrefixLimit { neighbor: address, family, count, limit: limit.count, sent });
        }
        let until = match limit.action {
            _ if !over => return,
            LimitAction::Warn => return,
            LimitAction::Drop => None,
            LimitAction::Restart(after) => Some(now + after),
        };
        let direction = if sent { "sent" } else { "received" };
        let reason = format!("more than {} {family} routes {direction}", limit.count);
        let mut data = BytesMut::new();
        data.put_u16(family.afi.0);
        data.put_u8(family.safi.0);
        data.put_u32(u32::try_from(limit.count).unwrap_or(u32::MAX));
        let notification = Notification::with_data(ErrorCode::CEASE, cease::MAXIMUM_PREFIXES, data.freeze());
        self.hold(address, Held { reason, until, by_operator: false }, &notification, now);
    }

    pub(super) fn is_held(&self, address: IpAddr) -> bool {
        self.neighbors.get(&address).is_some_and(|neighbor| neighbor.held.is_some())
    }

    /// Ends a session and keeps it down.
    pub(super) fn hold(&mut self, address: IpAddr, held: Held, notification: &Notification, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        neighbor.held = Some(held);
        neighbor.peer.handle_stop_with(notification, now);
        self.collect(address, now);
        self.drop_retained(address);
        // The others hear of it, whose turn it ever was.
        self.pending = Some(now);
    }

    /// Starts a session again whose time down is over.
    pub(super) fn release_held(&mut self, address: IpAddr, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        if neighbor.held.as_ref().is_some_and(|held| held.until.is_some_and(|until| until <= now)) {
            neighbor.held = None;
            neighbor.peer.handle_start(now);
        }
    }

    /// The operator wants a neighbour's session down, and tells its operator why (RFC 9003); `false` if there is no
    /// such neighbour. It stays down until [`Speaker::start_neighbor`].
    pub fn shutdown_neighbor(&mut self, address: IpAddr, text: &str, now: Time) -> bool {
        let address = address.to_canonical();
        let known = self.neighbors.contains_key(&address);
        self.hold(address, Held::shut_down(text), &Notification::shutdown(text), now);
        self.pump(now);
        known
    }

    /// The operator wants it up, or up again; `false` if there is no such neighbour.
    pub fn start_neighbor(&mut self, address: IpAddr, now: Time) -> bool {
        let address = address.to_canonical();
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return false };
        neighbor.held = None;
        neighbor.peer.handle_start(now);
        self.settle(address, now);
        true
    }

    /// The operator wants a new session at once (Administrative Reset); `false` if there is no such neighbour. One that
    /// the operator has shut down stays so.
    pub fn reset_neighbor(&mut self, address: IpAddr, text: &str, now: Time) -> bool {
        let address = address.to_canonical();
        let Some(neighbor) = self.neighbors.get(&address) else { return false };
        if neighbor.held.as_ref().is_some_and(|held| held.by_operator) {
            return true;
        }
        let held = Held { reason: "reset here".to_owned(), until: None, by_operator: false };
        self.hold(address, held, &Notification::reset(text), now);
        self.start_neighbor(address, now)
    }

    /// Sends a neighbour all of a family again, as it would be sent now.
    pub fn resend(&mut self, address: IpAddr, family: Family, now: Time) {
        let session = self.neighbors.get(&address.to_canonical()).and_then(|neighbor| neighbor.session.as_ref());
        if let Some(session) = session
            && let Some(group) = self.groups.get_mut(session.group)
        {
            group.handle_refresh(session.source, family);
        }
        self.pump(now);
    }

    /// [`Speaker::resend`] of all families (soft reset out); `false` if there is no session.
    pub fn soft_reset_out(&mut self, address: IpAddr, now: Time) -> bool {
        let families = self.session_families(address, |_| true);
        for family in &families {
            self.resend(address, *family, now);
        }
        !families.is_empty()
    }

    /// Asks a neighbour for everything again (RFC 2918; soft reset in); `false` if there is no session, or a neighbour
    /// that cannot be asked. What it has sent is kept, so policies that change need no such thing.
    pub fn soft_reset_in(&mut self, address: IpAddr, now: Time) -> bool {
        let families = self.session_families(address, |negotiated| negotiated.route_refresh);
        for family in &families {
            self.request_refresh(address, *family, now);
        }
        !families.is_empty()
    }

    /// The families of a session, if it is one of these.
    fn session_families(&self, address: IpAddr, is_one: impl Fn(&Negotiated) -> bool) -> Vec<Family> {
        let session = self.neighbors.get(&address.to_canonical()).and_then(|neighbor| neighbor.session.as_ref());
        let negotiated = session.map(|session| &session.negotiated).filter(|negotiated| is_one(negotiated));
        negotiated.into_iter().flat_map(|negotiated| negotiated.families.iter().copied()).collect()
    }
}
