//! Links that go up and down again and again are kept down until they have been quiet: RFC 2439's damping, for links. Each time a link goes
//! down costs a penalty, which halves with time; above one mark the link is not taken back, below another it is. A link that is kept down goes on paying
//! (RFC 2439 §4.4): for each time that one of its ports goes down, and each time that its probes are missing.

use std::time::Duration;

use net::{PortId, Time};

use super::Discovery;
use crate::{Link, LinkDownReason};

/// What going down costs.
const PENALTY: u64 = 1_000;
/// Above this the link is kept down: after nine times in quick succession, or once every one and a half seconds for a while.
const SUPPRESS: u64 = 8_000;
/// Below this it is taken back: with the default half-life of 10 s after 20 to 30 s.
const REUSE: u64 = 2_000;
/// No link has more, so that none is kept down for longer than three half-lives.
const MAX_PENALTY: u64 = 16_000;
/// Below this nothing is remembered.
const FORGET: u64 = 250;

/// Ports of which flaps are remembered, whether they are there or not: a port that is taken away and added again is the same. As many as links of the
/// largest network have ends; links out of further ports are not damped.
const MAX_FLAPS: usize = 65_536;

/// What is left of 65,536 after so many eighths of a half-life: 2 to the power of minus an eighth each. Between them a straight line is near
/// enough, and the same on every machine.
const EIGHTHS: [u64; 9] = [65_536, 60_097, 55_109, 50_535, 46_341, 42_495, 38_968, 35_734, 32_768];

/// How often a link went down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flap {
    target: PortId,
    penalty: u64,
    /// When the penalty was that.
    at: Time,
    is_suppressed: bool,
    count: u32,
    last: LinkDownReason,
    /// When a probe came in last while the link was kept down.
    seen_at: Time,
}

impl Flap {
    fn add(&mut self, reason: LinkDownReason, half_life: Duration, now: Time) {
        self.penalty = (self.decayed(half_life, now) + PENALTY).min(MAX_PENALTY);
        self.at = now;
        self.is_suppressed |= self.penalty > SUPPRESS;
        self.count = self.count.saturating_add(1);
        self.last = reason;
    }

    fn decayed(&self, half_life: Duration, now: Time) -> u64 {
        let half_life = half_life.as_nanos().max(1);
        let elapsed = now.since(self.at).as_nanos();
        let Ok(halvings) = u32::try_from(elapsed / half_life) else { return 0 };
        let penalty = self.penalty.checked_shr(halvings).unwrap_or(0);
        let eighths = elapsed % half_life * 8;
        let at = usize::try_from(eighths / half_life).unwrap_or(0);
        let [Some(&from), Some(&to)] = [EIGHTHS.get(at), EIGHTHS.get(at + 1)] else { return penalty / 2 };
        let part = u128::from(from - to) * (eighths % half_life) / half_life;
        (penalty * (from - u64::try_from(part).unwrap_or(0))) >> 16
    }

    /// When the penalty is down at the mark.
    fn reuse_at(&self, half_life: Duration) -> Time {
        // The longest of all penalties is down after three half-lives.
        let (mut before, mut after) = (Duration::ZERO, half_life.saturating_mul(4));
        for _ in 0..40 {
            let middle = (before + after) / 2;
            if self.decayed(half_life, self.at + middle) > REUSE { before = middle } else { after = middle }
        }
        self.at + after
    }
}

/// A link that is kept down, for a condition.
pub(super) struct Suppressed {
    pub(super) target: PortId,
    pub(super) flaps: u32,
    pub(super) last: LinkDownReason,
    pub(super) until: Time,
}

impl Discovery {
    /// A link went down.
    pub(super) fn count_flap(&mut self, link: &Link, reason: LinkDownReason, now: Time) {
        let half_life = self.config.flap_half_life;
        // It is not the link's fault.
        let counts = reason != LinkDownReason::SwitchGone;
        if half_life.is_zero() || !counts || !self.controls.contains_key(&link.source) {
            return;
        }
        if self.flaps.len() >= MAX_FLAPS && !self.flaps.contains_key(&link.source) {
            self.flaps.retain(|_, flap| flap.decayed(half_life, now) >= FORGET);
            if self.flaps.len() >= MAX_FLAPS {
                return;
            }
        }
        let new = Flap {
            target: link.target,
            penalty: 0,
            at: now,
            is_suppressed: false,
            count: 0,
            last: reason,
            seen_at: Time::ZERO,
        };
        let flap = self.flaps.entry(link.source).or_insert(new);
        flap.target = link.target;
        flap.add(reason, half_life, now);
    }

    /// A port that was up is down, or is no more. Costs those directions of its link that are not in the network, as they are kept down; one that is
    /// there is counted when it is taken out. Of two ends that go down together the first counts.
    pub(super) fn count_port_down(&mut self, port: PortId, reason: LinkDownReason, now: Time) {
        let half_life = self.config.flap_half_life;
        let Some(far) = self.flaps.get(&port).map(|flap| flap.target) else { return };
        if half_life.is_zero() || self.up_port(far).is_none() {
            return;
        }
        for (source, target) in [(port, far), (far, port)] {
            if !self.network.links.contains_key(&source)
                && let Some(flap) = self.flaps.get_mut(&source).filter(|flap| flap.target == target)
            {
                flap.add(reason, half_life, now);
            }
        }
    }

    /// A probe of a link that is kept down came in. If several before it did not, though both switches were there, it was down meanwhile.
    pub(super) fn damped_probe_seen(&mut self, source: PortId, now: Time) {
        let (half_life, misses) = (self.config.flap_half_life, self.config.probe_misses.max(1));
        let Some(control) = self.controls.get_mut(&source) else { return };
        let unanswered = std::mem::take(&mut control.unanswered);
        let Some(flap) = self.flaps.get_mut(&source) else { return };
        let connected = self.connected_at.get(&flap.target.datapath_id).copied().unwrap_or(Time::MAX);
        // The one that came in is one of them.
        if unanswered > misses && flap.seen_at > connected && flap.seen_at > flap.at {
            flap.add(LinkDownReason::ProbesMissed, half_life, now);
        }
        flap.seen_at = now;
    }

    /// Whether a link out of this port is kept down.
    pub(super) fn is_damped(&mut self, source: PortId, now: Time) -> bool {
        let half_life = self.config.flap_half_life;
        let Some(flap) = self.flaps.get_mut(&source) else { return false };
        let penalty = flap.decayed(half_life, now);
        flap.is_suppressed &= penalty > REUSE && !half_life.is_zero();
        let is_suppressed = flap.is_suppressed;
        if penalty < FORGET {
            self.flaps.remove(&source);
        }
        is_suppressed
    }

    pub(super) fn suppressed(&self, now: Time) -> impl Iterator<Item = (PortId, Suppressed)> {
        let half_life = self.config.flap_half_life;
        let kept = move |flap: &Flap| flap.is_suppressed && flap.decayed(half_life, now) > REUSE;
        self.flaps.iter().filter(move |(_, flap)| kept(flap)).map(move |(source, flap)| {
            let until = flap.reuse_at(half_life);
            (*source, Suppressed { target: flap.target, flaps: flap.count, last: flap.last, until })
        })
    }
}
