//! `trunkline bench bgp`: figures of a BGP daemon from outside, beside other daemons and a floor.
//!
//! ```text
//! this process                       another process
//! senders, each with a table ──TCP──► the daemon ──TCP──► receivers, in this process
//!                            ──TCP──► the floor: the same octets, passed on unread
//! ```
//! Daemons are measured one after the other, each fresh for each case, so that a ratio holds on a machine that is busy or slow. A case ends when
//! every receiver has every prefix with the attributes that it has to have: a wrong answer is an error and never a figure.

mod cases;
mod daemon;
mod feed;
mod figures;
mod floor;
mod heard;
mod load;
mod table;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::process::Folder;
use cases::Prepared;
use daemon::Daemon;
use figures::{BgpFigures, Measured, Row};
use table::Family;

pub use floor::BgpFloorArgs;

/// The help's end.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("trunkline bench bgp", "all cases at full size, beside the floor"),
    ("trunkline bench bgp --peer bird --peer frr", "the same cases of BIRD 2 and FRR in the same run"),
    ("trunkline bench bgp --case a,c --scale 0.1", "two cases with a tenth of the routes"),
    ("trunkline bench bgp --case a --peer bird --policy --only-peers", "twenty statements of policy"),
    ("trunkline bench bgp --peer 'mine=/opt/start.sh {port} {neighbors}'", "any daemon, by a script"),
];

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Case {
    /// One sender with 1,000,000 IPv4 routes, one receiver.
    A,
    /// 10 senders with 100,000 routes each, none in common, 10 receivers.
    B,
    /// 10 senders with the same 200,000 prefixes, each best for a tenth of them; one receiver.
    C,
    /// One sender with 200,000 routes, 50 receivers.
    D,
    /// One sender with 200,000 IPv6 routes, one receiver.
    E,
    /// 1,000,000 routes are loaded: from announcing one more prefix until the receiver has it. Then again while another sender loads the same
    /// 1,000,000 prefixes with longer paths.
    F,
    /// Two senders with the same 200,000 prefixes; the better one changes all it has, again and again for a second: the best route moves to the
    /// other and back.
    Churn,
    /// Two senders with the same 1,000,000 prefixes and 4 receivers: the better one's connection ends.
    G,
}

/// How many of what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shape {
    senders: usize,
    receivers: usize,
    family: Family,
    prefixes: usize,
}

impl Case {
    const ALL: [Case; 8] = [Case::A, Case::B, Case::C, Case::D, Case::E, Case::F, Case::Churn, Case::G];

    const fn shape(self) -> Shape {
        let (senders, receivers, prefixes) = match self {
            Case::A => (1, 1, 1_000_000),
            Case::B => (10, 10, 1_000_000),
            Case::C => (10, 1, 200_000),
            Case::D => (1, 50, 200_000),
            Case::E => (1, 1, 200_000),
            Case::F => (3, 1, 1_000_000),
            Case::Churn => (2, 1, 200_000),
            Case::G => (2, 4, 1_000_000),
        };
        let family = if matches!(self, Case::E) { Family::V6 } else { Family::V4 };
        Shape { senders, receivers, family, prefixes }
    }

    const fn name(self) -> &'static str {
        match self {
            Case::A => "A",
            Case::B => "B",
            Case::C => "C",
            Case::D => "D",
            Case::E => "E",
            Case::F => "F",
            Case::Churn => "churn",
            Case::G => "G",
        }
    }
}

/// The arguments of `trunkline bench bgp`.
#[derive(Clone, Debug, Args)]
pub struct BgpArgs {
    /// What to measure; without it, all.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CASE,…", ignore_case = true)]
    case: Vec<Case>,
    /// Share of each case's full size.
    #[arg(long, value_name = "SHARE", default_value = "1", value_parser = parse_scale)]
    scale: f64,
    /// Another daemon to measure beside: bird, frr, gobgp or openbgpd, as Debian installs them; or a name, = and a shell command that stays in the
    /// foreground, in which {port} is where it has to listen and {neighbors} a JSON file that says whom it has to take. May be given more than
    /// once. One that is not installed is left out, and the report says so.
    #[arg(long, value_name = "DAEMON", value_parser = Daemon::parse)]
    peer: Vec<Daemon>,
    /// Leave Trunkline out: only the peers and the floor.
    #[arg(long, requires = "peer")]
    only_peers: bool,
    /// Leave the floor out.
    #[arg(long)]
    no_floor: bool,
    /// Put what senders say through a policy of twenty statements: prefixes, paths, communities. For ours, BIRD and FRR, and not for case E.
    #[arg(long)]
    policy: bool,
    /// Rounds of each case, all daemons in turn; figures are medians over them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// What decides the tables: the same seed, the same routes.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Seconds that a daemon has to converge in; then the case fails, and what is missing is said.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = super::parse_seconds)]
    limit: Duration,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn parse_scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
    if (0.0001..=3.0).contains(&scale) { Ok(scale) } else { Err("has to be 0.0001 to 3".to_owned()) }
}

