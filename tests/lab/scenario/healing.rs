//! How long a cut is felt: numbered datagrams every 5 ms between many pairs of hosts, links cut with and without loss of carrier, and mended.

use std::time::Duration;

use super::{CONNECT_LIMIT, Lab, OPENFLOW, PLAIN_CONFIG};
use crate::controller::{Controller, metric};
use crate::fabric::{self, datapath_id};
use crate::hosts::Host;
use crate::ovs::{self, Ovs};
use crate::prober::{self, Felt, Prober};
use crate::process::run_lines;
use crate::report::{Fail, Report};
use crate::wait;

/// A cut is noticed this long after it, at the latest.
const HEAL_LIMIT: Duration = Duration::from_secs(10);

/// A link that drops in silence is known to be back when its ports, edges by then, are probed at a link's pace.
const MEND_LIMIT: Duration = Duration::from_secs(20);

/// How long it is watched after a change.
const WATCH: Duration = Duration::from_millis(700);

/// What nobody but the switches mends is mended before this: well below what the controller would need to hear of it by other means.
const FROZEN_LIMIT: Duration = Duration::from_millis(300);

/// BFD's interval in milliseconds where it is measured, and on a machine that is busy with other things: three of them without a processor
/// are a lost link.
const BFD_FULL_MS: u32 = 10;
const BFD_SHORT_MS: u32 = 100;

/// Sessions start one after the other.
const BFD_LIMIT: Duration = Duration::from_secs(200);

/// A cut is tried again if the machine did something else meanwhile: so often, then it is left out.
const TRIES: usize = 4;

/// Host ports are numbered from here, after those of the links.
const FIRST_HOST_PORT: u32 = 100;

/// Cuts of each kind where figures are asked for.
const CUTS: usize = 50;

/// How a link is cut, and how that is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    PortDown,
    SilentProbes,
    SilentBfd,
}

impl Kind {
    fn words(self, bfd_ms: u32) -> String {
        match self {
            Kind::PortDown => "port down".to_owned(),
            Kind::SilentProbes => "silent loss, probes alone".to_owned(),
            Kind::SilentBfd => format!("silent loss, BFD every {bfd_ms} ms"),
        }
    }
}

/// One cut.
enum Cut {
    Seen {
        cut: Felt,
        lost_by_mending: u64,
    },
    /// The machine was too slow for what was measured; whether everybody was heard again all the same.
    Disturbed {
        why: Fail,
        healed: bool,
    },
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

    /// Who sends and hears, by the pairs.
    pub(super) fn probers(&self, lab: &Lab, hosts: &[Host]) -> Result<Vec<Prober>, Fail> {
        let mut probers = Vec::new();
        for host in hosts {
            let number = usize::from(host.number);
            let targets = self.pairs.iter().filter(|(from, _)| *from == number).filter_map(|(_, to)| hosts.get(to - 1));
            let senders = self.pairs.iter().filter(|(_, to)| *to == number).count();
            probers.push(Prober::start(&lab.directory, host, &targets.collect::<Vec<_>>(), senders)?);
        }
        Ok(probers)
    }
}

pub fn ring(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    heal(lab, report, &Shape::ring_with_chord())
}

pub fn fat_tree(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    heal(lab, report, &Shape::fat_tree())
}

/// What switches do by themselves: the controller is stopped, a link loses its carrier and gets it back, and only then the controller goes on. So this is what
/// Open vSwitch takes for it, the floor of what is felt with a controller.
pub fn frozen_ring(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    frozen(lab, report, &Shape::ring_with_chord())
}

pub fn frozen_fat_tree(lab: &Lab, report: &mut Report) -> Result<(), Fail> {
    frozen(lab, report, &Shape::fat_tree())
}

