//! How long a cut is felt: numbered datagrams every 5 ms between many pairs of hosts, links cut with and without loss of carrier, and mended.

use std::time::Duration;

use super::{CONNECT_LIMIT, Lab, OPENFLOW, PLAIN_CONFIG};
use crate::controller::{Controller, metric};
use crate::fabric::{self, datapath_id};
use crate::hosts::Host;
use crate::ovs::{self, Ovs};
use crate::prober::{self, Prober};
use crate::process::run_lines;
use crate::report::{Fail, Report};
use crate::wait;

/// Everybody hears everybody again this long after a cut, at the latest.
const HEAL_LIMIT: Duration = Duration::from_secs(10);

/// A link that drops in silence is known to be back when its ports, edges by then, are probed at a link's pace.
const MEND_LIMIT: Duration = Duration::from_secs(20);

/// How long it is watched after a change.
const WATCH: Duration = Duration::from_millis(700);

/// Host ports are numbered from here, after those of the links.
const FIRST_HOST_PORT: u32 = 100;

/// How a link is cut, and how that is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    PortDown,
    SilentProbes,
    SilentBfd,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Kind::PortDown => "port down",
            Kind::SilentProbes => "silent loss, probes alone",
            Kind::SilentBfd => "silent loss, BFD every 10 ms",
        }
    }
}

/// A fabric: bridges `s1` and so on, links and hosts by the number of the bridge, and who sends to whom, by the number of the host.
pub(super) struct Shape {
    name: &'static str,
    pub(super) bridges: usize,
    pub(super) links: Vec<(usize, usize)>,
    hosts: Vec<usize>,
    pub(super) pairs: Vec<(usize, usize)>,
}

impl Shape {
    fn bridge(number: usize) -> String {
        format!("s{number}")
    }

    fn ends(&self, link: usize) -> (String, String) {
        let (a, b) = self.links[link % self.links.len()];
        (Shape::bridge(a), Shape::bridge(b))
    }

    pub(super) fn ring_with_chord() -> Shape {
        let pairs = (1..=6).flat_map(|a| (1..=6).filter(move |b| a != *b).map(move |b| (a, b)));
        let links = vec![(1, 2), (2, 3), (3, 4), (4, 1), (1, 3)];
        Shape { name: "ring with a chord", bridges: 4, links, hosts: vec![1, 1, 2, 3, 3, 4], pairs: pairs.collect() }
    }

    /// Edges 1 to 8, aggregations 9 to 16, cores 17 to 20; two hosts at each edge.
    fn fat_tree() -> Shape {
        let mut links = Vec::new();
        for (pod, a) in (0..4).flat_map(|pod| [(pod, 0), (pod, 1)]) {
            let aggregation = 9 + 2 * pod + a;
            links.extend((0..2).map(|n| (1 + 2 * pod + n, aggregation)));
            links.extend((0..2).map(|n| (aggregation, 17 + 2 * a + n)));
        }
        let hosts = (0..16).map(|host| 1 + host / 2).collect();
        let pairs = (0..16).flat_map(|host| [(host + 1, (host + 4) % 16 + 1), (host + 1, (host + 9) % 16 + 1)]);
        Shape { name: "fat-tree k=4", bridges: 20, links, hosts, pairs: pairs.collect() }
    }

    pub(super) fn build(&self, lab: &Lab) -> Result<(Ovs, Vec<Host>), Fail> {
        let ovs = Ovs::start(&lab.directory)?;
        for bridge in (1..=self.bridges).map(Shape::bridge) {
            ovs::add_bridge(&bridge, datapath_id(&bridge), OPENFLOW)?;
        }
        for (number, link) in (1..).zip(0..self.links.len()) {
            let (a, b) = self.ends(link);
            let (near, far) = (fabric::end(&a, &b), fabric::end(&b, &a));
            run_lines(&format!(
                "ip link add {near} type veth peer name {far}
                 ip link set {near} up
                 ip link set {far} up"
            ))?;
            ovs::add_port(&a, &near, number)?;
            ovs::add_port(&b, &far, number)?;
        }
        let mut hosts = Vec::new();
        for (number, bridge) in (1..).zip(&self.hosts) {
            let host = Host::new(number, &Shape::bridge(*bridge));
            host.create()?;
            ovs::add_port(&host.bridge, &host.port(), FIRST_HOST_PORT + u32::from(number))?;
            hosts.push(host);
        }
        Ok((ovs, hosts))
    }

