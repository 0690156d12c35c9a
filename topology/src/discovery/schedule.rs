//! When probes leave: intervals by what a port is, stretched to keep the budget, spread by jitter, never more than a few at once. Links come first: their
//! probes find failures. Other ports are stretched for them, down to a share that finds new links in any case.

use std::collections::BTreeMap;
use std::time::Duration;

use net::{DatapathId, Time};

use crate::{DiscoveryConfig, PortState};

/// Probes that may leave at one instant at least; the next ones follow at the pace of the budget. Sixteen fill a small switch's ports at once
/// and are no burst to a controller that takes them in within a millisecond.
const MIN_BURST: u64 = 16;
/// The budget of so long may leave at one instant. An owner whose timer counts milliseconds comes late by up to one and comes again one later at
/// the soonest: with less, sixteen probes a millisecond would be all that any budget gives.
const GRAIN: Duration = Duration::from_millis(2);
/// Probes that a port sends in the time of a dwell.
const PROBES_PER_DWELL: u32 = 4;
/// No interval is shorter, whatever the configuration says: it keeps a zero from turning into a loop without end.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// Intervals differ by this part, up or down.
const JITTER_SHARE: u64 = 20;
/// This part of the budget is for ports that are no links, if they ask for it, however many links there are.
const OTHERS_SHARE: u128 = 8;
/// Unknown ports of one switch that count in full: the probes of a switch that has more of them are spread over all of its own. They are a quarter of the usual
/// budget, so that one switch that lists thousands of ports keeps no other one from finding its links.
const UNKNOWN_OF_SWITCH: u64 = 128;
/// The last probe that may be missing follows the one before it after this part of an interval.
const HURRY_SHARE: u32 = 3;
/// The last miss is waited for as long as this part of an interval: 50 ms of 300 ms.
const PATIENCE_SHARE: u32 = 6;
/// At least as long: a controller's turn and a switch's.
const MIN_PATIENCE: Duration = Duration::from_millis(20);

/// How often ports are probed with the budget there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ProbePace {
    /// Ports that are probed.
    pub ports: u64,
    /// Probes per second that the configured intervals ask for.
    pub wanted_per_second: u64,
    /// Probes per second that may leave.
    pub budget_per_second: u64,
    /// Time between two probes out of a link's port now. Longer than configured if more is asked for than may leave.
    pub link_interval: Duration,
    /// The longest time from a silent failure of a link to its end: its misses, what the slowest switch took to answer its last echo request, and the time that
    /// the last probe has to come in. Links that take longer than a few milliseconds have twice their latency more.
    pub detection: Duration,
    /// Links that could be probed at the configured interval beside the other ports that there are.
    pub links_unstretched: u64,
}

/// Which interval applies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ProbeClass {
    Unknown,
    Edge,
    Link,
}

impl From<PortState> for ProbeClass {
    fn from(state: PortState) -> ProbeClass {
        match state {
            PortState::Unknown => ProbeClass::Unknown,
            PortState::Edge => ProbeClass::Edge,
            PortState::Link => ProbeClass::Link,
        }
    }
}

/// The pace of all probes together.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Unstretched intervals in nanoseconds, by class.
    intervals: [u64; 3],
    /// Probed ports, by class.
    ports: [u64; 3],
    /// Of these, the unknown ones by switch.
    unknown: BTreeMap<DatapathId, u64>,
    /// As many of them as count: of no switch more than [`UNKNOWN_OF_SWITCH`].
    unknown_counted: u64,
    budget: u64,
    /// Nanoseconds between two probes at the full budget.
    gap: u64,
    /// Probes that may leave at one instant.
    burst: u64,
    /// When the next probe would leave if all had kept to `gap`.
    next: Time,
    random: u64,
}

impl Schedule {
    pub(super) fn new(config: &DiscoveryConfig, seed: u64) -> Schedule {
        let mut schedule = Schedule {
            intervals: [0; 3],
            ports: [0; 3],
            unknown: BTreeMap::new(),
            unknown_counted: 0,
            budget: 1,
            gap: 0,
            burst: 1,
            next: Time::ZERO,
            random: seed,
        };
        schedule.set(config);
        schedule
    }

