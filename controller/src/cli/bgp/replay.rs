//! `trunkline bgp replay`: a table or an update trace out of an MRT file (RFC 6396), said to a BGP router as if we were the peer that the
//! collector heard it from.

mod session;
mod source;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bgp::session::{FamilyConfig, SessionConfig};
use bgp::wire::{AddPathMode, Asn, Family, RouterId};
use clap::Args;
use net::Time;

use session::Speaking;
use source::{Choice, Item, Origin, Survey};

/// The port of BGP (RFC 4271 §8.2.1).
const BGP_PORT: u16 = 179;
/// Peers that an error lists; a collector has some hundred.
const LISTED_PEERS: usize = 40;
/// Longest pause in a trace that is waited for, at any speed: a clock that jumped must not stop a replay for years.
const PAUSE_LIMIT: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// An MRT file: a table (TABLE_DUMP_V2, TABLE_DUMP) or messages (BGP4MP). Packed ones have to be unpacked first.
    file: PathBuf,
    /// The router to say it to; it must know us as its neighbour. The port is 179 unless given.
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = endpoint)]
    to: SocketAddr,
    /// Whose routes, by the peer's number in the file's table of peers.
    #[arg(long, value_name = "N", conflicts_with = "neighbor")]
    peer_index: Option<u16>,
    /// Whose routes or messages, by the peer's address in the file.
    #[arg(long, value_name = "ADDRESS")]
    neighbor: Option<IpAddr>,
    /// The AS to speak as; without it that of the peer in the file.
    #[arg(long, value_name = "ASN")]
    asn: Option<Asn>,
    /// Our BGP identifier; without it that of the peer in the file, or 10.255.255.1.
    #[arg(long, value_name = "IPV4")]
    router_id: Option<Ipv4Addr>,
    /// The address to connect from.
    #[arg(long, value_name = "ADDRESS")]
    local_address: Option<IpAddr>,
    /// Next hop of all routes of its family, in place of those in the file, which the router may not reach. May be given twice.
    #[arg(long, value_name = "ADDRESS")]
    next_hop: Vec<IpAddr>,
    /// Messages in their recorded time; without it as fast as the router takes them.
    #[arg(long)]
    real_time: bool,
    /// Messages in their recorded time, so many times as fast.
    #[arg(long, value_name = "FACTOR", conflicts_with = "real_time", value_parser = factor)]
    speed: Option<f64>,
    /// Hold the session this many seconds after the last route, then end it; without it until Ctrl-C. The router drops the routes with the session.
    #[arg(long, value_name = "SECONDS")]
    stay: Option<u64>,
}

fn endpoint(text: &str) -> Result<SocketAddr, String> {
    let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, BGP_PORT));
    bare.or_else(|_| text.parse()).map_err(|_| "not ADDRESS, ADDRESS:PORT or [IPV6]:PORT".to_owned())
}

fn factor(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err("has to be above 0".to_owned()) }
}

/// Does it; returns the exit status.
pub(super) fn replay(arguments: &ReplayArgs, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match run(arguments, out, err) {
        Ok(()) => 0,
        Err(message) => {
            let _ = writeln!(err, "trunkline: {message}");
            1
        }
    }
}

fn run(arguments: &ReplayArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), String> {
    let file = arguments.file.as_path();
    let survey = source::survey(file)?;
    let origin = choose(&survey, arguments, file)?;
    let mut say = |text: String| {
        let _ = writeln!(out, "{text}");
        let _ = out.flush();
    };
    say(format!(
        "{}: AS{} {}: {} routes, {} messages",
        file.display(),
        origin.asn,
        origin.address,
        origin.routes,
        origin.messages
    ));
    let (mut speaking, negotiated) =
        Speaking::connect(arguments.to, arguments.local_address, config(arguments, origin))?;
    let families = negotiated.families.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    say(format!(
        "session with {} up: AS{}, {}, {families}",
        arguments.to, negotiated.peer_asn, negotiated.peer_router_id
    ));
    if origin.add_path && negotiated.encode.add_path.is_empty() {
        let _ = writeln!(
            err,
            "trunkline: the peer in the file has several paths of a prefix and {} takes one: of each prefix of a table the first is sent, and a \
             trace is sent as if its paths were one",
            arguments.to
        );
    }
    let started = Instant::now();
    let mut sender = source::Sender::new(&negotiated, &arguments.next_hop);
    let speed = if arguments.real_time { Some(1.0) } else { arguments.speed };
    let mut pace = Pace { speed, started, first: None };
    let choice = Choice::of(origin);
    source::read(file, &choice, |at, item| {
        if let Item::Message { .. } = item {
            // What is due now goes out before the pause.
            let due = pace.due(at);
            if due > Instant::now() {
                speaking.send(sender.flush())?;
                speaking.wait_until(due)?;
            }
        }
        if let Some(octets) = sender.take(item) {
            speaking.send(octets)?;
        }
        Ok(())
    })?;
    speaking.send(sender.finish())?;
    let seconds = started.elapsed().as_secs_f64();
    say(format!(
        "sent {} routes and {} withdrawals in {} messages, {:.1} s",
        sender.announced, sender.withdrawn, sender.messages, seconds
    ));
    if sender.left_out > 0 {
        let _ = writeln!(
            err,
            "trunkline: left out: {} routes or messages that are malformed, of families or further paths that were not agreed on, or too long for the session",
            sender.left_out
        );
    }
    match arguments.stay {
        Some(seconds) => speaking.wait_until(Instant::now() + Duration::from_secs(seconds))?,
        None => {
            say("the session stays up until Ctrl-C".to_owned());
            speaking.wait_until(Instant::now() + PAUSE_LIMIT * 365)?;
        }
    }
    speaking.end();
    Ok(())
}

