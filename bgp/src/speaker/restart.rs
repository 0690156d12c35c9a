//! Graceful restart as the neighbour that helps (RFC 4724 §4.2, RFC 8538, RFC 9494): the routes of a neighbour that went
//! without a word stay until it is back and has sent them again, or until it has been away for too long.

use super::{Event, Speaker};
use crate::rib::SourceId;
use crate::session::{CloseReason, Negotiated};
use crate::wire::Family;
use net::Time;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How long a neighbour's routes are kept for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RestartHelp {
    /// Longest time for which routes are kept without a session, whatever the neighbour asks for.
    pub restart_limit: Duration,
    /// Longest time that the neighbour may then take to send its routes again.
    pub stale_limit: Duration,
    /// Keep them after that too, as the last resort, for as long as the neighbour asks for (RFC 9494).
    pub long_lived: bool,
}

impl Default for RestartHelp {
    fn default() -> RestartHelp {
        // The restart time has 12 bits; six minutes are what others allow for a full table.
        let (restart_limit, stale_limit) = (Duration::from_secs(4095), Duration::from_secs(360));
        RestartHelp { restart_limit, stale_limit, long_lived: false }
    }
}

/// Routes that are kept for a neighbour.
#[derive(Debug)]
pub(super) struct Retained {
    pub(super) source: SourceId,
    families: BTreeMap<Family, Phase>,
    /// Seconds of the second phase, by family.
    long_lived: BTreeMap<Family, u32>,
}

/// Where a family's routes are.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The session is down.
    Away { until: Time },
    /// Still down: they have LLGR_STALE by now.
    LongLived { until: Time },
    /// The session is up, End-of-RIB has not come yet.
    Back { until: Time },
}

impl Phase {
    const fn until(self) -> Time {
        match self {
            Phase::Away { until } | Phase::LongLived { until } | Phase::Back { until } => until,
        }
    }
}

/// Whether a session that ended for `reason` may be taken up again (RFC 4724 §4.2, RFC 8538 §4).
fn may_resume(reason: &CloseReason, negotiated: &Negotiated) -> bool {
    match reason {
        CloseReason::ConnectionLost => true,
        CloseReason::Received(notification) => negotiated.hard_reset && notification.wrapped().is_none(),
        CloseReason::Sent(_) | CloseReason::SendHoldTimerExpired => negotiated.hard_reset,
        CloseReason::AdminStop | CloseReason::ConnectFailed | CloseReason::Collision => false,
    }
}

impl Speaker {
    /// A session is over: its routes are kept, or go.
    pub(super) fn release_routes(
        &mut self,
        address: IpAddr,
        source: SourceId,
        reason: &CloseReason,
        negotiated: &Negotiated,
        now: Time,
    ) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let help = neighbor.config.graceful_restart.filter(|_| may_resume(reason, negotiated));
        let mut retained = Retained { source, families: BTreeMap::new(), long_lived: BTreeMap::new() };
        if let (Some(help), Some(restart)) = (help, &negotiated.graceful_restart) {
            let away = Duration::from_secs(restart.restart_time.into()).min(help.restart_limit);
            let offered =
                restart.families.iter().map(|row| row.family).filter(|family| negotiated.families.contains(family));
            retained.families = offered.map(|family| (family, Phase::Away { until: now + away })).collect();
            let rows = negotiated.long_lived.iter().flatten().filter(|row| help.long_lived && row.stale_time > 0);
            retained.long_lived = rows.map(|row| (row.family, row.stale_time)).collect();
        }
        if retained.families.is_empty() {
            neighbor.retained = None;
            self.rib.remove_source(source);
            return;
        }
        for family in negotiated.families.iter().copied() {
            if retained.families.contains_key(&family) {
                self.rib.handle_stale_begin(source, family);
            } else {
                self.rib.handle_family_down(source, family);
            }
        }
        neighbor.retained = Some(retained);
        self.tell(Event::Retained { neighbor: address });
    }

    /// The session is up again: which of the kept routes may still be waited for (RFC 4724 §4.2).
    pub(super) fn resume_routes(&mut self, address: IpAddr, negotiated: &Negotiated, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let stale_limit = neighbor.config.graceful_restart.unwrap_or_default().stale_limit;
        let Some(retained) = &mut neighbor.retained else { return };
        let preserved = |family: &Family| {
            let rows = negotiated.graceful_restart.iter().flat_map(|restart| &restart.families);
            negotiated.families.contains(family)
                && rows.clone().any(|row| row.family == *family && row.flags & 0x80 != 0)
        };
        let source = retained.source;
        retained.families.retain(|family, phase| {
            *phase = Phase::Back { until: now + stale_limit };
            let keep = preserved(family);
            if !keep {
                self.rib.handle_family_down(source, *family);
            }
            keep
        });
        if retained.families.is_empty() {
            neighbor.retained = None;
        }
    }

    /// The neighbour has sent what it has: what was kept and has not come again goes.
    pub(super) fn finish_resume(&mut self, address: IpAddr, family: Family) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let Some(retained) = &mut neighbor.retained else { return };
        if retained.families.remove(&family).is_some() {
            self.rib.handle_stale_end(retained.source, family);
        }
        if retained.families.is_empty() {
            neighbor.retained = None;
        }
    }

    /// Lets go of what has been kept for long enough.
    pub(super) fn expire_retained(&mut self, address: IpAddr, now: Time) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let Some(retained) = &mut neighbor.retained else { return };
        let (source, long_lived) = (retained.source, &retained.long_lived);
        retained.families.retain(|family, phase| {
            if phase.until() > now {
                return true;
            }
            match (*phase, long_lived.get(family)) {
                (Phase::Away { .. }, Some(seconds)) => {
                    self.rib.handle_long_lived(source, *family);
                    *phase = Phase::LongLived { until: now + Duration::from_secs(u64::from(*seconds)) };
                    return true;
                }
                (Phase::Back { .. }, _) => self.rib.handle_stale_end(source, *family),
                (Phase::Away { .. } | Phase::LongLived { .. }, _) => self.rib.handle_family_down(source, *family),
            }
            false
        });
        if retained.families.is_empty() {
            neighbor.retained = None;
            if neighbor.session.is_none() {
                self.rib.remove_source(source);
            }
        }
    }

    /// Forgets what is kept for a neighbour that is to stay away.
    pub(super) fn drop_retained(&mut self, address: IpAddr) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        if neighbor.session.is_none() {
            self.forget_retained(address);
        } else {
            // They are the session's.
            neighbor.retained = None;
        }
    }

    /// Lets go of routes that nobody will take over.
    pub(super) fn forget_retained(&mut self, address: IpAddr) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        if let Some(retained) = neighbor.retained.take() {
            self.rib.remove_source(retained.source);
        }
    }
}

impl Retained {
    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.families.values().map(|phase| phase.until()).min()
    }
}