    /// Other intervals and another budget; which ports there are stays.
    pub(super) fn set(&mut self, config: &DiscoveryConfig) {
        let nanos = |interval: Duration| u64::try_from(interval.max(MIN_INTERVAL).as_nanos()).unwrap_or(u64::MAX);
        self.intervals = [
            nanos((config.dwell / PROBES_PER_DWELL).min(config.probe_interval)),
            nanos(config.edge_probe_interval),
            nanos(config.probe_interval),
        ];
        self.budget = u64::from(config.probe_budget_per_second).max(1);
        self.gap = 1_000_000_000 / self.budget;
        let grain = u64::try_from(GRAIN.as_nanos()).unwrap_or(u64::MAX);
        self.burst = self.budget.saturating_mul(grain).div_ceil(1_000_000_000).max(MIN_BURST);
    }

    /// A port of this switch is probed from now on as `new` and no more as `old`.
    pub(super) fn count(&mut self, datapath_id: DatapathId, old: Option<ProbeClass>, new: Option<ProbeClass>) {
        if old == new {
            return;
        }
        if let Some(class) = old {
            self.ports[class as usize] = self.ports[class as usize].saturating_sub(1);
        }
        if let Some(class) = new {
            self.ports[class as usize] += 1;
        }
        if old == Some(ProbeClass::Unknown) || new == Some(ProbeClass::Unknown) {
            let unknown = self.unknown.entry(datapath_id).or_default();
            self.unknown_counted -= (*unknown).min(UNKNOWN_OF_SWITCH);
            *unknown = if new == Some(ProbeClass::Unknown) { *unknown + 1 } else { unknown.saturating_sub(1) };
            self.unknown_counted += (*unknown).min(UNKNOWN_OF_SWITCH);
            if *unknown == 0 {
                self.unknown.remove(&datapath_id);
            }
        }
    }

    /// The time to the next probe of a port of this switch: the stretched interval, give or take a twentieth, so that ports that came up together drift apart.
    pub(super) fn interval(&mut self, datapath_id: DatapathId, class: ProbeClass) -> Duration {
        let mut interval = self.stretched(class);
        if class == ProbeClass::Unknown {
            let unknown = self.unknown.get(&datapath_id).copied().unwrap_or(0);
            interval = interval.saturating_mul(unknown.max(UNKNOWN_OF_SWITCH)) / UNKNOWN_OF_SWITCH;
        }
        let part = interval / JITTER_SHARE;
        let jitter = if part == 0 { 0 } else { self.next_random() % (2 * part) };
        Duration::from_nanos(interval - part + jitter)
    }

    /// How long the last of the misses may be on its way before it is one.
    pub(super) fn patience(&self, latency: Duration) -> Duration {
        let interval = Duration::from_nanos(self.stretched(ProbeClass::Link));
        (interval / PATIENCE_SHARE).max(MIN_PATIENCE) + (2 * latency).min(interval)
    }

    /// What the budget makes of the intervals. `question` is how long switches take to answer.
    pub(super) fn pace(&self, misses: u32, question: Duration) -> ProbePace {
        let interval = Duration::from_nanos(self.stretched(ProbeClass::Link));
        let longest = interval + interval / JITTER_SHARE as u32;
        let last = if hurries(misses) { longest / HURRY_SHARE } else { longest };
        let for_links = self.budget_of_million() - self.reserved();
        // Two probes an interval.
        let links = for_links * u128::from(self.intervals[ProbeClass::Link as usize]) / 2_000_000_000_000_000;
        ProbePace {
            ports: self.ports.iter().sum(),
            wanted_per_second: u64::try_from((self.wanted_by_links() + self.wanted_by_others()) / 1_000_000)
                .unwrap_or(u64::MAX),
            budget_per_second: self.budget,
            link_interval: interval,
            detection: longest.saturating_mul(misses.saturating_sub(1))
                + last
                + question
                + self.patience(Duration::ZERO),
            links_unstretched: u64::try_from(links).unwrap_or(u64::MAX),
        }
    }