fn frozen(lab: &Lab, report: &mut Report, shape: &Shape) -> Result<(), Fail> {
    let (mut bench, _ovs) = Bench::start(lab, report, shape, &config(None))?;
    let links = shape.links.len();
    let (mut seen, mut lost_by_mending) = (Vec::new(), 0);
    for link in 0..lab.mode.pick(4, CUTS.max(links)) {
        let (a, b) = shape.ends(link);
        let what = format!("{a}–{b}, port down and the controller stopped: every pair is heard again");
        let mut disturbed = false;
        let mut found = Err(String::new());
        for _ in 0..TRIES {
            let before = prober::now();
            bench.controller.freeze()?;
            let cut = fabric::cut(&a, &b).and_then(|()| bench.wait_told());
            let (felt, between) = (bench.felt(before), prober::now());
            let mended = fabric::mend(&a, &b).and_then(|()| bench.wait_told());
            let lost = bench.felt(between).lost;
            bench.controller.thaw()?;
            disturbed = cut.is_ok() && mended.is_ok() && prober::longest_stall(&bench.probers, before).is_some();
            found = cut.and(mended).and_then(|()| {
                let told = format!("{} lost, the longest outage {:.1} ms", felt.lost, millis(felt.longest));
                wait::ensure(felt.longest < FROZEN_LIMIT, || told.clone()).map(|()| (told, felt, lost))
            });
            bench.controller.wait_metric(MEND_LIMIT, metric::LINKS, links as f64)?;
            bench.wait_told()?;
            if found.is_ok() && !disturbed {
                break;
            }
        }
        match found {
            // Late is what a slow machine makes; never is not.
            Err(reason) if disturbed => report.skip(&what, &format!("this machine is too busy: {reason}")),
            found => {
                let told = found.map(|(told, felt, lost)| {
                    if !disturbed {
                        seen.push(felt);
                        lost_by_mending += lost;
                    }
                    told
                });
                report.check(&what, told);
            }
        }
    }
    report.figure(heading(shape));
    if let Some(row) = Row::new(&seen, lost_by_mending) {
        report.figure(row.words("port down, controller stopped"));
    }
    bench.controller.ensure_running()
}

/// BFD every so many milliseconds, or none.
fn config(bfd_ms: Option<u32>) -> String {
    let bfd = bfd_ms.map(|ms| format!("  bfd: {{ enabled: true, min_tx: {ms}ms, min_rx: {ms}ms, mult: 3 }}\n"));
    let bfd = bfd.unwrap_or_default();
    format!("{PLAIN_CONFIG}ovsdb:\n  connections: [\"unix:/run/openvswitch/db.sock\"]\n{bfd}")
}

/// A fabric under way.
struct Bench<'a> {
    shape: &'a Shape,
    controller: Controller,
    probers: Vec<Prober>,
    bfd_ms: u32,
}

impl<'a> Bench<'a> {
    /// All switches and links are there, and every pair is heard.
    fn start(lab: &Lab, report: &mut Report, shape: &'a Shape, text: &str) -> Result<(Bench<'a>, Ovs), Fail> {
        let mut controller = Controller::start(&lab.directory, &lab.binary, Some(text))?;
        let (ovs, hosts) = shape.build(lab)?;
        let took = |time: Duration| format!("after {:.1} s", time.as_secs_f64());
        let switches = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, shape.bridges as f64);
        report.require("all bridges are connected", switches.map(took))?;
        let links = controller.wait_metric(MEND_LIMIT, metric::LINKS, shape.links.len() as f64);
        report.require("all links are discovered", links.map(took))?;
        let probers = shape.probers(lab, &hosts)?;
        let mut bench = Bench { shape, controller, probers, bfd_ms: lab.mode.pick(BFD_SHORT_MS, BFD_FULL_MS) };
        let heard = bench.wait_all_heard().map(|()| format!("{} pairs", shape.pairs.len()));
        report.require("every pair is heard", heard)?;
        Ok((bench, ovs))
    }
}

fn heal(lab: &Lab, report: &mut Report, shape: &Shape) -> Result<(), Fail> {
    let (mut bench, _ovs) = Bench::start(lab, report, shape, &config(None))?;
    let mut table = vec![heading(shape)];
    for kind in [Kind::PortDown, Kind::SilentProbes, Kind::SilentBfd] {
        if let Some(row) = bench.cuts(lab, report, kind)? {
            table.push(row);
        }
    }
    table.iter().for_each(|row| report.figure(row));
    bench.controller.ensure_running()
}