    /// As somebody does who has not told the controller to do it.
    fn switch_bfd_on(&self) -> Result<(), Fail> {
        for link in 0..self.links.len() {
            let (a, b) = self.ends(link);
            let mut arguments = Vec::new();
            let devices = [fabric::end(&a, &b), fabric::end(&b, &a)];
            for device in &devices {
                let settings = ["bfd:enable=true", "bfd:min_tx=10", "bfd:min_rx=10"];
                arguments.extend(["--", "set", "interface", device]);
                arguments.extend(settings);
            }
            ovs::vsctl(&arguments)?;
        }
        Ok(())
    }
}

pub fn ring(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    heal(lab, report, &Shape::ring_with_chord())
}

pub fn fat_tree(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    heal(lab, report, &Shape::fat_tree())
}

fn heal(lab: &Lab, report: &mut Report, shape: &Shape) -> Result<(), Fail> {
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(PLAIN_CONFIG))?;
    let (_ovs, hosts) = shape.build(lab)?;
    let took = |time: Duration| format!("after {:.1} s", time.as_secs_f64());
    let switches = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, shape.bridges as f64);
    report.require("all bridges are connected", switches.map(took))?;
    let links = controller.wait_metric(MEND_LIMIT, metric::LINKS, shape.links.len() as f64);
    report.require("all links are discovered", links.map(took))?;
    let mut probers = Vec::new();
    for host in &hosts {
        let number = usize::from(host.number);
        let targets = shape.pairs.iter().filter(|(from, _)| *from == number).filter_map(|(_, to)| hosts.get(to - 1));
        let senders = shape.pairs.iter().filter(|(_, to)| *to == number).count();
        probers.push(Prober::start(&lab.directory, host, &targets.collect::<Vec<_>>(), senders)?);
    }
    report.require(
        "every pair is heard",
        wait_all_heard(&mut probers).map(|()| format!("{} pairs", shape.pairs.len())),
    )?;
    let (short, full) = (4, 50.max(shape.links.len()));
    let mut table = vec![format!(
        "{:<30} {:>5} {:>13} {:>12} {:>11} {:>9}",
        shape.name, "cuts", "without loss", "median ms", "worst ms", "lost"
    )];
    for kind in [Kind::PortDown, Kind::SilentProbes, Kind::SilentBfd] {
        if kind == Kind::SilentBfd {
            shape.switch_bfd_on()?;
            // Links are down until their sessions are up; then they stay up, or the machine is too slow for it.
            let links = shape.links.len() as f64;
            let steady = wait::until(MEND_LIMIT, || {
                controller.wait_metric(MEND_LIMIT, metric::LINKS, links)?;
                wait::throughout(Duration::from_secs(2), || {
                    controller.wait_metric(Duration::ZERO, metric::LINKS, links).map(drop)
                })?;
                wait_all_heard(&mut probers)
            });
            report.require("with BFD all links are up, and stay so", steady.map(|()| String::new()))?;
        }
        let mut cuts = Vec::new();
        for n in 0..lab.mode.pick(short, full) {
            cuts.push(one(lab, report, shape, &mut controller, &mut probers, n, kind)?);
        }
        cuts.sort_unstable();
        let (median, worst) = (cuts[cuts.len() / 2].0, cuts[cuts.len() - 1].0);
        let unhurt = cuts.iter().filter(|(_, lost)| *lost == 0).count();
        let lost: u64 = cuts.iter().map(|(_, lost)| lost).sum();
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        let row = format!(
            "{:<30} {:>5} {:>13} {:>12.1} {:>11.1} {:>9}",
            kind.words(),
            cuts.len(),
            unhurt,
            millis(median),
            millis(worst),
            lost
        );
        table.push(row);
        let limit = match kind {
            Kind::PortDown => Duration::from_millis(lab.mode.pick(500, 10)),
            Kind::SilentProbes => Duration::from_millis(lab.mode.pick(5_000, 1_200)),
            Kind::SilentBfd => Duration::from_millis(lab.mode.pick(1_000, 50)),
        };
        let seen = format!("{:.1} ms", millis(median));
        let found = wait::ensure(median < limit, || format!("{seen}, not below {} ms", limit.as_millis()));
        report.check(&format!("{}: the median of the outages", kind.words()), found.map(|()| seen.clone()));
    }
    table.iter().for_each(|row| report.figure(row));
    controller.ensure_running()
}

