//! The scenarios, in the order in which they run.

mod attack;
mod bgp;
mod bridge;
mod bundle;
mod compare;
mod cut;
mod dial;
mod dissect;
mod drain;
mod explain;
mod fabric;
mod healing;
mod hitless;
mod hostile;
mod interop;
mod mininet;
mod mrt;
mod neighbour;
mod newcomer;
mod ovsdb;
mod readback;
mod record;
mod reload;
mod restart;
mod role;
mod show;
mod tls;
mod trace;
mod traffic;
mod twin;
mod wiring;

use std::path::PathBuf;
use std::time::Duration;

use crate::Mode;
use crate::controller::{Controller, metric};
use crate::fabric::{BRIDGES, Fabric, LINKS};
use crate::report::{Fail, Report};

/// What a scenario is given.
pub struct Lab {
    /// Logs and files of this run.
    pub directory: PathBuf,
    /// How much to do.
    pub mode: Mode,
    /// The program under test.
    pub binary: PathBuf,
    /// Decides everything that is left to chance.
    pub seed: u64,
}

/// A scenario. An `Err` ends it early and counts as a failed check.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    /// Left out unless everything is asked for.
    pub full_only: bool,
    pub run: fn(&Lab, &mut Report) -> Result<(), Fail>,
    /// A scenario that takes longer is stopped and has failed: (short, full) in seconds.
    limit_s: (u64, u64),
}

impl Scenario {
    /// How long the scenario may take.
    pub fn limit(&self, mode: Mode) -> Duration {
        Duration::from_secs(mode.pick(self.limit_s.0, self.limit_s.1))
    }
}

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "fabric",
        about: "ring with a chord: discovery, pings, TCP, no storm, Prometheus, graceful stop",
        full_only: false,
        run: fabric::run,
        limit_s: (120, 180),
    },
    Scenario {
        name: "cut",
        about: "a link is cut, with and without loss of carrier, and mended, while pings run",
        full_only: false,
        run: cut::run,
        limit_s: (150, 900),
    },
    Scenario {
        name: "ovsdb",
        about: "BFD by the switches' database: up on all links, a silent cut, the database restarted, taken back without a trace",
        full_only: false,
        run: ovsdb::run,
        limit_s: (180, 300),
    },
    Scenario {
        name: "healing",
        about: "ring with a chord, a datagram every 5 ms between all pairs: how long cuts are felt, with loss of carrier, silent, and with BFD",
        full_only: false,
        run: healing::ring,
        limit_s: (480, 2700),
    },
    Scenario {
        name: "frozen",
        about: "ring with a chord whose controller is stopped: links lose their carrier, and the switches heal by themselves",
        full_only: false,
        run: healing::frozen_ring,
        limit_s: (240, 900),
    },
    Scenario {
        name: "frozen-tree",
        about: "the same in a fat-tree of 20 bridges, where next to nothing has an alternate and everything a way round",
        full_only: true,
        run: healing::frozen_fat_tree,
        limit_s: (240, 900),
    },
    Scenario {
        name: "drain",
        about: "ring with a chord, a datagram every 5 ms between all pairs: each link and each switch drained and taken back without a lost one",
        full_only: false,
        run: drain::run,
        limit_s: (200, 900),
    },
    Scenario {
        name: "newcomer",
        about: "a link comes back by which packets would go round: it is not used, nothing is lost, and why is told",
        full_only: false,
        run: newcomer::run,
        limit_s: (120, 120),
    },
    Scenario {
        name: "healing-tree",
        about: "the same in a fat-tree of 20 bridges, between 32 pairs",
        full_only: true,
        run: healing::fat_tree,
        limit_s: (600, 3600),
    },
    Scenario {
        name: "show",
        about: "what the commands show of rules, groups, ports, links and hosts, beside what Open vSwitch says",
        full_only: false,
        run: show::run,
        limit_s: (180, 180),
    },
    Scenario {
        name: "explain",
        about: "what trace says of thousands of random packets, beside Open vSwitch's ofproto/trace",
        full_only: false,
        run: explain::run,
        limit_s: (240, 900),
    },
    Scenario {
        name: "restart",
        about: "the controller is killed and started again; established flows lose nothing",
        full_only: false,
        run: restart::run,
        limit_s: (150, 1200),
    },
    Scenario {
        name: "hitless",
        about: "100,000 rules, and the controller dies, is cut off, comes back with other rules; the switch loses its own: pings and UDP go on",
        full_only: false,
        run: hitless::run,
        limit_s: (420, 1500),
    },
    Scenario {
        name: "reload",
        about: "3,000 VLANs with 3 rules each, a file changed while pings run: only what is different is sent",
        full_only: false,
        run: reload::run,
        limit_s: (180, 300),
    },
    Scenario {
        name: "compare",
        about: "restart and reload, with 3 and with 3,000 VLANs, beside Faucet and an os-ken learning switch",
        full_only: true,
        run: compare::run,
        limit_s: (2700, 2700),
    },
    Scenario {
        name: "hostile",
        about: "garbage, wrong versions, slow writers and a second switch with the same datapath id disturb nobody",
        full_only: false,
        run: hostile::run,
        limit_s: (150, 300),
    },
    Scenario {
        name: "bgp",
        about: "BIRD exchanges IPv4 and IPv6 routes with the controller; malformed UPDATEs from others leave it alone",
        full_only: false,
        run: bgp::run,
        limit_s: (240, 240),
    },
    Scenario {
        name: "interop",
        about: "BIRD, FRR, GoBGP and OpenBGPD, feature by feature: sessions, routes compared field by field, clean ends",
        full_only: false,
        run: interop::run,
        limit_s: (400, 900),
    },
    Scenario {
        name: "decision",
        about: "the same candidates to ours and to BIRD, FRR, GoBGP and OpenBGPD: who chooses what",
        full_only: false,
        run: interop::decision,
        limit_s: (120, 120),
    },
    Scenario {
        name: "mrt",
        about: "tables and messages that the speaker writes, read by bgpdump and by us; replayed they arrive as they were",
        full_only: false,
        run: mrt::run,
        limit_s: (120, 120),
    },
    Scenario {
        name: "neighbour-hostile",
        about: "a BGP neighbour that flaps, floods, never reads or never ends a message slows nobody else down",
        full_only: false,
        run: neighbour::run,
        limit_s: (180, 600),
    },
    Scenario {
        name: "mininet",
        about: "mn --topo tree,2 --test pingall against a controller without a configuration file",
        full_only: false,
        run: mininet::run,
        limit_s: (120, 180),
    },
    Scenario {
        name: "dial",
        about: "the controller connects to bridges that wait for it, and again after Open vSwitch was restarted",
        full_only: false,
        run: dial::run,
        limit_s: (90, 180),
    },
    Scenario {
        name: "role",
        about: "two controllers want to be master: the newer generation is, the other stands by and changes nothing",
        full_only: false,
        run: role::run,
        limit_s: (90, 90),
    },
    Scenario {
        name: "wiring",
        about: "a link that is expected and missing is a condition until it is there; a server that runs lldpd is a neighbour",
        full_only: false,
        run: wiring::run,
        limit_s: (150, 150),
    },
    Scenario {
        name: "bridge",
        about: "a bridge of the kernel's between two of ours, beside a cable: broadcasts find the link, frames go over it, nothing comes twice",
        full_only: false,
        run: bridge::run,
        limit_s: (120, 120),
    },
    Scenario {
        name: "record",
        about: "a recorded session decodes, and replayed it gives the same messages",
        full_only: false,
        run: record::run,
        limit_s: (90, 120),
    },
    Scenario {
        name: "tls",
        about: "certificates of `trunkline pki` as it says to use them, TLS 1.3 and 1.2; strangers, impostors and plain TCP are refused",
        full_only: false,
        run: tls::run,
        limit_s: (120, 180),
    },
    Scenario {
        name: "bundle",
        about: "a bundle of flows is applied as a whole or not at all, and how much faster than single flow-mods it is",
        full_only: false,
        run: bundle::run,
        limit_s: (60, 120),
    },
    Scenario {
        name: "readback",
        about: "every field, action, group and meter goes to Open vSwitch and comes back, and reads as ovs-ofctl prints it",
        full_only: false,
        run: readback::run,
        limit_s: (120, 900),
    },
    Scenario {
        name: "trace",
        about: "random flows, groups, meters and packets: the software switch does what Open vSwitch does",
        full_only: false,
        run: trace::run,
        limit_s: (120, 1800),
    },
    Scenario {
        name: "dissect",
        about: "Wireshark decodes every type of message that we encode",
        full_only: false,
        run: dissect::run,
        limit_s: (120, 600),
    },
    Scenario {
        name: "attack",
        about: "one peer floods, dribbles, never ends an answer: the other switches' latency beside a floor's, and the memory",
        full_only: false,
        run: attack::run,
        limit_s: (120, 900),
    },
    Scenario {
        name: "twin",
        about: "two labs on one machine at the same time, with the same port numbers",
        full_only: true,
        run: twin::run,
        limit_s: (400, 400),
    },
];

