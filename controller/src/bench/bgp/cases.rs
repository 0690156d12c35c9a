//! The cases: who says what, when it counts as arrived, and what is measured meanwhile.

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use net::Time;

use super::super::figures::percentile;
use super::super::process::Process;
use super::daemon::{ASN, Daemon, Setup};
use super::feed::{Feed, Mark, Sender, Wording};
use super::figures::Measured;
use super::heard::{Index, State};
use super::load::{Load, Neighbor, Role};
use super::table::{Family, Group, Table};
use super::{Bench, Case};

/// After sessions are up: what a daemon does at its start is over.
const SETTLE: Duration = Duration::from_millis(500);
/// A daemon that has had less CPU than this in a window has finished.
const QUIET_CPU: u64 = 2_000_000;
const QUIET_WINDOW: Duration = Duration::from_millis(50);
/// How long finishing may take after everything has arrived.
const QUIET_LIMIT: Duration = Duration::from_secs(10);
/// How long changes are said in case `churn`.
const CHURN_TIME: Duration = Duration::from_secs(1);
/// Case F: samples at rest, and the pause between two.
const SAMPLES: usize = 2_000;
const FEW_SAMPLES: usize = 200;
const SAMPLE_PAUSE: Duration = Duration::from_micros(300);
/// Longest sleep between two looks.
const NAP: Duration = Duration::from_millis(20);

/// A sender's AS number: the first of them, and of the receivers.
const SENDER_ASN: u32 = 64_601;
const RECEIVER_ASN: u32 = 65_101;

/// What a case takes: worked out once for all daemons.
pub(super) struct Prepared {
    table: Table,
    index: Index,
    neighbors: Vec<Neighbor>,
    /// What each sender says at the start.
    feeds: Vec<Arc<Feed>>,
    /// What receivers have then.
    wanted: State,
    /// What comes after, if anything.
    then: Then,
}

enum Then {
    Nothing,
    /// The first sender says this again and again.
    Changes(Arc<Feed>),
    /// One prefix that the second sender announces and withdraws, and what the third one says meanwhile.
    Latency {
        announce: Arc<Feed>,
        withdraw: Arc<Feed>,
        load: Arc<Feed>,
    },
    /// The first sender is gone.
    Death,
}

/// Which sender's wording wins is told by the path's length alone: no daemon's tie-breaks matter.
const BEST: Wording = Wording { prepends: 1 };
const SECOND: Wording = Wording { prepends: 2 };
const WORST: Wording = Wording { prepends: 3 };

impl Prepared {
    pub(super) fn new(case: Case, scale: f64, seed: u64) -> Prepared {
        let shape = case.shape();
        let count = ((shape.prefixes as f64 * scale) as usize).max(shape.senders * 10);
        let mut table = Table::new(shape.family, count, seed);
        let count = table.routes.len();
        if case == Case::F {
            split_last(&mut table);
        }
        let neighbors: Vec<Neighbor> = (0..shape.senders)
            .map(|number| (Role::Sender, number, SENDER_ASN))
            .chain((0..shape.receivers).map(|number| (Role::Receiver, number, RECEIVER_ASN)))
            .map(|(role, number, first)| {
                let side = if role == Role::Sender { 1 } else { 2 };
                let address = Ipv4Addr::new(127, side, (number / 250) as u8, (number % 250) as u8 + 1);
                Neighbor { role, asn: first + number as u32, address }
            })
            .collect();
        let sender = |number: usize| Sender {
            asn: neighbors.get(number).map_or(0, |neighbor| neighbor.asn),
            address: neighbors.get(number).map_or(Ipv4Addr::LOCALHOST, |neighbor| neighbor.address),
        };
        let feed = |number: usize, groups: &[Group], wording: &dyn Fn(usize) -> Wording| {
            let mut feed = Feed::default();
            for (at, group) in groups.iter().enumerate() {
                feed.announce(table.family, sender(number), group, &table.routes, wording(at));
            }
            feed
        };
        let groups = table.groups.as_slice();
        let (most, last) = groups.split_at(groups.len().saturating_sub(1));
        let mut then = Then::Nothing;
        let feeds: Vec<Feed> = match case {
            Case::A | Case::D | Case::E => vec![feed(0, groups, &|_| BEST)],
            Case::B => (0..shape.senders).map(|part| feed(part, table.part(part, shape.senders), &|_| BEST)).collect(),
            Case::C => {
                let wording = |number: usize| move |at: usize| if at % shape.senders == number { BEST } else { SECOND };
                (0..shape.senders).map(|number| feed(number, groups, &wording(number))).collect()
            }
            Case::F => {
                let mut withdraw = Feed::default();
                if let Some(route) = table.routes.last() {
                    withdraw.withdraw(*route, count - 1);
                }
                then = Then::Latency {
                    announce: Arc::new(feed(1, last, &|_| BEST)),
                    withdraw: Arc::new(withdraw),
                    load: Arc::new(feed(2, most, &|_| SECOND)),
                };
                vec![feed(0, most, &|_| BEST)]
            }
            Case::Churn => {
                let mut changes = feed(0, groups, &|_| WORST);
                let back = feed(0, groups, &|_| BEST);
                let shift = changes.octets.len();
                changes.marks.extend(back.marks.iter().map(|mark| Mark { end: mark.end + shift, ..mark.clone() }));
                changes.octets.extend_from_slice(&back.octets);
                changes.changes += back.changes;
                then = Then::Changes(Arc::new(changes));
                vec![feed(0, groups, &|_| BEST), feed(1, groups, &|_| SECOND)]
            }
            Case::G => {
                then = Then::Death;
                vec![feed(0, groups, &|_| BEST), feed(1, groups, &|_| SECOND)]
            }
        };
        let mut wanted = State::empty(count);
        match case {
            Case::C => {
                for (number, feed) in feeds.iter().enumerate() {
                    for (at, mark) in feed.marks.iter().enumerate() {
                        if at % shape.senders == number {
                            wanted.apply(mark);
                        }
                    }
                }
            }
            Case::Churn | Case::G => feeds[..1].iter().flat_map(|feed| &feed.marks).for_each(|mark| wanted.apply(mark)),
            _ => feeds.iter().flat_map(|feed| &feed.marks).for_each(|mark| wanted.apply(mark)),
        }
        let index = Index::new(&table);
        let feeds = feeds.into_iter().map(Arc::new).collect();
        Prepared { table, index, neighbors, feeds, wanted, then }
    }

