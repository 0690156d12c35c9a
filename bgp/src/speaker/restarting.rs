//! Graceful restart as the neighbour that restarts (RFC 4724 §4.1): our neighbours keep our routes while this process is
//! away, because what it has put into switches or the kernel goes on forwarding. When it is back, it waits for what its
//! neighbours have before it chooses and says anything; otherwise the first thing they heard would be withdrawals.
//!
//! Nothing is kept on disk: every start counts as a restart, which does no harm where there was none.

use super::{NeighborConfig, Speaker};
use crate::wire::{Family, GracefulRestart, GracefulRestartFamily, LongLivedFamily};
use net::Time;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What neighbours are told of our restarts. They get it as capabilities, so a change needs a new session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestartOffer {
    /// How long they are to keep our routes without a session; at most [`RestartOffer::TIME_LIMIT`].
    pub restart_time: Duration,
    /// How long they are to keep them after that as the last resort, in seconds of 24 bits; zero: not at all (RFC 9494).
    pub long_lived_time: Duration,
}

impl RestartOffer {
    /// The restart time has 12 bits of seconds (RFC 4724 §3).
    pub const TIME_LIMIT: Duration = Duration::from_secs(0xfff);
    /// The long-lived stale time has 24 bits of seconds (RFC 9494 §3).
    pub const LONG_LIVED_LIMIT: Duration = Duration::from_secs(0xff_ffff);
}

impl Default for RestartOffer {
    fn default() -> RestartOffer {
        // What FRR, BIRD and others propose.
        RestartOffer { restart_time: Duration::from_secs(120), long_lived_time: Duration::ZERO }
    }
}

/// Selection_Deferral_Timer (RFC 4724 §4.1): longest time that a speaker which has started waits for its neighbours'
/// routes. As long as neighbours wait for ours without a session by default: later is too late.
pub const SELECTION_DEFERRAL_TIME: Duration = Duration::from_secs(120);

/// A speaker that has started and does not choose yet.
#[derive(Debug)]
pub(super) struct Deferral {
    /// Selection_Deferral_Timer.
    pub(super) until: Time,
    /// Neighbours that have not sent all they have.
    waiting: BTreeSet<IpAddr>,
}

impl NeighborConfig {
    /// The graceful restart capability (RFC 4724 §3): flag F by family, flag R while `restarting`.
    pub(super) fn graceful_restart(&self, restarting: bool) -> Option<GracefulRestart> {
        // Without families it says that we keep the peer's routes, and that ours don't survive us.
        let helps =
            || self.graceful_restart.map(|_| GracefulRestart { notification: true, ..GracefulRestart::default() });
        let Some(offer) = self.restart else { return helps() };
        let families = self.families.iter().map(|family| GracefulRestartFamily { family: *family, flags: FORWARDING });
        Some(GracefulRestart {
            restarting,
            notification: true,
            restart_time: u16::try_from(offer.restart_time.min(RestartOffer::TIME_LIMIT).as_secs()).unwrap_or_default(),
            families: families.collect(),
            ..GracefulRestart::default()
        })
    }

    /// The long-lived graceful restart capability (RFC 9494 §3).
    pub(super) fn long_lived(&self) -> Option<Vec<LongLivedFamily>> {
        let time = self.restart.map_or(Duration::ZERO, |offer| offer.long_lived_time);
        let stale_time = u32::try_from(time.min(RestartOffer::LONG_LIVED_LIMIT).as_secs()).unwrap_or_default();
        let helps = self.graceful_restart.is_some_and(|help| help.long_lived);
        if stale_time == 0 {
            return helps.then(Vec::new);
        }
        let row = |family: &Family| LongLivedFamily { family: *family, flags: FORWARDING, stale_time };
        Some(self.families.iter().map(row).collect())
    }
}

/// Forwarding state has been preserved: flag F of RFC 4724 §3 and RFC 9494 §3.
const FORWARDING: u8 = 0x80;

impl Speaker {
    /// At the start: whom to wait for. Dynamic neighbours are nobody to wait for, and neither are those that stay down.
    pub(super) fn defer_selection(&mut self, now: Time) {
        let restarts = |config: &NeighborConfig| config.restart.is_some();
        if !self.neighbors.values().any(|neighbor| restarts(&neighbor.config)) {
            return;
        }
        let waited = self.neighbors.iter().filter(|(_, neighbor)| neighbor.held.is_none());
        let waiting = waited.filter(|(_, neighbor)| restarts(&neighbor.config)).map(|(address, _)| *address);
        let until = now + self.config.selection_deferral;
        self.deferral = Some(Deferral { until, waiting: waiting.collect() });
        self.rib.set_deferred(true);
        self.set_restarting(true);
    }

    /// Whether neighbours are told that we are restarting: in the OPENs from here on.
    fn set_restarting(&mut self, restarting: bool) {
        for neighbor in self.neighbors.values_mut().filter(|neighbor| neighbor.config.restart.is_some()) {
            let mut config = neighbor.peer.config().as_ref().clone();
            config.graceful_restart = neighbor.config.graceful_restart(restarting);
            neighbor.peer.handle_config(Arc::new(config));
        }
    }

    /// Nobody waits for a neighbour that restarts itself, nor for one that does not know when it has sent everything
    /// (RFC 4724 §4.1).
    pub(super) fn deferral_session_up(&mut self, address: IpAddr, theirs: Option<&GracefulRestart>) {
        if theirs.is_none_or(|theirs| theirs.restarting) {
            self.deferral_done_with(address);
        }
    }

    /// A neighbour has sent End-of-RIB for all families of its session, or stays away.
    pub(super) fn deferral_done_with(&mut self, address: IpAddr) {
        if let Some(deferral) = &mut self.deferral {
            deferral.waiting.remove(&address);
        }
    }

    /// A neighbour that has sent everything is not waited for any more.
    pub(super) fn deferral_end_of_rib(&mut self, address: IpAddr) {
        let session = self.neighbors.get(&address).and_then(|neighbor| neighbor.session.as_ref());
        if session.is_some_and(|session| session.negotiated.families.is_subset(&session.ends_of_rib)) {
            self.deferral_done_with(address);
        }
    }

    /// Routes are told from here on, if nobody is waited for or the time is over.
    pub(super) fn end_deferral(&mut self, now: Time) {
        let over = |deferral: &Deferral| deferral.waiting.is_empty() || deferral.until <= now;
        if self.deferral.take_if(|deferral| over(deferral)).is_some() {
            self.rib.set_deferred(false);
            self.set_restarting(false);
            self.pending = Some(now);
        }
    }

    /// Ends the process's part of a session without a word, so that the neighbour keeps our routes until we are back.
    pub(super) fn leave_for_restart(&mut self, address: IpAddr, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        for (inner, id) in std::mem::take(&mut neighbor.connections) {
            self.transmits.push_back(super::Transmit::Close { connection: id });
            self.connections.remove(&id);
            neighbor.peer.handle_closed(inner, now);
        }
        neighbor.peer.handle_stop("", now);
        self.settle(address, now);
    }
}