/// Recorded time to ours.
struct Pace {
    speed: Option<f64>,
    started: Instant,
    first: Option<Duration>,
}

impl Pace {
    /// When a message of the recorded time `at` is due.
    fn due(&mut self, at: Duration) -> Instant {
        let Some(speed) = self.speed else { return self.started };
        let first = *self.first.get_or_insert(at);
        let after = at.saturating_sub(first).min(PAUSE_LIMIT);
        self.started + after.div_f64(speed)
    }
}

/// The peer of the file that we are.
fn choose<'s>(survey: &'s Survey, arguments: &ReplayArgs, file: &Path) -> Result<&'s Origin, String> {
    let name = file.display();
    let wanted = |origin: &&Origin| match (arguments.peer_index, arguments.neighbor) {
        (Some(index), _) => origin.index == Some(index),
        (_, Some(address)) => origin.address == address,
        _ => origin.routes + origin.messages > 0,
    };
    let found: Vec<&Origin> = survey.origins.iter().filter(wanted).collect();
    match found.as_slice() {
        [one] if one.routes + one.messages > 0 => Ok(one),
        [] if survey.origins.is_empty() => Err(format!("{name}: holds no routes and no BGP messages")),
        [] | [_] if arguments.peer_index.is_some() || arguments.neighbor.is_some() => {
            Err(format!("{name}: nothing of this peer is in it; there are:{}", list(&survey.origins)))
        }
        [] | [_] => Err(format!("{name}: no peer in it has a route")),
        _ => {
            Err(format!("{name}: several peers: choose one with --peer-index or --neighbor:{}", list(&survey.origins)))
        }
    }
}

fn list(origins: &[Origin]) -> String {
    let mut text = String::new();
    for origin in origins.iter().filter(|origin| origin.routes + origin.messages > 0).take(LISTED_PEERS) {
        let index = origin.index.map(|index| format!("--peer-index {index} or ")).unwrap_or_default();
        text += &format!(
            "\n  {index}--neighbor {}  (AS{}, {} routes, {} messages)",
            origin.address, origin.asn, origin.routes, origin.messages
        );
    }
    text
}

fn config(arguments: &ReplayArgs, origin: &Origin) -> SessionConfig {
    let asn = arguments.asn.unwrap_or(origin.asn);
    let unset = |id: &RouterId| id.0.is_unspecified();
    let router_id = arguments.router_id.map(RouterId).or(origin.router_id.filter(|id| !unset(id)));
    let router_id = router_id.unwrap_or(RouterId(Ipv4Addr::new(10, 255, 255, 1)));
    SessionConfig {
        peer_asn: None,
        families: families(origin.add_path),
        // What the router says is of no interest.
        send_hold_time: None,
        ..SessionConfig::new(asn, router_id, asn)
    }
}

/// What is offered; `add_path`: several paths of a prefix too (RFC 7911).
fn families(add_path: bool) -> BTreeMap<Family, FamilyConfig> {
    let config = FamilyConfig { add_path: add_path.then_some(AddPathMode::SEND), ..FamilyConfig::default() };
    [Family::IPV4_UNICAST, Family::IPV6_UNICAST].into_iter().map(|family| (family, config)).collect()
}

/// Time since the start of a session, for the session.
fn since(origin: Instant) -> Time {
    Time::ZERO + origin.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_is_given_with_or_without_port() {
        assert_eq!(endpoint("192.0.2.1").unwrap().port(), 179);
        assert_eq!(endpoint("[2001:db8::1]:1790").unwrap().port(), 1790);
        assert!(endpoint("router").is_err());
        assert!(factor("0").is_err() && factor("x").is_err() && factor("inf").is_err());
    }

    #[test]
    fn recorded_time_passes_as_fast_as_is_asked() {
        let started = Instant::now();
        let mut pace = Pace { speed: Some(10.0), started, first: None };
        assert_eq!(pace.due(Duration::from_secs(100)), started);
        assert_eq!(pace.due(Duration::from_secs(150)), started + Duration::from_secs(5));
        // A clock that went back waits for nothing.
        assert_eq!(pace.due(Duration::from_secs(50)), started);
        assert_eq!(Pace { speed: None, started, first: None }.due(Duration::from_secs(9)), started);
    }
}
