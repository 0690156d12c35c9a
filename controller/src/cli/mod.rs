//! The command line: `run`, `demo`, `check`, `bgp`, `decode`, `flow`, `replay`, `bench`, `pki` and `version`.
//!
//! Exit status: 0 all went well; 1 it failed (what was asked for could not be done, or a message is malformed); 2 the command line or the
//! configuration is wrong, and nothing was started.

mod bgp;
mod check;
mod decode;
mod flow;
mod log;
mod pki;
mod replay;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use net::Prefix;

use crate::bench::{BenchCommand, bench};
use crate::config::Config;
use crate::demo::{DemoOptions, demo};
use crate::run::{RunOptions, run};

/// The exit status for a wrong command line or configuration; clap uses the same one.
const BAD_USAGE: u8 = 2;

const EXIT_STATUS: &str = "\
Exit status:
  0  all went well
  1  it failed: what was asked for could not be done, or a message is malformed
  2  the command line or the configuration is wrong; nothing was started";

/// One control plane for a network's switches and routers: OpenFlow 1.3 controller, BGP speaker, topology discovery, metrics.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, arg_required_else_help = true, after_help = examples(&[
    ("trunkline run", "control the switches of this machine, without any configuration"),
    ("trunkline run network.yaml", "the same as configured"),
    ("trunkline demo", "see it work on an emulated network"),
    ("trunkline check network.yaml", "see what is wrong with a configuration"),
]))]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: log::LogOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controller until it is told to stop (Ctrl-C, SIGTERM).
    ///
    /// Without a configuration file it waits for switches at port 6653 (OpenFlow 1.3), takes plain TCP from this machine only, and serves
    /// metrics at http://127.0.0.1:9653/metrics.
    #[command(after_help = examples(&[
        ("trunkline run", "built-in defaults: every switch of this machine, one flat network"),
        ("trunkline run /etc/trunkline/network.yaml", "as configured"),
        ("trunkline run --plain-from 192.0.2.0/24", "take switches from there too, without TLS"),
        ("trunkline run --record /tmp/openflow", "keep every OpenFlow message, for trunkline decode and replay"),
        ("trunkline --log debug run", "say more"),
    ]))]
    Run(RunArgs),
    /// Show the controller at work on an emulated network: no root, no switches needed.
    #[command(after_help = examples(&[
        ("trunkline demo", "watch until Ctrl-C"),
        ("trunkline demo --once", "one full scenario and a summary; exit status 0 if every host reached every other"),
        ("trunkline demo --once --seed 7", "the same scenario again"),
    ]))]
    Demo(DemoArgs),
    /// Check a configuration file and say everything that is wrong with it.
    ///
    /// Each problem is a line `FILE:LINE:COLUMN: key path: what is wrong`. Files that the configuration names are opened.
    #[command(after_help = examples(&[
        ("trunkline check network.yaml", "exit status 0 if it is good, 2 if not"),
        ("generate-config | trunkline check -", "from standard input"),
    ]))]
    Check {
        /// The configuration file, or - for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Ask the BGP speaker of a running process: neighbours, routes, and why a route is the best.
    #[command(subcommand, arg_required_else_help = true, after_help = examples(&[
        ("trunkline bgp show neighbors", "sessions and their counters"),
        ("trunkline bgp show routes", "the best routes"),
        ("trunkline bgp why 203.0.113.0/24", "every route to a prefix, and at which step it lost"),
    ]))]
    Bgp(bgp::BgpCommand),
    /// Decode protocol messages to JSON, one object per message and line.
    ///
    /// The input is hex text (spaces, colons, commas, 0x, line breaks and # comments are passed over; no offsets) or binary, which is
    /// found out by looking. OpenFlow is also taken out of capture files (pcap, pcapng; recordings of this program too), with time,
    /// connection and direction. OpenFlow and BGP input may hold several messages one after the other; LLDP input is one whole Ethernet
    /// frame; MRT input is a binary file of any size. What is well-formed but means nothing good is listed under `problems`. What is malformed gives an object with `error`
    /// (offset, field, kind) and exit status 1.
    #[command(after_help = examples(&[
        ("trunkline decode openflow hello.bin", "a file"),
        ("trunkline decode openflow capture.pcapng", "every OpenFlow message that tcpdump or a recording has caught"),
        ("trunkline decode openflow --help", "the options for a protocol"),
        ("trunkline decode bgp update.hex", "BGP"),
        ("trunkline decode lldp frame.bin", "a whole Ethernet frame"),
        ("trunkline decode mrt updates.mrt", "routes and messages of a route collector"),
    ]))]
    Decode {
        #[command(subcommand)]
        command: decode::DecodeCommand,
    },
    /// Read a flow in ovs-ofctl's syntax and print it as text, as JSON and as the message in hex.
    ///
    /// The text is what `ovs-ofctl add-flow` takes or `dump-flows` prints; `modify`, `modify_strict`, `delete` or `delete_strict` may
    /// stand before it. Nothing is sent anywhere. An error says where the text is wrong and what may have been meant.
    #[command(after_help = examples(&[
        ("trunkline flow priority=10,ip,nw_dst=10.0.0.0/8,actions=output:2", "a flow"),
        ("trunkline flow 'delete table=1,in_port=3'", "a deletion"),
        ("trunkline flow --group group_id=1,type=all,bucket=output:1,bucket=output:2", "a group"),
        ("trunkline flow --meter meter=1,kbps,band=type=drop,rate=1000", "a meter"),
    ]))]
    Flow(flow::FlowArgs),
    /// Measure a controller or a BGP daemon from outside, beside a floor.
    #[command(subcommand, arg_required_else_help = true, after_help = examples(&[
        ("trunkline bench openflow", "packet-ins answered and latency, for 1, 16 and 64 switches"),
        ("trunkline bench bgp", "routes through a BGP speaker: CPU, memory, time to converge"),
        ("trunkline bench openflow --help", "all modes"),
    ]))]
    Bench(BenchCommand),
    /// Feed recorded messages of switches to a controller core, and print what it would send.
    ///
    /// Nothing is connected: time is that of the recording. A recording of this program (trunkline run --record) gives the same messages
    /// again, as long as the program is the same; --diff says where it would now do something else. Notes go to standard error.
    #[command(after_help = examples(&[
        ("trunkline replay openflow-1763739008000-0001.pcapng", "a line per message, in ovs-ofctl's words"),
        ("trunkline replay --diff openflow-1763739008000-*.pcapng", "a whole run: is everything as it was then?"),
        ("trunkline replay --json capture.pcap", "what would this program have answered?"),
    ]))]
    Replay(replay::ReplayArgs),
    /// Make certificates for switches and controller, and print what to configure.
    #[command(after_help = examples(&[
        ("trunkline pki init", "an authority and the controller's certificate"),
        ("trunkline pki switch s1 --datapath-id 0x1", "a certificate that is good for this switch only"),
    ]))]
    Pki(pki::PkiArgs),
    /// Print the version.
    #[command(after_help = examples(&[("trunkline version", "name and version on one line")]))]
    Version,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The configuration file; without it, built-in defaults.
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Take switches from here without TLS, besides openflow.plain_from. May be given more than once.
    #[arg(long, value_name = "CIDR", value_parser = parse_prefix)]
    plain_from: Vec<Prefix>,
    /// Record every OpenFlow message in files of this folder, as openflow.record does.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Run one full scenario in bounded time, print a summary, and end.
    #[arg(long)]
    once: bool,
    /// The seed of everything random: the same seed, the same course of events.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Does what the command line says, and returns the exit status.
