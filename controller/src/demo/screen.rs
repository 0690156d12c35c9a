//! What the demo shows: a screen that is drawn over on a terminal, a line now and then elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::net::SocketAddr;

use bgp::session::SessionState;
use bgp::speaker::SpeakerStatus;
use emulator::{CutKind, FabricStats};

use crate::io::fabric::Snapshot;

/// Lines between draws where the output is not a terminal.
const LINE_EVERY: u32 = 4;

pub(super) struct Facts<'a> {
    /// What the emulated network is called.
    pub(super) name: &'a str,
    pub(super) snapshot: &'a Snapshot,
    pub(super) fabric: FabricStats,
    pub(super) bgp: Option<&'a SpeakerStatus>,
    pub(super) cut: Option<(String, CutKind)>,
    pub(super) metrics: SocketAddr,
}

pub(super) struct Screen {
    terminal: bool,
    drawn: u32,
}

impl Screen {
    pub(super) fn new() -> Screen {
        Screen { terminal: std::io::stdout().is_terminal(), drawn: 0 }
    }

    pub(super) fn draw(&mut self, facts: &Facts<'_>) -> std::io::Result<()> {
        let text = if self.terminal { page(facts) } else { line(facts) };
        let mut out = std::io::stdout().lock();
        if self.terminal {
            // Home, draw, clear what is left of the page before.
            let clear = if self.drawn == 0 { "\x1b[2J" } else { "" };
            write!(out, "{clear}\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))?;
        } else if self.drawn.is_multiple_of(LINE_EVERY) {
            writeln!(out, "{text}")?;
        }
        self.drawn = self.drawn.wrapping_add(1);
        out.flush()
    }
}

/// Sessions established and routes in the table.
pub(super) fn bgp_counts(bgp: Option<&SpeakerStatus>) -> (usize, usize) {
    let Some(bgp) = bgp else { return (0, 0) };
    let sessions = bgp.neighbors.iter().filter(|neighbor| neighbor.state == SessionState::Established).count();
    (sessions, bgp.tables.iter().map(|table| table.counts.best).sum())
}

fn page(facts: &Facts<'_>) -> String {
    let snapshot = facts.snapshot;
    let network = &snapshot.network;
    let rules: usize = snapshot.flows.values().map(|[installed, ..]| installed).sum();
    let groups: usize = snapshot.flows.values().map(|[_, _, groups, _]| groups).sum();
    let (sessions, routes) = bgp_counts(facts.bgp);
    let reroute = match snapshot.last_reroute {
        Some(took) => format!("{}, the last took {took:.1?}", snapshot.reroutes),
        None => "none yet".to_owned(),
    };
    let link = match &facts.cut {
        Some((name, CutKind::PortDown)) => format!("{name} is cut (its ports are down)"),
        Some((name, CutKind::Silent)) => format!("{name} is cut (silently: only probes can tell)"),
        None => "all links are whole".to_owned(),
    };
    let fabric = &facts.fabric;
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12}{value}");
    };
    row("", String::new());
    row("switches", format!("{} connected", snapshot.switches_connected));
    row("links", network.bidirectional_links().count().to_string());
    row("hosts", network.hosts.len().to_string());
    row("flows", format!("{rules} installed, {groups} groups"));
    row("BGP", format!("{sessions} sessions, {routes} routes"));
    row(
        "probes",
        format!("{} delivered, {} lost, {} looped", fabric.probes_delivered, fabric.probes_lost, fabric.looped_frames),
    );
    row("reroutes", reroute);
    row("now", link);
    row("", String::new());
    row("metrics", format!("http://{}/metrics", facts.metrics));
    row("", "Ctrl-C ends the demo".to_owned());
    format!("Trunkline demo: the real controller, an emulated {}, two BGP routers\n{text}", facts.name)
}

fn line(facts: &Facts<'_>) -> String {
    let snapshot = facts.snapshot;
    let (sessions, routes) = bgp_counts(facts.bgp);
    let rules: usize = snapshot.flows.values().map(|[installed, ..]| installed).sum();
    let reroute = snapshot.last_reroute.map_or_else(|| "-".to_owned(), |took| format!("{took:.1?}"));
    format!(
        "switches {} links {} hosts {} flows {rules} bgp {sessions}/{routes} probes {} lost {} last reroute {reroute}{} http://{}/metrics",
        snapshot.switches_connected,
        snapshot.network.bidirectional_links().count(),
        snapshot.network.hosts.len(),
        facts.fabric.probes_delivered,
        facts.fabric.probes_lost,
        facts.cut.as_ref().map_or_else(String::new, |(name, _)| format!(" (cut: {name})")),
        facts.metrics,
    )
}