impl Bench<'_> {
    /// Every link in turn, and the row of the table that comes of it.
    fn cuts(&mut self, lab: &Lab, report: &mut Report, kind: Kind) -> Result<Option<String>, Fail> {
        let words = kind.words(self.bfd_ms);
        if kind == Kind::SilentBfd {
            self.switch_bfd_on(report)?;
        }
        let (mut seen, mut lost_by_mending, mut disturbed) = (Vec::new(), 0, 0);
        'links: for link in 0..lab.mode.pick(4, CUTS.max(self.shape.links.len())) {
            let (a, b) = self.shape.ends(link);
            let what = format!("{a}–{b}, {words}: mending loses nothing");
            let (mut reason, mut heals) = (String::new(), false);
            for _ in 0..TRIES {
                let (cut, lost) = match self.one(report, link, kind)? {
                    Cut::Seen { cut, lost_by_mending } => (cut, lost_by_mending),
                    Cut::Disturbed { why, healed } => {
                        disturbed += 1;
                        (reason, heals) = (why, heals || healed);
                        self.wait_steady()?;
                        continue;
                    }
                };
                let longest = millis(cut.longest);
                let told = format!("{} lost by the cut, the longest outage {longest:.1} ms", cut.lost);
                let result = wait::ensure(lost == 0, || format!("{lost} lost by mending; {told}"));
                if lab.mode.pick(true, false) || result.is_err() {
                    report.check(&what, result.map(|()| told));
                }
                seen.push(cut);
                lost_by_mending += lost;
                continue 'links;
            }
            if heals {
                report.skip(&what, &format!("this machine is too busy: {reason}"));
            } else {
                report.check(&what, Err(format!("in {TRIES} tries it has never healed by itself; {reason}")));
            }
        }
        if disturbed > 0 {
            report.figure(format!("{words}: {disturbed} cuts left out, for the machine was busy with something else"));
        }
        let Some(row) = Row::new(&seen, lost_by_mending) else { return Ok(None) };
        let limit = match kind {
            Kind::PortDown => Duration::from_millis(lab.mode.pick(500, 10)),
            Kind::SilentProbes => Duration::from_millis(lab.mode.pick(5_000, 1_000)),
            Kind::SilentBfd => Duration::from_millis(lab.mode.pick(2_000, 50)),
        };
        let told = format!("{:.1} ms, the worst {:.1} ms", millis(row.median), millis(row.worst));
        let found = wait::ensure(row.median < limit, || format!("{told}; not below {} ms", limit.as_millis()));
        report.check(&format!("{words}: the median of the outages"), found.map(|()| told.clone()));
        Ok(Some(row.words(&words)))
    }

    /// One cut and its mend.
    fn one(&mut self, report: &mut Report, link: usize, kind: Kind) -> Result<Cut, Fail> {
        let (a, b) = self.shape.ends(link);
        let links = self.shape.links.len() as f64;
        let (before, downs) = (prober::now(), self.links_lost()?);
        match kind {
            Kind::PortDown => fabric::cut(&a, &b)?,
            Kind::SilentProbes | Kind::SilentBfd => fabric::cut_silently(&a, &b)?,
        }
        let noticed = self.controller.wait_metric(HEAL_LIMIT, metric::LINKS, links - 1.0);
        let healed = noticed.and_then(|_| self.wait_told());
        let cut = self.felt(before);
        let between = prober::now();
        match kind {
            Kind::PortDown => fabric::mend(&a, &b)?,
            Kind::SilentProbes | Kind::SilentBfd => fabric::mend_silently(&a, &b)?,
        }
        let back = self.controller.wait_metric(MEND_LIMIT, metric::LINKS, links).and_then(|_| self.wait_told());
        let lost_by_mending = self.felt(between).lost;
        // A link is lost in both directions.
        let others = self.links_lost()? - downs - 2.0;
        if kind == Kind::SilentBfd && others > 0.0 {
            let why = format!("BFD has lost links that nobody cut ({others:.0} directions)");
            return Ok(Cut::Disturbed { why, healed: healed.is_ok() });
        }
        if let Some(stall) = prober::longest_stall(&self.probers, before) {
            let why = format!("who sends or forwards was kept from it for {:.0} ms", millis(stall));
            return Ok(Cut::Disturbed { why, healed: healed.is_ok() });
        }
        if let Err(reason) = healed.and(back) {
            report
                .require(&format!("{a}–{b}, {}: the fabric heals by itself", kind.words(self.bfd_ms)), Err(reason))?;
        }
        Ok(Cut::Seen { cut, lost_by_mending })
    }

    /// By the switches' database. A link is down until its session is up; then it stays up, or the machine is too slow for it.
    fn switch_bfd_on(&mut self, report: &mut Report) -> Result<(), Fail> {
        self.controller.write_config(&config(Some(self.bfd_ms)))?;
        let (status, out, err, _) = self.controller.reload()?;
        wait::ensure(status == Some(0), || format!("exit status {status:?}: {out}{err}"))?;
        let links = self.shape.links.len() as f64;
        let up = self.controller.wait_metric_of(BFD_LIMIT, metric::BFD, &[("state", "up")], links);
        let up = up.and_then(|took| self.wait_steady().map(|()| format!("after {:.1} s", took.as_secs_f64())));
        report.require("BFD comes up on all links, and stays so", up)
    }

    fn links_lost(&self) -> Result<f64, Fail> {
        self.controller.metric(metric::LINK_CHANGES, &[("change", "down")])
    }

    /// All links are there, and stay.
    fn wait_steady(&mut self) -> Result<(), Fail> {
        let links = self.shape.links.len() as f64;
        wait::until(MEND_LIMIT, || {
            self.controller.wait_metric(MEND_LIMIT, metric::LINKS, links)?;
            wait::throughout(Duration::from_secs(2), || {
                self.controller.wait_metric(Duration::ZERO, metric::LINKS, links).map(drop)
            })?;
            self.wait_all_heard()
        })
    }

    /// What has just happened has been told by who is still hurt by it.
    fn wait_told(&mut self) -> Result<(), Fail> {
        wait::throughout(WATCH, || Ok(()))?;
        self.wait_all_heard()
    }

    fn wait_all_heard(&mut self) -> Result<(), Fail> {
        prober::wait_all_heard(&mut self.probers)
    }

    /// What is missing since a moment.
    fn felt(&self, since: Duration) -> Felt {
        prober::felt(&self.probers, since)
    }
}

