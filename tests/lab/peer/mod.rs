//! Other people's BGP daemons as neighbours: what is wanted of one ([`Wish`]), and an [`Adapter`] for each that writes its configuration,
//! asks it what it has, and tells it what to do. Routes are compared in one form ([`Route`]), whoever tells of them.

pub mod bird;
pub mod frr;
pub mod gobgp;
pub mod openbgpd;
pub mod ours;
pub mod raw;
pub mod route;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{self, Daemon};
use crate::report::Fail;
use crate::wait;
pub use route::Route;

/// The network namespace of the daemon.
pub const NAMESPACE: &str = "peer";

/// A daemon answers this soon after its start.
const START_LIMIT: Duration = Duration::from_secs(15);

/// An address family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// Both.
    pub const ALL: &'static [Family] = &[Family::V4, Family::V6];

    /// `ipv4` or `ipv6`.
    pub fn word(self) -> &'static str {
        match self {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        }
    }

    /// Of a prefix.
    pub fn of(prefix: &str) -> Family {
        if prefix.contains(':') { Family::V6 } else { Family::V4 }
    }
}

/// What a daemon is to be.
#[derive(Clone, Debug)]
pub struct Wish {
    pub asn: u32,
    pub router_id: Ipv4Addr,
    pub sessions: Vec<Session>,
    /// What it announces as its own.
    pub routes: Vec<Announced>,
    /// What the way to next hops costs. Only BIRD can be told without an IGP.
    pub costs: Vec<(Ipv4Addr, u32)>,
    /// The confederation's AS, and the other members.
    pub confederation: Option<(u32, Vec<u32>)>,
}

/// One session of a daemon. Who writes a configuration takes all of it, or says in the table what the daemon lacks.
#[derive(Clone, Debug)]
pub struct Session {
    /// A name where the daemon wants one.
    pub name: String,
    pub local: IpAddr,
    pub remote: IpAddr,
    pub remote_asn: u32,
    pub families: &'static [Family],
    /// It waits and does not call.
    pub passive: bool,
    pub password: Option<&'static str>,
    pub ttl_security: bool,
    /// Seconds.
    pub hold_time: u16,
    /// Sends several paths of a prefix.
    pub add_path_send: bool,
    /// Takes several paths of a prefix.
    pub add_path_receive: bool,
    /// IPv4 routes have IPv6 next hops.
    pub extended_next_hop: bool,
    /// It asks for its routes to be kept while it restarts.
    pub graceful_restart: bool,
    /// Its role toward the neighbour.
    pub role: Option<&'static str>,
    /// The neighbour is its route reflection client.
    pub reflector_client: bool,
    /// Most routes from the neighbour.
    pub max_prefixes: Option<u32>,
    /// Next hop of the IPv6 routes that it announces.
    pub next_hop_v6: Option<IpAddr>,
    /// It keeps its hands off next hops.
    pub next_hop_unchanged: bool,
}

/// A route of a daemon's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announced {
    pub prefix: &'static str,
    /// With all the attributes of [`RICH`], or with none.
    pub rich: bool,
}

/// What a rich route has.
pub struct Rich {
    pub origin: &'static str,
    pub med: u32,
    pub community: (u16, u16),
    pub large: (u32, u32, u32),
    /// A route target.
    pub target: (u16, u32),
}

/// The attributes of rich routes.
pub const RICH: Rich =
    Rich { origin: "egp", med: 88, community: (65020, 7), large: (4_200_000_002, 1, 2), target: (65020, 9) };

impl Session {
    /// A session without anything special.
    pub fn new(local: IpAddr, remote: IpAddr, remote_asn: u32) -> Session {
        Session {
            name: format!("to_{}", remote.to_string().replace(['.', ':'], "_")),
            local,
            remote,
            remote_asn,
            families: Family::ALL,
            passive: false,
            password: None,
            ttl_security: false,
            hold_time: 90,
            add_path_send: false,
            add_path_receive: false,
            extended_next_hop: false,
            graceful_restart: false,
            role: None,
            reflector_client: false,
            max_prefixes: None,
            next_hop_v6: None,
            next_hop_unchanged: false,
        }
    }

    pub fn has(&self, family: Family) -> bool {
        self.families.contains(&family)
    }
}

