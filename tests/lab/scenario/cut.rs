//! Cut links while pings run. Each link is the shortest way of one of the pings, so that each cut hits somebody.

use std::time::{Duration, Instant};

use super::{Lab, working_fabric};
use crate::controller::{Controller, metric};
use crate::fabric::{self, Fabric, LINKS};
use crate::ping::{Ping, Summary};
use crate::report::{Fail, Outcome, Report};
use crate::wait;

/// Pairs of host numbers whose shortest way is, in this order, each of [`LINKS`].
const PAIRS: [(usize, usize); 5] = [(1, 3), (3, 5), (4, 6), (6, 2), (1, 4)];

/// All pings answer again this long after a cut, at the latest. The aim is far below; this is what a slow machine gets.
const HEAL_LIMIT: Duration = Duration::from_secs(10);

/// A link that lost its carrier is out of use without waiting for a probe: no longer than this on any machine.
const PORT_DOWN_OUTAGE_LIMIT: Duration = Duration::from_secs(2);

/// A silent link is found by three missed probes of 300 ms.
const SILENT_OUTAGE_LIMIT: Duration = Duration::from_secs(5);

/// How a link is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    PortDown,
    Silent,
}

pub fn run(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    let (fabric, mut controller) = working_fabric(lab, report)?;
    let short = vec![(4, Kind::PortDown), (1, Kind::Silent)];
    let all = (0..3).flat_map(|_| (0..LINKS.len()).flat_map(|link| [(link, Kind::PortDown), (link, Kind::Silent)]));
    for (link, kind) in lab.mode.pick(short, all.collect()) {
        one(lab, report, &fabric, &mut controller, link, kind)?;
    }
    controller.ensure_running()
}

/// One cut and its mend.
fn one(
    lab: &Lab,
    report: &mut Report,
    fabric: &Fabric,
    controller: &mut Controller,
    link: usize,
    kind: Kind,
) -> Result<(), Fail> {
    let (a, b) = LINKS[link];
    let words = match kind {
        Kind::PortDown => format!("{a}–{b} loses its carrier"),
        Kind::Silent => format!("{a}–{b} silently drops everything"),
    };
    report.show(format!("{words}, while {} pings run", PAIRS.len()));
    let mut pings = start_pings(lab, fabric)?;
    match kind {
        Kind::PortDown => fabric::cut(a, b)?,
        Kind::Silent => fabric::cut_silently(a, b)?,
    }
    let limit = match kind {
        Kind::PortDown => PORT_DOWN_OUTAGE_LIMIT,
        Kind::Silent => SILENT_OUTAGE_LIMIT,
    };
    let healed = wait_healed(&mut pings);
    report.check(&format!("{words}: the fabric heals by itself"), healed.and_then(|_| outage(pings, Some(limit))));
    let links = controller.wait_metric(HEAL_LIMIT, metric::LINKS, (LINKS.len() - 1) as f64);
    report.check(&format!("{words}: the link is gone"), links.map(|_| String::new()));

    let mut pings = start_pings(lab, fabric)?;
    match kind {
        Kind::PortDown => fabric::mend(a, b)?,
        Kind::Silent => fabric::mend_silently(a, b)?,
    }
    let links = controller.wait_metric(Duration::from_secs(10), metric::LINKS, LINKS.len() as f64);
    report.check(
        &format!("{a}–{b} is mended: the link is back"),
        links.map(|t| format!("after {:.1} s", t.as_secs_f64())),
    );
    let going = wait_healed(&mut pings);
    report.check(&format!("{a}–{b} is mended: nothing is lost by it"), going.and_then(|_| outage(pings, None)));
    Ok(())
}

/// One ping per link, 10 ms apart, established.
fn start_pings(lab: &Lab, fabric: &Fabric) -> Result<Vec<Ping>, Fail> {
    let mut pings = Vec::new();
    for (from, to) in PAIRS {
        let (from, to) = (&fabric.hosts[from - 1], &fabric.hosts[to - 1]);
        pings.push(Ping::start(&lab.directory, from, to.ipv4().into(), Duration::from_millis(10))?);
    }
    for ping in &mut pings {
        ping.wait_established()?;
    }
    Ok(pings)
}

/// Waits until every ping has got a good number of further answers.
fn wait_healed(pings: &mut [Ping]) -> Result<Duration, Fail> {
    let start = Instant::now();
    let before: Vec<usize> = pings.iter().map(Ping::answers).collect();
    wait::until(HEAL_LIMIT, || {
        let dead = pings.iter().zip(&before).filter(|(ping, before)| ping.answers() < **before + 150).count();
        wait::ensure(dead == 0, || format!("{dead} of {} pings get no answers", pings.len()))
    })?;
    Ok(start.elapsed())
}

/// Stops the pings: the worst must be within `limit`, or, without one, nothing may be lost. Answers never come twice.
fn outage(pings: Vec<Ping>, limit: Option<Duration>) -> Outcome {
    let mut summaries: Vec<Summary> = Vec::new();
    for ping in pings {
        summaries.push(ping.stop()?);
    }
    let lost: u64 = summaries.iter().map(|summary| summary.lost).sum();
    let sent: u64 = summaries.iter().map(|summary| summary.sent).sum();
    let duplicates: u64 = summaries.iter().map(|summary| summary.duplicates).sum();
    let outage = summaries.iter().map(|summary| summary.outage).max().unwrap_or_default();
    let seen = format!("{lost} of {sent} probes lost, longest gap {:.0} ms", outage.as_secs_f64() * 1000.0);
    wait::ensure(duplicates == 0, || format!("{duplicates} answers came twice; {seen}"))?;
    match limit {
        Some(limit) => wait::ensure(outage <= limit, || format!("{seen}; at most {} ms", limit.as_millis()))?,
        None => wait::ensure(lost == 0, || seen.clone())?,
    }
    Ok(seen)
}
