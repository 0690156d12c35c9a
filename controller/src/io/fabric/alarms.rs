//! What is odd about the network, since when, and the news of what begins and what is over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use net::{PortId, Time};
use topology::{Condition, Conditions, EXPECTED_LINK_LIMIT, LinkLatency, Subject};

use super::happened::{About, HappeningKind, Happenings};
use crate::core::Core;
use crate::io::clock::Clock;

/// Looking at all links takes at most one part in so many of the thread's time: some milliseconds for ten thousand links, so every second
/// or two.
const LOOK_SHARE: u32 = 200;
/// Conditions that one look tells in the log; the others are in its last line as a number, and in `show conditions`.
const LOGGED: usize = 20;
/// So long after the start a link that is expected may be missing: its switches may still be about to connect.
const MISSING_AT_START: Duration = EXPECTED_LINK_LIMIT;

/// A condition, and since when it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// As it was at the last look.
    pub condition: Condition,
    /// When a look found it first.
    pub since: Time,
}

/// What a look at all links found.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// The first [`topology::MAX_CONDITIONS`], by kind and port.
    pub alarms: Vec<Alarm>,
    /// How many there are of each kind, of which there are some.
    pub counts: BTreeMap<&'static str, usize>,
    /// How long frames take, by the ports where they leave.
    pub latencies: BTreeMap<PortId, LinkLatency>,
}

/// What is known of the look before.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    known: BTreeMap<Subject, Alarm>,
    looked: Arc<Looked>,
    next_look: Time,
    /// When the first look was.
    started: Option<Time>,
}

impl Alarms {
    /// What the last look found, after another one if it is time for that.
    pub(super) fn look(&mut self, core: &Core, clock: &Clock, happenings: &Happenings) -> Arc<Looked> {
        let now = clock.now();
        if now >= self.next_look {
            let latencies = core.network().latencies().map(|(source, latency)| (source, *latency)).collect();
            self.found(core.conditions(now), latencies, now, happenings);
            let looked = clock.now();
            self.next_look = looked + looked.since(now) * LOOK_SHARE;
        }
        self.looked.clone()
    }

    fn found(
        &mut self,
        conditions: Conditions,
        latencies: BTreeMap<PortId, LinkLatency>,
        now: Time,
        happenings: &Happenings,
    ) {
        let started = *self.started.get_or_insert(now);
        let early = now.since(started) < MISSING_AT_START;
        let Conditions { shown, mut counts } = conditions;
        let told = |kind: &str| !(early && kind == MISSING);
        // Of a kind of which there are more than can be told one by one, nobody knows which are over.
        let count = |kind| shown.iter().filter(|condition| condition.kind() == kind).count();
        let partly: BTreeSet<&str> =
            counts.iter().filter(|(kind, all)| count(**kind) < **all).map(|(kind, _)| *kind).collect();
        counts.retain(|kind, _| told(kind));
        let mut before = std::mem::take(&mut self.known);
        let mut begun = Vec::new();
        for condition in shown.into_iter().filter(|condition| told(condition.kind())) {
            let subject = condition.subject();
            let since = before.remove(&subject).map(|alarm| alarm.since);
            if since.is_none() {
                begun.push(condition.clone());
            }
            self.known.insert(subject, Alarm { condition, since: since.unwrap_or(now) });
        }
        let (kept, over): (BTreeMap<_, _>, _) =
            before.into_iter().partition(|(subject, _)| partly.contains(subject.kind));
        let over: Vec<Alarm> = over.into_values().collect();
        tell(&begun, &over, now, happenings);
        let room = topology::MAX_CONDITIONS.saturating_sub(self.known.len());
        self.known.extend(kept.into_iter().take(room));
        self.looked = Arc::new(Looked { alarms: self.known.values().cloned().collect(), counts, latencies });
    }
}

/// The kind of condition that the first seconds are full of.
const MISSING: &str = "link_missing";