/// The configuration of a lab without BGP.
pub const PLAIN_CONFIG: &str = "\
openflow:
  listen: [\"ptcp:6653:127.0.0.1\"]
http: { listen: \"127.0.0.1:9653\" }
fabric: { probe_interval: 300ms, host_timeout: 5m }
";

/// Where the bridges connect to.
pub const OPENFLOW: &str = "tcp:127.0.0.1:6653";

/// Time for all bridges to connect: Open vSwitch tries again after 1, 2, 4 and 8 seconds.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Time for all links to be discovered once the bridges are connected.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(10);

/// Waits until all bridges are connected and every link is known in both directions.
pub fn wait_discovered(controller: &mut Controller, report: &mut Report) -> Result<(), Fail> {
    let switches = controller.wait_metric(CONNECT_LIMIT, metric::SWITCHES, BRIDGES.len() as f64);
    let took = |time: Duration| format!("after {:.1} s", time.as_secs_f64());
    report.require("all four bridges are connected", switches.map(took))?;
    let links = controller.wait_metric(DISCOVERY_LIMIT, metric::LINKS, LINKS.len() as f64);
    report.require("all five links are discovered in both directions", links.map(took))
}

/// Builds the fabric, starts the controller on it, and waits until every host can reach every other.
pub fn working_fabric(lab: &Lab, report: &mut Report) -> Result<(Fabric, Controller), Fail> {
    fabric_with(lab, report, PLAIN_CONFIG, OPENFLOW)
}

/// The same with another configuration, and bridges that connect to somewhere else.
pub fn fabric_with(lab: &Lab, report: &mut Report, config: &str, to: &str) -> Result<(Fabric, Controller), Fail> {
    let mut controller = Controller::start(&lab.directory, &lab.binary, Some(config))?;
    let fabric = Fabric::build(&lab.directory, to)?;
    wait_discovered(&mut controller, report)?;
    report.require("hosts reach each other", traffic::wait_reachable(&fabric))?;
    Ok((fabric, controller))
}