/// A row of the table.
struct Row {
    cuts: usize,
    /// Cuts that nobody has felt.
    unhurt: usize,
    /// Of each pair that has lost something.
    outages: usize,
    median: Duration,
    /// Of the longest ones of all cuts the one in the middle.
    longest: Duration,
    worst: Duration,
    lost: u64,
    lost_by_mending: u64,
}

impl Row {
    /// `None` if nobody has lost anything.
    fn new(seen: &[Felt], lost_by_mending: u64) -> Option<Row> {
        let mut longest: Vec<Duration> = seen.iter().map(|cut| cut.longest).collect();
        longest.sort_unstable();
        let mut outages: Vec<Duration> = seen.iter().flat_map(|cut| cut.outages.iter().copied()).collect();
        outages.sort_unstable();
        Some(Row {
            cuts: seen.len(),
            unhurt: seen.iter().filter(|cut| cut.lost == 0).count(),
            outages: outages.len(),
            median: middle(&outages)?,
            longest: middle(&longest)?,
            worst: *outages.last()?,
            lost: seen.iter().map(|cut| cut.lost).sum(),
            lost_by_mending,
        })
    }

    fn words(&self, what: &str) -> String {
        format!(
            "{what:<30} {:>5} {:>13} {:>8} {:>10.1} {:>16.1} {:>9.1} {:>8} {:>10}",
            self.cuts,
            self.unhurt,
            self.outages,
            millis(self.median),
            millis(self.longest),
            millis(self.worst),
            self.lost,
            self.lost_by_mending
        )
    }
}

fn heading(shape: &Shape) -> String {
    format!(
        "{:<30} {:>5} {:>13} {:>8} {:>10} {:>16} {:>9} {:>8} {:>10}",
        shape.name,
        "cuts",
        "without loss",
        "outages",
        "median ms",
        "longest of a cut",
        "worst ms",
        "lost",
        "by mending"
    )
}

/// Of times in their order.
fn middle(times: &[Duration]) -> Option<Duration> {
    times.get(times.len() / 2).copied()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