fn tell(begun: &[Condition], over: &[Alarm], now: Time, happenings: &Happenings) {
    let about = |kind, condition: &Condition| {
        let Subject { port, mac, .. } = condition.subject();
        let about = About::new(kind).at_port(port);
        mac.map_or(about.clone(), |mac| about.of(mac))
    };
    for (at, condition) in begun.iter().enumerate() {
        let what = || format!("{}: {condition}", condition.kind());
        happenings.push(about(HappeningKind::Condition, condition), what);
        if at < LOGGED {
            let others = begun.len().saturating_sub(LOGGED);
            let others = (at + 1 == LOGGED && others > 0).then_some(others);
            tracing::warn!(kind = condition.kind(), what = %condition, advice = condition.advice(), others, "the network is not as it should be");
        }
    }
    for (at, Alarm { condition, since }) in over.iter().enumerate() {
        let lasted = now.since(*since).as_secs();
        let what = || format!("{}: over after {lasted} s: {condition}", condition.kind());
        happenings.push(about(HappeningKind::ConditionOver, condition), what);
        if at < LOGGED {
            let others = over.len().saturating_sub(LOGGED);
            let others = (at + 1 == LOGGED && others > 0).then_some(others);
            tracing::info!(kind = condition.kind(), what = %condition, lasted_s = lasted, others, "the network is as it should be again");
        }
    }
}

#[cfg(test)]
mod tests {
    use net::{DatapathId, PortNo};
    use topology::ExpectedLink;

    use super::*;

    fn port(switch: u64, number: u32) -> PortId {
        PortId::new(DatapathId(switch), PortNo(number))
    }

    fn conditions(all: &[Condition]) -> Conditions {
        let mut counts = BTreeMap::new();
        all.iter().for_each(|condition| *counts.entry(condition.kind()).or_default() += 1);
        Conditions { shown: all.to_vec(), counts }
    }

    fn events(happenings: &Happenings) -> Vec<(&'static str, String)> {
        happenings.after(0, 100).events.iter().map(|event| (event.kind.name(), event.what.clone())).collect()
    }

    #[test]
    fn a_condition_is_told_when_it_begins_and_when_it_is_over_and_keeps_its_beginning_while_details_change() {
        let (mut alarms, happenings) = (Alarms::default(), Happenings::default());
        let miswired = |count: u32| Condition::Miswired {
            port: port(1, 1),
            far_ends: (1..=count).map(|number| port(2, number)).collect(),
        };
        for (at, all) in [(10, vec![miswired(2)]), (12, vec![miswired(3)]), (15, vec![])] {
            alarms.found(conditions(&all), BTreeMap::new(), Time::from_secs(at), &happenings);
            for alarm in &alarms.looked.alarms {
                assert_eq!((alarm.since, &alarm.condition), (Time::from_secs(10), &all[0]));
            }
            assert_eq!(alarms.looked.alarms.len(), all.len());
        }
        let told = events(&happenings);
        assert_eq!(told.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["condition", "condition_over"], "{told:?}");
        assert!(told[1].1.contains("over after 5 s"), "{told:?}");
    }

    #[test]
    fn an_expected_link_may_be_missing_at_the_start_and_not_later() {
        let (mut alarms, happenings) = (Alarms::default(), Happenings::default());
        let missing = [Condition::LinkMissing(ExpectedLink { ends: [port(1, 1), port(2, 1)] })];
        let look = |alarms: &mut Alarms, at| {
            alarms.found(conditions(&missing), BTreeMap::new(), Time::from_secs(at), &happenings);
            (alarms.looked.alarms.len(), alarms.looked.counts.len())
        };
        assert_eq!(look(&mut alarms, 1), (0, 0));
        assert_eq!(look(&mut alarms, 20), (0, 0));
        assert_eq!(look(&mut alarms, 21), (1, 1));
        assert_eq!(events(&happenings).len(), 1);
    }

    #[test]
    fn of_a_kind_that_is_told_in_part_nothing_is_said_to_be_over() {
        let (mut alarms, happenings) = (Alarms::default(), Happenings::default());
        let loops = |numbers: std::ops::Range<u32>| {
            let one = |number| Condition::Loopback { source: port(1, number), target: port(1, number) };
            numbers.map(one).collect::<Vec<_>>()
        };
        alarms.found(conditions(&loops(1..4)), BTreeMap::new(), Time::from_secs(1), &happenings);
        let mut part = conditions(&loops(1..3));
        part.counts.insert("loopback", 3);
        alarms.found(part, BTreeMap::new(), Time::from_secs(2), &happenings);
        assert_eq!(alarms.looked.alarms.len(), 3);
        assert!(events(&happenings).iter().all(|(kind, _)| *kind == "condition"));
    }
}