/// One cut and its mend: the longest outage of any pair, and what all have lost.
fn one(
    lab: &Lab,
    report: &mut Report,
    shape: &Shape,
    controller: &mut Controller,
    probers: &mut [Prober],
    link: usize,
    kind: Kind,
) -> Result<(Duration, u64), Fail> {
    let (a, b) = shape.ends(link);
    let words = format!("{a}–{b}, {}", kind.words());
    let links = shape.links.len() as f64;
    let before = prober::now();
    match kind {
        Kind::PortDown => fabric::cut(&a, &b)?,
        Kind::SilentProbes | Kind::SilentBfd => fabric::cut_silently(&a, &b)?,
    }
    let noticed = controller.wait_metric(HEAL_LIMIT, metric::LINKS, links - 1.0);
    let healed = noticed.and_then(|_| wait::throughout(WATCH, || Ok(()))).and_then(|()| wait_all_heard(probers));
    let (outage, lost) = felt(probers, before);
    if let Err(reason) = healed {
        report.require(&format!("{words}: the fabric heals by itself"), Err(reason))?;
    }
    let before = prober::now();
    match kind {
        Kind::PortDown => fabric::mend(&a, &b)?,
        Kind::SilentProbes | Kind::SilentBfd => fabric::mend_silently(&a, &b)?,
    }
    let back = controller.wait_metric(MEND_LIMIT, metric::LINKS, links);
    let back = back.and_then(|_| wait::throughout(WATCH, || Ok(()))).and_then(|()| wait_all_heard(probers));
    let (_, lost_by_mending) = felt(probers, before);
    let seen = format!("{lost} lost by the cut, the longest outage {:.1} ms", outage.as_secs_f64() * 1_000.0);
    let mended = wait::ensure(lost_by_mending == 0, || format!("{lost_by_mending} lost by mending; {seen}"));
    let what = format!("{words}: mending loses nothing");
    let result = back.and(mended).map(|()| seen);
    if lab.mode.pick(true, false) || result.is_err() {
        report.check(&what, result);
    }
    Ok((outage, lost))
}

pub(super) fn wait_all_heard(probers: &mut [Prober]) -> Result<(), Fail> {
    wait::until(HEAL_LIMIT, || {
        let mut deaf = 0;
        for prober in probers.iter_mut() {
            deaf += usize::from(!prober.hears_all()?);
        }
        wait::ensure(deaf == 0, || format!("{deaf} hosts do not hear all who send to them"))
    })
}

/// What is missing since a moment.
pub(super) fn felt(probers: &[Prober], since: Duration) -> (Duration, u64) {
    let (mut outage, mut lost) = (Duration::ZERO, 0_u64);
    for prober in probers {
        let (gaps, late) = prober.gaps(since);
        let missing: u64 = gaps.iter().map(|gap| gap.lost).sum();
        lost += missing.saturating_sub(late);
        if missing > late {
            outage = gaps.iter().map(|gap| gap.outage).fold(outage, Duration::max);
        }
    }
    (outage, lost)
}
