//! The command line: `run`, `demo`, `check`, `plan`, `apply`, `confirm`, `rollback`, `history`, `reload`, `audit`, `status`, `show`, `path`, `trace`,
//! `watch`, `bgp`, `decode`, `flow`, `replay`, `bench`, `pki` and `version`.
//!
//! Exit status: 0 all went well; 1 it failed (what was asked for could not be done, or a message is malformed); 2 the command line or the
//! configuration is wrong, and nothing was started.

mod ask;
mod audit;
mod bgp;
mod check;
mod decode;
mod drawing;
mod flow;
mod form;
mod log;
mod pki;
mod plan;
mod reload;
mod replay;
mod show;
mod trace;

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
    ("trunkline status", "how is the running controller?"),
    ("trunkline show switches", "what does it know?"),
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
        ("trunkline run --watch network.yaml", "and as configured from then on, whenever the file changes"),
        ("trunkline run --record /tmp/openflow", "keep every OpenFlow message, for trunkline decode and replay"),
        ("trunkline --log debug run", "say more"),
    ]))]
    Run(RunArgs),
    /// Show the controller at work on an emulated network: no root, no switches needed.
    #[command(after_help = examples(&[
        ("trunkline demo", "watch until Ctrl-C"),
        ("trunkline demo --once", "one full scenario and a summary; exit status 0 if every host reached every other"),
        ("trunkline demo --once --seed 7", "the same scenario again"),
        ("trunkline demo --graphml Abilene.graphml", "with the switches and links of a file, as the Internet Topology Zoo has them"),
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
    /// Say what another configuration would do to a running process, and touch nothing.
    ///
    /// For each switch the rules and groups that would be new (+), go (-) or do something else (~), each with the line of the configuration that causes
    /// it: of FILE, or of the one that counts for what goes. Then what it means: how full tables would be, and which known hosts would gain or lose
    /// each other, by following packets between them.
    #[command(after_help = examples(&[
        ("trunkline plan new.yaml", "what would it do?"),
        ("trunkline plan new.yaml -o json", "for programs"),
    ]))]
    Plan(plan::PlanArgs),
    /// Have a running process take on a configuration, and go back to the one before unless that is confirmed in time.
    ///
    /// It counts until the process's own file is read again. With --confirm the process goes back by itself, whether anybody is there or not: for
    /// changes that may cut the way to it. Another configuration that is taken on meanwhile ends the wait.
    #[command(after_help = examples(&[
        ("trunkline apply new.yaml --confirm 5m", "for five minutes"),
        ("trunkline confirm", "it is good: it stays"),
        ("trunkline rollback", "it is not: back at once"),
        ("trunkline apply new.yaml", "without a way back by itself"),
    ]))]
    Apply(reload::ApplyArgs),
    /// Confirm the configuration that waits for it: it stays.
    #[command(after_help = examples(&[("trunkline confirm", "after trunkline apply --confirm")]))]
    Confirm(reload::ConfirmArgs),
    /// Have a running process go back to the configuration before, or to another one that it remembers.
    #[command(after_help = examples(&[
        ("trunkline rollback", "the one before"),
        ("trunkline rollback 3", "number 3 of trunkline history"),
    ]))]
    Rollback(reload::RollbackArgs),
    /// Show which configurations a running process has taken on: when, how, and whether one waits to be confirmed.
    #[command(after_help = examples(&[
        ("trunkline history", "the last twenty, the newest first"),
        ("trunkline history -o json", "for programs"),
    ]))]
    History(reload::HistoryArgs),
    /// Have a running process take on another configuration: only what is different is done.
    ///
    /// Without FILE the process reads its own file again, as on SIGHUP. The whole file is checked first; one with an error changes nothing, and
    /// each problem is a line `FILE:LINE:COLUMN: key path: what is wrong`. The answer says what has changed, for what a session was reset, and
    /// which keys count from the next start on.
    #[command(after_help = examples(&[
        ("trunkline reload", "the process's own file, read again; exit status 2 if it is refused"),
        ("trunkline reload new.yaml", "this file instead, until its own is read again"),
        ("trunkline reload --json", "the answer for programs"),
    ]))]
    Reload(reload::ReloadArgs),
    /// Hold the switches against what the controller has put there, and have them put right.
    ///
    /// Flows and groups that somebody has added, changed or removed by hand are printed with the application that wants them and the line of the
    /// configuration that states them. It is what the controller does by itself every audit.interval. Exit status 1 if a switch could not be
    /// read to its end.
    #[command(after_help = examples(&[
        ("trunkline audit", "all connected switches"),
        ("trunkline audit s1", "one, by its name or its datapath id"),
        ("trunkline audit -o json", "for programs"),
    ]))]
    Audit(audit::AuditArgs),
    /// Say in numbers how a running controller is.
    #[command(after_help = examples(&[
        ("trunkline status", "the controller of this machine"),
        ("trunkline status --at 192.0.2.1:9653", "another one"),
        ("trunkline status -o json", "for programs"),
    ]))]
    Status(show::StatusArgs),
    /// Show what a running controller knows: switches, ports, links, neighbours, conditions, hosts, paths, flows, groups, meters, events.
    #[command(subcommand, arg_required_else_help = true, after_help = examples(&[
        ("trunkline show switches", "a table"),
        ("trunkline show flows --switch s1 -o json", "an object per line"),
        ("trunkline show hosts -o csv", "for a spreadsheet; yaml is there too"),
        ("trunkline show flows --help", "what can be chosen"),
    ]))]
    Show(show::ShowCommand),
    /// Say the way from one host or switch to another, hop by hop, or why there is none.
    #[command(after_help = examples(&[
        ("trunkline path 10.0.0.1 10.0.0.2", "between hosts, by IP address"),
        ("trunkline path 02:00:00:00:00:01 s4", "from a host to a switch"),
    ]))]
    Path(show::PathArgs),
    /// Follow a packet through the tables of every switch that it comes to: which rules it meets, where it leaves, or why it is dropped.
    ///
    /// It goes through the rules that should be there and those that are, and says where the two differ. Each rule is shown with its application
    /// and, if it is the operator's, the line of the configuration. Nothing is sent anywhere.
    #[command(after_help = examples(&[
        ("trunkline trace icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2", "from a known host to another one"),
        ("trunkline trace in_port=3,tcp,tp_dst=80 --switch s1", "any packet that comes in there"),
        ("trunkline trace in_port=3,arp --switch s1 -o json", "for programs"),
    ]))]
    Trace(trace::TraceArgs),
    /// Print events of a running controller as they come: switches, links, hosts that move, refused rules.
    #[command(after_help = examples(&[
        ("trunkline watch", "until Ctrl-C; it survives a restart of the controller"),
        ("trunkline watch --last 10 --kind link_down", "the newest ten first, links only"),
        ("trunkline watch --after 120 -o json", "go on after a gap, an object per line"),
    ]))]
    Watch(show::WatchArgs),
    /// Ask the BGP speaker of a running process: neighbours, routes, and why a route is the best. Or try a policy.
    #[command(subcommand, arg_required_else_help = true, after_help = examples(&[
        ("trunkline bgp show neighbors", "sessions and their counters"),
        ("trunkline bgp show routes", "the best routes"),
        ("trunkline bgp why 203.0.113.0/24", "every route to a prefix, and at which step it lost"),
        ("trunkline bgp policy test --help", "what becomes of a route in a policy"),
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
    /// Take on the configuration file whenever it changes, as on SIGHUP.
    #[arg(long, requires = "config")]
    watch: bool,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Run one full scenario in bounded time, print a summary, and end.
    #[arg(long)]
    once: bool,
    /// The seed of everything random: the same seed, the same course of events.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The switches and links of a GraphML file, with a host at each switch, instead of a fat-tree.
    #[arg(long, value_name = "FILE")]
    graphml: Option<PathBuf>,
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
        Command::Demo(DemoArgs { once, seed, graphml }) => match start_logging(&line.log, log::DEMO_FILTER, err) {
            Ok(()) => report(demo(DemoOptions { once, seed, graphml }), err),
            Err(status) => status,
        },
        Command::Check { file } => check::check(&file, out, err),
        Command::Plan(arguments) => plan::plan(&arguments, out, err),
        Command::Apply(arguments) => reload::apply(&arguments, out, err),
        Command::Confirm(arguments) => reload::confirm(&arguments, out, err),
        Command::Rollback(arguments) => reload::rollback(&arguments, out, err),
        Command::History(arguments) => reload::history(&arguments, out, err),
        Command::Reload(arguments) => reload::reload(&arguments, out, err),
        Command::Audit(arguments) => audit::audit(&arguments, out, err),
        Command::Status(arguments) => show::status(&arguments, out, err),
        Command::Show(command) => show::show(command, out, err),
        Command::Path(arguments) => show::path(&arguments, out, err),
        Command::Trace(arguments) => trace::trace(&arguments, out, err),
        Command::Watch(arguments) => show::watch(&arguments, out, err),
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
    let (config, text) = match &arguments.config {
        None => (Config::default(), String::new()),
        Some(file) => match Config::load_with_text(file) {
            Ok((checked, text)) => {
                for warning in &checked.warnings.0 {
                    tracing::warn!(file = %file.display(), line = warning.line, path = warning.path, "{}", warning.message);
                }
                (checked.config, text)
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
    let RunArgs { config: config_file, plain_from, record, watch } = arguments;
    report(run(RunOptions { config, text, config_file, plain_from, record, watch }), err)
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