    /// In probes per million seconds: whole numbers, so that every run computes the same.
    fn wanted(&self, class: ProbeClass) -> u128 {
        let ports = if class == ProbeClass::Unknown { self.unknown_counted } else { self.ports[class as usize] };
        u128::from(ports) * 1_000_000_000_000_000 / u128::from(self.intervals[class as usize])
    }

    fn wanted_by_links(&self) -> u128 {
        self.wanted(ProbeClass::Link)
    }

    fn wanted_by_others(&self) -> u128 {
        self.wanted(ProbeClass::Unknown) + self.wanted(ProbeClass::Edge)
    }

    fn budget_of_million(&self) -> u128 {
        u128::from(self.budget) * 1_000_000
    }

    /// What links leave to other ports in any case.
    fn reserved(&self) -> u128 {
        self.wanted_by_others().min(self.budget_of_million() / OTHERS_SHARE)
    }

    fn stretched(&self, class: ProbeClass) -> u64 {
        let interval = self.intervals[class as usize];
        let for_links = self.budget_of_million() - self.reserved();
        let (wanted, granted) = match class {
            ProbeClass::Link => (self.wanted_by_links(), for_links),
            ProbeClass::Unknown | ProbeClass::Edge => {
                (self.wanted_by_others(), self.budget_of_million() - self.wanted_by_links().min(for_links))
            }
        };
        if wanted <= granted {
            return interval;
        }
        u64::try_from(u128::from(interval) * wanted / granted).unwrap_or(u64::MAX)
    }

    /// When the next probe may leave.
    pub(super) fn ready_at(&self) -> Time {
        self.next - Duration::from_nanos(self.gap.saturating_mul(self.burst - 1))
    }

    /// Takes the right to send one probe now, if there is one.
    pub(super) fn take(&mut self, now: Time) -> bool {
        if self.ready_at() > now {
            return false;
        }
        self.next = self.next.max(now) + Duration::from_nanos(self.gap);
        true
    }