/// What a running daemon can be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action<'a> {
    /// End the session for good, with a text (RFC 9003).
    Shutdown(&'a str),
    /// Have it again.
    Enable,
    /// End it, and have it again at once.
    Reset,
    /// Ask the neighbour for its routes again (RFC 2918).
    Refresh,
    /// Take back an own route.
    Withdraw(&'a Announced),
    /// Announce it again.
    Announce(&'a Announced),
}

/// Where a daemon's files are.
#[derive(Clone, Debug)]
pub struct Place {
    /// Logs, kept after the run.
    pub logs: PathBuf,
    /// Configuration and sockets, gone after the run.
    pub run: PathBuf,
}

impl Place {
    /// A file of the daemon's, as text.
    pub fn file(&self, name: &str) -> String {
        self.run.join(name).display().to_string()
    }

    /// Writes one.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Fail> {
        let path = self.run.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// Runs a command where the daemon is.
pub fn inside(arguments: &[&str]) -> Result<String, Fail> {
    let mut all = vec!["netns", "exec", NAMESPACE];
    all.extend(arguments);
    process::run("ip", &all)
}

/// How to deal with one kind of daemon.
pub trait Adapter: Sync {
    /// As in the table of `docs/interoperability.md`.
    fn name(&self) -> &'static str;

    /// What it can carry over an IPv4 session with next hops that are right.
    fn families_over_ipv4(&self) -> &'static [Family] {
        Family::ALL
    }

    /// Writes the configuration and gives the command that starts the daemon in the foreground.
    fn prepare(&self, place: &Place, wish: &Wish) -> Result<Vec<String>, Fail>;

    /// `Ok` when it answers, and has what a configuration file cannot give it.
    fn ready(&self, place: &Place, wish: &Wish) -> Result<(), Fail>;

    /// The state of a session in its own words; `Established` is the same word for all.
    fn state(&self, place: &Place, session: &Session) -> Result<String, Fail>;

    /// What it has got by a session.
    fn routes(&self, place: &Place, session: &Session, family: Family) -> Result<Vec<Route>, Fail>;

    /// Which neighbour the best route to a prefix came from.
    fn best(&self, place: &Place, prefix: &str) -> Result<String, Fail>;

    /// Does it.
    fn act(&self, place: &Place, session: &Session, action: Action<'_>) -> Result<(), Fail>;

    /// The words of its log or state that show that the neighbour has ended the session with a Cease for administrative reasons.
    fn cease_seen(&self, place: &Place, session: &Session, log: &str) -> Result<String, Fail>;
}

/// A running daemon.
pub struct Peer {
    pub adapter: &'static dyn Adapter,
    pub place: Place,
    pub wish: Wish,
    pub daemon: Daemon,
}

impl Peer {
    /// Starts it and waits until it answers.
    pub fn start(adapter: &'static dyn Adapter, logs: &Path, wish: Wish) -> Result<Peer, Fail> {
        let place = Place { logs: logs.to_owned(), run: PathBuf::from("/run/peer") };
        std::fs::create_dir_all(&place.run).map_err(|error| format!("/run/peer: {error}"))?;
        let command = adapter.prepare(&place, &wish)?;
        let mut arguments = vec!["ip", "netns", "exec", NAMESPACE];
        arguments.extend(command.iter().map(String::as_str));
        let mut daemon = Daemon::start(&place.logs, "peer", &arguments)?;
        daemon.until(START_LIMIT, |_| adapter.ready(&place, &wish))?;
        Ok(Peer { adapter, place, wish, daemon })
    }

    /// Sends a signal to all of its processes: some daemons are several.
    pub fn signal_all(&self, signal: &str) -> Result<(), Fail> {
        let pids = process::run("ip", &["netns", "pids", NAMESPACE])?;
        let mut arguments = vec![format!("-{signal}")];
        arguments.extend(pids.split_whitespace().map(str::to_owned));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        process::run("kill", &arguments).map(drop)
    }

    /// Ends it without a chance to say goodbye, and waits until the last of its processes is gone: one that is left would keep
    /// the port that the next daemon wants.
    pub fn kill(&mut self) -> Result<(), Fail> {
        self.daemon.kill();
        wait::until(START_LIMIT, || {
            let left = process::run("ip", &["netns", "pids", NAMESPACE])?;
            let left: Vec<&str> = left.split_whitespace().collect();
            if left.is_empty() {
                return Ok(());
            }
            // Who ended between the two commands makes the second one fail: the next look tells.
            let mut arguments = vec!["-KILL"];
            arguments.extend(&left);
            let _ = process::run("kill", &arguments);
            Err(format!("{} has processes left: {}", self.adapter.name(), left.join(" ")))
        })
    }

    pub fn session(&self, number: usize) -> &Session {
        &self.wish.sessions[number]
    }

    /// What it has got by its first session, by prefix.
    pub fn routes(&self, family: Family) -> Result<Vec<Route>, Fail> {
        self.adapter.routes(&self.place, self.session(0), family)
    }

    pub fn act(&self, action: Action<'_>) -> Result<(), Fail> {
        self.adapter.act(&self.place, self.session(0), action)
    }

    /// Fails unless the session is up as the daemon sees it.
    pub fn ensure_established(&self, session: &Session) -> Result<(), Fail> {
        let state = self.adapter.state(&self.place, session)?;
        if state == "Established" { Ok(()) } else { Err(format!("{} says: {state}", self.adapter.name())) }
    }
}

/// A JSON document of a daemon.
pub fn json(text: &str) -> Result<serde_json::Value, Fail> {
    serde_json::from_str(text)
        .map_err(|error| format!("no JSON: {error}: {}", text.chars().take(200).collect::<String>()))
}

/// A file in [`Place::run`] that says that the daemon runs for the second time.
pub const RESTARTED: &str = "restarted";

/// The cluster of a daemon that reflects: its identifier, which is what most take by themselves.
pub const REFLECTOR_CLUSTER: &str = "192.0.2.2";
