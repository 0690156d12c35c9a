//! `trunkline bench`: figures of a running controller or BGP speaker, from outside, beside a floor.
//!
//! ```text
//! this process                     other processes
//! emulated switches ──TCP──► the controller (`trunkline run`, or any other)
//!                   ──TCP──► the floor: reads and writes the same octets, looks at none
//! ```
//! Controller and floor are measured in turn within one run, so that a ratio holds on a machine that is busy or slow. CPU comes from `/proc`.

mod answers;
mod attack;
mod bgp;
mod connect;
mod figures;
mod flood;
mod floor;
mod load;
mod paths;
mod process;
mod switch;
mod traffic;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use figures::Figures;
use process::{Folder, Process};

pub use bgp::{BgpArgs, BgpFloorArgs};
pub use flood::FloodArgs;
pub use floor::FloorArgs;
pub use paths::PathsArgs;
pub use traffic::{Frame, Workload};

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// A controller's OpenFlow channel: emulated switches over TCP, beside a floor that reads and writes the same octets.
    ///
    /// Starts a controller of its own and the floor, each as a process on a free port. Figures are per answer: a PACKET_OUT that is no
    /// link probe. Ratios are against the floor in the same run; on a machine that others use too, compare CPU first.
    #[command(after_help = crate::cli::examples(EXAMPLES))]
    Openflow(Box<OpenflowArgs>),
    /// A BGP daemon: how fast routes come through, and what they cost, beside other daemons and a floor that passes the same octets on.
    ///
    /// Starts `trunkline run`, the daemons of --peer and the floor in turn, each as a process on a free port, as routers with senders of made-up
    /// tables like the Internet's and with receivers, all on 127.0.0.0/8. A case has ended when every receiver has every prefix with the right
    /// attributes; anything else is an error. Compare CPU and memory first: wall time has this program's own share in it, and the floor's shows how
    /// much that is.
    #[command(after_help = crate::cli::examples(bgp::EXAMPLES))]
    Bgp(Box<BgpArgs>),
    /// Path computation: time and memory for the next hops between all pairs of a fat-tree's switches, and what a lost link or switch takes.
    ///
    /// Runs in this process, on one thread, beside petgraph's Dijkstra for each destination and for each pair, which finds distances and no next hops,
    /// and beside networkx where TRUNKLINE_PYTHON names a Python that has it. Each change is made and taken back; links and switches are taken from
    /// all over the tree, the same ones in each run. Then the same changes at the whole core with emulated switches and hosts around it: rules and groups
    /// that are sent, and how long packet-ins wait while ten links a second come and go.
    #[command(after_help = crate::cli::examples(paths::EXAMPLES))]
    Paths(PathsArgs),
    /// The floor of `bgp` by itself; `bgp` starts it.
    #[command(hide = true)]
    BgpFloor(BgpFloorArgs),
    /// The floor by itself; `openflow` starts it.
    #[command(hide = true)]
    Floor(FloorArgs),
    /// Misbehaves until standard input ends; `openflow --mode attack` starts it.
    #[command(hide = true)]
    Flood(FloodArgs),
}

/// Shown at the end of the help.
const EXAMPLES: &[(&str, &str)] = &[
    ("trunkline bench openflow", "throughput and latency for 1, 16 and 64 switches, hosts known"),
    ("trunkline bench openflow --workload new", "each packet-in has a new source: flow-mods too"),
    ("trunkline bench openflow --mode connect", "1,000 switches connect, 32 at a time and all at once"),
    ("trunkline bench openflow --mode attack", "latency while another peer floods, dribbles or connects"),
    ("trunkline bench openflow --peer 'ovs=ovs-testcontroller ptcp:{port}'", "another controller in the same run"),
    ("trunkline bench openflow --controller 192.0.2.1:6653 --frame udp", "one that runs already: a learning switch"),
];

/// How a controller is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Mode {
    /// As many answers as it gives.
    Throughput,
    /// One packet-in open per switch.
    Latency,
    /// Switches that connect, and their memory.
    Connect,
    /// Latency while somebody misbehaves.
    Attack,
}