    pub(super) fn family(&self) -> Family {
        self.table.family
    }

    /// Measures one daemon, or the floor.
    pub(super) fn measure(&self, bench: &Bench, daemon: &Daemon) -> Result<Vec<Measured>, String> {
        let setup = Setup {
            folder: &bench.folder,
            family: self.family(),
            neighbors: &self.neighbors,
            policy: bench.arguments.policy,
        };
        let process = daemon.start(&setup, &bench.interrupted)?;
        let floor = *daemon == Daemon::Floor;
        let asn = (!floor).then_some(ASN);
        let connected =
            Load::connect(process.address(), &self.neighbors, &self.table, &self.index, asn, &bench.interrupted);
        let mut run = match connected {
            Ok(load) => Run { prepared: self, limit: bench.arguments.limit, process, load, floor },
            Err(error) => return Err(blame(process, error)),
        };
        let measured = run.measure();
        measured.map_err(|error| blame(run.process, error))
    }
}

/// If the daemon is gone, that is the error.
fn blame(mut process: Process, error: String) -> String {
    match process.gone() {
        Some(gone) => gone,
        None => error,
    }
}

/// The last prefix gets a group of its own.
fn split_last(table: &mut Table) {
    let Some(last) = table.groups.last_mut() else { return };
    if last.count > 1 {
        last.count -= 1;
        let alone = Group { first: last.first + last.count, count: 1, attributes: last.attributes.clone() };
        table.groups.push(alone);
    }
}

struct Run<'a> {
    prepared: &'a Prepared,
    limit: Duration,
    process: Process,
    load: Load<'a>,
    floor: bool,
}

/// CPU and time at the start of what is measured.
#[derive(Clone, Copy)]
struct Start {
    at: Time,
    cpu: u64,
    updates: u64,
}