    #[cfg(test)]
    pub(super) fn ports(&self) -> [u64; 3] {
        self.ports
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): no secret hangs on it.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Whether the last of so many probes that have to be missing leaves early: not if each probe would be the last but one.
pub(super) const fn hurries(misses: u32) -> bool {
    misses >= 3
}

/// How long after the one before it that last probe leaves.
pub(super) fn hurried(interval: Duration) -> Duration {
    interval / HURRY_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCH: DatapathId = DatapathId(1);

    #[test]
    fn other_ports_are_stretched_before_links_and_keep_a_share() {
        let config = DiscoveryConfig { probe_budget_per_second: 4_000, ..DiscoveryConfig::default() };
        let mut schedule = Schedule::new(&config, 1);
        let millis = |schedule: &Schedule, class| Duration::from_nanos(schedule.stretched(class)).as_millis();
        for _ in 0..900 {
            schedule.count(SWITCH, None, Some(ProbeClass::Link));
        }
        for _ in 0..27_648 {
            schedule.count(SWITCH, None, Some(ProbeClass::Edge));
        }
        assert_eq!((millis(&schedule, ProbeClass::Link), millis(&schedule, ProbeClass::Edge)), (300, 27_648));
        for _ in 0..900 {
            schedule.count(SWITCH, None, Some(ProbeClass::Link));
        }
        // They want 6,000 and have 3,500 probes a second.
        assert_eq!(millis(&schedule, ProbeClass::Link), 514);
        assert_eq!(millis(&schedule, ProbeClass::Edge), 55_296);
        assert_eq!(schedule.pace(3, Duration::ZERO).links_unstretched, 525);
    }

    #[test]
    fn a_switch_with_thousands_of_unknown_ports_probes_its_own_less_often() {
        let mut schedule = Schedule::new(&DiscoveryConfig::default(), 1);
        let other = DatapathId(2);
        for _ in 0..8_192 {
            schedule.count(SWITCH, None, Some(ProbeClass::Unknown));
        }
        schedule.count(other, None, Some(ProbeClass::Unknown));
        assert_eq!(schedule.stretched(ProbeClass::Unknown), 125_000_000);
        assert!(schedule.interval(other, ProbeClass::Unknown) < Duration::from_millis(132));
        let all = schedule.interval(SWITCH, ProbeClass::Unknown);
        assert!((7_600..8_400).contains(&all.as_millis()), "{all:?}");
        for _ in 0..8_192 {
            schedule.count(SWITCH, Some(ProbeClass::Unknown), Some(ProbeClass::Edge));
        }
        schedule.count(other, Some(ProbeClass::Unknown), None);
        assert_eq!((schedule.unknown_counted, schedule.unknown.len(), schedule.ports), (0, 0, [0, 8_192, 0]));
    }

    #[test]
    fn intervals_stretch_when_links_ask_for_more_than_the_budget() {
        let config = DiscoveryConfig { probe_budget_per_second: 100, ..DiscoveryConfig::default() };
        let mut schedule = Schedule::new(&config, 1);
        for _ in 0..30 {
            schedule.count(SWITCH, None, Some(ProbeClass::Link));
        }
        assert_eq!(schedule.stretched(ProbeClass::Link), 300_000_000);
        for _ in 0..30 {
            schedule.count(SWITCH, None, Some(ProbeClass::Link));
        }
        let stretched = Duration::from_nanos(schedule.stretched(ProbeClass::Link));
        assert_eq!(stretched.as_millis(), 600);
        for _ in 0..1_000 {
            let interval = schedule.interval(SWITCH, ProbeClass::Link);
            assert!(interval >= stretched.mul_f64(0.9) && interval <= stretched.mul_f64(1.1), "{interval:?}");
        }
    }

    #[test]
    fn no_more_than_a_burst_leaves_at_once_and_the_rest_at_the_budget() {
        let config = DiscoveryConfig { probe_budget_per_second: 1_000, ..DiscoveryConfig::default() };
        let mut schedule = Schedule::new(&config, 1);
        let mut now = Time::from_secs(100);
        let mut at_once = 0;
        while schedule.take(now) {
            at_once += 1;
        }
        assert_eq!(at_once, MIN_BURST);
        let start = now;
        for _ in 0..500 {
            now = schedule.ready_at();
            assert!(schedule.take(now));
        }
        assert_eq!(now.since(start), Duration::from_millis(500));
    }

    #[test]
    fn an_owner_whose_timer_counts_milliseconds_spends_the_whole_budget() {
        for budget in [500, 4_000, 66_000, 250_000] {
            let config = DiscoveryConfig { probe_budget_per_second: budget, ..DiscoveryConfig::default() };
            let mut schedule = Schedule::new(&config, 1);
            let (mut now, mut left) = (Time::from_secs(100), 0);
            while schedule.take(now) {}
            for _ in 0..1_000 {
                // It is woken at the next whole millisecond.
                let at = schedule.ready_at().as_nanos().max(now.as_nanos() + 1);
                now = Time::from_nanos(at.next_multiple_of(1_000_000));
                while schedule.take(now) {
                    left += 1;
                }
            }
            let seconds = now.since(Time::from_secs(100)).as_secs_f64();
            let rate = f64::from(left) / seconds;
            assert!((0.99..=1.01).contains(&(rate / f64::from(budget))), "{budget}: {rate}");
        }
    }

    #[test]
    fn a_zero_in_the_configuration_does_not_divide_or_loop() {
        let zero = Duration::ZERO;
        let config = DiscoveryConfig {
            probe_interval: zero,
            dwell: zero,
            edge_probe_interval: zero,
            probe_budget_per_second: 0,
            ..DiscoveryConfig::default()
        };
        let mut schedule = Schedule::new(&config, 1);
        schedule.count(SWITCH, None, Some(ProbeClass::Unknown));
        assert!(schedule.interval(SWITCH, ProbeClass::Unknown) > zero);
    }
}