/// The arguments of `trunkline bench openflow`.
#[derive(Clone, Debug, Args)]
pub struct OpenflowArgs {
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "throughput,latency")]
    mode: Vec<Mode>,
    /// How many switches, one row each. Without it: 1,16,64; 1000 for connect; 16 for attack.
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    switches: Vec<u32>,
    /// A controller that runs already; without it, `trunkline run` is started.
    #[arg(long, value_name = "ADDRESS")]
    controller: Option<SocketAddr>,
    /// The process id of that controller, if it is on this machine: for its CPU and memory.
    #[arg(long, value_name = "PID", requires = "controller")]
    pid: Option<u32>,
    /// Another controller to measure beside: a name, = and a shell command in which {port} is where it has to listen. May be given more than once.
    #[arg(long, value_name = "NAME=COMMAND", value_parser = parse_peer)]
    peer: Vec<(String, String)>,
    /// Leave Trunkline out: only the peers.
    #[arg(long, requires = "peer", conflicts_with = "controller")]
    only_peers: bool,
    /// What the packet-ins are about.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "known")]
    workload: Vec<Workload>,
    /// The frames in the packet-ins of --controller. `trunkline run` gets arp, a --peer gets udp.
    #[arg(long, value_enum, default_value = "arp")]
    frame: Frame,
    /// Seconds of one round of throughput or latency.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    duration: Duration,
    /// Rounds, controller and floor in turn; rates are medians over them.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Packet-ins that each switch has open in mode throughput.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    window: u64,
    /// Senders of one round of --workload new, over all switches. A fresh controller is started for each round.
    #[arg(long, value_name = "N", default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(1..=900_000))]
    hosts: u32,
    /// Mode connect: how many at a time, one row each; 0 is all at once.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "32,0")]
    at_once: Vec<u32>,
    /// Mode attack: which; without it, all.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    attack: Vec<flood::Kind>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

fn parse_peer(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, command)) if !name.is_empty() && command.contains("{port}") => {
            Ok((name.to_owned(), command.to_owned()))
        }
        _ => Err("has to be NAME=COMMAND with {port} in the command".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "is not a number of seconds".to_owned())?;
    if (0.01..=3_600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("has to be 0.01 to 3600 seconds".to_owned())
    }
}

/// A controller to measure, and how it is reached.
#[derive(Clone, Debug)]
enum Subject {
    Trunkline,
    Running { address: SocketAddr, pid: Option<u32>, frame: Frame },
    Peer { name: String, command: String },
}

impl Subject {
    fn name(&self) -> String {
        match self {
            Subject::Trunkline => "trunkline".to_owned(),
            Subject::Running { address, .. } => address.to_string(),
            Subject::Peer { name, .. } => name.clone(),
        }
    }

    fn frame(&self) -> Frame {
        match self {
            Subject::Trunkline => Frame::Arp,
            Subject::Running { frame, .. } => *frame,
            Subject::Peer { .. } => Frame::Udp,
        }
    }

    /// A fresh one, unless somebody else has started it.
    fn start(&self, bench: &Bench) -> Result<Started, String> {
        match self {
            Subject::Trunkline => Process::trunkline(&bench.folder, &bench.interrupted).map(Started::measured),
            Subject::Peer { name, command } => {
                Process::command(name, command, &bench.folder, &bench.interrupted).map(Started::measured)
            }
            Subject::Running { address, pid, .. } => {
                process::reachable(*address)?;
                let process = pid.map(|pid| Process::running(pid, *address)).transpose()?;
                Ok(Started { address: *address, process })
            }
        }
    }
}

/// A controller that runs.
struct Started {
    address: SocketAddr,
    /// Unknown if it is on another machine.
    process: Option<Process>,
}

impl Started {
    fn measured(process: Process) -> Started {
        Started { address: process.address(), process: Some(process) }
    }

    fn cpu(&self) -> Option<u64> {
        self.process.as_ref().map(Process::cpu)
    }

    fn resident(&self) -> Option<u64> {
        self.process.as_ref().map(Process::resident)
    }

    /// If the controller is gone, that is the error.
    fn blame(&mut self, error: String) -> String {
        self.process.as_mut().and_then(Process::gone).unwrap_or(error)
    }
}