impl Run<'_> {
    fn measure(&mut self) -> Result<Vec<Measured>, String> {
        let prepared = self.prepared;
        self.idle(SETTLE)?;
        let resident = self.process.family_resident();
        let start = self.start();
        // The floor keeps no table: it is given what the daemon's receivers get, when they get it.
        let said = match prepared.then {
            Then::Death if self.floor => &prepared.feeds[..1],
            _ => prepared.feeds.as_slice(),
        };
        for (number, feed) in said.iter().enumerate() {
            self.load.say(number, feed, 0..feed.octets.len());
        }
        let octets: usize = said.iter().map(|feed| feed.octets.len()).sum();
        let arrived = self.arrive(&prepared.wanted, octets as u64)?;
        let paths = said.iter().map(|feed| feed.changes).sum::<u64>();
        let mut loaded = self.measured(start, arrived, paths);
        loaded.bytes_per_path = Some(self.process.family_peak().saturating_sub(resident) as f64 / paths as f64);
        match &prepared.then {
            Then::Nothing => Ok(vec![loaded]),
            Then::Changes(feed) => self.churn(feed).map(|churned| vec![churned]),
            Then::Death => self.death().map(|died| vec![died]),
            Then::Latency { announce, withdraw, load } => self.latency(announce, withdraw, load),
        }
    }

    fn start(&self) -> Start {
        let updates = self.load.heard().map(|heard| heard.updates).sum();
        Start { at: self.load.now(), cpu: self.process.family_cpu(), updates }
    }

    fn measured(&self, start: Start, arrived: Time, routes: u64) -> Measured {
        let receivers = self.load.heard().count().max(1) as u64;
        let updates: u64 = self.load.heard().map(|heard| heard.updates).sum();
        Measured {
            routes,
            cpu_s: (self.process.family_cpu() - start.cpu) as f64 / 1e9,
            wall_s: arrived.since(start.at).as_secs_f64(),
            peak_mib: self.process.family_peak() as f64 / f64::from(1 << 20),
            updates: (updates - start.updates) / receivers,
            ..Measured::default()
        }
    }

    /// Takes what comes for this long.
    fn idle(&mut self, time: Duration) -> Result<(), String> {
        let until = self.load.now() + time;
        while self.load.now() < until {
            self.load.turn(NAP)?;
        }
        Ok(())
    }

    /// Waits until every receiver has what it should have, and the daemon has nothing left to do; returns when the last of it came. Behind the
    /// floor, senders that say something about the same prefix are not told apart: there it is the octets that count.
    fn arrive(&mut self, wanted: &State, octets: u64) -> Result<Time, String> {
        let floor = self.floor;
        let arrived = |load: &Load<'_>| match floor {
            true => load.octets_in().all(|received| received == octets),
            false => load.heard().all(|heard| heard.state.is(wanted)),
        };
        let limit = self.load.now() + self.limit;
        let mut since = self.load.last_heard();
        loop {
            while !arrived(&self.load) {
                if self.load.now() > limit {
                    return Err(self.missing(wanted));
                }
                if let Some(gone) = self.process.gone() {
                    return Err(gone);
                }
                self.load.turn(NAP)?;
                since = self.load.last_heard();
            }
            let quiet = self.load.now() + QUIET_LIMIT;
            let mut cpu = self.process.family_cpu();
            loop {
                self.idle(QUIET_WINDOW)?;
                let now = self.process.family_cpu();
                if now.saturating_sub(cpu) < QUIET_CPU || self.load.now() > quiet {
                    break;
                }
                cpu = now;
            }
            // What came after it was right must have left it right.
            if arrived(&self.load) {
                return Ok(since);
            }
        }
    }

    fn missing(&self, wanted: &State) -> String {
        let wrong: Vec<_> = self.load.heard().filter(|heard| !heard.state.is(wanted)).collect();
        let count = wrong.len();
        let mut text = format!("not converged after {:?}: {count} receivers are not there yet", self.limit);
        if let Some(heard) = wrong.first() {
            let table = &self.prepared.table;
            let (has, wants) = (heard.state.present(), wanted.present());
            text += &format!("; the first has {has} of {wants} prefixes: {}", heard.state.difference(wanted, table));
        }
        text
    }

    /// One second of changes at full speed, and what is left after it.
    fn churn(&mut self, feed: &Arc<Feed>) -> Result<Measured, String> {
        let prepared = self.prepared;
        let before = self.load.octets_in().next().unwrap_or(0);
        let start = self.start();
        let mut cycles = 0_u64;
        let until = start.at + CHURN_TIME;
        self.load.say(0, feed, 0..feed.octets.len());
        while self.load.now() < until {
            self.load.turn(NAP)?;
            if self.load.has_said(0) {
                cycles += 1;
                self.load.say(0, feed, 0..feed.octets.len());
            }
        }
        let end = if self.load.has_said(0) {
            cycles += 1;
            0
        } else {
            self.load.stop_saying(0)
        };
        let stopped = self.load.now();
        let last: Vec<&Mark> = feed.marks.iter().take_while(|mark| mark.end <= end).collect();
        let mut wanted = prepared.wanted.clone();
        let (best, second) = (&prepared.feeds[0].marks, &prepared.feeds[1].marks);
        for (at, _) in last.iter().enumerate() {
            // The first half is the long way round: the second sender's route is the best then.
            let now = if at < best.len() { second.get(at) } else { best.get(at - best.len()) };
            now.into_iter().for_each(|mark| wanted.apply(mark));
        }
        let octets = before + cycles * feed.octets.len() as u64 + end as u64;
        let arrived = self.arrive(&wanted, octets)?;
        let changes = cycles * feed.changes + last.iter().map(|mark| mark.routes.len() as u64).sum::<u64>();
        let mut measured = self.measured(start, arrived, changes);
        measured.cpu_us_per_change = Some(measured.cpu_s * 1e6 / changes.max(1) as f64);
        measured.drain_ms = Some(arrived.since(stopped).as_secs_f64() * 1e3);
        Ok(measured)
    }

    /// The best of two senders is gone.
    fn death(&mut self) -> Result<Measured, String> {
        let prepared = self.prepared;
        let mut wanted = State::empty(prepared.table.routes.len());
        prepared.feeds[1].marks.iter().for_each(|mark| wanted.apply(mark));
        let start = self.start();
        let [first, second] = prepared.feeds.as_slice() else { return Err("case G needs two senders".to_owned()) };
        if self.floor {
            self.load.say(1, second, 0..second.octets.len());
        } else {
            self.load.kill(0);
        }
        let octets = first.octets.len() + second.octets.len();
        let arrived = self.arrive(&wanted, octets as u64)?;
        Ok(self.measured(start, arrived, second.changes))
    }

    /// One prefix, announced and withdrawn: at rest, then while another sender loads a full table.
    fn latency(
        &mut self,
        announce: &Arc<Feed>,
        withdraw: &Arc<Feed>,
        load: &Arc<Feed>,
    ) -> Result<Vec<Measured>, String> {
        let samples = if self.prepared.table.routes.len() < 100_000 { FEW_SAMPLES } else { SAMPLES };
        let start = self.start();
        let mut latencies = Vec::new();
        while latencies.len() < samples {
            self.sample(announce, withdraw, &mut latencies)?;
        }
        let mut measured = vec![self.sampled(start, latencies)];
        // The floor would pass the load on, which a daemon does not: its routes are the second best.
        if !self.floor {
            let start = self.start();
            let mut latencies = Vec::new();
            self.load.say(2, load, 0..load.octets.len());
            while !self.load.has_said(2) {
                self.sample(announce, withdraw, &mut latencies)?;
            }
            // What is still in the kernel's buffers is being loaded too.
            self.sample(announce, withdraw, &mut latencies)?;
            measured.push(Measured { loading: true, ..self.sampled(start, latencies) });
        }
        Ok(measured)
    }

    fn sampled(&self, start: Start, mut latencies: Vec<u32>) -> Measured {
        latencies.sort_unstable();
        Measured {
            p50_us: Some(percentile(&latencies, 0.5)),
            p99_us: Some(percentile(&latencies, 0.99)),
            samples: Some(latencies.len()),
            ..self.measured(start, self.load.now(), latencies.len() as u64)
        }
    }

    fn sample(&mut self, announce: &Arc<Feed>, withdraw: &Arc<Feed>, latencies: &mut Vec<u32>) -> Result<(), String> {
        for feed in [announce, withdraw] {
            let Some(Mark { routes: Range { start: index, .. }, hash, .. }) = feed.marks.first() else { return Ok(()) };
            let start = self.load.now();
            self.load.say(1, feed, 0..feed.octets.len());
            while self.load.heard().any(|heard| heard.state.get(*index) != *hash) {
                if self.load.now().since(start) > self.limit {
                    return Err(format!("one prefix, announced or withdrawn, is not heard of within {:?}", self.limit));
                }
                self.load.turn(NAP)?;
            }
            let took = self.load.last_heard().since(start);
            latencies.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
            let until = self.load.now() + SAMPLE_PAUSE;
            while self.load.now() < until {
                self.load.turn(SAMPLE_PAUSE)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_wants_each_prefix_once_whatever_its_senders_say() {
        for case in Case::ALL {
            let prepared = Prepared::new(case, 0.001, 1);
            let routes = prepared.table.routes.len();
            let of_probe = usize::from(case == Case::F);
            assert_eq!(prepared.wanted.present(), routes - of_probe, "{case:?}");
            let shape = case.shape();
            assert_eq!(prepared.neighbors.len(), shape.senders + shape.receivers, "{case:?}");
        }
    }

    #[test]
    fn the_same_prefixes_have_a_different_best_sender_each() {
        let prepared = Prepared::new(Case::C, 0.001, 1);
        let first = &prepared.feeds[0].marks;
        let best = first.iter().filter(|mark| prepared.wanted.get(mark.routes.start) == mark.hash).count();
        assert!(best > 0 && best < first.len() / 5, "{best} of {}", first.len());
    }
}
