//! `--once`: one full scenario in bounded time, a summary, and a verdict.

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use emulator::{CutKind, LinkIndex};

use super::drive::Drive;
use super::{routers, screen};
use crate::service::Controller;

/// A line on standard output. Whether somebody reads it is no part of the verdict.
macro_rules! say {
    ($($text:tt)*) => {
        let _ = writeln!(std::io::stdout(), $($text)*);
    };
}

/// Every step has to be done within this time.
const STEP_LIMIT: Duration = Duration::from_secs(30);
/// Pairs of hosts that are tried at a time: with their questions for addresses as many frames as the emulated links hold.
const PAIRS_MAX: usize = 8_000;
/// How often a condition is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Rows of the summary: what was tried, what came of it, whether that is as it should be.
#[derive(Default)]
struct Summary {
    rows: Vec<(String, String, bool)>,
}

impl Summary {
    fn row(&mut self, what: &str, result: String, good: bool) {
        say!("  {} {what}: {result}", if good { "ok    " } else { "FAILED" });
        self.rows.push((what.to_owned(), result, good));
    }

    fn print(&self) {
        let width = self.rows.iter().map(|(what, ..)| what.len()).max().unwrap_or(0);
        say!("\nSummary");
        for (what, result, good) in &self.rows {
            say!("  {what:<width$}  {:<6}  {result}", if *good { "ok" } else { "FAILED" });
        }
    }
}

pub(super) async fn once(
    controller: &Controller,
    drive: &Drive,
    name: &str,
    spare: Option<LinkIndex>,
    prefixes: usize,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (switches, hosts, links) = (drive.switch_count(), drive.host_count(), drive.link_count());
    say!("Trunkline demo, once: a {name} and two BGP routers, emulated; the controller is the real one");
    say!("metrics: http://{}/metrics\n", controller.http_address());
    let mut summary = Summary::default();

    let took = wait(|| controller.snapshot().switches_connected == switches).await;
    summary.row("switches connected", timed(controller.snapshot().switches_connected, took), took.is_some());
    let took = wait(|| controller.snapshot().network.bidirectional_links().count() == links).await;
    summary.row(
        "links found by LLDP",
        timed(controller.snapshot().network.bidirectional_links().count(), took),
        took.is_some(),
    );
    let took = wait(|| controller.snapshot().network.switches.values().all(topology::Switch::is_settled)).await;
    summary.row("ports settled", timed("all", took), took.is_some());
    drive.announce_all();
    let took = wait(|| controller.snapshot().network.hosts.len() == hosts).await;
    summary.row("hosts learned", timed(controller.snapshot().network.hosts.len(), took), took.is_some());
    let took = wait(|| all_installed(controller)).await;
    let rules: usize = controller.snapshot().flows.values().map(|[installed, ..]| installed).sum();
    summary.row("flows installed", timed(rules, took), took.is_some());

    all_pairs(drive, "before the cut", &mut summary).await;

    match spare {
        Some(link) => cut_and_mend(controller, drive, link, &mut summary).await,
        None => {
            say!("\nno link is cut: none can be spared");
        }
    }

    let deadline = Instant::now() + STEP_LIMIT;
    let (mut sessions, mut routes) = (0, 0);
    while Instant::now() < deadline && (sessions < routers::PLACES.len() || routes < prefixes) {
        if let Some(bgp) = controller.bgp() {
            (sessions, routes) = screen::bgp_counts(bgp.status().await.as_ref());
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    let good = sessions == routers::PLACES.len() && routes >= prefixes;
    summary.row("BGP", format!("{sessions} sessions, {routes} routes"), good);
    let stats = drive.stats();
    let good = stats.looped_frames == 0 && stats.probes_duplicated == 0 && stats.frames_overflowed == 0;
    summary.row("loops and doubles", format!("{} and {}", stats.looped_frames, stats.probes_duplicated), good);

    summary.print();
    let failed = summary.rows.iter().filter(|(.., good)| !good).count();
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} steps failed", summary.rows.len()).into()) }
}

/// A link goes and comes back, and all hosts reach each other all the time.
async fn cut_and_mend(controller: &Controller, drive: &Drive, link: LinkIndex, summary: &mut Summary) {
    let links = drive.link_count();
    let reroutes = controller.snapshot().reroutes;
    say!("\ncutting {}", drive.link_name(link));
    drive.cut(link, CutKind::PortDown);
    let took = wait(|| controller.snapshot().reroutes > reroutes).await;
    let reroute = controller.snapshot().last_reroute;
    summary.row(
        "rerouted after the cut",
        reroute.map_or_else(|| "no".to_owned(), |took| format!("in {took:.1?}")),
        took.is_some(),
    );
    all_pairs(drive, "during the cut", summary).await;

    say!("\nmending {}", drive.link_name(link));
    drive.mend(link);
    let took = wait(|| controller.snapshot().network.bidirectional_links().count() == links).await;
    summary.row("link found again", timed(links, took), took.is_some());
    let took = wait(|| all_installed(controller)).await;
    summary.row("paths restored", timed("all", took), took.is_some());
    all_pairs(drive, "after the cut", summary).await;
}

/// Every switch holds what it should, as of the newest snapshot.
fn all_installed(controller: &Controller) -> bool {
    controller.snapshot().flows.values().all(|[installed, desired, _, refused]| installed == desired && *refused == 0)
}

/// Wait for a condition; how long it took, or `None`.
async fn wait(mut condition: impl FnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > STEP_LIMIT {
            return None;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Some(start.elapsed())
}

fn timed(what: impl std::fmt::Display, took: Option<Duration>) -> String {
    took.map_or_else(
        || format!("{what} (gave up after {STEP_LIMIT:?})"),
        |took| format!("{what} ({:.1} s)", took.as_secs_f64()),
    )
}

/// One echo from every host to every other, and the answers.
async fn all_pairs(drive: &Drive, when: &str, summary: &mut Summary) {
    let hosts = drive.host_count();
    let mut probes = Vec::new();
    // Of many pairs some are taken, all over: the fates of so many probes are remembered, and none is answered twice.
    let apart = (hosts * hosts.saturating_sub(1)).div_ceil(PAIRS_MAX).max(1);
    for source in 0..hosts {
        let others = (0..hosts).filter(|&target| target != source);
        for target in others.filter(|target| (source * hosts + target).is_multiple_of(apart)) {
            probes.push(drive.probe(source, target));
        }
        tokio::task::yield_now().await;
    }
    wait(|| probes.iter().all(|&id| drive.fate(id).is_some())).await;
    let delivered = probes.iter().filter(|&&id| drive.fate(id) == Some(true)).count();
    let what = if apart == 1 { format!("all pairs {when}") } else { format!("one pair in {apart} {when}") };
    summary.row(&what, format!("{delivered} of {} probes delivered", probes.len()), delivered == probes.len());
}