pub fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let status = run_command(std::env::args_os(), &mut out, &mut io::stderr());
    // A reader that has gone away (`trunkline decode … | head`) wants no more; that is no failure of ours.
    let _ = out.flush();
    ExitCode::from(status)
}

/// [`main`] with its inputs and outputs given.
fn run_command(arguments: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            let text = error.render();
            let _ = if error.use_stderr() { write!(err, "{text}") } else { write!(out, "{text}") };
            return u8::try_from(error.exit_code()).unwrap_or(BAD_USAGE);
        }
    };
    match line.command {
        Command::Run(arguments) => match start_logging(&line.log, log::RUN_FILTER, err) {
            Ok(()) => start(arguments, err),
            Err(status) => status,
        },
        Command::Demo(DemoArgs { once, seed }) => match start_logging(&line.log, log::DEMO_FILTER, err) {
            Ok(()) => report(demo(DemoOptions { once, seed }), err),
            Err(status) => status,
        },
        Command::Check { file } => check::check(&file, out, err),
        Command::Bgp(command) => bgp::run(command, out, err),
        Command::Decode { command } => decode::run(command, out, err),
        Command::Flow(arguments) => flow::run(arguments, out, err),
        Command::Bench(command) => match start_logging(&line.log, log::RUN_FILTER, err) {
            Ok(()) => report(bench(command, out).map_err(Into::into), err),
            Err(status) => status,
        },
        Command::Replay(arguments) => replay::replay(arguments, out, err),
        Command::Pki(arguments) => pki::pki(arguments, out, err),
        Command::Version => {
            let _ = writeln!(out, "trunkline {}", env!("CARGO_PKG_VERSION"));
            0
        }
    }
}

fn start_logging(options: &log::LogOptions, default: &str, err: &mut dyn Write) -> Result<(), u8> {
    log::start(options, default).map_err(|message| {
        let _ = writeln!(err, "trunkline: {message}");
        BAD_USAGE
    })
}

fn start(arguments: RunArgs, err: &mut dyn Write) -> u8 {
    let mut config = match &arguments.config {
        None => Config::default(),
        Some(file) => match Config::load(file) {
            Ok(checked) => {
                for warning in &checked.warnings.0 {
                    tracing::warn!(file = %file.display(), line = warning.line, path = warning.path, "{}", warning.message);
                }
                checked.config
            }
            Err(error) => {
                let _ = writeln!(err, "{error}");
                return BAD_USAGE;
            }
        },
    };
    if let Some(reason) = check::unusable_tls(&config) {
        let file = arguments.config.as_deref().unwrap_or(std::path::Path::new("built-in defaults"));
        let _ = writeln!(err, "{}: openflow.tls: {reason}", file.display());
        return BAD_USAGE;
    }
    for prefix in arguments.plain_from {
        if !config.openflow.plain_from.contains(&prefix) {
            config.openflow.plain_from.push(prefix);
        }
    }
    if arguments.record.is_some() {
        config.openflow.record = arguments.record;
    }
    report(run(RunOptions { config, config_file: arguments.config }), err)
}

fn report(result: Result<(), Box<dyn std::error::Error + Send + Sync>>, err: &mut dyn Write) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            let _ = writeln!(err, "trunkline: {error}");
            1
        }
    }
}

fn parse_prefix(text: &str) -> Result<Prefix, String> {
    text.parse().map_err(|error: net::ParsePrefixError| error.to_string())
}

/// The end of a help text: examples, then the exit status.
pub(crate) fn examples(rows: &[(&str, &str)]) -> String {
    let width = rows.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let mut text = String::from("Examples:\n");
    for (command, what) in rows {
        text.push_str(&format!("  {command:width$}  {what}\n"));
    }
    text.push('\n');
    text.push_str(EXIT_STATUS);
    text
}

#[cfg(test)]
mod tests;