/// What all modes share.
struct Bench {
    arguments: OpenflowArgs,
    folder: Folder,
    interrupted: Arc<AtomicBool>,
}

impl Bench {
    fn switches(&self, default: &[u32]) -> Vec<u32> {
        if self.arguments.switches.is_empty() { default.to_vec() } else { self.arguments.switches.clone() }
    }

    fn progress(&self, text: &str) {
        tracing::info!("{text}");
    }
}

/// Measures as the command line says.
///
/// # Errors
/// What kept it from measuring, as a sentence for the operator.
pub fn bench(command: BenchCommand, out: &mut dyn Write) -> Result<(), String> {
    match command {
        BenchCommand::Bgp(arguments) => bgp::bgp(*arguments, out),
        BenchCommand::BgpFloor(arguments) => bgp::bgp_floor(arguments),
        BenchCommand::Paths(arguments) => paths::paths(&arguments, out),
        BenchCommand::Floor(arguments) => floor::floor(arguments),
        BenchCommand::Flood(arguments) => flood::flood(&arguments, out),
        BenchCommand::Openflow(arguments) => openflow(*arguments, out),
    }
}

fn openflow(arguments: OpenflowArgs, out: &mut dyn Write) -> Result<(), String> {
    let interrupted = Arc::new(AtomicBool::new(false));
    notice_signals(interrupted.clone())?;
    let json = arguments.json;
    let bench = Bench { arguments, folder: Folder::create()?, interrupted };
    let mut figures = Figures::default();
    let result = measure(&bench, &mut figures);
    // What has been measured before an error or Ctrl-C is shown all the same.
    let written = if json {
        serde_json::to_writer_pretty(&mut *out, &figures).map_err(Into::into).and_then(|()| writeln!(out))
    } else {
        figures.print(out)
    };
    result.and(written.map_err(|error| format!("cannot write: {error}")))
}

fn measure(bench: &Bench, figures: &mut Figures) -> Result<(), String> {
    let arguments = &bench.arguments;
    let mut subjects = Vec::new();
    match arguments.controller {
        Some(address) => {
            subjects.push(Subject::Running { address, pid: arguments.pid, frame: arguments.frame });
        }
        None if arguments.only_peers => {}
        None => subjects.push(Subject::Trunkline),
    }
    let peers = arguments.peer.iter();
    subjects.extend(peers.map(|(name, command)| Subject::Peer { name: name.clone(), command: command.clone() }));
    for mode in &arguments.mode {
        match mode {
            Mode::Throughput | Mode::Latency => {
                for &workload in &arguments.workload {
                    for switches in bench.switches(&[1, 16, 64]) {
                        for subject in &subjects {
                            if *mode == Mode::Throughput {
                                figures.throughput.push(answers::throughput(bench, subject, workload, switches)?);
                            } else {
                                figures.latency.push(answers::latency(bench, subject, workload, switches)?);
                            }
                        }
                    }
                }
            }
            Mode::Connect => {
                for switches in bench.switches(&[1_000]) {
                    for &at_once in &arguments.at_once {
                        for subject in &subjects {
                            figures.connect.push(connect::connect(bench, subject, switches, at_once)?);
                        }
                    }
                }
            }
            Mode::Attack => {
                for switches in bench.switches(&[16]) {
                    for subject in &subjects {
                        attack::attack(bench, subject, switches, &mut figures.attack)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Ctrl-C and SIGTERM end what is being measured, and the processes that were started.
pub(crate) fn notice_signals(interrupted: Arc<AtomicBool>) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let text = |error: std::io::Error| format!("cannot handle signals: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt()).map_err(text)?, signal(SignalKind::terminate()).map_err(text)?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        interrupted.store(true, Ordering::Relaxed);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_needs_a_name_and_a_port() {
        assert_eq!(parse_peer("a=b {port} c=d"), Ok(("a".to_owned(), "b {port} c=d".to_owned())));
        for bad in ["b {port}", "=b {port}", "a=b"] {
            assert!(parse_peer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_duration_is_positive_and_bounded() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["0", "-1", "NaN", "inf", "4000", "x"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
    }
}