/// What all cases share.
struct Bench {
    arguments: BgpArgs,
    folder: Folder,
    interrupted: Arc<AtomicBool>,
}

/// Measures as the command line says.
pub(super) fn bgp(arguments: BgpArgs, out: &mut dyn Write) -> Result<(), String> {
    let interrupted = Arc::new(AtomicBool::new(false));
    super::notice_signals(interrupted.clone())?;
    let json = arguments.json;
    let mut figures = BgpFigures {
        scale: arguments.scale,
        policy: arguments.policy,
        rounds: arguments.rounds,
        ..BgpFigures::default()
    };
    let bench = Bench { arguments, folder: Folder::create()?, interrupted };
    let result = measure(&bench, &mut figures);
    figures.compare();
    // What has been measured before an error or Ctrl-C is shown all the same.
    let written = if json {
        serde_json::to_writer_pretty(&mut *out, &figures).map_err(Into::into).and_then(|()| writeln!(out))
    } else {
        figures.print(out)
    };
    written.map_err(|error| format!("cannot write: {error}"))?;
    result?;
    match figures.rows.iter().filter(|row| row.error.is_some()).count() {
        0 => Ok(()),
        count => Err(format!("{count} measurements have failed")),
    }
}

/// The floor by itself.
pub(super) fn bgp_floor(arguments: BgpFloorArgs) -> Result<(), String> {
    floor::floor(arguments)
}

fn measure(bench: &Bench, figures: &mut BgpFigures) -> Result<(), String> {
    let arguments = &bench.arguments;
    let own = [(Daemon::Floor, !arguments.no_floor), (Daemon::Trunkline, !arguments.only_peers)];
    let own = own.into_iter().filter(|(_, wanted)| *wanted).map(|(daemon, _)| daemon);
    let mut daemons: Vec<Daemon> = own.chain(arguments.peer.iter().cloned()).collect();
    daemons.retain(|daemon| match daemon.unavailable(arguments.policy) {
        None => true,
        Some(why) => {
            tracing::warn!("{} is left out: {why}", daemon.name());
            figures.skipped.push(format!("{}: {why}", daemon.name()));
            false
        }
    });
    let cases = if arguments.case.is_empty() { Case::ALL.to_vec() } else { arguments.case.clone() };
    for case in cases {
        if arguments.policy && case.shape().family == Family::V6 {
            figures.skipped.push(format!("case {}: the policy is for IPv4", case.name()));
            continue;
        }
        let prepared = Prepared::new(case, arguments.scale, arguments.seed);
        // By daemon the rounds, in each the one or two rows of the case.
        let mut results: Vec<Result<Vec<Vec<Measured>>, String>> = vec![Ok(Vec::new()); daemons.len()];
        for round in 1..=arguments.rounds {
            for (daemon, result) in daemons.iter().zip(&mut results) {
                let Ok(rounds) = result else { continue };
                tracing::info!("case {}, round {round} of {}: {}", case.name(), arguments.rounds, daemon.name());
                match prepared.measure(bench, daemon) {
                    Ok(measured) => rounds.push(measured),
                    Err(error) if bench.interrupted.load(Ordering::Relaxed) => return Err(error),
                    Err(error) => {
                        tracing::error!("case {}: {}: {error}", case.name(), daemon.name());
                        *result = Err(error);
                    }
                }
            }
        }
        for (daemon, result) in daemons.iter().zip(results) {
            match result {
                Ok(rounds) => {
                    let rows = rounds.first().map_or(0, Vec::len);
                    for row in 0..rows {
                        let of_row: Vec<Measured> = rounds.iter().filter_map(|round| round.get(row)).cloned().collect();
                        figures.rows.push(Row::new(case.name(), daemon.name(), &of_row));
                    }
                }
                Err(error) => figures.rows.push(Row::failed(case.name(), daemon.name(), error)),
            }
        }
    }
    Ok(())
}
